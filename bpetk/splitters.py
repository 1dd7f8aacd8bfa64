"""The ``pre_tokenizer`` of a ``tokenizer.json``: every kind that Hugging Face's files know, cutting as it does.

A pre-tokenizer is a list of steps, each of which works on the pieces that the one before it left. The steps that real
models use are recognised as one of the schemes with a native scanner; everything else takes the general way here,
which is exact and slow.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate
from typing import Any

from bpetk.aligned import AlignedText
from bpetk.alphabet import BYTE_TO_CHAR
from bpetk.errors import ConfigError, ModelFileError
from bpetk.pretokenizers import SCHEMES, Scheme, scheme_from_pattern
from bpetk.split_patterns import (
    Cutter,
    Delimited,
    Expression,
    FixedLength,
    Literal,
    Scripts,
    Span,
    digits,
    punctuation,
    white_space,
    words,
)

Config = dict[str, Any]
_BEHAVIORS = ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")
_PREPEND_SCHEMES = ("always", "first", "never")
_GPT2 = str(SCHEMES["gpt2"].pattern)


# --- reading --------------------------------------------------------------------------------------------------------


def _refuse(where: str, reason: str) -> ModelFileError:
    return ModelFileError(f"{where}: {reason}")


def _value(config: Config, key: str, where: str, default: Any = None) -> Any:
    if key not in config and default is None:
        raise _refuse(where, f"{config['type']} needs {key!r}")
    return config.get(key, default)


def _flag(config: Config, key: str, where: str, default: bool | None = None) -> bool:
    value = _value(config, key, where, default)
    if not isinstance(value, bool):
        raise _refuse(f"{where}.{key}", f"expected true or false, not {value!r}")
    return value


def _choice(config: Config, key: str, where: str, known: Sequence[str], default: str | None = None) -> str:
    value = _value(config, key, where, default)
    if value not in known:
        raise _refuse(f"{where}.{key}", f"expected one of {', '.join(known)}, not {value!r}")
    return str(value)


def _character(config: Config, key: str, where: str) -> str:
    value = _value(config, key, where)
    if not isinstance(value, str) or len(value) != 1 or "\ud800" <= value <= "\udfff":
        raise _refuse(f"{where}.{key}", f"expected one character, not {value!r}")
    return value


def _byte_level(config: Config, where: str) -> Config:
    return {
        "add_prefix_space": _flag(config, "add_prefix_space", where),
        "trim_offsets": _flag(config, "trim_offsets", where),
        "use_regex": _flag(config, "use_regex", where, True),
    }


def _split(config: Config, where: str) -> Config:
    pattern = _value(config, "pattern", where)
    kind = next(iter(pattern), None) if isinstance(pattern, dict) and len(pattern) == 1 else None
    if kind not in ("String", "Regex") or not isinstance(pattern[kind], str):
        expected = 'expected {"String": "..."} or {"Regex": "..."}'
        raise _refuse(f"{where}.pattern", f"{expected}, not {pattern!r}")
    return {
        "pattern": dict(pattern),
        "behavior": _choice(config, "behavior", where, _BEHAVIORS),
        "invert": _flag(config, "invert", where),
    }


def _metaspace(config: Config, where: str) -> Config:
    # Old files have add_prefix_space instead of prepend_scheme, and str_rep, which never had a meaning.
    if not isinstance(config.get("str_rep"), str | None):
        raise _refuse(f"{where}.str_rep", f"expected a string, not {config['str_rep']!r}")
    optional = ("add_prefix_space", "split")
    config = {key: value for key, value in config.items() if value is not None or key not in optional}
    scheme = _choice(config, "prepend_scheme", where, _PREPEND_SCHEMES, "always")
    if not _flag(config, "add_prefix_space", where, True) and scheme != "never":
        reason = "false needs prepend_scheme 'never'; the reference refuses this file, too"
        raise _refuse(f"{where}.add_prefix_space", reason)
    return {
        "replacement": _character(config, "replacement", where),
        "prepend_scheme": scheme,
        "split": _flag(config, "split", where, True),
    }


def _fixed_length(config: Config, where: str) -> Config:
    length = _value(config, "length", where, 5)
    if isinstance(length, bool) or not isinstance(length, int) or length < 1:
        raise _refuse(f"{where}.length", f"expected a whole number from 1 up, not {length!r}")
    return {"length": length}


def _no_fields(config: Config, where: str) -> Config:
    return {}


_READERS: dict[str, Callable[[Config, str], Config]] = {
    "BertPreTokenizer": _no_fields,
    "ByteLevel": _byte_level,
    "CharDelimiterSplit": lambda config, where: {"delimiter": _character(config, "delimiter", where)},
    "Metaspace": _metaspace,
    "Whitespace": _no_fields,
    "Split": _split,
    "Punctuation": lambda config, where: {
        "behavior": _choice(config, "behavior", where, _BEHAVIORS, "Isolated")
    },
    "WhitespaceSplit": _no_fields,
    "Digits": lambda config, where: {"individual_digits": _flag(config, "individual_digits", where)},
    "UnicodeScripts": _no_fields,
    "FixedLength": _fixed_length,
}


def _read(config: Any, where: str) -> Config:
    """Check an object of a file; return it with all its fields and no others, as the reference writes it."""
    kind = config.get("type") if isinstance(config, dict) else None
    if not isinstance(config, dict) or not isinstance(kind, str):
        raise _refuse(where, f"expected an object with a 'type', not {config!r:.200}")
    if kind == "Sequence":
        parts = _value(config, "pretokenizers", where)
        if not isinstance(parts, list):
            raise _refuse(f"{where}.pretokenizers", f"expected a list, not {parts!r:.200}")
        read = [_read(part, f"{where}.pretokenizers[{i}]") for i, part in enumerate(parts)]
        return {"type": "Sequence", "pretokenizers": read}
    if kind not in _READERS:
        known = ", ".join(["Sequence", *_READERS])
        raise _refuse(f"{where}.type", f"unknown pre-tokenizer {kind!r}; known are {known}")
    return {"type": kind, **_READERS[kind](config, where)}


def _flat(config: Config, where: str) -> Iterator[tuple[Config, str]]:
    """Yield the steps in order, each with its place in the file."""
    if config["type"] != "Sequence":
        yield config, where
        return
    for i, part in enumerate(config["pretokenizers"]):
        yield from _flat(part, f"{where}.pretokenizers[{i}]")


# --- named schemes --------------------------------------------------------------------------------------------------


def _essence(steps: Sequence[Config]) -> tuple[tuple[str, str], ...] | None:
    """Return what steps amount to, in a form that is the same for equal ones; None for anything unusual."""
    found: list[tuple[str, str]] = []
    for i, step in enumerate(steps):
        kind = step["type"]
        if kind == "ByteLevel" and i == len(steps) - 1 and not step["add_prefix_space"]:
            found += [("isolated", _GPT2)] if step["use_regex"] else []
        elif kind == "WhitespaceSplit":
            found.append(("dropped", r"\s+"))
        elif kind == "Split" and "Regex" in step["pattern"] and step["behavior"] in ("Isolated", "Removed"):
            isolated = step["behavior"] == "Isolated"
            what = "isolated" if isolated else "kept" if step["invert"] else "dropped"
            # Files have line ends both as themselves and escaped.
            found.append((what, step["pattern"]["Regex"].replace("\r", r"\r").replace("\n", r"\n")))
        else:
            return None
    return tuple(found)


@cache
def _named() -> dict[tuple[tuple[str, str], ...] | None, Scheme]:
    named = {_essence([step for step, _ in _flat(scheme.to_hf(), "")]): scheme for scheme in SCHEMES.values()}
    return named | {(("kept", r"\S+"),): SCHEMES["whitespace"]}


def scheme_from_steps(steps: Sequence[Config]) -> Scheme | None:
    r"""Return the scheme that cuts every text as pre-tokenizer steps do, or ``None``.

    Parameters
    ----------
    steps
        Objects of a ``tokenizer.json``, with all their fields; no ``Sequence`` among them. Patterns are compared as
        text: an equivalent pattern written differently is not recognised.

    Examples
    --------
    >>> scheme_from_steps([{"type": "WhitespaceSplit"}]).name
    'whitespace'
    """
    essence = _essence(steps)
    if essence is None:
        return None
    if len(essence) != 1 or essence[0][0] == "dropped":
        return _named().get(essence)
    # The patterns that have a name match every text without a gap: nothing is lost where only matches are kept.
    return scheme_from_pattern(essence[0][1]) or _named().get(essence)


# --- cutting --------------------------------------------------------------------------------------------------------

Change = Callable[[AlignedText, bool], AlignedText]


@dataclass
class _Stage:
    """Steps that work on one and the same text: a change of the text, then cuts of it.

    Attributes
    ----------
    change
        What happens to each piece first.
    cutters
        What cuts it then.
    byte_cutters
        What cuts its bytes after that, each of them shown as a character: the steps after ``ByteLevel``.
    """

    change: Change | None = None
    cutters: list[Cutter] = field(default_factory=list)
    byte_cutters: list[Cutter] = field(default_factory=list)

    def apply(self, piece: AlignedText, first: bool) -> list[AlignedText]:
        if self.change is not None:
            piece = self.change(piece, first)
        spans = [(0, len(piece.text))]
        for cutter in self.cutters:
            spans = cutter.cut(piece.text, spans)
        return self._cut_bytes(piece, spans) if self.byte_cutters else [piece.slice(i, j) for i, j in spans]

    def _cut_bytes(self, piece: AlignedText, spans: list[Span]) -> list[AlignedText]:
        data = piece.text.encode()
        shown = data.decode("latin-1").translate(_LATIN_1_TO_ALPHABET)
        starts = [0, *accumulate(len(char.encode()) for char in piece.text)]
        spans = [(starts[i], starts[j]) for i, j in spans]
        for cutter in self.byte_cutters:
            spans = cutter.cut(shown, spans)
        index = {start: i for i, start in enumerate(starts)}
        return [
            piece.slice(index[i], index[j])
            if i in index and j in index
            else _torn(piece, starts, data[i:j], i)
            for i, j in spans
        ]


_LATIN_1_TO_ALPHABET = dict(enumerate(BYTE_TO_CHAR))


def _torn(piece: AlignedText, starts: list[int], data: bytes, at: int) -> AlignedText:
    """Return bytes of a piece that begin or end within a character; each byte of a torn character has its span."""
    text = data.decode("utf-8", "surrogateescape")
    spans = []
    for char in text:
        i = bisect_right(starts, at) - 1
        spans.append(piece.span(i, i + 1))
        at += len(char.encode("utf-8", "surrogateescape"))
    return AlignedText(text, spans[0][0], spans)


def _with_space(piece: AlignedText, first: bool) -> AlignedText:
    return piece if piece.text.startswith(" ") else piece.with_prefix(" ")


def _marked(replacement: str, prepend_scheme: str) -> Change:
    """Return the change that ``Metaspace`` makes."""

    def change(piece: AlignedText, first: bool) -> AlignedText:
        piece = piece.with_text(piece.text.replace(" ", replacement))
        wanted = prepend_scheme == "always" or (
            prepend_scheme == "first" and first and piece.span(0, 1)[0] == 0
        )
        return piece.with_prefix(replacement) if wanted and not piece.text.startswith(replacement) else piece

    return change


def _literal(content: str) -> Literal:
    return Literal(re.compile(re.escape(content)))


def _split_cutter(config: Config) -> Cutter:
    (kind, text), *_ = config["pattern"].items()
    # Looking for an empty string finds one between any two characters, as the empty pattern does.
    finder = _literal(text) if kind == "String" and text else Expression(text)
    return Delimited(finder, config["behavior"], config["invert"])


def _cutters(config: Config) -> tuple[Change | None, list[Cutter]]:
    """Return what a step does: its change of the text, if any, and the cuts after it."""
    kind = config["type"]
    if kind == "ByteLevel":
        cutters: list[Cutter] = [Delimited(Expression(_GPT2), "Isolated")] if config["use_regex"] else []
        return _with_space if config["add_prefix_space"] else None, cutters
    if kind == "Metaspace":
        mark = config["replacement"]
        cutters = [Delimited(_literal(mark), "MergedWithNext")] if config["split"] else []
        return _marked(mark, config["prepend_scheme"]), cutters
    if kind == "BertPreTokenizer":
        return None, [white_space(), punctuation("Isolated")]
    one: dict[str, Callable[[], Cutter]] = {
        "Split": lambda: _split_cutter(config),
        "Whitespace": words,
        "WhitespaceSplit": white_space,
        "Digits": lambda: digits(config["individual_digits"]),
        "Punctuation": lambda: punctuation(config["behavior"]),
        "CharDelimiterSplit": lambda: Delimited(_literal(config["delimiter"]), "Removed"),
        "FixedLength": lambda: FixedLength(config["length"]),
        "UnicodeScripts": Scripts,
    }
    return None, [one[kind]()]


def _stages(steps: Sequence[tuple[Config, str]]) -> list[_Stage]:
    stages = [_Stage()]
    bytes_shown = False
    for config, where in steps:
        change, cutters = _cutters(config)
        if bytes_shown and config["type"] in ("ByteLevel", "Metaspace"):
            raise _refuse(where, f"{config['type']} after ByteLevel is not supported")
        if change is not None:
            stages.append(_Stage(change))
        if bytes_shown:
            stages[-1].byte_cutters += cutters
        else:
            stages[-1].cutters += cutters
        bytes_shown |= config["type"] == "ByteLevel"
    return stages


class PreTokenizer:
    """The pre-tokenizer of a file; make one with `pre_tokenizer_from_hf`.

    Attributes
    ----------
    config
        Its object in the file, with all fields, as the reference writes it.
    scheme
        The named scheme that cuts every text alike, or None.
    byte_level
        Whether ``ByteLevel`` is among the steps: only then the pieces are to be encoded as bytes.
    asks_origin
        Whether the cuts depend on where in the original the text stands, so that `split` needs the spans.
    """

    def __init__(self, config: Config, where: str) -> None:
        self.config = _read(config, where)
        steps = list(_flat(self.config, where))
        self.byte_level = any(step["type"] == "ByteLevel" for step, _ in steps)
        self.asks_origin = any(step.get("prepend_scheme") == "first" for step, _ in steps)
        self.scheme = scheme_from_steps([step for step, _ in steps])
        self._stages = _stages(steps)
        if self.scheme is None:
            for step, place in steps:
                if "Regex" in step.get("pattern", ()):
                    _check_pattern(step["pattern"]["Regex"], f"{place}.pattern.Regex")

    def __repr__(self) -> str:
        return f"pre_tokenizer_from_hf({self.config!r})"

    def __eq__(self, other: object) -> bool:
        return self.config == other.config if isinstance(other, PreTokenizer) else NotImplemented

    def __hash__(self) -> int:
        return hash(repr(self.config))

    def __reduce__(self) -> tuple[Any, ...]:
        return pre_tokenizer_from_hf, (self.config,)

    def split(self, text: AlignedText, *, first: bool) -> list[AlignedText]:
        r"""Cut a text.

        Parameters
        ----------
        text
            Text between two added tokens, already normalized, without lone surrogates.
        first
            Whether it is the first such stretch of the input; ``Metaspace`` may ask.

        Returns
        -------
        list[AlignedText]
            The pretokens in order; none is empty. They are text: the characters by which ``ByteLevel`` shows bytes are
            not put in. Steps after ``ByteLevel`` cut between bytes, however, and can tear a character: each of its
            bytes then stands in its piece as a lone surrogate, as ``surrogateescape`` has it.

        Examples
        --------
        >>> splitter = pre_tokenizer_from_hf({"type": "Digits", "individual_digits": False})
        >>> splitter.split(AlignedText("in 1984"), first=True)
        [AlignedText('in ', 0), AlignedText('1984', 3)]
        """
        pieces = [text] if text.text else []
        for stage in self._stages:
            pieces = [part for piece in pieces for part in stage.apply(piece, first)]
        return pieces


def _check_pattern(pattern: str, where: str) -> None:
    from bpetk.custom_pattern import compile_pattern

    try:
        compile_pattern(pattern, misleading=True)
    except ConfigError as error:
        raise _refuse(where, str(error)) from None


def pre_tokenizer_from_hf(config: Any, field: str = "pre_tokenizer") -> PreTokenizer | None:
    """Read the ``pre_tokenizer`` of a ``tokenizer.json``.

    Parameters
    ----------
    config
        The JSON value; null gives None.
    field
        Where it stands in the file, for errors.

    Raises
    ------
    ModelFileError
        If it is malformed, unknown, or cannot be reproduced exactly; the message begins with the field.

    Examples
    --------
    >>> config = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    >>> pre_tokenizer_from_hf(config).scheme.name
    'gpt2'
    """
    return None if config is None else PreTokenizer(config, field)
