"""``bpetk analyze``: what texts cost with a tokenizer, what it breaks in them, how it fits their words."""

from __future__ import annotations

from typing import Any

import click

from bpetk.analysis.analyzing import SAMPLE_BYTES, analyze
from bpetk.analysis.model_files import short_name
from bpetk.cli.analysis_options import Output, emit, output_options
from bpetk.cli.analysis_progress import analysis_progress
from bpetk.cli.analysis_texts import PARALLEL, SEGMENTER, analysis_separator, open_texts, text_options
from bpetk.cli.options import FILES, MODEL, THREADS, load_model, loading_options
from bpetk.cli.progress import notes

_PATH = click.Path(readable=False)


@click.command("analyze")
@MODEL
@FILES
@text_options
@PARALLEL
@click.option(
    "--gold",
    multiple=True,
    type=_PATH,
    metavar="FILE",
    help="A text's words in place of the segmenter's: the same lines, blanks between words. Once for each text.",
)
@SEGMENTER
@click.option(
    "--sample-bytes",
    type=click.IntRange(min=1),
    default=SAMPLE_BYTES,
    show_default=True,
    metavar="N",
    help="Chinese words are told of a sample of documents of so many bytes.",
)
@click.option("--full", is_flag=True, help="Chinese words of all documents; jieba reads about 1 MB a second.")
@click.option("--seed", type=int, default=0, show_default=True, metavar="S", help="Of the sample.")
@loading_options
@THREADS
@output_options
def analyze_command(
    *,
    model: str,
    files: tuple[str, ...],
    separator: str | None,
    whole_files: bool,
    encoding: str,
    parallel: tuple[str, str] | None,
    gold: tuple[str, ...],
    segmenter: str,
    sample_bytes: int,
    full: bool,
    seed: int,
    threads: int,
    output: Output,
    **loading: Any,
) -> None:
    """Tell what texts cost with a tokenizer, what it breaks in them, and how it fits their words.

    \b
    Examples:
      bpetk analyze my-tokenizer corpora/zh.txt corpora/en.txt
      bpetk analyze my-tokenizer corpora/zh.txt --segmenter none --json
      bpetk analyze my-tokenizer zh.txt --parallel zh.txt en.txt --html report.html
    """
    cut = analysis_separator(separator=separator, whole_files=whole_files)
    with open_texts(files, separator=separator, whole_files=whole_files, encoding=encoding) as texts:
        with notes(as_json=output.as_json):
            tokenizer = load_model(model, **loading)
        with analysis_progress(as_json=output.as_json) as progress:
            result = analyze(
                tokenizer,
                texts,
                parallel=parallel,
                gold=gold or None,
                segmenter=None if segmenter == "none" else segmenter,
                sample_bytes=sample_bytes,
                full=full,
                seed=seed,
                separator=cut,
                encoding=encoding,
                threads=threads,
                name=short_name(model),
                progress=progress,
            )
        emit(result, output, models={short_name(model): tokenizer})
