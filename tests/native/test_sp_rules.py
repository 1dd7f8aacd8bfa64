"""The tables of SentencePiece models: what they refuse, where they cut, what a text starts as."""

from __future__ import annotations

import random
from array import array
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import pytest

from bpetk._encode_document import Plan
from bpetk._encoder import Encoder
from bpetk._sp_document import Sentences
from bpetk._sp_normalizer import Normalizer
from bpetk._sp_rules import PieceRules

USED, UNUSED, WHOLE = 1, 2, 3


def rules(texts: Sequence[str], kinds: Sequence[int] | None = None, **options: Any) -> PieceRules:
    """Give rules with an unknown piece in front, the first piece having the highest score."""
    data = [b"", *(text.encode() for text in texts)]
    return PieceRules(
        b"".join(data),
        array("I", accumulate(map(len, data), initial=0)),
        bytes([0, *(kinds or [USED] * len(texts))]),
        array("f", [-float(n) for n in range(len(data))]),
        **{"unk_id": 0, **options},
    )


def plan(**options: Any) -> Plan:
    """Give a plan that leaves text as it is."""
    plain = Normalizer(None, add_dummy_prefix=False, remove_extra_whitespaces=False, escape_whitespaces=False)
    return Plan(sentences=Sentences(plain, **options))


def test_parts_are_those_that_merging_comes_to() -> None:
    made = rules(["ab", "bc", "abc", "abcd", "cd", "xyz", "a", "b", "c", "d"])
    # a b c d -> ab c d -> abc d: not ab and cd, though these are pieces too; "xyz" comes to three symbols.
    assert [made.parts(id) for id in range(1, 8)] == [(7, 8), (8, 9), (1, 9), (3, 10), (9, 10), None, None]
    assert Encoder(made, None).encode("abcdabc", plan()) == [4, 3]


def test_a_cut_is_where_no_rule_joins() -> None:
    made = rules(["ab", "中国", "国b"])
    assert made.cut_points("aab中国b国".encode()) == [1, 3, 10]
    assert made.cut_points(b"") == made.cut_points(b"a") == []
    with pytest.raises(ValueError, match="not UTF-8"):
        made.cut_points(b"a\xe4\xb8")


def test_characters_that_are_no_piece_have_symbols_if_pieces_have_them() -> None:
    made = rules(["a", "ab", "é中", "😀a"], [USED, USED, UNUSED, USED])
    first = made.first_symbols("ab中é😀".encode())
    assert first[0] == 1 and len(set(first)) == 5 and min(first[1:]) >= 5
    assert made.first_symbols(b"axb") == [1]


@pytest.mark.parametrize("tier", ["portable", None])
def test_cut_joins_in_long_mixed_text_are_no_different_from_merging_it_whole(tier: str | None) -> None:
    rng = random.Random(0)
    letters = "ab c,1é中国\U0001f600\n"
    texts = {"".join(rng.choices(letters, k=rng.choice((2, 2, 3, 4)))) for _ in range(60)}
    made = rules([*sorted(texts), *letters])
    encoder = Encoder(made, None)
    for size in (1, 15, 16, 17, 60, 61, 62, 63, 64, 65, 128, 3000):
        for _ in range(20):
            text = "".join(rng.choices(letters, k=size))
            pieces = [text[i:j] for i, j in _spans(made, text)]
            want = [id for piece in pieces for id in encoder.encode(piece, plan(), tier="portable")]
            assert encoder.encode(text, plan(), tier=tier) == want


def _spans(made: PieceRules, text: str) -> list[tuple[int, int]]:
    data = text.encode()
    cuts = [len(data[:cut].decode()) for cut in made.cut_points(data)]
    return list(zip([0, *cuts], [*cuts, len(text)], strict=True))


def test_what_makes_no_rules_is_refused() -> None:
    one = array("I", [0, 1])
    with pytest.raises(ValueError, match="same number"):
        PieceRules(b"a", one, b"\1\1", array("f", [0.0]), unk_id=0)
    with pytest.raises(ValueError, match="do not fit"):
        PieceRules(b"ab", one, b"\1", array("f", [0.0]), unk_id=0)
    with pytest.raises(ValueError, match="do not fit"):
        PieceRules(b"a", array("I", [0, 1, 0, 1]), b"\1\1\1", array("f", [0.0] * 3), unk_id=0)
    with pytest.raises(ValueError, match="not UTF-8"):
        PieceRules(b"\xff", one, b"\1", array("f", [0.0]), unk_id=0)
    with pytest.raises(ValueError, match="must be an unknown piece"):
        PieceRules(b"a", one, b"\1", array("f", [0.0]))
    with pytest.raises(ValueError, match="id 7"):
        rules(["a"], byte_ids=[7] * 256)
    made = rules(["a"])
    with pytest.raises(TypeError, match="immutable"):
        made.__init__(b"", one, b"", array("f"), unk_id=0)  # type: ignore[misc]
