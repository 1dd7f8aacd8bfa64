"""``bpetk inspect``: what is in a vocabulary."""

from __future__ import annotations

from typing import Any

import click

from bpetk.analysis.inspection import inspect as inspect_vocabulary
from bpetk.analysis.model_files import short_name
from bpetk.cli.analysis_options import Output, emit, output_options
from bpetk.cli.options import MODEL, load_model, loading_options
from bpetk.cli.progress import notes


@click.command()
@MODEL
@click.option("--grep", metavar="RE", help="Only list tokens in which this regular expression is found.")
@click.option(
    "--script", metavar="NAME", help="Only list tokens of a script, such as Han, Latin, mixed, bytes."
)
@click.option(
    "--longer-than",
    metavar="N",
    type=click.IntRange(min=0),
    help="Only list tokens of more than N characters.",
)
@loading_options
@output_options
def inspect(
    *,
    model: str,
    grep: str | None,
    script: str | None,
    longer_than: int | None,
    output: Output,
    **loading: Any,
) -> None:
    """Show what is in a vocabulary: scripts, lengths, Han coverage, twins, tokens that are never produced.

    With --grep, --script or --longer-than it lists the tokens that fit all of them instead.

    \b
    Examples:
      bpetk inspect my-tokenizer
      bpetk inspect o200k_base.tiktoken --scheme o200k --script Han --longer-than 4
    """
    with notes(as_json=output.as_json):
        tokenizer = load_model(model, **loading)
    result = inspect_vocabulary(
        tokenizer, name=short_name(model), grep=grep, script=script, longer_than=longer_than
    )
    emit(result, output, models={short_name(model): tokenizer})
