"""What is whole in a text and what breaks: characters, and the text itself when it is decoded again."""

from __future__ import annotations

from bpetk.analysis.languages import LANGUAGES, Language
from bpetk.analysis.results import Chart, Column, Figure, Finding, Label, Section, Series, Table
from bpetk.analysis.text_costs import han_of, ratio
from bpetk.analysis.text_counts import TextCounts
from bpetk.readable import readable

_BROKEN_HAN = 0.02  # share from which on it is worth saying


def characters_section(counts: TextCounts) -> Section:
    """Say how many Han characters are whole, and how many characters are broken."""
    han = han_of(counts)
    return Section(
        "characters",
        Label("Whole and broken characters", "完整与被拆碎的字符"),
        _character_figures(counts, han),
        (_han_table(counts),),
        (_han_chart(counts),) if han else (),
        _broken_findings(han, counts.value("han_broken")),
    )


def _character_figures(counts: TextCounts, han: int) -> tuple[Figure, ...]:
    value, broken = counts.value, counts.value("han_broken")
    return (
        Figure("han_characters", Label("Han characters", "汉字数"), han, "integer"),
        Figure(
            "han_alone_share",
            Label("Han characters that are one token", "单独成词元的汉字占比"),
            ratio(value("han_alone"), han),
            "share",
        ),
        Figure(
            "han_inside_share",
            Label("Han characters inside a longer token", "位于更长词元中的汉字占比"),
            ratio(value("han_inside"), han),
            "share",
        ),
        Figure(
            "han_broken_share",
            Label("broken Han characters", "被拆碎的汉字占比"),
            ratio(broken, han),
            "share",
            Label(
                "Share of the Han characters in the text whose bytes lie in more than one token: a model must put them "
                "together from pieces without meaning. Frequent characters count as often as they occur.",
                "文本中字节分散在多个词元里的汉字占比：模型须用无意义的片段拼出它们。按出现次数计算。",
            ),
        ),
        Figure(
            "han_lost_share",
            Label("Han characters that are lost", "丢失的汉字占比"),
            ratio(counts.value("han_lost"), han),
            "share",
            Label(
                "The model does not know them, or its normalization removes them: no token spells them.",
                "模型不认识它们，或规范化将其删除：没有词元能拼出它们。",
            ),
        ),
        Figure(
            "han_coverage",
            Label("Han characters that are whole", "完整汉字占比（按出现次数计）"),
            ratio(counts.value("han_alone") + counts.value("han_inside"), han),
            "share",
            Label(
                "Running coverage: alone or inside a longer token, by occurrence.",
                "按出现次数：单独成词元或位于更长词元中。",
            ),
        ),
        Figure(
            "broken_character_rate",
            Label("broken characters of any script", "各种文字中被拆碎的字符占比"),
            ratio(value("broken_characters"), value("spelled_characters")),
            "share",
        ),
        Figure(
            "tokens_ending_inside_a_character",
            Label("tokens that end inside a character", "在字符内部结束的词元占比"),
            ratio(value("borders_inside_characters"), value("tokens")),
            "share",
        ),
    )


def _with_han(counts: TextCounts) -> list[Language]:
    return [language for language in Language if han_of(counts, language=language)]


def _han_table(counts: TextCounts) -> Table:
    value = counts.value
    return Table(
        "han_by_language",
        Label("Han characters by language", "各语言中的汉字"),
        (
            Column("language", Label("language", "语言"), "text"),
            Column("han", Label("Han characters", "汉字数"), "integer"),
            Column("alone", Label("one token", "单独成词元"), "share"),
            Column("inside", Label("inside a longer token", "位于更长词元中"), "share"),
            Column("broken", Label("broken", "被拆碎"), "share"),
            Column("lost", Label("lost", "丢失"), "share"),
        ),
        tuple(
            (
                LANGUAGES[language][1],
                han_of(counts, language=language),
                *(
                    ratio(value(name, language=language), han_of(counts, language=language))
                    for name in ("han_alone", "han_inside", "han_broken", "han_lost")
                ),
            )
            for language in _with_han(counts)
        ),
    )


