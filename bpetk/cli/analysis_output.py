"""Results of the analysis in a terminal: figures, tables, bars and findings."""

from __future__ import annotations

from typing import Literal

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape, render
from rich.table import Table as Grid

from bpetk.analysis.results import (
    Cell,
    Chart,
    Column,
    Figure,
    Finding,
    Kind,
    Label,
    Result,
    Section,
    Table,
    share_text,
)
from bpetk.cli.report import sparkline
from bpetk.cli.table_layout import Measure, Part, heading, layout
from bpetk.cli.units import size_text, time_text

Language = Literal["en", "zh"]

_LEFT = ("text", "token")
_LEVELS = {
    "problem": (Label("problem", "问题"), "bold red"),
    "warning": (Label("warning", "警告"), "yellow"),
    "info": (Label("note", "提示"), "cyan"),
}
_MORE = Label(
    "… {0} more; --json, --csv DIR or --html FILE have all",
    "……另有 {0} 行；全部内容见 --json、--csv DIR 或 --html FILE",
)
_BEST = Label("* the best of its column", "* 该列中最好的值")
_YES = Label("yes", "是")
_NO = Label("no", "否")
_SPARK = 40  # values of a curve in a terminal


def say(label: Label | None, language: Language) -> str:
    """Give a label in one language."""
    return "" if label is None else label.zh if language == "zh" else label.en


def value_text(value: Cell, kind: Kind, language: Language = "en") -> str:
    """Give a value as a reader wants it: separators in thousands, percent, units.

    Examples
    --------
    >>> value_text(1234567, "integer"), value_text(3.14159, "number"), value_text(None, "share")
    ('1,234,567', '3.142', '-')
    >>> value_text(123456.7, "number"), value_text(0.00012346, "number"), value_text(0.5, "share")
    ('123,457', '0.0001235', '50.0 %')
    """
    if value is None or (isinstance(value, float) and value != value):
        return "-"
    if isinstance(value, Label):
        return say(value, language)
    if isinstance(value, bool):
        return say(_YES if value else _NO, language)
    if isinstance(value, str):
        return value
    if kind == "share":
        return share_text(value)
    if kind == "bytes":
        return size_text(value)
    if kind == "seconds":
        return time_text(value)
    if kind == "rate":
        return f"{value:,.1f}"
    if kind == "integer" or (kind in _LEFT and float(value).is_integer()):
        return f"{value:,.0f}"
    if value == 0 or 0.01 <= abs(value) < 1000:
        return f"{value:.3f}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def best_rows(table: Table, at: int) -> frozenset[int]:
    """Give the rows with the best value of a column, if it says which end is better: none where several are equal.

    Only in tables of models, which the first column names: of languages or files none is better than another.
    """
    better = table.columns[at].better if table.columns[0].key == "model" else None
    cells = [(place, row[at]) for place, row in enumerate(table.rows)]
    numbers = {place: cell for place, cell in cells if isinstance(cell, int | float) and cell == cell}
    if better is None or len(numbers) < 2:
        return frozenset()
    best = (max if better == "higher" else min)(numbers.values())
    found = frozenset(place for place, value in numbers.items() if value == best)
    return found if len(found) == 1 else frozenset()


def _figures(figures: tuple[Figure, ...], language: Language) -> Grid:
    grid = Grid.grid(padding=(0, 2))
    grid.add_column(style="dim", overflow="fold")
    grid.add_column(overflow="fold")
    for figure in figures:
        grid.add_row(
            escape(say(figure.label, language)), escape(value_text(figure.value, figure.kind, language))
        )
    return grid


