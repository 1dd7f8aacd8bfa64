"""From text to ids, one thread: pretokens are cut into segments that no merge crosses, segments are looked up in a
cache 512 at a time, those not found are merged 16 side by side, and the ids are put out in order.

Reference twin: bpetk/reference/encode.py."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from bpetk._encode_rules cimport BITMAP_BITS, NO_ID, Rules, find_whole, pattern_crosses
from bpetk._native cimport (
    CacheEntry, MergeJob, SegmentItem, cache_put, class_and_length, find_cached, kAskAgain, kCountShift, kElsewhere,
    kLongKey, make_item, mem_alloc, mem_alloc_now, mem_free, merge_step, put_ids,
)
from bpetk._scanner cimport Scan, scan_next
from bpetk._segment_merge cimport MERGE_DONE, MERGE_RUNS, Scratch, job_start, merge_segment, scratch_free, scratch_init
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
    w.rules, w.tier, w.line_bits = r, tier, line_bits
    w.cache = <CacheEntry*>mem_alloc_now(cache_bytes, True)
    w.spill_room = LEAST_OUT
    w.spilled = <uint32_t*>mem_alloc(w.spill_room * 4)
    if w.cache == NULL or w.spilled == NULL or scratch_init(&w.scratch) != 0:
        worker_free(w)
        return NULL
    if seed != NULL:
        memcpy(w.cache, seed, cache_bytes)
    return w


cdef void worker_free(Worker* w) noexcept nogil:
    if w == NULL:
        return
    mem_free(w.cache, sizeof(CacheEntry) * 2 << w.line_bits)
    mem_free(w.out, w.out_room * 4)
    mem_free(w.spilled, w.spill_room * 4)
    scratch_free(&w.scratch)
    mem_free(w, sizeof(Worker))


cdef bint grow(uint32_t** p, size_t* room, size_t used, size_t needed) noexcept nogil:
    cdef size_t bigger = max(needed + needed // 2, <size_t>LEAST_OUT)
    cdef uint32_t* q = <uint32_t*>mem_alloc(bigger * 4)
    if q == NULL:
        return False
    if used:
        memcpy(q, p[0], used * 4)
    mem_free(p[0], room[0] * 4)
    p[0], room[0] = q, bigger
    return True


cdef bint worker_room(Worker* w, size_t more) noexcept nogil:
    """Make room for that many ids; put_ids writes up to three beyond the last one."""
    if w.n_out + more + 4 <= w.out_room:
        return True
    if grow(&w.out, &w.out_room, w.n_out, w.n_out + more + 4):
        return True
    w.failure = NO_MEMORY
    return False


# ---------------------------------------------------------------------------------------------------------------------
# Segments that the cache does not know.


cdef inline void take(Worker* w, uint32_t k, const uint32_t* ids, size_t n, uint32_t flag) noexcept nogil:
    """Keep the ids of missed segment k until they are put out."""
    cdef uint32_t* d = w.side[k]
    cdef size_t i
    if n <= 4:
        for i in range(4):
            d[i] = ids[i] if i < n else 0
        d[3] |= <uint32_t>n << kCountShift | flag
        return
    if w.n_spilled + n > w.spill_room and not grow(&w.spilled, &w.spill_room, w.n_spilled, w.n_spilled + n):
        w.failure = NO_MEMORY
        d[0] = d[1] = d[2] = 0
        d[3] = kElsewhere
        return
    memcpy(w.spilled + w.n_spilled, ids, n * 4)
    d[0], d[1], d[2], d[3] = <uint32_t>w.n_spilled, <uint32_t>n, 0, kElsewhere
    w.n_spilled += n


cdef inline bint known_bytes(Worker* w, const uint8_t* t, size_t n) noexcept nogil:
    cdef const Rules* r = w.rules
    cdef size_t i
    if r.all_bytes:
        return True
    for i in range(n):
        if r.byte_id[t[i]] == NO_ID:
            if not w.failure:
                w.failure = UNKNOWN_BYTE
                w.error_at = w.base_at + <size_t>(t - w.base) + i
            return False
    return True


cdef bint start_missed(Worker* w, MergeJob* job, uint32_t k) noexcept nogil:
    """Begin missed segment k; false if it is done at once."""
    cdef const Rules* r = w.rules
    cdef const SegmentItem* item = &w.items[w.missed[k]]
    cdef size_t n = item.lo if item.hi == kLongKey else item.hi >> 56
    cdef const uint8_t* t = w.base + (item.place >> 1)
    cdef uint32_t id, flag = 0
    cdef int state
    cdef size_t got
    if r.whole_first:
        id = find_whole(r, t, n)
        if id != NO_ID:
            if item.place & 1:
                take(w, k, &id, 1, kAskAgain)
                return False
            flag = kAskAgain
    if not known_bytes(w, t, n):
        take(w, k, NULL, 0, 0)
        return False
    if not flag and not w.scratch.drop_below:
        job.tag = k
        # A segment is the last of its pretoken unless it was cut, and nothing is cut where that matters.
        state = job_start(r, job, t, n, True)
        if state == MERGE_RUNS:
            return True
        if state == MERGE_DONE:
            take(w, k, job.symbol, 1, 0)
            return False
    got = merge_segment(r, &w.scratch, w.tier, t, n, True)
    if w.scratch.failed:
        w.failure = NO_MEMORY
        got = 0
    take(w, k, w.scratch.ids, got, flag)
    return False


cdef void merge_missed(Worker* w, uint32_t n_missed) noexcept nogil:
    cdef const Rules* r = w.rules
    cdef uint32_t next = 0
    cdef int running = 0, a
    cdef bint runs
    w.n_spilled = 0
    while running < JOBS and next < n_missed:
        running += start_missed(w, &w.jobs[running], next)
        next += 1
    while running:
        a = 0
        while a < running:
            if merge_step(w.tier, r.pairs, r.result, &w.jobs[a]):
                a += 1
                continue
            take(w, w.jobs[a].tag, w.jobs[a].symbol, w.jobs[a].n, 0)
            runs = False
            while next < n_missed and not runs:
                runs = start_missed(w, &w.jobs[a], next)
                next += 1
            if runs:
                a += 1
                continue
            running -= 1
            if a < running:
                memcpy(&w.jobs[a], &w.jobs[running], sizeof(MergeJob))


cdef void drain(Worker* w) noexcept nogil:
    """Put out the ids of the batch."""
    cdef size_t i, n = w.n_items, at
    cdef uint32_t n_missed = 0, k
    cdef int ask
    cdef const uint32_t* ids
    cdef const uint32_t* found
    cdef uint32_t* out
    w.n_items = 0
    w.n_segments += n
    for i in range(n):
        found = find_cached(w.cache, w.items[i], &ask)
        w.source[i] = <const uint32_t*>w.side[n_missed] if ask else found
        w.missed[n_missed] = <uint32_t>i
        n_missed += ask
    if n_missed:
        w.n_missed += n_missed
        merge_missed(w, n_missed)
    if w.failure:
        return
    at = 4 * n + w.n_spilled + 4
    if not worker_room(w, at):
        return
    out = w.out + w.n_out
    for i in range(n):
        ids = w.source[i]
        if ids[3] & kElsewhere:
            memcpy(out, w.spilled + ids[0], <size_t>ids[1] * 4)
            out += ids[1]
        else:
            out += put_ids(out, ids)
    if not w.count_only:
        w.n_out = <size_t>(out - w.out)
    else:
        w.n_counted += <size_t>(out - w.out)
    if w.scratch.drop_below:
        return
    for k in range(n_missed):
        ids = w.side[k]
        if w.items[w.missed[k]].hi != kLongKey and not ids[3] & kElsewhere:
            cache_put(w.cache, w.items[w.missed[k]], ids)
    w.n_spilled = 0


# ---------------------------------------------------------------------------------------------------------------------
# Pretokens to segments.


cdef inline void add_item(Worker* w, size_t start, size_t end, bint whole) noexcept nogil:
    if w.n_items == BATCH:
        drain(w)
    make_item(w.cache, w.line_bits, w.base, start, end, w.limit, whole, &w.items[w.n_items])
    w.n_items += 1


cdef void cut_pretoken(Worker* w, size_t start, size_t end) noexcept nogil:
    """Cut a pretoken where no merge can cross; offsets from base."""
    cdef const Rules* r = w.rules
    cdef const uint8_t* t = w.base
    cdef size_t i = start, first = start, before
    cdef uint32_t x, y, h, g
    cdef unsigned ny, nx
    cdef bint ascii_too = end - start > SHORT, cut
    cdef uint32_t bit
    ny = char_at(t + i, end - i, &y)
    nx = ny
    x = y
    i += ny
    while i < end:
        ny = char_at(t + i, end - i, &y)
        h = (x * <uint32_t>0x9E3779B1 + y * <uint32_t>0x85EBCA6B) >> (32 - BITMAP_BITS)
        g = <uint32_t>t[i - 1] << 8 | t[i]
        bit = r.bitmap[h >> 5] >> (h & 31) & 1
        cut = not bit and ((t[i - 1] | t[i]) >= 0x80 or ascii_too)
        if cut and r.guard[g >> 5] >> (g & 31) & 1:
            cut = not pattern_crosses(r, g, t + i - nx, nx, t + i, ny)
        if cut:
            add_item(w, first, i, False)
            first = i
        x, nx = y, ny
        i += ny
    add_item(w, first, end, first == start)


cdef inline unsigned char_at(const uint8_t* t, size_t left, uint32_t* raw) noexcept nogil:
    """Length and bytes of the character at t; a first byte that promises more than there is gets what there is."""
    cdef uint8_t b = t[0]
    if b < 0x80:
        raw[0] = b
        return 1
    if b < 0xE0:
        if left >= 2:
            raw[0] = b | <uint32_t>t[1] << 8
            return 2
    elif b < 0xF0:
        if left >= 3:
            raw[0] = b | <uint32_t>t[1] << 8 | <uint32_t>t[2] << 16
            return 3
    elif left >= 4:
        raw[0] = b | <uint32_t>t[1] << 8 | <uint32_t>t[2] << 16 | <uint32_t>t[3] << 24
        return 4
    raw[0] = b
    return 1


cdef inline bint is_ascii(const uint8_t* t, size_t n) noexcept nogil:
    cdef uint8_t bits = 0
    cdef size_t i
    for i in range(n):
        bits |= t[i]
    return bits < 0x80


cdef inline void add_pretoken(Worker* w, size_t start, size_t end) noexcept nogil:
    if not w.rules.cuts or (end - start <= SHORT and is_ascii(w.base + start, end - start)):
        add_item(w, start, end, True)
    else:
        cut_pretoken(w, start, end)


cdef int encode_pieces(Worker* w, const uint8_t* s, const uint64_t* ends, size_t n_pieces, size_t at) noexcept nogil:
    cdef size_t i, start = 0, base = 0
    if not n_pieces:
        return w.failure
    w.base, w.base_at, w.limit = s, at, ends[n_pieces - 1]
    for i in range(n_pieces):
        if ends[i] - base > LONGEST_BATCH:
            drain(w)
            base = start
            w.base, w.base_at, w.limit = s + base, at + base, ends[n_pieces - 1] - base
        if ends[i] > start:
            add_pretoken(w, start - base, ends[i] - base)
        start = ends[i]
        if w.failure:
            return w.failure
    drain(w)
    return w.failure


cdef int encode_stretch(Worker* w, const uint8_t* s, size_t n, int scheme, size_t at) noexcept nogil:
    cdef Scan scan
    cdef size_t count, k, start = 0, base
    scan.s, scan.n, scan.at, scan.scheme, scan.tier = s, n, 0, scheme, w.tier
    scan.line_stop = 0
    scan.lines = False
    while start < n:
        count = scan_next(&scan, w.ends, ENDS)
        base = start
        w.base, w.base_at, w.limit = s + base, at + base, n - base
        for k in range(count):
            if w.ends[k] - base > LONGEST_BATCH and start > base:
                drain(w)
                base = start
                w.base, w.base_at, w.limit = s + base, at + base, n - base
            if scheme != SCHEME_WHITESPACE or not class_and_length(s + start, w.ends[k] - start) & WHITE:
                add_pretoken(w, start - base, w.ends[k] - base)
            start = w.ends[k]
        drain(w)
        if w.failure:
            return w.failure
    return w.failure
