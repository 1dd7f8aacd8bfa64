from typing_extensions import Buffer

FORMS: tuple[str, ...]
TIERS: tuple[str, ...]

def first_change(data: Buffer, form: str, *, tier: str | None = ...) -> int: ...
