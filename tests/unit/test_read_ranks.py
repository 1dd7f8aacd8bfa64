"""Rank files: what is read, what is refused with its line, what can be written, and the rules behind them."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpetk.errors import ConfigError, ModelFileError
from bpetk.interop.loading import load_definition
from bpetk.interop.rank_rules import _last_cut_of_long, last_cut, rules_from_ranks, rules_of_merges
from bpetk.interop.tiktoken import from_ranks, read_ranks, to_rank_file
from bpetk.model import BpeModel
from bpetk.pretokenizers import get_scheme
from bpetk.special_tokens import AddedToken

BYTES = {bytes([byte]): byte for byte in range(256)}
ALPHABET = b"abc"


def file_of(ranks: Mapping[bytes, int]) -> bytes:
    return b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in ranks.items())


# Rules


def merge_by_ranks(text: bytes, ranks: Mapping[bytes, int]) -> list[bytes]:
    """tiktoken's rule as it is stated."""
    symbols = [bytes([byte]) for byte in text]
    while True:
        found = [
            (ranks[symbols[i] + symbols[i + 1]], i)
            for i in range(len(symbols) - 1)
            if symbols[i] + symbols[i + 1] in ranks
        ]
        if not found:
            return symbols
        i = min(found)[1]
        symbols[i : i + 2] = [symbols[i] + symbols[i + 1]]


def merge_by_rules(text: bytes, tokens: Sequence[bytes]) -> list[bytes]:
    """Merging by pairs as it is stated, with the rules found for a list of ranks."""
    rules = {(left, right): new for left, right, new in zip(*rules_from_ranks(tokens), strict=True)}
    symbols = [tokens.index(bytes([byte])) for byte in text]
    while True:
        found = [
            (rules[symbols[i], symbols[i + 1]], i)
            for i in range(len(symbols) - 1)
            if (symbols[i], symbols[i + 1]) in rules
        ]
        if not found:
            return [tokens[symbol] for symbol in symbols]
        new, i = min(found)
        symbols[i : i + 2] = [new]


def words(low: int, high: int) -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from(ALPHABET), min_size=low, max_size=high).map(bytes)


@st.composite
def rank_lists(draw: st.DrawFn) -> list[bytes]:
    """Any tokens in any order: most such lists are of no use, and many are no result of training."""
    tokens = draw(st.lists(words(2, 6), max_size=14, unique=True))
    return draw(st.permutations([*(bytes([byte]) for byte in ALPHABET), *tokens]))


@st.composite
def grown_lists(draw: st.DrawFn) -> list[bytes]:
    """Lists in which each token joins two earlier ones, as training makes them."""
    tokens = [bytes([byte]) for byte in ALPHABET]
    for _ in range(draw(st.integers(0, 12))):
        token = draw(st.sampled_from(tokens)) + draw(st.sampled_from(tokens))
        if token not in tokens:
            tokens.append(token)
    return tokens


@given(st.one_of(rank_lists(), grown_lists()), st.lists(words(1, 14), max_size=8))
def test_rules_give_what_ranks_give(tokens: list[bytes], texts: list[bytes]) -> None:
    ranks = {token: rank for rank, token in enumerate(tokens)}
    for text in [*texts, *tokens, b"".join(tokens)]:
        assert merge_by_rules(text, tokens) == merge_by_ranks(text, ranks)


@given(st.one_of(rank_lists(), grown_lists()), words(2, 30))
def test_long_tokens_take_another_way_to_the_same_rule(tokens: list[bytes], text: bytes) -> None:
    ranks = {token: rank for rank, token in enumerate(tokens)}
    for token in (text, *(token for token in tokens if len(token) > 1)):
        assert _last_cut_of_long(token, ranks) == last_cut(token, ranks)


def test_a_token_of_many_bytes_is_no_trouble() -> None:
    tokens = [b"a", *(b"a" * 2**i for i in range(1, 17)), b"ab" * 30_000, b"b"]
    left, right, new = rules_from_ranks(tokens)
    assert list(left) == list(right) == list(range(16)) and list(new) == list(range(1, 17))


def test_rules_of_a_list_with_wrong_order() -> None:
    # "abc" comes before "ab", and is made from it all the same.
    assert [list(part) for part in rules_from_ranks([b"a", b"b", b"c", b"abc", b"ab"])] == [
        [4, 0],
        [2, 1],
        [3, 4],
    ]


