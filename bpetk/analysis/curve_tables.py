"""The compression curve as a table, charts and advice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bpetk.analysis.languages import LANGUAGES
from bpetk.analysis.results import Cell, Chart, Column, Figure, Finding, Label, Result, Section, Series, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bpetk.analysis.compression_curve import CompressionCurve

TOTAL = "all"
NAMES: Mapping[str, Label] = {TOTAL: Label("all text", "全部文本"), **dict(LANGUAGES)}
_ROUND = (1, 1.5, 2, 3, 4, 6, 8)
_SHORT = {TOTAL: "全部", "zh": "中文", "en": "英文"}
_POINTS = 160
WINDOW = 1000
"""Ids at a time for which the gain is told."""
LITTLE = 100_000
"""Bytes of a language below which its curve is of chance as much as of the language."""

_TOKENS_PER_BYTE = Label(
    "Tokens of the text divided by its bytes (UTF-8, without line ends) with a vocabulary of this size; lower is "
    "cheaper. A Chinese character has three bytes, so values of different languages do not compare.",
    "该词表大小下，文本的词元总数除以字节总数（UTF-8，不含换行）；越低越省。一个汉字占三个字节，不同语言之间不可直接比较。",
)
_GAIN = Label(
    "Share of the tokens that the last 1,000 ids before this size save.",
    "到此大小为止的最后 1,000 个词元所节省的词元比例。",
)


def curve_result(found: CompressionCurve, inputs: Mapping[str, Any]) -> Result:
    """Make the result of a measured curve."""
    keys = [key for key in NAMES if key in found.tokens]
    section = Section(
        "curve",
        Label("Tokens by vocabulary size", "词元数与词表大小"),
        figures=_figures(found),
        tables=(_table(found, [key for key in keys if key in _SHORT]),),
        charts=tuple(_charts(found, keys)),
        findings=tuple(_findings(found, keys, inputs)),
        note=Label(
            "Every size is exact: it is what a tokenizer cut to, or trained to, that size gives.",
            "每个大小的数值都是精确的：与把分词器截断（或训练）到该大小得到的结果完全一致。",
        ),
    )
    text = ", ".join(inputs["texts"])
    return Result(
        "curve",
        Label(
            f"Compression curve of {inputs['model']} on {text}",
            f"{inputs['model']} 在 {'、'.join(inputs['texts'])} 上的压缩曲线",
        ),
        inputs,
        (section,),
        details={"tokens_by_size": _details(found, keys)},
    )


def _figures(found: CompressionCurve) -> tuple[Figure, ...]:
    sizes, tokens = found.sizes, found.tokens[TOTAL]
    return (
        Figure("vocabulary_size", Label("vocabulary", "词表大小"), int(sizes[-1]), "integer"),
        Figure(
            "smallest_size",
            Label("smallest size", "最小词表"),
            int(sizes[0]),
            "integer",
            Label(
                "What is left without any merge: special tokens and the alphabet, bytes or single characters.",
                "去掉所有合并后剩下的部分：特殊词元和基本字母表（字节或单个字符）。",
            ),
        ),
        Figure("bytes", Label("text", "文本"), found.bytes[TOTAL], "bytes"),
        Figure("tokens", Label("tokens", "词元数"), int(tokens[-1]), "integer"),
    )


def round_sizes(sizes: NDArray[np.int64]) -> list[int]:
    """Choose places of sizes that people like: round ones, the first and the last.

    Examples
    --------
    >>> sizes = np.arange(258, 4001)
    >>> sizes[round_sizes(sizes)].tolist()
    [258, 500, 1000, 1500, 2000, 3000, 4000]
    """
    first, last = int(sizes[0]), int(sizes[-1])
    ladder = [500, *(int(factor * 10**power) for power in range(3, 8) for factor in _ROUND)]
    found = {int(np.searchsorted(sizes, size, side="right")) - 1 for size in ladder if first < size < last}
    return sorted({0, *found, len(sizes) - 1})


def _table(found: CompressionCurve, keys: list[str]) -> Table:
    columns = [Column("size", Label("vocabulary", "词表大小"), "integer")]
    for key in keys:
        en, zh = key, _SHORT[key]
        columns += [
            Column(
                f"{key}_tokens_per_byte", Label(f"{en} tokens/byte", f"{zh}词元/字节"), help=_TOKENS_PER_BYTE
            ),
            Column(f"{key}_gain", Label(f"{en} gain/1,000", f"{zh}每千词元增益"), "share", help=_GAIN),
        ]
    rows = []
    for at in round_sizes(found.sizes):
        size = int(found.sizes[at])
        row: list[Cell] = [size]
        for key in keys:
            row += [int(found.tokens[key][at]) / found.bytes[key], found.gain(size, key)]
        rows.append(tuple(row))
    return Table(
        "sizes",
        Label("Cost by vocabulary size", "不同词表大小的成本"),
        tuple(columns),
        tuple(rows),
        note=Label(
            "Bytes are those of the documents as UTF-8. The gain is of the 1,000 ids before the size.",
            "字节数为文档的 UTF-8 字节数。增益指到该大小为止的最后 1,000 个词元所节省的词元比例。",
        ),
        shown=40,
    )


def _charts(found: CompressionCurve, keys: list[str]) -> list[Chart]:
    sizes = found.sizes
    # Evenly over the logarithm of the size, as the chart draws it.
    wanted = np.geomspace(max(1, int(sizes[0])), int(sizes[-1]), _POINTS)
    places = np.unique(np.searchsorted(sizes, wanted, side="right").clip(1) - 1).tolist()
    places = sorted({0, *places, len(sizes) - 1})
    x = tuple(int(sizes[at]) for at in places)
    cost = tuple(
        Series(NAMES[key], x, tuple(int(found.tokens[key][at]) / found.bytes[key] for at in places))
        for key in keys
    )
    gain = tuple(Series(NAMES[key], x, tuple(found.gain(size, key) for size in x)) for key in keys)
    size_label = Label("vocabulary size", "词表大小")
    charts = [
        Chart(
            "tokens_per_byte",
            Label("Tokens per byte", "每字节词元数"),
            "line",
            size_label,
            Label("tokens per byte", "词元/字节"),
            cost,
            log_x=True,
            note=_TOKENS_PER_BYTE,
        ),
        Chart(
            "gain_per_thousand",
            Label("What the last 1,000 tokens save", "最后 1,000 个词元的收益"),
            "line",
            size_label,
            Label("share of tokens saved", "节省的词元比例"),
            gain,
            y_kind="share",
            log_x=True,
            note=_GAIN,
        ),
    ]
    # Without 1,000 ids above the smallest size there is no gain to draw.
    return charts if found.gain(int(sizes[-1])) is not None else charts[:1]


def _findings(found: CompressionCurve, keys: list[str], inputs: Mapping[str, Any]) -> list[Finding]:
    threshold = float(inputs["threshold"])
    findings = [
        _advice(found, key, threshold)
        for key in keys
        if (key == TOTAL or (key in _SHORT and found.bytes[key] >= LITTLE))
        and found.gain(int(found.sizes[-1]), key) is not None
    ]
    if inputs["trained"]:
        findings.append(
            Finding(
                "measured-on-training-text",
                "warning",
                Label(
                    "This was measured on the text that was learned from, where every token is worth more than on "
                    "other text.",
                    "这是在训练文本上测得的，每个词元的收益都会比在其他文本上更高。",
                ),
                Label(
                    "Measure on text that was kept apart (--on FILE).",
                    "请用未参与训练的文本测量（--on FILE）。",
                ),
            )
        )
    if (asked := inputs.get("asked_for", 0)) > (size := int(found.sizes[-1])):
        findings.append(
            Finding(
                "fewer-tokens",
                "warning",
                Label(
                    f"Training ended at {size:,} tokens, {asked:,} were asked for: the text gives no more.",
                    f"训练到 {size:,} 个词元即结束，少于所要求的 {asked:,} 个：文本只够得到这么多。",
                ),
                Label("Train on more text, or ask for fewer.", "请使用更多训练文本，或减小词表。"),
            )
        )
    if found.bytes[TOTAL] < LITTLE:
        findings.append(
            Finding(
                "little-text",
                "warning",
                Label(
                    f"The text has only {found.bytes[TOTAL]:,} bytes: the curve is of chance as much as of the "
                    "language.",
                    f"文本只有 {found.bytes[TOTAL]:,} 字节，曲线受偶然因素影响很大。",
                ),
                Label("Use some megabytes of each language.", "建议每种语言使用数 MB 文本。"),
            )
        )
    return findings


def _advice(found: CompressionCurve, key: str, threshold: float) -> Finding:
    size = found.enough(key, threshold=threshold)
    last = int(found.sizes[-1])
    share = f"{threshold:.2%}".replace("%", " %")
    name = NAMES[key]
    # A size that near to the end says no more than that it ends there.
    if size is None or last - size < WINDOW:
        shown = f"{found.gain(last, key) or 0.0:.2%}".replace("%", " %")
        return Finding(
            f"still-growing-{key}",
            "info",
            Label(
                f"{name.en}: the last 1,000 of {last:,} tokens still save {shown} of the tokens.",
                f"{name.zh}：{last:,} 个词元中最后 1,000 个仍节省 {shown} 的词元。",
            ),
            Label(
                "A larger vocabulary would shorten this text further; whether it is worth the rows of the embedding "
                "depends on the size of the model.",
                "更大的词表还能进一步缩短文本；是否值得增加嵌入矩阵的行数取决于模型规模。",
            ),
        )
    tokens = found.tokens[key]
    at = int(np.searchsorted(found.sizes, size))
    rest = (int(tokens[at]) - int(tokens[-1])) / int(tokens[at]) if tokens[at] else 0.0
    saved = f"{rest:.1%}".replace("%", " %")
    return Finding(
        f"enough-{key}",
        "info",
        Label(
            f"{name.en}: from {size:,} ids on, every further 1,000 save less than {share}; all {last - size:,} "
            f"that follow save {saved} together.",
            f"{name.zh}：从 {size:,} 个词元起，每再增加 1,000 个所节省的词元都低于 {share}；"
            f"其后的 {last - size:,} 个合计节省 {saved}。",
        ),
        Label(
            f"About {_rounded(size):,} tokens are a good size for text like this, if each 1,000 rows of the embedding "
            f"should save at least {share}.",
            f"若要求每 1,000 行嵌入至少节省 {share} 的词元，这类文本约 {_rounded(size):,} 的词表即可。",
        ),
    )


def _rounded(size: int) -> int:
    return max(1000, -(-size // 1000) * 1000) if size > 1000 else size


def _details(found: CompressionCurve, keys: list[str]) -> dict[str, Any]:
    """Give the tokens at many sizes: every 1,000th, every 100th of a vocabulary below 20,000."""
    step = 100 if found.sizes[-1] < 20_000 else 1000
    inside = np.flatnonzero(found.sizes % step == 0).tolist()
    places = sorted({0, *inside, len(found.sizes) - 1})
    return {
        "sizes": found.sizes[places].tolist(),
        "tokens": {key: found.tokens[key][places].tolist() for key in keys},
        "bytes": {key: found.bytes[key] for key in keys},
    }
