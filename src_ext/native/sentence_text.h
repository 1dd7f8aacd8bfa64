// The text that normalization makes: copying what has no rule, spaces, and where each byte came from.
// Twin: bpetk/reference/sp_normalize.py.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "compiled_map.h"
#include "utf_check.h"

namespace bpetk {

// Normalized text, appended to. Begins as all zero, but for `aligned`.
struct SentenceText {
    uint8_t* data;
    uint64_t* source;   // if aligned: for each byte the offset of the byte that it came from; else NULL
    size_t size, room;
    bool aligned;
};

constexpr size_t kTextSlack = 16;   // bytes behind the text that copying may write to

struct SpaceRules {
    bool collapse;   // drop leading and trailing spaces, keep one of several
    bool escape;     // U+2581 for a space
    bool fold;       // a space for U+2581, when all is done; not with `escape`
};

constexpr size_t kSlice = 4096;        // bytes of text for which room is made at a time
constexpr uint8_t kEscapedSpace[3] = {0xE2, 0x96, 0x81};

// Room for `more` bytes and what copying may write behind them; false: memory is out.
inline bool text_reserve(SentenceText* t, size_t more) noexcept {
    const size_t wanted = t->size + more + kTextSlack;
    if (wanted <= t->room) return true;
    const size_t room = wanted + wanted / 2;
    void* p = std::realloc(t->data, room);
    if (!p) return false;
    t->data = static_cast<uint8_t*>(p);
    if (t->aligned) {
        p = std::realloc(t->source, room * sizeof(uint64_t));
        if (!p) return false;
        t->source = static_cast<uint64_t*>(p);
    }
    t->room = room;
    return true;
}

inline void text_release(SentenceText* t) noexcept {
    std::free(t->data);
    std::free(t->source);
    *t = SentenceText{nullptr, nullptr, 0, 0, t->aligned};
}

// Appends n bytes that all came from `from`. SAFETY: room for them.
inline void text_put(SentenceText* t, const uint8_t* p, size_t n, size_t from) noexcept {
    for (size_t i = 0; i < n; ++i) {
        t->data[t->size + i] = p[i];
        if (t->aligned) t->source[t->size + i] = from;
    }
    t->size += n;
}

inline void text_put_space(SentenceText* t, SpaceRules spaces, size_t from) noexcept {
    if (spaces.escape)
        text_put(t, kEscapedSpace, 3, from);
    else
        text_put(t, reinterpret_cast<const uint8_t*>(" "), 1, from);
}

// Appends what a rule gives, or a symbol; *after_space: a space in front of it is one too many, before and after.
inline bool text_put_prefix(SentenceText* t, SpaceRules spaces, const uint8_t* p, size_t n, size_t from,
                            bool* after_space) noexcept {
    for (; *after_space && n && *p == ' '; --n) ++p;
    if (n == 0) return true;
    if (!text_reserve(t, 3 * n)) return false;
    for (size_t i = 0; i < n; ++i) {
        if (p[i] == ' ')
            text_put_space(t, spaces, from);
        else
            text_put(t, p + i, 1, from);
    }
    *after_space = spaces.collapse && p[n - 1] == ' ';
    return true;
}

// What stands at s[at]: the bytes that it becomes, and how many it takes.
struct Prefix {
    const uint8_t* text;
    size_t length, taken;
};

inline Prefix map_prefix(const CompiledMap& m, const uint8_t* s, size_t at, size_t n) noexcept {
    static const uint8_t kReplacement[3] = {0xEF, 0xBF, 0xBD};
    uint32_t target, code_point;
    const size_t rule = map_longest(m, s + at, n - at, &target);
    if (rule) {
        const uint8_t* text = m.targets.data() + target;
        return {text, std::strlen(reinterpret_cast<const char*>(text)), rule};
    }
    const unsigned length = utf8_decode(s + at, n - at, &code_point);
    if (length) return {s + at, length, length};
    return {kReplacement, 3, 1};
}

inline bool map_begins(const CompiledMap& m, uint32_t code_point) noexcept {
    return !m.begins.empty() && (m.begins[code_point >> 6] >> (code_point & 63) & 1);
}

// Copies characters and single spaces from s[at..stop) as long as no rule begins with them. Returns where it ended.
// SAFETY: room for 3 (stop - at + 4) bytes.
template <bool kAligned>
inline size_t text_copy_run(const CompiledMap& m, SpaceRules spaces, const uint8_t* s, size_t at, size_t stop, size_t n,
                            bool* after_space, SentenceText* t) noexcept {
    uint8_t* out = t->data + t->size;
    uint64_t* source = kAligned ? t->source + t->size : nullptr;
    const size_t begin = at;
    const uint32_t space_bytes = spaces.escape ? 0x8196E2 : ' ', space_width = spaces.escape ? 3 : 1;
    bool space = *after_space;
    while (at < stop) {
        if (s[at] < 0x80) {
            const size_t ascii = at;
            for (; at < stop && m.kind[s[at]] <= kSpaceByte; ++at) {
                const bool here = s[at] == ' ';
                if (here && space) break;
                // One width or the other, without a jump: words are too short to foresee their ends.
                const uint32_t bytes = here ? space_bytes : s[at];
                const size_t width = here ? space_width : 1;
                std::memcpy(out, &bytes, 4);
                for (int i = 0; kAligned && i < 3; ++i) source[i] = at;
                out += width;
                if (kAligned) source += width;
                space = here && spaces.collapse;
            }
            if (at == ascii) break;
            // The last one may begin a rule that goes on with what is not ASCII; a space does not.
            if (at < n && s[at] >= 0x80 && map_begins(m, s[at - 1])) {
                --at;
                --out;
                space = at == begin ? *after_space : spaces.collapse && s[at - 1] == ' ';
                break;
            }
            if (at < stop && s[at] < 0x80) break;
            continue;
        }
        const size_t above = at;
        while (stop - at >= 8) {
            uint64_t x;
            std::memcpy(&x, s + at, 8);
            if ((x & 0x0000C0C0F0C0C0F0ull) != 0x00008080E08080E0ull || m.kind[x & 0xFF] != kThreeByte ||
                m.kind[x >> 24 & 0xFF] != kThreeByte)
                break;
            std::memcpy(out, &x, 8);
            for (int i = 0; kAligned && i < 6; ++i) *source++ = at + (i < 3 ? 0 : 3);
            at += 6;
            out += 6;
        }
        uint32_t code_point;
        const unsigned length = at < stop ? utf8_decode(s + at, n - at, &code_point) : 0;
        if (length && s[at] >= 0x80 && !map_begins(m, code_point)) {
            for (unsigned i = 0; i < length; ++i) {
                if (kAligned) *source++ = at;
                *out++ = s[at + i];
            }
            at += length;
        }
        if (at == above) break;
        space = false;
    }
    *after_space = space;
    t->size = static_cast<size_t>(out - t->data);
    return at;
}

// The second of the next two spaces that stand together behind `at`, or `end`.
inline size_t next_two_spaces(const uint8_t* s, size_t at, size_t end) noexcept {
    size_t i = at + 1;
    for (; i + 64 <= end; i += 64) {
        uint8_t both = 0;
        for (size_t k = 0; k < 64; ++k) both |= static_cast<uint8_t>((s[i + k] == ' ') & (s[i + k - 1] == ' '));
        if (both) break;
    }
    while (i < end && (s[i] != ' ' || s[i - 1] != ' ')) ++i;
    return i < end ? i : end;
}

// Copies s[at..stop) as it is, but for spaces, up to a byte of no character. Returns where it ended. SAFETY: room for it.
inline size_t text_copy_whole(SpaceRules spaces, const uint8_t* s, size_t at, size_t stop, bool* after_space,
                              SentenceText* t) noexcept {
    const size_t end = at + utf8_check(s + at, stop - at);
    while (at < end) {
        if (*after_space && s[at] == ' ') {
            ++at;
            continue;
        }
        const size_t next = spaces.collapse ? next_two_spaces(s, at, end) : end;
        std::memcpy(t->data + t->size, s + at, next - at);
        t->size += next - at;
        *after_space = spaces.collapse && s[next - 1] == ' ';
        at = next;
    }
    return at;
}

// Normalizes s[at..stop), where a rule or character that begins before stop may end behind it. Returns where it ended, or
// SIZE_MAX when memory is out.
inline size_t text_normalize(const CompiledMap& m, SpaceRules spaces, const uint8_t* s, size_t at, size_t stop, size_t n,
                             bool* after_space, SentenceText* t) noexcept {
    const bool whole = m.units.empty() && !t->aligned && !spaces.escape;
    if (whole && !text_reserve(t, stop - at)) return SIZE_MAX;
    while (at < stop) {
        if (whole) {
            at = text_copy_whole(spaces, s, at, stop, after_space, t);
            if (at == stop) break;
            const Prefix prefix = map_prefix(m, s, at, n);
            if (!text_put_prefix(t, spaces, prefix.text, prefix.length, at, after_space)) return SIZE_MAX;
            at += prefix.taken;
            if (!text_reserve(t, stop - at)) return SIZE_MAX;
            continue;
        }
        const size_t slice = stop - at < kSlice ? stop : at + kSlice;
        if (!text_reserve(t, 3 * (slice - at + 4))) return SIZE_MAX;
        at = t->aligned ? text_copy_run<true>(m, spaces, s, at, slice, n, after_space, t)
                        : text_copy_run<false>(m, spaces, s, at, slice, n, after_space, t);
        if (at >= slice) continue;
        const Prefix prefix = map_prefix(m, s, at, n);
        if (!text_put_prefix(t, spaces, prefix.text, prefix.length, at, after_space)) return SIZE_MAX;
        at += prefix.taken;
    }
    return at;
}

// Puts a space for each U+2581 from `begin` on.
inline void text_fold(SentenceText* t, size_t begin) noexcept {
    uint8_t* p = t->data + begin;
    uint8_t* const end = t->data + t->size;
    // Hardly any text has one.
    while ((p = static_cast<uint8_t*>(std::memchr(p, kEscapedSpace[0], static_cast<size_t>(end - p))))) {
        if (end - p >= 3 && std::memcmp(p, kEscapedSpace, 3) == 0) break;
        ++p;
    }
    if (!p) return;
    uint8_t* out = p;
    while (p < end) {
        const bool space = end - p >= 3 && std::memcmp(p, kEscapedSpace, 3) == 0;
        if (t->aligned) t->source[out - t->data] = t->source[p - t->data];
        *out++ = space ? ' ' : *p;
        p += space ? 3 : 1;
    }
    t->size = static_cast<size_t>(out - t->data);
}

// Drops spaces at the end, back to `begin`; where the last one dropped came from, or `end`.
inline size_t text_trim(SentenceText* t, size_t begin, SpaceRules spaces, size_t end) noexcept {
    const size_t n = spaces.escape ? 3 : 1;
    const uint8_t* space = spaces.escape ? kEscapedSpace : reinterpret_cast<const uint8_t*>(" ");
    while (t->size - begin >= n && std::memcmp(t->data + t->size - n, space, n) == 0) {
        t->size -= n;
        if (t->aligned) end = t->source[t->size];
    }
    return end;
}

}  // namespace bpetk
