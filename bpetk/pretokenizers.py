"""The named rules that cut text into pretokens ("schemes"), and their form in Hugging Face files.

A scheme is a value: its name selects the native scanner, its pattern is what a ``tokenizer.json`` says. The scanners
themselves are in ``bpetk._scanner``, their plain twins in ``bpetk.reference.scan``; all use Unicode 16.0, whatever the
Python version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from bpetk.errors import ConfigError

UNICODE_VERSION = "16.0.0"


@dataclass(frozen=True)
class Scheme:
    r"""A rule that cuts text into pretokens.

    Attributes
    ----------
    name
        ``"gpt2"``, ``"cl100k"``, ... or ``"custom"``.
    pattern
        The rule as an Oniguruma pattern: each match, and each gap between two matches, is a pretoken. ``None`` for
        the schemes without a pattern.
    lossless
        Whether the pretokens joined give the text back.
    description
        One line for people.

    Examples
    --------
    >>> get_scheme("none").to_hf()["type"]
    'ByteLevel'
    """

    name: str
    pattern: str | None
    lossless: bool
    description: str

    def to_hf(self) -> dict[str, Any]:
        """Return the ``pre_tokenizer`` object of a ``tokenizer.json``, as `tokenizers` itself writes it."""
        byte_level = {
            "type": "ByteLevel",
            "add_prefix_space": False,
            "trim_offsets": True,
            "use_regex": False,
        }
        if self.name == "gpt2":
            return byte_level | {"use_regex": True}  # ByteLevel has this very pattern built in
        if self.name == "whitespace":
            first: dict[str, Any] = {"type": "WhitespaceSplit"}
        elif self.pattern is not None:
            pattern = {"Regex": self.pattern}
            first = {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}
        else:
            return byte_level
        return {"type": "Sequence", "pretokenizers": [first, byte_level]}


_ENDINGS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_CL100K = _ENDINGS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + _SPACES
_QWEN2 = _CL100K.replace("{1,3}", "")
_O200K = "|".join(
    [
        rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_ENDINGS}?",
        rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_ENDINGS}?",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        _SPACES,
    ]
)
# tiktoken's own text has `\p{N}{1,3}+` and `\s++$`. Oniguruma reads the first as "one or more groups of one to three"
# and lets `$` match before every newline, so the same meaning needs an atomic group and `\z` here.
_CL100K_TIKTOKEN = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|(?>\p{N}{1,3})| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++\z|\s*[\r\n]|\s+(?!\S)|\s"
)
_TIKTOKEN_GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
_TIKTOKEN_CL100K = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)

_ALL = (
    Scheme("gpt2", _GPT2, True, "GPT-2: letters, numbers, other signs, each with one blank before it"),
    Scheme("cl100k", _CL100K, True, "GPT-4 and Llama 3: numbers by three, any one sign before letters"),
    Scheme(
        "cl100k_tiktoken", _CL100K_TIKTOKEN, True, "GPT-4 as in tiktoken: keeps white space at the end whole"
    ),
    Scheme("qwen2", _QWEN2, True, "Qwen 2 and 3: cl100k with every digit alone"),
    Scheme("o200k", _O200K, True, "GPT-4o: cuts inside words where lower case meets upper case"),
    Scheme("whitespace", None, False, "runs of characters that are not white space; white space is dropped"),
    Scheme("none", None, True, "no cutting: a whole document is one pretoken"),
)

SCHEMES: Mapping[str, Scheme] = MappingProxyType({scheme.name: scheme for scheme in _ALL})

_BY_PATTERN = {scheme.pattern: scheme for scheme in _ALL if scheme.pattern} | {
    _TIKTOKEN_GPT2: SCHEMES["gpt2"]
}


def get_scheme(name: str) -> Scheme:
    """Return a scheme by name.

    Parameters
    ----------
    name
        A key of ``SCHEMES``.

    Raises
    ------
    ConfigError
        If there is no such scheme; the message names those there are.

    Examples
    --------
    >>> get_scheme("qwen2").lossless
    True
    """
    try:
        return SCHEMES[name]
    except KeyError:
        known = ", ".join(SCHEMES)
        raise ConfigError(f"unknown scheme {name!r}; known schemes: {known}; or give a pattern") from None


def custom_scheme(pattern: str) -> Scheme:
    r"""Return a scheme for a pattern of your own, in the syntax of Hugging Face's ``Regex``.

    Parameters
    ----------
    pattern
        Oniguruma (Ruby) syntax; see ``bpetk.custom_pattern`` for the part of it that is supported.

    Raises
    ------
    ConfigError
        If the pattern holds a construct that cannot be reproduced exactly.

    Examples
    --------
    >>> custom_scheme(r"\d| ?\p{L}+").name
    'custom'
    """
    # Brings numpy and regex, which the named schemes do not need.
    from bpetk.custom_pattern import compile_pattern

    compile_pattern(pattern)
    return Scheme("custom", pattern, True, "a pattern of the user")


def scheme_from_pattern(pattern: str, *, engine: Literal["hf", "tiktoken"] = "hf") -> Scheme | None:
    r"""Return the named scheme that a well-known pattern text stands for, or ``None``.

    Parameters
    ----------
    pattern
        Compared as text: an equivalent pattern written differently is not recognised.
    engine
        Where the text comes from. tiktoken's cl100k text is known for ``"tiktoken"`` only: Oniguruma, the engine
        behind Hugging Face's files, gives that text another meaning.

    Examples
    --------
    >>> scheme_from_pattern(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+").name
    'gpt2'
    """
    if engine == "tiktoken" and pattern == _TIKTOKEN_CL100K:
        return SCHEMES["cl100k_tiktoken"]
    return _BY_PATTERN.get(pattern)
