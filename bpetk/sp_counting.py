"""From text to the words that SentencePiece would learn from: which sentences are taken, and what is said of others."""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from bpetk._sp_counter import SpCounter
from bpetk._sp_normalizer import Normalizer
from bpetk.corpus import BadLine, Source
from bpetk.counting import CHUNK, Counted, Team, Watcher, feed_documents, feed_files
from bpetk.errors import CorpusError, DocumentTypeError, InvalidEncodingError
from bpetk.sp_model import meta_texts
from bpetk.sp_options import SpOptions

RESERVED = "\u2585".encode()  # SentencePiece's own mark for what it does not know
_COUNT = re.compile(rb"[ \n-\r]*\+?0*([0-9]{1,19})[ \n-\r]*")
_MOST = 2**63 - 1

# Reasons, as reports name them.
EMPTY, LONG, MARKED = "empty", "too long", "holds U+2585"


class CountedSentences(Counted):
    """Word counts of the sentences that were taken.

    ``skipped`` says how many were not, by reason; ``sampled`` of how many ``sentences`` were drawn, None if all were
    taken. A sentence that normalization leaves nothing of is one that was taken.
    """

    def __init__(self, counted: Counted, feeders: Sequence[_Feeder]) -> None:
        self.words, self.bytes = counted.words, counted.bytes
        self.pretokens, self.distinct = counted.pretokens, counted.distinct
        self.skipped: Counter[str] = Counter()
        seen = 0
        for feeder in feeders:
            counter = feeder.counter
            seen += counter.sentences
            self.skipped[EMPTY] += counter.skipped_empty
            self.skipped[LONG] += counter.skipped_long
            self.skipped[MARKED] += counter.skipped_marked
        self.sentences = seen - self.skipped.total()
        self.sampled: int | None = None
        for feeder in feeders:
            if isinstance(feeder, _Sampler):
                self.skipped += feeder.skipped
                self.sampled = feeder.seen if feeder.seen > self.sentences else None
        self.skipped = +self.skipped  # those that there are


class _Feeder:
    """One thread's counter."""

    enough = False

    def __init__(self, options: SpOptions, normalizer: Normalizer) -> None:
        self.counter = SpCounter(
            normalizer,
            max_sentence_length=options.max_sentence_length,
            meta=[text.encode() for text in meta_texts(options)],
            delimiter=options.pretokenization_delimiter.encode(),
            split_by_whitespace=options.split_by_whitespace,
            suffix=options.treat_whitespace_as_suffix,
            whitespace_only=options.allow_whitespace_only_pieces,
        )
        self.worker = self.counter.worker
        self.tsv = options.input_format == "tsv"
        self.bytes = 0
        self.buffer = bytearray(CHUNK)

    def chunk(self, data: bytearray | bytes, stop: int, *, final: bool) -> int:
        try:
            if not self.tsv:
                return self.counter.feed(data, 0, stop, final)
            for start, end in _lines(data, stop, final):
                self.take_row(data[start:end], start)
        except OverflowError as error:
            raise CorpusError(str(error)) from error
        return stop if final else data.rfind(b"\n", 0, stop) + 1

    def documents(self, batch: list[bytes]) -> None:
        self.bytes += sum(map(len, batch))
        try:
            if not self.tsv:
                self.counter.feed_sentences(batch)
                return
            for row in batch:
                self.take_row(row, 0)
        except BadLine as error:
            raise CorpusError(f"a sentence of the iterator: {error}") from None
        except OverflowError as error:
            raise CorpusError(str(error)) from error

    def take_row(self, row: bytes | bytearray, offset: int) -> None:
        """Take a sentence with its count."""
        self.take(*split_row(bytes(row), offset))

    def take(self, sentence: bytes, count: int) -> None:
        self.counter.feed_counted(sentence, count)


