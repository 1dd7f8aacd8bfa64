"""The encoder as Python sees it: one model's tables, workers, documents in, ids as buffers or lists.

Nothing here depends on how many threads there are, in which order they work, or what a cache holds.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_Check, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_ITEM
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.unicode cimport PyUnicode_Check
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from libcpp.atomic cimport atomic

from bpetk._encode_document cimport (
    TEXT_BYTES, TEXT_UCS1, TEXT_UCS2, TEXT_UCS4, TEXT_UTF8, Plan, Text, encode_document, encode_documents,
)
from bpetk._encode_rules cimport EncodeRules, Rules
from bpetk._encode_seed cimport build_seed
from bpetk._encode_state cimport FINE, NEEDS_GENERAL, NO_MEMORY, Worker
from bpetk._encode_worker cimport (
    encode_pieces, encode_stretch, worker_free, worker_new, worker_room, worker_set_tier,
)
from bpetk._id_buffer cimport IdBuffer, IdObjects
from bpetk._native cimport (
    CacheEntry, Pool, PyGC_Disable, PyGC_Enable, PyUnicode_DATA, PyUnicode_GET_LENGTH, mem_alloc, mem_free, str_kind,
)
from bpetk._scanner cimport best_tier, scheme_id, tier_id

cdef enum:
    LINE_BITS = 17              # 2^17 lines of two entries: 8 MB a worker
    THREADS_FROM = 65536        # bytes of text from which more than one thread is worth starting
    CHUNK_LEAST = 32768         # bytes of documents that a thread takes at a time
    CHUNK_MOST = 1048576
    FRAGMENT = 262144           # bytes of a part of a long document
    SAMPLE = 16384              # bytes in which a safe place to cut is looked for


cdef class WorkerBox:
    def __dealloc__(self):
        worker_free(self.worker)


cdef struct Chunk:
    size_t first        # documents [first, stop)
    size_t stop
    int worker          # who encoded them, and where in its output
    size_t at
    size_t n


cdef struct Batch:
    void* plan          # borrowed
    int scheme
    const Text* texts
    int64_t* counts     # [documents] ids of each; -1 - failure if it failed
    Chunk* chunks
    size_t n_chunks
    atomic[size_t]* next
    Worker** workers    # NULL: the thread makes its own
    const Rules* rules
    const CacheEntry* seed
    int line_bits
    int tier
    bint count_only
    size_t share        # bytes of text for each thread, roughly
    uint32_t* final


cdef void work(void* context, int number) noexcept nogil:
    cdef Batch* b = <Batch*>context
    cdef Worker* w = b.workers[number]
    cdef Chunk* c
    cdef size_t k
    if w == NULL:
        # Eight megabytes to fill: not a thing to wait for before the others may begin.
        w = b.workers[number] = worker_new(b.rules, b.tier, b.line_bits, b.seed)
        if w == NULL:
            return
        w.count_only = b.count_only
    if not b.count_only:
        worker_room(w, b.share // 3)
        w.failure = FINE
    while True:
        k = b.next.fetch_add(1)
        if k >= b.n_chunks:
            return
        c = &b.chunks[k]
        c.worker, c.at = number, w.n_out
        encode_documents(w, <Plan>b.plan, b.texts + c.first, c.stop - c.first, b.scheme, b.counts + c.first)
        c.n = w.n_out - c.at


cdef void gather(void* context, int number) noexcept nogil:
    """Copy what the workers made to its place; chunk.first is the place now."""
    cdef Batch* b = <Batch*>context
    cdef size_t k
    while True:
        k = b.next.fetch_add(1)
        if k >= b.n_chunks:
            return
        if b.chunks[k].n == 0:
            continue
        memcpy(b.final + b.chunks[k].first, b.workers[b.chunks[k].worker].out + b.chunks[k].at, b.chunks[k].n * 4)


cdef int text_of(object item, Text* text) except -1:
    """Borrow the memory of a str or bytes."""
    cdef int kind
    if PyUnicode_Check(item):
        kind = str_kind(item)
        text.data, text.n = PyUnicode_DATA(item), PyUnicode_GET_LENGTH(item)
        text.kind = TEXT_UTF8 if kind == 0 else TEXT_UCS1 if kind == 1 else TEXT_UCS2 if kind == 2 else TEXT_UCS4
    elif PyBytes_Check(item):
        text.data, text.n, text.kind = PyBytes_AS_STRING(item), PyBytes_GET_SIZE(item), TEXT_BYTES
    else:
        raise TypeError(f"text must be str or bytes, not {type(item).__name__}")
    return 0


cdef class Encoder:
    """Encodes text with the rules of one model.

    Immutable from outside and shared between threads without locks: a call takes idle workers, or makes them.

    rules: the model's tables. scheme: name of the native scheme, or None if pretokens come from outside. whole_first: a
    whole pretoken that is a token becomes it, whatever the merges say. hidden: ids that are no entries of the model's
    vocabulary unless a merge makes them.
    """

    def __init__(
        self, EncodeRules rules not None, str scheme, *, bint whole_first=False, hidden=(), int line_bits=LINE_BITS
    ):
        if self.rules is not None:
            raise TypeError("an Encoder is immutable")
        if not rules.frozen:
            raise TypeError("these EncodeRules were never made")
        self.start(rules, scheme, build_seed(rules, whole_first, frozenset(hidden), line_bits), line_bits)

    cdef int start(self, EncodeRules rules, str scheme, CacheEntry* seed, int line_bits) except -1:
        """Take over the parts."""
        self.rules, self.seed, self.line_bits = rules, seed, line_bits
        self.scheme = -1 if scheme is None else scheme_id(scheme)
        # The first call finds a worker ready.
        self.objects = IdObjects(rules.rules.n_ids)
        self.idle = []
        self.idle.append(self._take(best_tier(), False))
        return 0

    def __dealloc__(self):
        mem_free(self.seed, sizeof(CacheEntry) * 2 << self.line_bits)

    cdef WorkerBox _take(self, int tier, bint count_only, bint later=False):
        """An idle worker, or a new one; later: none yet, if none is idle."""
        cdef WorkerBox box
        try:
            box = self.idle.pop()
        except IndexError:
            box = WorkerBox()
            box.rules = self.rules
            if later:
                return box
            box.worker = worker_new(&self.rules.rules, tier, self.line_bits, self.seed)
            if box.worker == NULL:
                raise MemoryError from None
        worker_set_tier(box.worker, tier)
        box.worker.failure = FINE
        box.worker.n_out = box.worker.n_counted = box.worker.n_items = 0
        box.worker.count_only = count_only
        box.worker.scratch.drop_below = 0
        return box

    cdef IdBuffer _hand_over(self, Worker* w):
        """Give a worker's output away."""
        cdef IdBuffer out = IdBuffer()
        out.ids, out.n, out.room = w.out, w.n_out, w.out_room
        w.out = NULL
        w.out_room = w.n_out = 0
        return out

    def encode(self, text, Plan plan not None, *, str tier=None):
        """Ids of one document as a list, or (failure, where) if they cannot be had here."""
        cdef Text t
        cdef WorkerBox box
        cdef Worker* w
        cdef int failure
        cdef list out
        cdef size_t where
        if plan.general:
            return NEEDS_GENERAL, 0
        text_of(text, &t)
        box = self._take(best_tier() if tier is None else tier_id(tier), False)
        w = box.worker
        if t.n < 2048:
            failure = encode_document(w, plan, t, self.scheme)
        else:
            with nogil:
                failure = encode_document(w, plan, t, self.scheme)
        if failure == NO_MEMORY:
            raise MemoryError   # and with it goes the worker
        if failure:
            out = None
            where = w.error_at
            self.idle.append(box)
            return failure, where
        out = self.objects.list_of(w.out, w.n_out)
        if w.out_room > 1 << 20:
            # A single long text must not keep its memory in use.
            self._hand_over(w)
        self.idle.append(box)
        return out

    def encode_flat(self, texts, Plan plan not None, *, int threads=1, bint count_only=False, str tier=None):
        """(ids or None, counts as bytes of int64) of documents; a count below zero is -1 - failure."""
        cdef list items = list(texts)
        cdef size_t n = len(items), i
        cdef Text* t = <Text*>PyMem_Malloc((n + 1) * sizeof(Text))
        cdef IdBuffer out = None
        counts = bytearray(8 * n)
        cdef char[::1] counts_view
        cdef int64_t* c = NULL
        if t == NULL:
            raise MemoryError
        try:
            for i in range(n):
                text_of(<object>PyList_GET_ITEM(items, i), &t[i])
            if n:
                counts_view = counts
                c = <int64_t*>&counts_view[0]
            out = self._run(t, n, c, plan, threads, count_only, tier)
        finally:
            PyMem_Free(t)
        return out, counts

    cdef IdBuffer _run(
        self, const Text* t, size_t n, int64_t* counts, Plan plan, int threads, bint count_only, str tier
    ):
        cdef Batch b
        cdef size_t i, k, total = 0, size, most, first, place, n_threads
        cdef list boxes = []
        cdef Pool* pool = NULL
        cdef Chunk* chunks = <Chunk*>PyMem_Malloc((n + 1) * sizeof(Chunk))
        cdef Worker** workers = <Worker**>PyMem_Malloc(max(threads, 1) * sizeof(Worker*))
        cdef atomic[size_t]* next = new atomic[size_t](0)
        cdef int level = best_tier() if tier is None else tier_id(tier)
        cdef IdBuffer out
        cdef bint failed = False
        memset(&b, 0, sizeof(Batch))
        try:
            if chunks == NULL or workers == NULL:
                raise MemoryError
            for i in range(n):
                total += t[i].n * (1 if t[i].kind < TEXT_UCS2 else 3)
            if total < THREADS_FROM or threads < 1:
                threads = 1
            most = min(max(total // (8 * <size_t>threads), <size_t>CHUNK_LEAST), <size_t>CHUNK_MOST)
            size = first = 0
            for i in range(n):
                size += t[i].n * (1 if t[i].kind < TEXT_UCS2 else 3)
                if size >= most or i + 1 == n:
                    chunks[b.n_chunks].first, chunks[b.n_chunks].stop = first, i + 1
                    b.n_chunks += 1
                    first, size = i + 1, 0
            n_threads = min(<size_t>threads, max(b.n_chunks, <size_t>1))
            b.rules, b.seed, b.line_bits = &self.rules.rules, self.seed, self.line_bits
            b.tier, b.count_only, b.share = level, count_only, total // n_threads
            for k in range(n_threads):
                box = self._take(level, count_only, k > 0)
                boxes.append(box)
                workers[k] = (<WorkerBox>box).worker
            b.plan, b.scheme, b.texts, b.counts = <void*>plan, self.scheme, t, counts
            b.chunks, b.next, b.workers = chunks, next, workers
            if n_threads == 1:
                with nogil:
                    work(&b, 0)
                out = self._hand_over(workers[0])
            else:
                with nogil:
                    pool = new Pool(<int>n_threads)
                    pool.run(work, &b)
                for k in range(n_threads):
                    (<WorkerBox>boxes[k]).worker = workers[k]
                out = IdBuffer()
                for i in range(b.n_chunks):
                    out.n += chunks[i].n
                if not count_only:
                    out.room = out.n + 4
                    out.ids = <uint32_t*>mem_alloc(out.room * 4)
                    if out.ids == NULL:
                        raise MemoryError
                    place = 0
                    for i in range(b.n_chunks):
                        chunks[i].first = place
                        place += chunks[i].n
                    b.final = out.ids
                    next.store(0)
                    with nogil:
                        pool.run(gather, &b)
                for k in range(n_threads):
                    if workers[k] != NULL and workers[k].out_room > 1 << 20:
                        self._hand_over(workers[k])
            for i in range(n):
                failed |= counts[i] == -1 - <int>NO_MEMORY
            if failed:
                raise MemoryError
            self.idle.extend([box for box in boxes if (<WorkerBox>box).worker != NULL])
        finally:
            del pool
            del next
            PyMem_Free(chunks)
            PyMem_Free(workers)
        return None if count_only else out

    def encode_lists(self, texts, Plan plan not None, *, int threads=1, str tier=None):
        """Lists of ids of documents; (failure, where) in the place of one that cannot be had here."""
        cdef list items = list(texts), out = []
        cdef IdBuffer flat
        cdef size_t at = 0, i, n_items = len(items)
        cdef int64_t n
        cdef bint collecting
        cdef const int64_t[::1] counts
        if not items:
            return out
        flat, raw = self.encode_flat(items, plan, threads=threads, tier=tier)
        counts = memoryview(raw).cast("q")
        # Lists of int make no cycles, and the collector would walk all of them again and again.
        collecting = PyGC_Disable()
        try:
            for i in range(n_items):
                n = counts[i]
                if n < 0:
                    out.append((-1 - n, 0))
                    continue
                out.append(self.objects.list_of(flat.ids + at, n))
                at += n
        finally:
            if collecting:
                PyGC_Enable()
        return out

    def encode_stretch(
        self, data, *, ends=None, bint whole_chars=True, str tier=None, double dropout=0, uint64_t seed=0
    ):
        """Ids of well-formed UTF-8 without added tokens, as (ids, failure, where).

        ends: uint64 ends of pretokens, if they come from outside; whole_chars: none of them is inside a character.
        """
        cdef const uint8_t[::1] view = data
        cdef const uint64_t[::1] pieces
        cdef WorkerBox box = self._take(best_tier() if tier is None else tier_id(tier), False)
        cdef Worker* w = box.worker
        cdef size_t n = view.shape[0], k
        if dropout:
            w.scratch.drop_below = <uint64_t>(dropout * 9007199254740992.0)
            w.scratch.random = seed
            # The cache holds what merging without dropout gives.
            # Where pretokens are cut depends on the processor, and with it the order of the random numbers.
            w.no_cache = w.no_cuts = True
        try:
            if ends is not None:
                pieces = ends
                for k in range(<size_t>pieces.shape[0]):
                    if pieces[k] > n or (k and pieces[k] < pieces[k - 1]):
                        raise ValueError("ends do not ascend, or are not places in the data")
                w.no_cuts |= not whole_chars
                if pieces.shape[0] and n:
                    with nogil:
                        encode_pieces(w, &view[0], &pieces[0], pieces.shape[0], 0)
            elif n:
                if self.scheme < 0:
                    raise ValueError("no native scheme: ends are needed")
                with nogil:
                    encode_stretch(w, &view[0], n, self.scheme, 0)
        finally:
            w.no_cache = w.no_cuts = False
            w.scratch.drop_below = 0
        failure, where = w.failure, w.error_at
        out = self._hand_over(w)
        if failure != NO_MEMORY:
            self.idle.append(box)
        return out, failure, where

    def ints_of(self, const uint32_t[::1] ids):
        """A list of ids."""
        return self.objects.list_of(&ids[0], ids.shape[0]) if ids.shape[0] else []

    def forget(self):
        """Drop the idle workers, and with them what their caches learned."""
        self.idle.clear()

    def statistics(self):
        """(segments looked up, segments merged) by the workers that are idle."""
        cdef uint64_t looked_up = 0, merged = 0
        for box in list(self.idle):
            looked_up += (<WorkerBox>box).worker.n_segments
            merged += (<WorkerBox>box).worker.n_missed
        return looked_up, merged
