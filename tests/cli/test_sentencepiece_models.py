"""``encode``, ``decode`` and ``count`` with a model of SentencePiece."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import sp_library
from click.testing import CliRunner
from sp_models import BYTES

import bpetk
from bpetk.cli import main
from bpetk.errors import InvalidEncodingError
from bpetk.interop.sentencepiece_model import ModelFile, NormalizerSpec, Piece, PieceType, write_model
from bpetk.sp_tokenizer import SentencePieceTokenizer

TEXT = "ab ab\n中 é 😀\n  a  b\n"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Write a model into a folder of its own."""
    pieces = [Piece("<unk>", 0.0, PieceType.UNKNOWN), Piece("<s>", 0.0, PieceType.CONTROL), *BYTES]
    pieces += [
        Piece(text, -float(id)) for id, text in enumerate(("\u2581", "a", "b", "\u2581a", "\u2581ab", "中"))
    ]
    spec = NormalizerSpec("identity", b"", True, False)
    path = tmp_path / "folder" / "tokenizer.model"
    path.parent.mkdir()
    path.write_bytes(write_model(ModelFile(pieces, {"model_type": 2, "byte_fallback": True}, spec)))
    return path


def run(*arguments: str | Path, input: str | bytes | None = None) -> str:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], input=input)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("folder", [False, True])
def test_there_and_back(model: Path, tmp_path: Path, folder: bool) -> None:
    name = model.parent if folder else model
    tok = bpetk.Tokenizer.from_file(name)
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    out = run("encode", name, tmp_path / "text.txt", "--lines")
    rows = [[int(id) for id in line.split()] for line in out.splitlines()]
    assert rows == [tok.encode(line) for line in TEXT.splitlines()]
    assert run("decode", name, "--lines", input=out) == TEXT
    assert run("decode", name, "--lines", "--errors", "strict", input=out) == TEXT
    facts = json.loads(run("count", name, tmp_path / "text.txt", "--lines", "--json"))
    assert facts["total"]["tokens"] == sum(map(len, rows)) and facts["total"]["documents"] == 3


def test_a_control_piece_at_the_end_of_documents(model: Path) -> None:
    tok = bpetk.Tokenizer.from_file(model)
    out = run("encode", model, "-", "--lines", "--append", "<s>", input="a\n<s>\n")
    assert [[int(id) for id in line.split()] for line in out.splitlines()] == [
        [*tok.encode("a"), 1],
        [*tok.encode("<s>"), 1],
    ]


@pytest.mark.parametrize("option", [["--add-special-tokens"], ["--allow-special", "<s>"], ["--eos"]])
@pytest.mark.parametrize("verb", ["encode", "count"])
def test_what_such_models_have_not_is_refused(model: Path, verb: str, option: list[str]) -> None:
    result = CliRunner().invoke(main, [verb, str(model), "-", *option], input="a")
    assert result.exit_code == 2 and option[0] in result.output + result.stderr


@pytest.mark.parametrize("verb", ["encode", "count"])
def test_options_of_such_models_are_refused_for_others(verb: str, tmp_path: Path) -> None:
    bpetk.train_from_iterator(["ab ab"], vocab_size=257).save(tmp_path / "tok")
    for option in ("--bos", "--eos", "--reverse"):
        result = CliRunner().invoke(main, [verb, str(tmp_path / "tok"), "-", option], input="a")
        assert (
            result.exit_code == 2
            and f"{option} is for models of SentencePiece" in result.output + result.stderr
        )


def test_control_pieces_and_reverse(model: Path, tmp_path: Path) -> None:
    tok = bpetk.Tokenizer.from_file(model)
    assert isinstance(tok, SentencePieceTokenizer)
    options = ["--lines", "--bos", "--reverse", "--append", "<s>", "--special-as-text"]
    out = run("encode", model, "-", *options, input=TEXT)
    rows = [[int(id) for id in line.split()] for line in out.splitlines()]
    assert rows == [[*tok.encode(line, add_bos=True, reverse=True), 1] for line in TEXT.splitlines()]
    facts = json.loads(run("count", model, "-", *options[:3], "--json", input=TEXT))
    assert facts["total"]["tokens"] == sum(map(len, rows)) - len(rows)
    for suffix, options in ((".npy", ["--dtype", "uint32"]), (".bin", ["--dtype", "uint32"]), (".txt", [])):
        file = tmp_path / f"ids{suffix}"
        run("encode", model, "-", "--bos", *options, "-o", file, input=TEXT)
        # The control piece has no text: all comes back as it was but for the first blank, which is the model's own.
        assert run("decode", model, file, "--skip-special-tokens", *options) == TEXT


