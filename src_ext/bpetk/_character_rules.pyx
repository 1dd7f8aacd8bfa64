# cython: auto_pickle=False
"""A BPE over characters with listed merges, as Hugging Face has it, as rules that the encoder of characters takes.

A pair of neighbours is joined if it is listed, the pair that comes first in the list first, of equal pairs the
leftmost. In contrast to SentencePiece the pair counts and not its text: a piece may be made of several pairs, each with
a rank of its own, and may be a token that no pair makes.

The cut filter. A rule (A, B) joins two symbols at a joint whose characters are the last one of A and the first one of
B, because symbols are texts of whole characters, one behind the other. If no rule has these two at its joint, then
nothing is ever joined across it, whatever stands around and in whatever order the rules apply; so both sides come out
as they would alone. Bitmap collisions only keep a joint.

A character that is no token is joined to nothing: its bytes, or the unknown token, are refused as parts of rules.

Reference twin: bpetk/reference/character_encode.py."""

import os
from array import array

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memchr, memset
from libcpp.vector cimport vector

from bpetk._encode_rules cimport BITMAP_BITS, NO_ID, Rules
from bpetk._native cimport kFirstMultiplier, pair_insert, utf8_decode, utf8_first_error

cdef enum:
    MOST_SYMBOLS = 2097151      # 2^21 - 1: a pair and its rank share 64 bits
    CODE_PAGES = 0x110000 // 64


cdef inline unsigned char_length(uint8_t b) noexcept nogil:
    return 1 if b < 0x80 else 2 if b < 0xE0 else 3 if b < 0xF0 else 4


cdef inline uint32_t raw_char(const uint8_t* t, unsigned n) noexcept nogil:
    """A character's bytes as a little-endian number."""
    cdef uint32_t v = t[0]
    if n > 1:
        v |= <uint32_t>t[1] << 8
    if n > 2:
        v |= <uint32_t>t[2] << 16
    if n > 3:
        v |= <uint32_t>t[3] << 24
    return v


cdef class CharacterRules(PieceRules):
    """Immutable tables of one model.

    blob, offsets: texts of all ids as the encoder meets them, uint32 offsets [n_ids + 1]; empty for those that no text
    has. codes, ids: uint32, the characters that are tokens. left, right, new: uint32 by rank; no pair twice. byte_ids:
    what the bytes of other characters become, -1 for none, or None: only the unknown token stands for them, or nothing.
    fold: texts have blanks instead of U+2581, and so has what is encoded. splits: text is cut before each blank.
    """

    def __init__(
        self, blob, offsets, const uint32_t[::1] codes, const uint32_t[::1] ids, const uint32_t[::1] left,
        const uint32_t[::1] right, const uint32_t[::1] new, *, unk_id=None, bint fuse_unk=False, byte_ids=None,
        bint fold=False, bint splits=False,
    ):
        cdef Rules* r = &self.rules
        cdef const uint8_t[::1] bytes_view
        cdef const uint32_t[::1] offsets_view = offsets
        cdef Py_ssize_t k, n = offsets_view.shape[0] - 1
        if self.frozen:
            raise TypeError("CharacterRules is immutable")
        self.frozen = True
        if left.shape[0] != right.shape[0] or left.shape[0] != new.shape[0] or codes.shape[0] != ids.shape[0]:
            raise ValueError("left, right and new, or codes and ids, differ in length")
        if n < 0 or n > MOST_SYMBOLS or left.shape[0] > MOST_SYMBOLS:
            raise ValueError("more than 2,097,151 merges or ids")
        self._blob, self._offsets, self.kinds = bytes(blob), offsets_view, b""
        for k in range(n):
            if offsets_view[k] > offsets_view[k + 1]:
                raise ValueError("offsets do not fit the texts")
        if offsets_view[0] or offsets_view[n] != <size_t>len(self._blob):
            raise ValueError("offsets do not fit the texts")
        if utf8_first_error(self._blob, len(self._blob)) != <size_t>len(self._blob):
            raise ValueError("texts are not UTF-8")
        for k in range(codes.shape[0]):
            if codes[k] >= 0x110000 or ids[k] >= <size_t>n:
                raise ValueError("a code point or its id is too high")
        r.n_ids, r.n_rules, r.offsets = <uint32_t>n, <uint32_t>left.shape[0], &offsets_view[0]
        if len(self._blob):
            bytes_view = self._blob
            r.blob = &bytes_view[0]
        r.unk_id = NO_ID if unk_id is None else self._checked(unk_id)
        r.fuse_unk, r.byte_fallback, r.fold_blanks, r.all_bytes = fuse_unk, byte_ids is not None, fold, True
        for k in range(256):
            r.byte_id[k] = r.last_id[k] = self._checked(byte_ids[k]) if r.byte_fallback else <uint32_t>NO_ID
        self._lay_out_characters(codes, ids)
        self.splits = splits
        self._join(left, right, new)
        self._mark_joints(left, right)

    cdef int _lay_out_characters(self, const uint32_t[::1] codes, const uint32_t[::1] ids) except -1:
        """Fill the table of characters."""
        cdef Rules* r = &self.rules
        cdef uint16_t* pages
        cdef Py_ssize_t k
        cdef size_t i
        cdef vector[uint8_t] used
        used.resize(CODE_PAGES)
        used[0] = used[1] = 1
        for k in range(codes.shape[0]):
            used[codes[k] >> 6] = 1
        self.n_pages = 1            # the empty one
        for i in range(<size_t>CODE_PAGES):
            self.n_pages += used[i]
        self._lay_out_pieces()
        r.last_equal = NULL         # no two rules have the same rank
        memset(<void*>r.symbols, 0xFF, self.n_pages * 256)
        pages = <uint16_t*>r.pages
        pages[1] = 1
        self.next_page = 2
        for k in range(codes.shape[0]):
            self._place_of(codes[k])[0] = ids[k]
        for i in range(2, <size_t>CODE_PAGES):
            if pages[i] == 0:
                pages[i] = <uint16_t>(self.n_pages - 1)
        return 0

    cdef int _join(self, const uint32_t[::1] left, const uint32_t[::1] right, const uint32_t[::1] new) except -1:
        """Fill the table of pairs."""
        cdef Rules* r = &self.rules
        cdef uint32_t rank, n = r.n_ids
        cdef bint fits = False
        for rank in range(r.n_rules):
            if left[rank] >= n or right[rank] >= n or new[rank] >= n:
                raise ValueError(f"merge {rank} uses an id without a token")
            if left[rank] == r.unk_id or right[rank] == r.unk_id:
                raise ValueError(f"merge {rank} merges the unknown token")
            r.result[rank] = new[rank]
        r.pairs.multiplier = kFirstMultiplier
        while not fits:
            fits = True
            memset(r.pairs.slots, 0xFF, <size_t>r.pairs.buckets * 64)
            for rank in range(r.n_rules):
                if self._apart(right[rank]):
                    continue
                if not pair_insert(r.pairs, left[rank], right[rank], rank):
                    fits = False
                    break
            if not fits:
                # A list of merges that was made to collide; it cannot foresee this one.
                r.pairs.multiplier = <uint64_t>int.from_bytes(os.urandom(8), "little") | 1
        return 0

    cdef bint _apart(self, uint32_t right) noexcept nogil:
        """Whether nothing is joined to a token from the left, because it begins a pretoken."""
        cdef Rules* r = &self.rules
        return self.splits and r.offsets[right] < r.offsets[right + 1] and r.blob[r.offsets[right]] == c" "

    cdef int _mark_joints(self, const uint32_t[::1] left, const uint32_t[::1] right) except -1:
        """Mark the bigrams of characters at the joints of rules."""
        cdef Rules* r = &self.rules
        cdef uint32_t rank, h
        cdef size_t end, at, before
        cdef const uint8_t* t = r.blob
        r.before_blanks = True
        for rank in range(r.n_rules):
            end, at = r.offsets[left[rank] + 1], r.offsets[right[rank]]
            if end == r.offsets[left[rank]] or at == r.offsets[right[rank] + 1] or self._apart(right[rank]):
                continue        # a part that no text has
            before = end - 1
            while t[before] & 0xC0 == 0x80:
                before -= 1
            h = (raw_char(t + before, <unsigned>(end - before)) * <uint32_t>0x9E3779B1 +
                 raw_char(t + at, char_length(t[at])) * <uint32_t>0x85EBCA6B) >> (32 - BITMAP_BITS)
            r.bitmap[h >> 5] |= <uint32_t>1 << (h & 31)
            if t[at] == c" " and t[before] != c" ":
                r.before_blanks = False
        return 0

    def parts(self, id):
        """None: a token may be made of several pairs."""
        return None


