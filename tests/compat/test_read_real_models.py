"""Tokenizer files of real models: read, written again to the byte, and refused where they are of another kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import model_zoo
import pytest
from model_zoo import FOLDER, KINDS, Model

from bpetk.errors import ModelFileError
from bpetk.interop.gpt2 import to_vocab_and_merges
from bpetk.interop.huggingface import from_tokenizer_json, to_tokenizer_json
from bpetk.interop.loading import load_definition
from bpetk.interop.objects import definition_from_object
from bpetk.interop.tiktoken import to_rank_file
from bpetk.model_file import save_tokenizer

hf = pytest.importorskip("tokenizers")

GetFile = Callable[[str], Path]
# The others are large, and of the same kinds.
FAST = {
    "gpt2",
    "minimind",
    "clip",
    "gpt-neox",
    "modernbert",
    "qwen3",
    "gpt2-vocab",
    "vulrepair",
    "whisper",
    "cl100k",
}
REFUSALS = {
    "SentencePiece BPE, model": "is a model of SentencePiece",
    "Unigram, model": "is a model of SentencePiece",
    "Unigram, tokenizer.json": 'model.type: bpetk reads BPE, and this is "Unigram"',
    "WordPiece, tokenizer.json": 'model.type: bpetk reads BPE, and this is "WordPiece"',
    "WordPiece, vocab.txt": "is a vocab.txt of WordPiece, which is not BPE",
    "byte-level, merges.txt": r"looks like a merges.txt; give the vocab.json beside it",
    "settings": "is a (tokenizer_config|special_tokens_map).json, which has no vocabulary",
    "text": "not JSON, and of no known kind",
}


def choose(*kinds: str) -> list[object]:
    """The models of some kinds, the large ones marked as slow."""
    return [
        pytest.param(model, marks=() if model.name in FAST else pytest.mark.slow, id=model.name)
        for model in model_zoo.MODELS
        if model.kind in kinds
    ]


@pytest.mark.parametrize("model", choose("byte-level, tokenizer.json", "byte-level, gguf"))
def test_tokenizer_json(model: Model, shared_file: GetFile) -> None:
    path = model.file(shared_file)
    definition = load_definition(path)
    reference = hf.Tokenizer.from_file(str(path))
    text = json.dumps(to_tokenizer_json(definition), ensure_ascii=False, indent=2)
    assert text == reference.to_str(pretty=True)
    assert {text: id for id, text in definition.model.strings.items()} == reference.get_vocab(
        with_added_tokens=False
    )
    assert definition.model.added_ids == {
        token.content: id for id, token in sorted(reference.get_added_tokens_decoder().items())
    }
    again = from_tokenizer_json(json.loads(text))
    assert (again.model, again.sections) == (definition.model, definition.sections)
    assert definition_from_object(reference).model == definition.model


@pytest.mark.parametrize("model", choose("byte-level, ranks", "byte-level, tekken"))
def test_ranks(model: Model, shared_file: GetFile, tmp_path: Path) -> None:
    path = model.file(shared_file)
    definition = load_definition(path, **model.options)
    ranks = model_zoo.read_ranks(path) if definition.format == "tiktoken" else model_zoo.read_tekken(path)
    assert definition.model.vocab == ranks
    assert definition.model.added_ids == dict(sorted(model.special.items(), key=lambda item: item[1]))
    if definition.format == "tiktoken":
        assert to_rank_file(definition) == path.read_bytes()
    data = to_tokenizer_json(definition)
    assert json.loads(hf.Tokenizer.from_str(json.dumps(data)).to_str()) == data
    save_tokenizer(tmp_path / "out", definition)
    again = load_definition(tmp_path / "out")
    assert (again.model, again.roles) == (definition.model, definition.roles)


@pytest.mark.parametrize("model", choose("byte-level, vocab.json"))
def test_vocab_and_merges(model: Model, shared_file: GetFile) -> None:
    path = model.file(shared_file)
    definition = load_definition(path, **model.options)
    vocab = json.loads(path.read_bytes())
    assert {text: id for id, text in definition.model.strings.items()} == vocab
    written = to_vocab_and_merges(definition)
    assert written is not None
    assert json.loads(written[0]) == vocab
    assert (
        written[1].splitlines()[1:]
        == path.with_name("merges.txt").read_text("utf-8").rstrip("\n").split("\n")[1:]
    )
    reference = model.reference(shared_file)
    assert isinstance(reference, model_zoo.HfReference)
    ours = hf.Tokenizer.from_str(json.dumps(to_tokenizer_json(definition)))
    text = "Naïve  cafés\n\n漢字, it's 123! <s> </s> <|endoftext|>"
    assert ours.encode(text).ids == reference.encode(text)


def others() -> list[object]:
    known = {
        "byte-level, tokenizer.json",
        "byte-level, ranks",
        "byte-level, tekken",
        "byte-level, vocab.json",
        "SentencePiece BPE, tokenizer.json",
        "character BPE, tokenizer.json",
        "test vectors",
    }
    return [pytest.param(name, kind, id=name) for name, kind in KINDS.items() if kind not in known]


@pytest.mark.parametrize(("name", "kind"), others())
def test_files_of_other_kinds_are_refused_by_name(name: str, kind: str, shared_file: GetFile) -> None:
    path = shared_file(f"{FOLDER}/{name}")
    message = "is a GGUF model" if kind.endswith("gguf") else REFUSALS[kind]
    with pytest.raises(ModelFileError, match=f"{name}: ({message})"):
        load_definition(path)


@pytest.mark.parametrize("name", ["deepseek-v3", "gpt-4o-o200k", "llama3", "qwen3"])
def test_roles_of_a_folder(name: str, shared_file: GetFile, tmp_path: Path) -> None:
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / file).symlink_to(shared_file(f"{FOLDER}/{name}/{file}"))
    definition = load_definition(tmp_path)
    assert definition.roles["eos"] in definition.model.added_ids
    save_tokenizer(tmp_path / "out", definition)
    again = load_definition(tmp_path / "out")
    assert (again.model, again.sections, again.roles) == (
        definition.model,
        definition.sections,
        definition.roles,
    )


def test_a_fast_tokenizer_of_transformers(shared_file: GetFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    transformers = pytest.importorskip("transformers")
    path = shared_file(f"{FOLDER}/gpt2/tokenizer.json")
    reference = transformers.PreTrainedTokenizerFast(tokenizer_file=str(path), eos_token="<|endoftext|>")
    definition = definition_from_object(reference)
    assert definition.roles == {"eos": "<|endoftext|>"}
    assert definition.model.strings == load_definition(path).model.strings
