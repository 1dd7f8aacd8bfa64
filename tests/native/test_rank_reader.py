"""The native readers of ranks and the plain ones: what they accept they read alike, ordinary files they accept."""

from __future__ import annotations

import base64
import json
import pickle
import random
from array import array
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpetk import _rank_reader, _tekken_reader
from bpetk.definition import Definition
from bpetk.errors import ConfigError, ModelFileError
from bpetk.interop import tekken
from bpetk.interop.json_fields import parse_json
from bpetk.interop.tiktoken import from_ranks, rank_list, read_ranks

BYTES = {bytes([byte]): byte for byte in range(256)}
LARGEST_ID = 2**21 - 3


def file_of(ranks: Mapping[bytes, int]) -> bytes:
    return b"".join((base64.b64encode(token) or b"=") + b" %d\n" % rank for token, rank in ranks.items())


def ranks_of(table: _rank_reader.Ranks) -> dict[bytes, int]:
    blob, offsets = table.blob, table.offsets
    assert len(offsets) == len(table.flags) + 1 and offsets[0] == 0 and offsets[-1] == len(blob)
    found = {blob[offsets[id] : offsets[id + 1]]: id for id, flag in enumerate(table.flags) if flag}
    assert len(found) == len(table) and all(id in table for id in found.values())
    assert [table.flags[id] for id in table.byte_ids] == [_rank_reader.TOKEN | _rank_reader.EXPLAINED] * 256
    assert [found[bytes([byte])] for byte in range(256)] == list(table.byte_ids)
    return found


def check_rank_file(data: bytes) -> bool:
    """Whether a file is accepted; it is then read as the plain reader does."""
    table = _rank_reader.read_rank_file(data)
    if table is None:
        return False
    expected = read_ranks(data)
    assert list(ranks_of(table).items()) == list(expected.items())
    assert all(table.find(token) == id for token, id in expected.items())
    return True


# Rank files


def test_ordinary_rank_files_are_accepted() -> None:
    rng = random.Random(3)
    for size in (0, 1, 2, 3, 100, 4000):
        tokens = {rng.randbytes(rng.randint(2, 40)) for _ in range(size)}
        ids = rng.sample(range(256, 6000), len(tokens))
        assert check_rank_file(file_of(BYTES | dict(zip(tokens, sorted(ids), strict=True))))
        assert check_rank_file(file_of(BYTES | dict(zip(tokens, ids, strict=True))))
    shuffled = list(BYTES.items())
    rng.shuffle(shuffled)
    assert check_rank_file(file_of(dict(shuffled)))
    assert check_rank_file(file_of({token: 700 - id for token, id in BYTES.items()}))


@pytest.mark.parametrize(
    "data",
    [
        file_of(BYTES)[:-1],
        file_of(BYTES).replace(b"\n", b"\r\n"),
        file_of(BYTES).replace(b" ", b" \t ").replace(b"\n", b"\t\n\n"),
        file_of(BYTES).replace(b" 7\n", b" 007\n"),
        file_of(BYTES) + b"\n\n",
        file_of(BYTES | {b"": 300}),
        file_of(BYTES | {b"ab": LARGEST_ID}),
        file_of(BYTES | {b"ab" * 2**15: 300}),
        file_of(BYTES | {b"a" * 2**16: 300}),
    ],
)
def test_forms_that_are_accepted(data: bytes) -> None:
    assert check_rank_file(data)


