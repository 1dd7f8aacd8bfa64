"""Applying one merge (a, b) -> z by its position list.

A token's id stands in the first and the last slot of its span, so both neighbours are found without links: the left
one's id is sym[p - 1], the right one's sym[p + length]. An entry of a list is live if its two first slots still hold
a and b. Counts are settled once per distinct neighbour at the end of the step, which gives the same sums as
HuggingFace's one-by-one rule: for an occurrence that follows another one directly, the pair (z, a) that appears
between the two and goes again is taken off. Reference twin: bpetk/reference/train.py."""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc

from bpetk._layout cimport class_at, sym_t
from bpetk._native cimport prefetch_write
from bpetk._pairs cimport PairList, list_alloc, list_free, no_pair, pairs_add, pairs_find, pairs_prefetch
from bpetk._piece_rules cimport may_join
from bpetk._queue cimport queue_push
from bpetk._engine cimport Engine, Worker

ctypedef fused pos_t:
    uint32_t
    uint64_t

cdef enum:
    AHEAD = 48              # entries between a prefetch and its use


# ---------------------------------------------------------------------------------------------------------------------
# First pass: replace, add up neighbours.


cdef inline void add_to(uint32_t* seen, uint32_t* n, uint64_t* sums, uint64_t id, uint64_t add) noexcept nogil:
    """Add to the sum of a neighbour; note it at its first time, without a branch (seen has room for one more)."""
    seen[n[0]] = <uint32_t>id
    n[0] += sums[id] == 0
    sums[id] += add


cdef void apply_slice(Engine* e, Worker* w, sym_t* sym, pos_t* positions) noexcept nogil:
    cdef sym_t a = <sym_t>e.a, b = <sym_t>e.b, z = <sym_t>e.z, dead = <sym_t>e.dead, l, r
    cdef sym_t* rec_left = <sym_t*>e.rec_left
    cdef sym_t* rec_right = <sym_t*>e.rec_right
    cdef uint64_t* left = w.left
    cdef uint64_t* right = w.right
    cdef uint64_t la = e.length[e.a], last = la + e.length[e.b] - 1
    cdef uint64_t x, live = w.begin, end = w.end, p, klass, bound, add
    cdef uint32_t n_left = 0, n_right = 0, shift = e.shift
    cdef int64_t weight, applied = 0
    w.live = live
    w.n_left = w.n_right = 0
    w.applied = 0
    if live >= end:
        return
    klass = class_at(&e.text, positions[live])
    bound = e.text.bounds[klass + 1]
    weight = e.text.weights[klass]
    add = (<uint64_t>weight << shift) + 1
    for x in range(live, live + AHEAD if live + AHEAD < end else end):
        prefetch_write(&sym[positions[x]])
    for x in range(live, end):
        if x + AHEAD < end:
            prefetch_write(&sym[positions[x + AHEAD]])
        p = positions[x]
        if sym[p] != a or sym[p + la] != b:
            continue
        if p >= bound:
            # Positions ascend: a few steps from class to class, or a search when the list jumps far.
            klass += 1
            if p >= e.text.bounds[klass + 1]:
                klass = class_at(&e.text, p)
            bound = e.text.bounds[klass + 1]
            weight = e.text.weights[klass]
            add = (<uint64_t>weight << shift) + 1
        l = sym[p - 1]
        r = sym[p + last + 1]
        sym[p + la] = dead      # overwritten by z when b is one symbol
        sym[p] = z
        sym[p + last] = z
        applied += weight
        add_to(w.left_seen, &n_left, left, l, add)
        add_to(w.right_seen, &n_right, right, r, add)
        positions[live] = <pos_t>p
        rec_left[live] = l
        rec_right[live] = r
        live += 1
    w.live = live
    w.n_left = n_left
    w.n_right = n_right
    w.applied = applied


cdef void apply_task(void* context, int worker) noexcept nogil:
    cdef Engine* e = <Engine*>context
    cdef Worker* w = &e.workers[worker]
    if worker >= e.slices:
        return
    if e.text.wide:
        if e.wide_positions:
            apply_slice(e, w, <uint32_t*>e.text.sym, <uint64_t*>e.positions)
        else:
            apply_slice(e, w, <uint32_t*>e.text.sym, <uint32_t*>e.positions)
    elif e.wide_positions:
        apply_slice(e, w, <uint16_t*>e.text.sym, <uint64_t*>e.positions)
    else:
        apply_slice(e, w, <uint16_t*>e.text.sym, <uint32_t*>e.positions)


# ---------------------------------------------------------------------------------------------------------------------
# Second pass: write the position lists of the pairs that get one. Accumulators now hold write addresses, or 0.


