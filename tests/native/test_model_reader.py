"""The native reader of tokenizer.json and a plain one: what it accepts it reads alike, ordinary files it accepts."""

from __future__ import annotations

import json
import random
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpetk import _json_outline, _model_reader
from bpetk.alphabet import BYTE_TO_CHAR, CHAR_TO_BYTE, from_byte_level

LARGEST_ID = 2**21 - 2


class Pairs(list[tuple[str, Any]]):
    """A JSON object as it stands in the file, names that occur twice included."""

    def once(self) -> dict[str, Any]:
        found = dict(self)
        if len(found) != len(self):
            raise ValueError("a name stands twice in an object")
        return found


@dataclass
class Read:
    """What a file says: its other values, and the model as `_model_reader.Parts` has it."""

    fields: dict[str, Any]
    model: dict[str, Any]
    tokens: dict[int, bytes]
    flags: bytes
    byte_ids: tuple[int, ...]
    merges: list[tuple[int, int, int]]
    others: list[tuple[str, int]]


def plain_merges(items: list[Any], vocab: dict[str, int]) -> list[tuple[int, int, int]]:
    pairs = [item.split(" ") if isinstance(item, str) else item for item in items]
    if len({type(item) for item in items}) > 1 or any(str(item).startswith("#version") for item in items):
        raise ValueError("lists and lines, or a header")
    rules = {}
    for left, right in pairs:
        rules.pop((left, right), None)  # the last rank counts
        rules[left, right] = (vocab[left], vocab[right], vocab[left + right])
    return list(rules.values())


def plain_read(data: bytes, *, characters: bool = False) -> Read:
    """Read a file slowly; an error of any kind for one that is not a BPE model."""
    fields = json.loads(data.decode(), object_pairs_hook=Pairs).once()
    model = fields.pop("model").once()
    vocab = model.pop("vocab").once()
    ids = list(vocab.values())
    if not all(type(id) is int and 0 <= id <= LARGEST_ID for id in ids) or len(set(ids)) != len(ids):
        raise ValueError("ids")
    merges = plain_merges(model.pop("merges"), vocab)
    flags, tokens, byte_ids = bytearray(max(ids) + 1), {}, [-1] * 256
    for text, id in sorted(vocab.items(), key=lambda item: item[1]):
        try:
            if characters:
                raise ValueError("tokens are texts")
            tokens[id], flags[id] = from_byte_level(text), _model_reader.TOKEN
        except ValueError:
            tokens[id], flags[id] = text.encode(), _model_reader.TOKEN | _model_reader.PLAIN
        if text in CHAR_TO_BYTE and not characters:
            byte_ids[CHAR_TO_BYTE[text]] = id
    explained = {new for _, _, new in merges}.union(byte_ids) - {-1}
    for id in explained:
        flags[id] |= _model_reader.EXPLAINED
    for id in {part for left, right, _ in merges for part in (left, right)}:
        flags[id] |= _model_reader.PART
    others = sorted(
        ((text, id) for text, id in vocab.items() if id not in explained), key=lambda pair: pair[1]
    )
    return Read(fields, model, tokens, bytes(flags), tuple(byte_ids), merges, [] if characters else others)


def fast_read(data: bytes, *, characters: bool = False) -> Read | None:
    outline = _json_outline.split_file(data)
    parts = outline and _model_reader.read_bpe(outline, characters=characters)
    if not outline or not parts:
        return None

    def parse(spans: dict[str, tuple[int, int]], without: set[str]) -> dict[str, Any]:
        values = {
            name: data[start:end].decode() for name, (start, end) in spans.items() if name not in without
        }
        return {name: json.loads(text, object_pairs_hook=Pairs) for name, text in values.items()}

    bounds = list(parts.offsets)
    tokens = {
        id: parts.blob[bounds[id] : bounds[id + 1]]
        for id, flags in enumerate(parts.flags)
        if flags & _model_reader.TOKEN
    }
    assert len(bounds) == len(parts.flags) + 1 and bounds[0] == 0 and bounds[-1] == len(parts.blob)
    assert sum(map(len, tokens.values())) == len(parts.blob)
    return Read(
        parse(outline.fields, {"model"}),
        parse(outline.model, {"vocab", "merges"}),
        tokens,
        parts.flags,
        parts.byte_ids,
        list(zip(parts.left, parts.right, parts.new, strict=True)),
        parts.others,
    )


