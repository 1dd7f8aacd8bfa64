"""Where in a text the tokens of its encoding stand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bpetk.aligned import AlignedText
from bpetk.alphabet import to_byte_level

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bpetk.model import BpeModel
    from bpetk.pipeline import Run


@dataclass(frozen=True, eq=False)
class Encoding:
    """Ids of a document and where they stand in it.

    Attributes
    ----------
    ids
        As `Tokenizer.encode` gives them.
    offsets
        int64 ``[n, 2]``: half-open byte positions in the document's UTF-8. Tokens inside one character have
        the bytes that are theirs, unless a normalizer changed the character: then all of its bytes.
    char_offsets
        int64 ``[n, 2]``: half-open code point positions, equal to Hugging Face's offsets, trimming included.
        Several tokens inside one character all have that character's span.

    Tokens that ``add_special_tokens`` put in stand at (0, 0).
    """

    ids: list[int]
    offsets: NDArray[Any]
    char_offsets: NDArray[Any]

    def __len__(self) -> int:
        """Return the number of tokens."""
        return len(self.ids)


class Places:
    """Collects the places of the tokens of one document, run by run.

    Parameters
    ----------
    text
        The document.
    model
        Its model.
    """

    def __init__(self, text: str, model: BpeModel) -> None:
        import numpy as np

        self._np = np
        self._model = model
        self._unk = None if model.unk_token is None else model.string_id(model.unk_token)
        _, offsets = model.table
        self._lengths = np.diff(np.frombuffer(offsets, dtype=np.uint32).astype(np.int64))
        self._byte_of = _starts(np, text)
        self._text = text
        self.ids: list[int] = []
        self._texts: list[str | None] = []
        self._bytes: list[Any] = []
        self._chars: list[Any] = []

    def add(self, run: Run) -> None:
        """Take the next run."""
        ids = list(run.ids)
        self.ids += ids
        self._texts += [run.text.text if run.added else None] * len(ids)
        if run.added:
            start, end = run.text.span(0, len(run.text)) if run.text.text else (run.text.start,) * 2
            self._put([[start, end]], None)
        elif run.pieces is None:
            self._stretch(ids, run.text)
        else:
            self._pieces(ids, run.pieces)

    def finish(self) -> tuple[Any, Any]:
        """Give the byte offsets and the code point offsets, each int64 ``[n, 2]``."""
        np = self._np
        empty = np.zeros((0, 2), dtype=np.int64)
        return (
            np.concatenate([empty, *self._bytes]),
            np.concatenate([empty, *self._chars]),
        )

    def texts(self) -> list[str]:
        """Give the text of each token: the model's, but of an added token what it took of the document."""
        strings = self._model.strings
        return [strings[id] if text is None else text for id, text in zip(self.ids, self._texts, strict=True)]

    def _put(self, chars: Sequence[Sequence[int]] | Any, data: Any | None) -> None:
        chars = self._np.asarray(chars, dtype=self._np.int64).reshape(-1, 2)
        self._chars.append(chars)
        self._bytes.append(self._byte_of[chars] if data is None else data)

    def _stretch(self, ids: list[int], text: AlignedText) -> None:
        """Place tokens that cover a text without gaps."""
        self._cover(text, self._lengths[ids])

    def _cover(self, text: AlignedText, lengths: Any) -> None:
        np = self._np
        data = np.frombuffer(text.text.encode("utf-8", "surrogateescape"), dtype=np.uint8)
        # Index of the character that each byte belongs to; a torn byte is a character of its own.
        if any("\udc80" <= char <= "\udcff" for char in text.text) if not text.text.isascii() else False:
            sizes = [len(char.encode("utf-8", "surrogateescape")) for char in text.text]
            char_of = np.repeat(np.arange(len(sizes)), sizes)
        else:
            char_of = np.cumsum((data & 0xC0) != 0x80) - 1
        ends = np.cumsum(lengths)
        starts = ends - lengths
        first, last = char_of[starts], char_of[np.maximum(ends, 1) - 1]
        if text.spans is None:
            chars = np.stack([first, last + 1], axis=1) + text.start
            # Characters one for one, but perhaps others than the document's, with other bytes.
            same = self._text.startswith(text.text, text.start)
            own = np.stack([starts, ends], axis=1) + self._byte_of[text.start]
            self._put(chars, own if same else None)
        else:
            spans = np.asarray(text.spans, dtype=np.int64)
            self._put(np.stack([spans[first, 0], spans[last, 1]], axis=1), None)

    def _pieces(self, ids: list[int], pieces: Iterable[AlignedText]) -> None:
        """Place tokens piece by piece: their bytes need not be those of the text."""
        at = 0
        for piece in pieces:
            data = piece.text.encode("utf-8", "surrogateescape")
            place, lengths = 0, []
            while place < len(data):
                size = self._unknown_bytes(data, place) if ids[at] == self._unk else self._lengths[ids[at]]
                # The mark of the end of a word goes beyond the text.
                lengths.append(min(int(size), len(data) - place))
                place += lengths[-1]
                at += 1
            if lengths:
                self._cover(piece, self._np.asarray(lengths, dtype=self._np.int64))

    def _unknown_bytes(self, data: bytes, place: int) -> int:
        """How many bytes of a pretoken the unknown token stands for."""
        model = self._model
        if model.ignore_merges and model.string_id(to_byte_level(data)) == self._unk:
            return len(data)  # its own text
        end = place + 1
        while model.fuse_unk and end < len(data):
            ids = model.byte_ids if end + 1 < len(data) else model.last_byte_ids
            if ids[data[end]] >= 0:
                break
            end += 1
        return end - place


def _starts(np: Any, text: str) -> Any:
    """Give the byte position of each character, and of the end: int64 ``[len(text) + 1]``."""
    if text.isascii():
        return np.arange(len(text) + 1, dtype=np.int64)
    points = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    sizes = 1 + (points >= 0x80).astype(np.int64) + (points >= 0x800) + (points >= 0x10000)
    return np.concatenate([[0], np.cumsum(sizes)])
