// Normalization by a compiled map of rules: at each place the longest rule, else the character as it is, else, for a byte
// of no well-formed character, U+FFFD. The map is a double array over bytes (Yata 2007; the layout is that of Darts-clone):
// unit = {8 bits label, bit 8 has a value, bit 9 wide offset, 21 bits offset, or bit 31 and a value}.
// Characters that no rule begins with are copied in runs: ASCII by a table of bytes, three-byte characters with a lead
// byte of no rule two at a time, others by a bit for each code point.
// Cost: some 2 cycles a byte where no rule begins, 20 to 40 for a character that one may begin with.
// Twin: bpetk/reference/sp_normalize.py.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "utf.h"

namespace bpetk {

constexpr int kMostRules = 32;       // the reference looks at the 32 shortest rules that fit, and takes the longest of them
constexpr size_t kMapBlock = 1024;   // bytes of the array come in multiples of it
constexpr uint32_t kValueBit = uint32_t{1} << 31;

// What can be done with a byte where a character should start.
enum MapByte : uint8_t {
    kPlainByte,   // ASCII that begins no rule but for those that go on with a byte above 0x7F
    kSpaceByte,   // a space that begins no rule
    kThreeByte,   // lead of characters of three bytes, E0 and ED excluded; begins no rule
    kLeadByte,    // any other that a well-formed character starts with
    kOtherByte,   // none does
};

struct CompiledMap {
    std::vector<uint32_t> units;    // empty: no rules
    std::vector<uint8_t> targets;   // NUL-terminated strings
    std::vector<uint64_t> begins;   // a bit for each code point: a rule may begin with it
    uint8_t kind[256];
};

enum MapFault : int {
    kMapGood,
    kMapShort,       // no room for the size of the array and a target
    kMapSize,        // the size of the array is no multiple of kMapBlock, or 0
    kMapBeyond,      // the array goes beyond the end
    kMapOpen,        // the last target has no NUL
    kMapRoot,        // the first unit has a label or a value
    kMapOffset,      // a unit's children are outside of the array
    kMapValue,       // a value is missing, or not the offset of a target
    kMapCycle,       // a rule without an end
    kMapTarget,      // a target is not UTF-8
};

inline uint32_t unit_offset(uint32_t unit) noexcept { return (unit >> 10) << ((unit & 512) >> 6); }
inline bool unit_has_label(uint32_t unit, uint8_t label) noexcept { return (unit & (kValueBit | 0xFF)) == label; }

// Goes from children at `base` along a byte; false if there is no such child.
inline bool map_step(const uint32_t* units, uint8_t byte, uint32_t* base, uint32_t* unit_out) noexcept {
    const uint32_t at = *base ^ byte;
    *unit_out = units[at];
    if (!unit_has_label(*unit_out, byte)) return false;
    *base = at ^ unit_offset(*unit_out);
    return true;
}

// Length of the rule to apply at s[0..left), or 0; the offset of its target.
inline size_t map_longest(const CompiledMap& m, const uint8_t* s, size_t left, uint32_t* target_out) noexcept {
    // SAFETY: map_check_units has seen that all children and values are inside the array.
    const uint32_t* units = m.units.data();
    if (m.units.empty()) return 0;
    uint32_t base = unit_offset(units[0]), unit;
    size_t longest = 0;
    int found = 0;
    for (size_t i = 0; i < left && map_step(units, s[i], &base, &unit); ++i) {
        if (!(unit >> 8 & 1)) continue;
        *target_out = units[base] & ~kValueBit;
        longest = i + 1;
        if (++found == kMostRules) break;
    }
    return longest;
}

// Whether the children and the value of each unit, those that no rule uses included, are where they can be.
inline MapFault map_check_units(const CompiledMap& m, size_t* at_out) noexcept {
    const size_t n = m.units.size();
    *at_out = 0;
    if (m.units[0] & (kValueBit | 0x1FF)) return kMapRoot;
    for (size_t i = 0; i < n; ++i) {
        const uint32_t unit = m.units[i], base = static_cast<uint32_t>(i) ^ unit_offset(unit);
        *at_out = i;
        if (unit & kValueBit) {
            if ((unit & ~kValueBit) >= m.targets.size()) return kMapValue;
            continue;
        }
        // INVARIANT: n is a multiple of 256, so one child inside of the array means that all are.
        if (base >= n) return kMapOffset;
        if ((unit >> 8 & 1) && !(m.units[base] & kValueBit)) return kMapValue;
    }
    return kMapGood;
}

// Follows all rules: each has an end, and a target that is UTF-8.
inline MapFault map_check_rules(const CompiledMap& m, size_t* at_out) {
    const size_t n = m.units.size();
    // Units sorted by the place where their parent's children start, if they are children at all.
    auto parent = [&m](size_t i) { return static_cast<uint32_t>(i) ^ (m.units[i] & 0xFF); };
    std::vector<uint32_t> first(n + 1), members(n), next(n), path{0};
    for (size_t i = 0; i < n; ++i)
        if (!(m.units[i] & kValueBit)) ++first[parent(i) + 1];
    for (size_t i = 0; i < n; ++i) first[i + 1] += first[i];
    std::vector<uint32_t> fill(first.begin(), first.end() - 1);
    for (size_t i = 0; i < n; ++i)
        if (!(m.units[i] & kValueBit)) members[fill[parent(i)]++] = static_cast<uint32_t>(i);
    enum : uint8_t { kNew, kOnPath, kDone };
    std::vector<uint8_t> state(n, kNew), seen(m.targets.size());
    while (!path.empty()) {
        const uint32_t i = path.back(), unit = m.units[i], base = i ^ unit_offset(unit);
        if (state[i] == kNew) {
            state[i] = kOnPath;
            next[i] = first[base];
            const uint32_t target = m.units[base] & ~kValueBit;
            if (i != 0 && (unit >> 8 & 1) && !seen[target]) {
                seen[target] = 1;
                const uint8_t* text = m.targets.data() + target;
                const size_t length = std::strlen(reinterpret_cast<const char*>(text));
                *at_out = target;
                if (utf8_first_error(text, length) != length) return kMapTarget;
            }
        }
        if (next[i] == first[base + 1]) {
            state[i] = kDone;
            path.pop_back();
            continue;
        }
        const uint32_t child = members[next[i]++];
        *at_out = child;
        if (state[child] == kOnPath) return kMapCycle;
        if (state[child] == kNew) path.push_back(child);
    }
    return kMapGood;
}

// Marks the code points with these first bits that a rule may begin with. `left` more bytes make them whole; `whole`:
// what stands before has a rule of its own.
inline void map_mark(CompiledMap* m, uint32_t base, uint32_t high, int left, bool whole) {
    if (left == 0) {
        if (high < 0x110000) m->begins[high >> 6] |= uint64_t{1} << (high & 63);
        return;
    }
    for (uint32_t byte = 0x80; byte < 0xC0; ++byte) {
        uint32_t below = base, unit = 0;
        const bool there = map_step(m->units.data(), static_cast<uint8_t>(byte), &below, &unit);
        if (!there && !whole) continue;
        // Without a child, any place will do to go on from: all that follow are marked.
        map_mark(m, there ? below : base, high << 6 | (byte & 0x3F), left - 1, whole || (unit >> 8 & 1));
    }
}

// Fills `kind` and `begins`.
inline void map_index(CompiledMap* m) {
    m->begins.assign(m->units.empty() ? 0 : 0x110000 / 64, 0);
    for (uint32_t byte = 0; byte < 256; ++byte) {
        uint32_t base = m->units.empty() ? 0 : unit_offset(m->units[0]), unit = 0;
        const bool there = !m->units.empty() && map_step(m->units.data(), static_cast<uint8_t>(byte), &base, &unit);
        const bool whole = there && (unit >> 8 & 1);
        bool ascii_rule = whole;
        for (uint32_t second = 0; there && second < 0x80; ++second)
            ascii_rule |= unit_has_label(m->units[base ^ second], static_cast<uint8_t>(second));
        uint8_t kind = kOtherByte;
        if (byte < 0x80) {
            kind = byte == ' ' ? (there ? kLeadByte : kSpaceByte) : ascii_rule ? kLeadByte : kPlainByte;
            if (there) m->begins[byte >> 6] |= uint64_t{1} << (byte & 63);
        } else if (byte >= 0xC2 && byte <= 0xF4) {
            kind = !there && byte > 0xE0 && byte < 0xF0 && byte != 0xED ? kThreeByte : kLeadByte;
            const int more = byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3;
            if (there) map_mark(m, base, byte & (0x3F >> more), more, whole);
        }
        m->kind[byte] = kind;
    }
}

// Reads a compiled map; n = 0: no rules. Where it is not kMapGood, *at_out tells where, and *out is of no use.
inline MapFault map_read(CompiledMap* out, const uint8_t* blob, size_t n, size_t* at_out) {
    *at_out = 0;
    out->units.clear();
    out->targets.clear();
    if (n != 0) {
        uint32_t size;
        if (n <= sizeof size) return kMapShort;
        std::memcpy(&size, blob, sizeof size);
        *at_out = size;
        if (size >= n - sizeof size) return kMapBeyond;
        if (size % kMapBlock || size == 0) return kMapSize;
        *at_out = n - 1;
        if (blob[n - 1] != 0) return kMapOpen;
        out->units.resize(size / sizeof(uint32_t));
        std::memcpy(out->units.data(), blob + sizeof size, size);
        out->targets.assign(blob + sizeof size + size, blob + n);
        MapFault fault = map_check_units(*out, at_out);
        if (fault == kMapGood) fault = map_check_rules(*out, at_out);
        if (fault != kMapGood) return fault;
    }
    map_index(out);
    return kMapGood;
}

}  // namespace bpetk
