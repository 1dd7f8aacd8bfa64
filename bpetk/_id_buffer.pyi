from typing_extensions import disjoint_base

@disjoint_base
class IdBuffer:
    # A read-only buffer of uint32; a stub that says so would be wrong before Python 3.12.
    def __len__(self) -> int: ...

class IdObjects:
    def __init__(self, n_ids: int) -> None: ...
