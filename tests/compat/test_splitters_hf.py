"""Pre-tokenizers of files against `tokenizers`: pieces, offsets, tables, and which files are refused."""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from adversarial import random_text

from bpetk import splitter_tables
from bpetk.aligned import AlignedText
from bpetk.alphabet import BYTE_TO_CHAR, to_byte_level
from bpetk.errors import ModelFileError
from bpetk.splitters import PreTokenizer, pre_tokenizer_from_hf
from bpetk.unicode_tables import ranges

from .test_custom_pattern import REAL
from .test_reference_scan import CORPORA

tokenizers = pytest.importorskip("tokenizers")

Config = dict[str, Any]
ROOT = Path(__file__).parents[2]
BEHAVIORS = ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")
PATTERNS = [*REAL.values(), "a|", "x*", "(?=a)", "-", r"\s+$|^\s+", "(?<=[a-z])(?=[A-Z])"]


def theirs(config: Any, vocab: dict[str, int] | None = None) -> Any:
    document = {
        "version": "1.0",
        "pre_tokenizer": config,
        "model": {"type": "BPE", "vocab": vocab or {}, "merges": []},
    }
    return tokenizers.Tokenizer.from_str(json.dumps(document))


def ours(config: Config) -> PreTokenizer:
    made = pre_tokenizer_from_hf(config)
    assert made is not None
    return made


def flat(config: Config) -> list[Config]:
    if config["type"] != "Sequence":
        return [config]
    return [step for part in config["pretokenizers"] for step in flat(part)]


def split(pattern: str, behavior: str = "Isolated", invert: bool = False, kind: str = "Regex") -> Config:
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert}


def byte_level(use_regex: bool = False, add_prefix_space: bool = False) -> Config:
    return {
        "type": "ByteLevel",
        "add_prefix_space": add_prefix_space,
        "trim_offsets": True,
        "use_regex": use_regex,
    }


def digits(individual: bool) -> Config:
    return {"type": "Digits", "individual_digits": individual}


def sequence(*parts: Config) -> Config:
    return {"type": "Sequence", "pretokenizers": list(parts)}


def shown(splitter: PreTokenizer, text: str) -> list[tuple[str, tuple[int, int]]]:
    """Return the pieces as the reference shows them."""
    found = []
    for piece in splitter.split(AlignedText(text), first=True):
        data = piece.text.encode("utf-8", "surrogateescape")
        found.append(
            (to_byte_level(data) if splitter.byte_level else piece.text, piece.span(0, len(piece.text)))
        )
    return found


def same(config: Config, texts: list[str]) -> None:
    """Assert that a pre-tokenizer cuts texts here as it does there."""
    splitter, reference = ours(config), theirs(config).pre_tokenizer
    assert splitter.config == json.loads(reference.__getstate__())
    for text in texts:
        # An empty piece, which only an empty text can give, has no tokens.
        there = [(piece, span) for piece, span in reference.pre_tokenize_str(text) if piece]
        assert shown(splitter, text) == there, f"{config} on {text!r}"


# --- random ---------------------------------------------------------------------------------------------------------


def made_up_step(rng: random.Random, after_bytes: bool) -> Config:
    """Return a random pre-tokenizer; after ByteLevel none of those that are refused there."""
    flag = rng.random() < 0.5
    kinds: list[Callable[[], Config]] = [
        lambda: split(rng.choice(PATTERNS), rng.choice(BEHAVIORS), rng.random() < 0.3),
        lambda: split(rng.choice(PATTERNS)),
        lambda: split(
            rng.choice([" ", "a", "", "ab", "'s", "漢", "▁", "Ġ"]), rng.choice(BEHAVIORS), flag, "String"
        ),
        lambda: {"type": rng.choice(["Whitespace", "WhitespaceSplit", "BertPreTokenizer", "UnicodeScripts"])},
        lambda: digits(flag),
        lambda: {"type": "Punctuation", "behavior": rng.choice(BEHAVIORS)},
        lambda: {"type": "FixedLength", "length": rng.randrange(1, 5)},
        lambda: {"type": "CharDelimiterSplit", "delimiter": rng.choice("a -漢")},
        lambda: sequence(*(made_up_step(rng, True) for _ in range(rng.randrange(3)))),
        lambda: byte_level(flag, rng.random() < 0.5),
        lambda: {
            "type": "Metaspace",
            "replacement": rng.choice("▁_ab"),
            "prepend_scheme": rng.choice(["always", "never", "first"]),
            "split": flag,
        },
    ]
    return rng.choice(kinds[:-2] if after_bytes else kinds)()


