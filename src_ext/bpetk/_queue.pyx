"""Queue of pairs in HuggingFace's order: larger count first, then smaller left id, then smaller right id.

A heap of all pairs took a quarter of the merge loop on English; most of its work was sinking pairs whose counts had
fallen. Here that is an append to the list of the lower count."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libcpp.algorithm cimport sort

from bpetk._native cimport mem_alloc, mem_free
from bpetk._pairs cimport PairTable, no_pair, pairs_find, pairs_prefetch

cdef enum:
    LEVELS = 1 << 16


cdef inline bint before(const HeapItem* a, const HeapItem* b) noexcept nogil:
    return a.count > b.count or (a.count == b.count and a.key < b.key)


cdef bint heap_push(Heap* heap, int64_t count, uint64_t key) noexcept nogil:
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
        if not before(&item, &heap.items[parent]):
            break
        heap.items[i] = heap.items[parent]
        i = parent
    heap.items[i] = item
    return True


cdef void heap_sink(Heap* heap, HeapItem item) noexcept nogil:
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
            if before(&heap.items[child], &heap.items[best]):
                best = child
            child += 1
        if not before(&heap.items[best], &item):
            break
        heap.items[i] = heap.items[best]
        i = best
    heap.items[i] = item


cdef void heap_pop(Heap* heap) noexcept nogil:
    heap.n -= 1
    if heap.n:
        heap_sink(heap, heap.items[heap.n])


cdef bint queue_init(Queue* q) noexcept nogil:
    q.heads = <uint32_t*>mem_alloc(LEVELS * sizeof(uint32_t))
    q.level = LEVELS
    return q.heads != NULL


cdef void queue_release(Queue* q) noexcept nogil:
    mem_free(q.heads, LEVELS * sizeof(uint32_t))
    free(q.big.items)
    free(q.fresh.items)
    free(q.nodes)
    free(q.sorted)


cdef void list_push(Queue* q, int64_t count, uint64_t key) noexcept nogil:
    cdef uint32_t node = q.spare
    cdef void* grown
    if node:
        q.spare = q.nodes[node - 1].next
    else:
        if q.n_nodes == q.nodes_room:
            grown = realloc(q.nodes, (q.nodes_room * 2 + 4096) * sizeof(Node))
            if grown == NULL or q.nodes_room > 0x7FFFFF00:
                q.failed = True
                return
            q.nodes = <Node*>grown
            q.nodes_room = q.nodes_room * 2 + 4096
        q.n_nodes += 1
        node = <uint32_t>q.n_nodes
    q.nodes[node - 1].key = key
    q.nodes[node - 1].next = q.heads[count]
    q.heads[count] = node


cdef void queue_push(Queue* q, int64_t count, uint64_t key) noexcept nogil:
    if count >= LEVELS:
        q.failed = not heap_push(&q.big, count, key) or q.failed
    elif count < q.level:
        list_push(q, count, key)
    else:
        q.failed = not heap_push(&q.fresh, count, key) or q.failed


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
    cdef uint32_t node, after
    cdef uint64_t slot, n = 0
    cdef int64_t count
    cdef void* grown
    q.level -= 1
    while q.level > 0 and q.heads[q.level] == 0:
        q.level -= 1
    q.sorted_at = q.n_sorted = 0
    if q.level <= 0:
        q.level = LEVELS
        return False
    node = q.heads[q.level]
    while node:
        pairs_prefetch(pairs, q.nodes[node - 1].key)
        node = q.nodes[node - 1].next
        n += 1
    if n > q.sorted_room:
        grown = realloc(q.sorted, 2 * n * sizeof(uint64_t))
        if grown == NULL:
            q.failed = True
            return False
        q.sorted = <uint64_t*>grown
        q.sorted_room = 2 * n
    node = q.heads[q.level]
    q.heads[q.level] = 0
    while node:
        after = q.nodes[node - 1].next
        slot = pairs_find(pairs, q.nodes[node - 1].key)
        count = pairs.slots[slot].count if slot != no_pair() else 0
        if count == q.level:
            q.sorted[q.n_sorted] = q.nodes[node - 1].key
            q.n_sorted += 1
        elif count > 0:
            # The node moves as it is.
            q.nodes[node - 1].next = q.heads[count]
            q.heads[count] = node
            node = after
            continue
        q.nodes[node - 1].next = q.spare
        q.spare = node
        node = after
    sort(q.sorted, q.sorted + q.n_sorted)
    return True


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
            heap_sink(&q.big, item)
        else:
            heap_pop(&q.big)
            if count > 0:
                list_push(q, count, item.key)
    while True:
        while q.sorted_at < q.n_sorted or q.fresh.n:
            if q.fresh.n and (q.sorted_at == q.n_sorted or q.fresh.items[0].key < q.sorted[q.sorted_at]):
                key = q.fresh.items[0].key
            else:
                key = q.sorted[q.sorted_at]
            slot = pairs_find(pairs, key)
            count = pairs.slots[slot].count if slot != no_pair() else 0
            if count == q.level:
                return slot
            queue_pop(q)
            if count > 0:
                list_push(q, count, key)
        if not next_level(q, pairs):
            return no_pair()


cdef void queue_pop(Queue* q) noexcept nogil:
    if q.big.n:
        heap_pop(&q.big)
    elif q.fresh.n and (q.sorted_at == q.n_sorted or q.fresh.items[0].key < q.sorted[q.sorted_at]):
        heap_pop(&q.fresh)
    else:
        q.sorted_at += 1
