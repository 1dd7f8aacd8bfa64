from collections.abc import Sequence

from typing_extensions import Buffer

from bpetk._sp_rules import PieceRules

class CharacterRules(PieceRules):
    # offsets [ids + 1], codes, ids, left, right, new: buffers of uint32.
    def __init__(
        self,
        blob: bytes,
        offsets: Buffer,
        codes: Buffer,
        ids: Buffer,
        left: Buffer,
        right: Buffer,
        new: Buffer,
        *,
        unk_id: int | None = ...,
        fuse_unk: bool = ...,
        byte_ids: Sequence[int] | None = ...,
        fold: bool = ...,
    ) -> None: ...
