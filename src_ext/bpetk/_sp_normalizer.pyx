"""SentencePiece's normalization: a compiled map of rules, user-defined symbols, and what becomes of spaces.

The rules and the copying of text without any are in native/compiled_map.h and native/sentence_text.h; here is the order
of things. A user-defined symbol goes before a rule that begins at the same place. Symbols are searched ahead, at the
speed of memory, and a rule that began before one may swallow it. Reference twin: bpetk/reference/sp_normalize.py."""

from cpython cimport array
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from libcpp cimport bool as cpp_bool

import array as python_array

from bpetk._added_tokens cimport Matcher
from bpetk._native cimport (
    MapFault, Prefix, SentenceText, kMapBeyond, kMapCycle, kMapGood, kMapOffset, kMapOpen, kMapRoot, kMapShort,
    kMapSize, kMapTarget, kMapValue, map_prefix, map_read, text_normalize, text_put_prefix, text_put_space,
    text_fold, text_release, text_reserve, text_trim, utf8_first_error,
)

cdef enum:
    MOST_SYMBOLS = 64   # that the reference looks at where they begin at one place

cdef array.array OFFSETS = python_array.array("Q")


cdef Matcher symbol_matcher(list symbols):
    # Sorted, what a string begins with stands before it: the stack holds those for the string at hand.
    cdef list kept = [], stack = []
    for symbol in sorted(set(symbols)):
        while stack and not symbol.startswith(stack[len(stack) - 1]):
            stack.pop()
        if len(stack) < MOST_SYMBOLS:
            kept.append(symbol)
        stack.append(symbol)
    return Matcher(kept, list(range(len(kept)))) if kept else None


cdef str map_fault(MapFault fault, size_t at, size_t n):
    """What is wrong with a compiled map of n bytes, for people."""
    if fault == kMapShort:
        return f"it has {n} bytes, too few for the size of its array"
    if fault == kMapBeyond:
        return f"its array of {at:,} bytes does not fit into its {n:,} bytes"
    if fault == kMapSize:
        return f"its array has {at:,} bytes, expected a multiple of 1,024"
    if fault == kMapOpen:
        return "its last byte is not 0, which ends the last replacement"
    if fault == kMapRoot:
        return "the first unit of its array has a label or a value: it is no root"
    if fault == kMapOffset:
        return f"unit {at:,} of its array leads out of the array"
    if fault == kMapValue:
        return f"unit {at:,} of its array names a replacement that is not there"
    if fault == kMapCycle:
        return f"unit {at:,} of its array leads back to itself"
    if fault == kMapTarget:
        return f"the replacement at byte {at:,} of all replacements is not UTF-8"
    return "of a kind that is not known"


cdef inline size_t symbol_at_or_after(
    Normalizer self, const uint8_t* s, size_t at, size_t n, size_t* end_out
) noexcept nogil:
    """Where the next user-defined symbol begins, or n."""
    cdef uint32_t index
    return self.symbols.find(s, n, at, end_out, &index) if self.has_symbols else n


cdef size_t leading(Normalizer self, const uint8_t* s, size_t n) noexcept nogil:
    """How many bytes at the start become spaces: each character, rule or symbol gives one, and nothing else."""
    cdef size_t at = 0, end = 0, symbol = symbol_at_or_after(self, s, 0, n, &end)
    cdef Prefix prefix
    while at < n:
        if at == symbol:
            prefix = Prefix(s + at, end - at, end - at)
        else:
            prefix = map_prefix(self.map, s, at, n)
        if prefix.length != 1 or prefix.text[0] != c" ":
            break
        at += prefix.taken
        if at > symbol:
            symbol = symbol_at_or_after(self, s, at, n, &end)
    return at


cdef SentenceText normalized(Normalizer self, const uint8_t[::1] data, bint aligned):
    """The normalized text of data; release it."""
    cdef SentenceText text
    cdef size_t n = data.shape[0]
    cdef const uint8_t* s = &data[0] if n else NULL
    cdef bint good
    memset(&text, 0, sizeof(text))
    text.aligned = aligned
    with nogil:
        good = self.normalize_line(s, n, &text)
    if not good:
        text_release(&text)
        raise MemoryError("no memory for the normalized text")
    return text


