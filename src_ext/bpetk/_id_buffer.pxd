"""Ids of one call, as memory that numpy can take over."""

from libcpp.atomic cimport atomic
from libc.stdint cimport uintptr_t, uint32_t

cdef class IdBuffer:
    cdef uint32_t* ids      # [room], from mem_alloc
    cdef size_t n
    cdef size_t room
    cdef Py_ssize_t shape[1]
    cdef Py_ssize_t strides[1]

cdef class IdObjects:
    cdef uint32_t n_ids
    cdef atomic[uintptr_t]* objects     # [n_ids] addresses, 0 where there is none yet
    cdef list list_of(self, const uint32_t* ids, size_t n)
