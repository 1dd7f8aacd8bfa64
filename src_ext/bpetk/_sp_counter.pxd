"""C interface of the sentence counter: none beyond its type; the words are in `CountWorker`."""

from libc.stdint cimport uint8_t, uint64_t

from bpetk._added_tokens cimport Matcher
from bpetk._counter cimport CountWorker
from bpetk._native cimport Key, SentenceText
from bpetk._sp_normalizer cimport Normalizer

cdef enum:
    BATCH = 256     # words looked up side by side, so that their cache misses overlap

cdef struct ShortWord:
    Key key
    uint64_t hash

cdef class SpCounter:
    cdef readonly CountWorker worker
    cdef Normalizer normalizer
    cdef Matcher meta           # None if there are none
    cdef Matcher delimiter
    cdef Matcher mark           # U+2585
    cdef bint replaces_meta
    cdef bint replaces_delimiter
    cdef bint splits
    cdef bint suffix
    cdef bint whitespace_only
    cdef uint64_t longest       # bytes of a sentence that is not skipped
    cdef SentenceText text
    cdef ShortWord batch[BATCH]
    cdef int batched
    cdef uint64_t weight        # sum of the counts of all sentences times their normalized bytes
    cdef readonly uint64_t sentences
    cdef readonly uint64_t skipped_empty
    cdef readonly uint64_t skipped_long
    cdef readonly uint64_t skipped_marked
    cdef readonly uint64_t skipped_blank
