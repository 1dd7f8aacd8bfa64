// Where in a text one of many strings can begin: at the speed of memory while none does.
// A string's first two bytes decide. They are put into eight classes by the first byte; tables over half bytes tell, for
// 32 or 64 positions at once, whether some class has a first byte and a second byte like those there. That answer is now
// and then too generous, so each position it names is looked up in a bit table of all pairs of bytes.
// Cost: 0.03 to 0.08 ns a byte (AVX2 and AVX-512, 8 MB of text, 2026-11) while no pair fits. Without those tiers memchr
// where all strings begin with one byte, else one table look-up a byte.
// Twin: the scalar loop `search_scalar`; all tiers give the same positions.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "bits.h"
#include "cpu.h"
#if defined(BPETK_X86_TIERS)
#include <immintrin.h>
#endif

namespace bpetk {

struct ByteSearch {
    uint64_t pairs[1024];  // bit (first << 8 | second): a string begins so, or is the first byte alone
    uint64_t single[4];    // bit first: a string is that byte alone
    // Bit k of an entry: class k has a byte with that low, or high, half.
    uint8_t first_low[16], first_high[16], second_low[16], second_high[16];
    int32_t only_first;  // the byte that all strings begin with, or -1
};

inline bool bit_of(const uint64_t* bits, uint32_t i) noexcept { return bits[i >> 6] >> (i & 63) & 1; }
inline void set_bit(uint64_t* bits, uint32_t i) noexcept { bits[i >> 6] |= uint64_t{1} << (i & 63); }

// Tables for strings given by their first byte and their second, or -1. Overwrites *out.
inline void search_build(ByteSearch* out, const uint8_t* first, const int32_t* second, size_t count) noexcept {
    std::memset(out, 0, sizeof *out);
    bool begins[256] = {false};
    int kinds = 0;
    for (size_t i = 0; i < count; ++i) {
        kinds += !begins[first[i]];
        begins[first[i]] = true;
        if (second[i] < 0) set_bit(out->single, first[i]);
        for (uint32_t b = 0; b < 256; ++b)
            if (second[i] < 0 || static_cast<uint32_t>(second[i]) == b) set_bit(out->pairs, uint32_t{first[i]} << 8 | b);
    }
    out->only_first = -1;
    // Neighbours share a class: they mostly share the high half, so that little is added that no string begins with.
    for (uint32_t a = 0, seen = 0; a < 256; ++a) {
        if (!begins[a]) continue;
        if (kinds == 1) out->only_first = static_cast<int32_t>(a);
        const uint8_t mark = static_cast<uint8_t>(1u << (seen++ * 8 / static_cast<uint32_t>(kinds > 8 ? kinds : 8)));
        out->first_low[a & 15] |= mark;
        out->first_high[a >> 4] |= mark;
        for (uint32_t b = 0; b < 256; ++b) {
            if (!bit_of(out->pairs, a << 8 | b)) continue;
            out->second_low[b & 15] |= mark;
            out->second_high[b >> 4] |= mark;
        }
    }
}

// Whether a string can begin at s[p], p < n.
inline bool search_fits(const ByteSearch* q, const uint8_t* s, size_t p, size_t n) noexcept {
    return p + 1 < n ? bit_of(q->pairs, uint32_t{s[p]} << 8 | s[p + 1]) : bit_of(q->single, s[p]);
}

inline size_t search_scalar(const ByteSearch* q, const uint8_t* s, size_t at, size_t n) noexcept {
    while (at < n && !search_fits(q, s, at, n)) ++at;
    return at;
}

inline size_t search_portable(const ByteSearch* q, const uint8_t* s, size_t at, size_t n) noexcept {
    if (q->only_first < 0) return search_scalar(q, s, at, n);
    while (at < n) {
        const void* p = std::memchr(s + at, q->only_first, n - at);
        if (!p) return n;
        at = static_cast<size_t>(static_cast<const uint8_t*>(p) - s);
        if (search_fits(q, s, at, n)) return at;
        ++at;
    }
    return n;
}

#if defined(BPETK_X86_TIERS)
__attribute__((target("avx2"))) inline __m256i both_halves(const uint8_t* table) noexcept {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
}

__attribute__((target("avx2"))) inline size_t search_avx2(const ByteSearch* q, const uint8_t* s, size_t at, size_t n) noexcept {
    const __m256i first_low = both_halves(q->first_low), first_high = both_halves(q->first_high);
    const __m256i second_low = both_halves(q->second_low), second_high = both_halves(q->second_high);
    const __m256i half = _mm256_set1_epi8(15);
    // SAFETY: 33 bytes are read from at.
    while (n - at > 32) {
        const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(s + at));
        const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(s + at + 1));
        const __m256i x = _mm256_and_si256(
            _mm256_shuffle_epi8(first_low, _mm256_and_si256(a, half)),
            _mm256_shuffle_epi8(first_high, _mm256_and_si256(_mm256_srli_epi16(a, 4), half)));
        const __m256i y = _mm256_and_si256(
            _mm256_shuffle_epi8(second_low, _mm256_and_si256(b, half)),
            _mm256_shuffle_epi8(second_high, _mm256_and_si256(_mm256_srli_epi16(b, 4), half)));
        const __m256i none = _mm256_cmpeq_epi8(_mm256_and_si256(x, y), _mm256_setzero_si256());
        uint32_t found = ~static_cast<uint32_t>(_mm256_movemask_epi8(none));
        for (; found; found &= found - 1) {
            const size_t p = at + static_cast<size_t>(lowest_bit(found));
            if (search_fits(q, s, p, n)) return p;
        }
        at += 32;
    }
    return search_scalar(q, s, at, n);
}

