"""How tests get the shared corpora, tried on a small made-up folder."""

from __future__ import annotations

import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
import shared_data

TEXT = "第一行\nsecond line\nthird\n".encode()


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point the helper to a made-up shared folder; the folder of both is returned."""
    monkeypatch.setenv("BPETK_SHARED", str(tmp_path / "shared"))
    monkeypatch.setenv("BPETK_SHARED_CACHE", str(tmp_path / "cache"))
    (tmp_path / "shared" / "corpora").mkdir(parents=True)
    (tmp_path / "shared" / "corpora" / "small.txt.xz").write_bytes(lzma.compress(TEXT))
    return tmp_path


def test_unpacks_once(folders: Path) -> None:
    path = shared_data.shared_corpus("small")
    assert path == folders / "cache" / "corpora" / "small.txt"
    assert path.read_bytes() == TEXT
    before = path.stat()
    assert shared_data.shared_corpus("small").stat().st_mtime_ns == before.st_mtime_ns
    assert [file.name for file in path.parent.iterdir()] == ["small.txt"]


@pytest.mark.parametrize(("size", "kept"), [(10, 10), (21, 10), (22, 22), (27, 22), (28, 28), (1000, 28)])
def test_cuts_at_a_line_end(folders: Path, size: int, kept: int) -> None:
    assert shared_data.shared_corpus("small", size).read_bytes() == TEXT[:kept]


def test_first_line_too_long(folders: Path) -> None:
    with pytest.raises(ValueError, match="more than 5 bytes"):
        shared_data.shared_corpus("small", 5)


def test_missing_data_skips(
    folders: Path, monkeypatch: pytest.MonkeyPatch, shared_corpus: Callable[..., Path]
) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="BPETK_SHARED"):
        shared_corpus("other")


def test_missing_data_fails_in_ci(
    folders: Path, monkeypatch: pytest.MonkeyPatch, shared_corpus: Callable[..., Path]
) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="BPETK_SHARED"):
        shared_corpus("other")
