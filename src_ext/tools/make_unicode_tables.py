"""Write the Unicode 16.0 tables of bpetk: one C++ header and one Python module.

Usage::

    pip install unicodedata2==16.0.0 regex==2024.11.6
    python src_ext/tools/make_unicode_tables.py            # writes both files
    python src_ext/tools/make_unicode_tables.py --check    # exit status 1 if a file differs

Categories come from ``unicodedata2``, scripts and binary properties from ``regex``; both releases carry Unicode 16.0,
and the run stops if they disagree about the category of any code point. The version is pinned because it is the one
inside the reference tokenizers, and because newer tables would silently change the merges of old training runs.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import regex
import unicodedata2

VERSION = "16.0.0"
CODE_POINTS = 0x110000
BLOCK = 128
WIDTH = 110
ROOT = Path(__file__).resolve().parents[2]
HEADER = ROOT / "src_ext" / "native" / "unicode_tables.h"
MODULE = ROOT / "bpetk" / "unicode_tables.py"
BINARY_PROPERTIES = ("White_Space", "Alphabetic", "Uppercase", "Lowercase")

# Names of the header, their bits, and what they mean; the order of the bits is part of the native interface.
FLAGS = (
    ("kLetter", 1, "L"),
    ("kNumber", 2, "N"),
    ("kSpace", 4, "White_Space"),
    ("kMark", 8, "M"),
    ("kUpper", 16, "Lu or Lt"),
    ("kLower", 32, "Ll"),
    ("kPunct", 64, "P or S"),
    ("kHan", 128, "script Han"),
)


def runs(values: Iterable[object]) -> list[tuple[object, int]]:
    """Return ``(value, length)`` of the maximal runs of equal values."""
    return [(value, sum(1 for _ in group)) for value, group in itertools.groupby(values)]


def members(pattern: str, characters: Sequence[str]) -> list[bool]:
    """Return for every code point whether the one-character pattern matches it."""
    match: Callable[[str], object] = regex.compile(pattern, regex.VERSION0).match
    return [match(character) is not None for character in characters]


def read_categories(characters: Sequence[str]) -> list[str]:
    """Return the general category of every code point, agreed on by both libraries."""
    if unicodedata2.unidata_version != VERSION:
        raise SystemExit(f"unicodedata2 has Unicode {unicodedata2.unidata_version}, not {VERSION}")
    categories = [unicodedata2.category(character) for character in characters]
    for name in sorted(set(categories)):
        for code, found in enumerate(members(rf"\p{{gc={name}}}", characters)):
            if found != (categories[code] == name):
                raise SystemExit(f"unicodedata2 and regex disagree on {name} at U+{code:04X}")
    return categories


def read_scripts(characters: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return the script code of every code point, and the long name of every code.

    The list of script names is in no public interface of ``regex``, hence the look into its private table.
    """
    numbers: dict[int, list[str]] = {}
    for name, number in regex._regex_core.PROPERTIES["SCRIPT"][1].items():
        numbers.setdefault(number, []).append(name)
    scripts, names = ["Zzzz"] * CODE_POINTS, {}
    for aliases in numbers.values():
        code = next(
            name for name in aliases[::-1] if len(name) == 4 and not name.startswith("QAA")
        ).capitalize()
        names[code] = aliases[0].lower()
        for point, found in enumerate(members(rf"\p{{Script={aliases[0]}}}", characters)):
            if found:
                scripts[point] = code
    return scripts, {code: names[code] for code in sorted(set(scripts))}


def flag_bytes(categories: Sequence[str], scripts: Sequence[str], spaces: Sequence[bool]) -> bytes:
    """Return the flag byte of every code point, as described by ``FLAGS``."""
    letters = {"Lu": 17, "Lt": 17, "Ll": 33, "Lm": 1, "Lo": 1}
    groups = {"N": 2, "M": 8, "P": 64, "S": 64, "Z": 0, "C": 0}
    flags = bytearray()
    for category, script, space in zip(categories, scripts, spaces, strict=True):
        base = letters[category] if category[0] == "L" else groups[category[0]]
        flags.append(base | (4 if space else 0) | (128 if script == "Hani" else 0))
    return bytes(flags)


def filled(items: Iterable[object], indent: str = "    ") -> str:
    """Return comma-separated items as lines of source."""
    lines, line = [], indent
    for item in items:
        if len(line) + len(text := f"{item},") > WIDTH:
            lines.append(line)
            line = indent
        line += text
    return "\n".join([*lines, line])


def literal(text: str, indent: str = "") -> str:
    """Return a string as source: one line, or implicitly joined lines in parentheses."""
    size = WIDTH - len(indent) - 6
    if len(text) <= size:
        return f'"{text}"'
    lines = (f'{indent}    "{text[start : start + size]}"' for start in range(0, len(text), size))
    return "\n".join(["(", *lines, indent + ")"])


