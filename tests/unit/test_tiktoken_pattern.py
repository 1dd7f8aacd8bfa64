"""Patterns of tiktoken: how each construct is rewritten, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpetk.custom_pattern import compile_pattern
from bpetk.errors import ConfigError
from bpetk.pretokenizers import SCHEMES
from bpetk.tiktoken_pattern import translate_tiktoken_pattern

WORD = r"[\w\x{200C}\x{200D}]"
REWRITTEN = [
    (r"\p{N}{1,3}+|a{2}+b", r"(?>\p{N}{1,3})|(?>a{2})b"),
    (r"(a|b){2,}+c", r"(?>(a|b){2,})c"),
    (r"a{2}?b{1,2}?", r"a{2}b{1,2}?"),
    ("^a$", r"\Aa\z"),
    (r"\Aa\z", r"\Aa\z"),
    (r"\w\W", WORD + r"[^\w\x{200C}\x{200D}]"),
    (r"[\w-]|[^\W]", r"[\w\x{200C}\x{200D}-]|[^[^\w\x{200C}\x{200D}]]"),
    (r"\ba", f"(?:(?<={WORD})(?!{WORD})|(?<!{WORD})(?={WORD}))a"),
    (r"[[:alpha:]_[:^digit:]]", "[A-Za-z_[^0-9]]"),
    (r"\x41\xe9\x{1F600}\u00e9\u{e9}\U0001F600", r"\x{41}\x{E9}\x{1F600}\x{00E9}\x{E9}\x{0001F600}"),
    (r"\pL\PN\p{^Lu}\p{gc=Lu}\p{Script=Han}", r"\p{L}\P{N}\p{^Lu}\p{Lu}\p{Han}"),
    ("(?s:.)(?is:a.)(?-s:.)(?u:a)", "(?m:.)(?im:a.)(?-m:.)(?:a)"),
    ("(?i)ab|c", "(?i)ab|c"),
    ("(?s).", "(?m)."),
    ("(?P<x>a)(?<y>b)(?>c)(?<=d)e", "(?:a)(?:b)(?>c)(?<=d)e"),
    ("[a-c&&b-d]", "[a-c&&b-d]"),
    (r"[\p{L}--[ab]--c]", r"[\p{L}&&[^[ab]]&&[^c]]"),
    (r"[\S--a-c&&\P{Lu}]", r"[\S&&[^a-c]&&\P{Lu}]"),
    (r"[]a][^]a][a^][-a][a-][a-c-e]", r"[\]a][^\]a][a\^][-a][a-][a-c\-e]"),
    (r"[\b]", r"[\x{8}]"),
    (r"\/\-\_\#\ ", r"\/\-\_\#\ "),
    ("a]}", "a]}"),
]


@pytest.mark.parametrize(("pattern", "translated"), REWRITTEN)
def test_rewritten(pattern: str, translated: str) -> None:
    assert translate_tiktoken_pattern(pattern) == translated


@pytest.mark.parametrize("name", [name for name, scheme in SCHEMES.items() if scheme.pattern])
def test_patterns_of_schemes_stay_as_they_are(name: str) -> None:
    pattern = str(SCHEMES[name].pattern)
    assert translate_tiktoken_pattern(pattern) == pattern


def test_the_pattern_of_cl100k_becomes_that_of_its_scheme() -> None:
    pattern = (
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
        r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
    )
    assert translate_tiktoken_pattern(pattern) == SCHEMES["cl100k_tiktoken"].pattern


REFUSED = [
    ("\\Z", r"a\Z", 1),
    ("\\K", r"a\K", 1),
    ("\\G", r"\Ga", 0),
    ("\\R", r"\R", 0),
    ("\\<", r"\<a", 0),
    ("\\>", r"a\>", 1),
    ("\\1", r"(a)\1", 3),
    ("\\b", r"\b{start}a", 0),
    ("\\A", r"[\A]", 1),
    ("\\x", r"\x4", 0),
    ("\\", "a\\", 1),
    ("\\p", r"\p{", 0),
    (r"\p{Emoji}", r"\p{Emoji}", 0),
    (r"\p{L&}"[:2], r"\p{L&}", 0),
    ("(?m", "(?m:^a)", 0),
    ("(?x", "(?x: a)", 0),
    ("(?i", "a(?i)b", 1),
    ("(?#", "a(?#c)", 1),
    ("(?(", "(a)(?(1)b)", 3),
    ("~~", "[a-c~~b]", 4),
    ("&&", "[&&a]", 1),
    ("&&", "[a&&]", 2),
    ("--", "[a--]", 2),
    ("--", "[--a]", 1),
    ("[", "[a", 0),
    ("a-[", "[a-[b]]", 1),
    ("[:foo:]", "[[:foo:]]", 1),
]


@pytest.mark.parametrize(("construct", "pattern", "at"), REFUSED, ids=[p for _, p, _ in REFUSED])
def test_refusal_names_construct_and_position(construct: str, pattern: str, at: int) -> None:
    with pytest.raises(ConfigError) as caught:
        translate_tiktoken_pattern(pattern)
    assert str(caught.value).startswith(f"{construct!r} at position {at} of the pattern cannot be used: ")


@pytest.mark.parametrize(
    "pattern", ["a**", "*a", "a)", "(a", "(?i:ss)", "(?i:é)", "a{x}", "[z-a]", r"[\d-a]"]
)
def test_what_oniguruma_cannot_take_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match="at position"):
        translate_tiktoken_pattern(pattern)


def test_a_refusal_shows_the_rewritten_pattern_where_it_is_another() -> None:
    with pytest.raises(ConfigError, match=r"\(the pattern was rewritten as '\(\?>a\{1,2\}\)\(\?i:ss\)'\)$"):
        translate_tiktoken_pattern("a{1,2}+(?i:ss)")


@pytest.mark.parametrize("pattern", ["", "a*", "a|", r"\b", "(?=a)"])
def test_patterns_that_match_nothing_are_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match="can match nothing at all"):
        translate_tiktoken_pattern(pattern)


@given(st.text("abc()[]{}?*+|^$\\-&:,1ikpswbx<>=!~. ", max_size=12))
@settings(max_examples=500)
def test_any_text_is_translated_or_refused(pattern: str) -> None:
    try:
        compile_pattern(translate_tiktoken_pattern(pattern))
    except ConfigError:
        return