def _han_chart(counts: TextCounts) -> Chart:
    value, by_language = counts.value, _with_han(counts)
    return Chart(
        "han_occurrences",
        Label("How Han characters are covered", "汉字的覆盖方式"),
        "stacked",
        Label("language", "语言"),
        Label("share of occurrences", "出现次数占比"),
        tuple(
            Series(
                label,
                tuple(LANGUAGES[language][1] for language in by_language),
                tuple(
                    ratio(value(name, language=language), han_of(counts, language=language))
                    for language in by_language
                ),
            )
            for name, label in (
                ("han_alone", Label("one token", "单独成词元")),
                ("han_inside", Label("inside a longer token", "位于更长词元中")),
                ("han_broken", Label("broken", "被拆碎")),
                ("han_lost", Label("lost", "丢失")),
            )
        ),
        "share",
    )


def _broken_findings(han: int, broken: int) -> tuple[Finding, ...]:
    if not han or broken / han < _BROKEN_HAN:
        return ()
    share = broken / han
    return (
        Finding(
            "broken-characters",
            "problem" if share >= 0.1 else "warning",
            Label(
                f"{share * 100:.1f} % of the Han characters in the text are split into bytes.",
                f"文本中 {share * 100:.1f}% 的汉字被拆成字节。",
            ),
            Label(
                "Train with more Chinese text or a larger vocabulary (bpetk train --vocab), or extend this one; "
                "`bpetk curve` shows how much the size alone helps.",
                "增加中文训练语料或扩大词表（bpetk train --vocab），或扩充现有词表；"
                "bpetk curve 可显示仅扩大词表的效果。",
            ),
        ),
    )


def losslessness_section(counts: TextCounts) -> Section:
    """Say whether decoding gives the text back."""
    documents, lossy = counts.value("documents"), int(counts.lossy.sum())
    figures = (
        Figure(
            "lossless_share",
            Label("documents that come back exactly", "可完全还原的文档占比"),
            ratio(documents - lossy, documents),
            "share",
            Label("decode(encode(x)) is x, byte for byte.", "decode(encode(x)) 与 x 逐字节相同。"),
        ),
        Figure("lossy_documents", Label("documents that do not", "不能还原的文档数"), lossy, "integer"),
        Figure(
            "changed_documents",
            Label("documents that their tokens spell otherwise", "词元拼写与原文不同的文档数"),
            counts.value("changed_documents"),
            "integer",
            Label(
                "The model normalizes them or does not know a character. Words and characters in them are counted in "
                "what the tokens spell.",
                "模型对其做了规范化，或不认识某些字符。这些文档的词与字符按词元拼出的文本计数。",
            ),
        ),
        Figure(
            "empty_tokens",
            Label("tokens that stand for nothing", "不代表任何字节的词元"),
            counts.value("empty_tokens"),
            "integer",
            Label("Such as <unk>, in place of text that is lost.", "例如 <unk>，其位置上的原文已丢失。"),
        ),
    )
    rows = tuple(
        (example.file, example.number, *_difference(example.text, example.decoded))
        for example in counts.lossy_examples
    )
    table = Table(
        "lossy",
        Label("Documents that do not come back", "不能还原的文档"),
        (
            Column("file", Label("file", "文件"), "text"),
            Column("document", Label("document", "文档"), "integer"),
            Column("character", Label("first difference at character", "首个差异的字符位置"), "integer"),
            Column("text", Label("text", "原文"), "token"),
            Column("decoded", Label("comes back as", "还原为"), "token"),
        ),
        rows,
    )
    return Section(
        "losslessness",
        Label("Does text come back", "能否还原"),
        figures,
        (table,) if rows else (),
        (),
        _lossy_findings(lossy, documents),
    )


def _lossy_findings(lossy: int, documents: int) -> tuple[Finding, ...]:
    if not lossy:
        return ()
    return (
        Finding(
            "lossy",
            "warning",
            Label(
                f"{lossy:,} of {documents:,} documents do not come back when they are decoded.",
                f"{documents:,} 个文档中有 {lossy:,} 个解码后与原文不同。",
            ),
            Label(
                "If text must survive, as program text must, use a byte-level tokenizer without a normalizer.",
                "如需保证原文不变（例如代码），请使用不带规范化的字节级分词器。",
            ),
        ),
    )


def _difference(text: str, decoded: str) -> tuple[int, str, str]:
    at = next(
        (k for k, (a, b) in enumerate(zip(text, decoded, strict=False)) if a != b),
        min(len(text), len(decoded)),
    )
    mine, theirs = (readable(part[at : at + 12].encode("utf-8", "surrogatepass")) for part in (text, decoded))
    return at + 1, mine, theirs
