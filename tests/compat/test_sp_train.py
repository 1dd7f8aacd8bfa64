"""`bpetk train` and `bpetk.train` with SentencePiece's algorithm against the library: both files, byte for byte."""

from __future__ import annotations

import io
import os
import random
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import sp_random
from hypothesis import given, settings
from hypothesis import strategies as st

import bpetk
from bpetk import counting
from bpetk.errors import BpetkError, ConfigError, CorpusError, RepeatedTextWarning
from bpetk.interop import sentencepiece as drop_in
from bpetk.interop.sentencepiece_model import read_model
from bpetk.sp_trained import SentencePieceModel
from bpetk.sp_verify import model_difference

sentencepiece = pytest.importorskip("sentencepiece", minversion="0.2.3")

THREADS = (1, 2, 7)
Files = tuple[bytes, str]


@pytest.fixture(autouse=True)
def _no_notes() -> Iterator[None]:
    """Keep what is said of skipped sentences and small vocabularies from failing a test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def library(paths: Sequence[Path], prefix: str, **options: Any) -> Files:
    names = [str(path) for path in paths]
    sentencepiece.SentencePieceTrainer.train(
        input=names, model_prefix=prefix, model_type="bpe", minloglevel=4, **options
    )
    return Path(f"{prefix}.model").read_bytes(), Path(f"{prefix}.vocab").read_bytes().decode()


def package(paths: Sequence[Path], vocab_size: int, **options: Any) -> SentencePieceModel:
    return bpetk.train(paths, vocab_size, algorithm="sentencepiece-bpe", **options)


def check_equal(ours: Files, theirs: Files) -> None:
    """Compare; a difference is told in words, because the files are long."""
    assert ours[0] == theirs[0] or model_difference(ours[0], theirs[0]) == (len(theirs[0]), None)
    assert ours[1] == theirs[1]


# Random configurations


def split_lines(lines: Sequence[bytes], rng: random.Random) -> list[bytes]:
    """Give the content of one to four files, some of them empty; the last line of each may have no end."""
    cuts = sorted(rng.randint(0, len(lines)) for _ in range(rng.choice((0, 0, 1, 3))))
    files = []
    for start, end in zip([0, *cuts], [*cuts, len(lines)], strict=True):
        data = b"".join(line + b"\n" for line in lines[start:end])
        files.append(data[:-1] if rng.random() < 0.3 else data)
    return files


@pytest.mark.parametrize("normalizer", ["identity", "nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf"])
@settings(max_examples=80)
@given(seed=st.integers(0, 2**32))
def test_random_configurations(normalizer: str, seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """80 for each normalizer, from one to four files, with any of the numbers of threads."""
    folder = tmp_path_factory.mktemp("random")
    case, rng = sp_random.random_case(seed, normalizer), random.Random(seed)
    paths = []
    for number, data in enumerate(split_lines(case.lines, rng)):
        paths.append(folder / f"text{number}{',' if rng.random() < 0.1 else ''}.txt")
        paths[-1].write_bytes(data)
    options = {"normalization_rule_name": normalizer, **case.options}
    size = options.pop("vocab_size")
    prefix = str(folder / "out")
    theirs: Files | Exception
    ours: Files | Exception
    options.pop("model_type")
    try:
        theirs = library(paths, prefix, vocab_size=size, **options)
    except (RuntimeError, ValueError) as error:
        theirs = error
    try:
        ours = package(paths, size, threads=rng.choice(THREADS), **options).files(prefix)
    except BpetkError as error:
        ours = error
    if isinstance(theirs, Exception) or isinstance(ours, Exception):
        assert isinstance(theirs, Exception) and isinstance(ours, Exception), (theirs, ours)
        return
    check_equal(ours, theirs)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32))
def test_random_sentences(seed: int) -> None:
    case = sp_random.random_case(seed)
    options = dict(case.options)
    size = options.pop("vocab_size")
    try:
        theirs, _ = sp_random.train_library(case)
    except (RuntimeError, ValueError):
        with pytest.raises(BpetkError):
            bpetk.train_from_iterator(case.lines, size, algorithm="sentencepiece-bpe", **options)
        return
    for threads in (1, 2):
        ours = bpetk.train_from_iterator(
            iter(case.lines), size, algorithm="sentencepiece-bpe", threads=threads, **options
        )
        assert ours.to_bytes() == theirs


# Text of some size


def synthetic_text(size: int) -> bytes:
    """Lines of words that follow Zipf's law, some of them Han, some empty or long."""
    rng = random.Random(size)
    letters = ["abcdefghijklmnopqrstuvwxyz", "".join(map(chr, range(0x4E00, 0x4F00))), "0123456789.,"]
    words = ["".join(rng.choices(rng.choice(letters), k=rng.randint(1, 8))) for _ in range(4000)]
    weights = [1 / rank for rank in range(1, 4001)]
    out = bytearray()
    while len(out) < size:
        count = rng.choice((0, 3, 10, 10, 30, 30, 2000))
        out += rng.choice((" ", "", "  ")).join(rng.choices(words, weights, k=count)).encode() + b"\n"
    return bytes(out)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("synthetic") / "text.txt"
    path.write_bytes(synthetic_text(700_000))
    return path


