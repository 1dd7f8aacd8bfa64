"""Write the tables of the normalizers: one C++ header and one Python module.

Usage::

    pip install unicodedata2==16.0.0 tokenizers==0.23.3
    python src_ext/tools/make_normalization_tables.py            # writes both files
    python src_ext/tools/make_normalization_tables.py --check    # exit status 1 if a file differs

A tokenizer's normalizer is part of the tokenizer, so what counts is not the newest Unicode but what the reference
(`tokenizers`) does, and its parts were made at different times. Each table is therefore read off the reference, by
giving it every code point:

- NFC, NFD, NFKC, NFKD have the data of Unicode 9.0. ``unicodedata2`` (16.0) says which later characters decompose,
  compose or reorder, and the run stops unless the reference agrees with it about all others, and leaves these alone.
- StripAccents deletes the marks (category M) of Unicode 9.0.
- BertNormalizer has tables of its own, about Unicode 8.0, for marks (Mn) and for controls (every category C but Cn).
- Lowercase has the single-character mappings of Unicode 17.0.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import tokenizers
import unicodedata2
from tokenizers import normalizers

VERSIONS = {
    "unicodedata2": (unicodedata2.unidata_version, "16.0.0"),
    "tokenizers": (tokenizers.__version__, "0.23.3"),
}
CODE_POINTS = 0x110000
CODES = [*range(1, 0xD800), *range(0xE000, CODE_POINTS)]
BLOCK = 128
WIDTH = 110
FORMS = ("NFC", "NFD", "NFKC", "NFKD")
ROOT = Path(__file__).resolve().parents[2]
HEADER = ROOT / "src_ext" / "native" / "normalization_tables.h"
MODULE = ROOT / "bpetk" / "normalization_tables.py"

# ---------------------------------------------------------------------------------------------------------------------
# What the reference does.


def each_alone(normalizer: normalizers.Normalizer, mark: str = "\0") -> dict[int, str]:
    """Return what becomes of every code point but U+0000, alone between two characters that nothing touches."""
    parts = normalizer.normalize_str(mark + mark.join(map(chr, CODES)) + mark).split(mark)[1:-1]
    if mark != "\0":
        parts = [*parts[: CODES.index(ord(mark))], mark, *parts[CODES.index(ord(mark)) + 2 :]]
    if len(parts) != len(CODES):
        raise SystemExit(f"{normalizer!r} touches U+{ord(mark):04X}")
    return dict(zip(CODES, parts, strict=True))


def combining_classes() -> dict[int, int]:
    """Return the combining classes other than 0: those of Unicode 16.0, where the reference has one at all."""
    alone = each_alone(normalizers.NFD())
    single = [code for code in CODES if alone[code] == chr(code)]
    # Class 1 is the lowest: what stands in front of U+0334 and has another one changes places with it.
    found = {0x0334: 1, 0x0345: 240}
    for mark, is_behind in ((0x0345, True), (0x0334, False)):
        texts = [chr(mark) + chr(code) if is_behind else chr(code) + chr(mark) for code in single]
        after = normalizers.NFD().normalize_str("\0".join(texts)).split("\0")
        for code, before, now in zip(single, texts, after, strict=True):
            if before != now:
                found[code] = unicodedata2.combining(chr(code))
    check_order(found, single)
    return found


def check_order(classes: Mapping[int, int], single: Sequence[int]) -> None:
    """Stop unless every character behind one mark of every class is put where its class says."""
    one_of_each = {value: code for code, value in classes.items()}
    for value, mark in one_of_each.items():
        after = (
            normalizers.NFD().normalize_str("\0".join(chr(mark) + chr(code) for code in single)).split("\0")
        )
        for code, now in zip(single, after, strict=True):
            swapped = 0 < classes.get(code, 0) < value
            if now != (chr(code) + chr(mark) if swapped else chr(mark) + chr(code)):
                raise SystemExit(f"U+{code:04X} has another combining class than {classes.get(code, 0)}")


def canonical_pairs() -> dict[int, tuple[int, int]]:
    """Return the canonical decompositions into two characters of Unicode 16.0, excluded from composition or not."""
    pairs = {}
    for code in CODES:
        parts = unicodedata2.decomposition(chr(code)).split()
        if len(parts) == 2 and "<" not in parts[0]:
            pairs[code] = (int(parts[0], 16), int(parts[1], 16))
    return pairs


@dataclass(frozen=True)
class Forms:
    """What NFC, NFD, NFKC and NFKD of the reference are made of.

    Attributes
    ----------
    later
        Characters with a part in normalization that are too new for the reference.
    classes
        Combining classes other than 0.
    pairs
        Two characters that compose, Hangul not included.
    not_yes
        For each form the characters that it may change: the quick check is not Yes.
    behind
        Those of them that are only second parts of pairs.
    """

    later: set[int]
    classes: dict[int, int]
    pairs: set[tuple[int, int]]
    not_yes: dict[str, set[int]]
    behind: set[int]


def read_forms() -> Forms:
    """Read the tables off the reference."""
    alone = {form: each_alone(getattr(normalizers, form)()) for form in FORMS}
    classes, pairs = combining_classes(), canonical_pairs()
    old_pairs = {code: pair for code, pair in pairs.items() if alone["NFD"][code] != chr(code)}
    changed = {form: {code for code in CODES if alone[form][code] != chr(code)} for form in FORMS}
    active = set(classes).union(*changed.values(), *old_pairs.values())
    for code in active:
        if any(alone[form][code] != unicodedata2.normalize(form, chr(code)) for form in FORMS):
            raise SystemExit(f"U+{code:04X} is not what it is in Unicode 16.0, but not untouched either")
    active_now = {
        code
        for code in CODES
        if unicodedata2.combining(chr(code)) or unicodedata2.normalize("NFKD", chr(code)) != chr(code)
    }.union(*pairs.values())
    later = active_now - active
    for code in pairs.keys() - old_pairs.keys():
        if unicodedata2.normalize("NFC", chr(code)) == chr(code) and not later.intersection(pairs[code]):
            raise SystemExit(
                f"U+{code:04X} is composed of characters that the reference knows, but not by it"
            )
    composing = {pair for code, pair in old_pairs.items() if alone["NFC"][code] == chr(code)}
    behind = {second for _, second in composing} - changed["NFKC"]
    seconds = {*(second for _, second in composing), *range(0x1161, 0x1176), *range(0x11A8, 0x11C3)}
    not_yes = {form: changed[form] | (seconds if form[-1] == "C" else set()) for form in FORMS}
    return Forms(later, classes, composing, not_yes, behind)


def read_lowercase() -> dict[int, str]:
    """Return the lower case of every character that has one."""
    found = {code: text for code, text in each_alone(normalizers.Lowercase()).items() if text != chr(code)}
    if found.pop(0x130) != "i\u0307" or any(len(text) > 1 for text in found.values()):
        raise SystemExit("more than U+0130 becomes two characters")
    return found


def read_deleted() -> dict[str, set[int]]:
    """Return the characters that normalizers delete, by the name of the set."""
    off = {"clean_text": False, "handle_chinese_chars": False, "strip_accents": False, "lowercase": False}
    found = {
        "MARKS": each_alone(normalizers.StripAccents()),
        "BERT_MARKS": each_alone(normalizers.BertNormalizer(**off | {"strip_accents": True})),
        "BERT_CONTROLS": each_alone(normalizers.BertNormalizer(**off | {"clean_text": True}), "a") | {0: ""},
    }
    return {name: {code for code, text in texts.items() if not text} for name, texts in found.items()}


# ---------------------------------------------------------------------------------------------------------------------
# Which characters the block scanner need not look at: what it looks at is a union of at most eight products
# (first byte) x (second byte) x (third byte), each byte given by its two hexadecimal digits.

ANY = ("0123456789ABCDEF", "0123456789ABCDEF")
Digits = tuple[str, str]
Product = tuple[Digits, Digits, Digits]

# First bytes of which only few characters matter. Of all other first bytes: everything, if anything.
FEW: dict[str, list[Product]] = {
    "NFC": [
        (("E", "3"), ("8", "0"), ("A", "ABCDEF")),
        (("E", "3"), ("8", "2"), ("9", "9A")),
        (("E", "2"), ("8", "0"), ("8", "01")),
        (("E", "2F"), ("8A", "456789ABCD"), ANY),
        (("CE", "2EF"), ("8B", "3578"), ANY),
    ],
    "NFD": [
        (("E", "3"), ("8", "0"), ("A", "ABCDEF")),
        (("E", "3"), ("8", "123"), ANY),
        (("E", "2"), ("8", "0"), ("8", "01")),
        (("E", "2F"), ("8A", "3456789ABCD"), ANY),
        (("E", "2F"), ("B", "3578"), ANY),
    ],
    "NFKC": [
        (("E", "3"), ("8", "0"), ("8", "0")),
        (("E", "3"), ("8", "0"), ("AB", "689ABCDEF")),
        (("E", "3"), ("8", "456789ABCDEF"), ANY),
        (("E", "3"), ("8", "2"), ("9", "9ABCDEF")),
        (("E", "3"), ("8", "3"), ("B", "F")),
    ],
    "NFKD": [
        (("E", "3"), ("8", "0"), ("8", "0")),
        (("E", "3"), ("8", "0"), ("AB", "689ABCDEF")),
        (("E", "3"), ("8", "123456789ABCDEF"), ANY),
    ],
}


def holds(digits: Digits, byte: int) -> bool:
    """Return whether a byte has such digits."""
    return f"{byte >> 4:X}" in digits[0] and f"{byte & 15:X}" in digits[1]


def products(form: str, wanted: Iterable[int]) -> list[Product]:
    """Return products that together hold all the characters of a set."""
    out, leads = list(FEW[form]), set()
    for code in wanted:
        data = chr(code).encode()
        held = any(
            # Behind two bytes stands any byte.
            holds(first, data[0])
            and holds(second, data[1])
            and (third == ANY or (len(data) > 2 and holds(third, data[2])))
            for first, second, third in out
            if len(data) > 1
        )
        if not held:
            leads.add(f"{data[0]:X}")
    rows = {
        high: "".join(sorted({lead[1] for lead in leads if lead[0] in high})) for high in ("C", "D", "EF")
    }
    out += [((high, low), ANY, ANY) for high, low in rows.items() if low]
    if len(out) > 8 or any(lead[0] not in "CDEF" for lead in leads):
        raise SystemExit(f"{form}: {out} is more than eight products, or {sorted(leads)} has ASCII")
    return out


def nibble_tables(found: Sequence[Product]) -> list[list[int]]:
    """Return six tables of 16 bytes: a bit a product, for the high and the low digit of three bytes."""
    return [
        [
            sum((f"{digit:X}" in product[byte][half]) << bit for bit, product in enumerate(found))
            for digit in range(16)
        ]
        for byte in range(3)
        for half in range(2)
    ]


# ---------------------------------------------------------------------------------------------------------------------
# Files.


def runs(values: Iterable[int]) -> list[int]:
    """Return value, length, value, length, ... of the maximal runs of equal values."""
    return [x for value, group in itertools.groupby(values) for x in (value, sum(1 for _ in group))]


def filled(items: Iterable[object], indent: str = "    ") -> str:
    """Return comma-separated items as lines of source."""
    lines, line = [], indent
    for item in items:
        if len(line) + len(text := f"{item},") > WIDTH:
            lines.append(line)
            line = indent
        line += text
    return "\n".join([*lines, line])


def literal(text: str) -> str:
    """Return a string as implicitly joined lines of source."""
    size = WIDTH - 6
    lines = (f'    "{text[start : start + size]}"' for start in range(0, len(text), size))
    return "\n".join(["(", *lines, ")"])


def header_text(forms: Forms) -> str:
    """Return the C++ header: kinds of characters in a two-stage table, pairs, and the nibble tables of each form."""
    classes, not_yes = forms.classes, forms.not_yes
    kinds: dict[tuple[int, int], int] = {(0, 0): 0}
    table = bytearray(CODE_POINTS)
    for code in sorted(set(classes).union(*not_yes.values())):
        bits = sum((code in not_yes[form]) << bit for bit, form in enumerate(FORMS)) + 16 * (
            code in forms.behind
        )
        table[code] = kinds.setdefault((classes.get(code, 0), bits), len(kinds))
    blocks: dict[bytes, int] = {}
    starts = range(0, CODE_POINTS, BLOCK)
    stage1 = [blocks.setdefault(bytes(table[start : start + BLOCK]), len(blocks)) for start in starts]
    if len(blocks) > 256 or len(kinds) > 256:
        raise SystemExit(f"{len(blocks)} blocks, {len(kinds)} kinds: one of them needs a wider type")
    digits = []
    for form in FORMS:
        tables = nibble_tables(products(form, set(classes) | not_yes[form]))
        rows = ",\n".join(f"     {{{', '.join(map(str, row))}}}" for row in tables)
        digits.append(f"    {{  // {form}\n{rows}}},")
    return HEADER_TEMPLATE.format(
        form_names=", ".join(f"k{form} = {i}" for i, form in enumerate(FORMS)),
        kinds=filled(f"{{{value},{bits}}}" for value, bits in kinds),
        n_stage1=len(stage1),
        n_stage2=len(blocks),
        runs1=filled(runs(stage1)),
        runs2=filled(runs(b"".join(blocks))),
        n_pairs=len(forms.pairs),
        pairs=filled(
            f"0x{second << 21 | first:x}" for second, first in sorted((b, a) for a, b in forms.pairs)
        ),
        n_forms=len(FORMS),
        digits="\n".join(digits),
    )


def packed_set(codes: set[int]) -> str:
    """Return lengths in hexadecimal, in turn outside and inside a set."""
    edges = sorted(
        code for code in codes | {code + 1 for code in codes} if (code in codes) != (code - 1 in codes)
    )
    return " ".join(f"{end - start:x}" for start, end in itertools.pairwise([0, *edges]))


def packed_map(found: Mapping[int, str]) -> str:
    """Return runs of code points with a fixed distance that all move equally far: first.count.distance.move."""
    left, out = dict(sorted(found.items())), []
    while left:
        first = next(iter(left))
        move = ord(left[first]) - first
        best = [first]
        for distance in (1, 2):
            run = [first]
            while (code := run[-1] + distance) in left and ord(left[code]) - code == move:
                run.append(code)
            best = max(best, run, key=len)
        out.append(f"{first:x}.{len(best):x}.{best[1] - first if len(best) > 1 else 1}.{move:x}")
        for code in best:
            del left[code]
    return " ".join(out)


def module_text(later: set[int], deleted: Mapping[str, set[int]], lowercase: Mapping[int, str]) -> str:
    """Return the Python module."""
    return MODULE_TEMPLATE.format(
        later=literal(packed_set(later)),
        lowercase=literal(packed_map(lowercase)),
        **{name.lower(): literal(packed_set(codes)) for name, codes in deleted.items()},
    )


HEADER_TEMPLATE = """\
// Generated by src_ext/tools/make_normalization_tables.py from tokenizers 0.23.3 (Unicode 9.0); do not edit.
// Combining class and quick check of every code point, the pairs that compose, and tables that tell apart the blocks of
// text in which no character can matter. For normalization.h.
#pragma once

