"""How a table is put into a terminal: widths of its columns, headings of several lines, parts one below the other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

_PIECES = re.compile(r"\s*(?:[\u3000-\u9fff\uff00-\uffef]|[^\s/\u3000-\u9fff\uff00-\uffef]+/?|/)")
_HEADING = 12  # wished for the lines of a heading of several words
_SHORT = 6
_TEXT = 24  # what a column of text has before the others move together
_FIRST, _LEAST = 16, 10  # what the first column of text, and any other, has at least


@dataclass(frozen=True)
class Measure:
    """What a column needs.

    Attributes
    ----------
    name
        Its heading.
    number
        Whether its cells must stay on one line.
    widest
        Columns of a terminal that its widest cell takes.
    """

    name: str
    number: bool
    widest: int

    def wish(self, *, narrow: bool) -> int:
        """Give the width that it would like to have; a narrow column of numbers breaks its heading more often."""
        if not self.number:
            return max(self.widest, cell_len(self.name))
        limit = max(self.widest, _SHORT if narrow else _HEADING)
        return max(self.widest, *map(cell_len, heading(self.name, limit)))

    def least(self, *, first: bool) -> int:
        """Give the width below which it cannot be read."""
        return (
            self.wish(narrow=True)
            if self.number
            else min(self.wish(narrow=True), _FIRST if first else _LEAST)
        )


@dataclass(frozen=True)
class Part:
    """Columns that stand side by side: their numbers, the width of each, and what is between two."""

    columns: tuple[int, ...]
    widths: tuple[int, ...]
    gap: int


def heading(name: str, width: int) -> list[str]:
    """Break a heading at blanks, after slashes and between Han characters.

    Examples
    --------
    >>> heading("tokens/English word", 12), heading("每个词元的字符数", 8)
    (['tokens/', 'English word'], ['每个词元', '的字符数'])
    """
    lines = [""]
    for piece in _PIECES.findall(name):
        if lines[-1] and cell_len(lines[-1] + piece) > width:
            lines.append("")
        lines[-1] += piece if lines[-1] else piece.lstrip()
    return lines


def layout(columns: Sequence[Measure], width: int) -> list[Part]:
    """Share out the width of a terminal.

    Columns of text are folded if they must; numbers never are. What does not fit side by side is put into parts, each
    with the first column in front if that is text.

    Parameters
    ----------
    columns
        At least one.
    width
        Of the terminal.

    Examples
    --------
    >>> columns = [Measure("file", False, 8), Measure("tokens", True, 9), Measure("bytes", True, 9)]
    >>> layout(columns, 80)
    [Part(columns=(0, 1, 2), widths=(8, 9, 9), gap=4)]
    >>> [part.columns for part in layout(columns, 20)]
    [(0, 1), (0, 2)]
    """
    every = tuple(range(len(columns)))
    for gap, narrow in ((4, False), (2, False), (2, True)):
        wishes = [column.wish(narrow=narrow) for column in columns]
        enough = [
            wish if column.number else min(wish, _TEXT) for column, wish in zip(columns, wishes, strict=True)
        ]
        if sum(enough) + gap * (len(columns) - 1) <= width:
            return [Part(every, _widths(columns, every, wishes, width, gap), gap)]
    least = [column.least(first=i == 0) for i, column in enumerate(columns)]
    wishes = [column.wish(narrow=True) for column in columns]
    front = () if columns[0].number else (0,)
    parts: list[tuple[int, ...]] = [front]
    for i in every[len(front) :]:
        if parts[-1] != front and sum(least[k] + 2 for k in (*parts[-1], i)) - 2 > width:
            parts.append(front)
        parts[-1] += (i,)
    return [Part(part, _widths(columns, part, wishes, width, 2), 2) for part in parts]


def _widths(
    columns: Sequence[Measure], part: Sequence[int], wishes: Sequence[int], width: int, gap: int
) -> tuple[int, ...]:
    """Give numbers what they wish, and share out the rest: short texts first, so that long ones get what is left."""
    found = {i: wishes[i] for i in part if columns[i].number}
    left = width - gap * (len(part) - 1) - sum(found.values())
    texts = sorted((i for i in part if i not in found), key=lambda i: wishes[i])
    for at, i in enumerate(texts):
        found[i] = max(1, min(wishes[i], left // (len(texts) - at)))
        left -= found[i]
    return tuple(found[i] for i in part)
