"""Encoding under load: hostile texts, threads that share a tokenizer, forks, memory."""

from __future__ import annotations

import gc
import multiprocessing
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from adversarial import random_text as hard_text
from random_models import bpe_model, plain_model, random_text

import bpetk
from bpetk._encode_document import Plan
from bpetk.definition import Definition, Sections
from bpetk.errors import BpetkError
from bpetk.machine import resident_bytes
from bpetk.reference import scan
from bpetk.reference.encode import first_symbols, merge_symbols
from bpetk.special_tokens import AddedToken
from bpetk.tokenizer import Tokenizer

CORPORA = Path(__file__).parents[2] / "corpora"
EN, ZH = CORPORA / "en.txt", CORPORA / "zh.txt"
SCHEMES = ["gpt2", "cl100k", "o200k", "kimi_k2", "deepseek_v3", "whitespace", "none"]
needs_proc = pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="needs /proc")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
MEGABYTE = 1_000_000


@cache
def trained(scheme: str) -> Tokenizer:
    special = ["<|endoftext|>", "<|a b|>"]
    lines = [*EN.read_text("utf-8").splitlines(), *ZH.read_text("utf-8").splitlines()][
        :: 1 if scheme != "none" else 20
    ]
    return bpetk.train_from_iterator(lines, 2000, special_tokens=special, scheme=scheme)


# --- hostile texts --------------------------------------------------------------------------------------------------


