"""The tables made of a model's merges: where no merge crosses, starting from characters; against the plain rules."""

from __future__ import annotations

import random
import subprocess
import sys
from array import array
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_models import MadeModel, plain_model, random_model, random_texts

from bpetk._encode_document import Plan
from bpetk._encode_rules import EncodeRules
from bpetk._encoder import Encoder
from bpetk.errors import UnknownTokenError
from bpetk.reference.encode import encode_word, uncrossed_joints

SEEDS = st.integers(0, 2**32)
BYTES = tuple(range(256))


def model_of(*rules: tuple[bytes, bytes], more: tuple[bytes, ...] = ()) -> MadeModel:
    """All bytes, and merges in the order of their ranks."""
    ids = {bytes([byte]): byte for byte in BYTES}
    for token in (part for left, right in rules for part in (left, right, left + right)):
        ids.setdefault(token, len(ids))
    for token in more:
        ids.setdefault(token, len(ids))
    merges = tuple((ids[left], ids[right], ids[left + right]) for left, right in rules)
    return MadeModel("", tuple(ids), BYTES, BYTES, merges)


def tokens_of(model: MadeModel, text: str) -> list[bytes]:
    """What a text becomes natively, as bytes; and the plain rules must agree."""
    ids = model.encoder().encode(text, Plan())
    assert ids == [id for id, _ in encode_word(text.encode(), model.rules)], text
    return [model.tokens[id] for id in ids]


# --- where no merge crosses -----------------------------------------------------------------------------------------


@settings(max_examples=300)
@given(SEEDS, SEEDS)
def test_no_merge_crosses_a_cut(model_seed: int, text_seed: int) -> None:
    model = random_model(model_seed)
    rules, plain = model.encode_rules(), model.rules
    for text in random_texts(text_seed, model):
        data = text.encode()
        cuts = rules.cut_points(data, ascii_too=True)
        assert set(rules.cut_points(data)) <= set(cuts)
        # What collides in the native table keeps a joint that could be cut, never the other way.
        assert set(cuts) <= set(uncrossed_joints(text, model.parts)), text
        try:
            together = encode_word(data, plain) if data else []
        except UnknownTokenError:
            continue
        if (
            len(together) == 1 and data in plain.whole
        ):  # the filter spares such tokens only once they are known
            continue
        assert set(cuts) <= {end for _, end in together} - {len(data)}, text
        apart = [
            encode_word(data[start:end], plain)
            for start, end in pairwise([0, *cuts, len(data)])
            if end > start
        ]
        if not plain.whole:
            assert [id for part in apart for id, _ in part] == [id for id, _ in together], text


@settings(max_examples=150)
@given(SEEDS, SEEDS)
def test_the_filter_cuts_nearly_all_that_can_be(model_seed: int, text_seed: int) -> None:
    model = plain_model(model_seed)
    rules = model.encode_rules()
    possible = missed = 0
    for text in random_texts(text_seed, model):
        wanted = set(uncrossed_joints(text, model.parts))
        possible += len(wanted)
        missed += len(wanted - set(rules.cut_points(text.encode(), ascii_too=True)))
    assert missed <= possible * 0.1 + 3


def test_cuts_of_a_text_that_can_be_followed_by_eye() -> None:
    rules = model_of((b"a", b"b"), ("中".encode(), "文".encode()), ("é".encode(), b"\xe4")).encode_rules()
    text = "abba中文文é中x"
    assert rules.cut_points(text.encode(), ascii_too=True) == [2, 3, 4, 10, 13, 18]
    # Joints of ASCII are cut in long pretokens only.
    assert rules.cut_points(text.encode()) == [4, 10, 13, 18]
    assert rules.cut_points(b"") == rules.cut_points(b"a") == rules.cut_points("中".encode()) == []


@pytest.mark.parametrize(
    ("rule", "crossed", "free"),
    [
        ((b"\x80", b"\xe4"), "\u0400中", "\u0401中"),
        ((b"\xad", b"\xe6\x96"), "中文", "中天"),
        ((b"\xad", b"\xe6\x96"), "\u042d\u6587", "文文"),
        ((b"\x98\x80", b"\xf0\x9f"), "😀😁", "😁😁"),
        ((b"\x9f\x98\x80", b"a"), "😀a", "😁a"),
        (("中".encode(), b"\xe6"), "中文", "丮文"),
        ((b"a", b"\xe6\x96"), "a文", "a中"),
        ((b"a", b"\xf0\x9f\x98"), "a😀", "a\U00020000"),
        ((b"a\xc3", b"\xa9"), None, "aé"),
        ((b"xx", "é".encode() * 3), "xé", "éx"),
    ],
)
def test_rules_with_parts_of_characters(rule: tuple[bytes, bytes], crossed: str | None, free: str) -> None:
    rules = model_of(rule).encode_rules()
    for text in (crossed, free):
        if text is not None:
            expected = [len(text[0].encode())] if text is free else []
            assert rules.cut_points(text.encode()) == expected == uncrossed_joints(text, [rule])


