// From character classes to pretoken starts, 64 bytes at a time, without a branch per character.
//
// Classes are masks over bytes (scan_classes.h). A block is decided from its own masks, what is left of the blocks before
// it (Past) and the block after it. What cannot be decided so makes the block "hard": a run of blanks or capitals that
// fills the next block too, marks behind punctuation where words are cut by case, the rare characters that have a
// different class at the start of a pretoken than inside one.
// Reference twin: the scalar rules of bpetk/_scanner.pyx, and bpetk/reference/scan.py.
#pragma once
#include <cstddef>
#include <cstdint>

#include "scan_classes.h"

namespace bpetk {

// Length of a contraction ('s 't 'm 'd 're 've 'll) at p, or 0. In any case U+017F (C5 BF) counts as s.
inline unsigned contraction_length(const uint8_t* p, size_t left, bool any_case) noexcept {
    if (left < 2) return 0;
    const auto fold = [any_case](uint8_t b) { return any_case && b < 0x80 ? static_cast<uint8_t>(b | 0x20) : b; };
    const uint8_t a = fold(p[1]);
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    if (left < 3) return 0;
    if (any_case && a == 0xC5 && p[2] == 0xBF) return 3;
    const uint8_t b = fold(p[2]);
    return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? 3 : 0;
}

// What a block must know of those before it. All zero at the start of a text or of a pretoken.
struct Past {
    // The class of the last byte, as bit 0. `white` only if the run goes on; `newline` only inside such a run; `tail`:
    // a line end that belongs to the "other" run before it; `bound`: a caseless letter that follows a lower-case one.
    uint64_t letter = 0, number = 0, white = 0, other = 0, apart = 0, space = 0, lf = 0, newline = 0, tail = 0, blank = 0,
             lower = 0, caseless = 0, bound = 0;
    uint64_t set = 0, clear = 0, taken = 0;  // starts decided for the next block; where a contraction ended
    uint64_t opened = 0;                     // the ASCII letters that a sign opened go on
    unsigned digits = 0;                     // numbers missing in the last group of three, when number is set
};

struct Starts {
    uint64_t bits;
    Past next;

