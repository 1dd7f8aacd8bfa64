"""Examples of a Markdown file: fenced blocks under the line ``<!-- test -->``, and how to run them.

A ``python`` block is run as it is (or as a doctest, if it has prompts); all of a file share their names, in order. The
lines of a ``bash`` block, and those of a ``console`` block that begin with ``$ ``, are commands. The other lines of a
``console`` block are the output that the command before must give on standard output; ``...`` stands for anything.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MARK = "<!-- test -->"
LANGUAGES = ("python", "bash", "console")

_BLOCK = re.compile(
    rf"^{re.escape(MARK)}[ \t]*\n(?P<fence>`{{3,}})(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=fence)[ \t]*$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Example:
    """A block, and the number of its first line."""

    language: str
    text: str
    line: int


def examples(text: str) -> list[Example]:
    """Give the marked blocks of a Markdown text; a mark without a block of a known language is an error."""
    found = [
        Example(match["language"], match["text"], text.count("\n", 0, match.start("text")) + 1)
        for match in _BLOCK.finditer(text)
    ]
    marks = sum(line.strip() == MARK for line in text.splitlines())
    if marks != len(found):
        raise ValueError(f"{marks} marks {MARK} but {len(found)} fenced blocks right below one")
    for example in found:
        if example.language not in LANGUAGES:
            raise ValueError(
                f"line {example.line}: {example.language or 'no language'} is none of {LANGUAGES}"
            )
    return found


def commands(example: Example) -> Iterator[tuple[str, str]]:
    """Give the commands of a shell block with the output that is shown for each."""
    if example.language == "bash":
        yield example.text, ""
        return
    command, output = "", ""
    for line in example.text.splitlines():
        if line.startswith("$ "):
            if command:
                yield command, output
            command, output = line[2:], ""
        elif command.endswith("\\") and not output:
            command += f"\n{line.removeprefix('>').lstrip()}"
        else:
            output += f"{line}\n"
    if command:
        yield command, output


def run_shell(example: Example, folder: Path) -> None:
    """Run a shell block in a folder; the first command that fails or prints something else fails the test."""
    scripts = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": os.pathsep.join([scripts, os.environ.get("PATH", "")])}
    for command, expected in commands(example):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        shown = f"line {example.line}: {command}\n{done.stdout}{done.stderr}"
        assert done.returncode == 0, f"{shown}\nexit code {done.returncode}"
        if expected.strip():
            flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
            same = doctest.OutputChecker().check_output(expected, done.stdout, flags)
            assert same, f"{shown}\nexpected:\n{expected}"


def run_python(example: Example, names: dict[str, Any], source: str) -> None:
    """Run a Python block with and into the given names."""
    if ">>>" not in example.text:
        # The line numbers of a traceback are those of the file.
        code = compile("\n" * (example.line - 1) + example.text, source, "exec")
        with contextlib.redirect_stdout(io.StringIO()):
            exec(code, names)
        return
    test = doctest.DocTestParser().get_doctest(example.text, names, source, source, example.line - 1)
    report = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    result = runner.run(test, out=report.write, clear_globs=False)
    names.update(test.globs)
    assert result.failed == 0, report.getvalue()
