"""Decoders: text from tokens, and what a decoder cannot be."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from bpetk.decoders import decoder_from_hf, token_bytes
from bpetk.errors import ModelFileError

BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True}
FUSE = {"type": "Fuse"}
FALLBACK = {"type": "ByteFallback"}


def sequence(*decoders: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "decoders": list(decoders)}


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("", b""),
        ("Ġthe", b" the"),
        ("ä¸Ń", "中".encode()),
        ("<|im_start|>", b"<|im_start|>"),
        ("<｜é▁of｜>", "<｜é▁of｜>".encode()),
        ("a b", b"a b"),  # a blank is not of the alphabet
        ("Ġ b", "Ġ b".encode()),
        ("é", b"\xe9"),
    ],
)
def test_bytes_of_a_token(token: str, expected: bytes) -> None:
    assert token_bytes(token) == expected


@pytest.mark.parametrize(
    ("config", "tokens", "expected"),
    [
        (None, ["a", "b", ""], "a b "),
        (None, [], ""),
        (BYTE_LEVEL, ["Ġa", "<｜x｜>", "ä¸", "Ń"], " a<｜x｜>中"),
        (BYTE_LEVEL, ["ä¸", "a", "ä"], "\ufffda\ufffd"),
        (sequence(), ["a", "b"], "ab"),
        (FALLBACK, ["<0xE4>", "<0xB8>", "<0xAD>", "x", "<0xE4>", "<0xB8>"], "中x\ufffd\ufffd"),
        (FALLBACK, ["<0x+F>", "<0xzz>", "<0x4>"], "\x0f<0xzz><0x4>"),
        ({"type": "Metaspace", "replacement": "▁"}, ["▁a▁", "▁b"], "a b"),
        ({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never"}, ["▁a"], " a"),
        ({"type": "WordPiece", "prefix": "##", "cleanup": True}, ["##a", "##b", "c", "."], "##ab c."),
        ({"type": "BPEDecoder", "suffix": "</w>"}, ["a</w>", "b</w></w>", "c</w>"], "a b  c"),
        (
            {"type": "CTC", "pad_token": "_", "word_delimiter_token": "|", "cleanup": True},
            ["a", "a", "_", "a", "|", "|"],
            "aa ",
        ),
        ({"type": "Strip", "content": "x", "start": 1, "stop": 2}, ["xxaxxx", "xa"], "xaxa"),
        (
            {"type": "Strip", "content": "x", "start": 2, "stop": 2},
            ["xxx", "x", ""],
            "",
        ),  # the reference panics
        ({"type": "Replace", "pattern": {"String": "a."}, "content": "b"}, ["a.", "ab"], "bab"),
        ({"type": "Replace", "pattern": {"String": ""}, "content": "-"}, ["a", ""], "-a-"),
        ({"type": "Replace", "pattern": {"Regex": "a."}, "content": "$0"}, ["a.ab", "a"], "$0$0a"),
        ({"type": "Replace", "pattern": {"Regex": "x*"}, "content": "-"}, ["", "axb"], "-a-b-"),
    ],
)
def test_decode(config: Any, tokens: list[str], expected: str) -> None:
    assert decoder_from_hf(config).decode(tokens) == expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (None, False),
        (BYTE_LEVEL, True),
        (sequence(BYTE_LEVEL), True),
        (sequence(sequence(BYTE_LEVEL), FUSE, FUSE), True),
        (sequence(), False),
        (
            sequence(FUSE, BYTE_LEVEL),
            False,
        ),  # one character outside the alphabet, and all is taken as it stands
        (sequence(BYTE_LEVEL, FALLBACK), False),
        (sequence(BYTE_LEVEL, BYTE_LEVEL), False),
        (FUSE, False),
    ],
)
def test_byte_level(config: Any, expected: bool) -> None:
    assert decoder_from_hf(config).byte_level is expected


def test_values() -> None:
    left, right = decoder_from_hf(BYTE_LEVEL), decoder_from_hf(copy.deepcopy(BYTE_LEVEL))
    assert (
        left == right and hash(left) == hash(right) and left != decoder_from_hf(FUSE) and left != BYTE_LEVEL
    )
    assert left.config == BYTE_LEVEL | {"use_regex": True}
    assert repr(decoder_from_hf(None)) == "Decoder(None)"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ([], "decoder: expected an object, found []"),
        ({}, "decoder.type: is missing"),
        ({"type": "Zip"}, "decoder.type: expected ByteLevel, Replace, "),
        (sequence(FUSE, {"type": 1}), "decoder.decoders[1].type: expected a string, found 1"),
        ({"type": "Sequence", "decoders": 1}, "decoder.decoders: expected a list, found 1"),
        ({"type": "BPEDecoder"}, "decoder.suffix: is missing"),
        (
            {"type": "CTC", "pad_token": "", "word_delimiter_token": "", "cleanup": 1},
            "decoder.cleanup: expected true",
        ),
        (
            {"type": "Strip", "content": "ab", "start": 0, "stop": 0},
            "decoder.content: expected one character",
        ),
        (
            {"type": "Strip", "content": "a", "start": -1, "stop": 0},
            "decoder.start: expected a number from 0",
        ),
        (
            {"type": "Strip", "content": "a", "start": True, "stop": 0},
            "decoder.start: expected a number from 0",
        ),
        (
            {"type": "Metaspace", "replacement": "_", "prepend_scheme": "last"},
            "decoder.prepend_scheme: expected",
        ),
        (
            {"type": "Metaspace", "replacement": "_", "add_prefix_space": False},
            'decoder.add_prefix_space: false contradicts prepend_scheme "always"',
        ),
        (
            {"type": "Replace", "pattern": {"Glob": "*"}, "content": ""},
            "decoder.pattern: expected an object with",
        ),
        (
            {"type": "Replace", "pattern": {"Regex": "(a"}, "content": ""},
            "decoder.pattern.Regex: '(' at position 0",
        ),
    ],
)
def test_what_is_refused(config: Any, message: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        decoder_from_hf(config)
    assert str(caught.value).startswith(message)
