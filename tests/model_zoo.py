"""The tokenizer files of real models in the shared data: what each is, and how to load it here and there.

`KINDS` lists every file; a test compares it with the folder. `MODELS` are the byte-level BPE models among them, each
with the library that its ids are compared with: Hugging Face's `tokenizers` for its own files, tiktoken for ranks.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import gguf_vocab
import shared_data

from bpetk.alphabet import CHAR_TO_BYTE

if TYPE_CHECKING:
    from bpetk import Tokenizer

GetFile = Callable[[str], Path]
FOLDER = "tokenizers"

# --- every file -----------------------------------------------------------------------------------------------------

_KINDS = """
byte-level, tokenizer.json:
    deepseek-v3/tokenizer.json gpt-4o-o200k/tokenizer.json gpt2/tokenizer.json
    kitoken-clip_base-tokenizers/tokenizer.json kitoken-gpt_neox-tokenizers/tokenizer.json
    kitoken-modernbert-tokenizers/tokenizer.json kitoken-mpt-tokenizers/tokenizer.json llama3/tokenizer.json
    minimind/tokenizer.json qwen3/tokenizer.json
byte-level, ranks:
    cl100k_base/cl100k_base.tiktoken gpt2/gpt2.tiktoken kimi-k2/kimi_k2.tiktoken llama4/llama4.tiktoken
    o200k_base/o200k_base.tiktoken qwen1-qwen2/qwen.tiktoken whisper-multilingual/multilingual.tiktoken
byte-level, tekken: mistral-tekken/tekken_240911.json
byte-level, vocab.json: gpt2/vocab.json vulrepair-bytelevel/vocab.json
byte-level, merges.txt: gpt2/merges.txt vulrepair-bytelevel/merges.txt
byte-level, gguf: *
    command-r deepseek-coder deepseek-llm falcon gpt-2 llama-bpe qwen2 refact starcoder
SentencePiece BPE, model:
    baichuan2/tokenizer.model chatglm2-chatglm3/tokenizer.model chinese-llama-compatible/tokenizer.model
    hf-fixture-spm-bpe/test_sentencepiece_bpe.model internlm1/V7_sft.model jlab-amr-spm/sentencepiece.bpe.model
    llama2/tokenizer.model mistral-7b-v0.3/mistral03.model
    mistral-spm/mistral_instruct_tokenizer_240216.model.v2 mistral-spm/mistral_instruct_tokenizer_240323.model.v3
    mistral-spm/mistral_instruct_tokenizer_241114.model.v7 mistral-spm/mistral_instruct_tokenizer_241114.model.v7m1
    mistral-spm/tokenizer.model.v1 telechat-52b/tokenizer.model
SentencePiece BPE, tokenizer.json:
    envit5-spm-bpe/tokenizer.json gemma3/tokenizer.json llama2/tokenizer.json mistral-7b-v0.3/tokenizer.json
SentencePiece BPE, gguf: *
    llama-spm phi-3
character BPE, tokenizer.json:
    kitoken-hw_doc_summarizer-tokenizers/tokenizer.json kitoken-sqlpilot-tokenizers/tokenizer.json
Unigram, model:
    chinese-llama-alpaca/chinese_sp.model hf-fixture-albert-unigram/spiece.model
    hf-fixture-spm-nobos/test_sentencepiece_no_bos.model hf-fixture-spm-unigram/test_sentencepiece.model
    kitoken-nai-t5-sentencepiece/nai-t5.model sentencepiece-testdata/test_ja_model.model
    sentencepiece-testdata/test_model.model xlnet-chinese-unigram/spiece.model
Unigram, tokenizer.json:
    kitoken-xlnet_base_cased-tokenizers/tokenizer.json pegasus-unigram/tokenizer.json t5-tasks-unigram/tokenizer.json
WordPiece, tokenizer.json:
    bert-base-chinese/tokenizer.json bert-base-uncased_minilm/tokenizer.json
    kitoken-bert_base_cased-tokenizers/tokenizer.json
WordPiece, vocab.txt: bert-base-chinese/vocab.txt bert-base-uncased_minilm/vocab.txt
WordPiece, gguf: *
    bert-bge
