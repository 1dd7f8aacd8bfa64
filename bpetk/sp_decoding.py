"""Ids of a SentencePiece model to text, all at once or as they come."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import groupby

from bpetk._piece_table import strings
from bpetk._sp_normalizer import Normalizer
from bpetk.errors import ConfigError, UnknownTokenError
from bpetk.interop.sentencepiece_model import ModelFile, PieceType
from bpetk.interop.sentencepiece_pieces import PackedPieces

_REPLACEMENT = "\ufffd".encode()


class PieceDecoder:
    """Texts of the pieces of one model, and what joins them; immutable.

    Control pieces have no text, and the unknown piece has one of its own. Bytes that stand together are read as UTF-8;
    one that is part of no character becomes U+FFFD. U+2581 becomes a blank; as long as nothing has come out, a piece
    loses the first one: each if the model removes blanks, else the first one that has it, if the model adds one.

    Parameters
    ----------
    model
        A BPE model.

    Examples
    --------
    >>> from bpetk.interop.sentencepiece_model import NormalizerSpec, Piece
    >>> unk, piece = Piece("<unk>", 0.0, PieceType.UNKNOWN), Piece("\u2581a", -1.0)
    >>> model = ModelFile([unk, piece], {"model_type": 2}, NormalizerSpec("identity", b""))
    >>> PieceDecoder(model).decode([1, 1, 0]).decode()
    'a a ⁇ '
    """

    def __init__(self, model: ModelFile) -> None:
        self._model = model
        spec = model.normalizer
        self.trims_all = spec.removes_extra_whitespaces
        self.trims = spec.adds_dummy_prefix or spec.removes_extra_whitespaces
        surface = str(model.setting("unk_surface")).encode("utf-8", "surrogateescape")
        pieces = PackedPieces.of(model.pieces)
        texts = strings(pieces.blob, pieces.offsets)
        self.byte_ids = frozenset(pieces.ids(PieceType.BYTE))
        control, unknown = pieces.ids(PieceType.CONTROL), pieces.ids(PieceType.UNKNOWN)
        # Ordinary pieces only: others are never trimmed.
        begins_blank = {id for id, text in enumerate(texts) if text.startswith("\u2581")}
        self.begins_blank = frozenset(begins_blank.difference(control, unknown, self.byte_ids))
        self.texts = _with_blanks(texts)
        for id in control:
            self.texts[id] = b""
        for id in unknown:
            self.texts[id] = surface
        for id in self.byte_ids:
            self.texts[id] = bytes([int(texts[id][3:5], 16)])
        # Pieces that come between bytes without being seen.
        self._hidden = frozenset(id for id, text in enumerate(self.texts) if not text)

    def decode(self, ids: Sequence[int]) -> bytes:
        """Give the text of ids, UTF-8 unless the model's text for the unknown piece is not.

        Raises
        ------
        UnknownTokenError
            If an id is not one of the model's.
        """
        text = self._joined(ids)
        return text if self.denormalizer is None else self.denormalizer.normalize(text)

    def decode_with_starts(self, ids: Sequence[int]) -> tuple[str, list[int]]:
        """Give the text of ids, and for each id the code point in it at which it begins.

        Raises
        ------
        ConfigError
            If the model changes text after decoding, so that ids have no places in it.
        UnknownTokenError
            If an id is not one of the model's.
        UnicodeDecodeError
            If the model's text for the unknown piece is not UTF-8.
        """
        if self.denormalizer is not None:
            raise ConfigError(
                "this model's denormalizer changes text across pieces: ids have no places in it"
            )
        for id in ids:
            self.text_of(id)
        decoding, texts, starts, at = Decoding(self), [""], [], 0
        for together, some in groupby(ids, self.byte_ids.__contains__):
            if together:
                # Each bad byte is one character here, as in the library.
                text = b"".join(map(self.text_of, some)).decode("utf-8", "surrogateescape")
                for place, char in enumerate(text, at):
                    starts += [place] * len(char.encode("utf-8", "surrogateescape"))
                texts.append("".join("\ufffd" if "\udc80" <= char <= "\udcff" else char for char in text))
                decoding.trims = False
                at += len(text)
                continue
            for id in some:
                starts.append(at)
                texts.append(decoding.feed(id).decode())
                at += len(texts[-1])
        return "".join(texts), starts

    def _joined(self, ids: Sequence[int]) -> bytes:
        started = Decoding(self)
        parts: list[bytes] = []
        for at, id in enumerate(ids):
            parts.append(started.feed(id))
            # INVARIANT: from here on no piece loses anything, and no bytes are held back.
            if not started.trims and not started.run:
                rest = ids[at + 1 :]
                break
        else:
            return b"".join(parts) + started.finish()
        head = b"".join(parts)
        try:
            data = b"".join(map(self.texts.__getitem__, rest))
        except (IndexError, TypeError):
            data = b""
        if rest and (not data or min(rest) < 0):
            return head + self._slowly(rest)
        if not self.byte_ids.isdisjoint(rest):
            # Texts are whole characters: if all is UTF-8, then so is each run of bytes, unless two look like one.
            try:
                data.decode()
            except UnicodeDecodeError:
                return head + self._slowly(rest)
            if not self._hidden.isdisjoint(rest):
                return head + self._slowly(rest)
        return head + data

    def _slowly(self, ids: Sequence[int]) -> bytes:
        decoding = Decoding(self)
        decoding.trims = False
        return b"".join([*map(decoding.feed, ids), decoding.finish()])

    def text_of(self, id: int) -> bytes:
        """Give the text of one id.

        Raises
        ------
        UnknownTokenError
            If it is not one of the model's.
        """
        try:
            if id >= 0:
                return self.texts[id]
        except (IndexError, TypeError):
            pass
        raise UnknownTokenError(f"id {id!r} is not in the vocabulary; ids are below {len(self.texts)}")

    @cached_property
    def denormalizer(self) -> Normalizer | None:
        """What is done to decoded text, if anything."""
        spec = self._model.denormalizer
        if spec is None or not spec.precompiled:
            return None
        try:
            return Normalizer(
                spec.precompiled,
                add_dummy_prefix=spec.adds_dummy_prefix,
                remove_extra_whitespaces=spec.removes_extra_whitespaces,
                escape_whitespaces=spec.escapes_whitespaces,
            )
        except ValueError as error:
            raise ConfigError(f"this model cannot decode: denormalizer_spec: {error}") from error


def _with_blanks(texts: list[str]) -> list[bytes]:
    """Give the UTF-8 of texts, with blanks for U+2581."""
    joined = "\0".join(texts)
    if texts and joined.count("\0") == len(texts) - 1:
        return joined.replace("\u2581", " ").encode().split(b"\0")
    return [text.replace("\u2581", " ").encode() for text in texts]


class Decoding:
    """The state between two pieces.

    Attributes
    ----------
    trims
        Whether the next piece may lose a blank.
    run
        Bytes of pieces of bytes that may still become a character.
    """

    def __init__(self, decoder: PieceDecoder) -> None:
        self._decoder = decoder
        self.trims = decoder.trims
        self.run = b""

    def feed(self, id: int) -> bytes:
        """Take an id; give the text that is certain now."""
        decoder = self._decoder
        text = decoder.text_of(id)
        if id in decoder.byte_ids:
            self.run += text
            return self._certain(final=False)
        text_before = self._certain(final=True)
        if self.trims and not text_before and id in decoder.begins_blank:
            text = text[1:]
            self.trims = decoder.trims_all
        if text_before or text:
            self.trims = False
        return text_before + text

    def finish(self) -> bytes:
        """Give what was held back."""
        return self._certain(final=True)

    def _certain(self, *, final: bool) -> bytes:
        out = b""
        while self.run:
            try:
                text, taken = codecs.utf_8_decode(self.run, "strict", final)
            except UnicodeDecodeError as error:
                out += self.run[: error.start] + _REPLACEMENT
                self.run = self.run[error.start + 1 :]
                continue
            out += text.encode()
            self.run = self.run[taken:]
            break
        if out:
            self.trims = False
        return out


class PieceStreamDecoder:
    """Turns ids into text piece by piece; made by `SentencePieceTokenizer.stream_decoder`.

    Bytes that may still become a character are held back until they do, or until `finish`. All parts joined are what
    decoding all ids at once gives.
    """

    def __init__(self, decoder: PieceDecoder) -> None:
        self._decoder = decoder
        self._decoding = Decoding(decoder)

    def feed(self, ids: int | Iterable[int]) -> str:
        """Take one id or several; give the text that is certain now.

        Raises
        ------
        UnknownTokenError
            If an id is not in the vocabulary; then none of these ids counts.
        """
        row = list(ids) if isinstance(ids, Iterable) else [ids]
        for id in row:
            self._decoder.text_of(id)
        return b"".join(map(self._decoding.feed, row)).decode("utf-8", "replace")

    def finish(self) -> str:
        """Give what was held back, U+FFFD for what never became a character, and start afresh."""
        rest = self._decoding.finish()
        self._decoding = Decoding(self._decoder)
        return rest.decode("utf-8", "replace")
