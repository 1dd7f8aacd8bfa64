// Segments of pretokens and the table from segment to ids that most of them are found in.
// An entry is 32 bytes: a key of up to 15 bytes with its length on top, and up to four ids. Two entries share a line and
// the newest is in front; a full line loses the older one. What a cache holds never changes what is encoded.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "cpu.h"
#include "hash.h"
#include "mem.h"
#if defined(BPETK_X86_TIERS)
#include <immintrin.h>
#endif

namespace bpetk {

constexpr uint32_t kIdMask = 0x1FFFFF;
constexpr int kCountShift = 24;                // in id[3]: number of ids, 1 to 4
constexpr uint32_t kAskAgain = 0x40000000u;    // in id[3]: what it becomes depends on whether it is a whole pretoken
constexpr uint32_t kElsewhere = 0x80000000u;   // in id[3]: id[0] is an offset and id[1] a number of ids elsewhere
constexpr uint64_t kLongKey = ~uint64_t{0};    // in hi: longer than a key

struct alignas(32) CacheEntry {
    uint64_t lo, hi;
    uint32_t id[4];
};

struct SegmentItem {
    uint64_t lo, hi;    // the key; a long segment has its length in lo
    uint32_t line;
    uint32_t place;     // offset from the batch's base << 1 | it is a whole pretoken
};

struct KeyMask {
    uint64_t lo, hi, length;
};

struct KeyMasks {
    KeyMask of[kShortKey + 1];
};

constexpr KeyMasks make_key_masks() noexcept {
    KeyMasks m{};
    for (size_t n = 0; n <= kShortKey; ++n) {
        m.of[n].lo = n >= 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * n)) - 1;
        m.of[n].hi = n <= 8 ? 0 : (uint64_t{1} << (8 * (n - 8))) - 1;
        m.of[n].length = static_cast<uint64_t>(n) << 56;
    }
    return m;
}

inline constexpr KeyMasks kKeyMasks = make_key_masks();

// SAFETY: s is readable up to `limit`.
inline void make_item(const CacheEntry* cache, int line_bits, const uint8_t* s, size_t start, size_t end, size_t limit,
                      bool whole, SegmentItem* item) noexcept {
    const size_t n = end - start;
    item->place = static_cast<uint32_t>(start << 1) | whole;
    if (n <= kShortKey) {
        Key k;
        if (start + 16 <= limit) {
            const KeyMask& m = kKeyMasks.of[n];
            k = {load64(s + start) & m.lo, (load64(s + start + 8) & m.hi) | m.length};
        } else {
            k = short_key_exact(s + start, n);
        }
        item->lo = k.lo;
        item->hi = k.hi;
        item->line = static_cast<uint32_t>(hash_key(k) >> (64 - line_bits));
        prefetch_read(cache + 2 * static_cast<size_t>(item->line));
    } else {
        item->lo = n;
        item->hi = kLongKey;
        item->line = 0;
    }
}

// Items of the segments that end at cuts[k] >> 1; cuts[k] & 1: a whole pretoken.
inline void make_items_portable(const CacheEntry* cache, int line_bits, const uint8_t* s, size_t limit, size_t start,
                                const uint32_t* cuts, size_t n, SegmentItem* items) noexcept {
    for (size_t k = 0; k < n; ++k) {
        const size_t end = cuts[k] >> 1;
        make_item(cache, line_bits, s, start, end, limit, cuts[k] & 1, items + k);
        start = end;
    }
}

#if defined(BPETK_X86_TIERS)
__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,bmi,bmi2"))) inline void make_items_avx512(
    const CacheEntry* cache, int line_bits, const uint8_t* s, size_t start, const uint32_t* cuts, size_t n,
    SegmentItem* items) noexcept {
    const int shift = 64 - line_bits;
    for (size_t k = 0; k < n; ++k) {
        const uint32_t cut = cuts[k];
        const size_t end = cut >> 1, size = end - start;
        SegmentItem& item = items[k];
        item.place = static_cast<uint32_t>(start << 1) | (cut & 1);
        if (__builtin_expect(size <= kShortKey, 1)) {
            // Bytes beyond the segment are not read: masked lanes cannot fault.
            const __m128i bytes = _mm_maskz_loadu_epi8(static_cast<__mmask16>((1u << size) - 1), s + start);
            const uint64_t lo = static_cast<uint64_t>(_mm_cvtsi128_si64(bytes));
            const uint64_t hi = static_cast<uint64_t>(_mm_extract_epi64(bytes, 1)) | static_cast<uint64_t>(size) << 56;
            item.lo = lo;
            item.hi = hi;
            item.line = static_cast<uint32_t>(hash_key({lo, hi}) >> shift);
            prefetch_read(cache + 2 * static_cast<size_t>(item.line));
        } else {
            item.lo = size;
            item.hi = kLongKey;
            item.line = 0;
        }
        start = end;
    }
}
#endif

inline void make_items(int tier, const CacheEntry* cache, int line_bits, const uint8_t* s, size_t limit, size_t start,
                       const uint32_t* cuts, size_t n, SegmentItem* items) noexcept {
#if defined(BPETK_X86_TIERS)
    if (tier == kTierAvx512) return make_items_avx512(cache, line_bits, s, start, cuts, n, items);
#endif
    (void)tier;
    make_items_portable(cache, line_bits, s, limit, start, cuts, n, items);
}

