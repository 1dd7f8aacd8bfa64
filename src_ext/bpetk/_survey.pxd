"""Questions to the text once the loop has ended."""

from libc.stdint cimport int64_t

from bpetk._engine cimport Engine

# Bytes and tokens of the words of two symbols and more, each as often as it occurs: those with a lead byte of
# U+4000..9FFF, those of the others with an ASCII letter, the rest. 0, or -1 when memory is out.
cdef int script_sums(Engine* e, int64_t* six_out) noexcept nogil
# Whether two neighbours are left that may merge, however rare.
cdef bint any_pair(const Engine* e) noexcept nogil
