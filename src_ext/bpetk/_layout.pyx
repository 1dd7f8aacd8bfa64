"""From word counts to one flat array of symbols ordered by count (a counting sort), in parallel by partition."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, qsort, realloc

from bpetk._counter cimport PARTITIONS, WordCounts
from bpetk._native cimport Pool, mem_alloc, mem_free, prefetch_read
from bpetk._word_table cimport Slot, Table, slot_bytes, slot_record

cdef enum:
    AHEAD = 16
    COARSE = 1 << 14        # entries of the index of classes
    DENSE = 4096            # counts below it are sorted by a histogram, the few above it by comparison

cdef struct Heavy:
    uint64_t count
    const Slot* slot

cdef struct Part:
    # What one thread found in its partitions. INVARIANT: thread t owns partitions t, t + threads, ...
    uint64_t room[DENSE]    # first symbols needed for each count, then where the next word of it goes
    Heavy* heavy
    uint64_t n_heavy
    uint64_t heavy_room
    int64_t total_bytes
    int64_t single_latin
    int64_t single_other
    bint failed

cdef struct Job:
    Layout* out
    const Table* tables
    const uint32_t* byte_ids
    const uint32_t* code_point_ids      # plus one; NULL: symbols are bytes
    Part* parts
    int threads
    uint32_t separator


cdef inline uint64_t count_characters(const uint8_t* bytes, uint64_t length) noexcept nogil:
    """Bytes that no character is continued with."""
    cdef uint64_t i, n = 0
    for i in range(length):
        n += (bytes[i] & 0xC0) != 0x80
    return n


cdef inline uint64_t symbols_of(const Slot* slot, const Job* job) noexcept nogil:
    """How many symbols a word has."""
    cdef uint64_t length
    cdef const uint8_t* bytes = slot_bytes(slot, &length)
    return length if job.code_point_ids == NULL else count_characters(bytes, length)


cdef void measure_task(void* context, int thread) noexcept nogil:
    cdef Job* job = <Job*>context
    cdef Part* part = &job.parts[thread]
    cdef const Slot* slot
    cdef const uint8_t* bytes
    cdef uint64_t i, length
    cdef void* grown
    cdef int p = thread
    while p < PARTITIONS and not job.out.cancelled[0]:
        if job.tables[p].slots != NULL:
            for i in range(job.tables[p].mask + 1):
                slot = &job.tables[p].slots[i]
                if slot.hi == 0:
                    continue
                bytes = slot_bytes(slot, &length)
                part.total_bytes += <int64_t>(length * slot.count)
                if job.code_point_ids != NULL:
                    length = count_characters(bytes, length)
                if length < 2:
                    if c"a" <= bytes[0] | 0x20 <= c"z":
                        part.single_latin += slot.count
                    else:
                        part.single_other += slot.count
                elif slot.count < DENSE:
                    part.room[slot.count] += length + 1
                else:
                    if part.n_heavy == part.heavy_room:
                        part.heavy_room = part.heavy_room * 2 + 1024
                        grown = realloc(part.heavy, part.heavy_room * sizeof(Heavy))
                        if grown == NULL:
                            part.failed = True
                            return
                        part.heavy = <Heavy*>grown
                    part.heavy[part.n_heavy].count = slot.count
                    part.heavy[part.n_heavy].slot = slot
                    part.n_heavy += 1
        p += job.threads


cdef uint64_t write_characters(sym_t* sym, uint64_t at, const Slot* slot, const Job* job) noexcept nogil:
    """A symbol for each byte that begins a character; what is no character, or none of the alphabet, is a separator."""
    cdef uint64_t length, i = 0, k
    cdef const uint8_t* bytes = slot_bytes(slot, &length)
    cdef uint32_t c, more, id
    while i < length:
        c = bytes[i]
        i += 1
        if c < 0x80:
            more = 0
        elif c < 0xC0:
            continue
        else:
            more = 1 if c < 0xE0 else (2 if c < 0xF0 else 3)
            c &= 0x3F >> more
        k = i
        while i < length and (bytes[i] & 0xC0) == 0x80:
            c = c << 6 | bytes[i] & 0x3F
            i += 1
        id = job.code_point_ids[c] if i - k == more and c < CODE_POINTS else 0
        sym[at] = <sym_t>(id - 1 if id else job.separator)
        at += 1
    sym[at] = <sym_t>job.separator
    return at + 1


cdef inline uint64_t write_word(sym_t* sym, uint64_t at, const Slot* slot, const Job* job) noexcept nogil:
    cdef uint64_t length, i
    cdef const uint8_t* bytes = slot_bytes(slot, &length)
    if job.code_point_ids != NULL:
        return write_characters(sym, at, slot, job)
    for i in range(length):
        sym[at + i] = <sym_t>job.byte_ids[bytes[i]]
    sym[at + length] = <sym_t>job.separator
    return at + length + 1


cdef void write_partitions(sym_t* sym, const Job* job, Part* part, int thread) noexcept nogil:
    cdef const Slot* slot
    cdef uint64_t i
    cdef int p = thread
    while p < PARTITIONS and not job.out.cancelled[0]:
        if job.tables[p].slots != NULL:
            for i in range(job.tables[p].mask + 1):
                # Records of long words lie in the order of the text, slots in that of hashes.
                if i + AHEAD <= job.tables[p].mask and job.tables[p].slots[i + AHEAD].hi >> 56 == 0xFF:
                    prefetch_read(slot_record(&job.tables[p].slots[i + AHEAD]))
                slot = &job.tables[p].slots[i]
                if slot.hi == 0 or slot.count >= DENSE or slot.hi >> 56 == 1:
                    continue
                if job.code_point_ids == NULL or symbols_of(slot, job) > 1:
                    part.room[slot.count] = write_word(sym, part.room[slot.count], slot, job)
        p += job.threads


cdef void write_task(void* context, int thread) noexcept nogil:
    cdef Job* job = <Job*>context
    if job.out.wide:
        write_partitions(<uint32_t*>job.out.sym, job, &job.parts[thread], thread)
    else:
        write_partitions(<uint16_t*>job.out.sym, job, &job.parts[thread], thread)


cdef int heavier(const void* a, const void* b) noexcept nogil:
    cdef uint64_t x = (<const Heavy*>a).count, y = (<const Heavy*>b).count
    return -1 if x > y else (1 if x < y else 0)


cdef bint add_class(Layout* out, uint64_t bound, int64_t weight) noexcept nogil:
    cdef void* grown
    if out.n_classes + 2 > out.classes_room:
        out.classes_room = out.classes_room * 2 + 256
        grown = realloc(out.bounds, out.classes_room * sizeof(uint64_t))
        if grown == NULL:
            return False
        out.bounds = <uint64_t*>grown
        grown = realloc(out.weights, out.classes_room * sizeof(int64_t))
        if grown == NULL:
            return False
        out.weights = <int64_t*>grown
    out.bounds[out.n_classes] = bound
    out.weights[out.n_classes] = weight
    out.n_classes += 1
    out.bounds[out.n_classes] = <uint64_t>-1
    out.weights[out.n_classes] = 0
    return True


cdef int place(Job* job, Heavy* heavy, uint64_t n_heavy) noexcept nogil:
    """Give every class its stretch of the array, write the heavy words and set where each thread writes the others."""
    cdef Layout* out = job.out
    cdef uint64_t at = 1, i, length, total = 1
    cdef int64_t c
    cdef int t
    for i in range(n_heavy):
        total += symbols_of(heavy[i].slot, job) + 1
    for t in range(job.threads):
        for c in range(1, DENSE):
            total += job.parts[t].room[c]
    out.n_sym = total
    out.sym = mem_alloc(total * (4 if out.wide else 2))
    if out.sym == NULL:
        return -1
    if out.wide:
        (<uint32_t*>out.sym)[0] = job.separator
    else:
        (<uint16_t*>out.sym)[0] = <uint16_t>job.separator
    for i in range(n_heavy):
        if i == 0 or heavy[i].count != heavy[i - 1].count:
            if not add_class(out, at, heavy[i].count):
                return -1
        if out.wide:
            at = write_word(<uint32_t*>out.sym, at, heavy[i].slot, job)
        else:
            at = write_word(<uint16_t*>out.sym, at, heavy[i].slot, job)
    for c in range(DENSE - 1, 0, -1):
        total = at
        for t in range(job.threads):
            length = job.parts[t].room[c]
            job.parts[t].room[c] = at
            at += length
        if at != total and not add_class(out, total, c):
            return -1
    if out.n_classes == 0 and not add_class(out, 0, 0):
        return -1
    return index_classes(out)


cdef int index_classes(Layout* out) noexcept nogil:
    cdef uint64_t i, c = 0, n_hot = HOT >> 4
    out.shift = 4
    while out.n_sym >> out.shift > COARSE:
        out.shift += 1
    out.hot_classes = <uint32_t*>mem_alloc((HOT >> 4) * sizeof(uint32_t))
    out.classes = <uint32_t*>mem_alloc(((out.n_sym >> out.shift) + 1) * sizeof(uint32_t))
    if out.hot_classes == NULL or out.classes == NULL:
        return -1
    for i in range(n_hot):
        while i << 4 >= out.bounds[c + 1]:
            c += 1
        out.hot_classes[i] = <uint32_t>c
    c = 0
    for i in range((out.n_sym >> out.shift) + 1):
        while i << out.shift >= out.bounds[c + 1]:
            c += 1
        out.classes[i] = <uint32_t>c
    return 0


cdef int layout_words(
    Layout* out, WordCounts words, const uint32_t* byte_ids, const uint32_t* code_point_ids, uint32_t separator,
    Pool* pool
) except? -2:
    cdef Job job
    cdef Heavy* heavy
    cdef uint64_t n_heavy = 0, i
    cdef int t, status = -1
    job.out = out
    job.tables = words.tables
    job.byte_ids = byte_ids
    job.code_point_ids = code_point_ids
    job.separator = separator
    job.threads = pool.workers()
    job.parts = <Part*>mem_alloc(job.threads * sizeof(Part))
    if job.parts == NULL:
        return -1
    with nogil:
        pool.run(measure_task, &job)
        for t in range(job.threads):
            n_heavy += job.parts[t].n_heavy
            out.total_bytes += job.parts[t].total_bytes
            out.single_latin += job.parts[t].single_latin
            out.single_other += job.parts[t].single_other
        heavy = <Heavy*>malloc(n_heavy * sizeof(Heavy) + 1)
        if heavy != NULL:
            n_heavy = 0
            status = 0
            for t in range(job.threads):
                if job.parts[t].failed:
                    status = -1
                for i in range(job.parts[t].n_heavy):
                    heavy[n_heavy] = job.parts[t].heavy[i]
                    n_heavy += 1
            qsort(heavy, n_heavy, sizeof(Heavy), heavier)
            if status == 0:
                status = place(&job, heavy, n_heavy)
            if status == 0:
                pool.run(write_task, &job)
        free(heavy)
        for t in range(job.threads):
            free(job.parts[t].heavy)
        mem_free(job.parts, job.threads * sizeof(Part))
    words.release()
    return status


cdef void layout_release(Layout* layout) noexcept nogil:
    mem_free(layout.sym, layout.n_sym * (4 if layout.wide else 2))
    mem_free(layout.hot_classes, (HOT >> 4) * sizeof(uint32_t))
    mem_free(layout.classes, ((layout.n_sym >> layout.shift) + 1) * sizeof(uint32_t))
    layout.hot_classes = NULL
    layout.classes = NULL
    free(layout.bounds)
    free(layout.weights)
    layout.sym = NULL
    layout.bounds = NULL
    layout.weights = NULL
