"""The source distribution holds what it needs, builds in a fresh environment, and what it installs trains."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import venv
from pathlib import Path

import pytest

import bpetk

PROJECT = Path(__file__).resolve().parents[2]
MADE = shutil.ignore_patterns(
    ".git",
    ".*_cache",
    ".hypothesis",
    ".venv",
    "__pycache__",
    "build",
    "dist",
    "*.egg-info",
    "*.cpp",
    "*.html",
    "*.so",
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def run(*command: str | Path, folder: Path, code: int = 0) -> str:
    """Run a command that must end with a code; give what it printed on both streams."""
    # What the surrounding run set for itself must not reach a fresh environment. Built without optimisation, which
    # takes a third of the time: this is about files, and how fast it is shows elsewhere.
    drop = ("PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH", "VIRTUAL_ENV", "MYPYPATH")
    environment = {key: value for key, value in os.environ.items() if key not in drop}
    environment["BPETK_BUILD_DEBUG"] = "1"
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == code, f"{command}\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it from a copy of the project as a clone has it, so that nothing made by other builds gets in."""
    pytest.importorskip("build")
    folder = tmp_path_factory.mktemp("sdist")
    shutil.copytree(PROJECT, folder / "clone", ignore=MADE)
    run(sys.executable, "-m", "build", "--sdist", "--outdir", folder, folder / "clone", folder=folder)
    (found,) = folder.glob("bpetk-*.tar.gz")
    return found


@pytest.fixture(scope="module")
def content(sdist: Path) -> Path:
    """Unpack it; give the folder inside."""
    with tarfile.open(sdist) as archive:
        archive.extractall(sdist.parent, filter="data")
    return sdist.parent / sdist.name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def scripts(sdist: Path) -> Path:
    """Install it into a new environment, with its run-time requirements only; give the folder with the commands."""
    home = sdist.parent / "environment"
    venv.create(home, with_pip=True)
    folder = home / ("Scripts" if os.name == "nt" else "bin")
    run(folder / "python", "-m", "pip", "install", "--quiet", sdist, folder=sdist.parent)
    return folder


def names(root: Path, *patterns: str) -> set[str]:
    found = (path for pattern in patterns for path in root.glob(pattern))
    return {str(path.relative_to(root)) for path in found if path.is_file()}


def test_sdist_holds_all_sources(content: Path) -> None:
    sources = ("src_ext/**/*.p[yx][xd]", "src_ext/**/*.h", "src_ext/**/*.py", "bpetk/**/*.py", "bpetk/*.pyi")
    others = ("bpetk/py.typed", "corpora/**/*.txt", "setup.py", "pyproject.toml", "LICENSE", "*.md")
    expected = names(PROJECT, *sources, *others)
    assert {"src_ext/bpetk/_trainer.pyx", "src_ext/bpetk/__init__.pxd", "src_ext/native/pool.h"} < expected
    assert {"bpetk/_trainer.pyi", "corpora/zh.txt", "README.md"} < expected
    assert expected - names(content, "**/*") == set()


def test_sdist_holds_nothing_that_a_build_makes(content: Path) -> None:
    assert names(content, "**/*.cpp", "**/*.html", "**/*.so", "**/*.pyd", "**/*.pyc") == set()


def test_installed_package_trains(scripts: Path, content: Path, tmp_path: Path) -> None:
    corpus = content / "corpora" / "en.txt"
    assert run(scripts / "bpetk", "--version", folder=tmp_path).split() == ["bpetk", bpetk.__version__]
    run(scripts / "bpetk", "train", corpus, "--vocab", "1000", "--out", "made", "--quiet", folder=tmp_path)
    ours = bpetk.train(corpus, 1000)
    theirs = bpetk.Tokenizer.from_file(tmp_path / "made")
    assert theirs.merges == ours.merges
    assert theirs.vocab_size == 1000
    hf = pytest.importorskip("tokenizers")
    loaded = hf.Tokenizer.from_file(str(tmp_path / "made" / "tokenizer.json"))
    text = "Training on the sample, 你好 2024!\n"
    assert loaded.encode(text).ids == ours.encode(text)


def test_installed_package_has_its_types_and_no_sources(scripts: Path, tmp_path: Path) -> None:
    code = "import bpetk, json, os; print(json.dumps(sorted(os.listdir(os.path.dirname(bpetk.__file__)))))"
    files = set(json.loads(run(scripts / "python", "-c", code, folder=tmp_path)))
    stubs = {path.name for path in (PROJECT / "bpetk").glob("*.pyi")}
    assert stubs | {"py.typed", "benchmark", "cli", "interop", "reference"} <= files
    assert not {name for name in files if name.endswith((".pyx", ".pxd", ".cpp", ".h"))}


def test_extras_are_asked_for_by_name(scripts: Path, content: Path, tmp_path: Path) -> None:
    """Nothing but the run-time requirements is installed: what needs more says so, and goes on where it can."""
    corpus = content / "corpora" / "en.txt"
    bench = [
        scripts / "bpetk",
        "bench",
        "train",
        corpus,
        "--vocab",
        "600",
        "--against",
        "hf",
        "--rounds",
        "1",
    ]
    assert "not installed" in run(*bench, folder=tmp_path)
    verify = [scripts / "bpetk", "verify", "train", corpus, "--vocab", "600", "--against", "hf"]
    assert "pip install 'bpetk[verify]'" in run(*verify, folder=tmp_path, code=1)
