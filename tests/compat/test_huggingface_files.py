"""Files against the libraries that define them: `tokenizers` and `transformers`."""

from __future__ import annotations

import json
import random
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bpetk.alphabet import BYTE_TO_CHAR
from bpetk.errors import ModelFileError
from bpetk.interop.huggingface import from_tokenizer_json, to_tokenizer_json
from bpetk.interop.loading import load_definition
from bpetk.tokenizer import Tokenizer

hf = pytest.importorskip("tokenizers")
decoders, models, pre_tokenizers, trainers = hf.decoders, hf.models, hf.pre_tokenizers, hf.trainers

CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
SPACE = r"\s*[\r\n]+|\s+(?!\S)|\s+"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
SPLITS = {
    "cl100k": rf"{CONTRACTION}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}"
    rf"| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{SPACE}",
    "qwen2": rf"{CONTRACTION}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{SPACE}",
    "o200k": rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{CONTRACTION}?|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*"
    rf"{CONTRACTION}?|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{SPACE}",
    "cl100k_tiktoken": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|(?>\p{N}{1,3})"
    r"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++\z|\s*[\r\n]|\s+(?!\S)|\s",
    "custom": r"\p{Han}+|\p{L}+|\d{2}|\s+",
}
SCHEME_NAMES = ["gpt2", *SPLITS, "whitespace", "none"]
SPECIAL = ("<|endoftext|>", "<s>", "<pad>", "<｜用户｜>", 'quote " \\ and\ttab\x01\x7f\u2028')
TEXTS = [
    "The quick brown fox, it's 12345 times \"quick\"; THE END. Don't! naïve café\r\n",
    "你好，世界！你好，朋友。世界很大，世界很小；北京2024年。\n\n  漢字かな交じり文\n",
    "def f(x):\n    return x + 1  # comment\n\n\tif x:\n\t\tpass\n",
    "emoji 😀😀👩‍🔬 e\u0301e\u0301 \u00a0\u3000 ﬁ İſ ٣٤٥ ½ \x00\x7f\u2028 <s> <|endoftext|> end",
] * 3
PARTS = [
    *" \n\t\u00a0\u3000\x85\u20281٣½你漢々〇😀\u0301\ufe0fİ!_<\x00\x1f\x7f\ue000\U0001f9ff\U000e0100",
    *SPECIAL,
]
PARTS += [
    "the",
    "The",
    " quick",
    "it's",
    "IT'S",
    "'ſ",
    "  ",
    "\r\n",
    "22",
    "4444",
    "好，",
    "世界",
    "かな",
    "👩‍🔬",
]
PARTS += ["e\u0301", "//", "->", "<|endof", "text|>"]


def pre_tokenizer(scheme: str) -> Any:
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=scheme == "gpt2")
    if scheme in ("gpt2", "none"):
        return byte_level
    split: Any = pre_tokenizers.WhitespaceSplit()
    if scheme != "whitespace":
        split = pre_tokenizers.Split(hf.Regex(SPLITS[scheme]), "isolated")
    return pre_tokenizers.Sequence([split, byte_level])


@cache
def trained(
    scheme: str, special: tuple[str, ...] = SPECIAL, *, observed: bool = False, size: int = 420
) -> Any:
    tokenizer = hf.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer(scheme)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = [] if observed else pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(special), initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def loaded(reference: Any) -> Tokenizer:
    return Tokenizer(from_tokenizer_json(json.loads(reference.to_str())).model)


def random_text(rng: random.Random) -> str:
    if rng.random() < 0.2:
        chars = (
            rng.choice([rng.randrange(0xD800), rng.randrange(0xE000, 0x110000)])
            for _ in range(rng.randint(0, 12))
        )
        return "".join(map(chr, chars))
    return "".join(rng.choices(PARTS, k=rng.randint(0, 25)))


@pytest.mark.parametrize("scheme", SCHEME_NAMES)
def test_tokenizer_json_is_what_tokenizers_writes(scheme: str, tmp_path: Path) -> None:
    reference = trained(scheme)
    loaded(reference).save(tmp_path / "out")
    text = (tmp_path / "out" / "tokenizer.json").read_bytes().decode()
    assert text == reference.to_str(pretty=True)
    reference.save(str(tmp_path / "reference.json"))
    assert text == (tmp_path / "reference.json").read_bytes().decode()
    assert loaded(reference).scheme.name == scheme


