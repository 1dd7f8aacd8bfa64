# cython: auto_pickle=False
"""What tokens cost in a text and what they break in it, counted in one pass over documents and their ids.

Reference twin: bpetk/reference/survey.py.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset
from libcpp.vector cimport vector

from bpetk._text_walk cimport (
    CHANGED, CHARACTERS, CLASS_CHARACTERS, DOCUMENTS, EMPTY_TOKENS, HAN, HAN_ALONE, HAN_BROKEN, HAN_INSIDE, HAN_LOST,
    INHERITED, N_CLASSES, N_CODE_POINTS, N_COUNTERS, N_LANGUAGES, N_LENGTHS, TEXT_BYTES, TEXT_CHARACTERS, TOKENS,
    Walk, count_classes, language_of, walk_text,
)

COUNTERS = (
    "documents", "bytes", "characters", "tokens", "empty_tokens", "changed_documents", "spelled_characters",
    "broken_characters", "borders_inside_characters", "han_alone", "han_inside", "han_broken", "han_lost", "words",
    "word_tokens",
    "words_continued", "long_numbers", "long_numbers_aligned", "dates", "date_tokens", "date_characters", "switches",
    "switches_joined", "spaced_switches", "spaced_switches_blank_alone",
    *(f"class_characters_{k}" for k in range(N_CLASSES)), *(f"class_tokens_{k}" for k in range(N_CLASSES)),
    *(f"numbers_{k + 1}" for k in range(N_LENGTHS)), *(f"number_tokens_{k + 1}" for k in range(N_LENGTHS)),
)

# A token: where its bytes are, how many, and the first eight of them (what is beyond its end is of the next token).
cdef struct Token:
    uint64_t head
    uint32_t start
    uint32_t length


cdef class Survey:
    """Counts of documents with their ids, by language. Not for several threads at a time.

    `blob` holds the bytes of each id, one after the other, `offsets` (uint32, one more than ids) says where; `classes`
    has the class of every code point, `percent` the percentages of the rule for languages.
    """

    cdef bytes blob
    cdef bytes classes
    cdef const uint8_t* token_bytes     # of `blob`, and of `classes`, without the lock
    cdef const uint8_t* class_of
    cdef int64_t percent[5]
    cdef vector[Token] tokens           # [ids]
    cdef int64_t empty                  # tokens without bytes in the document at hand
    cdef vector[int64_t] totals         # [N_LANGUAGES, N_COUNTERS]
    cdef vector[int64_t] frequencies    # [N_LANGUAGES, ids]
    cdef vector[uint8_t] room           # a blank, the document, and so many bytes that eight can be read anywhere
    cdef vector[uint8_t] mark
    cdef vector[uint8_t] spelled

    def __init__(self, bytes blob not None, offsets, bytes classes not None, percent):
        cdef const uint32_t[::1] places = offsets
        cdef Py_ssize_t k, n = places.shape[0]
        if self.blob is not None:
            raise TypeError("a Survey cannot be begun again")
        if n == 0 or places[0] or places[n - 1] != <size_t>len(blob):
            raise ValueError("offsets do not fit the bytes")
        for k in range(n - 1):
            if places[k] > places[k + 1]:
                raise ValueError("offsets do not fit the bytes")
        if len(classes) != N_CODE_POINTS or any(k >= N_CLASSES and k != INHERITED for k in set(classes)):
            raise ValueError("classes must have a class for each code point")
        self.blob, self.classes = blob + bytes(8), classes
        self.token_bytes = <const uint8_t*>PyBytes_AS_STRING(self.blob)
        self.class_of = <const uint8_t*>PyBytes_AS_STRING(self.classes)
        for k in range(5):
            self.percent[k] = percent[k]
        self.tokens.resize(n - 1)
        for k in range(n - 1):
            # SAFETY: eight bytes stand behind the last token.
            memcpy(&self.tokens[k].head, self.token_bytes + places[k], 8)
            self.tokens[k].start, self.tokens[k].length = places[k], places[k + 1] - places[k]
        self.totals.assign(N_LANGUAGES * N_COUNTERS, 0)
        self.frequencies.assign(N_LANGUAGES * (n - 1), 0)

    def add(self, list documents not None, ids, rows):
        """Take documents (UTF-8), their ids (uint32) and where those of each begin (int64, one more than documents).

        Gives one byte for each: its language, + 16 if its tokens spell something else, + 32 if they spell a blank
        before it, + 64 if it begins with one itself.
        """
        cdef const uint32_t[::1] id_view = ids
        cdef const int64_t[::1] row_view = rows
        cdef Py_ssize_t n = PyList_GET_SIZE(documents), k, n_ids = self.tokens.size(), total = id_view.shape[0]
        cdef vector[const uint8_t*] texts
        cdef vector[Py_ssize_t] sizes
        cdef const uint32_t* first = &id_view[0] if total else NULL
        cdef uint32_t largest = 0
        cdef uint8_t* out
        if row_view.shape[0] != n + 1 or row_view[0] != 0 or row_view[n] != total:
            raise ValueError("rows do not fit documents and ids")
        for k in range(n):
            if row_view[k] > row_view[k + 1]:
                raise ValueError("rows do not fit documents and ids")
            item = <object>PyList_GET_ITEM(documents, k)
            if not PyBytes_CheckExact(item):
                raise TypeError("documents must be bytes")
            texts.push_back(<const uint8_t*>PyBytes_AS_STRING(item))
            sizes.push_back(PyBytes_GET_SIZE(item))
        for k in range(total):
            largest = max(largest, first[k])
        if total and largest >= n_ids:
            raise ValueError(f"id {largest} is not in the vocabulary")
        held = tuple(documents)     # nobody takes them away while the lock is released
        flags = PyBytes_FromStringAndSize(NULL, n)
        out = <uint8_t*>PyBytes_AS_STRING(flags)
        with nogil:
            for k in range(n):
                out[k] = self.document(texts[k], sizes[k], first + row_view[k], row_view[k + 1] - row_view[k])
        del held
        return flags

    def take_totals(self):
        """Give the counts since the last call: int64 [4 languages, len(COUNTERS)], as bytes."""
        found = PyBytes_FromStringAndSize(<char*>self.totals.data(), self.totals.size() * 8)
        self.totals.assign(N_LANGUAGES * N_COUNTERS, 0)
        return found

    def token_counts(self):
        """Give how often each id was seen: int64 [4 languages, ids], as bytes."""
        return PyBytes_FromStringAndSize(<char*>self.frequencies.data(), self.frequencies.size() * 8)

    cdef int document(self, const uint8_t* text, Py_ssize_t size, const uint32_t* ids, Py_ssize_t n) except -1 nogil:
        cdef int64_t count[N_COUNTERS]
        cdef const uint8_t* classes = self.class_of
        cdef int language, flags = 0, k
        cdef Py_ssize_t i
        cdef Walk w
        cdef int64_t* into
        memset(count, 0, sizeof(count))
        memset(&w, 0, sizeof(w))
        w.number_end, w.count = -1, count
        self.room.resize(size + 16)
        self.room[0] = c" "
        memcpy(self.room.data() + 1, text, size)
        self.room[size + 1] = 0
        w.text, w.size = self.room.data() + 1, size
        if size and text[0] == c" ":
            flags |= 64
        # A model that puts a blank before a text does so mostly.
        if not flags and self.begins_with_blank(ids, n) and self.lay(0, size + 1, ids, n):
            flags |= 32
        elif not self.lay(1, size + 1, ids, n):
            if self.begins_with_blank(ids, n) and self.lay(0, size + 1, ids, n):
                flags |= 32
            else:
                flags |= 16
                w.size = self.spell(ids, n)
                w.text = self.spelled.data()
        # The first byte begins the first token that can be seen.
        self.mark[0], self.mark[w.size] = 1, 1
        w.mark = self.mark.data()
        walk_text(&w, classes)
        if flags & 16:
            count[CHANGED] = 1
            memset(count + CLASS_CHARACTERS, 0, N_CLASSES * 8)
            count_classes(text, size, classes, count)
            count[HAN_LOST] = max(
                0, count[CLASS_CHARACTERS + HAN] - count[HAN_ALONE] - count[HAN_INSIDE] - count[HAN_BROKEN]
            )
        else:
            count[TEXT_CHARACTERS] = count[CHARACTERS]
        count[DOCUMENTS], count[TEXT_BYTES], count[TOKENS], count[EMPTY_TOKENS] = 1, size, n, self.empty
        language = language_of(count + CLASS_CHARACTERS, self.percent)
        into = self.totals.data() + language * N_COUNTERS
        for k in range(N_COUNTERS):
            into[k] += count[k]
        into = self.frequencies.data() + language * self.tokens.size()
        for i in range(n):
            into[ids[i]] += 1
        return language | flags

    cdef bint begins_with_blank(self, const uint32_t* ids, Py_ssize_t n) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(n):
            if self.tokens[ids[i]].length:
                return self.token_bytes[self.tokens[ids[i]].start] == c" "
        return False

    # Lays the tokens on the document from place `at` of the room on; whether they cover it exactly.
    cdef bint lay(self, Py_ssize_t at, Py_ssize_t end, const uint32_t* ids, Py_ssize_t n) except -1 nogil:
        cdef const uint8_t* room = self.room.data()
        cdef const Token* tokens = self.tokens.data()
        cdef const Token* token
        cdef uint8_t* mark
        cdef uint64_t here
        cdef Py_ssize_t i, empty = 0
        self.mark.assign(end + 1, 0)
        mark = self.mark.data()
        for i in range(n):
            token = &tokens[ids[i]]
            if token.length > end - at:
                return False
            memcpy(&here, room + at, 8)     # SAFETY: the room has so many bytes more than it needs
            if token.length > 8:
                if here != token.head or memcmp(room + at, self.token_bytes + token.start, token.length):
                    return False
            elif token.length == 0:
                empty += 1
                continue
            elif (here ^ token.head) << (64 - 8 * token.length):
                return False
            if at > 0:
                mark[at - 1] = 1
            at += token.length
        self.empty = empty
        return at == end

    # Puts the bytes of the tokens one after the other; how many they are.
    cdef Py_ssize_t spell(self, const uint32_t* ids, Py_ssize_t n) except -1 nogil:
        cdef Token token
        cdef Py_ssize_t i, at = 0
        for i in range(n):
            at += self.tokens[ids[i]].length
        self.spelled.resize(at + 1)
        self.spelled[at] = 0
        self.mark.assign(at + 1, 0)
        self.empty = at = 0
        for i in range(n):
            token = self.tokens[ids[i]]
            self.empty += token.length == 0
            self.mark[at] = 1
            memcpy(self.spelled.data() + at, self.token_bytes + token.start, token.length)
            at += token.length
        return at
