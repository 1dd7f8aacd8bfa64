// Which instruction sets this processor has, asked once. The portable tier can be forced by the caller.
#pragma once

namespace bpetk {

// Tiers of the block scanner; names and order are those of Tier in bpetk/_scanner.pxd.
constexpr int kTierScalar = 0, kTierPortable = 1, kTierAvx2 = 2, kTierAvx512 = 3;

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define BPETK_X86_TIERS 1
inline bool cpu_has(int tier) noexcept {
    __builtin_cpu_init();
    if (tier == kTierAvx2) return __builtin_cpu_supports("avx2");
    if (tier == kTierAvx512) return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    return tier <= kTierPortable;
}
#else
inline bool cpu_has(int tier) noexcept { return tier <= kTierPortable; }
#endif

}  // namespace bpetk
