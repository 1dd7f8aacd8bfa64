"""The twin of SentencePiece's BPE training, the model made of what it learns, and the package, against the library.

The package is called as the library is, by `bpetk.interop.sentencepiece.train`; what is compared are the files, whole.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import sp_random
from hypothesis import given, settings
from hypothesis import strategies as st
from sp_random import Case

from bpetk.errors import BpetkError
from bpetk.interop.sentencepiece_model import ModelFile, read_model, write_model
from bpetk.reference import sp_train
from bpetk.sp_model import assemble, vocab_text
from bpetk.sp_options import SpOptions
from bpetk.sp_scripts import COMMON, INHERITED, script_classes

sentencepiece = pytest.importorskip("sentencepiece", minversion="0.2.3")

NORMALIZERS = ("identity", "nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf")


def by_library(case: Case, folder: Path | None) -> tuple[bytes, str | None] | Exception:
    try:
        return sp_random.train_library(case, folder)
    except (RuntimeError, ValueError) as error:
        return error


def by_twin(case: Case, folder: Path | None) -> ModelFile | Exception:
    try:
        return sp_random.train_twin(case, folder)
    except (BpetkError, ValueError) as error:
        return error


def by_package(case: Case, folder: Path | None) -> tuple[bytes, str | None] | Exception:
    try:
        return sp_random.train_package(case, folder)
    except BpetkError as error:
        return error


def check(case: Case, folder: Path | None = None) -> ModelFile | None:
    """Train all three; None: all refuse."""
    theirs, ours, package = by_library(case, folder), by_twin(case, folder), by_package(case, folder)
    if isinstance(theirs, Exception) or isinstance(ours, Exception) or isinstance(package, Exception):
        assert all(isinstance(result, Exception) for result in (theirs, ours, package)), (
            theirs,
            ours,
            package,
        )
        return None
    assert package == theirs
    assert [tuple(piece) for piece in read_model(theirs[0], "library").pieces] == [
        tuple(piece) for piece in ours.pieces
    ]
    assert write_model(ours) == theirs[0]
    assert theirs[1] in (None, vocab_text(ours))
    return ours


# Thousands of random configurations


@settings(max_examples=400)
@given(st.integers(0, 2**32))
def test_random_configurations_through_an_iterator(seed: int) -> None:
    check(sp_random.random_case(seed))


@settings(max_examples=200)
@given(st.integers(0, 2**32))
def test_random_configurations_through_files(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    check(sp_random.random_case(seed), tmp_path_factory.mktemp("text"))


@pytest.mark.parametrize("normalizer", NORMALIZERS[1:])
@settings(max_examples=60)
@given(seed=st.integers(0, 2**32))
def test_random_configurations_with_a_normalizer(normalizer: str, seed: int) -> None:
    check(sp_random.random_case(seed, normalizer))


def test_most_random_configurations_train() -> None:
    """The tests above would be empty if most cases were refused; many options are in, and fillers too."""
    learned = [check(sp_random.random_case(seed)) for seed in range(100)]
    assert sum(model is not None for model in learned) > 60
    assert sum(model is not None and len(model.trainer) > 8 for model in learned) > 15


@settings(max_examples=300)
@given(st.integers(0, 2**32))
def test_choices_of_the_package_are_those_of_the_twin(seed: int) -> None:
    case = sp_random.random_case(seed)
    try:
        expected = sp_random.train_twin(case)
    except (BpetkError, ValueError):
        return
    options = SpOptions.from_kwargs(**case.options)
    lines = [line.rstrip(b"\r\n") for line in case.lines]
    sentences = sp_random.normalized_sentences(lines, options)
    pieces, alphabet = sp_random.choices_of_the_package(sentences, options)
    assert [piece.text for piece in expected.pieces if piece.type == 1] == [*pieces, *alphabet]


@settings(max_examples=200)
@given(st.integers(0, 2**32), st.randoms(use_true_random=False))
def test_order_of_sentences_does_not_matter(seed: int, order: Any) -> None:
    case = sp_random.random_case(seed)
    case.options.pop("input_sentence_size", None)
    lines = [*case.lines]
    order.shuffle(lines)
    first, second = by_twin(case, None), by_twin(Case(lines, case.options), None)
    assert first == second or (isinstance(first, Exception) and isinstance(second, Exception))


# Real text

REAL: tuple[dict[str, Any], ...] = (
    {"vocab_size": 3000, "normalization_rule_name": "identity"},
    {"vocab_size": 9000, "byte_fallback": True, "character_coverage": 0.98, "hard_vocab_limit": False},
    {
        "vocab_size": 1500,
        "byte_fallback": True,
        "auto_character_coverage": True,
        "split_digits": True,
        "treat_whitespace_as_suffix": True,
    },
)


@pytest.mark.parametrize("options", REAL, ids=("identity", "nmt_nfkc", "auto"))
@pytest.mark.parametrize(
    "name", ["en", "zh", *(pytest.param(n, marks=pytest.mark.slow) for n in ("mixed", "multi"))]
)
def test_real_text(name: str, options: dict[str, Any], shared_corpus: Callable[..., Path]) -> None:
    lines = shared_corpus(name, 100_000).read_bytes().split(b"\n")
    assert check(Case(lines, {"model_type": "bpe", "max_sentence_length": 100_000, **options})) is not None


@pytest.mark.slow
def test_real_text_in_whole_sentences(shared_corpus: Callable[..., Path]) -> None:
    lines = shared_corpus("multi", 100_000).read_bytes().split(b"\n")
    options = {
        "model_type": "bpe",
        "vocab_size": 3000,
        "normalization_rule_name": "identity",
        **dict.fromkeys(("split_by_whitespace", "split_by_number", "split_by_unicode_script"), False),
        "max_sentencepiece_length": 7,
    }
    assert check(Case(lines, options)) is not None


# Single cases whose outcome is known


def learn(lines: Iterable[str | bytes], **options: Any) -> list[str]:
    """Train both with the identity rule and room for all, and give the pieces after <unk>, <s>, </s>."""
    encoded = [line.encode() if isinstance(line, str) else line for line in lines]
    defaults: dict[str, Any] = {
        "model_type": "bpe",
        "vocab_size": 400,
        "hard_vocab_limit": False,
        "normalization_rule_name": "identity",
    }
    model = check(Case(encoded, {**defaults, **options}))
    assert model is not None
    assert [piece.text for piece in model.pieces[:3]] == ["<unk>", "<s>", "</s>"]
    return [piece.text for piece in model.pieces[3:]]


def refused(lines: Iterable[str], match: str, **options: Any) -> None:
    """All must refuse, and the twin's error says why."""
    defaults: dict[str, Any] = {"model_type": "bpe", "vocab_size": 400, "normalization_rule_name": "identity"}
    case = Case([line.encode() for line in lines], {**defaults, **options})
    assert isinstance(by_library(case, None), Exception)
    error = by_twin(case, None)
    assert isinstance(error, Exception)
    assert match in str(error)
    assert isinstance(by_package(case, None), Exception)


