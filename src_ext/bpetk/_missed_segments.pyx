"""Segments that the cache does not know: merged 16 side by side, their ids kept until the batch is put out."""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy

from bpetk._encode_rules cimport NO_ID, Rules, find_whole
from bpetk._encode_state cimport JOBS, NO_MEMORY, UNKNOWN_BYTE, Worker
from bpetk._native cimport (
    MergeJob, SegmentItem, kAskAgain, kCountShift, kElsewhere, kLongKey, mem_alloc, mem_free, merge_step,
)
from bpetk._segment_merge cimport (
    MERGE_DONE, MERGE_RUNS, job_of_characters, job_start, merge_heap, merge_segment, scratch_room, symbols_of,
)

cdef enum:
    LEAST_OUT = 4096


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
        # Where the last byte of a pretoken has another id, nothing is cut: every segment ends with it.
        if (r.last_id[t[i]] if i + 1 == n else r.byte_id[t[i]]) == NO_ID:
            if not w.failure:
                w.failure = UNKNOWN_BYTE
                w.error_at = w.base_at + <size_t>(t - w.base) + i
            return False
    return True


# ---------------------------------------------------------------------------------------------------------------------
# Segments of characters.

cdef inline bint spill(Worker* w, const uint32_t* ids, size_t n) noexcept nogil:
    if w.n_spilled + n > w.spill_room and not grow(&w.spilled, &w.spill_room, w.n_spilled, w.n_spilled + n):
        w.failure = NO_MEMORY
        return False
    memcpy(w.spilled + w.n_spilled, ids, n * 4)
    w.n_spilled += n
    return True


cdef void spill_symbols(Worker* w, const uint32_t* symbols, size_t n) noexcept nogil:
    """Keep the ids of symbols."""
    cdef const Rules* r = w.rules
    cdef size_t i
    cdef uint32_t odd
    for i in range(n):
        if symbols[i] < r.n_ids:
            spill(w, symbols + i, 1)
        else:
            odd = symbols[i] - r.n_ids
            spill(w, r.odd_ids + r.odd_start[odd], r.odd_start[odd + 1] - r.odd_start[odd])


cdef inline size_t char_length(uint8_t b) noexcept nogil:
    return 1 if b < 0x80 else 2 if b < 0xE0 else 3 if b < 0xF0 else 4


cdef inline bint has_bytes(const Rules* r, const uint8_t* t, size_t n) noexcept nogil:
    cdef size_t i
    for i in range(n):
        if r.byte_id[t[i]] == NO_ID:
            return False
    return r.byte_fallback


cdef size_t spill_unknown(Worker* w, const uint8_t* t, bint* pending) noexcept nogil:
    """Keep the ids of a character without a symbol; returns its length.

    pending: an unknown token that is put out with the next one, or before the next known character. In Hugging Face it
    stands behind the bytes of other characters so."""
    cdef const Rules* r = w.rules
    cdef size_t i, n = char_length(t[0])
    if has_bytes(r, t, n):
        for i in range(n):
            spill(w, &r.byte_id[t[i]], 1)
    elif r.unk_id != NO_ID:
        if pending[0] and not r.fuse_unk:
            spill(w, &r.unk_id, 1)
        pending[0] = True
    return n


cdef void take_spilled(Worker* w, uint32_t k, size_t before) noexcept nogil:
    """Give missed segment k what was spilled since there were `before`."""
    cdef uint32_t* d = w.side[k]
    cdef size_t n = w.n_spilled - before
    if n <= 4 and not w.failure:
        w.n_spilled = before
        take(w, k, w.spilled + before, n, 0)
        return
    d[0], d[1], d[2], d[3] = <uint32_t>before, <uint32_t>n, 0, kElsewhere


cdef void take_symbols(Worker* w, uint32_t k, const uint32_t* symbols, size_t n) noexcept nogil:
    """Keep the ids of missed segment k, which has become these symbols."""
    cdef uint32_t highest = 0
    cdef size_t i, before = w.n_spilled
    for i in range(n):
        highest = max(highest, symbols[i])
    if highest < w.rules.n_ids:
        take(w, k, symbols, n, 0)
    else:
        spill_symbols(w, symbols, n)
        take_spilled(w, k, before)


cdef void merge_characters(Worker* w, uint32_t k, const uint8_t* t, size_t n) noexcept nogil:
    """Missed segment k of any length, with characters that have no symbol: nothing is joined across these, unless
    nothing stands for them."""
    cdef const Rules* r = w.rules
    cdef size_t before = w.n_spilled, at = 0, got, stopped = 0
    cdef bint pending = False
    while at < n and not w.failure:
        if not scratch_room(&w.scratch, n - at):
            w.failure = NO_MEMORY
            break
        got = symbols_of(r, t + at, n - at, w.scratch.ids, n - at, &stopped)
        at += stopped
        while at < n and r.unk_id == NO_ID and not has_bytes(r, t + at, char_length(t[at])):
            at += char_length(t[at])
            got += symbols_of(r, t + at, n - at, w.scratch.ids + got, n - at, &stopped)
            at += stopped
        if got and pending:
            spill(w, &r.unk_id, 1)
            pending = False
        spill_symbols(w, w.scratch.ids, merge_heap(r, &w.scratch, got))
        if at < n:
            at += spill_unknown(w, t + at, &pending)
    if pending:
        spill(w, &r.unk_id, 1)
    take_spilled(w, k, before)


cdef bint start_characters(Worker* w, MergeJob* job, uint32_t k, const uint8_t* t, size_t n) noexcept nogil:
    """Begin missed segment k; false if it is done at once."""
    cdef uint32_t id
    cdef int state
    if w.scratch.drop_below:
        merge_characters(w, k, t, n)
        return False
    if w.rules.whole_first:
        # A piece that is always taken as a whole is a segment wherever its text stands.
        id = find_whole(w.rules, t, n)
        if id != NO_ID:
            take(w, k, &id, 1, 0)
            return False
    job.tag = k
    state = job_of_characters(w.rules, job, t, n)
    if state == MERGE_RUNS:
        return True
    if state == MERGE_DONE:
        take_symbols(w, k, job.symbol, 1)
    else:
        merge_characters(w, k, t, n)
    return False


# ---------------------------------------------------------------------------------------------------------------------

cdef bint start_missed(Worker* w, MergeJob* job, uint32_t k) noexcept nogil:
    """Begin missed segment k; false if it is done at once."""
    cdef const Rules* r = w.rules
    cdef const SegmentItem* item = &w.items[w.missed[k]]
    cdef size_t n = item.lo if item.hi == kLongKey else item.hi >> 56
    cdef const uint8_t* t = w.base + (item.place >> 1)
    cdef uint32_t id, flag = 0
    cdef int state
    cdef size_t got
    if r.symbols != NULL:
        return start_characters(w, job, k, t, n)
    # With dropout Hugging Face does not look for whole tokens either.
    if r.whole_first and not w.scratch.drop_below:
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
    while running < JOBS and next < n_missed:
        running += start_missed(w, &w.jobs[running], next)
        next += 1
    while running:
        a = 0
        while a < running:
            if merge_step(w.tier, r.pairs, r.result, r.last_equal, &w.jobs[a]):
                a += 1
                continue
            if r.symbols != NULL:
                take_symbols(w, w.jobs[a].tag, w.jobs[a].symbol, w.jobs[a].n)
            else:
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
