"""Patterns of the user, and the Unicode sets behind them, against the Oniguruma inside `tokenizers`."""

from __future__ import annotations

import itertools
import random
import string
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpetk import unicode_tables
from bpetk.code_points import named_sets, shorthand
from bpetk.custom_pattern import compile_pattern
from bpetk.errors import ConfigError
from bpetk.pretokenizers import SCHEMES
from bpetk.unicode_tables import category, ranges, script

from .test_reference_scan import CORPORA, TIKTOKEN_PATTERNS, oniguruma, random_texts

tokenizers = pytest.importorskip("tokenizers")

CODES = [*range(0xD800), *range(0xE000, 0x110000)]
EVERYTHING = "".join(map(chr, CODES))


def same(pattern: str, texts: list[str]) -> None:
    """Assert that a pattern cuts texts here as it does there."""
    there = oniguruma(pattern)
    compiled = compile_pattern(pattern, misleading=True)
    for text in texts:
        here = [text[start:end] for start, end in compiled.spans(text)]
        assert here == there(text), f"{pattern!r} on {text!r}"


# --- sets, code point by code point ---------------------------------------------------------------------------------


@cache
def oniguruma_set(pattern: str, text: str) -> frozenset[str]:
    """Return the characters of the text that a pattern of one character matches."""
    removed = tokenizers.pre_tokenizers.Split(tokenizers.Regex(f"(?:{pattern})+"), "removed")
    return frozenset(text) - frozenset("".join(piece for piece, _ in removed.pre_tokenize_str(text)))


def characters(found: unicode_tables.Ranges) -> frozenset[str]:
    codes = itertools.chain.from_iterable(range(start, end + 1) for start, end in found)
    return frozenset(chr(code) for code in codes if not 0xD800 <= code < 0xE000)


@pytest.mark.parametrize("kind", ["category", "script"])
def test_every_code_point_has_the_category_and_script_it_has_there(kind: str) -> None:
    # One alternative a value: where two code points side by side differ, and only there, a piece ends.
    values = [{"category": category, "script": script}[kind](code) for code in CODES]
    runs = [(value, len(list(group))) for value, group in itertools.groupby(values)]
    ends = list(itertools.accumulate(size for _, size in runs))
    pattern = "|".join(rf"\p{{{value}}}+" for value in sorted(set(values)))
    pieces = oniguruma(pattern)(EVERYTHING)
    assert list(itertools.accumulate(map(len, pieces))) == ends
    # Then the first character of each run decides for the whole run.
    firsts = [(value, EVERYTHING[end - size]) for (value, size), end in zip(runs, ends, strict=True)]
    sample = "".join(char for _, char in firsts)
    for value in set(values):
        assert oniguruma_set(rf"\p{{{value}}}", sample) == {char for name, char in firsts if name == value}, (
            value
        )


@pytest.mark.parametrize("pattern", [r"\d+", r"\s+", r"\w+", r"[\w]+"])
def test_shorthand_sets_at_every_code_point(pattern: str) -> None:
    same(pattern, [EVERYTHING])


@pytest.mark.parametrize("letter", "dswhDSWH")
@pytest.mark.parametrize("in_class", [False, True], ids=["alone", "in brackets"])
def test_shorthand_sets(letter: str, in_class: bool) -> None:
    pattern = f"[\\{letter}]" if in_class else f"\\{letter}"
    same(f"(?:{pattern})+", [boundaries()])
    assert oniguruma_set(pattern, boundaries()) == characters(shorthand(letter, in_class)) & frozenset(
        boundaries()
    )


@cache
def boundaries() -> str:
    """Return the first and last character of every run of equal properties, and all of Latin-1."""
    names = ["White_Space", "Alphabetic", "Uppercase", "Lowercase", "M", "P", "S", "Z"]
    names += ["Lu", "Ll", "Lt", "Lm", "Lo", "Nd", "Nl", "No", "Cc", "Cf", "Cn", "Co", "Han", "Latn"]
    found = itertools.chain.from_iterable(map(ranges, names))
    edges = {edge for start, end in found for edge in (start - 1, start, end, end + 1)}
    edges |= set(range(256))
    return "".join(
        chr(code) for code in sorted(edges) if 0 <= code < 0x110000 and not 0xD800 <= code < 0xE000
    )


