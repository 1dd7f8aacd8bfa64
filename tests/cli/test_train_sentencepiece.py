"""``--algorithm sentencepiece-bpe`` of ``bpetk train``, ``verify train`` and ``bench train``."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bpetk.benchmark.harness import compare_pieces
from bpetk.benchmark.peers import piece_rows
from bpetk.benchmark.worker import merges_text
from bpetk.cli import main
from bpetk.cli.options import _ARGUMENTS, SET_NAMES
from bpetk.interop.sentencepiece_model import (
    ModelFile,
    NormalizerSpec,
    Piece,
    PieceType,
    read_model,
    write_model,
)
from bpetk.sp_options import KINDS
from bpetk.sp_verify import model_difference

TEXT = "the cat sat on the mat, then that cat ate 42 mice.\n猫坐在垫子上，猫吃了老鼠，然后猫睡了。\n" * 20
SP = ("--algorithm", "sentencepiece-bpe")
IDENTITY = (*SP, "--set", "normalization_rule_name=identity")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of its own that holds a small corpus."""
    (tmp_path / "corpus.txt").write_text(TEXT, encoding="utf-8", newline="")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, arguments, input=stdin, prog_name="bpetk", env={"COLUMNS": "140"})


def train(*arguments: str, stdin: bytes | None = None) -> Result:
    return run("train", "corpus.txt", "--vocab", "80", *arguments, stdin=stdin)


def outputs(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".txt")


# train


def test_files_are_the_library_s(folder: Path) -> None:
    spm = pytest.importorskip("sentencepiece", minversion="0.2.3")
    settings = ["--set", "byte_fallback=true", "--set", "control_symbols=<a>,<b>", "--set", "split_digits="]
    result = run("train", "corpus.txt", "--vocab", "340", *SP, *settings, "--out", "x/m.model")
    assert (result.exit_code, result.stderr) == (0, "")
    ours = [Path(f"x/m.{suffix}").read_bytes() for suffix in ("model", "vocab")]
    spm.SentencePieceTrainer.train(
        input="corpus.txt", model_prefix="x/m", vocab_size=340, model_type="bpe", byte_fallback=True,
        control_symbols="<a>,<b>", split_digits=True, minloglevel=4,
    )  # fmt: skip
    assert ours == [Path(f"x/m.{suffix}").read_bytes() for suffix in ("model", "vocab")]


def test_output_is_named_after_the_corpus(folder: Path) -> None:
    assert train(*IDENTITY).exit_code == 0
    assert outputs(folder) == ["corpus-bpe-80.model", "corpus-bpe-80.vocab"]
    model = read_model(Path("corpus-bpe-80.model").read_bytes(), "m")
    assert list(model.trainer.items()) == [
        ("input", ("corpus.txt",)),
        ("model_prefix", "corpus-bpe-80"),
        ("model_type", 2),
        ("vocab_size", 80),
    ]
    assert model.normalizer.name == "identity"


def test_standard_input_has_no_name(folder: Path) -> None:
    result = run("train", "-", "--vocab", "80", *IDENTITY, stdin=TEXT.encode())
    assert result.exit_code == 0
    assert "input" not in read_model(Path("stdin-bpe-80.model").read_bytes(), "m").trainer


def test_report(folder: Path) -> None:
    (folder / "corpus.txt").write_text(TEXT + "\n" + "long " * 900 + "\n", encoding="utf-8")
    result = train(*IDENTITY, "-o", "m")
    for part in (
        "80 pieces",
        "last merge",
        "40 taken, 2 skipped",
        "identity (no rules)",
        "merging",
        "m.model",
    ):
        assert part in result.stdout
    assert "40 sentences taken, 2 skipped (1 empty, 1 longer than 4,192 bytes)" in result.stderr
    assert "--keep-long-sentences" in result.stderr
    quiet = train(*IDENTITY, "-o", "m", "--overwrite", "-q", "--keep-long-sentences")
    assert (quiet.exit_code, quiet.output) == (0, "")


