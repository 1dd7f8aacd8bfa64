"""Lists of ranks while they are read, and the table that is made of them."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef enum:
    LARGEST = 0x7FFFFFFF        # bytes of a file
    LARGEST_ID = (1 << 21) - 3

cdef struct Item:
    const uint8_t* p            # base64; NULL for none
    uint32_t size
    uint32_t rank

cdef struct Items:
    Item* all
    uint64_t n
    uint64_t room
    bint no_memory


cdef class Ranks:
    cdef readonly bytes blob        # the bytes of all tokens by id, one behind the other
    cdef readonly object offsets    # [n_ids + 1] where each begins, uint32; an id without a token has none
    cdef readonly bytes flags       # [n_ids] of TOKEN, and EXPLAINED for the bytes
    cdef readonly tuple byte_ids    # [256]
    cdef Py_ssize_t n_tokens
    cdef uint64_t* slots            # only if it was read
    cdef uint64_t mask


cdef bint add_item(Items* items, const uint8_t* p, uint64_t size, uint32_t rank) noexcept nogil
cdef Ranks gather(const Items* items, uint64_t n, uint32_t first, bint with_empty)
