"""``bpetk verify train``: equality with the reference, differences, and a reference that is absent."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bpetk.cli import main
from bpetk.verify import VerifyResult

TEXT = "the cat sat on the mat, then that cat ate 42 mice.\r\n猫坐在垫子上，  猫吃了老鼠。\n\n" * 20


@pytest.fixture
def corpus(tmp_path: Path) -> str:
    path = tmp_path / "corpus.txt"
    path.write_text(TEXT, encoding="utf-8", newline="")
    return str(path)


def run(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["verify", "train", *arguments], input=stdin, prog_name="bpetk")


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--scheme", "gpt2"],
        ["--scheme", "cl100k_tiktoken", "-j", "1"],
        ["--scheme", "qwen2", "--alphabet", "observed"],
        ["--scheme", "o200k", "--min-frequency", "30"],  # ends before the vocabulary is full
        ["--scheme", "whitespace", "--max-token-length", "5"],
        ["--scheme", "none"],
        ["--pattern", r"\p{Han}|[^\p{Han}]+"],
        ["--special", "the", "--special", "<s>"],
    ],
    ids=" ".join,
)
def test_identical(corpus: str, options: list[str]) -> None:
    pytest.importorskip("tokenizers")
    result = run(corpus, "--vocab", "300", "--against", "hf", *options)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("identical: ")
    assert result.stdout.endswith(" merges\n")
    assert int(result.stdout.split()[1]) >= 10


def test_another_encoding(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    path = tmp_path / "zh.txt"
    path.write_bytes(TEXT.encode("gb18030"))
    result = run(str(path), "--vocab", "300", "--encoding", "gb18030")
    assert (result.exit_code, result.stdout) == (0, "identical: 44 merges\n")


def test_json(corpus: str) -> None:
    pytest.importorskip("tokenizers")
    result = json.loads(run(corpus, "--vocab", "300", "--json").stdout)
    assert result["identical"] is True
    assert result["compared"] == 44
    assert result["first_difference"] is None
    assert result["theirs"].startswith("tokenizers ")


def test_a_difference_is_shown_and_exits_with_3(corpus: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = VerifyResult(False, 5, 300, 'merge 5: bpetk has "a" + "b"', "bpetk 1", "tokenizers 2")
    monkeypatch.setattr("bpetk.cli.verify.verify_train", lambda *_, **__: found)
    result = run(corpus, "--vocab", "300")
    assert result.exit_code == 3
    assert result.stdout == 'different (bpetk 1 and tokenizers 2): merge 5: bpetk has "a" + "b"\n'


def test_absent_library_is_asked_for(corpus: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    result = run(corpus, "--vocab", "300")
    assert result.exit_code == 1
    assert "pip install 'bpetk[verify]'" in result.stderr


def test_standard_input_is_refused() -> None:
    result = run("-", "--vocab", "300", stdin=b"text")
    assert result.exit_code == 2
    assert "save it to a file" in result.stderr


def test_missing_file() -> None:
    assert run("nosuch.txt", "--vocab", "300").exit_code == 1


def test_unknown_reference(corpus: str) -> None:
    assert run(corpus, "--vocab", "300", "--against", "nosuch").exit_code == 2
