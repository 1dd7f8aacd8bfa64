"""The native counter: the counts are those of the scanner however text is cut into calls, workers and threads."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from adversarial import BROKEN, random_text
from hypothesis import given, settings
from hypothesis import strategies as st

from bpetk import _counter, _scanner, machine
from bpetk._counter import CountWorker, InvalidUtf8
from bpetk.pretokenizers import SCHEMES
from bpetk.reference import scan


def words_of(text: bytes, scheme: str, *, lines: bool) -> Counter[bytes]:
    """Count the pretokens of one text by the reference scanner."""
    counts: Counter[bytes] = Counter()
    for part in text.splitlines(keepends=True) if lines else [text]:
        assert not lines or b"\r" not in part, "bytes.splitlines also ends lines at CR"
        counts.update(piece.encode() for piece in scan.split(part.decode(), scheme))
    return counts


def scanned_words(text: bytes, scheme: str, *, lines: bool) -> Counter[bytes]:
    """The same by the native scanner, which is tested by itself."""
    ends = _scanner.split(text, scheme, lines=lines, tier="scalar")
    starts = [0, *ends[:-1]]
    if scheme == "whitespace":
        starts, ends = ends[::2], ends[1::2]
    return Counter(text[start:end] for start, end in zip(starts, ends, strict=bool(ends)))


def counted(*workers: CountWorker, threads: int = 1) -> Counter[bytes]:
    counts = _counter.combine(list(workers), threads)
    items = counts.items()
    assert len(items) == len(counts) == len(dict(items))
    return Counter(dict(items))


def feed_in_chunks(worker: CountWorker, text: bytes, sizes: list[int]) -> None:
    """Feed as a file is read: what was not counted stays at the front of the buffer."""
    buffer = b""
    at, number = 0, 0
    while at < len(text) or buffer:
        chunk = text[at : at + sizes[number % len(sizes)]]
        at += len(chunk)
        number += 1
        buffer += chunk
        final = at == len(text)
        done = worker.feed(buffer, 0, len(buffer), final)
        assert 0 <= done <= len(buffer)
        buffer = buffer[done:]
        if final:
            assert buffer == b""


# Cutting into calls


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_any_cut_into_calls(scheme: str, lines: bool) -> None:
    rng = random.Random(f"{scheme}{lines}")
    for _ in range(120):
        text = random_text(rng, rng.choice((4, 12, 40, 160))).encode()
        expected = scanned_words(text, scheme, lines=lines)
        for sizes in ([1], [2, 3], [64], rng.choices(range(1, 50), k=6)):
            worker = CountWorker(scheme, lines=lines)
            feed_in_chunks(worker, text, sizes)
            assert worker.pretokens == expected.total()
            assert worker.distinct == len(expected)
            assert counted(worker) == expected


@settings(max_examples=250)
@given(
    st.lists(st.sampled_from("aA'sltre ſ中、。 \n\r\t/!1̀漢"), max_size=25).map("".join),
    st.sampled_from(list(SCHEMES)),
    st.booleans(),
    st.lists(st.integers(1, 7), min_size=1, max_size=8),
)
def test_any_cut_of_short_text(text: str, scheme: str, lines: bool, sizes: list[int]) -> None:
    worker = CountWorker(scheme, lines=lines)
    feed_in_chunks(worker, text.encode(), sizes)
    assert counted(worker) == scanned_words(text.encode(), scheme, lines=lines)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_counts_are_those_of_the_reference(scheme: str) -> None:
    rng = random.Random(scheme)
    for lines in (False, True):
        text = "".join(random_text(rng, 60) for _ in range(30)).replace("\r", "").encode()
        worker = CountWorker(scheme, lines=lines)
        feed_in_chunks(worker, text, [1000])
        assert counted(worker) == words_of(text, scheme, lines=lines)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_ranges_that_end_at_safe_places_are_texts_of_their_own(scheme: str) -> None:
    """As threads take a file: each range is fed to its end, whatever comes after it."""
    rng = random.Random(scheme)
    for _ in range(60):
        text = "".join(random_text(rng, rng.choice((3, 20, 60))) for _ in range(6)).encode()
        ends = {at for at in range(1, len(text)) if text[at - 1] == 10}
        for _ in range(5):
            begin, end = sorted(rng.choices(range(len(text) + 1), k=2))
            if cut := _scanner.find_safe_cut(text[begin:end], scheme):
                ends.add(begin + cut)
        bounds = [0, *sorted(rng.sample(sorted(ends), min(len(ends), 5))), len(text)]
        team = [CountWorker(scheme, lines=True) for _ in range(3)]
        for begin, end in pairwise(bounds):
            assert rng.choice(team).feed(text, begin, end, True) == end
        assert counted(*team) == scanned_words(text, scheme, lines=True)


def test_start_and_stop_are_respected() -> None:
    worker = CountWorker("gpt2", lines=False)
    assert worker.feed(b"xx low low yy", 2, 10, True) == 10
    assert counted(worker) == {b" low": 2}


def test_what_waits_for_its_continuation() -> None:
    """Without a line end the last two pretokens wait, and an incomplete character."""
    worker = CountWorker("gpt2", lines=False)
    assert worker.feed(b"low lower lowest", 0, 16, False) == 3
    worker = CountWorker("gpt2", lines=True)
    assert worker.feed(b"low lower\nlowest", 0, 16, False) == 10
    assert worker.feed(b"lowest", 0, 6, False) == 0
    assert counted(worker) == {b"low": 1, b" lower": 1, b"\n": 1}
    for text in ("a b 中", "a b é", "a b 😀"):
        data = text.encode()
        for end in range(5, len(data)):
            worker = CountWorker("gpt2", lines=False)
            assert worker.feed(data, 0, end, False) == 1
            with pytest.raises(InvalidUtf8):
                worker.feed(data, 0, end, True)


def test_the_tier_does_not_matter() -> None:
    rng = random.Random(1)
    text = "".join(random_text(rng, 50) for _ in range(50)).encode()
    for scheme in SCHEMES:
        found = []
        for tier in _scanner.TIERS:
            worker = CountWorker(scheme, lines=True, tier=tier)
            worker.feed(text, 0, len(text), True)
            found.append(counted(worker))
        assert all(other == found[0] for other in found)


# Bytes that are not UTF-8


def first_error(data: bytes) -> int | None:
    """Where Python finds the first byte that is not UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start
    return None


