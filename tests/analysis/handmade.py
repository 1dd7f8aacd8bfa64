"""A result with one of everything, for tests of what shows results; its numbers are made up."""

from __future__ import annotations

from bpetk.analysis.results import (
    Chart,
    Column,
    Figure,
    Finding,
    Label,
    Result,
    Section,
    Series,
    Table,
)

SCRIPTS = (Label("Han", "汉字"), Label("Latin", "拉丁字母"), Label("bytes", "字节"))


def _composition() -> Section:
    return Section(
        "composition",
        Label("What is in the vocabulary", "词表构成"),
        figures=(
            Figure("size", Label("tokens", "词元数"), 1_234_567, "integer"),
            Figure(
                "han_share",
                Label("Han tokens", "汉字词元占比"),
                0.2345,
                "share",
                Label(
                    "Share of tokens that are Han only; it says nothing of use.",
                    "纯汉字词元的比例，与使用频率无关。",
                ),
            ),
            Figure("file", Label("file", "文件"), 71_744, "bytes"),
            Figure("seconds", Label("time", "用时"), 0.01234, "seconds"),
            Figure("premium", Label("premium", "溢价"), float("nan")),
            Figure("lossless", Label("lossless", "无损"), True, "text"),
        ),
        tables=(
            Table(
                "scripts",
                Label("Scripts", "文字"),
                (
                    Column("script", Label("script", "文字"), "text"),
                    Column("tokens", Label("tokens", "词元数"), "integer"),
                    Column("share", Label("share", "占比"), "share"),
                ),
                tuple(zip(SCRIPTS, (10, 20, 5), (10 / 35, 20 / 35, 5 / 35), strict=True)),
                note=Label("Counted by token.", "按词元计数。"),
                shown=2,
            ),
        ),
        charts=(
            Chart(
                "script_chart",
                Label("Scripts of tokens", "词元的文字"),
                "stacked",
                Label("model", "模型"),
                Label("share", "占比"),
                tuple(
                    Series(name, ("one", "two"), (share, 1 / 3))
                    for name, share in zip(SCRIPTS, (0.2, 0.5, 0.3), strict=True)
                ),
                y_kind="share",
            ),
        ),
        findings=(
            Finding(
                "few-han",
                "warning",
                Label("23.5 % of the tokens are Han [sic].", "23.5 % 的词元是汉字。"),
                Label("Train with more Chinese text.", "请用更多中文文本训练。"),
            ),
            Finding("fine", "info", Label("All bytes are there.", "字节齐全。")),
        ),
    )


def _costs() -> Section:
    return Section(
        "costs",
        Label("What text costs", "文本成本"),
        tables=(
            Table(
                "models",
                Label("Models", "模型"),
                (
                    Column("model", Label("model", "模型"), "text"),
                    Column("token", Label("longest token", "最长词元"), "token"),
                    Column("bytes_per_token", Label("bytes/token", "字节/词元"), "number", "higher"),
                    Column("load", Label("load", "加载"), "seconds", "lower"),
                ),
                (
                    ("one", '"</script><b>x"', 4.5, 0.5),
                    ("two", '"=1+2 \\xe4"', 3.25, None),
                    ("three", '"你, 好"', 4.5, 0.25),
                ),
            ),
        ),
        charts=(
            Chart(
                "ranks",
                Label("Frequency by rank", "频率与排名"),
                "line",
                Label("rank", "排名"),
                Label("frequency", "频率"),
                (
                    Series(Label("zh", "中文"), (1, 10, 100, 1000), (0.1, 0.02, 0.001, None)),
                    Series(Label("en", "英文"), (1, 10, 100), (0.2, 0.03, 0.0002)),
                ),
                log_x=True,
                log_y=True,
            ),
            Chart(
                "lengths",
                Label("Length of tokens", "词元长度"),
                "bar",
                Label("characters", "字符数"),
                Label("tokens", "词元数"),
                (Series(Label("tokens", "词元数"), ("1", "2", "3"), (5, 7, 1)),),
                y_kind="integer",
            ),
        ),
        findings=(Finding("broken", "problem", Label("1 token is ill-formed.", "1 个词元不是合法 UTF-8。")),),
    )


def handmade(command: str = "inspect") -> Result:
    """Make it."""
    return Result(
        command,
        Label("Vocabulary of one.json", "one.json 的词表"),
        {"model": "one.json", "seed": 0},
        (_composition(), _costs()),
    )
