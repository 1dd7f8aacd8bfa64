"""``bpetk decode``: ids in, text out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import click

from bpetk.cli.console import binary_stdout
from bpetk.cli.options import MODEL, load_model, loading_options, separator_argument
from bpetk.cli.progress import notes
from bpetk.errors import CorpusError, UnknownTokenError
from bpetk.token_files import WIDTHS, Width, atomic_files, read_token_file, read_token_lines, smallest_width
from bpetk.tokenizer import Tokenizer

_AT_ONCE = 1 << 16  # ids


def decode_document(
    tokenizer: Tokenizer, ids: Any, *, errors: str | None, skip_special_tokens: bool
) -> Iterator[bytes]:
    """Give the bytes of a document, as they are if ``errors`` is None."""
    if errors is not None:
        text = tokenizer.decode(ids.tolist(), errors=errors, skip_special_tokens=skip_special_tokens)
        yield text.encode("utf-8")
        return
    if tokenizer.format == "sentencepiece" or tokenizer.scheme.name == "characters":
        # What a piece becomes depends on those before it.
        yield tokenizer.decode_bytes(ids.tolist(), skip_special_tokens=skip_special_tokens)
        return
    special = frozenset(tokenizer.special_tokens.values()) if skip_special_tokens else frozenset()
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE].tolist()
        yield tokenizer.decode_bytes([id for id in some if id not in special] if special else some)


@contextmanager
def _output(out: Path | None) -> Iterator[BinaryIO]:
    if out is None or str(out) == "-":
        with binary_stdout() as stream:
            yield stream
    else:
        with atomic_files(out) as (file,):
            yield file


def _documents(file: str, width: Width) -> Iterator[Any]:
    if file == "-":
        if sys.stdin.isatty():
            click.echo("reading ids from standard input; end them with Ctrl-D", err=True)
        return read_token_lines(sys.stdin.buffer, "standard input")
    return read_token_file(file, width=width)


@click.command()
@MODEL
@click.argument("file", metavar="[FILE|-]", default="-", type=click.Path(readable=False, allow_dash=True))
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE|-",
    help="Default: stdout.",
)
@click.option("--lines", is_flag=True, help="End every document with a line feed.")
@click.option("--separator", metavar="STR", help="Write this between documents.")
@click.option("--skip-special-tokens", is_flag=True, help="Leave special tokens out of the text.")
@click.option(
    "--errors",
    type=click.Choice(["strict", "replace"]),
    help="For bytes that are not UTF-8: refuse them, or write U+FFFD. Default: they are written as they are.",
)
@click.option(
    "--dtype",
    "width",
    type=click.Choice(list(WIDTHS)),
    help="Type of the ids in a .bin file. Default: the one that encode chooses for this model.",
)
@loading_options
def decode(
    *,
    model: str,
    file: str,
    out: Path | None,
    lines: bool,
    separator: str | None,
    skip_special_tokens: bool,
    errors: str | None,
    width: Width | None,
    **loading: Any,
) -> None:
    """Turn token ids back into text.

    Ids are decimal numbers, one document a line, or a file .npy or .bin that encode wrote. Documents follow each
    other as they are; --lines ends each with a line feed, --separator puts a text between them. A rank file needs no
    --scheme here.

    \b
    Example:
      echo 'Hello, 世界' | bpetk encode my-tokenizer | bpetk decode my-tokenizer
    """
    between = separator_argument(lines=lines, separator=separator)
    with notes(as_json=False):
        tokenizer = load_model(model, for_decoding=True, **loading)
    joint = (between or "").encode("utf-8")
    with _output(out) as target:
        for number, ids in enumerate(_documents(file, width or smallest_width(tokenizer.n_vocab)), 1):
            if joint and not lines and number > 1:
                target.write(joint)
            try:
                for data in decode_document(
                    tokenizer, ids, errors=errors, skip_special_tokens=skip_special_tokens
                ):
                    target.write(data)
            except UnknownTokenError as error:
                raise CorpusError(f"{file}: document {number:,}: {error}") from error
            except UnicodeDecodeError as error:
                raise CorpusError(
                    f"{file}: document {number:,}: byte {error.start:,} of the text is not UTF-8 ({error.reason}); "
                    "without --errors strict it is written as it is"
                ) from error
            if lines:
                target.write(joint)