settings:
    baichuan2/tokenizer_config.json bert-base-uncased_minilm/special_tokens_map.json
    bert-base-uncased_minilm/tokenizer_config.json chatglm2-chatglm3/tokenizer_config.json
    deepseek-v3/tokenizer_config.json gpt-4o-o200k/tokenizer_config.json llama3/tokenizer_config.json
    qwen3/tokenizer_config.json
text: sentencepiece-testdata/botchan.txt
"""


def _kinds() -> Iterator[tuple[str, str]]:
    kind = ""
    for word in _KINDS.replace(":\n", ":").replace("\n    ", " ").splitlines():
        kind, _, names = word.partition(":")
        *_, star = names.partition("*")
        for name in (star or names).split():
            if not star:
                yield name, kind
                continue
            path = f"llama.cpp-vocabs/ggml-vocab-{name}.gguf"
            yield path, kind
            yield from ((f"{path}.{vectors}", "test vectors") for vectors in ("inp", "out"))


KINDS: Mapping[str, str] = dict(_kinds())
"""Kind of each file of the folder, by its path there (without ``.xz``)."""


# --- the other library ----------------------------------------------------------------------------------------------


class Reference(Protocol):
    """What the library of comparison gives."""

    def encode(self, text: str, *, add_special_tokens: bool = False) -> list[int]: ...
    def encode_batch(self, texts: Sequence[str], *, add_special_tokens: bool = False) -> list[list[int]]: ...
    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool = False) -> str: ...
    def strings(self) -> Mapping[int, str | bytes]: ...


class HfReference:
    """A tokenizer of Hugging Face's `tokenizers`; it always matches added tokens."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    def encode(self, text: str, *, add_special_tokens: bool = False) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=add_special_tokens).ids)

    def encode_batch(self, texts: Sequence[str], *, add_special_tokens: bool = False) -> list[list[int]]:
        found = self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=add_special_tokens)
        return [item.ids for item in found]

    def offsets(
        self, texts: Sequence[str], *, add_special_tokens: bool = False
    ) -> list[tuple[list[int], list[tuple[int, int]]]]:
        """Give the ids and the spans in code points."""
        found = self.tokenizer.encode_batch(list(texts), add_special_tokens=add_special_tokens)
        return [(item.ids, item.offsets) for item in found]

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool = False) -> str:
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=skip_special_tokens))

    def strings(self) -> dict[int, str | bytes]:
        """Give the text of every id, as in files."""
        return {id: token for token, id in self.tokenizer.get_vocab(with_added_tokens=True).items()}


class TiktokenReference:
    """An encoding of tiktoken, with every special token allowed."""

    def __init__(self, encoding: Any) -> None:
        self.encoding = encoding
        self.contents = encoding.special_tokens_set
        self.special = {encoding.encode_single_token(content) for content in self.contents}
        self._starts = {content[:2] for content in self.contents}

    def encode(self, text: str, *, add_special_tokens: bool = False) -> list[int]:
        # Handing over a thousand special tokens takes longer than encoding a line.
        if not any(start in text for start in self._starts):
            return list(self.encoding.encode_ordinary(text))
        return list(self.encoding.encode(text, allowed_special=self.contents, disallowed_special=()))

    def encode_batch(self, texts: Sequence[str], *, add_special_tokens: bool = False) -> list[list[int]]:
        # Its own batch call starts a thread for each text, which takes longer for lines.
        return [self.encode(text) for text in texts]

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool = False) -> str:
        if skip_special_tokens:
            ids = [id for id in ids if id not in self.special]
        return str(self.encoding.decode(list(ids)))

    def starts(self, ids: Sequence[int]) -> list[int]:
        """Give the code point at which each token of a text begins."""
        return list(self.encoding.decode_with_offsets(list(ids))[1])

    def strings(self) -> dict[int, str | bytes]:
        """Give the bytes of every id."""
        contents = {*self.encoding.token_byte_values(), *map(str.encode, self.contents)}
        return {self.encoding.encode_single_token(token): token for token in contents}


