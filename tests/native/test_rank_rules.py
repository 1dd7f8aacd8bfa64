"""Rules derived from ranks: native against plain Python, and rules against the merging of ranks that they stand for."""

from __future__ import annotations

import base64
import random
from array import array
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpetk import _rank_rules

Rules = dict[int, tuple[int, int]]


def merge_by_rank(piece: bytes, ranks: Mapping[bytes, int]) -> list[bytes]:
    """Merge as tiktoken does: neighbours that are a token together, lowest rank first, leftmost first."""
    parts = [bytes([byte]) for byte in piece]
    while True:
        found = [(ranks[a + b], i) for i, (a, b) in enumerate(pairwise(parts)) if a + b in ranks]
        if not found:
            return parts
        _, i = min(found)
        parts[i : i + 2] = [parts[i] + parts[i + 1]]


def merge_by_rules(
    piece: bytes, ranks: Mapping[bytes, int], results: Mapping[tuple[int, int], int]
) -> list[int]:
    """Merge pairs that have a rule, lowest result first, leftmost first."""
    ids = [ranks[bytes([byte])] for byte in piece]
    while True:
        found = [(results[pair], i) for i, pair in enumerate(pairwise(ids)) if pair in results]
        if not found:
            return ids
        new, i = min(found)
        ids[i : i + 2] = [new]


def plain_rules(ranks: Mapping[bytes, int]) -> Rules:
    """The last merge of each token on its own, by the rules of shorter ones."""
    results: dict[tuple[int, int], int] = {}
    for token, id in sorted(ranks.items(), key=lambda item: (len(item[0]), item[1])):
        if len(token) > 1 and all(bytes([byte]) in ranks for byte in token):
            parts = merge_by_rules(token, ranks, results)
            if len(parts) == 2:
                results[parts[0], parts[1]] = id
    return {id: pair for pair, id in sorted(results.items(), key=lambda item: item[1])}


def native_rules(tokens: Sequence[bytes]) -> Rules:
    """Rules by id of the result; ``tokens`` by id, empty for none."""
    offsets = array("I", [0])
    for token in tokens:
        offsets.append(offsets[-1] + len(token))
    left, right, new = _rank_rules.rules_from_ranks(b"".join(tokens), offsets)
    assert list(new) == sorted(set(new)) and {view.format for view in (left, right, new)} == {"I"}
    return dict(zip(new, zip(left, right, strict=True), strict=True))


def random_tokens(seed: int) -> list[bytes]:
    """Tokens by id, some ids without: bytes of a small alphabet, and strings that mostly are made of others."""
    rng = random.Random(seed)
    alphabet = rng.choice([b"a", b"ab", b"abc", b"ab\xff\x00"])
    tokens = [bytes([byte]) for byte in alphabet]
    longest = rng.choice([4, 8, 40, 200])
    for _ in range(rng.randrange(1, 30)):
        made = rng.choice(tokens) + rng.choice(tokens)
        if rng.random() < 0.2:
            made = bytes(rng.choices(alphabet, k=rng.randrange(2, 7)))
        if len(made) <= longest:
            tokens.append(made)
    tokens = list(dict.fromkeys(tokens))
    if rng.random() < 0.5:
        rng.shuffle(tokens)  # ranks in any order, bytes after what is made of them
    if rng.random() < 0.3:
        tokens.insert(rng.randrange(len(tokens)), b"")
    return tokens


def ranks_of(tokens: Sequence[bytes]) -> dict[bytes, int]:
    return {token: id for id, token in enumerate(tokens) if token}


@given(st.integers(0, 2**32).map(random_tokens))
def test_native_equals_plain(tokens: list[bytes]) -> None:
    assert native_rules(tokens) == plain_rules(ranks_of(tokens))


