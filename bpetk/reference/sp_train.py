"""How SentencePiece learns BPE pieces: the specification that the native trainer is tested against.

This is ``model_type=bpe`` of `sentencepiece` 0.2.3 from normalized sentences on, under the names of its own options.

1. Texts that are pieces anyway (`<s>`, user-defined symbols, ...) become a barrier, U+001F, that no piece crosses.
2. The alphabet: the most frequent characters, up to a share of the text. Every other character is a barrier too.
3. Sentences are cut into words at U+2581, the mark of a blank, and equal words are added up.
4. Over and over, the most frequent pair of neighbours becomes a piece, if its string is a valid one; of equally
   frequent pairs the one with fewer characters, then with the smaller string.
5. There is no least frequency: when no pair is left in the text, pairs that once stood in it fill up the vocabulary, in
   the same order. As a merge replaces its places from left to right, the new symbol stands for a moment before a
   left side that is replaced next: ``abab`` has the pair (``ab``, ``a``) while ``ab`` is merged. Such pairs count.

Two pairs may spell one string; the second is dropped without merging it. That happens to fillers only: pieces form
inside a span of text as if nothing stood around it, so a string that is a piece somewhere was put together in the
same way everywhere. Hence a symbol is its string here. Neither threads nor the order of sentences have an influence.
"""

from __future__ import annotations

import heapq
import itertools
import re
import struct
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from bpetk.sp_scripts import INHERITED, script_classes

Pair = tuple[str, str]

BLANK = "\u2581"  # stands for a space
BARRIER = "\x1f"
UNKNOWN = "\u2585"  # the library's own mark for a character outside the alphabet
NEVER_IN_A_PIECE = {UNKNOWN, "\0", BARRIER, " "}
DIGITS = {chr(zero + i) for zero in (ord("0"), 0xFF10) for i in range(10)}  # ASCII and full-width


@dataclass(frozen=True)
class PieceRules:
    """Which strings may be pieces, and what a word is. The names and defaults are the library's."""

    max_sentencepiece_length: int = 16  # characters
    split_by_unicode_script: bool = True
    split_by_number: bool = True
    split_by_whitespace: bool = True
    treat_whitespace_as_suffix: bool = False
    split_digits: bool = False
    allow_whitespace_only_pieces: bool = False


@dataclass(frozen=True)
class LearnedPieces:
    """What was learned: the merged pieces with the frequency each was chosen by, then single characters."""

    merges: list[str]
    frequencies: list[int]
    alphabet: list[str]


def keep_sentences(
    lines: Iterable[bytes], *, tsv: bool = False, max_sentence_length: int = 4192, limit: int | None = None
) -> tuple[list[tuple[bytes, int]], Counter[str]]:
    """Choose the sentences to learn from, before they are normalized.

    Parameters
    ----------
    lines
        Lines without their ends; a carriage return before the end is a character of the line.
    tsv
        Whether a line is a sentence, a tab and a count (``input_format=tsv``); else each line counts once.
    max_sentence_length
        Longer sentences are skipped; in bytes.
    limit
        How many sentences are taken; further lines are not even read. None: all.

    Returns
    -------
    tuple
        The sentences with their counts, and how many were skipped by reason: empty, too long, reserved character.

    Raises
    ------
    ValueError
        If a line is not a sentence and a count from 1 to 2**63 - 1.

    Examples
    --------
    >>> keep_sentences([b"", b"ab", b"a" * 11], max_sentence_length=10)
    ([(b'ab', 1)], Counter({'empty': 1, 'too long': 1}))
    """
    kept: list[tuple[bytes, int]] = []
    skipped: Counter[str] = Counter()
    for line in lines:
        sentence, count = _with_count(line) if tsv else (line, 1)
        if not sentence:
            skipped["empty"] += 1
        elif len(sentence) > max_sentence_length:
            skipped["too long"] += 1
        elif UNKNOWN.encode() in sentence:
            skipped["reserved character"] += 1
        else:
            kept.append((sentence, count))
            if len(kept) == limit:
                break
    return kept, skipped


def _with_count(line: bytes) -> tuple[bytes, int]:
    found = re.fullmatch(rb"([^\t]*)\t[ \n-\r]*(\+?[0-9]+)[ \n-\r]*", line)
    if not found or not 1 <= int(found[2]) < 2**63:
        raise ValueError(f"not a sentence, a tab and a count from 1 to 2**63 - 1: {line!r}")
    return found[1], int(found[2])


