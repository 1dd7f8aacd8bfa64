"""The vocabulary of any tokenizer as columns: what each id stands for, its kind, lengths and script."""

from __future__ import annotations

import codecs
import os
import re
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bpetk.analysis.scripts import (
    BYTES,
    HAN,
    INHERITED,
    MIXED,
    SCRIPTS,
    SPACE,
    SPECIAL,
    SYMBOLS,
    class_table,
    code_points,
)
from bpetk.errors import ConfigError
from bpetk.interop.sentencepiece_model import PieceType
from bpetk.readable import readable
from bpetk.sp_tokenizer import SentencePieceTokenizer

if TYPE_CHECKING:
    from bpetk.tokenizer import Tokenizer

__all__ = ["SCRIPTS", "Integrity", "Kind", "TokenTable", "over_characters", "refuse_path", "split_partial"]


def refuse_path(tokenizer: object) -> None:
    """Refuse the path of a tokenizer in its place.

    Raises
    ------
    ConfigError
        If it is one; the message says what loads it.
    """
    if isinstance(tokenizer, str | os.PathLike):
        raise ConfigError(
            f"{os.fspath(tokenizer)!r} is a path, not a tokenizer: load it with Tokenizer.from_file first"
        )


class Kind(IntEnum):
    """What an id is for."""

    NORMAL = 0
    """A piece of text."""
    SPECIAL = 1
    """A special token, a control piece, the unknown token."""
    ADDED = 2
    """An added token that is not special, a user-defined piece."""
    BYTE = 3
    """One byte: of the alphabet of a byte-level model, or what a model of characters falls back to."""
    UNUSED = 4
    """A piece that the file marks as unused."""
    ABSENT = 5
    """No token: a gap between ids."""


class Integrity(IntEnum):
    """Whether the bytes of a token are whole characters."""

    WHOLE = 0
    """UTF-8."""
    PARTIAL = 1
    """Part of some UTF-8 text: it begins or ends inside a character."""
    ILL_FORMED = 2
    """In no UTF-8 text at all."""


@dataclass(frozen=True, eq=False, repr=False)
class TokenTable:
    r"""What a vocabulary holds, one entry for each id from 0 to ``size - 1``.

    Make one with `TokenTable.of`. Treat all of it as read-only.

    Attributes
    ----------
    size
        Highest id + 1; ids in between that stand for nothing are `Kind.ABSENT`.
    data
        Bytes that the token stands for inside decoded text: in a model of SentencePiece a blank for U+2581 and one byte
        for a piece such as ``<0xE4>``; without the suffix that marks the end of a word, if there is one. Empty for a
        control piece, the unknown piece and an absent id.
    text
        ``data`` as text; None if it is not whole UTF-8.
    names
        How the token is written in its file where that is not what ``data`` says: special tokens, pieces of bytes,
        tokens with a suffix. Empty for all others.
    kinds, integrity, script
        uint8: `Kind`, `Integrity`, index into `SCRIPTS`. The script of a token is the class of its characters, blanks
        left out; ``mixed`` if they are of several, ``bytes`` if it is not whole UTF-8 or falls back to a byte.
    n_bytes, n_chars, n_han
        int32: bytes, whole code points, and whole Han code points in it; parts of characters do not count.

    Examples
    --------
    >>> import bpetk
    >>> table = TokenTable.of(bpetk.train_from_iterator(["中文 中文"], vocab_size=260, special_tokens=["<s>"]))
    >>> table.size, table.readable(0), Kind(table.kinds[0]).name
    (260, '"<s>"', 'SPECIAL')
    >>> print(table.readable(258), Integrity(table.integrity[258]).name, SCRIPTS[table.script[258]][0])
    "中" WHOLE han
    """

    size: int
    data: list[bytes]
    text: list[str | None]
    names: list[str]
    kinds: NDArray[np.uint8]
    n_bytes: NDArray[np.int32]
    n_chars: NDArray[np.int32]
    n_han: NDArray[np.int32]
    integrity: NDArray[np.uint8]
    script: NDArray[np.uint8]

    @classmethod
    def of(cls, tokenizer: Tokenizer | SentencePieceTokenizer) -> TokenTable:
        """Read the vocabulary of a tokenizer; no text is encoded.

        Parameters
        ----------
        tokenizer
            What `Tokenizer.from_file` gives.

        Raises
        ------
        ConfigError
            If it is a path.
        """
        refuse_path(tokenizer)
        if isinstance(tokenizer, SentencePieceTokenizer):
            data, names, kinds = _read_pieces(tokenizer)
        else:
            data, names, kinds = _read_tokens(tokenizer)
        text = [_whole(token) for token in data]
        integrity = np.fromiter(
            (0 if whole is not None else _integrity(token) for whole, token in zip(text, data, strict=True)),
            np.uint8,
            len(data),
        )
        n_chars, n_han, masks = _count(
            [
                whole if whole is not None else _inner_text(token)
                for whole, token in zip(text, data, strict=True)
            ]
        )
        script = _script_of(masks)
        script[integrity != Integrity.WHOLE] = BYTES
        if over_characters(
            tokenizer
        ):  # in a byte-level model the token of a byte below 0x80 is that character's
            script[kinds == Kind.BYTE] = BYTES
        script[(kinds == Kind.SPECIAL) | (kinds == Kind.ABSENT)] = SPECIAL
        n_bytes = np.fromiter(map(len, data), np.int32, len(data))
        return cls(len(data), data, text, names, kinds, n_bytes, n_chars, n_han, integrity, script)

    def readable(self, id: int) -> str:
        """Show a token as people read it (`bpetk.readable`); an absent id is an empty string."""
        if self.kinds[id] == Kind.ABSENT:
            return ""
        return readable(self.names[id].encode("utf-8", "surrogateescape") or self.data[id])

    def ids(self, *kinds: Kind) -> NDArray[np.int64]:
        """Give the ids of some kinds, ascending; of all but `Kind.ABSENT` if none is named."""
        if not kinds:
            return np.flatnonzero(self.kinds != Kind.ABSENT)
        return np.flatnonzero(np.isin(self.kinds, kinds))


