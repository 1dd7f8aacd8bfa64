"""What a training says about itself: progress while it runs, and the report at its end."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Literal

Algorithm = Literal["byte-level-bpe", "sentencepiece-bpe"]
BYTE_LEVEL: Literal["byte-level-bpe"] = "byte-level-bpe"
SENTENCEPIECE: Literal["sentencepiece-bpe"] = "sentencepiece-bpe"

Stage = Literal["count", "sort", "merge"]
StopReason = Literal["vocab_size", "no_more_pairs", "min_frequency"]


@dataclass(frozen=True)
class Progress:
    """State of a running training, passed to the ``progress`` callback a few times a second.

    ``done`` and ``total`` are bytes while counting and merges while merging; ``total`` is None when it is not known.
    """

    stage: Stage
    done: int
    total: int | None
    distinct_words: int
    merges_per_second: float
    rss_bytes: int
    elapsed: float


@dataclass(frozen=True)
class StageTime:
    """Wall and CPU seconds of one stage, and the peak resident size (bytes) of the process at its end."""

    name: Stage
    seconds: float
    cpu_seconds: float
    peak_rss_bytes: int


@dataclass(frozen=True)
class InputFile:
    """A training input; ``sha256`` is of the file's bytes, or None when it was not asked for."""

    name: str
    bytes: int
    sha256: str | None = None


@dataclass(frozen=True)
class ScriptCost:
    """Bytes and tokens of the training words of one script, each word as often as it occurs."""

    bytes: int
    tokens: int

    @property
    def bytes_per_token(self) -> float:
        """Compression on these words; 0.0 when there are none."""
        return self.bytes / self.tokens if self.tokens else 0.0


@dataclass(frozen=True)
class TrainReport:
    """Everything worth knowing about a finished training.

    ``applied`` holds, for each merge in order, by how many tokens it shortened the corpus; ``counts`` the pair counts
    by which merges were chosen (in a run such as ``aaa`` a pair counts twice and is applied once).
    ``scripts`` has the keys ``han`` (words with a character of U+4000..9FFF), ``latin`` (other words with an ASCII
    letter) and ``other``.

    ``initial_tokens`` are the tokens of the text before the first merge, None: as many as it has bytes. SentencePiece's
    algorithm alone has ``sentences`` (that were taken), ``skipped`` (how many were not, by reason) and no ``scripts``;
    its text is the normalized one, and a character that is no piece counts as one token.
    """

    requested_vocab_size: int
    vocab_size: int
    initial_size: int
    stop_reason: StopReason
    explanation: str
    corpus_bytes: int
    pretokens: int
    distinct_words: int
    last_merge: tuple[bytes, bytes] | None
    last_merge_count: int | None
    scripts: dict[str, ScriptCost]
    inputs: tuple[InputFile, ...]
    config: dict[str, Any]
    stages: tuple[StageTime, ...]
    peak_rss_bytes: int
    counts: Sequence[int] = field(repr=False)
    applied: Sequence[int] = field(repr=False)
    sizes: Sequence[int] = field(repr=False)
    algorithm: Algorithm = BYTE_LEVEL
    initial_tokens: int | None = None
    sentences: int | None = None
    skipped: dict[str, int] = field(default_factory=dict)

    @property
    def merges(self) -> int:
        """Number of merges learned."""
        return len(self.counts)

    @property
    def tokens(self) -> int:
        """Tokens of the training text under the finished tokenizer."""
        return self._unmerged - sum(self.applied)

    @property
    def _unmerged(self) -> int:
        return self.corpus_bytes if self.initial_tokens is None else self.initial_tokens

    @property
    def bytes_per_token(self) -> float:
        """Compression over the whole training text."""
        return self.corpus_bytes / self.tokens if self.tokens else 0.0

    @property
    def seconds(self) -> float:
        """Wall time of all stages."""
        return sum(stage.seconds for stage in self.stages)

    def tokens_at(self, vocab_size: int) -> int:
        """Tokens of the training text under the first ``vocab_size`` entries of this vocabulary.

        Exact, since a prefix of the merge list is the smaller tokenizer. Sizes below the alphabet count as the
        alphabet, sizes above the vocabulary as the whole of it.
        """
        return self._unmerged - sum(self.applied[: self._merges_at(vocab_size)])

    def _merges_at(self, vocab_size: int) -> int:
        """Count the merges after which a training with this size stops: at the first that reaches it."""
        if vocab_size <= self.initial_size:
            return 0
        return min(bisect_left(self.sizes, vocab_size) + 1, self.merges)

    def curve(self, points: int = 16) -> list[tuple[int, int]]:
        """Pairs (vocabulary size, tokens of the training text), at up to ``points`` sizes that grow by equal ratios."""
        if not self.merges:
            return [(self.vocab_size, self.tokens)]
        saved = list(accumulate(self.applied))
        low, high = max(1, self.initial_size), max(2, self.vocab_size)
        wanted = {round(low * (high / low) ** (k / max(1, points - 1))) for k in range(points)} | {high}
        out = []
        for size in sorted(wanted):
            merges = self._merges_at(size)
            out.append((size, self._unmerged - (saved[merges - 1] if merges else 0)))
        return out

    def _of_sentences(self) -> dict[str, Any]:
        return {"algorithm": self.algorithm, "sentences": self.sentences, "skipped": dict(self.skipped)}

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; times are under ``timing`` alone."""
        return {
            "requested_vocab_size": self.requested_vocab_size,
            "vocab_size": self.vocab_size,
            "stop_reason": self.stop_reason,
            "explanation": self.explanation,
            "corpus_bytes": self.corpus_bytes,
            "pretokens": self.pretokens,
            "distinct_words": self.distinct_words,
            "merges": self.merges,
            "last_merge": None if self.last_merge is None else [t.hex() for t in self.last_merge],
            "last_merge_count": self.last_merge_count,
            "tokens": self.tokens,
            "bytes_per_token": round(self.bytes_per_token, 6),
            "scripts": {
                name: {
                    "bytes": cost.bytes,
                    "tokens": cost.tokens,
                    "bytes_per_token": round(cost.bytes_per_token, 6),
                }
                for name, cost in self.scripts.items()
            },
            "curve": [list(point) for point in self.curve()],
            "inputs": [{"name": f.name, "bytes": f.bytes, "sha256": f.sha256} for f in self.inputs],
            **({} if self.sentences is None else self._of_sentences()),
            "config": dict(self.config),
            "timing": {
                "peak_rss_bytes": self.peak_rss_bytes,
                "stages": {s.name: {"seconds": s.seconds, "cpu_seconds": s.cpu_seconds} for s in self.stages},
            },
        }
