"""Training: word counts to merges, with the configuration checked before and a report after."""

from __future__ import annotations

import array
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal

from bpetk import machine
from bpetk._counter import WordCounts
from bpetk._trainer import MergeLoop
from bpetk.alphabet import BYTE_ORDER, BYTE_TO_CHAR, CHAR_TO_BYTE
from bpetk.counting import Counted
from bpetk.errors import BpetkError, ConfigError, CorpusError
from bpetk.model import BpeModel
from bpetk.pretokenizers import UNICODE_VERSION, Scheme, custom_scheme, get_scheme, scheme_from_pattern
from bpetk.report import InputFile, Progress, ScriptCost, Stage, StageTime, StopReason, TrainReport
from bpetk.special_tokens import AddedToken

ProgressCallback = Callable[[Progress], None]

INTERVAL = 0.1  # seconds between two calls of the progress callback
MERGES_PER_CALL = 2048
MOST = {"vocab_size": 0x7FFFFFF0, "min_frequency": 2**62, "max_token_length": 2**62}
BIG = 1 << 27  # bytes of text from which a single native call may outlast a second


@dataclass(frozen=True)
class TrainerConfig:
    """What determines the result of a training, besides its text.

    Attributes
    ----------
    vocab_size : int
        Number of ids asked for, special tokens and alphabet included.
    scheme : str
        Name of a splitting scheme; ignored when ``pattern`` is given.
    pattern : str or None
        A regular expression in Oniguruma's syntax that splits text instead.
    special_tokens : tuple of str
        They take the first ids, in this order; duplicates are dropped.
    min_frequency : int
        Training stops when no pair occurs so often; 0 and 1 are the same.
    max_token_length : int or None
        Merged tokens must be shorter than this many bytes (tokens of two bytes are always allowed).
    alphabet : {"bytes", "observed"}
        Whether all 256 bytes are tokens, or only those that occur.
    """

    vocab_size: int
    scheme: str = "cl100k"
    pattern: str | None = None
    special_tokens: tuple[str, ...] = ()
    min_frequency: int = 0
    max_token_length: int | None = None
    alphabet: Literal["bytes", "observed"] = "bytes"

    def __post_init__(self) -> None:
        for name in ("vocab_size", "min_frequency", "max_token_length"):
            value = getattr(self, name)
            if name == "max_token_length" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int):
                raise ConfigError(f"{name} must be a whole number, got {value!r}")
            if value > MOST[name]:
                raise ConfigError(f"{name} must be at most {MOST[name]:,}, got {value:,}")
            least = 0 if name == "min_frequency" else 1
            if value < least:
                raise ConfigError(f"{name} must be at least {least}, got {value}")
        if self.alphabet not in ("bytes", "observed"):
            raise ConfigError(f"alphabet must be 'bytes' or 'observed', got {self.alphabet!r}")
        if isinstance(self.special_tokens, str):
            raise ConfigError("special_tokens must be a sequence of strings, got one string")
        for token in self.special_tokens:
            if not isinstance(token, str) or not token:
                raise ConfigError(f"a special token must be a non-empty string, got {token!r}")
            try:
                token.encode("utf-8")
            except UnicodeEncodeError:
                raise ConfigError(f"the special token {token!r} holds a lone surrogate") from None
        object.__setattr__(self, "special_tokens", tuple(dict.fromkeys(self.special_tokens)))
        self.resolve_scheme()
        if self.alphabet == "bytes":
            self.check_size(bytes(range(256)))

    def resolve_scheme(self) -> Scheme:
        """Return the scheme that splits the text; a pattern whose text is that of a named scheme is that scheme."""
        if self.pattern is None:
            return get_scheme(self.scheme)
        return scheme_from_pattern(self.pattern) or custom_scheme(self.pattern)

    def initial_ids(self, alphabet: bytes) -> tuple[list[int], dict[str, int]]:
        """Id of each of the 256 bytes (-1: none), and of all strings that have one before the first merge."""
        strings = {token: i for i, token in enumerate(self.special_tokens)}
        present = set(alphabet)
        byte_ids = [-1] * 256
        for byte in BYTE_ORDER:
            if byte in present:
                byte_ids[byte] = strings.setdefault(BYTE_TO_CHAR[byte], len(strings))
        return byte_ids, strings

    def check_size(self, alphabet: bytes) -> None:
        """Refuse a vocabulary that cannot hold the special tokens and the alphabet."""
        least = len(self.initial_ids(alphabet)[1])
        if self.vocab_size < least:
            raise ConfigError(
                f"vocab_size {self.vocab_size} is too small: {len(self.special_tokens)} special tokens and "
                f"{len(alphabet)} bytes need at least {least}"
            )