@pytest.mark.parametrize("broken", [part for part in BROKEN if part not in (b"\xe4\xb8\xad\xad",)])
@pytest.mark.parametrize(
    "before", [b"", b"a", "中文字符".encode(), b"plain text " * 9, "é".encode() * 40, b"\n"]
)
def test_offset_of_the_first_byte_that_is_wrong(broken: bytes, before: bytes) -> None:
    for after in (b"", b"a", "中文字符号等等".encode(), b" and more text" * 3, b"\n"):
        data = before + broken + after
        expected = first_error(data)
        assert expected is not None
        for lines in (False, True):
            worker = CountWorker("cl100k", lines=lines)
            with pytest.raises(InvalidUtf8) as caught:
                worker.feed(data, 0, len(data), True)
            assert caught.value.offset == expected
            # The offset is that in the buffer, whatever the start.
            with pytest.raises(InvalidUtf8) as caught:
                worker.feed(b"xy" + data, 2, len(data) + 2, True)
            assert caught.value.offset == expected + 2
            assert worker.pretokens == 0


@settings(max_examples=400)
@given(
    st.lists(st.one_of(st.sampled_from(BROKEN), st.text(max_size=6).map(str.encode), st.binary(max_size=3)))
)
def test_utf8_is_checked_as_python_does(parts: list[bytes]) -> None:
    data = b"".join(parts)
    worker = CountWorker("none", lines=False)
    wrong = first_error(data)
    if wrong is None:
        assert worker.feed(data, 0, len(data), True) == len(data)
    else:
        with pytest.raises(InvalidUtf8) as caught:
            worker.feed(data, 0, len(data), True)
        assert caught.value.offset == wrong


# Workers, threads and combining


@pytest.mark.parametrize("workers", [1, 2, 3, 7, 40])
def test_any_number_of_workers(workers: int) -> None:
    rng = random.Random(workers)
    texts = [random_text(rng, rng.choice((0, 5, 30))).encode() for _ in range(300)]
    expected = sum((scanned_words(text, "cl100k", lines=False) for text in texts), Counter())
    for threads in (1, 2, 64, 1000):
        team = [CountWorker("cl100k", lines=False) for _ in range(workers)]
        for text in texts:
            team[rng.randrange(workers)].feed_documents([text])
        assert sum(worker.pretokens for worker in team) == expected.total()
        assert counted(*team, threads=threads) == expected


