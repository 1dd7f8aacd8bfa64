"""Work in a fresh process: its environment, its end, and whether it ran the package that runs here."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import site
import subprocess
import sys
import sysconfig
from dataclasses import asdict
from pathlib import Path
from typing import Any

import bpetk


class WorkerError(Exception):
    """A worker did not deliver; the message is for the table."""


def _environment(threads: int) -> dict[str, str]:
    """Give the worker the threads asked for, and the very package that runs here."""
    environment = {
        **os.environ,
        # numpy's BLAS keeps threads that poll for a tenth of a second after the import
        "OPENBLAS_NUM_THREADS": "1",
        "RAYON_NUM_THREADS": str(threads),
        "OMP_NUM_THREADS": str(threads),
        "TOKENIZERS_PARALLELISM": "true" if threads > 1 else "false",
    }
    root = os.path.realpath(Path(bpetk.__file__).parent.parent)
    installed = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), site.getusersitepackages()]
    if root not in map(
        os.path.realpath, installed
    ):  # a source tree: the worker, in another folder, would not find it by itself
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    return environment


def _explain_exit(code: int, errors: str) -> str:
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    if code < 0:
        with contextlib.suppress(ValueError):
            name = signal.Signals(-code).name
            return f"ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    return lines[-1] if lines else f"exit code {code}"


def run_process(
    work: str, job: Any, folder: Path, *, threads: int, suffix: str, timeout: float | None = None
) -> tuple[dict[str, Any], Path | None]:
    """Run a job in a fresh process.

    Parameters
    ----------
    work
        ``"train"`` or ``"encode"``: what `bpetk.benchmark.worker` is to do.
    job
        A dataclass, the description of the work.
    folder
        For its files; those of the job before are removed.
    threads
        Put into the variables by which libraries are told.
    suffix
        Of the file besides the numbers that the worker may write.
    timeout
        Seconds after which it is ended.

    Returns
    -------
    tuple[dict, Path or None]
        The numbers, and the other file if there is one.

    Raises
    ------
    WorkerError
        If there is no result.
    """
    source, target = folder / "job.json", folder / "result.json"
    other = target.with_suffix(suffix)
    for stale in (target, other):
        stale.unlink(missing_ok=True)
    source.write_text(json.dumps(asdict(job)), encoding="utf-8")
    command = [sys.executable, "-m", "bpetk.benchmark.worker", work, str(source), str(target)]
    with open(folder / "errors.txt", "w+", encoding="utf-8", errors="replace") as errors:
        process = subprocess.Popen(
            command, cwd=folder, env=_environment(threads), stdout=subprocess.DEVNULL, stderr=errors
        )
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise WorkerError(f"took longer than {timeout:g} s") from None
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if code != 0 or not target.exists():
            errors.seek(0)
            raise WorkerError(_explain_exit(code, errors.read()))
    numbers: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
    theirs, ours = (
        os.path.realpath(path) for path in (numbers.pop("bpetk_path"), Path(bpetk.__file__).parent)
    )
    if theirs != ours:
        raise WorkerError(f"the worker imported bpetk from {theirs}, not from {ours}")
    return numbers, other if other.exists() else None
