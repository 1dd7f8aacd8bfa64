from collections.abc import Iterable
from typing import Any

from typing_extensions import Buffer, disjoint_base

from bpetk._encode_document import Plan
from bpetk._encode_rules import EncodeRules

@disjoint_base
class WorkerBox: ...

@disjoint_base
class Encoder:
    def __init__(
        self,
        rules: EncodeRules,
        scheme: str | None,
        *,
        whole_first: bool = ...,
        hidden: Iterable[int] = ...,
        line_bits: int = ...,
    ) -> None: ...
    # A list of ids; (failure, where) in its place if they cannot be had here.
    def encode(self, text: str | bytes, plan: Plan, *, tier: str | None = ...) -> Any: ...
    def encode_lists(
        self, texts: Iterable[str | bytes], plan: Plan, *, threads: int = ..., tier: str | None = ...
    ) -> list[Any]: ...
    # An IdBuffer of all texts, and int64 as bytes: how many of each, or -1 - failure. None if only counting.
    def encode_flat(
        self,
        texts: Iterable[str | bytes],
        plan: Plan,
        *,
        threads: int = ...,
        count_only: bool = ...,
        tier: str | None = ...,
    ) -> tuple[Any, bytearray]: ...
    # An IdBuffer, failure, where. ends: uint64.
    def encode_stretch(
        self,
        data: Buffer,
        *,
        ends: Buffer | None = ...,
        whole_chars: bool = ...,
        tier: str | None = ...,
        dropout: float = ...,
        seed: int = ...,
    ) -> tuple[Any, int, int]: ...
    def ints_of(self, ids: Buffer) -> list[int]: ...
    def forget(self) -> None: ...
    def statistics(self) -> tuple[int, int]: ...
