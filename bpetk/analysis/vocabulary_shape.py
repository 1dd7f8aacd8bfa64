"""What a vocabulary is made of: scripts, lengths, and whether tokens are whole characters."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from bpetk.analysis.building import ID, TOKEN, TOKENS, bars, column, count, part, share, token_rows
from bpetk.analysis.results import Cell, Chart, Column, Figure, Finding, Label, Section, Series, Table
from bpetk.analysis.scripts import (
    DIGITS,
    HAN,
    INHERITED,
    LATIN,
    LETTERS,
    MIXED,
    PUNCTUATION,
    SCRIPTS,
    SPACE,
    class_table,
    code_points,
)
from bpetk.analysis.token_table import Integrity, Kind, TokenTable

_SHARE = Column("share", Label("Share", "占比"), "share")


def script_section(table: TokenTable) -> Section:
    """Count tokens by script. A token's script is that of its characters, blanks left out; see `TokenTable`."""
    present = table.kinds != Kind.ABSENT
    counts = np.bincount(table.script[present], minlength=len(SCRIPTS))
    total = int(present.sum())
    order = [script for script in np.argsort(-counts, kind="stable").tolist() if counts[script]]
    names = [SCRIPTS[script][1] for script in order]
    values = [int(counts[script]) for script in order]
    return Section(
        "scripts",
        Label("Scripts", "文字构成"),
        figures=(
            part(
                "han_share", "Han tokens", "汉字词元占比", share(int(counts[HAN]), total),
                "Share of the ids whose token is Han characters only. It says how much room Chinese has, not how well "
                "it is used: for that look at a text.",
                "词元全部由汉字组成的编号所占比例。它说明中文占了多少位置，不说明用得好不好：那要看实际文本。",
            ),
            part(
                "latin_share", "Latin tokens", "拉丁字母词元占比", share(int(counts[LATIN]), total),
                "Share of the ids whose token is Latin letters only, with or without a blank in front.",
                "词元全部由拉丁字母组成（前面可带空格）的编号所占比例。",
            ),
        ),
        tables=(
            Table(
                "script_composition",
                Label("Tokens by script", "按文字统计词元"),
                (
                    column("script", "Script", "文字", "text"),
                    TOKENS,
                    _SHARE,
                    column("with_space", "With a blank in front", "以空格开头"),
                    column("mean_characters", "Characters per token", "平均字符数", "number"),
                ),
                _script_rows(table, order),
                note=Label(
                    "Blanks do not count. Mixed: characters of several kinds, such as letters with punctuation.",
                    "空格不计。混合：含多类字符，例如字母加标点。",
                ),
            ),
            _mixed_table(table),
        ),
        charts=(
            bars(
                "script_chart", Label("Tokens by script", "按文字统计词元"), Label("Script", "文字"),
                Label("Tokens", "词元数"), names, values,
            ),
        ),
    )  # fmt: skip


def _script_rows(table: TokenTable, order: list[int]) -> tuple[tuple[Cell, ...], ...]:
    present = table.kinds != Kind.ABSENT
    spaced = _starts_with_space(table)
    rows: list[tuple[Cell, ...]] = []
    for script in order:
        mine = present & (table.script == script)
        n = int(mine.sum())
        rows.append(
            (
                SCRIPTS[script][1],
                n,
                share(n, int(present.sum())),
                int(spaced[mine].sum()),
                _mean(table.n_chars[mine]),
            )
        )
    return tuple(rows)


def _mean(values: NDArray[np.int32]) -> float | None:
    return share(int(values.sum()), len(values))


def _starts_with_space(table: TokenTable) -> NDArray[np.bool_]:
    return np.fromiter((token[:1] == b" " for token in table.data), bool, table.size)


def _mixed_table(table: TokenTable) -> Table:
    ids = np.flatnonzero((table.script == MIXED) & (table.kinds != Kind.ABSENT)).tolist()
    kinds: Counter[Label] = Counter()
    example: dict[Label, int] = {}
    for id in ids:
        kind = _mixture(table.text[id] or "")
        kinds[kind] += 1
        example.setdefault(kind, id)
    return Table(
        "mixed_tokens",
        Label("What mixed tokens mix", "混合词元的组成"),
        (
            column("kinds", "Characters", "字符种类", "text"),
            TOKENS,
            Column("example", Label("Example", "例"), "token"),
        ),
        tuple((kind, number, table.readable(example[kind])) for kind, number in kinds.most_common()),
    )


