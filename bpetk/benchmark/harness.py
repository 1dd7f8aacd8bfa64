"""Measure fairly: a fresh process for each measurement, rounds interleaved, every round kept. Here: trainers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import bpetk
from bpetk.benchmark.corpus_facts import describe_corpus, describe_machine
from bpetk.benchmark.peers import PEERS, Contender, Job, peers_of
from bpetk.benchmark.process import WorkerError, run_process
from bpetk.benchmark.results import BenchmarkResult, Entry, Measurement, TrainEntry
from bpetk.corpus import PathInput
from bpetk.errors import ConfigError
from bpetk.machine import available_cpus
from bpetk.pretokenizers import get_scheme
from bpetk.readable import readable_pair
from bpetk.report import BYTE_LEVEL, SENTENCEPIECE, Algorithm

P = TypeVar("P", bound=Contender)
E = TypeVar("E", bound=Entry)

Progress = Callable[[str, int, Any], None]


def parse_names(names: Iterable[str], peers: Mapping[str, Any] = PEERS) -> list[tuple[str, int | None]]:
    """Read ``name`` or ``name@threads``; refuse what is none of the peers.

    Examples
    --------
    >>> parse_names(["hf", "bpetk@1"])
    [('hf', None), ('bpetk', 1)]
    """
    parsed: list[tuple[str, int | None]] = []
    for text in names:
        name, at, threads = text.partition("@")
        if name not in peers:
            raise ConfigError(f"{name!r} to compare with is unknown; known are {', '.join(peers)}")
        if at and not (threads.isascii() and threads.isdigit() and int(threads) > 0):
            raise ConfigError(f"{text!r}: after '@' a number of threads is expected, as in {name}@1")
        parsed.append((name, int(threads) if at else None))
    return parsed


def choose(
    names: Iterable[str],
    peers: Mapping[str, P],
    threads: int,
    make: Callable[[str, P, int, str], E],
    refuse: Callable[[P], str | None],
) -> tuple[list[E], dict[str, str]]:
    """Make entries of the contenders that can run, ours first, and name the others with the reason."""
    entries = [make("bpetk", peers["bpetk"], threads, bpetk.__version__)]
    skipped: dict[str, str] = {}
    for name, own_threads in parse_names(names, peers):
        peer = peers[name]
        label = name if own_threads is None else f"{name}@{own_threads}"
        if label in (entry.label for entry in entries):
            continue
        version = peer.installed_version()
        if version is None:
            skipped[label] = f"the package {peer.distribution!r} is not installed: pip install 'bpetk[bench]'"
        elif reason := refuse(peer):
            skipped[label] = reason
        else:
            entries.append(make(label, peer, own_threads or threads, version))
    return entries, skipped


def run_rounds(
    entries: Sequence[E], rounds: int, measure: Callable[[E, int], Any], progress: Progress | None
) -> None:
    """Measure every entry once a round; each round begins with another entry, the first with the first.

    ``measure`` keeps what it measures; an entry for which it raises WorkerError is left out from then on. Progress is
    told label, round and None before a measurement, and after it the measurement or the reason why there is none.
    """

    def tell(entry: E, turn: int, outcome: Any) -> None:
        if progress is not None:
            progress(entry.label, turn, outcome)

    for turn in range(1, rounds + 1):
        shift = (turn - 1) % len(entries)
        for entry in [*entries[shift:], *entries[:shift]]:
            if entry.failed:
                continue
            tell(entry, turn, None)
            try:
                outcome = measure(entry, turn)
            except WorkerError as error:
                entry.failed, entry.problem = True, str(error)
                outcome = str(error)
            tell(entry, turn, outcome)


def check_rounds(rounds: int) -> None:
    """Refuse a number of rounds below 1."""
    if rounds < 1:
        raise ConfigError(f"{rounds} rounds: at least 1 is needed")


def run_worker(job: Job, folder: Path, timeout: float | None = None) -> tuple[dict[str, Any], Path | None]:
    """Run one training in a fresh process; return its numbers and the file of merges, if there is one."""
    return run_process("train", job, folder, threads=job.threads, suffix=".merges", timeout=timeout)


def _pair(line: str) -> str:
    left, right = (bytes.fromhex(part) for part in line.split(" "))
    return readable_pair(left, right)


def compare_merges(ours: str, theirs: str) -> str | None:
    """Compare two trainings, each merge a line of two hexadecimal strings; say what differs first."""
    a, b = ours.splitlines(), theirs.splitlines()
    for at, (left, right) in enumerate(zip(a, b, strict=False)):
        if left != right:
            return f"merge {at:,} (the first is 0): bpetk has {_pair(left)}, this trainer {_pair(right)}"
    if len(a) != len(b):
        same = min(len(a), len(b))
        return f"bpetk learned {len(a):,} merges, this trainer {len(b):,}; the first {same:,} are equal"
    return None


def compare_pieces(ours: str, theirs: str) -> str | None:
    """Compare two models of SentencePiece's kind, as rows in hexadecimal; say what differs first."""

    def shown(line: str) -> str:
        text, rest = (bytes.fromhex(part).decode() for part in line.split(" "))
        return f"{text!r} {rest}"

    a, b = ours.splitlines(), theirs.splitlines()
    for at, (left, right) in enumerate(zip(a[:-1], b[:-1], strict=False)):
        if left != right:
            return f"piece {at:,} (the first is 0): bpetk has {shown(left)}, this trainer {shown(right)}"
    if len(a) != len(b):
        return f"bpetk has {len(a) - 1:,} pieces, this trainer {len(b) - 1:,}"
    return None if a == b else "the pieces are equal, but not the files"


