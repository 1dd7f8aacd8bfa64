// One bit a byte: which of 64 bytes are of which kind. Pure byte comparisons, one implementation a tier (AVX-512, AVX2,
// portable 64-bit arithmetic), all with the same result but for `punctuation`, which a tier may leave empty.
// What the bits mean for pretokens is decided in scan_blocks.h.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "cpu.h"
#if defined(BPETK_X86_TIERS)
#include <immintrin.h>
#endif

namespace bpetk {

struct RawBlock {
    uint64_t alpha, upper, digit, white, space, lf, cr, quote, slash, high;
    // The rest is valid only where high != 0.
    uint64_t continuation;  // 80..BF
    uint64_t han;           // first byte of a character of U+4E00..9FFF whose three bytes are all in the block
    uint64_t punctuation;   // first byte of common CJK punctuation (class "other", three bytes, all in the block)
    // Only with `more`:
    uint64_t control;   // 00..08, 0E..1F, 7F
    uint64_t late_han;  // those of `han` that are U+9FA6..9FFF; valid where high != 0
};

// Bits from the byte predicates that every tier computes the same way.
inline uint64_t han_leads(uint64_t e4, uint64_t e5_e9, uint64_t b8_bf, uint64_t continuation) noexcept {
    return (e5_e9 | (e4 & (b8_bf >> 1))) & (continuation >> 1) & (continuation >> 2);
}
inline uint64_t late_han_leads(uint64_t e9, uint64_t be, uint64_t bf, uint64_t a6_bf) noexcept {
    return e9 & ((bf >> 1) | ((be >> 1) & (a6_bf >> 2)));
}

// ---------------------------------------------------------------------------------------------------------------------
// Portable: eight bytes at a time.

namespace swar {
constexpr uint64_t kOnes = 0x0101010101010101ull, kHigh = 0x8080808080808080ull, kLow = 0x7F7F7F7F7F7F7F7Full;

// High bit of every byte that is in [first, last], both below 0x80 and compared with the byte's low seven bits.
inline uint64_t low_range(uint64_t low, unsigned first, unsigned last) noexcept {
    return ((low + kOnes * (0x80 - first)) & ~(low + kOnes * (0x7F - last))) & kHigh;
}
inline uint64_t gather(uint64_t high_bits) noexcept { return ((high_bits >> 7) * 0x0102040810204080ull) >> 56; }
}  // namespace swar

template <bool more>
inline void raw_block_portable(const uint8_t* p, RawBlock* out) noexcept {
    using namespace swar;
    RawBlock r{};
    uint64_t e4 = 0, e5_e9 = 0, b8_bf = 0, e9 = 0, be = 0, bf = 0, a6_bf = 0;
    for (int k = 0; k < 8; ++k) {
        uint64_t x;
        std::memcpy(&x, p + 8 * k, 8);
        const uint64_t low = x & kLow, high = x & kHigh, ascii = ~high & kHigh;
        const int at = 8 * k;
        const uint64_t upper = low_range(low, 'A', 'Z') & ascii;
        r.upper |= gather(upper) << at;
        r.alpha |= gather(upper | (low_range(low, 'a', 'z') & ascii)) << at;
        r.digit |= gather(low_range(low, '0', '9') & ascii) << at;
        const uint64_t space = low_range(low, ' ', ' ') & ascii;
        r.space |= gather(space) << at;
        r.white |= gather(space | (low_range(low, 9, 13) & ascii)) << at;
        r.lf |= gather(low_range(low, 10, 10) & ascii) << at;
        r.cr |= gather(low_range(low, 13, 13) & ascii) << at;
        r.quote |= gather(low_range(low, '\'', '\'') & ascii) << at;
        r.slash |= gather(low_range(low, '/', '/') & ascii) << at;
        if (more) {
            const uint64_t control = low_range(low, 0, 8) | low_range(low, 14, 31) | low_range(low, 127, 127);
            r.control |= gather(control & ascii) << at;
        }
        if (high) {
            r.high |= gather(high) << at;
            r.continuation |= gather(low_range(low, 0x00, 0x3F) & high) << at;
            b8_bf |= gather(low_range(low, 0x38, 0x3F) & high) << at;
            e4 |= gather(low_range(low, 0x64, 0x64) & high) << at;
            e5_e9 |= gather(low_range(low, 0x65, 0x69) & high) << at;
            if (more) {
                e9 |= gather(low_range(low, 0x69, 0x69) & high) << at;
                be |= gather(low_range(low, 0x3E, 0x3E) & high) << at;
                bf |= gather(low_range(low, 0x3F, 0x3F) & high) << at;
                a6_bf |= gather(low_range(low, 0x26, 0x3F) & high) << at;
            }
        }
    }
    if (more) r.late_han = late_han_leads(e9, be, bf, a6_bf);
    r.han = han_leads(e4, e5_e9, b8_bf, r.continuation);
    *out = r;
}

#if defined(BPETK_X86_TIERS)
// ---------------------------------------------------------------------------------------------------------------------
// AVX-512: comparisons give masks.

__attribute__((target("avx512bw,avx512vl"))) inline uint64_t range512(__m512i v, int first, int last) noexcept {
    return _mm512_cmple_epu8_mask(_mm512_sub_epi8(v, _mm512_set1_epi8(static_cast<char>(first))),
                                  _mm512_set1_epi8(static_cast<char>(last - first)));
}
__attribute__((target("avx512bw,avx512vl"))) inline uint64_t equal512(__m512i v, int byte) noexcept {
    return _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(static_cast<char>(byte)));
}

