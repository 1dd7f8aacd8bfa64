# cython: auto_pickle=False
"""A stretch of text whose blanks become U+2581, with one in front or not; inside, a blank stands for both.

Reference twin: bpetk/reference/character_encode.py."""

from libc.stdint cimport uint8_t
from libc.string cimport memcpy, memset

from bpetk._encode_state cimport NO_MEMORY, Worker
from bpetk._native cimport kCutRead, text_fold, text_release, text_reserve
from bpetk._sp_document cimport FRONT, KEPT, Sentences, encode_normalized, fuse_unknown
from bpetk._sp_normalizer cimport Normalizer


cdef class Stretches:
    def __init__(
        self, *, bint prefix=False, bint unless_there=False, bint first_only=False, bint fuse=False
    ):
        if self.plain is not None:
            raise TypeError("Stretches are immutable")
        self.plain = Sentences(
            Normalizer(b"", add_dummy_prefix=False, remove_extra_whitespaces=False, escape_whitespaces=False)
        )
        self.prefix, self.unless_there, self.first_only, self.fuse = prefix, unless_there, first_only, fuse


cdef inline bint begins_blank(const uint8_t* s, size_t n) noexcept nogil:
    return s[0] == c" " or (n >= 3 and s[0] == 0xE2 and s[1] == 0x96 and s[2] == 0x81)


cdef inline void put_stretch(Worker* w, Stretches how, const uint8_t* s, size_t n, bint first) noexcept nogil:
    """Append a stretch to w.normal, which has room for it."""
    cdef size_t begin = w.normal.size
    if how.prefix and (first or not how.first_only) and not (how.unless_there and begins_blank(s, n)):
        w.normal.data[begin] = c" "
        w.normal.size += 1
    memcpy(w.normal.data + w.normal.size, s, n)
    w.normal.size += n
    text_fold(&w.normal, begin)


cdef bint add_characters(Worker* w, Stretches how, const uint8_t* s, size_t n) noexcept nogil:
    if not text_reserve(&w.normal, n + 1):
        return False
    if n:
        put_stretch(w, how, s, n, True)
    return True


cdef int encode_characters(Worker* w, Stretches how, const uint8_t* s, size_t n, bint first) noexcept nogil:
    cdef size_t before = w.n_out
    cdef int failure
    cdef bint count_only = w.count_only
    w.normal.size = 0
    if not text_reserve(&w.normal, n + FRONT + 1 + kCutRead):
        return NO_MEMORY
    memset(w.normal.data, 0, FRONT)
    w.normal.size = FRONT
    put_stretch(w, how, s, n, first)
    memset(w.normal.data + w.normal.size, 0, kCutRead)
    if how.fuse:
        w.count_only = False    # how many are left can be seen from the ids only
    failure = encode_normalized(w, how.plain, w.normal.data + FRONT, w.normal.size - FRONT)
    w.count_only = count_only
    if how.fuse and not failure:
        fuse_unknown(w, before)
        if count_only:
            w.n_counted += w.n_out - before
            w.n_out = before
    if w.normal.room > KEPT:
        # A single long text must not keep its memory in use.
        text_release(&w.normal)
    return failure
