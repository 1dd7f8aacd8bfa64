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
from bpetk.pretokenizers import SCHEMES

CORPORA = ["en", "zh", "zh_classical", "code", "mixed", "multi"]
PATTERN_SCHEMES = [name for name, scheme in SCHEMES.items() if scheme.pattern]
# tiktoken's own texts. It has none for qwen2: that scheme's pattern is given to its engine as it is.
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
def hf_pieces(scheme: str) -> Callable[[str], list[str]]:
    """The pre-tokenizer that a saved tokenizer.json names, but for the mapping of bytes to characters."""
    hf = pytest.importorskip("tokenizers")
    model = {"type": "BPE", "vocab": {}, "merges": []}
    document = {"version": "1.0", "pre_tokenizer": SCHEMES[scheme].to_hf(), "model": model}
    splitter = hf.Tokenizer.from_str(json.dumps(document)).pre_tokenizer
    return lambda text: [text[start:end] for _, (start, end) in splitter.pre_tokenize_str(text)]


def tiktoken_encoding(scheme: str, pieces: Sequence[Sequence[str]]) -> Any:
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
    pattern = TIKTOKEN_PATTERNS.get(scheme, SCHEMES[scheme].pattern)
    return tiktoken.Encoding("pieces", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})


def assert_tiktoken_cuts(scheme: str, texts: Sequence[str]) -> None:
    pieces = [native(text, scheme) for text in texts]
    encoding = tiktoken_encoding(scheme, pieces)
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


def test_every_assigned_code_point_is_cut_as_by_both() -> None:
    """In two contexts, block by block; unassigned ones are like each other, so each 64th of them will do."""
    points = [cp for cp in range(0x110000) if not 0xD800 <= cp < 0xE000]
    points = [cp for cp in points if cp < 0x33480 or cp % 64 == 0 or 0xE0000 <= cp < 0xE0200]
    for number, scheme in enumerate(PATTERN_SCHEMES):
        # Each scheme takes its share: what a code point is, is the same table for all.
        share = points[number :: len(PATTERN_SCHEMES)]
        texts = [
            "".join(f"a{chr(cp)}b {chr(cp)}1" for cp in share[at : at + 2000])
            for at in range(0, len(share), 2000)
        ]
        for text in texts:
            assert native(text, scheme) == hf_pieces(scheme)(text)
        assert_tiktoken_cuts(scheme, texts)


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


def test_patterns_of_tiktoken_are_its_own() -> None:
    openai = pytest.importorskip("tiktoken_ext.openai_public")
    source = Path(openai.__file__).read_text(encoding="utf-8")
    for pattern in TIKTOKEN_PATTERNS.values():
        assert pattern in source
