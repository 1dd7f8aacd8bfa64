"""Model files of SentencePiece: what is read from them, what is written, what is refused and why."""

from __future__ import annotations

import pickle
import random
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sp_zoo
from sp_models import mutated

from bpetk.errors import ConfigError, ModelFileError
from bpetk.interop.sentencepiece_model import (
    ModelFile,
    NormalizerSpec,
    Piece,
    PieceForm,
    PieceType,
    looks_like_model,
    read_model,
    require_bpe,
    write_model,
)
from bpetk.interop.wire_format import tagged, varint

PIECES = [
    Piece("<unk>", 0.0, PieceType.UNKNOWN),
    Piece("<s>", 0.0, PieceType.CONTROL),
    Piece("\u2581a", -0.0),
    Piece("中国", -1.5, PieceType.USER_DEFINED),
    Piece("long " * 40, -3.0, PieceType.UNUSED),
]
BYTES = [Piece(f"<0x{byte:02X}>", 0.0, PieceType.BYTE) for byte in range(256)]
MODEL = ModelFile(
    PIECES,
    {"input": ("a.txt", "b"), "model_type": 2, "character_coverage": 0.5, "pad_id": -1, "unk_surface": " ? "},
    NormalizerSpec("identity", b"", remove_extra_whitespaces=False),
    NormalizerSpec("back", b"abc", False, False, False, "rules.tsv"),
)


def number(field: int, value: int) -> bytes:
    """Write a field that is a number."""
    return varint(field << 3) + varint(value)


def piece(text: bytes, score: float = 0.0, type: int = 1, more: bytes = b"") -> bytes:
    """Write a piece by hand."""
    return tagged(1, tagged(1, text) + b"\x15" + struct.pack("<f", score) + number(3, type) + more)


def model(*pieces: bytes, trainer: bytes = b"", more: bytes = b"") -> bytes:
    """Write a BPE model by hand."""
    return b"".join(pieces) + tagged(2, number(3, 2) + trainer) + tagged(3, b"") + more


UNK, ALL_BYTES = piece(b"<unk>", type=2), b"".join(piece(p.text.encode(), type=6) for p in BYTES)


def test_what_is_written_is_read_again() -> None:
    data = write_model(MODEL)
    read = read_model(data, "f")
    assert replace(read, odd_pieces={}) == replace(MODEL, pieces=tuple(PIECES)) and not read.odd_pieces
    assert [struct.pack("<f", p.score) for p in read.pieces] == [struct.pack("<f", p.score) for p in PIECES]
    assert write_model(read) == data and write_model(pickle.loads(pickle.dumps(read))) == data


def test_the_bytes_are_those_of_the_format() -> None:
    small = ModelFile(
        [Piece("<unk>", 0.0, PieceType.UNKNOWN), Piece("a", -0.0)],
        {"pad_id": -1, "model_type": 2},  # fields are written by number, not as given
        NormalizerSpec("identity", b"", True),
    )
    assert write_model(small) == (
        b"\n\x0e\n\x05<unk>\x15\0\0\0\0\x18\x02"  # types other than NORMAL
        b"\n\x08\n\x01a\x15\0\0\0\x80"  # scores always, with their sign
        b"\x12\x0e\x18\x02\xd8\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
        b"\x1a\x0e\n\x08identity\x12\0\x18\x01"
    )


def test_what_a_file_does_not_have_is_not_given_but_has_a_default() -> None:
    read = read_model(model(UNK), "f")
    assert dict(read.trainer) == {"model_type": 2} and read.denormalizer is None
    assert (read.setting("vocab_size"), read.setting("bos_piece"), read.byte_fallback) == (8000, "<s>", False)
    assert read.normalizer == NormalizerSpec()
    spec = read.normalizer
    assert spec.adds_dummy_prefix and spec.removes_extra_whitespaces and spec.escapes_whitespaces
    spec = read_model(write_model(MODEL), "f").normalizer
    assert spec.adds_dummy_prefix and not spec.removes_extra_whitespaces and spec.escapes_whitespaces
    with pytest.raises(KeyError):
        read.setting("vocabulary")


