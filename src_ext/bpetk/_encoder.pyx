"""The encoder as Python sees it: tables and workers, one text or many, ids as buffers or lists."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.list cimport PyList_New, PyList_SET_ITEM
from cpython.ref cimport Py_INCREF
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from bpetk._encode_rules cimport EncodeRules, NO_ID, Rules
from bpetk._encode_worker cimport (
    FINE, NO_MEMORY, UNKNOWN_BYTE, Worker, encode_pieces, encode_stretch, worker_free, worker_new, worker_room,
)
from bpetk._native cimport (
    CacheEntry, SegmentItem, cache_put, kCountShift, make_item, mem_alloc, mem_alloc_now, mem_free,
)
from bpetk._scanner cimport best_tier, scheme_id, tier_id
from bpetk._segment_merge cimport Scratch, merge_segment, scratch_free, scratch_init

cdef enum:
    LINE_BITS = 17      # 2^17 lines of two entries: 8 MB a worker


cdef class IdBuffer:
    """Ids of one call: a read-only buffer of uint32."""

    cdef uint32_t* ids
    cdef size_t n
    cdef size_t room
    cdef Py_ssize_t shape[1]
    cdef Py_ssize_t strides[1]

    def __dealloc__(self):
        mem_free(self.ids, self.room * 4)

    def __len__(self):
        return self.n

    def __getbuffer__(self, Py_buffer* view, int flags):
        self.shape[0], self.strides[0] = self.n, 4
        view.buf, view.obj, view.len, view.itemsize = self.ids, self, self.n * 4, 4
        view.readonly, view.ndim, view.format = 1, 1, b"I"
        view.shape, view.strides = self.shape, self.strides
        view.suboffsets = NULL
        view.internal = NULL

    def __releasebuffer__(self, Py_buffer* view):
        pass


cdef class WorkerBox:
    """A worker and the tables it works with."""

    cdef Worker* worker
    cdef EncodeRules rules

    def __dealloc__(self):
        worker_free(self.worker)


cdef class Encoder:
    """Encodes stretches of UTF-8 text with the rules of one model.

    Immutable from outside, shared between threads without locks: a call takes an idle worker, or makes one.
    """

    cdef EncodeRules rules
    cdef CacheEntry* seed
    cdef int line_bits
    cdef int scheme
    cdef list idle

    def __cinit__(self):
        self.seed = NULL

    def __init__(self, EncodeRules rules not None, str scheme, *, bint whole_first=False, hidden=(), int line_bits=LINE_BITS):
        self.rules, self.line_bits = rules, line_bits
        self.scheme = -1 if scheme is None else scheme_id(scheme)
        self.idle = []
        self._build_seed(whole_first, frozenset(hidden))

    def __dealloc__(self):
        mem_free(self.seed, sizeof(CacheEntry) * 2 << self.line_bits)

    cdef int _build_seed(self, bint whole_first, frozenset hidden) except -1:
        """Encode every token through the merges: what the cache begins with, and the tokens merges do not give."""
        cdef const Rules* r = &self.rules.rules
        cdef Scratch scratch
        cdef uint32_t id
        cdef uint32_t[4] ids
        cdef size_t n, got, k
        cdef const uint8_t* t
        cdef SegmentItem item
        cdef int tier = best_tier()
        cdef list found = []
        self.seed = <CacheEntry*>mem_alloc_now(sizeof(CacheEntry) * 2 << self.line_bits, True)
        if self.seed == NULL or scratch_init(&scratch) != 0:
            raise MemoryError
        try:
            for id in range(r.n_ids, 0, -1):
                id -= 1
                t = r.blob + r.offsets[id]
                n = r.offsets[id + 1] - r.offsets[id]
                if n == 0 or id in hidden or (n > 15 and not whole_first):
                    continue
                got = merge_segment(r, &scratch, tier, t, n, True)
                if not got:
                    raise MemoryError
                if whole_first and (got > 1 or scratch.ids[0] != id):
                    found.append(id)
                elif n <= 15 and got <= 4:
                    for k in range(4):
                        ids[k] = scratch.ids[k] if k < got else 0
                    ids[3] |= <uint32_t>got << kCountShift
                    make_item(self.seed, self.line_bits, t, 0, n, 0, False, &item)
                    cache_put(self.seed, item, ids)
        finally:
            scratch_free(&scratch)
        if whole_first:
            self.rules.find_only_whole(found)
        return 0

    cdef WorkerBox _take(self, tier):
        cdef WorkerBox box
        try:
            box = self.idle.pop()
        except IndexError:
            box = WorkerBox()
            box.rules = self.rules
            box.worker = worker_new(&self.rules.rules, best_tier(), self.line_bits, self.seed)
            if box.worker == NULL:
                raise MemoryError
        box.worker.tier = best_tier() if tier is None else tier_id(tier)
        box.worker.failure = FINE
        box.worker.n_out = box.worker.n_counted = box.worker.n_items = 0
        box.worker.count_only = False
        return box

    def encode(self, data, *, str tier=None, ends=None):
        cdef const uint8_t[::1] view = data
        cdef const uint64_t[::1] pieces
        cdef WorkerBox box = self._take(tier)
        cdef Worker* w = box.worker
        cdef IdBuffer out = IdBuffer()
        cdef size_t n = view.shape[0]
        if ends is not None:
            pieces = ends
            if pieces.shape[0]:
                with nogil:
                    encode_pieces(w, &view[0], &pieces[0], pieces.shape[0], 0)
        elif n:
            with nogil:
                worker_room(w, n // 3)
                encode_stretch(w, &view[0], n, self.scheme, 0)
        if w.failure:
            raise ValueError((w.failure, w.error_at))
        out.ids, out.n, out.room = w.out, w.n_out, w.out_room
        w.out = NULL
        w.out_room = 0
        self.idle.append(box)
        return out

    def stats(self):
        cdef WorkerBox box = self.idle[len(self.idle) - 1]
        return box.worker.n_segments, box.worker.n_missed
