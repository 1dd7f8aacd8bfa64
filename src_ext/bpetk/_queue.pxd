"""The pairs by current count: the next merge is at the top."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from bpetk._pairs cimport PairTable
from bpetk._piece_rules cimport Pieces

cdef struct HeapItem:
    int64_t count           # in `fresh`, where all counts are equal, of pieces: falls as their order rises
    uint64_t key

cdef struct Heap:
    HeapItem* items
    uint64_t n
    uint64_t room

cdef enum:
    CHUNK_KEYS = 7

cdef struct Chunk:
    # One cache line of a list.
    uint64_t keys[CHUNK_KEYS]
    uint32_t n
    uint32_t next           # index + 1; 0: none

cdef struct Queue:
    # Entries may be stale: an entry's count is at least the pair's, because counts only fall after birth. They are
    # put right when they come to the top. Pairs of at least LEVELS occurrences are in a heap. The others lie in one
    # list a count; that of the largest count present, the level, is sorted by key when the level is reached.
    Heap big
    uint32_t* heads         # by count: first chunk of its list, index + 1; only the first may have room
    Chunk* chunks
    uint64_t n_chunks
    uint64_t chunks_room
    uint32_t spare          # freed chunks
    int64_t level           # lists of this count and above are empty
    uint64_t* sorted
    uint64_t sorted_at
    uint64_t n_sorted
    uint64_t sorted_room
    Heap fresh              # pairs that got the level's count after it was sorted
    bint failed             # memory was out at some push
    const Pieces* pieces    # equal counts go by the order of pieces; NULL: by key

cdef bint queue_init(Queue* q) noexcept nogil
cdef void queue_release(Queue* q) noexcept nogil
cdef void queue_push(Queue* q, int64_t count, uint64_t key) noexcept nogil
# Allow pushes above the level, as a re-scan makes them.
cdef void queue_rewind(Queue* q) noexcept nogil
# Slot of the pair with the largest count, then the first in order; no_pair() if there is none. It stays in the queue.
cdef uint64_t queue_top(Queue* q, const PairTable* pairs) noexcept nogil
cdef void queue_pop(Queue* q) noexcept nogil
