"""Training text: which files an input means, what is refused, where files are cut, what is wrong with bad bytes."""

from __future__ import annotations

import codecs
import glob
import os
import stat
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from bpetk.errors import (
    ConfigError,
    CorpusError,
    CorpusFileError,
    DocumentTypeError,
    InvalidEncodingError,
    RepeatedTextWarning,
)

PathInput = str | os.PathLike[str]

# Files with these suffixes are taken from a directory; a file that is named itself may have any other.
TEXT_SUFFIXES = (".txt", ".text", ".md")

_UNPACK = "unpack it first, or pipe it in: {} {{}} | bpetk train - …"
_COLUMN = "write its text column to a .txt file, one document a line"
_REFUSED = {
    ".jsonl": _COLUMN, ".ndjson": _COLUMN, ".json": _COLUMN, ".parquet": _COLUMN, ".arrow": _COLUMN,
    ".gz": _UNPACK.format("gzip -dc"), ".zst": _UNPACK.format("zstd -dc"), ".xz": _UNPACK.format("xz -dc"),
    ".bz2": _UNPACK.format("bzip2 -dc"), ".zip": _UNPACK.format("unzip -p"), ".7z": "unpack it first",
    ".tar": "unpack it first", ".tgz": "unpack it first", ".pdf": "extract its text first",
    ".docx": "extract its text first", ".epub": "extract its text first",
}  # fmt: skip
_MAGIC = {
    b"\x1f\x8b": (".gz", "gzip-compressed"), b"\x28\xb5\x2f\xfd": (".zst", "zstandard-compressed"),
    b"\xfd7zXZ\x00": (".xz", "xz-compressed"), b"BZh91AY&SY": (".bz2", "bzip2-compressed"),
    b"PAR1": (".parquet", "Parquet"), b"PK\x03\x04": (".zip", "a zip archive"), b"%PDF-": (".pdf", "PDF"),
}  # fmt: skip

_WINDOW = 1 << 16
_HEAD = 16  # bytes that tell the format


@dataclass(frozen=True)
class Source:
    """One input file, or standard input (``path`` None). ``size`` is None for what is not a regular file.

    ``begin`` is where reading starts; it is for text in UTF-8 alone.
    """

    name: str
    path: Path | None
    size: int | None
    stamp: tuple[int, int] | None = None  # modification time (ns) and inode, to notice a change
    begin: int = 0

    def unchanged(self) -> bool:
        """Whether the file is still the one that was resolved."""
        try:
            info = self.path.stat() if self.path is not None else None
        except OSError:
            return False
        return info is not None and (info.st_size, _stamp(info)) == (self.size, self.stamp)

    def open(self) -> BinaryIO:
        """Open for reading bytes; errors name the file."""
        if self.path is None:
            stdin = sys.stdin
            if stdin is None:
                raise CorpusFileError("there is no standard input")
            real = sys.__stdin__
            if real is None or stdin is not real:
                return stdin.buffer
            # The buffer has a lock, which a thread that reads when the program ends would hold.
            return open(real.fileno(), "rb", buffering=0, closefd=False)
        try:
            return open(self.path, "rb", buffering=0)
        except OSError as error:
            raise CorpusFileError(f"cannot read {self.name}: {error.strerror or error}") from error


@dataclass(frozen=True)
class Range:
    """Bytes [begin, end) of a source; end None means: to its end, read as a stream."""

    source: Source
    begin: int
    end: int | None


