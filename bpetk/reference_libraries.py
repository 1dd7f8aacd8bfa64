"""The libraries that bpetk is equal to, holding the same tokenizer: what checks compare with.

They read the files themselves wherever they can, so that a mistake in our reading shows too.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from bpetk.definition import Definition
from bpetk.errors import ConfigError, MissingDependencyError, ModelFileError
from bpetk.interop.huggingface import to_tokenizer_json
from bpetk.targets import RankTable, rank_table, tiktoken_pattern

LIBRARIES = {"hf": "tokenizers", "tiktoken": "tiktoken", "sentencepiece": "sentencepiece"}
"""Name of each reference, and the package that it is."""

RANK_FORMATS = ("tiktoken", "tekken")


class Reference(Protocol):
    """A reference library with a tokenizer. Special tokens in a text are encoded as such; none are added."""

    @property
    def name(self) -> str:
        """Package and version."""

    @property
    def made_of(self) -> str:
        """The files that it read, and who said how text is cut, for people."""

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Give the ids of each text."""


@dataclass(frozen=True)
class HuggingFace:
    """A ``tokenizers.Tokenizer``."""

    tokenizer: Any
    made_of: str

    @property
    def name(self) -> str:
        """Package and version."""
        return f"tokenizers {version('tokenizers')}"

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Give the ids of each text."""
        found = self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [item.ids for item in found]

    def decode(self, ids: Sequence[int]) -> str:
        """Give the text of ids, special tokens among them."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=False)
        return text


@dataclass(frozen=True)
class Tiktoken:
    """A ``tiktoken.Encoding``."""

    encoding: Any
    made_of: str

    @property
    def name(self) -> str:
        """Package and version."""
        return f"tiktoken {version('tiktoken')}"

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Give the ids of each text."""
        # Its own batch call hands every text to a thread, which for lines costs more than the encoding.
        return [self.encoding.encode(text, allowed_special="all") for text in texts]


@dataclass(frozen=True)
class SentencePiece:
    """A ``sentencepiece.SentencePieceProcessor``."""

    processor: Any
    made_of: str

    @property
    def name(self) -> str:
        """Package and version."""
        return f"sentencepiece {version('sentencepiece')}"

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Give the ids of each text."""
        found: list[list[int]] = self.processor.encode(list(texts), out_type=int, num_threads=1)
        return found

    def encode_with_places(self, text: str) -> tuple[list[int], list[str], list[tuple[int, int]]]:
        """Give ids, pieces, and the places of the pieces in code points."""
        found = self.processor.encode(text, return_type="offset_mapping")
        return found["ids"], found["pieces"], [tuple(span) for span in found["offsets"]]

    def decode(self, ids: Sequence[int]) -> str:
        """Give the text of ids."""
        text: str = self.processor.decode(list(ids))
        return text


