"""The bundled texts are what their manifest says, and the generator makes the same text everywhere."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

CORPORA = Path(__file__).resolve().parents[2] / "corpora"


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"corpora_{name}", CORPORA / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate: Any = _load("generate")
EDGE_CASES: dict[str, bytes] = _load("edge_cases").EDGE_CASES
KINDS = list(generate.KINDS)


def test_manifest_is_current() -> None:
    """Fails after any change of a text or of the generator: see corpora/README.md."""
    assert json.loads((CORPORA / "manifest.json").read_bytes()) == generate.manifest()


def test_manifest_lists_every_text() -> None:
    listed = {CORPORA / name for name in json.loads((CORPORA / "manifest.json").read_bytes())["files"]}
    assert listed == set(CORPORA.rglob("*.txt"))
    assert {CORPORA / "en.txt", CORPORA / "zh.txt"} < listed


def test_edge_files_are_those_of_the_table() -> None:
    assert {path.name: path.read_bytes() for path in (CORPORA / "edge").iterdir()} == EDGE_CASES


@pytest.mark.parametrize("name", ["en", "zh"])
def test_sample_text(name: str) -> None:
    data = (CORPORA / f"{name}.txt").read_bytes()
    assert len(data) >= 60_000
    text = data.decode()
    assert not re.search("[\0\r\ufeff\ufffd]", text)
    assert text.endswith("\n")
    paragraphs = Counter(line for line in text.splitlines() if len(line) > 20)
    assert [line for line, count in paragraphs.items() if count > 1] == []
    own = r"[\u4e00-\u9fff]" if name == "zh" else "[A-Za-z]"
    assert len(re.findall(own, text)) > 0.7 * len(text)


@pytest.mark.parametrize("name", sorted(EDGE_CASES))
def test_edge_files_are_valid_unless_they_say_otherwise(name: str) -> None:
    not_utf8 = {"invalid_utf8.txt", "cut_utf8.txt", "gb18030.txt", "latin1.txt", "utf16.txt"}
    try:
        EDGE_CASES[name].decode()
    except UnicodeDecodeError:
        assert name in not_utf8
    else:
        assert name not in not_utf8


def test_gb18030_file_decodes() -> None:
    assert "雨停了" in EDGE_CASES["gb18030.txt"].decode("gb18030")


@pytest.mark.parametrize("kind", KINDS)
def test_generated_text(kind: str) -> None:
    data = b"".join(generate.generate(kind, 30_000, seed=7))
    assert 30_000 - 3 <= len(data) <= 30_000
    data.decode()
    assert b"".join(generate.generate(kind, 3_000, seed=7)) in {
        data[:3_000],
        data[:2_999],
        data[:2_998],
        data[:2_997],
    }
    assert b"".join(generate.generate(kind, 30_000, seed=8)) != data


def test_generated_text_has_what_its_kind_says() -> None:
    texts = {kind: b"".join(generate.generate(kind, 200_000)).decode() for kind in KINDS}
    assert not re.search(r"\s", texts["chinese"])
    words = Counter(re.findall("[a-z]+", texts["words"].lower())).most_common()
    assert words[0][1] > 1.5 * words[1][1] > 5 * words[20][1]
    assert len(words) > 3000
    ties = Counter(texts["ties"].split())
    assert max(ties.values()) - min(ties.values()) <= 1 or len(ties) > 6**2 + 6**3
    assert sum(map(str.isspace, texts["spaces"])) > 0.7 * len(texts["spaces"])
    assert re.search(r"a{200}", texts["runs"])


def test_command_line(tmp_path: Path) -> None:
    file = tmp_path / "big.txt"
    script = [sys.executable, str(CORPORA / "generate.py")]
    options = ["--kind", "chinese", "--bytes", "5000", "--seed", "3"]
    subprocess.run([*script, *options, "-o", str(file)], check=True, timeout=60)
    printed = subprocess.run([*script, *options], check=True, timeout=60, capture_output=True).stdout
    assert file.read_bytes() == printed == b"".join(generate.generate("chinese", 5000, seed=3))
    assert list(tmp_path.iterdir()) == [file]
    wrong = subprocess.run(script, timeout=60, capture_output=True)
    assert wrong.returncode == 2
