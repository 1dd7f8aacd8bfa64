"""The native scanner: every tier against the scalar rules, and these against the plain reference scanner."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from adversarial import BROKEN, PARTS, random_bytes, random_text

from bpetk import _scanner, unicode_tables
from bpetk.pretokenizers import SCHEMES
from bpetk.reference import scan

BLOCK = 64
BLOCK_TIERS = [tier for tier in _scanner.TIERS if tier != "scalar"]
CUTTING = [name for name in SCHEMES if name != "none"]
# Long enough for several blocks in front, so that a phase is that of a block in the middle.
FILLERS = {
    "en": b"then a word, ",
    "zh": "中文，字。".encode(),
    "spaces": b"  x",
    "digits": b"1234 ",
    "upper": b"ABc",
    "crlf": b"a line;\r\n",
    "kana": "かなカナ、".encode(),
    "wide": "\u3000中１２\xa0３".encode(),
    "marks": "e\u0301 กิน ".encode(),
    "code": b"{\n    x = 1;\n/",
    "mixed": "用GPU的Abc".encode(),
}


def reference(data: bytes, scheme: str, *, lines: bool) -> list[int]:
    """What ``_scanner.split`` has to give, by the plain scanner."""
    if not lines:
        return scan.split_bytes(data, scheme)
    out, start = [], 0
    for line in data.split(b"\n"):
        line = line + b"\n"
        out += [start + end for end in scan.split_bytes(line[: len(data) - start], scheme)]
        start += len(line)
    return out


def assert_tiers_agree(
    data: bytes, *, schemes: list[str] = CUTTING, modes: tuple[bool, ...] = (False, True)
) -> None:
    for scheme in schemes:
        for lines in modes:
            expected = _scanner.split(data, scheme, lines=lines, tier="scalar")
            for tier in BLOCK_TIERS:
                found = _scanner.split(data, scheme, lines=lines, tier=tier)
                if found != expected:
                    pytest.fail(
                        describe(data, expected, found, f"{scheme}, lines={lines}, {tier} against scalar")
                    )


def assert_equals_reference(
    data: bytes, *, schemes: list[str] = CUTTING, modes: tuple[bool, ...] = (False, True)
) -> None:
    for scheme in schemes:
        for lines in modes:
            expected = reference(data, scheme, lines=lines)
            found = _scanner.split(data, scheme, lines=lines, tier="scalar")
            if found != expected:
                pytest.fail(
                    describe(data, expected, found, f"{scheme}, lines={lines}, scalar against reference")
                )


def describe(data: bytes, expected: list[int], found: list[int], what: str) -> str:
    pairs = enumerate(zip(expected, found, strict=False))
    at = next((i for i, (a, b) in pairs if a != b), min(len(expected), len(found)))
    near = expected[at - 1] if at else 0
    part = data[max(0, near - 24) : near + 40]
    return f"{what}: end {at}: {expected[at : at + 3]} != {found[at : at + 3]} near {part!r} of {len(data)} bytes"


def test_tiers_and_schemes() -> None:
    assert _scanner.TIERS[:2] == ("scalar", "portable")
    assert set(_scanner.SCHEMES) == set(SCHEMES)


# Alignment


@pytest.mark.parametrize("filler", FILLERS)
def test_every_block_phase(filler: str) -> None:
    """Each odd part, and each pair of some, at each of 64 offsets from a block's start."""
    rng = random.Random(filler)
    parts = [part.encode() for part in dict.fromkeys(PARTS)] + BROKEN
    parts += [rng.choice(parts) + rng.choice(parts) + rng.choice(parts) for _ in range(40)]
    unit = FILLERS[filler]
    after = unit * (200 // len(unit))
    for phase in range(BLOCK):
        # The first pretoken starts at 0, and blocks with it; so all parts stand `phase` bytes into a block.
        data = b"".join(
            (unit * 70)[: 2 * BLOCK + phase] + part + b" " * (-(phase + len(part)) % BLOCK) for part in parts
        )
        assert_tiers_agree(data + after, modes=(bool(phase % 2),))
        if phase == 0:
            assert_equals_reference(data + after)


@pytest.mark.parametrize("seed", range(4))
def test_every_end_of_buffer(seed: int) -> None:
    """Texts of every length up to six blocks, also when they stop inside a character."""
    rng = random.Random(seed)
    data = b"".join(random_bytes(rng, 8) for _ in range(60))[: 6 * BLOCK]
    for n in range(len(data) + 1):
        assert_tiers_agree(data[:n])
    for n in range(0, len(data) + 1, 7):
        assert_equals_reference(data[:n])


def test_every_start_of_buffer() -> None:
    """The address of the data does not matter: blocks are loaded unaligned."""
    data = random_bytes(random.Random(3), 400)
    view = memoryview(bytes(BLOCK) + data)
    for scheme in CUTTING:
        expected = _scanner.split(data, scheme, tier="scalar")
        for start in range(BLOCK):
            moved = memoryview(bytes(view[BLOCK - start :]))[start:]
            for tier in BLOCK_TIERS:
                assert _scanner.split(moved, scheme, tier=tier) == expected


GUARD_PAGE = """
import ctypes, mmap, random, sys
sys.path[:0] = sys.argv[1:]
from adversarial import random_bytes
from bpetk import _scanner
libc = ctypes.CDLL(None, use_errno=True)
PAGE = mmap.PAGESIZE
space = mmap.mmap(-1, 4 * PAGE)
address = ctypes.addressof(ctypes.c_char.from_buffer(space))
assert libc.mprotect(ctypes.c_void_p(address + 2 * PAGE), PAGE, 0) == 0
rng = random.Random(1)
for n in [*range(1, 300), *(rng.randrange(300, 1500) for _ in range(60))]:
    data = random_bytes(rng, n)[:n]
    begin = 2 * PAGE - len(data)
    space[begin : 2 * PAGE] = data
    view = (ctypes.c_uint8 * len(data)).from_address(address + begin)
    for scheme in _scanner.SCHEMES:
        for tier in _scanner.TIERS:
            assert _scanner.split(view, scheme, tier=tier) == _scanner.split(data, scheme, tier="scalar")
print("done")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs mprotect")
def test_nothing_is_read_beyond_the_end() -> None:
    """The byte after the data is on a page that must not be touched: a read of it kills the process."""
    result = subprocess.run(
        [sys.executable, "-c", GUARD_PAGE, str(Path(__file__).parents[1])],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (result.returncode, result.stdout) == (0, "done\n"), result.stderr


@pytest.mark.parametrize(
    "unit", [b"a,", b"\n", b"a ", b"1a", "中，".encode(), "é!".encode(), b"\xff a", b"'s'll", b"x'S"]
)
def test_more_pretokens_than_one_round_holds(unit: bytes) -> None:
    data = unit * 3000
    assert_tiers_agree(data)
    assert_equals_reference(data[:3000])


@pytest.mark.parametrize(
    "unit",
    [
        b"a",
        b"7",
        b" ",
        b"!",
        b"\n",
        b"A",
        "中".encode(),
        "é".encode(),
        "。".encode(),
        b"\xff",
        "\u0301".encode(),
        b"\r\n",
        "\u3000".encode(),
        "\xa0".encode(),
        "１".encode(),
        "〇".encode(),
        "あ".encode(),
        "・".encode(),
        "\u3040".encode(),
        b"\x01",
        b"/",
    ],
)
def test_one_run_over_many_blocks(unit: bytes) -> None:
    for around in (b"", b"a", b" ", b"\n", b"1", b"!"):
        data = around + unit * 700 + around
        assert_tiers_agree(data)
        assert_equals_reference(data)


# Bytes that are not UTF-8


def ill_formed() -> Iterator[bytes]:
    """All pairs of high bytes; at the borders of what is allowed also three and four bytes."""
    high = range(0x80, 0x100)
    border = (0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0)
    yield from (bytes((a, b)) for a in high for b in high)
    yield from (bytes((a, b, c)) for a in range(0xDF, 0x100) for b in border for c in border)
    yield from (
        bytes((a, b, c, d)) for a in range(0xEF, 0xF6) for b in border for c in border for d in border[::2]
    )


def test_every_kind_of_ill_formed_utf8() -> None:
    whole = b"".join(part + b"ab1 "[: 1 + i % 4] for i, part in enumerate(ill_formed()))
    assert_tiers_agree(whole)
    assert_equals_reference(whole, modes=(False,))


def test_each_ill_formed_byte_is_one_character() -> None:
    """Seen in o200k and gpt2: they are "other", and only one "other" character may open a word in cl100k."""
    assert _scanner.split(b"\xffab", "cl100k") == [3]
    assert _scanner.split(b"\xff\xffab", "cl100k") == [2, 4]
    assert _scanner.split(b"\xed\xa0\x80ab", "cl100k") == [3, 5]
    assert _scanner.split(b"1\xe4\xb8", "gpt2") == [1, 3]


# All of Unicode

CONTEXTS = ["a{c}b", " {c} ", "{c}{c}A", "'{c}", "1{c}\n", "!{c}", "漢{c}あ", "{c}  {c}1"]
LARGEST = 0x10FFFF


def in_contexts(code_points: list[int]) -> bytes:
    pattern = "".join(CONTEXTS)
    return "".join(
        [pattern.replace("{c}", chr(cp)) for cp in code_points if not 0xD800 <= cp < 0xE000]
    ).encode()


@pytest.mark.parametrize("plane", range(17))
def test_every_code_point_in_every_tier(plane: int) -> None:
    # All of the planes where letters are; of the others, which hold little or nothing, each 16th.
    step = 1 if plane < 4 else 16
    data = in_contexts(list(range(plane << 16, (plane + 1) << 16, step)))
    assert_tiers_agree(data, modes=(bool(plane % 2),))


def test_code_points_at_the_borders_of_classes_equal_the_reference() -> None:
    """Each code point whose category is not that of its neighbour, and some of the others."""
    borders = {0, LARGEST}
    for name in ("L", "N", "M", "Lu", "Ll", "Lt", "P", "S", "Han", "White_Space"):
        for first, last in unicode_tables.ranges(name):
            borders |= {max(0, first - 1), first, last, min(LARGEST, last + 1)}
    rng = random.Random(7)
    borders |= {rng.randrange(LARGEST) for _ in range(2000)}
    points = sorted(borders)
    assert len(points) > 5000
    # One scheme for each tenth, in turn: the classes are the same table for all.
    for number in range(30):
        assert_equals_reference(
            in_contexts(points[number::30]), schemes=[CUTTING[number % len(CUTTING)]], modes=(False,)
        )


# At random


@pytest.mark.parametrize("seed", range(8))
def test_random_bytes(seed: int) -> None:
    rng = random.Random(seed)
    for number in range(350):
        data = random_bytes(rng, rng.choice((5, 20, 200, 400)))
        assert_tiers_agree(data)
        if number % 5 == 0:
            assert_equals_reference(data[:600])


@pytest.mark.parametrize("name", ["en", "zh"])
def test_sample_text_in_other_forms(name: str) -> None:
    """Line ends of two bytes, paragraphs that begin with U+3000, wide digits, blanks at line starts, capitals."""
    text = (Path(__file__).parents[2] / "corpora" / f"{name}.txt").read_text("utf-8")[:60_000]
    forms = [
        text,
        text.replace("\n", "\r\n"),
        text.replace("\n", "\n\u3000\u3000"),
        text.replace(" ", "\xa0"),
    ]
    forms += [text.translate({0x30 + i: 0xFF10 + i for i in range(10)}), text.replace("\n", "\n        ")]
    forms += [text.replace("，", "GPU"), text.replace("，", ";\n//"), text.replace("e", "e\u0301")]
    for form in forms:
        assert_tiers_agree(form.encode())


def test_scheme_none_is_one_pretoken_a_text() -> None:
    for tier in _scanner.TIERS:
        assert _scanner.split(b"a b\nc", "none", tier=tier) == [5]
        assert _scanner.split(b"a b\nc", "none", lines=True, tier=tier) == [4, 5]
        assert _scanner.split(b"ab " * 1000, "none", tier=tier) == [3000]


# Cuts


@pytest.mark.parametrize("scheme", SCHEMES)
def test_text_cut_at_a_safe_place_gives_the_same_pretokens(scheme: str) -> None:
    """Whatever stands before and after the window in which the place was looked for."""
    rng = random.Random(scheme)
    cuts = 0
    for _ in range(1500):
        data = "".join(random_text(rng, rng.choice((3, 10, 30))) for _ in range(3)).encode()
        begin, end = sorted(rng.choices(range(len(data) + 1), k=2))
        cut = _scanner.find_safe_cut(data[begin:end], scheme)
        assert 0 <= cut < max(1, end - begin)
        if cut:
            cuts += 1
            at = begin + cut
            for lines in (False, True):
                left, right = (_scanner.split(part, scheme, lines=lines) for part in (data[:at], data[at:]))
                assert left + [at + end for end in right] == _scanner.split(data, scheme, lines=lines), data
    assert (cuts > 100) == (scheme != "none")


@pytest.mark.parametrize("scheme", CUTTING)
@pytest.mark.parametrize("text", ["a plain sentence of English words ", "这是一句没有换行的中文，有标点。"])
def test_plain_text_without_line_ends_has_safe_cuts(scheme: str, text: str) -> None:
    """Else a file that is one long line would be counted by one thread."""
    data = (text * 50).encode()
    found = _scanner.find_safe_cut(data, scheme)
    # Without white space a word of the scheme "whitespace" goes on over punctuation.
    expected = scheme != "whitespace" or " " in text
    assert (found > len(data) - 80) == expected
    assert expected or found == 0


def test_no_safe_cut() -> None:
    assert _scanner.find_safe_cut(b"a b " * 50, "none") == 0
    assert _scanner.find_safe_cut(b"", "gpt2") == 0
    for data in (b"a" * 500, b" " * 500, b"\n" * 500, b"1 2 " * 100, "。".encode() * 100):
        assert _scanner.find_safe_cut(data, "cl100k") == 0


def test_safe_cut_of_a_window_that_begins_inside_a_character() -> None:
    text = "文，中文，a b c d"
    data = text.encode()
    for start in range(1, len(data)):
        window = data[start:]
        cut = _scanner.find_safe_cut(window, "cl100k")
        if cut:
            (data[: start + cut]).decode()
            whole = _scanner.split(data, "cl100k")
            assert start + cut in whole


# Arguments


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview, lambda data: memoryview(bytearray(data))[:]])
def test_any_buffer_of_bytes_is_read(make: type) -> None:
    assert _scanner.split(make(b"ab cd"), "gpt2") == [2, 5]
    assert _scanner.find_safe_cut(make(b"ab cd efgh ijkl"), "gpt2") == 5


@pytest.mark.parametrize("scheme", SCHEMES)
def test_empty_text_has_no_pretokens(scheme: str) -> None:
    assert _scanner.split(b"", scheme) == []


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown native scheme 'gpt3'.*cl100k"):
        _scanner.split(b"a", "gpt3")
    with pytest.raises(ValueError, match=r"unknown tier 'sse2'.*portable"):
        _scanner.split(b"a", "gpt2", tier="sse2")
    with pytest.raises(TypeError):
        _scanner.split(b"a", None)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        _scanner.split("a", "gpt2")  # type: ignore[arg-type]
