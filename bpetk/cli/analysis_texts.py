"""Text that the verbs of the analysis are given: options and files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import click

from bpetk.analysis.documents import TextFile
from bpetk.analysis.words import SEGMENTERS
from bpetk.cli.inputs import expand, text_file
from bpetk.cli.options import ENCODING, Command

_TEXTS = [
    click.option(
        "--separator", metavar="STR", help="Documents stand between these. Default: every line is a document."
    ),
    click.option("--whole-files", is_flag=True, help="A file is one document."),
    ENCODING,
]

PARALLEL = click.option(
    "--parallel",
    nargs=2,
    type=click.Path(readable=False),
    metavar="ZH EN",
    help="Two files whose lines say the same: what the first language costs more than the second.",
)
SEGMENTER = click.option(
    "--segmenter",
    type=click.Choice([*SEGMENTERS, "none"]),
    default="jieba",
    show_default=True,
    help="Tells Chinese words (pip install 'bpetk[chinese]').",
)


def text_options(command: Command) -> Command:
    """Add the options that say what a document is."""
    for option in reversed(_TEXTS):
        command = option(command)
    return command


def analysis_separator(*, separator: str | None, whole_files: bool) -> str | None:
    """Turn option values into the ``separator`` of the library; a line feed unless something else is asked for."""
    if whole_files and separator is not None:
        raise click.UsageError("--whole-files and --separator exclude each other: give one of them.")
    if separator == "":
        raise click.UsageError("--separator must not be empty.")
    return None if whole_files else separator or "\n"


@contextmanager
def open_texts(
    names: Sequence[str], *, separator: str | None, whole_files: bool, encoding: str
) -> Iterator[list[TextFile]]:
    """Give files that can be read more than once, folders and patterns resolved; standard input becomes one."""
    cut = analysis_separator(separator=separator, whole_files=whole_files)
    with ExitStack() as stack:
        files = [stack.enter_context(text_file(name, encoding)) for name in expand(names)]
        yield [TextFile(file.path, file.name, file.encoding, cut) for file in files]
