// UTF-8 without assumptions: strict validation, and decoding that never reads past the end.
// A byte that belongs to no well-formed sequence is a character of its own, of class "other" (no flag set).
// Reference twin: bpetk/reference/scan.py (split_bytes).
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "unicode_tables.h"

namespace bpetk {

// Length of the well-formed sequence at p (1 to 4), or 0. `left` > 0 bytes are readable. Stores the code point.
// Well-formed: Unicode 16.0, table 3-7 (no overlong forms, no surrogates, nothing above U+10FFFF).
inline unsigned utf8_decode(const uint8_t* p, size_t left, uint32_t* code_point_out) noexcept {
    uint32_t a = p[0];
    if (a < 0x80) {
        *code_point_out = a;
        return 1;
    }
    if (a < 0xC2 || a > 0xF4 || left < 2) return 0;
    uint32_t b = p[1];
    if ((b & 0xC0) != 0x80) return 0;
    if (a < 0xE0) {
        *code_point_out = ((a & 0x1F) << 6) | (b & 0x3F);
        return 2;
    }
    if (left < 3) return 0;
    uint32_t c = p[2];
    if ((c & 0xC0) != 0x80) return 0;
    if (a < 0xF0) {
        if ((a == 0xE0 && b < 0xA0) || (a == 0xED && b > 0x9F)) return 0;
        *code_point_out = ((a & 0x0F) << 12) | ((b & 0x3F) << 6) | (c & 0x3F);
        return 3;
    }
    if (left < 4) return 0;
    uint32_t d = p[3];
    if ((d & 0xC0) != 0x80 || (a == 0xF0 && b < 0x90) || (a == 0xF4 && b > 0x8F)) return 0;
    *code_point_out = ((a & 0x07) << 18) | ((b & 0x3F) << 12) | ((c & 0x3F) << 6) | (d & 0x3F);
    return 4;
}

// Class flags (unicode_tables.h) of the character at p in the low byte, its length in bytes above them.
inline uint32_t class_and_length(const uint8_t* p, size_t left) noexcept {
    uint32_t cp;
    unsigned n = utf8_decode(p, left, &cp);
    return n ? (class_of(cp) | (n << 8)) : (1u << 8);
}

// Offset of the first byte of the first ill-formed sequence, or n if there is none.
inline size_t utf8_first_error(const uint8_t* s, size_t n) noexcept {
    size_t i = 0;
    while (i < n) {
        if (n - i >= 16) {
            uint64_t x, y;
            std::memcpy(&x, s + i, 8);
            std::memcpy(&y, s + i + 8, 8);
            if (((x | y) & 0x8080808080808080ull) == 0) {
                i += 16;
                continue;
            }
        }
        // Runs of three-byte characters, two at a time: nearly all of Chinese text. E0 and ED need the full rule.
        while (n - i >= 8) {
            uint64_t x;
            std::memcpy(&x, s + i, 8);
            if ((x & 0x0000C0C0F0C0C0F0ull) != 0x00008080E08080E0ull) break;
            uint64_t first = x & 0xFF, second = (x >> 24) & 0xFF;
            if (first == 0xE0 || first == 0xED || second == 0xE0 || second == 0xED) break;
            i += 6;
        }
        if (i >= n) break;
        uint32_t cp;
        unsigned length = utf8_decode(s + i, n - i, &cp);
        if (!length) return i;
        i += length;
    }
    return n;
}

// UTF-8 of n code units. Returns the bytes written. SAFETY: room for 3 n + 8 (4 n + 8 from UCS-4) bytes at out.
// A lone surrogate ends it: *stopped_at_out is its index, n otherwise.
template <typename Unit>
inline size_t utf8_encode(const Unit* p, size_t n, uint8_t* out, size_t* stopped_at_out) noexcept {
    uint8_t* const start = out;
    size_t i = 0;
    for (; i < n; ++i) {
        const uint32_t c = p[i];
        if (c < 0x80) {
            *out++ = static_cast<uint8_t>(c);
        } else if (sizeof(Unit) > 1 && c >= 0x800 && c < 0x10000) {
            if (c >= 0xD800 && c < 0xE000) break;
            const uint32_t v = 0x8080E0u | c >> 12 | (c >> 6 & 0x3F) << 8 | (c & 0x3F) << 16;
            std::memcpy(out, &v, 4);  // one byte more than the character has
            out += 3;
        } else if (c < 0x800) {
            *out++ = static_cast<uint8_t>(0xC0 | c >> 6);
            *out++ = static_cast<uint8_t>(0x80 | (c & 0x3F));
        } else {
            const uint32_t v = 0x808080F0u | c >> 18 | (c >> 12 & 0x3F) << 8 | (c >> 6 & 0x3F) << 16 | (c & 0x3F) << 24;
            std::memcpy(out, &v, 4);
            out += 4;
        }
    }
    *stopped_at_out = i;
    return static_cast<size_t>(out - start);
}

}  // namespace bpetk
