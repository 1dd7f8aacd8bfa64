r"""Which strings can stand inside one match of a pattern that cuts text: an upper bound that is decided exactly.

A pattern of `bpetk.custom_pattern` is read as a regular language: what only looks around is taken to hold, atomic and
possessive parts as ordinary ones. The matches of the pattern are then among the strings of this language, so what is
inside no string of it is inside no match: that is a proof, whatever text stands around. The converse is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from bpetk.code_points import classify
from bpetk.pattern_syntax import parse
from bpetk.unicode_tables import Ranges

_WORDS = re.compile(r"\(\?<?[=!]|\(\?[:>]|\(|\)|\||\{(\d+),(\d*)\}[?+]?|\?|\\[AZ]")
_MOST_COPIES = 64
"""A higher count stands for any number: the language grows, so that it stays an upper bound."""


class PatternLanguage:
    r"""The strings that a pattern can match, as a finite automaton over classes of characters.

    Parameters
    ----------
    pattern
        As `bpetk.custom_pattern.compile_pattern` takes it.

    Raises
    ------
    ConfigError
        If the pattern holds a construct that is not supported.

    Examples
    --------
    >>> language = PatternLanguage(r" ?\p{L}+|\p{N}{1,3}|\s+(?!\S)")
    >>> [language.has_inside(text) for text in ("ab", " ab", "b 1", "1234", "  ", "  a")]
    [True, True, False, False, True, False]
    """

    def __init__(self, pattern: str) -> None:
        parts = parse(pattern, misleading=True).parts
        self._sets = list(dict.fromkeys(part for part in parts if not isinstance(part, str)))
        self._table, members = classify(self._sets)
        self._n_classes = int(self._table.max()) + 1
        self._members = [frozenset(classes) for classes in members]
        self._words = list(_words(parts))
        self._at = 0
        self._empty: list[list[int]] = []
        self._steps: list[tuple[int, int, int]] = []
        start, end = self._alternatives()
        closures = [self._closure(state) for state in range(len(self._empty))]
        self._start, self._end = closures[start], 1 << end
        self._all = (1 << len(self._empty)) - 1
        # For each class the states that it leads from, and what they lead to.
        self._moves = [
            [
                (1 << state, closures[target])
                for state, kind, target in self._steps
                if c in self._members[kind]
            ]
            for c in range(self._n_classes)
        ]
        self._sure = self._sure_classes()
        self._known: dict[tuple[int, ...], int] = {(): self._all}

    def has_inside(self, text: str, *, before: bool = False, after: bool = False) -> bool:
        """Whether some string of the language has this inside.

        Parameters
        ----------
        text
            Whole characters.
        before, after
            Whether one more character, of any kind, stands directly before or behind it.
        """
        states = self._any(self._all) if before else self._all
        if before:
            for c in self._classes(text):
                states = self._next(states, c)
        else:
            states = self._from_anywhere(tuple(self._classes(text)))
        return bool(self._any(states) if after else states)

    def has_whole(self, text: str) -> bool:
        """Whether this is a string of the language.

        Examples
        --------
        >>> [PatternLanguage(r"a+b?").has_whole(text) for text in ("aab", "b")]
        [True, False]
        """
        states = self._start
        for c in self._classes(text):
            states = self._next(states, c)
        return bool(states & self._end)

    def matches_alone(self, char: str) -> bool:
        """Whether the pattern is sure to match one character, whatever stands around it.

        It is taken to be so only in a pattern that does not look around and has no atomic parts, or by one of its
        alternatives that is a single set, counted or not.
        """
        return int(self._table[ord(char)]) in self._sure

    def _classes(self, text: str) -> list[int]:
        return [int(self._table[ord(char)]) for char in text]

    def _next(self, states: int, c: int) -> int:
        found = 0
        for bit, targets in self._moves[c]:
            if states & bit:
                found |= targets
        return found

    def _any(self, states: int) -> int:
        found = 0
        for c in range(self._n_classes):
            found |= self._next(states, c)
        return found

    def _from_anywhere(self, classes: tuple[int, ...]) -> int:
        known = self._known.get(classes)
        if known is None:
            known = self._next(self._from_anywhere(classes[:-1]), classes[-1])
            self._known[classes] = known
        return known

    def _sure_classes(self) -> frozenset[int]:
        """Give the classes of characters that one alternative matches alone: a set, at most with a count from 1."""
        sure: set[int] = set()
        depth = 0
        inside: list[str | int] = []
        for word in [*self._words, "|"]:
            if word == "|" and not depth:
                sets = [mark for mark in inside if not isinstance(mark, str)]
                counts = [count for mark in inside if (count := _count(mark)) is not None]
                plain = all(mark in ("(?:", ")") or _count(mark) for mark in inside if isinstance(mark, str))
                if plain and len(sets) == 1 and all(low <= 1 for low, _ in counts):
                    sure |= self._members[sets[0]]
                inside = []
                continue
            depth += isinstance(word, str) and word.startswith("(")
            depth -= word == ")"
            inside.append(word)
        return frozenset(sure)

    # --- making it ----------------------------------------------------------------------------------------------------

    def _state(self) -> int:
        self._empty.append([])
        return len(self._empty) - 1

    def _closure(self, state: int) -> int:
        found, todo = 1 << state, [state]
        while todo:
            for target in self._empty[todo.pop()]:
                if not found >> target & 1:
                    found |= 1 << target
                    todo.append(target)
        return found

    def _alternatives(self) -> tuple[int, int]:
        start, end = self._state(), self._state()
        while True:
            first, last = self._sequence()
            self._empty[start].append(first)
            self._empty[last].append(end)
            if self._at == len(self._words) or self._words[self._at] != "|":
                return start, end
            self._at += 1

    def _sequence(self) -> tuple[int, int]:
        start = end = self._state()
        while self._at < len(self._words) and self._words[self._at] not in ("|", ")"):
            begin = self._at
            first, last = self._atom()
            if self._at < len(self._words) and (count := _count(self._words[self._at])) is not None:
                after = self._at + 1
                first, last = self._repeated(begin, first, last, *count)
                self._at = after
            self._empty[end].append(first)
            end = last
        return start, end

    def _repeated(self, begin: int, first: int, last: int, low: int, high: int | None) -> tuple[int, int]:
        if low > _MOST_COPIES or (high is not None and high > _MOST_COPIES):
            low, high = 0, None
        start = end = self._state()
        for copy in range(max(low, 1) if high is None else high):
            if copy:
                self._at = begin
                first, last = self._atom()
            self._empty[end].append(first)
            if copy >= low:
                self._empty[end].append(last)
            end = last
        if high is None:
            self._empty[end].append(first)
            if not low:
                self._empty[start].append(end)
        return start, end

    def _atom(self) -> tuple[int, int]:
        word = self._words[self._at]
        self._at += 1
        if not isinstance(word, str):
            start, end = self._state(), self._state()
            self._steps.append((start, word, end))
            return start, end
        if word in ("(", "(?:", "(?>"):
            found = self._alternatives()
            self._at += 1
            return found
        if word.startswith("(?"):
            depth = 1
            while depth:
                inner = self._words[self._at]
                depth += isinstance(inner, str) and inner.startswith("(")
                depth -= inner == ")"
                self._at += 1
        state = self._state()
        return state, state


def _words(parts: tuple[str | Ranges, ...]) -> Iterator[str | int]:
    """Give the marks of a translated pattern one by one, and for each set its number."""
    numbers: dict[Ranges, int] = {}
    for part in parts:
        if not isinstance(part, str):
            yield numbers.setdefault(part, len(numbers))
            continue
        at = 0
        while at < len(part):
            found = _WORDS.match(part, at)
            if found is None:
                raise AssertionError(f"{part!r} is no mark of a translated pattern")
            yield found.group()
            at = found.end()


def _count(word: str | int) -> tuple[int, int | None] | None:
    if not isinstance(word, str) or word[0] not in "{?":
        return None
    if word == "?":
        return 0, 1
    found = _WORDS.match(word)
    assert found is not None
    return int(found[1]), int(found[2]) if found[2] else None


@cache
def language_of(pattern: str) -> PatternLanguage:
    """Give the language of a pattern, made once."""
    return PatternLanguage(pattern)