template <bool more>
__attribute__((target("avx512bw,avx512vl"))) inline void raw_block_avx512(const uint8_t* p, RawBlock* out) noexcept {
    const __m512i v = _mm512_loadu_si512(p);
    out->upper = range512(v, 'A', 'Z');
    out->alpha = range512(_mm512_or_si512(v, _mm512_set1_epi8(0x20)), 'a', 'z');
    out->digit = range512(v, '0', '9');
    out->space = equal512(v, ' ');
    out->white = out->space | range512(v, 9, 13);
    out->lf = equal512(v, 10);
    out->cr = equal512(v, 13);
    out->quote = equal512(v, '\'');
    out->slash = equal512(v, '/');
    out->high = _mm512_movepi8_mask(v);
    if (more) {
        out->control = (range512(v, 0, 31) & ~range512(v, 9, 13)) | equal512(v, 127);
        out->late_han = late_han_leads(equal512(v, 0xE9), equal512(v, 0xBE), equal512(v, 0xBF), range512(v, 0xA6, 0xBF));
    }
    if (!out->high) return;
    const uint64_t continuation = range512(v, 0x80, 0xBF), byte_80 = equal512(v, 0x80);
    out->continuation = continuation;
    out->han = han_leads(equal512(v, 0xE4), range512(v, 0xE5, 0xE9), range512(v, 0xB8, 0xBF), continuation);
    // U+3001..3003, 3008..301F; U+FF01..FF0F, FF1A..FF20; U+2010..2027: none is a letter, number or white space.
    const uint64_t cjk = equal512(v, 0xE3) & (byte_80 >> 1) & ((range512(v, 0x81, 0x83) | range512(v, 0x88, 0x9F)) >> 2);
    const uint64_t full = equal512(v, 0xEF) & (equal512(v, 0xBC) >> 1) &
                          ((range512(v, 0x81, 0x8F) | range512(v, 0x9A, 0xA0)) >> 2);
    const uint64_t general = equal512(v, 0xE2) & (byte_80 >> 1) & (range512(v, 0x90, 0xA7) >> 2);
    out->punctuation = cjk | full | general;
}

// ---------------------------------------------------------------------------------------------------------------------
// AVX2: the same on two halves.

