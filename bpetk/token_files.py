"""Ids of documents in files: ``.npy`` with row offsets, raw ``.bin``, or text with one document a line.

A file that is written appears complete or not at all, and is written as the ids come: its size is no matter.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Protocol

from bpetk.errors import ConfigError, CorpusError, CorpusFileError, OutputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ids = NDArray[np.integer[Any]]

Width = Literal["uint16", "uint32"]

SUFFIXES = (".npy", ".bin", ".txt")
WIDTHS: dict[str, int] = {"uint16": 2, "uint32": 4}

_MAGIC = b"\x93NUMPY"
_HEADER = 128  # bytes; room for any length


def smallest_width(n_vocab: int) -> Width:
    """Choose the type that holds all ids below ``n_vocab``.

    Examples
    --------
    >>> smallest_width(65536), smallest_width(65537)
    ('uint16', 'uint32')
    """
    return "uint16" if n_vocab <= 1 << 16 else "uint32"


def offsets_path(path: Path) -> Path:
    """Name the file of row offsets that belongs to an ``.npy`` file of ids.

    Examples
    --------
    >>> offsets_path(Path("data/train.npy")).name
    'train.offsets.npy'
    """
    return path.with_name(f"{path.stem}.offsets.npy")


class Sink(Protocol):
    """Takes ids, and the places among them after which a document ends."""

    def write(self, ids: Ids, ends: Ids) -> None:
        """Take the next ids; ``ends`` are counts of them, ascending."""


class TextSink:
    """Writes the ids of a document as one line of decimal numbers."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._inside = False  # the line has begun

    def write(self, ids: Ids, ends: Ids) -> None:
        """Take the next ids."""
        start, lines = 0, []
        for end in (*ends.tolist(), None):
            numbers = " ".join(map(str, ids[start:end].tolist()))
            lines.append(" " + numbers if self._inside and numbers else numbers)
            self._inside = end is None and (self._inside or bool(numbers))
            start = end
        self._file.write("\n".join(lines).encode("ascii"))


class ArraySink:
    """Writes ids of one width and, if there is a file for them, the row offsets; numpy's headers are optional."""

    def __init__(self, file: BinaryIO, width: Width, offsets: BinaryIO | None = None) -> None:
        self._file, self._width, self._offsets = file, width, offsets
        self._rows = self._total = 0
        if offsets is not None:
            file.write(bytes(_HEADER))  # not a file that numpy reads until it is complete
            offsets.write(bytes(_HEADER + 8))

    def write(self, ids: Ids, ends: Ids) -> None:
        """Take the next ids."""
        self._file.write(ids.astype(f"<u{WIDTHS[self._width]}").tobytes())
        if self._offsets is not None:
            self._offsets.write((ends.astype("<i8") + self._total).tobytes())
        self._rows += len(ends)
        self._total += len(ids)

    def close(self) -> None:
        """Put the headers in place, now that the lengths are known."""
        if self._offsets is not None:
            for file, kind, length in (
                (self._file, f"<u{WIDTHS[self._width]}", self._total),
                (self._offsets, "<i8", self._rows + 1),
            ):
                file.seek(0)
                file.write(_npy_header(kind, length))


def _npy_header(kind: str, length: int) -> bytes:
    """Give the header of an array of one dimension (numpy's format 1.0), always of the same size."""
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': ({length},), }}"
    body = text.encode("ascii").ljust(_HEADER - len(_MAGIC) - 5) + b"\n"
    return _MAGIC + b"\x01\x00" + len(body).to_bytes(2, "little") + body


class TokenWriter:
    """Documents on their way to a file.

    Parameters
    ----------
    sink
        Where they go.
    width
        Type of the ids; one that is too narrow for an id is refused.
    append
        An id to put at the end of every document.

    Attributes
    ----------
    documents, tokens
        How many have been written, appended ids included.
    """

    def __init__(self, sink: Sink, *, width: Width = "uint32", append: int | None = None) -> None:
        self._sink, self._width, self._append = sink, width, append
        self.documents = self.tokens = 0

    def write(self, ids: Ids, ends: Ids) -> None:
        """Write the next ids, as ``Tokenizer.iter_encode_file`` gives them.

        Parameters
        ----------
        ids
            Of any number of documents; the first may go on with the last one before.
        ends
            The places among them where documents end.

        Raises
        ------
        ConfigError
            If an id does not fit.
        """
        import numpy as np

        if self._append is not None and len(ends):
            ids = np.insert(ids, ends.astype(np.int64), self._append)
            ends = ends + np.arange(1, len(ends) + 1)
        if len(ids) and int(ids.max()) >> (8 * WIDTHS[self._width]):
            raise ConfigError(
                f"id {int(ids.max())} does not fit into {self._width}: write uint32 (--dtype uint32)"
            )
        self._sink.write(ids, ends)
        self.documents += len(ends)
        self.tokens += len(ids)


@contextmanager
def atomic_files(*paths: Path) -> Iterator[tuple[BinaryIO, ...]]:
    """Open files for writing that get their names when the block ends well, and are gone if it does not.

    Raises
    ------
    OutputError
        If one of them cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> target = pathlib.Path(tempfile.mkdtemp(), "note.txt")
    >>> with atomic_files(target) as (file,):
    ...     _ = file.write(b"done")
    ...     target.exists()
    False
    >>> target.read_bytes()
    b'done'
    """
    works = [path.with_name(f".{path.name[:32]}.{secrets.token_hex(6)}") for path in paths]
    path = paths[0]
    try:
        with ExitStack() as stack:
            files = []
            for path, work in zip(paths, works, strict=True):  # noqa: B007 - the path is for the error
                files.append(stack.enter_context(open(work, "xb")))
            yield tuple(files)
            for path, file in zip(paths, files, strict=True):  # noqa: B007
                file.flush()
                os.fsync(file.fileno())  # a full disk may show only here
        for path, work in zip(paths, works, strict=True):
            os.replace(work, path)
    except OSError as error:
        if isinstance(error, OutputError | CorpusFileError):
            raise
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        for work in works:
            with suppress(OSError):
                work.unlink()


