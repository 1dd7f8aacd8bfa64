"""The model as a value."""

from __future__ import annotations

import pickle
import time
from array import array

import numpy as np
import pytest

from bpetk.errors import ConfigError
from bpetk.model import BpeModel
from bpetk.pretokenizers import get_scheme
from bpetk.special_tokens import AddedToken

GPT2 = get_scheme("gpt2")


def ids_of(**letters: int) -> list[int]:
    return [letters.get(chr(byte), -1) for byte in range(256)]


def small(**changes: object) -> BpeModel:
    """``<s>`` a b c ab abc."""
    fields: dict[str, object] = {
        "scheme": GPT2,
        "special_tokens": ("<s>",),
        "byte_ids": ids_of(a=1, b=2, c=3),
        "left": [1, 4],
        "right": [2, 3],
        "new": [4, 5],
    }
    return BpeModel(**(fields | changes))  # type: ignore[arg-type]


def test_what_follows_from_the_parts() -> None:
    model = small()
    assert model.tokens == {1: b"a", 2: b"b", 3: b"c", 4: b"ab", 5: b"abc"}
    assert model.vocab == {b"a": 1, b"b": 2, b"c": 3, b"ab": 4, b"abc": 5}
    assert model.merges == [(b"a", b"b"), (b"ab", b"c")]
    assert model.merge_ids == [(1, 2), (4, 3)]
    assert model.strings == {0: "<s>", 1: "a", 2: "b", 3: "c", 4: "ab", 5: "abc"}
    assert model.added_ids == {"<s>": 0}
    assert (model.vocab_size, model.n_vocab) == (6, 6)
    assert model.token_bytes[0] == b"<s>"
    assert repr(model) == "BpeModel(scheme='gpt2', merges=2, special_tokens=('<s>',))"


def test_an_empty_model() -> None:
    model = small(special_tokens=(), byte_ids=[-1] * 256, left=[], right=[], new=[])
    assert (model.vocab_size, model.n_vocab, model.vocab, model.merges) == (0, 0, {}, [])


def test_a_special_token_shares_its_id_with_a_merge_of_the_same_text() -> None:
    # As the reference trains with special tokens b and ab on the text "ab ab".
    model = small(special_tokens=("b", "ab"), byte_ids=ids_of(a=2, b=0), left=[2], right=[0], new=[1])
    assert model.vocab == {b"b": 0, b"ab": 1, b"a": 2}
    assert model.added_ids == {"b": 0, "ab": 1}
    assert model.strings == {0: "b", 1: "ab", 2: "a"}
    assert (model.vocab_size, model.n_vocab) == (3, 3)


def test_a_special_token_that_is_the_character_of_an_unseen_byte_is_its_token() -> None:
    model = small(special_tokens=("é",), byte_ids=ids_of(a=1), left=[], right=[], new=[])
    assert model.byte_ids[0xE9] == 0
    assert model.vocab == {b"\xe9": 0, b"a": 1}
    assert model.token_bytes[0] == b"\xe9"


def test_added_tokens_may_have_any_ids() -> None:
    added = (AddedToken("<e>", 90), AddedToken("<s>", 7))
    model = small(special_tokens=("<s>",), added_tokens=added)
    assert model.added_ids == {"<s>": 7, "<e>": 90}
    assert (model.vocab_size, model.n_vocab) == (7, 91)
    assert list(model.strings) == [1, 2, 3, 4, 5, 7]


def test_a_part_may_be_made_by_a_later_merge() -> None:
    model = small(left=[4, 1], right=[3, 2], new=[5, 4])
    assert model.merges == [(b"ab", b"c"), (b"a", b"b")]


@pytest.mark.parametrize(
    "make",
    [list, tuple, lambda v: array("I", v), lambda v: np.array(v, np.uint32), lambda v: np.array(v, np.int64)],
    ids=["list", "tuple", "array", "uint32", "int64"],
)
def test_merges_come_in_any_sequence(make: object) -> None:
    model = small(left=make([1, 4]), right=make([2, 3]), new=make([4, 5]), counts=np.array([7, 6]))  # type: ignore[operator]
    assert model == small()
    assert model.merges == small().merges
    assert list(model.counts or ()) == [7, 6]


def test_is_a_value() -> None:
    model = small()
    assert model == small() and hash(model) == hash(small())
    assert model == small(counts=[5, 4])
    assert model != small(scheme=get_scheme("none"))
    assert model != small(special_tokens=("<t>",))
    assert model != small(left=[1, 2])
    assert model != 3
    buffer = array("I", [1, 4])
    independent = small(left=buffer)
    buffer[0] = 9
    assert independent == model
    with pytest.raises(AttributeError):
        model.left = [3]  # type: ignore[misc]
    with pytest.raises(TypeError):
        model.left[0] = 3  # type: ignore[index]


def test_pickle() -> None:
    model = small(counts=[9, 8])
    assert model.vocab
    again = pickle.loads(pickle.dumps(model))
    assert again == model
    assert list(again.counts) == [9, 8]
    assert "vocab" not in again.__dict__


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"byte_ids": [1, 2]}, "byte_ids must have 256 entries, not 2"),
        ({"byte_ids": ids_of(a=1, b=2, c=2)}, "two bytes have the same id"),
        ({"new": [4]}, "differ in length"),
        ({"counts": [1]}, "differ in length"),
        ({"special_tokens": ("<s>", "<s>")}, "given twice"),
        ({"special_tokens": ("",)}, "must not be empty"),
        ({"special_tokens": ("<s>",), "added_tokens": (AddedToken("<t>", 0),)}, "not among the added tokens"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        small(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"left": [9, 4]}, "neither a byte nor the result of a merge"),
        ({"new": [4, 4]}, "id 4 stands for two tokens"),
        ({"byte_ids": ids_of(a=0, b=2, c=3), "left": [0, 4]}, "id 0 stands for two strings"),
        ({"special_tokens": ("abc",)}, "same text but different ids"),
        ({"left": [1, 1], "right": [2, 2]}, "two ids stand for the same token"),
    ],
)
def test_contradictions_are_found_when_the_vocabulary_is_built(
    changes: dict[str, object], message: str
) -> None:
    model = small(**changes)
    with pytest.raises(ConfigError, match=message):
        _ = model.strings


def test_making_a_model_of_32000_merges_takes_less_than_a_millisecond() -> None:
    left, right, new = (array("I", range(k, 32000 + k)) for k in (0, 1, 256))
    counts = array("q", range(32000, 0, -1))
    best = 1.0
    for _ in range(20):
        start = time.perf_counter()
        BpeModel(GPT2, (), range(256), left, right, new, counts)
        best = min(best, time.perf_counter() - start)
    assert best < 1e-3