def resolve(inputs: PathInput | Sequence[PathInput]) -> list[Source]:
    """Turn paths, directories, glob patterns and ``-`` into the files to read, in the order given.

    A directory gives its files with a suffix of ``TEXT_SUFFIXES``, subdirectories included, in sorted order; hidden
    ones and those beside a ``tokenizer.json`` (a tokenizer's own) are left out.

    Raises
    ------
    CorpusFileError
        A path does not exist or cannot be read, a pattern or directory gives no file.
    CorpusError
        A file is of a format that is not plain text; the message says what to do.
    """
    items = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    if not items:
        raise ConfigError("no training text given: name at least one file, directory or pattern")
    out: list[Source] = []
    for item in items:
        name = os.fspath(item)
        if name == "-":
            out.append(Source("-", None, None))
            continue
        if not name:
            raise ConfigError("an input has an empty name")
        path = Path(name)
        if _is_directory(path):
            found = _directory(path)
        elif not _exists(name) and any(c in name for c in "*?["):
            found = [Path(p) for p in sorted(glob.glob(name, recursive=True)) if not os.path.isdir(p)]
            if not found:
                raise CorpusFileError(f"no file matches the pattern {name!r}")
        else:
            found = [path]
        out.extend(_source(p) for p in found)
    if sum(source.path is None for source in out) > 1:
        raise ConfigError("standard input ('-') was given more than once")
    return out


def warn_of_repeated(sources: Sequence[Source], *, stacklevel: int = 3) -> None:
    """Warn of files that are named more than once: their text counts as often, here and in the reference."""
    paths = [os.path.realpath(source.path) for source in sources if source.path is not None]
    if len(set(paths)) == len(paths):
        return
    times = Counter(paths)
    named = {path: source.name for path, source in zip(paths, (s for s in sources if s.path), strict=True)}
    shown = ", ".join(f"{named[path]} ({n} times)" for path, n in times.most_common(3) if n > 1)
    more = ", …" if sum(n > 1 for n in times.values()) > 3 else ""
    warnings.warn(
        f"the same file is given more than once, and its text counts as often: {shown}{more}",
        RepeatedTextWarning,
        stacklevel=stacklevel,
    )


def last_line(source: Source) -> int:
    """Return where the last line of a file begins if no LF ends it; its size if there is no such line."""
    at = source.size or 0
    with source.open() as file:
        while at:
            begin = max(0, at - _WINDOW)
            file.seek(begin)
            found = file.read(at - begin).rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            at = begin
    return 0


