"""Normalizers and the offsets behind them, against `tokenizers`: every code point, every pair, random text."""

from __future__ import annotations

import json
import unicodedata
from functools import cache
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bpetk.aligned import AlignedText
from bpetk.normalization_tables import LATER, unpack
from bpetk.normalizers import Normalizer, normalizer_from_hf

tokenizers = pytest.importorskip("tokenizers")

Config = dict[str, Any]
CODES = [*range(1, 0xD800), *range(0xE000, 0x110000)]
FORMS = ("NFC", "NFD", "NFKC", "NFKD")


def bert(clean: bool, chinese: bool, accents: bool | None, lower: bool) -> Config:
    options = {
        "clean_text": clean,
        "handle_chinese_chars": chinese,
        "strip_accents": accents,
        "lowercase": lower,
    }
    return {"type": "BertNormalizer", **options}


def strip(left: bool, right: bool) -> Config:
    return {"type": "Strip", "strip_left": left, "strip_right": right}


def replace(kind: str, pattern: str, content: str) -> Config:
    return {"type": "Replace", "pattern": {kind: pattern}, "content": content}


def sequence(*steps: Config) -> Config:
    return {"type": "Sequence", "normalizers": [*steps]}


PLAIN: list[Config] = [
    *({"type": name} for name in (*FORMS, "Nmt", "Lowercase", "StripAccents", "ByteLevel")),
    bert(True, False, False, False),
    bert(False, True, False, False),
    bert(False, False, True, False),
    bert(True, True, None, True),
    bert(True, True, None, False),
    bert(True, False, False, True),
    strip(True, True),
]
MORE: list[Config] = [
    strip(True, False),
    strip(False, True),
    strip(False, False),
    replace("String", " ", "▁"),
    replace("String", "e\u0301", "xyz"),
    replace("String", "aa", "a"),
    replace("String", "", ""),
    replace("String", "n", ""),
    replace("Regex", r"\s+", " "),
    replace("Regex", r"\p{M}+", "_"),
    replace("Regex", "^", ""),
    replace("Regex", "a|e(?=\u0301)", "$1"),
    {"type": "Prepend", "prepend": "▁"},
    {"type": "Prepend", "prepend": "xé"},
    sequence(),
]


@cache
def loaded(config: str) -> tuple[Any, Normalizer]:
    """Return the reference, which makes a token of every character, and the normalizer here."""
    model = tokenizers.models.WordLevel({"?": 0}, unk_token="?")
    file = json.loads(tokenizers.Tokenizer(model).to_str())
    file["pre_tokenizer"] = {
        "type": "Split",
        "pattern": {"String": ""},
        "behavior": "Isolated",
        "invert": False,
    }
    file["normalizer"] = json.loads(config)
    found = normalizer_from_hf(file["normalizer"])
    assert found is not None
    return tokenizers.Tokenizer.from_str(json.dumps(file)), found


def check(config: Config, text: str) -> None:
    """Assert that a text becomes the same, and each of its characters stands for the same."""
    there, here = loaded(json.dumps(config))
    wanted = there.normalizer.normalize_str(text)
    aligned = here.align(AlignedText(text))
    assert here.normalize(text) == wanted
    assert aligned.text == wanted
    assert aligned.all_spans() == there.encode(text).offsets
    if here.unchanged(text.encode()):
        assert aligned == AlignedText(text)


# --- every code point, every pair -----------------------------------------------------------------------------------


@pytest.mark.parametrize("config", PLAIN, ids=json.dumps)
@pytest.mark.parametrize("before", ["", "e"])
def test_every_code_point(config: Config, before: str) -> None:
    there, here = loaded(json.dumps(config))
    for start in range(0, len(CODES), 100_000):
        text = "".join(f"{before}{chr(code)}" for code in CODES[start : start + 100_000])
        assert here.normalize(text) == there.normalizer.normalize_str(text)


