"""The native rules of a BPE over characters against their plain twin."""

from __future__ import annotations

import random
from array import array
from itertools import accumulate, pairwise

import pytest

from bpetk._character_document import Stretches
from bpetk._character_rules import CharacterRules, inner_texts
from bpetk._encode_document import Plan
from bpetk._encoder import Encoder
from bpetk.reference import character_encode as twin

CHARS = "ab c漢é😀"


def random_rules(rng: random.Random) -> tuple[CharacterRules, twin.CharacterRules]:
    """Give the same random rules twice; U+2581 is written as a blank."""
    vocabulary: dict[str, int] = {"<unk>": 0}
    byte_fallback = rng.random() < 0.5
    if byte_fallback:
        vocabulary |= {f"<0x{byte:02X}>": byte + 1 for byte in range(256)}
    for char in rng.sample(CHARS, rng.randint(1, len(CHARS))):
        vocabulary[char] = len(vocabulary)
    parts = [text for text in vocabulary if len(text) == 1]
    pairs: dict[tuple[int, int], int] = {}
    for _ in range(rng.randint(0, 60)):
        left, right = rng.choice(parts), rng.choice(parts)
        if len(left + right) > 24 or (vocabulary[left], vocabulary[right]) in pairs:
            continue
        new = vocabulary.setdefault(left + right, len(vocabulary))
        parts.append(left + right)
        pairs[vocabulary[left], vocabulary[right]] = new
    ranked = rng.sample(sorted(pairs.items()), len(pairs))
    merges = {pair: (rank, new) for rank, (pair, new) in enumerate(ranked)}
    fuse, unk = rng.random() < 0.5, None if byte_fallback else "<unk>"
    texts = [b"" if text.startswith("<") else text.encode() for text in vocabulary]
    single = {text: id for text, id in vocabulary.items() if len(text) == 1}
    native = CharacterRules(
        b"".join(texts),
        array("I", accumulate(map(len, texts), initial=0)),
        array("I", map(ord, single)),
        array("I", single.values()),
        array("I", [left for (left, _), _ in ranked]),
        array("I", [right for (_, right), _ in ranked]),
        array("I", [new for _, new in ranked]),
        unk_id=None if unk is None else 0,
        fuse_unk=fuse,
        byte_ids=list(range(1, 257)) if byte_fallback else None,
    )
    plain = twin.CharacterRules(vocabulary, merges, byte_fallback=byte_fallback, unk=unk, fuse_unk=fuse)
    return native, plain


def random_text(rng: random.Random) -> str:
    size = rng.choice([1, 3, 8, 20, 60, 300])
    return "".join(rng.choices(rng.choice([CHARS, CHARS + "xyß語\n", "ab", "a"]), k=size))


def test_pretokens_and_stretches() -> None:
    for seed in range(300):
        rng = random.Random(seed)
        native, plain = random_rules(rng)
        encoder = Encoder(native, None)
        plan = Plan(stretches=Stretches(fuse=plain.fuse_unk and plain.unk is not None))
        for _ in range(8):
            text = random_text(rng)
            data, wanted = text.encode(), twin.encode_pretoken(text, plain)
            ids, failure, _ = encoder.encode_stretch(data, ends=array("Q", [len(data)]))
            assert not failure
            assert list(memoryview(ids)) == wanted, (seed, text)
            for tier in ("scalar", None):
                assert encoder.encode(text, plan, tier=tier) == wanted, (seed, text, tier)


def test_a_cut_changes_nothing() -> None:
    for seed in range(200):
        rng = random.Random(seed)
        native, plain = random_rules(rng)
        if plain.unk is not None and plain.fuse_unk:
            continue
        open_joints = twin.joints(plain)
        text = random_text(rng)
        cuts = [i for i, pair in enumerate(pairwise(text), 1) if pair not in open_joints]
        parts = [text[i:j] for i, j in pairwise([0, *cuts, len(text)])]
        assert [id for part in parts for id in twin.encode_pretoken(part, plain)] == twin.encode_pretoken(
            text, plain
        )
        # The native filter leaves a joint open by chance, but closes none that a rule may cross.
        places = [len(text[:i].encode()) for i in cuts]
        assert set(native.cut_points(text.encode())) <= set(places)


