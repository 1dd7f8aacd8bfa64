"""``bpetk curve``: what a smaller vocabulary would cost."""

from __future__ import annotations

from typing import Any

import click

from bpetk.analysis.compression_curve import THRESHOLD, curve_by_training
from bpetk.analysis.compression_curve import curve as measure
from bpetk.analysis.model_files import short_name
from bpetk.cli.analysis_options import Output, emit, output_options
from bpetk.cli.analysis_progress import analysis_progress
from bpetk.cli.analysis_texts import analysis_separator, open_texts, text_options
from bpetk.cli.options import THREADS, load_model, loading_options
from bpetk.cli.progress import display, notes


@click.command()
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="[MODEL] FILE|DIR|GLOB|-...",
    type=click.Path(readable=False, allow_dash=True),
)
@click.option("--train", "train", is_flag=True, help="Train on the files, without a model.")
@click.option("--max-vocab", type=click.IntRange(min=1), metavar="N", help="With --train: the largest size.")
@click.option(
    "--on",
    multiple=True,
    metavar="FILE",
    type=click.Path(readable=False),
    help="With --train: measure on this text, not on that which was learned from; may be repeated.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=THRESHOLD,
    show_default=True,
    metavar="SHARE",
    help="Share of the tokens that 1,000 more must save to be worth it, for the advice.",
)
@text_options
@loading_options
@THREADS
@output_options
def curve(
    *,
    files: tuple[str, ...],
    train: bool,
    max_vocab: int | None,
    on: tuple[str, ...],
    threshold: float,
    separator: str | None,
    whole_files: bool,
    encoding: str,
    threads: int,
    output: Output,
    **loading: Any,
) -> None:
    """Tell how many tokens a text has with every smaller size of a vocabulary, from one encoding.

    The beginning of a list of merges is a smaller tokenizer, so the numbers are exact: they are what
    really training the smaller size gives. With --train, text is learned from first (byte-level BPE);
    keep some text apart and give it with --on, since tokens are worth most on what they were learned from.

    \b
    Examples:
      bpetk curve my-tokenizer corpora/zh.txt corpora/en.txt
      bpetk curve --train corpora/zh.txt --max-vocab 8000 --on corpora/en.txt
    """
    if train != (max_vocab is not None):
        raise click.UsageError("--train and --max-vocab N go together.")
    if on and not train:
        raise click.UsageError("--on is for --train; name the text after the model.")
    options: dict[str, Any] = {"threshold": threshold, "threads": threads}
    if train:
        _by_training(files, max_vocab or 0, on, separator, whole_files, encoding, output, options, loading)
        return
    if len(files) < 2:
        raise click.UsageError("name a model, then text: bpetk curve MODEL TEXT.")
    with notes(as_json=output.as_json):
        tokenizer = load_model(files[0], **loading)
    with (
        open_texts(files[1:], separator=separator, whole_files=whole_files, encoding=encoding) as texts,
        analysis_progress(as_json=output.as_json) as progress,
    ):
        result = measure(tokenizer, texts, name=short_name(files[0]), progress=progress, **options)
    emit(result, output, models={short_name(files[0]): tokenizer})


def _by_training(
    files: tuple[str, ...],
    max_vocab: int,
    on: tuple[str, ...],
    separator: str | None,
    whole_files: bool,
    encoding: str,
    output: Output,
    options: dict[str, Any],
    loading: dict[str, Any],
) -> None:
    """Train and measure."""
    if loading["file_format"] or loading["special"]:
        raise click.UsageError("--format and --special are for a MODEL; --train has none.")
    rule = {name: loading[name] for name in ("scheme", "pattern") if loading[name] is not None}
    if len(rule) == 2:
        raise click.UsageError("--scheme and --pattern exclude each other: give one of them.")
    measured = on or files
    # Training resolves folders and patterns itself; what is measured is resolved here.
    with (
        notes(as_json=output.as_json),
        open_texts(measured, separator=separator, whole_files=whole_files, encoding=encoding) as texts,
    ):
        if "-" in files:
            raise click.UsageError("--train cannot read standard input: it is needed twice; name files.")
        with (
            display(as_json=output.as_json, quiet=False) as training,
            analysis_progress(as_json=output.as_json) as progress,
        ):
            result = curve_by_training(
                files,
                max_vocab,
                on=texts if on else (),
                separator=analysis_separator(separator=separator, whole_files=whole_files),
                encoding=encoding,
                progress=progress,
                train_progress=training,
                **rule,
                **options,
            )
    emit(result, output)
