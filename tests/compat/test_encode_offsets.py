"""Where tokens stand in the text: as `tokenizers` says, and as tiktoken's ``decode_with_offsets`` does."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import pytest
from model_zoo import HfReference

from .encode_pair import CORPORA, FUZZ, Pair
from .test_encode_matrix import STRINGS

SIZE = [10_000, pytest.param(200_000, marks=pytest.mark.slow)]
COUNT = [100, pytest.param(3_000, marks=pytest.mark.slow)]
Spans = list[tuple[int, int]]


def code_point_spans(pair: Pair, text: str, *, add_special_tokens: bool = False) -> tuple[list[int], Spans]:
    """Encode with offsets here; give ids and spans in code points, after a look at the spans in bytes."""
    found = pair.here.encode_with_offsets(text, allowed_special="all", add_special_tokens=add_special_tokens)
    ids = [int(id) for id in found.ids]
    spans = [(int(start), int(end)) for start, end in found.char_offsets]
    in_bytes = [(int(start), int(end)) for start, end in found.offsets]
    assert len(ids) == len(spans) == len(in_bytes)
    if pair.trims:
        return ids, spans  # spans in bytes are not trimmed
    at = [0, *accumulate(len(char.encode()) for char in text)]
    for (start, end), (first, last) in zip(spans, in_bytes, strict=True):
        # The span in code points is the smallest that holds the span in bytes.
        assert at[start] <= first <= last <= at[end], (text, (start, end), (first, last))
        assert first == last or (first < at[start + 1] and last > at[end - 1]), (text, (first, last))
    return ids, spans


def compare(pair: Pair, texts: Sequence[str], *, add_special_tokens: bool = False) -> None:
    """Assert that ids and offsets are those of the other library."""
    there = pair.there
    if isinstance(there, HfReference):
        expected = there.offsets(texts, add_special_tokens=add_special_tokens)
        for text, (ids, spans) in zip(texts, expected, strict=True):
            found = code_point_spans(pair, text, add_special_tokens=add_special_tokens)
            assert found[0] == ids, pair.difference(text, found[0], ids)
            wrong = [i for i, (a, b) in enumerate(zip(found[1], spans, strict=True)) if a != b][:1]
            assert not wrong, (
                f"{pair.model} on {text[:300]!r}: token {wrong[0]} of {len(ids)} is at {found[1][wrong[0]]}, "
                f"there at {spans[wrong[0]]}"
            )
        return
    for text, ids in zip(texts, there.encode_batch(texts), strict=True):
        found = code_point_spans(pair, text)
        assert found[0] == ids, pair.difference(text, found[0], ids)
        starts = there.starts(ids)
        assert [start for start, _ in found[1]] == starts, (pair.model, text[:300])
        assert pair.here.decode_with_offsets(ids) == (text, starts)


@pytest.mark.parametrize("add_special_tokens", [False, True])
def test_strings(pair: Pair, add_special_tokens: bool) -> None:
    compare(pair, [*map(pair.without_missing, STRINGS)], add_special_tokens=add_special_tokens)


@pytest.mark.parametrize("size", SIZE)
@pytest.mark.parametrize("corpus", CORPORA)
def test_lines_of_a_corpus(pair: Pair, corpus: str, size: int) -> None:
    compare(pair, [*map(pair.without_missing, pair.corpus(corpus, size).splitlines(keepends=True))])


@pytest.mark.parametrize("corpus", CORPORA)
def test_document(pair: Pair, corpus: str) -> None:
    compare(pair, [pair.without_missing(pair.corpus(corpus, 4_000))], add_special_tokens=True)


@pytest.mark.parametrize("count", COUNT)
@pytest.mark.parametrize("kind", FUZZ)
def test_random_text(pair: Pair, kind: str, count: int) -> None:
    compare(pair, pair.fuzz(kind, count, seed=5), add_special_tokens=True)


# --- without a normalizer, spans in bytes are the tokens' own bytes -------------------------------------------------


@pytest.mark.parametrize("kind", FUZZ)
def test_bytes_of_the_spans_are_the_tokens(pair: Pair, kind: str) -> None:
    if not pair.plain:
        return  # nothing to compare with: the text changes before it is cut
    here = pair.here
    added = {
        id: content.encode() for content, id in here.added_tokens.items()
    }  # their text, whatever it decodes to
    for text in pair.fuzz(kind, 60, seed=6):
        data, end = text.encode(), 0
        found = here.encode_with_offsets(text, allowed_special="all")
        for id, (start, stop) in zip(found.ids, found.offsets, strict=True):
            assert start == end, (text, start, end)
            end = int(stop)
            assert data[int(start) : end] == (added.get(id) or here.id_to_bytes(id)), (text, id)
        assert end == len(data), text
