"""What a pre-tokenizer looks for in a text, and how it cuts there; every one is a `Cutter`.

The cutters work on stretches of one text, so that a text is looked at as a whole only once, however small the pieces
are that earlier cutters left. The sets of characters are of the Unicode versions that the reference's libraries carry.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache
from typing import Protocol

from bpetk import splitter_tables, unicode_tables
from bpetk.code_points import points, union

Span = tuple[int, int]
Ranges = tuple[Span, ...]
# Finds the matches between two positions, in order; matches of nothing included.
Search = Callable[[int, int], Iterable[Span]]


class Cutter(Protocol):
    """A rule that cuts stretches of a text into pieces."""

    def cut(self, text: str, spans: Iterable[Span]) -> list[Span]:
        """Cut every stretch by itself, as if it were the whole text.

        Parameters
        ----------
        text
            The whole text.
        spans
            Start and end of the stretches, in characters. None is empty.

        Returns
        -------
        list[tuple[int, int]]
            Start and end of the pieces, in order. None is empty.
        """
        ...


class Finder(Protocol):
    """Something to look for."""

    def search(self, text: str) -> Search:
        """Prepare a text for a search."""
        ...


class Literal:
    """A plain expression: nothing in it looks beyond the stretch that is searched.

    Examples
    --------
    >>> Delimited(Literal(re.compile("-")), "MergedWithNext").cut("a-b-", [(0, 4)])
    [(0, 1), (1, 3), (3, 4)]
    """

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._finditer = pattern.finditer

    def search(self, text: str) -> Search:
        """Prepare a text for a search."""
        return lambda start, end: (match.span() for match in self._finditer(text, start, end))


class Expression:
    """A pattern in Oniguruma's syntax; compiled when it is first used, which imports numpy and regex."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern

    def search(self, text: str) -> Search:
        """Prepare a text for a search."""
        from bpetk.custom_pattern import compile_pattern

        compiled = compile_pattern(self.pattern, misleading=True)
        classes = compiled.classes(text)

        def find(start: int, end: int) -> Iterable[Span]:
            found = compiled.matches(classes[start:end])
            return ((i + start, j + start) for i, j in found) if start else found

        return find


class Delimited:
    """Cuts at matches, which may be kept, dropped or joined to a neighbour.

    Parameters
    ----------
    finder
        What to look for.
    behavior
        As in files: ``"Removed"``, ``"Isolated"``, ``"MergedWithPrevious"``, ``"MergedWithNext"``, ``"Contiguous"``.
    invert
        Whether matches and what is between them change places.
    """

    def __init__(self, finder: Finder, behavior: str, invert: bool = False) -> None:
        self._finder = finder
        self._invert = invert
        self._pieces = {
            "Isolated": _isolated,
            "Removed": _between if not invert else _matched,
            "MergedWithPrevious": self._merged_with_previous,
            "MergedWithNext": self._merged_with_next,
            "Contiguous": self._contiguous,
        }[behavior]

    def cut(self, text: str, spans: Iterable[Span]) -> list[Span]:
        """Cut every stretch by itself; see `Cutter`."""
        search, pieces = self._finder.search(text), self._pieces
        return [(i, j) for start, end in spans for i, j in pieces(search(start, end), start, end) if i < j]

    # The three below see matches of nothing, too: such a match keeps its neighbours apart.

    def _merged_with_previous(self, matches: Iterable[Span], start: int, end: int) -> list[Span]:
        return _merged(_flagged(matches, start, end, self._invert))

    def _merged_with_next(self, matches: Iterable[Span], start: int, end: int) -> list[Span]:
        # The mirror image: read backwards, positions negated.
        events = [(-j, -i, flag) for i, j, flag in _flagged(matches, start, end, self._invert)]
        return [(-j, -i) for i, j in reversed(_merged(reversed(events)))]

    def _contiguous(self, matches: Iterable[Span], start: int, end: int) -> list[Span]:
        events = _flagged(matches, start, end, self._invert)
        runs = (list(run) for _, run in itertools.groupby(events, key=lambda event: event[2]))
        return [(run[0][0], run[-1][1]) for run in runs]


def _isolated(matches: Iterable[Span], start: int, end: int) -> Iterator[Span]:
    for i, j in matches:
        yield start, i
        yield i, j
        start = j
    yield start, end


