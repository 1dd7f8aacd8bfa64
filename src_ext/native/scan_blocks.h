// From byte masks to pretoken starts, 64 bytes at a time, without a branch per character.
//
// Classes are masks over bytes (scan_classes.h). A block is decided from its own masks, the last bytes before it and the
// first bytes after it. What cannot be decided so (a CR, white space or numbers of several bytes, a blank run that leaves the block after a line
// feed, mixed letter cases beside caseless letters) makes the block "hard": the caller scans it with the scalar rules.
// Matching never looks left of a pretoken's start, so scanning resumes at any pretoken start with an empty past.
// Cost: about 1 cycle a byte. Reference twin: the scalar rules of bpetk/_scanner.pyx, and bpetk/reference/scan.py.
#pragma once
#include <cstddef>
#include <cstdint>

#include "scan_classes.h"

namespace bpetk {

// Length of a contraction ('s 't 'm 'd 're 've 'll) at p, or 0. In any case U+017F (C5 BF) counts as s.
inline unsigned contraction_length(const uint8_t* p, size_t left, bool any_case) noexcept {
    if (left < 2) return 0;
    const auto fold = [any_case](uint8_t b) { return any_case && b < 0x80 ? static_cast<uint8_t>(b | 0x20) : b; };
    const uint8_t a = fold(p[1]);
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    if (left < 3) return 0;
    if (any_case && a == 0xC5 && p[2] == 0xBF) return 3;
    const uint8_t b = fold(p[2]);
    return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? 3 : 0;
}

// What a block must know of the one before it. All zero at the start of a text or of a pretoken.
struct Past {
    uint64_t letter = 0, number = 0, white = 0, other = 0, space = 0, lf = 0, tail = 0, blank = 0, lower = 0,
             caseless = 0;
    uint64_t set = 0, clear = 0, taken = 0;  // starts decided for the next block; a quote that follows a contraction
    unsigned digits = 0;                     // bits to the next group of digits, when number is set
};

struct Starts {
    uint64_t bits;
    Past next;

