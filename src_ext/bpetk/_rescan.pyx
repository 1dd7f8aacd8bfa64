"""Counting all adjacent pairs of the text and listing the places of those at or above a cutoff.

first_scan knows that every symbol is one of at most 256 bytes and counts in a dense square (code points are for rescan,
too). rescan buckets the places
by left symbol (a counting sort), then settles one left symbol after the other with a dense array over right symbols:
no hashing of pairs, and threads share nothing. Both write positions in ascending order for any number of threads."""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc

from bpetk._layout cimport class_at, sym_t
from bpetk._native cimport mem_alloc, mem_alloc_now, mem_free
from bpetk._pairs cimport list_alloc, no_pair, pairs_add, pairs_find
from bpetk._queue cimport queue_push, queue_rewind
from bpetk._engine cimport Engine

ctypedef fused pos_t:
    uint32_t
    uint64_t

cdef enum:
    SIDE = 257                      # 256 bytes and the separator
    SQUARE = SIDE * SIDE

# ---------------------------------------------------------------------------------------------------------------------
# At the start.

cdef struct Square:
    int64_t weight[SQUARE]          # of pairs in words that occur more than once
    uint64_t often[SQUARE]          # places in such words
    uint64_t once[SQUARE]           # places in words that occur once; later: write address of the pair, or 0

cdef struct FirstScan:
    Engine* e
    Square* squares                 # one a thread
    uint16_t* index                 # by id: 0..255, separator 256


cdef uint64_t share_of(const Engine* e, int worker) noexcept nogil:
    """Start of a thread's range of positions; pairs belong to where they start, so any cut will do."""
    return 1 + (e.text.n_sym - 1) * worker // e.n_workers


cdef void count_range(FirstScan* f, int worker, const sym_t* sym) noexcept nogil:
    cdef Engine* e = f.e
    cdef Square* square = &f.squares[worker]
    cdef const uint16_t* index = f.index
    cdef uint64_t p = share_of(e, worker), end = share_of(e, worker + 1), stop, klass
    cdef uint32_t x, y
    cdef int64_t weight
    if p >= end:
        return
    klass = class_at(&e.text, p)
    x = index[sym[p]]
    # The last position is a separator and starts no pair.
    if end == e.text.n_sym:
        end -= 1
    while p < end:
        if e.cancelled:
            return
        stop = e.text.bounds[klass + 1]
        if stop > end:
            stop = end
        weight = e.text.weights[klass]
        if weight == 1:
            while p < stop:
                p += 1
                y = index[sym[p]]
                square.once[x * SIDE + y] += 1
                x = y
        else:
            while p < stop:
                p += 1
                y = index[sym[p]]
                square.weight[x * SIDE + y] += weight
                square.often[x * SIDE + y] += 1
                x = y
        klass += 1


cdef void list_range(FirstScan* f, int worker, const sym_t* sym, const pos_t* kind) noexcept nogil:
    cdef Engine* e = f.e
    cdef uint64_t* address = f.squares[worker].once
    cdef const uint16_t* index = f.index
    cdef uint64_t p = share_of(e, worker), end = share_of(e, worker + 1), to
    cdef uint32_t x, y
    if p >= end:
        return
    if end == e.text.n_sym:
        end -= 1
    x = index[sym[p]]
    while p < end:
        y = index[sym[p + 1]]
        to = address[x * SIDE + y]
        if to:
            (<pos_t*>to)[0] = <pos_t>p
            address[x * SIDE + y] = to + sizeof(pos_t)
        x = y
        p += 1


cdef void count_task(void* context, int worker) noexcept nogil:
    cdef FirstScan* f = <FirstScan*>context
    if f.e.text.wide:
        count_range(f, worker, <uint32_t*>f.e.text.sym)
    else:
        count_range(f, worker, <uint16_t*>f.e.text.sym)


cdef void list_task(void* context, int worker) noexcept nogil:
    cdef FirstScan* f = <FirstScan*>context
    cdef Engine* e = f.e
    if e.text.wide:
        if e.wide_positions:
            list_range(f, worker, <uint32_t*>e.text.sym, <uint64_t*>NULL)
        else:
            list_range(f, worker, <uint32_t*>e.text.sym, <uint32_t*>NULL)
    elif e.wide_positions:
        list_range(f, worker, <uint16_t*>e.text.sym, <uint64_t*>NULL)
    else:
        list_range(f, worker, <uint16_t*>e.text.sym, <uint32_t*>NULL)