class _First(_Feeder):
    """Takes the first sentences, and is then through."""

    def __init__(self, options: SpOptions, normalizer: Normalizer) -> None:
        super().__init__(options, normalizer)
        assert options.first_sentences is not None
        self.most = options.first_sentences

    def _left(self) -> int:
        counter = self.counter
        skipped = counter.skipped_empty + counter.skipped_long + counter.skipped_marked
        left = self.most - (counter.sentences - skipped)
        self.enough = left <= 0
        return left

    def chunk(self, data: bytearray | bytes, stop: int, *, final: bool) -> int:
        done = 0
        # As many lines as sentences are missing: some may be skipped, and then there is another round.
        while (left := self._left()) > 0 and done < stop:
            end, lines = done, 0
            while lines < left and (found := data.find(b"\n", end, stop)) >= 0:
                end, lines = found + 1, lines + 1
            last = final and lines < left
            if not lines and not last:
                break
            end = stop if last else end
            part = bytes(data[done:end])
            try:
                super().chunk(part, len(part), final=True)
            except BadLine as error:
                raise BadLine(done + error.offset, str(error)) from None
            done = end
        return done

    def documents(self, batch: list[bytes]) -> None:
        at = 0
        while (left := self._left()) > 0 and at < len(batch):
            super().documents(batch[at : at + left])
            at += left
        self._left()


class _Sampler(_Feeder):
    """Keeps a uniform sample of the sentences: algorithm L of Li (1994), which draws once for each that it keeps."""

    def __init__(self, options: SpOptions, normalizer: Normalizer, seed: int) -> None:
        super().__init__(options, normalizer)
        self.size = options.input_sentence_size
        self.longest = options.max_sentence_length or math.inf
        self.random = random.Random(seed)
        self.kept: list[tuple[bytes, int]] = []
        self.skipped: Counter[str] = Counter()
        self.seen = 0
        self.weight = 1.0
        self.next = 0  # the next one to keep, when as many as wanted are kept

    def chunk(self, data: bytearray | bytes, stop: int, *, final: bool) -> int:
        for start, end in _lines(data, stop, final):
            if self.tsv:
                self.take_row(data[start:end], start)
            else:
                self.take(bytes(data[start:end]), 1)
        return stop if final else data.rfind(b"\n", 0, stop) + 1

    def documents(self, batch: list[bytes]) -> None:
        if self.tsv:
            super().documents(batch)
            return
        self.bytes += sum(map(len, batch))
        for sentence in batch:
            self.take(sentence, 1)

    def take(self, sentence: bytes, count: int) -> None:
        if not sentence:
            self.skipped[EMPTY] += 1
        elif len(sentence) > self.longest:
            self.skipped[LONG] += 1
        elif RESERVED in sentence:
            self.skipped[MARKED] += 1
        else:
            self.seen += 1
            if len(self.kept) < self.size:
                self.kept.append((sentence, count))
                if len(self.kept) == self.size:
                    self._draw()
            elif self.seen == self.next:
                self.kept[self.random.randrange(self.size)] = (sentence, count)
                self._draw()

    def _draw(self) -> None:
        """Choose the next sentence to keep."""
        self.weight *= math.exp(math.log(1.0 - self.random.random()) / self.size)
        uniform = 1.0 - self.random.random()
        skips = math.log(uniform) / math.log1p(-self.weight) if 0.0 < self.weight < 1.0 else 0.0
        self.next = self.seen + int(min(skips, 2.0**62)) + 1

    def count(self) -> None:
        """Count what was kept."""
        kept, self.kept = self.kept, []
        for sentence, count in kept:
            super().take(sentence, count)


def split_row(row: bytes, offset: int) -> tuple[bytes, int]:
    """Read a row of ``input_format=tsv``: a sentence, a tab, a count."""
    columns = row.split(b"\t")
    found = _COUNT.fullmatch(columns[1]) if len(columns) == 2 else None
    count = int(found[1]) if found else 0
    if not 1 <= count <= _MOST:
        shown = row[:60].decode("utf-8", "replace") + ("…" if len(row) > 60 else "")
        raise BadLine(
            offset,
            f"expected a sentence, a tab and a count from 1 to 2**63 - 1, as input_format=tsv has them: {shown!r}",
        )
    return columns[0], count