cdef void scatter_slice(Engine* e, Worker* w, const sym_t* sym, const pos_t* positions) noexcept nogil:
    cdef const sym_t* rec_left = <const sym_t*>e.rec_left
    cdef const sym_t* rec_right = <const sym_t*>e.rec_right
    cdef uint64_t* left = w.left
    cdef uint64_t* right = w.right
    cdef sym_t a = <sym_t>e.a
    cdef uint64_t x, p, to, next_token = e.length[e.z]
    for x in range(w.begin, w.live):
        to = left[rec_left[x]]
        if to:
            (<pos_t*>to)[0] = <pos_t>(positions[x] - e.length[rec_left[x]])
            left[rec_left[x]] = to + sizeof(pos_t)
        to = right[rec_right[x]]
        if to:
            p = positions[x]
            # A right neighbour a that was merged in its turn is z by now: (z, a) does not stand here any more.
            if rec_right[x] == a and sym[p + next_token] != a:
                continue
            (<pos_t*>to)[0] = <pos_t>p
            right[rec_right[x]] = to + sizeof(pos_t)


cdef void scatter_task(void* context, int worker) noexcept nogil:
    cdef Engine* e = <Engine*>context
    cdef Worker* w = &e.workers[worker]
    if worker >= e.slices:
        return
    if e.text.wide:
        if e.wide_positions:
            scatter_slice(e, w, <uint32_t*>e.text.sym, <uint64_t*>e.positions)
        else:
            scatter_slice(e, w, <uint32_t*>e.text.sym, <uint32_t*>e.positions)
    elif e.wide_positions:
        scatter_slice(e, w, <uint16_t*>e.text.sym, <uint64_t*>e.positions)
    else:
        scatter_slice(e, w, <uint16_t*>e.text.sym, <uint32_t*>e.positions)


# ---------------------------------------------------------------------------------------------------------------------
# Slices.


cdef uint64_t cut_after(const pos_t* positions, uint64_t at, uint64_t n, uint64_t reach) noexcept nogil:
    """First index >= at whose occurrence cannot touch the one before it, so that two threads may part there."""
    while 0 < at < n and positions[at] - positions[at - 1] <= reach:
        at += 1
    return at


cdef void make_slices(Engine* e) noexcept nogil:
    cdef uint64_t n = e.n_positions, at = 0, share, reach = e.length[e.a] + e.length[e.b] + 1
    cdef int w
    e.slices = 1
    e.workers[0].begin = 0
    if n >= e.parallel_from and e.n_workers > 1:
        share = n // e.n_workers
        for w in range(1, e.n_workers):
            at = at if at > share * w else share * w
            if e.wide_positions:
                at = cut_after(<uint64_t*>e.positions, at, n, reach)
            else:
                at = cut_after(<uint32_t*>e.positions, at, n, reach)
            e.workers[w - 1].end = at
            e.workers[w].begin = at
        e.slices = e.n_workers
    e.workers[e.slices - 1].end = n


cdef void merge_sums(Engine* e) noexcept nogil:
    """Add every slice's sums to the first slice's; a later slice keeps, for each neighbour, how many occurrences stand
    before its own."""
    cdef Worker* first = &e.workers[0]
    cdef Worker* w
    cdef uint64_t before, doubled, mask = (<uint64_t>1 << e.shift) - 1
    cdef uint32_t i, id
    cdef int s
    for s in range(1, e.slices):
        w = &e.workers[s]
        first.applied += w.applied
        doubled = first.left[e.z]       # (z, a) that came and went: not among the occurrences to be written
        for i in range(w.n_left):
            id = w.left_seen[i]
            before = first.left[id]
            if before == 0:
                first.left_seen[first.n_left] = id
                first.n_left += 1
            first.left[id] = before + w.left[id]
            w.left[id] = before & mask
        for i in range(w.n_right):
            id = w.right_seen[i]
            before = first.right[id]
            if before == 0:
                first.right_seen[first.n_right] = id
                first.n_right += 1
            first.right[id] = before + w.right[id]
            w.right[id] = (before - doubled if id == e.a else before) & mask


# ---------------------------------------------------------------------------------------------------------------------
# Between the passes: counts.


cdef inline void subtract(Engine* e, uint64_t left, uint64_t right, int64_t weight) noexcept nogil:
    cdef uint64_t slot = pairs_find(&e.pairs, left << 32 | right)
    if slot != no_pair():
        e.pairs.slots[slot].count -= weight


cdef uint64_t born(Engine* e, uint64_t left, uint64_t right, uint64_t sum, int64_t cutoff) noexcept nogil:
    """Register a new pair; the address for its positions, 0 if it gets no list, 1 when memory is out."""
    cdef int64_t weight = <int64_t>(sum >> e.shift)
    cdef uint64_t n = sum & ((<uint64_t>1 << e.shift) - 1), key = left << 32 | right
    cdef void* positions
    if weight < e.min_count:
        return 0
    if e.max_length and e.length[left] + e.length[right] >= e.max_length:
        return 0
    if e.pieces.of != NULL and not may_join(&e.pieces, <uint32_t>left, <uint32_t>right):
        return 0
    if weight < cutoff:
        if weight > e.unlisted:
            e.unlisted = weight
        return 0
    positions = list_alloc(e.arenas, n, e.position_size)
    if positions == NULL or not pairs_add(&e.pairs, e.arenas, key, weight, positions, n, e.position_size):
        return 1
    queue_push(&e.queue, weight, key)
    return <uint64_t>positions


