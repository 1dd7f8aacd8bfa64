"""``verify encode`` with models of SentencePiece: what is compared, and that each kind of difference is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sp_models import BYTES

from bpetk.cli import main
from bpetk.errors import ConfigError, CorpusError, ModelFileError
from bpetk.interop.sentencepiece_model import ModelFile, NormalizerSpec, Piece, PieceType, write_model
from bpetk.reference_libraries import SentencePiece, load_reference, sentencepiece_reference
from bpetk.sp_tokenizer import SentencePieceTokenizer
from bpetk.tokenizer import Tokenizer
from bpetk.verify import default_reference, verify_encode

pytest.importorskip("sentencepiece")
GetFile = Callable[..., Path]

TEXT = "ab ab\n中 é 😀\n  a  b\n\nab ba <s> x\n"


def data() -> bytes:
    pieces = [Piece("<unk>", 0.0, PieceType.UNKNOWN), Piece("<s>", 0.0, PieceType.CONTROL), *BYTES]
    pieces += [
        Piece(text, -float(id)) for id, text in enumerate(("\u2581", "a", "b", "\u2581a", "\u2581ab", "中"))
    ]
    spec = NormalizerSpec("identity", b"", True, False)
    return write_model(ModelFile(pieces, {"model_type": 2, "byte_fallback": True}, spec))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.model"
    path.write_bytes(data())
    return path


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(main, ["verify", "encode", *map(str, arguments)])


@pytest.mark.parametrize("options", [[], ["--against", "sentencepiece"], ["--whole"]])
def test_identical(model: Path, text: Path, options: list[str]) -> None:
    result = run(model, text, *options)
    assert result.exit_code == 0, result.output
    what = "1 file" if "--whole" in options else "5 lines"
    assert result.stdout.startswith(f"identical: {what}, ")
    assert f"sentencepiece was given: {model}" in result.stdout


def test_json_and_what_was_read(model: Path, text: Path) -> None:
    facts = json.loads(run(model, text, "--json").stdout)
    assert (facts["identical"], facts["texts"], facts["difference"]) == (True, 5, None)
    tok = SentencePieceTokenizer.from_bytes(data())
    assert verify_encode(tok, text).reference == "what bpetk would write as a .model"
    assert facts["tokens"] == sum(len(tok.encode(line)) for line in TEXT.splitlines(keepends=True))


@pytest.mark.parametrize(
    ("method", "change", "what", "at"),
    [
        ("encode_batch", lambda rows: [[*row[:2], 7, *row[3:]] for row in rows], "ids", 2),
        ("encode_with_places", lambda found: ([9, *found[0][1:]], *found[1:]), "ids", 0),
        ("encode_with_places", lambda found: (found[0], ["x", *found[1][1:]], found[2]), "pieces", 0),
        ("encode_with_places", lambda found: (*found[:2], [*found[2][:-1], (1, 9)]), "offsets", 2),
        ("decode", lambda found: f"{found[:2]}!{found[2:]}", "decoded text", 2),
    ],
)
def test_each_difference_is_told_and_exits_with_3(
    model: Path,
    text: Path,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    change: Callable[[Any], Any],
    what: str,
    at: int,
) -> None:
    right = getattr(SentencePiece, method)
    monkeypatch.setattr(SentencePiece, method, lambda self, given: change(right(self, given)))
    result = verify_encode(SentencePieceTokenizer.from_bytes(data()), text)
    found = result.difference
    assert found is not None and (found.what, found.at, found.line) == (what, at, 1)
    assert found.ours != found.theirs and found.near and not result.identical
    shown = run(model, text)
    assert shown.exit_code == 3 and f"line 1 of {text}" in shown.stdout.replace("\n", "")
    assert (f"the ids are equal, but not: {what}" in shown.stdout) == (what != "ids")


def test_refusals(model: Path, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for against in ("hf", "tiktoken"):
        result = run(model, text, "--against", against)
        assert result.exit_code == 2 and f"which {against} cannot load" in result.stderr
    tok = Tokenizer.from_file(model)
    assert default_reference(tok) == "sentencepiece"
    (tmp_path / "empty.txt").touch()
    with pytest.raises(CorpusError, match="nothing was compared"):
        verify_encode(tok, tmp_path / "empty.txt")
    with pytest.raises(ModelFileError, match="sentencepiece cannot load x"):
        sentencepiece_reference(b"no model", "x")
    monkeypatch.setitem(__import__("sys").modules, "sentencepiece", None)
    absent = run(model, text)
    assert absent.exit_code == 1 and "pip install 'bpetk[verify]'" in absent.stderr


def test_other_tokenizers_are_not_compared_with_it() -> None:
    import bpetk

    tok = bpetk.train_from_iterator(["low lower"], 260)
    assert default_reference(tok) == "hf"
    with pytest.raises(ConfigError, match=r"sentencepiece loads only \.model files"):
        load_reference(tok.definition, "sentencepiece")


@pytest.mark.parametrize(
    "path", ["llama2/tokenizer.model", "hf-fixture-spm-bpe/test_sentencepiece_bpe.model"]
)
def test_real_models(path: str, shared_file: GetFile, shared_corpus: GetFile) -> None:
    tok = Tokenizer.from_file(shared_file(f"tokenizers/{path}"))
    for name in ("zh", "multi"):
        assert verify_encode(tok, shared_corpus(name, 100_000)).identical