def set_barriers(sentence: str, taken: Collection[str], delimiter: str = "") -> str:
    r"""Replace texts that are pieces already, leftmost and longest first, and after that the delimiter.

    Examples
    --------
    >>> set_barriers("a<s>b|c", {"<s>", "<s"}, "|")
    'a\x1fb\x1fc'
    """
    longest_first = sorted(taken, key=len, reverse=True)
    if longest_first:
        sentence = re.sub("|".join(map(re.escape, longest_first)), BARRIER, sentence)
    return sentence.replace(delimiter, BARRIER) if delimiter else sentence


def count_characters(sentences: Iterable[tuple[str, int]]) -> Counter[str]:
    """Count the characters of sentences, barriers included, U+0000 not."""
    counts: Counter[str] = Counter()
    for sentence, count in sentences:
        for char, times in Counter(sentence).items():
            counts[char] += times * count
    counts.pop("\0", None)
    return counts


def _single(value: float) -> float:
    """Round to single precision, in which the library compares."""
    rounded: float = struct.unpack("f", struct.pack("f", value))[0]
    return rounded


def choose_alphabet(counts: Mapping[str, int], coverage: float = 0.9995, required: str = "") -> list[str]:
    """Choose the characters that are pieces, in the order of their pieces: count descending, then code point.

    The required ones are taken first, then the most frequent, as long as those taken before make up less than
    ``coverage`` of the text. U+001F takes part but is never a piece; U+0000 is not even counted.

    Raises
    ------
    ValueError
        If there is no character at all.

    Examples
    --------
    >>> choose_alphabet({"a": 98, "b": 1, "z": 1}, 0.99, "x")
    ['a', 'b', 'x']
    """
    total = sum(counts.values())
    if total == 0:
        raise ValueError("there is no text to learn from")
    wanted = {*required} - {"\0"}
    chosen, taken = [], 0
    for char in sorted({*counts, *wanted}, key=lambda c: (c not in wanted, -counts.get(c, 0), c)):
        if _single(float(taken) / float(total)) >= _single(coverage):
            break
        taken += counts.get(char, 0)
        if char != BARRIER:
            chosen.append(char)
    return sorted(chosen, key=lambda c: (-counts.get(c, 0), c))


def split_words(sentence: str, rules: PieceRules) -> list[str]:
    """Cut a sentence into words, each with the blanks before it, or after it if they are suffixes.

    Examples
    --------
    >>> split_words("▁a▁▁b", PieceRules())
    ['▁a', '▁', '▁b']
    >>> split_words("▁a▁▁b", PieceRules(allow_whitespace_only_pieces=True))
    ['▁a', '▁▁b']
    """
    if not rules.split_by_whitespace:
        return [sentence] if sentence else []
    blanks = BLANK + ("+" if rules.allow_whitespace_only_pieces else "")
    others = f"[^{BLANK}]"
    word = f"{others}*{blanks}" if rules.treat_whitespace_as_suffix else f"{blanks}{others}*"
    return re.findall(f"{word}|{others}+", sentence)


def _blank_fits(piece: str, i: int, rules: PieceRules) -> bool:
    """Whether a blank may stand at this place of a piece."""
    if rules.allow_whitespace_only_pieces and not piece.strip(BLANK):
        return True
    last = len(piece) - 1
    if rules.treat_whitespace_as_suffix:
        return i == last or (not rules.split_by_whitespace and i > 0)
    return i == 0 or (not rules.split_by_whitespace and i < last)


def is_valid(piece: str, rules: PieceRules) -> bool:
    """Whether a string may be a piece.

    Blanks have no script. A character of script Inherited has that of the character before it; with
    ``split_by_number=False`` a digit has any script, and any may follow it.

    Examples
    --------
    >>> [is_valid(piece, PieceRules()) for piece in ("▁ab", "a▁b", "a1", "1.", "漢あー")]
    [True, False, False, True, True]
    """
    if not 0 < len(piece) <= rules.max_sentencepiece_length:
        return False
    classes = script_classes()
    before = None  # None: any script
    for i, char in enumerate(piece):
        if char in NEVER_IN_A_PIECE:
            return False
        if char == BLANK:
            if not _blank_fits(piece, i, rules):
                return False
            continue
        if rules.split_digits and char in DIGITS and len(piece) > 1:
            return False
        script: int | None = classes[ord(char)]
        if script == INHERITED:
            script = before
        if not rules.split_by_number and char in DIGITS:
            script = None
        if rules.split_by_unicode_script and script is not None and before not in (None, script):
            return False
        before = script
    return True


