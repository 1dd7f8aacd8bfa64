"""Pair table: open addressing, counts beside keys so that a decrement touches one cache line. And memory for lists."""

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memset

from bpetk._native cimport hash_pair, mem_alloc, mem_alloc_now, mem_free

cdef enum:
    CHUNK = 1 << 20
    FIRST_SLOTS = 1 << 14
    MAPPED = 1 << 22        # lists of at least so many bytes go back to the system when freed


cdef bint table_alloc(PairTable* t, uint64_t capacity) noexcept nogil:
    t.slots = <PairSlot*>mem_alloc_now(capacity * sizeof(PairSlot), True)
    t.lists = <PairList*>mem_alloc_now(capacity * sizeof(PairList), True)
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


cdef void* list_alloc(ListArena* arena, uint64_t n, uint64_t position_size) noexcept nogil:
    cdef uint64_t size = n * position_size, klass = (size + 31) >> 5
    cdef void* p
    if size >= MAPPED:
        return mem_alloc(size)
    if klass >= SMALL_CLASSES:
        return malloc(size)
    if arena.spare[klass] != NULL:
        p = arena.spare[klass]
        arena.spare[klass] = (<void**>p)[0]
        return p
    if arena.n_chunks == 0 or arena.at + (klass << 5) > CHUNK:
        p = realloc(arena.chunks, (arena.n_chunks + 1) * sizeof(void*))
        if p == NULL:
            return NULL
        arena.chunks = <void**>p
        arena.chunks[arena.n_chunks] = mem_alloc_now(CHUNK, True)
        if arena.chunks[arena.n_chunks] == NULL:
            return NULL
        arena.n_chunks += 1
        arena.at = 0
    arena.at += klass << 5
    return <char*>arena.chunks[arena.n_chunks - 1] + arena.at - (klass << 5)


cdef void list_free(ListArena* arena, PairList* positions, uint64_t position_size) noexcept nogil:
    cdef uint64_t size = positions.n * position_size, klass = (size + 31) >> 5
    if positions.positions == NULL:
        return
    if size >= MAPPED:
        mem_free(positions.positions, size)
    elif klass >= SMALL_CLASSES:
        free(positions.positions)
    else:
        (<void**>positions.positions)[0] = arena.spare[klass]
        arena.spare[klass] = positions.positions
    positions.positions = NULL
    positions.n = 0


cdef void list_arena_release(ListArena* arena) noexcept nogil:
    cdef uint64_t i
    for i in range(arena.n_chunks):
        mem_free(arena.chunks[i], CHUNK)
    free(arena.chunks)
    arena.chunks = NULL
    arena.n_chunks = 0


cdef void pairs_release(PairTable* t, uint64_t position_size) noexcept nogil:
    cdef uint64_t i
    if t.slots == NULL:
        return
    for i in range(t.mask + 1):
        if t.slots[i].key != no_pair() and t.lists[i].positions != NULL:
            # Short lists go with their arena.
            if t.lists[i].n * position_size >= MAPPED:
                mem_free(t.lists[i].positions, t.lists[i].n * position_size)
            elif (t.lists[i].n * position_size + 31) >> 5 >= SMALL_CLASSES:
                free(t.lists[i].positions)
    mem_free(t.slots, (t.mask + 1) * sizeof(PairSlot))
    mem_free(t.lists, (t.mask + 1) * sizeof(PairList))
    t.slots = NULL
    t.lists = NULL


cdef inline uint64_t free_slot(const PairTable* t, uint64_t key) noexcept nogil:
    cdef uint64_t i = hash_pair(key) & t.mask
    while t.slots[i].key != no_pair():
        i = (i + 1) & t.mask
    return i


cdef bint grow(PairTable* t, ListArena* arena, uint64_t position_size) noexcept nogil:
    """Double the table and forget the pairs that are gone: a pair is born once, so none of them can come back."""
    cdef PairTable bigger
    cdef uint64_t i, j
    if not table_alloc(&bigger, (t.mask + 1) * 2):
        return False
    for i in range(t.mask + 1):
        if t.slots[i].key == no_pair():
            continue
        if t.slots[i].count < 1:
            list_free(arena, &t.lists[i], position_size)
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
    PairTable* t, ListArena* arena, uint64_t key, int64_t count, void* positions, uint64_t n, uint64_t position_size
) noexcept nogil:
    cdef uint64_t i
    if t.used * 2 >= t.mask + 1 and not grow(t, arena, position_size):
        return False
    i = free_slot(t, key)
    t.slots[i].key = key
    t.slots[i].count = count
    t.lists[i].positions = positions
    t.lists[i].n = n
    t.used += 1
    return True
