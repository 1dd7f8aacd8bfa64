// Bit operations that C++17 does not name.
#pragma once
#include <cstdint>
#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#endif

namespace bpetk {

// Index of the lowest set bit; x != 0.
inline int lowest_bit(uint64_t x) noexcept {
#if defined(_MSC_VER) && !defined(__clang__)
    unsigned long i;
#if defined(_M_X64) || defined(_M_ARM64)
    _BitScanForward64(&i, x);
    return static_cast<int>(i);
#else
    if (_BitScanForward(&i, static_cast<unsigned long>(x))) return static_cast<int>(i);
    _BitScanForward(&i, static_cast<unsigned long>(x >> 32));
    return static_cast<int>(i) + 32;
#endif
#else
    return __builtin_ctzll(x);
#endif
}

// Index of the highest set bit; x != 0.
inline int highest_bit(uint64_t x) noexcept {
#if defined(_MSC_VER) && !defined(__clang__)
    unsigned long i;
#if defined(_M_X64) || defined(_M_ARM64)
    _BitScanReverse64(&i, x);
    return static_cast<int>(i);
#else
    if (_BitScanReverse(&i, static_cast<unsigned long>(x >> 32))) return static_cast<int>(i) + 32;
    _BitScanReverse(&i, static_cast<unsigned long>(x));
    return static_cast<int>(i);
#endif
#else
    return 63 - __builtin_clzll(x);
#endif
}

}  // namespace bpetk
