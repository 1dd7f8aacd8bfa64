from array import array
from collections.abc import Iterable

from typing_extensions import Buffer, Self, disjoint_base

@disjoint_base
class Normalizer:
    def __new__(
        cls,
        blob: bytes | None,
        *,
        add_dummy_prefix: bool,
        remove_extra_whitespaces: bool,
        escape_whitespaces: bool,
        suffix: bool = ...,
        user_defined: Iterable[bytes] = ...,
        fold: bool = ...,
    ) -> Self: ...
    @property
    def blob(self) -> bytes: ...
    @property
    def add_dummy_prefix(self) -> bool: ...
    @property
    def remove_extra_whitespaces(self) -> bool: ...
    @property
    def escape_whitespaces(self) -> bool: ...
    @property
    def fold(self) -> bool: ...
    @property
    def suffix(self) -> bool: ...
    @property
    def user_defined(self) -> tuple[bytes, ...]: ...
    def normalize(self, data: Buffer) -> bytes: ...
    def normalize_aligned(self, data: Buffer) -> tuple[bytes, array[int]]: ...