def made_up(rng: random.Random) -> Config:
    steps: list[Config] = []
    for _ in range(rng.randrange(1, 5)):
        steps.append(made_up_step(rng, any(step["type"] == "ByteLevel" for step in steps)))
    return steps[0] if len(steps) == 1 else sequence(*steps)


@pytest.mark.parametrize("seed", range(5))
def test_made_up_pre_tokenizers(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(400):
        same(made_up(rng), [random_text(rng, rng.choice((0, 1, 2, 4, 8, 16))) for _ in range(6)])


def test_offsets_of_tokens() -> None:
    # With every byte a token, the offsets of a whole encoding show the span of every byte.
    rng = random.Random(7)
    vocab = {char: i for i, char in enumerate(BYTE_TO_CHAR)}
    for _ in range(300):
        config = made_up(rng)
        if not any(step["type"] == "ByteLevel" for step in flat(config)):
            config = sequence(config, byte_level(rng.random() < 0.5, rng.random() < 0.5))
        splitter, reference = ours(config), theirs(config, vocab)
        for _ in range(4):
            text = random_text(rng, rng.choice((1, 4, 12)))
            here = [
                (token, piece.span(i, i + 1))
                for piece in splitter.split(AlignedText(text), first=True)
                for i, char in enumerate(piece.text)
                for token in char.encode("utf-8", "surrogateescape")
            ]
            there = reference.encode(text)
            assert here == list(zip(there.ids, there.offsets, strict=True)), f"{config} on {text!r}"


# --- every code point -----------------------------------------------------------------------------------------------


SETS = [
    {"type": "Whitespace"},
    {"type": "WhitespaceSplit"},
    {"type": "BertPreTokenizer"},
    {"type": "UnicodeScripts"},
    {"type": "Punctuation", "behavior": "Contiguous"},
    digits(False),
]


@pytest.mark.parametrize("config", SETS, ids=lambda config: config["type"])
def test_sets_where_they_begin_and_end(config: Config) -> None:
    names = ("White_Space", "Alphabetic", "M", "N", "Nd", "P", "Pc", "S")
    found = [*map(ranges, names), splitter_tables.punctuation(), splitter_tables.numeric()]
    edges = {edge for start, end in itertools.chain(*found) for edge in (start - 1, start, end, end + 1)}
    edges.update(edge for start in splitter_tables.scripts()[0] for edge in (start - 1, start))
    chars = [chr(code) for code in sorted(edges) if 0 <= code < 0x110000 and not 0xD800 <= code < 0xE000]
    same(config, ["".join(chars), *("".join(before + char for char in chars) for before in "a漢")])


@pytest.mark.slow
@pytest.mark.parametrize("config", SETS, ids=lambda config: config["type"])
def test_sets_at_every_code_point(config: Config) -> None:
    codes = [*range(0xD800), *range(0xE000, 0x110000)]
    same(config, ["".join(map(chr, codes)), "".join("a" + chr(code) for code in codes)])


@pytest.mark.slow
def test_tables_are_those_of_the_library() -> None:
    if tokenizers.__version__ != "0.23.3":
        pytest.skip("the tables were made with tokenizers 0.23.3")
    subprocess.run([sys.executable, ROOT / "src_ext/tools/make_splitter_tables.py", "--check"], check=True)


# --- real models ----------------------------------------------------------------------------------------------------

MODELS = {
    "falcon": sequence(
        {"type": "Punctuation", "behavior": "Contiguous"},
        byte_level(True),
        digits(False),
        split("[0-9][0-9][0-9]"),
    ),
    "starcoder": sequence(digits(True), byte_level(True)),
    "bloom": sequence(split(REAL["bloom"]), byte_level()),
    "clip": sequence(split(REAL["clip"], "Removed", invert=True), byte_level(True)),
    "deepseek-coder": sequence(
        split("[\r\n]"),
        split(r"\s?\p{L}+"),
        split(r"\s?\p{P}+"),
        split(REAL["overlapping ranges"]),
        digits(True),
        byte_level(),
    ),
    "deepseek-llm": sequence(
        split("[\r\n]"),
        split(REAL["cased letters"]),
        split(REAL["punctuation of two scripts"]),
        split(r"\s+$"),
        split(REAL["overlapping ranges"]),
        digits(True),
        byte_level(),
    ),
    "roberta": byte_level(True, add_prefix_space=True),
    "superbpe": sequence(split(r"\p{N}+"), split(REAL["digits from the right, empty"]), byte_level()),
    "gemma": split(" ", "MergedWithPrevious", kind="String"),
    "old cl100k": sequence(split(REAL["possessive count"]), byte_level()),
}


@pytest.mark.parametrize("name", MODELS)
def test_pre_tokenizers_of_models_on_random_text(name: str) -> None:
    rng = random.Random(11)
    same(MODELS[name], [random_text(rng, rng.choice((2, 4, 8, 16, 30))) for _ in range(400)])


@pytest.mark.parametrize("corpus", CORPORA)
def test_pre_tokenizers_of_models_on_real_text(corpus: str, shared_corpus: Callable[..., Path]) -> None:
    text = shared_corpus(corpus, 50_000).read_text("utf-8")
    for config in MODELS.values():
        same(config, [text])


FILES = {
    # The scheme is None where the general way is taken.
    "gpt2": "gpt2",
    "minimind": "gpt2",
    "kitoken-modernbert-tokenizers": "gpt2",
    "llama3": "cl100k",
    "qwen3": "qwen2",
    "gpt-4o-o200k": "o200k",
    "deepseek-v3": "deepseek_v3",
    "kitoken-clip_base-tokenizers": None,
    "gemma3": None,
    "mistral-7b-v0.3": None,
    "bert-base-chinese": None,
    "kitoken-xlnet_base_cased-tokenizers": None,
    "t5-tasks-unigram": None,
}


@pytest.mark.parametrize("model", FILES)
def test_files_of_models(model: str, shared_file: Callable[..., Path]) -> None:
    path = shared_file(f"tokenizers/{model}/tokenizer.json")
    config = json.loads(path.read_text("utf-8"))["pre_tokenizer"]
    scheme = ours(config).scheme
    assert (scheme and scheme.name) == FILES[model]
    rng = random.Random(12)
    same(config, [random_text(rng, rng.choice((2, 4, 8, 16, 30))) for _ in range(200)])


# --- what is a file -------------------------------------------------------------------------------------------------

FIELDS: dict[str, dict[str, list[Any]]] = {
    "ByteLevel": {
        "add_prefix_space": [True, 1, None],
        "trim_offsets": [False, "x"],
        "use_regex": [True, None],
    },
    "Split": {
        "pattern": [
            {"Regex": "a"},
            {"String": "("},
            {"regex": "a"},
            {"Regex": "a", "String": "b"},
            {"Regex": 1},
            "a",
        ],
        "behavior": ["Isolated", "isolated", None],
        "invert": [True, 0],
    },
    "Metaspace": {
        "replacement": ["▁", "", "ab", 1],
        "prepend_scheme": ["first", "never", "First", None],
        "add_prefix_space": [True, False, 0, None],
        "split": [False, None, 0],
        "str_rep": ["▁", None, 5],
    },
    "Digits": {"individual_digits": [True, 1]},
    "Punctuation": {"behavior": ["Contiguous", "x", None]},
    "CharDelimiterSplit": {"delimiter": ["x", "", "xy", 1]},
    "FixedLength": {"length": [3, -1, 2.0, "3", True]},
    "Sequence": {"pretokenizers": [[], [{"type": "Whitespace"}], [None], None, [{"type": "Sequence"}]]},
    "Whitespace": {"anything": [1]},
    "UnicodeScripts": {"type": ["WhitespaceSplit", "whitespace", None, 1]},
}


@pytest.mark.parametrize("kind", FIELDS)
def test_the_same_objects_are_accepted(kind: str) -> None:
    rng = random.Random(13)
    accepted = 0
    for _ in range(150):
        config = {"type": kind}
        for key, values in FIELDS[kind].items():
            if rng.random() < 0.8:
                config[key] = rng.choice(values[:1] * 3 + values)
        try:
            there = json.loads(theirs(config).to_str())["pre_tokenizer"]
        except Exception:
            with pytest.raises(ModelFileError):
                pre_tokenizer_from_hf(config)
        else:
            assert ours(config).config == there
            accepted += 1
    assert accepted


def test_a_piece_length_of_nothing_is_refused_before_it_crashes() -> None:
    config = {"type": "FixedLength", "length": 0}
    with pytest.raises(BaseException, match=r"non-zero|greater than 0"):
        theirs(config).pre_tokenizer.pre_tokenize_str("a")
    with pytest.raises(ModelFileError):
        pre_tokenizer_from_hf(config)
