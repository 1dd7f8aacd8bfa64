"""Training against Hugging Face `tokenizers`: the same vocabulary, the same merges, in the same order."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bpetk
from bpetk.alphabet import BYTE_ORDER, to_byte_level
from bpetk.errors import ConfigError, CorpusError, DocumentTypeError, InvalidEncodingError
from bpetk.interop.huggingface import to_tokenizer_json
from bpetk.pretokenizers import SCHEMES as NAMED

hf = pytest.importorskip("tokenizers")

pytestmark = [
    pytest.mark.filterwarnings("ignore::bpetk.errors.VocabularySizeWarning"),
    pytest.mark.filterwarnings("ignore::bpetk.errors.SlowPathWarning"),
]

CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
SPACE = r"\s*[\r\n]+|\s+(?!\S)|\s+"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
PATTERNS = {
    "gpt2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "cl100k": rf"{CONTRACTION}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{SPACE}",
    "qwen2": rf"{CONTRACTION}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{SPACE}",
    "o200k": rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{CONTRACTION}?"
    rf"|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{CONTRACTION}?"
    rf"|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{SPACE}",
}
BYTE_LEVEL = ["gpt2", "cl100k", "qwen2", "o200k"]
# Their patterns are compared with the published ones elsewhere.
NEWER = ["qwen3_5", "tekken", "kimi_k2", "deepseek_v3"]
SCHEMES = [*BYTE_LEVEL, *NEWER, "whitespace", "none"]
CORPORA = ["en", "zh", "zh_classical", "code", "mixed", "multi"]
SharedCorpus = Callable[..., Path]


@pytest.fixture(autouse=True)
def _hf_threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads of `tokenizers` cost more than they give on small text."""
    large = "shared_corpus" in request.fixturenames
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true" if large else "false")


def hf_train(
    source: Any,
    vocab_size: int,
    *,
    scheme: str = "gpt2",
    pattern: str | None = None,
    alphabet: str = "bytes",
    special_tokens: Sequence[str] = (),
    min_frequency: int = 0,
    max_token_length: int | None = None,
) -> dict[str, Any]:
    """Train the reference on files (a list of paths) or documents (any other iterable)."""
    pre = hf.pre_tokenizers
    byte_level = pre.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer = hf.Tokenizer(hf.models.BPE())
    if pattern is not None or scheme in PATTERNS:
        split: Any = pre.Split(hf.Regex(pattern or PATTERNS[scheme]), "isolated")
    elif scheme in NEWER:
        split = pre.Sequence([pre.Split(hf.Regex(text), "isolated") for text in NAMED[scheme].patterns])
    elif scheme == "whitespace":
        split = pre.WhitespaceSplit()
    else:
        split = pre.Sequence([])
    tokenizer.pre_tokenizer = pre.Sequence([split, byte_level])
    trainer = hf.trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=list(special_tokens),
        initial_alphabet=byte_level.alphabet() if alphabet == "bytes" else [],
        max_token_length=max_token_length,
        show_progress=False,
    )
    if isinstance(source, list) and source and all(isinstance(item, Path) for item in source):
        tokenizer.train([str(path) for path in source], trainer)
    else:
        tokenizer.train_from_iterator(source, trainer)
    return json.loads(tokenizer.to_str())  # type: ignore[no-any-return]


def learned(document: dict[str, Any]) -> tuple[list[tuple[str, int]], list[list[str]], list[dict[str, Any]]]:
    """What of a tokenizer.json was learned: vocabulary in the order of the file, merges, added tokens."""
    model = document["model"]
    return list(model["vocab"].items()), model["merges"], document["added_tokens"]


def assert_identical(source: Any, vocab_size: int, *, threads: int = 2, **options: Any) -> bpetk.Tokenizer:
    """Train both on the same source, compare everything learned, and give ours."""
    train: Any = bpetk.train_from_iterator
    if isinstance(source, list) and source and all(isinstance(item, Path) for item in source):
        train = bpetk.train
    tok: bpetk.Tokenizer = train(source, vocab_size, threads=threads, **{"scheme": "gpt2", **options})
    ours, theirs = learned(to_tokenizer_json(tok.model)), learned(hf_train(source, vocab_size, **options))
    for mine, other in zip(ours, theirs, strict=True):
        assert mine == other
    return tok


