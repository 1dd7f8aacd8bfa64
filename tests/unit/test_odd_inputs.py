"""Folders that hold more than text, names that are not UTF-8, files that are damaged."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import bpetk
from bpetk.corpus import resolve
from bpetk.errors import InvalidEncodingError, OutputError
from bpetk.model_file import check_target

TEXT = "low lower lowest newer newest\n" * 50


def test_a_folder_without_its_hidden_files_and_its_own_tokenizers(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / ".hidden.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / ".folder").mkdir()
    (tmp_path / ".folder" / "b.txt").write_text(TEXT, encoding="utf-8")
    first = bpetk.train(tmp_path, 260, scheme="gpt2")
    first.save(tmp_path / "a-bpe-260")
    assert (tmp_path / "a-bpe-260" / "merges.txt").exists()
    assert [source.path for source in resolve(tmp_path)] == [tmp_path / "a.txt"]
    assert bpetk.train(tmp_path, 260, scheme="gpt2").merges == first.merges


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are text there")
def test_a_name_that_is_not_utf8_reaches_the_manifest(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/f\xff.txt"
    with open(name, "w", encoding="utf-8") as file:
        file.write(TEXT)
    tok = bpetk.train(os.fsdecode(name), 260)
    tok.save(tmp_path / "out")
    assert "f\\\\xff.txt" in (tmp_path / "out" / "manifest.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("你好世界".encode()[:-1], r"\(bytes E7 95\).*ends inside a character"),
        ("你好".encode() + b"\xff" + "世界\n".encode() * 9, r"\(bytes FF E4 B8 96\).*is damaged there"),
        ("你好世界，再见世界。\n".encode("gb18030"), r"decodes as gb18030"),
    ],
)
def test_what_is_said_of_bytes_that_are_not_utf8(data: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(data)
    with pytest.raises(InvalidEncodingError, match=said):
        bpetk.train(path, 300)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="needs permissions that bind")
def test_a_target_that_cannot_be_made_is_refused_before_training(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="no permission to write"):
            check_target(tmp_path / "new" / "tokenizer", overwrite=False)
    finally:
        tmp_path.chmod(0o700)
