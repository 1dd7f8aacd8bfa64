from typing_extensions import Self, disjoint_base

@disjoint_base
class IdBuffer:
    # A read-only buffer of uint32; a stub that says so would be wrong before Python 3.12.
    def __len__(self) -> int: ...

@disjoint_base
class IdObjects:
    def __new__(cls, n_ids: int) -> Self: ...
