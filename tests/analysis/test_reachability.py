"""Which tokens encoding can produce: by hand, against texts of random models, and against the reference libraries."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bpetk
from bpetk import Tokenizer
from bpetk.analysis import reachability
from bpetk.analysis.pattern_language import PatternLanguage, language_of
from bpetk.analysis.reachability import Reach, reach
from bpetk.analysis.token_table import Kind, TokenTable
from bpetk.custom_pattern import compile_pattern
from bpetk.definition import Definition, Sections
from bpetk.interop.sentencepiece_model import ModelFile, NormalizerSpec, Piece, PieceType
from bpetk.model import BpeModel
from bpetk.pretokenizers import SCHEMES, get_scheme
from bpetk.sp_tokenizer import SentencePieceTokenizer
from bpetk.special_tokens import AddedToken


def byte_level(
    merges: list[tuple[bytes, bytes]], scheme: str = "gpt2", sections: Sections | None = None, **more: object
) -> Tokenizer:
    """Make a tokenizer with all bytes, ids 0 to 255, and then the results of the merges."""
    ids = {bytes([byte]): byte for byte in range(256)}
    parts = []
    for left, right in merges:
        new = ids.setdefault(left + right, len(ids))
        parts.append((ids[left], ids[right], new))
    left_ids, right_ids, new_ids = ([part[i] for part in parts] for i in range(3))
    model = BpeModel(get_scheme(scheme), (), list(range(256)), left_ids, right_ids, new_ids, **more)
    return Tokenizer(Definition(model, sections or Sections()))


def reach_of(tok: Tokenizer | SentencePieceTokenizer) -> dict[str, str]:
    """Give the reach of the tokens that are not single bytes, by what they look like."""
    table = TokenTable.of(tok)
    found = reach(tok, table)
    kinds = (Kind.NORMAL, Kind.UNUSED) if isinstance(tok, Tokenizer) else tuple(Kind)
    return {table.readable(id)[1:-1]: Reach(found[id]).name for id in table.ids(*kinds).tolist()}


def test_unreachable_by_merges():
    merges = [(b"a", b"b"), (b"b", b"c"), (b"a", b"bc")]
    tok = byte_level(merges)
    # "abc": a+b goes first, and nothing joins ab and c.
    assert tok.encode("abc") == [256, ord("c")]
    assert reach_of(tok) == {"ab": "PRODUCED", "bc": "PRODUCED", "abc": "MERGES"}
    # A whole pretoken that is a token needs no merges.
    assert reach_of(byte_level(merges, ignore_merges=True))["abc"] == "PRODUCED"


def test_whole_pretokens_are_no_way_to_what_the_scheme_cuts():
    merges = [(b"1", b"a"), (b"a", b"b"), (b"1", b"ab")]
    tok = byte_level(merges, ignore_merges=True)
    assert reach_of(tok) == {"1a": "SPLIT", "ab": "PRODUCED", "1ab": "MERGES"}


def test_split_by_the_scheme():
    tok = byte_level([(b"a", b" "), (b" ", b"a"), (b"1", b"2"), (b"a", b"1"), (b"\n", b"a")])
    assert reach_of(tok) == {
        "a ": "SPLIT",
        " a": "PRODUCED",
        "12": "PRODUCED",
        "a1": "SPLIT",
        r"\na": "SPLIT",
    }
    assert reach_of(byte_level([(b"1", b"2")], "qwen2")) == {"12": "SPLIT"}
    assert (
        reach_of(byte_level([(b"1", b"2"), (b"12", b"3"), (b"123", b"4")], "deepseek_v3"))["1234"] == "SPLIT"
    )
    assert reach_of(byte_level([(b"a", b" ")], "none")) == {"a ": "PRODUCED"}


def test_parts_of_characters():
    zhong, de = "中".encode(), "的".encode()
    merges = [
        (zhong[:1], zhong[1:2]),  # of many characters
        (zhong[2:], b"a"),  # one that ends, one that follows
        (b" ", de[:1]),
        (b"\xff", b"a"),
        (b"1", zhong[:1]),  # a number and the first byte of a letter, or of another sign
    ]
    found = reach_of(byte_level(merges))
    assert found.pop(r"1\xe4") in {"OPEN", "PRODUCED"}  # some number may begin with this byte
    assert found == {
        r"\xe4\xb8": "PRODUCED",
        r"\xada": "PRODUCED",
        r" \xe7": "PRODUCED",
        r"\xffa": "NOT_TEXT",
    }
    assert {Reach(r).name for r in reach(*_with_table(byte_level([])))[0xF5:]} == {"NOT_TEXT"}


def _with_table(tok: Tokenizer) -> tuple[Tokenizer, TokenTable]:
    return tok, TokenTable.of(tok)


def test_rewritten_by_the_normalizer():
    merges = [(b"e", "\u0301".encode()[:1]), (b"e\xcc", b"\x81"), (b"\xc3", b"\xa9")]
    tok = byte_level(merges, sections=Sections(normalizer={"type": "NFC"}))
    assert reach_of(tok)["e\u0301"] == "REWRITTEN"
    assert reach_of(tok)["é"] == "PRODUCED"
    assert reach_of(byte_level(merges, "none"))["e\u0301"] == "PRODUCED"


def test_taken_by_an_added_token():
    added = (AddedToken("aa", 300, special=False), AddedToken("<s>", 301))
    tok = byte_level([(b"a", b"a"), (b"aa", b"b"), (b"a", b"b")], added_tokens=added)
    found = reach_of(tok)
    # The merged "aa" has an id of its own here; the added one is always first.
    assert (found["aab"], found["ab"]) == ("TAKEN", "PRODUCED")
    table = TokenTable.of(tok)
    assert reach(tok, table)[[300, 301]].tolist() == [Reach.PRODUCED, Reach.NOT_ASKED]


def test_added_tokens_may_be_hidden():
    # The special token is ordinary text unless it is asked for, and then hides the added one that it holds.
    added = (AddedToken("aa", 300, special=False), AddedToken("xaab", 301))
    tok = byte_level([(b"a", b"a"), (b"aa", b"b")], added_tokens=added)
    assert 257 in tok.encode("xaab", disallowed_special=())
    assert reach_of(tok)["aab"] in {"OPEN", "PRODUCED"}


def test_an_alphabet_with_gaps():
    byte_ids = [byte if byte < 128 else -1 for byte in range(256)]
    model = BpeModel(get_scheme("gpt2"), (), byte_ids, [97], [98], [256], extra_tokens=(("abc", 257),))
    assert reach_of(Tokenizer(model)) == {"ab": "PRODUCED", "abc": "MERGES"}
    assert (
        reach(*_with_table(Tokenizer(replace(model, unk_token="!", extra_tokens=()))))[256] == Reach.PRODUCED
    )


def pieces_model(pieces: list[Piece], **settings: object) -> SentencePieceTokenizer:
    given = [Piece("<unk>", 0.0, PieceType.UNKNOWN), Piece("<s>", 0.0, PieceType.CONTROL), *pieces]
    return SentencePieceTokenizer(
        ModelFile(given, {"model_type": 2, **settings}, NormalizerSpec("identity", b""))
    )


def test_pieces():
    letters = [Piece(char, -10.0 - i) for i, char in enumerate("▁abc")]
    merged = [Piece("ab", -1.0), Piece("bc", -2.0), Piece("abc", -3.0), Piece("▁a", -4.0), Piece("ca", -5.0)]
    found = reach_of(
        pieces_model([*letters, *merged, Piece("cc", -6.0, PieceType.UNUSED), Piece("a b", -7.0)])
    )
    assert found == {
        "<unk>": "NOT_ASKED",
        "<s>": "NOT_ASKED",
        **dict.fromkeys((" ", "a", "b", "c", "ab", "bc", " a", "ca", "abc"), "PRODUCED"),
        "cc": "UNUSED",
        "a b": "REWRITTEN",
    }


def test_pieces_of_bytes():
    fallback = [Piece(f"<0x{byte:02X}>", 0.0, PieceType.BYTE) for byte in range(256)]
    found = reach_of(pieces_model([*fallback, Piece("▁", -1.0), Piece("a", -2.0)], byte_fallback=True))
    assert found["<0x61>"] == "UNUSED"  # a is a piece
    assert found["<0x62>"] == found["<0xE4>"] == found["<0xF4>"] == "PRODUCED"
    assert found["<0xFF>"] == found["<0xC0>"] == "NOT_TEXT"
    assert found["<0x20>"] == "REWRITTEN"


def test_a_piece_that_does_not_merge():
    # "xyz" would need xy or yz; there is neither.
    pieces = [Piece(char, -10.0 - i) for i, char in enumerate("▁xyz")]
    assert reach_of(pieces_model([*pieces, Piece("xyz", -1.0)]))["xyz"] == "MERGES"


@settings(max_examples=60)
@given(st.integers(0, 1 << 30), st.sampled_from(["gpt2", "cl100k", "qwen2", "o200k", "deepseek_v3", "none"]))
def test_what_is_proved_never_comes_out(seed, scheme):
    """Random merges, random texts: no token that is said to be unreachable."""
    rng = random.Random(seed)
    alphabet = rng.choice(["ab1 ", "aB'.\n", "中丮é a", "a1 \n\t", "é\u0301e "])
    units = sorted({bytes([byte]) for byte in alphabet.encode()})
    merges: dict[bytes, tuple[bytes, bytes]] = {}
    for _ in range(rng.randrange(1, 25)):
        left, right = rng.choice(units), rng.choice(units)
        if len(left + right) <= 8 and left + right not in merges:
            merges[left + right] = (left, right)
            units.append(left + right)
    listed = list(merges.values())
    rng.shuffle(listed)
    order = {token: i for i, token in enumerate(merges)}
    listed.sort(key=lambda pair: order[pair[0] + pair[1]] + rng.randrange(3))
    try:
        form = rng.choice([None, {"type": "NFC"}])
        ignore = rng.random() < 0.5
        tok = byte_level(listed, scheme, Sections(normalizer=form), ignore_merges=ignore)
    except KeyError:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            reachability, "_MOST_TEXTS", 1 << 10
        )  # fewer tokens are seen, what is proved is the same
        found = reach(*_with_table(tok))
    never = set(np.flatnonzero(~np.isin(found, (Reach.PRODUCED, Reach.OPEN))).tolist())
    for _ in range(40):
        text = "".join(rng.choice(alphabet) for _ in range(rng.randrange(12)))
        assert never.isdisjoint(tok.encode(text))
    if form is None:
        # The plain meaning: alone, the bytes of a token of ordinary merges make that token.
        for id in np.flatnonzero(found == Reach.MERGES).tolist():
            text = TokenTable.of(tok).text[id]
            assert text is None or tok.encode(text) != [id]


PATTERNS = [pattern for scheme in SCHEMES.values() for pattern in scheme.patterns]
PATTERNS += [r"a{2,3}b?|(?:ab)+c|\d{70}|x(?=y)", r"(?i:'s|'t)|[^\r\n]?+a++|(?>b|bc)d", r"^a|a$|\bb\b|."]


@settings(max_examples=300)
@given(st.sampled_from(PATTERNS), st.text("ab cdxyS's1２éｅ中あ,。\n\r\u0301/\u2028", max_size=14), st.data())
def test_what_is_in_a_match_is_in_the_language(pattern, text, data):
    language = language_of(pattern)
    compiled = compile_pattern(pattern, misleading=True)
    for start, end in compiled.matches(compiled.classes(text)):
        match = text[start:end]
        assert language.has_whole(match)
        i = data.draw(st.integers(0, len(match)))
        j = data.draw(st.integers(i, len(match)))
        assert language.has_inside(match[i:j], before=i > 0, after=j < len(match))


@settings(max_examples=200)
@given(st.sampled_from(PATTERNS), st.text("ab cdxyS's1２é中,。\n\r/", min_size=1, max_size=10))
def test_what_is_sure_to_match_is_in_no_gap(pattern, text):
    language = language_of(pattern)
    compiled = compile_pattern(pattern, misleading=True)
    matched = {i for start, end in compiled.matches(compiled.classes(text)) for i in range(start, end)}
    assert {i for i, char in enumerate(text) if language.matches_alone(char)} <= matched


def test_language_by_hand():
    language = PatternLanguage(r"ab{2,3}|c+(?!d)|[xy]")
    for text, inside in {
        "bb": True,
        "bbbb": False,
        "abbb": True,
        "ba": False,
        "ccc": True,
        "cd": False,
    }.items():
        assert language.has_inside(text) == inside, text
    assert language.has_inside("b", before=True, after=True)
    assert not language.has_inside("x", before=True)
    assert language.has_whole("abb")
    assert not language.has_whole("ab")
    assert [language.matches_alone(char) for char in "axyc"] == [False, True, True, False]


# --- the reference libraries -----------------------------------------------------------------------------------------

AROUND = ["{}", "a{}", "{}a", " {} ", "中{}中", "1{}1", "\n{}\n", ".{}."]


def test_qwen3_against_tokenizers(shared_file, shared_corpus):
    hf = pytest.importorskip("tokenizers").Tokenizer.from_file(
        str(path := shared_file("tokenizers/qwen3/tokenizer.json"))
    )
    tok = Tokenizer.from_file(path)
    table = TokenTable.of(tok)
    found = reach(tok, table)
    never = set(np.flatnonzero(~np.isin(found, (Reach.PRODUCED, Reach.OPEN, Reach.NOT_ASKED))).tolist())
    # 1,661 are split (numbers, marks), 248 are not in NFC, 13 bytes are in no text.
    assert len(never) == 1922
    texts = [form.format(text) for id in sorted(never) if (text := table.text[id]) for form in AROUND]
    texts += shared_corpus("zh", 1 << 20).read_text(encoding="utf-8").splitlines()[:2000]
    seen = {id for encoding in hf.encode_batch(texts, add_special_tokens=False) for id in encoding.ids}
    assert never.isdisjoint(seen)
    # What its own text gives there is produced here.
    ids = random.Random(0).sample(range(151_643), 4000)
    own = [(id, text) for id in ids if (text := table.text[id])]
    rows = hf.encode_batch([text for _, text in own], add_special_tokens=False)
    given_back = [id for (id, _), row in zip(own, rows, strict=True) if row.ids == [id]]
    assert len(given_back) > 3500
    assert (found[given_back] == Reach.PRODUCED).all()


def test_baichuan2_against_sentencepiece(shared_file):
    spm = pytest.importorskip("sentencepiece")
    path = shared_file("tokenizers/baichuan2/tokenizer.model")
    theirs = spm.SentencePieceProcessor(model_file=str(path))
    tok = Tokenizer.from_file(path)
    table = TokenTable.of(tok)
    found = reach(tok, table)
    never = np.flatnonzero(~np.isin(found, (Reach.PRODUCED, Reach.OPEN, Reach.NOT_ASKED))).tolist()
    names = {theirs.id_to_piece(id) for id in np.flatnonzero(found == Reach.MERGES).tolist()}
    assert names == {"\ufffd\ufffd\ufffd", "（&±", "（≤±", "，×="}
    seen: set[int] = set()
    for id in never:
        for text in {theirs.id_to_piece(id), table.text[id] or ""}:
            for form in AROUND:
                seen.update(theirs.encode(form.format(text)))
    assert seen.isdisjoint(never)


@pytest.mark.parametrize("model", ["llama2", "gemma3"])
def test_characters_of_a_json_against_tokenizers(shared_file, shared_corpus, model):
    path = shared_file(f"tokenizers/{model}/tokenizer.json")
    hf = pytest.importorskip("tokenizers").Tokenizer.from_file(str(path))
    tok = Tokenizer.from_file(path)
    table = TokenTable.of(tok)
    added = {id: token.special for id, token in hf.get_added_tokens_decoder().items()}
    assert {id for id, special in added.items() if special} == set(table.ids(Kind.SPECIAL).tolist())
    for id in table.ids(Kind.NORMAL).tolist():
        assert table.data[id] == hf.id_to_token(id).replace("\u2581", " ").encode()
    found = reach(tok, table)
    of = {reach: np.flatnonzero(found == reach).tolist() for reach in Reach}
    # Bytes of no text, characters that are in the vocabulary, the blank, and words whose parts go elsewhere.
    sizes = {reach: len(ids) for reach, ids in of.items() if ids and reach != Reach.PRODUCED}
    assert sizes == {
        Reach.NOT_TEXT: 13,
        Reach.REWRITTEN: 1,
        Reach.NOT_ASKED: len(of[Reach.NOT_ASKED]),
        **({Reach.UNUSED: 96} if model == "llama2" else {Reach.UNUSED: 111, Reach.MERGES: 4}),
    }
    assert table.data[of[Reach.REWRITTEN][0]] == b" "
    never = {id for reach in (Reach.MERGES, Reach.REWRITTEN, Reach.UNUSED) for id in of[reach]}
    texts = [form.format(text) for id in sorted(never) if (text := table.text[id]) for form in AROUND]
    texts += shared_corpus("zh", 1 << 18).read_text(encoding="utf-8").splitlines()
    ids = [id for id in random.Random(0).sample(range(table.size), 3000) if table.kinds[id] == Kind.NORMAL]
    own = [table.text[id] or "" for id in ids]
    seen = [row.ids for row in hf.encode_batch(texts + own, add_special_tokens=False)]
    assert never.isdisjoint(id for row in seen for id in row)
    assert (found[sorted({id for row in seen for id in row})] == Reach.PRODUCED).all()


def test_a_trained_tokenizer_wastes_nothing():
    tok = bpetk.train_from_iterator(["the cat sat on the mat 中文字符 12345"] * 3, vocab_size=275)
    names = {Reach(r).name for r in reach(*_with_table(tok))}
    assert names == {"PRODUCED", "NOT_TEXT"}
