"""C interface of word counts: what the trainer reads."""

from libc.stdint cimport uint64_t

from bpetk._word_table cimport Arena, Table

cdef enum:
    PARTITIONS = 64     # by the top bits of the hash; threads combine their tables partition by partition

cdef class WordCounts:
    cdef Table tables[PARTITIONS]
    cdef Arena* arenas
    cdef int n_arenas
    cdef uint64_t symbols_at_most(self) noexcept
    cdef void release(self) noexcept
