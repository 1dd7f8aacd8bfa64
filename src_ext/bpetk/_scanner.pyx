"""Pretokenizer schemes: one scalar rule a family (the specification in native code) and the driver over the
block scanner of native/scan_blocks.h. Reference twin: bpetk/reference/scan.py."""

import os

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memchr

from bpetk._native cimport class_and_length, cpu_has, scan_blocks_any
from bpetk._types cimport (
    SCHEME_CL100K, SCHEME_CL100K_TIKTOKEN, SCHEME_DEEPSEEK_V3, SCHEME_GPT2, SCHEME_KIMI_K2, SCHEME_NONE, SCHEME_O200K,
    SCHEME_QWEN2, SCHEME_QWEN3_5, SCHEME_TEKKEN, SCHEME_WHITESPACE,
)

cdef enum:
    # Flags of native/unicode_tables.h.
    LETTER = 1
    NUMBER = 2
    WHITE = 4
    MARK = 8
    UPPER = 16      # Lu, Lt
    LOWER = 32      # Ll
    SIGN = 64       # P, S
    HAN = 128       # script Han
    NOT_OTHER = 7   # LETTER | NUMBER | WHITE: a character with none of them is "other"
    LETTER_MARK = 9

cdef enum:
    BLOCK_ROOM = 64         # ends that one block may have
    BLOCK_LEAST = 192       # shorter stretches go to the scalar rules at once

_SCHEME_IDS = {
    "gpt2": SCHEME_GPT2, "cl100k": SCHEME_CL100K, "cl100k_tiktoken": SCHEME_CL100K_TIKTOKEN, "qwen2": SCHEME_QWEN2,
    "qwen3_5": SCHEME_QWEN3_5, "o200k": SCHEME_O200K, "tekken": SCHEME_TEKKEN, "kimi_k2": SCHEME_KIMI_K2,
    "deepseek_v3": SCHEME_DEEPSEEK_V3, "whitespace": SCHEME_WHITESPACE, "none": SCHEME_NONE,
}

# ---------------------------------------------------------------------------------------------------------------------
# Scalar rules. Each returns the end of the pretoken that starts at i, i < n, where n is the end of the text.


cdef inline size_t run_of(const uint8_t* s, size_t i, size_t n, uint32_t mask) noexcept nogil:
    """End of the longest run of characters that have a flag of mask."""
    cdef uint32_t c
    while i < n:
        c = class_and_length(s + i, n - i)
        if not c & mask:
            break
        i += c >> 8
    return i


cdef inline size_t run_of_other(const uint8_t* s, size_t i, size_t n, uint32_t not_other) noexcept nogil:
    """End of the longest run of characters that have no flag of not_other."""
    cdef uint32_t c
    while i < n:
        c = class_and_length(s + i, n - i)
        if c & not_other:
            break
        i += c >> 8
    return i


cdef inline bint is_newline(uint8_t b) noexcept nogil:
    return b == 10 or b == 13


cdef inline size_t run_of_newlines(const uint8_t* s, size_t i, size_t n) noexcept nogil:
    while i < n and is_newline(s[i]):
        i += 1
    return i


cdef inline size_t numbers(const uint8_t* s, size_t i, size_t n, int most) noexcept nogil:
    """End of up to `most` characters of class number."""
    cdef uint32_t c
    while most and i < n:
        c = class_and_length(s + i, n - i)
        if not c & NUMBER:
            break
        i += c >> 8
        most -= 1
    return i


cdef inline size_t contraction(const uint8_t* s, size_t i, size_t n, bint any_case) noexcept nogil:
    """End of 's 't 'm 'd 're 've 'll at i, or i. In any case U+017F (C5 BF) counts as s."""
    cdef uint8_t a, b, fold = 0x20 if any_case else 0
    if n - i < 2 or s[i] != c"'":
        return i
    a = s[i + 1] | fold if s[i + 1] < 0x80 else s[i + 1]
    if a == c"s" or a == c"t" or a == c"m" or a == c"d":
        return i + 2
    if n - i < 3:
        return i
    if any_case and a == 0xC5 and s[i + 2] == 0xBF:
        return i + 3
    b = s[i + 2] | fold if s[i + 2] < 0x80 else s[i + 2]
    if (a == c"r" and b == c"e") or (a == c"v" and b == c"e") or (a == c"l" and b == c"l"):
        return i + 3
    return i


