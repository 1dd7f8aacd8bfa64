"""Make the pictures of the documentation: train on the project's own texts, analyze, photograph the page.

    python docs/make_pictures.py

Needs Chromium with its driver, and the packages of the extra ``dev``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from selenium import webdriver

PROJECT = Path(__file__).resolve().parents[1]
TARGET = PROJECT / "docs" / "analysis"
ZH, EN = PROJECT / "corpora" / "zh.txt", PROJECT / "corpora" / "en.txt"
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-dev-shm-usage "
    "--disable-background-networking --disable-component-update --disable-sync --hide-scrollbars"
).split()
MODELS = {"zh-en-4000": (ZH, EN), "en-4000": (EN,)}
# Name, section it begins at, width and height, language, dark.
PICTURES = (
    ("page-en", "compare-4-costs", 1100, 900, "en", False),
    ("page-zh", "inspect-0-lengths", 1100, 900, "zh-CN", True),
    ("playground", "playground", 1100, 760, "en", False),
    ("phone-zh", "playground", 390, 780, "zh-CN", False),
)


def bpetk(*arguments: str | Path) -> None:
    """Run a command."""
    subprocess.run([sys.executable, "-m", "bpetk", *map(str, arguments)], check=True, cwd=PROJECT)


def browser(folder: str) -> Any:
    """Start one that nobody sees."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for flag in [*FLAGS, f"--user-data-dir={folder}"]:
        options.add_argument(flag)
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))


def photograph(driver: Any, page: Path) -> None:
    """Take the pictures of a page."""
    for name, anchor, width, height, language, dark in PICTURES:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        driver.get(page.as_uri())
        driver.execute_script(f"document.documentElement.dataset.theme = '{'dark' if dark else 'light'}'")
        driver.execute_script("bpetk.setLanguage(arguments[0])", language)
        driver.execute_script(
            "document.getElementById(arguments[0]).scrollIntoView({ behavior: 'instant' })", anchor
        )
        # Two frames later what has come into view is drawn.
        driver.execute_async_script(
            "const done = arguments[0]; setTimeout(() => requestAnimationFrame(done), 700)"
        )
        driver.save_screenshot(str(TARGET / f"{name}.png"))


def main() -> None:
    """Make them all."""
    with tempfile.TemporaryDirectory() as folder:
        for name, texts in MODELS.items():
            bpetk("train", *texts, "--vocab", "4000", "--out", Path(folder, name))
        first, second = (Path(folder, name) for name in MODELS)
        page = Path(folder, "report.html")
        texts = [path.relative_to(PROJECT) for path in (ZH, EN)]
        bpetk("report", first, *texts, "--compare", second, "--html", page)
        driver = browser(str(Path(folder, "browser")))
        try:
            photograph(driver, page)
        finally:
            driver.quit()


if __name__ == "__main__":
    main()
