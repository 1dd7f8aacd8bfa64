from array import array
from collections.abc import Sequence

from typing_extensions import Buffer, disjoint_base

from bpetk._sp_rules import PieceRules

@disjoint_base
class CharacterRules(PieceRules):
    # offsets [ids + 1], codes, ids, left, right, new: buffers of uint32.
    def __init__(
        self,
        blob: bytes,
        offsets: Buffer,
        codes: Buffer,
        ids: Buffer,
        left: Buffer | Sequence[int],
        right: Buffer | Sequence[int],
        new: Buffer | Sequence[int],
        *,
        unk_id: int | None = ...,
        fuse_unk: bool = ...,
        byte_ids: Sequence[int] | None = ...,
        fold: bool = ...,
        splits: bool = ...,
    ) -> None: ...

# UTF-8 of the vocabulary by id; the same as the encoder meets it, and code points and ids of its characters.
def inner_texts(
    blob: bytes, offsets: Buffer | Sequence[int], n_ids: int, fold: bool
) -> tuple[bytes, memoryview[int], array[int], array[int]]: ...
