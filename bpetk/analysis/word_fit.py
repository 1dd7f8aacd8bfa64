"""How tokens fit Chinese words: the section made of `WordCounts`."""

from __future__ import annotations

from bpetk.analysis.results import Cell, Column, Figure, Finding, Label, Section, Table
from bpetk.analysis.text_costs import ratio
from bpetk.analysis.words import LONGEST, WordCounts
from bpetk.readable import readable

_SHOWN = 50
_STRADDLING = 0.05  # share from which on it is worth saying


def word_section(counts: WordCounts, source: str, basis: Label) -> Section:
    """Say how tokens fit words.

    Parameters
    ----------
    counts
        What was counted.
    source
        The segmenter with its version, or the gold file.
    basis
        What part of the text was looked at.
    """
    tables = [_by_length(counts)]
    if counts.split_words:
        tables.append(_split_words(counts))
    if counts.crossing_tokens:
        tables.append(_straddling_tokens(counts))
    return Section(
        "chinese_words",
        Label("Chinese words", "中文词"),
        (
            Figure("segmentation", Label("words are those of", "分词依据"), source, "text"),
            Figure("segmented_bytes", Label("bytes looked at", "考察的字节数"), counts.size, "bytes"),
            *_border_figures(counts),
            *_word_figures(counts),
        ),
        tuple(tables),
        (),
        _findings(counts),
        note=basis,
    )


def _border_figures(counts: WordCounts) -> tuple[Figure, ...]:
    return (
        Figure(
            "word_boundary_precision",
            Label("token borders that are word borders", "词元边界是词边界的占比（精确率）"),
            counts.precision,
            "share",
            Label(
                "Between two Han characters or inside one only; borders at punctuation are no merit and not counted.",
                "仅统计两个汉字之间或汉字内部的边界；标点处的边界不计。",
            ),
        ),
        Figure(
            "word_boundary_recall",
            Label("word borders that are token borders", "词边界是词元边界的占比（召回率）"),
            counts.recall,
            "share",
        ),
        Figure(
            "word_boundary_f1",
            Label("F1 of word borders", "词边界 F1"),
            counts.f1,
            "share",
            Label(
                "Harmonic mean of both. Long tokens of several whole words lower recall only, so a low value is no "
                "fault by itself; look at tokens that begin or end inside a word.",
                "二者的调和平均。由多个完整词组成的长词元只降低召回率，因此数值低不一定是缺点；请看在词内开始或结束的词元。",
            ),
        ),
        Figure(
            "crossing_share",
            Label("tokens with a word border inside", "跨越词边界的词元占比"),
            ratio(counts.crossing, counts.han_tokens),
            "share",
            Label("Of the tokens that hold Han characters.", "以含汉字的词元为分母。"),
        ),
        Figure(
            "straddling_share",
            Label("tokens that join parts of words", "拼接词的片段的词元占比"),
            ratio(counts.straddling, counts.han_tokens),
            "share",
            Label(
                "A word border inside, and a beginning or an end inside a word: models are misled by such tokens "
                "(arXiv 2405.17067).",
                "内部有词边界，且开始或结束于词内：这类词元会误导模型（arXiv 2405.17067）。",
            ),
        ),
    )


def _word_figures(counts: WordCounts) -> tuple[Figure, ...]:
    words, tokens = sum(counts.words), sum(counts.word_tokens)
    return (
        Figure("chinese_words", Label("Chinese words", "中文词数"), words, "integer"),
        Figure(
            "tokens_per_chinese_word",
            Label("tokens per Chinese word", "词元/中文词"),
            ratio(tokens, words),
            help=Label(
                "Tokens that hold any part of a word of Han characters, divided by such words. A token over two words "
                "counts for both.",
                "含有汉字词任一部分的词元数除以汉字词数。跨两个词的词元各计一次。",
            ),
        ),
        Figure(
            "chinese_continued_share",
            Label("Chinese words of several tokens", "由多个词元组成的中文词占比"),
            ratio(sum(counts.words_continued), words),
            "share",
        ),
    )


def _by_length(counts: WordCounts) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            f"{k + 1}" if k + 1 < LONGEST else f"{LONGEST}+",
            counts.words[k],
            ratio(counts.word_tokens[k], counts.words[k]),
            ratio(counts.words[k] - counts.words_continued[k], counts.words[k]),
        )
        for k in range(LONGEST)
        if counts.words[k]
    ]
    return Table(
        "chinese_words_by_length",
        Label("Chinese words by length", "按字数统计的中文词"),
        (
            Column("characters", Label("characters", "字数"), "text"),
            Column("words", Label("words", "词数"), "integer"),
            Column("tokens_per_word", Label("tokens/word", "词元/词")),
            Column("whole", Label("in one token", "在一个词元内"), "share"),
        ),
        tuple(rows),
    )


def _split_words(counts: WordCounts) -> Table:
    found = sorted(counts.split_words.items(), key=lambda item: (-item[1], item[0]))
    return Table(
        "split_words",
        Label("Words most often split", "最常被切分的词"),
        (
            Column("word", Label("word", "词"), "token"),
            Column("count", Label("times", "次数"), "integer"),
        ),
        tuple((readable(word), count) for word, count in found[:_SHOWN]),
        shown=10,
    )


def _straddling_tokens(counts: WordCounts) -> Table:
    found = sorted(counts.crossing_tokens.items(), key=lambda item: (-item[1], item[0]))
    return Table(
        "straddling_tokens",
        Label("Tokens that join parts of words", "拼接词的片段的词元"),
        (
            Column("token", Label("token", "词元"), "token"),
            Column("count", Label("times", "次数"), "integer"),
        ),
        tuple((readable(token), count) for token, count in found[:_SHOWN]),
        shown=10,
    )


def _findings(counts: WordCounts) -> tuple[Finding, ...]:
    share = ratio(counts.straddling, counts.han_tokens)
    if share is None or share < _STRADDLING:
        return ()
    return (
        Finding(
            "straddling-tokens",
            "warning",
            Label(
                f"{share * 100:.1f} % of the tokens with Han characters join parts of different words.",
                f"含汉字的词元中有 {share * 100:.1f}% 拼接了不同词的片段。",
            ),
            Label(
                "Look at the table of these tokens: frequent ones tell what the training text was full of. A smaller "
                "vocabulary or a limit on the length of tokens makes fewer of them.",
                "请查看这些词元的表格：高频者反映训练语料的偏向。缩小词表或限制词元长度可减少此类词元。",
            ),
        ),
    )