@pytest.mark.parametrize(
    "line",
    [
        b"YWI=", b"YWI= ", b"YWI= x", b"YWI= -1", b"YWI= 300 301", b"YWI 300", b"YWI== 300", b"YW=I 300", b"Y=== 300",
        b"YWI= 2097150", b"YWI= 97", b"YQ== 300", b"YR== 300", b"YWJ= 300", b"YWI=300", b" 300", b"  ", b"==== 300",
        b"== 300", b"\xff 300", b"YWI= 300\x0b", b"YWI= 300\rx", b"YWI= \xd9\xa3", b"YWI= 1111111111",
        base64.b64encode(b"a" * (2**16 + 1)) + b" 300", b"\x00", b"# x",
    ],
)  # fmt: skip
def test_what_is_odd_is_left_to_the_plain_reader(line: bytes) -> None:
    data = file_of(BYTES) + line + b"\n"
    assert check_rank_file(file_of(BYTES) + b"YWI= 300\n") and not check_rank_file(data)
    for byte in (0, 97, 255):
        assert not check_rank_file(file_of({token: id for token, id in BYTES.items() if id != byte}))
    assert not check_rank_file(b"") and not check_rank_file(b"\n")


@given(st.data())
def test_mutated_rank_files(data: st.DataObject) -> None:
    text = bytearray(file_of(BYTES | {b"ab": 300, b"": 301, "漢字".encode(): 299}))
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        size = data.draw(st.integers(0, 3))
        text[at : at + size] = data.draw(
            st.lists(st.sampled_from(b"AZaz09+/= \t\r\n\x0b\xff"), max_size=3).map(bytes)
        )
    check_rank_file(bytes(text))


@pytest.mark.parametrize(
    "name", ["cl100k_base/cl100k_base", "whisper-multilingual/multilingual", "kimi-k2/kimi_k2"]
)
def test_real_rank_files_are_accepted(name: str, shared_file: Callable[[str], Path]) -> None:
    assert check_rank_file(shared_file(f"tokenizers/{name}.tiktoken").read_bytes())


# tekken.json


def entry(rank: int, token: bytes) -> dict[str, Any]:
    return {"rank": rank, "token_bytes": base64.b64encode(token).decode(), "token_str": "ü😀\n"}


def document(*more: bytes, **changes: Any) -> dict[str, Any]:
    tokens = [*BYTES, b"ab", b"abab", *more, b"cut off", b"cut off"]
    config = {
        "pattern": r" ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s+",
        "default_vocab_size": len(tokens) + 23,
        "default_num_special_tokens": 25,
        "version": "v3",
    }
    return {"config": config, "vocab": [entry(i, token) for i, token in enumerate(tokens)]} | changes


def check_tekken(data: bytes) -> Definition | None:
    """Give the tokenizer if the file is accepted; it is then read as the plain reader does."""
    found = tekken.read_fast(data)
    if found is not None:
        expected = tekken.from_tekken_json(parse_json(data))
        assert (found.model, found.roles, found.stages, found.format) == (
            expected.model,
            expected.roles,
            expected.stages,
            expected.format,
        )
        assert found.model.tokens == expected.model.tokens and found.model.table == expected.model.table
    return found


@pytest.mark.parametrize("indent", [None, 4])
@pytest.mark.parametrize("ascii", [False, True])
def test_ordinary_tekken_files_are_accepted(indent: int | None, ascii: bool) -> None:
    data = document(b"x" * 300, "漢字".encode(), multimodal={"a": [1, {"b": "]"}]})
    text = json.dumps(data, indent=indent, ensure_ascii=ascii).encode()
    assert (definition := check_tekken(text)) is not None
    assert definition.model.vocab["漢字".encode()] == 25 + 256 + 3
    text = json.dumps(dict(reversed(data.items())), indent=indent, ensure_ascii=ascii).encode()
    assert check_tekken(text) is not None


