"""NFC, NFD, NFKC and NFKD as the reference has them: with the data of Unicode 9.0, whatever this Python knows.

How it works: what a character does in normalization never changes once it is assigned. ``unicodedata`` of any supported
Python is therefore right about all characters that the reference knows too, and a later character is one that the
reference leaves alone: text is cut at these, and only the stretches between them are normalized.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from itertools import accumulate, chain
from typing import Literal
from unicodedata import combining, is_normalized
from unicodedata import normalize as normalize_now

from bpetk import unicode_tables
from bpetk._normalizer import first_change
from bpetk.aligned import AlignedText
from bpetk.normalization_tables import LATER, Ranges, unpack

Form = Literal["NFC", "NFD", "NFKC", "NFKD"]

# Left alone in every form, and never joined with what stands before: ASCII and the Han characters of the BMP.
_PLAIN = r"\0-\x7f\u4e00-\u9fff"
_PLAIN_BYTE = re.compile(rb"[\0-\x7f\xe5-\xe8]")  # ASCII, or the first byte of U+5000..8FFF

_LONG = 4096  # characters from which a text is searched for changes first
_WINDOW = 64  # bytes that are normalized around a change; more where changes are close together


def char_class(ranges: Ranges) -> str:
    """Write a set of code points for the inside of brackets in a pattern of ``re``."""
    return "".join(f"\\U{start:08x}-\\U{end:08x}" for start, end in ranges)


@cache
def _barriers() -> str:
    # What Unicode 16.0 has not assigned may combine in a later version, and so in a later Python.
    return char_class(unpack(LATER)) + char_class(unicode_tables.ranges("Cn"))


@cache
def _barrier_runs() -> re.Pattern[str]:
    return re.compile(f"([{_barriers()}]+)")


@cache
def _long_runs() -> re.Pattern[str]:
    return re.compile(f"[{char_class(unicode_tables.ranges('M'))}]{{256,}}")


@cache
def _stretches() -> re.Pattern[str]:
    # What may change, with the one plain character that a mark behind it joins.
    return re.compile(f"[{_PLAIN}]?[^{_PLAIN}{_barriers()}]+")


def normalize(text: str, form: Form) -> str:
    r"""Normalize a text.

    Examples
    --------
    >>> normalize("e\u0301", "NFC")
    'é'
    >>> normalize("\u32ff", "NFKC") == "\u32ff"  # assigned in Unicode 12.1
    True
    """
    if text.isascii():
        return text
    return _normalize_whole(text, form) if len(text) < _LONG else _normalize_windows(text, form)


def _normalize_windows(text: str, form: Form) -> str:
    """Normalize only what stands around changes, which are found natively: long texts mostly have few of them."""
    try:
        data = text.encode()
    except UnicodeEncodeError:  # lone surrogates
        return _normalize_whole(text, form)
    parts: list[bytes] = []
    at, size = 0, _WINDOW
    while (change := at + first_change(memoryview(data)[at:], form)) < len(data):
        # A window begins and ends before characters that are never joined with what stands before.
        size = min(2 * size, _LONG) if parts and change - at < size else _WINDOW
        start = change
        while start > at:
            start -= 1
            if data[start] < 0x80 or 0xE5 <= data[start] <= 0xE8:
                break
        behind = _PLAIN_BYTE.search(data, min(change + size, len(data)))
        end = behind.start() if behind else len(data)
        parts += (data[at:start], _normalize_whole(data[start:end].decode(), form).encode())
        at = end
    return b"".join([*parts, data[at:]]).decode()


def _normalize_whole(text: str, form: Form) -> str:
    # A normalized text stays as it is if some of its characters are taken for inert ones.
    if is_normalized(form, text):
        return text
    parts = _barrier_runs().split(text)
    parts[::2] = (normalize_now(form, _long_runs().sub(_ordered, part)) for part in parts[::2])
    return "".join(parts)


def _ordered(marks: re.Match[str]) -> str:
    """Bring marks into canonical order, which changes no normal form; ``unicodedata`` takes quadratic time to do it."""
    starters = accumulate(combining(char) == 0 for char in marks.group())
    keys = [(run, combining(char)) for run, char in zip(starters, marks.group(), strict=True)]
    return "".join(marks.group()[i] for i in sorted(range(len(keys)), key=keys.__getitem__))


def unchanged(data: bytes, form: Form) -> bool:
    """Return whether UTF-8 text is sure to be normalized; a false answer says nothing."""
    return first_change(data, form) == len(data)


def align(text: AlignedText, form: Form) -> AlignedText:
    r"""Normalize a text that remembers where it is from.

    What is composed stands for what its first part stood for, and all parts of what is decomposed for the whole.

    Examples
    --------
    >>> align(AlignedText("ae\u0301i"), "NFC")
    AlignedText('aéi', 0, [(0, 1), (1, 2), (3, 4)])
    """
    whole = text.text
    if whole.isascii() or is_normalized(form, whole):
        return text
    spans = text.all_spans()
    parts: list[str] = []
    out: list[tuple[int, int]] = []
    last = 0
    for match in _stretches().finditer(whole):
        if is_normalized(form, match.group()):
            continue
        i, j = match.span()
        after = AlignedText(match.group(), text.start, spans[i:j]).transform(_changes(match.group(), form))
        parts += (whole[last:i], after.text)
        out += chain(spans[last:i], after.all_spans())
        last = j
    if not last:
        return text
    return AlignedText("".join([*parts, whole[last:]]), text.start, out + spans[last:])


def _changes(text: str, form: Form) -> list[tuple[str, int]]:
    """Give the normalized characters of a text without barriers, with changes for `AlignedText.transform`."""
    decomposed: Form = "NFKD" if "K" in form else "NFD"
    parts = [
        (part, int(k > 0), combining(part))
        for char in text
        for k, part in enumerate(normalize_now(decomposed, char))
    ]
    # Canonical order: between two characters of class 0, by class.
    runs = accumulate(cls == 0 for _, _, cls in parts)
    parts = [
        part for _, part in sorted(zip(runs, parts, strict=True), key=lambda item: (item[0], item[1][2]))
    ]
    return [(char, change) for char, change, _ in parts] if form == decomposed else _compose(parts)


def _compose(parts: list[tuple[str, int, int]]) -> list[tuple[str, int]]:
    out: list[tuple[str, int]] = []
    starter = (
        last
    ) = -1  # index of the last character of class 0; class of the last one behind it, 0 if there is none
    for char, change, cls in parts:
        if starter >= 0 and (last == 0 or last < cls):
            first, first_change = out[starter]
            if composite := _composite(first, char):
                # One new character less than old ones, or one fewer inserted.
                out[starter] = composite, first_change + change - 1
                continue
        if cls == 0:
            starter = len(out)
        last = cls
        out.append((char, change))
    return out


@lru_cache(maxsize=4096)
def _composite(first: str, second: str) -> str:
    """Return what two characters compose to, or nothing."""
    found = normalize_now("NFC", first + second)
    return found if len(found) == 1 else ""
