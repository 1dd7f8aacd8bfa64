"""What a page is made of, as plain values: results, vocabularies, sample lines and their segmentation."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bpetk.analysis.results import Cell, Chart, Column, Figure, Label, Result, Section, Table, plain
from bpetk.analysis.token_table import SCRIPTS, TokenTable
from bpetk.errors import BpetkError
from bpetk.tokenizer import Tokenizer


@dataclass(frozen=True)
class Sample:
    """A line of text to be shown as tokens."""

    label: Label
    text: str


@cache
def sample_lines() -> tuple[Sample, ...]:
    """Give the lines that a page shows: Chinese, English, mixed, numbers, code; all from the project's own texts."""
    lines = json.loads(files(__package__).joinpath("samples.json").read_text(encoding="utf-8"))
    return tuple(Sample(Label(*line["label"]), line["text"]) for line in lines)


def result_values(result: Result) -> dict[str, Any]:
    """Give a result with all that a page draws of it; a label is a list of two."""
    return {
        "command": result.command,
        "label": result.label,
        "sections": [_section(section) for section in result.sections],
    }


def vocabulary_values(name: str, table: TokenTable) -> dict[str, Any]:
    """Give a vocabulary in columns: base64 of bytes and of little-endian numbers, one for each id."""
    longest = int(table.n_bytes.max(initial=0))
    width = 2 if longest < 1 << 16 else 4
    return {
        "name": name,
        "size": table.size,
        "width": width,
        "data": _base64(b"".join(table.data)),
        "lengths": packed(table.n_bytes, width),
        "chars": packed(table.n_chars, width),
        "han": packed(table.n_han, width),
        "kinds": packed(table.kinds, 1),
        "script": packed(table.script, 1),
        "integrity": packed(table.integrity, 1),
        "names": {str(id): _unicode(table.names[id]) for id in range(table.size) if table.names[id]},
    }


def segment_values(tokenizer: Tokenizer, samples: Sequence[Sample]) -> list[list[int] | None]:
    """Give the ids of every sample, special tokens in it as ordinary text; None if it cannot be encoded."""

    def encoded(text: str) -> list[int] | None:
        try:
            return tokenizer.encode(text, disallowed_special=())
        except BpetkError:  # bytes that the vocabulary has not
            return None

    return [encoded(sample.text) for sample in samples]


@cache
def unprintable() -> list[int]:
    """Give the edges of the ranges of characters that `bpetk.readable` escapes: in turn outside and inside."""
    flags = np.fromiter(
        (not chr(code).isprintable() for code in range(sys.maxunicode + 1)), np.int8, sys.maxunicode + 1
    )
    return edges(flags)


def edges(flags: NDArray[np.int8]) -> list[int]:
    """Give the places where flags change, the first one from 0 to 1.

    Examples
    --------
    >>> edges(np.array([0, 1, 1, 0], np.int8)), edges(np.array([1, 0], np.int8))
    ([1, 3], [0, 1])
    """
    found: list[int] = np.flatnonzero(np.diff(flags, prepend=0)).tolist()
    return found


def packed(values: Any, width: int) -> str:
    """Give numbers as base64, little-endian, ``width`` bytes each."""
    return _base64(np.asarray(values).astype(f"<u{width}").tobytes())


def json_text(values: Any) -> str:
    r"""Give JSON that can stand inside a script element: nothing in it ends the element or begins a comment.

    Examples
    --------
    >>> print(json_text(["</script>", "<!--"]))
    ["\u003c/script>","\u003c!--"]
    """
    text = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return _unicode(text.replace("<", "\\u003c"))


def _unicode(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _cell(cell: Cell) -> Any:
    return cell if isinstance(cell, Label) else plain(cell)


def _figure(figure: Figure) -> dict[str, Any]:
    return {"key": figure.key, "value": _cell(figure.value), "kind": figure.kind}


def _column(column: Column) -> dict[str, Any]:
    values = {"key": column.key, "label": column.label, "kind": column.kind, "better": column.better}
    return values | {"help": column.help}


def _table(table: Table) -> dict[str, Any]:
    return {
        "name": table.name,
        "shown": table.shown,
        "columns": [_column(column) for column in table.columns],
        "rows": [[_cell(cell) for cell in row] for row in table.rows],
    }


def _chart(chart: Chart) -> dict[str, Any]:
    return {
        "name": chart.name,
        "label": chart.label,
        "kind": chart.kind,
        "x_label": chart.x_label,
        "y_label": chart.y_label,
        "y_kind": chart.y_kind,
        "log_x": chart.log_x,
        "log_y": chart.log_y,
        "series": [
            {"label": series.label, "x": [_cell(x) for x in series.x], "y": [_cell(y) for y in series.y]}
            for series in chart.series
        ],
    }


def _section(section: Section) -> dict[str, Any]:
    return {
        "name": section.name,
        "figures": [_figure(figure) for figure in section.figures],
        "tables": [_table(table) for table in section.tables],
        "charts": [_chart(chart) for chart in section.charts],
    }


def page_values(
    results: Sequence[Result], models: Mapping[str, Tokenizer], samples: Sequence[Sample]
) -> dict[str, Any]:
    """Give everything that the scripts of a page read."""
    from bpetk.analysis.page.exact_text import engine_values

    return {
        "results": [result_values(result) for result in results],
        "scripts": [label for _, label in SCRIPTS],
        "unprintable": unprintable() if models else [],
        "vocabularies": [
            vocabulary_values(name, TokenTable.of(tokenizer)) for name, tokenizer in models.items()
        ],
        "samples": [{"label": sample.label, "text": sample.text} for sample in samples] if models else [],
        "segments": [segment_values(tokenizer, samples) for tokenizer in models.values()],
        "engines": [engine_values(tokenizer) for tokenizer in models.values()],
    }
