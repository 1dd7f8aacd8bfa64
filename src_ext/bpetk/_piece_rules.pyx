# cython: auto_pickle=False
"""Which strings may be pieces, decided from two parts; and the order of pairs that occur equally often.

Every rule of a valid piece is one of: a length; where blanks (U+2581) stand; that all characters share a script, where
some characters have none and take the one before them, and some (digits, if asked for) let anything follow. Each can be
told from a few facts about both parts, so a pair is checked without looking at its characters. Reference twin: is_valid
in bpetk/reference/sp_train.py."""

from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcmp, memcpy
from libcpp.algorithm cimport sort
from libcpp.pair cimport pair

from bpetk._native cimport mem_alloc, mem_free

cdef enum:
    CODE_POINTS = 0x110000
    BLANK_MARK = 0x2581
    HEAD_BYTES = 14         # of a string that stand in an entry beside its length
    STEP_BYTES = 16         # and of its continuation

# What is sorted: (length and 6 bytes, (8 bytes, key)).
ctypedef pair[uint64_t, uint64_t] EntryEnd
ctypedef pair[uint64_t, EntryEnd] Entry


# ---------------------------------------------------------------------------------------------------------------------
# Making pieces.


cdef inline uint32_t put_utf8(uint32_t c, uint8_t* out) noexcept nogil:
    if c < 0x80:
        out[0] = <uint8_t>c
        return 1
    if c < 0x800:
        out[0] = <uint8_t>(0xC0 | c >> 6)
        out[1] = <uint8_t>(0x80 | c & 0x3F)
        return 2
    if c < 0x10000:
        out[0] = <uint8_t>(0xE0 | c >> 12)
        out[1] = <uint8_t>(0x80 | c >> 6 & 0x3F)
        out[2] = <uint8_t>(0x80 | c & 0x3F)
        return 3
    out[0] = <uint8_t>(0xF0 | c >> 18)
    out[1] = <uint8_t>(0x80 | c >> 12 & 0x3F)
    out[2] = <uint8_t>(0x80 | c >> 6 & 0x3F)
    out[3] = <uint8_t>(0x80 | c & 0x3F)
    return 4


cdef inline uint32_t character_shape(const Pieces* p, uint32_t c, uint32_t script, bint open_digit) noexcept nogil:
    if c == BLANK_MARK:
        return BLANK | OPEN | (MAY_LEAD if p.blanks == BLANK_FIRST or p.blanks == BLANK_NOT_LAST else MAY_FOLLOW)
    if open_digit:
        return MAY_LEAD | MAY_FOLLOW
    return MAY_LEAD | MAY_FOLLOW | (script << 8 | script << 16 if script else <uint32_t>OPEN)


cdef inline uint32_t joined_shape(const Pieces* p, uint32_t a, uint32_t b) noexcept nogil:
    cdef uint32_t flags = a & b & (BLANK | OPEN), first = a if not a & OPEN else b, last = b if not b & OPEN else a
    # INVARIANT: with BLANK_FIRST, MAY_FOLLOW means that there is no blank; with BLANK_LAST, MAY_LEAD does.
    if p.blanks == BLANK_FIRST:
        flags |= MAY_LEAD if a & MAY_LEAD and b & MAY_FOLLOW else 0
        flags |= a & b & MAY_FOLLOW
    elif p.blanks == BLANK_LAST:
        flags |= MAY_FOLLOW if a & MAY_LEAD and b & MAY_FOLLOW else 0
        flags |= a & b & MAY_LEAD
    else:
        flags |= a & MAY_LEAD | b & MAY_FOLLOW
    return flags | first & 0xFF00 | last & 0xFF0000


cdef int set_rules(
    Pieces* p, int max_length, bint split_by_whitespace, bint suffix, bint whitespace_only
) except -1:
    if not 1 <= max_length <= LONGEST_PIECE:
        raise ValueError(f"max_length must be from 1 to {LONGEST_PIECE}, got {max_length}")
    p.max_length = max_length
    p.blank_mask = BLANK if whitespace_only else 0
    if split_by_whitespace:
        p.blanks = BLANK_LAST if suffix else BLANK_FIRST
    else:
        p.blanks = BLANK_NOT_FIRST if suffix else BLANK_NOT_LAST
    return 0


cdef bint reserve(Pieces* p, uint64_t n) noexcept nogil:
    cdef void* grown
    if p.used + n > p.room:
        grown = realloc(p.bytes, (p.used + n) * 2 + 4096)
        if grown == NULL:
            return False
        p.bytes = <uint8_t*>grown
        p.room = (p.used + n) * 2 + 4096
    return True


