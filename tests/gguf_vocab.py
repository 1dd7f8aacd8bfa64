"""Vocabularies in GGUF files as ``tokenizer.json`` objects.

A GGUF file holds tokens and merges, and only a name for what comes before them: ``tokenizer.ggml.pre``. The objects of
`PRE_TOKENIZERS` are what the ``tokenizer.json`` of the model's own repository has for that name.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

FOLDER = "tokenizers/llama.cpp-vocabs"
SEPARATOR = "\n__ggml_vocab_test__\n"
# Values of `tokenizer.ggml.token_type`.
CONTROL, USER_DEFINED = 3, 4


def byte_level(*, use_regex: bool) -> dict[str, Any]:
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": use_regex}


def split(pattern: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def digits(*, individual: bool) -> dict[str, Any]:
    return {"type": "Digits", "individual_digits": individual}


# Upper, lower and title case letters, as the file lists them.
_CASED_LETTERS = """
    41-5A 61-7A B5 C0-D6 D8-F6 F8-1BA 1BC-1BF 1C4-293 295-2AF 370-373 376-377 37B-37D 37F 386 388-38A 38C 38E-3A1
    3A3-3F5 3F7-481 48A-52F 531-556 10A0-10C5 13A0-13F5 13F8-13FD 1C90-1CBA 1CBD-1CBF 1D00-1D2B 1D6B-1D77 1D79-1D9A
    1E00-1F15 1F18-1F1D 1F20-1F45 1F48-1F4D 1F50-1F57 1F59 1F5B 1F5D 1F5F-1F7D 1F80-1FB4 1FB6-1FBC 1FBE 1FC2-1FC4
    1FC6-1FCC 1FD0-1FD3 1FD6-1FDB 1FE0-1FEC 1FF2-1FF4 1FF6-1FFC 2102 2107 210A-2113 2115 2119-211D 2124 2126 2128
    212A-212D 212F-2134 2139 213C-213F 2145-2149 214E 2183-2184 2C00-2C7B 2C7E-2CE4 2CEB-2CEE 2CF2-2CF3 A640-A66D
    A680-A69B A722-A76F A771-A787 A78B-A78E AB70-ABBF FB00-FB06 FB13-FB17 FF21-FF3A FF41-FF5A 10400-1044F
    104B0-104D3 104D8-104FB 10C80-10CB2 10CC0-10CF2 118A0-118DF 1E900-1E943
"""
CASED_LETTERS = "".join(
    "-".join(chr(int(end, 16)) for end in item.split("-")) for item in _CASED_LETTERS.split()
)
CJK = split("[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+")
CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_CODE = [digits(individual=True), byte_level(use_regex=True)]
PRE_TOKENIZERS: dict[str, list[dict[str, Any]]] = {
    "gpt-2": [byte_level(use_regex=True)],
    "llama-bpe": [split(CL100K), byte_level(use_regex=False)],
    "qwen2": [split(CL100K.replace("{1,3}", "")), byte_level(use_regex=False)],
    "falcon": [
        {"type": "Punctuation", "behavior": "Contiguous"},
        byte_level(use_regex=True),
        digits(individual=False),
        split("[0-9][0-9][0-9]"),
    ],
    "starcoder": _CODE,
    "refact": _CODE,
    "command-r": _CODE,
    "deepseek-llm": [
        split("[\r\n]"),
        split(rf"\s?[{CASED_LETTERS}]+"),
        split(r"\s?[!-/:-~！-／：-～‘-‟　-。]+"),
        split(r"\s+$"),
        CJK,
        digits(individual=True),
        byte_level(use_regex=False),
    ],
    "deepseek-coder": [
        split("[\r\n]"),
        split(r"\s?\p{L}+"),
        split(r"\s?\p{P}+"),
        CJK,
        digits(individual=True),
        byte_level(use_regex=False),
    ],
}


# struct formats of the value types; 8 is a string and 9 a list.
_NUMBERS = dict(zip((0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12), "BbHhIif?Qqd", strict=True))
_STRING, _LIST = 8, 9


def read_fields(data: bytes) -> dict[str, Any]:
    """Give the keys and values at the start of a GGUF file.

    Source: the format's description, https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
    """
    at = 0

    def number(code: str) -> Any:
        nonlocal at
        (found,) = struct.unpack_from(f"<{code}", data, at)
        at += struct.calcsize(f"<{code}")
        return found

    def value(kind: int) -> Any:
        nonlocal at
        if kind == _LIST:
            inner, count = number("I"), number("Q")
            return [value(inner) for _ in range(count)]
        if kind != _STRING:
            return number(_NUMBERS[kind])
        size = number("Q")
        at += size
        return data[at - size : at].decode()

    if data[:4] != b"GGUF":
        raise ValueError(f"not a GGUF file: it begins with {data[:4]!r}")
    at = 4
    version, _tensors, count = number("I"), number("Q"), number("Q")
    if version not in (2, 3):
        raise ValueError(f"GGUF version {version} is not known here")
    return {value(_STRING): value(number("I")) for _ in range(count)}


def read_gguf(path: Path, name: str) -> dict[str, Any]:
    """Give the ``tokenizer.json`` object for a vocabulary.

    Tokens named ``[PAD...]`` are no part of the model: they fill its tables.
    """
    fields = read_fields(path.read_bytes())
    tokens, types = fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"]
    vocab, added = {}, []
    for id, (token, kind) in enumerate(zip(tokens, types, strict=True)):
        if kind == USER_DEFINED and token.startswith("[PAD"):
            continue
        vocab[token] = id
        if kind in (CONTROL, USER_DEFINED):
            flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
            added.append({"id": id, "content": token, **flags, "special": kind == CONTROL})
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": {"type": "NFC"} if name == "qwen2" else None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": PRE_TOKENIZERS[name]},
        "post_processor": None,
        "decoder": byte_level(use_regex=True),
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": name == "llama-bpe",
            "vocab": vocab,
            "merges": fields["tokenizer.ggml.merges"],
        },
    }


def read_vectors(inputs: Path, outputs: Path) -> list[tuple[str, list[int]]]:
    """Give the test texts beside a vocabulary, each with the ids expected for it."""
    texts = inputs.read_bytes().decode().split(SEPARATOR)
    lines = outputs.read_text("utf-8").split("\n")
    return [(text, [int(id) for id in line.split()]) for text, line in zip(texts, lines, strict=True)]