def _table(table: Table, console: Console, language: Language, *, under: Label | None = None) -> None:
    best = [best_rows(table, at) for at in range(len(table.columns))]
    rows = [
        [
            _cell(cell, column, place in good, language)
            for cell, column, good in zip(row, table.columns, best, strict=True)
        ]
        for place, row in enumerate(table.rows[: table.shown])
    ]
    if table.label != under:
        console.print(f"\n{escape(say(table.label, language))}", style="bold", soft_wrap=True)
    measures = [
        Measure(
            say(column.label, language),
            column.kind not in _LEFT,
            max((cell_len(line) for row in rows for line in render(row[at]).plain.split("\n")), default=0),
        )
        for at, column in enumerate(table.columns)
    ]
    for number, part in enumerate(layout(measures, console.width)):
        if number:
            console.print()
        console.print(_grid(part, measures, rows))
    if len(table.rows) > table.shown:
        more = say(_MORE, language).format(f"{len(table.rows) - table.shown:,}")
        console.print(more, style="dim", soft_wrap=True)
    if any(best):
        console.print(say(_BEST, language), style="dim", soft_wrap=True)
    if table.note:
        console.print(escape(say(table.note, language)), style="dim", soft_wrap=True)


def _grid(part: Part, measures: list[Measure], rows: list[list[str]]) -> Grid:
    """Put columns side by side; the last lines of their headings are on one line."""
    grid = Grid(box=None, padding=(0, part.gap // 2), pad_edge=False, header_style="dim")
    headings = [
        heading(measures[at].name, width) for at, width in zip(part.columns, part.widths, strict=True)
    ]
    height = max(map(len, headings))
    for at, width, lines in zip(part.columns, part.widths, headings, strict=True):
        name = escape("\n".join([""] * (height - len(lines)) + lines))
        if measures[at].number:
            grid.add_column(name, justify="right", no_wrap=True, width=width)
        else:
            grid.add_column(name, overflow="fold", width=width)
    for row in rows:
        grid.add_row(*(row[at] for at in part.columns))
    return grid


def _cell(cell: Cell, column: Column, best: bool, language: Language) -> str:
    text = escape(value_text(cell, column.kind, language))
    return f"[bold green]{text} *[/]" if best else text


def _curves(chart: Chart, console: Console, language: Language) -> None:
    """Print lines as small bars; bars stand in tables already."""
    if chart.kind != "line" or not console.encoding.startswith("utf"):
        return
    console.print(f"\n{escape(say(chart.label, language))}", style="bold", soft_wrap=True)
    for series in chart.series:
        points = [(x, y) for x, y in zip(series.x, series.y, strict=True) if y is not None]
        if not points:
            continue
        step = max(1, -(-len(points) // _SPARK))
        some = points[::step]
        ends = [value_text(end[1], chart.y_kind, language) for end in (points[0], points[-1])]
        x = [value_text(end[0], "text", language) for end in (points[0], points[-1])]
        bars = sparkline([y for _, y in some])
        console.print(
            f"{bars}  {escape(say(series.label, language))}: {ends[0]} → {ends[1]} "
            f"({escape(say(chart.x_label, language))} {x[0]} → {x[1]})",
            soft_wrap=True,
        )


def _section(section: Section, console: Console, language: Language) -> None:
    if not (section.figures or section.tables or section.charts or section.note):
        return
    console.print(f"\n{escape(say(section.label, language))}", style="bold cyan", soft_wrap=True)
    if section.figures:
        console.print(_figures(section.figures, language))
    for table in section.tables:
        if table.rows:
            _table(table, console, language, under=None if section.figures else section.label)
    for chart in section.charts:
        _curves(chart, console, language)
    if section.note:
        console.print(escape(say(section.note, language)), style="dim", soft_wrap=True)


def _finding(finding: Finding, console: Console, language: Language) -> None:
    name, style = _LEVELS[finding.level]
    console.print(
        f"[{style}]{say(name, language)}[/] {escape(say(finding.text, language))} "
        f"[dim]({escape(finding.rule)})[/]",
        soft_wrap=True,
    )
    if finding.advice:
        console.print(f"  → {escape(say(finding.advice, language))}", soft_wrap=True)


def print_result(result: Result, console: Console, *, language: Language = "en") -> None:
    """Print a result: its sections in order, then what stands out and what to do about it."""
    console.print(escape(say(result.label, language)), style="bold", soft_wrap=True)
    for section in result.sections:
        _section(section, console, language)
    order = list(_LEVELS)
    findings = sorted(result.findings, key=lambda finding: order.index(finding.level))
    if findings:
        console.print()
    for finding in findings:
        _finding(finding, console, language)
