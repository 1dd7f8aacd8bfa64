"""C interface of the encoder: what an image is made of."""

from bpetk._encode_document cimport Plan, Text
from bpetk._encode_rules cimport EncodeRules
from bpetk._encode_state cimport Worker
from bpetk._id_buffer cimport IdBuffer, IdObjects
from bpetk._native cimport CacheEntry
from libc.stdint cimport int64_t, uint32_t

cdef class WorkerBox:
    """Owner of a worker; keeps the tables alive that it works with."""

    cdef Worker* worker
    cdef EncodeRules rules

cdef class Encoder:
    cdef EncodeRules rules
    cdef CacheEntry* seed       # [2 << line_bits]
    cdef int line_bits
    cdef int scheme
    cdef list idle
    cdef IdObjects objects
    cdef int start(self, EncodeRules rules, str scheme, CacheEntry* seed, int line_bits) except -1
    cdef WorkerBox _take(self, int tier, bint count_only, bint later=*)
    cdef IdBuffer _hand_over(self, Worker* w)
    cdef IdBuffer _run(
        self, const Text* t, size_t n, int64_t* counts, Plan plan, int threads, bint count_only, str tier
    )
