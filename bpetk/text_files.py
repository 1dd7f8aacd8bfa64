"""Documents of a file, read in parts of bounded size that can be encoded one by one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from bpetk.errors import ConfigError, CorpusFileError, InvalidEncodingError


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


def read_parts(
    path: str | os.PathLike[str],
    separator: bytes | None,
    part_bytes: int,
    find_cut: Callable[[bytes], int] | None,
) -> Iterator[tuple[list[bytes], bool]]:
    """Read a file in parts.

    Parameters
    ----------
    path
        A file of UTF-8 text.
    separator
        What stands between two documents and belongs to none; None: the file is one document. A separator at the
        end of the file has no document after it.
    part_bytes
        About how many bytes to read at a time; a document that `find_cut` cannot cut may be longer.
    find_cut
        Gives a place, above 0, in the beginning of a document where it can be cut without changing its ids, or 0.
        None: documents are not cut.

    Yields
    ------
    tuple[list[bytes], bool]
        Documents; and whether the last of them ends here. If not, the next part begins with its rest.

    Raises
    ------
    CorpusFileError
        If the file cannot be read.
    InvalidEncodingError
        If it is not UTF-8; the message says where.
    """
    try:
        with open(path, "rb") as file:
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


def locate(path: str | os.PathLike[str], error: InvalidEncodingError) -> InvalidEncodingError:
    """Say in which file and line the first bytes are that are not UTF-8."""
    if not Path(path).is_file():
        return error  # a pipe cannot be read again
    line, before = 1, 0
    with open(path, "rb") as file:
        for raw in file:
            try:
                raw.decode("utf-8")
            except UnicodeDecodeError as wrong:
                return InvalidEncodingError(
                    f"{Path(path)}: line {line}, byte {before + wrong.start}: byte 0x{raw[wrong.start]:02X} is not "
                    "UTF-8; convert the file first, for example with: iconv -f gb18030 -t utf-8"
                )
            line, before = line + 1, before + len(raw)
    return error