SETS: dict[str, dict[str, Any]] = {
    "plain": {},
    "bytes": {"byte_fallback": True, "character_coverage": 0.98, "split_digits": True},
    "auto": {"byte_fallback": True, "auto_character_coverage": True},
    "suffix": {"treat_whitespace_as_suffix": True, "split_by_number": False, "max_sentencepiece_length": 5},
    "first": {"input_sentence_size": 1500, "shuffle_input_sentence": False},
    "all of a sample": {"input_sentence_size": 10**6},
    "delimiter": {"pretokenization_delimiter": "a", "user_defined_symbols": ["bc", "<x>"]},
}


@pytest.mark.parametrize("name", SETS)
def test_threads_do_not_matter(
    name: str, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files are read in ranges, in chunks that are smaller than some lines."""
    monkeypatch.setattr(counting, "CHUNK", 1000)
    prefix = str(tmp_path / "m")
    options = {"normalization_rule_name": "nmt_nfkc", **SETS[name]}
    theirs = library([text], prefix, vocab_size=2000, **options)
    for threads in THREADS:
        check_equal(package([text], 2000, threads=threads, **options).files(prefix), theirs)


def test_keeping_long_sentences_is_the_largest_limit(text: Path, tmp_path: Path) -> None:
    prefix = str(tmp_path / "m")
    theirs = library([text], prefix, vocab_size=1000, max_sentence_length=1 << 30)
    model = package([text], 1000, keep_long_sentences=True)
    check_equal(model.files(prefix), theirs)
    assert set(model.train_report.skipped) == {"empty"}


def test_skipped_sentences_are_counted_by_reason(text: Path) -> None:
    lines = text.read_bytes().split(b"\n")[:-1]
    report = package([text], 1000).train_report
    assert report.skipped["empty"] == sum(not line for line in lines)
    assert report.skipped["too long"] == sum(len(line) > 4192 for line in lines)
    assert report.sentences == len(lines) - sum(report.skipped.values())


def test_rules_of_a_file(text: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules.tsv"
    rules.write_text("61\t62\n63 64\t65\n67\t20\n")
    prefix = str(tmp_path / "m")
    theirs = library([text], prefix, vocab_size=1000, normalization_rule_tsv=str(rules))
    check_equal(package([text], 1000, normalization_rule_tsv=str(rules)).files(prefix), theirs)


def test_rules_that_make_the_reserved_character(text: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules.tsv"
    rules.write_text("61\t2585\n")
    options: dict[str, Any] = {"normalization_rule_tsv": str(rules)}
    with pytest.raises(RuntimeError, match="kUNKChar"):
        library([text], str(tmp_path / "m"), vocab_size=1000, **options)
    with pytest.raises(CorpusError, match=r"U\+2585"):
        package([text], 1000, **options)
    # Where the alphabet is chosen after the merges, the library takes it for a character.
    options |= {"byte_fallback": True, "auto_character_coverage": True}
    prefix = str(tmp_path / "m")
    theirs = library([text], prefix, vocab_size=1200, **options)
    check_equal(package([text], 1200, **options).files(prefix), theirs)
    assert "\u2585\t" in theirs[1]


def test_map_of_another_model(text: Path, tmp_path: Path) -> None:
    """The map of a model is as good as the library's; it brings its name along."""
    prefix = str(tmp_path / "m")
    theirs = library([text], prefix, vocab_size=1000, normalization_rule_name="nfkc_cf")
    model = package([text], 1000, normalizer_from=f"{prefix}.model")
    check_equal(model.files(prefix), theirs)
    with pytest.raises(ConfigError, match="'nfkc_cf', but normalization_rule_name='nfkc'"):
        package([text], 1000, normalizer_from=f"{prefix}.model", normalization_rule_name="nfkc")


def test_rows_with_counts(tmp_path: Path) -> None:
    rows = b"".join(b"word%d of text\t%d\n" % (i % 50, i % 9 + 1) for i in range(60_000))
    path, prefix = tmp_path / "rows.tsv", str(tmp_path / "m")
    path.write_bytes(rows)
    theirs = library([path], prefix, vocab_size=60, input_format="tsv")
    for threads in THREADS:
        check_equal(package([path], 60, input_format="tsv", threads=threads).files(prefix), theirs)


def test_an_empty_file_repeats_a_line(tmp_path: Path) -> None:
    """The library's reader keeps the line that it read last when a file has no line at all."""
    texts = {
        "long": b"ab cd\nef" + b"gh" * 70_000,
        "plain": b"ab cd\nef",
        "ended": b"ab cd\nef\n",
        "empty": b"",
    }
    cases = (
        "plain empty ended", "long empty plain", "ended empty plain", "empty plain", "plain empty",
        "plain empty empty", "plain empty empty ended empty plain empty", "empty empty plain ended empty",
    )  # fmt: skip
    options: dict[str, Any] = {
        "normalization_rule_name": "identity",
        "hard_vocab_limit": False,
        "max_sentence_length": 10**6,
    }
    prefix = str(tmp_path / "m")
    for case in cases:
        paths = []
        for number, name in enumerate(case.split()):
            paths.append(tmp_path / f"{number}-{name}.txt")
            paths[-1].write_bytes(texts[name])
        theirs = library(paths, prefix, vocab_size=40, **options)
        for threads in THREADS:
            check_equal(package(paths, 40, threads=threads, **options).files(prefix), theirs)


def test_the_repeated_line_is_told(tmp_path: Path) -> None:
    for name, data in (("a", b"ab cd\nef"), ("b", b""), ("c", b"ab cd\n")):
        (tmp_path / name).write_bytes(data)
    with pytest.warns(
        RepeatedTextWarning, match="b is empty: SentencePiece takes the last line of .*a, which"
    ):
        model = package(
            [tmp_path / "a", tmp_path / "b", tmp_path / "c"], 12,
            normalization_rule_name="identity", hard_vocab_limit=False,
        )  # fmt: skip
    assert model.train_report.sentences == 4


def test_empty_files_among_rows_with_counts(tmp_path: Path) -> None:
    """An empty row is an error for the library, and so is an empty file that is not the last one."""
    for name, data in (("row", b"ab cd\t3"), ("rows", b"ab cd\t3\nef\t2\n"), ("empty", b"")):
        (tmp_path / name).write_bytes(data)
    options: dict[str, Any] = {"input_format": "tsv", "hard_vocab_limit": False}
    prefix = str(tmp_path / "m")
    for case in (("row", "empty", "rows"), ("rows", "empty")):
        paths = [tmp_path / name for name in case]
        theirs = library(paths, prefix, vocab_size=40, **options)
        check_equal(package(paths, 40, **options).files(prefix), theirs)
    for case in (("rows", "empty", "row"), ("empty", "rows")):
        paths = [tmp_path / name for name in case]
        with pytest.raises(RuntimeError, match="Input format"):
            library(paths, prefix, vocab_size=40, **options)
        with pytest.raises(CorpusError, match="empty is empty, and SentencePiece takes"):
            package(paths, 40, **options)


def test_the_name_of_a_piece_that_there_is_not(text: Path, tmp_path: Path) -> None:
    """It is a field of the file, whatever it is, even one that no piece may have."""
    prefix = str(tmp_path / "m")
    for options in ({"pad_piece": "\0x"}, {"eos_piece": "a\0", "eos_id": -1}):
        theirs = library([text], prefix, vocab_size=900, **options)
        check_equal(package([text], 900, **options).files(prefix), theirs)


# The call of the library


def test_drop_in_writes_the_same_files(text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder, train in (("a", sentencepiece.SentencePieceTrainer.train), ("b", drop_in.train)):
        os.mkdir(folder)
        monkeypatch.chdir(tmp_path / folder)
        train(
            input=str(text), model_prefix="m", vocab_size=900, model_type="bpe", num_threads=3, minloglevel=4,
            control_symbols=["<a>", "<b,c>"], split_digits=True,
        )  # fmt: skip
        monkeypatch.chdir(tmp_path)
    assert {path.name for path in Path("b").iterdir()} == {"m.model", "m.vocab"}
    for name in ("m.model", "m.vocab"):
        assert Path("b", name).read_bytes() == Path("a", name).read_bytes()


def test_drop_in_without_a_size(tmp_path: Path) -> None:
    """The size that is the default is not in the file."""
    path, prefix = tmp_path / "t.txt", str(tmp_path / "m")
    path.write_text("".join(chr(code) + " " for code in range(0x4E00, 0x4E00 + 7900)))
    theirs = library([path], prefix, character_coverage=1.0, max_sentence_length=10**5)
    drop_in.train(
        input=[path], model_prefix=prefix, model_type="bpe", character_coverage=1.0, max_sentence_length=10**5
    )
    assert Path(f"{prefix}.model").read_bytes() == theirs[0]
    assert "vocab_size" not in read_model(theirs[0], "library").trainer


def test_drop_in_in_a_thread() -> None:
    sentences = ["low lower lowest", b"new newer newest"]
    out = io.BytesIO()
    options: dict[str, Any] = {"model_type": "bpe", "vocab_size": 24, "minloglevel": 4}

    def train() -> None:
        drop_in.train(sentence_reader=iter(sentences), model_writer=out, **options)

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    expected = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences), model_writer=expected, **options
    )
    assert out.getvalue() == expected.getvalue()