def test_overlapping_pairs_and_fillers() -> None:
    assert learn(["aaaa"]) == ["aa", "▁aa", "▁aaaa", "▁a", "aaa", "aaaa", "a", "▁"]
    assert learn(["abcab"])[:10] == ["ab", "abc", "▁abc", "▁abcab", "bc", "ca", "▁a", "cab", "▁ab", "abcab"]


def test_ties_go_by_length_and_string() -> None:
    assert learn(["dc ba"] * 2) == ["ba", "dc", "▁ba", "▁dc", "▁b", "▁d", "▁", "a", "b", "c", "d"]


def test_nothing_to_learn_from() -> None:
    refused([], "no sentence")
    refused(["", "  "], "no text")
    refused(["\u2585"], "no sentence")
    assert learn(["<s>"]) == ["▁"]
    assert learn(["<s>"], add_dummy_prefix=False) == []


def test_vocabulary_of_a_size_that_cannot_be() -> None:
    refused(["abc"], "alphabet", vocab_size=5)
    refused(["abc"], "set hard_vocab_limit=False", vocab_size=400)
    assert learn(["abc"], vocab_size=7) == ["a", "b", "c", "▁"]
    refused(["abc"], "give it a smaller id", pad_id=300, hard_vocab_limit=False)
    refused(["é"], "place", vocab_size=259, byte_fallback=True, auto_character_coverage=True)


def test_scripts_part_pieces() -> None:
    pieces = learn(["abあア漢abか1a"] * 3)
    assert {"ab", "あア", "▁ab", "あア漢"} <= {*pieces}
    assert not {"bあ", "か1", "1a"} & {*pieces}


def test_digits_as_wild_cards() -> None:
    pieces = learn(["a12b12"] * 3, split_by_number=False)
    assert {"12b", "12b12", "▁a12b12"} <= {*pieces}


def test_digits_alone() -> None:
    assert {p for p in learn(["1212 １２"] * 2, split_digits=True) if {*p} & {*"12１２"}} == {*"12１２"}


def test_rare_characters_are_barriers() -> None:
    pieces = learn(["ab" * 30 + "z" + "ab" * 30], character_coverage=0.98)
    assert not any("z" in piece for piece in pieces)
    assert "ab" in pieces


def test_literal_blanks_cut_words() -> None:
    for name in ("identity", "nmt_nfkc"):
        assert not any("▁" in p[1:] for p in learn(["a▁b▁▁c"] * 2, normalization_rule_name=name))


