"""The command line: one module a verb, no logic that the library lacks.

Exit codes: 0 fine, 1 failed, 2 wrong usage, 3 a check failed, 130 interrupted, 141 nobody reads the output any more.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import click

from bpetk import __version__
from bpetk.errors import BpetkError, ConfigError, DifferentIdsError

FAILED, USAGE, CHECK_FAILED, INTERRUPTED, PIPE_CLOSED = 1, 2, 3, 130, 141


def _report_error(error: BaseException, *, code: int, as_json: bool) -> None:
    """Write one paragraph, or with ``--json`` one JSON line, to standard error."""
    if isinstance(error, MemoryError):
        text = "out of memory: use less text, fewer threads (-j), or a machine with more memory"
    elif isinstance(error, OSError) and not isinstance(error, BpetkError):
        text = f"{error.filename}: {error.strerror}" if error.filename is not None else str(error)
    else:
        text = str(error)
    if as_json:
        click.echo(json.dumps({"event": "error", "message": text, "exit_code": code}), err=True)
    else:
        label = "" if code == INTERRUPTED else click.style("error: ", fg="red", bold=True)
        click.echo(label + text, err=True)


class Interrupted(Exception):
    """Ctrl-C; click would answer it with an empty line, which has no place among JSON lines."""


class PipeClosed(Exception):
    """What reads the output has gone away, as ``head`` does; click would make a failure of it."""


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """Give Ctrl-C and a closed pipe names of our own."""
    try:
        yield
        with contextlib.suppress(AttributeError, ValueError):
            sys.stdout.flush()
    except KeyboardInterrupt:
        raise Interrupted from None
    except BrokenPipeError:
        raise PipeClosed from None


def _give_up_stdout() -> None:
    """Let what has not been written go nowhere, so that ending does not try again."""
    with contextlib.suppress(AttributeError, ValueError, OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


# Verb -> module and name in it. A verb is imported when it is used: the analysis needs numpy, whose threads would take
# 40 % of the speed of training.
VERBS = {
    "train": ("train", "train"),
    "encode": ("encode", "encode"),
    "decode": ("decode", "decode"),
    "count": ("count", "count"),
    "convert": ("convert", "convert"),
    "verify": ("verify", "verify"),
    "bench": ("bench", "bench"),
    "inspect": ("inspect", "inspect"),
    "analyze": ("analyze", "analyze_command"),
    "audit": ("audit", "audit"),
    "compare": ("compare", "compare"),
    "curve": ("curve", "curve"),
    "report": ("full_report", "report"),
}


class Program(click.Group):
    """A group whose errors are one paragraph without a traceback, and whose exit codes are those above."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the verbs, in the order of work."""
        return [*VERBS, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb."""
        if cmd_name not in VERBS:
            return super().get_command(ctx, cmd_name)
        module, name = VERBS[cmd_name]
        command = getattr(importlib.import_module(f"{__name__}.{module}"), name)
        assert isinstance(command, click.Command)
        return command

    def make_context(self, *args: Any, **settings: Any) -> click.Context:
        """Read the arguments; ``--help`` writes here."""
        with _signals():
            return super().make_context(*args, **settings)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _signals():
            return super().invoke(ctx)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run, report errors and leave with the exit code, whatever ``standalone_mode`` says.

        Globs are left to the library, which can say which of them matched nothing.
        """
        del standalone_mode
        for stream in (sys.stdout, sys.stderr):
            # A token may hold any character; a terminal with a small charset must not make an error of it.
            with contextlib.suppress(AttributeError, ValueError):
                stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        state = {"json": False}  # set by a command that was asked for JSON
        try:
            settings = {**extra, "obj": state, "windows_expand_args": False}
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **settings)
        except click.ClickException as error:
            error.show()
            code = error.exit_code
        except (Interrupted, click.Abort, KeyboardInterrupt):
            code = INTERRUPTED
            if sys.stderr.isatty():
                sys.stderr.write(
                    "\x1b[?25h"
                )  # the display hides the cursor, and may not have come to show it again
            _report_error(Interrupted("interrupted"), code=code, as_json=state["json"])
        except PipeClosed:
            code = PIPE_CLOSED
            _give_up_stdout()
        except (BpetkError, MemoryError, OSError) as error:
            code = USAGE if isinstance(error, ConfigError) else FAILED
            code = CHECK_FAILED if isinstance(error, DifferentIdsError) else code
            _report_error(error, code=code, as_json=state["json"])
        sys.exit(code if isinstance(code, int) else 0)


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s")
def main() -> None:
    """Train, run and check exact byte-level BPE tokenizers, fast.

    \b
    Example:
      bpetk train corpus.txt --vocab 32000
    """
