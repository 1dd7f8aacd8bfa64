"""The merge loop: exact greedy byte-pair encoding, in the order of HuggingFace or of SentencePiece.

Each step takes the pair with the largest count; of equal ones that with the smallest left id, then the smallest right
id, or, where symbols are code points, that with the fewest code points, then the smallest string. A pair's count is
largest at its birth and all its places are made in that one step, so a pair born below a cutoff gets no list; when
the queue's top falls to the largest count that was left out, the text is scanned again with a lower cutoff. The
cutoff is a guess and changes time and memory only. Reference twins: bpetk/reference/train.py, sp_train.py."""

from libc.math cimport log10, pow
from libc.stdint cimport int64_t, uint32_t, uint64_t

from bpetk._engine cimport Engine
from bpetk._merge cimport MERGE_TOO_BIG, merge_pair
from bpetk._pairs cimport list_free, no_pair
from bpetk._piece_rules cimport pieces_add
from bpetk._queue cimport queue_pop, queue_top
from bpetk._rescan cimport rescan
from bpetk._survey cimport any_pair
from bpetk._token_strings cimport find_string, keep_hash

cdef enum:
    GUESS_EVERY = 64


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
        if e.pieces.of != NULL and not pieces_add(&e.pieces, z, a, b):
            return NO_MEMORY
    elif e.pieces.of != NULL:
        # SentencePiece leaves such a pair as it is. No text is known in which one comes up.
        e.pairs.slots[slot].count = 0
        list_free(e.arenas, &e.pairs.lists[slot], e.position_size)
        return RUNNING
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
