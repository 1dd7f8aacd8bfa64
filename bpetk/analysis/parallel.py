"""What the same content costs in two languages: parallel text, line by line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np

from bpetk.analysis.documents import Progress, TextFile, read_documents
from bpetk.analysis.results import Column, Figure, Label, Section, Table
from bpetk.analysis.text_costs import ratio
from bpetk.errors import ConfigError, CorpusError

if TYPE_CHECKING:
    from bpetk.tokenizer import Tokenizer


@dataclass(frozen=True)
class ParallelCounts:
    """Sums over pairs of lines: each first for the first file, then for the second.

    Attributes
    ----------
    names
        The files.
    lines
        Pairs.
    tokens, bytes, characters
        Sums.
    dearer
        Pairs of which the first line has more tokens.
    """

    names: tuple[str, str]
    lines: int
    tokens: tuple[int, int]
    bytes: tuple[int, int]
    characters: tuple[int, int]
    dearer: int

    @property
    def premium(self) -> float | None:
        """Tokens of the first file for each token of the second (Petrov et al. 2023)."""
        return ratio(*self.tokens)


def _lines(file: TextFile, progress: Progress | None) -> Iterator[bytes]:
    for batch in read_documents([file], stage="parallel", progress=progress):
        yield from batch.documents


def count_parallel(
    tokenizer: Tokenizer, files: Sequence[TextFile], *, threads: int = 1, progress: Progress | None = None
) -> ParallelCounts:
    """Count tokens of two files whose lines say the same in two languages.

    Pairs of two empty lines are left out.

    Raises
    ------
    ConfigError
        If there are not two files.
    CorpusError
        If one has more lines, or a line is empty in one file only; names file and line.
    """
    if len(files) != 2:
        raise ConfigError(
            f"parallel text is two files, line by line the same in two languages, not {len(files)}"
        )
    first, second = files
    sums, dearer, lines, number = np.zeros((3, 2), np.int64), 0, 0, 0
    pairs: list[tuple[bytes, bytes]] = []

    def count() -> None:
        nonlocal dearer, lines
        sides = list(zip(*pairs, strict=True))
        tokens = []
        for k, side in enumerate(sides):
            _, rows = tokenizer.encode_batch_flat(side, threads=threads, disallowed_special=())
            tokens.append(np.diff(rows))
            characters = sum(len(line.decode()) for line in side)
            sums[:, k] += (int(rows[-1]), sum(map(len, side)), characters)
        dearer += int((tokens[0] > tokens[1]).sum())
        lines += len(pairs)
        pairs.clear()

    for number, pair in enumerate(zip_longest(_lines(first, progress), _lines(second, None)), 1):
        _check_pair(files, number, pair)
        if pair[0]:
            pairs.append(pair)
        if len(pairs) == 1 << 14:
            count()
    if pairs:
        count()
    tokens, size, characters = ((int(a), int(b)) for a, b in sums)
    return ParallelCounts((first.name, second.name), lines, tokens, size, characters, dearer)


def _check_pair(files: Sequence[TextFile], number: int, pair: tuple[bytes | None, bytes | None]) -> None:
    for k in (0, 1):
        here, other = files[k].name, files[1 - k].name
        if pair[k] is None:
            raise CorpusError(
                f"{here}: ends after line {number - 1:,}, but {other} goes on; parallel text has the same lines"
            )
        if not pair[k] and pair[1 - k]:
            raise CorpusError(
                f"{here}: line {number:,} is empty, but not in {other}; parallel text has the same lines"
            )


def parallel_section(counts: ParallelCounts) -> Section:
    """Say what the first language costs more than the second."""
    figures = (
        Figure("pairs", Label("pairs of lines", "行对数"), counts.lines, "integer"),
        Figure(
            "premium",
            Label("premium: tokens of the first for one of the second", "溢价：第一种语言的词元数/第二种"),
            counts.premium,
            help=Label(
                f"Tokens of {counts.names[0]} divided by those of {counts.names[1]}. 1 is parity; 1.3 means that the "
                "same content costs 30 % more. It holds for text that really is a translation.",
                f"{counts.names[0]} 的词元数除以 {counts.names[1]} 的词元数。1 为持平；1.3 表示相同内容多花 30%。"
                "仅对真正互为译文的文本有意义。",
            ),
        ),
        Figure(
            "dearer_share",
            Label("lines that cost more in the first", "第一种语言更贵的行占比"),
            ratio(counts.dearer, counts.lines),
            "share",
        ),
    )
    table = Table(
        "parallel_files",
        Label("Both files", "两个文件"),
        (
            Column("file", Label("file", "文件"), "text"),
            Column("tokens", Label("tokens", "词元数"), "integer"),
            Column("bytes", Label("bytes", "字节数"), "bytes"),
            Column("characters", Label("characters", "字符数"), "integer"),
            Column("tokens_per_line", Label("tokens/line", "词元/行")),
        ),
        tuple(
            (
                counts.names[k],
                counts.tokens[k],
                counts.bytes[k],
                counts.characters[k],
                ratio(counts.tokens[k], counts.lines),
            )
            for k in (0, 1)
        ),
    )
    return Section("parallel", Label("Parallel text", "平行文本"), figures, (table,))
