"""What a tokenizer of a SentencePiece model offers beside encoding: all that the other kind of tokenizer has."""

from __future__ import annotations

import inspect
import json
import multiprocessing
import pickle
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sp_zoo
from sp_models import random_model

import bpetk
from bpetk.errors import ConfigError, InvalidEncodingError, ModelFileError, OutputError, UnknownTokenError
from bpetk.interop.sentencepiece_model import ModelFile, NormalizerSpec, Piece, PieceType, write_model
from bpetk.sp_tokenizer import SentencePieceTokenizer

sp = pytest.importorskip("sentencepiece")
if sp.__version__ != "0.2.3":
    pytest.skip("what is compared is sentencepiece 0.2.3", allow_module_level=True)

REFUSED = {
    "definition": "no stages",
    "merges": "pieces with scores instead",
    "scheme": "text is not cut before merging",
    "save_image": "loads fast by itself",
}
"""Members that only say why they are not for these models."""

SENTENCES = ["low lower lowest", "new newer newest", "中文 wide"]
OPTIONS: dict[str, Any] = {"normalization_rule_name": "identity", "hard_vocab_limit": False}


@pytest.fixture(scope="module")
def trained() -> Any:
    """Train a model."""
    return bpetk.train_from_iterator(
        SENTENCES, 300, algorithm="sentencepiece-bpe", byte_fallback=True, **OPTIONS
    )


def public(kind: type) -> set[str]:
    """Name what is for users."""
    return {name for name in dir(kind) if not name.startswith("_")}


