"""How tokens fit Chinese words: by hand, against a plain count, with a gold file and with jieba."""

from __future__ import annotations

import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bpetk
from bpetk.analysis.documents import text_files
from bpetk.analysis.results import Label
from bpetk.analysis.token_table import TokenTable
from bpetk.analysis.word_fit import word_section
from bpetk.analysis.words import (
    LONGEST,
    Segmented,
    WordCounts,
    count_words,
    gold_borders,
    gold_parts,
    load_segmenter,
    segmented,
    token_borders,
)
from bpetk.errors import ConfigError, CorpusError, MissingDependencyError


def inner_ends(parts):
    """Where parts end, in bytes, strictly inside."""
    return np.cumsum([len(part) for part in parts]).tolist()[:-1]


def count(documents):
    """Count documents, each as (words, tokens): lists of bytes that join to the same."""
    found = WordCounts()
    found.add(
        [Segmented(b"".join(words), inner_ends(words)) for words, _ in documents],
        [np.array(inner_ends(tokens), np.int64) for _, tokens in documents],
    )
    return found


def split(text):
    return [part.encode() for part in text.split("|")]


def test_by_hand():
    # Words 我们|在|北京|大学|。  tokens 我们在|北|京大|学|。
    found = count([(split("我们|在|北京|大学|。"), split("我们在|北|京大|学|。"))])
    # Borders between Han: words after 2, 3, 5; tokens after 3, 4, 6; common: 3. The one before 。 is not judged.
    assert (found.word_borders, found.token_borders, found.common_borders) == (3, 3, 1)
    assert (found.precision, found.recall, found.f1) == (1 / 3, 1 / 3, 1 / 3)
    # 我们: one token, 在: one, 北京: two, 大学: two.
    assert (found.words, found.word_tokens, found.words_continued) == (
        [1, 3, 0, 0],
        [1, 5, 0, 0],
        [0, 2, 0, 0],
    )
    assert found.split_words == {"北京".encode(): 1, "大学".encode(): 1}
    # 我们在 is two whole words, 京大 joins halves; 。 has no Han character.
    assert (found.han_tokens, found.crossing, found.straddling) == (4, 2, 1)
    assert found.crossing_tokens == {"京大".encode(): 1}


def test_borders_inside_characters_are_wrong():
    data = "我们".encode()
    found = count([([data], [data[:1], data[1:4], data[4:]])])
    assert (found.word_borders, found.token_borders, found.common_borders) == (0, 2, 0)
    assert (found.precision, found.recall, found.f1) == (0, None, 0)
    assert (found.words[1], found.word_tokens[1]) == (1, 3)


def test_nothing_to_judge():
    found = count([([b"abc"], [b"a", b"bc"])])
    assert (found.precision, found.recall, found.f1, found.han_tokens) == (None, None, None, 0)
    assert count([]).documents == 0


@st.composite
def cut_twice(draw):
    text = draw(st.text("我们在北京大学。a 😀", min_size=1, max_size=12))
    data = text.encode()
    edges = [0, *inner_ends([char.encode() for char in text]), len(data)]
    word_cuts = sorted(draw(st.sets(st.sampled_from(edges))) | {0, len(data)})
    token_cuts = sorted(draw(st.sets(st.integers(0, len(data)))) | {0, len(data)})
    return [[data[a:b] for a, b in pairwise(cuts)] for cuts in (word_cuts, token_cuts)]


def plainly(documents):
    """The same count, byte by byte."""
    found = WordCounts()
    for words, tokens in documents:
        data = b"".join(words)
        han = [char in "我们在北京大学" for char in data.decode() for _ in char.encode()]
        gold = {at for at in inner_ends(words) if han[at - 1] and han[at]}
        ends = set(inner_ends(tokens))
        judged = {at for at in ends if han[at - 1] and han[at]}
        found.word_borders += len(gold)
        found.token_borders += len(judged)
        found.common_borders += len(gold & judged)
        bounds = {0, len(data), *inner_ends(words)}
        for start, end in pairwise(sorted(bounds)):
            if all(han[start:end]):
                k = min(len(data[start:end].decode()), LONGEST) - 1
                touching = 1 + sum(start < at < end for at in ends)
                found.words[k] += 1
                found.word_tokens[k] += touching
                found.words_continued[k] += touching > 1
        for start, end in pairwise([0, *sorted(ends), len(data)]):
            found.han_tokens += any(han[start:end])
            crosses = any(start < at < end for at in gold)
            found.crossing += crosses
            found.straddling += crosses and not {start, end} <= bounds
    return found


@given(st.lists(cut_twice(), min_size=1, max_size=4))
def test_equals_a_plain_count(documents):
    found, expected = count(documents), plainly(documents)
    names = "word_borders token_borders common_borders words word_tokens words_continued han_tokens crossing straddling"
    assert [getattr(found, name) for name in names.split()] == [
        getattr(expected, name) for name in names.split()
    ]
    assert sum(found.crossing_tokens.values()) == found.straddling
    assert sum(found.split_words.values()) == sum(found.words_continued)


