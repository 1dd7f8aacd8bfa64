"""Pre-tokenizers of files: reading, which scheme they are, and where they cut.

The expected pieces here are those of `tokenizers` 0.23.3; tests/compat compares with it directly.
"""

from __future__ import annotations

import itertools
import pickle
import subprocess
import sys
from typing import Any

import pytest
from adversarial import PARTS
from hypothesis import given
from hypothesis import strategies as st

from bpetk.aligned import AlignedText
from bpetk.custom_pattern import compile_pattern
from bpetk.errors import ModelFileError
from bpetk.pretokenizers import SCHEMES
from bpetk.reference.scan import split as reference_split
from bpetk.splitters import PreTokenizer, pre_tokenizer_from_hf, scheme_from_steps

Config = dict[str, Any]


def split(pattern: str, behavior: str = "Isolated", invert: bool = False, kind: str = "Regex") -> Config:
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert}


def byte_level(use_regex: bool = False, add_prefix_space: bool = False) -> Config:
    return {
        "type": "ByteLevel",
        "add_prefix_space": add_prefix_space,
        "trim_offsets": True,
        "use_regex": use_regex,
    }


def digits(individual: bool) -> Config:
    return {"type": "Digits", "individual_digits": individual}


def metaspace(scheme: str = "always", split: bool = True) -> Config:
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split}


def sequence(*parts: Config) -> Config:
    return {"type": "Sequence", "pretokenizers": list(parts)}


def make(config: Any) -> PreTokenizer:
    made = pre_tokenizer_from_hf(config)
    assert made is not None
    return made


def pieces(config: Config, text: str, first: bool = True) -> list[str]:
    return [piece.text for piece in make(config).split(AlignedText(text), first=first)]


# --- reading --------------------------------------------------------------------------------------------------------


def test_null_is_none() -> None:
    assert pre_tokenizer_from_hf(None) is None


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ({"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}, byte_level(True)),
        ({"type": "Whitespace", "anything": 1}, {"type": "Whitespace"}),
        ({"type": "Punctuation"}, {"type": "Punctuation", "behavior": "Isolated"}),
        ({"type": "FixedLength"}, {"type": "FixedLength", "length": 5}),
        ({"type": "Metaspace", "replacement": "▁", "add_prefix_space": True, "str_rep": "x"}, metaspace()),
        (
            {
                "type": "Metaspace",
                "replacement": "▁",
                "add_prefix_space": False,
                "prepend_scheme": "never",
                "split": False,
            },
            metaspace("never", False),
        ),
        (
            sequence(sequence(), {"type": "Punctuation"}),
            sequence(sequence(), {"type": "Punctuation", "behavior": "Isolated"}),
        ),
    ],
)
def test_defaults_are_filled_in(written: Config, read: Config) -> None:
    assert make(written).config == read


METASPACE = {"type": "Metaspace", "replacement": "▁"}
MALFORMED: list[tuple[Any, str, str]] = [
    ("Whitespace", "pre_tokenizer", "expected an object with a 'type'"),
    ({}, "pre_tokenizer", "expected an object with a 'type'"),
    ({"type": 3}, "pre_tokenizer", "expected an object with a 'type'"),
    ({"type": "Whitspace"}, "pre_tokenizer.type", "unknown pre-tokenizer 'Whitspace'"),
    ({"type": "Sequence"}, "pre_tokenizer", "Sequence needs 'pretokenizers'"),
    ({"type": "Sequence", "pretokenizers": {}}, "pre_tokenizer.pretokenizers", "expected a list"),
    (
        sequence(digits(True), {"type": "X"}),
        "pre_tokenizer.pretokenizers[1].type",
        "unknown pre-tokenizer 'X'",
    ),
    (
        sequence(sequence({"type": "Digits"})),
        "pre_tokenizer.pretokenizers[0].pretokenizers[0]",
        "Digits needs",
    ),
    ({"type": "ByteLevel"}, "pre_tokenizer", "ByteLevel needs 'add_prefix_space'"),
    (byte_level() | {"use_regex": None}, "pre_tokenizer.use_regex", "expected true or false, not None"),
    (byte_level() | {"trim_offsets": 1}, "pre_tokenizer.trim_offsets", "expected true or false, not 1"),
    (
        {"type": "Split", "pattern": {"Regex": "a"}, "invert": False},
        "pre_tokenizer",
        "Split needs 'behavior'",
    ),
    (
        split("a") | {"pattern": "a"},
        "pre_tokenizer.pattern",
        'expected {"String": "..."} or {"Regex": "..."}',
    ),
    (split("a") | {"pattern": {"Regex": 1}}, "pre_tokenizer.pattern", "expected {"),
    (split("a") | {"pattern": {"Regex": "a", "String": "a"}}, "pre_tokenizer.pattern", "expected {"),
    (split("a", "isolated"), "pre_tokenizer.behavior", "expected one of Removed, Isolated, "),
    (split(r"\Ga"), "pre_tokenizer.pattern.Regex", r"'\\G' at position 0 of the pattern"),
    (sequence(split("a"), split("(a")), "pre_tokenizer.pretokenizers[1].pattern.Regex", "'(' at position 0"),
    (METASPACE | {"replacement": "▁▁"}, "pre_tokenizer.replacement", "expected one character"),
    (
        METASPACE | {"add_prefix_space": False},
        "pre_tokenizer.add_prefix_space",
        "false needs prepend_scheme 'never'",
    ),
    (METASPACE | {"prepend_scheme": "last"}, "pre_tokenizer.prepend_scheme", "expected one of always, first"),
    ({"type": "CharDelimiterSplit", "delimiter": ""}, "pre_tokenizer.delimiter", "expected one character"),
    (
        {"type": "FixedLength", "length": 0},
        "pre_tokenizer.length",
        "expected a whole number from 1 up, not 0",
    ),
    ({"type": "FixedLength", "length": True}, "pre_tokenizer.length", "expected a whole number"),
    (sequence(byte_level(), metaspace()), "pre_tokenizer.pretokenizers[1]", "Metaspace after ByteLevel"),
    (sequence(byte_level(), byte_level()), "pre_tokenizer.pretokenizers[1]", "ByteLevel after ByteLevel"),
]