def test_threads_at_the_same_time() -> None:
    rng = random.Random(4)
    texts = [random_text(rng, 3000).encode() for _ in range(6)]
    expected = sum((scanned_words(text, "o200k", lines=True) for text in texts), Counter())
    team = [CountWorker("o200k", lines=True) for _ in texts]
    jobs = [
        threading.Thread(target=worker.feed, args=(text, 0, len(text), True))
        for worker, text in zip(team, texts, strict=True)
    ]
    for job in jobs:
        job.start()
    while any(job.is_alive() for job in jobs):
        assert sum(worker.distinct for worker in team) <= 6 * len(expected)  # may be read meanwhile
    for job in jobs:
        job.join()
    assert counted(*team, threads=2) == expected


def test_words_of_every_length() -> None:
    """Up to 15 bytes are kept inside the slots; words that differ in one byte or in zeros at the end are others."""
    words = [b"x" * n for n in range(1, 60)]
    words += [b"x" * n + b"\0" * m for n in range(20) for m in range(1, 20)]
    words += [b"x" * n + b"y" for n in range(40)] + [b"y" + b"x" * n for n in range(1, 40)]
    words = list(dict.fromkeys(words))
    a, b = CountWorker("none", lines=False), CountWorker("none", lines=False)
    a.feed_documents(words)
    b.feed_documents(words[::2])
    b.add_words((word, 1000) for word in words[::3])
    expected = Counter(words) + Counter(words[::2]) + Counter(dict.fromkeys(words[::3], 1000))
    assert counted(a, b) == expected


@pytest.mark.parametrize("length", [5, 15, 16, 40])
def test_many_distinct_words(length: int) -> None:
    """The tables grow, and long words fill more than one chunk of memory."""
    words = [b"%0*d" % (length, number) for number in range(60_000)]
    workers = [CountWorker("none", lines=False) for _ in range(2)]
    workers[0].feed_documents(words)
    workers[1].feed_documents(words[20_000:])
    assert [worker.distinct for worker in workers] == [60_000, 40_000]
    expected = Counter(words) + Counter(words[20_000:])
    assert counted(*workers, threads=2) == expected


def test_a_word_of_megabytes() -> None:
    word = "文".encode() * 1_000_000
    worker = CountWorker("cl100k", lines=False)
    assert worker.feed(word, 0, len(word), True) == len(word)
    worker.add_words([(word, 2**33)])
    assert counted(worker) == {word: 2**33 + 1}


def test_counts_of_64_bits() -> None:
    words = {b"short": 2**32 - 1, b"a word that is long": 2**32, b"x": 2**40, b"yy": 2**62}
    workers = [CountWorker("none", lines=False) for _ in range(2)]
    workers[0].add_words(words.items())
    workers[0].add_words([(b"short", 1)])
    workers[1].add_words(list(words.items())[:3])
    assert workers[0].pretokens == sum(words.values()) + 1
    assert counted(*workers) == {
        b"short": 2**33 - 1,
        b"a word that is long": 2**33,
        b"x": 2**41,
        b"yy": 2**62,
    }


def test_observed_bytes() -> None:
    worker = CountWorker("none", lines=False)
    worker.add_words([(b"b\0a", 1), (b"\xff" * 20 + b"a", 2), ("中".encode(), 1)])
    assert _counter.combine([worker]).observed_bytes() == bytes(sorted(b"\0ab\xff" + "中".encode()))
    assert _counter.combine([]).observed_bytes() == b""


def test_documents_are_texts_of_their_own() -> None:
    texts = [b"a  ", b"", b"  b\n ", b"a\nb"]
    for lines in (False, True):
        worker = CountWorker("cl100k", lines=lines)
        worker.feed_documents(texts)
        expected = sum((words_of(text, "cl100k", lines=lines) for text in texts), Counter())
        assert expected[b"  "] == 1
        assert counted(worker) == expected


