"""What one thread needs to encode: cache, batch, memory for merging, ids. Types only: there is no such module."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from bpetk._encode_rules cimport Rules
from bpetk._native cimport CacheEntry, MergeJob, SegmentItem, SentenceText
from bpetk._segment_merge cimport Scratch

cdef enum:
    BATCH = 512         # segments that are looked up together
    JOBS = 16           # segments that are merged side by side
    ENDS = 512          # pretokens that are scanned at a time
    CUTS = 2048         # segments that are cut before they are looked up
    MARKS = 512         # documents that end among them

cdef enum Failure:
    FINE = 0
    NO_MEMORY = 1
    UNKNOWN_BYTE = 2    # at error_at
    INVALID_UTF8 = 3    # at error_at
    SURROGATE = 4       # at character error_at
    FORBIDDEN = 5       # disallowed text is in it
    NEEDS_GENERAL = 6   # the text needs more than the native path does
    TOO_LONG = 7        # a pretoken of more than LONGEST_BATCH bytes

cdef struct Mark:
    size_t at           # number of cut segments where a document ends
    size_t separator    # segments after it that are not its own
    int64_t* count      # where the number of its ids goes

cdef struct Worker:
    const Rules* rules
    int tier
    bint blocks             # the processor has what native/cut_blocks.h needs, and the tier allows it
    CacheEntry* cache       # [2 << line_bits]
    int line_bits
    uint32_t* out           # [out_room]
    size_t out_room
    size_t n_out
    bint no_cuts            # the text is not well-formed
    bint no_cache           # neither look up nor keep
    bint count_only         # add up n_counted without keeping ids
    size_t n_counted
    int failure
    size_t error_at         # offset in the text of the call
    Scratch scratch
    uint8_t* text           # [text_room] UTF-8 of a str
    size_t text_room
    SentenceText normal     # a normalized sentence
    const uint8_t* base     # of the batch
    size_t base_at          # its offset in the text of the call
    size_t limit            # bytes readable from base
    size_t before           # bytes readable before base
    size_t n_items
    size_t n_spilled
    size_t spill_room
    uint32_t* spilled       # ids of segments of more than four
    uint64_t n_missed       # segments merged so far, for measurements
    uint64_t n_segments
    SegmentItem items[BATCH]
    const uint32_t* source[BATCH]
    uint32_t missed[BATCH]
    uint32_t side[BATCH][4]
    uint64_t ends[ENDS]
    bint fresh              # the last segment cut by blocks ends with its pretoken
    size_t n_cuts
    size_t cut_from         # where the first of the cut segments begins, offset from base
    uint32_t cuts[CUTS]     # end << 1 | it is a whole pretoken
    size_t n_marks
    size_t next_mark
    size_t ended            # ids when the last document ended
    Mark marks[MARKS]
    MergeJob jobs[JOBS]
