"""``bpetk analyze``: what it prints, what it writes, and what it says when something is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import bpetk
from bpetk.analysis.analyzing import analyze
from bpetk.cli import main

EN = "the cat sat on the mat\nthen that cat ate 42 mice.\n"
ZH = "猫坐在垫子上，猫吃了老鼠。\n然后猫睡了。\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "tok"
    bpetk.train_from_iterator([EN, ZH] * 5, 300).save(folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "en.txt").write_bytes(EN.encode())
    (tmp_path / "zh.txt").write_bytes(ZH.encode())
    (tmp_path / "gold.txt").write_bytes("猫 坐在 垫子 上 ， 猫 吃了 老鼠 。\n然后 猫 睡了 。\n".encode())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["analyze", *map(str, arguments)], input=stdin, prog_name="bpetk")


def test_json_is_what_the_library_gives(model: Path, folder: Path) -> None:
    result = run(model, "zh.txt", "en.txt", "--segmenter", "none", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    tok = bpetk.Tokenizer.from_file(model)
    expected = analyze(tok, ["zh.txt", "en.txt"], segmenter=None, name=model.name).to_dict()
    found = json.loads(result.stdout)
    assert found == json.loads(json.dumps(expected))
    assert found["command"] == "analyze"
    assert [row["file"] for row in found["cost"]["files"]] == ["zh.txt", "en.txt"]


def test_tables(model: Path, folder: Path) -> None:
    result = run(model, "zh.txt", "--gold", "gold.txt")
    assert (result.exit_code, result.stderr) == (0, "")
    for text in ("bytes/token", "broken Han characters", "F1 of word borders", "gold.txt", "Shannon entropy"):
        assert text in result.stdout
    chinese = run(model, "zh.txt", "--gold", "gold.txt", "--language", "zh")
    assert "被拆碎的汉字占比" in chinese.stdout and "词边界 F1" in chinese.stdout


def test_standard_input_documents_and_csv(model: Path, folder: Path) -> None:
    result = run(
        model, "-", "--segmenter", "none", "--json", "--csv", "out", "--whole-files", stdin=EN.encode()
    )
    found = json.loads(result.stdout)
    assert found["cost"]["documents"] == 1
    assert found["cost"]["bytes"] == len(EN)
    assert found["inputs"]["texts"] == ["standard input"]
    assert any(path.suffix == ".csv" for path in (folder / "out").iterdir())
    parts = run(model, "en.txt", "--segmenter", "none", "--json", "--separator", "cat")
    assert json.loads(parts.stdout)["cost"]["documents"] == 3


def test_parallel_and_encoding(model: Path, folder: Path) -> None:
    for name, text in (("a.txt", "猫睡了\n"), ("b.txt", "the cat\n")):
        (folder / name).write_bytes(text.encode("gb18030"))
    options = ["--segmenter", "none", "--json", "--encoding", "gb18030"]
    found = json.loads(run(model, "a.txt", "--parallel", "a.txt", "b.txt", *options).stdout)
    tok = bpetk.Tokenizer.from_file(model)
    assert found["parallel"]["premium"] == len(tok.encode("猫睡了")) / len(tok.encode("the cat"))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["absent.txt"], 1, "absent.txt"),
        (["empty.txt"], 1, "empty.txt: no text; every document is empty"),
        (["zh.txt", "--gold", "en.txt"], 1, "en.txt: line 1, column 1: 't', where zh.txt has '猫'"),
        (["zh.txt", "en.txt", "--gold", "gold.txt"], 2, "1 gold files for 2 texts"),
        (["bad.txt"], 1, "bad.txt: invalid UTF-8 at line 2, byte offset 4"),
        (["zh.txt", "--parallel", "zh.txt", "empty.txt"], 1, "empty.txt"),
        (
            ["zh.txt", "--whole-files", "--separator", "x"],
            2,
            "--whole-files and --separator exclude each other",
        ),
        (["zh.txt", "--encoding", "klingon"], 2, "unknown encoding 'klingon'"),
        (["zh.txt", "--csv", "zh.txt"], 2, "zh.txt"),
    ],
)
def test_errors(model: Path, folder: Path, arguments: list[str], code: int, message: str) -> None:
    (folder / "empty.txt").write_bytes(b"\n")
    (folder / "bad.txt").write_bytes(b"one\n\xff\n")
    result = run(model, *arguments, *([] if "--gold" in arguments else ["--segmenter", "none"]))
    assert result.exit_code == code
    assert message in result.stderr and "Traceback" not in result.stderr
    assert result.stdout == ""


def test_help_has_an_example() -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert "bpetk analyze my-tokenizer corpora/zh.txt corpora/en.txt" in result.stdout
