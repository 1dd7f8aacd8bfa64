"""Whole tokenizers made at random: every stage at once, from text to ids, offsets and back, against `tokenizers`."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from fuzz_text import added_token_text, adversarial_text

from bpetk import Tokenizer
from bpetk.errors import ModelFileError

hf = pytest.importorskip("tokenizers")

Config = dict[str, Any]
CONTENTS = [
    "<s>",
    "</s>",
    "ab",
    "a b",
    " the",
    "  ",
    "é",
    "e\u0301",
    "ﬁ",
    "AB",
    "漢",
    "\n",
    "Ġ",
    "\u2126",
    "the",
    "<|x|>",
]
BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
PATTERNS: list[Config] = [
    *({"String": text} for text in (" ", "a", "ab", "\n", "'")),
    *(
        {"Regex": text}
        for text in (r"\s+", r"\p{L}+", r"\p{N}{1,3}", r"[^\r\n\p{L}\p{N}]?\p{L}+", r"\d", "(?i:'s|'t)")
    ),
    {"Regex": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"},
]


def flag(rng: random.Random) -> bool:
    return rng.random() < 0.5


def normalizer(rng: random.Random) -> Config:
    kind = rng.choice(
        "NFC NFD NFKC NFKD Lowercase Strip StripAccents Nmt Replace Prepend BertNormalizer".split()
    )
    options: dict[str, Any] = {
        "Strip": {"strip_left": flag(rng), "strip_right": flag(rng)},
        "Replace": {"pattern": rng.choice(PATTERNS), "content": rng.choice(["", " ", "x", "漢", "a b"])},
        "Prepend": {"prepend": rng.choice(["▁", "x", " ", "ab"])},
        "BertNormalizer": {
            **{name: flag(rng) for name in ("clean_text", "handle_chinese_chars", "lowercase")},
            "strip_accents": rng.choice([None, True, False]),
        },
    }
    return {"type": kind, **options.get(kind, {})}


def splitter(rng: random.Random) -> Config:
    kind = rng.choice(
        "Split Split Split Digits Punctuation Whitespace WhitespaceSplit Metaspace CharDelimiterSplit "
        "UnicodeScripts FixedLength BertPreTokenizer".split()
    )
    options: dict[str, Any] = {
        "Split": {
            "pattern": rng.choice(PATTERNS),
            "behavior": rng.choice(BEHAVIORS),
            "invert": rng.random() < 0.3,
        },
        "Digits": {"individual_digits": flag(rng)},
        "Punctuation": {"behavior": rng.choice(BEHAVIORS)},
        "Metaspace": {
            "replacement": rng.choice("▁_"),
            "prepend_scheme": rng.choice(["always", "first", "never"]),
            "split": flag(rng),
        },
        "CharDelimiterSplit": {"delimiter": rng.choice(" a漢")},
        "FixedLength": {"length": rng.choice([1, 3, 7])},
    }
    return {"type": kind, **options.get(kind, {})}


def byte_level(rng: random.Random) -> Config:
    return {
        "type": "ByteLevel",
        "add_prefix_space": flag(rng),
        "trim_offsets": flag(rng),
        "use_regex": flag(rng),
    }


def pre_tokenizer(rng: random.Random) -> Config:
    steps = [splitter(rng) for _ in range(rng.choice((0, 0, 1, 1, 2)))] + [byte_level(rng)]
    if rng.random() < 0.2:
        steps.append(splitter(rng))  # works on what bytes look like
    return steps[0] if len(steps) == 1 else {"type": "Sequence", "pretokenizers": steps}


def sequence(kind: str, name: str, steps: list[Config]) -> Config | None:
    if not steps:
        return None
    return steps[0] if len(steps) == 1 else {"type": kind, name: steps}


def post_processor(rng: random.Random, ids: dict[str, int]) -> Config:
    kind = rng.choice(["ByteLevel", "TemplateProcessing", "RobertaProcessing", "BertProcessing"])
    if kind == "ByteLevel":
        return byte_level(rng)
    first, last = ({"id": name, "ids": [ids[name]], "tokens": [name]} for name in ("<s>", "</s>"))
    if kind == "TemplateProcessing":
        parts = [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
        parts += [{"SpecialToken": {"id": "</s>", "type_id": 0}}] * rng.choice((0, 1, 2))
        pair = [*parts, {"Sequence": {"id": "B", "type_id": 1}}]
        special = {"<s>": first, "</s>": last}
        return {"type": kind, "single": parts, "pair": pair, "special_tokens": special}
    found = {"type": kind, "sep": ["</s>", ids["</s>"]], "cls": ["<s>", ids["<s>"]]}
    if kind == "RobertaProcessing":
        found |= {"trim_offsets": flag(rng), "add_prefix_space": flag(rng)}
    return found


def decoder(rng: random.Random) -> Config | None:
    plain = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    others: list[Config | None] = [
        None,
        {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
        {"type": "WordPiece", "prefix": "##", "cleanup": True},
        {"type": "BPEDecoder", "suffix": "</w>"},
        {"type": "Sequence", "decoders": [plain, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        {
            "type": "Sequence",
            "decoders": [{"type": "Replace", "pattern": {"String": "Ġ"}, "content": " "}, {"type": "Fuse"}],
        },
    ]
    return plain if rng.random() < 0.7 else rng.choice(others)


def trained(rng: random.Random, stages: Config, texts: list[str]) -> Config:
    """Give the model object that training on texts gives, in some cases changed afterwards."""
    unknown = rng.random() < 0.2
    tokenizer = hf.Tokenizer.from_str(
        json.dumps({**stages, "added_tokens": [], "model": {"type": "BPE", "vocab": {}, "merges": []}})
    )
    trainer = hf.trainers.BpeTrainer(
        vocab_size=rng.choice((300, 500, 900)),
        initial_alphabet=[] if unknown else hf.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts[: 5 if unknown else None], trainer)
    found: Config = json.loads(tokenizer.to_str())["model"]
    if rng.random() < 0.15:
        add_suffix(rng, found, "</w>")
    if rng.random() < 0.3:
        rng.shuffle(found["merges"])  # ranks then say nothing about how tokens are made of others
    found["ignore_merges"] = rng.random() < 0.3
    if unknown:
        found["unk_token"], found["fuse_unk"] = "<unk>", flag(rng)
        found["vocab"]["<unk>"] = len(found["vocab"])
    return found


def add_suffix(rng: random.Random, model: Config, suffix: str) -> None:
    """Give every character, and some tokens, a second form for the end of a word."""
    vocab = model["vocab"]
    for char in [token for token in vocab if len(token) == 1]:
        vocab[char + suffix] = len(vocab)
    for left, right in list(model["merges"]):
        if right + suffix in vocab and rng.random() < 0.5 and left + right + suffix not in vocab:
            vocab[left + right + suffix] = len(vocab)
            model["merges"].append([left, right + suffix])
    model["end_of_word_suffix"] = suffix


def normalized(tokenizer: Any, text: str) -> str:
    return text if tokenizer.normalizer is None else str(tokenizer.normalizer.normalize_str(text))


def made_up(rng: random.Random) -> tuple[Any, list[str]]:
    """Give a tokenizer of the library and texts for it."""
    texts = [adversarial_text(rng, rng.choice((3, 10, 30))) for _ in range(60)]
    stages: Config = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "normalizer": sequence(
            "Sequence", "normalizers", [normalizer(rng) for _ in range(rng.choice((0, 0, 1, 1, 2)))]
        ),
        "pre_tokenizer": pre_tokenizer(rng),
        "post_processor": None,
        "decoder": decoder(rng),
    }
    document = {**stages, "added_tokens": [], "model": trained(rng, stages, texts)}
    tokenizer = hf.Tokenizer.from_str(json.dumps(document))
    contents = ["<s>", "</s>", *rng.sample(CONTENTS, rng.choice((0, 2, 5)))]
    # Two tokens of the same form: either may win there. A form of nothing matches everywhere there.
    forms = {"", *contents}
    for content in dict.fromkeys(contents):
        flags = {name: rng.random() < 0.2 for name in ("single_word", "lstrip", "rstrip")}
        form = normalized(tokenizer, content)
        flags["normalized"] = flag(rng) and (form == content or form not in forms)
        forms.add(form)
        token = hf.AddedToken(content, special=flag(rng), **flags)
        (tokenizer.add_special_tokens if token.special else tokenizer.add_tokens)([token])
    if rng.random() < 0.7:
        document = json.loads(tokenizer.to_str())
        ids = {name: tokenizer.token_to_id(name) for name in ("<s>", "</s>")}
        steps = [post_processor(rng, ids) for _ in range(rng.choice((1, 1, 2)))]
        document["post_processor"] = sequence("Sequence", "processors", steps)
        tokenizer = hf.Tokenizer.from_str(json.dumps(document))
    more = [added_token_text(rng, contents, rng.choice((2, 5, 12))) for _ in range(40)]
    return tokenizer, ["", " ", *texts[:40], *more]


def compare(here: Tokenizer, there: Any, text: str, seed: int) -> None:
    """Assert that ids, offsets and decoded text are equal."""
    for add_special_tokens in (False, True):
        expected = there.encode(text, add_special_tokens=add_special_tokens)
        ids = here.encode(text, allowed_special="all", add_special_tokens=add_special_tokens)
        assert ids == expected.ids, (seed, text)
        found = here.encode_with_offsets(text, allowed_special="all", add_special_tokens=add_special_tokens)
        assert list(found.ids) == expected.ids, (seed, text)
        spans = [tuple(span) for span in found.char_offsets.tolist()]
        assert spans == expected.offsets, (seed, text, expected.tokens)
    for row in (ids, ids[::-1], ids[1::2]):
        for skip in (False, True):
            decoded = here.decode(row, skip_special_tokens=skip)
            assert decoded == there.decode(row, skip_special_tokens=skip), (seed, row, skip)


def encodable(there: Any, texts: list[str]) -> list[str]:
    """Leave out the texts on which the library stops with a panic: added tokens that overlap after stripping."""
    found = []
    for text in texts:
        try:
            there.encode(text)
        except BaseException as error:
            if type(error).__name__ != "PanicException":
                raise
        else:
            found.append(text)
    return found


@pytest.mark.parametrize("start", range(0, 60, 10))
def test_made_up_tokenizers(start: int, tmp_path: Path) -> None:
    assert sum(check(seed, tmp_path) for seed in range(start, start + 10)) >= 7


@pytest.mark.slow
@pytest.mark.parametrize("start", range(1000, 1500, 50))
def test_many_made_up_tokenizers(start: int, tmp_path: Path) -> None:
    assert sum(check(seed, tmp_path) for seed in range(start, start + 50)) >= 40


def check(seed: int, folder: Path) -> bool:
    """Compare one made-up tokenizer; return whether it is not refused here."""
    rng = random.Random(seed)
    there, texts = made_up(rng)
    path = folder / "tokenizer.json"
    there.save(str(path))
    try:
        here = Tokenizer.from_file(path)
    except ModelFileError:
        return False
    texts = encodable(there, texts)
    expected = there.encode_batch(texts, add_special_tokens=False)
    found = here.encode_batch(texts, allowed_special="all")
    for text, ids, other in zip(texts, found, expected, strict=True):
        assert ids == other.ids, (seed, text)
    for text in texts:
        compare(here, there, text, seed)
    return True
