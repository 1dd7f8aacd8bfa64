"""The ``.model`` files of real models in the shared data: what kind each is, and how to get it.

`MODELS` lists every one; a test compares it with the folder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import shared_data

GetFile = Callable[[str], Path]
FOLDER = "tokenizers"


@dataclass(frozen=True)
class SpModel:
    """A model file.

    Attributes
    ----------
    path
        The file, in the folder.
    kind
        ``"bpe"`` or ``"unigram"``.
    pieces
        How many there are.
    special
        What sets it apart.
    """

    path: str
    kind: str
    pieces: int
    special: str = ""

    @property
    def name(self) -> str:
        """For test ids."""
        return self.path.replace("/", "-")

    def data(self, get_file: GetFile) -> bytes:
        """Read the file, with the fixture ``shared_file``."""
        return get_file(f"{FOLDER}/{self.path}").read_bytes()


_MISTRAL = "mistral-spm/mistral_instruct_tokenizer"
MODELS = (
    SpModel("baichuan2/tokenizer.model", "bpe", 133_120, "2,310 user-defined pieces, no dummy prefix"),
    SpModel("chatglm2-chatglm3/tokenizer.model", "bpe", 64_789),
    SpModel("chinese-llama-alpaca/chinese_sp.model", "unigram", 20_000),
    SpModel("chinese-llama-compatible/tokenizer.model", "bpe", 57_581, "no dummy prefix"),
    SpModel("hf-fixture-albert-unigram/spiece.model", "unigram", 30_000),
    SpModel("hf-fixture-spm-bpe/test_sentencepiece_bpe.model", "bpe", 1_000, "nmt_nfkc, no byte fallback"),
    SpModel("hf-fixture-spm-nobos/test_sentencepiece_no_bos.model", "unigram", 1_000, "no bos"),
    SpModel("hf-fixture-spm-unigram/test_sentencepiece.model", "unigram", 1_000),
    SpModel("internlm1/V7_sft.model", "bpe", 103_168, "a piece that is a NUL"),
    SpModel("jlab-amr-spm/sentencepiece.bpe.model", "bpe", 8_000, "nmt_nfkc, no byte fallback"),
    SpModel("kitoken-nai-t5-sentencepiece/nai-t5.model", "unigram", 32_100),
    SpModel("llama2/tokenizer.model", "bpe", 32_000),
    SpModel("mistral-7b-v0.3/mistral03.model", "bpe", 32_768, "the type NORMAL written out"),
    SpModel(f"{_MISTRAL}_240216.model.v2", "bpe", 32_768, "the type NORMAL written out"),
    SpModel(f"{_MISTRAL}_240323.model.v3", "bpe", 32_768, "user-defined pieces"),
    SpModel(f"{_MISTRAL}_241114.model.v7", "bpe", 32_768, "user-defined pieces"),
    SpModel(f"{_MISTRAL}_241114.model.v7m1", "bpe", 32_768, "user-defined pieces"),
    SpModel("mistral-spm/tokenizer.model.v1", "bpe", 32_000),
    SpModel("sentencepiece-testdata/test_ja_model.model", "unigram", 8_000, "pieces without a score"),
    SpModel("sentencepiece-testdata/test_model.model", "unigram", 1_000, "pieces without a score"),
    SpModel("telechat-52b/tokenizer.model", "bpe", 80_000, "digits are user-defined pieces"),
    SpModel("xlnet-chinese-unigram/spiece.model", "unigram", 32_000),
)
"""Every model file of the folder."""

BPE = tuple(model for model in MODELS if model.kind == "bpe")
"""Those that encode by merges."""


def files() -> list[str]:
    """List the model files that are in the shared folder."""
    folder = shared_data.shared_root() / FOLDER
    names = (str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.xz"))
    return sorted(name for name in names if ".model" in name.rsplit("/", 1)[-1])
