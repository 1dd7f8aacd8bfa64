"""A SentencePiece BPE model as the native encoder takes it: which pieces merge, which stand for themselves."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate

from bpetk._encode_document import Plan
from bpetk._encoder import Encoder
from bpetk._sp_document import Sentences
from bpetk._sp_normalizer import Normalizer
from bpetk._sp_rules import PieceRules
from bpetk.errors import ModelFileError
from bpetk.interop.sentencepiece_model import ModelFile, PieceType

BLANK = "\u2581"

_ASIDE, _USED, _UNUSED, _WHOLE = range(4)  # kinds of pieces, values of _sp_rules.pyx
_KINDS = {PieceType.NORMAL: _USED, PieceType.USER_DEFINED: _WHOLE, PieceType.UNUSED: _UNUSED}
_MOST_SYMBOLS = 64  # that the library looks at where they begin at one place


class PieceEncoder:
    """The native parts of one model; immutable, made when they are needed.

    Inside, a blank stands for U+2581: it has one byte instead of three. A normalized text of a model that escapes
    blanks has none of its own, so nothing is lost.

    Parameters
    ----------
    model
        A BPE model.
    """

    def __init__(self, model: ModelFile) -> None:
        self.model = model
        self.folds = model.normalizer.escapes_whitespaces
        self.user_defined = [
            piece.text.encode() for piece in model.pieces if piece.type == PieceType.USER_DEFINED
        ]

    def normalizer(self, *, fold: bool) -> Normalizer:
        """Give the model's normalizer; with ``fold``, one that gives a blank for each U+2581.

        Raises
        ------
        ModelFileError
            If its compiled map is malformed.
        """
        spec = self.model.normalizer
        try:
            return Normalizer(
                spec.precompiled,
                add_dummy_prefix=spec.adds_dummy_prefix,
                remove_extra_whitespaces=spec.removes_extra_whitespaces,
                escape_whitespaces=spec.escapes_whitespaces,
                suffix=self.model.setting("treat_whitespace_as_suffix") is True,
                user_defined=self.user_defined,
                fold=fold,
            )
        except ValueError as error:
            raise ModelFileError(f"normalizer_spec: {error}") from error

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder; its texts go with `plan`."""
        return Encoder(self.rules, None)

    @cached_property
    def folding(self) -> Normalizer:
        """The normalizer that goes before the encoder."""
        return self.normalizer(fold=self.folds)

    @cached_property
    def lengths(self) -> list[int]:
        """Bytes of each piece as the encoder sees it; 0 for those that are put out for characters that are no piece."""
        return [len(text) for text in self.texts]

    @cached_property
    def plan(self) -> Plan:
        """What is done to a document."""
        return self._plan(fuse=not self.model.byte_fallback)

    @cached_property
    def plan_by_characters(self) -> Plan:
        """The same, but each character that is no piece has an id of its own."""
        return self._plan(fuse=False)

    def _plan(self, *, fuse: bool) -> Plan:
        whole = [text for text, kind in zip(self.texts, self.kinds, strict=True) if kind == _WHOLE]
        return Plan(sentences=Sentences(self.folding, whole=whole, fuse=fuse))

    @cached_property
    def kinds(self) -> list[int]:
        """What each piece is to the encoder."""
        whole = frozenset(_kept(self.user_defined))
        kinds = [_KINDS.get(piece.type, _ASIDE) for piece in self.model.pieces]
        for id, piece in enumerate(self.model.pieces):
            # What has a blank of its own, or is nothing but a NUL, is never found; nor is an empty piece.
            if piece.text in ("", "\0") or (self.folds and " " in piece.text):
                kinds[id] = _ASIDE
            elif kinds[id] == _WHOLE and piece.text.encode() not in whole:
                kinds[id] = _USED  # one of too many that begin with each other: only merged
        return kinds

    @cached_property
    def texts(self) -> list[bytes]:
        """Texts of the pieces as the encoder sees them; empty for those that it never meets."""
        texts = [
            piece.text if kind else "" for piece, kind in zip(self.model.pieces, self.kinds, strict=True)
        ]
        if self.folds:
            # One replacement for all: no text holds a NUL but the one that is set aside.
            return "\0".join(texts).replace(BLANK, " ").encode().split(b"\0")
        return [text.encode() for text in texts]

    @cached_property
    def rules(self) -> PieceRules:
        """The tables for encoding.

        Raises
        ------
        ModelFileError
            If unused pieces are nested too deeply.
        """
        model, texts = self.model, self.texts
        offsets = array("I", accumulate(map(len, texts), initial=0))
        scores = array("f", [piece.score for piece in model.pieces])
        ids = {piece.text: id for id, piece in enumerate(model.pieces)} if model.byte_fallback else {}
        try:
            return PieceRules(
                b"".join(texts),
                offsets,
                bytes(self.kinds),
                scores,
                unk_id=model.unk_id,
                byte_ids=[ids[f"<0x{byte:02X}>"] for byte in range(256)] if ids else None,
                fold=self.folds,
            )
        except ValueError as error:
            raise ModelFileError(f"the model cannot be encoded with: {error}") from error


def _kept(symbols: Sequence[bytes]) -> list[bytes]:
    """Leave out the symbols that begin with 64 others or more."""
    kept: list[bytes] = []
    stack: list[bytes] = []
    for symbol in sorted(set(symbols)):
        while stack and not symbol.startswith(stack[-1]):
            stack.pop()
        if len(stack) < _MOST_SYMBOLS:
            kept.append(symbol)
        stack.append(symbol)
    return kept
