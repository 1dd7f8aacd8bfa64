"""The configuration of a training: what it refuses, and the ids before the first merge."""

from __future__ import annotations

from typing import Any

import pytest

from bpetk.alphabet import BYTE_ORDER, BYTE_TO_CHAR, to_byte_level
from bpetk.errors import ConfigError
from bpetk.trainer import TrainerConfig

ALL = bytes(range(256))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocab_size": 0}, "vocab_size must be at least 1, got 0"),
        ({"vocab_size": -5}, "vocab_size must be at least 1, got -5"),
        ({"vocab_size": 300.0}, "vocab_size must be a whole number, got 300.0"),
        ({"vocab_size": "300"}, "vocab_size must be a whole number, got '300'"),
        ({"vocab_size": True}, "vocab_size must be a whole number, got True"),
        ({"vocab_size": None}, "vocab_size must be a whole number, got None"),
        ({"min_frequency": -1}, "min_frequency must be at least 0, got -1"),
        ({"min_frequency": 1.5}, "min_frequency must be a whole number"),
        ({"min_frequency": None}, "min_frequency must be a whole number"),
        ({"max_token_length": 0}, "max_token_length must be at least 1, got 0"),
        ({"max_token_length": False}, "max_token_length must be a whole number"),
        ({"alphabet": "ascii"}, "alphabet must be 'bytes' or 'observed', got 'ascii'"),
        ({"alphabet": None}, "alphabet must be 'bytes' or 'observed'"),
        ({"scheme": "gpt5"}, "unknown scheme 'gpt5'; known schemes: gpt2, cl100k"),
        ({"scheme": "custom"}, "unknown scheme 'custom'"),
        ({"pattern": "(a"}, "position"),
        ({"pattern": r"\p{N}{1,3}+"}, r"\{1,3\}\+"),
        ({"special_tokens": "<s>"}, "special_tokens must be a sequence of strings, got one string"),
        ({"special_tokens": ("<s>", "")}, "a special token must be a non-empty string, got ''"),
        ({"special_tokens": (b"<s>",)}, "a special token must be a non-empty string, got b'<s>'"),
        ({"special_tokens": (1,)}, "a special token must be a non-empty string, got 1"),
        ({"special_tokens": (["<s>"],)}, "a special token must be a non-empty string"),
        ({"special_tokens": ("a\ud800",)}, r"the special token 'a\\ud800' holds a lone surrogate"),
    ],
    ids=str,
)
def test_what_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        TrainerConfig(**{"vocab_size": 300, **options})
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("name", ["vocab_size", "min_frequency", "max_token_length"])
def test_numbers_beyond_what_the_machine_can_hold(name: str) -> None:
    """An error of the configuration, not one from the depths."""
    import bpetk

    with pytest.raises(ConfigError, match=name):
        bpetk.train_from_iterator(["ab"], **{"vocab_size": 300, name: 2**70})


def test_the_least_size_is_named() -> None:
    with pytest.raises(
        ConfigError, match="vocab_size 255 is too small: 0 special tokens and 256 bytes need at least 256"
    ):
        TrainerConfig(255)
    assert TrainerConfig(256).vocab_size == 256
    with pytest.raises(ConfigError, match="2 special tokens and 256 bytes need at least 258"):
        TrainerConfig(257, special_tokens=("<s>", "<t>", "<s>"))
    # A token that is the byte-level text of one byte is that byte's.
    assert TrainerConfig(257, special_tokens=("<s>", "a")).vocab_size == 257
    # How many bytes occur is known only after counting.
    config = TrainerConfig(1, alphabet="observed")
    with pytest.raises(ConfigError, match="0 special tokens and 3 bytes need at least 3"):
        config.check_size(b"abc")
    config.check_size(b"a")


def test_special_tokens_are_distinct_and_in_order() -> None:
    config = TrainerConfig(300, special_tokens=("<t>", "<s>", "<t>", "中"))
    assert config.special_tokens == ("<t>", "<s>", "中")


@pytest.mark.parametrize("special_tokens", [["<t>", "<s>"], ("<t>", "<s>"), dict.fromkeys(["<t>", "<s>"])])
def test_any_sequence_of_special_tokens(special_tokens: Any) -> None:
    assert TrainerConfig(300, special_tokens=special_tokens).special_tokens == ("<t>", "<s>")


def test_ids_are_special_tokens_then_bytes_in_the_order_of_their_characters() -> None:
    ids, strings = TrainerConfig(300, special_tokens=("<s>", "<t>")).initial_ids(ALL)
    assert list(strings) == ["<s>", "<t>", *sorted(BYTE_TO_CHAR)]
    assert list(strings.values()) == list(range(258))
    assert [ids[byte] for byte in BYTE_ORDER] == list(range(2, 258))
    # "!" is first, then printable ASCII; a blank is U+0120, after 0xFF and the controls.
    assert (ids[33], ids[97], ids[0xFF], ids[0], ids[32]) == (2, 66, 2 + 187, 2 + 188, 2 + 188 + 32)


def test_ids_of_observed_bytes() -> None:
    ids, strings = TrainerConfig(300, special_tokens=("b", "<s>"), alphabet="observed").initial_ids(b"cab ")
    assert strings == {"b": 0, "<s>": 1, "a": 2, "c": 3, to_byte_level(b" "): 4}
    assert {bytes([byte]): i for byte, i in enumerate(ids) if i >= 0} == {b"b": 0, b"a": 2, b"c": 3, b" ": 4}


def test_it_is_a_value() -> None:
    config = TrainerConfig(300, special_tokens=("<s>",))
    assert config == TrainerConfig(300, special_tokens=("<s>", "<s>"))
    assert hash(config) == hash(TrainerConfig(300, special_tokens=("<s>",)))
    with pytest.raises(AttributeError):
        config.vocab_size = 400  # type: ignore[misc]
    assert config.resolve_scheme().name == "cl100k"
    assert TrainerConfig(300, pattern="a+").resolve_scheme().pattern == "a+"
