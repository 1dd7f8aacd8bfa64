"""The merge loop: exact greedy byte-pair encoding in HuggingFace's order.

Each step takes the pair with the largest count (then smallest left id, then smallest right id). A pair's count is
largest at its birth and all its places are made in that one step, so a pair born below a cutoff gets no list; when
the queue's top falls to the largest count that was left out, the text is scanned again with a lower cutoff. The
cutoff is a guess and changes time and memory only. Reference twin: bpetk/reference/train.py."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.math cimport log10, pow
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from bpetk._counter cimport WordCounts
from bpetk._engine cimport Engine, Worker
from bpetk._layout cimport layout_release, layout_words
from bpetk._merge cimport MERGE_TOO_BIG, merge_pair
from bpetk._native cimport Pool, mem_alloc, mem_alloc_now, mem_free
from bpetk._pairs cimport ListArena, list_arena_release, no_pair, pairs_init, pairs_release
from bpetk._queue cimport queue_init, queue_pop, queue_release, queue_top
from bpetk._rescan cimport first_scan, rescan
from bpetk._survey cimport any_pair, script_sums
from bpetk._token_strings cimport find_string, hash_base, keep_hash

cdef enum:
    RUNNING = 0
    FULL = 1                # the vocabulary has the size asked for
    EXHAUSTED = 2           # no pair left
    TOO_RARE = 3            # the best pair is below min_frequency
    STRING_MADE_TWICE = 4   # see same_string
    NO_MEMORY = -1
    TOO_BIG = -2

cdef enum:
    GUESS_EVERY = 64

_STOP = {
    FULL: "vocab_size", EXHAUSTED: "no_more_pairs", TOO_RARE: "min_frequency",
    STRING_MADE_TWICE: "string_made_twice",
}

# ---------------------------------------------------------------------------------------------------------------------
# The loop.


cdef int64_t guess_last_count(const Engine* e, int64_t top) noexcept nogil:
    """What the count of the last merge will be if counts go on falling as a power of the number of merges.

    Measured at 32,000 tokens on English, Chinese (modern, classical), mixed, code and twenty languages, 5 to 30 MB:
    from the 300th merge to the last the exponent is 1.19 to 1.44, at most 0.57 above that from the 30th to the 300th;
    later starts give exponents up to 0.2 above. A guess too low means longer lists, one too high a re-scan, and each
    re-scan makes the next guess lower."""
    cdef double done = <double>(e.n_merges + 1), all = <double>(e.n_merges + e.target - e.strings + 1)
    cdef double exponent = 1.5
    cdef int64_t guess
    if e.n_merges >= 300:
        exponent = log10(<double>e.out_count[29] / <double>e.out_count[299]) + 0.6
        if exponent > 1.5:
            exponent = 1.5
        exponent += 0.12 * log10(done / 300.0)
    guess = <int64_t>(<double>top * pow(done / all, exponent * (1.0 + 0.25 * <double>e.rescans)))
    return guess if guess > e.min_count else e.min_count


cdef int64_t birth_cutoff(Engine* e, int64_t top) noexcept nogil:
    cdef int64_t cutoff
    if e.n_merges % GUESS_EVERY == 0 or e.n_merges < GUESS_EVERY:
        e.guess = guess_last_count(e, top)
    cutoff = e.guess
    if cutoff < e.first_cutoff:
        cutoff = e.first_cutoff
    if cutoff > e.cutoff_limit:
        cutoff = e.cutoff_limit
    return cutoff if cutoff > e.min_count else e.min_count


cdef int lower_cutoff(Engine* e) noexcept nogil:
    """Scan again so that the pairs now at the top have lists."""
    cdef int64_t cutoff = guess_last_count(e, e.unlisted)
    if cutoff > e.unlisted - e.unlisted // 8:
        cutoff = e.unlisted - e.unlisted // 8
    if cutoff < e.min_count:
        cutoff = e.min_count
    e.cutoff_limit = cutoff
    return rescan(e, cutoff)


cdef int run_merges(Engine* e, uint64_t most, uint64_t work) noexcept nogil:
    """Up to `most` merges, or fewer once `work` list entries have been walked."""
    cdef uint64_t slot, key, walked = 0, until = e.n_merges + most
    cdef int64_t count
    cdef int status
    while e.strings < e.target:
        if e.n_merges >= until or walked > work or e.cancelled:
            return RUNNING
        slot = queue_top(&e.queue, &e.pairs)
        if e.queue.failed:
            return NO_MEMORY
        count = e.pairs.slots[slot].count if slot != no_pair() else 0
        if count <= e.unlisted:
            if count == 0 and e.unlisted == 0:
                # Pairs below min_count are not in the queue.
                return TOO_RARE if e.min_count > 1 and any_pair(e) else EXHAUSTED
            if lower_cutoff(e) != 0:
                return NO_MEMORY
            continue
        if count < e.min_count:
            return TOO_RARE
        queue_pop(&e.queue)
        walked += e.pairs.lists[slot].n
        key = e.pairs.slots[slot].key
        status = one_merge(e, slot, <uint32_t>(key >> 32), <uint32_t>key, count)
        if status != RUNNING:
            return status
    return FULL


cdef int one_merge(Engine* e, uint64_t slot, uint32_t a, uint32_t b, int64_t count) noexcept nogil:
    cdef uint64_t hash = e.string_hash[a] * e.string_power[b] + e.string_hash[b]
    cdef uint32_t z = find_string(e, hash, a, b)
    cdef int status
    if z > e.capacity:
        return NO_MEMORY
    if z == e.capacity:
        z = <uint32_t>e.strings
        e.string_hash[z] = hash
        keep_hash(e, z)
        e.strings += 1
    elif e.made[z]:
        # Needs decorated symbols, which byte-level training has not; noticed all the same, and refused.
        return STRING_MADE_TWICE
    e.string_power[z] = e.string_power[a] * e.string_power[b]
    e.child_left[z] = a
    e.child_right[z] = b
    e.length[z] = e.length[a] + e.length[b]
    e.made[z] = 1
    e.a = a
    e.b = b
    e.z = z
    status = merge_pair(e, slot, birth_cutoff(e, count))
    if status == MERGE_TOO_BIG:
        return TOO_BIG
    if status != 0:
        return NO_MEMORY
    e.out_left[e.n_merges] = a
    e.out_right[e.n_merges] = b
    e.out_new[e.n_merges] = z
    e.out_count[e.n_merges] = count
    e.out_applied[e.n_merges] = e.workers[0].applied
    e.n_merges += 1
    return RUNNING


cdef class MergeLoop:
    """Trains on word counts, which it uses up. Call :meth:`run` until :attr:`stop` is not None.

    One thread at a time may use it; only :meth:`cancel` is for others.
    """

    cdef Engine e
    cdef bint ready
    cdef readonly object stop
    cdef uint64_t merge_room
    cdef uint32_t byte_ids[256]
    cdef WordCounts words       # until they are laid out
    cdef list reserved          # keeps alive what e.given points to

    def __cinit__(
        self, WordCounts words not None, *, list byte_ids, uint64_t strings, reserved, uint64_t vocab_size,
        int64_t min_frequency=0, uint64_t max_token_length=0, int threads=1, bint wide_symbols=False,
        bint wide_positions=False, int64_t first_cutoff=0, uint64_t parallel_from=1000,
    ):
        """byte_ids: id of each of the 256 bytes, -1 for one without; strings: number of ids given so far (they are
        0..strings-1); reserved: (bytes, id) of strings of two bytes and more that have an id already."""
        cdef uint32_t ids[256]
        # Tables are for the ids that there can be: a size far beyond what the text gives must not cost memory.
        cdef uint64_t capacity = max(strings, min(vocab_size, strings + words.symbols_at_most())), size
        cdef int b
        self.stop = None
        self.ready = False
        memset(&self.e, 0, sizeof(Engine))
        if capacity > 0x7FFFFFF0:
            raise OverflowError(f"vocab_size {vocab_size} is too large, the limit is {0x7FFFFFF0}")
        self.e.capacity = self.e.separator = <uint32_t>capacity
        self.e.dead = <uint32_t>capacity + 1
        self.e.min_count = max(1, min_frequency)
        self.e.max_length = max_token_length
        self.e.target = vocab_size
        self.e.strings = strings
        self.e.first_cutoff = first_cutoff
        self.e.parallel_from = parallel_from if parallel_from else 1
        self.e.cutoff_limit = 0x7FFFFFFFFFFFFFFF
        # More threads than the text can occupy would only cost memory.
        self.e.n_workers = max(1, threads)
        if self.e.n_workers > 16 and <uint64_t>self.e.n_workers > words.symbols_at_most() >> 16:
            self.e.n_workers = 16
        self.e.pool = new Pool(self.e.n_workers)
        self.allocate(capacity)
        if len(byte_ids) != 256 or not all(-1 <= i < <int64_t>strings for i in byte_ids):
            raise ValueError(f"byte_ids must be 256 numbers from -1 to {strings - 1}")
        for b in range(256):
            ids[b] = self.e.dead if byte_ids[b] < 0 else byte_ids[b]
            if byte_ids[b] >= 0:
                self.e.length[ids[b]] = 1
                self.e.child_left[ids[b]] = <uint32_t>capacity
                self.e.child_right[ids[b]] = b
                self.e.made[ids[b]] = 1
                self.e.string_hash[ids[b]] = b + 1
                self.e.string_power[ids[b]] = hash_base()
                keep_hash(&self.e, ids[b])
        self.e.length[capacity] = 1
        self.reserved = list(reserved)
        for text, id in self.reserved:
            if type(text) is not bytes or len(text) < 2 or not 0 <= id < <int64_t>strings:
                raise ValueError(f"reserved: expected (bytes, id below {strings}), got {(text, id)!r}")
            self.e.given[id] = <const uint8_t*>PyBytes_AS_STRING(text)
            self.e.given_length[id] = len(text)
            self.e.string_hash[id] = 0
            for byte in text:
                self.e.string_hash[id] = self.e.string_hash[id] * hash_base() + <uint64_t>(byte + 1)
            keep_hash(&self.e, id)
        self.e.text.wide = wide_symbols or capacity + 2 > 0xFFFF
        self.e.text.cancelled = &self.e.cancelled
        self.e.wide_positions = wide_positions
        self.e.position_size = 4
        memcpy(self.byte_ids, ids, sizeof(ids))
        self.words = words
        self.merge_room = capacity - strings
        self.merge_room += len(self.reserved)
        size = self.merge_room * 8 + 8
        self.e.out_left = <uint32_t*>mem_alloc(size)
        self.e.out_right = <uint32_t*>mem_alloc(size)
        self.e.out_new = <uint32_t*>mem_alloc(size)
        self.e.out_count = <int64_t*>mem_alloc(size)
        self.e.out_applied = <int64_t*>mem_alloc(size)
        if (
            self.e.out_left == NULL or self.e.out_right == NULL or self.e.out_new == NULL
            or self.e.out_count == NULL or self.e.out_applied == NULL
        ):
            raise MemoryError()

    cdef int allocate(self, uint64_t capacity) except -1:
        cdef uint64_t table = 1024
        cdef Engine* e = &self.e
        cdef Worker* w
        cdef int t
        while table < 2 * capacity:
            table *= 2
        e.by_hash_mask = table - 1
        e.by_hash = <uint32_t*>mem_alloc_now(table * 4, True)
        e.length = <uint32_t*>mem_alloc((capacity + 2) * 4)
        e.child_left = <uint32_t*>mem_alloc((capacity + 2) * 4)
        e.child_right = <uint32_t*>mem_alloc((capacity + 2) * 4)
        e.made = <uint8_t*>mem_alloc(capacity + 2)
        e.given = <const uint8_t**>mem_alloc((capacity + 2) * 8)
        e.given_length = <uint32_t*>mem_alloc((capacity + 2) * 4)
        e.string_hash = <uint64_t*>mem_alloc((capacity + 2) * 8)
        e.string_power = <uint64_t*>mem_alloc((capacity + 2) * 8)
        e.workers = <Worker*>mem_alloc(e.n_workers * sizeof(Worker))
        e.arenas = <ListArena*>mem_alloc(e.n_workers * sizeof(ListArena))
        if (
            e.by_hash == NULL or e.length == NULL or e.child_left == NULL or e.child_right == NULL or e.made == NULL
            or e.given == NULL or e.given_length == NULL or e.string_hash == NULL or e.string_power == NULL
            or e.workers == NULL or e.arenas == NULL
            or not pairs_init(&e.pairs) or not queue_init(&e.queue)
        ):
            raise MemoryError()
        for t in range(e.n_workers):
            w = &e.workers[t]
            w.left = <uint64_t*>mem_alloc_now((capacity + 2) * 8, True)
            w.right = <uint64_t*>mem_alloc_now((capacity + 2) * 8, True)
            # One more than there are ids, since a neighbour seen before is written one past the end and dropped.
            w.left_seen = <uint32_t*>mem_alloc((capacity + 3) * 4)
            w.right_seen = <uint32_t*>mem_alloc((capacity + 3) * 4)
            if w.left == NULL or w.right == NULL or w.left_seen == NULL or w.right_seen == NULL:
                raise MemoryError()
        return 0

    def __dealloc__(self):
        cdef Engine* e = &self.e
        cdef uint64_t capacity = e.capacity, size = self.merge_room * 8 + 8
        cdef int t
        if e.workers != NULL:
            for t in range(e.n_workers):
                mem_free(e.workers[t].left, (capacity + 2) * 8)
                mem_free(e.workers[t].right, (capacity + 2) * 8)
                mem_free(e.workers[t].left_seen, (capacity + 3) * 4)
                mem_free(e.workers[t].right_seen, (capacity + 3) * 4)
            mem_free(e.workers, e.n_workers * sizeof(Worker))
        pairs_release(&e.pairs, e.position_size)
        queue_release(&e.queue)
        if e.arenas != NULL:
            for t in range(e.n_workers):
                list_arena_release(&e.arenas[t])
            mem_free(e.arenas, e.n_workers * sizeof(ListArena))
        layout_release(&e.text)
        mem_free(e.by_hash, (e.by_hash_mask + 1) * 4)
        mem_free(e.length, (capacity + 2) * 4)
        mem_free(e.child_left, (capacity + 2) * 4)
        mem_free(e.child_right, (capacity + 2) * 4)
        mem_free(e.made, capacity + 2)
        mem_free(e.given, (capacity + 2) * 8)
        mem_free(e.given_length, (capacity + 2) * 4)
        mem_free(e.string_hash, (capacity + 2) * 8)
        mem_free(e.string_power, (capacity + 2) * 8)
        free(e.rec_left)
        free(e.rec_right)
        mem_free(e.out_left, size)
        mem_free(e.out_right, size)
        mem_free(e.out_new, size)
        mem_free(e.out_count, size)
        mem_free(e.out_applied, size)
        del e.pool

    def lay_out(self):
        """Turn the words into symbols, which frees the words; :meth:`run` does it if it was not done before."""
        cdef int status
        if self.words is None:
            return
        words, self.words = self.words, None
        status = layout_words(&self.e.text, words, self.byte_ids, self.e.separator, self.e.pool)
        if status != 0:
            self.fail("no_memory")
            raise MemoryError("no memory for the words as symbols")
        self.check_cancelled()
        if self.e.text.n_sym + 2 > <uint64_t>0xFFFFFFFF:
            self.e.wide_positions = True
        self.e.position_size = 8 if self.e.wide_positions else 4
        if not self.e.first_cutoff:
            # An eightieth of the mean count of a token. On eight corpora of 5 to 30 MB, 32,000 tokens, the last merge
            # has between a 22nd and a 78th of it.
            self.e.first_cutoff = self.e.text.total_bytes // <int64_t>(80 * self.e.target) if self.e.target else 1
            if self.e.first_cutoff < 1:
                self.e.first_cutoff = 1

    def run(self, uint64_t most, uint64_t work=1 << 22):
        """Make merges until there are ``most`` more or ``work`` list entries have been walked; how many there are now.

        The first call also makes the first lists. Raises KeyboardInterrupt after :meth:`cancel`.
        """
        cdef int status = RUNNING
        self.lay_out()
        if self.stop is not None:
            return self.e.n_merges
        with nogil:
            if not self.ready:
                if self.e.strings < self.e.target:
                    status = first_scan(&self.e, birth_cutoff(&self.e, 1))
                self.ready = True
            if status == 0 and not self.e.cancelled:
                status = run_merges(&self.e, most, work)
        self.check_cancelled()
        if status == NO_MEMORY:
            self.fail("no_memory")
            raise MemoryError("no memory for the position lists of the merge loop")
        if status == TOO_BIG:
            self.fail("too_big")
            raise OverflowError(
                "a pair occurs so often in the corpus and in so many distinct words that their product passes 2**64; "
                "split the corpus or sample it"
            )
        if status != RUNNING:
            self.stop = _STOP[status]
        return self.e.n_merges

    def cancel(self):
        """From another thread: make a running :meth:`lay_out` or :meth:`run` end soon. The loop is of no use then."""
        self.e.cancelled = 1

    cdef int check_cancelled(self) except -1:
        if self.e.cancelled:
            self.fail("cancelled")
            raise KeyboardInterrupt("training was cancelled")
        return 0

    cdef void fail(self, str reason) noexcept:
        self.stop = reason

    @property
    def symbols(self):
        """Length of the text as symbols, separators included."""
        return self.e.text.n_sym

    @property
    def merges(self):
        """Merges made so far."""
        return self.e.n_merges

    @property
    def strings(self):
        """Size of the vocabulary so far."""
        return self.e.strings

    @property
    def rescans(self):
        """How often the birth cutoff proved too high and the text was scanned again."""
        return self.e.rescans

    @property
    def total_bytes(self):
        """Bytes of all pretokens, each word as often as it occurs."""
        return self.e.text.total_bytes

    def result(self):
        """Native arrays as bytes: left, right, new (uint32), count, applied (int64), one entry a merge."""
        cdef uint64_t n = self.e.n_merges
        return (
            PyBytes_FromStringAndSize(<const char*>self.e.out_left, n * 4),
            PyBytes_FromStringAndSize(<const char*>self.e.out_right, n * 4),
            PyBytes_FromStringAndSize(<const char*>self.e.out_new, n * 4),
            PyBytes_FromStringAndSize(<const char*>self.e.out_count, n * 8),
            PyBytes_FromStringAndSize(<const char*>self.e.out_applied, n * 8),
        )

    def script_costs(self):
        """Bytes and tokens of the words with a lead byte of U+4000..9FFF, with an ASCII letter, of the rest."""
        cdef int64_t sums[6]
        cdef int status
        self.lay_out()
        with nogil:
            status = script_sums(&self.e, sums)
        if status != 0:
            raise MemoryError()
        latin, other = self.e.text.single_latin, self.e.text.single_other
        return {
            "han": (sums[0], sums[1]),
            "latin": (sums[2] + latin, sums[3] + latin),
            "other": (sums[4] + other, sums[5] + other),
        }
