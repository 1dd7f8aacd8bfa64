"""What is kept of a tokenizer.json after one pass over it."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef enum:
    LARGEST_ID = (1 << 21) - 2

cdef struct Span:
    # Text of a string without quotes and escapes. INVARIANT: inside the file, or from `n` on inside the arena.
    uint32_t at
    uint32_t size

cdef struct Entry:
    Span text
    uint32_t id

cdef struct Source:
    const uint8_t* s
    uint64_t n
    uint8_t* arena          # texts of strings with escapes; room for the whole file, taken when the first comes
    uint64_t arena_used
    Entry* entries          # of "vocab", in the file's order
    uint64_t n_entries
    uint64_t entries_room
    Span* parts             # of "merges": left and right of each, in rank order
    uint64_t n_parts
    uint64_t parts_room
    bint has_vocab
    bint has_merges
    bint no_memory


cdef inline const uint8_t* text_of(const Source* f, Span span) noexcept nogil:
    return f.s + span.at if span.at < f.n else f.arena + (span.at - f.n)


cdef class Outline:
    cdef Source source
    cdef readonly bytes data
    cdef readonly dict fields
    cdef readonly dict model
