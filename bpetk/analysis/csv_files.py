"""Tables of results as CSV files, one a table, all of them or none."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bpetk.analysis.results import Cell, Result, Section, plain
from bpetk.errors import OutputError
from bpetk.token_files import atomic_files

FIGURES = "figures"


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    r"""Give a table as CSV: commas, quotes where needed (RFC 4180), lines that end with a line feed.

    A value that is not defined is empty, truth is ``true`` or ``false``, labels are in English.

    Examples
    --------
    >>> csv_text(["token", "count"], [["a, b", 3], [None, True]])
    'token,count\n"a, b",3\n,true\n'
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(cell) for cell in row] for row in rows)
    return text.getvalue()


def csv_tables(result: Result) -> Iterator[tuple[str, str]]:
    """Give name (without ``.csv``) and text of every table of a result.

    First ``figures`` (section, key, value), then the tables by their names with the keys of the columns as header,
    then every chart that no table has the name of (series, x, y).
    """
    figures = [(part.name, figure.key, figure.value) for part in result.sections for figure in part.figures]
    if figures:
        yield FIGURES, csv_text(("section", "key", "value"), figures)
    names = {FIGURES}
    for table in result.tables():
        names.add(table.name)
        yield table.name, csv_text([column.key for column in table.columns], table.rows)
    for section in result.sections:
        for name, rows in _charts(section):
            if name not in names:
                yield name, csv_text(("series", "x", "y"), rows)


def write_csv(folder: str | os.PathLike[str], results: Sequence[Result]) -> list[Path]:
    """Write the tables of results into a folder, which is made if it is not there.

    Parameters
    ----------
    folder
        Files in it of the same names are replaced, others stay.
    results
        With more than one, the command stands before the names: ``inspect.figures.csv``.

    Returns
    -------
    list of Path
        The files; UTF-8 without a mark at the start.

    Raises
    ------
    OutputError
        If one of them cannot be written; then none of them is.
    """
    target = Path(folder)
    files: dict[Path, str] = {}
    for result in results:
        prefix = f"{result.command}." if len(results) > 1 else ""
        files |= {target / f"{prefix}{name}.csv": text for name, text in csv_tables(result)}
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write into {target}: {error.strerror or error}") from error
    if files:
        with atomic_files(*files) as opened:
            for file, text in zip(opened, files.values(), strict=True):
                file.write(text.encode("utf-8", "backslashreplace"))
    return list(files)


def _charts(section: Section) -> Iterator[tuple[str, list[tuple[Cell, ...]]]]:
    for chart in section.charts:
        rows: list[tuple[Cell, ...]] = []
        for series in chart.series:
            rows += [(series.label, x, y) for x, y in zip(series.x, series.y, strict=True)]
        yield chart.name, rows


def _cell(cell: Cell) -> str | int | float:
    value = plain(cell)
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else value
