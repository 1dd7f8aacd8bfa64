"""Native headers know nothing of Python, files or printing, hold no state, and no module outgrows its reader."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
NATIVE = PROJECT / "src_ext" / "native"
HEADERS = sorted(NATIVE.glob("*.h"))

FORBIDDEN = {
    r"#include\s*[<\"](Python|structmember|frameobject)\.h": "Python",
    r"#include\s*<(iostream|ostream|istream|sstream|fstream|cstdio|stdio\.h|print|format)>": "printing or files",
    r"\b(printf|fprintf|puts|fopen|getenv|std::c(out|err|log|in))\b": "printing, files or the environment",
}
# At the left margin, and neither a constant, nor a type, nor a function: a variable that every caller shares.
GLOBAL = re.compile(
    r"(?!.*\b(?:constexpr|const|using|typedef|template|struct|class|enum|namespace|return|goto)\b)"
    r"(?:static |inline |extern |thread_local )*[A-Za-z_][\w:<>, ]*[\s*&]+\w+(?:\[[^]]*\])*\s*(?:=|;|\{[^()]*\};)"
)

LIMITS = [
    (NATIVE, "*.h", 300),
    (PROJECT / "src_ext" / "bpetk", "*.pyx", 500),
    (PROJECT / "bpetk", "*.py", 500),
]


def faults(text: str) -> list[str]:
    """Everything in a header that has no place there, as lines for people."""
    code = re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)
    found = [f"{what}: {match[0]}" for rule, what in FORBIDDEN.items() for match in re.finditer(rule, code)]
    return found + [f"shared variable: {line}" for line in code.splitlines() if GLOBAL.match(line)]


def generated(path: Path) -> bool:
    with path.open(encoding="utf-8") as file:
        return "enerated by " in "".join(next(file, "") for _ in range(8))


@pytest.mark.parametrize("path", HEADERS, ids=lambda path: path.name)
def test_header_is_plain(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert faults(text) == []
    assert "#pragma once" in text
    assert text.startswith("// "), "a header opens with its purpose"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("#include <Python.h>", "Python"),
        ('#include "Python.h"', "Python"),
        ("#include <iostream>", "printing or files"),
        ("#include <cstdio>", "printing or files"),
        ("    std::printf(fmt, x);", "printing, files"),
        ("    std::cerr << x;", "printing, files"),
        ("static int counter = 0;", "shared variable"),
        ("std::atomic<uint64_t> total{0};", "shared variable"),
        ("inline thread_local uint8_t buffer[64];", "shared variable"),
    ],
)
def test_faults_are_found(line: str, what: str) -> None:
    (found,) = faults(f"// A header.\n#pragma once\n\n{line}\n")
    assert found.startswith(what)


def test_constants_functions_and_comments_are_no_faults() -> None:
    assert not faults(
        "// printf(x) and #include <Python.h> in a comment\n"
        "constexpr int kTierScalar = 0, kTierPortable = 1;\n"
        "inline constexpr uint8_t kLetter = 1;\n"
        "static const uint8_t kStage[4] = {1, 2, 3, 4};\n"
        "inline uint64_t load64(const uint8_t* p) noexcept {\n"
        "    uint64_t v;\n"
        "    return v;\n"
        "}\n"
        "struct Key {\n"
        "    uint64_t lo, hi;\n"
        "};\n"
    )


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        (path, limit)
        for folder, glob, limit in LIMITS
        for path in sorted(folder.rglob(glob))
        if not generated(path)
    ],
    ids=lambda value: str(value.relative_to(PROJECT)) if isinstance(value, Path) else None,
)
def test_module_size(path: Path, limit: int) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= limit, f"{lines} lines, at most {limit}: split it by job"


def test_only_tables_are_generated() -> None:
    paths = [path for folder, glob, _ in LIMITS for path in sorted(folder.rglob(glob)) if generated(path)]
    assert sorted(path.name for path in paths) == [
        "character_data.py",
        "grapheme_tables.py",
        "normalization_tables.h",
        "normalization_tables.py",
        "sp_scripts.py",
        "splitter_tables.py",
        "unicode_tables.h",
        "unicode_tables.py",
    ]
