"""Patterns of the user: what supported constructs mean, and that everything else is refused by name and position.

The expected pieces here are those of the Oniguruma inside `tokenizers` 0.23; tests/compat compares with it directly.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpetk import code_points
from bpetk.code_points import classify, complement, intersection, points, union
from bpetk.custom_pattern import Compiled, compile_pattern
from bpetk.errors import ConfigError


def pieces(pattern: str, text: str) -> list[str]:
    return [text[start:end] for start, end in compile_pattern(pattern).spans(text)]


MEANINGS = [
    # gaps and empty matches
    ("b", "abc", "a|b|c"),
    ("x", "abc", "abc"),
    ("x*", "abxxc", "a|b|xx|c"),
    ("x*|b", "abxb", "a|b|x|b"),
    ("", "abc", "a|b|c"),
    ("(?:)|a", "aab", "a|a|b"),
    ("(?=b)", "abab", "a|ba|b"),
    # lines
    ("$", "a\nb\n", "a|\nb|\n"),
    ("^", "a\nb\n\nc\n", "a\n|b\n|\n|c\n"),
    ("a$", "a\na\r\na", "a|\na\r\n|a"),
    (r"\n^", "a\nb\n", "a|\n|b\n"),
    (r"a\z", "a\na\n", "a\na\n"),
    (r"a\Z", "a\na\n", "a\n|a|\n"),
    (r"\Aa", "aa", "a|a"),
    (".", "a\r\n\u2028", "a|\r|\n|\u2028"),
    # sets
    ("[^a]", "a\nb", "a|\n|b"),
    ("[a-c-]", "a-d", "a|-|d"),
    ("[-a]", "a-b", "a|-|b"),
    ("[a-]", "a-b", "a|-|b"),
    ("[^-a]", "a-b", "a-|b"),
    ("[a&]", "a&b", "a|&|b"),
    ("[^a-y&&[^b]]", "abz", "a|b|z"),
    ("[a-z&&[^b]&&[^c]]", "abcd", "a|bc|d"),
    ("[a[b-c]d]", "abcde", "a|b|c|d|e"),
    ("[(|.]", "(|.a", "(|\\||.|a"),
    ("[[:punct:]]", "$,a", "$|,|a"),
    (r"\p{punct}", "$,a", "$|,|a"),
    (r"\p{^Lu}", "Aa", "A|a"),
    (r"\P{^Lu}", "Aa", "A|a"),
    (r"\h+", "fF09g", "fF09|g"),
    (r"\w+", "a²b", "a²b"),
    (r"[\w]+", "a²b", "a|²|b"),
    (r"\b", "cd²e-f\u200d", "cd²e|-|f|\u200d"),
    (r"\s", "\x1c\x85", "\x1c|\x85"),
    # escapes
    (r"\x41|\x{4e00}|\u00e9|\t", "A一é\t-", "A|一|é|\t|-"),
    (r"\-\]\ ", "-] a", "-] |a"),
    # quantifiers
    ("a{2}", "aaaaa", "aa|aa|a"),
    ("a{,2}", "aaaaa", "aa|aa|a"),
    ("a{2,3}?", "aaaaa", "aa|aa|a"),
    ("a++b|a", "aaab", "aaab"),
    ("a?+a|b", "aab", "aa|b"),
    ("(?>a|ab)c|b", "abcac", "a|b|c|ac"),
    # case
    ("(?i:'s)", "'s'S'ſ", "'s|'S|'ſ"),
    ("(?i:k)", "kK\u212a", "k|K|\u212a"),
    ("(?i:[a-z])+", "aZſ\u212aß", "aZſ\u212a|ß"),
    ("(?i:s|t)s", "sSſsß", "sS|ſs|ß"),
    ("(?i:'(?:t|re)+|^ab?)", "AB'REtA", "AB|'REt|A"),
    ("(?i)a|b(?-i:c)", "ABcBC", "A|Bc|BC"),
    # the dot
    ("(?m:.)", "a\n", "a|\n"),
    ("(?im:a.)|(?m:(?-m:.))", "A\na\n", "A\n|a\n"),
    # look-behind
    ("(?<=a|bc)x", "axbcxx", "a|x|bc|x|x"),
    (r"(?<!\S)b", "ab b", "ab |b"),
    ("(?<=a(?:b|c){1,2}?d+)x", "acddxbdx", "acdd|x|bdx"),
    ("(?<!a.)x", "axxax", "a|x|xa|x"),
]


@pytest.mark.parametrize(
    ("pattern", "text", "expected"), MEANINGS, ids=[f"{p!a}-{t!a}" for p, t, _ in MEANINGS]
)
def test_meaning(pattern: str, text: str, expected: str) -> None:
    assert pieces(pattern, text) == [
        part.replace("\\", "") for part in re.split(r"(?<!^)(?<!\\)\|", expected)
    ]


REFUSED = [
    # construct, pattern, position of the construct
    ("{1,3}+", r"\p{N}{1,3}+", 5),
    ("{2}?", "a{2}?", 1),
    ("{3,2}", "a{3,2}", 1),
    ("{100001}", "a{100001}", 1),
    ("{", "a{x}", 1),
    ("{", "a{,}", 1),
    ("{", "{2}", 0),
    ("*", "*a", 0),
    ("+", "(+)", 1),
    ("?", "a|?", 2),
    ("**", "a**", 1),
    ("+?+", "a+?+", 1),
    ("*", "(?:a*)*", 6),
    ("+", "(a|b?)+", 6),
    ("{2}", "(){2}", 2),
    ("*", "^*", 1),
    ("?", "(?=a)?", 5),
    ("+", r"\b+", 2),
    ("+", "(?:a+?)+", 7),
    ("??", "(?:a+)??", 6),
    (".*", ".*", 0),
    ("(?:.)+", "(?:.)+", 0),
    (")", "a)", 1),
    ("(", "(a", 0),
    ("(?P", "(?P<n>a)", 0),
    ("(?<", "(?<n>a)", 0),
    ("(?'", "(?'n'a)", 0),
    ("(?i", "a(?i)b", 1),
    ("(?s", "(?s:.)", 0),
    ("(?x", "(?x:a)", 0),
    ("(?#", "a(?#c)", 1),
    ("(?(", "(a)(?(1)b)", 3),
    ("(?R", "(?R)", 0),
    ("(?<=", "(?<=a*)b", 0),
    ("(?<=", "(?<=a++)b", 0),
    ("(?<=", "(?<=(?>a))b", 0),
    ("(?<=", r"(?<=a\b)b", 0),
    ("(?<!", "(?<!|a)b", 0),
    ("(?<=", "(?<=(a))b", 0),
    ("(?<!", "(?<!(a))b", 0),
    ("ss", "(?i:ss)", 5),
    ("ff", "(?i:[a-s]{2})", 4),
    ("ss", "(?i:(?:a|s)+)", 4),
    ("st", "(?i:s1?t)", 7),
    ("ff", "(?i:(?:af)(?:f|x))", 10),
    ("ss", "(?i)s(?:s)", 5),
    ("(?i", "(?i)(?i)a", 4),
    ("st", "x(?i:[rs][tu])", 9),
    ("fi", "(?i:a|fi)", 7),
    ("é", "(?i:é)", 4),
    ("\\s", r"(?i:\s)", 4),
    ("[^a]", "(?i:[^a])", 4),
    ("\\1", r"(a)\1", 3),
    ("\\0", r"\0", 0),
    ("\\K", r"a\K", 1),
    ("\\G", r"\Ga", 0),
    ("\\R", r"\R", 0),
    ("\\X", r"\X", 0),
    ("\\k", r"\k<n>", 0),
    ("\\y", r"\y", 0),
    ("\\Q", r"\Q+\E", 0),
    ("\\é", r"\é", 0),
    ("\\", "a\\", 1),
    ("\\x", r"\xe9", 0),
    ("\\x", r"\x4", 0),
    ("\\x", r"\x{}", 0),
    ("\\u", r"\u12", 0),
    (r"\x{110000}", r"\x{110000}", 0),
    (r"\ud800", r"\ud800", 0),
    ("\ud800", "\ud800", 0),
    (r"\p{Klingon}", r"\p{Klingon}", 0),
    (r"\p{word}", r"\p{word}", 0),
    (r"\p", r"\pL", 0),
    (r"\P", r"\P{Script=Han}", 0),
    ("[", "a[bc", 1),
    ("]", "[]a]", 1),
    ("]", "[^]", 2),
    ("-", "[a-c-e]", 4),
    ("--", "[--0]", 1),
    ("+--", "[+--]", 1),
    (r"\d-a", r"[\d-a]", 1),
    (r"a-\d", r"[a-\d]", 1),
    ("z-a", "[z-a]", 1),
    ("a-[", "[a-[b]]", 1),
    ("&&", "[&&a]", 1),
    ("&&", "[a&&]", 2),
    ("\\b", r"[\b]", 1),
    ("[:", "[[:foo:]]", 1),
    ("[:", "[[:any:]]", 1),
]


@pytest.mark.parametrize(
    ("construct", "pattern", "at"), REFUSED, ids=[ascii(pattern) for _, pattern, _ in REFUSED]
)
def test_refusal_names_construct_and_position(construct: str, pattern: str, at: int) -> None:
    with pytest.raises(ConfigError) as caught:
        compile_pattern(pattern)
    expected = f"{construct!r} at position {at} of the pattern cannot be used: "
    assert str(caught.value).startswith(expected), str(caught.value)
    assert len(str(caught.value)) > len(expected) + 10


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (r"\d{1,3}+", "1234567a", "1234567|a"),
        ("a{2}?b", "baab", "b|aab"),
        ("a{2}+", "aaaaa", "aaaa|a"),
        ("(?:a{2}++a)|b", "aaab", "aaa|b"),
    ],
)
def test_counts_that_mislead_are_accepted_from_files(pattern: str, text: str, expected: str) -> None:
    with pytest.raises(ConfigError, match="Oniguruma reads it as"):
        compile_pattern(pattern)
    spans = compile_pattern(pattern, misleading=True).spans(text)
    assert "|".join(text[start:end] for start, end in spans) == expected


@pytest.mark.parametrize("pattern", ["a{,2}+", "a{2}+?", "a{2}??", "a{1,2}+*", "a{2}{2}"])
def test_other_quantifiers_of_quantifiers_are_refused_even_then(pattern: str) -> None:
    with pytest.raises(ConfigError):
        compile_pattern(pattern, misleading=True)


@pytest.mark.parametrize("letter", "CEHIJLMNOQRSTUVWXYcgijklmoqyzABGKZ")
def test_letters_without_a_known_meaning_are_refused(letter: str) -> None:
    if letter in "ABZzHSW":
        compile_pattern("\\" + letter)
    else:
        with pytest.raises(ConfigError):
            compile_pattern("\\" + letter)


@pytest.mark.parametrize(("opening", "closing"), [("(", ")"), ("[", "]")])
def test_deep_nesting_is_refused_instead_of_exhausting_the_stack(opening: str, closing: str) -> None:
    compile_pattern(opening * 50 + "a" + closing * 50)
    with pytest.raises(ConfigError, match="nested more than 50 deep"):
        compile_pattern(opening * 5000 + "a" + closing * 5000)


def test_many_different_characters_still_work() -> None:
    # More than 256 classes do not fit in one byte a character.
    doubled = [chr(0x4E00 + i // 2 * 2) for i in range(800)]
    assert pieces("|".join(doubled[::2]), "".join(doubled) + "aa") == [*doubled, "aa"]


def test_lone_surrogates_in_text_are_ordinary_characters() -> None:
    assert pieces("[^a]+", "a\ud800\udfffa") == ["a", "\ud800\udfff", "a"]
    assert pieces(r"\p{Cs}|\p{L}", "a\ud800") == ["a", "\ud800"]
    assert pieces("[[:graph:]]|[[:print:]]", "\ud800\ud800") == ["\ud800\ud800"]


def test_empty_set_matches_nothing() -> None:
    assert pieces("[a&&b]|c", "abc") == ["ab", "c"]


def test_matches_of_nothing_are_among_the_matches_and_not_among_the_pieces() -> None:
    pattern = compile_pattern("x*")
    assert pattern.nullable
    assert list(pattern.matches(pattern.classes("axxb"))) == [(0, 0), (1, 3), (4, 4)]
    assert not compile_pattern("x+").nullable


def test_classes_of_a_part_are_a_part_of_the_classes() -> None:
    pattern = compile_pattern(r"\p{L}+|\p{N}")
    assert pattern.classes("a1 漢b")[1:4] == pattern.classes("1 漢")


def test_no_text_has_no_pieces() -> None:
    assert pieces("a|", "") == []


def test_the_same_pattern_is_compiled_once() -> None:
    assert compile_pattern("ab") is compile_pattern("ab")
    assert compile_pattern("ab").pattern == "ab"


@given(
    text=st.text(st.sampled_from("ab \n1é漢"), max_size=12),
    pattern=st.sampled_from([p for p, _, _ in MEANINGS]),
)
@settings(max_examples=200, deadline=None)
def test_pieces_cover_the_text_in_order(text: str, pattern: str) -> None:
    spans = list(Compiled(pattern).spans(text))
    assert all(start < end for start, end in spans)
    assert [start for start, _ in spans] == [0, *(end for _, end in spans)][: len(spans)]
    assert (spans[-1][1] if spans else 0) == len(text)


@given(st.text("abc()[]{}?*+|^$\\-&:,1ikpsx<>=!. ", max_size=12))
@settings(max_examples=500, deadline=None)
def test_any_text_compiles_or_is_refused(pattern: str) -> None:
    try:
        compiled = Compiled(pattern)
    except ConfigError:
        return
    assert "".join("ab1"[start:end] for start, end in compiled.spans("ab1")) == "ab1"


# --- sets of code points --------------------------------------------------------------------------------------------

SETS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5)), max_size=6).map(
    lambda pairs: union((start, start + size) for start, size in pairs)
)


def members(found: code_points.Ranges) -> set[int]:
    return {code for start, end in found for code in range(start, min(end, 60) + 1)}


@given(SETS, SETS)
def test_set_algebra(a: code_points.Ranges, b: code_points.Ranges) -> None:
    assert members(union(a, b)) == members(a) | members(b)
    assert members(intersection([a, b])) == members(a) & members(b)
    assert members(complement(a)) == set(range(61)) - members(a)
    assert complement(complement(a)) == a


def test_complement_reaches_both_ends() -> None:
    assert complement(()) == ((0, 0x10FFFF),)
    assert complement(((0, 0x10FFFF),)) == ()
    assert complement(((0, 0), (0x10FFFF, 0x10FFFF))) == ((1, 0x10FFFE),)


@given(st.lists(SETS, max_size=4))
@settings(max_examples=30, deadline=None)
def test_classes_tell_exactly_the_sets_apart(sets: list[code_points.Ranges]) -> None:
    table, classes = classify(sets)
    assert len(table) == 0x110000
    for found, numbers in zip(sets, classes, strict=True):
        assert {code for code in range(61) if table[code] in numbers} == members(found)
    assert table[0x10FFFF] not in {number for numbers in classes for number in numbers}
    signatures = {tuple(code in members(found) for found in sets) for code in range(61)}
    assert len(set(table.tolist())) == len(signatures)


def test_points_are_joined() -> None:
    assert points("cabx") == ((97, 99), (120, 120))
