"""``bpetk encode``: text in, ids out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from bpetk.cli.console import binary_stdout
from bpetk.cli.inputs import TextFile, expand, text_errors, text_file
from bpetk.cli.options import (
    MODEL,
    THREADS,
    disallowed_tokens,
    document_options,
    load_model,
    loading_options,
    policy_arguments,
    policy_options,
    separator_argument,
)
from bpetk.cli.progress import notes
from bpetk.errors import OutputError, UnknownTokenError
from bpetk.token_files import (
    WIDTHS,
    TextSink,
    TokenWriter,
    Width,
    check_token_path,
    offsets_path,
    smallest_width,
    token_file,
)
from bpetk.tokenizer import Tokenizer


def encode_text(
    tokenizer: Tokenizer,
    file: TextFile,
    writer: TokenWriter,
    *,
    separator: str | None,
    threads: int,
    policy: dict[str, Any],
) -> None:
    """Write the documents of a file; a special token that is not allowed is told with its place in the file."""
    with text_errors(file, disallowed_tokens(tokenizer, policy, separator)):
        for ids, ends in tokenizer.iter_encode_file(
            file.path, separator=separator, encoding=file.encoding, threads=threads, **policy
        ):
            writer.write(ids, ends)


@contextmanager
def _output(out: Path | None, width: Width, append: int | None) -> Iterator[TokenWriter]:
    if out is None:
        with binary_stdout() as stream:
            yield TokenWriter(TextSink(stream), append=append)
    else:
        with token_file(out, width=width, append=append) as writer:
            yield writer


def _append_id(tokenizer: Tokenizer, token: str | None) -> int | None:
    if token is None:
        return None
    try:
        return tokenizer.token_to_id(token)
    except UnknownTokenError as error:
        raise click.UsageError(f"--append: {error}.") from error


def _tell(out: Path, width: Width, writer: TokenWriter) -> None:
    counts = f"{writer.tokens:,} ids, {writer.documents:,} document{'' if writer.documents == 1 else 's'}"
    form = f"{width}, {WIDTHS[width]} bytes an id, little-endian"
    if out.suffix == ".npy":
        click.echo(f"{out}: {counts}; {form}; row offsets (int64) in {offsets_path(out).name}", err=True)
    elif out.suffix == ".bin":
        click.echo(f"{out}: {counts}; {form}; no header", err=True)
    else:
        click.echo(f"{out}: {counts}; one document a line", err=True)


@click.command()
@MODEL
@click.argument(
    "files", nargs=-1, metavar="[FILE|DIR|GLOB|-]...", type=click.Path(readable=False, allow_dash=True)
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE|-",
    help="Write .npy (ids, and FILE.offsets.npy), .bin (raw ids) or .txt. Default: text on stdout.",
)
@document_options
@click.option("--append", metavar="TOKEN", help="Put this token at the end of every document.")
@policy_options
@click.option(
    "--dtype",
    "width",
    type=click.Choice(list(WIDTHS)),
    help="Type of the ids in .npy and .bin. Default: the smaller one that holds all of the vocabulary.",
)
@loading_options
@THREADS
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
def encode(
    *,
    model: str,
    files: tuple[str, ...],
    out: Path | None,
    lines: bool,
    separator: str | None,
    encoding: str,
    append: str | None,
    allowed: tuple[str, ...],
    special_as_text: bool,
    add_special_tokens: bool,
    bos: bool,
    eos: bool,
    reverse: bool,
    width: Width | None,
    threads: int,
    quiet: bool,
    **loading: Any,
) -> None:
    """Turn the text of files, or of standard input, into token ids.

    A folder stands for its .txt, .text and .md files. Text on stdout has one document a line. A text that spells a
    special token is an error unless --allow-special or --special-as-text says what to make of it. An output file
    appears complete or not at all.

    \b
    Examples:
      echo '你好, world' | bpetk encode my-tokenizer
      bpetk encode my-tokenizer corpus.txt -o corpus.npy --separator '<|endoftext|>' --append '<|endoftext|>'
    """
    cut = separator_argument(lines=lines, separator=separator)
    names = expand(files or ("-",))
    if out is not None:
        out = None if str(out) == "-" else check_token_path(out)
    with notes(as_json=False, quiet=quiet):
        tokenizer = load_model(model, **loading)
    policy = policy_arguments(
        tokenizer,
        allowed=allowed,
        special_as_text=special_as_text,
        add_special_tokens=add_special_tokens,
        bos=bos,
        eos=eos,
        reverse=reverse,
    )
    smallest = smallest_width(tokenizer.n_vocab)
    if width is not None and WIDTHS[width] < WIDTHS[smallest]:
        raise click.UsageError(
            f"--dtype {width}: ids of this model go up to {tokenizer.n_vocab - 1:,}; {smallest} holds them."
        )
    end = _append_id(tokenizer, append)
    if (
        out is not None
        and out.exists()
        and any(os.path.exists(n) and os.path.samefile(out, n) for n in names)
    ):
        raise OutputError(f"{out} is the input; it would be overwritten")
    with _output(out, width or smallest, end) as writer:
        for name in names:
            with text_file(name, encoding) as source:
                encode_text(tokenizer, source, writer, separator=cut, threads=threads, policy=policy)
    if out is not None and not quiet:
        _tell(out, width or smallest, writer)
