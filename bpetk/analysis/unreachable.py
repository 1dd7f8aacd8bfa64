"""Tokens that encoding can never produce, each with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bpetk.analysis.building import ID, TOKEN, column, count, part, share, token_rows
from bpetk.analysis.reachability import Reach, reach
from bpetk.analysis.results import Finding, Label, Section, Table
from bpetk.analysis.token_table import Kind, TokenTable
from bpetk.sp_tokenizer import SentencePieceTokenizer

if TYPE_CHECKING:
    from bpetk.tokenizer import Tokenizer

_REASONS = {
    Reach.MERGES: (
        "unreachable_merges",
        Label("unreachable by merges", "合并规则无法得到"),
        Label(
            "Its own bytes merge to something else, so they do in every text.",
            "其自身的字节会合并成别的词元，因此在任何文本中都得不到它。",
        ),
    ),
    Reach.SPLIT: (
        "unreachable_split",
        Label("split by the scheme", "被切分方案切开"),
        Label(
            "The rule that cuts text into words cuts inside it, whatever stands around it.",
            "切词规则总在其内部切开，与上下文无关。",
        ),
    ),
    Reach.REWRITTEN: (
        "unreachable_normalizer",
        Label("rewritten by the normalizer", "被规范化改写"),
        Label(
            "Text is brought to a normal form in which it does not occur.",
            "文本先被规范化，而规范形式中不会出现它。",
        ),
    ),
    Reach.TAKEN: (
        "unreachable_added",
        Label("taken by an added token", "被附加词元截取"),
        Label(
            "It holds the text of an added token, which is cut out before.",
            "它含有某个附加词元的文本，该文本会先被截取。",
        ),
    ),
    Reach.NOT_TEXT: (
        "unreachable_bytes",
        Label("bytes of no text", "非文本字节"),
        Label(
            "UTF-8 text never has these bytes. 13 are normal in a byte-level vocabulary.",
            "UTF-8 文本中不会出现这些字节。字节级词表有 13 个属正常。",
        ),
    ),
    Reach.UNUSED: (
        "unreachable_unused",
        Label("never needed", "从不使用"),
        Label(
            "Marked as unused in the file, or a byte whose characters are all in the vocabulary.",
            "文件中标记为不用，或所含字符均已在词表中的字节词元。",
        ),
    ),
    Reach.OPEN: (
        "not_found",
        Label("not found in any text tried", "尝试的文本中均未出现"),
        Label(
            "Neither proved nor seen: none of the texts that were tried, with many characters around it, gives it.",
            "既未证明也未见到：在其周围放置多种字符的所有尝试都没有产生它。",
        ),
    ),
}


def reach_section(tokenizer: Tokenizer | SentencePieceTokenizer, table: TokenTable) -> Section:
    """Count and list the tokens that encoding cannot produce; `bpetk.analysis.reachability` says what is proved."""
    found = reach(tokenizer, table)
    counts = np.bincount(found, minlength=len(Reach)).tolist()
    asked = int((found != Reach.NOT_ASKED).sum())
    never = np.flatnonzero(~np.isin(found, (Reach.PRODUCED, Reach.NOT_ASKED, Reach.OPEN)))
    listed = np.flatnonzero(~np.isin(found, (Reach.PRODUCED, Reach.NOT_ASKED)))
    order = sorted(listed.tolist(), key=lambda id: (found[id], table.kinds[id] == Kind.BYTE, id))
    return Section(
        "reachability",
        Label("Tokens that encoding never produces", "编码永远不会产生的词元"),
        figures=(
            count(
                "never_produced", "Never produced", "永远不会产生", len(never),
                "Proved for every text; the reasons are below. Special tokens are left out: no text becomes them.",
                "对任何文本都已证明；原因见下。不含特殊词元，文本本来就不会变成它们。",
            ),
            part(
                "never_produced_share", "Share of the vocabulary", "占词表比例", share(len(never), asked),
                "Rows of the embedding that are never trained on text.", "嵌入矩阵中永远得不到文本训练的行。",
            ),
            *(
                count(key, *label, counts[reason], *help)
                for reason, (key, label, help) in _REASONS.items()
                if counts[reason]
            ),
        ),
        tables=(
            Table(
                "never_produced_tokens",
                Label("Tokens that no text gives", "任何文本都得不到的词元"),
                (ID, TOKEN, column("reason", "Reason", "原因", "text")),
                token_rows(table, order, [_REASONS[Reach(found[id])][1] for id in order]),
                note=Label(
                    "All other tokens were seen: a text was encoded that gives them.",
                    "其余词元均已见到：确有文本编码后得到它们。",
                ),
                shown=20,
            ),
        ),
        findings=_findings(found, asked),
    )  # fmt: skip


def _findings(found: NDArray[np.uint8], asked: int) -> tuple[Finding, ...]:
    wasted = int(np.isin(found, (Reach.MERGES, Reach.SPLIT, Reach.REWRITTEN, Reach.TAKEN)).sum())
    if not wasted:
        return ()
    return (
        Finding(
            "never_produced",
            "warning" if wasted * 1000 > asked else "info",
            Label(
                f"{wasted:,} tokens take up ids that no text ever uses.",
                f"{wasted:,} 个词元占用编号，却不会被任何文本用到。",
            ),
            Label(
                "Their embeddings are never trained and a model may act oddly if it is made to emit them. Train with "
                "the scheme and the normalizer that encoding uses; in a finished model keep them out of sampling.",
                "它们的嵌入得不到训练，一旦输出可能行为异常。训练词表时应使用与编码相同的切分与规范化；已有模型应在采样时屏蔽它们。",
            ),
        ),
    )