def new_tokens(tok: bpetk.Tokenizer) -> list[str]:
    return [to_byte_level(left + right) for left, right in tok.merges]


def test_alphabet_is_that_of_the_reference() -> None:
    expected = [to_byte_level(bytes([byte])) for byte in BYTE_ORDER]
    assert sorted(hf.pre_tokenizers.ByteLevel.alphabet()) == expected


# Small cases whose outcome is known


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("aaaa", "aa aaaa"),
        ("aaaaa", "aa aaa aaaaa"),
        ("dc ba", "ba dc"),
        ("aaaa ab ab ab", "aa ab aaaa"),
        ("abcdabcd abcdabcd", "ab cd abcd abcdabcd"),
    ],
)
@pytest.mark.parametrize("alphabet", ["bytes", "observed"])
def test_ties_and_overlaps(text: str, tokens: str, alphabet: str) -> None:
    tok = assert_identical([text], 1000, scheme="whitespace", alphabet=alphabet)
    assert new_tokens(tok) == tokens.split()


def test_white_space_only() -> None:
    tok = assert_identical(["   \n\t "], 1000, alphabet="observed")
    assert tok.model.strings[0] == "ĉ"
    assert list(tok.model.strings.values())[:3] == ["ĉ", "Ċ", "Ġ"]
    assert new_tokens(tok) == ["ĠĠ", "ĉĠ", "ĊĉĠ", "ĠĊĉĠ", "ĠĠĠĊĉĠ"]


@pytest.mark.parametrize(("min_frequency", "tokens"), [(0, "ab cd"), (1, "ab cd"), (2, "ab"), (3, "")])
def test_min_frequency(min_frequency: int, tokens: str) -> None:
    tok = assert_identical(["ab ab cd"], 1000, scheme="whitespace", min_frequency=min_frequency)
    assert new_tokens(tok) == tokens.split()


def test_special_token_equal_to_a_letter_and_to_a_merge() -> None:
    tok = assert_identical(
        ["ab ab"], 1000, scheme="whitespace", special_tokens=["b", "ab"], alphabet="observed"
    )
    assert tok.model.strings == {0: "b", 1: "ab", 2: "a"}
    assert tok.merges == [(b"a", b"b")]
    assert tok.vocab_size == 3


def test_text_of_a_special_token_is_ordinary_text() -> None:
    tok = assert_identical(["<s>ab"], 1000, scheme="whitespace", special_tokens=["<s>"], alphabet="observed")
    assert new_tokens(tok) == ["<s", ">a", "<s>a", "<s>ab"]
    assert_identical(["<s>ab <s> x<s>"] * 3, 300, scheme="gpt2", special_tokens=["<s>", "<s>ab"])


@pytest.mark.parametrize(
    ("length", "tokens"), [(1, "ab cd"), (2, "ab cd"), (3, "ab cd"), (4, "ab cd"), (5, "ab cd abcd")]
)
def test_max_token_length(length: int, tokens: str) -> None:
    tok = assert_identical(["abcdabcd abcdabcd"], 1000, scheme="whitespace", max_token_length=length)
    assert new_tokens(tok) == tokens.split()


def test_max_token_length_counts_bytes() -> None:
    assert new_tokens(assert_identical(["é"], 1000, max_token_length=3)) == ["Ã©"]
    tok = assert_identical(["中文中文 中文"], 1000, max_token_length=4)
    assert {len(left + right) for left, right in tok.merges} == {2, 3}


def test_nul_is_an_ordinary_byte() -> None:
    tok = assert_identical(["\0\0a"], 1000, alphabet="observed")
    assert list(tok.model.strings.values()) == ["a", "Ā", "ĀĀ"]


