"""Decoding ids as they come."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpetk.errors import ConfigError, DocumentTypeError, UnknownTokenError
from bpetk.model import BpeModel
from bpetk.pretokenizers import get_scheme
from bpetk.streaming import StreamDecoder
from bpetk.tokenizer import Tokenizer

PIECES = st.one_of(
    st.sampled_from(["é", "中", "😀", "a", "\U0010ffff"]).map(str.encode), st.binary(min_size=1, max_size=3)
)


def to_bytes(ids: list[int]) -> bytes:
    if any(not 0 <= id < 256 for id in ids):
        raise UnknownTokenError("unknown")
    return bytes(ids)


def byte_tokenizer() -> Tokenizer:
    return Tokenizer(BpeModel(get_scheme("gpt2"), ("<s>",), [*range(1, 257)], [], [], []))


def valid_prefix(data: bytes) -> str:
    """What is certain of bytes of which more may come."""
    return codecs.getincrementaldecoder("utf-8")("replace").decode(data)


@given(st.lists(PIECES, max_size=20).map(b"".join), st.lists(st.integers(0, 4), max_size=60))
def test_pieces_joined_are_the_whole(data: bytes, sizes: list[int]) -> None:
    stream, at, found = StreamDecoder(to_bytes), 0, ""
    for size in sizes:
        found += stream.feed(data[at : at + size])  # bytes are numbers too
        at += size
        assert found == valid_prefix(data[:at])
    found += stream.feed(list(data[at:])) + stream.finish()
    assert found == data.decode("utf-8", "replace")
    assert stream.finish() == ""


@given(st.lists(PIECES, max_size=20).map(b"".join))
def test_one_by_one(data: bytes) -> None:
    stream = byte_tokenizer().stream_decoder()
    found = [stream.feed(byte + 1) for byte in data] + [stream.finish()]
    assert "".join(found) == data.decode("utf-8", "replace")


def test_half_a_character_is_held_back() -> None:
    stream = StreamDecoder(to_bytes)
    assert [stream.feed(byte) for byte in "a😀b".encode()] == ["a", "", "", "", "😀", "b"]
    assert stream.feed([0xE4, 0xB8]) == "" and stream.finish() == "\ufffd"
    assert stream.feed(0xAD) == "\ufffd"  # afresh: not the third byte of the character before


def test_what_can_be_fed() -> None:
    numpy = pytest.importorskip("numpy")

    def ids() -> Iterator[int]:
        yield from b"ab"

    stream = StreamDecoder(to_bytes)
    assert stream.feed(97) == "a"
    assert stream.feed(ids()) == stream.feed((97, 98)) == stream.feed([97, 98]) == "ab"
    array = numpy.array([97, 98], dtype=numpy.uint32)
    assert stream.feed(array) == "ab" and "".join(stream.feed(id) for id in array) == "ab"
    assert stream.feed([]) == stream.feed(()) == ""


def test_unknown_ids_change_nothing() -> None:
    stream = StreamDecoder(to_bytes)
    assert stream.feed([0xE4]) == ""
    with pytest.raises(UnknownTokenError):
        stream.feed([0xB8, 300])
    assert stream.feed([0xB8, 0xAD]) == "中"


def test_of_a_tokenizer() -> None:
    tok = byte_tokenizer()
    stream = tok.stream_decoder()
    assert [stream.feed(id) for id in tok.encode("é<s>", allowed_special="all")] == ["", "é", "<s>"]
    assert stream.finish() == ""
    stream = tok.stream_decoder(skip_special_tokens=True)
    assert stream.feed([0, 98, 0]) == "a"
    with pytest.raises(UnknownTokenError, match="id 257 is not in the vocabulary"):
        stream.feed(257)
    for wrong in ("a", 1.0, None):
        with pytest.raises((UnknownTokenError, DocumentTypeError)):
            stream.feed(wrong)  # type: ignore[arg-type]
    # Two streams do not share what they hold back.
    one, two = tok.stream_decoder(), tok.stream_decoder()
    first, second = tok.encode("é")
    assert one.feed(first) == "" and two.feed(second) == "\ufffd" and one.feed(second) == "é"


def test_decoders_that_cannot_stream() -> None:
    from bpetk.definition import Definition, Sections

    replace = {"type": "Replace", "pattern": {"String": "a"}, "content": "b"}
    definition = Definition(byte_tokenizer().model, Sections(decoder=replace), format="hf")
    with pytest.raises(ConfigError, match="cannot decode a stream"):
        Tokenizer(definition).stream_decoder()
