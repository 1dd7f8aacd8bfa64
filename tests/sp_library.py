"""What the sentencepiece library says about normalization: its rule sets, and any rules, flags and symbols."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import pytest

FLAGS = ("add_dummy_prefix", "remove_extra_whitespaces", "escape_whitespaces")
RULE_SETS = ("identity", "nfkc", "nmt_nfkc", "nfkc_cf", "nmt_nfkc_cf")


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def text_field(number: int, value: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(value)) + value


def number_field(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Give number and value of each field; that of a number as it stands in the file."""
    at = 0

    def read_varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        key = read_varint()
        start = at
        if key & 7 == 0:
            read_varint()
        elif key & 7 == 2:
            size = read_varint()
            start, at = at, at + size
        else:
            at += {1: 8, 5: 4}[key & 7]
        yield key >> 3, message[start:at]


def read_field(message: bytes, number: int) -> bytes:
    """Return the last field of a number, or nothing."""
    return dict(fields(message)).get(number, b"")


@cache
def rules(name: str) -> bytes:
    """Return the library's compiled map of a rule set."""
    spm = pytest.importorskip("sentencepiece")
    return read_field(spm.SentencePieceNormalizer(rule_name=name).serialized_normalizer_spec(), 2)


def normalizer_of_model(model: bytes) -> dict[str, Any]:
    """Return what a model file says of normalization, as arguments of a normalizer."""
    spec = dict(fields(read_field(model, 3)))
    flags = {name: spec.get(3 + i, b"\1") == b"\1" for i, name in enumerate(FLAGS)}
    pieces = [dict(fields(value)) for number, value in fields(model) if number == 1]
    suffix = dict(fields(read_field(model, 2))).get(24, b"\0") == b"\1"
    symbols = [piece[1] for piece in pieces if piece.get(3) == b"\4"]
    return {"blob": spec.get(2, b""), **flags, "suffix": suffix, "user_defined": symbols}


def make_map(targets: Mapping[bytes, bytes]) -> bytes:
    """Compile rules over bytes into a map, a block of 256 units for the children of each node."""
    text, places = b"", {}
    for target in sorted(set(targets.values())):
        places[target] = len(text)
        text += target + b"\0"
    keys: list[bytes] = sorted({key[:n] for key in targets for n in range(len(key) + 1)})
    units = [1 << 31] * 256
    base: dict[bytes, int] = {}
    for key in keys:
        index = base[key[:-1]] ^ key[-1] if key else 0
        base[key] = len(units)
        units += [1 << 31] * 256
        units[index] = (index ^ base[key]) << 10 | (key in targets) << 8 | (key[-1] if key else 0)
        if key in targets:
            assert key + b"\0" not in keys, "an array has one place for the value and for the child of NUL"
            units[base[key]] = 1 << 31 | places[targets[key]]
    return struct.pack(f"<{len(units) + 1}I", 4 * len(units), *units) + (text or b"\0")


def model_file(
    blob: bytes,
    *,
    add_dummy_prefix: bool = True,
    remove_extra_whitespaces: bool = True,
    escape_whitespaces: bool = True,
    suffix: bool = False,
    user_defined: Sequence[bytes] = (),
) -> bytes:
    """Write a model of hardly any pieces that normalizes so."""
    pieces = [(b"<unk>", 2), (b"<s>", 3), (b"</s>", 3), (b"a", 1), *((text, 4) for text in user_defined)]
    model = b"".join(
        text_field(1, text_field(1, text) + b"\x15\0\0\0\0" + number_field(3, kind)) for text, kind in pieces
    )
    model += text_field(2, number_field(3, 2) + number_field(24, suffix))
    flags = (add_dummy_prefix, remove_extra_whitespaces, escape_whitespaces)
    spec = text_field(1, b"test") + text_field(2, blob)
    spec += b"".join(number_field(3 + i, flag) for i, flag in enumerate(flags))
    return model + text_field(3, spec)


class Library:
    """The library's normalizer of a model."""

    def __init__(self, model: bytes) -> None:
        spm = pytest.importorskip("sentencepiece")
        self._processor = spm.SentencePieceProcessor(model_proto=model)

    def normalize(self, text: bytes) -> bytes:
        found: bytes = self._processor.normalize(text)
        return found

    def normalize_aligned(self, text: bytes) -> tuple[bytes, list[int]]:
        normalized, offsets = self._processor.normalize(text, with_offsets=True)
        # Where nothing is left of spaces, the library gives no end.
        return normalized, offsets or [0]
