r"""How SentencePiece encodes and decodes with a BPE model, in the plainest form: what the fast code is tested against.

1. The text is normalized (`sp_normalize`).
2. It starts as symbols: at each place the longest user-defined piece, which stays as it is, else one character.
3. As long as two neighbours together are the text of an ordinary piece, the pair with the highest score is joined; of
   equal ones the leftmost. How a piece was made in training does not matter, only its text and its score.
4. A symbol whose piece must not be used is taken apart again, as it was put together. These parts are the same in any
   text: what is merged inside a symbol is what its text alone would merge, up to the two parts.
5. What is no piece becomes the unknown piece, runs of it one, or the pieces of its bytes.

Scores are compared as the library does, by their bits: -0.0 is below 0.0.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import NamedTuple

from bpetk.errors import ConfigError, UnknownTokenError
from bpetk.reference.sp_normalize import (
    BLANK,
    REPLACEMENT,
    CompiledMap,
    SymbolSet,
    character_length,
    normalize,
)

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
"""Types of pieces, by the numbers that they have in files."""
_ORDINARY = (NORMAL, USER_DEFINED, UNUSED)
_MAX_DEPTH = 100  # how often a symbol is taken apart
_UNK_SURFACE = b" \xe2\x81\x87 "


@dataclass(frozen=True)
class Normalization:
    """A normalizer and its flags; see `sp_normalize.normalize`."""

    map: CompiledMap | None = None
    add_dummy_prefix: bool = True
    remove_extra_whitespaces: bool = True
    escape_whitespaces: bool = True

    def apply(self, data: bytes, *, suffix: bool, user_defined: SymbolSet) -> tuple[bytes, list[int]]:
        """Normalize a text, see `sp_normalize.normalize`."""
        return normalize(data, **vars(self), suffix=suffix, user_defined=user_defined)


@dataclass(frozen=True)
class Model:
    """A BPE model of SentencePiece.

    Attributes
    ----------
    pieces
        Text, score and type of each id. All texts are different and not empty.
    byte_fallback
        Whether what is no piece becomes bytes; then there are 256 pieces of type BYTE.
    bos, eos
        Texts of the control pieces that begin and end a text.
    unk_surface
        What the unknown piece is decoded to.
    normalization, denormalization
        What is done to a text before encoding, and after decoding if it is not None.
    suffix
        Whether blanks end words instead of beginning them, ``treat_whitespace_as_suffix``.
    """

    pieces: Sequence[tuple[str, float, int]]
    byte_fallback: bool = False
    bos: str = "<s>"
    eos: str = "</s>"
    unk_surface: bytes = _UNK_SURFACE
    normalization: Normalization = Normalization()
    denormalization: Normalization | None = None
    suffix: bool = False
    ids: dict[bytes, int] = field(init=False, repr=False, compare=False)
    user_defined: SymbolSet = field(init=False, repr=False, compare=False)
    byte_ids: list[int] = field(init=False, repr=False, compare=False)
    unk_id: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Collect what is asked for by text and by type."""
        # A piece that is nothing but a NUL is never found: only with byte fallback may a file have it.
        ids = {text.encode(): id for id, (text, _, _) in enumerate(self.pieces) if text != "\0"}
        types = [type for _, _, type in self.pieces]
        symbols = SymbolSet(text for text, id in ids.items() if types[id] == USER_DEFINED)
        byte_ids = [ids[b"<0x%02X>" % byte] for byte in range(256)] if self.byte_fallback else []
        unk_id = next((id for id in ids.values() if types[id] == UNKNOWN), -1)
        for name, value in (
            ("ids", ids),
            ("user_defined", symbols),
            ("byte_ids", byte_ids),
            ("unk_id", unk_id),
        ):
            object.__setattr__(self, name, value)

    def control_id(self, text: str) -> int:
        """Return the id of a control piece.

        Raises
        ------
        ConfigError
            If there is none with this text.
        """
        id = self.ids.get(text.encode(), -1)
        if id < 0 or self.pieces[id][2] != CONTROL:
            raise ConfigError(f"the model has no control piece {text!r}")
        return id


class Token(NamedTuple):
    """A piece of a text: its id, its bytes, and the bytes of the text that it covers.

    The bytes are those of the normalized text, also where the id is that of the unknown piece.
    """

    id: int
    piece: bytes
    start: int
    end: int


