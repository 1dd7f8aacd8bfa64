"""One pass over a tokenizer.json: where its values are, and the texts of its vocabulary and merges as spans.

Only what is surely well-formed is accepted; for everything else the answer is None, and the caller's parser in Python
gives the exact meaning or the error. Twin: tests/native/test_model_reader.py."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8
from cython cimport auto_pickle
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memchr, memcmp
from libcpp cimport bool as cpp_bool

from bpetk._native cimport (
    json_skip_space, json_skip_value, json_small_number, json_string_end, json_unescape, kJsonNone, mem_alloc, mem_free,
)

cdef enum:
    LARGEST = 0x7FFFFFFF        # bytes of a file: offsets into the file and the arena fit 32 bits
    MOST_FIELDS = 64
    PAD = 16                    # readable bytes after the arena

# ---------------------------------------------------------------------------------------------------------------------
# Each of these takes an offset and gives the one after what it took, or kJsonNone.


cdef void* grown(void* items, uint64_t* room, uint64_t size) noexcept nogil:
    """The array with room for more items, or NULL; it is then as it was."""
    cdef uint64_t more = room[0] + room[0] // 2 + 1024
    cdef void* p = realloc(items, more * size)
    if p != NULL:
        room[0] = more
    return p


cdef size_t take_string(Source* f, size_t i, Span* text_out) noexcept nogil:
    """A string whose opening quote is at i - 1. Its UTF-8 is not checked."""
    cdef cpp_bool escaped, high
    cdef size_t end = json_string_end(f.s, i, f.n, &escaped, &high), size
    if end == kJsonNone:
        return kJsonNone
    text_out.at = <uint32_t>i
    text_out.size = <uint32_t>(end - i)
    if escaped:
        if f.arena == NULL:
            f.arena = <uint8_t*>mem_alloc(f.n + PAD)
            if f.arena == NULL:
                f.no_memory = True
                return kJsonNone
        # INVARIANT: no text is longer than its string, and no string is taken twice, so the arena is large enough.
        size = json_unescape(f.s, i, end, f.arena + f.arena_used)
        if size == kJsonNone:
            return kJsonNone
        text_out.at = <uint32_t>(f.n + f.arena_used)
        text_out.size = <uint32_t>size
        f.arena_used += size
    return end + 1


cdef size_t take_vocab(Source* f, size_t i) noexcept nogil:
    """An object of texts and ids; its opening brace is at i."""
    cdef Entry* entry
    cdef void* more
    i = json_skip_space(f.s, i + 1, f.n)
    while i < f.n and f.s[i] == c'"':
        if f.n_entries == f.entries_room:
            more = grown(f.entries, &f.entries_room, sizeof(Entry))
            if more == NULL:
                f.no_memory = True
                return kJsonNone
            f.entries = <Entry*>more
        entry = &f.entries[f.n_entries]
        i = take_string(f, i + 1, &entry.text)
        if i == kJsonNone or entry.text.size == 0:
            return kJsonNone
        i = json_skip_space(f.s, i, f.n)
        if i >= f.n or f.s[i] != c':':
            return kJsonNone
        i = json_small_number(f.s, json_skip_space(f.s, i + 1, f.n), f.n, &entry.id)
        if i == kJsonNone or entry.id > LARGEST_ID:
            return kJsonNone
        f.n_entries += 1
        i = json_skip_space(f.s, i, f.n)
        if i < f.n and f.s[i] == c'}':
            f.has_vocab = True
            return i + 1
        if i >= f.n or f.s[i] != c',':
            return kJsonNone
        i = json_skip_space(f.s, i + 1, f.n)
    return kJsonNone


cdef size_t take_pair(Source* f, size_t i, Span* two_out) noexcept nogil:
    """Two strings in a list; its opening bracket is at i."""
    i = json_skip_space(f.s, i + 1, f.n)
    if i >= f.n or f.s[i] != c'"':
        return kJsonNone
    i = take_string(f, i + 1, two_out)
    if i == kJsonNone:
        return kJsonNone
    i = json_skip_space(f.s, i, f.n)
    if i >= f.n or f.s[i] != c',':
        return kJsonNone
    i = json_skip_space(f.s, i + 1, f.n)
    if i >= f.n or f.s[i] != c'"':
        return kJsonNone
    i = take_string(f, i + 1, two_out + 1)
    if i == kJsonNone:
        return kJsonNone
    i = json_skip_space(f.s, i, f.n)
    return i + 1 if i < f.n and f.s[i] == c']' else kJsonNone


cdef size_t take_line(Source* f, size_t i, Span* two_out) noexcept nogil:
    """A string of two texts with a space between, as older files have it; its opening quote is at i."""
    cdef const uint8_t* p
    cdef const uint8_t* space
    cdef uint32_t size
    i = take_string(f, i + 1, two_out)
    if i == kJsonNone:
        return kJsonNone
    p = text_of(f, two_out[0])
    size = two_out.size
    space = <const uint8_t*>memchr(p, c' ', size)
    # The reference drops a line that looks like the header of merges.txt.
    if space == NULL or (size >= 8 and memcmp(p, b"#version", 8) == 0):
        return kJsonNone
    two_out[0].size = <uint32_t>(space - p)
    two_out[1].at = two_out[0].at + two_out[0].size + 1
    two_out[1].size = size - two_out[0].size - 1
    return kJsonNone if memchr(space + 1, c' ', two_out[1].size) != NULL else i


cdef size_t take_merges(Source* f, size_t i) noexcept nogil:
    """A list of pairs or of lines; its opening bracket is at i."""
    cdef void* more
    cdef uint8_t first
    i = json_skip_space(f.s, i + 1, f.n)
    if i >= f.n:
        return kJsonNone
    first = f.s[i]
    if first == c']':
        f.has_merges = True
        return i + 1
    while i < f.n and f.s[i] == first:
        if f.n_parts + 2 > f.parts_room:
            more = grown(f.parts, &f.parts_room, sizeof(Span))
            if more == NULL:
                f.no_memory = True
                return kJsonNone
            f.parts = <Span*>more
        if first == c'[':
            i = take_pair(f, i, &f.parts[f.n_parts])
        elif first == c'"':
            i = take_line(f, i, &f.parts[f.n_parts])
        else:
            return kJsonNone
        if i == kJsonNone:
            return kJsonNone
        f.n_parts += 2
        i = json_skip_space(f.s, i, f.n)
        if i < f.n and f.s[i] == c']':
            f.has_merges = True
            return i + 1
        if i >= f.n or f.s[i] != c',':
            return kJsonNone
        i = json_skip_space(f.s, i + 1, f.n)
    return kJsonNone


cdef struct Field:
    Span key
    uint64_t start
    uint64_t end

cdef struct Fields:
    Field[MOST_FIELDS] items
    int n


cdef size_t take_value(Source* f, size_t i, const Field* field, Fields* inner) noexcept nogil:
    """The value of a field; `inner` for those of "model", NULL inside it."""
    cdef const uint8_t* name = f.s + field.key.at
    cdef uint32_t size = field.key.size
    cdef size_t end = kJsonNone
    if inner != NULL and size == 5 and memcmp(name, b"model", 5) == 0:
        return take_fields(f, i, inner, NULL)
    if inner == NULL and size == 5 and memcmp(name, b"vocab", 5) == 0 and f.s[i] == c'{' and not f.n_entries:
        end = take_vocab(f, i)
    elif inner == NULL and size == 6 and memcmp(name, b"merges", 6) == 0 and f.s[i] == c'[' and not f.n_parts:
        end = take_merges(f, i)
    return end if end != kJsonNone or f.no_memory else json_skip_value(f.s, i, f.n)


cdef size_t take_fields(Source* f, size_t i, Fields* fields, Fields* inner) noexcept nogil:
    """An object with few fields, their names without escapes and of ASCII."""
    cdef cpp_bool escaped, high
    cdef Field* field
    cdef size_t end
    if i >= f.n or f.s[i] != c'{':
        return kJsonNone
    while fields.n < MOST_FIELDS:
        i = json_skip_space(f.s, i + 1, f.n)
        if i >= f.n or f.s[i] != c'"':
            return kJsonNone
        end = json_string_end(f.s, i + 1, f.n, &escaped, &high)
        if end == kJsonNone or escaped or high:
            return kJsonNone
        field = &fields.items[fields.n]
        field.key.at = <uint32_t>(i + 1)
        field.key.size = <uint32_t>(end - i - 1)
        i = json_skip_space(f.s, end + 1, f.n)
        if i >= f.n or f.s[i] != c':':
            return kJsonNone
        i = json_skip_space(f.s, i + 1, f.n)
        if i >= f.n:
            return kJsonNone
        field.start = i
        i = take_value(f, i, field, inner)
        if i == kJsonNone:
            return kJsonNone
        field.end = i
        fields.n += 1
        i = json_skip_space(f.s, i, f.n)
        if i < f.n and f.s[i] == c'}':
            return i + 1
        if i >= f.n or f.s[i] != c',':
            return kJsonNone
    return kJsonNone


@auto_pickle(False)
cdef class Outline:
    """Where the values of a tokenizer.json are; made by :func:`split_file`."""

    def __dealloc__(self):
        mem_free(self.source.arena, self.source.n + PAD)
        free(self.source.entries)
        free(self.source.parts)


cdef dict named(const Source* f, const Fields* fields):
    cdef int k
    cdef const Field* field
    out = {}
    for k in range(fields.n):
        field = &fields.items[k]
        out[PyUnicode_DecodeUTF8(<const char*>f.s + field.key.at, field.key.size, NULL)] = (field.start, field.end)
    return out if len(out) == fields.n else None


def split_file(bytes data not None):
    """Find the values of the top level and of "model"; None if the file is odd in any way."""
    cdef Outline out = Outline.__new__(Outline)
    cdef Source* f = &out.source
    cdef Fields fields, inner
    cdef size_t end
    out.data = data
    f.s = <const uint8_t*>PyBytes_AS_STRING(data)
    f.n = PyBytes_GET_SIZE(data)
    if f.n > LARGEST:
        return None
    with nogil:
        fields.n = inner.n = 0
        end = take_fields(f, json_skip_space(f.s, 0, f.n), &fields, &inner)
        if end != kJsonNone and json_skip_space(f.s, end, f.n) != f.n:
            end = kJsonNone
    if f.no_memory:
        raise MemoryError("no memory for the spans of a tokenizer.json")
    if end == kJsonNone or inner.n == 0:
        return None
    out.fields = named(f, &fields)
    out.model = named(f, &inner)
    return None if out.fields is None or out.model is None else out
