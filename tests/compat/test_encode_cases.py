r"""Single cases, each once observed in the reference libraries: numbered, so that a report can name one.

28 to 41 are about pieces, 42 to 52 about ids. Every case is compared with the library as well as with the answer.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import model_zoo
import pytest
from gguf_vocab import CL100K, byte_level, split

from bpetk import Tokenizer
from bpetk.alphabet import to_byte_level
from bpetk.errors import ConfigError, InvalidEncodingError, UnknownTokenError

tokenizers = pytest.importorskip("tokenizers")
tiktoken = pytest.importorskip("tiktoken")

BYTES = [bytes([byte]) for byte in range(256)]
Result = tuple[list[int], list[tuple[int, int]]]


# --- both libraries on a file made for the case ---------------------------------------------------------------------


def document(
    vocab: Mapping[str, int],
    merges: Sequence[tuple[str, str]] = (),
    *,
    pre_tokenizer: Any = None,
    added_tokens: Sequence[Mapping[str, Any]] = (),
    normalizer: Any = None,
    **model: Any,
) -> dict[str, Any]:
    """Give a ``tokenizer.json`` object; without a pre-tokenizer a text is one piece."""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": list(added_tokens),
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer or byte_level(use_regex=False),
        "post_processor": None,
        "decoder": byte_level(use_regex=True),
        "model": {"type": "BPE", "vocab": dict(vocab), "merges": list(map(list, merges)), **model},
    }


class Hf:
    """Loads objects here and in `tokenizers`, and asserts that both give the same."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "tokenizer.json"

    def load(self, made: Mapping[str, Any]) -> tuple[Tokenizer, Any]:
        self.path.write_text(json.dumps(made), "utf-8")
        return Tokenizer.from_file(self.path), tokenizers.Tokenizer.from_file(str(self.path))

    def encode(self, made: Mapping[str, Any], text: str, *, offsets: bool = True) -> Result:
        here, there = self.load(made)
        expected = there.encode(text)
        assert here.encode(text, allowed_special="all") == expected.ids
        if offsets:
            found = here.encode_with_offsets(text, allowed_special="all")
            assert [tuple(map(int, span)) for span in found.char_offsets] == expected.offsets
        return expected.ids, expected.offsets

    def tokens(self, made: Mapping[str, Any], text: str) -> list[str]:
        return [self.load(made)[1].id_to_token(id) for id in self.encode(made, text)[0]]

    def pieces(self, pre_tokenizer: Any, text: str) -> list[str]:
        """Show how a text is cut: every part of it is a token, and whole pieces are looked up first."""
        vocab = {to_byte_level(part): id for id, part in enumerate(parts(text))}
        ids, spans = self.encode(document(vocab, pre_tokenizer=pre_tokenizer, ignore_merges=True), text)
        assert len(ids) == len(spans)
        return [text[start:end] for start, end in spans]


