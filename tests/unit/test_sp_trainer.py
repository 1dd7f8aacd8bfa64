"""Training with SentencePiece's algorithm, without the library: what is skipped, drawn, refused, written and told."""

from __future__ import annotations

import builtins
import io
import os
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import bpetk
from bpetk import counting
from bpetk.corpus import resolve
from bpetk.errors import (
    ConfigError,
    CorpusError,
    CorpusFileError,
    DocumentTypeError,
    InvalidEncodingError,
    InvalidTextWarning,
    MissingDependencyError,
    ModelFileError,
    OutputError,
    SampledSentencesWarning,
    SkippedSentencesWarning,
    VocabularySizeWarning,
)
from bpetk.interop import sentencepiece as drop_in
from bpetk.interop.sentencepiece_model import (
    ModelFile,
    NormalizerSpec,
    Piece,
    PieceType,
    read_model,
    write_model,
)
from bpetk.reference import sp_train
from bpetk.report import Progress
from bpetk.sp_counting import count_sentence_files, count_sentences
from bpetk.sp_normalizers import NormalizerMap, find_map
from bpetk.sp_options import SpOptions
from bpetk.sp_trained import SentencePieceModel, write_files
from bpetk.sp_trainer import SpTraining

ALGORITHM: Any = "sentencepiece-bpe"
IDENTITY: dict[str, Any] = {"algorithm": ALGORITHM, "normalization_rule_name": "identity"}
LINES = ["low lower lowest", "new newer newest", "", "x" * 40, "a \u2585 b"]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.txt"
    path.write_text("\n".join(LINES) + "\n", encoding="utf-8", newline="")
    return path


def train(lines: Any, vocab_size: int = 20, **options: Any) -> SentencePieceModel:
    model: SentencePieceModel = bpetk.train_from_iterator(lines, vocab_size, **{**IDENTITY, **options})
    return model


def texts(model: SentencePieceModel) -> list[str]:
    return [piece.text for piece in model.pieces]


# Results


def test_pieces_are_those_of_the_twin() -> None:
    sentences = ["▁low▁lower▁lowest", "▁new▁newer▁newest"]
    learned = sp_train.train([(s, 1) for s in sentences], 20, taken=["<unk>", "<s>", "</s>"])
    model = train(LINES[:2], 23)
    assert texts(model) == ["<unk>", "<s>", "</s>", *learned.merges, *learned.alphabet]


def test_file_and_iterator_differ_in_the_name_of_the_file_only(corpus: Path) -> None:
    with pytest.warns(SkippedSentencesWarning):
        from_file = bpetk.train(corpus, 20, **IDENTITY)
    with pytest.warns(SkippedSentencesWarning):
        from_lines = train(LINES)
    assert from_file.pieces == from_lines.pieces
    assert from_file.model_file.trainer["input"] == (str(corpus),)
    trainer = {name: value for name, value in from_file.model_file.trainer.items() if name != "input"}
    assert trainer == from_lines.model_file.trainer


def test_bytes_and_lists_are_sentences() -> None:
    assert train([b"low lower", ["lowest", b"new"]]).pieces == train(["low lower", "lowest", "new"]).pieces


def test_other_encodings(tmp_path: Path) -> None:
    path = tmp_path / "zh.txt"
    text = "汉字和字母，汉字和字母\n" * 3
    path.write_bytes(text.encode("gb18030"))
    model = bpetk.train(path, 20, encoding="gb18030", **IDENTITY, hard_vocab_limit=False)
    assert model.pieces == train(text.splitlines(), 20, hard_vocab_limit=False).pieces


def test_text_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    path = tmp_path / "zh.txt"
    path.write_bytes("汉字和字母，汉字和字母\n".encode("gb18030") * 3)
    with pytest.warns(
        InvalidTextWarning, match=r"zh\.txt: invalid UTF-8 at line 1, .*--encoding gb18030.* U\+FFFD"
    ):
        model = bpetk.train(path, 14, **IDENTITY)
    assert "\ufffd" in texts(model)


