"""Results as JSON, CSV and terminal tables, and the options that choose."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from rich.console import Console

from bpetk.analysis import page
from bpetk.analysis.csv_files import csv_tables, csv_text, write_csv
from bpetk.analysis.results import Label, Result, Section, Table
from bpetk.cli import Program
from bpetk.cli.analysis_options import Output, emit, output_options
from bpetk.cli.analysis_output import best_rows, print_result
from bpetk.errors import OutputError

from .handmade import handmade


@click.group(cls=Program)
def program() -> None:
    """Stand in for the real one."""


@program.command()
@output_options
def show(*, output: Output) -> None:
    """Show a result that is there already."""
    emit(handmade(), output)


@program.command()
@output_options
def both(*, output: Output) -> None:
    """Show two results."""
    emit([handmade(), handmade("analyze")], output)


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(program, [*map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def printed(language: str = "en", width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    print_result(handmade(), console, language=language)
    return console.file.getvalue()


def test_json_is_that_of_the_result() -> None:
    code, out, err = run("show", "--json")
    assert (code, err) == (0, "")
    values = json.loads(out)
    assert values == json.loads(json.dumps(handmade().to_dict()))
    assert values["composition"]["premium"] is None
    assert values["costs"]["models"][2]["token"] == '"你, 好"'
    assert [finding["rule"] for finding in values["findings"]] == ["few-han", "fine", "broken"]


def test_json_of_several_is_by_command() -> None:
    values = json.loads(run("both", "--json")[1])
    assert list(values) == ["inspect", "analyze"]
    assert values["analyze"]["command"] == "analyze"


def test_terminal_has_everything_in_order() -> None:
    text = printed()
    expected = [
        "Vocabulary of one.json",
        "What is in the vocabulary",
        "1,234,567",
        "23.4 %",
        "71.7 kB",
        "12.3 ms",
        "premium     -",
        "lossless    yes",
        "Scripts",
        "… 1 more;",
        "Counted by token.",
        "What text costs",
        '"=1+2 \\xe4"',
        "Frequency by rank",
        "warning 23.5 % of the tokens are Han [sic]. (few-han)",
    ]
    places = [text.index(part) for part in expected[:-1]]
    assert places == sorted(places)
    assert expected[-1] in text
    assert text.index("problem 1 token") < text.index("warning 23.5") < text.index("note All bytes")
    assert "57.1 %" in text and "14.3 %" not in text  # the third row is beyond those shown


def test_terminal_marks_the_best() -> None:
    lines = {
        line.split()[0]: line
        for line in printed().splitlines()
        if line.startswith(("one ", "two ", "three "))
    }
    assert "4.500" in lines["one"] and "*" not in lines["one"]  # as good as the third
    assert "250 ms *" in lines["three"] and "*" not in lines["two"]


def test_terminal_in_chinese() -> None:
    text = printed("zh")
    for part in ("词表构成", "另有 1 行", "警告", "请用更多中文文本训练。", "无损", "是"):
        assert part in text
    for part in ("What is in", "more;", "warning"):
        assert part not in text


def test_no_best_without_a_choice() -> None:
    table = next(table for table in handmade().tables() if table.name == "models")
    assert best_rows(table, 2) == frozenset()  # two are equal
    assert best_rows(table, 3) == {2}
    assert best_rows(table, 1) == frozenset()
    files = (replace(table.columns[0], key="file"), *table.columns[1:])
    assert best_rows(replace(table, columns=files), 2) == frozenset()
    one = Table("t", table.label, table.columns, table.rows[:1])
    assert best_rows(one, 2) == frozenset()
    equal = Table("t", table.label, table.columns, (table.rows[0], table.rows[2]))
    assert best_rows(equal, 2) == frozenset()


def test_csv_files_hold_every_row(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "tables"
    code, out, _ = run("show", "--csv", folder)
    assert code == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        "figures.csv",
        "lengths.csv",
        "models.csv",
        "ranks.csv",
        "script_chart.csv",
        "scripts.csv",
    ]
    assert f"written to {folder / 'models.csv'}" in out

    def read(name: str) -> list[list[str]]:
        with open(folder / name, encoding="utf-8", newline="") as file:
            return list(csv.reader(file))

    assert read("scripts.csv") == [
        ["script", "tokens", "share"],
        ["Han", "10", str(10 / 35)],
        ["Latin", "20", str(20 / 35)],
        ["bytes", "5", str(5 / 35)],
    ]
    assert read("models.csv")[2:] == [
        ["two", '"=1+2 \\xe4"', "3.25", ""],
        ["three", '"你, 好"', "4.5", "0.25"],
    ]
    assert ["composition", "premium", ""] in read("figures.csv")
    assert ["composition", "lossless", "true"] in read("figures.csv")
    assert read("ranks.csv")[4] == ["zh", "1000", ""]


def test_csv_of_several_results(tmp_path: Path) -> None:
    files = write_csv(tmp_path, [handmade(), handmade("analyze")])
    assert tmp_path / "inspect.models.csv" in files and tmp_path / "analyze.models.csv" in files
    assert len(files) == len(set(files)) == 12


def test_csv_prefers_the_table_of_a_name() -> None:
    section = handmade().sections[1]
    table = Table("ranks", section.label, section.tables[0].columns, section.tables[0].rows)
    result = Result("x", section.label, {}, (Section("s", section.label, (), (table,), section.charts),))
    tables = dict(csv_tables(result))
    assert tables["ranks"].startswith("model,token,")
    assert list(tables) == ["ranks", "lengths"]


def test_csv_of_text_that_is_no_unicode(tmp_path: Path) -> None:
    name = Label("a", "a")
    table = Table("t", name, handmade().sections[0].tables[0].columns[:1], (("\ud800",),))
    write_csv(tmp_path, [Result("x", name, {}, (Section("s", name, tables=(table,)),))])
    assert (tmp_path / "t.csv").read_bytes() == b"script\n\\ud800\n"
    assert csv_text(["a", "b"], [[1, "x\ny"]]) == 'a,b\n1,"x\ny"\n'


def test_csv_leaves_nothing_half_written(tmp_path: Path) -> None:
    (tmp_path / "scripts.csv").mkdir()
    with pytest.raises(OutputError, match="cannot write"):
        write_csv(tmp_path, [handmade()])
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_unwritable_output_is_told_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    code, out, err = run("show", "--csv", tmp_path / "file" / "below")
    assert (code, out) == (1, "") and "cannot write into" in err
    code, out, err = run("show", "--html", tmp_path / "none" / "x.html")
    assert (code, out) == (1, "") and f"there is no folder {tmp_path / 'none'}" in err
    code, out, err = run("show", "--json", "--html", tmp_path / "none" / "x.html")
    assert json.loads(err)["exit_code"] == 1


def test_page_without_jinja2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "find_spec", lambda name: None)
    code, out, err = run("show", "--html", tmp_path / "x.html")
    assert (code, out) == (1, "")
    assert "pip install 'bpetk[report]'" in err
    assert not list(tmp_path.iterdir())
