from typing_extensions import Never, disjoint_base

@disjoint_base
class Stretches:
    # prefix: U+2581 goes in front; unless_there: but not before another; first_only: but only where a document begins.
    # fuse: of unknown tokens in a row one is left.
    def __init__(
        self,
        *args: Never,
        prefix: bool = ...,
        unless_there: bool = ...,
        first_only: bool = ...,
        fuse: bool = ...,
    ) -> None: ...