def test_sentences_with_the_reserved_character_are_skipped() -> None:
    assert learn(["a\u2585b", "cd"]) == learn(["cd"])


def test_nul_is_a_barrier() -> None:
    assert learn(["a\0b"]) == ["▁a", "a", "b", "▁"]


def test_invalid_bytes_become_the_replacement_character() -> None:
    assert "\ufffd\ufffd" in learn([b"a\xff\xfe"])


def test_long_sentences_are_skipped_by_bytes() -> None:
    assert "é" not in learn(["é" * 6, "ab"], max_sentence_length=11)
    assert "é" in learn(["é" * 6, "ab"], max_sentence_length=12)


def test_symbols_are_barriers() -> None:
    assert "yx" in learn(["abyxab"] * 2, user_defined_symbols=["ab"])
    assert learn(["x<s>y"]) == ["▁x", "x", "y", "▁"]


def test_tab_is_a_character() -> None:
    assert learn(["a\tb"]) == ["▁a", "\t", "a", "b", "▁"]


def test_characters_that_nmt_nfkc_changes() -> None:
    pieces = learn(["\u2f00㍿１Ａｶﾞ\u3000x\u00a0y\u200bz\u200dw"], normalization_rule_name="nmt_nfkc")
    assert {*"一株式会社1AガxyzwN\u200d▁"} - {"N"} <= {*pieces}


def test_counts_of_more_than_32_bits() -> None:
    lines = [f"ab\t{2**33}", f"cd\t{2**33 - 1}", f"ef\t{2**32}"]
    assert learn(lines, input_format="tsv")[:6] == ["ab", "▁ab", "cd", "▁cd", "ef", "▁ef"]
    refused(["ab"], "a tab and a count", input_format="tsv")
    refused(["ab\t0"], "a tab and a count", input_format="tsv")
    refused([""], "a tab and a count", input_format="tsv")


def test_long_sentence_without_blanks() -> None:
    learn(["abcde" * 16_000], vocab_size=20, max_sentence_length=100_000)


def test_first_score_is_minus_zero() -> None:
    model = check(
        Case([b"ab"], {"model_type": "bpe", "vocab_size": 7, "normalization_rule_name": "identity"})
    )
    assert model is not None
    assert str(model.pieces[3].score) == "-0.0"
    assert str(model.pieces[0].score) == "0.0"


def test_required_characters_end_the_alphabet() -> None:
    assert learn(["aab"], required_chars="xya")[-5:] == ["a", "b", "▁", "x", "y"]


def test_ends_of_lines() -> None:
    assert learn(["ab\r\n", "ab\n\n", "ab\r"]) == learn(["ab"] * 3)
    assert "\n" in learn(["a\nb"])


def test_size_of_the_vocabulary_is_not_written_if_it_was_not_given() -> None:
    lines = [
        "".join(map(chr, range(start, start + 20))).encode() for start in range(0x4E00, 0x4E00 + 7000, 20)
    ]
    model = check(
        Case(lines, {"model_type": "bpe", "character_coverage": 1, "normalization_rule_name": "identity"})
    )
    assert model is not None
    assert len(model.pieces) == 8000
    assert "vocab_size" not in model.trainer


def test_rules_of_a_file(tmp_path: Path) -> None:
    rules = tmp_path / "rules.tsv"
    rules.write_text("61\t62\n63 64\t65\n")
    options = {"model_type": "bpe", "vocab_size": 60, "hard_vocab_limit": False}
    options["normalization_rule_tsv"] = str(rules)
    model, _ = sp_random.train_library(Case([b"acdc"], options))
    normalizer = read_model(model, "library").normalizer
    assert normalizer.precompiled
    learned = sp_train.train([("▁bec", 1)], 57, taken=["<unk>", "<s>", "</s>"])
    ours = assemble(
        SpOptions.from_kwargs(**options), learned.merges, learned.alphabet, normalizer.precompiled
    )
    assert write_model(ours) == model
    assert by_package(Case([b"acdc"], options), None) == (model, None)


