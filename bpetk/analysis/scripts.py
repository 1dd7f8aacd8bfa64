"""Which class a code point belongs to: Han, Latin, digits, …, by the tables of `bpetk.unicode_tables`.

One rule for all analyses. In this order:

1. ``White_Space`` is space.
2. Script Han (radicals, 々 and 〇 too) is Han, whatever its category.
3. Categories P are punctuation, S symbols; Nd and No, and Nl of no script, are digits.
4. A mark of no script of its own (combining accents) or a joiner counts with the character before it.
5. The rest goes by script: Latin; Hiragana, Katakana and the signs that both share as kana; Hangul; Cyrillic; Greek;
   Arabic; other scripts, and letters of no script, are other letters.
6. What is left (controls, private use, unassigned) counts as symbols.

Emoji are symbols, full-width letters are Latin, full-width digits are digits, Bopomofo is other letters.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from bpetk import unicode_tables
from bpetk.analysis.results import Label

UNICODE = unicode_tables.VERSION
"""Version of Unicode that the classes are of."""

SCRIPTS: tuple[tuple[str, Label], ...] = (
    ("han", Label("Han", "汉字")),
    ("latin", Label("Latin", "拉丁字母")),
    ("kana", Label("Kana", "假名")),
    ("hangul", Label("Hangul", "谚文")),
    ("cyrillic", Label("Cyrillic", "西里尔字母")),
    ("greek", Label("Greek", "希腊字母")),
    ("arabic", Label("Arabic", "阿拉伯字母")),
    ("other_letters", Label("Other letters", "其他文字")),
    ("digits", Label("Digits", "数字")),
    ("punctuation", Label("Punctuation", "标点")),
    ("symbols", Label("Symbols and others", "符号及其他")),
    ("space", Label("White space", "空白")),
    ("mixed", Label("Mixed", "混合")),
    ("bytes", Label("Bytes, parts of characters", "字节（字符片段）")),
    ("special", Label("Special tokens", "特殊词元")),
)
"""Key and name of each class. A code point is of one of the first twelve; the last three are for tokens."""

(
    HAN, LATIN, KANA, HANGUL, CYRILLIC, GREEK, ARABIC, OTHER_LETTERS,
    DIGITS, PUNCTUATION, SYMBOLS, SPACE, MIXED, BYTES, SPECIAL,
) = range(15)  # fmt: skip
INHERITED = 15
"""Class of a code point that counts with the one before it."""

LETTERS = frozenset(range(DIGITS))
"""Classes of letters, Han among them."""

_BY_SCRIPT = {
    "Latin": LATIN,
    "Hiragana": KANA,
    "Katakana": KANA,
    "Hangul": HANGUL,
    "Cyrillic": CYRILLIC,
    "Greek": GREEK,
    "Arabic": ARABIC,
}
# Letters of script Common whose Script_Extensions are Hiragana and Katakana: vertical repeat marks, the long vowel
# mark, its half-width form and half-width voicing marks. Combining ones are with them, as they follow kana only.
_SHARED_KANA = ((0x3031, 0x3035), (0x3099, 0x309A), (0x30FC, 0x30FC), (0xFF70, 0xFF70), (0xFF9E, 0xFF9F))


@cache
def class_table() -> NDArray[np.uint8]:
    """Give the class of every code point: an index into `SCRIPTS`, or `INHERITED`.

    Returns
    -------
    numpy.ndarray
        uint8, one element for each of the 0x110000 code points, read-only. Surrogates are symbols.

    Examples
    --------
    >>> [SCRIPTS[class_table()[ord(char)]][0] for char in "中aア한я1,€ "]
    ['han', 'latin', 'kana', 'hangul', 'cyrillic', 'digits', 'punctuation', 'symbols', 'space']
    """
    table = np.full(0x110000, SYMBOLS, np.uint8)

    def put(name: str, value: int) -> None:
        for start, end in unicode_tables.ranges(name):
            table[start : end + 1] = value

    # The last one that is put wins: the rules of the module in reverse.
    for name in ("L", "M", "Nl"):
        put(name, OTHER_LETTERS)
    letters = table == OTHER_LETTERS
    for script, value in _BY_SCRIPT.items():
        own = np.zeros(len(table), bool)
        for start, end in unicode_tables.ranges(script):
            own[start : end + 1] = True
        table[own & letters] = value
    joined = np.zeros(len(table), bool)
    for start, end in unicode_tables.ranges("Inherited"):
        joined[start : end + 1] = True
    table[joined] = INHERITED
    for name in ("Nd", "No"):
        put(name, DIGITS)
    common = np.zeros(len(table), bool)
    for start, end in unicode_tables.ranges("Common"):
        common[start : end + 1] = True
    for start, end in unicode_tables.ranges("Nl"):
        table[start : end + 1][common[start : end + 1]] = DIGITS
    put("S", SYMBOLS)
    put("P", PUNCTUATION)
    for start, end in _SHARED_KANA:
        table[start : end + 1] = KANA
    put("Han", HAN)
    put("White_Space", SPACE)
    table.flags.writeable = False
    return table


def packed_table() -> bytes:
    """Give `class_table` as bytes, for native code.

    Examples
    --------
    >>> packed_table()[ord("中")] == HAN
    True
    """
    return class_table().tobytes()


def class_of(char: str) -> int:
    """Give the class of one character, as `class_table`.

    Examples
    --------
    >>> SCRIPTS[class_of("々")][1].zh
    '汉字'
    """
    return int(class_table()[ord(char)])


def code_points(text: str) -> NDArray[np.uint32]:
    """Give the code points of a text (uint32, one for each character).

    Examples
    --------
    >>> code_points("a中").tolist()
    [97, 20013]
    """
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
