"""Which language a document is in, told from the scripts of its characters alone.

With the numbers of code points of each class (`bpetk.analysis.scripts`) in a document, letters being Han, Latin and all
other letters:

1. other: no letter at all; or letters of other scripts are more than 10 % of the letters; or digits, punctuation and
   symbols are more than 40 % of what is not white space (tables, markup)
2. zh: Han is at least 50 % of the letters
3. if Han is at most 3 % of the letters: other if digits, punctuation and symbols are more than 20 % of what is not
   white space (program text), else en. This is any text in Latin letters, French too
4. mixed: what remains, Chinese with more English than Chinese letters

All comparisons are of whole numbers, so the rule is the same everywhere. It does not know words: a line of program text
with few symbols is en, and Japanese that is all kanji is zh.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bpetk.analysis.results import Label
from bpetk.analysis.scripts import (
    DIGITS,
    HAN,
    INHERITED,
    LATIN,
    LETTERS,
    PUNCTUATION,
    SPACE,
    SYMBOLS,
    class_table,
    code_points,
)

N_CLASSES = SPACE + 1
"""Classes that a code point in a text can have."""

OTHER_LETTERS_PERCENT, MARKS_PERCENT, HAN_PERCENT, LATIN_PERCENT, LATIN_MARKS_PERCENT = 10, 40, 50, 3, 20
"""Percentages of the rule above, in its order."""


class Language(IntEnum):
    """What a document is in; the index into `LANGUAGES`."""

    ZH = 0
    EN = 1
    MIXED = 2
    OTHER = 3


LANGUAGES: tuple[tuple[str, Label], ...] = (
    ("zh", Label("Chinese", "中文")),
    ("en", Label("English (Latin letters)", "英文（拉丁字母）")),
    ("mixed", Label("mixed Chinese and English", "中英混合")),
    ("other", Label("code and other", "代码及其他")),
)
"""Key and name of each `Language`."""


def language_of(counts: Sequence[int] | NDArray[Any]) -> Language:
    """Tell the language of a document from how many code points of each class it has.

    Parameters
    ----------
    counts
        One number for each of the first twelve classes of `bpetk.analysis.scripts.SCRIPTS`.

    Examples
    --------
    >>> language_of([8, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2]).name
    'ZH'
    """
    han, latin = int(counts[HAN]), int(counts[LATIN])
    letters = sum(int(counts[kind]) for kind in LETTERS)
    marks = int(counts[DIGITS]) + int(counts[PUNCTUATION]) + int(counts[SYMBOLS])
    if (
        letters == 0
        or (letters - han - latin) * 100 > OTHER_LETTERS_PERCENT * letters
        or marks * 100 > MARKS_PERCENT * (letters + marks)
    ):
        return Language.OTHER
    if han * 100 >= HAN_PERCENT * letters:
        return Language.ZH
    if han * 100 > LATIN_PERCENT * letters:
        return Language.MIXED
    return Language.OTHER if marks * 100 > LATIN_MARKS_PERCENT * (letters + marks) else Language.EN


def class_counts(documents: Sequence[bytes]) -> NDArray[np.int64]:
    """Count the code points of each class in each document.

    Parameters
    ----------
    documents
        UTF-8.

    Returns
    -------
    numpy.ndarray
        int64 ``[documents, 12]``; a combining mark counts as the character before it, as a symbol if there is none.

    Examples
    --------
    >>> class_counts(["中文 a".encode(), b""]).tolist()
    [[2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]
    """
    texts = [document.decode() for document in documents]
    sizes = np.fromiter(map(len, texts), np.int64, len(texts))
    classes = class_table()[code_points("".join(texts))]
    starts = np.cumsum(sizes) - sizes
    marks = classes == INHERITED
    if marks.any():
        heads = np.unique(starts[sizes > 0])
        classes[heads] = np.where(marks[heads], SYMBOLS, classes[heads])
        at = np.where(classes == INHERITED, 0, np.arange(len(classes)))
        classes = classes[np.maximum.accumulate(at)]
    rows = np.repeat(np.arange(len(texts), dtype=np.int64), sizes)
    found = np.bincount(rows * N_CLASSES + classes, minlength=len(texts) * N_CLASSES)
    return found.reshape(len(texts), N_CLASSES)


def languages_of(documents: Sequence[bytes]) -> NDArray[np.uint8]:
    """Tell the language of each document, as `language_of`.

    Returns
    -------
    numpy.ndarray
        uint8 ``[documents]``, values of `Language`.

    Examples
    --------
    >>> [Language(k).name for k in languages_of(["今天天气很好。".encode(), b"Good morning.", b"x = {1: 2}"])]
    ['ZH', 'EN', 'OTHER']
    """
    return np.fromiter(map(language_of, class_counts(documents).tolist()), np.uint8, len(documents))
