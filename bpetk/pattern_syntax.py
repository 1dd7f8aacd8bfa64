"""The syntax of ``bpetk.custom_pattern``: an Oniguruma pattern as text for the ``regex`` package, sets apart.

The parser knows every construct that it accepts. Whatever else is there is refused by name and position: a pattern
that is half understood would cut text slightly differently from the reference.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, replace
from typing import NoReturn

from bpetk import unicode_tables
from bpetk.code_points import NEWLINE, complement, intersection, named_sets, points, shorthand, union
from bpetk.errors import ConfigError
from bpetk.unicode_tables import Ranges

_MAX_DEPTH = 50
_MAX_REPEAT = 100_000


@dataclass(frozen=True)
class Node:
    """A part of the translated pattern.

    Attributes
    ----------
    parts
        Text for the ``regex`` package; a set of code points stands as its ranges.
    nullable
        Whether it can match the empty string.
    regular
        Whether it is made of characters, ``|``, ``(?:...)`` and counts only: it matches a set of strings, and which of
        them is tried first is all that is left open.
    assertion
        Whether it, or one of its alternatives, only looks around: Oniguruma lets no quantifier follow.
    dot
        Whether it is ``.``, groups around it not counted.
    repeat
        ``"greedy"`` or ``"lazy"`` if it is one quantified thing, groups around it not counted.
    first, last
        Where case is ignored: the ASCII letters that a match can begin and end with, in lower case.
    """

    parts: tuple[str | Ranges, ...]
    nullable: bool = False
    regular: bool = False
    assertion: bool = False
    dot: bool = False
    repeat: str = ""
    first: frozenset[str] = frozenset()
    last: frozenset[str] = frozenset()


_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a", "e": "\x1b"}
_PUNCTUATION = frozenset(" !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_GROUPS = ("?:", "?>", "?=", "?!", "?<=", "?<!")
_OPTIONS = re.compile(r"\?([im]*)(?:-([im]+))?:")
_OPTIONS_FOR_ALL = re.compile(r"\(\?([im]+)\)")
# Pairs of letters that Oniguruma, ignoring case, also finds in one character: ß, ﬅ, ﬆ, ﬀ, ﬁ, ﬂ.
_LIGATURES = ("ss", "st", "ff", "fi", "fl")
_EXTRA_CASES = {"s": "\u017f", "k": "\u212a"}
_REFUSED_ESCAPES = {
    "K": "a match whose start is moved",
    "G": "it depends on where the search began",
    "R": r"write (?>\r\n|[\n-\r\x{85}\x{2028}\x{2029}])",
    "X": "grapheme clusters differ between engines",
}


def _assertion(*parts: str | Ranges) -> Node:
    return Node(parts, nullable=True, assertion=True)


def _anchors() -> dict[str, Node]:
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

    def __init__(self, text: str, misleading: bool) -> None:
        self.text = text
        self.misleading = misleading
        self.at = 0
        self.depth = 0
        self.options = ""

    def refuse(self, construct: str, at: int, reason: str) -> NoReturn:
        raise ConfigError(f"{construct!r} at position {at} of the pattern cannot be used: {reason}")

    def sees(self, token: str) -> bool:
        return self.text.startswith(token, self.at)

    def takes(self, token: str) -> bool:
        found = self.sees(token)
        self.at += len(token) if found else 0
        return found

    def parse(self) -> Node:
        for at, char in enumerate(self.text):
            if "\ud800" <= char <= "\udfff":
                self.refuse(char, at, "a lone surrogate is not a character")
        if found := _OPTIONS_FOR_ALL.match(self.text):
            # Further on, an option would reach into the alternatives that follow.
            self.options, self.at = found[1], found.end()
        node = self.alternatives()
        if self.at < len(self.text):
            self.refuse(")", self.at, r"there is no group to close; write \) for the character")
        return node

    def alternatives(self) -> Node:
        node = self.sequence()
        while self.takes("|"):
            other = self.sequence()
            node = Node(
                (*node.parts, "|", *other.parts),
                nullable=node.nullable or other.nullable,
                regular=node.regular and other.regular,
                assertion=node.assertion or other.assertion,
                first=node.first | other.first,
                last=node.last | other.last,
            )
        return node

    def sequence(self) -> Node:
        nodes: list[Node] = []
        first: frozenset[str] = frozenset()
        last: frozenset[str] = frozenset()
        while self.at < len(self.text) and not self.sees("|") and not self.sees(")"):
            start = self.at
            node = self.quantified()
            self.check_ligatures(last, node.first, start)
            first = first | node.first if all(before.nullable for before in nodes) else first
            last = last | node.last if node.nullable else node.last
            nodes.append(node)
        if len(nodes) == 1:
            return nodes[0]
        return Node(
            tuple(itertools.chain.from_iterable(node.parts for node in nodes)),
            nullable=all(node.nullable for node in nodes),
            regular=all(node.regular for node in nodes),
            first=first,
            last=last,
        )

    def check_ligatures(self, left: frozenset[str], right: frozenset[str], at: int) -> None:
        for first, second in itertools.product(sorted(left), sorted(right)):
            if first + second in _LIGATURES:
                reason = f"ignoring case, {first}{second} would also match a ligature or sharp s"
                self.refuse(first + second, at, reason)

    def quantified(self) -> Node:
        start = self.at
        node = self.atom()
        at = self.at
        if not (found := self.quantifier()):
            return node
        node = self.repeated(node, found, start, at)
        if self.text[self.at - 1] == "}" and self.text[self.at : self.at + 1] in ("?", "+"):
            at = self.at
            node = self.repeated(node, self.quantifier() or found, start, at)
        if self.text[self.at : self.at + 1] in ("?", "*", "+") or self.interval():
            reason = "two quantifiers in a row; write a group around the first"
            self.refuse(self.text[at : self.at + 1], at, reason)
        return node

    def repeated(self, node: Node, found: tuple[int, int | None, str], start: int, at: int) -> Node:
        """Return what was read at ``start`` with the quantifier that was read at ``at``."""
        low, high, mode = found
        written = self.text[at : self.at]
        if node.assertion:
            self.refuse(written, at, "it would repeat something that only looks around")
        if high is None and node.dot:
            reason = r"after an assertion Oniguruma misses such matches; write [^\n] for the dot"
            self.refuse(self.text[start : self.at], start, reason)
        many = high is None or high > 1
        if node.nullable and many:
            self.refuse(written, at, f"{self.text[start:at]!r} can be empty; engines repeat that differently")
        if node.repeat and "lazy" in (node.repeat, "lazy" if mode == "?" else ""):
            self.refuse(written, at, "a quantifier directly on a quantifier, one of them lazy")
        if many:
            self.check_ligatures(node.last, node.first, start)
        return Node(
            ("(?:", *node.parts, ")", f"{{{low},{'' if high is None else high}}}{mode}"),
            nullable=node.nullable or low == 0,
            regular=node.regular and mode != "+",
            repeat={"": "greedy", "?": "lazy", "+": ""}[mode],
            first=node.first,
            last=node.last,
        )

    def quantifier(self) -> tuple[int, int | None, str] | None:
        """Read a quantifier: lowest and highest count, and ``"?"`` for lazy, ``"+"`` for possessive.

        Not read: the ``+`` of ``{n,m}+`` and the ``?`` of ``{n}?``, which here are quantifiers of their own.
        """
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
        if self.sees("+") and not self.misleading:
            reason = "Oniguruma reads it as repeated groups, others as possessive; write (?>...) around it"
            self.refuse(written + "+", at, reason)
        if self.sees("?") and not found[2] and not self.misleading:
            self.refuse(written + "?", at, "Oniguruma reads it as optional, others as lazy")
        return low, high, "?" if found[2] and self.takes("?") else ""

    def interval(self) -> re.Match[str] | None:
        found = re.compile(r"\{([0-9]*)(,?)([0-9]*)\}").match(self.text, self.at)
        return found if found and (found[1] or found[3]) else None

    def atom(self) -> Node:
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
            every = "m" in self.options
            return Node((complement(()) if every else complement(NEWLINE),), regular=True, dot=True)
        if char in "^$":
            return _anchors()[char]
        return self.single(points(char), at)

    def single(self, found: Ranges, at: int) -> Node:
        """Return the node of one character out of a set."""
        if "i" not in self.options:
            return Node((found,), regular=True)
        if found and found[-1][1] > 127:
            self.refuse(self.text[at : self.at], at, "inside (?i:...) only ASCII characters and their sets")
        letters = _letters(found)
        cases = letters + letters.upper() + "".join(_EXTRA_CASES.get(char, "") for char in letters)
        ends = frozenset(letters)
        return Node((union(found, points(cases)),), regular=True, first=ends, last=ends)

    def group(self, at: int) -> Node:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            self.refuse("(", at, f"groups are nested more than {_MAX_DEPTH} deep")
        outer = self.options
        kind = next((kind for kind in _GROUPS if self.takes(kind)), "")
        if not kind and (found := _OPTIONS.match(self.text, self.at)):
            kind, self.at = "?:", found.end()
            self.options = "".join(option for option in "im" if option in outer + found[1])
            self.options = "".join(option for option in self.options if option not in (found[2] or ""))
        if not kind and self.sees("?"):
            written = "(" + self.text[self.at : self.at + 2]
            known = "(...) (?:...) (?>...) (?=...) (?!...) (?<=...) (?<!...) (?i:...) (?m:...)"
            self.refuse(written, at, f"not a supported group; supported are {known}")
        node = self.alternatives()
        if "i" not in outer:
            node = replace(node, first=frozenset(), last=frozenset())
        self.options = outer
        self.depth -= 1
        if not self.takes(")"):
            self.refuse("(", at, r"the group is not closed; write \( for the character")
        if "<" in kind and (node.nullable or not node.regular):
            self.refuse("(" + kind, at, "it may look for characters, sets, (?:...), | and counts only")
        parts = ("(" + (kind or "?:"), *node.parts, ")")
        if kind in ("", "?:"):
            return replace(node, parts=parts, regular=node.regular and kind == "?:")
        if kind == "?>":
            return Node(parts, nullable=node.nullable, first=node.first, last=node.last)
        return _assertion(*parts)

    def escape(self) -> Node:
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


def _letters(found: Ranges) -> str:
    """Return the ASCII letters of a set, in lower case."""
    chars = (chr(code) for start, end in found for code in range(start, min(end, 127) + 1))
    return "".join(sorted({char.lower() for char in chars if char.isalpha()}))


def parse(pattern: str, *, misleading: bool = False) -> Node:
    """Read a whole pattern.

    Parameters
    ----------
    pattern
        Oniguruma (Ruby) syntax.
    misleading
        Accept ``{n,m}+`` and ``{n}?`` in the meaning that Oniguruma gives them, unlike most other engines.

    Raises
    ------
    ConfigError
        If a construct is not supported; the message names it, its position (in code points) and the reason.
    """
    return _Parser(pattern, misleading).parse()
