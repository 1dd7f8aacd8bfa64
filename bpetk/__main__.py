"""``python -m bpetk``: the command line, for where the console script is not on the path."""

from __future__ import annotations

from bpetk.cli import main

if __name__ == "__main__":
    main(prog_name="python -m bpetk")
