"""Position lists made from the text itself: at the start, and when the queue runs below the birth cutoff."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from bpetk._engine cimport Engine
from bpetk._piece_rules cimport may_join

# Both return 0, or -1 when memory is out, and set e.unlisted to the largest count that is left without a list.
cdef int first_scan(Engine* e, int64_t cutoff) noexcept nogil
cdef int rescan(Engine* e, int64_t cutoff) noexcept nogil
# Word-aligned bounds of the part of the text that a thread works on.
cdef uint64_t part_begin(const Engine* e, int worker) noexcept nogil


cdef inline bint may_merge(const Engine* e, uint32_t x, uint32_t y) noexcept nogil:
    """Pairs of two bytes are never too long; others must stay below the limit. Pieces have their own rules."""
    cdef uint64_t length = <uint64_t>e.length[x] + e.length[y]
    if e.pieces.of != NULL:
        return may_join(&e.pieces, x, y)
    return e.max_length == 0 or length == 2 or length < e.max_length
