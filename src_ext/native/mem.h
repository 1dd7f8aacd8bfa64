// Memory for big flat arrays: zero-filled, cache-line aligned, returned to the system when freed.
// Blocks of at least kMapThreshold bytes come straight from the kernel, so that freeing them lowers the resident size;
// those of at least two huge pages ask for huge pages before the first touch (asking later has no effect on it).
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#if defined(__linux__) || defined(__APPLE__)
#include <sys/mman.h>
#define BPETK_HAVE_MMAP 1
#endif
#if defined(_MSC_VER)
#include <intrin.h>
#include <malloc.h>
#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "bpetk reads text eight bytes at a time as little-endian numbers"
#endif

namespace bpetk {

static_assert(sizeof(void*) == 8, "bpetk keeps addresses and lengths together in 64 bits");

constexpr size_t kMapThreshold = size_t{1} << 17;
constexpr size_t kHugePage = size_t{1} << 21;
constexpr size_t kCacheLine = 64;

inline size_t mem_rounded(size_t bytes) {
    size_t unit = bytes >= kMapThreshold ? 4096 : kCacheLine;
    return (bytes + unit - 1) / unit * unit;
}

#if defined(BPETK_HAVE_MMAP)
// A new mapping; one of at least two huge pages begins at a huge page, or it could not use the first one.
inline void* mem_map(size_t size, int flags) noexcept {
    flags |= MAP_PRIVATE | MAP_ANONYMOUS;
#if defined(MADV_HUGEPAGE)
    if (size >= 2 * kHugePage) {
        void* p = mmap(nullptr, size + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) return nullptr;
        const uintptr_t start = reinterpret_cast<uintptr_t>(p);
        const uintptr_t place = (start + kHugePage - 1) / kHugePage * kHugePage;
        if (place > start) munmap(p, place - start);
        if (place < start + kHugePage) munmap(reinterpret_cast<void*>(place + size), start + kHugePage - place);
        p = reinterpret_cast<void*>(place);
        madvise(p, size, MADV_HUGEPAGE);
        return p;
    }
#endif
    void* p = mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, -1, 0);
    return p == MAP_FAILED ? nullptr : p;
}
#endif

// Zero-filled memory for `bytes` bytes, or nullptr when there is none. Free with mem_free(pointer, the same bytes).
// `populate` maps all pages now: for memory that is read before it is written (a hash table), where the first read maps
// the zero page and the write after it must then interrupt every processor that runs a thread of the process.
inline void* mem_alloc(size_t bytes, bool populate = false) noexcept {
    size_t size = mem_rounded(bytes ? bytes : 1);
#if defined(BPETK_HAVE_MMAP)
    if (size >= kMapThreshold) {
        int flags = 0;
#if defined(MAP_POPULATE)
        if (populate) flags |= MAP_POPULATE;
#endif
        void* p = mem_map(size, flags);
        if (p && populate && size >= 2 * kHugePage) {
            // After the advice, so that huge pages are mapped.
            for (size_t i = 0; i < size; i += 4096) static_cast<volatile uint8_t*>(p)[i] = 0;
        }
        return p;
    }
#endif
    (void)populate;
#if defined(_MSC_VER)
    void* p = _aligned_malloc(size, kCacheLine);
#else
    void* p = std::aligned_alloc(kCacheLine, size);
#endif
    if (p) std::memset(p, 0, size);
    return p;
}

inline void mem_free(void* p, size_t bytes) noexcept {
    if (!p) return;
#if defined(BPETK_HAVE_MMAP)
    size_t size = mem_rounded(bytes ? bytes : 1);
    if (size >= kMapThreshold) {
        munmap(p, size);
        return;
    }
#else
    (void)bytes;
#endif
#if defined(_MSC_VER)
    _aligned_free(p);
#else
    std::free(p);
#endif
}

inline void prefetch_read(const void* p) noexcept {
#if defined(_MSC_VER)
#if defined(_M_X64)
    _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0);
#endif
#else
    __builtin_prefetch(p, 0, 3);
#endif
}

inline void prefetch_write(const void* p) noexcept {
#if defined(_MSC_VER)
    prefetch_read(p);
#else
    __builtin_prefetch(p, 1, 3);
#endif
}

}  // namespace bpetk
