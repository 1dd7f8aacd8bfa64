"""Pairs with a known count and the places where they stand; what the merge loop asks for is inline."""

from libc.stdint cimport int64_t, uint64_t

from bpetk._native cimport hash_pair, prefetch_write

cdef struct PairSlot:
    uint64_t key        # left id << 32 | right id; no_pair() marks an empty slot
    int64_t count       # current count; below 1: merged or gone

cdef struct PairList:
    # All positions at which the pair stood when it was born, ascending; entries die silently.
    void* positions
    uint64_t n

cdef struct PairTable:
    PairSlot* slots
    PairList* lists     # parallel to slots: rarely touched
    uint64_t mask
    uint64_t used

cdef enum:
    SMALL_CLASSES = 65      # lists up to 2 KiB, by 32 bytes

cdef struct ListArena:
    # Memory for short lists. One thread takes from an arena; whoever frees gives to the first thread's.
    void** chunks
    uint64_t n_chunks
    uint64_t at             # fill of the last chunk
    void* spare[SMALL_CLASSES]


cdef inline uint64_t no_pair() noexcept nogil:
    """The key of an empty slot, and the answer "not found": no pair of real ids has it."""
    return <uint64_t>-1


cdef inline uint64_t pairs_find(const PairTable* t, uint64_t key) noexcept nogil:
    """Slot of a pair, or no_pair()."""
    cdef uint64_t i = hash_pair(key) & t.mask
    while t.slots[i].key != key:
        if t.slots[i].key == no_pair():
            return no_pair()
        i = (i + 1) & t.mask
    return i


cdef inline void pairs_prefetch(const PairTable* t, uint64_t key) noexcept nogil:
    prefetch_write(&t.slots[hash_pair(key) & t.mask])


cdef bint pairs_init(PairTable* t) noexcept nogil
cdef void pairs_release(PairTable* t, uint64_t position_size) noexcept nogil
# Register a new pair, which takes over its list; False when memory is out. INVARIANT: the key is not in the table.
cdef bint pairs_add(
    PairTable* t, ListArena* arena, uint64_t key, int64_t count, void* positions, uint64_t n, uint64_t position_size
) noexcept nogil
cdef void* list_alloc(ListArena* arena, uint64_t n, uint64_t position_size) noexcept nogil
cdef void list_free(ListArena* arena, PairList* positions, uint64_t position_size) noexcept nogil
cdef void list_arena_release(ListArena* arena) noexcept nogil