def header_text(flags: bytes) -> str:
    """Return the C++ header: a two-stage table from code point to flag byte, as runs unpacked by the compiler."""
    blocks: dict[bytes, int] = {}
    stage1 = [
        blocks.setdefault(flags[start : start + BLOCK], len(blocks)) for start in range(0, CODE_POINTS, BLOCK)
    ]
    if len(blocks) > 256:
        raise SystemExit(f"{len(blocks)} blocks need a wider first stage")
    constants = "\n".join(
        f"inline constexpr uint8_t {name} = {bit};".ljust(42) + f"// {text}" for name, bit, text in FLAGS
    )
    return HEADER_TEMPLATE.format(
        version=VERSION,
        constants=constants,
        n_stage1=len(stage1),
        n_stage2=len(blocks),
        runs1=filled(number for run in runs(stage1) for number in run),
        runs2=filled(number for run in runs(b"".join(blocks)) for number in run),
    )


def module_text(
    categories: Sequence[str], scripts: Sequence[str], names: dict[str, str], binary: dict[str, list[bool]]
) -> str:
    """Return the Python module: the same data as run lengths."""

    def packed(values: Sequence[str]) -> str:
        return literal("".join(f"{value}{'' if size == 1 else size}" for value, size in runs(values)))

    def lengths(values: Sequence[bool]) -> str:
        # The first length counts code points outside the property; a trailing "outside" run is left out.
        sizes = [size for _, size in runs(values)]
        if values[0]:
            raise SystemExit("a property that holds U+0000 needs another packing")
        return literal(" ".join(f"{size:x}" for size in sizes[: len(sizes) & ~1]), "    ")

    properties = "\n".join(f'    "{name}": {lengths(values)},' for name, values in binary.items())
    return MODULE_TEMPLATE.format(
        version=VERSION,
        names=literal(" ".join(f"{code}={name}" for code, name in names.items())),
        categories=packed(categories),
        scripts=packed(scripts),
        binary=properties,
    )


HEADER_TEMPLATE = """\
// Generated by src_ext/tools/make_unicode_tables.py from Unicode {version}; do not edit.
// One flag byte a code point, in a two-stage table: class_of costs two dependent loads.
// The same data for Python is in bpetk/unicode_tables.py.
#pragma once

#include <cstdint>

namespace bpetk {{

constexpr unsigned kUnicodeVersionMajor = 16;

{constants}

// Runs of the two stages, as value, length, value, length, ...
inline constexpr uint16_t kClassRuns1[] = {{
{runs1}
}};
inline constexpr uint16_t kClassRuns2[] = {{
{runs2}
}};

struct ClassTables {{
    uint8_t stage1[{n_stage1}];      // code point >> 7 to block
    uint8_t stage2[{n_stage2}][128];   // flags of the 128 code points of a block
}};

// Runs at compile time; the {n_stage1} + {n_stage2} * 128 steps are far below the limits of all compilers.
constexpr ClassTables unpack_class_tables() {{
    ClassTables tables{{}};
    unsigned at = 0;
    for (unsigned run = 0; run < sizeof(kClassRuns1) / sizeof(uint16_t); run += 2)
        for (unsigned i = 0; i < kClassRuns1[run + 1]; ++i) tables.stage1[at++] = uint8_t(kClassRuns1[run]);
    at = 0;
    for (unsigned run = 0; run < sizeof(kClassRuns2) / sizeof(uint16_t); run += 2)
        for (unsigned i = 0; i < kClassRuns2[run + 1]; ++i, ++at)
            tables.stage2[at >> 7][at & 127u] = uint8_t(kClassRuns2[run]);
    return tables;
}}

alignas(64) inline constexpr ClassTables kClassTables = unpack_class_tables();
inline constexpr const uint8_t (&kClassStage1)[{n_stage1}] = kClassTables.stage1;
inline constexpr const uint8_t (&kClassStage2)[{n_stage2}][128] = kClassTables.stage2;

/// Flags of a code point; 0 above U+10FFFF.
inline uint8_t class_of(uint32_t cp) {{
    return cp < 0x110000u ? kClassTables.stage2[kClassTables.stage1[cp >> 7]][cp & 127u] : uint8_t{{0}};
}}

}}  // namespace bpetk
"""