def test_rules_of_merges_that_are_never_reached() -> None:
    # As in the reference: (b,c) comes first, so "abc" is a, bc, and (ab,c) never happens.
    merges = {(1, 2): (0, 3), (0, 1): (1, 4), (4, 2): (2, 5)}
    assert rules_of_merges({3: [1, 2], 4: [0, 1], 5: [0, 1, 2]}, merges) == {3: (0, 1, 2), 4: (1, 0, 1)}


# Reading


def test_ids_are_ranks_and_may_have_gaps() -> None:
    ranks = BYTES | {b"ab": 300, b"abab": 400, b"xyz": 1000}
    definition = from_ranks(read_ranks(file_of(ranks)), scheme="gpt2", special_tokens={"<s>": 500})
    model = definition.model
    assert model.vocab == ranks and model.n_vocab == 1001
    assert model.merges == [(b"a", b"b"), (b"ab", b"ab")]
    assert model.extra_tokens == (("xyz", 1000),)
    assert (model.ranks, model.ignore_merges, model.added_ids) == (True, True, {"<s>": 500})
    assert definition.format == "tiktoken"


def test_forms_of_lines(tmp_path: Path) -> None:
    lines = file_of(BYTES).replace(b"\n", b"\r\n") + b"\n\nYWI=  300 \n= 301"
    (tmp_path / "ranks").write_bytes(lines)
    definition = load_definition(tmp_path / "ranks", scheme="none", special_tokens=None)
    assert definition.model.vocab[b"ab"] == 300 and definition.model.vocab[b""] == 301
    assert to_rank_file(definition) == file_of(BYTES) + b"YWI= 300\n= 301\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"YWI=", 'line 257: expected base64, a blank and a rank, found "YWI="'),
        (b"YWI= x", 'line 257: expected base64, a blank and a rank, found "YWI= x"'),
        (b"YWI= -1", 'line 257: expected base64, a blank and a rank, found "YWI= -1"'),
        (b"YWI= 1e3", 'line 257: expected base64, a blank and a rank, found "YWI= 1e3"'),
        (b"YWI= 300 301", 'line 257: expected base64, a blank and a rank, found "YWI= 300 301"'),
        (b"YWI= \xd9\xa3", 'line 257: expected base64, a blank and a rank, found "YWI= Ù£"'),
        (b"\xff\xfe= 300", 'line 257: expected base64, a blank and a rank, found "ÿþ= 300"'),
        (b"YWI 300", 'line 257: "YWI" is not base64: Incorrect padding'),
        (b"YWI= 99999999", "line 257: rank 99999999 is too high; at most 2097149 is supported"),
        (b"YWI= %d" % 10**50, "line 257: expected base64, a blank and a rank"),
        (b"YWI= 97", "line 257: rank 97 is given twice, first in line 98"),
        (b"YQ== 300", 'line 257: token "YQ==" has a rank already: 97'),
        (b"YR== 300", 'line 257: token "YR==" has a rank already: 97'),
        (base64.b64encode(b"a" * 70_000) + b" 300", "line 257: a token of 70000 bytes; at most 65536"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: bytes, message: str) -> None:
    path = tmp_path / "x.tiktoken"
    path.write_bytes(file_of(BYTES) + line + b"\nYWJj 400\n")
    with pytest.raises(ModelFileError) as caught:
        load_definition(path, scheme="gpt2")
    assert str(caught.value).startswith(f"{path}: {message}")


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 7, 9, 200])
def test_a_truncated_file_is_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "x.tiktoken"
    data = file_of(BYTES)
    path.write_bytes(data[:-cut])
    if cut == 1:  # only the last newline
        load_definition(path, scheme="gpt2")
        return
    with pytest.raises(ModelFileError, match=r"line \d+: |tokens: \d+ of the 256 bytes have no rank"):
        load_definition(path, scheme="gpt2")


def test_scheme_or_pattern_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "x.tiktoken"
    path.write_bytes(file_of(BYTES))
    with pytest.raises(ConfigError, match=r"give scheme= or pattern= .*; known schemes: gpt2, cl100k, "):
        load_definition(path)
    with pytest.raises(ConfigError, match="give only one of scheme and pattern"):
        load_definition(path, scheme="gpt2", pattern="a")
    with pytest.raises(ConfigError, match="unknown scheme 'gpt5'"):
        load_definition(path, scheme="gpt5")


