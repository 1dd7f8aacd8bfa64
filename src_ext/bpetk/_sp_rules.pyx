# cython: auto_pickle=False
"""A SentencePiece BPE model as rules of pairs, so that the encoder of merge lists encodes it.

SentencePiece joins two neighbours if their texts together are a piece, however the piece was made in training. All the
same each piece has at most one pair of parts that ever stand side by side. For let u and v with u + v = p be neighbours
in some text. What was joined inside of p until then are the best pairs in p, one after the other, as p alone would join
them: nothing was joined across p's ends, or there would be no u and v. So p alone comes to u and v as well, its last
two symbols; and it comes to them once. Pieces are taken by length, each is merged by the rules of the shorter ones, and
if two symbols are left, these are its parts. A piece that does not come to two symbols is never made.

A piece that must not be used (kind UNUSED) is taken apart into the same parts wherever it stands, for the same reason:
its ids are known beforehand. It gets a symbol that is no id, an odd one, as a character that is no piece but occurs in
pieces does. The other characters have no symbol, and nothing is joined across them.

Ranks follow the scores. Of pieces of the same score the leftmost pair goes first; `last_equal` says which ranks count
as equal.

Reference twin: bpetk/reference/sp_encode.py."""

import os

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from libcpp.algorithm cimport sort
from libcpp.vector cimport vector

from bpetk._encode_rules cimport BITMAP_BITS, NO_ID, EncodeRules, Rules
from bpetk._native cimport (
    MergeJob, kFirstMultiplier, mem_alloc_now, merge_step, pair_insert, utf8_decode, utf8_first_error,
)
from bpetk._scanner cimport best_tier
from bpetk._segment_merge cimport (
    MERGE_RUNS, Scratch, job_of_characters, merge_heap, scratch_free, scratch_init, scratch_room, symbols_of,
)

cdef enum:
    MOST_SYMBOLS = 2097151      # 2^21 - 1: a pair and its rank share 64 bits
    MOST_DEPTH = 101            # how often the reference takes a piece apart
    BITMAP_BYTES = 262144 + 64
    CODE_PAGES = 0x110000 // 64
    HUGE = 2097152              # a huge page
    BLANK = 0x2581

# Kinds of pieces.
cdef enum:
    ASIDE = 0       # no part of any text: control pieces, bytes ...
    USED = 1
    UNUSED = 2      # joined, and then taken apart again
    WHOLE = 3       # taken wherever its text stands, never joined to anything


cdef inline uint32_t order_of_score(float score) noexcept nogil:
    """A number that is the lower, the earlier a score comes. Scores are compared by their bits: -0.0 is below 0.0."""
    cdef int32_t bits
    memcpy(&bits, &score, 4)
    return <uint32_t>0x80000000 - <uint32_t>bits if bits >= 0 else <uint32_t>bits + 1


cdef inline uint32_t raw_char(const uint8_t* t, unsigned n) noexcept nogil:
    """A character's bytes as a little-endian number."""
    cdef uint32_t v = 0
    memcpy(&v, t, n)
    return v


cdef inline unsigned char_length(uint8_t b) noexcept nogil:
    return 1 if b < 0x80 else 2 if b < 0xE0 else 3 if b < 0xF0 else 4


cdef inline bint only_one(const uint8_t* t, size_t n) noexcept nogil:
    return n > 0 and char_length(t[0]) == n