@pytest.mark.parametrize("name", sorted(named_sets()))
def test_named_sets(name: str) -> None:
    here = characters(named_sets()[name]) & frozenset(boundaries())
    forms = [rf"\p{{{name}}}", rf"[\p{{{name}}}]", rf"[^\P{{{name}}}]"]
    forms += [] if name in ("any", "assigned", "lc") else [f"[[:{name}:]]", f"[^[:^{name}:]]"]
    for form in forms:
        assert oniguruma_set(form, boundaries()) == here, form
        same(f"(?:{form})+", [boundaries()])


@pytest.mark.parametrize(
    "pattern", [r"\p{punct}", "[[:punct:]]", "[[:word:]]", r"[^\P{punct}]", "[[:^word:]]"]
)
def test_sets_that_mean_different_things_in_different_places(pattern: str) -> None:
    same(f"(?:{pattern})+", [boundaries()])


PROPERTIES = (
    "letter uppercase_letter Lowercase-Letter TitlecaseLetter modifierletter otherletter mark nonspacingmark "
    "spacingmark enclosingmark number decimalnumber letternumber othernumber punctuation connectorpunctuation "
    "dashpunctuation openpunctuation closepunctuation initialpunctuation finalpunctuation otherpunctuation symbol "
    "mathsymbol currencysymbol modifiersymbol othersymbol separator spaceseparator lineseparator paragraphseparator "
    "other control format privateuse unassigned L M N P S Z C han Hiragana KATAKANA thai hangul Old_Italic "
    "white_space alphabetic uppercase lowercase ^Han ^lu unknown common inherited Assigned Any LC"
)


@pytest.mark.parametrize("name", PROPERTIES.split())
def test_property_names(name: str) -> None:
    same(rf"\p{{{name}}}+", [boundaries()])


@pytest.mark.parametrize("char", string.ascii_letters + string.digits + string.punctuation + " ")
def test_case_of_every_ascii_character(char: str) -> None:
    escaped = char if char.isalnum() else "\\" + char
    here = frozenset(compile_and_collect(f"(?i:{escaped})"))
    assert oniguruma_set(f"(?i:{escaped})", boundaries()) == here
    assert oniguruma_set(f"(?i:[{escaped}])", boundaries()) == here
    assert here >= {char.lower(), char.upper()}


def compile_and_collect(pattern: str) -> list[str]:
    """Return the characters of the boundaries that a pattern of one character matches."""
    text = "".join(char * 2 for char in boundaries())  # two pieces if it matches, part of a gap if not
    return [text[start] for start, end in compile_pattern(pattern).spans(text) if end == start + 1]


@pytest.mark.parametrize("char", string.punctuation + " ")
def test_escaped_punctuation(char: str) -> None:
    same(rf"\{char}+|[\{char}x]", [f"a{char}{char}bx", string.punctuation])


# --- whole patterns -------------------------------------------------------------------------------------------------

