"""``bench encode`` with models of SentencePiece: who takes part, in which form, and what is compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sp_library
from click.testing import CliRunner
from sp_models import BYTES

from bpetk.benchmark.encode_harness import PIECE_PEERS, make_forms, run_encode_benchmark
from bpetk.benchmark.encode_peers import ENCODE_PEERS, MODES, EncodeJob, Mode, Text, flat_ids
from bpetk.cli import main
from bpetk.interop.sentencepiece_model import ModelFile, NormalizerSpec, Piece, PieceType, write_model
from bpetk.sp_tokenizer import SentencePieceTokenizer

pytest.importorskip("sentencepiece")

TEXT = "ab ab\n中 é 😀\n  a  b\n\nab ba x\n"


def model_file(spec: NormalizerSpec, *more: Piece) -> bytes:
    pieces = [Piece("<unk>", 0.0, PieceType.UNKNOWN), Piece("<s>", 0.0, PieceType.CONTROL)]
    pieces += [Piece("</s>", 0.0, PieceType.CONTROL), *BYTES]
    pieces += [
        Piece(text, -float(id)) for id, text in enumerate(("\u2581a", "\u2581ab", "\u2581", "a", "b", "中"))
    ]
    return write_model(ModelFile([*pieces, *more], {"model_type": 2, "byte_fallback": True}, spec))


PLAIN = NormalizerSpec("identity", b"", True, False)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.model"
    path.write_bytes(model_file(PLAIN))
    return path


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def forms_of(data: bytes, folder: Path) -> Any:
    (folder / "forms").mkdir(exist_ok=True)
    (folder / "forms" / "m.model").write_bytes(data)
    tok = SentencePieceTokenizer.from_bytes(data)
    return make_forms(tok, str(folder / "forms" / "m.model"), {}, folder / "forms")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["bpetk", "sentencepiece", "gigatoken", "gigatoken_batch", "hf"])
def test_calls_give_the_ids_of_the_text(corpus: Path, tmp_path: Path, name: str, mode: Mode) -> None:
    peer = ENCODE_PEERS[name]
    if peer.installed_version() is None:
        pytest.skip(f"{peer.distribution} is not installed")
    forms = forms_of(model_file(PLAIN), tmp_path)
    job = EncodeJob(name, mode, str(corpus), 1, forms)
    if mode not in peer.only:
        assert "no call for the mode" in str(peer.refuse(mode, forms))
        return
    assert peer.refuse(mode, forms) is None
    tok = SentencePieceTokenizer.from_bytes(model_file(PLAIN))
    texts = TEXT.splitlines(keepends=True) if mode == "lists" else [TEXT]
    found = peer.call(peer.ready(job)(), job, Text.read(str(corpus), mode))()
    assert mode == "flat" or isinstance(found, list)
    ids, rows = flat_ids(found)
    expected = [tok.encode(text) for text in texts]
    assert ids.tolist() == [id for row in expected for id in row]
    assert rows.tolist() == list(map(len, expected))


def test_forms_that_there_are_not(tmp_path: Path) -> None:
    ruled = NormalizerSpec("x", sp_library.make_map({b"x": b"a"}))
    forms = forms_of(model_file(ruled), tmp_path)
    assert "the normalization rules 'x' would do something else" in str(
        ENCODE_PEERS["hf"].refuse("flat", forms)
    )
    assert ENCODE_PEERS["sentencepiece"].refuse("flat", forms) is None
    unused = forms_of(model_file(PLAIN, Piece("c", -9.0, PieceType.UNUSED)), tmp_path)
    assert "is unused" in str(ENCODE_PEERS["hf"].refuse("flat", unused))
    assert "SentencePiece" in str(ENCODE_PEERS["tiktoken"].refuse("flat", unused))


def test_other_models_are_not_for_sentencepiece(corpus: Path, tmp_path: Path) -> None:
    import bpetk

    bpetk.train_from_iterator([TEXT], 260).save(tmp_path / "tok")
    tok = bpetk.Tokenizer.from_file(tmp_path / "tok")
    forms = make_forms(tok, str(tmp_path / "tok"), {}, tmp_path)
    assert forms.sp is None
    assert "cannot load a model of this kind" in str(ENCODE_PEERS["sentencepiece"].refuse("flat", forms))


def test_ids_are_compared_with_the_library(model: Path, corpus: Path, tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    arguments = [
        model,
        corpus,
        "--against",
        "sentencepiece,bpetk@2,tiktoken",
        "--rounds",
        "1",
        "--json",
        target,
    ]
    result = CliRunner().invoke(main, ["bench", "encode", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    facts = json.loads(target.read_text(encoding="utf-8"))
    assert facts["reference"].startswith("sentencepiece ") and list(facts["skipped"]) == ["tiktoken"]
    assert [entry["equality"] for entry in facts["encoders"]] == ["equal"] * 3
    assert [entry["label"] for entry in facts["encoders"]] == ["bpetk", "sentencepiece", "bpetk@2"]
    assert facts["model_sha256"]


def test_who_is_compared_by_default(model: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bpetk.benchmark import encode_harness

    named: list[str] = []

    def choose(names: Any, *others: Any) -> Any:
        named.extend(names)
        raise KeyboardInterrupt

    monkeypatch.setattr(encode_harness, "choose", choose)
    with pytest.raises(KeyboardInterrupt):
        run_encode_benchmark(model, corpus)
    assert tuple(named) == PIECE_PEERS
