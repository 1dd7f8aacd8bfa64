"""The native search for added tokens: every tier against a search with Python's own means, and the plain splitter."""

from __future__ import annotations

import re
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpetk._added_tokens import Matcher
from bpetk._scanner import TIERS
from bpetk.special_tokens import AddedToken, AddedTokenSplitter


def expected(contents: list[bytes], data: bytes) -> list[tuple[int, int, int]]:
    """Find leftmost-longest with a pattern whose alternatives stand in order of length."""
    if not contents:
        return []
    index = {content: i for i, content in enumerate(contents)}
    pattern = b"|".join(map(re.escape, sorted(contents, key=len, reverse=True)))
    return [(*match.span(), index[match.group()]) for match in re.finditer(pattern, data)]


def matchers(contents: list[bytes]) -> list[Matcher]:
    return [Matcher(contents, range(len(contents)), tier=tier) for tier in TIERS]


def assert_finds(contents: list[bytes], *texts: bytes) -> None:
    for data in texts:
        wanted = expected(contents, data)
        for tier, matcher in zip(TIERS, matchers(contents), strict=True):
            assert matcher.find_all(data) == wanted, (tier, contents, data)


@pytest.mark.parametrize(
    "alphabet", [b"ab", b"<|a>", b" \n", bytes(range(60, 80)), bytes(range(256))], ids=repr
)
@given(data=st.data())
def test_random_contents(alphabet: bytes, data: st.DataObject) -> None:
    strings = st.lists(st.sampled_from(alphabet), min_size=1, max_size=9).map(bytes)
    contents = data.draw(st.lists(strings, max_size=12, unique=True))
    parts = st.sampled_from(contents) | strings if contents else strings
    fillers = st.builds(lambda byte, n: bytes([byte]) * n, st.integers(0, 255), st.integers(0, 70))
    assert_finds(contents, b"".join(data.draw(st.lists(parts | fillers, max_size=20))))


@given(
    contents=st.lists(st.text("<|a漢é😀 \n", min_size=1, max_size=4), min_size=1, max_size=8, unique=True),
    text=st.text("<|a漢é😀 \nx", max_size=150),
)
def test_equals_the_plain_splitter_and_matches_whole_characters(contents: list[str], text: str) -> None:
    tokens = [AddedToken(content, i) for i, content in enumerate(contents)]
    pieces = AddedTokenSplitter(tokens).cut_raw(text, frozenset(contents))
    plain = [
        (len(text[:start].encode()), len(text[:end].encode()), id)
        for start, end, id in pieces
        if id is not None
    ]
    for matcher in matchers([content.encode() for content in contents]):
        assert matcher.find_all(text.encode()) == plain


def test_position_in_the_block() -> None:
    contents = [b"<|im_start|>", b"<|im|>", b"<"]
    for size in range(200):
        filler = b"x" * size
        assert_finds(contents[:2], filler + b"<|im|>", filler + b"<|im|", filler + b"<|im|>" + filler)
        assert_finds(contents, filler + b"<", filler + b"<|im_start|>" + filler + b"<|")


def test_single_bytes() -> None:
    for byte in range(256):
        data = bytes(range(256)) * 2
        assert_finds([bytes([byte])], data, data[:byte], data[: byte + 1])
    assert_finds([bytes([byte]) for byte in range(256)], bytes(range(256)))


@pytest.mark.parametrize("kinds", [1, 2, 7, 8, 9, 16, 17, 100, 255])
def test_many_first_bytes(kinds: int) -> None:
    contents = [bytes([byte, byte ^ 1, 33]) for byte in range(kinds)] + [
        bytes([byte, byte]) for byte in range(kinds)
    ]
    assert_finds(
        contents, bytes(range(256)) * 3, b"".join(contents), b"".join(content[:2] for content in contents)
    )


def test_runs_of_blanks() -> None:
    contents = [b" " * n for n in range(2, 25)] + [b"\n" * n for n in range(2, 32)]
    assert_finds(contents, *(b"a" + b" " * n + b"\n" * (70 - n) + b"b" for n in range(70)))


def test_thousands_of_contents() -> None:
    contents = [b"<unused%d>" % i for i in range(6000)] + [b"<unused1%d" % i for i in range(0, 500, 7)]
    text = b"".join(b"x<unused%d>" % (i * 37) for i in range(300)) + b"<unused" * 20 + b"<unused5999"
    assert_finds(contents, text)


def test_prefixes_of_one_another() -> None:
    contents = [b"ab" * n for n in range(1, 60)] + [b"ab" * 40 + b"c"]
    assert_finds(contents, b"ab" * 50 + b"c", b"ab" * 200 + b"a", b"b" + b"ab" * 40 + b"c")


def test_text_that_begins_a_content_everywhere() -> None:
    assert_finds([b"<" * 300 + b"x", b"<y"], b"<" * 5000, b"<" * 5000 + b"x" + b"<y" * 100)


def test_no_contents_and_no_text() -> None:
    for matcher in matchers([]):
        assert matcher.find_all(b"abc") == [] and matcher.find_all(b"") == [] and len(matcher) == 0
    for matcher in matchers([b"a", b"b"]):
        assert matcher.find_all(b"") == [] and len(matcher) == 2


def test_any_buffer() -> None:
    matcher = Matcher([b"ab"], [5])
    for data in (bytearray(b"xab"), memoryview(b"..xab")[2:]):
        assert matcher.find_all(data) == [(1, 3, 0)]


@pytest.mark.parametrize(
    ("contents", "ids", "error", "message"),
    [
        ([b""], [0], ValueError, "contents must be bytes, none of them empty"),
        (["a"], [0], ValueError, "contents must be bytes"),
        ([b"a", b"a"], [0, 1], ValueError, "a content is given twice"),
        ([b"a"], [], ValueError, "1 contents, but 0 ids"),
        ([b"a"], [-1], OverflowError, "can't convert negative value"),
        ([b"a"], [2**32], OverflowError, "too large to convert"),
    ],
)
def test_what_is_refused(contents: list[bytes], ids: list[int], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Matcher(contents, ids)


def test_unknown_tier() -> None:
    with pytest.raises(ValueError, match="unknown tier 'sse'"):
        Matcher([], [], tier="sse")


def test_one_matcher_in_many_threads() -> None:
    matcher = Matcher([b"<a>", b"<ab>"], [0, 1])
    data = b"x<a>y<ab><a" * 500
    wanted, found = matcher.find_all(data), []
    threads = [threading.Thread(target=lambda: found.append(matcher.find_all(data))) for _ in range(8)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert found == [wanted] * 8