#include <cstdint>

namespace bpetk {{

enum NormalForm : int {{ {form_names} }};

// It changes, if at all, by composing with a character before it, as one of kNormalPairs.
constexpr uint8_t kOnlyBehind = 16;

struct NormalKind {{
    uint8_t combining_class;
    uint8_t may_change;  // bit of a form: the quick check is not Yes; kOnlyBehind
}};
inline constexpr NormalKind kNormalKinds[] = {{
{kinds}
}};

// Runs of the two stages, as value, length, value, length, ...
inline constexpr uint16_t kNormalRuns1[] = {{
{runs1}
}};
inline constexpr uint16_t kNormalRuns2[] = {{
{runs2}
}};

struct NormalTables {{
    uint8_t stage1[{n_stage1}];      // code point >> 7 to block
    uint8_t stage2[{n_stage2}][128];   // kinds of the 128 code points of a block
}};

constexpr NormalTables unpack_normal_tables() {{
    NormalTables tables{{}};
    unsigned at = 0;
    for (unsigned run = 0; run < sizeof(kNormalRuns1) / sizeof(uint16_t); run += 2)
        for (unsigned i = 0; i < kNormalRuns1[run + 1]; ++i) tables.stage1[at++] = uint8_t(kNormalRuns1[run]);
    at = 0;
    for (unsigned run = 0; run < sizeof(kNormalRuns2) / sizeof(uint16_t); run += 2)
        for (unsigned i = 0; i < kNormalRuns2[run + 1]; ++i, ++at)
            tables.stage2[at >> 7][at & 127u] = uint8_t(kNormalRuns2[run]);
    return tables;
}}

alignas(64) inline constexpr NormalTables kNormalTables = unpack_normal_tables();

inline NormalKind normal_kind(uint32_t cp) noexcept {{
    return kNormalKinds[cp < 0x110000u ? kNormalTables.stage2[kNormalTables.stage1[cp >> 7]][cp & 127u] : 0];
}}

// Pairs of characters that compose, as second << 21 | first, ascending. Hangul is not among them.
inline constexpr uint64_t kNormalPairs[{n_pairs}] = {{
{pairs}
}};

// A character may matter only if the six entries for the digits of its first byte and of the two bytes behind that have
// a bit in common: high and low digit of the first, of the second, of the third.
alignas(16) inline constexpr uint8_t kNormalDigits[{n_forms}][6][16] = {{
{digits}
}};

}}  // namespace bpetk
"""

MODULE_TEMPLATE = '''\
"""Tables of the normalizers: what the reference does to characters, which is not what the newest Unicode says.

