"""Merge rules that give what a list of ranks gives.

tiktoken has no merges, only tokens with ranks: of all neighbours that are a token together it joins those of the
lowest rank, leftmost first. bpetk merges by pairs. This module finds the pairs.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import AnyStr

from bpetk import _rank_rules

_NO_RANK = 1 << 62
_LONG = 64  # from here on a heap is faster than looking at all neighbours


def rules_from_ranks(tokens: Sequence[bytes]) -> tuple[array[int], array[int], array[int]]:
    """Find for each token the one pair whose merge makes it.

    Merge the bytes of a token *t* by rank, on their own. If two symbols *a*, *b* are left at some time, they are the
    pair of *t*; if that never happens, no merge makes *t*.

    Merging by these pairs (each with the rank of its token) is the same as merging by ranks, in any text and for any
    ranks. Proof: Let ranks merge *x*, *y* into *t* somewhere in a text. The merges before that inside the bytes of
    *t* did not cross its borders, or *x* and *y* would not be there. Each of them was the lowest and leftmost of the
    text, so of all that was possible inside those bytes; thus they are the merges that the bytes of *t* have on their
    own, up to the point where two symbols are left, and (*x*, *y*) is the pair of *t*. So where ranks merge, the
    pairs allow that merge; and since pairs allow nothing that ranks do not, it is the lowest and leftmost for both.

    Parameters
    ----------
    tokens
        All tokens by rank, lowest first. All are different, and all single bytes that occur in them are among them.

    Returns
    -------
    tuple[array, array, array]
        Left part, right part and result of each rule, as positions in the list (uint32), by rank of the result.

    Examples
    --------
    >>> [list(part) for part in rules_from_ranks([b"a", b"b", b"ab", b"aab", b"bbb"])]
    [[0, 0], [1, 2], [2, 3]]
    """
    offsets = array("I", [0])
    for token in tokens:
        offsets.append(offsets[-1] + len(token))
    left, right, new = _rank_rules.rules_from_ranks(b"".join(tokens), offsets)
    return array("I", bytes(left)), array("I", bytes(right)), array("I", bytes(new))


def rules_from_ranks_plainly(tokens: Sequence[bytes]) -> tuple[array[int], array[int], array[int]]:
    """Do the same in plain Python: what the native one is tested against."""
    ranks = {token: rank for rank, token in enumerate(tokens)}
    left, right, new = array("I"), array("I"), array("I")
    for rank, token in enumerate(tokens):
        if len(token) > 1 and (cut := last_cut(token, ranks)):
            left.append(ranks[token[:cut]])
            right.append(ranks[token[cut:]])
            new.append(rank)
    return left, right, new


def last_cut(token: AnyStr, ranks: Mapping[AnyStr, int]) -> int:
    """Return where the last two symbols meet when the bytes of a token are merged by rank; 0 if more are left.

    Characters in place of bytes if the token is a str. Of equal ranks the leftmost comes first.
    """
    if len(token) > _LONG:
        return _last_cut_of_long(token, ranks)
    rank_of = ranks.get
    cuts = list(range(len(token) + 1))
    found = [rank_of(token[i : i + 2], _NO_RANK) for i in range(len(token) - 1)]
    while len(found) > 1:
        lowest = min(found)
        if lowest == _NO_RANK:
            return 0
        i = found.index(lowest)
        del cuts[i + 1], found[i]
        if i:
            found[i - 1] = rank_of(token[cuts[i - 1] : cuts[i + 1]], _NO_RANK)
        if i < len(found):
            found[i] = rank_of(token[cuts[i] : cuts[i + 2]], _NO_RANK)
    return cuts[1]


def _last_cut_of_long(token: AnyStr, ranks: Mapping[AnyStr, int]) -> int:
    size = len(token)
    end = list(range(1, size + 1))  # of the symbol that starts at an index; 0 if none does any more
    start = list(range(-1, size))  # of the symbol that ends before an index
    heap = [(rank, i, i + 2) for i in range(size - 1) if (rank := ranks.get(token[i : i + 2])) is not None]
    heapify(heap)
    symbols = size
    while symbols > 2:
        if not heap:
            return 0
        _, i, stop = heappop(heap)
        middle = end[i]
        # INVARIANT: an entry is of (start, end of the right symbol); it is alive while both are still borders with
        # exactly one border between them.
        if not middle or middle >= size or end[middle] != stop:
            continue
        end[i], end[middle] = stop, 0
        start[stop] = i
        symbols -= 1
        if stop < size and (rank := ranks.get(token[i : end[stop]])) is not None:
            heappush(heap, (rank, i, end[stop]))
        if i and (rank := ranks.get(token[start[i] : stop])) is not None:
            heappush(heap, (rank, start[i], stop))
    return end[0]


def rules_of_merges(
    symbols: Mapping[int, Sequence[int]], merges: Mapping[tuple[int, int], tuple[int, int]]
) -> dict[int, tuple[int, int, int]]:
    """Find for each token the one merge of a list that makes it, by the argument of `rules_from_ranks`.

    Parameters
    ----------
    symbols
        For each token the ids that its merging starts from.
    merges
        Pair of ids to rank and result.

    Returns
    -------
    dict
        Token to rank, left and right id. A token that no merge can make, whatever stands around it, is not there.

    Examples
    --------
    >>> rules_of_merges({3: [0, 1], 4: [0, 0, 1]}, {(0, 1): (0, 3), (0, 3): (1, 4), (2, 1): (2, 4)})
    {3: (0, 0, 1), 4: (1, 0, 3)}
    """
    found = {}
    for token, ids in symbols.items():
        rest = list(ids)
        ranks = [merges.get((rest[i], rest[i + 1]), (_NO_RANK, 0))[0] for i in range(len(rest) - 1)]
        while len(ranks) > 1:
            lowest = min(ranks)
            if lowest == _NO_RANK:
                break
            i = ranks.index(lowest)
            rest[i : i + 2] = [merges[rest[i], rest[i + 1]][1]]
            del ranks[i]
            for k in (i - 1, i):
                if 0 <= k < len(ranks):
                    ranks[k] = merges.get((rest[k], rest[k + 1]), (_NO_RANK, 0))[0]
        if len(ranks) == 1 and ranks[0] != _NO_RANK and merges[rest[0], rest[1]][1] == token:
            found[token] = ranks[0], rest[0], rest[1]
    return found
