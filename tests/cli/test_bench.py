"""``bpetk bench``: the tables, the JSON files, peers that are absent, and exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import bpetk
from bpetk.benchmark.encode_peers import ENCODE_PEERS
from bpetk.benchmark.peers import PEERS, Contender, Peer
from bpetk.cli import main
from bpetk.cli.units import parse_size

TEXT = "the cat sat on the mat, then that cat ate 42 mice.\n猫坐在垫子上，猫吃了老鼠。\n" * 50


@pytest.fixture
def corpus(tmp_path: Path) -> str:
    path = tmp_path / "corpus.txt"
    path.write_text(TEXT, encoding="utf-8", newline="")
    return str(path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["bench", "train", *arguments], prog_name="bpetk", env={"COLUMNS": "120"})


def test_measures_and_writes_every_round(corpus: str, tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    target = tmp_path / "result.json"
    command = [sys.executable, "-m", "bpetk", "bench", "train", corpus, "--vocab", "330", "--against", "hf"]
    done = subprocess.run(
        [*command, "-j", "1", "--rounds", "2", "--json", str(target)],
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "hf" in done.stdout
    assert "equal" in done.stdout
    result = json.loads(target.read_text(encoding="utf-8"))
    ours, theirs = result["trainers"]
    assert [ours["label"], theirs["label"]] == ["bpetk", "hf"]
    assert [m["round"] for m in theirs["rounds"]] == [1, 2]
    assert theirs["equality"] == "equal"
    assert theirs["rounds"][0]["merges_sha256"] == ours["rounds"][0]["merges_sha256"]
    assert ours["threads"] == 1
    assert ours["ratio_wall"] == 1
    assert theirs["ratio_peak_rss"] > 0
    assert theirs["wall_seconds"]["low"] <= theirs["wall_seconds"]["median"] <= theirs["wall_seconds"]["high"]
    assert result["corpus"]["bytes"] == len(TEXT.encode())


def test_absent_and_unfit_peers_are_named_and_skipped(corpus: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Peer, "installed_version", lambda peer: None if peer.name == "hf" else "1")
    result = run(corpus, "--vocab", "300", "--against", "hf,gigabpe", "--scheme", "o200k", "--rounds", "1")
    assert result.exit_code == 0, result.output
    assert (
        "hf skipped: the package 'tokenizers' is not installed: pip install 'bpetk[bench]'" in result.stdout
    )
    assert "gigabpe skipped: it cuts text by GPT-2's rule only, not by o200k" in result.stdout


def test_a_peer_that_fails_is_told_and_the_rest_goes_on(corpus: str) -> None:
    # A missing module in the worker is what a broken installation looks like.
    pytest.importorskip("sentencepiece")
    result = run(corpus, "--vocab", "20", "--against", "sentencepiece", "--rounds", "1")
    assert result.exit_code == 1  # bpetk itself refuses so small a vocabulary
    assert "bpetk: " in result.stdout


@pytest.mark.parametrize(("equality", "code"), [("different", 3), ("equal", 0)])
def test_other_merges_exit_with_3(
    corpus: str, monkeypatch: pytest.MonkeyPatch, equality: str, code: int
) -> None:
    from bpetk.benchmark import harness

    def fake(job: Any, folder: Path, timeout: float | None = None) -> tuple[dict[str, Any], Path]:
        other = job.peer == "hf" and equality == "different"
        merges = folder / "result.merges"
        merges.write_text("61 62\n" if other else "61 63\n", encoding="ascii")
        numbers = {
            "wall_seconds": 1.0,
            "cpu_seconds": 1.0,
            "peak_rss_bytes": 10,
            "idle_rss_bytes": 5,
            "merges": 1,
        }
        return numbers | {"merges_sha256": str(other)}, merges

    monkeypatch.setattr(harness, "run_worker", fake)
    monkeypatch.setattr(Peer, "installed_version", lambda peer: "1")
    result = run(corpus, "--vocab", "300", "--against", "hf", "--rounds", "3")
    assert result.exit_code == code, result.output
    assert ('bpetk has "a" + "c" -> "ac", this trainer "a" + "b" -> "ab"' in result.stdout) == (code == 3)


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (["--against", "nosuch"], 2, ", ".join(PEERS)),
        (["--against", "hf@many"], 2, "hf@1"),
        (["--rounds", "0"], 2, "x>=1"),
        (["--json", "nosuch/folder/file.json"], 1, "there is no folder"),
    ],
    ids=["trainer", "threads", "rounds", "json"],
)
def test_refusals(corpus: str, arguments: list[str], code: int, part: str) -> None:
    result = run(corpus, "--vocab", "300", *arguments)
    assert result.exit_code == code
    assert part in result.stderr


def test_text_that_can_be_read_only_once_is_refused() -> None:
    result = run("-", "--vocab", "300")
    assert result.exit_code == 2
    assert "save it to a file" in result.stderr


# --- bench encode ---------------------------------------------------------------------------------------------------


@pytest.fixture
def model(tmp_path: Path) -> str:
    folder = tmp_path / "tok"
    bpetk.train_from_iterator([TEXT], 300, special_tokens=["<s>"]).save(folder)
    return str(folder)


def run_encode(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["bench", "encode", *arguments], prog_name="bpetk")


@pytest.mark.parametrize("mode", ["", "--lists", "--sentence"])
def test_measures_encoders_and_writes_every_round(corpus: str, model: str, tmp_path: Path, mode: str) -> None:
    pytest.importorskip("tokenizers")
    target = tmp_path / "result.json"
    command = [
        sys.executable,
        "-m",
        "bpetk",
        "bench",
        "encode",
        model,
        corpus,
        "--against",
        "hf",
        *filter(None, [mode]),
    ]
    done = subprocess.run(
        [*command, "--rounds", "2", "--json", str(target)], capture_output=True, text=True, encoding="utf-8"
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert "ids compared with tokenizers " in lines[0]
    assert [line.split()[0] for line in lines[1:4]] == ["encoder", "bpetk", "hf"]
    assert all(line.split()[-1] == "equal" for line in lines[2:4])
    result = json.loads(target.read_text(encoding="utf-8"))
    assert (result["benchmark"], result["mode"]) == ("encode", mode.removeprefix("--") or "flat")
    ours, theirs = result["encoders"]
    assert [ours["label"], theirs["label"]] == ["bpetk", "hf"]
    assert [m["round"] for m in theirs["rounds"]] == [1, 2]
    assert theirs["rounds"][0]["ids_sha256"] == ours["rounds"][0]["ids_sha256"]
    assert (ours["threads"], ours["ratio_first"], ours["equality"]) == (1, 1, "equal")
    assert ours["first_seconds"]["low"] <= ours["first_seconds"]["median"] <= ours["first_seconds"]["high"]
    assert ("calls_per_second" in ours) == (mode == "--sentence")


@pytest.mark.parametrize(("wrong", "code"), [("gigatoken", 0), ("bpetk", 3), ("", 0)])
def test_wrong_ids_are_marked_and_ours_exit_with_3(
    corpus: str, model: str, monkeypatch: pytest.MonkeyPatch, wrong: str, code: int
) -> None:
    import numpy as np

    from bpetk.benchmark import encode_harness

    def fake(job: Any, folder: Path, timeout: float | None = None) -> tuple[dict[str, Any], Path]:
        ids = [1, 2 + (job.peer == wrong)]
        with open(folder / "result.ids", "wb") as file:
            np.save(file, np.array(ids, np.uint32))
            np.save(file, np.array([2]))
        names = [f"{name}{user}_seconds" for name in ("load", "first", "second") for user in ("", "_user")]
        numbers: dict[str, Any] = dict.fromkeys(names, 1.0)
        numbers |= {"peak_rss_bytes": 10, "idle_rss_bytes": 5, "tokens": 2}
        return numbers | {"ids_sha256": str(ids), "second_ids_sha256": str(ids)}, folder / "result.ids"

    monkeypatch.setattr(encode_harness, "run_encode_worker", fake)
    monkeypatch.setattr(Contender, "installed_version", lambda peer: "1")
    result = run_encode(model, corpus, "--against", "gigatoken", "--rounds", "2")
    assert result.exit_code == code, result.output
    rows = {line.split()[0]: line for line in result.stdout.splitlines()}
    assert ("WRONG" in rows["bpetk"], "WRONG" in rows["gigatoken"]) == (
        wrong == "bpetk",
        wrong == "gigatoken",
    )
    assert ("1.00x" in rows["gigatoken"]) == (wrong != "gigatoken")
    assert ("id 1 (the first is 0): tokenizers 1 has 2 " in result.stdout) == bool(wrong)


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (["--against", "nosuch"], 2, ", ".join(ENCODE_PEERS)),
        (["--limit", "many"], 2, "10MB"),
        (["--json", "nosuch/folder/file.json"], 1, "there is no folder"),
    ],
    ids=["encoder", "limit", "json"],
)
def test_encode_refusals(corpus: str, model: str, arguments: list[str], code: int, part: str) -> None:
    result = run_encode(model, corpus, *arguments)
    assert (result.exit_code, part in result.stderr) == (code, True), result.stderr


def test_sizes() -> None:
    assert [parse_size(text) for text in ("1", "2kB", "3 MB", "1.5g")] == [1, 2000, 3_000_000, 1_500_000_000]
