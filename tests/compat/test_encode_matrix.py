"""Every byte-level model of the shared data: ids and texts as the library gives them that the model is made for."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import model_zoo
import pytest
import shared_data

from bpetk import Tokenizer
from bpetk.errors import ModelFileError, UnknownTokenError

from .encode_pair import CORPORA, FUZZ, Pair, rows

# Small for every run; the large ones take four minutes for all models.
SLOW = pytest.mark.slow
LINES = [60_000, pytest.param(1_000_000, marks=SLOW)]
DOCUMENT = [25_000, pytest.param(200_000, marks=SLOW)]
COUNT = [500, pytest.param(20_000, marks=SLOW)]
# Strings with a rule of their own in a pattern, a normalizer, or the search for added tokens.
STRINGS = [
    *(
        "",
        " ",
        "  ",
        "\n",
        "\t",
        "a",
        "a  ",
        "  a",
        " a",
        "a ",
        "\xa0",
        "a\xa0\xa0b",
        "\u3000",
        "\x85",
        "a\u3000b",
    ),
    *(
        "a\n\n b \n",
        "a\r\n\r\nb\r\n",
        "\r",
        "a\n  ",
        "a \n \n  b",
        "👩\u200d🔬x",
        "e\u0301a",
        "\u0301",
        "\u200d",
    ),
    *(
        "１２12",
        "1234567",
        "12345678 9",
        "²½Ⅷ",
        "\U00020000b",
        "\U0002ebf0",
        "I'm we'LL 're",
        "a'ſx",
        "'s'S",
        "''",
    ),
    *(
        "ABC漢DE",
        "々〇漢a",
        "!\u0301",
        "\x00",
        "a\x00b",
        "\ufffd",
        "\ufeffa",
        "hi <|endoftext|>",
        "<|endoftext",
        "ﬁ",
    ),
    *(
        "\u212b\u2126",
        "가\u1100\u1161",
        "ΑΣ ΑΣ.",
        "İI",
        "Ɬᾫx",
        "a\u0327\u0301",
        "\u0301\u0327",
        "</w>",
        "Ġ",
        "Ċa",
        "▁a",
    ),
    *("camelCaseHTTPServer", "http://a/b?c=d\n/x", "  \u2028 \x1c x", "\u1680 \u180e \u200b", "\x0b\x0c\x1f"),
    *(
        "a" * 300,
        "ab" * 300,
        " " * 300,
        "\n" * 300,
        "漢" * 300,
        "1" * 100,
        "!" * 200,
        "\u0301" * 100,
        "😀" * 70,
    ),
]


@pytest.mark.parametrize("add_special_tokens", [False, True])
def test_strings(pair: Pair, add_special_tokens: bool) -> None:
    texts = [*map(pair.without_missing, STRINGS)]
    found = [
        pair.here.encode(text, allowed_special="all", add_special_tokens=add_special_tokens) for text in texts
    ]
    pair.compare(texts, found, pair.there.encode_batch(texts, add_special_tokens=add_special_tokens))


@pytest.mark.parametrize("size", LINES)
@pytest.mark.parametrize("corpus", CORPORA)
def test_lines_of_a_corpus(pair: Pair, corpus: str, size: int) -> None:
    lines, expected = pair.lines(corpus, size)
    pair.compare(lines, pair.here.encode_batch(lines, allowed_special="all"), expected)


@pytest.mark.parametrize("size", DOCUMENT)
@pytest.mark.parametrize("corpus", CORPORA)
def test_corpus_as_one_document(pair: Pair, corpus: str, size: int) -> None:
    text = pair.without_missing(pair.corpus(corpus, size))
    found = pair.here.encode(text, allowed_special="all", add_special_tokens=True)
    pair.compare([text], [found], [pair.there.encode(text, add_special_tokens=True)])


@pytest.mark.parametrize("count", COUNT)
@pytest.mark.parametrize("kind", FUZZ)
def test_random_text(pair: Pair, kind: str, count: int) -> None:
    texts = pair.fuzz(kind, count)
    assert texts or not pair.vocabulary.rules
    pair.compare(texts, pair.here.encode_batch(texts, allowed_special="all"), pair.there.encode_batch(texts))


def test_one_by_one_as_in_a_batch(pair: Pair) -> None:
    # Short texts one by one may take another path than a batch; nothing that comes before may change a result.
    texts = [text for kind in FUZZ for text in pair.fuzz(kind, 60, seed=1)]
    expected = pair.there.encode_batch(texts)
    for _ in range(2):
        pair.compare(texts, [pair.here.encode(text, allowed_special="all") for text in texts], expected)


@pytest.mark.parametrize("corpus", ["mixed", "code"])
def test_other_calls_give_the_same_ids(pair: Pair, corpus: str, tmp_path: Path) -> None:
    lines, expected = pair.lines(corpus, 60_000)
    lines, expected = lines[:150], expected[:150]
    here = pair.here
    assert here.count_batch(lines, allowed_special="all") == [len(ids) for ids in expected]
    assert [here.count(line, allowed_special="all") for line in lines[:20]] == [
        len(ids) for ids in expected[:20]
    ]
    for threads in (1, 3):
        flat, offsets = here.encode_batch_flat(lines, threads=threads, allowed_special="all")
        pair.compare(lines, rows(flat, offsets), expected)
    found = [here.encode_to_numpy(line, allowed_special="all").tolist() for line in lines[:20]]
    pair.compare(lines[:20], found, expected[:20])
    found = [here.encode_with_offsets(line, allowed_special="all").ids for line in lines[:20]]
    pair.compare(lines[:20], [list(map(int, ids)) for ids in found], expected[:20])


# --- back to text ---------------------------------------------------------------------------------------------------


def compare_decoded(pair: Pair, rows: list[list[int]]) -> None:
    for skip in (False, True):
        for ids in rows:
            found = pair.here.decode(ids, skip_special_tokens=skip)
            assert found == pair.there.decode(ids, skip_special_tokens=skip), (pair, ids, skip)


@pytest.mark.parametrize("corpus", CORPORA)
def test_decode_a_corpus(pair: Pair, corpus: str) -> None:
    expected = pair.lines(corpus, 60_000)[1][:200]
    compare_decoded(pair, expected)
    assert pair.here.decode_batch(expected) == [pair.there.decode(ids) for ids in expected]


@pytest.mark.parametrize("kind", FUZZ)
def test_decode_random_text(pair: Pair, kind: str) -> None:
    compare_decoded(pair, pair.there.encode_batch(pair.fuzz(kind, 100, seed=2)))


def test_decode_random_ids(pair: Pair) -> None:
    rng = random.Random(3)
    ids = [*pair.there.strings()]
    special = [*map(pair.here.token_to_id, pair.vocabulary.added)] or ids[-5:]
    for _ in range(300):
        row = rng.choices(ids, k=rng.choice((1, 2, 5, 30)))
        for _ in range(rng.choice((0, 0, 1, 3))):
            row.insert(rng.randint(0, len(row)), rng.choice(special))
        compare_decoded(pair, [row])


# --- the vocabulary -------------------------------------------------------------------------------------------------


def test_vocabulary(pair: Pair) -> None:
    strings = pair.there.strings()
    here = pair.here
    assert here.n_vocab == max(strings) + 1
    assert here.vocab_size == len(strings)
    for id, token in strings.items():
        if isinstance(token, bytes):
            assert here.id_to_bytes(id) == token
        else:
            assert here.id_to_token(id) == token
    unknown = [id for id in range(here.n_vocab + 1) if id not in strings]
    for id in unknown[:50]:
        with pytest.raises(UnknownTokenError):
            here.decode([id])


def test_characters_outside_the_alphabet_are_named(pair: Pair) -> None:
    missing = [chr(byte) for byte in pair.missing_bytes if byte < 0x80]
    for char in missing:
        with pytest.raises(UnknownTokenError, match=f"0x{ord(char):02X}"):
            pair.here.encode(f"ab{char}c")
        assert pair.here.decode(pair.there.encode(f"ab{char}c")) == "abc"  # there it is lost


# --- the files ------------------------------------------------------------------------------------------------------


def test_every_file_is_known() -> None:
    folder = shared_data.shared_root() / model_zoo.FOLDER
    if not folder.is_dir():
        pytest.skip("the shared data is not here")
    found = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    assert {name.removesuffix(".xz") for name in found - {"README.md"}} == set(model_zoo.KINDS)


def test_every_byte_level_file_has_its_model() -> None:
    files = {model.path for model in model_zoo.MODELS}
    same = {f"llama.cpp-vocabs/ggml-vocab-{name}.gguf" for name in model_zoo.SAME_AS_OTHERS}
    byte_level = {
        path
        for path, kind in model_zoo.KINDS.items()
        if kind.startswith("byte-level") and "merges" not in kind
    }
    assert files | same == byte_level
    assert not files & same


READ = (
    "byte-level",
    "SentencePiece BPE, model",
    "SentencePiece BPE, tokenizer.json",
    "character BPE",
    "test",
    "text",
)
OTHER = [path for path, kind in model_zoo.KINDS.items() if not kind.startswith(READ)]


@pytest.mark.parametrize("path", OTHER)
def test_files_of_other_kinds_are_refused(path: str, shared_file: Callable[[str], Path]) -> None:
    file = shared_file(f"{model_zoo.FOLDER}/{path}")
    with pytest.raises(ModelFileError) as error:
        Tokenizer.from_file(file)
    assert Path(path).name in str(error.value)
