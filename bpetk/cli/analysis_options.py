"""Where the verbs of the analysis put what they find: terminal, JSON, CSV files, a page."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Literal, TypeVar

import click

from bpetk.analysis.csv_files import write_csv
from bpetk.analysis.results import Result
from bpetk.cli.analysis_output import print_result
from bpetk.cli.console import Console
from bpetk.errors import OutputError
from bpetk.tokenizer import Tokenizer

Command = TypeVar("Command", bound=Callable[..., Any])

_WIDE = 160  # columns where there is no terminal to ask

_OUTPUT = [
    click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
    click.option(
        "--csv",
        "csv_folder",
        metavar="DIR",
        type=click.Path(file_okay=False),
        help="Write every table into this folder as a CSV file; it is made if it is not there.",
    ),
    click.option(
        "--html",
        "html_file",
        metavar="FILE",
        type=click.Path(dir_okay=False),
        help="Write one page with pictures that opens offline in a browser (pip install 'bpetk[report]').",
    ),
    click.option(
        "--language",
        type=click.Choice(["en", "zh"]),
        default="en",
        show_default=True,
        help="Of what is printed, and in which the page opens; the page can be switched.",
    ),
]


@dataclass(frozen=True)
class Output:
    """What a user asked for: JSON or tables on standard output, and files beside it."""

    as_json: bool = False
    csv_folder: str | None = None
    html_file: str | None = None
    language: Literal["en", "zh"] = "en"

    def check(self) -> None:
        """Find out before the work whether its result can be written.

        Raises
        ------
        OutputError
            If a folder is missing, or is a file.
        MissingDependencyError
            If the page needs a library that is not installed; names the command that installs it.
        """
        if self.csv_folder is not None:
            folder = Path(self.csv_folder)
            if folder.exists() and not folder.is_dir():
                raise OutputError(f"--csv {folder}: it is a file; name a folder")
        if self.html_file is not None:
            from bpetk.analysis.page import check_page  # with numpy, which no other verb should wait for

            check_page(self.html_file)


def output_options(command: Command) -> Command:
    """Add ``--json --csv --html --language``; the command gets them as one keyword, ``output``, checked already."""

    @wraps(command)
    def run(
        *arguments: Any,
        as_json: bool,
        csv_folder: str | None,
        html_file: str | None,
        language: Literal["en", "zh"],
        **options: Any,
    ) -> Any:
        click.get_current_context().obj["json"] = as_json
        output = Output(as_json, csv_folder, html_file, language)
        output.check()
        return command(*arguments, output=output, **options)

    decorated: Any = run
    for option in reversed(_OUTPUT):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


def emit(
    results: Result | Sequence[Result], output: Output, *, models: Mapping[str, Tokenizer] | None = None
) -> None:
    """Write results to where the user asked for them, files first.

    Parameters
    ----------
    results
        One, or several of different commands: JSON then has them by command.
    output
        As `output_options` gives it.
    models
        Name and tokenizer of every model that was looked at: the page shows their vocabularies and how they segment
        sample lines.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    given = [results] if isinstance(results, Result) else list(results)
    written: list[Path] = []
    if output.csv_folder is not None:
        written += write_csv(output.csv_folder, given)
    if output.html_file is not None:
        from bpetk.analysis.page import write_page

        write_page(output.html_file, given, models=models or {}, language=output.language)
        written.append(Path(output.html_file))
    if output.as_json:
        values = [result.to_dict() for result in given]
        whole = values[0] if len(values) == 1 else {value["command"]: value for value in values}
        click.echo(json.dumps(whole, ensure_ascii=False, allow_nan=False))
        return
    console = Console() if sys.stdout.isatty() else Console(width=_WIDE)
    for result in given:
        print_result(result, console, language=output.language)
    for path in written:
        click.echo(f"已写入 {path}" if output.language == "zh" else f"written to {path}")
