"""Training as SentencePiece does it: word counts to pieces, with a report; and the two ways that text comes in."""

from __future__ import annotations

import codecs
import os
import warnings
from array import array
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from bpetk import machine
from bpetk._sp_counter import code_points
from bpetk._trainer import MergeLoop
from bpetk.corpus import Source, invalid_utf8, last_line, native_encoding
from bpetk.errors import (
    BpetkError,
    ConfigError,
    CorpusError,
    InvalidTextWarning,
    RepeatedTextWarning,
    SampledSentencesWarning,
    SkippedSentencesWarning,
    VocabularySizeWarning,
)
from bpetk.report import SENTENCEPIECE, InputFile, StopReason, TrainReport
from bpetk.sp_counting import (
    EMPTY,
    LONG,
    CountedSentences,
    count_sentence_files,
    count_sentences,
)
from bpetk.sp_model import choose_alphabet, cut_merges, merge_target, meta_pieces
from bpetk.sp_normalizers import NormalizerMap, find_map
from bpetk.sp_options import SpOptions
from bpetk.sp_scripts import script_classes
from bpetk.sp_trained import SentencePieceModel
from bpetk.trainer import Clock, ProgressCallback, run_loop, threads_can_start

RESERVED = 0x2585  # no piece of two characters and more holds it
_HEAD = 1 << 16  # bytes of a file that tell whether it is UTF-8
LONGEST_SENTENCE = 1 << 30  # the most that max_sentence_length may be


@dataclass(frozen=True)
class SpTraining:
    """A training before its text: SentencePiece's options and bpetk's own, with the normalizer found.

    ``seed`` is that of the sample that ``input_sentence_size`` asks for; ``keep_long_sentences`` stands for the largest
    ``max_sentence_length`` that there is.
    """

    options: SpOptions
    normalizer: NormalizerMap
    seed: int = 0

    @classmethod
    def of(
        cls,
        library_options: Mapping[str, Any],
        *,
        normalizer_from: str | os.PathLike[str] | None = None,
        keep_long_sentences: bool = False,
        seed: int | None = None,
    ) -> SpTraining:
        """Check all that can be checked before any text is read.

        Raises
        ------
        ConfigError
            If an option is unknown, refused, or contradicts another one.
        ModelFileError, MissingDependencyError
            If there is no normalizer to be had.
        """
        chosen = dict(library_options)
        if keep_long_sentences:
            if "max_sentence_length" in chosen:
                raise ConfigError(
                    "keep_long_sentences and max_sentence_length exclude each other: give one of them"
                )
            chosen["max_sentence_length"] = LONGEST_SENTENCE
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
            raise ConfigError(f"seed must be a whole number, got {seed!r}")
        options = SpOptions.from_mapping(chosen, sampling=True)
        if seed is not None and not options.samples:
            raise ConfigError(
                "seed (--seed) is for sentences that are drawn at random, which input_sentence_size=N asks for, with "
                "shuffle_input_sentence left on; leave it out"
            )
        merge_target(options, ())
        meta_pieces(options)
        return cls(options, find_map(options, normalizer_from), seed or 0)

    def settings(self) -> dict[str, Any]:
        """Plain values for the report."""
        given = {name: getattr(self.options, name) for name in sorted(self.options.given)}
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
        return {
            "algorithm": SENTENCEPIECE,
            **plain,
            "normalizer": {"name": self.normalizer.name, "source": self.normalizer.source},
            **({"seed": self.seed} if self.options.samples else {}),
        }


def train_on_files(
    sources: Sequence[Source],
    training: SpTraining,
    *,
    encoding: str = "utf-8",
    threads: int = 1,
    progress: ProgressCallback | None = None,
    beside: AbstractContextManager[Any] | None = None,
) -> SentencePieceModel:
    """Train on files, whose lines are the sentences; ``beside`` is entered while pieces are learned."""
    if native_encoding(encoding):
        _look_at_beginnings(sources)
    clock = Clock(progress)
    total = None if any(s.size is None for s in sources) else sum(s.size or 0 for s in sources)
    counted = count_sentence_files(
        _as_the_library_reads(sources, training.options) if native_encoding(encoding) else sources,
        training.options,
        training.normalizer.normalizer(training.options),
        encoding=encoding,
        threads=threads,
        watcher=lambda done, distinct: clock.tick("count", done, total, distinct),
        seed=training.seed,
    )
    clock.tick("count", counted.bytes, total, counted.distinct, last=True)
    clock.stage("count")
    inputs = tuple(InputFile(s.name, s.size if s.size is not None else counted.bytes) for s in sources)
    settings = {**training.settings(), "encoding": encoding, "feeding": "lines"}
    with beside or nullcontext():
        return _learn(counted, training, clock, threads, inputs, settings)


