"""Options of SentencePiece's trainer for BPE: names, defaults, how text becomes values, what is refused.

Source: the behaviour of ``SentencePieceTrainer.train`` in `sentencepiece` 0.2.3.
"""

from __future__ import annotations

import io
import math
import os
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from bpetk.errors import ConfigError

Value = str | int | float | bool | tuple[str, ...]

INT32 = (-(2**31), 2**31 - 1)
UINT64 = (0, 2**64 - 1)
# Both ends are allowed; floats are compared after rounding to single precision, as they are stored.
RANGES: dict[str, tuple[float, float]] = {
    "vocab_size": (1, INT32[1]),
    "character_coverage": (0.98, 1.0),
    "shrinking_factor": (0.5, 0.95),
    "num_threads": (1, 1024),
    "num_sub_iterations": (1, 10),
    "max_sentence_length": (10, 2**30),
    "max_sentencepiece_length": (1, 512),
}
META_PIECES = ("unk_piece", "bos_piece", "eos_piece", "pad_piece")
ALIASES = {"name": "normalization_rule_name"}

# The library takes these, whatever their value, and does nothing with them; the file does not have them.
IGNORED = frozenset(
    "accept_language self_test_sample_size mining_sentence_size training_sentence_size train_extremely_large_corpus "
    "differential_privacy_noise_level differential_privacy_clipping_threshold minloglevel logstream "
    "allow_inconsistent_pretokenization".split()
)
REFUSED = {
    "enable_differential_privacy": "SentencePiece 0.2.3 takes it and trains without any privacy; leave it out",
    "normalizer": "give its options instead: normalization_rule_name, add_dummy_prefix, remove_extra_whitespaces",
    "precompiled_charsmap": "a map is taken out of a .model file or of the installed library, not out of an option",
    "denormalization_rule_tsv": "bpetk does not compile rules for decoding; leave it out",
    "pretokenizer": "a callback for every sentence is not supported; set the places into the text and name the mark"
    " with pretokenization_delimiter",
}