class _Text:
    """Words as lists of symbols, the pairs in them, and a queue of all pairs that ever stood in them."""

    def __init__(self, words: Mapping[str, int], alphabet: Collection[str] | None, rules: PieceRules) -> None:
        self.rules = rules
        self.counts: Counter[Pair] = Counter()  # places now, overlapping ones too: aaa has (a, a) twice
        self.done: set[Pair] = set()
        self._places: dict[Pair, set[int]] = {}  # words that had the pair once
        self._queue: list[tuple[int, int, str, Pair]] = []
        self._valid: dict[str, bool] = {}
        self._words: list[list[str]] = []
        self._weights: list[int] = []
        for word, count in words.items():
            known = word if alphabet is None else (c if c in alphabet else BARRIER for c in word)
            self._words.append([*known])
            self._weights.append(count)
        for number, symbols in enumerate(self._words):
            self._count(number, symbols, +1)
        self._push(self.counts)

    def _count(self, number: int, symbols: list[str], sign: int) -> set[Pair]:
        """Count the valid pairs of a word, or take them back, and give them."""
        pairs = [pair for pair in itertools.pairwise(symbols) if self._is_valid(pair)]
        for pair in pairs:
            self.counts[pair] += sign * self._weights[number]
            self._places.setdefault(pair, set()).add(number)
        return {*pairs}

    def _is_valid(self, pair: Pair) -> bool:
        piece = pair[0] + pair[1]
        if piece not in self._valid:
            self._valid[piece] = is_valid(piece, self.rules)
        return self._valid[piece]

    def _push(self, pairs: Iterable[Pair]) -> None:
        for left, right in pairs:
            piece = left + right
            heapq.heappush(self._queue, (-self.counts[left, right], len(piece), piece, (left, right)))

    def pop(self) -> Pair | None:
        """Take the best pair; None: there is none left. It is not given again."""
        while self._queue:
            negative, _, _, pair = heapq.heappop(self._queue)
            if (
                pair not in self.done and -negative == self.counts[pair]
            ):  # else a better informed entry exists
                self.done.add(pair)
                return pair
        return None

    def merge(self, pair: Pair) -> None:
        """Replace a pair at all its places, left to right in each word."""
        changed: set[Pair] = set()
        for number in self._places.pop(pair, ()):
            symbols = self._words[number]
            merged, passing = _merge(symbols, pair)
            if len(merged) < len(symbols):
                changed |= self._count(number, symbols, -1) | self._count(number, merged, +1)
                changed |= {p for p in passing if self._is_valid(p)}
                self._words[number] = merged
        self._push(changed - self.done)


def _merge(symbols: list[str], pair: Pair) -> tuple[list[str], list[Pair]]:
    """Replace a pair in one word; also give the new symbol beside what followed it at that moment."""
    merged: list[str] = []
    passing: list[Pair] = []
    i = 0
    while i < len(symbols):
        if tuple(symbols[i : i + 2]) == pair:
            merged.append(pair[0] + pair[1])
            i += 2
            if i < len(symbols):
                passing.append((merged[-1], symbols[i]))
        else:
            merged.append(symbols[i])
            i += 1
    return merged, passing


def merge_words(
    words: Mapping[str, int],
    size: int,
    rules: PieceRules,
    alphabet: Collection[str] | None = None,
) -> tuple[list[str], list[int]]:
    """Learn pieces of two and more characters from words.

    Parameters
    ----------
    words
        The distinct words, and how often each occurs.
    size
        How many pieces at most; there are fewer if the text has no more pairs.
    rules
        Which strings may be pieces.
    alphabet
        Characters that may be in pieces, all others are barriers; None: all that `is_valid` lets through.

    Returns
    -------
    tuple of list
        The pieces in the order in which they were made, and the frequency of each at that moment, 0 for fillers.

    Examples
    --------
    >>> merge_words({"▁abcab": 1}, 100, PieceRules())[0]
    ['ab', 'abc', '▁abc', '▁abcab', 'bc', 'ca', '▁a', 'cab', '▁ab', 'abcab']
    """
    text = _Text(words, alphabet, rules)
    made: dict[str, int] = {}
    while len(made) < size and (pair := text.pop()) is not None:
        piece = pair[0] + pair[1]
        if piece not in made:
            made[piece] = text.counts[pair]
            text.merge(pair)
    return [*made], [*made.values()]


