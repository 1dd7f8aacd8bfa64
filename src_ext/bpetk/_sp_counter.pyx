"""Counting the words of sentences as SentencePiece's trainer does: skip, normalize, put barriers, cut at U+2581.

A sentence is a line without its LF, or an item. Where the text of a meta piece or the delimiter stands, the words get
the byte 0x1F, which no piece contains. Words go into the tables of a `CountWorker`, so its `combine` joins threads, and
the characters are counted from the distinct words afterwards. Nothing depends on threads or on how text was cut into
calls. Plain twin: tests/native/test_sp_counter.py."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memchr, memmove

from bpetk._added_tokens cimport Matcher
from bpetk._counter cimport PARTITION_SHIFT, PARTITIONS, CountWorker, WordCounts
from bpetk._native cimport (
    Pool, hash_bytes, hash_key, kShortKey, mem_alloc, mem_free, prefetch_write, short_key, text_release,
    utf8_decode, utf8_first_error,
)
from bpetk._sp_normalizer cimport Normalizer, symbol_matcher
from bpetk._word_table cimport Slot, Table, add_key, add_long, slot_bytes

cdef enum:
    BARRIER = 0x1F
    LF = 10
    CODE_POINTS = 0x110000

cdef enum Status:
    GOOD = 0
    NO_MEMORY = 1
    TOO_LONG = 2
    TOO_MANY = 3
    HAS_SPACE = 4

cdef uint64_t LONGEST_WORD = 0xFFFFFFFF     # a record holds its length in 32 bits
cdef uint64_t MOST = (<uint64_t>1 << 63) - 1

# ---------------------------------------------------------------------------------------------------------------------
# Words.


cdef Status flush(SpCounter c, uint64_t count) noexcept nogil:
    """Count the batched words."""
    cdef int k
    cdef ShortWord* word
    for k in range(c.batched):
        word = &c.batch[k]
        if not add_key(&c.worker.tables[word.hash >> PARTITION_SHIFT], word.key, word.hash, count):
            return NO_MEMORY
    c.batched = 0
    return GOOD


cdef Status add_word(SpCounter c, const uint8_t* p, size_t n, uint64_t count) noexcept nogil:
    """Count the word p[0..n), n > 0. SAFETY: 16 bytes are readable at its end."""
    cdef ShortWord* word
    cdef Table* table
    cdef uint64_t hash
    c.worker.pretokens += count
    if n > kShortKey:
        if n > LONGEST_WORD:
            return TOO_LONG
        hash = hash_bytes(p, n)
        if not add_long(&c.worker.tables[hash >> PARTITION_SHIFT], c.worker.arena, p, n, hash, count):
            return NO_MEMORY
        return GOOD
    word = &c.batch[c.batched]
    word.key = short_key(p, n)
    word.hash = hash_key(word.key)
    table = &c.worker.tables[word.hash >> PARTITION_SHIFT]
    prefetch_write(&table.slots[word.hash & table.mask])
    c.batched += 1
    return flush(c, count) if c.batched == BATCH else GOOD


cdef inline bint space_at(const uint8_t* p, size_t i, size_t n) noexcept nogil:
    """Whether U+2581 stands at p[i]."""
    return i + 3 <= n and p[i] == 0xE2 and p[i + 1] == 0x96 and p[i + 2] == 0x81


cdef Status add_words(SpCounter c, const uint8_t* p, size_t n, uint64_t count) noexcept nogil:
    """Cut normalized text, n > 0, into words and count them."""
    cdef size_t start = 0, i = 0, cut, run_end
    cdef Status status
    if not c.splits:
        i = n
    while i < n:
        if p[i] != 0xE2:
            i += 1
            continue
        if not space_at(p, i, n):
            i += 3
            continue
        run_end = i + 3
        while c.whitespace_only and space_at(p, run_end, n):
            run_end += 3
        cut = run_end if c.suffix else i
        i = run_end
        if start < cut < n:
            status = add_word(c, p + start, cut - start, count)
            if status != GOOD:
                return status
            start = cut
    return add_word(c, p + start, n - start, count)


# ---------------------------------------------------------------------------------------------------------------------
# Sentences.


cdef size_t put_barriers(Matcher matcher, uint8_t* p, size_t n) noexcept nogil:
    """Replace every match by one byte; the new length."""
    cdef size_t at = 0, put = 0, start, end = 0
    cdef uint32_t index
    while at < n:
        start = matcher.find(p, n, at, &end, &index)
        if put != at:
            memmove(p + put, p + at, start - at)
        put += start - at
        if start == n:
            break
        p[put] = BARRIER
        put += 1
        at = end
    return put


cdef Status add_sentence(SpCounter c, const uint8_t* p, size_t n, bint marked, uint64_t count) noexcept nogil:
    """Count the words of the sentence p[0..n); `marked`: it has a U+2585."""
    c.sentences += 1
    if n == 0:
        c.skipped_empty += 1
        return GOOD
    if n > c.longest:
        c.skipped_long += 1
        return GOOD
    if marked:
        c.skipped_marked += 1
        return GOOD
    c.text.size = 0
    if not c.normalizer.normalize_line(p, n, &c.text):
        return NO_MEMORY
    if not c.normalizer.spaces.escape and memchr(c.text.data, c" ", c.text.size) != NULL:
        return HAS_SPACE
    if c.replaces_meta:
        c.text.size = put_barriers(c.meta, c.text.data, c.text.size)
    if c.replaces_delimiter:
        c.text.size = put_barriers(c.delimiter, c.text.data, c.text.size)
    if c.text.size == 0:
        c.skipped_blank += 1
        return GOOD
    if count > (MOST - c.weight) / c.text.size:
        return TOO_MANY
    c.weight += count * c.text.size
    return add_words(c, c.text.data, c.text.size, count)


cdef Status add_item(SpCounter c, const uint8_t* p, size_t n, uint64_t count) noexcept nogil:
    """Count one sentence that is no part of a larger text."""
    cdef size_t end
    cdef uint32_t index
    # The search may cost more than all else, and what is skipped before needs none.
    cdef bint marked = n <= c.longest and c.mark.find(p, n, 0, &end, &index) < n
    return add_sentence(c, p, n, marked, count)


cdef Status add_lines(
    SpCounter c, const uint8_t* s, size_t start, size_t stop, bint final, size_t* done_out
) noexcept nogil:
    """Count the lines of s[start..stop), the last one without a LF only if final; where counting ended."""
    cdef size_t at = start, end, mark = start, mark_end
    cdef uint32_t index
    cdef const uint8_t* found
    cdef Status status = GOOD
    if start < stop:
        mark = c.mark.find(s, stop, start, &mark_end, &index)
    while at < stop and status == GOOD:
        found = <const uint8_t*>memchr(s + at, LF, stop - at)
        if found == NULL and not final:
            break
        end = found - s if found != NULL else stop
        if mark < at:
            mark = c.mark.find(s, stop, at, &mark_end, &index)
        status = add_sentence(c, s + at, end - at, mark < end, 1)
        at = end + 1 if found != NULL else stop
    done_out[0] = at
    return status


cdef int settle(SpCounter c, Status status) except -1:
    if status == NO_MEMORY:
        raise MemoryError("no memory for the table of distinct words")
    if status == TOO_LONG:
        raise OverflowError("a word is longer than 4 GiB")
    if status == TOO_MANY:
        raise OverflowError("the counts of all sentences, times their bytes, add up to more than 2**63")
    if status == HAS_SPACE:
        raise ValueError(
            f"a normalized sentence has a space (sentence {c.sentences:,}), which no piece may contain: "
            "leave escape_whitespaces on"
        )
    return 0


cdef class SpCounter:
    """Counts the words of sentences in the tables of ``worker``. Not safe to share between threads."""

    def __cinit__(
        self, Normalizer normalizer not None, *, uint64_t max_sentence_length, list meta not None,
        bytes delimiter not None, bint split_by_whitespace, bint suffix, bint whitespace_only,
    ):
        for text in meta:
            if type(text) is not bytes or not text:
                raise TypeError(f"text of a meta piece is {text!r}, expected bytes, not empty")
        for text in (*meta, delimiter):
            if utf8_first_error(text, len(text)) != <size_t>len(text):
                raise ValueError(f"{text!r}, text of a meta piece or delimiter, is not UTF-8")
        self.worker = CountWorker("none", lines=True)
        self.normalizer = normalizer
        self.meta = symbol_matcher(meta)
        self.replaces_meta = self.meta is not None
        self.delimiter = symbol_matcher([delimiter] if delimiter else [])
        self.replaces_delimiter = self.delimiter is not None
        self.mark = symbol_matcher([b"\xe2\x96\x85"])
        self.longest = max_sentence_length if max_sentence_length else <uint64_t>-1
        self.splits = split_by_whitespace
        self.suffix = suffix
        self.whitespace_only = whitespace_only

    def __dealloc__(self):
        text_release(&self.text)

    def feed(self, data, size_t start, size_t stop, bint final):
        """Count the lines of ``data[start:stop]``, which begins at the start of a line; return where counting ended.

        When not ``final``, what follows the last LF is left.
        """
        cdef const uint8_t[::1] view = data
        cdef size_t done = start
        cdef Status status, flushed
        if start >= stop:
            return start
        if stop > <size_t>view.shape[0]:
            raise ValueError("stop is past the end of data")
        self.worker.check()
        with nogil:
            status = add_lines(self, &view[0], start, stop, final, &done)
            flushed = flush(self, 1)
        settle(self, flushed if status == GOOD else status)
        return done

    def feed_sentences(self, list sentences not None):
        """Count each of a list of byte strings as a sentence; LFs inside are characters."""
        cdef Py_ssize_t n = len(sentences), i
        cdef const uint8_t** starts
        cdef size_t* sizes
        cdef Status status = GOOD, flushed = GOOD
        self.worker.check()
        starts = <const uint8_t**>malloc(n * sizeof(void*) + 1)
        sizes = <size_t*>malloc(n * sizeof(size_t) + 1)
        try:
            if starts == NULL or sizes == NULL:
                raise MemoryError()
            for i in range(n):
                item = sentences[i]
                if type(item) is not bytes:
                    raise TypeError(f"sentence {i} is {type(item).__name__}, expected bytes")
                starts[i] = <const uint8_t*>PyBytes_AS_STRING(item)
                sizes[i] = PyBytes_GET_SIZE(item)
            with nogil:
                for i in range(n):
                    if status == GOOD:
                        status = add_item(self, starts[i], sizes[i], 1)
                flushed = flush(self, 1)
        finally:
            free(starts)
            free(sizes)
        settle(self, flushed if status == GOOD else status)

    def feed_counted(self, bytes sentence not None, count):
        """Count a sentence ``count`` times."""
        cdef uint64_t times
        cdef Status status
        if count < 1:
            raise ValueError(f"count of {sentence[:40]!r} is {count}, expected at least 1")
        if count > MOST:
            raise OverflowError(f"count of {sentence[:40]!r} is {count}, expected less than 2**63")
        self.worker.check()
        times = count
        status = add_item(self, <const uint8_t*>PyBytes_AS_STRING(sentence), PyBytes_GET_SIZE(sentence), times)
        if status == GOOD:
            status = flush(self, times)
        settle(self, status)


# ---------------------------------------------------------------------------------------------------------------------
# Characters.

cdef struct Characters:
    const Table* tables
    uint64_t** counts       # of each thread, by code point
    int n_threads


cdef void characters_task(void* context, int thread) noexcept nogil:
    cdef Characters* job = <Characters*>context
    cdef uint64_t* counts = job.counts[thread]
    cdef const Slot* slot
    cdef const uint8_t* text
    cdef uint64_t i, at, n
    cdef uint32_t code_point
    cdef unsigned length
    cdef int p = thread
    while p < PARTITIONS:
        if job.tables[p].slots != NULL:
            for i in range(job.tables[p].mask + 1):
                slot = &job.tables[p].slots[i]
                if slot.hi == 0:
                    continue
                text = slot_bytes(slot, &n)
                at = 0
                while at < n:
                    code_point = 0xFFFD     # for a byte of no character, which normalized text does not have
                    length = utf8_decode(text + at, n - at, &code_point)
                    counts[code_point] += slot.count
                    at += length if length else 1
        p += job.n_threads


def code_points(WordCounts words not None, int threads=1):
    """How often each code point occurs in all words, by code point; U+0000 is left out."""
    cdef Characters job
    cdef uint64_t* counts[PARTITIONS]
    cdef uint64_t total
    cdef int code_point, t
    cdef bint good = True
    cdef Pool* pool
    cdef dict out = {}
    threads = max(1, min(threads, PARTITIONS))
    job.tables = words.tables
    job.counts = counts
    job.n_threads = threads
    for t in range(threads):
        counts[t] = <uint64_t*>mem_alloc(CODE_POINTS * sizeof(uint64_t))
        good = good and counts[t] != NULL
    try:
        if not good:
            raise MemoryError("no memory for the counts of characters")
        pool = new Pool(threads)
        with nogil:
            pool.run(characters_task, &job)
            del pool
        for code_point in range(1, CODE_POINTS):
            total = 0
            for t in range(threads):
                total += counts[t][code_point]
            if total:
                out[code_point] = total
    finally:
        for t in range(threads):
            mem_free(counts[t], CODE_POINTS * sizeof(uint64_t))
    return out
