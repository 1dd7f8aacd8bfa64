"""Finding added tokens in text, and the policy that allows them."""

from __future__ import annotations

import random
import re

import pytest

from bpetk.errors import BpetkError, ConfigError
from bpetk.reference.encode import cut_special
from bpetk.special_tokens import AddedToken, select_tokens, split_text

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
    ("content", "flags", "message"),
    [
        ("", {}, "must not be empty"),
        ("a\udc80", {}, "lone surrogate"),
        (b"<s>", {}, "must be a str"),
        ("<s>", {"lstrip": True}, "lstrip of added token '<s>' is set"),
        ("<s>", {"single_word": True}, "single_word of added token"),
    ],
)
def test_tokens_that_cannot_be_honoured_are_refused(
    content: str, flags: dict[str, bool], message: str
) -> None:
    with pytest.raises(BpetkError, match=message):
        AddedToken(content, 0, **flags)
