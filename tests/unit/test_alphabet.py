"""The byte-level alphabet."""

from __future__ import annotations

import pytest

from bpetk.alphabet import BYTE_ORDER, BYTE_TO_CHAR, CHAR_TO_BYTE, from_byte_level, to_byte_level


def test_is_a_bijection_of_256_bytes() -> None:
    assert len(set(BYTE_TO_CHAR)) == 256
    assert [CHAR_TO_BYTE[char] for char in BYTE_TO_CHAR] == list(range(256))


def test_known_characters() -> None:
    data = b"\x00\t\n !~\x7f\xa0\xa1\xad\xae\xff"
    assert to_byte_level(data) == "\u0100\u0109\u010a\u0120!~\u0121\u0142\u00a1\u0143\u00ae\u00ff"


def test_order_is_by_character_with_the_blank_after_the_letters() -> None:
    assert sorted(BYTE_TO_CHAR) == [BYTE_TO_CHAR[byte] for byte in BYTE_ORDER]
    assert BYTE_ORDER[0] == ord("!")
    assert BYTE_ORDER[-1] == 0xAD
    assert BYTE_ORDER.index(ord(" ")) > BYTE_ORDER.index(ord("z"))


def test_round_trip() -> None:
    data = bytes(range(256)) * 2
    assert to_byte_level(data) == "".join(BYTE_TO_CHAR) * 2
    assert from_byte_level(to_byte_level(data)) == data
    assert from_byte_level("") == b""


@pytest.mark.parametrize(
    "char", [" ", "\n", "\x00", "\x7f", "\xa0", "\xad", "\u0144", "漢", "\uffff", "😀", "\ud800"]
)
def test_foreign_character_is_named(char: str) -> None:
    with pytest.raises(ValueError, match=rf"U\+{ord(char):04X}\) at position 2 "):
        from_byte_level("ab" + char)


def test_every_character_outside_the_alphabet_is_refused() -> None:
    for char in map(chr, range(0x200)):
        if char not in CHAR_TO_BYTE:
            with pytest.raises(ValueError, match="is not a byte-level character"):
                from_byte_level(char)