class Clock:
    """Times stages and calls the progress callback, at most every ``INTERVAL`` seconds."""

    def __init__(self, callback: ProgressCallback | None) -> None:
        self.callback = callback
        self.stages: list[StageTime] = []
        self.begin = self.stage_begin = time.perf_counter()
        self.cpu_begin = time.process_time()
        self.last = 0.0

    def stage(self, name: Stage) -> None:
        """Note the end of a stage."""
        now, cpu = time.perf_counter(), time.process_time()
        peak = machine.peak_resident_bytes()
        self.stages.append(StageTime(name, now - self.stage_begin, cpu - self.cpu_begin, peak))
        self.stage_begin, self.cpu_begin, self.last = now, cpu, 0.0

    def tick(self, stage: Stage, done: int, total: int | None, distinct: int, *, last: bool = False) -> None:
        """Report progress if it is time, or in any case when it is the ``last`` of its stage."""
        if self.callback is None:
            return
        now = time.perf_counter()
        if not last and now - self.last < INTERVAL:
            return
        self.last = now
        rate = done / max(now - self.stage_begin, 1e-9) if stage == "merge" else 0.0
        self.callback(
            Progress(stage, done, total, distinct, rate, machine.resident_bytes(), now - self.begin)
        )


def _interruptible(loop: MergeLoop, call: Callable[[], Any], big: bool) -> Any:
    """Make a native call that may take seconds so that Ctrl-C ends it: another thread makes it, this one listens."""
    if not big or threading.current_thread() is not threading.main_thread():
        return call()
    outcome: list[Any] = []
    failure: list[BaseException] = []
    ended = threading.Event()

    def body() -> None:
        try:
            outcome.append(call())
        except BaseException as error:
            failure.append(error)
        finally:
            ended.set()

    threading.Thread(target=body, daemon=True).start()
    try:
        while not ended.wait(0.2):
            pass
    except BaseException:
        loop.cancel()
        ended.wait(5)
        raise
    if failure:
        raise failure[0]
    return outcome[0]


@contextmanager
def threads_can_start(threads: int) -> Iterator[None]:
    """Say what to do when a native call cannot start its threads."""
    try:
        yield
    except RuntimeError as error:  # of the C++ library
        raise BpetkError(
            f"cannot start {threads} threads ({error}): ask for fewer with threads= or -j"
        ) from error


def run_loop(loop: MergeLoop, counted: Counted, clock: Clock, merges: int) -> None:
    """Run the loop to its end and tell the clock how far it is."""
    big = counted.bytes > BIG
    _interruptible(loop, loop.lay_out, big)
    clock.stage("sort")
    while loop.stop is None:
        done = _interruptible(loop, lambda: loop.run(MERGES_PER_CALL), big)
        clock.tick("merge", done, merges, counted.distinct, last=loop.stop is not None)


def _reserved(strings: dict[str, int], config: TrainerConfig) -> list[tuple[bytes, int]]:
    """Find special tokens whose text a merge could make: they lend it their id."""
    return [
        (bytes(CHAR_TO_BYTE[char] for char in token), strings[token])
        for token in config.special_tokens
        if len(token) > 1 and all(char in CHAR_TO_BYTE for char in token)
    ]


