"""The vocabulary as columns, and the classes of code points."""

from __future__ import annotations

import unicodedata
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bpetk
from bpetk import Tokenizer, analysis
from bpetk.analysis.scripts import (
    HAN,
    INHERITED,
    KANA,
    LATIN,
    OTHER_LETTERS,
    SCRIPTS,
    class_of,
    class_table,
    packed_table,
)
from bpetk.analysis.token_table import Integrity, Kind, TokenTable, _integrity, _script_of
from bpetk.errors import ConfigError
from bpetk.interop.sentencepiece_model import ModelFile, NormalizerSpec, Piece, PieceType
from bpetk.sp_tokenizer import SentencePieceTokenizer

KEYS = [key for key, _ in SCRIPTS]


@pytest.mark.parametrize(
    ("chars", "key"),
    [
        ("中〇々⺀𠀀", "han"),
        ("aZéÀⅧa", "latin"),
        ("あアーーｱﾞ゙", "kana"),
        ("한ㄱ", "hangul"),
        ("яЖ", "cyrillic"),
        ("Ωα", "greek"),
        ("عر", "arabic"),
        ("אกब", "other_letters"),
        ("019٣①㈠", "digits"),
        (".,，。「_", "punctuation"),
        ("+€👍\x00\ue000\u0378", "symbols"),
        (" \t\n\u3000\xa0", "space"),
    ],
)
def test_class_of_code_points(chars, key):
    assert {KEYS[class_of(char)] for char in chars} == {key}


def test_accents_and_joiners_go_with_the_character_before():
    assert class_of("\u0301") == class_of("\u200d") == class_of("\ufe0f") == INHERITED


def test_classes_agree_with_the_categories_of_python():
    # Python's tables are of another version: compare where a code point is assigned in them.
    table = class_table()
    letters = {*range(KEYS.index("digits"))}
    for cp in [*range(0x3000), *range(0xFF00, 0x10000)]:
        category, key = unicodedata.category(chr(cp)), table[cp]
        if category in {"Lu", "Ll", "Lt", "Lo"}:
            assert key in letters, hex(cp)
        elif category in {"Nd", "No"}:
            assert KEYS[key] == "digits", hex(cp)
    assert not table.flags.writeable
    assert len(packed_table()) == 0x110000
    assert packed_table()[ord("中")] == HAN


@given(st.text(max_size=6), st.integers(0, 12), st.integers(1, 24))
def test_parts_of_texts_are_partial_or_whole(text, start, size):
    part = text.encode("utf-8", "ignore")[start : start + size]
    try:
        part.decode()
    except UnicodeDecodeError:
        assert _integrity(part) == Integrity.PARTIAL


def _stands_in_some_text(token: bytes) -> bool:
    """The plain twin: try what could stand around it."""
    heads = [b"", b"\xf1", b"\xf1\x80", b"\xf1\x80\x80", b"\xe1", b"\xe1\x80", b"\xc2"]
    tails = [b"", b"\x80", b"\x80\x80", b"\x80\x80\x80", b"\x90\x80\x80", b"\xa0\x80", b"\x90\x80"]

    def stands(text: bytes) -> bool:
        try:
            text.decode()
        except UnicodeDecodeError:
            return False
        return True

    return any(stands(head + token + tail) for head in heads for tail in tails)


@given(st.binary(min_size=1, max_size=4))
def test_partial_tokens_stand_in_some_text(token):
    assert _stands_in_some_text(token) == (_integrity(token) == Integrity.PARTIAL)


def test_beginnings_of_characters():
    for first in range(0xC0, 0x100):
        for second in range(256):
            token = bytes([first, second])
            assert _stands_in_some_text(token) == (_integrity(token) == Integrity.PARTIAL), token


@pytest.mark.parametrize(
    "token", [b"\xc0", b"\xff", b"a\x80", b"\xe4a", b"\x80" * 4, b"\xed\xa0", b"\xf4\x90"]
)
def test_ill_formed(token):
    assert _integrity(token) == Integrity.ILL_FORMED


def test_columns_of_a_byte_level_model():
    texts = ["中文 中文 the the12 the12 é é"] * 9
    tok = bpetk.train_from_iterator(texts, vocab_size=269, special_tokens=["<s>"])
    table = TokenTable.of(tok)
    assert table.size == tok.n_vocab == len(table.data) == len(table.kinds)
    for id in range(table.size):
        data = tok.id_to_bytes(id)
        assert table.data[id] == data
        assert table.n_bytes[id] == len(data)
        whole = table.text[id]
        if table.kinds[id] == Kind.SPECIAL:
            assert (id, table.names[id], KEYS[table.script[id]]) == (0, "<s>", "special")
        elif whole is None:
            assert KEYS[table.script[id]] == "bytes"
        else:
            assert whole.encode() == data
            assert table.n_chars[id] == len(whole)
            assert table.n_han[id] == sum(class_of(char) == HAN for char in whole)
    assert table.kinds[tok.token_to_id(b"a")] == Kind.BYTE
    assert table.script[tok.token_to_id(b" the")] == LATIN
    assert table.script[tok.token_to_id(" 中文".encode())] == HAN
    assert table.n_han[tok.token_to_id(" 中文".encode())] == 2
    assert len(table.ids(Kind.BYTE)) == 256
    assert len(table.ids()) == table.size
    assert table.readable(tok.token_to_id(b" the")) == '" the"'


