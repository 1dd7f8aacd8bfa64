from typing_extensions import Buffer

def rules_from_ranks(
    blob: bytes, offsets: Buffer
) -> tuple[memoryview[int], memoryview[int], memoryview[int]]: ...
