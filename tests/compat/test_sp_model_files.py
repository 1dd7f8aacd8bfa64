"""Model files of SentencePiece: what the library writes comes out as it went in, what it refuses is refused."""

from __future__ import annotations

import ast
import io
import os
import random
import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sp_zoo
from sp_maps import compile_map
from sp_models import BYTES, compiled_map, mutated, twin

from bpetk.interop.sentencepiece_fields import MODEL_TYPES, NORMALIZER_FIELDS, TRAINER_FIELDS, Kind
from bpetk.interop.sentencepiece_model import (
    ModelFile,
    NormalizerSpec,
    Piece,
    PieceForm,
    PieceType,
    read_model,
    write_model,
)
from bpetk.interop.wire_format import fields, tagged, varint
from bpetk.reference.sp_encode import decode, encode

sp = pytest.importorskip("sentencepiece")
if sp.__version__ != "0.2.3":
    pytest.skip("the file format is that of sentencepiece 0.2.3", allow_module_level=True)


def load(data: bytes) -> Any:
    """Load a model file; None if the library refuses it."""
    processor = sp.SentencePieceProcessor()
    try:
        processor.LoadFromSerializedProto(data)
    except (RuntimeError, UnicodeDecodeError):  # the second: it names a piece that is not UTF-8
        return None
    return processor


# --- the fields -------------------------------------------------------------------------------------------------------


def descriptor() -> bytes:
    """Give the description of the format that comes with the library."""
    tree = ast.parse(Path(sp.__file__).with_name("sentencepiece_model_pb2.py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "AddSerializedFile":
            return bytes(ast.literal_eval(node.args[0]))
    raise AssertionError("no description found")


def described(message: str) -> dict[int, Kind]:
    """Give the fields of a message as the description has them."""
    types = {2: "float", 4: "size", 5: "int", 8: "bool", 9: "str", 12: "bytes", 14: "model type"}
    data, found = descriptor(), {}
    for outer in fields(data, 0, len(data)):
        inner = list(fields(data, outer.start, outer.end)) if outer.number == 4 else []
        if not inner or inner[0].value != message.encode():
            continue
        for part in inner:
            if part.number == 2:
                values: dict[int, Any] = {f.number: f.value for f in fields(data, part.start, part.end)}
                type = types[values[5]] if values[4] == 1 else "list"
                found[values[3]] = Kind(values[1].decode(), type, _default(type, values.get(7, b"").decode()))
    return found


def _default(type: str, text: str) -> Any:
    if type in ("int", "size"):
        return int(text or 0)
    if type == "float":
        return struct.unpack("<f", struct.pack("<f", float(text or 0)))[0]
    if type == "model type":
        return {name.upper(): number for number, name in MODEL_TYPES.items()}[text]
    return {"bool": text == "true", "str": text, "bytes": b"", "list": ()}[type]


def test_fields_are_those_of_the_library() -> None:
    assert described("TrainerSpec") == TRAINER_FIELDS
    names = {"precompiled_charsmap": "precompiled", "normalization_rule_tsv": "rule_tsv"}
    spec = {
        number: kind._replace(name=names.get(kind.name, kind.name))
        for number, kind in described("NormalizerSpec").items()
    }
    assert spec == NORMALIZER_FIELDS


# --- files that the library wrote -------------------------------------------------------------------------------------

TEXT = ["abc abd 中国人民 12 ab", "中国 人 x1y2 <s> abc", "hello wörld", "the theme of these"] * 5
SMALL: dict[str, Any] = {"vocab_size": 60, "hard_vocab_limit": False}
CONFIGURATIONS: list[dict[str, Any]] = [
    {},
    {"model_type": "unigram", "vocab_size": 40},
    {"model_type": "word"},
    {"model_type": "char"},
    {"byte_fallback": True, "vocab_size": 330, "pad_id": 3, "unk_id": 1, "bos_id": -1, "eos_id": 0},
    {"byte_fallback": True, "vocab_size": 330, "unk_id": -1},
    {"user_defined_symbols": ["ab", "中"], "control_symbols": ["<c>"], "unk_surface": "?", "unk_piece": "U"},
    {"normalization_rule_name": "identity", "add_dummy_prefix": False, "remove_extra_whitespaces": False},
    {
        "treat_whitespace_as_suffix": True,
        "split_digits": True,
        "character_coverage": 0.98,
        "required_chars": "q",
    },
    {"normalization_rule_tsv": True, "denormalization_rule_tsv": True, "pretokenization_delimiter": "\t"},
    {
        "input_sentence_size": 2**40,
        "shuffle_input_sentence": False,
        "num_threads": 1,
        "max_sentence_length": 100,
    },
]


@pytest.mark.parametrize("options", CONFIGURATIONS, ids=lambda options: "-".join(options) or "plain")
def test_trained_files_come_out_as_they_went_in(options: dict[str, Any], tmp_path: Path) -> None:
    rules = tmp_path / "rules.tsv"
    rules.write_text("61\t62\n63 64\t\n")
    given = {name: str(rules) if name.endswith("_tsv") else value for name, value in options.items()}
    writer = io.BytesIO()
    all_options = {"model_type": "bpe", **SMALL, **given}
    sp.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT), model_writer=writer, minloglevel=3, **all_options
    )
    data = writer.getvalue()
    read = read_model(data, "f")
    assert write_model(read) == data and not read.odd_pieces and not read.extra and not read.trainer_extra
    # What the trainer was told is in the file, by the names that it was told it with.
    for name, value in options.items():
        if name in read.trainer and name not in ("model_type", "vocab_size", "character_coverage"):
            assert read.trainer[name] == (tuple(value) if isinstance(value, list) else value)
    assert read.model_type == all_options["model_type"]
    processor = load(data)
    ids = [processor.unk_id(), processor.bos_id(), processor.eos_id(), processor.pad_id()]
    assert [-1 if id is None else id for id in (read.unk_id, read.bos_id, read.eos_id, read.pad_id)] == ids
    assert (read.denormalizer is not None) == ("denormalization_rule_tsv" in options)
    if read.model_type == "bpe":
        for text in [*TEXT[:4], "  xyz ａ", ""]:
            want = processor.encode(text)
            assert [token.id for token in encode(twin(read), text.encode())] == want
            assert decode(twin(read), want) == processor.decode(want, out_type=bytes)


