"""Long documents for several threads: whatever is cut where, ids and counts are those of the document."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sp_zoo
from sp_maps import compile_map, random_rules
from sp_models import random_model, random_text

from bpetk import sp_fragments
from bpetk.errors import ConfigError, InvalidEncodingError, ModelFileError
from bpetk.interop.sentencepiece_model import ModelFile, NormalizerSpec, Piece, PieceType, write_model
from bpetk.sp_tokenizer import SentencePieceTokenizer

sp = pytest.importorskip("sentencepiece")
if sp.__version__ != "0.2.3":
    pytest.skip("what is compared is sentencepiece 0.2.3", allow_module_level=True)


def check(tok: SentencePieceTokenizer, texts: list[Any], rows: list[list[int]]) -> None:
    """Compare all ways to encode with several threads."""
    for threads in (2, 3):
        assert tok.encode_batch(texts, threads=threads) == rows
        assert tok.count_batch(texts, threads=threads) == [len(row) for row in rows]
        flat, offsets = tok.encode_batch_flat(texts, threads=threads)
        assert [flat[a:b].tolist() for a, b in itertools.pairwise(offsets.tolist())] == rows
    if texts:
        assert tok.encode_to_numpy(texts[0], threads=2).tolist() == rows[0]
        assert tok.encode_batch(texts[:1], threads=2, add_bos=tok.bos_id is not None, reverse=True) == [
            [*([] if tok.bos_id is None else [tok.bos_id]), *rows[0][::-1]]
        ]


@pytest.mark.parametrize("seed", range(6))
def test_random_models(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng, cuts = random.Random(seed), 0
    for _ in range(40):
        maps = [compile_map(random_rules(rng))] if rng.random() < 0.3 else ()
        model = random_model(rng, maps)
        data = write_model(model)
        try:
            tok = SentencePieceTokenizer.from_bytes(data)
        except (ModelFileError, ConfigError):
            continue
        processor = sp.SentencePieceProcessor(model_proto=data)
        monkeypatch.setattr(sp_fragments, "FRAGMENT", rng.choice((9, 16, 40)))
        monkeypatch.setattr(sp_fragments, "SAMPLE", rng.choice((5, 8)))
        texts: list[Any] = []
        for _ in range(5):
            text = b"".join(random_text(rng, model) for _ in range(rng.randrange(8))).decode(errors="ignore")
            texts.append(text if rng.random() < 0.5 else text.encode())
        check(tok, texts, [processor.encode(text) for text in texts])
        cuts += sum(len(sp_fragments.fragments(tok._native, text)) - 1 for text in texts)
    assert cuts > 100


@pytest.mark.parametrize("entry", sp_zoo.BPE[::3], ids=lambda entry: entry.name)
def test_real_models(
    entry: sp_zoo.SpModel, shared_file: Callable[[str], Path], shared_corpus: Callable[..., Path]
) -> None:
    tok = SentencePieceTokenizer.from_bytes(entry.data(shared_file))
    for name in ("zh", "mixed"):
        text = shared_corpus(name, 1_000_000).read_text(encoding="utf-8", errors="ignore")
        parts = sp_fragments.fragments(tok._native, text)
        assert len(parts) >= 3 and max(map(len, parts)) < 2 * sp_fragments.FRAGMENT
        row = tok.encode(text)
        assert tok.encode_batch([text, "a", text + "b"], threads=2)[:2] == [row, tok.encode("a")]
        assert tok.encode_to_numpy(text, threads=2).tolist() == row and tok.count(text) == len(row)


def small(*pieces: Piece) -> SentencePieceTokenizer:
    """Give a model that leaves blanks as they are."""
    all_pieces = [Piece("<unk>", 0.0, PieceType.UNKNOWN), *pieces]
    spec = NormalizerSpec("identity", b"", False, False)
    data = write_model(ModelFile(all_pieces, {"model_type": 2}, spec))
    return SentencePieceTokenizer.from_bytes(data)


def test_runs_of_unknown_characters_are_not_cut() -> None:
    tok = small(Piece("a", -1.0), Piece("b", -1.0, PieceType.UNUSED))
    text = "z" * 2_000_000 + "a" + "b" * 1_000_000
    assert tok.encode_batch([text], threads=2) == [[0, 1, 0]] and tok.count_batch([text], threads=2) == [3]
    assert len(sp_fragments.fragments(tok._native, text)) == 1


def test_pieces_that_are_taken_as_a_whole_are_not_cut() -> None:
    whole = "ab" * 3000
    tok = small(*(Piece(c, -1.0) for c in "abc"), Piece(whole, 0.0, PieceType.USER_DEFINED))
    text = ("c" + whole) * 200 + "ab"
    want = [3, 4] * 200 + [1, 2]
    assert tok.encode_batch([text], threads=2) == [want]
    # Where it is found depends on where it is looked for from.
    assert tok.encode_batch(["ab" + text], threads=2) == [[1, 2, *want]]
    tangled = "ab" * 400_000
    assert tok.encode_batch([tangled], threads=2) == [tok.encode(tangled)]


def test_errors_are_those_of_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    tok = small(Piece("a", -1.0))
    monkeypatch.setattr(sp_fragments, "FRAGMENT", 8)
    for texts in (["a" * 100 + "\ud800"], ["a", "a" * 100, "a\ud800"], ["\udcff" + "a" * 100]):
        with pytest.raises(InvalidEncodingError, match="surrogate"):
            tok.encode_batch(texts, threads=2)
        with pytest.raises(InvalidEncodingError, match="surrogate"):
            tok.count_batch(texts, threads=2)
    with pytest.raises(TypeError, match="must be str or bytes"):
        tok.encode_batch(["a" * 100, 5], threads=2)  # type: ignore[list-item]
    assert tok.encode_batch([b"a" * 100 + b"\xff"], threads=2) == [[*[1] * 100, 0]]
    assert tok.encode_batch([], threads=2) == []


@pytest.mark.parametrize("seed", range(4))
def test_short_documents_together(seed: int) -> None:
    rng, joined = random.Random(seed), 0
    for _ in range(25):
        model = random_model(rng)
        data = write_model(model)
        tok = SentencePieceTokenizer.from_bytes(data)
        processor = sp.SentencePieceProcessor(model_proto=data)
        joined += model.byte_fallback
        texts: list[Any] = []
        for _ in range(rng.choice((2, 7, 300, 1300))):  # more than are taken at a time
            text: Any = random_text(rng, model)
            kind = rng.randrange(4)
            if kind:
                text = text.decode(errors="ignore")[: rng.choice((0, 1, 5, 99))] + ("", "", "中", "😀")[kind]
            texts.append(text)
        if rng.random() < 0.2:
            texts.insert(rng.randrange(len(texts)), "ab 中" * 20_000)
        rows = [processor.encode(text) for text in texts]
        for threads in (1, 2):
            assert tok.encode_batch(texts, threads=threads) == rows
            assert tok.count_batch(texts, threads=threads) == [len(row) for row in rows]
        at = rng.randrange(len(texts))
        texts[at] = "a\ud800"
        with pytest.raises(InvalidEncodingError, match="surrogate"):
            tok.encode_batch(texts, threads=1)
        _, counts = tok._native.encoder.encode_flat(texts, tok._native.plan)
        found = memoryview(counts).cast("q").tolist()
        assert found[at] < 0
        assert found[:at] + found[at + 1 :] == [len(row) for row in rows[:at] + rows[at + 1 :]]
    assert joined >= 3
