"""The file beside a rank file: what is taken from it, what the caller says instead, what is wrong with it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from bpetk import Tokenizer
from bpetk.errors import ConfigError, ModelFileError
from bpetk.interop.loading import load_definition
from bpetk.interop.rank_side_file import read_side_file
from bpetk.pretokenizers import SCHEMES
from bpetk.targets import tiktoken_pattern

GPT2 = tiktoken_pattern(SCHEMES["gpt2"])
RANKS = b"".join(base64.b64encode(bytes([byte])) + b" %d\n" % byte for byte in range(256))


@pytest.fixture
def ranks(tmp_path: Path) -> Path:
    path = tmp_path / "r.tiktoken"
    path.write_bytes(RANKS)
    return path


def beside(path: Path, **fields: Any) -> Path:
    found = path.with_name(path.name + ".json")
    found.write_text(json.dumps({"name": "r", "pat_str": GPT2, "special_tokens": {"<s>": 300}} | fields))
    return found


def test_pattern_and_special_tokens_are_taken(ranks: Path) -> None:
    side = beside(ranks)
    for path in (ranks, ranks.parent):
        definition = load_definition(path)
        assert (definition.model.scheme.name, definition.model.added_ids) == ("gpt2", {"<s>": 300})
        assert (definition.source, definition.beside) == (str(ranks), str(side))
        assert (definition.pattern, definition.cut_by) == (GPT2, str(side))
    assert Tokenizer.from_file(ranks).source == f"{ranks} (with r.tiktoken.json)"


def test_what_the_caller_says_counts(ranks: Path) -> None:
    side = beside(ranks)
    definition = load_definition(ranks, scheme="cl100k")
    assert (definition.model.scheme.name, definition.model.added_ids) == ("cl100k", {"<s>": 300})
    assert (definition.cut_by, definition.beside) == ("", str(side))
    definition = load_definition(ranks, special_tokens={})
    assert (definition.model.scheme.name, definition.model.added_ids) == ("gpt2", {})
    side.write_text("not even JSON")  # and it is not looked at if it is not needed
    definition = load_definition(ranks, pattern="[a-z]+", special_tokens={"<x>": 256})
    assert (definition.model.added_ids, definition.beside) == ({"<x>": 256}, "")
    assert (definition.pattern, definition.cut_by) == ("[a-z]+", "")
    with pytest.raises(ConfigError, match="unknown scheme"):
        load_definition(ranks, scheme="nosuch", special_tokens={})


def test_a_pattern_that_is_no_named_scheme(ranks: Path) -> None:
    beside(ranks, pat_str="[a-z]+", special_tokens={})
    assert Tokenizer.from_file(ranks).encode("ab1") == [97, 98]


def test_special_tokens_without_a_pattern(ranks: Path) -> None:
    ranks.with_name("r.tiktoken.json").write_text('{"special_tokens": {"<s>": 300}}')
    with pytest.raises(ConfigError, match="give scheme= or pattern="):
        load_definition(ranks)
    definition = load_definition(ranks, scheme="cl100k")
    assert (definition.model.scheme.name, definition.model.added_ids) == ("cl100k", {"<s>": 300})


@pytest.mark.parametrize("text", [None, "{}", "[]", '{"name": "r"}'])
def test_other_files_of_that_name_are_let_alone(ranks: Path, text: str | None) -> None:
    if text is not None:
        ranks.with_name("r.tiktoken.json").write_text(text)
    assert read_side_file(ranks) is None
    with pytest.raises(ConfigError, match="give scheme= or pattern="):
        load_definition(ranks)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pat_str": 3}, "pat_str: expected a string, found 3"),
        ({"pat_str": "(a"}, "pat_str: "),
        ({"special_tokens": ["<s>"]}, "special_tokens: expected an object"),
        ({"special_tokens": {"<s>": "1"}}, "special_tokens: '<s>': expected an integer, found"),
        ({"special_tokens": {"<s>": 97}}, "special_tokens: id 97 of special token '<s>' is that of another"),
        ({"special_tokens": {"": 300}}, "special_tokens: a special token must not be empty"),
        ({"special_tokens": {"<s>": 2**22}}, "special_tokens: the id of special token '<s>' must be"),
    ],
)
def test_what_is_wrong_is_named(ranks: Path, fields: dict[str, Any], message: str) -> None:
    side = beside(ranks, **fields)
    with pytest.raises(ModelFileError) as caught:
        load_definition(ranks)
    assert str(caught.value).startswith(f"{side}: {message}")


def test_it_is_not_a_tokenizer_itself(ranks: Path) -> None:
    with pytest.raises(ModelFileError, match=r"special tokens of a rank file, .* give the rank file"):
        load_definition(beside(ranks))
    ranks.with_name("r.tiktoken.json").write_text("{")
    with pytest.raises(ModelFileError, match=r"r\.tiktoken\.json: not JSON"):
        load_definition(ranks)


@pytest.mark.parametrize("name", [name for name in SCHEMES if tiktoken_pattern(SCHEMES[name])])
def test_the_pattern_of_every_scheme_is_that_scheme(ranks: Path, name: str) -> None:
    beside(ranks, pat_str=tiktoken_pattern(SCHEMES[name]))
    assert load_definition(ranks).model.scheme.name == name


def test_ranks_without_a_rule_can_be_decoded(ranks: Path) -> None:
    tok = Tokenizer(load_definition(ranks, for_decoding=True))
    assert tok.decode([104, 105]) == "hi"
    beside(ranks)
    assert load_definition(ranks, for_decoding=True).model.added_ids == {"<s>": 300}