@pytest.mark.parametrize(("config", "field", "reason"), MALFORMED)
def test_errors_name_the_field_and_the_reason(config: Any, field: str, reason: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        pre_tokenizer_from_hf(config)
    assert str(caught.value).startswith(f"{field}: {reason}")


def test_errors_begin_with_the_given_field() -> None:
    with pytest.raises(ModelFileError, match=r"^tokenizer\.json: pre\.type: unknown"):
        pre_tokenizer_from_hf({"type": "X"}, "tokenizer.json: pre")


def test_equal_configurations_are_equal_and_survive_pickling() -> None:
    one, other = make({"type": "Punctuation"}), make({"type": "Punctuation", "behavior": "Isolated"})
    assert one == other
    assert hash(one) == hash(other)
    assert one != make(digits(True))
    assert pickle.loads(pickle.dumps(one)) == one
    assert "Punctuation" in repr(one)


# --- named schemes --------------------------------------------------------------------------------------------------

WITH_PATTERN = [scheme for scheme in SCHEMES.values() if scheme.pattern]


@pytest.mark.parametrize("name", SCHEMES)
def test_what_a_scheme_writes_is_read_as_that_scheme(name: str) -> None:
    assert make(SCHEMES[name].to_hf()).scheme is SCHEMES[name]
    assert make(sequence(sequence(), SCHEMES[name].to_hf())).scheme is SCHEMES[name]


@pytest.mark.parametrize("scheme", WITH_PATTERN, ids=lambda scheme: scheme.name)
def test_other_forms_of_a_scheme(scheme: Any) -> None:
    pattern = scheme.pattern
    assert make(sequence(split(pattern), byte_level())).scheme is scheme
    assert make(sequence(split(pattern, invert=True), byte_level())).scheme is scheme
    assert make(sequence(split(pattern, "Removed", invert=True), byte_level())).scheme is scheme
    assert make(split(pattern)).scheme is scheme
    for config in (
        sequence(split(pattern, "Removed"), byte_level()),
        sequence(split(pattern, "Contiguous"), byte_level()),
        sequence(split(pattern, kind="String"), byte_level()),
        sequence(split(pattern), byte_level(add_prefix_space=True)),
        sequence(split(pattern), byte_level(use_regex=True)),
        sequence(split(pattern), byte_level(), digits(True)),
        sequence(split("(?:" + pattern + ")"), byte_level()),
    ):
        assert make(config).scheme is None, config


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (byte_level(True), "gpt2"),
        (byte_level(), "none"),
        (sequence(), "none"),
        (sequence(split(r"\s+", "Removed"), byte_level()), "whitespace"),
        (sequence(split(r"\S+", "Removed", invert=True), byte_level()), "whitespace"),
        (byte_level(True, add_prefix_space=True), None),
        (sequence(digits(True), byte_level(True)), None),
        (sequence({"type": "Whitespace"}, byte_level()), None),
        (split(r"\s+"), None),
    ],
)
def test_scheme(config: Config, name: str | None) -> None:
    assert make(config).scheme is (None if name is None else SCHEMES[name])