def test_json(folder: Path) -> None:
    (folder / "corpus.txt").write_text(TEXT + "a\u2585\n", encoding="utf-8")
    result = train(*IDENTITY, "--json")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert report["output"] == "corpus-bpe-80.model"
    assert (report["sentences"], report["skipped"]) == (40, {"holds U+2585": 1})
    assert report["inputs"][0]["sha256"]
    events = [json.loads(line)["event"] for line in result.stderr.splitlines()]
    assert set(events) == {"progress", "warning"}


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (
            ["--scheme", "gpt2"],
            "--scheme is not for --algorithm sentencepiece-bpe: words are cut at white space",
        ),
        (["--pattern", "a"], "--pattern is not for"),
        (
            ["--special", "a"],
            "--special is not for --algorithm sentencepiece-bpe: it is --set control_symbols=",
        ),
        (["--min-frequency", "0"], "--min-frequency is not for"),
        (["--max-token-length", "3"], "--max-token-length is not for"),
        (["--alphabet", "bytes"], "--alphabet is not for"),
        (
            ["--bos", "<b>"],
            "--bos is not for --algorithm sentencepiece-bpe: the piece is --set bos_piece=TEXT",
        ),
        (["--pad", "<b>"], "--set pad_id=N"),
        (["--set", "x"], "--set 'x': expected NAME=VALUE"),
        (["--set", "unk_id=0", "--set", "unk_id=0"], "--set unk_id: given twice"),
        (["--set", "vocab_size=9"], "--set vocab_size: it is --vocab"),
        (["--set", "model_prefix=m"], "--set model_prefix: it is --out"),
        (["--set", "input=m"], "--set input: name the files"),
        (["--set", "split_digit=1"], "did you mean split_digits?"),
        (["--set", "split_digits=maybe"], "split_digits must be true or false, got 'maybe'"),
        (["--set", "model_type=unigram"], "model_type=unigram is not supported"),
        (["--set", "name=nfkc"], "the same option"),
    ],
)
def test_usage(arguments: list[str], match: str, folder: Path) -> None:
    result = train(*IDENTITY, *arguments)
    assert result.exit_code == 2, result.output
    assert match in result.stderr
    assert outputs(folder) == []


@pytest.mark.parametrize(
    "option",
    [["--set", "split_digits=1"], ["--seed", "0"], ["--keep-long-sentences"], ["--normalizer-from", "x"]],
)
def test_options_of_the_other_algorithm(option: list[str], folder: Path) -> None:
    result = train(*option)
    assert result.exit_code == 2
    assert f"{option[0]} is for --algorithm sentencepiece-bpe." in result.stderr


def test_failures_exit_with_1(folder: Path) -> None:
    for arguments, match in (
        (["--normalizer-from", "none.model", *SP], "cannot read none.model"),
        (["--normalizer-from", "corpus.txt", *SP], "corpus.txt: is not a model of SentencePiece"),
        (["--out", "corpus.txt/m", *IDENTITY], "cannot write"),
    ):
        result = train(*arguments)
        assert result.exit_code == 1, result.output
        assert match in result.stderr
    (folder / "corpus.txt").write_text("\n\n")
    result = train(*IDENTITY)
    assert (result.exit_code, outputs(folder)) == (1, [])
    assert "0 sentences taken, 2 skipped (2 empty)" in result.stderr


def test_output_into_a_folder(folder: Path) -> None:
    """A folder that is there, or one that the slash tells."""
    (folder / "there").mkdir()
    for out in ("there", "made/of/it/"):
        result = train(*IDENTITY, "-o", out, "-q")
        assert result.exit_code == 0, result.output
        assert outputs(folder / out) == ["corpus-bpe-80.model", "corpus-bpe-80.vocab"]
        trainer = read_model(Path(out, "corpus-bpe-80.model").read_bytes(), "m").trainer
        assert trainer["model_prefix"] == str(Path(out, "corpus-bpe-80"))
    assert outputs(folder) == ["made", "there"]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((*IDENTITY, "--set", "split_digits=maybe"), "split_digits must be"),
        (("--special", ""), "a special token must be"),
        (("--vocab", "8"), "vocab_size 8 is too small"),
    ],
)
def test_wrong_options_are_told_before_an_output_that_exists(
    folder: Path, arguments: tuple[str, ...], match: str
) -> None:
    for name in ("corpus-bpe-80.model", "corpus-bpe-8", "corpus-bpe-80"):
        (folder / name).write_text("precious") if "." in name else (folder / name / "x").mkdir(parents=True)
    result = train(*arguments)
    assert result.exit_code == 2
    assert match in result.stderr
    assert "exists" not in result.stderr


def test_outputs_that_cannot_be(folder: Path) -> None:
    (folder / "file.txt").write_text("x")
    for out, message in (
        ("file.txt/m", "'file.txt' is a file, not a folder"),
        ("", "--out must not be empty"),
    ):
        result = train(*IDENTITY, "-o", out)
        assert result.exit_code != 0
        assert message in result.stderr.replace(str(folder) + os.sep, "")
        assert outputs(folder) == []


