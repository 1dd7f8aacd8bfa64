"""Tokens that differ in one thing only: a blank in front, case, width, simplified or traditional writing.

Tokens are twins in one of these ways if they become equal when just that is taken away. Twins are no fault: most are
needed. Their number says how much of the vocabulary is spent on telling these things apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import NamedTuple

from bpetk.analysis.building import count, share
from bpetk.analysis.character_data import UNIHAN
from bpetk.analysis.character_lists import simplified_table
from bpetk.analysis.results import Column, Finding, Label, Section, Table
from bpetk.analysis.token_table import Kind, TokenTable
from bpetk.normalizers import Normalizer, normalizer_from_hf

Fold = Callable[[list[str]], list[str]]


class _Way(NamedTuple):
    key: str
    label: Label
    help: Label
    fold: Fold


def _without_blank(texts: list[str]) -> list[str]:
    return [text[1:] if text[:1] == " " and text[1:2] not in ("", " ") else text for text in texts]


@cache
def _normalizer(kind: str) -> Normalizer:
    """Give a normalizer of Unicode 16.0: Python's own tables change with its version."""
    found = normalizer_from_hf({"type": kind})
    assert found is not None
    return found


def _normalized(kind: str, texts: list[str]) -> list[str]:
    """Normalize texts in one go, with a character between them that no normalization touches."""
    mark = next(chr(cp) for cp in range(0x10FFFF, 0, -1) if not any(chr(cp) in text for text in texts))
    return _normalizer(kind).normalize(mark.join(texts)).split(mark)


def _compatible(texts: list[str]) -> list[str]:
    return _normalized("NFKC", texts)


def _lower(texts: list[str]) -> list[str]:
    return _normalized("Lowercase", texts)


def _simplified(texts: list[str]) -> list[str]:
    table = simplified_table()
    return [text if text.isascii() else text.translate(table) for text in texts]


WAYS = (
    _Way(
        "leading_space",
        Label("A blank in front", "前导空格"),
        Label(
            "Such as “the” and “ the”. Usual where words are cut with the blank before them.",
            "例如 “the” 与 “ the”。按“空格加词”切分时很常见。",
        ),
        _without_blank,
    ),
    _Way(
        "case",
        Label("Case", "大小写"),
        Label("Such as “The” and “the”; the blank in front stays.", "例如 “The” 与 “the”；前导空格保留。"),
        _lower,
    ),
    _Way(
        "width",
        Label("Width and other compatible forms (NFKC)", "全角半角等兼容形式（NFKC）"),
        Label(
            "Such as “，” and “,”, “Ａ” and “A”, “①” and “1”. Many of these mean that the text was not made uniform.",
            "例如 “，” 与 “,”、“Ａ” 与 “A”、“①” 与 “1”。数量多说明训练文本没有统一写法。",
        ),
        _compatible,
    ),
    _Way(
        "traditional",
        Label("Traditional and simplified", "繁体与简体"),
        Label(
            "Such as “國” and “国”, by the Unihan database, characters with one simplified form only.",
            "例如 “國” 与 “国”，按 Unihan 数据库，只计只有一个简体形式的字。",
        ),
        _simplified,
    ),
)


def twins(table: TokenTable, fold: Fold) -> Iterator[tuple[int, ...]]:
    """Give groups of tokens that become equal, in order of the lowest id of each; special tokens are left out.

    Parameters
    ----------
    table
        The vocabulary.
    fold
        Takes away what they may differ in, from all texts.
    """
    texts = table.text
    asked = {id: text for id in table.ids(Kind.NORMAL, Kind.ADDED, Kind.BYTE).tolist() if (text := texts[id])}
    folded = fold(list(asked.values()))
    often = {text for text, number in Counter(folded).items() if number > 1}
    groups: dict[str, list[int]] = {}
    for id, text in zip(asked, folded, strict=True):
        if text in often:
            groups.setdefault(text, []).append(id)
    for ids in groups.values():
        if len({texts[id] for id in ids}) > 1:
            yield tuple(ids)


def twin_section(table: TokenTable) -> Section:
    """Count twins in each way, with the first groups as examples; and ids that stand for one and the same text."""
    total = len(table.ids(Kind.NORMAL, Kind.ADDED, Kind.BYTE))
    figures, rows = [], []
    for way in WAYS:
        groups = list(twins(table, way.fold))
        tokens = sum(map(len, groups))
        figures.append(count(f"twins_{way.key}", *way.label, tokens, *way.help))
        rows.append((way.label, len(groups), tokens, share(tokens, total), _examples(table, groups)))
    same = _same_text(table)
    findings: tuple[Finding, ...] = ()
    if same:
        findings = (
            Finding(
                "same_text",
                "info",
                Label(
                    f"{sum(map(len, same)):,} ids share their text with another id.",
                    f"有 {sum(map(len, same)):,} 个编号与另一编号的文本相同。",
                ),
                Label(
                    "Normal for bytes that a model falls back to, and for special tokens that are also spelled out; "
                    "otherwise decoding cannot tell them apart.",
                    "对回退用的字节词元和可拼写出的特殊词元属正常；否则解码后无法区分。",
                ),
            ),
        )
    return Section(
        "twins",
        Label("Twins", "孪生词元"),
        figures=(
            *figures,
            count(
                "same_text",
                "Ids with the text of another id",
                "与另一编号文本相同的编号",
                sum(map(len, same)),
                "They decode alike. Special tokens are left out.",
                "解码结果相同。不含特殊词元。",
            ),
        ),
        tables=(
            Table(
                "twins",
                Label("Tokens that differ in one thing only", "只在一点上不同的词元"),
                (
                    Column("difference", Label("Difference", "差别"), "text"),
                    Column("groups", Label("Groups", "组数"), "integer"),
                    Column("tokens", Label("Tokens", "词元数"), "integer"),
                    Column("share", Label("Share", "占比"), "share"),
                    Column("examples", Label("Examples", "例"), "token"),
                ),
                tuple(rows),
                note=Label(f"Simplified forms by Unihan {UNIHAN}", f"简体形式据 Unihan {UNIHAN}"),
            ),
        ),
        findings=findings,
    )


def _examples(table: TokenTable, groups: Iterable[tuple[int, ...]]) -> str:
    chosen = sorted(groups, key=lambda ids: max(ids))[:4]
    return "  ".join(" / ".join(map(table.readable, ids[:3])) for ids in chosen)


def _same_text(table: TokenTable) -> list[list[int]]:
    asked = [id for id in table.ids(Kind.NORMAL, Kind.ADDED, Kind.BYTE).tolist() if table.data[id]]
    often = {data for data, number in Counter(map(table.data.__getitem__, asked)).items() if number > 1}
    groups: dict[bytes, list[int]] = {data: [] for data in often}
    for id in asked:
        if table.data[id] in often:
            groups[table.data[id]].append(id)
    return sorted(groups.values())
