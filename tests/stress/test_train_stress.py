"""Training under load: interrupted, several at once, over and over, on large and many files."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from adversarial import random_text

import bpetk
from bpetk.reference import scan
from bpetk.reference.train import train
from bpetk.report import Progress

CORPORA = Path(__file__).parents[2] / "corpora"
EN, ZH = CORPORA / "en.txt", CORPORA / "zh.txt"
SCHEMES = ["gpt2", "cl100k", "cl100k_tiktoken", "qwen2", "o200k", "whitespace", "none"]
needs_proc = pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="needs /proc")


def synthetic(size: int, letters: str = "etaoinshrdlu", gaps: int = 40) -> bytes:
    """``size`` bytes of words that hardly ever occur twice; of 256 characters, ``gaps`` are white space."""
    spaces = b" " * (gaps - gaps // 8) + b"\n" * (gaps // 8)
    table = (letters.encode() * 256)[: 256 - gaps] + spaces
    return random.Random(size).randbytes(size).translate(table)


# Ctrl-C

INTERRUPTED = """
import gc, json, os, sys, threading, time
import bpetk
from bpetk import trainer

how, path, stage, threads, vocab_size, work = sys.argv[1:]
trainer.INTERVAL = 0
seen = set()

def progress(state):
    if state.stage not in seen and state.done > 0:
        seen.add(state.stage)
        print(state.stage, flush=True)

def documents():
    with open(path, encoding="utf-8") as file:
        yield from file

# What imports and a first training leave running is not meant.
bpetk.train_from_iterator(["ab ab"], 257, threads=2)
tasks = len(os.listdir("/proc/self/task"))
try:
    if how == "files":
        bpetk.train(path, int(vocab_size), threads=int(threads), progress=progress, hash_inputs=True)
    else:
        bpetk.train_from_iterator(documents(), int(vocab_size), threads=int(threads), progress=progress)
except KeyboardInterrupt:
    stopped = time.monotonic()
else:
    sys.exit("it finished")
gc.collect()
left = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
print(json.dumps([stopped, left, len(os.listdir("/proc/self/task")) - tasks]), flush=True)
"""


@needs_proc
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("how", "stage"), [("files", "count"), ("files", "merge"), ("iterator", "count"), ("iterator", "merge")]
)
def test_ctrl_c(how: str, stage: str, threads: int, tmp_path: Path) -> None:
    """A signal ends it within a second or so, and leaves nothing running."""
    path = tmp_path / "large.txt"
    path.write_bytes(synthetic(16_000_000))
    command = [sys.executable, "-c", INTERRUPTED, how, str(path), stage, str(threads), "60000", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            while (line := process.stdout.readline().strip()) != stage:
                assert line, process.stderr.read()
            time.sleep(0.05)
            sent = time.monotonic()
            process.send_signal(signal.SIGINT)
            rest = process.stdout.read()
            assert process.wait(30) == 0, process.stderr.read()
        finally:
            process.kill()
    stopped, threads_left, tasks_left = json.loads(rest.splitlines()[-1])
    assert stopped - sent < 2
    assert threads_left == []
    assert tasks_left == 0


# Several at once


def test_trainings_in_several_threads_at_once() -> None:
    jobs: list[dict[str, Any]] = [
        {"scheme": scheme, "vocab_size": size, "threads": threads, "special_tokens": [f"<{scheme}>"]}
        for scheme in SCHEMES[:5]
        for size, threads in ((700, 1), (1500, 3))
    ]
    expected = [bpetk.train([EN, ZH], **job) for job in jobs]
    with ThreadPoolExecutor(6) as pool:
        for _ in range(2):
            found = list(pool.map(lambda job: bpetk.train([EN, ZH], **job), jobs))
            assert found == expected


def test_one_of_several_fails(tmp_path: Path) -> None:
    """An error in one training is no concern of the others."""
    bad = tmp_path / "bad.txt"
    bad.write_bytes(EN.read_bytes() + b"\xff\n")
    expected = bpetk.train(EN, 1000)

    def job(number: int) -> Any:
        try:
            return bpetk.train([EN, bad][number % 2], 1000, threads=2)
        except bpetk.BpetkError as error:
            return str(error)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(job, range(12)))
    assert found[::2] == [expected] * 6
    assert all("invalid UTF-8" in message for message in found[1::2])
    assert len(set(found[1::2])) == 1


def test_progress_of_several_at_once_is_not_mixed_up() -> None:
    def job(size: int) -> list[Progress]:
        seen: list[Progress] = []
        bpetk.train(EN, size, progress=seen.append, threads=2)
        return seen

    sizes = [600, 800, 1000, 1200]
    with ThreadPoolExecutor(4) as pool:
        for size, seen in zip(sizes, pool.map(job, sizes), strict=True):
            assert {state.total for state in seen if state.stage == "merge"} == {size - 256}


# Over and over

REPEATED = """
import sys, bpetk
from bpetk import machine
def use():
    for scheme in ("cl100k", "whitespace"):
        tok = bpetk.train(sys.argv[1:], 1500, scheme=scheme, threads=3)
        tok.encode("some text 文字"), tok.train_report.tokens
for _ in range(4):
    use()
before = machine.resident_bytes()
for _ in range(25):
    use()
