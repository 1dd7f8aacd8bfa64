"""How text becomes ids, in the plainest form: the specification that the encoders are tested against.

1. The text is cut at the special tokens that are wanted: at each position the longest one that starts there.
2. Each stretch between them is cut into pretokens, every stretch on its own.
3. A pretoken starts as its bytes. As long as two neighbours have a merge, the pair with the lowest rank is
merged;
   of equal pairs the leftmost. (Pairs, not strings, decide: a string may be a token that no merge reaches.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise

from bpetk.reference import scan

Merges = Mapping[tuple[int, int], tuple[int, int]]
"""Pair of ids to (rank, new id)."""


def merge_word(word: bytes, byte_ids: Sequence[int], merges: Merges) -> list[int]:
    """Encode one pretoken.

    Examples
    --------
    >>> ids = list(range(256))
    >>> merge_word(b"abcab", ids, {(98, 99): (0, 256), (97, 98): (1, 257)})
    [97, 256, 257]
    """
    symbols = [byte_ids[byte] for byte in word]
    while True:
        ranked = [(merges[pair][0], i) for i, pair in enumerate(pairwise(symbols)) if pair in merges]
        if not ranked:
            return symbols
        _, i = min(ranked)
        symbols[i : i + 2] = [merges[symbols[i], symbols[i + 1]][1]]


def merge_symbols(symbols: list[int], rules: Mapping[tuple[int, int], tuple[int, int]]) -> list[int]:
    """Merge neighbours, lowest rank first, of equal ranks leftmost first; time n log n.

    Parameters
    ----------
    symbols
        Ids of the bytes of one pretoken; overwritten.
    rules
        Pair of ids to (rank, new id).

    Examples
    --------
    >>> merge_symbols([98, 97, 97, 97], {(97, 97): (0, 256)})
    [98, 256, 97]
    """
    n = len(symbols)
    after = list(range(1, n + 1))
    before = list(range(-1, n - 1))
    heap = [(rules[pair][0], i) for i, pair in enumerate(pairwise(symbols)) if pair in rules]
    heapify(heap)
    while heap:
        rank, i = heappop(heap)
        j = after[i]
        # INVARIANT: a symbol merged into its left neighbour is -1, which no rule has; its old entries die.
        rule = rules.get((symbols[i], symbols[j])) if j < n else None
        if rule is None or rule[0] != rank:
            continue
        symbols[i], symbols[j] = rule[1], -1
        k = after[i] = after[j]
        if k < n:
            before[k] = i
            if right := rules.get((symbols[i], symbols[k])):
                heappush(heap, (right[0], i))
        h = before[i]
        if h >= 0 and (left := rules.get((symbols[h], symbols[i]))):
            heappush(heap, (left[0], h))
    return [symbol for symbol in symbols if symbol >= 0]


def cut_special(text: str, special: Mapping[str, int]) -> Iterator[str | int]:
    """Give stretches of ordinary text and ids of special tokens, in order.

    Examples
    --------
    >>> list(cut_special("ab<s><s>", {"<s>": 5}))
    ['ab', 5, 5]
    """
    start = at = 0
    while at < len(text):
        here = [content for content in special if text.startswith(content, at)]
        if not here:
            at += 1
            continue
        if start < at:
            yield text[start:at]
        longest = max(here, key=len)
        yield special[longest]
        start = at = at + len(longest)
    if start < at:
        yield text[start:]


def encode(
    text: str,
    scheme: str | Callable[[str], Sequence[str]],
    byte_ids: Sequence[int],
    merges: Merges,
    special: Mapping[str, int] | None = None,
) -> list[int]:
    """Encode a text.

    Parameters
    ----------
    text
        One document.
    scheme
        A named scheme, or any function that cuts text into pretokens.
    byte_ids
        The id of each byte.
    merges
        The rules.
    special
        Ids of the special tokens that are wanted.

    Examples
    --------
    >>> encode("hi<s>", "gpt2", range(256), {(104, 105): (0, 256)}, {"<s>": 257})
    [256, 257]
    """

    def split(stretch: str) -> Sequence[str]:
        return scan.split(stretch, scheme) if isinstance(scheme, str) else scheme(stretch)

    ids: list[int] = []
    for piece in cut_special(text, special or {}):
        if isinstance(piece, int):
            ids.append(piece)
        else:
            for word in split(piece):
                ids += merge_word(word.encode(), byte_ids, merges)
    return ids
