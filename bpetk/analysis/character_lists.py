"""Lists of Han characters: the national standards, and which forms are simplified or traditional.

The Table of General Standard Characters (通用规范汉字表, 2013) has 8,105 in three levels: 3,500 that everybody needs,
3,000 more for publishing, 1,605 of names and special fields. GB 2312 (1980) has 6,763 in two: 3,755 and 3,008. What is
simplified or traditional is what the Unihan database says; many characters are both.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cache

from bpetk.analysis.character_data import STANDARD, VARIANTS
from bpetk.analysis.results import Label

LEVELS = (3500, 3000, 1605)
"""Sizes of the three levels of the Table of General Standard Characters."""


class Form(IntEnum):
    """How a Han character belongs to simplified and traditional writing."""

    SHARED = 0
    """Written alike in both, or the database knows no variant."""
    SIMPLIFIED = 1
    """Has a traditional form that is another character, and is none itself."""
    TRADITIONAL = 2
    """Has a simplified form that is another character, and is none itself."""


def standard_levels() -> tuple[str, str, str]:
    """Give the characters of the three levels of the Table of General Standard Characters, in its order.

    Returns
    -------
    tuple of str
        3,500, 3,000 and 1,605 characters, none twice; from the property kTGH.

    Examples
    --------
    >>> [len(level) for level in standard_levels()], standard_levels()[0][:3]
    ([3500, 3000, 1605], '一乙二')
    """
    first, second, _ = LEVELS
    return STANDARD[:first], STANDARD[first : first + second], STANDARD[first + second :]


@cache
def gb2312_levels() -> tuple[str, str]:
    """Give the Han characters of GB 2312 in its two levels, in its order (rows 16-55 and 56-87).

    Returns
    -------
    tuple of str
        3,755 and 3,008 characters, by Python's codec.

    Examples
    --------
    >>> [len(level) for level in gb2312_levels()], gb2312_levels()[0][:3]
    ([3755, 3008], '啊阿埃')
    """

    def rows(first: int, last: int) -> str:
        cells = (bytes([0xA0 + row, 0xA0 + cell]) for row in range(first, last + 1) for cell in range(1, 95))
        return "".join(cell.decode("gb2312", "ignore") for cell in cells)

    return rows(16, 55), rows(56, 87)


def character_lists() -> tuple[tuple[str, Label, str], ...]:
    """Give key, name and characters of all levels of both standards."""
    one, two, three = standard_levels()
    first, second = gb2312_levels()
    return (
        ("standard_1", Label("General standard, level 1", "通用规范汉字一级"), one),
        ("standard_2", Label("General standard, level 2", "通用规范汉字二级"), two),
        ("standard_3", Label("General standard, level 3", "通用规范汉字三级"), three),
        ("gb2312_1", Label("GB 2312, level 1", "GB 2312 一级"), first),
        ("gb2312_2", Label("GB 2312, level 2", "GB 2312 二级"), second),
    )


def _in_common_big5(char: str) -> bool:
    return b"" < char.encode("big5", "ignore") < b"\xc9"


def _in_gb2312(char: str) -> bool:
    return bool(char.encode("gb2312", "ignore"))


@cache
def forms() -> dict[str, Form]:
    """Give the characters that are only simplified or only traditional; all others are `Form.SHARED`.

    A character that is the simplified form of one and the traditional form of another is shared. Of many the database
    says that they are their own variant too (干 and 后 are words in both writings, 时 is an old form): such a one is
    shared if the old character set of the other side has it: the characters in common use of Big5, which are its first
    level, for simplified ones; GB 2312 for traditional ones.

    Examples
    --------
    >>> [forms().get(char, Form.SHARED).name for char in "国國时后中"]
    ['SIMPLIFIED', 'TRADITIONAL', 'SIMPLIFIED', 'SHARED', 'SHARED']
    """
    pairs = set(zip(VARIANTS[::2], VARIANTS[1::2], strict=True))
    own = {one for one, other in pairs if one == other}
    simplified = {one for one, other in pairs if one != other}
    traditional = {other for one, other in pairs if one != other}
    found = {}
    for chars, others, in_use, form in (
        (simplified, traditional, _in_common_big5, Form.SIMPLIFIED),
        (traditional, simplified, _in_gb2312, Form.TRADITIONAL),
    ):
        for char in chars - others:
            if char not in own or not in_use(char):
                found[char] = form
    return found


@cache
def simplified_table() -> dict[int, int]:
    """Give a table for `str.translate` from traditional characters to their simplified forms.

    Only characters that are nothing but traditional and have one simplified form: a change that needs no context.

    Examples
    --------
    >>> "國語".translate(simplified_table())
    '国语'
    """
    targets: dict[str, set[str]] = {}
    for simplified, traditional in zip(VARIANTS[::2], VARIANTS[1::2], strict=True):
        if simplified != traditional:
            targets.setdefault(traditional, set()).add(simplified)
    known = forms()
    return {
        ord(char): ord(min(forms_of_it))
        for char, forms_of_it in targets.items()
        if len(forms_of_it) == 1 and known.get(char) is Form.TRADITIONAL
    }
