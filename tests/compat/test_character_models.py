"""Models whose tokens are characters: ids, offsets, text and files equal to those of Hugging Face's `tokenizers`."""

from __future__ import annotations

import base64
import itertools
import json
import random
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import shared_data
from character_models import BLANK, random_file, random_text
from hypothesis import given, settings
from hypothesis import strategies as st
from sp_maps import compile_map

from bpetk import Tokenizer, grapheme_tables
from bpetk.aligned import AlignedText
from bpetk.character_pipeline import CharacterPipeline
from bpetk.errors import BpetkError, ConfigError, ModelFileError
from bpetk.interop.huggingface import from_tokenizer_json, to_tokenizer_json
from bpetk.normalization_tables import unpack
from bpetk.normalizers import normalizer_from_hf

tokenizers = pytest.importorskip("tokenizers")

SMALL = ("kitoken-hw_doc_summarizer-tokenizers", "kitoken-sqlpilot-tokenizers")
MODELS = ("envit5-spm-bpe", "gemma3", "llama2", "mistral-7b-v0.3", *SMALL)
CORPORA = ("code", "en", "mixed", "multi", "zh", "zh_classical")


@cache
def both(name: str) -> tuple[Tokenizer, Any]:
    """Load a shared model here and there."""
    path = shared_data.shared_file(f"tokenizers/{name}/tokenizer.json")
    return Tokenizer.from_file(path), tokenizers.Tokenizer.from_file(str(path))


def _corpus(name: str, size: int) -> str:
    return shared_data.shared_corpus(name, size).read_bytes().decode()


def equal_ids(ours: Tokenizer, theirs: Any, texts: list[str], *, threads: int = 1) -> list[list[int]]:
    """Compare the ids of texts; return them."""
    rows = ours.encode_batch(texts, threads=threads, allowed_special="all")
    for text, row, found in zip(
        texts, rows, theirs.encode_batch(texts, add_special_tokens=False), strict=True
    ):
        assert row == found.ids, text[:200]
    return rows


def all_equal(ours: Tokenizer, theirs: Any, text: str, *, add_special_tokens: bool = False) -> None:
    """Compare all that one text gives."""
    found = theirs.encode(text, add_special_tokens=add_special_tokens)
    placed = ours.encode_with_offsets(text, allowed_special="all", add_special_tokens=add_special_tokens)
    assert placed.ids == found.ids
    assert [tuple(span) for span in placed.char_offsets.tolist()] == found.offsets
    assert ours.decode(found.ids) == theirs.decode(found.ids, skip_special_tokens=False)
    assert ours.decode(found.ids, skip_special_tokens=True) == theirs.decode(found.ids)


def streams(tokenizer: Tokenizer, ids: list[int]) -> None:
    """Compare the decoder of streams with `decode`, if there is one."""
    try:
        stream = tokenizer.stream_decoder()
    except ConfigError:
        return
    assert "".join(map(stream.feed, ids)) + stream.finish() == tokenizer.decode(ids)


# --- real models ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("corpus", CORPORA)
@pytest.mark.parametrize("name", MODELS)
def test_corpora(name: str, corpus: str) -> None:
    ours, theirs = both(name)
    text = _corpus(corpus, 150_000)
    lines = text.split("\n")
    rows = equal_ids(ours, theirs, [*lines, text[:50_000]])
    for row, line in zip(rows[:40], lines, strict=False):
        all_equal(ours, theirs, line, add_special_tokens=True)
        assert ours.count(line) == len(row)
        streams(ours, row)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_corpora_whole(name: str) -> None:
    ours, theirs = both(name)
    for corpus in CORPORA:
        text = _corpus(corpus, 300_000 if name in SMALL else 1_000_000)
        equal_ids(ours, theirs, text.splitlines(keepends=True), threads=2)
    all_equal(ours, theirs, text[:100_000])


