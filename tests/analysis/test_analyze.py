"""``analyze``: all of it on small text, and its numbers beside those that other libraries give."""

from __future__ import annotations

import json
import math
from collections import Counter
from functools import cache

import model_zoo
import pytest
import regex

import bpetk
from bpetk.analysis.analyzing import analyze
from bpetk.analysis.documents import text_files
from bpetk.analysis.parallel import count_parallel
from bpetk.analysis.text_counts import count_texts
from bpetk.analysis.token_table import TokenTable
from bpetk.errors import ConfigError, CorpusError

ZOO = {model.name: model for model in model_zoo.MODELS}
TEXT = [
    "我们在北京大学学习语言模型。",
    "the cat sat on the mat",
    "",
    "使用 Python 训练 3 个模型",
    "2024-03-05 1234",
]


@pytest.fixture(scope="module")
def model():
    return bpetk.train_from_iterator(TEXT * 3, 330, special_tokens=["<s>"])


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("\n".join(TEXT) + "\n", encoding="utf-8")
    return path


# --- beside other libraries -------------------------------------------------------------------------------------------


@cache
def load_reference(name, shared_file):
    return ZOO[name].reference(shared_file)


def tokens_by_tiktoken(shared_file, lines):
    pytest.importorskip("tiktoken")
    reference = load_reference("o200k", shared_file)
    encoding = reference.encoding
    return [
        [(id, encoding.decode_single_token_bytes(id)) for id in encoding.encode_ordinary(line)]
        for line in lines
    ]


def tokens_by_tokenizers(shared_file, lines):
    pytest.importorskip("tokenizers")
    reference = load_reference("llama3", shared_file)
    strings = reference.strings()
    found = reference.encode_batch(lines)
    return [[(id, model_zoo.to_bytes(strings[id])) for id in ids] for ids in found]


def tokens_by_sentencepiece(shared_file, lines):
    sentencepiece = pytest.importorskip("sentencepiece")
    path = shared_file("tokenizers/llama2/tokenizer.model")
    processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    found = []
    for line in lines:
        row = []
        for id in processor.encode(line):
            piece = processor.id_to_piece(id)
            data = bytes([int(piece[3:5], 16)]) if processor.is_byte(id) else piece.replace("▁", " ").encode()
            row.append((id, data))
        first, data = row[0]
        assert data[:1] == b" "
        row[0] = (first, data[1:])  # the blank that the model puts before a text
        found.append(row)
    return found


@cache
def load(name, shared_file):
    if name == "llama2":
        return bpetk.Tokenizer.from_file(shared_file("tokenizers/llama2/tokenizer.model"))
    return ZOO[name].load(shared_file)


def independent(lines, rows):
    """Metrics from tokens alone, with the scripts of the package regex."""
    total = Counter()
    seen = Counter()
    for line, row in zip(lines, rows, strict=True):
        data = line.encode()
        assert b"".join(token for _, token in row) == data
        seen.update(id for id, _ in row)
        ends, at = set(), 0
        for _, token in row:
            at += len(token)
            ends.add(at)
        total.update(tokens=len(row), bytes=len(data), characters=len(line))
        place = [0]
        for char in line:
            place.append(place[-1] + len(char.encode()))
        for match in regex.finditer(r"\p{Han}", line):
            total["han"] += 1
            total["broken"] += any(place[match.start()] < end < place[match.end()] for end in ends)
        for match in regex.finditer(r"[\p{Latin}&&\p{L}]+(?:['’][\p{Latin}&&\p{L}]+)*", line, regex.V1):
            inside = sum(place[match.start()] < end < place[match.end()] for end in ends)
            total.update(words=1, word_tokens=inside + 1, continued=int(inside > 0))
    return total, seen


