"""Every word is merged once more, on its own, rule by rule, and each pair that comes to stand in it is noted.

Merges in one word do not depend on other words. The text holds words that are merged already: the symbols they began
with are those of the tokens' trees. A pair that is no merge never goes into a queue, so the work is that of the merges.
"""

from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset
from libcpp.algorithm cimport pop_heap, push_heap

from bpetk._engine cimport Engine
from bpetk._layout cimport sym_t
from bpetk._native cimport hash_pair, mem_alloc, mem_free
from bpetk._pairs cimport no_pair
from bpetk._piece_rules cimport compare_pairs, may_join, sort_pairs
from bpetk._rescan cimport part_begin
from bpetk._token_strings cimport find_string

cdef struct KeySet:
    uint64_t* keys
    uint64_t mask
    uint64_t n

cdef struct Rank:
    uint64_t key
    uint64_t rank

cdef struct Ranks:
    Rank* slots             # pairs that are merges
    uint64_t mask

cdef struct Replay:
    # One thread's: a word as a list of symbols, and the merges that wait, as ~(rank << 32 | place) in a heap.
    Engine* e
    const Ranks* ranks
    KeySet seen
    uint32_t* symbol        # no_symbol() where a right part was
    uint32_t* before
    uint32_t* after
    uint64_t* waiting
    uint64_t n_waiting
    uint64_t room           # symbols
    bint failed

cdef struct Job:
    Ranks ranks
    Replay* replays


cdef inline uint32_t no_symbol() noexcept nogil:
    return <uint32_t>-1


# ---------------------------------------------------------------------------------------------------------------------
# Tables.


cdef bint set_init(KeySet* s, uint64_t capacity) noexcept nogil:
    s.keys = <uint64_t*>mem_alloc(capacity * 8)
    s.mask = capacity - 1
    s.n = 0
    if s.keys != NULL:
        memset(s.keys, 0xFF, capacity * 8)
    return s.keys != NULL


cdef void set_release(KeySet* s) noexcept nogil:
    mem_free(s.keys, (s.mask + 1) * 8)
    s.keys = NULL


cdef bint set_grow(KeySet* s) noexcept nogil:
    cdef KeySet bigger
    cdef uint64_t i, j
    if not set_init(&bigger, (s.mask + 1) * 2):
        return False
    for i in range(s.mask + 1):
        if s.keys[i] != no_pair():
            j = hash_pair(s.keys[i]) & bigger.mask
            while bigger.keys[j] != no_pair():
                j = (j + 1) & bigger.mask
            bigger.keys[j] = s.keys[i]
    bigger.n = s.n
    set_release(s)
    s[0] = bigger
    return True


cdef inline bint set_add(KeySet* s, uint64_t key) noexcept nogil:
    cdef uint64_t i
    if s.n * 2 > s.mask and not set_grow(s):
        return False
    i = hash_pair(key) & s.mask
    while s.keys[i] != key:
        if s.keys[i] == no_pair():
            s.keys[i] = key
            s.n += 1
            return True
        i = (i + 1) & s.mask
    return True


cdef bint ranks_init(Ranks* r, const Engine* e) noexcept nogil:
    cdef uint64_t size = 64, m, i, key
    while size < 2 * e.n_merges + 2:
        size *= 2
    r.mask = size - 1
    r.slots = <Rank*>mem_alloc(size * sizeof(Rank))
    if r.slots == NULL:
        return False
    memset(r.slots, 0xFF, size * sizeof(Rank))
    for m in range(e.n_merges):
        key = <uint64_t>e.out_left[m] << 32 | e.out_right[m]
        i = hash_pair(key) & r.mask
        while r.slots[i].key != no_pair():
            i = (i + 1) & r.mask
        r.slots[i].key = key
        r.slots[i].rank = m
    return True


cdef inline uint64_t rank_of(const Ranks* r, uint64_t key) noexcept nogil:
    """Rank of a merge; no_pair() for any other pair."""
    cdef uint64_t i = hash_pair(key) & r.mask
    while r.slots[i].key != key and r.slots[i].key != no_pair():
        i = (i + 1) & r.mask
    return r.slots[i].rank if r.slots[i].key == key else no_pair()


# ---------------------------------------------------------------------------------------------------------------------
# Merging one word.


cdef void replay_release(Replay* r) noexcept nogil:
    mem_free(r.symbol, r.room * 4)
    mem_free(r.before, r.room * 4)
    mem_free(r.after, r.room * 4)
    mem_free(r.waiting, r.room * 24)
    r.symbol = r.before = r.after = NULL
    r.waiting = NULL


cdef bint replay_room(Replay* r, uint64_t n) noexcept nogil:
    """Room for a word of n symbols. It has n - 1 pairs at first, and each of its merges adds at most two."""
    if n <= r.room:
        return True
    replay_release(r)
    r.room = n * 2
    r.symbol = <uint32_t*>mem_alloc(r.room * 4)
    r.before = <uint32_t*>mem_alloc(r.room * 4)
    r.after = <uint32_t*>mem_alloc(r.room * 4)
    r.waiting = <uint64_t*>mem_alloc(r.room * 24)
    return r.symbol != NULL and r.before != NULL and r.after != NULL and r.waiting != NULL


cdef inline void note(Replay* r, uint64_t place, uint32_t x, uint32_t y) noexcept nogil:
    """x and y stand side by side, x at `place`."""
    cdef uint64_t key = <uint64_t>x << 32 | y, rank = rank_of(r.ranks, key)
    if rank != no_pair():
        r.waiting[r.n_waiting] = ~(rank << 32 | place)
        r.n_waiting += 1
        push_heap(r.waiting, r.waiting + r.n_waiting)
    elif may_join(&r.e.pieces, x, y):
        r.failed = not set_add(&r.seen, key) or r.failed


