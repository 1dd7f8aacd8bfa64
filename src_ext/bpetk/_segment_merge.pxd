"""Merging one segment of a pretoken."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from bpetk._encode_rules cimport Rules
from bpetk._native cimport MergeJob

cdef enum:
    MERGE_DONE = 0
    MERGE_RUNS = 1

cdef struct Scratch:
    # Growing memory for segments of more than 16 symbols.
    uint32_t* ids       # the result; [room]
    uint32_t* after     # [room]
    uint32_t* before    # [room]
    uint64_t* heap      # [3 * room]
    size_t room
    bint failed         # no memory
    uint64_t random         # state of the generator for dropout
    uint64_t drop_below     # an entry is dropped if 53 bits of the generator are below; 0: no dropout

cdef int scratch_init(Scratch* s) noexcept nogil
cdef void scratch_free(Scratch* s) noexcept nogil
# Symbols of a segment before merging, all with an id; false when memory is out.
cdef bint scratch_room(Scratch* s, size_t n) noexcept nogil
# First symbols of a job for a segment of at most 16 symbols: MERGE_RUNS, or MERGE_DONE with n == 1, or -1: too long.
cdef int job_start(const Rules* r, MergeJob* j, const uint8_t* t, size_t n, bint last) noexcept nogil
# The same for characters: MERGE_RUNS, MERGE_DONE, or -1: too many, or one of them has no symbol.
cdef int job_of_characters(const Rules* r, MergeJob* j, const uint8_t* t, size_t n) noexcept nogil
# Symbols of a segment's characters, at most `most`, up to one that has none; where that is goes to stopped_at_out.
cdef size_t symbols_of(
    const Rules* r, const uint8_t* t, size_t n, uint32_t* out, size_t most, size_t* stopped_at_out
) noexcept nogil
# Merge s.ids[:n] in place; returns how many are left.
cdef size_t merge_heap(const Rules* r, Scratch* s, size_t n) noexcept nogil
# Ids of a segment into s.ids. `last`: the segment ends its pretoken. Returns their number; 0 when memory is out.
cdef size_t merge_segment(const Rules* r, Scratch* s, int tier, const uint8_t* t, size_t n, bint last) noexcept nogil
