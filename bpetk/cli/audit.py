"""``bpetk audit``: tokens that deserve a look, and a check for scripts."""

from __future__ import annotations

import json
from typing import Any

import click

from bpetk.analysis.auditing import RULES, TOP, check_limits, failures
from bpetk.analysis.auditing import audit as run
from bpetk.analysis.deny_lists import DenyList
from bpetk.analysis.model_files import short_name
from bpetk.cli.analysis_options import Output, emit, output_options
from bpetk.cli.analysis_progress import analysis_progress
from bpetk.cli.analysis_texts import open_texts, text_options
from bpetk.cli.options import FILES, MODEL, THREADS, load_model, loading_options
from bpetk.cli.progress import notes

CHECK_FAILED = 3


@click.command()
@MODEL
@FILES
@click.option(
    "--deny",
    multiple=True,
    metavar="FILE",
    type=click.Path(readable=False),
    help="Patterns that no token should contain, one a line, besides the starter list; may be repeated.",
)
@click.option("--no-starter-list", is_flag=True, help="Leave out the list of patterns that comes with bpetk.")
@click.option(
    "--fail-on",
    "limits",
    multiple=True,
    metavar="RULE[=N|=N%]",
    help=f"Exit with 3 if more than N tokens (default: none) or that share break the rule: {', '.join(RULES)}.",
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=TOP,
    show_default=True,
    metavar="N",
    help="Rows of the table for review.",
)
@text_options
@loading_options
@THREADS
@output_options
@click.pass_context
def audit(
    context: click.Context,
    /,
    *,
    model: str,
    files: tuple[str, ...],
    deny: tuple[str, ...],
    no_starter_list: bool,
    limits: tuple[str, ...],
    top: int,
    separator: str | None,
    whole_files: bool,
    encoding: str,
    threads: int,
    output: Output,
    **loading: Any,
) -> None:
    """Find polluted, broken and unused tokens of a vocabulary, ranked for review.

    Long Han tokens and other suspicious ones are listed with their frequency in the text, how far they come
    from one document or file, their neighbours, and hits of deny lists.

    \b
    Examples:
      bpetk audit my-tokenizer corpora/zh.txt corpora/en.txt
      bpetk audit my-tokenizer corpora/zh.txt --fail-on denied --fail-on polluted=1%
    """
    check_limits(limits)
    lists = [DenyList.from_file(name) for name in deny]
    with notes(as_json=output.as_json):
        tokenizer = load_model(model, **loading)
    with (
        open_texts(files, separator=separator, whole_files=whole_files, encoding=encoding) as texts,
        analysis_progress(as_json=output.as_json) as progress,
    ):
        result = run(
            tokenizer,
            texts,
            deny=lists,
            starter_list=not no_starter_list,
            top=top,
            name=short_name(model),
            threads=threads,
            progress=progress,
        )
    emit(result, output, models={short_name(model): tokenizer})
    failed = failures(result, limits)
    for sentence in failed:
        event = json.dumps({"event": "failed", "message": sentence})
        click.echo(event if output.as_json else f"failed: {sentence}", err=True)
    if failed:
        context.exit(CHECK_FAILED)
