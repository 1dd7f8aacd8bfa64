"""A walk over one document whose tokens are known: its state, and what it counts."""

from libc.stdint cimport int64_t, uint8_t, uint32_t

cdef enum:
    # Classes of code points, as in bpetk/analysis/scripts.py.
    HAN = 0
    LATIN = 1
    DIGITS = 8
    PUNCTUATION = 9
    SYMBOLS = 10
    SPACE = 11
    N_CLASSES = 12
    INHERITED = 15
    N_CODE_POINTS = 0x110000
    N_LANGUAGES = 4
    N_LENGTHS = 9           # digits of a number: 1 to 8, and more

# What is counted; the names are COUNTERS of _text_survey.pyx.
cdef enum:
    DOCUMENTS = 0
    TEXT_BYTES
    TEXT_CHARACTERS
    TOKENS
    EMPTY_TOKENS            # that stand for no bytes, such as an unknown token
    CHANGED                 # documents that their tokens spell otherwise
    CHARACTERS              # from here on in the text that the tokens spell
    BROKEN
    BORDERS_INSIDE
    HAN_ALONE
    HAN_INSIDE
    HAN_BROKEN
    HAN_LOST                # characters of the document that its tokens do not spell
    WORDS
    WORD_TOKENS
    WORDS_CONTINUED
    LONG_NUMBERS
    LONG_NUMBERS_ALIGNED
    DATES
    DATE_TOKENS
    DATE_CHARACTERS
    SWITCHES
    SWITCHES_JOINED
    SPACED_SWITCHES
    SPACED_SWITCHES_BLANK_ALONE
    CLASS_CHARACTERS        # of the document itself
    CLASS_TOKENS = CLASS_CHARACTERS + N_CLASSES
    NUMBERS = CLASS_TOKENS + N_CLASSES
    NUMBER_TOKENS = NUMBERS + N_LENGTHS
    N_COUNTERS = NUMBER_TOKENS + N_LENGTHS

cdef struct Number:
    int digits
    uint32_t before         # the one code point between this number and the one before it, or 0
    int64_t start_char
    int64_t first           # tokens
    int64_t last

# State of a walk over a text. Tokens are numbered from 0.
cdef struct Walk:
    const uint8_t* text     # [size + 1] the last byte is 0, which ends every word
    Py_ssize_t size
    const uint8_t* mark     # [size + 1] 1: a token begins at this byte; the last one is set
    int64_t* count
    # The word, the number, the blank that the walk is in or has just left.
    bint in_word
    int64_t word_first
    int64_t word_last
    bint in_number
    bint plain              # all of its digits are ASCII
    Py_ssize_t number_start
    Number numbers[3]       # the last three, the newest first
    Py_ssize_t number_end   # of the newest, -1: too far away
    int64_t number_end_char


cdef void walk_text(Walk* w, const uint8_t* classes) noexcept nogil
cdef void count_classes(const uint8_t* s, Py_ssize_t n, const uint8_t* classes, int64_t* count) noexcept nogil
cdef int language_of(const int64_t* chars, const int64_t* percent) noexcept nogil