@pytest.mark.parametrize(
    "special",
    [(), ("b", "ab", "é", "Ġ", "er"), ("ĠThe", "世界", "t", "世")],
    ids=["none", "shared", "shared and not"],
)
@pytest.mark.parametrize("observed", [False, True], ids=["bytes", "observed"])
def test_shared_special_tokens_and_observed_alphabet(special: tuple[str, ...], observed: bool) -> None:
    reference = trained("gpt2", special, observed=observed)
    tok = loaded(reference)
    assert json.dumps(to_tokenizer_json(tok.model), ensure_ascii=False, indent=2) == reference.to_str(
        pretty=True
    )
    assert tok.vocab_size == reference.get_vocab_size()
    assert tok.n_vocab == max(reference.get_vocab().values()) + 1
    for text in TEXTS[:4]:
        assert tok.encode(text, allowed_special="all") == reference.encode(text).ids


@pytest.mark.parametrize("scheme", SCHEME_NAMES)
def test_ids_and_text_equal_on_random_text(scheme: str, tmp_path: Path) -> None:
    tok = loaded(trained(scheme))
    tok.save(tmp_path / "out")
    reference = hf.Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json"))
    assert Tokenizer.from_file(tmp_path / "out") == tok
    rng = random.Random(scheme)
    for text in [*TEXTS[:4], "".join(TEXTS), *(random_text(rng) for _ in range(250))]:
        ids = tok.encode(text, allowed_special="all")
        assert ids == reference.encode(text).ids, text
        ordinary = tok.encode(text, disallowed_special=())
        assert tok.decode(ordinary) == reference.decode(ordinary, skip_special_tokens=False), text
        if tok.scheme.lossless:
            assert tok.decode(ids) == tok.decode(ordinary) == text


def test_decoding_half_characters_equals() -> None:
    reference = trained("gpt2")
    tok = loaded(reference)
    rng = random.Random(8)
    for _ in range(200):
        ids = rng.choices(range(len(SPECIAL), tok.n_vocab), k=rng.randint(0, 8))
        assert tok.decode(ids) == reference.decode(ids)


def test_vocab_json_and_merges_txt_are_what_tokenizers_writes(tmp_path: Path) -> None:
    reference = trained("gpt2")
    tok = loaded(reference)
    tok.save(tmp_path / "out")
    reference.model.save(str(tmp_path))
    for name in ("vocab.json", "merges.txt"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / name).read_bytes()
    model = models.BPE.from_file(str(tmp_path / "out" / "vocab.json"), str(tmp_path / "out" / "merges.txt"))
    again = hf.Tokenizer(model)
    again.pre_tokenizer = pre_tokenizer("gpt2")
    assert again.encode(TEXTS[0]).ids == tok.encode(TEXTS[0])


@pytest.mark.parametrize("scheme", sorted(set(SCHEME_NAMES) - {"gpt2"}))
def test_no_vocab_json_where_its_readers_would_split_otherwise(scheme: str, tmp_path: Path) -> None:
    loaded(trained(scheme)).save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "tokenizer.json",
        "tokenizer_config.json",
        "manifest.json",
    }


