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


def compare(pair: Pair, path: Path, size: int) -> int:
    """Compare one corpus and print the result; give the number of texts that differ."""
    texts = ids = differing = 0
    here_seconds = there_seconds = 0.0
    first = ""
    for batch in batches(documents(path, size)):
        batch = [pair.without_missing(text) for text in batch]
        start = time.perf_counter()
        found = pair.here.encode_batch(batch, allowed_special="all")
        middle = time.perf_counter()
        expected = pair.there.encode_batch(batch)
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
        f"{pair.model.name:22} {path.stem:13} {path.stat().st_size / 1e6:6.1f} MB {texts:8,} {unit} {ids:11,} ids "
        f"{differing:6,} differ  ({here_seconds:.1f} s here, {there_seconds:.1f} s there)",
        flush=True,
    )
    if first:
        print(first, flush=True)
    return differing


def main() -> int:
    names = [model.name for model in model_zoo.MODELS]
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
    for model in model_zoo.MODELS:
        if model.name in options.models:
            pair = Pair(model, shared_data.shared_file)
            for corpus in options.corpora:
                differing += compare(pair, shared_data.shared_corpus(corpus), options.document_bytes)
    print(f"{differing} texts differ")
    return differing > 0


if __name__ == "__main__":
    sys.exit(main())
