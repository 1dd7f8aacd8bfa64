from collections.abc import Sequence

from typing_extensions import Buffer, disjoint_base

from bpetk._encode_rules import EncodeRules

@disjoint_base
class PieceRules(EncodeRules):
    # offsets [ids + 1]: a buffer of uint32; kinds [ids]; scores [ids]: a buffer of float32.
    def __init__(
        self,
        blob: bytes,
        offsets: Buffer,
        kinds: bytes,
        scores: Buffer,
        *,
        unk_id: int | None = ...,
        byte_ids: Sequence[int] | None = ...,
        fold: bool = ...,
    ) -> None: ...
    def parts(self, id: int) -> tuple[int, int] | None: ...
    def cut_points(self, data: Buffer, *, ascii_too: bool = ...) -> list[int]: ...
    def first_symbols(self, data: Buffer) -> list[int]: ...
