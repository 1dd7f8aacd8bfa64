"""The plain Python twins of SentencePiece's normalizer, BPE encoder and decoder, against the library."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import sp_zoo
from fuzz_text import adversarial_text, unicode_text
from hypothesis import given
from hypothesis import strategies as st
from sp_maps import compile_map, random_rules, units_of, with_units
from sp_models import BYTES, random_model, random_text, twin

from bpetk.errors import ConfigError, UnknownTokenError
from bpetk.interop.sentencepiece_model import (
    ModelFile,
    NormalizerSpec,
    Piece,
    PieceType,
    read_model,
    write_model,
)
from bpetk.interop.wire_format import fields
from bpetk.reference.sp_encode import NORMAL, UNUSED, Model, Token, decode, decode_pieces, encode, merge
from bpetk.reference.sp_normalize import CompiledMap, normalize

sp = pytest.importorskip("sentencepiece")
if sp.__version__ != "0.2.3":
    pytest.skip("the twins are those of sentencepiece 0.2.3", allow_module_level=True)

RULE_SETS = ["identity", "nfkc", "nmt_nfkc", "nfkc_cf", "nmt_nfkc_cf"]
UNK = Piece("<unk>", 0.0, PieceType.UNKNOWN)
FLAGS = list(itertools.product((True, False), repeat=3))


def load(data: bytes) -> Any:
    """Load a model file."""
    processor = sp.SentencePieceProcessor()
    processor.LoadFromSerializedProto(data)
    return processor


def library(model: ModelFile) -> Any:
    """Load a model."""
    return load(write_model(model))


def tokens_of(processor: Any, data: bytes) -> list[Token]:
    """Encode with the library, spans included."""
    answer = processor.encode(data, out_type="serialized_proto")
    found = []
    for part in fields(answer, 0, len(answer)):
        if part.number == 2:
            values: dict[int, Any] = {
                field.number: field.value for field in fields(answer, part.start, part.end)
            }
            start, end = values.get(4, 0), values.get(5, 0)
            # The surface is what the span covers.
            assert values.get(3, b"") == data[start:end]
            found.append(Token(values.get(2, 0), values[1], start, end))
    return found


@cache
def compiled(name: str) -> bytes:
    """Give a map of the library."""
    data = sp.SentencePieceNormalizer(rule_name=name).serialized_model_proto()
    outer = {field.number: field for field in fields(data, 0, len(data))}
    spec = outer[3]
    inner: dict[int, Any] = {field.number: field.value for field in fields(data, spec.start, spec.end)}
    return bytes(inner.get(2, b""))


def check(model: ModelFile, texts: Sequence[bytes]) -> None:
    """Compare a model's twin with the library: pieces with their spans, and what they are decoded to."""
    processor, plain = library(model), twin(model)
    for text in texts:
        want = tokens_of(processor, text)
        assert encode(plain, text) == want, text
        ids = [token.id for token in want]
        assert decode(plain, ids) == processor.decode(ids, out_type=bytes), text


# --- normalization ----------------------------------------------------------------------------------------------------


def check_normalizer(
    spec: NormalizerSpec, suffix: bool, texts: Sequence[bytes], symbols: Sequence[str] = ()
) -> None:
    """Compare the normalizer and where its bytes come from."""
    pieces = [UNK, *(Piece(text, 0.0, PieceType.USER_DEFINED) for text in symbols)]
    processor = library(ModelFile(pieces, {"model_type": 2, "treat_whitespace_as_suffix": suffix}, spec))
    rules = CompiledMap(spec.precompiled) if spec.precompiled else None
    for text in texts:
        found, sources = normalize(
            text,
            map=rules,
            add_dummy_prefix=spec.adds_dummy_prefix,
            remove_extra_whitespaces=spec.removes_extra_whitespaces,
            escape_whitespaces=spec.escapes_whitespaces,
            suffix=suffix,
            user_defined=[symbol.encode() for symbol in symbols],
        )
        want = processor.normalize(text, with_offsets=True)
        # Of a text without anything but blanks the library gives no positions at all.
        assert (found, sources) == (want[0], list(want[1]) or [0]), text