struct Half {
    __m256i a, b;
};
__attribute__((target("avx2"))) inline uint64_t mask256(__m256i a, __m256i b) noexcept {
    return static_cast<uint32_t>(_mm256_movemask_epi8(a)) |
           (static_cast<uint64_t>(static_cast<uint32_t>(_mm256_movemask_epi8(b))) << 32);
}
__attribute__((target("avx2"))) inline uint64_t equal256(const Half& v, int byte) noexcept {
    const __m256i c = _mm256_set1_epi8(static_cast<char>(byte));
    return mask256(_mm256_cmpeq_epi8(v.a, c), _mm256_cmpeq_epi8(v.b, c));
}
__attribute__((target("avx2"))) inline uint64_t range256(const Half& v, int first, int last) noexcept {
    const __m256i low = _mm256_set1_epi8(static_cast<char>(first)), width = _mm256_set1_epi8(static_cast<char>(last - first));
    const __m256i a = _mm256_sub_epi8(v.a, low), b = _mm256_sub_epi8(v.b, low);
    return mask256(_mm256_cmpeq_epi8(_mm256_min_epu8(a, width), a), _mm256_cmpeq_epi8(_mm256_min_epu8(b, width), b));
}

template <bool more>
__attribute__((target("avx2"))) inline void raw_block_avx2(const uint8_t* p, RawBlock* out) noexcept {
    const Half v{_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)),
                 _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32))};
    const __m256i bit5 = _mm256_set1_epi8(0x20);
    out->upper = range256(v, 'A', 'Z');
    out->alpha = range256(Half{_mm256_or_si256(v.a, bit5), _mm256_or_si256(v.b, bit5)}, 'a', 'z');
    out->digit = range256(v, '0', '9');
    out->space = equal256(v, ' ');
    out->white = out->space | range256(v, 9, 13);
    out->lf = equal256(v, 10);
    out->cr = equal256(v, 13);
    out->quote = equal256(v, '\'');
    out->slash = equal256(v, '/');
    out->high = mask256(v.a, v.b);
    if (more) {
        out->control = (range256(v, 0, 31) & ~range256(v, 9, 13)) | equal256(v, 127);
        out->late_han = late_han_leads(equal256(v, 0xE9), equal256(v, 0xBE), equal256(v, 0xBF), range256(v, 0xA6, 0xBF));
    }
    if (!out->high) return;
    const uint64_t continuation = range256(v, 0x80, 0xBF), byte_80 = equal256(v, 0x80);
    out->continuation = continuation;
    out->han = han_leads(equal256(v, 0xE4), range256(v, 0xE5, 0xE9), range256(v, 0xB8, 0xBF), continuation);
    const uint64_t cjk = equal256(v, 0xE3) & (byte_80 >> 1) & ((range256(v, 0x81, 0x83) | range256(v, 0x88, 0x9F)) >> 2);
    const uint64_t full = equal256(v, 0xEF) & (equal256(v, 0xBC) >> 1) &
                          ((range256(v, 0x81, 0x8F) | range256(v, 0x9A, 0xA0)) >> 2);
    const uint64_t general = equal256(v, 0xE2) & (byte_80 >> 1) & (range256(v, 0x90, 0xA7) >> 2);
    out->punctuation = cjk | full | general;
}

template <bool more>
__attribute__((target("avx2"))) inline void raw_blocks_avx2(const uint8_t* p, size_t n, RawBlock* out) noexcept {
    for (size_t k = 0; k < n; ++k) raw_block_avx2<more>(p + 64 * k, out + k);
}
template <bool more>
__attribute__((target("avx512bw,avx512vl"))) inline void raw_blocks_avx512(const uint8_t* p, size_t n, RawBlock* out) noexcept {
    for (size_t k = 0; k < n; ++k) raw_block_avx512<more>(p + 64 * k, out + k);
}
#endif

// Masks of n consecutive blocks. SAFETY: 64 * n bytes are readable at p.
template <bool more>
inline void raw_blocks(int tier, const uint8_t* p, size_t n, RawBlock* out) noexcept {
#if defined(BPETK_X86_TIERS)
    if (tier == kTierAvx512) return raw_blocks_avx512<more>(p, n, out);
    if (tier == kTierAvx2) return raw_blocks_avx2<more>(p, n, out);
#endif
    (void)tier;
    for (size_t k = 0; k < n; ++k) raw_block_portable<more>(p + 64 * k, out + k);
}

}  // namespace bpetk
