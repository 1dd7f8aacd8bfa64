"""Ranks as one table: a rank file of tiktoken read in one pass, or any list.

Only what is surely right is accepted; for everything else the answer is None, and the caller's reader in Python gives
the exact meaning or the error. Hashes have a fixed seed: a file made to collide ends as None too.
Cost: o200k_base, 3.6 MB, in 12 ms. Twin: tests/native/test_rank_reader.py."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cython cimport auto_pickle
from libc.stdint cimport int8_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memset

from bpetk._native cimport hash_bytes, mem_alloc, mem_free

cdef enum:
    LONGEST = 1 << 16           # bytes of a token
    MOST_PROBES = 256           # at a load of one half random hashes need about 80 for two million strings
    IS_TOKEN = 1
    IS_EXPLAINED = 4
    NOWHERE = 0xFFFFFFFF

cdef uint64_t ID_MASK = (1 << 21) - 1

TOKEN, EXPLAINED = IS_TOKEN, IS_EXPLAINED

cdef int8_t[256] value_of       # of a character of base64, -1 for any other


cdef void fill_values() noexcept nogil:
    cdef const char* characters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    cdef int i
    memset(value_of, 0xFF, 256)
    for i in range(64):
        value_of[<uint8_t>characters[i]] = <int8_t>i


fill_values()

cdef struct Table:
    # By id; an id without a token has no bytes and no flags.
    uint8_t* blob
    uint64_t used
    uint32_t* offsets
    uint8_t* flags
    uint32_t n_ids
    uint64_t* slots             # open addressing: 43 bits of the hash above id + 1, 0 if empty
    uint64_t mask
    uint32_t[256] byte_ids
    uint32_t n_bytes


cdef inline bint is_blank(uint8_t c) noexcept nogil:
    return c == c" " or c == c"\t"


cdef bint add_item(Items* items, const uint8_t* p, uint64_t size, uint32_t rank) noexcept nogil:
    cdef void* more
    if items.n == items.room:
        more = realloc(items.all, (items.room + items.room // 2 + 4096) * sizeof(Item))
        if more == NULL:
            items.no_memory = True
            return False
        items.all = <Item*>more
        items.room += items.room // 2 + 4096
    items.all[items.n].p = p
    items.all[items.n].size = <uint32_t>size
    items.all[items.n].rank = rank
    items.n += 1
    return True


cdef bint take_lines(const uint8_t* p, const uint8_t* end, Items* items) noexcept nogil:
    """Lines of base64, blanks and a rank; there may be empty ones, and CRLF."""
    cdef const uint8_t* text
    cdef const uint8_t* text_end
    cdef uint64_t rank
    cdef int digits
    while p < end:
        text = p
        while p < end and (value_of[p[0]] >= 0 or p[0] == c"="):
            p += 1
        text_end = p
        while p < end and is_blank(p[0]):
            p += 1
        if text_end == text:
            if text != p:
                return False
        elif p == text_end:
            return False
        else:
            rank = digits = 0
            while p < end and digits < 9 and c"0" <= p[0] <= c"9":
                rank = 10 * rank + (p[0] - c"0")
                digits += 1
                p += 1
            if digits == 0 or rank > LARGEST_ID or not add_item(items, text, text_end - text, <uint32_t>rank):
                return False
            while p < end and is_blank(p[0]):
                p += 1
        if p < end and p[0] == c"\r":
            p += 1
        if p < end:
            if p[0] != c"\n":
                return False
            p += 1
    return True


cdef uint32_t decode(const uint8_t* p, uint32_t size, uint8_t* out) noexcept nogil:
    """Bytes of base64 in its one canonical form; LONGEST + 1 if it is not."""
    cdef uint32_t i, n = 0, wrong = LONGEST + 1, pads = 0
    cdef int a, b, c, d
    if size == 0 or size % 4 or size > 4 * (LONGEST // 3 + 1):
        return wrong
    if p[size - 1] == c"=":
        pads = 2 if p[size - 2] == c"=" else 1
    for i in range(0, size - (4 if pads else 0), 4):
        a, b, c, d = value_of[p[i]], value_of[p[i + 1]], value_of[p[i + 2]], value_of[p[i + 3]]
        if a < 0 or b < 0 or c < 0 or d < 0:
            return wrong
        out[n] = <uint8_t>(a << 2 | b >> 4)
        out[n + 1] = <uint8_t>(b << 4 | c >> 2)
        out[n + 2] = <uint8_t>(c << 6 | d)
        n += 3
    if pads:
        p += size - 4
        a, b, c = value_of[p[0]], value_of[p[1]], 0 if pads == 2 else value_of[p[2]]
        if a < 0 or b < 0 or c < 0 or (b & 15 if pads == 2 else c & 3):
            return wrong
        out[n] = <uint8_t>(a << 2 | b >> 4)
        out[n + 1] = <uint8_t>(b << 4 | c >> 2)
        n += 3 - pads
    return n if n <= LONGEST else wrong


cdef uint32_t find(const Table* t, const uint8_t* p, uint64_t size) noexcept nogil:
    """Slot of the token, or of where it belongs; NOWHERE if neither is near."""
    cdef uint64_t hash = hash_bytes(p, size), i = hash & t.mask, slot
    cdef uint32_t id
    cdef int _probes
    for _probes in range(MOST_PROBES):
        slot = t.slots[i]
        if slot == 0:
            return <uint32_t>i
        id = <uint32_t>(slot & ID_MASK) - 1
        if (
            not (slot ^ hash) & ~ID_MASK and t.offsets[id + 1] - t.offsets[id] == size
            and memcmp(t.blob + t.offsets[id], p, size) == 0
        ):
            return <uint32_t>i
        i = (i + 1) & t.mask
    return NOWHERE


cdef bint add_token(Table* t, uint32_t id, uint32_t size) noexcept nogil:
    """Add the token whose bytes stand at the end of the blob; whether it is new."""
    cdef uint8_t* p = t.blob + t.used
    cdef uint32_t place = find(t, p, size)
    if place == NOWHERE or t.slots[place]:
        return False
    t.slots[place] = (hash_bytes(p, size) & ~ID_MASK) | (<uint64_t>id + 1)
    t.flags[id] = IS_TOKEN
    if size == 1:
        t.flags[id] = IS_TOKEN | IS_EXPLAINED
        t.byte_ids[p[0]] = id
        t.n_bytes += 1
    t.used += size
    t.offsets[id + 1] = <uint32_t>t.used
    return True


cdef bint fill(Table* t, const Item* items, const uint32_t* place, uint32_t first, bint with_empty) noexcept nogil:
    """Put the tokens into the table by their ids; `place` holds the index + 1 of an id's item."""
    cdef uint32_t id, size
    cdef const Item* item
    for id in range(t.n_ids):
        t.offsets[id + 1] = <uint32_t>t.used
        if id < first or place[id - first] == 0:
            continue
        item = &items[place[id - first] - 1]
        if item.p == NULL:
            return False
        if with_empty and item.size == 1 and item.p[0] == c"=":
            size = 0
        else:
            size = decode(item.p, item.size, t.blob + t.used)
        if size > LONGEST or not add_token(t, id, size):
            return False
    return t.n_bytes == 256


