"""Documents of files for an analysis: read in parts of bounded size, or drawn as a sample that anybody can repeat."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Union

from bpetk.corpus import Source, invalid_utf8, native_encoding
from bpetk.errors import ConfigError, CorpusError
from bpetk.text_files import read_parts, separator_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PART_BYTES = 4 << 20
"""Bytes of a file that are taken at a time."""
_DOCUMENTS_AT_ONCE = 1 << 16

TextPath = Union[str, "os.PathLike[str]"]
Progress = Callable[[str, int, int], None]
"""Called as ``progress(stage, done, total)`` with bytes."""


@dataclass(frozen=True)
class TextFile:
    """A file of text.

    Attributes
    ----------
    path
        The file; it is read more than once, so it must not be a pipe.
    name
        What to call it.
    encoding
        What it is in.
    separator
        What stands between two documents and belongs to none; None: the file is one document.
    """

    path: Path
    name: str
    encoding: str = "utf-8"
    separator: str | bytes | None = "\n"

    @property
    def size(self) -> int:
        """Bytes of the file, 0 if it cannot be seen (reading it says why)."""
        try:
            return os.path.getsize(self.path)
        except OSError:
            return 0


class Batch(NamedTuple):
    """Some documents of a file.

    Attributes
    ----------
    file
        Index of the file.
    first
        Number of documents of the file before these.
    documents
        UTF-8. One may be empty, such as an empty line.
    """

    file: int
    first: int
    documents: list[bytes]


def text_files(
    texts: Sequence[TextPath | TextFile] | TextPath | TextFile,
    *,
    separator: str | bytes | None = "\n",
    encoding: str = "utf-8",
) -> list[TextFile]:
    r"""Give files of text; by default a line is a document.

    Parameters
    ----------
    texts
        Paths, or `TextFile` objects, which keep what they say; or one of them.
    separator
        What stands between two documents and belongs to none, ``"\n"`` say; None: a file is one document.
    encoding
        What the files are in.

    Raises
    ------
    ConfigError
        If there is none, the encoding is unknown or the separator empty.

    Examples
    --------
    >>> [file.name for file in text_files(["zh.txt", "en.txt"])]
    ['zh.txt', 'en.txt']
    """
    given = [texts] if isinstance(texts, str | os.PathLike | TextFile) else list(texts)
    if not given:
        raise ConfigError("no text: give at least one file")
    native_encoding(encoding)
    separator_bytes(separator)
    return [
        text if isinstance(text, TextFile) else TextFile(Path(text), os.fspath(text), encoding, separator)
        for text in given
    ]


def read_documents(
    files: Sequence[TextFile],
    *,
    part_bytes: int = PART_BYTES,
    stage: str = "read",
    progress: Progress | None = None,
) -> Iterator[Batch]:
    """Read the documents of files, one part after the other.

    Memory is that of a part, or of the longest document if that is longer.

    Parameters
    ----------
    files
        As `text_files` gives them.
    part_bytes
        About how many bytes to read at a time.
    stage, progress
        ``progress`` is called with this name, and the bytes done and in all, once before and then after each part.

    Yields
    ------
    Batch
        Documents of one file. Files in order, documents in order.

    Raises
    ------
    CorpusFileError
        If a file cannot be read.
    InvalidEncodingError
        If it is not in its encoding; the message says where.
    CorpusError
        If no file holds any text.
    """
    total, done, any_text = sum(file.size for file in files), 0, False
    if progress is not None:
        progress(stage, 0, total)
    for index, file in enumerate(files):
        first, place, separator = 0, 0, separator_bytes(file.separator)
        for documents, _ in read_parts(file.path, separator, part_bytes, None, file.encoding):
            any_text = any_text or any(documents)
            for start in range(0, len(documents), _DOCUMENTS_AT_ONCE):
                some = documents[start : start + _DOCUMENTS_AT_ONCE]
                # Only what is given as it is may be anything but UTF-8.
                place = _checked(file, some, place, separator)
                yield Batch(index, first, some)
                first += len(some)
            if progress is not None:
                progress(stage, min(total, done + place), total)
        done += file.size
    if progress is not None:
        progress(stage, total, total)
    if not any_text:
        names = ", ".join(file.name for file in files)
        raise CorpusError(f"{names}: no text; every document is empty")


def _checked(file: TextFile, documents: Sequence[bytes], place: int, separator: bytes | None) -> int:
    """Refuse what is not UTF-8; give the place behind these documents in the file's text."""
    between = len(separator) if separator is not None else 0
    whole = b"\n".join(documents)
    try:
        whole.decode()  # a line feed between two documents completes no character
    except UnicodeDecodeError:
        for document in documents:
            try:
                document.decode()
            except UnicodeDecodeError as error:
                bad = error.object[error.start : error.start + 4]
                at = place + error.start
                if (
                    len(bad) < 4 and file.separator is not None
                ):  # it may be the document that ends there, not the file
                    with open(file.path, "rb") as opened:
                        opened.seek(at)
                        bad = opened.read(4) or bad
                raise invalid_utf8(Source(file.name, file.path, file.size), at, bad) from None
            place += len(document) + between
    return place + len(whole) + (between - 1) * len(documents) + 1


