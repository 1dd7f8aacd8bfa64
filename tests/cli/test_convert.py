"""``bpetk convert``: what it writes and says, and refusals that leave nothing."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import bpetk
from bpetk.cli import main

TEXT = "the cat sat on the mat, then that cat ate 42 mice.\n猫坐在垫子上，猫吃了老鼠。\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder that holds two tokenizers and a text."""
    for scheme in ("gpt2", "o200k"):
        bpetk.train_from_iterator([TEXT] * 3, 290, scheme=scheme, special_tokens=["<s>"]).save(
            tmp_path / scheme
        )
    (tmp_path / "text.txt").write_bytes(TEXT.encode())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, verb: str = "convert") -> Result:
    return CliRunner().invoke(main, [verb, *arguments], prog_name="bpetk")


@pytest.mark.parametrize(
    ("source", "to", "written"),
    [
        ("gpt2", "gpt2", ["out/vocab.json", "out/merges.txt"]),
        ("o200k", "tiktoken", ["out.json", "out"]),
        ("gpt2", "hf", None),
    ],
)
def test_says_what_was_written_and_how_to_load_it(
    folder: Path, source: str, to: str, written: list[str] | None
) -> None:
    result = run(source, "out", "--to", to, "--probe", "text.txt")
    assert result.exit_code == 0, result.output
    lines = dict(line.split(": ", 1) for line in result.stdout.splitlines())
    assert lines["equal"].split(" ids of ")[0].replace(",", "").isdigit()
    if written is not None:
        assert lines["written"] == ", ".join(written)
    load = shlex.split(lines.get("load as", "out"))
    loaded = run(
        *load[:1], "text.txt", *load[1:], *(["--format", to] if to == "tiktoken" else []), verb="encode"
    )
    assert loaded.stdout == run(source, "text.txt", verb="encode").stdout != ""


def test_the_whole_circle_in_processes(folder: Path) -> None:
    command = [sys.executable, "-m", "bpetk", "convert"]
    for words in (
        ["o200k", "r.tiktoken", "--to", "tiktoken"],
        ["r.tiktoken", "back", "--to", "hf"],
    ):
        done = subprocess.run([*command, *words], capture_output=True, text=True, encoding="utf-8")
        assert (done.returncode, done.stderr) == (0, "")
    models = ("o200k", "back", "r.tiktoken")
    ids = [run(name, "text.txt", verb="encode").stdout for name in models]
    assert ids[0] == ids[1] == ids[2] != ""


def test_a_folder_with_a_rank_file_and_what_it_does_not_say(folder: Path) -> None:
    (folder / "new").mkdir()
    result = run("o200k", "new/m.tiktoken", "--to", "tiktoken")
    assert (result.exit_code, "load as" in result.stdout) == (0, False)
    loaded = run("new", "text.txt", verb="encode")
    assert loaded.exit_code == 0, loaded.stderr
    assert loaded.stdout == run("o200k", "text.txt", verb="encode").stdout


def test_json(folder: Path) -> None:
    result = json.loads(run("gpt2", "r.tiktoken", "--to", "tiktoken", "--json").stdout)
    assert result["files"] == ["r.tiktoken.json", "r.tiktoken"]
    assert result["options"] == {}
    assert result["compared"][0] == "bpetk"


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (["o200k", "out", "--to", "gpt2"], 1, "cut text by GPT-2's pattern"),
        (["o200k", "gpt2", "--to", "hf"], 1, "gpt2 exists"),
        (["nosuch", "out", "--to", "hf"], 1, "nosuch"),
        (["o200k", "out", "--to", "hf", "--probe", "nosuch.txt"], 1, "cannot read nosuch.txt"),
        (["o200k", "out", "--to", "sp"], 2, "hf"),
        (["o200k", "out"], 2, "--to"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_refusals_leave_nothing(folder: Path, arguments: list[str], code: int, part: str) -> None:
    before = sorted(path.name for path in folder.iterdir())
    result = run(*arguments)
    assert (result.exit_code, part in result.stderr) == (code, True), result.stderr
    assert sorted(path.name for path in folder.iterdir()) == before


def test_an_absent_library_is_a_note(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    result = run("gpt2", "r.tiktoken", "--to", "tiktoken")
    assert result.exit_code == 0
    assert "(bpetk)" in result.stdout
    assert "note: not compared with the library itself: " in result.stdout
