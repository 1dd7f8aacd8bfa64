"""Small random models whose tokens are characters, as files of Hugging Face, and texts that suit them."""

from __future__ import annotations

import random
from typing import Any

BLANK = "\u2581"
ALPHABET = [BLANK, *"abcé漢字😀", " ", "\n", "<", "s", ">"]
TEXT = [
    *ALPHABET,
    *ALPHABET,
    " ",
    "x",
    "ß",
    "語",
    "🎉",
    "\u0301",
    "\r",
    "<s>",
    "<t>",
    " <s>",
    "ab",
    "A",
    "ﬁ",
    "１",
]

_BLANKS = {"type": "Replace", "pattern": {"String": " "}, "content": BLANK}
_PREFIX = {"type": "Prepend", "prepend": BLANK}
NORMALIZERS: list[Any] = [
    None,
    _BLANKS,
    {"type": "Sequence", "normalizers": [_PREFIX, _BLANKS]},
    {"type": "Sequence", "normalizers": [_BLANKS, _PREFIX]},
    {"type": "NFKC"},
    {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]},
    _PREFIX,
]
SPLITS: list[Any] = [
    None,
    {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False},
    {"type": "Whitespace"},
    {"type": "BertPreTokenizer"},
    *(
        {"type": "Metaspace", "replacement": BLANK, "prepend_scheme": scheme, "split": split}
        for scheme in ("always", "first", "never")
        for split in (True, False)
    ),
]
DECODERS: list[Any] = [
    None,
    {
        "type": "Sequence",
        "decoders": [
            {"type": "Replace", "pattern": {"String": BLANK}, "content": " "},
            {"type": "ByteFallback"},
            {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0},
        ],
    },
    {
        "type": "Sequence",
        "decoders": [
            {"type": "Replace", "pattern": {"String": BLANK}, "content": " "},
            {"type": "ByteFallback"},
            {"type": "Fuse"},
        ],
    },
    {"type": "Metaspace", "replacement": BLANK, "prepend_scheme": "always", "split": True},
    {"type": "BPEDecoder", "suffix": "##"},
]


def random_file(rng: random.Random) -> dict[str, Any]:
    """Give the object of a ``tokenizer.json`` with random merges, settings, stages and added tokens."""
    chars = rng.sample(ALPHABET, rng.randint(2, len(ALPHABET)))
    if rng.random() < 0.8 and BLANK not in chars:
        chars.append(BLANK)
    fallback = rng.random() < 0.5
    prefix, suffix = (
        ("", "") if fallback or rng.random() < 0.7 else rng.choice([("##", ""), ("", "##"), ("#", "</w>")])
    )
    vocab: dict[str, int] = {}

    def put(text: str) -> None:
        vocab.setdefault(text, len(vocab))

    unk = rng.choice([None, "<unk>", "<unk>"])
    if unk:
        put(unk)
    if fallback:
        bytes_known = range(256) if rng.random() < 0.7 else rng.sample(range(256), 200)
        for byte in bytes_known:
            put(f"<0x{byte:02X}>")
    forms = [before + char + after for char in chars for before in {"", prefix} for after in {"", suffix}]
    rng.shuffle(forms)
    for form in forms:
        put(form)
    parts, merges = list(forms), []
    for _ in range(rng.randint(0, 40)):
        left, right = rng.choice(parts), rng.choice(parts)
        if not right.startswith(prefix) or right == prefix or (suffix and left.endswith(suffix)):
            continue
        made = left + right[len(prefix) :]
        if len(made) > 12:
            continue
        put(made)
        parts.append(made)
        merges.append([left, right])
    for _ in range(rng.randint(0, 3)):
        put("".join(rng.choices(chars, k=rng.randint(1, 4))))
    added = [
        {
            "id": 0,
            "content": content,
            "single_word": rng.random() < 0.2,
            "lstrip": rng.random() < 0.2,
            "rstrip": rng.random() < 0.2,
            "normalized": rng.random() < 0.3,
            "special": rng.random() < 0.5,
        }
        for content in rng.sample(["<s>", "<t>", "a b", "\n\n", "ab", BLANK * 2], rng.randint(0, 3))
    ]
    highest = -1
    for token in added:
        id = vocab.get(token["content"], max(len(vocab), highest + 1))
        token["id"] = id
        highest = max(highest, id)
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": sorted(added, key=lambda token: token["id"]),
        "normalizer": rng.choice(NORMALIZERS),
        "pre_tokenizer": rng.choice(SPLITS),
        "post_processor": None,
        "decoder": rng.choice(DECODERS),
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": unk,
            "continuing_subword_prefix": prefix or None,
            "end_of_word_suffix": suffix or None,
            "fuse_unk": rng.random() < 0.5,
            "byte_fallback": fallback,
            "ignore_merges": not (prefix or suffix) and rng.random() < 0.15,
            "vocab": vocab,
            "merges": merges,
        },
    }


def random_text(rng: random.Random) -> str:
    """Give a text with known and unknown characters, added tokens and odd blanks."""
    return "".join(rng.choices(TEXT, k=rng.choice([0, 1, 2, 5, 10, 40])))