# --- damaged files ----------------------------------------------------------------------------------------------------

OWN = {  # what bpetk refuses although the library does not, by the message
    "is not UTF-8": "text",
    "is not a number": "NaN",
    "no trainer_spec": "trainer",
}


def compare(data: bytes, seen: Counter[str]) -> None:
    """Read a file here and there: it is refused, or it is the same."""
    processor, refused = load(data), ""
    try:
        model = read_model(data, "f")
        for spec in (model.normalizer, model.denormalizer):
            if spec is not None and spec.precompiled:
                compiled_map(spec.precompiled)
    except ValueError as error:  # of which ModelFileError is one
        refused = str(error)
    if refused:
        own = next((kind for reason, kind in OWN.items() if reason in refused), None)
        assert processor is None or own, (refused, data)
        seen["refused" if processor is None else f"refused here only: {own}"] += 1
        return
    assert processor is not None, data
    seen["read"] += 1
    assert [piece.text for piece in model.pieces] == [
        processor.id_to_piece(id) for id in range(len(processor))
    ]
    if "\0" not in (piece.text for piece in model.pieces):  # the library forgets what such a piece was
        assert write_model(model) == processor.serialized_model_proto(), data
    if model.model_type == "bpe":
        for text in ("ab 中国 q", "  aé\u2581a c"):
            want = processor.encode(text)
            assert [token.id for token in encode(twin(model), text.encode())] == want, data
            assert decode(twin(model), want) == processor.decode(want, out_type=bytes), data


