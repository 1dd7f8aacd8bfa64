"""The generated Unicode tables: complete, of the right version, and the same in Python and C++."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from pathlib import Path

import pytest

from bpetk import unicode_tables
from bpetk.unicode_tables import category, ranges, script

HEADER = Path(__file__).resolve().parents[2] / "src_ext" / "native" / "unicode_tables.h"
GROUPS = {
    "L": ("Lu", "Ll", "Lt", "Lm", "Lo"),
    "M": ("Mn", "Mc", "Me"),
    "N": ("Nd", "Nl", "No"),
    "P": ("Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po"),
    "S": ("Sm", "Sc", "Sk", "So"),
    "Z": ("Zs", "Zl", "Zp"),
    "C": ("Cc", "Cf", "Cs", "Co", "Cn"),
}
WHITE_SPACE = [
    *range(9, 14),
    0x20,
    0x85,
    0xA0,
    0x1680,
    *range(0x2000, 0x200B),
    0x2028,
    0x2029,
    0x202F,
    0x205F,
    0x3000,
]
FLAGS = {
    "kLetter": ("L",),
    "kNumber": ("N",),
    "kSpace": ("White_Space",),
    "kMark": ("M",),
    "kUpper": ("Lu", "Lt"),
    "kLower": ("Ll",),
    "kPunct": ("P", "S"),
    "kHan": ("Han",),
}


def members(*names: str) -> set[int]:
    return {code for name in names for start, end in ranges(name) for code in range(start, end + 1)}


@pytest.mark.parametrize(
    "name", [*GROUPS, *(x for group in GROUPS.values() for x in group), "Han", "White_Space"]
)
def test_ranges_ascend_without_touching(name: str) -> None:
    found = ranges(name)
    assert all(start <= end for start, end in found)
    assert all(left[1] + 1 < right[0] for left, right in pairwise(found))


def test_every_code_point_has_exactly_one_category() -> None:
    covered = sorted(pair for group in GROUPS.values() for name in group for pair in ranges(name))
    assert covered[0][0] == 0
    assert covered[-1][1] == 0x10FFFF
    assert all(left[1] + 1 == right[0] for left, right in pairwise(covered))


@pytest.mark.parametrize("group", GROUPS)
def test_group_is_the_union_of_its_categories(group: str) -> None:
    assert members(group) == members(*GROUPS[group])


@pytest.mark.parametrize(
    ("name", "count"),
    [
        *(("L", 141_028), ("N", 1_911), ("M", 2_501), ("P", 855), ("S", 8_514), ("Nd", 760), ("Han", 99_030)),
        *(("Lu", 1_858), ("Ll", 2_258), ("Lt", 31), ("Lm", 404), ("Lo", 136_477), ("White_Space", 25)),
    ],
)
def test_sizes_are_those_of_unicode_16(name: str, count: int) -> None:
    assert sum(end - start + 1 for start, end in ranges(name)) == count


def test_white_space_is_the_25_code_points_of_the_standard() -> None:
    assert sorted(members("White_Space")) == WHITE_SPACE


@pytest.mark.parametrize(
    ("code", "name", "why"),
    [
        (0x1C89, "Lu", "new in 16.0"),
        (0xA7DC, "Lu", "new in 16.0"),
        (0x2EBF0, "Lo", "new in 15.1"),
        (0x0295, "Ll", "Lo from 17.0"),
        (0x11DE0, "Cn", "a number from 17.0"),
        (0x3007, "Nl", "Han, yet a number"),
        (0xD800, "Cs", "surrogate"),
        (0x10FFFF, "Cn", "last"),
    ],
)
def test_category_of_code_points_that_tell_versions_apart(code: int, name: str, why: str) -> None:
    assert category(code) == name, why


def test_lookups_agree_with_ranges() -> None:
    for code in (*range(0, 0x3000, 7), *range(0x3000, 0x110000, 1009)):
        assert any(start <= code <= end for start, end in ranges(category(code))), hex(code)
        assert any(start <= code <= end for start, end in ranges(script(code))), hex(code)


def test_categories_agree_with_those_of_the_interpreter() -> None:
    version = tuple(map(int, unicodedata.unidata_version.split(".")))
    if version > (16, 0, 0):
        pytest.skip(f"the interpreter has Unicode {unicodedata.unidata_version}")
    differing = {
        code
        for code in range(0x110000)
        if (theirs := unicodedata.category(chr(code))) != category(code) and theirs != "Cn"
    }
    # Assigned characters hardly ever change category: one did between 14.0 and 16.0, U+1171E.
    assert len(differing) <= (0 if version == (16, 0, 0) else 5), sorted(map(hex, differing))


@pytest.mark.parametrize(
    "name", ["Han", "han", "HANI", "Lu", "lu", "Uppercase_Letter", "upper case-LETTER", "white space"]
)
def test_names_are_found_however_written(name: str) -> None:
    assert ranges(name)


@pytest.mark.parametrize("name", ["", "X", "Lx", "Klingon", "cn2", "category", "L&"])
def test_unknown_property_is_a_key_error_that_names_it(name: str) -> None:
    with pytest.raises(KeyError, match=re.escape(repr(name))):
        ranges(name)


def header_numbers(name: str) -> list[int]:
    text = HEADER.read_text("utf-8")
    body = re.search(rf"{name}\[[0-9]*\] = \{{([0-9,\s]*)\}};", text)
    assert body, name
    return [int(number) for number in re.findall(r"\d+", body[1])]


def unpacked(name: str) -> list[int]:
    numbers = header_numbers(name)
    return [value for value, size in zip(numbers[::2], numbers[1::2], strict=True) for _ in range(size)]


def test_header_holds_the_same_classes_for_every_code_point() -> None:
    stage1, stage2 = unpacked("kClassRuns1"), unpacked("kClassRuns2")
    assert len(stage1) == 0x110000 >> 7
    assert len(stage2) == (max(stage1) + 1) * 128
    constants = dict(re.findall(r"constexpr uint8_t (k\w+) = (\d+);", HEADER.read_text("utf-8")))
    flags = [flag for block in stage1 for flag in stage2[block * 128 : block * 128 + 128]]
    for name, properties in FLAGS.items():
        bit = int(constants[name])
        assert {code for code, flag in enumerate(flags) if flag & bit} == members(*properties), name
    assert sorted(int(constants[name]) for name in FLAGS) == [1, 2, 4, 8, 16, 32, 64, 128]


def test_header_and_module_say_their_version() -> None:
    assert unicode_tables.VERSION == "16.0.0"
    text = HEADER.read_text("utf-8")
    assert "Unicode 16.0.0" in text
    assert "kUnicodeVersionMajor = 16;" in text
