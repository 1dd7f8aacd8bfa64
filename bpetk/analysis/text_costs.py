"""What text costs with a tokenizer, and what breaks in it: figures and tables made of `TextCounts`.

Every ratio is one of totals, never a mean of ratios.
"""

from __future__ import annotations

from bpetk.analysis.languages import LANGUAGES, Language
from bpetk.analysis.results import Cell, Chart, Column, Figure, Finding, Label, Section, Series, Table
from bpetk.analysis.scripts import SCRIPTS
from bpetk.analysis.text_counts import TextCounts

N_CLASSES = 12
N_LENGTHS = 9
_WORD_TOKENS = 1.5

_DOCUMENTS = Column("documents", Label("documents", "文档数"), "integer")
_BYTES = Column("bytes", Label("bytes", "字节数"), "bytes")
_CHARACTERS = Column("characters", Label("characters", "字符数"), "integer")
_TOKENS = Column("tokens", Label("tokens", "词元数"), "integer")
_BYTES_PER_TOKEN = Column(
    "bytes_per_token",
    Label("bytes/token", "字节/词元"),
    help=Label(
        "Bytes of UTF-8 divided by tokens. A Chinese character has 3 bytes, an English letter 1: compare tokenizers "
        "with it, not languages.",
        "UTF-8 字节数除以词元数。一个汉字占 3 字节，一个英文字母占 1 字节：适合比较分词器，不适合比较语言。",
    ),
)
_CHARACTERS_PER_TOKEN = Column("characters_per_token", Label("characters/token", "字符/词元"))
_HAN_PER_TOKEN = Column(
    "han_per_token",
    Label("Han/token", "汉字/词元"),
    help=Label(
        "Han characters divided by the tokens that hold any part of one.",
        "汉字数除以含有汉字（或其片段）的词元数。",
    ),
)
_TOKENS_PER_WORD = Column("tokens_per_word", Label("tokens/English word", "词元/英文词"))


def ratio(part: int, whole: int) -> float | None:
    """Give a quotient, None if there is nothing to divide by.

    Examples
    --------
    >>> ratio(1, 4), ratio(1, 0)
    (0.25, None)
    """
    return part / whole if whole else None


def han_of(counts: TextCounts, *, language: Language | None = None, file: int | None = None) -> int:
    """Give the number of Han characters, those that no token spells included."""
    names = ("han_alone", "han_inside", "han_broken", "han_lost")
    return sum(counts.value(name, language=language, file=file) for name in names)


def cost_section(counts: TextCounts) -> Section:
    """Say what the text costs: in all, by language, by file, by script."""
    value = counts.value
    tokens, size, characters = value("tokens"), value("bytes"), value("characters")
    figures = (
        Figure("documents", _DOCUMENTS.label, value("documents"), "integer"),
        Figure("bytes", _BYTES.label, size, "bytes"),
        Figure("characters", _CHARACTERS.label, characters, "integer"),
        Figure("tokens", _TOKENS.label, tokens, "integer"),
        Figure("bytes_per_token", _BYTES_PER_TOKEN.label, ratio(size, tokens), help=_BYTES_PER_TOKEN.help),
        Figure("characters_per_token", _CHARACTERS_PER_TOKEN.label, ratio(characters, tokens)),
    )
    languages = [language for language in Language if value("documents", language=language)]
    chart = Chart(
        "bytes_per_token_by_language",
        Label("Bytes per token by language", "各语言的字节/词元"),
        "bar",
        Label("language", "语言"),
        _BYTES_PER_TOKEN.label,
        (
            Series(
                _BYTES_PER_TOKEN.label,
                tuple(LANGUAGES[language][1] for language in languages),
                tuple(
                    ratio(value("bytes", language=language), value("tokens", language=language))
                    for language in languages
                ),
            ),
        ),
    )
    return Section(
        "cost",
        Label("What the text costs", "文本的成本"),
        figures,
        (_languages(counts, languages), _files(counts), _scripts(counts)),
        (chart,),
        note=Label(
            "Documents are lines unless another separator is given; what stands between documents is not counted.",
            "默认一行为一个文档；文档之间的分隔符不计入。",
        ),
    )


