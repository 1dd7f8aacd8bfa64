"""What a benchmark must record to be repeatable: the text and the machine."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bpetk.corpus import PathInput, Source, resolve
from bpetk.errors import ConfigError

_CHUNK = 1 << 22


@dataclass(frozen=True)
class FileFacts:
    """A file of the corpus, with its absolute path."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class CorpusFacts:
    """The text of a benchmark."""

    files: tuple[FileFacts, ...]
    bytes: int


def _read(source: Source, unseen: set[int]) -> FileFacts:
    """Read a file and take the byte values that occur in it out of ``unseen``."""
    digest = hashlib.sha256()
    size = 0
    with source.open() as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            unseen -= {byte for byte in unseen if byte in chunk}
            size += len(chunk)
    return FileFacts(os.path.abspath(source.name), size, digest.hexdigest())


def describe_corpus(paths: PathInput | Sequence[PathInput]) -> tuple[CorpusFacts, int]:
    """Read all files once; return what they are, and how many byte values occur in none of them."""
    files, unseen = [], set(range(256))
    for source in resolve(paths):
        if source.path is None or source.size is None:
            raise ConfigError(
                f"{source.name!r} can be read only once, and a benchmark reads it often: save it to a file"
            )
        files.append(_read(source, unseen))
    return CorpusFacts(tuple(files), sum(file.bytes for file in files)), len(unseen)


def _processor() -> str:
    if Path("/proc/cpuinfo").exists():
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def describe_machine() -> dict[str, Any]:
    """Name processor, cores, system and Python."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }
