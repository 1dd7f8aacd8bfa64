"""Merging one segment of a pretoken: lowest rank first, of equal ranks leftmost first.

Up to 16 symbols fit a MergeJob (native/merge_step.h); longer segments use a heap and a linked list, n log n whatever
the text. Reference twin: merge_symbols in bpetk/reference/encode.py.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from bpetk._encode_rules cimport NO_ID, Rules, start_from_chars
from bpetk._native cimport MergeJob, kLanes, kNoRank, mem_alloc, mem_free, merge_step, pair_prefetch, pair_rank

cdef enum:
    LEAST_ROOM = 4096
    GONE = 0xFFFFFFFE       # a symbol that was merged into the one before it
    END = 0xFFFFFFFF


cdef int scratch_init(Scratch* s) noexcept nogil:
    memset(s, 0, sizeof(Scratch))
    return 0 if scratch_room(s, LEAST_ROOM) else -1


cdef void scratch_free(Scratch* s) noexcept nogil:
    mem_free(s.ids, s.room * 4)
    mem_free(s.after, s.room * 4)
    mem_free(s.before, s.room * 4)
    mem_free(s.heap, s.room * 24)
    s.ids = s.after = s.before = NULL
    s.heap = NULL
    s.room = 0


cdef bint scratch_room(Scratch* s, size_t n) noexcept nogil:
    cdef size_t room = s.room
    if n <= room:
        return True
    room = max(n + n // 2, <size_t>LEAST_ROOM)
    scratch_free(s)
    s.room = room
    s.ids = <uint32_t*>mem_alloc(room * 4)
    s.after = <uint32_t*>mem_alloc(room * 4)
    s.before = <uint32_t*>mem_alloc(room * 4)
    s.heap = <uint64_t*>mem_alloc(room * 24)
    if s.ids == NULL or s.after == NULL or s.before == NULL or s.heap == NULL:
        scratch_free(s)
        s.failed = True
        return False
    return True


cdef size_t byte_symbols(const Rules* r, const uint8_t* t, size_t n, bint last, uint32_t* out) noexcept nogil:
    """Ids of the bytes; those without one become the unknown token, a run of them one token if they are fused."""
    cdef size_t i, k = 0
    cdef uint32_t id
    cdef bint unknown = False
    for i in range(n):
        id = r.last_id[t[i]] if last and i + 1 == n else r.byte_id[t[i]]
        if id == NO_ID:
            if unknown and r.fuse_unk:
                continue
            id = r.unk_id
            unknown = True
        else:
            unknown = False
        out[k] = id
        k += 1
    return k


cdef int job_start(const Rules* r, MergeJob* j, const uint8_t* t, size_t n, bint last) noexcept nogil:
    cdef size_t i, k = 0
    memset(j.rank, 0xFF, kLanes * sizeof(uint32_t))
    if r.cuts and (t[n - 1] >= 0x80 or t[0] >= 0x80 or n > <size_t>kLanes):
        k = start_from_chars(r, t, n, j.symbol, kLanes)
    if k:
        j.at = -2
        for i in range(k - 1):
            pair_prefetch(r.pairs, j.symbol[i], j.symbol[i + 1])
    else:
        if n > <size_t>kLanes:
            return -1
        k = byte_symbols(r, t, n, last, j.symbol)
        j.at = -1
        if r.has_suffix or k != n or r.unk_id != NO_ID:
            j.at = -2
        else:
            for i in range(n - 1):
                j.rank[i] = r.square[<uint32_t>t[i] << 8 | t[i + 1]]
    j.n = <int>k
    return MERGE_DONE if k == 1 else MERGE_RUNS


cdef size_t symbols_of(
    const Rules* r, const uint8_t* t, size_t n, uint32_t* out, size_t most, size_t* stopped_at_out
) noexcept nogil:
    # INVARIANT: t is well-formed.
    cdef size_t i = 0, k = 0
    cdef unsigned length
    cdef uint32_t lead, page, symbol
    while i < n and k < most:
        lead = t[i]
        if lead < 0x80:
            length, page = 1, lead >> 6
        elif lead < 0xE0:
            length, page = 2, lead & 31
        elif lead < 0xF0:
            length, page = 3, (lead & 15) << 6 | (t[i + 1] & 63)
        else:
            length, page = 4, (lead & 7) << 12 | <uint32_t>(t[i + 1] & 63) << 6 | (t[i + 2] & 63)
        symbol = r.symbols[<uint32_t>r.pages[page] << 6 | (t[i + length - 1] & 63)]
        if symbol == NO_ID:
            break
        out[k] = symbol
        k += 1
        i += length
    stopped_at_out[0] = i
    return k


cdef int job_of_characters(const Rules* r, MergeJob* j, const uint8_t* t, size_t n) noexcept nogil:
    cdef size_t i, k, stopped
    k = symbols_of(r, t, n, j.symbol, kLanes, &stopped)
    if stopped != n:
        return -1
    memset(j.rank, 0xFF, kLanes * sizeof(uint32_t))
    j.n, j.at = <int>k, -2
    for i in range(k - 1):
        pair_prefetch(r.pairs, j.symbol[i], j.symbol[i + 1])
    return MERGE_DONE if k == 1 else MERGE_RUNS


cdef inline void heap_push(uint64_t* heap, size_t* n, uint64_t entry) noexcept nogil:
    cdef size_t i = n[0], up
    n[0] += 1
    while i:
        up = (i - 1) >> 2
        if heap[up] <= entry:
            break
        heap[i] = heap[up]
        i = up
    heap[i] = entry


cdef inline uint64_t heap_pop(uint64_t* heap, size_t* n) noexcept nogil:
    cdef uint64_t top = heap[0], entry
    cdef size_t i = 0, child, k, best, size = n[0] - 1
    n[0] = size
    entry = heap[size]
    while True:
        child = 4 * i + 1
        if child >= size:
            break
        best = child
        for k in range(child + 1, min(child + 4, size)):
            if heap[k] < heap[best]:
                best = k
        if heap[best] >= entry:
            break
        heap[i] = heap[best]
        i = best
    heap[i] = entry
    return top


cdef inline uint64_t next_random(uint64_t* state) noexcept nogil:
    """splitmix64 (Steele, Lea, Flood 2014)."""
    cdef uint64_t z
    state[0] += <uint64_t>0x9E3779B97F4A7C15
    z = state[0]
    z = (z ^ (z >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <uint64_t>0x94D049BB133111EB
    return z ^ (z >> 31)


cdef inline uint32_t order_of(const Rules* r, uint32_t rank) noexcept nogil:
    """What ranks are compared by."""
    return rank if r.last_equal == NULL or rank == kNoRank else r.last_equal[rank]


cdef inline void heap_offer(const Rules* r, uint64_t* heap, size_t* n, uint32_t at, uint32_t rank) noexcept nogil:
    if rank != kNoRank:
        heap_push(heap, n, <uint64_t>order_of(r, rank) << 32 | at)


cdef size_t merge_heap(const Rules* r, Scratch* s, size_t n) noexcept nogil:
    # INVARIANT: an entry is order_of(rank) << 32 | position, and alive if the pair now at the position has that order.
    cdef uint32_t* ids = s.ids
    cdef uint32_t* after = s.after
    cdef uint32_t* before = s.before
    cdef uint64_t* heap = s.heap
    cdef uint64_t entry
    cdef size_t i, k, size = 0, dropped
    cdef uint32_t rank, at, right, left
    for i in range(n):
        after[i] = <uint32_t>(i + 1) if i + 1 < n else END
        before[i] = <uint32_t>(i - 1) if i else END
        if i + 16 < n:
            pair_prefetch(r.pairs, ids[i + 15], ids[i + 16])
        if i + 1 < n:
            heap_offer(r, heap, &size, <uint32_t>i, pair_rank(r.pairs, ids[i], ids[i + 1]))
    dropped = 3 * s.room     # entries set aside by dropout, from the end of the heap's memory downwards
    while size:
        entry = heap_pop(heap, &size)
        if s.drop_below:
            # As in Hugging Face: set aside until an entry is not dropped.
            if next_random(&s.random) >> 11 < s.drop_below:
                dropped -= 1
                heap[dropped] = entry
                continue
            while dropped < 3 * s.room:
                heap_push(heap, &size, heap[dropped])
                dropped += 1
        at = <uint32_t>entry
        if ids[at] == GONE:
            continue
        right = after[at]
        if right == END:
            continue
        rank = pair_rank(r.pairs, ids[at], ids[right])
        if order_of(r, rank) != <uint32_t>(entry >> 32):
            continue
        ids[at] = r.result[rank]
        ids[right] = GONE
        after[at] = after[right]
        if after[at] != END:
            before[after[at]] = at
            heap_offer(r, heap, &size, at, pair_rank(r.pairs, ids[at], ids[after[at]]))
        left = before[at]
        if left != END:
            heap_offer(r, heap, &size, left, pair_rank(r.pairs, ids[left], ids[at]))
    k = 0
    for i in range(n):
        if ids[i] != GONE:
            ids[k] = ids[i]
            k += 1
    return k


cdef size_t merge_segment(const Rules* r, Scratch* s, int tier, const uint8_t* t, size_t n, bint last) noexcept nogil:
    cdef MergeJob job
    cdef size_t i, k = 0
    cdef int state
    if not s.drop_below:
        state = job_start(r, &job, t, n, last)
        if state != -1:
            if state == MERGE_RUNS:
                while merge_step(tier, r.pairs, r.result, NULL, &job):
                    pass
            for i in range(<size_t>job.n):
                s.ids[i] = job.symbol[i]
            return job.n
    if not scratch_room(s, n):
        return 0
    if r.cuts and not s.drop_below:
        k = start_from_chars(r, t, n, s.ids, n)
    if not k:
        k = byte_symbols(r, t, n, last, s.ids)
    return merge_heap(r, s, k)
