"""An encoder's tables as they stand in memory, to be written to a file and read back without building them again.

What is read is checked so far that no table can lead outside another one, or a search never end: whoever made the
file, encoding with it stays inside its memory. Whether the ids are those of the vocabulary, it does not check.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from bpetk._encode_rules cimport NO_ID, EncodeRules, Pattern, Rules, WholeToken, table_bytes
from bpetk._encoder cimport Encoder
from bpetk._native cimport (
    CacheEntry, hash_bytes, kCountShift, kElsewhere, kEmptySlot, kIdMask, kNoRank, kPairBits, mem_alloc, mem_alloc_now,
)

# Raised whenever one of the tables, or what they mean, changes.
VERSION = 1

cdef enum:
    MOST_LINE_BITS = 24


cdef bytes copy_of(const void* p, size_t n):
    return (<const uint8_t*>p)[:n] if n else b""


def dump(Encoder encoder not None):
    """The tables: (numbers, parts), a dict of ints and lists of int, and a dict of bytes."""
    cdef const Rules* r = &encoder.rules.rules
    cdef size_t n_patterns = r.pattern_start[65536]
    cdef size_t whole = (<size_t>r.whole_mask + 1) * sizeof(WholeToken) if r.whole != NULL else 0
    numbers = {
        "version": VERSION,
        "line_bits": encoder.line_bits,
        "rules": r.n_rules,
        "multiplier": r.pairs.multiplier,
        "unk_id": r.unk_id,
        "fuse_unk": int(r.fuse_unk),
        "cuts": int(r.cuts),
        "whole_longest": r.whole_longest,
        "byte_ids": [r.byte_id[k] for k in range(256)],
        "last_ids": [r.last_id[k] for k in range(256)],
    }
    parts = {
        "tables": copy_of(encoder.rules._arena, table_bytes(r)),
        "patterns": copy_of(r.patterns, n_patterns * sizeof(Pattern)),
        "whole": copy_of(r.whole, whole),
        "seed": copy_of(encoder.seed, sizeof(CacheEntry) * 2 << encoder.line_bits),
    }
    return numbers, parts


def checksum(data):
    """Hash of bytes, 64 bits; not of cryptographic strength."""
    cdef const uint8_t[::1] view = data
    return hash_bytes(&view[0], view.shape[0]) if view.shape[0] else 0


cdef uint64_t number(dict numbers, str name, uint64_t most) except? 0xFFFFFFFFFFFFFFFF:
    value = numbers[name]
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(f"{name}: expected a number from 0 to {most}, found {value!r}")
    return value


cdef bint below(const uint32_t* p, size_t n, uint32_t limit, uint32_t none) noexcept nogil:
    """Whether all numbers are below the limit, or are `none`."""
    cdef size_t i
    cdef uint32_t bad = 0
    for i in range(n):
        bad |= (p[i] >= limit) & (p[i] != none)
    return not bad


cdef bint good_pairs(const Rules* r) noexcept nogil:
    """Whether all ranks are those of rules, and every search comes to an end."""
    cdef size_t i, n = <size_t>r.pairs.buckets * 8
    cdef uint64_t slot, bad = 0, ends = 0, most = r.n_rules
    for i in range(n):
        slot = r.pairs.slots[i]
        bad |= (slot & ((<uint64_t>1 << kPairBits) - 1) >= most) & (slot != kEmptySlot)
        ends |= (slot == kEmptySlot) & (i % 8 == 7)
    return ends and not bad


cdef bint good_patterns(const Rules* r, size_t n_patterns) noexcept nogil:
    cdef size_t g
    for g in range(65536):
        if r.pattern_start[g] > r.pattern_start[g + 1]:
            return False
    return r.pattern_start[0] == 0 and r.pattern_start[65536] == n_patterns


cdef bint good_whole(const Rules* r) noexcept nogil:
    cdef size_t k, size = r.offsets[r.n_ids]
    cdef bint ends = False
    cdef const WholeToken* t
    for k in range(<size_t>r.whole_mask + 1):
        t = &r.whole[k]
        ends |= t.length == 0
        if t.length and (t.id >= r.n_ids or t.offset > size or t.length > size - t.offset):
            return False
    return ends


cdef bint good_seed(const CacheEntry* seed, size_t n, uint32_t n_ids) noexcept nogil:
    cdef size_t i
    cdef uint32_t bad = 0, last
    cdef const CacheEntry* e
    for i in range(n):
        e = &seed[i]
        last = e.id[3]
        bad |= (e.hi != 0) & ((e.id[0] >= n_ids) | (e.id[1] >= n_ids) | (e.id[2] >= n_ids) | (last & kIdMask >= n_ids))
        bad |= ((last & kElsewhere) != 0) | ((last >> kCountShift & 7) > 4)
    return not bad


cdef int read_rules(EncodeRules rules, dict numbers, blob, offsets, sizes, read) except -1:
    cdef Rules* r = &rules.rules
    cdef const uint8_t[::1] bytes_view
    cdef const uint32_t[::1] offsets_view = offsets
    cdef size_t i, n, pattern_bytes = sizes["patterns"], whole_bytes = sizes["whole"]
    cdef bint missing = False
    rules.frozen = True
    rules._blob, rules._offsets = bytes(blob), offsets_view
    n = offsets_view.shape[0]
    if n < 1 or n > 2097152 or offsets_view[0] or offsets_view[n - 1] != <size_t>len(rules._blob):
        raise ValueError("offsets do not fit the tokens' bytes")
    for i in range(n - 1):
        if offsets_view[i] > offsets_view[i + 1]:
            raise ValueError("offsets do not fit the tokens' bytes")
    r.n_ids = <uint32_t>(n - 1)
    r.offsets = &offsets_view[0]
    if len(rules._blob):
        bytes_view = rules._blob
        r.blob = &bytes_view[0]
    r.n_rules = <uint32_t>number(numbers, "rules", 2097151)
    r.pairs.buckets = r.n_rules // 4 + 1
    r.pairs.multiplier = number(numbers, "multiplier", <uint64_t>-1) | 1
    r.unk_id = <uint32_t>number(numbers, "unk_id", 0xFFFFFFFF)
    r.fuse_unk, r.cuts = number(numbers, "fuse_unk", 1), number(numbers, "cuts", 1)
    r.whole_longest = <uint32_t>number(numbers, "whole_longest", 0xFFFFFFFF)
    for name in ("byte_ids", "last_ids"):
        if len(numbers[name]) != 256 or not all(type(id) is int and 0 <= id <= 0xFFFFFFFF for id in numbers[name]):
            raise ValueError(f"{name}: expected 256 ids")
    for i in range(256):
        r.byte_id[i], r.last_id[i] = numbers["byte_ids"][i], numbers["last_ids"][i]
        r.has_suffix |= r.byte_id[i] != r.last_id[i]
        missing |= r.byte_id[i] == NO_ID or r.last_id[i] == NO_ID
    r.all_bytes = not missing or r.unk_id != NO_ID
    r.cuts = r.cuts and not r.has_suffix and r.unk_id == NO_ID
    rules._lay_out(<size_t>r.pairs.buckets * 64)
    fill(read, "tables", sizes, rules._arena, table_bytes(r))
    if not (
        below(r.byte_id, 256, r.n_ids, NO_ID) and below(r.last_id, 256, r.n_ids, NO_ID)
        and below(&r.unk_id, 1, r.n_ids, NO_ID)
        and below(r.square, 65536, r.n_rules, kNoRank) and below(r.char_id, 65536, r.n_ids, NO_ID)
        and below(r.result, r.n_rules, r.n_ids, 0) and (r.n_ids or not r.n_rules)
    ):
        raise ValueError("tables: an id or a rank is too large")
    if not good_pairs(r):
        raise ValueError("tables: the pairs are damaged")
    if pattern_bytes % sizeof(Pattern) or not good_patterns(r, pattern_bytes // sizeof(Pattern)):
        raise ValueError("patterns: they do not fit their index")
    rules._pattern_bytes = pattern_bytes + sizeof(Pattern)
    r.patterns = <Pattern*>mem_alloc(rules._pattern_bytes)
    if r.patterns == NULL:
        raise MemoryError
    fill(read, "patterns", sizes, r.patterns, pattern_bytes)
    if whole_bytes:
        n = whole_bytes // sizeof(WholeToken)
        if whole_bytes % sizeof(WholeToken) or n & (n - 1) or n > 1 << 24:
            raise ValueError(f"whole: {whole_bytes} bytes are no such table")
        rules._whole_bytes = whole_bytes
        r.whole = <WholeToken*>mem_alloc(whole_bytes)
        if r.whole == NULL:
            raise MemoryError
        r.whole_mask = <uint32_t>(n - 1)
        fill(read, "whole", sizes, r.whole, whole_bytes)
        if not good_whole(r):
            raise ValueError("whole: the table is damaged")
        r.whole_first = True
    return 0


cdef int fill(read, str name, sizes, void* p, size_t n) except -1:
    """Have a part read to its place."""
    cdef size_t there = sizes[name]
    if there != n:
        raise ValueError(f"{name}: expected {n} bytes, found {there}")
    if n:
        read(name, <uint8_t[:n]><uint8_t*>p)
    return 0


def restore(dict numbers not None, blob, offsets, str scheme, sizes, read):
    """Make an encoder of what `dump` gave.

    blob, offsets: as for EncodeRules. sizes: bytes of each part. read: function that reads the part of a name into a
    writable memoryview. Raises ValueError if a part is not what it should be, KeyError if one is missing.
    """
    cdef EncodeRules rules = EncodeRules.__new__(EncodeRules)
    cdef Encoder encoder = Encoder.__new__(Encoder)
    cdef int line_bits
    cdef size_t n
    cdef CacheEntry* seed
    if numbers["version"] != VERSION:
        raise ValueError(f"tables of version {numbers['version']!r}; this bpetk reads version {VERSION}")
    read_rules(rules, numbers, blob, offsets, sizes, read)
    line_bits = <int>number(numbers, "line_bits", MOST_LINE_BITS)
    if not line_bits:
        raise ValueError("line_bits: expected a number from 1")
    n = <size_t>2 << line_bits
    if sizes["seed"] != n * sizeof(CacheEntry):
        raise ValueError(f"seed: expected {n * sizeof(CacheEntry)} bytes, found {sizes['seed']}")
    seed = <CacheEntry*>mem_alloc_now(n * sizeof(CacheEntry), False)
    if seed == NULL:
        raise MemoryError
    encoder.seed, encoder.line_bits = seed, line_bits
    fill(read, "seed", sizes, seed, n * sizeof(CacheEntry))
    if not good_seed(seed, n, rules.rules.n_ids):
        raise ValueError("seed: an entry is damaged")
    encoder.start(rules, scheme, seed, line_bits)
    return encoder