GUARD_PAGE = """
import ctypes, mmap, random, sys
sys.path[:0] = sys.argv[1:]
from adversarial import random_text
from bpetk import _counter, _scanner, machine
libc = ctypes.CDLL(None, use_errno=True)
PAGE = mmap.PAGESIZE
space = mmap.mmap(-1, 4 * PAGE)
address = ctypes.addressof(ctypes.c_char.from_buffer(space))
assert libc.mprotect(ctypes.c_void_p(address + 2 * PAGE), PAGE, 0) == 0
rng = random.Random(1)
for n in [*range(1, 60), *(rng.randrange(60, 900) for _ in range(60))]:
    data = random_text(rng, n).encode()
    begin = 2 * PAGE - len(data)
    space[begin : 2 * PAGE] = data
    view = (ctypes.c_uint8 * len(data)).from_address(address + begin)
    for scheme in _scanner.SCHEMES:
        found = []
        for text in (view, data):
            worker = _counter.CountWorker(scheme, lines=True)
            worker.feed(text, 0, len(data), True)
            found.append(sorted(_counter.combine([worker]).items()))
        assert found[0] == found[1]
print("done")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs mprotect")
def test_nothing_is_read_beyond_the_end() -> None:
    """The byte after the data is on a page that must not be touched: a read of it kills the process."""
    command = [sys.executable, "-c", GUARD_PAGE, str(Path(__file__).parents[1])]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (result.returncode, result.stdout) == (0, "done\n"), result.stderr


# Arguments


def test_a_combined_worker_is_empty_and_says_so() -> None:
    worker = CountWorker("gpt2", lines=True)
    worker.feed(b"ab", 0, 2, True)
    assert counted(worker) == {b"ab": 1}
    calls: list[Any] = [
        lambda: worker.feed(b"ab", 0, 2, True),
        lambda: worker.feed_documents([b"ab"]),
        lambda: worker.add_words([(b"ab", 1)]),
        lambda: _counter.combine([worker]),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r"handed over by combine\(\)"):
            call()
    assert worker.distinct == 0


COMBINE_TWICE = """
from bpetk import _counter
worker = _counter.CountWorker("none", lines=False)
worker.add_words([(b"ab", 3)])
try:
    _counter.combine([worker, worker])
except ValueError as error:
    print(error)
"""


def test_a_worker_cannot_be_combined_with_itself() -> None:
    result = subprocess.run([sys.executable, "-c", COMBINE_TWICE], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, "the process crashed"
    assert result.stdout


def test_nothing_to_count() -> None:
    assert len(_counter.combine([])) == 0
    worker = CountWorker("gpt2", lines=True)
    assert worker.feed(b"", 0, 0, True) == 0
    assert worker.feed(b"abc", 2, 2, True) == 2
    worker.feed_documents([])
    worker.feed_documents([b"", b""])
    worker.add_words([])
    assert worker.pretokens == 0
    assert counted(worker) == {}


def test_bad_arguments_are_refused() -> None:
    worker = CountWorker("gpt2", lines=False)
    with pytest.raises(ValueError, match="past the end"):
        worker.feed(b"abc", 0, 4, True)
    with pytest.raises(TypeError, match="document 1 is str"):
        worker.feed_documents([b"a", "b"])
    for words, error in [
        ([("ab", 1)], TypeError),
        ([(b"", 1)], TypeError),
        ([(b"ab", 0)], ValueError),
        ([(b"ab", -1)], ValueError),
        ([(b"ab", 2**64)], OverflowError),
    ]:
        with pytest.raises(error):
            worker.add_words(words)
    with pytest.raises(ValueError, match="unknown native scheme"):
        CountWorker("custom", lines=False)
    with pytest.raises(TypeError):
        _counter.combine(["worker"])
    assert counted(worker) == {}


def test_memory_goes_back() -> None:
    """Making and dropping workers with many words does not add up."""
    words = [b"%030d" % number for number in range(30_000)]

    def use() -> None:
        worker = CountWorker("none", lines=False)
        worker.feed_documents(words)
        _counter.combine([worker])
        half = CountWorker("none", lines=False)
        half.feed_documents(words)

    use()
    before = machine.resident_bytes()
    for _ in range(40):
        use()
    # A single table and its arena take about 3 MB.
    assert machine.resident_bytes() - before < 20 << 20