class DocumentSample:
    """Draws whole documents until they have so many bytes.

    Each document has a key, made of the seed and its content, and the documents of the smallest keys are drawn. So the
    sample depends on the seed and on what documents there are, but not on their order or how they are spread over
    files; every document is as likely as any other, copies of one are drawn together.

    Parameters
    ----------
    size
        Bytes to reach; None: take everything.
    seed
        Another seed gives another sample.

    Examples
    --------
    >>> sample = DocumentSample(4, seed=1)
    >>> sample.add(0, [b"one", b"two", b"", b"three"])
    >>> sum(map(len, sample.documents())) >= 4, sample.seen_bytes
    (True, 11)
    """

    def __init__(self, size: int | None, *, seed: int = 0) -> None:
        if size is not None and (not isinstance(size, int) or size < 1):
            raise ConfigError(f"the size of a sample must be a number of bytes above 0, not {size!r}")
        self._size = size
        self._seed = seed
        # Key, document, file, value beside it: those that are drawn so far, by rising keys.
        self._drawn: list[tuple[int, bytes, int, Any]] = []
        self._limit = 1 << 64  # no document of this key or a larger one can be drawn any more
        self.seen_bytes = 0
        self.seen_documents = 0

    @property
    def whole(self) -> bool:
        """Whether every document was drawn."""
        return self.drawn_bytes == self.seen_bytes

    @property
    def drawn_bytes(self) -> int:
        """Bytes of the drawn documents."""
        return sum(len(document) for _, document, _, _ in self._drawn)

    def __len__(self) -> int:
        """Return the number of drawn documents."""
        return len(self._drawn)

    def add(self, file: int, documents: Sequence[bytes], beside: Sequence[Any] | None = None) -> None:
        """Take documents of a file, and optionally a value beside each, which is kept with it.

        Empty documents are left out.
        """
        import numpy as np

        keys, sizes = _keys(np, documents, self._seed)
        self.seen_bytes += int(sizes.sum())
        self.seen_documents += int((sizes > 0).sum())
        chosen = np.flatnonzero((keys <= np.uint64(self._limit - 1)) & (sizes > 0))
        if self._size is not None and len(chosen):
            # What is not drawn from these documents alone is not drawn from more of them; equal keys stay together.
            chosen = chosen[np.argsort(keys[chosen])]
            enough = min(int(np.searchsorted(np.cumsum(sizes[chosen]), self._size)), len(chosen) - 1)
            chosen = chosen[keys[chosen] <= keys[chosen[enough]]]
        for k in chosen.tolist():
            value = None if beside is None else beside[k]
            self._drawn.append((int(keys[k]), documents[k], file, value))
        if self._size is not None:
            self._cut(self._size)

    def _cut(self, size: int) -> None:
        # Mostly sorted already, which sorting makes use of.
        self._drawn.sort(key=itemgetter(0, 1, 2))
        reached = 0
        for n, (key, document, _, _) in enumerate(self._drawn, 1):
            reached += len(document)
            if reached >= size:
                # INVARIANT: of equal keys the smaller content is drawn, so those of this key are still looked at.
                del self._drawn[n:]
                self._limit = key + 1
                return

    def documents(self) -> list[bytes]:
        """Give the drawn documents, in an order that does not depend on that of the text."""
        return [document for _, document, _ in self.items()]

    def items(self) -> list[tuple[int, bytes, Any]]:
        """Give the drawn documents with the file of each and the value beside it, in the order of `documents`."""
        ordered = sorted(self._drawn, key=itemgetter(0, 1, 2))
        return [(file, document, value) for _, document, file, value in ordered]


def _keys(np: Any, documents: Sequence[bytes], seed: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Give 64 bits for each document, its checksum and the seed mixed (the finalizer of splitmix64), and its bytes."""
    mask = (1 << 64) - 1
    crcs = np.fromiter(map(zlib.crc32, documents), dtype=np.uint64, count=len(documents))
    sizes = np.fromiter(map(len, documents), dtype=np.uint64, count=len(documents))
    x = crcs ^ (sizes << np.uint64(32)) ^ np.uint64((seed * 0x9E3779B97F4A7C15 + 0xD1B54A32D192ED03) & mask)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31)), sizes


def first_documents(files: Sequence[TextFile], number: int) -> list[bytes]:
    """Give the first documents that are not empty, for samples that people look at."""
    found = (document for batch in read_documents(files) for document in batch.documents if document)
    return list(islice(found, number))
