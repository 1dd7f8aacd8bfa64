"""The stubs (bpetk/*.pyi) say what the extension modules really offer."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import bpetk

PROJECT = Path(__file__).resolve().parents[2]
PACKAGE = Path(bpetk.__file__).resolve().parent
MODULES = sorted(path.stem for path in (PROJECT / "src_ext" / "bpetk").glob("*.pyx"))


def stubtest(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ)
    installed = {Path(sysconfig.get_path(key)).resolve() for key in ("purelib", "platlib")}
    if PACKAGE.parent not in installed:
        # mypy does not see through the import hook of an editable install.
        environment["MYPYPATH"] = str(PACKAGE.parent)
    command = [sys.executable, "-m", "mypy.stubtest", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_every_extension_module_has_a_stub() -> None:
    assert [path.stem for path in sorted(PACKAGE.glob("_*.pyi"))] == MODULES
    assert (PACKAGE / "py.typed").is_file()


def test_stubs_agree_with_the_modules(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    allowed = Path(__file__).with_name("stubtest_allowlist.txt")
    # Which names Cython adds depends on its version.
    done = stubtest(
        *(f"bpetk.{module}" for module in MODULES),
        f"--allowlist={allowed}",
        "--ignore-unused-allowlist",
        f"--mypy-config-file={PROJECT / 'pyproject.toml'}",
        folder=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"no issues found in {len(MODULES)} modules" in done.stdout
