"""From text to ids, one thread."""

from libc.stdint cimport int64_t, uint8_t, uint64_t

from bpetk._encode_rules cimport Rules
from bpetk._encode_state cimport Worker
from bpetk._native cimport CacheEntry

cdef struct Line:
    size_t end          # of a document
    size_t next         # where the next one begins: one more if a line feed had to be put between

cdef Worker* worker_new(const Rules* r, int tier, int line_bits, const CacheEntry* seed) noexcept nogil
cdef void worker_set_tier(Worker* w, int tier) noexcept nogil
cdef void worker_free(Worker* w) noexcept nogil
cdef bint worker_room(Worker* w, size_t more) noexcept nogil
# Appends the ids of documents that are lines of s, of which `room` bytes are readable; counts: the ids of each.
cdef int encode_lines(
    Worker* w, const uint8_t* s, size_t room, const Line* lines, size_t n, int scheme, int64_t* counts
) noexcept nogil
# Appends the ids of one stretch of UTF-8 text; each returns a Failure. `at`: the stretch's offset, for error_at.
cdef int encode_stretch(Worker* w, const uint8_t* s, size_t n, int scheme, size_t at) noexcept nogil
cdef int encode_pieces(Worker* w, const uint8_t* s, const uint64_t* ends, size_t n_pieces, size_t at) noexcept nogil

# Parts, for texts that are cut elsewhere.
# Begin a batch at s + base; n bytes are readable from s, which is at `at` in the text of the call.
cdef void set_base(Worker* w, const uint8_t* s, size_t base, size_t n, size_t at) noexcept nogil
# Put out the ids of all segments that were cut.
cdef void look_up(Worker* w) noexcept nogil
