"""The native quick check of NFC, NFD, NFKC and NFKD against a plain twin: every tier, every code point, every phase."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import unicodedata
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpetk import _normalizer, composition
from bpetk.normalization_tables import LATER, unpack
from bpetk.unicode_tables import ranges

FORMS: tuple[composition.Form, ...] = ("NFC", "NFD", "NFKC", "NFKD")
TIERS = _normalizer.TIERS
CHARACTERS = [chr(code) for code in (*range(0xD800), *range(0xE000, 0x110000))]
UNKNOWN = {chr(code) for start, end in unpack(LATER) + ranges("Cn") for code in range(start, end + 1)}
FILLERS = {"en": "then a word, ", "zh": "中文，字。", "mixed": "é“—”ü 한글 щ あカ 😀 "}


@cache
def pairs() -> frozenset[tuple[str, str]]:
    """What composes: two characters, Hangul not included."""
    found = set()
    for char in CHARACTERS:
        parts = unicodedata.decomposition(char).split()
        known = char not in UNKNOWN and unicodedata.normalize("NFC", char) == char
        if known and len(parts) == 2 and "<" not in parts[0]:
            found.add((chr(int(parts[0], 16)), chr(int(parts[1], 16))))
    return frozenset(found)


@cache
def seconds() -> frozenset[str]:
    return frozenset(second for _, second in pairs())


@cache
def changes_alone(char: str, form: composition.Form) -> bool:
    jamo = "\u1161" <= char <= "\u1175" or "\u11a8" <= char <= "\u11c2"
    return (jamo and "C" in form) or composition.normalize(char, form) != char


@cache
def combining_class(char: str) -> int:
    return 0 if char in UNKNOWN else unicodedata.combining(char)


def quick_check(text: str, form: composition.Form) -> int:
    """Return what `first_change` has to return for the UTF-8 of a text."""
    for i, char in enumerate(text):
        before, cls = combining_class(text[i - 1]) if i else 0, combining_class(char)
        change = changes_alone(char, form) or (cls and before > cls)
        if i and "C" in form and char in seconds():
            if before:
                change = change or 0 < before < cls
            else:
                decomposed = changes_alone(text[i - 1], "NFD")
                change = change or decomposed or (text[i - 1], char) in pairs()
        if change:
            return len(text[:i].encode())
    return len(text.encode())


def check(text: str, form: composition.Form) -> None:
    data, wanted = text.encode(), quick_check(text, form)
    found = {tier: _normalizer.first_change(data, form, tier=tier) for tier in TIERS}
    assert found == dict.fromkeys(TIERS, wanted), f"{form} {text!a}"


@cache
def active(form: composition.Form) -> list[str]:
    """All characters at which the check may stop."""
    return [
        char
        for char in CHARACTERS
        if not char.isascii() and (changes_alone(char, form) or combining_class(char) or char in seconds())
    ]


@pytest.mark.parametrize("form", FORMS)
def test_every_character_that_can_matter_does(form: composition.Form) -> None:
    pad = "中文，字。 and" * 10
    for i, char in enumerate(active(form)):
        for text in (f"{pad[: i % 64]}{pad}\u0345{char}{pad}", f"{pad[i % 64 :]}\u0334{char}"):
            wanted = quick_check(text, form)
            tier = TIERS[i % len(TIERS)]
            assert _normalizer.first_change(text.encode(), form, tier=tier) == wanted, f"{char!a}, {tier}"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("tier", TIERS)
def test_no_other_character_does(form: composition.Form, tier: str) -> None:
    stops = set(active(form))
    data = "".join(char for char in CHARACTERS if char not in stops).encode()
    assert _normalizer.first_change(data, form, tier=tier) == len(data)
    # Behind a mark of the highest class too.
    data = "".join(f"a\u0345{char}" for char in CHARACTERS[::7] if char not in stops).encode()
    assert _normalizer.first_change(data, form, tier=tier) == len(data)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("filler", FILLERS)
def test_every_phase_of_the_blocks(form: composition.Form, filler: str) -> None:
    rng = random.Random(1)
    base = "".join(char for char in FILLERS[filler] * 30 if not changes_alone(char, form))
    sample = ["\u0301", "\u3099", "\u302a", "\u2000", "\u212b", "\uf900", "\U0002f800", "\u0345"]
    for char in sample + rng.sample(active(form), 40):
        for phase in range(66):
            check(base[:phase] + char + base[: 70 + phase // 2], form)
            check("x" * phase + base[:40] + char, form)


@pytest.mark.parametrize("form", FORMS)
def test_every_pair(form: composition.Form) -> None:
    firsts, others = {first for first, _ in pairs()}, {"a", "中", "\u0915", "\u0345", "ế", "가", ""}
    for first in firsts | others:
        for second in seconds():
            text = f"{first}{second}"
            found = _normalizer.first_change(text.encode(), form)
            assert found == quick_check(text, form), f"{text!a}"


@pytest.mark.parametrize("size", range(140))
def test_sizes(size: int) -> None:
    data = ("日本語、テスト。" * 6).encode()[: size // 3 * 3]
    for form in FORMS:
        for tier in TIERS:
            assert _normalizer.first_change(data, form, tier=tier) == quick_check(data.decode(), form)
            assert _normalizer.first_change(b"a" * size, form, tier=tier) == size


PARTS = [
    *"aeo xé中，がか가한щü“é",
    "\u0301",
    "\u0323",
    "\u0345",
    "\u0334",
    "\u093c",
    "\u09be",
    "\u3099",
    "\u1161",
    "\u11a8",
]
PARTS += [
    "\u0928",
    "\u09c7",
    "ế",
    "\u0fb2",
    "\u0f71",
    "\u16ff0",
    "\U00016ff0",
    "\u08d3",
    "中文字" * 8,
    "word " * 9,
]


@given(st.lists(st.sampled_from(PARTS) | st.characters(exclude_categories=["Cs"]), max_size=60).map("".join))
def test_random_text(text: str) -> None:
    for form in FORMS:
        check(text, form)
        # What the answer is good for: this is normalized, and so is all before the last character that starts anew.
        found = _normalizer.first_change(text.encode(), form)
        kept = text.encode()[:found].decode()
        if kept == text:
            assert composition.normalize(text, form) == text
        while kept and combining_class(kept[-1]):
            kept = kept[:-1]
        assert composition.normalize(text, form).startswith(kept[:-1])


def test_ill_formed_text_gives_some_offset() -> None:
    rng = random.Random(2)
    parts = [
        b"\x80",
        b"\xbf",
        b"\xc3",
        b"\xe3\x80",
        b"\xe3",
        b"\xf0\x9f",
        b"\xff",
        b"\xed\xa0\x80",
        b"\xcc\x81",
        b"a" * 9,
    ]
    for _ in range(2000):
        data = b"".join(rng.choices([*parts, "中文".encode()], k=rng.randrange(40)))
        for tier in TIERS:
            assert 0 <= _normalizer.first_change(data, "NFC", tier=tier) <= len(data)


def test_arguments() -> None:
    assert _normalizer.FORMS == FORMS
    assert TIERS[:2] == ("scalar", "portable")
    assert _normalizer.first_change(bytearray(b""), "NFC") == 0
    with pytest.raises(ValueError, match="unknown form 'nfc'; known here: NFC, NFD, NFKC, NFKD"):
        _normalizer.first_change(b"", "nfc")
    with pytest.raises(ValueError, match="unknown tier 'sse'"):
        _normalizer.first_change(b"", "NFC", tier="sse")


def test_portable_can_be_forced() -> None:
    code = "from bpetk import _normalizer as n; print(n.first_change('中文e\u0301'.encode() * 30, 'NFC'))"
    environment = {**os.environ, "BPETK_PORTABLE": "1", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "7\n"


def test_ordinary_text_passes() -> None:
    # Where Unicode's own quick check says Maybe: vowel signs of Bengali and Tamil, the nukta of Hindi.
    for text in (
        "আমার সোনার বাংলা",
        "தமிழ் வாழ்க",
        "ज़िन्दगी पढ़ना",
        "tiếng Việt",
        "مُحَمَّد",
        "שָׁלוֹם",
        "한국어",
        "ภาษาไทย",
    ):
        text = composition.normalize(text, "NFC")
        assert _normalizer.first_change(text.encode(), "NFC") == len(text.encode())
