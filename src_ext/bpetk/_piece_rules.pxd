"""Pieces: the UTF-8 of every symbol, whether two of them may be joined, and which of two pairs comes first."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    LONGEST_PIECE = 8192            # in code points: bytes and code points are kept in 16 bits

cdef enum:
    # Flags of a shape, its lowest byte.
    MAY_LEAD = 1                    # its blanks (U+2581) allow more text behind it
    MAY_FOLLOW = 2                  # ... or before it
    BLANK = 4                       # nothing but U+2581
    OPEN = 8                        # no character has a script of its own: what stands before it decides

cdef struct Piece:
    uint64_t at                     # of its UTF-8 in `bytes`
    uint16_t n_bytes
    uint16_t n_chars
    # Flags, then script that the first character with one has, then the script after the last character: a byte each;
    # script 0 goes with all.
    uint32_t shape

cdef enum BlankRule:
    BLANK_FIRST                     # a blank is a piece's first character
    BLANK_NOT_LAST
    BLANK_LAST
    BLANK_NOT_FIRST

cdef struct Pieces:
    Piece* of                       # by id; NULL: symbols are bytes, and none of this applies
    uint8_t* bytes
    uint64_t used
    uint64_t room
    uint64_t n_ids
    uint32_t max_length             # in code points
    BlankRule blanks
    uint32_t blank_mask             # BLANK if pieces of blanks alone are allowed, else 0

# Set what pieces may look like; ValueError for a length that is not from 1 to LONGEST_PIECE.
cdef int set_rules(
    Pieces* p, int max_length, bint split_by_whitespace, bint suffix, bint whitespace_only
) except -1
# Add the n characters of an alphabet as ids 0..n-1; False when memory is out. scripts: by code point, 0 for characters
# that take the one before them; NULL: no matter. The rules are set before.
cdef bint pieces_init(
    Pieces* p, uint64_t n_ids, const uint32_t* characters, uint64_t n, const uint8_t* scripts, bint digits_are_open
) noexcept nogil
cdef void pieces_release(Pieces* p) noexcept nogil
# Make z the piece a b; False when memory is out.
cdef bint pieces_add(Pieces* p, uint32_t z, uint32_t a, uint32_t b) noexcept nogil
# Whether piece z is spelled as a b.
cdef bint piece_is(const Pieces* p, uint32_t z, uint32_t a, uint32_t b) noexcept nogil
# Pairs are left id << 32 | right id. Order: fewer code points, smaller UTF-8 of both parts together.
cdef int compare_pairs(const Pieces* p, uint64_t x, uint64_t y) noexcept nogil
# The start of a pair's place in that order, below 2**63: equal where it says nothing.
cdef uint64_t pair_order(const Pieces* p, uint64_t key) noexcept nogil
# Equal strings are sorted by key. False when memory is out.
cdef bint sort_pairs(const Pieces* p, uint64_t* keys, uint64_t n) noexcept nogil
cdef str piece_text(const Pieces* p, uint32_t id)


cdef inline bint is_digit(uint32_t c) noexcept nogil:
    """ASCII and full-width digits."""
    return c"0" <= c <= c"9" or 0xFF10 <= c <= 0xFF19


cdef inline bint may_join(const Pieces* p, uint32_t x, uint32_t y) noexcept nogil:
    """Whether x y is a valid piece, if x and y are."""
    cdef uint32_t a = p.of[x].shape, b = p.of[y].shape, script = a >> 16, first = (b >> 8) & 0xFF
    if <uint32_t>p.of[x].n_chars + p.of[y].n_chars > p.max_length:
        return False
    if script != first and script != 0 and first != 0:
        return False
    return ((a & MAY_LEAD) != 0 and (b & MAY_FOLLOW) != 0) or (a & b & p.blank_mask) != 0
