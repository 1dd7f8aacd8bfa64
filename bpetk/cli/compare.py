"""``bpetk compare``: tokenizers side by side."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from bpetk.analysis.comparison import SAMPLE_BYTES
from bpetk.analysis.comparison import compare as run
from bpetk.analysis.model_files import is_model, short_names
from bpetk.cli.analysis_options import Output, emit, output_options
from bpetk.cli.analysis_progress import analysis_progress
from bpetk.cli.analysis_texts import open_texts, text_options
from bpetk.cli.inputs import expand
from bpetk.cli.options import THREADS, load_model
from bpetk.cli.progress import notes
from bpetk.errors import ConfigError
from bpetk.interop.detection import detect
from bpetk.interop.loading import find_ranks
from bpetk.pretokenizers import SCHEMES
from bpetk.tokenizer import Tokenizer

_PATH = click.Path(readable=False)


@click.command()
@click.argument(
    "names", nargs=-1, metavar="MODEL MODEL... TEXT...", type=click.Path(readable=False, allow_dash=True)
)
@click.option(
    "--model", "models", multiple=True, metavar="FILE", type=_PATH, help="This is a model; may be repeated."
)
@click.option(
    "--text", "texts", multiple=True, metavar="FILE", type=_PATH, help="This is text; may be repeated."
)
@click.option(
    "--parallel",
    nargs=2,
    metavar="ZH EN",
    type=_PATH,
    help="The same text in Chinese and in English, document by document: what the same content costs.",
)
@click.option(
    "--scheme",
    "schemes",
    multiple=True,
    type=click.Choice(list(SCHEMES)),
    metavar="NAME",
    help="How text is cut, for rank files, which do not say it: one for all of them, or one for each, in order.",
)
@click.option(
    "--sample-bytes",
    type=click.IntRange(min=1),
    default=SAMPLE_BYTES,
    show_default=True,
    metavar="N",
    help="Size of the sample on which boundaries are compared.",
)
@click.option("--seed", type=int, default=0, show_default=True, metavar="S", help="Of the sample.")
@click.option("--no-speed", is_flag=True, help="Do not measure speed: the result is then the same each time.")
@text_options
@THREADS
@output_options
def compare(
    *,
    names: tuple[str, ...],
    models: tuple[str, ...],
    texts: tuple[str, ...],
    parallel: tuple[str, str] | None,
    schemes: tuple[str, ...],
    sample_bytes: int,
    seed: int,
    no_speed: bool,
    separator: str | None,
    whole_files: bool,
    encoding: str,
    threads: int,
    output: Output,
) -> None:
    """Compare tokenizers over the same text: sizes, cost by language, overlap, boundaries, speed.

    An argument is a model if its content says so (tokenizer.json, tekken.json, rank file, SentencePiece
    .model, image, or a folder with one); all others are text. A vocab.json is a model only with --model.

    \b
    Examples:
      bpetk compare my-tokenizer other/tokenizer.json corpora/zh.txt corpora/en.txt
      bpetk compare --model vocab.json my-tokenizer corpora/zh.txt --parallel zh.txt en.txt
    """
    found, text_names = _sorted(names, models, texts)
    with notes(as_json=output.as_json):
        tokenizers = load_models(found, schemes)
    with (
        open_texts(text_names, separator=separator, whole_files=whole_files, encoding=encoding) as files,
        analysis_progress(as_json=output.as_json) as progress,
    ):
        result = run(
            tokenizers,
            files,
            parallel=parallel or None,
            separator=files[0].separator,
            encoding=encoding,
            sample_bytes=sample_bytes,
            seed=seed,
            speed=not no_speed,
            threads=threads,
            progress=progress,
        )
    emit(result, output, models=tokenizers)


def _sorted(
    names: tuple[str, ...], models: tuple[str, ...], texts: tuple[str, ...]
) -> tuple[list[str], list[str]]:
    """Tell models and texts apart."""
    found, rest = list(models), list(texts)
    for name in names:
        # A pattern may name models too.
        each = [name] if name == "-" or os.path.lexists(name) else expand([name])
        for one in each:
            (found if one != "-" and is_model(one) else rest).append(one)
    if len(found) < 2:
        what = f"found {len(found)}: {', '.join(found)}" if found else "found none"
        raise click.UsageError(
            f"comparing needs at least two models, {what}. What is not recognised as one is taken as text; "
            "--model FILE says that it is a model."
        )
    if not rest:
        raise click.UsageError(
            f"no text: {', '.join(found)} are models. Name text files after them, or with --text FILE."
        )
    return found, rest


def load_models(
    models: list[str], schemes: tuple[str, ...], *, option: str = "--scheme"
) -> dict[str, Tokenizer]:
    """Load them; schemes, from an option of this name, go to rank files in order."""
    ranks = [model for model in models if _is_ranks(model)]
    if len(schemes) > 1 and len(schemes) != len(ranks):
        raise click.UsageError(
            f"{option} was given {len(schemes)} times, but {len(ranks)} of the models are rank files: give one "
            "for all of them, or one for each."
        )
    if schemes and not ranks:
        raise click.UsageError(f"{option} is for rank files, and none of the models is one.")
    of_ranks = dict(zip(ranks, schemes * len(ranks) if len(schemes) == 1 else schemes, strict=False))
    none: dict[str, Any] = {"file_format": None, "pattern": None, "special": ()}
    names = short_names(models)
    if len(set(names)) < len(names):
        raise click.UsageError("the same model was given twice.")

    # What `load_model` says of --special and --pattern, which there are not here.
    def load(model: str) -> Tokenizer:
        try:
            return load_model(model, scheme=of_ranks.get(model), advise_special=False, **none)
        except ConfigError as error:
            raise ConfigError(str(error).replace("--scheme or --pattern", option)) from error

    return {name: load(model) for name, model in zip(names, models, strict=True)}


def _is_ranks(model: str) -> bool:
    file = Path(model)
    if file.is_dir():
        inside = find_ranks(file)
        return inside is not None and _is_ranks(str(inside))
    if not file.is_file() or not is_model(file):
        return False
    with open(file, "rb") as opened:
        first = opened.readline(1 << 16)
    return first[:1] not in (b"{", b"\n") and first[:1] != b"" and _detects_ranks(first)


def _detects_ranks(line: bytes) -> bool:
    try:
        return detect(line)[0] == "tiktoken"
    except ValueError:
        return False
