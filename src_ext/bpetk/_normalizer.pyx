"""Quick check of NFC, NFD, NFKC and NFKD over native/normalization.h."""

import os

from libc.stdint cimport uint8_t

from bpetk._native cimport cpu_has, normal_first_change

cdef enum:
    TIER_SCALAR = 0     # values of native/cpu.h
    TIER_PORTABLE = 1
    TIER_AVX2 = 2
    TIER_AVX512 = 3

_FORM_IDS = {"NFC": FORM_NFC, "NFD": FORM_NFD, "NFKC": FORM_NFKC, "NFKD": FORM_NFKD}
_TIER_IDS = {"scalar": TIER_SCALAR, "portable": TIER_PORTABLE}
cdef int best_tier = TIER_PORTABLE
for _name, _tier in (("avx2", TIER_AVX2), ("avx512", TIER_AVX512)):
    if cpu_has(_tier):
        _TIER_IDS[_name] = _tier
        if os.environ.get("BPETK_PORTABLE", "0") in ("", "0"):
            best_tier = _tier

FORMS = tuple(_FORM_IDS)
TIERS = tuple(_TIER_IDS)


cdef size_t nfc_first_change(const uint8_t* s, size_t n, int form) noexcept nogil:
    return normal_first_change(s, n, form, best_tier)


cdef int number_of(str what, str name, dict known) except -1:
    try:
        return known[name]
    except KeyError:
        raise ValueError(f"unknown {what} {name!r}; known here: {', '.join(known)}") from None


def first_change(data, str form not None, *, str tier=None):
    """Offset of the first character of data, valid UTF-8, that the form may change, or its length."""
    cdef const uint8_t[::1] view = data
    cdef size_t n = view.shape[0], found
    cdef int number = number_of("form", form, _FORM_IDS)
    cdef int level = best_tier if tier is None else number_of("tier", tier, _TIER_IDS)
    if n == 0:
        return 0
    with nogil:
        found = normal_first_change(&view[0], n, number, level)
    return found