def blank_texts() -> Iterator[bytes]:
    """Give all short texts of blanks of many kinds, letters and bytes that are no character."""
    for size in range(5):
        for parts in itertools.product(
            (b" ", b"a", "\u2581".encode(), b"\xff", "\u3000".encode()), repeat=size
        ):
            yield b"".join(parts)


@pytest.mark.parametrize("suffix", [False, True], ids=["prefix", "suffix"])
@pytest.mark.parametrize(
    "flags", FLAGS, ids=lambda flags: "".join("dre"[i] for i in range(3) if flags[i]) or "none"
)
@pytest.mark.parametrize("name", RULE_SETS)
def test_rule_sets_with_all_flags(name: str, flags: tuple[bool, bool, bool], suffix: bool) -> None:
    rng = random.Random(f"{name} {flags}")
    texts = [adversarial_text(rng, 60).encode() for _ in range(25)] + [
        unicode_text(rng, 60).encode() for _ in range(25)
    ]
    texts += [text[: len(text) // 2 + 1] + b"\xe4\xb8" + text[5:] for text in texts[:20]]  # not all is UTF-8
    if name in ("identity", "nmt_nfkc"):
        texts += blank_texts()
    check_normalizer(NormalizerSpec(name, compiled(name), *flags), suffix, texts)


@pytest.mark.parametrize("name", ["nmt_nfkc", *(pytest.param(n, marks=pytest.mark.slow) for n in RULE_SETS)])
def test_every_character(name: str) -> None:
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    rows = ["x".join(characters[at : at + 200]).encode() for at in range(0, len(characters), 200)]
    step = 1 if name != "nmt_nfkc" else 3  # all of them in the slow run of the others
    check_normalizer(NormalizerSpec(name, compiled(name), False, False, False), False, rows[::step])


@pytest.mark.parametrize("seed", range(6))
def test_maps_and_symbols_of_any_kind(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(60):
        rules = random_rules(rng)
        strings = [*rules, *rules.values(), b" ", b"  ", b"a", "中国".encode(), b"\xff", "\u2581".encode()]
        texts = [b"".join(rng.choices(strings, k=rng.randint(0, 8))) for _ in range(15)]
        names = {text.decode() for text in rng.choices(list(rules), k=rng.choice((0, 0, 1, 3)))}
        symbols = [*names, *rng.choice(((), (" ", "a b"), ("\u2581",), ("b  ",)))]
        spec = NormalizerSpec("x", compile_map(rules), *rng.choice(FLAGS))
        check_normalizer(spec, rng.random() < 0.3, texts, list(dict.fromkeys(symbols)))


def test_only_the_shortest_32_rules_and_64_symbols_count() -> None:
    nested = {b"a" * size: b"%d" % size for size in range(1, 41)}
    texts = [b"a" * size for size in (1, 31, 32, 33, 40, 100)]
    check_normalizer(NormalizerSpec("x", compile_map(nested)), False, texts)
    assert CompiledMap(compile_map(nested)).longest(b"a" * 40, 0) == (32, b"32")
    symbols = ["a" * size for size in range(1, 71)]
    check_normalizer(NormalizerSpec("x", b""), False, texts, symbols)
    pieces = [UNK, *(Piece(text, 0.0, PieceType.USER_DEFINED) for text in symbols)]
    model = ModelFile(pieces, {"model_type": 2}, NormalizerSpec("x", b"", False))
    check(model, texts)
    assert [token.id for token in encode(twin(model), b"a" * 70)] == [64, 6]


def accepts(blob: bytes) -> bool:
    """Say whether the library takes a map."""
    try:
        library(ModelFile([UNK], {"model_type": 2}, NormalizerSpec("x", blob)))
    except RuntimeError:
        return False
    return True


def is_map(blob: bytes) -> bool:
    """Say whether bpetk takes a map."""
    try:
        CompiledMap(blob)
    except ValueError:
        return False
    return True


def test_damaged_maps_are_refused_where_the_library_refuses_them() -> None:
    rng = random.Random(3)
    blob = compile_map({b"a": b"b", b"ab": b"xyz", "é".encode(): b" ", b"c": b"", "中国".encode(): b"q"})
    blobs = [blob[:size] for size in (0, 1, 3, 4, 5, 1027, 1028, 1029, len(blob) - 1, len(blob))]
    blobs += [
        size.to_bytes(4, "little") + blob[4:] for size in (0, 512, 1023, 1025, 2048, len(blob) - 4, 2**32 - 1)
    ]
    blobs.append((1024).to_bytes(4, "little") + bytes(1025))
    used = [at for at, unit in enumerate(units_of(blob)) if unit != 1 << 31]
    for _ in range(6000):
        units = units_of(blob)
        if rng.random() < 0.05:
            units[0] &= rng.getrandbits(32)
        for _ in range(rng.choice((1, 1, 2, 3))):
            at = rng.choice(used) if rng.random() < 0.7 else rng.randrange(len(units))
            units[at] = rng.choice(
                (units[at] ^ 1 << rng.randrange(32), rng.getrandbits(32), rng.choice(units))
            )
        blobs.append(with_units(blob, units))
    refused = 0
    for damaged in blobs:
        if damaged:  # an empty one is none
            assert is_map(damaged) == accepts(damaged), units_of(damaged) if len(damaged) > 1028 else damaged
            refused += not is_map(damaged)
    assert 1000 < refused < 5500


@given(st.binary(max_size=20), st.integers(0, 2**32))
def test_damaged_maps_never_lead_out_of_the_array(text: bytes, seed: int) -> None:
    rng = random.Random(seed)
    units = units_of(compile_map(random_rules(rng)))
    for _ in range(rng.randint(1, 200)):
        units[rng.randrange(len(units))] = rng.choice((rng.getrandbits(32), rng.getrandbits(18)))
    blob = with_units((len(units) * 4).to_bytes(4, "little") + bytes(4 * len(units)) + b"ab\0c\0", units)
    if is_map(blob):
        check_normalizer(NormalizerSpec("x", blob), False, [text])


# --- real models ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=sp_zoo.BPE, ids=lambda entry: entry.name)
def real(request: pytest.FixtureRequest, shared_file: Callable[[str], Path]) -> ModelFile:
    """Read a real BPE model."""
    return read_model(request.param.data(shared_file), request.param.path)


def test_real_models_on_real_text(real: ModelFile, shared_corpus: Callable[..., Path]) -> None:
    texts: list[bytes] = []
    for name in ("en", "zh", "mixed", "multi", "code", "zh_classical"):
        data = shared_corpus(name, 1_000_000).read_bytes()
        rows = data[len(data) // 2 : len(data) // 2 + 12_000].splitlines()
        texts += [*rows[1:-1], data[:2000]]  # also a text with line ends, cut anywhere
    check(real, texts)


def test_real_models_on_hard_text(real: ModelFile) -> None:
    rng = random.Random(len(real.pieces))
    texts = [unicode_text(rng, 80).encode() for _ in range(20)] + [
        adversarial_text(rng, 80).encode() for _ in range(20)
    ]
    pieces = [piece.text for piece in real.pieces]
    special = [piece.text for piece in real.pieces if piece.type != PieceType.NORMAL]
    for _ in range(60):
        parts = rng.choices(pieces, k=6) + rng.choices(special, k=2) + [unicode_text(rng, 3)]
        rng.shuffle(parts)
        texts.append("".join(parts).replace("\u2581", rng.choice((" ", "\u2581"))).encode())
    texts += [rng.randbytes(30) for _ in range(5)]
    check(real, texts)
    processor, plain = library(real), twin(real)
    for _ in range(200):
        ids = [rng.randrange(len(pieces)) if rng.random() < 0.6 else rng.randrange(300) for _ in range(10)]
        assert decode(plain, ids) == processor.decode(ids, out_type=bytes), ids


# --- random models ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_random_models(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(50):
        maps = (compiled("nmt_nfkc"), compile_map(random_rules(rng)), b"")
        model = random_model(rng, maps)
        processor, plain = library(model), twin(model)
        assert processor.serialized_model_proto() == write_model(model) or "\0" in (
            p.text for p in model.pieces
        )
        for _ in range(10):
            text = random_text(rng, model)
            want = tokens_of(processor, text)
            assert encode(plain, text) == want, (model, text)
            ids = [rng.randrange(len(model.pieces)) for _ in range(rng.randint(0, 3))] + [t.id for t in want][
                :4
            ]
            rng.shuffle(ids)
            assert decode(plain, ids) == processor.decode(ids, out_type=bytes), (model, ids)
            texts = [
                rng.choice(("\u2581no", "q", "\u2581", rng.choice(model.pieces).text)).encode()
                for _ in range(4)
            ]
            assert decode_pieces(plain, texts) == processor.decode(texts, out_type=bytes), (model, texts)
            check_options(model, processor, plain, text)


def check_options(model: ModelFile, processor: Any, plain: Model, text: bytes) -> None:
    """Compare the ids that options add and turn around, and the errors where the model lacks a piece."""
    for bos, eos, reverse in FLAGS:
        if (bos and model.bos_id is None) or (eos and model.eos_id is None):
            with pytest.raises(ValueError, match="not defined as a control symbol"):
                processor.encode(text, add_bos=bos, add_eos=eos, reverse=reverse)
            with pytest.raises(ConfigError, match="no control piece"):
                encode(plain, text, add_bos=bos, add_eos=eos, reverse=reverse)
            continue
        found = encode(plain, text, add_bos=bos, add_eos=eos, reverse=reverse)
        assert [token.id for token in found] == processor.encode(
            text, add_bos=bos, add_eos=eos, reverse=reverse
        )


def bpe(*pieces: Piece, **trainer: Any) -> ModelFile:
    """Give a model that leaves text as it is."""
    plain = NormalizerSpec("identity", b"", False, False, False)
    return ModelFile([UNK, *pieces], {"model_type": 2, **trainer}, plain)


def test_scores_are_compared_by_their_bits() -> None:
    scores = [float("inf"), 3.0, 1e-45, 0.0, -0.0, -1e-45, -1.0, float("-inf")]
    for i, k in itertools.product(range(len(scores)), repeat=2):
        # Of "abc", the pair with the higher score is joined; the left one if they are equal.
        pairs = Piece("ab", scores[i]), Piece("bc", scores[k])
        model = bpe(*(Piece(letter, -9.0) for letter in "abc"), *pairs)
        check(model, [b"abc"])
        assert [token.id for token in encode(twin(model), b"abc")] == ([4, 3] if i <= k else [1, 5])


@pytest.mark.parametrize("right", [False, True])
def test_unused_pieces_are_taken_apart_a_hundred_times(right: bool) -> None:
    texts = ["a" * n + "b" if right else "b" + "a" * n for n in range(1, 150)]
    model = bpe(Piece("a", -1.0), Piece("b", -1.0), *(Piece(t, -2.0, PieceType.UNUSED) for t in texts))
    check(model, [text.encode() for text in texts[90:110]])
    # What is left after that has the id of the piece that was not to be used.
    ids = [token.id for token in encode(twin(model), texts[-1].encode())]
    assert len(ids) == 102 and (ids[-1] if right else ids[0]) == 50


def test_unused_pieces_that_were_not_put_together_are_unknown() -> None:
    pieces = [Piece("a", -1.0, PieceType.UNUSED), Piece("b", -1.0), Piece("ab", -1.0, PieceType.UNUSED)]
    for trainer in ({}, {"byte_fallback": True}):
        model = replace(bpe(*pieces, **trainer), pieces=[UNK, *pieces, *(BYTES if trainer else [])])
        check(model, [b"a", b"ab", b"abab", b"aab", b"xab"])


def test_unused_pieces_have_the_same_parts_in_any_text() -> None:
    rng, seen = random.Random(4), 0
    for _ in range(150):
        model = random_model(rng)
        plain = twin(model)
        types = [NORMAL if type == UNUSED else type for _, _, type in plain.pieces]
        pieces = [(text, score, type) for (text, score, _), type in zip(plain.pieces, types, strict=True)]
        as_if_normal = replace(plain, pieces=pieces)
        for _ in range(20):
            text = random_text(rng, model).decode(errors="replace").encode()
            whole = merge(as_if_normal, text)
            # What is taken apart in a text is what it is taken apart to on its own.
            assert merge(plain, text) == [found for part, _ in whole for found in merge(plain, part)]
            seen += sum(plain.pieces[id][2] == UNUSED for part, id in whole if len(part) > 4)
    assert seen > 100


def test_text_that_spells_a_control_piece_is_text() -> None:
    control = [Piece("<s>", 0.0, PieceType.CONTROL), Piece("c", 0.0, PieceType.CONTROL)]
    check(bpe(*control, Piece("<s", -1.0), Piece("s>", -2.0)), [b"<s>", b"c", b"<s><s>", b"a<s>c", b"<unk>"])
    check(
        replace(bpe(*control), pieces=[*control, *BYTES], trainer={"model_type": 2, "byte_fallback": True}),
        [b"<s>c<0x41>"],
    )


def test_all_combinations_of_flags_and_leading_blanks_when_decoding() -> None:
    pieces = [
        Piece("\u2581", -1.0),
        Piece("\u2581a", -2.0),
        Piece("\u2581\u2581b", -3.0),
        Piece("a\u2581", -4.0),
    ]
    pieces += [Piece("<s>", 0.0, PieceType.CONTROL), Piece("<u>\u2581", 0.0, PieceType.USER_DEFINED), *BYTES]
    for flags in FLAGS:
        spec = NormalizerSpec("identity", b"", *flags)
        model = ModelFile([UNK, *pieces], {"model_type": 2, "byte_fallback": True}, spec)
        processor, plain = library(model), twin(model)
        ids = [0, 1, 2, 3, 4, 5, 6, 7 + 0x20, 7 + 0xE4, 7 + 0xB8, 7 + 0x80]
        for size in range(4):
            for some in itertools.product(ids, repeat=size):
                assert decode(plain, some) == processor.decode(list(some), out_type=bytes), (flags, some)


def test_bytes_are_decoded_together() -> None:
    model = replace(bpe(byte_fallback=True), pieces=[UNK, *BYTES, Piece("a", -1.0)])
    processor, plain = library(model), twin(model)
    rng = random.Random(0)
    some = bytes.fromhex("e4b880 f09f9880 c0 c3a9 eda0 f490 ff 41 efbfbd")
    for _ in range(3000):
        ids = [257 if rng.random() < 0.1 else 1 + rng.choice(some) for _ in range(rng.randint(1, 9))]
        assert decode(plain, ids) == processor.decode(ids, out_type=bytes), ids


@pytest.mark.parametrize("id", [-1, 3, 2**31 - 1])
def test_ids_that_there_are_not(id: int) -> None:
    model = bpe(Piece("a", -1.0), Piece("b", -1.0))
    with pytest.raises(IndexError):
        library(model).decode([1, id])
    with pytest.raises(UnknownTokenError, match=f"id {id} is not one of the model's: expected 0 to 2"):
        decode(twin(model), [1, id])
