"""Where tokens stand: bytes and code points, also where bytes of tokens are not bytes of the text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_models import bpe_model, plain_model, random_model, random_texts

from bpetk.alphabet import BYTE_TO_CHAR
from bpetk.definition import Definition, Sections
from bpetk.encoding import Encoding
from bpetk.errors import ConfigError, UnknownTokenError
from bpetk.model import BpeModel
from bpetk.pretokenizers import SCHEMES, get_scheme
from bpetk.special_tokens import AddedToken
from bpetk.tokenizer import Tokenizer

SEEDS = st.integers(0, 2**32)
Spans = list[tuple[int, int]]


def spans(found: Encoding) -> tuple[Spans, Spans]:
    """Check shapes and types; give the spans in bytes and in code points."""
    for offsets in (found.offsets, found.char_offsets):
        assert offsets.dtype == "int64" and offsets.shape == (len(found), 2) == (len(found.ids), 2)
    return [tuple(pair) for pair in found.offsets.tolist()], [
        tuple(pair) for pair in found.char_offsets.tolist()
    ]


def bytes_only(scheme: str = "gpt2", *added: str | AddedToken, **sections: Any) -> Tokenizer:
    """A tokenizer of bytes; ids of added tokens follow."""
    tokens = tuple(
        token if isinstance(token, AddedToken) else AddedToken(token, 256 + i)
        for i, token in enumerate(added)
    )
    model = BpeModel(get_scheme(scheme), (), list(range(256)), [], [], [], added_tokens=tokens)
    return Tokenizer(Definition(model, Sections(**sections)))


def covering(text: str, in_bytes: Spans) -> Spans:
    """The smallest spans of characters that hold spans of bytes."""
    starts = [0, *accumulate(len(char.encode()) for char in text)]
    return [
        (
            max(i for i, at in enumerate(starts) if at <= start),
            min(i for i, at in enumerate(starts) if at >= end),
        )
        for start, end in in_bytes
    ]


# --- bytes of tokens are bytes of the text --------------------------------------------------------------------------


@settings(max_examples=150)
@given(SEEDS, SEEDS, st.sampled_from(sorted(set(SCHEMES) - {"whitespace"})))
def test_tokens_are_what_stands_there(model_seed: int, text_seed: int, scheme: str) -> None:
    model = plain_model(model_seed)
    tok = Tokenizer(bpe_model(model, scheme, ["<s>", "中文"]))
    for text in random_texts(text_seed, model, 4):
        for whole in (text, f"<s>{text[:3]}<s><s>{text}中文"):
            found = tok.encode_with_offsets(whole, allowed_special="all")
            assert found.ids == tok.encode(whole, allowed_special="all")
            in_bytes, in_chars = spans(found)
            data = whole.encode()
            assert [data[start:end] for start, end in in_bytes] == [tok.id_to_bytes(id) for id in found.ids]
            assert [start for start, _ in in_bytes] + [len(data)] == [0] + [end for _, end in in_bytes]
            assert in_chars == covering(whole, in_bytes)
            assert in_bytes == spans(tok.encode_with_offsets(data, allowed_special="all"))[0]


def test_characters_of_many_bytes() -> None:
    found = bytes_only().encode_with_offsets("aé😀")
    assert spans(found) == (
        [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 7)],
        [(0, 1), (1, 2), (1, 2), (2, 3), (2, 3), (2, 3), (2, 3)],
    )


def test_empty_text() -> None:
    for text in ("", b""):
        assert spans(bytes_only().encode_with_offsets(text)) == ([], [])
    assert len(bytes_only("whitespace").encode_with_offsets(" \n")) == 0


def test_added_tokens() -> None:
    tok = bytes_only("gpt2", "<s>", AddedToken("<m>", 300, lstrip=True, rstrip=True, special=False))
    in_bytes, in_chars = spans(tok.encode_with_offsets("é<s>  <m>\u3000z", allowed_special="all"))
    assert in_bytes == [(0, 1), (1, 2), (2, 5), (5, 13), (13, 14)]
    assert in_chars == [(0, 1), (0, 1), (1, 4), (4, 10), (10, 11)]


# --- they are not ---------------------------------------------------------------------------------------------------


@settings(max_examples=200)
@given(SEEDS, SEEDS, st.sampled_from(["gpt2", "whitespace", "none", "cl100k"]))
def test_of_any_model(model_seed: int, text_seed: int, scheme: str) -> None:
    """Dropped white space, marks of ends of words, unknown bytes: spans are in order and do not overlap."""
    model = random_model(model_seed, as_value=True)
    tok = Tokenizer(bpe_model(model, scheme))
    for text in random_texts(text_seed, model, 4):
        try:
            ids = tok.encode(text)
        except UnknownTokenError:
            continue
        found = tok.encode_with_offsets(text)
        assert found.ids == ids
        in_bytes, in_chars = spans(found)
        data, end = text.encode(), 0
        for id, (start, stop) in zip(ids, in_bytes, strict=True):
            assert not data[end:start].decode().strip() or scheme != "whitespace"
            assert start == end or scheme == "whitespace"
            assert start < (end := stop)
            token = model.tokens[id]
            if id != model.unk_id or token == data[start:stop]:
                assert token in (data[start:stop], data[start:stop] + b"</w>")
        assert in_chars == covering(text, in_bytes)


def test_white_space_that_is_dropped() -> None:
    in_bytes, in_chars = spans(bytes_only("whitespace").encode_with_offsets(" ab\n é  "))
    assert in_bytes == [(1, 2), (2, 3), (5, 6), (6, 7)] and in_chars == [(1, 2), (2, 3), (5, 6), (5, 6)]


def with_byte_level(vocab: dict[str, int], **model: Any) -> dict[str, Any]:
    """A ``tokenizer.json``."""
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {"type": "BPE", "unk_token": None, "fuse_unk": False, "vocab": vocab, "merges": [], **model},
    }


def both(path: Path, document: dict[str, Any]) -> tuple[Tokenizer, Any]:
    tokenizers = pytest.importorskip("tokenizers")
    path.write_text(json.dumps(document), "utf-8")
    return Tokenizer.from_file(path), tokenizers.Tokenizer.from_file(str(path))


TEXTS = [
    "",
    "a",
    "ab",
    "axb",
    "xx",
    "axyb中c",
    "a b ab",
    "中a中",
    "x a\n\nxx",
    "é中x😀 ab",
    "  a  ",
    "b" * 40,
]


def compare(here: Tokenizer, there: Any, texts: Sequence[str]) -> None:
    for text in texts:
        found, wanted = here.encode_with_offsets(text), there.encode(text, add_special_tokens=False)
        assert (found.ids, spans(found)[1]) == (wanted.ids, wanted.offsets), text


@pytest.mark.parametrize("fuse", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_unknown_bytes_as_the_reference(fuse: bool, whole: bool, tmp_path: Path) -> None:
    vocab = {"a": 0, "b": 1, "<unk>": 2, "ä": 3, "Ġ": 4, "ab": 5, "<": 6, "axb": 7}
    document = with_byte_level(
        vocab, unk_token="<unk>", fuse_unk=fuse, ignore_merges=whole, merges=[["a", "b"]]
    )
    compare(*both(tmp_path / "t.json", document), [*TEXTS, "<unk>", "a<unk>"])
    document["pre_tokenizer"] = {**document["pre_tokenizer"], "use_regex": False}
    compare(*both(tmp_path / "t.json", document), [*TEXTS, "<unk>", "a<unk>"])


@pytest.mark.parametrize("fuse", [False, True])
def test_marks_of_ends_of_words_as_the_reference(fuse: bool, tmp_path: Path) -> None:
    characters = sorted({BYTE_TO_CHAR[byte] for byte in "".join(TEXTS).encode()})
    vocab = {char: id for id, char in enumerate([*characters, *(f"{char}</w>" for char in characters)])}
    vocab |= {"ab</w>": len(vocab), "bb": len(vocab) + 1, "<unk>": len(vocab) + 2}
    merges = [["a", "b</w>"], ["b", "b"]]
    document = with_byte_level(vocab, end_of_word_suffix="</w>", merges=merges)
    compare(*both(tmp_path / "t.json", document), TEXTS)
    for missing in ("x", "x</w>", "ä", "b</w>"):
        document["model"]["vocab"] = {text: id for text, id in vocab.items() if text != missing}
        document["model"]["merges"] = [pair for pair in merges if missing not in pair]
        document["model"] |= {"unk_token": "<unk>", "fuse_unk": fuse}
        compare(*both(tmp_path / "t.json", document), TEXTS)


# --- stages that change the text, and what is put around it ---------------------------------------------------------


def test_a_changed_character_has_all_the_bytes_it_stands_for() -> None:
    # What is composed stands for the first of its parts, as in the reference.
    found = bytes_only(normalizer={"type": "NFC"}).encode_with_offsets("ae\u0301b")
    assert spans(found) == ([(0, 1), (1, 2), (1, 2), (4, 5)], [(0, 1), (1, 2), (1, 2), (3, 4)])
    found = bytes_only(normalizer={"type": "NFKC"}).encode_with_offsets("ﬁ中")
    assert spans(found) == ([(0, 3), (0, 3), *[(3, 6)] * 3], [(0, 1), (0, 1), *[(1, 2)] * 3])


def test_tokens_around_the_text() -> None:
    tokens = {"<s>": {"id": "<s>", "ids": [256], "tokens": ["<s>"]}}
    around = [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    template = {
        "type": "TemplateProcessing",
        "single": [*around, around[0]],
        "pair": [*around, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": tokens,
    }
    tok = bytes_only("gpt2", "<s>", post_processor=template)
    found = tok.encode_with_offsets("ab", add_special_tokens=True)
    assert found.ids == [256, 97, 98, 256] == tok.encode("ab", add_special_tokens=True)
    assert spans(found) == ([(0, 0), (0, 1), (1, 2), (0, 0)],) * 2
    assert tok.encode_with_offsets("ab").ids == [97, 98]


def test_trimmed_offsets() -> None:
    trim = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    made = BpeModel(get_scheme("gpt2"), (), list(range(256)), [32], [98], [256])
    tok = Tokenizer(Definition(made, Sections(post_processor=trim)))
    found = tok.encode_with_offsets("a b")
    assert found.ids == [97, 256]
    assert spans(found) == ([(0, 1), (1, 3)], [(0, 1), (2, 3)])  # bytes are not trimmed


def test_is_no_place_for_disallowed_text() -> None:
    tok = bytes_only("gpt2", "<s>")
    with pytest.raises(ConfigError, match="'<s>' at position 1"):
        tok.encode_with_offsets("a<s>")
    assert spans(tok.encode_with_offsets("a<s>", disallowed_special=()))[1][-1] == (3, 4)


def test_is_a_plain_value() -> None:
    found = bytes_only().encode_with_offsets("ab")
    assert isinstance(found, Encoding) and len(found) == 2
    with pytest.raises(AttributeError):
        found.ids = []  # type: ignore[misc]
