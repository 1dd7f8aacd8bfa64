"""Types that several extension modules share."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

ctypedef uint32_t TokenId
ctypedef int64_t Count

# Families of scanning rules; values are those of native/scan_blocks.h.
cdef enum SchemeId:
    SCHEME_GPT2 = 0
    SCHEME_CL100K = 1
    SCHEME_CL100K_TIKTOKEN = 2
    SCHEME_QWEN2 = 3
    SCHEME_O200K = 4
    SCHEME_WHITESPACE = 5
    SCHEME_NONE = 6
