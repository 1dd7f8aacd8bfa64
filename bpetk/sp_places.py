"""Where in a text the pieces of its encoding stand, for models of SentencePiece."""

from __future__ import annotations

from typing import NamedTuple

from bpetk.errors import ConfigError
from bpetk.sp_encoder import BLANK, PieceEncoder

_BLANK = BLANK.encode()


class Placed(NamedTuple):
    """Ids, the text of each as the library gives it, and the bytes of the document that each covers."""

    ids: list[int]
    pieces: list[str]
    spans: list[tuple[int, int]]


def place(native: PieceEncoder, data: bytes, *, most: int | None = None) -> Placed:
    """Encode a document and say where each piece stands.

    Parameters
    ----------
    native
        The model.
    data
        The document; it need not be well-formed.
    most
        How many are wanted; there may be a few more.

    Returns
    -------
    Placed
        Of several unknown characters in a row one id; of the bytes of one, the last covers it and the others nothing.
    """
    model = native.model
    ids = native.encoder.encode(data, native.plan_by_characters)
    if isinstance(ids, tuple):
        raise ConfigError("the text has 256 MiB in which nothing can be cut; give it in parts")
    text, sources = native.folding.normalize_aligned(data)
    found = Placed([], [], [])
    at, lengths, unknown = 0, native.lengths, False
    queue = iter(ids)
    for id in queue:
        if most is not None and len(found.ids) >= most:
            break
        length = lengths[id]
        start, before, unknown = sources[at], unknown, length == 0
        if length:
            at += length
            _put(found, id, model.pieces[id].text, start, sources[at])
            continue
        # A character that is no piece: as bytes, or as the unknown piece.
        lead = text[at]
        size = 1 if lead < 0x80 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
        part = text[at : at + size]
        if native.folds and part == b" ":
            part = _BLANK
        at += size
        if model.byte_fallback:
            for _ in part[1:]:
                _put(found, id, model.pieces[id].text, start, start)
                id = next(queue)
            _put(found, id, model.pieces[id].text, start, sources[at])
        elif before:
            found.pieces[-1] += part.decode()
            found.spans[-1] = (found.spans[-1][0], sources[at])
        else:
            _put(found, id, part.decode(), start, sources[at])
    return found


def _put(found: Placed, id: int, piece: str, start: int, end: int) -> None:
    found.ids.append(id)
    found.pieces.append(piece)
    found.spans.append((start, end))