class Ranks:
    """Loads ranks here and in tiktoken, and asserts that both give the same."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "t.tiktoken"

    def load(self, tokens: Sequence[bytes], pattern: str, **special: int) -> tuple[Tokenizer, Any]:
        ranks = {token: rank for rank, token in enumerate(tokens)}
        lines = (base64.b64encode(token) + b" %d\n" % rank for token, rank in ranks.items())
        self.path.write_bytes(b"".join(lines))
        there = tiktoken.Encoding("t", pat_str=pattern, mergeable_ranks=ranks, special_tokens=special)
        return Tokenizer.from_file(self.path, pattern=pattern, special_tokens=special), there

    def encode(self, tokens: Sequence[bytes], text: str, pattern: str = model_zoo.R50K) -> list[bytes]:
        here, there = self.load(tokens, pattern)
        expected = there.encode(text)
        assert here.encode(text) == expected
        return [bytes(token) for token in there.decode_tokens_bytes(expected)]

    def pieces(self, pattern: str, text: str) -> list[str]:
        return [piece.decode() for piece in self.encode(parts(text), text, pattern)]


def parts(text: str) -> list[bytes]:
    """Give all bytes, then every part of a text."""
    ends = range(len(text) + 1)
    found = (text[start:end].encode() for start in ends for end in ends[start + 1 :])
    return [*dict.fromkeys([*BYTES, *found])]


@pytest.fixture
def hf(tmp_path: Path) -> Hf:
    return Hf(tmp_path)


@pytest.fixture
def ranks(tmp_path: Path) -> Ranks:
    return Ranks(tmp_path)


@pytest.fixture
def pieces(hf: Hf, ranks: Ranks) -> Callable[[str, str], list[str]]:
    """``pieces(rule, text)`` for a rule that both libraries know; they must agree."""

    def cut(name: str, text: str) -> list[str]:
        pre_tokenizer, pattern = RULES[name]
        found = hf.pieces(pre_tokenizer, text)
        assert ranks.pieces(pattern, text) == found
        return found

    return cut


def with_split(pattern: str) -> dict[str, Any]:
    return {"type": "Sequence", "pretokenizers": [split(pattern), byte_level(use_regex=False)]}


RULES = {
    "gpt2": (byte_level(use_regex=True), model_zoo.GPT2),
    "cl100k": (with_split(CL100K), CL100K),
    "qwen2": (with_split(model_zoo.QWEN), model_zoo.QWEN),
    "o200k": (with_split(model_zoo.O200K), model_zoo.O200K),
    "kimi": (with_split(model_zoo.KIMI), model_zoo.KIMI),
}
DEEPSEEK = {
    "type": "Sequence",
    "pretokenizers": [
        split(r"\p{N}{1,3}"),
        split("[一-龥\u3040-ゟ゠-ヿ]+"),
        split(
            r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
            r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        ),
        byte_level(use_regex=False),
    ],
}
Pieces = Callable[[str, str], list[str]]

# --- 28 to 41: pieces -----------------------------------------------------------------------------------------------

SAME_EVERYWHERE = [
    pytest.param("a  ", ["a", "  "], id="28 blanks at the end stay together"),
    pytest.param("  a", [" ", " a"], id="28 the last blank goes with the word"),
    pytest.param("\u3000", ["\u3000"], id="29 ideographic space"),
    pytest.param("\x85", ["\x85"], id="29 next line"),
]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("text", "expected"), SAME_EVERYWHERE)
def test_28_29_white_space(pieces: Pieces, rule: str, text: str, expected: list[str]) -> None:
    assert pieces(rule, text) == expected


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [
        pytest.param("gpt2", "a\xa0\xa0b", ["a", "\xa0", "\xa0", "b"], id="29 only U+0020 joins a word"),
        pytest.param("cl100k", "a\xa0\xa0b", ["a", "\xa0", "\xa0b"], id="29 any one sign joins a word"),
        pytest.param("gpt2", "a\n\n b \n", ["a", "\n\n", " b", " \n"], id="30 line ends, GPT-2"),
        pytest.param("cl100k", "a\n\n b \n", ["a", "\n\n", " b", " \n"], id="30 line ends, cl100k"),
        pytest.param("gpt2", "👩\u200d🔬x", ["👩\u200d🔬", "x"], id="31 joined emoji"),
        pytest.param("gpt2", "e\u0301a", ["e", "\u0301", "a"], id="32 mark, GPT-2"),
        pytest.param("cl100k", "e\u0301a", ["e", "\u0301a"], id="32 mark, cl100k"),
        pytest.param("gpt2", "１2３4", ["１2３4"], id="33 full-width digits, GPT-2"),
        pytest.param("cl100k", "１2３4", ["１2３", "4"], id="33 full-width digits, cl100k"),
        pytest.param("qwen2", "１2", ["１", "2"], id="33 full-width digits, Qwen"),
        pytest.param("gpt2", "\U00020000b", ["\U00020000b"], id="34 extension B is a letter"),
        pytest.param(
            "gpt2", "\U0002ebf0b", ["\U0002ebf0b"], id="34 extension I is a letter since Unicode 15.1"
        ),
        pytest.param(
            *("gpt2", "I'm we'LL 're", ["I", "'m", " we", "'", "LL", " '", "re"]), id="35 contractions, GPT-2"
        ),
        pytest.param(
            *("cl100k", "I'm we'LL 're", ["I", "'m", " we", "'LL", " '", "re"]), id="35 contractions, cl100k"
        ),
        pytest.param("cl100k", "a'ſx", ["a", "'ſ", "x"], id="36 long s, cl100k"),
        pytest.param("o200k", "a'ſx", ["a'ſ", "x"], id="36 long s, o200k"),
        pytest.param("cl100k", "a\n  ", ["a", "\n", "  "], id="37 end of text, original cl100k"),
        pytest.param("cl100k", "1234567", ["123", "456", "7"], id="38 numbers by three"),
        pytest.param("o200k", "ABC漢DE", ["ABC漢", "DE"], id="39 letters without case, o200k"),
        pytest.param("o200k", "!\u0301", ["!\u0301"], id="39 sign and mark, o200k"),
        pytest.param("kimi", "々〇漢a", ["々〇漢", "a"], id="40 Han, Kimi"),
    ],
)
def test_29_to_40_pieces(pieces: Pieces, rule: str, text: str, expected: list[str]) -> None:
    assert pieces(rule, text) == expected


def test_37_end_of_text_in_tiktokens_own_cl100k(ranks: Ranks) -> None:
    assert ranks.pieces(model_zoo.CL100K, "a\n  ") == ["a", "\n  "]
    assert ranks.pieces(model_zoo.CL100K, "a\n  b") == ["a", "\n", " ", " b"]


def test_38_possessive_count_means_two_things(hf: Hf, ranks: Ranks) -> None:
    pattern = r"\p{N}{1,3}+|[^\p{N}]+"
    assert ranks.pieces(pattern, "1234567") == ["123", "456", "7"]
    assert hf.pieces(with_split(pattern), "1234567") == ["1234567"]


def test_40_han_in_deepseek(hf: Hf) -> None:
    assert hf.pieces(DEEPSEEK, "々〇漢a") == ["々", "〇", "漢", "a"]


@pytest.mark.parametrize("length", [999_998, 999_999, 1_000_001])
def test_41_long_run_of_white_space(hf: Hf, ranks: Ranks, length: int) -> None:
    text = " " * length + "a"
    blanks = [b" " * 2**power for power in range(1, 16)]
    here, there = ranks.load([*BYTES, *blanks, b" a"], model_zoo.R50K)
    ids = here.encode(text)
    assert sum(len(here.id_to_bytes(id)) for id in ids) == len(text)
    assert here.id_to_bytes(ids[-1]) == b" a"
    if length < 999_999:
        assert ids == there.encode(text)
    else:  # its limit, not ours
        with pytest.raises(ValueError, match="stack size"):
            there.encode(text)
    vocab = {to_byte_level(token): id for id, token in enumerate([*BYTES, *blanks, b" a"])}
    merges = [(to_byte_level(b" " * 2**power),) * 2 for power in range(15)] + [("Ġ", "a")]
    made = document(vocab, merges, pre_tokenizer=byte_level(use_regex=True))
    assert hf.encode(made, text, offsets=False)[0][-1] == len(vocab) - 1


# --- 42 to 52: ids --------------------------------------------------------------------------------------------------

BYTE_VOCAB = {to_byte_level(byte): id for id, byte in enumerate(BYTES)}


def test_42_a_million_letters(hf: Hf, ranks: Ranks) -> None:
    vocab = BYTE_VOCAB | {"aa": 256, "aaaa": 257}
    merges = [("a", "a"), ("aa", "aa")]
    assert hf.encode(document(vocab, merges), "a" * 10**6)[0] == [257] * 250_000
    here, _ = ranks.load([*BYTES, b"aa", b"aaaa"], model_zoo.R50K)
    assert here.encode("a" * 10**6) == [257] * 250_000


def test_42_no_merges(hf: Hf, ranks: Ranks) -> None:
    text = "漢字文" * 116_666 + "漢字"
    expected = list(text.encode())
    assert len(expected) == 1_050_000
    assert hf.encode(document(BYTE_VOCAB), text)[0] == expected
    assert ranks.load(BYTES, model_zoo.R50K)[0].encode(text) == expected


def test_43_merging_by_rank(ranks: Ranks) -> None:
    assert ranks.encode([*BYTES, b"aa"], "aaaaa") == [b"aa", b"aa", b"a"]
    assert ranks.encode([*BYTES, b"aa", b"aaa", b"aaaa"], "a" * 7) == [b"aaaa", b"aaa"]


def test_44_pairs_decide_in_one_library_and_strings_in_the_other(hf: Hf, ranks: Ranks) -> None:
    vocab = {"a": 0, "b": 1, "c": 2, "bc": 3, "ab": 4, "abc": 5}
    merges = [("b", "c"), ("a", "b"), ("ab", "c")]
    assert hf.tokens(document(vocab, merges), "abc") == ["a", "bc"]
    assert hf.tokens(document(vocab, merges, ignore_merges=True), "abc") == ["abc"]
    assert ranks.encode([*BYTES, b"bc", b"ab", b"abc"], "abc") == [b"abc"]
    assert ranks.encode([*BYTES, b"bc", b"ab", b"abc"], "abcd") == [b"abc", b"d"]


def test_45_byte_fallback_comes_before_the_unknown_token(hf: Hf) -> None:
    vocab = {"a": 0, "<unk>": 1, "<0xC3>": 2, "<0xA9>": 3}
    made = document(vocab, byte_fallback=True, unk_token="<unk>") | {"pre_tokenizer": None, "decoder": None}
    hf.path.write_text(json.dumps(made), "utf-8")
    assert tokenizers.Tokenizer.from_file(str(hf.path)).encode("xéa").ids == [2, 3, 1, 0]
    assert Tokenizer.from_file(hf.path).encode("xéa") == [2, 3, 1, 0]


def test_46_bytes_outside_the_vocabulary(hf: Hf) -> None:
    # There the character vanishes and later offsets are wrong; here it is an error.
    here, there = hf.load(document({"a": 0, "b": 1}))
    lossy = there.encode("axb")
    assert (lossy.ids, lossy.offsets) == ([0, 1], [(0, 1), (1, 2)])
    with pytest.raises(UnknownTokenError, match="0x78"):
        here.encode("axb")


def test_46_unknown_token(hf: Hf) -> None:
    made = document({"a": 0, "b": 1, "<unk>": 2}, unk_token="<unk>")
    assert hf.encode(made, "axyb")[0] == [0, 2, 2, 1]
    made = document({"a": 0, "b": 1, "<unk>": 2}, unk_token="<unk>", fuse_unk=True)
    assert hf.encode(made, "axyb漢")[0] == [0, 2, 1, 2]


@pytest.mark.parametrize(("text", "repaired"), [("a\ud800b", "a\ufffdb"), ("\ud83d\ude00", "😀")])
def test_47_surrogates(hf: Hf, ranks: Ranks, text: str, repaired: str) -> None:
    assert b"".join(ranks.encode(BYTES, text)).decode() == repaired
    here, there = hf.load(document(BYTE_VOCAB))
    with pytest.raises(TypeError):
        there.encode(text)
    with pytest.raises(InvalidEncodingError):
        here.encode(text)


def test_48_special_tokens_in_text(hf: Hf, ranks: Ranks) -> None:
    here, there = ranks.load(BYTES, model_zoo.R50K, **{"<s>": 300})
    for tokenizer in (here, there):
        with pytest.raises(ValueError, match="<s>"):
            tokenizer.encode("a<s>")
        assert tokenizer.encode("a<s>", allowed_special={"<s>"}) == [97, 300]
        assert tokenizer.encode("a<s>", disallowed_special=()) == [97, 60, 115, 62]
    made = document(BYTE_VOCAB, added_tokens=[added("<s>", 256)])
    assert hf.encode(made, "a<s>")[0] == [97, 256]
    with pytest.raises(ConfigError, match="<s>"):
        hf.load(made)[0].encode("a<s>")


def added(content: str, id: int, **flags: bool) -> dict[str, Any]:
    names = ("single_word", "lstrip", "rstrip", "normalized")
    return {"id": id, "content": content, **dict.fromkeys(names, False), "special": True, **flags}


def test_49_leftmost_longest(hf: Hf) -> None:
    tokens = [added(content, 256 + i) for i, content in enumerate(("abc", "abcd", "bcdefg"))]
    ids, spans = hf.encode(document(BYTE_VOCAB, added_tokens=tokens), "xabcdefg")
    assert ids == [ord("x"), 257, *b"efg"]
    assert spans[1] == (1, 5)


@pytest.mark.parametrize("space", [" ", "\n", " \n\t ", "\u3000", "\x85"])
def test_50_strip_takes_white_space(hf: Hf, space: str) -> None:
    text = f"a{space}<m>{space}b"
    size = len(space)
    for left, right in [(True, False), (False, True), (True, True)]:
        token = added("<m>", 256, lstrip=left, rstrip=right)
        ids, spans = hf.encode(document(BYTE_VOCAB, added_tokens=[token]), text)
        before, after = b"" if left else space.encode(), b"" if right else space.encode()
        assert ids == [ord("a"), *before, 256, *after, ord("b")]
        assert spans[ids.index(256)] == (1 if left else 1 + size, 4 + size + (size if right else 0))


def test_50_single_word(hf: Hf) -> None:
    made = document(BYTE_VOCAB, added_tokens=[added("ab", 256, single_word=True)])
    for text, found in [("ab", True), ("xab", False), ("ab漢", False), (" ab!", True), ("ab_", False)]:
        assert (256 in hf.encode(made, text)[0]) == found, text


def test_51_prefix_space_after_an_added_token(hf: Hf) -> None:
    prefixed = byte_level(use_regex=True) | {"add_prefix_space": True}
    made = document(BYTE_VOCAB, pre_tokenizer=prefixed, added_tokens=[added("<s>", 256)])
    assert hf.encode(made, "a<s>b")[0] == [*b" a", 256, *b" b"]
    assert hf.encode(made, "a<s> b<s>\nc")[0] == [*b" a", 256, *b" b", 256, *b" \nc"]


def test_52_text_between_matches(hf: Hf, ranks: Ranks) -> None:
    assert ranks.pieces("[a-z]+", "ab1!c") == ["ab", "c"]
    assert hf.pieces(with_split("[a-z]+"), "ab1!c") == ["ab", "1!", "c"]