cdef void merge_word(Replay* r, uint64_t n) noexcept nogil:
    """Merge r.symbol[0:n]. Ranks rise as the merges go on, since a merge makes pairs of later merges only."""
    cdef Engine* e = r.e
    cdef uint64_t i, rank, p, q
    cdef uint32_t z
    for i in range(n):
        r.before[i] = <uint32_t>(i - 1)
        r.after[i] = <uint32_t>(i + 1)
    for i in range(n - 1):
        note(r, i, r.symbol[i], r.symbol[i + 1])
    while r.n_waiting:
        i = ~r.waiting[0]
        pop_heap(r.waiting, r.waiting + r.n_waiting)
        r.n_waiting -= 1
        rank = i >> 32
        p = <uint32_t>i
        q = r.after[p]
        if r.symbol[p] != e.out_left[rank] or q >= n or r.symbol[q] != e.out_right[rank]:
            continue
        z = e.out_new[rank]
        r.symbol[p] = z
        r.symbol[q] = no_symbol()
        r.after[p] = r.after[q]
        if r.after[q] < n:
            r.before[r.after[q]] = <uint32_t>p
            note(r, p, z, r.symbol[r.after[q]])
        if p:
            note(r, r.before[p], r.symbol[r.before[p]], z)


cdef uint64_t unmerge(const Engine* e, uint32_t id, uint32_t* out, uint64_t at) noexcept nogil:
    """Write the symbols that a token was made of; recursion is as deep as its tree, at most its length."""
    if e.child_left[id] == e.capacity:
        out[at] = id
        return at + 1
    return unmerge(e, e.child_right[id], out, unmerge(e, e.child_left[id], out, at))


cdef void replay_part(Replay* r, int worker, const sym_t* sym) noexcept nogil:
    cdef Engine* e = r.e
    cdef uint64_t p = part_begin(e, worker), end = part_begin(e, worker + 1), start, n
    while p < end and not e.cancelled and not r.failed:
        start = p
        while sym[p] != e.separator:
            p += e.length[sym[p]]
        # A token covers as many places as it has symbols.
        if p - start > 1:
            if p - start >= no_symbol() or not replay_room(r, p - start):
                r.failed = True
                return
            n = 0
            while start < p:
                n = unmerge(e, sym[start], r.symbol, n)
                start += e.length[sym[start]]
            merge_word(r, n)
        p += 1


cdef void replay_task(void* context, int worker) noexcept nogil:
    cdef Replay* r = &(<Job*>context).replays[worker]
    if r.e.text.wide:
        replay_part(r, worker, <uint32_t*>r.e.text.sym)
    else:
        replay_part(r, worker, <uint16_t*>r.e.text.sym)


# ---------------------------------------------------------------------------------------------------------------------
# All of them.


cdef uint64_t choose(const Engine* e, uint64_t* keys, uint64_t n) noexcept nogil:
    """Of sorted keys, move those with a new string to the front; how many, at most as many as are wanted."""
    cdef uint64_t i, chosen = 0, hash
    cdef uint32_t a, b
    for i in range(n):
        if chosen == e.target - e.strings:
            break
        a = <uint32_t>(keys[i] >> 32)
        b = <uint32_t>keys[i]
        hash = e.string_hash[a] * e.string_power[b] + e.string_hash[b]
        if find_string(e, hash, a, b) != e.capacity:
            continue
        if chosen and compare_pairs(&e.pieces, keys[chosen - 1], keys[i]) == 0:
            continue
        keys[chosen] = keys[i]
        chosen += 1
    return chosen


cdef int gather(Engine* e, Job* job, uint64_t** keys_out, uint64_t* n_out) noexcept nogil:
    cdef uint64_t total = 0, n = 0, i
    cdef uint64_t* keys
    cdef KeySet* seen
    cdef int t
    for t in range(e.n_workers):
        if job.replays[t].failed:
            return -1
        total += job.replays[t].seen.n
    keys = <uint64_t*>malloc(total * 8 + 8)
    if keys == NULL:
        return -1
    for t in range(e.n_workers):
        seen = &job.replays[t].seen
        for i in range(seen.mask + 1):
            if seen.keys[i] != no_pair():
                keys[n] = seen.keys[i]
                n += 1
    if not sort_pairs(&e.pieces, keys, n):
        free(keys)
        return -1
    n = choose(e, keys, n)
    keys_out[0] = <uint64_t*>mem_alloc(n * 8)
    if keys_out[0] != NULL:
        memcpy(keys_out[0], keys, n * 8)
        n_out[0] = n
    free(keys)
    return 0 if keys_out[0] != NULL else -1


cdef int find_fillers(Engine* e, uint64_t** keys_out, uint64_t* n_out) noexcept nogil:
    cdef Job job
    cdef int t, status = -1
    cdef bint fine = True
    job.ranks.slots = NULL
    job.ranks.mask = 0
    job.replays = <Replay*>mem_alloc(e.n_workers * sizeof(Replay))
    if job.replays == NULL:
        return -1
    for t in range(e.n_workers):
        job.replays[t].e = e
        job.replays[t].ranks = &job.ranks
        fine = set_init(&job.replays[t].seen, 1 << 12) and fine
    if fine and ranks_init(&job.ranks, e):
        e.pool.run(replay_task, &job)
        if not e.cancelled:
            status = gather(e, &job, keys_out, n_out)
    for t in range(e.n_workers):
        replay_release(&job.replays[t])
        set_release(&job.replays[t].seen)
    mem_free(job.replays, e.n_workers * sizeof(Replay))
    mem_free(job.ranks.slots, (job.ranks.mask + 1) * sizeof(Rank))
    return status