def hostile(kind: str) -> str:
    """A megabyte, about."""
    rng = random.Random(kind)
    if kind == "random bytes":
        return rng.randbytes(MEGABYTE * 2 // 3).decode("utf-8", "replace")
    if kind == "Han":
        return "".join(map(chr, rng.choices(range(0x4E00, 0x9FA5), k=MEGABYTE // 3)))
    if kind == "Han of the text":
        return "".join(rng.choices([*"猫坐在垫子上吃了老鼠然后睡中文字的一是"], k=MEGABYTE // 3))
    if kind == "marks":
        return "a" + "".join(rng.choices([*"\u0301\u0327\u0316"], k=MEGABYTE // 2))
    if kind == "letters":
        return "".join(rng.choices("abcdefgh", k=MEGABYTE))
    unit = {
        "a": "a",
        "blanks": " ",
        "line ends": "\n",
        "first character": "<",
        "begins a token": "<|endoftext|",
        "tokens": "<|endoftext|>",
        "emoji": "😀",
        "digits": "1",
        "quotes": "'",
        "one character": "猫",
        "NUL": "\0",
        "words": "the ",
    }[kind]
    return unit * (MEGABYTE // len(unit.encode()))


KINDS = "a|blanks|line ends|first character|begins a token|tokens|emoji|digits|quotes|one character|NUL|words|letters"
KINDS += "|marks|Han|Han of the text|random bytes"


@pytest.mark.parametrize("kind", KINDS.split("|"))
@pytest.mark.parametrize("scheme", ["gpt2", "cl100k", "none"])
def test_a_megabyte_takes_less_than_a_second(kind: str, scheme: str) -> None:
    tok, text = trained(scheme), hostile(kind)
    tok.encode("warm")
    start = time.perf_counter()
    ids = tok.encode(text, allowed_special="all")
    assert time.perf_counter() - start < 2  # slow machines; it is a tenth of a second and less
    assert tok.decode(ids) == text
    assert tok.count(text.encode(), allowed_special="all") == len(ids)


@pytest.mark.parametrize("kind", ["a", "Han", "blanks", "marks", "first character"])
def test_dropout_takes_no_quadratic_time(kind: str) -> None:
    tok, text = trained("none"), hostile(kind)[:300_000]
    for dropout in (0.1, 0.5, 0.9):
        start = time.perf_counter()
        ids = tok.encode(text, dropout=dropout, seed=1)
        assert time.perf_counter() - start < 5
        assert tok.decode(ids) == text


@pytest.mark.parametrize("kind", ["marks", "random bytes", "tokens", "begins a token"])
def test_hostile_texts_on_the_general_way(kind: str) -> None:
    """Normalized, with tokens that look at their neighbours."""
    tokens = (*trained("gpt2").model.added_tokens, AddedToken("<|endoftext|", 5000, lstrip=True, rstrip=True))
    model = replace(trained("gpt2").model, added_tokens=tokens)
    tok = Tokenizer(Definition(model, Sections(normalizer={"type": "NFC"})))
    text = hostile(kind)[: MEGABYTE // 4]
    start = time.perf_counter()
    ids = tok.encode(text, allowed_special="all")
    assert time.perf_counter() - start < 10
    assert tok.count(text, allowed_special="all") == len(ids)


def test_many_small_documents() -> None:
    tok = trained("gpt2")
    texts = ["", "a", "é", "the cat", "猫"] * 40_000
    start = time.perf_counter()
    rows = tok.encode_batch(texts, threads=2)
    assert time.perf_counter() - start < 5
    assert rows[:5] == [tok.encode(text) for text in texts[:5]] and rows[-5:] == rows[:5]


def test_texts_that_are_not_encoded_natively_cost_no_more() -> None:
    """Each would else make a worker of eight megabytes."""
    tok = Tokenizer(Definition(trained("gpt2").model, Sections(normalizer={"type": "NFC"})))
    assert tok.encode("e\u0301") == tok.encode("é")
    start = time.perf_counter()
    for _ in range(2000):
        tok.encode("e\u0301")
    assert time.perf_counter() - start < 0.5


# --- threads --------------------------------------------------------------------------------------------------------


def test_threads_that_share_a_tokenizer() -> None:
    tok = trained("cl100k")
    rng = random.Random(1)
    texts = [hard_text(rng, rng.choice((3, 30, 300))) for _ in range(150)] + [EN.read_text("utf-8")[:50_000]]
    expected = [Tokenizer(tok.definition).encode(text) for text in texts]

    def job(number: int) -> list[list[int]]:
        if number % 3 == 0:
            return [tok.encode(text) for text in texts]
        if number % 3 == 1:
            return tok.encode_batch(texts, threads=3)
        return [tok.encode_with_offsets(text).ids for text in texts]

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(6) as pool:
            assert all(found == expected for found in pool.map(job, range(18)))
    finally:
        sys.setswitchinterval(interval)


def test_a_first_use_in_many_threads_at_once() -> None:
    """What is made when first asked for is made once, or twice the same."""
    expected = trained("gpt2").encode(ZH.read_text("utf-8")[:5000], disallowed_special=())
    for _ in range(5):
        tok = Tokenizer(trained("gpt2").definition)
        with ThreadPoolExecutor(8) as pool:
            found = pool.map(
                lambda _, tok=tok: tok.encode(ZH.read_text("utf-8")[:5000], disallowed_special=()), range(8)
            )
            assert list(found) == [expected] * 8
            decoded = pool.map(lambda _, tok=tok: tok.decode(expected), range(8))
            assert set(decoded) == {ZH.read_text("utf-8")[:5000]}


# --- forks ----------------------------------------------------------------------------------------------------------


@needs_fork
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_after_a_fork() -> None:
    tok = trained("gpt2")
    texts = EN.read_text("utf-8").splitlines()[:2000]
    expected = tok.encode_batch(texts, threads=2)  # warm, threads were running
    counts = tok.encode_file(EN)[0]
    children = []
    for number in range(3):
        pid = os.fork()
        if pid == 0:
            try:
                fine = (
                    tok.encode_batch(texts, threads=number) == expected
                    and tok.encode(texts[0]) == expected[0]
                    and tok.decode(expected[3]) == texts[3]
                    and (tok.encode_file(EN, threads=2)[0] == counts).all()
                )
            except BaseException:
                fine = False
            os._exit(0 if fine else 1)
        children.append(pid)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0, 0, 0]
    assert tok.encode_batch(texts, threads=2) == expected


@needs_fork
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_workers_of_multiprocessing() -> None:
    tok = trained("gpt2")
    texts = [line for line in ZH.read_text("utf-8").splitlines()[:200] if line]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(tok.encode, texts, chunksize=20) == [tok.encode(text) for text in texts]


# --- memory ---------------------------------------------------------------------------------------------------------


def grown_by(call: Callable[[], Any], times: int) -> int:
    for _ in range(3):
        call()
    gc.collect()
    before = resident_bytes()
    for _ in range(times):
        call()
    gc.collect()
    return resident_bytes() - before


@needs_proc
def test_memory_goes_back() -> None:
    tok = trained("gpt2")
    text = ZH.read_text("utf-8")
    model = plain_model(3)
    odd = random_text(random.Random(1), model, 300)

    def use() -> None:
        tok.encode(text, disallowed_special=())
        tok.encode_batch([text[:20_000]] * 20, threads=3)
        tok.encode_to_numpy(text, threads=2)
        tok.encode_with_offsets(text[:5000])
        tok.encode(text[:5000], dropout=0.5)
        other = Tokenizer(bpe_model(model, "gpt2"))
        other.encode(odd)
        for bad in ("a\ud800", b"\xff", "<|endoftext|>"):
            with pytest.raises(BpetkError):
                tok.encode(bad)
            with pytest.raises(BpetkError):
                tok.encode_batch(["a", bad])

    assert grown_by(use, 15) < 12 << 20


@needs_proc
@pytest.mark.parametrize("kind", ["one character", "a", "Han of the text"])
def test_a_long_text_leaves_no_memory_behind(kind: str) -> None:
    tok = trained("none")
    tok.encode("a")
    gc.collect()
    before = resident_bytes()
    ids = tok.encode_to_numpy(hostile(kind) * 20)
    assert len(ids) > 1000
    del ids
    tok.count(hostile(kind) * 20)
    gc.collect()
    assert resident_bytes() - before < 24 << 20


PEAK = """
import sys, bpetk
from bpetk import Tokenizer, machine
tok = Tokenizer.from_file(sys.argv[1])
separator = "\\n" if sys.argv[3] == "lines" else None
tok.encode("warm")
before, total = machine.peak_resident_bytes(), 0
for ids, ends in tok.iter_encode_file(sys.argv[2], separator=separator, threads=2):
    total += len(ids)
print(machine.peak_resident_bytes() - before, total)
"""


@needs_proc
@pytest.mark.slow
@pytest.mark.parametrize("how", ["lines", "one document"])
def test_memory_does_not_follow_the_size_of_a_file(how: str, tmp_path: Path) -> None:
    tok = trained("gpt2")
    tok.save(tmp_path / "tok")
    text = (EN.read_bytes() + ZH.read_bytes()) * 5
    path = tmp_path / "large.txt"
    with path.open("wb") as file:
        while file.tell() < 200_000_000:
            file.write(text)
    times = path.stat().st_size // len(text)
    path_one = tmp_path / "one.txt"
    path_one.write_bytes(text)
    command = [sys.executable, "-c", PEAK, str(tmp_path / "tok"), str(path), how]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=250, check=True)
    peak, total = map(int, done.stdout.split())
    assert peak < 300 << 20
    one = len(tok.encode_file(path_one, separator="\n" if how == "lines" else None)[0])
    assert abs(total - one * times) <= 2 * times


@pytest.mark.slow
def test_random_models_and_texts_for_a_while() -> None:
    """Against merging in plain Python; other models in every run."""
    begin, seed = time.monotonic(), random.randrange(10**9)
    while time.monotonic() - begin < 20:
        seed += 1
        model, rng = plain_model(seed), random.Random(seed)
        scheme = rng.choice(SCHEMES)
        encoder, rules = model.encoder(scheme, line_bits=rng.choice((1, 6, 12))), model.rules
        for _ in range(3):
            text = random_text(rng, model, rng.choice((100, 1000, 4000)))
            words = [word.encode() for word in scan.split(text, scheme)]
            symbols = [[id for id, _ in first_symbols(word, rules)] for word in words]
            wanted = [id for word in symbols for id in merge_symbols(word, rules.merges)]
            for tier in ("portable", None):
                assert encoder.encode(text, Plan(), tier=tier) == wanted, (seed, scheme)
