"""What a tokenizer is: its model and stages, and what can be asked about its tokens."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import PurePath

from bpetk.character_decoding import CharacterDecoder
from bpetk.character_model import CharacterModel
from bpetk.character_pipeline import CharacterPipeline
from bpetk.decoders import decoder_from_hf
from bpetk.definition import Definition
from bpetk.errors import UnknownTokenError
from bpetk.interop.tokenizer_config import check_roles
from bpetk.model import BpeModel
from bpetk.pipeline import Pipeline
from bpetk.pretokenizers import Scheme
from bpetk.report import TrainReport


class TokenizerBase:
    """Definition, vocabulary and look-ups of a `Tokenizer`."""

    def __init__(
        self,
        definition: Definition | BpeModel,
        *,
        roles: Mapping[str, str] | None = None,
        train_report: TrainReport | None = None,
    ) -> None:
        if isinstance(definition, BpeModel):
            definition = Definition(definition)
        self._definition = definition
        self._model = definition.model
        self._roles = check_roles(definition.model, definition.roles if roles is None else roles)
        self._train_report = train_report

    @property
    def definition(self) -> Definition:
        """The model, and the settings of the stages around it."""
        return self._definition

    @property
    def model(self) -> BpeModel:
        """Alphabet, merges and added tokens."""
        return self._model

    @property
    def format(self) -> str:
        """What it was read from: one of `Tokenizer.from_file`'s formats, or ``"trained"``."""
        return self._definition.format

    @property
    def source(self) -> str:
        """The file it was read from, or an empty string.

        If the file beside a rank file was used too, that is said: ``"my.tiktoken (with my.tiktoken.json)"``.
        """
        source, beside = self._definition.source, self._definition.beside
        return f"{source} (with {PurePath(beside).name})" if beside else source

    @property
    def scheme(self) -> Scheme:
        """How text is cut before merging."""
        return self._model.scheme

    @property
    def roles(self) -> dict[str, str]:
        """Special token for each of ``bos``, ``eos``, ``pad``, ``unk`` that there is."""
        return dict(self._roles)

    @property
    def train_report(self) -> TrainReport | None:
        """How it was trained; None for a loaded tokenizer."""
        return self._train_report

    @property
    def merges(self) -> list[tuple[bytes, bytes]]:
        """Parts of each merge, in rank order; treat it as read-only."""
        return self._model.merges

    @property
    def vocab(self) -> dict[bytes, int]:
        """Ids of the model tokens, in id order; treat it as read-only."""
        return self._model.vocab

    @property
    def added_tokens(self) -> dict[str, int]:
        """Ids of the added tokens, special ones included, in id order; treat it as read-only."""
        return self._model.added_ids

    @cached_property
    def special_tokens(self) -> dict[str, int]:
        """Ids of the added tokens that are special, in id order; treat it as read-only."""
        return {token.content: token.id for token in self._model.added_tokens if token.special}

    @property
    def vocab_size(self) -> int:
        """Number of ids, added tokens included."""
        return self._model.vocab_size

    @property
    def n_vocab(self) -> int:
        """Highest id + 1: how many rows an embedding needs."""
        return self._model.n_vocab

    def token_to_id(self, token: bytes | str) -> int:
        """Look up a token.

        Parameters
        ----------
        token
            Bytes for a model token; a str for an added token, or else for a model token as plain text.

        Raises
        ------
        UnknownTokenError
            If there is no such token.
        """
        model = self._model
        id = model.added_ids.get(token) if isinstance(token, str) else None
        if id is None:
            id = model.vocab.get(token.encode("utf-8", "surrogatepass") if isinstance(token, str) else token)
        if id is None:
            raise UnknownTokenError(f"{token!r} is not in the vocabulary")
        return id

    def id_to_bytes(self, id: int) -> bytes:
        """Return the bytes that an id stands for when it is decoded.

        Raises
        ------
        UnknownTokenError
            If the id is not in the vocabulary.
        """
        try:
            if (characters := self._characters) is not None:
                return characters.inner[id]
            return self._model.token_bytes[id]
        except (KeyError, TypeError):
            raise self._unknown(id) from None

    def id_to_token(self, id: int) -> str:
        """Return the text of an id as files have it: byte-level text, or the content of an added token.

        Raises
        ------
        UnknownTokenError
            If the id is not in the vocabulary.
        """
        try:
            return self._texts[id]
        except (KeyError, TypeError):
            raise self._unknown(id) from None

    @cached_property
    def _characters(self) -> CharacterDecoder | None:
        """What decodes if tokens are characters."""
        if not isinstance(self._model, CharacterModel):
            return None
        return CharacterDecoder(self._texts, decoder_from_hf(self._definition.sections.decoder, "decoder"))

    @cached_property
    def _pipeline(self) -> Pipeline:
        if isinstance(self._model, CharacterModel):
            return CharacterPipeline(self._definition)
        return Pipeline(self._definition)

    @cached_property
    def _texts(self) -> dict[int, str]:
        added = {id: content for content, id in self._model.added_ids.items()}
        return added | self._model.strings | self._reshaped

    @cached_property
    def _reshaped(self) -> dict[int, str]:
        """Added tokens that are searched in normalized form: the reference decodes them in that form too."""
        if self._definition.sections.normalizer is None:
            return {}
        splitter = self._pipeline.splitter
        forms = zip(splitter.tokens, splitter.forms, strict=True)
        return {token.id: form for token, form in forms if form != token.content}

    def _unknown(self, id: object) -> UnknownTokenError:
        ids = f"ids are below {self.n_vocab}" if self.n_vocab else "it is empty"
        return UnknownTokenError(f"id {id!r} is not in the vocabulary; {ids}")
