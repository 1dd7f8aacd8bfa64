"""The rules of a compiled normalization map as texts to compare tokenizers on."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator
from contextlib import suppress

_RULE_ENDS, _FAR, _LEAF = 1 << 8, 1 << 9, 1 << 31
_MOST_RULES = 400_000
_LONGEST = 64  # bytes


def rules(blob: bytes) -> Iterator[str]:
    """Give the strings that have a rule.

    The layout is that of the field ``precompiled_charsmap``: the size of a double array in bytes, the array, the
    targets. A unit of the array holds in bits 0-7 the byte that leads to it, in bit 8 whether a rule ends here, in bits
    10-30 the distance to the next units, in multiples of 256 if bit 9 is set.

    Parameters
    ----------
    blob
        A map that the normalizer takes. One that goes round in circles has only its beginning given.

    Yields
    ------
    str
        Those that are UTF-8.
    """
    size = int.from_bytes(blob[:4], "little")
    units = array("I", blob[4 : 4 + size])
    if sys.byteorder == "big":
        units.byteswap()
    nodes = [(_offset(units[0]), b"")]
    found = 0
    while nodes and found < _MOST_RULES:
        node, key = nodes.pop()
        for byte in range(255, 0, -1):
            unit = units[node ^ byte]
            if unit & (_LEAF | 0xFF) != byte:
                continue
            longer = key + bytes([byte])
            if unit & _RULE_ENDS:
                found += 1
                with suppress(UnicodeDecodeError):
                    yield longer.decode()
            if len(longer) < _LONGEST:
                nodes.append((node ^ byte ^ _offset(unit), longer))


def _offset(unit: int) -> int:
    return (unit >> 10) << (8 if unit & _FAR else 0)


def rule_texts(blob: bytes, count: int) -> Iterator[list[str]]:
    """Give texts that show whether the rules of a map are applied alike, so many at a time.

    Each string with a rule stands alone, in a word, and with a mark behind it that readers see as part of it.
    """
    batch: list[str] = []
    for rule in rules(blob):
        batch += rule, f"a{rule}b {rule} ", f"{rule}\u0301"
        if len(batch) >= count:
            yield batch
            batch = []
    if batch:
        yield batch