@pytest.mark.parametrize("corpus", ["zh", "en", "mixed"])
@pytest.mark.parametrize(
    ("name", "tokens"),
    [("o200k", tokens_by_tiktoken), ("llama3", tokens_by_tokenizers), ("llama2", tokens_by_sentencepiece)],
    ids=["tiktoken", "tokenizers", "sentencepiece"],
)
def test_numbers_beside_other_libraries(name, tokens, corpus, shared_file, shared_corpus, tmp_path):
    # Marks of their own script rules are left out: here a mark counts with the letter before it.
    whole = shared_corpus(corpus, 60_000).read_text(encoding="utf-8").split("\n")
    lines = [line for line in whole if line and not regex.search(r"\p{M}|\p{Nl}", line)]
    path = tmp_path / "text.txt"
    path.write_text("\n".join(lines), encoding="utf-8", newline="\n")
    total, seen = independent(lines, tokens(shared_file, lines))
    result = analyze(load(name, shared_file), path, segmenter=None)
    assert result.value("documents") == len(lines)
    assert result.value("tokens") == total["tokens"]
    assert result.value("bytes_per_token") == total["bytes"] / total["tokens"]
    assert result.value("characters_per_token") == total["characters"] / total["tokens"]
    assert result.value("han_characters") == total["han"]
    if total["han"]:
        assert result.value("han_broken_share") == total["broken"] / total["han"]
    assert result.value("english_words") == total["words"]
    assert result.value("tokens_per_english_word") == total["word_tokens"] / total["words"]
    assert result.value("english_continued_share") == total["continued"] / total["words"]
    entropy = -sum(n / total["tokens"] * math.log2(n / total["tokens"]) for n in seen.values())
    assert result.value("entropy_bits") == pytest.approx(entropy)
    assert result.value("lossless_share") == 1


# --- what must always hold --------------------------------------------------------------------------------------------


