"""An audit as figures, tables and findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bpetk.analysis.results import (
    Cell,
    Chart,
    Column,
    Figure,
    Finding,
    Label,
    Result,
    Section,
    Series,
    Table,
    share_text,
)
from bpetk.analysis.suspicion import KEYS, REASONS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bpetk.analysis.auditing import Audit

_LISTED = 1000
_NEIGHBOURS = 3
ENOUGH_TEXT = 20
"""Tokens of text for each of the vocabulary from which on it says something that one is never used."""

_TOKEN = Column("token", Label("token", "词元"), "token")
_ID = Column("id", Label("id", "编号"), "integer")
_COUNT = Column("count", Label("count", "次数"), "integer")

_LEVELS = {
    "denied": "problem",
    "polluted": "problem",
    "ill-formed": "problem",
    "odd-characters": "warning",
}
_ADVICE = {
    "polluted": Label(
        "Look at them in the table. Text of this kind was in the training text of the tokenizer: filter it and train "
        "again; a model hardly learns such tokens and may say them at odd times.",
        "请在表中逐一核对。分词器的训练文本混入了此类内容：清洗后重新训练；模型很难学好这类词元，还可能在不当的时候输出它们。",
    ),
    "concentrated": Label(
        "Look at the documents that they come from, for copies and templates; remove duplicates before training.",
        "检查其来源文档是否为重复或模板文本，训练前请去重。",
    ),
    "ill-formed": Label(
        "No text has them; something went wrong when the vocabulary was made.",
        "任何文本都不会用到，词表的制作过程可能有误。",
    ),
    "odd-characters": Label(
        "They come from badly decoded or machine-made text; clean it before training.",
        "多来自解码错误或机器生成的文本，训练前请清洗。",
    ),
    "scaffold": Label(
        "They were needed to build longer tokens and are rows of the embedding that are hardly trained.",
        "它们只是合成更长词元的中间步骤，对应的嵌入行几乎得不到训练。",
    ),
    "never-used": Label(
        "If the text is like that of the model, these rows of the embedding are never trained: a smaller vocabulary "
        "would do (see the curve).",
        "若该文本与模型的训练文本相似，这些嵌入行将得不到训练，可考虑更小的词表（见压缩曲线）。",
    ),
}
_MEANING = {
    "polluted": Label("long Han tokens on the deny list", "命中黑名单的长汉字词元"),
    "scaffold": Label(
        "made at least 100 times while the text was encoded, and left standing in at most 1 % of these",
        "编码过程中至少生成 100 次，但最终保留不超过 1 %",
    ),
    "never-used": Label("not once in the text", "在文本中一次也未出现"),
}


def audit_result(found: Audit, inputs: Mapping[str, Any], names: Sequence[str]) -> Result:
    """Make the result of an audit."""
    numbers, order = found.numbers(), found.order[: int(inputs["top"])]
    findings = tuple(_findings(found, numbers))
    review = Section(
        "review",
        Label("For review", "待审查"),
        figures=_figures(found, numbers),
        tables=(
            _rules(numbers),
            _review(found, order, len(found.order) - len(order)),
            _context(found, order, names),
        ),
        charts=(_chart(numbers),),
        findings=tuple(finding for finding in findings if finding.rule not in ("scaffold", "never-used")),
        note=Label(
            "A token in the table is not bad for that alone: a person has to look at it.",
            "列入表中并不代表有问题，需人工判断。",
        ),
    )
    unused = Section(
        "unused",
        Label("Hardly used", "几乎不用的词元"),
        tables=_unused(found),
        findings=tuple(finding for finding in findings if finding.rule in ("scaffold", "never-used")),
        note=None
        if found.scaffolds is not None
        else Label(f"Scaffolds are not told: {found.why_not}.", f"无法判断脚手架词元：{found.why_not}。"),
    )
    text = ", ".join(inputs["texts"])
    return Result(
        "audit",
        Label(
            f"Audit of {inputs['model']} on {text}",
            f"{inputs['model']} 的词表审查（文本：{'、'.join(inputs['texts'])}）",
        ),
        inputs,
        (review, unused),
        details={
            "rules": {
                rule: {"tokens": tokens, "of": of, "share": tokens / of if of else None}
                for rule, (tokens, of) in numbers.items()
            },
            "never_used_ids": found.never_used.tolist(),
            "scaffold_ids": None if found.scaffolds is None else found.scaffolds.tolist(),
            "why_not": found.why_not,
        },
    )


def _figures(found: Audit, numbers: Mapping[str, tuple[int, int]]) -> tuple[Figure, ...]:
    polluted, _ = numbers.get("polluted", (None, 0))
    long, _ = numbers["long-han"]
    never, ordinary = numbers["never-used"]
    return (
        Figure("tokens", Label("tokens of the text", "文本词元数"), int(found.use.counts.sum()), "integer"),
        Figure(
            "long_han_tokens",
            Label("long Han tokens", "长汉字词元"),
            long,
            "integer",
            Label("Tokens with more than two Han characters.", "含两个以上汉字的词元。"),
        ),
        Figure(
            "polluted_share",
            Label("polluted share", "污染比例"),
            polluted / long if long and polluted is not None else None,
            "share",
            Label(
                "Of the long Han tokens, those on the deny list. What is not on the list is not found, so a person "
                "would find more; and some that are on it may be harmless.",
                "长汉字词元中命中黑名单者的比例。名单之外的不会被发现，人工审查会发现更多；命中者也可能无害。",
            ),
        ),
        Figure(
            "never_used_share",
            Label("never used", "从未使用"),
            never / ordinary if ordinary else None,
            "share",
            Label(
                "Tokens of the vocabulary that this text does not have; it falls with more text.",
                "词表中未在此文本出现的词元比例；文本越多，比例越低。",
            ),
        ),
    )


def _rules(numbers: Mapping[str, tuple[int, int]]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for rule, (tokens, of) in numbers.items():
        meaning = REASONS[rule][2] if rule in REASONS else _MEANING[rule]
        rows.append((rule, meaning, tokens, of, tokens / of if of else None))
    return Table(
        "rules",
        Label("Rules", "规则"),
        (
            Column("rule", Label("rule", "规则"), "text"),
            Column("meaning", Label("meaning", "含义"), "text"),
            Column("tokens", Label("tokens", "词元数"), "integer"),
            Column("of", Label("of", "总数"), "integer"),
            Column("share", Label("share", "占比"), "share"),
        ),
        tuple(rows),
    )


def _chart(numbers: Mapping[str, tuple[int, int]]) -> Chart:
    keys = [rule for rule in KEYS if rule in numbers]
    names = tuple(REASONS[rule][1] for rule in keys)
    return Chart(
        "suspicious_tokens",
        Label("Tokens for review by rule", "各规则的待审词元数"),
        "bar",
        Label("rule", "规则"),
        Label("tokens", "词元数"),
        (Series(Label("tokens", "词元数"), names, tuple(numbers[rule][0] for rule in keys)),),
        y_kind="integer",
    )


def _review(found: Audit, order: NDArray[np.int64], more: int) -> Table:
    columns = (
        _TOKEN,
        Column("reasons", Label("reasons", "原因"), "text"),
        _COUNT,
        Column(
            "top_document",
            Label("top document", "最多的文档"),
            "share",
            help=Label("Share of the occurrences that are in one document.", "出现次数最多的文档所占比例。"),
        ),
        Column(
            "top_file",
            Label("top file", "最多的文件"),
            "share",
            help=Label("Share of the occurrences that are in one file.", "出现次数最多的文件所占比例。"),
        ),
        Column("pattern", Label("pattern", "命中模式"), "text"),
    )
    suspects, use, rows = found.suspects, found.use, []
    for at in order.tolist():
        id = int(suspects.ids[at])
        by_file = use.counts[:, id]
        count = int(by_file.sum())
        reasons = [rule for k, rule in enumerate(KEYS) if int(suspects.reasons[at]) >> k & 1]
        row: tuple[Cell, ...] = (
            found.table.readable(id),
            Label(", ".join(reasons), "、".join(REASONS[rule][1].zh for rule in reasons)),
            count,
            int(use.most[at]) / count if count else None,
            int(by_file.max()) / count if count else None,
            suspects.hits[at],
        )
        rows.append(row)
    return Table(
        "review",
        Label("Tokens to look at", "待审词元"),
        columns,
        tuple(rows),
        note=Label(
            "Ordered by points ("
            + ", ".join(f"{rule} {REASONS[rule][0]}" for rule in KEYS)
            + "), then longest and rarest first."
            + (f" {more:,} more tokens are not listed." if more else ""),
            "按分值排序（"
            + "，".join(f"{REASONS[rule][1].zh} {REASONS[rule][0]}" for rule in KEYS)
            + "），其次更长、更少见者在前。"
            + (f"另有 {more:,} 个未列出。" if more else ""),
        ),
    )


def _context(found: Audit, order: NDArray[np.int64], names: Sequence[str]) -> Table:
    table, use, rows = found.table, found.use, []
    for at in order.tolist():
        id = int(found.suspects.ids[at])
        file, document = use.place[at].tolist()
        where = f"{names[file]}: {document + 1:,}" if file >= 0 else None
        row: tuple[Cell, ...] = (
            table.readable(id),
            id,
            int(table.n_han[id]),
            int(table.n_chars[id]),
            int(use.documents[at]),
            where,
            _beside(found, at),
        )
        rows.append(row)
    return Table(
        "review_context",
        Label("The same tokens: where they stand", "同一批词元的出处与上下文"),
        (
            _TOKEN,
            _ID,
            Column("han", Label("Han", "汉字数"), "integer"),
            Column("characters", Label("characters", "字符数"), "integer"),
            Column("documents", Label("documents", "文档数"), "integer"),
            Column("where", Label("where most", "主要出处"), "text"),
            Column("neighbours", Label("neighbours", "邻接词元"), "text"),
        ),
        tuple(rows),
        note=Label(
            "File and document (a line, unless told otherwise) with most of them; what stands before | after most "
            "often.",
            "出现最多的文件和文档（默认每行为一篇）；邻接词元为最常见的前 | 后词元。",
        ),
        shown=5,
    )


def _beside(found: Audit, at: int) -> str | None:
    sides = [
        " ".join(found.table.readable(id) for id, _ in side.most_frequent(at, _NEIGHBOURS))
        for side in (found.use.before, found.use.after)
    ]
    return " | ".join(sides) if any(sides) else None


def _unused(found: Audit) -> tuple[Table, ...]:
    table, counts = found.table, found.use.counts.sum(axis=0)
    tables = []
    if found.scaffolds is not None and found.made is not None:
        made = found.made
        order = found.scaffolds[np.argsort(-made[found.scaffolds], kind="stable")][:_LISTED]
        tables.append(
            Table(
                "scaffolds",
                Label("Scaffold tokens", "脚手架词元"),
                (
                    _TOKEN,
                    _ID,
                    Column("made", Label("made", "生成次数"), "integer"),
                    Column("count", Label("left standing", "最终保留"), "integer"),
                ),
                tuple((table.readable(id), id, int(made[id]), int(counts[id])) for id in order.tolist()),
                note=_MEANING["scaffold"],
                shown=10,
            )
        )
    never = found.never_used
    order = never[np.lexsort((never, -table.n_chars[never], -table.n_han[never]))][:_LISTED]
    more = len(never) - len(order)
    tables.append(
        Table(
            "never_used",
            Label("Tokens that the text does not have", "文本中未出现的词元"),
            (_TOKEN, _ID, Column("han", Label("Han", "汉字数"), "integer")),
            tuple((table.readable(id), id, int(table.n_han[id])) for id in order.tolist()),
            note=Label(
                f"Most Han characters and longest first; {more:,} more are only in JSON, by id.",
                f"汉字多、较长者在前；其余 {more:,} 个仅在 JSON 中以编号列出。",
            )
            if more
            else None,
            shown=10,
        )
    )
    return tuple(tables)


def _findings(found: Audit, numbers: Mapping[str, tuple[int, int]]) -> list[Finding]:
    findings = []
    enough = int(found.use.counts.sum()) >= ENOUGH_TEXT * found.table.size
    for rule, (tokens, of) in numbers.items():
        if not tokens:
            continue
        meaning = REASONS[rule][2] if rule in REASONS else _MEANING[rule]
        share = share_text(tokens / of)
        level: Any = _LEVELS.get(rule, "info")
        advice = _ADVICE.get(rule)
        if rule == "never-used" and not enough:
            advice = Label(
                f"The text has fewer than {ENOUGH_TEXT} tokens for each of the vocabulary: more text says more.",
                f"文本词元数不足词表的 {ENOUGH_TEXT} 倍，增加文本后才更有说服力。",
            )
        findings.append(
            Finding(
                rule,
                level,
                Label(
                    f"{tokens:,} of {of:,} tokens ({share}): {meaning.en}.",
                    f"{of:,} 个词元中有 {tokens:,} 个（{share}）：{meaning.zh}。",
                ),
                advice,
            )
        )
    return findings
