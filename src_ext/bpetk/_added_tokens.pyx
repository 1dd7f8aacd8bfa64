"""Search for added tokens in UTF-8 text: leftmost, and of those that start at one place the longest.

Candidates come from native/byte_search.h, which skips text without any at memory speed. A candidate is confirmed in a
tree of the contents whose nodes carry as many bytes as they can, so the work at a position is bounded by the longest
content. Reference twin: `AddedTokenSplitter` of bpetk/special_tokens.py, without the rules for neighbours."""

from libc.stdint cimport int32_t, uint8_t, uint32_t
from libc.string cimport memcmp
from libcpp.vector cimport vector

from bpetk._native cimport search_build, search_next
from bpetk._scanner cimport best_tier, tier_id

cdef enum:
    NO_CONTENT = 0xFFFFFFFF


cdef inline uint32_t child_of(const Node* node, const uint8_t* firsts, uint8_t byte) noexcept nogil:
    """The child whose label begins with a byte, or 0: the root is nobody's child."""
    cdef uint32_t low = node.children, high = low + node.count, middle
    while low < high:
        middle = (low + high) >> 1
        if firsts[middle] < byte:
            low = middle + 1
        else:
            high = middle
    return low if low < node.children + node.count and firsts[low] == byte else 0


cdef uint32_t common(bytes left, bytes right, uint32_t at):
    """How long a prefix, at least `at`, two strings share."""
    cdef uint32_t most = min(len(left), len(right))
    while at < most and left[at] == right[at]:
        at += 1
    return at


cdef build_tree(Matcher matcher, list items):
    """Make the tree of (content, index), sorted: level by level, so that children stand side by side."""
    cdef uint32_t at, depth, low, high, start, stop, end, byte
    cdef Node node
    todo = [(0, len(items), 0)]     # what a node has below it: a range of the items, and the bytes they share
    matcher.nodes.push_back(Node(0, 0, 0, 0, NO_CONTENT))
    matcher.firsts.push_back(0)
    at = 0
    while at < len(todo):
        low, high, depth = todo[at]
        node = matcher.nodes[at]
        node.children = matcher.nodes.size()
        if low < high and len(items[low][0]) == depth:
            node.content = items[low][1]
            low += 1
        start = low
        while start < high:
            byte = items[start][0][depth]
            stop = start + 1
            while stop < high and items[stop][0][depth] == byte:
                stop += 1
            # Sorted: what the first and the last share, all between them share.
            end = common(items[start][0], items[stop - 1][0], depth)
            matcher.nodes.push_back(Node(matcher.labels.size(), end - depth, 0, 0, NO_CONTENT))
            matcher.firsts.push_back(byte)
            for value in items[start][0][depth:end]:
                matcher.labels.push_back(value)
            todo.append((start, stop, end))
            node.count += 1
            start = stop
        matcher.nodes[at] = node
        at += 1


cdef class Matcher:
    """Finds added tokens in UTF-8 text. Immutable; safe to share between threads."""

    def __cinit__(self, contents, ids, *, str tier=None):
        self.tier = best_tier() if tier is None else tier_id(tier)
        contents, ids = list(contents), list(ids)
        if not all(isinstance(content, bytes) and content for content in contents):
            raise ValueError("contents must be bytes, none of them empty")
        if len(set(contents)) != len(contents):
            raise ValueError("a content is given twice")
        if len(ids) != len(contents):
            raise ValueError(f"{len(contents)} contents, but {len(ids)} ids")
        self.ids = ids
        build_tree(self, sorted((content, index) for index, content in enumerate(contents)))
        cdef vector[uint8_t] first
        cdef vector[int32_t] second
        for content in contents:
            first.push_back(content[0])
            second.push_back(content[1] if len(content) > 1 else -1)
        search_build(&self.search, first.data(), second.data(), first.size())

    cdef size_t longest(self, const uint8_t* s, size_t n, size_t p, uint32_t* index_out) noexcept nogil:
        cdef const Node* nodes = self.nodes.data()
        cdef const Node* node = nodes
        cdef uint32_t child
        cdef size_t end = 0
        while p < n:
            child = child_of(node, self.firsts.data(), s[p])
            if child == 0:
                break
            node = nodes + child
            if node.length > n - p or memcmp(s + p, self.labels.data() + node.label, node.length) != 0:
                break
            p += node.length
            if node.content != NO_CONTENT:
                end = p
                index_out[0] = node.content
        return end

    cdef size_t find(
        self, const uint8_t* s, size_t n, size_t at, size_t* end_out, uint32_t* index_out
    ) noexcept nogil:
        cdef size_t end
        while at < n and not self.ids.empty():
            at = search_next(&self.search, s, at, n, self.tier)
            if at == n:
                break
            end = self.longest(s, n, at, index_out)
            if end:
                end_out[0] = end
                return at
            at += 1
        return n

    def find_all(self, data):
        """(start, end, index) of every match in data, in bytes and in order; matches do not overlap."""
        cdef const uint8_t[::1] view = data
        cdef size_t at = 0, end = 0, n = view.shape[0]
        cdef uint32_t index = 0
        cdef list out = []
        while n:
            at = self.find(&view[0], n, at, &end, &index)
            if at == n:
                break
            out.append((at, end, index))
            at = end
        return out

    def __len__(self):
        return self.ids.size()