// Whether n bytes at p, at most 15, are all ASCII. SAFETY: 16 bytes are readable.
inline bool ascii_short(const uint8_t* p, size_t n) noexcept {
    const KeyMask& m = kKeyMasks.of[n];
    return (((load64(p) & m.lo) | (load64(p + 8) & m.hi)) & 0x8080808080808080ull) == 0;
}

// Ids of an item, or nullptr. No branch on which of the two it is.
inline const uint32_t* find_cached(const CacheEntry* cache, const SegmentItem& item, int* ask_out) noexcept {
    const CacheEntry* e = cache + 2 * static_cast<size_t>(item.line);
    const bool first = ((e[0].lo ^ item.lo) | (e[0].hi ^ item.hi)) == 0;
    const bool second = ((e[1].lo ^ item.lo) | (e[1].hi ^ item.hi)) == 0;
    const CacheEntry* found = e + second;
    *ask_out = !(first | second) | (found->id[3] >= kAskAgain);
    return found->id;
}

// Finds the ids of items: source[i] is where they are. A missed item takes the next of the 16-byte places at `side`, to be
// filled, and its number is put into `missed`. Returns how many were missed.
inline size_t find_items_portable(const CacheEntry* cache, const SegmentItem* items, size_t n, bool miss_all,
                                  const uint32_t* side, const uint32_t** source, uint32_t* missed) noexcept {
    size_t misses = 0;
    for (size_t i = 0; i < n; ++i) {
        int ask;
        const uint32_t* found = find_cached(cache, items[i], &ask);
        ask |= miss_all;
        source[i] = ask ? side + 4 * misses : found;
        missed[misses] = static_cast<uint32_t>(i);
        misses += static_cast<size_t>(ask);
    }
    return misses;
}

#if defined(BPETK_X86_TIERS)
__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,bmi,bmi2"))) inline size_t find_items_avx512(
    const CacheEntry* cache, const SegmentItem* items, size_t n, const uint32_t* side, const uint32_t** source,
    uint32_t* missed) noexcept {
    size_t misses = 0;
    for (size_t i = 0; i < n; ++i) {
        const CacheEntry* e = cache + 2 * static_cast<size_t>(items[i].line);
        const __m512i key = _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(&items[i])));
        const unsigned m = _mm512_cmpeq_epi64_mask(_mm512_load_si512(e), key);
        const bool first = (m & 0x03) == 0x03, second = (m & 0x30) == 0x30;
        const uint32_t* found = e[second].id;
        const bool ask = !(first | second) | (found[3] >= kAskAgain);
        source[i] = ask ? side + 4 * misses : found;
        missed[misses] = static_cast<uint32_t>(i);
        misses += ask;
    }
    return misses;
}
#endif

inline size_t find_items(int tier, const CacheEntry* cache, const SegmentItem* items, size_t n, bool miss_all,
                         const uint32_t* side, const uint32_t** source, uint32_t* missed) noexcept {
#if defined(BPETK_X86_TIERS)
    if (tier == kTierAvx512 && !miss_all) return find_items_avx512(cache, items, n, side, source, missed);
#endif
    (void)tier;
    return find_items_portable(cache, items, n, miss_all, side, source, missed);
}

// Writes up to four ids and returns how many. SAFETY: room for four.
inline size_t put_ids(uint32_t* out, const uint32_t* ids) noexcept {
    const uint32_t last = ids[3];
    uint64_t a, b;
    std::memcpy(&a, ids, 8);
    std::memcpy(&b, ids + 2, 8);
    b &= 0x001FFFFFFFFFFFFFull;
    std::memcpy(out, &a, 8);
    std::memcpy(out + 2, &b, 8);
    return last >> kCountShift & 7;
}

// Puts out the ids of all items; those of more than four ids are in `spilled`. Returns the new end.
inline uint32_t* put_all(uint32_t* out, const uint32_t* const* source, size_t n, const uint32_t* spilled) noexcept {
    for (size_t i = 0; i < n; ++i) {
        const uint32_t* ids = source[i];
        if (ids[3] & kElsewhere) {
            std::memcpy(out, spilled + ids[0], ids[1] * sizeof(uint32_t));
            out += ids[1];
        } else {
            out += put_ids(out, ids);
        }
    }
    return out;
}

// Forgets a segment. SAFETY: as make_item, without the limit.
inline void cache_drop(CacheEntry* cache, int line_bits, const uint8_t* p, size_t n) noexcept {
    if (n > kShortKey) return;
    SegmentItem item;
    make_item(cache, line_bits, p, 0, n, 0, false, &item);
    CacheEntry* e = cache + 2 * static_cast<size_t>(item.line);
    for (int k = 0; k < 2; ++k) {
        if (e[k].lo == item.lo && e[k].hi == item.hi) e[k].hi = 0;  // no key: its length would be 0
    }
}

inline void cache_put(CacheEntry* cache, const SegmentItem& item, const uint32_t* ids) noexcept {
    CacheEntry* e = cache + 2 * static_cast<size_t>(item.line);
    if (e[0].lo == item.lo && e[0].hi == item.hi) return;
    e[1] = e[0];
    e[0].lo = item.lo;
    e[0].hi = item.hi;
    std::memcpy(e[0].id, ids, 16);
}

}  // namespace bpetk
