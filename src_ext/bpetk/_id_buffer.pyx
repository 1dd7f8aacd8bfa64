"""Ids of one call, as memory that numpy can take over."""

from bpetk._native cimport mem_free


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
