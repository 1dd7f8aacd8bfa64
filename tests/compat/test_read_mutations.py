"""Damaged and odd ``tokenizer.json`` files: read as `tokenizers` reads them, or refused."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bpetk.alphabet import BYTE_TO_CHAR
from bpetk.errors import ModelFileError
from bpetk.interop.huggingface import from_tokenizer_json, to_tokenizer_json
from bpetk.interop.json_fields import parse_json

hf = pytest.importorskip("tokenizers")


def flags(**changes: bool) -> dict[str, bool]:
    return {
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    } | changes


BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
SPLIT = {"type": "Split", "pattern": {"Regex": r"\d+"}, "behavior": "Isolated", "invert": False}
LETTERS = [*"abcdeĠ", *BYTE_TO_CHAR[195:197]]
DOCUMENT: dict[str, Any] = {
    "version": "1.0",
    "truncation": {"direction": "Right", "max_length": 512, "strategy": "LongestFirst", "stride": 0},
    "padding": {
        "strategy": {"Fixed": 8},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "<s>",
    },
    "added_tokens": [
        {"id": 0, "content": "<s>", **flags()},
        {"id": 8, "content": "e", **flags(special=False, normalized=True)},
        {"id": 14, "content": "<x>", **flags(lstrip=True)},
        {"id": 15, "content": "<y>", **flags()},
    ],
    "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]},
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [SPLIT, BYTE_LEVEL]},
    "post_processor": {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}},
    },
    "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    "model": {
        "type": "BPE",
        "dropout": None,
        "unk_token": "<unk>",
        "continuing_subword_prefix": "",
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": True,
        "vocab": dict(
            zip(
                ["<s>", "<unk>", "a", "b", "c", "d", "Ġ", "Ã", "e", "ab", "abc", "xyz", "Ġa", "漢"],
                range(14),
                strict=True,
            )
        ),
        "merges": [["a", "b"], ["ab", "c"], ["Ġ", "a"]],
    },
}
JUNK = [
    *(
        None,
        True,
        False,
        -1,
        0,
        1,
        3,
        14,
        16,
        2**32,
        2**64,
        2**70,
        0.0,
        0.5,
        1.0,
        -0.0,
        "",
        "a",
        "Ġ",
        "漢",
        "é",
    ),
    *("BPE", "ByteLevel", "NFC", "Isolated", "Removed", "Right", "</w>", "\ud800", "a b", "x" * 2000),
    *(
        [],
        {},
        ["a", "b"],
        ["a", "b", "c"],
        [["a", "b"]],
        ["a b"],
        {"type": "BPE"},
        {"String": "a"},
        {"Fixed": 3},
    ),
    *(BYTE_LEVEL, {"type": "ByteLevel"}, {"a": 2, "b": 3}, {"id": 16, "content": "<z>", **flags()}),
]


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, inner in items for place in places(inner, (*at, key)))]


def rename(parent: dict[str, Any], key: str, name: str) -> None:
    items = [(name if old == key else old, value) for old, value in parent.items()]
    parent.clear()
    parent.update(items)


@st.composite
def documents(draw: st.DrawFn) -> Any:
    """The document with one or two places changed."""
    data = copy.deepcopy(DOCUMENT)
    for _ in range(draw(st.integers(1, 2))):
        *above, key = draw(st.sampled_from(places(data)[1:] or [("version",)]))
        parent = data
        for step in above:
            parent = parent[step]
        action = draw(st.sampled_from(["replace", "replace", "delete", "rename", "twice", "swap"]))
        if key not in parent if isinstance(parent, dict) else key >= len(parent):
            continue
        if action == "delete":
            del parent[key]
        elif action == "rename" and isinstance(parent, dict):
            rename(parent, key, draw(st.sampled_from(["a", "ab", "", "type", "Ġa", "<x>", "zz", "\udfff"])))
        elif action == "twice" and isinstance(parent, list):
            parent.insert(draw(st.integers(0, len(parent))), copy.deepcopy(parent[key]))
        elif action == "swap" and isinstance(parent, list):
            parent[key], parent[0] = parent[0], parent[key]
        else:
            parent[key] = copy.deepcopy(draw(st.sampled_from(JUNK)))
    return data


def read_by_reference(text: str) -> Any:
    """What `tokenizers` makes of a file; None if it refuses it."""
    try:
        return json.loads(hf.Tokenizer.from_str(text).to_str())
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        return None


@given(documents())
def test_read_alike_or_refused(data: Any) -> None:
    text = json.dumps(data)
    reference = read_by_reference(text)
    refusal = None
    try:
        definition = from_tokenizer_json(parse_json(text.encode()))
    except ModelFileError as error:
        refusal = str(error).encode()
    if refusal is not None:
        assert len(refusal) < 1000
        return
    # A field of no meaning is not looked at; the reference's parser looks at its characters.
    assume(reference is not None or "\\ud" not in text)
    ours = to_tokenizer_json(definition)
    assert ours == reference
    assert json.dumps(ours, ensure_ascii=False).encode()
    assert from_tokenizer_json(ours) == definition


def test_the_document_itself_is_read() -> None:
    assert (
        to_tokenizer_json(from_tokenizer_json(DOCUMENT))
        == DOCUMENT
        == read_by_reference(json.dumps(DOCUMENT))
    )


@pytest.mark.parametrize("place", places(DOCUMENT)[1:], ids=lambda place: ".".join(map(str, place)))
def test_each_place_in_turn(place: tuple[Any, ...]) -> None:
    *above, key = place
    outcomes = set()
    for junk in [..., *JUNK]:
        data = copy.deepcopy(DOCUMENT)
        parent: Any = data
        for step in above:
            parent = parent[step]
        if junk is ...:
            del parent[key]
        else:
            parent[key] = copy.deepcopy(junk)
        text = json.dumps(data)
        try:
            definition = from_tokenizer_json(parse_json(text.encode()))
        except ModelFileError:
            outcomes.add("refused")
            continue
        outcomes.add("read")
        assert to_tokenizer_json(definition) == read_by_reference(text), junk
    assert "refused" in outcomes
