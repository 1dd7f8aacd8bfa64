"""Normalizers: what a tokenizer does to text before it looks for words, read from its file.

Every kind does what it does in the reference (Hugging Face `tokenizers` 0.23), on every code point, whatever Unicode
version this Python has; where the text goes, `AlignedText` follows. Which tables that takes is said in
``src_ext/tools/make_normalization_tables.py``.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

from bpetk import composition
from bpetk._sp_normalizer import Normalizer as check_map
from bpetk.aligned import AlignedText
from bpetk.alphabet import to_byte_level
from bpetk.compiled_normalizer import MappedText
from bpetk.errors import ConfigError, ModelFileError
from bpetk.normalization_tables import BERT_CONTROLS, BERT_MARKS, MARKS, Ranges, lowercase, unpack

if TYPE_CHECKING:
    from bpetk.custom_pattern import Compiled

_WHITE_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    + ("\u2028\u2029\u202f\u205f\u3000")
)
_NMT_DELETED: Ranges = ((1, 8), (0xB, 0xB), (0xE, 0x1F), (0x7F, 0x7F), (0x8F, 0x8F), (0x9F, 0x9F))
_NMT_SPACES = "\t\n\f\r\u1680\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u2581\ufeff\ufffd"
# 2B920 is no slip here: it is one in the reference.
_BERT_CHINESE: Ranges = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)
_ASCII_BUT_CAPITALS = bytes(byte for byte in range(128) if not 65 <= byte <= 90)
_MAX_DEPTH = 62  # sequences in sequences, as the reference reads them
_PRINTABLE_ASCII = bytes(range(0x21, 0x7F))


class Normalizer(ABC):
    """What a tokenizer does to text before it is cut into pieces; make one with `normalizer_from_hf`.

    Attributes
    ----------
    config
        Its JSON object, complete, as the reference writes it.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config

    @abstractmethod
    def normalize(self, text: str) -> str:
        r"""Normalize a text.

        Examples
        --------
        >>> normalizer_from_hf({"type": "NFC"}).normalize("e\u0301")
        'é'
        """

    @abstractmethod
    def align(self, text: AlignedText) -> AlignedText:
        """Normalize a text that remembers where it is from; the text of the result is that of `normalize`."""

    def unchanged(self, data: bytes) -> bool:
        """Return whether a text is sure to stay as it is, its spans included.

        Parameters
        ----------
        data
            UTF-8 text.

        Returns
        -------
        bool
            False says nothing: it is also the answer where the question costs as much as normalizing.

        Examples
        --------
        >>> normalizer_from_hf({"type": "NFC"}).unchanged("né".encode())
        True
        """
        return not data


class _Form(Normalizer):
    """NFC, NFD, NFKC or NFKD."""

    def __init__(self, form: composition.Form) -> None:
        super().__init__({"type": form})
        self.form = form

    def normalize(self, text: str) -> str:
        return composition.normalize(text, self.form)

    def align(self, text: AlignedText) -> AlignedText:
        return composition.align(text, self.form)

    def unchanged(self, data: bytes) -> bool:
        return composition.unchanged(data, self.form)


class _Lowercase(Normalizer):
    """Each character by itself, so a final sigma is an ordinary one."""

    def __init__(self) -> None:
        super().__init__({"type": "Lowercase"})

    def normalize(self, text: str) -> str:
        return text.lower() if text.isascii() else text.translate(lowercase())

    def align(self, text: AlignedText) -> AlignedText:
        if "\u0130" not in text.text:
            return text.with_text(self.normalize(text.text))
        table = lowercase()
        return text.expanded(table.get(ord(char), char) for char in text.text)

    def unchanged(self, data: bytes) -> bool:
        return not data.translate(None, _ASCII_BUT_CAPITALS)


