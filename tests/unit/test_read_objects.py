"""Tokenizers in memory: which kinds are taken."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bpetk.errors import ConfigError, ModelFileError
from bpetk.interop.objects import definition_from_object

BYTES = {bytes([byte]): byte for byte in range(256)}
PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"


def encoding(**changes: Any) -> Any:
    """The attributes of a ``tiktoken.Encoding``, which a copy of it has too."""
    values = {"_mergeable_ranks": BYTES | {b"ab": 300}, "_special_tokens": {"<s>": 301}, "_pat_str": PATTERN}
    return SimpleNamespace(**(values | changes))


def test_an_encoding() -> None:
    definition = definition_from_object(encoding())
    assert (definition.format, definition.source, definition.model.scheme.name) == ("tiktoken", "", "gpt2")
    assert (definition.model.merges, definition.model.added_ids) == ([(b"a", b"b")], {"<s>": 301})


def test_an_encoding_that_cannot_be_used() -> None:
    with pytest.raises(ModelFileError, match="tokens: 1 of the 256 bytes have no rank, the first being 0x00"):
        definition_from_object(encoding(_mergeable_ranks={token: id for token, id in BYTES.items() if id}))
    with pytest.raises(
        ModelFileError, match="tokens: rank 3000000 is too high; at most 2097149 is supported"
    ):
        definition_from_object(encoding(_mergeable_ranks=BYTES | {b"ab": 3_000_000}))
    with pytest.raises(ConfigError, match=r"at position \d+ of the pattern"):
        definition_from_object(encoding(_pat_str=r"(a)\1"))


@pytest.mark.parametrize(
    ("obj", "name"),
    [
        (None, "builtins.NoneType"),
        ("gpt2", "builtins.str"),
        ({}, "builtins.dict"),
        (SimpleNamespace(), "SimpleNamespace"),
    ],
)
def test_other_objects_are_refused(obj: object, name: str) -> None:
    with pytest.raises(
        ConfigError, match=f"cannot make a tokenizer of a .*{name}: expected a tokenizers.Tokenizer"
    ):
        definition_from_object(obj)


def test_a_class_is_no_tokenizer() -> None:
    with pytest.raises(ConfigError, match="expected a tokenizer, not the class SimpleNamespace"):
        definition_from_object(SimpleNamespace)