@given(st.integers(0, 2**32).map(random_tokens), st.integers(0, 2**32))
def test_rules_merge_as_ranks_do(tokens: list[bytes], seed: int) -> None:
    ranks, rng = ranks_of(tokens), random.Random(seed)
    results = {pair: id for id, pair in native_rules(tokens).items()}
    for _ in range(8):
        piece = b"".join(rng.choices([token for token in tokens if token], k=rng.randrange(1, 7)))[:300]
        assert [tokens[id] for id in merge_by_rules(piece, ranks, results)] == merge_by_rank(piece, ranks)


def test_rank_below_those_of_its_parts() -> None:
    # `abc` merges before `ab` wherever it can, but only `ab` and `c` can make it.
    assert native_rules([b"a", b"b", b"c", b"abc", b"ab"]) == {3: (4, 2), 4: (0, 1)}


def test_tokens_without_a_rule() -> None:
    # Not reachable; holds a byte that is no token; there twice; no bytes.
    assert native_rules([b"x", b"y", b"z", b"yzx", b"xw", b"xy", b"", b"xy", b"zzzz"]) == {5: (0, 1)}
    assert native_rules([]) == native_rules([b""]) == native_rules([b"a"]) == native_rules([b"ab"]) == {}


@pytest.mark.parametrize("size", [62, 63, 64, 65, 66, 67, 100, 129, 300])
def test_sizes_around_the_limit_of_short_tokens(size: int) -> None:
    rng = random.Random(size)
    text = bytes(rng.choices(b"ab", k=size))
    tokens = [b"a", b"b", b"ab", b"ba", b"aa", b"aba", b"bb", b"abab", b"aaa", b"a" * size, text]
    # Cut into what the text alone ends as, and join these one by one: then it has a rule.
    parts = merge_by_rank(text, ranks_of(tokens[:-1]))
    tokens[-1:] = [b"".join(parts[:count]) for count in range(2, len(parts) + 1)]
    tokens = list(dict.fromkeys(tokens))
    rules = native_rules(tokens)
    assert rules == plain_rules(ranks_of(tokens)) and ranks_of(tokens)[text] in rules


def test_very_long_tokens_take_no_quadratic_time() -> None:
    powers = [b"a" * 2**k for k in range(18)]
    others = [b"ab" * 50_000, *(b"a" * size for size in (98_304, 131_071, 131_072 + 1))]
    rules = native_rules([*powers, *others])
    assert rules == {k: (k - 1, k - 1) for k in range(1, 18)} | {19: (16, 15), 21: (17, 0)}


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="one more than"):
        _rank_rules.rules_from_ranks(b"", array("I"))
    for offsets in ([0, 3], [1, 0], [0, 2, 1], [5, 5]):
        with pytest.raises(ValueError, match=r"token \d is bytes"):
            _rank_rules.rules_from_ranks(b"ab", array("I", offsets))
    with pytest.raises(ValueError, match="expected at most 2097151"):
        _rank_rules.rules_from_ranks(b"", array("I", bytes(4 * (2**21 + 1))))
    for wrong in (array("q", [0]), array("i", [0]), [0], b"\0\0\0\0", None):
        with pytest.raises((TypeError, ValueError)):
            _rank_rules.rules_from_ranks(b"", wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        _rank_rules.rules_from_ranks(bytearray(), array("I", [0]))  # type: ignore[arg-type]


def read_ranks(path: Path) -> list[bytes]:
    ranks = {
        int(rank): base64.b64decode(token) for token, rank in map(bytes.split, path.read_bytes().splitlines())
    }
    return [ranks.get(id, b"") for id in range(max(ranks) + 1)]


@pytest.mark.parametrize(
    "name",
    [
        "gpt2/gpt2",
        *(pytest.param(f"{name}/{name}", marks=pytest.mark.slow) for name in ("cl100k_base", "o200k_base")),
    ],
)
def test_real_ranks(shared_file: Callable[[str], Path], name: str) -> None:
    tokens = read_ranks(shared_file(f"tokenizers/{name}.tiktoken"))
    rules = native_rules(tokens)
    assert rules == plain_rules(ranks_of(tokens))
    assert len(rules) == len(tokens) - 256 and all(max(pair) < id for id, pair in rules.items() if id > 255)
