"""The ``Precompiled`` normalizer of Hugging Face: a compiled map of SentencePiece, read in a way of its own.

SentencePiece replaces, at each place, the longest string that has a rule. Hugging Face goes by graphemes: one of fewer
than six bytes is looked up as a whole, all others character by character; and a look-up takes the *shortest* beginning
that has a rule and drops the rest. So a rule for a letter swallows an accent behind it. Offsets follow from how many
characters there were and are.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from functools import cache, cached_property

from bpetk.aligned import AlignedText
from bpetk.grapheme_tables import APART, EXTENDING, PICTURES, PREPENDED
from bpetk.normalization_tables import Ranges, unpack

_LEADING, _VOWEL, _TRAILING = (
    "\u1100-\u115f\ua960-\ua97c",
    "\u1160-\u11a7\ud7b0-\ud7c6",
    "\u11a8-\u11ff\ud7cb-\ud7fb",
)
_OPEN = "".join(map(chr, range(0xAC00, 0xD7A4, 28)))  # Hangul syllables that end with a vowel
_HANGUL = (
    f"(?:[{_LEADING}]*(?:[{_OPEN}][{_VOWEL}]*|[{_VOWEL}]+|(?![{_OPEN}])[\uac00-\ud7a3])[{_TRAILING}]*"
    f"|[{_LEADING}]+|[{_TRAILING}]+)"
)
_WHOLE = 6  # bytes from which a grapheme is not looked up as a whole


class CompiledMap:
    """The rules of a compiled map, looked up as the reference does.

    Parameters
    ----------
    blob
        The map, known to be well-formed.

    Examples
    --------
    >>> CompiledMap(b"").transform("a") is None
    True
    """

    def __init__(self, blob: bytes) -> None:
        size = int.from_bytes(blob[:4], "little") if blob else 0
        self._units = array("I", blob[4 : 4 + size])
        self._targets = blob[4 + size :]
        self._found: dict[str, str | None] = {}

    def transform(self, text: str) -> str | None:
        """Return what the shortest beginning that has a rule becomes; None if none has one."""
        if text not in self._found:
            if len(self._found) > 1 << 16:
                self._found.clear()
            self._found[text] = self._look_up(text.encode())
        return self._found[text]

    def _look_up(self, data: bytes) -> str | None:
        units = self._units
        if not units:
            return None
        at = _offset(units[0])
        for byte in data:
            at ^= byte
            if byte == 0 or at >= len(units) or units[at] & 0x800000FF != byte:
                return None
            unit = units[at]
            at ^= _offset(unit)
            if unit >> 8 & 1:
                start = units[at] & 0x7FFFFFFF
                return self._targets[start : self._targets.index(b"\0", start)].decode()
        return None


def _offset(unit: int) -> int:
    return (unit >> 10) << ((unit & 1 << 9) >> 6)


@cache
def _clusters() -> re.Pattern[str]:
    """Give a pattern of graphemes of two characters and more."""
    extending, prepended, pictures = (
        _char_class(unpack(table)) for table in (EXTENDING, PREPENDED, PICTURES)
    )
    apart = _char_class(unpack(APART))
    picture = f"[{pictures}](?:[{extending}]*\u200d[{pictures}])*"
    core = f"(?:{_HANGUL}|[\U0001f1e6-\U0001f1ff]{{2}}|{picture}|[^\0{apart}])"
    return re.compile(f"\r\n|[{prepended}]*{core}[{extending}]*|.", re.DOTALL)


@cache
def _joining() -> re.Pattern[str]:
    """Give a pattern of what makes a grapheme of several characters that can be looked up as a whole."""
    return re.compile(f"\r\n|[{_char_class(unpack(EXTENDING))}{_char_class(unpack(PREPENDED))}]")


def _char_class(ranges: Ranges) -> str:
    return "".join(
        f"{re.escape(chr(start))}-{re.escape(chr(end))}" if start < end else re.escape(chr(start))
        for start, end in ranges
    )


class MappedText:
    """Normalizes texts by a `CompiledMap`."""

    def __init__(self, blob: bytes) -> None:
        self._map = CompiledMap(blob)

    @cached_property
    def _table(self) -> dict[int, str | None]:
        return {}

    def normalize(self, text: str) -> str:
        """Normalize a text."""
        if _joining().search(text):
            return "".join(new for _, new, _ in self._parts(text))
        # Every grapheme that is looked up is one character.
        table = self._table
        for char in set(text):
            if ord(char) not in table and (found := self._map.transform(char)) is not None:
                table[ord(char)] = found
        return text.translate(table)

    def changes(self, text: str) -> bool:
        """Whether normalizing does anything to a text, if only to where it is from."""
        if _joining().search(text):
            return any(mapped for _, _, mapped in self._parts(text))
        return any(self._map.transform(char) is not None for char in set(text))

    def align(self, text: AlignedText) -> AlignedText:
        """Normalize a text that remembers where it is from."""
        if not self.changes(text.text):
            return text
        changes: list[tuple[str, int]] = []
        for old, new, _ in self._parts(text.text):
            changes += [(char, 0) for char in new]
            more = len(new) - old
            if more > 0:
                changes[-more:] = [(char, 1) for char in new[-more:]]
            elif more < 0 and changes:
                char, change = changes[-1]
                changes[-1] = char, change + more
        return text.transform(changes)

    def _parts(self, text: str) -> Iterator[tuple[int, str, bool]]:
        """Yield, in order, how many characters are replaced, by what, and whether by a rule."""
        transform = self._map.transform
        for match in _clusters().finditer(text):
            cluster = match.group()
            if (
                len(cluster) > 1
                and len(cluster.encode()) < _WHOLE
                and (new := transform(cluster)) is not None
            ):
                yield len(cluster), new, True
                continue
            for char in cluster:
                found = transform(char)
                yield 1, char if found is None else found, found is not None