def test_a_file_that_is_given_twice(folder: Path) -> None:
    for arguments in (IDENTITY, ("--vocab", "300")):
        result = run("train", "corpus.txt", "./corpus.txt", "--vocab", "80", *arguments)
        assert result.exit_code == 0, result.output
        assert "the same file is given more than once, and its text counts as often" in result.stderr
        assert "(2 times)" in result.stderr


def test_a_seed_without_a_sample(folder: Path) -> None:
    for more in ((), ("--set", "input_sentence_size=200", "--set", "shuffle_input_sentence=false")):
        result = train(*IDENTITY, "--seed", "7", *more)
        assert result.exit_code == 2
        assert "seed (--seed) is for sentences that are drawn at random" in result.stderr
    assert train(*IDENTITY, "--seed", "7", "--set", "input_sentence_size=200").exit_code == 0


def test_help_names_all_that_set_takes() -> None:
    refused = {"use_all_vocab", "seed_sentencepieces_file", *_ARGUMENTS}
    named = {name for name in re.findall(r"[a-z_]+", SET_NAMES) if "_" in name}
    assert named == set(KINDS) - refused
    assert all(name in run("train", "--help").output for name in named)


def test_a_model_is_not_replaced_unasked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "m.model").write_bytes(b"precious")
    with monkeypatch.context() as patch:
        patch.setattr("bpetk.cli.train.train_tokenizer", lambda *_, **__: pytest.fail("it trained"))
        result = train(*IDENTITY, "-o", "m.model")
    assert result.exit_code == 1
    assert "--overwrite" in result.stderr
    assert outputs(folder) == ["m.model"]
    assert train(*IDENTITY, "-o", "m.model", "--overwrite").exit_code == 0
    assert outputs(folder) == ["m.model", "m.vocab"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_ctrl_c_exits_with_130(folder: Path) -> None:
    letters = [chr(0x4E00 + k) for k in range(1500)]
    words = (a + b + c for a in letters for b, c in zip(letters[::7], letters[::-5], strict=False))
    (folder / "corpus.txt").write_text("\n".join(words), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "bpetk",
        "train",
        "corpus.txt",
        "--vocab",
        "2000000",
        *IDENTITY,
        "--json",
    ]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    for line in child.stderr:
        if json.loads(line)["stage"] == "merge":
            break
    begin = time.monotonic()
    child.send_signal(signal.SIGINT)
    out, errors = child.communicate(timeout=20)
    assert (child.returncode, out) == (130, ""), errors
    assert json.loads(errors.splitlines()[-1])["message"] == "interrupted"
    assert time.monotonic() - begin < 5
    assert outputs(folder) == []


# verify train


def test_identical(folder: Path) -> None:
    pytest.importorskip("sentencepiece", minversion="0.2.3")
    for arguments in (
        ["--against", "sentencepiece"],
        [*SP, "--set", "byte_fallback=yes", "--keep-long-sentences", "-j", "2"],
    ):
        result = run(
            "verify", "train", "corpus.txt", "--vocab", "340", "--set", "hard_vocab_limit=0", *arguments
        )
        assert result.exit_code == 0, result.output
        assert result.stdout.startswith("identical: ")
        assert result.stdout.endswith(" pieces\n")
    assert outputs(folder) == []


def test_a_difference_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spm = pytest.importorskip("sentencepiece")
    real = spm.SentencePieceTrainer.train

    def other(**options: Any) -> None:
        real(**{**options, "vocab_size": 70})

    monkeypatch.setattr(spm.SentencePieceTrainer, "train", other)
    result = run("verify", "train", "corpus.txt", "--vocab", "80", "--against", "sentencepiece", "--json")
    assert result.exit_code == 3
    found = json.loads(result.stdout)
    assert (found["identical"], found["vocab_size"]) == (False, 80)
    assert found["first_difference"].startswith(f"piece {found['compared']} (the first is 0): bpetk has '")


def test_what_cannot_be_compared(folder: Path) -> None:
    pytest.importorskip("sentencepiece")
    verify = ("verify", "train", "corpus.txt", "--vocab", "80")
    for arguments, match in (
        ([*SP, "--against", "hf"], "'hf' does not train 'sentencepiece-bpe'"),
        ([*SP, "--encoding", "gb18030"], "SentencePiece reads UTF-8 only"),
        ([*SP, "--set", "input_sentence_size=200"], "cannot be compared"),
        (["--algorithm", "byte-level-bpe", "--against", "sentencepiece"], "does not train 'byte-level-bpe'"),
        (["--against", "sentencepiece", "--scheme", "gpt2"], "--scheme is not for"),
    ):
        result = run(*verify, *arguments)
        assert result.exit_code == 2, result.output
        assert match in result.stderr


UNK = Piece("<unk>", 0.0, PieceType.UNKNOWN)


def made(*pieces: Piece, name: str = "identity", blob: bytes = b"", **trainer: Any) -> bytes:
    values = {**trainer, "model_type": 2}
    return write_model(ModelFile([UNK, *pieces], values, NormalizerSpec(name, blob)))


@pytest.mark.parametrize(
    ("ours", "theirs", "same", "expected"),
    [
        (made(), made(), 1, None),
        (made(Piece("a", -0.0)), made(Piece("a", 0.0)), 1, "piece 1 (the first is 0): bpetk has 'a' (score -0,"),
        (made(Piece("a", -1.0)), made(Piece("b", -1.0)), 1, "the reference 'b' (score -1, NORMAL)"),
        (made(), made(Piece("b", -1.0)), 1, "the reference goes on with 'b' (score -1, NORMAL)"),
        (made(Piece("b", -1.0)), made(), 1, "bpetk has 2 pieces, the reference 1; the first 1 are equal"),
        (made(model_prefix="a"), made(model_prefix="b"), 1, "model_prefix: bpetk has 'a', the reference 'b'"),
        (made(), made(model_prefix="b"), 1, "trainer_spec.model_prefix: bpetk has none, the reference 'b'"),
        (made(), made(blob=b"x"), 1, "precompiled: bpetk has 0 bytes with SHA-256 e3b0c44298fc…, the"),
        (made(), made(name="nfkc"), 1, "normalizer_spec.name: bpetk has 'identity', the reference 'nfkc'"),
    ],
)  # fmt: skip
def test_differences(ours: bytes, theirs: bytes, same: int, expected: str | None) -> None:
    number, found = model_difference(ours, theirs)
    assert number == same
    assert found is None if expected is None else expected in str(found)


# bench train


def test_bench(folder: Path) -> None:
    pytest.importorskip("sentencepiece", minversion="0.2.3")
    target = folder / "result.json"
    command = [sys.executable, "-m", "bpetk", "bench", "train", "corpus.txt", "--vocab", "80", *IDENTITY]
    done = subprocess.run(
        [*command, "-j", "2", "--rounds", "2", "--json", str(target)],
        capture_output=True, text=True, encoding="utf-8", env={**os.environ, "COLUMNS": "120"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "algorithm sentencepiece-bpe" in done.stdout
    result = json.loads(target.read_text(encoding="utf-8"))
    assert (result["algorithm"], result["scheme"]) == ("sentencepiece-bpe", "")
    assert result["settings"] == {"normalization_rule_name": "identity"}
    ours, theirs = result["trainers"]
    assert (ours["label"], theirs["label"], theirs["equality"]) == ("bpetk", "sentencepiece", "equal")
    assert len(theirs["rounds"]) == 2


def test_bench_refuses(folder: Path) -> None:
    bench = ("bench", "train", "corpus.txt", "--vocab", "80")
    for arguments, match in (
        ([*SP, "--scheme", "gpt2"], "--scheme is not for"),
        (["--set", "a=b"], "--set is for --algorithm"),
        ([*SP, "--against", "hf"], "known are bpetk, sentencepiece"),
    ):
        result = run(*bench, *arguments)
        assert result.exit_code == 2
        assert match in result.stderr


def test_models_are_compared_piece_by_piece() -> None:
    def rows(model: bytes) -> str:
        return merges_text(piece_rows(model))

    ours = rows(made(Piece("a", -1.0)))
    assert compare_pieces(ours, ours) is None
    assert compare_pieces(ours, rows(made(Piece("b", -1.0)))) == (
        "piece 1 (the first is 0): bpetk has 'a' (-1.0, 'NORMAL'), this trainer 'b' (-1.0, 'NORMAL')"
    )
    assert compare_pieces(ours, rows(made())) == "bpetk has 2 pieces, this trainer 1"
    other = rows(made(Piece("a", -1.0), model_prefix="x"))
    assert compare_pieces(ours, other) == "the pieces are equal, but not the files"
