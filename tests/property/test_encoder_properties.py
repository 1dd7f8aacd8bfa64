"""Properties of encoding that hold for any model and text, through the whole library."""

from __future__ import annotations

import base64
import json
import random
import statistics
from dataclasses import replace
from functools import cache
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzz_text import adversarial_text, unicode_text
from hypothesis import given, settings
from hypothesis import strategies as st
from random_models import MadeModel, bpe_model, plain_model, random_model, random_text, random_texts

import bpetk
from bpetk import text_encoding
from bpetk.definition import Definition, Sections
from bpetk.errors import BpetkError, InvalidEncodingError, UnknownTokenError
from bpetk.model import BpeModel
from bpetk.pretokenizers import SCHEMES
from bpetk.reference.encode import encode_text, encode_word, merge_by_rank
from bpetk.special_tokens import AddedToken
from bpetk.tokenizer import Tokenizer

SEEDS = st.integers(0, 2**32)
LOSSLESS = st.sampled_from(sorted(set(SCHEMES) - {"whitespace"}))
ANY_SCHEME = st.sampled_from(sorted(SCHEMES))
ADDED = ["<s>", "<|a b|>", "中文"]
CORPORA = Path(__file__).parents[2] / "corpora"


def text_with_added(rng: random.Random, model: MadeModel) -> str:
    """Text with added tokens, and what nearly is one."""
    parts = [*ADDED, "<s", "<|a", " ", "\n", *random_texts(rng.randrange(2**32), model, 3)]
    return "".join(rng.choices(parts, k=rng.randint(0, 12)))


def rows_of(flat: tuple[Any, Any]) -> list[list[int]]:
    ids, rows = flat
    return [ids[start:end].tolist() for start, end in pairwise(rows)]


# --- ids ------------------------------------------------------------------------------------------------------------


@settings(max_examples=200)
@given(SEEDS, SEEDS, ANY_SCHEME)
def test_equals_the_reference(model_seed: int, text_seed: int, scheme: str) -> None:
    model, rng = random_model(model_seed, as_value=True), random.Random(text_seed)
    tok, rules = Tokenizer(bpe_model(model, scheme, ADDED)), model.rules
    for _ in range(4):
        text = text_with_added(rng, model)
        try:
            wanted = encode_text(
                text, scheme, lambda word: [id for id, _ in encode_word(word, rules)], tok.added_tokens
            )
        except UnknownTokenError:
            with pytest.raises(UnknownTokenError):
                tok.encode(text, allowed_special="all")
            continue
        assert tok.encode(text, allowed_special="all") == wanted


@settings(max_examples=150)
@given(SEEDS, SEEDS, LOSSLESS)
def test_ids_are_the_text(model_seed: int, text_seed: int, scheme: str) -> None:
    model, rng = plain_model(model_seed), random.Random(text_seed)
    tok = Tokenizer(bpe_model(model, scheme, ADDED))
    for _ in range(4):
        text = text_with_added(rng, model)
        for options in ({"allowed_special": "all"}, {"disallowed_special": ()}):
            ids = tok.encode(text, **options)
            assert tok.decode(ids) == text and tok.decode_bytes(ids) == text.encode()
            dropped = tok.encode(text, dropout=rng.random(), seed=rng.randrange(99), **options)
            assert tok.decode(dropped) == text


@settings(max_examples=100)
@given(SEEDS, SEEDS, ANY_SCHEME, st.sampled_from([1, 2, 7]))
def test_all_calls_give_the_same(model_seed: int, text_seed: int, scheme: str, threads: int) -> None:
    model, rng = plain_model(model_seed), random.Random(text_seed)
    tok = Tokenizer(bpe_model(model, scheme, ADDED))
    texts = [text_with_added(rng, model) for _ in range(rng.randint(0, 6))] * rng.choice((1, 1, 1, 200))
    options: dict[str, Any] = {"allowed_special": rng.choice(["all", (), {"<s>"}]), "disallowed_special": ()}
    expected = [tok.encode(text, **options) for text in texts]
    given = [text if rng.random() < 0.5 else text.encode() for text in texts]
    assert tok.encode_batch(given, threads=threads, **options) == expected
    assert rows_of(tok.encode_batch_flat(given, threads=threads, **options)) == expected
    assert tok.count_batch(given, threads=threads, **options) == [*map(len, expected)]
    for text, ids in zip(given[:4], expected, strict=False):
        assert tok.encode_to_numpy(text, threads=threads, **options).tolist() == ids
        assert tok.encode_with_offsets(text, **options).ids == ids
        assert tok.count(text, **options) == len(ids)


