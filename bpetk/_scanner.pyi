from typing_extensions import Buffer

SCHEMES: tuple[str, ...]
TIERS: tuple[str, ...]

def split(data: Buffer, scheme: str, *, lines: bool = ..., tier: str | None = ...) -> list[int]: ...
def find_safe_cut(data: Buffer, scheme: str) -> int: ...
