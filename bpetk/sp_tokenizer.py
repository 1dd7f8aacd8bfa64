"""The tokenizer of a SentencePiece model as users hold it: text to ids and back."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from bpetk.errors import ConfigError
from bpetk.id_decoding import id_row
from bpetk.interop.loading import find_sentencepiece, read_file
from bpetk.interop.objects import model_of_processor
from bpetk.interop.sentencepiece_model import ModelFile, read_model, write_model
from bpetk.model_file import save_sentencepiece
from bpetk.report import TrainReport
from bpetk.sp_decoding import PieceStreamDecoder
from bpetk.sp_text_encoding import PieceTextEncoder
from bpetk.text_encoding import check_dtype
from bpetk.text_files import check_utf8, join_parts, read_parts, separator_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

PART_BYTES = 16 << 20
"""Bytes of a file that `SentencePieceTokenizer.iter_encode_file` takes at a time."""


class SentencePieceTokenizer(PieceTextEncoder):
    """A tokenizer with a BPE model of SentencePiece: ids, pieces, offsets and text are those of sentencepiece 0.2.3.

    Immutable, safe to share between threads and after a fork, picklable, and equal to another one of the same model.
    `Tokenizer.from_file` gives one for a ``.model`` file. Its methods are those of `Tokenizer`; those that encode take

    add_bos, add_eos
        Put the control piece that begins a text in front, the one that ends it behind.
    reverse
        Give the pieces in reverse order; the control pieces stay where they are.

    A text that spells a control piece is ordinary text, so there is nothing to allow or to forbid:
    ``disallowed_special`` refuses only strings that it is given, and ``allowed_special`` with a token in it, or
    ``add_special_tokens``, is refused. A byte that is part of no character counts as U+FFFD, but in a file it is an
    error.

    Parameters
    ----------
    model
        A model file as `bpetk.interop.sentencepiece_model.read_model` gives it.
    source
        The file it was read from, for errors.

    Raises
    ------
    ModelFileError
        If it is no BPE model, or holds something that cannot be reproduced exactly.

    Examples
    --------
    >>> from bpetk.interop.sentencepiece_model import ModelFile, NormalizerSpec, Piece, PieceType
    >>> pieces = [Piece("<unk>", 0.0, PieceType.UNKNOWN), Piece("<s>", 0.0, PieceType.CONTROL)]
    >>> pieces += [Piece("\u2581a", -1.0), Piece("\u2581", -2.0), Piece("a", -3.0)]
    >>> tok = SentencePieceTokenizer(ModelFile(pieces, {"model_type": 2}, NormalizerSpec("identity", b"")))
    >>> tok
    SentencePieceTokenizer(vocab_size=5)
    >>> tok.encode("a ab", add_bos=True), tok.encode_pieces("a ab")
    ([1, 2, 2, 0], ['▁a', '▁a', 'b'])
    >>> tok.decode([1, 2, 2])
    'a a'
    """

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        *,
        format: str | None = None,
        scheme: str | None = None,
        pattern: str | None = None,
        special_tokens: Mapping[str, int] | None = None,
    ) -> SentencePieceTokenizer:
        """Load a ``.model`` file, or the one in a folder.

        Parameters
        ----------
        path
            The file, or a folder with just one.
        format
            None or ``"sentencepiece"``.
        scheme, pattern, special_tokens
            Refused: the file says it itself.

        Raises
        ------
        ModelFileError
            If it is malformed, no model of SentencePiece, or one that is not BPE.
        ConfigError
            If another format is asked for, or something is given that the file says.
        """
        model = find_sentencepiece(path, "sentencepiece" if format is None else format)
        if model is None:
            raise ConfigError(f"a SentencePieceTokenizer has the format 'sentencepiece', not {format!r}")
        if scheme is not None or pattern is not None or special_tokens is not None:
            raise ConfigError(
                f"scheme, pattern and special_tokens cannot be given: {str(model)!r} says it itself"
            )
        return cls.from_bytes(read_file(model), source=str(model))

    @classmethod
    def from_object(cls, obj: Any) -> SentencePieceTokenizer:
        """Take over a loaded ``sentencepiece.SentencePieceProcessor``.

        What was set by its ``set_encode_extra_options`` cannot be seen from outside, and is not taken over.

        Raises
        ------
        ConfigError
            If it is something else, or adds or changes something in all that it encodes.
        ModelFileError
            If it holds no model, or one that is not BPE.
        """
        return cls.from_bytes(model_of_processor(obj), source="SentencePieceProcessor")

    @classmethod
    def from_bytes(cls, data: bytes, *, source: str = "the model") -> SentencePieceTokenizer:
        """Take a ``.model`` file from memory.

        Raises
        ------
        ModelFileError
            If it is malformed, or no BPE model; the message names the field.
        """
        tokenizer = cls(read_model(data, source), source=source)
        tokenizer._native.encoder  # noqa: B018 - the tables belong to loading, not to the first text
        tokenizer._native.plan  # noqa: B018
        return tokenizer

    def to_bytes(self) -> bytes:
        """Give the ``.model`` file, byte for byte as the library writes it."""
        return write_model(self._model)

    def save(
        self,
        directory: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        roles: Mapping[str, str] | None = None,
    ) -> None:
        """Write a directory with ``tokenizer.model`` and ``manifest.json``, completely or not at all.

        The model is, byte for byte, the one that was loaded.

        Parameters
        ----------
        directory
            Made if absent, parents included. A tokenizer that bpetk saved there is replaced.
        overwrite
            Write also into a directory that holds other things.
        roles
            None, or those that the model has: it says them itself.

        Raises
        ------
        OutputError
            If the directory holds other things, or cannot be written; then nothing was changed.
        ConfigError
            If the roles are others.

        Examples
        --------
        >>> import bpetk, pathlib, tempfile
        >>> options = {"normalization_rule_name": "identity", "hard_vocab_limit": False}
        >>> sentences = ["low lower lowest"]
        >>> tok = bpetk.train_from_iterator(sentences, 16, algorithm="sentencepiece-bpe", **options).tokenizer
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     tok.save(pathlib.Path(folder, "tok"))
        ...     bpetk.Tokenizer.from_file(pathlib.Path(folder, "tok")) == tok
        True
        """
        if roles is not None and dict(roles) != self.roles:
            raise ConfigError(f"roles: the model says them itself, {self.roles}")
        save_sentencepiece(directory, self._model, self.roles, report=self._train_report, overwrite=overwrite)

    def save_image(self, path: str | os.PathLike[str]) -> NoReturn:
        """Refuse: a ``.model`` file loads about as fast as an image of it would.

        Raises
        ------
        ConfigError
            Always.
        """
        raise ConfigError(
            f"{str(path)!r}: no images are made of models of SentencePiece, which load fast by themselves; "
            "save() writes the model"
        )

    # --- files --------------------------------------------------------------------------------------------------------

    def encode_file(
        self, path: str | os.PathLike[str], *, dtype: str = "uint32", **options: Any
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Encode the documents of a file; options as `iter_encode_file`.

        Returns
        -------
        tuple[numpy.ndarray, numpy.ndarray]
            Ids and row offsets, as `encode_batch_flat`.
        """
        check_dtype(dtype, self.n_vocab)
        return join_parts(self.iter_encode_file(path, dtype=dtype, **options), dtype)

    def iter_encode_file(
        self,
        path: str | os.PathLike[str],
        *,
        separator: str | bytes | None = None,
        encoding: str = "utf-8",
        part_bytes: int = PART_BYTES,
        **options: Any,
    ) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        """Encode the documents of a file part by part.

        Parameters
        ----------
        path
            A file of text.
        separator
            What stands between two documents and belongs to none, such as a newline; None: the file is one document.
        encoding
            What the file is in.
        part_bytes
            About how many bytes are taken at a time; a document, which is normalized as a whole, may be longer.
        options
            As `encode_batch_flat`.

        Yields
        ------
        tuple[numpy.ndarray, numpy.ndarray]
            Ids, and int64 the places among them where documents end.

        Raises
        ------
        CorpusFileError
            If the file cannot be read.
        InvalidEncodingError
            If it is not in this encoding; the message says where.
        """
        for documents, _ in read_parts(path, separator_bytes(separator), max(1, part_bytes), None, encoding):
            check_utf8(path, documents, encoding)
            ids, rows = self.encode_batch_flat(documents, **options)
            yield ids, rows[1:]

    # --- ids to text --------------------------------------------------------------------------------------------------

    def decode(self, ids: Iterable[int], errors: str = "replace", skip_special_tokens: bool = False) -> str:
        """Turn ids into text.

        Parameters
        ----------
        ids
            Control pieces among them have no text.
        errors
            What to do with what is not UTF-8, which only the model's text for the unknown piece can be.
        skip_special_tokens
            Has no effect: control pieces are never seen.

        Raises
        ------
        UnknownTokenError
            If an id is not in the vocabulary.
        """
        return self.decode_bytes(ids).decode("utf-8", errors)

    def decode_bytes(self, ids: Iterable[int], skip_special_tokens: bool = False) -> bytes:
        """Turn ids into text, as UTF-8."""
        return self._decoder.decode(id_row(ids))

    def decode_batch(
        self, rows: Iterable[Iterable[int]], errors: str = "replace", skip_special_tokens: bool = False
    ) -> list[str]:
        """Turn the ids of several documents into text, as `decode`."""
        return [self.decode(ids, errors) for ids in rows]

    def decode_with_offsets(self, ids: Iterable[int]) -> tuple[str, list[int]]:
        """Turn ids into text, and say at which code point each piece begins.

        Returns
        -------
        tuple[str, list[int]]
            Bytes of one character all have its position.

        Raises
        ------
        ConfigError
            If the model changes text after decoding, so that pieces have no places in it.
        UnknownTokenError
            If an id is not in the vocabulary.
        UnicodeDecodeError
            If the model's text for the unknown piece is not UTF-8.
        """
        return self._decoder.decode_with_starts(id_row(ids))

    def stream_decoder(self, skip_special_tokens: bool = False) -> PieceStreamDecoder:
        """Give an object that turns ids into text as they come.

        Raises
        ------
        ConfigError
            If the model changes text after decoding.
        """
        if self._decoder.denormalizer is not None:
            raise ConfigError(
                "this model's denormalizer changes text across pieces, so it cannot decode a stream"
            )
        return PieceStreamDecoder(self._decoder)

    def __len__(self) -> int:
        """Return the number of pieces."""
        return self.vocab_size

    def __eq__(self, other: object) -> bool:
        """Compare the models."""
        if not isinstance(other, SentencePieceTokenizer):
            return NotImplemented
        mine, theirs = self._packed_model(), other._packed_model()
        return mine == theirs or write_model(mine) == write_model(theirs)

    def __hash__(self) -> int:
        """Agree with ``==``."""
        return hash((len(self._model.pieces), self._model.pieces[-1]))

    def __repr__(self) -> str:
        """Name the size."""
        return f"SentencePieceTokenizer(vocab_size={self.vocab_size})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the file's content without what was derived from it."""
        return _restored, (self._packed_model(), self.source, self._train_report)

    def _packed_model(self) -> ModelFile:
        return replace(self._model, pieces=self._native.pieces)


def _restored(model: ModelFile, source: str, report: TrainReport | None) -> SentencePieceTokenizer:
    return SentencePieceTokenizer(model, source=source, train_report=report)