def _read_tokens(tokenizer: Tokenizer) -> tuple[list[bytes], list[str], NDArray[np.uint8]]:
    size = tokenizer.n_vocab
    data, names = [b""] * size, [""] * size
    kinds = np.full(size, Kind.ABSENT, np.uint8)
    if over_characters(tokenizer):
        return _read_characters(tokenizer, data, names, kinds)
    for id, token in tokenizer.model.token_bytes.items():
        data[id], kinds[id] = token, Kind.NORMAL
    if suffix := (tokenizer.model.end_of_word_suffix or "").encode():
        for id, token in enumerate(data):
            if token.endswith(suffix):
                data[id], names[id] = token[: -len(suffix)], token.decode("utf-8", "surrogateescape")
    for id in (*tokenizer.model.byte_ids, *tokenizer.model.last_byte_ids):
        if id >= 0:
            kinds[id] = Kind.BYTE
    model_tokens, special = tokenizer.model.tokens, tokenizer.special_tokens
    for content, id in tokenizer.added_tokens.items():
        if content in special:
            kinds[id], names[id] = Kind.SPECIAL, content
        elif id not in model_tokens:
            kinds[id] = Kind.ADDED
    return data, names, kinds


def over_characters(tokenizer: Tokenizer | SentencePieceTokenizer) -> bool:
    """Whether the tokens of a model are text: bytes are only what it falls back to, if it does."""
    return isinstance(tokenizer, SentencePieceTokenizer) or hasattr(tokenizer.model, "byte_fallback")


def _read_characters(
    tokenizer: Tokenizer, data: list[bytes], names: list[str], kinds: NDArray[np.uint8]
) -> tuple[list[bytes], list[str], NDArray[np.uint8]]:
    """Read a ``tokenizer.json`` of SentencePiece's kind."""
    model: Any = tokenizer.model
    for id in model.texts:
        data[id], kinds[id] = tokenizer.id_to_bytes(id), Kind.NORMAL
    fallback = [id for id in model.byte_tokens or () if id >= 0]
    kinds[fallback] = Kind.BYTE
    kinds[list(tokenizer.added_tokens.values())] = Kind.ADDED
    special = [*tokenizer.special_tokens.values(), *([] if model.unk_id is None else [model.unk_id])]
    kinds[special] = Kind.SPECIAL
    for id in (*fallback, *special):
        names[id] = model.texts[id]
    return data, names, kinds


