"""A SentencePiece BPE model as the native encoder takes it: which pieces merge, which stand for themselves."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import cached_property
from itertools import groupby, pairwise
from typing import NamedTuple

from bpetk._encode_document import Plan
from bpetk._encoder import Encoder
from bpetk._piece_table import texts_to_encode
from bpetk._sp_document import Sentences
from bpetk._sp_normalizer import Normalizer
from bpetk._sp_rules import PieceRules
from bpetk.errors import ModelFileError
from bpetk.interop.sentencepiece_model import ModelFile, PieceType
from bpetk.interop.sentencepiece_pieces import PackedPieces

BLANK = "\u2581"

_ASIDE, _USED, _UNUSED, _WHOLE = range(4)  # kinds of pieces, values of _sp_rules.pyx
_KINDS = {PieceType.NORMAL: _USED, PieceType.USER_DEFINED: _WHOLE, PieceType.UNUSED: _UNUSED}
_KIND_OF_TYPE = bytes(_KINDS.get(number, _ASIDE) for number in range(256))  # type: ignore[call-overload]
_MOST_SYMBOLS = 64  # that the library looks at where they begin at one place


class _Table(NamedTuple):
    """The texts of the pieces as the encoder sees them, one behind the other; empty for those that it never meets."""

    blob: bytes
    offsets: array[int]
    kinds: bytes


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
        self.pieces = PackedPieces.of(model.pieces)
        self.user_defined = [self.pieces.text(id) for id in self.pieces.ids(PieceType.USER_DEFINED)]

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
        places = self._table.offsets
        return [end - start for start, end in pairwise(places)]

    @cached_property
    def plan(self) -> Plan:
        """What is done to a document."""
        return self._plan(fuse=not self.model.byte_fallback)

    @cached_property
    def plan_by_characters(self) -> Plan:
        """The same, but each character that is no piece has an id of its own."""
        return self._plan(fuse=False)

    @cached_property
    def plan_of_fragments(self) -> Plan:
        """What is done to parts of a document that `folding` has normalized."""
        as_it_is = Normalizer(
            None, add_dummy_prefix=False, remove_extra_whitespaces=False, escape_whitespaces=False
        )
        return Plan(sentences=Sentences(as_it_is, whole=self.whole, fuse=not self.model.byte_fallback))

    def is_used(self, character: bytes) -> bool:
        """Whether a character of a normalized text is a piece by itself, and one that may be put out."""
        symbols = self.rules.first_symbols(character)
        return bool(symbols) and symbols[0] < len(self.pieces)

    def _plan(self, *, fuse: bool) -> Plan:
        return Plan(sentences=Sentences(self.folding, whole=self.whole, fuse=fuse))

    @cached_property
    def whole_by_length(self) -> dict[int, frozenset[bytes]]:
        """Those of `whole` by their length in bytes."""
        return {length: frozenset(texts) for length, texts in groupby(sorted(self.whole, key=len), key=len)}

    @cached_property
    def whole(self) -> list[bytes]:
        """Pieces that are taken wherever their text stands in the normalized text."""
        blob, places, kinds = self._table
        found = self.pieces.ids(PieceType.USER_DEFINED)
        return [blob[places[id] : places[id + 1]] for id in found if kinds[id] == _WHOLE]

    @cached_property
    def _table(self) -> _Table:
        """What the encoder knows of the pieces."""
        pieces = self.pieces
        kinds = bytearray(pieces.types.translate(_KIND_OF_TYPE))
        kept = frozenset(_kept(self.user_defined))
        for id, text in zip(pieces.ids(PieceType.USER_DEFINED), self.user_defined, strict=True):
            if text not in kept:
                kinds[id] = _USED  # one of too many that begin with each other: only merged
        blob, places = texts_to_encode(pieces.blob, pieces.offsets, kinds, fold=self.folds)
        return _Table(blob, array("I", places), bytes(kinds))

    @property
    def kinds(self) -> bytes:
        """What each piece is to the encoder."""
        return self._table.kinds

    @cached_property
    def texts(self) -> list[bytes]:
        """Texts of the pieces as the encoder sees them; empty for those that it never meets."""
        blob, places, _ = self._table
        return [blob[start:end] for start, end in pairwise(places)]

    @cached_property
    def rules(self) -> PieceRules:
        """The tables for encoding.

        Raises
        ------
        ModelFileError
            If unused pieces are nested too deeply.
        """
        model, table = self.model, self._table
        try:
            return PieceRules(
                table.blob,
                table.offsets,
                table.kinds,
                self.pieces.scores,
                unk_id=model.unk_id,
                byte_ids=self._byte_ids() if model.byte_fallback else None,
                fold=self.folds,
            )
        except ValueError as error:
            raise ModelFileError(f"the model cannot be encoded with: {error}") from error

    def _byte_ids(self) -> list[int]:
        """Give the ids of the pieces of bytes."""
        found = {self.pieces.text(id): id for id in self.pieces.ids(PieceType.BYTE)}
        try:
            return [found[b"<0x%02X>" % byte] for byte in range(256)]
        except KeyError as error:
            raise ModelFileError(f"byte_fallback is set, but there is no piece {error} of a byte") from None


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
