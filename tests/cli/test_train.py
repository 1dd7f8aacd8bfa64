"""``bpetk train``: what it writes, prints and refuses, and its exit codes."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

import bpetk
from bpetk.cli import main
from bpetk.cli.progress import LiveDisplay
from bpetk.cli.train import default_output, role_tokens
from bpetk.report import Progress

TEXT = "the cat sat on the mat, then that cat ate 42 mice.\n猫坐在垫子上，猫吃了老鼠，然后猫睡了。\n" * 20


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of its own that holds a small corpus."""
    (tmp_path / "corpus.txt").write_text(TEXT, encoding="utf-8", newline="")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["train", *arguments], input=stdin, prog_name="bpetk")


def process(*arguments: str, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bpetk", "train", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "encoding": "utf-8"}
    return subprocess.Popen(command, **{**pipes, **options})  # type: ignore[call-overload, no-any-return]


def outputs(folder: Path) -> list[str]:
    """Everything in the folder but the corpora, hidden files included."""
    return sorted(path.name for path in folder.iterdir() if path.suffix not in (".txt", ".jsonl", ".gz"))


def test_a_model_file_needs_the_algorithm_that_writes_one(folder: Path) -> None:
    result = run("corpus.txt", "--vocab", "320", "--out", "x.model")
    assert result.exit_code == 2 and outputs(folder) == []
    assert "--out x.model" in result.stderr and "--algorithm sentencepiece-bpe" in result.stderr
    (folder / "y.model").mkdir()  # a folder that somebody made says what is meant
    assert run("corpus.txt", "--vocab", "320", "--out", "y.model").exit_code == 0


def test_one_command_makes_a_folder_that_tokenizers_loads(folder: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    result = run("corpus.txt", "--vocab", "320")
    assert (result.exit_code, result.stderr) == (0, "")
    loaded = tokenizers.Tokenizer.from_file(str(folder / "corpus-bpe-320" / "tokenizer.json"))
    ours = bpetk.Tokenizer.from_file(folder / "corpus-bpe-320")
    text = "the cat 猫 sat\n"
    assert loaded.encode(text).ids == ours.encode(text)
    assert loaded.get_vocab_size() == 320
    assert sorted(p.name for p in (folder / "corpus-bpe-320").iterdir()) == [
        "manifest.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]


def test_gpt2_also_gets_vocab_and_merges(folder: Path) -> None:
    assert run("corpus.txt", "--vocab", "300", "--scheme", "gpt2", "-q").exit_code == 0
    assert {"vocab.json", "merges.txt"} <= {p.name for p in (folder / "corpus-bpe-300").iterdir()}


def test_report_tells_what_came_out(folder: Path) -> None:
    text = run("corpus.txt", "--vocab", "320", "--out", "here").stdout
    for part in (
        "320",
        "last merge",
        "Han",
        "Latin",
        "bytes per token",
        "counting",
        "merging",
        "peak memory",
        "here",
    ):
        assert part in text


def test_json_is_lines_on_stderr_and_one_object_on_stdout(folder: Path) -> None:
    result = run("corpus.txt", "--vocab", "320", "--json")
    report = json.loads(result.stdout)
    assert report["vocab_size"] == 320
    assert report["output"] == "corpus-bpe-320"
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    assert lines
    assert {line["event"] for line in lines} == {"progress"}
    assert lines[-1]["stage"] == "merge"
    assert set(lines[-1]) == {
        "event", "stage", "done", "total", "distinct_words", "merges_per_second", "rss_bytes", "elapsed",
    }  # fmt: skip


def test_quiet_says_nothing(folder: Path) -> None:
    assert run("corpus.txt", "--vocab", "320", "--quiet").output == ""
    assert outputs(folder) == ["corpus-bpe-320"]


def test_quiet_json_keeps_the_report_only(folder: Path) -> None:
    result = run("corpus.txt", "--vocab", "320", "--quiet", "--json")
    assert json.loads(result.stdout)["vocab_size"] == 320
    assert result.stderr == ""


def test_roles_are_special_tokens_too(folder: Path) -> None:
    arguments = ["--special", "<|fim|>", "--eos", "<|end|>", "--bos", "<|begin|>", "--pad", "<|end|>"]
    assert run("corpus.txt", "--vocab", "320", *arguments).exit_code == 0
    tokenizer = bpetk.Tokenizer.from_file(folder / "corpus-bpe-320")
    assert tokenizer.added_tokens == {"<|fim|>": 0, "<|begin|>": 1, "<|end|>": 2}
    config = json.loads((folder / "corpus-bpe-320" / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert {name: config.get(f"{name}_token") for name in ("bos", "eos", "pad", "unk")} == {
        "bos": "<|begin|>", "eos": "<|end|>", "pad": "<|end|>", "unk": None,
    }  # fmt: skip


def test_role_tokens_keep_the_order_of_specials_then_roles() -> None:
    roles = {"unk": "<unk>", "eos": "b", "bos": "<s>"}
    assert role_tokens(("a", "b"), roles) == ("a", "b", "<s>", "<unk>")


@pytest.mark.parametrize(
    ("files", "name"),
    [
        (("corpus.txt",), "corpus-bpe-9"),
        (("sub/other.tar.text",), "other.tar-bpe-9"),
        (("-",), "stdin-bpe-9"),
        (("a.txt", "b.txt", "c.txt"), "a+2-bpe-9"),
        (("news/*.txt",), "news-bpe-9"),
        (("news/**/*.txt",), "news-bpe-9"),
    ],
)
def test_default_output_is_named_after_the_corpus(files: tuple[str, ...], name: str) -> None:
    assert default_output(files, 9) == Path(name)


def test_default_output_of_folders_is_their_name(folder: Path) -> None:
    (folder / "v1.2").mkdir()
    assert default_output(("v1.2",), 9) == Path("v1.2-bpe-9")
    assert default_output((".",), 9) == Path(f"{folder.name}-bpe-9")
    assert default_output(("*.txt",), 9) == Path(f"{folder.name}-bpe-9")


def test_folders_and_globs_are_read(folder: Path) -> None:
    (folder / "more").mkdir()
    (folder / "more" / "a.txt").write_text("mat mat mat\n", encoding="utf-8")
    report = json.loads(run("more", "*.txt", "--vocab", "300", "--json").stdout)
    assert [file["name"] for file in report["inputs"]] == [os.path.join("more", "a.txt"), "corpus.txt"]
    assert all(len(file["sha256"]) == 64 for file in report["inputs"])


def test_standard_input_is_read(folder: Path) -> None:
    child = process("-", "--vocab", "300", "--json", stdin=subprocess.PIPE)
    out, _ = child.communicate(TEXT)
    assert child.returncode == 0
    assert json.loads(out)["corpus_bytes"] == len(TEXT.encode())
    assert outputs(folder) == ["stdin-bpe-300"]


def test_another_encoding_is_read(folder: Path) -> None:
    (folder / "zh.txt").write_bytes(TEXT.encode("gb18030"))
    assert run("zh.txt", "--vocab", "320", "--encoding", "gb18030").exit_code == 0
    assert run("corpus.txt", "--vocab", "320").exit_code == 0
    ours, same = (bpetk.Tokenizer.from_file(folder / f"{name}-bpe-320") for name in ("zh", "corpus"))
    assert ours.merges == same.merges


def test_same_input_same_files_but_for_the_timing(folder: Path) -> None:
    for name in ("one", "two"):
        assert run("corpus.txt", "--vocab", "320", "--out", name, "-j", str(len(name))).exit_code == 0
    for file in (folder / "one").iterdir():
        if file.name != "manifest.json":
            assert file.read_bytes() == (folder / "two" / file.name).read_bytes()
    one, two = (
        json.loads((folder / name / "manifest.json").read_text(encoding="utf-8")) for name in ("one", "two")
    )
    del one["timing"], two["timing"]
    assert one == two


def test_fewer_tokens_than_asked_is_said_plainly(folder: Path) -> None:
    (folder / "tiny.txt").write_text("ab ab", encoding="utf-8")
    result = run("tiny.txt", "--vocab", "5000")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "5,000" in result.stdout
    assert "258" in result.stdout


def test_custom_pattern_is_announced_as_slow(folder: Path) -> None:
    result = run("corpus.txt", "--vocab", "300", "--pattern", r"\p{L}+|\s+")
    assert result.exit_code == 0
    assert result.stderr.startswith("note: ")
    assert run("corpus.txt", "--vocab", "300", "--pattern", r"\p{L}+|\s+", "-q").stderr == ""


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["corpus.txt"], "--vocab"),
        (["--vocab", "300"], "FILE"),
        (["corpus.txt", "--vocab", "many"], "many"),
        (["corpus.txt", "--vocab", "0"], "x>=1"),
        (["corpus.txt", "--vocab", "300", "--scheme", "gpt5"], "cl100k"),
        (["corpus.txt", "--vocab", "300", "--scheme", "gpt2", "--pattern", "a"], "exclude each other"),
        (["corpus.txt", "--vocab", "300", "--pattern", "(a"], "pattern"),
        (["corpus.txt", "--vocab", "300", "--encoding", "klingon"], "klingon"),
        (["corpus.txt", "--vocab", "256", "--eos", "<s>"], "257"),
        (["corpus.txt", "--vocab", "300", "--special", ""], "special token"),
        (["corpus.txt", "--vocab", "300", "-j", "-1"], "x>=0"),
        (["corpus.txt", "--vocab", "300", "--nosuch"], "--nosuch"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_usage_exits_with_2(folder: Path, arguments: list[str], part: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert part in result.stderr
    assert outputs(folder) == []


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("missing.txt", None, ["missing.txt", "No such file"]),
        ("nothing.txt", b"", ["nothing.txt", "empty"]),
        ("data.jsonl", b'{"text": "a"}\n', ["data.jsonl", "not plain text", ".txt"]),
        ("data.txt.gz", b"\x1f\x8b\x08", ["data.txt.gz", "gzip -dc"]),
        ("hidden.txt", b"\x28\xb5\x2f\xfd\x00", ["hidden.txt", "zstd -dc"]),
        ("bad.txt", b"fine\nfine\nbad \xff\n", ["bad.txt", "line 3", "offset 14"]),
        ("gbk.txt", "中文文本\n".encode("gb18030"), ["gbk.txt", "line 1", "--encoding gb18030"]),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_unusable_text_exits_with_1(folder: Path, name: str, content: bytes | None, parts: list[str]) -> None:
    if content is not None:
        (folder / name).write_bytes(content)
    result = run(name, "--vocab", "300")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    for part in parts:
        assert part in result.stderr
    assert outputs(folder) == []


def test_folder_without_text_exits_with_1(folder: Path) -> None:
    (folder / "empty").mkdir()
    result = run("empty", "--vocab", "300")
    assert result.exit_code == 1
    assert "holds no text" in result.stderr


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file_exits_with_1(folder: Path) -> None:
    (folder / "corpus.txt").chmod(0)
    result = run("corpus.txt", "--vocab", "300")
    assert result.exit_code == 1
    assert "Permission denied" in result.stderr


def test_error_is_a_json_line_where_json_was_asked_for(folder: Path) -> None:
    result = run("missing.txt", "--vocab", "300", "--json")
    line = json.loads(result.stderr)
    assert (line["event"], line["exit_code"]) == ("error", 1)
    assert "missing.txt" in line["message"]


def test_output_with_other_things_is_refused_before_training(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "precious").mkdir()
    (folder / "precious" / "notes.md").write_text("mine", encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setattr("bpetk.cli.train.train_tokenizer", lambda *_, **__: pytest.fail("it trained"))
        result = run("corpus.txt", "--vocab", "300", "--out", "precious")
    assert result.exit_code == 1
    assert "--overwrite" in result.stderr
    assert [p.name for p in (folder / "precious").iterdir()] == ["notes.md"]
    assert run("corpus.txt", "--vocab", "300", "--out", "precious", "--overwrite").exit_code == 0
    assert (folder / "precious" / "notes.md").read_text(encoding="utf-8") == "mine"


def test_training_again_replaces_the_output(folder: Path) -> None:
    for scheme in ("gpt2", "o200k"):
        assert run("corpus.txt", "--vocab", "300", "--scheme", scheme).exit_code == 0
    assert bpetk.Tokenizer.from_file(folder / "corpus-bpe-300").scheme.name == "o200k"
    assert not (folder / "corpus-bpe-300" / "merges.txt").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="needs file size limits")
def test_full_disk_leaves_nothing(folder: Path) -> None:
    import resource

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    child = process("corpus.txt", "--vocab", "300", preexec_fn=limit)
    _, errors = child.communicate()
    assert child.returncode == 1
    assert "cannot write" in errors
    assert "Traceback" not in errors
    assert outputs(folder) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_ctrl_c_while_reading_exits_with_130(folder: Path) -> None:
    child = process("-", "--vocab", "300", "--json", stdin=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stderr is not None
    # Two megabytes: the first chunk must have been taken for progress to be told.
    child.stdin.write(TEXT * 1000)
    child.stdin.flush()
    first = child.stderr.readline()
    assert json.loads(first)["stage"] == "count"
    _interrupt(child, folder)


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_ctrl_c_while_merging_exits_with_130(folder: Path) -> None:
    # Every two-letter word over many letters, in an order without repeats: merges for a long time.
    letters = [chr(0x4E00 + k) for k in range(1500)]
    words = (a + b + c for a in letters for b, c in zip(letters[::7], letters[::-5], strict=False))
    (folder / "corpus.txt").write_text("\n".join(words), encoding="utf-8")
    child = process("corpus.txt", "--vocab", "2000000", "--scheme", "none", "--json")
    assert child.stderr is not None
    for line in child.stderr:
        if json.loads(line)["stage"] == "merge":
            break
    _interrupt(child, folder)


def _interrupt(child: subprocess.Popen[str], folder: Path) -> None:
    begin = time.monotonic()
    child.send_signal(signal.SIGINT)
    out, errors = child.communicate(timeout=20)
    assert child.returncode == 130, errors
    assert time.monotonic() - begin < 5  # a second on a machine with nothing else to do
    assert out == ""
    lines = [json.loads(line) for line in errors.splitlines()]
    assert lines[-1] == {
        "event": "error",
        "message": "interrupted",
        "exit_code": 130,
    }
    assert outputs(folder) == []


def test_live_display_shows_stage_amount_words_speed_and_memory() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=120, legacy_windows=False)
    with LiveDisplay(console) as update:
        update(Progress("count", 5_000_000, 10_000_000, 1234, 0.0, 50_000_000, 0.1))
        update(Progress("merge", 500, 1000, 1234, 45_000.0, 60_000_000, 0.2))
        console.file.flush()
        time.sleep(0.15)  # one refresh
    text = file.getvalue()
    for part in ("counting", "merging", "500 of 1,000 merges", "1,234 words", "45,000/s", "60 MB"):
        assert part in text


def test_version_and_help() -> None:
    version = CliRunner().invoke(main, ["-V"], prog_name="bpetk")
    assert (version.exit_code, version.output) == (0, f"bpetk {bpetk.__version__}\n")
    for verb in (["train"], ["verify", "train"], ["bench", "train"]):
        page = CliRunner().invoke(main, [*verb, "--help"], prog_name="bpetk")
        assert page.exit_code == 0
        assert "Example" in page.output


def test_shell_completion_is_offered() -> None:
    result = CliRunner().invoke(main, [], prog_name="bpetk", env={"_BPETK_COMPLETE": "zsh_source"})
    assert result.exit_code == 0
    assert "#compdef bpetk" in result.output
