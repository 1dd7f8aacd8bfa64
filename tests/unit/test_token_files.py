"""Files of ids: what is written is read again, whatever the pieces it comes in, and nothing half-written stays."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bpetk.errors import ConfigError, CorpusError, CorpusFileError, OutputError
from bpetk.token_files import (
    TextSink,
    TokenWriter,
    Width,
    atomic_files,
    offsets_path,
    read_token_file,
    read_token_lines,
    smallest_width,
    token_file,
)

ROWS = st.lists(st.lists(st.integers(0, 65535), max_size=5), max_size=6)


def put(writer: TokenWriter, rows: Sequence[Sequence[int]], how: int) -> None:
    """Write rows at once, one by one, or in pieces."""
    if how == 0:
        writer.write(
            np.array([id for row in rows for id in row], np.uint32), np.cumsum([*map(len, rows)], dtype=int)
        )
        return
    for row in rows:
        ids = np.array(row, np.uint32)
        if how == 1:
            writer.write(ids, np.array([len(ids)]))
        else:
            for cut in range(0, len(ids), 2):
                writer.write(ids[cut : cut + 2], np.zeros(0, int))
            writer.write(np.zeros(0, np.uint32), np.zeros(1, int))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=ROWS,
    how=st.integers(0, 2),
    suffix=st.sampled_from([".npy", ".txt"]),
    append=st.none() | st.integers(0, 9),
)
def test_rows_come_back(
    tmp_path: Path, rows: list[list[int]], how: int, suffix: str, append: int | None
) -> None:
    path = tmp_path / f"ids{suffix}"
    with token_file(path, width="uint16", append=append) as writer:
        put(writer, rows, how)
    expected = [row if append is None else [*row, append] for row in rows]
    assert [row.tolist() for row in read_token_file(path)] == expected
    assert (writer.documents, writer.tokens) == (len(rows), sum(map(len, expected)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, how=st.integers(0, 2), width=st.sampled_from(["uint16", "uint32"]))
def test_bin_holds_all_ids(tmp_path: Path, rows: list[list[int]], how: int, width: Width) -> None:
    path = tmp_path / "ids.bin"
    with token_file(path, width=width) as writer:
        put(writer, rows, how)
    ids = [id for row in rows for id in row]
    assert path.read_bytes() == np.array(ids, "<u2" if width == "uint16" else "<u4").tobytes()
    assert [part.tolist() for part in read_token_file(path, width=width)] == [ids]


def test_numpy_reads_it_as_its_own(tmp_path: Path) -> None:
    with token_file(tmp_path / "ids.npy", width="uint16") as writer:
        put(writer, [[1, 2], [], [3]], 0)
    mine, theirs = np.load(tmp_path / "ids.npy", mmap_mode="r"), np.array([1, 2, 3], "<u2")
    assert (mine.dtype, mine.tolist()) == (theirs.dtype, theirs.tolist())
    assert np.load(offsets_path(tmp_path / "ids.npy")).tolist() == [0, 2, 2, 3]
    assert (tmp_path / "ids.npy").stat().st_size == 128 + 6


def test_text_is_one_document_a_line() -> None:
    stream = io.BytesIO()
    writer = TokenWriter(TextSink(stream))
    for how in range(3):
        put(writer, [[1, 2, 3], [], [4]], how)
    assert stream.getvalue() == b"1 2 3\n\n4\n" * 3


def test_widths() -> None:
    assert [smallest_width(n) for n in (0, 300, 65536, 65537)] == ["uint16", "uint16", "uint16", "uint32"]


def test_an_id_that_does_not_fit_leaves_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match="70000 does not fit into uint16"),
        token_file(tmp_path / "ids.npy", width="uint16") as writer,
    ):
        put(writer, [[1], [70000]], 1)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "ids.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), token_file(path) as writer:  # noqa: PT012 - one write, then the failure
        put(writer, [[1]], 0)
        raise KeyboardInterrupt
    assert (path.read_text(), [p.name for p in tmp_path.iterdir()]) == ("old", ["ids.txt"])
    with token_file(path) as writer:
        put(writer, [[1]], 0)
    assert path.read_text() == "1\n"


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the suffix says the form"), token_file(tmp_path / "ids.json"):
        pass
    with pytest.raises(OutputError, match="there is no folder"), token_file(tmp_path / "no" / "ids.txt"):
        pass
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(OutputError, match="it is a folder"), token_file(tmp_path / "folder.txt"):
        pass
    with pytest.raises(OutputError, match="cannot write"), atomic_files(tmp_path / "no" / "x"):
        pass


def test_errors_of_the_block_are_its_own(tmp_path: Path) -> None:
    with pytest.raises(CorpusFileError, match="gone"), atomic_files(tmp_path / "x"):
        raise CorpusFileError("gone")
    assert list(tmp_path.iterdir()) == []


def test_text_that_holds_no_ids() -> None:
    with pytest.raises(CorpusError, match=r"f: line 2: .*found 'x'"):
        list(read_token_lines([b"1 2\n", b"3 x\n"], "f"))
    with pytest.raises(CorpusError, match="line 1"):
        list(read_token_lines([b"99999999999999999999\n"], "f"))
