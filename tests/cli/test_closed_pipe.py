"""A reader of the output that goes away, as ``head`` does, is no failure: no message, and the exit code of SIGPIPE."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import bpetk

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs pipes as Unix has them")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    (folder / "text.txt").write_text("the cat sat on the mat\n" * 50)
    (folder / "long.txt").write_text("the cat sat on the mat\n" * 100_000)
    bpetk.train(folder / "text.txt", 260).save(folder / "tok")
    (folder / "ids.txt").write_text("5 6 7\n")
    (folder / "many.txt").write_text("5 6 7\n" * 100_000)
    return folder


def run_closed(folder: Path, *words: str) -> tuple[int, str]:
    """Run with a standard output that nobody reads: exit code and standard error."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        command = [sys.executable, "-m", "bpetk", *words]
        done = subprocess.run(command, cwd=folder, stdout=writing, stderr=subprocess.PIPE, text=True)
    finally:
        os.close(writing)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "command",
    [
        "encode tok text.txt",
        "encode tok long.txt --lines",
        "decode tok ids.txt",
        "decode tok many.txt --lines",
        "count tok text.txt",
        "count tok text.txt --json",
        "verify encode tok text.txt",
        "verify train text.txt --vocab 260",
        "train text.txt --vocab 260 --out trained",
        "train text.txt --vocab 260 --out trained --json -q",
        "convert tok converted.tiktoken --to tiktoken",
        "bench encode tok text.txt --against bpetk@1 --rounds 1 -q",
        "--help",
        "--version",
        "encode --help",
    ],
)
def test_nobody_reads(folder: Path, command: str) -> None:
    if command.startswith("verify"):
        pytest.importorskip("tokenizers")
    assert run_closed(folder, *command.split()) == (141, "")


def test_what_was_made_is_there_all_the_same(folder: Path) -> None:
    assert run_closed(folder, "train", "text.txt", "--vocab", "258", "--out", "made") == (141, "")
    assert bpetk.Tokenizer.from_file(folder / "made").vocab_size == 258


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", ["encode tok long.txt --lines", "decode tok many.txt --lines"])
def test_a_reader_that_leaves_after_a_line(folder: Path, words: str, unbuffered: str) -> None:
    command = [sys.executable, "-m", "bpetk", *words.split()]
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=folder, env=environment, **pipes) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().split()
        process.stdout.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (141, b"")
