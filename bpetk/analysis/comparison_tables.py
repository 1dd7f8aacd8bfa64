"""A comparison of tokenizers as tables, charts and findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bpetk.analysis.languages import LANGUAGES, Language
from bpetk.analysis.results import Cell, Chart, Column, Finding, Label, Result, Section, Series, Table
from bpetk.analysis.scripts import HAN
from bpetk.analysis.text_costs import ratio
from bpetk.analysis.token_table import Integrity, Kind

if TYPE_CHECKING:
    from bpetk.analysis.comparison import ModelCosts, Overlap
    from bpetk.analysis.text_counts import TextCounts

MODEL = Column("model", Label("model", "模型"), "text")
DEAR = 1.25
"""Times the tokens of the best from which on a model is said to be dear."""
SPEED_BYTES = 1_000_000
"""Bytes of text below which no model is said to be the fastest: the time is mostly chance."""
_SHORT = {"zh": "中文", "en": "英文", "mixed": "混合", "other": "其他"}


def compare_result(
    costs: Sequence[ModelCosts],
    pairs: Sequence[Overlap],
    inputs: Mapping[str, Any],
) -> Result:
    """Make the result of a comparison."""
    sections = [_vocabularies(costs), _costs(costs), _overlap(pairs, inputs)]
    if any(cost.seconds is not None for cost in costs):
        sections.append(_speed(costs, inputs))
    names, text = " · ".join(cost.name for cost in costs), ", ".join(inputs["texts"])
    return Result(
        "compare",
        Label(f"{names} on {text}", f"{names}（文本：{'、'.join(inputs['texts'])}）"),
        inputs,
        tuple(sections),
    )


def _vocabularies(costs: Sequence[ModelCosts]) -> Section:
    rows: list[tuple[Cell, ...]] = []
    for cost in costs:
        tokens = cost.table
        ids = tokens.ids()
        normal = tokens.ids(Kind.NORMAL)
        han = int(np.count_nonzero(tokens.script[ids] == HAN))
        broken = int(np.count_nonzero(tokens.integrity[normal] != Integrity.WHOLE))
        rows.append((cost.name, len(ids), tokens.size, len(tokens.ids(Kind.SPECIAL)), han, broken))
    table = Table(
        "vocabularies",
        Label("Vocabularies", "词表"),
        (
            MODEL,
            Column("tokens", Label("tokens", "词元数"), "integer"),
            Column(
                "rows",
                Label("rows", "行数"),
                "integer",
                help=Label("Highest id + 1: rows of an embedding.", "最大编号加一，即嵌入矩阵的行数。"),
            ),
            Column("special", Label("special", "特殊词元"), "integer"),
            Column(
                "han",
                Label("Han", "汉字词元"),
                "integer",
                help=Label("Tokens whose letters are all Han.", "文字部分全为汉字的词元。"),
            ),
            Column(
                "broken",
                Label("parts of characters", "字符片段"),
                "integer",
                help=Label(
                    "Tokens of several bytes that are not whole characters; single bytes are not counted.",
                    "由多个字节组成但不是完整字符的词元；单字节词元不计。",
                ),
            ),
        ),
        tuple(rows),
    )
    return Section("vocabularies", Label("Vocabularies", "词表"), tables=(table,))


def _present(counts: TextCounts) -> list[Language]:
    return [language for language in Language if counts.value("bytes", language=language)]


def _bytes_of(cost: ModelCosts, language: Language | None = None) -> float | None:
    """Bytes per token."""
    value = cost.counts.value
    return ratio(value("bytes", language=language), value("tokens", language=language))


def _costs(costs: Sequence[ModelCosts]) -> Section:
    present = _present(costs[0].counts)
    tables = [_bytes_per_token(costs, present), _fertility(costs)]
    if any(cost.parallel for cost in costs):
        tables.append(_parallel(costs))
    names = tuple(cost.name for cost in costs)
    chart = Chart(
        "bytes_per_token_by_language",
        Label("Bytes per token", "每词元字节数"),
        "bar",
        MODEL.label,
        Label("bytes per token", "字节/词元"),
        tuple(Series(LANGUAGES[k][1], names, tuple(_bytes_of(cost, k) for cost in costs)) for k in present),
        note=Label("Higher is cheaper, for one language at a time.", "同一语言内，越高越省。"),
    )
    return Section(
        "costs",
        Label("What the text costs", "文本成本"),
        tables=tuple(tables),
        charts=(chart,),
        findings=tuple(_findings(costs, present)),
        note=Label(
            "Languages are told from the scripts of each document; ratios are of totals. Special tokens in the text "
            "count as ordinary text, and nothing is added around a document.",
            "语言按每篇文档的文字构成判定；所有比率均为总量之比。文本中的特殊词元按普通文本计，文档前后不添加任何词元。",
        ),
    )


def _bytes_per_token(costs: Sequence[ModelCosts], present: list[Language]) -> Table:
    help = Label(
        "Bytes of the documents (UTF-8) divided by their tokens; higher is cheaper. A Chinese character has three "
        "bytes, so compare models, not languages.",
        "文档字节数（UTF-8）除以词元数；越高越省。一个汉字占三个字节，因此只宜比较模型，不宜比较语言。",
    )
    columns = [
        MODEL,
        Column("all", Label("all", "全部"), "number", "higher", help),
        *(
            Column(LANGUAGES[k][0], Label(LANGUAGES[k][0], _SHORT[LANGUAGES[k][0]]), "number", "higher", help)
            for k in present
        ),
        Column("tokens", Label("tokens", "词元数"), "integer", "lower"),
    ]
    rows: list[tuple[Cell, ...]] = [
        (
            cost.name,
            _bytes_of(cost),
            *(_bytes_of(cost, k) for k in present),
            cost.counts.value("tokens"),
        )
        for cost in costs
    ]
    return Table("bytes_per_token", Label("Bytes per token", "每词元字节数"), tuple(columns), tuple(rows))


def _fertility(costs: Sequence[ModelCosts]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for cost in costs:
        value = cost.counts.value
        han = value("class_characters_0", language=Language.ZH)
        row: tuple[Cell, ...] = (
            cost.name,
            ratio(value("word_tokens"), value("words")),
            ratio(value("tokens", language=Language.ZH), han),
            ratio(value("characters"), value("tokens")),
        )
        rows.append(row)
    return Table(
        "fertility",
        Label("Tokens per word and per Chinese character", "每词、每汉字词元数"),
        (
            MODEL,
            Column(
                "tokens_per_word",
                Label("tokens/English word", "词元/英文词"),
                "number",
                "lower",
                Label(
                    "Tokens that hold any part of a word, divided by words (fertility, Rust et al. 2021). A word is a "
                    "run of Latin letters, with apostrophes inside.",
                    "包含词的任一部分的词元数除以词数（即 fertility，Rust 等，2021）。词为连续的拉丁字母，可含撇号。",
                ),
            ),
            Column(
                "tokens_per_han",
                Label("tokens/Chinese character", "词元/汉字"),
                "number",
                "lower",
                Label(
                    "Tokens of the Chinese documents, punctuation and Latin letters included, divided by their Han "
                    "characters.",
                    "中文文档的全部词元数（含标点和字母）除以其中的汉字数。",
                ),
            ),
            Column("characters_per_token", Label("characters/token", "字符/词元"), "number", "higher"),
        ),
        tuple(rows),
    )


def _parallel(costs: Sequence[ModelCosts]) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (cost.name, *cost.parallel.tokens, ratio(*cost.parallel.tokens))
        for cost in costs
        if cost.parallel is not None
    ]
    return Table(
        "premium",
        Label("The same content in both languages", "相同内容的双语成本"),
        (
            MODEL,
            Column("zh_tokens", Label("Chinese tokens", "中文词元数"), "integer", "lower"),
            Column("en_tokens", Label("English tokens", "英文词元数"), "integer", "lower"),
            Column(
                "premium",
                Label("premium zh/en", "中英溢价"),
                help=Label(
                    "Tokens of the Chinese side divided by those of the English side (Petrov et al. 2023). At 1 the "
                    "same content costs the same; above 1 Chinese costs more.",
                    "平行文本中文词元数除以英文词元数（Petrov 等，2023）。"
                    "等于 1 表示同样内容成本相同，大于 1 表示中文更贵。",
                ),
            ),
        ),
        tuple(rows),
    )


def _findings(costs: Sequence[ModelCosts], present: list[Language]) -> list[Finding]:
    findings = []
    for k in present:
        if k not in (Language.ZH, Language.EN):
            continue
        key, name = LANGUAGES[k]
        tokens = {cost.name: cost.counts.value("tokens", language=k) for cost in costs}
        best, fewest = min(tokens.items(), key=lambda item: item[1])
        if not fewest:
            continue
        value = costs[0].counts.value("bytes", language=k) / fewest
        equal = [model for model, number in tokens.items() if number == fewest]
        ens, zhs = ", ".join(equal), "、".join(equal)
        findings.append(
            Finding(
                f"best-{key}",
                "info",
                Label(
                    f"{name.en}: {best} needs the fewest tokens, {value:.2f} bytes per token.",
                    f"{name.zh}：{best} 所需词元最少，每词元 {value:.2f} 字节。",
                ),
            )
            if len(equal) == 1
            else Finding(
                f"equal-{key}",
                "info",
                Label(
                    f"{name.en}: {ens} need equally many tokens, {value:.2f} bytes per token.",
                    f"{name.zh}：{zhs} 所需词元数相同，每词元 {value:.2f} 字节。",
                ),
            )
        )
        for model, number in tokens.items():
            times = number / fewest
            if times >= DEAR:
                findings.append(
                    Finding(
                        f"dear-{key}",
                        "warning",
                        Label(
                            f"{name.en}: {model} needs {times:.2f} times the tokens of {ens}.",
                            f"{name.zh}：{model} 所需词元是 {zhs} 的 {times:.2f} 倍。",
                        ),
                        Label(
                            "The same text then fills that much more of the context and costs that much more to train "
                            "on.",
                            "同样的文本会多占相应的上下文长度和训练成本。",
                        ),
                    )
                )
    return findings


def _overlap(pairs: Sequence[Overlap], inputs: Mapping[str, Any]) -> Section:
    sample = inputs["sample"]
    what = f"{sample['bytes']:,} bytes" if sample["whole"] else f"a sample of {sample['bytes']:,} bytes"
    table = Table(
        "overlap",
        Label("What they have in common", "共同之处"),
        (
            Column("first", Label("model", "模型"), "text"),
            Column("second", Label("and model", "与模型"), "text"),
            Column("shared", Label("shared tokens", "共有词元"), "integer"),
            Column(
                "jaccard",
                Label("Jaccard", "Jaccard 系数"),
                "share",
                help=Label(
                    "Byte strings that are a token in both, divided by those in either; special tokens are left out.",
                    "两者共有的词元字节串占并集的比例，不含特殊词元。",
                ),
            ),
            Column(
                "renumbered",
                Label("other id", "编号不同"),
                "integer",
                help=Label(
                    "Shared tokens whose ids differ: their embeddings have to be moved.",
                    "共有但编号不同的词元；迁移时需要搬动对应的嵌入行。",
                ),
            ),
            Column("only_first", Label("only first", "仅前者"), "integer"),
            Column("only_second", Label("only second", "仅后者"), "integer"),
            Column(
                "boundaries",
                Label("same boundaries", "边界一致"),
                "share",
                help=Label(
                    "Places in the text (by bytes) where a token ends that both have, divided by those of either, in "
                    "the sample. The bytes of a character in several tokens count; a blank put in front does not.",
                    "样本中两者共有的词元边界（按字节位置）占并集的比例。"
                    "被拆成多个词元的字符，其内部字节边界计入；文本前自动添加的空格不计。",
                ),
            ),
        ),
        tuple(
            (
                pair.first,
                pair.second,
                pair.shared,
                pair.jaccard,
                pair.renumbered,
                pair.only_first,
                pair.only_second,
                pair.boundaries,
            )
            for pair in pairs
        ),
        note=Label(
            f"Boundaries: {what}, seed {sample['seed']}.",
            f"边界取自{'全部' if sample['whole'] else '抽样'}文本 {sample['bytes']:,} 字节，"
            f"随机种子 {sample['seed']}。",
        ),
    )
    return Section("overlap", Label("Overlap", "重合度"), tables=(table,))


def _speed(costs: Sequence[ModelCosts], inputs: Mapping[str, Any]) -> Section:
    size, threads = int(inputs["bytes"]), inputs["threads"]
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (cost.name, round(size / 1e6 / cost.seconds, 1) if cost.seconds else None, cost.seconds)
        for cost in costs
    )
    enough = size >= SPEED_BYTES
    return Section(
        "speed",
        Label("Speed", "速度"),
        tables=(
            Table(
                "speed",
                Label("Encoding", "编码"),
                (
                    MODEL,
                    Column(
                        "megabytes_per_second", Label("MB/s", "MB/秒"), "rate", "higher" if enough else None
                    ),
                    Column("seconds", Label("time", "用时"), "seconds", "lower" if enough else None),
                ),
                rows,
                note=Label(
                    f"All the text once, {size:,} bytes, threads: {threads or 'all cores'}. It is of bpetk, here and "
                    "now: another run or machine gives other numbers.",
                    f"对全部文本（{size:,} 字节）编码一次，线程数：{threads or '全部核心'}。"
                    "此为 bpetk 在本机此时的速度，换一次运行或机器会不同。",
                ),
            ),
        ),
    )