@pytest.mark.parametrize("name", MODELS)
def test_odd_texts(name: str) -> None:
    ours, theirs = both(name)
    special = list(ours.special_tokens)[:2] or ["<s>"]
    texts = [
        "",
        " ",
        "  ",
        BLANK,
        f" {BLANK} a",
        "\n\n\n\n",
        "\t",
        "\0",
        "a\0b",
        "🎉",
        "é",
        "e\u0301",
        "\r\n",
        "ﬁ１",
    ]
    texts += [
        text for token in special for text in (token, f"a{token}b", f" {token} ", token * 2, f"{token} x")
    ]
    texts += [
        "<0x41>",
        "a<0x0A>b",
        "\U0010ffff",
        "\ud7ff\ue000",
        "x" * 3000,
        "漢" * 3000,
        " " * 500,
        "a b " * 500,
    ]
    for text in texts:
        all_equal(ours, theirs, text)
    equal_ids(ours, theirs, texts, threads=2)


@pytest.mark.parametrize("name", MODELS)
def test_decodes_any_ids(name: str) -> None:
    ours, theirs = both(name)
    rng = random.Random(name)
    known = [id for id in range(ours.n_vocab) if theirs.id_to_token(id) is not None]
    for k in range(60):
        pool = known if k % 2 else known[:300]  # the bytes are among these
        ids = rng.choices(pool, k=rng.randint(0, 12))
        text = ours.decode(ids)
        assert text == theirs.decode(ids, skip_special_tokens=False)
        assert ours.decode(ids, skip_special_tokens=True) == theirs.decode(ids)
        streams(ours, ids)
        for id in ids:
            assert ours.id_to_token(id) == theirs.id_to_token(id)


@pytest.mark.parametrize("name", ["llama2", *SMALL])
def test_saved_file_is_theirs(name: str, tmp_path: Path) -> None:
    ours, theirs = both(name)
    ours.save(tmp_path / "saved")
    made = json.loads((tmp_path / "saved" / "tokenizer.json").read_text(encoding="utf-8"))
    assert made == json.loads(theirs.to_str())
    assert Tokenizer.from_file(tmp_path / "saved") == ours == Tokenizer.from_object(theirs)


