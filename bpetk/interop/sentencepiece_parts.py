"""What is in a model file of SentencePiece, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from bpetk.interop.sentencepiece_fields import MODEL_TYPES, TRAINER_FIELDS, Value

_DEFAULTS = {kind.name: kind.default for kind in TRAINER_FIELDS.values()}


class PieceType(IntEnum):
    """What a piece is for."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


class Piece(NamedTuple):
    """A piece; its id is its position.

    Attributes
    ----------
    text
        Its text, with U+2581 for blanks.
    score
        The higher, the earlier BPE makes it. Exactly the number of 32 bits of the file; -0.0 is not 0.0.
    type
        What it is for. A piece that is nothing but a NUL is UNUSED, whatever the file says.
    """

    text: str
    score: float
    type: PieceType = PieceType.NORMAL


class PieceForm(NamedTuple):
    """How a piece is written.

    Attributes
    ----------
    score
        Whether its score is written, if it is 0.0.
    type
        The number that is written as its type, if that is not the usual one: 1 for NORMAL, which need not be written;
        what a piece that is nothing but a NUL had in the file, 0 for none.
    extra
        Fields that this version does not know, as bytes.
    """

    score: bool = True
    type: int | None = None
    extra: bytes = b""


@dataclass(frozen=True)
class NormalizerSpec:
    """A normalizer. What is None is not in the file; the properties say what holds.

    Attributes
    ----------
    name
        Of the rules: ``"nmt_nfkc"``, ``"identity"`` ...
    precompiled
        The rules as a compiled map; empty or None: there are none.
    add_dummy_prefix, remove_extra_whitespaces, escape_whitespaces
        See the properties.
    rule_tsv
        The file that the rules were taken from.
    extra
        Fields that this version does not know, as bytes.
    """

    name: str | None = None
    precompiled: bytes | None = None
    add_dummy_prefix: bool | None = None
    remove_extra_whitespaces: bool | None = None
    escape_whitespaces: bool | None = None
    rule_tsv: str | None = None
    extra: bytes = b""

    @property
    def adds_dummy_prefix(self) -> bool:
        """Whether a text gets a blank in front, or behind in models that treat white space as suffix."""
        return self.add_dummy_prefix is not False

    @property
    def removes_extra_whitespaces(self) -> bool:
        """Whether blanks at both ends are dropped, and of blanks in a row all but one."""
        return self.remove_extra_whitespaces is not False

    @property
    def escapes_whitespaces(self) -> bool:
        """Whether blanks become U+2581."""
        return self.escape_whitespaces is not False


@dataclass(frozen=True)
class ModelFile:
    """All that is in a model file.

    Attributes
    ----------
    pieces
        The pieces by id.
    trainer
        What the trainer was told: value by name of each field that the file has, in the order of the file format.
        `setting` gives the default for the others. Text that is not UTF-8 is as ``surrogateescape`` reads it.
    normalizer
        What is done to text before encoding.
    denormalizer
        What is done to text after decoding.
    trainer_extra, extra
        Fields that this version does not know, as bytes: of the trainer, of the file.
    odd_pieces
        How pieces are written that the file has in another form than the library writes them, by id.
    has_normalizer
        Whether the file has the normalizer's message at all.
    """

    pieces: Sequence[Piece]
    trainer: Mapping[str, Value]
    normalizer: NormalizerSpec
    denormalizer: NormalizerSpec | None = None
    trainer_extra: bytes = b""
    extra: bytes = b""
    odd_pieces: Mapping[int, PieceForm] = field(default_factory=dict, repr=False)
    has_normalizer: bool = True

    def setting(self, name: str) -> Value:
        """Return what a field of the trainer says, or its default.

        Parameters
        ----------
        name
            As the library calls it: ``"byte_fallback"``, ``"unk_surface"`` ...

        Raises
        ------
        KeyError
            If there is no such field.
        """
        return self.trainer[name] if name in self.trainer else _DEFAULTS[name]

    @property
    def model_type(self) -> str:
        """``"unigram"``, ``"bpe"``, ``"word"`` or ``"char"``."""
        return MODEL_TYPES[int(str(self.setting("model_type")))]

    @property
    def byte_fallback(self) -> bool:
        """Whether characters that are no piece become bytes."""
        return self.setting("byte_fallback") is True

    @property
    def unk_id(self) -> int | None:
        """Id of the unknown piece; None if there is none, which only byte fallback allows."""
        return self._first(PieceType.UNKNOWN)

    @property
    def bos_id(self) -> int | None:
        """Id of the piece that begins a text; None if there is none."""
        return self._control_id("bos_piece")

    @property
    def eos_id(self) -> int | None:
        """Id of the piece that ends a text; None if there is none."""
        return self._control_id("eos_piece")

    @property
    def pad_id(self) -> int | None:
        """Id of the piece that fills up; None if there is none."""
        return self._control_id("pad_piece")

    def _control_id(self, name: str) -> int | None:
        # The text counts, not the field bos_id, and only a control piece will do.
        text = self.setting(name) or _DEFAULTS[name]
        return self._first(PieceType.CONTROL, str(text))

    def _first(self, type: PieceType, text: str | None = None) -> int | None:
        first = getattr(self.pieces, "first", None)  # of packed ones, without making them
        if first is not None:
            found: int | None = first(type, text)
            return found
        return next(
            (id for id, (t, _, kind) in enumerate(self.pieces) if kind == type and text in (None, t)),
            None,
        )
