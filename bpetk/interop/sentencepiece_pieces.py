"""The pieces of a SentencePiece model as four long strings of bytes; a piece is made when it is asked for."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from typing import Any, overload

from bpetk._piece_table import strings
from bpetk.interop.sentencepiece_parts import Piece, PieceType

_TYPES: tuple[PieceType, ...] = (PieceType.NORMAL, *PieceType)  # by number


class PackedPieces(Sequence[Piece]):
    """Pieces by id: a sequence as a tuple of them is, equal to it, but made of four parts.

    Parameters
    ----------
    blob
        Their texts, UTF-8, one behind the other.
    offsets
        Where each begins, and where the last one ends: uint32 ``[n + 1]``.
    scores
        Float32 ``[n]``.
    types
        The number of each one's type, ``[n]``.

    Examples
    --------
    >>> pieces = PackedPieces.of([Piece("<unk>", 0.0, PieceType.UNKNOWN), Piece("a", -1.0)])
    >>> len(pieces), pieces[1], pieces.first(PieceType.UNKNOWN)
    (2, Piece(text='a', score=-1.0, type=<PieceType.NORMAL: 1>), 0)
    """

    def __init__(self, blob: bytes, offsets: array[int], scores: array[float], types: bytes) -> None:
        self.blob, self.offsets, self.scores, self.types = blob, offsets, scores, types

    @classmethod
    def of(cls, pieces: Sequence[Piece]) -> PackedPieces:
        """Pack pieces, unless they are packed."""
        if isinstance(pieces, cls):
            return pieces
        texts = [piece.text.encode() for piece in pieces]
        return cls(
            b"".join(texts),
            array("I", accumulate(map(len, texts), initial=0)),
            array("f", [piece.score for piece in pieces]),
            bytes([piece.type for piece in pieces]),
        )

    def text(self, id: int) -> bytes:
        """Give the UTF-8 of a piece; ids as of lists."""
        if not -len(self.types) <= id < len(self.types):
            raise IndexError(f"id {id} of {len(self.types)} pieces")
        id %= len(self.types)
        return self.blob[self.offsets[id] : self.offsets[id + 1]]

    def ids(self, type: PieceType) -> list[int]:
        """Give the ids of the pieces of a type."""
        found, at = [], -1
        while (at := self.types.find(int(type), at + 1)) >= 0:
            found.append(at)
        return found

    def first(self, type: PieceType, text: str | None = None) -> int | None:
        """Give the id of the first piece of a type, and with a text; None if there is none."""
        if text is None:
            id = self.types.find(int(type))
            return None if id < 0 else id
        wanted = text.encode("utf-8", "surrogateescape")
        return next((id for id in self.only(wanted) if self.types[id] == type), None)

    def only(self, text: bytes) -> Iterator[int]:
        """Give the ids of the pieces with just this text, which is not empty, in order."""
        at = -1
        while (at := self.blob.find(text, at + 1)) >= 0:
            # INVARIANT: of several places that are equal the last one is that of the piece with a text.
            id = bisect_right(self.offsets, at) - 1
            if self.offsets[id] == at and self.text(id) == text:
                yield id

    @cached_property
    def all(self) -> tuple[Piece, ...]:
        """All of them made."""
        types = map(_TYPES.__getitem__, self.types)
        return tuple(map(Piece._make, zip(strings(self.blob, self.offsets), self.scores, types, strict=True)))

    def __len__(self) -> int:
        return len(self.types)

    @overload
    def __getitem__(self, id: int) -> Piece: ...
    @overload
    def __getitem__(self, id: slice) -> tuple[Piece, ...]: ...
    def __getitem__(self, id: int | slice) -> Piece | tuple[Piece, ...]:
        if isinstance(id, slice) or "all" in self.__dict__:
            return self.all[id]
        return Piece(self.text(id).decode(), self.scores[id], _TYPES[self.types[id]])

    def __iter__(self) -> Iterator[Piece]:
        return iter(self.all)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, PackedPieces):
            # By bits: -0.0 is another score than 0.0.
            mine, theirs = bytes(memoryview(self.scores)), bytes(memoryview(other.scores))
            same = self.blob == other.blob and self.offsets == other.offsets and self.types == other.types
            return same and mine == theirs
        return self.all == tuple(other) if isinstance(other, Sequence) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.all)

    def __repr__(self) -> str:
        return repr(self.all)

    def __reduce__(self) -> tuple[Any, ...]:
        return PackedPieces, (self.blob, self.offsets, self.scores, self.types)