Generated by ``src_ext/tools/make_normalization_tables.py`` from tokenizers 0.23.3; do not edit. Sets are lengths in
hexadecimal, in turn outside and inside the set.
"""

from __future__ import annotations

from functools import cache
from itertools import accumulate

Ranges = tuple[tuple[int, int], ...]


def unpack(packed: str) -> Ranges:
    """Return a set of this module as inclusive ranges in ascending order.

    Examples
    --------
    >>> unpack("3 2 1 1")
    ((3, 4), (6, 6))
    """
    edges = list(accumulate(int(size, 16) for size in packed.split()))
    return tuple((start, end - 1) for start, end in zip(edges[::2], edges[1::2], strict=True))


@cache
def lowercase() -> dict[int, str]:
    """Return the lower case of every code point that has one, for ``str.translate``; not to be changed.

    Examples
    --------
    >>> lowercase()[ord("Ǆ")]
    'ǆ'
    """
    found = {{0x130: "i\\u0307"}}
    for run in LOWERCASE.split():
        first, count, distance, move = (int(number, 16) for number in run.split("."))
        found.update((first + i * distance, chr(first + i * distance + move)) for i in range(count))
    return found


# Of the characters assigned up to Unicode 16.0, those that combine, compose or decompose, but are later than the
# Unicode 9.0 of the reference's NFC, NFD, NFKC and NFKD, which leave them alone.
LATER = {later}

# StripAccents: category M of Unicode 9.0.
MARKS = {marks}

# BertNormalizer(strip_accents): category Mn of about Unicode 8.0, and what NFD makes of nothing else.
BERT_MARKS = {bert_marks}

# BertNormalizer(clean_text): category C but Cn of Unicode 8.0, without tab, line feed, carriage return; and U+FFFD.
BERT_CONTROLS = {bert_controls}

# Unicode 17.0, without U+0130. Runs: first code point, how many, distance between two, how far away lower case is.
LOWERCASE = {lowercase}
'''


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the two files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail if a file is not up to date"
    )
    check = parser.parse_args(arguments).check
    for name, (found, wanted) in VERSIONS.items():
        if found != wanted:
            raise SystemExit(f"{name} is {found}, expected {wanted}")
    forms = read_forms()
    outputs = {
        HEADER: header_text(forms),
        MODULE: module_text(forms.later, read_deleted(), read_lowercase()),
    }
    stale = [path for path, text in outputs.items() if not path.exists() or path.read_text("utf-8") != text]
    for path in stale:
        print(f"{'stale' if check else 'written'}: {path.relative_to(ROOT)}")
        if not check:
            path.write_text(outputs[path], "utf-8")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
