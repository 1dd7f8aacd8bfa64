"""Small pieces that the sections of an inspection are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bpetk.analysis.results import Cell, Chart, Column, Figure, Kind, Label, Series
from bpetk.analysis.token_table import TokenTable

ID = Column("id", Label("Id", "编号"), "integer")
TOKEN = Column("token", Label("Token", "词元"), "token")
TOKENS = Column("tokens", Label("Tokens", "词元数"), "integer")


def share(part: float, whole: float) -> float | None:
    """Give a part of a whole; None of nothing.

    Examples
    --------
    >>> share(1, 4), share(0, 0)
    (0.25, None)
    """
    return part / whole if whole else None


def count(key: str, en: str, zh: str, value: int, help_en: str, help_zh: str) -> Figure:
    """Make a figure that counts."""
    return Figure(key, Label(en, zh), int(value), "integer", Label(help_en, help_zh))


def part(key: str, en: str, zh: str, value: float | None, help_en: str, help_zh: str) -> Figure:
    """Make a figure that is a share."""
    return Figure(key, Label(en, zh), value, "share", Label(help_en, help_zh))


def column(key: str, en: str, zh: str, kind: Kind = "integer") -> Column:
    """Make a column without help."""
    return Column(key, Label(en, zh), kind)


def token_rows(table: TokenTable, ids: Iterable[int], *more: Sequence[Cell]) -> tuple[tuple[Cell, ...], ...]:
    """Make rows of id, readable token and more cells.

    Parameters
    ----------
    more
        For each further column its cells, as many as ids.
    """
    ids = [int(id) for id in ids]
    return tuple(zip(ids, map(table.readable, ids), *more, strict=True))


def bars(
    name: str, label: Label, x_label: Label, y_label: Label, x: Sequence[Cell], y: Sequence[float | None]
) -> Chart:
    """Make a bar chart of one series."""
    return Chart(name, label, "bar", x_label, y_label, (Series(y_label, tuple(x), tuple(y)),))