@pytest.mark.slow
@pytest.mark.parametrize("char", ["a", "漢", "🎉", " ", BLANK])
@pytest.mark.parametrize("name", ["llama2", "gemma3", "mistral-7b-v0.3"])
def test_a_megabyte_without_a_space(name: str, char: str) -> None:
    ours, theirs = both(name)
    text = char * (1_000_000 // len(char.encode()))
    rng = random.Random(name)
    mixed = "".join(rng.choices("abcde漢字中文的一是x1,.", k=100_000))
    assert ours.encode(text) == theirs.encode(text, add_special_tokens=False).ids
    assert ours.encode(mixed) == theirs.encode(mixed, add_special_tokens=False).ids


# --- random models --------------------------------------------------------------------------------------------------


def check_random_model(seed: int, texts: int) -> bool:
    """Compare a random model on random texts; tell whether it has a native path."""
    rng = random.Random(seed)
    file = random_file(rng)
    theirs = tokenizers.Tokenizer.from_str(json.dumps(file))
    ours = Tokenizer(from_tokenizer_json(file))
    assert json.loads(theirs.to_str()) == to_tokenizer_json(ours.definition)
    found = [random_text(rng) for _ in range(texts)]
    for text, ids in zip(found, equal_ids(ours, theirs, found), strict=True):
        all_equal(ours, theirs, text)
        assert ours.count(text, allowed_special="all") == len(ids)
        streams(ours, ids)
    pipeline = ours._pipeline
    assert isinstance(pipeline, CharacterPipeline)
    return pipeline.shape is not None


def test_random_models() -> None:
    native = [check_random_model(seed, 12) for seed in range(250)]
    assert 15 < sum(native) < 235  # both ways are tried


@pytest.mark.slow
def test_more_random_models() -> None:
    for seed in range(10_000, 10_700):
        check_random_model(seed, 20)


def test_a_blank_in_front_only_where_the_document_begins() -> None:
    split = {"type": "Metaspace", "replacement": BLANK, "prepend_scheme": "first", "split": True}
    vocabulary = {text: id for id, text in enumerate(["<unk>", *"abcA ", BLANK, f"{BLANK}a", "ab", "bb"])}
    model = {"type": "BPE", "vocab": vocabulary, "merges": [[BLANK, "a"], ["a", "b"]], "unk_token": "<unk>"}
    marks = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": True, "special": False}
    replace = {"type": "Replace", "pattern": {"String": "a"}}
    normalizers: list[dict[str, Any]] = [
        {"type": "Strip", "strip_left": True, "strip_right": False},
        {"type": "Sequence", "normalizers": [{"type": "Lowercase"}, {"type": "Nmt"}]},
        {"type": "Prepend", "prepend": "ab"},
        *({**replace, "content": content} for content in ("", "bb", f"{BLANK}a")),
    ]
    for normalizer in normalizers:
        for added in ([], [{"id": len(vocabulary), "content": "c", **marks}]):
            file = {"normalizer": normalizer, "pre_tokenizer": split, "model": model, "added_tokens": added}
            theirs = tokenizers.Tokenizer.from_str(json.dumps(file))
            ours = Tokenizer(from_tokenizer_json(file))
            for parts in itertools.product(["", " ", "a", "b", "A", "c", "\x01"], repeat=3):
                all_equal(ours, theirs, "".join(parts))
                equal_ids(ours, theirs, ["".join(parts)])


def test_what_shows_as_the_text_of_a_special_token_is_left_out() -> None:
    marks = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": True}
    file = _file() | {"normalizer": {"type": "Prepend", "prepend": BLANK}}
    contents = {BLANK * 2: True, BLANK: False, "c": True, f"{BLANK}b": False}  # and whether it is special
    file["added_tokens"] = [
        {"id": 4 + n, "content": content, "special": special, **marks}
        for n, (content, special) in enumerate(contents.items())
    ]
    theirs = tokenizers.Tokenizer.from_str(json.dumps(file))
    ours = Tokenizer(from_tokenizer_json(file))
    for ids in ([4], [5], [6], [7], [1, 4, 5, 2, 6, 7, 1], [5, 5, 3]):
        for skip in (False, True):
            text = ours.decode(ids, skip_special_tokens=skip)
            assert text == theirs.decode(ids, skip_special_tokens=skip)
            assert ours.decode_batch([ids], skip_special_tokens=skip) == [text]


# --- the compiled map -----------------------------------------------------------------------------------------------

_SETS = [
    unpack(table)
    for table in (grapheme_tables.EXTENDING, grapheme_tables.PREPENDED, grapheme_tables.PICTURES)
]
_SETS.append(tuple((start, min(end, start + 40)) for start, end in unpack(grapheme_tables.APART)))
_CHARS = [
    *"ae\r\n é©®1",
    *"\u1100\u1161\u11a8가각",
    "\u200d",
    "\ufe0f",
    "\u0301",
    "\U0001f1e6",
    "😀",
    "が",
    "ﬁ",
    "㍿",
]
_CHARS += [*"\u0915\u094d\u093f\u0600\u0e33\u200b\ufeff"]


def _char(rng: random.Random) -> str:
    if rng.random() < 0.7:
        return rng.choice(_CHARS)
    return chr(rng.randint(*rng.choice(rng.choice(_SETS))))


def _maps(rng: random.Random) -> bytes:
    rules = {}
    for _ in range(rng.randint(1, 8)):
        key = "".join(_char(rng) for _ in range(rng.choice([1, 1, 1, 2, 3]))).replace("\0", "")
        target = "".join(_char(rng) for _ in range(rng.choice([0, 1, 1, 2, 3]))).replace("\0", "")
        if key:
            rules[key.encode()] = target.encode()
    return compile_map(rules)


def _check_map(blob: bytes, rng: random.Random, texts: int) -> None:
    config = {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(blob).decode()}
    theirs, ours = tokenizers.normalizers.Precompiled(blob), normalizer_from_hf(config)
    assert ours is not None
    for _ in range(texts):
        text = "".join(_char(rng) for _ in range(rng.choice([1, 2, 3, 5, 8, 20])))
        wanted = tokenizers.NormalizedString(text)
        theirs.normalize(wanted)
        assert ours.normalize(text) == wanted.normalized, ascii(text)
        aligned = ours.align(AlignedText(text))
        assert aligned.text == wanted.normalized, ascii(text)
        for i in range(len(aligned)):
            if (part := wanted.slice((i, i + 1))) is not None:
                assert text[slice(*aligned.span(i, i + 1))] == part.original, ascii(text)


def test_compiled_maps() -> None:
    real = json.loads(shared_data.shared_file("tokenizers/envit5-spm-bpe/tokenizer.json").read_bytes())
    blob = base64.b64decode(real["normalizer"]["normalizers"][0]["precompiled_charsmap"])
    _check_map(blob, random.Random(0), 1500)
    for seed in range(150):
        rng = random.Random(seed)
        made = _maps(rng)
        _check_map(made, rng, 15)


# --- what is refused ------------------------------------------------------------------------------------------------


def _file(**model: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "type": "BPE",
        "vocab": {"<unk>": 0, "a": 1, "b": 2, "ab": 3},
        "merges": [["a", "b"]],
    }
    return {"added_tokens": [], "pre_tokenizer": None, "model": fields | {"unk_token": "<unk>"} | model}


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"unk_token": "<none>"}, "model.unk_token: '<none>' is not in model.vocab"),
        ({"unk_token": "a"}, "model.merges[0]: joins 'a', the unknown token"),
        ({"dropout": 0.1}, "model.dropout"),
        ({"byte_fallback": True, "end_of_word_suffix": "</w>"}, "model.end_of_word_suffix"),
        ({"ignore_merges": True, "continuing_subword_prefix": "##"}, "model.ignore_merges"),
        ({"continuing_subword_prefix": "é"}, "model.continuing_subword_prefix"),
        ({"merges": [["a", "c"]]}, 'model.merges[0]: "c" is not in model.vocab'),
        ({"merges": [["a", "a"]]}, 'model.merges[0]: "aa" is not in model.vocab'),
        ({"merges": [["a"]]}, "model.merges[0]: expected two strings"),
        ({"vocab": {"a": 1, "b": 1}}, "model.vocab: id 1 is given to both"),
        ({"vocab": {"a": -1}}, 'model.vocab["a"]'),
        ({"fuse_unk": 3}, "model.fuse_unk: expected true or false"),
        (
            {
                "byte_fallback": True,
                "vocab": {"<unk>": 0, "<0x41>": 1, "b": 2, "<0x41>b": 3},
                "merges": [["<0x41>", "b"]],
            },
            "model.merges[0]: joins '<0x41>', the token of a byte",
        ),
    ],
)
def test_refused(model: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        from_tokenizer_json(_file(**model))
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["", "AAAA", "////", "not base64", "BAAAAP////8A"])
def test_refused_maps(text: str) -> None:
    with pytest.raises(ModelFileError, match=r"normalizer\.precompiled_charsmap"):
        normalizer_from_hf({"type": "Precompiled", "precompiled_charsmap": text})


def test_not_for_bytes(tmp_path: Path) -> None:
    ours = Tokenizer(from_tokenizer_json(_file()))
    with pytest.raises(ConfigError, match="tokens of this model are characters"):
        ours.save_image(tmp_path / "image")
    with pytest.raises(BpetkError, match="lone surrogate"):
        ours.encode("a\ud800")


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_any_text(text: str) -> None:
    ours, theirs = both("llama2")
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    all_equal(ours, theirs, text)
    assert ours.encode(text, allowed_special="all") == theirs.encode(text, add_special_tokens=False).ids
