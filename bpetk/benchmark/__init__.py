"""What ``bpetk bench`` runs: fresh processes, interleaved rounds, equality beside speed."""

from __future__ import annotations

from bpetk.benchmark.encode_harness import run_encode_benchmark
from bpetk.benchmark.encode_results import EncodeBenchmarkResult, EncodeMeasurement
from bpetk.benchmark.harness import run_train_benchmark
from bpetk.benchmark.results import BenchmarkResult, Measurement

__all__ = [
    "BenchmarkResult",
    "EncodeBenchmarkResult",
    "EncodeMeasurement",
    "Measurement",
    "run_encode_benchmark",
    "run_train_benchmark",
]