print(machine.resident_bytes() - before)
"""


@needs_proc
def test_memory_goes_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", REPEATED, str(EN), str(ZH)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert int(done.stdout) < 8 << 20


DETERMINED = """
import sys, bpetk
tok = bpetk.train(sys.argv[2:], 2000, scheme="o200k", special_tokens=["<s>", "</s>"], threads=0, hash_inputs=True)
tok.save(sys.argv[1], roles={"eos": "</s>"})
"""


def test_two_processes_write_the_same(tmp_path: Path) -> None:
    written = []
    for seed in ("1", "2"):
        out = tmp_path / seed
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run(
            [sys.executable, "-c", DETERMINED, out, EN, ZH], env=environment, timeout=60, check=True
        )
        files = {path.name: path.read_bytes() for path in out.iterdir()}
        manifest = json.loads(files.pop("manifest.json"))
        assert manifest.pop("timing")
        written.append((files, manifest))
    assert written[0] == written[1]
    assert "tokenizer.json" in written[0][0]


# Large and many

PEAK = """
import sys, bpetk, warnings
warnings.simplefilter("ignore")
from bpetk import machine
how, path = sys.argv[1:3]
if how == "files":
    tok = bpetk.train(path, 600, threads=2)
else:
    with open(path, encoding="utf-8") as file:
        tok = bpetk.train_from_iterator(file, 600, threads=2)
print(machine.peak_resident_bytes(), tok.train_report.distinct_words)
"""


@needs_proc
@pytest.mark.parametrize("how", ["files", "iterator"])
def test_memory_does_not_follow_the_size_of_the_text(how: str, tmp_path: Path) -> None:
    """The same text again and again has no more distinct words."""
    text = EN.read_bytes() + ZH.read_bytes()
    peaks = []
    for times in (10, 300):
        path = tmp_path / f"{times}.txt"
        with path.open("wb") as file:
            for _ in range(times):
                file.write(text)
        done = subprocess.run(
            [sys.executable, "-c", PEAK, how, str(path)],
            capture_output=True,
            text=True,
            timeout=100,
            check=True,
        )
        peak, distinct = map(int, done.stdout.split())
        peaks.append(peak)
    assert distinct < 60_000
    # 42 MB against 1.4 MB.
    assert peaks[1] - peaks[0] < 12 << 20


def test_many_files(tmp_path: Path) -> None:
    lines = (EN.read_bytes() + ZH.read_bytes()).splitlines(keepends=True)
    for number in range(2000):
        folder = tmp_path / f"{number // 100:02}"
        folder.mkdir(exist_ok=True)
        (folder / f"{number:04}.txt").write_bytes(b"".join(lines[number::2000]))
    whole = bpetk.train([EN, ZH], 2000)
    for threads in (1, 3):
        assert bpetk.train(tmp_path, 2000, threads=threads) == whole
    assert bpetk.train(f"{tmp_path}/*/*.txt", 2000) == whole


@pytest.mark.parametrize("kind", ["spaced", "chinese", "one word"])
def test_one_line_of_megabytes(kind: str, tmp_path: Path) -> None:
    """Cut for threads where there are safe places for it, and not at all where there are none."""
    if kind == "chinese":
        characters = str.maketrans(dict(enumerate([*"中文字的一是，不了在。人有我"] * 20)))
        text = random.Random(1).randbytes(2_500_000).decode("latin-1").translate(characters).encode()
    else:
        text = synthetic(7_000_000).replace(b"\n", b" ")
    if kind == "one word":
        text = text.replace(b" ", b"")[:3_000_000]
    path = tmp_path / "line.txt"
    path.write_bytes(text)
    merges = {threads: bpetk.train(path, 700, threads=threads, scheme="gpt2").merges for threads in (1, 2, 7)}
    assert merges[1] == merges[2] == merges[7]
    # A line without its line feed is the same text as a document.
    document = bpetk.train_from_iterator([text.decode()], 700, threads=3, scheme="gpt2")
    assert document.merges == merges[1]


@pytest.mark.slow
@pytest.mark.parametrize("corpus", ["en", "zh", "mixed"])
def test_whole_corpora_do_not_depend_on_threads(corpus: str, shared_corpus: Callable[..., Path]) -> None:
    path = shared_corpus(corpus)
    hashes = set()
    for threads in (1, 2, 7):
        tok = bpetk.train(path, 32_000, threads=threads, scheme="gpt2")
        report = tok.train_report
        assert report is not None
        state = (tok.merges, list(report.counts), list(report.applied), report.scripts)
        hashes.add(hashlib.sha256(repr(state).encode()).hexdigest())
    assert len(hashes) == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::bpetk.errors.VocabularySizeWarning")
def test_random_text_and_options_for_a_while() -> None:
    """Through the whole library, against the reference; other text in every run."""
    seed = random.randrange(10**9)
    rng = random.Random(seed)
    begin = time.monotonic()
    while time.monotonic() - begin < 20:
        scheme = rng.choice(SCHEMES)
        documents = [random_text(rng, rng.choice((3, 30, 300))) for _ in range(rng.randint(1, 5))] + ["a"]
        options: dict[str, Any] = {
            "min_frequency": rng.choice([0, 2]),
            "max_token_length": rng.choice([None, 3, 6]),
            "special_tokens": rng.choice([(), ("<s>", "a", "ab")]),
            "alphabet": rng.choice(["bytes", "observed"]),
        }
        words = Counter(piece.encode() for text in documents for piece in scan.split(text, scheme))
        expected = train(words, 500, **options)
        threads = rng.choice([1, 2, 5])
        tok = bpetk.train_from_iterator(documents, 500, scheme=scheme, threads=threads, **options)
        assert tok.model.merge_ids == expected.merges, seed
