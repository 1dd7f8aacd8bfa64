"""The learned pieces of a SentencePiece model as the library writes them: into the model file, and as lines of text.

The piece of rank r (0, 1, ...) has the score -r. Plain twins: write_model in bpetk/interop/sentencepiece_model.py, and
vocab_text in bpetk/sp_model.py."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_AsUTF8String
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

cdef enum:
    TEXT_TAG = 0x0A     # field 1, bytes: of a file a piece, of a piece its text
    SCORE_TAG = 0x15    # field 2, 32 bits
    SLACK = 64          # bytes that a piece may take besides its text

cdef struct Out:
    uint8_t* data
    size_t size, room


cdef int make_room(Out* out, size_t more) except -1:
    cdef void* grown
    if out.size + more > out.room:
        grown = realloc(out.data, (out.size + more) * 2)
        if grown == NULL:
            raise MemoryError("no memory for the pieces as bytes")
        out.data = <uint8_t*>grown
        out.room = (out.size + more) * 2
    return 0


cdef inline void put_varint(Out* out, uint64_t value) noexcept nogil:
    while value >= 0x80:
        out.data[out.size] = <uint8_t>(value | 0x80)
        out.size += 1
        value >>= 7
    out.data[out.size] = <uint8_t>value
    out.size += 1


cdef inline uint64_t varint_size(uint64_t value) noexcept nogil:
    cdef uint64_t n = 1
    while value >= 0x80:
        value >>= 7
        n += 1
    return n


cdef inline void put_bytes(Out* out, const void* p, size_t n) noexcept nogil:
    memcpy(out.data + out.size, p, n)
    out.size += n


cdef inline void put_message(Out* out, const char* text, size_t n, int64_t rank) noexcept nogil:
    cdef float score = -<float><double>rank     # the first one is -0.0
    cdef uint32_t bits
    cdef int i
    memcpy(&bits, &score, 4)
    put_varint(out, TEXT_TAG)
    put_varint(out, 1 + varint_size(n) + n + 5)
    put_varint(out, TEXT_TAG)
    put_varint(out, n)
    put_bytes(out, text, n)
    put_varint(out, SCORE_TAG)
    for i in range(4):
        out.data[out.size + i] = <uint8_t>(bits >> 8 * i)
    out.size += 4


cdef int put_line(Out* out, const char* text, size_t n, int64_t rank, bint scores) except -1:
    cdef char digits[24]
    cdef bytes written
    cdef int at
    put_bytes(out, text, n)
    if scores and rank < 1000000:
        # What %g gives, without its cost.
        digits[23] = c"\n"
        at = 23
        while rank > 9:
            at -= 1
            digits[at] = <char>(c"0" + rank % 10)
            rank //= 10
        digits[at - 1] = <char>(c"0" + rank)
        digits[at - 2] = c"-"
        digits[at - 3] = c"\t"
        put_bytes(out, &digits[at - 3], 24 - (at - 3))
        return 0
    if scores:
        written = f"\t{-<double>rank:g}".encode()
        put_bytes(out, PyBytes_AS_STRING(written), PyBytes_GET_SIZE(written))
    put_bytes(out, b"\n", 1)
    return 0


cdef bytes write(list texts, Py_ssize_t start, Py_ssize_t stop, bint lines, bint scores):
    cdef Out out
    cdef Py_ssize_t i
    cdef bytes text
    cdef size_t n
    if not 0 <= start <= stop <= len(texts):
        raise IndexError(f"expected 0 <= start <= stop <= {len(texts)}, got {start} and {stop}")
    out.data = NULL
    out.size = out.room = 0
    try:
        make_room(&out, <size_t>(stop - start) * 16 + SLACK)
        for i in range(start, stop):
            text = PyUnicode_AsUTF8String(texts[i])
            n = PyBytes_GET_SIZE(text)
            make_room(&out, n + SLACK)
            if lines:
                put_line(&out, PyBytes_AS_STRING(text), n, i, scores)
            else:
                put_message(&out, PyBytes_AS_STRING(text), n, i)
        return PyBytes_FromStringAndSize(<const char*>out.data, out.size)
    finally:
        free(out.data)


def write_pieces(list texts not None, Py_ssize_t start, Py_ssize_t stop):
    """The pieces ``texts[start:stop]`` as messages of a model file; the rank of a piece is its index."""
    return write(texts, start, stop, False, True)


def write_lines(list texts not None, Py_ssize_t start, Py_ssize_t stop, bint scores):
    """The pieces ``texts[start:stop]`` as lines: the text and, if ``scores``, a tab and the score as %g gives it."""
    return write(texts, start, stop, True, scores)
