"""Position lists made from the text itself: at the start, and when the queue runs below the birth cutoff."""

from libc.stdint cimport int64_t, uint64_t

from bpetk._trainer cimport Engine

# Both return 0, or -1 when memory is out, and set e.unlisted to the largest count that is left without a list.
cdef int first_scan(Engine* e, int64_t cutoff) noexcept nogil
cdef int rescan(Engine* e, int64_t cutoff) noexcept nogil
# Word-aligned bounds of the part of the text that a thread works on.
cdef uint64_t part_begin(const Engine* e, int worker) noexcept nogil
