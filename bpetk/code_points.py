"""Sets of code points: their algebra, the named sets of Oniguruma, and the classes that a family of sets makes.

A set is a tuple of inclusive ranges, ascending and not touching. The named sets were compared with the Oniguruma inside
`tokenizers` 0.23 for every code point.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from bpetk import unicode_tables
from bpetk.unicode_tables import Ranges

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_LIMIT = 0x110000


def union(*sets: Iterable[tuple[int, int]]) -> Ranges:
    """Return the code points that are in any of the sets; the ranges may come in any order."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(itertools.chain(*sets)):
        if joined and start <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)


def complement(ranges: Ranges) -> Ranges:
    """Return the code points that are not in the set."""
    edges = [0, *(edge for start, end in ranges for edge in (start, end + 1)), _LIMIT]
    return tuple((start, end - 1) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end)


def intersection(sets: Sequence[Ranges]) -> Ranges:
    """Return the code points that are in all of the sets."""
    return sets[0] if len(sets) == 1 else complement(union(*map(complement, sets)))


def points(text: str) -> Ranges:
    """Return the characters of a text as a set."""
    return union((ord(char), ord(char)) for char in text)


NEWLINE = points("\n")
_HEX_DIGITS = points("0123456789abcdefABCDEF")
_LATIN_NUMBERS = points("\u00b2\u00b3\u00b9\u00bc\u00bd\u00be")


@cache
def named_sets() -> dict[str, Ranges]:
    r"""Return the POSIX names that mean the same in ``[[:name:]]`` and ``\p{name}``, and three more properties."""
    get = unicode_tables.ranges
    graph = complement(union(get("White_Space"), get("Cc"), get("Cn"), get("Cs")))
    return {
        "alnum": union(get("Alphabetic"), get("Nd")),
        "alpha": get("Alphabetic"),
        "ascii": ((0, 127),),
        "blank": union(get("Zs"), points("\t")),
        "cntrl": get("Cc"),
        "digit": get("Nd"),
        "graph": graph,
        "lower": get("Lowercase"),
        "print": union(graph, get("Zs")),
        "space": get("White_Space"),
        "upper": get("Uppercase"),
        "xdigit": _HEX_DIGITS,
        "any": ((0, _LIMIT - 1),),
        "assigned": complement(get("Cn")),
        "lc": union(get("Lu"), get("Ll"), get("Lt")),
    }


@cache
def shorthand(letter: str, in_class: bool) -> Ranges:
    r"""Return the set of ``\d``, ``\s``, ``\w``, ``\h`` or their capitals.

    Outside brackets Oniguruma's ``\w`` holds six Latin-1 superscripts and fractions that ``[\w]`` does not hold.
    """
    get = unicode_tables.ranges
    word = union(*map(get, ("Alphabetic", "M", "Nd", "Pc")), () if in_class else _LATIN_NUMBERS)
    found = {"d": get("Nd"), "s": get("White_Space"), "h": _HEX_DIGITS, "w": word}[letter.lower()]
    return found if letter.islower() else complement(found)


def classify(sets: Sequence[Ranges]) -> tuple[npt.NDArray[np.uint32], list[list[int]]]:
    """Return the class of every code point, and for every set the classes it is made of."""
    import numpy as np  # here: most users of sets need no tables

    edges = sorted(
        {0, *(edge for found in sets for start, end in found for edge in (start, end + 1))} - {_LIMIT}
    )
    index = {edge: i for i, edge in enumerate(edges)} | {_LIMIT: len(edges)}
    signatures = [0] * len(edges)
    for bit, found in enumerate(sets):
        for start, end in found:
            for i in range(index[start], index[end + 1]):
                signatures[i] |= 1 << bit
    classes = {signature: i for i, signature in enumerate(dict.fromkeys(signatures))}
    numbers = np.array([classes[signature] for signature in signatures], dtype=np.uint32)
    table = np.repeat(numbers, np.diff([*edges, _LIMIT]))
    return table, [
        [i for signature, i in classes.items() if signature >> bit & 1] for bit in range(len(sets))
    ]
