"""Compare ids on the whole of the shared corpora; prints one line for each model and corpus.

Run ``python -m tests.encode_whole_corpora [--models NAME ...] [--corpora NAME ...] [--document-bytes N]``. It
ends with 1 if anything differs. The tests do the same on the beginning of each corpus.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for the modules beside this one, as in conftest.py

import model_zoo
import shared_data

import bpetk
from tests.compat.encode_pair import CORPORA, Pair

BATCH = 4 << 20  # characters compared at a time: bounds the memory of both libraries' results


def documents(path: Path, size: int) -> Iterator[str]:
    """Give the lines of a file with their ends, or, for ``size`` above 0, runs of lines of about so many characters."""
    with path.open(encoding="utf-8", newline="\n") as file:
        if not size:
            yield from file
            return
        while lines := file.readlines(size):
            yield "".join(lines)


def batches(texts: Iterator[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class FilePair:
    """A model of characters or pieces in both libraries: a ``.model`` of SentencePiece or a ``tokenizer.json``."""

    def __init__(self, path: str) -> None:
        file = shared_data.shared_file(f"{model_zoo.FOLDER}/{path}")
        self.name = path
        self._here = bpetk.Tokenizer.from_file(file)
        self._json = path.endswith(".json")
        if self._json:
            import tokenizers

            self._there = tokenizers.Tokenizer.from_file(str(file))
            self._there.no_truncation()
            self._there.no_padding()
        else:
            import sentencepiece

            self._there = sentencepiece.SentencePieceProcessor(model_file=str(file))

    def without_missing(self, text: str) -> str:
        return text

    def encode_here(self, batch: list[str]) -> list[list[int]]:
        return self._here.encode_batch(batch, allowed_special="all" if self._json else ())

    def encode_there(self, batch: list[str]) -> list[list[int]]:
        if self._json:
            return [found.ids for found in self._there.encode_batch_fast(batch, add_special_tokens=False)]
        return self._there.encode(batch)

    def difference(self, text: str, found: list[int], expected: list[int]) -> str:
        at = next((i for i, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b), len(found))
        return f"{text!r}: id {at}: {found[at : at + 5]} here, {expected[at : at + 5]} there"


class ByteLevelPair(Pair):
    """A byte-level model in both libraries."""

    @property
    def name(self) -> str:
        return self.model.name

    def encode_here(self, batch: list[str]) -> list[list[int]]:
        return self.here.encode_batch(batch, allowed_special="all")

    def encode_there(self, batch: list[str]) -> list[list[int]]:
        return self.there.encode_batch(batch)


def compare(pair: FilePair | ByteLevelPair, path: Path, size: int) -> int:
    """Compare one corpus and print the result; give the number of texts that differ."""
    texts = ids = differing = 0
    here_seconds = there_seconds = 0.0
    first = ""
    for batch in batches(documents(path, size)):
        batch = [pair.without_missing(text) for text in batch]
        start = time.perf_counter()
        found = pair.encode_here(batch)
        middle = time.perf_counter()
        expected = pair.encode_there(batch)
        here_seconds += middle - start
        there_seconds += time.perf_counter() - middle
        wrong = [i for i, row in enumerate(found) if row != expected[i]]
        if wrong and not first:
            first = pair.difference(batch[wrong[0]], found[wrong[0]], expected[wrong[0]])
        texts += len(batch)
        ids += sum(map(len, expected))
        differing += len(wrong)
    unit = "documents" if size else "lines"
    print(
        f"{pair.name:22} {path.stem:13} {path.stat().st_size / 1e6:6.1f} MB {texts:8,} {unit} {ids:11,} ids "
        f"{differing:6,} differ  ({here_seconds:.1f} s here, {there_seconds:.1f} s there)",
        flush=True,
    )
    if first:
        print(first, flush=True)
    return differing


def main() -> int:
    byte_level = {model.name: model for model in model_zoo.MODELS}
    kinds = ("SentencePiece BPE, model", "SentencePiece BPE, tokenizer.json", "character BPE, tokenizer.json")
    names = [*byte_level, *(path for path, kind in model_zoo.KINDS.items() if kind in kinds)]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=names, choices=names, metavar="NAME")
    parser.add_argument("--corpora", nargs="+", default=CORPORA, choices=CORPORA, metavar="NAME")
    parser.add_argument(
        "--document-bytes", type=int, default=0, help="join lines up to so many; 0: single lines"
    )
    options = parser.parse_args()
    differing = 0
    for name in options.models:
        pair: FilePair | ByteLevelPair
        model = byte_level.get(name)
        pair = FilePair(name) if model is None else ByteLevelPair(model, shared_data.shared_file)
        for corpus in options.corpora:
            differing += compare(pair, shared_data.shared_corpus(corpus), options.document_bytes)
    print(f"{differing} texts differ")
    return differing > 0


if __name__ == "__main__":
    sys.exit(main())
