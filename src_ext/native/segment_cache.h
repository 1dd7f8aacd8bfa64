// Segments of pretokens and the table from segment to ids that most of them are found in.
// An entry is 32 bytes: a key of up to 15 bytes with its length on top, and up to four ids. Two entries share a line and
// the newest is in front; a full line loses the older one. What a cache holds never changes what is encoded.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "hash.h"
#include "mem.h"

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

inline void cache_put(CacheEntry* cache, const SegmentItem& item, const uint32_t* ids) noexcept {
    CacheEntry* e = cache + 2 * static_cast<size_t>(item.line);
    if (e[0].lo == item.lo && e[0].hi == item.hi) return;
    e[1] = e[0];
    e[0].lo = item.lo;
    e[0].hi = item.hi;
    std::memcpy(e[0].id, ids, 16);
}

}  // namespace bpetk
