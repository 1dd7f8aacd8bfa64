"""The native SentencePiece normalizer gives the text and the offsets that the library gives."""

from __future__ import annotations

import pickle
import random
import struct
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from adversarial import BROKEN, random_text
from hypothesis import given
from hypothesis import strategies as st
from sp_library import RULE_SETS, Library, make_map, model_file, normalizer_of_model, rules

from bpetk._sp_normalizer import Normalizer
from bpetk.reference import sp_normalize

ALL_ON = {"add_dummy_prefix": True, "remove_extra_whitespaces": True, "escape_whitespaces": True}
ALL_OFF = dict.fromkeys(ALL_ON, False)
MODELS = (
    *(
        "baichuan2/tokenizer",
        "chatglm2-chatglm3/tokenizer",
        "chinese-llama-alpaca/chinese_sp",
        "llama2/tokenizer",
    ),
    *("hf-fixture-spm-bpe/test_sentencepiece_bpe", "internlm1/V7_sft", "jlab-amr-spm/sentencepiece.bpe"),
    *("hf-fixture-albert-unigram/spiece", "mistral-7b-v0.3/mistral03", "telechat-52b/tokenizer"),
    *(
        "sentencepiece-testdata/test_ja_model",
        "xlnet-chinese-unigram/spiece",
        "kitoken-nai-t5-sentencepiece/nai-t5",
    ),
)
# Characters whose rules meet: spaces of each kind, what vanishes, what composes, what grows.
LIVELY = (
    "a b A e é か が ゛ \u3099 \u309a ㍿ \u0301 \u0307 \u0323 가 각 \u11a8 ᄀ ᅡ 漢 字 ， ﷺ ß İ ſ １ ½ ¨ 😀 <s> ▁ ▁▁ "
    "\u200b \u3000 \xa0 \x01 \x00 \t \r \n \ufffd \ufeff \u1680 \u2028 \x85 x q"
).split(" ")


def same(text: bytes, ours: Normalizer, theirs: Library) -> None:
    expected, offsets = theirs.normalize_aligned(text)
    assert ours.normalize(text) == expected, text
    aligned, found = ours.normalize_aligned(text)
    assert (aligned, found.tolist()) == (expected, offsets), text


def both(blob: bytes, **flags: Any) -> tuple[Normalizer, Library]:
    flags = {**ALL_ON, **flags}
    return Normalizer(blob, **flags), Library(model_file(blob, **flags))


@cache
def rule_keys(name: str) -> list[str]:
    spm = pytest.importorskip("sentencepiece")
    return [key for key, _ in spm.SentencePieceNormalizer(rule_name=name).decompile()]


def lively_text(rng: random.Random, parts: list[bytes], most: int) -> bytes:
    return b"".join(rng.choices(parts, k=rng.randrange(most)))


LIVELY_PARTS = [*(part.encode() for part in LIVELY), b" ", b"  ", b" ", *BROKEN]


# Single characters and rules


@pytest.mark.parametrize("name", RULE_SETS)
def test_every_character(name: str) -> None:
    codes = [*range(0xD800), *range(0xE000, 0x110000)]
    pairs = both(rules(name)), both(rules(name), **ALL_OFF)
    for start in range(0, len(codes), 8192):
        block = codes[start : start + 8192]
        # NUL is in no rule of the library: what stands between two of them is normalized as if alone.
        for text in ("\0".join(map(chr, block)), " ".join(map(chr, block))):
            for pair in pairs:
                same(text.encode(), *pair)