def test_ids_of_special_pieces_are_found_by_text_and_type() -> None:
    pieces = [piece(b"a", type=1), UNK, piece(b"</s>", type=4), piece(b"<s>", type=3), piece(b"B", type=3)]

    def ids(trainer: bytes) -> tuple[int | None, ...]:
        m = read_model(model(*pieces, trainer=trainer), "f")
        return m.unk_id, m.bos_id, m.eos_id, m.pad_id

    # The fields bos_id and so on are not asked, and a piece of another type will not do.
    assert ids(b"") == ids(number(41, 7)) == ids(tagged(46, b"")) == (1, 3, None, None)
    assert ids(tagged(46, b"B") + tagged(48, b"<s>")) == (1, 4, None, 3)
    assert ids(tagged(46, b"a")) == (1, None, None, None)
    assert read_model(model(ALL_BYTES, trainer=number(35, 1)), "f").unk_id is None


def test_fields_in_any_order_and_twice() -> None:
    trainer = number(4, 5) + tagged(1, b"x") + number(4, 2**32 + 9) + tagged(1, b"y") + number(24, 2**40)
    data = (
        tagged(3, number(3, 0))
        + tagged(2, trainer)
        + UNK
        + tagged(2, number(3, 2))
        + tagged(3, tagged(1, b"n"))
    )
    read = read_model(data, "f")
    assert list(read.trainer.items()) == [
        ("input", ("x", "y")),
        ("model_type", 2),
        ("vocab_size", 9),
        ("treat_whitespace_as_suffix", True),
    ]
    assert read.normalizer == NormalizerSpec("n", add_dummy_prefix=False)
    inner = tagged(1, b"x") + tagged(1, b"y") + number(3, 2) + number(4, 9) + number(24, 1)
    assert write_model(read) == UNK + tagged(2, inner) + tagged(3, tagged(1, b"n") + number(3, 0))


def test_what_this_version_does_not_know_is_kept() -> None:
    group = varint(9 << 3 | 3) + number(1, 300) + varint(9 << 3 | 4)
    odd = piece(b"q", 2.0, 3, tagged(7, b"xy") + group)
    data = model(UNK, odd, trainer=tagged(99, b"z") + number(250, 3), more=tagged(4, b"tests") + group)
    read = read_model(data, "f")
    assert read.odd_pieces == {1: PieceForm(extra=tagged(7, b"xy") + group)}
    assert (read.trainer_extra, read.extra) == (
        tagged(99, b"z") + number(250, 3),
        tagged(4, b"tests") + group,
    )
    assert write_model(read) == data
    # A field that has another layout than it should have is one that is not known; so is a type that there is not.
    data = model(UNK, tagged(1, tagged(1, b"q") + number(2, 5) + number(3, 77)), trainer=tagged(4, b"9"))
    read = read_model(data, "f")
    assert read.pieces[1] == Piece("q", 0.0) and dict(read.trainer) == {"model_type": 2}
    assert read.odd_pieces[1] == PieceForm(score=False, extra=number(2, 5) + number(3, 77))
    assert write_model(read) == data


def test_odd_forms_of_pieces_are_written_until_they_are_wrong() -> None:
    data = model(UNK, piece(b"q", 0.0, 1), tagged(1, tagged(1, b"r")))
    read = read_model(data, "f")
    assert read.pieces[1:] == (Piece("q", 0.0), Piece("r", 0.0))
    assert read.odd_pieces == {1: PieceForm(type=1), 2: PieceForm(score=False)}
    assert write_model(read) == data
    changed = [read.pieces[0], Piece("q", 1.0, PieceType.CONTROL), Piece("r", -0.0)]
    usual = [piece(b"q", 1.0, 3), tagged(1, tagged(1, b"r") + b"\x15\0\0\0\x80")]
    assert write_model(replace(read, pieces=changed)) == model(UNK, *usual)


