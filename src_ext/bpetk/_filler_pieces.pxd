"""What SentencePiece puts out when no pair is left: pairs that stood side by side for a while."""

from libc.stdint cimport uint64_t

from bpetk._engine cimport Engine

# Of all valid pairs that stood side by side at any time, those with a string that is no piece, one of each string,
# in the order of pieces; no more than the target has room for. Keys go to keys_out (mem_free, n_out * 8). 0, or -1
# when memory is out.
cdef int find_fillers(Engine* e, uint64_t** keys_out, uint64_t* n_out) noexcept nogil