def assert_right(data: bytes) -> bool:
    """If the fast reader accepts a file, the plain one reads the same; says whether it does."""
    for characters in (True, False):
        found = fast_read(data, characters=characters)
        if found is None:
            assert characters or fast_read(data, characters=True) is None
            return False
        try:
            expected = plain_read(data, characters=characters)
        except Exception as error:
            pytest.fail(f"accepted {data!r}, which is wrong: {error!r}")
        assert found == expected
    return True


# ---------------------------------------------------------------------------------------------------------------------
# Files made for the purpose.


def file_of(vocab: dict[str, int], merges: Iterable[tuple[str, str]] = (), **options: Any) -> bytes:
    """Write a file; ``lines``: merges as strings; the rest for json.dumps."""
    lines = options.pop("lines", False)
    model = {
        "type": "BPE",
        "dropout": None,
        "vocab": vocab,
        "merges": [f"{left} {right}" if lines else [left, right] for left, right in merges],
    }
    added = [{"id": 7, "content": '<|"\\|>', "special": True}]
    return json.dumps(
        {"version": "1.0", "added_tokens": added, "model": model, "decoder": {}}, **options
    ).encode()


Model = tuple[dict[str, int], list[tuple[str, str]]]
SOME = [*'abcdeĠĊ!"\\/éÿŃ']
ODD = [*" \0\n\x7fń中\u2028𝄞😀"]
WORDS = ["<|x|>", "</w>", "#version"]


def random_model(seed: int) -> Model:
    """A vocabulary in random order with random ids, and merges in random order, some of them twice."""
    rng = random.Random(seed)
    chars = rng.choice([SOME, SOME + ODD, [*BYTE_TO_CHAR], [*BYTE_TO_CHAR, *ODD, *WORDS]])
    texts = rng.choices(chars, k=rng.randrange(1, 12))
    merges = []
    for _ in range(rng.randrange(24)):
        left, right = rng.choices(texts, k=2)
        # Long ones as well: 15 bytes are a limit of the reader.
        if len((left + right).encode()) < 80:
            merges.append((left, right))
            texts.append(left + right)
    texts += ["".join(rng.choices(chars, k=rng.randrange(1, 20))) for _ in range(rng.randrange(4))]
    texts = list(dict.fromkeys(texts))
    if rng.random() < 0.5:
        rng.shuffle(texts)
        rng.shuffle(merges)
    ids = rng.choice([range(len(texts)), range(900, 900 + len(texts)), rng.sample(range(400), k=len(texts))])
    return dict(zip(texts, ids, strict=True)), merges


MODELS = st.integers(0, 2**32).map(random_model)
FORMATS = st.fixed_dictionaries(
    {
        "ensure_ascii": st.booleans(),
        "indent": st.sampled_from([None, 0, 2, 9, "\t", "\r\n \t"]),
        "separators": st.sampled_from([None, (",", ":"), (" , ", "\n:\t ")]),
        "lines": st.booleans(),
    }
)


@given(MODELS, FORMATS)
def test_ordinary_files_are_read(model: Model, options: dict[str, Any]) -> None:
    vocab, merges = model
    if options["lines"]:
        merges = [pair for pair in merges if not any(" " in text or text[:1] == "#" for text in pair)]
    assert assert_right(file_of(vocab, merges, **options))


@given(MODELS, FORMATS, st.integers(0, 2**32))
def test_damaged_files_are_refused_or_read_alike(model: Model, options: dict[str, Any], seed: int) -> None:
    data, rng = file_of(*model, **options), random.Random(seed)
    for _ in range(8):
        start, other = rng.randrange(len(data)), rng.randrange(len(data))
        stop = min(len(data), start + rng.choice([0, 1, 1, 1, 2, 20]))
        middle = bytes(rng.choices(BYTES, k=rng.randrange(3)))
        if rng.random() < 0.3:
            middle = data[other : other + rng.randrange(12)]
        assert_right(data[:start] + middle + data[stop:])


@given(MODELS, st.integers(0, 2**32))
def test_texts_are_looked_up(model: Model, seed: int) -> None:
    vocab, merges = model
    rng = random.Random(seed)
    outline = _json_outline.split_file(file_of(vocab, merges))
    texts = [*vocab, "", "zzz", *(text + "!" for text in vocab), *(text[:-1] for text in vocab)]
    rng.shuffle(texts)
    assert outline is not None
    for characters in (True, False):
        parts = _model_reader.read_bpe(outline, characters=characters, texts=[t.encode() for t in texts])
        assert parts is not None
        assert parts.found == [vocab.get(text, -1) for text in texts]


