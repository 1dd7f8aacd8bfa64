r"""Patterns in tiktoken's dialect (Rust's fancy-regex), rewritten for Oniguruma, which the rest of bpetk reads.

Most of a pattern means the same in both. What does not is rewritten: possessive counts, which Oniguruma takes for
repeated groups; ``^ $``, ends of lines there and of the text here; ``\w \b``; POSIX names, which stand for ASCII only
here; the flag ``s``; difference of sets. Everything that is not known to be understood is refused. A well-known pattern
comes out as the text that files of Hugging Face have for it, so that its named scheme is found.

tiktoken drops what its pattern does not match: the result is for a ``Split`` that removes what is between the matches.
"""

from __future__ import annotations

import re
import string
from functools import lru_cache
from typing import NoReturn

from bpetk import unicode_tables
from bpetk.errors import ConfigError

_ZERO_WIDTH = r"\x{200C}\x{200D}"  # \w here, not in Oniguruma
_WORD = rf"[\w{_ZERO_WIDTH}]"
_NO_WORD = rf"[^\w{_ZERO_WIDTH}]"
_BOUNDARY = rf"(?:(?<={_WORD})(?!{_WORD})|(?<!{_WORD})(?={_WORD}))"
_NO_BOUNDARY = rf"(?:(?<={_WORD})(?={_WORD})|(?<!{_WORD})(?!{_WORD}))"
_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x{0}-\x{7F}",
    "blank": r"\t ",
    "cntrl": r"\x{0}-\x{1F}\x{7F}",
    "digit": "0-9",
    "graph": r"\x{21}-\x{7E}",
    "lower": "a-z",
    "print": r"\x{20}-\x{7E}",
    "punct": r"\x{21}-\x{2F}\x{3A}-\x{40}\x{5B}-\x{60}\x{7B}-\x{7E}",
    "space": r"\t\n\v\f\r ",
    "upper": "A-Z",
    "word": "0-9A-Z_a-z",
    "xdigit": "0-9A-Fa-f",
}
_CODE_POINT = re.compile(
    r"\\(?:[xuU]\{([0-9A-Fa-f]{1,8})\}|x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8}))"
)
_PROPERTY = re.compile(
    r"\\[pP](?:([A-Z])|\{(\^?)(?:(?:gc|General_Category|sc|Script)=)?([A-Za-z_]+)\})", re.IGNORECASE
)
_GROUP = re.compile(r"\(\?(?::|>|=|!|<=|<!)|\(\?P?<[A-Za-z_][A-Za-z0-9_]*>|\((?!\?)")
_FLAGS = re.compile(r"\(\?([isu]*)(?:-([is]+))?([:)])")
_COUNT = re.compile(r"\{([0-9]*)(,?)([0-9]*)\}")
_PUNCTUATION = frozenset(string.punctuation + " ") - {"<", ">"}  # these two are the ends of words


