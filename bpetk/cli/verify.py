"""``bpetk verify``: the same work by a reference library, and whether the results are equal."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import click

from bpetk.cli.options import training_arguments, training_options
from bpetk.cli.progress import notes
from bpetk.verify import REFERENCES, verify_train

CHECK_FAILED = 3


@click.group()
def verify() -> None:
    """Check results against the reference libraries (pip install 'bpetk[verify]')."""


@verify.command("train")
@training_options
@click.option(
    "--against",
    type=click.Choice(REFERENCES),
    default="hf",
    show_default=True,
    help="The reference; hf is the package tokenizers.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.pass_context
def verify_train_command(
    context: click.Context, /, *, files: tuple[str, ...], against: Any, as_json: bool, **options: Any
) -> int:
    """Train with bpetk and with a reference, and compare merges and vocabulary in order.

    Prints "identical: N merges" and exits with 0, or prints the first difference and exits with 3.

    \b
    Example:
      bpetk verify train corpus.txt --vocab 8000 --scheme o200k --against hf
    """
    context.obj["json"] = as_json
    with notes(as_json=as_json):
        result = verify_train(files, against=against, **training_arguments(**options))
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(result), ensure_ascii=False))
    elif result.identical:
        click.echo(f"identical: {result.compared} merges")
    else:
        click.echo(f"different ({result.ours} and {result.theirs}): {result.first_difference}")
    return 0 if result.identical else CHECK_FAILED
