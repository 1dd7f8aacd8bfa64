"""Segments that the cache does not know."""

from libc.stdint cimport uint32_t

from bpetk._encode_state cimport Worker

# Find the ids of the first n of w.missed: in w.side, or for more than four in w.spilled.
cdef void merge_missed(Worker* w, uint32_t n) noexcept nogil
# Make an array of ids larger; false when memory is out.
cdef bint grow(uint32_t** p, size_t* room, size_t used, size_t needed) noexcept nogil
