"""What a model's merges become for encoding: immutable tables, built once, shared by all threads."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from bpetk._native cimport PairRanks

cdef enum:
    NO_ID = 0xFFFFFFFF
    BITMAP_BITS = 21        # bigrams of characters that a rule joins; 256 KB

cdef struct Pattern:
    # A rule of which one part begins or ends inside a character: the last bytes of the character before the joint, at
    # the top of 32 bits, and the first bytes of the one after it, at the bottom, with masks of the bytes that count.
    uint32_t before
    uint32_t before_mask
    uint32_t after
    uint32_t after_mask

cdef struct WholeToken:
    # A token that merging its bytes does not give, found only as a whole pretoken; length 0 marks an empty slot.
    uint64_t hash
    uint32_t id
    uint32_t length
    uint64_t offset         # in the tokens' bytes

cdef struct Rules:
    PairRanks pairs
    uint32_t* result        # rank -> id
    uint32_t* square        # [256 * 256] rank of two bytes
    uint32_t n_rules
    uint32_t byte_id[256]
    uint32_t last_id[256]   # of the last byte of a pretoken; differs only with an end-of-word suffix
    uint32_t unk_id         # for bytes without an id, or NO_ID
    bint fuse_unk
    bint has_suffix
    bint all_bytes          # every byte has an id, or the unknown token stands for it
    # Cut filter.
    bint cuts
    uint32_t* bitmap
    uint32_t* guard         # [2^16] bits by (last byte, first byte): a pattern that the bitmap does not cover
    uint32_t* any_pattern   # the same for all patterns
    Pattern* patterns       # sorted by (last byte, first byte)
    uint32_t* pattern_start     # [2^16 + 1]
    # Merging may start from whole characters.
    uint32_t* char_id       # [2^16] id of a character of the BMP, or NO_ID
    # Tokens that only a whole-pretoken look-up finds.
    bint whole_first
    WholeToken* whole
    uint32_t whole_mask     # slots - 1
    uint32_t whole_longest
    const uint8_t* blob
    const uint32_t* offsets
    uint32_t n_ids
    # Merging starts from characters, as in SentencePiece (_sp_rules); NULL: from bytes.
    const uint16_t* pages   # [0x110000 / 64] which 64 code points of `symbols`
    const uint32_t* symbols     # [pages * 64] symbol of a code point, or NO_ID
    const uint32_t* last_equal  # rank -> the last rank of the same score; NULL: no two have one
    const uint32_t* odd_start   # symbols from n_ids on are no ids: those of n_ids + k are odd_ids[odd_start[k]:...]
    const uint32_t* odd_ids
    bint byte_fallback      # what has no symbol becomes byte_id of its bytes, else unk_id
    bint fold_blanks        # a blank stands for U+2581
    bint before_blanks      # nothing but a blank is joined to a blank behind it

cdef class EncodeRules:
    cdef Rules rules
    cdef object _blob
    cdef object _offsets
    cdef void* _arena        # all tables but the last two kinds
    cdef size_t _arena_bytes
    cdef size_t _pattern_bytes
    cdef size_t _whole_bytes
    cdef bint frozen
    cdef int _lay_out(self, size_t pair_bytes) except -1
    cdef int _build_pairs(self, const uint32_t[::1] left, const uint32_t[::1] right, const uint32_t[::1] new) except -1
    cdef int _build_filter(self, const uint32_t[::1] left, const uint32_t[::1] right) except -1
    cdef int _build_chars(self, uint32_t* completed) noexcept nogil

# Bytes of the tables that lie in one piece.
cdef size_t table_bytes(const Rules* r) noexcept nogil
cdef uint32_t find_whole(const Rules* r, const uint8_t* t, size_t n) noexcept nogil
cdef bint may_cross(const Rules* r, const uint8_t* x, unsigned nx, const uint8_t* y, unsigned ny) noexcept nogil
# x, y: raw characters on both sides of a joint, x at the top of 32 bits; g: last byte of x and first of y.
cdef bint pattern_crosses(const Rules* r, uint32_t g, uint32_t x, uint32_t y) noexcept nogil
# Symbols to start merging from when whole characters will do, at most `most`; 0 if it must start from bytes.
cdef size_t start_from_chars(const Rules* r, const uint8_t* t, size_t n, uint32_t* symbols, size_t most) noexcept nogil