def tokenizers_reference(path: Path) -> HuggingFace:
    """Load a ``tokenizer.json`` with the package `tokenizers`, so that all text is ordinary text.

    Raises
    ------
    MissingDependencyError
        If the library is not installed.
    ModelFileError
        If it refuses the file.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise _missing("hf", error) from error
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing more special
        raise ModelFileError(f"tokenizers cannot load {path}: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    return HuggingFace(tokenizer, str(path))


def sentencepiece_reference(data: bytes, source: str) -> SentencePiece:
    """Load a ``.model`` with the package `sentencepiece`.

    Parameters
    ----------
    data
        The file as bpetk would write it; read if there is no file any more.
    source
        The file that it came from.

    Raises
    ------
    MissingDependencyError
        If the library is not installed.
    ModelFileError
        If it refuses the file.
    """
    try:
        from sentencepiece import SentencePieceProcessor
    except ImportError as error:
        raise _missing("sentencepiece", error) from error
    path = Path(source)
    made_of = str(path) if source and path.is_file() else "what bpetk would write as a .model"
    try:
        # From memory, since the library reports files that it cannot read on standard error only.
        processor = SentencePieceProcessor(model_proto=path.read_bytes() if made_of == str(path) else data)
    except (RuntimeError, OSError, ValueError) as error:
        raise ModelFileError(f"sentencepiece cannot load {source or 'the model'}: {error}") from error
    return SentencePiece(processor, made_of)


def load_reference(definition: Definition, library: str, *, pattern: str | None = None) -> Reference:
    """Load a tokenizer with a reference library.

    Parameters
    ----------
    definition
        As bpetk has read it; from ``source``, unless that is empty.
    library
        ``"hf"`` or ``"tiktoken"``.
    pattern
        The pattern that ranks were loaded with, if it is not that of a named scheme.

    Raises
    ------
    ConfigError
        For an unknown library, and if the library cannot load a tokenizer of this kind.
    MissingDependencyError
        If the library is not installed.
    ModelFileError
        If the library refuses the file.

    Examples
    --------
    >>> import bpetk
    >>> tok = bpetk.train_from_iterator(["low lower lowest"], vocab_size=260)
    >>> load_reference(tok.definition, "hf").encode_batch(["low"]) == [tok.encode("low")]
    True
    """
    if library not in LIBRARIES:
        raise ConfigError(f"unknown reference {library!r}; known are {', '.join(LIBRARIES)}")
    if library == "sentencepiece":
        raise ConfigError(
            f"sentencepiece loads only .model files, which {definition.source or 'this tokenizer'} is not: compare "
            "with hf or tiktoken"
        )
    return _load_hf(definition) if library == "hf" else _load_tiktoken(definition, pattern)


def _missing(library: str, error: ImportError) -> MissingDependencyError:
    package = LIBRARIES[library]
    return MissingDependencyError(
        f"comparing with {package} needs the package {package!r}, which is not installed: pip install 'bpetk[verify]'"
    )


def _load_hf(definition: Definition) -> Reference:
    if definition.kind in RANK_FORMATS:
        raise ConfigError(
            f"tokenizers cannot load {definition.source}, which holds ranks: compare with tiktoken "
            "(--against tiktoken), or convert it first (bpetk convert --to hf)"
        )
    try:
        from tokenizers import AddedToken, Tokenizer
        from tokenizers.decoders import ByteLevel as ByteLevelDecoder
        from tokenizers.models import BPE
        from tokenizers.pre_tokenizers import ByteLevel
    except ImportError as error:
        raise _missing("hf", error) from error
    source = Path(definition.source)
    try:
        if definition.format == "gpt2":
            made_of = f"{source} with its merges, and GPT-2's pattern"
            tokenizer = Tokenizer(BPE.from_file(str(source), str(source.with_name("merges.txt"))))
            tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
            tokenizer.decoder = ByteLevelDecoder()
            tokens = definition.model.added_tokens
            tokenizer.add_special_tokens([AddedToken(token.content, normalized=False) for token in tokens])
        elif definition.format == "hf" and definition.source:
            made_of = str(source)
            tokenizer = Tokenizer.from_file(str(source))
        else:
            made_of = "what bpetk would write as a tokenizer.json"
            tokenizer = Tokenizer.from_str(json.dumps(to_tokenizer_json(definition)))
    except Exception as error:  # the library raises nothing more special
        raise ModelFileError(f"tokenizers cannot load {definition.source}: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return HuggingFace(tokenizer, made_of)


def _load_tiktoken(definition: Definition, pattern: str | None) -> Reference:
    try:
        import tiktoken
    except ImportError as error:
        raise _missing("tiktoken", error) from error
    table, made_of = _table(definition, pattern)
    try:
        encoding = tiktoken.Encoding(
            Path(definition.source).stem or "bpetk",
            pat_str=table.pattern,
            mergeable_ranks=dict(table.ranks),
            special_tokens=dict(table.special_tokens),
        )
    except Exception as error:
        raise ModelFileError(f"tiktoken cannot load {definition.source}: {error}") from error
    return Tiktoken(encoding, made_of)


def _table(definition: Definition, pattern: str | None) -> tuple[RankTable, str]:
    model = definition.model
    if definition.kind not in RANK_FORMATS or not definition.source:
        try:
            named = f"the tokens that bpetk read as ranks, and the pattern of scheme {model.scheme.name}"
            return rank_table(definition), named
        except ModelFileError as error:
            raise ConfigError(f"tiktoken cannot stand for this tokenizer: {error}") from error
    source = Path(definition.source)
    if definition.format == "image":
        ranks = {token: id for id, token in model.tokens.items()}
        made_of = f"the tokens of {source}, and {_rule(definition, pattern)}"
        pattern = pattern or definition.pattern or tiktoken_pattern(model.scheme)
    elif definition.format == "tekken":
        ranks, pattern = _tekken(source)
        made_of = f"ranks and pattern of {source}"
    else:
        ranks = _ranks(source)
        made_of = f"the ranks of {source}, and {_rule(definition, pattern)}"
        pattern = pattern or definition.pattern or tiktoken_pattern(model.scheme)
    if pattern is None:
        raise ConfigError(f"tiktoken has no single pattern for the scheme {model.scheme.name}")
    return RankTable(ranks, pattern, {token.content: token.id for token in model.added_tokens}), made_of


def _rule(definition: Definition, pattern: str | None) -> str:
    """Say where the pattern for a rank file comes from, and what equal ids then do not prove."""
    if definition.cut_by:
        return f"the pattern in {definition.cut_by}"
    told = "the pattern" if pattern or definition.pattern else f"scheme {definition.model.scheme.name}"
    return f"{told} as given: that it is the model's own is not proved, as ranks do not say how text is cut"


def _ranks(path: Path) -> dict[bytes, int]:
    # Not tiktoken's own reader: it keeps copies of files, by their names, and gives these when the file has changed.
    lines = (line.split() for line in path.read_bytes().splitlines() if line.strip())
    return {base64.b64decode(token): int(rank) for token, rank in lines}


def _tekken(path: Path) -> tuple[dict[bytes, int], str]:
    data = json.loads(path.read_bytes())
    special = int(data["config"]["default_num_special_tokens"])
    vocab = data["vocab"][: int(data["config"]["default_vocab_size"]) - special]
    return {base64.b64decode(item["token_bytes"]): item["rank"] + special for item in vocab}, data["config"][
        "pattern"
    ]
