"""Pair table (open addressing, counts beside keys so that a decrement touches one cache line) and a 4-ary heap.

Heap order: larger count first, then smaller left id, then smaller right id, which is HuggingFace's order."""

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memset

from bpetk._native cimport hash_pair, mem_alloc, mem_free

cdef enum:
    FIRST_SLOTS = 1 << 14
    MAPPED = 1 << 17        # lists of at least so many bytes go back to the system when freed


cdef bint table_alloc(PairTable* t, uint64_t capacity) noexcept nogil:
    t.slots = <PairSlot*>mem_alloc(capacity * sizeof(PairSlot))
    t.lists = <PairList*>mem_alloc(capacity * sizeof(PairList))
    if t.slots == NULL or t.lists == NULL:
        mem_free(t.slots, capacity * sizeof(PairSlot))
        mem_free(t.lists, capacity * sizeof(PairList))
        t.slots = NULL
        t.lists = NULL
        return False
    memset(t.slots, 0xFF, capacity * sizeof(PairSlot))
    t.mask = capacity - 1
    t.used = 0
    return True


cdef bint pairs_init(PairTable* t) noexcept nogil:
    return table_alloc(t, FIRST_SLOTS)


cdef void* list_alloc(uint64_t n, uint64_t position_size) noexcept nogil:
    cdef uint64_t size = n * position_size
    return mem_alloc(size) if size >= MAPPED else malloc(size + 1)


cdef void list_free(PairList* positions, uint64_t position_size) noexcept nogil:
    cdef uint64_t size = positions.n * position_size
    if size >= MAPPED:
        mem_free(positions.positions, size)
    else:
        free(positions.positions)
    positions.positions = NULL
    positions.n = 0


cdef void pairs_release(PairTable* t, uint64_t position_size) noexcept nogil:
    cdef uint64_t i
    if t.slots == NULL:
        return
    for i in range(t.mask + 1):
        if t.slots[i].key != no_pair() and t.lists[i].positions != NULL:
            list_free(&t.lists[i], position_size)
    mem_free(t.slots, (t.mask + 1) * sizeof(PairSlot))
    mem_free(t.lists, (t.mask + 1) * sizeof(PairList))
    t.slots = NULL
    t.lists = NULL


cdef inline uint64_t free_slot(const PairTable* t, uint64_t key) noexcept nogil:
    cdef uint64_t i = hash_pair(key) & t.mask
    while t.slots[i].key != no_pair():
        i = (i + 1) & t.mask
    return i


cdef bint grow(PairTable* t, uint64_t position_size) noexcept nogil:
    """Double the table and forget the pairs that are gone: a pair is born once, so none of them can come back."""
    cdef PairTable bigger
    cdef uint64_t i, j
    if not table_alloc(&bigger, (t.mask + 1) * 2):
        return False
    for i in range(t.mask + 1):
        if t.slots[i].key == no_pair():
            continue
        if t.slots[i].count < 1:
            if t.lists[i].positions != NULL:
                list_free(&t.lists[i], position_size)
            continue
        j = free_slot(&bigger, t.slots[i].key)
        bigger.slots[j] = t.slots[i]
        bigger.lists[j] = t.lists[i]
        bigger.used += 1
    mem_free(t.slots, (t.mask + 1) * sizeof(PairSlot))
    mem_free(t.lists, (t.mask + 1) * sizeof(PairList))
    t[0] = bigger
    return True


cdef bint pairs_add(
    PairTable* t, uint64_t key, int64_t count, void* positions, uint64_t n, uint64_t position_size
) noexcept nogil:
    cdef uint64_t i
    if t.used * 2 >= t.mask + 1 and not grow(t, position_size):
        return False
    i = free_slot(t, key)
    t.slots[i].key = key
    t.slots[i].count = count
    t.lists[i].positions = positions
    t.lists[i].n = n
    t.used += 1
    return True


cdef inline bint before(const HeapItem* a, const HeapItem* b) noexcept nogil:
    return a.count > b.count or (a.count == b.count and a.key < b.key)


cdef bint heap_push(Heap* heap, int64_t count, uint64_t key) noexcept nogil:
    cdef uint64_t i = heap.n, parent
    cdef HeapItem item
    cdef void* grown
    if heap.n == heap.room:
        grown = realloc(heap.items, (heap.room * 2 + 4096) * sizeof(HeapItem))
        if grown == NULL:
            return False
        heap.items = <HeapItem*>grown
        heap.room = heap.room * 2 + 4096
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


cdef void heap_replace_top(Heap* heap, int64_t count, uint64_t key) noexcept nogil:
    cdef uint64_t i = 0, child, best, last
    cdef HeapItem item
    item.count = count
    item.key = key
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
        heap_replace_top(heap, heap.items[heap.n].count, heap.items[heap.n].key)
