"""Conversion: each format holds what it can, refuses the rest with the reason, and the result is the same tokenizer."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import bpetk
from bpetk.convert import TARGETS, convert
from bpetk.definition import Definition
from bpetk.errors import ConfigError, ModelFileError, OutputError
from bpetk.model import BpeModel
from bpetk.pretokenizers import SCHEMES, custom_scheme, get_scheme
from bpetk.probe import BLOCKS, probe_texts, text_batches
from bpetk.special_tokens import AddedToken
from bpetk.targets import (
    loose_rank_table,
    lost_parts,
    rank_table,
    single_step,
    tiktoken_pattern,
    vocab_and_merges,
)

TEXT = "".join(BLOCKS)
SPECIAL = ["<s>", "<|endoftext|>"]


def train(scheme: str = "gpt2", **options: Any) -> bpetk.Tokenizer:
    return bpetk.train_from_iterator([TEXT], 600, scheme=scheme, special_tokens=SPECIAL, **options)


def definition(merges: list[tuple[int, int, int]], **fields: Any) -> Definition:
    """Make one over the bytes, with merges of (left, right, new)."""
    left, right, new = ([merge[part] for merge in merges] for part in range(3))
    return Definition(BpeModel(get_scheme("gpt2"), (), range(256), left, right, new, **fields))


# --- both ways ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", [name for name in SCHEMES if tiktoken_pattern(SCHEMES[name])])
def test_to_ranks_and_back(tmp_path: Path, scheme: str) -> None:
    tok = train(scheme)
    tok.save(tmp_path / "tok")
    there = convert(tmp_path / "tok", tmp_path / "r.tiktoken", to="tiktoken")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.tiktoken", "r.tiktoken.json", "tok"]
    assert there.options == {} and there.texts > 200
    read = bpetk.Tokenizer.from_file(there.path)
    assert (read.scheme.name, read.special_tokens) == (scheme, {"<s>": 0, "<|endoftext|>": 1})
    assert read.source == f"{there.path} (with r.tiktoken.json)"
    back = convert(there.path, tmp_path / "back", to="hf")
    assert back.options == {}
    first, last = (json.loads((tmp_path / name / "tokenizer.json").read_bytes()) for name in ("tok", "back"))
    first["model"]["ignore_merges"] = True  # ranks find a word that is a token, whatever the merges say
    assert last == first


def test_to_vocab_and_merges_and_back(tmp_path: Path) -> None:
    tok = train("gpt2")
    there = convert(tok, tmp_path / "g", to="gpt2")
    assert sorted(path.name for path in there.files) == ["merges.txt", "vocab.json"]
    assert (tmp_path / "g" / "merges.txt").read_text(encoding="utf-8").startswith("#version: 0.2\n")
    back = bpetk.Tokenizer.from_file(there.path, **there.options)
    assert back.encode(TEXT) == tok.encode(TEXT)
    assert back.special_tokens == tok.special_tokens
    assert convert(there.path, tmp_path / "h", to="hf", **there.options).tokens == there.tokens


def test_libraries_read_the_result(tmp_path: Path) -> None:
    tokenizers, tiktoken = pytest.importorskip("tokenizers"), pytest.importorskip("tiktoken")
    tok = train("o200k")
    done = convert(tok, tmp_path / "r.tiktoken", to="tiktoken")
    assert [name.split()[0] for name in done.compared] == ["bpetk", "tiktoken"]
    parts = json.loads((tmp_path / "r.tiktoken.json").read_bytes())
    lines = (line.split() for line in (tmp_path / "r.tiktoken").read_bytes().splitlines())
    ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
    assert tiktoken.Encoding(mergeable_ranks=ranks, **parts).encode_ordinary(TEXT) == tok.encode(TEXT)
    convert(tok, tmp_path / "h", to="hf")
    read = tokenizers.Tokenizer.from_file(str(tmp_path / "h" / "tokenizer.json"))
    assert read.encode(TEXT).ids == tok.encode(TEXT)


def test_special_tokens_amid_the_ids_keep_them(tmp_path: Path) -> None:
    tok = train("gpt2")
    table = rank_table(tok.definition)
    path = tmp_path / "r.tiktoken"
    path.write_bytes(b"".join(base64.b64encode(token) + b" %d\n" % id for token, id in table.ranks.items()))
    for special in ({}, {"<a>": 0, "<b>": 1}, {"<a>": 600, "<b>": 601}, {"<a>": 5000}):
        done = convert(path, tmp_path / f"h{len(special)}{max(special.values(), default=0)}", to="hf",
                       scheme="gpt2", special_tokens=special)  # fmt: skip
        assert bpetk.Tokenizer.from_file(done.path).special_tokens == special


def test_probes_are_compared(tmp_path: Path) -> None:
    (tmp_path / "probe.txt").write_bytes("one\r\ntwo\n\n三".encode())
    plain, more = (convert(train(), tmp_path / name, to="hf", probes=probes)
                   for name, probes in (("a", []), ("b", [tmp_path / "probe.txt"])))  # fmt: skip
    assert more.texts == plain.texts + 4 + 1  # its lines, and all of it


# --- refusals -------------------------------------------------------------------------------------------------------


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "f.json").touch()
    for target, to in (("d", "hf"), ("d", "gpt2"), ("d", "tiktoken"), ("f", "tiktoken")):
        with pytest.raises(OutputError, match="exists"):
            convert(train(), tmp_path / target, to=to)  # type: ignore[arg-type]
    with pytest.raises(OutputError, match="there is no folder"):
        convert(train(), tmp_path / "no" / "x", to="hf")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d", "f.json"]


def test_unknown_targets_and_options_without_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"known are {', '.join(TARGETS)}"):
        convert(train(), tmp_path / "x", to="sp")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="scheme: only for files"):
        convert(train(), tmp_path / "x", to="hf", scheme="gpt2")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"added_tokens": (AddedToken("<a>", 300, special=False),)}, "'<a>' is not special"),
        ({"added_tokens": (AddedToken("<a>", 300), AddedToken("<a>>", 301))}, "which begins with it"),
        ({"end_of_word_suffix": "</w>"}, "no place for the end-of-word suffix '</w>'"),
    ],
)
def test_what_neither_ranks_nor_merges_hold(changed: dict[str, Any], reason: str) -> None:
    for express in (rank_table, vocab_and_merges):
        with pytest.raises(ModelFileError, match=reason):
            express(definition([(97, 98, 256)], **changed))


@pytest.mark.parametrize(
    ("sections", "reason"),
    [
        ({"normalizer": {"type": "NFC"}}, "no place for the normalizer NFC"),
        ({"decoder": {"type": "Metaspace"}}, "no place for the decoder Metaspace"),
    ],
)
def test_stages_that_neither_hold(sections: dict[str, Any], reason: str) -> None:
    tok = train().definition
    other = replace(tok, sections=replace(tok.sections, **sections))
    for express in (rank_table, vocab_and_merges):
        with pytest.raises(ModelFileError, match=reason):
            express(other)
    assert loose_rank_table(other).ranks == rank_table(tok).ranks


def test_patterns_that_ranks_do_not_hold() -> None:
    with pytest.raises(ModelFileError, match="no named scheme"):
        rank_table(Definition(replace(train().model, scheme=custom_scheme("a|b+"))))


def test_missing_bytes_are_refused() -> None:
    small = bpetk.train_from_iterator(["ab"], 3, alphabet="observed").definition
    with pytest.raises(ModelFileError, match="byte 0x00 has no id"):
        rank_table(small)


@pytest.mark.parametrize(
    ("merges", "fields", "reason"),
    [
        # ab + c -> abc is listed, and bc; ranks would merge a + bc as well.
        ([(98, 99, 256), (97, 98, 257), (257, 99, 258)], {}, "b'abc' (id 258) in another way than ranks do"),
        # The later merge has the lower id.
        ([(97, 98, 257), (99, 100, 256)], {}, "not the order of the ids"),
        # Tokens that no merge makes: ranks do, or find them whole.
        ([(97, 98, 256)], {"extra_tokens": (("xy", 257),)}, "b'xy' (id 257) in another way than ranks do"),
        ([(97, 98, 256)], {"extra_tokens": (("xyz", 257),)}, "b'xyz' (id 257) as a whole word"),
    ],
)
def test_orders_that_ranks_cannot_express(
    merges: list[tuple[int, int, int]], fields: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ModelFileError, match=re.escape(reason)):
        rank_table(definition(merges, **fields))


def test_dead_merges_and_whole_tokens_are_no_obstacle() -> None:
    # a + bc can never take place: ab is merged before.
    merges = [(97, 98, 256), (98, 99, 257), (256, 99, 258), (97, 257, 258)]
    assert rank_table(definition(merges)).ranks[b"abc"] == 258
    whole = definition([(97, 98, 256)], extra_tokens=(("xyz", 257),), ignore_merges=True)
    assert rank_table(whole).ranks[b"xyz"] == 257


def test_only_gpt2_cuts_fit_vocab_and_merges() -> None:
    with pytest.raises(ModelFileError, match="this tokenizer by the scheme cl100k"):
        vocab_and_merges(train("cl100k").definition)


def test_ranks_with_tokens_found_whole(tmp_path: Path) -> None:
    ranks = [bytes([byte]) for byte in range(256)] + [b"ab", b"xyz"]
    path = tmp_path / "r.tiktoken"
    path.write_bytes(b"".join(base64.b64encode(token) + b" %d\n" % id for id, token in enumerate(ranks)))
    tok = bpetk.Tokenizer.from_file(path, scheme="gpt2")
    assert tok.encode("xyz xyzw") == [257, 32, 120, 121, 122, 119]
    assert convert(tok, tmp_path / "h", to="hf").texts > 200
    with pytest.raises(ModelFileError, match='"xyz" is found whole'):
        convert(tok, tmp_path / "g", to="gpt2")


def test_a_result_with_other_ids_is_refused_and_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tok, other = train("gpt2"), train("cl100k")
    monkeypatch.setattr(bpetk.Tokenizer, "from_file", lambda *_, **__: other)
    with pytest.raises(ModelFileError, match=r"is not the same: id .* was .*, and is "):
        convert(tok, tmp_path / "h", to="hf")
    cut = bpetk.Tokenizer(replace(tok.model, scheme=get_scheme("cl100k")))
    monkeypatch.setattr(bpetk.Tokenizer, "from_file", lambda *_, **__: cut)
    with pytest.raises(ModelFileError, match=r"gives other ids \(bpetk, in the built-in text\), near "):
        convert(tok, tmp_path / "h", to="hf")
    assert list(tmp_path.iterdir()) == []


# --- the probe ------------------------------------------------------------------------------------------------------


def test_the_probe_holds_what_tells_tokenizers_apart() -> None:
    chars = set(TEXT)
    assert {chr(code) for code in range(128)} <= chars
    for wanted in (
        "\r\n",
        "\u3000",
        "\ufeff",
        "龘",
        "\U00020000",
        "\u0301",
        "👨\u200d👩",
        "123456",
        "'s",
        "THEY'RE",
        "ſ",
    ):
        assert wanted in TEXT
    assert "\r\n" in "".join(probe_texts())
    assert len(TEXT.encode()) < 10_000
    texts = probe_texts(["<s>"])
    assert len(set(texts)) == len(texts)


def test_text_batches(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(b"a\r\nb\n\nc")
    assert list(text_batches(path)) == [(1, ["a\r\n", "b\n", "\n", "c"])]
    assert list(text_batches(path, whole=True)) == [(1, ["a\r\nb\n\nc"])]
    path.write_bytes(b"x" * (1 << 20) + b"\n" + b"y\n")
    assert [(first, len(batch)) for first, batch in text_batches(path)] == [(1, 1), (2, 1)]
    path.write_bytes(b"a\nb\xff\n")
    with pytest.raises(bpetk.BpetkError, match="line 2, byte offset 3"):
        list(text_batches(path))


# --- what is not held -----------------------------------------------------------------------------------------------


def test_what_is_lost_is_named() -> None:
    tok = train().definition
    assert lost_parts(tok) == []
    template = {"type": "RobertaProcessing", "sep": ["<s>", 0], "cls": ["<s>", 0]}
    template |= {"trim_offsets": True, "add_prefix_space": False}
    sections = replace(tok.sections, post_processor=template, truncation={"max_length": 9})
    assert lost_parts(replace(tok, sections=sections)) == [
        "the template that add_special_tokens applies",
        "truncation",
    ]


def test_empty_normalizers_are_none() -> None:
    assert single_step(None) is None
    assert single_step({"type": "Sequence", "normalizers": []}) is None
    assert single_step({"type": "Sequence", "normalizers": [{"type": "NFC"}]}) == {"type": "NFC"}
    two = {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]}
    assert single_step(two) == two
