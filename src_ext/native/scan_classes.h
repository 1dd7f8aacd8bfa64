// From byte masks to character classes: every byte of a character carries the character's class, so that runs of a class
// are runs of bits. Chinese characters and their common punctuation never leave the mask domain; other characters of
// several bytes are looked up one by one.
#pragma once
#include <cstddef>
#include <cstdint>

#include "bits.h"
#include "scan_masks.h"
#include "utf.h"

// Inlined whatever the size: the structs of masks then live in registers, which is worth a tenth to a third of
// the time.
#if defined(_MSC_VER) && !defined(__clang__)
#define BPETK_INLINE __forceinline
#else
#define BPETK_INLINE __attribute__((always_inline)) inline
#endif

namespace bpetk {

// Values of SchemeId in bpetk/_types.pxd.
enum Scheme : int {
    kGpt2, kCl100k, kCl100kTiktoken, kQwen2, kQwen3_5, kO200k, kTekken, kKimiK2, kDeepseekV3, kWhitespace, kNone
};

// What tells the schemes of the cl100k family apart.
struct Rules {
    bool cased = false;            // words are cut where lower case meets upper case
    bool marks_are_letters = false;
    bool han_apart = false;        // Han characters are no letters, but runs of their own
    bool stretches = false;        // what stands between numbers and Han or kana is a text of its own
    bool numbers_by_three = true;
    bool endings_first = false;    // 's 't ... are pretokens
    bool endings_last = false;     // 's 't ... belong to the word before
    bool slash = false;            // "/" after the line ends that follow other characters belongs to them
};

constexpr Rules rules_of(int scheme) noexcept {
    Rules r{};
    r.cased = scheme == kO200k || scheme == kTekken || scheme == kKimiK2;
    r.marks_are_letters = scheme == kQwen3_5 || scheme == kDeepseekV3;
    r.han_apart = scheme == kKimiK2;
    r.stretches = scheme == kDeepseekV3;
    r.numbers_by_three = scheme != kQwen2 && scheme != kQwen3_5 && scheme != kTekken;
    r.endings_first = scheme == kCl100k || scheme == kQwen2 || scheme == kQwen3_5;
    r.endings_last = scheme == kO200k || scheme == kKimiK2;
    r.slash = scheme == kO200k || scheme == kTekken;
    return r;
}

struct Classes {
    uint64_t letter, number, white, upper, lower;
    uint64_t apart;  // characters that join no run but their own: Han (kimi_k2), Han and kana (deepseek_v3)
    uint64_t alpha;  // ASCII letters
    // First bytes of characters: of white space of one to three bytes, numbers, "other" of two to four bytes, marks
    // among the letters, and Han characters that are numbers.
    uint64_t white1, white2, white3, number1, other2, other3, other4, mark1, han_number1;
    uint64_t space, lf, newline, quote, slash;
    bool hard;

