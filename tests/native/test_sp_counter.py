"""The native sentence counter against a plain twin that counts what the library normalized, however text comes in."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from adversarial import BROKEN, PARTS
from hypothesis import given
from hypothesis import strategies as st
from sp_library import Library, model_file, rules

from bpetk._counter import CountWorker, WordCounts, combine
from bpetk._sp_counter import SpCounter, code_points
from bpetk._sp_normalizer import Normalizer

SPACE, BARRIER, MARK = "▁", "\x1f", "▅".encode()
BYTE_PIECES = [b"<0x%02X>" % byte for byte in range(256)]
META = [b"<unk>", b"<s>", b"</s>", b"ab", b"abc", "漢".encode(), "▁字".encode()]


@dataclass(frozen=True)
class Options:
    """How sentences become words; the names are those of `SpCounter`."""

    rule_set: str = "nmt_nfkc"
    max_sentence_length: int = 4192
    meta: tuple[bytes, ...] = tuple(META)
    delimiter: bytes = b""
    split_by_whitespace: bool = True
    suffix: bool = False
    whitespace_only: bool = False
    flags: dict[str, bool] = field(default_factory=dict, hash=False)

    def counter(self) -> SpCounter:
        flags = {
            "add_dummy_prefix": True,
            "remove_extra_whitespaces": True,
            "escape_whitespaces": True,
            **self.flags,
        }
        return SpCounter(
            Normalizer(rules(self.rule_set), **flags, suffix=self.suffix),
            max_sentence_length=self.max_sentence_length,
            meta=list(self.meta),
            delimiter=self.delimiter,
            split_by_whitespace=self.split_by_whitespace,
            suffix=self.suffix,
            whitespace_only=self.whitespace_only,
        )

    def library(self) -> Library:
        return Library(model_file(rules(self.rule_set), suffix=self.suffix, **self.flags))


# The twin


def replace_all(text: str, wanted: list[str]) -> str:
    """Put a barrier where one of these stands, the longest first."""
    out, at = "", 0
    wanted = sorted((w for w in wanted if w), key=len, reverse=True)
    while at < len(text):
        found = next((w for w in wanted if text.startswith(w, at)), "")
        out += BARRIER if found else text[at]
        at += len(found) or 1
    return out


def split_words(text: str, options: Options) -> Iterator[str]:
    if not options.split_by_whitespace:
        yield text
        return
    start = 0
    for i in range(1, len(text)):
        if options.suffix:
            # A word ends with its space; with runs kept together, with the last of them.
            cut = text[i - 1] == SPACE and not (options.whitespace_only and text[i] == SPACE)
        else:
            cut = text[i] == SPACE and not (options.whitespace_only and text[i - 1] == SPACE)
        if cut:
            yield text[start:i]
            start = i
    yield text[start:]


@dataclass
class Twin:
    """What a counter should have found."""

    options: Options
    words: Counter[bytes] = field(default_factory=Counter)
    characters: Counter[int] = field(default_factory=Counter)
    sentences: int = 0
    skipped: list[int] = field(default_factory=lambda: [0, 0, 0, 0])  # empty, long, marked, blank

    def __post_init__(self) -> None:
        self.library = self.options.library()

    def add(self, sentence: bytes, count: int = 1) -> None:
        options = self.options
        self.sentences += 1
        if not sentence:
            self.skipped[0] += 1
        elif 0 < options.max_sentence_length < len(sentence):
            self.skipped[1] += 1
        elif MARK in sentence:
            self.skipped[2] += 1
        else:
            text = self.library.normalize(sentence).decode()
            text = replace_all(text, [piece.decode() for piece in options.meta])
            text = replace_all(text, [options.delimiter.decode()])
            if not text:
                self.skipped[3] += 1
                return
            for word in split_words(text, options):
                self.words[word.encode()] += count
            for char in text:
                if char != "\0":
                    self.characters[ord(char)] += count

    def add_text(self, text: bytes) -> None:
        lines = text.split(b"\n")
        for line in lines if lines[-1] else lines[:-1]:
            self.add(line)


def check(twin: Twin, counters: list[SpCounter], threads: int = 1) -> None:
    assert sum(counter.sentences for counter in counters) == twin.sentences
    names = ("skipped_empty", "skipped_long", "skipped_marked", "skipped_blank")
    assert [sum(getattr(counter, name) for counter in counters) for name in names] == twin.skipped
    assert sum(counter.worker.pretokens for counter in counters) == twin.words.total()
    counts = combine([counter.worker for counter in counters], threads)
    assert dict(counts.items()) == twin.words
    assert code_points(counts, threads) == twin.characters


# Text for it

PIECES = [part.encode() for part in PARTS] + BROKEN + META
PIECES += [
    b"<0x41>",
    b"<s",
    b"<",
    b"|",
    b"||",
    MARK,
    "▁".encode(),
    "▁▁".encode(),
    b"\x1f",
    b"\0",
    b"\r",
    b"a longer word",
]
PIECES += [b"\n"] * 30 + [b" "] * 30 + [b"ab", b"cd", "字".encode(), "か\u3099".encode(), "㍿".encode()] * 6


def corpus(rng: random.Random, size: int) -> bytes:
    return b"".join(rng.choices(PIECES, k=size))


def random_options(rng: random.Random) -> Options:
    return Options(
        rule_set=rng.choice(("identity", "nmt_nfkc", "nfkc_cf")),
        max_sentence_length=rng.choice((0, 6, 12, 40, 4192)),
        meta=tuple(rng.choice(([], META, META[:3], META + BYTE_PIECES))),
        delimiter=rng.choice((b"", b"", b"|", b"||", "中".encode(), "▁".encode(), b"\t")),
        split_by_whitespace=rng.random() < 0.8,
        suffix=rng.random() < 0.4,
        whitespace_only=rng.random() < 0.4,
        flags={
            "add_dummy_prefix": rng.random() < 0.7,
            "remove_extra_whitespaces": rng.random() < 0.6,
        },
    )


def feed_in_chunks(counter: SpCounter, text: bytes, sizes: list[int]) -> None:
    """Feed as a file is read: what was not counted stays at the front of the buffer."""
    buffer, at, number, final = b"", 0, 0, False
    while not final:
        chunk = text[at : at + sizes[number % len(sizes)]]
        at += len(chunk)
        number += 1
        final = at == len(text)
        buffer += chunk
        # What stands around it would make a mark and lines.
        around = b"\n\xe2\x96" + buffer + b"\x85\n"
        done = counter.feed(around, 3, 3 + len(buffer), final) - 3
        assert 0 <= done <= len(buffer)
        buffer = buffer[done:]
        assert b"\n" not in buffer
    assert buffer == b""


# Against the twin


@given(data=st.data())
def test_random_options_and_text(data: st.DataObject) -> None:
    rng = random.Random(data.draw(st.integers(0, 1 << 32)))
    options = random_options(rng)
    text = corpus(rng, rng.choice((0, 1, 5, 60, 600)))
    twin = Twin(options)
    twin.add_text(text)
    counter = options.counter()
    assert counter.feed(text, 0, len(text), True) == len(text)
    check(twin, [counter])


@given(data=st.data())
def test_any_cut_into_calls_workers_and_threads(data: st.DataObject) -> None:
    rng = random.Random(data.draw(st.integers(0, 1 << 32)))
    options = random_options(rng)
    counters = [options.counter() for _ in range(rng.choice((1, 2, 7)))]
    twin = Twin(options)
    for _ in range(5):
        text = corpus(rng, rng.choice((10, 60)))
        twin.add_text(text)
        sizes = rng.choice(([1], [2, 3], [64], rng.choices(range(1, 50), k=6)))
        feed_in_chunks(rng.choice(counters), text, sizes)
    check(twin, counters, rng.choice((1, 2, 7)))


@given(data=st.data())
def test_sentences_and_counts(data: st.DataObject) -> None:
    rng = random.Random(data.draw(st.integers(0, 1 << 32)))
    options = random_options(rng)
    counter, twin = options.counter(), Twin(options)
    for _ in range(4):
        sentences = [corpus(rng, rng.randrange(30)) for _ in range(5)]
        counter.feed_sentences(sentences)
        for sentence in sentences:
            twin.add(sentence)
        weighted, count = corpus(rng, rng.randrange(12)), rng.choice((1, 2, 1000, 1 << 33))
        counter.feed_counted(weighted, count)
        twin.add(weighted, count)
    check(twin, [counter])


@pytest.mark.parametrize("corpus_name", ["en", "zh", "mixed", "multi", "code"])
@pytest.mark.parametrize("rule_set", ["identity", "nmt_nfkc"])
def test_corpora(rule_set: str, corpus_name: str, shared_corpus: Callable[..., Path]) -> None:
    text = shared_corpus(corpus_name, 1 << 20).read_bytes()
    twin = Twin(Options(rule_set, meta=tuple(META[:3])))
    twin.add_text(text)
    counters = [twin.options.counter() for _ in range(3)]
    cuts = [0, *(text.rindex(b"\n", 0, len(text) * part // 3) + 1 for part in (1, 2)), len(text)]
    parts = [text[a:b] for a, b in pairwise(cuts)]
    threads = [
        threading.Thread(target=feed_in_chunks, args=(counter, part, [1 << 16]))
        for counter, part in zip(counters, parts, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(twin, counters, 2)


# Examples


def counted(text: bytes, **changes: Any) -> dict[str, int]:
    counter = Options(**{"rule_set": "identity", "meta": (), **changes}).counter()
    counter.feed(text, 0, len(text), True)
    return {word.decode(): count for word, count in combine([counter.worker]).items()}


def test_words() -> None:
    text = b"ab  ab c\n ab\n"
    assert counted(text) == {"▁ab": 3, "▁c": 1}
    assert counted(text, suffix=True) == {"ab▁": 3, "c▁": 1}
    assert counted(text, split_by_whitespace=False) == {"▁ab▁ab▁c": 1, "▁ab": 1}
    extra = {"flags": {"remove_extra_whitespaces": False, "add_dummy_prefix": False}}
    assert counted(b"  a   b ", **extra) == {"▁": 4, "▁a": 1, "▁b": 1}
    assert counted(b"  a   b ", **extra, whitespace_only=True) == {"▁▁a": 1, "▁▁▁b": 1, "▁": 1}
    assert counted(b"  a   b ", **extra, suffix=True) == {"▁": 4, "a▁": 1, "b▁": 1}
    assert counted(b"  a   b ", **extra, suffix=True, whitespace_only=True) == {"▁▁": 1, "a▁▁▁": 1, "b▁": 1}


def test_barriers() -> None:
    meta = (b"<s>", b"ab", b"abc")
    assert counted(b"x<s>y abcd aab", meta=meta) == {"▁x\x1fy": 1, "▁\x1fd": 1, "▁a\x1f": 1}
    assert counted(b"<<s>s> |a||b|", meta=meta, delimiter=b"|") == {"▁<\x1fs>": 1, "▁\x1fa\x1f\x1fb\x1f": 1}
    # The text of a piece is looked for in normalized text, as it is.
    assert counted("Ａ A".encode(), rule_set="nmt_nfkc", meta=("Ａ".encode(),)) == {"▁A": 2}
    assert counted("Ａ A".encode(), rule_set="nmt_nfkc", meta=(b"A",)) == {"▁\x1f": 2}


def test_what_is_skipped() -> None:
    counter = Options("identity", max_sentence_length=11, meta=()).counter()
    text = "\nabc\n\néééééé\nééééé\na▅b\n  \n▅".encode()
    assert counter.feed(text, 0, len(text), True) == len(text)
    assert counter.sentences == 8
    assert (counter.skipped_empty, counter.skipped_long, counter.skipped_marked, counter.skipped_blank) == (
        2,
        1,
        2,
        1,
    )
    assert dict(combine([counter.worker]).items()) == {"▁abc".encode(): 1, "▁ééééé".encode(): 1}


def test_a_line_end_is_lf_alone() -> None:
    assert counted("a\r\nb\x85\u2028c\x0b".encode()) == {"▁a\r": 1, "▁b\x85\u2028c\x0b": 1}


def test_what_is_left_for_the_next_call() -> None:
    counter = Options("identity").counter()
    assert counter.feed(b"xxab cd", 2, 7, False) == 2
    assert counter.feed(b"xxab\ncd", 2, 7, False) == 5
    assert counter.feed(b"cd", 0, 2, True) == 2
    assert counter.feed(b"", 0, 0, True) == 0
    assert counter.sentences == 2


def test_invalid_bytes_are_replacement_characters() -> None:
    assert counted(b"a\xff\xe4\xb8 b") == {"▁a\ufffd\ufffd\ufffd": 1, "▁b": 1}


def test_characters_with_weights() -> None:
    counter = Options("identity", meta=(b"<s>",)).counter()
    counter.feed_counted(b"aa<s>\0b", 1 << 33)
    counter.feed_counted("漢b".encode(), 3)
    words = combine([counter.worker], 3)
    big = 1 << 33
    expected = {ord("▁"): big + 3, ord("a"): 2 * big, 0x1F: big, ord("b"): big + 3, ord("漢"): 3}
    assert code_points(words, 3) == expected
    assert code_points(WordCounts()) == {}


def test_long_words() -> None:
    word = "長".encode() * 100_000
    assert counted(word + b" " + word + b" x", max_sentence_length=0) == {"▁" + word.decode(): 2, "▁x": 1}


# What cannot be


def test_a_space_is_refused() -> None:
    flags = {"escape_whitespaces": False, "add_dummy_prefix": False}
    counter = Options("identity", meta=(), flags=flags).counter()
    counter.feed(b"ab\ncd", 0, 5, True)
    with pytest.raises(ValueError, match=r"has a space \(sentence 4\).*escape_whitespaces"):
        counter.feed(b"ef\na b\nc", 0, 8, True)
    assert dict(combine([counter.worker]).items()) == {b"ab": 1, b"cd": 1, b"ef": 1}


@pytest.mark.parametrize(
    ("count", "error"),
    [(0, ValueError), (-1, ValueError), (1 << 63, OverflowError), (1 << 70, OverflowError)],
)
def test_counts_that_cannot_be(count: int, error: type[Exception]) -> None:
    with pytest.raises(error, match=f"count of b'ab' is {count}"):
        Options().counter().feed_counted(b"ab", count)


def test_counts_that_do_not_add_up() -> None:
    counter = Options("identity", meta=()).counter()
    counter.feed_counted(b"a", (1 << 63) // 4 - 1)  # four bytes with the dummy prefix
    with pytest.raises(OverflowError, match="add up to more than"):
        counter.feed_counted(b"b", 2)
    assert dict(combine([counter.worker]).items()) == {"▁a".encode(): (1 << 61) - 1}


def test_arguments_that_cannot_be() -> None:
    for meta in ([b""], ["a"]):
        with pytest.raises(TypeError, match="text of a meta piece"):
            Options(meta=tuple(meta)).counter()  # type: ignore[arg-type]
    for broken in ({"delimiter": b"\xff"}, {"meta": (b"a", b"\xe4\xb8")}):
        with pytest.raises(ValueError, match="is not UTF-8"):
            Options(**broken).counter()  # type: ignore[arg-type]
    counter = Options().counter()
    with pytest.raises(ValueError, match="past the end"):
        counter.feed(b"ab", 0, 3, True)
    with pytest.raises(TypeError, match="sentence 1 is str, expected bytes"):
        counter.feed_sentences([b"a", "b"])  # type: ignore[list-item]
    assert isinstance(counter.worker, CountWorker)
    combine([counter.worker])
    for call in (lambda: counter.feed(b"a", 0, 1, True), lambda: counter.feed_sentences([b"a"])):
        with pytest.raises(ValueError, match="handed over"):
            call()
    with pytest.raises(ValueError, match="handed over"):
        counter.feed_counted(b"a", 1)