def test_a_key_that_is_there_twice_counts_the_last_time() -> None:
    text = json.dumps(document()).replace('"rank": 256', '"rank": 1, "rank": 256')
    assert check_tekken(text.encode()) is not None
    text = text.replace('"token_bytes": "YWI="', '"token_bytes": null, "token_bytes": "YWI="')
    assert check_tekken(text.encode()) is not None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('{"config"', '{"model": {}, "config"'),
        ('{"config"', '{"\\u006dodel": {}, "config"'),
        ('{"config"', '{"vocab": [], "config"'),
        ('"vocab"', '"\\u0076ocab"'),
        ('}]}', '}], "\\u0076ocab": [1]}'),
        ('}]}', '}], "vocab": []}'),
        ('}]}', '}]}x'),
        ('}]}', '}],}'),
        ('}]}', '},]}'),
        ('}]}', '}, 7]}'),
        ('}]}', '}]'),
        ('"rank": 256', '"rank": 256.0'),
        ('"rank": 256', '"rank": "256"'),
        ('"rank": 256', '"rank": 255'),
        ('"rank": 256, ', ''),
        ('"YWI="', '"YWI"'),
        ('"YWI="', '"\\u0059WI="'),
        ('"YWI="', '"="'),
        ('"YWI="', '""'),
        ('"YWI="', '"YQ=="'),
        ('"YWI="', '["YWI="]'),
        ('"AQ=="', '"Ag=="'),
        ('"v3"', '"v30"'),
        ('"v3"', 'NaN'),
        ('"token_str"', '"token_str" 1'),
        ('"token_str"', '"x": {}, "token_str": [[], {"y": nul}], "z"'),
    ],
)  # fmt: skip
def test_odd_tekken_files_are_left_to_the_plain_reader(old: str, new: str) -> None:
    text = json.dumps(document())
    assert old in text
    assert check_tekken(text.replace(old, new, 1).encode()) is None


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b'{"a": 1}', b'{"vocab": []}', b'{"vocab": [{}]}', b"YQ== 1\n", b"\xef\xbb\xbf{}"],
)
def test_other_files_are_not_tekken(data: bytes) -> None:
    assert _tekken_reader.split_tekken(data) is None and tekken.read_fast(data) is None


@given(st.data())
def test_mutated_tekken_files(data: st.DataObject) -> None:
    text = bytearray(
        json.dumps(document(), ensure_ascii=False, indent=data.draw(st.sampled_from([None, 1]))).encode(
            "utf-8", "surrogatepass"
        )
    )
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.one_of(st.integers(0, 700), st.integers(0, len(text) - 1)))
        size = data.draw(st.integers(0, 2))
        text[at : at + size] = data.draw(
            st.lists(st.sampled_from(b'A9+=,:"\\{}[] \n\xc3u'), max_size=2).map(bytes)
        )
    try:
        check_tekken(bytes(text))
    except ModelFileError as error:  # what the plain reader refuses
        pytest.fail(f"accepted natively only: {error}")


def test_a_real_tekken_file_is_accepted(shared_file: Callable[[str], Path]) -> None:
    data = shared_file("tokenizers/mistral-tekken/tekken_240911.json").read_bytes()
    definition = check_tekken(data)
    assert definition is not None and definition.model.vocab_size == 131_072


# The table