cdef class PieceRules(EncodeRules):
    """Immutable tables of one SentencePiece model.

    blob, offsets: texts of all pieces by id, uint32 offsets [n_ids + 1]; empty for those of kind 0. kinds: a byte for
    each. scores: float32 [n_ids]. byte_ids: the 256 pieces of bytes, or None without byte fallback. fold: texts have
    blanks instead of U+2581, and so has what is encoded.
    """

    def __init__(self, blob, offsets, kinds, const float[::1] scores, *, unk_id=None, byte_ids=None, bint fold=False):
        cdef Rules* r = &self.rules
        cdef const uint8_t[::1] bytes_view
        cdef const uint32_t[::1] offsets_view = offsets
        cdef Py_ssize_t k, n = offsets_view.shape[0] - 1
        if self.frozen:
            raise TypeError("PieceRules is immutable")
        self.frozen = True
        self._blob, self._offsets, self.kinds = bytes(blob), offsets_view, bytes(kinds)
        if n < 1 or n > MOST_SYMBOLS or scores.shape[0] != n or len(self.kinds) != n:
            raise ValueError("offsets, kinds and scores must be of the same number of pieces, at most 2,097,151")
        for k in range(n):
            if offsets_view[k] > offsets_view[k + 1]:
                raise ValueError("offsets do not fit the texts")
        if offsets_view[0] or offsets_view[n] != <size_t>len(self._blob):
            raise ValueError("offsets do not fit the texts")
        if utf8_first_error(self._blob, len(self._blob)) != <size_t>len(self._blob):
            raise ValueError("texts are not UTF-8")
        r.n_ids, r.offsets = <uint32_t>n, &offsets_view[0]
        if len(self._blob):
            bytes_view = self._blob
            r.blob = &bytes_view[0]
        r.unk_id = NO_ID if unk_id is None else self._checked(unk_id)
        r.byte_fallback, r.fold_blanks, r.all_bytes = byte_ids is not None, fold, True
        if not r.byte_fallback and r.unk_id == NO_ID:
            raise ValueError("without byte fallback there must be an unknown piece")
        for k in range(256):
            r.byte_id[k] = r.last_id[k] = self._checked(byte_ids[k]) if r.byte_fallback else r.unk_id
            if r.byte_id[k] == NO_ID:
                raise ValueError(f"byte {k} has no piece")
        self._collect_characters()
        self._lay_out_pieces()
        self._give_symbols()
        if n:
            self._rank(&scores[0])
        self._find_parts()
        self._fill_filter()
        self._expand()
        whole = [k for k in range(n) if self.kinds[k] == WHOLE]
        if whole:
            self.find_only_whole(whole)

    cdef int _collect_characters(self) except -1:
        """Number the odd symbols of pieces, count the pages of code points, sort the pieces by length."""
        cdef Rules* r = &self.rules
        cdef uint32_t id, code = 0, n_chars
        cdef size_t i, n
        cdef const uint8_t* t
        cdef vector[uint8_t] used
        used.resize(CODE_PAGES)
        used[0] = used[1] = 1       # the empty page, and that of a blank
        self.odd_of.assign(r.n_ids, <uint32_t>NO_ID)
        for id in range(r.n_ids):
            t, n = r.blob + r.offsets[id], r.offsets[id + 1] - r.offsets[id]
            if self.kinds[id] == ASIDE or self.kinds[id] == WHOLE or n == 0:
                continue
            i = n_chars = 0
            while i < n:
                i += utf8_decode(t + i, n - i, &code)
                used[code >> 6] = 1
                n_chars += 1
            if n_chars > 1:
                self.by_length.push_back(<uint64_t>n_chars << 32 | id)
            if self.kinds[id] == UNUSED:
                self.odd_of[id] = <uint32_t>self.odd_code.size()
                self.odd_code.push_back(NO_ID)
                self.odd_length.push_back(<uint32_t>n)
        sort(self.by_length.begin(), self.by_length.end())
        r.n_rules = <uint32_t>self.by_length.size()
        self.n_pages = 1            # the empty one
        for i in range(<size_t>CODE_PAGES):
            self.n_pages += used[i]
        return 0

    cdef int _lay_out_pieces(self) except -1:
        """Give all tables their place in one piece of memory."""
        cdef Rules* r = &self.rules
        cdef uint8_t* at
        cdef size_t pair_bytes, rank_bytes = (<size_t>r.n_rules * 4 + 64) & ~<size_t>63
        r.pairs.buckets = <uint32_t>(r.n_rules / 4) + 1
        pair_bytes = <size_t>r.pairs.buckets * 64
        self._arena_bytes = BITMAP_BYTES + pair_bytes + 2 * rank_bytes + self.n_pages * 256 + 2 * CODE_PAGES
        if self._arena_bytes > HUGE // 2:
            # Tables of this size are worth huge pages: look-ups in them are at random.
            self._arena_bytes = max(self._arena_bytes, <size_t>2 * HUGE)
        self._arena = mem_alloc_now(self._arena_bytes, True)
        if self._arena == NULL:
            raise MemoryError
        at = <uint8_t*>self._arena
        r.pairs.slots = <uint64_t*>at
        at += pair_bytes
        r.bitmap = <uint32_t*>at
        at += BITMAP_BYTES
        r.result = <uint32_t*>at
        at += rank_bytes
        r.last_equal = <uint32_t*>at
        at += rank_bytes
        r.symbols = <uint32_t*>at
        at += self.n_pages * 256
        r.pages = <uint16_t*>at
        return 0

    cdef uint32_t* _place_of(self, uint32_t code):
        """Where the symbol of a code point goes; gives its page a number."""
        cdef uint16_t* pages = <uint16_t*>self.rules.pages
        if code >= 128 and pages[code >> 6] == 0:
            # 0 and 1 are of ASCII.
            pages[code >> 6] = <uint16_t>self.next_page
            self.next_page += 1
        return <uint32_t*>self.rules.symbols + (<size_t>pages[code >> 6] << 6 | (code & 63))

    cdef int _give_symbols(self) except -1:
        """Fill the table of characters: ids for those that are pieces, odd symbols for the others in pieces."""
        cdef Rules* r = &self.rules
        cdef uint32_t id, code = 0
        cdef uint32_t* place
        cdef size_t i, n
        cdef unsigned length
        cdef const uint8_t* t
        cdef uint16_t* pages = <uint16_t*>r.pages
        cdef uint8_t[4] blank
        memset(<void*>r.symbols, 0xFF, self.n_pages * 256)
        blank[0] = c" "
        pages[1] = 1
        self.next_page = 2
        for id in range(r.n_ids):
            t, n = r.blob + r.offsets[id], r.offsets[id + 1] - r.offsets[id]
            if only_one(t, n) and (self.kinds[id] == USED or self.kinds[id] == UNUSED):
                utf8_decode(t, n, &code)
                self._place_of(code)[0] = id if self.kinds[id] == USED else r.n_ids + self.odd_of[id]
        for id in range(r.n_ids + 1):
            if id < r.n_ids:
                if self.kinds[id] == ASIDE or self.kinds[id] == WHOLE:
                    continue
                t, n = r.blob + r.offsets[id], r.offsets[id + 1] - r.offsets[id]
            else:
                # Where it stands for U+2581, its bytes are not those of its text.
                t, n = blank, r.fold_blanks
            i = 0
            while i < n:
                length = utf8_decode(t + i, n - i, &code)
                i += length
                place = self._place_of(code)
                if place[0] == NO_ID:
                    place[0] = r.n_ids + <uint32_t>self.odd_code.size()
                    self.odd_code.push_back(code)
                    self.odd_length.push_back(length)
        for i in range(2, <size_t>CODE_PAGES):
            if pages[i] == 0:
                pages[i] = <uint16_t>(self.n_pages - 1)     # the empty one
        if r.n_ids + self.odd_code.size() > MOST_SYMBOLS:
            raise ValueError("more than 2,097,151 pieces and characters")
        return 0

    cdef int _rank(self, const float* scores) except -1:
        """Rank the pieces of more than one character by score."""
        cdef Rules* r = &self.rules
        cdef vector[uint64_t] order
        cdef uint32_t rank, id, last, n = r.n_rules
        cdef uint32_t* last_equal = <uint32_t*>r.last_equal
        cdef bint equal = False
        cdef size_t i
        for i in range(self.by_length.size()):
            id = <uint32_t>self.by_length[i]
            order.push_back(<uint64_t>order_of_score(scores[id]) << 32 | id)
        sort(order.begin(), order.end())
        self.rank_of.resize(r.n_ids)
        last = n
        for rank in range(n, 0, -1):
            rank -= 1
            id = <uint32_t>order[rank]
            self.rank_of[id] = rank
            r.result[rank] = id if self.kinds[id] == USED else r.n_ids + self.odd_of[id]
            if rank + 1 == n or order[rank] >> 32 != order[rank + 1] >> 32:
                last = rank
            else:
                equal = True
            last_equal[rank] = last
        if not equal:
            r.last_equal = NULL
        return 0

    cdef int _find_parts(self) except -1:
        cdef Scratch s
        cdef bint fits = False
        cdef Rules* r = &self.rules
        cdef int tier = best_tier()
        if scratch_init(&s) != 0:
            raise MemoryError
        r.pairs.multiplier = kFirstMultiplier
        try:
            while not fits:
                self.left.assign(r.n_rules, <uint32_t>NO_ID)
                self.right.assign(r.n_rules, <uint32_t>NO_ID)
                memset(r.pairs.slots, 0xFF, <size_t>r.pairs.buckets * 64)
                with nogil:
                    fits = self._try_parts(&s, tier)
                if s.failed:
                    raise MemoryError
                if not fits:
                    # Pieces that were made to collide; they cannot foresee this one.
                    r.pairs.multiplier = <uint64_t>int.from_bytes(os.urandom(8), "little") | 1
        finally:
            scratch_free(&s)
        return 0

    cdef bint _try_parts(self, Scratch* s, int tier) noexcept nogil:
        """Merge each piece by the rules of the shorter ones; false if the table of pairs must be made anew."""
        cdef Rules* r = &self.rules
        cdef MergeJob job
        cdef size_t k, n, got, stopped = 0
        cdef uint32_t id, rank
        cdef const uint8_t* t
        cdef const uint32_t* found
        for k in range(self.by_length.size()):
            id = <uint32_t>self.by_length[k]
            t, n = r.blob + r.offsets[id], r.offsets[id + 1] - r.offsets[id]
            if job_of_characters(r, &job, t, n) == MERGE_RUNS:
                while merge_step(tier, r.pairs, r.result, r.last_equal, &job):
                    pass
                got, found = job.n, job.symbol
            else:
                if not scratch_room(s, n):
                    return False
                got = symbols_of(r, t, n, s.ids, n, &stopped)
                got, found = merge_heap(r, s, got), s.ids
            if got != 2:
                continue
            rank = self.rank_of[id]
            self.left[rank], self.right[rank] = found[0], found[1]
            if not pair_insert(r.pairs, found[0], found[1], rank):
                return False
        return True

    cdef uint32_t _length_of(self, uint32_t symbol) noexcept nogil:
        """Bytes of a symbol's text."""
        cdef Rules* r = &self.rules
        if symbol < r.n_ids:
            return r.offsets[symbol + 1] - r.offsets[symbol]
        return self.odd_length[symbol - r.n_ids]

    cdef int _fill_filter(self) except -1:
        """Mark the bigrams of characters that a rule joins."""
        cdef Rules* r = &self.rules
        cdef size_t k, at, before
        cdef uint32_t id, rank, h
        cdef const uint8_t* t
        r.before_blanks = True
        for k in range(self.by_length.size()):
            id = <uint32_t>self.by_length[k]
            rank = self.rank_of[id]
            if self.left[rank] == NO_ID:
                continue
            t = r.blob + r.offsets[id]
            at = self._length_of(self.left[rank])
            before = at - 1
            while t[before] & 0xC0 == 0x80:
                before -= 1
            h = (raw_char(t + before, <unsigned>(at - before)) * <uint32_t>0x9E3779B1 +
                 raw_char(t + at, char_length(t[at])) * <uint32_t>0x85EBCA6B) >> (32 - BITMAP_BITS)
            r.bitmap[h >> 5] |= <uint32_t>1 << (h & 31)
            if t[at] == c" " and t[before] != c" ":
                r.before_blanks = False
        return 0

    cdef int _expand(self) except -1:
        """Give each odd symbol its ids."""
        cdef Rules* r = &self.rules
        cdef Py_ssize_t n_odd = self.odd_code.size()
        cdef list ids = [None] * n_odd, depth = [0] * n_odd
        cdef uint32_t odd, id, rank, symbol
        cdef size_t k, side
        for odd in range(<uint32_t>self.odd_code.size()):
            if self.odd_code[odd] != NO_ID:
                ids[odd] = self._unknown(self.odd_code[odd])
        for id in range(r.n_ids):
            if self.kinds[id] == UNUSED:
                # A single character was not put together.
                ids[self.odd_of[id]] = [] if r.offsets[id] == r.offsets[id + 1] else self._unknown_text(id)
        for k in range(self.by_length.size()):
            id = <uint32_t>self.by_length[k]
            rank = self.rank_of[id]
            if self.kinds[id] != UNUSED or self.left[rank] == NO_ID:
                continue
            odd = self.odd_of[id]
            found, deepest = [], 0
            for side in range(2):
                symbol = self.left[rank] if side == 0 else self.right[rank]
                if symbol < r.n_ids:
                    found.append(symbol)
                else:
                    found += ids[symbol - r.n_ids]
                    deepest = max(deepest, depth[symbol - r.n_ids])
            ids[odd], depth[odd] = found, deepest + 1
            if deepest + 1 > MOST_DEPTH:
                raise ValueError(
                    f"piece {id} is unused, and so are its parts, their parts, and so on, more than {MOST_DEPTH} times"
                )
        for found in ids:
            self.odd_starts.push_back(<uint32_t>self.odd_flat.size())
            for number in found:
                self.odd_flat.push_back(number)
        self.odd_starts.push_back(<uint32_t>self.odd_flat.size())
        self.odd_flat.push_back(0)
        r.odd_start, r.odd_ids = self.odd_starts.data(), self.odd_flat.data()
        return 0

    def _unknown(self, uint32_t code):
        """Ids of a character that is no piece."""
        if not self.rules.byte_fallback:
            return [self.rules.unk_id]
        text = "\u2581" if code == 32 and self.rules.fold_blanks else chr(code)
        return [self.rules.byte_id[byte] for byte in text.encode()]

    def _unknown_text(self, uint32_t id):
        text = self._blob[self.rules.offsets[id]:self.rules.offsets[id + 1]].decode()
        return [number for char in text for number in self._unknown(ord(char))]

    def parts(self, id):
        """The two symbols that a piece is made of, or None; for tests. Those of n_ids and more are odd ones."""
        cdef uint32_t rank
        text = self._blob[self.rules.offsets[id]:self.rules.offsets[id + 1]].decode()
        if len(text) < 2 or self.kinds[id] not in (USED, UNUSED):
            return None
        rank = self.rank_of[id]
        return None if self.left[rank] == NO_ID else (self.left[rank], self.right[rank])

    def cut_points(self, data, *, bint ascii_too=True):
        """Places in a text without whole pieces where no rule joins anything; ascii_too: the only choice."""
        cdef const uint8_t[::1] view = data
        cdef size_t i = 0, n = view.shape[0]
        cdef unsigned nx, ny
        cdef uint32_t h
        cdef list out = []
        while i < n:
            nx = char_length(view[i])
            if i + nx >= n:
                break
            ny = char_length(view[i + nx])
            if i + nx + ny > n:
                raise ValueError("not UTF-8")
            h = (raw_char(&view[i], nx) * <uint32_t>0x9E3779B1 +
                 raw_char(&view[i + nx], ny) * <uint32_t>0x85EBCA6B) >> (32 - BITMAP_BITS)
            if not self.rules.bitmap[h >> 5] >> (h & 31) & 1:
                out.append(i + nx)
            i += nx
        return out

    def first_symbols(self, data):
        """Symbols of the characters of a text, up to one that has none."""
        cdef const uint8_t[::1] view = data
        cdef uint32_t[256] symbols
        cdef size_t k = 0, i, stopped = 0
        if view.shape[0]:
            k = symbols_of(&self.rules, &view[0], view.shape[0], symbols, 256, &stopped)
        return [symbols[i] for i in range(k)]
