"""C interface of the scanner: one call turns a stretch of text into end offsets of pretokens."""

from libc.stdint cimport uint8_t, uint64_t

cdef enum Tier:
    TIER_SCALAR = 0
    TIER_PORTABLE = 1
    TIER_AVX2 = 2
    TIER_AVX512 = 3

cdef struct Scan:
    # A text being scanned: s[begin..n) with begin at a pretoken start. INVARIANT: `at` is a pretoken start.
    const uint8_t* s
    size_t n
    size_t at
    int scheme
    int tier
    size_t line_stop    # end of the line that the last look-up found; 0 at first
    bint lines          # each line, its LF included, is a text of its own

cdef int scheme_id(str name) except -1
cdef int best_tier() noexcept
cdef int tier_id(str name) except -1
# Fills ends_out (capacity at least 256) with end offsets of the next pretokens; 0 when the text is exhausted.
cdef size_t scan_next(Scan* scan, uint64_t* ends_out, size_t capacity) noexcept nogil
# Largest p in (begin, n) such that s[begin..p) and s[p..n) scan to the same pretokens apart as together; 0 if none.
cdef size_t safe_cut(const uint8_t* s, size_t begin, size_t n, int scheme) noexcept nogil
