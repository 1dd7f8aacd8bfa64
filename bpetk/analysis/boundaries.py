"""Where tokens end in a text, for any tokenizer, and how far two tokenizers agree on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bpetk.analysis.token_table import Kind, TokenTable
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
        documents themselves are left out, and places inside a character that a normalizer changed.
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
    ends: NDArray[np.int64] = found.offsets[:, 1].astype(np.int64)
    # Of a character in bytes the offsets give all to the last one, and nothing to the others.
    nothing = (found.offsets[:, 0] == found.offsets[:, 1]) & (table.kinds[found.ids] == Kind.BYTE)
    for at in np.flatnonzero(nothing).tolist():
        first = at == 0 or not nothing[at - 1] or found.offsets[at - 1, 0] != found.offsets[at, 0]
        ends[at] = found.offsets[at, 0] + 1 if first else ends[at - 1] + 1
    return ends


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
