"""Conversion of real models: what others publish in two formats comes out as they have it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bpetk import Tokenizer
from bpetk.convert import convert
from bpetk.errors import ModelFileError

GetFile = Callable[[str], Path]


@pytest.mark.parametrize(
    ("source", "ranks"),
    [
        ("gpt2/tokenizer.json", "gpt2/gpt2.tiktoken"),
        ("gpt-4o-o200k/tokenizer.json", "o200k_base/o200k_base.tiktoken"),
    ],
)
def test_ranks_are_the_published_file(shared_file: GetFile, tmp_path: Path, source: str, ranks: str) -> None:
    pytest.importorskip("tiktoken")
    done = convert(shared_file(f"tokenizers/{source}"), tmp_path / "r.tiktoken", to="tiktoken")
    assert done.path.read_bytes() == shared_file(f"tokenizers/{ranks}").read_bytes()


def test_llama_3_fits_into_ranks(shared_file: GetFile, tmp_path: Path) -> None:
    # It lists 280,147 merges, more than twice as many as can take place.
    pytest.importorskip("tiktoken")
    done = convert(shared_file("tokenizers/llama3/tokenizer.json"), tmp_path / "r.tiktoken", to="tiktoken")
    read = Tokenizer.from_file(done.path)
    assert (done.options, read.scheme.name, len(read.special_tokens)) == ({}, "cl100k", 256)


def test_vocab_and_merges_are_the_published_files(shared_file: GetFile, tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    convert(shared_file("tokenizers/gpt2/tokenizer.json"), tmp_path / "g", to="gpt2")
    assert (tmp_path / "g" / "merges.txt").read_bytes() == shared_file(
        "tokenizers/gpt2/merges.txt"
    ).read_bytes()


@pytest.mark.parametrize(
    ("path", "scheme"),
    [
        ("cl100k_base/cl100k_base.tiktoken", "cl100k_tiktoken"),
        ("whisper-multilingual/multilingual.tiktoken", "gpt2"),
    ],
)
def test_ranks_become_a_file_that_tokenizers_reads(
    shared_file: GetFile, tmp_path: Path, path: str, scheme: str
) -> None:
    pytest.importorskip("tokenizers")
    # The id leaves a hole, which the reference would fill.
    special = {"<|endoftext|>": 120_000}
    source = shared_file(f"tokenizers/{path}")
    done = convert(source, tmp_path / "h", to="hf", scheme=scheme, special_tokens=special)
    assert [name.split()[0] for name in done.compared] == ["bpetk", "tokenizers"]
    assert Tokenizer.from_file(done.path).special_tokens == special


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("qwen3/tokenizer.json", "no place for the normalizer NFC"),
        ("deepseek-v3/tokenizer.json", "always matches"),
        ("minimind/tokenizer.json", "'<tool_call>' is not special, so it always matches"),
        ("kitoken-clip_base-tokenizers/tokenizer.json", "no named scheme"),
    ],
)
def test_what_ranks_cannot_hold_is_refused(
    shared_file: GetFile, tmp_path: Path, path: str, reason: str
) -> None:
    with pytest.raises(ModelFileError, match=reason):
        convert(shared_file(f"tokenizers/{path}"), tmp_path / "r.tiktoken", to="tiktoken")
    assert list(tmp_path.iterdir()) == []
