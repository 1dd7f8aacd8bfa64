"""Models of SentencePiece as ``tokenizer.json``: the ids that `tokenizers` gives are those of the model."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import sp_library
import sp_models
import sp_zoo
from hypothesis import given
from hypothesis import strategies as st

from bpetk.convert import convert
from bpetk.errors import DifferentIdsError, ModelFileError
from bpetk.interop.sentencepiece_model import ModelFile, NormalizerSpec, Piece, PieceType
from bpetk.sp_map_rules import rules
from bpetk.sp_merge_list import merge_list
from bpetk.sp_to_hf import to_hf
from bpetk.sp_tokenizer import SentencePieceTokenizer

tokenizers = pytest.importorskip("tokenizers")
GetFile = Callable[[str], Path]
UNK = Piece("<unk>", 0.0, PieceType.UNKNOWN)
BLANK = "\u2581"


def load(form: Any) -> Any:
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(form.tokenizer))
    tokenizer.encode_special_tokens = True
    return tokenizer


def differs(model: ModelFile, other: Any, texts: Sequence[str]) -> str | None:
    """Find a text with other ids."""
    ids = SentencePieceTokenizer(model).encode_batch(texts)
    return next((text for text, a in zip(texts, ids, strict=True) if other.encode(text).ids != a), None)


def spell(texts: Sequence[str]) -> list[str]:
    return [text.replace(BLANK, " ") for text in texts]


def tied_model(rng: random.Random) -> ModelFile:
    """Give a model many of whose pieces have the same score; all its characters are pieces."""
    letters = rng.sample(["a", "b", "c", BLANK, "é", "中"], rng.randint(1, 4))
    texts = list(letters)
    for _ in range(rng.randint(1, 25)):
        texts.append("".join(rng.choices(texts, k=rng.choice((2, 2, 2, 3)))))
    texts = [text for text in dict.fromkeys(texts) if len(text) < 20]
    levels, trained = rng.choice((1, 2, 3, 6, 20)), rng.random() < 0.5
    scores = [
        -float(i * levels // len(texts) if trained else rng.randrange(levels)) for i in range(len(texts))
    ]
    pieces = [UNK, *map(Piece, texts, scores)]
    spec = NormalizerSpec("identity", b"", rng.random() < 0.5, rng.random() < 0.3)
    return ModelFile(pieces, {"model_type": 2}, spec)


def texts_of(rng: random.Random, model: ModelFile) -> list[str]:
    texts = [piece.text for piece in model.pieces[1:]]
    letters = [text for text in texts if len(text) == 1]
    found = ["".join(rng.choices(letters, k=rng.randint(1, 40))) for _ in range(40)]
    return spell([*found, *("".join(rng.choices(texts, k=rng.randint(1, 6))) for _ in range(20))])


@given(st.integers(0, 2**32))
def test_pieces_with_equal_scores_give_a_right_order_or_texts_to_compare(seed: int) -> None:
    rng = random.Random(seed)
    model = tied_model(rng)
    form = to_hf(model)
    if not form.rivals:
        assert differs(model, load(form), texts_of(rng, model)) is None


def test_texts_to_compare_are_rarely_needed_and_mostly_tell() -> None:
    right = caught = missed = 0
    for seed in range(150):
        rng = random.Random(seed)
        model = tied_model(rng)
        form = to_hf(model)
        if not form.rivals:
            right += 1
            continue
        other = load(form)
        if differs(model, other, texts_of(rng, model)) is not None:
            made = spell([*form.rivals, *map("".join, product(form.rivals[:50], repeat=2))])
            told = differs(model, other, made) is not None
            caught, missed = caught + told, missed + (not told)
    assert right > 70 and caught > 10 and missed <= 1


@given(st.integers(0, 2**32))
def test_models_of_all_kinds_are_equal_or_refused(seed: int) -> None:
    rng = random.Random(seed)
    model = sp_models.random_model(rng)
    with suppress(ModelFileError):
        form = to_hf(model)
        texts = [sp_models.random_text(rng, model).decode("utf-8", "ignore") for _ in range(20)]
        found = differs(model, load(form), texts)
        assert found is None or form.rivals


def pieces_of(*texts: str, type: PieceType = PieceType.NORMAL) -> list[Piece]:
    return [Piece(text, -float(id), type) for id, text in enumerate(texts)]


USED = [
    *pieces_of("[I]", "[I", "ab", "12", type=PieceType.USER_DEFINED),
    *pieces_of("bc", BLANK + "a", BLANK, *"abc[]I<s>0x412"),
]


@pytest.mark.parametrize("dummy", [False, True])
@pytest.mark.parametrize("byte_fallback", [False, True])
def test_user_defined_pieces(dummy: bool, byte_fallback: bool) -> None:
    more = sp_models.BYTES if byte_fallback else []
    pieces = [UNK, Piece("<s>", 0.0, PieceType.CONTROL), *more, *USED]
    trainer = {"model_type": 2, "byte_fallback": byte_fallback}
    model = ModelFile(pieces, trainer, NormalizerSpec("identity", b"", dummy, False))
    other = load(to_hf(model))
    parts = ["[I]", "[I", "ab", "<s>", "<0x41>", "<unk>", "bc", " ", "a", "x", "é", "12", "1"]
    assert differs(model, other, ["", *map("".join, product(parts, repeat=3))]) is None
    assert other.encode("[I]<s>[I]").tokens[1:][-2:] == [">", "[I]"]


@pytest.mark.parametrize(
    ("changes", "pieces", "reason"),
    [
        ({"escape_whitespaces": False}, [], "escape_whitespaces is false"),
        ({}, [Piece("x", 0.0, PieceType.UNUSED)], "id 3, 'x', is unused"),
        ({}, [Piece("ab", 0.0, PieceType.UNUSED)], "id 3, 'ab', is unused"),
        ({}, [Piece("x", 0.0, PieceType.CONTROL)], "id 3, 'x', is control"),
        ({}, [Piece("a b", 0.0, PieceType.USER_DEFINED)], "is user-defined and keeps its blanks"),
        (
            {},
            [Piece("ax", 0.0)],
            "'ax' is piece 3, which is put together from 'a' and 'x', but 'x' is no piece",
        ),
    ],
)
def test_what_tokenizers_cannot_do_is_refused(
    changes: dict[str, Any], pieces: list[Piece], reason: str
) -> None:
    spec = replace(NormalizerSpec("identity", b""), **changes)
    with pytest.raises(ModelFileError, match=f"^tokenizer.json cannot hold this model: .*{reason}"):
        to_hf(ModelFile([UNK, *pieces_of("a", "b"), *pieces], {"model_type": 2}, spec))


def test_suffixes_and_rules_before_and_after_are_refused() -> None:
    pieces = [UNK, *pieces_of("a", BLANK)]
    suffix = ModelFile(
        pieces, {"model_type": 2, "treat_whitespace_as_suffix": True}, NormalizerSpec("identity", b"")
    )
    with pytest.raises(ModelFileError, match="treat_whitespace_as_suffix"):
        to_hf(suffix)
    blob = sp_models_map()
    after = ModelFile(pieces, {"model_type": 2}, NormalizerSpec("identity", b""), NormalizerSpec("x", blob))
    with pytest.raises(ModelFileError, match="denormalizer_spec"):
        to_hf(after)
    symbol = Piece("<x>", 0.0, PieceType.USER_DEFINED)
    with pytest.raises(ModelFileError, match=r"the normalization rules 'x' do not change .* '<x>' \(id 3\)"):
        to_hf(ModelFile([*pieces, symbol], {"model_type": 2}, NormalizerSpec("x", blob)))


def sp_models_map() -> bytes:
    return sp_library.make_map({b"x": b"a", "é".encode(): b"e", b"ab": b"b"})


def test_rules_are_listed_and_shown_to_differ(tmp_path: Path) -> None:
    blob = sp_models_map()
    assert sorted(rules(blob)) == ["ab", "x", "é"]
    pieces = [UNK, *pieces_of(*"abe", BLANK)]
    model = SentencePieceTokenizer(ModelFile(pieces, {"model_type": 2}, NormalizerSpec("x", blob)))
    with pytest.raises(DifferentIdsError, match="the converted tokenizer gives other ids"):
        convert(model, tmp_path / "out", to="hf")
    assert list(tmp_path.iterdir()) == []


def test_a_piece_has_one_merge() -> None:
    pieces = pieces_of("ab", "abc", "bc", "cd", "a", "b", "c", "d")
    found = merge_list(pieces, range(8), ())
    assert [merge[2:] for merge in found.merges] == [("a", "b"), ("ab", "c"), ("b", "c"), ("c", "d")]
    assert (found.dead, found.rivals) == ([], [])
    assert merge_list(pieces, range(8), ["b"]).dead == [0, 1, 2]


EXACT = [
    "llama2/tokenizer.model",
    "chatglm2-chatglm3/tokenizer.model",
    "telechat-52b/tokenizer.model",
    "chinese-llama-compatible/tokenizer.model",
    "mistral-spm/mistral_instruct_tokenizer_240323.model.v3",
    "internlm1/V7_sft.model",
]


@pytest.mark.parametrize("path", [*EXACT[:1], *(pytest.param(p, marks=pytest.mark.slow) for p in EXACT[1:])])
def test_real_models(
    path: str, tmp_path: Path, shared_file: GetFile, shared_corpus: Callable[..., Path]
) -> None:
    probes = [shared_corpus(name, 200_000) for name in ("zh", "en", "mixed", "multi", "code")]
    done = convert(shared_file(f"tokenizers/{path}"), tmp_path / "out", to="hf", probes=probes)
    assert sorted(file.name for file in done.files) == ["tokenizer.json", "tokenizer_config.json"]
    assert "tokenizers" in done.compared[-1] and done.tokens > 300_000
    few = ("mistral", "internlm")
    assert any("equal scores" in note for note in done.notes) == path.startswith(few)
    assert not any("decode to" in note for note in done.notes)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (
            "hf-fixture-spm-bpe/test_sentencepiece_bpe.model",
            "gives other ids .*in texts of the normalization",
        ),
        ("jlab-amr-spm/sentencepiece.bpe.model", "gives other ids .*in the built-in text"),
        ("baichuan2/tokenizer.model", "is no piece, and only tokens can be merged"),
    ],
)
def test_real_models_that_have_no_such_form(
    path: str, reason: str, tmp_path: Path, shared_file: GetFile
) -> None:
    with pytest.raises(ModelFileError, match=reason):
        convert(shared_file(f"tokenizers/{path}"), tmp_path / "out", to="hf")
    assert list(tmp_path.iterdir()) == []
    assert path in {model.path for model in sp_zoo.BPE}


def test_transformers_loads_the_folder(tmp_path: Path, shared_file: GetFile) -> None:
    transformers = pytest.importorskip("transformers")
    convert(shared_file("tokenizers/llama2/tokenizer.model"), tmp_path / "out", to="hf")
    tok = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    text = "Hello  wörld 你好\n\tx"
    ours = SentencePieceTokenizer.from_bytes(shared_file("tokenizers/llama2/tokenizer.model").read_bytes())
    assert tok.encode(text, add_special_tokens=False) == ours.encode(text)
    assert tok.decode(ours.encode(text)) == text
    assert (tok.bos_token_id, tok.eos_token_id, tok.unk_token_id, len(tok)) == (1, 2, 0, 32_000)
    assert tok.encode("<s>a", add_special_tokens=False)[0] == 1
    split = tok.encode("<s>a", add_special_tokens=False, split_special_tokens=True)
    assert split == ours.encode("<s>a")


def test_long_runs_and_pieces_with_one_score_take_no_long_time() -> None:
    letters = [chr(0x4E00 + i) for i in range(150)]
    texts = [*letters, *map("".join, product(letters, repeat=2)), BLANK, "a"]
    pieces = [UNK, *(Piece(text, -1.0) for text in texts)]
    form = to_hf(ModelFile(pieces, {"model_type": 2}, NormalizerSpec("identity", b"", True, True)))
    assert len(form.rivals) == 20_000 and len(form.tokenizer["model"]["merges"]) == 150**2
    model = ModelFile(
        [UNK, *pieces_of(BLANK * 2, BLANK, "a")], {"model_type": 2}, NormalizerSpec("identity", b"")
    )
    runs = [BLANK * 200_000 + "a", " " * 200_000 + "a", "a" + BLANK * 200_000, "a" * 200_000]
    assert differs(model, load(to_hf(model)), runs) is None