# Values of options


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            ("vocab_size", v)
            for v in (" 30 ", "+30", "\t30\v", "30.0", "1_0", "", "- 3", "0x20", "٣٠", -4, 2**31, True)
        ),
        *(
            ("character_coverage", v)
            for v in ("1.", ".99", "1e0", "1e", "+1", " 1 ", "1_0", "nan", "inf", "", 1)
        ),
        *(("character_coverage", v) for v in (0.98, 0.97, 1.0000001, "0.97999999", "+-1", "1f", "1e400")),
        *(("split_digits", v) for v in (True, "T", "", "yes", "Y", "1", " true", "on", "2", 0, "nO", None)),
        *(
            ("user_defined_symbols", v)
            for v in ([], "", ",x", "x,", "x,,y", '"x"z,"y""q",w"w,', ["a,b", 'q"x', ""])
        ),
        *(("user_defined_symbols", v) for v in ('"', '"x', '"x""', "x\0y,z", '"x\0y",z', ["\n"], [1, 2.5])),
        *(("model_type", v) for v in ("BPE", "bPe", "2", "")),
        *(("input_sentence_size", v) for v in (0, 100, -1, "-0", "+0", 2**64)),
        *(("num_threads", v) for v in (0, 1, 1024, 1025)),
        *(("max_sentence_length", v) for v in (9, 10, 2**30, 2**30 + 1)),
        *(("max_sentencepiece_length", v) for v in (0, 1, 512, 513)),
        *(("num_sub_iterations", v) for v in (0, 10, 11)),
        *(("shrinking_factor", v) for v in (0.4, 0.5, 0.95, 0.96)),
        *(("required_chars", v) for v in ("", " ", "\u2585", "\0x", "\x1fz", "zz")),
        *(("unk_piece", v) for v in ("", "a\0b", "▁")),
        *(("input_format", v) for v in ("", "text", "csv")),
        *(("escape_whitespaces", v) for v in (True, False)),
        *(("use_all_vocab", v) for v in (True, False)),
        *(("seed_sentencepieces_file", v) for v in ("", "x")),
        *(("pretokenization_delimiter", v) for v in ("", " ", "b", "\x1f", "▁")),
        *(("minloglevel", v) for v in (4, "x")),
        *((name, "?") for name in ("accept_language", "self_test_sample_size", "training_sentence_size")),
        ("normalization_rule_name", ""),
        ("bogus", 1),
    ],
)
def test_values(name: str, value: Any) -> None:
    options = {"model_type": "bpe", "vocab_size": 30, "hard_vocab_limit": False}
    if name != "normalization_rule_name":
        options["normalization_rule_name"] = "identity"
    options[name] = value
    buffer = io.BytesIO()
    theirs: bytes | None
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["ab ab abc", "dc ba"]),
            model_writer=buffer,
            **{"minloglevel": 4, **options},
        )
        theirs = buffer.getvalue()
    except (RuntimeError, ValueError):
        theirs = None
    case = Case([b"ab ab abc", b"dc ba"], options)
    ours, package = by_twin(case, None), by_package(case, None)
    assert (None if isinstance(ours, Exception) else write_model(ours)) == theirs
    assert (None if isinstance(package, Exception) else package[0]) == theirs


# Scripts


def neighbours_in_a_piece(pairs: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    """Return the pairs of code points that the library lets stand side by side in a piece."""
    buffer = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(chr(left) + chr(right) for left, right in pairs),
        model_writer=buffer,
        model_type="bpe",
        vocab_size=3_000_000,
        hard_vocab_limit=False,
        character_coverage=1.0,
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        minloglevel=4,
    )
    pieces = (piece.text for piece in read_model(buffer.getvalue(), "library").pieces)
    return {(ord(piece[0]), ord(piece[1])) for piece in pieces if len(piece) == 2}


def check_scripts(codes: list[int]) -> None:
    """Compare each code point with the first of its class and of another, Inherited ones with the first of all."""
    classes = script_classes()
    reserved = {0, 0x0A, 0x0D, 0x1F, 0x20, 0x2581, 0x2585}
    codes = [code for code in codes if code not in reserved and not 0xD800 <= code < 0xE000]
    first: dict[int, int] = {}
    for code in range(1, 0x110000):
        first.setdefault(classes[code], code)
    same = {(first[classes[code]], code) for code in codes} - {(code, code) for code in first.values()}
    assert neighbours_in_a_piece(same) == same
    inherited = {(start, code) for code in codes if classes[code] == INHERITED for start in first.values()}
    assert neighbours_in_a_piece(inherited) == inherited
    other = {
        (first[COMMON if classes[code] != COMMON else COMMON + 1], code)
        for code in codes
        if classes[code] != INHERITED
    }
    starts = {
        (a, b) for a in first.values() for b in first.values() if a != b and first[INHERITED] not in (a, b)
    }
    assert neighbours_in_a_piece({*other, *starts, (0x61, 0x62)}) == {(0x61, 0x62)}


def test_scripts_at_their_edges() -> None:
    classes = script_classes()
    edges = {code for code in range(1, 0x110000) if classes[code] != classes[code - 1]}
    assert len(edges) > 1000
    check_scripts(sorted(edges | {code - 1 for code in edges} | {0x10FFFF}))


@pytest.mark.slow
def test_scripts_of_all_code_points() -> None:
    check_scripts([*range(0x110000)])