@pytest.mark.parametrize("name", RULE_SETS[1:])
def test_every_rule(name: str) -> None:
    keys = rule_keys(name)
    pairs = both(rules(name)), both(rules(name), **ALL_OFF)
    for start in range(0, len(keys), 8192):
        block = keys[start : start + 8192]
        # The rule; without its last character; twice; at the end of ASCII, of Han, of what is no character.
        for between in ("\0", "a", "漢", "b漢字"):
            same(between.join(block).encode(), *pairs[start // 8192 % 2])
        same("\0".join(key[:-1] + "x" + key for key in block).encode(), *pairs[start // 8192 % 2])
        same(b"\xff".join(key.encode() for key in block), *pairs[start // 8192 % 2])


@pytest.mark.parametrize("name", ["nmt_nfkc", "nfkc_cf"])
def test_every_character_before_what_composes(name: str) -> None:
    seconds = sorted({key[1] for key in rule_keys(name) if len(key) > 1})
    rng = random.Random(name)
    firsts = [*range(0x3100), *range(0xAC00, 0xD7A4), *range(0xF900, 0x10000), *range(0x11000, 0x12000)]
    pair = both(rules(name), **ALL_OFF)
    for second in [*rng.sample(seconds, min(len(seconds), 6)), "\u3099", "\u0301", "\u11a8"]:
        same("\0".join(chr(code) + second for code in firsts).encode(), *pair)


# Random text and rules


@pytest.mark.parametrize("name", RULE_SETS)
@given(data=st.data())
def test_random_text(name: str, data: st.DataObject) -> None:
    rng = random.Random(data.draw(st.integers(0, 1 << 32)))
    flags = {flag: rng.random() < 0.6 for flag in (*ALL_ON, "suffix")}
    symbols = {lively_text(rng, LIVELY_PARTS[: -len(BROKEN)], 4) for _ in range(rng.choice((0, 0, 1, 3, 9)))}
    symbols = {symbol for symbol in symbols if b"\0" not in symbol} - {b"", b"a", b"<s>"}
    ours, theirs = both(rules(name), user_defined=sorted(symbols), **flags)
    parts = LIVELY_PARTS + 2 * sorted(symbols)
    for _ in range(60):
        same(lively_text(rng, parts, 24), ours, theirs)
    same(random_text(rng, 40).encode(), ours, theirs)


@given(
    text=st.text() | st.binary(), name=st.sampled_from(RULE_SETS), suffix=st.booleans(), extra=st.booleans()
)
def test_any_text(text: str | bytes, name: str, suffix: bool, extra: bool) -> None:
    ours, theirs = both(rules(name), suffix=suffix, remove_extra_whitespaces=extra)
    same(text.encode() if isinstance(text, str) else text, ours, theirs)


BYTES = [b"a", b"b", b" ", b"\xff", b"A", b"\xe4", b"\xe6\xbc", *map(str.encode, "▁か漢é😀")]
TARGETS = [b"a", b"b", b" ", b"  ", b"", *map(str.encode, "▁か漢éﷺ")]


@given(data=st.data())
def test_random_rules(data: st.DataObject) -> None:
    """Rules over bytes: a map may hold any, also some that begin or end inside of a character."""
    rng = random.Random(data.draw(st.integers(0, 1 << 32)))
    for _ in range(4):
        keys = {b"".join(rng.choices(BYTES, k=rng.randint(1, 3))) for _ in range(rng.randint(1, 8))}
        blob = make_map({key: b"".join(rng.choices(TARGETS, k=rng.randint(0, 3))) for key in keys})
        flags = {flag: rng.random() < 0.6 for flag in (*ALL_ON, "suffix")}
        ours, theirs = both(blob, **flags, user_defined=[b"ab", "漢a".encode()] if rng.random() < 0.3 else [])
        for _ in range(30):
            same(lively_text(rng, BYTES + sorted(keys), 16), ours, theirs)


@cache
def twin_map(blob: bytes) -> sp_normalize.CompiledMap | None:
    return sp_normalize.CompiledMap(blob) if blob else None


@given(data=st.data())
def test_the_reference_twin(data: st.DataObject) -> None:
    rng = random.Random(data.draw(st.integers(0, 1 << 32)))
    flags = {flag: rng.random() < 0.6 for flag in (*ALL_ON, "suffix")}
    symbols = sorted(
        {lively_text(rng, LIVELY_PARTS[: -len(BROKEN)], 4) for _ in range(rng.choice((0, 3)))} - {b""}
    )
    blob = rules(rng.choice(RULE_SETS))
    if rng.random() < 0.5:
        keys = {b"".join(rng.choices(BYTES, k=rng.randint(1, 3))) for _ in range(rng.randint(1, 8))}
        blob = make_map({key: b"".join(rng.choices(TARGETS, k=rng.randint(0, 3))) for key in keys})
    ours = Normalizer(blob, **flags, user_defined=symbols)
    for _ in range(8):
        text = lively_text(rng, LIVELY_PARTS + BYTES + symbols, 24)
        expected = sp_normalize.normalize(text, map=twin_map(blob), **flags, user_defined=symbols)
        normalized, offsets = ours.normalize_aligned(text)
        assert (normalized, offsets.tolist()) == expected, text


def test_the_shortest_32_rules_count() -> None:
    ours, theirs = both(make_map({b"a" * n: b"%d," % n for n in range(1, 41)}))
    for n in range(1, 90):
        same(b"a" * n + b"b", ours, theirs)


def test_the_shortest_64_symbols_count() -> None:
    symbols = [b"a" * n for n in range(2, 80)] + [b"b", b"ba", b"abc"]
    ours, theirs = both(rules("identity"), user_defined=symbols)
    for n in range(1, 200):
        same(b"a" * n + b"ba", ours, theirs)


@pytest.mark.parametrize("name", ["identity", "nmt_nfkc"])
def test_long_text(name: str) -> None:
    """Room for the result is made in slices: what counts is around the multiples of their size."""
    rng = random.Random(name)
    ours, theirs = both(rules(name))
    for filler in ("a", "漢", "か", "é", " ", "a ", "▁", "，", "\ufdfa", "\xff"):
        unit = filler.encode("latin1") if filler == "\xff" else filler.encode()
        for edge in rng.choices(LIVELY_PARTS, k=6):
            n = 4096 // len(unit) + rng.randint(-4, 4)
            text = unit * n + edge + unit * n + edge
            same(text, ours, theirs)
            same(b"x" * rng.randint(0, 3) + text, ours, theirs)


# Real models and text


@pytest.mark.parametrize("model", MODELS)
def test_real_models(
    model: str, shared_file: Callable[[str], Path], shared_corpus: Callable[..., Path]
) -> None:
    data = shared_file(f"tokenizers/{model}.model").read_bytes()
    ours, theirs = Normalizer(**normalizer_of_model(data)), Library(data)
    rng = random.Random(model)
    parts = [*LIVELY_PARTS, *ours.user_defined[:200]]
    for _ in range(400):
        same(lively_text(rng, parts, 24), ours, theirs)
    for name in ("zh", "multi", "code"):
        text = shared_corpus(name, 1 << 20).read_bytes()[:200_000]
        same(text, ours, theirs)


@pytest.mark.parametrize("corpus", ["en", "zh", "mixed", "multi", "code", "zh_classical"])
@pytest.mark.parametrize("name", RULE_SETS)
def test_corpora(name: str, corpus: str, shared_corpus: Callable[..., Path]) -> None:
    text = shared_corpus(corpus, 1 << 20).read_bytes()
    ours, theirs = both(rules(name))
    same(text, ours, theirs)
    # A sample, because the library takes long over a million lines.
    for line in text.split(b"\n")[:3000]:
        assert ours.normalize(line) == theirs.normalize(line), line
    rng = random.Random(corpus)
    for _ in range(20):
        at = rng.randrange(len(text))
        piece = bytearray(text[at : at + 500])
        for _ in range(rng.randrange(6)):
            piece[rng.randrange(len(piece))] = rng.randrange(256)
        same(bytes(piece), ours, theirs)


# Examples


@pytest.mark.parametrize(
    ("text", "normalized", "offsets"),
    [
        ("hello  wö ", "▁hello▁wö", [0, 0, 0, 0, 1, 2, 3, 4, 5, 5, 5, 7, 8, 8, 10]),
        ("㍿x", "▁株式会社x", [0] * 15 + [3, 4]),
        ("", "", [0]),
        ("   ", "", [0]),
        (" \x01 ", "", [1]),
        ("▁", "", [0]),
    ],
)
def test_examples(text: str, normalized: str, offsets: list[int]) -> None:
    found, aligned = Normalizer(rules("nmt_nfkc"), **ALL_ON).normalize_aligned(text.encode())
    assert (found.decode(), aligned.tolist()) == (normalized, offsets)


def test_suffix() -> None:
    normalizer = Normalizer(None, **ALL_ON, suffix=True)
    assert normalizer.normalize(b" a  b ") == "a▁b▁".encode()
    # Only spaces: nothing. Only what is taken for a space in the end: the suffix.
    assert normalizer.normalize(b"  ") == b""
    assert normalizer.normalize("▁".encode()) == "▁".encode()


def test_symbols_go_before_rules_that_begin_there() -> None:
    normalizer = Normalizer(rules("nmt_nfkc"), **ALL_ON, user_defined=["Ａ".encode(), "\u0301Ｂ".encode()])
    assert normalizer.normalize("ＡＢ".encode()) == "▁ＡB".encode()
    # The rule for e and the accent began before the symbol.
    assert normalizer.normalize("e\u0301Ｂ".encode()) == "▁éB".encode()
    assert normalizer.normalize("!\u0301Ｂ".encode()) == "▁!\u0301Ｂ".encode()


# The object


def test_what_was_given() -> None:
    normalizer = Normalizer(None, **ALL_OFF, suffix=True, user_defined=[b"xy"])
    assert (normalizer.blob, normalizer.user_defined, normalizer.suffix) == (b"", (b"xy",), True)
    assert [getattr(normalizer, flag) for flag in ALL_OFF] == [False] * 3
    assert Normalizer(b"", **ALL_ON).add_dummy_prefix is True


def test_buffers() -> None:
    normalizer = Normalizer(None, **ALL_ON)
    assert (
        normalizer.normalize(bytearray(b"a b")) == normalizer.normalize(memoryview(b"a b")) == "▁a▁b".encode()
    )
    with pytest.raises(TypeError):
        normalizer.normalize("a b")  # type: ignore[arg-type]


def test_pickle() -> None:
    normalizer = Normalizer(rules("nfkc_cf"), **ALL_OFF, suffix=True, user_defined=["Ａ".encode()])
    copy = pickle.loads(pickle.dumps(normalizer))
    assert copy.normalize("ＡＢ b".encode()) == normalizer.normalize("ＡＢ b".encode()) == "Ａb b".encode()
    assert (copy.blob, copy.user_defined) == (normalizer.blob, normalizer.user_defined)


def test_threads_share_one() -> None:
    normalizer = Normalizer(rules("nmt_nfkc"), **ALL_ON, user_defined=["字a".encode()])
    texts = [lively_text(random.Random(i), LIVELY_PARTS, 4000) for i in range(8)]
    expected = [normalizer.normalize(text) for text in texts]
    found: list[list[bytes]] = [[] for _ in range(4)]

    def work(out: list[bytes]) -> None:
        for _ in range(20):
            out[:] = [normalizer.normalize(text) for text in texts]

    threads = [threading.Thread(target=work, args=(out,)) for out in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


@pytest.mark.parametrize(
    ("symbols", "error"),
    [
        ([b""], TypeError),
        (["a"], TypeError),
        ([b"\xff"], ValueError),
        ([b"a", "漢".encode()[:2]], ValueError),
    ],
)
def test_symbols_that_cannot_be(symbols: list[bytes], error: type[Exception]) -> None:
    with pytest.raises(error, match="user-defined symbol"):
        Normalizer(None, **ALL_ON, user_defined=symbols)


# Maps that are none

SMALL = make_map({b"a": b"b", "か゛".encode(): b"xyz"})
ARRAY = struct.unpack_from("<I", SMALL)[0]


def with_unit(index: int, unit: int) -> bytes:
    return SMALL[: 4 + 4 * index] + struct.pack("<I", unit) + SMALL[8 + 4 * index :]


A_UNIT = struct.unpack_from("<I", SMALL, 4)[0] >> 10 ^ ord("a")
BROKEN_MAPS = [
    (b"\0", "1 bytes, too few"),
    (b"\0\4\0\0", "4 bytes, too few"),
    (SMALL[: 4 + ARRAY], "does not fit"),
    (struct.pack("<I", 0) + b"\0" * 9, "multiple of 1,024"),
    (struct.pack("<I", ARRAY - 4) + SMALL[4:], "multiple of 1,024"),
    (SMALL[:-1], "last byte is not 0"),
    (with_unit(0, 1 << 10 | ord("a")), "no root"),
    (with_unit(0, 1 << 18 | 1 << 8), "no root"),
    (with_unit(0, 1 << 31), "no root"),
    (with_unit(A_UNIT, 1 << 30 | ord("a")), f"unit {A_UNIT:,} of its array leads out"),
    (
        with_unit(A_UNIT, A_UNIT << 10 | 1 << 8 | ord("a")),
        f"unit {A_UNIT:,} of its array names a replacement",
    ),
    (with_unit(5, 1 << 31 | 1000), "unit 5 of its array names a replacement"),
    (with_unit(0, 0), "leads back to itself"),
    (make_map({b"a": b"b\xff"}), "replacement at byte 0 of all replacements is not UTF-8"),
]


@pytest.mark.parametrize(("blob", "what"), BROKEN_MAPS)
def test_broken_maps(blob: bytes, what: str) -> None:
    with pytest.raises(ValueError, match="the compiled normalization map is malformed: .*" + what):
        Normalizer(blob, **ALL_ON)


def test_a_map_without_an_end_of_rules() -> None:
    # The children of "a" are those of the root: "aa", "aaa" and so on would all be begun.
    root = struct.unpack_from("<I", SMALL, 4)[0] >> 10
    loop = with_unit(A_UNIT, (A_UNIT ^ root) << 10 | ord("a"))
    with pytest.raises(ValueError, match=f"unit {A_UNIT:,} of its array leads back to itself"):
        Normalizer(loop, **ALL_ON)


def mutated(rng: random.Random, blob: bytes) -> bytes:
    data = bytearray(blob)
    for _ in range(rng.choice((1, 1, 2, 8))):
        at = rng.randrange(len(data)) if rng.random() < 0.6 else rng.randrange(min(len(data), 1200))
        data[at] = rng.choice((0, 255, data[at] ^ 1 << rng.randrange(8), rng.randrange(256)))
    if rng.random() < 0.05:
        del data[rng.randrange(len(data)) :]
    return bytes(data)


@pytest.mark.parametrize("name", ["nmt_nfkc", "small", "nested"])
def test_mutated_maps(name: str) -> None:
    """What is accepted, the library accepts, and it gives the same text."""
    nested = {b"a" * n: b"b" * n for n in range(1, 36)}
    blob = rules(name) if name == "nmt_nfkc" else SMALL if name == "small" else make_map(nested)
    rng = random.Random(name)
    accepted = 0
    for _ in range(1500):
        data = mutated(rng, blob)
        try:
            ours = Normalizer(data, **ALL_ON)
        except ValueError:
            continue
        accepted += 1
        theirs = Library(model_file(data))
        for _ in range(5):
            same(lively_text(rng, LIVELY_PARTS, 24), ours, theirs)
    assert 50 < accepted < 1450
