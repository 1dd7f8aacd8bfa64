"""How tokens fit Chinese words: borders, crossings, tokens per word, against a segmenter or a gold file.

Places are bytes. Only what lies between two Han characters, or inside one, is judged: a border at a punctuation mark is
no merit. With G the word borders there and T the token borders there:

precision = |G and T| / |T|, recall = |G and T| / |G|, F1 = 2 |G and T| / (|G| + |T|)

A token border inside a character counts in T and is never in G. Words are those of Han characters only.
"""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bpetk.analysis.documents import DocumentSample, Progress, TextFile, read_documents
from bpetk.analysis.scripts import HAN, class_table, code_points
from bpetk.analysis.token_table import TokenTable
from bpetk.errors import ConfigError, CorpusError, MissingDependencyError

if TYPE_CHECKING:
    from bpetk.tokenizer import Tokenizer

SEGMENTERS = ("jieba",)
LONGEST = 4
"""Words of so many characters and longer ones are one row."""
_SHOWN = 50
_CHUNK_DOCUMENTS = 4096

Segment = Callable[[str], Sequence[str]]


class Segmented(NamedTuple):
    """A document (UTF-8) and the bytes, strictly inside, at which its words end."""

    document: bytes
    borders: list[int]


# --- where words end --------------------------------------------------------------------------------------------------


