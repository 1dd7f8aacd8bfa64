"""Text to ids and back."""

from __future__ import annotations

import pickle
import random
import time
from collections import Counter
from functools import cache
from itertools import pairwise

import pytest

from bpetk.alphabet import BYTE_ORDER
from bpetk.custom_pattern import compile_pattern
from bpetk.errors import ConfigError, InvalidEncodingError, UnknownTokenError
from bpetk.model import BpeModel
from bpetk.pretokenizers import SCHEMES, custom_scheme, get_scheme
from bpetk.reference import encode as reference
from bpetk.reference import scan
from bpetk.reference.encode import merge_symbols
from bpetk.tokenizer import Tokenizer

TEXT = 3 * (
    "the theme of this other thing, 你好世界你好,世界 123 123456  \n\n"
    "  it's 'tis é é 😀😀 世界你好 then there"
)
PATTERN = r"\p{L}+|\d"
ALPHABET = [
    *"abtheT' \n\t1你好，é\u00a0\u3000😀\x00\x7f\u2028ſİ.>/",
    "'s",
    "  ",
    "\r\n",
    "23",
    "世界",
    "e\u0301",
]
ALPHABET += ["👩‍🔬", "<s>", "<s", "</s>"]


def words_of(text: str, scheme: str) -> list[str]:
    if scheme == "custom":
        return [text[start:end] for start, end in compile_pattern(PATTERN).spans(text)]
    return scan.split(text, scheme)


@cache
def trained(scheme: str, *, special: tuple[str, ...] = ("<s>", "</s>"), observed: bool = False) -> Tokenizer:
    """Learn 30 merges, ties by id, in the plainest way."""
    counts = Counter(word.encode() for word in words_of(TEXT, scheme))
    seen = {byte for word in counts for byte in word} if observed else set(range(256))
    alphabet = [byte for byte in BYTE_ORDER if byte in seen]
    byte_ids = [-1] * 256
    for id, byte in enumerate(alphabet, len(special)):
        byte_ids[byte] = id
    words = {word: [byte_ids[byte] for byte in word] for word in counts}
    merges: list[tuple[int, int, int]] = []
    for new in range(len(special) + len(alphabet), len(special) + len(alphabet) + 30):
        pairs: Counter[tuple[int, int]] = Counter()
        for word, symbols in words.items():
            for pair in pairwise(symbols):
                pairs[pair] += counts[word]
        left, right = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append((left, right, new))
        words = {word: merge_symbols(symbols, {(left, right): (0, new)}) for word, symbols in words.items()}
    left_ids, right_ids, new_ids = zip(*merges, strict=True)
    chosen = custom_scheme(PATTERN) if scheme == "custom" else get_scheme(scheme)
    return Tokenizer(BpeModel(chosen, special, byte_ids, left_ids, right_ids, new_ids))


def random_text(rng: random.Random) -> str:
    return "".join(rng.choices(ALPHABET, k=rng.randint(0, 30)))


@pytest.mark.parametrize("scheme", [*SCHEMES, "custom"])
def test_equals_the_reference(scheme: str) -> None:
    tok = trained(scheme)
    rules = {
        pair: (rank, new)
        for rank, (pair, new) in enumerate(zip(tok.model.merge_ids, tok.model.new, strict=True))
    }
    rng = random.Random(scheme)
    for text in [TEXT, *(random_text(rng) for _ in range(150))]:
        expected = reference.encode(
            text,
            scheme if scheme != "custom" else lambda stretch: words_of(stretch, "custom"),
            tok.model.byte_ids,
            rules,
            tok.added_tokens,
        )
        assert tok.encode(text, allowed_special="all") == expected, text


@pytest.mark.parametrize("scheme", [*SCHEMES, "custom"])
def test_round_trip(scheme: str) -> None:
    tok = trained(scheme)
    rng = random.Random(3)
    for _ in range(100):
        text = random_text(rng)
        plain = tok.decode(tok.encode(text, disallowed_special=()))
        wanted = "".join(words_of(text, scheme)) if scheme == "whitespace" else text
        assert plain == wanted, text
        assert all(id not in tok.added_tokens.values() for id in tok.encode(text, disallowed_special=()))


def test_merging_is_lowest_rank_first_then_leftmost() -> None:
    rng = random.Random(11)
    for _ in range(400):
        rules: dict[tuple[int, int], tuple[int, int]] = {}
        for rank in range(rng.randint(0, 12)):
            rules.setdefault((rng.randrange(3 + rank), rng.randrange(3 + rank)), (rank, 3 + rank))
        word = bytes(rng.choices(range(3), k=rng.randint(0, 25)))
        assert merge_symbols(list(word), rules) == reference.merge_word(word, range(3), rules), (word, rules)


def test_pairs_decide_not_strings() -> None:
    byte_ids = [byte - 97 if 97 <= byte <= 99 else -1 for byte in range(256)]
    tok = Tokenizer(BpeModel(get_scheme("none"), (), byte_ids, [1, 0, 4], [2, 1, 2], [3, 4, 5]))
    assert tok.vocab[b"abc"] == 5
    assert tok.encode("abc") == [0, 3]


def test_special_tokens_split_before_the_scheme() -> None:
    tok = trained("gpt2")
    assert tok.encode("a  <s>  b", allowed_special="all") == [*tok.encode("a  "), 0, *tok.encode("  b")]
    assert tok.encode("<s>", allowed_special={"<s>"}) == [0]
    assert tok.encode("<s>", disallowed_special=()) == [*tok.encode("<"), *tok.encode("s"), *tok.encode(">")]
    with pytest.raises(ConfigError, match=r"allowed_special=\{'<s>'\}"):
        tok.encode("text <s>")
    with pytest.raises(ValueError, match="'</s>' at position 3"):
        tok.encode("<s></s>", allowed_special={"<s>"})
    assert tok.decode([0, *tok.encode("hi"), 1]) == "<s>hi</s>"


