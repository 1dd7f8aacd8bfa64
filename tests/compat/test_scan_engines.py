"""The native scanner against the engines whose cuts it has to give: Oniguruma (`tokenizers`) and tiktoken's."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from adversarial import random_text

from bpetk import _scanner
from bpetk.pretokenizers import SCHEMES, scheme_from_pattern

CORPORA = ["en", "zh", "zh_classical", "code", "mixed", "multi"]
# Those with a single pattern, which is what tiktoken takes.
PATTERN_SCHEMES = [name for name, scheme in SCHEMES.items() if scheme.pattern]
COMPLETE = [name for name, scheme in SCHEMES.items() if scheme.complete]
# tiktoken's own texts. The others, qwen2's for one, are given to its engine as they are.
TIKTOKEN_PATTERNS = {
    "gpt2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s",
    "cl100k_tiktoken": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
}
SLICE = 200_000


def native(text: str, scheme: str) -> list[str]:
    """Pretokens by the native scanner, in its best tier."""
    data = text.encode()
    ends = _scanner.split(data, scheme)
    spans = zip(ends[::2], ends[1::2], strict=True) if scheme == "whitespace" else pairwise([0, *ends])
    return [data[start:end].decode() for start, end in spans]


@cache
def hf_pieces(scheme: str, *, drop_gaps: bool = False) -> Callable[[str], list[str]]:
    """The pre-tokenizer that a saved tokenizer.json names, but for the mapping of bytes to characters."""
    hf = pytest.importorskip("tokenizers")
    model = {"type": "BPE", "vocab": {}, "merges": []}
    step = SCHEMES[scheme].to_hf()
    if drop_gaps:
        splits = [
            {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Removed", "invert": True}
            for pattern in SCHEMES[scheme].patterns
        ]
        level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
        step = {"type": "Sequence", "pretokenizers": [*splits, level]}
    document = {"version": "1.0", "pre_tokenizer": step, "model": model}
    splitter = hf.Tokenizer.from_str(json.dumps(document)).pre_tokenizer
    return lambda text: [text[start:end] for _, (start, end) in splitter.pre_tokenize_str(text)]


def tiktoken_encoding(scheme: str, pieces: Sequence[Sequence[str]], pattern: str | None = None) -> Any:
    """An encoding that gives each of the pieces as one token, if tiktoken cuts text into the same ones.

    Its tokens are all bytes, all pieces, and every two adjacent pieces joined: were a piece of tiktoken's
    several of ours, two of these would be joined in its tokens.
    """
    tiktoken = pytest.importorskip("tiktoken")
    tokens = {bytes([byte]) for byte in range(256)}
    for text in pieces:
        tokens.update(piece.encode() for piece in text)
        tokens.update((left + right).encode() for left, right in pairwise(text))
    ranks = {token: rank for rank, token in enumerate(sorted(tokens))}
    pattern = pattern or TIKTOKEN_PATTERNS.get(scheme, SCHEMES[scheme].pattern)
    return tiktoken.Encoding("pieces", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})


def assert_tiktoken_cuts(scheme: str, texts: Sequence[str], pattern: str | None = None) -> None:
    pieces = [native(text, scheme) for text in texts]
    encoding = tiktoken_encoding(scheme, pieces, pattern)
    for text, ours in zip(texts, pieces, strict=True):
        theirs = encoding.decode_tokens_bytes(encoding.encode_ordinary(text))
        assert theirs == [piece.encode() for piece in ours], repr(text[:400])


def test_tiktoken_that_cuts_otherwise_is_noticed() -> None:
    """The construction above sees pieces that are larger, smaller or elsewhere."""
    text = "a b1 12"
    for wrong in (
        ["a", " b1", " ", "12"],
        ["a", " b", "1", " 12"],
        ["a", " ", "b", "1", " ", "12"],
        ["a b1 12"],
    ):
        assert "".join(wrong) == text
        encoding = tiktoken_encoding("cl100k", [wrong])
        assert encoding.decode_tokens_bytes(encoding.encode_ordinary(text)) != [
            piece.encode() for piece in wrong
        ]
    assert_tiktoken_cuts("cl100k", [text])


# Real text


def slice_of(path: Path, *, of: int) -> str:
    """SLICE bytes from the middle of a file of at least ``of`` bytes, cut between characters."""
    with path.open("rb") as file:
        file.seek(of // 2)
        return file.read(SLICE).decode("utf-8", "ignore")


@pytest.mark.parametrize("corpus", CORPORA)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_real_text_is_cut_as_by_hugging_face(
    scheme: str, corpus: str, shared_corpus: Callable[..., Path]
) -> None:
    text = slice_of(shared_corpus(corpus, 1_000_000), of=1_000_000)
    assert native(text, scheme) == hf_pieces(scheme)(text)


@pytest.mark.parametrize("corpus", CORPORA)
@pytest.mark.parametrize("scheme", PATTERN_SCHEMES)
def test_real_text_is_cut_as_by_tiktoken(
    scheme: str, corpus: str, shared_corpus: Callable[..., Path]
) -> None:
    assert_tiktoken_cuts(scheme, [slice_of(shared_corpus(corpus, 1_000_000), of=1_000_000)])


@pytest.mark.parametrize("name", ["en", "zh"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_sample_text_is_cut_as_by_both(scheme: str, name: str) -> None:
    path = Path(__file__).parents[2] / "corpora" / f"{name}.txt"
    text = path.read_bytes().decode()
    assert native(text, scheme) == hf_pieces(scheme)(text)
    if scheme in PATTERN_SCHEMES:
        assert_tiktoken_cuts(scheme, [text])


# Random text, long enough for several blocks


def random_texts(seed: int, count: int) -> list[str]:
    rng = random.Random(seed)
    return [random_text(rng, rng.choice((3, 10, 150, 300))) for _ in range(count)]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_random_text_is_cut_as_by_hugging_face(scheme: str) -> None:
    pieces = hf_pieces(scheme)
    for text in random_texts(1, 1500):
        assert native(text, scheme) == pieces(text), repr(text)


@pytest.mark.parametrize("scheme", PATTERN_SCHEMES)
def test_random_text_is_cut_as_by_tiktoken(scheme: str) -> None:
    assert_tiktoken_cuts(scheme, random_texts(2, 1500))


def code_points() -> list[int]:
    """All that are assigned; unassigned ones are like each other, so each 64th of them will do."""
    points = [cp for cp in range(0x110000) if not 0xD800 <= cp < 0xE000]
    return [cp for cp in points if cp < 0x33480 or cp % 64 == 0 or 0xE0000 <= cp < 0xE0200]


def in_context(points: Sequence[int], context: str) -> list[str]:
    """Texts with each of the code points in a place of its own."""
    return [
        "".join(context.replace("{c}", chr(cp)) for cp in points[at : at + 2000])
        for at in range(0, len(points), 2000)
    ]


def test_every_assigned_code_point_is_cut_as_by_both() -> None:
    """In two contexts, block by block."""
    points = code_points()
    for number, scheme in enumerate(PATTERN_SCHEMES):
        # Each scheme takes its share: what a code point is, is the same table for all.
        texts = in_context(points[number :: len(PATTERN_SCHEMES)], "a{c}b {c}1")
        for text in texts:
            assert native(text, scheme) == hf_pieces(scheme)(text)
        assert_tiktoken_cuts(scheme, texts)


@pytest.mark.parametrize("scheme", ["kimi_k2", "deepseek_v3"])
def test_every_assigned_code_point_beside_han(scheme: str) -> None:
    """These two have classes of their own: Han, kana, signs, and what is none of all."""
    pieces = hf_pieces(scheme)
    for context in ("漢{c}あ!{c}a", "{c}{c}漢 {c} 1{c}"):
        for text in in_context(code_points(), context):
            assert native(text, scheme) == pieces(text)


@pytest.mark.parametrize("scheme", COMPLETE)
def test_a_complete_pattern_leaves_no_gaps(scheme: str) -> None:
    """To drop what is between two matches changes nothing, for any code point and for random text."""
    pieces = hf_pieces(scheme, drop_gaps=True)
    for context in ("{c}", "{c} ", "'{c}!{c}"):
        for text in in_context(code_points(), context):
            assert "".join(pieces(text)) == text
    for text in random_texts(4, 700):
        assert pieces(text) == native(text, scheme), repr(text)


def test_a_pattern_that_is_not_complete_leaves_gaps() -> None:
    assert hf_pieces("deepseek_v3", drop_gaps=True)("a1\x00") == []
    assert native("a1\x00", "deepseek_v3") == ["a", "1", "\x00"]


# Pieces that are known


@pytest.mark.parametrize(
    ("text", "scheme", "pieces"),
    [
        ("a  ", "gpt2", "a|  "),
        ("  a", "gpt2", " | a"),
        ("a\xa0\xa0b", "gpt2", "a|\xa0|\xa0|b"),
        ("\u3000", "gpt2", "\u3000"),
        ("a\u3000b", "gpt2", "a|\u3000|b"),
        ("a\x85b", "gpt2", "a|\x85|b"),
        ("a\n\n b \n", "gpt2", "a|\n\n| b| \n"),
        ("a\n\n b \n", "cl100k", "a|\n\n| b| \n"),
        ("👩\u200d👩\u200d👧x", "gpt2", "👩\u200d👩\u200d👧|x"),
        ("e\u0301a", "gpt2", "e|\u0301|a"),
        ("e\u0301a", "cl100k", "e|\u0301a"),
        ("e\u0301a", "o200k", "e\u0301a"),
        ("12３４5", "gpt2", "12３４5"),
        ("12３４5", "cl100k", "12３|４5"),
        ("\U00020000a", "gpt2", "\U00020000a"),
        ("\U0002ebf0a", "gpt2", "\U0002ebf0a"),
        ("I'm we'LL 're", "gpt2", "I|'m| we|'|LL| '|re"),
        ("I'm we'LL 're", "cl100k", "I|'m| we|'LL| '|re"),
        ("I'm we'LL 're", "o200k", "I'm| we'LL| '|re"),
        ("a'ſx", "cl100k", "a|'ſ|x"),
        ("a'ſx", "o200k", "a'ſ|x"),
        ("a\n  ", "cl100k", "a|\n|  "),
        ("a\n  ", "cl100k_tiktoken", "a|\n  "),
        ("1234567", "cl100k", "123|456|7"),
        ("1234567", "cl100k_tiktoken", "123|456|7"),
        ("1234567", "o200k", "123|456|7"),
        ("1234567", "qwen2", "1|2|3|4|5|6|7"),
        ("1234567", "gpt2", "1234567"),
        ("ABC漢DE", "o200k", "ABC漢|DE"),
        ("\u0301ABC", "o200k", "\u0301|ABC"),
        ("!\u0301", "o200k", "!\u0301"),
        ("々〇漢a", "cl100k", "々|〇|漢a"),
        ("a,\n/\n/b", "o200k", "a|,\n/\n/|b"),
        ("a,\n/\n/b", "cl100k", "a|,\n|/\n|/b"),
        ("々〇漢a", "kimi_k2", "々〇漢|a"),
        ("ABC漢DE's", "kimi_k2", "ABC|漢|DE's"),
        ("a⺀漢⺀!⺀", "kimi_k2", "a|⺀漢⺀|!⺀"),
        ("々〇漢a", "deepseek_v3", "々|〇|漢|a"),
        ("龥龦かなカナ・ー", "deepseek_v3", "龥|龦|かなカナ|・|ー"),
        ("d'où  1 !a", "deepseek_v3", "d|'o|ù|  |1| !|a"),
        ("a\u3040\u3040ア\x00\x00a", "deepseek_v3", "a|\u3040|\u3040ア|\x00|\x00a"),
        ("e\u0301a!\u0301", "qwen3_5", "e\u0301a|!\u0301"),
        ("we'll ABCdeF12", "tekken", "we|'ll| ABCde|F|1|2"),
        ("a \x1c b", "whitespace", "a|\x1c|b"),
        ("a\u3000b\x85 c\u200bd", "whitespace", "a|b|c\u200bd"),
    ],
)
def test_known_pieces(text: str, scheme: str, pieces: str) -> None:
    expected = pieces.split("|")
    assert native(text, scheme) == expected
    # The same in the middle of text long enough for the block scanner, where no piece goes across a line.
    before, after = "word, " * 60 + "\nx\n", "\nx" + " other words" * 60
    if text[0].isspace() or text[-1].isspace():
        return
    inside = native(before + text + after, scheme)
    begin = len(native(before, scheme))
    assert inside[begin : begin + len(expected) - 1] == expected[:-1]


@pytest.mark.parametrize("scheme", ["gpt2", "o200k"])
def test_white_space_beyond_the_limit_of_tiktoken(scheme: str) -> None:
    """A run of 999,999 is too long for its engine (not where it ends the text); ours and Oniguruma cut it."""
    tiktoken = pytest.importorskip("tiktoken")
    ranks = {bytes([byte]): byte for byte in range(256)}
    encoding = tiktoken.Encoding(
        "bytes",
        pat_str=TIKTOKEN_PATTERNS.get(scheme, SCHEMES[scheme].pattern),
        mergeable_ranks=ranks,
        special_tokens={},
    )
    for length in (999_998, 1_300_000):
        text = " " * length + "a"
        expected = [" " * (length - 1), " a"]
        assert native(text, scheme) == expected
        assert hf_pieces(scheme)(text) == expected
    with pytest.raises(ValueError, match="Max stack size"):
        encoding.encode(" " * 999_999 + "a")


# Texts of patterns


# Written otherwise than the scheme's own pattern, and recognised.
OTHER_TEXTS = [
    ("gpt2", TIKTOKEN_PATTERNS["gpt2"]),
    ("gpt2", r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"),
    ("gpt2", r"'s|'t|'re|'ve|'m|'ll|'d| ?[\p{L}]+| ?[\p{N}]+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"),
    (
        "cl100k",
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]"
        r"|\s+(?!\S)|\s+",
    ),
]


@pytest.mark.parametrize(("scheme", "pattern"), OTHER_TEXTS)
def test_another_text_means_the_scheme_in_both_engines(scheme: str, pattern: str) -> None:
    hf = pytest.importorskip("tokenizers")
    assert scheme_from_pattern(pattern) is SCHEMES[scheme]
    assert scheme_from_pattern(pattern, engine="tiktoken") is SCHEMES[scheme]
    assert pattern != SCHEMES[scheme].pattern
    splitter = hf.pre_tokenizers.Split(hf.Regex(pattern), "isolated")
    texts = random_texts(5, 400) + in_context(code_points()[::4], "'{c} {c}{c}1")
    for text in texts:
        pieces = [text[start:end] for _, (start, end) in splitter.pre_tokenize_str(text)]
        assert native(text, scheme) == pieces, repr(text[:400])
    assert_tiktoken_cuts(scheme, texts, pattern)


@pytest.mark.parametrize(
    ("folder", "scheme"),
    [("llama3", "cl100k"), ("qwen3", "qwen2"), ("gpt-4o-o200k", "o200k"), ("deepseek-v3", "deepseek_v3")],
)
def test_the_pattern_of_a_model_file_is_recognised(
    folder: str, scheme: str, shared_file: Callable[[str], Path]
) -> None:
    data = json.loads(shared_file(f"tokenizers/{folder}/tokenizer.json").read_text("utf-8"))
    steps = data["pre_tokenizer"]["pretokenizers"]
    patterns = [step["pattern"]["Regex"] for step in steps if step["type"] == "Split"]
    assert scheme_from_pattern(patterns) is SCHEMES[scheme]
    if scheme == "deepseek_v3":
        assert SCHEMES[scheme].to_hf() == data["pre_tokenizer"]


def test_the_pattern_of_tekken_is_recognised(shared_file: Callable[[str], Path]) -> None:
    data = json.loads(shared_file("tokenizers/mistral-tekken/tekken_240911.json").read_text("utf-8"))
    assert scheme_from_pattern(data["config"]["pattern"], engine="tiktoken") is SCHEMES["tekken"]


@pytest.mark.parametrize(
    ("encoding", "scheme"),
    [
        ("r50k_base", "gpt2"),
        ("p50k_base", "gpt2"),
        ("p50k_edit", "gpt2"),
        ("cl100k_base", "cl100k_tiktoken"),
        ("o200k_base", "o200k"),
        ("o200k_harmony", "o200k"),
    ],
)
def test_the_pattern_of_an_encoding_of_tiktoken_is_recognised(
    encoding: str, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    openai = pytest.importorskip("tiktoken_ext.openai_public")
    monkeypatch.setattr(openai, "load_tiktoken_bpe", lambda *_, **__: {})  # no download
    pattern = getattr(openai, encoding)()["pat_str"]
    assert scheme_from_pattern(pattern, engine="tiktoken") is SCHEMES[scheme]
    assert TIKTOKEN_PATTERNS.get(scheme, SCHEMES[scheme].pattern) == pattern
