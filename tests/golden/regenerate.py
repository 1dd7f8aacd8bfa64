"""Write the merges that Hugging Face `tokenizers` learns from the sample texts: python tests/golden/regenerate.py

Needed after a change of corpora/en.txt or zh.txt, and for a new scheme; never because bpetk learns something else.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent
CORPORA = GOLDEN.parents[1] / "corpora"
NAMES = ("en", "zh")
VOCAB_SIZE = 1000
MERGES_A_ROW = 12


def sha256(name: str) -> str:
    """Hash of a sample text."""
    return hashlib.sha256((CORPORA / f"{name}.txt").read_bytes()).hexdigest()


def rows(merges: list[list[str]]) -> list[str]:
    """Merges as rows of ``left right left right ...`` in byte-level text, which has no blanks."""
    starts = range(0, len(merges), MERGES_A_ROW)
    return [" ".join(token for pair in merges[at : at + MERGES_A_ROW] for token in pair) for at in starts]


def golden(name: str) -> dict[str, Any]:
    """What the file of a sample text has to hold."""
    from bpetk.pretokenizers import SCHEMES
    from bpetk.verify import hf_pipeline

    learned = {}
    for scheme in SCHEMES.values():
        tokenizer, trainer = hf_pipeline(scheme, VOCAB_SIZE)
        tokenizer.train([str(CORPORA / f"{name}.txt")], trainer)
        learned[scheme.name] = rows(json.loads(tokenizer.to_str())["model"]["merges"])
    return {"text_sha256": sha256(name), "vocab_size": VOCAB_SIZE, "merges": learned}


if __name__ == "__main__":
    for name in NAMES:
        text = json.dumps(golden(name), ensure_ascii=False, indent=1) + "\n"
        (GOLDEN / f"{name}.json").write_text(text, encoding="utf-8", newline="\n")
