"""State of the merge loop: types only, there is no module of this name."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from bpetk._layout cimport Layout
from bpetk._native cimport Pool
from bpetk._pairs cimport ListArena, PairTable
from bpetk._piece_rules cimport Pieces
from bpetk._queue cimport Queue

cdef struct Worker:
    # Accumulators by neighbour id: weight << shift | occurrences. All zero between merges.
    uint64_t* left
    uint64_t* right
    uint32_t* left_seen
    uint32_t* right_seen
    uint32_t n_left
    uint32_t n_right
    # Its slice of the merged pair's list; live entries are moved to the front of the slice.
    uint64_t begin
    uint64_t end
    uint64_t live
    int64_t applied

cdef struct Engine:
    Layout text
    bint wide_positions
    uint64_t position_size
    uint32_t capacity       # ids are below it
    uint32_t separator      # = capacity
    uint32_t dead           # = capacity + 1: first slot of a right part that has more than one
    uint32_t* length        # by id, in initial symbols; 1 for the separator
    PairTable pairs
    Queue queue
    ListArena* arenas       # one a thread
    volatile int cancelled  # set by another thread
    Pool* pool
    int n_workers
    Worker* workers
    # Limits.
    int64_t min_count       # at least 1
    uint64_t max_length     # a new pair must be shorter; 0: no limit
    uint64_t target         # strings to have at the end
    uint64_t strings        # strings so far
    Pieces pieces           # only where symbols are code points, in SentencePiece's order
    # Births below `cutoff` get no list. INVARIANT: a pair without one has count <= unlisted.
    int64_t first_cutoff
    int64_t guess           # of the count of the last merge
    int64_t cutoff_limit    # a re-scan lowers it: births from then on keep to what the re-scan found
    int64_t unlisted
    # The merge in work.
    void* positions
    uint64_t n_positions
    uint32_t a
    uint32_t b
    uint32_t z
    uint32_t shift
    uint64_t parallel_from  # shorter lists are not worth two meetings of the threads
    int slices
    void* rec_left          # neighbours of each live occurrence, parallel to its place in the list
    void* rec_right
    uint64_t rec_room
    # Identity of token strings, to notice one that already exists.
    uint64_t* string_hash   # by id
    uint64_t* string_power
    # By id; a single byte or code point c has child_left = capacity and child_right = c.
    uint32_t* child_left
    uint32_t* child_right
    const uint8_t** given   # by id: bytes of a string that had an id before training (a special token), ...
    uint32_t* given_length  # ... and how many
    uint8_t* made           # 1 once symbols with this id may stand in the text
    uint32_t* by_hash       # open addressing, id + 1
    uint64_t by_hash_mask
    # Merge record.
    uint32_t* out_left
    uint32_t* out_right
    uint32_t* out_new
    int64_t* out_count
    int64_t* out_applied
    uint64_t n_merges
    uint64_t rescans
