// Keys and hashes of byte strings, the same on every processor.
// A string of 1 to 15 bytes is its own key: 16 bytes, zero padded, with the length in the top byte. Equal keys are equal
// strings, so a table of short strings never compares bytes. Hashing is a 64x64->128 bit multiply folded by xor.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#if defined(_MSC_VER) && defined(_M_X64)
#include <intrin.h>
#endif

namespace bpetk {

constexpr size_t kShortKey = 15;

struct Key {
    uint64_t lo, hi;
};

inline uint64_t load64(const uint8_t* p) noexcept {
    uint64_t v;
    std::memcpy(&v, p, 8);
    return v;
}

inline uint64_t fold_multiply(uint64_t a, uint64_t b) noexcept {
#if defined(__SIZEOF_INT128__)
    unsigned __int128 m = static_cast<unsigned __int128>(a) * b;
    return static_cast<uint64_t>(m) ^ static_cast<uint64_t>(m >> 64);
#elif defined(_MSC_VER) && defined(_M_X64)
    uint64_t high, low = _umul128(a, b, &high);
    return low ^ high;
#else
    uint64_t al = static_cast<uint32_t>(a), ah = a >> 32, bl = static_cast<uint32_t>(b), bh = b >> 32;
    uint64_t m0 = al * bl, m1 = ah * bl, m2 = al * bh, m3 = ah * bh;
    uint64_t mid = (m0 >> 32) + static_cast<uint32_t>(m1) + static_cast<uint32_t>(m2);
    return ((mid << 32) | static_cast<uint32_t>(m0)) ^ (m3 + (m1 >> 32) + (m2 >> 32) + (mid >> 32));
#endif
}

inline uint64_t hash_key(Key k) noexcept {
    return fold_multiply(k.lo ^ 0x2545F4914F6CDD1Dull, k.hi ^ 0x9E3779B97F4A7C15ull);
}

// Key of n bytes at p, 1 <= n <= 15. SAFETY: reads 16 bytes from p.
inline Key short_key(const uint8_t* p, size_t n) noexcept {
    uint64_t lo = load64(p), hi = load64(p + 8);
    // n <= 8 keeps n low bytes of lo and nothing of hi; n > 8 keeps lo whole. Shifts stay below 64.
    uint64_t lo_mask = n >= 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * n)) - 1;
    uint64_t hi_mask = n <= 8 ? 0 : (uint64_t{1} << (8 * (n - 8))) - 1;
    return {lo & lo_mask, (hi & hi_mask) | (static_cast<uint64_t>(n) << 56)};
}

// The same without reading past the n bytes.
inline Key short_key_exact(const uint8_t* p, size_t n) noexcept {
    uint8_t copy[16] = {0};
    std::memcpy(copy, p, n);
    return short_key(copy, n);
}

// Hash of any byte string.
inline uint64_t hash_bytes(const uint8_t* p, size_t n) noexcept {
    uint64_t h = 0x8EBC6AF09C88C6E3ull ^ n;
    while (n >= 16) {
        h = fold_multiply(load64(p) ^ h, load64(p + 8) ^ 0xA0761D6478BD642Full);
        p += 16;
        n -= 16;
    }
    if (n) {
        uint8_t tail[16] = {0};
        std::memcpy(tail, p, n);
        h = fold_multiply(load64(tail) ^ h, load64(tail + 8) ^ 0xE7037ED1A0B428DBull);
    }
    return fold_multiply(h ^ 0x589965CC75374CC3ull, 0x1D8E4E27C47D124Full);
}

inline uint64_t hash_pair(uint64_t left_right) noexcept {
    uint64_t h = left_right * 0x9E3779B97F4A7C15ull;
    return h ^ (h >> 29);
}

}  // namespace bpetk
