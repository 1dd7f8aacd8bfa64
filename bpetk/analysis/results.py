"""What every analysis gives: values with names, tables, charts and findings, in English and Chinese.

A command line prints them, a page draws them, a script takes `Result.to_dict`. Nothing here computes anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Union

Cell = Union[str, int, float, bool, "Label", None]
Kind = Literal["text", "token", "integer", "number", "share", "bytes", "seconds", "rate"]

SCHEMA = 1
"""Number of the layout of `Result.to_dict`; it grows when a key changes its meaning or goes away."""


class Label(NamedTuple):
    """A short text in both languages.

    Examples
    --------
    >>> Label("bytes per token", "每个词元的字节数").en
    'bytes per token'
    """

    en: str
    zh: str


@dataclass(frozen=True)
class Figure:
    """One number with its name, such as bytes per token.

    Attributes
    ----------
    key
        Name in JSON, unique in its result: lower case, words joined by ``_``.
    label
        Name for people.
    value
        None if it is not defined, such as a ratio to nothing.
    kind
        What it is: ``"share"`` is between 0 and 1 and shown in percent, ``"bytes"`` and ``"seconds"`` are shown with
        units, ``"rate"`` with one decimal.
    help
        What it says and what it does not, in one or two sentences.
    """

    key: str
    label: Label
    value: Cell
    kind: Kind = "number"
    help: Label | None = None


@dataclass(frozen=True)
class Column:
    """A column of a table; attributes as `Figure`, and which end is better, where one is."""

    key: str
    label: Label
    kind: Kind = "number"
    better: Literal["higher", "lower"] | None = None
    help: Label | None = None


@dataclass(frozen=True)
class Table:
    """Rows of equal length.

    Attributes
    ----------
    name
        Name in JSON and of the CSV file, unique in its result.
    rows
        One cell for each column. A cell of a column of kind ``"token"`` is readable text (`bpetk.readable`).
    note
        Where the numbers come from, what to mind.
    shown
        Rows that a terminal shows; JSON, CSV and the page have all.
    """

    name: str
    label: Label
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: Label | None = None
    shown: int = 30

    def __post_init__(self) -> None:
        """Refuse rows that do not fit."""
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"table {self.name}: {len(row)} cells for {len(self.columns)} columns")


@dataclass(frozen=True)
class Series:
    """Values of one name in a chart; as many ``x`` as ``y``."""

    label: Label
    x: tuple[Cell, ...]
    y: tuple[float | None, ...]


@dataclass(frozen=True)
class Chart:
    """A picture of series.

    Attributes
    ----------
    kind
        ``"bar"`` (x are names), ``"stacked"`` (shares of one whole for each x), ``"line"`` (x are numbers).
    y_kind
        How values are written, as `Figure.kind`.
    """

    name: str
    label: Label
    kind: Literal["bar", "stacked", "line"]
    x_label: Label
    y_label: Label
    series: tuple[Series, ...]
    y_kind: Kind = "number"
    log_x: bool = False
    log_y: bool = False
    note: Label | None = None


@dataclass(frozen=True)
class Finding:
    """What stands out and what to do about it.

    Attributes
    ----------
    rule
        Name by which a check can fail on it (``--fail-on``).
    level
        ``"info"`` (good to know), ``"warning"`` (costs something), ``"problem"`` (broken or polluted).
    text, advice
        Plain words with the numbers in them; what a reader can do, if anything.
    """

    rule: str
    level: Literal["info", "warning", "problem"]
    text: Label
    advice: Label | None = None


@dataclass(frozen=True)
class Section:
    """One part of a result: figures, then tables, then charts."""

    name: str
    label: Label
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    findings: tuple[Finding, ...] = ()
    note: Label | None = None


@dataclass(frozen=True)
class Result:
    """What one analysis found.

    Attributes
    ----------
    command
        ``"inspect"``, ``"analyze"``, ``"audit"``, ``"compare"`` or ``"curve"``.
    label
        Title for people, with the names of models and texts.
    inputs
        Names and facts of what was looked at (plain values): models, files, options, sample, seed, segmenter.
    sections
        In the order they are shown.
    """

    command: str
    label: Label
    inputs: Mapping[str, Any]
    sections: tuple[Section, ...]
    details: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Values for scripts beyond the sections (plain values)."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, in order."""
        return tuple(finding for section in self.sections for finding in section.findings)

    def tables(self) -> Iterator[Table]:
        """Give all tables, in order."""
        for section in self.sections:
            yield from section.tables

    def section(self, name: str) -> Section:
        """Give a section by its name.

        Raises
        ------
        KeyError
            If there is none.
        """
        for section in self.sections:
            if section.name == name:
                return section
        raise KeyError(name)

    def value(self, key: str) -> Cell:
        """Give the value of a figure.

        Raises
        ------
        KeyError
            If there is none.
        """
        for section in self.sections:
            for figure in section.figures:
                if figure.key == key:
                    return figure.value
        known = ", ".join(figure.key for section in self.sections for figure in section.figures)
        raise KeyError(f"{key}; there are {known}")

    def to_dict(self) -> dict[str, Any]:
        """Give plain values for JSON, names in English; numbers that are not finite become None."""
        return {
            "schema": SCHEMA,
            "command": self.command,
            "inputs": dict(self.inputs),
            **{section.name: _section_dict(section) for section in self.sections},
            "findings": [
                {
                    "rule": finding.rule,
                    "level": finding.level,
                    "text": finding.text.en,
                    "advice": finding.advice.en if finding.advice else None,
                }
                for finding in self.findings
            ],
            **self.details,
        }


def plain(cell: Cell) -> str | int | float | bool | None:
    """Give a cell as JSON has it.

    Examples
    --------
    >>> plain(Label("Han", "汉字")), plain(float("nan"))
    ('Han', None)
    """
    if isinstance(cell, Label):
        return cell.en
    if isinstance(cell, float) and not math.isfinite(cell):
        return None
    return cell


def _section_dict(section: Section) -> dict[str, Any]:
    values: dict[str, Any] = {figure.key: plain(figure.value) for figure in section.figures}
    for table in section.tables:
        keys = [column.key for column in table.columns]
        values[table.name] = [
            dict(zip(keys, (plain(cell) for cell in row), strict=True)) for row in table.rows
        ]
    for chart in section.charts:
        values.setdefault(
            chart.name,
            [
                {
                    "series": series.label.en,
                    "x": [plain(x) for x in series.x],
                    "y": [plain(y) for y in series.y],
                }
                for series in chart.series
            ],
        )
    return values


def share_text(value: float) -> str:
    """Give a share in percent: one decimal, more where that would hide how near to none or all it is.

    Examples
    --------
    >>> share_text(0.1234), share_text(0.0001234), share_text(0), share_text(1), share_text(0.99985)
    ('12.3 %', '0.012 %', '0 %', '100 %', '99.985 %')
    """
    percent = value * 100
    near = min(percent, 100 - percent)
    if near == 0:
        return f"{percent:.0f} %"
    digits = min(6, int(-math.log10(near)) + 2) if 0 < near < 0.1 else 1
    return f"{percent:.{digits}f} %"
