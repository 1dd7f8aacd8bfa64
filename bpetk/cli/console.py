"""Standard output: the console that reports are printed on, and a stream for bytes."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, NoReturn

from rich import console

from bpetk.errors import OutputError


class Console(console.Console):
    """Of rich, but a closed pipe is left to the program, which knows the exit code for it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"highlight": False, **options})

    def on_broken_pipe(self) -> NoReturn:
        """Go on with the error that is being handled."""
        raise


@contextmanager
def binary_stdout() -> Iterator[BinaryIO]:
    """Give standard output for bytes; all of them are written when the block has ended."""
    if sys.stdout is None:
        raise OutputError("standard output is closed; write to a file with -o")
    stream = sys.stdout.buffer
    if isinstance(stream, io.RawIOBase):  # PYTHONUNBUFFERED: one call may write a part only
        with open(stream.fileno(), "wb", closefd=False) as whole:
            yield whole
    else:
        yield stream
        stream.flush()
