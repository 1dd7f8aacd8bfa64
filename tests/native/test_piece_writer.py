"""`write_pieces` and `write_lines` against the writer of whole models and the text of the vocabulary."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpetk._piece_writer import write_lines, write_pieces
from bpetk.interop.sentencepiece_model import ModelFile, NormalizerSpec, Piece, PieceType, write_model
from bpetk.interop.wire_format import tagged
from bpetk.sp_files import LearnedPieces
from bpetk.sp_model import assemble, piece_line, vocab_text
from bpetk.sp_options import SpOptions

TEXTS = st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=9), unique=True, max_size=40)


def message(text: str, rank: int) -> bytes:
    return tagged(1, tagged(1, text.encode()) + b"\x15" + struct.pack("<f", -float(rank)))


@given(texts=TEXTS, bounds=st.tuples(st.integers(0, 40), st.integers(0, 40)))
def test_stretches(texts: list[str], bounds: tuple[int, int]) -> None:
    start, stop = sorted(min(bound, len(texts)) for bound in bounds)
    rows = list(enumerate(texts))[start:stop]
    assert write_pieces(texts, start, stop) == b"".join(message(text, rank) for rank, text in rows)
    for scores in (False, True):
        lines = "".join(piece_line(text, -float(rank), scores) for rank, text in rows)
        assert write_lines(texts, start, stop, scores) == lines.encode()


def test_lengths_and_scores_of_every_size() -> None:
    """One more byte of a length at 128 and 16,384; an exponent from a million on; not every rank is a float."""
    lengths = [1, 110, 120, 121, 127, 128, 129, 16_370, 16_376, 16_377, 16_383, 16_384, 70_000]
    for texts in ([char * n for n in lengths] for char in "a漢\U0001f600"):
        expected = b"".join(message(text, rank) for rank, text in enumerate(texts))
        assert write_pieces(texts, 0, len(texts)) == expected
    texts = ["a"] * ((1 << 24) + 3)
    for rank in (
        0,
        1,
        9,
        10,
        999_999,
        1_000_000,
        1_000_001,
        1_234_565,
        1 << 24,
        (1 << 24) + 1,
        (1 << 24) + 2,
    ):
        assert write_pieces(texts, rank, rank + 1) == message("a", rank)
        assert write_lines(texts, rank, rank + 1, True) == piece_line("a", -float(rank), True).encode()


def test_what_is_no_stretch_or_no_text() -> None:
    for start, stop in ((-1, 1), (1, 0), (0, 3)):
        with pytest.raises(IndexError):
            write_pieces(["a", "b"], start, stop)
    with pytest.raises(UnicodeEncodeError):
        write_pieces(["\ud800"], 0, 1)
    with pytest.raises(TypeError):
        write_lines([b"a"], 0, 1, True)  # type: ignore[list-item]


@settings(max_examples=60)
@given(
    texts=TEXTS,
    ids=st.permutations([*range(8), 20, -1]).filter(lambda ids: ids[0] >= 0),
    scores=st.booleans(),
    fallback=st.booleans(),
)
def test_files_are_those_of_the_assembled_model(
    texts: list[str], ids: list[int], scores: bool, fallback: bool
) -> None:
    names = ("unk", "bos", "eos", "pad")
    symbols = [f"\x01{number}" for number in range(max(0, ids[5]))]
    options = SpOptions.from_kwargs(
        **{f"{name}_id": id for name, id in zip(names, ids, strict=False)},
        control_symbols=symbols, hard_vocab_limit=False, vocab_size=1000, byte_fallback=fallback,
        vocabulary_output_piece_score=scores, model_prefix="x",
    )  # fmt: skip
    learned = [text for text in texts if "\0" not in text and not text.startswith("\x01")]
    learned += [f"\x02{number}" for number in range(30)]
    whole = assemble(options, learned, ["\x03", "\x04"], b"map", "name")
    quick = LearnedPieces(options, [*learned, "\x03", "\x04"], b"map", "name")
    assert quick.model_bytes() == write_model(whole)
    assert quick.vocab_bytes() == vocab_text(whole).encode()
    assert len(quick) == len(whole.pieces)
    other = ModelFile(whole.pieces, {**whole.trainer, "model_prefix": "y"}, whole.normalizer)
    assert quick.model_bytes("y") == write_model(other)


def test_a_fixed_piece_that_no_model_may_have() -> None:
    unknown = Piece("<unk>", 0.0, PieceType.UNKNOWN)
    long = Piece("x" * 8000, 0.0, PieceType.USER_DEFINED)
    pieces = [unknown, Piece("a", -0.0), long]
    with pytest.raises(ValueError, match="piece 2: its text has 8000 bytes"):
        write_model(ModelFile(pieces, {"model_type": 2}, NormalizerSpec("identity")))
    options = SpOptions.from_kwargs(
        bos_id=-1, eos_id=5, eos_piece="x" * 8000, hard_vocab_limit=False, normalization_rule_name="identity"
    )
    with pytest.raises(ValueError, match="piece 5: its text has 8000 bytes"):
        LearnedPieces(options, list("abcdef"), b"", "identity").model_bytes()
