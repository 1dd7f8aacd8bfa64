"""C interface of the rules of a BPE over characters."""

from libc.stdint cimport uint32_t

from bpetk._sp_rules cimport PieceRules

cdef class CharacterRules(PieceRules):
    cdef bint splits
    cdef bint _apart(self, uint32_t right) noexcept nogil
    cdef int _lay_out_characters(self, const uint32_t[::1] codes, const uint32_t[::1] ids) except -1
    cdef int _join(self, const uint32_t[::1] left, const uint32_t[::1] right, const uint32_t[::1] new) except -1
    cdef int _mark_joints(self, const uint32_t[::1] left, const uint32_t[::1] right) except -1
