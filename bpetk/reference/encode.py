"""How text becomes ids, in the plainest form: the specification that the encoders are tested against.

1. The text is cut at the special tokens that are wanted: at each position the longest one that starts there.
2. Each stretch between them is cut into pretokens, every stretch on its own.
3. A pretoken starts as its bytes. As long as two neighbours have a merge, the pair with the lowest rank is merged;
   of equal pairs the leftmost. (Pairs, not strings, decide: a string may be a token that no merge reaches.)

Files made elsewhere have more rules, see `Rules`: a whole pretoken may be looked up before it is merged, its last byte
may have another id, and bytes without an id may become the unknown token.

Two things that the encoders do for speed are stated here as well, because they need a reason to be right: at which
joints of characters nothing merges (`uncrossed_joints`), and merging by ranks (`merge_by_rank`), which rules stand for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import pairwise

from bpetk.errors import UnknownTokenError
from bpetk.reference import scan

Merges = Mapping[tuple[int, int], tuple[int, int]]
"""Pair of ids to (rank, new id)."""


@dataclass(frozen=True)
class Rules:
    """What turns one pretoken into ids.

    Attributes
    ----------
    byte_ids
        Id of each of the 256 bytes, -1 for none.
    merges
        The merge rules.
    last_ids
        Id of each byte where it is the last one of a pretoken, if the model marks ends of words; None: as elsewhere.
    whole
        Tokens that a whole pretoken becomes, whatever the merges say; empty if the model does not look for them.
    unk_id
        The token for a byte without an id; None: that is an error.
    fuse_unk
        Whether unknown bytes next to each other are one token.
    """

    byte_ids: Sequence[int]
    merges: Merges = field(default_factory=dict)
    last_ids: Sequence[int] | None = None
    whole: Mapping[bytes, int] = field(default_factory=dict)
    unk_id: int | None = None
    fuse_unk: bool = False


Placed = tuple[int, int]
"""Id of a token, and where it ends in the bytes of its pretoken."""


def first_symbols(word: bytes, rules: Rules) -> list[Placed]:
    """Give what a pretoken starts as.

    Raises
    ------
    UnknownTokenError
        If a byte has no id and there is no unknown token; its argument is the position.

    Examples
    --------
    >>> ids = [-1] * 256
    >>> ids[97] = 5
    >>> first_symbols(b"abba", Rules(ids, unk_id=0, fuse_unk=True))
    [(5, 1), (0, 3), (5, 4)]
    """
    symbols: list[Placed] = []
    unknown = False
    for i, byte in enumerate(word):
        ids = rules.last_ids if rules.last_ids is not None and i + 1 == len(word) else rules.byte_ids
        before, unknown = unknown, ids[byte] < 0
        if not unknown:
            symbols.append((ids[byte], i + 1))
            continue
        if rules.unk_id is None:
            raise UnknownTokenError(i)
        if before and rules.fuse_unk:
            symbols.pop()
        symbols.append((rules.unk_id, i + 1))
    return symbols


def encode_word(word: bytes, rules: Rules) -> list[Placed]:
    """Encode one pretoken, and say where its tokens end.

    Raises
    ------
    UnknownTokenError
        As `first_symbols`.

    Examples
    --------
    >>> merges = {(98, 99): (0, 256), (97, 98): (1, 257)}
    >>> encode_word(b"abc", Rules(range(256), merges))
    [(97, 1), (256, 3)]
    >>> encode_word(b"abc", Rules(range(256), merges, whole={b"abc": 258}))
    [(258, 3)]
    """
    if word in rules.whole:
        return [(rules.whole[word], len(word))]
    symbols = first_symbols(word, rules)
    while True:
        pairs = pairwise(id for id, _ in symbols)
        ranked = [(rules.merges[pair][0], i) for i, pair in enumerate(pairs) if pair in rules.merges]
        if not ranked:
            return symbols
        _, i = min(ranked)
        (left, _), (right, end) = symbols[i : i + 2]
        symbols[i : i + 2] = [(rules.merges[left, right][1], end)]


def merge_word(word: bytes, byte_ids: Sequence[int], merges: Merges) -> list[int]:
    """Encode one pretoken of a model without further rules.

    Examples
    --------
    >>> ids = list(range(256))
    >>> merge_word(b"abcab", ids, {(98, 99): (0, 256), (97, 98): (1, 257)})
    [97, 256, 257]
    """
    return [id for id, _ in encode_word(word, Rules(byte_ids, merges))]


def merge_by_rank(word: bytes, ranks: Mapping[bytes, int]) -> list[int]:
    """Encode one pretoken as tiktoken does: neighbours that are a token together merge, lowest rank first.

    Examples
    --------
    >>> merge_by_rank(b"abc", {b"a": 0, b"b": 1, b"c": 2, b"bc": 3, b"ab": 4, b"xyz": 5})
    [0, 3]
    """
    if word in ranks:
        return [ranks[word]]
    parts = [bytes([byte]) for byte in word]
    while True:
        ranked = [(ranks[a + b], i) for i, (a, b) in enumerate(pairwise(parts)) if a + b in ranks]
        if not ranked:
            return [ranks[part] for part in parts]
        _, i = min(ranked)
        parts[i : i + 2] = [parts[i] + parts[i + 1]]


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
    return merge_dropping(symbols, rules, lambda: False)


def merge_dropping(
    symbols: list[int], rules: Mapping[tuple[int, int], tuple[int, int]], drop: Callable[[], bool]
) -> list[int]:
    """Merge with dropout, as Hugging Face does it.

    A merge that is dropped is set aside until another one is made; when all that are left have been dropped, it ends.

    Parameters
    ----------
    symbols
        Ids of the bytes of one pretoken; overwritten.
    rules
        Pair of ids to (rank, new id).
    drop
        Asked once for each merge that is about to be made; also for those that have become void.

    Examples
    --------
    >>> answers = iter([True, False])
    >>> merge_dropping([97, 98, 99], {(97, 98): (0, 256), (98, 99): (1, 257)}, lambda: next(answers, True))
    [97, 257]
    """
    n = len(symbols)
    after = list(range(1, n + 1))
    before = list(range(-1, n - 1))
    heap = [(rules[pair][0], i) for i, pair in enumerate(pairwise(symbols)) if pair in rules]
    heapify(heap)
    aside: list[tuple[int, int]] = []
    while heap:
        entry = heappop(heap)
        if drop():
            aside.append(entry)
            continue
        while aside:
            heappush(heap, aside.pop())
        rank, i = entry
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


def uncrossed_joints(text: str, parts: Collection[tuple[bytes, bytes]]) -> list[int]:
    r"""Find the joints of characters that no merge crosses, in bytes of the UTF-8 of one pretoken.

    A merge crosses a joint if what it joins ends and begins there. A part of a rule that ends at the joint ends with
    the character before it, or is an end of that character; so for the part that begins there. What stands on the two
    sides of a joint that no rule can cross is merged as if it stood alone.

    Parameters
    ----------
    text
        A pretoken.
    parts
        The bytes of the two parts of each rule.

    Examples
    --------
    >>> uncrossed_joints("abé", [(b"a", b"b"), (b"b", b"b")])
    [2]
    >>> uncrossed_joints("abé", [(b"ab", b"\xc3")])
    [1]
    """
    found, at = [], 0
    for before, after in pairwise(text):
        x, y = before.encode(), after.encode()
        at += len(x)
        if not any(
            (left.endswith(x) or x.endswith(left)) and (right.startswith(y) or y.startswith(right))
            for left, right in parts
        ):
            found.append(at)
    return found


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


def encode_text(
    text: str,
    split: str | Callable[[str], Sequence[str]],
    encode: Callable[[bytes], Sequence[int]],
    special: Mapping[str, int] | None = None,
) -> list[int]:
    """Encode a text with any rule for the pretokens.

    Parameters
    ----------
    text
        One document.
    split
        A named scheme, or any function that cuts text into pretokens.
    encode
        Gives the ids of one pretoken.
    special
        Ids of the special tokens that are wanted.

    Examples
    --------
    >>> encode_text("hi, you", "gpt2", lambda word: [len(word)])
    [2, 1, 4]
    """

    def words(stretch: str) -> Sequence[str]:
        return scan.split(stretch, split) if isinstance(split, str) else split(stretch)

    ids: list[int] = []
    for piece in cut_special(text, special or {}):
        if isinstance(piece, int):
            ids.append(piece)
        else:
            for word in words(piece):
                ids += encode(word.encode())
    return ids


def encode(
    text: str,
    scheme: str | Callable[[str], Sequence[str]],
    byte_ids: Sequence[int],
    merges: Merges,
    special: Mapping[str, int] | None = None,
) -> list[int]:
    """Encode a text with a model without further rules.

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
    return encode_text(text, scheme, lambda word: merge_word(word, byte_ids, merges), special)