# Real text

BIG = 4_000_000


def check_real(path: Path, tmp_path: Path, threads: Sequence[int], vocab_size: int, **options: Any) -> None:
    prefix = str(tmp_path / "m")
    theirs = library([path], prefix, vocab_size=vocab_size, **options)
    for number in threads:
        check_equal(package([path], vocab_size, threads=number, **options).files(prefix), theirs)


@pytest.mark.parametrize("byte_fallback", [False, True])
@pytest.mark.parametrize("normalizer", ["identity", "nmt_nfkc"])
@pytest.mark.parametrize(
    "name", ["zh", "en", *(pytest.param(name, marks=pytest.mark.slow) for name in ("mixed", "multi"))]
)
def test_real_text_at_8000(
    name: str, normalizer: str, byte_fallback: bool, tmp_path: Path, shared_corpus: Callable[..., Path]
) -> None:
    options = {"normalization_rule_name": normalizer, "byte_fallback": byte_fallback}
    # Of many scripts there are more characters than pieces.
    coverage = {"character_coverage": 0.995} if name == "multi" else {}
    check_real(shared_corpus(name, BIG), tmp_path, THREADS, 8000, **options, **coverage)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["zh", "en"])
def test_real_text_at_32000(name: str, tmp_path: Path, shared_corpus: Callable[..., Path]) -> None:
    check_real(
        shared_corpus(name, BIG), tmp_path, THREADS, 32_000, byte_fallback=True, max_sentence_length=1 << 30
    )


