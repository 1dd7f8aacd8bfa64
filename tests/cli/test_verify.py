"""``bpetk verify``: equality with the reference, differences, and a reference that is absent."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import bpetk
from bpetk.cli import main
from bpetk.verify import EncodeDifference, EncodeVerifyResult, VerifyResult

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


# --- verify encode --------------------------------------------------------------------------------------------------


@pytest.fixture
def model(tmp_path: Path) -> str:
    folder = tmp_path / "tok"
    bpetk.train_from_iterator([TEXT], 290, special_tokens=["<s>"]).save(folder)
    return str(folder)


def run_encode(*arguments: str) -> Result:
    words = ["verify", "encode", *arguments]
    return CliRunner().invoke(main, words, prog_name="bpetk", env={"COLUMNS": "120"})


@pytest.mark.parametrize(("against", "name"), [("hf", "tokenizers"), ("tiktoken", "tiktoken")])
def test_identical_ids(corpus: str, model: str, against: str, name: str) -> None:
    pytest.importorskip(name)
    result = run_encode(model, corpus, "--against", against)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("identical: 60 lines, ")
    assert f" and {name} " in result.stdout
    whole = run_encode(model, corpus, "--against", against, "--whole", "-j", "1")
    assert whole.stdout.startswith("identical: 1 file, ")


def test_ids_as_json(corpus: str, model: str) -> None:
    pytest.importorskip("tokenizers")
    result = json.loads(run_encode(model, corpus, "--json").stdout)
    assert (result["identical"], result["texts"], result["difference"]) == (True, 60, None)
    assert result["bytes"] == len(TEXT.encode())


def test_folders_and_other_encodings(model: str, tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    (tmp_path / "texts").mkdir()
    for name in "ab":
        (tmp_path / "texts" / f"{name}.txt").write_bytes(TEXT.encode("gb18030"))
    result = run_encode(model, str(tmp_path / "texts"), "--encoding", "gb18030")
    assert result.stdout.startswith("identical: 120 lines, "), result.output
    result = run_encode(model, str(tmp_path / "texts"))
    assert result.exit_code == 1
    assert "a.txt: invalid UTF-8 at line 2" in result.stderr


def test_files_of_ranks_are_compared_with_tiktoken(corpus: str, model: str, tmp_path: Path) -> None:
    pytest.importorskip("tiktoken")
    ranks = str(tmp_path / "r.tiktoken")
    done = CliRunner().invoke(main, ["convert", model, ranks, "--to", "tiktoken"])
    assert done.exit_code == 0, done.output
    loading = ["--scheme", "cl100k", "--special", f"@{ranks}.json"]
    assert "and tiktoken " in run_encode(ranks, corpus, *loading).stdout
    told = run_encode(ranks, corpus).stdout.splitlines()[1]
    assert told == f"tiktoken was given: the ranks of {ranks}, and the pattern in {ranks}.json"
    wrong = run_encode(ranks, corpus, "--scheme", "gpt2").stdout.splitlines()
    assert (
        wrong[0].startswith("identical: ") and "scheme gpt2 as given: that it is the model's own" in wrong[1]
    )
    own = run_encode(ranks, corpus, "--pattern", r"\p{Han}|[^\p{Han}]+", *loading[2:])
    assert own.stdout.startswith("identical: "), own.output
    result = run_encode(ranks, corpus, *loading, "--against", "hf")
    assert (result.exit_code, "--against tiktoken" in result.stderr) == (2, True)


def test_a_difference_of_ids_is_shown_and_exits_with_3(
    corpus: str, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = EncodeDifference(corpus, 7, 12, "the [cat]\n sat", ((5, '"cat"'),), ((6, '"c"'), (7, '"at"')))
    result = EncodeVerifyResult(False, 6, 40, 200, found, "bpetk 1", "tokenizers 2")
    monkeypatch.setattr("bpetk.cli.verify.verify_encode", lambda *_, **__: result)
    shown = run_encode(model, corpus)
    assert shown.exit_code == 3
    lines = [line.rstrip() for line in shown.stdout.splitlines()]
    assert lines[0] == f"different (bpetk 1 and tokenizers 2): line 7 of {corpus}, after 12 equal ids"
    assert [line.split(maxsplit=1) for line in lines[1:]][-2:] == [
        ["bpetk", '5 "cat"'],
        ["tokenizers", '6 "c"  7 "at"'],
    ]
    assert "'the [cat]\\n sat'" in lines[1]
    assert json.loads(run_encode(model, corpus, "--json").stdout)["difference"]["line"] == 7


def test_no_text_is_no_proof(model: str, tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    (tmp_path / "empty.txt").touch()
    result = run_encode(model, str(tmp_path / "empty.txt"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: no text: nothing was compared")
    result = run_encode(model, str(tmp_path / "empty.txt"), "--json")
    assert (result.exit_code, json.loads(result.stderr)["exit_code"]) == (1, 1)


def test_encoding_refusals(corpus: str, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_encode(model, "nosuch.txt").exit_code == 1
    assert run_encode(model, corpus, "--against", "sp").exit_code == 2
    assert run_encode("nosuch", corpus).exit_code == 1
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    result = run_encode(model, corpus)
    assert (result.exit_code, "pip install 'bpetk[verify]'" in result.stderr) == (1, True)
