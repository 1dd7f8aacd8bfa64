"""C interface of the search for added tokens: the next match in UTF-8 text, of thousands of strings at once."""

from libc.stdint cimport uint8_t, uint32_t
from libcpp.vector cimport vector

from bpetk._native cimport ByteSearch

cdef struct Node:
    # A node of the tree of contents, and the bytes that lead to it.
    uint32_t label      # where they start in `labels`
    uint32_t length     # how many they are
    uint32_t children   # the first child; the others follow it, in the order of their first bytes
    uint32_t count      # of children
    uint32_t content    # index of the content that ends here, or NO_CONTENT

cdef class Matcher:
    # INVARIANT: nothing changes after construction, so any number of threads may search at once.
    cdef ByteSearch search
    cdef vector[Node] nodes         # the root first
    cdef vector[uint8_t] labels
    cdef vector[uint8_t] firsts     # of each node: the first byte of its label
    cdef vector[uint32_t] ids       # of each content
    cdef int tier

    # The leftmost match of s[at..n), and of those the longest: its start, or n if there is none. Contents are whole
    # characters and no character's bytes begin inside another one's, so in UTF-8 a match starts and ends at characters.
    cdef size_t find(
        self, const uint8_t* s, size_t n, size_t at, size_t* end_out, uint32_t* index_out
    ) noexcept nogil
    # End of the longest content that stands at s[p], p < n, or 0.
    cdef size_t longest(self, const uint8_t* s, size_t n, size_t p, uint32_t* index_out) noexcept nogil
