"""How many tokens a text has with every size of a vocabulary, from one encoding."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bpetk.analysis.curve_tables import WINDOW, curve_result
from bpetk.analysis.derivations import derivations_of
from bpetk.analysis.documents import Progress, TextFile, TextPath, text_files
from bpetk.analysis.languages import LANGUAGES, Language
from bpetk.analysis.results import Result
from bpetk.analysis.text_counts import count_texts
from bpetk.analysis.token_table import TokenTable, refuse_path
from bpetk.errors import ConfigError
from bpetk.tokenizer import Tokenizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bpetk.trainer import ProgressCallback

TOTAL = "all"
THRESHOLD = 0.005


@dataclass(frozen=True)
class CompressionCurve:
    """Tokens of a text by the size of the vocabulary.

    Attributes
    ----------
    sizes
        int64 ``[n]``, ascending: numbers of ids, special tokens and alphabet included. Every one there is; for a model
        of SentencePiece those where no two pieces of one score are parted.
    tokens
        By language (keys of `bpetk.analysis.languages.LANGUAGES` that occur) and ``"all"``: int64 ``[n]``.
    bytes, documents
        By the same keys: bytes of the documents as UTF-8, without what separates them; how many documents.
    """

    sizes: NDArray[np.int64]
    tokens: Mapping[str, NDArray[np.int64]]
    bytes: Mapping[str, int]
    documents: Mapping[str, int]

    def tokens_at(self, size: int, language: str = TOTAL) -> int:
        """Tell how many tokens the text has with so many ids.

        Raises
        ------
        ConfigError
            If the vocabulary cannot have this size; the message names the nearest that it can.
        """
        at = int(np.searchsorted(self.sizes, size))
        if at == len(self.sizes) or self.sizes[at] != size:
            near = self.sizes[np.argsort(np.abs(self.sizes - size), kind="stable")[:1]]
            raise ConfigError(
                f"this vocabulary cannot be cut to {size:,} ids; the nearest size is {int(near[0]):,}"
            )
        return int(self.tokens[language][at])

    def gain(self, size: int, language: str = TOTAL, *, window: int = WINDOW) -> float | None:
        """Tell which share of the tokens the last ids of a size save; None if there are not so many.

        It is ``(tokens(size - window) - tokens(size)) / tokens(size - window)``, of the nearest sizes not above these.
        """
        before, after = (int(np.searchsorted(self.sizes, s, side="right")) - 1 for s in (size - window, size))
        if before < 0:
            return None
        tokens = self.tokens[language]
        return float(tokens[before] - tokens[after]) / float(tokens[before]) if tokens[before] else None

    def enough(
        self, language: str = TOTAL, *, threshold: float = THRESHOLD, window: int = WINDOW
    ) -> int | None:
        """Tell from which size on all further windows of ids save less than a share of the tokens each.

        None if even the last ones save more.
        """
        sizes, tokens = self.sizes, self.tokens[language].astype(np.float64)
        before = np.searchsorted(sizes, sizes - window, side="right") - 1
        inside = np.flatnonzero(before >= 0)
        old = tokens[before[inside]]
        gains = np.divide(old - tokens[inside], old, out=np.zeros(len(old)), where=old > 0)
        above = np.flatnonzero(gains >= threshold)
        if not len(above):
            return int(sizes[0]) if len(inside) else None
        last = int(inside[above[-1]])
        return None if last == len(sizes) - 1 else int(sizes[last])


def measure_curve(
    tokenizer: Tokenizer,
    files: Sequence[TextFile],
    *,
    threads: int = 1,
    progress: Progress | None = None,
) -> CompressionCurve:
    """Encode files once, and tell their tokens for every smaller vocabulary.

    Parameters
    ----------
    tokenizer
        A `Tokenizer` or `SentencePieceTokenizer`. Special tokens in the text are ordinary text.
    files
        As `bpetk.analysis.documents.text_files` gives them.
    threads
        At most; 0 means one for each processor.
    progress
        Called with stage, bytes done and bytes in all.

    Raises
    ------
    ConfigError
        If the beginning of this vocabulary is not a smaller tokenizer.

    Examples
    --------
    >>> import bpetk
    >>> tok = bpetk.train("corpora/en.txt", 600)
    >>> found = measure_curve(tok, text_files("corpora/en.txt"))
    >>> found.tokens_at(256) == found.bytes["all"], found.tokens_at(600) < found.tokens_at(599)
    (True, True)
    """
    refuse_path(tokenizer)
    steps = derivations_of(tokenizer)
    found = count_texts(tokenizer, TokenTable.of(tokenizer), files, threads=threads, progress=progress)
    counts = found.token_counts
    sizes, documents = (
        np.array([found.value(name, language=language) for language in Language])
        for name in ("bytes", "documents")
    )
    present = np.flatnonzero(sizes).tolist()
    base, saved = steps.savings(counts[present])
    starts = base[:, None] - np.concatenate(
        [np.zeros((len(present), 1), np.int64), saved.cumsum(axis=1)], axis=1
    )
    keys = [LANGUAGES[k][0] for k in present]
    return CompressionCurve(
        steps.sizes,
        {TOTAL: starts.sum(axis=0), **dict(zip(keys, starts, strict=True))},
        {TOTAL: int(sizes.sum()), **{key: int(sizes[k]) for key, k in zip(keys, present, strict=True)}},
        {
            TOTAL: int(documents.sum()),
            **{key: int(documents[k]) for key, k in zip(keys, present, strict=True)},
        },
    )


def curve(
    tokenizer: Tokenizer,
    texts: Sequence[TextPath | TextFile] | TextPath | TextFile,
    *,
    name: str | None = None,
    separator: str | bytes | None = "\n",
    encoding: str = "utf-8",
    threshold: float = THRESHOLD,
    threads: int = 1,
    progress: Progress | None = None,
) -> Result:
    """Tell what a smaller vocabulary would cost, at every size, from one encoding.

    The beginning of a list of merges, of ranks, or of pieces by score is a smaller tokenizer, and what it gives is
    known exactly without encoding again. Where that does not hold, there is an error.

    Parameters
    ----------
    tokenizer
        What `Tokenizer.from_file` or `bpetk.train` gives.
    texts
        Files; better not those it was trained on, on which any vocabulary looks larger than it is worth.
    name
        What to call the tokenizer; None: its file.
    separator, encoding
        As `bpetk.analysis.documents.text_files`.
    threshold
        Share of the tokens that 1,000 ids must save to be worth their rows, for the advice.
    threads, progress
        As `measure_curve`.

    Returns
    -------
    Result
        Section ``curve``; ``details["tokens_by_size"]`` has the tokens at every 1,000th size (every 100th below 20,000
        ids), with all languages.

    Raises
    ------
    ConfigError
        If the beginning of this vocabulary is not a smaller tokenizer, or an option cannot be used.
    CorpusFileError, CorpusError
        If a text cannot be read or is empty.

    Examples
    --------
    >>> import bpetk
    >>> result = curve(bpetk.train("corpora/en.txt", 2000), "corpora/en.txt")
    >>> [row[0] for row in result.section("curve").tables[0].rows]
    [256, 500, 1000, 1500, 2000]
    """
    if not 0 < threshold < 1:
        raise ConfigError(f"threshold must be a share between 0 and 1, not {threshold!r}")
    files = text_files(texts, separator=separator, encoding=encoding)
    found = measure_curve(tokenizer, files, threads=threads, progress=progress)
    inputs = {
        "model": name or tokenizer.source or repr(tokenizer),
        "texts": [file.name for file in files],
        "documents": dict(found.documents),
        "bytes": dict(found.bytes),
        "threshold": threshold,
        "trained": False,
    }
    return curve_result(found, inputs)


def curve_by_training(
    texts: Sequence[str | os.PathLike[str]] | str | os.PathLike[str],
    max_vocab: int,
    *,
    on: Sequence[TextPath | TextFile] | TextPath | TextFile = (),
    separator: str | bytes | None = "\n",
    encoding: str = "utf-8",
    threshold: float = THRESHOLD,
    threads: int = 0,
    progress: Progress | None = None,
    train_progress: ProgressCallback | None = None,
    **options: Any,
) -> Result:
    """Train once, byte-level BPE, and tell the cost of every vocabulary up to that size.

    Parameters
    ----------
    texts
        Files to learn from, as `bpetk.train`.
    max_vocab
        The largest size; a tokenizer that is trained to a smaller one has the same first merges.
    on
        Files to measure on; none: those that were learned from, on which tokens are worth more than on other text.
    separator, encoding, threshold, threads, progress
        As `curve`; ``encoding`` is that of all files.
    train_progress
        Called with the state of the training.
    options
        Others of `bpetk.train`, such as ``scheme`` and ``special_tokens``.

    Raises
    ------
    ConfigError, CorpusError, CorpusFileError
        As `bpetk.train` and `curve`.

    Examples
    --------
    >>> result = curve_by_training("corpora/en.txt", 1000, scheme="gpt2")
    >>> result.section("curve").tables[0].rows[-1][0]
    1000
    """
    from bpetk.api import train

    if "algorithm" in options:
        raise ConfigError(
            "algorithm: the curve of a training is that of byte-level BPE; train, then use `curve`"
        )
    tokenizer = train(
        texts, max_vocab, encoding=encoding, threads=threads, progress=train_progress, **options
    )
    learnt = [texts] if isinstance(texts, str | os.PathLike) else list(texts)
    given = [on] if isinstance(on, str | os.PathLike | TextFile) else list(on)
    files = text_files(given or _inputs(tokenizer), separator=separator, encoding=encoding)
    found = measure_curve(tokenizer, files, threads=threads, progress=progress)
    inputs = {
        "model": f"BPE {tokenizer.n_vocab:,}",
        "trained_on": [os.fspath(path) for path in learnt],
        "asked_for": max_vocab,
        "texts": [file.name for file in files],
        "documents": dict(found.documents),
        "bytes": dict(found.bytes),
        "threshold": threshold,
        "trained": any(_same_file(file.path, name) for file in files for name in _learnt_files(tokenizer)),
    }
    return curve_result(found, inputs)


def _learnt_files(tokenizer: Tokenizer) -> list[str]:
    assert tokenizer.train_report is not None  # it was trained just now
    return [file.name for file in tokenizer.train_report.inputs]


def _same_file(first: str | os.PathLike[str], second: str) -> bool:
    """Tell whether two names are of one file; standard input is none."""
    return os.path.isfile(second) and os.path.samefile(first, second)


def _inputs(tokenizer: Tokenizer) -> list[str]:
    """Name the files that were learned from: folders and patterns were resolved."""
    names = _learnt_files(tokenizer)
    if any(not os.path.isfile(name) for name in names):
        raise ConfigError("standard input cannot be read again to be measured: name files to measure on")
    return names