@dataclass(frozen=True)
class SpOptions:
    """What determines the result of a training, under SentencePiece's own names and with its defaults.

    The order is that of the file. ``given`` names the options that were set: they alone get into the file. Of the
    options without an effect on BPE (``num_threads``, ``shrinking_factor``, ...) that is all that happens.
    """

    input: tuple[str, ...] = ()
    model_prefix: str = ""
    model_type: str = "bpe"
    vocab_size: int = 8000
    input_format: str = ""
    character_coverage: float = 0.9995
    input_sentence_size: int = 0
    seed_sentencepiece_size: int = 1_000_000
    shrinking_factor: float = 0.75
    num_threads: int = 16
    num_sub_iterations: int = 2
    max_sentence_length: int = 4192
    shuffle_input_sentence: bool = True
    max_sentencepiece_length: int = 16
    split_by_unicode_script: bool = True
    split_by_whitespace: bool = True
    split_by_number: bool = True
    treat_whitespace_as_suffix: bool = False
    split_digits: bool = False
    allow_whitespace_only_pieces: bool = False
    control_symbols: tuple[str, ...] = ()
    user_defined_symbols: tuple[str, ...] = ()
    vocabulary_output_piece_score: bool = True
    hard_vocab_limit: bool = True
    use_all_vocab: bool = False
    byte_fallback: bool = False
    required_chars: str = ""
    unk_id: int = 0
    bos_id: int = 1
    eos_id: int = 2
    pad_id: int = -1
    unk_surface: str = " \u2047 "
    unk_piece: str = "<unk>"
    bos_piece: str = "<s>"
    eos_piece: str = "</s>"
    pad_piece: str = "<pad>"
    pretokenization_delimiter: str = ""
    seed_sentencepieces_file: str = ""
    auto_character_coverage: bool = False
    normalization_rule_name: str = "nmt_nfkc"
    add_dummy_prefix: bool = True
    remove_extra_whitespaces: bool = True
    escape_whitespaces: bool = True
    normalization_rule_tsv: str = ""
    given: frozenset[str] = frozenset()
    ignored: frozenset[str] = frozenset()

    @classmethod
    def from_kwargs(cls, **library_options: Any) -> SpOptions:
        """Read the options as the library reads them.

        Parameters
        ----------
        **library_options
            Arguments of ``SentencePieceTrainer.train`` but for ``sentence_iterator`` and ``model_writer``. A ``str``
            stands for its value, as on a command line; a list is for the options that take several.

        Returns
        -------
        SpOptions
            Checked values. ``model_type`` counts as given.

        Raises
        ------
        ConfigError
            If a name is unknown or refused, a value cannot be read or is out of range, or options contradict.

        Examples
        --------
        >>> options = SpOptions.from_kwargs(vocab_size="4000", split_digits="yes", user_defined_symbols="a,b")
        >>> options.vocab_size, options.split_digits, options.user_defined_symbols
        (4000, True, ('a', 'b'))
        """
        return cls.from_mapping(library_options)

    @classmethod
    def from_mapping(cls, library_options: Mapping[str, Any], *, sampling: bool = False) -> SpOptions:
        """Read options as `from_kwargs`; ``sampling``: the caller has an own way to choose sentences at random."""
        values: dict[str, Any] = {"model_type": "bpe"}
        ignored = frozenset(library_options) & IGNORED
        for given, value in library_options.items():
            if given in ignored:
                if given == "minloglevel":  # the one among them that has to be well-formed
                    _int(given, _as_text(given, value, "a number"))
                continue
            name = ALIASES.get(given, given)
            if name in values and name != "model_type":
                raise ConfigError(f"{given} and {name} are the same option: give one of them")
            values[name] = _read(name, value)
        given_names = frozenset(values)
        values["normalization_rule_name"] = values.get("normalization_rule_name") or "nmt_nfkc"
        options = cls(**values, given=given_names, ignored=ignored)
        options._check(sampling)
        return options

    @property
    def samples(self) -> bool:
        """Whether ``input_sentence_size`` sentences are to be chosen at random: the library's choice is no rule."""
        return self.input_sentence_size > 0 and self.shuffle_input_sentence

    @property
    def first_sentences(self) -> int | None:
        """How many sentences are read at most, not counting skipped ones; None: all."""
        return (
            self.input_sentence_size if self.input_sentence_size and not self.shuffle_input_sentence else None
        )

    def _check(self, sampling: bool) -> None:
        """Refuse what the library refuses, and what bpetk does not do."""
        for name, (least, most) in RANGES.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise ConfigError(f"{name} must be from {least:,} to {most:,}, got {value}")
        for name in META_PIECES:
            if not getattr(self, name):
                raise ConfigError(f"{name} must not be empty; to have no such piece, set {name[:3]}_id=-1")
            if (
                getattr(self, f"{name[:3]}_id") >= 0
            ):  # the name of a piece that there is not is only written down
                _no_nul(name, getattr(self, name))
        if self.input_format not in ("", "text", "tsv"):
            raise ConfigError(f"input_format must be 'text' or 'tsv', got {self.input_format!r}")
        if 0 < self.input_sentence_size <= 100:
            raise ConfigError(
                f"input_sentence_size must be 0 or more than 100, got {self.input_sentence_size}"
            )
        if self.samples and not sampling:
            raise ConfigError(
                f"input_sentence_size={self.input_sentence_size} chooses sentences at random, in SentencePiece others "
                "in every run; set shuffle_input_sentence=False to take the first ones, or leave it out"
            )
        if self.use_all_vocab:
            raise ConfigError("use_all_vocab is for word and character models; leave it out")
        if self.seed_sentencepieces_file:
            raise ConfigError("seed_sentencepieces_file is for unigram models; leave it out")
        if not self.escape_whitespaces:
            raise ConfigError("escape_whitespaces=False is not possible with model_type=bpe; leave it out")
        if self.auto_character_coverage and not self.byte_fallback:
            raise ConfigError("auto_character_coverage needs byte_fallback=True")
        if self.auto_character_coverage and self.required_chars:
            raise ConfigError("auto_character_coverage cannot have required_chars; leave one of them out")
        for char, why in {" ": "a blank is written U+2581", "\u2585": "it marks unknown characters"}.items():
            if char in self.required_chars:
                raise ConfigError(f"required_chars must not hold U+{ord(char):04X}: {why}")


KINDS: dict[str, type] = {
    field.name: type(field.default) for field in fields(SpOptions) if field.name not in ("given", "ignored")
}
NORMALIZER_FIELDS = (
    "add_dummy_prefix",
    "remove_extra_whitespaces",
    "escape_whitespaces",
    "normalization_rule_tsv",
)
TRAINER_FIELDS = tuple(n for n in KINDS if n not in (*NORMALIZER_FIELDS, "normalization_rule_name"))


