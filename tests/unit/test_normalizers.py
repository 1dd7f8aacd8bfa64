"""Normalizers read from files: what each does, and what is refused."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpetk import composition
from bpetk.aligned import AlignedText
from bpetk.errors import ModelFileError
from bpetk.normalizers import Normalizer, normalizer_from_hf

Config = dict[str, Any]


def make(kind: str, **options: Any) -> Normalizer:
    found = normalizer_from_hf({"type": kind, **options})
    assert found is not None
    return found


BERT = {"clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True}
STRIP = {"strip_left": True, "strip_right": True}


def replace(kind: str, pattern: str, content: str) -> Normalizer:
    return make("Replace", pattern={kind: pattern}, content=content)


@pytest.mark.parametrize(
    ("normalizer", "text", "expected"),
    [
        (make("NFC"), "e\u0301\u0323", "ẹ\u0301"),
        (make("NFD"), "é가", "e\u0301\u1100\u1161"),
        (make("NFKC"), "ﬁ Ａ", "fi A"),
        (make("NFKD"), "½", "1⁄2"),
        (make("NFKC"), "\u32ff\ua7f2\uab69\U00010781", "\u32ff\ua7f2\uab69\U00010781"),
        (make("NFC"), "\U00011935\U00011930", "\U00011935\U00011930"),
        (make("Lowercase"), "ΑΣ İ ẞ \ua7dc", "ας".replace("ς", "σ") + " i\u0307 ß \u019b"),
        (make("Nmt"), "a\x01\tb\u200dc\ufeff\x00\x85\xa0", "a b c \x00\x85\xa0"),
        (make("Strip", **STRIP), "\u3000\x1c a \x85", "\x1c a"),
        (make("Strip", strip_left=True, strip_right=False), " a ", "a "),
        (make("Strip", strip_left=False, strip_right=True), " a ", " a"),
        (make("Strip", **STRIP), " \n ", ""),
        (make("StripAccents"), "e\u0301é\u0903\u20dd", "eé"),
        (replace("String", ".", "$1"), "a.b", "a$1b"),
        (replace("Regex", r"\s+", "_"), "a \n b", "a_b"),
        (make("Prepend", prepend="▁"), "a", "▁a"),
        (make("Prepend", prepend="▁"), "", ""),
        (make("ByteLevel"), " é\n", "ĠÃ©Ċ"),
        (make("BertNormalizer", **BERT), "É\x0b中\u0301a\tb", "e 中 a b"),
        (make("BertNormalizer", **BERT | {"lowercase": False}), "É中", "É 中 "),
        (make("BertNormalizer", **BERT | {"strip_accents": False}), "É", "é"),
        (make("BertNormalizer", **BERT), "\U0002b820\U0002b920", "\U0002b820 \U0002b920 "),
    ],
)
def test_what_each_does(normalizer: Normalizer, text: str, expected: str) -> None:
    assert normalizer.normalize(text) == expected
    assert normalizer.align(AlignedText(text)).text == expected


def test_steps_are_taken_in_order() -> None:
    steps = [{"type": "Prepend", "prepend": "é"}, {"type": "NFD"}, {"type": "StripAccents"}]
    there = make("Sequence", normalizers=steps)
    assert there.normalize("e\u0301x") == "eex"
    assert there.align(AlignedText("e\u0301x", 5)) == AlignedText("eex", 5, [(5, 6), (5, 6), (7, 8)])
    assert there.config == {"type": "Sequence", "normalizers": steps}


def test_nothing_to_do() -> None:
    assert normalizer_from_hf(None) is None
    assert make("Sequence", normalizers=[]).unchanged(b"\xff")


def test_the_configuration_is_complete() -> None:
    found = make("BertNormalizer", clean_text=True, handle_chinese_chars=False, lowercase=True, other=1)
    assert found.config == {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": False,
        "strip_accents": None,
        "lowercase": True,
    }


ALL = [
    *map(make, ("NFC", "NFD", "NFKC", "NFKD", "Nmt", "Lowercase", "StripAccents", "ByteLevel")),
    *(make("Strip", strip_left=left, strip_right=right) for left in (False, True) for right in (False, True)),
    make("BertNormalizer", **BERT),
    replace("String", "ab", "ab"),
    replace("String", "", ""),
    replace("Regex", "a", "b"),
    make("Prepend", prepend="x"),
    make("Sequence", normalizers=[{"type": "Lowercase"}, {"type": "NFC"}]),
]
TEXTS = st.text(
    st.sampled_from("abAB \n\t\x01é\u0301\u00c9中Ａ\u3000\u2009😀\ud7a3\u1100")
    | st.characters(exclude_categories=["Cs"])
)


@given(TEXTS)
def test_unchanged_is_never_wrong(text: str) -> None:
    for normalizer in ALL:
        if normalizer.unchanged(text.encode()):
            assert normalizer.normalize(text) == text
            assert normalizer.align(AlignedText(text, 3)) == AlignedText(text, 3)


@pytest.mark.parametrize(
    ("normalizer", "text"),
    [
        (make("NFC"), "plain, naïve, 中文，한국어"),
        (make("NFKC"), "plain, 中文"),
        (make("Lowercase"), "plain\n"),
        (make("Nmt"), "plain"),
        (make("StripAccents"), "plain"),
        (make("Strip", **STRIP), "中 a é"),
        (make("Strip", **STRIP), ""),
        (make("Strip", strip_left=True, strip_right=False), "a "),
        (replace("String", "x", "y"), "plain é"),
        (make("BertNormalizer", **BERT), "plain text"),
        (make("ByteLevel"), "plain"),
        (make("Prepend", prepend="x"), ""),
    ],
)
def test_unchanged_says_so_where_it_is_cheap(normalizer: Normalizer, text: str) -> None:
    assert normalizer.unchanged(text.encode())


@pytest.mark.parametrize(
    ("normalizer", "text"),
    [(make("Strip", **STRIP), "\u3000a"), (make("Strip", **STRIP), "a\x85"), (make("NFC"), "e\u0301")],
)
def test_unchanged_denies(normalizer: Normalizer, text: str) -> None:
    assert not normalizer.unchanged(text.encode())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ([], "normalizer: expected an object or null, found []"),
        ({}, "normalizer.type: expected a string, found null"),
        ({"type": "nfc"}, "normalizer.type: 'nfc' is not supported; supported are: NFC, NFD,"),
        (
            {"type": "Precompiled", "precompiled_charsmap": "AA=="},
            "normalizer.precompiled_charsmap: the compiled normalization map is malformed: it has 1 bytes",
        ),
        ({"type": "Strip", "strip_left": 1}, "normalizer.strip_left: expected true or false, found 1"),
        ({"type": "Strip", "strip_left": True}, "normalizer.strip_right: expected true or false, found null"),
        ({"type": "Prepend"}, "normalizer.prepend: expected a string, found null"),
        ({"type": "Prepend", "prepend": ""}, "normalizer.prepend: it is empty"),
        ({"type": "Replace", "content": "a"}, 'normalizer.pattern: expected {"String": text} or'),
        (
            {"type": "Replace", "pattern": {"String": "a", "Regex": "b"}, "content": ""},
            "normalizer.pattern: expected",
        ),
        (
            {"type": "Replace", "pattern": {"String": 1}, "content": ""},
            "normalizer.pattern.String: expected a string",
        ),
        (
            {"type": "Replace", "pattern": {"String": "a"}},
            "normalizer.content: expected a string, found null",
        ),
        (
            {"type": "Replace", "pattern": {"String": ""}, "content": "a"},
            "normalizer.pattern: it can match nothing",
        ),
        (
            {"type": "Replace", "pattern": {"Regex": "a*"}, "content": "a"},
            "normalizer.pattern: it can match nothing",
        ),
        (
            {"type": "Replace", "pattern": {"Regex": "(?<n>a)"}, "content": ""},
            "normalizer.pattern.Regex: '(?<'",
        ),
        (
            {"type": "BertNormalizer", "clean_text": True},
            "normalizer.handle_chinese_chars: expected true or false",
        ),
        (
            {"type": "BertNormalizer", **BERT, "strip_accents": 0},
            "normalizer.strip_accents: expected true or false",
        ),
        ({"type": "Sequence"}, "normalizer.normalizers: expected a list, found null"),
        (
            {"type": "Sequence", "normalizers": [None]},
            "normalizer.normalizers[0]: expected an object, found null",
        ),
        (
            {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "X"}]},
            "normalizer.normalizers[1].type: 'X' is not supported",
        ),
    ],
)
def test_what_is_refused_is_named(config: Any, message: str) -> None:
    with pytest.raises(ModelFileError) as error:
        normalizer_from_hf(config)
    assert str(error.value).startswith(message)


def test_the_field_is_the_callers() -> None:
    with pytest.raises(ModelFileError, match=r"^here: expected an object"):
        normalizer_from_hf(1, "here")


def test_deep_nesting_is_refused() -> None:
    config: Config = {"type": "NFC"}
    for _ in range(62):
        config = {"type": "Sequence", "normalizers": [config]}
    assert normalizer_from_hf(config)
    with pytest.raises(ModelFileError, match="nested more than 62 deep"):
        normalizer_from_hf({"type": "Sequence", "normalizers": [config]})


def test_slow_imports_wait_for_a_pattern() -> None:
    code = (
        "import sys; from bpetk.normalizers import normalizer_from_hf\n"
        "normalizer_from_hf({'type': 'NFC'}).normalize('e\\u0301')\n"
        "print(sorted({'numpy', 'regex'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


STRANGE = [
    "a",
    " ",
    "\n",
    "e\u0301",
    "é",
    "中",
    "ﬁ",
    "가",
    "\u1100\u1161\u11a8",
    "\u0323",
    "\u0307",
    "か\u3099",
    "ｶﾞ",
]
STRANGE += ["\u2126", "\u0958", "q\u0307\u0323", "\U0001d15e", "\u32ff", "\u0e33", "x" * 70, "日" * 40]


@given(
    st.lists(st.sampled_from(STRANGE), max_size=60).map("".join),
    st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]),
    st.sampled_from([1, 4, 64]),
)
def test_around_changes_only_is_the_same(text: str, form: composition.Form, window: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(composition, "_WINDOW", window)
        assert composition._normalize_windows(text, form) == composition._normalize_whole(text, form)


def test_long_texts_are_normalized_quickly() -> None:
    text = ("the quick brown fox " * 20 + "e\u0301 ") * 2000
    started = time.perf_counter()
    assert make("NFC").normalize(text) == text.replace("e\u0301", "é")
    assert time.perf_counter() - started < 1
    assert make("NFC").normalize("\ud800" + text).startswith("\ud800")
