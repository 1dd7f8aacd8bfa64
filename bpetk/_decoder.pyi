from collections.abc import Iterable

from typing_extensions import Buffer, disjoint_base

@disjoint_base
class Decoder:
    # offsets: uint32 [ids + 1].
    def __init__(
        self, blob: bytes, offsets: Buffer, *, unknown: Iterable[int] = ..., special: Iterable[int] = ...
    ) -> None: ...
    # The bytes, or the index of the first id that is unknown.
    def decode(self, ids: list[int], *, skip_special: bool = ...) -> bytes | int: ...
