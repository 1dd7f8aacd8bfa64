"""Which files an input means, what is refused, where files are cut, and what is said about bytes that are wrong."""

from __future__ import annotations

import io
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bpetk import corpus
from bpetk.corpus import Range, Source, Transcoder, document_bytes, invalid_utf8, plan, resolve
from bpetk.errors import ConfigError, CorpusError, CorpusFileError, DocumentTypeError, InvalidEncodingError

EDGE = Path(__file__).parents[2] / "corpora" / "edge"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with text in it and below it, and files that are not text; also the current one."""
    for name in (
        "b.txt",
        "a.txt",
        "c.TEXT",
        "sub/d.md",
        "sub/deep/e.txt",
        "f.log",
        "g.jsonl",
        "sub/h.gz",
        "noext",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    (tmp_path / "empty.txt").touch()
    (tmp_path / "nothing").mkdir()
    (tmp_path / "dir.txt").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*inputs: Any) -> list[str]:
    return [source.name.replace(os.sep, "/") for source in resolve(inputs[0] if len(inputs) == 1 else inputs)]


# Which files


def test_one_path_or_several_in_the_order_given(folder: Path) -> None:
    assert names("b.txt") == ["b.txt"]
    assert names(Path("b.txt")) == ["b.txt"]
    assert names(["b.txt", Path("a.txt"), "b.txt"]) == ["b.txt", "a.txt", "b.txt"]
    assert names(iter(["f.log", "noext"])) == ["f.log", "noext"]
    sources = resolve(["a.txt", "empty.txt"])
    assert [(source.path, source.size) for source in sources] == [(Path("a.txt"), 5), (Path("empty.txt"), 0)]


def test_a_directory_is_its_text_files_sorted(folder: Path) -> None:
    everything = ["a.txt", "b.txt", "c.TEXT", "empty.txt", "sub/d.md", "sub/deep/e.txt"]
    assert names(".") == everything
    assert names(folder) == [f"{folder.as_posix()}/{name}" for name in everything]
    assert names("sub") == ["sub/d.md", "sub/deep/e.txt"]
    assert names(["sub", "a.txt"]) == ["sub/d.md", "sub/deep/e.txt", "a.txt"]


def test_a_pattern_is_the_files_that_match_sorted(folder: Path) -> None:
    assert names("*.txt") == ["a.txt", "b.txt", "empty.txt"]  # a directory of such a name is left out
    assert names("**/*.txt") == ["a.txt", "b.txt", "empty.txt", "sub/deep/e.txt"]
    assert names("[ab].txt") == names("?.txt") == ["a.txt", "b.txt"]
    assert names(["su*/*.md", "f.*"]) == ["sub/d.md", "f.log"]


def test_a_file_whose_name_looks_like_a_pattern(folder: Path) -> None:
    for name in ("[ab].txt", "x[1].txt"):
        (folder / name).write_text("itself")
        assert names(name) == [name]


def test_standard_input() -> None:
    (source,) = resolve("-")
    assert source == Source("-", None, None)
    with pytest.raises(ConfigError, match="more than once"):
        resolve(["-", "-"])


def test_a_file_named_minus(folder: Path) -> None:
    (folder / "-").write_text("x")
    assert resolve("-")[0].path is None
    assert resolve("./-")[0].path == Path("-")


@pytest.mark.parametrize("nothing", [[], (), iter([])])
def test_no_input_is_an_error(nothing: Any) -> None:
    with pytest.raises(ConfigError, match="no training text given"):
        resolve(nothing)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.txt", r"cannot read absent\.txt: "),
        ("sub/absent.txt", r"cannot read sub.absent\.txt: "),
        ("a.txt/b.txt", r"cannot read a\.txt.b\.txt: "),
        ("nothing", r"the directory nothing holds no text: no file ending in \.txt, \.text, \.md"),
        ("*.csv", r"no file matches the pattern '\*\.csv'"),
        ("nothing/*", "no file matches"),
    ],
)
def test_what_is_not_there(folder: Path, name: str, message: str) -> None:
    with pytest.raises(CorpusFileError, match=message) as caught:
        resolve(["a.txt", name])
    assert isinstance(caught.value, OSError)


@pytest.mark.parametrize(
    "text", ["low lower lowest " * 500, "a line\nand another\n" * 300, "zero \0 byte", "文" * 5000]
)
def test_text_in_place_of_a_path(text: str) -> None:
    """It is no name that a file can have; the error must be about the file all the same."""
    with pytest.raises(CorpusFileError):
        resolve(text)


def test_an_empty_name_is_not_the_current_folder(folder: Path) -> None:
    """It comes from a variable that is not set, and the folder holds text."""
    with pytest.raises((ConfigError, CorpusFileError)):
        resolve("")


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links(folder: Path) -> None:
    (folder / "link.txt").symlink_to("a.txt")
    (folder / "broken.txt").symlink_to("absent")
    (folder / "loop.txt").symlink_to("loop.txt")
    assert resolve("link.txt")[0].size == 5
    for name in ("broken.txt", "loop.txt"):
        with pytest.raises(CorpusFileError, match=f"cannot read {name}"):
            resolve(name)
    assert "broken.txt" not in names(".")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="may read everything")
def test_a_file_without_permission(folder: Path) -> None:
    (folder / "a.txt").chmod(0)
    with pytest.raises(CorpusFileError, match=r"cannot read a\.txt: Permission denied"):
        resolve("a.txt")


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="needs /proc")
def test_a_file_that_cannot_be_read() -> None:
    with pytest.raises(CorpusFileError, match="cannot read /proc/self/mem"):
        resolve("/proc/self/mem")


# What is refused


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("x.jsonl", "write its text column to a .txt file"),
        ("x.json", "write its text column"),
        ("x.PARQUET", "write its text column"),
        ("x.arrow", "write its text column"),
        ("x.txt.gz", r"gzip -dc x\.txt\.gz \| bpetk train -"),
        ("x.zst", r"zstd -dc x\.zst"),
        ("x.xz", r"xz -dc"),
        ("x.bz2", r"bzip2 -dc"),
        ("x.zip", "unzip -p"),
        ("x.tar", "unpack it first"),
        ("x.pdf", "extract its text first"),
    ],
)
def test_suffixes_of_other_formats(folder: Path, name: str, remedy: str) -> None:
    (folder / name).write_text("harmless")
    for given in (name, [name], "x.*"):
        with pytest.raises(CorpusError, match=f"{name}: .*{remedy}"):
            resolve(given)


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (b"\x1f\x8b\x08\x00", "gzip-compressed"),
        (b"\x28\xb5\x2f\xfd\x04", "zstandard-compressed"),
        (b"\xfd7zXZ\x00\x00", "xz-compressed"),
        (b"BZh91AY&SY", "bzip2-compressed"),
        (b"PAR1\x15\x04", "Parquet"),
        (b"PK\x03\x04\x14", "a zip archive"),
        (b"%PDF-1.7\n", "PDF"),
    ],
)
def test_other_formats_under_a_name_of_text(folder: Path, head: bytes, what: str) -> None:
    (folder / "x.txt").write_bytes(head + b"rest" * 20)
    with pytest.raises(CorpusError, match=rf"x\.txt: the data is {what}, not plain text; "):
        resolve("x.txt")
    (folder / "sub" / "z.md").write_bytes(head)
    with pytest.raises(CorpusError, match="sub"):
        resolve("sub")


@pytest.mark.parametrize("text", ["BZhang said", "PARliament", "PK", "%PD", "PA", "{not json"])
def test_text_that_begins_nearly_like_another_format(folder: Path, text: str) -> None:
    (folder / "x.txt").write_text(text)
    assert names("x.txt") == ["x.txt"]


# Encodings


@pytest.mark.parametrize("name", ["utf-8", "UTF8", "utf_8", "U8"])
def test_utf8_by_any_name_is_read_as_it_is(name: str) -> None:
    assert corpus.native_encoding(name)


@pytest.mark.parametrize("name", ["gb18030", "utf-16", "big5", "latin-1", "utf-8-sig", "shift_jis"])
def test_other_encodings_are_not(name: str) -> None:
    assert not corpus.native_encoding(name)


@pytest.mark.parametrize("name", ["utf-9", "", "中文", "hex", "rot13", "base64", "zlib"])
def test_what_is_no_text_encoding_is_an_error(name: str) -> None:
    with pytest.raises(ConfigError, match=f"encoding {name!r}"):
        corpus.native_encoding(name)


def transcode(data: bytes, encoding: str, size: int = 7) -> bytes:
    file = Transcoder(io.BytesIO(data), "file", encoding)
    out = b""
    view = memoryview(bytearray(size))
    while got := file.readinto(view):
        out += view[:got]
    assert file.readinto(view) == 0
    return out


@pytest.mark.parametrize(
    "encoding",
    ["gb18030", "gbk", "utf-16", "utf-16-le", "utf-32", "big5", "utf-8-sig", "utf-7", "cp1252", "hz"],
)
@pytest.mark.parametrize("window", [1, 2, 3, 5, 1 << 16])
def test_transcoding(encoding: str, window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Characters and shift states go over the borders of reads."""
    monkeypatch.setattr(corpus, "_WINDOW", window)
    texts = {
        "cp1252": "café – naïve\r\n",
        "gb18030": "中文，a😀㐀\r\n𠀀 é\n",
        "utf-16": "中😀\n",
        "utf-32": "😀a中",
    }
    text = texts.get(encoding, "中文字，plain text\n中\r\n") * 20
    assert transcode(text.encode(encoding), encoding) == text.encode()
    assert transcode(b"", encoding) == b""


