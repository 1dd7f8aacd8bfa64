"""What a file is, by its content; which file of a folder counts; files that are no tokenizer."""

from __future__ import annotations

import base64
import gzip
import json
import lzma
import os
import pickle
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpetk.alphabet import BYTE_TO_CHAR
from bpetk.errors import ConfigError, ModelFileError
from bpetk.interop import loading
from bpetk.interop.detection import detect
from bpetk.interop.huggingface import from_tokenizer_json, to_tokenizer_json
from bpetk.interop.loading import load_definition
from bpetk.interop.tiktoken import from_ranks
from bpetk.model import BpeModel
from bpetk.model_file import save_tokenizer
from bpetk.pretokenizers import get_scheme

VOCAB = {char: i for i, char in enumerate(BYTE_TO_CHAR)} | {"ab": 256}
RANKS = {bytes([byte]): byte for byte in range(256)} | {b"ab": 256}
MODEL = BpeModel(get_scheme("cl100k"), (), range(256), [97], [98], [256])
PIECE = b"\n\x0e\n\x05<unk>\x15\x00\x00\x00\x00\x18\x02\n\x0c\n\x03<s>\x15\x00\x00\x00\x00"
OLD_PIECE = b"\n\x09\n\x05<unk>\x18\x02\n\x07\n\x03<s>\x18\x03"


def rank_file() -> bytes:
    return b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in RANKS.items())


def tokenizer_json() -> bytes:
    return json.dumps(to_tokenizer_json(MODEL)).encode()


def tekken_json() -> bytes:
    sizes = {"default_vocab_size": 277, "default_num_special_tokens": 20}
    items = [{"rank": rank, "token_bytes": base64.b64encode(token).decode()} for token, rank in RANKS.items()]
    return json.dumps({"config": {"pattern": "a", "version": "v3", **sizes}, "vocab": items}).encode()


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    (tmp_path / "merges.txt").write_text("a b\n")
    contents: dict[str, tuple[bytes, dict[str, str]]] = {
        "hf": (tokenizer_json(), {}),
        "tekken": (tekken_json(), {}),
        "tiktoken": (b"\n" + rank_file(), {"scheme": "cl100k"}),
        "gpt2": (b" " + json.dumps(VOCAB).encode(), {}),
    }
    for name in ("vocab.json", "tokenizer.json", "x.tiktoken", "tokenizer.model", "noname"):
        for format, (data, options) in contents.items():
            (tmp_path / name).write_bytes(data)
            definition = load_definition(tmp_path / name, **options)
            assert (definition.format, definition.source) == (format, str(tmp_path / name))
            assert load_definition(str(tmp_path / name), format=format, **options).model == definition.model
            assert definition.model.merges == [(b"a", b"b")]