class _Deleting(Normalizer):
    """Deletes the characters of one set, and makes spaces of those of another."""

    def __init__(self, config: dict[str, Any], deleted: Ranges, spaces: str = "") -> None:
        super().__init__(config)
        self._search = re.compile(f"[{composition.char_class(deleted)}]")
        self._spaces = dict.fromkeys(map(ord, spaces), " ")
        touched = {ord(char) for char in map(chr, range(128)) if char in spaces or self._search.match(char)}
        self._ascii_kept = bytes({*range(128)} - touched | {ord(" ")})

    def normalize(self, text: str) -> str:
        return self._search.sub("", text).translate(self._spaces)

    def align(self, text: AlignedText) -> AlignedText:
        if self._search.search(text.text):
            text = text.kept(lambda char: not self._search.match(char))
        return text.with_text(text.text.translate(self._spaces)) if self._spaces else text

    def unchanged(self, data: bytes) -> bool:
        return not data.translate(None, self._ascii_kept)


class _Strip(Normalizer):
    """Removes white space from the ends."""

    def __init__(self, left: bool, right: bool) -> None:
        super().__init__({"type": "Strip", "strip_left": left, "strip_right": right})
        self.left, self.right = left, right

    def normalize(self, text: str) -> str:
        text = text.lstrip(_WHITE_SPACE) if self.left else text
        return text.rstrip(_WHITE_SPACE) if self.right else text

    def align(self, text: AlignedText) -> AlignedText:
        found = self.normalize(text.text)
        i = len(text) - len(text.text.lstrip(_WHITE_SPACE)) if self.left and found else 0
        if i == 0:
            return text.slice(0, len(found))
        # Not a slice: what a later step puts in front stands before the white space.
        return AlignedText(found, text.start, text.all_spans()[i : i + len(found)])

    def unchanged(self, data: bytes) -> bool:
        # A character has at most four bytes; parts of another one at the far end are passed over.
        ends = (
            data[:4].decode(errors="ignore")[:1] * self.left
            + data[-4:].decode(errors="ignore")[-1:] * self.right
        )
        return not any(char in _WHITE_SPACE for char in ends)


class _Replace(Normalizer):
    """Replaces each match of a string or a pattern by one text, taken as it is."""

    def __init__(self, pattern: str | Compiled, content: str) -> None:
        kind, text = ("String", pattern) if isinstance(pattern, str) else ("Regex", pattern.pattern)
        super().__init__({"type": "Replace", "pattern": {kind: text}, "content": content})
        self.pattern, self.content = pattern, content

    def normalize(self, text: str) -> str:
        if isinstance(self.pattern, str):
            return text.replace(self.pattern, self.content) if text else text
        parts: list[str] = []
        last = 0
        for start, end in self._matches(text):
            parts += (text[last:start], self.content)
            last = end
        return "".join([*parts, text[last:]])

    def align(self, text: AlignedText) -> AlignedText:
        return text.replaced(self._matches(text.text), self.content)

    def _matches(self, text: str) -> Iterator[tuple[int, int]]:
        # Nothing, not even an empty match, is found in an empty text.
        if not text:
            return
        if not isinstance(self.pattern, str):
            yield from self.pattern.matches(self.pattern.classes(text))
            return
        size, at = len(self.pattern), text.find(self.pattern)
        while at >= 0:
            yield at, at + size
            at = text.find(self.pattern, at + (size or 1))

    def unchanged(self, data: bytes) -> bool:
        if not data or not isinstance(self.pattern, str):
            return not data
        return self.pattern.encode("utf-8", "surrogatepass") not in data


class _Prepend(Normalizer):
    """Puts text in front of every text but an empty one."""

    def __init__(self, prefix: str) -> None:
        super().__init__({"type": "Prepend", "prepend": prefix})
        self.prefix = prefix

    def normalize(self, text: str) -> str:
        return self.prefix + text if text else text

    def align(self, text: AlignedText) -> AlignedText:
        return text.with_prefix(self.prefix)


class _ChineseSpaces(Normalizer):
    """Puts spaces around Chinese characters: a part of BertNormalizer."""

    def __init__(self) -> None:
        super().__init__({})
        self._search = re.compile(f"([{composition.char_class(_BERT_CHINESE)}])")

    def normalize(self, text: str) -> str:
        return self._search.sub(r" \1 ", text)

    def align(self, text: AlignedText) -> AlignedText:
        if not self._search.search(text.text):
            return text
        return text.expanded(f" {char} " if self._search.match(char) else char for char in text.text)

    def unchanged(self, data: bytes) -> bool:
        return data.isascii()


