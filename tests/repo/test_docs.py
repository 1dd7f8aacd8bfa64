"""What the documentation shows works: README's examples, and those in docstrings."""

from __future__ import annotations

import doctest
import importlib
import io
import shutil
from pathlib import Path
from typing import Any

import pytest

from . import markdown

PROJECT = Path(__file__).resolve().parents[2]


def _modules() -> list[str]:
    package = PROJECT / "bpetk"
    files = sorted([*package.rglob("*.py"), *(PROJECT / "src_ext" / "bpetk").glob("*.pyx")])
    names = []
    for path in files:
        if ">>>" in path.read_text(encoding="utf-8"):
            parts = path.relative_to(package if path.suffix == ".py" else path.parent).with_suffix("").parts
            names.append(".".join(["bpetk", *(part for part in parts if part != "__init__")]))
    return names


MODULES = _modules()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder that holds what a clone's ``corpora/`` holds, and nothing else."""
    shutil.copytree(
        PROJECT / "corpora", tmp_path / "corpora", ignore=shutil.ignore_patterns(".*", "__pycache__")
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name: str) -> None:
    if name == "bpetk.verify" or name.startswith("bpetk.benchmark"):
        pytest.importorskip("tokenizers")
    module = importlib.import_module(name)
    finder, report = doctest.DocTestFinder(exclude_empty=True), io.StringIO()
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for test in finder.find(module):
        runner.run(test, out=report.write)
    assert runner.failures == 0, report.getvalue()
    assert runner.tries > 0


def test_public_functions_have_examples() -> None:
    """Fails if the finder finds nothing: the examples above would then pass without being run."""
    assert {"bpetk.api", "bpetk.tokenizer", "bpetk.verify", "bpetk.readable"} <= set(MODULES)
    finder = doctest.DocTestFinder(exclude_empty=True)
    tests = [test for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples]
    assert len(tests) >= 20


@pytest.mark.filterwarnings(
    "ignore::ResourceWarning"
)  # off for users too, and an example may leave a file to Python
def test_readme(folder: Path) -> None:
    """All marked blocks in the order of the page, in one folder; Python blocks share their names."""
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    examples = markdown.examples(text)
    assert len(examples) >= 4
    assert {"python"} < {example.language for example in examples}
    if shutil.which("bash") is None:
        pytest.skip("needs bash")
    names: dict[str, Any] = {"__name__": "__main__"}
    for example in examples:
        if example.language == "python":
            markdown.run_python(example, names, "README.md")
        else:
            markdown.run_shell(example, folder)


# ---------------------------------------------------------------------------------------------------------------------
# The runner itself.

PAGE = """\
Text.

<!-- test -->
```python
x = 1
```

```python
raise SystemExit("not marked")
```

<!-- test -->
```console
$ echo one \\
  two
one two
$ printf 'a %s b\\n' $RANDOM; echo end
a ... b
end
```

<!-- test -->
```bash
echo hello > out.txt
cat out.txt
```

<!-- test -->
```python
>>> x + 1
2
```
"""


def test_marked_blocks_are_found() -> None:
    found = markdown.examples(PAGE)
    assert [(example.language, example.line) for example in found] == [
        ("python", 5),
        ("console", 14),
        ("bash", 24),
        ("python", 30),
    ]
    assert list(markdown.commands(found[1])) == [
        ("echo one \\\ntwo", "one two\n"),
        ("printf 'a %s b\\n' $RANDOM; echo end", "a ... b\nend\n"),
    ]


@pytest.mark.parametrize(
    "text", ["<!-- test -->\ntext", "<!-- test -->\n\n```python\n1\n```", "<!-- test -->\n```ruby\n1\n```"]
)
def test_mark_without_an_example_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"marks|none of"):
        markdown.examples(text)


def test_good_examples_pass(tmp_path: Path) -> None:
    names: dict[str, Any] = {}
    for example in markdown.examples(PAGE):
        if example.language == "python":
            markdown.run_python(example, names, "PAGE")
        else:
            markdown.run_shell(example, tmp_path)
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == "hello\n"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("python", "assert False\n"),
        ("python", ">>> 1 + 1\n3\n"),
        ("bash", "false\ntrue\n"),
        ("bash", "false | true\n"),
        ("console", "$ exit 3\n"),
        ("console", "$ echo one\ntwo\n"),
    ],
)
def test_bad_examples_fail(tmp_path: Path, language: str, text: str) -> None:
    example = markdown.Example(language, text, 1)
    arguments: dict[str, Any] = (
        {"names": {}, "source": "PAGE"} if language == "python" else {"folder": tmp_path}
    )
    run = markdown.run_python if language == "python" else markdown.run_shell
    with pytest.raises(AssertionError):
        run(example, **arguments)


def test_no_placeholder_is_left() -> None:
    for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md"):
        assert "@@" not in (PROJECT / name).read_text(encoding="utf-8")
