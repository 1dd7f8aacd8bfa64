"""What a benchmark of encoding measured: every round, with medians, spreads and ratios computed from them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from bpetk.benchmark.corpus_facts import CorpusFacts
from bpetk.benchmark.results import Entry


@dataclass(frozen=True)
class EncodeMeasurement:
    """One encoder in a fresh process.

    ``first`` is the first encode call after loading, ``second`` the same call again (in the mode ``sentence`` one call
    of many). Seconds are of the clock, ``user`` seconds of the processor in user mode, all threads together. Memory is
    the peak of the whole process after the first pass; idle is before loading, the text in memory.
    """

    round: int
    load_seconds: float
    load_user_seconds: float
    first_seconds: float
    first_user_seconds: float
    second_seconds: float
    second_user_seconds: float
    peak_rss_bytes: int
    idle_rss_bytes: int
    tokens: int
    ids_sha256: str
    second_ids_sha256: str

    @property
    def load_first_seconds(self) -> float:
        """Loading and the first pass."""
        return self.load_seconds + self.first_seconds


@dataclass
class EncodeEntry(Entry):
    """An encoder. ``equality`` is about the reference's ids; one that gives others gets no ratios."""

    quantities: ClassVar[tuple[str, ...]] = (
        "load_seconds",
        "first_seconds",
        "load_first_seconds",
        "second_seconds",
        "first_user_seconds",
        "second_user_seconds",
        "peak_rss_bytes",
    )

    @property
    def ranked(self) -> bool:
        """Whether its times count: it was measured, and its ids are right."""
        return bool(self.measurements) and self.equality != "different"

    def to_dict(self, ours: Entry) -> dict[str, Any]:
        """Plain values for JSON, every round included."""
        plain = super().to_dict(ours)
        for key in plain:
            if key.startswith("ratio_") and not self.ranked:
                plain[key] = None
        return plain


@dataclass(frozen=True)
class EncodeBenchmarkResult:
    """All measurements of a run; the first entry is bpetk, the others are as they were named.

    ``reference`` is the library whose ids are right, with its version, or None if it is not installed: then the ids
    are compared with bpetk's.
    """

    model: str
    model_sha256: str | None
    vocab_size: int
    mode: str
    rounds: int
    corpus: CorpusFacts
    measured_bytes: int
    reference: str | None
    machine: dict[str, Any]
    entries: tuple[EncodeEntry, ...]
    skipped: dict[str, str]

    @property
    def ours(self) -> EncodeEntry:
        """Our own entry, to which the ratios relate."""
        return self.entries[0]

    @property
    def ours_is_right(self) -> bool:
        """Whether bpetk was measured and gave the reference's ids."""
        return self.ours.ranked and not self.ours.failed

    def order(self) -> list[EncodeEntry]:
        """Ours, then those with right ids by the time of the first pass, then the others."""

        def key(entry: EncodeEntry) -> tuple[int, float]:
            if not entry.ranked:
                return 2, 0.0
            return (0 if entry is self.ours else 1), entry.spread("first_seconds").median

        return sorted(self.entries, key=key)

    def speed(self, entry: EncodeEntry, quantity: str) -> float:
        """Median speed in megabytes a second (10**6 bytes)."""
        seconds = entry.spread(quantity).median
        return self.measured_bytes / seconds / 1e6 if seconds else float("inf")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        encoders = []
        for entry in self.entries:
            plain = entry.to_dict(self.ours)
            if entry.measurements and self.mode != "sentence":
                for name in ("first", "second"):
                    plain[f"{name}_mb_per_second"] = round(self.speed(entry, f"{name}_seconds"), 3)
            elif entry.measurements:
                plain["calls_per_second"] = round(1 / entry.spread("second_seconds").median, 1)
            encoders.append(plain)
        return {
            "benchmark": "encode",
            "mode": self.mode,
            "model": self.model,
            "model_sha256": self.model_sha256,
            "vocab_size": self.vocab_size,
            "rounds": self.rounds,
            "corpus": asdict(self.corpus),
            "measured_bytes": self.measured_bytes,
            "reference": self.reference,
            "machine": self.machine,
            "encoders": encoders,
            "skipped": self.skipped,
        }
