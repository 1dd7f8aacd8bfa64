# cython: auto_pickle=False
"""From a document to ids: added tokens, the check for normal form, pretokens, segments."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t

from bpetk._added_tokens cimport Matcher
from bpetk._encode_worker cimport (
    FINE, FORBIDDEN, INVALID_UTF8, NEEDS_GENERAL, NO_MEMORY, SURROGATE, Worker, encode_stretch, worker_room,
)
from bpetk._native cimport mem_alloc, mem_free, utf8_encode, utf8_first_error
from bpetk._normalizer cimport nfc_first_change


cdef class Plan:
    def __init__(
        self, *, Matcher forbidden=None, Matcher suspects=None, Matcher first=None, first_ids=None,
        Matcher second=None, second_ids=None, int form=-1, bint general=False,
    ):
        self.forbidden, self.suspects, self.first, self.second = forbidden, suspects, first, second
        self.has_forbidden, self.has_suspects = forbidden is not None, suspects is not None
        self.has_first, self.has_second = first is not None, second is not None
        if self.has_first:
            self.first_ids = first_ids
        if self.has_second:
            self.second_ids = second_ids
        self.form, self.general = form, general


cdef int as_utf8(Worker* w, Text text, const uint8_t** s_out, size_t* n_out) noexcept nogil:
    cdef size_t needed, stopped = text.n, at
    if text.kind == TEXT_UTF8 or text.kind == TEXT_BYTES:
        s_out[0], n_out[0] = <const uint8_t*>text.data, text.n
        if text.kind == TEXT_BYTES:
            at = utf8_first_error(s_out[0], text.n)
            if at != text.n:
                w.error_at = at
                return INVALID_UTF8
        return FINE
    needed = text.n * (2 if text.kind == TEXT_UCS1 else 3 if text.kind == TEXT_UCS2 else 4) + 24
    if needed > w.text_room:
        mem_free(w.text, w.text_room)
        w.text_room = needed + needed // 4
        w.text = <uint8_t*>mem_alloc(w.text_room)
        if w.text == NULL:
            w.text_room = 0
            return NO_MEMORY
    if text.kind == TEXT_UCS1:
        n_out[0] = utf8_encode[uint8_t](<const uint8_t*>text.data, text.n, w.text, &stopped)
    elif text.kind == TEXT_UCS2:
        n_out[0] = utf8_encode[uint16_t](<const uint16_t*>text.data, text.n, w.text, &stopped)
    else:
        n_out[0] = utf8_encode[uint32_t](<const uint32_t*>text.data, text.n, w.text, &stopped)
    s_out[0] = w.text
    if stopped != text.n:
        w.error_at = stopped
        return SURROGATE
    return FINE


cdef inline int put_id(Worker* w, uint32_t id) noexcept nogil:
    if w.count_only:
        w.n_counted += 1
        return FINE
    if not worker_room(w, 1):
        return NO_MEMORY
    w.out[w.n_out] = id
    w.n_out += 1
    return FINE


cdef int encode_normalized(Worker* w, Plan plan, const uint8_t* s, size_t n, int scheme, size_t offset) noexcept nogil:
    """A stretch between the first kind of added tokens."""
    cdef size_t at = 0, start, end = 0
    cdef uint32_t k = 0
    cdef int failure
    if plan.form >= 0 and nfc_first_change(s, n, plan.form) != n:
        return NEEDS_GENERAL
    if not plan.has_second:
        return encode_stretch(w, s, n, scheme, offset)
    while at < n:
        start = plan.second.find(s, n, at, &end, &k)
        if start > at:
            failure = encode_stretch(w, s + at, start - at, scheme, offset + at)
            if failure:
                return failure
        if start == n:
            break
        failure = put_id(w, plan.second_ids[k])
        if failure:
            return failure
        at = end
    return FINE


cdef int encode_utf8(Worker* w, Plan plan, const uint8_t* s, size_t n, int scheme) noexcept nogil:
    cdef size_t at = 0, start, end = 0
    cdef uint32_t k = 0
    cdef int failure
    if plan.general or scheme < 0:
        return NEEDS_GENERAL
    if plan.has_forbidden and plan.forbidden.find(s, n, 0, &end, &k) != n:
        return FORBIDDEN
    if plan.has_suspects and plan.suspects.find(s, n, 0, &end, &k) != n:
        return NEEDS_GENERAL
    if not plan.has_first:
        return encode_normalized(w, plan, s, n, scheme, 0)
    while at < n:
        start = plan.first.find(s, n, at, &end, &k)
        if start > at:
            failure = encode_normalized(w, plan, s + at, start - at, scheme, at)
            if failure:
                return failure
        if start == n:
            break
        failure = put_id(w, plan.first_ids[k])
        if failure:
            return failure
        at = end
    return FINE


cdef int encode_document(Worker* w, Plan plan, Text text, int scheme) noexcept nogil:
    cdef const uint8_t* s = NULL
    cdef size_t n = 0
    cdef int failure
    if text.n == 0:
        return FINE
    failure = as_utf8(w, text, &s, &n)
    if not failure:
        failure = encode_utf8(w, plan, s, n, scheme)
    if failure:
        w.failure = FINE
        w.n_items = 0
    return failure
