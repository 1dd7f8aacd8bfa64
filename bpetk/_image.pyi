from collections.abc import Callable, Mapping
from typing import Any

from bpetk._encoder import Encoder

VERSION: int

def dump(encoder: Encoder) -> tuple[dict[str, Any], dict[str, bytes]]: ...
def checksum(data: Any) -> int: ...
def restore(
    numbers: dict[str, Any],
    blob: bytes,
    offsets: Any,
    scheme: str | None,
    sizes: Mapping[str, int],
    read: Callable[[str, memoryview], None],
) -> Encoder: ...
