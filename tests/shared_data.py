"""Large real text that is not part of the project: where it is, and how a test asks for it.

The folder is ``../shared`` beside the project, or what the variable ``BPETK_SHARED`` names. Its files are
packed (``corpora/zh.txt.xz``); they are unpacked once, into ``~/.cache/bpetk-shared`` or the folder that the
variable ``BPETK_SHARED_CACHE`` names.

Tests use the fixtures of the same names in ``conftest.py``. Where the data is absent they skip the test; they
fail it if the variable ``CI`` is set (to anything but nothing, ``0`` or ``false``).
"""

from __future__ import annotations

import lzma
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

PROJECT = Path(__file__).resolve().parents[1]


class SharedDataMissingError(FileNotFoundError):
    """The shared data, or this file of it, is not on this machine."""


def in_ci() -> bool:
    """Whether missing data is an error: the variable ``CI`` is set."""
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}


def shared_root() -> Path:
    """Return the folder with the packed files; it need not exist."""
    return Path(os.environ.get("BPETK_SHARED") or PROJECT.parent / "shared").expanduser()


def cache_root() -> Path:
    """Return the folder for unpacked files; it need not exist."""
    return Path(os.environ.get("BPETK_SHARED_CACHE") or "~/.cache/bpetk-shared").expanduser()


def _write(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file under another name and rename it: test runs at the same time never see half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part{os.getpid()}")
    try:
        with part.open("wb") as file:
            write(file)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _is_current(path: Path, source: Path) -> bool:
    return path.exists() and path.stat().st_mtime >= source.stat().st_mtime


def shared_file(name: str) -> Path:
    """Unpack a file of the shared data.

    Parameters
    ----------
    name
        Its path in the shared folder, without ``.xz``: ``"tokenizers/qwen3/tokenizer.json"``.

    Returns
    -------
    Path
        The unpacked file in the cache; do not write to it.

    Raises
    ------
    SharedDataMissingError
        If there is no such file here.
    """
    packed = shared_root() / f"{name}.xz"
    if not packed.is_file():
        raise SharedDataMissingError(
            f"{packed} does not exist; set BPETK_SHARED to the folder with the shared data"
        )
    path = cache_root() / name
    if not _is_current(path, packed):
        with lzma.open(packed) as source:
            _write(path, lambda file: shutil.copyfileobj(source, file, 1 << 20))
    return path


def shared_corpus(name: str, size: int | None = None) -> Path:
    """Unpack a shared corpus, or its beginning.

    Parameters
    ----------
    name
        ``"en"``, ``"zh"``, ``"mixed"``, ``"multi"``, ``"code"`` or ``"zh_classical"``.
    size
        How many bytes at most; the text is cut after a line end. None: all of it.

    Returns
    -------
    Path
        A file in the cache; do not write to it.

    Raises
    ------
    SharedDataMissingError
        If there is no such corpus here.
    ValueError
        If not even the first line fits into the size.
    """
    path = shared_file(f"corpora/{name}.txt")
    if size is None or size >= path.stat().st_size:
        return path
    start = cache_root() / "cut" / f"{name}-{size}.txt"
    if not _is_current(start, path):
        with path.open("rb") as source:
            data = source.read(size)
        end = data.rfind(b"\n") + 1
        if end == 0:
            raise ValueError(f"the first line of {path} has more than {size} bytes")
        _write(start, lambda file: file.write(data[:end]))
    return start
