from collections.abc import Iterable, Sequence

from typing_extensions import Buffer, disjoint_base

@disjoint_base
class EncodeRules:
    # offsets [ids + 1] and left, right, new [merges], by rank: buffers of uint32.
    def __init__(
        self,
        blob: bytes,
        offsets: Buffer,
        byte_ids: Sequence[int | None],
        last_ids: Sequence[int | None],
        left: Sequence[int],
        right: Sequence[int],
        new: Sequence[int],
        *,
        unk_id: int | None = ...,
        fuse_unk: bool = ...,
    ) -> None: ...
    def cut_points(self, data: Buffer, *, ascii_too: bool = ...) -> list[int]: ...
    def first_symbols(self, data: Buffer) -> list[int]: ...
    def find_only_whole(self, ids: Iterable[int]) -> None: ...
