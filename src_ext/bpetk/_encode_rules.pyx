"""Tables for encoding, from a model's merges: pair ranks, the filter that says where no merge can cross, and the ids
of characters.

The cut filter. A merge joins two symbols; if no rule's joint can lie between two characters of a pretoken, what
stands on both sides is merged as if it stood alone, and in any order. A rule (A, B) whose A ends and whose B begins
with a whole character allows the joint of these two characters; one that begins or ends inside a character allows
every joint of characters with those bytes. Bitmap collisions only keep a joint, so the filter is exact.

Starting from characters. A character that is a token can stand for its bytes from the start if every rule that joins
it to something ranks after the last rule that makes it, and no rule with a part of it can fire. Characters for which
this does not hold start from bytes. No order of the rule list as a whole is needed.
"""

import os

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from bpetk._native cimport (
    hash_bytes, kFirstMultiplier, kNoRank, mem_alloc, mem_alloc_now, mem_free, pair_insert, pair_rank, utf8_first_error,
)

cdef enum:
    MOST_IDS = 2097151          # 2^21 - 1: a pair and its rank share 64 bits
    BITMAP_BYTES = 262144 + 64
    GUARD_BYTES = 8192
    HUGE = 2097152              # a huge page


cdef inline bint is_continuation(uint8_t b) noexcept nogil:
    return b & 0xC0 == 0x80


cdef inline unsigned char_length(uint8_t b) noexcept nogil:
    """Length that a first byte announces."""
    return 1 if b < 0x80 else 2 if b < 0xE0 else 3 if b < 0xF0 else 4


cdef inline uint32_t raw_char(const uint8_t* t, unsigned n) noexcept nogil:
    """A character's bytes as a little-endian number."""
    cdef uint32_t v = t[0]
    if n > 1:
        v |= <uint32_t>t[1] << 8
    if n > 2:
        v |= <uint32_t>t[2] << 16
    if n > 3:
        v |= <uint32_t>t[3] << 24
    return v


cdef inline uint32_t bigram_slot(uint32_t x, uint32_t y) noexcept nogil:
    return (x * <uint32_t>0x9E3779B1 + y * <uint32_t>0x85EBCA6B) >> (32 - BITMAP_BITS)


cdef inline void set_bit(uint32_t* bits, uint32_t k) noexcept nogil:
    bits[k >> 5] |= <uint32_t>1 << (k & 31)


cdef inline bint get_bit(const uint32_t* bits, uint32_t k) noexcept nogil:
    return bits[k >> 5] >> (k & 31) & 1


cdef inline void allow(Rules* r, const uint8_t* x, unsigned nx, const uint8_t* y, unsigned ny) noexcept nogil:
    set_bit(r.bitmap, bigram_slot(raw_char(x, nx), raw_char(y, ny)))


cdef bint pattern_crosses(const Rules* r, uint32_t g, uint32_t x, uint32_t y) noexcept nogil:
    # A character shorter than a pattern has zeros where the pattern has bytes, which are not zero.
    cdef uint32_t k
    cdef const Pattern* p
    for k in range(r.pattern_start[g], r.pattern_start[g + 1]):
        p = &r.patterns[k]
        if x & p.before_mask == p.before and y & p.after_mask == p.after:
            return True
    return False


cdef bint may_cross(const Rules* r, const uint8_t* x, unsigned nx, const uint8_t* y, unsigned ny) noexcept nogil:
    """Whether a rule may join something across the joint of the characters x and y."""
    cdef uint32_t g = <uint32_t>x[nx - 1] << 8 | y[0]
    cdef uint32_t raw_x = raw_char(x, nx), raw_y = raw_char(y, ny)
    if get_bit(r.bitmap, bigram_slot(raw_x, raw_y)):
        return True
    return get_bit(r.guard, g) and pattern_crosses(r, g, raw_x << (32 - 8 * nx), raw_y)


