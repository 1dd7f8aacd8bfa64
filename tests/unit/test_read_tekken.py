"""``tekken.json``: ids, special tokens and errors."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from bpetk.errors import ConfigError, ModelFileError
from bpetk.interop.loading import load_definition

PATTERN = r" ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s+"


def entry(rank: int, token: bytes) -> dict[str, Any]:
    return {"rank": rank, "token_bytes": base64.b64encode(token).decode(), "token_str": None}


def document(**changes: Any) -> dict[str, Any]:
    tokens = [*(bytes([byte]) for byte in range(256)), b"ab", b"abab", b"cut off"]
    sizes = {"num_vocab_tokens": 259, "default_vocab_size": 283, "default_num_special_tokens": 25}
    config = {"pattern": PATTERN, **sizes, "version": "v3"}
    return {"config": config, "vocab": [entry(i, token) for i, token in enumerate(tokens)]} | changes


def load(tmp_path: Path, data: Any, **options: Any) -> Any:
    path = tmp_path / "tekken.json"
    path.write_text(json.dumps(data))
    return load_definition(path, **options)


def test_special_tokens_come_first_and_the_vocabulary_is_cut(tmp_path: Path) -> None:
    definition = load(tmp_path, document())
    model = definition.model
    assert definition.format == "tekken"
    assert model.byte_ids == tuple(range(25, 281))
    assert (model.vocab[b"ab"], model.vocab[b"abab"], model.vocab_size) == (281, 282, 283)
    assert (model.merges, b"cut off" in model.vocab) == ([(b"a", b"b"), (b"ab", b"ab")], False)
    assert [model.added_ids[content] for content in ("<unk>", "</s>", "[TOOL_CONTENT]", "<SPECIAL_24>")] == [
        0,
        2,
        19,
        24,
    ]
    assert definition.roles == {"bos": "<s>", "eos": "</s>", "pad": "<pad>", "unk": "<unk>"}
    assert load_definition(tmp_path).model == model


def test_special_tokens_of_the_file(tmp_path: Path) -> None:
    listed = [
        {"rank": 1, "token_str": "<b>", "is_control": True},
        {"rank": 0, "token_str": "<a>", "is_control": True},
    ]
    model = load(tmp_path, document(special_tokens=listed)).model
    assert list(model.added_ids)[:3] == ["<a>", "<b>", "<SPECIAL_2>"] and len(model.added_ids) == 25


def test_a_folder_with_a_dated_file(tmp_path: Path) -> None:
    text = json.dumps(document())
    (tmp_path / "tekken_240911.json").write_text(text)
    definition = load_definition(tmp_path)
    assert (definition.format, definition.source) == ("tekken", str(tmp_path / "tekken_240911.json"))
    (tmp_path / "tekken_240718.json").write_text(text)
    with pytest.raises(
        ModelFileError, match=r"several tokenizers \(tekken_240718\.json, tekken_240911\.json\); name one"
    ):
        load_definition(tmp_path)
    (tmp_path / "tekken.json").write_text(text)
    assert load_definition(tmp_path).source == str(tmp_path / "tekken.json")


def config(**changes: Any) -> dict[str, Any]:
    return {"config": document()["config"] | changes}


def vocab(i: int, **changes: Any) -> dict[str, Any]:
    items = document()["vocab"]
    items[i] |= changes
    return {"vocab": items}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config": []}, "config: expected an object"),
        ({"vocab": {}}, "vocab: expected a list"),
        (config(pattern=None), "config.pattern: expected a string, found null"),
        (config(pattern="(a"), "config.pattern: "),
        (
            config(default_num_special_tokens=-1),
            "config.default_num_special_tokens: expected an integer, found -1",
        ),
        (
            config(default_num_special_tokens=3),
            "special_tokens: 20 are listed, but config.default_num_special_tokens is 3",
        ),
        (config(default_vocab_size=10), "config.default_vocab_size: expected an integer, found 10"),
        (
            config(default_vocab_size=100),
            "vocab: the sizes in config leave 75 tokens, fewer than there are bytes",
        ),
        (config(default_vocab_size=300), "vocab: 259 tokens, but the sizes in config need 275"),
        (config(default_vocab_size=10**30), "config.default_vocab_size: expected an integer"),
        (config(version="v11"), 'special_tokens: missing, and version "v11" does not imply them'),
        (config(version=None), "special_tokens: missing, and version null does not imply them"),
        (vocab(5, rank=6), "vocab[5].rank: expected 5, found 6"),
        (vocab(1, rank=True), "vocab[1].rank: expected 1, found true"),
        (vocab(5, token_bytes="?"), 'vocab[5].token_bytes: expected base64, found "?"'),
        (vocab(5, token_bytes="é"), 'vocab[5].token_bytes: expected base64, found "é"'),
        (vocab(5, token_bytes=5), "vocab[5].token_bytes: expected base64, found 5"),
        (vocab(5, token_bytes="AA=="), "vocab[5].token_bytes: expected byte 0x05"),
        (vocab(257, token_bytes="YWI="), "vocab[257]: the same token as vocab[256]"),
        (
            {"special_tokens": [{"rank": 1, "token_str": "<a>"}]},
            "special_tokens[0].rank: expected one of the ranks",
        ),
        (
            {"special_tokens": [{"rank": 0, "token_str": "<a>"}, {"rank": 0, "token_str": "<b>"}]},
            "special_tokens[1]: rank 0",
        ),
        (
            {"special_tokens": [{"rank": 0, "token_str": "<SPECIAL_3>"}]},
            "special_tokens: a token is listed twice",
        ),
        (
            {"special_tokens": [{"rank": 0, "token_str": "a"}]},
            "special_tokens: special token 'a' is given id 0, but has",
        ),
        ({"special_tokens": [{"rank": 0}]}, "special_tokens[0].token_str: expected a string, found null"),
        (
            {"special_tokens": [{"rank": 0, "token_str": ""}]},
            "special_tokens: a special token must not be empty",
        ),
    ],
)
def test_a_malformed_field_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        load(tmp_path, document(**changes))
    assert str(caught.value).startswith(f"{tmp_path / 'tekken.json'}: {message}")


@pytest.mark.parametrize("option", [{"scheme": "gpt2"}, {"pattern": "a"}, {"special_tokens": {"<x>": 1}}])
def test_options_that_the_file_says_are_refused(tmp_path: Path, option: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(option))} cannot be given: .* says it itself"):
        load(tmp_path, document(), **option)
