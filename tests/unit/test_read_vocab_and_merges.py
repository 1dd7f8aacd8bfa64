"""``vocab.json`` with ``merges.txt``, and what the files of transformers beside them say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bpetk.alphabet import BYTE_TO_CHAR
from bpetk.errors import ConfigError, ModelFileError
from bpetk.interop.gpt2 import to_vocab_and_merges
from bpetk.interop.huggingface import to_tokenizer_json
from bpetk.interop.loading import load_definition
from bpetk.special_tokens import AddedToken

VOCAB = {"<s>": 0, "</s>": 1, **{char: i for i, char in enumerate(BYTE_TO_CHAR, 2)}, "ab": 258, "Ġab": 259}
MERGES = "#version: 0.2\na b\nĠ ab\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "vocab.json").write_text(json.dumps(VOCAB))
    (tmp_path / "merges.txt").write_text(MERGES)
    return tmp_path


def test_read_and_written(folder: Path) -> None:
    definition = load_definition(folder / "vocab.json", special_tokens={"<s>": 0})
    model = definition.model
    assert (definition.format, model.scheme.name, model.strings) == (
        "gpt2",
        "gpt2",
        {i: t for t, i in VOCAB.items()},
    )
    assert model.merges == [(b"a", b"b"), (b" ", b"ab")]
    assert (model.special_tokens, model.extra_tokens) == (("<s>",), (("</s>", 1),))
    assert to_vocab_and_merges(definition) == (
        json.dumps(VOCAB, ensure_ascii=False, separators=(",", ":")),
        MERGES,
    )
    data = to_tokenizer_json(definition)
    assert data["pre_tokenizer"]["use_regex"] is True and data["decoder"]["type"] == "ByteLevel"


@pytest.mark.parametrize(
    "text", ["a b\nĠ ab", "\n#version: 0.2\r\na b\r\n\r\nĠ ab\r\n\n", "#version\n#version: 9\na b\nĠ ab\n"]
)
def test_forms_of_lines(folder: Path, text: str) -> None:
    (folder / "merges.txt").write_bytes(text.encode())
    assert load_definition(folder).model.merges == [(b"a", b"b"), (b" ", b"ab")]


def test_names_of_gpt2s_own_release(folder: Path) -> None:
    (folder / "vocab.json").rename(folder / "encoder.json")
    (folder / "merges.txt").rename(folder / "vocab.bpe")
    assert load_definition(folder).model == load_definition(folder / "encoder.json").model


def test_another_scheme(folder: Path) -> None:
    assert load_definition(folder, scheme="qwen2").model.scheme.name == "qwen2"
    assert load_definition(folder, pattern=r"\d+").model.scheme.pattern == r"\d+"
    with pytest.raises(ConfigError, match="only one of scheme and pattern"):
        load_definition(folder, scheme="qwen2", pattern=r"\d+")


def test_special_tokens_outside_the_vocabulary(folder: Path) -> None:
    counting_on = load_definition(folder, special_tokens={"<x>": 260, "<y>": 261})
    assert counting_on.model.special_tokens == ()
    assert load_definition(folder, special_tokens={"<x>": 300}).model.special_tokens == ("<x>",)
    with pytest.raises(ConfigError, match="id 258 of special token '<x>' is that of another token"):
        load_definition(folder, special_tokens={"<x>": 258})
    with pytest.raises(ConfigError, match="'<s>' is given id 5, but has 0"):
        load_definition(folder, special_tokens={"<s>": 5})


@pytest.mark.parametrize(
    ("merges", "message"),
    [
        ("a b\na b c\n", 'merges, line 2: expected two tokens with a blank between, found "a b c"'),
        ("a\n", 'merges, line 1: expected two tokens with a blank between, found "a"'),
        ("a  b\n", 'merges, line 1: expected two tokens with a blank between, found "a  b"'),
        ("a zz\n", 'merges, line 1: "zz" is not in the vocabulary'),
        ("\na c\n", 'merges, line 2: "ac" is not in the vocabulary'),
    ],
)
def test_a_malformed_line_is_named(folder: Path, merges: str, message: str) -> None:
    (folder / "merges.txt").write_text(merges)
    with pytest.raises(ModelFileError, match=f"{folder / 'vocab.json'}: {message}"):
        load_definition(folder)


def test_merges_that_are_not_text_or_absent(folder: Path) -> None:
    (folder / "merges.txt").write_bytes(b"a b\n\xff\n")
    with pytest.raises(ModelFileError, match=r"merges\.txt: not UTF-8 at byte 4"):
        load_definition(folder)
    (folder / "merges.txt").unlink()
    with pytest.raises(
        ModelFileError, match=r"is a vocabulary without merges; merges\.txt must lie beside it"
    ):
        load_definition(folder / "vocab.json")


@pytest.mark.parametrize(
    ("vocab", "message"),
    [
        (VOCAB | {"ab": -1}, 'vocab["ab"]: expected an id up to 2097149, found -1'),
        (VOCAB | {"ab": 5}, "vocab: id 5 is given to both"),
        (VOCAB | {"x\ud800": 500}, "vocab: holds the lone surrogate U+D800"),
        ([], "the file: expected an object, found []"),
    ],
)
def test_a_malformed_vocabulary(folder: Path, vocab: Any, message: str) -> None:
    (folder / "vocab.json").write_text(json.dumps(vocab))
    with pytest.raises(ModelFileError) as caught:
        load_definition(folder, format="gpt2")
    assert str(caught.value).startswith(f"{folder / 'vocab.json'}: {message}")


# The files beside


def write(folder: Path, name: str, value: Any) -> None:
    (folder / name).write_text(json.dumps(value))


def test_added_tokens_of_the_config(folder: Path) -> None:
    flags = {"lstrip": False, "rstrip": False, "single_word": False}
    write(
        folder,
        "tokenizer_config.json",
        {
            "added_tokens_decoder": {
                "0": {"content": "<s>", "special": True, "normalized": False, **flags},
                "260": {"content": "<tool>", "special": False, "normalized": True, **flags},
            },
            "bos_token": "<s>",
            "eos_token": "</s>",
        },
    )
    write(folder, "special_tokens_map.json", {"eos_token": "</s>"})
    definition = load_definition(folder)
    assert definition.model.added_tokens == (
        AddedToken("<s>", 0),
        AddedToken("<tool>", 260, special=False, normalized=True),
    )
    assert definition.roles == {"bos": "<s>"}
    assert load_definition(folder / "vocab.json").model.added_tokens == ()
    assert load_definition(folder, special_tokens={}).model.added_tokens == ()


def test_added_tokens_by_their_roles(folder: Path) -> None:
    write(folder, "added_tokens.json", {"<new>": 260, "<call>": 261})
    write(
        folder,
        "tokenizer_config.json",
        {"pad_token": "<absent>", "bos_token": {"content": "<s>", "__type": "AddedToken"}},
    )
    write(folder, "special_tokens_map.json", {"eos_token": "</s>", "additional_special_tokens": ["<call>"]})
    definition = load_definition(folder)
    assert definition.model.added_tokens == (
        AddedToken("<s>", 0),
        AddedToken("</s>", 1),
        AddedToken("<new>", 260, special=False, normalized=True),
        AddedToken("<call>", 261),
    )
    assert definition.roles == {"bos": "<s>"}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("tokenizer_config.json", [], "tokenizer_config.json: expected an object, found []"),
        (
            "tokenizer_config.json",
            {"bos_token": 3},
            "tokenizer_config.json: bos_token: expected a string, found 3",
        ),
        (
            "tokenizer_config.json",
            {"added_tokens_decoder": {"x": {}}},
            "tokenizer_config.json: added_tokens_decoder.x: expected an id",
        ),
        (
            "tokenizer_config.json",
            {"added_tokens_decoder": {"1": {}}},
            "tokenizer_config.json: added_tokens_decoder.1.content: ",
        ),
        ("added_tokens.json", {"<x>": "1"}, "added_tokens.json: '<x>': expected an id"),
        (
            "special_tokens_map.json",
            {"additional_special_tokens": 3},
            "special_tokens_map.json: additional_special_tokens: expected a list",
        ),
        ("added_tokens.json", {"<x>": 258}, "id 258 of special token '<x>' is that of another token"),
    ],
)
def test_malformed_files_beside_are_named(folder: Path, name: str, value: Any, message: str) -> None:
    write(folder, name, value)
    with pytest.raises(ModelFileError) as caught:
        load_definition(folder)
    assert message in str(caught.value)
