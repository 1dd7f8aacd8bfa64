r"""Patterns of the user, with the meaning that Hugging Face's ``Split(Regex(pattern), "isolated")`` gives them.

That meaning is Oniguruma's (Ruby syntax, Unicode 16.0), which no Python engine shares. The pattern is therefore
parsed completely, and whatever is not known to be reproduced exactly is refused. What is supported:

- characters, ``.``, escapes ``\n \t \r \f \v \a \e \xHH \x{H...} \uHHHH``, and a backslash before punctuation
- sets ``[...]`` with ranges, sets in sets, ``&&``, ``[:alpha:]``; ``\d \s \w \h`` and their capitals; ``\p{...}``
- groups ``(...) (?:...) (?>...)``, ``|``, look-ahead ``(?=...) (?!...)``, look-behind over plain characters
- ``(?i:...)`` around plain ASCII text
- ``? * + {n} {n,} {n,m} {,m}``, lazy with a further ``?``, and the possessive ``?+ *+ ++``
- ``^ $`` (start and end of a *line*), ``\A \z \Z``, ``\b \B``

How it works: the sets of a pattern divide all code points into a few classes, two code points being of one class if no
set tells them apart. Text is first translated to classes, one character each, and the ``regex`` package only ever sees
a pattern over classes: its own Unicode tables, which are of another version, never matter.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NoReturn

import numpy as np
import regex

from bpetk import unicode_tables
from bpetk.code_points import (
    NEWLINE,
    classify,
    complement,
    intersection,
    named_sets,
    points,
    shorthand,
    union,
)
from bpetk.errors import ConfigError
from bpetk.unicode_tables import Ranges

_MAX_CLASSES = 0xD000  # each class is a character of the translated text, below the surrogates
_MAX_DEPTH = 50
_MAX_REPEAT = 100_000


@dataclass(frozen=True)
class _Node:
    """A part of the translated pattern.

    Attributes
    ----------
    parts
        Text for the ``regex`` package; a set of code points stands as its ranges.
    nullable
        Whether it can match the empty string.
    plain
        Whether it is made of single characters and ``|`` only.
    assertion
        Whether it, or one of its alternatives, only looks around: Oniguruma lets no quantifier follow.
    dot
        Whether it is ``.``, groups around it not counted.
    repeat
        ``"greedy"`` or ``"lazy"`` if it is one quantified thing, groups around it not counted.
    """

    parts: tuple[str | Ranges, ...]
    nullable: bool = False
    plain: bool = False
    assertion: bool = False
    dot: bool = False
    repeat: str = ""


_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a", "e": "\x1b"}
_PUNCTUATION = frozenset(" !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_GROUPS = ("?:", "?>", "?=", "?!", "?<=", "?<!")
# Pairs of letters that Oniguruma, ignoring case, also finds in one character: ß, ﬅ, ﬆ, ﬀ, ﬁ, ﬂ.
_LIGATURES = ("ss", "st", "ff", "fi", "fl")
_EXTRA_CASES = {"s": "\u017f", "k": "\u212a"}
_REFUSED_ESCAPES = {
    "K": "a match whose start is moved",
    "G": "it depends on where the search began",
    "R": r"write (?>\r\n|[\n-\r\x{85}\x{2028}\x{2029}])",
    "X": "grapheme clusters differ between engines",
}


def _assertion(*parts: str | Ranges) -> _Node:
    return _Node(parts, nullable=True, assertion=True)


def _anchors() -> dict[str, _Node]:
    word = shorthand("w", in_class=False)
    return {
        # A newline at the very end of the text starts no further line.
        "^": _assertion(r"(?:\A|(?<=", NEWLINE, r")(?!\Z))"),
        "$": _assertion("(?=", NEWLINE, r"|\Z)"),
        r"\A": _assertion(r"\A"),
        r"\z": _assertion(r"\Z"),
        r"\Z": _assertion("(?=", NEWLINE, r"?\Z)"),
        r"\b": _assertion("(?:(?<=", word, ")(?!", word, ")|(?<!", word, ")(?=", word, "))"),
        r"\B": _assertion("(?:(?<=", word, ")(?=", word, ")|(?<!", word, ")(?!", word, "))"),
    }


class _Parser:
    """Recursive descent over the pattern; ``at`` is the next character to read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        self.ignore_case = False

    def refuse(self, construct: str, at: int, reason: str) -> NoReturn:
        raise ConfigError(f"{construct!r} at position {at} of the pattern cannot be used: {reason}")

    def sees(self, token: str) -> bool:
        return self.text.startswith(token, self.at)

    def takes(self, token: str) -> bool:
        found = self.sees(token)
        self.at += len(token) if found else 0
        return found

    def parse(self) -> _Node:
        for at, char in enumerate(self.text):
            if "\ud800" <= char <= "\udfff":
                self.refuse(char, at, "a lone surrogate is not a character")
        node = self.alternatives()
        if self.at < len(self.text):
            self.refuse(")", self.at, r"there is no group to close; write \) for the character")
        return node

    def alternatives(self) -> _Node:
        node = self.sequence()
        while self.takes("|"):
            other = self.sequence()
            parts = (*node.parts, "|", *other.parts)
            either = node.assertion or other.assertion
            node = _Node(parts, node.nullable or other.nullable, node.plain and other.plain, either)
        return node

    def sequence(self) -> _Node:
        nodes: list[_Node] = []
        while self.at < len(self.text) and not self.sees("|") and not self.sees(")"):
            start = self.at
            nodes.append(self.quantified())
            if self.ignore_case and len(nodes) > 1:
                self.check_ligatures(nodes[-2], nodes[-1], start)
        if len(nodes) == 1:
            return nodes[0]
        parts = tuple(itertools.chain.from_iterable(node.parts for node in nodes))
        return _Node(parts, all(node.nullable for node in nodes), all(node.plain for node in nodes))

    def check_ligatures(self, left: _Node, right: _Node, at: int) -> None:
        firsts, seconds = (_letters(node.parts[0]) for node in (left, right))
        for first, second in itertools.product(firsts, seconds):
            if first + second in _LIGATURES:
                reason = f"ignoring case, {first}{second} would also match a ligature or sharp s"
                self.refuse(first + second, at, reason)

    def quantified(self) -> _Node:
        start = self.at
        node = self.atom()
        at = self.at
        if not (found := self.quantifier()):
            return node
        low, high, mode = found
        written = self.text[at : self.at]
        if node.assertion:
            self.refuse(written, at, "it would repeat something that only looks around")
        if high is None and node.dot:
            reason = r"after an assertion Oniguruma misses such matches; write [^\n] for the dot"
            self.refuse(self.text[start : self.at], start, reason)
        if node.nullable and (high is None or high > 1):
            self.refuse(written, at, f"{self.text[start:at]!r} can be empty; engines repeat that differently")
        if node.repeat and "lazy" in (node.repeat, "lazy" if mode == "?" else ""):
            self.refuse(written, at, "a quantifier directly on a quantifier, one of them lazy")
        if self.text[self.at : self.at + 1] in ("?", "*", "+") or self.interval():
            self.refuse(
                self.text[at : self.at + 1], at, "two quantifiers in a row; write a group around the first"
            )
        repeat = {"": "greedy", "?": "lazy", "+": ""}[mode]
        counts = f"{{{low},{'' if high is None else high}}}{mode}"
        return _Node(("(?:", *node.parts, ")", counts), node.nullable or low == 0, repeat=repeat)

    def quantifier(self) -> tuple[int, int | None, str] | None:
        """Read a quantifier: lowest and highest count, and ``"?"`` for lazy, ``"+"`` for possessive."""
        at = self.at
        for token, low, high in (("?", 0, 1), ("*", 0, None), ("+", 1, None)):
            if self.takes(token):
                return low, high, "?" if self.takes("?") else "+" if self.takes("+") else ""
        if not (found := self.interval()):
            return None
        self.at = found.end()
        written = found.group()
        low, high = int(found[1] or 0), int(found[3]) if found[3] else None if found[2] else int(found[1])
        if max(low, high or 0) > _MAX_REPEAT or (high is not None and low > high):
            self.refuse(written, at, f"the counts must rise and be at most {_MAX_REPEAT}")
        if self.sees("+"):
            reason = "Oniguruma reads it as repeated groups, others as possessive; write (?>...) around it"
            self.refuse(written + "+", at, reason)
        if self.sees("?") and not found[2]:
            self.refuse(written + "?", at, "Oniguruma reads it as optional, others as lazy")
        return low, high, "?" if self.takes("?") else ""

    def interval(self) -> re.Match[str] | None:
        found = re.compile(r"\{([0-9]*)(,?)([0-9]*)\}").match(self.text, self.at)
        return found if found and (found[1] or found[3]) else None

    def atom(self) -> _Node:
        at, char = self.at, self.text[self.at]
        if char == "\\":
            return self.escape()
        if self.interval() or char in "?*+":
            self.refuse(char, at, f"there is nothing to repeat; write \\{char} for the character")
        if char == "{":
            self.refuse(char, at, r"it starts no valid count; write \{ for the character")
        self.at += 1
        if char == "(":
            return self.group(at)
        if char == "[":
            return self.single(self.char_class(at), at)
        if char == ".":
            return replace(self.single(complement(NEWLINE), at), dot=True)
        if char in "^$":
            return _anchors()[char]
        return self.single(points(char), at)

    def single(self, found: Ranges, at: int) -> _Node:
        """Return the node of one character out of a set."""
        if self.ignore_case:
            if found and found[-1][1] > 127:
                self.refuse(
                    self.text[at : self.at], at, "inside (?i:...) only ASCII characters and their sets"
                )
            letters = _letters(found)
            cases = letters + letters.upper() + "".join(_EXTRA_CASES.get(char, "") for char in letters)
            found = union(found, points(cases))
        return _Node((found,), plain=True)

    def group(self, at: int) -> _Node:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            self.refuse("(", at, f"groups are nested more than {_MAX_DEPTH} deep")
        outer = self.ignore_case
        ignore_case = self.takes("?i:")
        kind = "?:" if ignore_case else next((kind for kind in _GROUPS if self.takes(kind)), "")
        if not kind and self.sees("?"):
            written = "(" + self.text[self.at : self.at + 2]
            known = "(...) (?:...) (?>...) (?=...) (?!...) (?<=...) (?<!...) (?i:...)"
            self.refuse(written, at, f"not a supported group; supported are {known}")
        self.ignore_case = outer or ignore_case
        node = self.alternatives()
        self.ignore_case = outer
        self.depth -= 1
        if not self.takes(")"):
            self.refuse("(", at, r"the group is not closed; write \( for the character")
        if ignore_case and not node.plain:
            self.refuse("(?i:", at, "inside it only characters, sets and | are supported")
        if "<" in kind and (node.nullable or not node.plain):
            self.refuse("(" + kind, at, "inside it only characters, sets and | are supported")
        parts = ("(" + (kind or "?:"), *node.parts, ")")
        if kind in ("", "?:"):
            return replace(node, parts=parts, plain=False)
        return _Node(parts, node.nullable) if kind == "?>" else _assertion(*parts)

    def escape(self) -> _Node:
        at = self.at
        if (anchor := _anchors().get(self.text[at : at + 2])) is not None:
            self.at += 2
            return anchor
        return self.single(self.escaped_set(in_class=False)[0], at)

    def escaped_set(self, *, in_class: bool) -> tuple[Ranges, bool]:
        """Read an escape; return its set, and whether it is one character."""
        at = self.at
        char = self.text[at + 1 : at + 2]
        self.at += 2
        if not char:
            self.refuse("\\", at, "nothing follows it")
        if char in _CONTROLS or char in _PUNCTUATION:
            return points(_CONTROLS.get(char, char)), True
        if char in ("x", "u"):
            return points(chr(self.code_point(char, at))), True
        if char in "dswhDSWH":
            return shorthand(char, in_class), False
        if char in ("p", "P"):
            return self.unicode_property(char == "P", at), False
        if char.isdigit():
            self.refuse("\\" + char, at, r"back-references and octal codes are not supported; write \xHH")
        self.refuse("\\" + char, at, _REFUSED_ESCAPES.get(char, "not a supported escape"))

    def code_point(self, letter: str, at: int) -> int:
        form = r"\{([0-9A-Fa-f]{1,8})\}|([0-7][0-9A-Fa-f])" if letter == "x" else r"([0-9A-Fa-f]{4})"
        if not (found := re.compile(form).match(self.text, self.at)):
            expected = r"\xHH below \x80, or \x{H...}" if letter == "x" else r"\uHHHH"
            self.refuse("\\" + letter, at, f"expected {expected} with hexadecimal digits")
        self.at = found.end()
        code = int(found[found.lastindex or 1], 16)
        if code > 0x10FFFF or 0xD800 <= code < 0xE000:
            self.refuse(self.text[at : self.at], at, "not a code point of a character")
        return code

    def unicode_property(self, negated: bool, at: int) -> Ranges:
        found = re.compile(r"\{(\^?)([A-Za-z _-]+)\}").match(self.text, self.at)
        if not found:
            self.refuse(self.text[at : at + 2], at, r"expected a property in braces, such as \p{Lu}")
        self.at = found.end()
        name = re.sub("[ _-]", "", found[2]).lower()
        try:
            ranges = unicode_tables.ranges("P") if name == "punct" else named_sets().get(name)
            ranges = unicode_tables.ranges(name) if ranges is None else ranges
        except KeyError:
            known = "general categories, scripts, Alphabetic, White_Space, Uppercase, Lowercase, POSIX names"
            self.refuse(self.text[at : self.at], at, f"not a property known here: {known}")
        return complement(ranges) if negated != bool(found[1]) else ranges

    def char_class(self, at: int) -> Ranges:
        """Read a set after its opening bracket, through the closing one."""
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            self.refuse("[", at, f"sets are nested more than {_MAX_DEPTH} deep")
        negated = self.takes("^")
        first = self.at
        operands: list[list[Ranges]] = [[]]
        while first == self.at or not self.sees("]"):
            if self.at >= len(self.text):
                self.refuse("[", at, r"the set is not closed; write \[ for the character")
            if self.sees("&&"):
                if not operands[-1]:
                    self.refuse("&&", self.at, "there is nothing before it")
                self.at += 2
                operands.append([])
            else:
                operands[-1].append(self.class_item(first))
        if not operands[-1]:
            self.refuse("&&", self.at - 2, "there is nothing after it")
        self.at += 1
        self.depth -= 1
        found = intersection([union(*operand) for operand in operands])
        return complement(found) if negated else found

    def class_item(self, first: int) -> Ranges:
        """Read a character, a range, an escape or a set inside a set."""
        at = self.at
        if self.sees("[:"):
            return self.posix_bracket()
        if self.takes("["):
            return self.char_class(at)
        if self.takes("-"):
            if at != first and not self.sees("]"):
                self.refuse("-", at, r"in the middle of a set; write \- for the character")
            if self.sees("-"):
                self.refuse("--", at, r"write \- for the character")
            return points("-")
        low, is_char = self.class_char()
        if not self.sees("-") or self.sees("-]"):
            return low
        self.at += 1
        if self.at >= len(self.text) or self.text[self.at] in "[-&" or not is_char:
            self.refuse(
                self.text[at : self.at + 1], at, r"not a range of characters; write \- for the character"
            )
        high, is_char = self.class_char()
        if not is_char or low[0][0] > high[0][0]:
            self.refuse(self.text[at : self.at], at, "not a range of rising characters")
        return ((low[0][0], high[0][0]),)

    def class_char(self) -> tuple[Ranges, bool]:
        if self.sees("\\"):
            return self.escaped_set(in_class=True)
        if self.sees("]"):
            self.refuse("]", self.at, r"a set cannot be empty; write \] for the character")
        self.at += 1
        return points(self.text[self.at - 1]), True

    def posix_bracket(self) -> Ranges:
        at = self.at
        found = re.compile(r"\[:(\^?)([a-z]+):\]").match(self.text, at)
        sets = named_sets() | {
            "punct": union(unicode_tables.ranges("P"), unicode_tables.ranges("S")),
            "word": shorthand("w", in_class=True),
        }
        if not found or found[2] not in sets.keys() - {"any", "assigned", "lc"}:
            self.refuse("[:", at, r"not a POSIX set such as [:alpha:]; write \[: for the characters")
        self.at = found.end()
        return complement(sets[found[2]]) if found[1] else sets[found[2]]


