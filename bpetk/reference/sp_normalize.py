r"""How SentencePiece normalizes text, in the plainest form: the specification of the fast normalizer.

At each place of the text one step is taken, left to right:

1. the longest user-defined symbol that starts there is kept as it is;
2. else the longest rule of the compiled map that starts there is applied;
3. else one character is kept. A byte that begins none becomes U+FFFD, alone.

What the steps give is then cleaned of superfluous blanks, a blank is put in front of it, and blanks become U+2581, as
far as the flags of the model ask for that. This is no Unicode normalization form: what no rule names is not reordered
and not composed.

Cost: time linear in the text, times the length of the longest rule.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable
from itertools import islice

BLANK = b"\xe2\x96\x81"
"""UTF-8 of U+2581, which stands for a blank in pieces."""
REPLACEMENT = b"\xef\xbf\xbd"
"""UTF-8 of U+FFFD, which stands for a byte that is not part of a character."""

_MAX_RULES = 32  # of the rules that are beginnings of each other, the library looks at the shortest ones
_MAX_SYMBOLS = 64  # and of the user-defined symbols
_RULE_ENDS, _FAR, _LEAF = 1 << 8, 1 << 9, 1 << 31


class CompiledMap:
    """The rules of a normalizer: strings of bytes and what each becomes.

    The layout is that of the field ``precompiled_charsmap``: the size of a double array in bytes (uint32, little
    endian), the array (uint32 each), and the targets, each ended by a NUL.

    A unit of the array holds in bit 31 whether it is a leaf, with the position of a target in the other bits; else in
    bits 0-7 the byte that leads to it, in bit 8 whether a rule ends here, in bits 10-30 the distance (exclusive or) to
    the next units, in multiples of 256 if bit 9 is set.

    Parameters
    ----------
    blob
        The bytes of the field; not empty.

    Raises
    ------
    ValueError
        If they are no such map, or if a walk could leave the array; the message says what and where.
    """

    def __init__(self, blob: bytes) -> None:
        if len(blob) <= 4:
            raise ValueError(
                f"the map has {len(blob)} bytes: expected a size (4 bytes), an array and targets"
            )
        size = int.from_bytes(blob[:4], "little")
        if size >= len(blob) - 4:
            raise ValueError(
                f"the map says that its array has {size} bytes, but only {len(blob) - 4} follow, targets included"
            )
        if size < 1024 or size % 1024:
            raise ValueError(f"the map's array has {size} bytes: expected a multiple of 1024, at least 1024")
        self.targets = blob[4 + size :]
        if self.targets[-1]:
            raise ValueError("the map's targets do not end in a NUL")
        self.units = _units(blob[4 : 4 + size])
        self._check()

    def _check(self) -> None:
        """Refuse an array that a walk could leave, or that leads to what is no target."""
        units = self.units
        if units[0] & (_LEAF | _RULE_ENDS | 0xFF) or not _offset(units[0]):
            raise ValueError(
                f"unit 0 of the map is {units[0]:#x}: expected a distance, no byte and no end of a rule"
            )
        for at, unit in enumerate(units):
            if unit & _LEAF:
                if unit ^ _LEAF >= len(self.targets):
                    raise ValueError(
                        f"unit {at} of the map points to byte {unit ^ _LEAF} of the targets, which have "
                        f"{len(self.targets)} bytes"
                    )
                continue
            next = at ^ _offset(unit)
            if next | 0xFF >= len(units):
                raise ValueError(f"unit {at} of the map points out of the array of {len(units)} units")
            if unit & _RULE_ENDS and not units[next] & _LEAF:
                raise ValueError(f"a rule ends at unit {at} of the map, but unit {next} holds no target")

    def longest(self, data: bytes, at: int) -> tuple[int, bytes] | None:
        """Find the longest rule whose string starts somewhere.

        Parameters
        ----------
        data
            A text in UTF-8; it need not be well-formed.
        at
            A position in it, in bytes.

        Returns
        -------
        tuple[int, bytes] | None
            Length of the string in bytes, and what it becomes; None if no rule starts here.
        """
        units, found, count = self.units, None, 0
        node = _offset(units[0])
        for end in range(at, len(data)):
            node ^= data[end]
            unit = units[node]
            if unit & (_LEAF | 0xFF) != data[end]:
                break
            node ^= _offset(unit)
            if unit & _RULE_ENDS and count < _MAX_RULES:
                count += 1
                found = (end + 1 - at, units[node] & ~_LEAF)
        if found is None:
            return None
        length, start = found
        return length, self.targets[start : self.targets.index(0, start)]


def _units(data: bytes) -> array[int]:
    units = array("I", data)
    if sys.byteorder == "big":
        units.byteswap()
    return units


def _offset(unit: int) -> int:
    return (unit >> 10) << (8 if unit & _FAR else 0)


def character_length(data: bytes, at: int) -> int:
    r"""Return how many bytes the well-formed character at a position has; 0 if there is none.

    Examples
    --------
    >>> [character_length(b"a\xe4\xb8\x80\xe4\xb8", at) for at in range(5)]
    [1, 3, 0, 0, 0]
    """
    lead = data[at]
    length = 1 if lead < 0x80 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
    try:
        data[at : at + length].decode()
    except UnicodeDecodeError:
        return 0
    return length


class SymbolSet:
    """Strings of bytes that are looked for as a whole, the longest first.

    Parameters
    ----------
    symbols
        The strings; none is empty.

    Examples
    --------
    >>> SymbolSet([b"a", b"ab", b"b"]).longest(b"xab", 1)
    2
    """

    def __init__(self, symbols: Iterable[bytes] = ()) -> None:
        self.symbols = frozenset(symbols)
        self.lengths = sorted({len(symbol) for symbol in self.symbols})
        self.first = frozenset(symbol[0] for symbol in self.symbols)

    def longest(self, data: bytes, at: int) -> int:
        """Return the length in bytes of the longest one that starts at a position; 0 if none does.

        Of those that do, only the shortest 64 count, as in the library.
        """
        if data[at] not in self.first:
            return 0
        lengths = (n for n in self.lengths if at + n <= len(data) and data[at : at + n] in self.symbols)
        return max(islice(lengths, _MAX_SYMBOLS), default=0)


def _step(data: bytes, at: int, rules: CompiledMap | None, symbols: SymbolSet) -> tuple[int, bytes]:
    """Give how many bytes the step at a position takes, and what they become."""
    if length := symbols.longest(data, at):
        return length, data[at : at + length]
    if rules is not None and (found := rules.longest(data, at)):
        return found
    length = character_length(data, at)
    return (length, data[at : at + length]) if length else (1, REPLACEMENT)


def normalize(
    data: bytes,
    *,
    map: CompiledMap | None = None,
    add_dummy_prefix: bool = True,
    remove_extra_whitespaces: bool = True,
    escape_whitespaces: bool = True,
    suffix: bool = False,
    user_defined: Iterable[bytes] | SymbolSet = (),
) -> tuple[bytes, list[int]]:
    r"""Normalize a text, and say where each byte of the result comes from.

    Parameters
    ----------
    data
        A text in UTF-8; it need not be well-formed.
    map
        The rules; None: there are none.
    add_dummy_prefix, remove_extra_whitespaces, escape_whitespaces
        The flags of the model.
    suffix
        Whether the blank that is added stands at the end, ``treat_whitespace_as_suffix``.
    user_defined
        The symbols that are kept as they are.

    Returns
    -------
    tuple[bytes, list[int]]
        The result; and for each of its bytes, and for its end, the byte of ``data`` that it comes from. A byte comes
        from where its step begins; what is added comes from where the text goes on. An empty result has one entry, 0,
        if there was nothing but blanks.

    Examples
    --------
    >>> normalize(b" a  b ")
    (b'\xe2\x96\x81a\xe2\x96\x81b', [1, 1, 1, 1, 2, 2, 2, 4, 5])
    >>> normalize(b" \xff", escape_whitespaces=False)
    (b' \xef\xbf\xbd', [1, 1, 1, 1, 2])
    """
    symbols = user_defined if isinstance(user_defined, SymbolSet) else SymbolSet(user_defined)
    blank = BLANK if escape_whitespaces else b" "
    result, sources = bytearray(), array("Q")

    def add(part: bytes) -> None:
        result.extend(part)
        sources.extend([at] * len(part))

    at = 0
    while remove_extra_whitespaces and at < len(data):
        length, target = _step(data, at, map, symbols)
        if target != b" ":
            break
        at += length
    if at == len(data):
        return b"", [0]
    if add_dummy_prefix and not suffix:
        add(blank)
    after_blank = remove_extra_whitespaces
    while at < len(data):
        length, target = _step(data, at, map, symbols)
        if after_blank:
            target = target.lstrip(b" ")
        if target:
            add(target.replace(b" ", blank))
            after_blank = remove_extra_whitespaces and target.endswith(b" ")
        at += length
    while remove_extra_whitespaces and result.endswith(blank):
        del result[-len(blank) :]
        at = sources[len(result)]
        del sources[len(result) :]
    if add_dummy_prefix and suffix:
        add(blank)
    return bytes(result), [*sources, at]
