"""The two calls that train: from files, and from an iterator of documents."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, overload

from bpetk import machine
from bpetk.corpus import PathInput, Source, native_encoding, resolve, warn_of_repeated
from bpetk.counting import Counted, count_documents, count_files, file_hashes
from bpetk.errors import ConfigError, CorpusError, InputChangedWarning, SlowPathWarning, VocabularySizeWarning
from bpetk.report import BYTE_LEVEL, SENTENCEPIECE, Algorithm, InputFile, TrainReport
from bpetk.trainer import Clock, ProgressCallback, TrainerConfig, learn

if TYPE_CHECKING:  # what an algorithm needs is imported with its first training
    from bpetk.sp_trained import SentencePieceModel
    from bpetk.sp_trainer import SpTraining
    from bpetk.tokenizer import Tokenizer

MOST_THREADS = 256

# Arguments of training by SentencePiece's algorithm that are bpetk's own.
OWN = ("normalizer_from", "keep_long_sentences", "seed")

# Arguments of every training that SentencePiece has under another name, or not at all.
ELSEWHERE = {
    "scheme": "words are cut at white space, see split_by_whitespace, split_by_unicode_script and split_by_number",
    "pattern": "words are cut at white space, see split_by_whitespace, split_by_unicode_script and split_by_number",
    "special_tokens": "name them in control_symbols, or in user_defined_symbols if they stand in the text",
    "min_frequency": "SentencePiece learns until the vocabulary is full, whatever the frequency",
    "max_token_length": "set max_sentencepiece_length, in characters",
    "alphabet": "set character_coverage and byte_fallback",
}


@overload
def train(
    paths: PathInput | Sequence[PathInput],
    vocab_size: int,
    *,
    algorithm: Literal["byte-level-bpe"] = ...,
    scheme: str | None = ...,
    pattern: str | None = ...,
    special_tokens: Sequence[str] = ...,
    min_frequency: int = ...,
    max_token_length: int | None = ...,
    alphabet: Literal["bytes", "observed"] = ...,
    encoding: str = ...,
    threads: int = ...,
    progress: ProgressCallback | None = ...,
    hash_inputs: bool = ...,
) -> Tokenizer: ...


@overload
def train(
    paths: PathInput | Sequence[PathInput],
    vocab_size: int,
    *,
    algorithm: Literal["sentencepiece-bpe"],
    encoding: str = ...,
    threads: int = ...,
    progress: ProgressCallback | None = ...,
    hash_inputs: bool = ...,
    **options: Any,
) -> SentencePieceModel: ...


def train(
    paths: PathInput | Sequence[PathInput],
    vocab_size: int,
    *,
    algorithm: Algorithm = BYTE_LEVEL,
    scheme: str | None = None,
    pattern: str | None = None,
    special_tokens: Sequence[str] = (),
    min_frequency: int = 0,
    max_token_length: int | None = None,
    alphabet: Literal["bytes", "observed"] = "bytes",
    encoding: str = "utf-8",
    threads: int = 0,
    progress: ProgressCallback | None = None,
    hash_inputs: bool = False,
    **options: Any,
) -> Tokenizer | SentencePieceModel:
    """Train a tokenizer on text files.

    Byte-level BPE, the default: the merges are those that HuggingFace ``tokenizers`` learns with ``BpeTrainer`` from
    the same files; each line, with its line feed, is one text. SentencePiece's BPE: the files are those that
    ``sentencepiece`` writes, byte for byte; each line, without its line feed, is a sentence. Nothing depends on
    ``threads``.

    Parameters
    ----------
    paths : path, or sequence of paths
        Files, directories (their .txt, .text and .md files), glob patterns, or ``"-"`` for standard input; never
        the text itself.
    vocab_size : int
        Number of ids, special tokens and the alphabet included.
    algorithm : {"byte-level-bpe", "sentencepiece-bpe"}
        What to learn; the next six parameters are for the first alone.
    scheme : str, optional
        How text is split into words: ``gpt2``, ``cl100k`` (the default), ``cl100k_tiktoken``, ``qwen2``, ``o200k``,
        ``whitespace`` (drops white space) or ``none``.
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
    **options
        For ``"sentencepiece-bpe"``: the options of SentencePiece's trainer under its own names, but for ``input`` and
        ``model_prefix``, and three of bpetk's own. ``normalizer_from``: a ``.model`` file to take the normalization
        from, which otherwise needs the package ``sentencepiece``, but for ``identity``. ``keep_long_sentences``: skip
        none for its length. ``seed``: of the sample that ``input_sentence_size`` asks for.

    Returns
    -------
    Tokenizer or SentencePieceModel
        Its ``train_report`` tells what was asked for and what came out.

    Raises
    ------
    ConfigError
        An option cannot be used as given (a :class:`ValueError`).
    CorpusError
        The text is empty, not plain text, or not in the encoding (a :class:`ValueError`).
    CorpusFileError
        A file is missing or cannot be read (an :class:`OSError`).
    MissingDependencyError
        SentencePiece's normalization is needed and not installed (an :class:`ImportError`).

    Warns
    -----
    VocabularySizeWarning
        The text gives fewer tokens than asked for.
    SlowPathWarning
        A custom pattern is in use.
    RepeatedTextWarning
        A file is named more than once, and its text counts as often.
    SkippedSentencesWarning, SampledSentencesWarning
        Not all sentences were learned from.
    InvalidTextWarning
        A file is not UTF-8, which SentencePiece takes as it comes.

    Examples
    --------
    >>> import bpetk
    >>> tok = bpetk.train("corpora/en.txt", vocab_size=600)
    >>> tok.vocab_size
    600
    >>> tok.decode(tok.encode("Hello, 世界"))
    'Hello, 世界'
    >>> model = bpetk.train(
    ...     "corpora/en.txt", 400, algorithm="sentencepiece-bpe", normalization_rule_name="identity", split_digits=True
    ... )
    >>> model.vocab_size
    400
    """
    given = _given(scheme, pattern, special_tokens, min_frequency, max_token_length, alphabet)
    if _is_sentencepiece(algorithm, given, options):
        return _train_sentencepiece(
            paths,
            vocab_size,
            options,
            encoding=encoding,
            threads=threads,
            progress=progress,
            hash_inputs=hash_inputs,
        )
    from bpetk.tokenizer import Tokenizer

    config = TrainerConfig(
        vocab_size,
        scheme or "cl100k",
        pattern,
        _tokens(special_tokens),
        min_frequency,
        max_token_length,
        alphabet,
    )
    threads = _threads(threads)
    native_encoding(encoding)
    sources = resolve(paths)
    warn_of_repeated(sources)
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


@overload
def train_from_iterator(
    documents: Iterable[Any],
    vocab_size: int,
    *,
    algorithm: Literal["byte-level-bpe"] = ...,
    scheme: str | None = ...,
    pattern: str | None = ...,
    special_tokens: Sequence[str] = ...,
    min_frequency: int = ...,
    max_token_length: int | None = ...,
    alphabet: Literal["bytes", "observed"] = ...,
    threads: int = ...,
    progress: ProgressCallback | None = ...,
) -> Tokenizer: ...


@overload
def train_from_iterator(
    documents: Iterable[Any],
    vocab_size: int,
    *,
    algorithm: Literal["sentencepiece-bpe"],
    threads: int = ...,
    progress: ProgressCallback | None = ...,
    **options: Any,
) -> SentencePieceModel: ...


def train_from_iterator(
    documents: Iterable[Any],
    vocab_size: int,
    *,
    algorithm: Algorithm = BYTE_LEVEL,
    scheme: str | None = None,
    pattern: str | None = None,
    special_tokens: Sequence[str] = (),
    min_frequency: int = 0,
    max_token_length: int | None = None,
    alphabet: Literal["bytes", "observed"] = "bytes",
    threads: int = 0,
    progress: ProgressCallback | None = None,
    **options: Any,
) -> Tokenizer | SentencePieceModel:
    """Train on ``str`` documents (or lists of them); each is one text, with its line feeds inside.

    A file and its lines as documents give the same tokenizer; a file and the whole of it as one document need not,
    because white space at a line's end is then followed by the next line. HuggingFace's two ways differ the same. For
    SentencePiece a document is a sentence, ``str`` or UTF-8 ``bytes``; line feeds at its end are no part of it.

    Parameters are those of :func:`train`.

    Examples
    --------
    >>> import bpetk
    >>> tok = bpetk.train_from_iterator(["low lower lowest", "new newer newest"], vocab_size=262)
    >>> tok.merges[:2]
    [(b'w', b'e'), (b'l', b'o')]
    """
    given = _given(scheme, pattern, special_tokens, min_frequency, max_token_length, alphabet)
    if _is_sentencepiece(algorithm, given, options):
        from bpetk.sp_trainer import train_on_sentences

        training = sentencepiece_training(vocab_size, options)
        return train_on_sentences(documents, training, threads=_threads(threads), progress=progress)
    from bpetk.tokenizer import Tokenizer

    config = TrainerConfig(
        vocab_size,
        scheme or "cl100k",
        pattern,
        _tokens(special_tokens),
        min_frequency,
        max_token_length,
        alphabet,
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


def check_arguments(
    vocab_size: int,
    *,
    algorithm: Algorithm = BYTE_LEVEL,
    encoding: str = "utf-8",
    threads: int = 0,
    **options: Any,
) -> None:
    """Refuse what `train` would refuse of these arguments, without a look at any text.

    Raises
    ------
    ConfigError
        As `train` does.
    ModelFileError, MissingDependencyError
        If SentencePiece's normalization is not to be had.
    """
    _threads(threads)
    native_encoding(encoding)
    if algorithm == SENTENCEPIECE:
        sentencepiece_training(vocab_size, options)
    else:
        TrainerConfig(vocab_size, **options)


def _given(*values: Any) -> list[str]:
    """Name the arguments that only byte-level training has and that are not left as they are."""
    defaults = (None, None, (), 0, None, "bytes")
    return [
        name
        for name, value, default in zip(ELSEWHERE, values, defaults, strict=True)
        if (list(value) if isinstance(value, list | tuple) else value) != ([] if default == () else default)
    ]


def _is_sentencepiece(algorithm: str, given: Sequence[str], options: Mapping[str, Any]) -> bool:
    """Whether that is the algorithm; refuse the other one's options."""
    if algorithm == SENTENCEPIECE:
        if given:
            raise ConfigError(f"{given[0]} is not for algorithm={SENTENCEPIECE!r}: {ELSEWHERE[given[0]]}")
        return True
    if algorithm != BYTE_LEVEL:
        raise ConfigError(f"algorithm must be {BYTE_LEVEL!r} or {SENTENCEPIECE!r}, got {algorithm!r}")
    if options:
        name = next(iter(options))
        raise TypeError(
            f"train() got an unexpected keyword argument {name!r}; options of SentencePiece need "
            f"algorithm={SENTENCEPIECE!r}"
        )
    return False


