"""``bpetk convert``: a tokenizer in another format, with proof."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import click

from bpetk.cli.options import JSON, loading_arguments, loading_options
from bpetk.cli.progress import notes
from bpetk.convert import TARGETS, Conversion, Target
from bpetk.convert import convert as convert_tokenizer


def _command(done: Conversion) -> str:
    """Give the options of the command line that load the result."""
    words = [str(done.path)]
    for name, id in done.options.get("special_tokens", {}).items():
        words += ["--special", f"{name}={id}"]
    return shlex.join(words)


@click.command()
@click.argument("src", metavar="SRC", type=click.Path(readable=False))
@click.argument("dst", metavar="DST", type=click.Path(path_type=Path))
@click.option("--to", required=True, type=click.Choice(TARGETS), help="The format to write.")
@click.option(
    "--probe",
    "probes",
    multiple=True,
    metavar="FILE",
    type=click.Path(readable=False),
    help="Compare the ids of this text too; may be repeated.",
)
@loading_options
@JSON
@click.pass_context
def convert(
    context: click.Context,
    /,
    *,
    src: str,
    dst: Path,
    to: Target,
    probes: tuple[str, ...],
    as_json: bool,
    **loading: Any,
) -> None:
    """Write a tokenizer in another format, and prove that it gives the same ids.

    The result is loaded again, by bpetk and by the library that it is for (tokenizers or tiktoken, where installed),
    and the ids of a built-in text and of every --probe are compared. What the format cannot hold is refused with
    the reason; then nothing is written. hf and gpt2 write a folder; tiktoken a rank file DST, and DST.json with the
    pattern and the special tokens, which a rank file does not hold; bpetk finds them there. image is a file of bpetk's
    own that loads in milliseconds.

    A .model of SentencePiece becomes hf, for which tokenizers has to be installed, or is copied by --to sentencepiece.

    \b
    Examples:
      bpetk convert my-tokenizer my.tiktoken --to tiktoken --probe corpora/zh.txt
      bpetk convert tokenizer.model my-tokenizer --to hf
    """
    context.obj["json"] = as_json
    with notes(as_json=as_json):
        done = convert_tokenizer(src, dst, to=to, probes=probes, **loading_arguments(**loading))
    if as_json:
        result = {
            "path": str(done.path),
            "files": list(map(str, done.files)),
            "options": dict(done.options),
            "texts": done.texts,
            "tokens": done.tokens,
            "compared": list(done.compared),
            "notes": list(done.notes),
        }
        click.echo(json.dumps(result, ensure_ascii=False))
        return
    click.echo(f"equal: {done.tokens:,} ids of {done.texts:,} texts ({' and '.join(done.compared)})")
    click.echo(f"written: {', '.join(map(str, done.files))}")
    if done.options:
        click.echo(f"load as: {_command(done)}")
    for note in done.notes:
        click.echo(f"note: {note}")
