"""A document as SentencePiece encodes it: normalized as a whole, cut where no rule joins, unknown runs made one."""

from libc.stdint cimport int64_t, uint8_t

from bpetk._added_tokens cimport Matcher
from bpetk._encode_state cimport Worker
from bpetk._sp_normalizer cimport Normalizer

cdef enum:
    FRONT = 16                  # bytes before the normalized text: blocks read some
    KEPT = 16777216             # bytes of normalized text for which a worker keeps the memory

cdef class Sentences:
    """How documents are normalized; immutable."""
    cdef readonly Normalizer normalizer
    cdef Matcher whole          # pieces that are taken wherever their text stands in the normalized text
    cdef bint has_whole
    cdef readonly bint fuse     # of several unknown pieces in a row only one is put out

# Appends the ids of a normalized text, readable from FRONT bytes before it to kCutRead bytes behind it.
cdef int encode_normalized(Worker* w, Sentences how, const uint8_t* t, size_t n) noexcept nogil
# Leaves one of unknown pieces in a row, from the id with number `first` on.
cdef void fuse_unknown(Worker* w, size_t first) noexcept nogil
# Appends the ids of a document, which need not be well-formed, and returns a Failure.
cdef int encode_sentences(Worker* w, Sentences how, const uint8_t* s, size_t n) noexcept nogil

# Several short documents, where runs of unknown pieces stay: begin; normalize one behind the other; encode all of them.
# ends: w.normal.size after each; counts: the ids of each. false, or a Failure: encode each for itself.
cdef bint begin_sentences(Worker* w) noexcept nogil
cdef bint add_sentence(Worker* w, Sentences how, const uint8_t* s, size_t n) noexcept nogil
cdef int encode_added(Worker* w, Sentences how, const size_t* ends, size_t n, int64_t* counts) noexcept nogil