def test_empty_text() -> None:
    assert trained("gpt2").encode("") == []
    assert trained("gpt2").decode([]) == ""
    assert trained("whitespace").encode(" \n") == []


def test_decode() -> None:
    tok = trained("gpt2")
    first, *rest = tok.encode("漢")
    assert rest
    assert tok.decode([first]) == "\ufffd"
    assert tok.decode([first], errors="ignore") == ""
    assert tok.decode_bytes([first]) == tok.id_to_bytes(first)
    with pytest.raises(UnicodeDecodeError):
        tok.decode([first], errors="strict")
    assert tok.decode(iter(tok.encode("漢字"))) == "漢字"


def test_lookups() -> None:
    tok = trained("gpt2")
    assert tok.id_to_bytes(tok.token_to_id(b" th")) == b" th"
    assert tok.id_to_token(tok.token_to_id(b" th")) == "Ġth"
    assert tok.token_to_id(" th") == tok.token_to_id(b" th")
    assert tok.token_to_id("<s>") == 0 and tok.id_to_bytes(0) == b"<s>" and tok.id_to_token(0) == "<s>"
    assert len(tok) == tok.vocab_size == tok.n_vocab == 2 + 256 + 30
    assert len(tok.merges) == 30 and len(tok.vocab) == 286 and tok.added_tokens == {"<s>": 0, "</s>": 1}
    assert b"<s>" not in tok.vocab
    assert repr(tok) == "Tokenizer(scheme='gpt2', vocab_size=288, special_tokens=2)"
    assert tok.train_report is None
    assert tok.scheme is SCHEMES["gpt2"]


@pytest.mark.parametrize("token", [b"zzz", "zzz", "", b"<s>", "\ud800"])
def test_an_unknown_token_is_named(token: bytes | str) -> None:
    with pytest.raises(UnknownTokenError) as caught:
        trained("gpt2").token_to_id(token)
    assert str(caught.value) == f"{token!r} is not in the vocabulary"
    assert isinstance(caught.value, KeyError)


@pytest.mark.parametrize("id", [288, -1, 2**40, "x", [1]])
def test_an_unknown_id_is_named(id: object) -> None:
    with pytest.raises(UnknownTokenError) as caught:
        trained("gpt2").decode([3, id])  # type: ignore[list-item]
    assert str(caught.value) == f"id {id!r} is not in the vocabulary; ids are below 288"


def test_a_byte_outside_the_alphabet_is_named() -> None:
    tok = trained("gpt2", observed=True)
    assert tok.decode(tok.encode(TEXT)) == TEXT
    with pytest.raises(UnknownTokenError) as caught:
        tok.encode("the <s>好 Q", allowed_special="all")
    assert str(caught.value).startswith("byte 0x51 of 'Q' at position 9 of the text is not in the alphabet")
    with pytest.raises(UnknownTokenError, match="of '漢' at position 4 of"):
        tok.encode("the 漢")


def test_white_space_needs_no_alphabet_where_it_is_dropped() -> None:
    tok = trained("whitespace", observed=True)
    assert b" " not in tok.vocab
    assert tok.encode("the\u2003 then") == tok.encode("the") + tok.encode("then")


def test_lone_surrogates_are_refused() -> None:
    with pytest.raises(InvalidEncodingError, match=r"U\+D800 at position 4 of the text"):
        trained("gpt2").encode("<s>a\ud800", allowed_special="all")
    assert trained("gpt2").encode("😀")


@pytest.mark.parametrize("text", [bytearray(b"bytes"), None, 3, ["list"]])
def test_only_text_is_encoded(text: object) -> None:
    with pytest.raises(TypeError, match="text must be str or bytes"):
        trained("gpt2").encode(text)  # type: ignore[arg-type]


def test_is_a_value() -> None:
    tok = trained("gpt2")
    other = Tokenizer(tok.model)
    assert tok == other and hash(tok) == hash(other)
    assert tok != Tokenizer(tok.model, roles={"eos": "<s>"})
    assert tok != trained("none")
    assert tok != "tok"


@pytest.mark.parametrize("scheme", ["gpt2", "custom"])
def test_pickle(scheme: str) -> None:
    tok = Tokenizer(trained(scheme).model, roles={"bos": "<s>"})
    ids = tok.encode(TEXT)
    again = pickle.loads(pickle.dumps(tok))
    assert again == tok
    assert again.roles == {"bos": "<s>"}
    assert again.encode(TEXT) == ids


@pytest.mark.parametrize("roles", [{"cls": "<s>"}, {"bos": "<x>"}, {"bos": "a"}])
def test_roles_must_be_known_and_special(roles: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"unknown roles|is not a special token"):
        Tokenizer(trained("gpt2").model, roles=roles)


def test_a_long_pretoken_takes_near_linear_time() -> None:
    byte_ids = [0 if byte == 97 else -1 for byte in range(256)]
    tok = Tokenizer(BpeModel(get_scheme("none"), (), byte_ids, [0, 1], [0, 1], [1, 2]))
    start = time.perf_counter()
    assert tok.encode("a" * 100_001) == [2] * 25_000 + [0]
    assert time.perf_counter() - start < 5
