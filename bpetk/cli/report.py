"""Terminal renderings of the library's results."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from bpetk.benchmark.encode_results import EncodeBenchmarkResult, EncodeEntry
from bpetk.benchmark.results import BenchmarkResult, Entry, Spread
from bpetk.cli.units import size_text, time_text
from bpetk.readable import readable_pair
from bpetk.report import SENTENCEPIECE, TrainReport
from bpetk.verify import EncodeVerifyResult

_SCRIPTS = {"han": "Han", "latin": "Latin", "other": "other"}
_STAGES = {"count": "counting", "sort": "sorting", "merge": "merging"}
_BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float]) -> str:
    """Draw values as bars of eight heights, the smallest lowest.

    Examples
    --------
    >>> sparkline([1, 2, 3, 8])
    '▁▂▃█'
    """
    low, high = min(values, default=0.0), max(values, default=0.0)
    if high <= low:
        return _BARS[0] * len(values)
    return "".join(_BARS[min(7, int((value - low) / (high - low) * 8))] for value in values)


def _facts() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True, min_width=15)
    table.add_column(overflow="fold")
    return table


def _curve(report: TrainReport) -> Table:
    table = Table(box=None, padding=(0, 2), pad_edge=False)
    for name in ("vocabulary", "tokens", "bytes per token"):
        table.add_column(name, justify="right", header_style="dim")
    for size, tokens in report.curve(points=6):
        table.add_row(f"{size:,}", f"{tokens:,}", f"{report.corpus_bytes / max(1, tokens):.3f}")
    return table


def _sentences(report: TrainReport) -> str:
    skipped = ", ".join(f"{count:,} {reason}" for reason, count in report.skipped.items())
    return f"{report.sentences:,} taken, {sum(report.skipped.values()):,} skipped" + (
        f" ({skipped})" if skipped else ""
    )


def print_report(report: TrainReport, output: Path, console: Console) -> None:
    """Print what was asked and got and why, compression, time and memory, and where the result is."""
    facts = _facts()
    facts.add_row("vocabulary", escape(report.explanation))
    if report.last_merge is not None:
        merge = readable_pair(*report.last_merge)
        facts.add_row("last merge", f"{escape(merge)}, seen {_count(report.last_merge_count or 0, 'time')}")
    if report.sentences is not None:
        facts.add_row("sentences", _sentences(report))
    if normalizer := report.config.get("normalizer"):
        facts.add_row("normalization", escape(f"{normalizer['name']} ({normalizer['source']})"))
    words = f"{report.pretokens:,} pretokens, {report.distinct_words:,} distinct"
    facts.add_row("text", f"{size_text(report.corpus_bytes)}, {words}")
    costs = [f"{report.bytes_per_token:.3f} overall"]
    for name, cost in report.scripts.items():
        if cost.tokens:
            costs.append(f"{cost.bytes_per_token:.3f} {_SCRIPTS.get(name, name)}")
    facts.add_row("bytes per token", ", ".join(costs))
    facts.add_row("compression", _curve(report))
    if console.encoding.startswith("utf"):
        fine = report.curve(points=40)
        bars = sparkline([report.corpus_bytes / max(1, tokens) for _, tokens in fine])
        facts.add_row("", f"{bars}  from {fine[0][0]:,} to {fine[-1][0]:,}")
    stages = [f"{_STAGES.get(stage.name, stage.name)} {time_text(stage.seconds)}" for stage in report.stages]
    facts.add_row("time", f"{time_text(report.seconds)} ({', '.join(stages)})")
    facts.add_row("peak memory", size_text(report.peak_rss_bytes))
    console.print(facts)
    console.print(
        f"[dim]{'written to':15}[/dim]  {escape(str(output))}", soft_wrap=True
    )  # a path stays in one piece


@contextmanager
def byte_display(title: str, total: int, *, quiet: bool) -> Iterator[Callable[[int], None] | None]:
    """Show on standard error how many bytes of a work are done; None where nothing is to be shown."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(title, total=total)
        yield lambda done: bars.update(task, completed=done)