def test_both_kinds_have_the_same_members(trained: Any, tmp_path: Path) -> None:
    assert public(bpetk.Tokenizer) <= public(SentencePieceTokenizer)
    for name in public(bpetk.Tokenizer) - set(REFUSED):
        ours, theirs = getattr(SentencePieceTokenizer, name), getattr(bpetk.Tokenizer, name)
        assert callable(ours) == callable(theirs), name
        if callable(ours):
            mine = inspect.signature(ours).parameters
            open_ended = any(p.kind == p.VAR_KEYWORD for p in mine.values())
            for parameter in inspect.signature(theirs).parameters.values():
                assert parameter.name in mine or (open_ended and parameter.kind == parameter.KEYWORD_ONLY), (
                    name
                )
        else:
            getattr(trained.tokenizer, name)
    for name in set(REFUSED) - {"save_image"}:
        with pytest.raises(ConfigError, match="SentencePiece"):
            getattr(trained.tokenizer, name)
    with pytest.raises(ConfigError, match="save"):
        trained.tokenizer.save_image(tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_options_that_are_only_passed_on_are_known(trained: Any, tmp_path: Path) -> None:
    tok = trained.tokenizer
    policy: dict[str, Any] = {
        "allowed_special": (),
        "disallowed_special": "all",
        "add_special_tokens": False,
        "add_bos": True,
        "add_eos": False,
        "reverse": True,
    }
    want = tok.encode("low new", **policy)
    assert want == [tok.bos_id, *tok.encode("low new")[::-1]]
    assert tok.encode_with_offsets("low new", **policy).ids == want
    assert tok.encode_to_numpy("low new", dtype="uint16", threads=2, **policy).tolist() == want
    assert tok.encode_batch_flat(["low new"], threads=2, dtype="uint16", **policy)[0].tolist() == want
    assert tok.encode_batch(["low new"], threads=2, **policy) == [want]
    assert tok.count("low new", **policy) == tok.count_batch(["low new"], threads=2, **policy)[0] == len(want)
    assert tok.truncate("low new", 99, **policy) == "low new"
    (tmp_path / "t").write_text("low new")
    files: dict[str, Any] = {
        "separator": "\n",
        "encoding": "utf-8",
        "threads": 2,
        "dtype": "uint16",
        **policy,
    }
    assert tok.encode_file(tmp_path / "t", **files)[0].tolist() == want
    assert next(tok.iter_encode_file(tmp_path / "t", part_bytes=2, **files))[0].tolist() == want
    for call in (tok.encode_batch, tok.count_batch, tok.encode_batch_flat):
        with pytest.raises(TypeError, match="unexpected keyword"):
            call(["a"], no_such_option=1)


def check_starts(tok: SentencePieceTokenizer, processor: Any, ids: list[int]) -> None:
    """Compare the text of ids, and where each begins in it."""
    want = processor.decode(ids, return_type="offset_mapping")
    text, starts = tok.decode_with_offsets(ids)
    assert text == want["text"] and starts == [start for start, _ in want["offsets"]], ids


@pytest.mark.parametrize("entry", sp_zoo.BPE[:4], ids=lambda entry: entry.name)
def test_where_ids_begin_in_real_models(entry: sp_zoo.SpModel, shared_file: Any) -> None:
    data = entry.data(shared_file)
    tok, processor = SentencePieceTokenizer.from_bytes(data), sp.SentencePieceProcessor(model_proto=data)
    rng = random.Random(1)
    for text in ("", " a  b\n", "中文 é 😀\0x", "\ufffd\udcff".encode("utf-8", "ignore").decode()):
        check_starts(tok, processor, tok.encode(text, add_bos=tok.bos_id is not None))
    for _ in range(400):
        high = tok.vocab_size if rng.random() < 0.5 else min(tok.vocab_size, 280)
        check_starts(tok, processor, [rng.randrange(high) for _ in range(rng.randint(0, 9))])
    with pytest.raises(UnknownTokenError):
        tok.decode_with_offsets([1, tok.vocab_size])


@pytest.mark.parametrize("seed", range(3))
def test_where_ids_begin_in_random_models(seed: int) -> None:
    rng, compared = random.Random(seed), 0
    for _ in range(30):
        model = random_model(rng)
        data = write_model(model)
        tok, processor = SentencePieceTokenizer.from_bytes(data), sp.SentencePieceProcessor(model_proto=data)
        if model.denormalizer is not None and model.denormalizer.precompiled:
            with pytest.raises(ConfigError, match="denormalizer"):
                tok.decode_with_offsets([0])
            continue
        for _ in range(20):
            check_starts(tok, processor, [rng.randrange(tok.vocab_size) for _ in range(rng.randint(0, 9))])
            compared += 1
    assert compared > 100


def test_text_of_the_unknown_piece_that_is_not_utf8() -> None:
    pieces = [Piece("u", 0.0, PieceType.UNKNOWN)]
    tok = SentencePieceTokenizer(
        ModelFile(pieces, {"model_type": 2, "unk_surface": "\udcff"}, NormalizerSpec("identity", b""))
    )
    assert tok.decode([0]) == "\ufffd" and tok.decode_bytes([0]) == b"\xff"
    with pytest.raises(UnicodeDecodeError):
        tok.decode_with_offsets([0])


def test_a_long_run_of_broken_bytes_takes_linear_time(trained: Any) -> None:
    tok = trained.tokenizer
    lead = tok.token_to_id("<0xF0>")
    assert tok.decode([lead] * 300_000) == "\ufffd" * 300_000  # a minute, if all were copied for each
    assert tok.decode_with_offsets([lead] * 3)[1] == [0, 1, 2]


def test_saved_and_loaded(trained: Any, tmp_path: Path) -> None:
    tok = trained.tokenizer
    assert isinstance(tok, SentencePieceTokenizer) and tok is trained.tokenizer
    assert tok.train_report is trained.train_report and tok.source == ""
    assert pickle.loads(pickle.dumps(tok)).train_report == tok.train_report
    folder = tmp_path / "a" / "b"
    tok.save(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "tokenizer.model"]
    assert (folder / "tokenizer.model").read_bytes() == trained.to_bytes()
    loaded = bpetk.Tokenizer.from_file(folder)
    assert isinstance(loaded, SentencePieceTokenizer) and loaded == tok and loaded.train_report is None
    assert SentencePieceTokenizer.from_file(folder / "tokenizer.model") == tok
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert manifest["special_tokens"] == tok.special_tokens and manifest["roles"] == tok.roles
    assert manifest["files"]["tokenizer.model"]["bytes"] == len(trained.to_bytes())
    assert manifest["training"]["config"] and manifest["vocab_size"] == tok.vocab_size
    tok.save(folder, roles=tok.roles)
    with pytest.raises(ConfigError, match="roles"):
        tok.save(folder, roles={"bos": "</s>"})
    with pytest.raises(ConfigError, match="has the format"):
        SentencePieceTokenizer.from_file(folder, format="hf")
    with pytest.raises(ConfigError, match="cannot be given"):
        SentencePieceTokenizer.from_file(folder, scheme="gpt2")
    (tmp_path / "text").write_text("no model")
    with pytest.raises(ModelFileError):
        SentencePieceTokenizer.from_file(tmp_path / "text")
    with pytest.raises(ModelFileError):
        SentencePieceTokenizer.from_file(tmp_path / "absent")


def test_saving_over_a_tokenizer_of_the_other_kind(trained: Any, tmp_path: Path) -> None:
    other = bpetk.train_from_iterator(SENTENCES, vocab_size=260)
    for first, second in ((other, trained.tokenizer), (trained.tokenizer, other)):
        folder = tmp_path / type(first).__name__
        first.save(folder)
        second.save(folder)
        assert bpetk.Tokenizer.from_file(folder) == second
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="other things"):
        trained.tokenizer.save(tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]
    trained.tokenizer.save(tmp_path / "mine", overwrite=True)
    assert bpetk.Tokenizer.from_file(tmp_path / "mine") == trained.tokenizer


