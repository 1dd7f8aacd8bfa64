"""Decoders: the text that the `tokenizers` library makes of the same tokens."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpetk.alphabet import BYTE_TO_CHAR
from bpetk.decoders import decoder_from_hf, token_bytes
from bpetk.errors import ModelFileError

tokenizers = pytest.importorskip("tokenizers")

BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
PARTS = [
    *[
        "▁",
        "▁▁",
        "a",
        "b",
        "x",
        "xx",
        " ",
        "  ",
        "é",
        "漢",
        "Ġ",
        "Ċ",
        "##",
        "##a",
        "</w>",
        "|",
        "<pad>",
        ".",
        " ,",
        "'",
        "n't",
    ],
    *[
        "do not",
        "s",
        "<0x41>",
        "<0xe6>",
        "<0xBC>",
        "<0xA2>",
        "<0xFF>",
        "<0x+F>",
        "<0x4>",
        "<0xg1>",
        "<0xé>",
        "<0xAé>",
        "\u2028",
    ],
    *[BYTE_TO_CHAR[byte] for byte in (0xE6, 0xBC, 0xA2, 0xC0, 0xF0, 0x90, 0xED, 0xA0, 0x80)],
]
TOKENS = st.lists(st.lists(st.sampled_from(PARTS), max_size=4).map("".join), max_size=8)


def replace(pattern: str, content: str, kind: str = "String") -> dict[str, Any]:
    return {"type": "Replace", "pattern": {kind: pattern}, "content": content}


SINGLE = [
    BYTE_LEVEL,
    {"type": "Fuse"},
    {"type": "ByteFallback"},
    {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
    {"type": "Metaspace", "replacement": "a", "prepend_scheme": "first", "split": False},
    {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": True},
    {"type": "WordPiece", "prefix": "##", "cleanup": True},
    {"type": "WordPiece", "prefix": "", "cleanup": False},
    {"type": "BPEDecoder", "suffix": "</w>"},
    {"type": "BPEDecoder", "suffix": ""},
    {"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": True},
    {"type": "CTC", "pad_token": "x", "word_delimiter_token": "", "cleanup": True},
    {"type": "CTC", "pad_token": "", "word_delimiter_token": "|", "cleanup": False},
    {"type": "Strip", "content": " ", "start": 1, "stop": 0},
    replace("▁", " "),
    replace("xx", "$0"),
    replace("", "-"),
    replace("[ab]|▁+", "\\0", "Regex"),
    replace("b*", "-", "Regex"),
    replace("^", ">", "Regex"),
    {"type": "Sequence", "decoders": []},
    {"type": "Sequence", "decoders": [BYTE_LEVEL, {"type": "Fuse"}]},
    {"type": "Sequence", "decoders": [{"type": "Fuse"}, BYTE_LEVEL]},
    {
        "type": "Sequence",
        "decoders": [
            replace("▁", " "),
            {"type": "ByteFallback"},
            {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0},
        ],
    },
]


# That library panics where a token is no longer than what is stripped from its end.
STRIP_BOTH = {"type": "Strip", "content": "x", "start": 1, "stop": 2}


def reference(config: Any) -> Any:
    data = json.loads(tokenizers.Tokenizer(tokenizers.models.BPE()).to_str())
    return tokenizers.Tokenizer.from_str(json.dumps(data | {"decoder": config}))


@pytest.mark.parametrize("config", SINGLE, ids=lambda config: config["type"])
@given(tokens=TOKENS)
def test_random_tokens(config: Any, tokens: list[str]) -> None:
    decoder = decoder_from_hf(config)
    expected = reference(config).decoder.decode(tokens)
    assert decoder.decode(tokens) == expected
    if decoder.byte_level:
        assert b"".join(map(token_bytes, tokens)).decode("utf-8", "replace") == expected


@given(tokens=TOKENS)
def test_strip_at_both_ends(tokens: list[str]) -> None:
    tokens = [f"{token}.x{token}" for token in tokens]
    assert decoder_from_hf(STRIP_BOTH).decode(tokens) == reference(STRIP_BOTH).decoder.decode(tokens)


@given(configs=st.lists(st.sampled_from(SINGLE), max_size=4), tokens=TOKENS)
def test_random_sequences(configs: list[Any], tokens: list[str]) -> None:
    config = {"type": "Sequence", "decoders": configs}
    decoder = decoder_from_hf(config)
    assert decoder.decode(tokens) == reference(config).decoder.decode(tokens)
    if decoder.byte_level:
        assert b"".join(map(token_bytes, tokens)).decode("utf-8", "replace") == decoder.decode(tokens)


@given(data=st.binary(max_size=40))
def test_damaged_utf8_becomes_as_many_replacement_characters(data: bytes) -> None:
    tokens = [BYTE_TO_CHAR[byte] for byte in data]
    assert decoder_from_hf(BYTE_LEVEL).decode(tokens) == reference(BYTE_LEVEL).decoder.decode(tokens)


@pytest.mark.parametrize("size", [2, 3])
def test_every_start_of_a_damaged_character(size: int) -> None:
    heads = [bytes([first, *([0x80] * (size - 2))]) for first in range(0x80, 0x100)]
    tails = [0x41, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC2, 0xE0, 0xF4, 0xFF]
    data = b"".join(bytes([*head, tail, 0x42]) for head in heads for tail in tails)
    tokens = [BYTE_TO_CHAR[byte] for byte in data]
    assert decoder_from_hf(BYTE_LEVEL).decode(tokens) == reference(BYTE_LEVEL).decoder.decode(tokens)


@pytest.mark.parametrize(
    "config",
    [
        *SINGLE,
        STRIP_BOTH,
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False},
        {"type": "Metaspace", "replacement": "▁"},
        {"type": "Metaspace", "replacement": "▁", "str_rep": "x", "add_prefix_space": True},
        {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True, "prepend_scheme": "never"},
        {"type": "Metaspace", "replacement": "▁", "add_prefix_space": False, "prepend_scheme": "never"},
        {"type": "Fuse", "more": 1},
    ],
    ids=lambda config: config["type"],
)
def test_configurations_are_written_alike(config: Any) -> None:
    there = json.loads(reference(config).to_str())["decoder"]
    here = decoder_from_hf(config).config
    assert here == there and json.dumps(here) == json.dumps(there)


@pytest.mark.parametrize(
    "config",
    [
        {},
        [],
        "ByteLevel",
        {"type": "Zip"},
        {"type": "ByteLevel"},
        {"type": "WordPiece"},
        {"type": "BPEDecoder"},
        {"type": "CTC"},
        {"type": "Sequence"},
        {"type": "Sequence", "decoders": [None]},
        {"type": "Strip", "content": "xx", "start": 1, "stop": 0},
        {"type": "Strip", "content": "x", "start": -1, "stop": 0},
        {"type": "Strip", "content": "x"},
        {"type": "Metaspace", "replacement": "ab"},
        {"type": "Metaspace", "replacement": ""},
        {"type": "Metaspace", "replacement": "▁", "add_prefix_space": False},
        {"type": "Metaspace", "replacement": "▁", "add_prefix_space": False, "prepend_scheme": "first"},
        {"type": "Replace", "pattern": "x", "content": "y"},
        replace("(x", "y", "Regex"),
        BYTE_LEVEL | {"trim_offsets": None},
    ],
)
def test_what_is_refused_there_is_refused_here(config: Any) -> None:
    with pytest.raises(ModelFileError):
        decoder_from_hf(config)
    with pytest.raises(Exception, match="did not match any variant"):
        reference(config)


MODELS = [
    "gpt2",
    "llama3",
    "qwen3",
    "deepseek-v3",
    "llama2",
    "gemma3",
    "kitoken-clip_base-tokenizers",
    "bert-base-chinese",
]


@pytest.mark.parametrize("model", MODELS)
def test_every_token_of_real_files(model: str, shared_file: Callable[..., Path]) -> None:
    text = shared_file(f"tokenizers/{model}/tokenizer.json").read_text(encoding="utf-8")
    there = tokenizers.Tokenizer.from_str(text)
    decoder = decoder_from_hf(json.loads(text)["decoder"])
    ids = sorted(there.get_vocab(with_added_tokens=True).values())
    tokens = [there.id_to_token(id) for id in ids]
    assert decoder.decode(tokens) == there.decode(ids, skip_special_tokens=False)
    rows = [ids[i : i + 3] for i in range(0, len(ids), 50)]
    found = [decoder.decode([there.id_to_token(id) for id in row]) for row in rows]
    assert found == there.decode_batch(rows, skip_special_tokens=False)
    if decoder.byte_level:
        data = b"".join(map(token_bytes, tokens))
        assert data.decode("utf-8", "replace") == there.decode(ids, skip_special_tokens=False)
