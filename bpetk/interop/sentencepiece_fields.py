"""The fields of a model file of SentencePiece: names, numbers, kinds and what holds where a file lacks them.

Numbers and names are those of ``sentencepiece_model.proto`` of SentencePiece 0.2.3, which reads all earlier files.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from bpetk.errors import ConfigError, ModelFileError
from bpetk.interop.wire_format import BYTES, FIXED32, VARINT, Field, tagged, varint, write_field

Value = bool | int | float | str | bytes | tuple[str, ...]


class Kind(NamedTuple):
    """A field.

    Attributes
    ----------
    name
        As the library calls it.
    type
        ``int`` (32 bits), ``size`` (64 bits, not negative), ``model type`` (a key of `MODEL_TYPES`), ``bool``,
        ``float`` (32 bits), ``str``, ``bytes``, ``list`` (of str).
    default
        The value where a file has none.
    """

    name: str
    type: str
    default: Value


MODEL_TYPES = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}
"""Values of ``model_type``."""

TRAINER_FIELDS = {
    1: Kind("input", "list", ()),
    2: Kind("model_prefix", "str", ""),
    3: Kind("model_type", "model type", 1),
    4: Kind("vocab_size", "int", 8000),
    5: Kind("accept_language", "list", ()),
    6: Kind("self_test_sample_size", "int", 0),
    7: Kind("input_format", "str", ""),
    10: Kind("character_coverage", "float", struct.unpack("<f", struct.pack("<f", 0.9995))[0]),
    11: Kind("input_sentence_size", "size", 0),
    12: Kind("mining_sentence_size", "int", 0),
    13: Kind("training_sentence_size", "int", 0),
    14: Kind("seed_sentencepiece_size", "int", 1_000_000),
    15: Kind("shrinking_factor", "float", 0.75),
    16: Kind("num_threads", "int", 16),
    17: Kind("num_sub_iterations", "int", 2),
    18: Kind("max_sentence_length", "int", 4192),
    19: Kind("shuffle_input_sentence", "bool", True),
    20: Kind("max_sentencepiece_length", "int", 16),
    21: Kind("split_by_unicode_script", "bool", True),
    22: Kind("split_by_whitespace", "bool", True),
    23: Kind("split_by_number", "bool", True),
    24: Kind("treat_whitespace_as_suffix", "bool", False),
    25: Kind("split_digits", "bool", False),
    26: Kind("allow_whitespace_only_pieces", "bool", False),
    30: Kind("control_symbols", "list", ()),
    31: Kind("user_defined_symbols", "list", ()),
    32: Kind("vocabulary_output_piece_score", "bool", True),
    33: Kind("hard_vocab_limit", "bool", True),
    34: Kind("use_all_vocab", "bool", False),
    35: Kind("byte_fallback", "bool", False),
    36: Kind("required_chars", "str", ""),
    40: Kind("unk_id", "int", 0),
    41: Kind("bos_id", "int", 1),
    42: Kind("eos_id", "int", 2),
    43: Kind("pad_id", "int", -1),
    44: Kind("unk_surface", "str", " \u2047 "),
    45: Kind("unk_piece", "str", "<unk>"),
    46: Kind("bos_piece", "str", "<s>"),
    47: Kind("eos_piece", "str", "</s>"),
    48: Kind("pad_piece", "str", "<pad>"),
    49: Kind("train_extremely_large_corpus", "bool", False),
    50: Kind("enable_differential_privacy", "bool", False),
    51: Kind("differential_privacy_noise_level", "float", 0.0),
    52: Kind("differential_privacy_clipping_threshold", "size", 0),
    53: Kind("pretokenization_delimiter", "str", ""),
    54: Kind("seed_sentencepieces_file", "str", ""),
    55: Kind("auto_character_coverage", "bool", False),
}
"""What the trainer was told, ``TrainerSpec``."""

NORMALIZER_FIELDS = {
    1: Kind("name", "str", ""),
    2: Kind("precompiled", "bytes", b""),
    3: Kind("add_dummy_prefix", "bool", True),
    4: Kind("remove_extra_whitespaces", "bool", True),
    5: Kind("escape_whitespaces", "bool", True),
    6: Kind("rule_tsv", "str", ""),
}
"""A normalizer, ``NormalizerSpec``; its fields 2 and 6 are called ``precompiled_charsmap`` and
``normalization_rule_tsv`` there."""

_LAYOUTS = {"str": BYTES, "bytes": BYTES, "list": BYTES, "float": FIXED32}  # all others: VARINT
_LIMITS = {
    "int": (-(1 << 31), (1 << 31) - 1),
    "size": (0, (1 << 64) - 1),
    "bool": (0, 1),
    "model type": (1, 4),
}
_NAMES = {
    "int": "an integer of 32 bits",
    "size": "an integer of 64 bits, not negative",
    "bool": "True or False",
}
_NAMES |= {
    "model type": "1 to 4",
    "float": "a number",
    "str": "a str",
    "bytes": "bytes",
    "list": "a sequence of str",
}


def signed(value: int) -> int:
    """Read the low 32 bits of a number as a signed one.

    Examples
    --------
    >>> signed(2**64 - 1), signed(2**32 + 7)
    (-1, 7)
    """
    return (value & 0xFFFFFFFF ^ 0x80000000) - 0x80000000


def read_float(field: Field, name: str) -> float:
    """Read a number of 32 bits; raise ModelFileError if it is none."""
    assert isinstance(field.value, bytes)
    value: float = struct.unpack("<f", field.value)[0]
    if value != value:
        raise ModelFileError(f"byte {field.at}: {name} is not a number (NaN)")
    return value


def read_fields(kinds: Mapping[int, Kind], given: Iterable[Field], of: str) -> tuple[dict[str, Value], bytes]:
    """Sort the fields of a message by what they are.

    Parameters
    ----------
    kinds
        The fields that it may have.
    given
        Those that it has. Of one that is there twice, the last one counts; the values of a list are put together.
    of
        The message's name, for errors.

    Returns
    -------
    tuple[dict, bytes]
        Value by name, in the order of the numbers; and all other fields as bytes. Text that is not UTF-8 has its bytes
        as surrogates, as the error handler ``surrogateescape`` makes them.

    Raises
    ------
    ModelFileError
        If a field is malformed.
    """
    found: dict[int, Value] = {}
    extra = bytearray()
    for field in given:
        kind = kinds.get(field.number)
        if kind is None or field.layout != _LAYOUTS.get(kind.type, VARINT):
            extra += write_field(field)
            continue
        value = field.value
        if kind.type == "float":
            found[field.number] = read_float(field, f"{of}.{kind.name}")
        elif isinstance(value, int):
            value = value if kind.type == "size" else bool(value) if kind.type == "bool" else signed(value)
            if kind.type == "model type" and value not in MODEL_TYPES:
                extra += write_field(field._replace(value=value))
            else:
                found[field.number] = value
        elif kind.type == "bytes":
            found[field.number] = value
        else:
            text = value.decode("utf-8", "surrogateescape")
            before = found.get(field.number, ())
            found[field.number] = (
                (*before, text) if kind.type == "list" and isinstance(before, tuple) else text
            )
    return {kinds[number].name: found[number] for number in sorted(found)}, bytes(extra)


def write_fields(kinds: Mapping[int, Kind], given: Mapping[str, Value], extra: bytes, of: str) -> bytes:
    """Write a message, its fields in the order of their numbers.

    Parameters
    ----------
    kinds
        The fields that it may have.
    given
        Value by name, for those that it has.
    extra
        Other fields, put behind these.
    of
        The message's name, for errors.

    Raises
    ------
    ConfigError
        If there is no such field, or a value is not of its type.
    """
    numbers = {kind.name: number for number, kind in kinds.items()}
    for name in given:
        if name not in numbers:
            raise ConfigError(f"{of} has no field {name!r}; expected one of: {', '.join(numbers)}")
    parts = []
    for number in sorted(numbers[name] for name in given):
        kind = kinds[number]
        parts.append(_write(number, kind, given[kind.name], f"{of}.{kind.name}"))
    return b"".join(parts) + extra


def _write(number: int, kind: Kind, value: Value, name: str) -> bytes:
    if kind.type == "bytes" and isinstance(value, bytes):
        return tagged(number, value)
    if kind.type == "str" and isinstance(value, str):
        return tagged(number, _utf8(value, name))
    if (
        kind.type == "list"
        and isinstance(value, tuple | list)
        and all(isinstance(text, str) for text in value)
    ):
        return b"".join(tagged(number, _utf8(text, name)) for text in value)
    if (
        kind.type == "float"
        and isinstance(value, int | float)
        and not isinstance(value, bool)
        and value == value
    ):
        try:
            return varint(number << 3 | FIXED32) + struct.pack("<f", value)
        except OverflowError as error:
            raise ConfigError(f"{name} is {value!r}, which is beyond the numbers of 32 bits") from error
    low, high = _LIMITS.get(kind.type, (1, 0))
    if isinstance(value, int) and isinstance(value, bool) == (kind.type == "bool") and low <= value <= high:
        return varint(number << 3 | VARINT) + varint(value)
    raise ConfigError(f"{name} is {value!r}: expected {_NAMES[kind.type]}")


def _utf8(text: str, name: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise ConfigError(
            f"{name} has a lone surrogate at position {error.start}, which is no text"
        ) from error
