"""``bpetk report``: everything about one tokenizer and some text, in one page."""

from __future__ import annotations

from typing import Any

import click

from bpetk.analysis.model_files import short_names
from bpetk.analysis.reporting import report as make
from bpetk.cli.analysis_options import Output, emit, output_options
from bpetk.cli.analysis_progress import analysis_progress
from bpetk.cli.analysis_texts import PARALLEL, SEGMENTER, open_texts, text_options
from bpetk.cli.compare import load_models
from bpetk.cli.options import FILES, MODEL, THREADS, load_model, loading_options
from bpetk.cli.progress import notes
from bpetk.pretokenizers import SCHEMES
from bpetk.tokenizer import Tokenizer

_PATH = click.Path(readable=False)


@click.command()
@MODEL
@FILES
@click.option(
    "--compare",
    "others",
    multiple=True,
    metavar="MODEL",
    type=_PATH,
    help="Put this tokenizer beside it too; may be repeated.",
)
@click.option(
    "--compare-scheme",
    "schemes",
    multiple=True,
    type=click.Choice(list(SCHEMES)),
    metavar="NAME",
    help="How text is cut, for rank files of --compare: one for all of them, or one for each, in order.",
)
@PARALLEL
@SEGMENTER
@text_options
@loading_options
@THREADS
@output_options
def report(
    *,
    model: str,
    files: tuple[str, ...],
    others: tuple[str, ...],
    schemes: tuple[str, ...],
    parallel: tuple[str, str] | None,
    segmenter: str,
    separator: str | None,
    whole_files: bool,
    encoding: str,
    threads: int,
    output: Output,
    **loading: Any,
) -> None:
    """Tell all there is about a tokenizer: inspect, analyze, audit and curve, and compare with others.

    \b
    Examples:
      bpetk report my-tokenizer corpora/zh.txt corpora/en.txt --html report.html
      bpetk report my-tokenizer zh.txt --compare other/tokenizer.json --html report.html --csv tables
    """
    with notes(as_json=output.as_json):
        tokenizers = _loaded(model, loading, others, schemes)
        with (
            open_texts(files, separator=separator, whole_files=whole_files, encoding=encoding) as texts,
            analysis_progress(as_json=output.as_json) as progress,
        ):
            results = make(
                tokenizers,
                texts,
                parallel=parallel,
                segmenter=None if segmenter == "none" else segmenter,
                separator=texts[0].separator,
                encoding=encoding,
                threads=threads,
                progress=progress,
            )
    emit(results, output, models=tokenizers)


def _loaded(
    model: str, loading: dict[str, Any], others: tuple[str, ...], schemes: tuple[str, ...]
) -> dict[str, Tokenizer]:
    """Load the model and those beside it, by short names that tell all of them apart."""
    names = short_names([model, *others])
    if len(set(names)) < len(names):
        raise click.UsageError("--compare names a model that is there already.")
    first = load_model(model, **loading)
    rest = load_models(list(others), schemes, option="--compare-scheme").values()
    return dict(zip(names, [first, *rest], strict=True))
