"""The stages joined: the native path and the general one give the same, policies, and where texts can be cut."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
from adversarial import random_text as hard_text
from fuzz_text import added_token_text
from hypothesis import given, settings
from hypothesis import strategies as st
from random_models import bpe_model, plain_model, random_model, random_texts

from bpetk.definition import Definition, Sections
from bpetk.errors import ConfigError, InvalidEncodingError, UnknownTokenError
from bpetk.model import BpeModel
from bpetk.pipeline import FORBIDDEN, GENERAL, INVALID_UTF8, SURROGATE, UNKNOWN_BYTE, Pipeline
from bpetk.pretokenizers import SCHEMES, custom_scheme, get_scheme
from bpetk.special_tokens import AddedToken

SEEDS = st.integers(0, 2**32)
NFC = {"type": "NFC"}
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}


def pipeline(
    *added: AddedToken | str, scheme: str = "gpt2", model: dict[str, Any] | None = None, **sections: Any
) -> Pipeline:
    """Stages of a tokenizer of bytes."""
    tokens = tuple(
        token if isinstance(token, AddedToken) else AddedToken(token, 256 + i)
        for i, token in enumerate(added)
    )
    made = BpeModel(
        get_scheme(scheme), (), list(range(256)), [], [], [], added_tokens=tokens, **(model or {})
    )
    return Pipeline(Definition(made, Sections(**sections)))


def native(
    stages: Pipeline, text: str | bytes, allowed: Any = "all", disallowed: Any = ()
) -> list[int] | int:
    """Ids, or why there are none."""
    found = stages.encoder.encode(text, stages.policy(allowed, disallowed).plan)
    return found if isinstance(found, list) else int(found[0])


# --- native and general ---------------------------------------------------------------------------------------------

ADDED = [
    "<s>",
    "</s>",
    "<|a b|>",
    "中文",
    AddedToken("<l>", 300, lstrip=True),
    AddedToken("<r>", 301, rstrip=True),
    AddedToken("word", 302, single_word=True),
    AddedToken("É", 303, normalized=True, special=False),
    AddedToken("ab", 304, normalized=True, special=False),
]
NORMALIZERS = [
    None,
    NFC,
    {"type": "NFKC"},
    {"type": "Sequence", "normalizers": [NFC]},
    {"type": "Sequence", "normalizers": []},
    {"type": "Lowercase"},
    {"type": "Prepend", "prepend": "x"},
]


@pytest.mark.parametrize("normalizer", NORMALIZERS, ids=str)
@pytest.mark.parametrize("added", [ADDED[:3], ADDED[:6], ADDED], ids=len)
def test_the_native_path_equals_the_general_one(normalizer: Any, added: list[Any]) -> None:
    rng = random.Random(f"{normalizer}{len(added)}")
    contents = [token if isinstance(token, str) else token.content for token in added]
    for scheme in ("gpt2", "cl100k", "deepseek_v3"):
        stages = pipeline(*added, scheme=scheme, normalizer=normalizer)
        counts = {"native": 0, "general": 0}
        for _ in range(150):
            text = (
                added_token_text(rng, contents, rng.choice((1, 4, 12)))
                if rng.random() < 0.7
                else hard_text(rng, 9)
            )
            for allowed, disallowed in (("all", ()), ((), ()), (("<s>",), ())):
                policy = stages.policy(allowed, disallowed)
                found = native(stages, text, allowed, disallowed)
                wanted = stages.general(text, policy)
                if found == GENERAL:
                    counts["general"] += 1
                else:
                    counts["native"] += 1
                    assert found == wanted, (text, allowed)
        assert counts["native"] or normalizer in NORMALIZERS[-2:]


@settings(max_examples=150)
@given(SEEDS, SEEDS, st.sampled_from(list(SCHEMES)))
def test_of_any_model(model_seed: int, text_seed: int, scheme: str) -> None:
    model = random_model(model_seed, as_value=True)
    stages = Pipeline(Definition(bpe_model(model, scheme, ["<s>", "中"])))
    policy = stages.policy("all", ())
    for text in random_texts(text_seed, model, 4):
        found = native(stages, f"{text}<s>{text}")
        if found == UNKNOWN_BYTE:
            with pytest.raises(UnknownTokenError):
                stages.general(f"{text}<s>{text}", policy)
        else:
            assert found == stages.general(f"{text}<s>{text}", policy)
            in_pieces = [
                id for run in stages.runs(f"{text}<s>{text}", policy, aligned=True) for id in run.ids
            ]
            assert in_pieces == found


def test_why_a_text_is_not_encoded_natively() -> None:
    stages = pipeline("<s>", AddedToken("<r>", 300, rstrip=True), normalizer=NFC)
    assert native(stages, "ab") == [97, 98]
    assert native(stages, b"a\xff") == INVALID_UTF8
    assert native(stages, "a\udc00") == SURROGATE
    assert native(stages, "a<s>", (), "all") == FORBIDDEN
    assert native(stages, "e\u0301") == native(stages, "a<r> ") == GENERAL
    custom = BpeModel(custom_scheme("[a-z]+"), (), list(range(256)), [], [], [])
    assert native(Pipeline(Definition(custom)), "ab") == GENERAL


# --- whole tokens ---------------------------------------------------------------------------------------------------


def test_strings_that_no_bytes_spell_are_not_found_whole() -> None:
    """In the vocabulary they are text, not the byte-level form of text."""
    extra = (("漢", 300), ("ab", 301), ("Ġx", 302))
    options = {"ignore_merges": True, "extra_tokens": extra}
    stages = pipeline(model=options)
    assert native(stages, "漢") == [*"漢".encode()]
    assert native(stages, "ab x") == [301, 302]
    # So it is with a special token that the vocabulary holds, where it is not to be matched.
    for content, ids in (("字", [*"字".encode()]), ("<|", [256])):
        made = BpeModel(
            *(get_scheme("none"), (content,), list(range(256)), [], [], []),
            added_tokens=(AddedToken(content, 256),),
            ignore_merges=True,
        )
        stages = Pipeline(Definition(made))
        assert native(stages, content, (), ()) == ids and native(stages, content) == [256]


def test_added_tokens_outside_the_vocabulary_are_not_found_whole() -> None:
    stages = pipeline("abc", model={"ignore_merges": True})
    assert native(stages, "abc", (), ()) == [*b"abc"] and native(stages, "abc") == [256]


# --- policies -------------------------------------------------------------------------------------------------------


def test_policies_are_made_once() -> None:
    stages = pipeline("<s>", "</s>")
    assert (
        stages.policy({"<s>"}, "all") is stages.policy(["<s>"], "all") is stages.policy(("<s>", "<s>"), "all")
    )
    assert stages.policy((), "all") is stages.policy(frozenset(), "all")
    policy = stages.policy({"<s>"}, "all")
    assert (policy.contents, policy.forbidden) == ({"<s>"}, {"</s>"})
    for i in range(200):  # and do not pile up
        stages.policy({f"<{i}>"}, ())
    assert len(stages._policies) <= 64


@pytest.mark.parametrize("wrong", ["<s>", "ALL", None, 3, [1], {"<s>", 2}, [["<s>"]]])
def test_policies_that_are_none(wrong: Any) -> None:
    stages = pipeline("<s>")
    with pytest.raises(ConfigError, match="allowed_special must be 'all' or a set of strings"):
        stages.policy(wrong, "all")
    with pytest.raises(ConfigError, match="disallowed_special must be"):
        stages.policy("all", wrong)


# --- where a text can be cut ----------------------------------------------------------------------------------------


def cut_up(stages: Pipeline, data: bytes, size: int, allowed: Any = "all") -> Iterator[bytes]:
    """Cut a text as often as it goes."""
    find = stages.cutter(stages.policy(allowed, ()))
    assert find is not None
    at = 0
    while len(data) - at > size and (found := find(data[at : at + size])):
        assert 0 < found <= size
        yield data[at : at + found]
        at += found
    yield data[at:]


@pytest.mark.parametrize("scheme", sorted(set(SCHEMES) - {"none"}))
@pytest.mark.parametrize("normalizer", [None, NFC, {"type": "NFKC"}], ids=str)
def test_parts_apart_are_the_text(scheme: str, normalizer: Any) -> None:
    added = ["<s>", " a b", "字，字", "word 一", AddedToken(",a", 300, normalized=True, special=False)]
    stages = pipeline(*added, scheme=scheme, normalizer=normalizer)
    contents = [token if isinstance(token, str) else token.content for token in added]
    rng = random.Random(f"{scheme}{normalizer}")
    policy, parts = stages.policy("all", ()), 0
    words = [
        "word ",
        "a b ",
        "字，",
        "字。",
        "一、",
        "x1 y",
        "e\u0301 a",
        "가\u1100\u1161",
        "1 a",
        *contents,
        "é b",
    ]
    for _ in range(200):
        text = (
            "".join(rng.choices(words, k=60)) if rng.random() < 0.7 else added_token_text(rng, contents, 30)
        )
        found = list(cut_up(stages, text.encode(), rng.choice((12, 30, 80))))
        parts += len(found)
        assert [id for part in found for id in stages.general(part, policy)] == stages.general(
            text, policy
        ), text
    assert parts > 300


def test_a_token_that_only_the_normalized_text_has_is_not_cut() -> None:
    stages = pipeline(AddedToken("字,", 300, normalized=True), normalizer={"type": "NFKC"})
    policy, text = stages.policy("all", ()), "字，" * 20
    assert stages.general(text, policy) == [300] * 20
    find = stages.cutter(policy)
    if find is not None and (cut := find(text.encode())):
        parts = (text.encode()[:cut], text.encode()[cut:])
        assert [id for part in parts for id in stages.general(part, policy)] == [300] * 20


def test_parts_of_random_models() -> None:
    for seed in range(40):
        model = plain_model(seed)
        stages = Pipeline(Definition(bpe_model(model, "cl100k", ["<s>", "a a"])))
        for text in random_texts(seed, model, 4):
            data = f"{text} word 字，{text} a a，".encode() * 3
            found = list(cut_up(stages, data, 50))
            assert [id for part in found for id in stages.general(part, stages.policy("all", ()))] == native(
                stages, data
            )


def test_where_nothing_can_be_cut() -> None:
    for stages in (
        pipeline(scheme="none"),
        pipeline(normalizer={"type": "Lowercase"}),
        pipeline(AddedToken("<r>", 300, rstrip=True)),
        pipeline(
            AddedToken("É", 300, normalized=True),
            normalizer={"type": "Sequence", "normalizers": [{"type": "NFD"}]},
        ),
        Pipeline(Definition(BpeModel(custom_scheme("[a-z]+"), (), list(range(256)), [], [], []))),
    ):
        find = stages.cutter(stages.policy("all", ()))
        assert find is None or find(b"word after word " * 10) == 0
    # A token with flags matters only where it is matched.
    stages = pipeline(AddedToken("<r>", 300, rstrip=True))
    assert stages.cutter(stages.policy((), ())) is not None


def test_looking_for_a_cut_takes_no_quadratic_time() -> None:
    stages = pipeline("字，字 a", "x y")
    find = stages.cutter(stages.policy("all", ()))
    assert find is not None
    for content in ("字，字 a", "x y"):
        data = content.encode() * 400_000
        start = time.perf_counter()
        find(data)
        assert time.perf_counter() - start < 4


# --- texts ----------------------------------------------------------------------------------------------------------


def test_texts_as_str() -> None:
    stages = pipeline()
    assert stages.to_str("é") == stages.to_str("é".encode()) == "é"
    assert stages.to_str("\ud800") == "\ud800"  # refused later, with its position
    with pytest.raises(InvalidEncodingError, match=r"not UTF-8 at byte 1 \(0xFF\)"):
        stages.to_str(b"a\xff")
    with pytest.raises(TypeError, match="text must be str or bytes, not list"):
        stages.to_str([])  # type: ignore[arg-type]
    ranks = pipeline(model={"ranks": True, "ignore_merges": True})
    assert ranks.to_str("a\ud83d\ude00\ud800") == "a😀\ufffd"


def test_positions_in_errors() -> None:
    observed = [byte if byte < 128 else -1 for byte in range(256)]
    stages = Pipeline(
        Definition(
            BpeModel(get_scheme("gpt2"), ("<s>",), [i + 1 if i >= 0 else -1 for i in observed], [], [], [])
        )
    )
    policy = stages.policy("all", ())
    with pytest.raises(UnknownTokenError, match=r"byte 0xE4 of '中' at position 5 of the text"):
        stages.general("ab<s>中", stages.policy("all", ()))
    with pytest.raises(InvalidEncodingError, match=r"U\+D800 at position 4"):
        stages.general("<s>a\ud800", policy)
    with pytest.raises(ConfigError, match="'<s>' at position 2"):
        stages.general("ab<s>", stages.policy((), "all"))
