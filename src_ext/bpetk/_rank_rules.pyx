"""Merge rules from a list of ranks, as tiktoken has it: for each token the one pair of tokens that makes it.

A list of ranks merges any two neighbours that are a token together, lowest rank first, leftmost first. Where a token
comes about in a text, nothing has been merged across its ends before, so its inside was merged as if it stood alone;
the last merge of the token alone is therefore the only pair that ever makes it, and if it alone ends with more than two
symbols, nothing does. Tokens are taken by their length, because a token's parts are shorter; ranks may have any order.
Cost: about 20 ns a merge, n log n for a token of n bytes. Twin: tests/native/test_rank_rules.py."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memmove, memset

from bpetk._native cimport fold_multiply, mem_alloc, mem_free

cdef enum:
    SHORT = 64                  # symbols; up to here a scan finds the lowest rank, above a heap
    NO_ID = 0xFFFFFFFF
    MOST_TOKENS = (1 << 21) - 1

cdef struct Ranks:
    const uint8_t* blob
    uint64_t n_tokens
    uint64_t longest            # bytes of a token
    uint32_t* first             # by length: lowest id
    uint32_t* following         # by id: next id of the same length, NO_ID at the end
    uint32_t[256] byte_ids
    uint32_t* of_bytes          # [65536] rule of two bytes, NO_ID for none
    uint64_t* slots             # open addressing: left and right (21 bits each) above the result + 1, 0 if empty
    uint64_t mask
    uint64_t seed
    # For one long token:
    uint32_t* symbols           # by position of its first byte
    uint32_t* after             # position of the next symbol
    uint32_t* before
    uint64_t* heap              # rank above position
    uint64_t n_heap


cdef inline uint64_t* slot_of(const Ranks* t, uint32_t left, uint32_t right) noexcept nogil:
    """The slot of a pair, or the empty one where it belongs."""
    cdef uint64_t key = <uint64_t>left << 21 | right
    # INVARIANT: less than half of the slots are taken: tokens have at most one rule each.
    # The seed is another in each process, so that no file can be made to collide; the rules do not depend on it.
    cdef uint64_t i = fold_multiply(key ^ t.seed, <uint64_t>0x9E3779B97F4A7C15) & t.mask
    while t.slots[i] and t.slots[i] >> 21 != key:
        i = (i + 1) & t.mask
    return &t.slots[i]


cdef inline uint32_t rank_of(const Ranks* t, uint32_t left, uint32_t right) noexcept nogil:
    """The result of a pair's rule, which is its rank too; NO_ID if it has none."""
    return <uint32_t>(slot_of(t, left, right)[0] & MOST_TOKENS) - 1


cdef uint32_t merge_short(const Ranks* t, const uint8_t* p, uint32_t n, uint32_t* symbols) noexcept nogil:
    """Merge the bytes of a token; how many symbols are left."""
    cdef uint32_t[SHORT] ranks      # of a symbol and the next
    cdef uint32_t i, best
    for i in range(n):
        symbols[i] = t.byte_ids[p[i]]
        if symbols[i] == NO_ID:
            return 0
    for i in range(n - 1):
        ranks[i] = t.of_bytes[<uint32_t>p[i] << 8 | p[i + 1]]
    while n > 1:
        best = 0
        for i in range(1, n - 1):
            if ranks[i] < ranks[best]:
                best = i
        if ranks[best] == NO_ID:
            break
        symbols[best] = ranks[best]
        n -= 1
        memmove(symbols + best + 1, symbols + best + 2, (n - best - 1) * sizeof(uint32_t))
        if best + 1 < n:
            memmove(ranks + best + 1, ranks + best + 2, (n - best - 2) * sizeof(uint32_t))
            ranks[best] = rank_of(t, symbols[best], symbols[best + 1])
        if best:
            ranks[best - 1] = rank_of(t, symbols[best - 1], symbols[best])
    return n


cdef void push(Ranks* t, uint32_t rank, uint32_t at) noexcept nogil:
    cdef uint64_t item = <uint64_t>rank << 32 | at, i = t.n_heap, parent
    if rank == NO_ID:
        return
    t.n_heap += 1
    while i:
        parent = (i - 1) // 2
        if t.heap[parent] <= item:
            break
        t.heap[i] = t.heap[parent]
        i = parent
    t.heap[i] = item


