"""Merges of the sample texts as `tokenizers` once learned them: needs no other library, and pins down both."""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import bpetk
from bpetk.alphabet import from_byte_level
from bpetk.pretokenizers import SCHEMES
from bpetk.reference import scan
from bpetk.reference.train import train

FOLDER = Path(__file__).parent
CORPORA = FOLDER.parents[1] / "corpora"
NAMES = ["en", "zh"]


@cache
def stored(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.json").read_bytes())  # type: ignore[no-any-return]


@cache
def regenerate() -> Any:
    spec = importlib.util.spec_from_file_location("golden_regenerate", FOLDER / "regenerate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def merges(name: str, scheme: str) -> list[tuple[bytes, bytes]]:
    tokens = [from_byte_level(token) for row in stored(name)["merges"][scheme] for token in row.split(" ")]
    return list(zip(tokens[::2], tokens[1::2], strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_stored_merges_belong_to_the_text(name: str) -> None:
    hint = "the text has changed: run python tests/golden/regenerate.py"
    assert stored(name)["text_sha256"] == regenerate().sha256(name), hint
    assert list(stored(name)["merges"]) == list(SCHEMES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_merges_are_those_stored(scheme: str, name: str) -> None:
    expected = merges(name, scheme)
    assert len(expected) == 1000 - 256
    tok = bpetk.train(CORPORA / f"{name}.txt", 1000, scheme=scheme)
    assert tok.merges == expected


@pytest.mark.parametrize("name", NAMES)
def test_the_plain_reference_learns_them_too(name: str) -> None:
    words: dict[bytes, int] = {}
    with (CORPORA / f"{name}.txt").open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            for piece in scan.split(line, "cl100k"):
                words[piece.encode()] = words.get(piece.encode(), 0) + 1
    result = train(words, 500)
    spelled = [(result.vocab[left], result.vocab[right]) for left, right in result.merges]
    assert [tuple(map(from_byte_level, pair)) for pair in spelled] == merges(name, "cl100k")[: 500 - 256]


@pytest.mark.parametrize("name", NAMES)
def test_the_command_writes_what_is_stored(name: str) -> None:
    pytest.importorskip("tokenizers")
    assert regenerate().golden(name) == stored(name)