WORDS = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]", "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]"
ENDING = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
REAL = {
    "qwen3.5": (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
    "kimi-k2": (
        rf"[\p{{Han}}]+|[^\r\n\p{{L}}\p{{N}}]?{WORDS[0]}*{WORDS[1]}+{ENDING}"
        rf"|[^\r\n\p{{L}}\p{{N}}]?{WORDS[0]}+{WORDS[1]}*{ENDING}"
        r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
    "deepseek-1": r"\p{N}{1,3}",
    "deepseek-2": "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
    "deepseek-3": (
        r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
        r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
    "tiktoken-gpt2": TIKTOKEN_PATTERNS["gpt2"],
    "numbers by two": (
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]++[\r\n]*"
        r"|\s*[\r\n]|\s+(?!\S)|\s+"
    ),
    "bloom": " ?[^(\\s|[.,!?…。，、।۔،])]+",
    "three digits": "[0-9][0-9][0-9]",
    "digits from the right": r"\d{1,3}(?=(?:\d{3})*\b)",
    "camel case": "(?<=[a-z])(?=[A-Z])",
    "case without properties": (
        r"[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))*((?=[\p{L}])([^A-Z]))+(?:'[sS]|'[tT]|'[rR][eE])?"
        r"|[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))+((?=[\p{L}])([^A-Z]))*|\p{N}{1,3}|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
    "words": r"\w+|[^\w\s]+",
    "clip": r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    "words with blanks": (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"
    ),
    "blanks by powers of two": r"\p{L}+|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}",
    "line ends by themselves": r"(?:\r?\n)+(?!\r?\n)|[\r\n]",
    "digits from the right, empty": r"(?=(\d{3})+(?!\d))",
    "punctuation of two scripts": "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+",
    "overlapping ranges": "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+",
    "cased letters": "\\s?[A-Za-z\xb5\xc0-\xd6\xd8-\xf6\xf8-\u01ba\u1f5f-\u1f7d\u212a-\u212d\U00010400-\U0001044f]+",
    "image tokens": "(IMGIMG)((A|B|C|D){1,4})Z|<sentinel:[0-9]+>|([\\t\\n]|    |  )",
    "possessive count": TIKTOKEN_PATTERNS["cl100k_tiktoken"],
    "ends of lines": r"\s+$|^\s+",
} | {name: scheme.pattern for name, scheme in SCHEMES.items() if scheme.pattern}


@pytest.mark.parametrize("name", REAL)
def test_real_pattern_on_random_text(name: str) -> None:
    same(REAL[name], random_texts(700, seed=4))


@pytest.mark.parametrize("corpus", CORPORA)
def test_real_patterns_on_real_text(corpus: str, shared_corpus: Callable[..., Path]) -> None:
    text = shared_corpus(corpus, 50_000).read_text("utf-8")
    for pattern in REAL.values():
        there = oniguruma(pattern)(text)
        here = [text[start:end] for start, end in compile_pattern(pattern, misleading=True).spans(text)]
        differing = [i for i, (a, b) in enumerate(zip(here, there, strict=False)) if a != b][:1]
        assert not differing, (pattern, here[differing[0] :][:3], there[differing[0] :][:3])
        assert len(here) == len(there), pattern


ATOMS = [
    *r"a b s k 1 漢 é . \n \s \S \d \w \W \h ' - ² \p{L} \P{L} \p{^Lu} \x{301} \x{df} [ab] [^a\s] [\w-]".split(),
    *r"[a-c&&[^b]] [^a-z&&\p{L}] [[:alpha:]1] [\r\n] [^\s\p{L}\p{N}] [a[b1]\S&&[^\d]] [a&&b]".split(),
    " ",
]
ANCHORS = r"^ $ \A \z \Z \b \B".split()
ASCII_ATOMS = "a b s f i t s' k- [abk] [st] [a-z] -s (?:a|s)b? s+ f{1,2} (?=s)t ^a".split()
QUANTIFIERS = (
    "? * + {2} {1,2} {2,} {,2} ?? *? +? {1,2}? {2,}? ?+ *+ ++ {2}+ {1,2}+ {2,}+ {2}? {2}++ {0,1}+".split()
)
FUZZ_TEXT = "aabbskfit \n\r19²é漢A'-\u017f\u212a\u0301ßﬁ\x85\u200d"


def made_up(rng: random.Random, depth: int = 0) -> str:
    """Return a random pattern; about half of them are refused."""
    return "|".join(
        "".join(made_up_item(rng, depth) for _ in range(rng.choice((0, 1, 1, 2, 2, 3))))
        for _ in range(rng.choice((1, 1, 1, 2, 3)))
    )


def made_up_item(rng: random.Random, depth: int) -> str:
    draw = rng.random()
    if draw < 0.08:
        return rng.choice(ANCHORS)
    if draw < 0.14 and depth < 3:
        return rng.choice(("(?<=", "(?<!")) + made_up(rng, depth + 1) + ")"
    if draw < 0.19 and depth < 3:
        return rng.choice(("(?=", "(?!")) + made_up(rng, depth + 1) + ")"
    if draw < 0.24:
        item = "(?i:" + "|".join(rng.choices(ASCII_ATOMS, k=rng.choice((1, 2, 3)))) + ")"
    elif draw < 0.29 and depth < 3:
        item = rng.choice(("(?i:", "(?m:", "(?im:", "(?-i:", "(?m-i:")) + made_up(rng, depth + 1) + ")"
    elif draw < 0.42 and depth < 3:
        item = rng.choice(("(", "(?:", "(?:", "(?>")) + made_up(rng, depth + 1) + ")"
    else:
        item = rng.choice(ATOMS)
    return item + (rng.choice(QUANTIFIERS) if rng.random() < 0.4 else "")


def compare_if_accepted(pattern: str, text: str, rng: random.Random) -> bool:
    """Assert that a pattern is refused here, or accepted there and cutting alike; return whether accepted."""
    try:
        compile_pattern(pattern, misleading=True)
    except ConfigError:
        return False
    same(pattern, ["".join(rng.choices(text, k=rng.randrange(10))) for _ in range(12)])
    return True


@pytest.mark.parametrize("seed", range(4))
def test_made_up_patterns(seed: int) -> None:
    rng = random.Random(seed)
    accepted = sum(compare_if_accepted(made_up(rng), FUZZ_TEXT, rng) for _ in range(400))
    assert accepted > 130


TOKENS = [
    *r"a b s k 1 漢 ( ) (?: (?> (?= (?! (?<= (?<! (?i: (? ) ) [ ] [^ [: [:alpha:] && & - ^ $ | | ? * + { }".split(),
    *r"{2} {1,2} {,} , \ \s \w \d \p{L} \p \P{Lu} \b \x41 \x{e9} \u00e9 \n \- \] . : # / \/ ' ] ]".split(),
    *(" ", "\n", "\\ "),
]


@given(
    st.lists(st.sampled_from(TOKENS), min_size=1, max_size=8).map("".join), st.randoms(use_true_random=False)
)
@settings(max_examples=1000, deadline=None)
def test_scrambled_syntax(pattern: str, rng: random.Random) -> None:
    compare_if_accepted(pattern, "aabbs1 \n漢-&]^{},:#/'é[\\", rng)


# --- why things are refused -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "text", "pieces"),
    [
        pytest.param(r"\d{1,3}+", "1234567", ["1234567"], id="a possessive count is a repeated group"),
        pytest.param("a{2}?b", "cb", ["c", "b"], id="a lazy count is an optional group"),
        pytest.param("a{3,2}", "aaaaa", ["aaa", "aa"], id="falling counts are swapped"),
        pytest.param(r"\B.*1", "aak\r1s", ["aak\r1s"], id="a dot after an assertion misses a match"),
        pytest.param("(?i:ss)", "sß", ["s", "ß"], id="two letters match one"),
        pytest.param("a(?i)b|c", "aBC", ["aB", "C"], id="a flag reaches into the next alternative"),
    ],
)
def test_refused_constructs_do_differ(pattern: str, text: str, pieces: list[str]) -> None:
    assert oniguruma(pattern)(text) == pieces
    with pytest.raises(ConfigError):
        compile_pattern(pattern)


@pytest.mark.parametrize("pattern", ["(?<!(a))b", "(?s:.)"])
def test_refused_constructs_that_are_errors_there(pattern: str) -> None:
    with pytest.raises(Exception, match="Oniguruma error"):
        oniguruma(pattern)
    with pytest.raises(ConfigError):
        compile_pattern(pattern)