cdef size_t start_from_chars(const Rules* r, const uint8_t* t, size_t n, uint32_t* symbols, size_t most) noexcept nogil:
    cdef size_t i = 0, k = 0, before = 0
    cdef unsigned length, length_before = 0
    cdef uint32_t id, g
    while i < n:
        length = char_length(t[i])
        if k == most or length > n - i or length == 4 or is_continuation(t[i]):
            return 0
        if length == 1:
            id = r.byte_id[t[i]]
        elif length == 2:
            id = r.char_id[(t[i] & 31) << 6 | (t[i + 1] & 63)]
        else:
            id = r.char_id[(t[i] & 15) << 12 | (t[i + 1] & 63) << 6 | (t[i + 2] & 63)]
        if id == NO_ID:
            return 0
        if k and length_before + length > 2:
            g = <uint32_t>t[i - 1] << 8 | t[i]
            if get_bit(r.any_pattern, g) and pattern_crosses(
                r, g, raw_char(t + before, length_before) << (32 - 8 * length_before), raw_char(t + i, length)
            ):
                return 0
        symbols[k] = id
        k += 1
        before, length_before = i, length
        i += length
    return k


cdef size_t table_bytes(const Rules* r) noexcept nogil:
    return BITMAP_BYTES + 2 * GUARD_BYTES + 65600 * 4 + 2 * 65536 * 4 + <size_t>r.pairs.buckets * 64 + \
        ((<size_t>r.n_rules + 16) & ~<size_t>15) * 4


cdef uint32_t find_whole(const Rules* r, const uint8_t* t, size_t n) noexcept nogil:
    cdef uint64_t h
    cdef size_t k
    if not r.whole_first or n > r.whole_longest:
        return NO_ID
    h = hash_bytes(t, n)
    k = h & r.whole_mask
    while r.whole[k].length:
        if r.whole[k].hash == h and r.whole[k].length == n and memcmp(r.blob + r.whole[k].offset, t, n) == 0:
            return r.whole[k].id
        k = (k + 1) & r.whole_mask
    return NO_ID


