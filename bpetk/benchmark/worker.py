"""One measurement in a process of its own: ``python -m bpetk.benchmark.worker WORK JOB.json RESULT.json``.

The result goes to a file, since some libraries print to standard output.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpetk
from bpetk.benchmark.peers import Job, Merges, peers_of
from bpetk.machine import peak_resident_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bpetk.benchmark.encode_peers import EncodeJob

_BATCHES, _BATCH_SECONDS = 5, 0.1  # of calls with one sentence


def merges_text(merges: Merges) -> str:
    """Write merges as text, one a line, each side in hexadecimal."""
    return "".join(f"{left.hex()} {right.hex()}\n" for left, right in merges)


def measure(job: Job) -> tuple[dict[str, Any], str | None]:
    """Train once; return the numbers and, if the peer tells them, the merges as text."""
    peer = peers_of(job.algorithm)[job.peer]
    run = peer.prepare(job)
    idle_rss, cpu, wall = peak_resident_bytes(), time.process_time(), time.perf_counter()
    trained = run()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    numbers: dict[str, Any] = {
        "wall_seconds": wall,
        "cpu_seconds": cpu,
        "peak_rss_bytes": peak_resident_bytes(),  # before the merges are taken apart, which costs memory too
        "idle_rss_bytes": idle_rss,
    }
    merges = peer.merges(trained)
    if merges is None:
        return numbers, None
    import hashlib  # 4 MB, which are not to be counted above

    text = merges_text(merges)
    numbers |= {"merges": len(merges), "merges_sha256": hashlib.sha256(text.encode("ascii")).hexdigest()}
    return numbers, text


def user_seconds() -> float:
    """Seconds that this process has spent in user mode; where the system does not tell, those of all kinds."""
    try:
        import resource
    except ImportError:
        return time.process_time()
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime


def _timed(call: Callable[[], Any]) -> tuple[Any, float, float]:
    """Call once; return the result, seconds of the clock and of the processor."""
    user, wall = user_seconds(), time.perf_counter()
    result = call()
    wall = time.perf_counter() - wall
    return result, wall, user_seconds() - user


def _many(call: Callable[[], Any], count: int) -> Any:
    for _ in range(count):
        result = call()
    return result


def _repeated(call: Callable[[], Any]) -> tuple[Any, float, float]:
    """Call for about a second; return the result and the median seconds of a call, of clock and processor."""
    count = 1
    while _timed(partial(_many, call, count))[1] < _BATCH_SECONDS:
        count *= 2
    from statistics import median

    batches = [_timed(partial(_many, call, count)) for _ in range(_BATCHES)]
    walls, users = ([batch[part] / count for batch in batches] for part in (1, 2))
    return batches[-1][0], median(walls), median(users)


def digest(ids: NDArray[np.uint32], rows: NDArray[np.int64]) -> str:
    """Hash ids and the lengths of rows, whatever the byte order of the machine."""
    import hashlib

    hashed = hashlib.sha256(rows.astype("<i8").tobytes())
    hashed.update(ids.astype("<u4").tobytes())
    return hashed.hexdigest()


def measure_encode(job: EncodeJob) -> tuple[dict[str, Any], tuple[NDArray[np.uint32], NDArray[np.int64]]]:
    """Load, encode the text twice; return the numbers and the ids of the first pass."""
    import numpy as np  # noqa: F401 - some libraries import it in their first call, which is timed

    from bpetk.benchmark.encode_peers import ENCODE_PEERS, Text, flat_ids

    peer = ENCODE_PEERS[job.peer]
    text = Text.read(job.text, job.mode)
    load = peer.ready(job)
    numbers: dict[str, Any] = {"idle_rss_bytes": peak_resident_bytes()}
    tokenizer, numbers["load_seconds"], numbers["load_user_seconds"] = _timed(load)
    call = peer.call(tokenizer, job, text)
    first, numbers["first_seconds"], numbers["first_user_seconds"] = _timed(call)
    numbers["peak_rss_bytes"] = peak_resident_bytes()
    again = _repeated if job.mode == "sentence" else _timed
    second, numbers["second_seconds"], numbers["second_user_seconds"] = again(call)
    ids, rows = flat_ids(first)
    numbers |= {
        "tokens": len(ids),
        "ids_sha256": digest(ids, rows),
        "second_ids_sha256": digest(*flat_ids(second)),
    }
    return numbers, (ids, rows)


def _train(fields: dict[str, Any], target: Path) -> dict[str, Any]:
    job = Job(**{**fields, "files": tuple(fields["files"])})
    numbers, merges = measure(job)
    if merges is not None:
        target.with_suffix(".merges").write_text(merges, encoding="ascii")
    return numbers


def _encode(fields: dict[str, Any], target: Path) -> dict[str, Any]:
    import numpy as np

    from bpetk.benchmark.encode_peers import EncodeJob, Forms

    job = EncodeJob(**{**fields, "forms": Forms(**fields["forms"])})
    numbers, parts = measure_encode(job)
    with open(target.with_suffix(".ids"), "wb") as file:
        for part in parts:
            np.save(file, part)
    return numbers


def main(arguments: list[str]) -> int:
    """Read the job, measure, write the result; merges or ids go beside it, with a suffix of their own."""
    work, source, target = arguments[0], Path(arguments[1]), Path(arguments[2])
    warnings.simplefilter("ignore")  # a vocabulary that is smaller than asked is no matter here
    run = {"train": _train, "encode": _encode}[work]
    numbers = run(json.loads(source.read_text(encoding="utf-8")), target)
    numbers["bpetk_path"] = str(Path(bpetk.__file__).parent)
    target.write_text(json.dumps(numbers), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
