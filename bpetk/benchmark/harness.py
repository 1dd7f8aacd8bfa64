"""Measure trainers fairly: a fresh process for each measurement, rounds interleaved, every round kept."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import site
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import bpetk
from bpetk.benchmark.corpus_facts import describe_corpus, describe_machine
from bpetk.benchmark.peers import PEERS, Job
from bpetk.benchmark.results import BenchmarkResult, Entry, Measurement
from bpetk.corpus import PathInput
from bpetk.errors import ConfigError
from bpetk.machine import available_cpus
from bpetk.pretokenizers import get_scheme
from bpetk.readable import readable_pair


class WorkerError(Exception):
    """A worker did not deliver; the message is for the table."""


def parse_names(names: Iterable[str]) -> list[tuple[str, int | None]]:
    """Read ``name`` or ``name@threads``; refuse what is no known trainer.

    Examples
    --------
    >>> parse_names(["hf", "bpetk@1"])
    [('hf', None), ('bpetk', 1)]
    """
    parsed: list[tuple[str, int | None]] = []
    for text in names:
        name, at, threads = text.partition("@")
        if name not in PEERS:
            raise ConfigError(f"unknown trainer {name!r} to compare with; known are {', '.join(PEERS)}")
        if at and not (threads.isascii() and threads.isdigit() and int(threads) > 0):
            raise ConfigError(f"{text!r}: after '@' a number of threads is expected, as in {name}@1")
        parsed.append((name, int(threads) if at else None))
    return parsed


def _choose(names: Iterable[str], scheme: str, threads: int) -> tuple[list[Entry], dict[str, str]]:
    """Make entries of the trainers that can run, ours first, and name the others with the reason."""
    entries = [Entry("bpetk", PEERS["bpetk"], threads, bpetk.__version__)]
    skipped: dict[str, str] = {}
    for name, own_threads in parse_names(names):
        peer = PEERS[name]
        label = name if own_threads is None else f"{name}@{own_threads}"
        if label in (entry.label for entry in entries):
            continue
        version = peer.installed_version()
        if version is None:
            skipped[label] = f"the package {peer.distribution!r} is not installed: pip install 'bpetk[bench]'"
        elif reason := peer.refuse(scheme):
            skipped[label] = reason
        else:
            entries.append(Entry(label, peer, own_threads or threads, version))
    return entries, skipped


def _environment(threads: int) -> dict[str, str]:
    """Give the worker the threads asked for, and the very package that runs here."""
    environment = {
        **os.environ,
        "RAYON_NUM_THREADS": str(threads),
        "TOKENIZERS_PARALLELISM": "true" if threads > 1 else "false",
    }
    root = os.path.realpath(Path(bpetk.__file__).parent.parent)
    installed = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), site.getusersitepackages()]
    if root not in map(
        os.path.realpath, installed
    ):  # a source tree: the worker, in another folder, would not find it by itself
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    return environment


def _explain_exit(code: int, errors: str) -> str:
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    if code < 0:
        with contextlib.suppress(ValueError):
            name = signal.Signals(-code).name
            return f"ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    return lines[-1] if lines else f"exit code {code}"


def run_worker(job: Job, folder: Path, timeout: float | None = None) -> tuple[dict[str, Any], Path | None]:
    """Run one measurement in a fresh process; return its numbers and the file of merges, if there is one."""
    source, target = folder / "job.json", folder / "result.json"
    merges = target.with_suffix(".merges")
    for stale in (target, merges):
        stale.unlink(missing_ok=True)
    source.write_text(json.dumps(asdict(job)), encoding="utf-8")
    command = [sys.executable, "-m", "bpetk.benchmark.worker", str(source), str(target)]
    with open(folder / "errors.txt", "w+", encoding="utf-8", errors="replace") as errors:
        process = subprocess.Popen(
            command, cwd=folder, env=_environment(job.threads), stdout=subprocess.DEVNULL, stderr=errors
        )
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise WorkerError(f"took longer than {timeout:g} s") from None
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if code != 0 or not target.exists():
            errors.seek(0)
            raise WorkerError(_explain_exit(code, errors.read()))
    numbers: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
    theirs, ours = (
        os.path.realpath(path) for path in (numbers.pop("bpetk_path"), Path(bpetk.__file__).parent)
    )
    if theirs != ours:
        raise WorkerError(f"the worker imported bpetk from {theirs}, not from {ours}")
    return numbers, merges if merges.exists() else None


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


def _judge(entry: Entry, measured: Measurement, merges: Path | None, ours: str | None) -> None:
    """Record equality: with ours once, and with itself in every round. ``ours`` is None for our own entry."""
    if not entry.peer.exact or merges is None:
        return
    if measured.merges_sha256 != entry.measurements[0].merges_sha256:
        entry.equality, entry.problem = "different", f"round {measured.round} gave other merges than round 1"
    elif entry.equality is None and ours is not None:
        entry.problem = compare_merges(ours, merges.read_text(encoding="ascii"))
        entry.equality = "equal" if entry.problem is None else "different"


def run_train_benchmark(
    paths: PathInput | Sequence[PathInput],
    vocab_size: int,
    *,
    against: Sequence[str] = ("hf", "gigabpe", "rustbpe", "sentencepiece"),
    scheme: str = "gpt2",
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
        that are not installed or do not know the scheme are skipped, and named in the result.
    scheme
        A named scheme; ``"gpt2"`` is the one that all peers know.
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
    get_scheme(scheme)
    if rounds < 1:
        raise ConfigError(f"{rounds} rounds: at least 1 is needed")
    entries, skipped = _choose(against, scheme, threads or available_cpus())
    corpus, missing = describe_corpus(paths)
    files = tuple(file.path for file in corpus.files)
    ours: str | None = None  # our merges, as text
    with tempfile.TemporaryDirectory(prefix="bpetk-bench-") as name:
        for turn in range(1, rounds + 1):
            shift = (turn - 1) % len(
                entries
            )  # 0 in the first round: bpetk begins, so peers can be compared with it
            for entry in entries[shift:] + entries[:shift]:
                if entry.failed:
                    continue
                if progress is not None:
                    progress(entry.label, turn, None)
                job = Job(entry.peer.name, files, vocab_size, scheme, entry.threads, missing)
                try:
                    numbers, merges = run_worker(job, Path(name), timeout)
                except WorkerError as error:
                    entry.failed, entry.problem = True, str(error)
                    if progress is not None:
                        progress(entry.label, turn, str(error))
                    continue
                measured = Measurement(turn, **numbers)
                entry.measurements.append(measured)
                _judge(entry, measured, merges, None if entry is entries[0] else ours)
                if entry is entries[0] and merges is not None:
                    ours = merges.read_text(encoding="ascii")
                if progress is not None:
                    progress(entry.label, turn, measured)
    return BenchmarkResult(vocab_size, scheme, rounds, corpus, describe_machine(), tuple(entries), skipped)
