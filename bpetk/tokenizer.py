"""The tokenizer as users hold it: text to ids and back, over an immutable model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from bpetk.definition import Definition
from bpetk.file_encoding import FileEncoder
from bpetk.id_decoding import IdDecoder
from bpetk.interop.image import write_image
from bpetk.interop.loading import find_sentencepiece, load_definition
from bpetk.model_file import save_tokenizer
from bpetk.report import TrainReport
from bpetk.sp_tokenizer import SentencePieceTokenizer


class Tokenizer(FileEncoder, IdDecoder):
    """A BPE tokenizer, over bytes or, as Hugging Face's files of Llama 2 or Gemma have it, over characters.

    Immutable, safe to share between threads and after a fork, picklable, and equal to another one of the same
    content. Make one with `bpetk.train`, `Tokenizer.from_file` or `Tokenizer.from_object`.

    All methods that encode take the same options:

    allowed_special
        Special tokens to encode as such where their text occurs: a set, or ``"all"``.
    disallowed_special
        Strings that must not be in the text; ``"all"`` means the special tokens that are not allowed. With ``()`` a
        special token that is not allowed is ordinary text. Added tokens that are not special are always matched.
    add_special_tokens
        Put in what the post-processor of the file adds around a text.

    The first two are tiktoken's, and so are their defaults: text from outside cannot smuggle in control tokens.
    Hugging Face's own behaviour is ``allowed_special="all"``.

    Parameters
    ----------
    definition
        The model and the stages around it; a bare `BpeModel` for one that was trained.
    roles
        Special token for each of ``bos``, ``eos``, ``pad``, ``unk`` that there is, instead of the definition's.
    train_report
        How it was trained.

    Raises
    ------
    ConfigError
        If a role is unknown or its token is not a special token of the model.

    Examples
    --------
    >>> import bpetk
    >>> tok = bpetk.train_from_iterator(["ab ab"], vocab_size=258, special_tokens=["<s>"])
    >>> tok
    Tokenizer(scheme='cl100k', vocab_size=258, special_tokens=1)
    >>> tok.merges
    [(b'a', b'b')]
    >>> tok.encode("abab"), tok.encode("<s>ab", allowed_special={"<s>"})
    ([257, 257], [0, 257])
    >>> tok.decode([0, 257])
    '<s>ab'
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
    ) -> Tokenizer:
        """Load a tokenizer.

        What a file of ranks does not say, and is not given here, is taken from ``<file>.json`` beside it, if there is
        one such as `bpetk.convert` writes; `source` then names it.

        Parameters
        ----------
        path
            A file, or a directory that holds one. What it is, is seen from its content: ``tokenizer.json``, a file of
            ranks as tiktoken has them, Mistral's ``tekken.json``, ``vocab.json`` with ``merges.txt`` beside, an
            image (`save_image`), a ``.model`` of SentencePiece. A directory is searched for the first four and a
            model, in the order ``tokenizer.json``, ``tekken.json``, model, ranks, ``vocab.json``.
        format
            ``"hf"``, ``"tiktoken"``, ``"tekken"``, ``"gpt2"``, ``"image"`` or ``"sentencepiece"``, to take nothing
            else.
        scheme, pattern
            How text is cut, for a file of ranks, which does not say it: the name of a scheme, or a pattern in
            tiktoken's dialect.
        special_tokens
            Special tokens and their ids, for a file that does not say them.

        Returns
        -------
        Tokenizer
            For a model of SentencePiece a `SentencePieceTokenizer`, which has the same methods.

        Raises
        ------
        ModelFileError
            If a file is missing or malformed, or holds something that cannot be reproduced exactly; the message names
            the file and the field.
        ConfigError
            If an option is needed, or does not go with the file.
        """
        if (model := find_sentencepiece(path, format)) is not None:
            other = SentencePieceTokenizer.from_file(
                model, scheme=scheme, pattern=pattern, special_tokens=special_tokens
            )
            return cast("Tokenizer", other)
        definition = load_definition(
            path, format=format, scheme=scheme, pattern=pattern, special_tokens=special_tokens
        )
        tokenizer = cls(definition)
        tokenizer._pipeline.prepare()  # the tables belong to loading, not to the first text
        return tokenizer

    @classmethod
    def from_object(cls, obj: Any) -> Tokenizer:
        """Take over a tokenizer of another library.

        Parameters
        ----------
        obj
            A ``tokenizers.Tokenizer``, a fast tokenizer of transformers, a ``tiktoken.Encoding``, or a
            ``sentencepiece.SentencePieceProcessor``.

        Returns
        -------
        Tokenizer
            For a SentencePieceProcessor a `SentencePieceTokenizer`, which has the same methods.

        Raises
        ------
        ConfigError
            If it is none of these.
        ModelFileError
            If it holds something that cannot be reproduced exactly.
        """
        from bpetk.interop.objects import definition_from_object, is_processor

        if is_processor(obj):
            return cast("Tokenizer", SentencePieceTokenizer.from_object(obj))
        return cls(definition_from_object(obj))

    def save(
        self,
        directory: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        roles: Mapping[str, str] | None = None,
    ) -> None:
        """Write a directory that tokenizers and transformers load, completely or not at all.

        Writes ``tokenizer.json``, ``tokenizer_config.json`` and ``manifest.json``, with scheme ``gpt2`` also
        ``vocab.json`` and ``merges.txt``.

        Parameters
        ----------
        directory
            Made if absent, parents included. A tokenizer that bpetk saved there is replaced.
        overwrite
            Write also into a directory that holds other things.
        roles
            Instead of this tokenizer's own: ``{"eos": "<|endoftext|>"}``; keys ``bos``, ``eos``, ``pad``,
            ``unk``.

        Raises
        ------
        OutputError
            If the directory holds other things, or cannot be written; then nothing was changed.
        ConfigError
            If a role's token is not a special token.

        Examples
        --------
        >>> import bpetk, pathlib, tempfile
        >>> tok = bpetk.train_from_iterator(["ab ab"], vocab_size=257)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     tok.save(pathlib.Path(folder, "tok"))
        ...     Tokenizer.from_file(pathlib.Path(folder, "tok")) == tok
        True
        """
        save_tokenizer(
            directory,
            self._definition,
            roles=self._roles if roles is None else roles,
            report=self._train_report,
            overwrite=overwrite,
        )

    def save_image(self, path: str | os.PathLike[str]) -> None:
        """Write one file that `from_file` loads some twenty times as fast as a ``tokenizer.json``.

        It holds the tables that encoding needs as they stand in memory. It is for many short-lived processes, not for
        keeping: a later version of bpetk may ask for it to be made again from the tokenizer's own files.

        Parameters
        ----------
        path
            Replaced if it is an image, refused if it is anything else.

        Raises
        ------
        OutputError
            If it cannot be written, or is another file; then nothing was changed.
        ConfigError
            If the tokens are characters.

        Examples
        --------
        >>> import bpetk, pathlib, tempfile
        >>> tok = bpetk.train_from_iterator(["ab ab"], vocab_size=257)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     tok.save_image(pathlib.Path(folder, "tok.bpetk"))
        ...     Tokenizer.from_file(pathlib.Path(folder, "tok.bpetk")) == tok
        True
        """
        definition = replace(self._definition, roles=dict(self._roles))
        write_image(path, definition, self._pipeline.encoder)

    def __len__(self) -> int:
        """Return the number of ids, added tokens included."""
        return self.vocab_size

    def __eq__(self, other: object) -> bool:
        """Compare model, stages and roles; how they came about does not matter."""
        if not isinstance(other, Tokenizer):
            return NotImplemented
        mine, theirs = self._definition, other._definition
        return self._model == other._model and self._roles == other._roles and mine.stages == theirs.stages

    def __hash__(self) -> int:
        """Agree with ``==``."""
        return hash(self._model)

    def __repr__(self) -> str:
        """Name scheme and sizes."""
        special = f", special_tokens={len(self.special_tokens)}" if self.special_tokens else ""
        return f"Tokenizer(scheme={self.scheme.name!r}, vocab_size={self.vocab_size}{special})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the content without what was derived from it."""
        return _restored, (self._definition, self._roles, self._train_report)


def _restored(definition: Definition, roles: Mapping[str, str], report: TrainReport | None) -> Tokenizer:
    return Tokenizer(definition, roles=roles, train_report=report)