def _is_directory(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # no name that a file can have
        return False


def _exists(name: str) -> bool:
    try:
        return os.path.lexists(name)
    except ValueError:
        return False


def _is_text(path: Path, top: Path) -> bool:
    """Whether a folder's file is taken: of a known suffix, not hidden, not part of a tokenizer saved there."""
    hidden = any(part.startswith(".") for part in path.relative_to(top).parts)
    if hidden or path.suffix.lower() not in TEXT_SUFFIXES or not path.is_file():
        return False
    return not (path.parent / "tokenizer.json").exists()


def _directory(path: Path) -> list[Path]:
    found = sorted(p for p in path.rglob("*") if _is_text(p, path))
    if not found:
        suffixes = ", ".join(TEXT_SUFFIXES)
        raise CorpusFileError(
            f"the directory {path} holds no text: no file ending in {suffixes} in it or below it"
        )
    return found


def _source(path: Path) -> Source:
    # A name that is not UTF-8 must not stop the manifest from being written at the end.
    name = os.fsencode(path).decode("utf-8", "backslashreplace")
    remedy = _REFUSED.get(path.suffix.lower())
    if remedy is not None:
        raise CorpusError(f"{name}: {path.suffix} files are not plain text; {remedy.format(name)}")
    try:
        info = path.stat()
        head = b""
        if stat.S_ISREG(info.st_mode):  # opening a pipe to look at it, and closing it, would end its writer
            with open(path, "rb") as file:
                head = file.read(_HEAD)
    except (OSError, ValueError) as error:
        shown = repr(name) if "\n" in name or "\0" in name else name
        shown = shown if len(shown) <= 200 else shown[:200] + "…"
        hint = "" if len(name) <= 200 and "\n" not in name else " (paths are expected here, not text)"
        raise CorpusFileError(f"cannot read {shown}: {_reason(error)}{hint}") from error
    refuse_packed(name, head)
    return Source(name, path, info.st_size if stat.S_ISREG(info.st_mode) else None, _stamp(info))


def _stamp(info: os.stat_result) -> tuple[int, int]:
    return info.st_mtime_ns, info.st_ino


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def refuse_packed(name: str, head: bytes) -> None:
    """Refuse bytes that begin like a compressed or binary format."""
    if head[:3] == b"BZh":
        head = b"BZh9" + head[4:]  # the fourth byte is the block size
    for magic, (suffix, what) in _MAGIC.items():
        if head.startswith(magic):
            raise CorpusError(f"{name}: the data is {what}, not plain text; {_REFUSED[suffix].format(name)}")


def native_encoding(encoding: str) -> bool:
    """Whether text in this encoding can be read as it is (UTF-8); an unknown name is a ConfigError."""
    try:
        "".encode(encoding)  # unlike codecs.lookup, knows codecs that are not for text
        return codecs.lookup(encoding).name == "utf-8"
    except (LookupError, ValueError):
        raise ConfigError(
            f"unknown encoding {encoding!r}; for Chinese text: utf-8, gb18030, big5, utf-16"
        ) from None


def plan(sources: Iterable[Source], pieces: int, find_cut: Callable[[bytes], int]) -> list[Range]:
    """Cut the files into about ``pieces`` ranges that can be read on their own, in order.

    A cut stands after a line end, or, where a window of 64 KiB has none, at a place that ``find_cut`` gives (an offset
    at which text can be cut without changing its pretokens; 0 if none). Where neither is found nothing is cut.
    """
    sources = list(sources)
    unit = max(1 << 18, sum(s.size or 0 for s in sources) // max(1, pieces))
    out: list[Range] = []
    for source in sources:
        if source.size is None:
            out.append(Range(source, 0, None))
            continue
        cuts = [source.begin]
        if source.size > unit + unit // 2:
            with source.open() as file:
                for nominal in range(unit, source.size - unit // 2, unit):
                    cut = _cut_near(file, nominal, find_cut)
                    if cut > cuts[-1]:
                        cuts.append(cut)
        bounds = [c for c in cuts if c < source.size] + [source.size]
        out.extend(Range(source, a, b) for a, b in pairwise(bounds))
    return out


def _cut_near(file: BinaryIO, offset: int, find_cut: Callable[[bytes], int]) -> int:
    window = b""
    for size in (_WINDOW // 16, _WINDOW):
        file.seek(offset)
        window = file.read(size)
        line_end = window.find(b"\n")
        if line_end >= 0:
            return offset + line_end + 1
    cut = find_cut(window)
    return offset + cut if cut else 0


class Transcoder:
    """A file in another encoding, read as UTF-8."""

    def __init__(self, file: BinaryIO, name: str, encoding: str) -> None:
        self._file = file
        self._name = name
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)(errors="strict")
        self._offset = 0  # bytes of the file decoded so far
        self._lines = 0
        self._waiting = b""
        self._ended = False

    def readinto(self, view: memoryview) -> int:
        """Fill the view with the next bytes; 0 at the end of the file."""
        while not self._waiting and not self._ended:
            self._refill()
        n = min(len(view), len(self._waiting))
        view[:n] = self._waiting[:n]
        self._waiting = self._waiting[n:]
        return n

    def _refill(self) -> None:
        chunk = self._file.read(_WINDOW)
        self._ended = not chunk
        kept = len(self._decoder.getstate()[0])  # bytes of a character that the last chunk did not end
        try:
            text = self._decoder.decode(chunk, final=self._ended)
            self._waiting = text.encode("utf-8")
        except UnicodeError as error:
            start = error.start if isinstance(error, UnicodeDecodeError) else 0
            at = self._offset + start - kept
            raise InvalidEncodingError(
                f"{self._name}: not {self._encoding} at line {self._line(chunk, start - kept):,}, byte offset {at:,} "
                f"({getattr(error, 'reason', error)}). If the text is in another encoding, name it: --encoding NAME "
                "(encoding=)."
            ) from error
        self._offset += len(chunk)
        self._lines += text.count("\n")

    def _line(self, chunk: bytes, start: int) -> int:
        decoder = codecs.getincrementaldecoder(self._encoding)(errors="replace")
        try:
            return self._lines + decoder.decode(chunk[: max(start, 0)]).count("\n") + 1
        except UnicodeError:  # UTF-16 without a mark at its beginning, whatever `errors` says
            return self._lines + 1


class BadLine(Exception):
    """A line that is not as it has to be; ``offset`` is where it begins, in bytes from where reading began."""

    def __init__(self, offset: int, what: str) -> None:
        super().__init__(what)
        self.offset = offset


def bad_line(source: Source, offset: int, what: str) -> CorpusError:
    """Make the error for the line that begins at ``offset``."""
    where = f"byte offset {offset:,}"
    if source.size is not None:
        with source.open() as file:
            where = f"line {_line_number(file, offset):,}, {where}"
    return CorpusError(f"{source.name}: {where}: {what}")


def invalid_utf8(source: Source, offset: int, context: bytes) -> InvalidEncodingError:
    """Make the error for bytes that are not UTF-8 at ``offset``; ``context`` is the text from there on."""
    shown = " ".join(f"{b:02X}" for b in context[:4])
    where = f"byte offset {offset:,}"
    suggestion = ""
    if source.size is not None:
        with source.open() as file:
            where = f"line {_line_number(file, offset):,}, {where}"
            suggestion = _suggest(file, offset, ended=len(context) < 4)
    return InvalidEncodingError(f"{source.name}: invalid UTF-8 at {where} (bytes {shown}).{suggestion}")


def _line_number(file: BinaryIO, offset: int) -> int:
    line, left = 1, offset
    while left > 0:
        chunk = file.read(min(left, 1 << 20))
        if not chunk:
            break
        line += chunk.count(b"\n")
        left -= len(chunk)
    return line


def _suggest(file: BinaryIO, offset: int, *, ended: bool) -> str:
    file.seek(0)
    head = file.read(4)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return " The file begins like UTF-16: pass --encoding utf-16 (encoding='utf-16')."
    file.seek(0)
    if any(byte >= 0x80 for byte in file.read(min(offset, 1 << 20))):
        # What stands before the first error is UTF-8, and more than ASCII.
        what = "ends inside a character" if ended else "is damaged there"
        return f" The text before it is UTF-8, so the file {what}: repair it, e.g. with iconv -c -f utf-8 -t utf-8."
    file.seek(max(0, offset - 4096) if offset > 4096 else 0)
    window = file.read(_WINDOW + 4096)
    try:
        # The window may begin and end inside a character; only its middle has to decode.
        text = codecs.getincrementaldecoder("gb18030")().decode(window)
    except UnicodeDecodeError as error:
        if error.start < min(4096, offset):
            return " If the text is in another encoding, name it: --encoding NAME (encoding=)."
        return " The bytes decode as no encoding that bpetk knows to try; clean the file, or name it: --encoding NAME."
    if any("\u4e00" <= c <= "\u9fff" for c in text):
        return " The text decodes as gb18030: pass --encoding gb18030 (encoding='gb18030')."
    return " If the text is in another encoding, name it: --encoding NAME (encoding=)."


def document_bytes(documents: Iterable[object]) -> Iterator[bytes]:
    """Documents of an iterator as UTF-8; lists and tuples inside it are flattened, empty documents dropped.

    Raises
    ------
    DocumentTypeError
        An item is not a ``str``.
    InvalidEncodingError
        A document holds a lone surrogate.
    """
    if isinstance(documents, str | bytes):
        kind = type(documents).__name__
        raise DocumentTypeError(
            f"expected an iterable of str documents, got one {kind}; put it into a list, or pass paths to train()"
        )
    number = 0
    for item in documents:
        for document in item if isinstance(item, list | tuple) else (item,):
            if not isinstance(document, str):
                kind = type(document).__name__
                raise DocumentTypeError(f"document {number} is {kind}, expected str; decode bytes first")
            try:
                text = document.encode("utf-8")
            except UnicodeEncodeError as error:
                raise InvalidEncodingError(
                    f"document {number} holds a lone surrogate (U+{ord(document[error.start]):04X}) at character "
                    f"{error.start}; repair the text, e.g. with errors='replace' where it is decoded"
                ) from error
            number += 1
            if text:
                yield text