def test_order_of_documents_and_threads_do_not_matter(model, text, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("\n".join(reversed(TEXT)), encoding="utf-8")
    first = analyze(model, text, segmenter=None).to_dict()
    second = analyze(model, other, segmenter=None, threads=3).to_dict()
    for result in (first, second):
        result.pop("inputs")
        result["cost"]["files"][0].pop("file")
    assert first == second


def test_parts_make_the_whole(model, text):
    counts = count_texts(model, TokenTable.of(model), text_files([text, text]))
    once = count_texts(model, TokenTable.of(model), text_files(text))
    assert (counts.totals[0] == once.totals[0]).all() and (counts.totals[1] == once.totals[0]).all()
    assert (counts.token_counts == 2 * once.token_counts).all()
    assert (
        counts.value("tokens")
        == sum(counts.token_counts.sum(axis=0))
        == 2 * sum(map(len, model.encode_batch(TEXT)))
    )
    result = analyze(model, text, segmenter=None).to_dict()
    assert sum(row["share"] for row in result["cost"]["scripts"]) == pytest.approx(1)
    assert sum(row["tokens"] for row in result["cost"]["languages"]) == result["cost"]["tokens"]
    for row in result["characters"]["han_by_language"]:
        assert row["alone"] + row["inside"] + row["broken"] + row["lost"] == pytest.approx(1)


def test_by_hand(tmp_path):
    tok = bpetk.train_from_iterator(["a"], 256)  # every byte is a token
    path = tmp_path / "text.txt"
    path.write_text("中文 ab\n", encoding="utf-8")
    result = analyze(tok, path, segmenter=None)
    assert (result.value("tokens"), result.value("bytes"), result.value("characters")) == (9, 9, 5)
    assert result.value("characters_per_token") == 5 / 9
    assert (result.value("han_broken_share"), result.value("han_coverage")) == (1, 0)
    assert result.value("tokens_ending_inside_a_character") == 4 / 9
    assert result.value("tokens_per_english_word") == 2
    assert result.value("spaced_switches") == result.value("blank_alone_share") == 1
    assert result.value("never_seen") == 256 - 9
    assert [finding.rule for finding in result.findings] == ["broken-characters"]
    json.dumps(result.to_dict(), allow_nan=False)


# --- losslessness -----------------------------------------------------------------------------------------------------


def test_text_that_does_not_come_back(tmp_path, shared_file):
    tok = load("llama2", shared_file)
    path = tmp_path / "text.txt"
    lines = ["plain", " one blank", "  two", "中文", "龘 byte", "tab\tend "]
    path.write_text("\n".join(lines), encoding="utf-8")
    counts = count_texts(tok, TokenTable.of(tok), text_files(path))
    wrong = [k for k, line in enumerate(lines, 1) if tok.decode(tok.encode(line)) != line]
    assert [example.number for example in counts.lossy_examples] == wrong
    assert int(counts.lossy.sum()) == len(wrong)


def test_normalized_text(tmp_path, shared_file):
    tok = load("qwen3", shared_file)
    path = tmp_path / "text.txt"
    path.write_text("e\u0301t\u00e9\nplain\n", encoding="utf-8")
    result = analyze(tok, path, segmenter=None)
    assert (result.value("changed_documents"), result.value("lossless_share")) == (1, 0.5)
    (row,) = result.to_dict()["losslessness"]["lossy"]
    assert (row["document"], row["character"]) == (1, 1)
    assert [finding.rule for finding in result.findings] == ["lossy"]


def test_characters_that_the_model_does_not_know(tmp_path, shared_file):
    # A model of English without bytes to fall back to.
    tok = bpetk.Tokenizer.from_file(shared_file("tokenizers/hf-fixture-spm-bpe/test_sentencepiece_bpe.model"))
    path = write_lines(tmp_path / "text.txt", ["中文 and English"])
    result = analyze(tok, path, gold=write_lines(tmp_path / "gold.txt", ["中文 and English"]))
    assert (result.value("han_characters"), result.value("han_lost_share")) == (2, 1)
    assert (result.value("lossless_share"), result.value("changed_documents")) == (0, 1)
    assert result.value("empty_tokens") >= 1
    assert result.value("chinese_words") == 1


def test_every_document_is_decoded_where_only_that_tells(model, text, monkeypatch):
    monkeypatch.setattr(type(model), "_reshaped", {1: "x"})
    counts = count_texts(model, TokenTable.of(model), text_files(text))
    assert int(counts.lossy.sum()) == sum(model.decode(model.encode(line)) != line for line in TEXT)


# --- words, parallel text ---------------------------------------------------------------------------------------------


def test_jieba_and_sample(model, text):
    pytest.importorskip("jieba")
    whole = analyze(model, text, full=True)
    assert whole.inputs["segmentation"].startswith("jieba ")
    sampled = analyze(model, text)  # two megabytes are more than there are
    keys = ["word_boundary_f1", "chinese_words", "tokens_per_chinese_word", "segmented_bytes"]
    assert [whole.value(key) for key in keys] == [sampled.value(key) for key in keys]
    less = analyze(model, text, sample_bytes=1, seed=1)
    assert less.value("segmented_bytes") < whole.value("segmented_bytes")
    assert "seed 1" in less.section("chinese_words").note.en


def test_gold(model, text, tmp_path):
    gold = tmp_path / "gold.txt"
    gold.write_text("\n".join(" ".join(line) for line in TEXT), encoding="utf-8")
    result = analyze(model, text, gold=gold)
    # Every character is a word, so that no token border is wrong unless it is inside a character.
    assert result.value("chinese_words") == result.value("han_characters")
    assert result.inputs["segmentation"] == str(gold)
    with pytest.raises(ConfigError, match="1 gold files for 2 texts"):
        analyze(model, [text, text], gold=gold)


def write_lines(path, lines):
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_parallel(model, tmp_path):
    zh = write_lines(tmp_path / "zh.txt", ["语言模型", "", "猫"])
    en = write_lines(tmp_path / "en.txt", ["the cat sat on the mat", "", "cat"])
    counts = count_parallel(model, text_files([zh, en]))
    a = [len(model.encode(line)) for line in ["语言模型", "猫"]]
    b = [len(model.encode(line)) for line in ["the cat sat on the mat", "cat"]]
    assert counts.tokens == (sum(a), sum(b))
    assert counts.premium == sum(a) / sum(b)
    assert (counts.lines, counts.dearer) == (2, sum(x > y for x, y in zip(a, b, strict=True)))
    assert counts.characters == (5, 25)
    result = analyze(model, zh, segmenter=None, parallel=[zh, en])
    assert result.value("premium") == counts.premium


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (["a"], r"b\.txt: ends after line 1, but .*a\.txt goes on"),
        (["a", "b", "c"], r"a\.txt: ends after line 2, but .*b\.txt goes on"),
        (["a", "", "c"], r"b\.txt: line 2 is empty, but not in .*a\.txt"),
    ],
)
def test_parallel_that_does_not_match(model, tmp_path, second, message):
    first = write_lines(tmp_path / "a.txt", ["一", "二"])
    other = write_lines(tmp_path / "b.txt", second)
    with pytest.raises(CorpusError, match=message):
        count_parallel(model, text_files([first, other]))


def test_parallel_is_two_files(model, text):
    with pytest.raises(ConfigError, match="parallel text is two files"):
        analyze(model, text, segmenter=None, parallel=text)