def test_a_text_that_spells_a_control_piece_is_not_what_an_error_is_about(
    model: Path, tmp_path: Path
) -> None:
    (tmp_path / "text").write_bytes(b"<s> a")
    assert run("decode", model, input=run("encode", model, tmp_path / "text")) == "<s> a"
    result = CliRunner().invoke(main, ["encode", str(model), str(tmp_path / "text"), "--eos"])
    assert result.exit_code == 2 and "--eos: this model has no control piece" in result.output + result.stderr


@pytest.mark.parametrize("verb", ["encode", "count"])
def test_a_file_that_is_not_utf8_is_refused_as_with_any_model(model: Path, tmp_path: Path, verb: str) -> None:
    text = "汉字和标点。\n".encode("gb18030") * 3
    (tmp_path / "gb").write_bytes(text)
    (tmp_path / "cut").write_bytes("a\n猫，".encode()[:-1])
    bpetk.train_from_iterator([TEXT], 260).save(tmp_path / "tok")
    for name, options in (("gb", []), ("gb", ["--lines"]), ("cut", []), ("cut", ["--lines"])):
        error = refused(1, verb, model, tmp_path / name, *options)
        assert error == refused(1, verb, tmp_path / "tok", tmp_path / name, *options)
        place, hint = (
            ("line 1, byte offset 0 (bytes BA", "gb18030") if name == "gb" else ("line 2, byte", "iconv")
        )
        assert f"{tmp_path / name}: invalid UTF-8 at {place}" in error and hint in error
    result = CliRunner().invoke(main, [verb, str(model), "-"], input=text)
    assert result.exit_code == 1 and "standard input: invalid UTF-8 at line 1, byte offset 0" in result.stderr
    assert run(verb, model, tmp_path / "gb", "--encoding", "gb18030")
    tok = bpetk.Tokenizer.from_file(model)
    with pytest.raises(InvalidEncodingError, match="invalid UTF-8 at line 2, byte offset 5"):
        tok.encode_file(tmp_path / "cut")
    assert tok.encode(b"a \xff") == tok.encode("a \ufffd")  # bytes in memory are as in the library


def test_convert_to_hf_and_copies(model: Path, tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    (tmp_path / "probe.txt").write_text(TEXT, encoding="utf-8")
    out = run("convert", model, tmp_path / "out", "--to", "hf", "--probe", tmp_path / "probe.txt")
    assert out.startswith("equal: ") and "encode_special_tokens" in out
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert files == ["tokenizer.json", "tokenizer_config.json"]
    read = tokenizers.Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json"))
    tok = bpetk.Tokenizer.from_file(model)
    assert read.encode(TEXT).ids == tok.encode(TEXT)
    assert read.decode(tok.encode(TEXT)) == TEXT == tok.decode(tok.encode(TEXT))
    assert json.loads((tmp_path / "out" / "tokenizer_config.json").read_bytes())["bos_token"] == "<s>"
    facts = json.loads(run("convert", model, tmp_path / "copy.model", "--to", "sentencepiece", "--json"))
    assert facts["compared"][0] == "bpetk" and facts["texts"] > 100
    assert (tmp_path / "copy.model").read_bytes() == model.read_bytes()


def refused(code: int, *arguments: str | Path) -> str:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.stderr


def test_conversions_that_there_are_not(model: Path, tmp_path: Path) -> None:
    for to, reason in (("tiktoken", "ranks"), ("gpt2", "byte-level"), ("image", "byte-level")):
        error = refused(1, "convert", model, tmp_path / "out", "--to", to)
        assert f"{to} cannot hold a model of SentencePiece" in error and reason in error
    bpetk.train_from_iterator([TEXT], 260).save(tmp_path / "tok")
    error = refused(1, "convert", tmp_path / "tok", tmp_path / "out", "--to", "sentencepiece")
    assert "a .model of SentencePiece cannot hold this tokenizer" in error


def test_without_the_library_bpetk_reads_what_was_written(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    out = run("convert", model, tmp_path / "out", "--to", "hf")
    assert "(bpetk)" in out and "pip install 'bpetk[verify]'" in out
    assert (tmp_path / "out" / "tokenizer.json").is_file()


def test_other_ids_exit_with_3(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    pieces = [Piece("<unk>", 0.0, PieceType.UNKNOWN), *(Piece(text, -1.0) for text in "\u2581ab")]
    spec = NormalizerSpec("x", sp_library.make_map({b"ab": b"b"}))
    path = tmp_path / "ruled.model"
    path.write_bytes(write_model(ModelFile(pieces, {"model_type": 2}, spec)))
    error = refused(3, "convert", path, tmp_path / "out", "--to", "hf")
    assert "the converted tokenizer gives other ids" in error
    assert not (tmp_path / "out").exists()