class _ByteLevel(Normalizer):
    """Writes the bytes of the text in the byte-level alphabet."""

    def __init__(self) -> None:
        super().__init__({"type": "ByteLevel"})

    def normalize(self, text: str) -> str:
        return to_byte_level(text.encode())

    def align(self, text: AlignedText) -> AlignedText:
        return text.expanded(to_byte_level(char.encode()) for char in text.text)

    def unchanged(self, data: bytes) -> bool:
        return not data.translate(None, _PRINTABLE_ASCII)


class _Precompiled(Normalizer):
    """Replaces by a compiled map of SentencePiece."""

    def __init__(self, text: str, blob: bytes) -> None:
        super().__init__({"type": "Precompiled", "precompiled_charsmap": text})
        self._mapped = MappedText(blob)

    def normalize(self, text: str) -> str:
        return self._mapped.normalize(text)

    def align(self, text: AlignedText) -> AlignedText:
        return self._mapped.align(text)


class _Sequence(Normalizer):
    """One after the other."""

    def __init__(self, steps: list[Normalizer], config: dict[str, Any] | None = None) -> None:
        super().__init__(config or {"type": "Sequence", "normalizers": [step.config for step in steps]})
        self.steps = steps

    def normalize(self, text: str) -> str:
        for step in self.steps:
            text = step.normalize(text)
        return text

    def align(self, text: AlignedText) -> AlignedText:
        for step in self.steps:
            text = step.align(text)
        return text

    def unchanged(self, data: bytes) -> bool:
        return all(step.unchanged(data) for step in self.steps)


def normalizer_from_hf(config: Any, field: str = "normalizer") -> Normalizer | None:
    r"""Make the normalizer that a ``tokenizer.json`` describes.

    Parameters
    ----------
    config
        The JSON object, or None for none.
    field
        Where it stands in the file, for messages.

    Returns
    -------
    Normalizer | None
        None if there is nothing to do.

    Raises
    ------
    ModelFileError
        If something is missing or of a wrong type; for unknown types; for regular expressions whose meaning in the
        reference cannot be reproduced.

    Examples
    --------
    >>> steps = [{"type": "NFD"}, {"type": "StripAccents"}, {"type": "Lowercase"}]
    >>> normalizer = normalizer_from_hf({"type": "Sequence", "normalizers": steps})
    >>> normalizer.normalize("Élève"), normalizer.align(AlignedText("Né")).span(1, 2)
    ('eleve', (1, 2))
    """
    if config is None:
        return None
    if field.count("[") > _MAX_DEPTH:
        _refuse(field, f"nested more than {_MAX_DEPTH} deep")
    config = _expect(config, Mapping, field, "an object or null")
    name = _expect(config.get("type"), str, f"{field}.type", "a string")
    if not (make := _MAKERS.get(name)):
        known = ", ".join(_MAKERS)
        _refuse(f"{field}.type", f"{name!r} is not supported; supported are: {known}")
    return make(config, field)


def _make_form(config: Mapping[str, Any], field: str) -> Normalizer:
    return _Form(config["type"])


def _make_strip(config: Mapping[str, Any], field: str) -> Normalizer:
    return _Strip(_flag(config, "strip_left", field), _flag(config, "strip_right", field))


def _make_replace(config: Mapping[str, Any], field: str) -> Normalizer:
    content = _string(config, "content", field)
    wanted = '{"String": text} or {"Regex": text}'
    pattern = _expect(config.get("pattern"), Mapping, f"{field}.pattern", wanted)
    if [*pattern] not in (["String"], ["Regex"]):
        _refuse(f"{field}.pattern", f"expected {wanted}, found {_short(pattern)}")
    if "String" in pattern:
        found: str | Compiled = _string(pattern, "String", f"{field}.pattern")
        nullable = not found
    else:
        found = _compile(_string(pattern, "Regex", f"{field}.pattern"), f"{field}.pattern.Regex")
        nullable = found.nullable
    if nullable and content:
        reason = "it can match nothing at the start of a text, and what is put there makes the reference fail"
        _refuse(f"{field}.pattern", reason)
    return _Replace(found, content)