@settings(max_examples=100)
@given(SEEDS, SEEDS, st.sampled_from(["gpt2", "cl100k", "none"]))
def test_models_of_ranks(model_seed: int, text_seed: int, scheme: str) -> None:
    """Against tiktoken's own rule: any neighbours that are a token together, not only pairs with a rule."""
    rng = random.Random(model_seed)
    model = plain_model(model_seed)
    longer = [token for token in model.tokens if len(token) > 1]
    rng.shuffle(longer)
    tokens = [*(bytes([byte]) for byte in range(256)), *longer]
    ranks = {token: rank for rank, token in enumerate(tokens)}
    lines = b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in ranks.items())
    path = Path(f"{TEMPORARY[0]}/ranks.tiktoken")
    path.write_bytes(lines)
    tok = Tokenizer.from_file(path, scheme=scheme)
    for text in random_texts(text_seed, model, 4):
        assert tok.encode(text) == encode_text(text, scheme, lambda word: merge_by_rank(word, ranks)), text


TEMPORARY: list[str] = []


@pytest.fixture(scope="module", autouse=True)
def _temporary(tmp_path_factory: pytest.TempPathFactory) -> None:
    TEMPORARY[:] = [str(tmp_path_factory.mktemp("encoder"))]


# --- truncate -------------------------------------------------------------------------------------------------------