cdef bint pieces_init(
    Pieces* p, uint64_t n_ids, const uint32_t* characters, uint64_t n, const uint8_t* scripts, bint digits_are_open
) noexcept nogil:
    cdef uint64_t i
    cdef uint32_t c
    cdef Piece* piece
    p.n_ids = n_ids
    p.of = <Piece*>mem_alloc(n_ids * sizeof(Piece))
    if p.of == NULL or not reserve(p, n * 4):
        return False
    for i in range(n):
        c = characters[i]
        piece = &p.of[i]
        piece.at = p.used
        piece.n_chars = 1
        piece.n_bytes = <uint16_t>put_utf8(c, p.bytes + p.used)
        piece.shape = character_shape(
            p, c, scripts[c] if scripts != NULL else 0, digits_are_open and is_digit(c)
        )
        p.used += piece.n_bytes
    return True


cdef void pieces_release(Pieces* p) noexcept nogil:
    mem_free(p.of, p.n_ids * sizeof(Piece))
    free(p.bytes)
    p.of = NULL
    p.bytes = NULL


cdef bint pieces_add(Pieces* p, uint32_t z, uint32_t a, uint32_t b) noexcept nogil:
    cdef Piece* piece = &p.of[z]
    piece.n_chars = <uint16_t>(p.of[a].n_chars + p.of[b].n_chars)
    piece.n_bytes = <uint16_t>(p.of[a].n_bytes + p.of[b].n_bytes)
    piece.shape = joined_shape(p, p.of[a].shape, p.of[b].shape)
    if not reserve(p, piece.n_bytes):
        return False
    piece.at = p.used
    memcpy(p.bytes + p.used, p.bytes + p.of[a].at, p.of[a].n_bytes)
    memcpy(p.bytes + p.used + p.of[a].n_bytes, p.bytes + p.of[b].at, p.of[b].n_bytes)
    p.used += piece.n_bytes
    return True


cdef bint piece_is(const Pieces* p, uint32_t z, uint32_t a, uint32_t b) noexcept nogil:
    cdef const Piece* whole = &p.of[z]
    cdef uint64_t n = p.of[a].n_bytes
    if whole.n_bytes != n + p.of[b].n_bytes:
        return False
    return (
        memcmp(p.bytes + whole.at, p.bytes + p.of[a].at, n) == 0
        and memcmp(p.bytes + whole.at + n, p.bytes + p.of[b].at, p.of[b].n_bytes) == 0
    )


# ---------------------------------------------------------------------------------------------------------------------
# Order.


cdef inline uint64_t big_endian(const uint8_t* p) noexcept nogil:
    cdef uint64_t x = 0
    cdef int i
    for i in range(8):
        x = x << 8 | p[i]
    return x


cdef inline uint32_t bytes_of_pair(const Pieces* p, uint64_t key) noexcept nogil:
    return <uint32_t>p.of[key >> 32].n_bytes + p.of[<uint32_t>key].n_bytes


cdef inline void text_at(const Pieces* p, uint64_t key, uint32_t depth, uint64_t* two_out) noexcept nogil:
    """Sixteen bytes of a pair's string from `depth` as two big-endian numbers; zeros behind its end."""
    cdef const Piece* a = &p.of[key >> 32]
    cdef const Piece* b = &p.of[<uint32_t>key]
    cdef uint8_t text[16]
    cdef uint32_t i = 0, k, n = a.n_bytes
    cdef const uint8_t* s = p.bytes + a.at
    for k in range(depth, n):
        if i == 16:
            break
        text[i] = s[k]
        i += 1
    s = p.bytes + b.at
    for k in range(depth - n if depth > n else 0, b.n_bytes):
        if i == 16:
            break
        text[i] = s[k]
        i += 1
    while i < 16:
        text[i] = 0
        i += 1
    two_out[0] = big_endian(text)
    two_out[1] = big_endian(text + 8)


cdef inline uint32_t load_entry(const Pieces* p, uint64_t key, uint32_t depth, Entry* out) noexcept nogil:
    """Make an entry of what stands at `depth`; how far it reaches."""
    cdef uint64_t two[2]
    text_at(p, key, depth, two)
    if depth:
        out.first = two[0]
        out.second.first = two[1]
        depth += STEP_BYTES
    else:
        out.first = <uint64_t>(<uint32_t>p.of[key >> 32].n_chars + p.of[<uint32_t>key].n_chars) << 48 | two[0] >> 16
        out.second.first = two[0] << 48 | two[1] >> 16
        depth = HEAD_BYTES
    out.second.second = key
    return depth


cdef uint64_t pair_order(const Pieces* p, uint64_t key) noexcept nogil:
    cdef Entry entry
    load_entry(p, key, 0, &entry)
    return entry.first


cdef int compare_pairs(const Pieces* p, uint64_t x, uint64_t y) noexcept nogil:
    cdef Entry a, b
    cdef uint32_t at = 0, depth = 0, end = bytes_of_pair(p, x)
    while True:
        at = load_entry(p, x, depth, &a)
        load_entry(p, y, depth, &b)
        if a.first != b.first:
            return -1 if a.first < b.first else 1
        if a.second.first != b.second.first:
            return -1 if a.second.first < b.second.first else 1
        # Strings of as many characters that agree up to the end of one of them are equal.
        if at >= end:
            return 0
        depth = at


