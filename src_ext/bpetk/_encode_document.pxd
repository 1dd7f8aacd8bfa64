"""A document: added tokens are split off, what the native path cannot do is noticed, the stretches are encoded."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from bpetk._added_tokens cimport Matcher
from bpetk._character_document cimport Stretches
from bpetk._encode_state cimport Worker
from bpetk._sp_document cimport Sentences

cdef enum TextKind:
    TEXT_UTF8 = 0       # known to be well-formed
    TEXT_BYTES = 1      # to be checked
    TEXT_UCS1 = 2
    TEXT_UCS2 = 3
    TEXT_UCS4 = 4

cdef struct Text:
    const void* data
    size_t n            # code units
    int kind

cdef class Plan:
    """What a call does with added tokens; immutable, made once for each combination of options."""
    cdef readonly Matcher forbidden     # text that must not be there
    cdef readonly Matcher suspects      # text that the general path has to deal with
    cdef readonly Matcher first         # added tokens, searched in the text
    cdef readonly Matcher second        # added tokens, searched in the normalized stretches between
    cdef bint has_forbidden
    cdef bint has_suspects
    cdef bint has_first
    cdef bint has_second
    cdef const uint32_t[::1] first_ids
    cdef const uint32_t[::1] second_ids
    cdef int form               # normalization form that the text must be in already, or -1
    cdef readonly bint general  # nothing is done natively
    cdef readonly Sentences sentences   # documents are encoded as SentencePiece does, and nothing else applies
    cdef bint has_sentences
    cdef readonly Stretches stretches   # stretches are encoded as a BPE over characters has it, without a scheme
    cdef bint has_stretches

# Appends the ids of a document and returns a Failure; what was appended before a failure is of no use.
cdef int encode_document(Worker* w, Plan plan, Text text, int scheme) noexcept nogil
# Does the same for several documents; counts: the ids of each, -1 - failure of one that failed.
cdef void encode_documents(
    Worker* w, Plan plan, const Text* texts, size_t n, int scheme, int64_t* counts
) noexcept nogil
# UTF-8 of a text: in place, or in w.text. Returns a Failure.
cdef int as_utf8(Worker* w, Text text, const uint8_t** s_out, size_t* n_out) noexcept nogil
cdef int encode_utf8(Worker* w, Plan plan, const uint8_t* s, size_t n, int scheme) noexcept nogil
