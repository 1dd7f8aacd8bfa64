"""One pass over text: what every document costs and what its tokens break, summed by file and by language.

Tokens are placed by the bytes they stand for. If those, one after the other, are the document (or a blank and the
document), every place is one of the document. If not, because the model normalizes text or does not know a character,
places are those of the text that the tokens spell; `TextCounts.value` of ``changed_documents`` tells how many.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bpetk._text_survey import COUNTERS, Survey
from bpetk.analysis.documents import Batch, DocumentSample, Progress, TextFile, read_documents
from bpetk.analysis.languages import (
    HAN_PERCENT,
    LANGUAGES,
    LATIN_MARKS_PERCENT,
    LATIN_PERCENT,
    MARKS_PERCENT,
    OTHER_LETTERS_PERCENT,
    Language,
)
from bpetk.analysis.scripts import packed_table
from bpetk.analysis.token_table import TokenTable
from bpetk.sp_tokenizer import SentencePieceTokenizer
from bpetk.text_encoding import thread_count

if TYPE_CHECKING:
    from bpetk.tokenizer import Tokenizer

_CHANGED, _SHIFTED, _BLANK = 16, 32, 64  # flags of a document in what `Survey.add` gives
_EXAMPLES = 20
_INDEX = {name: k for k, name in enumerate(COUNTERS)}


@dataclass(frozen=True)
class LossyDocument:
    """A document that does not come back: its file, its number there (from 1), what it was and what came."""

    file: str
    number: int
    text: str
    decoded: str


@dataclass(eq=False)
class TextCounts:
    """What one pass found.

    Attributes
    ----------
    files
        The texts.
    totals
        int64 ``[files, languages, counters]``.
    token_counts
        int64 ``[languages, ids]``: how often each id was seen.
    lossy
        int64 ``[files]``: documents for which ``decode(encode(x))`` is not x.
    lossy_examples
        The first of them.
    """

    files: list[TextFile]
    totals: NDArray[np.int64]
    token_counts: NDArray[np.int64]
    lossy: NDArray[np.int64]
    lossy_examples: list[LossyDocument] = field(default_factory=list)

    def value(self, name: str, *, language: Language | None = None, file: int | None = None) -> int:
        """Give the sum of a counter (a name in `COUNTERS`), of one language or file if it is given."""
        part = self.totals[..., _INDEX[name]]
        part = part if file is None else part[file : file + 1]
        return int(part.sum() if language is None else part[:, language].sum())

    def values(self, name: str, count: int, *, language: Language | None = None) -> list[int]:
        """Give a row of counters: ``name_0``, or ``name_1`` if that is the first, and those after it."""
        first = 0 if f"{name}_0" in _INDEX else 1
        return [self.value(f"{name}_{k}", language=language) for k in range(first, first + count)]


def survey_of(table: TokenTable) -> Survey:
    """Give what counts documents for a vocabulary."""
    offsets: Any = np.zeros(table.size + 1, np.uint32)
    np.cumsum(table.n_bytes, out=offsets[1:])
    percent = (
        OTHER_LETTERS_PERCENT,
        MARKS_PERCENT,
        HAN_PERCENT,
        LATIN_PERCENT,
        LATIN_MARKS_PERCENT,
    )
    return Survey(b"".join(table.data), offsets, packed_table(), percent)


def count_texts(
    tokenizer: Tokenizer,
    table: TokenTable,
    files: Sequence[TextFile],
    *,
    sample: DocumentSample | None = None,
    threads: int = 1,
    progress: Progress | None = None,
) -> TextCounts:
    """Encode the documents of files and count.

    Special tokens that the text spells are ordinary text.

    Parameters
    ----------
    tokenizer, table
        A tokenizer and its vocabulary.
    files
        As `bpetk.analysis.documents.text_files` gives them.
    sample
        Is given every document.
    threads
        How many at most; 0: one for each processor. Results do not depend on it.
    progress
        See `read_documents`.

    Raises
    ------
    CorpusError, CorpusFileError, InvalidEncodingError
        If a text cannot be read.
    """
    files = list(files)
    check = _RoundTrip(tokenizer)
    workers = _Workers(table, thread_count(threads))
    found = TextCounts(
        files,
        np.zeros((len(files), len(LANGUAGES), len(COUNTERS)), np.int64),
        np.zeros(0, np.int64),
        np.zeros(len(files), np.int64),
    )
    with workers:
        for batch in read_documents(files, stage="count", progress=progress):
            some = _filled(batch)
            ids, rows = tokenizer.encode_batch_flat(some.documents, threads=threads, disallowed_special=())
            flags, totals = workers.add(some.documents, ids, rows)
            found.totals[batch.file] += totals
            check.look(found, some, flags, ids, rows)
            if sample is not None:
                sample.add(batch.file, some.documents)
    found.token_counts = workers.token_counts()
    return found


class _Workers:
    """Surveys for several threads, whose sums are the survey."""

    def __init__(self, table: TokenTable, threads: int) -> None:
        self._surveys = [survey_of(table) for _ in range(threads)]
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()

    def add(
        self, documents: list[bytes], ids: NDArray[Any], rows: NDArray[Any]
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Give the flags of each document, and the counts of all of them."""
        shares = np.linspace(0, len(ids), len(self._surveys) + 1)[1:-1]
        cuts = [0, *np.searchsorted(rows, shares).tolist(), len(documents)]
        parts = [
            (survey, documents[start:end], ids[rows[start] : rows[end]], rows[start : end + 1] - rows[start])
            for survey, start, end in zip(self._surveys, cuts, cuts[1:], strict=False)
        ]
        flags = list(map(_add, parts) if self._pool is None else self._pool.map(_add, parts))
        totals = sum(np.frombuffer(survey.take_totals(), np.int64) for survey in self._surveys)
        return np.frombuffer(b"".join(flags), np.uint8), np.reshape(totals, (len(LANGUAGES), len(COUNTERS)))

    def token_counts(self) -> NDArray[np.int64]:
        """Give how often each id was seen, by language."""
        counts = sum(np.frombuffer(survey.token_counts(), np.int64) for survey in self._surveys)
        return np.reshape(counts, (len(LANGUAGES), -1))