cdef bint settle(Engine* e, int64_t cutoff, bint* any_list_out) noexcept nogil:
    """Lower the counts of the pairs that are gone, register the new ones, turn sums into write addresses."""
    cdef Worker* w = &e.workers[0]
    cdef uint64_t a = e.a, b = e.b, z = e.z, sum, to, doubled = w.left[e.z]
    cdef uint32_t i, id
    cdef bint fine = True
    for i in range(w.n_left):
        id = w.left_seen[i]
        pairs_prefetch(&e.pairs, <uint64_t>id << 32 | a)
        if <int64_t>(w.left[id] >> e.shift) >= cutoff:
            pairs_prefetch(&e.pairs, <uint64_t>id << 32 | z)
    for i in range(w.n_right):
        id = w.right_seen[i]
        pairs_prefetch(&e.pairs, b << 32 | id)
        if <int64_t>(w.right[id] >> e.shift) >= cutoff:
            pairs_prefetch(&e.pairs, z << 32 | id)
    for i in range(w.n_left):
        id = w.left_seen[i]
        sum = w.left[id]
        to = 0
        if id != e.separator:
            if id != z:
                subtract(e, id, a, <int64_t>(sum >> e.shift))
            to = born(e, id, z, sum, cutoff)
            fine = fine and to != 1
        w.left[id] = to
        any_list_out[0] = any_list_out[0] or to != 0
    for i in range(w.n_right):
        id = w.right_seen[i]
        sum = w.right[id]
        to = 0
        if id != e.separator:
            subtract(e, b, id, <int64_t>(sum >> e.shift))
            if id == a:
                sum -= doubled
            to = born(e, z, id, sum, cutoff)
            fine = fine and to != 1
        w.right[id] = to
        any_list_out[0] = any_list_out[0] or to != 0
    return fine


cdef void place_slices(Engine* e) noexcept nogil:
    """Give the later slices their write addresses."""
    cdef Worker* w
    cdef uint64_t to
    cdef uint32_t i, id
    cdef int s
    for s in range(1, e.slices):
        w = &e.workers[s]
        for i in range(w.n_left):
            id = w.left_seen[i]
            to = e.workers[0].left[id]
            w.left[id] = to + w.left[id] * e.position_size if to else 0
        for i in range(w.n_right):
            id = w.right_seen[i]
            to = e.workers[0].right[id]
            w.right[id] = to + w.right[id] * e.position_size if to else 0


cdef void clear_sums(Engine* e) noexcept nogil:
    cdef Worker* w
    cdef uint32_t i
    cdef int s
    for s in range(e.slices):
        w = &e.workers[s]
        for i in range(w.n_left):
            w.left[w.left_seen[i]] = 0
        for i in range(w.n_right):
            w.right[w.right_seen[i]] = 0


cdef inline uint32_t bits_of(uint64_t x) noexcept nogil:
    cdef uint32_t n = 0
    while x:
        n += 1
        x >>= 1
    return n


cdef bint make_records(Engine* e) noexcept nogil:
    cdef uint64_t size = 4 if e.text.wide else 2
    if e.rec_room >= e.n_positions:
        return True
    free(e.rec_left)
    free(e.rec_right)
    e.rec_left = malloc(e.n_positions * size)
    e.rec_right = malloc(e.n_positions * size)
    e.rec_room = e.n_positions
    return e.rec_left != NULL and e.rec_right != NULL


cdef int merge_pair(Engine* e, uint64_t slot, int64_t cutoff) noexcept nogil:
    cdef int64_t count = e.pairs.slots[slot].count
    cdef bint any_list = False, fine
    cdef PairList merged = e.pairs.lists[slot]
    e.positions = merged.positions
    e.n_positions = merged.n
    # One word holds weight and occurrences of a neighbour: neither sum can pass the pair's own.
    e.shift = bits_of(e.n_positions)
    if e.shift + bits_of(count) > 64:
        return MERGE_TOO_BIG
    if not make_records(e):
        return MERGE_NO_MEMORY
    # The list leaves the table now: a growing table frees the lists of pairs that are gone.
    e.pairs.slots[slot].count = 0
    e.pairs.lists[slot].positions = NULL
    make_slices(e)
    if e.slices > 1:
        e.pool.run(apply_task, e)
        merge_sums(e)
    else:
        apply_task(e, 0)
    fine = settle(e, cutoff, &any_list)
    if any_list and fine:
        place_slices(e)
        if e.slices > 1:
            e.pool.run(scatter_task, e)
        else:
            scatter_task(e, 0)
    clear_sums(e)
    list_free(e.arenas, &merged, e.position_size)
    return 0 if fine else MERGE_NO_MEMORY
