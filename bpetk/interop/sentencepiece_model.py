r"""The model file of SentencePiece: read and written byte for byte, without the library.

A file is a message of pieces (field 1), what the trainer was told (2), the normalizer (3) and perhaps a denormalizer
(5). Files of all four model types are read. What SentencePiece 0.2.3 refuses to load is refused here, with the place
and the reason; beyond that: scores that are not numbers, pieces that are not UTF-8, and files that do not say what the
trainer was told.

What is written is what that library writes for the same model, so that a file of its own comes out as it went in.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Sequence

from bpetk._piece_table import PieceTable
from bpetk.errors import ConfigError, ModelFileError
from bpetk.interop.sentencepiece_checks import find_fault
from bpetk.interop.sentencepiece_fields import (
    NORMALIZER_FIELDS,
    TRAINER_FIELDS,
    read_fields,
    signed,
    write_fields,
)
from bpetk.interop.sentencepiece_parts import ModelFile, NormalizerSpec, Piece, PieceForm, PieceType
from bpetk.interop.sentencepiece_pieces import PackedPieces
from bpetk.interop.wire_format import (
    BYTES,
    FIXED32,
    MAX_DEPTH,
    VARINT,
    Field,
    fields,
    read_field,
    tagged,
    write_field,
)

__all__ = [
    "ModelFile",
    "NormalizerSpec",
    "Piece",
    "PieceForm",
    "PieceType",
    "looks_like_model",
    "read_model",
    "require_bpe",
    "write_model",
    "write_model_around",
]

_PIECE, _TRAINER, _NORMALIZER, _DENORMALIZER = 1, 2, 3, 5  # numbers of the fields of a file
_TYPES: tuple[PieceType, ...] = (PieceType.NORMAL, *PieceType)  # by number
_NORMAL_UNLESS = bytes([PieceType.NORMAL, *range(1, 256)])  # of a type as written
_MOST_BYTES = (1 << 31) - 1  # of a message
_SHORT = 120  # bytes of a text whose piece has its lengths in a byte each
_USUAL, _WITH_TYPE = PieceForm(), PieceForm(type=1)


def looks_like_model(data: bytes) -> bool:
    r"""Tell by its beginning whether a file may be a model.

    Parameters
    ----------
    data
        The file, or its first bytes; 9,000 are always enough.

    Returns
    -------
    bool
        Whether it begins with a whole piece that has a text, and nothing that a piece has not. True does not say that
        the file is sound.

    Examples
    --------
    >>> looks_like_model(b"\n\x0e\n\x05<unk>\x15\x00\x00\x00\x00\x18\x02\n"), looks_like_model(b"\n\n{}")
    (True, False)
    """
    if data[:1] != b"\n":
        return False
    try:
        message, after = read_field(data, 0, len(data))
        body = message.value
        assert isinstance(body, bytes)
        found = {(inner.number, inner.layout): inner.value for inner in fields(body, 0, len(body))}
    except ModelFileError:
        return False
    text = found.get((_PIECE, BYTES))
    next_tags = b"\n\x12\x1a"
    return (
        bool(text)
        and found.keys() <= {(1, BYTES), (2, FIXED32), (3, VARINT)}
        and data[after : after + 1] in next_tags
    )


def read_model(data: bytes, source: str) -> ModelFile:
    r"""Read a model file.

    Parameters
    ----------
    data
        All bytes of the file.
    source
        What to call it in errors, its path.

    Returns
    -------
    ModelFile
        What is in it. The compiled maps of normalizers are not looked into.

    Raises
    ------
    ModelFileError
        If the file is malformed, or if the library would not load it; the message names file, byte, field or piece.

    Examples
    --------
    >>> pieces = [Piece("<unk>", 0.0, PieceType.UNKNOWN), Piece("a", -0.0)]
    >>> data = write_model(ModelFile(pieces, {"model_type": 2, "vocab_size": 2}, NormalizerSpec("identity")))
    >>> read_model(data, "m.model").pieces[1]
    Piece(text='a', score=-0.0, type=<PieceType.NORMAL: 1>)
    >>> read_model(data[:-1], "m.model")
    Traceback (most recent call last):
        ...
    bpetk.errors.ModelFileError: m.model: byte 33: a value of 10 bytes, where the file has only 9 more
    """
    if len(data) > _MOST_BYTES:
        raise ModelFileError(f"{source}: larger than 2 GiB, which no model of SentencePiece can be")
    try:
        return _Reader(data).read()
    except ModelFileError as error:
        raise ModelFileError(f"{source}: {error}") from None


def require_bpe(model: ModelFile, source: str) -> None:
    """Refuse a model that does not encode by merges.

    Parameters
    ----------
    model
        What was read.
    source
        What to call the file in the error.

    Raises
    ------
    ModelFileError
        If the model is of another type than BPE; the message says of which.

    Examples
    --------
    >>> require_bpe(ModelFile([], {}, NormalizerSpec()), "m.model")
    Traceback (most recent call last):
    bpetk.errors.ModelFileError: m.model: is a unigram model of SentencePiece; only BPE models (model_type 2) can encode
    """
    if model.model_type != "bpe":
        raise ModelFileError(
            f"{source}: is a {model.model_type} model of SentencePiece; only BPE models (model_type 2) can encode"
        )


class _Reader:
    """A file that is being read."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.table = PieceTable()
        self.odd: dict[int, PieceForm] = {}
        self.specs: dict[int, list[Field]] = {}
        self.extra = bytearray()

    def read(self) -> ModelFile:
        data, at = self.data, 0
        while (at := self.table.read(data, at)) < len(data):
            found, after = read_field(data, at, len(data))
            if found.layout == BYTES and found.number == _PIECE:
                self._unusual_piece(found)
            elif found.layout == BYTES and found.number in (_TRAINER, _NORMALIZER, _DENORMALIZER):
                inner = fields(data, found.start, found.end, MAX_DEPTH - 1)
                self.specs.setdefault(found.number, []).extend(inner)
            else:
                self.extra += write_field(found)
            at = after
        return self._model()

    def _unusual_piece(self, piece: Field) -> None:
        text, score, type, extra = b"", None, None, bytearray()
        for found in fields(self.data, piece.start, piece.end, MAX_DEPTH - 1):
            value = found.value
            if found.number == 1 and found.layout == BYTES:
                text = bytes(value)
            elif found.number == 2 and found.layout == FIXED32:
                score = bytes(value)
            elif found.number == 3 and isinstance(value, int):
                # Of a type that there is not, the library keeps the low 32 bits.
                if 1 <= signed(value) <= 6:
                    type = _TYPES[signed(value)]
                else:
                    extra += write_field(found._replace(value=signed(value)))
            else:
                extra += write_field(found)
        form = PieceForm(score is not None, 1 if type is PieceType.NORMAL else None, bytes(extra))
        if form != _USUAL:
            self.odd[len(self.table)] = form
        self.table.add(text, score or b"", type or 0)

    def _model(self) -> ModelFile:
        if not len(self.table):
            raise ModelFileError("no pieces: the file is empty, or no model of SentencePiece")
        if _TRAINER not in self.specs:
            raise ModelFileError("no trainer_spec (field 2), which says of what kind the model is")
        trainer, trainer_extra = read_fields(TRAINER_FIELDS, self.specs[_TRAINER], "trainer_spec")
        model = ModelFile(
            self._pieces(trainer.get("byte_fallback") is True),
            trainer,
            self._normalizer(_NORMALIZER, "normalizer_spec"),
            self._normalizer(_DENORMALIZER, "denormalizer_spec") if _DENORMALIZER in self.specs else None,
            trainer_extra,
            bytes(self.extra),
            self.odd,
            _NORMALIZER in self.specs,
        )
        self._find_fault(model)
        return model

    def _normalizer(self, number: int, name: str) -> NormalizerSpec:
        values, extra = read_fields(NORMALIZER_FIELDS, self.specs.get(number, ()), name)
        return NormalizerSpec(**values, extra=extra)  # type: ignore[arg-type]

    def _pieces(self, byte_fallback: bool) -> PackedPieces:
        blob, offsets, scores, written = self.table.parts()
        at, numbers = -1, bytearray(written)
        while (at := written.find(PieceType.NORMAL, at + 1)) >= 0:
            self.odd.setdefault(at, _WITH_TYPE)
        pieces = PackedPieces(
            blob, array("I", offsets), array("f", scores), written.translate(_NORMAL_UNLESS)
        )
        if byte_fallback and b"\0" in blob:
            for id in pieces.only(b"\0"):
                self._set_aside(id, numbers)
            pieces = PackedPieces(
                blob, pieces.offsets, pieces.scores, bytes(numbers).translate(_NORMAL_UNLESS)
            )
        return pieces

    def _set_aside(self, id: int, types: bytearray) -> None:
        """Make a piece UNUSED, but remember what it was."""
        form = self.odd.get(id, _USUAL)
        if form.type is None and types[id] != PieceType.UNUSED:
            self.odd[id] = form._replace(type=types[id])
        types[id] = PieceType.UNUSED

    def _find_fault(self, model: ModelFile) -> None:
        if model.model_type == "bpe" and self.table.sound(byte_fallback=model.byte_fallback):
            return
        packed = PackedPieces.of(model.pieces)
        for id in range(len(packed)):
            if not _is_utf8(packed.text(id)):
                raise ModelFileError(self._at(id, f"its text {packed.text(id)!r} is not UTF-8"))
        if fault := find_fault(model.pieces, model.model_type, model.byte_fallback):
            raise ModelFileError(self._at(*fault))

    def _at(self, index: int, reason: str) -> str:
        """Put the place of a piece before a reason; the whole file if the index is -1."""
        if index < 0:
            return reason
        seen, at = -1, 0
        while True:
            found, after = read_field(self.data, at, len(self.data))
            seen += found.number == _PIECE and found.layout == BYTES
            if seen == index:
                return f"piece {index} (byte {at}): {reason}"
            at = after


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def write_model(model: ModelFile) -> bytes:
    r"""Write a model file as SentencePiece 0.2.3 writes it.

    Parameters
    ----------
    model
        What is to be in it.

    Returns
    -------
    bytes
        The file.

    Raises
    ------
    ConfigError
        If the library would not load it, or a value is not of its field's type.

    Examples
    --------
    >>> unk = Piece("<unk>", 0.0, PieceType.UNKNOWN)
    >>> write_model(ModelFile([unk], {"model_type": 2}, NormalizerSpec("identity", b"")))
    b'\n\x0e\n\x05<unk>\x15\x00\x00\x00\x00\x18\x02\x12\x02\x18\x02\x1a\x0c\n\x08identity\x12\x00'
    """
    return write_model_around(model, range(len(model.pieces)), b"".join)


