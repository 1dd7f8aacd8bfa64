"""``bpetk count``: tokens, bytes and characters, by file and in all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import bpetk
from bpetk.cli import main

EN = "the cat sat on the mat, then that cat ate 42 mice.\n"
ZH = "猫坐在垫子上，猫吃了老鼠。\n然后猫睡了。"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "tok"
    bpetk.train_from_iterator([EN, ZH] * 5, 300, special_tokens=["<s>"]).save(folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "en.txt").write_bytes(EN.encode())
    (tmp_path / "zh.txt").write_bytes(ZH.encode())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, ["count", *map(str, arguments)], input=stdin, prog_name="bpetk")


def test_table(model: Path, folder: Path) -> None:
    tok = bpetk.Tokenizer.from_file(model)
    en, zh = len(tok.encode(EN)), len(tok.encode(ZH))
    result = run(model, "en.txt", "zh.txt")
    assert (result.exit_code, result.stderr) == (0, "")
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows == [
        ["file", "tokens", "bytes", "bytes/token", "characters/token"],
        ["en.txt", str(en), "51", f"{51 / en:.3f}", f"{51 / en:.3f}"],
        ["zh.txt", str(zh), "58", f"{58 / zh:.3f}", f"{len(ZH) / zh:.3f}"],
        ["total", str(en + zh), "109", f"{109 / (en + zh):.3f}", f"{(51 + len(ZH)) / (en + zh):.3f}"],
    ]


def test_one_file_has_no_total(model: Path, folder: Path) -> None:
    assert "total" not in run(model, "en.txt").stdout


def test_json(model: Path, folder: Path) -> None:
    result = json.loads(run(model, ".", "--json").stdout)
    assert [file["file"] for file in result["files"]] == ["en.txt", "zh.txt"]
    assert result["total"]["bytes"] == 109
    assert result["files"][1]["characters"] == len(ZH)
    assert result["total"]["documents"] == 2


def test_standard_input_globs_and_lines(model: Path, folder: Path) -> None:
    tok = bpetk.Tokenizer.from_file(model)
    result = json.loads(run(model, "-", "zh*", "--lines", "--json", stdin=EN).stdout)
    assert [file["file"] for file in result["files"]] == ["standard input", "zh.txt"]
    assert [file["documents"] for file in result["files"]] == [1, 2]
    assert result["files"][1]["tokens"] == sum(len(tok.encode(line)) for line in ZH.split("\n"))


def test_standard_input_needs_no_name(model: Path, folder: Path) -> None:
    """As for ``encode`` and ``decode``."""
    assert run(model, "--json", stdin=EN).stdout == run(model, "-", "--json", stdin=EN).stdout


def test_another_encoding(model: Path, folder: Path) -> None:
    Path("zh.txt").write_bytes(ZH.encode("gb18030"))
    tok = bpetk.Tokenizer.from_file(model)
    row = json.loads(run(model, "zh.txt", "--encoding", "gb18030", "--json").stdout)["total"]
    assert (row["tokens"], row["characters"]) == (len(tok.encode(ZH)), len(ZH))
    assert row["bytes"] == len(ZH.encode())  # of the text, not of the file
    result = run(model, ".")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "zh.txt: invalid UTF-8 at line 1" in result.stderr
    Path("zh.txt").write_bytes("坐在垫子上，吃了老鼠。".encode("gb18030"))
    assert "pass --encoding gb18030" in run(model, ".").stderr


def test_any_suffix_will_do(model: Path, folder: Path) -> None:
    Path("data.json").write_text('{"a": 1}')
    assert run(model, "data.json").exit_code == 0


def test_empty_text(model: Path, folder: Path) -> None:
    Path("empty.txt").touch()
    row = json.loads(run(model, "empty.txt", "--json").stdout)["total"]
    assert (row["tokens"], row["bytes_per_token"]) == (0, None)
    assert run(model, "empty.txt").exit_code == 0


def test_special_tokens_follow_the_policy(model: Path, folder: Path) -> None:
    Path("bad.txt").write_text("a<s>")
    result = run(model, "bad.txt", "--json")
    assert result.exit_code == 1
    assert "--special-as-text" in json.loads(result.stderr)["message"]
    assert (
        json.loads(run(model, "bad.txt", "--allow-special", "all", "--json").stdout)["total"]["tokens"] == 2
    )


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (["nosuch.txt"], 1, "cannot read nosuch.txt"),
        (["no*.txt"], 1, "no file matches"),
        (["-", "-"], 2, "more than once"),
    ],
)
def test_refusals(model: Path, folder: Path, arguments: list[str], code: int, part: str) -> None:
    result = run(model, *arguments)
    assert (result.exit_code, part in result.stderr) == (code, True)


def test_a_long_name_stays_on_its_line(model: Path, folder: Path) -> None:
    name = "a-" * 60 + ".txt"
    (folder / name).write_bytes(EN.encode())
    rows = run(model, name).stdout.splitlines()
    assert len(rows) == 2 and rows[1].startswith(f"{name}  ")
