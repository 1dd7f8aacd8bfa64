"""Which id a token's bytes have, to notice a merge that makes a string that exists."""

from libc.stdint cimport uint32_t, uint64_t

from bpetk._engine cimport Engine

cdef inline uint64_t hash_base() noexcept nogil:
    """Odd, so that it has an inverse. The hash of bytes b1..bn is the sum of (bi + 1) * base**(n - i) modulo 2**64."""
    return <uint64_t>0x9E3779B97F4A7C15ULL

# The id of the string that is token a followed by token b, whose hash is given; the capacity if there is none, one more
# when memory is out.
cdef uint32_t find_string(const Engine* e, uint64_t hash, uint32_t a, uint32_t b) noexcept nogil
cdef void keep_hash(Engine* e, uint32_t id) noexcept nogil