def test_prefixes() -> None:
    rules = CharacterRules(
        b" a",
        array("I", [0, 1, 2]),
        array("I", [32, 97]),
        array("I", [0, 1]),
        array("I"),
        array("I"),
        array("I"),
    )
    encoder = Encoder(rules, None)

    def ids(text: str, **options: bool) -> list[int]:
        found = encoder.encode(text, Plan(stretches=Stretches(**options)))
        assert isinstance(found, list)
        return found

    assert ids("a\u2581 a") == [1, 0, 0, 1]
    assert ids("a", prefix=True) == [0, 1]
    assert ids(" a", prefix=True) == [0, 0, 1]
    assert (
        ids(" a", prefix=True, unless_there=True) == ids("\u2581a", prefix=True, unless_there=True) == [0, 1]
    )
    assert ids("", prefix=True) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"offsets": array("I", [0, 3])}, "offsets do not fit"),
        ({"offsets": array("I", [0, 2, 1])}, "offsets do not fit"),
        ({"blob": b"\xff\xff"}, "not UTF-8"),
        ({"codes": array("I", [0x110000, 97])}, "code point"),
        ({"ids": array("I", [0, 5])}, "code point or its id"),
        ({"ids": array("I", [0])}, "differ in length"),
        ({"left": array("I", [0])}, "differ in length"),
        ({"left": array("I", [9]), "right": array("I", [0]), "new": array("I", [0])}, "merge 0 uses an id"),
    ],
)
def test_refused(change: dict[str, object], message: str) -> None:
    parts: dict[str, object] = {
        "blob": b" a",
        "offsets": array("I", [0, 1, 2]),
        "codes": array("I", [32, 97]),
        "ids": array("I", [0, 1]),
        **{name: array("I") for name in ("left", "right", "new")},
    }
    with pytest.raises(ValueError, match=message):
        CharacterRules(**(parts | change))  # type: ignore[arg-type]


def test_texts_as_the_encoder_meets_them() -> None:
    for seed in range(300):
        rng = random.Random(seed)
        chars = "ab \u2581é漢😀\u2580"
        texts = [
            "".join(rng.choices(chars, k=rng.choice([0, 1, 1, 2, 5]))) for _ in range(rng.randint(0, 12))
        ]
        data = [text.encode() for text in texts]
        fold, n_ids = rng.random() < 0.5, len(texts) + rng.randint(0, 3)
        blob, offsets, codes, ids = inner_texts(
            b"".join(data), array("I", accumulate(map(len, data), initial=0)), n_ids, fold
        )
        wanted = [
            "" if fold and " " in text else text.replace("\u2581", " " if fold else "\u2581")
            for text in texts
        ]
        wanted += [""] * (n_ids - len(texts))
        assert [blob[i:j].decode() for i, j in pairwise(offsets)] == wanted and offsets[0] == 0
        assert dict(zip(ids, codes, strict=True)) == {
            id: ord(text) for id, text in enumerate(wanted) if len(text) == 1
        }


@pytest.mark.parametrize(
    ("blob", "offsets"), [(b"\xff", [0, 1]), (b"a", [0, 2]), (b"ab", [2, 1, 2]), (b"", [0, 1])]
)
def test_texts_that_do_not_fit(blob: bytes, offsets: list[int]) -> None:
    with pytest.raises(ValueError, match=r"UTF-8|offsets do not fit"):
        inner_texts(blob, array("I", offsets), len(offsets) - 1, True)


def test_nothing_is_joined_to_a_blank_where_text_is_cut_before_it() -> None:
    texts = [b" ", b"a", b"a ", b" a", b"  "]
    for splits, wanted in ((False, [4, 3, 2]), (True, [0, 0, 3, 1, 0])):
        rules = CharacterRules(
            b"".join(texts),
            array("I", accumulate(map(len, texts), initial=0)),
            array("I", [32, 97]),
            array("I", [0, 1]),
            array("I", [0, 1, 0]),
            array("I", [0, 0, 1]),
            array("I", [4, 2, 3]),
            splits=splits,
        )
        found = Encoder(rules, None).encode("   aa ", Plan(stretches=Stretches()))
        assert found == wanted
