"""Text that a command is given: which files, standard input, and special tokens that it must not hold."""

from __future__ import annotations

import glob
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from bpetk.corpus import native_encoding, refuse_packed, resolve
from bpetk.errors import ConfigError, CorpusError, CorpusFileError, InvalidEncodingError
from bpetk.text_files import open_utf8

STDIN = "standard input"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class TextFile:
    """A file to read, what to call it, and what it is in."""

    name: str
    path: Path
    encoding: str = "utf-8"


def expand(names: Sequence[str]) -> list[str]:
    """Turn folders and globs into files; ``-`` stays.

    Unlike in training a file of any suffix may be named: counting the tokens of ``data.json`` is no mistake.
    """
    found: list[str] = []
    for name in names:
        if name != "-" and os.path.isdir(name):
            found += [str(source.path) for source in resolve(name)]
        elif set("*?[") & set(name) and not os.path.lexists(name):
            matches = sorted(match for match in glob.glob(name, recursive=True) if not os.path.isdir(match))
            if not matches:
                raise CorpusFileError(f"no file matches the pattern {name!r}")
            found += matches
        else:
            found.append(name)
    if found.count("-") > 1:
        raise click.UsageError("standard input ('-') was given more than once.")
    return found


@contextmanager
def text_file(name: str, encoding: str = "utf-8") -> Iterator[TextFile]:
    """Give a file that can be read as often as needed; standard input becomes a temporary one."""
    native_encoding(encoding)  # or it is refused now
    if name != "-":
        if Path(name).is_file() or not Path(name).exists() or Path(name).is_dir():
            _look(name)
            yield TextFile(name, Path(name), encoding)
            return
        # A pipe with a name: what is read of it is gone, and it is read more than once.
        with tempfile.TemporaryDirectory(prefix="bpetk-") as folder, open(name, "rb") as pipe:
            path = Path(folder, "pipe")
            with open(path, "wb") as copy:
                shutil.copyfileobj(pipe, copy, _CHUNK)
            _look(path, name)
            yield TextFile(name, path, encoding)
        return
    if sys.stdin.isatty():
        click.echo("reading text from standard input; end it with Ctrl-D", err=True)
    with tempfile.TemporaryDirectory(prefix="bpetk-") as folder:
        path = Path(folder, "stdin")
        with open(path, "wb") as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy, _CHUNK)
        _look(path, STDIN)
        yield TextFile(STDIN, path, encoding)


def _look(path: str | Path, name: str | None = None) -> None:
    try:
        with open(path, "rb") as file:
            refuse_packed(name or str(path), file.read(16))
    except OSError as error:
        raise CorpusFileError(f"cannot read {name or path}: {error.strerror or error}") from error


@contextmanager
def text_errors(file: TextFile, disallowed: Collection[str]) -> Iterator[None]:
    """Tell what is wrong with a text in terms of the command line: the file's name, and the options to pass."""
    try:
        yield
    except InvalidEncodingError as error:
        raise InvalidEncodingError(str(error).replace(str(file.path), file.name)) from error
    except ConfigError as error:
        if refusal := special_token_error(file, disallowed):
            raise refusal from error
        raise


def special_token_error(file: TextFile, disallowed: Collection[str]) -> CorpusError | None:
    """Make the error for the first special token in a file that is not allowed, or None if there is none."""
    found = _search(file, [content.encode() for content in disallowed])
    if found is None:
        return None
    offset, line, content = found
    place = f", byte offset {offset:,}" if native_encoding(file.encoding) else ""
    token = content.decode()
    quoted = "'" + token.replace("'", "'\\''") + "'"
    return CorpusError(
        f"{file.name}: line {line:,}{place}: the text holds the special token {token!r}. Pass "
        f"--allow-special {quoted} (or all) to encode it as that token, or --special-as-text to encode it as "
        "ordinary text."
    )


def _search(text: TextFile, contents: Sequence[bytes]) -> tuple[int, int, bytes] | None:
    """Find the first of some byte strings: offset in UTF-8, number of the line, string."""
    if not contents:
        return None
    pattern = re.compile(b"|".join(map(re.escape, sorted(contents, key=len, reverse=True))))
    keep = max(map(len, contents)) - 1
    begin, line, data = 0, 1, b""
    with open_utf8(text.path, text.encoding) as file:
        while chunk := file.read(_CHUNK):
            data += chunk
            if match := pattern.search(data):
                return begin + match.start(), line + data.count(b"\n", 0, match.start()), match.group()
            done = max(0, len(data) - keep)
            line += data.count(b"\n", 0, done)
            begin, data = begin + done, data[done:]
    return None
