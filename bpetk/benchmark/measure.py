"""Peak memory of a fresh process."""

from __future__ import annotations

import sys

from bpetk.machine import peak_resident_bytes


def own_peak_bytes() -> int:
    """Return the highest resident size of this process since it started its program, in bytes.

    On Linux ``getrusage`` begins at the peak of the process that started this one, so a worker of a large
    caller would seem large itself; ``/proc`` tells the peak of the program alone.
    """
    if sys.platform == "linux":
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    return peak_resident_bytes()