@settings(max_examples=100)
@given(SEEDS, SEEDS, ANY_SCHEME)
def test_truncate(model_seed: int, text_seed: int, scheme: str) -> None:
    model, rng = plain_model(model_seed), random.Random(text_seed)
    tok = Tokenizer(bpe_model(model, scheme, ADDED))
    text = text_with_added(rng, model)[:60]
    total = tok.count(text, disallowed_special=())
    for most in {0, 1, 2, total // 2, max(0, total - 1), total, total + 1}:
        short = tok.truncate(text, most, disallowed_special=())
        assert text.startswith(short) and tok.count(short, disallowed_special=()) <= most
        assert most < total or short == text
        assert tok.truncate(text.encode(), most, disallowed_special=()) == short.encode()
        # No more than the first ids stand for, except white space that the scheme drops.
        kept = tok.decode_bytes(tok.encode(text, disallowed_special=())[:most])
        if scheme != "whitespace":
            assert len(short.encode()) <= len(kept)


def truncate_all(tok: Tokenizer, text: str, most: int, **options: Any) -> str:
    """Do what `truncate` does with the ids of the whole text."""
    found = tok.encode_with_offsets(text, **options)
    if len(found) <= most:
        return text
    for k in range(most, 0, -1):
        short = text[: int(found.char_offsets[k:, 0].min())]
        if tok.count(short, **options) <= most:
            return short
    return ""


@settings(max_examples=150)
@given(SEEDS, SEEDS, ANY_SCHEME, st.sampled_from([None, {"type": "NFC"}]))
def test_truncate_encodes_no_more_than_it_needs(
    model_seed: int, text_seed: int, scheme: str, normalizer: dict[str, Any] | None
) -> None:
    model, rng = plain_model(model_seed), random.Random(text_seed)
    sections = Sections(normalizer=normalizer)
    tok = Tokenizer(Definition(bpe_model(model, scheme, ADDED), sections, format="hf"))
    text = text_with_added(rng, model)[:200]
    options: dict[str, Any] = rng.choice([{"disallowed_special": ()}, {"allowed_special": "all"}])
    total = tok.count(text, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_encoding, "_LOOK", rng.choice([1, 3, 10]))
        patch.setattr(text_encoding, "_LOOK_EACH", rng.choice([0, 1, 4]))
        for most in {0, 1, 2, 5, total // 2, max(0, total - 1), total}:
            assert tok.truncate(text, most, **options) == truncate_all(tok, text, most, **options)


# --- back to text ---------------------------------------------------------------------------------------------------


@settings(max_examples=150)
@given(SEEDS, SEEDS)
def test_a_stream_is_the_whole(model_seed: int, ids_seed: int) -> None:
    model, rng = plain_model(model_seed), random.Random(ids_seed)
    tok = Tokenizer(bpe_model(model, "gpt2", ADDED))
    known = [id for id in range(tok.n_vocab) if id >= len(model.tokens) or model.tokens[id]]
    ids = rng.choices(known, k=rng.randint(0, 40))
    stream, found, at = tok.stream_decoder(), "", 0
    while at < len(ids):
        step = rng.choice((1, 1, 2, 7))
        found += stream.feed(ids[at]) if step == 1 else stream.feed(ids[at : at + step])
        at += step
        # Nothing is shown that more bytes could still change.
        assert tok.decode(ids[:at]).startswith(found)
    assert found + stream.finish() == tok.decode(ids)


@settings(max_examples=100)
@given(SEEDS, SEEDS)
def test_decode_with_offsets_equals_tiktoken(model_seed: int, ids_seed: int) -> None:
    tiktoken = pytest.importorskip("tiktoken")
    model, rng = plain_model(model_seed), random.Random(ids_seed)
    tok = Tokenizer(bpe_model(model, "gpt2", ADDED))
    ranks = {token: id for id, token in enumerate(model.tokens) if token}
    there = tiktoken.Encoding(
        "t", pat_str=r"[\s\S]+", mergeable_ranks=ranks, special_tokens={**tok.added_tokens}
    )
    for text in random_texts(ids_seed, model, 4):
        for ids in (
            tok.encode_ordinary(text),
            tok.encode(text, dropout=0.5, seed=1, disallowed_special=()),
            rng.choices(sorted(ranks.values()), k=5),
        ):
            try:
                wanted = there.decode_with_offsets(ids)
            except UnicodeDecodeError:
                with pytest.raises(UnicodeDecodeError):
                    tok.decode_with_offsets(ids)
                continue
            assert tok.decode_with_offsets(ids) == (wanted[0], list(wanted[1]))
        assert tok.decode(ids) == there.decode(ids)


# --- offsets --------------------------------------------------------------------------------------------------------

NORMALIZERS: list[Any] = [
    None,
    {"type": "NFC"},
    {"type": "NFKC"},
    {"type": "NFD"},
    {"type": "Lowercase"},
    {"type": "Prepend", "prepend": "ab"},
    {"type": "Strip", "strip_left": True, "strip_right": True},
    {"type": "Replace", "pattern": {"String": "a"}, "content": "中b"},
    {"type": "Sequence", "normalizers": [{"type": "Lowercase"}, {"type": "NFKC"}]},
]
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
POST_PROCESSORS: list[Any] = [None, BYTE_LEVEL]


def stages(seed: int) -> tuple[Tokenizer, MadeModel]:
    """A tokenizer with random stages."""
    rng = random.Random(seed)
    model = plain_model(seed)
    sections = Sections(normalizer=rng.choice(NORMALIZERS), post_processor=rng.choice(POST_PROCESSORS))
    return Tokenizer(Definition(bpe_model(model, rng.choice(sorted(SCHEMES)), ADDED), sections)), model


@settings(max_examples=200)
@given(SEEDS, SEEDS)
def test_offsets_are_in_the_text(model_seed: int, text_seed: int) -> None:
    tok, model = stages(model_seed)
    rng = random.Random(text_seed)
    text = text_with_added(rng, model) + (unicode_text(rng, 6) if rng.random() < 0.5 else "")
    found = tok.encode_with_offsets(text, allowed_special="all")
    assert found.ids == tok.encode(text, allowed_special="all")
    data, starts = text.encode(), [0, *accumulate(len(char.encode()) for char in text)]
    for (first, last), (start, end) in zip(found.offsets.tolist(), found.char_offsets.tolist(), strict=True):
        assert 0 <= first <= last <= len(data) and 0 <= start <= end <= len(text)
    if tok.definition.sections == Sections():
        for (first, last), (start, end) in zip(
            found.offsets.tolist(), found.char_offsets.tolist(), strict=True
        ):
            assert starts[start] <= first < last <= starts[end]
            assert starts[start + 1] > first and starts[end - 1] < last


@pytest.mark.parametrize("seed", range(40))
def test_offsets_equal_those_of_the_reference(seed: int, tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    tok, model = stages(seed)
    tok.save(tmp_path / "tok")
    path = tmp_path / "tok" / "tokenizer.json"
    if seed % 4 == 0:
        document = json.loads(path.read_bytes())
        document["pre_tokenizer"] = {**BYTE_LEVEL, "add_prefix_space": True}
        path.write_text(json.dumps(document), "utf-8")
    tok, there = Tokenizer.from_file(path), tokenizers.Tokenizer.from_file(str(path))
    rng = random.Random(seed)
    for _ in range(40):
        text = text_with_added(rng, model) + rng.choice(("", unicode_text(rng, 4), adversarial_text(rng, 4)))
        found, wanted = tok.encode_with_offsets(text, allowed_special="all"), there.encode(text)
        assert (found.ids, [*map(tuple, found.char_offsets.tolist())]) == (wanted.ids, wanted.offsets), text
        assert tok.encode(text, allowed_special="all") == wanted.ids


# --- files ----------------------------------------------------------------------------------------------------------


@settings(max_examples=100)
@given(
    SEEDS,
    SEEDS,
    ANY_SCHEME,
    st.sampled_from([None, "\n", "\r\n", "<s>", "中"]),
    st.integers(1, 90),
    st.booleans(),
)
def test_files(
    model_seed: int, text_seed: int, scheme: str, separator: str | None, part_bytes: int, around: bool
) -> None:
    model, rng = plain_model(model_seed), random.Random(text_seed)
    special = {"type": "BertProcessing", "sep": ["<s>", len(model.tokens)], "cls": ["<s>", len(model.tokens)]}
    tok = Tokenizer(Definition(bpe_model(model, scheme, ADDED), Sections(post_processor=special)))
    words = ["word after ", "字，", "\n", "\r\n", "a", " ", separator or "", text_with_added(rng, model)]
    text = "".join(rng.choices(words, k=rng.randint(0, 40)))
    path = Path(f"{TEMPORARY[0]}/text.txt")
    path.write_bytes(text.encode())
    documents = [text] if separator is None else text.split(separator)
    if separator is not None and not documents[-1]:
        documents.pop()
    options: dict[str, Any] = {"disallowed_special": (), "add_special_tokens": around}
    expected = tok.encode_batch(documents, **options)
    parts = list(
        tok.iter_encode_file(
            path, separator=separator, part_bytes=part_bytes, threads=rng.choice((1, 2)), **options
        )
    )
    ids = np.concatenate([np.zeros(0, np.uint32), *(ids for ids, _ in parts)])
    ends, total = [0], 0
    for part, places in parts:
        assert places.dtype == np.int64 and all(0 <= place <= len(part) for place in places)
        ends += [total + int(place) for place in places]
        total += len(part)
    assert rows_of((ids, ends)) == expected and ends[-1] == total
    assert rows_of(tok.encode_file(path, separator=separator, **options)) == expected


# --- dropout --------------------------------------------------------------------------------------------------------


@settings(max_examples=100)
@given(SEEDS, SEEDS, LOSSLESS)
def test_dropout_at_its_ends(model_seed: int, text_seed: int, scheme: str) -> None:
    model = plain_model(model_seed)
    tok = Tokenizer(bpe_model(model, scheme))
    for text in random_texts(text_seed, model, 4):
        assert tok.encode(text, dropout=0.0, seed=1) == tok.encode(text)
        assert tok.encode(text, dropout=1.0, seed=1) == [model.byte_ids[byte] for byte in text.encode()]


@pytest.mark.parametrize("corpus", ["en", "zh"])
@pytest.mark.parametrize("scheme", ["gpt2", "cl100k"])
def test_dropout_is_as_strong_as_in_the_reference(corpus: str, scheme: str, tmp_path: Path) -> None:
    """Also where a pretoken is long: a merge that was dropped gets another chance when any other one is made."""
    tokenizers = pytest.importorskip("tokenizers")
    text = (CORPORA / f"{corpus}.txt").read_text("utf-8")[:20_000]
    tok = bpetk.train_from_iterator(text.splitlines(), 1500, scheme=scheme)
    tok.save(tmp_path / "tok")
    there = tokenizers.Tokenizer.from_file(str(tmp_path / "tok" / "tokenizer.json"))
    sample = text[:4000]
    for dropout in (0.1, 0.3, 0.7):
        there.model.dropout = dropout
        here = statistics.mean(len(tok.encode(sample, dropout=dropout, seed=seed)) for seed in range(16))
        wanted = statistics.mean(len(there.encode(sample).ids) for _ in range(16))
        assert here == pytest.approx(wanted, rel=0.03), dropout


# --- added tokens ---------------------------------------------------------------------------------------------------


@settings(max_examples=100)
@given(SEEDS, SEEDS)
def test_text_between_added_tokens_is_a_text_of_its_own(model_seed: int, text_seed: int) -> None:
    model, rng = plain_model(model_seed), random.Random(text_seed)
    tok = Tokenizer(bpe_model(model, "cl100k", ADDED[:2]))
    texts = [text.replace("<", "") for text in random_texts(text_seed, model, 3)]
    contents = rng.choices(ADDED[:2], k=2)
    ids = [tok.encode(text) for text in texts]
    whole = f"{texts[0]}{contents[0]}{texts[1]}{contents[1]}{texts[2]}"
    expected = [*ids[0], tok.added_tokens[contents[0]], *ids[1], tok.added_tokens[contents[1]], *ids[2]]
    assert tok.encode(whole, allowed_special="all") == expected


def test_many_added_tokens() -> None:
    model = plain_model(5)
    n = len(model.tokens)
    tokens = tuple(AddedToken(f"<{i}>", n + i, special=i % 2 == 0) for i in range(5000))
    tok = Tokenizer(replace(bpe_model(model), added_tokens=tokens))
    rng = random.Random(1)
    chosen = rng.choices(range(5000), k=3000)
    text = "".join(f"<{i}>{random_text(rng, model, 1)}" if i % 7 else f"<{i}>" for i in chosen)
    ids = tok.encode(text, allowed_special="all")
    assert [id - n for id in ids if id >= n] == chosen and tok.decode(ids) == text
    assert tok.encode_batch([text] * 3, threads=2, allowed_special="all") == [ids] * 3


# --- documents that are encoded together ----------------------------------------------------------------------------

LINE_ENDS = [
    "",
    "",
    "\n",
    "\n",
    "\r\n",
    "\r",
    "\r ",
    "\r\x0b",
    "\r\u3000",
    " ",
    "  \n",
    " \n",
    "\n\n",
    "!\n",
    "!\r\n",
    "\t",
    "\u3000",
    "\u2028",
    "1",
    "'s\n",
    "/\n",
]


@settings(max_examples=50)
@given(SEEDS, SEEDS, LOSSLESS, st.booleans())
def test_short_documents_together_and_alone(
    model_seed: int, text_seed: int, scheme: str, normalized: bool
) -> None:
    made, rng = random_model(model_seed, as_value=True), random.Random(text_seed)
    sections = Sections(normalizer={"type": "NFC"} if normalized else None)
    tok = Tokenizer(Definition(bpe_model(made, scheme, ADDED), sections))
    parts = [
        *random_texts(text_seed, made),
        *"a1 é中😀\u0301.!'",
        "the world",
        "it's",
        " 12345",
        *ADDED,
        "<s",
        "\n",
    ]
    documents: list[str | bytes] = []
    for _ in range(rng.choice((2, 5, 40, 40, 600))):
        text = "".join(rng.choices(parts, k=rng.choice((0, 1, 3, 8)))) + rng.choice(LINE_ENDS)
        if rng.random() < 0.9:
            text = text.replace("\n", "") + ("\n" if text.endswith("\n") else "")
        documents.append(text.encode() if rng.random() < 0.2 else text)
    options: dict[str, Any] = rng.choice([{"allowed_special": "all"}, {"disallowed_special": ()}])
    try:
        expected = [tok.encode(text, **options) for text in documents]
    except BpetkError as error:
        with pytest.raises(type(error)):
            tok.encode_batch(documents, **options)
        return
    assert tok.encode_batch(documents, threads=1, **options) == expected
    assert tok.count_batch(documents, threads=1, **options) == [len(ids) for ids in expected]


# --- invalid bytes --------------------------------------------------------------------------------------------------

FAULTS = [
    bytes.fromhex(text)
    for text in "c080 c1bf e08080 e09fbf eda080 edbfbf f0808080 f08fbfbf f4908080 f5808080 f8 80 ff e4b8 f09f98".split()
]
WHOLE = [*"aé中😀", *map(chr, (0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF))]


@settings(max_examples=400)
@given(SEEDS)
def test_the_first_fault_is_found_where_python_finds_it(seed: int) -> None:
    """Long texts, so that faults lie at every place of a block."""
    rng = random.Random(seed)
    tok = bytes_only()
    text = "".join(rng.choices(["a"] * rng.choice((0, 40)) + WHOLE, k=rng.choice((10, 100, 130, 400))))
    data = bytearray(text.encode())
    for _ in range(rng.choice((0, 1, 1, 2))):
        at = rng.randrange(len(data))
        change = rng.choice(["put", "drop", "insert", "end"])
        if change == "put":
            data[at] = rng.randrange(256)
        elif change == "drop" and len(data) > 1:
            del data[at]
        elif change == "insert":
            data[at:at] = rng.choice(FAULTS)
        else:
            del data[at + 1 :]
    try:
        bytes(data).decode()
    except UnicodeDecodeError as error:
        with pytest.raises(InvalidEncodingError, match=rf"not UTF-8 at byte {error.start} "):
            tok.encode(bytes(data))
    else:
        assert tok.encode(bytes(data)) == list(data)


@cache
def bytes_only() -> Tokenizer:
    return Tokenizer(BpeModel(SCHEMES["cl100k"], (), list(range(256)), [], [], []))


@pytest.mark.parametrize("ends", ["", "\n"])
def test_documents_that_end_where_cuts_are_looked_up(ends: str) -> None:
    """2,048 segments are cut before they are looked up."""
    tok = bytes_only()
    for size in (*range(2040, 2056), 4095, 4096, 4097):
        documents = ["x", " a" * size + ends, "next\nline", "tail", "", " b" * 7 + "\n"]
        assert tok.encode_batch(documents, threads=1) == [list(text.encode()) for text in documents]
        assert tok.count_batch(documents, threads=1) == [len(text) for text in documents]


def test_a_carriage_return_before_blanks_at_the_end() -> None:
    tok = bpetk.train_from_iterator(["a\r \nb"] * 50, vocab_size=258)
    documents = ["a\r ", "b", "a \r", "a\r\t", "a\r\u3000", "a\r b", "a\r\r "]
    assert tok.encode_batch(documents) == [tok.encode(text) for text in documents]
