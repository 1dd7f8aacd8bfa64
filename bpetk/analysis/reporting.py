"""Everything about one tokenizer at once: vocabulary, text, review list, compression curve, and beside others."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from bpetk.analysis.analyzing import analyze
from bpetk.analysis.auditing import audit
from bpetk.analysis.comparison import compare
from bpetk.analysis.compression_curve import curve
from bpetk.analysis.documents import Progress, TextFile, TextPath
from bpetk.analysis.inspection import inspect
from bpetk.analysis.results import Result
from bpetk.errors import ConfigError
from bpetk.tokenizer import Tokenizer


def report(
    models: Mapping[str, Tokenizer] | Tokenizer,
    texts: Sequence[TextPath | TextFile] | TextPath | TextFile,
    *,
    parallel: tuple[TextPath | TextFile, TextPath | TextFile] | None = None,
    segmenter: str | None = "jieba",
    separator: str | bytes | None = "\n",
    encoding: str = "utf-8",
    threads: int = 1,
    progress: Progress | None = None,
) -> list[Result]:
    """Make all results that there are about one tokenizer and some text.

    Parameters
    ----------
    models
        The tokenizer, or its name and it, and after it those to compare it with.
    texts
        Files; they are read once for each of the parts.
    parallel, segmenter, separator, encoding, threads, progress
        As in `bpetk.analysis.analyzing.analyze`.

    Returns
    -------
    list of Result
        Of `inspect`, `analyze`, `audit`, `curve`, and `compare` if there are several models. For a vocabulary whose
        beginning is not a smaller tokenizer there is no curve; a warning says why.

    Raises
    ------
    ConfigError, CorpusFileError, CorpusError
        If a text or an option cannot be used.
    MissingDependencyError
        If the segmenter is not installed; names the command that installs it.
    """
    named = dict(models) if isinstance(models, Mapping) else {"tokenizer": models}
    name, tokenizer = next(iter(named.items()))
    how: dict[str, Any] = {
        "separator": separator,
        "encoding": encoding,
        "threads": threads,
        "progress": progress,
    }
    results = [
        inspect(tokenizer, name=name),
        analyze(tokenizer, texts, name=name, parallel=parallel, segmenter=segmenter, **how),
        audit(tokenizer, texts, name=name, **how),
    ]
    try:
        results.append(curve(tokenizer, texts, name=name, **how))
    except ConfigError as error:
        warnings.warn(str(error), stacklevel=2)
    if len(named) > 1:
        results.append(compare(named, texts, parallel=parallel, **how))
    return results