_MIXTURES = (
    (Label("Han with punctuation", "汉字加标点"), {HAN, PUNCTUATION}),
    (Label("Han with digits", "汉字加数字"), {HAN, DIGITS}),
    (Label("Han with Latin", "汉字加拉丁字母"), {HAN, LATIN}),
    (Label("Latin with punctuation", "拉丁字母加标点"), {LATIN, PUNCTUATION}),
    (Label("Latin with digits", "拉丁字母加数字"), {LATIN, DIGITS}),
)


def _mixture(text: str) -> Label:
    classes = set(class_table()[code_points(text)].tolist()) - {SPACE, INHERITED}
    for label, kinds in _MIXTURES:
        if classes == kinds:
            return label
    letters = classes & LETTERS
    if len(letters) > 1:
        return Label("Letters of several scripts", "多种文字的字母")
    if not letters:
        return Label("Punctuation, symbols and digits", "标点、符号与数字")
    return Label("Letters with others", "字母加其他字符")


def length_section(table: TokenTable) -> Section:
    """Count tokens by their length in bytes and in characters; special tokens are left out."""
    asked = ~np.isin(table.kinds, (Kind.SPECIAL, Kind.ABSENT))
    whole = asked & (table.integrity == Integrity.WHOLE)
    by_bytes = np.bincount(table.n_bytes[asked])
    by_chars = np.bincount(table.n_chars[whole])
    by_han = np.bincount(table.n_chars[whole & (table.script == HAN)])
    by_latin = np.bincount(_letters(table)[whole & (table.script == LATIN)])
    longest = max(map(len, (by_bytes, by_chars, by_han, by_latin)))

    rows = tuple(
        (length, *(_cell(counts, length) for counts in (by_bytes, by_chars, by_han, by_latin)))
        for length in range(1, longest)
        if any(_cell(counts, length) for counts in (by_bytes, by_chars))
    )
    return Section(
        "lengths",
        Label("Lengths", "词元长度"),
        figures=_length_figures(by_han, by_latin),
        tables=(
            Table(
                "lengths",
                Label("Tokens by length", "按长度统计词元"),
                (
                    column("length", "Length", "长度"),
                    column("by_bytes", "Tokens, in bytes", "按字节"),
                    column("by_characters", "Tokens, in characters", "按字符"),
                    column("han", "Han tokens, in characters", "汉字词元（字符）"),
                    column("latin", "Latin tokens, in letters", "拉丁词元（字母）"),
                ),
                rows,
                note=Label(
                    "Special tokens are left out; in characters only tokens of whole characters count.",
                    "不含特殊词元；按字符统计时只计由完整字符组成的词元。",
                ),
            ),
        ),
        charts=_length_charts(by_bytes, by_han, by_latin),
    )


def _cell(counts: NDArray[np.intp], length: int) -> int:
    return int(counts[length]) if length < len(counts) else 0


def _length_figures(by_han: NDArray[np.intp], by_latin: NDArray[np.intp]) -> tuple[Figure, ...]:
    return (
        part(
            "han_one_character", "Han tokens of one character", "单字汉字词元占比",
            share(_cell(by_han, 1), int(by_han.sum())),
            "Share of the Han tokens that are one character. Few longer ones: Chinese text costs about a token a "
            "character.",
            "汉字词元中单字所占比例。多字词元越少，中文文本越接近一字一词元。",
        ),
        count(
            "han_long", "Han tokens of more than two characters", "两字以上的汉字词元", int(by_han[3:].sum()),
            "These are worth a review: phrases of advertising and of templates gather here (bpetk audit).",
            "值得人工检查：广告语和模板句往往集中于此（见 bpetk audit）。",
        ),
        count(
            "latin_words", "Latin tokens of four letters or more", "四个字母以上的拉丁词元",
            int(by_latin[4:].sum()),
            "Letters are counted, blanks are not.", "只计字母，不计空格。",
        ),
    )  # fmt: skip


