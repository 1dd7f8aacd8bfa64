"""Added tokens: which are found, and with what they swallow, as the `tokenizers` library finds them."""

from __future__ import annotations

import json
import random
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpetk.special_tokens import AddedToken, AddedTokenSplitter, policy_of

tokenizers = pytest.importorskip("tokenizers")

UNKNOWN = "\ufffd"
ALPHABET = "aAbB_ <>\n\u3000é漢\u200d."
FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
# The reference's normalizer, and the same as a function.
NORMALIZERS: dict[str, tuple[Any, Callable[[str], str] | None]] = {
    "none": (None, None),
    "lower": ({"type": "Lowercase"}, str.lower),
    "prepend": ({"type": "Prepend", "prepend": "_"}, lambda text: "_" + text if text else text),
    "shorter": (
        {"type": "Replace", "pattern": {"String": "ab"}, "content": "<"},
        lambda text: text.replace("ab", "<"),
    ),
    "longer": (
        {"type": "Replace", "pattern": {"String": " "}, "content": "a b"},
        lambda text: text.replace(" ", "a b"),
    ),
}


def reference(tokens: Sequence[AddedToken], normalizer: Any = None) -> Any:
    """Make a tokenizer of that library whose model gives every character a token of its own."""
    # An added token of one character must not be a token of the model too: its ordinary occurrences are unknown.
    chars = set("".join(token.content for token in tokens) + ALPHABET + "[|]\u0301") - {
        token.content for token in tokens
    }
    vocab = {UNKNOWN: 0} | {char: i for i, char in enumerate(sorted(chars), 1)}
    # The ids there follow the order of the list and not what the file says, so only the order is taken.
    data = json.loads(
        tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocab, merges=[], unk_token=UNKNOWN)).to_str()
    )
    data["normalizer"] = normalizer
    data["added_tokens"] = [
        {"id": token.id, "content": token.content} | {flag: getattr(token, flag) for flag in FLAGS}
        for token in tokens
    ]
    return tokenizers.Tokenizer.from_str(json.dumps(data))


def there(tokenizer: Any, text: str) -> list[tuple[str, bool]]:
    """Give the tokens in order: text, and whether it is an added token."""
    encoding = tokenizer.encode(text, add_special_tokens=False)
    added = tokenizer.get_added_tokens_decoder()
    return [(token, id in added) for token, id in zip(encoding.tokens, encoding.ids, strict=True)]


def cut(
    splitter: AddedTokenSplitter, normalize: Callable[[str], str] | None, text: str, contents: frozenset[str]
) -> Iterator[tuple[str, int | None]]:
    for start, end, id in splitter.cut_raw(text, contents):
        piece = text[start:end]
        if id is not None:
            yield piece, id
            continue
        piece = normalize(piece) if normalize else piece
        yield from ((piece[i:j], found) for i, j, found in splitter.cut_normalized(piece, contents))


def here(
    splitter: AddedTokenSplitter, normalize: Callable[[str], str] | None, text: str, contents: frozenset[str]
) -> list[tuple[str, bool]]:
    alone = {token.content for token in splitter.tokens}
    out: list[tuple[str, bool]] = []
    for piece, id in cut(splitter, normalize, text, contents):
        if id is not None:
            out.append((piece, True))
        else:
            out += [(UNKNOWN if char in alone else char, False) for char in piece]
    return out


@st.composite
def token_lists(draw: st.DrawFn) -> list[AddedToken]:
    texts = st.text(ALPHABET, min_size=2, max_size=4) | st.sampled_from(
        ["<ab>", "  ", "\n\n\n", "aba", "<", " "]
    )
    contents = draw(st.lists(texts, min_size=1, max_size=6, unique=True))
    made = []
    for i, content in enumerate(contents):
        flags = {flag: draw(st.integers(0, 3)) == 0 for flag in FLAGS}
        # That library panics where a match of white space with lstrip stands in what rstrip of another one took.
        flags["lstrip"] &= not content.isspace()
        made.append(AddedToken(content, 1000 + i, **flags))
    return made


@pytest.mark.parametrize("name", NORMALIZERS)
@given(tokens=token_lists(), texts=st.lists(st.text(ALPHABET, max_size=30), max_size=5), data=st.data())
def test_random_tokens(name: str, tokens: list[AddedToken], texts: list[str], data: st.DataObject) -> None:
    normalizer, normalize = NORMALIZERS[name]
    forms = [normalize(t.content) if normalize and t.normalized else t.content for t in tokens]
    if len(set(forms)) < len(forms):
        return  # which of two equal forms wins is random there
    splitter = AddedTokenSplitter(tokens, normalize)
    tokenizer = reference(tokens, normalizer)
    pieces = st.sampled_from([*(token.content for token in tokens), " ", "a", "B", "\n", "_"])
    texts.append("".join(data.draw(st.lists(pieces, max_size=12))))
    for allowed in ("all", ()):
        tokenizer.encode_special_tokens = allowed == ()
        contents = policy_of(tokens, allowed, ())[0]
        for text in texts:
            assert here(splitter, normalize, text, contents) == there(tokenizer, text), (
                tokens,
                text,
                allowed,
            )


FEW = [*range(0x400), *range(0x2000, 0x2100), *range(0x3000, 0x3100), *range(0x1D7C0, 0x1D800)]
ALL = [*range(0xD800), *range(0xE000, 0x110000)]


