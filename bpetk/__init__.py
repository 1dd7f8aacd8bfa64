"""bpetk: exact and fast byte-pair-encoding tokenizers for Chinese and English text."""

try:
    from bpetk import _scanner as _scanner
except ImportError as error:
    raise ImportError(
        f"bpetk's extension modules are not in {__path__[0]!r} ({error}). If that is a source tree, start Python in "
        "another folder to use the installed package, or install this one with: pip install -e ."
    ) from error

from typing import TYPE_CHECKING, Any

from bpetk.api import train, train_from_iterator
from bpetk.errors import BpetkError
from bpetk.report import Progress, TrainReport

if TYPE_CHECKING:
    from bpetk.tokenizer import Tokenizer

__version__ = "0.1.0"
__all__ = [
    "BpetkError",
    "Progress",
    "Tokenizer",
    "TrainReport",
    "__version__",
    "train",
    "train_from_iterator",
]


def __getattr__(name: str) -> Any:
    # Training needs no encoder, and loading it takes 40 ms and 5 MB.
    if name == "Tokenizer":
        from bpetk.tokenizer import Tokenizer

        globals()[name] = Tokenizer
        return Tokenizer
    raise AttributeError(f"module 'bpetk' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