def _as_the_library_reads(sources: Sequence[Source], options: SpOptions) -> list[Source]:
    """Put into the place of every empty file what the library takes for its line.

    That is the last line of the file before, once more, if no LF ends that line, and an empty line otherwise; of the
    last file there is none. (Its reader keeps the line that it read last when a file has no line at all.)
    """
    read: list[Source] = []
    before: Source | None = None  # the last file that is not empty
    for number, source in enumerate(sources):
        if source.size != 0:
            before = source
        elif number < len(sources) - 1:
            begin = last_line(before) if before is not None and before.size else 0
            if before is not None and before.size and begin < before.size:
                warnings.warn(
                    f"{source.name} is empty: SentencePiece takes the last line of {before.name}, which no line feed "
                    "ends, once more then, and so it was done here; leave the empty file out",
                    RepeatedTextWarning,
                    stacklevel=5,
                )
                source = replace(before, begin=begin)
            elif options.input_format == "tsv":
                raise CorpusError(
                    f"{source.name} is empty, and SentencePiece takes an empty file for an empty row, which it refuses "
                    "with input_format=tsv: leave the file out"
                )
        read.append(source)
    return read


def _look_at_beginnings(sources: Sequence[Source]) -> None:
    """Warn of files that are not UTF-8: the reference learns replacement characters from them without a word."""
    for source in sources:
        if source.size is None:
            continue
        with source.open() as file:
            head = file.read(_HEAD)
        try:
            codecs.getincrementaldecoder("utf-8")().decode(head, final=len(head) == source.size)
        except UnicodeDecodeError as error:
            found = invalid_utf8(source, error.start, head[error.start : error.start + 4])
            text = f"{found} Trained on as it is: each such byte acts as U+FFFD, as in SentencePiece."
            warnings.warn(text, InvalidTextWarning, stacklevel=5)


def train_on_sentences(
    sentences: Iterable[Any],
    training: SpTraining,
    *,
    threads: int = 1,
    progress: ProgressCallback | None = None,
) -> SentencePieceModel:
    """Train on sentences, ``str`` or UTF-8 ``bytes``."""
    clock = Clock(progress)
    counted = count_sentences(
        sentences,
        training.options,
        training.normalizer.normalizer(training.options),
        threads=threads,
        watcher=lambda done, distinct: clock.tick("count", done, None, distinct),
        seed=training.seed,
    )
    clock.tick("count", counted.bytes, None, counted.distinct, last=True)
    clock.stage("count")
    inputs = (InputFile("<iterator>", counted.bytes),)
    settings = {**training.settings(), "feeding": "sentences"}
    return _learn(counted, training, clock, threads, inputs, settings)


def _learn(
    counted: CountedSentences,
    training: SpTraining,
    clock: Clock,
    threads: int,
    inputs: tuple[InputFile, ...],
    settings: dict[str, Any],
) -> SentencePieceModel:
    """Learn pieces from word counts, which are used up; tell what was skipped or drawn."""
    options = training.options
    # Where the alphabet is chosen after the merges, the reference takes sentences that normalization leaves nothing of.
    if not counted.sentences or not (counted.distinct or options.auto_character_coverage):
        raise CorpusError(f"no text to learn from: {_about(counted, options)}")
    with threads_can_start(threads):
        counts = code_points(counted.words, threads)
        characters = _without_reserved(choose_alphabet(counts, options), options)
        target = merge_target(options, characters)
        loop = _loop(counted, options, characters, target, threads)
    try:
        run_loop(loop, counted, clock, target)
    except OverflowError as error:
        raise CorpusError(str(error)) from error
    if loop.stop is None or loop.stop == "string_made_twice":
        raise BpetkError("a piece was made by two different merges: a bug")
    left, right, frequencies, applied = _merges(loop)
    learned, alphabet = loop.pieces(), [chr(code) for code in characters]
    total_bytes = loop.total_bytes
    del loop  # as large as all that comes after it
    strings = [*alphabet, *learned]  # by id
    if options.auto_character_coverage:
        fillers = [0] * (len(learned) - len(frequencies))
        learned, alphabet = cut_merges(learned, [*frequencies, *fillers], counts, options)
        frequencies, applied = frequencies[: len(learned)], applied[: len(learned)]
    last = len(frequencies) - 1
    clock.stage("merge")
    initial = len(meta_pieces(options)) + len(alphabet)
    size = initial + len(learned)
    reason: StopReason = "vocab_size" if size == options.vocab_size else "no_more_pairs"
    report = TrainReport(
        requested_vocab_size=options.vocab_size,
        vocab_size=size,
        initial_size=initial,
        stop_reason=reason,
        explanation=_explain(options, size, len(learned) - len(frequencies)),
        corpus_bytes=total_bytes,
        pretokens=counted.pretokens,
        distinct_words=counted.distinct,
        last_merge=(strings[left[last]].encode(), strings[right[last]].encode()) if last >= 0 else None,
        last_merge_count=frequencies[last] if last >= 0 else None,
        scripts={},
        inputs=inputs,
        config=settings,
        stages=tuple(clock.stages),
        peak_rss_bytes=machine.peak_resident_bytes(),
        counts=frequencies,
        applied=applied,
        sizes=range(initial + 1, initial + 1 + len(frequencies)),
        algorithm=SENTENCEPIECE,
        initial_tokens=sum(counts.values()),
        sentences=counted.sentences,
        skipped=dict(counted.skipped),
    )
    # What the library refuses only at the end is refused here.
    model = SentencePieceModel(options, learned, alphabet, training.normalizer, report)
    _tell(counted, options, report)
    return model


