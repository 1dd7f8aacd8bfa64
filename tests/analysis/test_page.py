"""The page as a file: nothing in it asks for anything, hostile text stays text, its data are those of the library."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import bpetk
from bpetk.analysis.page import Sample, page_text, sample_lines, write_page
from bpetk.analysis.page.exact_text import engine_values
from bpetk.analysis.page.payload import edges, page_values, unprintable
from bpetk.analysis.results import Label
from bpetk.analysis.token_table import TokenTable
from bpetk.errors import OutputError, SlowPathWarning

from .handmade import handmade

pytest.importorskip("jinja2")
PROJECT = Path(__file__).resolve().parents[2]
HOSTILE = Label("</script><img src=x onerror=alert(1)>", "</style><!--<script>")


class Elements(HTMLParser):
    """Collects the elements of a page: name, attributes, text inside."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), []))

    def handle_endtag(self, tag: str) -> None:
        self.found.append(("", {}, []))  # what follows is inside of none that is asked about

    def handle_data(self, data: str) -> None:
        if self.found:
            self.found[-1][2].append(data)

    def of(self, name: str) -> list[tuple[dict[str, str | None], str]]:
        return [(attributes, "".join(text)) for tag, attributes, text in self.found if tag == name]


@pytest.fixture(scope="module")
def tokenizer() -> bpetk.Tokenizer:
    texts = [(PROJECT / "corpora" / name).read_text(encoding="utf-8") for name in ("zh.txt", "en.txt")]
    return bpetk.train_from_iterator(texts, 700, special_tokens=["</script>", "<|end|>"])


@pytest.fixture(scope="module")
def text(tokenizer: bpetk.Tokenizer) -> str:
    hostile = replace(handmade(), label=HOSTILE, inputs={"model": HOSTILE.en, "n": [1, None]})
    return page_text([hostile, handmade("analyze")], models={"a.json": tokenizer})


def test_nothing_is_asked_for(text: str) -> None:
    elements = Elements(text).found
    asking = ("src", "href", "srcset", "action", "data", "poster", "style")
    links = [
        (tag, name, value) for tag, found, _ in elements for name, value in found.items() if name in asking
    ]
    assert not [name for _, found, _ in elements for name in found if name.startswith("on")]
    assert {(tag, name) for tag, name, _ in links} <= {("a", "href"), ("link", "href")}
    assert all(value == "data:," or value.startswith("#") for _, _, value in links)
    ids = {attributes.get("id") for _, attributes, _ in Elements(text).found}
    assert {value[1:] for tag, _, value in links if tag == "a"} <= ids
    assert "sourceMappingURL" not in text and "@import" not in text


