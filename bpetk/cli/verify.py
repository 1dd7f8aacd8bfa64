"""``bpetk verify``: the same work by a reference library, and whether the results are equal."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import Any

import click

from bpetk.cli.console import Console
from bpetk.cli.inputs import expand
from bpetk.cli.options import (
    ENCODING,
    JSON,
    MODEL,
    THREADS,
    load_model,
    loading_options,
    training_arguments,
    training_options,
)
from bpetk.cli.progress import notes
from bpetk.cli.report import byte_display, print_difference
from bpetk.reference_libraries import LIBRARIES
from bpetk.report import SENTENCEPIECE
from bpetk.verify import REFERENCES, verify_encode, verify_train

CHECK_FAILED = 3
SENTENCEPIECE_PACKAGE = "sentencepiece"


@click.group()
def verify() -> None:
    """Check results against the reference libraries (pip install 'bpetk[verify]')."""


@verify.command("train")
@training_options
@click.option(
    "--against",
    type=click.Choice(REFERENCES),
    help="The reference; hf, the default, is the package tokenizers; sentencepiece trains its own algorithm.",
)
@JSON
@click.pass_context
def verify_train_command(
    context: click.Context, /, *, files: tuple[str, ...], against: Any, as_json: bool, **options: Any
) -> int:
    """Train with bpetk and with a reference, and compare merges and vocabulary in order.

    With SentencePiece, whose algorithm is then the one that is trained, both files are compared byte
    for byte. Prints "identical: N merges" (or pieces) and exits with 0, or prints the first difference
    and exits with 3.

    \b
    Examples:
      bpetk verify train corpus.txt --vocab 8000 --scheme o200k --against hf
      bpetk verify train corpus.txt --vocab 8000 --set byte_fallback=true --against sentencepiece
    """
    context.obj["json"] = as_json
    if against == SENTENCEPIECE_PACKAGE and options["algorithm"] is None:
        options["algorithm"] = SENTENCEPIECE
    with notes(as_json=as_json):
        result = verify_train(files, against=against, **training_arguments(**options))
    what = "pieces" if options["algorithm"] == SENTENCEPIECE else "merges"
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(result), ensure_ascii=False))
    elif result.identical:
        click.echo(f"identical: {result.compared} {what}")
    else:
        click.echo(f"different ({result.ours} and {result.theirs}): {result.first_difference}")
    return 0 if result.identical else CHECK_FAILED


@verify.command("encode")
@MODEL
@click.argument("files", nargs=-1, required=True, metavar="FILE|DIR|GLOB...", type=click.Path(readable=False))
@click.option(
    "--against",
    type=click.Choice(list(LIBRARIES)),
    help="The reference; hf is the package tokenizers. Default: tiktoken for files of ranks, sentencepiece for .model "
    "files, else hf.",
)
@click.option("--whole", is_flag=True, help="Encode every file as one text, not line by line.")
@ENCODING
@loading_options
@THREADS
@JSON
@click.pass_context
def verify_encode_command(
    context: click.Context,
    /,
    *,
    model: str,
    files: tuple[str, ...],
    against: str | None,
    whole: bool,
    encoding: str,
    threads: int,
    as_json: bool,
    **loading: Any,
) -> int:
    """Encode text with bpetk and with a reference, and compare the ids of every line.

    The reference reads the same files; what it was given is told, for ranks also who says how text is cut. Special
    tokens in the text are encoded as such by both. For a .model, whose text is all ordinary, pieces, offsets and the
    decoded text are compared too. Prints "identical" and exits with 0, or prints the first
    difference and exits with 3. Without any text there is nothing to prove: that is an error.

    \b
    Examples:
      bpetk verify encode my-tokenizer corpus.txt --against hf
      bpetk verify encode tokenizer.model corpus.txt --against sentencepiece
    """
    context.obj["json"] = as_json
    names = expand(files)
    with notes(as_json=as_json):
        tokenizer = load_model(model, **loading)
    total = sum(os.path.getsize(name) for name in names if os.path.isfile(name))
    with byte_display("comparing", total, quiet=as_json) as progress:
        result = verify_encode(
            tokenizer,
            names,
            against=against,
            pattern=loading["pattern"],
            whole=whole,
            encoding=encoding,
            threads=threads,
            progress=progress,
        )
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(result), ensure_ascii=False))
    elif result.difference is None:
        texts = f"{result.texts:,} {'file' if whole else 'line'}{'' if result.texts == 1 else 's'}"
        click.echo(f"identical: {texts}, {result.tokens:,} ids ({result.ours} and {result.theirs})")
        click.echo(f"{result.theirs.split()[0]} was given: {result.reference}")
    else:
        print_difference(result, Console())
    return 0 if result.identical else CHECK_FAILED
