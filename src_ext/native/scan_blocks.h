// Pretoken ends of a stretch of text, block by block.
//
// The caller scans a "hard" block (scan_starts.h) with the scalar rules of bpetk/_scanner.pyx. Matching never looks left
// of a pretoken's start, so scanning resumes at any pretoken start with an empty past. Cost: about 1 cycle a byte.
#pragma once
#include <cstddef>
#include <cstdint>

#include "scan_starts.h"

namespace bpetk {

constexpr size_t kBlocksAhead = 16;

// Writes the ends of the pretokens of s[at..n) that block arithmetic can decide, at most `capacity` (>= 64), and
// returns their number. *at_out: the last end written, or `at`. *hard_until_out: 0, or the end of a hard block: the
// caller continues with the scalar rules at *at_out at least up to there.
// INVARIANT: `at` is a pretoken start. Nothing is decided in the last 64 to 128 bytes.
template <int scheme, bool lines>
size_t scan_blocks(const uint8_t* s, size_t at, size_t n, int tier, uint64_t* ends_out, size_t capacity, size_t* at_out,
                   size_t* hard_until_out) noexcept {
    RawBlock raw[kBlocksAhead];
    Classes here{};
    Spill spill;
    Past past;
    size_t count = 0, have = 0;
    *at_out = at;
    *hard_until_out = 0;
    if (n - at < 128) return 0;
    // `here` is the block before the one just read.
    for (size_t block = 0, offset = at; offset + 64 <= n && count + 64 <= capacity; ++block, offset += 64) {
        if (block == have) {
            const size_t room = (n - offset) / 64, take = room < kBlocksAhead ? room : kBlocksAhead;
            raw_blocks<rules_of(scheme).stretches>(tier, s + offset, take, raw);
            have += take;
        }
        const Classes after = classify<scheme>(s + offset, n - offset, raw[block % kBlocksAhead], &spill);
        if (block) {
            const size_t begin = offset - 64;
            bool hard = here.hard;
            const Starts starts = starts_of<scheme, lines>(here, after, past, s + begin, n - begin, &hard);
            if (hard) {
                *hard_until_out = offset;
                break;
            }
            uint64_t bits = starts.bits;
            if (block == 1) bits &= ~uint64_t{1};
            for (; bits; bits &= bits - 1) ends_out[count++] = begin + static_cast<size_t>(lowest_bit(bits));
            past = starts.next;
        }
        here = after;
    }
    if (count) *at_out = ends_out[count - 1];
    return count;
}

inline size_t scan_blocks_any(int scheme, bool lines, const uint8_t* s, size_t at, size_t n, int tier, uint64_t* ends,
                              size_t capacity, size_t* at_out, size_t* hard_until_out) noexcept {
#define BPETK_SCAN(id)                                                                                       \
    case id:                                                                                                 \
        return lines ? scan_blocks<id, true>(s, at, n, tier, ends, capacity, at_out, hard_until_out)         \
                     : scan_blocks<id, false>(s, at, n, tier, ends, capacity, at_out, hard_until_out)
    switch (scheme) {
        BPETK_SCAN(kGpt2);
        BPETK_SCAN(kCl100k);
        BPETK_SCAN(kQwen2);
        BPETK_SCAN(kQwen3_5);
        BPETK_SCAN(kO200k);
        BPETK_SCAN(kTekken);
        BPETK_SCAN(kKimiK2);
        BPETK_SCAN(kDeepseekV3);
        BPETK_SCAN(kWhitespace);
        // The variant differs at the end of a text only, which is never decided here.
        case kCl100kTiktoken: return scan_blocks_any(kCl100k, lines, s, at, n, tier, ends, capacity, at_out, hard_until_out);
    }
#undef BPETK_SCAN
    *at_out = at;
    *hard_until_out = 0;
    return 0;
}

}  // namespace bpetk