@pytest.mark.parametrize("type", range(1, 7))
def test_a_piece_that_is_a_nul_is_unused_but_written_as_it_was(type: int) -> None:
    usual = tagged(1, tagged(1, b"\0") + b"\x15\0\0\0\0" + (number(3, type) if type > 1 else b""))
    for nul in (usual, piece(b"\0", 0.0, type)):
        data = model(UNK, nul, nul, ALL_BYTES, trainer=number(35, 1))
        read = read_model(data, "f")
        assert read.pieces[1:3] == (Piece("\0", 0.0, PieceType.UNUSED),) * 2
        assert read.unk_id == 0 and write_model(read) == data


BYTE = piece(b"<0x00>", type=6)
FALLBACK = number(35, 1)
MALFORMED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "no pieces: the file is empty"),
    "without pieces": (tagged(2, number(3, 2)), "no pieces"),
    "without trainer": (UNK, r"no trainer_spec \(field 2\)"),
    "no text": (model(UNK, piece(b"")), r"piece 1 \(byte 16\): it has no text"),
    "field missing": (model(UNK, tagged(1, b"\x15\0\0\0\0")), "piece 1 .*it has no text"),
    "long": (model(UNK, piece(b"x" * 8000)), "piece 1 .*8000 bytes, and the library takes at most 7999"),
    "long, not ASCII": (model(UNK, piece("中".encode() * 2667)), "piece 1 .*8001 bytes"),
    "not UTF-8": (model(UNK, piece(b"a\xff")), r"piece 1 \(byte 16\): its text b'a\\xff' is not UTF-8"),
    "surrogate": (model(UNK, piece(b"\xed\xa0\x80")), "piece 1 .*not UTF-8"),
    "NUL": (model(UNK, piece(b"\0")), "piece 1 .*NUL"),
    "NUL inside": (model(UNK, ALL_BYTES, piece(b"a\0"), trainer=FALLBACK), "piece 257 .*NUL"),
    "NaN": (model(UNK, piece(b"a", float("nan"))), "piece 1 .*not a number"),
    "twice": (model(UNK, piece(b"a"), piece(b"a", 1.0)), "piece 2 .*'a' is that of piece 1"),
    "twice, control": (model(UNK, piece(b"a"), piece(b"a", type=3)), "piece 2 .*'a' is that of piece 1"),
    "two unknown": (model(UNK, piece(b"b", type=2)), "piece 1 .*unknown piece.* so is piece 0"),
    "no unknown": (model(piece(b"b")), "no piece is the unknown one"),
    "byte alone": (model(UNK, BYTE), "piece 1 .*it is a byte .*byte_fallback is not set"),
    "odd byte": (
        model(UNK, piece(b"<0xff>", type=6), trainer=FALLBACK),
        "piece 1 .*'<0xff>'; expected <0x00> to",
    ),
    "byte missing": (model(UNK, BYTE, trainer=FALLBACK), "no byte <0x01>"),
    "unigram, infinite": (
        UNK + piece(b"a", float("-inf")) + tagged(2, b""),
        "piece 1 .*-inf, which a unigram",
    ),
    "unigram, empty": (UNK + tagged(2, b""), "unigram model without an ordinary piece"),
    "trainer NaN": (
        model(UNK, trainer=b"\x55\0\0\xc0\x7f"),
        "byte 20: trainer_spec.character_coverage is not a number",
    ),
    "field 0": (model(UNK, more=b"\0"), "byte 22: a field with the number 0"),
    "layout 6": (model(UNK, more=b"\x0e"), "byte 22: a value of layout 6"),
    "tag cut": (model(UNK, more=b"\x80"), "byte 22: the file ends inside a number"),
    "tag long": (model(UNK, more=b"\x88\x80\x80\x80\x80\0\1"), "byte 22: a number has more than 5 bytes"),
    "number long": (
        model(UNK, more=b"\x78" + b"\xff" * 10 + b"\1"),
        "byte 23: a number has more than 10 bytes",
    ),
    "fixed cut": (model(UNK, more=b"\x7d\0\0\0"), "byte 22: a value of 4 bytes, of which only 3 are there"),
    "fixed64 cut": (model(UNK, more=b"\x79\0"), "byte 22: a value of 8 bytes, of which only 1 are there"),
    "bytes cut": (
        model(UNK, more=b"\x7a\5abc"),
        "byte 23: a value of 5 bytes, where the file has only 3 more",
    ),
    "2 GB": (model(UNK, more=b"\x7a\xff\xff\xff\xff\x07abc"), "byte 23: a value of 2147483647 bytes"),
    "32 GB": (model(UNK, more=b"\x0a\xff\xff\xff\xff\x7fabc"), "byte 23: a value of 34359738367 bytes"),
    "piece beyond": (
        tagged(1, b"\x0a\5<unk>\x1a\x7f"),
        "byte 10: a value of 127 bytes, where the file has only 0",
    ),
    "inside trainer": (
        UNK + tagged(2, b"\x22\5ab") + b"\x1a\0",
        "byte 19: .*where the message around it has only 2",
    ),
    "number crosses": (UNK + tagged(2, b"\x20\x80") + b"\x1a\0", "byte 19: a number goes beyond its message"),
    "group end": (model(UNK, more=b"\x7c"), "byte 22: the end of group 15, which did not begin"),
    "group open": (model(UNK, more=b"\x7b"), "byte 23: group 15 does not end"),
    "groups cross": (model(UNK, more=b"\x7b\x6c"), "byte 23: the end of group 13"),
    "groups deep": (
        model(UNK, more=b"\x7b" * 101 + b"\x7c" * 101),
        "groups stand in each other more than 100 deep",
    ),
    "groups endless": (model(UNK, more=b"\x7b" * 100_000), "groups stand in each other"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_files_are_refused_with_place_and_reason(name: str) -> None:
    data, message = MALFORMED[name]
    with pytest.raises(ModelFileError, match=rf"^dir/x\.model: .*{message}"):
        read_model(data, "dir/x.model")


def test_what_is_just_allowed() -> None:
    read_model(model(UNK, piece(b"x" * 7999)), "f")
    read_model(model(UNK, more=b"\x7b" * 100 + b"\x7c" * 100), "f")
    read_model(model(UNK, more=b"\x88\x80\x80\x80\0\1" + b"\x78" + b"\xff" * 9 + b"\x7f"), "f")
    read_model(model(UNK, piece(b"a", float("-inf")), piece(b"b", float("inf"))), "f")
    apart = read_model(UNK + piece(b"a") + piece(b"a", type=3) + tagged(2, b""), "f")
    assert apart.model_type == "unigram"


def test_every_truncation_is_refused() -> None:
    data = model(*(piece(p.text.encode(), p.score, p.type) for p in PIECES), trainer=number(4, 5))
    for end in range(len(data)):
        cut_between_fields = end == len(data) - 2  # the empty normalizer's message is missing
        if cut_between_fields:
            assert not read_model(data[:end], "f").has_normalizer
            continue
        with pytest.raises(ModelFileError):
            read_model(data[:end], "f")


def test_mutations_are_refused_or_read_and_written_stably() -> None:
    rng = random.Random(11)
    data = model(
        *(piece(p.text.encode(), p.score, p.type) for p in PIECES), trainer=number(4, 5), more=tagged(9, b"a")
    )
    refused = 0
    for _ in range(3000):
        try:
            read = read_model(mutated(rng, data), "f")
        except ModelFileError:
            refused += 1
            continue
        written = write_model(read)
        assert write_model(read_model(written, "f")) == written
    assert 1000 < refused < 2900


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pieces": []}, "without pieces"),
        ({"pieces": [Piece("a", 0.0)]}, "no piece is the unknown one"),
        ({"pieces": [PIECES[0], Piece("a\ud800", 0.0)]}, "piece 1 cannot be written"),
        ({"pieces": [PIECES[0], Piece("a", 1e39)]}, "piece 1 cannot be written"),
        ({"pieces": [PIECES[0], Piece("a", float("nan"))]}, "piece 1: its score is not a number"),
        ({"trainer": {"vocab": 3}}, "trainer_spec has no field 'vocab'; expected one of: input, "),
        (
            {"trainer": {"vocab_size": 2**31}},
            "trainer_spec.vocab_size is 2147483648: expected an integer of 32 bits",
        ),
        ({"trainer": {"vocab_size": "8"}}, "trainer_spec.vocab_size is '8'"),
        ({"trainer": {"vocab_size": True}}, "trainer_spec.vocab_size is True"),
        ({"trainer": {"byte_fallback": 1}}, "byte_fallback is 1: expected True or False"),
        ({"trainer": {"input_sentence_size": -1}}, "input_sentence_size is -1"),
        ({"trainer": {"model_type": 5}}, "model_type is 5: expected 1 to 4"),
        ({"trainer": {"input": "a"}}, "input is 'a': expected a sequence of str"),
        ({"trainer": {"character_coverage": "1"}}, "character_coverage is '1': expected a number"),
        ({"trainer": {"character_coverage": 1e39}}, "beyond the numbers of 32 bits"),
        ({"trainer": {"model_prefix": "\ud800"}}, "model_prefix has a lone surrogate at position 0"),
        ({"normalizer": NormalizerSpec("x", "y")}, "normalizer_spec.precompiled is 'y': expected bytes"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_written_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        write_model(replace(MODEL, **change))


def test_text_that_is_not_utf8_outside_of_pieces_is_kept() -> None:
    data = model(UNK, trainer=tagged(44, b"a\xffb"))
    read = read_model(data, "f")
    assert read.setting("unk_surface") == "a\udcffb" and write_model(read) == data


def test_models_are_told_from_other_files_by_their_beginning() -> None:
    data = write_model(MODEL)
    assert looks_like_model(data) and looks_like_model(data[:17]) and looks_like_model(data[:9000])
    assert looks_like_model(model(tagged(1, tagged(1, b"r")), UNK))
    for other in (
        b"",
        b"\n",
        b"\n\n\n",
        b"\n\x0e\n\x05<un",
        b'{"model": 1}',
        b"IQ== 0\n",
        b"\n# text\n",
        bytes(50),
    ):
        assert not looks_like_model(other)
    assert not looks_like_model(UNK + b"\xff") and not looks_like_model(tagged(1, tagged(9, b"r")) + UNK)


# --- real files -------------------------------------------------------------------------------------------------------


def test_the_zoo_lists_every_model_file(shared_file: Callable[[str], Path]) -> None:
    shared_file("tokenizers/llama2/tokenizer.model")  # skips where there is no shared data
    assert [model.path for model in sorted(sp_zoo.MODELS, key=lambda model: model.path)] == sp_zoo.files()


@pytest.mark.parametrize("entry", sp_zoo.MODELS, ids=lambda entry: entry.name)
def test_real_files_come_out_as_they_went_in(
    entry: sp_zoo.SpModel, shared_file: Callable[[str], Path]
) -> None:
    data = entry.data(shared_file)
    read = read_model(data, entry.path)
    assert (read.model_type, len(read.pieces)) == (entry.kind, entry.pieces)
    assert write_model(read) == data
    assert looks_like_model(data) and looks_like_model(data[:9000])
    if entry.kind == "bpe":
        require_bpe(read, entry.path)
    else:
        with pytest.raises(ModelFileError, match=rf"^{entry.path}: is a unigram model .*; only BPE models"):
            require_bpe(read, entry.path)
