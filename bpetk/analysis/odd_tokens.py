"""Tokens that deserve a look: overlong, of one repeated character, with odd characters, steps on the way to others."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bpetk.analysis.building import ID, TOKEN, column, count, token_rows
from bpetk.analysis.results import Column, Figure, Finding, Label, Section, Table
from bpetk.analysis.scripts import HAN, code_points
from bpetk.analysis.token_table import Integrity, Kind, TokenTable
from bpetk.sp_tokenizer import SentencePieceTokenizer
from bpetk.unicode_tables import ranges

if TYPE_CHECKING:
    from bpetk.tokenizer import Tokenizer

LONG = 20
"""Characters from which a token counts as overlong; of Han characters `LONG_HAN`."""
LONG_HAN = 5
REPEATED = 4
"""From so many equal characters on a token counts as repeated."""
SCAFFOLD = 0.9
"""Share of a token's uses inside one longer token from which it counts as a step on the way to that one."""

_REPEATED = re.compile(rf"(.)\1{{{REPEATED - 1},}}", re.DOTALL)


@cache
def _strange() -> NDArray[np.bool_]:
    """Give control characters (tab and line ends aside), private use, unassigned ones and U+FFFD: one of each code."""
    table = np.zeros(0x110000, bool)
    for name in ("Cc", "Co", "Cn", "Cs"):
        for start, end in ranges(name):
            table[start : end + 1] = True
    table[[*b"\t\n\r"]] = False
    table[0xFFFD] = True
    return table


class Odd(NamedTuple):
    """Ids by what is odd about them, each list ascending."""

    overlong: list[int]
    repeated: list[int]
    strange: list[int]


def odd_tokens(table: TokenTable) -> Odd:
    """Find overlong tokens, repeated characters, and characters that no clean text has.

    Special and added tokens are left out: they are made on purpose. Blanks are no repeated character, and a token of
    one repeated character is not overlong.

    Returns
    -------
    Odd
        ``strange`` are tokens with control characters but tab and line ends, private use, unassigned (Unicode 16.0)
        or U+FFFD, which stands for text that was broken before; a single byte is none.
    """
    overlong, repeated = [], []
    ids = table.ids(Kind.NORMAL)
    ids = ids[table.integrity[ids] == Integrity.WHOLE]
    for id in ids[table.n_chars[ids] >= REPEATED].tolist():
        bare = (table.text[id] or "").strip(" ")
        if len(bare) >= REPEATED and _REPEATED.fullmatch(bare):
            repeated.append(id)
        elif len(bare) >= (LONG_HAN if table.script[id] == HAN else LONG):
            overlong.append(id)
    chars = code_points("".join(table.text[id] or "" for id in ids.tolist()))
    at = np.searchsorted(np.cumsum(table.n_chars[ids]), np.flatnonzero(_strange()[chars]), side="right")
    strange = ids[np.unique(at)].tolist()
    return Odd(overlong, repeated, strange)


def scaffolds(tokenizer: Tokenizer | SentencePieceTokenizer) -> NDArray[np.float64] | None:
    """Say for each merged token which share of its uses went into its most frequent longer token.

    For the merge that made a token with count f, and the most frequent merge that uses it with count g, the share is
    g / f (the IoS of PickyBPE). Training of bpetk keeps the counts. A loaded model has none: counts then go by Zipf's
    law over the order of the merges, g / f = (r + 256) / (q + 256) for the r-th and the q-th. That is an estimate.

    Returns
    -------
    numpy.ndarray or None
        float64, shape ``[n_vocab]``, nan for what no merge made or no merge uses. None for a model of pieces, whose
        file does not say what they were made of.
    """
    if isinstance(tokenizer, SentencePieceTokenizer):
        return None
    model = tokenizer.model
    n = model.n_vocab
    new = np.asarray(model.new)
    by_zipf = 1.0 / np.arange(256.0, 256.0 + len(new))
    weight: NDArray[Any] = np.asarray(model.counts, np.float64) if model.counts else by_zipf
    made, used = np.full(n, np.nan), np.zeros(n)
    made[new[::-1]] = weight[::-1]  # the first merge that makes it
    for side in (model.left, model.right):
        np.maximum.at(used, np.asarray(side), weight)
    used[used == 0] = np.nan
    found: NDArray[np.float64] = np.minimum(used / made, 1.0)
    return found


def _steps(
    tokenizer: Tokenizer | SentencePieceTokenizer, table: TokenTable
) -> tuple[tuple[Figure, ...], tuple[Table, ...]]:
    steps = scaffolds(tokenizer)
    if steps is None or isinstance(tokenizer, SentencePieceTokenizer):
        return (), ()
    inner = np.flatnonzero((steps >= SCAFFOLD) & (table.integrity == Integrity.WHOLE) & (table.n_chars > 1))
    inner = inner[np.argsort(-steps[inner], kind="stable")]
    exact = bool(tokenizer.model.counts)
    shown = Table(
        "scaffold_tokens",
        Label("Steps on the way to longer tokens", "通往更长词元的中间词元"),
        (ID, TOKEN, Column("share", Label("Used inside another", "用于构成另一词元"), "share")),
        token_rows(table, inner, [round(float(steps[id]), 3) for id in inner]),
        note=None if exact else _ESTIMATE,
        shown=10,
    )
    return (_scaffold_figure(len(inner), exact),), (shown,)


