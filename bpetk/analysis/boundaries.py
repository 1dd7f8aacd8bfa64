"""Where tokens end in a text, for any tokenizer, and how far two tokenizers agree on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bpetk.analysis.token_table import TokenTable
from bpetk.tokenizer import Tokenizer

if TYPE_CHECKING:
    from numpy.typing import NDArray


def token_ends(
    tokenizer: Tokenizer, table: TokenTable, documents: Sequence[bytes], *, threads: int = 1
) -> NDArray[np.int64]:
    """Give the places between two tokens in some documents.

    Parameters
    ----------
    tokenizer, table
        A `Tokenizer` or `SentencePieceTokenizer`, and its `TokenTable`.
    documents
        UTF-8.

    Returns
    -------
    numpy.ndarray
        int64, ascending: bytes before the place, counted through all documents one after the other. The ends of the
        documents themselves are left out, and places inside a character that a normalizer changed. Of a character in
        several tokens, such as the bytes of a rare one, each place between two of its bytes where a token ends counts,
        whatever offsets the format gives them; a blank that is put in front of the text has no place.
    """
    ids, rows = tokenizer.encode_batch_flat(documents, threads=threads, disallowed_special=())
    found, start = [np.zeros(0, np.int64)], 0
    for at, document in enumerate(documents):
        row = ids[rows[at] : rows[at + 1]]
        if b"".join([table.data[id] for id in row.tolist()]) == document:
            ends = np.cumsum(table.n_bytes[row], dtype=np.int64)
        else:  # a normalizer, a blank put in front, the unknown piece
            ends = _ends_by_offsets(tokenizer, table, document)
        inner = np.unique(ends[(ends > 0) & (ends < len(document))])
        found.append(inner + start)
        start += len(document)
    return np.concatenate(found)


def _ends_by_offsets(tokenizer: Tokenizer, table: TokenTable, document: bytes) -> NDArray[np.int64]:
    found = tokenizer.encode_with_offsets(document, disallowed_special=())
    if not len(found.ids):
        return np.zeros(0, np.int64)
    starts, ends = found.offsets.astype(np.int64).T
    # How tokens share a character (or get none of it) differs between formats: [3,6] for each, or [3,3] and [3,6] for
    # the last. Tokens that do so are taken together, and only what all formats agree on is used: the span they have
    # together, where each begins, and their bytes.
    apart = (starts[1:] >= np.maximum.accumulate(ends)[:-1]) & (ends[:-1] > starts[:-1])
    edges = np.concatenate([[0], np.flatnonzero(apart) + 1, [len(starts)]])
    places: NDArray[np.int64] = np.minimum(ends, np.append(starts[1:], ends.max()))
    for first, after in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        begin, end = int(starts[first]), int(ends[first:after].max())
        if after - first > 1:
            row = list(found.ids[first:after])
            data, text = b"".join([table.data[id] for id in row]), document[begin:end]
            extra = len(data) - len(text)
            if data == text or data == b" " + text:  # a blank put in front stands for nothing
                places[first:after] = begin + np.maximum(np.cumsum(table.n_bytes[row]) - extra, 0)
        places[after - 1] = end
    return places


def agreement(first: NDArray[np.int64], second: NDArray[np.int64]) -> float | None:
    """Give the share of places that are in both of all that are in either (Jaccard); None without any.

    Examples
    --------
    >>> agreement(np.array([1, 2, 5]), np.array([2, 5, 7]))
    0.5
    """
    shared = len(np.intersect1d(first, second, assume_unique=True))
    either = len(first) + len(second) - shared
    return shared / either if either else None