@auto_pickle(False)
cdef class Ranks:
    """Tokens by id, all different, the 256 bytes among them; made by :func:`read_rank_file`, :func:`pack_ranks` or
    ``_tekken_reader``."""

    def __dealloc__(self):
        mem_free(self.slots, (self.mask + 1) * sizeof(uint64_t))

    def __len__(self):
        """How many tokens there are."""
        return self.n_tokens

    def __contains__(self, id):
        """Whether an id has a token."""
        return isinstance(id, int) and 0 <= id < len(self.flags) and self.flags[<Py_ssize_t>id] != 0

    def find(self, bytes token not None):
        """Id of a token, or None."""
        cdef Table t
        cdef bytes offsets = self.offsets.obj
        cdef uint32_t place
        if self.slots == NULL:
            raise ValueError("only tables that were read can be searched")
        t.blob = <uint8_t*>PyBytes_AS_STRING(self.blob)
        t.offsets = <uint32_t*>PyBytes_AS_STRING(offsets)
        t.slots, t.mask = self.slots, self.mask
        place = find(&t, <const uint8_t*>PyBytes_AS_STRING(token), PyBytes_GET_SIZE(token))
        if place == NOWHERE or t.slots[place] == 0:
            return None
        return <uint32_t>(t.slots[place] & ID_MASK) - 1

    def explained(self, const uint32_t[::1] new not None):
        """Flags with EXPLAINED for the results of rules too; and (token, id) of those that are nothing of the kind."""
        cdef bytes flags = PyBytes_FromStringAndSize(PyBytes_AS_STRING(self.flags), PyBytes_GET_SIZE(self.flags))
        cdef uint8_t* p = <uint8_t*>PyBytes_AS_STRING(flags)
        cdef Py_ssize_t k, n = PyBytes_GET_SIZE(flags)
        for k in range(new.shape[0]):
            if new[k] >= <uint64_t>n or p[new[k]] == 0:
                raise ValueError(f"rule {k} makes id {new[k]}, which is no token")
            p[new[k]] |= IS_EXPLAINED
        others = [(self.blob[self.offsets[k]:self.offsets[k + 1]], k) for k in range(n) if p[k] == IS_TOKEN]
        return flags, others

    def with_added(self, bytes flags not None, added):
        """Blob, offsets and flags with the bytes of further ids, (id, bytes) by ascending id; they get no flag."""
        cdef list parts = []
        cdef bytes raw = self.offsets.obj, content, offsets
        cdef const uint32_t* old = <const uint32_t*>PyBytes_AS_STRING(raw)
        cdef uint32_t* new
        cdef Py_ssize_t n = PyBytes_GET_SIZE(self.flags), n_all = n, at = 0, id, last = -1, k
        cdef uint64_t more = 0
        for id, content in added:
            if id <= last or id in self or content is None:
                raise ValueError(f"id {id} is out of order, or has a token")
            last = id
            n_all = max(n_all, id + 1)
            more += len(content)
        if old[n] + more > 0xFFFFFFFF or n_all > LARGEST_ID + 1 or PyBytes_GET_SIZE(flags) != n:
            raise ValueError("too many bytes or ids, or too few flags")
        offsets = PyBytes_FromStringAndSize(NULL, 4 * (n_all + 1))
        new = <uint32_t*>PyBytes_AS_STRING(offsets)
        more = 0
        for id, content in added:
            parts.append(self.blob[old[at]:old[min(id, n)]] if at < n else b"")
            for k in range(at, id + 1):
                new[k] = <uint32_t>(old[min(k, n)] + more)
            parts.append(content)
            more += len(content)
            at = id + 1
        parts.append(self.blob[old[min(at, n)]:])
        for k in range(at, n_all + 1):
            new[k] = <uint32_t>(old[min(k, n)] + more)
        return b"".join(parts), memoryview(offsets).cast("I"), flags + bytes(n_all - n)


