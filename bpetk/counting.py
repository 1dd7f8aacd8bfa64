"""From text to word counts on all processors: threads take ranges in order, each fills tables of its own."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO, Protocol

from bpetk._counter import CountWorker, InvalidUtf8, WordCounts, combine
from bpetk._scanner import find_safe_cut
from bpetk.corpus import (
    BadLine,
    Range,
    Source,
    Transcoder,
    bad_line,
    document_bytes,
    invalid_utf8,
    native_encoding,
    plan,
    refuse_packed,
)
from bpetk.errors import CorpusError, CorpusFileError
from bpetk.pretokenizers import Scheme

if TYPE_CHECKING:
    from bpetk.custom_pattern import Compiled

# Bytes done so far and distinct words so far (words of several threads count several times).
Watcher = Callable[[int, int], None]

CHUNK = 1 << 19  # of a file per read: stays in the second-level cache between reading, checking and counting
BATCH = 1 << 20  # bytes of documents handed to a thread at a time
LONG_DOCUMENT = 1 << 22
PATIENCE = 0.5  # seconds to wait for the other threads after Ctrl-C
UNITS = 24  # ranges of the files for each thread: the last ones even out who is faster


class Counted:
    """Word counts of a corpus with its size: ``words``, ``bytes`` read, ``pretokens``, ``distinct``."""

    def __init__(self, words: WordCounts, size: int, pretokens: int) -> None:
        self.words = words
        self.bytes = size
        self.pretokens = pretokens
        self.distinct = len(words)


@contextlib.contextmanager
def _as_corpus_error() -> Iterator[None]:
    """Turn the native counter's refusal of too long a pretoken into an error about the text."""
    try:
        yield
    except OverflowError as error:
        raise CorpusError(str(error)) from error


Chunk = bytearray | bytes
Batch = list[bytes]


class Feeder(Protocol):
    """What a thread does with text; ``bytes`` is how much it has had."""

    worker: CountWorker
    bytes: int
    buffer: bytearray  # for what is read, of a file

    @property
    def enough(self) -> bool:
        """Whether no more text is wanted."""

    def chunk(self, data: Chunk, stop: int, *, final: bool) -> int:
        """Take ``data[:stop]``, if ``final`` to its end; return how much was taken, the rest comes again."""

    def documents(self, batch: Batch) -> None:
        """Take documents."""


class _Feeder:
    """One thread's worker; knows whether pretokens come from the native scanner or from a custom pattern."""

    def __init__(self, scheme: Scheme, pattern: Compiled | None, *, lines: bool) -> None:
        self.pattern = pattern
        self.lines = lines
        self.worker = CountWorker("none" if pattern else scheme.name, lines=lines)
        self.bytes = 0
        self.buffer = bytearray(CHUNK)

    @property
    def enough(self) -> bool:
        return False

    def chunk(self, data: bytearray | bytes, stop: int, *, final: bool) -> int:
        if self.pattern is None:
            with _as_corpus_error():
                return self.worker.feed(data, 0, stop, final)
        # A pattern may look ahead without limit: text without a line end is kept until it ends.
        end = stop if final else bytes(data[:stop]).rfind(b"\n") + 1
        try:
            text = bytes(data[:end]).decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidUtf8(error.start) from None
        self._words(_lines(text))
        return end

    def documents(self, batch: list[bytes]) -> None:
        if self.pattern is None:
            with _as_corpus_error():
                self.worker.feed_documents(batch)
        else:
            self._words(document.decode("utf-8") for document in batch)
        self.bytes += sum(map(len, batch))

    def _words(self, texts: Iterable[str]) -> None:
        assert self.pattern is not None
        words: Counter[str] = Counter()
        for text in texts:
            words.update(text[a:b] for a, b in self.pattern.spans(text))
        self.worker.add_words((word.encode("utf-8"), count) for word, count in words.items())


def _lines(text: str) -> Iterator[str]:
    """Lines with their line feeds; nothing else ends a line."""
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield text[start:end]
        start = end