@pytest.mark.parametrize("scheme", ["gpt2", "cl100k", "custom"])
def test_auto_tokenizer_loads_the_directory(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    transformers = pytest.importorskip("transformers")
    tok = loaded(trained(scheme))
    roles = {"bos": "<s>", "eos": "<|endoftext|>", "pad": "<pad>"}
    tok.save(tmp_path / "out", roles=roles)
    auto = transformers.AutoTokenizer.from_pretrained(str(tmp_path / "out"))
    assert (auto.bos_token, auto.eos_token, auto.pad_token, auto.unk_token) == (
        "<s>",
        "<|endoftext|>",
        "<pad>",
        None,
    )
    assert (auto.bos_token_id, auto.eos_token_id, auto.pad_token_id) == (1, 0, 2)
    assert set(auto.all_special_tokens) == set(SPECIAL)
    assert len(auto) == tok.vocab_size
    assert auto.model_max_length > 10**20
    rng = random.Random(4)
    for text in [*TEXTS[:4], *(random_text(rng) for _ in range(60))]:
        ids = tok.encode(text, allowed_special="all")
        assert auto.encode(text, add_special_tokens=False) == ids == auto(text)["input_ids"], text
        assert auto.decode(ids) == tok.decode(ids) == text
    assert auto.decode([1, *tok.encode("hi , there ."), 0], skip_special_tokens=True) == "hi , there ."
    again = Tokenizer.from_file(tmp_path / "out")
    assert again.roles == roles
    # What transformers saves again has another post-processor, which adds nothing.
    auto.save_pretrained(str(tmp_path / "again"))
    saved = Tokenizer.from_file(tmp_path / "again")
    assert (saved.model, saved.roles) == (again.model, again.roles)


def test_reads_older_and_foreign_forms() -> None:
    reference = trained("gpt2")
    data = json.loads(reference.to_str())
    expected = from_tokenizer_json(data)
    data["model"]["merges"] = ["#version: 0.2", *(" ".join(pair) for pair in data["model"]["merges"])]
    del data["model"]["type"], data["version"], data["truncation"]
    for name in ("dropout", "byte_fallback", "ignore_merges", "end_of_word_suffix"):
        del data["model"][name]
    data["model"]["fuse_unk"] = None
    assert from_tokenizer_json(data) == expected


def test_reads_added_tokens_outside_the_vocabulary() -> None:
    reference = hf.Tokenizer.from_str(trained("qwen2", ()).to_str())
    reference.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    reference.add_tokens(
        [hf.AddedToken("<tool>", normalized=False), "quick", hf.AddedToken("quickest", normalized=False)]
    )
    tok = loaded(reference)
    assert json.dumps(to_tokenizer_json(tok.model), ensure_ascii=False, indent=2) == reference.to_str(
        pretty=True
    )
    text = "<|im_start|>the <tool>quick quickest quicker<|im_end|>"
    assert tok.encode(text, allowed_special="all") == reference.encode(text).ids
    assert tok.vocab_size == reference.get_vocab_size()


SPLIT, BYTE_LEVEL = (
    pre_tokenizers.Split,
    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
)
VOCAB, MERGES = {**{char: i for i, char in enumerate(BYTE_TO_CHAR)}, "ab": 256}, [("a", "b")]


def with_(name: str, value: Any) -> Any:
    tokenizer = hf.Tokenizer.from_str(trained("cl100k", ()).to_str())
    setattr(tokenizer, name, value)
    return tokenizer


def enabled(method: str, **options: Any) -> Any:
    tokenizer = hf.Tokenizer.from_str(trained("cl100k", ()).to_str())
    getattr(tokenizer, method)(**options)
    return tokenizer


def sequence(*steps: Any) -> Any:
    return with_("pre_tokenizer", pre_tokenizers.Sequence(list(steps)))


def model(merges: list[tuple[str, str]] = MERGES, more: dict[str, int] | None = None, **options: Any) -> Any:
    return with_("model", models.BPE({**VOCAB, **(more or {})}, merges, **options))


def kept() -> dict[str, Any]:
    """Tokenizers with settings that come back as they were."""
    normalizers, processors = hf.normalizers, hf.processors
    template = processors.TemplateProcessing(single="! $A", special_tokens=[("!", 0)])
    lstrip = hf.AddedToken("<m>", lstrip=True, single_word=True)
    return {
        "normalizer": with_("normalizer", normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])),
        "no decoder": with_("decoder", None),
        "decoder": with_("decoder", decoders.Metaspace()),
        "template": with_("post_processor", template),
        "roberta": with_("post_processor", processors.RobertaProcessing(("a", 1), ("b", 2))),
        "truncation": enabled("enable_truncation", max_length=8),
        "padding": enabled("enable_padding", length=5),
        "padding to the longest": enabled("enable_padding", direction="left", pad_to_multiple_of=8),
        "flags": enabled("add_tokens", tokens=[lstrip, hf.AddedToken("<n>", rstrip=True, normalized=False)]),
        "prefix space": with_("pre_tokenizer", pre_tokenizers.ByteLevel()),
        "three steps": sequence(pre_tokenizers.Digits(), pre_tokenizers.Punctuation(), BYTE_LEVEL),
        "removed": sequence(SPLIT(hf.Regex("a"), "removed"), BYTE_LEVEL),
        "inverted": sequence(SPLIT(hf.Regex("a"), "isolated", invert=True), BYTE_LEVEL),
        "literal": sequence(SPLIT("a", "isolated"), BYTE_LEVEL),
        "two regexes": sequence(pre_tokenizers.WhitespaceSplit(), pre_tokenizer("gpt2")),
        "unk": model(unk_token="a", fuse_unk=True),
        "unk without effect": model(unk_token=""),
        "ignore_merges": model(ignore_merges=True),
        "suffix": model(end_of_word_suffix="</w>"),
        "empty suffix and prefix": model(end_of_word_suffix="", continuing_subword_prefix=""),
        "no dropout": model(dropout=0.0),
        "unexplained token": model(more={"abc": 300, "a b": 400, "漢": 500}),
        "merge of unexplained tokens": model([("漢", "a"), ("a", "b")], {"漢": 500, "漢a": 501}),
        "merge used before it is made": model([("ab", "c"), ("a", "b")], {"abc": 257}),
        "empty token": model([("", "a"), ("a", ""), ("a", "b")], {"": 300}),
    }


