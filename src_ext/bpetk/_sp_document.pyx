# cython: auto_pickle=False
"""A document as SentencePiece encodes it: normalized as a whole, cut where no rule joins anything and around the pieces
that are taken as a whole, its segments looked up and merged by the worker, runs of unknown pieces made one.

Reference twin: bpetk/reference/sp_encode.py."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from bpetk._encode_rules cimport BITMAP_BITS
from bpetk._encode_state cimport CUTS, MARKS, NO_MEMORY, TOO_LONG, Worker
from bpetk._encode_worker cimport look_up, set_base
from bpetk._native cimport CutBlock, cut_text_block, highest_bit, kCutRead, put_cuts, text_release, text_reserve
from bpetk._sp_normalizer cimport Normalizer, symbol_matcher

cdef enum:
    WINDOW = 268435456          # bytes of a batch: offsets have 31 bits

# Length of a character by the upper half of its first byte, and the bytes that are then its own.
cdef uint32_t[16] CHAR_LENGTH = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 4]
cdef uint32_t[5] CHAR_BYTES = [0, 0xFF, 0xFFFF, 0xFFFFFF, <uint32_t>0xFFFFFFFF]


cdef class Sentences:
    def __init__(self, Normalizer normalizer not None, *, whole=(), bint fuse=False):
        if self.normalizer is not None:
            raise TypeError("Sentences are immutable")
        self.normalizer, self.fuse = normalizer, fuse
        self.whole = symbol_matcher(list(whole))
        self.has_whole = self.whole is not None


cdef inline void cut_at(Worker* w, size_t end) noexcept nogil:
    if w.n_cuts == CUTS:
        look_up(w)
    w.cuts[w.n_cuts] = <uint32_t>(end << 1)
    w.n_cuts += 1


cdef size_t cut_characters(Worker* w, size_t start, size_t stop) noexcept nogil:
    """Cut base[start:stop] where no rule joins two characters, but not at its ends; returns the last cut, or start."""
    cdef const uint32_t* bitmap = w.rules.bitmap
    cdef const uint8_t* t = w.base
    cdef size_t i = start, cut = start
    cdef uint32_t x = 0, y, h, size
    while i < stop:
        memcpy(&y, t + i, 4)    # what follows the text is readable
        size = CHAR_LENGTH[y >> 4 & 15]
        y &= CHAR_BYTES[size]
        h = (x * <uint32_t>0x9E3779B1 + y * <uint32_t>0x85EBCA6B) >> (32 - BITMAP_BITS)
        if i != start and not bitmap[h >> 5] >> (h & 31) & 1:
            cut_at(w, i)
            cut = i
        x = y
        i += size
    return cut


cdef size_t cut_text_blocks(Worker* w, size_t start, size_t stop) noexcept nogil:
    """The same by blocks, without the joints of words."""
    cdef const uint32_t* bitmap = w.rules.bitmap
    cdef const uint8_t* t = w.base
    cdef size_t i = start, cut = start
    cdef uint64_t segments
    cdef bint before_blanks = w.rules.before_blanks
    cdef CutBlock block
    while i < stop:
        cut_text_block(t + i, bitmap, before_blanks, &block)
        segments = block.cut
        if i == start:
            segments &= ~<uint64_t>1
        if stop - i < 64:
            segments &= (<uint64_t>1 << (stop - i)) - 1
        if w.n_cuts + 64 > CUTS:
            look_up(w)
        if segments:
            w.n_cuts += put_cuts(w.cuts + w.n_cuts, segments, 0, False, <uint32_t>i)
            cut = i + highest_bit(segments)
        i += block.next
    return cut


cdef inline size_t cut_stretch(Worker* w, size_t start, size_t stop) noexcept nogil:
    return cut_text_blocks(w, start, stop) if w.blocks else cut_characters(w, start, stop)


cdef int encode_normalized(Worker* w, Sentences how, const uint8_t* t, size_t n) noexcept nogil:
    cdef size_t at = 0, base = 0, stop, symbol = n, end = 0, cut
    cdef uint32_t index
    set_base(w, t, 0, n + kCutRead, 0)
    w.before = FRONT
    if how.has_whole:
        symbol = how.whole.find(t, n, 0, &end, &index)
    while at < n and not w.failure:
        stop = min(symbol, base + <size_t>WINDOW)
        if stop < symbol:
            # No place that is known to be one: the last cut before it has to do.
            while t[stop] & 0xC0 == 0x80:
                stop -= 1
        cut = cut_stretch(w, at - base, stop - base) + base
        if stop < symbol:
            if cut == base:
                w.failure = TOO_LONG    # a quarter of a gigabyte without any
                break
            look_up(w)
            base = at = cut
            set_base(w, t, base, n + kCutRead, 0)
            continue
        if stop > at:
            cut_at(w, stop - base)
        at = stop
        if symbol < n:
            cut_at(w, end - base)
            at = end
            symbol = how.whole.find(t, n, at, &end, &index)
    if not w.failure:
        look_up(w)
    return w.failure


cdef void fuse_unknown(Worker* w, size_t first) noexcept nogil:
    cdef uint32_t unknown = w.rules.unk_id
    cdef uint32_t* ids = w.out
    cdef size_t i = first + 1, k, n = w.n_out
    while i < n and not (ids[i] == unknown and ids[i - 1] == unknown):
        i += 1
    k = i
    while i < n:
        if ids[i] != unknown or ids[k - 1] != unknown:
            ids[k] = ids[i]
            k += 1
        i += 1
    if n > first:
        w.n_out = k


cdef int encode_sentences(Worker* w, Sentences how, const uint8_t* s, size_t n) noexcept nogil:
    cdef size_t first = w.n_out
    cdef int failure
    cdef bint count_only = w.count_only
    w.normal.size = 0
    if not text_reserve(&w.normal, n + FRONT + kCutRead):
        return NO_MEMORY
    w.normal.size = FRONT
    memset(w.normal.data, 0, FRONT)
    if not how.normalizer.normalize_line(s, n, &w.normal) or not text_reserve(&w.normal, kCutRead):
        return NO_MEMORY
    memset(w.normal.data + w.normal.size, 0, kCutRead)
    if how.fuse:
        w.count_only = False    # how many are left can be seen from the ids only
    failure = encode_normalized(w, how, w.normal.data + FRONT, w.normal.size - FRONT)
    w.count_only = count_only
    if how.fuse and not failure:
        fuse_unknown(w, first)
        if count_only:
            w.n_counted += w.n_out - first
            w.n_out = first
    if w.normal.room > KEPT:
        # A single long text must not keep its memory in use.
        text_release(&w.normal)
    return failure


# Short documents together: to look up each for itself takes half as long again.


cdef bint begin_sentences(Worker* w) noexcept nogil:
    w.normal.size = 0
    if not text_reserve(&w.normal, FRONT + kCutRead):
        return False
    memset(w.normal.data, 0, FRONT)
    w.normal.size = FRONT
    return True


cdef bint add_sentence(Worker* w, Sentences how, const uint8_t* s, size_t n) noexcept nogil:
    return how.normalizer.normalize_line(s, n, &w.normal)


cdef void cut_sentence(Worker* w, Sentences how, size_t at, size_t stop) noexcept nogil:
    """Cut base[at:stop], and at its end."""
    cdef size_t symbol, end = 0
    cdef uint32_t index
    while at < stop:
        symbol = how.whole.find(w.base, stop, at, &end, &index) if how.has_whole else stop
        if symbol > at:
            cut_stretch(w, at, symbol)
            cut_at(w, symbol)
        if symbol < stop:
            cut_at(w, end)
            symbol = end
        at = symbol


cdef int encode_added(Worker* w, Sentences how, const size_t* ends, size_t n, int64_t* counts) noexcept nogil:
    cdef size_t k, start = FRONT
    if not text_reserve(&w.normal, kCutRead):
        return NO_MEMORY
    if w.normal.size > <size_t>WINDOW:
        return TOO_LONG     # the rules of a hostile model make a book of a letter; one by one then
    memset(w.normal.data + w.normal.size, 0, kCutRead)
    set_base(w, w.normal.data + FRONT, 0, w.normal.size - FRONT + kCutRead, 0)
    w.before = FRONT
    w.n_marks = w.next_mark = 0
    w.ended = w.n_counted + w.n_out
    for k in range(n):
        cut_sentence(w, how, start - FRONT, ends[k] - FRONT)
        start = ends[k]
        if w.n_marks == MARKS or w.n_cuts == CUTS:
            look_up(w)
        if w.failure:
            break
        w.marks[w.n_marks].at, w.marks[w.n_marks].separator = w.n_cuts, 0
        w.marks[w.n_marks].count = counts + k
        w.n_marks += 1
    if not w.failure:
        look_up(w)
    if w.normal.room > KEPT:
        text_release(&w.normal)
    return w.failure
