"""Rewritten patterns of tiktoken against tiktoken itself: the pieces it keeps."""

from __future__ import annotations

import itertools
import random

import pytest
from adversarial import random_text

from bpetk import unicode_tables
from bpetk.custom_pattern import compile_pattern
from bpetk.errors import ConfigError
from bpetk.tiktoken_pattern import translate_tiktoken_pattern

from .test_custom_pattern import REAL
from .test_reference_scan import tiktoken_pieces

tiktoken = pytest.importorskip("tiktoken")


def kept(pattern: str, text: str) -> list[str]:
    compiled = compile_pattern(translate_tiktoken_pattern(pattern))
    return [text[start:end] for start, end in compiled.matches(compiled.classes(text))]


def same(pattern: str, texts: list[str]) -> None:
    """Assert that a pattern keeps the same pieces here as there."""
    for text, pieces in zip(texts, tiktoken_pieces(pattern, texts, longest=40), strict=True):
        assert kept(pattern, text) == pieces, f"{pattern!r} on {text!r}"


ACCEPTED = [name for name, pattern in REAL.items() if not compile_pattern(pattern, misleading=True).nullable]


@pytest.mark.parametrize("name", ACCEPTED)
def test_real_patterns(name: str) -> None:
    rng = random.Random(21)
    try:
        translate_tiktoken_pattern(REAL[name])
    except ConfigError:
        assert r"\Z" in REAL[name]
        return
    same(REAL[name], [random_text(rng, rng.choice((2, 4, 8, 16))) for _ in range(100)])


ATOMS = [
    *r"a b s k 1 漢 é . \n \s \S \d \D \w \W \h \H ' - ² \p{L} \P{L} \p{^Lu} \pN \PL \xdf \x{301} \u{e9}".split(),
    *r"[ab] [^a\s] [\w-] [\W] [\h_] ] } [a-c&&[^b]] [^a-z&&\p{L}] [[:alpha:]1] [[:^alnum:]] [^[:punct:]\d]".split(),
    *r"[^\s\p{L}\p{N}] [a[b1]\S&&[^\d]] [a&&b] [\p{L}--[ab]] [\S--a-c--\d] [^\w--b&&\P{Lu}] []a] [^]b]".split(),
    *r"\u00e9 [a-c-1] [-b] [a&'] [\b1] [\p{sc=Han}\p{Script=Latin}] [[^a]b] \p{gc=Lu} [a^] \- \' \#".split(),
    " ",
]
ASCII_ATOMS = "a b s k i t 1 ' [abk] [st] [a-z] (?:a|t)b? -".split()
QUANTIFIERS = (
    "? * + {2} {1,2} {2,} {,2} ?? *? +? {1,2}? {2,}? ?+ *+ ++ {2}+ {1,2}+ {2,}+ {2}? {,2}+ {1}?".split()
)
FUZZ_TEXT = "aabbsskkitST \n\r19²é漢A'-\u017f\u212a\u0301ß\u200d]}^_"


def made_up(rng: random.Random, depth: int = 0) -> str:
    """Return a random pattern; about two thirds of them are refused."""
    return "|".join(
        "".join(made_up_item(rng, depth) for _ in range(rng.choice((0, 1, 1, 2, 2, 3))))
        for _ in range(rng.choice((1, 1, 1, 2, 3)))
    )


def made_up_item(rng: random.Random, depth: int) -> str:
    draw = rng.random()
    if draw < 0.08:
        return rng.choice(r"^ $ \A \z \b \B".split())
    if draw < 0.2 and depth < 3:
        return rng.choice(("(?=", "(?!", "(?<=", "(?<!")) + made_up(rng, depth + 1) + ")"
    if draw < 0.25:
        item = "(?i:" + "".join(rng.choices(ASCII_ATOMS, k=rng.choice((1, 2, 3)))) + ")"
    elif draw < 0.3 and depth < 3:
        item = rng.choice(("(?s:", "(?is:", "(?-i:", "(?i-s:", "(?u:")) + made_up(rng, depth + 1) + ")"
    elif draw < 0.45 and depth < 3:
        item = rng.choice(("(", "(?:", "(?>", "(?P<x>", "(?<y>")) + made_up(rng, depth + 1) + ")"
    else:
        item = rng.choice(ATOMS)
    return item + (rng.choice(QUANTIFIERS) if rng.random() < 0.4 else "")


@pytest.mark.parametrize("seed", range(4))
def test_made_up_patterns(seed: int) -> None:
    rng = random.Random(seed)
    compared = 0
    for _ in range(700):
        pattern = rng.choice(("", "", "", "", "(?i)", "(?s)")) + made_up(rng)
        texts = ["".join(rng.choices(FUZZ_TEXT, k=rng.randrange(1, 10))) for _ in range(10)]
        try:
            translate_tiktoken_pattern(pattern)
            there = tiktoken_pieces(pattern, texts, longest=10)
        except ConfigError:
            continue
        except ValueError as error:
            if "Target of repeat operator is invalid" not in str(error):
                raise
            continue  # there an empty group must not be counted; here it may
        assert [kept(pattern, text) for text in texts] == there, pattern
        compared += 1
    assert compared > 150


NAMES = (
    "L M N P S Z C Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co Cn "
    "Letter uppercase_letter Mark number Punctuation symbol Separator Other unassigned Han Hani hiragana Katakana "
    "Latin Greek Cyrillic Hangul Thai Arabic Devanagari Common Inherited Old_Italic Alphabetic White_Space Uppercase "
    "lowercase"
)


def test_properties_at_the_borders_of_categories_and_scripts() -> None:
    kinds = [(unicode_tables.category(code), unicode_tables.script(code)) for code in range(0x110000)]
    edges = {
        code + side for code, (a, b) in enumerate(itertools.pairwise(kinds)) if a != b for side in (0, 1)
    }
    text = "".join(chr(code) for code in sorted(edges) if not 0xD800 <= code < 0xE000)
    ranks = {bytes([i]): i for i in range(256)}
    for name in NAMES.split():
        pattern = rf"\p{{{name}}}+"
        encoding = tiktoken.Encoding("bytes", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
        assert "".join(kept(pattern, text)) == encoding.decode(encoding.encode_ordinary(text)), name


@pytest.mark.parametrize(
    ("pattern", "text", "there"),
    [
        pytest.param("(?i:ss)", "ßsS", ["sS"], id="no ligatures"),
        pytest.param(r"a\Z", "a\n", ["a"], id="the end before line ends"),
        pytest.param("[a-c~~b-d]", "abcd", ["a", "d"], id="symmetric difference"),
        pytest.param(r"\<a", "aa a", ["a", "a"], id="the start of a word"),
        pytest.param("(?m:^a)", "a\na", ["a", "a"], id="lines"),
    ],
)
def test_refused_constructs_have_a_meaning_there(pattern: str, text: str, there: list[str]) -> None:
    assert tiktoken_pieces(pattern, [text], longest=5) == [there]
    with pytest.raises(ConfigError):
        translate_tiktoken_pattern(pattern)
