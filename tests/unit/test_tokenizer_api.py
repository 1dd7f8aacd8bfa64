"""The methods of a tokenizer: what each takes, gives and refuses, and that they agree."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpetk
from bpetk.definition import Definition, Sections
from bpetk.errors import (
    ConfigError,
    CorpusFileError,
    DocumentTypeError,
    InvalidEncodingError,
    UnknownTokenError,
)
from bpetk.model import BpeModel
from bpetk.pretokenizers import get_scheme
from bpetk.special_tokens import AddedToken
from bpetk.tokenizer import Tokenizer

TEXT = "the cat sat on the mat, then that cat ate 42 mice.\n猫坐在垫子上，猫吃了老鼠，然后猫睡了。é😀\n"
TEXTS = [TEXT, "", "the cat", "猫坐在", " ", "a<s>b", "😀" * 5, TEXT * 3]


@pytest.fixture(scope="module")
def tok() -> Tokenizer:
    """Trained on the text, with two special tokens that a template puts around."""
    trained = bpetk.train_from_iterator([TEXT] * 3, 315, special_tokens=["<s>", "</s>"], scheme="gpt2")
    return Tokenizer(Definition(trained.model, Sections(post_processor=template("<s>", "</s>"))))


def template(before: str, after: str) -> dict[str, Any]:
    tokens = {name: {"id": name, "ids": [i], "tokens": [name]} for i, name in enumerate((before, after))}
    text = {"Sequence": {"id": "A", "type_id": 0}}
    single = [
        {"SpecialToken": {"id": before, "type_id": 0}},
        text,
        {"SpecialToken": {"id": after, "type_id": 0}},
    ]
    pair = [*single, {"Sequence": {"id": "B", "type_id": 0}}]
    return {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": tokens}


def bytes_only(**options: Any) -> Tokenizer:
    return Tokenizer(BpeModel(get_scheme("gpt2"), (), list(range(256)), [], [], [], **options))


def rows_of(flat: tuple[Any, Any]) -> list[list[int]]:
    ids, rows = flat
    assert rows.dtype == np.int64 and rows[0] == 0 and rows[-1] == len(ids)
    return [ids[start:end].tolist() for start, end in pairwise(rows)]


OPTIONS: list[dict[str, Any]] = [
    {"disallowed_special": ()},
    {"allowed_special": "all"},
    {"allowed_special": {"<s>"}, "add_special_tokens": True},
    {"disallowed_special": (), "add_special_tokens": True},
]


# --- all calls agree ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_calls_agree(tok: Tokenizer, options: dict[str, Any]) -> None:
    expected = [tok.encode(text, **options) for text in TEXTS]
    assert [tok.encode(text.encode(), **options) for text in TEXTS] == expected
    assert [tok.encode_with_offsets(text, **options).ids for text in TEXTS] == expected
    assert [tok.count(text, **options) for text in TEXTS] == [*map(len, expected)]
    assert [tok.encode_to_numpy(text, **options).tolist() for text in TEXTS] == expected
    for threads in (0, 1, 2, 7):
        assert tok.encode_batch(TEXTS, threads=threads, **options) == expected
        assert tok.encode_batch(iter(TEXTS), threads=threads, **options) == expected
        assert tok.count_batch(TEXTS, threads=threads, **options) == [*map(len, expected)]
        assert rows_of(tok.encode_batch_flat(TEXTS, threads=threads, **options)) == expected
    for dropout in (None, 0, 0.0):
        assert [tok.encode(text, dropout=dropout, **options) for text in TEXTS] == expected
    assert tok.decode_batch(expected) == [tok.decode(ids) for ids in expected]
    if not options.get("add_special_tokens"):
        assert tok.decode_batch(expected) == TEXTS


def test_encode_ordinary(tok: Tokenizer) -> None:
    for text in TEXTS:
        assert tok.encode_ordinary(text) == tok.encode(text, disallowed_special=())
    assert 0 not in tok.encode_ordinary("<s></s>")


def test_nothing_at_all(tok: Tokenizer) -> None:
    for threads in (0, 1, 2):
        assert tok.encode_batch([], threads=threads) == [] == tok.count_batch([], threads=threads)
        ids, rows = tok.encode_batch_flat([], threads=threads)
        assert (ids.tolist(), rows.tolist(), ids.dtype) == ([], [0], np.uint32)
    assert tok.encode("") == tok.encode(b"") == [] and tok.encode("", add_special_tokens=True) == [0, 1]
    assert tok.encode_to_numpy("").shape == (0,) and tok.count("") == 0
    assert tok.decode([]) == "" and tok.decode_bytes([]) == b"" and tok.decode_batch([]) == []
    assert tok.decode_with_offsets([]) == ("", [])
    ids, rows = tok.encode_batch_flat(["", ""], add_special_tokens=True)
    assert (ids.tolist(), rows.tolist()) == ([0, 1, 0, 1], [0, 2, 4])


def test_large_batches_in_threads(tok: Tokenizer) -> None:
    texts: list[str | bytes] = [f"{TEXT[i % 40 :]}{i}" for i in range(2000)]
    texts[7], texts[1500], texts[3] = TEXT.encode() * 900, "", "猫" * 30_000
    expected = [tok.encode(text) for text in texts]
    for threads in (1, 2, 7):
        assert tok.encode_batch(texts, threads=threads) == expected
        assert rows_of(tok.encode_batch_flat(texts, threads=threads)) == expected
        assert tok.count_batch(texts[::-1], threads=threads) == [*map(len, expected)][::-1]


def test_a_long_document_in_threads(tok: Tokenizer) -> None:
    for text in (TEXT * 9000, "x" * 700_000, "word " * 200_000 + "<s> " + "猫，" * 100_000):
        expected = tok.encode(text, allowed_special="all")
        for threads in (0, 1, 2, 7):
            assert tok.encode_to_numpy(text, threads=threads, allowed_special="all").tolist() == expected
        assert tok.encode_to_numpy(text.encode(), threads=2, allowed_special="all").tolist() == expected


# --- documents that fail --------------------------------------------------------------------------------------------

FAILING: list[tuple[str | bytes, type[Exception], str]] = [
    ("ab<s>", ConfigError, "special token '<s>' at position 2"),
    (b"ab\xff", InvalidEncodingError, r"not UTF-8 at byte 2 \(0xFF\)"),
    ("ab\ud800", InvalidEncodingError, r"U\+D800 at position 2"),
]


@pytest.mark.parametrize(("text", "error", "message"), FAILING)
def test_a_document_that_fails(
    tok: Tokenizer, text: str | bytes, error: type[Exception], message: str
) -> None:
    batch = [TEXT, text, b"\xfe", TEXT]
    calls: list[Callable[[], Any]] = [
        lambda: tok.encode(text),
        lambda: tok.encode(text, dropout=0.5),
        lambda: tok.encode_batch(batch, threads=1),
        lambda: tok.encode_batch(batch * 500, threads=3),
        lambda: tok.encode_batch_flat(batch),
        lambda: tok.encode_to_numpy(text),
        lambda: tok.encode_with_offsets(text),
        lambda: tok.count(text),
        lambda: tok.count_batch(batch),
        lambda: tok.truncate(text, 1),
    ]
    for call in calls:
        with pytest.raises(error, match=message):
            call()
    assert tok.encode_batch([TEXT]) == [tok.encode(TEXT)]


def test_where_a_long_document_is_at_fault(tok: Tokenizer) -> None:
    filler = "ab cd " * 120_000
    for text, error, message in FAILING:
        long = filler + text if isinstance(text, str) else filler.encode() + text
        for threads in (1, 2):
            wanted = message.replace("position 2", "position 720002").replace("byte 2", "byte 720002")
            with pytest.raises(error, match=wanted):
                tok.encode_to_numpy(long, threads=threads)


@pytest.mark.parametrize("text", [None, 3, ["a"], bytearray(b"a"), memoryview(b"a")])
def test_only_text_is_encoded(tok: Tokenizer, text: Any) -> None:
    for call in (
        lambda: tok.encode(text),
        lambda: tok.encode(text, dropout=0.5),
        lambda: tok.encode_batch(["a", text]),
        lambda: tok.encode_with_offsets(text),
        lambda: tok.truncate(text, 1),
        lambda: tok.count(text),
    ):
        with pytest.raises(TypeError, match="text must be str or bytes, not"):
            call()


def test_a_batch_is_not_one_text(tok: Tokenizer) -> None:
    for call in (tok.encode_batch, tok.count_batch, tok.encode_batch_flat):
        for text in ("ab", b"ab"):
            with pytest.raises(DocumentTypeError, match="several documents"):
                call(text)  # type: ignore[operator]
    with pytest.raises(TypeError):
        tok.encode_batch(3)  # type: ignore[arg-type]


def test_documents_that_take_the_general_way() -> None:
    """Texts that a normalizer changes, among others, at any place of a batch."""
    tok = Tokenizer(
        Definition(
            bytes_only(added_tokens=(AddedToken("<r>", 256, rstrip=True),)).model,
            Sections(normalizer={"type": "NFC"}),
        )
    )
    texts = ["abc", "e\u0301", "<r>  x", "é" * 100, "\u212b<r>", ""] * 7
    expected = [tok.encode(text, allowed_special="all") for text in texts]
    assert expected[1] == [*"é".encode()] and expected[2] == [256, 120]
    for threads in (1, 3):
        assert tok.encode_batch(texts, threads=threads, allowed_special="all") == expected
        assert rows_of(tok.encode_batch_flat(texts, threads=threads, allowed_special="all")) == expected
        assert tok.count_batch(texts, allowed_special="all") == [*map(len, expected)]


# --- options --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [-1, 1.0, "2", None])
def test_threads_must_be_a_number(tok: Tokenizer, threads: Any) -> None:
    for call in (
        lambda: tok.encode_batch(["a"], threads=threads),
        lambda: tok.encode_batch_flat(["a"], threads=threads),
        lambda: tok.count_batch(["a"], threads=threads),
    ):
        with pytest.raises(ConfigError, match="threads must be"):
            call()


def test_dtypes(tok: Tokenizer) -> None:
    expected = tok.encode(TEXT)
    for dtype in ("uint16", "uint32"):
        ids = tok.encode_to_numpy(TEXT, dtype=dtype)
        assert ids.dtype == dtype and ids.tolist() == expected and ids.ndim == 1
        flat, _ = tok.encode_batch_flat([TEXT, ""], dtype=dtype, add_special_tokens=True)
        assert flat.dtype == dtype and flat.tolist() == [0, *expected, 1, 0, 1]
    for dtype in ("int32", "float32", "u4", "", None):
        with pytest.raises(ConfigError, match="dtype must be 'uint32' or 'uint16'"):
            tok.encode_to_numpy(TEXT, dtype=dtype)  # type: ignore[arg-type]
    for highest, fits in ((2**16 - 1, True), (2**16, False)):
        large = bytes_only(added_tokens=(AddedToken("<s>", highest),))
        if fits:
            assert large.encode_to_numpy("<s>", dtype="uint16", allowed_special="all").tolist() == [highest]
            continue
        with pytest.raises(ConfigError, match=f"ids up to {highest} do not fit uint16"):
            large.encode_batch_flat(["a"], dtype="uint16")


def test_dropout(tok: Tokenizer) -> None:
    plain = tok.encode(TEXT)
    for seed in range(5):
        ids = tok.encode(TEXT, dropout=0.3, seed=seed)
        assert (
            ids
            == tok.encode(TEXT, dropout=0.3, seed=seed)
            == tok.encode(TEXT.encode(), dropout=0.3, seed=seed)
        )
        assert len(ids) > len(plain) and tok.decode(ids) == TEXT
    byte_ids = [tok.model.byte_ids[byte] for byte in TEXT.encode()]
    assert tok.encode(TEXT, dropout=1) == tok.encode(TEXT, dropout=1.0, seed=3) == byte_ids
    assert len({tuple(tok.encode(TEXT, dropout=0.5)) for _ in range(5)}) == 5
    assert tok.encode("<s>a", dropout=0.5, allowed_special="all", add_special_tokens=True)[:2] == [0, 0]
    assert tok.encode("", dropout=0.5) == []
    assert tok.encode(TEXT, dropout=1e-18, seed=1) == plain
    for wrong in (-0.1, 1.1, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="dropout must be between 0 and 1"):
            tok.encode(TEXT, dropout=wrong)
    for seed in (-1, 2**64 + 5):
        assert tok.encode(TEXT, dropout=0.5, seed=seed) == tok.encode(TEXT, dropout=0.5, seed=seed)


@pytest.mark.parametrize("wrong", ["<s>", 3, None, ["<s>", 3]])
def test_policies(tok: Tokenizer, wrong: Any) -> None:
    for call in (
        lambda: tok.encode("a", allowed_special=wrong),
        lambda: tok.encode_batch(["a"], disallowed_special=wrong),
        lambda: tok.count("a", allowed_special=wrong),
        lambda: tok.encode_with_offsets("a", disallowed_special=wrong),
    ):
        with pytest.raises(ConfigError, match="must be 'all' or a set of strings"):
            call()
    assert tok.encode("xab", disallowed_special={"<s>"}) == tok.encode("xab")
    with pytest.raises(ConfigError, match="disallowed text 'ab' at position 1"):
        tok.encode("xab", disallowed_special={"ab"})


# --- truncate -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_truncate(tok: Tokenizer, options: dict[str, Any]) -> None:
    around = 2 if options.get("add_special_tokens") else 0
    for text in [*TEXTS[:-1], "a   b", "é" * 4, "a\n\n \n b", "👩\u200d🔬"]:
        total, before = tok.count(text, **options), ""
        for most in range(total + 2):
            short = tok.truncate(text, most, **options)
            assert isinstance(short, str) and text.startswith(short) and short.startswith(before)
            assert tok.count(short, **options) <= max(most, around)
            assert tok.truncate(text.encode(), most, **options) == short.encode()
            if most >= total:
                assert short == text
            before = short
        assert tok.truncate(text, 0, **options) == ""


def test_truncate_keeps_what_the_first_ids_stand_for(tok: Tokenizer) -> None:
    ids, exact = tok.encode(TEXT), 0
    for most in range(len(ids) + 1):
        kept = tok.decode_bytes(ids[:most]).decode("utf-8", "ignore")
        short = tok.truncate(TEXT, most)
        # Less where it has more ids by itself: here the end of a word becomes a word.
        assert kept.startswith(short) and (short == kept or tok.count(kept) > most)
        exact += short == kept
    assert exact > len(ids) * 0.6
    with pytest.raises(ConfigError, match="max_tokens must be at least 0, not -1"):
        tok.truncate(TEXT, -1)


def test_truncate_where_a_shorter_text_has_more_ids() -> None:
    # `abcd` is one token only as a whole.
    tok = bytes_only(extra_tokens=(("abcd", 256),), ignore_merges=True)
    assert [tok.truncate("abcd abcd", most) for most in range(5)] == [
        "",
        "abcd",
        "abcd ",
        "abcd a",
        "abcd ab",
    ]
    assert tok.truncate("abcd", 1) == "abcd" and tok.truncate("abcde", 1) == "a"


def test_truncate_encodes_no_more_than_it_needs(tok: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    long, sizes = "ab cd 猫，" * 100_000, list[int]()
    right = Tokenizer.encode_with_offsets

    def counted(self: Tokenizer, text: str, **options: Any) -> Any:
        sizes.append(len(text))
        return right(self, text, **options)

    monkeypatch.setattr(Tokenizer, "encode_with_offsets", counted)
    for most in (0, 1, 100):
        short = tok.truncate(long, most)
        assert long.startswith(short) and tok.count(short) <= most
        assert short == tok.truncate(long[:1000], most)
        assert tok.truncate(long.encode(), most) == short.encode()
    assert max(sizes) < 6000
    sizes.clear()
    assert tok.truncate(long, 10**7) == long and not sizes
    # What is wrong far behind is told all the same.
    for wrong, error, message in (
        ("<s>", ConfigError, "'<s>' at position 800000"),
        ("\ud800", InvalidEncodingError, "at position 800000"),
    ):
        with pytest.raises(error, match=message):
            tok.truncate(long + wrong, 5)
    assert tok.truncate(long + "<s>", 5, disallowed_special=()) == tok.truncate(long, 5)


def test_truncate_takes_no_quadratic_time(tok: Tokenizer) -> None:
    assert tok.count(tok.truncate("ab cd " * 50_000, 50_000)) <= 50_000


# --- back to text ---------------------------------------------------------------------------------------------------


def test_decode(tok: Tokenizer) -> None:
    ids = tok.encode(TEXT)
    for given in (ids, tuple(ids), iter(ids), np.array(ids, dtype=np.uint16), np.array(ids), range(0)):
        assert tok.decode(given) in (TEXT, "")
    half = tok.encode("猫", dropout=1)[:2]
    assert tok.decode(half) == "\ufffd" and tok.decode(half, errors="ignore") == ""
    with pytest.raises(UnicodeDecodeError):
        tok.decode(half, errors="strict")
    assert tok.decode([0, *ids, 1]) == f"<s>{TEXT}</s>"
    assert tok.decode([0, *ids, 1], skip_special_tokens=True) == TEXT
    assert tok.decode_bytes([0, *half], skip_special_tokens=True) == "猫".encode()[:2]


@pytest.mark.parametrize("id", [315, -1, 2**40, None, 1.5])
def test_unknown_ids(tok: Tokenizer, id: Any) -> None:
    for call in (
        lambda: tok.decode([3, id]),
        lambda: tok.decode_bytes([id]),
        lambda: tok.decode_batch([[], [id]]),
        lambda: tok.decode_with_offsets([id]),
        lambda: tok.id_to_bytes(id),
        lambda: tok.id_to_token(id),
        lambda: tok.stream_decoder().feed([id]),
    ):
        with pytest.raises(UnknownTokenError, match="is not in the vocabulary; ids are below 315"):
            call()


@pytest.mark.parametrize("ids", [3, "12", b"12", [[1, 2]], ["x"]])
def test_what_is_not_a_row_of_ids(tok: Tokenizer, ids: Any) -> None:
    with pytest.raises(DocumentTypeError):
        tok.decode(ids)


def test_decode_with_offsets(tok: Tokenizer) -> None:
    ids = tok.encode(TEXT)
    text, starts = tok.decode_with_offsets(ids)
    assert text == TEXT and len(starts) == len(ids)
    assert starts == tok.encode_with_offsets(TEXT).char_offsets[:, 0].tolist()
    with pytest.raises(UnicodeDecodeError):
        tok.decode_with_offsets(tok.encode("猫", dropout=1)[:2])


def test_look_ups(tok: Tokenizer) -> None:
    assert tok.token_to_id("<s>") == 0 and tok.token_to_id(b"a") == tok.token_to_id("a")
    for id in range(tok.n_vocab):
        assert tok.token_to_id(tok.id_to_bytes(id) if id > 1 else tok.id_to_token(id)) == id
        assert tok.id_to_bytes(id) == tok.decode_bytes([id])
    space = tok.token_to_id(b" ")
    assert tok.id_to_token(space) == "Ġ" and tok.id_to_bytes(space) == b" "
    assert (len(tok), tok.vocab_size, tok.n_vocab) == (315, 315, 315)
    assert tok.special_tokens == tok.added_tokens == {"<s>": 0, "</s>": 1}
    assert (tok.format, tok.source, tok.train_report) == ("trained", "", None)


# --- files ----------------------------------------------------------------------------------------------------------


def test_files(tok: Tokenizer, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(b"\n".join([TEXT[:50].encode(), b"", "猫，".encode() * 50, b""]))
    for options in OPTIONS:
        expected = [tok.encode(text, **options) for text in (TEXT[:50], "", "猫，" * 50)]
        for separator in ("\n", b"\n"):
            assert rows_of(tok.encode_file(path, separator=separator, **options)) == expected
        whole = [tok.encode(path.read_bytes(), **options)]
        assert rows_of(tok.encode_file(str(path), threads=2, **options)) == whole
    other = tmp_path / "other.txt"
    other.write_bytes(path.read_bytes().decode().encode("gb18030"))
    assert rows_of(tok.encode_file(other, encoding="gb18030", disallowed_special=())) == rows_of(
        tok.encode_file(path, disallowed_special=())
    )
    ids, _ = tok.encode_file(path, dtype="uint16")
    assert ids.dtype == np.uint16
    empty = tmp_path / "empty.txt"
    empty.write_bytes(b"")
    assert rows_of(tok.encode_file(empty)) == [[]] and rows_of(tok.encode_file(empty, separator="\n")) == []
    assert rows_of(tok.encode_file(empty, add_special_tokens=True)) == [[0, 1]]


def test_files_that_cannot_be_encoded(tok: Tokenizer, tmp_path: Path) -> None:
    path = tmp_path / "bad.txt"
    path.write_bytes("é\n".encode() * 3 + b"a\xff\n")
    for part_bytes in (1, 5, 1000):
        with pytest.raises(
            InvalidEncodingError, match=r"bad\.txt: invalid UTF-8 at line 4, byte offset 10 \(bytes FF"
        ):
            list(tok.iter_encode_file(path, separator="\n", part_bytes=part_bytes))
    with pytest.raises(CorpusFileError, match=r"none\.txt"):
        tok.encode_file(tmp_path / "none.txt")
    with pytest.raises(ConfigError, match="separator must not be empty"):
        tok.encode_file(path, separator="")
    with pytest.raises(ConfigError, match="dtype"):
        tok.encode_file(path, dtype="int8")
    path.write_bytes(b"ok\na<s>")
    with pytest.raises(ConfigError, match="'<s>' at position"):
        tok.encode_file(path, separator="\n")


# --- a value --------------------------------------------------------------------------------------------------------


def copies(tok: Tokenizer) -> Iterator[Tokenizer]:
    yield Tokenizer(tok.definition)
    yield copy.copy(tok)
    yield copy.deepcopy(tok)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        yield pickle.loads(pickle.dumps(tok, protocol))


def test_is_a_value(tok: Tokenizer) -> None:
    ids = tok.encode(TEXT)
    for other in copies(tok):
        assert other == tok and hash(other) == hash(tok) and repr(other) == repr(tok)
        assert other.encode(TEXT) == ids and other.encode("", add_special_tokens=True) == [0, 1]
    assert tok != Tokenizer(tok.model)  # the stages belong to it
    assert tok != bytes_only() and tok != "tok" and tok is not None
    assert bytes_only() == bytes_only() and len({bytes_only(), bytes_only()}) == 1


def test_results_are_the_callers(tok: Tokenizer) -> None:
    first = tok.encode("the cat")
    expected = list(first)
    first.clear()
    assert tok.encode("the cat") == expected
    rows = tok.encode_batch(["the cat", "the cat"])
    rows[0].append(-1)
    assert rows[1] == expected == tok.encode("the cat")
    roles = tok.roles
    roles["bos"] = "x"
    assert tok.roles == {}