def _letters(found: str | Ranges) -> str:
    """Return the ASCII letters of a set, in lower case."""
    ranges = () if isinstance(found, str) else found
    chars = (chr(code) for start, end in ranges for code in range(start, min(end, 127) + 1))
    return "".join(sorted({char.lower() for char in chars if char.isalpha()}))


class Compiled:
    r"""A pattern that was understood completely; make one with `compile_pattern`.

    Attributes
    ----------
    pattern
        The text it was made of.
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        node = _Parser(pattern).parse()
        sets = list(dict.fromkeys(part for part in node.parts if not isinstance(part, str)))
        table, members = classify(sets)
        if int(table.max()) > _MAX_CLASSES:
            raise ConfigError(f"the pattern tells more than {_MAX_CLASSES} kinds of characters apart")
        self._encoding = "latin-1" if int(table.max()) < 256 else "utf-16-le"
        self._table = table.astype(np.uint8 if self._encoding == "latin-1" else "<u2")
        # An empty set matches nothing: (?!) always fails.
        texts = {
            found: "[" + "".join(f"\\u{i:04x}" for i in classes) + "]" if classes else "(?!)"
            for found, classes in zip(sets, members, strict=True)
        }
        self._nullable = node.nullable
        translated = "".join(part if isinstance(part, str) else texts[part] for part in node.parts)
        self._regex = regex.compile(translated, regex.VERSION0)

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        r"""Yield the pieces of a text in order: the matches, and the gaps between them.

        Parameters
        ----------
        text
            One document.

        Yields
        ------
        tuple[int, int]
            Start and end in code points. The pieces are not empty, and together they are the text.

        Examples
        --------
        >>> list(compile_pattern(r"\d").spans("ab12"))
        [(0, 2), (2, 3), (3, 4)]
        """
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        classes = self._table[codes].tobytes().decode(self._encoding)
        end = 0
        for match_start, match_end in self._matches(classes):
            if end < match_start:
                yield end, match_start
            if match_start < match_end:
                yield match_start, match_end
            end = match_end
        if end < len(text):
            yield end, len(text)

    def _matches(self, classes: str) -> Iterator[tuple[int, int]]:
        if not self._nullable:
            for match in self._regex.finditer(classes):
                yield match.span()
            return
        # As in the reference: an empty match right after a match is passed over together with one character, so
        # that a longer match that starts there is not found.
        at, last = 0, -1
        while at <= len(classes) and (found := self._regex.search(classes, at)):
            start, end = found.span()
            if start == end == last:
                at += 1
            else:
                yield start, end
                at = last = end


@lru_cache(maxsize=16)
def compile_pattern(text: str) -> Compiled:
    r"""Compile a pattern with the meaning that Hugging Face's ``Split`` gives it.

    Parameters
    ----------
    text
        Oniguruma (Ruby) syntax, the part of it that the module description lists.

    Raises
    ------
    ConfigError
        If a construct is not supported; the message names it, its position (in code points) and the reason.

    Examples
    --------
    >>> text = "in 2024"
    >>> [text[start:end] for start, end in compile_pattern(r" ?\p{L}+|\p{N}{1,3}").spans(text)]
    ['in', ' ', '202', '4']
    """
    return Compiled(text)
