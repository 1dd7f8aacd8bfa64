"""What ``bpetk bench`` runs: fresh processes, interleaved rounds, equality beside speed."""

from __future__ import annotations

from bpetk.benchmark.harness import run_train_benchmark
from bpetk.benchmark.results import BenchmarkResult, Measurement

__all__ = ["BenchmarkResult", "Measurement", "run_train_benchmark"]
