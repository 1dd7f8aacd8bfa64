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
    SCHEME_QWEN3_5 = 4
    SCHEME_O200K = 5
    SCHEME_TEKKEN = 6
    SCHEME_KIMI_K2 = 7
    SCHEME_DEEPSEEK_V3 = 8
    SCHEME_WHITESPACE = 9
    SCHEME_NONE = 10
