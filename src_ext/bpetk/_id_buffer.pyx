"""Ids of one call, as memory that numpy can take over, or as a list of int."""

from cpython.list cimport PyList_New, PyList_SET_ITEM
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport uint32_t, uintptr_t
from libcpp.atomic cimport atomic

from bpetk._native cimport mem_alloc, mem_free, prefetch_write

cdef enum:
    AHEAD = 12      # ids between a prefetch and its use


cdef class IdBuffer:
    """Ids of one call: a read-only buffer of uint32 (shape [n])."""

    def __dealloc__(self):
        mem_free(self.ids, self.room * 4)

    def __len__(self):
        return self.n

    def __getbuffer__(self, Py_buffer* view, int flags):
        self.shape[0], self.strides[0] = self.n, 4
        view.buf, view.obj, view.len, view.itemsize = self.ids, self, self.n * 4, 4
        view.readonly, view.ndim = 1, 1
        view.format = b"I"
        view.shape, view.strides = self.shape, self.strides
        view.suboffsets = NULL
        view.internal = NULL


cdef class IdObjects:
    """The int objects of ids, each made when it is first needed, so that those in use lie together.

    A list of ids is then a list of references. Threads may share it: two of them may make the same object at the same
    time without the GIL, and one of the two is never freed.
    """

    def __cinit__(self, uint32_t n_ids):
        self.n_ids = n_ids
        self.objects = <atomic[uintptr_t]*>mem_alloc((<size_t>n_ids + 1) * sizeof(uintptr_t))
        if self.objects == NULL:
            raise MemoryError

    def __dealloc__(self):
        cdef uint32_t id
        cdef uintptr_t p
        if self.objects == NULL:
            return
        for id in range(self.n_ids):
            p = self.objects[id].load()
            if p:
                Py_DECREF(<object><PyObject*>p)
        mem_free(self.objects, (<size_t>self.n_ids + 1) * sizeof(uintptr_t))

    cdef list list_of(self, const uint32_t* ids, size_t n):
        """INVARIANT: all ids are below n_ids."""
        cdef list out = PyList_New(n)
        cdef size_t i
        cdef uintptr_t p
        cdef object value
        for i in range(n):
            if i + AHEAD < n:
                prefetch_write(<const void*>self.objects[ids[i + AHEAD]].load())
            p = self.objects[ids[i]].load()
            if p:
                value = <object><PyObject*>p
            else:
                value = ids[i]
                Py_INCREF(value)
                self.objects[ids[i]].store(<uintptr_t><PyObject*>value)
            Py_INCREF(value)
            PyList_SET_ITEM(out, i, value)
        return out