@given(st.text("我们 a\u3000在", max_size=10), st.data())
def test_gold_borders_of_the_same_text(text, data):
    letters = "".join(text.split())
    cuts = sorted(data.draw(st.sets(st.integers(0, len(letters)))) | {0, len(letters)})
    gold = "  ".join(letters[a:b] for a, b in pairwise(cuts))
    borders = gold_borders(text, gold)
    assert isinstance(borders, list)
    parts = [text.encode()[a:b].decode() for a, b in pairwise([0, *borders, len(text.encode())])]
    expected, number = [""], 0
    for char in text:
        if char.isspace() or number in cuts:
            expected.append("")
        if not char.isspace():
            expected[-1] += char
            number += 1
    assert [part.strip() for part in parts if part.strip()] == [word for word in expected if word]


def test_gold_borders_by_hand():
    assert gold_borders("我们去北京。", "我们  去 北京 。") == [6, 9, 15]
    assert gold_borders("我们 去", "我们 去") == [6, 7]
    assert gold_borders("", "") == []
    assert gold_borders("我们", "我们 去") == 3
    assert gold_borders("我们去", "我们") == 2
    assert gold_borders("我们", "他们") == 0


@pytest.fixture
def model():
    return bpetk.train_from_iterator(["我们在北京大学。我们在大学。北京。"] * 3, 268)


def write(folder, name, text):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return text_files(path)[0]


def test_gold_file(tmp_path, model):
    text = write(tmp_path, "text.txt", "我们在北京。\n\n大学\n")
    gold = write(tmp_path, "gold.txt", "我们 在 北京 。\n\n大学\n")
    for size in (None, 1_000_000):
        parts = list(gold_parts([text], [gold], size, 0))
        items = {item for part in parts for item in ((s.document.decode(), tuple(s.borders)) for s in part)}
        assert items == {("我们在北京。", (6, 9, 15)), ("大学", ())}
    found = count_words(model, TokenTable.of(model), gold_parts([text], [gold], None, 0))
    assert (found.documents, found.word_borders, sum(found.words)) == (2, 2, 4)


@pytest.mark.parametrize(
    ("gold", "message"),
    [
        ("我们 在\n他 们\n", r"gold\.txt: line 2, column 1: '他', where .*text\.txt has '你'"),
        ("我们 在\n你 去\n", r"line 2, column 3: '去', where .* has '们'"),
        ("我们 在\n你\n", r"line 2, column 2: the end of the line, where .* has '们'"),
        ("我们 在\n你 们 好\n", r"line 2, column 5: '好', where .* has the end of the line"),
        ("我们 在\n", r"gold\.txt: ends after line 1, but .*text\.txt goes on"),
        ("我们 在\n你 们\n好\n", r"gold\.txt: goes on after line 2, where .*text\.txt ends"),
    ],
)
def test_gold_file_that_does_not_match(tmp_path, gold, message):
    text = write(tmp_path, "text.txt", "我们在\n你们\n")
    with pytest.raises(CorpusError, match=message):
        list(gold_parts([text], [write(tmp_path, "gold.txt", gold)], None, 0))


def test_one_gold_file_for_each_text(tmp_path):
    text = write(tmp_path, "text.txt", "我们在\n")
    with pytest.raises(ConfigError, match="2 gold files for 1 texts"):
        list(gold_parts([text], [text, text], None, 0))


def test_token_borders_of_changed_text(shared_file):
    # The blank that a model of SentencePiece puts before a text is no part of it; a decomposed letter that a
    # normalizer joins has its place in the text itself.
    llama = bpetk.Tokenizer.from_file(shared_file("tokenizers/llama2/tokenizer.model"))
    (ends,) = token_borders(llama, TokenTable.of(llama), ["中文 a".encode()])
    assert ends.tolist() == [3, 6]
    qwen = bpetk.Tokenizer.from_file(shared_file("tokenizers/qwen3/tokenizer.json"))
    (ends,) = token_borders(qwen, TokenTable.of(qwen), ["e\u0301的 a".encode()])
    assert ends.tolist() == [3, 6]


def test_section(model):
    found = count([(split("我们|在|北京|大学|。"), split("我们在|北|京大|学|。"))])
    section = word_section(found, "by hand", Label("all", "全部"))
    figures = {figure.key: figure.value for figure in section.figures}
    assert figures["word_boundary_f1"] == 1 / 3
    assert figures["tokens_per_chinese_word"] == 6 / 4
    assert figures["chinese_continued_share"] == 2 / 4
    assert (figures["crossing_share"], figures["straddling_share"]) == (2 / 4, 1 / 4)
    assert [finding.rule for finding in section.findings] == ["straddling-tokens"]


def test_segmenter_that_is_not_there(monkeypatch):
    with pytest.raises(ConfigError, match="unknown segmenter 'mecab'; there is jieba"):
        load_segmenter("mecab")
    monkeypatch.setitem(sys.modules, "jieba", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'bpetk\[chinese\]'"):
        load_segmenter("jieba")


def test_segmenter_that_loses_text():
    with pytest.raises(CorpusError, match="does not give back the text"):
        segmented(b"ab", lambda text: ["a"])


def test_jieba():
    pytest.importorskip("jieba")
    segment, name = load_segmenter("jieba")
    assert name.startswith("jieba 0.")
    text = "我们在北京大学学习 Python。\n"
    assert segmented(text.encode(), segment).borders[:2] == [6, 9]
    assert "".join(segment(text)) == text
