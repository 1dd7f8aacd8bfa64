"""Seeded texts that are hard to encode: each function takes a ``random.Random`` and gives strings.

`adversarial` has what is hard to cut into pretokens. Here is what is hard to encode as well: every character there
is, pieces of a model's own vocabulary, its added tokens and what nearly is one, and the characters around which its
merge rules work with parts of characters.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from adversarial import random_text

from bpetk.unicode_tables import ranges

# --- every character ------------------------------------------------------------------------------------------------

CATEGORIES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co".split()
ALL_CODES = [*range(0xD800), *range(0xE000, 0x110000)]


@cache
def _category_runs(name: str) -> tuple[tuple[range, ...], tuple[int, ...]]:
    runs = tuple(range(start, end + 1) for start, end in ranges(name))
    return runs, tuple(len(run) for run in runs)


def random_character(rng: random.Random, category: str) -> str:
    """Give a character of a general category; any block is as likely as another, however small."""
    runs, sizes = _category_runs(category)
    run = rng.choice(runs) if rng.random() < 0.5 else rng.choices(runs, sizes)[0]
    return chr(rng.choice(run))


def unicode_text(rng: random.Random, size: int) -> str:
    """Give ``size`` characters of all assigned Unicode: single ones, runs of a category, neighbours in a block."""
    found: list[str] = []
    while len(found) < size:
        category = rng.choice(CATEGORIES)
        count = rng.choice((1, 1, 1, 2, 5))
        if rng.random() < 0.3:
            start = ord(random_character(rng, category))
            block = range(start & ~0x1F, (start & ~0x1F) + 32)
            found += [chr(code) for code in rng.choices(block, k=count) if not 0xD800 <= code < 0xE000]
        else:
            found += [random_character(rng, category) for _ in range(count)]
        if rng.random() < 0.2:
            found.append(rng.choice(" \n'aA1"))
    return "".join(found[:size])


# --- few kinds of characters, in long runs ----------------------------------------------------------------------------

KINDS: dict[str, list[str]] = {
    "white space": [*" \t\n\r\v\f\x85\xa0\u1680\u2000\u2007\u200a\u2028\u2029\u202f\u205f\u3000"],
    "white space for some": [*"\x1c\x1d\x1e\x1f\u200b\ufeff\u180e\u2060\u2800\u3164"],
    "line ends": ["\n", "\r", "\r\n", "\n\n", " \n", "\n ", "\r\r\n", "\x85", "\u2028", "\n\t"],
    "blanks": [*("  ", "   ", "    ", " " * 7, " " * 24, " " * 80, "\t\t", " \t")],
    "contractions": [
        *"'s 't 're 've 'm 'll 'd 'S 'T 'Re 'VE 'M 'lL 'D '\u017f '\u017fs 's's ''s 'r 'v 'l ' \u2019s".split(),
        *("I'm", "we'LL", " 're", "it'\u017f", "'sa", "a'sé", "x'漢", "'S1"),
    ],
    "digits": [*"0123456789０１９٣٤५௧²³¹½⅔ⅧⅫ〇①㊿𝟘𝟙\u3007\u3021\U00010107\U0001fbf0"],
    "latin": [*"abstrevlmdABSTDMLRéÉßøŒœĳĲﬁſıİKÅǅǆªºʰˇＡａ"],
    "other scripts": [*"дЖяΣσςאבعمڪहकिதமไทยກမြაႠᏣꭰሀኣⴰ"],
    "han": [*"中文世界一龥龦鿿㐀䶿々〇〻⺀⼀豈\U0002f800"],
    "han, rare": [*"\U00020000\U0002a6df\U0002b740\U0002ebf0\U0002ee5d\U00030000\U000323af"],
    "kana": [*"あアんンゔヴゝヽーｰｱｶﾞ・\u3099\u309a\u31f0\U0001b000"],
    "hangul": [*"한글가힣각ㄱㅏ각ᄒ\ua960\ud7b0ﾡ"],
    "marks": [
        *"\u0300\u0301\u0327\u0338\u0345\u0903\u093e\u20dd\u20e3\u3099\ufe0f\ufe00\U000e0100\u0f39\u0fb8"
    ],
    "emoji": "😀 👩\u200d🔬 👨\u200d👩\u200d👧\u200d👦 🏳️\u200d🌈 🇨🇳 👍🏽 ❤️ 1️⃣ \u200d \ufe0f".split(" "),
    "punctuation": [*"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~。，、；：？！“”‘’…—《》「」（）．／·•†¿¡"],
    "code": [
        *"// -> == (); {} != #include __init__ </ \\n".split(" "),
        "/\n",
        "{}\n",
        "    return",
        "!=\n\n",
    ],
    "controls": [
        *"\x00\x01\x08\x0e\x1b\x7f\x80\x84\x86\x9f\xad\u200c\u200d\u200e\u202e\u2066\ufff9\U000e0001"
    ],
    "private, unassigned": [
        *"\ue000\uf8ff\U000f0000\U0010fffd\U0010ffff\u0378\u05ff\ufdd0\uffff\U0001ffff\U000e0fff"
    ],
    "replaced": [*"\ufffd\ufffc\ufffe\u2581\u0120\u010a\u0100"],
    "words": ["the", " the", " quick", *"The naïve 世界 你好， 東京 Привет hello ing".split(" ")],
    "normal forms": [
        *"\xe9 e\u0301 \xc5 A\u030a \u212b \u03a9 \u2126 \ufb01 \xbd \u337f \uac00 \u1100\u1161".split(" "),
        *"\u0344 \u1e9b\u0323 \u0958 \u2adc \ufdfa \U0001d15e \u1fef \uf900 \U0002f800".split(" "),
        *("a\u0327\u0301", "a\u0301\u0327", "\u0301\u0327"),
    ],
}


def adversarial_text(rng: random.Random, size: int) -> str:
    """Give a string of about ``size`` parts of few kinds, or of all kinds, or as `adversarial.random_text` does."""
    draw = rng.random()
    if draw < 0.2:
        return random_text(rng, size)
    kinds = list(KINDS) if draw < 0.4 else rng.sample(list(KINDS), rng.choice((1, 2, 2, 3, 4)))
    found: list[str] = []
    while len(found) < size:
        part = rng.choice(KINDS[rng.choice(kinds)])
        found += [part] * (rng.choice((2, 3, 9, 40)) if rng.random() < 0.07 else 1)
    return "".join(found)


# --- pieces of a vocabulary -----------------------------------------------------------------------------------------


def vocabulary_text(rng: random.Random, tokens: Sequence[bytes], size: int) -> str:
    """Join ``size`` tokens, some of them cut, some repeated, some in another order; broken characters vanish."""
    parts: list[bytes] = []
    while len(parts) < size:
        token = rng.choice(tokens)
        draw = rng.random()
        if draw < 0.25 and len(token) > 1:
            cut = rng.randrange(1, len(token))
            token = token[:cut] if rng.random() < 0.5 else token[cut:]
        elif draw < 0.3:
            token += token
        elif draw < 0.35:
            other = rng.choice(tokens)
            token = token[: rng.randint(0, len(token))] + other + token[rng.randint(0, len(token)) :]
        parts.append(token)
        if rng.random() < 0.1:
            parts.append(rng.choice((b" ", b"\n", b"  ", b"'")))
    return b"".join(parts).decode("utf-8", rng.choice(("ignore", "replace")))


# --- added tokens ---------------------------------------------------------------------------------------------------


def near_misses(content: str) -> list[str]:
    """Give strings that are nearly an added token: cut, doubled inside, other case, one sign changed."""
    middle = len(content) // 2
    start, end = content[:middle], content[middle:]
    found = [content[:-1], content[1:], start, end, content.swapcase(), content + content[-1]]
    found += [
        f"{start} {end}",
        start + content,
        content[:-1] + content,
        content[:1] + content,
        f"a{content}b",
    ]
    found += [content.replace("|", "｜"), content.replace("｜", "|")]
    return [text for text in found if text]


def added_token_text(rng: random.Random, contents: Sequence[str], size: int) -> str:
    """Mix added tokens, near misses, white space around them, and text."""
    parts: list[str] = []
    # Few contents at a time: they then touch, and follow themselves.
    few = rng.sample(contents, min(len(contents), rng.choice((1, 2, 5)))) if contents else ["<|endoftext|>"]
    while len(parts) < size:
        content = rng.choice(few)
        draw = rng.random()
        if draw < 0.35:
            parts.append(content)
        elif draw < 0.6:
            parts.append(rng.choice(near_misses(content)))
        elif draw < 0.75:
            parts.append(rng.choice((" ", "  ", "\n", "\t ", "\u3000", " \n ", "\xa0")))
        elif draw < 0.9:
            parts.append(rng.choice(KINDS["words"] + KINDS["contractions"] + KINDS["emoji"]))
        else:
            parts.append(adversarial_text(rng, 3))
    return "".join(parts)


# --- merge rules that work with parts of characters -----------------------------------------------------------------

Rule = tuple[bytes, bytes]


def is_continuation(byte: int) -> bool:
    """Whether it is no first byte of a character."""
    return byte & 0xC0 == 0x80


def inside_characters(rules: Iterable[Rule]) -> list[Rule]:
    """Choose the rules whose parts meet inside a character, or whose result begins or ends inside one."""
    return [
        (left, right)
        for left, right in rules
        if is_continuation(right[0]) or is_continuation(left[0]) or _missing(left + right)
    ]


def _length(lead: int) -> int:
    """Give the length of the character that a first byte announces; 1 for what never begins one."""
    return 2 if 0xC2 <= lead < 0xE0 else 3 if 0xE0 <= lead < 0xF0 else 4 if 0xF0 <= lead < 0xF5 else 1


def _missing(data: bytes) -> int:
    """Give how many bytes the last character lacks."""
    for back in range(1, min(4, len(data) + 1)):
        if not is_continuation(data[-back]):
            return max(0, _length(data[-back]) - back)
    return 0


CONTINUATIONS = range(0x80, 0xC0)
LEADS = {1: range(0xC2, 0xE0), 2: range(0xE0, 0xF0), 3: range(0xF0, 0xF5)}


def _begin(rng: random.Random, count: int) -> bytes:
    """Give first bytes of a character of which ``count`` bytes (1 to 3) follow: of 2, 3 or 4 bytes in all."""
    follow = rng.randint(count, 3)  # continuation bytes of the character
    leads = LEADS[follow]
    usual = {1: (0xC3, 0xD0, 0xD8), 2: (0xE3, 0xE4, 0xE5, 0xE6, 0xE9, 0xEA, 0xE2), 3: (0xF0, 0xF0, 0xF3)}[
        follow
    ]
    lead = rng.choice(usual) if rng.random() < 0.6 else rng.choice(leads)
    return bytes([lead, *rng.choices(CONTINUATIONS, k=follow - count)])


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def complete(rng: random.Random, middle: bytes, tries: int = 30) -> str | None:
    """Put bytes before and after, so that the whole is text; None if no try gives text."""
    count = 0
    while count < min(len(middle), 4) and is_continuation(middle[count]):
        count += 1
    for _ in range(tries):
        begin = _begin(rng, count) if 0 < count < 4 else b""
        data = begin + middle
        data += bytes(rng.choices(CONTINUATIONS, k=_missing(data)))
        if _is_text(data):
            return data.decode()
    return None


def completions(rng: random.Random, rule: Rule, count: int) -> Iterator[str]:
    """Give texts in which the parts of a rule stand side by side, with the characters at the ends completed.

    Also texts in which only one of the parts is kept, and the character at the seam continues in another way: there
    the rule must not apply, while rules for parts of it do.
    """
    left, right = rule
    for _ in range(count):
        draw = rng.random()
        middle = left + right if draw < 0.6 else left if draw < 0.8 else right
        text = complete(rng, middle)
        if text is None:
            text = complete(rng, left + right)
        if text is not None:
            yield text


def inside_character_texts(
    rng: random.Random, rules: Sequence[Rule], *, each: int, per_text: int = 40
) -> Iterator[str]:
    """Give texts with ``each`` completions of every rule, ``per_text`` in a text.

    Completions stand alone, behind a blank, or against each other: characters that are all letters, or all no
    letters, are then one pretoken.
    """
    parts: list[str] = []
    size = 0
    for rule in rules:
        for part in completions(rng, rule, each):
            parts += [part, rng.choice(("", "", " ", " ", "\n", "中", "a", "\U00020000"))]
            size += 1
            if size == per_text:
                yield "".join(parts)
                parts, size = [], 0
    if parts:
        yield "".join(parts)
