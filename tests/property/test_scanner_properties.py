"""Properties of the native scanner that hold for any bytes."""

from __future__ import annotations

from adversarial import BROKEN, PARTS
from hypothesis import given, settings
from hypothesis import strategies as st

from bpetk import _scanner
from bpetk.reference import scan

LOSSLESS = [scheme for scheme in _scanner.SCHEMES if scheme != "whitespace"]
SCHEMES = st.sampled_from(_scanner.SCHEMES)
TIERS = st.sampled_from([tier for tier in _scanner.TIERS if tier != "scalar"])
# Runs of one part and then another: what block arithmetic carries from block to block.
RUNS = st.lists(
    st.tuples(st.sampled_from(PARTS), st.sampled_from([1, 1, 1, 2, 3, 5, 21, 22, 61, 64, 130])), max_size=14
)
TEXTS = RUNS.map(lambda runs: "".join(part * times for part, times in runs))
ANY_TEXT = st.one_of(
    TEXTS, st.text(max_size=40), st.lists(st.sampled_from(PARTS), min_size=150, max_size=220).map("".join)
)
BROKEN_BYTES = st.lists(
    st.one_of(st.sampled_from(BROKEN), TEXTS.map(str.encode), st.binary(max_size=4)), max_size=12
).map(b"".join)
ANY_BYTES = st.one_of(ANY_TEXT.map(str.encode), BROKEN_BYTES)


@settings(max_examples=600)
@given(ANY_BYTES, SCHEMES, TIERS, st.booleans())
def test_tiers_equal_the_scalar_rules(data: bytes, scheme: str, tier: str, lines: bool) -> None:
    expected = _scanner.split(data, scheme, lines=lines, tier="scalar")
    assert _scanner.split(data, scheme, lines=lines, tier=tier) == expected


@settings(max_examples=300)
@given(ANY_BYTES, SCHEMES)
def test_scalar_rules_equal_the_reference(data: bytes, scheme: str) -> None:
    assert _scanner.split(data, scheme, tier="scalar") == scan.split_bytes(data, scheme)


@settings(max_examples=150)
@given(ANY_BYTES, SCHEMES)
def test_lines_are_texts_of_their_own(data: bytes, scheme: str) -> None:
    expected, start = [], 0
    for line in data.split(b"\n"):
        text = data[start : start + len(line) + 1]
        expected += [start + end for end in _scanner.split(text, scheme)]
        start += len(text)
    assert _scanner.split(data, scheme, lines=True) == expected


@settings(max_examples=150)
@given(ANY_BYTES, st.sampled_from(LOSSLESS), st.booleans())
def test_pretokens_joined_are_the_text(data: bytes, scheme: str, lines: bool) -> None:
    ends = _scanner.split(data, scheme, lines=lines)
    assert all(a < b for a, b in zip([0, *ends], ends, strict=False))
    assert ends[-1:] == ([len(data)] if data else [])


@settings(max_examples=150)
@given(ANY_TEXT, st.sampled_from(LOSSLESS))
def test_pretokens_of_text_end_between_characters(text: str, scheme: str) -> None:
    data = text.encode()
    start = 0
    for end in _scanner.split(data, scheme):
        data[start:end].decode()
        start = end


@settings(max_examples=150)
@given(ANY_TEXT.map(lambda text: text.translate(dict.fromkeys(range(0x1C, 0x20)))))
def test_whitespace_scheme_drops_white_space_and_nothing_else(text: str) -> None:
    # Without U+001C to U+001F, which str.split takes for white space and Unicode does not.
    data = text.encode()
    ends = _scanner.split(data, "whitespace")
    words = [data[a:b].decode() for a, b in zip(ends[::2], ends[1::2], strict=True)]
    assert words == text.split()


@settings(max_examples=150)
@given(ANY_BYTES, SCHEMES, st.data())
def test_scanning_can_resume_at_any_pretoken(data: bytes, scheme: str, draw: st.DataObject) -> None:
    """A rule never looks at what is before its pretoken."""
    ends = _scanner.split(data, scheme)
    starts = ends[::2] if scheme == "whitespace" else [0, *ends[:-1]]
    if starts:
        number = draw.draw(st.integers(0, len(starts) - 1))
        start = starts[number]
        left = ends[2 * number :] if scheme == "whitespace" else ends[number:]
        assert [start + end for end in _scanner.split(data[start:], scheme)] == left


def assert_cut_is_safe(before: str, window: str, after: str, scheme: str, lines: bool) -> None:
    cut = _scanner.find_safe_cut(window.encode(), scheme)
    if not cut:
        return
    data = (before + window + after).encode()
    at = len(before.encode()) + cut
    left, right = (_scanner.split(part, scheme, lines=lines) for part in (data[:at], data[at:]))
    assert left + [at + end for end in right] == _scanner.split(data, scheme, lines=lines)


@settings(max_examples=250)
@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, SCHEMES, st.booleans())
def test_a_safe_cut_is_safe_whatever_stands_around(
    before: str, window: str, after: str, scheme: str, lines: bool
) -> None:
    assert_cut_is_safe(before, window, after, scheme, lines)


@settings(max_examples=250)
@given(
    ANY_TEXT,
    st.sampled_from(["wordA", "9", "文", "it's", "'l", "x'", "A", "12", "!文", "\u0301a", "ſ"]),
    st.sampled_from([" b", " l", " 'l", "，", "、a", "。\n", "、/\n", " sure"]),
    ANY_TEXT,
    SCHEMES,
)
def test_places_that_look_safe(before: str, left: str, right: str, after: str, scheme: str) -> None:
    # Five bytes behind it, since a cut is not looked for at the very end.
    assert_cut_is_safe(before, left + right + "12345", after, scheme, False)