def to_bytes(token: str) -> bytes:
    """Give the bytes that a token of a byte-level vocabulary stands for."""
    try:
        return bytes(CHAR_TO_BYTE[char] for char in token)
    except KeyError:
        return token.encode()


# --- the models -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Model:
    """A byte-level BPE model of the shared data.

    Attributes
    ----------
    name
        For test ids.
    path
        The file to load, in the folder.
    kind
        As in `KINDS`.
    options
        What `Tokenizer.from_file` is told besides: what a file of ranks does not say.
    pattern
        For ranks: the model's pattern, as tiktoken reads it.
    special
        Special tokens that the file does not list.
    """

    name: str
    path: str
    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    pattern: str = ""
    special: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name

    @property
    def is_hf(self) -> bool:
        """Whether the library of comparison is `tokenizers`."""
        return self.kind not in ("byte-level, ranks", "byte-level, tekken")

    def file(self, get: GetFile) -> Path:
        """Return a file that bpetk can load; for a GGUF vocabulary, the ``tokenizer.json`` that it stands for."""
        path = get(f"{FOLDER}/{self.path}")
        if self.kind == "byte-level, vocab.json":
            get(f"{FOLDER}/{Path(self.path).with_name('merges.txt')}")  # has to lie beside it
        if self.kind != "byte-level, gguf":
            return path
        name = Path(self.path).stem.removeprefix("ggml-vocab-")
        document = json.dumps(gguf_vocab.read_gguf(path, name), ensure_ascii=False).encode()
        made = shared_data.cache_root() / "gguf" / name / "tokenizer.json"
        if not made.exists() or made.read_bytes() != document:
            shared_data._write(made, lambda file: file.write(document))
        return made

    def load(self, get: GetFile) -> Tokenizer:
        """Load it with bpetk."""
        from bpetk import Tokenizer

        return Tokenizer.from_file(self.file(get), **self.options)

    def reference(self, get: GetFile) -> HfReference | TiktokenReference:
        """Load it with the library of comparison."""
        path = self.file(get)
        if not self.is_hf:
            import tiktoken

            ranks = read_tekken(path) if self.kind == "byte-level, tekken" else read_ranks(path)
            return TiktokenReference(
                tiktoken.Encoding(
                    self.name, pat_str=self.pattern, mergeable_ranks=ranks, special_tokens=dict(self.special)
                )
            )
        import tokenizers

        if self.kind != "byte-level, vocab.json":
            return HfReference(tokenizers.Tokenizer.from_file(str(path)))
        tokenizer = tokenizers.ByteLevelBPETokenizer(str(path), str(path.with_name("merges.txt")))
        tokenizer.add_special_tokens(list(self.special))
        return HfReference(tokenizer._tokenizer)


def read_ranks(path: Path) -> dict[bytes, int]:
    """Read a ``.tiktoken`` file."""
    lines = (line.split() for line in path.read_bytes().splitlines() if line.strip())
    return {base64.b64decode(token): int(rank) for token, rank in lines}


def read_tekken(path: Path) -> dict[bytes, int]:
    """Read a ``tekken.json``: ids begin after the special tokens, and the vocabulary is cut to the default size."""
    document = json.loads(path.read_bytes())
    config = document["config"]
    special = config["default_num_special_tokens"]
    vocab = document["vocab"][: config["default_vocab_size"] - special]
    return {base64.b64decode(item["token_bytes"]): item["rank"] + special for item in vocab}


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """What a model's files list, for making texts.

    Attributes
    ----------
    tokens
        Their bytes; the mark of the end of a word is left out.
    rules
        The parts of each merge. For ranks: of each token that is not plain ASCII, every two tokens that make it.
    added
        Contents of the added tokens.
    """

    tokens: list[bytes]
    rules: list[tuple[bytes, bytes]]
    added: list[str]


