"""Tokens and pairs as text that a person can read without guessing."""

from __future__ import annotations

from collections.abc import Iterator


def _pieces(token: bytes) -> Iterator[str]:
    """Give the characters of well-formed UTF-8 and an escape for every other byte, in order."""
    at = 0
    while at < len(token):
        for length in (1, 2, 3, 4):
            try:
                char = token[at : at + length].decode("utf-8")
            except UnicodeDecodeError:
                continue
            if char in '\\"':
                yield "\\" + char
            elif char.isprintable():
                yield char
            elif "\x80" <= char <= "\xff":
                yield f"\\u{ord(char):04x}"  # Python's own escape, \x85, would look like the stray byte 85
            else:
                yield char.encode("unicode_escape").decode("ascii")
            at += length
            break
        else:
            yield f"\\x{token[at]:02x}"
            at += 1


def readable(token: bytes) -> str:
    r"""Show a token in double quotes, characters as they are and stray bytes as escapes.

    Parameters
    ----------
    token : bytes
        Any bytes; part of a character is fine.

    Returns
    -------
    str
        Different tokens are shown differently: backslash and quote are escaped too, and a character above
        U+007F that cannot be printed is written with ``\u``, which no stray byte is.

    Examples
    --------
    >>> print(readable(" 你".encode()), readable(b"\xe4\xbd"), readable(b"\n"))
    " 你" "\xe4\xbd" "\n"
    """
    return '"' + "".join(_pieces(token)) + '"'


def readable_pair(left: bytes, right: bytes) -> str:
    r"""Show a merge as its two parts and their result.

    Examples
    --------
    >>> print(readable_pair(b"th", b"e"))
    "th" + "e" -> "the"
    """
    return f"{readable(left)} + {readable(right)} -> {readable(left + right)}"
