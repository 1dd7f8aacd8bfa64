"""What a tokenizer's files say: the model, and the settings of the stages around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bpetk.model import BpeModel

Section = Mapping[str, Any] | None


BYTE_LEVEL_DECODER: Mapping[str, Any] = {
    "type": "ByteLevel",
    "add_prefix_space": True,
    "trim_offsets": True,
    "use_regex": True,
}
"""The decoder of a tokenizer that was trained, as the reference writes it."""


@dataclass(frozen=True)
class Sections:
    """The parts of a ``tokenizer.json`` besides the model and the added tokens, as the reference writes them.

    Attributes
    ----------
    normalizer, pre_tokenizer, post_processor, decoder
        Objects, or None. ``pre_tokenizer`` None means that the scheme of the model says it.
    truncation, padding
        Kept for the file, never applied.
    model
        Settings of the model that have no effect but belong to the file.
    """

    normalizer: Section = None
    pre_tokenizer: Section = None
    post_processor: Section = None
    decoder: Section = None
    truncation: Section = None
    padding: Section = None
    model: Section = None


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
    beside
        The file beside a rank file that says its pattern or its special tokens, if it was needed.
    pattern
        That of ranks as tiktoken has it, if they were read with one.
    cut_by
        The file that says how text is cut, if that is not the source; empty also if it was told by the caller.
    training
        The provenance block of the manifest, if there is one.
    image_of
        The format of the files that an image was made from.
    encoder
        The native encoder that an image holds; made for this very model.
    """

    model: BpeModel
    sections: Sections = Sections()
    roles: Mapping[str, str] = field(default_factory=dict)
    format: str = "trained"
    source: str = ""
    beside: str = ""
    pattern: str | None = None
    cut_by: str = ""
    training: Mapping[str, Any] | None = None
    image_of: str = ""
    encoder: Any = field(default=None, compare=False, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the encoder, which can be made again."""
        return self.__dict__ | {"encoder": None}

    @property
    def kind(self) -> str:
        """The format; of an image, that of the files it was made from."""
        return self.image_of or self.format

    @property
    def stages(self) -> tuple[Section, Section, Section, Section]:
        """Normalizer, pre-tokenizer, post-processor and decoder, with what the model says where a section is absent."""
        sections = self.sections
        decoder, characters = sections.decoder, self.model.scheme.name == "characters"
        if decoder is None and self.kind == "trained":
            decoder = BYTE_LEVEL_DECODER
        return (
            sections.normalizer,
            sections.pre_tokenizer or (None if characters else self.model.scheme.to_hf()),
            sections.post_processor,
            decoder,
        )
