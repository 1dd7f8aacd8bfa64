"""``bpetk decode``: ids from text, .npy and .bin, bytes as they are, and what goes wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import bpetk
from bpetk.cli import main
from bpetk.convert import convert

END = "<|endoftext|>"
TEXT = "the cat sat on the mat, then that cat ate 42 mice.\r\n\n猫坐在垫子上，猫吃了老鼠。\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "tok"
    bpetk.train_from_iterator([TEXT] * 5, 300, special_tokens=[END]).save(folder)
    return folder


@pytest.fixture(scope="module")
def tok(model: Path) -> bpetk.Tokenizer:
    return bpetk.Tokenizer.from_file(model)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "text.txt").write_bytes(TEXT.encode())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, ["decode", *map(str, arguments)], input=stdin, prog_name="bpetk")


def ids_of(tok: bpetk.Tokenizer, text: str) -> str:
    return " ".join(map(str, tok.encode(text, allowed_special="all"))) + "\n"


@pytest.mark.parametrize("suffix", [".txt", ".npy", ".bin"])
def test_gives_back_what_was_encoded(model: Path, folder: Path, suffix: str) -> None:
    encode = ["encode", str(model), "text.txt", "-q", "-o", f"ids{suffix}"]
    assert CliRunner().invoke(main, encode).exit_code == 0
    assert run(model, f"ids{suffix}").stdout_bytes == TEXT.encode()
    assert run(model, f"ids{suffix}", "-o", "back.txt").stdout_bytes == b""
    assert Path("back.txt").read_bytes() == TEXT.encode()


@pytest.mark.parametrize("suffix", [".txt", ".npy"])
def test_lines_come_back_as_lines(model: Path, folder: Path, suffix: str) -> None:
    encode = ["encode", str(model), "text.txt", "-q", "--lines", "-o", f"ids{suffix}"]
    assert CliRunner().invoke(main, encode).exit_code == 0
    assert run(model, f"ids{suffix}", "--lines").stdout_bytes == TEXT.encode()
    assert (
        run(model, f"ids{suffix}", "--separator", "|").stdout_bytes
        == TEXT.rstrip("\n").replace("\n", "|").encode()
    )


def test_a_pipe_of_both(model: Path, folder: Path) -> None:
    command = f'"{sys.executable}" -m bpetk encode "{model}" text.txt | "{sys.executable}" -m bpetk decode "{model}" -'
    assert subprocess.run(command, shell=True, capture_output=True, check=True).stdout == TEXT.encode()


def test_bytes_that_are_no_text(model: Path, tok: bpetk.Tokenizer) -> None:
    half = tok.token_to_id(b"\xe7")
    assert run(model, stdin=f"{half}\n").stdout_bytes == b"\xe7"
    assert run(model, "--errors", "replace", stdin=f"{half}\n").stdout == "\ufffd"
    result = run(model, "--errors", "strict", stdin=f"{half}\n")
    assert result.exit_code == 1
    assert "document 1: byte 0 of the text is not UTF-8" in result.stderr


def test_special_tokens_can_be_left_out(model: Path, tok: bpetk.Tokenizer) -> None:
    ids = ids_of(tok, f"cat{END}mat")
    assert run(model, stdin=ids).stdout == f"cat{END}mat"
    assert run(model, "--skip-special-tokens", stdin=ids).stdout == "catmat"
    assert run(model, "--skip-special-tokens", "--errors", "strict", stdin=ids).stdout == "catmat"


def test_npy_without_offsets_is_one_document(model: Path, tok: bpetk.Tokenizer, folder: Path) -> None:
    np.save("ids.npy", np.array(tok.encode("cat\nmat"), np.int32))
    assert run(model, "ids.npy", "--lines").stdout == "cat\nmat\n"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("1 2 x3\n", "line 1: expected ids, decimal numbers, found 'x3'"),
        ("1\n1.5\n", "line 2: expected ids, decimal numbers, found '1.5'"),
        ("9999\n", "document 1: id 9999 is not in the vocabulary"),
        ("99999999999999999999\n", "line 1"),
        ("-1\n", "document 1"),
    ],
)
def test_ids_that_are_none(model: Path, text: str, part: str) -> None:
    result = run(model, stdin=text)
    assert (result.exit_code, part in result.stderr) == (1, True), result.stderr


def test_files_that_hold_no_ids(model: Path, folder: Path) -> None:
    Path("odd.bin").write_bytes(b"abc")
    assert "no whole number of uint16 ids" in run(model, "odd.bin").stderr
    Path("no.npy").write_bytes(b"text")
    assert "not an .npy file" in run(model, "no.npy").stderr
    np.save("float.npy", np.zeros(3))
    assert "expected whole numbers in one dimension, found float64" in run(model, "float.npy").stderr
    np.save("rows.npy", np.zeros(3, np.uint16))
    np.save("rows.offsets.npy", np.array([0, 9]))
    assert "ascending numbers from 0 to 3" in run(model, "rows.npy").stderr
    Path("short.npy").write_bytes(b"\x93NUMPY\x01\x00")
    assert "not a usable .npy file" in run(model, "short.npy").stderr
    result = run(model, "nosuch.npy")
    assert (result.exit_code, "cannot read nosuch.npy" in result.stderr) == (1, True)


def test_ranks_need_no_scheme(model: Path, folder: Path) -> None:
    convert(model, "r.tiktoken", to="tiktoken")
    Path("r.tiktoken.json").unlink()
    tok = bpetk.Tokenizer.from_file("r.tiktoken", scheme="cl100k", special_tokens={END: 0})
    result = run("r.tiktoken", stdin=ids_of(tok, TEXT))
    assert (result.exit_code, result.stdout_bytes, result.stderr) == (0, TEXT.encode(), "")
    ids = ids_of(tok, f"cat{END}mat")
    assert run("r.tiktoken", "--special", f"{END}=0", stdin=ids).stdout == f"cat{END}mat"
    assert run("r.tiktoken", "--scheme", "gpt2", "--special", f"{END}=0", stdin=ids).stdout == f"cat{END}mat"
    unknown = run("r.tiktoken", stdin=ids)
    assert (unknown.exit_code, "id 0 is not in the vocabulary" in unknown.stderr) == (1, True)


def test_a_dash_is_standard_output(model: Path, tok: bpetk.Tokenizer, folder: Path) -> None:
    assert run(model, "-o", "-", stdin=ids_of(tok, TEXT)).stdout_bytes == TEXT.encode()
    assert sorted(path.name for path in folder.iterdir()) == ["text.txt"]


def test_nothing_half_written_is_left(model: Path, folder: Path) -> None:
    assert run(model, "-o", "back.txt", stdin="1 2\n3 x\n").exit_code == 1
    assert sorted(path.name for path in folder.iterdir()) == ["text.txt"]
