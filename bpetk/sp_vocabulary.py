"""What a SentencePiece model is, and what can be asked about its pieces."""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import NoReturn

from bpetk.errors import ConfigError, UnknownTokenError
from bpetk.interop.sentencepiece_model import ModelFile, PieceType, require_bpe
from bpetk.report import TrainReport
from bpetk.sp_decoding import PieceDecoder
from bpetk.sp_encoder import PieceEncoder


class PieceVocabulary:
    """Model and look-ups of a `SentencePieceTokenizer`."""

    format = "sentencepiece"

    def __init__(
        self, model: ModelFile, *, source: str = "", train_report: TrainReport | None = None
    ) -> None:
        require_bpe(model, source or "the model")
        self._model = model
        self._native = PieceEncoder(model)
        self._source = source
        self._train_report = train_report

    @property
    def source(self) -> str:
        """The file it was read from, or an empty string."""
        return self._source

    @property
    def train_report(self) -> TrainReport | None:
        """How it was trained; None for a loaded tokenizer."""
        return self._train_report

    @property
    def model(self) -> ModelFile:
        """All that is in the file."""
        return self._model

    @property
    def definition(self) -> NoReturn:
        """Refuse: it has none of the stages that `Tokenizer` has.

        Raises
        ------
        ConfigError
            Always.
        """
        raise ConfigError(
            f"{self.source or 'this'} is a model of SentencePiece, which this does not take: it can be encoded and "
            "decoded with"
        )

    @property
    def merges(self) -> NoReturn:
        """Refuse: such a model lists pieces with scores, not merges.

        Raises
        ------
        ConfigError
            Always.
        """
        raise ConfigError(
            "a model of SentencePiece has no list of merges, but pieces with scores: model.pieces"
        )

    @property
    def scheme(self) -> NoReturn:
        """Refuse: such a model does not cut text before merging.

        Raises
        ------
        ConfigError
            Always.
        """
        raise ConfigError(
            "a model of SentencePiece has no scheme: text is normalized, but not cut before merging"
        )

    @property
    def roles(self) -> dict[str, str]:
        """Text of the piece for each of ``bos``, ``eos``, ``pad``, ``unk`` that there is."""
        ids = {"bos": self.bos_id, "eos": self.eos_id, "pad": self.pad_id, "unk": self.unk_id}
        return {role: self._model.pieces[id].text for role, id in ids.items() if id is not None}

    @cached_property
    def bos_id(self) -> int | None:
        """Id of the piece that begins a text."""
        return self._model.bos_id

    @cached_property
    def eos_id(self) -> int | None:
        """Id of the piece that ends a text."""
        return self._model.eos_id

    @cached_property
    def pad_id(self) -> int | None:
        """Id of the piece that fills up."""
        return self._model.pad_id

    @cached_property
    def unk_id(self) -> int | None:
        """Id of the unknown piece."""
        return self._model.unk_id

    @cached_property
    def vocab(self) -> dict[bytes, int]:
        """Ids of the pieces by their UTF-8, in id order; treat it as read-only."""
        pieces = self._native.pieces
        return {pieces.blob[start:end]: id for id, (start, end) in enumerate(pairwise(pieces.offsets))}

    @cached_property
    def special_tokens(self) -> dict[str, int]:
        """Ids of the control pieces, in id order; treat it as read-only. No text becomes one of them."""
        pieces = self._native.pieces
        return {pieces.text(id).decode(): id for id in pieces.ids(PieceType.CONTROL)}

    @property
    def added_tokens(self) -> dict[str, int]:
        """The control pieces, as `special_tokens`."""
        return self.special_tokens

    @property
    def vocab_size(self) -> int:
        """Number of pieces."""
        return len(self._model.pieces)

    @property
    def n_vocab(self) -> int:
        """Highest id + 1: how many rows an embedding needs."""
        return len(self._model.pieces)

    def token_to_id(self, token: bytes | str) -> int:
        """Look up a piece.

        Raises
        ------
        UnknownTokenError
            If there is no such piece.
        """
        id = self.vocab.get(token.encode("utf-8", "surrogatepass") if isinstance(token, str) else token)
        if id is None:
            raise UnknownTokenError(f"{token!r} is not in the vocabulary")
        return id

    def id_to_token(self, id: int) -> str:
        """Return a piece as the file has it.

        Raises
        ------
        UnknownTokenError
            If the id is not in the vocabulary.
        """
        self._decoder.text_of(id)
        return self._model.pieces[id].text

    def id_to_bytes(self, id: int) -> bytes:
        """Return the bytes that an id stands for when it is decoded, not at the beginning of a text.

        Raises
        ------
        UnknownTokenError
            If the id is not in the vocabulary.
        """
        return self._decoder.text_of(id)

    @cached_property
    def _decoder(self) -> PieceDecoder:
        return PieceDecoder(self._model)

    def _affixes(self, add_bos: bool, add_eos: bool) -> tuple[list[int], list[int]]:
        found: list[list[int]] = []
        for wanted, id, name in ((add_bos, self.bos_id, "bos"), (add_eos, self.eos_id, "eos")):
            if wanted and id is None:
                raise ConfigError(f"add_{name}: the model has no control piece for it")
            found.append([id] if wanted and id is not None else [])
        return found[0], found[1]
