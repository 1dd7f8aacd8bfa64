"""The two calls that train: from files, and from an iterator of documents."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Literal

from bpetk import machine
from bpetk.corpus import Source, native_encoding, resolve
from bpetk.counting import Counted, count_documents, count_files, file_hashes
from bpetk.errors import ConfigError, CorpusError, InputChangedWarning, SlowPathWarning, VocabularySizeWarning
from bpetk.report import InputFile, TrainReport
from bpetk.tokenizer import Tokenizer
from bpetk.trainer import Clock, ProgressCallback, TrainerConfig, learn

MOST_THREADS = 256


def train(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    vocab_size: int,
    *,
    scheme: str = "cl100k",
    pattern: str | None = None,
    special_tokens: Sequence[str] = (),
    min_frequency: int = 0,
    max_token_length: int | None = None,
    alphabet: Literal["bytes", "observed"] = "bytes",
    encoding: str = "utf-8",
    threads: int = 0,
    progress: ProgressCallback | None = None,
    hash_inputs: bool = False,
) -> Tokenizer:
    """Train a byte-level BPE tokenizer on text files.

    The merges are those that HuggingFace ``tokenizers`` learns with ``BpeTrainer`` from the same files: each line,
    with its line feed, is one text. They do not depend on ``threads``.

    Parameters
    ----------
    paths : path, or sequence of paths
        Files, directories (their .txt, .text and .md files), glob patterns, or ``"-"`` for standard input; never
        the text itself.
    vocab_size : int
        Number of ids, special tokens and the alphabet included.
    scheme : str
        How text is split into words: ``gpt2``, ``cl100k``, ``cl100k_tiktoken``, ``qwen2``, ``o200k``, ``whitespace``
        (drops white space) or ``none``.
    pattern : str, optional
        A regular expression in Oniguruma's syntax instead of a scheme; much slower, which a warning says.
    special_tokens : sequence of str
        They take the first ids. Their text gets no special treatment in training.
    min_frequency : int
        Stop when no pair of tokens occurs this often.
    max_token_length : int, optional
        Merged tokens are shorter than this many bytes.
    alphabet : {"bytes", "observed"}
        ``"bytes"`` puts all 256 bytes into the vocabulary, so that any text can be encoded.
    encoding : str
        Of the files.
    threads : int
        0 takes all processors that the process may use.
    progress : callable, optional
        Called with a :class:`bpetk.Progress` a few times a second.
    hash_inputs : bool
        Put the SHA-256 of every file into the report (and so into the manifest).

    Returns
    -------
    Tokenizer
        Its ``train_report`` tells what was asked for and what came out.

    Raises
    ------
    ConfigError
        An option cannot be used as given (a :class:`ValueError`).
    CorpusError
        The text is empty, not plain text, or not in the encoding (a :class:`ValueError`).
    CorpusFileError
        A file is missing or cannot be read (an :class:`OSError`).

    Warns
    -----
    VocabularySizeWarning
        The text gives fewer tokens than asked for.
    SlowPathWarning
        A custom pattern is in use.

    Examples
    --------
    >>> import bpetk
    >>> tok = bpetk.train("corpora/en.txt", vocab_size=600)
    >>> tok.vocab_size
    600
    >>> tok.decode(tok.encode("Hello, 世界"))
    'Hello, 世界'
    """
    config = TrainerConfig(
        vocab_size, scheme, pattern, _tokens(special_tokens), min_frequency, max_token_length, alphabet
    )
    threads = _threads(threads)
    native_encoding(encoding)
    sources = resolve(paths)
    _announce(config)
    clock = Clock(progress)
    total = None if any(s.size is None for s in sources) else sum(s.size or 0 for s in sources)
    counted = count_files(
        sources,
        config.resolve_scheme(),
        encoding=encoding,
        threads=threads,
        watcher=lambda done, distinct: clock.tick("count", done, total, distinct),
    )
    clock.tick("count", counted.bytes, total, counted.distinct, last=True)
    clock.stage("count")
    if not counted.distinct:
        names = ", ".join(s.name for s in sources[:3]) + (", …" if len(sources) > 3 else "")
        raise CorpusError(f"no text to learn from in {names}: empty, or the scheme drops all of it")
    settings = {"encoding": encoding, "feeding": "lines"}
    inputs = tuple(InputFile(s.name, s.size if s.size is not None else counted.bytes) for s in sources)
    with _Hashes(sources if hash_inputs else ()) as hashes:
        model, report = learn(counted, config, clock=clock, threads=threads, inputs=inputs, settings=settings)
        report = hashes.into(report)
    _warn_if_short(report)
    return Tokenizer(model, train_report=report)


def train_from_iterator(
    documents: Iterable[Any],
    vocab_size: int,
    *,
    scheme: str = "cl100k",
    pattern: str | None = None,
    special_tokens: Sequence[str] = (),
    min_frequency: int = 0,
    max_token_length: int | None = None,
    alphabet: Literal["bytes", "observed"] = "bytes",
    threads: int = 0,
    progress: ProgressCallback | None = None,
) -> Tokenizer:
    """Train on ``str`` documents (or lists of them); each is one text, with its line feeds inside.

    A file and its lines as documents give the same tokenizer; a file and the whole of it as one document need not,
    because white space at a line's end is then followed by the next line. HuggingFace's two ways differ the same.

    Parameters are those of :func:`train`.

    Examples
    --------
    >>> import bpetk
    >>> tok = bpetk.train_from_iterator(["low lower lowest", "new newer newest"], vocab_size=262)
    >>> tok.merges[:2]
    [(b'w', b'e'), (b'l', b'o')]
    """
    config = TrainerConfig(
        vocab_size, scheme, pattern, _tokens(special_tokens), min_frequency, max_token_length, alphabet
    )
    threads = _threads(threads)
    _announce(config)
    clock = Clock(progress)
    counted: Counted = count_documents(
        documents,
        config.resolve_scheme(),
        threads=threads,
        watcher=lambda done, distinct: clock.tick("count", done, None, distinct),
    )
    clock.tick("count", counted.bytes, None, counted.distinct, last=True)
    clock.stage("count")
    if not counted.distinct:
        raise CorpusError(
            "no text to learn from: the documents are empty, or the scheme drops all of their text"
        )
    inputs = (InputFile("<iterator>", counted.bytes),)
    settings = {"feeding": "documents"}
    model, report = learn(counted, config, clock=clock, threads=threads, inputs=inputs, settings=settings)
    _warn_if_short(report)
    return Tokenizer(model, train_report=report)


def _tokens(tokens: Sequence[str]) -> tuple[str, ...]:
    """Give the special tokens as a tuple, but one string as it is: the configuration refuses it."""
    return tokens if isinstance(tokens, str) else tuple(tokens)  # type: ignore[return-value]


def _threads(threads: int) -> int:
    if isinstance(threads, bool) or not isinstance(threads, int) or not 0 <= threads <= MOST_THREADS:
        raise ConfigError(
            f"threads must be a whole number from 0 (all processors) to {MOST_THREADS}, got {threads!r}"
        )
    return threads or min(machine.available_cpus(), MOST_THREADS)


def _announce(config: TrainerConfig) -> None:
    if config.pattern is not None and config.resolve_scheme().name == "custom":
        warnings.warn(
            "a custom pattern is matched by the regex package on one processor: expect a tenth to a hundredth of the "
            "speed of a named scheme",
            SlowPathWarning,
            stacklevel=3,
        )


def _warn_if_short(report: TrainReport) -> None:
    if report.stop_reason != "vocab_size":
        warnings.warn(report.explanation, VocabularySizeWarning, stacklevel=3)


class _Hashes:
    """Hashes the inputs beside the merge loop, which leaves a processor idle now and then."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = sources
        self.values: list[str | None] = []
        self.failure: Exception | None = None
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self.values = file_hashes(self.sources, self.stopping.is_set)
        except Exception as error:
            self.failure = error

    def __enter__(self) -> _Hashes:
        if self.sources:
            self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        if self.sources:
            self.thread.join()

    def into(self, report: TrainReport) -> TrainReport:
        """Return the report with the hashes filled in."""
        if not self.sources:
            return report
        self.thread.join()
        if self.failure is not None:
            raise self.failure
        changed = [
            s.name for s, h in zip(self.sources, self.values, strict=True) if h is None and s.size is not None
        ]
        if changed:
            warnings.warn(
                f"changed or vanished while it was in use, so its hash is not recorded: {', '.join(changed)}",
                InputChangedWarning,
                stacklevel=3,
            )
        pairs = zip(report.inputs, self.values, strict=True)
        return replace(report, inputs=tuple(replace(i, sha256=h) for i, h in pairs))
