"""C interface of the quick check: whether a text is normalized already, which nearly every text is."""

from libc.stdint cimport uint8_t

# Values are those of native/normalization_tables.h.
cdef enum NormalForm:
    FORM_NFC = 0
    FORM_NFD = 1
    FORM_NFKC = 2
    FORM_NFKD = 3

# Offset of the first character of s[0..n), valid UTF-8, that the form may change, or n if there is none. Text before it
# is kept, but for what stands behind the last character of class 0, that character included.
cdef size_t nfc_first_change(const uint8_t* s, size_t n, int form) noexcept nogil
