"""The benchmark harness: fresh processes, fair rounds, honest numbers."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpetk
from bpetk.benchmark import encode_harness, harness
from bpetk.benchmark.corpus_facts import describe_corpus
from bpetk.benchmark.encode_harness import (
    Ids,
    _read_text,
    compare_ids,
    make_forms,
    run_encode_benchmark,
    run_encode_worker,
)
from bpetk.benchmark.encode_peers import ENCODE_PEERS, MODES, EncodeJob, Mode, Text, flat_ids
from bpetk.benchmark.encode_results import EncodeMeasurement
from bpetk.benchmark.harness import (
    WorkerError,
    compare_merges,
    parse_names,
    run_train_benchmark,
    run_worker,
)
from bpetk.benchmark.peers import PEERS, Contender, Job, Peer
from bpetk.benchmark.results import Measurement, Spread, TrainEntry
from bpetk.benchmark.worker import digest, measure_encode
from bpetk.convert import convert
from bpetk.errors import ConfigError, CorpusError, CorpusFileError, InvalidEncodingError
from bpetk.readable import readable

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
    ours, theirs = (TrainEntry(name, PEERS[name], 1, "1") for name in ("bpetk", "hf"))
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


# --- encoding -------------------------------------------------------------------------------------------------------


@pytest.fixture
def model(tmp_path: Path) -> str:
    folder = tmp_path / "tok"
    bpetk.train_from_iterator([TEXT], 300, special_tokens=["<s>"]).save(folder)
    return str(folder)


def encode_job(
    model: str, text: str, folder: Path, peer: str, mode: Mode = "flat", **options: Any
) -> EncodeJob:
    forms = make_forms(bpetk.Tokenizer.from_file(model, **options), model, options, folder)
    return EncodeJob(peer, mode, text, 1, forms)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", [name for name in ENCODE_PEERS if name != "sentencepiece"])
def test_calls_give_the_ids_of_the_text(
    corpus: str, model: str, tmp_path: Path, name: str, mode: Mode
) -> None:
    peer = ENCODE_PEERS[name]
    if peer.installed_version() is None:
        pytest.skip(f"{peer.distribution} is not installed")
    job = encode_job(model, corpus, tmp_path, name, mode)
    if mode not in peer.only:
        assert "no call for the mode" in str(peer.refuse(mode, job.forms))
        return
    assert peer.refuse(mode, job.forms) is None
    tok = bpetk.Tokenizer.from_file(model)
    texts = TEXT.splitlines(keepends=True) if mode == "lists" else [TEXT]
    found = peer.call(peer.ready(job)(), job, Text.read(corpus, mode))()
    if mode != "flat":
        assert isinstance(found, list)
    ids, rows = flat_ids(found)
    expected = [tok.encode(text) for text in texts]
    assert ids.tolist() == [id for row in expected for id in row]
    assert rows.tolist() == list(map(len, expected))


def test_ranks_are_given_to_each_encoder_in_its_form(corpus: str, model: str, tmp_path: Path) -> None:
    ranks = convert(model, tmp_path / "r.tiktoken", to="tiktoken")
    job = encode_job(str(ranks.path), corpus, tmp_path, "tiktoken", **ranks.options)
    assert job.forms.rank_file is None  # ids begin after the special token, and gigatoken wants them from 0
    assert job.forms.scheme == "cl100k"
    for name in ("hf", "tiktoken"):
        peer = ENCODE_PEERS[name]
        if peer.installed_version() is not None:
            ids = flat_ids(peer.call(peer.ready(job)(), job, Text.read(corpus, "flat"))())[0]
            assert ids.tolist() == bpetk.Tokenizer.from_file(model).encode(TEXT)


def test_models_that_an_encoder_cannot_have(corpus: str, tmp_path: Path) -> None:
    bpetk.train_from_iterator(["ab"], 3, alphabet="observed").save(tmp_path / "small")
    forms = encode_job(str(tmp_path / "small"), corpus, tmp_path, "tiktoken").forms
    assert "byte 0x00 has no id" in str(ENCODE_PEERS["tiktoken"].refuse("flat", forms))


def test_flat_ids_of_every_kind_of_result() -> None:
    for same in ([1, 2], np.array([1, 2], np.uint32), np.array([1, 2], np.uint32).tobytes()):
        assert [part.tolist() for part in flat_ids(same)] == [[1, 2], [2]]
    assert [part.tolist() for part in flat_ids([[1], [], [2]])] == [[1, 2], [1, 0, 1]]
    assert [part.tolist() for part in flat_ids([])] == [[], [0]]


def test_hashes_tell_rows_apart() -> None:
    one, two = (digest(np.array([1, 2], np.uint32), np.array(rows)) for rows in ([2], [1, 1]))
    assert one != two


def test_worker_measures_loading_and_both_passes(corpus: str, model: str, tmp_path: Path) -> None:
    numbers, path = run_encode_worker(encode_job(model, corpus, tmp_path, "bpetk"), tmp_path)
    measured = EncodeMeasurement(1, **numbers)
    assert measured.load_first_seconds == measured.load_seconds + measured.first_seconds
    assert min(measured.load_seconds, measured.first_seconds, measured.second_seconds) > 0
    assert measured.ids_sha256 == measured.second_ids_sha256
    assert 0 < measured.idle_rss_bytes <= measured.peak_rss_bytes
    assert path is not None
    with open(path, "rb") as file:
        assert len(np.load(file)) == measured.tokens


def test_one_sentence_is_called_often(
    corpus: str, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bpetk.benchmark.worker._BATCH_SECONDS", 0.001)
    short = tmp_path / "short.txt"
    short.write_text("the cat sat")
    numbers, _ = measure_encode(encode_job(model, str(short), tmp_path, "bpetk", "sentence"))
    assert 0 < numbers["second_seconds"] < 0.1


def test_compare_ids(model: str) -> None:
    tok = bpetk.Tokenizer.from_file(model)
    a, b, c = (
        Ids(np.array(ids, np.uint32), np.array([len(ids)]), str(ids)) for ids in ([98, 99], [98, 100], [98])
    )
    assert compare_ids(tok, a, a, "hf") is None
    shown = [readable(tok.id_to_bytes(id)) for id in (99, 100)]
    assert compare_ids(tok, a, b, "hf") == (
        f"id 1 (the first is 0): hf has 99 {shown[0]}, this encoder 100 {shown[1]}; 2 and 2 ids in all"
    )
    assert "this encoder no more; 2 and 1 ids in all" in str(compare_ids(tok, a, c, "hf"))
    other_rows = Ids(a.ids, np.array([1, 1]), "other")
    assert compare_ids(tok, a, other_rows, "hf") == "the ids of hf, in other rows"


@pytest.fixture
def encoders(monkeypatch: pytest.MonkeyPatch) -> list[EncodeJob]:
    """Replace workers by canned answers, and collect the jobs they would have run."""
    jobs: list[EncodeJob] = []

    def fake(job: EncodeJob, folder: Path, timeout: float | None = None) -> tuple[dict[str, Any], Path]:
        jobs.append(job)
        if job.peer == "tuetoken":
            raise WorkerError("it broke")
        ids = [1, 2, 4] if job.peer == "tokie" else [1, 2, 3]
        path = folder / "result.ids"
        with open(path, "wb") as file:
            np.save(file, np.array(ids, np.uint32))
            np.save(file, np.array([3]))
        seconds = {"bpetk": 1.0, "hf": 60.0, "gigatoken": 2.0}.get(job.peer, 0.5)
        second = f"{len(jobs)}" if job.peer == "tiktoken" else str(ids)
        numbers: dict[str, Any] = {f"{name}_seconds": seconds for name in ("load", "first", "second")}
        numbers |= {f"{name}_user_seconds": seconds for name in ("load", "first", "second")}
        numbers |= {"peak_rss_bytes": 10, "idle_rss_bytes": 5, "tokens": 3, "ids_sha256": str(ids)}
        return numbers | {"second_ids_sha256": second}, path

    monkeypatch.setattr(encode_harness, "run_encode_worker", fake)
    monkeypatch.setattr(Contender, "installed_version", lambda peer: "1")
    return jobs


def test_encoders_with_other_ids_are_wrong_and_not_ranked(
    corpus: str, model: str, encoders: list[EncodeJob]
) -> None:
    outcomes: list[Any] = []
    result = run_encode_benchmark(
        model,
        corpus,
        against=["tokie", "hf", "gigatoken", "tiktoken", "tuetoken"],
        rounds=2,
        progress=lambda *what: outcomes.append(what),
    )
    assert [job.peer for job in encoders] == [
        "hf",  # the reference, before the rounds
        "bpetk", "tokie", "hf", "gigatoken", "tiktoken", "tuetoken",
        "tokie", "hf", "gigatoken", "tiktoken", "bpetk",
    ]  # fmt: skip
    assert outcomes[0] == ("ids of tokenizers 1", 0, None)
    assert result.reference == "tokenizers 1"
    assert result.ours_is_right
    assert [entry.equality for entry in result.entries] == [
        "equal", "different", "equal", "equal", "different", None,
    ]  # fmt: skip
    assert [entry.label for entry in result.order()] == [
        "bpetk", "gigatoken", "hf", "tokie", "tiktoken", "tuetoken",
    ]  # fmt: skip
    assert "tokenizers 1 has 3 " in str(result.entries[1].problem)
    assert result.entries[4].problem == "round 1: the second pass gave other ids than the first"
    assert (result.entries[5].failed, result.entries[5].problem) == (True, "it broke")
    plain = json.loads(json.dumps(result.to_dict()))["encoders"]
    assert (plain[1]["ratio_first"], plain[2]["ratio_first"], plain[3]["ratio_load_first"]) == (None, 60, 2)
    assert plain[0]["first_mb_per_second"] == round(len(TEXT.encode()) / 1e6, 3)
    assert [measured["round"] for measured in plain[0]["rounds"]] == [1, 2]


def test_ids_that_are_ours_alone_fail_the_check(
    corpus: str, model: str, encoders: list[EncodeJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = encode_harness.run_encode_worker
    swapped = {"bpetk": "tokie", "tokie": "bpetk"}
    monkeypatch.setattr(
        encode_harness,
        "run_encode_worker",
        lambda job, *rest: right(dataclasses.replace(job, peer=swapped.get(job.peer, job.peer)), *rest),
    )
    result = run_encode_benchmark(model, corpus, against=["hf"], rounds=1)
    assert not result.ours_is_right
    assert result.ours.equality == "different"


def test_without_the_reference_ids_are_compared_with_ours(
    corpus: str, model: str, encoders: list[EncodeJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Contender, "installed_version", lambda peer: None if peer.name == "hf" else "1")
    result = run_encode_benchmark(model, corpus, against=["hf", "tokie", "gigatoken"], rounds=1)
    assert result.reference is None
    assert [entry.equality for entry in result.entries] == ["equal", "different", "equal"]
    assert "pip install" in result.skipped["hf"]


def test_the_text_that_is_measured(
    corpus: str, model: str, encoders: list[EncodeJob], tmp_path: Path
) -> None:
    first = TEXT.splitlines(keepends=True)[0]
    result = run_encode_benchmark(model, corpus, against=[], rounds=1, limit=len(first) + 3)
    assert result.measured_bytes == len(first)
    assert result.corpus.bytes == len(TEXT.encode())
    assert run_encode_benchmark(model, corpus, against=[], rounds=1, mode="sentence").measured_bytes == len(
        TEXT[:100].encode()
    )
    for data, part in (
        (b"a<s>b", "the special token '<s>' at character 1"),
        (b"", "no text"),
        (b"\xff", "invalid UTF-8 at line 1, byte offset 0"),
    ):
        (tmp_path / "bad.txt").write_bytes(data)
        with pytest.raises(CorpusError, match=part):
            run_encode_benchmark(model, tmp_path / "bad.txt", against=[], rounds=1)
    for options, part in (
        ({"rounds": 0}, "at least 1"),
        ({"mode": "x"}, "unknown mode"),
        ({"against": ["x"]}, "known"),
    ):
        with pytest.raises(ConfigError, match=part):
            run_encode_benchmark(model, corpus, **options)  # type: ignore[arg-type]


def test_the_files_of_a_folder_are_one_text_in_any_encoding(tmp_path: Path) -> None:
    for name, text in (("a", "汉字"), ("b", "漢\n"), ("c", ""), ("d", "字")):
        (tmp_path / f"{name}.txt").write_bytes(text.encode("gb18030"))
    names = [str(tmp_path / f"{name}.txt") for name in "abcd"]
    assert _read_text(names, "gb18030", None) == "汉字\n漢\n字"
    assert [_read_text(names, "gb18030", limit) for limit in (5, 7, 10, 11, 14)] == [
        "汉",
        "汉字\n",
        "汉字\n",
        "汉字\n漢\n",
        "汉字\n漢\n字",
    ]
    with pytest.raises(InvalidEncodingError, match=r"a\.txt: invalid UTF-8 at line 1"):
        _read_text(names, "utf-8", None)
