"""How often tokens stand in texts, in how many documents, and between what: one pass over the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bpetk.analysis.documents import Progress, TextFile, read_documents
from bpetk.tokenizer import Tokenizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PENDING = 1 << 20  # pairs that wait to be added up


@dataclass(frozen=True)
class TokenUse:
    """Counts of tokens in some files.

    Attributes
    ----------
    counts
        int64 ``[files, n_vocab]``: occurrences of every id.
    watched
        int64 ``[k]``, ascending: the ids of which more is known.
    documents
        int64 ``[k]``: documents that they stand in.
    most
        int64 ``[k]``: occurrences in the document that has most of them.
    place
        int64 ``[k, 2]``: file and number of that document (of several the first; from 0), -1 if there is none.
    before, after
        Neighbours of the watched tokens.
    bytes, n_documents
        Of all texts; documents that are not empty.
    """

    counts: NDArray[np.int64]
    watched: NDArray[np.int64]
    documents: NDArray[np.int64]
    most: NDArray[np.int64]
    place: NDArray[np.int64]
    before: Neighbours
    after: Neighbours
    bytes: int
    n_documents: int


class Neighbours:
    """Counts of pairs (watched token, token beside it); memory is 16 bytes for each different pair."""

    def __init__(self, n_vocab: int) -> None:
        self._n = n_vocab
        self._keys: NDArray[np.int64] = np.zeros(0, np.int64)
        self._counts: NDArray[np.int64] = np.zeros(0, np.int64)
        self._new: list[Any] = []
        self._waiting = 0

    def add(self, slots: NDArray[np.int64], ids: NDArray[Any]) -> None:
        """Take pairs."""
        self._new.append(slots * self._n + ids.astype(np.int64))
        self._waiting += len(ids)
        if self._waiting > _PENDING:
            self._add_up()

    def _add_up(self) -> None:
        new, counts = np.unique(np.concatenate([np.zeros(0, np.int64), *self._new]), return_counts=True)
        keys, inverse = np.unique(np.concatenate([self._keys, new]), return_inverse=True)
        both = np.concatenate([self._counts, counts.astype(np.int64)])
        self._keys, self._counts = keys, np.zeros(len(keys), np.int64)
        np.add.at(self._counts, inverse, both)
        self._new, self._waiting = [], 0

    def most_frequent(self, slot: int, number: int) -> list[tuple[int, int]]:
        """Give id and count of the most frequent neighbours of a watched token, ties by id."""
        if self._waiting:
            self._add_up()
        start, end = np.searchsorted(self._keys, [slot * self._n, (slot + 1) * self._n])
        counts = self._counts[start:end]
        order = np.argsort(-counts, kind="stable")[:number]
        return [(int(self._keys[start + k] % self._n), int(counts[k])) for k in order.tolist()]


def count_use(
    tokenizer: Tokenizer,
    files: Sequence[TextFile],
    watched: NDArray[np.int64],
    *,
    threads: int = 1,
    progress: Progress | None = None,
) -> TokenUse:
    """Count tokens; special tokens in the text are ordinary text.

    Parameters
    ----------
    tokenizer
        A `Tokenizer` or `SentencePieceTokenizer`.
    files
        As `bpetk.analysis.documents.text_files` gives them.
    watched
        Ids, ascending, of which documents and neighbours are to be known.
    threads, progress
        As `bpetk.analysis.compression_curve.measure_curve`.
    """
    n, k = tokenizer.n_vocab, len(watched)
    counts = np.zeros((len(files), n), np.int64)
    slot_of = np.full(n, -1, np.int64)
    slot_of[watched] = np.arange(k)
    documents, most = np.zeros(k, np.int64), np.zeros(k, np.int64)
    place = np.full((k, 2), -1, np.int64)
    before, after = Neighbours(n), Neighbours(n)
    size = number = 0
    for batch in read_documents(files, stage="encode", progress=progress):
        ids, rows = tokenizer.encode_batch_flat(batch.documents, threads=threads, disallowed_special=())
        size += sum(map(len, batch.documents))
        number += sum(map(bool, batch.documents))
        counts[batch.file] += np.bincount(ids, minlength=n)
        slots = slot_of[ids]
        at = np.flatnonzero(slots >= 0)
        if not len(at):
            continue
        owner = np.searchsorted(rows, at, side="right") - 1
        keys, times = np.unique(slots[at] * len(batch.documents) + owner, return_counts=True)
        slot, document = np.divmod(keys, len(batch.documents))
        documents += np.bincount(slot, minlength=k)
        # Of each token its best document here: the first of those with the highest count.
        order = np.lexsort((document, -times, slot))
        first = order[np.flatnonzero(np.diff(slot[order], prepend=-1))]
        better = first[times[first] > most[slot[first]]]
        most[slot[better]] = times[better]
        place[slot[better], 0] = batch.file
        place[slot[better], 1] = batch.first + document[better]
        left = at[at > rows[owner]]
        before.add(slots[left], ids[left - 1])
        right = at[at + 1 < rows[owner + 1]]
        after.add(slots[right], ids[right + 1])
    return TokenUse(counts, watched, documents, most, place, before, after, size, number)
