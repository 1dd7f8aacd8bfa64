"""How a tokenizer writes Han characters: which of the national standards' are one token, and in which writing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bpetk.analysis.building import column, count, part, share
from bpetk.analysis.character_data import UNIHAN
from bpetk.analysis.character_lists import Form, character_lists, forms
from bpetk.analysis.reachability import encodable, unknown_character
from bpetk.analysis.results import Chart, Column, Finding, Label, Section, Series, Table, share_text
from bpetk.analysis.scripts import HAN, class_of
from bpetk.analysis.token_table import Kind, TokenTable, over_characters
from bpetk.sp_tokenizer import SentencePieceTokenizer

if TYPE_CHECKING:
    from bpetk.tokenizer import Tokenizer

UNKNOWN = 0


def tokens_per_character(
    tokenizer: Tokenizer | SentencePieceTokenizer, chars: Sequence[str]
) -> NDArray[np.int64]:
    """Count the tokens of each character as it stands in running text, by encoding it.

    In a byte-level model that is the character alone. A model over characters may put a blank before a text; there the
    character stands between two that are in no token, whose own tokens are taken off.

    Returns
    -------
    numpy.ndarray
        int64, shape ``[len(chars)]``; 0 for a character that becomes the unknown token, or is refused.
    """
    unk, around = _unknown(tokenizer), ""
    if over_characters(tokenizer):
        around = unknown_character(_names(tokenizer))
    texts = [around * 2, *(around + char + around for char in chars)]
    allowed = set(encodable(tokenizer, texts))
    taken = [i for i, text in enumerate(texts) if text in allowed]
    encode: Any = tokenizer.encode_batch_flat
    ids, rows = encode([texts[i] for i in taken], disallowed_special=())
    counts = np.zeros(len(texts), np.int64)
    # Of unknown tokens, which may be one for several characters, none counts.
    counts[taken] = np.diff(np.concatenate([[0], np.cumsum(ids != unk)])[rows])
    found: NDArray[np.int64] = counts[1:] - counts[0]
    return np.maximum(found, UNKNOWN)


def _names(tokenizer: Any) -> Iterable[str]:
    """Give the tokens of a model over characters as its file has them."""
    if isinstance(tokenizer, SentencePieceTokenizer):
        return [piece.text for piece in tokenizer.model.pieces]
    texts: Mapping[int, str] = tokenizer.model.texts
    return texts.values()


def _unknown(tokenizer: Tokenizer | SentencePieceTokenizer) -> int:
    if over_characters(tokenizer):
        found = getattr(tokenizer, "unk_id", None)
        found = getattr(tokenizer.model, "unk_id", None) if found is None else found
    else:
        model: Any = tokenizer.model
        found = None if model.unk_token is None else model.string_id(model.unk_token)
    return -1 if found is None else int(found)


def _coverage_rows(tokenizer: Tokenizer | SentencePieceTokenizer) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for _, label, chars in character_lists():
        sizes = tokens_per_character(tokenizer, chars)
        one, two = int((sizes == 1).sum()), int((sizes == 2).sum())
        unknown = int((sizes == UNKNOWN).sum())
        missing = "".join(char for char, size in zip(chars, sizes.tolist(), strict=True) if size != 1)
        rest = len(chars) - one - two - unknown
        rows.append((label, len(chars), one, share(one, len(chars)), two, rest, unknown, missing[:24]))
    return rows


def coverage_section(tokenizer: Tokenizer | SentencePieceTokenizer) -> Section:
    """Count how many characters of each list are one token, two, three or more."""
    lists, rows = character_lists(), _coverage_rows(tokenizer)
    labels = tuple(row[0] for row in rows)
    parts = (
        (Label("One token", "一个词元"), 2),
        (Label("Two tokens", "两个词元"), 4),
        (Label("Three or more", "三个及以上"), 5),
        (Label("Unknown", "未知"), 6),
    )
    return Section(
        "han_coverage",
        Label("Han coverage", "汉字覆盖"),
        figures=tuple(
            part(
                f"han_{key}", label.en, label.zh, row[3],
                f"Share of its {row[1]:,} characters that are one token in running text.",
                f"该级 {row[1]:,} 字中，在文本里只占一个词元的字的比例。",
            )
            for (key, label, _), row in zip(lists, rows, strict=True)
        ),
        tables=(
            Table(
                "han_coverage",
                Label("Characters of the national standards", "国家标准字表的覆盖"),
                (
                    column("list", "List", "字表", "text"),
                    column("characters", "Characters", "字数"),
                    column("one", "One token", "一个词元"),
                    Column("one_share", Label("Share", "占比"), "share"),
                    column("two", "Two tokens", "两个词元"),
                    column("more", "Three or more", "三个及以上"),
                    column("unknown", "Unknown", "未知"),
                    column("missing", "First that are not one token", "前若干个非单词元字", "text"),
                ),
                tuple(rows),
                note=Label(
                    "Table of General Standard Characters (2013), by the property kTGH of Unihan "
                    f"{UNIHAN}; GB 2312 by Python's codec.",
                    f"《通用规范汉字表》（2013）据 Unihan {UNIHAN} 的 kTGH 属性；GB 2312 据 Python 编解码器。",
                ),
            ),
        ),
        charts=(
            Chart(
                "han_coverage_chart", Label("Tokens of a character, by level", "各级汉字所占词元数"), "stacked",
                Label("List", "字表"), Label("Share of its characters", "占该表字数的比例"),
                tuple(
                    Series(name, labels, tuple(share(int(row[at]), int(row[1])) for row in rows)) for name, at in parts
                ),
                y_kind="share",
            ),
        ),
        findings=_findings(rows[0]),
    )  # fmt: skip


def _findings(first: tuple[Any, ...]) -> tuple[Finding, ...]:
    found = float(first[3] or 0)
    if found >= 0.99:
        return ()
    level = "problem" if found < 0.5 else "warning"
    return (
        Finding(
            "han_coverage",
            "problem" if level == "problem" else "warning",
            Label(
                f"{share_text(1 - found)} of the 3,500 characters that everybody needs are not one token.",
                f"3,500 个一级常用字中有 {share_text(1 - found)} 不是一个词元。",
            ),
            Label(
                "Text with them costs more and is seen in broken characters. Train on more Chinese text, or with a "
                "larger vocabulary, or add them.",
                "含这些字的文本更费词元，模型看到的是字节片段。可增加中文训练文本、扩大词表，或补入这些字。",
            ),
        ),
    )


_WRITINGS = {
    "shared": Label("Shared by both", "简繁共用"),
    "simplified": Label("Only simplified", "仅简体"),
    "traditional": Label("Only traditional", "仅繁体"),
    "both": Label("Both mixed", "简繁混用"),
}


def _by_writing(table: TokenTable) -> tuple[dict[str, int], dict[str, int], dict[str, list[int]]]:
    """Count the tokens with Han characters and those of a single one, and give examples, by key of `_WRITINGS`."""
    known = forms()
    counts = dict.fromkeys(_WRITINGS, 0)
    singles = dict.fromkeys(_WRITINGS, 0)
    example: dict[str, list[int]] = {name: [] for name in _WRITINGS}
    for id in np.flatnonzero(table.n_han > 0).tolist():
        if table.kinds[id] == Kind.SPECIAL:
            continue
        text = table.text[id] or table.data[id].decode("utf-8", "ignore")
        found = {known[char] for char in text if char in known}
        name = (
            "both" if len(found) > 1 else "shared" if not found else "simplified" if Form.SIMPLIFIED in found
            else "traditional"
        )  # fmt: skip
        counts[name] += 1
        singles[name] += len(text) == 1 and class_of(text) == HAN
        if len(example[name]) < 6 and len(text) > 1:
            example[name].append(id)
    return counts, singles, example


def form_section(table: TokenTable) -> Section:
    """Count Han tokens by writing: with characters that are only simplified, only traditional, both, or neither."""
    counts, singles, example = _by_writing(table)
    total = sum(counts.values())
    return Section(
        "han_forms",
        Label("Simplified and traditional", "简体与繁体"),
        figures=(
            count(
                "han_tokens", "Tokens with Han characters", "含汉字的词元", total,
                "Tokens with at least one whole Han character, whatever else is in them.",
                "至少含一个完整汉字的词元，不论还含什么。",
            ),
            part(
                "traditional_share", "Of these only traditional", "其中仅繁体", share(counts["traditional"], total),
                "Tokens with characters that only traditional writing has, and none that only simplified has.",
                "含仅繁体使用的字、且不含仅简体使用的字的词元。",
            ),
        ),
        tables=(
            Table(
                "han_forms",
                Label("Tokens with Han characters by writing", "含汉字的词元按简繁统计"),
                (
                    column("writing", "Writing", "写法", "text"),
                    column("tokens", "Tokens", "词元数"),
                    Column("share", Label("Share", "占比"), "share"),
                    column("single", "Single characters", "单字"),
                    column("examples", "Examples", "例", "token"),
                ),
                tuple(
                    (
                        label,
                        counts[name],
                        share(counts[name], total),
                        singles[name],
                        "  ".join(map(table.readable, example[name])),
                    )
                    for name, label in _WRITINGS.items()
                ),
                note=Label(f"By Unihan {UNIHAN}", f"据 Unihan {UNIHAN}"),
            ),
        ),
    )  # fmt: skip