@pytest.mark.parametrize("id", [LARGEST_ID, LARGEST_ID - 1, 65535])
def test_large_ids(id: int) -> None:
    assert assert_right(file_of({"b": id, "a": 5, "ab": 0}, [("a", "b")]))


BYTES = b'\0\t\n\r\x1f !"#+,-./0159:[\\]aAeEbdfnrtu{|}~\x7f\x80\xa0\xbf\xc0\xc2\xc4\xc5\xe0\xed\xf0\xf4\xff'
SMALL = (
    file_of(
        {"a": 0, "b": 1, "Ġ": 2, "ab": 3, "Ġab": 5, "é": 12}, [("a", "b"), ("Ġ", "ab")], ensure_ascii=False
    ),
    file_of({'"': 0, "\\": 1, '"\\': 2, "中": 3, "😀": 4, "a" * 17: 5}, [('"', "\\")], lines=True, indent=1),
)


@pytest.mark.parametrize("data", SMALL, ids=["pairs", "lines"])
def test_every_byte_changed(data: bytes) -> None:
    assert assert_right(data)
    accepted = 0
    for at in range(len(data) + 1):
        assert not at or not assert_right(data[: at - 1])
        assert_right(data[:at] + data[at + 1 :])
        for byte in BYTES:
            accepted += assert_right(data[:at] + bytes([byte]) + data[at + 1 :])
            assert_right(data[:at] + bytes([byte]) + data[at:])
    assert accepted > len(data)


def test_values_are_found_where_they_are() -> None:
    data = b' {"a" : [1, {"b":"]}"}], "model":{"x":-0.5e+3 ,"vocab":[{}],"y":"\\u0041\\ud800"},"c":null}\n'
    outline = _json_outline.split_file(data)
    assert outline is not None and outline.data is data
    assert {name: data[slice(*span)] for name, span in outline.fields.items() if name != "model"} == {
        "a": b'[1, {"b":"]}"}]',
        "c": b"null",
    }
    assert {name: data[slice(*span)] for name, span in outline.model.items()} == {
        "x": b"-0.5e+3",
        "vocab": b"[{}]",
        "y": b'"\\u0041\\ud800"',
    }
    assert _model_reader.read_bpe(outline) is None


ODD_VALUES = (
    r"01 | - | 1. | .5 | 1e | 1e+ | +1 | 0x1 | 1_0 | NaN | Infinity | tru | nul | truee | TRUE | '' | "
    r'"\x" | "\u12g4" | "\u123" | "\" | " | [1,] | [,1] | [1 2] | [ | ] | { | } | {"a"} | {"a":} | {"a":1,} | {a:1} | '
    r'{1:1} | {"a":1 "b":2} | {"a",1} | [1} | {"a":1] | 1,, | /**/1 | 1//'
).split(" | ")


@pytest.mark.parametrize(
    "value", [*ODD_VALUES, "", '"\t"', '"\n"', "[" * 65 + "]" * 65, "1" * 401, "\ufeff1", "\x0c1", "\xa01"]
)
def test_odd_values_are_refused(value: str) -> None:
    for data in (
        f'{{"a":{value},"model":{{"b":1}}}}',
        f'{{"model":{{"b":{value}}}}}',
        f'{{"model":{{"b":1}},"a":{value}}}',
    ):
        assert _json_outline.split_file(data.encode()) is None


ODD_OUTLINES = (
    r'{ | {} | [] | 1 | {"a":1} | {"model":{}} | {"model":[]} | {"model":1} | {"model":{"a":1}}x | '
    r'{"model":{"a":1},} | {"model":{"a":1},"model":{"a":1}} | {"model":{"a":1,"a":1}} | '
    r'{"a":1,"model":{"a":1},"a":1} | {"m\u006fdel":{"a":1}} | {"ä":1,"model":{"a":1}}'
).split(" | ")
MANY_FIELDS = ",".join(f'"{i}":0' for i in range(65))


