"""Which id a token's bytes have, to notice a merge that makes a string that exists."""

from libc.stdint cimport uint32_t, uint64_t

from bpetk._engine cimport Engine

cdef inline uint64_t hash_base() noexcept nogil:
    """Odd, so that it has an inverse. The hash of bytes b1..bn is the sum of (bi + 1) * base**(n - i) modulo 2**64."""
    return <uint64_t>0x9E3779B97F4A7C15ULL

# The id with this hash, or the capacity.
cdef uint32_t find_hash(const Engine* e, uint64_t hash) noexcept nogil
cdef void keep_hash(Engine* e, uint32_t id) noexcept nogil
# Whether token t is a followed by b: 1 or 0, or -1 when memory is out.
cdef int same_string(const Engine* e, uint32_t t, uint32_t a, uint32_t b) noexcept nogil
