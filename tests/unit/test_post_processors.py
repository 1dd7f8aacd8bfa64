"""Reading post-processors, and what they do; equality with the reference where that library is installed."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bpetk.errors import ModelFileError
from bpetk.post_processors import post_processor_from_hf

BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
ROBERTA = {
    "type": "RobertaProcessing",
    "sep": ["</s>", 2],
    "cls": ["<s>", 0],
    "trim_offsets": True,
    "add_prefix_space": True,
}
BERT = {"type": "BertProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0]}
SPECIAL = {
    "X": {"id": "X", "ids": [90], "tokens": ["X"]},
    "Y": {"id": "Y", "ids": [91, 92], "tokens": ["y", "z"]},
}


def template(single: str, pair: str = "A B", special: dict[str, Any] = SPECIAL) -> dict[str, Any]:
    """Make a template of sequences A and B and special tokens."""

    def part(name: str) -> dict[str, Any]:
        return {"Sequence" if name in ("A", "B") else "SpecialToken": {"id": name, "type_id": 0}}

    return {
        "type": "TemplateProcessing",
        "single": [part(name) for name in single.split()],
        "pair": [part(name) for name in pair.split()],
        "special_tokens": special,
    }


def sequence(*processors: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "processors": list(processors)}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (None, ((), ())),
        (BYTE_LEVEL, ((), ())),
        (ROBERTA, ((0,), (2,))),
        (BERT, ((0,), (2,))),
        (template("A"), ((), ())),
        (template("X A Y"), ((90,), (91, 92))),
        (template("Y X A"), ((91, 92, 90), ())),
        (sequence(), ((), ())),
        (sequence(BERT, template("X A Y")), ((90, 0), (2, 91, 92))),
        (sequence(ROBERTA, sequence(BERT)), ((0, 0), (2, 2))),
        # A template gives one part for each of its own, and each is wrapped.
        (sequence(template("X A"), BERT), ((0, 90, 2), (2,))),
        (sequence(template("X A"), ROBERTA), ((0, 90, 2, 2), (2,))),
    ],
)
def test_affixes(config: Any, expected: object) -> None:
    assert post_processor_from_hf(config).affixes() == expected


@pytest.mark.parametrize(
    ("tokens", "offsets", "expected"),
    [
        ([], [], []),
        (["Ġa", "Ġb"], [(0, 2), (2, 4)], [(0, 2), (3, 4)]),  # the first blank may be the one that was added
        (["ĠĠa"], [(0, 3)], [(2, 3)]),
        (["aĠ", "Ġ"], [(0, 2), (2, 3)], [(0, 1), (3, 3)]),
        (["Ġ"], [(0, 1)], [(0, 0)]),
        (["\u3000<s>\n"], [(5, 10)], [(5, 9)]),
        (["a", "\u3000<s>\n"], [(4, 5), (5, 10)], [(4, 5), (6, 9)]),
        (["a", "Ġb"], [(0, 1), (0, 2)], [(0, 1), (0, 2)]),  # starts at 0, so it counts as first
        (["Ċ", "č"], [(0, 1), (1, 2)], [(0, 1), (1, 2)]),
        (["ĠĠĠ"], [(4, 5)], [(5, 5)]),
    ],
)
def test_trim(tokens: list[str], offsets: list[tuple[int, int]], expected: list[tuple[int, int]]) -> None:
    assert post_processor_from_hf(BYTE_LEVEL).trim(tokens, offsets) == expected


def test_trim_of_bytes_is_that_of_their_text() -> None:
    processor = post_processor_from_hf(BYTE_LEVEL)
    assert processor.trim([b" a", b"  b ", b"\n\t "], [(3, 5), (5, 9), (9, 12)]) == [(3, 5), (7, 8), (9, 11)]


def test_blank_of_the_first_token_after_affixes() -> None:
    tokens, offsets = ["Ġa"], [(1, 3)]  # a text whose first character has no token
    trim = post_processor_from_hf(sequence(ROBERTA | {"trim_offsets": False}, BYTE_LEVEL)).trim
    assert trim(tokens, offsets) == [(1, 3)]
    assert trim(tokens, offsets, add_special_tokens=True) == [(2, 3)]
    # A template keeps the text apart, so that its first token stays the first.
    trim = post_processor_from_hf(sequence(template("X A"), BYTE_LEVEL)).trim
    assert trim(tokens, offsets, add_special_tokens=True) == [(1, 3)]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (None, False),
        (BYTE_LEVEL, True),
        (BYTE_LEVEL | {"trim_offsets": False}, False),
        (ROBERTA, True),
        (BERT, False),
    ],
)
def test_trims(config: Any, expected: bool) -> None:
    processor = post_processor_from_hf(config)
    assert processor.trims is expected
    if not expected:
        assert processor.trim(["Ġa"], [(4, 6)], add_special_tokens=True) == [(4, 6)]


def test_values() -> None:
    left, right = post_processor_from_hf(BERT), post_processor_from_hf(copy.deepcopy(BERT))
    assert left == right and hash(left) == hash(right) and left != post_processor_from_hf(ROBERTA)
    assert left != BERT
    assert repr(post_processor_from_hf(None)) == "PostProcessor(None)"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ([], "post_processor: expected an object, found []"),
        ({}, "post_processor.type: is missing"),
        ({"type": "Zip"}, "post_processor.type: expected ByteLevel, "),
        ({"type": "Sequence"}, "post_processor.processors: is missing"),
        (sequence(BERT, {"type": 1}), "post_processor.processors[1].type: expected a string, found 1"),
        ({"type": "ByteLevel", "trim_offsets": True}, "post_processor.add_prefix_space: is missing"),
        (BYTE_LEVEL | {"use_regex": None}, "post_processor.use_regex: expected true or false, found null"),
        (BERT | {"sep": ["a"]}, "post_processor.sep: expected a token and its id, found"),
        (
            BERT | {"cls": ["a", -1]},
            "post_processor.cls[1]: expected a number from 0 to 4294967295, found -1",
        ),
        (BERT | {"cls": ["a", True]}, "post_processor.cls[1]: expected a number"),
        (
            {"type": "RobertaProcessing"} | BERT | {"type": "RobertaProcessing"},
            "post_processor.trim_offsets: is",
        ),
        (template("A") | {"pair": None}, "post_processor.pair: expected a list, found null"),
        (template("A") | {"single": ["A"]}, "post_processor.single[0]: expected an object with Sequence or"),
        (
            template("A") | {"single": [{"Sequence": {"id": "C", "type_id": 0}}]},
            'post_processor.single[0].Sequence.id: expected "A" or "B", found "C"',
        ),
        (
            template("A") | {"single": [{"Sequence": {"id": "A"}}]},
            "post_processor.single[0].Sequence.type_id: expected a number",
        ),
        (
            template("A", special={"X": {"id": "X", "ids": [1], "tokens": []}}),
            "post_processor.special_tokens['X']: expected a token for each of 1 ids, found []",
        ),
        (template("Q A"), "post_processor: special_tokens has no 'Q', which the template uses"),
        (template("X"), "post_processor: gives the tokens of a text 0 times, only once is supported"),
        (template("A X A"), "post_processor: gives the tokens of a text 2 times, only once is supported"),
        # Without special tokens the second template is given one part, and has it twice.
        (
            sequence(template("A X"), template("A A", "B X A")),
            "post_processor: gives the tokens of a text 2 times",
        ),
        (template("B A"), "post_processor: the template for one text uses sequence B, which there is not"),
        (
            sequence(template("X A X"), template("A")),
            "post_processor: a template after steps that gave 3 parts",
        ),
    ],
)
def test_what_is_refused(config: Any, message: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        post_processor_from_hf(config)
    assert str(caught.value).startswith(message)


# --- against the reference ------------------------------------------------------------------------------------------


def reference(
    processor: Any, *, add_prefix_space: bool, use_regex: bool, tokens: list[str] | None = None
) -> Any:
    """Make a byte-level tokenizer of the reference with tokens that begin and end in white space."""
    tokenizers = pytest.importorskip("tokenizers")
    chars = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    merges = [("Ġ", "Ġ"), ("ĠĠ", "a"), ("Ġ", "a"), ("a", "Ġ"), ("Ċ", "Ġ"), ("Ġa", "Ġ"), ("b", "ĠĠ")]
    vocab = {text: id for id, text in enumerate([*chars, *map("".join, merges)], 1000)}
    made = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocab, merges=merges))
    data = json.loads(made.to_str())
    data["pre_tokenizer"] = BYTE_LEVEL | {"add_prefix_space": add_prefix_space, "use_regex": use_regex}
    data["post_processor"] = processor
    data["added_tokens"] = [
        {"id": 2000 + i, "content": text, "lstrip": i % 2 == 0 and not text.isspace(), "rstrip": i % 3 == 0}
        | {"single_word": False, "normalized": False, "special": i % 4 == 0}
        for i, text in enumerate(tokens or [])
    ]
    return tokenizers.Tokenizer.from_str(json.dumps(data))


def random_config(rng: random.Random, depth: int = 0) -> dict[str, Any]:
    flags = {name: rng.random() < 0.6 for name in ("trim_offsets", "add_prefix_space")}
    kind = rng.randrange(5 if depth < 2 else 4)
    if kind == 0:
        return BYTE_LEVEL | flags
    if kind == 1:
        return ROBERTA | flags
    if kind == 2:
        return BERT
    if kind == 3:
        special = [" ".join(rng.choices("XY", k=rng.choice([0, 0, 1, 2]))) for _ in range(4)]
        return template(f"{special[0]} A {special[1]}", f"{special[2]} A B {special[3]}")
    return sequence(*(random_config(rng, depth + 1) for _ in range(rng.randint(0, 3))))


def test_random_post_processors_equal_the_reference() -> None:
    rng = random.Random(8)
    used = 0
    while used < 150:
        config = random_config(rng)
        try:
            processor = post_processor_from_hf(config)
        except ModelFileError:
            continue
        used += 1
        options = {"add_prefix_space": rng.random() < 0.5, "use_regex": rng.random() < 0.5}
        tokens = rng.sample(["<s>", " <t>", "x ", "\u3000", "  ", "Ġy"], k=rng.randint(0, 3))
        there, plain = (reference(c, **options, tokens=tokens) for c in (config, None))
        assert processor.config == json.loads(there.to_str())["post_processor"]
        assert list(processor.config or {}) == list(json.loads(there.to_str())["post_processor"])
        for _ in range(10):
            pieces = [" ", "  ", "a", "b", "\n", "漢", "a ", *tokens]
            text = "".join(rng.choices(pieces, k=rng.randint(0, 9)))
            base = plain.encode(text, add_special_tokens=False)
            for add in (False, True):
                expected = there.encode(text, add_special_tokens=add)
                before, after = processor.affixes() if add else ((), ())
                assert expected.ids == [*before, *base.ids, *after], config
                own = processor.trim(base.tokens, base.offsets, add_special_tokens=add)
                found = [*[(0, 0)] * len(before), *own, *[(0, 0)] * len(after)]
                assert found == expected.offsets, (config, text, add)


@pytest.mark.parametrize(
    "model", ["gpt2", "llama3", "qwen3", "kitoken-clip_base-tokenizers", "kitoken-modernbert-tokenizers"]
)
@pytest.mark.parametrize("trims", [False, True])
def test_real_files(model: str, trims: bool, shared_file: Callable[..., Path]) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    data = json.loads(shared_file(f"tokenizers/{model}/tokenizer.json").read_text(encoding="utf-8"))
    if trims and "trim_offsets" not in data["post_processor"]:
        data["post_processor"] = sequence(BYTE_LEVEL, data["post_processor"])
    elif trims:
        data["post_processor"]["trim_offsets"] = True
    there = tokenizers.Tokenizer.from_str(json.dumps(data))
    plain = tokenizers.Tokenizer.from_str(json.dumps(data | {"post_processor": None}))
    processor = post_processor_from_hf(data["post_processor"])
    assert processor.config == json.loads(there.to_str())["post_processor"]
    for text in [
        "",
        "a",
        " a",
        "  a  b \n",
        "Hello  world\t\n  x",
        "漢字 <|endoftext|> [MASK] é",
        "   ",
        "\u3000 a\u3000 ",
    ]:
        base = plain.encode(text, add_special_tokens=False)
        for add in (False, True):
            expected = there.encode(text, add_special_tokens=add)
            before, after = processor.affixes() if add else ((), ())
            assert expected.ids == [*before, *base.ids, *after]
            own = processor.trim(base.tokens, base.offsets, add_special_tokens=add)
            assert [*[(0, 0)] * len(before), *own, *[(0, 0)] * len(after)] == expected.offsets