@pytest.mark.parametrize(
    "text", [*ODD_OUTLINES, "", " ", f'{{"model":{{{MANY_FIELDS}}}}}', '\ufeff{"model":{"a":1}}']
)
def test_odd_outlines_are_refused(text: str) -> None:
    assert _json_outline.split_file(text.encode()) is None


@pytest.mark.parametrize(
    "bad", [b"\xff", b"\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe4\xb8"]
)
def test_text_that_is_not_utf8_is_refused(bad: bytes) -> None:
    assert _json_outline.split_file(b'{"model":{"a":"' + bad + b'"}}') is None
    for text in (b"a" + bad, bad, b"a" * 20 + bad):
        data = b'{"model":{"vocab":{"a":0,"' + text + b'":1},"merges":[]}}'
        assert fast_read(data) is None
        assert fast_read(data.replace(text, "中".encode())) is not None


ODD_VOCABULARIES = (
    r'{} | [] | {"a":0,"a":1} | {"a":0,"b":0} | {"b":1,"a":0,"c":1} | {"":0,"a":1} | {"a":-1} | {"a":-0} | {"a":1.0} | '
    r'{"a":1e0} | {"a":01} | {"a":"1"} | {"a":true} | {"a":null} | {"a":[1]} | {"a":2097151} | {"a":4294967296} | '
    r'{"a":18446744073709551616} | {"a":0,"\u0061":1} | {"\ud800":0} | {"\udc00x":0} | {"\ud800\ud800":0} | {"a":0,} | '
    r'{"a" 0} | {"a":} | {"a":0 1} | {"a":0 | {"a | null | "a"'
).split(" | ")


@pytest.mark.parametrize("vocab", ODD_VOCABULARIES)
def test_odd_vocabularies_are_refused(vocab: str) -> None:
    assert fast_read(f'{{"model":{{"vocab":{vocab},"merges":[]}}}}'.encode()) is None


ODD_MERGES = (
    r'{} | null | ["ab"] | ["a b c"] | ["a  b"] | [" b"] | ["a "] | ["a b",["a","b"]] | [["a","b"],"a b"] | [["a"]] | '
    r'[["a","b","c"]] | [[]] | [["a",1]] | [1] | [["a","b"],] | [["a","b"] ["a","b"]] | [["a","b"] | ["x a"] | '
    r'["a x"] | ["b a"] | [["b","a"]] | [["a",""]] | [["","b"]] | ["#version b"] | ["#version: 0.2"] | '
    r'[["a","\ud800"]] | ["a\ud800 b"] | [{"a":"b"}] | [["a" "b"]] | '
    r'[["a",["b"]]] | [["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","b"]]'
).split(" | ")


@pytest.mark.parametrize("merges", ODD_MERGES)
def test_odd_merges_are_refused(merges: str) -> None:
    vocab = '{"a":0,"b":1,"ab":2,"c":3,"#version":4,"#versionb":5,"a ":6}'
    assert fast_read(f'{{"model":{{"vocab":{vocab},"merges":["a b"]}}}}'.encode()) is not None
    assert fast_read(f'{{"model":{{"vocab":{vocab},"merges":{merges}}}}}'.encode()) is None


def test_models_without_vocabulary_or_merges_are_refused() -> None:
    for model in (
        '"vocab":{"a":0}',
        '"merges":[]',
        '"vocab":{"a":0},"merges":null',
        '"vocab":null,"merges":[]',
    ):
        outline = _json_outline.split_file(f'{{"model":{{{model}}}}}'.encode())
        assert outline is not None and _model_reader.read_bpe(outline) is None


def test_pair_listed_twice_has_its_last_rank() -> None:
    vocab = {text: id for id, text in enumerate(["a", "b", "ab", "bb", "abb"])}
    merges = [
        ("ab", "b"),
        ("a", "b"),
        ("a", "bb"),
        ("ab", "b"),
        ("b", "b"),
        ("a", "b"),
        ("a", "bb"),
        ("a", "b"),
    ]
    read = fast_read(file_of(vocab, merges))
    assert read is not None and read.merges == [(2, 1, 4), (1, 1, 3), (0, 3, 4), (0, 1, 2)]


def test_escapes_and_their_characters_are_one_text() -> None:
    vocab = r'{"\u0120":0,"\ud83d\ude00":1,"Ġ😀":2,"\/":3}'
    data = f'{{"model":{{"vocab":{vocab},"merges":["Ġ\\u0020😀"]}}}}'.encode()
    read = fast_read(data)
    assert read is not None and read.merges == [(0, 1, 2)]
    assert read.tokens == {0: b" ", 1: "😀".encode(), 2: "Ġ😀".encode(), 3: b"/"}
    assert assert_right(data)


