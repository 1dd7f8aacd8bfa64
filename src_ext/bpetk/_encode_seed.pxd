"""What the cache of every worker begins with."""

from bpetk._encode_rules cimport EncodeRules
from bpetk._native cimport CacheEntry

# Entries [2 << line_bits], from mem_alloc. Tells the rules which tokens only a whole-pretoken look-up finds.
cdef CacheEntry* build_seed(EncodeRules rules, bint whole_first, frozenset hidden, int line_bits) except NULL