def test_looking_up() -> None:
    table = _rank_reader.read_rank_file(file_of(BYTES | {b"ab": 300}))
    assert table is not None
    assert [table.find(token) for token in (b"a", b"ab", b"abc", b"", b"x" * 70_000)] == [
        97,
        300,
        None,
        None,
        None,
    ]
    assert [id in table for id in (0, 255, 256, 300, 301, -1, "a", None)] == [True, True, False, True] + [
        False
    ] * 4
    packed = rank_list(BYTES | {b"ab": 300})
    assert (ranks_of(packed.table), packed.id_of(b"ab")) == (BYTES | {b"ab": 300}, 300)
    with pytest.raises(ValueError, match="only tables that were read can be searched"):
        packed.table.find(b"a")
    with pytest.raises(TypeError):
        table.find(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tokens", "ids", "message"),
    [
        ([*BYTES, b"ab"], [*range(256), 255], "id 255 is out of order"),
        ([*BYTES, b"ab"], [*range(256), 3], "id 4 is out of order"),
        ([*BYTES, b"ab"], [*range(256), LARGEST_ID + 1], f"id {LARGEST_ID + 1} is above {LARGEST_ID}"),
        ([*BYTES, b"ab"], [-1, *range(256)], "id -1 is out of order"),
        ([*BYTES, None], [*range(257)], "id 256 is out of order, or has no token"),
        ([*BYTES][1:], [*range(255)], "byte 0x00 has no id"),
        ([], [], "byte 0x00 has no id"),
        ([*BYTES], [*range(255)], "256 tokens, but 255 ids"),
    ],
)
def test_packing_what_is_no_list_of_ranks(tokens: list[Any], ids: Sequence[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _rank_reader.pack_ranks(tokens, ids)


def test_two_tokens_of_one_rank() -> None:
    with pytest.raises(ConfigError, match="these ranks are not usable: id 97 is out of order"):
        from_ranks(BYTES | {b"ab": 97}, scheme="gpt2")


def test_flags_and_added_tokens() -> None:
    table = rank_list(BYTES | {b"ab": 300, b"xyz": 301, b"": 302}).table
    flags, others = table.explained(array("I", [300]))
    assert [flags[id] for id in (0, 256, 300, 301, 302)] == [5, 0, 5, 1, 1] and table.flags[300] == 1
    assert others == [(b"xyz", 301), (b"", 302)]
    blob, offsets, more = table.with_added(flags, [(256, b"<a>"), (299, b"<b>"), (303, b"<c>"), (305, b"")])
    tokens = {id: blob[offsets[id] : offsets[id + 1]] for id in range(306)}
    expected = {id: token for token, id in BYTES.items()} | {
        256: b"<a>",
        299: b"<b>",
        300: b"ab",
        301: b"xyz",
    }
    assert tokens == dict.fromkeys(range(306), b"") | expected | {303: b"<c>"}
    assert (len(offsets), more) == (307, flags + bytes(3))
    for wrong in ([(300, b"<a>")], [(256, b"a"), (256, b"b")], [(257, b"a"), (256, b"b")], [(2**21, b"a")]):
        with pytest.raises(ValueError, match=r"out of order, or has a token|too many bytes or ids"):
            table.with_added(flags, wrong)
    with pytest.raises(ValueError, match="too few flags"):
        table.with_added(flags[1:], [])
    for rule in (256, 303, 2**32 - 1):
        with pytest.raises(ValueError, match=f"rule 0 makes id {rule}, which is no token"):
            table.explained(array("I", [rule]))


names = st.sampled_from(["<s>", "é", "a", "ab", "Ġ", "Ġx", "xyz", "漢", ""])


@given(
    st.lists(st.integers(256, 280), min_size=4, max_size=4, unique=True),
    st.dictionaries(names.filter(bool), st.one_of(st.integers(97, 98), st.integers(256, 290)), max_size=4),
)
def test_a_packed_model_is_the_model(ids: list[int], special: dict[str, int]) -> None:
    ranks = BYTES | dict(zip([b"ab", b"abab", b"xyz", b" x"], ids, strict=True))
    try:
        model = from_ranks(ranks, scheme="gpt2", special_tokens=special).model
    except ConfigError:
        return
    plain = pickle.loads(pickle.dumps(model))
    assert plain == model and plain._packed is None and model._packed is not None
    assert plain.table == model.table and list(model.tokens.items()) == list(plain.tokens.items())
    assert (plain.vocab_size, plain.n_vocab) == (model.vocab_size, model.n_vocab)
    assert (plain.token_bytes, plain.strings) == (model.token_bytes, model.strings)


def test_nothing_else_is_taken() -> None:
    for wrong in (None, "", bytearray(), 3):
        for call in (_rank_reader.read_rank_file, _tekken_reader.split_tekken):
            with pytest.raises(TypeError):
                call(wrong)  # type: ignore[operator]
    with pytest.raises(TypeError):
        pickle.dumps(_rank_reader.pack_ranks(list(BYTES), range(256)))