def test_objects_of_the_library(trained: Any) -> None:
    class Derived(sp.SentencePieceProcessor):  # type: ignore[misc]
        pass

    for kind in (sp.SentencePieceProcessor, Derived):
        processor = kind(model_proto=trained.to_bytes())
        for tok in (bpetk.Tokenizer.from_object(processor), SentencePieceTokenizer.from_object(processor)):
            assert tok == trained.tokenizer
            assert tok.encode("new low 漢") == processor.encode("new low 漢")
    for name in ("add_bos", "add_eos", "reverse", "enable_sampling", "emit_unk_piece"):
        processor = sp.SentencePieceProcessor(model_proto=trained.to_bytes(), **{name: True})
        with pytest.raises(ConfigError, match=name):
            bpetk.Tokenizer.from_object(processor)
    with pytest.raises((ConfigError, ModelFileError)):
        bpetk.Tokenizer.from_object(sp.SentencePieceProcessor())
    for thing in (object(), sp.SentencePieceProcessor, "m.model"):
        with pytest.raises(ConfigError, match="SentencePieceProcessor"):
            SentencePieceTokenizer.from_object(thing)


def test_ids_of_any_shape(trained: Any) -> None:
    tok = trained.tokenizer
    ids = tok.encode("low 中 new")
    for row in (ids, tuple(ids), iter(ids), np.asarray(ids, np.uint16)):
        assert tok.decode_with_offsets(row)[0] == "low 中 new"
    assert tok.decode_with_offsets([]) == ("", [])


def test_the_beginning_of_a_long_text_is_soon_had(trained: Any) -> None:
    tok = trained.tokenizer
    text = "low 中 new  漢 " * 100_000  # half a minute, if every piece were placed for each try
    for room in (0, 1, 2, 7, 50):
        short = tok.truncate(text, room)
        assert text.startswith(short) and tok.count(short) <= room
        assert tok.truncate(text[:600], room) == short
        assert tok.truncate(text.encode(), room).startswith(short.encode())


def test_equal_and_different_models(trained: Any) -> None:
    tok = trained.tokenizer
    assert SentencePieceTokenizer.from_bytes(tok.to_bytes()) == tok == pickle.loads(pickle.dumps(tok))
    pieces = [Piece("<unk>", 0.0, PieceType.UNKNOWN), Piece("a", 0.0), Piece("b", -0.0)]
    spec = NormalizerSpec("identity", b"")
    one = SentencePieceTokenizer(ModelFile(pieces, {"model_type": 2}, spec))
    other = SentencePieceTokenizer(ModelFile([*pieces[:2], Piece("b", 0.0)], {"model_type": 2}, spec))
    assert one != other and one != SentencePieceTokenizer(ModelFile(pieces[:2], {"model_type": 2}, spec))
    assert one == SentencePieceTokenizer.from_bytes(one.to_bytes()) and one != "a"
    for model in (one, SentencePieceTokenizer.from_bytes(one.to_bytes())):
        assert pickle.loads(pickle.dumps(model)) == one and hash(pickle.loads(pickle.dumps(model))) == hash(
            one
        )