def everything(byte_fallback: bool) -> bytes:
    """Give a small file with all that a file can have."""
    group = b"\x4b\x08\x01\x4c"
    pieces = [
        Piece("<unk>", 0.0, PieceType.UNKNOWN),
        Piece("<s>", 0.0, PieceType.CONTROL),
        Piece("\u2581", -1.0),
        Piece("a", -1.0),
        Piece("b", -2.0),
        Piece("ab", -0.0),
        Piece("中国", -3.0, PieceType.USER_DEFINED),
        Piece("\u2581a", -4.0, PieceType.UNUSED),
        Piece("x" * 200, -5.0),
        Piece("q", 0.0),
    ]
    pieces += [*BYTES, Piece("\0", 0.0, PieceType.UNUSED)] if byte_fallback else []
    trainer: dict[str, Any] = {
        "input": ("in", "b"),
        "model_type": 2,
        "vocab_size": 10,
        "character_coverage": 0.5,
    }
    trainer |= {
        "input_sentence_size": 2**40,
        "byte_fallback": byte_fallback,
        "pad_id": -1,
        "unk_surface": " ? ",
    }
    rules = compile_map({b"a": b"b", b"ab": b" ", "é".encode(): b"  x ", b"c": b""})
    model = ModelFile(
        pieces,
        trainer,
        NormalizerSpec("u", rules, True, True, True, "", extra=b"\xc0\x0c\x03"),
        NormalizerSpec("d", None, False, False, False),
        trainer_extra=tagged(99, b"zz"),
        extra=tagged(100, b"extra"),
        odd_pieces={3: PieceForm(type=1), 9: PieceForm(score=False, extra=tagged(7, b"xy") + group)},
    )
    return write_model(model)


def nested(number: int, depth: int) -> bytes:
    """Give groups in groups."""
    return varint(number << 3 | 3) * depth + varint(number << 3 | 4) * depth


ODD_FIELDS = {
    "tags of more than 32 bits": b"\xa0\xff\xff\xff\x7f\x05",
    "a tag that is 0 in its 32 bits": b"\x80\x80\x80\x80\x10\x05",
    "a longer tag than needed": b"\xa0\x86\x80\x80\x00\x05",
    "a tag of 6 bytes": b"\xa0\x86\x80\x80\x80\x00\x05",
    "a number of more than 64 bits": b"\xa0\x06" + b"\xff" * 9 + b"\x7f",
    "a size of more than 64 bits": b"\x58" + b"\xff" * 9 + b"\x7f",
    "a number of 10 bytes": b"\xa0\x06" + b"\x85" + b"\x80" * 8 + b"\x00",
    "a number of 11 bytes": b"\xa0\x06" + b"\xff" * 10 + b"\x01",
    "a longer length than needed": b"\xa2\x06\x82\x80\x80\x80\x00ab",
    "a length of 6 bytes": b"\xa2\x06\x82\x80\x80\x80\x80\x00ab",
    "a negative length": b"\xa2\x06\xff\xff\xff\xff\x0fab",
    "a bool of 2**63": b"\xc0\x01" + b"\x80" * 9 + b"\x01",
    "a bool of 2**32": b"\xc0\x01\x80\x80\x80\x80\x10",
    "an int of 40 bits": b"\x20\x85\x80\x80\x80\x80\x20",
    "a type that there is not": b"\x18\x09",
    "a type of 40 bits": b"\x18\x82\x80\x80\x80\x80\x20",
    "a type of 40 bits that there is not": b"\x18\x89\x80\x80\x80\x80\x20",
    "a negative type": b"\x18\xf7" + b"\xff" * 8 + b"\x01",
    "4 bytes where a text should be": b"\x0dabcd",
    "a text where a number should be": b"\x22\x01a",
    "an end": b"\xa4\x06",
    **{f"{depth} groups": nested(100, depth) for depth in (98, 99, 100, 101)},
    "groups that cross": b"\xa3\x06\xab\x06\xa4\x06\xac\x06",
    "an open group": b"\xa3\x06\x08\x01",
    "a group with all kinds": b"\xa3\x06\x88\x80\x00\x81\x00\x15abcd\x19abcdefgh\x22\x81\x00q\x2b\x2c\xa4\x06",
}


