"""Texts of a tokenizer.json as keys of a table: up to 15 bytes are the key, longer ones a hash and where they are."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp

from bpetk._json_outline cimport Source, Span, text_of
from bpetk._native cimport Key, hash_bytes, hash_key, kShortKey, short_key, short_key_exact

cdef struct Text:
    const uint8_t* p
    uint32_t size
    Key key                 # longer than 15 bytes: hash in hi, the Span in lo
    uint64_t hash


cdef inline uint64_t long_mark() noexcept nogil:
    return <uint64_t>0xFF << 56


cdef inline Text keyed(const Source* f, Span span) noexcept nogil:
    """A text with its key; not of an empty one."""
    cdef Text out
    out.p = text_of(f, span)
    out.size = span.size
    if span.size <= kShortKey:
        # SAFETY: 16 bytes are readable from any text in the arena, and from one that ends 16 before the file's end.
        if span.at >= f.n or span.at + 16 <= f.n:
            out.key = short_key(out.p, span.size)
        else:
            out.key = short_key_exact(out.p, span.size)
        out.hash = hash_key(out.key)
    else:
        out.hash = hash_bytes(out.p, span.size)
        out.key.lo = <uint64_t>span.at << 32 | span.size
        out.key.hi = long_mark() | out.hash >> 8
    return out


cdef inline Text asked(const uint8_t* p, uint32_t size) noexcept nogil:
    """A text from elsewhere, to be looked up; not of an empty one."""
    cdef Text out
    out.p, out.size = p, size
    if size <= kShortKey:
        out.key = short_key_exact(p, size)
        out.hash = hash_key(out.key)
    else:
        out.hash = hash_bytes(p, size)
        out.key.lo = 0
        out.key.hi = long_mark() | out.hash >> 8
    return out


cdef inline Span long_span(Key key) noexcept nogil:
    cdef Span span
    span.at = <uint32_t>(key.lo >> 32)
    span.size = <uint32_t>key.lo
    return span


cdef inline bint is_text(const Source* f, Key known, const Text* text) noexcept nogil:
    if known.hi != text.key.hi or known.hi < long_mark():
        return known.hi == text.key.hi and known.lo == text.key.lo
    return <uint32_t>known.lo == text.size and memcmp(text_of(f, long_span(known)), text.p, text.size) == 0