def _between(matches: Iterable[Span], start: int, end: int) -> Iterator[Span]:
    for i, j in matches:
        yield start, i
        start = j
    yield start, end


def _matched(matches: Iterable[Span], start: int, end: int) -> Iterable[Span]:
    return matches


def _flagged(matches: Iterable[Span], start: int, end: int, invert: bool) -> Iterator[tuple[int, int, bool]]:
    """Yield matches and gaps in order, with whether it counts as a match; gaps are not empty."""
    for i, j in matches:
        if start < i:
            yield start, i, invert
        yield i, j, not invert
        start = j
    if start < end:
        yield start, end, invert


def _merged(events: Iterable[tuple[int, int, bool]]) -> list[Span]:
    """Join a match to the piece before it, unless that is a match itself."""
    pieces: list[Span] = []
    after_match = False
    for i, j, is_match in events:
        if is_match and not after_match and pieces:
            pieces[-1] = (pieces[-1][0], j)
        else:
            pieces.append((i, j))
        after_match = is_match
    return pieces


# --- characters -----------------------------------------------------------------------------------------------------


def _in_brackets(ranges: Ranges) -> str:
    """Write a set for `re`: the result does not depend on Python's Unicode tables."""
    return "".join(f"\\U{start:08x}-\\U{end:08x}" for start, end in ranges)


def characters(ranges: Ranges, behavior: str) -> Delimited:
    """Cut at each character of a set."""
    one = f"[{_in_brackets(ranges)}]"
    if behavior in ("Contiguous", "Removed"):  # neighbours would be joined, or vanish
        return Delimited(Literal(re.compile(one + "+")), "Isolated" if behavior == "Contiguous" else behavior)
    return Delimited(Literal(re.compile(one)), behavior)


@cache
def punctuation(behavior: str) -> Cutter:
    """Cut at punctuation, as ``Punctuation`` does."""
    return characters(splitter_tables.punctuation(), behavior)


@cache
def digits(individual: bool) -> Cutter:
    """Cut at numbers, as ``Digits`` does."""
    return characters(splitter_tables.numeric(), "Isolated" if individual else "Contiguous")


@cache
def white_space() -> Cutter:
    """Drop white space, as ``WhitespaceSplit`` does."""
    return characters(unicode_tables.ranges("White_Space"), "Removed")


@cache
def words() -> Cutter:
    r"""Keep runs of ``\w`` and runs of what is neither that nor white space, as ``Whitespace`` does."""
    sets = map(unicode_tables.ranges, ("Alphabetic", "M", "Nd", "Pc"))
    word = _in_brackets(union(*sets, points("\u200c\u200d")))
    space = _in_brackets(unicode_tables.ranges("White_Space"))
    return Delimited(Literal(re.compile(f"[{word}]+|[^{word}{space}]+")), "Removed", invert=True)


class FixedLength:
    """Cuts into pieces of so many characters, the last one may be shorter.

    Examples
    --------
    >>> FixedLength(2).cut("abcde", [(0, 3), (3, 5)])
    [(0, 2), (2, 3), (3, 5)]
    """

    def __init__(self, length: int) -> None:
        self._length = length

    def cut(self, text: str, spans: Iterable[Span]) -> list[Span]:
        """Cut every stretch by itself; see `Cutter`."""
        size = self._length
        return [(i, min(i + size, end)) for start, end in spans for i in range(start, end, size)]


@lru_cache(maxsize=1 << 16)
def _script(char: str) -> str:
    starts, names = splitter_tables.scripts()
    return names[bisect_right(starts, ord(char)) - 1]


class Scripts:
    """Cuts where the script changes; Japanese counts as Han. Blanks and what has no script go with what is before it.

    As in the reference, what stands before the first character with a script is dropped.

    Examples
    --------
    >>> Scripts().cut(" ab 漢", [(0, 5)])
    [(1, 4), (4, 5)]
    """

    def cut(self, text: str, spans: Iterable[Span]) -> list[Span]:
        """Cut every stretch by itself; see `Cutter`."""
        pieces: list[Span] = []
        for start, end in spans:
            cuts, last = [], ""
            for i in range(start, end):
                if (script := _script(text[i])) and script != last:
                    cuts.append(i)
                    last = script
            pieces += itertools.pairwise([*cuts, end])
        return pieces
