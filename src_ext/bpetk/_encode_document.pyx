# cython: auto_pickle=False
"""From a document to ids: added tokens, the check for normal form, pretokens, segments."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memchr, memcpy

from bpetk._added_tokens cimport Matcher
from bpetk._character_document cimport Stretches, add_characters, encode_characters
from bpetk._encode_state cimport (
    FINE, FORBIDDEN, INVALID_UTF8, MARKS, NEEDS_GENERAL, NO_MEMORY, SURROGATE, Worker,
)
from bpetk._encode_worker cimport Line, encode_lines, encode_stretch, worker_room
from bpetk._native cimport mem_alloc, mem_free, utf8_check, utf8_encode
from bpetk._normalizer cimport nfc_first_change
from bpetk._sp_document cimport (
    Sentences, add_sentence, begin_sentences, encode_added, encode_sentences,
)
from bpetk._types cimport SCHEME_CL100K_TIKTOKEN, SCHEME_WHITESPACE

cdef enum:
    JOINED = 65536      # bytes of short documents that are encoded together


cdef class Plan:
    def __init__(
        self, *, Matcher forbidden=None, Matcher suspects=None, Matcher first=None, first_ids=None,
        Matcher second=None, second_ids=None, int form=-1, bint general=False, Sentences sentences=None,
        Stretches stretches=None,
    ):
        self.sentences, self.has_sentences = sentences, sentences is not None
        self.stretches, self.has_stretches = stretches, stretches is not None
        self.forbidden, self.suspects, self.first, self.second = forbidden, suspects, first, second
        self.has_forbidden, self.has_suspects = forbidden is not None, suspects is not None
        self.has_first, self.has_second = first is not None, second is not None
        if self.has_first:
            self.first_ids = first_ids
        if self.has_second:
            self.second_ids = second_ids
        self.form, self.general = form, general


cdef size_t utf8_room(Text text) noexcept nogil:
    """Bytes that the UTF-8 of a text may need."""
    if text.kind == TEXT_UTF8 or text.kind == TEXT_BYTES:
        return text.n
    return text.n * (2 if text.kind == TEXT_UCS1 else 3 if text.kind == TEXT_UCS2 else 4) + 24


cdef int write_utf8(Worker* w, Text text, uint8_t* to, size_t* n_out) noexcept nogil:
    """Write what is not UTF-8 in memory as UTF-8."""
    cdef size_t stopped = text.n
    if text.kind == TEXT_UCS1:
        n_out[0] = utf8_encode[uint8_t](<const uint8_t*>text.data, text.n, to, &stopped)
    elif text.kind == TEXT_UCS2:
        n_out[0] = utf8_encode[uint16_t](<const uint16_t*>text.data, text.n, to, &stopped)
    else:
        n_out[0] = utf8_encode[uint32_t](<const uint32_t*>text.data, text.n, to, &stopped)
    if stopped != text.n:
        w.error_at = stopped
        return SURROGATE
    return FINE


cdef int check_utf8(Worker* w, Text text) noexcept nogil:
    cdef size_t at
    if text.kind == TEXT_BYTES:
        at = utf8_check(<const uint8_t*>text.data, text.n)
        if at != text.n:
            w.error_at = at
            return INVALID_UTF8
    return FINE


cdef bint text_memory(Worker* w, size_t needed) noexcept nogil:
    if needed <= w.text_room:
        return True
    mem_free(w.text, w.text_room)
    w.text_room = needed + needed // 4
    w.text = <uint8_t*>mem_alloc(w.text_room)
    if w.text == NULL:
        w.text_room = 0
    return w.text != NULL


cdef int as_utf8(Worker* w, Text text, const uint8_t** s_out, size_t* n_out) noexcept nogil:
    if text.kind == TEXT_UTF8 or text.kind == TEXT_BYTES:
        s_out[0], n_out[0] = <const uint8_t*>text.data, text.n
        return check_utf8(w, text)
    if not text_memory(w, utf8_room(text)):
        return NO_MEMORY
    s_out[0] = w.text
    return write_utf8(w, text, w.text, n_out)


cdef inline int put_id(Worker* w, uint32_t id) noexcept nogil:
    if w.count_only:
        w.n_counted += 1
        return FINE
    if not worker_room(w, 1):
        return NO_MEMORY
    w.out[w.n_out] = id
    w.n_out += 1
    return FINE


cdef inline int encode_ordinary(Worker* w, Plan plan, const uint8_t* s, size_t n, int scheme, size_t at) noexcept nogil:
    """A stretch without added tokens, which is not empty."""
    if plan.has_stretches:
        return encode_characters(w, plan.stretches, s, n, at == 0)
    return encode_stretch(w, s, n, scheme, at)


cdef int encode_normalized(Worker* w, Plan plan, const uint8_t* s, size_t n, int scheme, size_t offset) noexcept nogil:
    """A stretch between the first kind of added tokens."""
    cdef size_t at = 0, start, end = 0
    cdef uint32_t k = 0
    cdef int failure
    if plan.form >= 0 and nfc_first_change(s, n, plan.form) != n:
        return NEEDS_GENERAL
    if not plan.has_second:
        return encode_ordinary(w, plan, s, n, scheme, offset)
    while at < n:
        start = plan.second.find(s, n, at, &end, &k)
        if start > at:
            failure = encode_ordinary(w, plan, s + at, start - at, scheme, offset + at)
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
    if plan.general or (scheme < 0 and not plan.has_stretches):
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
    if plan.has_sentences and text.kind == TEXT_BYTES:
        # A byte that is part of no character is what the normalizer deals with.
        text.kind = TEXT_UTF8
    failure = as_utf8(w, text, &s, &n)
    if not failure and plan.has_sentences:
        failure = encode_sentences(w, plan.sentences, s, n)
    elif not failure:
        failure = encode_utf8(w, plan, s, n, scheme)
    if failure:
        w.failure = FINE
        w.n_items = w.n_cuts = 0
    return failure


cdef void encode_alone(Worker* w, Plan plan, Text text, int scheme, int64_t* count) noexcept nogil:
    cdef size_t before = w.n_out + w.n_counted
    cdef int failure = encode_document(w, plan, text, scheme)
    if failure:
        if w.count_only:
            w.n_counted = before
        else:
            w.n_out = before
        count[0] = -1 - failure
    else:
        count[0] = <int64_t>(w.n_out + w.n_counted - before)


cdef size_t join(Worker* w, const Text* texts, size_t n, Line* lines, size_t most, size_t* used_out) noexcept nogil:
    """Put short documents of one line one behind the other into w.text; returns how many."""
    cdef size_t k = 0, used = 0, size
    cdef const void* inner
    while k < n and k < most and used + utf8_room(texts[k]) + 1 <= JOINED:
        if texts[k].kind == TEXT_UTF8 or texts[k].kind == TEXT_BYTES:
            size = texts[k].n
            if check_utf8(w, texts[k]):
                break
            if size:
                memcpy(w.text + used, texts[k].data, size)
        elif write_utf8(w, texts[k], w.text + used, &size):
            break
        inner = memchr(w.text + used, 10, size)
        if inner != NULL and <const uint8_t*>inner + 1 != w.text + used + size:
            break
        # "\r " is two pretokens, but "\r \n" one.
        if inner == NULL and size and w.text[used + size - 1] != 13 and memchr(w.text + used, 13, size) != NULL:
            break
        used += size
        lines[k].end = used
        if inner == NULL:
            w.text[used] = 10
            used += 1
        lines[k].next = used
        k += 1
    used_out[0] = used
    return k


cdef bint plain(Plan plan, const uint8_t* s, size_t n) noexcept nogil:
    """Whether a text holds nothing but ordinary text in normal form."""
    cdef size_t end = 0
    cdef uint32_t k = 0
    return (
        not (plan.has_forbidden and plan.forbidden.find(s, n, 0, &end, &k) != n)
        and not (plan.has_suspects and plan.suspects.find(s, n, 0, &end, &k) != n)
        and not (plan.has_first and plan.first.find(s, n, 0, &end, &k) != n)
        and not (plan.has_second and plan.second.find(s, n, 0, &end, &k) != n)
        and not (plan.form >= 0 and nfc_first_change(s, n, plan.form) != n)
    )


cdef size_t join_sentences(Worker* w, Sentences how, const Text* texts, size_t n, size_t* ends) noexcept nogil:
    """Normalize short documents one behind the other; returns how many."""
    cdef size_t k = 0, size = 0
    cdef const uint8_t* s = NULL
    cdef Text text
    if not begin_sentences(w):
        return 0
    while k < n and k < MARKS and w.normal.size + utf8_room(texts[k]) <= JOINED:
        text = texts[k]
        if text.kind == TEXT_BYTES:
            text.kind = TEXT_UTF8   # as in `encode_document`
        if as_utf8(w, text, &s, &size) or not add_sentence(w, how, s, size):
            break
        ends[k] = w.normal.size
        k += 1
    return k


cdef size_t join_stretches(Worker* w, Plan plan, const Text* texts, size_t n, size_t* ends) noexcept nogil:
    """Put short documents that are ordinary text one behind the other; returns how many."""
    cdef size_t k = 0, size = 0
    cdef const uint8_t* s = NULL
    if not begin_sentences(w):
        return 0
    while k < n and k < MARKS and w.normal.size + utf8_room(texts[k]) <= JOINED:
        if as_utf8(w, texts[k], &s, &size) or (size and not plain(plan, s, size)):
            break
        if not add_characters(w, plan.stretches, s, size):
            break
        ends[k] = w.normal.size
        k += 1
    return k


cdef void encode_documents(
    Worker* w, Plan plan, const Text* texts, size_t n, int scheme, int64_t* counts
) noexcept nogil:
    """Short documents together, as lines of one text: scanning and looking up short texts one by one costs twice as
    much. Where anything is special about one of them, they are done again one by one."""
    cdef Line lines[MARKS]
    cdef size_t ends[MARKS]
    cdef bint sentences = plan.has_sentences and not plan.sentences.fuse and n > 1
    cdef bint stretches = plan.has_stretches and not plan.stretches.fuse and not plan.general and n > 1
    cdef size_t i = 0, j, k, used = 0, n_out, n_counted
    cdef bint failed
    cdef bint joinable = not plan.general and scheme >= 0 and scheme != SCHEME_WHITESPACE and \
        scheme != SCHEME_CL100K_TIKTOKEN and n > 1 and text_memory(w, JOINED + 64)
    while i < n:
        # Without text there is no memory for it any more.
        n_out, n_counted = w.n_out, w.n_counted
        if sentences:
            k = join_sentences(w, plan.sentences, texts + i, n - i, ends)
            failed = k < 2 or encode_added(w, plan.sentences, ends, k, counts + i)
        elif stretches:
            k = join_stretches(w, plan, texts + i, n - i, ends)
            failed = k < 2 or encode_added(w, plan.stretches.plain, ends, k, counts + i)
        else:
            k = join(w, texts + i, n - i, lines, MARKS, &used) if joinable and w.text_room >= JOINED + 64 else 0
            failed = k < 2 or not plain(plan, w.text, used) or \
                encode_lines(w, w.text, w.text_room, lines, k, scheme, counts + i)
        if failed:
            w.failure = FINE
            w.n_items = w.n_cuts = w.n_marks = w.next_mark = 0
            w.n_out, w.n_counted = n_out, n_counted
            k = max(k, <size_t>1)
            for j in range(k):
                encode_alone(w, plan, texts[i + j], scheme, &counts[i + j])
        i += k