def read_vocabulary(model: Model, get: GetFile) -> Vocabulary:
    """Read what a model's files list, without any tokenizer library."""
    path = model.file(get)
    if not model.is_hf:
        ranks = read_tekken(path) if model.kind == "byte-level, tekken" else read_ranks(path)
        cuts = (
            (token[:cut], token[cut:])
            for token in ranks
            if not token.isascii()
            for cut in range(1, len(token))
        )
        rules = [(left, right) for left, right in cuts if left in ranks and right in ranks]
        return Vocabulary(list(ranks), rules, list(model.special))
    if model.kind == "byte-level, vocab.json":
        lines = path.with_name("merges.txt").read_text("utf-8").splitlines()[1:]
        document: dict[str, Any] = {"model": {"vocab": json.loads(path.read_bytes()), "merges": lines}}
    else:
        document = json.loads(path.read_bytes())
    suffix = document["model"].get("end_of_word_suffix") or ""
    merges = (merge.split(" ") if isinstance(merge, str) else merge for merge in document["model"]["merges"])
    return Vocabulary(
        [to_bytes(token.removesuffix(suffix)) for token in document["model"]["vocab"]],
        [(to_bytes(left), to_bytes(right.removesuffix(suffix))) for left, right in merges],
        [*model.special, *(token["content"] for token in document.get("added_tokens", ()))],
    )


# Patterns as the models' own code gives them to tiktoken.
_ENDINGS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_UPPER, _LOWER = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", r"\p{Ll}\p{Lm}\p{Lo}\p{M}"


def _two_words(upper: str, lower: str, endings: str) -> str:
    first = r"[^\r\n\p{L}\p{N}]?"
    return f"{first}[{upper}]*[{lower}]+{endings}|{first}[{upper}]+[{lower}]*{endings}"


GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
R50K = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
CL100K = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)
QWEN = rf"{_ENDINGS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{_SPACES}"
O200K = (
    rf"{_two_words(_UPPER, _LOWER, _ENDINGS + '?')}|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{_SPACES}"
)
TEKKEN = rf"{_two_words(_UPPER, _LOWER, '')}|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{_SPACES}"
_NOT_HAN = r"&&[^\p{Han}]"
KIMI = (
    rf"[\p{{Han}}]+|{_two_words(_UPPER + _NOT_HAN, _LOWER + _NOT_HAN, _ENDINGS + '?')}"
    rf"|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{_SPACES}"
)


def _number(start: int, contents: str | list[str]) -> dict[str, int]:
    items = contents.split() if isinstance(contents, str) else contents
    return {content: start + i for i, content in enumerate(items)}


_KIMI_NAMES = {
    0: "[BOS]", 1: "[EOS]", 2: "<|im_end|>", 3: "<|im_user|>", 4: "<|im_assistant|>", 6: "<|start_header_id|>",
    7: "<|end_header_id|>", 9: "[EOT]", 10: "<|im_system|>", 11: "<|tool_calls_section_begin|>",
    12: "<|tool_calls_section_end|>", 13: "<|tool_call_begin|>", 14: "<|tool_call_argument_begin|>",
    15: "<|tool_call_end|>", 17: "<|im_middle|>", 254: "[UNK]", 255: "[PAD]",
}  # fmt: skip
_LANGUAGES = (
    "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml "
    "cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am "
    "yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su"
)
SPECIAL: dict[str, dict[str, int]] = {
    "gpt2": {"<|endoftext|>": 50256},
    "cl100k": {
        **_number(100257, "<|endoftext|> <|fim_prefix|> <|fim_middle|> <|fim_suffix|>"),
        "<|endofprompt|>": 100276,
    },
    "o200k": {"<|endoftext|>": 199999, "<|endofprompt|>": 200018},
    "qwen": _number(
        151643, ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *(f"<|extra_{i}|>" for i in range(205))]
    ),
    "kimi": {_KIMI_NAMES.get(i, f"<|reserved_token_{163584 + i}|>"): 163584 + i for i in range(256)},
    "llama4": _number(
        200000,
        [
            *"<|begin_of_text|> <|end_of_text|> <|fim_prefix|> <|fim_middle|> <|fim_suffix|> <|header_start|>".split(),
            *"<|header_end|> <|eom|> <|eot|> <|step|>".split(),
            *(f"<|reserved_special_token_{i}|>" for i in range(1124)),
        ],
    ),
    "whisper": _number(
        50257,
        [
            *("<|endoftext|>", "<|startoftranscript|>"),
            *(f"<|{language}|>" for language in _LANGUAGES.split()),
            *"<|translate|> <|transcribe|> <|startoflm|> <|startofprev|> <|nospeech|> <|notimestamps|>".split(),
            *(f"<|{i * 0.02:.2f}|>" for i in range(1501)),
        ],
    ),
    "tekken": _number(
        0,
        [
            *"<unk> <s> </s> [INST] [/INST] [AVAILABLE_TOOLS] [/AVAILABLE_TOOLS] [TOOL_RESULTS]".split(),
            *"[/TOOL_RESULTS] [TOOL_CALLS] [IMG] <pad> [IMG_BREAK] [IMG_END] [PREFIX] [MIDDLE] [SUFFIX]".split(),
            *"[SYSTEM_PROMPT] [/SYSTEM_PROMPT] [TOOL_CONTENT]".split(),
            *(f"<SPECIAL_{i}>" for i in range(20, 1000)),
        ],
    ),
    "vulrepair": _number(0, "<pad> <s> </s> <unk> <mask>"),
}