def _compile(pattern: str, field: str) -> Compiled:
    # Only here: it imports numpy and regex.
    from bpetk.custom_pattern import compile_pattern

    try:
        return compile_pattern(pattern)
    except ConfigError as error:
        raise ModelFileError(f"{field}: {error}") from error


def _make_prepend(config: Mapping[str, Any], field: str) -> Normalizer:
    prefix = _string(config, "prepend", field)
    return _Prepend(prefix or _refuse(f"{field}.prepend", "it is empty, which makes the reference fail"))


def _make_precompiled(config: Mapping[str, Any], field: str) -> Normalizer:
    text = _string(config, "precompiled_charsmap", field)
    field += ".precompiled_charsmap"
    try:
        blob = b64decode(text, validate=True)
    except ValueError as error:
        raise ModelFileError(f"{field}: not base64: {error}") from error
    try:
        check_map(blob, add_dummy_prefix=False, remove_extra_whitespaces=False, escape_whitespaces=False)
        blob[4 + int.from_bytes(blob[:4], "little") :].decode()
    except ValueError as error:
        raise ModelFileError(f"{field}: {error}") from error
    if not blob:
        _refuse(field, "it is empty, which makes the reference fail")
    return _Precompiled(text, blob)


def _make_bert(config: Mapping[str, Any], field: str) -> Normalizer:
    names = ("clean_text", "handle_chinese_chars", "lowercase")
    clean, chinese, lower = (_flag(config, name, field) for name in names)
    accents = None if config.get("strip_accents") is None else _flag(config, "strip_accents", field)
    steps = [
        _bert_clean() if clean else None,
        _ChineseSpaces() if chinese else None,
        _Form("NFD") if (lower if accents is None else accents) else None,
        _Deleting({}, unpack(BERT_MARKS)) if (lower if accents is None else accents) else None,
        _Lowercase() if lower else None,
    ]
    options = {
        "clean_text": clean,
        "handle_chinese_chars": chinese,
        "strip_accents": accents,
        "lowercase": lower,
    }
    return _Sequence([step for step in steps if step], {"type": "BertNormalizer", **options})


@cache
def _bert_clean() -> Normalizer:
    return _Deleting({}, unpack(BERT_CONTROLS), _WHITE_SPACE)


def _make_sequence(config: Mapping[str, Any], field: str) -> Normalizer:
    field += ".normalizers"
    items = _expect(config.get("normalizers"), list, field, "a list")
    steps = []
    for i, item in enumerate(items):
        step = normalizer_from_hf(item, f"{field}[{i}]")
        steps.append(step or _refuse(f"{field}[{i}]", "expected an object, found null"))
    return _Sequence(steps)


_MAKERS: dict[str, Callable[[Mapping[str, Any], str], Normalizer]] = {
    **dict.fromkeys(("NFC", "NFD", "NFKC", "NFKD"), _make_form),
    "Nmt": lambda config, field: _Deleting({"type": "Nmt"}, _NMT_DELETED, _NMT_SPACES),
    "Lowercase": lambda config, field: _Lowercase(),
    "Strip": _make_strip,
    "StripAccents": lambda config, field: _Deleting({"type": "StripAccents"}, unpack(MARKS)),
    "Replace": _make_replace,
    "Prepend": _make_prepend,
    "BertNormalizer": _make_bert,
    "ByteLevel": lambda config, field: _ByteLevel(),
    "Precompiled": _make_precompiled,
    "Sequence": _make_sequence,
}


def _refuse(field: str, reason: str) -> NoReturn:
    raise ModelFileError(f"{field}: {reason}")


def _expect(value: Any, kind: type, field: str, wanted: str) -> Any:
    return value if isinstance(value, kind) else _refuse(field, f"expected {wanted}, found {_short(value)}")


def _flag(config: Mapping[str, Any], name: str, field: str) -> bool:
    return bool(_expect(config.get(name), bool, f"{field}.{name}", "true or false"))


def _string(config: Mapping[str, Any], name: str, field: str) -> str:
    return str(_expect(config.get(name), str, f"{field}.{name}", "a string"))


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 80 else text[:77] + "..."
