"""The makers of hard texts: the same texts in every run, and what they promise to hold."""

from __future__ import annotations

import random

import fuzz_text
import pytest

from bpetk.unicode_tables import category

RULES = [
    (b"\xe4\xb8", b"\xad"),
    (b"\x9f", b"\x98\x80"),
    (b"\xb8", b"\xe4"),
    (b"a\xf0\x9f", b"\x98"),
    (b"\xad\xe4", b"\xb8"),
    (b"\xbf\xbf", b"\xbf"),
    ("é".encode()[:1], "é".encode()[1:]),
]
WHOLE = [(b"a", b"b"), ("中".encode(), "文".encode()), (b" ", "é".encode())]


def test_texts_depend_on_the_seed_only() -> None:
    for make in (
        fuzz_text.unicode_text,
        fuzz_text.adversarial_text,
        lambda rng, size: fuzz_text.vocabulary_text(rng, [b"a", b" the", "中".encode()], size),
        lambda rng, size: fuzz_text.added_token_text(rng, ["<s>", "<|end|>"], size),
    ):
        first, second = ([make(random.Random(seed), 30) for seed in range(20)] for _ in range(2))
        assert first == second
        assert len(set(first)) == 20


def test_every_category_comes_up() -> None:
    rng = random.Random(1)
    found = {category(ord(char)) for _ in range(200) for char in fuzz_text.unicode_text(rng, 40)}
    assert found >= set(fuzz_text.CATEGORIES)


def test_which_rules_are_inside_characters() -> None:
    assert fuzz_text.inside_characters([*WHOLE, *RULES]) == RULES


@pytest.mark.parametrize("rule", RULES)
def test_completed_rules(rule: tuple[bytes, bytes]) -> None:
    rng = random.Random(2)
    texts = list(fuzz_text.completions(rng, rule, 100))
    assert len(texts) > 80
    with_rule = [text for text in texts if rule[0] + rule[1] in text.encode()]
    assert 40 < len(with_rule) < len(texts)  # the others continue one of the parts in another way
    assert len(set(with_rule)) > 1 or len(rule[0] + rule[1]) == len(with_rule[0].encode())


def test_joined_completions() -> None:
    texts = list(fuzz_text.inside_character_texts(random.Random(3), RULES, each=10, per_text=20))
    assert len(texts) == 4
    data = "".join(texts).encode()
    assert all(left + right in data for left, right in RULES)


def test_near_misses_are_not_the_token() -> None:
    for content in ("<s>", "<|im_start|>", "<｜User｜>", "aa", "[PAD]"):
        found = fuzz_text.near_misses(content)
        assert content[:-1] in found
        assert content + content[-1] in found
