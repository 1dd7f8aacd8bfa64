"""What a running training shows on standard error: live lines in a terminal, JSON lines, or nothing."""

from __future__ import annotations

import dataclasses
import json
import sys
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import TracebackType
from typing import Protocol

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import Progress as Bars

from bpetk.cli.units import size_text
from bpetk.errors import VocabularySizeWarning
from bpetk.report import Progress

_STAGES = {"count": "counting", "sort": "sorting", "merge": "merging"}


class Callback(Protocol):
    """A ``progress`` callback of the library."""

    def __call__(self, progress: Progress, /) -> None:
        """Take the state of the training."""


def print_json_line(progress: Progress) -> None:
    """Write one JSON object, on one line, to standard error."""
    click.echo(json.dumps({"event": "progress", **dataclasses.asdict(progress)}), err=True)


def _amount(progress: Progress) -> str:
    if progress.stage == "count":
        total = "" if progress.total is None else f" of {size_text(progress.total)}"
        return size_text(progress.done) + total
    if progress.stage == "merge":
        total = "" if progress.total is None else f" of {progress.total:,}"
        return f"{progress.done:,}{total} merges"
    return ""


def _detail(progress: Progress) -> str:
    parts = [f"{progress.distinct_words:,} words"] if progress.distinct_words else []
    if progress.stage == "merge" and progress.merges_per_second:
        parts.append(f"{progress.merges_per_second:,.0f}/s")
    if progress.rss_bytes:
        parts.append(size_text(progress.rss_bytes))
    return " · ".join(parts)


class LiveDisplay:
    """One line per stage that moves while the training runs and is gone when it ends."""

    def __init__(self, console: Console) -> None:
        """Take the console to draw on; nothing is drawn yet."""
        bar = BarColumn(bar_width=20)
        amount, detail = TextColumn("{task.fields[amount]}"), TextColumn("{task.fields[detail]}", style="dim")
        title = TextColumn("{task.description:9}")
        self._bars = Bars(
            SpinnerColumn(), title, bar, amount, detail, TimeElapsedColumn(), console=console, transient=True
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Callback:
        """Begin to draw, and give the callback."""
        self._bars.start()
        return self.update

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the lines."""
        self._bars.stop()

    def update(self, progress: Progress) -> None:
        """Show the state; entering a stage finishes the line of the one before it."""
        if progress.stage not in self._tasks:
            for task in self._tasks.values():
                self._bars.update(task, total=1, completed=1)
                self._bars.stop_task(task)
            name = _STAGES.get(progress.stage, progress.stage)
            self._tasks[progress.stage] = self._bars.add_task(name, total=None, amount="", detail="")
        self._bars.update(
            self._tasks[progress.stage],
            total=progress.total,
            completed=progress.done,
            amount=_amount(progress),
            detail=_detail(progress),
        )


def display(*, as_json: bool, quiet: bool) -> AbstractContextManager[Callback | None]:
    """Choose the display; the context gives the callback, or None where nothing is to be shown."""
    if quiet:
        return nullcontext()
    if as_json:
        return nullcontext(print_json_line)
    if not sys.stderr.isatty():
        return nullcontext()
    return LiveDisplay(Console(stderr=True))


@contextmanager
def notes(*, as_json: bool, quiet: bool = False) -> Iterator[None]:
    """Show warnings of the library as notes on standard error; the size of a vocabulary the reports tell."""

    def show(message: Warning | str, *_: object, **__: object) -> None:
        if as_json:
            click.echo(json.dumps({"event": "warning", "message": str(message)}), err=True)
        else:
            click.echo(f"note: {message}", err=True)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if quiet else "default", UserWarning)
        warnings.simplefilter("ignore", VocabularySizeWarning)
        warnings.showwarning = show
        yield
