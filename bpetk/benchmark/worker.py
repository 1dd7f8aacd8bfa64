"""One measurement in a process of its own: ``python -m bpetk.benchmark.worker JOB.json RESULT.json``.

The result goes to a file, since some trainers print to standard output.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import bpetk
from bpetk.benchmark.peers import PEERS, Job, Merges
from bpetk.machine import peak_resident_bytes


def merges_text(merges: Merges) -> str:
    """Write merges as text, one a line, each side in hexadecimal."""
    return "".join(f"{left.hex()} {right.hex()}\n" for left, right in merges)


def measure(job: Job) -> tuple[dict[str, Any], str | None]:
    """Train once; return the numbers and, if the peer tells them, the merges as text."""
    peer = PEERS[job.peer]
    run = peer.prepare(job)
    idle_rss, cpu, wall = peak_resident_bytes(), time.process_time(), time.perf_counter()
    trained = run()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    numbers: dict[str, Any] = {
        "wall_seconds": wall,
        "cpu_seconds": cpu,
        "peak_rss_bytes": peak_resident_bytes(),  # before the merges are taken apart, which costs memory too
        "idle_rss_bytes": idle_rss,
        "bpetk_path": str(Path(bpetk.__file__).parent),
    }
    merges = peer.merges(trained)
    if merges is None:
        return numbers, None
    text = merges_text(merges)
    numbers |= {"merges": len(merges), "merges_sha256": hashlib.sha256(text.encode("ascii")).hexdigest()}
    return numbers, text


def main(arguments: list[str]) -> int:
    """Read the job, measure, write the result; merges go beside it, with the suffix ``.merges``."""
    source, target = Path(arguments[0]), Path(arguments[1])
    fields = json.loads(source.read_text(encoding="utf-8"))
    job = Job(**{**fields, "files": tuple(fields["files"])})
    warnings.simplefilter("ignore")  # a vocabulary that is smaller than asked is no matter here
    numbers, merges = measure(job)
    if merges is not None:
        target.with_suffix(".merges").write_text(merges, encoding="ascii")
    target.write_text(json.dumps(numbers), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
