// The first character of UTF-8 text that normalization may change: the quick check of Unicode (UAX #15) with the data
// of the reference, and with Maybe resolved where two characters suffice for that (vowel signs of Bengali and Tamil,
// nukta of Hindi). Blocks of 64 bytes are skipped if byte comparisons say that none of their characters matters.
// Cost: some 10 cycles a block where nothing matters (AVX2), a table look-up for each character that may.
// Plain twin: quick_check in tests/native/test_normalizer.py.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>

#include "bits.h"
#include "cpu.h"
#include "normalization_tables.h"
#include "utf.h"
#if defined(BPETK_X86_TIERS)
#include <immintrin.h>
#endif

namespace bpetk {

// Where the check stands. `class_end` is the end of the last character whose class was looked up.
struct NormalState {
    size_t class_end;
    uint8_t combining_class;
};

// Whether two characters compose.
inline bool normal_pair(uint32_t first, uint32_t second) noexcept {
    const uint64_t wanted = static_cast<uint64_t>(second) << 21 | first;
    const uint64_t* end = std::end(kNormalPairs);
    const uint64_t* found = std::lower_bound(std::begin(kNormalPairs), end, wanted);
    return found != end && *found == wanted;
}

// Whether the character at s[at], of class `cls`, may compose with one before it: true if in doubt. `before` is the
// class of the character in front of it; if `cls` is not 0, not larger than `cls`.
inline bool normal_composes(const uint8_t* s, size_t at, uint32_t cp, uint8_t cls, uint8_t before) noexcept {
    // Behind a mark of its own class, or, if it has class 0, of any class, nothing composes.
    if (before) return cls && before < cls;
    size_t start = at;
    while (start > 0 && at - start < 4)
        if ((s[--start] & 0xC0) != 0x80) break;
    uint32_t first;
    if (start == at || !utf8_decode(s + start, at - start, &first)) return false;
    // A character that is composed itself may have to let this one in.
    return (normal_kind(first).may_change >> kNFD & 1) || normal_pair(first, cp);
}

// Looks up the character at s[at]. Returns its length, or 0 if it may be changed. SAFETY: at < n.
inline unsigned normal_step(const uint8_t* s, size_t at, size_t n, int form, NormalState* state) noexcept {
    uint32_t cp;
    const unsigned length = utf8_decode(s + at, n - at, &cp);
    if (!length) return 1;
    const NormalKind kind = normal_kind(cp);
    // INVARIANT: a character that was not looked up has class 0.
    const uint8_t before = state->class_end == at ? state->combining_class : 0, cls = kind.combining_class;
    if (cls && before > cls) return 0;
    if (kind.may_change >> form & 1)
        if (!(kind.may_change & kOnlyBehind) || normal_composes(s, at, cp, cls, before)) return 0;
    state->class_end = at + length;
    state->combining_class = cls;
    return length;
}

// Whether a character that starts with this byte may matter, whatever follows.
inline bool normal_lead(const uint8_t (*digits)[16], uint8_t lead) noexcept {
    return (digits[0][lead >> 4] & digits[1][lead & 15]) != 0;
}

inline size_t normal_scalar(const uint8_t* s, size_t at, size_t n, int form, NormalState* state) noexcept {
    while (at < n) {
        const unsigned length = normal_step(s, at, n, form, state);
        if (!length) return at;
        at += length;
    }
    return n;
}

inline size_t normal_portable(const uint8_t* s, size_t at, size_t n, int form, NormalState* state) noexcept {
    const uint8_t(*digits)[16] = kNormalDigits[form];
    while (at < n) {
        uint64_t x;
        if (n - at >= 8 && (std::memcpy(&x, s + at, 8), (x & 0x8080808080808080ull) == 0)) {
            at += 8;
            continue;
        }
        // Runs of Han characters, two at a time.
        while (n - at >= 8 && static_cast<uint8_t>(s[at] - 0xE4) <= 5 && static_cast<uint8_t>(s[at + 3] - 0xE4) <= 5)
            at += 6;
        const uint8_t lead = s[at];
        if (!normal_lead(digits, lead)) {
            // Bytes inside of a character are no leads either: passing them one by one is right too.
            at += lead < 0xE0 ? 1 : 3;
            continue;
        }
        const unsigned length = normal_step(s, at, n, form, state);
        if (!length) return at;
        at += length;
    }
    return n;
}

#if defined(BPETK_X86_TIERS)
// Looks up the characters at the bits of a mask; true if one may be changed, whose offset is then in *at_out.
inline bool normal_marked(const uint8_t* s, size_t block, uint64_t mask, size_t n, int form, NormalState* state,
                          size_t* at_out) noexcept {
    for (; mask; mask &= mask - 1) {
        *at_out = block + lowest_bit(mask);
        if (!normal_step(s, *at_out, n, form, state)) return true;
    }
    return false;
}

struct NormalTables256 {
    __m256i digits[6];
};

__attribute__((target("avx2"))) inline __m256i normal_digits256(__m256i v, __m256i high, __m256i low) noexcept {
    const __m256i digit = _mm256_set1_epi8(15);
    return _mm256_and_si256(_mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi16(v, 4), digit)),
                            _mm256_shuffle_epi8(low, _mm256_and_si256(v, digit)));
}

