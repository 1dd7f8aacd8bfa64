"""The benchmark harness: fresh processes, fair rounds, honest numbers."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import bpetk
from bpetk.benchmark import harness
from bpetk.benchmark.corpus_facts import describe_corpus
from bpetk.benchmark.harness import (
    WorkerError,
    compare_merges,
    parse_names,
    run_train_benchmark,
    run_worker,
)
from bpetk.benchmark.peers import PEERS, Job, Peer
from bpetk.benchmark.results import Entry, Measurement, Spread
from bpetk.errors import ConfigError, CorpusFileError

TEXT = "the cat sat on the mat, then that cat ate 42 mice.\n猫坐在垫子上，猫吃了老鼠。\n" * 50


@pytest.fixture
def corpus(tmp_path: Path) -> str:
    path = tmp_path / "corpus.txt"
    path.write_text(TEXT, encoding="utf-8", newline="")
    return str(path)


def test_spread() -> None:
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)
    assert Spread.of([1.0, 2.0]).median == 1.5


def test_ratio_is_of_medians_to_ours() -> None:
    ours, theirs = (Entry(name, PEERS[name], 1, "1") for name in ("bpetk", "hf"))
    ours.measurements = [Measurement(k, wall, 1.0, 10, 1) for k, wall in enumerate([1.0, 2.0, 9.0])]
    theirs.measurements = [Measurement(k, wall, 1.0, 30, 1) for k, wall in enumerate([8.0, 7.0, 1.0])]
    assert theirs.ratio(ours, "wall_seconds") == 3.5
    assert theirs.to_dict(ours)["ratio_peak_rss"] == 3.0


def test_parse_names() -> None:
    assert parse_names(["hf", "bpetk@12"]) == [("hf", None), ("bpetk", 12)]
    for wrong in ("nosuch", "hf@", "hf@0", "hf@x", ""):
        with pytest.raises(ConfigError):
            parse_names([wrong])


def test_compare_merges() -> None:
    assert compare_merges("61 62\n", "61 62\n") is None
    assert compare_merges("61 62\n61 63\n", "61 62\n") == (
        "bpetk learned 2 merges, this trainer 1; the first 1 are equal"
    )
    found = compare_merges("61 62\n61 63\n", "61 62\n61 64\n")
    assert found == 'merge 1 (the first is 0): bpetk has "a" + "c" -> "ac", this trainer "a" + "d" -> "ad"'


def test_corpus_facts_count_bytes_that_never_occur(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"abc")
    (tmp_path / "b.txt").write_bytes(b"cde\n")
    facts, missing = describe_corpus([tmp_path])
    assert (facts.bytes, missing) == (7, 250)
    assert [Path(file.path).name for file in facts.files] == ["a.txt", "b.txt"]
    with pytest.raises(CorpusFileError):
        describe_corpus("nosuch.txt")


@pytest.mark.parametrize("name", ["bpetk", "hf", "gigabpe"])
def test_exact_peers_learn_the_same_merges(corpus: str, name: str) -> None:
    peer = PEERS[name]
    if peer.installed_version() is None:
        pytest.skip(f"{peer.distribution} is not installed")
    _, missing = describe_corpus(corpus)
    job = Job(name, (corpus,), 300, "gpt2", 1, missing)
    assert peer.merges(peer.prepare(job)()) == bpetk.train(corpus, 300, scheme="gpt2").merges


@pytest.mark.parametrize("name", ["rustbpe", "sentencepiece"])
def test_other_peers_train_and_claim_nothing(corpus: str, name: str) -> None:
    peer = PEERS[name]
    if peer.installed_version() is None:
        pytest.skip(f"{peer.distribution} is not installed")
    result = peer.prepare(Job(name, (corpus,), 330, "gpt2", 1))()
    assert not peer.exact
    assert peer.merges(result) is None


def test_peers_refuse_schemes_they_lack() -> None:
    assert PEERS["gigabpe"].refuse("gpt2") is None
    assert "GPT-2" in str(PEERS["gigabpe"].refuse("cl100k"))
    assert PEERS["rustbpe"].refuse("o200k") is None
    assert "pattern" in str(PEERS["rustbpe"].refuse("none"))


def test_worker_is_a_fresh_process_without_the_memory_of_its_parent(corpus: str, tmp_path: Path) -> None:
    # A parent of 300 MB: a worker that counted its parent's pages would show them.
    code = (
        "import pathlib, sys; from bpetk.benchmark.harness import run_worker;"
        "from bpetk.benchmark.peers import Job;"
        "ballast = bytearray(b'x') * 300_000_000;"
        "numbers, merges = run_worker(Job('bpetk', (sys.argv[1],), 300, 'gpt2', 1),"
        "pathlib.Path(sys.argv[2]));"
        "print(numbers['peak_rss_bytes'], numbers['idle_rss_bytes'], numbers['merges'], merges.name)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, corpus, str(tmp_path)], capture_output=True, text=True, check=True
    )
    peak, idle, merges, name = done.stdout.split()
    if sys.platform == "linux":
        assert int(peak) < 250_000_000
    assert 0 < int(idle) <= int(peak)
    assert (merges, name) == ("44", "result.merges")


def test_worker_tells_why_it_failed(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match=r"nosuch\.txt"):
        run_worker(Job("bpetk", ("nosuch.txt",), 300, "gpt2", 1), tmp_path)


def test_worker_is_ended_when_its_time_is_up(corpus: str, tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match=r"longer than 0\.01 s"):
        run_worker(Job("bpetk", (corpus,), 300, "gpt2", 1), tmp_path, timeout=0.01)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Replace workers by canned answers, and collect the jobs they would have run."""
    jobs: list[Job] = []

    def fake(job: Job, folder: Path, timeout: float | None = None) -> tuple[dict[str, Any], Path | None]:
        jobs.append(job)
        if job.peer == "rustbpe":
            raise WorkerError("it broke")
        merges = folder / "result.merges"
        merges.write_text("61 62\n", encoding="ascii")
        digest = f"round-{len(jobs)}" if job.peer == "gigabpe" else "same"
        numbers = {"wall_seconds": 1.0, "cpu_seconds": 1.0, "peak_rss_bytes": 10, "idle_rss_bytes": 5}
        return numbers | {"merges": 1, "merges_sha256": digest}, merges

    monkeypatch.setattr(harness, "run_worker", fake)
    monkeypatch.setattr(Peer, "installed_version", lambda peer: "1")
    return jobs