cdef uint64_t block_of(Table* t, uint64_t block, uint64_t n_items, uint64_t room, uint32_t** place_out) noexcept nogil:
    """Give the tables that only reading needs their place in the block at this address; the end of the last."""
    place_out[0] = <uint32_t*>block
    t.blob = <uint8_t*>(block + t.n_ids * sizeof(uint32_t))
    return block + t.n_ids * sizeof(uint32_t) + room + 8


cdef Ranks gather(const Items* items, uint64_t n, uint32_t first, bint with_empty):
    """Make the table of the first n items; the id of a token is its rank + first. None if they are odd in any way."""
    cdef Ranks out = Ranks.__new__(Ranks)
    cdef Table table
    cdef Table* t = &table
    cdef uint64_t k, room = 0, size
    cdef uint32_t* place
    cdef void* block
    cdef bytes offsets
    cdef bint good = True
    memset(t, 0, sizeof(Table))
    for k in range(n):
        t.n_ids = max(t.n_ids, items.all[k].rank + first + 1)
        room += items.all[k].size // 4 * 3 + 3
    if t.n_ids > LARGEST_ID + 1 or room > LARGEST:
        return None
    out.mask = 1
    while out.mask < 2 * n:
        out.mask *= 2
    out.mask -= 1
    out.slots = <uint64_t*>mem_alloc((out.mask + 1) * sizeof(uint64_t))
    size = block_of(t, 0, n, room, &place)
    block = mem_alloc(size)
    if out.slots == NULL or block == NULL:
        mem_free(block, size)
        raise MemoryError("no memory for the table of ranks")
    try:
        block_of(t, <uint64_t>block, n, room, &place)
        offsets = PyBytes_FromStringAndSize(NULL, 4 * (<uint64_t>t.n_ids + 1))
        out.flags = PyBytes_FromStringAndSize(NULL, t.n_ids)
        t.offsets = <uint32_t*>PyBytes_AS_STRING(offsets)
        t.flags = <uint8_t*>PyBytes_AS_STRING(out.flags)
        t.slots, t.mask = out.slots, out.mask
        with nogil:
            memset(t.flags, 0, t.n_ids)
            t.offsets[0] = 0
            for k in range(n):
                good = good and place[items.all[k].rank] == 0
                place[items.all[k].rank] = <uint32_t>k + 1
            good = good and fill(t, items.all, place, first, with_empty)
        if not good:
            return None
        out.blob = PyBytes_FromStringAndSize(<const char*>t.blob, t.used)
    finally:
        mem_free(block, size)
    out.offsets = memoryview(offsets).cast("I")
    out.byte_ids = tuple([t.byte_ids[k] for k in range(256)])
    out.n_tokens = n
    return out


