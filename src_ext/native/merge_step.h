// One step of merging a short segment: the ranks asked for by the step before are looked up, the lowest one (leftmost of
// equals) is applied, and the two new pairs are prefetched. Many segments are merged side by side, a step each in turn, so
// that their cache misses and dependency chains overlap: measured, it halves the cost of a segment.
// Reference twin: merge_symbols in bpetk/reference/encode.py.
#pragma once
#include <cstddef>
#include <cstdint>

#include "pair_ranks.h"

namespace bpetk {

constexpr int kLanes = 16;

struct alignas(64) MergeJob {
    uint32_t symbol[kLanes];  // the first n are in use
    uint32_t rank[kLanes];    // of symbol[i] and symbol[i + 1]; kNoRank behind n - 1
    int32_t n;
    int32_t at;               // pair just merged; -1: no pair to look up; -2: all are
    uint32_t left_a, left_b, right_a, right_b;  // pairs to look up: at - 1 and at
    uint32_t tag;             // of the caller
};

inline void merge_ask(const PairRanks& t, MergeJob* j, int i, uint32_t merged) noexcept {
    const int left = i > 0, right = i + 1 < j->n;
    const uint32_t before = j->symbol[i - left], after = j->symbol[i + right];
    // A missing side asks for the other pair once more; its answer is not used.
    j->at = i;
    j->left_a = left ? before : merged;
    j->left_b = left ? merged : after;
    j->right_a = right ? merged : before;
    j->right_b = right ? after : merged;
    pair_prefetch(t, j->left_a, j->left_b);
    pair_prefetch(t, j->right_a, j->right_b);
}

// False when nothing is left to merge. last_equal: rank -> the last one of those that count as equal; nullptr: each counts
// for itself.
inline bool merge_step_portable(const PairRanks& t, const uint32_t* result, const uint32_t* last_equal,
                                MergeJob* j) noexcept {
    if (j->at == -2) {
        for (int i = 0; i + 1 < j->n; ++i) j->rank[i] = pair_rank(t, j->symbol[i], j->symbol[i + 1]);
    } else if (j->at >= 0) {
        if (j->at > 0) j->rank[j->at - 1] = pair_rank(t, j->left_a, j->left_b);
        if (j->at + 1 < j->n) j->rank[j->at] = pair_rank(t, j->right_a, j->right_b);
    }
    uint32_t best = kNoRank;
    int i = 0;
    for (int k = 0; k + 1 < j->n; ++k) {
        if (j->rank[k] < best) {
            best = j->rank[k];
            i = k;
        }
    }
    if (best == kNoRank) return false;
    if (last_equal) {
        const uint32_t last = last_equal[best];
        for (i = 0; j->rank[i] > last;) ++i;
        best = j->rank[i];
    }
    const uint32_t merged = result[best];
    j->symbol[i] = merged;
    --j->n;
    for (int k = i + 1; k < j->n; ++k) j->symbol[k] = j->symbol[k + 1];
    for (int k = i; k < j->n; ++k) j->rank[k] = j->rank[k + 1];
    j->rank[j->n - 1] = kNoRank;
    if (j->n == 1) return false;
    merge_ask(t, j, i, merged);
    return true;
}

#if defined(BPETK_X86_TIERS)
BPETK_AVX512 inline bool merge_step_avx512(const PairRanks& t, const uint32_t* result, const uint32_t* last_equal,
                                           MergeJob* j) noexcept {
    __m512i rank;
    if (j->at == -2) {
        // Into a register at once: reading stored ranks back as one vector would wait for the stores.
        rank = _mm512_set1_epi32(-1);
        for (int i = 0; i + 1 < j->n; ++i) {
            const uint32_t found = pair_rank_avx512(t, j->symbol[i], j->symbol[i + 1]);
            rank = _mm512_mask_set1_epi32(rank, static_cast<__mmask16>(1u << i), static_cast<int>(found));
        }
    } else {
        rank = _mm512_load_si512(j->rank);
        if (j->at >= 0) {
            const uint32_t left = pair_rank_avx512(t, j->left_a, j->left_b);
            const uint32_t right = pair_rank_avx512(t, j->right_a, j->right_b);
            rank = _mm512_mask_set1_epi32(rank, static_cast<__mmask16>((1u << j->at) >> 1), static_cast<int>(left));
            rank = _mm512_mask_set1_epi32(rank, static_cast<__mmask16>(static_cast<unsigned>(j->at + 1 < j->n) << j->at),
                                          static_cast<int>(right));
        }
    }
    uint32_t best = _mm512_reduce_min_epu32(rank);
    if (best == kNoRank) return false;
    const uint32_t last = last_equal ? last_equal[best] : best;
    const int i = __builtin_ctz(_mm512_cmple_epu32_mask(rank, _mm512_set1_epi32(static_cast<int>(last))));
    if (last != best) {
        best = static_cast<uint32_t>(_mm512_cvtsi512_si32(
            _mm512_maskz_compress_epi32(static_cast<__mmask16>(1u << i), rank)));
    }
    const uint32_t merged = result[best];
    __m512i symbol = _mm512_load_si512(j->symbol);
    symbol = _mm512_mask_set1_epi32(symbol, static_cast<__mmask16>(1u << i), static_cast<int>(merged));
    symbol = _mm512_maskz_compress_epi32(static_cast<__mmask16>(~(2u << i)), symbol);
    rank = _mm512_mask_compress_epi32(_mm512_set1_epi32(-1), static_cast<__mmask16>(~(1u << i)), rank);
    _mm512_store_si512(j->symbol, symbol);
    _mm512_store_si512(j->rank, rank);
    --j->n;
    if (j->n == 1) return false;
    merge_ask(t, j, i, merged);
    return true;
}
#endif

inline bool merge_step(int tier, const PairRanks& t, const uint32_t* result, const uint32_t* last_equal,
                       MergeJob* j) noexcept {
#if defined(BPETK_X86_TIERS)
    if (tier == kTierAvx512) return merge_step_avx512(t, result, last_equal, j);
#endif
    (void)tier;
    return merge_step_portable(t, result, last_equal, j);
}

}  // namespace bpetk
