"""The test vectors of llama.cpp: texts and expected ids for the vocabularies of nine models.

A vector counts only if Hugging Face's `tokenizers` gives it too: then it says what the model's own tokenizer does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from gguf_vocab import FOLDER, PRE_TOKENIZERS, read_gguf, read_vectors

from bpetk import Tokenizer

OWN_FILES = {
    "gpt-2": "tokenizers/gpt2/tokenizer.json",
    "llama-bpe": "tokenizers/llama3/tokenizer.json",
    "qwen2": "tokenizers/qwen3/tokenizer.json",
}


def vectors(name: str, shared_file: Callable[[str], Path]) -> list[tuple[str, list[int]]]:
    path = f"{FOLDER}/ggml-vocab-{name}.gguf"
    found = read_vectors(shared_file(f"{path}.inp"), shared_file(f"{path}.out"))
    assert len(found) > 40
    return found


def same(path: Path, expected: list[tuple[str, list[int]]]) -> None:
    """Assert that both libraries give the expected ids with a file."""
    tokenizers = pytest.importorskip("tokenizers")
    there = tokenizers.Tokenizer.from_file(str(path))
    assert [(text, there.encode(text, add_special_tokens=False).ids) for text, _ in expected] == expected
    here = Tokenizer.from_file(path)
    assert [(text, here.encode(text, allowed_special="all")) for text, _ in expected] == expected
    for text, ids in expected:
        assert here.decode(ids) == there.decode(ids, skip_special_tokens=False), repr(text)


@pytest.mark.parametrize("name", OWN_FILES)
def test_with_the_file_of_the_model(name: str, shared_file: Callable[[str], Path]) -> None:
    same(shared_file(OWN_FILES[name]), vectors(name, shared_file))


@pytest.mark.parametrize("name", PRE_TOKENIZERS)
def test_with_the_vocabulary_beside_them(
    name: str, shared_file: Callable[[str], Path], tmp_path: Path
) -> None:
    document = read_gguf(shared_file(f"{FOLDER}/ggml-vocab-{name}.gguf"), name)
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(document), "utf-8")
    same(path, vectors(name, shared_file))
