"""How much of a vocabulary a text uses, and how evenly: the sections made of token counts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bpetk.analysis.information import (
    ALPHA,
    HEAD_SHARE,
    SHRINK,
    WIDTH,
    efficiency,
    entropy,
    frequency_classes,
    rank_covering,
    rank_frequency,
    softmax_plan,
    spread_ranks,
    zipf_fit,
)
from bpetk.analysis.languages import LANGUAGES, Language
from bpetk.analysis.results import Cell, Chart, Column, Figure, Finding, Label, Section, Series, Table
from bpetk.analysis.text_costs import ratio
from bpetk.analysis.text_counts import TextCounts
from bpetk.analysis.token_table import Kind, TokenTable

THRESHOLDS = (1, 10, 100)
_SHOWN = 50
_UNUSED = 0.3
_POINTS = 120
_ENOUGH_TOKENS = 100  # occurrences for each token of the vocabulary from which on never seen says something


def use_section(counts: TextCounts, table: TokenTable) -> Section:
    """Say how many tokens of the vocabulary the text uses."""
    seen = counts.token_counts.sum(axis=0)
    ids = table.ids(Kind.NORMAL, Kind.ADDED, Kind.BYTE)
    used = seen[ids]
    figures = (
        Figure("vocabulary", Label("tokens that text can have", "可用于文本的词元数"), len(ids), "integer"),
        *(
            Figure(
                f"seen_{k}_share",
                Label(f"seen {k} times or more" if k > 1 else "seen at all", f"出现至少 {k} 次的占比"),
                ratio(int((used >= k).sum()), len(ids)),
                "share",
            )
            for k in THRESHOLDS
        ),
        Figure(
            "never_seen",
            Label("never seen", "从未出现的词元数"),
            int((used == 0).sum()),
            "integer",
            Label(
                "In this text. Single bytes and rare characters are needed all the same; a larger or another text "
                "sees more.",
                "仅就此文本而言。单字节与罕用字仍有必要；文本更大或更换后会出现更多。",
            ),
        ),
        Figure(
            "rank_95",
            Label("tokens that make up 95 % of the text", "占文本 95% 的词元种数"),
            rank_covering(seen, 0.95),
            "integer",
        ),
    )
    tables = (_most_frequent(seen, table), _never_seen(seen, table))
    return Section(
        "vocabulary_use",
        Label("Use of the vocabulary", "词表使用"),
        figures,
        tuple(found for found in tables if found.rows),
        (),
        _findings(seen, used),
    )


def _most_frequent(seen: NDArray[Any], table: TokenTable) -> Table:
    total = int(seen.sum())
    order = np.lexsort((np.arange(len(seen)), -seen))[:_SHOWN]
    rows: list[tuple[Cell, ...]] = [
        (rank, int(id), table.readable(int(id)), int(seen[id]), ratio(int(seen[id]), total))
        for rank, id in enumerate(order, 1)
        if seen[id]
    ]
    return Table(
        "most_frequent",
        Label("Most frequent tokens", "最常见的词元"),
        (
            Column("rank", Label("rank", "排名"), "integer"),
            Column("id", Label("id", "编号"), "integer"),
            Column("token", Label("token", "词元"), "token"),
            Column("count", Label("times", "次数"), "integer"),
            Column("share", Label("share", "占比"), "share"),
        ),
        tuple(rows),
        shown=20,
    )


def _never_seen(seen: NDArray[Any], table: TokenTable) -> Table:
    ids = table.ids(Kind.NORMAL, Kind.ADDED)
    unseen = ids[seen[ids] == 0].tolist()
    return Table(
        "first_never_seen",
        Label("Tokens never seen, lowest ids", "从未出现的词元（编号最小者）"),
        (
            Column("id", Label("id", "编号"), "integer"),
            Column("token", Label("token", "词元"), "token"),
        ),
        tuple((id, table.readable(id)) for id in unseen[:_SHOWN]),
        note=Label(
            "A low id was learnt early, from much text: if it is never seen here, that text was unlike this one.",
            "编号小说明在训练中学得早、语料多：若此处从未出现，说明训练语料与此文本不同。",
        ),
        shown=10,
    )


def _findings(seen: NDArray[Any], used: NDArray[Any]) -> tuple[Finding, ...]:
    unseen = ratio(int((used == 0).sum()), len(used))
    if unseen is None or unseen < _UNUSED or int(seen.sum()) < _ENOUGH_TOKENS * len(used):
        return ()
    return (
        Finding(
            "unused-vocabulary",
            "info",
            Label(
                f"{unseen * 100:.0f} % of the vocabulary does not occur in {int(seen.sum()):,} tokens of this text.",
                f"在此文本的 {int(seen.sum()):,} 个词元中，词表的 {unseen * 100:.0f}% 没有出现。",
            ),
            Label(
                "If this is the text you train on, a smaller vocabulary saves parameters: see the compression curve.",
                "若这就是训练语料，缩小词表可节省参数：请看压缩曲线。",
            ),
        ),
    )


def information_section(counts: TextCounts, table: TokenTable) -> Section:
    """Say how evenly tokens are used, and how frequencies fall with the rank."""
    seen = counts.token_counts.sum(axis=0)
    size, observed, fit = len(table.ids()), int((seen > 0).sum()), zipf_fit(seen)
    caveat = Label(
        "Evenness of use, no measure of quality: there are tokenizers for which it rises while results get worse "
        "(Cognetta et al. 2024).",
        "衡量使用的均匀程度，而非质量：有的分词器该值上升而效果变差（Cognetta 等 2024）。",
    )
    figures = (
        Figure(
            "entropy_bits",
            Label("Shannon entropy, bits per token", "香农熵（比特/词元）"),
            entropy(seen),
        ),
        Figure(
            "shannon_efficiency",
            Label("Shannon efficiency", "香农效率"),
            efficiency(seen, size),
            "share",
            Label(
                f"Entropy divided by log2 of the vocabulary's {size:,} tokens.",
                f"熵除以 log2(词表的 {size:,} 个词元)。",
            ),
        ),
        Figure(
            "shannon_efficiency_observed",
            Label("the same, of the tokens that were seen", "同上，仅计出现过的词元"),
            efficiency(seen, observed),
            "share",
            Label(f"Divided by log2 of {observed:,}.", f"除以 log2({observed:,})。"),
        ),
        Figure(
            "renyi_efficiency",
            Label(f"Rényi efficiency, α = {ALPHA}", f"Rényi 效率，α = {ALPHA}"),
            efficiency(seen, size, ALPHA),
            "share",
            caveat,
        ),
        Figure(
            "renyi_efficiency_observed",
            Label("the same, of the tokens that were seen", "同上，仅计出现过的词元"),
            efficiency(seen, observed, ALPHA),
            "share",
            caveat,
        ),
        Figure(
            "zipf_exponent",
            Label("exponent of Zipf's law", "齐普夫定律指数"),
            fit.exponent if fit else None,
            help=Label(
                "frequency = scale / rank^s, fitted on logarithms at evenly spread ranks; words of natural language "
                "have about 1. A smaller one means that tokens are used more evenly.",
                "频率 = 系数 / 排名^s，在对数坐标上均匀取点拟合；自然语言的词约为 1。数值越小，词元使用越均匀。",
            ),
        ),
        Figure(
            "zipf_r_squared", Label("fit of the line (R²)", "拟合优度 (R²)"), fit.r_squared if fit else None
        ),
    )
    return Section(
        "information",
        Label("How evenly tokens are used", "词元使用的均匀程度"),
        figures,
        (_by_language(counts, size),),
        (_rank_chart(counts),),
    )


def _by_language(counts: TextCounts, size: int) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for language in Language:
        seen = counts.token_counts[language]
        if not seen.any():
            continue
        fit = zipf_fit(seen)
        rows.append(
            (
                LANGUAGES[language][1],
                int((seen > 0).sum()),
                entropy(seen),
                efficiency(seen, size),
                efficiency(seen, size, ALPHA),
                fit.exponent if fit else None,
                rank_covering(seen, 0.95),
            )
        )
    return Table(
        "information_by_language",
        Label("By language", "按语言"),
        (
            Column("language", Label("language", "语言"), "text"),
            Column("seen", Label("tokens seen", "出现的词元种数"), "integer"),
            Column("entropy_bits", Label("entropy (bits)", "熵（比特）")),
            Column("shannon_efficiency", Label("Shannon efficiency", "香农效率"), "share"),
            Column(
                "renyi_efficiency",
                Label(f"Rényi efficiency, α = {ALPHA}", f"Rényi 效率，α = {ALPHA}"),
                "share",
            ),
            Column("zipf_exponent", Label("Zipf exponent", "齐普夫指数")),
            Column("rank_95", Label("tokens for 95 %", "占 95% 的词元种数"), "integer"),
        ),
        tuple(rows),
    )


def _rank_chart(counts: TextCounts) -> Chart:
    series = []
    parts = [(LANGUAGES[language][1], counts.token_counts[language]) for language in Language]
    for label, seen in [(Label("all text", "全部文本"), counts.token_counts.sum(axis=0)), *parts]:
        found = rank_frequency(seen)
        if len(found) > 1:
            ranks = spread_ranks(len(found), _POINTS)
            series.append(Series(label, tuple(ranks.tolist()), tuple(map(float, found[ranks - 1]))))
    if fit := zipf_fit(counts.token_counts.sum(axis=0)):
        ranks = spread_ranks(int((counts.token_counts.sum(axis=0) > 0).sum()), 20)
        line = tuple(fit.scale / float(rank) ** fit.exponent for rank in ranks.tolist())
        series.append(Series(Label("Zipf's law, fitted", "齐普夫定律拟合"), tuple(ranks.tolist()), line))
    return Chart(
        "rank_frequency",
        Label("Frequency of tokens by rank", "词元频率与排名"),
        "line",
        Label("rank", "排名"),
        Label("times", "次数"),
        tuple(series),
        "integer",
        log_x=True,
        log_y=True,
    )


def softmax_section(counts: TextCounts, table: TokenTable) -> Section:
    """Suggest cutoffs for an adaptive softmax."""
    seen, size = counts.token_counts.sum(axis=0), len(table.ids())
    plan = softmax_plan(seen, size)
    even = softmax_plan(seen, size, shrink=1)
    figures = (
        Figure(
            "softmax_cutoffs",
            Label("suggested cutoffs", "建议的分割点"),
            ", ".join(map(str, plan.cutoffs)) if plan else None,
            "text",
            Label(
                f"Ranks by frequency; ids must be sorted so. For a hidden state of {WIDTH} numbers, vectors {SHRINK} "
                f"times shorter in each further tail, a head of {HEAD_SHARE * 100:.0f} % of the text or more.",
                f"按频率排名；编号须据此排序。隐藏层宽度 {WIDTH}，每个后续簇的向量缩短为 1/{SHRINK}，"
                f"头部至少覆盖文本的 {HEAD_SHARE:.0%}。",
            ),
        ),
        Figure(
            "softmax_saving",
            Label("multiplications saved", "节省的乘法"),
            plan.saving if plan else None,
            "share",
            Label(
                "Of those of the output layer, by the cost model of Grave et al. 2017 without a processor's fixed "
                "costs. What shorter vectors cost in quality only a training tells.",
                "输出层的乘法次数，按 Grave 等 2017 的成本模型，不含处理器的固定开销。"
                "缩短向量对质量的影响须经训练检验。",
            ),
        ),
        Figure(
            "softmax_saving_full_width",
            Label("the same with vectors of full length", "同上，向量不缩短"),
            even.saving if even else None,
            "share",
        ),
    )
    tables = [_clusters(seen, plan.cutoffs, size)] if plan else []
    return Section(
        "adaptive_softmax",
        Label("Output layer by frequency", "按频率分层的输出层"),
        figures,
        (*tables, _classes(seen)),
    )


def _clusters(seen: NDArray[Any], cutoffs: tuple[int, ...], size: int) -> Table:
    found = rank_frequency(seen)
    total, edges = int(found.sum()), (0, *cutoffs, size)
    rows: list[tuple[Cell, ...]] = []
    for k in range(len(edges) - 1):
        part = found[edges[k] : edges[k + 1]]
        label = Label("head", "头部") if k == 0 else Label(f"tail {k}", f"尾部 {k}")
        share = ratio(int(part.sum()), total)
        rows.append(
            (label, edges[k] + 1, edges[k + 1], edges[k + 1] - edges[k], share, max(1, WIDTH // SHRINK**k))
        )
    return Table(
        "softmax_clusters",
        Label("Clusters", "分簇"),
        (
            Column("cluster", Label("cluster", "簇"), "text"),
            Column("first_rank", Label("from rank", "起始排名"), "integer"),
            Column("last_rank", Label("to rank", "结束排名"), "integer"),
            Column("tokens", Label("tokens", "词元种数"), "integer"),
            Column("share", Label("share of the text", "文本占比"), "share"),
            Column("width", Label("length of vectors", "向量长度"), "integer"),
        ),
        tuple(rows),
    )


def _classes(seen: NDArray[Any]) -> Table:
    total = int(seen.sum())
    return Table(
        "frequency_classes",
        Label("Frequency classes", "频率等级"),
        (
            Column("frequency_class", Label("class", "等级"), "integer"),
            Column("tokens", Label("tokens", "词元种数"), "integer"),
            Column("occurrences", Label("times", "次数"), "integer"),
            Column("share", Label("share of the text", "文本占比"), "share"),
        ),
        tuple((k, tokens, times, ratio(times, total)) for k, tokens, times in frequency_classes(seen)),
        note=Label(
            "A token of class k is 2^k times rarer than the most frequent one.",
            "等级 k 的词元比最常见词元少见 2^k 倍。",
        ),
    )
