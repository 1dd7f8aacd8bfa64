"""Ids of one call, as memory that numpy can take over."""

from libc.stdint cimport uint32_t

cdef class IdBuffer:
    cdef uint32_t* ids      # [room], from mem_alloc
    cdef size_t n
    cdef size_t room
    cdef Py_ssize_t shape[1]
    cdef Py_ssize_t strides[1]
