"""What the cache of every worker begins with: all tokens of the vocabulary, as merging them gives them."""

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from bpetk._encode_rules cimport NO_ID, EncodeRules, Rules
from bpetk._encode_state cimport Worker
from bpetk._encode_worker cimport encode_pieces, worker_free, worker_new
from bpetk._native cimport CacheEntry, cache_drop
from bpetk._scanner cimport best_tier

cdef enum:
    SEED_LONGEST = 15           # bytes of a segment that has a key


cdef set made_ids(const Rules* r):
    """Ids of bytes and of the results of merges."""
    cdef uint32_t k
    cdef set out = set()
    for k in range(256):
        out.add(r.byte_id[k])
        out.add(r.last_id[k])
    for k in range(r.n_rules):
        out.add(r.result[k])
    return out


cdef bint all_known(const Rules* r, const uint8_t* t, size_t n) noexcept nogil:
    cdef size_t i
    for i in range(n):
        if r.byte_id[t[i]] == NO_ID:
            return False
    return not n or r.last_id[t[n - 1]] != NO_ID


cdef list not_found_by_merging(
    const Rules* r, const Worker* w, const uint64_t* ends, const uint32_t* ids, size_t pieces
):
    """Tokens that do not become themselves; w.out has the ids of all pieces."""
    cdef list found = []
    cdef size_t i, n, at, got, k = 0, total = 0
    for i in range(pieces):
        # Ids of the pieces follow each other; their bytes say where one ends.
        got, at = 0, 0
        n = ends[i] - total
        total = ends[i]
        while at < n:
            at += r.offsets[w.out[k] + 1] - r.offsets[w.out[k]]
            got += 1
            k += 1
        if got > 1 or w.out[k - 1] != ids[i]:
            found.append(ids[i])
    return found


cdef CacheEntry* build_seed(EncodeRules rules, bint whole_first, frozenset hidden, int line_bits) except NULL:
    """The tokens go through a worker as if each were a pretoken, the highest id first, so that in a full line of the
    cache the lower id stays. What the worker's cache then holds is the seed."""
    cdef const Rules* r = &rules.rules
    cdef Worker* w = worker_new(r, best_tier(), line_bits, NULL)
    cdef CacheEntry* seed
    cdef uint32_t id
    cdef size_t n, total = 0, pieces = 0, k
    cdef uint8_t* text = NULL
    cdef uint64_t* ends = NULL
    cdef uint32_t* ids = NULL
    cdef list found = []
    cdef bint any_hidden, any_missing = False
    hidden = hidden.difference(made_ids(r)) if hidden else hidden
    any_hidden = len(hidden) > 0
    for k in range(256):
        any_missing |= r.byte_id[k] == NO_ID or r.last_id[k] == NO_ID
    try:
        text = <uint8_t*>PyMem_Malloc(r.offsets[r.n_ids] + 16)
        ends = <uint64_t*>PyMem_Malloc((<size_t>r.n_ids + 1) * sizeof(uint64_t))
        ids = <uint32_t*>PyMem_Malloc((<size_t>r.n_ids + 1) * sizeof(uint32_t))
        if w == NULL or text == NULL or ends == NULL or ids == NULL:
            raise MemoryError
        for id in range(r.n_ids, 0, -1):
            id -= 1
            n = r.offsets[id + 1] - r.offsets[id]
            if n == 0 or (n > SEED_LONGEST and not whole_first) or (any_hidden and id in hidden):
                continue
            if any_missing and not all_known(r, r.blob + r.offsets[id], n):
                if whole_first:
                    found.append(id)
                continue
            memcpy(text + total, r.blob + r.offsets[id], n)
            total += n
            ends[pieces] = total
            ids[pieces] = id
            pieces += 1
        w.no_cuts = True    # tokens need not be whole characters
        with nogil:
            encode_pieces(w, text, ends, pieces, 0)
        if w.failure:
            raise MemoryError
        if whole_first:
            found += not_found_by_merging(r, w, ends, ids, pieces)
        seed = w.cache
        w.cache = NULL
    finally:
        worker_free(w)
        PyMem_Free(text)
        PyMem_Free(ends)
        PyMem_Free(ids)
    if whole_first:
        rules.find_only_whole(found)
        for number in found:
            # What it becomes depends on where it stands.
            id = number
            cache_drop(seed, line_bits, r.blob + r.offsets[id], r.offsets[id + 1] - r.offsets[id])
    return seed