def test_scheme_from_steps_needs_no_sequence() -> None:
    assert scheme_from_steps([]) is SCHEMES["none"]
    assert scheme_from_steps([byte_level(True)]) is SCHEMES["gpt2"]
    assert scheme_from_steps([byte_level(), byte_level(True)]) is None


@given(st.lists(st.sampled_from(PARTS), max_size=20).map("".join), st.sampled_from(sorted(SCHEMES)))
def test_general_way_cuts_as_the_scheme(text: str, name: str) -> None:
    assert pieces(SCHEMES[name].to_hf(), text) == reference_split(text, name)


@pytest.mark.parametrize("scheme", WITH_PATTERN, ids=lambda scheme: scheme.name)
def test_patterns_with_a_name_match_every_text_without_a_gap(scheme: Any) -> None:
    # Why it makes no difference that a file removes what is between the matches.
    everything = "".join(chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    classes = compile_pattern(scheme.pattern).classes(everything)
    kinds = list(dict(zip(classes, everything, strict=True)).values())  # one character of each
    config = split(scheme.pattern, "Removed", invert=True)
    for size in (1, 2, 3):
        for chars in itertools.product(kinds, repeat=size):
            assert "".join(pieces(config, "".join(chars))) == "".join(chars)


def test_named_schemes_need_neither_numpy_nor_regex() -> None:
    configs = [scheme.to_hf() for scheme in SCHEMES.values()]
    code = (
        "import sys\n"
        "from bpetk.splitters import pre_tokenizer_from_hf\n"
        f"assert all(pre_tokenizer_from_hf(config).scheme for config in {configs!r})\n"
        "assert not {'numpy', 'regex'} & set(sys.modules), sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- cutting --------------------------------------------------------------------------------------------------------

DASHES = "-the-final--countdown-"
CUTS = [
    (split("-", "Removed", kind="String"), DASHES, "the|final|countdown"),
    (split("-", "Isolated", kind="String"), DASHES, "-|the|-|final|-|-|countdown|-"),
    (split("-", "MergedWithPrevious", kind="String"), DASHES, "-|the-|final-|-|countdown-"),
    (split("-", "MergedWithNext", kind="String"), DASHES, "-the|-final|-|-countdown|-"),
    (split("-", "Contiguous", kind="String"), DASHES, "-|the|-|final|--|countdown|-"),
    (split("-", "Removed", invert=True), DASHES, "-|-|-|-|-"),
    (split("-", "MergedWithPrevious", invert=True), DASHES, "-the|-final|-|-countdown|-"),
    (split("-", "MergedWithNext", invert=True), DASHES, "-|the-|final-|-|countdown-"),
    (split("x*", "MergedWithNext"), "abxxc", "a|b|xxc"),
    (split("x*", "MergedWithPrevious"), "abxxc", "a|bxx|c"),
    (split("x*", "Removed"), "abxxc", "a|b|c"),
    (split("", "Isolated", kind="String"), "ab c", "a|b| |c"),
    (split("a.", "Isolated", kind="String"), "aba.", "ab|a."),
    (split(r"\d{1,3}+"), "1234567a", "1234567|a"),
    ({"type": "Whitespace"}, "a\u200db² \u0301!?c", "a\u200db|²|\u0301|!?|c"),
    ({"type": "WhitespaceSplit"}, " a\x85b\u3000\x1cc ", "a|b|\x1cc"),
    ({"type": "CharDelimiterSplit", "delimiter": "漢"}, "漢a漢漢b", "a|b"),
    ({"type": "BertPreTokenizer"}, "Hey, you!?\n$", "Hey|,|you|!|?|$"),
    ({"type": "Punctuation", "behavior": "Contiguous"}, "a,.$b。", "a|,.$|b|。"),
    ({"type": "Punctuation", "behavior": "MergedWithPrevious"}, "a,.b", "a,|.|b"),
    ({"type": "Punctuation", "behavior": "Isolated"}, "a\u2e43b", "a\u2e43b"),  # newer than the table
    (digits(False), "a12٣½\U00011de0b", "a|12٣½\U00011de0|b"),
    (digits(True), "a12b", "a|1|2|b"),
    ({"type": "FixedLength", "length": 2}, "a漢😀", "a漢|😀"),
    ({"type": "UnicodeScripts"}, "どこで生れ。Yes ー a", "どこで生れ|。|Yes |ー |a"),
    ({"type": "UnicodeScripts"}, "  ab", "ab"),
    ({"type": "UnicodeScripts"}, "  ", ""),
    (metaspace(), "Hey  you", "▁Hey|▁|▁you"),
    (metaspace(), " Hey▁you", "▁Hey|▁you"),
    (metaspace("never"), "Hey you ", "Hey|▁you|▁"),
    (metaspace(split=False), "Hey you", "▁Hey▁you"),
    (byte_level(True, True), "hey you", " hey| you"),
    (byte_level(True, True), " hey", " hey"),
    (byte_level(True, True), "\n", " \n"),
    (sequence(digits(True), byte_level(True, True)), "a1 b", " a| 1| b"),
    (sequence(digits(True), byte_level(True)), "a12 b", "a|1|2| b"),
    (sequence({"type": "WhitespaceSplit"}, metaspace("first")), "a b", "▁a|b"),
]


@pytest.mark.parametrize(("config", "text", "expected"), CUTS)
def test_cuts(config: Config, text: str, expected: str) -> None:
    assert pieces(config, text) == [piece for piece in expected.split("|") if piece]


@pytest.mark.parametrize("config", [config for config, _, _ in CUTS])
def test_no_text_has_no_pieces(config: Config) -> None:
    assert pieces(config, "") == []


def test_pieces_know_where_they_come_from() -> None:
    text = AlignedText("xx a1 b").slice(3, 7)
    assert make(sequence(digits(True), byte_level(True, True))).split(text, first=False) == [
        AlignedText(" a", 3, [(3, 4), (3, 4)]),
        AlignedText(" 1", 4, [(4, 5), (4, 5)]),
        AlignedText(" b", 5, [(5, 6), (6, 7)]),
    ]


def test_metaspace_marks_the_start_of_the_input_only() -> None:
    splitter = make(metaspace("first"))
    assert [piece.text for piece in splitter.split(AlignedText("a b"), first=True)] == ["▁a", "▁b"]
    assert [piece.text for piece in splitter.split(AlignedText("a b"), first=False)] == ["a", "▁b"]
    # As in the reference: what a normalizer stripped from the start was the start.
    assert [piece.text for piece in splitter.split(AlignedText("a b", 2), first=True)] == ["a", "▁b"]


def test_steps_after_byte_level_see_bytes() -> None:
    # In the alphabet of bytes, é is Ã©, and ² is Â²: the second one a number.
    config = sequence(byte_level(), digits(True), split("Ã"))
    found = make(config).split(AlignedText("aé²あ"), first=True)
    assert found == [
        AlignedText("a", 0),
        AlignedText("\udcc3", 1, [(1, 2)]),
        AlignedText("\udca9\udcc2", 1, [(1, 2), (2, 3)]),
        AlignedText("\udcb2", 2, [(2, 3)]),
        AlignedText("あ", 3, [(3, 4)]),
    ]
    assert "".join(piece.text for piece in found).encode("utf-8", "surrogateescape") == "aé²あ".encode()
    assert make(config).byte_level


def test_a_blank_after_byte_level_is_its_sign() -> None:
    assert pieces(sequence(byte_level(), split("Ġ", "MergedWithNext", kind="String")), "a b") == ["a", " b"]
    assert pieces(sequence(byte_level(), {"type": "WhitespaceSplit"}), "a b") == ["a b"]
    assert pieces(sequence(byte_level(True), {"type": "FixedLength", "length": 1}), "é b") == [
        "\udcc3",
        "\udca9",
        " ",
        "b",
    ]


BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]


def plain(flags: str, behavior: str) -> list[tuple[int, int]]:
    """Cut at characters of a string of ``1`` (match) and ``0`` (none), as the reference describes it."""
    items: list[list[int]] = []  # start, end, whether a match
    for i, flag in enumerate(flags):
        if flag == "0" and items and not items[-1][2]:
            items[-1][1] += 1
        else:
            items.append([i, i + 1, int(flag)])
    joined: list[list[int]] = []
    for item in items if behavior != "MergedWithNext" else reversed(items):
        last = joined[-1] if joined else None
        together = {
            "MergedWithPrevious": bool(last and item[2] and not last[2]),
            "MergedWithNext": bool(last and item[2] and not last[2]),
            "Contiguous": bool(last and item[2] == last[2]),
        }.get(behavior, False)
        if together and last:
            last[:] = [min(last[0], item[0]), max(last[1], item[1]), item[2]]
        else:
            joined.append(list(item))
    return sorted((i, j) for i, j, flag in joined if behavior != "Removed" or not flag)


@given(st.text("01", max_size=12), st.sampled_from(BEHAVIORS), st.booleans())
def test_behaviors_equal_a_plain_twin(flags: str, behavior: str, as_set: bool) -> None:
    text = flags.replace("0", "a").replace("1", "-")
    config = {"type": "Punctuation", "behavior": behavior} if as_set else split("-", behavior)
    found = make(config).split(AlignedText(text), first=True)
    assert [piece.span(0, len(piece.text)) for piece in found] == plain(flags, behavior)