// One bit for each of 32 bytes where a character starts that may matter. SAFETY: 34 bytes are readable at p.
__attribute__((target("avx2"))) inline uint32_t normal_mask256(const uint8_t* p, __m256i v,
                                                               const NormalTables256& t) noexcept {
    const __m256i second = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 1));
    const __m256i third = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 2));
    const __m256i found = _mm256_and_si256(normal_digits256(v, t.digits[0], t.digits[1]),
                                           _mm256_and_si256(normal_digits256(second, t.digits[2], t.digits[3]),
                                                            normal_digits256(third, t.digits[4], t.digits[5])));
    return ~static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(found, _mm256_setzero_si256())));
}

__attribute__((target("avx2"))) inline size_t normal_avx2(const uint8_t* s, size_t n, int form, NormalState* state,
                                                          bool* found_out) noexcept {
    NormalTables256 t;
    for (int k = 0; k < 6; ++k) {
        const __m128i* digits = reinterpret_cast<const __m128i*>(kNormalDigits[form][k]);
        t.digits[k] = _mm256_broadcastsi128_si256(_mm_load_si128(digits));
    }
    size_t at = 0, where = 0;
    for (; n - at >= 66; at += 64) {
        const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(s + at));
        const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(s + at + 32));
        if (!_mm256_movemask_epi8(_mm256_or_si256(a, b))) continue;
        const uint64_t low = normal_mask256(s + at, a, t), high = normal_mask256(s + at + 32, b, t);
        const uint64_t mask = low | high << 32;
        if (mask && normal_marked(s, at, mask, n, form, state, &where)) {
            *found_out = true;
            return where;
        }
    }
    return at;
}

__attribute__((target("avx512bw,avx512vl"))) inline __m512i normal_digits512(__m512i v, __m512i high,
                                                                             __m512i low) noexcept {
    const __m512i digit = _mm512_set1_epi8(15);
    return _mm512_and_si512(_mm512_shuffle_epi8(high, _mm512_and_si512(_mm512_srli_epi16(v, 4), digit)),
                            _mm512_shuffle_epi8(low, _mm512_and_si512(v, digit)));
}

__attribute__((target("avx512bw,avx512vl"))) inline size_t normal_avx512(const uint8_t* s, size_t n, int form,
                                                                         NormalState* state, bool* found_out) noexcept {
    __m512i t[6];
    for (int k = 0; k < 6; ++k)
        t[k] = _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(kNormalDigits[form][k])));
    size_t at = 0, where = 0;
    for (; n - at >= 66; at += 64) {
        const __m512i first = _mm512_loadu_si512(s + at);
        if (!_mm512_movepi8_mask(first)) continue;
        const __m512i found = _mm512_and_si512(
            normal_digits512(first, t[0], t[1]),
            _mm512_and_si512(normal_digits512(_mm512_loadu_si512(s + at + 1), t[2], t[3]),
                             normal_digits512(_mm512_loadu_si512(s + at + 2), t[4], t[5])));
        const uint64_t mask = _mm512_test_epi8_mask(found, found);
        if (mask && normal_marked(s, at, mask, n, form, state, &where)) {
            *found_out = true;
            return where;
        }
    }
    return at;
}
#endif

// Offset of the first character of UTF-8 text that a form may change, or n: one that it changes wherever it stands,
// that composes with what is before it, or whose combining class is lower than that of the mark before it. Text before
// it is kept, but for the characters from the last one of class 0 on. In ill-formed text it is some offset up to n.
inline size_t normal_first_change(const uint8_t* s, size_t n, int form, int tier) noexcept {
    NormalState state{SIZE_MAX, 0};
    size_t at = 0;
#if defined(BPETK_X86_TIERS)
    bool found = false;
    if (tier == kTierAvx512) at = normal_avx512(s, n, form, &state, &found);
    if (tier == kTierAvx2) at = normal_avx2(s, n, form, &state, &found);
    if (found) return at;
#endif
    // A block may have ended inside of a character: its other bytes start none.
    return tier == kTierScalar ? normal_scalar(s, at, n, form, &state) : normal_portable(s, at, n, form, &state);
}

}  // namespace bpetk