cdef inline size_t white_plain(const uint8_t* s, size_t i, size_t n) noexcept nogil:
    """`\\s+(?!\\S)|\\s+`: the whole run at the end of the text, else all but its last character, but at least one."""
    cdef size_t e = i, last = i
    cdef uint32_t c
    while e < n:
        c = class_and_length(s + e, n - e)
        if not c & WHITE:
            break
        last = e
        e += c >> 8
    if e == n or last == i:
        return e
    return last


cdef inline size_t white_newline(const uint8_t* s, size_t i, size_t n, bint whole_at_end) noexcept nogil:
    """`\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`; whole_at_end puts `\\s++$` first."""
    cdef size_t e = i, last = i, newline = i
    cdef uint32_t c
    while e < n:
        c = class_and_length(s + e, n - e)
        if not c & WHITE:
            break
        last = e
        e += c >> 8
        if is_newline(s[last]):
            newline = e
    if e == n and whole_at_end:
        return e
    if newline > i:
        return newline
    if e == n or last == i:
        return e
    return last


cdef size_t gpt2_end(const uint8_t* s, size_t i, size_t n) noexcept nogil:
    cdef size_t k = contraction(s, i, n, False)
    cdef uint32_t c
    if k > i:
        return k
    k = i + 1 if s[i] == c" " and i + 1 < n else i
    c = class_and_length(s + k, n - k)
    if c & LETTER:
        return run_of(s, k, n, LETTER)
    if c & NUMBER:
        return run_of(s, k, n, NUMBER)
    if not c & WHITE:
        return run_of_other(s, k, n, NOT_OTHER)
    return white_plain(s, i, n)


cdef inline size_t cl100k_end(
    const uint8_t* s, size_t i, size_t n, int most_numbers, bint whole_at_end, uint32_t letter
) noexcept nogil:
    cdef size_t k = contraction(s, i, n, True)
    cdef uint32_t c, d, not_other = NOT_OTHER | letter
    if k > i:
        return k
    c = class_and_length(s + i, n - i)
    k = i + (c >> 8)
    if c & letter:
        return run_of(s, k, n, letter)
    if c & NUMBER:
        return numbers(s, i, n, most_numbers)
    if k < n and not is_newline(s[i]):
        d = class_and_length(s + k, n - k)
        if d & letter:
            return run_of(s, k, n, letter)
        if s[i] == c" " and not d & not_other:
            return run_of_newlines(s, run_of_other(s, k, n, not_other), n)
    if not c & WHITE:
        return run_of_newlines(s, run_of_other(s, k, n, not_other), n)
    return white_newline(s, i, n, whole_at_end)


cdef inline size_t cased_word(
    const uint8_t* s, size_t i, size_t n, uint32_t never, bint lower_required
) noexcept nogil:
    """End of `[Lu Lt Lm Lo M]*[Ll Lm Lo M]+` (lower_required) or of `[Lu Lt Lm Lo M]+[Ll Lm Lo M]*` at i; i if none.
    Characters with a flag of `never` are in neither set.

    A character that is neither Lu/Lt nor Ll but L or M is in both sets, so the first form gives back, at most, the
    Lu and Lt at the end of its first run."""
    cdef size_t u = i, after_both = i
    cdef uint32_t c
    cdef bint any_upper = False
    while u < n:
        c = class_and_length(s + u, n - u)
        if not c & LETTER_MARK or c & (LOWER | never):
            break
        u += c >> 8
        if not c & UPPER:
            after_both = u
    any_upper = u > i
    cdef size_t d = u
    while d < n:
        c = class_and_length(s + d, n - d)
        if not c & LETTER_MARK or c & (UPPER | never):
            break
        d += c >> 8
    if lower_required:
        return d if d > u else after_both
    return d if any_upper else i


