"""``bpetk report``: every analysis of a tokenizer in one page."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

import bpetk
from bpetk.analysis.reporting import report
from bpetk.cli import Program
from bpetk.cli.full_report import report as command

ZH = "猫坐在垫子上，猫吃了2只老鼠。\n然后猫睡了，2024年5月1日。\n"
EN = "the cat sat on the mat, then that cat ate 42 mice.\n"


@click.group(cls=Program)
def program() -> None:
    """Stand in for the real one."""


program.add_command(command)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("zh.txt").write_text(ZH * 3, encoding="utf-8")
    Path("en.txt").write_text(EN * 5, encoding="utf-8")
    for name, text in (("one", ZH + EN), ("two", EN)):
        bpetk.train_from_iterator([text] * 5, 272, special_tokens=["<s>"]).save(name)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(program, ["report", *arguments])


def test_one_page_of_everything(folder: Path) -> None:
    pytest.importorskip("jinja2")
    result = run(
        "one", "zh.txt", "en.txt", "--compare", "two", "--segmenter", "none", "--html", "r.html", "--csv", "t"
    )
    assert (result.exit_code, result.stderr) == (0, "")
    page = Path("r.html").read_text(encoding="utf-8")
    for verb in ("inspect", "analyze", "audit", "curve", "compare"):
        assert f'id="{verb}-' in page
        assert list(Path("t").glob(f"{verb}.*.csv"))
    for part in ('id="vocabulary"', 'id="playground"', '"name":"one"', '"name":"two"'):
        assert part in page


def test_json_by_command(folder: Path) -> None:
    values = json.loads(run("one", "zh.txt", "--segmenter", "none", "--json").stdout)
    assert list(values) == ["inspect", "analyze", "audit", "curve"]
    assert values["analyze"]["cost"]["bytes"] == len(ZH.encode()) * 3 - 6  # line feeds are between documents


def test_from_python(folder: Path) -> None:
    tokenizer = bpetk.Tokenizer.from_file("one")
    assert [found.command for found in report(tokenizer, "zh.txt", segmenter=None)] == [
        "inspect",
        "analyze",
        "audit",
        "curve",
    ]


def test_no_curve_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise bpetk.errors.ConfigError("no curve for this vocabulary: because")

    monkeypatch.setattr("bpetk.analysis.reporting.curve", refuse)
    result = run("one", "zh.txt", "--segmenter", "none", "--html", "r.html")
    assert result.exit_code == 0 and "note: no curve for this vocabulary: because" in result.stderr
    assert 'id="curve-' not in Path("r.html").read_text(encoding="utf-8")


def test_a_missing_text_leaves_nothing(folder: Path) -> None:
    result = run("one", "none.txt", "--html", "r.html")
    assert result.exit_code == 1 and "none.txt" in result.stderr
    assert not Path("r.html").exists()


def test_models_beside_it(folder: Path) -> None:
    result = run("one", "zh.txt", "--compare", "one")
    assert result.exit_code == 2 and "there already" in result.stderr
    ranks = [b64encode(bytes([byte])).decode() for byte in range(256)]
    Path("ranks.tiktoken").write_text("".join(f"{token} {i}\n" for i, token in enumerate(ranks)))
    result = run("one", "zh.txt", "--segmenter", "none", "--compare", "ranks.tiktoken")
    assert result.exit_code == 2 and "give --compare-scheme" in result.stderr
    result = run(
        "one",
        "zh.txt",
        "--segmenter",
        "none",
        "--json",
        "--compare",
        "ranks.tiktoken",
        "--compare-scheme",
        "gpt2",
    )
    assert list(json.loads(result.stdout)["compare"]["inputs"]["models"]) == ["one", "ranks"]
    result = run("one", "zh.txt", "--compare", "two", "--compare-scheme", "gpt2")
    assert result.exit_code == 2 and "--compare-scheme is for rank files" in result.stderr
