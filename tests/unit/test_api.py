"""``bpetk.train`` and ``bpetk.train_from_iterator``: results, report, progress, warnings, errors."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import bpetk
from bpetk import counting
from bpetk.errors import (
    BpetkError,
    ConfigError,
    CorpusError,
    CorpusFileError,
    DocumentTypeError,
    RepeatedTextWarning,
    SlowPathWarning,
    VocabularySizeWarning,
)
from bpetk.report import Progress

TEXT = "the cat sat on the mat, then that cat ate 42 mice.\n猫坐在垫子上，猫吃了老鼠，然后猫睡了。\n" * 20
CORPORA = Path(__file__).parents[2] / "corpora"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.txt"
    path.write_bytes(TEXT.encode())
    return path


# Results


def test_a_path_or_several(corpus: Path) -> None:
    tok = bpetk.train(str(corpus), vocab_size=300)
    assert tok == bpetk.train(corpus, 300) == bpetk.train([corpus], 300) == bpetk.train((str(corpus),), 300)
    assert tok.vocab_size == tok.n_vocab == 300
    assert len(tok.merges) == 44
    assert tok.scheme.name == "cl100k"
    assert tok.decode(tok.encode(TEXT)) == TEXT
    with pytest.warns(RepeatedTextWarning, match=r"counts as often: .*corpus\.txt \(2 times\)$") as told:
        assert bpetk.train([corpus, corpus], 300).merges == tok.merges
    assert told[0].filename == __file__


def test_a_file_and_its_lines_are_the_same(corpus: Path) -> None:
    lines = TEXT.splitlines(keepends=True)
    assert bpetk.train_from_iterator(lines, 320) == bpetk.train(corpus, 320)
    assert bpetk.train_from_iterator(iter(lines), 320) == bpetk.train(corpus, 320)
    with corpus.open(encoding="utf-8", newline="\n") as file:
        assert bpetk.train_from_iterator(file, 320) == bpetk.train(corpus, 320)


def test_every_option_arrives(corpus: Path) -> None:
    options: dict[str, Any] = {
        "scheme": "o200k",
        "special_tokens": ["<s>", "the"],
        "min_frequency": 3,
        "max_token_length": 5,
        "alphabet": "observed",
    }
    expected = bpetk.train_from_iterator(TEXT.splitlines(keepends=True), 90, threads=1, **options)
    tok = bpetk.train(corpus, 90, threads=2, **options)
    assert tok == expected
    assert tok.added_tokens == {"<s>": 0, "the": 1}
    assert max(len(left + right) for left, right in tok.merges) == 4
    report = tok.train_report
    assert report is not None
    assert report.config == {
        "vocab_size": 90, "scheme": "o200k", "pattern": None, "special_tokens": ("<s>", "the"), "min_frequency": 3,
        "max_token_length": 5, "alphabet": "observed", "encoding": "utf-8", "feeding": "lines", "unicode": "16.0.0",
    }  # fmt: skip
    assert expected.train_report is not None
    assert expected.train_report.config["feeding"] == "documents"


@pytest.mark.parametrize("threads", [1, 2, 3, 7, 64])
def test_threads_do_not_matter(threads: int) -> None:
    paths = [CORPORA / "en.txt", CORPORA / "zh.txt"]
    expected = bpetk.train(paths, 2000)
    tok = bpetk.train(paths, 2000, threads=threads)
    assert tok == expected
    assert list(tok.train_report.counts) == list(expected.train_report.counts)  # type: ignore[union-attr]
    documents = [path.read_text(encoding="utf-8") for path in paths]
    assert bpetk.train_from_iterator(documents, 2000, threads=threads) == bpetk.train_from_iterator(
        documents, 2000
    )


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "utf-8-sig", "UTF8"])
def test_encodings(corpus: Path, tmp_path: Path, encoding: str) -> None:
    other = tmp_path / "other.txt"
    other.write_bytes(TEXT.encode(encoding))
    assert bpetk.train(other, 300, encoding=encoding) == bpetk.train(corpus, 300)


def test_big5(tmp_path: Path) -> None:
    text = "風吹過山谷，鳥都飛走了。 one two\n" * 9
    for name, encoding in (("a.txt", "big5"), ("b.txt", "utf-8")):
        (tmp_path / name).write_bytes(text.encode(encoding))
    assert bpetk.train(tmp_path / "a.txt", 280, encoding="big5") == bpetk.train(tmp_path / "b.txt", 280)


def test_the_result_can_be_pickled_and_saved(corpus: Path, tmp_path: Path) -> None:
    tok = bpetk.train(corpus, 300, special_tokens=["<s>"])
    again = pickle.loads(pickle.dumps(tok))
    assert again == tok
    tok.save(tmp_path / "out")
    loaded = bpetk.Tokenizer.from_file(tmp_path / "out")
    assert loaded == tok
    assert loaded.train_report is None


def test_a_vocabulary_of_the_alphabet_only(corpus: Path) -> None:
    tok = bpetk.train(corpus, 256)
    assert tok.merges == []
    assert tok.encode("ab") == [tok.vocab[b"a"], tok.vocab[b"b"]]
    report = tok.train_report
    assert report is not None
    assert (report.stop_reason, report.last_merge, report.last_merge_count) == ("vocab_size", None, None)
    assert report.tokens == report.corpus_bytes


# Report


def test_report_of_files(corpus: Path, tmp_path: Path) -> None:
    second = tmp_path / "second.txt"
    second.write_bytes(b"the mice\n")
    tok = bpetk.train([corpus, second], 300, hash_inputs=True)
    report = tok.train_report
    assert report is not None
    assert (report.requested_vocab_size, report.vocab_size, report.initial_size, report.merges) == (
        300,
        300,
        256,
        44,
    )
    assert report.stop_reason == "vocab_size"
    assert report.explanation == "The vocabulary has the 300 entries asked for."
    assert report.corpus_bytes == len(TEXT.encode()) + 9
    assert [(file.name, file.bytes) for file in report.inputs] == [
        (str(corpus), len(TEXT.encode())), (str(second), 9)
    ]  # fmt: skip
    assert report.inputs[1].sha256 == hashlib.sha256(b"the mice\n").hexdigest()
    assert report.last_merge == tok.merges[-1]
    assert report.last_merge_count == report.counts[-1]
    assert [stage.name for stage in report.stages] == ["count", "sort", "merge"]
    assert all(stage.seconds >= 0 and stage.peak_rss_bytes > 2**20 for stage in report.stages)
    assert report.seconds == sum(stage.seconds for stage in report.stages)
    lines = TEXT.splitlines(keepends=True)
    encoded = [tok.encode(line) for line in [*lines, "the mice\n"]]
    assert report.tokens == sum(map(len, encoded))
    assert report.bytes_per_token == pytest.approx(report.corpus_bytes / report.tokens)


def test_sizes_of_the_compression_curve(corpus: Path) -> None:
    report = bpetk.train(corpus, 300, special_tokens=["cat", "<s>"]).train_report
    assert report is not None
    for size in (258, 270, 299, 300):
        smaller = bpetk.train(corpus, size, special_tokens=["cat", "<s>"]).train_report
        assert smaller is not None
        assert report.tokens_at(size) == smaller.tokens
    assert report.tokens_at(10) == report.tokens_at(258) == report.corpus_bytes
    assert report.tokens_at(10**6) == report.tokens


def test_inputs_are_hashed_only_when_asked(corpus: Path) -> None:
    report = bpetk.train(corpus, 300).train_report
    assert report is not None
    assert report.inputs[0].sha256 is None


def test_report_of_documents() -> None:
    report = bpetk.train_from_iterator([TEXT, "", "猫"], 300).train_report
    assert report is not None
    assert [(file.name, file.bytes) for file in report.inputs] == [("<iterator>", len(TEXT.encode()) + 3)]


def test_report_of_a_lossy_scheme(corpus: Path) -> None:
    """Bytes are those of the words: white space is not there."""
    report = bpetk.train(corpus, 300, scheme="whitespace").train_report
    assert report is not None
    assert report.corpus_bytes == len("".join(TEXT.split()).encode())
    assert report.pretokens == len(TEXT.split())
    assert report.inputs[0].bytes == len(TEXT.encode())


# Fewer tokens than asked for


@pytest.mark.parametrize(
    ("options", "reason", "explanation"),
    [
        ({}, "no_more_pairs", "every word of the text has become a single token"),
        (
            {"min_frequency": 3},
            "min_frequency",
            r"no pair of tokens occurs 3 times or more \(min_frequency\)",
        ),
        ({"min_frequency": 1000}, "min_frequency", "no pair of tokens occurs 1,000 times or more"),
        (
            {"max_token_length": 3},
            "no_more_pairs",
            "no pair of tokens is left that makes a token shorter than 3 bytes",
        ),
    ],
)
def test_why_there_are_fewer(options: dict[str, Any], reason: str, explanation: str) -> None:
    with pytest.warns(VocabularySizeWarning, match=explanation) as caught:
        tok = bpetk.train_from_iterator(["abcd"] * 3 + ["abce"] * 2, 5000, **options)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    report = tok.train_report
    assert report is not None
    assert report.stop_reason == reason
    assert report.explanation.startswith(f"The text gives {tok.vocab_size} of the 5,000 entries asked for: ")


def test_the_warning_for_files_points_to_the_caller(corpus: Path) -> None:
    with pytest.warns(VocabularySizeWarning) as caught:
        tok = bpetk.train(corpus, 5000)
    assert caught[0].filename == __file__
    assert tok.vocab_size < 5000
    assert "of the 5,000 entries asked for: every word of the text has become a single token" in str(
        caught[0].message
    )


HUGE = """
import bpetk, warnings
from bpetk import machine
warnings.simplefilter("ignore")
before = machine.peak_resident_bytes()
tok = bpetk.train_from_iterator(["abcd abcd"], 50_000_000, threads=2)
print(tok.vocab_size, machine.peak_resident_bytes() - before)
"""


def test_a_huge_vocabulary_takes_what_there_is() -> None:
    """Memory is for the tokens that the text can give, not for those asked for."""
    done = subprocess.run(
        [sys.executable, "-c", HUGE], capture_output=True, text=True, timeout=100, check=True
    )
    size, grown = map(int, done.stdout.split())
    assert size == 256 + 4
    assert grown < 100 << 20


def test_a_custom_pattern_warns_that_it_is_slow(corpus: Path) -> None:
    with pytest.warns(SlowPathWarning) as caught:
        bpetk.train(corpus, 300, pattern=r"\p{L}+")
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        named = bpetk.train(corpus, 300, pattern=bpetk.pretokenizers.SCHEMES["gpt2"].pattern)  # type: ignore[attr-defined]
    assert named == bpetk.train(corpus, 300, scheme="gpt2")


# Errors


def test_nothing_to_learn_from(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    (tmp_path / "more.txt").touch()
    (tmp_path / "blank.txt").write_bytes(b" \n\t\n")
    for paths, options in (
        ([tmp_path / "empty.txt"], {}),
        ([tmp_path / "empty.txt", tmp_path / "more.txt"], {}),
        ([tmp_path / "blank.txt"], {"scheme": "whitespace"}),
    ):
        with pytest.raises(CorpusError, match=r"no text to learn from in .*\.txt"):
            bpetk.train(paths, 300, **options)  # type: ignore[arg-type]
    assert bpetk.train([tmp_path / "empty.txt", tmp_path / "blank.txt"], 256).merges == []


@pytest.mark.parametrize("documents", [[], [""], ["", []], iter(())])
def test_no_documents(documents: Any) -> None:
    with pytest.raises(CorpusError, match="no text to learn from: the documents are empty"):
        bpetk.train_from_iterator(documents, 300)


@pytest.mark.parametrize("threads", [-1, 257, 1.0, "2", True, None])
def test_threads_that_cannot_be(corpus: Path, threads: Any) -> None:
    for train, source in ((bpetk.train, corpus), (bpetk.train_from_iterator, ["ab"])):
        with pytest.raises(
            ConfigError, match=r"threads must be a whole number from 0 \(all processors\) to 256"
        ):
            train(source, 300, threads=threads)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"vocab_size": 10}, ConfigError),
        ({"scheme": "nope"}, ConfigError),
        ({"pattern": "("}, ConfigError),
        ({"encoding": "nope"}, ConfigError),
        ({"special_tokens": "<s>"}, ConfigError),
        ({"threads": -1}, ConfigError),
    ],
)
def test_options_are_checked_before_any_file(options: dict[str, Any], error: type[BpetkError]) -> None:
    with pytest.raises(error):
        bpetk.train("absent.txt", **{"vocab_size": 300, **options})


def test_special_tokens_as_one_string() -> None:
    """A string is a sequence of strings, but not what was meant."""
    for special_tokens in ("<s>", "a"):
        with pytest.raises(ConfigError, match="got one string"):
            bpetk.train_from_iterator(["ab"], 300, special_tokens=special_tokens)


def test_texts_and_paths_mixed_up(corpus: Path) -> None:
    with pytest.raises(CorpusFileError, match="cannot read the text itself: "):
        bpetk.train("the text itself", 300)
    with pytest.raises(DocumentTypeError, match="pass paths to train"):
        bpetk.train_from_iterator(str(corpus), 300)
    with pytest.raises(DocumentTypeError, match=r"document 0 is .*Path"):
        bpetk.train_from_iterator([corpus], 300)


# Progress


@pytest.mark.parametrize("threads", [1, 2])
def test_progress(corpus: Path, monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    monkeypatch.setattr("bpetk.trainer.INTERVAL", 0)
    monkeypatch.setattr("bpetk.trainer.MERGES_PER_CALL", 7)
    seen: list[Progress] = []
    report = bpetk.train(corpus, 320, progress=seen.append, threads=threads).train_report
    assert report is not None
    stages = [state.stage for state in seen]
    assert stages == sorted(stages, key=["count", "sort", "merge"].index)
    counts = [state for state in seen if state.stage == "count"]
    merges = [state for state in seen if state.stage == "merge"]
    size = len(TEXT.encode())
    assert {state.total for state in counts} == {size}
    assert (counts[-1].done, counts[-1].distinct_words) == (size, report.distinct_words)
    assert [state.done for state in merges] == [7, 14, 21, 28, 35, 42, 49, 56, 63, 64]
    assert {state.total for state in merges} == {64}
    assert all(state.merges_per_second > 0 for state in merges)
    assert all(before.elapsed <= after.elapsed for before, after in pairwise(seen))
    assert all(state.rss_bytes > 2**20 for state in seen)


def test_progress_of_documents_has_no_total() -> None:
    seen: list[Progress] = []
    bpetk.train_from_iterator([TEXT] * 3, 300, progress=seen.append)
    assert {state.total for state in seen if state.stage == "count"} == {None}
    assert seen[-1].stage == "merge"
    assert seen[-1].done == seen[-1].total == 44


def test_progress_is_not_called_too_often(corpus: Path) -> None:
    seen: list[Progress] = []
    begin = time.perf_counter()
    bpetk.train(corpus, 320, progress=seen.append)
    assert 2 <= len(seen) <= 6 + 10 * (time.perf_counter() - begin)


@pytest.mark.parametrize("stage", ["count", "merge"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("threads", [1, 4])
def test_an_error_in_the_callback_ends_the_training(
    corpus: Path, stage: str, error: type[BaseException], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """KeyboardInterrupt is what Ctrl-C raises, wherever it strikes."""
    monkeypatch.setattr("bpetk.trainer.INTERVAL", 0)
    monkeypatch.setattr("bpetk.trainer.MERGES_PER_CALL", 7)
    monkeypatch.setattr(counting, "CHUNK", 256)
    monkeypatch.setattr(counting, "BATCH", 256)

    def progress(state: Progress) -> None:
        if state.stage == stage:
            raise error("stop")

    before = set(threading.enumerate())
    copies = [corpus.with_name(f"{number}.txt") for number in range(40)]
    for copy in copies:
        copy.write_bytes(corpus.read_bytes())
    for train, source in ((bpetk.train, copies), (bpetk.train_from_iterator, [TEXT] * 40)):
        with pytest.raises(error, match="stop"):
            train(source, 320, progress=progress, threads=threads)  # type: ignore[operator]
        assert set(threading.enumerate()) == before


def test_hashing_ends_with_the_training(tmp_path: Path) -> None:
    """It goes on beside the merges; a training that is broken off must not leave it behind."""
    path = tmp_path / "large.txt"
    path.write_bytes(b"a line of text\n" * 6_000_000)

    def progress(state: Progress) -> None:
        if state.stage == "merge":
            raise KeyboardInterrupt

    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt):
        bpetk.train(path, 270, progress=progress, hash_inputs=True)
    assert set(threading.enumerate()) == before


def test_a_generator_is_closed_and_its_error_comes_through() -> None:
    closed = []

    def documents() -> Iterator[str]:
        try:
            yield from [TEXT] * 5
            raise LookupError("the source broke")
        finally:
            closed.append(True)

    for threads in (1, 3):
        with pytest.raises(LookupError, match="the source broke"):
            bpetk.train_from_iterator(documents(), 300, threads=threads)
    assert closed == [True, True]


def test_a_training_inside_the_documents_of_another() -> None:
    def documents() -> Iterator[str]:
        for _ in range(3):
            inner = bpetk.train_from_iterator([TEXT], 300, threads=2)
            yield inner.decode(inner.encode(TEXT))

    assert bpetk.train_from_iterator(documents(), 300, threads=2) == bpetk.train_from_iterator(
        [TEXT] * 3, 300
    )
