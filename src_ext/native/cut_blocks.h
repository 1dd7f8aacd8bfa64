// Where may a pretoken be cut, for the joints of characters in 61 bytes of text at a time: the cut filter of
// bpetk/_encode_rules.pyx with AVX-512 (VBMI for picking characters out of a register, VBMI2 for packing positions).
// Scalar twins: cut_pretokens in bpetk/_encode_worker.pyx, cut_characters in bpetk/_sp_document.pyx.
#pragma once
#include <cstddef>
#include <cstdint>

#include "bits.h"
#include "cpu.h"
#if defined(BPETK_X86_TIERS)
#include <immintrin.h>
#endif

namespace bpetk {

constexpr int kCutSpan = 61;   // a character that begins in the span is in the register with all of its bytes
constexpr int kCutBefore = 4;  // bytes before the block that are read
constexpr int kCutRead = 64;   // bytes of the block that are read
constexpr int kBigramBits = 21;

struct CutBlock {
    uint64_t cut;   // bit p: nothing crosses the joint before the character at p
    uint64_t ask;   // bit p: only a pattern can cross it; the caller looks which
    uint64_t high;  // bytes outside ASCII
    uint32_t next;  // where the next block begins: 61 to 64
};

#if defined(BPETK_X86_TIERS)
inline bool cpu_has_cut_blocks() noexcept {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("bmi2");
}

#define BPETK_CUTS __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2,bmi,bmi2,popcnt,lzcnt")))

// Asks the tables for the joints before the characters at `joints`.
template <bool kPatterns>
BPETK_CUTS inline void ask_joints(__m512i block, __m512i before, uint64_t joints, const uint32_t* bitmap, const uint32_t* guard,
                                  CutBlock* out) noexcept {
    const int n = __builtin_popcountll(joints);
    const __m512i iota = _mm512_set_epi8(
        63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33,
        32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    // By the upper half of a first byte: the bytes of its character among four.
    const __m512i own = _mm512_setr_epi32(0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFFFF, 0xFFFF,
                                          0xFFFFFF, -1);
    const __m512i step = _mm512_set1_epi32(0x03020100), one = _mm512_set1_epi32(1), low5 = _mm512_set1_epi32(31);
    const __m512i spread = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12));
    __m512i places = _mm512_maskz_compress_epi8(joints, iota);
    uint64_t kept = 0, asked = 0;
    for (int k = 0; k < n; k += 16) {
        const __m512i index = _mm512_add_epi8(
            _mm512_shuffle_epi8(_mm512_cvtepu8_epi32(_mm512_castsi512_si128(places)), spread), step);
        places = _mm512_shuffle_i64x2(places, places, 0x39);
        // y: the character at the joint; x: the one before it, its last byte on top of the four.
        __m512i y = _mm512_permutexvar_epi8(index, block);
        const __m512i four = _mm512_permutexvar_epi8(index, before);
        const __m512i first = _mm512_and_si512(y, _mm512_set1_epi32(0xFF)), last = _mm512_srli_epi32(four, 24);
        y = _mm512_and_si512(y, _mm512_permutexvar_epi32(_mm512_srli_epi32(first, 4), own));
        const __mmask16 many = _mm512_test_epi32_mask(last, _mm512_set1_epi32(0x80));
        const __mmask16 two = _mm512_test_epi32_mask(four, _mm512_set1_epi32(0x400000));
        const __mmask16 three = _mm512_test_epi32_mask(four, _mm512_set1_epi32(0x4000));
        __m512i shift = _mm512_mask_mov_epi32(_mm512_set1_epi32(24), many, _mm512_setzero_si512());
        shift = _mm512_mask_mov_epi32(shift, many & three, _mm512_set1_epi32(8));
        shift = _mm512_mask_mov_epi32(shift, many & two, _mm512_set1_epi32(16));
        const __m512i x = _mm512_srlv_epi32(four, shift);
        const __m512i h = _mm512_srli_epi32(
            _mm512_add_epi32(_mm512_mullo_epi32(x, _mm512_set1_epi32(static_cast<int>(0x9E3779B1u))),
                             _mm512_mullo_epi32(y, _mm512_set1_epi32(static_cast<int>(0x85EBCA6Bu)))),
            32 - kBigramBits);
        const __m512i in_bitmap = _mm512_i32gather_epi32(_mm512_srli_epi32(h, 5), bitmap, 4);
        const unsigned kb = _mm512_test_epi32_mask(_mm512_srlv_epi32(in_bitmap, _mm512_and_si512(h, low5)), one);
        unsigned kg = 0;
        if (kPatterns) {
            const __m512i g = _mm512_or_si512(_mm512_slli_epi32(last, 8), first);
            const __m512i in_guard = _mm512_i32gather_epi32(_mm512_srli_epi32(g, 5), guard, 4);
            kg = _mm512_test_epi32_mask(_mm512_srlv_epi32(in_guard, _mm512_and_si512(g, low5)), one);
        }
        kept |= static_cast<uint64_t>(kb | kg) << k;
        asked |= static_cast<uint64_t>(kg & ~kb) << k;
    }
    out->cut = _pdep_u64(~kept, joints);
    out->ask = _pdep_u64(asked, joints);
}