cdef int register_squares(FirstScan* f, const uint32_t* id_of, int64_t cutoff) noexcept nogil:
    """Register every pair at or above the cutoff and turn its counts into write addresses, thread after thread."""
    cdef Engine* e = f.e
    cdef int x, y, t
    cdef uint64_t at, n, places, key
    cdef int64_t weight
    cdef void* positions
    cdef char* to
    for x in range(SIDE):
        for y in range(SIDE):
            at = x * SIDE + y
            weight = 0
            n = 0
            for t in range(e.n_workers):
                weight += f.squares[t].weight[at] + <int64_t>f.squares[t].once[at]
                n += f.squares[t].often[at] + f.squares[t].once[at]
            to = NULL
            if n and x < 256 and y < 256 and weight >= e.min_count:
                if weight < cutoff:
                    if weight > e.unlisted:
                        e.unlisted = weight
                else:
                    key = <uint64_t>id_of[x] << 32 | id_of[y]
                    positions = list_alloc(e.arenas, n, e.position_size)
                    if positions == NULL or not pairs_add(
                        &e.pairs, e.arenas, key, weight, positions, n, e.position_size
                    ):
                        return -1
                    queue_push(&e.queue, weight, key)
                    to = <char*>positions
            for t in range(e.n_workers):
                places = f.squares[t].often[at] + f.squares[t].once[at]
                f.squares[t].once[at] = <uint64_t>to
                if to != NULL:
                    to += places * e.position_size
    return 0


cdef int first_scan(Engine* e, int64_t cutoff) noexcept nogil:
    cdef FirstScan f
    cdef uint32_t id_of[256]
    cdef uint32_t id, n = 0
    cdef int status = -1
    if e.pieces.of != NULL:
        status = rescan(e, cutoff)
        e.rescans = 0
        return status
    f.e = e
    f.squares = <Square*>mem_alloc_now(e.n_workers * sizeof(Square), True)
    f.index = <uint16_t*>mem_alloc((e.capacity + 2) * sizeof(uint16_t))
    if f.squares != NULL and f.index != NULL:
        # Ids of bytes are those whose child_left is the capacity; there are at most 256 of them.
        for id in range(e.capacity):
            if e.made[id] and e.child_left[id] == e.capacity:
                id_of[n] = id
                f.index[id] = <uint16_t>n
                n += 1
        f.index[e.separator] = 256
        e.pool.run(count_task, &f)
        # Asked once: counting ends early when cancelled, and lists sized by its counts would be too short.
        if e.cancelled:
            status = 0
        else:
            status = register_squares(&f, id_of, cutoff)
            if status == 0:
                e.pool.run(list_task, &f)
    mem_free(f.squares, e.n_workers * sizeof(Square))
    mem_free(f.index, (e.capacity + 2) * sizeof(uint16_t))
    return status


# ---------------------------------------------------------------------------------------------------------------------
# Later.

cdef struct Found:
    uint64_t key
    int64_t count
    void* positions
    uint64_t n

cdef struct Range:
    uint64_t begin
    uint64_t end
    uint64_t* places                # by id: places of the symbol with a right neighbour; later: where the next one goes
    int64_t* weight                 # by id: their weight
    int64_t* sums                   # by right id, zero between left symbols
    uint64_t* counts
    uint32_t* seen
    Found* found
    uint64_t n_found
    uint64_t found_room
    int64_t unlisted
    int worker
    bint failed

cdef struct Rescan:
    Engine* e
    Range* ranges
    int64_t cutoff
    uint64_t* base                  # by id (and one more): start of its bucket
    bint* heavy                     # by id: weight at or above the cutoff
    void* places                    # buckets of positions ...
    void* rights                    # ... and of right symbols


cdef void survey(Rescan* r, Range* part, const sym_t* sym) noexcept nogil:
    cdef Engine* e = r.e
    cdef uint64_t p = part.begin, next_p, klass, bound
    cdef uint32_t x
    cdef int64_t weight
    if p >= part.end:
        return
    klass = class_at(&e.text, p)
    bound = e.text.bounds[klass + 1]
    weight = e.text.weights[klass]
    while p < part.end and not e.cancelled:
        x = sym[p]
        next_p = p + e.length[x]
        if x != e.separator and sym[next_p] != e.separator:
            if p >= bound:
                klass = class_at(&e.text, p)
                bound = e.text.bounds[klass + 1]
                weight = e.text.weights[klass]
            part.places[x] += 1
            part.weight[x] += weight
        p = next_p


cdef void bucket(Rescan* r, Range* part, const sym_t* sym, pos_t* places) noexcept nogil:
    cdef Engine* e = r.e
    cdef uint64_t p = part.begin, next_p, to
    cdef uint32_t x
    cdef sym_t* rights = <sym_t*>r.rights
    while p < part.end and not e.cancelled:
        x = sym[p]
        next_p = p + e.length[x]
        if r.heavy[x] and sym[next_p] != e.separator:
            to = part.places[x]
            part.places[x] = to + 1
            places[to] = <pos_t>p
            rights[to] = sym[next_p]
        p = next_p


