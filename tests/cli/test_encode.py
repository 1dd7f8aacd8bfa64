"""``bpetk encode``: what a document is, the forms of output, special tokens, and what goes wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import bpetk
from bpetk.cli import main
from bpetk.cli.inputs import TextFile, special_token_error
from bpetk.convert import Target, convert

END = "<|endoftext|>"
TEXT = "the cat sat on the mat, then that cat ate 42 mice.\n\n猫坐在垫子上，猫吃了老鼠。\r\nlast line"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "tok"
    bpetk.train_from_iterator([TEXT] * 5, 300, special_tokens=["<s>", END]).save(folder)
    return folder


@pytest.fixture(scope="module")
def tok(model: Path) -> bpetk.Tokenizer:
    return bpetk.Tokenizer.from_file(model)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of its own that holds a text."""
    (tmp_path / "text.txt").write_bytes(TEXT.encode())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: object, stdin: bytes | None = None) -> Result:
    words = ["encode", *map(str, arguments)]
    return CliRunner().invoke(main, words, input=stdin, prog_name="bpetk")


def line(ids: list[int]) -> str:
    return " ".join(map(str, ids)) + "\n"


def test_a_file_is_one_document(model: Path, tok: bpetk.Tokenizer, folder: Path) -> None:
    result = run(model, "text.txt")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == line(tok.encode(TEXT))


@pytest.mark.parametrize("arguments", [["-"], []], ids=["named", "by default"])
def test_standard_input(model: Path, tok: bpetk.Tokenizer, arguments: list[str]) -> None:
    result = run(model, *arguments, stdin=TEXT.encode())
    assert (result.exit_code, result.stdout) == (0, line(tok.encode(TEXT)))


def test_several_files_folders_and_globs(model: Path, tok: bpetk.Tokenizer, folder: Path) -> None:
    (folder / "more" / "deep").mkdir(parents=True)
    for name, text in (("b.txt", "the cat"), ("a.md", "猫"), ("c.json", "{}"), ("deep/d.txt", "mat")):
        (folder / "more" / name).write_text(text, encoding="utf-8")
    expected = [TEXT, "猫", "the cat", "mat", "on", "{}"]
    result = run(model, "text.txt", "more", "-", "more/*.json", "-o", "out.npy", stdin=b"on")
    assert (result.exit_code, "; uint16" in result.stderr) == (0, True), result.output
    ids, offsets = np.load("out.npy"), np.load("out.offsets.npy")
    assert [ids[a:b].tolist() for a, b in pairwise(offsets)] == [tok.encode(text) for text in expected]
    # Documents never go from one file into the next.
    by_line = run(model, "more", "--lines").stdout
    assert by_line == "".join(line(tok.encode(text)) for text in expected[1:4])
    assert "more than once" in run(model, "-", "-").stderr


def test_a_damaged_file_of_a_folder_is_named(model: Path, folder: Path) -> None:
    (folder / "more").mkdir()
    (folder / "more" / "good.txt").write_text("the cat")
    (folder / "more" / "wrong.txt").write_bytes("猫\n".encode() + b"\xff the")
    result = run(model, "more", "-o", "out.npy")
    assert (result.exit_code, result.stdout) == (1, "")
    name = os.path.join("more", "wrong.txt")
    assert result.stderr == (
        f"error: {name}: invalid UTF-8 at line 2, byte offset 4 (bytes FF 20 74 68). The text before it is UTF-8, so "
        "the file is damaged there: repair it, e.g. with iconv -c -f utf-8 -t utf-8.\n"
    )
    trained = CliRunner().invoke(main, ["train", "more", "--vocab", "300"], prog_name="bpetk")
    assert (trained.exit_code, trained.stderr) == (1, result.stderr)
    assert not list(folder.glob("*out*"))
    (folder / "more" / "packed.txt").write_bytes(b"\x1f\x8b\x08rest")
    assert "packed.txt: the data is gzip-compressed" in run(model, "more").stderr


