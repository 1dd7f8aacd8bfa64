"""Ids to text: the methods of a `Tokenizer` that decode."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from bpetk._decoder import Decoder as NativeDecoder
from bpetk.character_decoding import CharacterStreamDecoder
from bpetk.decoders import Decoder, decoder_from_hf, token_bytes
from bpetk.errors import ConfigError, DocumentTypeError
from bpetk.streaming import StreamDecoder
from bpetk.tokenizer_base import TokenizerBase


class IdDecoder(TokenizerBase):
    """The methods of a `Tokenizer` that take ids."""

    def decode(self, ids: Iterable[int], errors: str = "replace", skip_special_tokens: bool = False) -> str:
        """Turn ids into text.

        Parameters
        ----------
        ids
            Added tokens among them become their text.
        errors
            What to do with bytes that are not UTF-8, such as half of a character: as in ``bytes.decode``.
        skip_special_tokens
            Leave special tokens out.

        Raises
        ------
        UnknownTokenError
            If an id is not in the vocabulary.
        UnicodeDecodeError
            With ``errors="strict"``, if the bytes are not UTF-8.
        """
        if (characters := self._characters) is not None:
            row = self._taken(id_row(ids), skip_special_tokens)
            return characters.decode(row) if errors == "replace" else characters.decode_strict(row, errors)
        decoder = self._decoder
        if decoder is None or decoder.byte_level:
            return self._bytes(ids, skip_special_tokens).decode("utf-8", errors)
        special = self._skipped if skip_special_tokens else frozenset()
        return decoder.decode([self.id_to_token(id) for id in id_row(ids) if id not in special])

    def decode_bytes(self, ids: Iterable[int], skip_special_tokens: bool = False) -> bytes:
        """Turn ids into the bytes of their tokens, one after the other.

        Raises
        ------
        UnknownTokenError
            If an id is not in the vocabulary.
        """
        if (characters := self._characters) is not None:
            return characters.decode_bytes(self._taken(id_row(ids), skip_special_tokens))
        return self._bytes(ids, skip_special_tokens)

    def decode_batch(
        self, rows: Iterable[Iterable[int]], errors: str = "replace", skip_special_tokens: bool = False
    ) -> list[str]:
        """Turn the ids of several documents into text, as `decode`."""
        return [self.decode(ids, errors, skip_special_tokens) for ids in rows]

    def decode_with_offsets(self, ids: Iterable[int]) -> tuple[str, list[int]]:
        """Turn ids into text, and say at which code point each token begins.

        Returns
        -------
        tuple[str, list[int]]
            A token that begins inside a character has that character's position, as in tiktoken.

        Raises
        ------
        UnknownTokenError
            If an id is not in the vocabulary.
        UnicodeDecodeError
            If the bytes are not UTF-8.
        """
        offsets, started = [], 0
        if (characters := self._characters) is not None:
            parts = characters.parts(self._taken(id_row(ids), False))
        else:
            parts = [self.id_to_bytes(id) for id in ids]
        for part in parts:
            offsets.append(max(0, started - (bool(part) and 0x80 <= part[0] < 0xC0)))
            started += sum(not 0x80 <= byte < 0xC0 for byte in part)
        return b"".join(parts).decode("utf-8"), offsets

    def stream_decoder(self, skip_special_tokens: bool = False) -> StreamDecoder | CharacterStreamDecoder:
        """Give an object that turns ids into text as they come.

        Raises
        ------
        ConfigError
            If the decoder of this tokenizer is not a byte-level one.
        """
        if (characters := self._characters) is not None:
            return characters.stream(lambda ids: self._taken(ids, skip_special_tokens))
        if self._decoder is not None and not self._decoder.byte_level:
            raise ConfigError(
                "this tokenizer's decoder changes text across tokens, so it cannot decode a stream"
            )
        return StreamDecoder(lambda ids: self._bytes(ids, skip_special_tokens))

    @cached_property
    def _decoder(self) -> Decoder | None:
        section, format = self._definition.sections.decoder, self._definition.kind
        # A tokenizer.json without a decoder joins tokens with blanks; other files have none and mean bytes.
        return None if section is None and format != "hf" else decoder_from_hf(section, "decoder")

    def _taken(self, ids: list[int], skip_special: bool) -> list[int]:
        """Check that ids are in the vocabulary; leave special ones out if that is wanted."""
        if not (known := self._texts.keys()) >= set(ids):
            raise self._unknown(next(id for id in ids if id not in known))
        return [id for id in ids if id not in self._skipped] if skip_special else ids

    @cached_property
    def _native_decoder(self) -> NativeDecoder:
        model = self._model
        blob, offsets = model.table
        unknown = (
            [] if model.vocab_size == model.n_vocab else set(range(model.n_vocab)) - set(model.token_bytes)
        )
        return NativeDecoder(blob, offsets, unknown=unknown, special=self._skipped)

    @cached_property
    def _skipped(self) -> frozenset[int]:
        """What ``skip_special_tokens`` leaves out; the reference knows them by their text as decoding shows it."""
        special, reshaped = self.special_tokens, self._reshaped
        named = frozenset(id for id, text in reshaped.items() if text in special)
        return frozenset(special.values()) - frozenset(reshaped) | named

    def _bytes(self, ids: Iterable[int], skip_special: bool) -> bytes:
        rows = id_row(ids)
        data: bytes | int = self._native_decoder.decode(rows, skip_special=skip_special)
        if isinstance(data, int):
            raise self._unknown(rows[data])
        if self._reshaped and not self._reshaped.keys().isdisjoint(rows):
            kept = [id for id in rows if not (skip_special and id in self._skipped)]
            return b"".join(
                token_bytes(self._reshaped[id]) if id in self._reshaped else self.id_to_bytes(id)
                for id in kept
            )
        return data


def id_row(ids: Iterable[int]) -> list[int]:
    """Give ids as a list; refuse what is not a row of them."""
    rows = ids.tolist() if hasattr(ids, "tolist") else ids
    if isinstance(rows, int | str | bytes) or not isinstance(rows, Iterable):
        raise DocumentTypeError(f"ids must be a list or an array of ids, not {type(ids).__name__}")
    rows = list(rows)
    if rows and isinstance(rows[0], Iterable):
        raise DocumentTypeError("ids must be those of one document; decode_batch takes those of several")
    return rows