cdef class Normalizer:
    """Normalizes sentences as SentencePiece does. Immutable; safe to share between threads, can be pickled."""

    def __cinit__(
        self, bytes blob, *, bint add_dummy_prefix, bint remove_extra_whitespaces, bint escape_whitespaces,
        bint suffix=False, user_defined=(), bint fold=False
    ):
        cdef size_t at = 0
        cdef MapFault fault
        self.blob = blob or b""
        fault = map_read(&self.map, self.blob, len(self.blob), &at)
        if fault != kMapGood:
            raise ValueError(f"the compiled normalization map is malformed: {map_fault(fault, at, len(self.blob))}")
        self.spaces.collapse = remove_extra_whitespaces
        # Folding is escaping, and then a space for each U+2581: one byte instead of three.
        self.spaces.escape = escape_whitespaces and not fold
        self.spaces.fold = escape_whitespaces and fold
        self.add_dummy_prefix = add_dummy_prefix
        self.suffix = suffix
        self.user_defined = tuple(user_defined)
        for symbol in self.user_defined:
            if type(symbol) is not bytes or not symbol:
                raise TypeError(f"user-defined symbol {symbol!r}: expected bytes, not empty")
            if utf8_first_error(symbol, len(symbol)) != <size_t>len(symbol):
                raise ValueError(f"user-defined symbol {symbol!r} is not UTF-8")
        self.symbols = symbol_matcher(list(self.user_defined))
        self.has_symbols = self.symbols is not None

    @property
    def remove_extra_whitespaces(self):
        """Whether leading and trailing spaces are dropped, and one kept of several."""
        return self.spaces.collapse

    @property
    def escape_whitespaces(self):
        """Whether spaces become U+2581."""
        return self.spaces.escape or self.spaces.fold

    @property
    def fold(self):
        """Whether the result has a space for each U+2581."""
        return self.spaces.fold

    def __reduce__(self):
        return _restored, (
            self.blob, self.add_dummy_prefix, self.spaces.collapse, self.escape_whitespaces, self.suffix,
            self.user_defined, self.spaces.fold,
        )

    cdef bint normalize_line(self, const uint8_t* s, size_t n, SentenceText* out) noexcept nogil:
        cdef size_t at = 0, begin = out.size, end = 0, symbol
        cdef cpp_bool after_space = self.spaces.collapse
        if not text_reserve(out, n + 4):
            return False
        if self.spaces.collapse:
            at = leading(self, s, n)
        if at == n:
            if out.aligned:
                out.source[out.size] = 0
            return True
        if self.add_dummy_prefix and not self.suffix:
            text_put_space(out, self.spaces, at)
        symbol = symbol_at_or_after(self, s, at, n, &end)
        while at < n:
            if at == symbol:
                if not text_put_prefix(out, self.spaces, s + at, end - at, at, &after_space):
                    return False
                at = end
            else:
                at = text_normalize(self.map, self.spaces, s, at, symbol, n, &after_space, out)
                if at == <size_t>-1:
                    return False
            if at > symbol:
                symbol = symbol_at_or_after(self, s, at, n, &end)
        if not text_reserve(out, 4):
            return False
        if self.spaces.fold:
            text_fold(out, begin)
        if self.spaces.collapse:
            at = text_trim(out, begin, self.spaces, n)
        if self.add_dummy_prefix and self.suffix:
            text_put_space(out, self.spaces, at)
        if out.aligned:
            out.source[out.size] = at
        return True

    def normalize(self, data):
        """The normalized text of data, as UTF-8; a byte that belongs to no character counts as U+FFFD."""
        cdef SentenceText text = normalized(self, data, False)
        try:
            return PyBytes_FromStringAndSize(<const char*>text.data, text.size)
        finally:
            text_release(&text)

    def normalize_aligned(self, data):
        """The same, and an array with the offset in data that each byte came from, and where the text ends."""
        cdef SentenceText text = normalized(self, data, True)
        cdef array.array offsets
        try:
            offsets = array.clone(OFFSETS, text.size + 1, False)
            memcpy(offsets.data.as_ulonglongs, text.source, (text.size + 1) * sizeof(uint64_t))
            return PyBytes_FromStringAndSize(<const char*>text.data, text.size), offsets
        finally:
            text_release(&text)


def _restored(blob, add_dummy_prefix, remove_extra_whitespaces, escape_whitespaces, suffix, user_defined, fold):
    return Normalizer(
        blob, add_dummy_prefix=add_dummy_prefix, remove_extra_whitespaces=remove_extra_whitespaces,
        escape_whitespaces=escape_whitespaces, suffix=suffix, user_defined=user_defined,
        fold=fold,
    )