def test_no_cuts_where_bytes_are_not_all() -> None:
    data = "é中".encode()
    plain = model_of()
    assert plain.encode_rules().cut_points(data) == [2]
    ids, no_merges = array("I"), array("I")
    offsets = array("I", [0, *accumulate([1] * 256 + [5])])
    blob = bytes(BYTES) + b"<unk>"
    last = (*range(255), 256)
    assert EncodeRules(blob, offsets, BYTES, last, ids, ids, no_merges).cut_points(data) == []
    assert EncodeRules(blob, offsets, BYTES, BYTES, ids, ids, no_merges, unk_id=256).cut_points(data) == []
    odd = [array("I", [id]) for id in (97, 98, 256)]
    assert EncodeRules(blob, offsets, BYTES, BYTES, *odd).cut_points(data) == []


def test_cut_points_want_utf8() -> None:
    rules = model_of().encode_rules()
    for data in (b"a\xe4\xb8", b"aa\xf0\x9f\x98", b"a\xc3"):
        with pytest.raises(ValueError, match="not UTF-8"):
            rules.cut_points(data, ascii_too=True)


def test_whole_tokens_are_not_cut() -> None:
    model = model_of((b"a", b"b"), more=("中文字".encode(), b"abcdefghijklmnopqrst"))
    data = "中文字x".encode()
    rules = model.encode_rules()
    assert rules.cut_points(data) == [3, 6, 9]
    rules.find_only_whole([model.tokens.index("中文字".encode())])
    assert rules.cut_points(data) == [9]
    with pytest.raises(TypeError, match="immutable"):
        rules.find_only_whole([0])


# --- starting from characters ---------------------------------------------------------------------------------------


def test_bytes_that_look_like_a_character() -> None:
    # Their bits in the places of a character's bits are those of another character.
    assert tokens_of(model_of((b"\xc3", b"a")), "á") == [b"\xc3", b"\xa1"]
    assert tokens_of(model_of((b"\xe4", b"\xb8"), (b"\xe4\xb8", b"-")), "中") == [b"\xe4\xb8", b"\xad"]
    assert tokens_of(model_of((b"\xe4", b"8"), (b"\xe48", b"\xad")), "中") == [b"\xe4", b"\xb8", b"\xad"]
    # Longer than it needs to be: no character, but with the code point of one.
    longer = model_of((b"\xc3", b"\xa9"), (b"\xe0", b"\x83"), (b"\xe0\x83", b"\xa9"))
    assert tokens_of(longer, "éé") == [b"\xc3\xa9", b"\xc3\xa9"]
    assert tokens_of(model_of((b"\xe0", b"\x83"), (b"\xe0\x83", b"\xa9")), "é") == [b"\xc3", b"\xa9"]
    assert tokens_of(model_of((b"\xc1", b"\xa1")), "aa") == [b"a", b"a"]
    assert tokens_of(model_of((b"\xed", b"\xa0"), (b"\xed\xa0", b"\x80")), "\ud7ff\ue000") == [
        *(b"\xed", b"\x9f", b"\xbf", b"\xee", b"\x80", b"\x80")
    ]


def test_a_rule_that_comes_before_its_character() -> None:
    # `é` is whole before it meets `x` only if that rule comes first.
    late = model_of((b"\xc3", b"\xa9"), ("é".encode(), b"x"))
    early = model_of(("é".encode(), b"x"), (b"\xc3", b"\xa9"), (b"a", b"\xc3"))
    assert tokens_of(late, "aéx") == [b"a", "éx".encode()]
    assert tokens_of(early, "aéx") == [b"a", "éx".encode()]
    # A part of it is taken first.
    assert tokens_of(model_of((b"a", b"\xc3"), (b"\xc3", b"\xa9"), ("é".encode(), b"x")), "aéx") == [
        *(b"a\xc3", b"\xa9", b"x")
    ]
    assert tokens_of(model_of((b"\xa9", b"x"), (b"\xc3", b"\xa9")), "éxé") == [
        b"\xc3",
        b"\xa9x",
        "é".encode(),
    ]
    # What is made of a part joins before the character is whole.
    assert tokens_of(
        model_of((b"\xb8", b"\xad"), (b"\xb8\xad", b"a"), (b"\xe4", b"\xb8\xad"), ("中".encode(), b"a")),
        "中a中",
    ) == [b"\xe4", b"\xb8\xada", "中".encode()]