MODULE_TEMPLATE = '''\
"""Unicode {version} categories, scripts and a few binary properties, as run lengths.

Generated by ``src_ext/tools/make_unicode_tables.py``; do not edit. Python's own tables change with the interpreter,
these do not: the same text is cut in the same way everywhere.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cache
from itertools import accumulate

VERSION = "{version}"

Ranges = tuple[tuple[int, int], ...]

_CATEGORY_NAMES = {{
    "letter": "L", "uppercaseletter": "Lu", "lowercaseletter": "Ll", "titlecaseletter": "Lt",
    "modifierletter": "Lm", "otherletter": "Lo", "mark": "M", "nonspacingmark": "Mn", "spacingmark": "Mc",
    "enclosingmark": "Me", "number": "N", "decimalnumber": "Nd", "letternumber": "Nl", "othernumber": "No",
    "punctuation": "P", "connectorpunctuation": "Pc", "dashpunctuation": "Pd", "openpunctuation": "Ps",
    "closepunctuation": "Pe", "initialpunctuation": "Pi", "finalpunctuation": "Pf", "otherpunctuation": "Po",
    "symbol": "S", "mathsymbol": "Sm", "currencysymbol": "Sc", "modifiersymbol": "Sk", "othersymbol": "So",
    "separator": "Z", "spaceseparator": "Zs", "lineseparator": "Zl", "paragraphseparator": "Zp",
    "other": "C", "control": "Cc", "format": "Cf", "surrogate": "Cs", "privateuse": "Co", "unassigned": "Cn",
}}  # fmt: skip


@cache
def _runs(packed: str) -> tuple[list[int], list[str]]:
    """Unpack ``Cc32ZsPo3...``: where each run starts, and its value; a missing length is 1."""
    starts, values, start = [], [], 0
    for value, size in re.findall(r"([A-Z][a-z]+)(\\d*)", packed):
        starts.append(start)
        values.append(value)
        start += int(size or 1)
    return starts, values


def category(cp: int) -> str:
    """Return the general category of a code point, such as ``"Lu"``."""
    starts, values = _runs(_CATEGORIES)
    return values[bisect_right(starts, cp) - 1]


def script(cp: int) -> str:
    """Return the four-letter script code of a code point, such as ``"Hani"``."""
    starts, values = _runs(_SCRIPTS)
    return values[bisect_right(starts, cp) - 1]


def _select(packed: str, prefix: str) -> Ranges:
    """Join the runs whose value starts with the prefix."""
    starts, values = _runs(packed)
    found: list[tuple[int, int]] = []
    for start, end, value in zip(starts, [*starts[1:], 0x110000], values, strict=True):
        if value.startswith(prefix):
            if found and found[-1][1] == start - 1:
                found[-1] = (found[-1][0], end - 1)
            else:
                found.append((start, end - 1))
    return tuple(found)


@cache
def ranges(property_name: str) -> Ranges:
    """Return the code points of a property as inclusive ranges in ascending order.

    Parameters
    ----------
    property_name
        A general category or group (``"Lu"``, ``"L"``, ``"Letter"``), a script (``"Han"``, ``"Hani"``), or
        ``White_Space``, ``Alphabetic``, ``Uppercase``, ``Lowercase``. Case, blanks, ``_`` and ``-`` do not count.

    Raises
    ------
    KeyError
        If there is no such property.

    Examples
    --------
    >>> ranges("Zs")[:2]
    ((32, 32), (160, 160))
    """
    name = re.sub(r"[ _-]", "", property_name).lower()
    if name in _BINARY:
        sizes = [int(size, 16) for size in _BINARY[name].split()]
        edges = list(accumulate(sizes))
        return tuple((start, end - 1) for start, end in zip(edges[::2], edges[1::2], strict=True))
    if name in _SCRIPT_CODES:
        return _select(_SCRIPTS, _SCRIPT_CODES[name])
    code = _CATEGORY_NAMES.get(name, name.capitalize())
    if code in _CATEGORY_NAMES.values():
        return _select(_CATEGORIES, code)
    raise KeyError(f"no Unicode property named {{property_name!r}} in the tables")


_SCRIPT_NAMES = {names}

_CATEGORIES = {categories}

_SCRIPTS = {scripts}

# Lengths in hexadecimal, in turn outside and inside the property.
_BINARY = {{
{binary}
}}

_SCRIPT_CODES = {{}}
for _code, _, _long in (item.partition("=") for item in _SCRIPT_NAMES.split()):
    _SCRIPT_CODES[_code.lower()] = _SCRIPT_CODES[_long] = _code
'''


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the two files."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail if a file is not up to date"
    )
    check = parser.parse_args(arguments).check
    characters = [chr(code) for code in range(CODE_POINTS)]
    categories = read_categories(characters)
    scripts, names = read_scripts(characters)
    binary = {
        name.lower().replace("_", ""): members(rf"\p{{{name}}}", characters) for name in BINARY_PROPERTIES
    }
    outputs = {
        HEADER: header_text(flag_bytes(categories, scripts, binary["whitespace"])),
        MODULE: module_text(categories, scripts, names, binary),
    }
    stale = [path for path, text in outputs.items() if not path.exists() or path.read_text("utf-8") != text]
    for path in stale:
        print(f"{'stale' if check else 'written'}: {path.relative_to(ROOT)}")
        if not check:
            path.write_text(outputs[path], "utf-8")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