def _add(part: tuple[Survey, list[bytes], Any, Any]) -> bytes:
    survey, documents, ids, rows = part
    return survey.add(documents, ids, rows)


class _Numbered(Batch):
    """Documents of a batch that are not empty, with the number of each in its file, from 1."""

    numbers: Sequence[int]


def _filled(batch: Batch) -> _Numbered:
    if all(batch.documents):
        some = _Numbered(*batch)
        some.numbers = range(batch.first + 1, batch.first + 1 + len(batch.documents))
        return some
    kept = [k for k, document in enumerate(batch.documents) if document]
    some = _Numbered(batch.file, batch.first, [batch.documents[k] for k in kept])
    some.numbers = [batch.first + 1 + k for k in kept]
    return some


class _RoundTrip:
    """Finds documents that do not come back, decoding only those of which it is not clear from their tokens."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        # How decoding goes: "joined" (the bytes of tokens, nothing else), "trimmed" (and blanks at the beginning are
        # lost), or None (in a way that only decoding tells).
        self._way: str | None = None
        if isinstance(tokenizer, SentencePieceTokenizer):
            decoder = tokenizer._decoder
            if decoder.denormalizer is None:
                self._way = "trimmed" if decoder.trims else "joined"
        elif (
            (tokenizer._decoder is None or tokenizer._decoder.byte_level)
            and not tokenizer._reshaped
            and not tokenizer.model.end_of_word_suffix
        ):
            self._way = "joined"

    def look(
        self, found: TextCounts, batch: Any, flags: NDArray[np.uint8], ids: NDArray[Any], rows: NDArray[Any]
    ) -> None:
        """Count the documents that do not come back."""
        for k in self._unclear(batch.documents, flags):
            document = batch.documents[k]
            decoded = self._tokenizer.decode(ids[rows[k] : rows[k + 1]])
            if decoded.encode("utf-8", "surrogatepass") != document:
                found.lossy[batch.file] += 1
                if len(found.lossy_examples) < _EXAMPLES:
                    name = found.files[batch.file].name
                    example = LossyDocument(name, batch.numbers[k], document.decode(), decoded)
                    found.lossy_examples.append(example)

    def _unclear(self, documents: Sequence[bytes], flags: NDArray[np.uint8]) -> Sequence[int]:
        if self._way is None:
            return range(len(documents))
        looked_at = _CHANGED | (_SHIFTED if self._way == "joined" else _BLANK)
        unclear: list[int] = np.flatnonzero(flags & looked_at).tolist()
        return unclear
