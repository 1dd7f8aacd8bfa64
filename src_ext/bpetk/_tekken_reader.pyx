"""The vocabulary of a tekken.json, Mistral's list of ranks, found and read in one pass.

Only what is surely right is accepted; for everything else the answer is None, and the caller's reader in Python gives
the exact meaning or the error. Cost: 19 MB in 17 ms. Twin: tests/native/test_rank_reader.py."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cython cimport auto_pickle
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcmp
from libcpp cimport bool as cpp_bool

from bpetk._native cimport (
    json_skip_space, json_skip_value, json_small_number, json_string_end, kJsonNone,
)
from bpetk._rank_reader cimport LARGEST, LARGEST_ID, Items, add_item, gather

# ---------------------------------------------------------------------------------------------------------------------
# Each of these takes an offset and gives the one after what it took, or kJsonNone.


cdef inline bint is_key(const uint8_t* s, size_t at, size_t end, const char* name, size_t size) noexcept nogil:
    return end - at == size and memcmp(s + at, name, size) == 0


cdef size_t take_key(const uint8_t* s, size_t i, size_t n, size_t* at_out, size_t* end_out) noexcept nogil:
    """A key without escapes and the colon; gives where its text is, and where the value begins."""
    cdef cpp_bool escaped, high
    if i >= n or s[i] != c'"':
        return kJsonNone
    at_out[0] = i + 1
    end_out[0] = json_string_end(s, i + 1, n, &escaped, &high)
    if end_out[0] == kJsonNone or escaped or high:
        return kJsonNone
    i = json_skip_space(s, end_out[0] + 1, n)
    return json_skip_space(s, i + 1, n) if i < n and s[i] == c":" else kJsonNone


cdef size_t take_token(const uint8_t* s, size_t i, size_t n, Items* items) noexcept nogil:
    """An object with a rank and bytes; its opening brace is at i."""
    cdef size_t at = 0, end = 0, start
    cdef const uint8_t* p = NULL
    cdef uint64_t size = 0
    cdef uint32_t rank = 0
    cdef bint ranked = False
    while True:
        i = take_key(s, json_skip_space(s, i + 1, n), n, &at, &end)
        if i == kJsonNone or i >= n:
            return kJsonNone
        start = i
        if is_key(s, at, end, b"rank", 4):
            i = json_small_number(s, i, n, &rank)
            ranked = True
        else:
            i = json_skip_value(s, i, n)
        if i == kJsonNone:
            return kJsonNone
        if is_key(s, at, end, b"token_bytes", 11):
            p = NULL
            if s[start] == c'"':
                p = s + start + 1
                size = i - start - 2
        i = json_skip_space(s, i, n)
        if i < n and s[i] == c"}":
            return i + 1 if ranked and rank <= LARGEST_ID and add_item(items, p, size, rank) else kJsonNone
        if i >= n or s[i] != c",":
            return kJsonNone


cdef size_t take_vocab(const uint8_t* s, size_t i, size_t n, Items* items) noexcept nogil:
    """A list of such objects; its opening bracket is at i."""
    while True:
        i = json_skip_space(s, i + 1, n)
        if i >= n or s[i] != c"{":
            return kJsonNone
        i = take_token(s, i, n, items)
        if i == kJsonNone:
            return kJsonNone
        i = json_skip_space(s, i, n)
        if i < n and s[i] == c"]":
            return i + 1
        if i >= n or s[i] != c",":
            return kJsonNone


cdef bint take_file(const uint8_t* s, size_t n, Items* items, size_t* start_out, size_t* end_out) noexcept nogil:
    """An object in which "vocab" is such a list and "model" is nothing."""
    cdef size_t i = json_skip_space(s, 0, n), at = 0, end = 0
    end_out[0] = 0
    if i >= n or s[i] != c"{":
        return False
    while True:
        i = take_key(s, json_skip_space(s, i + 1, n), n, &at, &end)
        if i == kJsonNone or i >= n or is_key(s, at, end, b"model", 5):
            return False
        if is_key(s, at, end, b"vocab", 5):
            if s[i] != c"[" or end_out[0]:
                return False
            start_out[0] = i
            i = end_out[0] = take_vocab(s, i, n, items)
        else:
            i = json_skip_value(s, i, n)
        if i == kJsonNone:
            return False
        i = json_skip_space(s, i, n)
        if i < n and s[i] == c"}":
            return end_out[0] != 0 and json_skip_space(s, i + 1, n) == n
        if i >= n or s[i] != c",":
            return False


@auto_pickle(False)
cdef class TekkenVocab:
    """The list "vocab" of a tekken.json; made by :func:`split_tekken`."""

    cdef Items items
    cdef bytes data
    cdef readonly Py_ssize_t start  # of the list in the file
    cdef readonly Py_ssize_t end

    def __dealloc__(self):
        free(self.items.all)

    def __len__(self):
        """How many tokens are listed."""
        return self.items.n

    def ranks(self, size_t size, uint32_t first):
        """Table of the first tokens, their ids from `first` on; None if they are odd in any way."""
        cdef uint64_t k
        if size > self.items.n or first > LARGEST_ID:
            return None
        for k in range(size):
            if self.items.all[k].rank != k:
                return None
        out = gather(&self.items, size, first, False)
        # The first of them have to be the bytes.
        return out if out is not None and out.byte_ids == tuple(range(first, first + 256)) else None


def split_tekken(bytes data not None):
    """Find the vocabulary of a tekken.json; None if the file is odd in any way, or something else."""
    cdef TekkenVocab out = TekkenVocab.__new__(TekkenVocab)
    cdef const uint8_t* s = <const uint8_t*>PyBytes_AS_STRING(data)
    cdef size_t n = PyBytes_GET_SIZE(data), start = 0, end = 0
    cdef bint good
    if n > LARGEST:
        return None
    with nogil:
        good = take_file(s, n, &out.items, &start, &end)
    if out.items.no_memory:
        raise MemoryError("no memory for the vocabulary of a tekken.json")
    if not good:
        return None
    out.data, out.start, out.end = data, start, end
    return out
