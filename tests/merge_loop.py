"""Driving the native merge loop from word counts, and words for it."""

from __future__ import annotations

import array
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bpetk import _counter, _trainer
from bpetk.trainer import TrainerConfig, _reserved


@dataclass(frozen=True)
class Learned:
    """What a finished loop tells."""

    merges: list[tuple[int, int]]
    new: list[int]
    counts: list[int]
    applied: list[int]
    size: int
    stop: str
    rescans: int
    total_bytes: int
    scripts: dict[str, tuple[int, int]]


def make_loop(
    words: Mapping[bytes, int],
    vocab_size: int,
    *,
    min_frequency: int = 0,
    max_token_length: int | None = None,
    special_tokens: tuple[str, ...] | list[str] = (),
    alphabet: str = "bytes",
    tuning: Mapping[str, Any] | None = None,
) -> tuple[_trainer.MergeLoop, _counter.WordCounts]:
    """Count words and set up a loop on them, with the ids that a training gives; the counts are used up."""
    worker = _counter.CountWorker("none", lines=False)
    worker.add_words(words.items())
    counts = _counter.combine([worker])
    # The sizes that a configuration refuses are allowed here, as in the reference.
    config = TrainerConfig(10**6, "none", None, tuple(special_tokens), alphabet=alphabet)  # type: ignore[arg-type]
    ids, strings = config.initial_ids(bytes(range(256)) if alphabet == "bytes" else counts.observed_bytes())
    loop = _trainer.MergeLoop(
        counts,
        byte_ids=ids,
        strings=len(strings),
        reserved=_reserved(strings, config),
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        max_token_length=max_token_length or 0,
        **(tuning or {}),
    )
    return loop, counts


def learn(words: Mapping[bytes, int], vocab_size: int, **options: Any) -> Learned:
    """Run a loop to its end."""
    loop, _ = make_loop(words, vocab_size, **options)
    while loop.stop is None:
        loop.run(1000)
    left, right, new, counts, applied = [
        array.array(code, native).tolist() for code, native in zip("IIIqq", loop.result(), strict=True)
    ]
    merges = list(zip(left, right, strict=True))
    scripts = dict(loop.script_costs())
    return Learned(
        merges, new, counts, applied, loop.strings, loop.stop, loop.rescans, loop.total_bytes, scripts
    )


def random_words(rng: random.Random, most: int = 40) -> dict[bytes, int]:
    """Give words over few letters, where ties, overlaps and long runs are frequent."""
    letters = rng.choice([b"ab", b"abc", b"a", b"abcdefgh", "中文字的".encode()])
    words: dict[bytes, int] = {}
    for _ in range(rng.randint(1, most)):
        word = bytes(rng.choices(letters, k=rng.choice([1, 2, 3, 5, 8, 20, 60])))
        words[word] = words.get(word, 0) + rng.choice([1, 1, 1, 2, 3, 7, 100, 5000])
    return words