def odd_section(tokenizer: Tokenizer | SentencePieceTokenizer, table: TokenTable) -> Section:
    """Show what `odd_tokens` and `scaffolds` find."""
    odd = odd_tokens(table)
    reasons = (
        (odd.overlong, Label("overlong", "过长")),
        (odd.repeated, Label("repeated character", "重复字符")),
        (odd.strange, Label("odd characters", "异常字符")),
    )
    found: dict[int, list[Label]] = {}
    for ids, label in reasons:
        for id in ids:
            found.setdefault(id, []).append(label)
    rulers = set(odd.repeated)
    order = sorted(found, key=lambda id: (id in rulers, -int(table.n_chars[id]), id))
    why = [Label(", ".join(a.en for a in found[id]), "、".join(a.zh for a in found[id])) for id in order]
    figures, tables = _steps(tokenizer, table)
    return Section(
        "odd_tokens",
        Label("Tokens worth a look", "值得检查的词元"),
        figures=(
            count(
                "overlong", "Overlong tokens", "过长词元", len(odd.overlong),
                f"{LONG} characters or more, {LONG_HAN} or more if all are Han; blanks at the ends do not count. They "
                "come of text that repeats itself: templates, licences, advertising.",
                f"{LONG} 个字符及以上，全为汉字时 {LONG_HAN} 字及以上；首尾空格不计。"
                "来自反复出现的模板、许可证、广告等文本。",
            ),
            count(
                "repeated", "Tokens of one repeated character", "单一字符重复的词元", len(odd.repeated),
                f"{REPEATED} or more times the same character, blanks left out: rulers, dots, laughter.",
                f"同一字符重复 {REPEATED} 次及以上（空格除外）：分隔线、省略号、笑声等。",
            ),
            count(
                "strange", "Tokens with odd characters", "含异常字符的词元", len(odd.strange),
                "Control characters, private use, unassigned characters, or U+FFFD: the training text was not clean.",
                "控制字符、私用区、未分配字符或 U+FFFD：训练文本不够干净。",
            ),
            *figures,
        ),
        tables=(
            Table(
                "odd_tokens",
                Label("Tokens worth a look, longest first, rulers last", "值得检查的词元（从长到短，分隔线在后）"),
                (ID, TOKEN, column("characters", "Characters", "字符数"), column("why", "Why", "原因", "text")),
                token_rows(table, order, table.n_chars[order].tolist(), why),
                shown=15,
            ),
            *tables,
        ),
        findings=_findings(odd),
    )  # fmt: skip


_ESTIMATE = Label(
    "Estimated from the order of the merges by Zipf's law: the file has no counts. Merges that were added later, out "
    "of the order of frequency, seem to be steps too.",
    "文件中没有频次，此处按齐夫定律由合并顺序估计。事后追加、不按频次排列的合并也会被算作中间步骤。",
)


def _scaffold_figure(number: int, exact: bool) -> Figure:
    how = "by the counts of the training" if exact else "estimated from the order of the merges"
    how_zh = "按训练频次" if exact else "由合并顺序估计"
    return count(
        "scaffolds", "Steps on the way to longer tokens", "中间词元", number,
        f"Tokens of whole characters of which {SCAFFOLD:.0%} or more of the uses went into one longer token ({how}). "
        "They take up ids and are hardly ever seen in text.",
        f"由完整字符组成、且 {SCAFFOLD:.0%} 以上的出现都并入同一更长词元（{how_zh}）。"
        "它们占用编号，在文本中却很少出现。",
    )  # fmt: skip


def _findings(odd: Odd) -> tuple[Finding, ...]:
    if not odd.strange:
        return ()
    n = len(odd.strange)
    return (
        Finding(
            "odd_characters",
            "warning",
            Label(
                f"{n:,} tokens hold control, private or broken characters.",
                f"{n:,} 个词元含控制字符、私用区字符或乱码。",
            ),
            Label(
                "Clean the training text: wrong encodings and binary files leave such traces.",
                "请清理训练文本：编码错误和二进制文件会留下这类痕迹。",
            ),
        ),
    )


def special_section(table: TokenTable) -> Section:
    """List the special tokens and the added ones, and count ids by kind."""
    ids = table.ids(Kind.SPECIAL, Kind.ADDED)
    names = {
        Kind.NORMAL: Label("ordinary", "普通"),
        Kind.SPECIAL: Label("special", "特殊"),
        Kind.ADDED: Label("added", "附加"),
        Kind.BYTE: Label("one byte", "单字节"),
        Kind.UNUSED: Label("marked as unused", "标记为不用"),
        Kind.ABSENT: Label("no token", "空缺"),
    }
    counts = np.bincount(table.kinds, minlength=len(names)).tolist()
    return Section(
        "special_tokens",
        Label("Kinds of ids", "编号种类"),
        tables=(
            Table(
                "kinds",
                Label("Ids by kind", "按种类统计编号"),
                (column("kind", "Kind", "种类", "text"), column("ids", "Ids", "编号数")),
                tuple((names[kind], counts[kind]) for kind in Kind if counts[kind]),
            ),
            Table(
                "special_tokens",
                Label("Special and added tokens", "特殊词元与附加词元"),
                (ID, TOKEN, column("kind", "Kind", "种类", "text")),
                token_rows(table, ids, [names[Kind(kind)] for kind in table.kinds[ids].tolist()]),
                shown=20,
            ),
        ),
    )