cdef inline size_t o200k_end(
    const uint8_t* s, size_t i, size_t n, int most_numbers, bint endings, bint slash, uint32_t never
) noexcept nogil:
    cdef uint32_t c = class_and_length(s + i, n - i)
    cdef size_t e, k = i + (c >> 8)
    cdef bint prefix = not c & (LETTER | NUMBER) and not is_newline(s[i]) and k < n
    cdef int form
    for form in range(2):
        if prefix:
            e = cased_word(s, k, n, never, form == 0)
            if e > k:
                return contraction_after(s, e, n) if endings else e
        e = cased_word(s, i, n, never, form == 0)
        if e > i:
            return contraction_after(s, e, n) if endings else e
    if c & NUMBER:
        return numbers(s, i, n, most_numbers)
    if s[i] == c" " and k < n and not class_and_length(s + k, n - k) & NOT_OTHER:
        e = run_of_other(s, k, n, NOT_OTHER)
    elif not c & NOT_OTHER:
        e = run_of_other(s, k, n, NOT_OTHER)
    else:
        return white_newline(s, i, n, False)
    while e < n and (is_newline(s[e]) or (slash and s[e] == c"/")):
        e += 1
    return e


cdef inline size_t contraction_after(const uint8_t* s, size_t e, size_t n) noexcept nogil:
    return contraction(s, e, n, True) if e < n else e


cdef inline bint is_han_or_kana(const uint8_t* p, uint32_t c) noexcept nogil:
    """U+4E00..9FA5 and U+3040..30FF; c is the class and length of the character at p."""
    cdef uint32_t v
    if c >> 8 != 3:
        return False
    v = (<uint32_t>p[0] << 16) | (<uint32_t>p[1] << 8) | p[2]
    return 0xE4B880 <= v <= 0xE9BEA5 or 0xE38180 <= v <= 0xE383BF


cdef inline uint32_t class_in_stretch(const uint8_t* s, size_t i, size_t n, bint cjk) noexcept nogil:
    """Class and length of the character at i; 0 at the end of the stretch: a number, the other side, the text's end."""
    cdef uint32_t c
    if i >= n:
        return 0
    c = class_and_length(s + i, n - i)
    return 0 if c & NUMBER or is_han_or_kana(s + i, c) != cjk else c


cdef inline size_t run_in_stretch(const uint8_t* s, size_t i, size_t n, bint cjk, uint32_t mask) noexcept nogil:
    cdef uint32_t c = class_in_stretch(s, i, n, cjk)
    while c & mask:
        i += c >> 8
        c = class_in_stretch(s, i, n, cjk)
    return i


cdef size_t deepseek_v3_end(const uint8_t* s, size_t i, size_t n) noexcept nogil:
    """Numbers are cut out first, then runs of Han and kana; the last pattern then cuts these runs and what is left,
    each stretch as a text of its own."""
    cdef uint32_t c = class_and_length(s + i, n - i), d
    cdef size_t e, last, k = i + (c >> 8)
    cdef bint cjk
    if c & NUMBER:
        return numbers(s, i, n, 3)
    cjk = is_han_or_kana(s + i, c)
    if c & LETTER_MARK:
        return run_in_stretch(s, k, n, cjk, LETTER_MARK)
    if c & SIGN:
        if s[i] < 0x80 and k < n and c"a" <= s[k] | 0x20 <= c"z":
            while k < n and c"a" <= s[k] | 0x20 <= c"z":
                k += 1
            return k
        e = run_in_stretch(s, k, n, cjk, SIGN)
        return e if cjk else run_of_newlines(s, e, n)
    d = class_in_stretch(s, k, n, cjk)
    if d & LETTER_MARK and not is_newline(s[i]):
        return run_in_stretch(s, k, n, cjk, LETTER_MARK)
    if c & WHITE:
        if d & SIGN and s[i] == c" ":
            return run_of_newlines(s, run_in_stretch(s, k, n, cjk, SIGN), n)
        e = run_of(s, k, n, WHITE)
        return white_newline(s, i, n if class_in_stretch(s, e, n, cjk) else e, False)
    # No pattern matches: a gap, up to the character that stands before a word.
    last = i
    while d and not d & (LETTER_MARK | SIGN | WHITE):
        last = k
        k += d >> 8
        d = class_in_stretch(s, k, n, cjk)
    return last if d & LETTER_MARK and last > i else k