cdef bint note(Range* part, uint64_t key, int64_t count, void* positions, uint64_t n) noexcept nogil:
    cdef void* grown
    if part.n_found == part.found_room:
        grown = realloc(part.found, (part.found_room * 2 + 1024) * sizeof(Found))
        if grown == NULL:
            return False
        part.found = <Found*>grown
        part.found_room = part.found_room * 2 + 1024
    part.found[part.n_found].key = key
    part.found[part.n_found].count = count
    part.found[part.n_found].positions = positions
    part.found[part.n_found].n = n
    part.n_found += 1
    return True


cdef void settle_left(Rescan* r, Range* part, uint32_t x, const sym_t* rights, const pos_t* places) noexcept nogil:
    """All pairs with left symbol x."""
    cdef Engine* e = r.e
    cdef uint64_t i, begin = r.base[x], end = r.base[x + 1], klass, bound, key, to
    cdef uint32_t y, k, n_seen = 0
    cdef int64_t weight
    cdef bint any_list = False
    cdef void* positions
    klass = class_at(&e.text, places[begin])
    bound = e.text.bounds[klass + 1]
    weight = e.text.weights[klass]
    for i in range(begin, end):
        if places[i] >= bound:
            klass = class_at(&e.text, places[i])
            bound = e.text.bounds[klass + 1]
            weight = e.text.weights[klass]
        y = rights[i]
        part.seen[n_seen] = y
        n_seen += part.counts[y] == 0
        part.sums[y] += weight
        part.counts[y] += 1
    for k in range(n_seen):
        y = part.seen[k]
        key = <uint64_t>x << 32 | y
        to = 0
        weight = part.sums[y]
        if weight >= e.min_count and pairs_find(&e.pairs, key) == no_pair() and may_merge(e, x, y):
            if weight < r.cutoff:
                if weight > part.unlisted:
                    part.unlisted = weight
            else:
                positions = list_alloc(&e.arenas[part.worker], part.counts[y], e.position_size)
                if positions == NULL or not note(part, key, weight, positions, part.counts[y]):
                    part.failed = True
                    positions = NULL
                to = <uint64_t>positions
                any_list = True
        part.counts[y] = to
    if any_list:
        for i in range(begin, end):
            y = rights[i]
            to = part.counts[y]
            if to:
                (<pos_t*>to)[0] = places[i]
                part.counts[y] = to + sizeof(pos_t)
    for k in range(n_seen):
        part.sums[part.seen[k]] = 0
        part.counts[part.seen[k]] = 0


cdef void settle_share(Rescan* r, int worker, const sym_t* rights, const pos_t* places) noexcept nogil:
    cdef uint32_t x = worker
    while x < r.e.capacity and not r.e.cancelled:
        if r.heavy[x] and r.base[x + 1] > r.base[x]:
            settle_left(r, &r.ranges[worker], x, rights, places)
        x += r.e.n_workers


cdef void survey_task(void* context, int worker) noexcept nogil:
    cdef Rescan* r = <Rescan*>context
    if r.e.text.wide:
        survey(r, &r.ranges[worker], <uint32_t*>r.e.text.sym)
    else:
        survey(r, &r.ranges[worker], <uint16_t*>r.e.text.sym)


cdef void bucket_task(void* context, int worker) noexcept nogil:
    cdef Rescan* r = <Rescan*>context
    if r.e.text.wide:
        if r.e.wide_positions:
            bucket(r, &r.ranges[worker], <uint32_t*>r.e.text.sym, <uint64_t*>r.places)
        else:
            bucket(r, &r.ranges[worker], <uint32_t*>r.e.text.sym, <uint32_t*>r.places)
    elif r.e.wide_positions:
        bucket(r, &r.ranges[worker], <uint16_t*>r.e.text.sym, <uint64_t*>r.places)
    else:
        bucket(r, &r.ranges[worker], <uint16_t*>r.e.text.sym, <uint32_t*>r.places)


cdef void settle_task(void* context, int worker) noexcept nogil:
    cdef Rescan* r = <Rescan*>context
    if r.e.text.wide:
        if r.e.wide_positions:
            settle_share(r, worker, <uint32_t*>r.rights, <uint64_t*>r.places)
        else:
            settle_share(r, worker, <uint32_t*>r.rights, <uint32_t*>r.places)
    elif r.e.wide_positions:
        settle_share(r, worker, <uint16_t*>r.rights, <uint64_t*>r.places)
    else:
        settle_share(r, worker, <uint16_t*>r.rights, <uint32_t*>r.places)


