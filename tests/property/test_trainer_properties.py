"""Properties of training that hold for any text: equality with the reference, and what follows from its rules."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from merge_loop import learn

import bpetk
from bpetk import _counter
from bpetk.errors import CorpusError
from bpetk.reference import scan
from bpetk.reference.train import train

LETTERS = st.sampled_from([b"a", b"ab", b"abc", b"abcdef", b" a", b"\x00\xff", "中文".encode()])
WORDS = LETTERS.flatmap(
    lambda letters: st.dictionaries(
        st.lists(st.sampled_from(letters), min_size=1, max_size=14).map(bytes), st.integers(1, 5), max_size=9
    )
)
SPECIALS = st.lists(
    st.sampled_from(["<s>", "a", "ab", "aa", "ba", "abc", "aaaa", "Ġ", "Ġa", "ä¸Ń"]), max_size=4
)
TUNING = st.fixed_dictionaries(
    {},
    optional={
        "threads": st.sampled_from([2, 3]),
        "parallel_from": st.sampled_from([1, 2, 5]),
        "first_cutoff": st.sampled_from([2, 3, 7, 10**9]),
        "wide_symbols": st.just(True),
        "wide_positions": st.just(True),
    },
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "min_frequency": st.integers(0, 6),
        "max_token_length": st.integers(1, 9),
        "special_tokens": SPECIALS,
        "alphabet": st.just("observed"),
    },
)
DOCUMENTS = st.lists(
    st.lists(
        st.sampled_from(["ab", "a", "b", " ", " ab", "\n", "中", "文", "，", "1", "é", "'s"]), max_size=14
    ).map("".join),
    max_size=8,
)
SCHEMES = st.sampled_from(["gpt2", "cl100k", "cl100k_tiktoken", "qwen2", "o200k", "whitespace", "none"])
pytestmark = pytest.mark.filterwarnings("ignore::bpetk.errors.VocabularySizeWarning")


@settings(max_examples=600)
@given(WORDS, st.integers(0, 320), OPTIONS, TUNING)
def test_merge_loop_equals_the_reference(
    words: dict[bytes, int], vocab_size: int, options: Any, tuning: Any
) -> None:
    expected = train(words, vocab_size, **options)
    found = learn(words, vocab_size, tuning=tuning, **options)
    assert found.merges == expected.merges
    assert found.counts == expected.counts
    assert [*zip(found.new, found.applied, strict=True)] == [
        (step.token, step.applied) for step in expected.log
    ]
    assert found.size == len(expected.vocab)


@settings(max_examples=200)
@given(WORDS, st.integers(250, 320), st.integers(0, 80), OPTIONS)
def test_a_smaller_vocabulary_is_the_beginning_of_a_larger_one(
    words: dict[bytes, int], vocab_size: int, more: int, options: Any
) -> None:
    small, large = (learn(words, size, **options) for size in (vocab_size, vocab_size + more))
    assert large.merges[: len(small.merges)] == small.merges
    assert large.applied[: len(small.merges)] == small.applied


@settings(max_examples=200)
@given(WORDS, OPTIONS)
def test_counts_never_rise(words: dict[bytes, int], options: Any) -> None:
    found = learn(words, 400, **options)
    assert all(before >= after for before, after in pairwise(found.counts))
    # A pair counts once a window, and is merged at most so often; in runs of one letter less often.
    assert all(0 < applied <= count for applied, count in zip(found.applied, found.counts, strict=True))


@settings(max_examples=150)
@given(WORDS, st.integers(2, 1000))
def test_only_the_proportion_of_counts_matters(words: dict[bytes, int], factor: int) -> None:
    many = learn({word: count * factor for word, count in words.items()}, 400, tuning={"first_cutoff": 5})
    few = learn(words, 400)
    assert many.merges == few.merges
    assert many.counts == [count * factor for count in few.counts]


@settings(max_examples=150)
@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=20), st.integers(1, 3), st.integers(0, 3)), max_size=30)
)
def test_words_may_be_counted_anywhere(entries: list[tuple[bytes, int, int]]) -> None:
    team = [_counter.CountWorker("none", lines=False) for _ in range(4)]
    expected: Counter[bytes] = Counter()
    for word, count, worker in entries:
        team[worker].add_words([(word, count)])
        expected[word] += count
    assert dict(_counter.combine(team, 2).items()) == expected


# Through the library


@settings(max_examples=250)
@given(DOCUMENTS, SCHEMES, st.sampled_from([256, 258, 262, 300]), OPTIONS, st.sampled_from([1, 2, 5]))
def test_training_is_counting_and_merging(
    documents: list[str], scheme: str, vocab_size: int, options: Any, threads: int
) -> None:
    words = Counter(piece.encode() for text in documents for piece in scan.split(text, scheme))
    vocab_size += len(set(options.get("special_tokens", ())))
    if not words:
        with pytest.raises(CorpusError, match="no text to learn from"):
            bpetk.train_from_iterator(documents, vocab_size, scheme=scheme, threads=threads, **options)
        return
    expected = train(words, vocab_size, **options)
    tok = bpetk.train_from_iterator(documents, vocab_size, scheme=scheme, threads=threads, **options)
    assert tok.model.merge_ids == expected.merges
    assert list(tok.model.strings.items()) == list(enumerate(expected.vocab))
    report = tok.train_report
    assert report is not None
    assert report.pretokens == words.total()
    assert report.distinct_words == len(words)
    assert report.corpus_bytes == sum(len(word) * count for word, count in words.items())
    assert report.vocab_size == len(expected.vocab) == tok.vocab_size


@settings(max_examples=150)
@given(DOCUMENTS, SCHEMES, st.sampled_from([260, 300]))
def test_the_report_counts_the_tokens_that_encoding_gives(
    documents: list[str], scheme: str, vocab_size: int
) -> None:
    try:
        tok = bpetk.train_from_iterator(documents, vocab_size, scheme=scheme, threads=1)
    except CorpusError:
        return
    encoded = [tok.encode(text) for text in documents]
    report = tok.train_report
    assert report is not None
    assert sum(map(len, encoded)) == report.tokens == report.tokens_at(vocab_size)
    assert report.tokens_at(256) == report.corpus_bytes
    assert sum(cost.tokens for cost in report.scripts.values()) == report.tokens
    if tok.scheme.lossless:
        assert [tok.decode(ids) for ids in encoded] == documents


@settings(max_examples=150)
@given(DOCUMENTS, SCHEMES)
def test_lines_of_a_file_and_the_same_documents_give_the_same(
    tmp_path_factory: Any, documents: list[str], scheme: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "property.txt"
    text = "".join(documents)
    path.write_bytes(text.encode())
    lines = [line + "\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    try:
        from_lines = bpetk.train_from_iterator(lines, 300, scheme=scheme, threads=1)
    except CorpusError:
        with pytest.raises(CorpusError, match="no text to learn from"):
            bpetk.train(path, 300, scheme=scheme, threads=2)
        return
    from_file = bpetk.train(path, 300, scheme=scheme, threads=2)
    assert from_file == from_lines
