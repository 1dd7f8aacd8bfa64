"""The pieces of a SentencePiece model as one table: read in one pass, looked through for faults, made ready to encode.

Only what is surely sound is told to be; for everything else the caller looks in Python and names the fault. Hashes have
a fixed seed: pieces made to collide end there too. Cost: 133,120 pieces, 2.2 MB, in 6 ms.
Twins: tests/native/test_piece_table.py."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memchr, memcmp, memcpy
from libcpp.vector cimport vector

from bpetk._native cimport hash_bytes, utf8_first_error

cdef enum:
    LONGEST = 7999              # bytes of a piece that the library takes
    MOST_PROBES = 256
    MOST_BYTES = 0x7FFFFFFF     # of a file: lengths in it have 31 bits

# Types of pieces as files have them.
cdef enum:
    NORMAL = 1
    UNKNOWN = 2
    UNUSED = 5
    BYTE = 6

cdef enum:
    ASIDE = 0                   # of the kinds in _sp_rules.pyx: no part of any text


cdef inline bint is_byte(const uint8_t* t, size_t n) noexcept nogil:
    """Whether a text is <0x00> to <0xFF>."""
    cdef size_t i
    if n != 6 or memcmp(t, b"<0x", 3) != 0 or t[5] != c">":
        return False
    for i in range(3, 5):
        if not (c"0" <= t[i] <= c"9" or c"A" <= t[i] <= c"F"):
            return False
    return True


cdef class PieceTable:
    """Texts, scores and types of pieces, one behind the other, while a file is read."""

    cdef vector[uint8_t] blob
    cdef vector[uint32_t] offsets       # [n + 1]
    cdef vector[uint32_t] scores        # bits
    cdef vector[uint8_t] written        # the type that the file has, 0 for none

    def __cinit__(self):
        self.offsets.push_back(0)

    def __len__(self):
        return <Py_ssize_t>self.scores.size()

    cdef int _add(self, const uint8_t* t, size_t n, uint32_t score, uint8_t written) except -1 nogil:
        cdef size_t at = self.blob.size()
        if n > <size_t>MOST_BYTES - at:
            with gil:
                raise ValueError("more than 2 GiB of text")
        self.blob.resize(at + n)
        if n:
            memcpy(&self.blob[at], t, n)
        self.offsets.push_back(<uint32_t>(at + n))
        self.scores.push_back(score)
        self.written.push_back(written)
        return 0

    def add(self, const uint8_t[::1] text, const uint8_t[::1] score, uint8_t written):
        """Add a piece; score: the four bytes of the file, or none for 0.0."""
        cdef uint32_t bits = 0
        cdef const uint8_t* t = NULL
        if score.shape[0] == 4:
            memcpy(&bits, &score[0], 4)
        elif score.shape[0]:
            raise ValueError("a score has four bytes")
        if text.shape[0]:
            t = &text[0]
        self._add(t, text.shape[0], bits, written)

    def read(self, const uint8_t[::1] data, size_t at):
        """Read pieces laid out as the library writes short ones; return where the first one is that is not.

        Such a piece: its tag and length, the text's tag and length, the text, the score's tag and the score, perhaps
        the type's tag and the type.
        """
        cdef const uint8_t* p
        cdef size_t n = data.shape[0], size, length
        cdef uint32_t score
        if at >= n:
            return at
        if self.scores.empty() and n <= MOST_BYTES:
            self.blob.reserve(n // 2)
        p = &data[0]
        with nogil:
            while n - at >= 4 and p[at] == 0x0A and p[at + 2] == 0x0A:
                size, length = p[at + 1], p[at + 3]
                if size > 127 or size < length + 7 or n - at - 2 < size or p[at + 4 + length] != 0x15:
                    break
                memcpy(&score, p + at + 5 + length, 4)
                if size == length + 7:
                    self._add(p + at + 4, length, score, 0)
                elif size == length + 9 and p[at + 9 + length] == 0x18 and 1 <= p[at + 10 + length] <= 6:
                    self._add(p + at + 4, length, score, p[at + 10 + length])
                else:
                    break
                at += 2 + size
        return at

    def parts(self):
        """(texts one behind the other, their uint32 offsets, float32 scores, types as written), each as bytes."""
        cdef Py_ssize_t n = self.scores.size()
        return (
            PyBytes_FromStringAndSize(<const char*>self.blob.data(), self.blob.size()),
            PyBytes_FromStringAndSize(<const char*>self.offsets.data(), (n + 1) * 4),
            PyBytes_FromStringAndSize(<const char*>self.scores.data(), n * 4),
            PyBytes_FromStringAndSize(<const char*>self.written.data(), n),
        )

    def sound(self, *, bint byte_fallback):
        """Whether a BPE model of these pieces is surely one that the library loads.

        All texts are UTF-8 then, and all scores numbers. A piece that is nothing but a NUL is one that there may be
        with byte fallback, once.
        """
        cdef bint answer
        with nogil:
            answer = self._sound(byte_fallback)
        return answer

    cdef bint _sound(self, bint byte_fallback) except -1 nogil:
        cdef size_t n = self.scores.size(), id, unknown = 0, n_bytes = 0, nuls = 0
        cdef uint32_t length
        cdef uint8_t type
        cdef const uint8_t* t
        if n == 0 or self.blob.empty():
            return False
        if utf8_first_error(self.blob.data(), self.blob.size()) != self.blob.size():
            return False
        for id in range(n):
            t, length = self.blob.data() + self.offsets[id], self.offsets[id + 1] - self.offsets[id]
            if length == 0 or length > LONGEST or t[0] & 0xC0 == 0x80:
                return False    # texts that are UTF-8 together may be cut inside a character
            type = self.written[id] if self.written[id] else <uint8_t>NORMAL
            if memchr(t, 0, length) != NULL:
                nuls += 1
                if length > 1 or not byte_fallback or nuls > 1:
                    return False
                type = UNUSED
            if self.scores[id] & <uint32_t>0x7FFFFFFF > <uint32_t>0x7F800000:
                return False
            unknown += type == UNKNOWN
            if type == BYTE:
                n_bytes += 1
                if not is_byte(t, length):
                    return False
        if unknown > 1 or (unknown == 0 and not byte_fallback) or n_bytes != (256 if byte_fallback else 0):
            return False
        return self._all_differ()

    cdef bint _all_differ(self) except -1 nogil:
        cdef vector[uint32_t] slots     # id + 1, 0 if empty
        cdef size_t n = self.scores.size(), room = 16, id, at, probes
        cdef uint32_t other, length
        cdef const uint8_t* t
        while room < 2 * n:
            room *= 2
        slots.resize(room)
        for id in range(n):
            t, length = self.blob.data() + self.offsets[id], self.offsets[id + 1] - self.offsets[id]
            at, probes = hash_bytes(t, length) & (room - 1), 0
            while slots[at]:
                other = slots[at] - 1
                probes += 1
                if probes > MOST_PROBES:
                    return False
                if (
                    self.offsets[other + 1] - self.offsets[other] == length
                    and memcmp(t, self.blob.data() + self.offsets[other], length) == 0
                ):
                    return False
                at = (at + 1) & (room - 1)
            slots[at] = <uint32_t>id + 1
        return True


cdef Py_ssize_t checked(const uint8_t[::1] blob, const uint32_t[::1] offsets) except -1:
    """Number of texts; offsets must be places in the blob."""
    cdef Py_ssize_t i, n = offsets.shape[0] - 1
    if n < 0 or offsets[n] > <size_t>blob.shape[0]:
        raise ValueError("offsets do not fit the texts")
    for i in range(n):
        if offsets[i] > offsets[i + 1]:
            raise ValueError("offsets do not fit the texts")
    return n


def strings(const uint8_t[::1] blob, const uint32_t[::1] offsets):
    """The texts as a list of str; UnicodeDecodeError if one is not UTF-8."""
    cdef Py_ssize_t i, n = checked(blob, offsets)
    cdef const char* t = b""
    cdef list out = []
    if blob.shape[0]:
        t = <const char*>&blob[0]
    for i in range(n):
        out.append(PyUnicode_DecodeUTF8(t + offsets[i], offsets[i + 1] - offsets[i], NULL))
    return out


def texts_to_encode(
    const uint8_t[::1] blob, const uint32_t[::1] offsets, uint8_t[::1] kinds, *, bint fold
):
    """The texts as the encoder sees them, and their uint32 offsets, as bytes; kinds are those of _sp_rules.pyx.

    fold: with a blank for each U+2581. Empty where the encoder never meets one: where the kind is 0, and where it is
    made so here. That is for what is never found: nothing, a NUL alone, and with fold a text with a blank of its own.
    """
    cdef Py_ssize_t id, n = checked(blob, offsets)
    cdef vector[uint8_t] out
    cdef vector[uint32_t] places
    cdef const uint8_t* t
    cdef const uint8_t* first = NULL
    cdef size_t i, length, at = 0
    if kinds.shape[0] != n:
        raise ValueError("there must be a kind for each text")
    if blob.shape[0]:
        first = &blob[0]
    with nogil:
        out.resize(blob.shape[0])
        places.resize(n + 1)
        for id in range(n):
            t, length = first + offsets[id], offsets[id + 1] - offsets[id]
            if length == 0 or (length == 1 and t[0] == 0) or (fold and memchr(t, c" ", length) != NULL):
                kinds[id] = ASIDE
            if kinds[id] != ASIDE:
                i = 0
                while i < length:
                    if fold and t[i] == 0xE2 and length - i >= 3 and t[i + 1] == 0x96 and t[i + 2] == 0x81:
                        out[at] = c" "
                        i += 3
                    else:
                        out[at] = t[i]
                        i += 1
                    at += 1
            places[id + 1] = <uint32_t>at
    return (
        PyBytes_FromStringAndSize(<const char*>out.data(), at),
        PyBytes_FromStringAndSize(<const char*>places.data(), (n + 1) * 4),
    )
