"""The native encoder of SentencePiece models against the library and against its twin in plain Python."""

from __future__ import annotations

import random
import time
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import sp_zoo
from fuzz_text import adversarial_text, unicode_text
from hypothesis import given
from hypothesis import strategies as st
from sp_maps import compile_map, random_rules
from sp_models import BYTES, random_model, random_text, twin

from bpetk import _scanner
from bpetk.errors import ModelFileError
from bpetk.interop.sentencepiece_model import (
    ModelFile,
    NormalizerSpec,
    Piece,
    PieceType,
    read_model,
    write_model,
)
from bpetk.reference.sp_encode import encode
from bpetk.sp_encoder import PieceEncoder

UNK = Piece("<unk>", 0.0, PieceType.UNKNOWN)
PLAIN = NormalizerSpec("identity", b"", False, False, False)
TIERS = [tier for tier in _scanner.TIERS if tier != "scalar"]


def library(model: ModelFile) -> Any:
    """Load a model."""
    sp = pytest.importorskip("sentencepiece")
    if sp.__version__ != "0.2.3":
        pytest.skip("what is compared is sentencepiece 0.2.3")
    processor = sp.SentencePieceProcessor()
    processor.LoadFromSerializedProto(write_model(model))
    return processor


def check(native: PieceEncoder, want: Sequence[list[int]], texts: Sequence[bytes | str]) -> None:
    """Encode natively, by all tiers, several at once and one by one."""
    for tier in TIERS:
        for text, found, expected in zip(
            texts, native.encoder.encode_lists(texts, native.plan, tier=tier), want, strict=True
        ):
            assert found == expected, (tier, text)
        _, counts = native.encoder.encode_flat(texts, native.plan, tier=tier, count_only=True)
        assert array("q", counts).tolist() == [len(ids) for ids in want]
    for text, expected in zip(texts[:5], want, strict=False):
        assert native.encoder.encode(text, native.plan) == expected


def check_library(model: ModelFile, texts: Sequence[bytes | str]) -> None:
    """Compare with the library."""
    processor = library(model)
    check(PieceEncoder(model), [processor.encode(text) for text in texts], texts)


def check_twin(model: ModelFile, texts: Sequence[bytes]) -> None:
    """Compare with the twin."""
    plain = twin(model)
    check(PieceEncoder(model), [[token.id for token in encode(plain, text)] for text in texts], texts)


# --- real models ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=sp_zoo.BPE, ids=lambda entry: entry.name)
def real(request: pytest.FixtureRequest, shared_file: Callable[[str], Path]) -> ModelFile:
    """Read a real BPE model."""
    return read_model(request.param.data(shared_file), request.param.path)