    uint64_t other() const noexcept { return ~(letter | number | white | apart); }
    bool wide_white() const noexcept { return white != white1; }
    bool wide_number() const noexcept { return number != number1; }
};

// Bytes of a character that began in the block before: low bits of the next block.
struct Spill {
    uint64_t bytes = 0, letter = 0, number = 0, white = 0, upper = 0, lower = 0, apart = 0;
};

// U+4E00..9FA5 and U+3040..30FF; the three bytes at p are a character.
inline bool is_han_or_kana(const uint8_t* p) noexcept {
    const uint32_t v = (uint32_t{p[0]} << 16) | (uint32_t{p[1]} << 8) | p[2];
    return (v >= 0xE4B880 && v <= 0xE9BEA5) || (v >= 0xE38180 && v <= 0xE383BF);
}

// Enters the character of n bytes at bit i, with flags `cl`, and returns whether it goes beyond the block's rules.
template <int scheme>
BPETK_INLINE bool classify_one(const uint8_t* p, int i, uint32_t cl, unsigned n, Classes* c, Spill* spill) noexcept {
    constexpr Rules rules = rules_of(scheme);
    const uint64_t first = uint64_t{1} << i, bytes = ((uint64_t{1} << n) - 1) << i;
    const uint64_t rest = i + n > 64 ? (uint64_t{1} << (i + n - 64)) - 1 : 0;
    bool hard = false;
    spill->bytes |= rest;
    if ((rules.han_apart && (cl & kHan)) || (rules.stretches && n == 3 && is_han_or_kana(p + i))) {
        c->apart |= bytes;
        spill->apart |= rest;
        if (rules.stretches) return !(cl & (kLetter | kMark));
        if (cl & kNumber) c->han_number1 |= first;
        return !(cl & (kLetter | kNumber));
    }
    if (cl & (kLetter | (rules.marks_are_letters || rules.cased ? kMark : 0))) {
        c->letter |= bytes;
        spill->letter |= rest;
        if (cl & kMark) c->mark1 |= first;
    } else if (cl & kNumber) {
        c->number |= bytes;
        c->number1 |= first;
        spill->number |= rest;
    } else if (cl & kSpace) {
        c->white |= bytes;
        (n == 2 ? c->white2 : c->white3) |= first;
        spill->white |= rest;
    } else {
        if (n == 2) c->other2 |= first;
        if (n == 3) c->other3 |= first;
        if (n == 4) c->other4 |= first;
        hard = rules.stretches && !(cl & kPunct);
    }
    if (cl & kUpper) {
        c->upper |= bytes;
        spill->upper |= rest;
    }
    if (cl & kLower) {
        c->lower |= bytes;
        spill->lower |= rest;
    }
    return hard;
}

// SAFETY: [p, p + left) is readable, left >= 64.
template <int scheme>
BPETK_INLINE Classes classify(const uint8_t* p, size_t left, const RawBlock& raw, Spill* spill) noexcept {
    constexpr Rules rules = rules_of(scheme);
    Classes c;
    c.letter = c.alpha = raw.alpha;
    c.number = raw.digit;
    c.white = raw.white;
    c.upper = raw.upper;
    c.lower = raw.alpha & ~raw.upper;
    c.apart = 0;
    c.white1 = raw.white;
    c.number1 = raw.digit;
    c.white2 = c.white3 = c.other2 = c.other3 = c.other4 = c.mark1 = c.han_number1 = 0;
    c.space = raw.space;
    c.lf = raw.lf;
    c.newline = raw.lf | raw.cr;
    c.quote = raw.quote;
    c.slash = raw.slash;
    c.hard = rules.stretches && raw.control;
    if (raw.high) {
        // Characters that began in the block before have no lead here: `todo` is leads, and bytes of no character.
        uint64_t todo = raw.high & ~spill->bytes;
        c.letter |= spill->letter;
        c.number |= spill->number;
        c.white |= spill->white;
        c.upper |= spill->upper;
        c.lower |= spill->lower;
        if (rules.han_apart || rules.stretches) c.apart = spill->apart;
        *spill = Spill{};
        const uint64_t han = raw.han & todo & (rules.stretches ? ~raw.late_han : ~uint64_t{0});
        const uint64_t punctuation = raw.punctuation & todo, han_bytes = han | (han << 1) | (han << 2);
        (rules.han_apart || rules.stretches ? c.apart : c.letter) |= han_bytes;
        c.other3 = punctuation;
        todo &= ~(han_bytes | punctuation | (punctuation << 1) | (punctuation << 2));
        while (todo) {
            const int i = lowest_bit(todo);
            const uint32_t cl = class_and_length(p + i, left - i);
            const unsigned n = cl >> 8;
            todo &= ~(((uint64_t{1} << n) - 1) << i);
            c.hard |= classify_one<scheme>(p, i, cl, n, &c, spill);
        }
    }
    return c;
}

// ---------------------------------------------------------------------------------------------------------------------
// Runs of bits. `past` is what the block before hands over, as bit 0; `after` is the same mask of the next block.

inline uint64_t follows(uint64_t mask, uint64_t past) noexcept { return (mask << 1) | past; }

// What stands `bytes` (1 to 4) further on.
inline uint64_t ahead(uint64_t mask, uint64_t after, unsigned bytes) noexcept {
    return (mask >> bytes) | (after << (64 - bytes));
}

// The runs of `mask` from `first` on, which are first bits of runs.
inline uint64_t runs_from(uint64_t mask, uint64_t first) noexcept { return mask & ~(mask + first); }

// The same for any bits of `mask`.
inline uint64_t onward(uint64_t mask, uint64_t from) noexcept {
    for (int width = 1; width < 64; width *= 2) {
        from |= mask & (from << width);
        mask &= mask << width;
    }
    return from;
}

// Length of the run of `mask` that goes on at bit i (possibly 0), through the next block; 128 if it fills that one.
inline int run_length(uint64_t mask, uint64_t after, int i) noexcept {
    if (const uint64_t gap = ~mask >> i) return lowest_bit(gap);
    return ~after ? 64 - i + lowest_bit(~after) : 128;
}
inline bool bit_at(uint64_t mask, uint64_t after, int i) noexcept {
    return ((i < 64 ? mask >> i : after >> (i - 64)) & 1) != 0;
}

}  // namespace bpetk
