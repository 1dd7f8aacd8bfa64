"""One self-contained HTML page of results: cards, charts, tables, the vocabulary, and text cut into tokens.

The page is one file that asks for nothing: styles, scripts and data stand in it, and its content security policy lets
it reach no other place and run no other script. Chart.js (MIT licence) draws the charts, see ``vendor``.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from bpetk import __version__
from bpetk.analysis.page.payload import Sample, json_text, page_values, sample_lines
from bpetk.analysis.results import Figure, Label, Result, Section
from bpetk.errors import MissingDependencyError, OutputError
from bpetk.token_files import atomic_files
from bpetk.tokenizer import Tokenizer

__all__ = ["Sample", "check_page", "page_text", "sample_lines", "write_page"]

_CHARTS = "vendor/chart.umd.min.js"
_SCRIPTS = ("format", "charts", "table", "vocabulary", "bpe", "playground", "page")
_OVERVIEW = 12  # figures on top
_TELLING = (
    "vocab_size",
    "han_share",
    "han_standard_1",
    "never_produced_share",
    "bytes_per_token",
    "tokens_per_chinese_word",
    "tokens_per_english_word",
    "broken_character_rate",
    "word_boundary_f1",
    "seen_1_share",
    "lossless_share",
    "polluted_share",
)
_LEVELS = ("problem", "warning", "info")


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
    samples: Sequence[Sample] | None = None,
    language: Literal["en", "zh"] = "en",
) -> None:
    """Write results as one HTML file that works offline, completely or not at all.

    Parameters
    ----------
    path
        Replaced if it is there.
    results
        What to show, in this order.
    models
        Name and tokenizer of every model that was looked at. Their vocabularies become a table, and the samples are
        shown as each of them segments them.
    samples
        Lines to segment; `sample_lines` if not given.
    language
        In which the page opens; it has both.

    Raises
    ------
    MissingDependencyError
        If jinja2 is not installed.
    OutputError
        If the file cannot be written.
    """
    target = check_page(path)
    text = page_text(results, models=models, samples=samples, language=language)
    with atomic_files(target) as (file,):
        file.write(text.encode("utf-8", "backslashreplace"))


def page_text(
    results: Sequence[Result],
    *,
    models: Mapping[str, Tokenizer] | None = None,
    samples: Sequence[Sample] | None = None,
    language: Literal["en", "zh"] = "en",
) -> str:
    """Give the text of the file that `write_page` writes; the same arguments give the same text."""
    from jinja2 import Environment, StrictUndefined

    models = models or {}
    lines = sample_lines() if samples is None else tuple(samples)
    title = results[0].label if len(results) == 1 else Label("Tokenizer report", "分词器报告")
    grouped = [(result, _parts(at, result)) for at, result in enumerate(results)]
    parts = [part for _, found in grouped for part in found]
    style, scripts = _asset("page.css"), [_library(), "\n".join(_asset(f"{name}.js") for name in _SCRIPTS)]
    findings = sorted(
        (finding for result in results for finding in result.findings if finding.level != "info"),
        key=lambda finding: _LEVELS.index(finding.level),
    )
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["shown"] = _shown
    return environment.from_string(_asset("page.jinja")).render(
        language=language,
        title=title,
        policy=_policy(style, scripts),
        style=style,
        scripts=scripts,
        data=json_text({"title": title, **page_values(results, models, lines)}),
        results=results,
        grouped=grouped,
        parts=parts,
        overview=_overview(parts),
        findings=findings,
        vocabularies=list(models),
        playground=bool(models and lines),
        samples=lines,
        version=__version__,
        licences=_asset("vendor/NOTICE.txt") + "\n" + _asset("vendor/chart.LICENSE.md"),
    )


@dataclass(frozen=True)
class _Part:
    """A section with its place: number of the result, number in it, name of the anchor."""

    result: int
    at: int
    anchor: str
    section: Section


def _parts(number: int, result: Result) -> list[_Part]:
    return [
        _Part(number, at, f"{result.command}-{number}-{section.name}", section)
        for at, section in enumerate(result.sections)
        if section.figures or section.tables or section.charts or section.findings or section.note
    ]


def _overview(parts: Sequence[_Part]) -> list[tuple[Figure, str]]:
    """Choose figures for the top: the telling ones, or without them the first of every section.

    None if they all stand in one section, which then shows them anyway.
    """
    found = [
        [
            (figure, f"{part.result}.{part.at}.{at}")
            for at, figure in enumerate(part.section.figures)
            if isinstance(figure.value, int | float) and figure.value == figure.value
        ]
        for part in parts
    ]
    found = [numbers for numbers in found if numbers]
    if len(found) < 2:
        return []
    telling = {item[0].key: item for numbers in reversed(found) for item in reversed(numbers)}
    chosen = [telling[key] for key in _TELLING if key in telling]
    each = max(1, _OVERVIEW // len(found))
    return chosen if len(chosen) > 3 else [item for numbers in found for item in numbers[:each]]


def _asset(name: str) -> str:
    text = files(__package__).joinpath(name).read_text(encoding="utf-8")
    return text.replace("\r\n", "\n")


def _library() -> str:
    """Give the chart library without the address of its source map, which a browser's tools would ask for."""
    return _asset(_CHARTS).partition("\n//# sourceMappingURL=")[0] + "\n"


def _policy(style: str, scripts: Sequence[str]) -> str:
    """Allow exactly these scripts and styles, and no request to anywhere."""

    def source(text: str) -> str:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
        return f"'sha256-{digest}'"

    allowed = " ".join(map(source, scripts))
    return (
        f"default-src 'none'; script-src {allowed}; style-src {source(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
