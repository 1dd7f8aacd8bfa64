"""A BPE model of SentencePiece as a list of merges: which pairs there are, and in which order.

SentencePiece joins two neighbours whenever what they spell is a piece, the highest score first, then the leftmost
place. Hugging Face joins pairs that are listed, the first of the list first, then the leftmost place.

Each piece is made by one pair only. Before a piece is made of a stretch of text, nothing is joined across the ends of
the stretch, and inside it the order of joining is that of the stretch by itself. So the pair is the last one that is
joined when the piece alone is encoded; a piece that does not come out then comes out of no text, and has no merge.

With these pairs in the order of their scores both rules do the same, but for pieces with equal scores: there one rule
goes by place and the other by the list. Two such pairs (a, b) and (b, c) compete where a, b and c meet, and there the
left one wins: it has to stand first in the list, and if the others ask for the opposite no list is right. What a merge
of the same score makes possible matters too; see `_hazards`.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import islice
from typing import NamedTuple

from bpetk.interop.sentencepiece_model import Piece

_MOST_RIVALS = 20_000


class Merge(NamedTuple):
    """A pair and the piece that it makes; the lower ``order``, the earlier."""

    order: int
    id: int
    left: str
    right: str

    @property
    def text(self) -> str:
        """What both spell."""
        return self.left + self.right


@dataclass(frozen=True)
class MergeList:
    """The merges of a model.

    Attributes
    ----------
    merges
        In the order of the list.
    dead
        Ids of the pieces of several characters that no text becomes.
    rivals
        Texts in which pieces of equal scores meet in a way that the order of a list may not express. Without any the
        list is right for every text.
    """

    merges: list[Merge]
    dead: list[int]
    rivals: list[str]


def order_of(score: float) -> int:
    """Return a number that is the lower, the earlier a score comes; -0.0 comes after 0.0.

    Examples
    --------
    >>> sorted([-1.0, -0.0, 0.0, 2.0], key=order_of)
    [2.0, 0.0, -0.0, -1.0]
    """
    (bits,) = struct.unpack("<i", struct.pack("<f", score))
    return -int(bits) if bits >= 0 else int(bits) + (1 << 31) + 1


def join(text: str, orders: Mapping[str, int]) -> tuple[list[str], tuple[str, str] | None]:
    """Encode a text that holds no user-defined piece; time n log n.

    Parameters
    ----------
    text
        Characters, as the normalizer gives them.
    orders
        `order_of` the score of each piece that merging makes.

    Returns
    -------
    tuple[list[str], tuple[str, str] | None]
        What the text is cut into, and the pair that was joined last.

    Examples
    --------
    >>> join("abcb", {"ab": 2, "bc": 1, "abc": 3})
    (['abc', 'b'], ('a', 'bc'))
    """
    symbols = list(text)
    size = len(symbols)
    after, before = list(range(1, size + 1)), list(range(-1, size - 1))
    heap = [
        (orders[joined], left, left + 1, 2)
        for left in range(size - 1)
        if (joined := symbols[left] + symbols[left + 1]) in orders
    ]
    heapify(heap)
    last = None
    while heap:
        _, left, right, length = heappop(heap)
        # INVARIANT: symbols only grow, until they are joined to their left neighbour and empty.
        if not symbols[left] or not symbols[right] or len(symbols[left]) + len(symbols[right]) != length:
            continue
        last = symbols[left], symbols[right]
        symbols[left] += symbols[right]
        symbols[right] = ""
        after[left] = after[right]
        if after[left] < size:
            before[after[left]] = left
        for a, b in ((before[left], left), (left, after[left])):
            if a >= 0 and b < size and (order := orders.get(symbols[a] + symbols[b])) is not None:
                heappush(heap, (order, a, b, len(symbols[a]) + len(symbols[b])))
    return [symbol for symbol in symbols if symbol], last


class _Symbols:
    """Finds whether a text holds one of some strings."""

    def __init__(self, symbols: Iterable[str]) -> None:
        starts: dict[str, list[str]] = defaultdict(list)
        for symbol in symbols:
            starts[symbol[0]].append(symbol)
        self._starts = {first: tuple(found) for first, found in starts.items()}

    def occur(self, text: str) -> bool:
        starts = self._starts
        return any(first in starts and text.startswith(starts[first], at) for at, first in enumerate(text))


def merge_list(pieces: Sequence[Piece], made: Iterable[int], symbols: Iterable[str]) -> MergeList:
    """List the merges of a model.

    Parameters
    ----------
    pieces
        The pieces.
    made
        Ids of those that merging makes, those of one character among them.
    symbols
        The user-defined pieces, which are joined to nothing.

    Returns
    -------
    MergeList
        Time is linear in the text of all pieces, but for a logarithm, and for pieces of equal scores.

    Examples
    --------
    >>> pieces = [Piece(text, -id) for id, text in enumerate(("a", "b", "c", "bc", "ab", "abc"))]
    >>> found = merge_list(pieces, range(6), ())
    >>> [merge[2:] for merge in found.merges], found.dead
    ([('b', 'c'), ('a', 'b'), ('a', 'bc')], [])
    """
    orders = {pieces[id].text: order_of(pieces[id].score) for id in made}
    ids = {pieces[id].text: id for id in made}
    whole = _Symbols(symbols)
    merges, dead = list[Merge](), list[int]()
    for text, id in ids.items():
        if len(text) < 2:
            continue
        cut, last = ([], None) if whole.occur(text) else join(text, orders)
        if len(cut) == 1 and last is not None:
            merges.append(Merge(orders[text], id, *last))
        else:
            dead.append(id)
    groups: dict[int, list[Merge]] = defaultdict(list)
    for merge in merges:
        groups[merge.order].append(merge)
    ordered, rivals = list[Merge](), dict[str, None]()
    index = _Index(merges)
    for order in sorted(groups):
        group = groups[order]
        if len(group) > 1:
            found = _Tied(group)
            group = found.ordered
            for texts in (found.rivals(), _hazards(group, index)):
                rivals |= dict.fromkeys(islice(texts, max(0, _MOST_RIVALS - len(rivals))))
        ordered += group
    return MergeList(ordered, dead, list(rivals))


class _Tied:
    """Merges of one score, ordered so that (a, b) stands before (b, c) as far as that can be.

    For each symbol x: first the merges that end with it, then (x, x), then those that begin with it.
    """

    def __init__(self, group: Sequence[Merge]) -> None:
        self.ends: dict[str, list[Merge]] = defaultdict(list)
        self.starts: dict[str, list[Merge]] = defaultdict(list)
        self.doubles: dict[str, Merge] = {}
        for merge in group:
            if merge.left == merge.right:
                self.doubles[merge.left] = merge
            else:
                self.ends[merge.right].append(merge)
                self.starts[merge.left].append(merge)
        self._waits = {symbol: len(merges) for symbol, merges in self.ends.items()}
        self._ready: list[tuple[int, Merge]] = []  # by id where it does not matter
        self.places: dict[Merge, int] = {}
        for symbol in {merge.left for merge in group} - self._waits.keys():
            self._open(symbol)
        by_id = iter(sorted(group, key=lambda merge: merge.id))
        while len(self.places) < len(group):
            # With nothing ready there is a circle: any of it goes first.
            self._place(heappop(self._ready)[1] if self._ready else next(by_id))
        self.ordered = list(self.places)

    def _open(self, symbol: str) -> None:
        """All merges that end with a symbol have their place."""
        if symbol in self.doubles and self.doubles[symbol] not in self.places:
            heappush(self._ready, (self.doubles[symbol].id, self.doubles[symbol]))
        else:
            self._release(symbol)

    def _release(self, symbol: str) -> None:
        for merge in self.starts.get(symbol, ()):
            if merge not in self.places:
                heappush(self._ready, (merge.id, merge))

    def _place(self, merge: Merge) -> None:
        if merge in self.places:
            return
        self.places[merge] = len(self.places)
        if merge.left == merge.right:
            self._release(merge.left)
            return
        self._waits[merge.right] -= 1
        if not self._waits[merge.right]:
            self._open(merge.right)

    def rivals(self) -> Iterator[str]:
        """Give texts in which two merges meet whose order is the wrong one."""
        places = self.places
        for symbol in {**self.starts, **self.doubles}:
            double = [self.doubles[symbol]] if symbol in self.doubles else []
            first = sorted([*self.ends.get(symbol, ()), *double], key=places.__getitem__, reverse=True)
            for later in sorted([*self.starts.get(symbol, ()), *double], key=places.__getitem__):
                for merge in first:
                    if places[merge] <= places[later]:
                        break
                    yield merge.text + later.right


class _Index:
    """Merges by what they are made of, and by what they make."""

    def __init__(self, merges: Iterable[Merge]) -> None:
        self.left: dict[str, list[Merge]] = defaultdict(list)
        self.right: dict[str, list[Merge]] = defaultdict(list)
        self.made: dict[str, Merge] = {}
        for merge in merges:
            self.left[merge.left].append(merge)
            self.right[merge.right].append(merge)
            self.made[merge.text] = merge
        self.pairs = {(merge.left, merge.right): merge for merge in merges}


def _hazards(group: Sequence[Merge], index: _Index) -> Iterator[str]:
    """Give texts in which going by the list, not by place, may take a merge of a group too early.

    The list takes (a, b), while others of its score are possible further left; going by place does those first. The
    result is the same if

    1. none of that leads to a merge (w, a), which would leave no a. Where w is still to be made, a symbol that will be
       its end stands before a; if it and a are a listed pair of this score or a higher one, then that pair is possible
       already, and stands first in the list.
    2. nothing that follows from (a, b) at once, because its score is higher, reaches to the left of it.
    """
    order = group[0].order
    takers: dict[str, list[Merge]] = {}
    for merge in group:
        if (found := takers.get(merge.left)) is None:
            found = takers[merge.left] = [
                other
                for other in index.right.get(merge.left, ())
                if other.order <= order and not _is_possible_already(other, order, index)
            ]
        yield from (other.text + merge.right for other in found)
        follow, seen = [merge.text], {merge.text}
        while follow:
            made = follow.pop()
            for other in index.right.get(made, ()):
                if other.order < order:
                    yield other.text
                    yield from (before.left + other.text for before in index.right.get(other.left, ())[:4])
            for other in index.left.get(made, ()):
                if other.order < order and other.text not in seen:
                    seen.add(other.text)
                    follow.append(other.text)


def _is_possible_already(other: Merge, order: int, index: _Index) -> bool:
    """Whether some pair of this order or an earlier one stands where a merge is possible or will be."""
    return all(
        (pair := index.pairs.get((end, other.right))) is not None and pair.order <= order
        for end in _ends(other.left, order, index)
    )


def _ends(text: str, order: int, index: _Index) -> Iterator[str]:
    """Give what a symbol may end with as long as it is still to be made by merges of this order and what follows."""
    while _to_be_made(text, order, index):
        text = index.made[text].right
        yield text


def _to_be_made(text: str, order: int, index: _Index) -> bool:
    """Whether a symbol may be made only now, when nothing of a higher score is possible."""
    parts = [text]
    while parts:
        made = index.made.get(parts.pop())
        if made is None or made.order > order:
            continue
        if made.order == order:
            return True
        parts += made.left, made.right
    return False