def order_of(score: float) -> int:
    """Return a number that is the lower, the earlier a score comes.

    Examples
    --------
    >>> scores = [1.0, 0.0, -0.0, -1.0, float("-inf")]
    >>> sorted(scores, key=order_of) == scores
    True
    """
    (bits,) = struct.unpack("<i", struct.pack("<f", score))
    return -int(bits) if bits >= 0 else int(bits) + (1 << 31) + 1


def merge(model: Model, text: bytes) -> list[tuple[bytes, int]]:
    r"""Cut a normalized text into pieces; time n log n.

    Parameters
    ----------
    model
        The model.
    text
        What the normalizer gave.

    Returns
    -------
    list[tuple[bytes, int]]
        The parts of the text, and the id of each: the unknown piece's for what is no piece, -1 if there is none.

    Examples
    --------
    >>> model = Model([("<unk>", 0, 2), ("a", -9, 1), ("b", -9, 1), ("ab", -1, 1), ("bb", -2, 5)])
    >>> merge(model, b"abcbb")
    [(b'ab', 3), (b'c', 0), (b'b', 2), (b'b', 2)]
    """
    symbols, frozen = _first_symbols(model, text)
    after, before = list(range(1, len(symbols) + 1)), list(range(-1, len(symbols) - 1))
    parts: dict[bytes, tuple[bytes, bytes]] = {}
    heap: list[tuple[int, int, int, int]] = []

    def consider(left: int, right: int) -> None:
        """Put a pair of neighbours on the heap, if they may be joined."""
        if left < 0 or right >= len(symbols) or frozen[left] or frozen[right]:
            return
        joined = symbols[left] + symbols[right]
        if joined not in model.ids:
            return
        _, score, type = model.pieces[model.ids[joined]]
        if type in _ORDINARY:
            heappush(heap, (order_of(score), left, right, len(joined)))
            if type == UNUSED:
                parts[joined] = symbols[left], symbols[right]

    for left in range(len(symbols) - 1):
        consider(left, left + 1)
    while heap:
        _, left, right, size = heappop(heap)
        # INVARIANT: symbols only grow, until they are joined to their left neighbour and empty. So the size of a pair
        # tells whether it is still the pair that was considered.
        if not symbols[left] or not symbols[right] or len(symbols[left]) + len(symbols[right]) != size:
            continue
        symbols[left] += symbols[right]
        symbols[right] = b""
        after[left] = after[right]
        if after[left] < len(symbols):
            before[after[left]] = left
        consider(before[left], left)
        consider(left, after[left])
    found: list[tuple[bytes, int]] = []
    for symbol in filter(None, symbols):
        _take_apart(model, symbol, parts, 0, found)
    return found


def _first_symbols(model: Model, text: bytes) -> tuple[list[bytes], list[bool]]:
    """Give what a text starts as, and which of it is not joined to anything."""
    symbols, frozen, at = [], [], 0
    while at < len(text):
        length = model.user_defined.longest(text, at)
        frozen.append(length > 0)
        # Normalized text is well-formed, unless a map has targets that are not: then a lead byte says the length.
        lead = text[at]
        length = length or (1 if lead < 0xC0 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4)
        symbols.append(text[at : at + length])
        at += length
    return symbols, frozen


def _take_apart(
    model: Model,
    symbol: bytes,
    parts: dict[bytes, tuple[bytes, bytes]],
    depth: int,
    found: list[tuple[bytes, int]],
) -> None:
    """Give the pieces of a symbol: itself, or those that it was put together from if its piece is not to be used."""
    id = model.ids.get(symbol, -1)
    if id < 0 or model.pieces[id][2] not in _ORDINARY:
        id = model.unk_id
    elif model.pieces[id][2] == UNUSED and depth <= _MAX_DEPTH:
        if symbol in parts:
            for part in parts[symbol]:
                _take_apart(model, part, parts, depth + 1, found)
            return
        id = model.unk_id
    found.append((symbol, id))


