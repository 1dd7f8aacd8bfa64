"""MergeLoop: training from word counts, as Python sees it. The steps are in _loop."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from bpetk._counter cimport WordCounts
from bpetk._engine cimport Engine, Worker
from bpetk._filler_pieces cimport find_fillers
from bpetk._layout cimport CODE_POINTS, layout_release, layout_words
from bpetk._loop cimport (
    EXHAUSTED, FULL, NO_MEMORY, RUNNING, STRING_MADE_TWICE, TOO_BIG, TOO_RARE, birth_cutoff, run_merges
)
from bpetk._native cimport Pool, mem_alloc, mem_alloc_now, mem_free
from bpetk._pairs cimport ListArena, list_arena_release, pairs_init, pairs_release
from bpetk._piece_rules cimport is_digit, piece_text, pieces_init, pieces_release, set_rules
from bpetk._queue cimport queue_init, queue_release
from bpetk._rescan cimport first_scan
from bpetk._survey cimport script_sums
from bpetk._token_strings cimport hash_base, keep_hash

cdef enum:
    MOST_IDS = 0x7FFFFFF0

_STOP = {
    FULL: "vocab_size", EXHAUSTED: "no_more_pairs", TOO_RARE: "min_frequency",
    STRING_MADE_TWICE: "string_made_twice",
}


cdef class MergeLoop:
    """Trains on word counts, which it uses up. Call :meth:`run` until :attr:`stop` is not None.

    Symbols are bytes, in HuggingFace's order; :meth:`of_characters` makes a loop of code points in SentencePiece's. One
    thread at a time may use it; only :meth:`cancel` is for others.
    """

    cdef Engine e
    cdef bint ready
    cdef readonly object stop
    cdef uint64_t merge_room
    cdef uint32_t byte_ids[256]
    cdef uint32_t* code_point_ids   # plus one; until the words are laid out
    cdef WordCounts words           # likewise
    cdef uint64_t* filler_keys
    cdef uint64_t n_fillers
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
        if capacity > MOST_IDS:
            raise OverflowError(f"vocab_size {vocab_size} is too large, the limit is {MOST_IDS}")
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

    @staticmethod
    def of_characters(
        WordCounts words not None, *, list characters, uint64_t pieces, const uint8_t[::1] scripts=None,
        int max_length=16, bint split_by_whitespace=True, bint suffix=False, bint whitespace_only=False,
        bint split_digits=False, bint split_by_number=True, int threads=1, bint wide_symbols=False,
        bint wide_positions=False, int64_t first_cutoff=0, uint64_t parallel_from=1000,
    ):
        """Make a loop that learns up to ``pieces`` SentencePiece pieces of at most ``max_length`` code points.

        characters: code points that may be in pieces; their place is their id, and all others keep pieces apart.
        scripts: by code point, a number that all characters of a piece share, 0 for those that take the number before
        them; None: no matter. suffix: U+2581 stands at the end of words, else at the start. split_digits: digits are in
        no piece. Without split_by_number anything may follow a digit. whitespace_only: U+2581 alone may be merged.
        """
        cdef uint64_t n = len(characters), i
        cdef uint32_t* codes
        cdef MergeLoop loop
        cdef bint fine
        if pieces > MOST_IDS:
            raise OverflowError(f"pieces must be at most {MOST_IDS}, got {pieces}")
        if <uint64_t>len(set(characters)) != n:
            raise ValueError("characters: a code point is there twice")
        if scripts is not None and scripts.shape[0] != CODE_POINTS:
            raise ValueError(f"scripts must be of {CODE_POINTS} code points, got {scripts.shape[0]}")
        loop = MergeLoop(
            words, byte_ids=[-1] * 256, strings=n, reserved=[], vocab_size=n + pieces, threads=threads,
            wide_symbols=wide_symbols, wide_positions=wide_positions, first_cutoff=first_cutoff,
            parallel_from=parallel_from,
        )
        set_rules(&loop.e.pieces, max_length, split_by_whitespace, suffix, whitespace_only)
        loop.code_point_ids = <uint32_t*>mem_alloc(CODE_POINTS * 4)
        codes = <uint32_t*>mem_alloc(n * 4)
        try:
            if loop.code_point_ids == NULL or codes == NULL:
                raise MemoryError()
            for i in range(n):
                codes[i] = characters[i]
                loop.add_character(codes[i], <uint32_t>i, split_digits)
            fine = pieces_init(
                &loop.e.pieces, <uint64_t>loop.e.capacity + 2, codes, n,
                &scripts[0] if scripts is not None else NULL, not split_by_number
            )
            if not fine:
                raise MemoryError()
        finally:
            mem_free(codes, n * 4)
        loop.e.queue.pieces = &loop.e.pieces
        return loop

    cdef int add_character(self, uint32_t c, uint32_t id, bint split_digits) except -1:
        if c >= CODE_POINTS or 0xD800 <= c < 0xE000 or c in (0, 0x1F, 0x20, 0x2585):
            raise ValueError(f"characters: U+{c:04X} cannot be in a piece")
        if not (split_digits and is_digit(c)):
            self.code_point_ids[c] = id + 1
        self.e.length[id] = 1
        self.e.child_left[id] = self.e.capacity
        self.e.child_right[id] = c
        self.e.made[id] = 1
        self.e.string_hash[id] = c + 1
        self.e.string_power[id] = hash_base()
        keep_hash(&self.e, id)
        return 0

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
        pieces_release(&e.pieces)
        mem_free(self.code_point_ids, CODE_POINTS * 4)
        mem_free(self.filler_keys, self.n_fillers * 8)
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
        cdef int status, part
        if self.words is None:
            return
        words, self.words = self.words, None
        status = layout_words(
            &self.e.text, words, self.byte_ids, self.code_point_ids, self.e.separator, self.e.pool
        )
        mem_free(self.code_point_ids, CODE_POINTS * 4)
        self.code_point_ids = NULL
        if status != 0:
            self.fail("no_memory")
            raise MemoryError("no memory for the words as symbols")
        self.check_cancelled()
        if self.e.text.n_sym + 2 > <uint64_t>0xFFFFFFFF:
            self.e.wide_positions = True
        self.e.position_size = 8 if self.e.wide_positions else 4
        if not self.e.first_cutoff:
            # An eightieth of the mean count of a token. On eight corpora of 5 to 30 MB, 32,000 tokens, the last merge
            # has between a 22nd and a 78th of it; of code points, with words at blanks, down to a 105th.
            part = 80 if self.e.pieces.of == NULL else 120
            self.e.first_cutoff = self.e.text.total_bytes // <int64_t>(part * self.e.target) if self.e.target else 1
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
                if status == EXHAUSTED and self.e.pieces.of != NULL:
                    if find_fillers(&self.e, &self.filler_keys, &self.n_fillers) != 0:
                        status = NO_MEMORY
                    elif self.e.strings + self.n_fillers == self.e.target:
                        status = FULL
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
            if self.e.pieces.of != NULL:
                self.release_text()
        return self.e.n_merges

    cdef void release_text(self) noexcept:
        """Give back the text and its lists, most of all memory, before the pieces become strings."""
        cdef int t
        pairs_release(&self.e.pairs, self.e.position_size)
        for t in range(self.e.n_workers):
            list_arena_release(&self.e.arenas[t])
        layout_release(&self.e.text)

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
        """Size of the vocabulary so far, filler pieces included."""
        return self.e.strings + self.n_fillers

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

    def pieces(self):
        """Strings of the merges, in order, then the filler pieces that no merge made: of a loop of characters only.

        Fillers are there once :attr:`stop` is set, if all merges together are fewer than was asked for.
        """
        cdef uint64_t m, n = self.e.n_merges
        cdef list out
        if self.e.pieces.of == NULL:
            raise ValueError("pieces() is for loops made by of_characters")
        out = [piece_text(&self.e.pieces, self.e.out_new[m]) for m in range(n)]
        for m in range(self.n_fillers):
            left = piece_text(&self.e.pieces, <uint32_t>(self.filler_keys[m] >> 32))
            out.append(left + piece_text(&self.e.pieces, <uint32_t>self.filler_keys[m]))
        return out

    def script_costs(self):
        """Bytes and tokens of the words with a lead byte of U+4000..9FFF, with an ASCII letter, of the rest."""
        cdef int64_t sums[6]
        cdef int status
        if self.e.pieces.of != NULL:
            raise ValueError("script_costs() is for loops of bytes")
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