def test_a_character_made_in_two_ways() -> None:
    two = model_of((b"\xb8", b"\xad"), (b"\xe4", b"\xb8"), (b"\xe4\xb8", b"\xad"), (b"\xe4", b"\xb8\xad"))
    assert tokens_of(two, "中中文") == ["中".encode(), "中".encode(), b"\xe6", b"\x96", b"\x87"]


@settings(max_examples=300)
@given(SEEDS, SEEDS)
def test_words_of_whole_characters(model_seed: int, text_seed: int) -> None:
    """Every character is a token; rules join them, and sometimes parts of them, in any order."""
    rng = random.Random(model_seed)
    characters = rng.choice(("中文字一", "éêè", "aéb", "中é\u3042。", "中a"))
    rules = []
    for char in characters:
        data = char.encode()
        if len(data) > 1 and rng.random() < 0.95:
            cut = rng.randrange(1, len(data))
            rules += [(data[:cut], data[cut:])]
            rules += [(part[:1], part[1:]) for part in (data[:cut], data[cut:]) if len(part) == 2]
    joined = [(a.encode(), b.encode()) for a in characters for b in characters if rng.random() < 0.5]
    longer = [(left + right, rng.choice(characters).encode()) for left, right in joined if rng.random() < 0.4]
    rules += joined + longer
    if rng.random() < 0.4:
        one, two = rng.choice(characters).encode(), rng.choice(characters).encode()
        rules.append((one[rng.randrange(len(one)) :], two[: rng.randint(1, len(two))]))
    rules = list(dict.fromkeys(rules)) or [(b"a", b"a")]
    for _ in range(rng.choice((0, 0, 1, 4, 50))):
        i, k = rng.randrange(len(rules)), rng.randrange(len(rules))
        rules[i], rules[k] = rules[k], rules[i]
    model = model_of(*rules)
    texts = random.Random(text_seed)
    for size in (1, 2, 3, 5, 6, 9, 16, 17, 30, 80):
        tokens_of(model, "".join(texts.choices(characters, k=size)))


# --- what is refused ------------------------------------------------------------------------------------------------


def arguments(**changes: Any) -> dict[str, Any]:
    """What `EncodeRules` takes: 257 tokens of one byte, one merge."""
    return {
        "blob": bytes(BYTES) + b"a",
        "offsets": array("I", range(258)),
        "byte_ids": BYTES,
        "last_ids": BYTES,
        "left": array("I", [97]),
        "right": array("I", [98]),
        "new": array("I", [256]),
        **changes,
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"left": array("I")}, "differ in length"),
        ({"new": array("I", [256, 256])}, "differ in length"),
        ({"offsets": array("I", [*range(257), 259])}, "offsets do not fit"),
        ({"blob": b""}, "offsets do not fit"),
        ({"offsets": array("I")}, "offsets do not fit"),
        ({"offsets": array("I", [1, *range(1, 258)])}, "offsets do not fit"),
        ({"offsets": array("I", [0, 300, *range(2, 258)])}, "offsets do not fit"),
        ({"left": array("I", [257])}, "merge 0 uses an id without bytes"),
        ({"new": array("I", [2**32 - 1])}, "merge 0 uses an id without bytes"),
        ({"byte_ids": (*range(255), 257)}, "id 257 has no bytes"),
        ({"unk_id": 1000}, "id 1000 has no bytes"),
        ({"unk_id": 97}, "merges the unknown token"),
        ({"left": array("q", [97])}, "Buffer dtype mismatch"),
        ({"offsets": array("I", bytes(4 * (2**21 + 1)))}, "more than 2097151"),
    ],
)
def test_what_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EncodeRules(**arguments(**changes))


def test_is_made_once() -> None:
    rules = EncodeRules(**arguments())
    with pytest.raises(TypeError, match="immutable"):
        rules.__init__(**arguments())  # type: ignore[misc]
    with pytest.raises(TypeError):
        EncodeRules()  # type: ignore[call-arg]


NEVER_MADE = """
from bpetk._encode_document import Plan
from bpetk._encode_rules import EncodeRules
from bpetk._encoder import Encoder
rules = EncodeRules.__new__(EncodeRules)
assert rules.cut_points(b"ab") == []
try:
    Encoder(rules, "gpt2").encode("ab", Plan())
except TypeError:
    print("refused")
"""


def test_tables_that_were_never_made(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", NEVER_MADE], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "refused\n"), done.stderr


def test_one_table_for_several_encoders() -> None:
    model = model_of((b"a", b"b"), ("中".encode(), "文".encode()))
    rules = model.encode_rules()
    encoders = [Encoder(rules, scheme) for scheme in ("none", "gpt2", None)]
    del rules
    assert [encoder.encode("ab 中文", Plan()) for encoder in encoders[:2]] == [
        [256, 32, *"中".encode(), *"文".encode()]
    ] * 2
