"""Tables in narrow terminals: nothing is lost, numbers stay whole, every line fits."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from bpetk.analysis.results import Column, Label, Result, Section, Table
from bpetk.cli.analysis_output import print_result
from bpetk.cli.table_layout import Measure, heading, layout

LANGUAGES = ("English (Latin letters)", "mixed Chinese and English", "中文")
NUMBERS = (
    "documents",
    "bytes",
    "tokens",
    "bytes/token",
    "characters/token",
    "Han/token",
    "tokens/English word",
)


def printed(width: int, language: str = "en") -> str:
    columns = (
        Column("language", Label("language", "语种"), "text"),
        *(Column(f"n{i}", Label(name, f"{name}的平均数"), "integer") for i, name in enumerate(NUMBERS)),
    )
    rows = tuple((name, *range(1_000_000 + i, 1_000_007 + i)) for i, name in enumerate(LANGUAGES))
    name = Label("By language", "按语种")
    result = Result(
        "x", Label("x", "x"), {}, (Section("s", name, tables=(Table("t", name, columns, rows),)),)
    )
    console = Console(file=io.StringIO(), width=width, highlight=False)
    print_result(result, console, language=language)
    return console.file.getvalue()


def test_a_table_in_eighty_columns() -> None:
    for width in (40, 60, 80, 100, 160):
        for language in ("en", "zh"):
            text = printed(width, language)
            assert "…" not in text
            assert max(map(cell_len, text.splitlines())) <= width
            for number in range(1_000_000, 1_000_009):
                assert f"{number:,}" in text
    text = printed(80)
    # The rest of the columns stands below, with the names again.
    assert text.count("English (Latin letters)") == text.count("中文") == 2
    assert printed(160).count("中文") == 1
    # A heading that says what the section said is not said again.
    assert text.count("By language") == 1


def test_headings_end_on_one_line() -> None:
    lines = printed(100).splitlines()
    first = next(i for i, line in enumerate(lines) if "1,000,000" in line)
    assert lines[first - 1].split()[:3] == ["language", "documents", "bytes"]
    assert lines[first - 1].split()[-1] == "word"


def test_headings_keep_their_letters() -> None:
    assert heading("", 5) == [""]
    assert heading("top document", 8) == ["top", "document"]
    assert "".join(heading("不/可分", 1)) == "不/可分"


COLUMN = st.builds(Measure, st.sampled_from([*NUMBERS, "平均字符数", "a"]), st.booleans(), st.integers(0, 60))


@given(st.lists(COLUMN, min_size=1, max_size=9), st.integers(1, 200))
def test_every_column_once(columns: list[Measure], width: int) -> None:
    parts = layout(columns, width)
    front = not columns[0].number
    placed = [i for n, part in enumerate(parts) for i in part.columns[1 if front and n else 0 :]]
    assert placed == list(range(len(columns)))
    for part in parts:
        assert len(part.columns) == len(part.widths) and min(part.widths) >= min(1, width)
        assert all(
            w >= columns[i].widest
            for i, w in zip(part.columns, part.widths, strict=True)
            if columns[i].number
        )
        taken = sum(part.widths) + part.gap * (len(part.widths) - 1)
        least = sum(columns[i].least(first=i == 0) + 2 for i in part.columns) - 2
        assert taken <= width or least > width
