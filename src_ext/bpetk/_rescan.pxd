"""Position lists made from the text itself: at the start, and when the queue runs below the birth cutoff."""

from libc.stdint cimport int64_t

from bpetk._trainer cimport Engine

# Both return 0, or -1 when memory is out, and set e.unlisted to the largest count that is left without a list.
cdef int first_scan(Engine* e, int64_t cutoff) noexcept nogil
cdef int rescan(Engine* e, int64_t cutoff) noexcept nogil