@pytest.mark.parametrize("piped", [False, True])
def test_another_encoding(model: Path, tok: bpetk.Tokenizer, folder: Path, piped: bool) -> None:
    data = TEXT.encode("gb18030")
    (folder / "zh.txt").write_bytes(data)
    file = [] if piped else ["zh.txt"]
    stdin = data if piped else None
    result = run(model, *file, "--encoding", "gb18030", "--lines", stdin=stdin)
    assert result.stdout == "".join(line(tok.encode(text)) for text in TEXT.split("\n"))
    name = "standard input" if piped else "zh.txt"
    wrong = run(model, *file, "--encoding", "utf-16", stdin=stdin + b"x" if stdin else None)
    assert wrong.exit_code == 1
    assert wrong.stderr.startswith(f"error: {name}: not utf-16 at line 1, byte offset ")
    unnamed = run(model, *file, stdin=stdin)
    assert (unnamed.exit_code, f"{name}: invalid UTF-8" in unnamed.stderr) == (1, True)
    unknown = run(model, *file, "--encoding", "nosuch", stdin=stdin)
    assert (unknown.exit_code, "unknown encoding 'nosuch'" in unknown.stderr) == (2, True)


def test_a_special_token_in_another_encoding(model: Path, folder: Path) -> None:
    (folder / "bad.txt").write_bytes(f"猫\nab{END}".encode("utf-16"))
    result = run(model, "bad.txt", "--encoding", "utf-16")
    assert result.exit_code == 1
    assert result.stderr.startswith(
        f"error: bad.txt: line 2: the text holds the special token {END!r}. Pass "
    )


def test_lines_are_documents_without_their_line_feed(model: Path, tok: bpetk.Tokenizer, folder: Path) -> None:
    expected = [tok.encode(text) for text in TEXT.split("\n")]
    assert run(model, "text.txt", "--lines").stdout == "".join(map(line, expected))
    # A line feed at the end begins no further document.
    assert run(model, "--lines", stdin=b"a\n\nb\n").stdout.count("\n") == 3


def test_a_separator_stands_between_documents(model: Path, tok: bpetk.Tokenizer) -> None:
    data = f"ab{END}{END}cat{END}".encode()
    result = run(model, "--separator", END, "--append", END, stdin=data)
    end = tok.token_to_id(END)
    assert result.exit_code == 0, result.output
    assert result.stdout == line([*tok.encode("ab"), end]) + line([end]) + line([*tok.encode("cat"), end])


def test_nothing_is_one_empty_document(model: Path) -> None:
    assert run(model, stdin=b"").stdout == "\n"
    assert run(model, "--lines", stdin=b"").stdout == ""


def test_npy_has_row_offsets_beside_it(model: Path, tok: bpetk.Tokenizer, folder: Path) -> None:
    result = run(model, "text.txt", "--lines", "-o", "out.npy")
    assert result.exit_code == 0, result.output
    ids, offsets = np.load("out.npy"), np.load("out.offsets.npy")
    assert (ids.dtype, offsets.dtype) == (np.dtype("<u2"), np.dtype("<i8"))
    rows = [ids[a:b].tolist() for a, b in pairwise(offsets)]
    assert rows == [tok.encode(text) for text in TEXT.split("\n")]
    assert result.stderr == (
        f"out.npy: {len(ids):,} ids, 4 documents; uint16, 2 bytes an id, little-endian; "
        "row offsets (int64) in out.offsets.npy\n"
    )
    assert sorted(path.name for path in folder.iterdir()) == ["out.npy", "out.offsets.npy", "text.txt"]


@pytest.mark.parametrize(("width", "code"), [("uint16", "<u2"), ("uint32", "<u4")])
def test_bin_is_ids_alone_and_the_width_is_told(
    model: Path, tok: bpetk.Tokenizer, folder: Path, width: str, code: str
) -> None:
    result = run(model, "text.txt", "-o", "out.bin", "--dtype", width)
    assert np.fromfile("out.bin", code).tolist() == tok.encode(TEXT)
    assert f"; {width}, {code[-1]} bytes an id, little-endian; no header" in result.stderr
    assert run(model, "text.txt", "-o", "out.bin", "-q").stderr == ""


def test_txt_is_what_stdout_shows(model: Path, folder: Path) -> None:
    assert run(model, "text.txt", "--lines", "-o", "out.txt").exit_code == 0
    assert Path("out.txt").read_text() == run(model, "text.txt", "--lines").stdout


