"""The table of a model's pieces against plain Python: reading, faults, texts for the encoder."""

from __future__ import annotations

import pickle
import random
import struct
from array import array
from collections.abc import Sequence
from itertools import pairwise

import pytest
from sp_models import BYTES, random_pieces

from bpetk._piece_table import PieceTable, strings, texts_to_encode
from bpetk.interop.sentencepiece_checks import find_fault
from bpetk.interop.sentencepiece_model import (
    ModelFile,
    NormalizerSpec,
    Piece,
    PieceType,
    read_model,
    write_model,
)
from bpetk.interop.sentencepiece_pieces import PackedPieces

BLANK = "\u2581"
ASIDE, USED, UNUSED, WHOLE = range(4)


def table_of(pieces: Sequence[Piece]) -> PieceTable:
    table = PieceTable()
    for text, score, type in pieces:
        number = 0 if type == PieceType.NORMAL else int(type)
        table.add(text.encode("utf-8", "surrogateescape"), struct.pack("<f", score), number)
    return table


def usual_pieces(data: bytes, at: int) -> tuple[list[tuple[bytes, bytes, int]], int]:
    """Read pieces in the usual layout, the slow way."""
    found = []
    while at + 4 <= len(data) and data[at] == data[at + 2] == 0x0A:
        size, length = data[at + 1], data[at + 3]
        body = data[at + 2 : at + 2 + size]
        text, rest = body[2 : 2 + length], body[2 + length :]
        if size > 127 or len(body) < size or len(text) < length or rest[:1] != b"\x15":
            break
        if len(rest) == 5:
            number = 0
        elif len(rest) == 7 and rest[5] == 0x18 and 1 <= rest[6] <= 6:
            number = rest[6]
        else:
            break
        found.append((text, rest[1:5], number))
        at += 2 + size
    return found, at


