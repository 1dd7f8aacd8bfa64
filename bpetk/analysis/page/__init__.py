"""One self-contained HTML page of results."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from bpetk.analysis.results import Result
from bpetk.errors import MissingDependencyError, OutputError
from bpetk.tokenizer import Tokenizer


def check_page(path: str | os.PathLike[str]) -> Path:
    """Find out whether a page can be written there, before any work is done for it.

    Raises
    ------
    MissingDependencyError
        If jinja2 is not installed; names the command that installs it.
    OutputError
        If there is no such folder, or the path is one.
    """
    target = Path(path)
    if find_spec("jinja2") is None:
        raise MissingDependencyError(
            "pages are written with the package jinja2, which is not installed: pip install 'bpetk[report]'"
        )
    if not target.absolute().parent.is_dir():
        raise OutputError(f"cannot write {target}: there is no folder {target.absolute().parent}")
    if target.is_dir():
        raise OutputError(f"cannot write {target}: it is a folder")
    return target


def write_page(
    path: str | os.PathLike[str],
    results: Sequence[Result],
    *,
    models: Mapping[str, Tokenizer] | None = None,
    language: Literal["en", "zh"] = "en",
) -> None:
    """Write results as one page; the page itself comes with the next change."""
    raise OutputError(f"cannot write {check_page(path)}: pages are not built yet in this version")