cdef size_t whitespace_end(const uint8_t* s, size_t i, size_t n) noexcept nogil:
    """A run of white space, or of anything else; the caller drops the former."""
    cdef uint32_t c = class_and_length(s + i, n - i), white = c & WHITE
    i += c >> 8
    while i < n:
        c = class_and_length(s + i, n - i)
        if c & WHITE != white:
            break
        i += c >> 8
    return i


cdef size_t pretoken_end(const uint8_t* s, size_t i, size_t n, int scheme) noexcept nogil:
    if scheme == SCHEME_GPT2:
        return gpt2_end(s, i, n)
    if scheme == SCHEME_CL100K:
        return cl100k_end(s, i, n, 3, False, LETTER)
    if scheme == SCHEME_CL100K_TIKTOKEN:
        return cl100k_end(s, i, n, 3, True, LETTER)
    if scheme == SCHEME_QWEN2:
        return cl100k_end(s, i, n, 1, False, LETTER)
    if scheme == SCHEME_QWEN3_5:
        return cl100k_end(s, i, n, 1, False, LETTER_MARK)
    if scheme == SCHEME_O200K:
        return o200k_end(s, i, n, 3, True, True, 0)
    if scheme == SCHEME_TEKKEN:
        return o200k_end(s, i, n, 1, False, True, 0)
    if scheme == SCHEME_KIMI_K2:
        if class_and_length(s + i, n - i) & HAN:
            return run_of(s, i, n, HAN)
        return o200k_end(s, i, n, 3, True, False, HAN)
    if scheme == SCHEME_DEEPSEEK_V3:
        return deepseek_v3_end(s, i, n)
    if scheme == SCHEME_WHITESPACE:
        return whitespace_end(s, i, n)
    return n


cdef inline size_t line_end(const uint8_t* s, size_t i, size_t n) noexcept nogil:
    cdef const uint8_t* p = <const uint8_t*>memchr(s + i, 10, n - i)
    return n if p == NULL else <size_t>(p - s) + 1


# ---------------------------------------------------------------------------------------------------------------------
# Driver.


cdef size_t scan_next(Scan* scan, uint64_t* ends_out, size_t capacity) noexcept nogil:
    cdef size_t count = 0, i = scan.at, n = scan.n, stop, upto, found
    cdef const uint8_t* s = scan.s
    while i < n and count + BLOCK_ROOM <= capacity:
        upto = n
        if scan.tier != TIER_SCALAR and n - i >= BLOCK_LEAST:
            found = scan_blocks_any(
                scan.scheme, scan.lines, s, i, n, scan.tier, ends_out + count, capacity - count, &i, &upto
            )
            count += found
            if upto == 0:
                # No hard block: either ends_out is full, or all but the last bytes are done.
                if count + BLOCK_ROOM > capacity:
                    break
                upto = n
        while i < upto and count < capacity:
            if scan.lines and i >= scan.line_stop:
                scan.line_stop = line_end(s, i, n)
            stop = scan.line_stop if scan.lines else n
            while i < stop and i < upto and count < capacity:
                i = pretoken_end(s, i, stop, scan.scheme)
                ends_out[count] = i
                count += 1
    scan.at = i
    return count