def test_line_ends_inside_a_document() -> None:
    tok = assert_identical(["a\r\nb\r\na\r\nb\r\n"], 1000)
    assert tok.merges == [(b"\r", b"\n")]
    for scheme in SCHEMES:
        assert_identical(["a\r\nb\r\na\r\nb\r\n", "\r\r\n\n\r a \r\n", "!\r\n\n/\n"], 300, scheme=scheme)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_file_is_its_lines(scheme: str, tmp_path: Path) -> None:
    text = "a\r\nb\n\nc  \n  c!\n\n/ab ab\rab\n中文。\n \n 中文。"
    path = tmp_path / "text.txt"
    path.write_bytes(text.encode())
    from_file = assert_identical([path], 400, scheme=scheme)
    lines = [line + "\n" for line in text.split("\n")[:-1]] + [text.split("\n")[-1]]
    assert assert_identical(lines, 400, scheme=scheme) == from_file
    whole = assert_identical([text], 400, scheme=scheme)
    assert (whole.merges == from_file.merges) == (scheme == "whitespace")


def test_a_line_end_is_a_merge_in_files_only(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(b"a\r\nb\n\nc")
    assert (b"\r", b"\n") in assert_identical([path], 1000).merges
    assert (b"\r", b"\n") not in assert_identical(["a\r\nb\n\nc"], 1000).merges


def test_batches_equal_their_documents() -> None:
    flat = ["ab ab", "cd", "", "ab"]
    expected = assert_identical(flat, 1000)
    assert assert_identical([flat[:2], flat[2:]], 1000) == expected
    assert bpetk.train_from_iterator([tuple(flat[:3]), flat[3]], 1000, scheme="gpt2") == expected


# Pieces that engines are known to cut in different ways
ODD_TEXTS = [
    "a  ",
    "  a",
    "a\xa0\xa0b \u3000x\u3000\u3000y \x85 z",
    "a\n\n b \n",
    "👩\u200d👩\u200d👧x 👍🏽y",
    "e\u0301a e\u0301\u0301 \u0301ABC !\u0301",
    "12３４5 ٣٤ ½Ⅷ",
    "\U00020000a \U0002ebf0b 〇一",
    "I'm we'LL 're a'ſx 'S'T'll",
    "a\n  ",
    "1234567 12 1234",
    "ABC漢DE HTMLParser iPhone ǅaǅ ʰa",
    "々〇漢a カタカナー 한글",
    "漢⺀〇1〇 ア・ア゛\u3040ア 龥龦 a々 漢's\x01\x02b",
    "\x1c\x1d\x1e\x1f \u200b\u180e\u2060\ufeff x",
    "don't DON'T y'all'd've 'tis ''s",
    "!!!\n\n/\n/ //\r\n/",
    "\u0378\ue000\U0010ffff\U000e0100 \ufdd0",
]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_odd_pieces(scheme: str) -> None:
    for text in ODD_TEXTS:
        assert_identical([text], 1000, scheme=scheme, alphabet="observed", threads=1)
    assert_identical([text * n for n, text in enumerate(ODD_TEXTS, 1)], 1000, scheme=scheme)


# Where the product asks for an error


@pytest.mark.parametrize(
    ("documents", "scheme"),
    [([], "gpt2"), (["", ""], "cl100k"), ([[], [""]], "none"), ([" \n\t\u3000"], "whitespace")],
)
def test_no_text_is_an_error(documents: list[Any], scheme: str) -> None:
    assert learned(hf_train(documents, 1000, scheme=scheme, alphabet="observed")) == ([], [], [])
    for alphabet in ("bytes", "observed"):
        with pytest.raises(CorpusError, match="no text to learn from"):
            bpetk.train_from_iterator(documents, 1000, scheme=scheme, alphabet=alphabet)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("vocab_size", "special_tokens", "alphabet", "least"),
    [
        (3, [], "observed", 6),
        (5, [], "observed", 6),
        (1, ["<s>", "<t>"], "observed", 8),
        (7, ["a", "<t>"], "observed", 7),
        (255, [], "bytes", 256),
        (257, ["<s>", "<t>"], "bytes", 258),
        (1, ["a", "<s>"], "bytes", 257),
    ],
)
def test_a_vocabulary_smaller_than_its_alphabet_is_an_error(
    vocab_size: int, special_tokens: list[str], alphabet: str, least: int
) -> None:
    """The reference keeps what does not fit, and merges nothing; ours names the least size, which then works."""
    options: dict[str, Any] = {"special_tokens": special_tokens, "alphabet": alphabet, "scheme": "whitespace"}
    vocab, merges, _ = learned(hf_train(["abc def abc"], vocab_size, **options))
    assert (len(vocab), merges) == (least, [])
    if vocab_size < least:
        with pytest.raises(ConfigError, match=f"at least {least}"):
            bpetk.train_from_iterator(["abc def abc"], vocab_size, **options)
    assert assert_identical(["abc def abc"], least, **options).merges == []
    assert len(assert_identical(["abc def abc"], least + 1, **options).merges) == 1


