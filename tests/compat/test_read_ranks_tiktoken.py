"""Models made from ranks, and ranks made from models, against tiktoken and `tokenizers`."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpetk.alphabet import BYTE_TO_CHAR
from bpetk.errors import ConfigError
from bpetk.interop.huggingface import from_tokenizer_json, to_tokenizer_json
from bpetk.interop.loading import load_definition
from bpetk.interop.objects import definition_from_object
from bpetk.interop.tiktoken import from_ranks, read_ranks, to_rank_file
from bpetk.model import BpeModel

tiktoken = pytest.importorskip("tiktoken")
hf = pytest.importorskip("tokenizers")

BYTES = {bytes([byte]): byte for byte in range(256)}
ALPHABET = b"ab\xc3"


def encoding(ranks: Mapping[bytes, int], pattern: str = r"(?s).+", **special: int) -> Any:
    return tiktoken.Encoding("x", pat_str=pattern, mergeable_ranks=dict(ranks), special_tokens=special)


def encode(model: BpeModel, word: bytes) -> list[int]:
    """What a model says of one pretoken, plainly."""
    if model.ignore_merges and word in model.vocab:
        return [model.vocab[word]]
    symbols = [model.byte_ids[byte] for byte in word]
    rules = {
        pair: (rank, new) for rank, (pair, new) in enumerate(zip(model.merge_ids, model.new, strict=True))
    }
    while found := [
        (*rules[pair], i) for i in range(len(symbols) - 1) if (pair := (symbols[i], symbols[i + 1])) in rules
    ]:
        _, new, i = min(found)
        symbols[i : i + 2] = [new]
    return symbols


words = st.lists(st.sampled_from(ALPHABET), min_size=1, max_size=12).map(bytes)


@st.composite
def rank_tables(draw: st.DrawFn) -> dict[bytes, int]:
    tokens = draw(st.lists(words.filter(lambda word: len(word) > 1), max_size=12, unique=True))
    numbers = draw(st.lists(st.integers(256, 300), min_size=len(tokens), max_size=len(tokens), unique=True))
    return BYTES | dict(zip(tokens, numbers, strict=True))


@given(rank_tables(), st.lists(words, max_size=6))
def test_a_model_of_ranks_is_tiktoken(ranks: dict[bytes, int], texts: list[bytes]) -> None:
    model = from_ranks(ranks, scheme="none").model
    assert read_ranks(to_rank_file(model)) == ranks
    reference = encoding(ranks)
    for word in [*texts, *ranks, b"".join(texts)]:
        if word:
            assert encode(model, word) == reference._encode_single_piece(word), word


def random_merges(rng: random.Random) -> Any:
    """A tokenizer of `tokenizers` with merges in an order that training may not give."""
    vocab = {char: i for i, char in enumerate(BYTE_TO_CHAR)}
    texts = [BYTE_TO_CHAR[byte] for byte in ALPHABET]
    merges = []
    for _ in range(rng.randint(0, 9)):
        pair = (rng.choice(texts), rng.choice(texts))
        if pair not in merges:
            merges.append(pair)
            texts.append("".join(pair))
            vocab.setdefault("".join(pair), len(vocab))
    if rng.random() < 0.4:
        i = rng.randrange(len(merges) + 1)
        merges[i : i + 2] = merges[i : i + 2][::-1]
    if rng.random() < 0.2:
        vocab["abÃabÃ"] = len(vocab)
    tokenizer = hf.Tokenizer(hf.models.BPE(vocab, merges, ignore_merges=rng.random() < 0.5))
    tokenizer.pre_tokenizer = hf.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return tokenizer


def test_what_can_be_written_as_ranks_is_the_same_in_tiktoken() -> None:
    rng = random.Random(5)
    outcomes = {"written": 0, "refused": 0}
    for _ in range(600):
        tokenizer = random_merges(rng)
        definition = definition_from_object(tokenizer)
        texts = ["".join(rng.choices("abà", k=rng.randint(1, 12))) for _ in range(30)]
        texts += ["ab", "abab", "aab", "bab", "aba", "abàabà"]
        try:
            reference = encoding(read_ranks(to_rank_file(definition)))
        except ConfigError:
            outcomes["refused"] += 1
            continue
        for text in texts:
            assert reference.encode(text) == tokenizer.encode(text).ids, (tokenizer.to_str(), text)
        outcomes["written"] += 1
    assert min(outcomes.values()) > 50, outcomes


def test_an_encoding_in_memory() -> None:
    reference = encoding(
        BYTES | {b"ab": 300},
        r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$"
        r"|\s+(?!\S)|\s",
        end=301,
    )
    definition = definition_from_object(reference)
    assert (definition.format, definition.model.scheme.name, definition.source) == ("tiktoken", "gpt2", "")
    assert definition.model.added_ids == {"end": 301} and definition.model.vocab[b"ab"] == 300


def test_ranks_as_a_tokenizer_json(tmp_path: Path) -> None:
    ranks = BYTES | {b"ab": 300, b"abab": 290, b"xyz": 310, b"": 311}
    definition = from_ranks(ranks, scheme="gpt2", special_tokens={"<s>": 400, "<e>": 312})
    data = to_tokenizer_json(definition)
    tokenizer = hf.Tokenizer.from_str(json.dumps(data))
    assert json.loads(tokenizer.to_str()) == data
    reference = encoding(
        ranks,
        r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s",
        **{"<s>": 400, "<e>": 312},
    )
    for text in ["xyz xyzw ababab<s>ab abab", "<e>x yz <s><s>", "abxyz\n\n xyz "]:
        assert tokenizer.encode(text).ids == reference.encode(text, allowed_special="all")
        assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text
    again = from_tokenizer_json(data)
    assert (again.model.ranks, again.model.ignore_merges) == (False, True)
    assert (
        {id: text for text, id in data["model"]["vocab"].items()}
        == again.model.strings
        == definition.model.strings
    )


def test_special_tokens_that_count_on_stay_outside_the_vocabulary() -> None:
    data = to_tokenizer_json(from_ranks(BYTES, scheme="gpt2", special_tokens={"<s>": 256, "<e>": 257}))
    assert len(data["model"]["vocab"]) == 256
    tokenizer = hf.Tokenizer.from_str(json.dumps(data))
    assert json.loads(tokenizer.to_str()) == data and tokenizer.token_to_id("<e>") == 257


@pytest.mark.parametrize(
    ("model", "ranks"),
    [
        ("gpt2/tokenizer.json", "gpt2/gpt2.tiktoken"),
        ("gpt-4o-o200k/tokenizer.json", "o200k_base/o200k_base.tiktoken"),
    ],
)
def test_the_same_vocabulary_from_both_kinds_of_file(
    model: str, ranks: str, shared_file: Callable[[str], Path]
) -> None:
    definition = load_definition(shared_file(f"tokenizers/{model}"))
    assert to_rank_file(definition) == shared_file(f"tokenizers/{ranks}").read_bytes()


def test_merges_that_differ_from_ranks_in_form_only(shared_file: Callable[[str], Path]) -> None:
    definition = load_definition(shared_file("tokenizers/llama3/tokenizer.json"))
    assert len(definition.model.new) > 2 * len(definition.model.vocab)  # most of them never happen
    assert read_ranks(to_rank_file(definition)) == definition.model.vocab
