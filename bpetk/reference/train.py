"""How a BPE vocabulary is learned: the specification that the native trainer is tested against.

The algorithm is that of ``BpeTrainer`` in Hugging Face `tokenizers` 0.23, rule by rule. A word is a list of symbols, at
first its characters. Over and over, the pair of neighbouring symbols that occurs most often becomes a new symbol.

The vocabulary begins with the special tokens, then the alphabet in code point order; merged strings follow as they are
made. Ties are broken by ids: of two pairs that occur equally often, the smaller (left id, right id) is merged first.

Two habits look odd, and leave no trace in plain byte-level training:

* The queue has *entries*, each with the words to work on. A pair that gains occurrences gets a further entry with just
  the words touched at that time. Merging a pair does not reset its count, so a further entry may merge it again.
* A merged string that is a token already reuses its id, and the vocabulary does not grow.

They show when a special token equals a merged string, or when a prefix or suffix looks like text: the word ``aaa`` with
prefix ``a`` has the tokens ``a``, ``aa`` (a decorated ``a``), ``aaa``, and merges (``aa``, ``aa``) twice.

The library differs from this in three points. Its counts have 32 bits, and a pair of more than 2**31 - 1 occurrences is
lost (``wrap_32_bit`` does the same). It visits words in random order, which gives decorated characters random ids; here
words are visited in sorted order. And characters that tie at ``limit_alphabet`` are kept or dropped at random; here the
smaller code points are kept.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count, pairwise
from typing import Literal, NamedTuple

from bpetk.alphabet import BYTE_TO_CHAR, to_byte_level

Pair = tuple[int, int]


class Symbol(NamedTuple):
    """A unit of a word: its token id, and how many characters it covers (decoration not counted)."""

    id: int
    length: int


class LoggedMerge(NamedTuple):
    """One step of training: ``count`` is the pair count by which it was chosen, ``applied`` the replacements made."""

    pair: Pair
    token: int
    count: int
    applied: int


@dataclass(frozen=True)
class ReferenceResult:
    """What was learned.

    ``vocab`` has the tokens by id. ``merges`` (with ``counts`` and ``applied``) are in rank order as a
    ``tokenizer.json`` has them: each pair once, where it was merged last. ``log`` has every step.
    """

    vocab: list[str]
    merges: list[Pair]
    counts: list[int]
    applied: list[int]
    log: list[LoggedMerge]


def _alphabet(word_counts: Mapping[str, int], initial: Iterable[str], limit: int | None) -> list[str]:
    """Characters of the words and of the initial alphabet, in code point order; the most frequent if limited."""
    weights: dict[str, float] = defaultdict(int)
    for word, count in word_counts.items():
        for char in word:
            weights[char] += count
    for string in initial:  # only the first character of each string is used
        weights[string[0]] = float("inf")
    return sorted(sorted(weights, key=lambda char: (-weights[char], char))[:limit])


def _to_symbols(word: str, ids: dict[str, int], prefix: str, suffix: str) -> list[Symbol]:
    """Decorate the characters of a word; one that is not in the vocabulary vanishes and its neighbours meet."""
    symbols = []
    for i, char in enumerate(word):
        if char in ids:
            decorated = (prefix if i > 0 else "") + char + (suffix if i == len(word) - 1 else "")
            symbols.append(Symbol(ids.setdefault(decorated, len(ids)), 1))
    return symbols


def _merge_word(
    symbols: list[Symbol], pair: Pair, token: int, max_length: float
) -> tuple[list[Symbol], list[tuple[Pair, int]]]:
    """Replace a pair in one word, left to right, and list what changes: (neighbouring pair, +1 or -1) each.

    A pair that arises is not counted if it would become a token of ``max_length`` characters or more; the pair that
    it displaces is discounted all the same.
    """
    merged: list[Symbol] = []
    changes: list[tuple[Pair, int]] = []
    i = 0
    while i < len(symbols):
        if i + 1 == len(symbols) or (symbols[i].id, symbols[i + 1].id) != pair:
            merged.append(symbols[i])
            i += 1
            continue
        left, right = symbols[i], symbols[i + 1]
        new = Symbol(token, left.length + right.length)
        if merged:
            before = merged[-1]
            changes.append(((before.id, left.id), -1))
            if before.length + new.length < max_length:
                changes.append(((before.id, token), +1))
        if i + 2 < len(symbols):
            after = symbols[i + 2]
            changes.append(((right.id, after.id), -1))
            if new.length + after.length < max_length:
                changes.append(((token, after.id), +1))
        merged.append(new)
        i += 2
    return merged, changes


class _Queue:
    """Current pair counts, and entries (pair, words to work on): larger counts first, then smaller ids."""

    def __init__(self, wrap_32_bit: bool) -> None:
        self.counts: Counter[Pair] = Counter()
        self._wrap_32_bit = wrap_32_bit
        self._heap: list[tuple[int, Pair, int, set[int]]] = []
        self._serial = count()  # keeps entries apart that are equal otherwise

    def _count(self, pair: Pair) -> int:
        exact = self.counts[pair]
        return (exact + 2**31) % 2**32 - 2**31 if self._wrap_32_bit else exact

    def add(self, grown: Mapping[Pair, set[int]]) -> None:
        """Add an entry for each pair that gained occurrences, if its count is positive; older entries stay."""
        for pair, words in grown.items():
            if self._count(pair) > 0:
                heapq.heappush(self._heap, (-self._count(pair), pair, next(self._serial), words))

    def pop(self) -> tuple[int, Pair, set[int]] | None:
        """Take the best entry. One with an outdated count goes back with the current count first."""
        while self._heap:
            negative, pair, _, words = self._heap[0]
            current = self._count(pair) % 2**64  # a count below zero becomes enormous, as in the library
            if -negative == current:
                heapq.heappop(self._heap)
                return current, pair, words
            heapq.heapreplace(self._heap, (-current, pair, next(self._serial), words))
        return None


def train_words(
    word_counts: Mapping[str, int],
    vocab_size: int,
    *,
    min_frequency: int = 0,
    max_token_length: int | None = None,
    special_tokens: Iterable[str] = (),
    initial_alphabet: Iterable[str] = (),
    limit_alphabet: int | None = None,
    prefix: str | None = None,
    suffix: str | None = None,
    wrap_32_bit: bool = False,
) -> ReferenceResult:
    """Learn merges from words over any characters.

    Parameters
    ----------
    word_counts
        The distinct words, and how often each occurs (at least once).
    vocab_size
        Where training stops. Special tokens and alphabet count too, but are never cut down to it.
    min_frequency
        Training stops at a pair that occurs less often; 0 and 1 mean the same.
    max_token_length
        A token has at most ``max(2, max_token_length - 1)`` characters: see `_merge_word`.
    special_tokens
        First in the vocabulary; their text in the words is ordinary text.
    initial_alphabet, limit_alphabet
        Characters to have in any case, and how many to have at most, by frequency.
    prefix, suffix
        Put before each character of a word but the first, and after the last one.
    wrap_32_bit
        Wrap pair counts as the library does.

    Examples
    --------
    >>> result = train_words({"aaaaa": 1}, 100)
    >>> result.vocab
    ['a', 'aa', 'aaa', 'aaaaa']
    >>> result.merges
    [(0, 0), (1, 0), (1, 2)]
    """
    max_length = float("inf") if max_token_length is None else max_token_length
    ids: dict[str, int] = {}
    for string in [*special_tokens, *_alphabet(word_counts, initial_alphabet, limit_alphabet)]:
        ids.setdefault(string, len(ids))
    order = sorted(word_counts)
    words = [_to_symbols(word, ids, prefix or "", suffix or "") for word in order]
    vocab = list(ids)

    queue = _Queue(wrap_32_bit)
    grown: dict[Pair, set[int]] = defaultdict(set)
    for w, symbols in enumerate(words):
        for left, right in pairwise(symbols):  # overlaps count: (a, a) is in aaaa three times
            queue.counts[left.id, right.id] += word_counts[order[w]]
            grown[left.id, right.id].add(w)
    queue.add(grown)

    log: list[LoggedMerge] = []
    while len(vocab) < vocab_size and (entry := queue.pop()) is not None:
        frequency, pair, touched = entry
        if frequency < max(1, min_frequency):
            break
        string = vocab[pair[0]] + vocab[pair[1]].removeprefix(prefix or "")
        token = ids.setdefault(string, len(ids))
        if token == len(vocab):
            vocab.append(string)
        applied = 0
        grown = defaultdict(set)
        for w in touched:
            times = word_counts[order[w]]
            symbols, changes = _merge_word(words[w], pair, token, max_length)
            applied += (len(words[w]) - len(symbols)) * times
            words[w] = symbols
            for changed, sign in changes:
                queue.counts[changed] += sign * times
                if sign > 0:
                    grown[changed].add(w)
        queue.add(grown)
        log.append(LoggedMerge(pair, token, frequency, applied))
    last = {step.pair: rank for rank, step in enumerate(log)}
    final = [log[rank] for rank in sorted(last.values())]
    return ReferenceResult(
        vocab, [s.pair for s in final], [s.count for s in final], [s.applied for s in final], log
    )


def train(
    word_counts: Mapping[bytes, int],
    vocab_size: int,
    *,
    min_frequency: int = 0,
    max_token_length: int | None = None,
    special_tokens: Iterable[str] = (),
    alphabet: Literal["bytes", "observed"] = "bytes",
) -> ReferenceResult:
    """Learn merges from words of bytes; the result has each byte as its byte-level character.

    Parameters
    ----------
    word_counts, vocab_size, min_frequency, max_token_length, special_tokens
        As for `train_words`; a character is a byte, and special tokens stay as given.
    alphabet
        Whether all 256 bytes or only those of the words are in the vocabulary.

    Examples
    --------
    >>> result = train({b" a": 3, b" b": 1}, 257)
    >>> result.vocab[-1], result.counts, result.applied
    ('Ġa', [3], [3])
    """
    return train_words(
        {to_byte_level(word): count for word, count in word_counts.items()},
        vocab_size,
        min_frequency=min_frequency,
        max_token_length=max_token_length,
        special_tokens=special_tokens,
        initial_alphabet=BYTE_TO_CHAR if alphabet == "bytes" else (),
    )
