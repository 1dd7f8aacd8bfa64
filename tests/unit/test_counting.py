"""From files and documents to word counts: whatever the threads, the chunks and the place of cuts."""

from __future__ import annotations

import io
import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from adversarial import random_text

from bpetk import _scanner, counting
from bpetk.corpus import resolve
from bpetk.counting import Counted, count_documents, count_files, file_hashes
from bpetk.errors import BpetkError, CorpusError, CorpusFileError, InvalidEncodingError
from bpetk.pretokenizers import SCHEMES, custom_scheme, get_scheme
from bpetk.reference import scan

CL100K = get_scheme("cl100k")
THREADS = (1, 2, 3, 7)


def words(counted: Counted) -> Counter[bytes]:
    return Counter(dict(counted.words.items()))


def expected_of(texts: Iterable[str], scheme: str = "cl100k") -> Counter[bytes]:
    return Counter(piece.encode() for text in texts for piece in scan.split(text, scheme))


def lines_of(text: str) -> list[str]:
    return [line + "\n" for line in text.split("\n")[:-1]] + [text.split("\n")[-1]]


def write(folder: Path, *contents: str | bytes) -> list[Path]:
    paths = []
    for number, content in enumerate(contents):
        path = folder / f"{number}.txt"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        paths.append(path)
    return paths


def count(*paths: Path, scheme: str = "cl100k", **options: Any) -> Counted:
    return count_files(resolve(paths), get_scheme(scheme), **options)


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks, batches and long documents of a few bytes, as if texts were huge."""
    monkeypatch.setattr(counting, "CHUNK", 64)
    monkeypatch.setattr(counting, "BATCH", 100)
    monkeypatch.setattr(counting, "LONG_DOCUMENT", 200)


@pytest.fixture
def slow_steps(monkeypatch: pytest.MonkeyPatch, small_steps: None) -> None:
    """Such chunks that take half a millisecond: then every thread gets some of the text, whatever the machine."""
    real = counting._Feeder.chunk

    def chunk(self: Any, data: Any, stop: int, *, final: bool) -> int:
        time.sleep(0.0005)
        return real(self, data, stop, final=final)

    monkeypatch.setattr(counting._Feeder, "chunk", chunk)


# Files


@pytest.mark.parametrize("scheme", SCHEMES)
def test_files_of_every_kind_of_text(tmp_path: Path, scheme: str, small_steps: None) -> None:
    rng = random.Random(scheme)
    for _ in range(12):
        texts = [random_text(rng, rng.choice((0, 3, 40, 400))) for _ in range(3)]
        paths = write(tmp_path, *texts)
        expected = expected_of((line for text in texts for line in lines_of(text)), scheme)
        for threads in THREADS:
            counted = count(*paths, scheme=scheme, threads=threads)
            assert words(counted) == expected
            assert counted.bytes == sum(len(text.encode()) for text in texts)
            assert (counted.pretokens, counted.distinct) == (expected.total(), len(expected))


@pytest.mark.parametrize(
    "text",
    [
        "word and word. " * 60_000,
        "这是一句没有换行的中文，有标点。" * 20_000,
        "字" * 300_000,
        "\n" * 1_000_000,
        " " * 800_000,
        "a\r\nb\r\n" * 100_000,
        "a\rb\r" * 200_000,
        "x\0y\0" * 200_000,
        "\ufeffline\n" * 90_000,
        "1234567890" * 90_000,
        "line\n" * 150_000 + "no end",
        "!\n\n/\n" * 150_000,
        "  \n" * 200_000 + " ",
    ],
    ids=lambda text: repr(text[:12]),
)
@pytest.mark.parametrize("scheme", ["gpt2", "cl100k", "o200k"])
def test_large_monotonous_files(tmp_path: Path, text: str, scheme: str) -> None:
    """Of about a megabyte, so that they are cut."""
    (path,) = write(tmp_path, text)
    # By the scalar rules, which are tested by themselves.
    data = text.encode()
    ends = _scanner.split(data, scheme, lines=True, tier="scalar")
    expected = Counter(data[start:end] for start, end in pairwise([0, *ends]))
    for threads in (1, 2, 7):
        assert words(count(path, scheme=scheme, threads=threads)) == expected


def test_lines_are_cut_at_line_feeds_only(tmp_path: Path) -> None:
    text = "a \n b\r \r\n c\v \f \x85 \u2028 \u2029 d \x1c\x1d\x1e e\n"
    for scheme in SCHEMES:
        assert words(count(*write(tmp_path, text), scheme=scheme)) == expected_of(lines_of(text), scheme)


def test_a_file_ends_its_last_line(tmp_path: Path) -> None:
    """Two files are not one text, also where the first has no final newline."""
    paths = write(tmp_path, "ab", "cd", "", "ef \n", " gh")
    assert words(count(*paths)) == expected_of(["ab", "cd", "ef \n", " gh"])


def test_the_same_file_twice_counts_twice(tmp_path: Path) -> None:
    (path,) = write(tmp_path, "ab cd\n")
    assert words(count(path, path)) == {b"ab": 2, b" cd": 2, b"\n": 2}


def test_work_does_not_grow_with_the_square_of_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Text without any place to stop is scanned again when more of it is read, but not from chunk to chunk."""
    monkeypatch.setattr(counting, "CHUNK", 512)
    scanned = []
    real = counting._Feeder.chunk

    def chunk(self: Any, data: Any, stop: int, *, final: bool) -> int:
        scanned.append(stop)
        return real(self, data, stop, final=final)

    monkeypatch.setattr(counting._Feeder, "chunk", chunk)
    size = 200_000
    for scheme in ("cl100k", "none", "whitespace"):
        for content in (b"a" * size, "字".encode() * (size // 3), b"7" * size):
            scanned.clear()
            counted = count(*write(tmp_path, content), scheme=scheme)
            assert counted.bytes == len(content)
            assert sum(scanned) < 6 * size


def test_streams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_steps: None) -> None:
    """Standard input cannot be cut, and its size is not known."""
    text = "word, 中文。 and\n\nmore \n" * 50 + "end"
    for threads in THREADS:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        counted = count_files(resolve("-"), CL100K, threads=threads)
        assert words(counted) == expected_of(lines_of(text))
        assert counted.bytes == len(text.encode())
    (path,) = write(tmp_path, "a file\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a stream\n")))
    counted = count_files(resolve(["-", path]), CL100K, threads=2)
    assert words(counted) == {b"a": 2, b" stream": 1, b" file": 1, b"\n": 2}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.timeout(20)