def _length_charts(
    by_bytes: NDArray[np.intp], by_han: NDArray[np.intp], by_latin: NDArray[np.intp]
) -> tuple[Chart, ...]:
    han, latin = int(by_han.sum()), int(by_latin.sum())
    shown = tuple(range(1, min(max(len(by_han), len(by_latin)), 17)))
    curves = tuple(
        Series(label, shown, tuple(share(_cell(counts, length), int(counts.sum())) for length in shown))
        for label, counts in ((Label("Han", "汉字"), by_han), (Label("Latin", "拉丁字母"), by_latin))
    )
    return (
        Chart(
            "length_chart", Label("Lengths of Han and Latin tokens", "汉字与拉丁词元的长度"), "line",
            Label("Characters", "字符数"), Label("Share of the script's tokens", "占该文字词元的比例"), curves,
            y_kind="share",
            note=Label(
                f"{han:,} Han tokens, {latin:,} Latin ones",
                f"汉字词元 {han:,} 个，拉丁词元 {latin:,} 个",
            ),
        ),
        bars(
            "byte_length_chart", Label("Tokens by length in bytes", "按字节长度统计词元"), Label("Bytes", "字节"),
            Label("Tokens", "词元数"), list(range(1, min(len(by_bytes), 33))), [int(n) for n in by_bytes[1:33]],
        ),
    )  # fmt: skip


def _letters(table: TokenTable) -> NDArray[np.int32]:
    """Count characters without blanks."""
    spaces = np.fromiter((token.count(b" ") for token in table.data), np.int32, table.size)
    letters: NDArray[np.int32] = np.maximum(table.n_chars - spaces, 0)
    return letters


def integrity_section(table: TokenTable) -> Section:
    """Tell tokens of whole characters from those that begin or end inside one, and from bytes of no text."""
    asked = ~np.isin(table.kinds, (Kind.SPECIAL, Kind.ABSENT))
    counts = np.bincount(table.integrity[asked], minlength=3).tolist()
    longer = asked & (table.integrity == Integrity.PARTIAL) & (table.n_bytes > 1)
    ids = np.flatnonzero(longer)
    glued = ids[table.n_chars[ids] > 0]
    ids = ids[np.lexsort((ids, -table.n_bytes[ids]))]
    total = int(asked.sum())
    return Section(
        "integrity",
        Label("Whole and broken characters", "字符完整性"),
        figures=(
            count(
                "whole", "Tokens of whole characters", "完整字符词元", counts[0],
                "Their bytes are UTF-8.", "其字节是合法的 UTF-8。",
            ),
            count(
                "partial", "Tokens with parts of characters", "含字符片段的词元", counts[1],
                "They begin or end inside a character, as any byte-level vocabulary needs for rare characters.",
                "开头或结尾落在字符内部；字节级词表用它们表示生僻字。",
            ),
            count(
                "partial_glued", "Of these with whole characters too", "其中还含完整字符", len(glued),
                "A part of a character glued to whole ones. It comes of text with many characters of one block, and is "
                "seldom useful.",
                "字符片段与完整字符粘连，多因训练文本中同一区段的字符很多，通常没有用处。",
            ),
            count(
                "ill_formed", "Tokens of no UTF-8 text", "非法字节词元", counts[2],
                "Bytes that no text holds, such as 0xFF. The 13 bytes that UTF-8 never uses are normal in a byte-level "
                "vocabulary.",
                "任何文本都不会出现的字节，例如 0xFF。字节级词表含 UTF-8 不用的 13 个字节属正常。",
            ),
        ),
        tables=(
            Table(
                "partial_tokens",
                Label("Tokens with parts of characters, of two bytes or more", "含字符片段的词元（两字节以上）"),
                (ID, TOKEN, column("bytes", "Bytes", "字节数"), column("characters", "Whole characters", "完整字符数")),
                token_rows(table, ids, table.n_bytes[ids].tolist(), table.n_chars[ids].tolist()),
                shown=10,
            ),
        ),
        findings=_glued_findings(len(glued), total),
    )  # fmt: skip


def _glued_findings(glued: int, total: int) -> tuple[Finding, ...]:
    if glued <= total / 100:
        return ()
    return (
        Finding(
            "partial_tokens",
            "warning",
            Label(
                f"{glued:,} tokens glue whole characters to a part of another.",
                f"{glued:,} 个词元把完整字符与另一字符的片段粘在一起。",
            ),
            Label(
                "Models see broken characters there. A larger share of Chinese in the training text, or a "
                "vocabulary with all common characters, makes them rarer.",
                "模型在这些地方看到的是残缺字符。增加训练文本中的中文比例，或保证常用字都在词表中，可以减少它们。",
            ),
        ),
    )