class Team:
    """Threads with a common fate: the first failure, in the order of the text, stops all and is raised."""

    def __init__(self, feeders: Sequence[Feeder], watcher: Watcher | None) -> None:
        self.feeders = feeders
        self.watcher = watcher
        self.failures: dict[int, BaseException] = {}
        self.stopping = threading.Event()

    def report(self) -> None:
        """Tell the watcher how far all are."""
        if self.watcher:
            self.watcher(sum(f.bytes for f in self.feeders), sum(f.worker.distinct for f in self.feeders))

    def run(self, job: Callable[[Feeder], None], lead: Callable[[], None] | None = None) -> None:
        """Run ``job`` on every feeder; the calling thread takes the first, or runs ``lead``."""
        others = self.feeders if lead else self.feeders[1:]
        ended = threading.Semaphore(0)

        def body(feeder: Feeder) -> None:
            try:
                job(feeder)
            finally:
                ended.release()

        started = 0
        try:
            for feeder in others:
                threading.Thread(target=body, args=(feeder,), daemon=True).start()
                started += 1
            if lead:
                lead()
            else:
                job(self.feeders[0])
            while started:
                started -= ended.acquire(timeout=0.05)
                self.report()
        except BaseException:
            # A thread may be waiting in a read that never returns: it is left behind then, and touches nothing shared.
            self.stopping.set()
            deadline = time.monotonic() + PATIENCE
            while started and time.monotonic() < deadline:
                started -= ended.acquire(timeout=0.05)
            raise
        if self.failures:
            raise self.failures[min(self.failures)]

    def finish(self) -> Counted:
        """Join what the threads have counted."""
        size = sum(feeder.bytes for feeder in self.feeders)
        workers = [feeder.worker for feeder in self.feeders]
        pretokens = sum(worker.pretokens for worker in workers)
        return Counted(combine(workers, len(workers)), size, pretokens)


def _make_team(scheme: Scheme, threads: int, watcher: Watcher | None, *, lines: bool) -> tuple[Team, bool]:
    pattern = None
    if scheme.name == "custom" and scheme.pattern is not None:
        # Brings numpy and regex, which named schemes do not need.
        from bpetk.custom_pattern import compile_pattern

        pattern = compile_pattern(scheme.pattern)
    # The pattern engine holds the interpreter lock: more threads would only take turns.
    threads = 1 if pattern else max(1, threads)
    feeders = [_Feeder(scheme, pattern, lines=lines) for _ in range(threads)]
    return Team(feeders, watcher), pattern is None


def count_files(
    sources: Sequence[Source],
    scheme: Scheme,
    *,
    encoding: str = "utf-8",
    threads: int = 1,
    watcher: Watcher | None = None,
) -> Counted:
    """Count the pretokens of files; every line, its line feed included, is a text of its own.

    ``bytes`` of the result are those of the text as UTF-8.
    """
    team, can_cut = _make_team(scheme, threads, watcher, lines=True)
    # Custom patterns may look beyond any cut inside a line.
    feed_files(team, sources, encoding, (lambda w: find_safe_cut(w, scheme.name)) if can_cut else None)
    return team.finish()


def feed_files(
    team: Team, sources: Sequence[Source], encoding: str, find_cut: Callable[[bytes], int] | None = None
) -> None:
    """Feed the text of files to a team; a file is cut after line ends, and where ``find_cut`` says (`plan`)."""
    native = native_encoding(encoding)
    if native:
        ranges = plan(sources, len(team.feeders) * UNITS, find_cut or (lambda _: 0))
    else:
        ranges = [Range(source, 0, None) for source in sources]
    order = iter(enumerate(ranges))
    lock = threading.Lock()

    def job(feeder: Feeder) -> None:
        lead = threading.current_thread() is threading.main_thread()
        while not (team.stopping.is_set() or feeder.enough):
            with lock:
                number, part = next(order, (-1, None))
            if part is None:
                return
            try:
                for _ in _feed_range(feeder, part, None if native else encoding):
                    if feeder.enough or (team.stopping.is_set() and not team.failures):
                        return
                    if lead or feeder is team.feeders[0]:
                        team.report()
            except Exception as error:
                team.failures[number] = error
                team.stopping.set()

    team.run(job)


def _feed_range(feeder: Feeder, part: Range, encoding: str | None) -> Iterator[None]:
    """Count one range; yields after every chunk."""
    source = part.source
    file = source.open()
    try:
        yield from _feed_file(
            feeder, part, file if encoding is None else Transcoder(file, source.name, encoding)
        )
    except OSError as error:
        if isinstance(error, CorpusFileError):
            raise
        raise CorpusFileError(f"cannot read {source.name}: {error.strerror or error}") from error
    finally:
        if source.path is not None:
            file.close()


