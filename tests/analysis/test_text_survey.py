"""The native pass over documents and ids equals its plain twin."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpetk._text_survey import COUNTERS, Survey
from bpetk.analysis.languages import Language, class_counts, language_of, languages_of
from bpetk.analysis.scripts import packed_table
from bpetk.reference.survey import survey_document

CLASSES = packed_table()
PERCENT = (10, 40, 50, 3, 20)

# Characters at which the rules decide, and what stands around them.
ALPHABET = "中文字年月日号aZé'’ 0129９½-/.,。\u0301\u3000あЖ𠀀😀\n"
PHRASES = (
    "2024-03-05",
    "5/3/2024",
    "2024年3月5日",
    "2024年3月15号",
    "1.2.3.2024",
    "12-2024-1-2",
    "don't",
    "ab'",
    "中 a",
    "a中",
    "1234567",
    "２０２４",
    "e\u0301t",
    "\u0301",
    "1\u03012",
    "  ",
)
texts = st.lists(st.sampled_from(PHRASES) | st.text(ALPHABET, max_size=6), max_size=8).map("".join)


@st.composite
def tokenized(draw):
    """A document and the bytes of its tokens: its own, with a blank before it, or others."""
    document = draw(texts).encode()
    way = draw(st.sampled_from(["same", "same", "blank", "other", "bytes"]))
    spelled = document
    if way == "blank":
        spelled = b" " + document
    elif way == "other":
        spelled = draw(texts).encode()
    elif way == "bytes":
        spelled = draw(st.binary(max_size=6)) + document + draw(st.binary(max_size=3))
    cuts = sorted(draw(st.sets(st.integers(0, len(spelled)), max_size=len(spelled) + 1)) | {0, len(spelled)})
    tokens = [spelled[start:end] for start, end in pairwise(cuts)]
    for at in draw(st.lists(st.integers(0, len(tokens)), max_size=2)):
        tokens.insert(at, b"")
    return document, tokens


def native(documents):
    """What the native pass counts, as the twin gives it: flags, and counters by language."""
    vocabulary = sorted({token for _, tokens in documents for token in tokens})
    ids = {token: id for id, token in enumerate(vocabulary)}
    offsets = np.cumsum([0, *map(len, vocabulary)]).astype(np.uint32)
    survey = Survey(b"".join(vocabulary), offsets, CLASSES, PERCENT)
    rows = np.cumsum([0, *(len(tokens) for _, tokens in documents)]).astype(np.int64)
    row = np.array([ids[token] for _, tokens in documents for token in tokens], np.uint32)
    flags = survey.add([document for document, _ in documents], row, rows)
    totals = np.frombuffer(survey.take_totals(), np.int64).reshape(4, len(COUNTERS))
    seen = np.frombuffer(survey.token_counts(), np.int64).reshape(4, len(vocabulary))
    assert not np.frombuffer(survey.take_totals(), np.int64).any()
    return list(flags), totals, seen, vocabulary


@given(st.lists(tokenized(), max_size=4))
def test_equals_the_twin(documents):
    flags, totals, seen, vocabulary = native(documents)
    expected = [Counter() for _ in range(4)]
    tokens_seen = [Counter() for _ in range(4)]
    for (document, tokens), flag in zip(documents, flags, strict=True):
        found, count = survey_document(document, tokens, CLASSES, PERCENT)
        assert flag == found, (document, tokens)
        expected[found & 3].update(count)
        tokens_seen[found & 3].update(tokens)
    for k in range(4):
        got = {name: int(n) for name, n in zip(COUNTERS, totals[k], strict=True) if n}
        assert got == {name: n for name, n in expected[k].items() if n}, documents
        assert {vocabulary[id]: int(seen[k, id]) for id in np.flatnonzero(seen[k])} == tokens_seen[k]


@given(texts.map(str.encode))
def test_languages_agree(document):
    flag = native([(document, [document])])[0][0]
    assert flag & 15 == languages_of([document])[0] == language_of(class_counts([document])[0])


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("今天天气很好，我们用 Python 写程序。", Language.ZH),
        ("The weather is nice today.", Language.EN),
        ("for (int i = 0; i < n; ++i) {", Language.OTHER),
        ("請 read the manual before you ask 問", Language.MIXED),
        ("こんにちは、世界", Language.OTHER),
        ("12:30 - 13:45", Language.OTHER),
        ("", Language.OTHER),
        # Exactly at each percentage of the rule, and just beyond it.
        ("中" * 9 + "あ", Language.ZH),
        ("中" * 8 + "あ", Language.OTHER),
        ("中文中文中文1234", Language.ZH),
        ("中文中文中文12345", Language.OTHER),
        ("中a", Language.ZH),
        ("中ab", Language.MIXED),
        ("a" * 97 + "中文字", Language.EN),
        ("a" * 96 + "中文文字", Language.MIXED),
        ("abcdefgh12", Language.EN),
        ("abcdefg12.", Language.OTHER),
    ],
)
def test_languages(text, language):
    data = text.encode()
    assert Language(languages_of([data])[0]) == language
    assert native([(data, [data])])[0][0] == survey_document(data, [data], CLASSES, PERCENT)[0] == language


def counted(tokens: list[str]) -> Counter:
    document = "".join(tokens).encode()
    _, totals, _, _ = native([(document, [token.encode() for token in tokens])])
    return Counter({name: int(n) for name, n in zip(COUNTERS, totals.sum(axis=0), strict=True) if n})


def test_words_by_hand():
    # don't: 2 tokens, well: 1, known: 2; "n't w" touches two words.
    found = counted(["do", "n't w", "ell", "-", "kn", "own", "."])
    assert (found["words"], found["word_tokens"], found["words_continued"]) == (3, 2 + 2 + 2, 3)


def test_han_by_hand():
    # 中 in a longer token, 国 in the same, 人 alone, 民 in three bytes.
    data = ["中国".encode(), "人".encode(), *(bytes([byte]) for byte in "民".encode())]
    _, totals, _, _ = native([("中国人民".encode(), data)])
    found = dict(zip(COUNTERS, totals[Language.ZH].tolist(), strict=True))
    assert (found["han_inside"], found["han_alone"], found["han_broken"]) == (2, 1, 1)
    assert (found["broken_characters"], found["borders_inside_characters"]) == (1, 2)
    assert (found["class_characters_0"], found["class_tokens_0"]) == (4, 5)


def test_numbers_and_dates_by_hand():
    found = counted(["1", "234", " ", "12", "34", " ", "2024", "年", "3", "月", "5日", " 2024-", "03", "-05"])
    assert (found["numbers_4"], found["number_tokens_4"]) == (4, 2 + 2 + 1 + 1)
    assert (found["long_numbers"], found["long_numbers_aligned"]) == (4, 3)
    assert (found["dates"], found["date_tokens"], found["date_characters"]) == (2, 5 + 3, 9 + 10)


def test_switches_by_hand():
    found = counted(["中a", "文", "b", " ", "字", " c"])
    assert (found["switches"], found["switches_joined"]) == (3, 1)
    assert (found["spaced_switches"], found["spaced_switches_blank_alone"]) == (2, 1)


def test_nothing_is_left_of_the_document_before():
    # Memory is used again: a word at the end of a short document must not go on in what stood there before.
    long, short = b"a long document of words", b"a"
    _, totals, _, _ = native([(long, [long]), (short, [short]), (short, [b"x"])])
    found = dict(zip(COUNTERS, totals.sum(axis=0).tolist(), strict=True))
    assert (found["words"], found["characters"], found["spelled_characters"]) == (7, 26, 26)


def test_refuses_what_does_not_fit():
    offsets = np.array([0, 1, 2], np.uint32)
    survey = Survey(b"ab", offsets, CLASSES, PERCENT)
    one, rows = np.zeros(1, np.uint32), np.array([0, 1], np.int64)
    with pytest.raises(ValueError, match="id 2 is not in the vocabulary"):
        survey.add([b"a"], one + np.uint32(2), rows)
    with pytest.raises(ValueError, match="rows do not fit"):
        survey.add([b"a", b"b"], one, rows)
    with pytest.raises(ValueError, match="rows do not fit"):
        survey.add([b"a"], one, np.array([0, 2], np.int64))
    with pytest.raises(TypeError, match="must be bytes"):
        survey.add(["a"], one, rows)
    with pytest.raises(ValueError, match="offsets do not fit"):
        Survey(b"abc", offsets, CLASSES, PERCENT)
    with pytest.raises(ValueError, match="classes"):
        Survey(b"ab", offsets, b"\x00" * 256, PERCENT)
    with pytest.raises(TypeError, match="begun again"):
        survey.__init__(b"ab", offsets, CLASSES, PERCENT)
