from typing_extensions import Buffer, Never, disjoint_base

from bpetk._added_tokens import Matcher
from bpetk._character_document import Stretches
from bpetk._sp_document import Sentences

@disjoint_base
class Plan:
    # first_ids, second_ids: uint32, for each content of the matcher.
    def __init__(
        self,
        *args: Never,
        forbidden: Matcher | None = ...,
        suspects: Matcher | None = ...,
        first: Matcher | None = ...,
        first_ids: Buffer | None = ...,
        second: Matcher | None = ...,
        second_ids: Buffer | None = ...,
        form: int = ...,
        general: bool = ...,
        sentences: Sentences | None = ...,
        stretches: Stretches | None = ...,
    ) -> None: ...
    @property
    def forbidden(self) -> Matcher | None: ...
    @property
    def suspects(self) -> Matcher | None: ...
    @property
    def first(self) -> Matcher | None: ...
    @property
    def second(self) -> Matcher | None: ...
    @property
    def general(self) -> bool: ...
    @property
    def sentences(self) -> Sentences | None: ...
    @property
    def stretches(self) -> Stretches | None: ...
