"""What a benchmark measured: every round, with medians, spreads and ratios computed from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, ClassVar

from bpetk.benchmark.corpus_facts import CorpusFacts
from bpetk.benchmark.peers import Contender
from bpetk.report import BYTE_LEVEL, Algorithm


@dataclass(frozen=True)
class Spread:
    """Median of some measurements, with the lowest and the highest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Summarise at least one value."""
        return cls(median(values), min(values), max(values))


@dataclass(frozen=True)
class Measurement:
    """One training in a fresh process: seconds of the call alone, memory of the whole process."""

    round: int
    wall_seconds: float
    cpu_seconds: float
    peak_rss_bytes: int
    idle_rss_bytes: int
    merges: int | None = None
    merges_sha256: str | None = None


@dataclass
class Entry:
    """A contender at a number of threads, and what was measured of it.

    ``equality`` is ``"equal"`` or ``"different"`` for one that claims the same result, else None; ``problem`` says
    what differs or why it could not be run to the end.
    """

    label: str
    peer: Contender
    threads: int
    version: str
    measurements: list[Any] = field(default_factory=list)
    equality: str | None = None
    problem: str | None = None
    failed: bool = False

    quantities: ClassVar[tuple[str, ...]] = ()

    def spread(self, quantity: str) -> Spread:
        """Summarise a field of the measurements."""
        return Spread.of([getattr(m, quantity) for m in self.measurements])

    def ratio(self, ours: Entry, quantity: str) -> float:
        """Divide the median of this contender by that of ours: above 1 means that ours needs less."""
        base = ours.spread(quantity).median
        return self.spread(quantity).median / base if base else float("nan")

    def facts(self) -> dict[str, Any]:
        """Plain values that tell what was measured, and how it ended."""
        return {
            "label": self.label,
            "package": self.peer.distribution,
            "version": self.version,
            "threads": self.threads,
            "equality": self.equality,
            "failed": self.failed,
            "problem": self.problem,
            "note": self.peer.note,
            "rounds": [asdict(measurement) for measurement in self.measurements],
        }

    def to_dict(self, ours: Entry) -> dict[str, Any]:
        """Plain values for JSON, every round included."""
        plain = self.facts()
        for quantity in self.quantities:
            if self.measurements:
                plain[quantity] = asdict(self.spread(quantity))
            if self.measurements and ours.measurements:
                plain["ratio_" + quantity.rsplit("_", 1)[0]] = round(self.ratio(ours, quantity), 4)
        return plain


@dataclass
class TrainEntry(Entry):
    """A trainer."""

    quantities: ClassVar[tuple[str, ...]] = ("wall_seconds", "cpu_seconds", "peak_rss_bytes")

    def facts(self) -> dict[str, Any]:
        """Plain values that tell what was measured, and how it ended."""
        plain = super().facts()
        rest = {key: plain.pop(key) for key in list(plain)[4:]}
        return plain | {"claims_equal_merges": self.peer.exact} | rest


@dataclass(frozen=True)
class BenchmarkResult:
    """All measurements of a run; the first entry is bpetk.

    ``scheme`` is empty for SentencePiece's algorithm, which alone has ``settings``.
    """

    vocab_size: int
    scheme: str
    rounds: int
    corpus: CorpusFacts
    machine: dict[str, Any]
    entries: tuple[TrainEntry, ...]
    skipped: dict[str, str]
    algorithm: Algorithm = BYTE_LEVEL
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def ours(self) -> TrainEntry:
        """Our own entry, to which the ratios relate."""
        return self.entries[0]

    @property
    def all_equal(self) -> bool:
        """Whether no peer that claims the same merges learned others."""
        return all(entry.equality != "different" for entry in self.entries)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "benchmark": "train",
            "algorithm": self.algorithm,
            "vocab_size": self.vocab_size,
            "scheme": self.scheme,
            "settings": dict(self.settings),
            "rounds": self.rounds,
            "corpus": asdict(self.corpus),
            "machine": self.machine,
            "trainers": [entry.to_dict(self.ours) for entry in self.entries],
            "skipped": self.skipped,
        }
