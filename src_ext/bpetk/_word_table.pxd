"""A table of distinct words with their counts; what a lookup needs is inline."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from bpetk._native cimport Key

cdef struct Slot:
    # A word of 1..15 bytes is its own key (native/hash.h). A longer one has lo = its hash and, in hi from the top:
    # 8 bits of ones, 8 bits length (255: it is in the record alone), 48 bits address of its record in an arena,
    # which is {uint32 length, bytes}. hi = 0: empty slot.
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


cdef inline const uint8_t* slot_record(const Slot* slot) noexcept nogil:
    """The record of a long word."""
    return <const uint8_t*>((slot.hi << 16) >> 16)


cdef inline const uint8_t* slot_bytes(const Slot* slot, uint64_t* length_out) noexcept nogil:
    """The word of a slot; of a short one, inside the slot."""
    cdef const uint8_t* record
    if slot.hi >> 56 != 0xFF:
        length_out[0] = slot.hi >> 56
        return <const uint8_t*>slot
    record = slot_record(slot)
    length_out[0] = (slot.hi >> 48) & 0xFF
    if length_out[0] == 0xFF:
        length_out[0] = (<const uint32_t*>record)[0]
    return record + 4


cdef inline bint table_full(const Table* t) noexcept nogil:
    return t.slots == NULL or t.used * 8 >= (t.mask + 1) * 5


cdef inline bint add_key(Table* t, Key key, uint64_t hash, uint64_t count) noexcept nogil:
    """Count a short word. False: out of memory."""
    cdef Slot* slot
    cdef uint64_t i
    if table_full(t) and not table_grow(t):
        return False
    i = hash & t.mask
    while True:
        slot = &t.slots[i]
        if slot.lo == key.lo and slot.hi == key.hi:
            slot.count += count
            return True
        if slot.hi == 0:
            slot.lo = key.lo
            slot.hi = key.hi
            slot.count = count
            t.used += 1
            return True
        i = (i + 1) & t.mask


# All False or NULL when memory is out.
cdef bint table_grow(Table* t) noexcept nogil
cdef bint add_long(Table* t, Arena* arena, const uint8_t* p, uint64_t n, uint64_t hash, uint64_t count) noexcept nogil
cdef bint absorb(Table* into, const Table* other) noexcept nogil
cdef void table_release(Table* t) noexcept nogil
cdef void arena_release(Arena* a) noexcept nogil
