"""The byte-level alphabet: one printable character for each byte, so that any byte string has a text form.

This is the alphabet of GPT-2's vocabulary files and of Hugging Face's ``ByteLevel``: printable bytes of
Latin-1 stand for themselves, the other 68 are written as the characters from U+0100 on (a blank is ``Ġ``, a
newline ``Ċ``).
"""

from __future__ import annotations

_PRINTABLE = frozenset([*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)])
_OTHERS = [byte for byte in range(256) if byte not in _PRINTABLE]

BYTE_TO_CHAR: tuple[str, ...] = tuple(
    chr(byte if byte in _PRINTABLE else 0x100 + _OTHERS.index(byte)) for byte in range(256)
)
"""The character of each byte."""

CHAR_TO_BYTE: dict[str, int] = {char: byte for byte, char in enumerate(BYTE_TO_CHAR)}
"""The byte of each of the 256 characters."""

BYTE_ORDER: tuple[int, ...] = tuple(sorted(range(256), key=BYTE_TO_CHAR.__getitem__))
"""The bytes by code point of their characters: the order of the alphabet's ids in a trained vocabulary."""

_ENCODE = {byte: BYTE_TO_CHAR[byte] for byte in _OTHERS}
# Latin-1 characters outside the alphabet go to a character that Latin-1 cannot encode, and so are noticed.
_DECODE = {ord(BYTE_TO_CHAR[byte]): byte for byte in _OTHERS} | dict.fromkeys(_OTHERS, 0xFFFF)


def to_byte_level(data: bytes) -> str:
    r"""Write bytes as byte-level text.

    Parameters
    ----------
    data
        Any bytes.

    Returns
    -------
    str
        One character for each byte.

    Examples
    --------
    >>> to_byte_level(b" the\n")
    'ĠtheĊ'
    """
    return data.decode("latin-1").translate(_ENCODE)


def from_byte_level(text: str) -> bytes:
    r"""Read byte-level text.

    Parameters
    ----------
    text
        Characters of the alphabet only.

    Returns
    -------
    bytes
        One byte for each character.

    Raises
    ------
    ValueError
        If a character is not in the alphabet; the message names it and its position.

    Examples
    --------
    >>> from_byte_level("ĠtheĊ")
    b' the\n'
    """
    try:
        return text.translate(_DECODE).encode("latin-1")
    except UnicodeEncodeError as error:
        at = error.start
        raise ValueError(
            f"{text[at]!r} (U+{ord(text[at]):04X}) at position {at} of {text!r} is not a byte-level character"
        ) from None


def is_byte_level(text: str) -> bool:
    """Whether all characters of a text are of the alphabet.

    Examples
    --------
    >>> is_byte_level("Ġthe"), is_byte_level("漢")
    (True, False)
    """
    return all(char in CHAR_TO_BYTE for char in text)
