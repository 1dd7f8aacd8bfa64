"""Every declaration of native/*.h."""

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libcpp cimport bool as cpp_bool

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
    uint64_t fold_multiply(uint64_t a, uint64_t b)
    uint64_t hash_key(Key k)
    Key short_key(const uint8_t* p, size_t n)
    Key short_key_exact(const uint8_t* p, size_t n)
    uint64_t hash_bytes(const uint8_t* p, size_t n)
    uint64_t hash_pair(uint64_t left_right)

cdef extern from "native/byte_search.h" namespace "bpetk" nogil:
    struct ByteSearch:
        pass
    void search_build(ByteSearch* out, const uint8_t* first, const int32_t* second, size_t count)
    size_t search_next(const ByteSearch* search, const uint8_t* s, size_t at, size_t n, int tier)

cdef extern from "native/pool.h" namespace "bpetk" nogil:
    ctypedef void (*PoolTask "bpetk::Pool::Task")(void* context, int worker) noexcept nogil
    cdef cppclass Pool:
        Pool(int workers) except +
        int workers()
        void run(PoolTask task, void* context)

cdef extern from "native/utf.h" namespace "bpetk" nogil:
    uint32_t class_and_length(const uint8_t* p, size_t left)
    unsigned utf8_decode(const uint8_t* p, size_t left, uint32_t* code_point_out)
    size_t utf8_first_error(const uint8_t* s, size_t n)
    size_t utf8_encode[Unit](const Unit* p, size_t n, uint8_t* out, size_t* stopped_at_out)

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
        uint64_t multiplier
        uint32_t buckets
    uint64_t kFirstMultiplier
    int kPairBits
    uint64_t kEmptySlot
    bint pair_insert(const PairRanks& t, uint32_t a, uint32_t b, uint32_t rank)
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
    bint merge_step(int tier, const PairRanks& t, const uint32_t* result, const uint32_t* last_equal, MergeJob* j)

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
    bint ascii_short(const uint8_t* p, size_t n)
    void make_items(
        int tier, const CacheEntry* cache, int line_bits, const uint8_t* s, size_t limit, size_t start,
        const uint32_t* cuts, size_t n, SegmentItem* items
    )
    size_t find_items(
        int tier, const CacheEntry* cache, const SegmentItem* items, size_t n, bint miss_all, const uint32_t* side,
        const uint32_t** source, uint32_t* missed
    )
    uint32_t* put_all(uint32_t* out, const uint32_t** source, size_t n, const uint32_t* spilled)
    void cache_drop(CacheEntry* cache, int line_bits, const uint8_t* p, size_t n)
    void cache_put(CacheEntry* cache, const SegmentItem& item, const uint32_t* ids)

cdef extern from "native/json_text.h" namespace "bpetk" nogil:
    size_t kJsonNone
    size_t json_skip_space(const uint8_t* s, size_t i, size_t n)
    size_t json_string_end(const uint8_t* s, size_t i, size_t n, cpp_bool* escaped_out, cpp_bool* high_out)
    size_t json_unescape(const uint8_t* s, size_t i, size_t end, uint8_t* out)
    size_t json_small_number(const uint8_t* s, size_t i, size_t n, uint32_t* value_out)
    size_t json_skip_value(const uint8_t* s, size_t i, size_t n)

cdef extern from "native/normalization.h" namespace "bpetk" nogil:
    size_t normal_first_change(const uint8_t* s, size_t n, int form, int tier)

cdef extern from *:
    """
    // 0: ASCII, else bytes of a code unit.
    static inline int bpetk_str_kind(PyObject* s) { return PyUnicode_IS_ASCII(s) ? 0 : (int)PyUnicode_KIND(s); }
    """
    int str_kind "bpetk_str_kind"(object s)
    void* PyUnicode_DATA(object s)
    Py_ssize_t PyUnicode_GET_LENGTH(object s)

cdef extern from "native/utf_check.h" namespace "bpetk" nogil:
    size_t utf8_check(const uint8_t* s, size_t n)

cdef extern from "native/cut_blocks.h" namespace "bpetk" nogil:
    int kCutSpan
    int kCutBefore
    int kCutRead
    struct CutBlock:
        uint64_t cut
        uint64_t ask
        uint64_t high
        uint32_t next
    bint cpu_has_cut_blocks()
    void cut_block(const uint8_t* p, const uint32_t* bitmap, const uint32_t* guard, CutBlock* out)
    void cut_text_block(const uint8_t* p, const uint32_t* bitmap, bint before_blanks, CutBlock* out)
    size_t put_cuts(uint32_t* cuts, uint64_t segments, uint64_t forced, bint fresh, uint32_t place)

cdef extern from "native/bits.h" namespace "bpetk" nogil:
    int lowest_bit(uint64_t x)
    int highest_bit(uint64_t x)

cdef extern from "Python.h":
    bint PyGC_Disable()
    bint PyGC_Enable()

cdef extern from "native/compiled_map.h" namespace "bpetk" nogil:
    enum MapFault "bpetk::MapFault":
        kMapGood "bpetk::kMapGood"
        kMapShort "bpetk::kMapShort"
        kMapSize "bpetk::kMapSize"
        kMapBeyond "bpetk::kMapBeyond"
        kMapOpen "bpetk::kMapOpen"
        kMapRoot "bpetk::kMapRoot"
        kMapOffset "bpetk::kMapOffset"
        kMapValue "bpetk::kMapValue"
        kMapCycle "bpetk::kMapCycle"
        kMapTarget "bpetk::kMapTarget"
    cdef cppclass CompiledMap:
        pass
    MapFault map_read(CompiledMap* out, const uint8_t* blob, size_t n, size_t* at_out) except +

cdef extern from "native/sentence_text.h" namespace "bpetk" nogil:
    struct SentenceText:
        uint8_t* data
        uint64_t* source
        size_t size
        size_t room
        bint aligned
    struct SpaceRules:
        bint collapse
        bint escape
        bint fold
    struct Prefix:
        const uint8_t* text
        size_t length
        size_t taken
    bint text_reserve(SentenceText* t, size_t more)
    void text_release(SentenceText* t)
    void text_put_space(SentenceText* t, SpaceRules spaces, size_t origin)
    bint text_put_prefix(
        SentenceText* t, SpaceRules spaces, const uint8_t* p, size_t n, size_t origin, cpp_bool* after_space
    )
    Prefix map_prefix(const CompiledMap& m, const uint8_t* s, size_t at, size_t n)
    size_t text_normalize(
        const CompiledMap& m, SpaceRules spaces, const uint8_t* s, size_t at, size_t stop, size_t n,
        cpp_bool* after_space, SentenceText* t
    )
    void text_fold(SentenceText* t, size_t begin)
    size_t text_trim(SentenceText* t, size_t begin, SpaceRules spaces, size_t end)
