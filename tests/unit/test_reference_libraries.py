"""The reference libraries with the same tokenizer: what they load, from where, and what they cannot."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

import bpetk
from bpetk.convert import convert
from bpetk.errors import ConfigError, MissingDependencyError, ModelFileError
from bpetk.pretokenizers import SCHEMES, get_scheme
from bpetk.probe import BLOCKS, probe_texts
from bpetk.reference_libraries import load_reference
from bpetk.targets import tiktoken_pattern

TEXT = "".join(BLOCKS)


@pytest.fixture(scope="module")
def tok() -> bpetk.Tokenizer:
    return bpetk.train_from_iterator([TEXT], 500, scheme="gpt2", special_tokens=["<s>"])


def check(tok: bpetk.Tokenizer, library: str) -> str:
    reference = load_reference(tok.definition, library)
    texts = probe_texts(["<s>"])
    assert reference.encode_batch(texts) == [tok.encode(text, allowed_special="all") for text in texts]
    return reference.name


def test_hf_reads_the_file_itself(tok: bpetk.Tokenizer, tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    tok.save(tmp_path / "tok")
    loaded = bpetk.Tokenizer.from_file(tmp_path / "tok")
    assert check(loaded, "hf").startswith("tokenizers ")
    path = tmp_path / "tok" / "tokenizer.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"padding": null', '"padding": {"strategy": {"Fixed": 9}, "direction": "Right", '
                    '"pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0, "pad_token": "<s>"}'),
                    encoding="utf-8")  # fmt: skip
    assert load_reference(loaded.definition, "hf").encode_batch(["a"]) == [loaded.encode("a")]
    path.write_text("{}")
    with pytest.raises(ModelFileError, match=r"tokenizers cannot load .*tokenizer.json"):
        load_reference(loaded.definition, "hf")


def test_hf_takes_what_is_in_memory(tok: bpetk.Tokenizer) -> None:
    pytest.importorskip("tokenizers")
    check(tok, "hf")


def test_what_the_reference_was_made_of_is_told(tok: bpetk.Tokenizer, tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    pytest.importorskip("tiktoken")
    done = convert(tok, tmp_path / "r.tiktoken", to="tiktoken")
    told = "as given: that it is the model's own is not proved, as ranks do not say how text is cut"
    for options, rule in (
        ({}, f"the pattern in {tmp_path / 'r.tiktoken.json'}"),
        ({"scheme": "o200k"}, f"scheme o200k {told}"),
        ({"pattern": "[a-z]+"}, f"the pattern {told}"),
    ):
        ranks = bpetk.Tokenizer.from_file(done.path, **options)  # type: ignore[arg-type]
        made_of = load_reference(ranks.definition, "tiktoken").made_of
        assert made_of == f"the ranks of {done.path}, and {rule}"
    assert load_reference(tok.definition, "hf").made_of == "what bpetk would write as a tokenizer.json"
    named = "the tokens that bpetk read as ranks, and the pattern of scheme gpt2"
    assert load_reference(tok.definition, "tiktoken").made_of == named
    tok.save(tmp_path / "tok")
    saved = bpetk.Tokenizer.from_file(tmp_path / "tok").definition
    assert load_reference(saved, "hf").made_of == str(tmp_path / "tok" / "tokenizer.json")
    pair = convert(tok, tmp_path / "g", to="gpt2")
    merged = bpetk.Tokenizer.from_file(pair.path).definition
    assert load_reference(merged, "hf").made_of.endswith("vocab.json with its merges, and GPT-2's pattern")


def test_vocab_and_merges(tok: bpetk.Tokenizer, tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    done = convert(tok, tmp_path / "g", to="gpt2")
    check(bpetk.Tokenizer.from_file(done.path, **done.options), "hf")


def test_rank_files(tok: bpetk.Tokenizer, tmp_path: Path) -> None:
    pytest.importorskip("tiktoken")
    done = convert(tok, tmp_path / "r.tiktoken", to="tiktoken")
    loaded = bpetk.Tokenizer.from_file(done.path, **done.options)
    assert check(loaded, "tiktoken").startswith("tiktoken ")
    with pytest.raises(ConfigError, match=r"tokenizers cannot load .*r\.tiktoken, which holds ranks"):
        load_reference(loaded.definition, "hf")
    # What is read is the file: a token taken out of it makes a difference.
    lines = (tmp_path / "r.tiktoken").read_bytes().splitlines(keepends=True)
    (tmp_path / "r.tiktoken").write_bytes(b"".join(lines[:-150]))
    ids = load_reference(loaded.definition, "tiktoken").encode_batch([TEXT])
    assert ids != [loaded.encode(TEXT)]


def test_tiktoken_stands_for_a_json_file_where_it_can(tok: bpetk.Tokenizer) -> None:
    pytest.importorskip("tiktoken")
    check(tok, "tiktoken")
    sections = replace(tok.definition.sections, normalizer={"type": "NFC"})
    with pytest.raises(ConfigError, match=r"tiktoken cannot stand for this tokenizer: .* normalizer NFC"):
        load_reference(replace(tok.definition, sections=sections), "tiktoken")


@pytest.mark.parametrize("library", ["hf", "tiktoken"])
def test_an_absent_library_is_asked_for(
    tok: bpetk.Tokenizer, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, {"hf": "tokenizers"}.get(library, library), None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'bpetk\[verify\]'"):
        load_reference(tok.definition, library)


def test_unknown_libraries(tok: bpetk.Tokenizer) -> None:
    with pytest.raises(ConfigError, match="known are hf, tiktoken"):
        load_reference(tok.definition, "sp")


@pytest.mark.parametrize("name", [name for name in SCHEMES if tiktoken_pattern(SCHEMES[name])])
def test_patterns_mean_the_same_to_tiktoken(name: str) -> None:
    tiktoken = pytest.importorskip("tiktoken")
    tok = bpetk.train_from_iterator([TEXT], 1500, scheme=name)
    ranks = {token: id for id, token in tok.model.tokens.items()}
    pattern = tiktoken_pattern(get_scheme(name))
    encoding = tiktoken.Encoding("x", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    for text in probe_texts():
        assert encoding.encode_ordinary(text) == tok.encode(text)