@pytest.mark.parametrize("codes", [FEW, pytest.param(ALL, marks=pytest.mark.slow)], ids=["few", "all"])
@pytest.mark.parametrize(
    "flags", [{"single_word": True}, {"lstrip": True, "rstrip": True}], ids=["word", "strip"]
)
def test_code_points_beside_a_token(flags: dict[str, bool], codes: list[int]) -> None:
    content = "\ue000\ue001"
    token = AddedToken(content, 1, special=False, **flags)
    there = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocab={UNKNOWN: 0}, unk_token=UNKNOWN))
    there.add_tokens([tokenizers.AddedToken(content, normalized=False, **flags)])
    splitter = AddedTokenSplitter([token])
    for start in range(0, len(codes), 1 << 16):
        for pattern in ("{}" + content + ".", "." + content + "{}."):
            text = "".join(map(pattern.format, map(chr, codes[start : start + (1 << 16)])))
            encoding = there.encode(text)
            expected = [offset for id, offset in zip(encoding.ids, encoding.offsets, strict=True) if id == 1]
            found = [(i, j) for i, j, id in splitter.cut_raw(text, frozenset({content})) if id == 1]
            assert found == expected


REAL = [
    "deepseek-v3",
    "gemma3",
    "kitoken-gpt_neox-tokenizers",
    "kitoken-modernbert-tokenizers",
    "llama3",
    "qwen3",
]


@pytest.mark.parametrize("model", REAL)
def test_real_tokens(model: str, shared_file: Callable[..., Path]) -> None:
    path = shared_file(f"tokenizers/{model}/tokenizer.json")
    items = json.loads(path.read_text(encoding="utf-8"))["added_tokens"]
    tokens = [
        AddedToken(item["content"], item["id"], **{flag: item[flag] for flag in FLAGS}) for item in items
    ]

    def normalize(text: str) -> str:
        return unicodedata.normalize("NFC", text)

    tokenizer = reference(tokens, {"type": "NFC"})
    splitter = AddedTokenSplitter(tokens, normalize)
    rng = random.Random(9)
    parts = [
        *(token.content for token in tokens),
        *" ",
        "  ",
        "\n",
        "\n\n",
        "<",
        "<|",
        "|>",
        "[",
        "a",
        "漢",
        "e\u0301",
    ]
    for allowed in ("all", ()):
        tokenizer.encode_special_tokens = allowed == ()
        contents = policy_of(tokens, allowed, ())[0]
        for _ in range(200):
            text = "".join(rng.choice(parts) for _ in range(rng.randint(0, 12)))
            if rng.random() < 0.3 and text:
                at = rng.randrange(len(text))
                text = text[:at] + text[at + 1 :]
            assert here(splitter, normalize, text, contents) == there(tokenizer, text), (text, allowed)


@pytest.mark.parametrize(
    ("tokens", "text", "expected"),
    [
        # What a rule discards is used up: `bcd` is not found, nor `b`.
        ([("abc", "single_word"), ("bcd",), ("b",)], "abcdb", [(0, 4, None), (4, 5, 2)]),
        # What rstrip took is still there for the next match, and for all that follows it.
        ([("a", "rstrip"), ("  ",)], "a   b", [(0, 4, 0), (1, 3, 1), (3, 5, None)]),
        ([("a", "rstrip", "lstrip"), (" b", "lstrip")], "a  b", [(0, 3, 0), (3, 4, 1)]),
        ([("a", "lstrip"), ("  ",)], "b   a", [(0, 1, None), (1, 3, 1), (3, 5, 0)]),
    ],
)
def test_matches_that_touch(tokens: list[tuple[str, ...]], text: str, expected: list[Any]) -> None:
    made = [
        AddedToken(content, i, special=False, **dict.fromkeys(flags, True))
        for i, (content, *flags) in enumerate(tokens)
    ]
    splitter, contents = AddedTokenSplitter(made), frozenset(token.content for token in made)
    assert splitter.cut_raw(text, contents) == expected
    assert here(splitter, None, text, contents) == there(reference(made), text)


def test_decoding_shows_the_normalized_form() -> None:
    tokens = [AddedToken("<Ab>", 5, normalized=True), AddedToken("<Cd>", 6)]
    tokenizer = reference(tokens, {"type": "Lowercase"})
    ids = [tokenizer.token_to_id(token.content) for token in tokens]
    assert [tokenizer.id_to_token(id) for id in ids] == ["<ab>", "<Cd>"]
    assert AddedTokenSplitter(tokens, str.lower).forms == ("<ab>", "<Cd>")


@given(
    contents=st.lists(st.text("ab<", min_size=2, max_size=3), min_size=1, max_size=5, unique=True),
    text=st.text("ab<", max_size=25),
    data=st.data(),
)
def test_subsets_as_in_tiktoken(contents: list[str], text: str, data: st.DataObject) -> None:
    tiktoken = pytest.importorskip("tiktoken")
    # Of tokens that start alike it takes one or the other, in no order that it documents.
    contents = [c for c in contents if not any(d != c and c.startswith(d) for d in contents)]
    ranks = {bytes([byte]): byte for byte in range(256)}
    special = {content: 256 + i for i, content in enumerate(contents)}
    there = tiktoken.Encoding("x", pat_str="(?s).", mergeable_ranks=ranks, special_tokens=special)
    allowed = data.draw(st.sets(st.sampled_from(contents)))
    tokens = [AddedToken(content, id) for content, id in special.items()]
    pieces = AddedTokenSplitter(tokens).cut_raw(text, policy_of(tokens, allowed, ())[0])
    found: list[int] = []
    for start, end, id in pieces:
        found += text[start:end].encode() if id is None else [id]
    assert found == there.encode(text, allowed_special=allowed, disallowed_special=())