cdef uint64_t part_begin(const Engine* e, int worker) noexcept nogil:
    """The first word that starts at or after the thread's share, or the end of the text."""
    cdef uint64_t p = share_of(e, worker)
    if p <= 1:
        return 1
    p -= 1
    if e.text.wide:
        while p < e.text.n_sym and (<uint32_t*>e.text.sym)[p] != e.separator:
            p += 1
    else:
        while p < e.text.n_sym and (<uint16_t*>e.text.sym)[p] != e.separator:
            p += 1
    return p + 1 if p < e.text.n_sym else p


cdef uint64_t share_buckets(Rescan* r) noexcept nogil:
    """Bucket starts, and in each range the place of its first entry in every bucket; the number of entries."""
    cdef Engine* e = r.e
    cdef uint64_t at = 0, n
    cdef uint32_t x
    cdef int64_t weight
    cdef int t
    for x in range(e.capacity):
        r.base[x] = at
        weight = 0
        for t in range(e.n_workers):
            weight += r.ranges[t].weight[x]
        r.heavy[x] = weight >= r.cutoff
        if not r.heavy[x]:
            # A light symbol has light pairs only, none of them above its own weight.
            if weight >= e.min_count and weight > e.unlisted:
                e.unlisted = weight
            continue
        for t in range(e.n_workers):
            n = r.ranges[t].places[x]
            r.ranges[t].places[x] = at
            at += n
    r.base[e.capacity] = at
    return at


cdef bint make_ranges(Rescan* r) noexcept nogil:
    cdef Engine* e = r.e
    cdef Range* part
    cdef int t
    for t in range(e.n_workers):
        part = &r.ranges[t]
        part.worker = t
        part.begin = part_begin(e, t)
        part.end = part_begin(e, t + 1)
        part.places = <uint64_t*>mem_alloc((e.capacity + 1) * 8)
        part.weight = <int64_t*>mem_alloc((e.capacity + 1) * 8)
        part.sums = <int64_t*>mem_alloc((e.capacity + 1) * 8)
        part.counts = <uint64_t*>mem_alloc((e.capacity + 1) * 8)
        part.seen = <uint32_t*>mem_alloc((e.capacity + 1) * 4)
        if part.places == NULL or part.weight == NULL or part.sums == NULL or part.counts == NULL or part.seen == NULL:
            return False
    return True


cdef void free_ranges(Rescan* r) noexcept nogil:
    cdef Range* part
    cdef int t
    for t in range(r.e.n_workers):
        part = &r.ranges[t]
        mem_free(part.places, (r.e.capacity + 1) * 8)
        mem_free(part.weight, (r.e.capacity + 1) * 8)
        mem_free(part.sums, (r.e.capacity + 1) * 8)
        mem_free(part.counts, (r.e.capacity + 1) * 8)
        mem_free(part.seen, (r.e.capacity + 1) * 4)
        free(part.found)


cdef int collect(Rescan* r) noexcept nogil:
    cdef Engine* e = r.e
    cdef Found* f
    cdef uint64_t i
    cdef int t, status = 0
    for t in range(e.n_workers):
        if r.ranges[t].failed:
            status = -1
        if r.ranges[t].unlisted > e.unlisted:
            e.unlisted = r.ranges[t].unlisted
        for i in range(r.ranges[t].n_found):
            f = &r.ranges[t].found[i]
            if not pairs_add(&e.pairs, e.arenas, f.key, f.count, f.positions, f.n, e.position_size):
                return -1
            queue_push(&e.queue, f.count, f.key)
    return status


cdef int rescan(Engine* e, int64_t cutoff) noexcept nogil:
    cdef Rescan r
    cdef uint64_t n = 0, symbol_size = 4 if e.text.wide else 2
    cdef int status = -1
    r.e = e
    r.cutoff = cutoff
    r.places = r.rights = NULL
    r.ranges = <Range*>mem_alloc(e.n_workers * sizeof(Range))
    r.base = <uint64_t*>mem_alloc((e.capacity + 2) * 8)
    r.heavy = <bint*>mem_alloc((e.capacity + 1) * sizeof(bint))
    e.unlisted = 0
    e.rescans += 1
    queue_rewind(&e.queue)
    if r.ranges != NULL and r.base != NULL and r.heavy != NULL and make_ranges(&r):
        e.pool.run(survey_task, &r)
        n = share_buckets(&r)
        r.places = mem_alloc(n * e.position_size)
        r.rights = mem_alloc(n * symbol_size)
        if r.places != NULL and r.rights != NULL:
            e.pool.run(bucket_task, &r)
            e.pool.run(settle_task, &r)
            status = collect(&r)
    mem_free(r.places, n * e.position_size)
    mem_free(r.rights, n * symbol_size)
    if r.ranges != NULL:
        free_ranges(&r)
    mem_free(r.ranges, e.n_workers * sizeof(Range))
    mem_free(r.base, (e.capacity + 2) * 8)
    mem_free(r.heavy, (e.capacity + 1) * sizeof(bint))
    return status
