"""From ids to bytes: the native decoder against joining the tokens."""

from __future__ import annotations

import random
from array import array
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpetk._decoder import Decoder

TOKENS = st.lists(st.binary(max_size=9), max_size=30)


def decoder(tokens: list[bytes], **options: Any) -> Decoder:
    return Decoder(b"".join(tokens), array("I", [0, *accumulate(map(len, tokens))]), **options)


@given(TOKENS, st.integers(0, 2**32))
def test_joins_the_bytes(tokens: list[bytes], seed: int) -> None:
    rng = random.Random(seed)
    ids = [rng.randrange(len(tokens)) for _ in range(rng.choice((0, 1, 5, 300)))] if tokens else []
    assert decoder(tokens).decode(ids) == b"".join(tokens[id] for id in ids)


@given(TOKENS.filter(bool), st.integers(0, 2**32))
def test_names_the_first_unknown_id(tokens: list[bytes], seed: int) -> None:
    rng = random.Random(seed)
    n = len(tokens)
    unknown = set(rng.choices(range(n), k=rng.randint(0, 3)))
    special = set(rng.choices(range(n), k=rng.randint(0, 3))) - unknown
    ids = rng.choices([*range(n), n, -1, 2**31, 2**32, 2**63, -(2**63), 10**30], k=rng.randint(0, 8))
    found = decoder(tokens, unknown=unknown, special=special)
    wrong = [i for i, id in enumerate(ids) if not 0 <= id < n or id in unknown]
    kept = b"".join(tokens[id] for id in ids if id not in special) if not wrong else b""
    assert found.decode(ids, skip_special=True) == (wrong[0] if wrong else kept)
    assert found.decode(ids) == (wrong[0] if wrong else b"".join(tokens[id] for id in ids))


class Index:
    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


@pytest.mark.parametrize(
    ("id", "found"), [(True, b"b"), (Index(2), b"c"), (Index(9), 1), (1.0, 1), ("1", 1), (None, 1), (b"a", 1)]
)
def test_what_counts_as_an_id(id: Any, found: bytes | int) -> None:
    result = decoder([b"a", b"b", b"c"]).decode([0, id])
    assert result == (found if isinstance(found, int) else b"a" + found)


def test_ids_of_numpy() -> None:
    numpy = pytest.importorskip("numpy")
    ids = [numpy.uint16(1), numpy.int64(0), numpy.uint32(2)]
    assert decoder([b"a", b"b", b"c"]).decode(ids) == b"bac"


def test_an_error_of_an_id_is_not_swallowed() -> None:
    class Bad:
        def __index__(self) -> int:
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        decoder([b"a"]).decode([Bad()])


def test_only_lists() -> None:
    for ids in ((0,), array("I", [0]), None, b"\0"):
        with pytest.raises(TypeError):
            decoder([b"a"]).decode(ids)  # type: ignore[arg-type]


def test_many_ids() -> None:
    tokens = [b"ab", b"", "中".encode()]
    assert decoder(tokens).decode([0, 1, 2] * 200_000) == (b"ab" + "中".encode()) * 200_000


def test_is_made_once() -> None:
    found = decoder([b"a"])
    with pytest.raises(TypeError, match="immutable"):
        found.__init__(b"x", array("I", [0, 1]))  # type: ignore[misc]
    assert found.decode([0]) == b"a"
    with pytest.raises(TypeError):
        Decoder(None, array("I", [0]))  # type: ignore[arg-type]
    with pytest.raises((AttributeError, TypeError)):
        Decoder.__new__(Decoder).decode([0])
    with pytest.raises(IndexError):
        decoder([b"a"], special=[5])


def test_no_tokens() -> None:
    assert decoder([]).decode([]) == b""
    assert decoder([]).decode([0]) == 0


def test_offsets_that_do_not_fit() -> None:
    for offsets in ([], [0, 5], [0, 2], [1, 3], [0, 4, 3]):
        with pytest.raises(ValueError, match="offsets"):
            Decoder(b"abc", array("I", offsets))
