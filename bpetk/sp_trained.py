"""What SentencePiece training gives: the pieces, and the two files that are written of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bpetk.errors import ConfigError, OutputError
from bpetk.interop.sentencepiece_model import ModelFile, Piece
from bpetk.report import TrainReport
from bpetk.sp_files import LearnedPieces
from bpetk.sp_model import assemble
from bpetk.sp_normalizers import NormalizerMap
from bpetk.sp_options import SpOptions

if TYPE_CHECKING:  # who trains may never encode
    from bpetk.sp_tokenizer import SentencePieceTokenizer

SUFFIX = ".model"


class SentencePieceModel:
    """A trained model of SentencePiece's kind. Immutable.

    Attributes
    ----------
    train_report : TrainReport
        What was asked for and what came out.
    options : SpOptions
        The options of the training; the file holds those that were given.

    Examples
    --------
    >>> import bpetk
    >>> options = {"normalization_rule_name": "identity", "hard_vocab_limit": False}
    >>> sentences = ["low lower lowest"]
    >>> model = bpetk.train_from_iterator(sentences, 16, algorithm="sentencepiece-bpe", **options)
    >>> model
    SentencePieceModel(vocab_size=16)
    >>> [piece.text for piece in model.pieces[3:6]]
    ['lo', 'low', '▁low']
    """

    def __init__(
        self,
        options: SpOptions,
        pieces: Sequence[str],
        alphabet: Sequence[str],
        normalizer: NormalizerMap,
        report: TrainReport,
    ) -> None:
        self.options = options
        self.train_report = report
        self._pieces, self._alphabet, self._normalizer = pieces, alphabet, normalizer
        self._learned = LearnedPieces(options, [*pieces, *alphabet], normalizer.blob, normalizer.name)

    def __repr__(self) -> str:
        return f"SentencePieceModel(vocab_size={self.vocab_size})"

    @cached_property
    def model_file(self) -> ModelFile:
        """All fields of the file, as `to_bytes` writes them."""
        normalizer = self._normalizer
        return assemble(self.options, self._pieces, self._alphabet, normalizer.blob, normalizer.name)

    @property
    def pieces(self) -> Sequence[Piece]:
        """The pieces by id: text, score, type."""
        return self.model_file.pieces

    @property
    def vocab_size(self) -> int:
        """Number of pieces."""
        return len(self._learned)

    @cached_property
    def tokenizer(self) -> SentencePieceTokenizer:
        """What encodes and decodes with this model, as `Tokenizer.from_file` gives it for the file."""
        from bpetk.sp_tokenizer import SentencePieceTokenizer

        return SentencePieceTokenizer(self.model_file, train_report=self.train_report)

    def with_report(self, report: TrainReport) -> SentencePieceModel:
        """Give the same model with another report."""
        made = copy(self)
        made.train_report = report
        return made

    def to_bytes(self) -> bytes:
        """Give the file as the library hands it to ``model_writer``."""
        return self._learned.model_bytes()

    def files(self, model_prefix: str) -> tuple[bytes, str]:
        """Give the files that the library writes for a ``model_prefix``, which is a field of the first.

        Parameters
        ----------
        model_prefix
            The path of the files without suffix.

        Returns
        -------
        tuple of bytes and str
            The content of ``<model_prefix>.model`` and of ``<model_prefix>.vocab``.
        """
        return self._learned.model_bytes(model_prefix), self._learned.vocab_bytes().decode()

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write ``<path>.model`` and ``<path>.vocab``; either both are there afterwards or nothing has changed.

        The path is also what the file has as ``model_prefix``.

        Parameters
        ----------
        path
            With or without the suffix ``.model``. Folders are made.
        overwrite
            Whether files of these names may be replaced.

        Raises
        ------
        OutputError
            If they cannot be written, or exist and may not be replaced.
        """
        prefix = prefix_of(path)
        check_output(prefix, overwrite=overwrite)
        self.write(prefix)

    def write(self, prefix: str) -> None:
        """Write the files of a ``model_prefix`` as `save` does, whatever is there."""
        model, vocab = self._learned.model_bytes(prefix), self._learned.vocab_bytes()
        write_files({Path(f"{prefix}{SUFFIX}"): model, Path(f"{prefix}.vocab"): vocab})


def prefix_of(path: str | os.PathLike[str]) -> str:
    """Give the path of the files without suffix.

    Examples
    --------
    >>> prefix_of("out/m.model"), prefix_of("out/m.v2")
    ('out/m', 'out/m.v2')
    """
    name = os.fspath(path)
    prefix = name.removesuffix(SUFFIX)
    if not os.path.basename(prefix):
        raise ConfigError(f"{name!r} names no file: give the path of the model, such as out/m.model")
    return prefix


def check_output(prefix: str, *, overwrite: bool) -> None:
    """Refuse files that cannot be written, or must not."""
    for path in (Path(f"{prefix}{SUFFIX}"), Path(f"{prefix}.vocab")):
        try:
            if path.is_dir():
                raise OutputError(f"cannot write {str(path)!r}: it is a directory")
            if os.path.lexists(path) and not overwrite:
                raise OutputError(
                    f"{str(path)!r} exists; choose another name, or pass overwrite=True (--overwrite) to replace it"
                )
            parent = next((p for p in path.absolute().parents if p.exists()), path)
        except (OSError, ValueError) as error:
            if isinstance(error, OutputError):
                raise
            reason = (error.strerror if isinstance(error, OSError) else None) or error
            raise OutputError(f"cannot write {str(path)!r}: {reason}") from error
        if not parent.is_dir():
            raise OutputError(f"cannot write {str(path)!r}: {str(parent)!r} is a file, not a folder")
        if not os.access(parent, os.W_OK | os.X_OK):
            raise OutputError(f"cannot write {str(path)!r}: no permission to write in {str(parent)!r}")


def write_files(files: Mapping[Path, bytes]) -> None:
    """Write all files or none: beside the old ones first, then one after the other into place.

    Raises
    ------
    OutputError
        If that fails; what was there before is there again.
    """
    mark = os.urandom(6).hex()  # as secrets does it, whose import takes 4 MB
    new = {path: path.with_name(f".{path.name[:64]}.{mark}.new") for path in files}
    old = {path: path.with_name(f".{path.name[:64]}.{mark}.old") for path in files}
    former = {path for path in files if os.path.lexists(path)}
    made: list[Path] = []
    placed: list[Path] = []
    try:
        for path, data in files.items():
            _make_folders(path.absolute().parent, made)
            with open(new[path], "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())  # a full disk may show only here
        for path in former:
            shutil.copy2(path, old[path], follow_symlinks=False)
        for path in files:
            placed.append(path)
            os.replace(new[path], path)
    except BaseException as error:
        for path in placed:
            with suppress(OSError):
                if path in former:
                    os.replace(old[path], path)
                else:
                    os.unlink(path)
        _remove(*new.values())
        for folder in reversed(made):
            with suppress(OSError):  # another program may use it by now
                folder.rmdir()
        if isinstance(error, OSError):
            named = next(iter(files))
            failure = OutputError(
                f"cannot write {str(named)!r}: {error.strerror or error}; nothing was changed"
            )
            failure.errno = error.errno
            raise failure from error
        raise
    finally:
        _remove(*new.values(), *old.values())


def _make_folders(folder: Path, made: list[Path]) -> None:
    for parent in reversed([folder, *folder.parents]):
        if not parent.exists():
            parent.mkdir(exist_ok=True)
            made.append(parent)


def _remove(*paths: Path) -> None:
    for path in paths:
        with suppress(OSError):
            os.unlink(path)
