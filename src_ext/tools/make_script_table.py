"""Write ``bpetk/sp_scripts.py``: the scripts of Unicode 9.0, by which SentencePiece keeps pieces apart.

Usage::

    python src_ext/tools/make_script_table.py TABLE            # writes the file
    python src_ext/tools/make_script_table.py TABLE --check    # exit status 1 if the file differs

TABLE has a line for each range: first and last code point (hexadecimal) and the name of the script, with white space
between; lines that begin with ``#`` are skipped. It may be a table that lacks ranges of scripts with long names, as the
one that this project started from: those are added here. What came out was compared with `sentencepiece` 0.2.3 for
every code point, see ``tests/compat/test_sp_train_twin.py``.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import textwrap
from pathlib import Path

MODULE = Path(__file__).resolve().parents[2] / "bpetk" / "sp_scripts.py"
CODE_POINTS = 0x110000

LONG_NAMES = (
    (0x1401, 0x167F, "Canadian_Aboriginal"),
    (0x18B0, 0x18F5, "Canadian_Aboriginal"),
    (0x10530, 0x10563, "Caucasian_Albanian"),
    (0x10980, 0x1099F, "Meroitic_Hieroglyphs"),
    (0x10A60, 0x10A7E, "Old_South_Arabian"),
    (0x10A80, 0x10A9F, "Old_North_Arabian"),
    (0x10B40, 0x10B55, "Inscriptional_Parthian"),
    (0x10B58, 0x10B5F, "Inscriptional_Parthian"),
    (0x10B60, 0x10B72, "Inscriptional_Pahlavi"),
    (0x10B78, 0x10B7F, "Inscriptional_Pahlavi"),
    (0x13000, 0x1342E, "Egyptian_Hieroglyphs"),
    (0x14400, 0x14646, "Anatolian_Hieroglyphs"),
)

MARK = "_SCRIPTS = (\n"  # what follows it in the module is written here, what stands before it is kept


def read_table(path: Path) -> list[str]:
    """Return the script of every code point; unlisted ones are Common."""
    scripts = ["Common"] * CODE_POINTS
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [line.split() for line in lines if line and not line.startswith("#")]
    listed = [(int(first, 16), int(last, 16), name) for first, last, name in rows]
    for first, last, name in (*LONG_NAMES, *listed):
        scripts[first : last + 1] = [name] * (last + 1 - first)
    return scripts


def pack(scripts: list[str]) -> str:
    """Write runs of equal scripts as ``Common65Latin26...``."""
    runs = ((name, sum(1 for _ in run)) for name, run in itertools.groupby(scripts))
    return "".join(f"{name}{size}" for name, size in runs)


def main() -> None:
    """Write the module, or compare it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", type=Path, help="the ranges")
    parser.add_argument("--check", action="store_true", help="write nothing, fail if the file differs")
    args = parser.parse_args()
    lines = textwrap.wrap(pack(read_table(args.table)), 104, break_on_hyphens=False)
    now = MODULE.read_text(encoding="utf-8")
    text = now[: now.index(MARK)] + MARK + "".join(f'    "{line}"\n' for line in lines) + ")\n"
    if args.check:
        sys.exit(f"{MODULE} differs" if now != text else 0)
    MODULE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
