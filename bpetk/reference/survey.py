"""What tokens cost in documents and what they break, counted plainly: the twin of ``bpetk._text_survey``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_CLASSES = 12
_HAN, _LATIN, _DIGITS, _PUNCTUATION, _SYMBOLS, _SPACE, _INHERITED = 0, 1, 8, 9, 10, 11, 15
_LONGEST_NUMBER = 9
_ZH, _EN, _MIXED, _OTHER = range(4)

# Over a line in which a number's digits are "d", the signs of dates themselves, and everything else is "x".
_DATE = re.compile(
    r"(?<!d)(?:d{4}年d{1,2}月d{1,2}(?!d)[日号]?"
    r"|d{4}([-/.])d{1,2}\1d{1,2}(?!d)"
    r"|d{1,2}([-/.])d{1,2}\2d{4}(?!d))"
)
# Over a line of classes, as letters from "a" on, with "'" for an apostrophe.
_WORD = re.compile("b+(?:'b+)*")
_NUMBER = re.compile("i+")


def characters(text: bytes) -> list[tuple[str, int, int]]:
    r"""Give each character with its first byte and the byte behind it; a byte of none is U+FFFD.

    Examples
    --------
    >>> characters("é".encode() + b"\x80")
    [('é', 0, 2), ('�', 2, 3)]
    """
    found, at = [], 0
    while at < len(text):
        for size in (1, 2, 3, 4):
            try:
                found.append((text[at : at + size].decode(), at, at + size))
                at += size
                break
            except UnicodeDecodeError:
                continue
        else:
            found.append(("\ufffd", at, at + 1))
            at += 1
    return found


def kinds_of(chars: Sequence[str], classes: bytes) -> list[int]:
    """Give the class of each character; a combining mark has that of the character before it."""
    kinds: list[int] = []
    for char in chars:
        kind = classes[ord(char)]
        if kind == _INHERITED:
            kind = kinds[-1] if kinds else _SYMBOLS
        kinds.append(kind)
    return kinds


def language(kinds: Sequence[int], percent: Sequence[int]) -> int:
    """Tell the language from the classes of all characters: 0 zh, 1 en, 2 mixed, 3 other."""
    count = Counter(kinds)
    letters = sum(count[kind] for kind in range(_DIGITS))
    marks = count[_DIGITS] + count[_PUNCTUATION] + count[_SYMBOLS]
    if not letters:
        return _OTHER
    foreign = letters - count[_HAN] - count[_LATIN]
    if 100 * foreign > percent[0] * letters or 100 * marks > percent[1] * (letters + marks):
        return _OTHER
    if 100 * count[_HAN] >= percent[2] * letters:
        return _ZH
    if 100 * count[_HAN] > percent[3] * letters:
        return _MIXED
    return _OTHER if 100 * marks > percent[4] * (letters + marks) else _EN


def survey_document(
    document: bytes, tokens: Sequence[bytes], classes: bytes, percent: Sequence[int]
) -> tuple[int, Counter[str]]:
    """Count one document.

    Parameters
    ----------
    document
        UTF-8.
    tokens
        The bytes of its tokens, in order.
    classes
        The class of each code point.
    percent
        Of the rule for languages.

    Returns
    -------
    tuple[int, Counter[str]]
        Language, + 16 if the tokens spell something else, + 32 if they spell a blank and the document, + 64 if it
        begins with a blank itself; and the counters by name.
    """
    spelled = b"".join(tokens)
    shift = 1 if spelled != document and spelled == b" " + document else 0
    changed = spelled[shift:] != document
    text = spelled[shift:]
    borders, at = set(), -shift
    for token in tokens:
        if token and 0 < at < len(text):
            borders.add(at)
        at += len(token)
    count: Counter[str] = Counter()
    own = [char for char, _, _ in characters(document)]
    own_kinds = kinds_of(own, classes)
    for kind in own_kinds:
        count[f"class_characters_{kind}"] += 1
    count.update(documents=1, bytes=len(document), characters=len(own), tokens=len(tokens))
    count.update(empty_tokens=sum(not token for token in tokens), changed_documents=int(changed))
    _Spelled(text, borders, classes).add_to(count)
    spelled_han = count["han_alone"] + count["han_inside"] + count["han_broken"]
    count["han_lost"] = max(0, count[f"class_characters_{_HAN}"] - spelled_han)
    blank = document.startswith(b" ")
    return language(own_kinds, percent) + 16 * changed + 32 * shift + 64 * blank, count


class _Spelled:
    """The text that tokens spell, and where they begin."""

    def __init__(self, text: bytes, borders: set[int], classes: bytes) -> None:
        self.borders = borders
        found = characters(text)
        self.chars = [char for char, _, _ in found]
        self.starts = [start for _, start, _ in found]
        self.ends = [end for _, _, end in found]
        self.kinds = kinds_of(self.chars, classes)
        # Number of the token that each byte is in.
        self.token, number = [], 0
        for byte in range(len(text)):
            number += byte in borders
            self.token.append(number)
        self.size = len(text)

    def touched(self, first: int, last: int) -> int:
        """How many tokens hold bytes of the characters from first to last."""
        return self.token[self.ends[last] - 1] - self.token[self.starts[first]] + 1

    def border(self, byte: int) -> bool:
        """Whether a token begins or the text ends here."""
        return byte in self.borders or byte in (0, self.size)

    def add_to(self, count: Counter[str]) -> None:
        """Count everything."""
        count["spelled_characters"] += len(self.chars)
        for kind in range(_CLASSES):
            here = (k for k, other in enumerate(self.kinds) if other == kind)
            tokens = {self.token[byte] for k in here for byte in range(self.starts[k], self.ends[k])}
            count[f"class_tokens_{kind}"] += len(tokens)
        for k, kind in enumerate(self.kinds):
            inside = self.touched(k, k) - 1
            count["broken_characters"] += inside > 0
            count["borders_inside_characters"] += inside
            if kind == _HAN:
                alone = self.border(self.starts[k]) and self.border(self.ends[k])
                count["han_broken" if inside else "han_alone" if alone else "han_inside"] += 1
        self._words(count)
        self._numbers(count)
        self._switches(count)

    def _words(self, count: Counter[str]) -> None:
        line = "".join(
            "'" if char in "'\u2019" else chr(97 + kind)
            for char, kind in zip(self.chars, self.kinds, strict=True)
        )
        for word in _WORD.finditer(line):
            tokens = self.touched(word.start(), word.end() - 1)
            count.update(words=1, word_tokens=tokens, words_continued=int(tokens > 1))

    def _numbers(self, count: Counter[str]) -> None:
        line = "".join(chr(97 + kind) for kind in self.kinds)
        for number in _NUMBER.finditer(line):
            first, last = number.start(), number.end() - 1
            digits = last - first + 1
            name = min(digits, _LONGEST_NUMBER)
            count[f"numbers_{name}"] += 1
            count[f"number_tokens_{name}"] += self.touched(first, last)
            if digits >= 4 and "".join(self.chars[first : last + 1]).isascii():
                end = self.ends[last]
                cuts = [byte for byte in self.borders if self.starts[first] < byte < end]
                count.update(
                    long_numbers=1, long_numbers_aligned=int(all((end - byte) % 3 == 0 for byte in cuts))
                )
        signs = "".join(
            "d" if kind == _DIGITS else char if char in "-/.年月日号" else "x"
            for char, kind in zip(self.chars, self.kinds, strict=True)
        )
        for date in _DATE.finditer(signs):
            tokens = self.touched(date.start(), date.end() - 1)
            count.update(dates=1, date_tokens=tokens, date_characters=date.end() - date.start())

    def _switches(self, count: Counter[str]) -> None:
        for k in range(1, len(self.kinds)):
            pair = {self.kinds[k - 1], self.kinds[k]}
            if pair == {_HAN, _LATIN}:
                count.update(switches=1, switches_joined=int(self.starts[k] not in self.borders))
            around = {self.kinds[k - 2], self.kinds[k]} if k >= 2 else set()
            if around == {_HAN, _LATIN} and self.kinds[k - 1] == _SPACE and self.chars[k - 1] == " ":
                alone = self.starts[k - 1] in self.borders and self.starts[k] in self.borders
                count.update(spaced_switches=1, spaced_switches_blank_alone=int(alone))
