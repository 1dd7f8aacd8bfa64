"""Small random models of SentencePiece, written by bpetk, and their twin in plain Python."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from functools import lru_cache

from bpetk.interop.sentencepiece_fields import Value
from bpetk.interop.sentencepiece_model import ModelFile, NormalizerSpec, Piece, PieceType, require_bpe
from bpetk.reference.sp_encode import Model, Normalization
from bpetk.reference.sp_normalize import CompiledMap

BLANK = "\u2581"
LETTERS = ["a", "b", "c", BLANK, "é", "中", "国", "😀", "\u0301", " ", "<", "s", ">", "\t"]
BYTES = [Piece(f"<0x{byte:02X}>", 0.0, PieceType.BYTE) for byte in range(256)]


def float32(value: float) -> float:
    """Round to 32 bits."""
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


@lru_cache(maxsize=64)
def compiled_map(blob: bytes) -> CompiledMap:
    """Make a map, or give the one made before; raise ValueError if it is malformed."""
    return CompiledMap(blob)


def twin_normalization(spec: NormalizerSpec) -> Normalization:
    """Give a normalizer of a file as the twin takes it."""
    return Normalization(
        compiled_map(spec.precompiled) if spec.precompiled else None,
        spec.adds_dummy_prefix,
        spec.removes_extra_whitespaces,
        spec.escapes_whitespaces,
    )


def twin(model: ModelFile) -> Model:
    """Give a model file as the twin takes it."""
    require_bpe(model, "model")
    after = model.denormalizer
    return Model(
        [(text, score, int(type)) for text, score, type in model.pieces],
        byte_fallback=model.byte_fallback,
        bos=str(model.setting("bos_piece") or "<s>"),
        eos=str(model.setting("eos_piece") or "</s>"),
        unk_surface=str(model.setting("unk_surface")).encode("utf-8", "surrogateescape"),
        normalization=twin_normalization(model.normalizer),
        denormalization=twin_normalization(after) if after is not None and after.precompiled else None,
        suffix=model.setting("treat_whitespace_as_suffix") is True,
    )


def _scores(rng: random.Random, count: int) -> list[float]:
    style = rng.randrange(5)
    if style == 0:  # as trained
        return [-float(i) for i in range(count)]
    if style == 1:  # many are equal
        return [rng.choice((0.0, -0.0, -1.0)) for _ in range(count)]
    if style == 2:
        return [rng.choice((1.5, 0.0, -0.0, -2.0, float("inf"), float("-inf"))) for _ in range(count)]
    if style == 3:
        return [float32(rng.gauss(0, 3)) for _ in range(count)]
    return [float32(-rng.random() * 10 ** rng.randint(-40, 30)) for _ in range(count)]


def random_pieces(rng: random.Random, byte_fallback: bool) -> list[Piece]:
    """Give pieces: strings that are put together from each other, of any type."""
    letters = rng.sample(LETTERS, rng.randint(1, len(LETTERS)))
    texts = list(letters)
    for _ in range(rng.randint(0, 40)):
        texts.append("".join(rng.choices(texts, k=rng.choice((2, 2, 2, 3)))))
    texts = [text for text in dict.fromkeys(texts) if len(text) < 30]
    if rng.random() < 0.7:  # not all letters are pieces
        texts = [text for text in texts if len(text) > 1 or rng.random() < 0.8]
    rng.shuffle(texts)
    kinds = rng.choice(
        (
            [PieceType.NORMAL],
            [PieceType.NORMAL] * 3 + [PieceType.UNUSED],
            [PieceType.NORMAL] * 5 + [PieceType.UNUSED, PieceType.USER_DEFINED, PieceType.CONTROL],
            [PieceType.NORMAL, PieceType.UNUSED, PieceType.UNUSED],
        )
    )
    scores = _scores(rng, len(texts))
    pieces = [Piece(text, score, rng.choice(kinds)) for text, score in zip(texts, scores, strict=True)]
    unk = rng.choice(("<unk>", "U", "zz"))
    special = [Piece(unk, rng.choice((0.0, -1.0)), PieceType.UNKNOWN)]
    if byte_fallback and rng.random() < 0.2:
        special = []
    special += [
        Piece(text, 0.0, PieceType.CONTROL) for text in ("<s>", "</s>", "<pad>") if rng.random() < 0.8
    ]
    if byte_fallback:
        special += BYTES
        if rng.random() < 0.2:
            types = PieceType.NORMAL, PieceType.CONTROL, PieceType.USER_DEFINED, PieceType.UNUSED
            special.append(Piece("\0", 0.0, rng.choice(types)))
    known = {piece.text for piece in special}
    return [*special, *(piece for piece in pieces if piece.text not in known)]


def random_model(
    rng: random.Random, maps: Sequence[bytes] = (), flags: Sequence[bool | None] = ()
) -> ModelFile:
    """Give a BPE model that the library loads.

    Parameters
    ----------
    rng
        The source of chance.
    maps
        Compiled maps to choose from.
    flags
        The three flags of the normalizer; without any they are random.
    """
    byte_fallback = rng.random() < 0.4
    trainer: dict[str, Value] = {"model_type": 2}
    if byte_fallback:
        trainer["byte_fallback"] = True
    if rng.random() < 0.25:
        trainer["treat_whitespace_as_suffix"] = True
    if rng.random() < 0.25:
        trainer["unk_surface"] = rng.choice(("", "?", BLANK, " ", "a\0b"))
    if rng.random() < 0.1:
        trainer["bos_piece"] = rng.choice(("", "</s>", "<pad>", "a"))
    flags = flags or [rng.choice((None, True, False)) for _ in range(3)]
    rules = rng.choice((None, b"", *maps))
    after = None
    if rng.random() < 0.2:
        others = [rng.choice((None, True, False)) for _ in range(3)]
        after = NormalizerSpec(None, rng.choice((None, b"", *maps)), *others)
    return ModelFile(random_pieces(rng, byte_fallback), trainer, NormalizerSpec("x", rules, *flags), after)


def random_text(rng: random.Random, model: ModelFile) -> bytes:
    """Give a text of letters, pieces and other things, now and then with bytes that are no character."""
    parts: list[bytes] = []
    ordinary = [piece.text.encode() for piece in model.pieces if piece.type != PieceType.BYTE]
    for _ in range(rng.choice((0, 1, 3, 8, 20))):
        choice = rng.random()
        if choice < 0.4:
            parts.append(rng.choice(LETTERS).encode())
        elif choice < 0.7:
            parts.append(rng.choice(ordinary))
        elif choice < 0.8:
            parts.append(b" " * rng.randint(1, 3))
        elif choice < 0.9:
            parts.append(rng.choice("xyzＡｶﾞ㍿\u3000\u200b\0\x1f\u2585\ufffd\ufeff").encode())
        elif choice < 0.97:
            parts.append(rng.choice(LETTERS).encode() * rng.randint(2, 9))
        else:
            parts.append(bytes([rng.randrange(256)]))
    return b"".join(parts)


_ODD = (b"\xff" * 9 + b"\x01", b"\xff\xff\xff\xff\x07", b"\x80\x80\x80\x80\0", b"\n\0", b"\x12\0", b"\x1a\0")


def mutated(rng: random.Random, data: bytes, start: int = 0) -> bytes:
    """Change bytes from a position on, take some away, put some in, double some."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        at = rng.randrange(min(start, len(found) - 1), len(found))
        choice = rng.random()
        if choice < 0.35:
            found[at] = rng.randrange(256)
        elif choice < 0.55:
            found[at] ^= 1 << rng.randrange(8)
        elif choice < 0.65:
            found[at] = rng.choice(b"\x00\x01\x0a\x0b\x0c\x0d\x0e\x12\x15\x18\x1a\x7f\x80\xff")
        elif choice < 0.75 and len(found) > 30:
            del found[at : at + rng.choice((1, 1, 2, 5, 20))]
        elif choice < 0.85:
            found[at:at] = rng.randbytes(rng.choice((1, 1, 2, 5)))
        elif choice < 0.92:
            other = rng.randrange(len(found))
            found[at:at] = found[other : other + rng.choice((1, 5, 12, 40))]
        else:
            found[at:at] = rng.choice(_ODD)
    return bytes(found)