def check_token_path(path: str | os.PathLike[str]) -> Path:
    """Return the path of a file of ids, if its suffix says its form and its folder exists.

    Raises
    ------
    ConfigError
        For another suffix.
    OutputError
        If there is no such folder, or the path is one.
    """
    target = Path(path)
    if target.suffix not in SUFFIXES:
        raise ConfigError(
            f"{target}: the suffix says the form of the ids: .npy (with row offsets in {offsets_path(target).name}), "
            ".bin (ids alone) or .txt (one document a line)"
        )
    if not target.absolute().parent.is_dir():
        raise OutputError(f"cannot write {target}: there is no folder {target.absolute().parent}")
    if target.is_dir():
        raise OutputError(f"cannot write {target}: it is a folder")
    return target


@contextmanager
def token_file(
    path: str | os.PathLike[str], *, width: Width = "uint32", append: int | None = None
) -> Iterator[TokenWriter]:
    """Open a file of ids for writing; it is put in place when the block ends well.

    Parameters
    ----------
    path
        ``.npy``: the ids of all documents in one array, and beside it ``<name>.offsets.npy``, int64: where each
        document begins, and the end of the last. ``.bin``: the ids alone, little-endian. ``.txt``: decimal numbers,
        one document a line.
    width
        ``"uint16"`` or ``"uint32"``; of no importance in text.
    append
        An id to put at the end of every document.

    Raises
    ------
    OutputError
        If it cannot be written; nothing half-written is left behind.
    ConfigError
        For another suffix, and for an id that is too large for the width.

    Examples
    --------
    >>> import numpy as np, pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "ids.npy")
    >>> with token_file(path, width="uint16", append=0) as writer:
    ...     writer.write(np.array([5, 6, 7]), np.array([2, 3]))
    >>> np.load(path).tolist(), np.load(offsets_path(path)).tolist()
    ([5, 6, 0, 7, 0], [0, 3, 5])
    """
    target = check_token_path(path)
    if target.suffix == ".txt":
        with atomic_files(target) as (file,):
            yield TokenWriter(TextSink(file), append=append)
    elif target.suffix == ".bin":
        with atomic_files(target) as (file,):
            yield TokenWriter(ArraySink(file, width), width=width, append=append)
    else:
        with atomic_files(offsets_path(target), target) as (offsets, file):
            sink = ArraySink(file, width, offsets)
            yield TokenWriter(sink, width=width, append=append)
            sink.close()


def read_token_file(path: str | os.PathLike[str], *, width: Width = "uint32") -> Iterator[Ids]:
    """Read a file of ids, document by document.

    Parameters
    ----------
    path
        Told apart by suffix: ``.npy`` (documents by ``<name>.offsets.npy`` if that is there, else one), ``.bin``
        (one document), anything else as text.
    width
        Of the ids in a ``.bin`` file.

    Yields
    ------
    ndarray
        The ids of a document.

    Raises
    ------
    CorpusFileError
        If the file cannot be read.
    CorpusError
        If it does not hold ids.
    """
    source = Path(path)
    try:
        if source.suffix == ".npy":
            yield from _rows(source)
        elif source.suffix == ".bin":
            yield _raw(source, width)
        else:
            with open(source, "rb") as file:
                yield from read_token_lines(file, str(source))
    except OSError as error:
        if isinstance(error, CorpusFileError):
            raise
        raise CorpusFileError(f"cannot read {source}: {error.strerror or error}") from error


def read_token_lines(file: Iterable[bytes], name: str) -> Iterator[Ids]:
    """Read text with one document a line: decimal ids with white space between."""
    import numpy as np

    for number, line in enumerate(file, 1):
        try:
            ids = np.array(list(map(int, line.split())), np.int64)
        except (ValueError, OverflowError):
            wrong = next((word for word in line.split() if not word.isdigit()), line.strip())
            shown = repr(wrong[:40].decode("utf-8", "backslashreplace"))
            raise CorpusError(
                f"{name}: line {number}: expected ids, decimal numbers, found {shown}"
            ) from None
        yield ids


def _array(path: Path) -> Ids:
    import numpy as np

    try:
        array: Ids = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        if path.stat().st_size and path.read_bytes()[:6] != _MAGIC:
            raise CorpusError(f"{path}: not an .npy file") from error
        raise CorpusError(f"{path}: not a usable .npy file: {error}") from error
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise CorpusError(
            f"{path}: expected whole numbers in one dimension, found {array.dtype} of shape {array.shape}"
        )
    return array


def _rows(path: Path) -> Iterator[Ids]:
    ids, beside = _array(path), offsets_path(path)
    if not beside.exists():
        yield ids
        return
    offsets = _array(beside)
    if not len(offsets) or offsets[0] != 0 or offsets[-1] != len(ids) or (offsets[1:] < offsets[:-1]).any():
        raise CorpusError(
            f"{beside}: expected ascending numbers from 0 to {len(ids)}, the number of ids in {path.name}"
        )
    for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        yield ids[start:end]


def _raw(path: Path, width: Width) -> Ids:
    import numpy as np

    size = path.stat().st_size
    if size % WIDTHS[width]:
        raise CorpusError(
            f"{path}: {size} bytes are no whole number of {width} ids; is the other --dtype meant?"
        )
    if not size:
        return np.zeros(0, np.uint32)
    return np.memmap(path, f"<u{WIDTHS[width]}", "r")
