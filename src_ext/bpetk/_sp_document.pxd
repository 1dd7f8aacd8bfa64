"""A document as SentencePiece encodes it: normalized as a whole, cut where no rule joins, unknown runs made one."""

from libc.stdint cimport uint8_t

from bpetk._added_tokens cimport Matcher
from bpetk._encode_state cimport Worker
from bpetk._sp_normalizer cimport Normalizer

cdef class Sentences:
    """How documents are normalized; immutable."""
    cdef readonly Normalizer normalizer
    cdef Matcher whole          # pieces that are taken wherever their text stands in the normalized text
    cdef bint has_whole
    cdef readonly bint fuse     # of several unknown pieces in a row only one is put out

# Appends the ids of a document, which need not be well-formed, and returns a Failure.
cdef int encode_sentences(Worker* w, Sentences how, const uint8_t* s, size_t n) noexcept nogil
