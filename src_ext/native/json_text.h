// Strict JSON (RFC 8259) read in place: ends of strings and values, escapes, small numbers. Every answer is an offset,
// or kJsonNone for whatever is not surely well-formed: the caller then asks a parser that can say what is wrong.
// Nothing reads past `n`. What is accepted here, Python's json accepts with the same meaning; the opposite does not hold (NaN,
// deep nesting, very long numbers). Cost: a tokenizer.json at about 1.5 GB/s.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "bits.h"
#include "hash.h"
#include "utf.h"

namespace bpetk {

constexpr size_t kJsonNone = ~size_t{0};
constexpr int kJsonDepth = 64;
constexpr size_t kJsonNumber = 400;  // bytes; Python refuses integers of more than 4300 digits

inline bool json_is_space(uint8_t c) noexcept { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

// Offset of the first byte from i on that is no white space, or n.
inline size_t json_skip_space(const uint8_t* s, size_t i, size_t n) noexcept {
    while (i < n && json_is_space(s[i])) {
        i += 1;
        while (n - i >= 8) {
            uint64_t other = load64(s + i) ^ 0x2020202020202020ull;
            if (other) {
                i += lowest_bit(other) >> 3;
                break;
            }
            i += 8;
        }
    }
    return i;
}

// Offset of the quote that closes the string whose text starts at i. Says whether it has escapes (not yet checked) and
// bytes over 0x7F (likewise).
inline size_t json_string_end(const uint8_t* s, size_t i, size_t n, bool* escaped_out, bool* high_out) noexcept {
    constexpr uint64_t kOnes = 0x0101010101010101ull, kHigh = kOnes << 7;
    uint64_t high = 0;
    *escaped_out = false;
    while (i < n) {
        if (n - i >= 8) {
            // The lowest bit of `hit` is right; a borrow can only set bits above it. Bytes over 0x7F are never marked.
            uint64_t x = load64(s + i), quote = x ^ (kOnes * '"'), slash = x ^ (kOnes * '\\');
            uint64_t hit = ((x - kOnes * 0x20) & ~x) | ((quote - kOnes) & ~quote) | ((slash - kOnes) & ~slash);
            hit &= kHigh;
            if (!hit) {
                high |= x;
                i += 8;
                continue;
            }
            int bit = lowest_bit(hit);  // 7 of the byte found; that byte itself is below 0x80
            high |= x & ((uint64_t{1} << bit) - 1);
            i += bit >> 3;
        }
        uint8_t c = s[i];
        if (c == '"') {
            *high_out = (high & kHigh) != 0;
            return i;
        }
        if (c < 0x20) return kJsonNone;
        high |= c;
        *escaped_out |= c == '\\';
        i += c == '\\' ? 2 : 1;
    }
    return kJsonNone;
}

// Value of four hex digits, or kJsonNone.
inline size_t json_hex4(const uint8_t* s) noexcept {
    size_t value = 0;
    for (int k = 0; k < 4; ++k) {
        uint8_t c = s[k], letter = c | 0x20;
        if (c >= '0' && c <= '9') value = value << 4 | (c - '0');
        else if (letter >= 'a' && letter <= 'f') value = value << 4 | (letter - 'a' + 10);
        else return kJsonNone;
    }
    return value;
}

// One escape: s[i] is the backslash, `end` that of the string. Stores the code point; half a surrogate pair is one if
// `halves` allows it. Returns the offset after it.
inline size_t json_escape(const uint8_t* s, size_t i, size_t end, bool halves, uint32_t* code_point_out) noexcept {
    if (end - i < 2) return kJsonNone;
    switch (s[i + 1]) {
        case '"': case '\\': case '/': *code_point_out = s[i + 1]; return i + 2;
        case 'b': *code_point_out = 8; return i + 2;
        case 'f': *code_point_out = 12; return i + 2;
        case 'n': *code_point_out = 10; return i + 2;
        case 'r': *code_point_out = 13; return i + 2;
        case 't': *code_point_out = 9; return i + 2;
        case 'u': break;
        default: return kJsonNone;
    }
    if (end - i < 6) return kJsonNone;
    size_t a = json_hex4(s + i + 2);
    if (a == kJsonNone) return kJsonNone;
    *code_point_out = static_cast<uint32_t>(a);
    i += 6;
    if (a < 0xD800 || a > 0xDFFF || halves) return i;
    if (a > 0xDBFF || end - i < 6 || s[i] != '\\' || s[i + 1] != 'u') return kJsonNone;
    size_t b = json_hex4(s + i + 2);
    if (b == kJsonNone || b < 0xDC00 || b > 0xDFFF) return kJsonNone;
    *code_point_out = static_cast<uint32_t>(0x10000 + ((a - 0xD800) << 10) + (b - 0xDC00));
    return i + 6;
}

// Text of the string s[i:end] without its escapes; it is never longer. Returns its length, kJsonNone also for half a
// surrogate pair. Bytes over 0x7F are copied as they are.
inline size_t json_unescape(const uint8_t* s, size_t i, size_t end, uint8_t* out) noexcept {
    size_t n = 0;
    while (i < end) {
        if (s[i] != '\\') {
            out[n++] = s[i++];
            continue;
        }
        uint32_t cp = 0;
        i = json_escape(s, i, end, false, &cp);
        if (i == kJsonNone) return kJsonNone;
        if (cp < 0x80) {
            out[n++] = static_cast<uint8_t>(cp);
        } else if (cp < 0x800) {
            out[n++] = static_cast<uint8_t>(0xC0 | cp >> 6);
            out[n++] = static_cast<uint8_t>(0x80 | (cp & 0x3F));
        } else if (cp < 0x10000) {
            out[n++] = static_cast<uint8_t>(0xE0 | cp >> 12);
            out[n++] = static_cast<uint8_t>(0x80 | (cp >> 6 & 0x3F));
            out[n++] = static_cast<uint8_t>(0x80 | (cp & 0x3F));
        } else {
            out[n++] = static_cast<uint8_t>(0xF0 | cp >> 18);
            out[n++] = static_cast<uint8_t>(0x80 | (cp >> 12 & 0x3F));
            out[n++] = static_cast<uint8_t>(0x80 | (cp >> 6 & 0x3F));
            out[n++] = static_cast<uint8_t>(0x80 | (cp & 0x3F));
        }
    }
    return n;
}

// Offset after the string whose opening quote is at i, its escapes and its UTF-8 checked.
inline size_t json_skip_string(const uint8_t* s, size_t i, size_t n) noexcept {
    if (i >= n || s[i] != '"') return kJsonNone;
    bool escaped, high;
    size_t start = i + 1, end = json_string_end(s, start, n, &escaped, &high);
    if (end == kJsonNone || (high && utf8_first_error(s + start, end - start) != end - start)) return kJsonNone;
    for (i = start; escaped && i < end;) {
        uint32_t cp;
        i = s[i] == '\\' ? json_escape(s, i, end, true, &cp) : i + 1;  // kJsonNone ends the loop as well
    }
    return i == kJsonNone ? i : end + 1;
}

inline size_t json_digits(const uint8_t* s, size_t i, size_t n) noexcept {
    size_t start = i;
    while (i < n && static_cast<uint8_t>(s[i] - '0') < 10) i += 1;
    return i == start ? kJsonNone : i;
}

// Offset after the number at i.
inline size_t json_skip_number(const uint8_t* s, size_t i, size_t n) noexcept {
    if (n - i > kJsonNumber) n = i + kJsonNumber;  // what is cut off here makes the number's end an error
    size_t limit = n;
    if (i < n && s[i] == '-') i += 1;
    if (i < n && s[i] == '0') i += 1;
    else i = json_digits(s, i, n);
    if (i != kJsonNone && i < n && s[i] == '.') i = json_digits(s, i + 1, n);
    if (i != kJsonNone && i < n && (s[i] | 0x20) == 'e') {
        i += 1;
        if (i < n && (s[i] == '+' || s[i] == '-')) i += 1;
        i = json_digits(s, i, n);
    }
    return i == limit ? kJsonNone : i;  // a number never ends a file or a value of ours
}

// A non-negative integer of at most seven digits, and nothing else that JSON can write there.
inline size_t json_small_number(const uint8_t* s, size_t i, size_t n, uint32_t* value_out) noexcept {
    uint32_t value = 0;
    size_t start = i;
    while (i < n && i - start < 8 && static_cast<uint8_t>(s[i] - '0') < 10) value = value * 10 + (s[i++] - '0');
    *value_out = value;
    return i == start || i - start > 7 || (s[start] == '0' && i - start > 1) ? kJsonNone : i;
}

inline size_t json_skip_scalar(const uint8_t* s, size_t i, size_t n) noexcept {
    switch (s[i]) {
        case '"': return json_skip_string(s, i, n);
        case 't': return n - i >= 4 && std::memcmp(s + i, "true", 4) == 0 ? i + 4 : kJsonNone;
        case 'f': return n - i >= 5 && std::memcmp(s + i, "false", 5) == 0 ? i + 5 : kJsonNone;
        case 'n': return n - i >= 4 && std::memcmp(s + i, "null", 4) == 0 ? i + 4 : kJsonNone;
        default: return json_skip_number(s, i, n);
    }
}

// From where a key has to be to its value, white space passed.
inline size_t json_skip_key(const uint8_t* s, size_t i, size_t n) noexcept {
    i = json_skip_string(s, json_skip_space(s, i, n), n);
    if (i == kJsonNone) return i;
    i = json_skip_space(s, i, n);
    return i < n && s[i] == ':' ? json_skip_space(s, i + 1, n) : kJsonNone;
}

// Offset after the value at i, which may be anything, nested up to kJsonDepth deep.
inline size_t json_skip_value(const uint8_t* s, size_t i, size_t n) noexcept {
    uint64_t objects = 0;  // bit d: the d-th container from the inside is an object
    int depth = 0;
    for (;;) {
        i = json_skip_space(s, i, n);
        if (i >= n) return kJsonNone;
        if (s[i] == '{' || s[i] == '[') {
            if (depth++ == kJsonDepth) return kJsonNone;
            bool object = s[i] == '{';
            objects = objects << 1 | object;
            i = json_skip_space(s, i + 1, n);
            if (i >= n) return kJsonNone;
            if (s[i] != (object ? '}' : ']')) {
                if (object && (i = json_skip_key(s, i, n)) == kJsonNone) return i;
                continue;
            }
        } else {
            i = json_skip_scalar(s, i, n);
            if (i == kJsonNone) return i;
        }
        for (;;) {  // after a value, or before the end of an empty container
            if (!depth) return i;
            i = json_skip_space(s, i, n);
            if (i >= n) return kJsonNone;
            if (s[i] == ',') {
                i += 1;
                if (objects & 1 && (i = json_skip_key(s, i, n)) == kJsonNone) return i;
                break;
            }
            if (s[i] != (objects & 1 ? '}' : ']')) return kJsonNone;
            objects >>= 1;
            depth -= 1;
            i += 1;
        }
    }
}

}  // namespace bpetk
