"""From text to ids, one thread: pretokens are cut into segments that no merge crosses, segments are looked up in a
cache 512 at a time, those not found are merged 16 side by side, and the ids are put out in order.

Reference twin: bpetk/reference/encode.py."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from bpetk._encode_rules cimport BITMAP_BITS, Rules, pattern_crosses
from bpetk._encode_state cimport BATCH, CUTS, ENDS, MARKS, NO_MEMORY, TOO_LONG, Worker
from bpetk._missed_segments cimport grow, merge_missed
from bpetk._native cimport (
    CacheEntry, CutBlock, ascii_short, cache_put, class_and_length, cpu_has_cut_blocks, cut_block, find_items,
    highest_bit, kCutBefore, kCutRead, kElsewhere, kLongKey, lowest_bit, make_items, mem_alloc, mem_alloc_now, mem_free,
    put_all, put_cuts, text_release,
)
from bpetk._scanner cimport TIER_AVX512, Scan, scan_next
from bpetk._segment_merge cimport scratch_free, scratch_init
from bpetk._types cimport SCHEME_WHITESPACE

cdef enum:
    SHORT = 15          # bytes of a segment that has a key
    WHITE = 4           # class flag of native/unicode_tables.h
    LEAST_OUT = 4096
    # A batch's offsets have 31 bits.
    LONGEST_BATCH = 1073741824


cdef Worker* worker_new(const Rules* r, int tier, int line_bits, const CacheEntry* seed) noexcept nogil:
    cdef size_t cache_bytes = sizeof(CacheEntry) * 2 << line_bits
    cdef Worker* w = <Worker*>mem_alloc(sizeof(Worker))
    if w == NULL:
        return NULL
    w.rules, w.line_bits = r, line_bits
    worker_set_tier(w, tier)
    w.cache = <CacheEntry*>mem_alloc_now(cache_bytes, True)
    w.spill_room = LEAST_OUT
    w.spilled = <uint32_t*>mem_alloc(w.spill_room * 4)
    if w.cache == NULL or w.spilled == NULL or scratch_init(&w.scratch) != 0:
        worker_free(w)
        return NULL
    if seed != NULL:
        memcpy(w.cache, seed, cache_bytes)
    return w


cdef void worker_set_tier(Worker* w, int tier) noexcept nogil:
    w.tier = tier
    w.blocks = tier == TIER_AVX512 and cpu_has_cut_blocks()


cdef void worker_free(Worker* w) noexcept nogil:
    if w == NULL:
        return
    mem_free(w.cache, sizeof(CacheEntry) * 2 << w.line_bits)
    mem_free(w.out, w.out_room * 4)
    mem_free(w.text, w.text_room)
    text_release(&w.normal)
    mem_free(w.spilled, w.spill_room * 4)
    scratch_free(&w.scratch)
    mem_free(w, sizeof(Worker))


cdef bint worker_room(Worker* w, size_t more) noexcept nogil:
    """Make room for that many ids; put_ids writes up to three beyond the last one."""
    if w.n_out + more + 4 <= w.out_room:
        return True
    if grow(&w.out, &w.out_room, w.n_out, w.n_out + more + 4):
        return True
    w.failure = NO_MEMORY
    return False


# ---------------------------------------------------------------------------------------------------------------------
# Batches.


cdef inline void settle_mark(Worker* w, size_t now) noexcept nogil:
    """A document ends after that many ids."""
    w.marks[w.next_mark].count[0] = <int64_t>(now - w.ended)
    w.ended = now
    w.next_mark += 1


cdef void drain(Worker* w, size_t first) noexcept nogil:
    """Put out the ids of the batch, whose first segment is the one cut as number `first`."""
    cdef size_t n = w.n_items, put = 0, upto
    cdef uint32_t n_missed, k
    cdef const uint32_t* ids
    cdef uint32_t* out
    w.n_items = 0
    w.n_segments += n
    n_missed = <uint32_t>find_items(
        w.tier, w.cache, w.items, n, w.no_cache, <const uint32_t*>w.side, w.source, w.missed
    )
    w.n_spilled = 0
    if n_missed:
        w.n_missed += n_missed
        merge_missed(w, n_missed)
    if w.failure or not worker_room(w, 4 * n + w.n_spilled):
        return
    out = w.out + w.n_out
    while w.next_mark < w.n_marks and w.marks[w.next_mark].at + w.marks[w.next_mark].separator <= first + n:
        upto = w.marks[w.next_mark].at - first
        out = put_all(out, w.source + put, upto - put, w.spilled)
        put = upto + w.marks[w.next_mark].separator
        settle_mark(w, w.n_counted + <size_t>(out - w.out))
    out = put_all(out, w.source + put, n - put, w.spilled)
    if w.count_only:
        w.n_counted += <size_t>(out - w.out) - w.n_out
    else:
        w.n_out = <size_t>(out - w.out)
    if w.no_cache:
        return
    for k in range(n_missed):
        ids = w.side[k]
        if w.items[w.missed[k]].hi != kLongKey and not ids[3] & kElsewhere:
            cache_put(w.cache, w.items[w.missed[k]], ids)


# ---------------------------------------------------------------------------------------------------------------------
# Pretokens to segments.

# Length of a character by the upper half of its first byte, and the bytes that are then its own.
cdef uint32_t[16] CHAR_LENGTH = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 4]
cdef uint32_t[5] CHAR_BYTES = [0, 0xFF, 0xFFFF, 0xFFFFFF, <uint32_t>0xFFFFFFFF]


cdef void look_up(Worker* w) noexcept nogil:
    cdef size_t k = 0, n = w.n_cuts, start = w.cut_from, upto
    while k < n:
        upto = min(n, k + BATCH)
        make_items(w.tier, w.cache, w.line_bits, w.base, w.limit, start, w.cuts + k, upto - k, w.items)
        w.n_items = upto - k
        start = w.cuts[upto - 1] >> 1
        drain(w, k)
        k = upto
        if w.failure:
            break
    # A document that ends where the cuts were looked up just before.
    while w.next_mark < w.n_marks and not w.failure:
        settle_mark(w, w.n_counted + w.n_out)
    w.n_cuts = w.n_marks = w.next_mark = 0
    w.cut_from = start


cdef inline void add_segment(Worker* w, size_t end, bint whole) noexcept nogil:
    if w.n_cuts == CUTS:
        look_up(w)
    w.cuts[w.n_cuts] = <uint32_t>(end << 1) | whole
    w.n_cuts += 1


cdef uint32_t raw_char_at_end(const uint8_t* t, size_t left) noexcept nogil:
    """The character at t and up to three bytes more, fewer than four bytes being readable; one that is cut off counts
    as its first byte."""
    cdef uint32_t v = t[0], n = CHAR_LENGTH[t[0] >> 4]
    if n <= left:
        memcpy(&v, t, n)
    return v


cdef size_t cut_pretokens(
    Worker* w, size_t start, const uint64_t* ends, size_t n, size_t less, uint32_t fresh
) noexcept nogil:
    """Cut the first pretoken, and those after it that begin outside ASCII, where no merge can cross. ends: less `less`
    they are offsets from base. fresh: start is the start of the first pretoken, not a cut in it. Returns how many
    pretokens were cut.

    One pass over the characters, without a branch on what cannot be foreseen: whether to cut, and (nearly) where
    pretokens end. All that the loop needs is in locals, because stores to the worker could change anything else."""
    cdef const Rules* r = w.rules
    cdef const uint32_t* bitmap = r.bitmap
    cdef const uint32_t* guard = r.guard
    cdef const uint8_t* t = w.base
    cdef uint32_t* cuts = w.cuts
    cdef size_t i = start, k = 0, m = w.n_cuts, limit = w.limit, end = ends[0] - less
    cdef uint32_t y, h, g, size, last, cut, forced, x = 0, size_before = 0
    cdef uint32_t long_one = end - start > SHORT
    last = 0
    while True:
        if i + 4 <= limit:
            memcpy(&y, t + i, 4)
        elif i < limit:
            y = raw_char_at_end(t + i, limit - i)
        else:
            y = 0
        forced = i == end
        if forced & ((k + 1 == n) | ((y & 0x80) == 0)):
            break
        size = CHAR_LENGTH[y >> 4 & 15]
        y &= CHAR_BYTES[size]
        h = (x * <uint32_t>0x9E3779B1 + y * <uint32_t>0x85EBCA6B) >> (32 - BITMAP_BITS)
        g = last << 8 | (y & 0xFF)
        cut = ((bitmap[h >> 5] >> (h & 31) & 1) ^ 1) & (((last | y) >> 7 & 1) | long_one) & (i != start)
        if guard[g >> 5] >> (g & 31) & 1:
            if cut and not forced and i != start:
                cut = not pattern_crosses(r, g, x << (32 - 8 * size_before), y)
        cut |= forced
        if m == CUTS:
            w.n_cuts = m
            look_up(w)
            m = 0
        cuts[m] = <uint32_t>(i << 1) | (forced & fresh)
        m += cut
        fresh = (fresh & (cut ^ 1)) | forced
        k += forced
        if forced:
            long_one = ends[k] - less - end > SHORT
        end = ends[k] - less
        x = y
        size_before = size
        last = y >> (8 * size - 8)
        i += size
    w.n_cuts = m
    add_segment(w, end, fresh)
    return k + 1


cdef size_t cut_blocks(
    Worker* w, size_t start, const uint64_t* ends, size_t n, size_t less, size_t* end_out
) noexcept nogil:
    """The same by blocks of characters, as long as that pays: up to a block without characters outside ASCII, or the
    end of the readable text. The pretoken that it stops in is cut up to *end_out, which no merge crosses either.
    Returns how many pretokens were finished; *end_out is where the last segment ends."""
    cdef const Rules* r = w.rules
    cdef const uint8_t* t = w.base
    cdef size_t i = start, k = 0, m = w.n_cuts, at, end = ends[0] - less
    cdef uint64_t forced, segments, ask
    cdef uint32_t fresh = 1, p, x, y
    cdef CutBlock block
    end_out[0] = start
    while i + <size_t>kCutRead <= w.limit and k < n:
        cut_block(t + i, r.bitmap, r.guard, &block)
        if not block.high and i == end_out[0] and fresh:
            break
        ask = block.ask
        while ask:
            p = lowest_bit(ask)
            ask &= ask - 1
            at = i + p - 1
            while is_continuation(t[at]):
                at -= 1
            memcpy(&x, t + i + p - 4, 4)
            memcpy(&y, t + i + p, 4)
            x &= <uint32_t>0xFFFFFFFF << (32 - 8 * (i + p - at))
            y &= CHAR_BYTES[CHAR_LENGTH[t[i + p] >> 4]]
            if not pattern_crosses(r, <uint32_t>t[i + p - 1] << 8 | t[i + p], x, y):
                block.cut |= <uint64_t>1 << p
        forced = 0
        while end < i + block.next:
            forced |= <uint64_t>1 << (end - i)
            k += 1
            if k == n:
                break
            end = ends[k] - less
        segments = block.cut | forced
        if i == end_out[0]:
            segments &= ~<uint64_t>1    # nothing ends where the block begins
        if k == n:
            # What follows the last of these pretokens is not theirs.
            segments &= (<uint64_t>2 << (end - i)) - 1
        if m + 64 > CUTS:
            w.n_cuts = m
            look_up(w)
            m = 0
        if segments:
            m += put_cuts(w.cuts + m, segments, forced, fresh, <uint32_t>i)
            p = highest_bit(segments)
            fresh = <uint32_t>(forced >> p) & 1
            end_out[0] = i + p
        i += block.next
    w.n_cuts = m
    w.fresh = fresh
    return k


cdef inline bint is_continuation(uint8_t b) noexcept nogil:
    return b & 0xC0 == 0x80


cdef inline size_t add_pretokens(
    Worker* w, size_t start, const uint64_t* ends, size_t n, size_t less
) noexcept nogil:
    """Cut the next pretokens, at least one; returns how many."""
    cdef size_t end = ends[0] - less, size = end - start
    if not w.rules.cuts or w.no_cuts:
        add_segment(w, end, True)
        return 1
    if size <= SHORT and start + 16 <= w.limit and ascii_short(w.base + start, size):
        add_segment(w, end, True)
        return 1
    if w.blocks and w.before + start >= <size_t>kCutBefore and start + <size_t>kCutRead <= w.limit:
        return cut_mixed(w, start, ends, n, less)
    return cut_pretokens(w, start, ends, n, less, True)


cdef size_t cut_mixed(Worker* w, size_t start, const uint64_t* ends, size_t n, size_t less) noexcept nogil:
    """Blocks first, and the pretoken that they stop in character by character."""
    cdef size_t end = start, done = cut_blocks(w, start, ends, n, less, &end)
    if done == n or (done and w.fresh):
        return done
    return done + cut_pretokens(w, end, ends + done, n - done, less, w.fresh)


cdef void set_base(Worker* w, const uint8_t* s, size_t base, size_t n, size_t at) noexcept nogil:
    """Begin a batch at s + base; n bytes are readable from s."""
    w.base, w.base_at, w.limit, w.before = s + base, at + base, n - base, base
    w.n_cuts = w.cut_from = 0


cdef int encode_pieces(Worker* w, const uint8_t* s, const uint64_t* ends, size_t n_pieces, size_t at) noexcept nogil:
    cdef size_t i = 0, start = 0, base = 0, n
    if not n_pieces:
        return w.failure
    n = ends[n_pieces - 1]
    set_base(w, s, 0, n, at)
    while i < n_pieces:
        if ends[i] == start:
            i += 1
            continue
        if ends[i] - start > LONGEST_BATCH:
            w.failure = TOO_LONG
            return w.failure
        if ends[i] - base > LONGEST_BATCH:
            look_up(w)
            base = start
            set_base(w, s, base, n, at)
        add_pretokens(w, start - base, ends + i, 1, base)
        start = ends[i]
        i += 1
        if w.failure:
            return w.failure
    look_up(w)
    return w.failure


cdef int encode_stretch(Worker* w, const uint8_t* s, size_t n, int scheme, size_t at) noexcept nogil:
    cdef Scan scan
    cdef size_t count, k, start = 0, base, taken
    scan.s, scan.n, scan.at, scan.scheme, scan.tier = s, n, 0, scheme, w.tier
    scan.line_stop = 0
    scan.lines = False
    while start < n:
        count = scan_next(&scan, w.ends, ENDS)
        base = start
        set_base(w, s, base, n, at)
        k = 0
        if scheme == SCHEME_WHITESPACE:
            while k < count:
                if w.ends[k] - base > LONGEST_BATCH:
                    w.failure = TOO_LONG
                    return w.failure
                if class_and_length(s + start, w.ends[k] - start) & WHITE:
                    look_up(w)
                    w.cut_from = w.ends[k] - base
                else:
                    add_pretokens(w, start - base, w.ends + k, 1, base)
                start = w.ends[k]
                k += 1
        elif w.ends[count - 1] - base > LONGEST_BATCH:
            while k < count:
                look_up(w)
                if w.ends[k] - start > LONGEST_BATCH:
                    w.failure = TOO_LONG
                    return w.failure
                set_base(w, s, start, n, at)
                add_pretokens(w, 0, w.ends + k, 1, start)
                start = w.ends[k]
                k += 1
        else:
            while k < count:
                taken = add_pretokens(w, start - base, w.ends + k, count - k, base)
                k += taken
                start = w.ends[k - 1]
        look_up(w)
        if w.failure:
            return w.failure
    return w.failure


cdef inline void end_line(Worker* w, const Line* line, int64_t* count) noexcept nogil:
    if w.n_marks == MARKS or w.n_cuts == CUTS:
        look_up(w)
    w.marks[w.n_marks].at, w.marks[w.n_marks].count = w.n_cuts, count
    w.marks[w.n_marks].separator = line.next - line.end
    w.n_marks += 1
    if line.next > line.end:
        add_segment(w, line.next, True)


cdef int encode_lines(
    Worker* w, const uint8_t* s, size_t room, const Line* lines, size_t n, int scheme, int64_t* counts
) noexcept nogil:
    """Encode documents that are lines of one text. A line feed after a text changes none of its pretokens, but that it
    may hang on the last one, if no carriage return stands before other white space at its end: see `join`."""
    cdef Scan scan
    cdef size_t count = 0, k = 0, stop, d = 0, start = 0
    scan.s, scan.n, scan.at, scan.scheme, scan.tier = s, lines[n - 1].next, 0, scheme, w.tier
    scan.line_stop = 0
    scan.lines = True
    set_base(w, s, 0, room, 0)
    w.n_marks = w.next_mark = 0
    w.ended = w.n_counted + w.n_out
    while d < n and not w.failure:
        while k < count and w.ends[k] <= start:
            k += 1      # the end of a line feed
        stop = k
        while stop < count and w.ends[stop] <= lines[d].end:
            stop += 1
        while k < stop:
            k += add_pretokens(w, start, w.ends + k, stop - k, 0)
            start = w.ends[k - 1]
        if start < lines[d].end:
            if k == count:
                count = scan_next(&scan, w.ends, ENDS)
                k = 0
                continue
            w.ends[k] = lines[d].end
            add_pretokens(w, start, w.ends + k, 1, 0)
        end_line(w, &lines[d], &counts[d])
        start = lines[d].next
        d += 1
    if not w.failure:
        look_up(w)
    return w.failure