def print_counts(rows: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print a table of token counts, one row a file; the last of several is the total."""
    table = Table(box=None, padding=(0, 2), pad_edge=False)
    table.add_column("file", overflow="fold")
    for title in ("tokens", "bytes", "bytes/token", "characters/token"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        ratios = [row["bytes_per_token"], row["characters_per_token"]]
        table.add_row(
            escape(row["file"]),
            f"{row['tokens']:,}",
            f"{row['bytes']:,}",
            *("" if ratio is None else f"{ratio:.3f}" for ratio in ratios),
            style="bold" if len(rows) > 1 and row is rows[-1] else None,
        )
    console.print(table)


_EQUAL = {
    "ids": "equal id",
    "pieces": "equal piece",
    "offsets": "equal offset",
    "decoded text": "equal character",
}


def print_difference(result: EncodeVerifyResult, console: Console) -> None:
    """Print where two libraries first give other ids, with what stands around it."""
    found = result.difference
    assert found is not None
    where = escape(found.file) if found.line is None else f"line {found.line:,} of {escape(found.file)}"
    console.print(
        f"different ({result.ours} and {result.theirs}): {where}, after {_count(found.at, _EQUAL[found.what])}",
        soft_wrap=True,
    )
    if found.what != "ids":
        console.print(f"the ids are equal, but not: {found.what}", soft_wrap=True)
    if result.reference:
        console.print(escape(f"{result.theirs.split()[0]} was given: {result.reference}"), soft_wrap=True)
    rows = _facts()
    rows.add_row("text near it", escape(repr(found.near)))
    for name, ids in ((result.ours, found.ours), (result.theirs, found.theirs)):
        rows.add_row(
            name.split()[0],
            escape("  ".join(token if id < 0 else f"{id} {token}" for id, token in ids)) or "nothing more",
        )
    console.print(rows)


def _spread(spread: Spread, text: Callable[[float], str]) -> str:
    half = (spread.high - spread.low) / 2 / spread.median if spread.median else 0.0
    return f"{text(spread.median)} ±{half:.0%}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _seconds(value: float) -> str:
    return f"{value:.3g}"


def _benchmark_row(entry: Entry, ours: Entry) -> list[str]:
    name = f"{entry.label} {entry.version}"
    if not entry.measurements:
        return [name, "failed"]
    ratios = ["", ""]
    if ours.measurements:
        ratios = [f"{entry.ratio(ours, quantity):.2f}x" for quantity in ("wall_seconds", "peak_rss_bytes")]
    return [
        name,
        _spread(entry.spread("wall_seconds"), _seconds),
        ratios[0],
        _spread(entry.spread("cpu_seconds"), _seconds),
        _spread(entry.spread("peak_rss_bytes"), size_text),
        ratios[1],
        entry.equality or entry.peer.note,
    ]


def print_benchmark(result: BenchmarkResult, console: Console) -> None:
    """Print a table with medians, spreads and ratios to bpetk, then what was skipped or went wrong."""
    corpus, machine = result.corpus, result.machine
    pieces = result.algorithm == SENTENCEPIECE
    how = f"algorithm {result.algorithm}" if pieces else f"scheme {result.scheme}"
    console.print(
        f"{size_text(corpus.bytes)} of text, vocabulary {result.vocab_size:,}, {how}, "
        f"{_count(result.rounds, 'round')}, {_count(result.ours.threads, 'thread')}, {machine['processor']}",
        soft_wrap=True,
    )
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    table.add_column("trainer")
    for title in ("wall s", "ratio", "CPU s", "peak", "ratio"):
        table.add_column(title, justify="right")
    table.add_column("file" if pieces else "merges")
    for entry in result.entries:
        table.add_row(*_benchmark_row(entry, result.ours))
    console.print(table)
    console.print(
        "medians ± half of the range; ratios are of medians, to bpetk's", style="dim", soft_wrap=True
    )
    _print_problems(result.entries, result.skipped, console)


def _print_problems(entries: Sequence[Entry], skipped: Mapping[str, str], console: Console) -> None:
    for entry in entries:
        if entry.problem is not None:
            console.print(f"{entry.label}: {escape(entry.problem)}", style="red", soft_wrap=True)
    for label, reason in skipped.items():
        console.print(f"{label} skipped: {escape(reason)}", soft_wrap=True)


def _encode_row(entry: EncodeEntry, result: EncodeBenchmarkResult) -> list[str]:
    name = f"{entry.label} {entry.version}"
    if not entry.measurements:
        return [name, "failed"]

    def ratio(quantity: str) -> str:
        shown = entry.ranked and bool(result.ours.measurements)
        return f"{entry.ratio(result.ours, quantity):.2f}x" if shown else ""

    def speed(quantity: str) -> str:
        if result.mode == "sentence":
            return f"{1 / entry.spread(quantity).median:,.0f}"
        return f"{result.speed(entry, quantity):.3g}"

    return [
        name,
        time_text(entry.spread("load_seconds").median),
        ratio("load_seconds"),
        _spread(entry.spread("first_seconds"), time_text),
        speed("first_seconds"),
        ratio("first_seconds"),
        time_text(entry.spread("first_user_seconds").median),
        ratio("load_first_seconds"),
        time_text(entry.spread("second_seconds").median),
        speed("second_seconds"),
        ratio("second_seconds"),
        size_text(entry.spread("peak_rss_bytes").median),
        {"equal": "equal", "different": "WRONG"}.get(entry.equality or "", ""),
    ]


def print_encode_benchmark(result: EncodeBenchmarkResult, console: Console) -> None:
    """Print a table with medians, spreads and ratios to bpetk, then what was skipped or went wrong."""
    what = {"flat": "as one document", "lists": "lines as lists", "sentence": "one sentence"}[result.mode]
    console.print(
        f"{size_text(result.measured_bytes)} of text, {what}, vocabulary {result.vocab_size:,}, "
        f"{_count(result.rounds, 'round')}, {_count(result.ours.threads, 'thread')}, {result.machine['processor']}; "
        f"ids compared with {result.reference or 'bpetk: the reference is not here'}",
        soft_wrap=True,
    )
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    table.add_column("encoder", no_wrap=True)
    second, unit = ("one of many", "calls/s") if result.mode == "sentence" else ("second pass", "MB/s")
    for title in ("load", "", "first pass", unit, "", "CPU", "load+first", second, unit, "", "peak"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("ids", no_wrap=True)
    for entry in result.order():
        table.add_row(*_encode_row(entry, result))
    console.print(table)
    console.print(
        "medians ± half of the range; ratios are of medians, to bpetk's; speeds in 10^6 bytes",
        style="dim",
        soft_wrap=True,
    )
    _print_problems(result.entries, result.skipped, console)
