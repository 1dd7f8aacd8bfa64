"""One merge, applied to the whole text."""

from libc.stdint cimport int64_t, uint64_t

from bpetk._engine cimport Engine

cdef enum:
    MERGE_NO_MEMORY = -1
    MERGE_TOO_BIG = -2      # occurrences in the corpus x places in the distinct words >= 2**64

# Merge the pair in slot `slot` into e.z (e.a, e.b, e.z and their lengths are set); 0 or a MERGE_ code.
cdef int merge_pair(Engine* e, uint64_t slot, int64_t cutoff) noexcept nogil
