"""Finding added tokens in text, and the policy that allows them."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest

from bpetk.errors import BpetkError, ConfigError
from bpetk.reference.encode import cut_special
from bpetk.special_tokens import (
    AddedToken,
    AddedTokenSplitter,
    find_disallowed,
    policy_of,
    select_tokens,
    split_text,
)

S, E = AddedToken("<s>", 0), AddedToken("</s>", 1)
TOOL = AddedToken("<tool>", 2, special=False)


def cut(text: str, *contents: str) -> list[str | int]:
    tokens = [AddedToken(content, id) for id, content in enumerate(contents)]
    spans = split_text(text, tokens, frozenset(contents))
    return [text[start:end] if id is None else id for start, end, id in spans]


@pytest.mark.parametrize(
    ("text", "contents", "expected"),
    [
        ("", ["<s>"], []),
        ("plain", ["<s>"], ["plain"]),
        ("plain", [], ["plain"]),
        ("<s>", ["<s>"], [0]),
        ("a<s><s>b", ["<s>"], ["a", 0, 0, "b"]),
        ("xabcdefg", ["abc", "abcd", "bcdefg"], ["x", 1, "efg"]),
        ("xxxxx", ["xx", "xxx"], [1, 0]),
        ("a.b", ["."], ["a", 0, "b"]),
        ("a\n|b", ["\n|"], ["a", 0, "b"]),
        ("漢<｜end｜>字", ["<｜end｜>"], ["漢", 0, "字"]),
    ],
)
def test_leftmost_then_longest(text: str, contents: list[str], expected: list[str | int]) -> None:
    assert cut(text, *contents) == expected


def test_equals_the_reference_on_random_texts() -> None:
    rng = random.Random(5)
    for _ in range(500):
        contents = list({"".join(rng.choices("ab", k=rng.randint(1, 4))) for _ in range(rng.randint(1, 5))})
        text = "".join(rng.choices("abc", k=rng.randint(0, 20)))
        ids = {content: id for id, content in enumerate(contents)}
        assert cut(text, *contents) == list(cut_special(text, ids)), (text, contents)


def test_offsets_are_code_points() -> None:
    assert list(split_text("漢<s>😀", [S], frozenset(["<s>"]))) == [(0, 1, None), (1, 4, 0), (4, 5, None)]


def test_normalized_tokens_are_searched_in_what_the_others_leave() -> None:
    tokens = [AddedToken("abc", 0, normalized=True), AddedToken("bc", 1)]
    assert [id for _, _, id in split_text("abcabc", tokens, frozenset(["abc", "bc"]))] == [None, 1, None, 1]


def test_default_refuses_special_text_and_says_what_to_pass() -> None:
    with pytest.raises(ConfigError) as caught:
        select_tokens("ab</s>", [S, E])
    assert str(caught.value) == (
        "the text holds the special token '</s>' at position 2: pass allowed_special={'</s>'} "
        "to encode it as that token, or disallowed_special=() to encode it as ordinary text"
    )


@pytest.mark.parametrize(
    ("allowed", "disallowed", "expected"),
    [
        ("all", "all", {"<s>", "</s>"}),
        ({"<s>", "</s>"}, "all", {"<s>", "</s>"}),
        (["<s>", "</s>", "unknown"], "all", {"<s>", "</s>"}),
        ((), (), set()),
        ({"<s>"}, (), {"<s>"}),
        ({"<s>"}, {"other"}, {"<s>"}),
    ],
)
def test_policy(allowed: object, disallowed: object, expected: set[str]) -> None:
    assert select_tokens("<s></s>", [S, E], allowed, disallowed) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("allowed", "disallowed", "found"),
    [({"<s>"}, "all", "</s>"), ("all", {"<s>"}, "<s>"), ((), {"x"}, "x"), ((), {"", "x"}, "x")],
)
def test_policy_refuses(allowed: object, disallowed: object, found: str) -> None:
    with pytest.raises(ConfigError, match=f"{re.escape(repr(found))} at position"):
        select_tokens("<s></s>x", [S, E], allowed, disallowed)  # type: ignore[arg-type]


def test_disallowed_text_that_is_no_token_is_not_offered_as_allowed() -> None:
    with pytest.raises(
        ConfigError, match=r"^the text holds the disallowed text 'x' at position 0: pass disallowed"
    ):
        select_tokens("x", [S], "all", {"x"})


def test_tokens_that_are_not_special_are_always_matched() -> None:
    assert select_tokens("<tool>", [S, TOOL]) == {"<tool>"}


@pytest.mark.parametrize("name", ["allowed_special", "disallowed_special"])
@pytest.mark.parametrize("value", ["<s>", None, 3, [b"<s>"], ["a", 1]])
def test_policy_of_the_wrong_type_is_refused(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be 'all' or a set of strings"):
        select_tokens("text", [S], **{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "must not be empty"),
        ("a\udc80", "lone surrogate"),
        (b"<s>", "must be a str"),
    ],
)
def test_tokens_that_cannot_be_honoured_are_refused(content: str, message: str) -> None:
    with pytest.raises(BpetkError, match=message):
        AddedToken(content, 0)


# --- rules of the search; tests/compat/test_added_tokens_hf.py says that they are the reference's --------------------


def split(text: str, tokens: list[AddedToken], contents: set[str] | None = None) -> list[Any]:
    splitter = AddedTokenSplitter(tokens)
    wanted = {token.content for token in tokens} if contents is None else contents
    return splitter.cut_raw(text, frozenset(wanted))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ab", [(0, 2, 0)]),
        ("xab", [(0, 3, None)]),
        ("ab漢", [(0, 3, None)]),
        ("_ab", [(0, 3, None)]),
        ("\u200dab", [(0, 3, None)]),
        ("\u0301ab ", [(0, 4, None)]),
        ("-ab-", [(0, 1, None), (1, 3, 0), (3, 4, None)]),
        ("²ab", [(0, 1, None), (1, 3, 0)]),  # a number, but no decimal digit
        ("abab", [(0, 4, None)]),
    ],
)
def test_single_word(text: str, expected: list[Any]) -> None:
    assert split(text, [AddedToken("ab", 0, single_word=True)]) == expected


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"lstrip": True}, [(0, 1, None), (1, 5, 0), (5, 8, None)]),
        ({"rstrip": True}, [(0, 3, None), (3, 7, 0), (7, 8, None)]),
        ({"lstrip": True, "rstrip": True}, [(0, 1, None), (1, 7, 0), (7, 8, None)]),
    ],
)
def test_white_space_around_a_match(flags: dict[str, bool], expected: list[Any]) -> None:
    assert split("x\u3000\nab\t\x85y", [AddedToken("ab", 0, **flags)]) == expected


def test_separators_of_python_are_no_white_space() -> None:
    assert split("\x1cab", [AddedToken("ab", 0, lstrip=True)]) == [(0, 1, None), (1, 3, 0)]


def test_white_space_is_given_to_one_match_only() -> None:
    tokens = [AddedToken("a", 0, rstrip=True), AddedToken("b", 1, lstrip=True)]
    assert split("a  b", tokens) == [(0, 3, 0), (3, 4, 1)]


def test_nothing_left_of_a_match() -> None:
    # Of the second blank rstrip left nothing; the reference panics.
    tokens = [AddedToken("a", 0, rstrip=True), AddedToken(" ", 1, lstrip=True)]
    assert split("a  b", tokens) == [(0, 3, 0), (3, 4, None)]


def test_what_a_rule_discards_is_used_up() -> None:
    tokens = [AddedToken("abc", 0, single_word=True), AddedToken("bc", 1)]
    assert split("xabc bc", tokens) == [(0, 5, None), (5, 7, 1)]


def test_tokens_that_are_not_selected() -> None:
    tokens = [AddedToken("abc", 0), AddedToken("<s>", 1), AddedToken("bc", 2, special=False)]
    assert split("abc<s>", tokens) == [(0, 3, 0), (3, 6, 1)]
    # No special token: as there with encode_special_tokens=True, where they are found and left as text.
    assert split("abc bc", tokens, {"bc"}) == [(0, 4, None), (4, 6, 2)]
    # Some: as in tiktoken, which searches for those only.
    assert split("abc<s>", tokens, {"bc", "<s>"}) == [(0, 1, None), (1, 3, 2), (3, 6, 1)]
    assert split("abc<s>", tokens, set()) == [(0, 6, None)]


def test_second_pass_searches_normalized_forms() -> None:
    tokens = [AddedToken("<S>", 0, normalized=True), AddedToken("<T>", 1)]
    splitter, contents = AddedTokenSplitter(tokens, str.lower), frozenset({"<S>", "<T>"})
    assert splitter.forms == ("<s>", "<T>")
    assert splitter.cut_raw("<S><T><t>", contents) == [(0, 3, None), (3, 6, 1), (6, 9, None)]
    assert splitter.cut_normalized("<s><t>", contents) == [(0, 3, 0), (3, 6, None)]
    assert splitter.cut_normalized("", contents) == []


def test_of_equal_normalized_forms_the_first_wins() -> None:
    tokens = [AddedToken("Ab", 4, normalized=True), AddedToken("AB", 3, normalized=True)]
    assert AddedTokenSplitter(tokens, str.lower).cut_normalized("ab", frozenset({"Ab", "AB"})) == [(0, 2, 4)]


def test_token_that_is_normalized_away_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"added token '  ' has normalized=true and the normalizer leaves nothing"
    ):
        AddedTokenSplitter([AddedToken("  ", 0, normalized=True)], str.strip)
    AddedTokenSplitter([AddedToken("  ", 0)], str.strip)


def test_what_a_pass_searches() -> None:
    tokens = [
        AddedToken("<a>", 0),
        AddedToken("<b>", 1, special=False, lstrip=True),
        AddedToken("C", 2, normalized=True),
    ]
    splitter = AddedTokenSplitter(tokens, str.lower)
    found = splitter.searched(frozenset({"<b>", "C"}), normalized=False)
    assert [(item.form, item.token.id, item.dropped, item.plain) for item in found] == [
        ("<b>", 1, False, False)
    ]
    found = splitter.searched(frozenset({"<b>"}), normalized=False)
    assert [(item.form, item.dropped, item.plain) for item in found] == [
        ("<a>", True, False),
        ("<b>", False, False),
    ]
    found = splitter.searched(frozenset({"C"}), normalized=True)
    assert [(item.form, item.token.id, item.plain) for item in found] == [("c", 2, True)]
    # Nothing could become a token, so there is no reason to search.
    assert splitter.searched(frozenset({"C"}), normalized=False) == ()
    assert splitter.searched(frozenset(), normalized=True) == ()


def test_many_selections() -> None:
    tokens = [AddedToken(f"<{i}>", i) for i in range(100)]
    splitter = AddedTokenSplitter(tokens)
    for token in tokens:
        assert splitter.cut_raw(f"a{token.content}<x>", frozenset({token.content}))[1][2] == token.id


def test_policy_for_many_texts() -> None:
    assert policy_of([S, E, TOOL], {"<s>"}, {"</s>", "x", ""}) == ({"<s>", "<tool>"}, {"</s>", "x"})
    assert policy_of([S, E, TOOL], {"<s>"}) == ({"<s>", "<tool>"}, {"</s>"})


@pytest.mark.parametrize(
    ("text", "disallowed", "expected"),
    [
        ("ab", {"b", "abc"}, (1, "b")),
        ("xabc", {"ab", "abc", "bc"}, (1, "abc")),
        ("", {"a"}, None),
        ("a", set(), None),
        ("zzzz", {chr(i) + "!" for i in range(200)}, None),
    ],
)
def test_find_disallowed(text: str, disallowed: set[str], expected: object) -> None:
    assert find_disallowed(text, frozenset(disallowed)) == expected