def encode(
    model: Model, data: bytes, *, add_bos: bool = False, add_eos: bool = False, reverse: bool = False
) -> list[Token]:
    r"""Encode a text.

    Parameters
    ----------
    model
        The model.
    data
        A text in UTF-8; it need not be well-formed.
    add_bos, add_eos
        Whether to put the control pieces in front of it and behind it.
    reverse
        Whether the last piece comes first; the control pieces stay where they are.

    Returns
    -------
    list[Token]
        The pieces with the bytes of ``data`` that they cover. Of the pieces of the bytes of an unknown character, the
        last one covers all of it, the others nothing.

    Raises
    ------
    ConfigError
        If a control piece is asked for that the model does not have.

    Examples
    --------
    >>> model = Model([("<unk>", 0, 2), ("\u2581", -2, 1), ("a", -3, 1), ("\u2581a", -1, 1)])
    >>> [(token.id, token.piece.decode(), token.start, token.end) for token in encode(model, b" a  xyz")]
    [(3, '▁a', 1, 2), (1, '▁', 2, 4), (0, 'xyz', 4, 7)]
    """
    text, sources = model.normalization.apply(data, suffix=model.suffix, user_defined=model.user_defined)
    tokens: list[Token] = []
    at, unknown = 0, False
    for part, id in merge(model, text):
        start, at = sources[at], at + len(part)
        end = sources[at]
        before, unknown = unknown, id == model.unk_id
        if unknown and model.byte_fallback:
            *first, last = part
            tokens += [_byte_token(model, byte, start, start) for byte in first]
            tokens.append(_byte_token(model, last, start, end))
        elif unknown and before:
            last_token = tokens.pop()
            tokens.append(last_token._replace(piece=last_token.piece + part, end=end))
        else:
            tokens.append(Token(id, part, start, end))
    if reverse:
        tokens.reverse()
    if add_bos:
        tokens.insert(0, Token(model.control_id(model.bos), model.bos.encode(), 0, 0))
    if add_eos:
        tokens.append(Token(model.control_id(model.eos), model.eos.encode(), len(data), len(data)))
    return tokens


def _byte_token(model: Model, byte: int, start: int, end: int) -> Token:
    return Token(model.byte_ids[byte], b"<0x%02X>" % byte, start, end)


def decode(model: Model, ids: Sequence[int]) -> bytes:
    r"""Give the text of ids.

    Parameters
    ----------
    model
        The model.
    ids
        Ids of pieces.

    Returns
    -------
    bytes
        UTF-8.

    Raises
    ------
    UnknownTokenError
        If an id is not one of the model's.

    Examples
    --------
    >>> decode(Model([("<unk>", 0, 2), ("\u2581a", -1, 1)]), [1, 1, 0]).decode()
    'a a ⁇ '
    """
    for id in ids:
        if not 0 <= id < len(model.pieces):
            raise UnknownTokenError(
                f"id {id} is not one of the model's: expected 0 to {len(model.pieces) - 1}"
            )
    return decode_pieces(model, [model.pieces[id][0].encode() for id in ids])


def decode_pieces(model: Model, pieces: Iterable[bytes]) -> bytes:
    r"""Give the text of pieces.

    Control pieces vanish, and the unknown piece has a text of its own. What is no piece stays as it is. Bytes that
    stand together are read as UTF-8; one that is no part of a character becomes U+FFFD. In all others U+2581 becomes a
    blank. As long as nothing has come out, a piece loses the first U+2581: each if the model removes blanks, else the
    first one that has it, if the model adds one.

    Parameters
    ----------
    model
        The model.
    pieces
        Texts of pieces, or others.

    Returns
    -------
    bytes
        UTF-8, if all pieces are.

    Examples
    --------
    >>> model = Model([("<unk>", 0, 2), ("\u2581a", -1, 1)])
    >>> decode_pieces(model, [b"\xe2\x96\x81a", b"\xe2\x96\x81b"]).decode()
    'a▁b'
    """
    flags = model.normalization
    text, run = bytearray(), bytearray()
    at_start = flags.add_dummy_prefix or flags.remove_extra_whitespaces
    for piece in pieces:
        id = model.ids.get(piece, model.unk_id)
        type = model.pieces[id][2] if id >= 0 else UNKNOWN
        if type == BYTE:
            run.append(int(piece[3:5], 16))
            continue
        text += _characters(bytes(run))
        run.clear()
        at_start = at_start and not text
        if type == UNKNOWN:
            text += model.unk_surface if id >= 0 and model.pieces[id][0].encode() == piece else piece
        elif type != CONTROL:
            if at_start and piece.startswith(BLANK):
                piece = piece[len(BLANK) :]
                at_start = flags.remove_extra_whitespaces
            text += piece.replace(BLANK, b" ")
    text += _characters(bytes(run))
    if model.denormalization is None:
        return bytes(text)
    return model.denormalization.apply(bytes(text), suffix=False, user_defined=SymbolSet())[0]


def _characters(data: bytes) -> bytes:
    """Give the characters of a run of bytes, and U+FFFD for each byte that is not part of one."""
    found, at = bytearray(), 0
    while at < len(data):
        length = character_length(data, at)
        found += data[at : at + length] if length else REPLACEMENT
        at += length or 1
    return bytes(found)
