"""What kind of tokenizer file some bytes are, by what is in them: names say too little."""

from __future__ import annotations

import re
from typing import Any, NoReturn

from bpetk.errors import ModelFileError
from bpetk.interop.json_fields import parse_json, short

FORMATS = ("hf", "tekken", "tiktoken", "gpt2", "image", "sentencepiece")
"""``tokenizer.json``, ``tekken.json``, a rank file of tiktoken, ``vocab.json`` with ``merges.txt``, an image,
a model of SentencePiece."""

_MAGIC = (
    (b"\x1f\x8b", "compressed (gzip); unpack it first"),
    (b"\xfd7zXZ\x00", "compressed (xz); unpack it first"),
    (b"BZh", "compressed (bzip2); unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed (zstd); unpack it first"),
    (b"PK\x03\x04", "a zip archive or a checkpoint of PyTorch, not a tokenizer file"),
    (b"GGUF", "a GGUF model; give the tokenizer.json of the model instead"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself; fetch it with `git lfs pull`"),
    (b"<!", "HTML or XML, perhaps the error page of a download"),
    (b"<html", "HTML, perhaps the error page of a download"),
    (b"<?xml", "XML, perhaps the error page of a download"),
)
_EXPECTED = (
    "expected a tokenizer.json, a tekken.json, a rank file of tiktoken, a vocab.json beside its merges.txt, "
    "or a .model of SentencePiece"
)
_RANK_LINE = re.compile(rb"\s*[A-Za-z0-9+/]*={0,2}[ \t]+\d+[ \t]*(\r?\n|$)")
_WORDPIECE = re.compile(rb"^\[(UNK|PAD|CLS)\]\r?$", re.MULTILINE)
_SPM_VOCAB = re.compile(rb"\S+\t-?\d")
_OTHER_JSON = {
    "added_tokens_decoder": "a tokenizer_config.json",
    "tokenizer_class": "a tokenizer_config.json",
    "model_type": "a config.json of a model",
    "architectures": "a config.json of a model",
    "weight_map": "an index of weights",
    "files": "a manifest.json",
    "pat_str": "a file with the pattern and special tokens of a rank file",
}


def detect(data: bytes) -> tuple[str, Any]:
    r"""Tell the format of a file.

    Parameters
    ----------
    data
        All of its bytes.

    Returns
    -------
    tuple
        One of ``FORMATS``, and the parsed JSON if it is JSON.

    Raises
    ------
    ModelFileError
        If it is none of them; the message says what it is.

    Examples
    --------
    >>> detect(b"IQ== 0\n")
    ('tiktoken', None)
    >>> detect(b'{"a": 0}')[0]
    'gpt2'
    """
    if not data.strip():
        raise ModelFileError("is empty")
    head = data[:100_000].removeprefix(b"\xef\xbb\xbf").lstrip()
    if head[:1] in (b"{", b"[", b'"') and not _WORDPIECE.match(head):
        value = parse_json(data)
        return _detect_json(value), value
    if _RANK_LINE.match(data):
        return "tiktoken", None
    _refuse_other(data)


def _detect_json(value: Any) -> str:
    if not isinstance(value, dict):
        raise ModelFileError(f"the file: expected an object, found {short(value)}")
    if isinstance(value.get("model"), dict):
        return "hf"
    if isinstance(value.get("vocab"), list) and isinstance(value.get("config"), dict):
        return "tekken"
    if value and all(isinstance(id, int) for id in value.values()):
        return "gpt2"
    if "model" in value or "added_tokens" in value or "pre_tokenizer" in value or "version" in value:
        return "hf"  # which will say what is wrong with it
    if "vocab" in value and "config" in value:
        return "tekken"
    for key, name in _OTHER_JSON.items():
        if key in value:
            wanted = "rank file beside it" if key == "pat_str" else "tokenizer.json or its folder"
            raise ModelFileError(f"is {name}, which has no vocabulary; give the {wanted}")
    if any(key.endswith("_token") for key in value):
        raise ModelFileError("is a special_tokens_map.json, which has no vocabulary; give the folder")
    raise ModelFileError(
        f"is JSON with the fields {short(list(value))}: neither a tokenizer.json, nor a tekken.json, nor a vocab.json"
    )


def is_sentencepiece(data: bytes) -> bool:
    """Whether these are the first bytes of a model of SentencePiece: a piece, which has a text and a score or type."""
    after = 4 + data[3] if len(data) > 4 else 0
    return data[:1] == b"\n" and data[2:3] == b"\n" and data[after : after + 1] in (b"\x15", b"\x18")


def _refuse_other(data: bytes) -> NoReturn:
    for magic, name in _MAGIC:
        if data.startswith(magic):
            raise ModelFileError(f"is {name}")
    if is_sentencepiece(data):
        raise ModelFileError(
            "is a model of SentencePiece, which is not byte-level BPE; Tokenizer.from_file, encode, decode and "
            "count take it, this does not"
        )
    if data[:1] == b"\x80" and data[1:2] in b"\x02\x03\x04\x05":
        raise ModelFileError("is a pickle, which could run any program; bpetk does not open it")
    head = data[:100_000]
    if b"\x00" in head:
        raise ModelFileError(f"is binary, and of no known kind: {_EXPECTED}")
    first = head.split(b"\n", 1)[0].strip()
    if first.startswith(b"#version") or first.count(b" ") == 1:
        raise ModelFileError("looks like a merges.txt; give the vocab.json beside it, or the folder")
    if _WORDPIECE.search(head):
        raise ModelFileError("is a vocab.txt of WordPiece, which is not BPE")
    if _SPM_VOCAB.match(head):
        raise ModelFileError("looks like a list of SentencePiece's pieces, which is not enough to tokenize")
    raise ModelFileError(f"not JSON, and of no known kind: {_EXPECTED}")