@pytest.mark.parametrize("size", [100_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_real_models_on_real_text(real: ModelFile, shared_corpus: Callable[..., Path], size: int) -> None:
    processor, native = library(real), PieceEncoder(real)
    for name in ("en", "zh", "mixed", "multi", "code", "zh_classical"):
        data = shared_corpus(name, 1_000_000).read_bytes()[:size].decode(errors="ignore").encode()
        lines = data.splitlines(keepends=True)
        texts: list[bytes | str] = [data, *lines[:300], *(line.decode() for line in lines[300:400])]
        check(native, [processor.encode(text) for text in texts], texts)
        rows = native.encoder.encode_lists(lines, native.plan, threads=3)
        assert rows == [processor.encode(line) for line in lines]


def test_real_models_on_hard_text(real: ModelFile) -> None:
    rng = random.Random(len(real.pieces))
    texts = [adversarial_text(rng, 300).encode() for _ in range(40)]
    texts += [unicode_text(rng, 300).encode() for _ in range(40)] + [rng.randbytes(100) for _ in range(20)]
    pieces = [piece.text for piece in real.pieces]
    special = [piece.text for piece in real.pieces if piece.type != PieceType.NORMAL]
    for size in (1, 3, 10, 100) * 40:
        parts = rng.choices(pieces, k=size) + rng.choices(special, k=size // 3)
        # Cut inside: what is left of a piece is where segments end otherwise than pieces.
        parts += [part[: rng.randint(1, len(part))] for part in rng.choices(pieces, k=size)]
        rng.shuffle(parts)
        texts.append("".join(parts).replace("\u2581", rng.choice((" ", "\u2581", ""))).encode())
    check_library(real, texts)


def test_long_text_without_blanks_is_near_linear(shared_file: Callable[[str], Path]) -> None:
    model = read_model(
        shared_file("tokenizers/llama2/tokenizer.model").read_bytes(), "llama2/tokenizer.model"
    )
    rng = random.Random(0)
    letters = "".join(rng.choices("etaoin", k=1_000_000))
    native = PieceEncoder(model)
    times = {}
    for size in (100_000, 1_000_000):
        times[size] = min(_seconds(native, text[:size]) for text in (letters, letters))
    assert times[1_000_000] < 40 * times[100_000] + 0.2
    check_library(
        model, [letters[:200_000].encode(), ("a" * 100_000).encode(), (" " * 50_000).encode(), b"\t" * 20_000]
    )


def _seconds(native: PieceEncoder, text: str) -> float:
    start = time.process_time()
    native.encoder.encode(text, native.plan)
    return time.process_time() - start


# --- random models ----------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**62))
def test_random_models(seed: int) -> None:
    rng = random.Random(seed)
    maps = [compile_map(random_rules(rng))] if rng.random() < 0.3 else ()
    model = random_model(rng, maps)
    texts = [random_text(rng, model) for _ in range(12)]
    texts.append(b"".join(random_text(rng, model) for _ in range(200)))  # more segments than a batch has
    try:
        PieceEncoder(model).normalizer(fold=True)
    except ModelFileError:
        return  # a map that leads astray in a place that no rule needs; the library takes it all the same
    check_twin(model, texts)


@pytest.mark.parametrize("seed", range(4))
def test_random_models_and_the_library(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(40):
        model = random_model(rng)
        check_library(model, [random_text(rng, model) for _ in range(20)])


@given(st.integers(0, 2**62))
def test_folding_is_escaping_with_a_blank_for_the_sign(seed: int) -> None:
    rng = random.Random(seed)
    model = random_model(rng)
    native = PieceEncoder(model)
    folded, escaped = native.normalizer(fold=True), native.normalizer(fold=False)
    assert folded.fold == native.folds and not escaped.fold
    for _ in range(20):
        text = random_text(rng, model)
        want, sources = escaped.normalize_aligned(text)
        found, places = folded.normalize_aligned(text)
        assert folded.normalize(text) == found
        if native.folds:
            assert found == want.replace("\u2581".encode(), b" ")
            at, expected = 0, []
            while at < len(want):
                expected.append(sources[at])
                at += 3 if want[at : at + 3] == "\u2581".encode() else 1
            assert [*expected, sources[len(want)]] == places.tolist()
        else:
            assert (found, places) == (want, sources)


def bpe(*pieces: Piece, spec: NormalizerSpec = PLAIN, **trainer: Any) -> ModelFile:
    """Give a model."""
    return ModelFile([UNK, *pieces], {"model_type": 2, **trainer}, spec)


def test_of_equal_scores_the_leftmost_pair_goes_first() -> None:
    rng = random.Random(1)
    for _ in range(60):
        letters = "abcd中国é"
        texts = {rng.choice(letters) + rng.choice(letters) for _ in range(12)}
        texts |= {rng.choice(sorted(texts)) + rng.choice([*texts]) for _ in range(8)}
        pieces = [Piece(text, float(rng.choice((-1, -1, -2)))) for text in sorted(texts)]
        model = bpe(*pieces, *(Piece(letter, -9.0) for letter in letters))
        check_library(model, ["".join(rng.choices(letters, k=n)).encode() for n in (3, 10, 15, 16, 17, 60)])


def test_runs_of_unknown_characters_are_one_piece_also_across_batches() -> None:
    model = bpe(Piece("a", -1.0), Piece("b", -1.0), Piece("ab", -0.5), Piece("xy", -0.7))
    texts = [b"x" * n + b"ab" + "😀中".encode() * n + b"xya" for n in (0, 1, 7, 16, 600, 5000)]
    check_library(model, [*texts, b"x", b"", b"xyx", b"axa" * 3000])
    native = PieceEncoder(model)
    assert native.encoder.encode("xx中", native.plan_by_characters) == [0, 0, 0]


def test_pieces_that_are_taken_as_a_whole() -> None:
    long_one = "<|a long one of more than fifteen bytes|>"
    whole = ["<s>", "a", "ab", "1", "中国", " b", "\u2581c", long_one]
    pieces = [Piece(text, 0.0, PieceType.USER_DEFINED) for text in whole]
    pieces += [
        Piece("bc", -1.0),
        Piece("b", -2.0),
        Piece("\u2581b", -2.5),
        Piece("a1", -3.0),
        Piece("<s", -3.0),
    ]
    rng = random.Random(2)
    parts = [*whole, "b", "c", " ", "\u2581", "国", "<", "s>", "x", long_one[:-1]]
    texts = ["".join(rng.choices(parts, k=n)).encode() for n in (1, 2, 3, 5, 9, 400) * 12]
    for flags in ((True, True, True), (False, False, True), (True, False, False)):
        spec = NormalizerSpec("identity", b"", *flags)
        check_library(bpe(*pieces, spec=spec), texts)
        model = ModelFile([UNK, *pieces, *BYTES], {"model_type": 2, "byte_fallback": True}, spec)
        check_library(model, texts)


def test_of_symbols_that_begin_with_each_other_only_64_are_taken_as_a_whole() -> None:
    symbols = ["a" * size for size in range(1, 71)]
    model = bpe(*(Piece(text, -float(len(text)), PieceType.USER_DEFINED) for text in symbols))
    check_library(model, [b"a" * n for n in (1, 63, 64, 65, 70, 140)])


def test_unused_pieces() -> None:
    pieces = [Piece(letter, -5.0) for letter in "abc"] + [Piece("d", -5.0, PieceType.UNUSED)]
    pieces += [
        Piece("ab", -1.0, PieceType.UNUSED),
        Piece("abc", -2.0),
        Piece("abcab", -2.0, PieceType.UNUSED),
    ]
    texts = [b"ab", b"abab", b"abc", b"abcab", b"abcabc", b"dab", b"dd", b"abcabd"]
    check_library(bpe(*pieces), texts)
    check_library(ModelFile([UNK, *pieces, *BYTES], {"model_type": 2, "byte_fallback": True}, PLAIN), texts)


def test_unused_pieces_nested_too_deeply_are_refused() -> None:
    def model(deepest: int) -> ModelFile:
        texts = ["a" * n + "b" for n in range(1, deepest + 1)]
        return bpe(Piece("a", -1.0), Piece("b", -1.0), *(Piece(t, -2.0, PieceType.UNUSED) for t in texts))

    check_library(model(101), [b"a" * 101 + b"b", b"a" * 100 + b"b"])
    with pytest.raises(ModelFileError, match="more than 101 times"):
        PieceEncoder(model(102)).rules  # noqa: B018 - made when asked for


def test_each_piece_has_one_pair_of_parts() -> None:
    rng = random.Random(5)
    for _ in range(50):
        model = random_model(rng)
        plain, native = twin(model), PieceEncoder(model)
        seen: dict[bytes, set[tuple[int, ...]]] = {}
        ids = {text: id for id, text in enumerate(native.texts) if text}
        for text, id in ids.items():
            found = native.rules.parts(id)
            if found is None:
                continue
            names = [native.texts[part] if part < len(native.texts) else None for part in found]
            if None not in names:
                assert b"".join(filter(None, names)) == text
            seen.setdefault(text, set()).add(found)
        assert all(len(parts) == 1 for parts in seen.values())
        assert plain.pieces
