"""Modules import downwards only; the rules are in ``layering.py``."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import layering

PROJECT = Path(__file__).resolve().parents[2]


def test_python_modules() -> None:
    assert layering.python_faults(PROJECT) == []


def test_cython_modules() -> None:
    assert layering.cython_faults(PROJECT) == []


def test_native_headers() -> None:
    assert layering.header_faults(PROJECT) == []


def test_something_is_checked() -> None:
    modules = layering.module_names(PROJECT)
    assert {".", "__main__", "api", "trainer", "cli", "cli.train", "reference.scan"} <= set(modules)
    found = {
        (module, target.removeprefix("bpetk:"))
        for module, path in modules.items()
        for _, target, _ in layering.imports(path, module, {*modules, "_counter"})
    }
    assert {("trainer", "counting"), ("trainer", "machine"), (".", "api"), ("counting", "_counter")} <= found


def project(root: Path, files: dict[str, str]) -> Path:
    """Make a small project with the given files, and empty packages where they stand."""
    for name, text in {"bpetk/__init__.py": "", **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if path.suffix == ".py":
            (path.parent / "__init__.py").touch()
    return root


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("errors", "from bpetk.alphabet import x", "bpetk.errors must not import bpetk.alphabet"),
        ("alphabet", "def f():\n    from bpetk import errors", "bpetk.alphabet must not import bpetk.errors"),
        ("corpus", "from bpetk.special_tokens import x", "bpetk.corpus must not import bpetk.special_tokens"),
        ("corpus", "from . import model", "bpetk.corpus must not import bpetk.model"),
        ("corpus", "import bpetk.model as m", "bpetk.corpus must not import bpetk.model"),
        ("corpus", "import bpetk", "bpetk.corpus must not import bpetk"),
        ("tokenizer", "import bpetk.trainer", "bpetk.tokenizer must not import bpetk.trainer"),
        ("trainer", "from bpetk import tokenizer", "bpetk.trainer must not import bpetk.tokenizer"),
        ("trainer", "from .tokenizer import Tokenizer", "bpetk.trainer must not import bpetk.tokenizer"),
        ("api", "from bpetk.cli.train import x", "bpetk.api must not import bpetk.cli.train"),
        ("api", "from bpetk.reference import scan", "bpetk.api must not import bpetk.reference.scan"),
        ("verify", "from bpetk.reference.scan import x", "bpetk.verify must not import bpetk.reference.scan"),
        ("interop/files", "from ..trainer import x", "bpetk.interop.files must not import bpetk.trainer"),
        (
            "reference/train",
            "from bpetk.trainer import x",
            "bpetk.reference.train must not import bpetk.trainer",
        ),
        ("reference/train", "import bpetk._trainer", "bpetk.reference.train must not import bpetk._trainer"),
        ("corpus", "from bpetk._scanner import split", "bpetk.corpus must not import bpetk._scanner"),
        ("verify", "import tokenizers", "tokenizers may be imported only inside functions of:"),
        ("model", "def f():\n    import tiktoken", "tiktoken may be imported only inside functions of:"),
        ("api", "from rich.table import Table", "rich belongs to the command line"),
        ("surprise", "", "bpetk.surprise has no place in the table of layers"),
    ],
)
def test_python_violation_is_found(tmp_path: Path, name: str, text: str, fault: str) -> None:
    others = (
        "alphabet",
        "errors",
        "model",
        "special_tokens",
        "tokenizer",
        "trainer",
        "cli/train",
        "reference/scan",
    )
    files = {f"bpetk/{other}.py": "" for other in others} | {"src_ext/bpetk/_trainer.pyx": ""}
    root = project(tmp_path, files | {f"bpetk/{name}.py": text})
    (found,) = layering.python_faults(root)
    assert found.startswith(f"bpetk/{name}.py")
    assert found.partition(": ")[2].startswith(fault)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("api", "from bpetk.trainer import learn\nfrom bpetk import tokenizer"),
        ("verify", "import bpetk\ndef f():\n    import tokenizers"),
        (
            "verify",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from tokenizers import Tokenizer",
        ),
        ("cli/verify", "from rich.table import Table\nfrom bpetk.cli import train\nfrom .train import x"),
        ("reference/train", "from bpetk.reference import scan\nfrom bpetk import unicode_tables"),
        ("pretokenizers", "from bpetk.custom_pattern import compile_pattern"),
    ],
)
def test_what_is_allowed(tmp_path: Path, name: str, text: str) -> None:
    others = ("trainer", "tokenizer", "cli/train", "reference/scan", "unicode_tables", "custom_pattern")
    root = project(tmp_path, {f"bpetk/{other}.py": "" for other in others} | {f"bpetk/{name}.py": text})
    assert layering.python_faults(root) == []


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("_scanner.pyx", "from bpetk._counter cimport x", ":1: _scanner must not cimport _counter"),
        ("_counter.pxd", "\ncimport bpetk._trainer", ":2: _counter must not cimport _trainer"),
        (
            "_counter.pyx",
            "from bpetk._scanner cimport (\n    a, b,\n)\nfrom bpetk._trainer cimport x",
            ":4: ",
        ),
        ("_engine.pxd", "from bpetk._merge cimport x", ":1: _engine must not cimport _merge"),
        ("_pairs.pyx", "from numpy cimport ndarray", ":1: _pairs must not cimport numpy"),
        ("_pairs.pyx", "from bpetk.errors import BpetkError", ":1: native code must not import"),
        ("_pairs.pxd", 'cdef extern from "native/mem.h":\n    pass', ": extern declarations belong into"),
        ("_surprise.pyx", "", ": _surprise has no place in the table of layers"),
    ],
)
def test_cython_violation_is_found(tmp_path: Path, name: str, text: str, fault: str) -> None:
    root = project(tmp_path, {"src_ext/bpetk/__init__.pxd": "", f"src_ext/bpetk/{name}": text})
    (found,) = layering.cython_faults(root)
    assert found.startswith(f"src_ext/bpetk/{name}{fault}")


def test_header_violation_is_found(tmp_path: Path) -> None:
    upward = {"src_ext/native/bits.h": '#include "utf.h"\n', "src_ext/native/utf.h": '#include "bits.h"\n'}
    root = project(tmp_path, {**upward, "src_ext/native/more.h": ""})
    assert layering.header_faults(root) == [
        "src_ext/native/bits.h must not include utf.h",
        "src_ext/native/more.h has no place in the table of headers",
    ]
