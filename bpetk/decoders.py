"""Tokens back to text, as the decoders of Hugging Face's ``tokenizers`` 0.23 do it, on the strings of the vocabulary.

A decoder is a list of steps, each of which makes a list of strings out of another one; what the last step gives is
joined. Without any decoder the tokens are joined by blanks. Byte-level tokenizers need none of this: where
`Decoder.byte_level` says so, the bytes of the tokens (`token_bytes`), joined and read as UTF-8 with U+FFFD for what is
not, are the text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any, NoReturn

from bpetk.alphabet import from_byte_level
from bpetk.errors import ConfigError, ModelFileError

_Step = Callable[[list[str]], list[str]]


def token_bytes(token: str) -> bytes:
    r"""Return the bytes that a byte-level decoder takes a token for.

    Parameters
    ----------
    token
        Its text in the vocabulary, or of an added token. If every character is in the byte-level alphabet, each is a
        byte, which is not always what was meant: an added ``"é"`` stands for the byte E9, and ``"Ġ"`` for a blank.
        Otherwise it stands for itself, as UTF-8.

    Examples
    --------
    >>> token_bytes("Ġthe"), token_bytes("<|im_end|>"), token_bytes("<｜é｜>").decode(), token_bytes("é")
    (b' the', b'<|im_end|>', '<｜é｜>', b'\xe9')
    """
    try:
        return from_byte_level(token)
    except ValueError:
        return token.encode()


class Decoder:
    """The ``decoder`` of a file; make one with `decoder_from_hf`.

    Attributes
    ----------
    config
        Its JSON with all defaults, as the reference writes it; None: there is none, tokens are joined by blanks.
    byte_level
        Whether joining `token_bytes` and reading UTF-8 with ``errors="replace"`` gives what `decode` gives, on any
        tokens.

    Examples
    --------
    >>> decoder_from_hf({"type": "BPEDecoder", "suffix": "</w>"}).decode(["a</w>", "b", "c</w>"])
    'a bc'
    """

    def __init__(self, config: dict[str, Any] | None, steps: Sequence[_Step]) -> None:
        self.config = config
        self._steps = tuple(steps)
        self.byte_level = self._steps[:1] == (_byte_level,) and all(step == _fuse for step in self._steps[1:])

    def __eq__(self, other: object) -> bool:
        return self.config == other.config if isinstance(other, Decoder) else NotImplemented

    def __hash__(self) -> int:
        return hash(json.dumps(self.config))

    def __repr__(self) -> str:
        return f"Decoder({self.config})"

    def decode(self, tokens: Sequence[str]) -> str:
        """Turn tokens into text.

        Parameters
        ----------
        tokens
            Their text in the vocabulary; of added tokens their content, in its normalized form if the token has
            ``normalized=true``.

        Examples
        --------
        >>> decoder_from_hf(None).decode(["a", "b"])
        'a b'
        """
        if self.config is None:
            return " ".join(tokens)
        strings = list(tokens)
        for step in self._steps:
            strings = step(strings)
        return "".join(strings)


def decoder_from_hf(config: Any, field: str = "decoder") -> Decoder:
    """Read the ``decoder`` of a ``tokenizer.json``.

    Parameters
    ----------
    config
        The parsed JSON; None gives the one that joins tokens by blanks.
    field
        Where it stands, for errors.

    Raises
    ------
    ModelFileError
        If it is malformed or of an unknown type, or has a pattern that is not supported; the message names the field.

    Examples
    --------
    >>> decoder_from_hf({"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True}).byte_level
    True
    """
    return Decoder(None, ()) if config is None else Decoder(*_read(config, field))


# ---------------------------------------------------------------------------------------------------------------------
# Steps.


def _byte_level(tokens: list[str]) -> list[str]:
    return [b"".join(map(token_bytes, tokens)).decode("utf-8", "replace")]


def _fuse(tokens: list[str]) -> list[str]:
    return ["".join(tokens)]


def _byte_fallback(tokens: list[str]) -> list[str]:
    out: list[str] = []
    for is_byte, run in groupby(tokens, key=lambda token: fallback_byte(token) is not None):
        if not is_byte:
            out += run
            continue
        data = bytes(byte for token in run if (byte := fallback_byte(token)) is not None)
        try:
            out.append(data.decode())
        except UnicodeDecodeError:
            out += ["\ufffd"] * len(data)
    return out


_HEX = frozenset("0123456789abcdefABCDEF")


def fallback_byte(token: str) -> int | None:
    """Return the byte that a token such as ``<0x0A>`` stands for, None for any other token."""
    if len(token) != 6 or not token.startswith("<0x") or token[5] != ">":
        return None
    digits = token[3:5]
    # A plus sign is read as one of the number: <0x+F> is byte 15.
    digits = digits[1:] if digits[0] == "+" else digits
    return int(digits, 16) if _HEX.issuperset(digits) else None


def _metaspace(tokens: list[str], *, replacement: str, prepends: bool) -> list[str]:
    return [token.replace(replacement, "" if prepends and i == 0 else " ") for i, token in enumerate(tokens)]


_CLEANUP = (
    (" .", "."),
    (" ?", "?"),
    (" !", "!"),
    (" ,", ","),
    (" ' ", "'"),
    (" n't", "n't"),
    (" 'm", "'m"),
    (" do not", " don't"),
    (" 's", "'s"),
    (" 've", "'ve"),
    (" 're", "'re"),
)


def _clean(text: str) -> str:
    for old, new in _CLEANUP:
        text = text.replace(old, new)
    return text


def _word_piece(tokens: list[str], *, prefix: str, cleanup: bool) -> list[str]:
    out = [
        token if i == 0 else token.removeprefix(prefix) if token.startswith(prefix) else f" {token}"
        for i, token in enumerate(tokens)
    ]
    return list(map(_clean, out)) if cleanup else out


def _bpe(tokens: list[str], *, suffix: str) -> list[str]:
    last = len(tokens) - 1
    return [token.replace(suffix, "" if i == last else " ") for i, token in enumerate(tokens)]


def _ctc(tokens: list[str], *, pad_token: str, word_delimiter_token: str, cleanup: bool) -> list[str]:
    out = [token.replace(pad_token, "") for token, _ in groupby(tokens)]
    if cleanup:
        out = [_clean(token).replace(word_delimiter_token, " ") for token in out]
    return [token for token in out if token]


def _strip(tokens: list[str], *, content: str, start: int, stop: int) -> list[str]:
    out = []
    for token in tokens:
        left = min(start, len(token) - len(token.lstrip(content)))
        # Where both sides want the same characters the reference fails.
        right = min(stop, len(token) - left, len(token) - len(token.rstrip(content)))
        out.append(token[left : len(token) - right])
    return out


def _replace(tokens: list[str], *, pattern: str, content: str) -> list[str]:
    # Nothing is found in an empty token, not even an empty pattern.
    return [token and token.replace(pattern, content) for token in tokens]


def _replace_matches(tokens: list[str], *, pattern: str, content: str) -> list[str]:
    return [token and "".join(_replaced(token, pattern, content)) for token in tokens]


def _replaced(text: str, pattern: str, content: str) -> Iterator[str]:
    # Brings numpy and regex, which no common decoder needs.
    from bpetk.custom_pattern import compile_pattern

    compiled = compile_pattern(pattern)
    done = 0
    for start, end in compiled.matches(compiled.classes(text)):
        yield text[done:start]
        yield content
        done = end
    yield text[done:]


# ---------------------------------------------------------------------------------------------------------------------
# Reading.


def _read(value: Any, field: str) -> tuple[dict[str, Any], list[_Step]]:
    """Return the object as the reference writes it, and its steps in order."""
    kind = _member(value, "type", str, field)
    if kind == "Sequence":
        configs, steps = [], []
        for i, item in enumerate(_member(value, "decoders", list, field)):
            config, more = _read(item, f"{field}.decoders[{i}]")
            configs.append(config)
            steps += more
        return {"type": kind, "decoders": configs}, steps
    if kind not in _READERS:
        _refuse(f"{field}.type", f"expected {', '.join(_READERS)} or Sequence, found {_short(kind)}")
    config, step = _READERS[kind](value, field)
    return {"type": kind} | config, [step]


_Read = tuple[dict[str, Any], _Step]


def _simple(
    step: Callable[..., list[str]], **members: type[Any]
) -> Callable[[Mapping[str, Any], str], _Read]:
    """Give the reader of a decoder whose members are the options of its step."""

    def read(value: Mapping[str, Any], field: str) -> _Read:
        config = {name: _member(value, name, kind, field) for name, kind in members.items()}
        return config, partial(step, **config) if config else step

    return read


def _read_byte_level(value: Mapping[str, Any], field: str) -> _Read:
    value = {"use_regex": True} | dict(value)
    names = ("add_prefix_space", "trim_offsets", "use_regex")
    return {name: _member(value, name, bool, field) for name in names}, _byte_level


def _read_metaspace(value: Mapping[str, Any], field: str) -> _Read:
    value = {"prepend_scheme": "always", "split": True} | dict(value)
    replacement = _character(value, "replacement", field)
    scheme = _member(value, "prepend_scheme", str, field)
    if scheme not in ("always", "never", "first"):
        _refuse(f"{field}.prepend_scheme", f'expected "always", "never" or "first", found {_short(scheme)}')
    # Older files have this instead; the scheme counts if both are there, and they must not contradict each other.
    if (
        "add_prefix_space" in value
        and not _member(value, "add_prefix_space", bool, field)
        and scheme != "never"
    ):
        _refuse(f"{field}.add_prefix_space", f"false contradicts prepend_scheme {_short(scheme)}")
    split = _member(value, "split", bool, field)
    step = partial(_metaspace, replacement=replacement, prepends=scheme != "never")
    return {"replacement": replacement, "prepend_scheme": scheme, "split": split}, step


def _read_strip(value: Mapping[str, Any], field: str) -> _Read:
    config: dict[str, Any] = {"content": _character(value, "content", field)}
    for name in ("start", "stop"):
        config[name] = _member(value, name, int, field)
        if config[name] < 0 or isinstance(config[name], bool):
            _refuse(f"{field}.{name}", f"expected a number from 0, found {_short(config[name])}")
    return config, partial(_strip, **config)


def _read_replace(value: Mapping[str, Any], field: str) -> _Read:
    pattern, content = _member(value, "pattern", dict, field), _member(value, "content", str, field)
    if pattern.keys() not in ({"String"}, {"Regex"}):
        _refuse(f"{field}.pattern", f"expected an object with String or Regex, found {_short(pattern)}")
    ((kind, _),) = pattern.items()
    text = _member(pattern, kind, str, f"{field}.pattern")
    if kind == "Regex":
        from bpetk.custom_pattern import compile_pattern

        try:
            compile_pattern(text)
        except ConfigError as error:
            raise ModelFileError(f"{field}.pattern.Regex: {error}") from error
    step = partial(_replace if kind == "String" else _replace_matches, pattern=text, content=content)
    return {"pattern": {kind: text}, "content": content}, step


_READERS: dict[str, Callable[[Mapping[str, Any], str], _Read]] = {
    "ByteLevel": _read_byte_level,
    "Replace": _read_replace,
    "Fuse": _simple(_fuse),
    "Strip": _read_strip,
    "ByteFallback": _simple(_byte_fallback),
    "Metaspace": _read_metaspace,
    "WordPiece": _simple(_word_piece, prefix=str, cleanup=bool),
    "BPEDecoder": _simple(_bpe, suffix=str),
    "CTC": _simple(_ctc, pad_token=str, word_delimiter_token=str, cleanup=bool),
}


def _character(value: Any, name: str, field: str) -> str:
    text: str = _member(value, name, str, field)
    if len(text) != 1:
        _refuse(f"{field}.{name}", f"expected one character, found {_short(text)}")
    return text


def _member(value: Any, name: str, kind: type[Any], field: str) -> Any:
    if not isinstance(value, dict):
        _refuse(field, f"expected an object, found {_short(value)}")
    if name not in value:
        _refuse(f"{field}.{name}", "is missing")
    if not isinstance(value[name], kind):
        names = {str: "a string", list: "a list", dict: "an object", bool: "true or false", int: "a number"}
        _refuse(f"{field}.{name}", f"expected {names[kind]}, found {_short(value[name])}")
    return value[name]


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= 60 else text[:57] + "..."


def _refuse(field: str, reason: str) -> NoReturn:
    raise ModelFileError(f"{field}: {reason}")