def sentencepiece_training(
    vocab_size: int, options: Mapping[str, Any], files: Sequence[Source] = ()
) -> SpTraining:
    """Check the options of a training by SentencePiece's algorithm, before any text is read."""
    from bpetk.sp_trainer import SpTraining

    own = {name: options[name] for name in OWN if name in options}
    options = {name: value for name, value in options.items() if name not in own}
    for name, why in {
        "input": "the text is the first argument",
        "model_prefix": "save() is given the path",
        "vocab_size": "it is an argument of its own",
    }.items():
        if name in options:
            raise ConfigError(f"{name} is not an option here: {why}")
    # Standard input has no name that the reference could be given.
    if files and all(source.path is not None for source in files):
        options["input"] = [source.name for source in files]
    if isinstance(vocab_size, bool) or not isinstance(vocab_size, int):
        raise ConfigError(f"vocab_size must be a whole number, got {vocab_size!r}")
    return SpTraining.of({"vocab_size": vocab_size, **options}, **own)


def _train_sentencepiece(
    paths: PathInput | Sequence[PathInput],
    vocab_size: int,
    options: dict[str, Any],
    *,
    encoding: str,
    threads: int,
    progress: ProgressCallback | None,
    hash_inputs: bool,
) -> SentencePieceModel:
    from bpetk.sp_trainer import train_on_files

    threads = _threads(threads)
    native_encoding(encoding)
    sources = resolve(paths)
    training = sentencepiece_training(vocab_size, options, sources)
    warn_of_repeated(sources, stacklevel=4)
    hashes = _Hashes(sources if hash_inputs else ())
    model = train_on_files(
        sources, training, encoding=encoding, threads=threads, progress=progress, beside=hashes
    )
    return model.with_report(hashes.into(model.train_report))


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

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
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