def test_a_dash_is_standard_output(model: Path, folder: Path) -> None:
    result = run(model, "text.txt", "-o", "-")
    assert (result.stdout, result.stderr) == (run(model, "text.txt").stdout, "")
    assert sorted(path.name for path in folder.iterdir()) == ["text.txt"]


@pytest.mark.parametrize("to", ["tiktoken", "gpt2"])
def test_files_that_name_no_special_tokens_are_noted(folder: Path, to: Target) -> None:
    tok = bpetk.train_from_iterator([TEXT], 280, scheme="gpt2", special_tokens=["<s>"])
    path = convert(tok, folder / "m", to=to).path
    side = path.with_name("m.json")
    side.unlink(missing_ok=True)
    words = ["--scheme", "gpt2"]
    note = "note: m says nothing of special tokens, so it has none; --special NAME=ID or --special @FILE names them\n"
    assert run("m", "text.txt", *words).stderr == note
    assert run("m", "text.txt", "-q", *words).stderr == ""
    assert run("m", "text.txt", *words, "--special", "<s>=0").stderr == ""
    side.write_text('{"pat_str": "x", "special_tokens": {}}')  # then it is said that there are none
    assert run("m", "text.txt", *words).stderr == ("" if to == "tiktoken" else note)


def test_a_special_token_is_an_error_with_its_place(model: Path, folder: Path) -> None:
    (folder / "bad.txt").write_bytes("猫\nab".encode() + END.encode())
    result = run(model, "bad.txt", "-o", "out.npy")
    assert result.exit_code == 1
    assert result.stderr == (
        f"error: bad.txt: line 2, byte offset 6: the text holds the special token {END!r}. Pass "
        f"--allow-special '{END}' (or all) to encode it as that token, or --special-as-text to encode it as ordinary "
        "text.\n"
    )
    assert not list(folder.glob("*out*"))


def test_special_tokens_as_the_options_say(model: Path, tok: bpetk.Tokenizer) -> None:
    text = f"cat{END}<s>"
    allowed, as_text = tok.encode(text, allowed_special="all"), tok.encode(text, disallowed_special=())
    data = text.encode()
    assert run(model, "--allow-special", "all", stdin=data).stdout == line(allowed)
    assert run(model, "--allow-special", END, "--allow-special", "<s>", stdin=data).stdout == line(allowed)
    assert run(model, "--special-as-text", stdin=data).stdout == line(as_text)
    mixed = tok.encode(text, allowed_special={END}, disallowed_special=())
    assert run(model, "--allow-special", END, "--special-as-text", stdin=data).stdout == line(mixed)
    result = run(model, "--allow-special", END, stdin=data)
    assert (result.exit_code, "'<s>'" in result.stderr) == (1, True)
    assert "standard input: line 1, byte offset 16" in result.stderr


def test_a_special_token_across_two_chunks_of_the_search(tmp_path: Path) -> None:
    path = tmp_path / "bad.txt"
    for shift in range(-1, 4):
        path.write_bytes(b"\n" * ((1 << 20) - shift) + b"<s>" + b"<end>")
        error = special_token_error(TextFile("bad", path), ["<end>", "<s>"])
        assert f"line {(1 << 20) - shift + 1:,}, byte offset {(1 << 20) - shift:,}: the text" in str(error)
        assert "'<s>'" in str(error)
    assert special_token_error(TextFile("bad", path), ["<no>"]) is None
    assert special_token_error(TextFile("bad", path), []) is None