def test_a_byte_order_mark_belongs_to_utf16_and_is_text_in_utf8() -> None:
    assert transcode(b"\xff\xfea\x00", "utf-16") == b"a"
    assert transcode(b"\xfe\xff\x00a", "utf-16") == b"a"
    assert transcode(b"\xef\xbb\xbfa", "utf-8-sig") == b"a"


@pytest.mark.parametrize("window", [1, 3, 1 << 16])
def test_wrong_bytes_in_another_encoding(window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "_WINDOW", window)
    good = "第一行\n第二行\n".encode("gb18030")
    for bad, offset in ((b"\xff\n", 0), (b"\x81\x20", 0), (b"ab\x81", 2)):
        with pytest.raises(
            InvalidEncodingError, match=f"file: .*gb18030.* line 3, .*offset {len(good) + offset} "
        ):
            transcode(good + bad, "gb18030")
    with pytest.raises(InvalidEncodingError, match=r"file: .*utf-16.*line 1, .*offset 2 "):
        transcode(b"a\x00\x00\xd8a\x00", "utf-16-le")
    with pytest.raises(InvalidEncodingError, match=r"file: not utf-16 at line 1, byte offset \d "):
        transcode(b"ab\x00\xd8ab", "utf-16")  # without a mark


# Bytes that are not UTF-8


