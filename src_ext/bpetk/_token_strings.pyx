"""Identity of token strings: a polynomial hash of the bytes per id; equal hashes are settled by comparing bytes."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy

from bpetk._engine cimport Engine
from bpetk._piece_rules cimport piece_is


cdef uint64_t write_bytes(const Engine* e, uint32_t id, uint8_t* out, uint64_t at) noexcept nogil:
    """The bytes of a made token; recursion is as deep as its merge tree, at most its length."""
    if e.child_left[id] == e.capacity:
        out[at] = <uint8_t>e.child_right[id]
        return at + 1
    return write_bytes(e, e.child_right[id], out, write_bytes(e, e.child_left[id], out, at))


cdef int same_string(const Engine* e, uint32_t t, uint32_t a, uint32_t b) noexcept nogil:
    """Whether token t is a followed by b: 1 or 0, or -1 when memory is out."""
    cdef uint64_t n = <uint64_t>e.length[a] + e.length[b], given = e.length[t] if e.made[t] else e.given_length[t]
    cdef uint8_t* text
    cdef int same
    if n != given:
        return 0
    if e.pieces.of != NULL:
        return piece_is(&e.pieces, t, a, b)
    text = <uint8_t*>malloc(2 * n)
    if text == NULL:
        return -1
    write_bytes(e, b, text, write_bytes(e, a, text, 0))
    if e.made[t]:
        write_bytes(e, t, text, n)
    else:
        memcpy(text + n, e.given[t], n)
    same = memcmp(text, text + n, n) == 0
    free(text)
    return same


cdef uint32_t find_string(const Engine* e, uint64_t hash, uint32_t a, uint32_t b) noexcept nogil:
    cdef uint64_t i = hash & e.by_hash_mask
    cdef uint32_t id
    cdef int same
    while e.by_hash[i]:
        id = e.by_hash[i] - 1
        if e.string_hash[id] == hash:
            same = same_string(e, id, a, b)
            if same:
                return id if same > 0 else e.capacity + 1
        i = (i + 1) & e.by_hash_mask
    return e.capacity


cdef void keep_hash(Engine* e, uint32_t id) noexcept nogil:
    cdef uint64_t i = e.string_hash[id] & e.by_hash_mask
    while e.by_hash[i]:
        i = (i + 1) & e.by_hash_mask
    e.by_hash[i] = id + 1
