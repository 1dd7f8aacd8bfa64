from collections.abc import Iterable

from typing_extensions import Buffer, Self, disjoint_base

@disjoint_base
class PieceTable:
    def __new__(
        cls,
        characters: list[int],
        *,
        room: int,
        scripts: Buffer | None = ...,
        max_length: int = ...,
        split_by_whitespace: bool = ...,
        suffix: bool = ...,
        whitespace_only: bool = ...,
        split_by_number: bool = ...,
    ) -> Self: ...
    def may_join(self, a: int, b: int) -> bool: ...
    def add(self, a: int, b: int) -> int: ...
    def text(self, id: int) -> str: ...
    def compare(self, x: tuple[int, int], y: tuple[int, int]) -> int: ...
    def sort(self, pairs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]: ...