def test_a_vocabulary_of_nothing_is_an_error() -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        bpetk.train_from_iterator(["ab"], 0)


def test_what_is_not_text(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        hf_train(["ok", "a\ud800"], 300)
    with pytest.raises(
        InvalidEncodingError, match=r"document 1 holds a lone surrogate \(U\+D800\) at character 1"
    ):
        bpetk.train_from_iterator(["ok", "a\ud800"], 300)
    with pytest.raises(TypeError):
        hf_train(["ok", b"ab"], 300)
    with pytest.raises(DocumentTypeError, match="document 1 is bytes"):
        bpetk.train_from_iterator(["ok", b"ab"], 300)
    path = tmp_path / "invalid.txt"
    path.write_bytes(b"fine\nab\xff\n")
    with pytest.raises(Exception, match="UTF-8"):
        hf_train([path], 300)
    with pytest.raises(InvalidEncodingError, match="line 2, byte offset 7"):
        bpetk.train([path], 300)


# Thousands of small corpora


TINY = st.sampled_from([*"ab", *"abc", " a", "a b", "  ", "\n", "aa\n", "中a", "é", "'s", "1"])
DOCUMENTS = st.one_of(
    st.lists(st.lists(st.sampled_from("ab "), max_size=12).map("".join), max_size=8),
    st.lists(st.lists(st.sampled_from("abcdefgh "), max_size=20).map("".join), max_size=5),
    st.lists(st.lists(TINY, max_size=10).map("".join), max_size=6),
)


@settings(max_examples=600)
@given(
    DOCUMENTS.filter(lambda documents: any(text.strip() for text in documents)),
    st.sampled_from(SCHEMES),
    st.sampled_from([260, 265, 280, 1000]),
    st.sampled_from(["bytes", "observed"]),
    st.sampled_from([0, 0, 1, 2, 3]),
    st.sampled_from([None, None, 1, 2, 3, 4, 5, 6]),
    st.lists(st.sampled_from(["<s>", "a", "ab", "aa", "ba", "bc", "Ġ", "Ġa", "中", "aaaa", " "]), max_size=3),
)
def test_random_corpora(
    documents: list[str],
    scheme: str,
    vocab_size: int,
    alphabet: str,
    min_frequency: int,
    max_token_length: int | None,
    special_tokens: list[str],
) -> None:
    assert_identical(
        documents,
        vocab_size,
        threads=1 + len(documents) % 3,
        scheme=scheme,
        alphabet=alphabet,
        min_frequency=min_frequency,
        max_token_length=max_token_length,
        special_tokens=special_tokens,
    )


@settings(max_examples=150)
@given(
    DOCUMENTS.filter(any),
    st.sampled_from(
        [r"\p{Han}|[a-z]+", r"a+", r"\s+(?!\S)|\s*\S+", r"(?i:'s)|[^\n]", r"b(?=a)|\d{1,2}", r"aa|ab|b*a"]
    ),
)
def test_custom_patterns(documents: list[str], pattern: str) -> None:
    assert_identical(documents, 300, pattern=pattern)


def test_pattern_in_files(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("ab 12345 中文字 ab\n\n 中文\nab\r\nx" * 40, encoding="utf-8", newline="")
    assert_identical([path], 300, pattern=r"\p{Han}{1,2}|\d{2}|\s+(?!\S)|\w+")


# Real text


@pytest.mark.parametrize("scheme", BYTE_LEVEL)
@pytest.mark.parametrize("corpus", CORPORA)
def test_a_megabyte(corpus: str, scheme: str, shared_corpus: SharedCorpus) -> None:
    path = shared_corpus(corpus, 1_000_000)
    tok = assert_identical([path], 4000, scheme=scheme)
    assert tok.vocab_size == 4000
    for threads in (1, 7):
        assert bpetk.train(path, 4000, scheme=scheme, threads=threads) == tok


@pytest.mark.parametrize("scheme", ["whitespace", "cl100k_tiktoken"])
@pytest.mark.parametrize("corpus", ["en", "mixed"])
def test_a_megabyte_of_other_schemes(corpus: str, scheme: str, shared_corpus: SharedCorpus) -> None:
    path = shared_corpus(corpus, 1_000_000)
    # tiktoken's own text means something else in the reference's engine.
    tiktoken = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    tiktoken += r"|\s+\z|\s*[\r\n]|\s+(?!\S)|\s"
    tok = bpetk.train(path, 4000, scheme=scheme, special_tokens=["<|endoftext|>"])
    pattern = tiktoken if scheme == "cl100k_tiktoken" else None
    theirs = hf_train([path], 4000, scheme=scheme, pattern=pattern, special_tokens=["<|endoftext|>"])
    assert learned(to_tokenizer_json(tok.model)) == learned(theirs)


@pytest.mark.parametrize("corpus", ["en", "zh"])
def test_documents_with_line_ends_inside(corpus: str, shared_corpus: SharedCorpus) -> None:
    """Documents of several lines; long ones are cut for threads, which must not show."""
    text = shared_corpus(corpus, 500_000).read_bytes().decode()
    documents = [text[at : at + 3001] for at in range(0, len(text), 3001)]
    for scheme in ("cl100k", "o200k"):
        assert_identical(documents, 3000, scheme=scheme, min_frequency=2, special_tokens=["<s>", "Ġthe"])


PORTABLE = """
import hashlib, json, sys, bpetk
for path in sys.argv[1:]:
    for scheme in ("gpt2", "cl100k", "cl100k_tiktoken", "qwen2", "o200k", "kimi_k2", "deepseek_v3", "whitespace"):
        tok = bpetk.train(path, 4000, scheme=scheme, threads=2)
        print(scheme, hashlib.sha256(repr(tok.merges).encode()).hexdigest())
"""


def test_the_portable_tier_learns_the_same(shared_corpus: SharedCorpus) -> None:
    paths = [str(shared_corpus(corpus, 1_000_000)) for corpus in CORPORA]
    command = [sys.executable, "-c", PORTABLE, *paths]

    def run(portable: str) -> list[str]:
        environment = {**os.environ, "BPETK_PORTABLE": portable}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=200, check=True
        )
        return done.stdout.splitlines()

    best = run("0")
    assert len(best) == 8 * len(CORPORA)
    assert run("1") == best
    assert (
        hashlib.sha256(repr(bpetk.train(paths[0], 4000, scheme="gpt2").merges).encode()).hexdigest()
        in best[0]
    )


@pytest.mark.slow
@pytest.mark.parametrize("scheme", BYTE_LEVEL)
@pytest.mark.parametrize("corpus", CORPORA)
def test_five_megabytes(corpus: str, scheme: str, shared_corpus: SharedCorpus) -> None:
    path = shared_corpus(corpus, 5_000_000)
    tok = assert_identical([path], 8000, scheme=scheme)
    for threads in (1, 7):
        assert bpetk.train(path, 8000, scheme=scheme, threads=threads) == tok


@pytest.mark.slow
@pytest.mark.parametrize(("corpus", "scheme"), [("en", "cl100k"), ("zh", "gpt2")])
def test_a_vocabulary_of_32_thousand(corpus: str, scheme: str, shared_corpus: SharedCorpus) -> None:
    path = shared_corpus(corpus, 5_000_000)
    tok = assert_identical([path], 32_000, scheme=scheme)
    assert tok.vocab_size == 32_000
    for threads in (1, 7):
        assert bpetk.train(path, 32_000, scheme=scheme, threads=threads) == tok
