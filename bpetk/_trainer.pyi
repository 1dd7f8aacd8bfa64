from collections.abc import Iterable
from typing import Literal

from typing_extensions import Buffer, Self, disjoint_base

from bpetk._counter import WordCounts

@disjoint_base
class MergeLoop:
    def __new__(
        cls,
        words: WordCounts,
        *,
        byte_ids: list[int],
        strings: int,
        reserved: Iterable[tuple[bytes, int]],
        vocab_size: int,
        min_frequency: int = ...,
        max_token_length: int = ...,
        threads: int = ...,
        wide_symbols: bool = ...,
        wide_positions: bool = ...,
        first_cutoff: int = ...,
        parallel_from: int = ...,
    ) -> Self: ...
    @staticmethod
    def of_characters(
        words: WordCounts,
        *,
        characters: list[int],
        pieces: int,
        scripts: Buffer | None = ...,
        max_length: int = ...,
        split_by_whitespace: bool = ...,
        suffix: bool = ...,
        whitespace_only: bool = ...,
        split_digits: bool = ...,
        split_by_number: bool = ...,
        threads: int = ...,
        wide_symbols: bool = ...,
        wide_positions: bool = ...,
        first_cutoff: int = ...,
        parallel_from: int = ...,
    ) -> MergeLoop: ...
    # After an exception it is "no_memory", "too_big" or "cancelled", and the loop is of no further use.
    @property
    def stop(self) -> Literal["vocab_size", "no_more_pairs", "min_frequency", "string_made_twice"] | None: ...
    @property
    def symbols(self) -> int: ...
    @property
    def merges(self) -> int: ...
    @property
    def strings(self) -> int: ...
    @property
    def rescans(self) -> int: ...
    @property
    def total_bytes(self) -> int: ...
    def lay_out(self) -> None: ...
    def cancel(self) -> None: ...
    def run(self, most: int, work: int = ...) -> int: ...
    def result(self) -> tuple[bytes, bytes, bytes, bytes, bytes]: ...
    def pieces(self) -> list[str]: ...
    def script_costs(self) -> dict[str, tuple[int, int]]: ...
