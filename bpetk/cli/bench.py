"""``bpetk bench``: time, memory and equality beside the other trainers."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console

from bpetk.benchmark import Measurement, run_train_benchmark
from bpetk.benchmark.peers import PEERS
from bpetk.cli.options import FILES, THREADS, VOCAB, scheme_option
from bpetk.cli.report import print_benchmark
from bpetk.cli.units import size_text, time_text
from bpetk.errors import OutputError

FAILED, CHECK_FAILED = 1, 3
_OTHERS = [name for name in PEERS if name != "bpetk"]


@click.group()
def bench() -> None:
    """Measure bpetk beside its peers (pip install 'bpetk[bench]')."""


def _say(label: str, turn: int, outcome: Measurement | str | None) -> None:
    """Show each measurement as it comes, on standard error."""
    if outcome is None:
        click.echo(f"round {turn}: {label} ... ", nl=False, err=True)
    elif isinstance(outcome, str):
        click.echo(outcome, err=True)
    else:
        click.echo(f"{time_text(outcome.wall_seconds)}, {size_text(outcome.peak_rss_bytes)}", err=True)


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
    default=",".join(_OTHERS),
    show_default=True,
    metavar="NAME,...",
    help="Trainers to compare with; NAME@2 gives one its own number of threads, as in bpetk@1.",
)
@scheme_option("gpt2, which all peers know")
@THREADS
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    metavar="R",
    help="Measurements of each.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="S",
    help="Give up a training after S s.",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write all rounds there.",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
def bench_train(
    *,
    files: tuple[str, ...],
    vocab_size: int,
    against: str,
    scheme: str | None,
    threads: int,
    rounds: int,
    timeout: float | None,
    json_file: Path | None,
    quiet: bool,
) -> int:
    """Train with bpetk and with other trainers in turn, each time in a fresh process.

    Time is that of the training call alone, reading the files included; memory is the peak of the whole
    process. Exits with 3 if a trainer that claims the same merges learned others.

    \b
    Example:
      bpetk bench train corpus.txt --vocab 32000 --against hf,gigabpe -j 2 --json result.json
    """
    if json_file is not None and not json_file.absolute().parent.is_dir():
        # Told now: an hour of measuring must not end in a missing folder.
        raise OutputError(f"cannot write {json_file}: there is no folder {json_file.absolute().parent}")
    names = [name.strip() for name in against.split(",") if name.strip()]
    progress = None if quiet or not sys.stderr.isatty() else _say
    result = run_train_benchmark(
        files,
        vocab_size,
        against=names,
        scheme=scheme or "gpt2",
        threads=threads,
        rounds=rounds,
        timeout=timeout,
        progress=progress,
    )
    if json_file is not None:
        _write_json(json_file, result.to_dict())
    print_benchmark(result, Console(highlight=False))
    if result.ours.failed:
        return FAILED
    return 0 if result.all_equal else CHECK_FAILED