def _row(
    counts: TextCounts, *, language: Language | None = None, file: int | None = None
) -> tuple[Cell, ...]:
    def value(name: str) -> int:
        return counts.value(name, language=language, file=file)

    tokens = value("tokens")
    return (
        value("documents"),
        value("bytes"),
        tokens,
        ratio(value("bytes"), tokens),
        ratio(value("characters"), tokens),
        ratio(han_of(counts, language=language, file=file), value("class_tokens_0")),
        ratio(value("word_tokens"), value("words")),
    )


_ROW = (
    _DOCUMENTS,
    _BYTES,
    _TOKENS,
    _BYTES_PER_TOKEN,
    _CHARACTERS_PER_TOKEN,
    _HAN_PER_TOKEN,
    _TOKENS_PER_WORD,
)


def _languages(counts: TextCounts, languages: list[Language]) -> Table:
    return Table(
        "languages",
        Label("By language", "按语言"),
        (Column("language", Label("language", "语言"), "text"), *_ROW),
        tuple((LANGUAGES[language][1], *_row(counts, language=language)) for language in languages),
        note=Label(
            "The language of a document is told from its scripts: Chinese if half of its letters or more are Han, "
            "English if at most 3 % are and it is not mostly signs.",
            "文档的语言按文字判断：一半以上的字母类字符为汉字即为中文；汉字不超过 3% 且符号不多即为英文。",
        ),
    )


def _files(counts: TextCounts) -> Table:
    return Table(
        "files",
        Label("By file", "按文件"),
        (Column("file", Label("file", "文件"), "text"), *_ROW),
        tuple((file.name, *_row(counts, file=k)) for k, file in enumerate(counts.files)),
    )


def _scripts(counts: TextCounts) -> Table:
    characters = counts.values("class_characters", N_CLASSES)
    tokens = counts.values("class_tokens", N_CLASSES)
    whole = sum(characters)
    return Table(
        "scripts",
        Label("By script", "按文字"),
        (
            Column("script", Label("script", "文字"), "text"),
            _CHARACTERS,
            Column("share", Label("share of characters", "字符占比"), "share"),
            Column("touching", Label("tokens with any of it", "含该文字的词元"), "integer"),
            Column(
                "characters_per_token",
                Label("characters per such token", "每个此类词元的字符数"),
            ),
        ),
        tuple(
            (
                SCRIPTS[k][1],
                characters[k],
                ratio(characters[k], whole),
                tokens[k],
                ratio(characters[k], tokens[k]),
            )
            for k in range(N_CLASSES)
            if characters[k]
        ),
        note=Label(
            "A token with characters of two scripts counts for both.", "含两种文字的词元在两行中都计入。"
        ),
    )


def english_words_section(counts: TextCounts) -> Section:
    """Say what English words cost."""
    words, tokens = counts.value("words"), counts.value("word_tokens")
    continued = counts.value("words_continued")
    figures = (
        Figure("english_words", Label("English words", "英文词数"), words, "integer"),
        Figure(
            "tokens_per_english_word",
            Label("tokens per English word", "词元/英文词"),
            ratio(tokens, words),
            help=Label(
                "A word is a run of Latin letters, apostrophes between letters included (don't is one word, well-known "
                "is two). Tokens that hold any part of a word, divided by words; French counts too.",
                "词为连续的拉丁字母，字母间的撇号计入（don't 为一词，well-known 为两词）。"
                "含有词任一部分的词元数除以词数；法文等也计入。",
            ),
        ),
        Figure(
            "english_continued_share",
            Label("English words of several tokens", "由多个词元组成的英文词占比"),
            ratio(continued, words),
            "share",
        ),
    )
    findings: tuple[Finding, ...] = ()
    if words >= 1000 and tokens / words > _WORD_TOKENS:
        findings = (
            Finding(
                "long-english-words",
                "warning",
                Label(
                    f"An English word takes {tokens / words:.2f} tokens.",
                    f"每个英文词平均占 {tokens / words:.2f} 个词元。",
                ),
                Label(
                    "Large vocabularies need 1.1 to 1.3. Train with more English text or a larger vocabulary.",
                    "大词表通常为 1.1 至 1.3。请增加英文训练语料或扩大词表。",
                ),
            ),
        )
    return Section("english_words", Label("English words", "英文词"), figures, findings=findings)