def test_patterns_of_tiktoken_are_recognised() -> None:
    r50k = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
    assert from_ranks(BYTES, pattern=r50k).model.scheme.name == "gpt2"


def test_a_pattern_of_its_own_drops_what_it_does_not_match() -> None:
    definition = from_ranks(BYTES, pattern="[a-z]+")
    assert definition.model.scheme.name == "pipeline" and not definition.model.scheme.lossless
    assert definition.sections.pre_tokenizer is not None
    step = definition.sections.pre_tokenizer["pretokenizers"][0]
    assert (step["pattern"], step["behavior"], step["invert"]) == ({"Regex": "[a-z]+"}, "Removed", True)


@pytest.mark.parametrize(
    ("special", "message"),
    [
        ({"<s>": 97}, "id 97 of special token '<s>' is that of another token"),
        ({"<s>": 300, "<e>": 300}, "id 300 is given to both '<s>' and '<e>'"),
        ({"a": 300}, "special token 'a' is given id 300, but has 97 in the vocabulary"),
        ({"Ġ": 300}, "special token 'Ġ' is given id 300, but has 32 in the vocabulary"),
        ({"<s>": -1}, "the id of special token '<s>' must be from 0 to"),
        ({"<s>": 1.0}, "the id of special token '<s>' must be from 0 to"),
        ({"<s>": True}, "the id of special token '<s>' must be from 0 to"),
        ({"": 300}, "a special token must not be empty"),
        ({"\ud800": 300}, "lone surrogate"),
        ({3: 300}, "must be a str"),
    ],
)
def test_special_tokens_that_cannot_be(special: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_ranks(BYTES, scheme="gpt2", special_tokens=special)
    with pytest.raises(ConfigError, match="must map strings to ids, not list"):
        from_ranks(BYTES, scheme="gpt2", special_tokens=["<s>"])  # type: ignore[arg-type]


# Writing


def model_with(**changes: object) -> BpeModel:
    """A model such as training makes, with some arguments changed."""
    merges = {"left": [98, 257, 99], "right": [99, 257, 100], "new": [257, 258, 259]}
    options = {"scheme": get_scheme("gpt2"), "special_tokens": ("<s>",), "byte_ids": range(1, 257), **merges}
    return BpeModel(**(options | changes))  # type: ignore[arg-type]


def test_a_trained_model_as_ranks() -> None:
    model = model_with()
    ranks = read_ranks(to_rank_file(model))
    assert ranks == model.vocab
    again = from_ranks(ranks, scheme="gpt2", special_tokens={"<s>": 0}).model
    assert (list(again.left), list(again.right), list(again.new)) == (
        list(model.left),
        list(model.right),
        [257, 258, 259],
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"new": [258, 257, 259], "left": [98, 258, 99], "right": [99, 258, 100]},
            "the order of its merges is not the order of the ids",
        ),
        (
            {"extra_tokens": (("xyz", 300),)},
            r"finds token b'xyz' \(id 300\) as a whole word, and its merges never",
        ),
        ({"extra_tokens": (("漢", 300),)}, 'token "漢" is not byte-level'),
        ({"end_of_word_suffix": "</w>"}, "words end in '</w>'"),
        ({"byte_ids": [-1, *range(1, 256)]}, "byte 0x00 has no id, and tiktoken needs all 256"),
        (
            {"added_tokens": (AddedToken("<s>", 0), AddedToken("<t>", 300, special=False))},
            "added token '<t>' is always matched",
        ),
        ({"new": [257, 258, 2**22]}, f"id {2**22} is above 2097149"),
        # (b,c) first, then (a,b), then (ab,c): "abc" is a token that its merges never make, but ranks would.
        (
            {"left": [99, 98, 258], "right": [100, 99, 100], "new": [257, 258, 259]},
            r"its merges make token b'abc' \(id 259\) in another way than ranks do, or never",
        ),
    ],
)
def test_models_that_ranks_cannot_express(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=f"cannot be written as ranks: .*{message}"):
        to_rank_file(model_with(**changes))