def test_policy_allows_these_scripts_and_no_request(text: str) -> None:
    elements = Elements(text)
    (policy,) = [a["content"] for a, _ in elements.of("meta") if a.get("http-equiv")]
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";")}

    def source(part: str) -> str:
        return "'sha256-" + base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() + "'"

    scripts = [inside for a, inside in elements.of("script") if a.get("type") != "application/json"]
    assert len(scripts) == 2
    assert rules == {
        "default-src": ["'none'"],
        "script-src": [source(script) for script in scripts],
        "style-src": [source(inside) for _, inside in elements.of("style")],
        "img-src": ["data:"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
    }


def test_hostile_text_stays_text(text: str, tokenizer: bpetk.Tokenizer) -> None:
    elements = Elements(text)
    assert not elements.of("img")
    assert len(elements.of("script")) == 3
    ((_, data),) = [item for item in elements.of("script") if item[0].get("type") == "application/json"]
    values = json.loads(data)
    assert values["results"][0]["label"] == list(HOSTILE)
    assert values["results"][0]["sections"][1]["tables"][0]["rows"][0][1] == '"</script><b>x"'
    assert "</script>" in values["vocabularies"][0]["names"].values()


def test_data_are_those_of_the_library(text: str, tokenizer: bpetk.Tokenizer) -> None:
    values = page_values([handmade()], {"a.json": tokenizer}, sample_lines())
    table = TokenTable.of(tokenizer)
    (words,) = values["vocabularies"]
    assert (words["name"], words["size"]) == ("a.json", table.size)
    data, at = base64.b64decode(words["data"]), 0
    for id, length in enumerate(np.frombuffer(base64.b64decode(words["lengths"]), "<u2").tolist()):
        assert data[at : at + length] == table.data[id]
        at += length
    assert at == len(data)
    for name, column in (("kinds", table.kinds), ("script", table.script), ("integrity", table.integrity)):
        assert base64.b64decode(words[name]) == column.tobytes()
    for sample, ids in zip(sample_lines(), values["segments"][0], strict=True):
        assert tokenizer.decode(ids) == sample.text
    assert text.count(words["data"]) == 1


def test_the_same_page_again(text: str, tokenizer: bpetk.Tokenizer) -> None:
    assert page_text([handmade()]) == page_text([handmade()])
    hostile = replace(handmade(), label=HOSTILE, inputs={"model": HOSTILE.en, "n": [1, None]})
    assert page_text([hostile, handmade("analyze")], models={"a.json": tokenizer}) == text


def test_without_models_there_is_no_vocabulary_and_no_playground() -> None:
    ids = {attributes.get("id") for _, attributes, _ in Elements(page_text([handmade()])).found}
    assert {"overview", "inspect-0-composition", "inspect-0-costs"} <= ids
    assert not {"vocabulary", "playground"} & ids


@pytest.mark.parametrize(("language", "code"), [("en", "en"), ("zh", "zh-CN")])
def test_language(language: str, code: str) -> None:
    elements = Elements(page_text([handmade()], language=language))
    assert elements.of("html")[0][0]["lang"] == code
    title = {"en": "Vocabulary of one.json", "zh": "one.json 的词表"}[language]
    assert elements.of("title")[0][1] == title
    languages = [attributes["lang"] for attributes, _ in elements.of("span")]
    assert languages.count("en") == languages.count("zh-CN") > 20


def test_written_completely_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "page.html"
    path.write_text("before")
    broken = replace(handmade(), inputs={"x": {1, 2}}, sections=(None,))
    with pytest.raises(AttributeError):
        write_page(path, [broken])
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]
    write_page(path, [handmade()])
    assert path.read_text(encoding="utf-8") == page_text([handmade()])
    with pytest.raises(OutputError, match="it is a folder"):
        write_page(tmp_path, [handmade()])


def test_samples_are_of_the_project() -> None:
    lines = json.loads((PROJECT / "bpetk/analysis/page/samples.json").read_text(encoding="utf-8"))
    assert [line["text"] for line in lines] == [sample.text for sample in sample_lines()]
    for line in lines:
        assert line["text"] in (PROJECT / line["source"]).read_text(encoding="utf-8")
    page = page_text([handmade()], models={}, samples=[Sample(Label("a", "b"), "x")])
    assert "playground" not in {attributes.get("id") for _, attributes, _ in Elements(page).found}


def test_the_chart_library_is_what_its_note_says() -> None:
    folder = PROJECT / "bpetk/analysis/page/vendor"
    noted = dict(re.findall(r"sha256 (\w{64})  (\S+)", (folder / "NOTICE.txt").read_text()))
    assert set(noted.values()) == {path.name for path in folder.iterdir()} - {"NOTICE.txt"}
    for digest, name in noted.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    page = page_text([handmade()])
    assert "Chart.js v4.6.1" in page and "Permission is hereby granted" in page


def test_sets_as_edges() -> None:
    assert edges(np.array([1, 0, 0, 1], np.int8)) == [0, 1, 3]
    found = unprintable()
    inside = set()
    for start, end in zip(found[::2], [*found[1::2], 0x110000], strict=False):
        inside.update(range(start, end))
    assert inside == {code for code in range(0x110000) if not chr(code).isprintable()}


def test_where_typed_text_cannot_be_exact(tokenizer: bpetk.Tokenizer) -> None:
    assert "left" in engine_values(tokenizer)
    spaces = bpetk.train_from_iterator(["aaa bbb"], 258, scheme="whitespace")
    assert "cuts text" in engine_values(spaces)["reason"].en
    with pytest.warns(SlowPathWarning):
        own = bpetk.train_from_iterator(["aaa bbb"], 258, pattern=r"\w+|\W")
    assert "cuts text" in engine_values(own)["reason"].en
    odd = bpetk.train_from_iterator(["aaa bbb"], 259, special_tokens=["Ġa"])
    assert "unusual" in engine_values(odd)["reason"].en


def test_lines_that_cannot_be_encoded() -> None:
    small = bpetk.train_from_iterator(["abab"], 3, alphabet="observed")
    samples = [Sample(Label("a", "b"), "abab"), Sample(Label("c", "d"), "中")]
    values = page_values([], {"small": small}, samples)
    assert values["segments"] == [[small.encode("abab"), None]]
    assert "unusual" in values["engines"][0]["reason"].en
