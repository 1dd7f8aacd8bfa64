"""A stretch of text as Hugging Face encodes it where tokens are characters and blanks are written as U+2581."""

from libc.stdint cimport uint8_t

from bpetk._encode_state cimport Worker
from bpetk._sp_document cimport Sentences

cdef class Stretches:
    """What is done to a stretch between added tokens; immutable."""
    cdef Sentences plain        # cuts it where no rule joins anything
    cdef bint prefix            # U+2581 in front
    cdef bint unless_there      # but not where there is one, or a blank
    cdef bint first_only        # and only where the document begins
    cdef bint fuse              # of unknown tokens in a row one is left

# Appends a whole document, which may be empty, to those that `encode_added` of _sp_document encodes together.
cdef bint add_characters(Worker* w, Stretches how, const uint8_t* s, size_t n) noexcept nogil
# Appends the ids of well-formed text, not empty, and returns a Failure; first: the document begins with it.
cdef int encode_characters(Worker* w, Stretches how, const uint8_t* s, size_t n, bint first) noexcept nogil
