"""Walks over the text after training: what each script costs, and whether a pair is left."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from bpetk._engine cimport Engine
from bpetk._layout cimport class_at, sym_t
from bpetk._native cimport mem_alloc, mem_free
from bpetk._rescan cimport may_merge, part_begin

cdef enum:
    HAS_HAN = 1
    HAS_LATIN = 2

cdef struct Scripts:
    const Engine* e
    uint8_t* of_token
    int64_t (*sums)[6]      # one a thread: bytes and tokens of Han, of Latin, of other words


cdef void add_scripts(const Scripts* job, int worker, const sym_t* sym) noexcept nogil:
    cdef const Engine* e = job.e
    cdef uint64_t p = part_begin(e, worker), end = part_begin(e, worker + 1), klass
    cdef int64_t length = 0, tokens = 0
    cdef uint32_t seen = 0, x
    cdef int k
    klass = class_at(&e.text, p)
    while p < end:
        x = sym[p]
        p += e.length[x]
        if x != e.separator:
            seen |= job.of_token[x]
            length += e.length[x]
            tokens += 1
            continue
        while p - 2 >= e.text.bounds[klass + 1]:
            klass += 1
        k = 0 if seen & HAS_HAN else (2 if seen & HAS_LATIN else 4)
        job.sums[worker][k] += length * e.text.weights[klass]
        job.sums[worker][k + 1] += tokens * e.text.weights[klass]
        length = tokens = 0
        seen = 0


cdef void scripts_task(void* context, int worker) noexcept nogil:
    cdef Scripts* job = <Scripts*>context
    if job.e.text.wide:
        add_scripts(job, worker, <uint32_t*>job.e.text.sym)
    else:
        add_scripts(job, worker, <uint16_t*>job.e.text.sym)


cdef int script_sums(Engine* e, int64_t* six_out) noexcept nogil:
    cdef Scripts job
    cdef int64_t one[6]
    cdef uint64_t m
    cdef uint32_t id
    cdef int t, k, status = -1
    job.e = e
    job.of_token = <uint8_t*>mem_alloc(e.capacity + 2)
    job.sums = <int64_t (*)[6]>mem_alloc(e.n_workers * sizeof(one))
    memset(six_out, 0, sizeof(one))
    if job.of_token != NULL and job.sums != NULL:
        for id in range(e.capacity):
            if e.made[id] and e.child_left[id] == e.capacity:
                if 0xE4 <= e.child_right[id] <= 0xE9:
                    job.of_token[id] = HAS_HAN
                elif c"a" <= e.child_right[id] | 0x20 <= c"z":
                    job.of_token[id] = HAS_LATIN
        for m in range(e.n_merges):
            job.of_token[e.out_new[m]] = job.of_token[e.out_left[m]] | job.of_token[e.out_right[m]]
        e.pool.run(scripts_task, &job)
        for t in range(e.n_workers):
            for k in range(6):
                six_out[k] += job.sums[t][k]
        status = 0
    mem_free(job.of_token, e.capacity + 2)
    mem_free(job.sums, e.n_workers * sizeof(one))
    return status


cdef bint pair_in(const Engine* e, const sym_t* sym) noexcept nogil:
    cdef uint64_t p = 1, next_p
    while p < e.text.n_sym:
        next_p = p + e.length[sym[p]]
        if sym[p] != e.separator and sym[next_p] != e.separator and may_merge(e, sym[p], sym[next_p]):
            return True
        p = next_p
    return False


cdef bint any_pair(const Engine* e) noexcept nogil:
    return pair_in(e, <uint32_t*>e.text.sym) if e.text.wide else pair_in(e, <uint16_t*>e.text.sym)
