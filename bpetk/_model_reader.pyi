from collections.abc import Iterable
from typing import Final

from typing_extensions import disjoint_base

from bpetk._json_outline import Outline

# Flags of an id: it has a token; the token's bytes are the UTF-8 of its text, because that has a character outside the
# byte-level alphabet; it is a byte or the result of a merge; it is a part of a merge.
TOKEN: Final = 1
PLAIN: Final = 2
EXPLAINED: Final = 4
PART: Final = 8

@disjoint_base
class Parts:
    # The bytes of all tokens by id, one behind the other; token i is blob[offsets[i] : offsets[i + 1]].
    @property
    def blob(self) -> bytes: ...
    @property
    def offsets(self) -> memoryview[int]: ...
    @property
    def flags(self) -> bytes: ...
    @property
    def byte_ids(self) -> tuple[int, ...]: ...
    # Of each merge by rank. A pair that is listed twice has its last rank.
    @property
    def left(self) -> memoryview[int]: ...
    @property
    def right(self) -> memoryview[int]: ...
    @property
    def new(self) -> memoryview[int]: ...
    # Text and id, by id, of the tokens that are neither a byte nor the result of a merge.
    @property
    def others(self) -> list[tuple[str, int]]: ...

    # Ids of the texts that were asked for, -1 for none.
    @property
    def found(self) -> list[int]: ...

# characters: tokens are texts, and `blob` has their UTF-8; all are PLAIN, and `byte_ids` and `others` are empty.
def read_bpe(outline: Outline, *, characters: bool = ..., texts: Iterable[bytes] = ...) -> Parts | None: ...
