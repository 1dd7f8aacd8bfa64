"""Tokens as text: different tokens look different."""

from __future__ import annotations

import pytest

from bpetk.readable import readable, readable_pair


@pytest.mark.parametrize(
    ("token", "text"),
    [
        (b"", '""'),
        (b" the", '" the"'),
        ("你好".encode(), '"你好"'),
        (b"\xe4\xbd", r'"\xe4\xbd"'),
        (b"\xbd\xa0", r'"\xbd\xa0"'),
        (b"a\xe4\xbdb", r'"a\xe4\xbdb"'),
        (b"\n\t\x00", r'"\n\t\x00"'),
        (rb"\xe4", r'"\\xe4"'),
        (b'"', r'"\""'),
        ("\x85".encode(), r'"\u0085"'),
        ("\u200b".encode(), r'"\u200b"'),
        (b"\x85", r'"\x85"'),
    ],
)
def test_readable(token: bytes, text: str) -> None:
    assert readable(token) == text


def test_all_tokens_of_two_bytes_look_different() -> None:
    tokens = [bytes([a, b]) for a in range(256) for b in range(256)] + [bytes([a]) for a in range(256)]
    assert len({readable(token) for token in tokens}) == len(tokens)


def test_pair_joins_what_the_parts_cannot_show() -> None:
    assert readable_pair(b"\xe4\xbd", b"\xa0") == r'"\xe4\xbd" + "\xa0" -> "你"'
