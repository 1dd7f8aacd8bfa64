"""C interface of word counts: what the trainer reads."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    PARTITIONS = 64     # by the top bits of the hash; threads combine their tables partition by partition

cdef struct Slot:
    # A word of 1..15 bytes is its own key (native/hash.h). A longer one has lo = its hash and
    # hi = LONG_MARK | address of its record {uint32 length, bytes} in an arena. hi = 0: empty slot.
    uint64_t lo
    uint64_t hi
    uint64_t count

cdef struct Table:
    Slot* slots
    uint64_t mask       # capacity - 1
    uint64_t used

cdef struct Arena:
    void** chunks
    uint64_t* sizes
    uint64_t n_chunks
    uint64_t room       # of the two pointer arrays
    uint64_t at         # fill of the last chunk


cdef inline const uint8_t* slot_bytes(const Slot* slot, uint64_t* length_out) noexcept nogil:
    """The word of a slot; of a short one, inside the slot."""
    cdef const uint8_t* record
    if slot.hi >> 56 != 0xFF:
        length_out[0] = slot.hi >> 56
        return <const uint8_t*>slot
    record = <const uint8_t*>((slot.hi << 8) >> 8)
    length_out[0] = (<const uint32_t*>record)[0]
    return record + 4


cdef class WordCounts:
    cdef Table tables[PARTITIONS]
    cdef Arena* arenas
    cdef int n_arenas
    cdef void release(self) noexcept
