"""``bpetk bench train``: the table, the JSON file, peers that are absent, and exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bpetk.benchmark.peers import PEERS, Peer
from bpetk.cli import main

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
