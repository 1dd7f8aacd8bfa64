"""The merge loop of characters against `sentencepiece` itself: the same pieces in the same order."""

from __future__ import annotations

import io
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from bpetk import _counter, _trainer
from bpetk.reference.sp_train import (
    BARRIER,
    BLANK,
    PieceRules,
    choose_alphabet,
    count_characters,
    split_words,
)
from bpetk.sp_scripts import script_classes

spm = pytest.importorskip("sentencepiece")

META = 3  # <unk>, <s>, </s>


def library_pieces(lines: Iterable[str], vocab_size: int, **options: Any) -> list[str]:
    """Train with the library and give its pieces but those that are in every model."""
    model = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        model_type="bpe",
        vocab_size=vocab_size,
        normalization_rule_name="identity",
        hard_vocab_limit=False,
        max_sentence_length=10**7,
        num_threads=1,
        minloglevel=4,
        **options,
    )
    processor = spm.SentencePieceProcessor(model_proto=model.getvalue())
    return [processor.id_to_piece(i) for i in range(META, processor.vocab_size())]


def own_pieces(
    lines: Iterable[str], vocab_size: int, threads: int, character_coverage: float = 0.9995, **options: Any
) -> list[str]:
    """Train with the merge loop, on words as the reference makes them."""
    rules = PieceRules(**options)
    sentences: Counter[str] = Counter()
    for line in lines:
        text = re.sub(" +", " ", line.strip(" ")).replace(" ", BLANK)
        if text:
            text = text + BLANK if rules.treat_whitespace_as_suffix else BLANK + text
            sentences[re.sub("<unk>|</?s>", BARRIER, text)] += 1
    alphabet = choose_alphabet(count_characters(sentences.items()), character_coverage)
    worker = _counter.CountWorker("none", lines=False)
    for sentence, count in sentences.items():
        worker.add_words((word.encode(), count) for word in split_words(sentence, rules))
    loop = _trainer.MergeLoop.of_characters(
        _counter.combine([worker]),
        characters=[ord(char) for char in alphabet],
        pieces=vocab_size - META - len(alphabet),
        scripts=script_classes() if rules.split_by_unicode_script else None,
        max_length=rules.max_sentencepiece_length,
        split_by_whitespace=rules.split_by_whitespace,
        suffix=rules.treat_whitespace_as_suffix,
        whitespace_only=rules.allow_whitespace_only_pieces,
        split_digits=rules.split_digits,
        split_by_number=rules.split_by_number,
        threads=threads,
    )
    while loop.stop is None:
        loop.run(2000)
    return loop.pieces() + alphabet


LETTERS = [
    ["a", "b", " "],
    ["a", " "],
    ["a", "b", "1", "2", "\uff11", ".", " "],
    ["a", "漢", "あ", "ア", "\u30fc", "\u0301", "1", " "],
    ["a", "é", "\u0301", "\u0308", "я", "<s>", "</s>", "z"],
    ["ab", "abc", "\U0001f600", "\U00020000", "x\x00y", "\t", " "],
    [*"abcdefghijklmnop ", "tion", "ing", "  "],
]


@pytest.mark.parametrize("seed", range(8))
def test_random_corpora(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(25):
        letters = rng.choice(LETTERS)
        lines = [
            "".join(rng.choices(letters, k=rng.choice([1, 2, 4, 9, 30, 80])))
            for _ in range(rng.randint(1, 30))
        ]
        if not "".join(lines).replace("<s>", "").replace("</s>", "").strip(" \0"):
            continue
        options: dict[str, Any] = {
            name: rng.random() < 0.5
            for name in (
                "split_by_unicode_script",
                "split_by_number",
                "split_by_whitespace",
                "treat_whitespace_as_suffix",
                "split_digits",
                "allow_whitespace_only_pieces",
            )
        }
        options["max_sentencepiece_length"] = rng.choice([1, 2, 3, 5, 16, 16, 100])
        options["character_coverage"] = rng.choice([0.9995, 0.9995, 0.98])
        size = rng.choice([40, 60, 5000])
        expected = library_pieces(lines, size, **options)
        for threads in (1, 3):
            assert own_pieces(lines, size, threads, **options) == expected, (lines, size, options)


@pytest.mark.parametrize(
    ("name", "size", "vocab_size", "options"),
    [
        ("zh", 1_000_000, 8000, {}),
        ("en", 1_000_000, 8000, {}),
        ("en", 300_000, 10**6, {}),  # all fillers
        ("zh", 100_000, 10**6, {}),
        ("multi", 300_000, 9000, {"split_by_number": False, "split_digits": True}),
        ("mixed", 300_000, 9000, {"split_by_whitespace": False, "split_by_unicode_script": False}),
        ("code", 200_000, 9000, {"max_sentencepiece_length": 300, "treat_whitespace_as_suffix": True}),
    ],
)
def test_real_text(
    shared_corpus: Callable[..., Path], name: str, size: int, vocab_size: int, options: dict[str, Any]
) -> None:
    lines = shared_corpus(name, size).read_text(encoding="utf-8").split("\n")
    lines = [line for line in lines if BLANK not in line and "\u2585" not in line]
    expected = library_pieces(lines, vocab_size, **options)
    assert vocab_size == 10**6 or len(expected) == vocab_size - META
    for threads in (1, 2, 7):
        assert own_pieces(lines, vocab_size, threads, **options) == expected
