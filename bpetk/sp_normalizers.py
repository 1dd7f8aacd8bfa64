"""Where the compiled map of a SentencePiece normalizer comes from: a model file, or the installed library.

The maps are the library's, and of its version: a model is the same byte for byte only with the same one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bpetk._sp_normalizer import Normalizer
from bpetk.errors import ConfigError, MissingDependencyError, ModelFileError
from bpetk.interop.sentencepiece_model import looks_like_model, read_model
from bpetk.interop.wire_format import BYTES, fields
from bpetk.sp_options import SpOptions

if TYPE_CHECKING:
    from sentencepiece import SentencePieceNormalizer

RULE_SETS = ("identity", "nfkc", "nmt_nfkc", "nfkc_cf", "nmt_nfkc_cf")

_NAME, _MAP = 1, 2  # fields of a normalizer's message


@dataclass(frozen=True)
class NormalizerMap:
    """A compiled map (empty: no rules), what models call it, and where it was taken from, for people."""

    name: str
    blob: bytes
    source: str

    def normalizer(self, options: SpOptions) -> Normalizer:
        """Make the normalizer of a training."""
        try:
            return Normalizer(
                self.blob or None,
                add_dummy_prefix=options.add_dummy_prefix,
                remove_extra_whitespaces=options.remove_extra_whitespaces,
                escape_whitespaces=options.escape_whitespaces,
                suffix=options.treat_whitespace_as_suffix,
            )
        except ValueError as error:
            raise ModelFileError(f"the normalization map of {self.source} is malformed: {error}") from error


def find_map(options: SpOptions, normalizer_from: str | os.PathLike[str] | None = None) -> NormalizerMap:
    """Find the map that the options ask for.

    Parameters
    ----------
    options
        Of these, ``normalization_rule_name`` and ``normalization_rule_tsv``.
    normalizer_from
        A model file to take the map of; without, the library has to be installed, but for ``identity``.

    Returns
    -------
    NormalizerMap
        The map, as it stands there.

    Raises
    ------
    ConfigError
        If there is no such rule set, or the model file has another one.
    ModelFileError
        If the model file is missing or malformed.
    MissingDependencyError
        If the library is needed and not installed.

    Examples
    --------
    >>> find_map(SpOptions.from_kwargs(normalization_rule_name="identity"))
    NormalizerMap(name='identity', blob=b'', source='no rules')
    """
    if normalizer_from is not None:
        return _from_model(options, os.fspath(normalizer_from))
    name = options.normalization_rule_name
    if options.normalization_rule_tsv:
        return _from_library(name, options.normalization_rule_tsv)
    if name not in RULE_SETS:
        raise ConfigError(f"normalization_rule_name={name!r} is unknown; known are {', '.join(RULE_SETS)}")
    return NormalizerMap(name, b"", "no rules") if name == "identity" else _from_library(name)


def _from_model(options: SpOptions, path: str) -> NormalizerMap:
    if options.normalization_rule_tsv:
        raise ConfigError("normalization_rule_tsv and a model to take the normalizer from exclude each other")
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise ModelFileError(f"cannot read {path}: {reason}") from error
    try:
        spec = read_model(data, path).normalizer
    except ModelFileError as error:
        if looks_like_model(data):
            raise
        raise ModelFileError(f"{path}: is not a model of SentencePiece") from error
    name = spec.name or options.normalization_rule_name
    if "normalization_rule_name" in options.given and name != options.normalization_rule_name:
        raise ConfigError(
            f"the normalizer of {path} is {name!r}, but normalization_rule_name={options.normalization_rule_name!r} "
            "was asked for; leave one of them out"
        )
    return NormalizerMap(name, spec.precompiled or b"", path)


def _from_library(name: str, tsv: str = "") -> NormalizerMap:
    what = "normalization_rule_tsv" if tsv else f"normalization_rule_name={name}"
    try:
        from sentencepiece import SentencePieceNormalizer, __version__
    except ImportError as error:
        other = (
            ""
            if tsv
            else ", or take the rules from a model that has them with normalizer_from= "
            "(--normalizer-from X.model), or have none with normalization_rule_name=identity"
        )
        raise MissingDependencyError(
            f"{what} needs the compiled rules of the package 'sentencepiece', which is not installed: "
            f"pip install 'bpetk[sentencepiece]'{other}"
        ) from error
    try:
        made = _compiled(tsv) if tsv else SentencePieceNormalizer(rule_name=name)
        message: bytes = made.serialized_normalizer_spec()
    except (RuntimeError, OSError, ValueError) as error:
        raise ConfigError(f"{what}: sentencepiece cannot compile {tsv or name}: {error}") from error
    found = {field.number: field.value for field in fields(message, 0, len(message)) if field.layout == BYTES}
    blob = found.get(_MAP, b"")
    assert isinstance(blob, bytes)
    return NormalizerMap("user_defined" if tsv else name, blob, f"sentencepiece {__version__}")


def _compiled(tsv: str) -> SentencePieceNormalizer:
    """Have the library compile a file of rules, without the lines that it logs at that to standard error."""
    from sentencepiece import SentencePieceNormalizer, SetMinLogLevel

    SetMinLogLevel(2)
    try:
        return SentencePieceNormalizer(rule_tsv=tsv)
    finally:
        SetMinLogLevel(0)  # the library's own; it cannot be asked for what it was