def message(data: bytes, offset: int, tmp_path: Path) -> str:
    path = tmp_path / "bad.txt"
    path.write_bytes(data)
    return str(invalid_utf8(Source("bad.txt", path, len(data)), offset, data[offset : offset + 9]))


def test_where_the_wrong_bytes_are(tmp_path: Path) -> None:
    data = b"one\ntwo\n\nab\xff\xfe\x41\x42\x43 and more\n"
    assert message(data, 11, tmp_path).startswith(
        "bad.txt: invalid UTF-8 at line 4, byte offset 11 (bytes FF FE 41 42)."
    )
    assert "at line 1, byte offset 0 (bytes C3)." in message(b"\xc3", 0, tmp_path)
    long = b"line\n" * 500_000
    assert "at line 500,001, byte offset 2,500,000 (" in message(long + b"\x80", 2_500_000, tmp_path)


@pytest.mark.parametrize("before", [0, 10, 5000, 70_000])
def test_gb18030_is_suggested_where_it_decodes(before: int, tmp_path: Path) -> None:
    data = b"plain line\n" * (before // 11) + "这是一段旧编码的文字，后面还有。\n".encode("gb18030") * 30
    offset = before // 11 * 11
    text = message(data, offset, tmp_path)
    assert text.endswith("The text decodes as gb18030: pass --encoding gb18030 (encoding='gb18030').")


def test_other_suggestions(tmp_path: Path) -> None:
    utf16 = "中文字\nabc".encode("utf-16")
    assert "--encoding utf-16 (encoding='utf-16')" in message(utf16, 0, tmp_path)
    latin = "Un café crème, à Liège.\n".encode("latin-1") * 3
    text = message(latin, 6, tmp_path)
    assert "gb18030" not in text
    assert "--encoding NAME" in text
    # One wrong byte in Chinese text that is UTF-8 otherwise.
    chinese = "雨停了，他把伞收起来。\n窗台上的猫看了一眼，又睡了。\n".encode() * 40
    for wrong in (b"\xff", b"\x80", b"\xe4\xb8"):
        assert "gb18030" not in message(chinese + wrong + chinese, len(chinese), tmp_path)


def test_a_stream_cannot_be_looked_at_again() -> None:
    text = str(invalid_utf8(Source("-", None, None), 5, b"\xff"))
    assert text == "-: invalid UTF-8 at byte offset 5 (bytes FF)."


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_nor_can_a_named_pipe(tmp_path: Path) -> None:
    """Opening it a second time would wait for ever; so the test has a short time limit of its own."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    holder = os.open(path, os.O_RDWR)  # lets a reader open it, and gives it nothing
    try:
        os.write(holder, b"x\n" * 3)
        text = str(invalid_utf8(Source("pipe", path, None), 5, b"\xff"))
    finally:
        os.close(holder)
    assert "invalid UTF-8 at" in text
    assert "byte offset 5 (bytes FF)" in text


# Where files are cut


def no_cut(window: bytes) -> int:
    return 0


def ranges(tmp_path: Path, data: bytes, pieces: int, find_cut: Any = no_cut) -> list[bytes]:
    path = tmp_path / "text.txt"
    path.write_bytes(data)
    parts = plan(resolve(path), pieces, find_cut)
    assert all(part.end is not None and part.begin < part.end for part in parts)
    assert [part.begin for part in parts] == [0, *(part.end for part in parts[:-1])]
    assert parts[-1].end == len(data)
    return [data[part.begin : part.end] for part in parts]


@pytest.mark.parametrize("pieces", [1, 2, 7, 16, 1000])
def test_cuts_stand_after_line_ends(tmp_path: Path, pieces: int) -> None:
    rng = random.Random(pieces)
    data = b"".join(b"x" * rng.choice((0, 3, 80, 3000)) + b"\n" for _ in range(4000))
    parts = ranges(tmp_path, data, pieces)
    assert all(part.endswith(b"\n") for part in parts)
    least, most = len(data) / pieces / 3, max(len(data) / pieces, 1 << 18) * 2
    assert all(min(least, 1 << 17) < len(part) <= most for part in parts)
    assert len(parts) > 2 or pieces < 3


def test_without_line_ends_a_safe_place_is_cut(tmp_path: Path) -> None:
    data = b"word " * 400_000
    windows = []

    def find_cut(window: bytes) -> int:
        windows.append(len(window))
        return window.find(b" ")

    parts = ranges(tmp_path, data, 4, find_cut)
    assert len(parts) == 4
    assert all(part.startswith(b" word") for part in parts[1:])
    assert windows == [1 << 16] * 3


def test_without_any_place_nothing_is_cut(tmp_path: Path) -> None:
    data = b"x" * 2_000_000
    assert ranges(tmp_path, data, 8) == [data]
    # A line end farther than a window is not seen.
    data = b"x" * 1_000_000 + b"\n" + b"x" * 1_000_000
    assert len(ranges(tmp_path, data, 8)) <= 2


def test_small_files_are_not_cut(tmp_path: Path) -> None:
    assert len(ranges(tmp_path, b"line\n" * 50_000, 64)) == 1


def test_several_files_and_streams(tmp_path: Path) -> None:
    sources = []
    for number, lines in enumerate((0, 1, 300_000)):
        path = tmp_path / f"{number}.txt"
        path.write_bytes(b"line\n" * lines)
        sources += resolve(path)
    stream = Source("-", None, None)
    parts = plan([*sources, stream], 3, no_cut)
    # Nothing of the empty one, all of the small one.
    assert parts[0] == Range(sources[1], 0, 5)
    assert parts[-1] == Range(stream, 0, None)
    assert {part.source.name for part in parts[1:-1]} == {sources[2].name}
    assert len(parts) >= 4


# Documents


def test_documents_become_utf8() -> None:
    documents: list[Any] = ["ab", ["中", "", ("x")], (), [], "", ("é", "😀"), "\0"]
    assert list(document_bytes(documents)) == [text.encode() for text in ("ab", "中", "x", "é", "😀", "\0")]


def test_documents_are_taken_one_by_one() -> None:
    taken = []

    def documents() -> Iterator[str]:
        for number in range(10):
            taken.append(number)
            yield str(number)

    iterator = document_bytes(documents())
    assert taken == []
    assert next(iterator) == b"0"
    assert taken == [0]


@pytest.mark.parametrize("given", ["one text", b"bytes"])
def test_a_text_in_place_of_documents(given: Any) -> None:
    with pytest.raises(DocumentTypeError, match=f"got one {type(given).__name__}; put it into a list"):
        list(document_bytes(given))


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ([b"ab"], "document 0 is bytes"),
        (["a", None], "document 1 is NoneType"),
        (["a", ["b", "c"], 3.5], "document 3 is float"),
        (["a", ["b", b"c"]], "document 2 is bytes"),
        ([["a", ["b"]]], "document 1 is list"),
        (["", "", {}], "document 2 is dict"),
    ],
)
def test_what_is_not_a_document(documents: list[Any], message: str) -> None:
    with pytest.raises(DocumentTypeError, match=message) as caught:
        list(document_bytes(documents))
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize(
    ("text", "where"), [("ab\ud800c", r"U\+D800\) at character 2"), ("\udfff", r"U\+DFFF\) at character 0")]
)
def test_lone_surrogates(text: str, where: str) -> None:
    with pytest.raises(InvalidEncodingError, match=rf"document 2 holds a lone surrogate \({where}"):
        list(document_bytes(["a", ["b", text]]))