cdef void refine(const Pieces* p, Entry* entries, uint64_t n, uint32_t depth) noexcept nogil:
    """Sort each run of entries that are equal up to `depth` by what follows; recursion goes with their length."""
    cdef uint64_t i = 0, j, k
    cdef uint32_t reach = 0
    while i < n:
        j = i + 1
        while j < n and entries[j].first == entries[i].first and entries[j].second.first == entries[i].second.first:
            j += 1
        if j - i > 1 and bytes_of_pair(p, entries[i].second.second) > depth:
            for k in range(i, j):
                reach = load_entry(p, entries[k].second.second, depth, &entries[k])
            sort(entries + i, entries + j)
            refine(p, entries + i, j - i, reach)
        i = j


cdef bint sort_pairs(const Pieces* p, uint64_t* keys, uint64_t n) noexcept nogil:
    cdef Entry* entries
    cdef uint64_t i
    if n < 2:
        return True
    entries = <Entry*>malloc(n * sizeof(Entry))
    if entries == NULL:
        return False
    for i in range(n):
        load_entry(p, keys[i], 0, &entries[i])
    sort(entries, entries + n)
    refine(p, entries, n, HEAD_BYTES)
    for i in range(n):
        keys[i] = entries[i].second.second
    free(entries)
    return True


# ---------------------------------------------------------------------------------------------------------------------
# For Python.


cdef str piece_text(const Pieces* p, uint32_t id):
    return PyUnicode_DecodeUTF8(<const char*>p.bytes + p.of[id].at, p.of[id].n_bytes, NULL)


cdef class PieceTable:
    """The rules on their own, to look at and to test: characters have the ids 0, 1, ..., then each piece that is added.

    The arguments are those of :meth:`bpetk._trainer.MergeLoop.of_characters`.
    """

    cdef Pieces pieces
    cdef uint64_t n

    def __cinit__(
        self, list characters not None, *, uint64_t room, const uint8_t[::1] scripts=None, int max_length=16,
        bint split_by_whitespace=True, bint suffix=False, bint whitespace_only=False, bint split_by_number=True,
    ):
        cdef uint32_t* codes
        cdef uint64_t i
        self.n = len(characters)
        if scripts is not None and scripts.shape[0] != CODE_POINTS:
            raise ValueError(f"scripts must be of {CODE_POINTS} code points, got {scripts.shape[0]}")
        set_rules(&self.pieces, max_length, split_by_whitespace, suffix, whitespace_only)
        codes = <uint32_t*>mem_alloc(self.n * 4)
        try:
            if codes == NULL:
                raise MemoryError()
            for i in range(self.n):
                codes[i] = characters[i]
            if not pieces_init(
                &self.pieces, self.n + room, codes, self.n, &scripts[0] if scripts is not None else NULL,
                not split_by_number
            ):
                raise MemoryError()
        finally:
            mem_free(codes, self.n * 4)

    def __dealloc__(self):
        pieces_release(&self.pieces)

    cdef uint64_t key(self, a, b) except? 0:
        if not 0 <= a < self.n or not 0 <= b < self.n:
            raise IndexError(f"ids must be below {self.n}, got {a} and {b}")
        return <uint64_t>a << 32 | <uint64_t>b

    def may_join(self, a, b):
        """Whether the pieces a and b together are a valid piece."""
        self.key(a, b)
        return may_join(&self.pieces, a, b)

    def add(self, a, b):
        """Make a piece of two; its id."""
        self.key(a, b)
        if self.n == self.pieces.n_ids:
            raise IndexError(f"there is room for {self.n} pieces only")
        if not pieces_add(&self.pieces, <uint32_t>self.n, a, b):
            raise MemoryError()
        self.n += 1
        return self.n - 1

    def text(self, id):
        """The string of a piece."""
        self.key(id, id)
        return piece_text(&self.pieces, id)

    def compare(self, x, y):
        """-1, 0 or 1: which of two pairs of ids comes first among those that occur equally often."""
        return compare_pairs(&self.pieces, self.key(x[0], x[1]), self.key(y[0], y[1]))

    def sort(self, pairs):
        """Put pairs of ids into that order, those of equal strings by their ids."""
        cdef list given = list(pairs)
        cdef uint64_t n = len(given), i
        cdef uint64_t* keys = <uint64_t*>mem_alloc(n * 8)
        cdef bint fine
        try:
            if keys == NULL:
                raise MemoryError()
            for i in range(n):
                keys[i] = self.key(given[i][0], given[i][1])
            with nogil:
                fine = sort_pairs(&self.pieces, keys, n)
            if not fine:
                raise MemoryError()
            return [(keys[i] >> 32, <uint32_t>keys[i]) for i in range(n)]
        finally:
            mem_free(keys, n * 8)
