"""BPE vocabulary and merges of a tokenizer.json as flat arrays of ids.

Only what is surely right is accepted; for everything else the answer is None, and the caller's reader in Python gives
the exact meaning or the error. Hashes have a fixed seed: a file made to collide ends as None too.
Twin: tests/native/test_model_reader.py."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_DecodeUTF8
from cython cimport auto_pickle
from libc.stdint cimport int16_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from bpetk._json_outline cimport LARGEST_ID, Entry, Outline, Source, Span, text_of
from bpetk._native cimport (
    Key, hash_bytes, hash_key, kShortKey, mem_alloc, mem_free, prefetch_read, prefetch_write, utf8_first_error,
)
from bpetk._text_keys cimport Text, asked, is_text, keyed, long_mark, long_span

cdef enum:
    MOST_PROBES = 256           # at a load of one half random hashes need about 80 for two million strings
    BATCH = 16                  # look-ups side by side, so that their cache misses overlap
    NO_ID = 0xFFFFFFFF
    ALPHABET_END = 0x144        # the byte-level alphabet is below this code point
    BLOB_PAD = 16
    IS_TOKEN = 1
    IS_PLAIN = 2
    IS_EXPLAINED = 4
    IS_PART = 8

cdef uint64_t ID_MASK = LARGEST_ID + 1
cdef uint64_t ONES = 0x0101010101010101

TOKEN, PLAIN, EXPLAINED, PART = IS_TOKEN, IS_PLAIN, IS_EXPLAINED, IS_PART

cdef int16_t[ALPHABET_END] byte_of      # byte by character, -1 outside the alphabet


cdef void fill_alphabet() noexcept nogil:
    cdef int b, others = 0x100
    for b in range(ALPHABET_END):
        byte_of[b] = -1
    for b in range(256):
        if 0x21 <= b <= 0x7E or 0xA1 <= b <= 0xAC or 0xAE <= b:
            byte_of[b] = b
        else:
            byte_of[others] = b
            others += 1


fill_alphabet()

cdef struct Tables:
    const Source* f
    const Entry* entries    # by ascending id
    uint32_t n_ids
    uint32_t longest        # text
    uint64_t room           # of all texts
    uint64_t n_rules
    bint characters         # tokens are texts, not bytes
    # One block of memory, so that it gets huge pages:
    uint64_t* slots         # open addressing: 43 bits of the hash above id + 1, 0 if empty
    uint64_t mask
    Key* keys               # by id, hi == 0: no such id
    uint32_t* last_rule     # by result: its last rule + 1
    uint32_t* rule_before   # by rule: the one before it with the same result, + 1
    uint8_t* scratch        # the longest text
    Entry* sorted           # where the file has another order
    uint8_t* blob
    # Results, in Python's memory:
    uint32_t* offsets
    uint8_t* flags
    uint32_t* left
    uint32_t* right
    uint32_t* new
    uint64_t used           # of blob
    uint64_t dropped        # rules
    int64_t[256] byte_ids


cdef inline uint32_t find(const Tables* t, const Text* text) noexcept nogil:
    cdef uint64_t i = text.hash & t.mask, slot
    cdef uint32_t id
    cdef int _probes
    for _probes in range(MOST_PROBES):
        slot = t.slots[i]
        if slot == 0:
            return NO_ID
        if not (slot ^ text.hash) & ~ID_MASK:
            id = <uint32_t>(slot & ID_MASK) - 1
            if is_text(t.f, t.keys[id], text):
                return id
        i = (i + 1) & t.mask
    return NO_ID


cdef inline bint add(Tables* t, const Text* text, uint32_t id) noexcept nogil:
    """Whether the text is new, and a slot for it is near."""
    cdef uint64_t i = text.hash & t.mask, slot
    cdef int _probes
    for _probes in range(MOST_PROBES):
        slot = t.slots[i]
        if slot == 0:
            t.slots[i] = (text.hash & ~ID_MASK) | (id + 1)
            t.keys[id] = text.key
            return True
        if not (slot ^ text.hash) & ~ID_MASK and is_text(t.f, t.keys[<uint32_t>(slot & ID_MASK) - 1], text):
            return False
        i = (i + 1) & t.mask
    return False


cdef inline bint all_printable(uint64_t x) noexcept nogil:
    """Whether eight bytes are of 0x21 to 0x7E, those that the alphabet writes as themselves in ASCII."""
    return not (x | (x - ONES * 0x21) | (x + ONES)) & ONES << 7


cdef inline uint32_t ascii_bytes(const Text* text, uint8_t* out) noexcept nogil:
    """Bytes of a short text of one character and printable ASCII, or of the latter only; 0 if it is another.

    SAFETY: writes 17 bytes."""
    cdef uint64_t low = text.key.lo, high = text.key.hi & ~long_mark()
    cdef uint32_t size = text.size, more = 0, c = low & 0xFF
    if c >= 0x80:
        c = (c & 0x1F) << 6 | (low >> 8 & 0x3F)
        if (low & 0xC0E0) != 0x80C0 or c < 0x80 or c >= ALPHABET_END or byte_of[c] < 0:
            return 0
        out[0] = <uint8_t>byte_of[c]
        low = low >> 16 | high << 48
        high >>= 16
        size -= 2
        more = 1
    # What lies behind the text is zero: fill it with something printable.
    if size < 8:
        high = 0
    elif size > 8 and not all_printable(high | (ONES * 0x21) << 8 * (size - 8)):
        return 0
    if not all_printable(low | (ONES * 0x21) << 8 * size if size < 8 else low):
        return 0
    memcpy(out + more, &low, 8)
    memcpy(out + more + 8, &high, 8)
    return size + more


cdef uint32_t byte_level(const uint8_t* p, uint32_t size, uint8_t* out) noexcept nogil:
    """Bytes of any text of the alphabet, never more than it has; 0 if a character is not of the alphabet."""
    cdef uint32_t i = 0, n = 0, c
    cdef int b
    while i < size:
        c = p[i]
        i += 1
        if c >= 0x80:
            if not 0xC2 <= c <= 0xC5 or i == size or p[i] & 0xC0 != 0x80:
                return 0
            c = (c & 0x1F) << 6 | (p[i] & 0x3F)
            i += 1
        b = byte_of[c] if c < ALPHABET_END else -1
        if b < 0:
            return 0
        out[n] = <uint8_t>b
        n += 1
    return n


cdef inline bint add_bytes(Tables* t, const Text* text, uint32_t id) noexcept nogil:
    """Append the bytes that the token stands for; False if the text is not UTF-8."""
    cdef uint8_t* out = t.blob + t.used
    cdef uint32_t n = ascii_bytes(text, out) if text.size <= kShortKey and not t.characters else 0
    t.flags[id] = IS_TOKEN
    if n == 0 and not t.characters:
        n = byte_level(text.p, text.size, out)
    if n == 0:
        if utf8_first_error(text.p, text.size) != text.size:
            return False
        memcpy(out, text.p, text.size)
        n = text.size
        t.flags[id] = IS_TOKEN | IS_PLAIN
    elif n == 1:
        t.flags[id] = IS_TOKEN | IS_EXPLAINED
        t.byte_ids[out[0]] = id
    t.used += n
    return True


cdef bint read_vocab(Tables* t) noexcept nogil:
    cdef Text[BATCH] texts
    cdef const Entry* entries = t.entries
    cdef uint64_t done = 0, k, n
    cdef uint32_t id = 0        # the next whose offset is to be set
    while done < t.f.n_entries:
        n = min(<uint64_t>BATCH, t.f.n_entries - done)
        for k in range(n):
            texts[k] = keyed(t.f, entries[done + k].text)
            prefetch_write(&t.slots[texts[k].hash & t.mask])
        for k in range(n):
            while id <= entries[done + k].id:
                t.offsets[id] = <uint32_t>t.used
                id += 1
            if not add(t, &texts[k], id - 1) or not add_bytes(t, &texts[k], id - 1):
                return False
        done += n
    t.offsets[id] = <uint32_t>t.used
    return True


cdef inline Key joined_key(Key a, uint32_t n, Key b) noexcept nogil:
    """Key of a string of n bytes with another behind it, both together at most 15 bytes long."""
    cdef Key out
    cdef uint64_t size = (a.hi >> 56) + (b.hi >> 56), low = b.lo, high = b.hi & ~long_mark()
    cdef uint32_t shift = 8 * (n & 7)
    if shift:
        high = high << shift | low >> (64 - shift)
        low <<= shift
    if n < 8:
        out.lo = a.lo | low
        out.hi = high
    else:
        out.lo = a.lo
        out.hi = (a.hi & ~long_mark()) | low
    out.hi |= size << 56
    return out


cdef inline uint32_t find_joined(Tables* t, const Text* a, const Text* b, uint32_t last) noexcept nogil:
    """Id of two texts together. It mostly follows, or is, that of the rule before: no look-up then."""
    cdef Text text
    cdef Span known
    cdef uint32_t id = last + 1 if last + 1 < t.n_ids else last
    cdef int _k
    if <uint64_t>a.size + b.size > t.longest:
        return NO_ID
    text.size = a.size + b.size
    text.p = t.scratch
    if text.size <= kShortKey:
        text.key = joined_key(a.key, a.size, b.key)
        for _k in range(2):
            if is_text(t.f, t.keys[id], &text):
                return id
            id = last
        text.hash = hash_key(text.key)
        return find(t, &text)
    for _k in range(2):
        known = long_span(t.keys[id])
        if (
            t.keys[id].hi >= long_mark() and known.size == text.size
            and memcmp(text_of(t.f, known), a.p, a.size) == 0
            and memcmp(text_of(t.f, known) + a.size, b.p, b.size) == 0
        ):
            return id
        id = last
    memcpy(t.scratch, a.p, a.size)
    memcpy(t.scratch + a.size, b.p, b.size)
    text.hash = hash_bytes(t.scratch, text.size)
    text.key.hi = long_mark() | text.hash >> 8
    return find(t, &text)


cdef inline void add_rule(Tables* t, uint32_t m, uint32_t left, uint32_t right, uint32_t new) noexcept nogil:
    """Rule m, in place of an earlier one of the same pair; that one has the same result."""
    cdef uint32_t* link = &t.last_rule[new]
    while link[0]:
        if t.left[link[0] - 1] == left:
            t.new[link[0] - 1] = NO_ID
            t.dropped += 1
            link[0] = t.rule_before[link[0] - 1]
            break
        link = &t.rule_before[link[0] - 1]
    if t.last_rule[new]:
        t.rule_before[m] = t.last_rule[new]     # else it is zero already
    t.last_rule[new] = m + 1
    t.left[m] = left
    t.right[m] = right
    t.new[m] = new
    t.flags[new] |= IS_EXPLAINED
    t.flags[left] |= IS_PART
    t.flags[right] |= IS_PART


cdef bint read_merges(Tables* t) noexcept nogil:
    cdef Text[2 * BATCH] texts
    cdef const Span* parts = t.f.parts
    cdef uint64_t done = 0, k, n, slot
    cdef uint32_t left, right, new = 0
    while done < t.n_rules:
        n = min(<uint64_t>BATCH, t.n_rules - done)
        for k in range(2 * n):
            if parts[2 * done + k].size == 0:
                return False
            texts[k] = keyed(t.f, parts[2 * done + k])
            prefetch_read(&t.slots[texts[k].hash & t.mask])
        for k in range(2 * n):
            slot = t.slots[texts[k].hash & t.mask] & ID_MASK
            if slot:
                prefetch_read(&t.keys[slot - 1])
        for k in range(n):
            left = find(t, &texts[2 * k])
            right = find(t, &texts[2 * k + 1])
            if left == NO_ID or right == NO_ID:
                return False
            new = find_joined(t, &texts[2 * k], &texts[2 * k + 1], new)
            if new == NO_ID:
                return False
            add_rule(t, <uint32_t>(done + k), left, right, new)
        done += n
    return True


cdef bint measure(Tables* t, const Source* f) noexcept nogil:
    """Sizes of all tables; whether the entries are by ascending id."""
    cdef uint64_t k
    cdef bint ascending = True
    t.f = f
    t.entries = f.entries
    for k in range(f.n_entries):
        ascending &= f.entries[k].id >= t.n_ids
        t.n_ids = max(t.n_ids, f.entries[k].id + 1)
        t.longest = max(t.longest, f.entries[k].text.size)
        t.room += f.entries[k].text.size
    t.mask = 1
    while t.mask < 2 * f.n_entries:
        t.mask *= 2
    t.mask -= 1
    t.n_rules = f.n_parts // 2
    return ascending


cdef uint64_t place_tables(Tables* t, uint64_t block, bint ascending) noexcept nogil:
    """Give every table its place in the block at this address; the end of the last."""
    cdef uint64_t at = block
    t.slots = <uint64_t*>at
    at += (t.mask + 1) * sizeof(uint64_t)
    t.keys = <Key*>at
    at += t.n_ids * sizeof(Key)
    t.last_rule = <uint32_t*>at
    at += t.n_ids * sizeof(uint32_t)
    t.rule_before = <uint32_t*>at
    at += t.n_rules * sizeof(uint32_t)
    t.sorted = <Entry*>at
    at += 0 if ascending else t.f.n_entries * sizeof(Entry)
    t.scratch = <uint8_t*>at
    at += t.longest
    t.blob = <uint8_t*>at
    return at + t.room + BLOB_PAD


cdef bint sort_entries(Tables* t) noexcept nogil:
    """By id; False if there are two of one. Uses memory that is zero, and leaves it so."""
    cdef uint64_t k, at = 0
    cdef uint32_t* place = t.last_rule
    for k in range(t.f.n_entries):
        if place[t.f.entries[k].id]:
            return False
        place[t.f.entries[k].id] = 1
    for k in range(t.n_ids):
        at += place[k]
        place[k] = <uint32_t>at
    for k in range(t.f.n_entries):
        t.sorted[place[t.f.entries[k].id] - 1] = t.f.entries[k]
    memset(place, 0, t.n_ids * sizeof(uint32_t))
    t.entries = t.sorted
    return True


cdef void drop_rules(Tables* t) noexcept nogil:
    cdef uint64_t m, kept = 0
    for m in range(t.n_rules):
        if t.new[m] != NO_ID:
            t.left[kept] = t.left[m]
            t.right[kept] = t.right[m]
            t.new[kept] = t.new[m]
            kept += 1
    t.n_rules = kept


cdef list unexplained(const Tables* t):
    """Text and id of what is neither a byte nor the result of a merge."""
    cdef uint32_t id
    cdef Key key
    out = []
    for id in range(t.n_ids):
        if t.flags[id] & (IS_TOKEN | IS_EXPLAINED) != IS_TOKEN:
            continue
        key = t.keys[id]
        if key.hi < long_mark():
            text = PyUnicode_DecodeUTF8(<const char*>&key, key.hi >> 56, NULL)
        else:
            text = PyUnicode_DecodeUTF8(<const char*>text_of(t.f, long_span(key)), long_span(key).size, NULL)
        out.append((text, id))
    return out


@auto_pickle(False)
cdef class Parts:
    """A vocabulary and its merges; made by :func:`read_bpe`. Arrays of ids and offsets are views of uint32."""

    cdef readonly bytes blob        # the bytes of all tokens by id, one behind the other
    cdef readonly object offsets    # [n_ids + 1] where each begins; an id without a token has none
    # [n_ids] of TOKEN; PLAIN: its text is its bytes; EXPLAINED: a byte or merged; PART: of a merge
    cdef readonly bytes flags
    cdef readonly tuple byte_ids    # [256] ids of the bytes, -1 for none
    cdef readonly object left       # of each merge by rank; a pair that is listed twice has its last rank
    cdef readonly object right
    cdef readonly object new
    cdef readonly list others       # (text, id) of the tokens that are neither a byte nor the result of a merge
    cdef readonly list found        # ids of the texts that were asked for, -1 for none


cdef list look_up(const Tables* t, list texts):
    cdef list out = []
    cdef bytes data
    cdef Text text
    cdef uint32_t id
    for data in texts:
        id = NO_ID
        if data:
            text = asked(<const uint8_t*>PyBytes_AS_STRING(data), <uint32_t>len(data))
            id = find(t, &text)
        out.append(-1 if id == NO_ID else <int64_t>id)
    return out


cdef Parts gather(Tables* t, bint ascending, list texts):
    cdef Parts out = Parts.__new__(Parts)
    cdef bytes left, right, new, offsets
    cdef bint good
    left = PyBytes_FromStringAndSize(NULL, 4 * t.n_rules)
    right = PyBytes_FromStringAndSize(NULL, 4 * t.n_rules)
    new = PyBytes_FromStringAndSize(NULL, 4 * t.n_rules)
    offsets = PyBytes_FromStringAndSize(NULL, 4 * (<uint64_t>t.n_ids + 1))
    out.flags = PyBytes_FromStringAndSize(NULL, t.n_ids)
    t.left = <uint32_t*>PyBytes_AS_STRING(left)
    t.right = <uint32_t*>PyBytes_AS_STRING(right)
    t.new = <uint32_t*>PyBytes_AS_STRING(new)
    t.offsets = <uint32_t*>PyBytes_AS_STRING(offsets)
    t.flags = <uint8_t*>PyBytes_AS_STRING(out.flags)
    with nogil:
        memset(t.flags, 0, t.n_ids)
        memset(t.byte_ids, 0xFF, sizeof(t.byte_ids))
        good = ascending or sort_entries(t)
        good = good and read_vocab(t) and read_merges(t)
        if t.dropped:
            drop_rules(t)
    if not good:
        return None
    out.blob = PyBytes_FromStringAndSize(<const char*>t.blob, t.used)
    out.offsets = memoryview(offsets).cast("I")
    out.byte_ids = tuple([t.byte_ids[b] for b in range(256)])
    out.left = memoryview(left)[: 4 * t.n_rules].cast("I")
    out.right = memoryview(right)[: 4 * t.n_rules].cast("I")
    out.new = memoryview(new)[: 4 * t.n_rules].cast("I")
    out.others = [] if t.characters else unexplained(t)
    out.found = look_up(t, texts)
    return out


def read_bpe(Outline outline not None, *, bint characters=False, texts=()):
    """Read "vocab" and "merges" of a BPE model, byte-level or over characters; None if they are odd in any way.

    texts: UTF-8 of texts to look up in the vocabulary."""
    cdef Tables t
    cdef void* block
    cdef uint64_t size
    cdef bint ascending
    if not outline.source.has_vocab or not outline.source.has_merges:
        return None
    memset(&t, 0, sizeof(t))
    t.characters = characters
    ascending = measure(&t, &outline.source)
    size = place_tables(&t, 0, ascending)
    block = mem_alloc(size)
    if block == NULL:
        raise MemoryError("no memory for the tables of a vocabulary")
    try:
        place_tables(&t, <uint64_t>block, ascending)
        return gather(&t, ascending, list(texts))
    finally:
        mem_free(block, size)
