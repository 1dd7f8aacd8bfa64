"""Documents of a file in parts: whatever the size of the parts, the documents are those of the whole file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpetk.errors import ConfigError, CorpusFileError, InvalidEncodingError
from bpetk.text_files import check_utf8, locate, open_utf8, read_parts, separator_bytes

Cut = Callable[[bytes], int]


def last_blank(data: bytes) -> int:
    """Cut before the last blank that is not the first byte."""
    return max(0, data.rfind(b" ", 1))


def never(data: bytes) -> int:
    return 0


def at_the_end(data: bytes) -> int:
    return len(data)


CUTS: list[Cut | None] = [None, never, last_blank, at_the_end]


def documents(data: bytes, separator: bytes | None) -> list[bytes]:
    """The documents of a file, in the plainest way."""
    if separator is None:
        return [data]
    found = data.split(separator)
    return found if found[-1] else found[:-1]


def joined(path: Path, separator: bytes | None, part_bytes: int, cut: Cut | None) -> list[bytes]:
    """Put the parts of a file together; say what must hold of each."""
    found: list[bytes] = []
    goes_on = False
    for part, ended in read_parts(path, separator, part_bytes, cut):
        assert part
        if cut is None:
            assert ended
        if goes_on:
            found[-1] += part[0]
            found += part[1:]
        else:
            found += part
        goes_on = not ended
    assert not goes_on
    return found


SEPARATORS = ["\n", "\r\n", "\n\n", "ab", "<|sep|>", " ", "中", "aa"]


@settings(max_examples=400)
@given(
    st.lists(
        st.sampled_from(["a", "b", "ab", " ", "\n", "\r", "\r\n", "中", "<|", "<|sep|>", "aa", "aaa"]),
        max_size=25,
    ),
    st.sampled_from([None, *SEPARATORS]),
    st.integers(1, 40),
    st.sampled_from(CUTS),
)
def test_parts_of_any_size(
    tmp_path_factory: pytest.TempPathFactory,
    pieces: list[str],
    separator: str | None,
    part_bytes: int,
    cut: Cut | None,
) -> None:
    path = tmp_path_factory.getbasetemp() / "parts.txt"
    data = "".join(pieces).encode()
    path.write_bytes(data)
    mark = separator_bytes(separator)
    assert joined(path, mark, part_bytes, cut) == documents(data, mark)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", []),
        (b"\n", [b""]),
        (b"a", [b"a"]),
        (b"a\n", [b"a"]),
        (b"a\nb", [b"a", b"b"]),
        (b"\na\n\n", [b"", b"a", b""]),
        (b"a\r\nb\r\n", [b"a\r", b"b\r"]),
    ],
)
def test_a_separator_at_the_end_has_no_document_after_it(
    tmp_path: Path, data: bytes, found: list[bytes]
) -> None:
    path = tmp_path / "file.txt"
    path.write_bytes(data)
    for part_bytes in (1, 2, 3, 100):
        assert joined(path, b"\n", part_bytes, None) == found
    assert list(read_parts(path, None, 100, None)) == [([data], True)]


def test_parts_are_about_as_large_as_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes(b"some words " * 2000 + b"\n" + b"line\n" * 3000)
    for separator in (b"\n", None):
        sizes = [sum(map(len, part)) for part, _ in read_parts(path, separator, 500, last_blank)]
        assert max(sizes) <= (1100 if separator else 16_000) and len(sizes) > 2


def test_a_document_without_a_place_to_cut_is_read_in_steps_that_grow(tmp_path: Path) -> None:
    path = tmp_path / "one.txt"
    path.write_bytes(b"x" * 100_000)
    asked: list[int] = []

    def cut(data: bytes) -> int:
        asked.append(len(data))
        return 0

    assert list(read_parts(path, b"\n", 100, cut)) == [([b"x" * 100_000], True)]
    assert len(asked) < 15


@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "gb18030", "utf-16", "big5"])
@pytest.mark.parametrize("part_bytes", [1, 7, 1000])
def test_another_encoding_gives_the_same_parts(tmp_path: Path, encoding: str, part_bytes: int) -> None:
    text = "一行字\n第二行 two\n\n" * 300
    path = tmp_path / "text.txt"
    path.write_bytes(text.encode(encoding))
    plain = tmp_path / "plain.txt"
    plain.write_bytes(text.encode())
    for separator in (b"\n", "二".encode(), None):
        found = list(read_parts(path, separator, part_bytes, last_blank, encoding))
        assert found == list(read_parts(plain, separator, part_bytes, last_blank))
    with open_utf8(path, encoding) as file:
        assert b"".join(file) == text.encode()


def test_text_that_is_not_in_the_encoding(tmp_path: Path) -> None:
    path = tmp_path / "bad.txt"
    path.write_bytes("好\n".encode("gb18030") + b"\xff\xff")
    with pytest.raises(InvalidEncodingError, match=r"bad\.txt: not gb18030 at line 2, byte offset 3 "):
        list(read_parts(path, b"\n", 100, None, "gb18030"))
    with pytest.raises(ConfigError, match="unknown encoding 'nosuch'"):
        list(read_parts(path, b"\n", 100, None, "nosuch"))
    with pytest.raises(ConfigError, match="unknown encoding 'nosuch'"), open_utf8(path, "nosuch"):
        pass


def test_separators() -> None:
    assert separator_bytes(None) is None
    assert separator_bytes("中") == "中".encode() and separator_bytes(b"\0") == b"\0"
    for empty in ("", b""):
        with pytest.raises(ConfigError, match="must not be empty"):
            separator_bytes(empty)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.txt"):
        with pytest.raises(CorpusFileError, match="cannot read"):
            next(read_parts(path, None, 100, None))
    with pytest.raises(CorpusFileError, match=r"none\.txt"):
        next(read_parts(str(tmp_path / "none.txt"), None, 100, None))


def test_where_a_file_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "bad.txt"
    given = InvalidEncodingError("somewhere")
    path.write_bytes("é\nok\n".encode() + b"ab\xe9\n\xff")
    with pytest.raises(
        InvalidEncodingError,
        match=r"bad\.txt: invalid UTF-8 at line 3, byte offset 8 \(bytes E9 0A FF\)\. .* is damaged there|ends inside",
    ):
        raise locate(path, given)
    path.write_bytes(b"a\n\xe4\xb8")
    with pytest.raises(InvalidEncodingError, match="at line 2, byte offset 2"):
        raise locate(path, given)
    path.write_bytes("ascii\n汉字\n".encode("gb18030"))
    with pytest.raises(InvalidEncodingError, match="decodes as gb18030: pass --encoding gb18030"):
        raise locate(path, given)
    path.write_bytes(b"fine\n")
    assert locate(path, given) is given


@given(st.lists(st.text("a\u00e9\u732b\U0001f600", max_size=9).map(str.encode) | st.binary(max_size=4)))
def test_the_check_of_many_documents_is_that_of_each(documents: list[bytes]) -> None:
    def is_utf8(data: bytes) -> bool:
        return data.decode("utf-8", "ignore").encode() == data

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bpetk.text_files._BLOCK", 5)  # so that characters go across the ends of blocks
        if all(map(is_utf8, documents)):
            check_utf8("no such file", documents)
        else:
            with pytest.raises(InvalidEncodingError, match="no such file: not UTF-8; name its encoding"):
                check_utf8("no such file", documents)
