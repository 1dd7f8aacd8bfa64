"""What a tokenizer's files say: the model, and the settings of the stages around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bpetk.model import BpeModel

Section = Mapping[str, Any] | None


@dataclass(frozen=True)
class Sections:
    """The parts of a ``tokenizer.json`` besides the model and the added tokens, as the reference writes them.

    Attributes
    ----------
    normalizer, pre_tokenizer, post_processor, decoder
        Objects, or None. ``pre_tokenizer`` None means that the scheme of the model says it.
    truncation, padding
        Kept for the file, never applied.
    """

    normalizer: Section = None
    pre_tokenizer: Section = None
    post_processor: Section = None
    decoder: Section = None
    truncation: Section = None
    padding: Section = None


@dataclass(frozen=True)
class Definition:
    """A tokenizer as read from files or made by training.

    Attributes
    ----------
    model
        Vocabulary, merges and added tokens.
    sections
        The stages around the model.
    roles
        Special token for each of ``bos``, ``eos``, ``pad``, ``unk`` that there is.
    format
        ``"hf"``, ``"tiktoken"``, ``"tekken"``, ``"gpt2"``, ``"image"``; ``"trained"`` if it is of no file.
    source
        The file, or the main one of several; empty if there is none.
    training
        The provenance block of the manifest, if there is one.
    """

    model: BpeModel
    sections: Sections = Sections()
    roles: Mapping[str, str] = field(default_factory=dict)
    format: str = "trained"
    source: str = ""
    training: Mapping[str, Any] | None = None