def test_report(corpus: Path) -> None:
    with pytest.warns(SkippedSentencesWarning):
        report = bpetk.train(
            corpus, 22, **IDENTITY, max_sentence_length=30, byte_fallback=False, hash_inputs=True
        ).train_report
    assert (report.sentences, report.skipped) == (2, {"empty": 1, "too long": 1, "holds U+2585": 1})
    assert (report.requested_vocab_size, report.vocab_size, report.stop_reason) == (22, 22, "vocab_size")
    assert report.algorithm == "sentencepiece-bpe"
    assert report.last_merge is not None and all(part.decode() for part in report.last_merge)
    assert report.tokens_at(0) == len("▁low▁lower▁lowest▁new▁newer▁newest") == report.initial_tokens
    assert report.tokens == report.tokens_at(22) == report.curve()[-1][1] < report.initial_tokens
    assert report.inputs[0].sha256 is not None
    assert [stage.name for stage in report.stages] == ["count", "sort", "merge"]
    plain = report.to_dict()
    assert plain["config"]["normalizer"] == {"name": "identity", "source": "no rules"}
    assert plain["skipped"] == report.skipped


def test_tokens_are_those_that_the_pieces_leave() -> None:
    """The number of tokens of the text is what merging by the pieces gives."""
    lines = ["the cat sat on the mat", "that cat ate", "机器学习和机器翻译"] * 3
    model = train(lines, 45)
    pieces = {piece.text: -piece.score for piece in model.pieces if piece.type == PieceType.NORMAL}
    total = 0
    for line in lines:
        symbols = list("▁" + line.replace(" ", "▁"))
        while True:
            pairs = [pieces.get(a + b, 1e9) for a, b in pairwise(symbols)]
            if not pairs or min(pairs) == 1e9:
                break
            at = pairs.index(min(pairs))
            symbols[at : at + 2] = [symbols[at] + symbols[at + 1]]
        total += len(symbols)
    assert model.train_report.tokens == total


def test_progress_reaches_the_end(corpus: Path) -> None:
    seen: list[Progress] = []
    with pytest.warns(SkippedSentencesWarning):
        bpetk.train(corpus, 20, progress=seen.append, **IDENTITY)
    last = {progress.stage: progress for progress in seen}
    assert last["count"].done == last["count"].total == corpus.stat().st_size
    assert last["merge"].done == last["merge"].total


def test_small_vocabulary_is_told() -> None:
    with pytest.warns(VocabularySizeWarning, match="gives 9 of the 50 pieces"):
        assert train(["ab"], 50, hard_vocab_limit=False).vocab_size == 9
    with pytest.raises(ConfigError, match="set hard_vocab_limit=False"):
        train(["ab"], 50)


# Sentences that are left out


def test_skipped_sentences_are_told() -> None:
    with pytest.warns(SkippedSentencesWarning) as told:
        train(LINES, max_sentence_length=30)
    assert len(told) == 1
    text = str(told[0].message)
    assert "2 sentences taken, 3 skipped (1 empty, 1 holds U+2585, 1 longer than 30 bytes)" in text
    assert "keep_long_sentences" in text


def test_empty_sentences_alone_need_no_warning() -> None:
    assert train(["low lower", "", "lowest"]).train_report.skipped == {"empty": 1}


def test_keeping_long_sentences() -> None:
    with pytest.warns(SkippedSentencesWarning):
        assert train(["x" * 5000, "ab" * 9], 10, hard_vocab_limit=False).train_report.sentences == 1
    model = train(["x" * 5000, "ab" * 9], 10, keep_long_sentences=True)
    assert model.train_report.sentences == 2
    assert model.model_file.trainer["max_sentence_length"] == 1 << 30
    with pytest.raises(ConfigError, match="exclude each other"):
        train(["ab"], keep_long_sentences=True, max_sentence_length=100)