    void set(int bit) noexcept { bit < 64 ? bits |= uint64_t{1} << bit : next.set |= uint64_t{1} << (bit - 64); }
    void clear(int bit) noexcept { bit < 64 ? bits &= ~(uint64_t{1} << bit) : next.clear |= uint64_t{1} << (bit - 64); }
};

// Starts of groups of three in runs of numbers, and how many the last group misses.
inline uint64_t digit_groups(const Classes& c, const Past& past, unsigned* missing_out) noexcept {
    const uint64_t number = c.number;
    uint64_t g = number & ~follows(number, past.number);
    if (c.wide_number()) {
        unsigned missing = past.digits;
        const uint64_t run_starts = g;
        g = 0;
        for (uint64_t q = c.number1; q; q &= q - 1) {
            const uint64_t first = q & (~q + 1);
            if (first & run_starts) missing = 0;
            if (!missing) g |= first;
            missing = missing ? missing - 1 : 2;
        }
        *missing_out = missing;
        return g;
    }
    if (past.number) {
        const uint64_t upto = (uint64_t{2} << past.digits) - 1;
        if ((number & upto) == upto) g |= uint64_t{1} << past.digits;
    }
    const uint64_t four = number & (number << 1) & (number << 2) & (number << 3);
    for (uint64_t more = (g << 3) & four; more; more = (more << 3) & four) g |= more;
    // A run that fills the block's end: its last group began 1, 2 or 3 bytes before the end, or in the block before.
    const uint64_t last = g >> 61;
    *missing_out = last & 4 ? 2 : last & 2 ? 1 : 0;
    return g;
}

// First bytes of the blanks that something else than white space follows.
inline uint64_t last_blanks(uint64_t blank, const Classes& c, const Classes& after) noexcept {
    if (!c.wide_white()) return blank & ~ahead(c.white, after.white, 1);
    return blank & ((c.white1 & ~ahead(c.white, after.white, 1)) | (c.white2 & ~ahead(c.white, after.white, 2)) |
                    (c.white3 & ~ahead(c.white, after.white, 3)));
}

template <bool lines>
BPETK_INLINE Starts starts_gpt2(const Classes& c, const Classes& after, const Past& past, const uint8_t* p,
                                size_t left) noexcept {
    Starts s{};
    const uint64_t other = c.other(), after_space = follows(c.space, past.space);
    const uint64_t runs = (c.letter & ~follows(c.letter, past.letter)) | (c.number & ~follows(c.number, past.number));
    const uint64_t other_runs = other & ~follows(other, past.other);
    const uint64_t inside = lines ? c.white & ~c.lf : c.white;  // white space that the next one may follow
    const uint64_t white_runs = c.white & ~follows(inside, past.white);
    s.bits = ((runs | other_runs) & ~after_space) | white_runs | last_blanks(inside, c, after);
    for (uint64_t q = c.quote & other_runs & ~after_space; q; q &= q - 1) {
        const int i = lowest_bit(q);
        if (const unsigned n = contraction_length(p + i, left - i, false)) {
            s.clear(i + 1);
            s.set(i + static_cast<int>(n));
        }
    }
    s.next.white = inside >> 63;
    s.next.other = other >> 63;
    return s;
}

// Line ends (and slashes) that belong to the "other" run before them.
template <int scheme, bool lines>
BPETK_INLINE uint64_t tails(const Classes& c, const Past& past, uint64_t after_other, Past* next,
                            bool* hard_out) noexcept {
    constexpr Rules rules = rules_of(scheme);
    uint64_t tail;
    if (lines) {
        // A line feed ends the text.
        const uint64_t cr = c.newline & ~c.lf;
        tail = runs_from(cr, cr & (after_other | past.tail));
        next->tail = tail >> 63;
        if (rules.slash) *hard_out |= (c.slash & follows(tail, past.tail)) != 0;
        return tail | (c.lf & (after_other | follows(tail, past.tail)));
    }
    tail = c.newline & (after_other | past.tail);
    if (rules.slash && (c.slash & follows(c.newline, past.tail)))
        tail = onward(c.newline | c.slash, tail | (c.slash & past.tail));
    else
        tail = runs_from(c.newline, tail);
    next->tail = tail >> 63;
    return tail;
}

// Blanks after the last line end of a run are split off, unless another line end ends them.
inline uint64_t after_newlines(uint64_t blank, uint64_t from, const Classes& c, const Classes& after,
                               bool* hard_out) noexcept {
    const uint64_t sum = blank + from;
    if (sum < blank || (sum & ~blank & c.newline)) {
        for (uint64_t q = from; q; q &= q - 1) {
            const int i = lowest_bit(q), end = i + run_length(blank, after.white & ~after.newline, i);
            if (end >= 128) *hard_out = true;
            else if (bit_at(c.newline, after.newline, end)) from &= ~(uint64_t{1} << i);
        }
    }
    return from;
}

// Capitals that start a word though letters stand before them.
BPETK_INLINE uint64_t case_starts(const Classes& c, const Classes& after, const Past& past, Past* next,
                                  bool* hard_out) noexcept {
    const uint64_t caseless = c.letter & ~(c.upper | c.lower);
    const uint64_t after_lower = follows(c.lower, past.lower);
    next->lower = c.lower >> 63;
    next->caseless = caseless >> 63;
    uint64_t found = c.upper & after_lower;
    if (!(caseless | past.caseless)) return found;
    const uint64_t bound = runs_from(caseless, caseless & (after_lower | past.bound));
    next->bound = bound >> 63;
    const uint64_t after_bound = follows(bound, past.bound);
    found |= c.upper & after_bound;
    // Caseless letters count as both cases: they end the word only if nothing but capitals follows them in it.
    for (uint64_t q = c.upper & follows(caseless, past.caseless) & ~after_bound; q; q &= q - 1) {
        const int i = lowest_bit(q), end = i + run_length(c.upper, after.upper, i);
        if (end >= 128) *hard_out = true;
        else if (!bit_at(c.letter, after.letter, end)) found |= uint64_t{1} << i;
    }
    return found;
}

// 's and the like: a pretoken of its own, or the end of the word before it.
template <int scheme>
BPETK_INLINE void apply_endings(const Classes& c, const Past& past, uint64_t opening, const uint8_t* p, size_t left,
                                Starts* s, bool* hard_out) noexcept {
    constexpr Rules rules = rules_of(scheme);
    if (rules.endings_first) {
        for (uint64_t q = c.quote & opening; q; q &= q - 1) {
            const int i = lowest_bit(q);
            if (const unsigned n = contraction_length(p + i, left - i, true)) s->set(i + static_cast<int>(n));
        }
    }
    if (rules.endings_last) {
        // A second one right after it does not belong to the word.
        uint64_t taken = past.taken;
        for (uint64_t q = c.quote & follows(c.letter, past.letter); q; q &= q - 1) {
            const int i = lowest_bit(q);
            if (taken >> i & 1) continue;
            const unsigned n = contraction_length(p + i, left - i, true);
            if (!n) continue;
            for (unsigned k = 0; k < n; ++k) s->clear(i + static_cast<int>(k));
            s->set(i + static_cast<int>(n));
            if (i + n < 64) taken |= uint64_t{1} << (i + n);
            else s->next.taken |= uint64_t{1} << (i + n - 64);
        }
        // A caseless letter there starts a word: the lower-case letter before it does not bind it.
        *hard_out |= (taken & c.letter & ~(c.upper | c.lower)) != 0;
    }
}

// First letters of the words that take the character before them along: one "other" character with neither a space nor
// another one before it. `opening` are those of one byte.
template <int scheme>
BPETK_INLINE uint64_t opened_words(const Classes& c, const Classes& after, uint64_t other_runs, uint64_t opening,
                                   Past* next) noexcept {
    next->clear = opening >> 63;
    if (rules_of(scheme).stretches) {
        // ASCII signs only, and the word is of ASCII letters.
        next->opened = opening >> 63;
        return opening << 1;
    }
    const uint64_t open2 = other_runs & c.other2 & ahead(c.letter, after.letter, 2);
    const uint64_t open3 = other_runs & c.other3 & ahead(c.letter, after.letter, 3);
    const uint64_t open4 = other_runs & c.other4 & ahead(c.letter, after.letter, 4);
    next->clear |= (open2 >> 62) | (open3 >> 61) | (open4 >> 60);
    return (opening << 1) | (open2 << 2) | (open3 << 3) | (open4 << 4);
}

// The family of cl100k.
template <int scheme, bool lines>
BPETK_INLINE Starts starts_cl100k(const Classes& c, const Classes& after, const Past& past, const uint8_t* p, size_t left,
                                  bool* hard_out) noexcept {
    constexpr Rules rules = rules_of(scheme);
    Starts s{};
    uint64_t other = c.other(), after_other = follows(other, past.other);
    const uint64_t after_space = follows(c.space, past.space);
    const uint64_t tail = tails<scheme, lines>(c, past, after_other, &s.next, hard_out);
    if (rules.slash && (tail & c.slash)) {
        other &= ~tail;
        after_other = follows(other, past.other);
    }
    const uint64_t white = c.white & ~tail, blank = white & ~c.newline;
    const uint64_t inside = lines ? white & ~c.lf : white;  // white space that the next one may follow
    const uint64_t white_runs = white & ~follows(inside, past.white);
    uint64_t last_blank = last_blanks(blank, c, after);
    if (rules.stretches) {
        // What is cut out ends the text: white space before it stays whole.
        const uint64_t out = c.number | c.apart, out_after = after.number | after.apart;
        last_blank &= ~(ahead(out, out_after, 1) & c.white1);
        if (c.wide_white()) last_blank &= ~((ahead(out, out_after, 2) & c.white2) | (ahead(out, out_after, 3) & c.white3));
    }
    const uint64_t other_runs = other & ~after_other & ~after_space;
    const uint64_t narrow = other_runs & ~(c.other2 | c.other3 | c.other4);
    const uint64_t opening = narrow & (rules.stretches ? ahead(c.alpha, after.alpha, 1) : ahead(c.letter, after.letter, 1));
    const uint64_t opened = opened_words<scheme>(c, after, other_runs, opening, &s.next);
    // Marks belong to the "other" run before them, unless it is the one character that opens a word.
    if (rules.cased) *hard_out |= (c.mark1 & after_other & ~(opened | past.clear)) != 0;
    uint64_t words = c.letter & ~follows(c.letter, past.letter) & ~follows(blank, past.blank) & ~opened;
    if (rules.cased) words |= case_starts(c, after, past, &s.next, hard_out);
    if (rules.stretches) {
        const uint64_t sum = c.alpha + ((opened | past.opened) & (c.alpha | 1));
        words |= c.letter & ~c.alpha & sum;
        s.next.opened |= sum < c.alpha;
    }
    if (rules.han_apart) *hard_out |= (c.han_number1 & follows(c.number, past.number)) != 0;
    if (rules.han_apart || rules.stretches) words |= c.apart & ~follows(c.apart, past.apart);
    const uint64_t numbers = rules.numbers_by_three ? digit_groups(c, past, &s.next.digits) : c.number1;
    s.bits = words | numbers | other_runs | white_runs | last_blank;
    if (lines) s.bits |= follows(c.lf, past.lf);
    const uint64_t newline = c.newline & inside;
    if (const uint64_t from = blank & follows(newline, past.newline))
        s.bits |= after_newlines(blank, from, c, after, hard_out);
    apply_endings<scheme>(c, past, opening, p, left, &s, hard_out);
    s.next.white = inside >> 63;
    s.next.newline = newline >> 63;
    s.next.blank = blank >> 63;
    s.next.other = other >> 63;
    return s;
}

template <int scheme, bool lines>
BPETK_INLINE Starts starts_of(const Classes& c, const Classes& after, const Past& past, const uint8_t* p, size_t left,
                              bool* hard_out) noexcept {
    Starts s{};
    if (scheme == kWhitespace) {
        s.bits = c.white ^ follows(c.white, past.white);
        s.next.white = c.white >> 63;
    } else if (scheme == kGpt2) {
        s = starts_gpt2<lines>(c, after, past, p, left);
    } else {
        s = starts_cl100k<scheme, lines>(c, after, past, p, left, hard_out);
    }
    // What contractions of the block before decided here.
    s.bits = (s.bits & ~past.clear) | past.set;
    s.next.letter = c.letter >> 63;
    s.next.number = c.number >> 63;
    s.next.apart = c.apart >> 63;
    s.next.space = c.space >> 63;
    s.next.lf = c.lf >> 63;
    return s;
}

}  // namespace bpetk