    void set(int bit) noexcept { bit < 64 ? bits |= uint64_t{1} << bit : next.set |= uint64_t{1} << (bit - 64); }
    void clear(int bit) noexcept { bit < 64 ? bits &= ~(uint64_t{1} << bit) : next.clear |= uint64_t{1} << (bit - 64); }
};

inline uint64_t follows(uint64_t mask, uint64_t past) noexcept { return (mask << 1) | past; }

// Starts of groups of three in runs of ASCII digits, and where the next group starts beyond the block.
inline uint64_t digit_groups(uint64_t number, const Past& past, unsigned* next_out) noexcept {
    uint64_t g = number & ~follows(number, past.number);
    if (past.number && past.digits < 64) {
        const uint64_t upto = (uint64_t{2} << past.digits) - 1;
        if ((number & upto) == upto) g |= uint64_t{1} << past.digits;
    }
    const uint64_t four = number & (number << 1) & (number << 2) & (number << 3);
    for (uint64_t more = (g << 3) & four; more; more = (more << 3) & four) g |= more;
    // A run that fills the block's end: its last group began 1, 2 or 3 bytes before the end, or in the block before.
    const uint64_t last = g >> 61;
    *next_out = last & 4 ? 2 : last & 2 ? 1 : last & 1 ? 0 : 0;
    return g;
}

template <bool lines>
inline Starts starts_gpt2(const Classes& c, const Classes& after, const Past& past, const uint8_t* p, size_t left) noexcept {
    Starts s{};
    const uint64_t other = c.other(), after_space = follows(c.space, past.space);
    const uint64_t runs = (c.letter & ~follows(c.letter, past.letter)) | (c.number & ~follows(c.number, past.number));
    const uint64_t other_runs = other & ~follows(other, past.other);
    const uint64_t inside = lines ? c.white & ~c.lf : c.white;  // white space that the next one may follow
    const uint64_t white_runs = c.white & ~follows(inside, past.blank);
    const uint64_t last_white = inside & ~((c.white >> 1) | (after.white << 63));
    s.bits = ((runs | other_runs) & ~after_space) | white_runs | last_white;
    for (uint64_t q = c.quote & other_runs & ~after_space; q; q &= q - 1) {
        const int i = lowest_bit(q);
        if (const unsigned n = contraction_length(p + i, left - i, false)) {
            s.clear(i + 1);
            s.set(i + static_cast<int>(n));
        }
    }
    s.next.blank = inside >> 63;
    return s;
}

// cl100k, qwen2 and o200k: a letter run takes the character before it along.
template <int scheme, bool lines>
inline Starts starts_cl100k(const Classes& c, const Classes& after, const Past& past, const uint8_t* p, size_t left,
                            bool* hard_out) noexcept {
    Starts s{};
    const uint64_t other = c.other(), after_space = follows(c.space, past.space);
    const uint64_t after_other = follows(other, past.other);
    // Line feeds that belong to the "other" run before them; in lines only one, since it ends the text.
    uint64_t tail = c.lf & after_other;
    if (!lines) {
        tail |= c.lf & past.tail;
        tail = c.lf & ~(c.lf + tail);
    }
    const uint64_t white = c.white & ~tail, blank = white & ~c.lf;
    const uint64_t inside = lines ? blank : white;
    const uint64_t white_runs = white & ~follows(inside, past.white);
    const uint64_t last_blank = blank & ~((c.white >> 1) | (after.white << 63));
    // One "other" character right before a letter run, with no space before it, opens the word.
    const uint64_t other_runs = other & ~after_other & ~after_space;
    const uint64_t wide = c.other2 | c.other3 | c.other4;
    const uint64_t open1 = other_runs & ~wide & ((c.letter >> 1) | (after.letter << 63));
    const uint64_t open2 = other_runs & c.other2 & ((c.letter >> 2) | (after.letter << 62));
    const uint64_t open3 = other_runs & c.other3 & ((c.letter >> 3) | (after.letter << 61));
    const uint64_t open4 = other_runs & c.other4 & ((c.letter >> 4) | (after.letter << 60));
    const uint64_t opened = (open1 << 1) | (open2 << 2) | (open3 << 3) | (open4 << 4);
    s.next.clear = (open1 >> 63) | (open2 >> 62) | (open3 >> 61) | (open4 >> 60);
    uint64_t words = c.letter & ~follows(c.letter, past.letter) & ~follows(blank, past.blank) & ~opened;
    if (scheme == kO200k) {
        const uint64_t caseless = c.letter & ~(c.upper | c.lower);
        *hard_out |= (c.upper & follows(caseless, past.caseless)) != 0;
        if (!lines) *hard_out |= (c.slash & follows(c.lf, past.lf)) != 0;
        words |= c.upper & follows(c.lower, past.lower);
        s.next.caseless = caseless >> 63;
        s.next.lower = c.lower >> 63;
    }
    uint64_t numbers = c.number;
    if (scheme != kQwen2) numbers = digit_groups(c.number, past, &s.next.digits);
    s.bits = words | numbers | other_runs | white_runs | last_blank;
    if (lines) {
        s.bits |= follows(c.lf, past.lf);
    } else if (const uint64_t after_lf = blank & follows(c.lf & white, past.lf & past.white)) {
        // Blanks after the last line feed of a run are split off, unless another line feed ends them.
        const uint64_t sum = blank + after_lf;
        *hard_out |= sum < blank || (sum & ~blank & c.lf) != 0;
        s.bits |= after_lf;
    }
    if (scheme == kO200k) {
        // A contraction right after a word belongs to it; a second one does not.
        uint64_t taken = past.taken;
        for (uint64_t q = c.quote & follows(c.letter, past.letter); q; q &= q - 1) {
            const int i = lowest_bit(q);
            if (taken >> i & 1) continue;
            const unsigned n = contraction_length(p + i, left - i, true);
            if (!n) continue;
            for (unsigned k = 0; k < n; ++k) s.clear(i + static_cast<int>(k));
            s.set(i + static_cast<int>(n));
            if (i + n < 64) taken |= uint64_t{1} << (i + n);
            else s.next.taken |= uint64_t{1} << (i + n - 64);
        }
    } else {
        for (uint64_t q = c.quote & open1; q; q &= q - 1) {
            const int i = lowest_bit(q);
            if (const unsigned n = contraction_length(p + i, left - i, true)) s.set(i + static_cast<int>(n));
        }
    }
    s.next.white = inside >> 63;
    s.next.blank = blank >> 63;
    s.next.tail = tail >> 63;
    return s;
}

template <int scheme, bool lines>
inline Starts starts_of(const Classes& c, const Classes& after, const Past& past, const uint8_t* p, size_t left,
                        bool* hard_out) noexcept {
    Starts s{};
    if (scheme == kWhitespace) {
        s.bits = c.white ^ follows(c.white, past.white);
        s.next.white = c.white >> 63;
    } else if (scheme == kGpt2) {
        s = starts_gpt2<lines>(c, after, past, p, left);
    } else {
        s = starts_cl100k<scheme, lines>(c, after, past, p, left, hard_out);
    }
    // What contractions of the block before decided here.
    s.bits = (s.bits & ~past.clear) | past.set;
    s.next.letter = c.letter >> 63;
    s.next.number = c.number >> 63;
    s.next.other = c.other() >> 63;
    s.next.space = c.space >> 63;
    s.next.lf = c.lf >> 63;
    return s;
}

constexpr size_t kBlocksAhead = 16;

// Writes the ends of the pretokens of s[at..n) that block arithmetic can decide, at most `capacity` (>= 64), and
// returns their number. *at_out: the last end written, or `at`. *hard_until_out: 0, or the end of a hard block: the
// caller continues with the scalar rules at *at_out at least up to there.
// INVARIANT: `at` is a pretoken start. Nothing is decided in the last 64 to 128 bytes.
template <int scheme, bool lines>
size_t scan_blocks(const uint8_t* s, size_t at, size_t n, int tier, uint64_t* ends_out, size_t capacity, size_t* at_out,
                   size_t* hard_until_out) noexcept {
    RawBlock raw[kBlocksAhead];
    Classes classes[2];
    Spill spill;
    Past past;
    size_t count = 0, offset = at, block = 0, have = 0;
    *at_out = at;
    *hard_until_out = 0;
    if (n - at < 128) return 0;
    const auto fetch = [&](size_t k) -> const RawBlock& {
        if (k >= have) {
            const size_t room = (n - (at + 64 * k)) / 64;
            raw_blocks(tier, s + at + 64 * k, room < kBlocksAhead ? room : kBlocksAhead, raw);
            have = k + (room < kBlocksAhead ? room : kBlocksAhead);
        }
        return raw[k % kBlocksAhead];
    };
    classify<scheme>(s + at, n - at, fetch(0), &spill, &classes[0]);
    for (; offset + 128 <= n && count + 64 <= capacity; ++block, offset += 64) {
        const Classes& here = classes[block & 1];
        Classes& after = classes[~block & 1];
        classify<scheme>(s + offset + 64, n - offset - 64, fetch(block + 1), &spill, &after);
        bool hard = here.hard;
        const Starts starts = starts_of<scheme, lines>(here, after, past, s + offset, n - offset, &hard);
        if (hard) {
            *hard_until_out = offset + 64;
            break;
        }
        uint64_t bits = starts.bits;
        if (block == 0) bits &= ~uint64_t{1};
        for (; bits; bits &= bits - 1) ends_out[count++] = offset + static_cast<size_t>(lowest_bit(bits));
        past = starts.next;
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
        BPETK_SCAN(kO200k);
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
