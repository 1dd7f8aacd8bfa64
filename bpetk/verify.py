"""Equality checks against the reference libraries: train with both, compare merges and vocabulary in order."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

from bpetk.alphabet import from_byte_level
from bpetk.errors import ConfigError, MissingDependencyError
from bpetk.pretokenizers import Scheme, custom_scheme, get_scheme
from bpetk.readable import readable, readable_pair

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.trainers import BpeTrainer

REFERENCES = ("hf",)


@dataclass(frozen=True)
class VerifyResult:
    """Outcome of a comparison.

    ``compared`` is the number of merges found equal, ``first_difference`` one line for people, or None.
    """

    identical: bool
    compared: int
    vocab_size: int
    first_difference: str | None
    ours: str
    theirs: str


def hf_pipeline(
    scheme: Scheme,
    vocab_size: int,
    *,
    special_tokens: Sequence[str] = (),
    min_frequency: int = 0,
    max_token_length: int | None = None,
    alphabet: str = "bytes",
) -> tuple[Tokenizer, BpeTrainer]:
    """Configure a `tokenizers` tokenizer and trainer to do what ``bpetk.train`` does.

    Parameters
    ----------
    scheme
        The pre-tokenizer; its ``to_hf()`` is what the library is given.
    vocab_size, special_tokens, min_frequency, max_token_length, alphabet
        As in ``bpetk.train``.

    Raises
    ------
    MissingDependencyError
        If `tokenizers` is not installed.

    Examples
    --------
    >>> tokenizer, trainer = hf_pipeline(get_scheme("cl100k"), 300)
    >>> tokenizer.train_from_iterator(["the theme, the thesis"], trainer)
    >>> tokenizer.encode("the").tokens
    ['the']
    """
    try:
        from tokenizers import Tokenizer
        from tokenizers.pre_tokenizers import ByteLevel
        from tokenizers.trainers import BpeTrainer
    except ImportError as error:
        raise MissingDependencyError(
            "comparing with Hugging Face needs the package 'tokenizers', which is not installed: "
            "pip install 'bpetk[verify]'"
        ) from error
    # A tokenizer is made from JSON, so that what we write into tokenizer.json is also what is checked.
    model = {"type": "BPE", "vocab": {}, "merges": []}
    parts = {"version": "1.0", "added_tokens": [], "pre_tokenizer": scheme.to_hf(), "model": model}
    tokenizer = Tokenizer.from_str(json.dumps(parts))
    trainer = BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        show_progress=False,
        special_tokens=list(special_tokens),
        initial_alphabet=ByteLevel.alphabet() if alphabet == "bytes" else [],
        max_token_length=max_token_length,
    )
    return tokenizer, trainer


def _show(token: str) -> str:
    try:
        return readable(from_byte_level(token))
    except ValueError:  # a special token is plain text
        return readable(token.encode())


def _show_pair(pair: Sequence[str]) -> str:
    try:
        return readable_pair(from_byte_level(pair[0]), from_byte_level(pair[1]))
    except ValueError:
        return f"{_show(pair[0])} + {_show(pair[1])}"


def _by_id(model: Mapping[str, Any]) -> list[tuple[int, str]]:
    return sorted((token_id, token) for token, token_id in model["vocab"].items())


def equal_merges(ours: Sequence[Any], theirs: Sequence[Any]) -> int:
    """Count the merges that are equal from the first on."""
    pairs = zip(ours, theirs, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if tuple(a) != tuple(b)), min(len(ours), len(theirs)))


def first_difference(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str | None:
    """Find the first difference of two ``tokenizer.json`` objects in merges, vocabulary or added tokens.

    Parameters
    ----------
    ours, theirs
        The parsed files; of bpetk and of the reference.

    Returns
    -------
    str or None
        What differs, merges before ids before added tokens; None if nothing does.
    """
    a, b = ours["model"]["merges"], theirs["model"]["merges"]
    same = equal_merges(a, b)
    if same < max(len(a), len(b)):
        if same == min(len(a), len(b)):
            who, longer = ("bpetk", a) if len(a) > len(b) else ("the reference", b)
            return (
                f"bpetk learned {len(a):,} merges, the reference {len(b):,}; the first {same:,} are equal, "
                f"then {who} goes on with {_show_pair(longer[same])}"
            )
        return f"merge {same:,} (the first is 0): bpetk has {_show_pair(a[same])}, the reference {_show_pair(b[same])}"
    for (our_id, our_token), (their_id, their_token) in zip(
        left := _by_id(ours["model"]), right := _by_id(theirs["model"]), strict=False
    ):
        if (our_id, our_token) != (their_id, their_token):
            return f"vocabulary: bpetk has id {our_id} = {_show(our_token)}, the reference {their_id} = {_show(their_token)}"
    if len(left) != len(right):
        return f"vocabulary: bpetk has {len(left):,} entries, the reference {len(right):,}"
    if ours["added_tokens"] != theirs["added_tokens"]:
        return f"added tokens: bpetk has {ours['added_tokens']}, the reference {theirs['added_tokens']}"
    return None
