"""``bpetk count``: how many tokens texts have."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import click

from bpetk.cli.console import Console
from bpetk.cli.inputs import TextFile, expand, text_errors, text_file
from bpetk.cli.options import (
    JSON,
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
from bpetk.cli.report import print_counts
from bpetk.text_files import open_utf8
from bpetk.tokenizer import Tokenizer

_CHUNK = 1 << 20
_WIDE = 1 << 12
_CONTINUATION = bytes(range(0x80, 0xC0))


@dataclass(frozen=True)
class Count:
    """Tokens, bytes and characters of a text."""

    name: str
    tokens: int
    bytes: int
    characters: int
    documents: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; ratios are null for no tokens."""
        return {
            "file": self.name,
            "documents": self.documents,
            "tokens": self.tokens,
            "bytes": self.bytes,
            "characters": self.characters,
            "bytes_per_token": round(self.bytes / self.tokens, 6) if self.tokens else None,
            "characters_per_token": round(self.characters / self.tokens, 6) if self.tokens else None,
        }


def count_file(
    tokenizer: Tokenizer, file: TextFile, *, separator: str | None, threads: int, policy: dict[str, Any]
) -> Count:
    """Count a file; separators are among its bytes and characters, and bytes are those of UTF-8."""
    tokens = documents = 0
    with text_errors(file, disallowed_tokens(tokenizer, policy, separator)):
        for ids, ends in tokenizer.iter_encode_file(
            file.path, separator=separator, encoding=file.encoding, threads=threads, **policy
        ):
            tokens += len(ids)
            documents += len(ends)
    size = characters = 0
    with open_utf8(file.path, file.encoding) as text:
        while chunk := text.read(_CHUNK):
            size += len(chunk)
            characters += len(chunk.translate(None, _CONTINUATION))
    return Count(file.name, tokens, size, characters, documents)


@click.command()
@MODEL
@click.argument(
    "files",
    nargs=-1,
    metavar="[FILE|DIR|GLOB|-]...",
    type=click.Path(readable=False, allow_dash=True),
)
@document_options
@policy_options
@loading_options
@THREADS
@JSON
@click.pass_context
def count(
    context: click.Context,
    /,
    *,
    model: str,
    files: tuple[str, ...],
    lines: bool,
    separator: str | None,
    encoding: str,
    allowed: tuple[str, ...],
    special_as_text: bool,
    add_special_tokens: bool,
    bos: bool,
    eos: bool,
    reverse: bool,
    threads: int,
    as_json: bool,
    **loading: Any,
) -> None:
    """Count the tokens of files, or of standard input, with bytes (of the text as UTF-8) and characters per token.

    \b
    Example:
      bpetk count my-tokenizer corpora/zh.txt corpora/en.txt
    """
    context.obj["json"] = as_json
    cut = separator_argument(lines=lines, separator=separator)
    names = expand(files or ("-",))
    with notes(as_json=as_json):
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
    counts = []
    for name in names:
        with text_file(name, encoding) as source:
            counts.append(count_file(tokenizer, source, separator=cut, threads=threads, policy=policy))
    sums = [
        sum(getattr(count, part) for count in counts)
        for part in ("tokens", "bytes", "characters", "documents")
    ]
    total = Count("total", *sums)
    if as_json:
        result = {"files": [count.to_dict() for count in counts], "total": total.to_dict()}
        click.echo(json.dumps(result, ensure_ascii=False))
    else:
        rows = counts if len(counts) == 1 else [*counts, total]
        console = Console()
        if not console.is_terminal:
            console.width = _WIDE  # a program reads it line by line: a long name must not be folded
        print_counts([row.to_dict() for row in rows], console)
