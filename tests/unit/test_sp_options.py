"""Options of SentencePiece's trainer: what is read from what, and what is refused in which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpetk.errors import ConfigError
from bpetk.interop.sentencepiece_fields import TRAINER_FIELDS as FILE_FIELDS
from bpetk.sp_options import (
    IGNORED,
    KINDS,
    NORMALIZER_FIELDS,
    REFUSED,
    TRAINER_FIELDS,
    SpOptions,
    join_list,
    split_list,
)


def test_defaults_and_order_are_those_of_the_file() -> None:
    defaults = SpOptions()
    in_file = [kind for kind in FILE_FIELDS.values() if kind.name not in IGNORED | REFUSED.keys()]
    assert [kind.name for kind in in_file] == sorted(
        TRAINER_FIELDS, key=[kind.name for kind in in_file].index
    )
    order = [kind.name for kind in FILE_FIELDS.values()]
    assert sorted(TRAINER_FIELDS, key=order.index) == [*TRAINER_FIELDS]
    for kind in in_file:
        if kind.name != "model_type":  # a name here, a number there, and BPE by default here
            expected = pytest.approx(kind.default, rel=1e-7) if kind.type == "float" else kind.default
            assert getattr(defaults, kind.name) == expected, kind.name


def test_every_option_has_a_home() -> None:
    assert {*KINDS} == {*TRAINER_FIELDS, *NORMALIZER_FIELDS, "normalization_rule_name"}
    assert not {*KINDS} & (IGNORED | REFUSED.keys())


def test_only_what_is_given_is_remembered() -> None:
    options = SpOptions.from_kwargs(vocab_size=8000, split_digits=False, train_extremely_large_corpus=True)
    assert options.given == {"model_type", "vocab_size", "split_digits"}
    assert options.ignored == {"train_extremely_large_corpus"}
    assert SpOptions.from_kwargs() == SpOptions(given=frozenset({"model_type"}))


def test_text_stands_for_values() -> None:
    options = SpOptions.from_kwargs(
        vocab_size=" +32000",
        character_coverage="1",
        byte_fallback="Yes",
        split_digits="",
        hard_vocab_limit="f",
        control_symbols='<a>,"b,""c"',
        unk_surface="?",
        model_type="BPE",
        input="a.txt,b.txt",
    )
    assert options.vocab_size == 32000
    assert options.character_coverage == 1.0
    assert options.byte_fallback is options.split_digits is True
    assert options.hard_vocab_limit is False
    assert options.control_symbols == ("<a>", 'b,"c')
    assert (options.unk_surface, options.model_type, options.input) == ("?", "bpe", ("a.txt", "b.txt"))


def test_values_of_python_are_as_good() -> None:
    options = SpOptions.from_kwargs(
        vocab_size=9, pad_id=-1, user_defined_symbols=["a,b", "c"], input=[Path("x")]
    )
    assert (options.vocab_size, options.pad_id) == (9, -1)
    assert (options.user_defined_symbols, options.input) == (("a,b", "c"), ("x",))


def test_floats_have_single_precision() -> None:
    assert SpOptions.from_kwargs(character_coverage=0.9995).character_coverage == 0.9994999766349792


def test_names_of_the_normalizer() -> None:
    assert SpOptions.from_kwargs(name="nfkc").normalization_rule_name == "nfkc"
    assert SpOptions.from_kwargs(normalization_rule_name="").normalization_rule_name == "nmt_nfkc"
    with pytest.raises(ConfigError, match="the same option"):
        SpOptions.from_kwargs(normalization_rule_name="nfkc", name="nfkc")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)))
def test_lists_survive_as_text(values: list[str]) -> None:
    assert split_list(join_list(values)) == tuple(values)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocab_sise": 3}, "no option 'vocab_sise'; did you mean vocab_size?"),
        ({"zzzzzz": 3}, "no option 'zzzzzz'$"),
        ({"model_type": "unigram"}, "model_type=unigram is not supported: bpetk trains model_type=bpe"),
        ({"model_type": "x"}, "model_type must be bpe, got 'x'"),
        ({"vocab_size": 0}, "vocab_size must be from 1 to 2,147,483,647, got 0"),
        ({"vocab_size": "3.5"}, "vocab_size must be a whole number .* got '3.5'"),
        ({"vocab_size": None}, "vocab_size must be of type int or text, got None"),
        ({"user_defined_symbols": ("a",)}, "user_defined_symbols must be a list or text"),
        ({"required_chars": b"a"}, "required_chars must be of type str"),
        ({"required_chars": "\ud800"}, "lone surrogate"),
        ({"required_chars": "a b"}, r"must not hold U\+0020: a blank is written U\+2581"),
        ({"required_chars": "\u2585"}, r"must not hold U\+2585"),
        ({"split_digits": "on"}, "split_digits must be true or false, got 'on'"),
        ({"character_coverage": "x"}, "must be a number such as 0.9995, got 'x'"),
        ({"character_coverage": 0.5}, "character_coverage must be from 0.98 to 1.0, got 0.5"),
        ({"input_format": "csv"}, "input_format must be 'text' or 'tsv', got 'csv'"),
        ({"input_sentence_size": 100}, "must be 0 or more than 100"),
        ({"input_sentence_size": 200}, "chooses sentences at random.*shuffle_input_sentence=False"),
        ({"use_all_vocab": True}, "use_all_vocab is for word and character models"),
        ({"seed_sentencepieces_file": "x"}, "is for unigram models"),
        ({"escape_whitespaces": False}, "not possible with model_type=bpe"),
        ({"auto_character_coverage": True}, "needs byte_fallback=True"),
        (
            {"auto_character_coverage": 1, "byte_fallback": 1, "required_chars": "a"},
            "cannot have required_chars",
        ),
        ({"unk_piece": ""}, "unk_piece must not be empty; .* unk_id=-1"),
        ({"unk_piece": "a\0"}, r"unk_piece must not hold U\+0000"),
        ({"minloglevel": "x"}, "minloglevel must be a whole number"),
        *(({name: 1}, f"{name} is not supported: ") for name in REFUSED),
    ],
)
def test_refusals(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SpOptions.from_kwargs(**options)


def test_sampling_is_for_callers_that_can() -> None:
    options = SpOptions.from_mapping({"input_sentence_size": 200}, sampling=True)
    assert options.samples
    assert options.first_sentences is None
    first = SpOptions.from_kwargs(input_sentence_size=200, shuffle_input_sentence=False)
    assert (first.samples, first.first_sentences) == (False, 200)
    assert SpOptions.from_kwargs(input_sentence_size=0).first_sentences is None
