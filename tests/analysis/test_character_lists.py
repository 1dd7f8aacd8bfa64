"""The national standards' characters, and which are simplified or traditional."""

from __future__ import annotations

import subprocess
import sys
import unicodedata
from itertools import pairwise
from pathlib import Path

import pytest

from bpetk.analysis.character_data import SOURCES, STANDARD, UNIHAN, VARIANTS
from bpetk.analysis.character_lists import (
    LEVELS,
    Form,
    character_lists,
    forms,
    gb2312_levels,
    simplified_table,
    standard_levels,
)
from bpetk.analysis.scripts import HAN, class_of

ROOT = Path(__file__).resolve().parents[2]


def test_sizes_of_the_standards():
    levels = standard_levels()
    assert tuple(map(len, levels)) == LEVELS == (3500, 3000, 1605)
    every = set("".join(levels))
    assert len(every) == 8105
    assert sum(char > "\uffff" for char in every) == 196
    first, second = gb2312_levels()
    assert (len(first), len(second)) == (3755, 3008)
    # The two standards share 6,638; 125 of GB 2312 are not in the newer one.
    assert len(every & set(first + second)) == 6638
    assert all(class_of(char) == HAN for _, _, chars in character_lists() for char in chars)


def test_characters_that_everybody_knows():
    one, two, three = standard_levels()
    assert set("的一是不了人我在有他中国") <= set(one)
    assert "魑" in two
    assert "𠙶" in three
    assert (gb2312_levels()[0][0], gb2312_levels()[1][-1]) == ("啊", "齄")


def test_forms():
    known = forms()
    assert {known[char] for char in "国时语学"} == {Form.SIMPLIFIED}
    assert {known[char] for char in "國時語學"} == {Form.TRADITIONAL}
    # Words of their own in both writings.
    assert not set("后里面干台中人") & set(known)
    assert {known[char] for char in "电报当会网万"} == {
        Form.SIMPLIFIED
    }  # the database has the first three as old forms, too
    assert "中華民國".translate(simplified_table()) == "中华民国"
    assert ord("著") not in simplified_table()  # not without the context
    assert len(VARIANTS) % 2 == 0


def test_order_of_the_first_level():
    # By strokes: the first is of one stroke. Pairs in the file are in order, too.
    assert STANDARD[:2] == "一乙"
    assert all(a <= b for a, b in pairwise(zip(VARIANTS[::2], VARIANTS[1::2], strict=True)))
    assert unicodedata.name(STANDARD[-1]).startswith("CJK UNIFIED IDEOGRAPH")
    assert UNIHAN.count(".") == 2
    assert all(len(digest) == 64 for digest in SOURCES.values())


def test_the_generator_writes_this_file():
    if not Path("/usr/share/unicode/Unihan_OtherMappings.txt.bz2").exists():
        pytest.skip("needs the files of Debian's package unicode-data")
    if UNIHAN not in (Path("/usr/share/unicode/ReadMe.txt").read_text(encoding="utf-8")):
        pytest.skip(f"the installed package is not of Unicode {UNIHAN}")
    tool = ROOT / "src_ext" / "tools" / "make_character_lists.py"
    subprocess.run([sys.executable, tool, "--check"], check=True)