def test_a_named_pipe_is_opened_once(tmp_path: Path) -> None:
    """Opening it to look at it, and closing it, would end the writer."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    text = b"low lower lowest\n" * 5000
    failed: list[OSError] = []

    def write_it() -> None:
        try:
            with path.open("wb", buffering=0) as file:
                for at in range(0, len(text), 1000):
                    file.write(text[at : at + 1000])
        except OSError as error:
            failed.append(error)

    writer = threading.Thread(target=write_it, daemon=True)
    writer.start()
    counted: list[Counter[bytes]] = []
    reader = threading.Thread(target=lambda: counted.append(words(count(path))), daemon=True)
    reader.start()
    reader.join(5)
    if reader.is_alive():  # let it go, or it would hang the interpreter's other tests
        with path.open("r+b", buffering=0) as file:
            file.write(b"\n")
        reader.join(5)
        pytest.fail("reading the pipe did not end")
    writer.join()
    assert failed == []
    assert counted == [dict.fromkeys([b"low", b" lower", b" lowest", b"\n"], 5000)]


@pytest.mark.skipif(not os.path.exists("/dev/fd"), reason="needs /dev/fd")
@pytest.mark.timeout(20)
def test_a_pipe_of_the_shell(tmp_path: Path) -> None:
    """As in `bpetk train <(zcat text.gz)`."""
    read, to = os.pipe()
    os.write(to, b"ab ab\nab")
    os.close(to)
    try:
        counted = count(Path(f"/dev/fd/{read}"))
    finally:
        os.close(read)
    assert words(counted) == {b"ab": 2, b" ab": 1, b"\n": 1}


# Encodings


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "utf-16-be", "big5", "utf-8-sig", "utf-32", "gbk"])
@pytest.mark.parametrize("threads", [1, 3])
def test_other_encodings_give_the_counts_of_utf8(
    tmp_path: Path, encoding: str, threads: int, small_steps: None
) -> None:
    text = "中文字，plain text 123\r\n\n  再來一行 \n" * 300 + "沒有換行"
    if encoding in ("gb18030", "utf-16", "utf-32", "utf-8-sig"):
        text += "😀é𠀀 \n"
    ours, other = write(tmp_path, text, text.encode(encoding))
    expected = count(ours, threads=threads)
    counted = count(other, encoding=encoding, threads=threads)
    assert words(counted) == words(expected) == expected_of(lines_of(text))
    assert counted.bytes == expected.bytes


def test_a_byte_order_mark_is_text_in_utf8(tmp_path: Path) -> None:
    (path,) = write(tmp_path, "\ufeffab\n")
    assert words(count(path)) == {"\ufeffab".encode(): 1, b"\n": 1}
    assert words(count(path, encoding="utf-8-sig")) == {b"ab": 1, b"\n": 1}


def test_ascii_is_not_a_name_for_utf8(tmp_path: Path) -> None:
    (path,) = write(tmp_path, "caf\xe9 \n")
    with pytest.raises(InvalidEncodingError, match="ascii"):
        count(path, encoding="ascii")
    assert count(*write(tmp_path, "cafe \n"), encoding="ascii").distinct == 2


@pytest.mark.parametrize("threads", THREADS)
def test_wrong_bytes_are_found_where_they_are(tmp_path: Path, threads: int) -> None:
    """The first ones of the text, whichever thread finds some first."""
    good = "一行中文 and English\n".encode()
    data = bytearray(good * 40_000)
    for number in (39_999, 30_000, 20_001):
        data[number * len(good) + 4] = 0xFF
    first = 20_001 * len(good) + 3
    fine, bad, worse = write(tmp_path, good * 20_000, bytes(data), b"\xff" * 100)
    for _ in range(3):
        with pytest.raises(
            InvalidEncodingError,
            match=rf"1\.txt: invalid UTF-8 at line 20,002, byte offset {first:,} \(bytes E8 FF 8C",
        ):
            count(fine, bad, worse, threads=threads)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("scheme", ["cl100k", "none", "custom"])
def test_wrong_bytes_with_small_steps(tmp_path: Path, scheme: str, threads: int, small_steps: None) -> None:
    rule = custom_scheme("a+") if scheme == "custom" else get_scheme(scheme)
    rng = random.Random(threads)
    for _ in range(30):
        lines = [random_text(rng, rng.randint(0, 30)).encode() for _ in range(rng.randint(1, 9))]
        data = b"".join(lines)
        wrong = rng.choice([b"\xff", b"\xe4\xb8", b"\x80", b"\xed\xa0\x80"])
        at = len(data[: rng.randint(0, len(data))].decode(errors="ignore").encode())
        (path,) = write(tmp_path, data[:at] + wrong + b"." + data[at:])
        line = data[:at].count(b"\n") + 1
        with pytest.raises(InvalidEncodingError, match=f"at line {line}, byte offset {at:,} "):
            count_files(resolve(path), rule, threads=threads)


def test_text_that_ends_inside_a_character(tmp_path: Path, small_steps: None) -> None:
    for n in (0, 61, 62, 63, 64, 126, 1000):
        for cut in (1, 2):
            (path,) = write(tmp_path, b"x" * n + "中".encode()[:cut])
            with pytest.raises(InvalidEncodingError, match=rf"line 1, byte offset {n:,} "):
                count(path)


# Files that change


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("scheme", ["cl100k", "custom"])
def test_files_that_vanish_or_shrink(tmp_path: Path, scheme: str, threads: int) -> None:
    rule = custom_scheme("a+") if scheme == "custom" else get_scheme(scheme)
    paths = write(tmp_path, b"line\n" * 1000, b"line\n" * 200_000, b"line\n")
    sources = resolve(paths)
    paths[1].write_bytes(b"line\n" * 90_000)
    with pytest.raises(CorpusFileError, match=r"1\.txt: .*it was cut meanwhile"):
        count_files(sources, rule, threads=threads)
    paths[1].unlink()
    with pytest.raises(CorpusFileError, match=r"cannot read .*1\.txt: "):
        count_files(sources, rule, threads=threads)


def test_a_file_that_grows_is_read_to_its_former_end(tmp_path: Path) -> None:
    (path,) = write(tmp_path, b"ab\n")
    sources = resolve(path)
    with path.open("ab") as file:
        file.write(b"cd\n")
    assert words(count_files(sources, CL100K)) == {b"ab": 1, b"\n": 1}


def test_packed_data_from_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\x1f\x8b\x08" + b"rest" * 100)))
    with pytest.raises(CorpusError, match="gzip-compressed"):
        count_files(resolve("-"), CL100K)


# Documents


@pytest.mark.parametrize("scheme", SCHEMES)
def test_documents_are_texts_with_line_feeds_inside(scheme: str, small_steps: None) -> None:
    """Long ones are cut for threads; that must not show."""
    rng = random.Random(scheme)
    for _ in range(12):
        documents = [random_text(rng, rng.choice((0, 2, 20, 300))) for _ in range(rng.randint(0, 9))]
        documents += [
            "plain words in one long line " * rng.randint(0, 40),
            "中文，标点。" * rng.randint(0, 90),
        ]
        expected = expected_of(documents, scheme)
        for threads in THREADS:
            counted = count_documents(documents, get_scheme(scheme), threads=threads)
            assert words(counted) == expected
            assert counted.bytes == sum(len(text.encode()) for text in documents)
            assert counted.pretokens == expected.total()


@pytest.mark.parametrize("text", ["some words, 中文。 ", "字", "a\n\n b\n"])
def test_a_document_of_megabytes(text: str) -> None:
    long = text * (13_000_000 // len(text.encode()))
    found = {
        threads: words(count_documents(["x", long, "y"], CL100K, threads=threads)) for threads in (1, 2, 5)
    }
    assert found[1] == found[2] == found[5]
    assert sum(len(word) * times for word, times in found[1].items()) == len(long.encode()) + 2


@pytest.mark.parametrize("threads", THREADS)
def test_documents_are_not_all_held(threads: int, small_steps: None) -> None:
    """The iterator is asked for more only while the threads keep up."""
    counted_yet: list[int] = []
    made = 0

    def documents() -> Iterator[str]:
        nonlocal made
        for _ in range(3000):
            made += 1
            yield "abcdefgh " * 12
            if counted_yet:
                assert made * 108 - counted_yet[-1] < 108 * 60

    count_documents(
        documents(), CL100K, threads=threads, watcher=lambda done, distinct: counted_yet.append(done)
    )
    assert made == 3000


@pytest.mark.parametrize("threads", THREADS)
def test_an_error_inside_the_iterator(threads: int, small_steps: None) -> None:
    def documents() -> Iterator[Any]:
        yield from ["some text"] * 500
        raise RuntimeError("out of documents")

    before = threading.active_count()
    with pytest.raises(RuntimeError, match="out of documents"):
        count_documents(documents(), CL100K, threads=threads)
    with pytest.raises(BpetkError, match="document 500 is bytes"):
        count_documents([*["some text"] * 500, b"bytes"], CL100K, threads=threads)
    assert threading.active_count() == before


# Custom patterns


@pytest.mark.parametrize("threads", [1, 3])
def test_custom_patterns(tmp_path: Path, threads: int, small_steps: None) -> None:
    scheme = custom_scheme(r"\p{Han}{1,2}|[a-z]+(?=\s)|\s+")
    text = "中文字 abc d1\n\n x中\r\nabc" * 40
    pieces = Counter[bytes]()
    for line in lines_of(text):
        spans = counting_spans(scheme.pattern or "", line)
        pieces.update(line[a:b].encode() for a, b in spans)
    assert words(count_files(resolve(write(tmp_path, text)), scheme, threads=threads)) == pieces
    whole = Counter(text[a:b].encode() for a, b in counting_spans(scheme.pattern or "", text))
    assert words(count_documents([text], scheme, threads=threads)) == whole
    assert whole != pieces


def counting_spans(pattern: str, text: str) -> list[tuple[int, int]]:
    from bpetk.custom_pattern import compile_pattern

    return list(compile_pattern(pattern).spans(text))


# Watching and ending


def many_files(folder: Path) -> list[Path]:
    """Enough of them for every thread, since watching is done beside counting by one of them."""
    return write(folder, *["some words\n中文\n" * 20] * 60)


@pytest.mark.parametrize("threads", THREADS)
def test_the_watcher_sees_what_is_done(tmp_path: Path, threads: int, slow_steps: None) -> None:
    seen: list[tuple[int, int]] = []
    counted = count(*many_files(tmp_path), threads=threads, watcher=lambda *state: seen.append(state))
    for _ in range(2):
        assert len(seen) > 5
        assert [done for done, _ in seen] == sorted(done for done, _ in seen)
        assert 0 < seen[-1][0] <= counted.bytes
        assert all(distinct <= counted.distinct * threads for _, distinct in seen)
        seen.clear()
        texts = ["some words " * 9] * 300
        counted = count_documents(texts, CL100K, threads=threads, watcher=lambda *state: seen.append(state))


class StopHereError(BaseException):
    """Like KeyboardInterrupt, which pytest would take for its own."""


@pytest.mark.parametrize("error", [StopHereError, RuntimeError])
@pytest.mark.parametrize("threads", THREADS)
def test_an_error_of_the_watcher_ends_all_threads(
    tmp_path: Path, threads: int, error: type[BaseException], slow_steps: None
) -> None:
    paths = many_files(tmp_path)
    calls = 0

    def watcher(done: int, distinct: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise error("stop here")

    before = threading.active_count()
    with pytest.raises(error, match="stop here"):
        count(*paths, threads=threads, watcher=watcher)
    assert threading.active_count() == before
    calls = 0
    with pytest.raises(error, match="stop here"):
        count_documents(["some words"] * 9000, CL100K, threads=threads, watcher=watcher)
    assert threading.active_count() == before


def test_hashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import hashlib

    contents = [b"", b"abc", b"x" * 3_000_000]
    paths = write(tmp_path, *contents)
    expected = [hashlib.sha256(content).hexdigest() for content in contents]
    assert file_hashes(resolve([*paths, "-"])) == [*expected, None]