def _judge(
    entry: TrainEntry,
    measured: Measurement,
    merges: Path | None,
    ours: str | None,
    compare: Callable[[str, str], str | None],
) -> None:
    """Record equality: with ours once, and with itself in every round. ``ours`` is None for our own entry."""
    if not entry.peer.exact or merges is None:
        return
    if measured.merges_sha256 != entry.measurements[0].merges_sha256:
        entry.equality, entry.problem = "different", f"round {measured.round} gave other merges than round 1"
    elif entry.equality is None and ours is not None:
        entry.problem = compare(ours, merges.read_text(encoding="ascii"))
        entry.equality = "equal" if entry.problem is None else "different"


def run_train_benchmark(
    paths: PathInput | Sequence[PathInput],
    vocab_size: int,
    *,
    against: Sequence[str] | None = None,
    algorithm: Algorithm = BYTE_LEVEL,
    scheme: str = "gpt2",
    settings: Mapping[str, str] | None = None,
    threads: int = 0,
    rounds: int = 5,
    timeout: float | None = None,
    progress: Callable[[str, int, Measurement | str | None], None] | None = None,
) -> BenchmarkResult:
    """Train with bpetk and its peers in turn, and compare time, memory and merges.

    Parameters
    ----------
    paths
        Files, folders or globs of UTF-8 text. They are read once before the first round, so that all trainers
        find them in the system's cache.
    vocab_size
        Entries of the vocabulary, the 256 bytes included.
    against
        Names of trainers, each optionally with its own number of threads: ``"hf"``, ``"bpetk@1"``. Those
        that are not installed or do not know the scheme are skipped, and named in the result. None: all.
    algorithm
        As in ``bpetk.train``; of ``"sentencepiece-bpe"`` the only peer is the library.
    scheme
        A named scheme; ``"gpt2"`` is the one that all peers know. Not for SentencePiece.
    settings
        Options of SentencePiece's trainer, for all peers.
    threads
        Threads for every trainer that has no number of its own; 0 is all cores.
    rounds
        Each round measures every trainer once, and begins with another one.
    timeout
        Seconds after which a training is given up; that trainer is then left out of later rounds.
    progress
        Called with label, round and None before a measurement, and after it with the measurement, or with the
        reason why there is none.

    Returns
    -------
    BenchmarkResult
        Every measurement; medians and ratios come from methods.

    Raises
    ------
    ConfigError
        For an unknown trainer or scheme, or a number of rounds below 1.
    CorpusError, CorpusFileError
        If the text cannot be read.
    """
    peers, pieces = peers_of(algorithm), algorithm == SENTENCEPIECE
    if settings and not pieces:
        raise ConfigError("settings are for algorithm='sentencepiece-bpe'")
    get_scheme(scheme)
    check_rounds(rounds)
    if against is None:
        against = [name for name in peers if name != "bpetk"]
    entries, skipped = choose(
        against, peers, threads or available_cpus(), TrainEntry, lambda peer: peer.refuse(scheme)
    )
    corpus, missing = describe_corpus(paths)
    files = tuple(file.path for file in corpus.files)
    ours: str | None = None  # our merges, as text

    with tempfile.TemporaryDirectory(prefix="bpetk-bench-") as name:

        def measure(entry: TrainEntry, turn: int) -> Measurement:
            nonlocal ours
            job = Job(
                entry.peer.name, files, vocab_size, scheme, entry.threads, missing, algorithm, settings or {}
            )
            numbers, merges = run_worker(job, Path(name), timeout)
            measured = Measurement(turn, **numbers)
            entry.measurements.append(measured)
            compare = compare_pieces if pieces else compare_merges
            _judge(entry, measured, merges, None if entry is entries[0] else ours, compare)
            if entry is entries[0] and merges is not None:
                ours = merges.read_text(encoding="ascii")
            return measured

        # In the first round ours is first, so that peers can be compared with it.
        run_rounds(entries, rounds, measure, progress)
    return BenchmarkResult(
        vocab_size,
        "" if pieces else scheme,
        rounds,
        corpus,
        describe_machine(),
        tuple(entries),
        skipped,
        algorithm,
        settings or {},
    )