// What begins in the span of a block: sets `high` and `next`; returns the first bytes of characters.
BPETK_CUTS inline uint64_t block_starts(__m512i block, uint64_t high, CutBlock* out) noexcept {
    const uint64_t starts = ~_mm512_cmplt_epi8_mask(block, _mm512_set1_epi8(-64));
    const uint64_t behind = starts >> kCutSpan, span = (uint64_t{1} << kCutSpan) - 1;
    out->high = high & span;
    out->next = static_cast<uint32_t>(kCutSpan + (behind ? __builtin_ctzll(behind) : 64 - kCutSpan));
    return starts & span;
}

// Only joints with a character outside ASCII. SAFETY: 4 bytes before p and 64 from p are readable; p is the first byte of a
// character of well-formed text.
BPETK_CUTS inline void cut_block(const uint8_t* p, const uint32_t* bitmap, const uint32_t* guard, CutBlock* out) noexcept {
    const __m512i block = _mm512_loadu_si512(p), before = _mm512_loadu_si512(p - kCutBefore);
    const uint64_t high = _mm512_movepi8_mask(block);
    const uint64_t starts = block_starts(block, high, out);
    ask_joints<true>(block, before, starts & (high | (high << 1) | (p[-1] >> 7)), bitmap, guard, out);
}

// All joints but those of two ASCII letters and of a blank and one, which are hardly ever cut; no patterns.
// before_blanks: a text is cut before each blank behind something else. SAFETY: as above.
BPETK_CUTS inline void cut_text_block(const uint8_t* p, const uint32_t* bitmap, bool before_blanks, CutBlock* out) noexcept {
    const __m512i block = _mm512_loadu_si512(p), before = _mm512_loadu_si512(p - kCutBefore);
    const uint64_t starts = block_starts(block, _mm512_movepi8_mask(block), out);
    const __m512i lower = _mm512_set1_epi8(0x20), a = _mm512_set1_epi8('a');
    const uint64_t letter = _mm512_cmple_epu8_mask(_mm512_sub_epi8(_mm512_or_si512(block, lower), a), _mm512_set1_epi8(25));
    const uint64_t blank = _mm512_cmpeq_epi8_mask(block, lower);
    const bool letter_before = static_cast<uint8_t>((p[-1] | 0x20) - 'a') <= 25, blank_before = p[-1] == ' ';
    const uint64_t after_blank = blank << 1 | blank_before;
    const uint64_t words = before_blanks ? blank & ~after_blank & starts : 0;
    ask_joints<false>(block, before, starts & ~words & ~(letter & (letter << 1 | letter_before | after_blank)), bitmap, nullptr,
                      out);
    out->cut |= words;
}

// Writes the segments that end at the bits of `segments`, in order: offset << 1 | whether it is a whole pretoken. `forced`,
// among them: ends of pretokens; `fresh`: the first segment begins one; `place`: offset of bit 0. Returns how many.
// SAFETY: room for 64.
BPETK_CUTS inline size_t put_cuts(uint32_t* cuts, uint64_t segments, uint64_t forced, bool fresh, uint32_t place) noexcept {
    const uint64_t ends = _pext_u64(forced, segments);
    const uint64_t whole = ends & (ends << 1 | static_cast<uint64_t>(fresh));
    const __m512i iota = _mm512_set_epi8(
        63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33,
        32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    __m512i places = _mm512_maskz_compress_epi8(segments, iota);
    const __m512i base = _mm512_set1_epi32(static_cast<int>(place << 1)), one = _mm512_set1_epi32(1);
    const int n = __builtin_popcountll(segments);
    for (int k = 0; k < n; k += 16) {
        const __m512i at = _mm512_add_epi32(base, _mm512_slli_epi32(_mm512_cvtepu8_epi32(_mm512_castsi512_si128(places)), 1));
        _mm512_storeu_si512(cuts + k, _mm512_mask_add_epi32(at, static_cast<__mmask16>(whole >> k), at, one));
        places = _mm512_shuffle_i64x2(places, places, 0x39);
    }
    return static_cast<size_t>(n);
}
#else
inline bool cpu_has_cut_blocks() noexcept { return false; }
inline size_t put_cuts(uint32_t*, uint64_t, uint64_t, bool, uint32_t) noexcept { return 0; }
inline void cut_block(const uint8_t*, const uint32_t*, const uint32_t*, CutBlock* out) noexcept { *out = CutBlock{}; }
inline void cut_text_block(const uint8_t*, const uint32_t*, bool, CutBlock* out) noexcept { *out = CutBlock{}; }
#endif

}  // namespace bpetk