def test_the_first_known_file_of_a_folder_counts(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n")
    expect(tmp_path, "vocab.txt: is a file of WordPiece, which bpetk does not read")
    (tmp_path / "vocab.json").write_text(json.dumps(VOCAB))
    expect(tmp_path, "vocab.txt: is a file of WordPiece")  # without merges it is not GPT-2's
    (tmp_path / "merges.txt").write_text("a b\n")
    assert load_definition(tmp_path).format == "gpt2"
    (tmp_path / "tokenizer.model").write_bytes(rank_file())
    assert load_definition(tmp_path, scheme="gpt2").format == "tiktoken"
    (tmp_path / "x.tiktoken").write_bytes(rank_file())
    assert load_definition(tmp_path, scheme="gpt2").source.endswith("x.tiktoken")
    (tmp_path / "y.tiktoken").write_bytes(rank_file())
    expect(tmp_path, r"holds several tokenizers \(x.tiktoken, y.tiktoken\); name one of them", scheme="gpt2")
    (tmp_path / "spiece.model").write_bytes(PIECE)
    expect(tmp_path, "spiece.model: is a file of SentencePiece, which bpetk does not read")
    (tmp_path / "tekken.json").write_bytes(tekken_json())
    assert load_definition(tmp_path).format == "tekken"
    (tmp_path / "tokenizer.json").write_bytes(tokenizer_json())
    assert load_definition(tmp_path).format == "hf"
    assert [load_definition(tmp_path, format=name).format for name in ("hf", "tekken", "gpt2")] == [
        "hf",
        "tekken",
        "gpt2",
    ]
    with pytest.raises(ModelFileError, match="several tokenizers"):
        load_definition(tmp_path, format="tiktoken", scheme="gpt2")


def expect(path: Path, message: str, **options: Any) -> None:
    with pytest.raises(ModelFileError, match=message):
        load_definition(path, **options)


def test_nothing_there(tmp_path: Path) -> None:
    expect(
        tmp_path,
        r"holds no tokenizer: no tokenizer.json, tekken.json, rank file \(\*.tiktoken\), vocab.json with merges.txt, "
        r"or model of SentencePiece \(\*.model\)",
    )
    (tmp_path / "tokenizer.json").write_bytes(tokenizer_json())
    expect(tmp_path, "holds no tokenizer of format tekken", format="tekken")
    expect(tmp_path / "absent", "cannot read .*absent.*No such file")
    with pytest.raises(ConfigError, match="unknown format 'gguf'; known formats: hf, tekken, tiktoken, gpt2"):
        load_definition(tmp_path, format="gguf")


@pytest.mark.parametrize("option", [{"scheme": "gpt2"}, {"pattern": "a"}, {"special_tokens": {}}])
def test_options_that_the_file_says_are_refused(tmp_path: Path, option: dict[str, Any]) -> None:
    (tmp_path / "tokenizer.json").write_bytes(tokenizer_json())
    with pytest.raises(
        ConfigError, match=rf"{next(iter(option))} cannot be given: .*tokenizer\.json' says it itself"
    ):
        load_definition(tmp_path, **option)


def zipped(path: Path) -> bytes:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", "x")
    return path.read_bytes()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: b"", "is empty"),
        (lambda path: b" \n\n", "is empty"),
        (lambda path: gzip.compress(tokenizer_json()), r"is compressed \(gzip\); unpack it first"),
        (lambda path: lzma.compress(tokenizer_json()), r"is compressed \(xz\); unpack it first"),
        (zipped, "is a zip archive or a checkpoint of PyTorch"),
        (lambda path: b"GGUF\x03\x00\x00\x00", "is a GGUF model; give the tokenizer.json"),
        (lambda path: PIECE, "is a model of SentencePiece, which is not byte-level BPE"),
        (lambda path: OLD_PIECE, "is a model of SentencePiece, which is not byte-level BPE"),
        (lambda path: pickle.dumps({"a": 1}), "is a pickle, which could run any program"),
        (
            lambda path: b"\x00\x01\x02",
            "is binary, and of no known kind: expected .* or a .model of SentencePiece",
        ),
        (lambda path: b"version https://git-lfs.github.com/spec/v1\noid", "is a pointer of Git LFS"),
        (lambda path: b"<!DOCTYPE html><html>", "is HTML or XML, perhaps the error page of a download"),
        (lambda path: b"[PAD]\n[unused0]\n[UNK]\n", "is a vocab.txt of WordPiece"),
        (lambda path: b"##a\nb\n[UNK]\n", "is a vocab.txt of WordPiece, which is not BPE"),
        (lambda path: "#version: 0.2\nĠ t\n".encode(), "looks like a merges.txt; give the vocab.json"),
        (lambda path: "Ġ t\nĠ a\n".encode(), "looks like a merges.txt; give the vocab.json"),
        (lambda path: "<unk>\t0\n▁the\t-3.5\n".encode(), "looks like a list of SentencePiece's pieces"),
        (
            lambda path: b"hello",
            "not JSON, and of no known kind: expected a tokenizer.json.* or a .model of SentencePiece",
        ),
        (lambda path: b"\xff\xfe{", "binary|not JSON"),
        (lambda path: '{"a": 1}'.encode("utf-16"), "is binary, and of no known kind"),
        (lambda path: b'"text"', "expected an object, found"),
        (lambda path: b"{}", "neither a tokenizer.json, nor a tekken.json, nor a vocab.json"),
        (lambda path: b'{"a": "b"}', "neither a tokenizer.json, nor"),
        (
            lambda path: b'{"added_tokens_decoder": {}, "a": {}}',
            "is a tokenizer_config.json, which has no vocabulary",
        ),
        (lambda path: b'{"sep_token": "x"}', "is a special_tokens_map.json, which has no vocabulary"),
        (lambda path: b"\xef\xbb\xbf{}", "begins with a byte order mark"),
        (lambda path: b"\xef\xbb\xbfhello", "not JSON, and of no known kind"),
        (lambda path: b'{"model_type": "gpt2"}', "is a config.json of a model, which has no vocabulary"),
        (lambda path: b'{"model": []}', r"model: expected an object, found \[\]"),
        (lambda path: b'{"vocab": {}, "config": []}', "config: expected an object"),
        (lambda path: b'{"<pad>": 1}', "is a vocabulary without merges"),
    ],
)
def test_files_that_are_no_tokenizer(tmp_path: Path, make: Callable[[Path], bytes], message: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(make(path))
    expect(path, f"{path}: .*({message})")


def test_every_beginning_of_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    for data in (tokenizer_json(), tekken_json(), rank_file()):
        for size in [*range(40), *range(40, len(data) - 1, 211), len(data) - 2]:
            path.write_bytes(data[:size])
            with pytest.raises(ModelFileError) as caught:
                load_definition(path, **({"scheme": "gpt2"} if data == rank_file() and size > 6 else {}))
            assert str(path) in str(caught.value)


def test_special_files_and_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        expect(tmp_path / "pipe", "is not a regular file")
    if os.path.exists("/dev/zero"):
        expect(Path("/dev/zero"), "is not a regular file")
    monkeypatch.setattr(loading, "_MAX_BYTES", 10)
    (tmp_path / "tokenizer.json").write_bytes(tokenizer_json())
    expect(tmp_path, "larger than 1 GiB, which no tokenizer is")


def test_long_tokens_and_high_ids(tmp_path: Path) -> None:
    data = to_tokenizer_json(MODEL)
    long = "a" * 1_000_000
    data["model"]["vocab"] |= {long: 2**21 - 3, long + "b": 300}
    data["model"]["merges"].append([long, "b"])
    definition = from_tokenizer_json(data)
    assert definition.model.n_vocab == 2**21 - 2
    assert to_tokenizer_json(definition)["model"]["merges"] == data["model"]["merges"]
    data["model"]["vocab"][long] = 2**32 - 1
    with pytest.raises(
        ModelFileError, match=r'model.vocab\["aaaa.*\.\.\.\]: expected an id up to 2097149, found 4294967295'
    ) as caught:
        from_tokenizer_json(data)
    assert len(str(caught.value)) < 200


def test_the_deepest_nesting_ends_in_an_error(tmp_path: Path) -> None:
    inner = json.dumps(to_tokenizer_json(MODEL)["pre_tokenizer"])
    text = json.dumps(to_tokenizer_json(MODEL)).replace(inner, "PRE-TOKENIZER")
    for depth in (100, 300, 900, 3000, 100_000):
        middle = '{"type": "Sequence", "pretokenizers": [' * depth + inner + "]}" * depth
        (tmp_path / "tokenizer.json").write_text(text.replace("PRE-TOKENIZER", middle))
        outcome = ""
        try:
            load_definition(tmp_path)
        except ModelFileError as error:
            outcome = str(error)
        assert depth < 1000 if not outcome else re.search("nested|recursion", outcome)


def test_a_key_given_twice_has_its_last_value() -> None:
    text = tokenizer_json()[:-1] + b', "version": "1.0", "truncation": null}'
    assert from_tokenizer_json(detect(text)[1]).model == MODEL


def test_ranks_come_back_from_what_was_saved(tmp_path: Path) -> None:
    definition = from_ranks(RANKS | {b"xyz": 300}, scheme="gpt2", special_tokens={"<s>": 400})
    save_tokenizer(tmp_path / "out", definition)
    again = load_definition(tmp_path / "out")
    assert again.model == definition.model and again.model.ranks
    # Only together with the file that the manifest speaks of.
    file = tmp_path / "out" / "tokenizer.json"
    file.write_bytes(file.read_bytes() + b"\n")
    assert load_definition(tmp_path / "out").model == replace(definition.model, ranks=False)
    assert not load_definition(file).model.ranks


FILES = {"tokenizer.json": tokenizer_json(), "tekken.json": tekken_json(), "x.tiktoken": rank_file()}


@given(
    name=st.sampled_from(sorted(FILES)),
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=3), st.integers(0, 4)), max_size=4
    ),
)
def test_damaged_bytes_end_in_an_error_or_a_tokenizer(
    name: str, changes: list[tuple[float, bytes, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = FILES[name]
    for where, new, removed in changes:
        at = int(where * len(data))
        data = data[:at] + new + data[at + removed :]
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(data)
    try:
        definition = load_definition(path, **({"scheme": "gpt2"} if name == "x.tiktoken" else {}))
    except (ModelFileError, ConfigError) as error:
        str(error).encode()
    else:
        assert json.dumps(to_tokenizer_json(definition), ensure_ascii=False).encode()
        assert len(definition.model.strings) <= definition.model.n_vocab
