"""Words laid end to end as symbols, heaviest first: the text that the merge loop works on."""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

from bpetk._counter cimport WordCounts
from bpetk._native cimport Pool

ctypedef fused sym_t:
    uint16_t
    uint32_t

cdef enum:
    HOT = 1 << 16           # positions; the classes of frequent words are short

cdef struct Layout:
    # sym[0] is a separator, and one follows every word; words of one symbol are left out (they have no pairs).
    # Words are ordered by count, falling, so that the weight of a position is a step function:
    # positions in [bounds[c], bounds[c + 1]) have weight weights[c]. bounds[n_classes] = all ones.
    void* sym
    uint64_t n_sym
    bint wide               # symbols of 32 bits, else of 16
    uint64_t* bounds
    int64_t* weights
    uint64_t n_classes
    uint64_t classes_room
    # Class of every 16th position up to HOT, and of every 2**shift-th: where the search for a class begins.
    uint32_t* hot_classes
    uint32_t* classes
    uint64_t shift
    const volatile int* cancelled    # another thread may set it: work ends soon and its result is of no use
    # Whole corpus, one-symbol words included.
    int64_t total_bytes
    int64_t single_latin    # occurrences of one-byte words that are ASCII letters, and of the others
    int64_t single_other

cdef enum:
    CODE_POINTS = 0x110000

# 0, or -1 when memory is out. byte_ids: id of every byte that occurs. code_point_ids: NULL; or, where symbols are code
# points, the id of each plus one, and those with 0 become separators. Frees the words as soon as they are laid out.
cdef int layout_words(
    Layout* out, WordCounts words, const uint32_t* byte_ids, const uint32_t* code_point_ids, uint32_t separator,
    Pool* pool
) except? -2
cdef void layout_release(Layout* layout) noexcept nogil


cdef inline uint64_t class_at(const Layout* layout, uint64_t position) noexcept nogil:
    """The class c with bounds[c] <= position < bounds[c + 1] (0 for what stands before the first word)."""
    cdef uint64_t c
    if position < HOT:
        c = layout.hot_classes[position >> 4]
    else:
        c = layout.classes[position >> layout.shift]
    while position >= layout.bounds[c + 1]:
        c += 1
    return c
