"""Terminal renderings of the library's results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bpetk.benchmark.results import BenchmarkResult, Entry, Spread
from bpetk.cli.units import size_text, time_text
from bpetk.readable import readable_pair
from bpetk.report import TrainReport

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


def print_report(report: TrainReport, output: Path, console: Console) -> None:
    """Print what was asked and got and why, compression, time and memory, and where the result is."""
    facts = _facts()
    facts.add_row("vocabulary", escape(report.explanation))
    if report.last_merge is not None:
        merge = readable_pair(*report.last_merge)
        facts.add_row("last merge", f"{escape(merge)}, seen {_count(report.last_merge_count or 0, 'time')}")
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
    console.print(
        f"{size_text(corpus.bytes)} of text, vocabulary {result.vocab_size:,}, scheme {result.scheme}, "
        f"{_count(result.rounds, 'round')}, {_count(result.ours.threads, 'thread')}, {machine['processor']}",
        soft_wrap=True,
    )
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    table.add_column("trainer")
    for title in ("wall s", "ratio", "CPU s", "peak", "ratio"):
        table.add_column(title, justify="right")
    table.add_column("merges")
    for entry in result.entries:
        table.add_row(*_benchmark_row(entry, result.ours))
    console.print(table)
    console.print(
        "medians ± half of the range; ratios are of medians, to bpetk's", style="dim", soft_wrap=True
    )
    for entry in result.entries:
        if entry.problem is not None:
            console.print(f"{entry.label}: {escape(entry.problem)}", style="red", soft_wrap=True)
    for label, reason in result.skipped.items():
        console.print(f"{label} skipped: {escape(reason)}", soft_wrap=True)
