"""What a benchmark must record to be repeatable: the text and the machine."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

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


def _read(source: Source) -> tuple[FileFacts, Any]:
    digest, seen = hashlib.sha256(), np.zeros(256, dtype=np.int64)
    size = 0
    with source.open() as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            seen += np.bincount(np.frombuffer(chunk, dtype=np.uint8), minlength=256)
            size += len(chunk)
    return FileFacts(os.path.abspath(source.name), size, digest.hexdigest()), seen


def describe_corpus(paths: PathInput | Sequence[PathInput]) -> tuple[CorpusFacts, int]:
    """Read all files once; return what they are, and how many byte values occur in none of them."""
    files, seen = [], np.zeros(256, dtype=np.int64)
    for source in resolve(paths):
        if source.path is None or source.size is None:
            raise ConfigError(
                f"{source.name!r} can be read only once, and a benchmark reads it often: save it to a file"
            )
        facts, counts = _read(source)
        files.append(facts)
        seen += counts
    return CorpusFacts(tuple(files), sum(file.bytes for file in files)), int((seen == 0).sum())


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
