"""How far an analysis is: one line on standard error that moves, in a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from bpetk.analysis.documents import Progress as Callback
from bpetk.cli.units import size_text

_STAGES = {
    "count": "encoding",
    "encode": "encoding",
    "segment": "finding words",
    "parallel": "parallel text",
    "read": "reading",
}


@contextmanager
def analysis_progress(*, as_json: bool = False) -> Iterator[Callback | None]:
    """Give a callback that shows stage, bytes done and bytes in all; None where nothing is to be shown."""
    if as_json or not sys.stderr.isatty():
        yield None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:13}"),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[amount]}"),
        TimeElapsedColumn(),
    )
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                for task in tasks.values():
                    bars.update(task, visible=False)
                tasks[stage] = bars.add_task(_STAGES.get(stage, stage), total=total, amount="")
            amount = f"{size_text(done)} of {size_text(total)}"
            bars.update(tasks[stage], total=total, completed=done, amount=amount)

        yield show
