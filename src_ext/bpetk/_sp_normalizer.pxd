"""C interface of SentencePiece's normalization: a sentence to its normalized text, with where each byte came from."""

from libc.stdint cimport uint8_t

from bpetk._added_tokens cimport Matcher
from bpetk._native cimport CompiledMap, SentenceText, SpaceRules

# A matcher for strings of which the reference, wherever some stand, looks at the 64 shortest and takes the longest of
# them; None if there are none.
cdef Matcher symbol_matcher(list symbols)

cdef class Normalizer:
    # INVARIANT: nothing changes after construction, so any number of threads may normalize at once.
    cdef CompiledMap map
    cdef SpaceRules spaces
    cdef Matcher symbols
    cdef bint has_symbols
    cdef readonly bytes blob
    cdef readonly tuple user_defined
    cdef readonly bint add_dummy_prefix
    cdef readonly bint suffix

    # Appends the normalized text of s[0..n) to out, which is zero before its first use, but for `aligned`; free it with
    # text_release. If it is aligned, out.source[i] is the offset in s of the character or rule that byte i came from,
    # counted from 0, and out.source[out.size] is where the text ends. False: memory is out.
    cdef bint normalize_line(self, const uint8_t* s, size_t n, SentenceText* out) noexcept nogil
