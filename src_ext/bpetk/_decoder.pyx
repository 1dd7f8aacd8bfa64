# cython: auto_pickle=False
"""From ids to bytes."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy


cdef class Decoder:
    """Bytes of ids: `blob` holds them one after the other, `offsets` (uint32, one more than ids) says where, and ids in
    `unknown` have none."""

    cdef bytes blob
    cdef const uint32_t[::1] offsets
    cdef frozenset unknown
    cdef bytes skipped_if_special      # [n] 1: a special token

    def __init__(self, bytes blob not None, offsets, *, unknown=(), special=()):
        cdef Py_ssize_t n, k
        if self.blob is not None:
            raise TypeError("a Decoder is immutable")
        self.blob, self.offsets, self.unknown = blob, offsets, frozenset(unknown)
        n = self.offsets.shape[0]
        if n == 0 or self.offsets[0] or self.offsets[n - 1] != <size_t>len(blob):
            raise ValueError("offsets do not fit the bytes")
        for k in range(n - 1):
            if self.offsets[k] > self.offsets[k + 1]:
                raise ValueError("offsets do not fit the bytes")
        flags = bytearray(n - 1)
        for id in special:
            flags[id] = 1
        self.skipped_if_special = bytes(flags)

    def decode(self, list ids not None, *, bint skip_special=False):
        """Bytes of the ids, or the index of the first that is unknown."""
        cdef Py_ssize_t n = PyList_GET_SIZE(ids), i
        cdef uint64_t total = 0, start, length
        cdef uint32_t* known = <uint32_t*>PyMem_Malloc((n + 1) * sizeof(uint32_t))
        cdef Py_ssize_t kept = 0, id, n_ids = self.offsets.shape[0] - 1
        cdef const uint8_t* special = <const uint8_t*>PyBytes_AS_STRING(self.skipped_if_special)
        cdef const char* blob = PyBytes_AS_STRING(self.blob)
        cdef bint check = len(self.unknown) > 0
        cdef char* out
        if known == NULL:
            raise MemoryError
        try:
            for i in range(n):
                item = <object>PyList_GET_ITEM(ids, i)
                try:
                    id = item
                except (OverflowError, TypeError):
                    return i
                if id < 0 or id >= n_ids or (check and id in self.unknown):
                    return i
                if skip_special and special[id]:
                    continue
                known[kept] = <uint32_t>id
                kept += 1
                total += self.offsets[id + 1] - self.offsets[id]
            result = PyBytes_FromStringAndSize(NULL, total)
            out = PyBytes_AS_STRING(result)
            for i in range(kept):
                start = self.offsets[known[i]]
                length = self.offsets[known[i] + 1] - start
                memcpy(out, blob + start, length)
                out += length
            return result
        finally:
            PyMem_Free(known)
