"""The page in a real browser: no errors, no requests, filters, sorting, languages, and exact segmentation."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fuzz_text import adversarial_text, unicode_text

import bpetk
from bpetk.analysis.page import sample_lines, write_page
from bpetk.analysis.token_table import SCRIPTS, TokenTable
from bpetk.cli.analysis_output import value_text
from bpetk.pretokenizers import SCHEMES

from .handmade import handmade

webdriver = pytest.importorskip("selenium.webdriver")
pytest.importorskip("jinja2")
PROJECT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None,
    reason="needs a browser: apt-get install chromium chromium-driver",
)
QUIET = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-dev-shm-usage "
    "--disable-background-networking --disable-component-update --disable-sync --force-prefers-reduced-motion"
).split()
CUTTING = [name for name, scheme in SCHEMES.items() if scheme.lossless]


class Page:
    """A page in the browser, and shorthands to ask it."""

    def __init__(self, driver: Any, path: Path) -> None:
        self.driver = driver
        self.path = path
        self.wide(1200)
        driver.get("about:blank")  # a browser's first page asks for files of its own
        self.log(), self.requests()
        driver.get(path.as_uri())

    def __call__(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def wide(self, pixels: int, *, dark: bool = False) -> None:
        size = {"width": pixels, "height": 900, "deviceScaleFactor": 1, "mobile": pixels < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def log(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> set[str]:
        found = set()
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                found.add(message["params"]["request"]["url"])
        return found

    def one(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def seen(self, selector: str) -> list[str]:
        return [element.text for element in self.driver.find_elements("css selector", selector)]

    def until(self, script: str) -> None:
        end = time.monotonic() + 20
        while not self(f"return Boolean({script})"):
            assert time.monotonic() < end, f"never true: {script}"
            time.sleep(0.02)

    def ids(self, **filters: str) -> list[int]:
        """Set the filters of the vocabulary; give the ids that are left, in their order."""
        for name in ("model", "search", "script", "kind", "integrity", "length"):
            default = {"model": "0", "search": "", "length": ""}.get(name, "-1")
            self(f"document.getElementById('v-{name}').value = arguments[0]", filters.get(name, default))
        self("bpetk.filterVocabulary()")
        return self("return bpetk.grid.ids")


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in [*QUIET, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"]:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield started
    started.quit()


@pytest.fixture(scope="module")
def models() -> dict[str, bpetk.Tokenizer]:
    texts = [(PROJECT / "corpora" / name).read_text(encoding="utf-8") for name in ("zh.txt", "en.txt")]
    return {
        scheme: bpetk.train_from_iterator(texts, 2000, scheme=scheme, special_tokens=["<|end|>"])
        for scheme in CUTTING
    }


@pytest.fixture(scope="module")
def file(models: dict[str, bpetk.Tokenizer], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_page(path, [handmade(), handmade("analyze")], models=models)
    return path


@pytest.fixture
def page(driver: Any, file: Path) -> Page:
    return Page(driver, file)


def test_no_errors_and_no_requests(page: Page) -> None:
    for at, figure in enumerate(page.driver.find_elements("css selector", "figure")):
        page("arguments[0].scrollIntoView({ behavior: 'instant' })", figure)
        page.until(f"bpetk.charts.size > {at}")
    page.one("#language").click()
    page.one("#theme").click()
    assert page.log() == []
    asked = page.requests()
    assert page.path.as_uri() in asked and asked <= {page.path.as_uri(), "data:,"}
    # What is checked above does show when it happens; and the page's policy refuses it.
    answer = page("return fetch('https://example.org/x').then(() => 'answered', (error) => String(error))")
    assert "TypeError" in answer
    assert any("Content Security Policy" in line for line in page.log())


def test_numbers_as_in_the_terminal(page: Page) -> None:
    rng = random.Random(0)
    numbers = [0, 1, 7, 999, 1000, 1234567, 0.5, 0.25, 1.5, 12.24, 999.4, 1e6, 2.5e-3, 1e-4, 3.7e-5, 0.0123]
    numbers += [rng.random() * 10 ** rng.randrange(-6, 9) for _ in range(300)]
    cases = [(int(n) if kind in ("integer", "bytes") else float(n), kind) for n in numbers for kind in
             ("number", "integer", "bytes", "seconds", "text")]  # fmt: skip
    cases += [(rng.random() ** rng.randrange(1, 9), "share") for _ in range(300)]
    cases += [(1 - rng.random() ** rng.randrange(4, 9), "share") for _ in range(300)] + [
        (0.0, "share"),
        (1.0, "share"),
    ]
    cases += [(None, "number"), (True, "text"), (False, "text"), ("x", "text"), (["a", "b"], "text")]
    found = page("return arguments[0].map(([value, kind]) => bpetk.value(value, kind))", cases)
    expected = [value_text("a" if isinstance(v, list) else v, kind) for v, kind in cases]
    wrong = [
        (case, ours, theirs)
        for case, ours, theirs in zip(cases, found, expected, strict=True)
        if ours != theirs
    ]
    assert not wrong


def test_cards_and_tables(page: Page) -> None:
    cards = dict(
        zip(
            page.seen("#inspect-0-composition dt"),
            page.seen("#inspect-0-composition [data-figure]"),
            strict=True,
        )
    )
    assert cards == {
        "tokens": "1,234,567",
        "Han tokens": "23.4 %",
        "file": "71.7 kB",
        "time": "12.3 ms",
        "premium": "-",
        "lossless": "yes",
    }
    box = ".result[data-table='0.1.0']"
    rows = page.seen(f"{box} tbody td")
    assert rows[:4] == ["one", '"</script><b>x"', "4.500", "500 ms"]
    assert [e.text for e in page.driver.find_elements("css selector", f"{box} td.best")] == [
        "250 ms"
    ]  # of the numbers two are equal
    assert page(
        "const table = bpetk.data.results[0].sections[1].tables[0];"
        "return [bpetk.best(table, 2), bpetk.best(table, 3),"
        " bpetk.best({ ...table, columns: table.columns.slice(1) }, 1)]"
    ) == [None, 0.25, None]
    heading = f"{box} th:nth-child(4) button"
    page.one(heading).click()
    assert page.seen(f"{box} tbody td:first-child") == ["one", "three", "two"]  # what is not there comes last
    page.one(heading).send_keys("\n")
    assert page.seen(f"{box} tbody td:first-child") == ["three", "one", "two"]
    assert page.one(f"{box} th:nth-child(4)").get_attribute("aria-sort") == "ascending"


def test_charts_have_their_numbers(page: Page) -> None:
    figure = page.one("figure[data-chart='0.1.0']")
    page("arguments[0].scrollIntoView(); arguments[0].querySelector('details').open = true", figure)
    page.until("document.querySelector(\"figure[data-chart='0.1.0'] td\")")
    assert len(page.seen("figure[data-chart='0.1.0'] tbody tr")) == 7
    page.until("bpetk.charts.has(document.querySelector(\"figure[data-chart='0.1.0']\"))")
    points = page("return bpetk.charts.get(arguments[0]).data.datasets.map((series) => series.data)", figure)
    assert points[0] == [{"x": 1, "y": 0.1}, {"x": 10, "y": 0.02}, {"x": 100, "y": 0.001}]
    # A value that is not there is no point on a scale that has a zero either.
    assert page("return bpetk.datasets({ ...bpetk.chart('0.1.0'), log_y: false })[0].data") == points[0]


def test_language_switch(page: Page) -> None:
    assert page.driver.title == "Tokenizer report"
    page.one("#language").send_keys("\n")
    assert page.driver.title == "分词器报告"
    text = page.one("body").text
    for part in ("词表构成", "全部词元", "请用更多中文文本训练。", "切分演示", "溢价", "个词元", "普通"):
        assert part in text
    for part in ("What is in", "Train with", "Playground", "All tokens", "premium", "normal\n", "show ids"):
        assert part not in text
    page.one("#language").send_keys("\n")
    assert "What is in the vocabulary" in page.one("body").text and "词表构成" not in page.one("body").text


def test_narrow_and_dark(page: Page) -> None:
    page.wide(1200, dark=False)
    light = page("return getComputedStyle(document.body).backgroundColor")
    page.wide(360, dark=True)
    page.until("innerWidth === 360")
    assert page("return getComputedStyle(document.body).backgroundColor") != light
    assert page("return document.documentElement.scrollWidth") == 360
    page("bpetk.setLanguage('zh-CN')")
    assert page("return document.documentElement.scrollWidth") == 360
    page.one("#theme").click()
    assert page("return getComputedStyle(document.body).backgroundColor") == light


def test_tokens_as_in_the_terminal(page: Page, models: dict[str, bpetk.Tokenizer]) -> None:
    table = TokenTable.of(models["cl100k"])
    found = page(
        "const words = bpetk.vocabulary(arguments[0]);"
        "return words.present.map((id) => words.name(id) ?? words.text(id))",
        list(models).index("cl100k"),
    )
    assert [f'"{text}"' for text in found] == [table.readable(id) for id in range(table.size)]
    odd = [*map(chr, range(0x300)), "\u2028", "\U000e0041", "\ufeff", "\ue000", "😀", '"\\', "\udbff"]
    tokens = [list(text.encode("utf-8", "surrogatepass")) for text in odd]
    tokens += [
        [0xE4],
        [0xE4, 0xBD],
        [0xC0, 0x80],
        [0xE0, 0x80, 0x80],
        [0xF0, 0x80, 0x80, 0x80],
        [0xED, 0xA0, 0x80],
        [0xF4, 0x90, 0x80, 0x80],
        [0x80, 0x41, 0xFF],
    ]
    shown = page("return arguments[0].map((bytes) => bpetk.readable(Uint8Array.from(bytes)))", tokens)
    assert [f'"{text}"' for text in shown] == [bpetk.readable.readable(bytes(token)) for token in tokens]


def test_filters(page: Page, models: dict[str, bpetk.Tokenizer]) -> None:
    table = TokenTable.of(next(iter(models.values())))
    texts = [table.names[id] or table.readable(id)[1:-1] for id in range(table.size)]
    every = range(table.size)
    assert page.ids() == list(every)
    assert page.ids(search="th") == [id for id in every if "th" in texts[id].lower()] != []
    assert page.ids(search="Th") == [id for id in every if "Th" in texts[id]] != []
    assert page.ids(search=" ") == [id for id in every if " " in texts[id]]
    assert page.ids(search="/^ [A-Z]/") == [id for id in every if texts[id][:1] == " " and texts[id][1:2].isascii()
                                            and texts[id][1:2].isupper()] != []  # fmt: skip
    han = [key for key, _ in SCRIPTS].index("han")
    assert page.ids(script=str(han), length="2") == [
        id for id in every if table.script[id] == han and table.n_chars[id] >= 2
    ]
    assert page.ids(kind="1") == [texts.index("<|end|>")]
    assert page.ids(integrity="1") == [id for id in every if table.integrity[id] == 1] != []
    before = page.ids(search="th")
    assert page.ids(search="/(/") == before  # not a pattern: told, and the rows stay
    assert "not a regular expression" in page.one("#v-status").text
    page.ids(search="zzzzzz")
    assert page.one("#v-status").text == f"0 of {table.size:,} tokens"


def test_typing_filters(page: Page) -> None:
    page.one("#v-search").send_keys("the")
    page.until("bpetk.counted[0] < 100")
    assert page("return bpetk.grid.ids") == page.ids(search="the")


def test_sorting_and_rows_in_view(page: Page, models: dict[str, bpetk.Tokenizer]) -> None:
    table = TokenTable.of(next(iter(models.values())))
    page.ids()
    assert len(page.driver.find_elements("css selector", ".vbody .vrow")) < 60
    page.one(".vhead > div:nth-child(5) button").click()
    by_bytes = sorted(range(table.size), key=lambda id: (-int(table.n_bytes[id]), id))
    assert page("return bpetk.grid.ids") == by_bytes
    assert page.one(".vbody .vrow > div").text == str(by_bytes[0])
    page.one("#v-table").send_keys("\ue010")  # End
    page.until("document.querySelector('.vbody .active')")
    assert page.one(".vbody .active > div").text == str(by_bytes[-1])
    assert str(by_bytes[-1]) in page.one("#v-detail").text
    page.one("#v-table").send_keys("\ue013")  # up
    assert page.one(".vbody .active > div").text == str(by_bytes[-2])
    assert len(page.driver.find_elements("css selector", ".vbody .vrow")) < 60
    page.one(".vhead > div:nth-child(5) button").click()
    assert page("return bpetk.grid.ids") == sorted(
        range(table.size), key=lambda id: (int(table.n_bytes[id]), id)
    )
    assert page("return bpetk.grid.box.scrollTop") == 0


def test_samples_in_tokens(page: Page, models: dict[str, bpetk.Tokenizer]) -> None:
    for at, sample in enumerate(sample_lines()):
        page.one(f"#p-lines button:nth-child({at + 1})").click()
        boxes = page.driver.find_elements("css selector", "#p-segments > div")
        for box, tokenizer in zip(boxes, models.values(), strict=True):
            ids = tokenizer.encode(sample.text)
            shown = page(
                "return [...arguments[0].querySelectorAll('small')].map((e) => Number(e.textContent))", box
            )
            assert shown == ids
            partial = page(
                "return [...arguments[0].querySelectorAll('.partial .what')].map((e) => e.textContent)", box
            )
            whole = [tokenizer.id_to_bytes(id) for id in ids]
            assert partial == [_mixed(token) for token in whole if not _is_text(token)]
    assert partial  # the last sample does break characters
    page.one("#p-ids").click()
    assert not page.one("#p-segments small").is_displayed()


def _mixed(token: bytes) -> str:
    """Whole characters, and bytes of others in hexadecimal."""
    text = token.decode("utf-8", "surrogateescape")
    return "\u2009".join(f"{ord(c) - 0xDC00:02x}" if "\udc80" <= c <= "\udcff" else c for c in text)


def _is_text(token: bytes) -> bool:
    try:
        token.decode()
    except UnicodeDecodeError:
        return False
    return True


ENCODE = """
const engine = bpetk.engine(arguments[0]);
return arguments[1].map((text) => {
  const refusal = engine.refusal(text);
  return refusal ? refusal[0] : engine.encode(text);
});
"""


def _lines(seed: int) -> list[str]:
    rng = random.Random(seed)
    lines = [
        line
        for name in ("en.txt", "zh.txt")
        for line in (PROJECT / "corpora" / name).read_text(encoding="utf-8").split("\n")
    ]
    lines += [adversarial_text(rng, rng.randrange(1, 30)) for _ in range(900)]
    lines += [unicode_text(rng, rng.randrange(1, 30)) for _ in range(300)]
    return [*lines, "", "a" * 3000, "ab" * 2000, "中" * 2000, " " * 3000 + "x"]


def _check(page: Page, at: int, tokenizer: bpetk.Tokenizer, lines: list[str]) -> int:
    """Compare what page and library make of lines; give how many the page refused."""
    found = page(ENCODE, at, lines)
    refused = 0
    for line, ids in zip(lines, found, strict=True):
        if isinstance(ids, str):
            refused += 1
        else:
            assert ids == tokenizer.encode(line), line
    return refused


@pytest.mark.parametrize("scheme", CUTTING)
def test_typed_text_is_exact(page: Page, models: dict[str, bpetk.Tokenizer], scheme: str) -> None:
    lines = _lines(CUTTING.index(scheme))
    assert len(lines) > 2000
    refused = _check(page, list(models).index(scheme), models[scheme], lines)
    assert refused == sum("<|end|>" in line or not _is_valid(line) for line in lines)


def _is_valid(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def test_typing(page: Page, models: dict[str, bpetk.Tokenizer]) -> None:
    text = "I'll 写 12345 lines…"
    page("document.getElementById('p-text').value = arguments[0];"
         "document.getElementById('p-text').dispatchEvent(new Event('input'))", text)  # fmt: skip
    page.until("bpetk.shown.text !== undefined")
    ids = page(
        "return [...document.querySelectorAll('#p-segments > div')].map("
        "(box) => [...box.querySelectorAll('small')].map((e) => Number(e.textContent)))"
    )
    assert ids == [tokenizer.encode(text) for tokenizer in models.values()]
    page("bpetk.showTyped('a <|end|> b')")
    assert "the text holds the added token <|end|>" in page.one("#p-status").text
    assert page.seen("#p-segments > div") == []
    page("bpetk.showTyped('\\ud800')")
    assert "surrogate" in page.one("#p-status").text


def test_lines_that_cannot_be_encoded(driver: Any, tmp_path: Path) -> None:
    small = bpetk.train_from_iterator(["abab"], 3, alphabet="observed")
    write_page(tmp_path / "small.html", [handmade()], models={"small": small})
    page = Page(driver, tmp_path / "small.html")
    assert "bytes that are not in the vocabulary" in page.one("#p-segments").text
    assert not page.one("#p-typed").is_displayed()  # nor can text be typed
    assert page.log() == []


REAL = [
    ("o200k", "tokenizers/o200k_base/o200k_base.tiktoken", {"scheme": "o200k"}),
    ("qwen3", "tokenizers/qwen3/tokenizer.json", {}),
    ("llama3", "tokenizers/llama3/tokenizer.json", {}),
]


@pytest.mark.slow
def test_real_models(driver: Any, shared_file: Callable[..., Path], tmp_path: Path) -> None:
    """A page of a vocabulary of 200,000 is below 25 MB and there in 3 s; typed text is exact, NFC or not."""
    lines = _lines(99)
    for name, path, options in REAL:
        tokenizer = bpetk.Tokenizer.from_file(shared_file(path), **options)
        file = tmp_path / f"{name}.html"
        write_page(file, [handmade()], models={name: tokenizer})
        assert file.stat().st_size < 25_000_000
        page = Page(driver, file)
        assert page("return bpetk.ready")
        assert page("return performance.getEntriesByType('navigation')[0].loadEventEnd") < 3000
        refused = _check(page, 0, tokenizer, lines)
        assert (refused > 0) == (name == "qwen3") and refused < 0.4 * len(lines)
        assert page.log() == []
