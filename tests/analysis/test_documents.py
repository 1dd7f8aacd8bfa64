"""Reading documents of files, and drawing samples of them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpetk.analysis.documents import DocumentSample, TextFile, read_documents, text_files
from bpetk.errors import ConfigError, CorpusError, CorpusFileError, InvalidEncodingError


def write(folder, name, data):
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("part_bytes", [1, 3, 1 << 20])
def test_lines_are_documents(tmp_path, part_bytes):
    first = write(tmp_path, "a.txt", "一\n\ntwo\n".encode())
    second = write(tmp_path, "b.txt", b"three")
    batches = list(read_documents(text_files([first, second]), part_bytes=part_bytes))
    for k, documents in enumerate((["一", "", "two"], ["three"])):
        mine = [batch for batch in batches if batch.file == k]
        assert [document.decode() for batch in mine for document in batch.documents] == documents
        assert [batch.first for batch in mine] == [
            sum(len(b.documents) for b in mine[:i]) for i in range(len(mine))
        ]


def test_separator_encoding_and_whole_file(tmp_path):
    path = write(tmp_path, "a.txt", "一<|sep|>二\n".encode("gb18030"))
    batches = read_documents(text_files(path, separator="<|sep|>", encoding="gb18030"))
    assert [document.decode() for batch in batches for document in batch.documents] == ["一", "二\n"]
    (batch,) = read_documents([TextFile(path, "a", "gb18030", None)])
    assert batch.documents == ["一<|sep|>二\n".encode()]


def test_progress(tmp_path):
    path = write(tmp_path, "a.txt", b"one\ntwo\n")
    seen = []
    list(read_documents(text_files(path), stage="count", progress=lambda *state: seen.append(state)))
    assert seen[0] == ("count", 0, 8)
    assert seen[-1] == ("count", 8, 8)
    assert all(done <= total for _, done, total in seen)


def test_bad_text(tmp_path):
    with pytest.raises(ConfigError, match="no text: give at least one file"):
        text_files([])
    with pytest.raises(CorpusFileError, match=r"cannot read .*absent\.txt"):
        list(read_documents(text_files(tmp_path / "absent.txt")))
    empty = write(tmp_path, "empty.txt", b"\n\n")
    with pytest.raises(CorpusError, match=r"empty\.txt: no text; every document is empty"):
        list(read_documents(text_files(empty)))
    bad = write(tmp_path, "bad.txt", b"one\ntwo \xe4\xb8\nthree\n")
    with pytest.raises(InvalidEncodingError, match=r"bad\.txt: invalid UTF-8 at line 2, byte offset 8"):
        list(read_documents(text_files(bad)))
    torn = write(
        tmp_path, "torn.txt", b"one\xe4\n\xb8\xad\n"
    )  # a character of three bytes, but for the line feed
    with pytest.raises(InvalidEncodingError, match="line 1, byte offset 3"):
        list(read_documents(text_files(torn)))


documents = st.lists(st.binary(max_size=6), max_size=30)


@given(documents, st.integers(1, 60), st.integers(0, 3), st.randoms())
def test_a_sample_does_not_depend_on_order_or_parts(found, size, seed, chance):
    sample = DocumentSample(size, seed=seed)
    sample.add(0, found)
    other = list(found)
    chance.shuffle(other)
    parts = DocumentSample(size, seed=seed)
    at = 0
    while at < len(other):
        step = chance.randint(1, 7)
        parts.add(0, other[at : at + step])
        at += step
    assert sample.documents() == parts.documents()
    total = sum(map(len, found))
    assert sample.drawn_bytes == sum(map(len, sample.documents()))
    assert sample.drawn_bytes >= min(size, total)
    # Without the last one it would be too little.
    assert not len(sample) or sample.drawn_bytes - len(sample.documents()[-1]) < size
    assert sample.whole == (sample.drawn_bytes == total)
    assert (sample.seen_bytes, sample.seen_documents) == (total, sum(map(bool, found)))


def test_samples_of_other_seeds_differ_and_are_fair():
    found = [b"%03d" % k for k in range(300)]
    drawn = []
    for seed in range(40):
        sample = DocumentSample(90, seed=seed)
        sample.add(0, found)
        assert len(sample) == 30
        drawn.append(sample.documents())
    assert len({tuple(some) for some in drawn}) == 40
    times = [sum(document in some for some in drawn) for document in found]
    assert max(times) <= 14 and min(times) >= 0 and sum(times) == 1200  # 4 each on average


def test_values_beside_documents_are_kept():
    sample = DocumentSample(None)
    sample.add(1, [b"a", b"", b"c"], [10, 11, 12])
    assert sorted(sample.items()) == [(1, b"a", 10), (1, b"c", 12)]
    assert sample.whole


@pytest.mark.parametrize("size", [0, -1, 1.5])
def test_bad_sample_size(size):
    with pytest.raises(ConfigError, match="size of a sample must be a number of bytes above 0"):
        DocumentSample(size)


def test_copies_are_drawn_together():
    found = [b"%02d" % (k % 20) for k in range(100)]
    random.Random(1).shuffle(found)
    sample = DocumentSample(40, seed=5)
    sample.add(0, found)
    times = [sample.documents().count(document) for document in set(sample.documents())]
    assert sorted(times)[1:] == [5] * (len(times) - 1)


def test_a_line_that_ends_inside_a_character_is_not_the_end_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "x.txt"
    file.write_bytes("中文\n中".encode()[:-1] + b"\nabc\n")
    with pytest.raises(InvalidEncodingError, match=r"line 2, byte offset 7.*is damaged there"):
        list(read_documents(text_files(file)))
    file.write_bytes("中文\n中".encode()[:-1])
    with pytest.raises(InvalidEncodingError, match="ends inside a character"):
        list(read_documents(text_files(file)))