_KINDS = {
    PieceType.NORMAL: Kind.NORMAL,
    PieceType.UNKNOWN: Kind.SPECIAL,
    PieceType.CONTROL: Kind.SPECIAL,
    PieceType.USER_DEFINED: Kind.ADDED,
    PieceType.UNUSED: Kind.UNUSED,
    PieceType.BYTE: Kind.BYTE,
}


def _read_pieces(tokenizer: SentencePieceTokenizer) -> tuple[list[bytes], list[str], NDArray[np.uint8]]:
    pieces = tokenizer.model.pieces
    kinds = np.fromiter((_KINDS[piece.type] for piece in pieces), np.uint8, len(pieces))
    data = list(map(tokenizer.id_to_bytes, range(len(pieces))))
    names = [""] * len(pieces)
    for id in np.flatnonzero((kinds == Kind.SPECIAL) | (kinds == Kind.BYTE)).tolist():
        names[id] = pieces[id].text
        if kinds[id] == Kind.SPECIAL:
            data[id] = b""  # what the unknown piece decodes to is not what it stood for
    return data, names, kinds


def _whole(token: bytes) -> str | None:
    try:
        return token.decode()
    except UnicodeDecodeError:
        return None


_TAIL = re.compile(b"[\x80-\xbf]{0,3}")


def split_partial(token: bytes) -> tuple[bytes, str, bytes] | None:
    r"""Cut a token into the end of a first character, whole characters, and the beginning of a last one.

    Returns
    -------
    tuple or None
        None if the token stands in no UTF-8 text.

    Examples
    --------
    >>> split_partial(b"\xbd a\xe4\xbd"), split_partial(b"\xff")
    ((b'\xbd', ' a', b'\xe4\xbd'), None)
    """
    # Any three continuation bytes can end a character, four cannot.
    found = _TAIL.match(token)
    at = found.end() if found else 0
    try:
        text, taken = codecs.utf_8_decode(token[at:], "strict", False)
    except UnicodeDecodeError:
        return None
    unfinished = token[at + taken :]
    if unfinished[:1] == b"\xed" and unfinished[1:2] >= b"\xa0":
        return None  # half of a surrogate, which Python leaves open for its error handlers
    return token[:at], text, unfinished


def _integrity(token: bytes) -> Integrity:
    return Integrity.ILL_FORMED if split_partial(token) is None else Integrity.PARTIAL


def _inner_text(token: bytes) -> str:
    """Give the whole characters of a token that is not whole; in an ill-formed one all that stand in it."""
    parts = split_partial(token)
    return token.decode("utf-8", "ignore") if parts is None else parts[1]


def _count(texts: list[str]) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.uint16]]:
    """Count code points and Han ones of each text, and say which classes it has, as bits."""
    n_chars = np.fromiter(map(len, texts), np.int32, len(texts))
    classes = class_table()[code_points("".join(texts))]
    filled = np.flatnonzero(n_chars)
    starts = np.concatenate([[0], np.cumsum(n_chars[filled])[:-1]]).astype(np.int64)
    n_han, masks = np.zeros(len(texts), np.int32), np.zeros(len(texts), np.uint16)
    if len(filled):
        n_han[filled] = np.add.reduceat((classes == HAN).astype(np.int32), starts)
        masks[filled] = np.bitwise_or.reduceat(np.left_shift(np.uint16(1), classes.astype(np.uint16)), starts)
    return n_chars, n_han, masks


def _script_of(masks: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Give the class for sets of classes: blanks and what goes with the character before it do not count."""
    found = np.empty(1 << 16, np.uint8)
    ignored = 1 << SPACE | 1 << INHERITED
    for mask in np.unique(masks).tolist():
        rest = mask & ~ignored
        if rest & (rest - 1):
            found[mask] = MIXED
        elif rest:
            found[mask] = rest.bit_length() - 1
        elif mask & 1 << SPACE:
            found[mask] = SPACE
        else:
            found[mask] = SYMBOLS  # a combining mark or joiner alone, or nothing
    return found[masks]
