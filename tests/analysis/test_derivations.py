"""What each step of a vocabulary saves: by hand, by really cutting the vocabulary, and with other libraries."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_zoo import CL100K
from shared_data import PROJECT

import bpetk
from bpetk import Tokenizer
from bpetk.analysis.derivations import derivations_of
from bpetk.errors import ConfigError, VocabularySizeWarning
from bpetk.interop.sentencepiece_model import ModelFile, NormalizerSpec, Piece, PieceType, write_model
from bpetk.sp_tokenizer import SentencePieceTokenizer


def histogram(tokenizer, documents):
    rows = tokenizer.encode_batch(documents, threads=1, disallowed_special=())
    ids = [id for row in rows for id in row]
    return np.bincount(np.asarray(ids, dtype=np.int64), minlength=tokenizer.n_vocab)[None, :]


def tokens_by_size(tokenizer, documents):
    """Give the number of tokens for every size, from one encoding."""
    steps = derivations_of(tokenizer)
    base, saved = steps.savings(histogram(tokenizer, documents))
    tokens = base[0] - np.concatenate([[0], np.cumsum(saved[0])])
    return dict(zip(steps.sizes.tolist(), tokens.tolist(), strict=True))


def count(tokenizer, documents):
    return sum(tokenizer.count_batch(documents, threads=1, disallowed_special=()))


def cut_merges(tokenizer, size):
    """Really take the last merges away, and what they make."""
    model = tokenizer.model
    kept = len(model.new) - (model.vocab_size - size)
    short = replace(
        model, left=model.left[:kept], right=model.right[:kept], new=model.new[:kept], counts=None
    )
    return Tokenizer(replace(tokenizer.definition, model=short, encoder=None))


def rank_file(path, tokens):
    path.write_bytes(b"".join(b"%s %d\n" % (base64.b64encode(t), rank) for rank, t in enumerate(tokens)))
    return Tokenizer.from_file(path, format="tiktoken", scheme="cl100k_tiktoken")


def piece_model(pieces, **fields):
    rows = [Piece("<unk>", 0.0, PieceType.UNKNOWN), Piece("<s>", 0.0, PieceType.CONTROL)]
    rows += [piece if isinstance(piece, Piece) else Piece(*piece) for piece in pieces]
    return ModelFile(rows, {"model_type": 2, **fields}, NormalizerSpec("identity", b""))


def cut_pieces(tokenizer, size):
    """Take pieces of several characters away, lowest score first, until so many are left."""
    model = tokenizer.model
    long = [i for i, p in enumerate(model.pieces) if p.type == PieceType.NORMAL and len(p.text) > 1]
    long.sort(key=lambda i: (-model.pieces[i].score, i))
    gone = set(long[len(long) - (len(model.pieces) - size) :])
    return replace(model, pieces=tuple(p for i, p in enumerate(model.pieces) if i not in gone))


# --- by hand ----------------------------------------------------------------------------------------------------------


def test_savings_by_hand():
    tok = bpetk.train_from_iterator(["ab ab abab cd"], 260, scheme="gpt2")
    assert tok.merges == [(b"a", b"b"), (b" ", b"ab"), (b"c", b"d"), (b" ", b"cd")]
    # Three words of 4 + 3 + 3 bytes; three times ab, once each of the others.
    assert tokens_by_size(tok, ["abab ab cd"]) == {256: 10, 257: 7, 258: 6, 259: 5, 260: 4}


def test_a_token_that_is_only_found_whole(tmp_path):
    # "abcd" is a token, but merging gives "ab", so there is no "bc", and nothing makes it of ab + c + d.
    tokens = [bytes([b]) for b in range(256)] + [b"ab", b"bc", b"bcd", b"abcd", b"dx"]
    tok = rank_file(tmp_path / "x.tiktoken", tokens)
    assert tok.encode("abcd") == [259]
    # Before the token's step: ab, c, d; after it one. In the word "abcdx" d and x meet at the last step.
    found = tokens_by_size(tok, ["abcd", "abcdx", "abcd"])
    assert found == {256: 13, 257: 10, 258: 10, 259: 10, 260: 6, 261: 5}
    for size, number in found.items():
        assert (
            count(rank_file(tmp_path / "short.tiktoken", tokens[:size]), ["abcd", "abcdx", "abcd"]) == number
        )


def test_a_whole_token_that_later_merges_would_make_is_refused(tmp_path):
    tokens = [bytes([b]) for b in range(256)] + [b"ab", b"abcd", b"cd"]
    with pytest.raises(ConfigError, match=r'"abcd" \(id 257\) is made of "cd" \(id 258\), which comes later'):
        tokens_by_size(rank_file(tmp_path / "x.tiktoken", tokens), ["abcd"])


def test_merges_out_of_order():
    tok = bpetk.train_from_iterator(["abc abc abc"], 258, scheme="gpt2")
    assert tok.merges == [(b"a", b"b"), (b"ab", b"c")]
    model = tok.model
    turned = replace(model, left=model.left[::-1], right=model.right[::-1], new=model.new[::-1], counts=None)
    # abc stands first in the list, and is made when ab is there.
    read = Tokenizer(replace(tok.definition, model=turned))
    assert tokens_by_size(read, ["abc", "ab"]) == {256: 5, 257: 5, 258: 2}
    whole = Tokenizer(replace(tok.definition, model=replace(turned, ignore_merges=True)))
    with pytest.raises(ConfigError, match=r'"abc" \(id 257\) is made of "ab" \(id 256\), which comes later'):
        tokens_by_size(whole, ["abc"])
    assert tokens_by_size(whole, ["ab"])[258] == 1  # nothing that this text uses is out of order


def test_tokens_whose_merges_interleave_are_one_step():
    tok = bpetk.train_from_iterator(["abc abc abc"], 258, scheme="gpt2")
    model = tok.model
    ab, abc = model.new
    a, b, c = (model.byte_ids[byte] for byte in b"abc")
    bc = model.n_vocab
    twice = replace(model, left=[b, a, a, ab], right=[c, bc, b, c], new=[bc, abc, ab, abc], counts=None)
    tok = Tokenizer(replace(tok.definition, model=twice))
    # bc comes first, then abc of a + bc; ab and abc of ab + c stand after that, so ab and abc are one step.
    assert tokens_by_size(tok, ["abc", "ab", "bcab"]) == {256: 9, 257: 7, 259: 4}
    assert count(tok, ["abc", "ab", "bcab"]) == 4


def test_pieces_by_hand():
    rows = [("ab", -0.0), ("cd", -1.0), ("abcd", -2.0), ("x", -3.0)]
    rows += [(char, -4.0) for char in "abcd\u2581"]
    tok = SentencePieceTokenizer(piece_model(rows, byte_fallback=False))
    # ▁ abcd x: 6 characters.
    assert tokens_by_size(tok, ["abcdx"]) == {8: 6, 9: 5, 10: 4, 11: 3}


def test_pieces_of_one_score_are_one_step():
    rows = [("ab", -1.0), ("bc", -1.0), ("abc", -2.0), *((char, -4.0) for char in "abc\u2581")]
    tok = SentencePieceTokenizer(piece_model(rows))
    assert tokens_by_size(tok, ["abc bc"]) == {6: 7, 8: 5, 9: 4}


def test_pieces_without_a_curve():
    chars = [(char, -9.0) for char in "abc\u2581"]
    unused = piece_model([Piece("ab", -1.0, PieceType.UNUSED), *chars])
    with pytest.raises(ConfigError, match="'ab' is marked as unused"):
        derivations_of(SentencePieceTokenizer(unused))
    absent = SentencePieceTokenizer(piece_model([("az", -1.0), *chars]))
    with pytest.raises(ConfigError, match="'z', of which its piece 'az'"):
        tokens_by_size(absent, ["az"])


def test_pieces_whose_parts_come_later():
    rows = [("abc", -1.0), ("ab", -2.0), *((char, -9.0) for char in "abc\u2581")]
    assert tokens_by_size(SentencePieceTokenizer(piece_model(rows)), ["abc"]) == {6: 4, 7: 4, 8: 2}


def test_what_is_no_tokenizer_of_these():
    with pytest.raises(ConfigError, match="a curve needs a list of merges"):
        derivations_of(object())


# --- really cut, really trained ---------------------------------------------------------------------------------------

words = st.lists(st.text("ab c界\u754d", min_size=1, max_size=12), min_size=1, max_size=6)


@settings(max_examples=40)
@given(words, words)
def test_every_size_of_a_random_vocabulary(learnt, read):
    with pytest.warns(VocabularySizeWarning):
        tok = bpetk.train_from_iterator(learnt, 1000, scheme="gpt2", special_tokens=["<s>"])
    found = tokens_by_size(tok, read)
    assert list(found) == list(range(257, tok.vocab_size + 1))
    for size, tokens in found.items():
        assert count(cut_merges(tok, size), read) == tokens


@settings(max_examples=40)
@given(
    st.lists(st.text("abc", min_size=2, max_size=5), min_size=1, max_size=12, unique=True),
    st.lists(st.text("abc d", max_size=12), min_size=1, max_size=5),
)
def test_every_size_of_random_pieces(texts, read):
    rows = [(text, -float(i // 2)) for i, text in enumerate(texts)]
    tok = SentencePieceTokenizer(piece_model([*rows, *((c, -99.0) for c in "abc\u2581")]))
    for size, tokens in tokens_by_size(tok, read).items():
        assert count(SentencePieceTokenizer(cut_pieces(tok, size)), read) == tokens


@settings(max_examples=40)
@given(
    st.lists(st.text("abc", min_size=2, max_size=5), min_size=1, max_size=12, unique=True),
    st.lists(st.text("abc ", max_size=12), min_size=1, max_size=5),
)
def test_every_size_of_random_ranks(tmp_path_factory, texts, read):
    folder = tmp_path_factory.mktemp("ranks")
    tokens = [bytes([b]) for b in range(256)] + [t.encode() for t in sorted(texts, key=len)]
    found = tokens_by_size(rank_file(folder / "whole.tiktoken", tokens), read)
    assert list(found) == list(range(256, len(tokens) + 1))
    for size, number in found.items():
        assert count(rank_file(folder / "short.tiktoken", tokens[:size]), read) == number


def listed(base, merges, tokens, *, whole):
    """Make a byte-level model of merges, given as pairs of texts; those whose parts nothing makes are left out."""
    model, made = base.model, {*"abc"}
    while len(made) < len(made := made | {x + y for x, y in merges if {x, y} <= made}):
        pass
    merges = [pair for pair in merges if made.issuperset(pair)]
    ids = {token: model.byte_ids[ord(token)] for token in "abc"}
    ids |= {token: 256 + at for at, token in enumerate(tokens)}
    rows = [(ids[x], ids[y], ids[x + y]) for x, y in merges]
    left, right, new = ([row[k] for row in rows] for k in range(3))
    short = replace(model, left=left, right=right, new=new, counts=None, ignore_merges=whole)
    return Tokenizer(replace(base.definition, model=short))


@settings(max_examples=80)
@given(
    st.lists(st.text("abc", min_size=2, max_size=4), min_size=1, max_size=10, unique=True),
    st.lists(st.text("abc ", max_size=10), min_size=1, max_size=5),
    st.booleans(),
    st.randoms(use_true_random=False),
    st.booleans(),
)
def test_every_size_of_random_lists(texts, read, whole, random, mixed):
    tokens = sorted(texts, key=len)
    known = {*tokens, *"abc"}
    merges = [(t[:k], t[k:]) for t in tokens for k in range(1, len(t)) if {t[:k], t[k:]} <= known]
    if mixed:  # merges of several tokens interleave, and parts come later than tokens
        merges.sort(key=lambda pair: len("".join(pair)) + random.random() * 4)
    base = bpetk.train_from_iterator(["abc"], 256, scheme="gpt2")
    tok = listed(base, merges, tokens, whole=whole)
    steps = derivations_of(tok)
    try:
        found = tokens_by_size(tok, read)
    except ConfigError as error:
        assert whole and "comes later" in str(error)  # noqa: PT017 - whether there is an error depends on the example
        return
    for first, number in zip([*steps._first, len(merges)], found.values(), strict=True):
        assert count(listed(base, merges[:first], tokens, whole=whole), read) == number


def own(name, size=None):
    """Give lines of a corpus of this project."""
    return (PROJECT / "corpora" / f"{name}.txt").read_text(encoding="utf-8")[:size].splitlines()


@pytest.mark.parametrize(("name", "scheme"), [("zh", "o200k"), ("en", "gpt2")])
def test_sizes_really_trained(name, scheme):
    read = own("zh", 20_000) + own("en", 20_000)
    options = {"scheme": scheme, "special_tokens": ["<a>", "<b>"]}
    tok = bpetk.train(PROJECT / "corpora" / f"{name}.txt", 3000, **options)
    found = tokens_by_size(tok, read)
    assert found[258] == sum(len(line.encode()) for line in read)
    for size in (259, 300, 1111, 2000, 2999):
        assert count(bpetk.train(PROJECT / "corpora" / f"{name}.txt", size, **options), read) == found[size]


def test_sizes_really_trained_as_sentencepiece():
    read = own("zh", 20_000) + own("en", 10_000)
    options = {"algorithm": "sentencepiece-bpe", "normalization_rule_name": "identity", "byte_fallback": True}

    def trained(size):
        model = bpetk.train(PROJECT / "corpora" / "zh.txt", size, **options)
        return SentencePieceTokenizer.from_bytes(model.to_bytes())

    found = tokens_by_size(trained(4000), read)
    for size in (3000, 3500, 3999):
        assert count(trained(size), read) == found[size]


# --- vocabularies of real models, cut, in other libraries -------------------------------------------------------------


@pytest.fixture(scope="module")
def read(shared_corpus):
    texts = [
        shared_corpus(name, 60_000).read_text(encoding="utf-8") for name in ("zh", "en", "mixed", "code")
    ]
    return [line for text in texts for line in text.splitlines()]


def test_ranks_in_tiktoken(shared_file, read):
    tiktoken = pytest.importorskip("tiktoken")
    file = shared_file("tokenizers/o200k_base/o200k_base.tiktoken")
    tok = Tokenizer.from_file(file, scheme="cl100k_tiktoken")
    found = tokens_by_size(tok, read)
    assert found[tok.vocab_size] == count(tok, read)
    for size in (1000, 50_000, 150_001):
        ranks = {token: id for token, id in tok.vocab.items() if id < size}
        short = tiktoken.Encoding("short", pat_str=CL100K, mergeable_ranks=ranks, special_tokens={})
        assert sum(len(short.encode_ordinary(text)) for text in read) == found[size]


@pytest.mark.parametrize("name", ["qwen3", "llama3"])
def test_merges_in_tokenizers(name, shared_file, read):
    hf = pytest.importorskip("tokenizers")
    file = shared_file(f"tokenizers/{name}/tokenizer.json")
    tok = Tokenizer.from_file(file)
    found = tokens_by_size(tok, read)
    assert found[tok.vocab_size] == count(tok, read)
    content = json.loads(file.read_text(encoding="utf-8"))
    merges, vocab = content["model"]["merges"], content["model"]["vocab"]
    ids = list(map(max, tok.model.left, tok.model.right, tok.model.new))
    for size in (2_000, 60_000):
        below = max(tok.model.new) + 1 - (tok.vocab_size - size)  # the last ids that merges make are gone
        content["model"]["merges"] = [pair for pair, id in zip(merges, ids, strict=True) if id < below]
        content["model"]["vocab"] = {text: id for text, id in vocab.items() if id < below}
        content["added_tokens"] = []
        content["post_processor"] = None
        short = hf.Tokenizer.from_str(json.dumps(content))
        rows = short.encode_batch_fast(read, add_special_tokens=False)
        assert sum(map(len, rows)) == found[size]


@pytest.mark.parametrize("name", ["llama2", "gemma3"])
def test_merges_of_characters_in_tokenizers(name, shared_file, read):
    pytest.importorskip("bpetk.character_model", reason="files of this kind cannot be read yet")
    hf = pytest.importorskip("tokenizers")
    file = shared_file(f"tokenizers/{name}/tokenizer.json")
    tok = Tokenizer.from_file(file)
    found, step = tokens_by_size(tok, read), derivations_of(tok).step
    assert found[tok.vocab_size] == count(tok, read)
    content = json.loads(file.read_text(encoding="utf-8"))
    rows = list(zip(content["model"]["merges"], tok.model.left, tok.model.right, tok.model.new, strict=True))
    for at in (len(found) // 4, len(found) * 4 // 5):
        # The tokens stay in the vocabulary; without their merges nothing makes them.
        gone = set(np.flatnonzero(step >= at).tolist())
        content["model"]["merges"] = [pair for pair, *ids in rows if not gone.intersection(ids)]
        short = hf.Tokenizer.from_str(json.dumps(content))
        tokens = sum(map(len, short.encode_batch_fast(read, add_special_tokens=False)))
        assert tokens == list(found.values())[at]


@pytest.mark.parametrize(
    "name",
    [
        "llama2/tokenizer.model",
        "chinese-llama-compatible/tokenizer.model",
        "telechat-52b/tokenizer.model",
        "internlm1/V7_sft.model",
        "baichuan2/tokenizer.model",
    ],
)
def test_pieces_in_sentencepiece(name, shared_file, read):
    sp = pytest.importorskip("sentencepiece")
    tok = Tokenizer.from_file(shared_file(f"tokenizers/{name}"))
    found = tokens_by_size(tok, read)
    assert found[tok.vocab_size] == count(tok, read)
    sizes = list(found)
    for at in (len(sizes) // 5, len(sizes) * 3 // 4):
        short = sp.SentencePieceProcessor(model_proto=write_model(cut_pieces(tok, sizes[at])))
        assert sum(map(len, short.encode(read, num_threads=1))) == found[sizes[at]]
