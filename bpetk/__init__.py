"""bpetk: exact and fast byte-pair-encoding tokenizers for Chinese and English text."""

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
