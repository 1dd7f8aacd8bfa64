"""Which tokens of a vocabulary deserve a look, by what they are alone."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bpetk.analysis.results import Label
from bpetk.analysis.token_table import Integrity, Kind, TokenTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bpetk.analysis.deny_lists import DenyList

LONG_HAN = 2
"""A token is a long Han token if it has more whole Han characters than this (arXiv 2508.17771)."""
REPEATS = 4
OVERLONG = 20
"""Characters, white space left out."""

_INVISIBLE = {0xFFFD, 0xFEFF, 0x200B, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}
_BLANKS = "\t\n\x0b\x0c\r"

REASONS: dict[str, tuple[int, Label, Label]] = {
    "denied": (
        8,
        Label("on the deny list", "命中黑名单"),
        Label("contains a pattern of the deny list", "含有黑名单中的模式"),
    ),
    "concentrated": (
        2,
        Label("from one document", "集中于单篇"),
        Label(
            "at least half of at least ten occurrences are in one document",
            "出现不少于十次，且至少一半来自同一篇文档",
        ),
    ),
    "ill-formed": (
        2,
        Label("ill-formed", "非法 UTF-8"),
        Label("bytes that no text in UTF-8 has", "任何 UTF-8 文本都不会包含的字节串"),
    ),
    "odd-characters": (
        2,
        Label("odd characters", "异常字符"),
        Label(
            "control characters, private use, U+FFFD, invisible or direction marks",
            "控制字符、私用区字符、U+FFFD、不可见字符或方向标记",
        ),
    ),
    "long-han": (1, Label("long Han", "长汉字词元"), Label("more than two Han characters", "超过两个汉字")),
    "repeated": (
        1,
        Label("repeated", "重复字符"),
        Label("one character four times or more", "同一字符重复四次及以上"),
    ),
    "overlong": (1, Label("overlong", "过长"), Label("more than twenty characters", "超过二十个字符")),
}
"""Rule, points, name and explanation. Points add up, and order tokens for review."""

KEYS = tuple(REASONS)


@dataclass(frozen=True)
class Suspects:
    """Tokens that deserve a look.

    Attributes
    ----------
    ids
        int64, ascending.
    reasons
        uint16 bits for each of ``ids``: bit k is rule k of `KEYS`.
    hits
        The deny pattern of each, or None.
    """

    ids: NDArray[np.int64]
    reasons: NDArray[np.uint16]
    hits: list[str | None]

    def has(self, rule: str) -> NDArray[np.bool_]:
        """Tell for each token whether a rule holds."""
        found: NDArray[np.bool_] = (self.reasons >> np.uint16(KEYS.index(rule)) & 1).astype(np.bool_)
        return found


def find_suspects(table: TokenTable, deny: DenyList | None) -> Suspects:
    """Look through a vocabulary, without any text; special tokens and single bytes are left out.

    Parameters
    ----------
    table
        The vocabulary.
    deny
        Patterns; None: no rule ``denied``.
    """
    ids = table.ids(Kind.NORMAL, Kind.ADDED)
    texts = [_text(table, id) for id in ids.tolist()]
    hits: list[str | None] = deny.hits(texts) if deny is not None else [None] * len(texts)
    flags = {
        "denied": np.fromiter((hit is not None for hit in hits), bool, len(hits)),
        "ill-formed": table.integrity[ids] == Integrity.ILL_FORMED,
        "odd-characters": np.fromiter(map(has_odd_characters, texts), bool, len(texts)),
        "long-han": table.n_han[ids] > LONG_HAN,
        "repeated": np.fromiter(map(is_repeated, texts), bool, len(texts)),
        "overlong": np.fromiter((_is_overlong(text) for text in texts), bool, len(texts)),
    }
    bits = np.zeros(len(ids), np.uint16)
    for rule, found in flags.items():
        bits |= found.astype(np.uint16) << np.uint16(KEYS.index(rule))
    at = np.flatnonzero(bits)
    return Suspects(ids[at], bits[at], [hits[k] for k in at.tolist()])


def _text(table: TokenTable, id: int) -> str:
    """Give the whole characters of a token."""
    text = table.text[id]
    return text if text is not None else table.data[id].decode("utf-8", "ignore")


def has_odd_characters(text: str) -> bool:
    r"""Tell whether a token holds characters that text for people does not need.

    Examples
    --------
    >>> has_odd_characters("a\n"), has_odd_characters("a\x00"), has_odd_characters("\ufeff中")
    (False, True, True)
    """
    if text.isprintable() and "\ufffd" not in text:  # most tokens; all others have a closer look
        return False
    return any(
        ord(char) in _INVISIBLE or (unicodedata.category(char) in ("Cc", "Co") and char not in _BLANKS)
        for char in text
    )


def is_repeated(text: str) -> bool:
    """Tell whether a token is one character several times, white space around it left out.

    Examples
    --------
    >>> is_repeated(" ===="), is_repeated("哈哈哈"), is_repeated("    ")
    (True, False, False)
    """
    core = text.strip()
    return len(core) >= REPEATS and core == core[0] * len(core)


def _is_overlong(text: str) -> bool:
    return len(text) > OVERLONG and len("".join(text.split())) > OVERLONG and not is_repeated(text)
