"""Files of models over characters: what the native reader accepts it reads as the reader in Python does."""

from __future__ import annotations

import json
import pickle
import random
from itertools import pairwise
from typing import Any

import pytest
import shared_data
from character_models import random_file, random_text
from hypothesis import given
from hypothesis import strategies as st

from bpetk import Tokenizer
from bpetk.character_model import CharacterModel, PackedVocabulary
from bpetk.errors import BpetkError, ModelFileError
from bpetk.interop.fast_json import read_fast
from bpetk.interop.huggingface import from_tokenizer_json

SEEDS = st.integers(0, 2**32)


def read_alike(file: Any) -> bool:
    """Compare the readers, if the native one accepts the file; say whether it does."""
    data = json.dumps(file).encode()
    fast = read_fast(data)
    if fast is None:
        return False
    slow = from_tokenizer_json(json.loads(data))
    a, b = fast.model, slow.model
    assert isinstance(a, CharacterModel) and isinstance(b, CharacterModel)
    assert isinstance(a.vocabulary, PackedVocabulary)
    # First what does not need the dictionary.
    assert (a.n_vocab, a.vocab_size, a.unk_id, a.byte_tokens) == (
        b.n_vocab,
        b.vocab_size,
        b.unk_id,
        b.byte_tokens,
    )
    assert (a.added_tokens, a.special_tokens) == (b.added_tokens, b.special_tokens)
    assert [bytes(a.packed_texts[0]), *a.packed_texts[1]] == [b.packed_texts[0], *b.packed_texts[1]]
    assert "ids" not in vars(a.vocabulary)
    assert a == b and hash(a) == hash(b) and fast.sections == slow.sections
    assert list(a.strings.items()) == list(b.strings.items())
    assert a.texts == b.texts and a.merges == b.merges and pickle.loads(pickle.dumps(a)) == b
    return True


def plain_file(rng: random.Random) -> Any:
    """Make a random file of the kind that the native reader takes."""
    while True:
        file = random_file(rng)
        model = file["model"]
        if not model.get("continuing_subword_prefix") and not model.get("end_of_word_suffix"):
            return file


@given(SEEDS)
def test_random_files(seed: int) -> None:
    file = plain_file(random.Random(seed))
    try:
        from_tokenizer_json(json.loads(json.dumps(file)))
    except ModelFileError:
        assert read_fast(json.dumps(file).encode()) is None
    else:
        ids = file["model"]["vocab"].values()
        assert read_alike(file) or len(set(ids)) <= max(ids)


@given(SEEDS)
def test_files_with_one_thing_changed(seed: int) -> None:
    rng = random.Random(seed)
    file = plain_file(rng)
    model, added = file["model"], file["added_tokens"]
    kind = rng.randrange(6)
    texts = [*model["vocab"]]
    if kind == 0:  # gaps between ids, and ids of added tokens in them
        model["vocab"] = dict(zip(texts, sorted(rng.sample(range(2 * len(texts)), len(texts))), strict=True))
    elif kind == 1:
        model["unk_token"] = rng.choice([*texts, "<none>", "\ud800", 5, None])
    elif kind == 2 and model["merges"]:
        model["merges"].append(rng.choice([[texts[0], texts[-1]], [texts[0]], rng.choice(model["merges"])]))
    elif kind == 3 and added:
        rng.choice(added)["content"] = rng.choice(texts)
    elif kind == 4:
        model[rng.choice(["fuse_unk", "byte_fallback", "ignore_merges"])] = rng.choice([True, False, None, 1])
    elif kind == 5:
        rng.shuffle(texts)
        model["vocab"] = {text: model["vocab"][text] for text in texts}
    try:
        from_tokenizer_json(json.loads(json.dumps(file)))
    except ModelFileError:
        assert read_fast(json.dumps(file).encode()) is None
    else:
        read_alike(file)


@pytest.mark.parametrize("name", ["llama2", "envit5-spm-bpe", pytest.param("gemma3", marks=pytest.mark.slow)])
def test_real_files_are_read_natively(name: str) -> None:
    data = shared_data.shared_file(f"tokenizers/{name}/tokenizer.json").read_bytes()
    assert read_alike(json.loads(data))


@given(SEEDS)
def test_short_documents_together_are_as_each_alone(seed: int) -> None:
    rng = random.Random(seed)
    try:
        tokenizer = Tokenizer(from_tokenizer_json(random_file(rng)))
    except ModelFileError:
        return
    options: dict[str, Any] = rng.choice([{"allowed_special": "all"}, {"disallowed_special": ()}])
    texts: list[Any] = [random_text(rng) if rng.random() < 0.9 else "" for _ in range(rng.randint(2, 40))]
    if rng.random() < 0.5:
        texts = [text.encode() if rng.random() < 0.5 else text for text in texts]
    alone = [tokenizer.encode(text, **options) for text in texts]
    assert tokenizer.encode_batch(texts, threads=1, **options) == alone
    assert list(tokenizer.count_batch(texts, threads=1, **options)) == list(map(len, alone))


@pytest.mark.parametrize("name", ["llama2", "mistral-7b-v0.3"])
def test_short_documents_of_a_corpus_together(name: str) -> None:
    tokenizer = Tokenizer.from_file(shared_data.shared_file(f"tokenizers/{name}/tokenizer.json"))
    text = shared_data.shared_corpus("mixed", 200_000).read_bytes().decode()
    rng = random.Random(5)
    places = sorted(rng.sample(range(len(text)), 3000))
    texts = [text[i:j] for i, j in pairwise([0, *places, len(text)])]
    for k in rng.sample(range(len(texts)), 40):
        texts[k] += rng.choice(["<s>", "", " ", "\u2581", "</s> "])
    alone = [tokenizer.encode(part, allowed_special="all") for part in texts]
    assert tokenizer.encode_batch(texts, threads=1, allowed_special="all") == alone
    assert list(tokenizer.count_batch(texts, threads=1, allowed_special="all")) == list(map(len, alone))


def test_a_bad_document_among_others_is_refused() -> None:
    tokenizer = Tokenizer.from_file(shared_data.shared_file("tokenizers/llama2/tokenizer.json"))
    for bad in ("a\ud800", b"a\xff", "<s>"):
        with pytest.raises((BpetkError, ValueError)) as alone:
            tokenizer.encode(bad)
        with pytest.raises(type(alone.value)) as together:
            tokenizer.encode_batch(["a b", "", "c", bad, "d"], threads=1)
        assert str(together.value) == str(alone.value)