__attribute__((target("avx512bw,avx512vl"))) inline __m512i four_quarters(const uint8_t* table) noexcept {
    // The plain form makes GCC 12 warn of its own header.
    return _mm512_maskz_broadcast_i32x4(0xFFFF, _mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
}

__attribute__((target("avx512bw,avx512vl"))) inline size_t search_avx512(const ByteSearch* q, const uint8_t* s, size_t at,
                                                                         size_t n) noexcept {
    const __m512i first_low = four_quarters(q->first_low), first_high = four_quarters(q->first_high);
    const __m512i second_low = four_quarters(q->second_low), second_high = four_quarters(q->second_high);
    const __m512i half = _mm512_set1_epi8(15);
    while (at < n) {
        const size_t left = n - at;
        // The byte after the last one reads as 0; search_fits knows better.
        const uint64_t here = left >= 64 ? ~uint64_t{0} : (uint64_t{1} << left) - 1;
        const uint64_t next = left > 64 ? ~uint64_t{0} : here >> 1;
        const __m512i a = _mm512_maskz_loadu_epi8(here, s + at), b = _mm512_maskz_loadu_epi8(next, s + at + 1);
        const __m512i x = _mm512_and_si512(
            _mm512_shuffle_epi8(first_low, _mm512_and_si512(a, half)),
            _mm512_shuffle_epi8(first_high, _mm512_and_si512(_mm512_srli_epi16(a, 4), half)));
        const __m512i y = _mm512_and_si512(
            _mm512_shuffle_epi8(second_low, _mm512_and_si512(b, half)),
            _mm512_shuffle_epi8(second_high, _mm512_and_si512(_mm512_srli_epi16(b, 4), half)));
        for (uint64_t found = _mm512_test_epi8_mask(x, y) & here; found; found &= found - 1) {
            const size_t p = at + static_cast<size_t>(lowest_bit(found));
            if (search_fits(q, s, p, n)) return p;
        }
        at += 64;
    }
    return n;
}
#endif

// The first position of s[at..n) where a string can begin, or n.
inline size_t search_next(const ByteSearch* q, const uint8_t* s, size_t at, size_t n, int tier) noexcept {
#if defined(BPETK_X86_TIERS)
    if (tier == kTierAvx512) return search_avx512(q, s, at, n);
    if (tier == kTierAvx2) return search_avx2(q, s, at, n);
#endif
    return tier == kTierScalar ? search_scalar(q, s, at, n) : search_portable(q, s, at, n);
}

}  // namespace bpetk
