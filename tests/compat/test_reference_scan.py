"""The plain scanners against the engines whose cuts they describe: Oniguruma (`tokenizers`) and tiktoken's."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from bpetk.pretokenizers import SCHEMES
from bpetk.reference.scan import split
from bpetk.unicode_tables import ranges

# Some characters of every kind that a rule asks for, and those that engines are known to treat differently.
CHARACTERS = (
    "aabzAZßé ſK''’`stdmrevlLR   \t\n\r\x0b\x0c\x85\xa0\u2028\u3000\x1c\x1f\u200b019٣²Ⅷ½〇一漢々あアー한ªʰǅΣяא"
    "\u0301\u0903\u20dd!.,/-_#$+€©😀\u200d\u200c\ufe0f\x00\u0378\ue000\U0002ebf0\U00020000\ufffd"
    "⺀⼀〡〆豈\U00016ff0\u9fa5\u9fa6\u3040\u3099゛・゠ヿＡ０①"
)
PATTERN_SCHEMES = [name for name, scheme in SCHEMES.items() if scheme.pattern]
# tiktoken's own texts; the schemes without a text of tiktoken are given to its engine as they are.
TIKTOKEN_PATTERNS = {
    "gpt2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s",
    "cl100k_tiktoken": (
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
        r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
    ),
}
EMPTY_MODEL = {"type": "BPE", "vocab": {}, "merges": []}
CORPORA = ("en", "zh", "zh_classical", "code", "mixed", "multi")


def random_texts(count: int, seed: int) -> list[str]:
    """Return random strings; one in three draws from few characters, so that runs and contractions are frequent."""
    rng = random.Random(seed)
    texts = []
    for _ in range(count):
        characters = CHARACTERS if rng.random() < 0.67 else rng.sample(CHARACTERS, 5) + list(" '\n")
        texts.append("".join(rng.choices(characters, k=rng.choice((2, 4, 8, 16)))))
    return texts


def oniguruma(pattern: str) -> Callable[[str], list[str]]:
    tokenizers = pytest.importorskip("tokenizers")
    splitter = tokenizers.pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated")
    return lambda text: [text[start:end] for _, (start, end) in splitter.pre_tokenize_str(text)]


def tiktoken_pieces(pattern: str, texts: Iterable[str], longest: int) -> list[list[str]]:
    """Return the pieces tiktoken's engine cuts.

    tiktoken shows token ids only. So every byte and every substring of the texts becomes a token: a piece is looked
    up whole before any merging, hence each piece comes out as one token.
    """
    tiktoken = pytest.importorskip("tiktoken")
    tokens = {bytes([i]) for i in range(256)}
    for text in texts:
        spans = ((i, j) for i in range(len(text)) for j in range(i + 1, min(len(text), i + longest) + 1))
        tokens.update(text[i:j].encode() for i, j in spans)
    ranks = {token: rank for rank, token in enumerate(sorted(tokens))}
    encoding = tiktoken.Encoding("pieces", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    return [[encoding.decode([token]) for token in encoding.encode_ordinary(text)] for text in texts]


@pytest.mark.parametrize(
    "name", ["L", "N", "M", "Lu", "Ll", "Lt", "Lm", "Lo", "P", "S", "Han", "White_Space"]
)
def test_tiktoken_knows_the_same_code_points(name: str) -> None:
    # Text between matches is dropped, and without merges the tokens of a match are its bytes.
    tiktoken = pytest.importorskip("tiktoken")
    pattern = r"\s" if name == "White_Space" else rf"\p{{{name}}}"
    ranks = {bytes([i]): i for i in range(256)}
    encoding = tiktoken.Encoding("bytes", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    everything = "".join(chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    found = [ord(char) for char in encoding.decode(encoding.encode_ordinary(everything))]
    assert found == [code for start, end in ranges(name) for code in range(start, end + 1)]


@pytest.mark.parametrize("name", PATTERN_SCHEMES)
def test_scanner_cuts_random_text_as_oniguruma_cuts_the_pattern_of_the_scheme(name: str) -> None:
    pieces = oniguruma(SCHEMES[name].pattern or "")
    for text in random_texts(4000, seed=1):
        assert split(text, name) == pieces(text), repr(text)


@pytest.mark.parametrize("name", PATTERN_SCHEMES)
def test_scanner_cuts_random_text_as_tiktoken_does(name: str) -> None:
    texts = random_texts(1500, seed=2)
    pattern = TIKTOKEN_PATTERNS.get(name, SCHEMES[name].pattern or "")
    for text, pieces in zip(texts, tiktoken_pieces(pattern, texts, longest=16), strict=True):
        assert split(text, name) == pieces, repr(text)


@pytest.mark.parametrize("name", SCHEMES)
def test_scanner_cuts_random_text_as_the_written_pre_tokenizer_does(name: str) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    document = {"version": "1.0", "pre_tokenizer": SCHEMES[name].to_hf(), "model": EMPTY_MODEL}
    loaded = tokenizers.Tokenizer.from_str(json.dumps(document)).pre_tokenizer
    assert json.loads(loaded.__getstate__()) == SCHEMES[name].to_hf()
    for text in random_texts(500, seed=3):
        spans = [span for _, span in loaded.pre_tokenize_str(text)]
        assert split(text, name) == [text[start:end] for start, end in spans], repr(text)


@pytest.mark.parametrize("corpus", CORPORA)
@pytest.mark.parametrize("name", PATTERN_SCHEMES)
def test_scanner_cuts_real_text_as_oniguruma_does(
    name: str, corpus: str, shared_corpus: Callable[..., Path]
) -> None:
    text = shared_corpus(corpus, 50_000).read_text("utf-8")
    assert split(text, name) == oniguruma(SCHEMES[name].pattern or "")(text)