def read_rank_file(bytes data not None):
    """Read a rank file; None if it is odd in any way."""
    cdef const uint8_t* p = <const uint8_t*>PyBytes_AS_STRING(data)
    cdef uint64_t n = PyBytes_GET_SIZE(data)
    cdef Items items
    cdef bint good
    memset(&items, 0, sizeof(items))
    if n > LARGEST:
        return None
    try:
        with nogil:
            good = take_lines(p, p + n, &items)
        if items.no_memory:
            raise MemoryError("no memory for the lines of a rank file")
        return gather(&items, items.n, 0, True) if good else None
    finally:
        free(items.all)


def pack_ranks(list tokens not None, ids):
    """Make a table of different tokens by ascending id, all bytes among them; it cannot be searched."""
    cdef Ranks out = Ranks.__new__(Ranks)
    cdef Py_ssize_t k, last = -1, n = len(tokens)
    cdef uint64_t used = 0
    cdef bytes token, offsets, flags
    cdef uint32_t* p
    cdef uint8_t* f
    cdef list byte_ids = [None] * 256
    if len(ids) != n:
        raise ValueError(f"{n} tokens, but {len(ids)} ids")
    if n and ids[n - 1] > LARGEST_ID:
        raise ValueError(f"id {ids[n - 1]} is above {LARGEST_ID}")
    size = ids[n - 1] + 1 if n else 0
    offsets, flags = bytes(4 * (size + 1)), bytes(size)
    p, f = <uint32_t*>PyBytes_AS_STRING(offsets), <uint8_t*>PyBytes_AS_STRING(flags)
    for token, id in zip(tokens, ids):
        if token is None or not last < id < size:
            raise ValueError(f"id {id} is out of order, or has no token")
        for k in range(last + 1, id + 1):
            p[k] = <uint32_t>used
        used += len(token)
        if used > 0xFFFFFFFF:
            raise ValueError("more than 4 GiB of tokens")
        last = id
        f[last] = IS_EXPLAINED | IS_TOKEN if len(token) == 1 else IS_TOKEN
        if len(token) == 1:
            byte_ids[token[0]] = last
    p[last + 1] = <uint32_t>used
    if None in byte_ids:
        raise ValueError(f"byte 0x{byte_ids.index(None):02X} has no id")
    out.blob, out.flags, out.byte_ids, out.n_tokens = b"".join(tokens), flags, tuple(byte_ids), n
    out.offsets = memoryview(offsets).cast("I")
    return out
