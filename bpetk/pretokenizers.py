"""The named rules that cut text into pretokens ("schemes"), and their form in Hugging Face files.

A scheme is a value: its name selects the native scanner, its pattern is what a ``tokenizer.json`` says. The scanners
themselves are in ``bpetk._scanner``, their plain twins in ``bpetk.reference.scan``; all use Unicode 16.0, whatever the
Python version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    patterns
        The rule as Oniguruma patterns, applied one after the other to the pieces that those before have cut: each
        match, and each gap between two matches, is a piece. Empty for the schemes without a pattern.
    lossless
        Whether the pretokens joined give the text back.
    description
        One line for people.
    complete
        Whether every character of any text is in a match, so that dropping what is in none changes nothing: tiktoken
        does so, and Hugging Face's ``Split`` with ``"behavior": "Removed", "invert": true``. False where it is not
        known, and where there is no pattern.

    Examples
    --------
    >>> get_scheme("none").to_hf()["type"]
    'ByteLevel'
    """

    name: str
    patterns: tuple[str, ...]
    lossless: bool
    description: str
    complete: bool = False

    @property
    def pattern(self) -> str | None:
        r"""The rule as a single pattern; ``None`` if there is none, or if it takes several."""
        return self.patterns[0] if len(self.patterns) == 1 else None

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
        steps: list[dict[str, Any]] = [
            {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
            for pattern in self.patterns
        ]
        if self.name == "whitespace":
            steps = [{"type": "WhitespaceSplit"}]
        return {"type": "Sequence", "pretokenizers": [*steps, byte_level]} if steps else byte_level


_ENDINGS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_CL100K = _ENDINGS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + _SPACES
# tiktoken's own text has `\p{N}{1,3}+` and `\s++$`. Oniguruma reads the first as "one or more groups of one to three"
# and lets `$` match before every newline, so the same meaning needs an atomic group and `\z` here.
_CL100K_TIKTOKEN = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|(?>\p{N}{1,3})| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++\z|\s*[\r\n]|\s+(?!\S)|\s"
)
_QWEN2 = _CL100K.replace("{1,3}", "")
_QWEN3_5 = _QWEN2.replace(r"?\p{L}+", r"?[\p{L}\p{M}]+").replace(r"[^\s\p{L}\p{N}]", r"[^\s\p{L}\p{M}\p{N}]")


def _cased(but: str, endings: str, numbers: str, tail: str) -> str:
    """Return the pattern of the o200k family; ``but`` takes letters away from its two sets of cases."""
    upper, lower = (
        rf"[\p{{Lu}}\p{{Lt}}\p{{Lm}}\p{{Lo}}\p{{M}}{but}]",
        rf"[\p{{Ll}}\p{{Lm}}\p{{Lo}}\p{{M}}{but}]",
    )
    return "|".join(
        [
            rf"[^\r\n\p{{L}}\p{{N}}]?{upper}*{lower}+{endings}",
            rf"[^\r\n\p{{L}}\p{{N}}]?{upper}+{lower}*{endings}",
            numbers,
            rf" ?[^\s\p{{L}}\p{{N}}]+[{tail}]*",
            _SPACES,
        ]
    )


_O200K = _cased("", _ENDINGS + "?", r"\p{N}{1,3}", r"\r\n/")
_TEKKEN = _cased("", "", r"\p{N}", r"\r\n/")
_KIMI_K2 = r"[\p{Han}]+|" + _cased(r"&&[^\p{Han}]", _ENDINGS + "?", r"\p{N}{1,3}", r"\r\n")
# As the model's file has them: CR and LF stand in the last one as themselves.
_DEEPSEEK_V3 = (
    r"\p{N}{1,3}",
    "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"""
    "|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+"
    r"|\s+(?!\S)|\s+",
)

