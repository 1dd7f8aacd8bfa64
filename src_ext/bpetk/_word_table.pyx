"""Open addressing with keys inside the slots, and an arena for words that do not fit into one.

Memory follows the distinct words: 24 bytes a slot at a load of at most 5/8, and for words over 15 bytes a record in
the arena."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memcpy

from bpetk._native cimport Key, hash_key, mem_alloc, mem_alloc_now, mem_free, prefetch_write

cdef enum:
    AHEAD = 12
    FIRST_SLOTS = 64
    CHUNK = 1 << 20

cdef uint64_t LONG_MARK = <uint64_t>0xFF << 56


cdef uint8_t* arena_take(Arena* a, uint64_t size) noexcept nogil:
    """Room for size bytes, 4-byte aligned; NULL when memory is out."""
    cdef uint64_t chunk
    cdef void* p
    size = (size + 3) & ~<uint64_t>3
    if a.n_chunks == 0 or a.at + size > a.sizes[a.n_chunks - 1]:
        if a.n_chunks == a.room:
            a.room = a.room * 2 + 16
            p = realloc(a.chunks, a.room * sizeof(void*))
            if p == NULL:
                return NULL
            a.chunks = <void**>p
            p = realloc(a.sizes, a.room * sizeof(uint64_t))
            if p == NULL:
                return NULL
            a.sizes = <uint64_t*>p
        chunk = size if size > CHUNK else CHUNK
        p = mem_alloc(chunk)
        if p == NULL:
            return NULL
        a.chunks[a.n_chunks] = p
        a.sizes[a.n_chunks] = chunk
        a.n_chunks += 1
        a.at = 0
    a.at += size
    return <uint8_t*>a.chunks[a.n_chunks - 1] + a.at - size


cdef void arena_release(Arena* a) noexcept nogil:
    cdef uint64_t i
    for i in range(a.n_chunks):
        mem_free(a.chunks[i], a.sizes[i])
    free(a.chunks)
    free(a.sizes)
    a.chunks = NULL
    a.sizes = NULL
    a.n_chunks = a.room = a.at = 0


cdef inline uint64_t slot_hash(const Slot* slot) noexcept nogil:
    cdef Key key
    if slot.hi >> 56 == 0xFF:
        return slot.lo
    key.lo = slot.lo
    key.hi = slot.hi
    return hash_key(key)


cdef bint resize(Table* t, uint64_t capacity) noexcept nogil:
    cdef uint64_t i, j
    cdef Slot* old = t.slots
    cdef Slot* slots = <Slot*>mem_alloc_now(capacity * sizeof(Slot), True)
    if slots == NULL:
        return False
    if old != NULL:
        for i in range(t.mask + 1):
            if old[i].hi:
                j = slot_hash(&old[i]) & (capacity - 1)
                while slots[j].hi:
                    j = (j + 1) & (capacity - 1)
                slots[j] = old[i]
        mem_free(old, (t.mask + 1) * sizeof(Slot))
    t.slots = slots
    t.mask = capacity - 1
    return True


cdef bint table_grow(Table* t) noexcept nogil:
    return resize(t, (t.mask + 1) * 2 if t.slots != NULL else FIRST_SLOTS)


cdef void table_release(Table* t) noexcept nogil:
    if t.slots != NULL:
        mem_free(t.slots, (t.mask + 1) * sizeof(Slot))
    t.slots = NULL
    t.mask = t.used = 0


cdef Slot* find_long(Table* t, const uint8_t* p, uint64_t n, uint64_t hash) noexcept nogil:
    """The slot of a long word, or the empty slot where it belongs; NULL when memory is out."""
    cdef Slot* slot
    cdef uint64_t i, length
    cdef const uint8_t* bytes
    if table_full(t) and not table_grow(t):
        return NULL
    i = hash & t.mask
    while True:
        slot = &t.slots[i]
        if slot.hi == 0:
            return slot
        if slot.lo == hash and slot.hi >> 56 == 0xFF:
            bytes = slot_bytes(slot, &length)
            if length == n and memcmp(bytes, p, n) == 0:
                return slot
        i = (i + 1) & t.mask


cdef bint add_long(Table* t, Arena* arena, const uint8_t* p, uint64_t n, uint64_t hash, uint64_t count) noexcept nogil:
    cdef Slot* slot = find_long(t, p, n, hash)
    cdef uint8_t* record
    if slot == NULL:
        return False
    if slot.hi == 0:
        record = arena_take(arena, n + 4)
        if record == NULL or <uint64_t>record >> 48:
            return False
        (<uint32_t*>record)[0] = <uint32_t>n
        memcpy(record + 4, p, n)
        slot.lo = hash
        slot.hi = LONG_MARK | (n if n < 0xFF else <uint64_t>0xFF) << 48 | <uint64_t>record
        t.used += 1
    slot.count += count
    return True


cdef bint absorb(Table* into, const Table* other) noexcept nogil:
    """Add the counts of other; long words stay where their bytes are."""
    cdef uint64_t i, length
    cdef const Slot* slot
    cdef Slot* target
    cdef const uint8_t* bytes
    cdef Key key
    if other.slots == NULL:
        return True
    for i in range(other.mask + 1):
        if i + AHEAD <= other.mask and other.slots[i + AHEAD].hi:
            prefetch_write(&into.slots[slot_hash(&other.slots[i + AHEAD]) & into.mask])
        slot = &other.slots[i]
        if slot.hi == 0:
            continue
        if slot.hi >> 56 != 0xFF:
            key.lo = slot.lo
            key.hi = slot.hi
            if not add_key(into, key, hash_key(key), slot.count):
                return False
            continue
        bytes = slot_bytes(slot, &length)
        target = find_long(into, bytes, length, slot.lo)
        if target == NULL:
            return False
        if target.hi == 0:
            into.used += 1
            target.lo = slot.lo
            target.hi = slot.hi
        target.count += slot.count
    return True
