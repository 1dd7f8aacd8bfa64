"""The comparison with reference libraries: what counts as a difference, and how it is told."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from bpetk.errors import ConfigError
from bpetk.pretokenizers import get_scheme
from bpetk.verify import equal_merges, first_difference, hf_pipeline, verify_train

FILE: dict[str, Any] = {
    "added_tokens": [{"id": 0, "content": "<|你|>"}],
    "model": {
        "vocab": {"<|你|>": 0, "a": 1, "b": 2, "Ġ": 3, "ab": 4, "Ġab": 5},
        "merges": [["a", "b"], ["Ġ", "ab"]],
    },
}


def changed(**model: Any) -> dict[str, Any]:
    other = copy.deepcopy(FILE)
    other["model"].update(model)
    return other


def test_equal_files_have_no_difference() -> None:
    assert first_difference(FILE, copy.deepcopy(FILE)) is None


def test_tuples_equal_lists() -> None:
    assert first_difference(FILE, changed(merges=[("a", "b"), ("Ġ", "ab")])) is None


@pytest.mark.parametrize(
    ("theirs", "text"),
    [
        (
            changed(merges=[["a", "b"], ["b", "a"]]),
            'merge 1 (the first is 0): bpetk has " " + "ab" -> " ab", the reference "b" + "a" -> "ba"',
        ),
        (
            changed(merges=[["a", "b"]]),
            "bpetk learned 2 merges, the reference 1; the first 1 are equal, "
            'then bpetk goes on with " " + "ab" -> " ab"',
        ),
        (
            changed(vocab={"<|你|>": 0, "b": 1, "a": 2, "Ġ": 3, "ab": 4, "Ġab": 5}),
            'vocabulary: bpetk has id 1 = "a", the reference 1 = "b"',
        ),
        (
            changed(vocab={"<|我|>": 0, "a": 1, "b": 2, "Ġ": 3, "ab": 4, "Ġab": 5}),
            'vocabulary: bpetk has id 0 = "<|你|>", the reference 0 = "<|我|>"',
        ),
        (
            changed(vocab={**FILE["model"]["vocab"], "x": 6}),
            "vocabulary: bpetk has 6 entries, the reference 7",
        ),
        ({**FILE, "added_tokens": []}, None),
    ],
    ids=["merge", "shorter", "id", "special", "longer", "added"],
)
def test_first_difference_names_the_place(theirs: dict[str, Any], text: str | None) -> None:
    found = first_difference(FILE, theirs)
    assert found is not None
    assert found == text if text is not None else found.startswith("added tokens: ")


def test_equal_merges_counts_to_the_first_difference() -> None:
    assert equal_merges([], []) == 0
    assert equal_merges([["a", "b"], ["c", "d"]], [["a", "b"], ["c", "e"]]) == 1
    assert equal_merges([["a", "b"]], [["a", "b"], ["c", "e"]]) == 1


def test_pipeline_follows_the_options() -> None:
    pytest.importorskip("tokenizers")
    tokenizer, trainer = hf_pipeline(
        get_scheme("whitespace"),
        12,
        special_tokens=["<s>"],
        min_frequency=2,
        max_token_length=3,
        alphabet="observed",
    )
    tokenizer.train_from_iterator(["ab ab cd"], trainer)
    assert tokenizer.get_vocab() == {"<s>": 0, "a": 1, "b": 2, "c": 3, "d": 4, "ab": 5}


def test_identical_training(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    for number in range(2):
        (tmp_path / f"{number}.txt").write_text("low lower lowest 新的 新 的\n" * 3, encoding="utf-8")
    result = verify_train(tmp_path, 270, special_tokens=["<s>"], threads=2)
    assert (result.identical, result.compared, result.vocab_size, result.first_difference) == (
        True,
        13,
        270,
        None,
    )


def test_unknown_reference_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="known are hf"):
        verify_train(tmp_path, 270, against="sp")  # type: ignore[arg-type]


def test_text_that_can_be_read_only_once_is_refused() -> None:
    with pytest.raises(ConfigError, match="save it to a file"):
        verify_train("-", 270)