@pytest.mark.parametrize(
    "wrong", [-1, 10**6, 2**31, 2**32, 2**64, -(2**70), 1.0, None, "a", b"a", [1], float("nan")]
)
def test_ids_that_are_none(trained: Any, wrong: Any) -> None:
    tok = trained.tokenizer
    low = tok.encode("low <")
    for ids in ([*low, wrong], [wrong, *low], [tok.token_to_id("<0xF0>"), wrong], [*low, wrong, *low]):
        if ids[0] is wrong and isinstance(wrong, str | bytes | list):
            continue  # not ids of one document, which is told as such
        for decode in (
            tok.decode,
            tok.decode_bytes,
            tok.decode_with_offsets,
            lambda i: tok.decode_batch([low, i]),
        ):
            with pytest.raises(UnknownTokenError, match="not in the vocabulary"):
                decode(ids)
        stream = tok.stream_decoder()
        with pytest.raises(UnknownTokenError):
            stream.feed(ids)
        assert stream.feed(low) + stream.finish() == "low <"
    for look_up in (tok.id_to_token, tok.id_to_bytes):
        with pytest.raises(UnknownTokenError):
            look_up(wrong)


def test_odd_texts(trained: Any, tmp_path: Path) -> None:
    tok, processor = trained.tokenizer, sp.SentencePieceProcessor(model_proto=trained.to_bytes())
    odd = [
        b"",
        b"\xff",
        b"\xf0\x9f",
        b"\xed\xa0\x80",
        b"\xc0\x80a",
        b"\0",
        b"a\xe4\xb8",
        b" \xe2\x96",
        b"\xf4\x90\x80\x80",
    ]
    for data in [*odd, b"".join(odd), b" ".join(odd)]:
        want = processor.encode(data)
        assert tok.encode(data) == want == tok.encode_with_offsets(data).ids
        assert tok.count(data) == len(want) and tok.encode_batch([data, "a"])[0] == want
        assert tok.truncate(data, 1 << 40) == data
        (tmp_path / "t").write_bytes(data)
        if data in (b"", b"\0"):
            assert tok.encode_file(tmp_path / "t", dtype="uint16")[0].tolist() == (want if data else [])
        else:
            with pytest.raises(InvalidEncodingError, match="invalid UTF-8 at line 1, byte offset"):
                tok.encode_file(tmp_path / "t", dtype="uint16")
    for text in ("\ud800", "a\udfff", "\udcff\ud800"):
        for call in (tok.encode, tok.count, tok.encode_pieces, tok.encode_with_offsets, tok.encode_to_numpy):
            with pytest.raises(InvalidEncodingError, match="surrogate"):
                call(text)
        with pytest.raises(InvalidEncodingError, match="surrogate"):
            tok.truncate(text, 0)
    assert tok.encode(b"a", disallowed_special={"\ud800"}) == tok.encode("a")
    with pytest.raises(ConfigError, match="dtype"):
        tok.encode_file(tmp_path / "t", dtype="float64")
    for wrong in (5, None, ["a"], bytearray(b"a")):
        for call in (tok.encode, tok.count, tok.encode_to_numpy):
            with pytest.raises(TypeError, match="must be str or bytes"):
                call(wrong)


def test_threads_and_forks_share_one(trained: Any) -> None:
    tok = SentencePieceTokenizer.from_bytes(trained.to_bytes())
    texts = [f"low {i} 中 new" * (i % 50) for i in range(200)]
    want = [tok.encode(text) for text in texts]
    fresh = pickle.loads(pickle.dumps(tok))  # nothing of it is made yet
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(fresh.encode_batch, texts, threads=2) for _ in range(8)]
        assert all(job.result() == want for job in jobs)
        assert list(pool.map(fresh.decode, want)) == [tok.decode(row) for row in want]
    with multiprocessing.get_context("fork").Pool(2) as processes:
        assert processes.map(fresh.encode, texts[:20]) == want[:20]