def _feed_file(feeder: Feeder, part: Range, file: BinaryIO | Transcoder) -> Iterator[None]:
    buffer = feeder.buffer
    held = 0  # bytes at the start of the buffer that wait for what follows them
    at = part.begin  # where the buffer starts, in bytes of UTF-8
    left = None
    if part.end is not None and not isinstance(file, Transcoder):
        left = part.end - part.begin
        file.seek(part.begin)
    first = left is None
    final = False
    while not final:
        if held == len(buffer):
            feeder.buffer = buffer = buffer + bytes(len(buffer))
        # Fill it even where reads are short, as those of a pipe are: what is held is scanned again each time, so it
        # has to grow by a factor.
        upto = len(buffer) if left is None else min(len(buffer), held + left)
        got = 0
        while held + got < upto:
            # All binary files have readinto, whatever BinaryIO says.
            n = file.readinto(memoryview(buffer)[held + got : upto])  # type: ignore[union-attr]
            if not n:
                break
            got += n
        final = held + got < upto if left is None else left == got
        if left is not None:
            left -= got
            if held + got < upto:
                raise CorpusFileError(
                    f"{part.source.name}: {left:,} bytes fewer than at the start: it was cut meanwhile"
                )
        elif first:
            refuse_packed(part.source.name, bytes(buffer[: min(16, got)]))
            first = False
        held += got
        try:
            done = feeder.chunk(buffer, held, final=final)
        except InvalidUtf8 as error:
            raise invalid_utf8(
                part.source, at + error.offset, bytes(buffer[error.offset : min(error.offset + 4, held)])
            ) from None
        except BadLine as error:
            raise bad_line(part.source, at + error.offset, str(error)) from None
        feeder.bytes += done
        at += done
        buffer[: held - done] = buffer[done:held]
        held -= done
        yield


def count_documents(
    documents: Iterable[object], scheme: Scheme, *, threads: int = 1, watcher: Watcher | None = None
) -> Counted:
    """Count the pretokens of ``str`` documents; a document is one text, its line feeds are characters like others."""
    team, can_cut = _make_team(scheme, threads, watcher, lines=False)
    cut = (lambda w: find_safe_cut(w, scheme.name)) if can_cut else (lambda _: 0)
    feed_documents(team, _pieces(document_bytes(documents), cut))
    return team.finish()


def feed_documents(team: Team, documents: Iterable[bytes]) -> None:
    """Feed documents to a team, each to one of its threads."""
    batches = _batches(documents)
    if len(team.feeders) == 1:
        for batch in batches:
            team.feeders[0].documents(batch)
            team.report()
            if team.feeders[0].enough:
                break
        return
    waiting: queue.Queue[list[bytes] | None] = queue.Queue(maxsize=2 * len(team.feeders))

    def job(feeder: Feeder) -> None:
        while not team.stopping.is_set():
            try:
                batch = waiting.get(timeout=0.1)
            except queue.Empty:
                continue
            if batch is None:
                return
            try:
                feeder.documents(batch)
            except Exception as error:
                team.failures[len(team.failures)] = error
                team.stopping.set()

    def put(batch: list[bytes] | None) -> None:
        while not team.stopping.is_set():
            with contextlib.suppress(queue.Full):
                waiting.put(batch, timeout=0.1)
                return

    def lead() -> None:
        for batch in batches:
            put(batch)
            team.report()
            if team.stopping.is_set():
                return
        for _ in team.feeders:
            put(None)

    team.run(job, lead)


def _pieces(documents: Iterable[bytes], cut: Callable[[bytes], int]) -> Iterator[bytes]:
    """Long documents in pieces that scan to the same pretokens, so that one document can use all threads."""
    for document in documents:
        start = 0
        while len(document) - start > LONG_DOCUMENT + LONG_DOCUMENT // 2:
            window_start = start + LONG_DOCUMENT
            at = cut(document[window_start : window_start + (1 << 16)])
            if not at:
                break
            yield document[start : window_start + at]
            start = window_start + at
        yield document[start:] if start else document


def _batches(documents: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document)
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def file_hashes(sources: Sequence[Source], stop: Callable[[], bool] = lambda: False) -> list[str | None]:
    """Give the SHA-256 of each regular file; ends early, with fewer, once ``stop`` says so.

    None stands for a stream, and for a file that changed or vanished since it was resolved: its hash would not be that
    of the text that was read.
    """
    import hashlib

    out: list[str | None] = []
    for source in sources:
        if source.size is None:
            out.append(None)
            continue
        digest = hashlib.sha256()
        try:
            with source.open() as file:
                while chunk := file.read(1 << 20):
                    digest.update(chunk)
                    if stop():
                        return out
        except OSError:
            out.append(None)
            continue
        out.append(digest.hexdigest() if source.unchanged() else None)
    return out
