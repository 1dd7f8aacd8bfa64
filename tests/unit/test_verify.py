"""The comparisons with reference libraries: what counts as a difference, and how it is told."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

import bpetk
from bpetk.errors import ConfigError, CorpusError, CorpusFileError, InvalidEncodingError
from bpetk.pretokenizers import get_scheme
from bpetk.readable import readable
from bpetk.verify import (
    EncodeDifference,
    equal_merges,
    first_difference,
    hf_pipeline,
    verify_encode,
    verify_train,
)

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


# --- encoding -------------------------------------------------------------------------------------------------------

LINES = "the theme\r\n\n主题：the thesis 论文\nlast"


@pytest.fixture
def tok(tmp_path: Path) -> bpetk.Tokenizer:
    pytest.importorskip("tokenizers")
    tokenizer = bpetk.train_from_iterator([LINES] * 3, 280, special_tokens=["<s>"])
    tokenizer.save(tmp_path / "tok")
    return bpetk.Tokenizer.from_file(tmp_path / "tok")


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_bytes(LINES.encode())
    return path


def test_identical_ids(tok: bpetk.Tokenizer, text: Path) -> None:
    seen: list[int] = []
    result = verify_encode(tok, [text, text], progress=seen.append)
    expected = sum(len(tok.encode(line)) for line in LINES.splitlines(keepends=True))
    size = len(LINES.encode())
    assert (result.identical, result.difference) == (True, None)
    assert (result.texts, result.tokens, result.bytes) == (8, 2 * expected, 2 * size)
    assert seen == [size, 2 * size]
    whole = verify_encode(tok, text, whole=True)
    assert (whole.texts, whole.tokens) == (1, len(tok.encode(LINES)))


def test_special_tokens_in_the_text_are_encoded_by_both(tok: bpetk.Tokenizer, text: Path) -> None:
    text.write_text("a<s>b <s>\n")
    for against in ("hf", "tiktoken"):
        pytest.importorskip({"hf": "tokenizers"}.get(against, against))
        assert verify_encode(tok, text, against=against).identical


def wrong(ids: list[int]) -> list[int]:
    return [*ids[:2], 5, *ids[3:]] if len(ids) > 6 else ids


def test_the_first_difference_is_told(
    tok: bpetk.Tokenizer, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = bpetk.Tokenizer.encode_batch
    monkeypatch.setattr(
        bpetk.Tokenizer,
        "encode_batch",
        lambda self, texts, **options: list(map(wrong, right(self, texts, **options))),
    )
    result = verify_encode(tok, text)
    assert (result.identical, result.texts) == (False, 2)
    line = LINES.splitlines(keepends=True)[2]
    ids = tok.encode(line)
    start = len(tok.decode(ids[:2]).rstrip("\ufffd"))
    ours = [*ids[:2], 5, *ids[3:]]

    def shown(row: list[int]) -> tuple[tuple[int, str], ...]:
        return tuple((id, readable(tok.id_to_bytes(id))) for id in row[:7])

    near = line[max(0, start - 20) : start + 40]
    assert result.difference == EncodeDifference(str(text), 3, 2, near, shown(ours), shown(ids))
    whole = verify_encode(tok, text, whole=True).difference
    assert whole is not None
    assert (whole.line, whole.at) == (None, 2)


def test_ids_outside_the_vocabulary_can_be_shown(
    tok: bpetk.Tokenizer, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "bpetk.reference_libraries.HuggingFace.encode_batch", lambda _, texts: [[9999] for _ in texts]
    )
    result = verify_encode(tok, text)
    assert result.difference is not None
    assert result.difference.theirs == ((9999, "not in the vocabulary"),)


def test_texts_that_cannot_be_compared(tok: bpetk.Tokenizer, tmp_path: Path) -> None:
    with pytest.raises(CorpusFileError, match=r"nosuch\.txt"):
        verify_encode(tok, tmp_path / "nosuch.txt")
    (tmp_path / "bad.txt").write_bytes(b"a\n\xff")
    with pytest.raises(InvalidEncodingError, match="line 2"):
        verify_encode(tok, tmp_path / "bad.txt")
    with pytest.raises(ConfigError, match="known are hf, tiktoken"):
        verify_encode(tok, tmp_path / "bad.txt", against="sp")
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).touch()
    for whole in (False, True):
        with pytest.raises(CorpusError, match=r"no text: nothing was compared, .*a\.txt is empty"):
            verify_encode(tok, tmp_path / "a.txt", whole=whole)
        with pytest.raises(CorpusError, match=r"a\.txt, .*b\.txt are empty"):
            verify_encode(tok, [tmp_path / "a.txt", tmp_path / "b.txt"], whole=whole)
