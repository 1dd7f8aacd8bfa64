"""C interface of the rules of a SentencePiece model."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libcpp.vector cimport vector

from bpetk._encode_rules cimport EncodeRules
from bpetk._segment_merge cimport Scratch

cdef class PieceRules(EncodeRules):
    cdef bytes kinds
    cdef vector[uint32_t] left          # by rank: the parts of a piece, or NO_ID if merging never makes it
    cdef vector[uint32_t] right
    cdef vector[uint64_t] by_length     # code points << 32 | id of the pieces of more than one
    cdef vector[uint32_t] rank_of       # of each id
    cdef vector[uint32_t] odd_of        # of each id: number of its odd symbol, or NO_ID
    cdef vector[uint32_t] odd_code      # code point of an odd symbol that is no piece, or NO_ID
    cdef vector[uint32_t] odd_length    # bytes of its text
    cdef vector[uint32_t] odd_starts
    cdef vector[uint32_t] odd_flat
    cdef size_t n_pages
    cdef size_t next_page
    cdef int _collect_characters(self) except -1
    cdef int _lay_out_pieces(self) except -1
    cdef uint32_t* _place_of(self, uint32_t code)
    cdef int _give_symbols(self) except -1
    cdef int _rank(self, const float* scores) except -1
    cdef int _find_parts(self) except -1
    cdef bint _try_parts(self, Scratch* s, int tier) noexcept nogil
    cdef int _fill_filter(self) except -1
    cdef int _expand(self) except -1
    cdef uint32_t _length_of(self, uint32_t symbol) noexcept nogil
