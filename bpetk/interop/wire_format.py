"""The wire format of Protocol Buffers: fields of a message, one after the other.

A field is a tag (its number and how its value is laid out, as a varint) and a value. What is refused here is what the
reference parser refuses, and no more: a field whose layout is not the expected one counts as unknown, and is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, NoReturn

from bpetk.errors import ModelFileError

VARINT, FIXED64, BYTES, GROUP, END_GROUP, FIXED32 = range(6)
"""Layouts of values."""

MAX_DEPTH = 100
"""How deep messages and groups may stand in each other."""
_MAX_TAG = 5  # bytes; also of a length
_MAX_VARINT = 10


class Field(NamedTuple):
    """A field of a message.

    Attributes
    ----------
    number, layout
        Which field it is, and how its value is laid out.
    at, start
        Where it begins, and where its value begins, in bytes of the file.
    value
        Of a varint its value, 0 to 2**64 - 1; of a group, the group with its end written anew; else the bytes.
    """

    number: int
    layout: int
    at: int
    start: int
    value: int | bytes

    @property
    def end(self) -> int:
        """Where the value ends, if it is bytes."""
        return self.start + (0 if isinstance(self.value, int) else len(self.value))


def _refuse(at: int, reason: str) -> NoReturn:
    raise ModelFileError(f"byte {at}: {reason}")


def read_varint(data: bytes, at: int, end: int, size: int = _MAX_VARINT) -> tuple[int, int]:
    r"""Read a number of seven bits a byte, low ones first.

    Parameters
    ----------
    data
        All of the file.
    at
        Where the number begins.
    end
        Where the message ends.
    size
        How many bytes it may have.

    Returns
    -------
    tuple[int, int]
        The number, and where it ends.

    Raises
    ------
    ModelFileError
        If it does not end in time.

    Examples
    --------
    >>> read_varint(b"\x96\x01", 0, 2)
    (150, 2)
    """
    value = shift = 0
    for i in range(at, min(end, at + size)):
        value |= (data[i] & 0x7F) << shift
        shift += 7
        if data[i] < 0x80:
            return value, i + 1
    if end < at + size:
        _refuse(
            at, "the file ends inside a number" if end == len(data) else "a number goes beyond its message"
        )
    _refuse(at, f"a number has more than {size} bytes")


def read_length(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Read the length of a value and give its span; raise ModelFileError if it goes beyond the message."""
    length, start = read_varint(data, at, end, _MAX_TAG)
    if length > end - start:
        what = "the file" if end == len(data) else "the message around it"
        _refuse(at, f"a value of {length} bytes, where {what} has only {end - start} more")
    return start, start + length


def fields(data: bytes, at: int, end: int, depth: int = MAX_DEPTH) -> Iterator[Field]:
    r"""Give the fields of a message.

    Parameters
    ----------
    data
        All of the file.
    at, end
        Where the message begins and ends.
    depth
        How deep groups may stand in it.

    Raises
    ------
    ModelFileError
        At the first field that is malformed; the message begins with the byte.

    Examples
    --------
    >>> list(fields(b"\x08\x96\x01\x12\x02ab", 0, 7))
    [Field(number=1, layout=0, at=0, start=1, value=150), Field(number=2, layout=2, at=3, start=5, value=b'ab')]
    """
    while at < end:
        field, at = read_field(data, at, end, depth)
        yield field


def read_field(data: bytes, at: int, end: int, depth: int = MAX_DEPTH, group: int = 0) -> tuple[Field, int]:
    """Read one field, and say where the next one begins; errors as in `fields`. In a group its end is a field too."""
    tag, start = read_varint(data, at, end, _MAX_TAG)
    number, layout = (tag & 0xFFFFFFFF) >> 3, tag & 7
    if number == 0:
        _refuse(at, "a field with the number 0, which no field has")
    value: int | bytes = b""
    if layout == VARINT:
        value, stop = read_varint(data, start, end)
        value &= (1 << 64) - 1
    elif layout == BYTES:
        start, stop = read_length(data, start, end)
        value = data[start:stop]
    elif layout == GROUP:
        value, stop = _read_group(data, start, end, number, depth)
    elif layout == END_GROUP and number == group:
        stop = start
    elif layout == END_GROUP:
        _refuse(at, f"the end of group {number}, which did not begin")
    elif layout in (FIXED32, FIXED64):
        stop = start + (4 if layout == FIXED32 else 8)
        if stop > end:
            _refuse(at, f"a value of {stop - start} bytes, of which only {end - start} are there")
        value = data[start:stop]
    else:
        _refuse(at, f"a value of layout {layout}, which there is not")
    return Field(number, layout, at, start, value), stop


def _read_group(data: bytes, at: int, end: int, number: int, depth: int) -> tuple[bytes, int]:
    if depth <= 0:
        _refuse(at, f"groups stand in each other more than {MAX_DEPTH} deep")
    parts = []
    while at < end:
        field, at = read_field(data, at, end, depth - 1, number)
        parts.append(write_field(field))
        if field.layout == END_GROUP:
            return b"".join(parts), at
    _refuse(end, f"group {number} does not end")


def varint(value: int) -> bytes:
    r"""Write a number of seven bits a byte; negative ones have 64 bits.

    Examples
    --------
    >>> varint(150)
    b'\x96\x01'
    """
    value &= (1 << 64) - 1
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def tagged(number: int, value: bytes) -> bytes:
    r"""Write a field that is a length and bytes.

    Examples
    --------
    >>> tagged(2, b"ab")
    b'\x12\x02ab'
    """
    return varint(number << 3 | BYTES) + varint(len(value)) + value


def write_field(field: Field) -> bytes:
    """Write a field in the shortest way, whatever way it was read in."""
    tag = varint(field.number << 3 | field.layout)
    if isinstance(field.value, int):
        return tag + varint(field.value)
    if field.layout == BYTES:
        return tag + varint(len(field.value)) + field.value
    return tag + field.value
