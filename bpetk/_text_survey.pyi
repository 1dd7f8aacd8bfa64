from collections.abc import Sequence

from typing_extensions import Buffer, disjoint_base

COUNTERS: tuple[str, ...]

@disjoint_base
class Survey:
    # offsets: uint32 [ids + 1]; classes: one byte for each of 0x110000 code points.
    def __init__(self, blob: bytes, offsets: Buffer, classes: bytes, percent: Sequence[int]) -> None: ...
    # ids: uint32 [total], rows: int64 [documents + 1].
    def add(self, documents: list[bytes], ids: Buffer, rows: Buffer) -> bytes: ...
    def take_totals(self) -> bytes: ...
    def token_counts(self) -> bytes: ...
