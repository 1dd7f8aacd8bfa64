"""From pieces to a SentencePiece model: ids, alphabet, fields; and the table of scripts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import shared_data
from hypothesis import given
from hypothesis import strategies as st

from bpetk.errors import ConfigError, CorpusError
from bpetk.interop.sentencepiece_model import ModelFile, PieceType, read_model, write_model
from bpetk.reference import sp_train
from bpetk.sp_model import (
    assemble,
    byte_texts,
    choose_alphabet,
    cut_merges,
    merge_target,
    meta_pieces,
    meta_texts,
    vocab_text,
)
from bpetk.sp_options import SpOptions
from bpetk.sp_scripts import CODE_POINTS, script, script_classes

ROOT = Path(__file__).resolve().parents[2]


def metas(**options: Any) -> list[tuple[int, str, int]]:
    return [
        (id, text, int(kind))
        for id, (text, kind) in sorted(meta_pieces(SpOptions.from_kwargs(**options)).items())
    ]


def test_special_pieces() -> None:
    assert metas() == [(0, "<unk>", 2), (1, "<s>", 3), (2, "</s>", 3)]
    assert metas(unk_id=7, bos_id=-1, eos_id=-9, pad_id=1) == [(1, "<pad>", 3), (7, "<unk>", 2)]


def test_symbols_fill_the_gaps() -> None:
    found = metas(control_symbols="<c>", user_defined_symbols="<u>,<v>", bos_id=5, eos_id=1)
    assert found == [
        (0, "<unk>", 2),
        (1, "</s>", 3),
        (2, "<c>", 3),
        (3, "<u>", 4),
        (4, "<v>", 4),
        (5, "<s>", 3),
    ]


def test_a_symbol_spelled_like_a_special_piece_changes_its_type() -> None:
    assert metas(user_defined_symbols="</s>,<pad>") == [
        (0, "<unk>", 2),
        (1, "<s>", 3),
        (2, "</s>", 4),
        (3, "<pad>", 4),
    ]


def test_bytes() -> None:
    found = metas(byte_fallback=True, unk_id=-1)
    assert found[:3] == [(0, "<0x00>", 6), (1, "<s>", 3), (2, "</s>", 3)]
    assert [text for _, text, kind in found if kind == 6] == byte_texts()
    assert byte_texts()[-1] == "<0xFF>"


def test_texts_of_barriers_are_longest_first() -> None:
    assert meta_texts(SpOptions.from_kwargs(user_defined_symbols="漢,漢字,ab")) == [
        "漢字",
        "<unk>",
        "</s>",
        "<s>",
        "漢",
        "ab",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unk_id": -1}, "unk_id=-1 needs byte_fallback=True"),
        ({"bos_id": 0}, "bos_id=0 is the id of '<unk>'"),
        ({"pad_id": 30, "vocab_size": 30}, "pad_id must be less than vocab_size=30, got 30"),
        ({"bos_piece": "</s>"}, "2 pieces would have the text '</s>'"),
        ({"bos_piece": "<unk>"}, "2 pieces would have the text '<unk>'"),
        ({"user_defined_symbols": "x,x"}, "'x' is a symbol already"),
        ({"user_defined_symbols": "x", "control_symbols": "x"}, "'x' is a symbol already"),
        ({"user_defined_symbols": "<unk>"}, "'<unk>' is the unknown piece"),
        ({"user_defined_symbols": "x,,y"}, "user_defined_symbols holds an empty text"),
        (
            {"user_defined_symbols": "<0x41>", "byte_fallback": True},
            "byte_fallback: '<0x41>' is a symbol already",
        ),
    ],
)
def test_clashes(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        metas(**options)


def test_alphabet() -> None:
    counts = {ord("a"): 50, ord("b"): 49, ord("z"): 1, 0: 1000, 0x1F: 5}
    assert choose_alphabet(counts, SpOptions.from_kwargs()) == [97, 98, 122]
    assert choose_alphabet(counts, SpOptions.from_kwargs(character_coverage=0.99)) == [97, 98]
    assert choose_alphabet(counts, SpOptions.from_kwargs(required_chars="zy\0")) == [97, 98, 122, 121]
    assert choose_alphabet(counts, SpOptions.from_kwargs(vocab_size=6)) == [97, 98, 122]
    with pytest.raises(
        ConfigError, match="alphabet of 3 characters, and 3 pieces are fixed; ask for at least 6"
    ):
        choose_alphabet(counts, SpOptions.from_kwargs(vocab_size=5))
    for nothing in ({}, {0: 3}):
        with pytest.raises(CorpusError, match="no text"):
            choose_alphabet(nothing, SpOptions.from_kwargs())


def test_automatic_alphabet_is_chosen_after_the_merges() -> None:
    options = SpOptions.from_kwargs(auto_character_coverage=True, byte_fallback=True, vocab_size=263)
    assert choose_alphabet({97: 1, 98: 2, 0x1F: 9, 0: 1}, options) == [98, 97]
    assert merge_target(options, [98, 97]) == 4
    assert cut_merges(["ab", "ba"], [5, 0], {97: 9, 98: 9, 0xE9: 3}, options) == (["ab"], ["a", "b", "é"])
    with pytest.raises(ConfigError, match="more than the 259 fixed pieces, got 259"):
        merge_target(
            SpOptions.from_kwargs(auto_character_coverage=True, byte_fallback=True, vocab_size=259), []
        )


CHARS = "aébあ漢😀"


@given(
    st.lists(
        st.tuples(st.text(CHARS, min_size=2, max_size=4), st.integers(0, 9)), unique_by=lambda row: row[0]
    ),
    st.dictionaries(st.sampled_from(CHARS), st.integers(0, 9)),
    st.integers(1, 12),
)
def test_automatic_choice_is_that_of_the_twin(
    merges: list[tuple[str, int]], counts: dict[str, int], size: int
) -> None:
    pieces, frequencies = [piece for piece, _ in merges][:size], [count for _, count in merges][:size]
    options = SpOptions.from_kwargs(auto_character_coverage=True, byte_fallback=True, vocab_size=259 + size)
    found = cut_merges(pieces, frequencies, {ord(char): count for char, count in counts.items()}, options)
    kept, characters = sp_train.cut_merges(pieces, frequencies, counts, size)
    assert found == (pieces[:kept], characters)


def model_of(pieces: list[str], alphabet: list[str], **options: Any) -> ModelFile:
    return assemble(SpOptions.from_kwargs(**options), pieces, alphabet, b"")


def test_ids_and_scores() -> None:
    model = model_of(["ab"], ["a", "b"], vocab_size=5, pad_id=4, unk_id=1, eos_id=-1, bos_id=-1)
    assert [(text, str(score), type) for text, score, type in model.pieces] == [
        ("ab", "-0.0", PieceType.NORMAL),
        ("<unk>", "0.0", PieceType.UNKNOWN),
        ("a", "-1.0", PieceType.NORMAL),
        ("b", "-2.0", PieceType.NORMAL),
        ("<pad>", "0.0", PieceType.CONTROL),
    ]


def test_fields_are_those_that_were_given() -> None:
    options = {
        "hard_vocab_limit": False,
        "unk_surface": "",
        "user_defined_symbols": [],
        "add_dummy_prefix": False,
    }
    model = model_of(["ab"], ["a", "b"], **options)
    assert [*model.trainer.items()] == [
        ("model_type", 2),
        ("vocab_size", 6),
        ("hard_vocab_limit", False),
        ("unk_surface", ""),
    ]
    assert model.normalizer.name == "nmt_nfkc"
    assert (model.normalizer.add_dummy_prefix, model.normalizer.remove_extra_whitespaces) == (False, None)
    assert read_model(write_model(model), "again") == model


def test_size_that_is_not_reached() -> None:
    with pytest.raises(ConfigError, match="vocab_size=8,000 is more than this text gives, which is 6"):
        model_of(["ab"], ["a", "b"])
    with pytest.raises(ConfigError, match="gives 6 pieces in all, but '<unk>' has id 9"):
        model_of(["ab"], ["a", "b"], unk_id=9, hard_vocab_limit=False)
    with pytest.raises(ConfigError, match="'a' is a symbol, it cannot be in required_chars too"):
        model_of(["bb"], ["b", "a"], user_defined_symbols="a", hard_vocab_limit=False)


def test_vocab() -> None:
    model = model_of(["ab"], ["a", "b"], hard_vocab_limit=False)
    assert vocab_text(model) == "<unk>\t0\n<s>\t0\n</s>\t0\nab\t-0\na\t-1\nb\t-2\n"
    model = model_of(["ab"], ["a", "b"], hard_vocab_limit=False, vocabulary_output_piece_score=False)
    assert vocab_text(model) == "<unk>\n<s>\n</s>\nab\na\nb\n"


def test_scripts() -> None:
    classes = script_classes()
    assert len(classes) == CODE_POINTS
    assert script(0x1F600) == script(0x10FFFF) == script(0xD800) == "Common"
    assert (script(0x1401), script(0x13000), script(0x300)) == (
        "Canadian_Aboriginal",
        "Egyptian_Hieroglyphs",
        "Inherited",
    )
    assert len({classes[ord(char)] for char in "漢あアー"}) == 1
    assert len({classes[ord(char)] for char in "漢aα1"}) == 4


def test_table_of_scripts_is_as_generated() -> None:
    table = shared_data.shared_root() / "data" / "scripts-unicode-9.tsv"
    if not table.is_file():
        pytest.skip(f"{table} does not exist")
    tool = ROOT / "src_ext" / "tools" / "make_script_table.py"
    subprocess.run([sys.executable, str(tool), str(table), "--check"], check=True)