def cut_merges(
    merges: list[str], frequencies: list[int], counts: Mapping[str, int], size: int
) -> tuple[int, list[str]]:
    """Choose how many merges to keep, and which characters, where bytes stand for the others.

    This is ``auto_character_coverage``. The first merges are kept, each character in them becomes a piece too, and
    single characters of two and more bytes fill up. A merge gains its frequency, a character its count times the bytes
    that it saves; the number of merges with the largest sum wins, of equal ones the larger.

    Returns
    -------
    tuple
        The number of merges, and the characters in the order of their pieces: those in merges by code point, then
        the others by gain and count, descending, then code point.

    Examples
    --------
    >>> cut_merges(["ab", "ba"], [5, 0], {"a": 9, "b": 9, "é": 3}, 4)
    (1, ['a', 'b', 'é'])
    """
    gains = {char: count * (len(char.encode()) - 1) for char, count in counts.items()}
    ranked = sorted((c for c in gains if gains[c] > 0), key=lambda c: (-gains[c], -counts[c], c))
    best = (-1, 0, [""])
    inside: set[str] = set()
    for kept in range(len(merges) + 1):
        room = size - kept - len(inside)
        if room >= 0:
            alone = [c for c in ranked if c not in inside][:room]
            gain = sum(frequencies[:kept]) + sum(gains.get(c, 0) for c in {*inside, *alone})
            if gain >= best[0]:
                best = (gain, kept, [*sorted(inside), *alone])
        if kept < len(merges):
            inside |= {*merges[kept]}
    return best[1], best[2]


def train(
    sentences: Iterable[tuple[str, int]],
    size: int,
    *,
    rules: PieceRules = PieceRules(),
    taken: Collection[str] = (),
    delimiter: str = "",
    character_coverage: float = 0.9995,
    required_chars: str = "",
    auto_character_coverage: bool = False,
) -> LearnedPieces:
    """Learn pieces from normalized sentences.

    Parameters
    ----------
    sentences
        Normalized sentences (U+2581 for blanks), and how often each occurs.
    size
        How many pieces, characters of the alphabet included: the size of the vocabulary less ``taken``.
    rules
        Which strings may be pieces, and what a word is.
    taken
        Texts of pieces that there are anyway: unknown, control and user-defined symbols, bytes.
    delimiter
        Another text that no piece crosses (``pretokenization_delimiter``).
    character_coverage, required_chars, auto_character_coverage
        How the alphabet is chosen: see `choose_alphabet`; by `cut_merges` after the merges, if automatic.

    Raises
    ------
    ValueError
        If there is no text, or ``size`` is too small for the alphabet alone.

    Examples
    --------
    >>> train([("▁aaa", 1)], 100)
    LearnedPieces(merges=['aa', 'aaa', '▁aaa', '▁a', '▁aa'], frequencies=[2, 1, 1, 0, 0], alphabet=['a', '▁'])
    """
    barred = [(set_barriers(sentence, taken, delimiter), count) for sentence, count in sentences]
    counts = count_characters(barred)
    words: Counter[str] = Counter()
    for sentence, count in barred:
        for word in split_words(sentence, rules):
            words[word] += count
    if auto_character_coverage:
        if size < 1:
            raise ValueError("no place is left for any piece that is learned")
        merges, frequencies = merge_words(words, size, rules)
        kept, characters = cut_merges(merges, frequencies, counts, size)
        return LearnedPieces(merges[:kept], frequencies[:kept], characters)
    alphabet = choose_alphabet(counts, character_coverage, required_chars)
    if len(alphabet) > size:
        raise ValueError(
            f"the alphabet has {len(alphabet)} characters, more than the {size} pieces asked for"
        )
    merges, frequencies = merge_words(words, size - len(alphabet), rules, frozenset(alphabet))
    return LearnedPieces(merges, frequencies, alphabet)
