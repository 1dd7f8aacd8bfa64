"""bpetk: exact and fast byte-pair-encoding tokenizers for Chinese and English text."""

try:
    from bpetk import _scanner as _scanner
except ImportError as error:
    raise ImportError(
        f"bpetk's extension modules are not in {__path__[0]!r} ({error}). If that is a source tree, start Python in "
        "another folder to use the installed package, or install this one with: pip install -e ."
    ) from error

from bpetk.api import train, train_from_iterator
from bpetk.errors import BpetkError
from bpetk.report import Progress, TrainReport
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
