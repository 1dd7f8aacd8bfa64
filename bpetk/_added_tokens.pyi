from collections.abc import Iterable

from typing_extensions import Buffer, Self, disjoint_base

@disjoint_base
class Matcher:
    def __new__(cls, contents: Iterable[bytes], ids: Iterable[int], *, tier: str | None = ...) -> Self: ...
    # (start, end, index of the content) of every match, in bytes and in order; they do not overlap.
    def find_all(self, data: Buffer) -> list[tuple[int, int, int]]: ...
    def __len__(self) -> int: ...
