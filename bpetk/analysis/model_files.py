"""Which files are tokenizers and which are text, and short names for tokenizers."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePath

from bpetk.errors import ModelFileError
from bpetk.interop.detection import detect, is_sentencepiece
from bpetk.interop.image import is_image
from bpetk.interop.loading import find_sentencepiece

_HEAD = 1 << 13
_MOST = 1 << 28  # bytes of a file that may be one JSON value
_RANK_LINES = re.compile(rb"([A-Za-z0-9+/]+={0,2} [0-9]+\r?\n){2,}")
_GENERIC = re.compile(r"(tokenizer|tekken\w*|vocab|merges|spiece|sentencepiece\.bpe|model)$", re.IGNORECASE)


def is_model(path: str | os.PathLike[str]) -> bool:
    r"""Tell whether a file or folder is a tokenizer that can be named among texts.

    Its content tells: a ``tokenizer.json``, ``tekken.json``, rank file, model of SentencePiece or image, or a folder
    with one of these. A ``vocab.json`` or ``vocab.txt`` looks like many other files, so it is none. A tokenizer that
    cannot be loaded, such as WordPiece, still is one: loading it says why it cannot be.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "x")
    >>> _ = file.write_text("IQ== 0\nIg== 1\n")
    >>> is_model(file), is_model("corpora/zh.txt")
    (True, False)
    """
    file = Path(path)
    if file.is_dir():
        return _is_model_folder(file)
    if not file.is_file():
        return False
    with open(file, "rb") as opened:
        head = opened.read(_HEAD)
        if is_sentencepiece(head) or is_image(file):
            return True
        start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
        if start[:1] != b"{":
            # Every line that is there whole; one alone could be any text.
            lines = head[: head.rfind(b"\n") + 1] if len(head) == _HEAD else head.rstrip() + b"\n"
            return _RANK_LINES.fullmatch(lines) is not None
        if file.stat().st_size > _MOST:
            return False
        try:
            return detect(head + opened.read())[0] in ("hf", "tekken")
        except ModelFileError:
            return False


def _is_model_folder(folder: Path) -> bool:
    if any((folder / name).is_file() for name in ("tokenizer.json", "tekken.json")):
        return True
    if any(is_model(file) for file in sorted(folder.glob("*.tiktoken"))):
        return True
    try:
        return find_sentencepiece(folder) is not None
    except ModelFileError:
        return True  # several models: loading says so


def short_names(paths: Sequence[str | os.PathLike[str]]) -> list[str]:
    """Give names that tell tokenizers apart: of the file, or of its folder where the file is called as any other.

    Examples
    --------
    >>> short_names(["models/qwen3/tokenizer.json", "models/o200k.tiktoken", "out/zh-8000/"])
    ['qwen3', 'o200k', 'zh-8000']
    >>> short_names(["a/x/tokenizer.json", "b/x/tokenizer.json"])
    ['a/x/tokenizer.json', 'b/x/tokenizer.json']
    """
    texts = [os.fspath(path) for path in paths]
    found = []
    for text in texts:
        path = PurePath(text)
        generic = _GENERIC.match(path.stem) and path.parent.name
        found.append(
            (path.parent.name if generic else path.name if Path(text).is_dir() else path.stem) or text
        )
    return [name if found.count(name) == 1 else text for name, text in zip(found, texts, strict=True)]


def short_name(path: str | os.PathLike[str]) -> str:
    """Give the name of one tokenizer, as `short_names`."""
    return short_names([path])[0]
