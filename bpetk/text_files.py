"""Documents of a file, read in parts of bounded size that can be encoded one by one."""

from __future__ import annotations

import codecs
import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from bpetk.corpus import Source, Transcoder, invalid_utf8, native_encoding
from bpetk.errors import ConfigError, CorpusFileError, InvalidEncodingError

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Bytes that are checked at a time: one str of a long document would take several times its memory.
_BLOCK = 1 << 20


def separator_bytes(separator: str | bytes | None) -> bytes | None:
    """Give a separator as bytes.

    Raises
    ------
    ConfigError
        If it is empty.
    """
    if separator is None:
        return None
    data = separator.encode() if isinstance(separator, str) else bytes(separator)
    if not data:
        raise ConfigError("separator must not be empty; leave it out to take a file as one document")
    return data


class _Recoded(io.RawIOBase):
    """A `Transcoder` as a raw stream, to be buffered."""

    def __init__(self, transcoder: Transcoder) -> None:
        self._transcoder = transcoder

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, view: memoryview) -> int:  # type: ignore[override]
        """Fill the view with the next bytes."""
        return self._transcoder.readinto(view)


@contextmanager
def open_utf8(path: str | os.PathLike[str], encoding: str = "utf-8") -> Iterator[BinaryIO]:
    """Open a file of text; its bytes are given as UTF-8.

    Parameters
    ----------
    path
        The file.
    encoding
        What it is in. UTF-8 is given as it is, whether it is well-formed or not.

    Raises
    ------
    ConfigError
        If there is no such encoding.
    InvalidEncodingError
        In reading, if the file is not in this encoding; the message says where.
    OSError
        If it cannot be opened.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "zh.txt")
    >>> _ = path.write_bytes("汉字".encode("gb18030"))
    >>> with open_utf8(path, "gb18030") as file:
    ...     file.read().decode()
    '汉字'
    """
    native = native_encoding(encoding)
    with open(path, "rb") as file:
        if native:
            yield file
        else:
            raw = _Recoded(Transcoder(file, os.fsdecode(path), encoding))
            yield cast(BinaryIO, io.BufferedReader(raw, 1 << 17))


def read_parts(
    path: str | os.PathLike[str],
    separator: bytes | None,
    part_bytes: int,
    find_cut: Callable[[bytes], int] | None,
    encoding: str = "utf-8",
) -> Iterator[tuple[list[bytes], bool]]:
    """Read a file in parts.

    Parameters
    ----------
    path
        A file of text.
    separator
        What stands between two documents and belongs to none; None: the file is one document. A separator at the
        end of the file has no document after it.
    part_bytes
        About how many bytes to read at a time; a document that `find_cut` cannot cut may be longer.
    find_cut
        Gives a place, above 0, in the beginning of a document where it can be cut without changing its ids, or 0.
        None: documents are not cut.
    encoding
        What the file is in; documents are given as UTF-8.

    Yields
    ------
    tuple[list[bytes], bool]
        Documents; and whether the last of them ends here. If not, the next part begins with its rest.

    Raises
    ------
    CorpusFileError
        If the file cannot be read.
    InvalidEncodingError
        If it is not in this encoding; the message says where. Bytes that should be UTF-8 are not looked at here.
    """
    try:
        with open_utf8(path, encoding) as file:
            held = b""
            begun = False  # the held bytes go on with a document of which parts were given away
            read_before = 0
            while True:
                # Longer reads where a long document cannot be cut, so that time stays linear.
                data = file.read(max(part_bytes, len(held)))
                if not data:
                    break
                read_before += len(data)
                held += data
                documents = held.split(separator) if separator is not None else [held]
                held = documents.pop()
                cut = 0
                if find_cut is not None and len(held) >= part_bytes:
                    # A separator that the file's next bytes complete must not be cut.
                    keep = len(separator) - 1 if separator is not None else 0
                    cut = find_cut(held[: max(0, len(held) - keep)])
                if documents or cut:
                    if cut:
                        yield [*documents, held[:cut]], False
                        held, begun = held[cut:], True
                    else:
                        yield documents, True
                        begun = False
            if held or begun or (separator is None and not read_before):
                yield [held], True
    except OSError as error:
        raise CorpusFileError(f"cannot read {os.fspath(path)!r}: {error.strerror or error}") from error


def join_parts(
    parts: Iterable[tuple[NDArray[Any], NDArray[Any]]], dtype: str
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Join ids of parts of a file, and the places where documents end, into ids and row offsets."""
    import numpy as np

    ids, rows, total = [], [np.zeros(1, np.int64)], 0
    for part, ends in parts:
        ids.append(part)
        rows.append(ends + total)
        total += len(part)
    return np.concatenate([np.zeros(0, dtype), *ids]), np.concatenate(rows)


def check_utf8(path: str | os.PathLike[str], documents: Sequence[bytes], encoding: str = "utf-8") -> None:
    """Refuse documents of a file that are not UTF-8, all at once; other encodings are checked in reading.

    Raises
    ------
    InvalidEncodingError
        If one is not; the message says where in the file, as `locate`.
    """
    if not native_encoding(encoding):
        return
    view = memoryview(b"\n".join(documents))  # a line feed between two documents completes no character
    at = 0
    while at < len(view):
        try:
            at += codecs.utf_8_decode(view[at : at + _BLOCK], "strict", at + _BLOCK >= len(view))[1]
        except UnicodeDecodeError:
            name = os.fsdecode(path)
            error = InvalidEncodingError(f"{name}: not UTF-8; name its encoding: --encoding NAME (encoding=)")
            raise locate(path, error) from None


def locate(path: str | os.PathLike[str], error: InvalidEncodingError) -> InvalidEncodingError:
    """Say in which file and line the first bytes are that are not UTF-8, as training does."""
    if not Path(path).is_file():
        return error  # a pipe cannot be read again
    before = 0
    with open(path, "rb") as file:
        for raw in file:
            try:
                raw.decode("utf-8")
            except UnicodeDecodeError as wrong:
                at = before + wrong.start
                file.seek(at)
                return invalid_utf8(
                    Source(os.fsdecode(path), Path(path), os.path.getsize(path)), at, file.read(4)
                )
            before += len(raw)
    return error