@pytest.mark.parametrize("seed", range(30))
def test_reading_usual_pieces(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(100):
        parts = []
        for _ in range(rng.randrange(8)):
            text = rng.randbytes(rng.choice((0, 1, 2, 9, 110, 118, 119, 120, 121, 130)))
            kind = rng.choice((b"", b"", b"\x18" + bytes([rng.randrange(9)])))
            body = b"\n" + bytes([len(text)]) + text + b"\x15" + rng.randbytes(4) + kind
            parts.append(b"\n" + bytes([len(body)]) + body)
        data = bytearray(b"".join(parts))
        for _ in range(rng.choice((0, 0, 1, 3))):
            if data:
                data[rng.randrange(len(data))] = rng.choice((0, 7, 9, 0x0A, 0x15, 0x18, 0x7F, 0x80, 0xFF))
        data = data[: rng.randint(0, len(data))] if rng.random() < 0.4 else data
        start = rng.choice((0, 0, rng.randint(0, len(data)), len(data) + 3))
        table = PieceTable()
        stop = table.read(bytes(data), start)
        want, at = usual_pieces(bytes(data), start)
        blob, offsets, scores, written = table.parts()
        places = array("I", offsets)
        assert stop == at and len(table) == len(want)
        assert [blob[a:b] for a, b in pairwise(places)] == [text for text, _, _ in want]
        assert scores == b"".join(score for _, score, _ in want)
        assert written == bytes(number for _, _, number in want)


def is_sound(pieces: Sequence[Piece], byte_fallback: bool) -> bool:
    """The same question in Python, for BPE models."""
    try:
        for piece in pieces:
            piece.text.encode()
    except UnicodeEncodeError:
        return False
    nul = [Piece(t, s, PieceType.UNUSED if t == "\0" and byte_fallback else k) for t, s, k in pieces]
    return bool(pieces) and find_fault(nul, "bpe", byte_fallback) is None


@pytest.mark.parametrize("seed", range(20))
def test_soundness(seed: int) -> None:
    rng, answers = random.Random(seed), set()
    for _ in range(60):
        byte_fallback = rng.random() < 0.5
        pieces = random_pieces(rng, byte_fallback)
        for _ in range(rng.choice((0, 0, 1, 1, 2))):
            at = rng.randrange(len(pieces))
            text, score, type = pieces[at]
            odd = rng.choice(
                (
                    *(
                        Piece(t, score, type)
                        for t in ("", "\0", "a\0", "\udcff", "\udce4\udcb8", "<0x0g>", "<0x0A>")
                    ),
                    Piece("é" * 3999 + "xy"[: rng.randrange(3)], score, type),
                    Piece(text, float("nan"), type),
                    Piece(text, float("-inf"), type),
                    Piece(text, score, rng.choice(list(PieceType))),
                    rng.choice(pieces),
                )
            )
            pieces[at : at + rng.randrange(2)] = [odd]
        want = is_sound(pieces, byte_fallback)
        got = table_of(pieces).sound(byte_fallback=byte_fallback)
        two_nuls = sum(piece.text == "\0" for piece in pieces) > 1
        assert got == want or (two_nuls and want and not got), pieces
        answers.add(got)
    assert answers == {True, False}


def test_texts_cut_inside_a_character_are_not_sound() -> None:
    table = PieceTable()
    for text, number in ((b"<unk>", 2), (b"\xe4\xb8", 0), (b"\xad", 0)):
        table.add(text, b"", number)
    assert not table.sound(byte_fallback=False)
    with pytest.raises(UnicodeDecodeError):
        strings(table.parts()[0], array("I", table.parts()[1]))
    with pytest.raises(ValueError, match="four bytes"):
        table.add(b"a", b"123", 0)


def test_pieces_made_to_collide_end_soon() -> None:
    # More pieces than there may be probes, of lengths that the hash keeps apart or not: each still answers in time.
    pieces = [Piece("<unk>", 0.0, PieceType.UNKNOWN), *(Piece(f"{'x' * 50}{i}", 0.0) for i in range(20_000))]
    assert table_of(pieces).sound(byte_fallback=False)
    assert not table_of([*pieces, pieces[-1]]).sound(byte_fallback=False)


@pytest.mark.parametrize("fold", [False, True])
def test_texts_for_the_encoder(fold: bool) -> None:
    rng = random.Random(fold)
    for _ in range(200):
        texts = [
            "".join(rng.choices(["a", " ", BLANK, "\0", "\u2580", "é", "中"], k=rng.choice((0, 1, 1, 2, 4))))
            for _ in range(rng.randrange(9))
        ]
        given = bytearray(rng.randrange(4) for _ in texts)
        packed = PackedPieces.of([Piece(text, 0.0) for text in texts])
        kinds = bytearray(given)
        blob, offsets = texts_to_encode(packed.blob, packed.offsets, kinds, fold=fold)
        places = array("I", offsets)
        got = [blob[a:b].decode() for a, b in pairwise(places)]
        for text, kind, made, found in zip(texts, given, kinds, got, strict=True):
            never = text in ("", "\0") or (fold and " " in text)
            assert made == (ASIDE if never else kind)
            assert found == ("" if made == ASIDE else text.replace(BLANK, " ") if fold else text)
    with pytest.raises(ValueError, match="offsets"):
        texts_to_encode(b"ab", array("I", [0, 3]), bytearray(1), fold=fold)
    with pytest.raises(ValueError, match="offsets"):
        texts_to_encode(b"ab", array("I", [0, 2, 1]), bytearray(2), fold=fold)
    with pytest.raises(ValueError, match="a kind"):
        texts_to_encode(b"ab", array("I", [0, 1]), bytearray(2), fold=fold)
    assert texts_to_encode(b"", array("I", [0]), bytearray(), fold=fold) == (b"", bytes(4))


def test_packed_pieces_are_a_sequence_of_pieces() -> None:
    rng = random.Random(5)
    for _ in range(20):
        pieces = random_pieces(rng, byte_fallback=False)
        packed = PackedPieces.of(pieces)
        assert PackedPieces.of(packed) is packed
        assert [packed[id] for id in range(-len(pieces), len(pieces))] == [*pieces, *pieces]
        assert len(packed) == len(pieces) and "all" not in vars(packed)
        for wrong in (len(pieces), -len(pieces) - 1):
            with pytest.raises(IndexError):
                packed[wrong]
        for type in PieceType:
            ids = [id for id, piece in enumerate(pieces) if piece.type == type]
            assert packed.ids(type) == ids and packed.first(type) == (ids[0] if ids else None)
        for id, (text, _, type) in enumerate(pieces):
            assert packed.first(type, text) == id and list(packed.only(text.encode())) == [id]
        assert packed.first(PieceType.NORMAL, "no such piece") is None
        assert packed.first(PieceType.NORMAL, "\udcff") is None
        copy = pickle.loads(pickle.dumps(packed))
        assert copy == packed == tuple(pieces) and tuple(pieces) == packed and packed == pieces
        assert packed != pieces[:-1] and packed != 5 and copy != PackedPieces.of(pieces[1:])
        assert list(packed) == pieces and packed[1:3] == tuple(pieces[1:3]) and hash(copy) == hash(packed)
        assert repr(packed) == repr(tuple(pieces)) and packed[-1] == pieces[-1]


def test_a_model_that_is_read_does_not_make_its_pieces() -> None:
    pieces = [
        Piece("<unk>", 0.0, PieceType.UNKNOWN),
        *BYTES,
        Piece("\0", 0.5),
        Piece("</s>", 0.0, PieceType.CONTROL),
    ]
    model = ModelFile(pieces, {"model_type": 2, "byte_fallback": True}, NormalizerSpec("identity", b""))
    data = write_model(model)
    found = read_model(data, "m")
    assert (found.unk_id, found.bos_id, found.eos_id) == (0, None, len(pieces) - 1)
    assert found.pieces[257].type is PieceType.UNUSED
    assert "all" not in vars(found.pieces)
    assert write_model(found) == data and pickle.loads(pickle.dumps(found)) == found
