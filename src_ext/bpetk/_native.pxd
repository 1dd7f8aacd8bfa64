"""Every declaration of native/*.h."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef extern from "native/mem.h" namespace "bpetk" nogil:
    void* mem_alloc(size_t size)
    void* mem_alloc_now "bpetk::mem_alloc"(size_t size, bint populate)
    void mem_free(void* p, size_t size)
    void prefetch_read(const void* p)
    void prefetch_write(const void* p)

cdef extern from "native/hash.h" namespace "bpetk" nogil:
    struct Key:
        uint64_t lo
        uint64_t hi
    size_t kShortKey
    uint64_t hash_key(Key k)
    Key short_key(const uint8_t* p, size_t n)
    Key short_key_exact(const uint8_t* p, size_t n)
    uint64_t hash_bytes(const uint8_t* p, size_t n)
    uint64_t hash_pair(uint64_t left_right)

cdef extern from "native/pool.h" namespace "bpetk" nogil:
    ctypedef void (*PoolTask "bpetk::Pool::Task")(void* context, int worker) noexcept nogil
    cdef cppclass Pool:
        Pool(int workers) except +
        int workers()
        void run(PoolTask task, void* context)

cdef extern from "native/utf.h" namespace "bpetk" nogil:
    uint32_t class_and_length(const uint8_t* p, size_t left)
    size_t utf8_first_error(const uint8_t* s, size_t n)

cdef extern from "native/scan_blocks.h" namespace "bpetk" nogil:
    bint cpu_has(int tier)
    size_t scan_blocks_any(
        int scheme, bint lines, const uint8_t* s, size_t at, size_t n, int tier, uint64_t* ends, size_t capacity,
        size_t* at_out, size_t* hard_until_out,
    )
