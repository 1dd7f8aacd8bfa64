"""Text with the spans that its characters stand for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpetk.aligned import AlignedText

PLAIN = AlignedText("abcd", 10)
EXPLICIT = AlignedText("abcd", 10, [(10, 11), (11, 12), (12, 13), (13, 14)])
GAPS = AlignedText("xyz", 2, [(2, 3), (2, 3), (7, 9)])


def test_spans_that_are_none_are_those_of_the_characters() -> None:
    assert PLAIN.all_spans() == EXPLICIT.all_spans()
    assert PLAIN == EXPLICIT
    assert hash(PLAIN) == hash(EXPLICIT)
    assert AlignedText("abcd", 9) != PLAIN
    assert PLAIN != "abcd"
    assert len(PLAIN) == 4
    assert repr(GAPS) == "AlignedText('xyz', 2, [(2, 3), (2, 3), (7, 9)])"


@pytest.mark.parametrize("text", [PLAIN, EXPLICIT, GAPS])
def test_span_is_from_the_first_to_the_last_character(text: AlignedText) -> None:
    spans = text.all_spans()
    for i in range(len(text)):
        for j in range(i + 1, len(text) + 1):
            assert text.span(i, j) == (spans[i][0], spans[j - 1][1])


@pytest.mark.parametrize("text", [PLAIN, EXPLICIT, GAPS])
def test_slices(text: AlignedText) -> None:
    for i in range(len(text) + 1):
        for j in range(i, len(text) + 1):
            part = text.slice(i, j)
            assert part.text == text.text[i:j]
            assert part.all_spans() == text.all_spans()[i:j]
            if i < j:
                assert part.start == text.span(i, j)[0]


def test_empty_slices_start_where_they_are() -> None:
    assert [PLAIN.slice(i, i).start for i in range(5)] == [10, 11, 12, 13, 14]
    assert [EXPLICIT.slice(i, i).start for i in range(5)] == [10, 11, 12, 13, 14]
    assert AlignedText("", 5, []).slice(0, 0).start == 5


def test_identity_slices_make_no_spans() -> None:
    assert PLAIN.slice(1, 3).spans is None
    assert PLAIN.with_text("wxyz").spans is None
    assert PLAIN.kept(str.isalpha) is PLAIN
    assert PLAIN.replaced([], "x") is PLAIN


def test_a_prefix_stands_for_the_first_character() -> None:
    assert GAPS.with_prefix("ab").all_spans() == [(2, 3), (2, 3), (2, 3), (2, 3), (7, 9)]
    assert PLAIN.with_prefix("").all_spans() == PLAIN.all_spans()
    assert AlignedText("", 3).with_prefix("ab") == AlignedText("", 3)


def test_with_text_keeps_the_spans() -> None:
    assert GAPS.with_text("XYZ").all_spans() == GAPS.all_spans()
    with pytest.raises(ValueError, match="2 characters cannot replace 3 one by one"):
        GAPS.with_text("XY")


def test_deleted_characters_leave_gaps() -> None:
    assert PLAIN.kept(lambda char: char in "ad") == AlignedText("ad", 10, [(10, 11), (13, 14)])
    # It starts where it started: what is put in front later stands there.
    assert PLAIN.kept(lambda char: char == "d").start == 10
    assert PLAIN.kept(lambda char: False) == AlignedText("", 10, [])


def test_expanded_parts_share_a_span() -> None:
    assert GAPS.expanded(["xx", "y", "zz"]).all_spans() == [(2, 3), (2, 3), (2, 3), (7, 9), (7, 9)]
    assert PLAIN.expanded(["A", "B", "C", "D"]).spans is None


@pytest.mark.parametrize(
    ("matches", "text", "spans"),
    [
        ([(0, 2)], "-cd", [(11, 12), (12, 13), (13, 14)]),
        ([(0, 1), (1, 2)], "--cd", [(10, 11), (11, 12), (12, 13), (13, 14)]),
        ([(3, 4)], "abc-", [(10, 11), (11, 12), (12, 13), (13, 14)]),
        ([(0, 0)], "-abcd", [(10, 10), (10, 11), (11, 12), (12, 13), (13, 14)]),
        ([(2, 2), (4, 4)], "ab-cd-", [(10, 11), (11, 12), (11, 12), (12, 13), (13, 14), (13, 14)]),
    ],
)
def test_replaced(matches: list[tuple[int, int]], text: str, spans: list[tuple[int, int]]) -> None:
    assert PLAIN.replaced(matches, "-") == AlignedText(text, 10, spans)


def test_replaced_by_nothing_or_more() -> None:
    assert PLAIN.replaced([(1, 3)], "") == AlignedText("ad", 10, [(10, 11), (13, 14)])
    assert PLAIN.replaced([(1, 3)], "xyz").all_spans()[1:4] == [(12, 13)] * 3


@pytest.mark.parametrize(
    ("changes", "removed", "spans"),
    [
        ([("A", 0), ("B", 0)], 0, [(10, 11), (11, 12)]),
        ([("A", -1), ("C", 0), ("D", 0)], 0, [(10, 11), (12, 13), (13, 14)]),
        ([("A", 0), ("+", 1), ("B", 0)], 0, [(10, 11), (10, 11), (11, 12)]),
        ([("C", 0), ("D", 0)], 2, [(12, 13), (13, 14)]),
        ([("+", 1), ("A", 0)], 0, [(10, 10), (10, 11)]),
        ([], 4, []),
    ],
)
def test_transform(changes: list[tuple[str, int]], removed: int, spans: list[tuple[int, int]]) -> None:
    expected = AlignedText("".join(char for char, _ in changes), 10, spans)
    assert PLAIN.transform(changes, removed) == expected
    assert EXPLICIT.transform(iter(changes), removed) == expected


@given(st.text(max_size=8), st.integers(0, 5), st.data())
def test_special_operations_are_transforms(text: str, start: int, data: st.DataObject) -> None:
    whole = AlignedText(text, start)
    parts = [data.draw(st.text(min_size=1, max_size=3)) for _ in text]
    changes = [(char, int(k > 0)) for part in parts for k, char in enumerate(part)]
    assert whole.expanded(parts) == whole.transform(changes)
    i = data.draw(st.integers(0, len(text)))
    deleted = whole.transform([(char, 0) for char in text[i:]], removed=i)
    assert whole.replaced([(0, i)] if i else [], "") == deleted
    assert deleted.all_spans() == whole.slice(i, len(text)).all_spans()
