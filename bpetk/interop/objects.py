"""Tokenizers of other libraries that are in memory already."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bpetk.definition import Definition
from bpetk.errors import ConfigError, ModelFileError
from bpetk.interop.huggingface import from_tokenizer_json
from bpetk.interop.json_fields import parse_json
from bpetk.interop.tiktoken import check_ranks, from_ranks
from bpetk.interop.tokenizer_config import ROLES


def definition_from_object(obj: object) -> Definition:
    """Read a tokenizer of `tokenizers`, `transformers` or `tiktoken`.

    Parameters
    ----------
    obj
        A ``tokenizers.Tokenizer``; a fast tokenizer of transformers, whose ``bos_token`` and so on become roles;
        or a ``tiktoken.Encoding``.

    Returns
    -------
    Definition
        As from the files of the library.

    Raises
    ------
    ModelFileError
        If it holds something that cannot be reproduced exactly; the message names the field of the
        ``tokenizer.json`` that it would be saved as.
    ConfigError
        If it is of another type.
    """
    if isinstance(obj, type):
        raise ConfigError(f"expected a tokenizer, not the class {obj.__name__}")
    if all(hasattr(obj, name) for name in ("_mergeable_ranks", "_special_tokens", "_pat_str")):
        return _from_encoding(obj)
    backend = getattr(obj, "backend_tokenizer", None)
    if _is_hf(backend):
        definition = _from_hf(backend)
        special = {token.content for token in definition.model.added_tokens if token.special}
        named = {role: getattr(obj, f"{role}_token", None) for role in ROLES}
        return replace(
            definition, roles={role: str(token) for role, token in named.items() if token in special}
        )
    if _is_hf(obj):
        return _from_hf(obj)
    kind = f"{type(obj).__module__}.{type(obj).__qualname__}"
    raise ConfigError(
        f"cannot make a tokenizer of a {kind}: expected a tokenizers.Tokenizer, a fast tokenizer of transformers "
        "(AutoTokenizer with use_fast=True), a tiktoken.Encoding or a sentencepiece.SentencePieceProcessor"
    )


def is_processor(obj: object) -> bool:
    """Whether this is a ``SentencePieceProcessor``, or of a class derived from it."""
    return any(
        kind.__module__.partition(".")[0] == "sentencepiece" and kind.__name__ == "SentencePieceProcessor"
        for kind in type(obj).__mro__
    )


def model_of_processor(obj: Any) -> bytes:
    """Give the model file of a ``SentencePieceProcessor``.

    Raises
    ------
    ConfigError
        If it is something else, or was made to add or change something in all that it encodes.
    ModelFileError
        If no model is loaded.
    """
    if not is_processor(obj):
        kind = f"{type(obj).__module__}.{type(obj).__qualname__}"
        raise ConfigError(
            f"cannot make a tokenizer of a {kind}: expected a sentencepiece.SentencePieceProcessor"
        )
    for name in ("add_bos", "add_eos", "reverse", "enable_sampling", "emit_unk_piece"):
        if getattr(obj, f"_{name}", False):
            remedy = (
                f"give {name}=True to the calls that encode instead"
                if name in ("add_bos", "add_eos", "reverse")
                else "which is not supported"
            )
            raise ConfigError(f"this SentencePieceProcessor was made with {name}=True; {remedy}")
    try:
        return bytes(obj.serialized_model_proto())
    except RuntimeError as error:
        raise ModelFileError(f"this SentencePieceProcessor holds no model: {error}") from error


def _is_hf(obj: Any) -> bool:
    # Both Tokenizer itself and the ready-made ones around it, such as ByteLevelBPETokenizer.
    return type(obj).__module__.partition(".")[0] == "tokenizers" and callable(getattr(obj, "to_str", None))


def _from_hf(obj: Any) -> Definition:
    try:
        return from_tokenizer_json(parse_json(obj.to_str().encode()))
    except ModelFileError as error:
        raise ModelFileError(f"{type(obj).__name__}: {error}") from error


def _from_encoding(obj: Any) -> Definition:
    ranks = dict(obj._mergeable_ranks)
    check_ranks(ranks)
    return from_ranks(ranks, pattern=obj._pat_str, special_tokens=dict(obj._special_tokens))
