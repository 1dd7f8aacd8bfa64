// Which merge rule joins two tokens: a hash table with one cache line a bucket, so that a pair that has a rule and a pair
// that has none (most of those asked for) both cost one line.
// A slot packs left (21 bits), right (21) and rank (21); all ones marks an empty slot. Full buckets spill to the next one.
#pragma once
#include <cstddef>
#include <cstdint>

#include "bits.h"
#include "cpu.h"
#include "mem.h"
#if defined(BPETK_X86_TIERS)
#include <immintrin.h>
#endif

namespace bpetk {

constexpr uint32_t kNoRank = 0xFFFFFFFFu;
constexpr int kPairBits = 21;
constexpr uint64_t kEmptySlot = ~uint64_t{0};

struct PairRanks {
    uint64_t* slots;
    uint64_t multiplier;  // odd; chosen anew where a list of pairs was made to collide
    uint32_t buckets;
};

constexpr uint64_t kFirstMultiplier = 0x9E3779B97F4A7C15ull;
constexpr int kMostBuckets = 32;  // that a pair may spill over; a table at 1/2 load never comes near it by chance

inline uint64_t pair_key(uint32_t a, uint32_t b) noexcept { return static_cast<uint64_t>(a) << kPairBits | b; }

inline uint64_t* pair_bucket(const PairRanks& t, uint64_t key) noexcept {
    const uint64_t h = (key * t.multiplier) >> 32;
    return t.slots + 8 * ((h * t.buckets) >> 32);
}

inline void pair_prefetch(const PairRanks& t, uint32_t a, uint32_t b) noexcept {
    prefetch_read(pair_bucket(t, pair_key(a, b)));
}

// INVARIANT: fewer pairs are put in than there are slots. A pair that is there keeps its first rank. False: the pairs collide
// too often, another multiplier is needed.
inline bool pair_insert(const PairRanks& t, uint32_t a, uint32_t b, uint32_t rank) noexcept {
    const uint64_t key = pair_key(a, b);
    uint64_t* p = pair_bucket(t, key);
    for (int spilled = 0; spilled < kMostBuckets; ++spilled) {
        for (int i = 0; i < 8; ++i) {
            if (p[i] == kEmptySlot) {
                p[i] = key << kPairBits | rank;
                return true;
            }
            if (p[i] >> kPairBits == key) return true;
        }
        p += 8;
        if (p == t.slots + 8 * static_cast<size_t>(t.buckets)) p = t.slots;
    }
    return false;
}

inline uint32_t pair_rank(const PairRanks& t, uint32_t a, uint32_t b) noexcept {
    const uint64_t key = pair_key(a, b);
    const uint64_t* p = pair_bucket(t, key);
    for (;;) {
        unsigned found = 0;
        for (int i = 0; i < 8; ++i) found |= static_cast<unsigned>(p[i] >> kPairBits == key) << i;
        if (found) return static_cast<uint32_t>(p[lowest_bit(found)] & ((1u << kPairBits) - 1));
        if (p[7] == kEmptySlot) return kNoRank;
        p += 8;
        if (p == t.slots + 8 * static_cast<size_t>(t.buckets)) p = t.slots;
    }
}

#if defined(BPETK_X86_TIERS)
#define BPETK_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,bmi,bmi2,popcnt,lzcnt")))

BPETK_AVX512 inline uint32_t pair_rank_avx512(const PairRanks& t, uint32_t a, uint32_t b) noexcept {
    const uint64_t key = pair_key(a, b);
    const uint64_t* p = pair_bucket(t, key);
    const __m512i wanted = _mm512_set1_epi64(static_cast<long long>(key));
    const unsigned m = _mm512_cmpeq_epi64_mask(_mm512_srli_epi64(_mm512_load_si512(p), kPairBits), wanted);
    if (__builtin_expect((m == 0) & (p[7] != kEmptySlot), 0)) return pair_rank(t, a, b);
    // No branch on hit or miss: which of the two it is cannot be foreseen.
    const uint32_t rank = static_cast<uint32_t>(p[__builtin_ctz(m | 0x80)] & ((1u << kPairBits) - 1));
    return rank | (0u - static_cast<uint32_t>(m == 0));
}
#endif

}  // namespace bpetk