def test_a_separator_is_no_disallowed_token(model: Path) -> None:
    result = run(model, "--separator", END, stdin=f"a{END}b<s>".encode())
    assert (result.exit_code, "'<s>'" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (["text.txt", "-o", "out.json"], 2, "the suffix says the form"),
        (["text.txt", "-o", "no/out.npy"], 1, "there is no folder"),
        (["text.txt", "-o", "text.txt"], 1, "it would be overwritten"),
        (["text.txt", "--lines", "--separator", "x"], 2, "exclude each other"),
        (["text.txt", "--separator", ""], 2, "must not be empty"),
        (["text.txt", "--append", "<nosuch>"], 2, "--append"),
        (["text.txt", "--allow-special", "<nosuch>"], 2, "it has '<s>', '<|endoftext|>'"),
        (["text.txt", "--special", "<x>"], 2, "expected NAME=ID"),
        (["text.txt", "--special", "@nosuch.json"], 2, "cannot read nosuch.json"),
        (["text.txt", "--scheme", "gpt2", "--pattern", "a"], 2, "exclude each other"),
        (["nosuch.txt"], 1, "cannot read nosuch.txt"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_refusals(model: Path, folder: Path, arguments: list[str], code: int, part: str) -> None:
    result = run(model, *arguments)
    assert (result.exit_code, part in result.stderr) == (code, True), result.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["text.txt"]


def test_a_type_that_is_too_narrow_is_refused(model: Path, folder: Path) -> None:
    convert(model, folder / "r.tiktoken", to="tiktoken")
    loading = ["--scheme", "cl100k", "--special", "<x>=70000"]
    result = run("r.tiktoken", "text.txt", *loading, "--dtype", "uint16", "-o", "out.bin")
    assert result.exit_code == 2
    assert "ids of this model go up to 70,000; uint32 holds them" in result.stderr
    assert run("r.tiktoken", "text.txt", *loading, "-o", "out.bin").exit_code == 0
    assert np.fromfile("out.bin", "<u4").max() < 300


def test_ranks_need_a_scheme(model: Path, folder: Path) -> None:
    convert(model, folder / "r.tiktoken", to="tiktoken")
    assert run("r.tiktoken", "text.txt").stdout == run(model, "text.txt").stdout
    (folder / "r.tiktoken.json").unlink()
    result = run("r.tiktoken", "text.txt")
    assert result.exit_code == 2
    assert "r.tiktoken: " in result.stderr
    assert "give --scheme or --pattern" in result.stderr


def test_text_that_is_not_utf8_leaves_nothing(model: Path, folder: Path) -> None:
    (folder / "bad.txt").write_bytes(b"good\nb\xffd")
    result = run(model, "bad.txt", "-o", "out.npy")
    assert result.exit_code == 1
    assert "bad.txt" in result.stderr
    assert not list(folder.glob("*out*"))
    piped = run(model, stdin=b"b\xffd")
    assert piped.exit_code == 1
    assert "standard input" in piped.stderr
    assert "tmp" not in piped.stderr


def test_compressed_text_is_refused_with_the_remedy(model: Path, folder: Path) -> None:
    (folder / "text.gz").write_bytes(b"\x1f\x8b\x08rest")
    result = run(model, "text.gz")
    assert (result.exit_code, "gzip -dc" in result.stderr) == (1, True)


def test_a_model_that_is_missing(folder: Path) -> None:
    assert run("nosuch", "text.txt").exit_code == 1


def test_special_tokens_from_a_file(model: Path, folder: Path) -> None:
    from bpetk.cli.options import special_ids

    (folder / "specials.json").write_text('{"special_tokens": {"<a>": 5}, "pat_str": "x"}')
    (folder / "plain.json").write_text('{"<b>": 6}')
    assert special_ids(["@specials.json", "@plain.json", "@c=7"]) == {"<a>": 5, "<b>": 6, "@c": 7}
    (folder / "wrong.json").write_text('{"<b>": "six"}')
    assert "expected an object" in run(model, "text.txt", "--special", "@wrong.json").stderr


@pytest.mark.skipif(os.name == "nt", reason="needs SIGINT")
def test_interruption_leaves_nothing(model: Path, folder: Path) -> None:
    os.mkfifo("pipe")
    command = [sys.executable, "-m", "bpetk", "encode", str(model), "-", "-o", "out.npy"]
    with open("pipe", "r+b", buffering=0) as pipe:
        process = subprocess.Popen(command, stdin=pipe, stderr=subprocess.PIPE, text=True)
        pipe.write(b"text that goes on")
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, "interrupted\n")
    assert sorted(path.name for path in folder.iterdir()) == ["pipe", "text.txt"]


def test_help_is_one_screen() -> None:
    for verb in ("encode", "decode", "count", "convert"):
        text = CliRunner().invoke(main, [verb, "--help"], terminal_width=100).output
        assert "Example" in text
        assert len(text.splitlines()) <= 45
