// Strict validation of long UTF-8, 64 bytes at a time with AVX-512. What is wrong with a pair of bytes is looked up by three
// half-bytes, as Keiser and Lemire describe ("Validating UTF-8 in less than one instruction per byte", 2021); third and
// fourth bytes of a character are told by the byte two and three before. Scalar twin: utf8_first_error in utf.h.
#pragma once
#include <cstddef>
#include <cstdint>

#include "cpu.h"
#include "utf.h"
#if defined(BPETK_X86_TIERS)
#include <immintrin.h>
#endif

namespace bpetk {

#if defined(BPETK_X86_TIERS)
namespace utf_check {
// Faults of two bytes that follow each other; a fault is there if all three tables name it.
constexpr uint8_t kTooShort = 1, kTooLong = 2, kOverlong3 = 4, kTooLarge = 8, kSurrogate = 16, kOverlong2 = 32,
                  kOverlong4 = 64, kTwoContinuations = 128;
constexpr uint8_t kTooLarge1000 = kOverlong4;  // F5 to FF before 80 to 8F; F0 before these is overlong: told apart by F0
constexpr uint8_t kCarry = kTooShort | kTooLong | kTwoContinuations;
alignas(16) constexpr uint8_t kFirstHigh[16] = {
    kTooLong, kTooLong, kTooLong, kTooLong, kTooLong, kTooLong, kTooLong, kTooLong,
    kTwoContinuations, kTwoContinuations, kTwoContinuations, kTwoContinuations,
    kTooShort | kOverlong2, kTooShort, kTooShort | kOverlong3 | kSurrogate, kTooShort | kTooLarge | kOverlong4};
alignas(16) constexpr uint8_t kFirstLow[16] = {
    kCarry | kOverlong3 | kOverlong2 | kOverlong4, kCarry | kOverlong2, kCarry, kCarry, kCarry | kTooLarge,
    kCarry | kTooLarge | kTooLarge1000, kCarry | kTooLarge | kTooLarge1000, kCarry | kTooLarge | kTooLarge1000,
    kCarry | kTooLarge | kTooLarge1000, kCarry | kTooLarge | kTooLarge1000, kCarry | kTooLarge | kTooLarge1000,
    kCarry | kTooLarge | kTooLarge1000, kCarry | kTooLarge | kTooLarge1000,
    kCarry | kTooLarge | kTooLarge1000 | kSurrogate, kCarry | kTooLarge | kTooLarge1000,
    kCarry | kTooLarge | kTooLarge1000};
alignas(16) constexpr uint8_t kSecondHigh[16] = {
    kTooShort, kTooShort, kTooShort, kTooShort, kTooShort, kTooShort, kTooShort, kTooShort,
    kTooLong | kOverlong2 | kTwoContinuations | kOverlong3 | kOverlong4,
    kTooLong | kOverlong2 | kTwoContinuations | kOverlong3 | kTooLarge,
    kTooLong | kOverlong2 | kTwoContinuations | kSurrogate | kTooLarge,
    kTooLong | kOverlong2 | kTwoContinuations | kSurrogate | kTooLarge,
    kTooShort, kTooShort, kTooShort, kTooShort};
}  // namespace utf_check

// Whether the 64 bytes at p go on well-formed text. What a character that begins in the last three of them lacks is found
// in the next block. SAFETY: three bytes before p are readable.
__attribute__((target("avx512f,avx512bw,avx512vl"))) inline bool utf8_block_fine(const uint8_t* p) noexcept {
    using namespace utf_check;
    const __m512i here = _mm512_loadu_si512(p);
    const __m512i one = _mm512_loadu_si512(p - 1);
    const __m512i low = _mm512_set1_epi8(0x0F);
    const __m512i first_high = _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(kFirstHigh)));
    const __m512i first_low = _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(kFirstLow)));
    const __m512i second_high = _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(kSecondHigh)));
    const __m512i a = _mm512_shuffle_epi8(first_high, _mm512_and_si512(_mm512_srli_epi16(one, 4), low));
    const __m512i b = _mm512_shuffle_epi8(first_low, _mm512_and_si512(one, low));
    const __m512i c = _mm512_shuffle_epi8(second_high, _mm512_and_si512(_mm512_srli_epi16(here, 4), low));
    const __m512i faults = _mm512_ternarylogic_epi32(a, b, c, 0x80);
    // 0x80 where a third or fourth byte must stand: there, and only there, "two continuations" is right.
    const __m512i two = _mm512_loadu_si512(p - 2), three = _mm512_loadu_si512(p - 3);
    const __m512i third = _mm512_subs_epu8(two, _mm512_set1_epi8(static_cast<char>(0xE0 - 0x80)));
    const __m512i fourth = _mm512_subs_epu8(three, _mm512_set1_epi8(static_cast<char>(0xF0 - 0x80)));
    const __m512i due = _mm512_and_si512(_mm512_or_si512(third, fourth), _mm512_set1_epi8(static_cast<char>(0x80)));
    return _mm512_test_epi8_mask(_mm512_xor_si512(faults, due), _mm512_xor_si512(faults, due)) == 0;
}

__attribute__((target("avx512f,avx512bw,avx512vl"))) inline size_t utf8_fine_blocks(const uint8_t* s, size_t at,
                                                                                   size_t n) noexcept {
    while (at + 64 <= n && utf8_block_fine(s + at)) at += 64;
    return at;
}
#endif

// As utf8_first_error.
inline size_t utf8_check(const uint8_t* s, size_t n) noexcept {
#if defined(BPETK_X86_TIERS)
    if (n >= 256 && cpu_has(kTierAvx512)) {
        // The first bytes one by one up to a character's end, so that there is something before the first block.
        size_t at = 0;
        while (at < 4) {
            uint32_t code_point;
            const unsigned length = utf8_decode(s + at, n - at, &code_point);
            if (!length) return at;
            at += length;
        }
        at = utf8_fine_blocks(s, at, n);
        // The rest, or the block with the fault, from the last character that begins before it.
        at -= 1;
        for (int back = 0; back < 3 && (s[at] & 0xC0) == 0x80; ++back) --at;
        return at + utf8_first_error(s + at, n - at);
    }
#endif
    return utf8_first_error(s, n);
}

}  // namespace bpetk