def learn(
    counted: Counted,
    config: TrainerConfig,
    *,
    clock: Clock,
    threads: int = 1,
    inputs: tuple[InputFile, ...] = (),
    settings: dict[str, Any] | None = None,
    tuning: dict[str, Any] | None = None,
) -> tuple[BpeModel, TrainReport]:
    """Learn merges from word counts, which are used up, and return the model and the report.

    ``settings`` are further entries of the report's configuration; ``tuning`` goes to the merge loop and changes time
    and memory only.
    """
    words: WordCounts = counted.words
    if not counted.distinct:
        raise CorpusError("the text holds no words to learn from: it is empty, or the scheme drops all of it")
    alphabet = bytes(range(256)) if config.alphabet == "bytes" else words.observed_bytes()
    config.check_size(alphabet)
    byte_ids, strings = config.initial_ids(alphabet)
    with threads_can_start(threads):
        loop = MergeLoop(
            words,
            byte_ids=byte_ids,
            strings=len(strings),
            reserved=_reserved(strings, config),
            vocab_size=config.vocab_size,
            min_frequency=config.min_frequency,
            max_token_length=config.max_token_length or 0,
            threads=threads,
            **(tuning or {}),
        )
    try:
        run_loop(loop, counted, clock, max(0, config.vocab_size - len(strings)))
    except OverflowError as error:
        raise CorpusError(str(error)) from error
    if loop.stop is None or loop.stop == "string_made_twice":
        raise BpetkError(
            "a token string was made by two different merges, which byte-level training cannot do: a bug"
        )
    arrays = [array.array(code) for code in "IIIqq"]
    for native, values in zip(loop.result(), arrays, strict=True):
        values.frombytes(native)
    left, right, new, counts, applied = arrays
    scripts = {name: ScriptCost(*cost) for name, cost in loop.script_costs().items()}
    model = BpeModel(
        scheme=config.resolve_scheme(),
        special_tokens=config.special_tokens,
        byte_ids=byte_ids,
        left=left,
        right=right,
        new=new,
        counts=counts,
        added_tokens=tuple(AddedToken(content=t, id=strings[t], special=True) for t in config.special_tokens),
    )
    strings_now = loop.strings
    clock.stage("merge")
    report = TrainReport(
        requested_vocab_size=config.vocab_size,
        vocab_size=strings_now,
        initial_size=len(strings),
        stop_reason=loop.stop,
        explanation=_explain(loop.stop, config, strings_now, counts),
        corpus_bytes=loop.total_bytes,
        pretokens=counted.pretokens,
        distinct_words=counted.distinct,
        last_merge=_last_merge(left, right, new, byte_ids),
        last_merge_count=counts[-1] if counts else None,
        scripts=scripts,
        inputs=inputs,
        config={**asdict(config), **(settings or {}), "unicode": UNICODE_VERSION},
        stages=tuple(clock.stages),
        peak_rss_bytes=machine.peak_resident_bytes(),
        counts=counts,
        applied=applied,
        sizes=_sizes(new, len(strings)),
    )
    return model, report


def _sizes(new: Sequence[int], initial: int) -> Sequence[int]:
    """Vocabulary size after each merge: a merge that makes an existing string adds none."""
    if not new or (new[0] == initial and new[-1] == initial + len(new) - 1):
        return range(initial + 1, initial + 1 + len(new))
    sizes, size = [], initial
    for token in new:
        size = max(size, token + 1)
        sizes.append(size)
    return sizes


def _last_merge(
    left: Sequence[int], right: Sequence[int], new: Sequence[int], byte_ids: list[int]
) -> tuple[bytes, bytes] | None:
    if not left:
        return None
    plain = new[-1] - new[0] == len(new) - 1  # ids of merged tokens simply count up
    parents = {} if plain else {token: m for m, token in enumerate(new)}
    bytes_of = {i: bytes([b]) for b, i in enumerate(byte_ids) if i >= 0}

    def spell(token: int) -> bytes:
        out, todo = [], [token]
        while todo:
            top = todo.pop()
            if top in bytes_of:
                out.append(bytes_of[top])
            else:
                merge = parents[top] if parents else top - new[0]
                todo += [right[merge], left[merge]]
        return b"".join(out)

    return spell(left[-1]), spell(right[-1])


def _explain(reason: StopReason, config: TrainerConfig, size: int, counts: Sequence[int]) -> str:
    if reason == "vocab_size":
        return f"The vocabulary has the {size:,} entries asked for."
    if reason == "min_frequency":
        why = f"no pair of tokens occurs {config.min_frequency:,} times or more (min_frequency)"
    elif config.max_token_length is not None:
        why = (
            f"no pair of tokens is left that makes a token shorter than {config.max_token_length} bytes "
            "(max_token_length), or none at all"
        )
    else:
        why = "every word of the text has become a single token"
    last = f" The last merge had the count {counts[-1]:,}." if counts else ""
    return f"The text gives {size:,} of the {config.vocab_size:,} entries asked for: {why}.{last}"
