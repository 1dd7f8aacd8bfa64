"""How each scheme cuts text, one character at a time: the specification that the native scanners are tested against.

Every rule is a function of the text and a position ``i``; it returns where the pretoken that starts at ``i`` ends.
The first case that applies wins. A "run" is the longest stretch of characters of one kind.

Characters are of exactly one of four kinds: letter (L), number (N), white space, and other: punctuation, symbols,
marks, controls, emoji, unassigned code points, and bytes that are not UTF-8. Some schemes move marks or Han
characters to another kind, or tell signs (punctuation and symbols) from the rest of the others.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from bpetk import unicode_tables

Rule = Callable[[str, int], int]


@lru_cache(maxsize=1 << 16)
def _category(char: str) -> str:
    return unicode_tables.category(ord(char))


def _is_letter(char: str) -> bool:
    return _category(char)[0] == "L"


def _is_number(char: str) -> bool:
    return _category(char)[0] == "N"


def _is_space(char: str) -> bool:
    # White_Space is category Z and six controls; unlike str.isspace, U+001C to U+001F are not in it.
    return _category(char)[0] == "Z" or char in "\t\n\v\f\r\x85"


def _is_other(char: str) -> bool:
    return not (_is_letter(char) or _is_number(char) or _is_space(char))


def _is_mark(char: str) -> bool:
    return _category(char)[0] == "M"


def _is_sign(char: str) -> bool:
    return _category(char)[0] in "PS"


@lru_cache(maxsize=1 << 16)
def _is_han(char: str) -> bool:
    """Script Han: also 々, 〇, 〡, radicals, and two marks."""
    return unicode_tables.script(ord(char)) == "Hani"


def _is_han_or_kana(char: str) -> bool:
    """Whether deepseek_v3 cuts out runs of it; a few of these are marks, signs or unassigned."""
    return "\u4e00" <= char <= "\u9fa5" or "\u3040" <= char <= "\u30ff"


def _is_ascii_letter(char: str) -> bool:
    return "A" <= char <= "Z" or "a" <= char <= "z"


def _is_upper(char: str) -> bool:
    """Characters of the upper part of an o200k word; those without case belong to both parts."""
    return _category(char) in {"Lu", "Lt", "Lm", "Lo", "Mn", "Mc", "Me"}


def _is_lower(char: str) -> bool:
    """Characters of the lower part of an o200k word."""
    return _category(char) in {"Ll", "Lm", "Lo", "Mn", "Mc", "Me"}


def _run(text: str, i: int, belongs: Callable[[str], bool]) -> int:
    """End of the run of such characters at i; i itself if there is none."""
    while i < len(text) and belongs(text[i]):
        i += 1
    return i


def _past_blank(text: str, i: int) -> int:
    """Step over one U+0020, if something follows it."""
    return i + 1 if text[i] == " " and i + 1 < len(text) else i


def _contraction(text: str, i: int) -> int:
    """End of 's 't 're 've 'm 'll 'd in any case at i; i itself if there is none. U+017F is a form of s."""
    if text.startswith("'", i):
        letters = text[i + 1 : i + 3].replace("\u017f", "s").lower()
        if letters[:1] in {"s", "t", "m", "d"}:
            return i + 2
        if letters in {"re", "ve", "ll"}:
            return i + 3
    return i


def _joins_word(text: str, i: int) -> bool:
    """Whether the character at i may stand before a word and belong to it: anything but CR, LF, letters, numbers."""
    return not (text[i] in "\r\n" or _is_letter(text[i]) or _is_number(text[i]))


def _space(text: str, i: int) -> int:
    """White space: all of it at the end of the text, else all but the last one, which goes with what follows."""
    end = _run(text, i, _is_space)
    return end if end == len(text) or end == i + 1 else end - 1


def _space_or_lines(text: str, i: int) -> int:
    """White space with line ends in it: through the last CR or LF; without: as above."""
    end = _run(text, i, _is_space)
    last = max(text.rfind("\r", i, end), text.rfind("\n", i, end))
    return last + 1 if last >= 0 else _space(text, i)


def _gpt2(text: str, i: int) -> int:
    for contraction in ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d"):  # lower case only
        if text.startswith(contraction, i):
            return i + len(contraction)
    k = _past_blank(text, i)
    for kind in (_is_letter, _is_number, _is_other):
        if kind(text[k]):
            return _run(text, k, kind)
    return _space(text, i)


def _cl100k(
    text: str,
    i: int,
    max_numbers: int = 3,
    space: Rule = _space_or_lines,
    is_letter: Callable[[str], bool] = _is_letter,
) -> int:
    if (end := _contraction(text, i)) > i:
        return end
    if is_letter(text[i]):
        return _run(text, i, is_letter)
    if _joins_word(text, i) and i + 1 < len(text) and is_letter(text[i + 1]):
        return _run(text, i + 1, is_letter)
    if _is_number(text[i]):
        return min(_run(text, i, _is_number), i + max_numbers)
    k = _past_blank(text, i)
    if _is_other(text[k]) and not is_letter(text[k]):
        end = _run(text, k, lambda char: _is_other(char) and not is_letter(char))
        return _run(text, end, lambda char: char in "\r\n")
    return space(text, i)


def _cl100k_tiktoken(text: str, i: int) -> int:
    def space(text: str, i: int) -> int:
        # tiktoken takes white space at the end of the text whole, line ends included or not.
        return len(text) if _run(text, i, _is_space) == len(text) else _space_or_lines(text, i)

    return _cl100k(text, i, space=space)


def _qwen2(text: str, i: int) -> int:
    return _cl100k(text, i, max_numbers=1)