@pytest.mark.parametrize("name", kept())
def test_settings_come_back_as_they_were(name: str) -> None:
    text = kept()[name].to_str(pretty=True)
    definition = from_tokenizer_json(json.loads(text))
    assert json.dumps(to_tokenizer_json(definition), ensure_ascii=False, indent=2) == text
    assert from_tokenizer_json(json.loads(text)) == definition
    vocab = json.loads(text)["model"]["vocab"]
    assert {text: id for id, text in definition.model.strings.items()} == vocab


def test_a_pair_listed_twice_has_its_last_rank() -> None:
    data = json.loads(model([("a", "b"), ("b", "a")], {"ba": 257}).to_str())
    data["model"]["merges"].append(["a", "b"])
    definition = from_tokenizer_json(data)
    assert definition.model.merges == [(b"b", b"a"), (b"a", b"b")]
    reference = hf.Tokenizer.from_str(json.dumps(data))
    assert json.dumps(to_tokenizer_json(definition), ensure_ascii=False, indent=2) == reference.to_str(
        pretty=True
    )


def test_schemes_are_recognised_whatever_is_around_them() -> None:
    names = {
        name: from_tokenizer_json(json.loads(tokenizer.to_str())).model.scheme
        for name, tokenizer in kept().items()
    }
    assert {names[name].name for name in ("normalizer", "no decoder", "template", "unk", "flags")} == {
        "cl100k"
    }
    assert {names[name].name for name in ("prefix space", "three steps", "removed", "two regexes")} == {
        "pipeline"
    }
    assert (
        names["three steps"].lossless and not names["removed"].lossless and not names["prefix space"].lossless
    )


def refused() -> list[tuple[str, Any]]:
    """Settings that cannot be reproduced, each by what the error must name."""
    return [
        ('model.type: bpetk reads BPE, and this is "Unigram"', with_("model", models.Unigram())),
        (
            'model.type: bpetk reads BPE, and this is "WordPiece"',
            with_("model", models.WordPiece()),
        ),
        ("model.dropout", model(dropout=0.1)),
        ("model.byte_fallback", model(byte_fallback=True)),
        ("model.continuing_subword_prefix", model([], {"##b": 300}, continuing_subword_prefix="##")),
    ]


@pytest.mark.parametrize(
    ("field", "tokenizer"), refused(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_settings_that_are_not_supported_are_refused_by_name(
    field: str, tokenizer: Any, tmp_path: Path
) -> None:
    path = tmp_path / "foreign.json"
    tokenizer.save(str(path))
    with pytest.raises(ModelFileError) as caught:
        load_definition(path)
    assert str(caught.value).startswith(f"{path}: {field}")


def test_unk_token_that_is_needed_and_absent_is_refused() -> None:
    tokenizer = with_("model", models.BPE({"a": 0}, [], unk_token="<unk>"))
    with pytest.raises(
        ModelFileError, match=r"model\.unk_token: '<unk>' is not in model\.vocab, but needed: byte 0x"
    ):
        from_tokenizer_json(json.loads(tokenizer.to_str()))


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([("<s>", 300)], "'<s>' has id 300, but tokenizers would give it 257"),
        ([("<s>", 258), ("<e>", 257)], "'<s>' has id 258, but tokenizers would give it 257"),
        ([("<s>", 257), ("<e>", 259)], "'<e>' has id 259, but tokenizers would give it 258"),
        ([("ab", 255)], "'ab' has id 255, but 256 in model.vocab"),
        ([("<s>", 256)], "id 256 is given to both 'ab' and '<s>'"),
    ],
)
def test_ids_that_the_reference_would_not_keep_are_refused(
    tokens: list[tuple[str, int]], message: str
) -> None:
    data = json.loads(model().to_str())
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    data["added_tokens"] = [{"id": id, "content": content, **flags} for content, id in tokens]
    reference = hf.Tokenizer.from_str(json.dumps(data))
    assert [reference.token_to_id(content) for content, _ in tokens] != [id for _, id in tokens]
    with pytest.raises(ModelFileError, match=message):
        from_tokenizer_json(data)
