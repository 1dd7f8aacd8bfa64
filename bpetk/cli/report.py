"""Terminal renderings of the library's results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

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
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _curve(report: TrainReport, *, bars: bool) -> Table:
    table = Table(box=None, padding=(0, 2), pad_edge=False)
    for name in ("vocabulary", "tokens", "bytes per token"):
        table.add_column(name, justify="right", header_style="dim")
    for size, tokens in report.curve(points=6):
        table.add_row(f"{size:,}", f"{tokens:,}", f"{report.corpus_bytes / max(1, tokens):.3f}")
    if bars:
        fine = [report.corpus_bytes / max(1, tokens) for _, tokens in report.curve(points=32)]
        table.add_row("", "", sparkline(fine))
    return table


def print_report(report: TrainReport, output: Path, console: Console) -> None:
    """Print what was asked and got and why, compression, time and memory, and where the result is."""
    facts = _facts()
    got = f"{report.vocab_size:,} of {report.requested_vocab_size:,} tokens"
    facts.add_row("vocabulary", got if not report.explanation else f"{got}: {escape(report.explanation)}")
    if report.last_merge is not None:
        merge = readable_pair(*report.last_merge)
        facts.add_row("last merge", f"{escape(merge)}, seen {report.last_merge_count:,} times")
    text = f"{size_text(report.corpus_bytes)}, {report.pretokens:,} pretokens, {report.distinct_words:,} distinct"
    facts.add_row("text", text)
    costs = [f"{report.bytes_per_token:.3f} overall"]
    for name, cost in report.scripts.items():
        if cost.tokens:
            costs.append(f"{cost.bytes_per_token:.3f} {_SCRIPTS.get(name, name)}")
    facts.add_row("bytes per token", ", ".join(costs))
    facts.add_row("compression", _curve(report, bars=console.encoding.startswith("utf")))
    stages = [f"{_STAGES.get(stage.name, stage.name)} {time_text(stage.seconds)}" for stage in report.stages]
    facts.add_row("time", f"{time_text(report.seconds)} ({', '.join(stages)})")
    facts.add_row("peak memory", size_text(report.peak_rss_bytes))
    facts.add_row("written to", escape(str(output)))
    console.print(facts)