def numbers_section(counts: TextCounts) -> Section:
    """Say what numbers, dates and changes between Chinese and English cost."""
    table = _numbers_table(counts)
    return Section(
        "numbers",
        Label("Numbers, dates, mixed text", "数字、日期与中英混排"),
        (*_number_figures(counts), *_switch_figures(counts)),
        (table,) if table.rows else (),
    )


def _number_figures(counts: TextCounts) -> tuple[Figure, ...]:
    value = counts.value
    numbers, tokens = (sum(counts.values(name, N_LENGTHS)) for name in ("numbers", "number_tokens"))
    return (
        Figure("numbers", Label("numbers", "数字串"), numbers, "integer"),
        Figure(
            "tokens_per_number",
            Label("tokens per number", "词元/数字串"),
            ratio(tokens, numbers),
            help=Label(
                "A number is a run of digits; 1,234.5 is three, 三百 is none.",
                "数字串为连续的数字字符；1,234.5 计为三个，三百不计。",
            ),
        ),
        Figure(
            "aligned_share",
            Label("long numbers cut in threes from the right", "长数字中从右起每三位切分的占比"),
            ratio(value("long_numbers_aligned"), value("long_numbers")),
            "share",
            Label(
                "Of numbers with four ASCII digits or more: every cut inside stands three, six, … digits before the "
                "end, or there is none. Sums are learnt more easily so (Singh and Strouse 2024).",
                "四位及以上的 ASCII 数字：内部切分点均距末尾三、六……位，或没有切分。这样更容易学会算术"
                "（Singh 和 Strouse 2024）。",
            ),
        ),
        Figure("dates", Label("dates", "日期"), value("dates"), "integer"),
        Figure(
            "tokens_per_date",
            Label("tokens per date", "词元/日期"),
            ratio(value("date_tokens"), value("dates")),
            help=Label(
                "Dates such as 2024-03-05, 5/3/2024 and 2024年3月5日.",
                "形如 2024-03-05、5/3/2024 和 2024年3月5日 的日期。",
            ),
        ),
    )


def _switch_figures(counts: TextCounts) -> tuple[Figure, ...]:
    value = counts.value
    return (
        Figure(
            "switches",
            Label("Han next to Latin letters", "汉字与拉丁字母直接相邻"),
            value("switches"),
            "integer",
        ),
        Figure(
            "switches_joined_share",
            Label("of these, in one token", "其中同属一个词元的占比"),
            ratio(value("switches_joined"), value("switches")),
            "share",
        ),
        Figure(
            "spaced_switches",
            Label("Han and Latin letters with a blank between", "汉字与拉丁字母间有空格"),
            value("spaced_switches"),
            "integer",
        ),
        Figure(
            "blank_alone_share",
            Label("of these, the blank is a token of its own", "其中空格单独成词元的占比"),
            ratio(value("spaced_switches_blank_alone"), value("spaced_switches")),
            "share",
        ),
    )


def _numbers_table(counts: TextCounts) -> Table:
    numbers = counts.values("numbers", N_LENGTHS)
    tokens = counts.values("number_tokens", N_LENGTHS)
    rows = tuple(
        (
            f"{k + 1}" if k + 1 < N_LENGTHS else f"{N_LENGTHS}+",
            numbers[k],
            tokens[k],
            ratio(tokens[k], numbers[k]),
        )
        for k in range(N_LENGTHS)
        if numbers[k]
    )
    return Table(
        "numbers_by_length",
        Label("Numbers by length", "按位数统计的数字串"),
        (
            Column("digits", Label("digits", "位数"), "text"),
            Column("numbers", Label("numbers", "数字串"), "integer"),
            _TOKENS,
            Column("tokens_per_number", Label("tokens/number", "词元/数字串")),
        ),
        rows,
    )