def _hf(name: str, folder: str) -> Model:
    return Model(name, f"{folder}/tokenizer.json", "byte-level, tokenizer.json")


def _ranks(name: str, path: str, pattern: str, special: str, **options: Any) -> Model:
    options = {**(options or {"pattern": pattern}), "special_tokens": SPECIAL[special]}
    return Model(name, path, "byte-level, ranks", options, pattern, SPECIAL[special])


def _vocab(name: str, folder: str, special: str) -> Model:
    options = {"special_tokens": SPECIAL[special]}
    return Model(name, f"{folder}/vocab.json", "byte-level, vocab.json", options, "", SPECIAL[special])


def _gguf(name: str) -> Model:
    return Model(f"gguf-{name}", f"llama.cpp-vocabs/ggml-vocab-{name}.gguf", "byte-level, gguf")


MODELS: tuple[Model, ...] = (
    _hf("clip", "kitoken-clip_base-tokenizers"),
    _hf("deepseek-v3", "deepseek-v3"),
    _hf("gpt-4o", "gpt-4o-o200k"),
    _hf("gpt2", "gpt2"),
    _hf("gpt-neox", "kitoken-gpt_neox-tokenizers"),
    _hf("llama3", "llama3"),
    _hf("minimind", "minimind"),
    _hf("modernbert", "kitoken-modernbert-tokenizers"),
    _hf("mpt", "kitoken-mpt-tokenizers"),
    _hf("qwen3", "qwen3"),
    _vocab("gpt2-vocab", "gpt2", "gpt2"),
    _vocab("vulrepair", "vulrepair-bytelevel", "vulrepair"),
    _ranks("cl100k", "cl100k_base/cl100k_base.tiktoken", CL100K, "cl100k", scheme="cl100k_tiktoken"),
    _ranks("gpt2-ranks", "gpt2/gpt2.tiktoken", R50K, "gpt2", scheme="gpt2"),
    _ranks("kimi-k2", "kimi-k2/kimi_k2.tiktoken", KIMI, "kimi"),
    _ranks("llama4", "llama4/llama4.tiktoken", O200K, "llama4"),
    _ranks("o200k", "o200k_base/o200k_base.tiktoken", O200K, "o200k", scheme="o200k"),
    _ranks("qwen", "qwen1-qwen2/qwen.tiktoken", QWEN, "qwen"),
    _ranks("whisper", "whisper-multilingual/multilingual.tiktoken", GPT2, "whisper"),
    Model(
        *("tekken", "mistral-tekken/tekken_240911.json", "byte-level, tekken"),
        pattern=TEKKEN,
        special=SPECIAL["tekken"],
    ),
    *map(_gguf, ("command-r", "deepseek-coder", "deepseek-llm", "falcon", "refact", "starcoder")),
)
# The same vocabulary and rules as another model's file; the vectors beside them are compared all the same.
SAME_AS_OTHERS = {"gpt-2": "gpt2", "llama-bpe": "llama3", "qwen2": "qwen3"}
