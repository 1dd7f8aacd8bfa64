"""C interface of word counts: what the trainer reads, and what other counters fill."""

from libc.stdint cimport uint64_t

from bpetk._word_table cimport Arena, Table

cdef enum:
    PARTITIONS = 64     # by the top bits of the hash; threads combine their tables partition by partition
    PARTITION_SHIFT = 58    # 64 - log2(PARTITIONS)

cdef class CountWorker:
    # Words may be added by add_key and add_long: a word's table is that of the top bits of its hash.
    cdef Table tables[PARTITIONS]
    cdef Arena* arena
    cdef int scheme
    cdef int tier
    cdef bint lines
    cdef readonly uint64_t pretokens
    # Raises if the tables were handed over.
    cdef int check(self) except -1

cdef class WordCounts:
    cdef Table tables[PARTITIONS]
    cdef Arena* arenas
    cdef int n_arenas
    cdef uint64_t symbols_at_most(self) noexcept
    cdef void release(self) noexcept
