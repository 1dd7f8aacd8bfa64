from collections.abc import Iterable

from typing_extensions import Never, disjoint_base

from bpetk._sp_normalizer import Normalizer

@disjoint_base
class Sentences:
    # whole: texts that are taken wherever they stand in the normalized text.
    # fuse: of unknown pieces in a row one is left.
    def __init__(
        self, normalizer: Normalizer, *args: Never, whole: Iterable[bytes] = ..., fuse: bool = ...
    ) -> None: ...
    @property
    def normalizer(self) -> Normalizer: ...
    @property
    def fuse(self) -> bool: ...