def _read(name: str, value: Any) -> Value:
    """Read the value of an option; every value is text first, as in the library."""
    if name in REFUSED:
        raise ConfigError(f"{name} is not supported: {REFUSED[name]}")
    if name not in KINDS:
        import difflib  # half a megabyte that training without a wrong name does not need

        near = difflib.get_close_matches(name, KINDS, 1)
        raise ConfigError(
            f"SentencePiece has no option {name!r}" + (f"; did you mean {near[0]}?" if near else "")
        )
    kind = KINDS[name]
    text = _as_text(name, value, "a list" if kind is tuple else f"of type {kind.__name__}")
    if name == "model_type":
        return _model_type(text)
    if kind is bool:
        return _bool(name, text)
    if kind is int:
        return _int(name, text)
    if kind is float:
        return _float(name, text)
    return split_list(text) if kind is tuple else text


def _as_text(name: str, value: Any, expected: str) -> str:
    """Write a value as the library's Python interface does before it hands it on."""
    if isinstance(value, list):
        text = join_list(map(str, value))
    elif (
        value is None
        or isinstance(value, bytes | bytearray | tuple | set | frozenset | Mapping)
        or callable(value)
    ):
        raise ConfigError(f"{name} must be {expected} or text, got {value!r}")
    else:
        text = os.fspath(value) if isinstance(value, os.PathLike) else str(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{name} holds a lone surrogate, which is no text: {text!r}") from None
    return text


def join_list(values: Iterable[str]) -> str:
    """Write several values as one text, with commas, as the library's Python interface does.

    Examples
    --------
    >>> join_list(["a", "b,c"])
    'a,"b,c"'
    """
    buffer = io.StringIO()
    import csv  # see difflib

    csv.writer(buffer, lineterminator="").writerow(values)
    return buffer.getvalue()


def split_list(text: str) -> tuple[str, ...]:
    """Cut a text at commas that are not in quotes; a quote inside quotes is doubled.

    What follows a closing quote up to the comma is dropped, as is an empty value at the end; a value ends at U+0000.

    Examples
    --------
    >>> split_list('a,"b,c",'), split_list("")
    (('a', 'b,c'), ())
    """
    values = []
    at = 0
    while at < len(text):
        if text[at] == '"':
            found = re.compile(r'((?:[^"]|"")*)"?[^,]*').match(text, at + 1)
            value = found[1].replace('""', '"') if found else ""
            at = found.end() if found else len(text)
        else:
            end = text.find(",", at)
            end = len(text) if end < 0 else end
            value, at = text[at:end], end
        values.append(value.partition("\0")[0])
        at += 1
    return tuple(values)


def _model_type(text: str) -> str:
    if text.lower() in ("unigram", "word", "char"):
        raise ConfigError(f"model_type={text} is not supported: bpetk trains model_type=bpe")
    if text.lower() != "bpe":
        raise ConfigError(f"model_type must be bpe, got {text!r}")
    return "bpe"


def _bool(name: str, text: str) -> bool:
    if text.lower() in ("", "true", "t", "yes", "y", "1"):
        return True
    if text.lower() in ("false", "f", "no", "n", "0"):
        return False
    raise ConfigError(f"{name} must be true or false, got {text!r}")


def _int(name: str, text: str) -> int:
    least, most = UINT64 if name == "input_sentence_size" else INT32
    sign = "[+-]" if least < 0 else "[+]"
    found = re.fullmatch(rf"[ \t-\r]*({sign}?[0-9]+)[ \t-\r]*", text)
    value = int(found[1]) if found and len(found[1]) < 30 else None
    if value is None or not least <= value <= most:
        first, last = RANGES.get(name, (least, most))
        raise ConfigError(f"{name} must be a whole number from {first:,} to {last:,}, got {text!r}")
    return value


def _float(name: str, text: str) -> float:
    found = re.fullmatch(r"[ \t-\r]*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)[ \t-\r]*", text)
    value = float(found[1]) if found else math.nan
    if not math.isfinite(value) or abs(value) > 1e30:
        raise ConfigError(f"{name} must be a number such as 0.9995, got {text!r}")
    single: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return single


def _no_nul(name: str, text: str) -> None:
    if "\0" in text:
        raise ConfigError(f"{name} must not hold U+0000, got {text!r}")