def inner_texts(blob, const uint32_t[::1] offsets, uint32_t n_ids, bint fold):
    """Texts of the ids below n_ids as the encoder meets them, and the characters among them.

    blob, offsets: UTF-8 of the vocabulary by id, uint32 offsets. fold: U+2581 becomes a blank, and a text that has a
    blank already stands for nothing. Returns blob, offsets, code points and their ids."""
    cdef const uint8_t[::1] bytes_view
    cdef const uint8_t* t = NULL
    cdef size_t n = len(blob), i, end, used = 0
    cdef uint32_t id, code = 0, known = <uint32_t>(offsets.shape[0] - 1)
    cdef bytes out = PyBytes_FromStringAndSize(NULL, n), out_offsets = PyBytes_FromStringAndSize(NULL, 4 * (n_ids + 1))
    cdef uint8_t* to = <uint8_t*>PyBytes_AS_STRING(out)
    cdef uint32_t* to_offsets = <uint32_t*>PyBytes_AS_STRING(out_offsets)
    cdef vector[uint32_t] codes, ids
    if n:
        bytes_view = blob
        t = &bytes_view[0]
    if utf8_first_error(blob, n) != n:
        raise ValueError("texts are not UTF-8")
    for id in range(n_ids):
        to_offsets[id] = <uint32_t>used
        if id >= known or offsets[id] == offsets[id + 1]:
            continue
        i, end = offsets[id], offsets[id + 1]
        if i > end or end > n:
            raise ValueError("offsets do not fit the texts")
        if fold and memchr(t + i, c" ", end - i) != NULL:
            continue
        while i < end:
            if fold and end - i >= 3 and t[i] == 0xE2 and t[i + 1] == 0x96 and t[i + 2] == 0x81:
                to[used] = c" "
                i += 3
            else:
                to[used] = t[i]
                i += 1
            used += 1
        i = to_offsets[id]
        if char_length(to[i]) == used - i:
            utf8_decode(to + i, used - i, &code)
            codes.push_back(code)
            ids.push_back(id)
    to_offsets[n_ids] = <uint32_t>used
    return out[:used], memoryview(out_offsets).cast("I"), array("I", codes), array("I", ids)
