"""The steps of training: which merge is next, and how far to look ahead."""

from libc.stdint cimport int64_t, uint64_t

from bpetk._engine cimport Engine

cdef enum:
    RUNNING = 0
    FULL = 1                # the vocabulary has the size asked for
    EXHAUSTED = 2           # no pair left
    TOO_RARE = 3            # the best pair is below min_frequency
    STRING_MADE_TWICE = 4   # without pieces; see one_merge
    NO_MEMORY = -1
    TOO_BIG = -2

# What the cutoff of births is when the largest count left is `top`.
cdef int64_t birth_cutoff(Engine* e, int64_t top) noexcept nogil
# Up to `most` merges, or fewer once `work` list entries have been walked.
cdef int run_merges(Engine* e, uint64_t most, uint64_t work) noexcept nogil
