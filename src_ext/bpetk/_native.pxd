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

cdef extern from "native/pair_ranks.h" namespace "bpetk" nogil:
    uint32_t kNoRank
    struct PairRanks:
        uint64_t* slots
        uint32_t buckets
    void pair_insert(const PairRanks& t, uint32_t a, uint32_t b, uint32_t rank)
    uint32_t pair_rank(const PairRanks& t, uint32_t a, uint32_t b)
    void pair_prefetch(const PairRanks& t, uint32_t a, uint32_t b)

cdef extern from "native/merge_step.h" namespace "bpetk" nogil:
    int kLanes
    struct MergeJob:
        uint32_t* symbol
        uint32_t* rank
        int n
        int at
        uint32_t tag
    bint merge_step(int tier, const PairRanks& t, const uint32_t* result, MergeJob* j)

cdef extern from "native/segment_cache.h" namespace "bpetk" nogil:
    uint32_t kIdMask
    int kCountShift
    uint32_t kAskAgain
    uint32_t kElsewhere
    uint64_t kLongKey
    struct CacheEntry:
        uint64_t lo
        uint64_t hi
        uint32_t* id
    struct SegmentItem:
        uint64_t lo
        uint64_t hi
        uint32_t line
        uint32_t place
    void make_item(
        const CacheEntry* cache, int line_bits, const uint8_t* s, size_t start, size_t end, size_t limit, bint whole,
        SegmentItem* item
    )
    const uint32_t* find_cached(const CacheEntry* cache, const SegmentItem& item, int* ask_out)
    size_t put_ids(uint32_t* out, const uint32_t* ids)
    void cache_put(CacheEntry* cache, const SegmentItem& item, const uint32_t* ids)