def _lines(data: bytearray | bytes, stop: int, final: bool) -> Iterator[tuple[int, int]]:
    """Give the spans of the lines of ``data[:stop]`` without their LFs; what follows the last LF only if final."""
    start = 0
    while (end := data.find(b"\n", start, stop)) >= 0:
        yield start, end
        start = end + 1
    if final and start < stop:
        yield start, stop


def _team(
    options: SpOptions, normalizer: Normalizer, threads: int, watcher: Watcher | None, seed: int
) -> tuple[Team, list[_Feeder]]:
    feeders: list[_Feeder]
    # Which sentences are the first, or are drawn, is a matter of one thread.
    if options.samples:
        feeders = [_Sampler(options, normalizer, seed)]
    elif options.first_sentences is not None:
        feeders = [_First(options, normalizer)]
    else:
        feeders = [_Feeder(options, normalizer) for _ in range(max(1, threads))]
    return Team(feeders, watcher), feeders


def _count(team: Team, feeders: list[_Feeder], feed: Callable[[], None]) -> CountedSentences:
    feed()
    for feeder in feeders:
        if isinstance(feeder, _Sampler):
            feeder.count()
    # `finish` leaves the counters empty; what they say of sentences stays.
    return CountedSentences(team.finish(), feeders)


def count_sentence_files(
    sources: Sequence[Source],
    options: SpOptions,
    normalizer: Normalizer,
    *,
    encoding: str = "utf-8",
    threads: int = 1,
    watcher: Watcher | None = None,
    seed: int = 0,
) -> CountedSentences:
    """Count the words of files; every line, without its LF, is a sentence. Bytes that are not UTF-8 act as U+FFFD."""
    team, feeders = _team(options, normalizer, threads, watcher, seed)
    return _count(team, feeders, lambda: feed_files(team, sources, encoding))


def count_sentences(
    sentences: Iterable[object],
    options: SpOptions,
    normalizer: Normalizer,
    *,
    threads: int = 1,
    watcher: Watcher | None = None,
    seed: int = 0,
) -> CountedSentences:
    """Count the words of sentences, ``str`` or UTF-8 ``bytes``; line ends at their end are no part of them."""
    team, feeders = _team(options, normalizer, threads, watcher, seed)
    return _count(team, feeders, lambda: feed_documents(team, sentence_bytes(sentences)))


def sentence_bytes(sentences: Iterable[object]) -> Iterator[bytes]:
    """Give sentences of an iterator as UTF-8; lists and tuples inside it are flattened.

    Raises
    ------
    DocumentTypeError
        An item is neither ``str`` nor ``bytes``.
    InvalidEncodingError
        A sentence holds a lone surrogate.
    """
    if isinstance(sentences, str | bytes):
        raise DocumentTypeError(
            f"expected an iterable of sentences, got one {type(sentences).__name__}; put it into a list, or pass paths "
            "to train()"
        )
    number = 0
    for item in sentences:
        for sentence in item if isinstance(item, list | tuple) else (item,):
            if isinstance(sentence, str):
                try:
                    sentence = sentence.encode("utf-8")
                except UnicodeEncodeError as error:
                    raise InvalidEncodingError(
                        f"sentence {number} holds a lone surrogate (U+{ord(sentence[error.start]):04X}) at character "
                        f"{error.start}; repair the text, e.g. with errors='replace' where it is decoded"
                    ) from error
            elif not isinstance(sentence, bytes):
                raise DocumentTypeError(
                    f"sentence {number} is {type(sentence).__name__}, expected str or bytes"
                )
            number += 1
            yield sentence.rstrip(b"\r\n")