def test_first_sentences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Skipped ones do not count; no more of the text is read than is needed."""
    lines = [f"w{i % 7} word" if i % 3 else "" for i in range(400)]
    options: dict[str, Any] = {"input_sentence_size": 101, "shuffle_input_sentence": False}
    expected = [line for line in lines if line][:101]
    paths = [tmp_path / "a.txt", tmp_path / "b.txt"]
    paths[0].write_text("\n".join(lines[:150]))
    paths[1].write_text("\n".join(lines[150:]))
    plain = train(expected).pieces
    for chunk in (16, 100, 1 << 19):
        monkeypatch.setattr(counting, "CHUNK", chunk)
        model = bpetk.train(paths, 20, **IDENTITY, **options)
        assert model.pieces == plain
        assert model.train_report.sentences == 101

    read = []

    def reading() -> Iterator[str]:
        for line in lines:
            read.append(line)
            yield line

    monkeypatch.setattr(counting, "BATCH", 100)
    assert train(reading(), **options).pieces == plain
    assert len(read) < 250


def test_sample_is_all_of_a_small_text() -> None:
    lines = [f"word{i}" for i in range(150)]
    assert train(lines, 30, input_sentence_size=150).pieces == train(lines, 30).pieces


def test_sample_is_repeatable_and_told(tmp_path: Path) -> None:
    lines = [f"word{i * i} {'' if i % 9 else chr(0x2585)}" for i in range(1000)]
    path = tmp_path / "t.txt"
    path.write_text("\n".join(lines))
    results = []
    for seed, threads in ((1, 1), (1, 7), (2, 1)):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            model = bpetk.train(path, 40, **IDENTITY, input_sentence_size=200, seed=seed, threads=threads)
        assert {w.category for w in told} == {SampledSentencesWarning, SkippedSentencesWarning}
        assert model.train_report.sentences == 200
        assert model.train_report.skipped == {"holds U+2585": 112}
        assert model.train_report.config["seed"] == seed
        results.append(model.pieces)
    assert results[0] == results[1] != results[2]


def test_sample_is_uniform() -> None:
    """Each of 300 sentences is drawn about as often as the others: 101 of 300, in 400 samples."""
    options = SpOptions.from_mapping({"input_sentence_size": 101}, sampling=True)
    normalizer = NormalizerMap("identity", b"", "").normalizer(options)
    drawn: Counter[int] = Counter()
    for seed in range(400):
        sentences = [f"s{i}" for i in range(300)]
        counted = count_sentences(sentences, options, normalizer, seed=seed)
        assert (counted.sentences, counted.sampled) == (101, 300)
        drawn.update(int(word.decode()[2:]) for word, _ in counted.words.items())
    assert drawn.total() == 400 * 101
    # The mean is 134.7, the standard deviation 9.5.
    assert min(drawn.values()) > 80
    assert max(drawn.values()) < 190
    for part in range(0, 300, 100):
        assert 0.95 < sum(drawn[i] for i in range(part, part + 100)) / (400 * 101 / 3) < 1.05


def test_sample_of_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text("".join(f"w{i}\t{i + 1}\n" for i in range(300)))
    options: dict[str, Any] = {**IDENTITY, "input_format": "tsv", "input_sentence_size": 101}
    with pytest.warns(SampledSentencesWarning, match="101 of 300 sentences were drawn"):
        model = bpetk.train(path, 20, **options)
    assert model.train_report.sentences == 101
    assert 101 < model.train_report.pretokens < 300 * 301 / 2
    path.write_text("ab\n")
    with pytest.raises(CorpusError, match="line 1"):
        bpetk.train(path, 20, **options)


# Rows with counts


def test_rows_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    for bad in ("ab", "ab\t0", "ab\t1\t2", "ab\tx", "", f"ab\t{2**63}", "ab\t-1"):
        path.write_text(f"ok\t1\n{bad}\nok\t2\n")
        with pytest.raises(
            CorpusError, match=r"rows\.tsv: line 2, byte offset 5: expected a sentence, a tab"
        ):
            bpetk.train(path, 20, **IDENTITY, input_format="tsv")
        with pytest.raises(CorpusError, match="line 2"):
            bpetk.train(
                path,
                20,
                **IDENTITY,
                input_format="tsv",
                input_sentence_size=101,
                shuffle_input_sentence=False,
            )
    with pytest.raises(CorpusError, match="a sentence of the iterator: expected"):
        train(["ab"], input_format="tsv")


def test_counts_add_up() -> None:
    rows = ["ab\t3", "cd\t 2 ", "ab\t+4", "ef\t09"]
    counted = train(rows, 12, input_format="tsv", hard_vocab_limit=False).train_report
    assert counted.counts[0] == 9
    with pytest.raises(CorpusError, match="more than 2"):
        train([f"ab\t{2**62}"] * 3, input_format="tsv")


# What is refused


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"scheme": "gpt2"}, "scheme is not for algorithm='sentencepiece-bpe': words are cut"),
        ({"scheme": "cl100k"}, "scheme is not for"),
        ({"pattern": "a"}, "pattern is not for"),
        ({"special_tokens": ["<s>"]}, "special_tokens is not for .*control_symbols"),
        ({"min_frequency": 2}, "min_frequency is not for"),
        ({"max_token_length": 9}, "max_token_length is not for .*max_sentencepiece_length"),
        ({"alphabet": "observed"}, "alphabet is not for"),
        ({"model_type": "unigram"}, "model_type=unigram is not supported"),
        ({"input": "x"}, "input is not an option here"),
        ({"model_prefix": "x"}, "model_prefix is not an option here"),
        ({"split_digit": True}, "did you mean split_digits"),
        ({"normalization_rule_name": "nfd"}, "known are identity, nfkc"),
        ({"enable_differential_privacy": True}, "enable_differential_privacy is not supported"),
        ({"seed": "x"}, "seed must be a whole number"),
    ],
)
def test_options_that_are_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        train(["ab"], **options)


def test_the_other_algorithm_has_none_of_these_options() -> None:
    with pytest.raises(TypeError, match="'split_digits'; options of SentencePiece need algorithm="):
        bpetk.train_from_iterator(["ab"], 300, split_digits=True)  # type: ignore[call-overload]
    with pytest.raises(
        ConfigError, match="algorithm must be 'byte-level-bpe' or 'sentencepiece-bpe', got 'bpe'"
    ):
        bpetk.train_from_iterator(["ab"], 300, algorithm="bpe")  # type: ignore[call-overload]


@pytest.mark.parametrize("size", ["20", 20.0, True])
def test_sizes_that_are_none(size: Any) -> None:
    with pytest.raises(ConfigError, match="vocab_size must be a whole number"):
        train(["ab"], size)


def test_texts_that_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusFileError):
        bpetk.train(tmp_path / "none.txt", 20, **IDENTITY)
    for sentences in ([], [""], ["a\u2585"], ["  "], ["x" * 9000]):
        with pytest.raises(CorpusError, match="no text to learn from: "):
            train(sentences)
    with pytest.raises(DocumentTypeError, match="one str"):
        train("ab")
    with pytest.raises(DocumentTypeError, match="sentence 1 is int"):
        train(["ab", 1])
    with pytest.raises(InvalidEncodingError, match="lone surrogate"):
        train(["\udc80"])


def test_errors_of_an_iterator_are_its_own() -> None:
    def broken() -> Iterator[str]:
        yield "ab"
        raise RuntimeError("mine")

    for threads in (1, 3):
        with pytest.raises(RuntimeError, match="mine"):
            train(broken(), threads=threads)


# Normalizers


def hide_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def importing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] == "sentencepiece":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", importing)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hide_the_library(monkeypatch)
    for name in ("nmt_nfkc", "nfkc", "nfkc_cf", "nmt_nfkc_cf"):
        with pytest.raises(
            MissingDependencyError, match=r"pip install 'bpetk\[sentencepiece\]', or take the rules"
        ):
            train(["ab"], normalization_rule_name=name)
    with pytest.raises(MissingDependencyError, match="normalization_rule_tsv needs"):
        train(["ab"], normalization_rule_tsv="x.tsv")
    assert train(["ab"], 7).vocab_size == 7
    model = tmp_path / "x.model"
    model.write_bytes(model_with("nmt_nfkc"))
    made = bpetk.train_from_iterator(["ab"], 7, algorithm=ALGORITHM, normalizer_from=model)
    assert made.model_file.normalizer.name == "nmt_nfkc"


def model_with(name: str | None, precompiled: bytes | None = None) -> bytes:
    unk = Piece("<unk>", 0.0, PieceType.UNKNOWN)
    return write_model(ModelFile([unk], {"model_type": 2}, NormalizerSpec(name, precompiled)))


def test_maps_of_models(tmp_path: Path) -> None:
    path = tmp_path / "x.model"
    path.write_bytes(model_with("mine"))
    assert find_map(SpOptions.from_kwargs(), path) == NormalizerMap("mine", b"", str(path))
    path.write_bytes(model_with(None))
    assert find_map(SpOptions.from_kwargs(), path).name == "nmt_nfkc"
    path.write_bytes(model_with("bad", b"\xff\xff"))
    with pytest.raises(ModelFileError, match=r"x\.model is malformed"):
        train(["ab"], normalization_rule_name="bad", normalizer_from=path)
    path.write_bytes(b"no model")
    with pytest.raises(ModelFileError, match=r"x\.model"):
        train(["ab"], normalizer_from=path)
    with pytest.raises(ModelFileError, match=r"cannot read .*none"):
        train(["ab"], normalizer_from=tmp_path / "none")
    with pytest.raises(ConfigError, match="exclude each other"):
        train(["ab"], normalizer_from=path, normalization_rule_tsv="x")


# Files


def test_save(tmp_path: Path) -> None:
    model = train(LINES[:2])
    for name in ("a/b/m.model", "c/m"):
        model.save(tmp_path / name)
        prefix = str(tmp_path / name).removesuffix(".model")
        read = read_model(Path(f"{prefix}.model").read_bytes(), "m")
        assert read.pieces == model.pieces
        assert read.trainer["model_prefix"] == prefix
        rows = Path(f"{prefix}.vocab").read_text(encoding="utf-8").split("\n")
        assert rows[0] == "<unk>\t0" and rows[-1] == ""
        assert len(rows) == model.vocab_size + 1
    assert "model_prefix" not in read_model(model.to_bytes(), "m").trainer


def test_files_are_not_replaced_unasked(tmp_path: Path) -> None:
    model = train(LINES[:2])
    (tmp_path / "m.vocab").write_text("mine")
    with pytest.raises(OutputError, match=r"m\.vocab' exists"):
        model.save(tmp_path / "m.model")
    assert [path.name for path in tmp_path.iterdir()] == ["m.vocab"]
    model.save(tmp_path / "m.model", overwrite=True)
    assert {path.name for path in tmp_path.iterdir()} == {"m.model", "m.vocab"}
    (tmp_path / "d.model").mkdir()
    with pytest.raises(OutputError, match="is a directory"):
        model.save(tmp_path / "d.model", overwrite=True)
    with pytest.raises(OutputError, match=r"m\.vocab' is a file, not a folder"):
        model.save(tmp_path / "m.vocab" / "m.model")
    with pytest.raises(ConfigError, match="names no file"):
        model.save(tmp_path / ".model")


@pytest.mark.parametrize("former", [True, False])
@pytest.mark.parametrize("step", range(1, 3))
def test_both_files_or_none(step: int, former: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fills up, or someone presses Ctrl-C, as one of the files is put in its place."""
    folder = tmp_path / "deep" / "folder"
    paths = [folder / "m.model", folder / "m.vocab"]
    if former:
        folder.mkdir(parents=True)
        for path in paths:
            path.write_text("old")
    real, calls = os.replace, 0
    raised: BaseException = OSError()

    def replacing(a: Any, b: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == step:
            raise raised
        real(a, b)

    for failure, expected in (
        (OSError(28, "No space left on device"), OutputError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ):
        calls, raised = 0, failure
        monkeypatch.setattr(os, "replace", replacing)
        with pytest.raises(expected):
            write_files(dict.fromkeys(paths, b"new"))
        monkeypatch.setattr(os, "replace", real)
        if former:
            assert sorted(folder.iterdir()) == paths
            assert [path.read_text() for path in paths] == ["old", "old"]
        else:
            assert list(tmp_path.iterdir()) == []
    write_files(dict.fromkeys(paths, b"new"))
    assert sorted(folder.iterdir()) == paths
    assert [path.read_text() for path in paths] == ["new", "new"]


# The call of the library


def test_drop_in_refuses_what_the_library_refuses(tmp_path: Path, corpus: Path) -> None:
    bpe: dict[str, Any] = {"model_type": "bpe", "vocab_size": 20, "normalization_rule_name": "identity"}
    prefix, out = str(tmp_path / "m"), io.BytesIO()
    for options, match in (
        ({}, "either input or sentence_iterator"),
        ({"input": corpus}, "either model_prefix or model_writer"),
        ({"input": corpus, "model_prefix": prefix, "model_writer": out}, "either model_prefix or"),
        ({"input": corpus, "sentence_iterator": iter([]), "model_prefix": prefix}, "either input or"),
        ({"sentence_iterator": iter([]), "sentence_reader": iter([])}, "are the same"),
        ({"input": corpus, "model_prefix": prefix, "pretokenizer": print}, "pretokenizer is not supported"),
        ({"input": corpus, "model_prefix": prefix, "model_type": "unigram"}, "model_type=unigram"),
    ):
        with pytest.raises(ConfigError, match=match):
            drop_in.train(**{**bpe, **options})
    with pytest.raises(ConfigError, match="the default is unigram"):
        drop_in.train(input=corpus, model_prefix=prefix)
    with pytest.raises(ConfigError, match="as one string"):
        drop_in.train("--input=x")  # type: ignore[arg-type]
    with pytest.raises(OutputError):
        drop_in.train(input=corpus, model_prefix=str(corpus / "m"), **bpe)
    assert list(tmp_path.iterdir()) == [corpus]


def test_drop_in_writes_over_files(tmp_path: Path) -> None:
    for text in ("ab", "cd"):
        drop_in.train(
            sentence_iterator=[text], model_prefix=tmp_path / "m", model_type="bpe", vocab_size="7",
            normalization_rule_name="identity",
        )  # fmt: skip
    assert "cd\t" in (tmp_path / "m.vocab").read_text(encoding="utf-8")


# Parts


def test_options_are_checked_before_any_text_is_read() -> None:
    def reading() -> Iterator[str]:
        raise AssertionError("read")
        yield

    for options in ({"bos_id": 0}, {"control_symbols": "a,a"}, {"byte_fallback": True, "vocab_size": 9}):
        training = {"normalization_rule_name": "identity", "vocab_size": 20, **options}
        if "byte_fallback" in options:
            training["auto_character_coverage"] = True
        with pytest.raises(ConfigError):
            SpTraining.of(training)
    with pytest.raises(ConfigError):
        train(reading(), bos_id=0)


def test_reports_can_be_exchanged() -> None:
    model = train(LINES[:2])
    other = model.with_report(replace(model.train_report, sentences=7))
    assert (other.train_report.sentences, other.to_bytes()) == (7, model.to_bytes())


def test_ranges_are_read_in_parallel(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_bytes(b"".join(b"line %d of some text\n" % (i % 1000) for i in range(60_000)))
    options = SpOptions.from_kwargs()
    normalizer = NormalizerMap("identity", b"", "").normalizer(options)
    results = []
    for threads in (1, 4):
        counted = count_sentence_files(resolve(path), options, normalizer, threads=threads)
        assert (counted.sentences, counted.bytes) == (60_000, path.stat().st_size)
        results.append(sorted(counted.words.items()))
    assert results[0] == results[1]
