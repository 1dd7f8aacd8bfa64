"""``bpetk bench``: time, memory and equality beside the other trainers."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bpetk.benchmark.encode_harness import PEERS, PIECE_PEERS, run_encode_benchmark
from bpetk.benchmark.encode_peers import ENCODE_PEERS
from bpetk.benchmark.encode_results import EncodeMeasurement
from bpetk.benchmark.harness import run_train_benchmark
from bpetk.benchmark.peers import PEERS as TRAINERS
from bpetk.benchmark.results import Measurement
from bpetk.cli.console import Console
from bpetk.cli.options import (
    ALGORITHM,
    ENCODING,
    FILES,
    MODEL,
    SET,
    THREADS,
    VOCAB,
    library_settings,
    loading_arguments,
    loading_options,
    refuse_byte_level_options,
    scheme_option,
)
from bpetk.cli.progress import notes
from bpetk.cli.report import print_benchmark, print_encode_benchmark
from bpetk.cli.units import parse_size, size_text, time_text
from bpetk.errors import OutputError
from bpetk.report import BYTE_LEVEL, SENTENCEPIECE

FAILED, CHECK_FAILED = 1, 3
_OTHERS = [name for name in TRAINERS if name != "bpetk"]
_COMPARED = (
    f"Encoders to compare with: {', '.join(name for name in ENCODE_PEERS if name != 'bpetk')}, bpetk. "
    f"NAME@2: its threads. By default {','.join(PEERS)}, for a .model {','.join(PIECE_PEERS)}."
)


@click.group()
def bench() -> None:
    """Measure bpetk beside its peers (pip install 'bpetk[bench]')."""


def _say(label: str, turn: int, outcome: Measurement | EncodeMeasurement | str | None) -> None:
    """Show each measurement as it comes, on standard error."""
    if outcome is None:
        click.echo(f"round {turn}: {label} ... " if turn else f"{label} ... ", nl=False, err=True)
    elif isinstance(outcome, str):
        click.echo(outcome, err=True)
    elif isinstance(outcome, EncodeMeasurement):
        first, second = time_text(outcome.first_seconds), time_text(outcome.second_seconds)
        click.echo(f"load {time_text(outcome.load_seconds)}, first {first}, second {second}", err=True)
    else:
        click.echo(f"{time_text(outcome.wall_seconds)}, {size_text(outcome.peak_rss_bytes)}", err=True)


def _check_json(target: Path | None) -> None:
    """Tell now what would go wrong later: an hour of measuring must not end in a missing folder."""
    if target is not None and not target.absolute().parent.is_dir():
        raise OutputError(f"cannot write {target}: there is no folder {target.absolute().parent}")


def _names(against: str) -> list[str]:
    return [name.strip() for name in against.split(",") if name.strip()]


_ROUNDS = click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    metavar="R",
    help="Measurements of each.",
)
_SECONDS = click.FloatRange(min=0, min_open=True)
_TIMEOUT = click.option("--timeout", type=_SECONDS, metavar="S", help="Give up a measurement after S s.")
_JSON_FILE = click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write all rounds there.",
)
_QUIET = click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")


def _write_json(target: Path, result: dict[str, object]) -> None:
    text = json.dumps(result, ensure_ascii=False, indent=2) + "\n"
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from error


@bench.command("train")
@FILES
@VOCAB
@click.option(
    "--against",
    metavar="NAME,...",
    help=f"Trainers to compare with, by default all: {', '.join(_OTHERS)}; bpetk@1 gives one its own threads.",
)
@scheme_option("gpt2, which all peers know")
@ALGORITHM
@SET
@THREADS
@_ROUNDS
@_TIMEOUT
@_JSON_FILE
@_QUIET
def bench_train(
    *,
    files: tuple[str, ...],
    vocab_size: int,
    against: str | None,
    scheme: str | None,
    algorithm: str | None,
    settings: tuple[str, ...],
    threads: int,
    rounds: int,
    timeout: float | None,
    json_file: Path | None,
    quiet: bool,
) -> int:
    """Train with bpetk and with other trainers in turn, each time in a fresh process.

    Time is that of the training call alone, reading the files included; memory is the peak of the whole
    process. Exits with 3 if a trainer that claims the same merges learned others. With --algorithm
    sentencepiece-bpe the peer is sentencepiece, and the files have to be equal byte for byte.

    \b
    Examples:
      bpetk bench train corpus.txt --vocab 32000 --against hf,gigabpe -j 2 --json result.json
      bpetk bench train corpus.txt --vocab 32000 --algorithm sentencepiece-bpe -j 2
    """
    _check_json(json_file)
    if algorithm == SENTENCEPIECE:
        refuse_byte_level_options()
    elif settings:
        raise click.UsageError(f"--set is for --algorithm {SENTENCEPIECE}.")
    progress = None if quiet or not sys.stderr.isatty() else _say
    result = run_train_benchmark(
        files,
        vocab_size,
        against=None if against is None else _names(against),
        algorithm=SENTENCEPIECE if algorithm == SENTENCEPIECE else BYTE_LEVEL,
        scheme=scheme or "gpt2",
        settings=library_settings(settings),
        threads=threads,
        rounds=rounds,
        timeout=timeout,
        progress=progress,
    )
    if json_file is not None:
        _write_json(json_file, result.to_dict())
    print_benchmark(result, Console())
    if result.ours.failed:
        return FAILED
    return 0 if result.all_equal else CHECK_FAILED


@bench.command("encode")
@MODEL
@click.argument("file", metavar="FILE|DIR|GLOB", type=click.Path(readable=False))
@click.option(
    "--against",
    metavar="NAME,...",
    help=_COMPARED,
)
@click.option("--lists", "mode", flag_value="lists", help="Lines as Python lists, not the text as one array.")
@click.option(
    "--sentence",
    "mode",
    flag_value="sentence",
    help="The first 100 characters, again and again: calls per second.",
)
@click.option(
    "--limit", metavar="SIZE", help="Take no more of the text than this: 10MB, 500kB or a number of bytes."
)
@ENCODING
@loading_options
@click.option(
    "-j",
    "--threads",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    metavar="N",
    help="Threads; 0: all.",
)
@_ROUNDS
@click.option(
    "--timeout",
    type=_SECONDS,
    default=600,
    show_default=True,
    metavar="S",
    help="Give up a measurement after S s: some encoders never end on some models.",
)
@_JSON_FILE
@_QUIET
def bench_encode(
    *,
    model: str,
    file: str,
    against: str | None,
    mode: Any,
    limit: str | None,
    encoding: str,
    threads: int,
    rounds: int,
    timeout: float | None,
    json_file: Path | None,
    quiet: bool,
    **loading: Any,
) -> int:
    """Encode a text with bpetk and with other encoders in turn, each time in a fresh process.

    Loading, the first encode call and the same call again are measured apart. Ids are compared with the reference's
    (tokenizers, tiktoken for ranks, sentencepiece for a .model): an encoder that gives others is marked wrong and gets
    no ratios. Exits with 3 if that is bpetk.

    \b
    Examples:
      bpetk bench encode my-tokenizer corpora/zh.txt --against hf,gigatoken --json result.json
      bpetk bench encode tokenizer.model corpora/zh.txt --against sentencepiece,gigatoken,hf,bpetk@2
    """
    _check_json(json_file)
    progress: Callable[[str, int, Any], None] | None = None if quiet or not sys.stderr.isatty() else _say
    with notes(as_json=False, quiet=quiet):
        result = run_encode_benchmark(
            model,
            file,
            against=None if against is None else _names(against),
            mode=mode or "flat",
            threads=threads,
            rounds=rounds,
            limit=None if limit is None else parse_size(limit),
            encoding=encoding,
            timeout=timeout,
            progress=progress,
            **loading_arguments(**loading),
        )
    if json_file is not None:
        _write_json(json_file, result.to_dict())
    # The table is as wide as it is: a narrower terminal breaks the lines itself.
    print_encode_benchmark(result, Console(width=max(Console().width, 132)))
    if result.ours.failed:
        return FAILED
    return 0 if result.ours_is_right else CHECK_FAILED