@pytest.mark.parametrize("config", PLAIN, ids=json.dumps)
def test_offsets_of_every_character_that_changes(config: Config) -> None:
    _, here = loaded(json.dumps(config))
    touched = [char for char in map(chr, CODES) if not char.isascii() and here.normalize(char) != char]
    touched = touched[:: max(1, len(touched) // 2000)]
    for start in range(0, len(touched), 500):
        check(config, "".join(f"e{char}\u0323" for char in touched[start : start + 500]))


def test_every_pair_that_composes_and_every_other_of_the_same_characters() -> None:
    pairs = [unicodedata.decomposition(chr(code)).split() for code in CODES]
    pairs = [pair for pair in pairs if len(pair) == 2 and "<" not in pair[0]]
    firsts, seconds = (
        [chr(int(code, 16)) for code in sorted(set(part))] for part in zip(*pairs, strict=True)
    )
    texts = [f"a{first}{second}" for first in firsts for second in seconds]
    for form in ("NFC", "NFKC"):
        there, here = loaded(json.dumps({"type": form}))
        assert here.normalize("".join(texts)) == there.normalizer.normalize_str("".join(texts))
    for start in range(0, len(texts), 9_000):
        check({"type": "NFC"}, "".join(texts[start : start + 300]))


@pytest.mark.parametrize("form", FORMS)
def test_hangul(form: str) -> None:
    syllables = "".join(map(chr, range(0xAC00, 0xD7A4)))
    jamo = "".join(chr(code) + chr(0xAC00 + 7 * (code & 15)) for code in range(0x1100, 0x1200))
    for text in (syllables, unicodedata.normalize("NFD", syllables)[::-1], jamo, jamo[::-1]):
        there, here = loaded(json.dumps({"type": form}))
        assert here.normalize(text) == there.normalizer.normalize_str(text)
        check({"type": form}, text[:600])


def test_later_characters_are_left_alone_and_separate_others() -> None:
    later = [chr(code) for start, end in unpack(LATER) for code in range(start, end + 1)]
    text = "".join(f"e{char}\u0301{char}\u0323" for char in later)
    for form in FORMS:
        check({"type": form}, text)
        # 11935 and 11930 compose since Unicode 13.0.
        check({"type": form}, "e\u0301\U00011935\U00011930\u0301\U00011938")


# --- random text ----------------------------------------------------------------------------------------------------

MARKS = (
    "\u0300\u0301\u0308\u0323\u0327\u0331\u0345\u0334\u0338\u0344\u0340\u0f71\u0f72\u0f73\u0f75\u05b0\u05bc\u064b\u0653"
    "\u093c\u094d\u09be\u09d7\u3099\u309a\u302a\u1df6\u08d3\U00016ff0\U0001d165\U0001d16d\U0001e130\U00011930\U000110ba"
)
OTHERS = (
    "aeiouAEnsZ  \t\n.\0\x7f\x01\x85\xa0éüệṩİıΣσςᾳµſßẞﬁﷺＡ　▁\ufeff\u200d\u212b\u2126\u037e\ufb1d\ufb2a"
    "ᄀ가각한\u1100\u1161\u11a8\u1175\u11c2\ud7a3かがヲ中㐀\uf900\U0002f800\U0002b820\U0002b920"
    "\u0915\u0928\u0929\u0995\u09c7\u0bc6\u0bbe\U00011935\U00011938\U0001d15e😀\ue000\ufffd\uab69\u1c89\U00010781"
)
TEXTS = st.text(
    st.one_of(st.sampled_from(MARKS), st.sampled_from(OTHERS), st.characters(exclude_categories=["Cs"])),
    max_size=20,
)


@given(text=TEXTS, config=st.sampled_from(PLAIN + MORE))
@settings(max_examples=600)
@example(text="e\u0301", config={"type": "NFC"})
@example(text="e\u0301\u0323", config={"type": "NFC"})
@example(text="e\u0323\u0308\u0301x", config={"type": "NFKC"})
@example(text="\u0e33ΑΣ ΑΣ", config={"type": "Lowercase"})
@example(text="  ", config=strip(True, True))
@example(text="\u0301a\u0301\u0302b", config={"type": "StripAccents"})
def test_random_text(text: str, config: Config) -> None:
    check(config, text)


@given(text=TEXTS, steps=st.lists(st.sampled_from(PLAIN + MORE), max_size=5), nested=st.booleans())
@settings(max_examples=300)
@example(text="  a", steps=[strip(True, False), replace("String", "a", "bcd"), {"type": "NFD"}], nested=False)
def test_random_sequences(text: str, steps: list[Config], nested: bool) -> None:
    check(sequence(*steps[:1], sequence(*steps[1:])) if nested else sequence(*steps), text)


@pytest.mark.parametrize("form", FORMS)
def test_long_runs_of_marks(form: str) -> None:
    for start in range(0, len(MARKS), 3):
        check({"type": form}, "e" + (MARKS[start:] + MARKS[:start]) * 5 + "o\u0308")


@pytest.mark.parametrize("config", PLAIN + MORE, ids=json.dumps)
def test_pieces_between_added_tokens(config: Config) -> None:
    there, here = loaded(json.dumps(config))
    there = tokenizers.Tokenizer.from_str(there.to_str())
    there.add_special_tokens(["<s>"])
    text = " e\u0301 A<s>é\u0323 <s>  x\u0301"
    found, start = [], 0
    for piece in text.split("<s>"):
        found += here.align(AlignedText(text).slice(start, start + len(piece))).all_spans()
        found += [(start + len(piece), start + len(piece) + 3)]
        start += len(piece) + 3
    assert found[:-1] == there.encode(text).offsets


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", PLAIN + MORE + [sequence(*PLAIN)], ids=json.dumps)
def test_the_configuration_is_written_as_there(config: Config) -> None:
    there, here = loaded(json.dumps({**config, "more": 1}))
    assert list(here.config.items()) == list(json.loads(there.to_str())["normalizer"].items())


@pytest.mark.parametrize("mark", [*map(chr, range(1, 128)), "é", "\u2581", "a.b", "\\d", "[a]", "(?i)a", "#"])
def test_a_string_to_replace_is_taken_literally(mark: str) -> None:
    check(replace("String", mark, "é"), f"x{mark}{mark}y abd 1{mark}")


@pytest.mark.parametrize(
    "config", [{"type": "Prepend", "prepend": ""}, replace("Regex", "^", "x"), replace("String", "", "x")]
)
def test_the_reference_fails_behind_what_is_refused(
    config: Config, capfd: pytest.CaptureFixture[str]
) -> None:
    make = tokenizers.normalizers
    kind = config["type"]
    if kind == "Prepend":
        there = make.Prepend("")
    else:
        there = make.Replace(tokenizers.Regex("^") if "Regex" in config["pattern"] else "", "x")
    with pytest.raises(BaseException, match="index out of bounds"):
        make.Sequence([there, make.Lowercase()]).normalize_str("ab")
    capfd.readouterr()
