"""Schemes as values, their Hugging Face form, and what their rules cut; no other library is needed here."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpetk.custom_pattern import compile_pattern
from bpetk.errors import BpetkError, ConfigError
from bpetk.pretokenizers import SCHEMES, UNICODE_VERSION, custom_scheme, get_scheme, scheme_from_pattern
from bpetk.reference.scan import split, split_bytes
from bpetk.unicode_tables import VERSION

SINGLE = ("gpt2", "cl100k", "cl100k_tiktoken", "qwen2", "qwen3_5", "o200k", "tekken", "kimi_k2")
NAMES = (*SINGLE, "deepseek_v3", "whitespace", "none")
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
TIKTOKEN_CL100K = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)
TIKTOKEN_GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN3_5 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
KIMI_K2 = (
    r"[\p{Han}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
DEEPSEEK_V3 = (
    r"\p{N}{1,3}",
    "[一-龥\u3040-ゟ゠-ヿ]+",
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
    "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
)
# Of GPT-2's release, and of older versions of tiktoken.
OLD_GPT2 = (
    r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"'s|'t|'re|'ve|'m|'ll|'d| ?[\p{L}]+| ?[\p{N}]+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
)
OLD_CL100K = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]"
    r"|\s+(?!\S)|\s+"
)
TEXT = st.text(
    st.sampled_from(
        "aabZſ'’stRElv  \t\n\r\x85\xa0\u3000\x1c12٣½漢ªǅ\u0301!/.-😀\u200d\x00\ud800é々〇⺀あ゛・龥龦\u3040"
    ),
    max_size=24,
)


# --- values ---------------------------------------------------------------------------------------------------------


def test_the_named_schemes_are_the_documented_ones() -> None:
    assert tuple(SCHEMES) == NAMES
    assert [name for name, scheme in SCHEMES.items() if not scheme.lossless] == ["whitespace"]
    assert [name for name, scheme in SCHEMES.items() if not scheme.patterns] == ["whitespace", "none"]
    assert tuple(name for name, scheme in SCHEMES.items() if scheme.pattern) == SINGLE
    assert SCHEMES["deepseek_v3"].pattern is None


def test_complete_schemes_are_those_whose_pattern_matches_everything() -> None:
    # The gaps of deepseek_v3, such as control characters, are in no match.
    assert tuple(name for name, scheme in SCHEMES.items() if scheme.complete) == SINGLE
    assert not custom_scheme("a").complete


def test_version_is_that_of_the_tables() -> None:
    assert UNICODE_VERSION == VERSION


def test_schemes_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        get_scheme("gpt2").name = "x"  # type: ignore[misc]
    with pytest.raises(TypeError):
        SCHEMES["x"] = get_scheme("gpt2")  # type: ignore[index]


def test_unknown_scheme_names_the_known_ones() -> None:
    with pytest.raises(
        ConfigError, match=r"'gpt9'.*gpt2, cl100k, cl100k_tiktoken, qwen2, qwen3_5, o200k.*whitespace, none"
    ):
        get_scheme("gpt9")


# --- Hugging Face form ----------------------------------------------------------------------------------------------


def test_gpt2_is_written_as_plain_byte_level() -> None:
    assert get_scheme("gpt2").to_hf() == BYTE_LEVEL | {"use_regex": True}


def test_none_is_written_as_byte_level_without_regex() -> None:
    assert get_scheme("none").to_hf() == BYTE_LEVEL


def test_whitespace_is_written_as_a_sequence() -> None:
    expected = {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, BYTE_LEVEL]}
    assert get_scheme("whitespace").to_hf() == expected


@pytest.mark.parametrize("name", sorted({*SINGLE} - {"gpt2"}))
def test_patterns_are_written_as_an_isolating_split(name: str) -> None:
    scheme = get_scheme(name)
    split_form = {
        "type": "Split",
        "pattern": {"Regex": scheme.pattern},
        "behavior": "Isolated",
        "invert": False,
    }
    assert scheme.to_hf() == {"type": "Sequence", "pretokenizers": [split_form, BYTE_LEVEL]}
    assert list(scheme.to_hf()["pretokenizers"][0]) == ["type", "pattern", "behavior", "invert"]


def test_patterns_applied_in_turn_are_written_as_so_many_splits() -> None:
    steps = get_scheme("deepseek_v3").to_hf()["pretokenizers"]
    assert [step["pattern"]["Regex"] for step in steps[:-1]] == list(DEEPSEEK_V3)
    assert {(step["type"], step["behavior"], step["invert"]) for step in steps[:-1]} == {
        ("Split", "Isolated", False)
    }
    assert steps[-1] == BYTE_LEVEL


def test_written_patterns_hold_nothing_that_oniguruma_reads_differently() -> None:
    for scheme in SCHEMES.values():
        for pattern in scheme.patterns:
            compile_pattern(pattern)  # refuses such constructs
            assert "$" not in pattern.replace("#$%", "")  # but for the dollar sign in a set


# --- recognising patterns -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SINGLE)
def test_own_pattern_leads_back_to_the_scheme(name: str) -> None:
    assert scheme_from_pattern(SCHEMES[name].pattern or "") is SCHEMES[name]


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        *[(QWEN2, "qwen2"), (QWEN3_5, "qwen3_5"), (O200K, "o200k"), (TEKKEN, "tekken"), (KIMI_K2, "kimi_k2")],
        *[(pattern, "gpt2") for pattern in (TIKTOKEN_GPT2, *OLD_GPT2)],
        (OLD_CL100K, "cl100k"),
        (DEEPSEEK_V3, "deepseek_v3"),
    ],
)
def test_published_pattern_is_recognised(pattern: str | tuple[str, ...], name: str) -> None:
    assert scheme_from_pattern(pattern) is SCHEMES[name]
    assert scheme_from_pattern(pattern, engine="tiktoken") is SCHEMES[name]


def test_several_patterns_are_recognised_together_only() -> None:
    assert scheme_from_pattern(list(DEEPSEEK_V3)) is SCHEMES["deepseek_v3"]
    assert [scheme_from_pattern(pattern) for pattern in DEEPSEEK_V3] == [None] * 3
    assert scheme_from_pattern(DEEPSEEK_V3[:2]) is None
    assert scheme_from_pattern(DEEPSEEK_V3[::-1]) is None
    assert scheme_from_pattern([QWEN2]) is SCHEMES["qwen2"]
    assert scheme_from_pattern([QWEN2, QWEN2]) is None
    assert scheme_from_pattern([]) is None


def test_line_ends_in_a_pattern_may_stand_as_themselves() -> None:
    escaped = [pattern.replace("\r", r"\r").replace("\n", r"\n") for pattern in DEEPSEEK_V3]
    assert escaped != list(DEEPSEEK_V3)
    assert scheme_from_pattern(escaped) is SCHEMES["deepseek_v3"]
    assert scheme_from_pattern(QWEN2.replace(r"\r", "\r").replace(r"\n", "\n")) is SCHEMES["qwen2"]


def test_tiktokens_cl100k_text_means_that_scheme_in_tiktoken_only() -> None:
    assert scheme_from_pattern(TIKTOKEN_CL100K, engine="tiktoken") is SCHEMES["cl100k_tiktoken"]
    assert scheme_from_pattern(TIKTOKEN_CL100K) is None
    with pytest.raises(ConfigError, match=r"\{1,3\}\+"):
        custom_scheme(TIKTOKEN_CL100K)


def test_other_patterns_are_not_recognised() -> None:
    assert scheme_from_pattern(QWEN2 + " ") is None
    assert scheme_from_pattern("") is None


def test_custom_scheme_keeps_its_pattern() -> None:
    scheme = custom_scheme(r"\d{1,4}")
    assert (scheme.name, scheme.pattern, scheme.lossless) == ("custom", r"\d{1,4}", True)
    assert scheme.to_hf()["pretokenizers"][0]["pattern"] == {"Regex": r"\d{1,4}"}


def test_custom_scheme_refuses_a_bad_pattern_as_a_value_error() -> None:
    with pytest.raises(ValueError, match="group is not closed") as caught:
        custom_scheme("(a")
    assert isinstance(caught.value, BpetkError)


# --- what the rules cut ---------------------------------------------------------------------------------------------

CUTS = [
    ("gpt2", "a  ", "a|  "),
    ("gpt2", "  a", " | a"),
    ("gpt2", "a\xa0\xa0b", "a|\xa0|\xa0|b"),
    ("gpt2", "a\u3000b", "a|\u3000|b"),
    ("gpt2", "a\x85b", "a|\x85|b"),
    ("gpt2", "a\n\n b \n", "a|\n\n| b| \n"),
    ("gpt2", "👩\u200d🔬x", "👩\u200d🔬|x"),
    ("gpt2", "e\u0301a", "e|\u0301|a"),
    ("gpt2", "1２3", "1２3"),
    ("gpt2", "\U00020000a", "\U00020000a"),
    ("gpt2", "\U0002ebf0", "\U0002ebf0"),
    ("gpt2", "I'm we'LL 're", "I|'m| we|'|LL| '|re"),
    ("gpt2", "a\x1cb", "a|\x1c|b"),
    ("gpt2", "\r\n\r\n", "\r\n\r\n"),
    ("gpt2", "a\r\nb", "a|\r|\n|b"),
    ("cl100k", "e\u0301a", "e|\u0301a"),
    ("cl100k", "a'ſx", "a|'ſ|x"),
    ("cl100k", "I'm we'LL 're", "I|'m| we|'LL| '|re"),
    ("cl100k", "1234567", "123|456|7"),
    ("cl100k", "a\n  ", "a|\n|  "),
    ("cl100k", "a \n \n  b", "a| \n \n| | b"),
    ("cl100k", "a!!\r\n\r\nb", "a|!!\r\n\r\n|b"),
    ("cl100k", "\ta", "\ta"),
    ("cl100k", "12 34", "12| |34"),
    ("cl100k", "x/\ny", "x|/\n|y"),
    ("cl100k_tiktoken", "a\n  ", "a|\n  "),
    ("cl100k_tiktoken", "a\n  b", "a|\n| | b"),
    ("cl100k_tiktoken", "1234567", "123|456|7"),
    ("cl100k_tiktoken", "a!\n \n", "a|!\n| \n"),
    ("qwen2", "1234 5", "1|2|3|4| |5"),
    ("qwen2", "we'LL go", "we|'LL| go"),
    ("o200k", "ABC漢DE", "ABC漢|DE"),
    ("o200k", "a'ſx", "a'ſ|x"),
    ("o200k", "\u0301ABC", "\u0301|ABC"),
    ("o200k", "!\u0301", "!\u0301"),
    ("o200k", "camelCaseHTML", "camel|Case|HTML"),
    ("o200k", "we'll'", "we'll|'"),
    ("o200k", "a//\n/b", "a|//\n/|b"),
    ("o200k", "1234", "123|4"),
    ("qwen3_5", "e\u0301a", "e\u0301a"),
    ("qwen3_5", "1\u0301 \u0301!\u0301", "1|\u0301| \u0301|!\u0301"),
    ("qwen3_5", "!!\u0301", "!!|\u0301"),
    ("qwen3_5", "we'LL go 12", "we|'LL| go| |1|2"),
    ("qwen2", "!!\u0301", "!!\u0301"),
    ("tekken", "we'll go", "we|'ll| go"),
    ("tekken", "camelCaseHTML 123", "camel|Case|HTML| |1|2|3"),
    ("tekken", "a//\n/b", "a|//\n/|b"),
    ("kimi_k2", "々〇漢a", "々〇漢|a"),
    ("kimi_k2", "ABC漢DE's", "ABC|漢|DE's"),
    ("kimi_k2", "漢's", "漢|'s"),
    ("kimi_k2", "1〇〇2〇", "1〇〇|2〇"),
    ("kimi_k2", "!⺀漢⺀", "!⺀|漢⺀"),
    ("kimi_k2", "a\U00016ff0漢", "a|\U00016ff0漢"),
    ("kimi_k2", "，漢 漢  漢", "，|漢| |漢| | |漢"),
    ("kimi_k2", "a//\n/b", "a|//\n|/b"),
    ("deepseek_v3", "々〇漢a", "々|〇|漢|a"),
    ("deepseek_v3", "漢字かなカナ龥龦", "漢字かなカナ龥|龦"),
    ("deepseek_v3", "ア・ー゛", "ア|・|ー|゛"),
    ("deepseek_v3", "ア\u3040・\u3040", "ア|\u3040|・|\u3040"),
    ("deepseek_v3", "ア\u3040ア\u3099", "ア|\u3040ア\u3099"),
    ("deepseek_v3", "1234漢5", "123|4|漢|5"),
    ("deepseek_v3", "a  1  漢  b", "a|  |1|  |漢| | b"),
    ("deepseek_v3", "a\n  1", "a|\n|  |1"),
    ("deepseek_v3", "!ab !ab !!ab", "!ab| !|ab| !!|ab"),
    ("deepseek_v3", "d'où l'été", "d|'o|ù| l|'|été"),
    ("deepseek_v3", "・\n!\n", "・|\n|!\n"),
    ("deepseek_v3", "\x00\x01a\x00", "\x00|\x01a|\x00"),
    ("deepseek_v3", "\x00 \u200b\u200b漢\u200b", "\x00| |\u200b\u200b|漢|\u200b"),
    ("deepseek_v3", "e\u0301 \u0301!\u0301", "e\u0301| \u0301|!|\u0301"),
    ("whitespace", " a\u3000\tb\x1cc ", "a|b\x1cc"),
    ("whitespace", " \n", ""),
    ("none", "a b\n", "a b\n"),
]


@pytest.mark.parametrize(("name", "text", "pieces"), CUTS, ids=[f"{name}-{text!a}" for name, text, _ in CUTS])
def test_cuts(name: str, text: str, pieces: str) -> None:
    assert split(text, name) == (pieces.split("|") if pieces else [])


def test_a_million_blanks_are_one_pretoken() -> None:
    assert [len(piece) for piece in split(" " * 1_000_000 + "a", "gpt2")] == [999_999, 2]


@pytest.mark.parametrize("name", NAMES)
def test_empty_text_has_no_pretokens(name: str) -> None:
    assert split("", name) == []
    assert split_bytes(b"", name) == []


def test_unknown_scheme_has_no_scanner() -> None:
    with pytest.raises(KeyError):
        split("", "gpt9")


@pytest.mark.parametrize("name", [name for name in NAMES if SCHEMES[name].patterns])
@given(text=TEXT)
@settings(max_examples=150, deadline=None)
def test_scanner_cuts_what_the_patterns_cut(name: str, text: str) -> None:
    pieces = [text] if text else []
    for pattern in SCHEMES[name].patterns:
        spans = compile_pattern(pattern).spans
        pieces = [piece[start:end] for piece in pieces for start, end in spans(piece)]
    assert split(text, name) == pieces


@pytest.mark.parametrize("name", [name for name in NAMES if SCHEMES[name].lossless])
@given(text=TEXT)
@settings(max_examples=50, deadline=None)
def test_lossless_schemes_keep_every_character(name: str, text: str) -> None:
    pieces = split(text, name)
    assert "".join(pieces) == text
    assert all(pieces)


# --- bytes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@given(
    text=st.text(st.characters(codec="utf-8"), max_size=12)
    | TEXT.map(lambda text: text.replace("\ud800", ""))
)
@settings(max_examples=50, deadline=None)
def test_bytes_are_cut_where_the_text_is(name: str, text: str) -> None:
    data = text.encode()
    offsets = split_bytes(data, name)
    if name == "whitespace":
        pieces = [data[start:end] for start, end in zip(offsets[::2], offsets[1::2], strict=True)]
    else:
        pieces = [data[start:end] for start, end in zip([0, *offsets], offsets, strict=False)]
    assert pieces == [piece.encode() for piece in split(text, name)]


@pytest.mark.parametrize(
    ("data", "ends"),
    [
        pytest.param(b"a\xffb", [1, 2, 3], id="stray byte"),
        pytest.param(b"\xe6\xbc", [2], id="cut short: two characters of kind other in one run"),
        pytest.param(b"\xe6\xbca", [2, 3], id="cut short before a letter"),
        pytest.param(b"\xc1\x81a", [2, 3], id="overlong"),
        pytest.param(b"\xed\xa0\x80a", [3, 4], id="surrogate"),
        pytest.param(b"\xf4\x90\x80\x80a", [4, 5], id="above the last code point"),
        pytest.param(b" \xff\xff", [3], id="blank before other"),
        pytest.param(b"\xff'm", [2, 3], id="quote joins the run"),
    ],
)
def test_bytes_that_are_not_utf8_are_of_kind_other(data: bytes, ends: list[int]) -> None:
    assert split_bytes(data, "gpt2") == ends


def test_each_bad_byte_is_one_character() -> None:
    # One character may stand before letters: of two bad bytes only the second joins them.
    assert split_bytes(b"a\xe6\xbcb", "cl100k") == [1, 3, 4]
    assert split_bytes(b"a\xffb", "cl100k") == [1, 3]
