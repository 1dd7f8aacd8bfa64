"""Text that is hard to cut: characters of every kind that a rule asks for, in runs, at any alignment."""

from __future__ import annotations

import random

# One-character and longer parts; the longer ones are what rules look for as a whole.
CHARACTERS = (
    "a b c s t r e v l d m L S T R A B D é É ß ſ K ª ʰ 中 文 㐀 鿿 々 漢 あ ア ー 한 ǅ Σ я א "
    "0 1 2 9 １ ² Ⅷ ½ 〇 ' ' ' ’ , . ! / / - _ # $ © 、 。 ， “ … （ 😀 \U00020000 \U0002ebf0 \u0301 \u0903 "
    "\u20dd \u200d \ufe0f \x00 \x7f \ufffd \ufeff \u200b \u0378 \ue000 \U000e0100 \U0010ffff "
    # Han that is no letter or not in its main block, kana that are no letters, and the borders of both.
    "⺀ ⼀ 〡 〆 〻 豈 \U00016ff0 \u4e00 \u9fa5 \u9fa6 \u3040 \u3099 ゛ ・ ゠ ヿ ｱ Ａ ０ ① \x01 \x1f"
).split(" ")
WHITE = "\n \n \r \t \v \f \x85 \xa0 \u1680 \u2028 \u3000 \u202f".split(" ") + [" "] * 6
PARTS = [*CHARACTERS, *WHITE, "  ", "    ", "\n\n", "\r\n", "\n  ", " \n", "!\n", "/\n/"]
PARTS += [
    "'s",
    "'ll",
    "'Re",
    "'ſ",
    "123",
    "1234567",
    "\r\n\r\n",
    "!\r\n",
    "\u3000\u3000",
    "１２３４",
    "漢A",
    "a中AB",
    "!\n//",
]
# No character but these: UTF-8 that is wrong in each of the ways there are.
BROKEN = [
    *(b"\x80", b"\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xc3", b"\xe4\xb8", b"\xe4\xb8\xad\xad", b"\xe0\x9f\xbf"),
    *(b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf0\x8f\xbf\xbf", b"\xf0\x9f\x98", b"\xf4\x90\x80\x80", b"\xfe"),
    *(b"\xf5\x80\x80\x80", b"\xff", b"\xe4", b"\xf0", b"\xe4a", b"\xe3\x80", b"\xef\xbc"),
]
PLAIN = [*"abcdestAB'n中文，。 ", " ", " ", "\n"]


def random_text(rng: random.Random, size: int) -> str:
    """Give a string of ``size`` parts: all kinds at once, or few kinds in long runs, or nearly plain."""
    kind = rng.random()
    if kind < 0.3:
        pool = PARTS
    elif kind < 0.7:
        pool = rng.choices(PARTS, k=rng.randint(1, 9))
    else:
        pool = PLAIN
    return "".join(rng.choices(pool, k=size))


def random_bytes(rng: random.Random, size: int) -> bytes:
    """Give UTF-8 bytes of such a string; one in four has broken places."""
    data = random_text(rng, size).encode()
    if rng.random() < 0.25:
        for _ in range(rng.randint(1, 6)):
            at = rng.randint(0, len(data))
            data = data[:at] + rng.choice(BROKEN) + data[at + rng.randint(0, 2) :]
    return data