cdef inline bint ascii_alnum(uint8_t b) noexcept nogil:
    return c"0" <= b <= c"9" or c"a" <= b | 0x20 <= c"z"


cdef size_t safe_cut(const uint8_t* s, size_t begin, size_t n, int scheme) noexcept nogil:
    """Cuts are made where every scheme but `none` ends a pretoken whatever stands on either side: between an ASCII
    letter or digit and a space that an ASCII letter follows, and between a Han character (U+5000..9FFF) and
    U+3001, U+3002 or U+FF0C. The `whitespace` scheme is cut at the former only, since punctuation joins its words."""
    cdef size_t p
    if scheme == SCHEME_NONE or n < 6:
        return 0
    p = n - 6
    while p > begin + 3:
        if s[p] == c" " and ascii_alnum(s[p - 1]) and ascii_alnum(s[p + 1]) and s[p + 1] > c"9":
            return p
        if scheme != SCHEME_WHITESPACE and (s[p] == 0xE3 or s[p] == 0xEF) and 0xE5 <= s[p - 3] <= 0xE9:
            if s[p - 2] & 0xC0 == 0x80 and s[p - 1] & 0xC0 == 0x80:
                if s[p] == 0xE3 and s[p + 1] == 0x80 and (s[p + 2] == 0x81 or s[p + 2] == 0x82):
                    return p
                if s[p] == 0xEF and s[p + 1] == 0xBC and s[p + 2] == 0x8C:
                    return p
        p -= 1
    return 0


# ---------------------------------------------------------------------------------------------------------------------
# Python shell.


cdef int scheme_id(str name) except -1:
    try:
        return _SCHEME_IDS[name]
    except KeyError:
        raise ValueError(f"unknown native scheme {name!r}; known: {', '.join(_SCHEME_IDS)}") from None


def _forced_portable():
    return os.environ.get("BPETK_PORTABLE", "0") not in ("", "0")


cdef int _best_tier = TIER_PORTABLE
_TIER_IDS = {"scalar": TIER_SCALAR, "portable": TIER_PORTABLE}
for _name, _tier in (("avx2", TIER_AVX2), ("avx512", TIER_AVX512)):
    if cpu_has(_tier):
        _TIER_IDS[_name] = _tier
        if not _forced_portable():
            _best_tier = _tier


cdef int best_tier() noexcept:
    return _best_tier


cdef int tier_id(str name) except -1:
    try:
        return _TIER_IDS[name]
    except KeyError:
        raise ValueError(f"unknown tier {name!r}; this machine has: {', '.join(_TIER_IDS)}") from None


SCHEMES = tuple(_SCHEME_IDS)
TIERS = tuple(_TIER_IDS)


def split(data, str scheme not None, *, bint lines=False, str tier=None):
    """End offsets, in bytes, of the pretokens of data (start and end, flattened, for ``whitespace``)."""
    cdef const uint8_t[::1] view = data
    cdef Scan scan
    cdef uint64_t ends[512]
    cdef size_t count, k, start = 0
    cdef list out = []
    if view.shape[0] == 0:
        return out
    scan.s = &view[0]
    scan.n = view.shape[0]
    scan.at = scan.line_stop = 0
    scan.scheme = scheme_id(scheme)
    scan.tier = best_tier() if tier is None else tier_id(tier)
    scan.lines = lines
    while True:
        count = scan_next(&scan, ends, 512)
        if not count:
            return out
        for k in range(count):
            if scan.scheme != SCHEME_WHITESPACE:
                out.append(ends[k])
            elif not class_and_length(scan.s + start, ends[k] - start) & WHITE:
                out.append(start)
                out.append(ends[k])
            start = ends[k]


def find_safe_cut(data, str scheme not None):
    """The last offset at which data can be cut without changing its pretokens, or 0."""
    cdef const uint8_t[::1] view = data
    if view.shape[0] == 0:
        return 0
    return safe_cut(&view[0], 0, view.shape[0], scheme_id(scheme))
