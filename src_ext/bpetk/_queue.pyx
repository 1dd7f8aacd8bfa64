"""Queue of pairs, larger count first. Equal counts go by smaller left id, then smaller right id (HuggingFace), or by
the order of pieces (SentencePiece): see _piece_rules.

A heap of all pairs took a quarter of the merge loop on English; most of its work was sinking pairs whose counts had
fallen. Here that is an append to the list of the lower count."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libcpp.algorithm cimport sort

from bpetk._native cimport mem_alloc, mem_free, prefetch_read
from bpetk._pairs cimport PairTable, no_pair, pairs_find, pairs_prefetch
from bpetk._piece_rules cimport Pieces, compare_pairs, pair_order, sort_pairs

cdef enum:
    LEVELS = 1 << 16
    AHEAD = 8


cdef inline bint key_before(const Pieces* pieces, uint64_t a, uint64_t b) noexcept nogil:
    return a < b if pieces == NULL else compare_pairs(pieces, a, b) < 0


cdef inline bint before(const Pieces* pieces, const HeapItem* a, const HeapItem* b) noexcept nogil:
    return a.count > b.count or (a.count == b.count and key_before(pieces, a.key, b.key))


cdef bint heap_push(const Pieces* pieces, Heap* heap, int64_t count, uint64_t key) noexcept nogil:
    cdef uint64_t i = heap.n, parent
    cdef HeapItem item
    cdef void* grown
    if heap.n == heap.room:
        grown = realloc(heap.items, (heap.room * 2 + 256) * sizeof(HeapItem))
        if grown == NULL:
            return False
        heap.items = <HeapItem*>grown
        heap.room = heap.room * 2 + 256
    item.count = count
    item.key = key
    heap.n += 1
    while i:
        parent = (i - 1) >> 2
        if not before(pieces, &item, &heap.items[parent]):
            break
        heap.items[i] = heap.items[parent]
        i = parent
    heap.items[i] = item
    return True


cdef void heap_sink(const Pieces* pieces, Heap* heap, HeapItem item) noexcept nogil:
    """Put item where the top was."""
    cdef uint64_t i = 0, child, best, last
    while True:
        child = (i << 2) + 1
        if child >= heap.n:
            break
        best = child
        last = child + 4 if child + 4 < heap.n else heap.n
        child += 1
        while child < last:
            if before(pieces, &heap.items[child], &heap.items[best]):
                best = child
            child += 1
        if not before(pieces, &heap.items[best], &item):
            break
        heap.items[i] = heap.items[best]
        i = best
    heap.items[i] = item


cdef void heap_pop(const Pieces* pieces, Heap* heap) noexcept nogil:
    heap.n -= 1
    if heap.n:
        heap_sink(pieces, heap, heap.items[heap.n])


cdef bint queue_init(Queue* q) noexcept nogil:
    q.heads = <uint32_t*>mem_alloc(LEVELS * sizeof(uint32_t))
    q.level = LEVELS
    return q.heads != NULL


cdef void queue_release(Queue* q) noexcept nogil:
    mem_free(q.heads, LEVELS * sizeof(uint32_t))
    free(q.big.items)
    free(q.fresh.items)
    free(q.chunks)
    free(q.sorted)


cdef void list_push(Queue* q, int64_t count, uint64_t key) noexcept nogil:
    cdef uint32_t head = q.heads[count]
    cdef void* grown
    if head == 0 or q.chunks[head - 1].n == CHUNK_KEYS:
        if q.spare:
            head = q.spare
            q.spare = q.chunks[head - 1].next
        else:
            if q.n_chunks == q.chunks_room:
                grown = realloc(q.chunks, (q.chunks_room * 2 + 1024) * sizeof(Chunk))
                if grown == NULL or q.chunks_room > 0x7FFFFF00:
                    q.failed = True
                    return
                q.chunks = <Chunk*>grown
                q.chunks_room = q.chunks_room * 2 + 1024
            q.n_chunks += 1
            head = <uint32_t>q.n_chunks
        q.chunks[head - 1].n = 0
        q.chunks[head - 1].next = q.heads[count]
        q.heads[count] = head
    q.chunks[head - 1].keys[q.chunks[head - 1].n] = key
    q.chunks[head - 1].n += 1


cdef void queue_push(Queue* q, int64_t count, uint64_t key) noexcept nogil:
    if count >= LEVELS:
        q.failed = not heap_push(q.pieces, &q.big, count, key) or q.failed
    elif count < q.level:
        list_push(q, count, key)
    else:
        if q.pieces != NULL:
            count = -<int64_t>pair_order(q.pieces, key)
        q.failed = not heap_push(q.pieces, &q.fresh, count, key) or q.failed


cdef void queue_rewind(Queue* q) noexcept nogil:
    cdef uint64_t i
    if q.level == LEVELS:
        return
    for i in range(q.sorted_at, q.n_sorted):
        list_push(q, q.level, q.sorted[i])
    for i in range(q.fresh.n):
        list_push(q, q.level, q.fresh.items[i].key)
    q.sorted_at = q.n_sorted = q.fresh.n = 0
    q.level = LEVELS


cdef bint next_level(Queue* q, const PairTable* pairs) noexcept nogil:
    """Go down to the next list with entries and sort those that are not stale; False when there is none."""
    cdef uint32_t at, after, k
    cdef uint64_t slot, key, n = 0, i
    cdef int64_t count
    cdef void* grown
    q.level -= 1
    while q.level > 0 and q.heads[q.level] == 0:
        q.level -= 1
    q.sorted_at = q.n_sorted = 0
    if q.level <= 0:
        q.level = LEVELS
        return False
    # Take the whole list out first, so that the look-ups can be prefetched and stale pairs pushed further down.
    at = q.heads[q.level]
    q.heads[q.level] = 0
    while at:
        if n + CHUNK_KEYS > q.sorted_room:
            grown = realloc(q.sorted, 2 * (n + CHUNK_KEYS) * sizeof(uint64_t))
            if grown == NULL:
                q.failed = True
                return False
            q.sorted = <uint64_t*>grown
            q.sorted_room = 2 * (n + CHUNK_KEYS)
        for k in range(q.chunks[at - 1].n):
            q.sorted[n] = q.chunks[at - 1].keys[k]
            n += 1
        after = q.chunks[at - 1].next
        q.chunks[at - 1].next = q.spare
        q.spare = at
        at = after
    for i in range(n):
        if i + AHEAD < n:
            pairs_prefetch(pairs, q.sorted[i + AHEAD])
        key = q.sorted[i]
        slot = pairs_find(pairs, key)
        count = pairs.slots[slot].count if slot != no_pair() else 0
        if count == q.level:
            q.sorted[q.n_sorted] = key
            q.n_sorted += 1
        elif count > 0:
            list_push(q, count, key)
    if q.pieces == NULL:
        sort(q.sorted, q.sorted + q.n_sorted)
    else:
        q.failed = not sort_pairs(q.pieces, q.sorted, q.n_sorted) or q.failed
    return True


cdef inline bint fresh_is_next(const Queue* q) noexcept nogil:
    return q.fresh.n != 0 and (
        q.sorted_at == q.n_sorted or key_before(q.pieces, q.fresh.items[0].key, q.sorted[q.sorted_at])
    )


cdef inline void look_ahead(const Queue* q, const PairTable* pairs) noexcept nogil:
    """Bring what the next pairs of the level will need into the cache, step by step."""
    cdef uint64_t slot
    if q.sorted_at + 6 < q.n_sorted:
        pairs_prefetch(pairs, q.sorted[q.sorted_at + 6])
        slot = pairs_find(pairs, q.sorted[q.sorted_at + 4])
        if slot != no_pair():
            prefetch_read(&pairs.lists[slot])
        slot = pairs_find(pairs, q.sorted[q.sorted_at + 2])
        if slot != no_pair() and pairs.lists[slot].positions != NULL:
            prefetch_read(pairs.lists[slot].positions)
            prefetch_read(<char*>pairs.lists[slot].positions + 64)


cdef uint64_t queue_top(Queue* q, const PairTable* pairs) noexcept nogil:
    cdef uint64_t key, slot
    cdef int64_t count
    cdef HeapItem item
    while q.big.n:
        item = q.big.items[0]
        slot = pairs_find(pairs, item.key)
        count = pairs.slots[slot].count if slot != no_pair() else 0
        if count == item.count:
            return slot
        if count >= LEVELS:
            item.count = count
            heap_sink(q.pieces, &q.big, item)
        else:
            heap_pop(q.pieces, &q.big)
            if count > 0:
                list_push(q, count, item.key)
    while True:
        while q.sorted_at < q.n_sorted or q.fresh.n:
            if fresh_is_next(q):
                key = q.fresh.items[0].key
            else:
                key = q.sorted[q.sorted_at]
            slot = pairs_find(pairs, key)
            count = pairs.slots[slot].count if slot != no_pair() else 0
            if count == q.level:
                look_ahead(q, pairs)
                return slot
            queue_pop(q)
            if count > 0:
                list_push(q, count, key)
        if not next_level(q, pairs):
            return no_pair()


cdef void queue_pop(Queue* q) noexcept nogil:
    if q.big.n:
        heap_pop(q.pieces, &q.big)
    elif fresh_is_next(q):
        heap_pop(q.pieces, &q.fresh)
    else:
        q.sorted_at += 1
