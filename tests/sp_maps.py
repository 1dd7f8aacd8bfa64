"""Compiled maps of SentencePiece's normalizer, made from rules without the library."""

from __future__ import annotations

import random
import struct
from array import array
from collections.abc import Mapping
from itertools import count

_LEAF, _RULE_ENDS, _FAR = 1 << 31, 1 << 8, 1 << 9


class _Node:
    """A beginning of a rule: what may follow, and where the target is if a rule ends here."""

    def __init__(self) -> None:
        self.next: dict[int, _Node] = {}
        self.target: int | None = None


def compile_map(rules: Mapping[bytes, bytes]) -> bytes:
    """Make a map; see `bpetk.reference.sp_normalize.CompiledMap` for its layout.

    Parameters
    ----------
    rules
        What each string becomes. No string is empty, and no string and no target has a NUL.
    """
    targets = bytearray()
    root = _Node()
    for string in sorted(rules):
        node = root
        for byte in string:
            node = node.next.setdefault(byte, _Node())
        node.target = len(targets)
        targets += rules[string] + b"\0"
    units: dict[int, int] = {0: 0}
    starts: set[int] = set()  # of the children of one string each, or a walk could go round
    waiting = [(0, root)]
    while waiting:
        at, node = waiting.pop()
        labels = [*([0] if node.target is not None else []), *node.next]
        # A distance of more than 21 bits must be a multiple of 256; so small maps never have one.
        start = next(
            start
            for start in count(1)
            if start not in starts and not any(start ^ label in units for label in labels)
        )
        starts.add(start)
        distance = at ^ start
        assert distance < 1 << 21
        units[at] |= distance << 10
        if node.target is not None:
            units[at] |= _RULE_ENDS
            units[start] = _LEAF | node.target
        for label, child in node.next.items():
            units[start ^ label] = label
            waiting.append((start ^ label, child))
    size = (max(units) // 256 + 1) * 256
    # What is free is a leaf: no walk takes it for a byte.
    data = struct.pack(f"<{size}I", *(units.get(at, _LEAF) for at in range(size)))
    return len(data).to_bytes(4, "little") + data + bytes(targets or b"\0")


def units_of(blob: bytes) -> array[int]:
    """Give the array of a map."""
    size = int.from_bytes(blob[:4], "little")
    return array("I", struct.unpack(f"<{size // 4}I", blob[4 : 4 + size]))


def with_units(blob: bytes, units: array[int]) -> bytes:
    """Give a map with another array of the same size."""
    return blob[:4] + struct.pack(f"<{len(units)}I", *units) + blob[4 + 4 * len(units) :]


def random_rules(rng: random.Random) -> dict[bytes, bytes]:
    """Give rules for a few characters: to others, to blanks, to nothing, beginnings of each other."""
    letters = "ab cé中国Ａ\u2581\u3000\ufffd😀"
    return {
        "".join(rng.choices(letters, k=rng.choice((1, 1, 1, 2, 2, 3)))).encode(): "".join(
            rng.choices(letters + "   ", k=rng.choice((0, 1, 1, 1, 2, 3)))
        ).encode()
        for _ in range(rng.randint(1, 12))
    }
