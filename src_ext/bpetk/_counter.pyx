"""Counting pretokens: a table for each partition of the hashes and each thread, combined at the end without copying.

Counts are 64 bits wide. The result does not depend on threads or on how text was cut into calls."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from bpetk._native cimport (
    Key, Pool, class_and_length, hash_bytes, hash_key, kShortKey, prefetch_write, short_key, short_key_exact,
    utf8_first_error,
)
from bpetk._scanner cimport Scan, best_tier, scan_next, scheme_id, tier_id
from bpetk._types cimport SCHEME_WHITESPACE
from bpetk._word_table cimport (
    Arena, Table, absorb, add_key, add_long, arena_release, slot_bytes, table_grow, table_release,
)

cdef enum:
    BATCH = 512                     # pretokens looked up side by side, so that their cache misses overlap
    WHITE = 4                       # flag of native/unicode_tables.h

cdef uint64_t LONGEST_WORD = 0xFFFFFFFF   # a record holds its length in 32 bits

# ---------------------------------------------------------------------------------------------------------------------
# Counting one stretch of text.

cdef struct Item:
    Key key
    uint64_t hash


cdef size_t TOO_LONG = <size_t>-2
cdef size_t NO_MEMORY = <size_t>-1


cdef size_t count_text(Table* tables, Arena* arena, Scan* scan, size_t drop, uint64_t* pretokens_out) noexcept nogil:
    """Count the pretokens of scan but for the last `drop` (0 or 2); offset of the first one not counted."""
    cdef uint64_t ends[BATCH + 2]
    cdef Item items[BATCH]
    cdef size_t start = scan.at, held = 0, count, take, k, n_short, length, end
    cdef const uint8_t* s = scan.s
    cdef uint64_t hash
    while True:
        # ends[0..held) wait from the round before, because they may be among the last `drop`.
        count = held + scan_next(scan, ends + held, BATCH)
        if count <= drop:
            return start
        take = count - drop     # at most BATCH, since held never exceeds drop
        n_short = 0
        for k in range(take):
            end = ends[k]
            length = end - start
            if scan.scheme == SCHEME_WHITESPACE and class_and_length(s + start, length) & WHITE:
                start = end
                continue
            pretokens_out[0] += 1
            if length <= kShortKey:
                if start + 16 <= scan.n:
                    items[n_short].key = short_key(s + start, length)
                else:
                    items[n_short].key = short_key_exact(s + start, length)
                hash = hash_key(items[n_short].key)
                items[n_short].hash = hash
                n_short += 1
                prefetch_write(&tables[hash >> PARTITION_SHIFT].slots[hash & tables[hash >> PARTITION_SHIFT].mask])
            else:
                if length > LONGEST_WORD:
                    return TOO_LONG
                hash = hash_bytes(s + start, length)
                if not add_long(&tables[hash >> PARTITION_SHIFT], arena, s + start, length, hash, 1):
                    return NO_MEMORY
            start = end
        for k in range(n_short):
            hash = items[k].hash
            if not add_key(&tables[hash >> PARTITION_SHIFT], items[k].key, hash, 1):
                return NO_MEMORY
        held = count - take
        for k in range(held):
            ends[k] = ends[take + k]


cdef size_t last_line_end(const uint8_t* s, size_t begin, size_t n) noexcept nogil:
    while n > begin and s[n - 1] != 10:
        n -= 1
    return n


cdef size_t whole_characters(const uint8_t* s, size_t begin, size_t n) noexcept nogil:
    """n without the bytes of a last character that is not complete."""
    cdef size_t back
    for back in range(1, 4):
        if n < begin + back:
            break
        if s[n - back] >= 0xC0:
            if (s[n - back] >= 0xF0 and back < 4) or (s[n - back] >= 0xE0 and back < 3) or back < 2:
                return n - back
            break
        if s[n - back] < 0x80:
            break
    return n


class InvalidUtf8(ValueError):
    """Text is not UTF-8; ``offset`` is that of the first byte that is not part of a well-formed sequence."""

    def __init__(self, offset):
        super().__init__(f"invalid UTF-8 at offset {offset}")
        self.offset = offset


cdef class CountWorker:
    """The tables of one thread. Not safe to share between threads; release of the GIL is inside."""

    def __cinit__(self, str scheme not None, *, bint lines, str tier=None):
        self.scheme = scheme_id(scheme)
        self.tier = best_tier() if tier is None else tier_id(tier)
        self.lines = lines
        self.arena = <Arena*>malloc(sizeof(Arena))
        if self.arena == NULL:
            raise MemoryError()
        self.arena.chunks = NULL
        self.arena.sizes = NULL
        self.arena.n_chunks = self.arena.room = self.arena.at = 0
        for p in range(PARTITIONS):
            self.tables[p].used = self.tables[p].mask = 0
            self.tables[p].slots = NULL
            if not table_grow(&self.tables[p]):
                raise MemoryError()

    def __dealloc__(self):
        for p in range(PARTITIONS):
            table_release(&self.tables[p])
        if self.arena != NULL:
            arena_release(self.arena)
            free(self.arena)

    def feed(self, data, size_t start, size_t stop, bint final):
        """Count ``data[start:stop]``, which begins at the start of a text or at a cut; return where counting ended.

        When not ``final``, what a continuation could change is left: all after the last line end, or, if there is
        no line end or text is not cut into lines, the last two pretokens.
        """
        cdef const uint8_t[::1] view = data
        cdef size_t done = start, error
        cdef size_t upto = stop
        cdef Scan scan
        if start >= stop:
            return start
        if stop > <size_t>view.shape[0]:
            raise ValueError("stop is past the end of data")
        self.check()
        with nogil:
            scan.s = &view[0]
            scan.at = start
            scan.line_stop = 0
            scan.scheme = self.scheme
            scan.tier = self.tier
            scan.lines = self.lines
            if not final:
                if self.lines:
                    upto = last_line_end(scan.s, start, stop)
                if not self.lines or upto == start:
                    upto = whole_characters(scan.s, start, stop)
            error = start + utf8_first_error(scan.s + start, upto - start)
            if error == upto:
                scan.n = upto
                final = final or (self.lines and upto > start and scan.s[upto - 1] == 10)
                done = count_text(self.tables, self.arena, &scan, 0 if final else 2, &self.pretokens)
        if error != upto:
            raise InvalidUtf8(error)
        if done == NO_MEMORY:
            raise MemoryError("no memory for the table of distinct words")
        if done == TOO_LONG:
            raise OverflowError("a pretoken is longer than 4 GiB")
        return done

    def feed_documents(self, list documents not None):
        """Count each of a list of UTF-8 byte strings as a text of its own (the caller vouches for the encoding)."""
        cdef Py_ssize_t n = len(documents), i
        cdef const uint8_t** starts
        cdef size_t* sizes
        cdef size_t done = 0
        cdef Scan scan
        self.check()
        starts = <const uint8_t**>malloc(n * sizeof(void*) + 1)
        sizes = <size_t*>malloc(n * sizeof(size_t) + 1)
        try:
            if starts == NULL or sizes == NULL:
                raise MemoryError()
            for i in range(n):
                item = documents[i]
                if type(item) is not bytes:
                    raise TypeError(f"document {i} is {type(item).__name__}, expected bytes")
                starts[i] = <const uint8_t*>PyBytes_AS_STRING(item)
                sizes[i] = PyBytes_GET_SIZE(item)
            with nogil:
                scan.scheme = self.scheme
                scan.tier = self.tier
                scan.lines = self.lines
                for i in range(n):
                    scan.s = starts[i]
                    scan.n = sizes[i]
                    scan.at = scan.line_stop = 0
                    if sizes[i]:
                        done = count_text(self.tables, self.arena, &scan, 0, &self.pretokens)
                        if done == NO_MEMORY or done == TOO_LONG:
                            break
        finally:
            free(starts)
            free(sizes)
        if done == NO_MEMORY:
            raise MemoryError("no memory for the table of distinct words")
        if done == TOO_LONG:
            raise OverflowError("a pretoken is longer than 4 GiB")

    def add_words(self, words):
        """Count pairs of a non-empty byte string and how often it occurs."""
        cdef uint64_t hash, count
        cdef size_t n
        cdef const uint8_t* p
        cdef Key key
        cdef bint ok
        self.check()
        for word, times in words:
            if type(word) is not bytes or not word:
                raise TypeError(f"expected a non-empty bytes word, got {word!r}")
            if times < 1:
                raise ValueError(f"count of {word!r} is {times}, expected at least 1")
            if times + self.pretokens >> 63:
                raise OverflowError(f"with {times} times {word!r} the counts add up to more than 2**63")
            count = times
            n = PyBytes_GET_SIZE(word)
            if n > LONGEST_WORD:
                raise OverflowError("a pretoken is longer than 4 GiB")
            p = <const uint8_t*>PyBytes_AS_STRING(word)
            if n <= kShortKey:
                key = short_key_exact(p, n)
                hash = hash_key(key)
                ok = add_key(&self.tables[hash >> PARTITION_SHIFT], key, hash, count)
            else:
                hash = hash_bytes(p, n)
                ok = add_long(&self.tables[hash >> PARTITION_SHIFT], self.arena, p, n, hash, count)
            if not ok:
                raise MemoryError("no memory for the table of distinct words")
            self.pretokens += count

    @property
    def distinct(self):
        """Number of distinct words so far; may be read by another thread for display."""
        cdef uint64_t n = 0
        for p in range(PARTITIONS):
            n += self.tables[p].used
        return n

    cdef int check(self) except -1:
        if self.arena == NULL:
            raise ValueError("this worker's counts were handed over by combine()")
        return 0


# ---------------------------------------------------------------------------------------------------------------------
# Combining.

cdef struct Combine:
    Table** tables      # [worker][partition]
    int n_workers
    int n_threads
    bint* failed


cdef void combine_task(void* context, int thread) noexcept nogil:
    cdef Combine* c = <Combine*>context
    cdef int p = thread, w
    cdef Table* t
    while p < PARTITIONS:
        for w in range(1, c.n_workers):
            t = &c.tables[w][p]
            if not absorb(&c.tables[0][p], t):
                c.failed[0] = True
            table_release(t)
        p += c.n_threads


cdef class WordCounts:
    """Distinct words with their counts; made by :func:`combine`."""

    def __cinit__(self):
        self.arenas = NULL
        self.n_arenas = 0
        for p in range(PARTITIONS):
            self.tables[p].slots = NULL
            self.tables[p].mask = self.tables[p].used = 0

    def __dealloc__(self):
        self.release()

    cdef void release(self) noexcept:
        """Free everything; afterwards there are no words."""
        cdef int a
        for p in range(PARTITIONS):
            table_release(&self.tables[p])
        for a in range(self.n_arenas):
            arena_release(&self.arenas[a])
        free(self.arenas)
        self.arenas = NULL
        self.n_arenas = 0

    cdef uint64_t symbols_at_most(self) noexcept:
        """A bound of the bytes of all distinct words, and so of the merges that can be learned from them."""
        cdef uint64_t n = 0, i
        cdef int a
        for p in range(PARTITIONS):
            n += 15 * self.tables[p].used
        for a in range(self.n_arenas):
            for i in range(self.arenas[a].n_chunks):
                n += self.arenas[a].sizes[i]
        return n

    def __len__(self):
        cdef uint64_t n = 0
        for p in range(PARTITIONS):
            n += self.tables[p].used
        return n

    def items(self):
        """All (word, count) as a list, in no particular order."""
        cdef uint64_t i, length
        cdef const uint8_t* bytes
        cdef list out = []
        for p in range(PARTITIONS):
            if self.tables[p].slots == NULL:
                continue
            for i in range(self.tables[p].mask + 1):
                if self.tables[p].slots[i].hi:
                    bytes = slot_bytes(&self.tables[p].slots[i], &length)
                    word = PyBytes_FromStringAndSize(<const char*>bytes, length)
                    out.append((word, self.tables[p].slots[i].count))
        return out

    def observed_bytes(self):
        """The distinct bytes of all words, ascending."""
        cdef bint seen[256]
        cdef uint64_t i, k, length
        cdef const uint8_t* text
        memset(seen, 0, sizeof(seen))
        for p in range(PARTITIONS):
            if self.tables[p].slots == NULL:
                continue
            for i in range(self.tables[p].mask + 1):
                if self.tables[p].slots[i].hi:
                    text = slot_bytes(&self.tables[p].slots[i], &length)
                    for k in range(length):
                        seen[text[k]] = True
        return bytes([b for b in range(256) if seen[b]])


def combine(list workers not None, int threads=1):
    """Add up the counts of all workers, which lose them."""
    cdef WordCounts out = WordCounts()
    cdef int n = len(workers), w, p
    cdef bint failed = False
    cdef CountWorker worker
    cdef Combine job
    cdef Pool* pool
    if n == 0:
        return out
    if len(set(map(id, workers))) != n:
        raise ValueError("a worker is in the list twice")
    for w in range(n):
        if type(workers[w]) is not CountWorker:
            raise TypeError(f"workers[{w}] is {type(workers[w]).__name__}, expected CountWorker")
    for worker in workers:
        worker.check()
    job.tables = <Table**>malloc(n * sizeof(Table*))
    out.arenas = <Arena*>malloc(n * sizeof(Arena))
    if job.tables == NULL or out.arenas == NULL:
        free(job.tables)
        raise MemoryError()
    for w in range(n):
        worker = workers[w]
        job.tables[w] = worker.tables
        out.arenas[w] = worker.arena[0]
        free(worker.arena)
        worker.arena = NULL
    out.n_arenas = n
    threads = max(1, min(threads, PARTITIONS))
    job.n_workers = n
    job.n_threads = threads
    job.failed = &failed
    pool = new Pool(threads)
    with nogil:
        pool.run(combine_task, &job)
        del pool
    worker = workers[0]
    for p in range(PARTITIONS):
        out.tables[p] = worker.tables[p]
        worker.tables[p].slots = NULL
        worker.tables[p].used = 0
    for w in range(1, n):
        worker = workers[w]
        for p in range(PARTITIONS):
            worker.tables[p].used = 0
    free(job.tables)
    if failed:
        raise MemoryError("no memory for the table of distinct words")
    return out