class _Translator:
    """One pass over the pattern; ``at`` is the next character to read, ``out`` what is written so far."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.out: list[str] = []
        self.groups: list[int] = []  # where in `out` the open groups begin
        self.atom = 0  # where in `out` the last thing that can be counted begins

    def refuse(self, construct: str, at: int, reason: str) -> NoReturn:
        raise ConfigError(f"{construct!r} at position {at} of the pattern cannot be used: {reason}")

    def sees(self, token: str) -> bool:
        return self.text.startswith(token, self.at)

    def run(self) -> str:
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "{" and _COUNT.match(self.text, self.at):
                self.count()
            elif char in "?*+|":
                # Possessive and lazy forms, and everything that is wrong about them, are the same there.
                self.out.append(char)
                self.at += 1
            elif char == ")":
                self.out.append(char)
                self.at += 1
                self.atom = self.groups.pop() if self.groups else 0
            elif char == "(":
                self.open_group()
            else:
                self.atom = len(self.out)
                self.out.append(self.single(char))
        return "".join(self.out)

    def count(self) -> None:
        found = _COUNT.match(self.text, self.at)
        assert found
        self.at = found.end()
        if self.sees("+"):
            self.at += 1
            self.out.insert(self.atom, "(?>")
            self.out += (found[0], ")")
            return
        self.out.append(found[0])
        if self.sees("?") and not found[2]:
            self.at += 1  # exactly so many, lazily: the same

    def open_group(self) -> None:
        at = self.at
        if found := _GROUP.match(self.text, at):
            self.groups.append(len(self.out))
            self.out.append("(?:" if found[0].endswith(">") and found[0] != "(?>" else found[0])
        elif (found := _FLAGS.match(self.text, at)) and (found[3] == ":" or at == 0):
            if found[3] == ":":
                self.groups.append(len(self.out))
            on, off = (flags.replace("s", "m").replace("u", "") for flags in (found[1], found[2] or ""))
            if on or off or found[3] == ":":
                self.out.append(f"(?{on}{'-' if off else ''}{off}{found[3]}")
        else:
            known = "(...) (?:...) (?<name>...) (?>...) (?=...) (?!...) (?<=...) (?<!...) (?i:...) (?s:...)"
            self.refuse(self.text[at : at + 3], at, f"not a supported group; supported are {known}")
        self.at = found.end()

    def single(self, char: str) -> str:
        """Read one character, set or assertion; return it rewritten."""
        if char == "\\":
            return self.escape(in_class=False)
        self.at += 1
        if char == "[":
            return self.char_class(self.at - 1)
        return {"^": r"\A", "$": r"\z"}.get(char, char)

    def escape(self, in_class: bool) -> str:
        at = self.at
        char = self.text[at + 1 : at + 2]
        if char in ("x", "u", "U"):
            if not (found := _CODE_POINT.match(self.text, at)):
                self.refuse("\\" + char, at, "expected hexadecimal digits after it")
            self.at = found.end()
            return rf"\x{{{found[found.lastindex or 1].upper()}}}"
        if char in ("p", "P"):
            return self.unicode_property(at)
        self.at += 2
        if char and (char in "ntrfvadsDShH" or char in _PUNCTUATION):
            return "\\" + char
        if in_class:
            rewritten = {"w": rf"\w{_ZERO_WIDTH}", "W": _NO_WORD, "b": r"\x{8}"}.get(char)
        else:
            rewritten = {"w": _WORD, "W": _NO_WORD, "A": r"\A", "z": r"\z", "e": r"\e"}.get(char)
            rewritten = rewritten or {"b": _BOUNDARY, "B": _NO_BOUNDARY}.get(char)
        if rewritten is None or (char in "bB" and self.sees("{")):
            self.refuse("\\" + char, at, "not a supported escape" if char else "nothing follows it")
        return rewritten

    def unicode_property(self, at: int) -> str:
        found = _PROPERTY.match(self.text, at)
        if not found:
            self.refuse(self.text[at : at + 2], at, r"expected a property such as \p{Lu}")
        self.at = found.end()
        name = found[1] or found[3]
        try:
            unicode_tables.ranges(name)
        except KeyError:
            known = "general categories, scripts, Alphabetic, White_Space, Uppercase, Lowercase"
            self.refuse(found[0], at, f"not a property known here: {known}")
        return rf"\{self.text[at + 1]}{{{found[2] or ''}{name}}}"

    def char_class(self, at: int) -> str:
        """Read a set after its opening bracket, through the closing one."""
        opening = "["
        if self.sees("^"):
            self.at += 1
            opening = "[^"
        operands: list[list[str]] = [[]]
        subtracted = [False]
        first = self.at
        while self.at == first or not self.sees("]"):
            if self.at >= len(self.text):
                self.refuse("[", at, r"the set is not closed; write \[ for the character")
            if self.sees("~~"):
                self.refuse("~~", self.at, r"write \~ for the character")
            if self.sees("&&") or (self.sees("--") and operands[-1]):
                if not operands[-1]:
                    self.refuse(self.text[self.at : self.at + 2], self.at, "there is nothing before it")
                subtracted.append(self.sees("--"))
                operands.append([])
                self.at += 2
            else:
                operands[-1].append(self.class_item(first))
        if not operands[-1]:
            self.refuse(self.text[self.at - 2 : self.at], self.at - 2, "there is nothing after it")
        self.at += 1
        texts = (
            f"[^{''.join(items)}]" if minus else "".join(items)
            for items, minus in zip(operands, subtracted, strict=True)
        )
        return opening + "&&".join(texts) + "]"

    def class_item(self, first: int) -> str:
        """Read a character, a range, an escape or a set inside a set."""
        at = self.at
        if found := re.compile(r"\[:(\^?)([a-z]+):\]").match(self.text, at):
            if found[2] not in _POSIX:
                self.refuse(found[0], at, r"not a POSIX set; write \[ for the character")
            self.at = found.end()
            return f"[^{_POSIX[found[2]]}]" if found[1] else _POSIX[found[2]]
        if self.sees("["):
            self.at += 1
            return self.char_class(at)
        if self.sees("-"):
            self.at += 1
            if self.sees("-"):
                self.refuse("--", at, r"write \- for the character")
            return "-" if at == first or self.sees("]") else r"\-"
        low = self.class_char(first)
        if not self.sees("-") or self.text[self.at + 1 : self.at + 2] in ("]", "-"):
            return low
        self.at += 1
        if self.sees("["):
            self.refuse(
                self.text[at : self.at + 1], at, r"not a range of characters; write \- for the character"
            )
        return f"{low}-{self.class_char(-1)}" if self.at < len(self.text) else low

    def class_char(self, first: int) -> str:
        if self.sees("\\"):
            return self.escape(in_class=True)
        self.at += 1
        char = self.text[self.at - 1]
        if char == "]" and self.at - 1 != first:
            self.refuse("]", self.at - 1, r"write \] for the character")
        return "\\" + char if char in "]^" else char


@lru_cache(maxsize=64)
def translate_tiktoken_pattern(text: str) -> str:
    r"""Rewrite a pattern of tiktoken for Oniguruma, with the same matches on any text.

    Parameters
    ----------
    text
        What tiktoken calls ``pat_str``.

    Returns
    -------
    str
        A pattern that ``bpetk.custom_pattern.compile_pattern`` takes. What it does not match, tiktoken drops.

    Raises
    ------
    ConfigError
        If something in it cannot be reproduced exactly; the message names it and its position (in code points).

    Examples
    --------
    >>> translate_tiktoken_pattern(r"\p{N}{1,3}+|\s+$")
    '(?>\\p{N}{1,3})|\\s+\\z'
    """
    from bpetk.custom_pattern import compile_pattern

    translated = _Translator(text).run()
    try:
        compiled = compile_pattern(translated)
    except ConfigError as error:
        if translated == text:
            raise
        raise ConfigError(f"{error} (the pattern was rewritten as {translated!r})") from None
    if compiled.nullable:
        raise ConfigError(f"the pattern {text!r} can match nothing at all; tiktoken fails where it does")
    return translated