cdef class EncodeRules:
    """Immutable tables of one model.

    blob, offsets: bytes of all tokens by id, uint32 offsets [n_ids + 1]. byte_ids, last_ids: int64 [256], -1 for none.
    left, right, new: uint32 by rank.
    """

    def __cinit__(self):
        memset(&self.rules, 0, sizeof(Rules))
        self._arena_bytes = self._pattern_bytes = self._whole_bytes = 0
        self._arena = NULL

    def __init__(
        self, blob, offsets, byte_ids, last_ids, const uint32_t[::1] left, const uint32_t[::1] right,
        const uint32_t[::1] new, *, object unk_id=None, bint fuse_unk=False,
    ):
        cdef Rules* r = &self.rules
        cdef const uint8_t[::1] bytes_view
        cdef const uint32_t[::1] offsets_view = offsets
        cdef int b
        cdef bint missing = False
        if self.frozen:
            raise TypeError("EncodeRules is immutable")
        self.frozen = True
        if left.shape[0] != right.shape[0] or left.shape[0] != new.shape[0]:
            raise ValueError("left, right and new differ in length")
        if left.shape[0] > MOST_IDS or offsets_view.shape[0] - 1 > MOST_IDS:
            raise ValueError(f"more than {MOST_IDS} merges or ids")
        self._blob, self._offsets = bytes(blob), offsets_view
        if offsets_view.shape[0] == 0 or offsets_view[0] or \
                offsets_view[offsets_view.shape[0] - 1] != <size_t>len(self._blob):
            raise ValueError("offsets do not fit the tokens' bytes")
        for b in range(offsets_view.shape[0] - 1):
            if offsets_view[b] > offsets_view[b + 1]:
                raise ValueError("offsets do not fit the tokens' bytes")
        r.n_ids = offsets_view.shape[0] - 1
        r.n_rules = left.shape[0]
        r.offsets = &offsets_view[0]
        if len(self._blob):
            bytes_view = self._blob
            r.blob = &bytes_view[0]
        for b in range(256):
            r.byte_id[b] = self._checked(byte_ids[b])
            r.last_id[b] = self._checked(last_ids[b])
            r.has_suffix |= r.byte_id[b] != r.last_id[b]
            missing |= r.byte_id[b] == NO_ID or r.last_id[b] == NO_ID
        r.unk_id = NO_ID if unk_id is None else self._checked(unk_id)
        r.fuse_unk = fuse_unk
        r.all_bytes = not missing or r.unk_id != NO_ID
        # A run of unknown bytes is one token however characters fall, and the suffix marks a pretoken's end.
        r.cuts = not r.has_suffix and r.unk_id == NO_ID
        self._build_pairs(left, right, new)
        self._build_filter(left, right)

    def __dealloc__(self):
        cdef Rules* r = &self.rules
        mem_free(self._arena, self._arena_bytes)
        mem_free(r.patterns, self._pattern_bytes)
        mem_free(r.whole, self._whole_bytes)

    def _checked(self, id):
        if id is None or id < 0:
            return 0xFFFFFFFF   # NO_ID
        if id >= self.rules.n_ids:
            raise ValueError(f"id {id} has no bytes")
        return id

    cdef int _lay_out(self, size_t pair_bytes) except -1:
        """Give all tables of known size their place in one piece of memory."""
        cdef Rules* r = &self.rules
        cdef uint8_t* at
        self._arena_bytes = table_bytes(r)
        if self._arena_bytes > HUGE // 2:
            # Tables of this size are worth huge pages: look-ups in them are at random.
            self._arena_bytes = max(self._arena_bytes, <size_t>2 * HUGE)
        self._arena = mem_alloc_now(self._arena_bytes, True)
        if self._arena == NULL:
            raise MemoryError
        at = <uint8_t*>self._arena
        r.bitmap = <uint32_t*>at
        at += BITMAP_BYTES
        r.guard = <uint32_t*>at
        at += GUARD_BYTES
        r.any_pattern = <uint32_t*>at
        at += GUARD_BYTES
        r.pattern_start = <uint32_t*>at
        at += 65600 * 4
        r.square = <uint32_t*>at
        at += 65536 * 4
        r.char_id = <uint32_t*>at
        at += 65536 * 4
        r.pairs.slots = <uint64_t*>at
        at += pair_bytes
        r.result = <uint32_t*>at
        return 0

    cdef int _build_pairs(
        self, const uint32_t[::1] left, const uint32_t[::1] right, const uint32_t[::1] new
    ) except -1:
        cdef Rules* r = &self.rules
        cdef uint32_t k, a, b, rank, n = r.n_ids
        cdef bint fits
        r.pairs.buckets = <uint32_t>(r.n_rules / 4) + 1
        self._lay_out(<size_t>r.pairs.buckets * 64)
        memset(r.square, 0xFF, 65536 * 4)
        for rank in range(r.n_rules):
            a, b, k = left[rank], right[rank], new[rank]
            if a >= n or b >= n or k >= n:
                raise ValueError(f"merge {rank} uses an id without bytes")
            if a == r.unk_id or b == r.unk_id:
                raise ValueError(f"merge {rank} merges the unknown token")
            if r.offsets[a + 1] - r.offsets[a] + r.offsets[b + 1] - r.offsets[b] != r.offsets[k + 1] - r.offsets[k]:
                # A merge whose bytes do not add up can only be one that no text reaches.
                r.cuts = False
            r.result[rank] = k
        r.pairs.multiplier = kFirstMultiplier
        while True:
            fits = True
            memset(r.pairs.slots, 0xFF, <size_t>r.pairs.buckets * 64)
            for rank in range(r.n_rules):
                fits = pair_insert(r.pairs, left[rank], right[rank], rank)
                if not fits:
                    break
            if fits:
                break
            # A list of merges that was made to collide; it cannot foresee this one.
            r.pairs.multiplier = <uint64_t>int.from_bytes(os.urandom(8), "little") | 1
        for a in range(256):
            if r.byte_id[a] == NO_ID:
                continue
            for b in range(256):
                if r.byte_id[b] != NO_ID:
                    r.square[a << 8 | b] = pair_rank(r.pairs, r.byte_id[a], r.byte_id[b])
        return 0

    cdef int _build_chars(self, uint32_t* completed) noexcept nogil:
        """Fill char_id for the characters that merging their bytes alone gives as one token; completed: the highest
        rank used on the way."""
        cdef Rules* r = &self.rules
        cdef uint32_t id, cp, rank, best
        cdef uint32_t[4] s
        cdef unsigned n, i, at, length
        cdef const uint8_t* t
        for id in range(r.n_ids):
            length = <unsigned>(r.offsets[id + 1] - r.offsets[id])
            if length != 2 and length != 3:
                continue
            t = r.blob + r.offsets[id]
            if char_length(t[0]) != length or is_continuation(t[0]) or utf8_first_error(t, length) != length:
                continue
            if length == 2:
                cp = (t[0] & 31) << 6 | (t[1] & 63)
            else:
                cp = (t[0] & 15) << 12 | (t[1] & 63) << 6 | (t[2] & 63)
            n, rank = length, 0
            for i in range(length):
                s[i] = r.byte_id[t[i]]
                if s[i] == NO_ID:
                    n = 0
            while n > 1:
                best = kNoRank
                at = 0
                for i in range(n - 1):
                    if pair_rank(r.pairs, s[i], s[i + 1]) < best:
                        best = pair_rank(r.pairs, s[i], s[i + 1])
                        at = i
                if best == kNoRank:
                    break
                s[at] = r.result[best]
                rank = max(rank, best)
                n -= 1
                for i in range(at + 1, n):
                    s[i] = s[i + 1]
            if n == 1:
                r.char_id[cp] = s[0]
                completed[cp] = rank
        return 0

    cdef int _build_filter(self, const uint32_t[::1] left, const uint32_t[::1] right) except -1:
        cdef Rules* r = &self.rules
        cdef uint32_t* completed = <uint32_t*>PyMem_Malloc(65536 * 4)
        cdef uint32_t rank, cp, z, g, side, k
        cdef size_t na, nb, i, j
        cdef unsigned lb, lc, nx, ny
        cdef uint32_t used
        cdef const uint8_t* a
        cdef const uint8_t* b
        cdef const uint8_t* t
        cdef bint whole_a, whole_b
        cdef Pattern p
        cdef size_t n_patterns = 0, room = 1024
        cdef uint8_t[4] y
        cdef Pattern* more
        cdef Pattern* found = NULL
        found = <Pattern*>PyMem_Malloc(room * sizeof(Pattern))
        try:
            if completed == NULL or found == NULL:
                raise MemoryError
            memset(r.char_id, 0xFF, 65536 * 4)
            if r.cuts:
                self._build_chars(completed)
            for rank in range(r.n_rules if r.cuts else 0):
                a = r.blob + r.offsets[left[rank]]
                b = r.blob + r.offsets[right[rank]]
                na = r.offsets[left[rank] + 1] - r.offsets[left[rank]]
                nb = r.offsets[right[rank] + 1] - r.offsets[right[rank]]
                if na == 0 or nb == 0 or is_continuation(b[0]):
                    continue        # no joint of characters
                i = na
                while i > 0 and is_continuation(a[i - 1]):
                    i -= 1
                # i: behind the last first byte of A, 0 if there is none
                whole_a = i > 0 and i - 1 + char_length(a[i - 1]) == na
                if i > 0 and not whole_a:
                    continue        # half a character and then another: not in UTF-8
                lb = char_length(b[0])
                whole_b = lb <= nb
                if whole_a:
                    i -= 1
                if na - i > 4:
                    continue
                if whole_a and whole_b:
                    allow(r, a + i, <unsigned>(na - i), b, lb)
                else:
                    nx, ny = <unsigned>(na - i), <unsigned>min(<size_t>lb, nb)
                    p.before = raw_char(a + i, nx) << (32 - 8 * nx)
                    p.before_mask = <uint32_t>0xFFFFFFFF << (32 - 8 * nx)
                    p.after = raw_char(b, ny)
                    p.after_mask = <uint32_t>0xFFFFFFFF >> (32 - 8 * ny)
                    g = <uint32_t>a[na - 1] << 8 | b[0]
                    set_bit(r.any_pattern, g)
                    if whole_a and nb == 2 and lb == 3:
                        # All characters that begin so are 64: bits in the bitmap, which is asked anyway.
                        y[0], y[1] = b[0], b[1]
                        for z in range(0x80, 0xC0):
                            y[2] = <uint8_t>z
                            allow(r, a + i, <unsigned>(na - i), y, 3)
                    else:
                        set_bit(r.guard, g)
                    if n_patterns == room:
                        room *= 2
                        more = <Pattern*>PyMem_Malloc(room * sizeof(Pattern))
                        if more == NULL:
                            raise MemoryError
                        memcpy(more, found, n_patterns * sizeof(Pattern))
                        PyMem_Free(found)
                        found = more
                    found[n_patterns] = p
                    n_patterns += 1
                for side in range(2):
                    t, j = (a, na) if side == 0 else (b, nb)
                    i = 0
                    while i < j:
                        lc = char_length(t[i])
                        if is_continuation(t[i]):
                            i += 1
                            continue
                        if i + lc > j:
                            break
                        if lc == 2 or lc == 3:
                            if lc == 2:
                                cp = (t[i] & 31) << 6 | (t[i + 1] & 63)
                            else:
                                cp = (t[i] & 15) << 12 | (t[i + 1] & 63) << 6 | (t[i + 2] & 63)
                            if r.char_id[cp] != NO_ID and completed[cp] >= rank:
                                r.char_id[cp] = NO_ID
                        i += lc
            # Patterns by (last byte, first byte): a counting sort.
            self._pattern_bytes = (n_patterns + 1) * sizeof(Pattern)
            r.patterns = <Pattern*>mem_alloc(self._pattern_bytes)
            if r.patterns == NULL:
                raise MemoryError
            for k in range(n_patterns):
                g = found[k].before >> 24 << 8 | (found[k].after & 0xFF)
                r.pattern_start[g + 1] += 1
            for g in range(65536):
                r.pattern_start[g + 1] += r.pattern_start[g]
            for k in range(n_patterns):
                g = found[k].before >> 24 << 8 | (found[k].after & 0xFF)
                used = r.pattern_start[g]
                r.patterns[used] = found[k]
                r.pattern_start[g] = used + 1
            for g in range(65536, 0, -1):
                r.pattern_start[g] = r.pattern_start[g - 1]
            r.pattern_start[0] = 0
        finally:
            PyMem_Free(completed)
            PyMem_Free(found)
        return 0

    def cut_points(self, data, *, bint ascii_too=False):
        """Places in one pretoken of UTF-8 text where no merge can cross: what the encoder cuts at."""
        cdef const uint8_t[::1] view = data
        cdef size_t i = 0, n = view.shape[0]
        cdef unsigned nx, ny
        cdef const uint8_t* t
        cdef list out = []
        if not n or not self.rules.cuts:
            return out
        t = &view[0]
        nx = char_length(t[0])
        while i + nx < n:
            ny = char_length(t[i + nx])
            if i + nx + ny > n:
                raise ValueError("not UTF-8")
            if (ascii_too or t[i] >= 0x80 or t[i + nx] >= 0x80) and \
                    not may_cross(&self.rules, t + i, nx, t + i + nx, ny):
                out.append(i + nx)
            i += nx
            nx = ny
        return out

    def first_symbols(self, data):
        """Ids of whole characters that merging a segment may start from; empty if it must start from bytes."""
        cdef const uint8_t[::1] view = data
        cdef uint32_t[256] symbols
        cdef size_t k, i
        if not view.shape[0] or not self.rules.cuts:
            return []
        k = start_from_chars(&self.rules, &view[0], view.shape[0], symbols, 256)
        return [symbols[i] for i in range(k)]

    def find_only_whole(self, ids):
        """Take the tokens that merging does not give; they are found as whole pretokens, and never cut inside.

        Called once, before anything is encoded.
        """
        cdef Rules* r = &self.rules
        cdef uint32_t id, slots = 64
        cdef size_t n, i, k
        cdef unsigned nx, ny
        cdef const uint8_t* t
        cdef list found = list(ids)
        cdef uint64_t h
        if r.whole != NULL:
            raise TypeError("EncodeRules is immutable")
        while slots < 2 * len(found) + 2:
            slots *= 2
        self._whole_bytes = <size_t>slots * sizeof(WholeToken)
        r.whole = <WholeToken*>mem_alloc(self._whole_bytes)
        if r.whole == NULL:
            raise MemoryError
        r.whole_mask = slots - 1
        for number in found:
            id = self._checked(number)
            t = r.blob + r.offsets[id]
            n = r.offsets[id + 1] - r.offsets[id]
            h = hash_bytes(t, n)
            k = h & r.whole_mask
            while r.whole[k].length:
                k = (k + 1) & r.whole_mask
            r.whole[k].hash, r.whole[k].id, r.whole[k].length, r.whole[k].offset = h, id, <uint32_t>n, r.offsets[id]
            r.whole_longest = max(r.whole_longest, <uint32_t>n)
            i = 0
            while i < n:
                nx = char_length(t[i])
                if i + nx >= n:
                    break
                ny = char_length(t[i + nx])
                if i + nx + ny > n:
                    break
                allow(r, t + i, nx, t + i + nx, ny)
                i += nx
        r.whole_first = True