def write_model_around(model: ModelFile, ids: Sequence[int], join: Callable[[list[bytes]], bytes]) -> bytes:
    """Write a model file of whose pieces only some are in ``model``; it must hold all that is no ordinary piece.

    Parameters
    ----------
    model
        The rest of the file.
    ids
        Of the pieces in ``model``.
    join
        Is given these pieces as they are written, and returns all pieces as they are written.

    Raises
    ------
    ConfigError
        As in `write_model`; other pieces are not looked at.
    """
    trainer = write_fields(TRAINER_FIELDS, model.trainer, model.trainer_extra, "trainer_spec")
    parts = [join(_write_pieces(model))]
    if fault := find_fault(model.pieces, model.model_type, model.byte_fallback):
        id, reason = fault
        raise ConfigError(f"piece {ids[id]}: {reason}" if id >= 0 else reason)
    parts.append(tagged(_TRAINER, trainer))
    if model.has_normalizer:
        parts.append(tagged(_NORMALIZER, _write_normalizer(model.normalizer, "normalizer_spec")))
    if model.denormalizer is not None:
        parts.append(tagged(_DENORMALIZER, _write_normalizer(model.denormalizer, "denormalizer_spec")))
    return b"".join([*parts, model.extra])


def _write_normalizer(spec: NormalizerSpec, name: str) -> bytes:
    given = {kind.name: getattr(spec, kind.name) for kind in NORMALIZER_FIELDS.values()}
    return write_fields(
        NORMALIZER_FIELDS, {name: v for name, v in given.items() if v is not None}, spec.extra, name
    )


def _write_pieces(model: ModelFile) -> list[bytes]:
    parts = []
    forms = model.odd_pieces
    pack, normal = struct.Struct("<f").pack, int(PieceType.NORMAL)
    for id, (text, score, type) in enumerate(model.pieces):
        form = forms.get(id, _USUAL) if forms else _USUAL
        try:
            written, bits = text.encode(), pack(score)
        except (UnicodeEncodeError, OverflowError, struct.error) as error:
            raise ConfigError(f"piece {id} cannot be written: {error}") from error
        if type == normal and form is _USUAL and len(written) <= _SHORT:
            size = len(written)
            parts.append(b"\n%c\n%c%b\x15%b" % (size + 7, size, written, bits))
            continue
        body = tagged(1, written)
        if form.score or bits != bytes(4):
            body += b"\x15" + bits
        number = form.type
        if number is None or (type != PieceType(number or 1) and (text, type) != ("\0", PieceType.UNUSED)):
            number = 0 if type == PieceType.NORMAL else int(type)
        if number:
            body += b"\x18" + bytes([number])
        parts.append(tagged(_PIECE, body + form.extra))
    if not parts:
        raise ConfigError("a model without pieces")
    return parts
