"""How a BPE vocabulary is learned: the specification that the native trainer is tested against.

The algorithm is that of ``BpeTrainer`` in Hugging Face `tokenizers` 0.23, rule by rule. A word is a list of
symbols, at first its characters. Over and over, the most frequent pair of neighbours becomes a new symbol; of
equally frequent ones that with the smallest (left id, right id). Ids go to the special tokens, then to the
alphabet in code point order, then to merged strings as they are made.

Two habits look odd, and leave no trace in plain byte-level training:

* The queue has *entries*, each with words to work on. A pair that gains occurrences gets another entry, for
  the words touched just then. Merging a pair does not reset its count, so a further entry may merge it again.
* A merged string that is a token already reuses its id, and the vocabulary does not grow.

They show when a special token equals a merged string, or when prefix or suffix look like text: word ``aaa``,
prefix ``a``, has the tokens ``a``, ``aa`` (decorated ``a``), ``aaa``, and merges (``aa``, ``aa``) twice.

The library differs in three points. Its counts have 32 bits: a pair of 2**31 occurrences or more is lost, as
with ``wrap_32_bit``. It numbers decorated characters in a random order of words, here in sorted order. Of
characters that tie at ``limit_alphabet`` it drops any, here the larger code points.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from bpetk.alphabet import BYTE_TO_CHAR, to_byte_level

Pair = tuple[int, int]


class Symbol(NamedTuple):
    """A unit of a word: its token id, and how many characters it covers (decoration not counted)."""

    id: int
    length: int


Word = list[Symbol]
Change = tuple[Pair, int]


class LoggedMerge(NamedTuple):
    """One step: ``pair_count`` is that by which the pair was chosen, ``applied`` the replacements made."""

    pair: Pair
    token: int
    pair_count: int
    applied: int


@dataclass(frozen=True)
class ReferenceResult:
    """What was learned: the tokens by id, the merges as a ``tokenizer.json`` has them, and every step.

    ``merges`` (and ``counts``) are in rank order; a repeated pair stands where it was merged last.
    """

    vocab: list[str]
    merges: list[Pair]
    counts: list[int]
    log: list[LoggedMerge]


def _alphabet(word_counts: Mapping[str, int], initial: Iterable[str], limit: int | None) -> list[str]:
    """Characters of words and initial alphabet, in code point order; the most frequent ones if limited."""
    weights: dict[str, float] = defaultdict(int)
    for word, count in word_counts.items():
        for char in word:
            weights[char] += count
    for string in initial:  # only the first character of each string is used
        weights[string[0]] = math.inf
    return sorted(sorted(weights, key=lambda char: (-weights[char], char))[:limit])


def _to_symbols(word: str, ids: dict[str, int], prefix: str, suffix: str) -> Word:
    """Decorate the characters of a word; one that is no token vanishes, and its neighbours meet."""
    symbols: Word = []
    for i, char in enumerate(word):
        if char in ids:
            decorated = (prefix if i > 0 else "") + char + (suffix if i == len(word) - 1 else "")
            symbols.append(Symbol(ids.setdefault(decorated, len(ids)), 1))
    return symbols


def _merge_word(symbols: Word, pair: Pair, token: int, max_length: float) -> tuple[Word, list[Change]]:
    """Replace a pair in one word, left to right, and list the changes of pair counts: (pair, +1 or -1) each.

    A new pair of ``max_length`` or more characters is not counted; the displaced one is discounted anyway.
    """
    merged: Word = []
    changes: list[Change] = []
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
        self._heap: list[tuple[int, Pair, int, set[str]]] = []
        self._serial = itertools.count()  # keeps entries apart that are equal otherwise

    def _count(self, pair: Pair) -> int:
        exact = self.counts[pair]
        return (exact + 2**31) % 2**32 - 2**31 if self._wrap_32_bit else exact

    def add(self, grown: Mapping[Pair, set[str]]) -> None:
        """Add an entry for each pair that gained occurrences and is positive; older entries stay."""
        for pair, words in grown.items():
            if self._count(pair) > 0:
                heapq.heappush(self._heap, (-self._count(pair), pair, next(self._serial), words))

    def pop(self) -> tuple[int, Pair, set[str]]:
        """Take the best entry (count 0: none is left); one with an outdated count goes back updated."""
        while self._heap:
            negative, pair, _, words = self._heap[0]
            current = self._count(pair) % 2**64  # a count below zero becomes enormous, as in the library
            if -negative == current:
                heapq.heappop(self._heap)
                return current, pair, words
            heapq.heapreplace(self._heap, (-current, pair, next(self._serial), words))
        return 0, (0, 0), set()


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
        Training stops at this size; special tokens and alphabet count too, but are never cut down to it.
    min_frequency
        Training stops at a pair that occurs less often; 0 and 1 mean the same.
    max_token_length
        A token has at most ``max(2, max_token_length - 1)`` characters: see `_merge_word`.
    special_tokens, initial_alphabet, limit_alphabet
        What the vocabulary begins with; characters it has in any case; how many it has at most.
    prefix, suffix, wrap_32_bit
        Put before each character of a word but the first; put after the last one; lose counts as the library.

    Examples
    --------
    >>> train_words({"aaaaa": 1}, 100).vocab
    ['a', 'aa', 'aaa', 'aaaaa']
    """
    max_length = math.inf if max_token_length is None else max_token_length
    ids: dict[str, int] = {}
    for string in [*special_tokens, *_alphabet(word_counts, initial_alphabet, limit_alphabet)]:
        ids.setdefault(string, len(ids))
    words = {word: _to_symbols(word, ids, prefix or "", suffix or "") for word in sorted(word_counts)}
    strings = dict(enumerate(ids))

    queue = _Queue(wrap_32_bit)
    grown: dict[Pair, set[str]] = defaultdict(set)
    for word, symbols in words.items():
        for left, right in itertools.pairwise(symbols):  # also overlapping: aaaa has (a, a) three times
            queue.counts[left.id, right.id] += word_counts[word]
            grown[left.id, right.id].add(word)
    queue.add(grown)

    log: list[LoggedMerge] = []
    ranked: dict[Pair, int] = {}
    while len(ids) < vocab_size:
        frequency, pair, touched = queue.pop()
        if frequency < max(1, min_frequency):
            break
        string = strings[pair[0]] + strings[pair[1]].removeprefix(prefix or "")
        token = ids.setdefault(string, len(ids))
        strings[token] = string
        applied = 0
        grown = defaultdict(set)
        for word in touched:
            symbols, changes = _merge_word(words[word], pair, token, max_length)
            applied += (len(words[word]) - len(symbols)) * word_counts[word]
            words[word] = symbols
            for changed, sign in changes:
                queue.counts[changed] += sign * word_counts[word]
                if sign > 0:
                    grown[changed].add(word)
        queue.add(grown)
        log.append(LoggedMerge(pair, token, frequency, applied))
        ranked.pop(pair, None)  # a repeated pair has its last rank
        ranked[pair] = frequency
    return ReferenceResult(list(ids), list(ranked), list(ranked.values()), log)


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

    Parameters are those of `train_words`, where a byte is a character; special tokens stay as given.
    ``alphabet``: whether all 256 bytes, or only those of the words, are in the vocabulary.
    """
    return train_words(
        {to_byte_level(word): count for word, count in word_counts.items()},
        vocab_size,
        min_frequency=min_frequency,
        max_token_length=max_token_length,
        special_tokens=special_tokens,
        initial_alphabet=BYTE_TO_CHAR if alphabet == "bytes" else (),
    )
