// From byte masks to character classes: every byte of a character carries the character's class, so that runs of a class
// are runs of bits. Chinese characters and their common punctuation never leave the mask domain; other characters of
// several bytes are looked up one by one.
#pragma once
#include <cstddef>
#include <cstdint>

#include "bits.h"
#include "scan_masks.h"
#include "utf.h"

namespace bpetk {

// Values of SchemeId in bpetk/_types.pxd.
enum Scheme : int { kGpt2, kCl100k, kCl100kTiktoken, kQwen2, kO200k, kWhitespace, kNone };

struct Classes {
    uint64_t letter, number, white, upper, lower;
    uint64_t other2, other3, other4;  // first bytes of "other" characters of two, three and four bytes
    uint64_t space, lf, quote, slash;
    bool hard;

    uint64_t other() const noexcept { return ~(letter | number | white); }
};

// Bytes of a character that began in the block before: low bits of the next block.
struct Spill {
    uint64_t bytes = 0, letter = 0, number = 0, white = 0, upper = 0, lower = 0;
};

// SAFETY: [p, p + left) is readable, left >= 64.
template <int scheme>
inline void classify(const uint8_t* p, size_t left, const RawBlock& raw, Spill* spill, Classes* out) noexcept {
    Classes c;
    c.letter = raw.alpha | spill->letter;
    c.number = raw.digit | spill->number;
    c.white = raw.white | spill->white;
    c.upper = raw.upper | spill->upper;
    c.lower = (raw.alpha & ~raw.upper) | spill->lower;
    c.other2 = c.other3 = c.other4 = 0;
    c.space = raw.space;
    c.lf = raw.lf;
    c.quote = raw.quote;
    c.slash = raw.slash;
    c.hard = scheme != kWhitespace && ((raw.cr && scheme != kGpt2) || spill->white || spill->number);
    uint64_t todo = raw.high & ~spill->bytes;
    if (spill->bytes) *spill = Spill{};
    if (todo) {
        // Leads only: a continuation byte of a character from the block before is not one, as spill says.
        const uint64_t han = raw.han & todo, punctuation = raw.punctuation & todo;
        const uint64_t han_bytes = han | (han << 1) | (han << 2);
        c.letter |= han_bytes;
        c.other3 = punctuation;
        todo &= ~(han_bytes | punctuation | (punctuation << 1) | (punctuation << 2));
        while (todo) {
            const int i = lowest_bit(todo);
            const uint32_t cl = class_and_length(p + i, left - i);
            const unsigned n = cl >> 8;
            const uint64_t bytes = ((uint64_t{1} << n) - 1) << i;
            todo &= ~bytes;
            if (cl & kLetter) c.letter |= bytes;
            else if (cl & kNumber) c.number |= bytes;
            else if (cl & kSpace) c.white |= bytes;
            else if (n == 2) c.other2 |= uint64_t{1} << i;
            else if (n == 3) c.other3 |= uint64_t{1} << i;
            else if (n == 4) c.other4 |= uint64_t{1} << i;
            if (cl & kUpper) c.upper |= bytes;
            if (cl & kLower) c.lower |= bytes;
            if (scheme != kWhitespace) {
                c.hard |= (cl & (kSpace | kNumber)) != 0;
                if (scheme == kO200k) c.hard |= (cl & kMark) != 0;
            }
            if (i + n > 64) {
                const uint64_t rest = (uint64_t{1} << (i + n - 64)) - 1;
                spill->bytes = rest;
                if (cl & kLetter) spill->letter = rest;
                if (cl & kNumber) spill->number = rest;
                if (cl & kSpace) spill->white = rest;
                if (cl & kUpper) spill->upper = rest;
                if (cl & kLower) spill->lower = rest;
            }
        }
    }
    *out = c;
}

}  // namespace bpetk