cdef uint64_t pop(Ranks* t) noexcept nogil:
    cdef uint64_t first = t.heap[0], item, i = 0, child
    t.n_heap -= 1
    item = t.heap[t.n_heap]
    while True:
        child = 2 * i + 1
        if child >= t.n_heap:
            break
        if child + 1 < t.n_heap and t.heap[child + 1] < t.heap[child]:
            child += 1
        if t.heap[child] >= item:
            break
        t.heap[i] = t.heap[child]
        i = child
    t.heap[i] = item
    return first


cdef uint32_t merge_long(Ranks* t, const uint8_t* p, uint32_t n, uint32_t* symbols) noexcept nogil:
    """As merge_short for more bytes; stores the first two symbols."""
    cdef uint32_t i, at, next_at, rank, left = n
    cdef uint64_t item
    for i in range(n):
        t.symbols[i] = t.byte_ids[p[i]]
        t.after[i] = i + 1
        t.before[i] = i - 1
        if t.symbols[i] == NO_ID:
            return 0
    t.n_heap = 0
    for i in range(n - 1):
        push(t, t.of_bytes[<uint32_t>p[i] << 8 | p[i + 1]], i)
    while t.n_heap:
        item = pop(t)
        rank = <uint32_t>(item >> 32)
        at = <uint32_t>item
        next_at = t.after[at]
        # Alive if both symbols are there and still make this; a symbol that was merged away is NO_ID.
        if t.symbols[at] == NO_ID or next_at == n or rank_of(t, t.symbols[at], t.symbols[next_at]) != rank:
            continue
        t.symbols[at] = rank
        t.symbols[next_at] = NO_ID
        left -= 1
        next_at = t.after[next_at]
        t.after[at] = next_at
        if next_at < n:
            t.before[next_at] = at
            push(t, rank_of(t, rank, t.symbols[next_at]), at)
        if at:
            push(t, rank_of(t, t.symbols[t.before[at]], rank), t.before[at])
    symbols[0] = t.symbols[0]
    symbols[1] = NO_ID if t.after[0] == n else t.symbols[t.after[0]]
    return left


cdef void find_rules(Ranks* t, const uint32_t* offsets, uint32_t* left, uint32_t* right) noexcept nogil:
    """Parts of each token by its id, NO_ID where there are none."""
    cdef uint32_t[SHORT] symbols
    cdef uint64_t length
    cdef uint32_t id, count
    cdef const uint8_t* p
    for length in range(2, t.longest + 1):
        id = t.first[length]
        while id != NO_ID:
            p = t.blob + offsets[id]
            if length <= SHORT:
                count = merge_short(t, p, <uint32_t>length, symbols)
            else:
                count = merge_long(t, p, <uint32_t>length, symbols)
            if count == 2:
                left[id] = symbols[0]
                right[id] = symbols[1]
                slot_of(t, symbols[0], symbols[1])[0] = (
                    (<uint64_t>symbols[0] << 21 | symbols[1]) << 21 | (<uint64_t>id + 1)
                )
                if length == 2:
                    t.of_bytes[<uint32_t>p[0] << 8 | p[1]] = id
            id = t.following[id]


cdef void sort_by_length(Ranks* t, const uint32_t* offsets) noexcept nogil:
    """Make a list of each length, of ascending ids."""
    cdef uint64_t id = t.n_tokens
    cdef uint32_t length
    memset(t.first, 0xFF, (t.longest + 1) * sizeof(uint32_t))
    while id:
        id -= 1
        length = offsets[id + 1] - offsets[id]
        t.following[id] = t.first[length]
        t.first[length] = <uint32_t>id


cdef uint64_t gather(uint32_t* left, uint32_t* right, uint32_t* new, uint64_t n_tokens) noexcept nogil:
    """From parts by id to a list of rules; how many they are."""
    cdef uint64_t id, found = 0
    for id in range(n_tokens):
        if left[id] != NO_ID:
            left[found] = left[id]
            right[found] = right[id]
            new[found] = <uint32_t>id
            found += 1
    return found