def load_segmenter(name: str) -> tuple[Segment, str]:
    """Give a function that cuts text into words, and its name with the version.

    Raises
    ------
    ConfigError
        If there is no segmenter of this name.
    MissingDependencyError
        If it is not installed; the message names the command that installs it.
    """
    if name not in SEGMENTERS:
        raise ConfigError(f"unknown segmenter {name!r}; there is {', '.join(SEGMENTERS)}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is written for older Pythons
            import jieba
    except ImportError:
        raise MissingDependencyError(
            "words are told by the package jieba, which is not installed: pip install 'bpetk[chinese]' (or choose no "
            "segmenter, or give a gold file)"
        ) from None
    jieba.setLogLevel(logging.WARNING)  # it reports on standard error that it loads its dictionary
    return jieba.lcut, f"jieba {jieba.__version__}"


def segmented(document: bytes, segment: Segment) -> Segmented:
    """Cut a document into words.

    Examples
    --------
    >>> segmented("我们a".encode(), lambda text: ["我们", "a"]).borders
    [6]
    """
    words = segment(document.decode())
    ends = np.cumsum([len(word.encode()) for word in words]).tolist()
    if not ends or ends[-1] != len(document):
        raise CorpusError("the segmenter does not give back the text that it was given")
    return Segmented(document, ends[:-1])


def gold_borders(document: str, gold: str) -> list[int] | int:
    """Give the bytes at which words end, taken from the same text with blanks between words.

    White space in the document is not compared.

    Returns
    -------
    list[int] or int
        Or the first character (from 0) of ``gold`` that does not match.

    Examples
    --------
    >>> gold_borders("我们去", "我们  去"), gold_borders("我 们", "我 们"), gold_borders("我们", "我 他")
    ([6], [3, 4], 2)
    """
    borders: list[int] = []
    at = place = 0
    pending = False
    for column, char in enumerate(gold):
        if char.isspace():
            pending = True
            continue
        while at < len(document) and document[at].isspace():
            if place:
                borders.append(place)
            place += len(document[at].encode())
            at += 1
            pending = True
        if at == len(document) or document[at] != char:
            return column
        if pending and place:
            borders.append(place)
        pending = False
        place += len(char.encode())
        at += 1
    if document[at:].strip():
        return len(gold)
    if at < len(document) and place:
        borders.append(place)  # white space ends the document
    return borders


def read_gold(text: TextFile, gold: TextFile) -> Iterator[list[Segmented]]:
    """Read a text and its words side by side, line by line.

    Raises
    ------
    CorpusError
        If they are not the same text; names the file, the line and the column.
    """
    lines = (line for batch in read_documents([gold]) for line in batch.documents)
    number = 0
    for batch in read_documents([text]):
        found = []
        # The text's documents come first: nothing of the gold file is taken and lost.
        for document, line in zip(batch.documents, lines, strict=False):
            number += 1
            borders = gold_borders(document.decode(), line.decode())
            if isinstance(borders, int):
                raise CorpusError(_mismatch(text, gold, number, document.decode(), line.decode(), borders))
            if document:
                found.append(Segmented(document, borders))
        if number < batch.first + len(batch.documents) and any(batch.documents[number - batch.first :]):
            raise CorpusError(
                f"{gold.name}: ends after line {number:,}, but {text.name} goes on; one line for each is expected"
            )
        yield found
    if any(lines):
        raise CorpusError(f"{gold.name}: goes on after line {number:,}, where {text.name} ends")


def _mismatch(text: TextFile, gold: TextFile, number: int, document: str, line: str, at: int) -> str:
    before = len("".join(line[:at].split()))
    letters = "".join(document.split())
    there = repr(letters[before]) if before < len(letters) else "the end of the line"
    here = repr(line[at]) if at < len(line) else "the end of the line"
    return (
        f"{gold.name}: line {number:,}, column {at + 1:,}: {here}, where {text.name} has {there}. A gold file is the "
        "same text, line by line, with blanks between words."
    )


# --- where tokens end -------------------------------------------------------------------------------------------------


def token_borders(
    tokenizer: Tokenizer, table: TokenTable, documents: Sequence[bytes]
) -> list[NDArray[np.int64]]:
    """Give the bytes, strictly inside each document, at which its tokens end."""
    ids, rows = tokenizer.encode_batch_flat(documents, threads=1, disallowed_special=())
    found = []
    for k, document in enumerate(documents):
        row = ids[rows[k] : rows[k + 1]].tolist()
        parts = [table.data[id] for id in row]
        spelled = b"".join(parts)
        if spelled in (document, b" " + document):
            ends = np.cumsum(list(map(len, parts))) - (len(spelled) - len(document))
        else:
            # Normalized, or with characters that the model does not know: only encoding says what stands where.
            ends = tokenizer.encode_with_offsets(document, disallowed_special=()).offsets[:, 0]
        ends = np.unique(ends)
        found.append(ends[(ends > 0) & (ends < len(document))].astype(np.int64))
    return found


# --- both -------------------------------------------------------------------------------------------------------------


@dataclass
class WordCounts:
    """What was counted; all are sums over documents.

    Attributes
    ----------
    documents, size
        Looked at, and their bytes.
    word_borders, token_borders, common_borders
        Between or inside Han characters: |G|, |T|, |G and T|.
    words, word_tokens, words_continued
        Han words by length in characters (index 0: all of `LONGEST` and more share the last): how many, the tokens
        that touch them, those that more than one touches.
    han_tokens, crossing, straddling
        Tokens that touch a Han character; those with a word border inside; those of them that begin or end inside a
        word.
    split_words, crossing_tokens
        How often each word was split, each token crossed.
    """

    documents: int = 0
    size: int = 0
    word_borders: int = 0
    token_borders: int = 0
    common_borders: int = 0
    words: list[int] = field(default_factory=lambda: [0] * LONGEST)
    word_tokens: list[int] = field(default_factory=lambda: [0] * LONGEST)
    words_continued: list[int] = field(default_factory=lambda: [0] * LONGEST)
    han_tokens: int = 0
    crossing: int = 0
    straddling: int = 0
    split_words: Counter[bytes] = field(default_factory=Counter)
    crossing_tokens: Counter[bytes] = field(default_factory=Counter)

    @property
    def precision(self) -> float | None:
        """Share of token borders that are word borders."""
        return self.common_borders / self.token_borders if self.token_borders else None

    @property
    def recall(self) -> float | None:
        """Share of word borders that are token borders."""
        return self.common_borders / self.word_borders if self.word_borders else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of both."""
        both = self.token_borders + self.word_borders
        return 2 * self.common_borders / both if both else None

    def add(self, documents: Sequence[Segmented], tokens: Sequence[NDArray[np.int64]]) -> None:
        """Count documents with the places where their tokens end."""
        if not documents:
            return
        text = b"".join(item.document for item in documents)
        sizes = np.fromiter((len(item.document) for item in documents), np.int64, len(documents))
        starts = np.cumsum(sizes) - sizes
        edges = np.zeros(len(text) + 1, bool)
        edges[starts] = edges[len(text)] = True
        words, token_ends = edges.copy(), edges.copy()
        for start, item, ends in zip(starts.tolist(), documents, tokens, strict=True):
            words[np.asarray(item.borders, np.int64) + start] = True
            token_ends[ends + start] = True
        self.documents += len(documents)
        self.size += len(text)
        han = _han_bytes(text)
        judged = np.zeros(len(text) + 1, bool)
        judged[1:-1] = han[:-1] & han[1:] & ~edges[1:-1]
        gold = words & judged
        self.word_borders += int(gold.sum())
        self.token_borders += int((token_ends & judged).sum())
        self.common_borders += int((token_ends & gold).sum())
        self._add_words(text, words, token_ends, han)
        self._add_tokens(text, words, token_ends, gold, han)

    def _add_words(self, text: bytes, words: Any, token_ends: Any, han: Any) -> None:
        bounds = np.flatnonzero(words)
        starts, ends = bounds[:-1], bounds[1:]
        han_before = _sums(han)
        whole = han_before[ends] - han_before[starts] == ends - starts
        starts, ends = starts[whole], ends[whole]
        token_of = np.cumsum(token_ends[:-1])  # number of the token that each byte is in
        tokens = token_of[ends - 1] - token_of[starts] + 1
        heads_before = _sums((np.frombuffer(text, np.uint8) & 0xC0) != 0x80)
        length = np.minimum(heads_before[ends] - heads_before[starts], LONGEST) - 1
        for k in range(LONGEST):
            here = length == k
            self.words[k] += int(here.sum())
            self.word_tokens[k] += int(tokens[here].sum())
            self.words_continued[k] += int((tokens[here] > 1).sum())
        split = tokens > 1
        spans = zip(starts[split].tolist(), ends[split].tolist(), strict=True)
        self.split_words.update(text[start:end] for start, end in spans)

    def _add_tokens(self, text: bytes, words: Any, token_ends: Any, gold: Any, han: Any) -> None:
        bounds = np.flatnonzero(token_ends)
        starts, ends = bounds[:-1], bounds[1:]
        han_before, gold_before = _sums(han), _sums(gold)
        self.han_tokens += int((han_before[ends] > han_before[starts]).sum())
        # Borders at start + 1 to end - 1.
        crossing = gold_before[ends] > gold_before[np.minimum(starts + 1, len(text))]
        straddling = crossing & ~(words[starts] & words[ends])
        self.crossing += int(crossing.sum())
        self.straddling += int(straddling.sum())
        spans = zip(starts[straddling].tolist(), ends[straddling].tolist(), strict=True)
        self.crossing_tokens.update(text[start:end] for start, end in spans)


def _sums(flags: Any) -> NDArray[np.int64]:
    """Give how many flags are set before each place: one element more than there are flags."""
    found = np.zeros(len(flags) + 1, np.int64)
    np.cumsum(flags, out=found[1:])
    return found


def _han_bytes(text: bytes) -> NDArray[np.bool_]:
    """Say of each byte whether it is part of a Han character."""
    heads = (np.frombuffer(text, np.uint8) & 0xC0) != 0x80
    of_char = class_table()[code_points(text.decode())] == HAN
    found: NDArray[np.bool_] = of_char[np.cumsum(heads) - 1]
    return found


def count_words(
    tokenizer: Tokenizer,
    table: TokenTable,
    documents: Iterable[Sequence[Segmented]],
) -> WordCounts:
    """Count how tokens fit words, over documents in parts that fit into memory."""
    found = WordCounts()
    for part in documents:
        for start in range(0, len(part), _CHUNK_DOCUMENTS):
            some = part[start : start + _CHUNK_DOCUMENTS]
            found.add(some, token_borders(tokenizer, table, [item.document for item in some]))
    return found


def segmented_parts(
    files: Sequence[TextFile],
    sample: DocumentSample | None,
    segment: Segment,
    progress: Progress | None = None,
) -> Iterator[list[Segmented]]:
    """Give the words of a sample, or of all documents if there is none, part by part."""
    if sample is None:
        for batch in read_documents(files, stage="segment", progress=progress, part_bytes=1 << 19):
            yield [segmented(document, segment) for document in batch.documents if document]
        return
    documents, done = sample.documents(), 0
    for start in range(0, len(documents), 256):
        part = [segmented(document, segment) for document in documents[start : start + 256]]
        yield part
        done += sum(len(item.document) for item in part)
        if progress is not None:
            progress("segment", done, sample.drawn_bytes)


def gold_parts(
    texts: Sequence[TextFile], golds: Sequence[TextFile], size: int | None, seed: int
) -> Iterator[list[Segmented]]:
    """Give the words of gold files, of a sample of so many bytes or of all documents (None).

    Every line is compared with its text, in the sample or not.

    Raises
    ------
    ConfigError
        If there is not one gold file for each text.
    CorpusError
        If a file does not match its text.
    """
    if len(texts) != len(golds):
        raise ConfigError(f"{len(golds)} gold files for {len(texts)} texts: give one for each text, in order")
    if size is None:
        for text, gold in zip(texts, golds, strict=True):
            yield from read_gold(text, gold)
        return
    sample = DocumentSample(size, seed=seed)
    for k, (text, gold) in enumerate(zip(texts, golds, strict=True)):
        for part in read_gold(text, gold):
            sample.add(k, [item.document for item in part], [item.borders for item in part])
    yield [Segmented(document, borders) for _, document, borders in sample.items()]