@pytest.mark.parametrize("name", ODD_FIELDS)
def test_odd_fields_everywhere(name: str) -> None:
    odd, seen = ODD_FIELDS[name], Counter[str]()
    unk, piece = tagged(1, b"\n\x05<unk>\x15\0\0\0\0\x18\2"), b"\n\1a\x15\0\0\x80\xbf"
    trainer, normalizer = b"\x18\x02", b"\n\1n"
    for where in range(5):
        at = [odd if where == i else b"" for i in range(5)]
        data = unk + tagged(1, piece + at[0]) + tagged(2, trainer + at[1]) + tagged(3, normalizer + at[2])
        compare(data + tagged(5, normalizer + at[3]) + at[4], seen)
    assert seen.total() == 5


def test_truncated_files() -> None:
    data, seen = everything(False), Counter[str]()
    compare(data, seen)
    assert seen == {"read": 1}
    for end in range(len(data)):
        compare(data[:end], seen)
    assert seen["refused"] > len(data) - 20 and seen["read"] > 1


@pytest.mark.parametrize(
    ("count", "seed"),
    [(3000, 0), (3000, 1), *(pytest.param(20_000, s, marks=pytest.mark.slow) for s in (2, 3))],
)
def test_mutated_files(count: int, seed: int) -> None:
    rng, seen = random.Random(seed), Counter[str]()
    plain, with_bytes = everything(False), everything(True)
    for _ in range(count):
        choice = rng.random()
        if choice < 0.3:
            data = mutated(rng, with_bytes)
        elif choice < 0.6:  # not in the map, which is most of the file
            data = mutated(rng, plain[:500]) + plain[500:]
        else:
            data = mutated(rng, plain, len(plain) - 60)
        compare(data, seen)
    assert seen["read"] > count / 20 and seen["refused"] > count / 5


FIXTURE = "hf-fixture-spm-bpe/test_sentencepiece_bpe.model"


@pytest.mark.slow
def test_ten_thousand_mutations_of_a_real_file(shared_file: Callable[[str], Path]) -> None:
    data = shared_file(f"{sp_zoo.FOLDER}/{FIXTURE}").read_bytes()
    rng, seen = random.Random(10), Counter[str]()
    for _ in range(10_000):
        compare(mutated(rng, data), seen)
    assert seen["read"] > 1000 and seen["refused"] > 1000


# Each takes a third of a second with a vocabulary of 32,000: 200 of every file are 20 minutes.
MUTATIONS = int(os.environ.get("BPETK_MUTATIONS", "15"))


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("entry", sp_zoo.MODELS, ids=lambda entry: entry.name)
def test_mutations_of_every_real_file(entry: sp_zoo.SpModel, shared_file: Callable[[str], Path]) -> None:
    data = entry.data(shared_file)
    rng, seen = random.Random(entry.path), Counter[str]()
    pieces_end = len(write_model(read_model(data, "f"))) - 3000
    for count in range(MUTATIONS):
        compare(mutated(rng, data, pieces_end if count % 3 == 0 else 0), seen)
    assert seen["read"] + seen["refused"] > MUTATIONS // 2


# --- real files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", sp_zoo.MODELS, ids=lambda entry: entry.name)
def test_real_files_say_what_the_library_says(
    entry: sp_zoo.SpModel, shared_file: Callable[[str], Path]
) -> None:
    data = entry.data(shared_file)
    model, processor = read_model(data, entry.path), load(data)
    ids = range(len(processor))
    assert [piece.text for piece in model.pieces] == processor.id_to_piece(list(ids))
    assert [piece.score for piece in model.pieces] == processor.get_score(list(ids))
    by_type = {
        PieceType.UNKNOWN: processor.is_unknown,
        PieceType.CONTROL: processor.is_control,
        PieceType.UNUSED: processor.is_unused,
        PieceType.BYTE: processor.is_byte,
    }
    for type, ask in by_type.items():
        assert [piece.type == type for piece in model.pieces] == ask(list(ids))
    found = model.unk_id, model.bos_id, model.eos_id, model.pad_id
    named = processor.unk_id(), processor.bos_id(), processor.eos_id(), processor.pad_id()
    assert tuple(-1 if id is None else id for id in found) == named