def test_rounds_are_interleaved_and_begin_with_another_trainer_each(corpus: str, told: list[Job]) -> None:
    result = run_train_benchmark(corpus, 300, against=["hf", "bpetk@1"], threads=2, rounds=3)
    assert [(job.peer, job.threads) for job in told] == [
        ("bpetk", 2), ("hf", 2), ("bpetk", 1),
        ("hf", 2), ("bpetk", 1), ("bpetk", 2),
        ("bpetk", 1), ("bpetk", 2), ("hf", 2),
    ]  # fmt: skip
    assert [len(entry.measurements) for entry in result.entries] == [3, 3, 3]
    assert [entry.equality for entry in result.entries] == [None, "equal", "equal"]


def test_a_failing_trainer_is_left_out_of_later_rounds(corpus: str, told: list[Job]) -> None:
    outcomes: list[Any] = []
    result = run_train_benchmark(
        corpus, 300, against=["rustbpe"], rounds=3, progress=lambda *what: outcomes.append(what)
    )
    assert [job.peer for job in told] == ["bpetk", "rustbpe", "bpetk", "bpetk"]
    assert (result.entries[1].failed, result.entries[1].problem) == (True, "it broke")
    assert outcomes[2:4] == [("rustbpe", 1, None), ("rustbpe", 1, "it broke")]
    json.dumps(result.to_dict())


def test_a_trainer_that_disagrees_with_itself_is_noticed(corpus: str, told: list[Job]) -> None:
    result = run_train_benchmark(corpus, 300, against=["gigabpe"], rounds=2)
    assert result.entries[1].equality == "different"
    assert result.entries[1].problem == "round 2 gave other merges than round 1"
    assert not result.all_equal


def test_a_trainer_named_twice_runs_once(corpus: str, told: list[Job]) -> None:
    result = run_train_benchmark(corpus, 300, against=["hf", "hf", "bpetk"], rounds=1)
    assert [entry.label for entry in result.entries] == ["bpetk", "hf"]


def test_jobs_say_which_bytes_are_missing(corpus: str, told: list[Job]) -> None:
    run_train_benchmark(corpus, 300, against=[], rounds=1)
    assert told[0].missing_bytes == 256 - len(set(TEXT.encode()))
    assert dataclasses.asdict(told[0])["files"] == (str(Path(corpus).absolute()),)


def test_no_rounds_is_refused(corpus: str) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        run_train_benchmark(corpus, 300, rounds=0)