def _qwen3_5(text: str, i: int) -> int:
    return _cl100k(text, i, max_numbers=1, is_letter=lambda char: _is_letter(char) or _is_mark(char))


def _cased_word(text: str, start: int, no_han: bool, *, lower_required: bool) -> int:
    """Upper part, then lower part; start if there is no such word.

    Either the lower part must have a character (the word ends in it), or the upper part.
    """

    def upper(char: str) -> bool:
        return _is_upper(char) and not (no_han and _is_han(char))

    def lower(char: str) -> bool:
        return _is_lower(char) and not (no_han and _is_han(char))

    end = _run(text, start, upper)
    if not lower_required:
        return _run(text, end, lower) if end > start else start
    if end < len(text) and lower(text[end]):
        return _run(text, end, lower)
    # The upper run took everything: give back until its last character can count as lower.
    while end > start and not lower(text[end - 1]):
        end -= 1
    return end


def _o200k(
    text: str, i: int, max_numbers: int = 3, tail: str = "\r\n/", endings: bool = True, no_han: bool = False
) -> int:
    starts = [i + 1, i] if _joins_word(text, i) else [i]
    for lower_required in (True, False):
        for start in starts:
            if (end := _cased_word(text, start, no_han, lower_required=lower_required)) > start:
                return _contraction(text, end) if endings else end
    if _is_number(text[i]):
        return min(_run(text, i, _is_number), i + max_numbers)
    k = _past_blank(text, i)
    if _is_other(text[k]):
        end = _run(text, k, _is_other)
        return _run(text, end, lambda char: char in tail)
    return _space_or_lines(text, i)


def _tekken(text: str, i: int) -> int:
    return _o200k(text, i, max_numbers=1, endings=False)


def _kimi_k2(text: str, i: int) -> int:
    if _is_han(text[i]):
        return _run(text, i, _is_han)
    return _o200k(text, i, tail="\r\n", no_han=True)


def _deepseek_v3(text: str, i: int) -> int:
    if _is_number(text[i]):
        return min(_run(text, i, _is_number), i + 3)
    # Numbers are cut out first, then runs of Han and kana; these runs, and what stands between two of them, are then
    # cut as texts of their own.
    cjk = _is_han_or_kana(text[i])

    def here(char: str) -> bool:
        return _is_han_or_kana(char) == cjk and not _is_number(char)

    def word(char: str) -> bool:
        return here(char) and (_is_letter(char) or _is_mark(char))

    def sign(char: str) -> bool:
        return here(char) and _is_sign(char)

    def neither(char: str) -> bool:
        return here(char) and not (word(char) or sign(char) or _is_space(char))

    if text[i] < "\x7f" and sign(text[i]) and (end := _run(text, i + 1, _is_ascii_letter)) > i + 1:
        return end
    if word(text[i]):
        return _run(text, i, word)
    if text[i] not in "\r\n" and not sign(text[i]) and (end := _run(text, i + 1, word)) > i + 1:
        return end
    k = _past_blank(text, i)
    if sign(text[k]):
        return _run(text, _run(text, k, sign), lambda char: char in "\r\n" and here(char))
    if _is_space(text[i]):
        end = _run(text, i, _is_space)
        return i + _space_or_lines(text[i : end + 1 if end < len(text) and here(text[end]) else end], 0)
    # No pattern matches: a gap, up to the character that stands before a word.
    end = _run(text, i, neither)
    return end - 1 if end > i + 1 and end < len(text) and word(text[end]) else end


_RULES: dict[str, Rule] = {
    "gpt2": _gpt2,
    "cl100k": _cl100k,
    "cl100k_tiktoken": _cl100k_tiktoken,
    "qwen2": _qwen2,
    "qwen3_5": _qwen3_5,
    "o200k": _o200k,
    "tekken": _tekken,
    "kimi_k2": _kimi_k2,
    "deepseek_v3": _deepseek_v3,
    "whitespace": lambda text, i: _run(text, i, lambda char: not _is_space(char)),
    "none": lambda text, i: len(text),
}


def _spans(text: str, scheme: str) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    rule = _RULES[scheme]
    i = 0
    while i < len(text):
        if scheme == "whitespace":
            i = _run(text, i, _is_space)  # dropped
        end = rule(text, i)
        if end > i:
            spans.append((i, end))
        i = end
    return spans


def split(text: str, scheme: str) -> list[str]:
    r"""Cut text into pretokens.

    Parameters
    ----------
    text
        One document.
    scheme
        A named scheme. All but ``"whitespace"`` keep every character.

    Raises
    ------
    KeyError
        If there is no such scheme.

    Examples
    --------
    >>> split("I'm  here\n", "gpt2")
    ['I', "'m", ' ', ' here', '\n']
    """
    return [text[start:end] for start, end in _spans(text, scheme)]


def split_bytes(data: bytes, scheme: str) -> list[int]:
    """Return where each pretoken of UTF-8 text ends, in bytes.

    Each byte outside every well-formed UTF-8 sequence counts as one character of kind other.

    Parameters
    ----------
    data
        One document.
    scheme
        As for `split`; for ``"whitespace"`` the starts are returned too: start, end, start, end, ...

    Examples
    --------
    >>> split_bytes("é a".encode(), "gpt2")
    [2, 4]
    """
    # "surrogateescape" turns exactly such bytes into lone surrogates, one each, and encodes them back to one byte.
    text = data.decode("utf-8", "surrogateescape")
    offsets = [0]
    for char in text:
        offsets.append(offsets[-1] + len(char.encode("utf-8", "surrogateescape")))
    spans = [(offsets[start], offsets[end]) for start, end in _spans(text, scheme)]
    return [i for span in spans for i in span] if scheme == "whitespace" else [end for _, end in spans]