def _without_reserved(alphabet: list[int], options: SpOptions) -> list[int]:
    """Give the characters that merges may begin with; only a custom normalizer can make the one that they may not."""
    if RESERVED not in alphabet:
        return alphabet
    if not options.auto_character_coverage:
        raise CorpusError(
            "the normalizer turns some text into U+2585, by which SentencePiece marks what is unknown: change the rule"
        )
    return [code for code in alphabet if code != RESERVED]


def _loop(
    counted: CountedSentences, options: SpOptions, characters: list[int], target: int, threads: int
) -> MergeLoop:
    return MergeLoop.of_characters(
        counted.words,
        characters=characters,
        pieces=target,
        scripts=script_classes() if options.split_by_unicode_script else None,
        max_length=options.max_sentencepiece_length,
        split_by_whitespace=options.split_by_whitespace,
        suffix=options.treat_whitespace_as_suffix,
        whitespace_only=options.allow_whitespace_only_pieces,
        split_digits=options.split_digits,
        split_by_number=options.split_by_number,
        threads=threads,
    )


def _merges(loop: MergeLoop) -> tuple[array[int], array[int], array[int], array[int]]:
    """Give left and right symbol of each merge, its frequency, and by how much it shortened the text."""
    left, right, new, frequencies, applied = (array(code) for code in "IIIqq")
    for native, values in zip(loop.result(), (left, right, new, frequencies, applied), strict=True):
        values.frombytes(native)
    return left, right, frequencies, applied


def _explain(options: SpOptions, size: int, fillers: int) -> str:
    more = ""
    if fillers:
        more = f" Of these {fillers:,} no longer occur: no pair was left that the rules let merge."
    if size == options.vocab_size:
        return f"The vocabulary has the {size:,} pieces asked for.{more}"
    return (
        f"The text gives {size:,} of the {options.vocab_size:,} pieces asked for: no other pair of pieces that the "
        f"rules allow stands in it (hard_vocab_limit is off).{more}"
    )


def _about(counted: CountedSentences, options: SpOptions) -> str:
    """Say how many sentences there are, and how many were skipped and why."""
    skipped = ", ".join(
        f"{count:,} {_reason(what, options)}" for what, count in sorted(counted.skipped.items())
    )
    taken = f"{counted.sentences:,} sentence{'' if counted.sentences == 1 else 's'} taken"
    return f"{taken}, {counted.skipped.total():,} skipped" + (f" ({skipped})" if skipped else "")


def _reason(what: str, options: SpOptions) -> str:
    return f"longer than {options.max_sentence_length:,} bytes" if what == LONG else what


def _tell(counted: CountedSentences, options: SpOptions, report: TrainReport) -> None:
    """Warn of what the user may not know: sentences that were left out, a vocabulary that is smaller."""
    if counted.skipped.total() > counted.skipped[EMPTY]:
        hint = (
            "; max_sentence_length sets that limit, keep_long_sentences (--keep-long-sentences) lifts it"
            if counted.skipped[LONG]
            else ""
        )
        text = f"{_about(counted, options)}, by SentencePiece's rules{hint}"
        warnings.warn(text, SkippedSentencesWarning, stacklevel=5)
    if counted.sampled is not None:
        warnings.warn(
            f"{counted.sentences:,} of {counted.sampled:,} sentences were drawn with a seed of bpetk's own: the result "
            "is the same in every run, but cannot be SentencePiece's, which draws others each time; "
            "shuffle_input_sentence=False takes the first ones in both",
            SampledSentencesWarning,
            stacklevel=5,
        )
    if report.stop_reason != "vocab_size":
        warnings.warn(report.explanation, VocabularySizeWarning, stacklevel=5)
