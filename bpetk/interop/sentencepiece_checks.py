"""What SentencePiece 0.2.3 refuses to load: the pieces of a model, looked through for the first fault."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from operator import ne

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
"""Types of pieces, by the numbers that they have in files."""

_MAX_PIECE = 7999  # bytes
_BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
_ORDINARY = frozenset((NORMAL, USER_DEFINED, UNUSED))

Fault = tuple[int, str]
"""Id of a piece, -1 for the model as a whole, and what is wrong."""
Pieces = Sequence[tuple[str, float, int]]
"""Text, score and type of each."""


def find_fault(pieces: Pieces, model_type: str, byte_fallback: bool) -> Fault | None:
    """Find why the library would not load a model.

    Scores that are not numbers are a fault here, though BPE models may have them there.

    Parameters
    ----------
    pieces
        All of them, at least one.
    model_type
        ``"unigram"``, ``"bpe"``, ``"word"`` or ``"char"``.
    byte_fallback
        Whether characters that are no piece become bytes.

    Returns
    -------
    tuple[int, str] | None
        Id of a piece, -1 for the model as a whole, and what is wrong; None if nothing is.

    Examples
    --------
    >>> find_fault([("<unk>", 0.0, 2), ("a", -1.0, 1), ("a", -2.0, 3)], "bpe", False)
    (2, "its text 'a' is that of piece 1")
    """
    return (
        _find_odd_text(pieces, byte_fallback)
        or _find_twin(pieces, apart=model_type != "bpe")
        or _find_odd_score(pieces, model_type)
        or _find_wrong_types(pieces, model_type, byte_fallback)
    )


def _find_odd_text(pieces: Pieces, byte_fallback: bool) -> Fault | None:
    texts = [text for text, _, _ in pieces]
    if all(texts) and "\0" not in "".join(texts) and max(map(len, texts)) <= _MAX_PIECE // 4:
        return None  # as a rule; the rest finds the place
    for id, (text, _, _) in enumerate(pieces):
        if not text:
            return id, "it has no text"
        if len(text) > _MAX_PIECE // 4 and len(text.encode()) > _MAX_PIECE:
            return id, f"its text has {len(text.encode())} bytes, and the library takes at most {_MAX_PIECE}"
        if "\0" in text and (text != "\0" or not byte_fallback):
            return (
                id,
                f"its text {text[:60]!r} has a NUL, which only a piece of its own may be, with byte_fallback",
            )
    return None


def _find_twin(pieces: Pieces, apart: bool) -> Fault | None:
    """Find a text that two pieces have; in BPE models at all, else among the ordinary ones or among the others."""
    if len({text for text, _, _ in pieces}) == len(pieces):
        return None
    seen: dict[tuple[str, bool], int] = {}
    for id, (text, _, type) in enumerate(pieces):
        key = text, apart and type in _ORDINARY
        if seen.setdefault(key, id) != id and text != "\0":
            return id, f"its text {text[:60]!r} is that of piece {seen[key]}"
    return None


def _find_odd_score(pieces: Pieces, model_type: str) -> Fault | None:
    _, scores, _ = zip(*pieces, strict=True)
    if any(map(ne, scores, scores)):
        return list(map(ne, scores, scores)).index(True), "its score is not a number (NaN)"
    if model_type == "unigram" and not all(map(isfinite, scores)):
        id = list(map(isfinite, scores)).index(False)
        return id, f"its score is {scores[id]}, which a unigram model cannot have"
    return None


def _find_wrong_types(pieces: Pieces, model_type: str, byte_fallback: bool) -> Fault | None:
    unknown = [id for id, (_, _, type) in enumerate(pieces) if type == UNKNOWN]
    if len(unknown) > 1:
        return unknown[1], f"it is the unknown piece (type 2), but so is piece {unknown[0]}"
    if not unknown and not byte_fallback:
        return -1, "no piece is the unknown one (type 2), and byte_fallback is not set"
    if model_type == "unigram" and not any(type in _ORDINARY and text != "\0" for text, _, type in pieces):
        return -1, "a unigram model without an ordinary piece"
    return _find_odd_byte(
        {text: id for id, (text, _, type) in enumerate(pieces) if type == BYTE}, byte_fallback
    )


def _find_odd_byte(found: dict[str, int], byte_fallback: bool) -> Fault | None:
    for text, id in found.items():
        if not byte_fallback:
            return id, "it is a byte (type 6), but byte_fallback is not set"
        if text not in _BYTES:
            return id, f"it is a byte (type 6), but its text is {text[:60]!r}; expected <0x00> to <0xFF>"
    if byte_fallback and len(found) < 256:
        missing = next(text for text in _BYTES if text not in found)
        return -1, f"byte_fallback is set, but there is no byte {missing} (type 6)"
    return None