def test_texts_of_every_length() -> None:
    texts = [char * size for size in range(1, 70) for char in ("a", "é", "b")]
    merges = [(char * left, char * right) for char in "aé" for left in range(1, 35) for right in range(1, 35)]
    assert assert_right(file_of({text: id for id, text in enumerate(texts)}, merges, ensure_ascii=False))


def test_last_text_may_end_right_before_the_end_of_the_file() -> None:
    for text in ("a", "abcdefgh", "abcdefghijklmno", "中", "a" * 40):
        assert assert_right(f'{{"model":{{"merges":[],"vocab":{{"{text}":0}}}}}}'.encode())
        assert assert_right(f'{{"model":{{"vocab":{{"{text}":0}},"merges":[]}}}}'.encode())


def short_hash(text: bytes) -> int:
    """Hash of at most 15 bytes, see native/hash.h."""
    low, high = (int.from_bytes(text.ljust(16, b"\0")[at : at + 8], "little") for at in (0, 8))
    product = (low ^ 0x2545F4914F6CDD1D) * ((high | len(text) << 56) ^ 0x9E3779B97F4A7C15)
    return (product ^ product >> 64) & (2**64 - 1)


def test_strings_made_to_collide_end_as_none() -> None:
    texts = [text for text in map(str, range(400_000)) if short_hash(text.encode()) % 1024 == 5]
    assert assert_right(file_of({text: id for id, text in enumerate(texts[:250])}))
    assert fast_read(file_of({text: id for id, text in enumerate(texts[:260])})) is None


def test_wrong_arguments() -> None:
    assert _model_reader.read_bpe(_json_outline.Outline()) is None
    for wrong in ("{}", bytearray(b"{}"), None):
        with pytest.raises(TypeError):
            _json_outline.split_file(wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            _model_reader.read_bpe(wrong)  # type: ignore[arg-type]


def test_results_are_compact_and_cannot_be_changed() -> None:
    outline = _json_outline.split_file(file_of({"b": 3, "a": 1, "ab": 4}, [("a", "b")]))
    assert outline is not None
    parts = _model_reader.read_bpe(outline)
    assert parts is not None
    del outline
    assert (parts.blob, list(parts.offsets)) == (b"abab", [0, 0, 1, 1, 2, 4])
    for view in (parts.offsets, parts.left, parts.right, parts.new):
        assert view.readonly and view.format == "I" and view.itemsize == array("I").itemsize


# ---------------------------------------------------------------------------------------------------------------------
# Real files.

FILES = ["minimind", "gpt2", "kitoken-sqlpilot-tokenizers", "kitoken-clip_base-tokenizers"]
LARGE = [
    "qwen3",
    "llama3",
    "gpt-4o-o200k",
    "deepseek-v3",
    "kitoken-gpt_neox-tokenizers",
    "kitoken-modernbert-tokenizers",
]


@pytest.mark.parametrize("name", [*FILES, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)])
def test_real_files(shared_file: Callable[[str], Path], name: str) -> None:
    assert assert_right(shared_file(f"tokenizers/{name}/tokenizer.json").read_bytes())


@pytest.mark.parametrize("name", ["llama2", pytest.param("gemma3", marks=pytest.mark.slow)])
def test_real_files_of_characters(shared_file: Callable[[str], Path], name: str) -> None:
    data = shared_file(f"tokenizers/{name}/tokenizer.json").read_bytes()
    assert fast_read(data, characters=True) == plain_read(data, characters=True)


@pytest.mark.parametrize("name", ["bert-base-chinese", "t5-tasks-unigram"])
def test_real_files_of_other_kinds_have_an_outline_only(
    shared_file: Callable[[str], Path], name: str
) -> None:
    data = shared_file(f"tokenizers/{name}/tokenizer.json").read_bytes()
    outline = _json_outline.split_file(data)
    assert outline is not None and _model_reader.read_bpe(outline) is None
    whole = json.loads(data)
    assert {key: json.loads(data[slice(*span)]) for key, span in outline.model.items()} == whole["model"]
    assert {key: json.loads(data[slice(*span)]) for key, span in outline.fields.items()} == whole
