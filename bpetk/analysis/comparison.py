"""Several tokenizers over the same text, side by side."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from bpetk.analysis.boundaries import agreement, token_ends
from bpetk.analysis.comparison_tables import compare_result
from bpetk.analysis.documents import (
    DocumentSample,
    Progress,
    TextFile,
    TextPath,
    read_documents,
    text_files,
)
from bpetk.analysis.model_files import short_names
from bpetk.analysis.parallel import ParallelCounts, count_parallel
from bpetk.analysis.results import Result
from bpetk.analysis.text_counts import TextCounts, count_texts
from bpetk.analysis.token_table import Kind, TokenTable
from bpetk.errors import ConfigError
from bpetk.tokenizer import Tokenizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLE_BYTES = 500_000


@dataclass(frozen=True)
class ModelCosts:
    """What one tokenizer makes of the texts.

    Attributes
    ----------
    counts
        What one pass over the texts found.
    parallel
        What parallel text costs, if there is any.
    ends
        Places between tokens in the sample.
    seconds
        Time of encoding the texts; None if it was not measured.
    """

    name: str
    table: TokenTable
    counts: TextCounts
    parallel: ParallelCounts | None
    ends: NDArray[np.int64]
    seconds: float | None


@dataclass(frozen=True)
class Overlap:
    """How much two vocabularies have in common; special tokens and pieces that stand for no text are left out.

    Attributes
    ----------
    shared, only_first, only_second
        Byte strings that are a token in both, or in one of them.
    renumbered
        Shared byte strings with another id.
    boundaries
        Share of the places between tokens that both have of those that either has, in the sample.
    """

    first: str
    second: str
    shared: int
    only_first: int
    only_second: int
    renumbered: int
    boundaries: float | None

    @property
    def jaccard(self) -> float | None:
        """Shared byte strings divided by those of either."""
        either = self.shared + self.only_first + self.only_second
        return self.shared / either if either else None


def overlap(first: ModelCosts, second: ModelCosts) -> Overlap:
    """Compare two vocabularies, and where their tokens end."""
    a, b = token_ids(first.table), token_ids(second.table)
    shared = a.keys() & b.keys()
    return Overlap(
        first.name,
        second.name,
        len(shared),
        len(a) - len(shared),
        len(b) - len(shared),
        sum(a[token] != b[token] for token in shared),
        agreement(first.ends, second.ends),
    )


def token_ids(table: TokenTable) -> dict[bytes, int]:
    """Give the ids of the byte strings that tokens stand for; a piece goes before a fall-back byte of the same."""
    found: dict[bytes, int] = {}
    for kind in (Kind.BYTE, Kind.NORMAL):
        found |= {table.data[id]: id for id in table.ids(kind).tolist() if table.data[id]}
    return found


def compare(
    models: Mapping[str, Tokenizer] | Sequence[str | os.PathLike[str] | Tokenizer],
    texts: Sequence[TextPath | TextFile] | TextPath | TextFile,
    *,
    parallel: tuple[TextPath | TextFile, TextPath | TextFile] | None = None,
    separator: str | bytes | None = "\n",
    encoding: str = "utf-8",
    sample_bytes: int = SAMPLE_BYTES,
    seed: int = 0,
    speed: bool = True,
    threads: int = 1,
    progress: Progress | None = None,
) -> Result:
    """Put tokenizers side by side over the same text.

    Parameters
    ----------
    models
        Names and tokenizers; or files and tokenizers, which are named after their files.
    texts
        Files.
    parallel
        The same text in Chinese and in English, document by document: what the same content costs in each.
    separator, encoding
        As `bpetk.analysis.documents.text_files`.
    sample_bytes, seed
        Size and seed of the sample of documents on which the ends of tokens are compared.
    speed
        Whether to tell how long encoding took; the only numbers that another run does not repeat.
    threads
        At most; 0 means one for each processor.
    progress
        Called with stage, bytes done and bytes in all.

    Returns
    -------
    Result
        Sections ``vocabularies``, ``costs``, ``overlap``, and ``speed`` if it was measured.

    Raises
    ------
    ConfigError
        If there are fewer than two models, or one twice.
    ModelFileError, CorpusFileError, CorpusError
        If a model or a text cannot be used, or parallel texts are not.

    Examples
    --------
    >>> import bpetk
    >>> models = {str(n): bpetk.train("corpora/en.txt", n) for n in (500, 1000)}
    >>> result = compare(models, "corpora/en.txt", speed=False)
    >>> table = result.section("costs").tables[0]
    >>> [row[0] for row in table.rows], table.rows[0][1] < table.rows[1][1]
    (['500', '1000'], True)
    """
    tokenizers = _named(models)
    files = text_files(texts, separator=separator, encoding=encoding)
    sides = None if parallel is None else text_files(parallel, separator=separator, encoding=encoding)
    sample = DocumentSample(sample_bytes, seed=seed)
    costs: list[ModelCosts] = []
    for name, tokenizer in tokenizers.items():
        table = TokenTable.of(tokenizer)
        # The texts are read once for each model; the sample is of the first time.
        drawn_from = sample if not costs else None
        counts = count_texts(tokenizer, table, files, sample=drawn_from, threads=threads, progress=progress)
        both = None if sides is None else count_parallel(tokenizer, sides, threads=threads)
        ends = token_ends(tokenizer, table, sample.documents(), threads=threads)
        seconds = _seconds(tokenizer, files, threads) if speed else None
        costs.append(ModelCosts(name, table, counts, both, ends, seconds))
    first = costs[0].counts
    pairs = [overlap(first, second) for first, second in combinations(costs, 2)]
    inputs = {
        "models": {name: tokenizer.source or repr(tokenizer) for name, tokenizer in tokenizers.items()},
        "texts": [file.name for file in files],
        "parallel": None if parallel is None else [os.fspath(_path(side)) for side in parallel],
        "documents": first.value("documents"),
        "bytes": first.value("bytes"),
        "threads": threads,
        "sample": {
            "bytes": sample.drawn_bytes,
            "documents": len(sample),
            "seed": seed,
            "whole": sample.whole,
        },
    }
    return compare_result(costs, pairs, inputs)


def _named(
    models: Mapping[str, Tokenizer] | Sequence[str | os.PathLike[str] | Tokenizer],
) -> dict[str, Tokenizer]:
    if isinstance(models, Mapping):
        found = dict(models)
    else:
        if isinstance(models, str | os.PathLike):
            raise ConfigError("models must be several tokenizers, or names and tokenizers, not one path")
        loaded = [
            Tokenizer.from_file(model) if isinstance(model, str | os.PathLike) else model for model in models
        ]
        names = short_names(
            [
                model if isinstance(model, str | os.PathLike) else model.source or f"model {at}"
                for at, model in enumerate(models, 1)
            ]
        )
        if len(set(names)) < len(names):
            raise ConfigError(f"the same model is given twice: {', '.join(names)}; name them in a dict")
        found = dict(zip(names, loaded, strict=True))
    if len(found) < 2:
        raise ConfigError(f"comparing needs at least two models, got {len(found)}")
    return found


def _path(text: TextPath | TextFile) -> TextPath:
    return text.path if isinstance(text, TextFile) else text


def _seconds(tokenizer: Tokenizer, files: Sequence[TextFile], threads: int) -> float:
    """Time encoding, reading left out."""
    seconds = 0.0
    for batch in read_documents(files):
        start = time.perf_counter()
        tokenizer.count_batch(batch.documents, threads=threads, disallowed_special=())
        seconds += time.perf_counter() - start
    return seconds