def test_script_of_sets_of_classes():
    space, digits = KEYS.index("space"), KEYS.index("digits")

    def script(*classes: int) -> str:
        return KEYS[_script_of(np.array([sum(1 << c for c in classes)], np.uint16))[0]]

    assert script(LATIN, space) == script(LATIN, INHERITED) == "latin"
    assert script(LATIN, digits) == script(HAN, KANA, space) == "mixed"
    assert script(space) == script(space, INHERITED) == "space"
    assert script(OTHER_LETTERS) == "other_letters"
    assert script() == script(INHERITED) == "symbols"


def test_columns_of_a_model_of_sentencepiece():
    pieces = [
        Piece("<unk>", 0.0, PieceType.UNKNOWN),
        Piece("<s>", 0.0, PieceType.CONTROL),
        Piece("<0xE4>", 0.0, PieceType.BYTE),
        Piece("<0x41>", 0.0, PieceType.BYTE),
        Piece("▁中", -1.0),
        Piece("user", 0.0, PieceType.USER_DEFINED),
        Piece("▁", -2.0),
        Piece("中", -3.0),
        Piece("x", -3.0, PieceType.UNUSED),
    ]
    table = TokenTable.of(
        SentencePieceTokenizer(ModelFile(pieces, {"model_type": 2}, NormalizerSpec("", b"")))
    )
    assert table.data == [b"", b"", b"\xe4", b"A", " 中".encode(), b"user", b" ", "中".encode(), b"x"]
    assert [Kind(kind).name for kind in table.kinds] == (
        "SPECIAL SPECIAL BYTE BYTE NORMAL ADDED NORMAL NORMAL UNUSED".split()
    )
    assert [KEYS[script] for script in table.script] == (
        "special special bytes bytes han latin space han latin".split()
    )
    assert [table.readable(id) for id in (0, 2, 4)] == ['"<unk>"', '"<0xE4>"', '" 中"']
    assert table.n_chars.tolist() == [0, 0, 0, 1, 2, 4, 1, 1, 1]


def test_gaps_between_ids(tmp_path):
    ranks = "".join(f"{b64encode(bytes([b])).decode()} {b}\n" for b in range(256))
    (tmp_path / "x.tiktoken").write_text(ranks)
    tok = Tokenizer.from_file(tmp_path / "x.tiktoken", scheme="gpt2", special_tokens={"<s>": 259})
    table = TokenTable.of(tok)
    assert table.kinds[256:].tolist() == [Kind.ABSENT] * 3 + [Kind.SPECIAL]
    assert table.readable(257) == ""
    assert table.data[257] == b""
    assert len(table.ids()) == 257


@pytest.mark.parametrize("name", ["tokenizers/qwen3/tokenizer.json", "tokenizers/baichuan2/tokenizer.model"])
def test_a_real_vocabulary(name, shared_file):
    tok = Tokenizer.from_file(shared_file(name))
    table = TokenTable.of(tok)
    assert table.size == tok.n_vocab
    assert len(table.ids()) == len(tok)
    for id in range(0, table.size, 97):
        if table.kinds[id] != Kind.SPECIAL:
            assert table.data[id] == tok.id_to_bytes(id)
    whole = table.integrity == Integrity.WHOLE
    assert all((text is not None) == ok for text, ok in zip(table.text, whole, strict=True))
    assert (table.n_han <= table.n_chars).all()


@pytest.mark.parametrize("path", ["my-tokenizer", Path("my-tokenizer")])
def test_a_path_is_no_tokenizer(path: Any, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("a cat\n")
    tok = bpetk.train_from_iterator(["a cat"], 257)
    calls: list[Callable[[], object]] = [
        lambda: analysis.inspect(path),
        lambda: analysis.analyze(path, tmp_path / "text", segmenter=None),
        lambda: analysis.audit(path, tmp_path / "text"),
        lambda: analysis.curve(path, tmp_path / "text"),
        lambda: analysis.compare({"a": path, "b": tok}, tmp_path / "text"),
        lambda: analysis.report(path, tmp_path / "text"),
        lambda: analysis.report({"a": tok, "b": path}, tmp_path / "text", segmenter=None),
    ]
    for call in calls:
        with pytest.raises(
            ConfigError, match=r"'my-tokenizer' is a path.*: load it with Tokenizer.from_file first"
        ):
            call()