cdef uint64_t place_tables(Ranks* t, uint64_t block) noexcept nogil:
    """Give every table its place in the block at this address; the end of the last."""
    cdef uint64_t at = block
    t.slots = <uint64_t*>at
    at += (t.mask + 1) * sizeof(uint64_t)
    t.of_bytes = <uint32_t*>at
    at += 65536 * sizeof(uint32_t)
    t.following = <uint32_t*>at
    at += t.n_tokens * sizeof(uint32_t)
    t.first = <uint32_t*>at
    at += (t.longest + 1) * sizeof(uint32_t)
    if t.longest > SHORT:
        # At most n - 1 pairs at first, and two for each of n - 1 merges.
        at += at & 4
        t.heap = <uint64_t*>at
        at += 3 * t.longest * sizeof(uint64_t)
        t.symbols = <uint32_t*>at
        at += t.longest * sizeof(uint32_t)
        t.after = <uint32_t*>at
        at += t.longest * sizeof(uint32_t)
        t.before = <uint32_t*>at
        at += t.longest * sizeof(uint32_t)
    return at


cdef int measure(Ranks* t, const uint32_t* offsets, uint64_t n_bytes) except -1:
    """Ids of the bytes, and sizes of the tables."""
    cdef uint64_t id
    cdef uint8_t byte
    memset(t.byte_ids, 0xFF, sizeof(t.byte_ids))
    if t.n_tokens > MOST_TOKENS:
        raise ValueError(f"{t.n_tokens} ids, expected at most {MOST_TOKENS}")
    for id in range(t.n_tokens):
        if offsets[id] > offsets[id + 1] or offsets[id + 1] > n_bytes:
            raise ValueError(f"token {id} is bytes {offsets[id]} to {offsets[id + 1]} of {n_bytes}")
        t.longest = max(t.longest, <uint64_t>(offsets[id + 1] - offsets[id]))
        if offsets[id + 1] - offsets[id] == 1:
            byte = t.blob[offsets[id]]
            if t.byte_ids[byte] == NO_ID:
                t.byte_ids[byte] = <uint32_t>id
    t.mask = 1
    while t.mask < 2 * t.n_tokens:
        t.mask *= 2
    t.mask -= 1
    return 0


def rules_from_ranks(bytes blob not None, const uint32_t[::1] offsets not None):
    """Derive the rules (left, right, new), by new, of tokens given by their bytes.

    Token i is blob[offsets[i] : offsets[i + 1]]; an id without bytes is no token. A token gets no rule if it holds a
    byte that is none; of a token that is there twice, the higher id gets none."""
    cdef Ranks t
    cdef uint64_t size, found
    cdef bytes left, right, new
    cdef uint32_t* out_left
    cdef uint32_t* out_right
    cdef uint32_t* out_new
    cdef void* block
    if offsets.shape[0] == 0:
        raise ValueError("no offsets: expected one more than there are tokens")
    memset(&t, 0, sizeof(t))
    t.blob = <const uint8_t*>PyBytes_AS_STRING(blob)
    t.n_tokens = offsets.shape[0] - 1
    t.seed = <uint64_t>hash(b"rules")
    measure(&t, &offsets[0], PyBytes_GET_SIZE(blob))
    left = PyBytes_FromStringAndSize(NULL, 4 * t.n_tokens)
    right = PyBytes_FromStringAndSize(NULL, 4 * t.n_tokens)
    new = PyBytes_FromStringAndSize(NULL, 4 * t.n_tokens)
    out_left = <uint32_t*>PyBytes_AS_STRING(left)
    out_right = <uint32_t*>PyBytes_AS_STRING(right)
    out_new = <uint32_t*>PyBytes_AS_STRING(new)
    size = place_tables(&t, 0)
    block = mem_alloc(size)
    if block == NULL:
        raise MemoryError("no memory for the table of merge rules")
    with nogil:
        place_tables(&t, <uint64_t>block)
        memset(t.of_bytes, 0xFF, 65536 * sizeof(uint32_t))
        memset(out_left, 0xFF, t.n_tokens * sizeof(uint32_t))
        sort_by_length(&t, &offsets[0])
        find_rules(&t, &offsets[0], out_left, out_right)
        found = gather(out_left, out_right, out_new, t.n_tokens)
        mem_free(block, size)
    return tuple([memoryview(part)[: 4 * found].cast("I") for part in (left, right, new)])