_ALL = (
    Scheme(
        "gpt2", (_GPT2,), True, "GPT-2: letters, numbers, other signs, each with one blank before it", True
    ),
    Scheme(
        "cl100k", (_CL100K,), True, "GPT-4 and Llama 3: numbers by three, any one sign before letters", True
    ),
    Scheme(
        "cl100k_tiktoken",
        (_CL100K_TIKTOKEN,),
        True,
        "GPT-4 as in tiktoken: keeps white space at the end whole",
        True,
    ),
    Scheme("qwen2", (_QWEN2,), True, "Qwen 2 and 3: cl100k with every digit alone", True),
    Scheme("qwen3_5", (_QWEN3_5,), True, "Qwen 3.5: qwen2 with combining marks as letters", True),
    Scheme(
        "o200k",
        (_O200K,),
        True,
        "GPT-4o, gpt-oss, Llama 4: cuts inside words where lower case meets upper case",
        True,
    ),
    Scheme(
        "tekken", (_TEKKEN,), True, "Mistral's Tekken: o200k with every digit alone, 's is no ending", True
    ),
    Scheme("kimi_k2", (_KIMI_K2,), True, "Kimi K2: o200k with runs of Han characters apart", True),
    Scheme(
        "deepseek_v3",
        _DEEPSEEK_V3,
        True,
        "DeepSeek V3: numbers by three, then runs of Han and kana, then words and signs",
    ),
    Scheme("whitespace", (), False, "runs of characters that are not white space; white space is dropped"),
    Scheme("none", (), True, "no cutting: a whole document is one pretoken"),
)

SCHEMES: Mapping[str, Scheme] = MappingProxyType({scheme.name: scheme for scheme in _ALL})

# Other texts in use: those of tiktoken, now and in older versions. Both engines read them alike.
_OTHER_TEXTS = {
    r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s": "gpt2",
    r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+": "gpt2",
    r"'s|'t|'re|'ve|'m|'ll|'d| ?[\p{L}]+| ?[\p{N}]+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+": "gpt2",
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]"
    r"|\s+(?!\S)|\s+": "cl100k",
}
# Elsewhere these mean something else: Oniguruma reads the first in its own way (see `_CL100K_TIKTOKEN`), and only
# tiktoken drops what no match covers.
_TIKTOKEN_TEXTS = {
    _CL100K_TIKTOKEN.replace(r"(?>\p{N}{1,3})", r"\p{N}{1,3}+").replace(r"\z", "$"): "cl100k_tiktoken",
    r"\S+": "whitespace",
    r"[\s\S]+": "none",
}


def _written(patterns: Sequence[str]) -> tuple[str, ...]:
    r"""Return the texts with line ends as ``\r`` and ``\n``, which mean the same in every engine."""
    return tuple(text.replace("\r", r"\r").replace("\n", r"\n") for text in patterns)


_KNOWN: dict[tuple[str, ...], Scheme] = {
    _written(scheme.patterns): scheme for scheme in _ALL if scheme.patterns
} | {(text,): SCHEMES[name] for text, name in _OTHER_TEXTS.items()}
_KNOWN_IN_TIKTOKEN: dict[tuple[str, ...], Scheme] = {
    (text,): SCHEMES[name] for text, name in _TIKTOKEN_TEXTS.items()
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
    return Scheme("custom", (pattern,), True, "a pattern of the user")


def scheme_from_pattern(
    pattern: str | Sequence[str], *, engine: Literal["hf", "tiktoken"] = "hf"
) -> Scheme | None:
    r"""Return the named scheme that a well-known pattern text stands for, or ``None``.

    Parameters
    ----------
    pattern
        Compared as text: an equivalent pattern written differently is not recognised, but for CR and LF, which may
        stand as themselves. Several texts are patterns applied one after the other, each keeping its gaps.
    engine
        Where the text comes from. tiktoken's cl100k text is known for ``"tiktoken"`` only: Oniguruma, the engine
        behind Hugging Face's files, gives that text another meaning.

    Examples
    --------
    >>> scheme_from_pattern(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+").name
    'gpt2'
    """
    texts = _written([pattern] if isinstance(pattern, str) else pattern)
    scheme = _KNOWN.get(texts)
    if scheme is None and engine == "tiktoken":
        scheme = _KNOWN_IN_TIKTOKEN.get(texts)
    return scheme
