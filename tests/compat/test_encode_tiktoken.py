"""Files of ranks against tiktoken: merging by rank, special tokens, surrogates, gaps between matches, decoding."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import model_zoo
import pytest
from fuzz_text import adversarial_text
from hypothesis import given, settings
from hypothesis import strategies as st

from bpetk import Tokenizer
from bpetk.errors import ConfigError, UnknownTokenError

tiktoken = pytest.importorskip("tiktoken")

SPECIAL = {"<s>": 1000, "</s>": 1001, "<|end of text|>": 1007}
Both = tuple[Tokenizer, Any]


def load_both(
    path: Path, tokens: Iterable[bytes], pattern: str = model_zoo.R50K, special: Mapping[str, int] = SPECIAL
) -> Both:
    """Write a file of ranks, 0 for the first token, and load it here and there."""
    ranks = {token: rank for rank, token in enumerate(tokens)}
    path.write_bytes(b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in ranks.items()))
    encoding = tiktoken.Encoding("t", pat_str=pattern, mergeable_ranks=ranks, special_tokens=dict(special))
    return Tokenizer.from_file(path, pattern=pattern, special_tokens=special), encoding


def all_bytes(rng: random.Random | None = None) -> list[bytes]:
    found = [bytes([byte]) for byte in range(256)]
    if rng is not None:
        rng.shuffle(found)
    return found


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Both:
    tokens = [*all_bytes(), *(token.encode() for token in "ab abc bc 的中 中 aa aaa aaaa".split())]
    tokens += [b"  ", b"   ", b" a", b"\n\n", "中".encode()[:2], b"\xef\xbf", b"\xef\xbf\xbd"]
    return load_both(tmp_path_factory.mktemp("ranks") / "small.tiktoken", dict.fromkeys(tokens))


# --- merging --------------------------------------------------------------------------------------------------------


def grown(rng: random.Random, count: int) -> list[bytes]:
    """Give tokens of which each is two earlier ones, as training makes them."""
    tokens = [b"a", b"b", b"c", "é".encode()[:1], "é".encode()[1:]]
    for _ in range(count):
        tokens.append(rng.choice(tokens) + rng.choice(tokens))
    return tokens


def any_strings(rng: random.Random, count: int) -> list[bytes]:
    """Give tokens that need not be reachable by merges."""
    return ["".join(rng.choices("aabcé", k=rng.randint(2, 6))).encode() for _ in range(count)]


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("make", [grown, any_strings])
@pytest.mark.parametrize("shuffled", [False, True])
def test_merging_by_rank(make: Callable[..., list[bytes]], shuffled: bool, seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    longer = [token for token in make(rng, rng.choice((2, 5, 12, 40))) if 1 < len(token) < 40]
    if shuffled:  # a longer token then may have a lower rank than its parts, or than a single byte
        tokens = [*all_bytes(rng), *longer]
        rng.shuffle(tokens)
    else:
        tokens = [*all_bytes(), *longer]
    here, there = load_both(tmp_path / "t.tiktoken", dict.fromkeys(tokens), special={})
    for _ in range(40):
        text = " ".join(
            "".join(rng.choices("aaabbcé", k=rng.choice((1, 2, 3, 5, 8, 13, 40, 99, 100, 101, 300))))
            for _ in range(rng.choice((1, 3)))
        )
        assert here.encode_ordinary(text) == there.encode_ordinary(text), (longer, text)


def test_whole_piece_that_no_merges_reach(tmp_path: Path) -> None:
    here, there = load_both(tmp_path / "t.tiktoken", [*all_bytes(), b"bytes", b"xyz"], special={})
    for text, count in [("xyz", 1), ("xyzw", 4), ("wxyz", 4), ("bytes", 1), ("xyz bytes", 7)]:
        assert here.encode_ordinary(text) == there.encode_ordinary(text)
        assert len(here.encode_ordinary(text)) == count


# --- patterns -------------------------------------------------------------------------------------------------------

PATTERNS = {
    **{
        name: getattr(model_zoo, name)
        for name in ("GPT2", "R50K", "CL100K", "QWEN", "O200K", "TEKKEN", "KIMI")
    },
    "gaps": "[a-z]+",
    "gaps and spaces": r"\p{L}+|\s\d",
    "one by one, no line ends": ".",
    "everything": r"[\s\S]+",
}


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns(name: str, tmp_path: Path) -> None:
    # Every string of up to three characters that occurs is a token: then ids show where the pattern cuts.
    rng = random.Random(name)
    texts = [adversarial_text(rng, rng.choice((1, 2, 5, 12))) for _ in range(700)]
    pairs = {text[i : i + size].encode() for text in texts for size in (1, 2, 3) for i in range(len(text))}
    tokens = dict.fromkeys([*all_bytes(), *sorted(pairs)])
    here, there = load_both(tmp_path / "t.tiktoken", tokens, PATTERNS[name], special={})
    for text in texts:
        assert here.encode_ordinary(text) == there.encode_ordinary(text), repr(text)
        assert here.encode(text) == there.encode(text), repr(text)


def test_text_between_matches_is_dropped(tmp_path: Path) -> None:
    here, there = load_both(tmp_path / "t.tiktoken", all_bytes(), "[a-z]+", special={})
    assert here.decode(here.encode("ab1!c")) == there.decode(there.encode("ab1!c")) == "abc"


@pytest.mark.parametrize(
    ("scheme", "pattern"),
    [
        ("gpt2", "GPT2"),
        ("gpt2", "R50K"),
        ("cl100k_tiktoken", "CL100K"),
        ("qwen2", "QWEN"),
        ("o200k", "O200K"),
    ],
)
def test_patterns_of_schemes_are_recognised(scheme: str, pattern: str, tmp_path: Path) -> None:
    here, _ = load_both(tmp_path / "t.tiktoken", all_bytes(), PATTERNS[pattern])
    assert here.scheme.name == scheme
    assert here == Tokenizer.from_file(tmp_path / "t.tiktoken", scheme=scheme, special_tokens=SPECIAL)


# --- special tokens -------------------------------------------------------------------------------------------------

PARTS = [*SPECIAL, "<s", "s>", "<|end of", "a", "b", "ab", " ", "  ", "\n", "中", "的中", "\ud800", "\ufffd"]
CHOSEN = st.sampled_from(["all", (), *((name,) for name in SPECIAL), ("<s>", "</s>"), ("ab",), ("x", "<s>")])


def answer(call: Callable[[], list[int]]) -> list[int] | str:
    try:
        return call()
    except UnicodeError:
        raise
    except ValueError:
        return "refused"


@given(st.lists(st.sampled_from(PARTS), max_size=9).map("".join), CHOSEN, CHOSEN)
@settings(max_examples=2000)
def test_policy(small: Both, text: str, allowed: Any, disallowed: Any) -> None:
    here, there = small
    options = {
        "allowed_special": allowed if allowed == "all" else set(allowed),
        "disallowed_special": disallowed if disallowed == "all" else set(disallowed),
    }
    expected = answer(lambda: there.encode(text, **options))
    assert answer(lambda: here.encode(text, **options)) == expected
    assert answer(lambda: here.encode_batch([text, text], **options)[1]) == expected
    assert answer(lambda: here.encode_to_numpy(text, **options).tolist()) == expected
    assert here.encode_ordinary(text) == there.encode_ordinary(text)


def test_look_ahead_ends_at_a_special_token(small: Both) -> None:
    here, there = small
    for text in ("a   <s>", "a   b", "a \n  <s>  b", "<s>   <s>"):
        assert here.encode(text, allowed_special="all") == there.encode(text, allowed_special="all")
    spaces = [id for id in here.encode("a   <s>", allowed_special="all") if here.id_to_bytes(id).isspace()]
    assert [here.id_to_bytes(id) for id in spaces] == [b"   "]


def test_refusal_names_text_and_place(small: Both) -> None:
    here, _ = small
    with pytest.raises(ConfigError, match=r"'<s>'.*position 2"):
        here.encode("ab<s>")
    assert here.encode("ab<s>", disallowed_special=()) == here.encode_ordinary("ab<s>")


# --- surrogates -----------------------------------------------------------------------------------------------------

SURROGATES = [
    "a\ud800b",
    "\ud83d\ude00",
    "\ude00\ud83d",
    "\ud83d",
    "\udc80\udcff",
    "中\ud83d\ude00<s>\udfff ",
]


@pytest.mark.parametrize("text", SURROGATES)
def test_surrogates_are_repaired(small: Both, text: str) -> None:
    here, there = small
    expected = there.encode(text, allowed_special="all")
    assert here.encode(text, allowed_special="all") == expected
    assert here.encode_batch([text], allowed_special="all") == [expected]
    assert here.encode_ordinary(text) == there.encode_ordinary(text)
    assert here.encode(text, allowed_special="all") == here.encode(
        text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"), allowed_special="all"
    )


# --- back to text ---------------------------------------------------------------------------------------------------

IDS = st.lists(st.one_of(st.integers(0, 255), st.integers(0, 270), st.sampled_from(list(SPECIAL.values()))))


@given(IDS)
@settings(max_examples=500)
def test_decoding(small: Both, ids: list[int]) -> None:
    here, there = small
    ids = [id for id in ids if id < there.max_token_value + 1 and id in known(there)]
    assert here.decode_bytes(ids) == there.decode_bytes(ids)
    assert here.decode(ids) == there.decode(ids)
    assert here.decode(ids, errors="ignore") == there.decode(ids, errors="ignore")
    assert [here.id_to_bytes(id) for id in ids] == there.decode_tokens_bytes(ids)


def known(encoding: Any) -> set[int]:
    return {*range(len(encoding.token_byte_values())), *SPECIAL.values()}


def test_decoding_errors(small: Both) -> None:
    here, there = small
    assert here.n_vocab == there.n_vocab == 1008
    for id in (999, 1002, 1008, 2**31):
        with pytest.raises(KeyError):
            there.decode_bytes([id])
        with pytest.raises(UnknownTokenError):
            here.decode_bytes([id])
    for id in (-1, 2**32, 2**70):
        with pytest.raises(OverflowError):
            there.decode_bytes([id])
        with pytest.raises(UnknownTokenError):
            here.decode_bytes([id])
    with pytest.raises(UnicodeDecodeError):
        there.decode([0xFF], errors="strict")
    with pytest.raises(UnicodeDecodeError):
        here.decode([0xFF], errors="strict")


@given(st.text(alphabet="ab 中的é\U0001f600\n", max_size=20), st.booleans())
def test_decode_with_offsets(small: Both, text: str, special: bool) -> None:
    here, there = small
    text += "<s>ab" * special
    ids = there.encode(text, allowed_special="all")
    assert here.decode_with_offsets(ids) == there.decode_with_offsets(ids)


def test_single_tokens(small: Both) -> None:
    here, there = small
    for token in [*there.token_byte_values(), *SPECIAL, "ab", "中"]:
        assert here.token_to_id(token) == there.encode_single_token(token)
    for unknown in (b"abcd", "zz", "<t>"):
        with pytest.raises(KeyError):
            there.encode_single_token(unknown)
        with pytest.raises(UnknownTokenError):
            here.token_to_id(unknown)