def test_the_class_of_the_library(tmp_path: Path) -> None:
    assert drop_in.SentencePieceTrainer.train is drop_in.train
    assert drop_in.SentencePieceTrainer.Train is drop_in.train
    drop_in.SentencePieceTrainer.Train(
        sentence_iterator=iter(["low lower lowest"]), model_prefix=str(tmp_path / "m"), model_type="bpe", vocab_size=16,
        normalization_rule_name="identity", hard_vocab_limit=False,
    )  # fmt: skip
    assert {path.name for path in tmp_path.iterdir()} == {"m.model", "m.vocab"}


def test_rules_of_a_file_are_compiled_without_a_word(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The library logs that it reads the file, past Python's standard error."""
    (tmp_path / "rules.tsv").write_text("61\t62\n")
    (tmp_path / "bad.tsv").write_text("zz\t62\n")
    text = tmp_path / "text.txt"
    text.write_text("ab ab ab")
    package([text], 8, normalization_rule_tsv=str(tmp_path / "rules.tsv"), hard_vocab_limit=False)
    for name in ("bad.tsv", "missing.tsv"):
        with pytest.raises(ConfigError, match=f"cannot compile .*{name}"):
            package([text], 8, normalization_rule_tsv=str(tmp_path / name))
    assert capfd.readouterr() == ("", "")
