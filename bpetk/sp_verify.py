"""Train with bpetk and with SentencePiece, and compare the files: byte for byte, and else field by field."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bpetk.api import ELSEWHERE, OWN, sentencepiece_training, train
from bpetk.corpus import PathInput, native_encoding, resolve
from bpetk.errors import ConfigError, MissingDependencyError
from bpetk.interop.sentencepiece_model import ModelFile, NormalizerSpec, Piece, read_model
from bpetk.report import SENTENCEPIECE
from bpetk.sp_normalizers import RULE_SETS
from bpetk.sp_trained import SentencePieceModel

_COMMON = {"encoding", "threads", "progress", "hash_inputs"}
_ARGUMENTS = {*_COMMON, *OWN, *ELSEWHERE}


def piece_text(piece: Piece) -> str:
    """Show a piece: its text, score and type.

    Examples
    --------
    >>> piece_text(Piece("ab", -1.0))
    "'ab' (score -1, NORMAL)"
    """
    return f"{piece.text!r} (score {piece.score:g}, {piece.type.name})"


def model_difference(ours: bytes, theirs: bytes) -> tuple[int, str | None]:
    """Compare two model files.

    Parameters
    ----------
    ours, theirs
        The files, of bpetk and of the reference.

    Returns
    -------
    tuple of int and str or None
        How many pieces are equal from the first on, and what differs first: a piece, then a field of what the trainer
        was told, then one of the normalizer. None if the files are the same, byte for byte.
    """
    a, b = read_model(ours, "bpetk's model"), read_model(theirs, "the reference's model")
    pairs = zip(a.pieces, b.pieces, strict=False)
    # Representations, because -0.0 is not 0.0 in a file.
    same = next((i for i, pair in enumerate(pairs) if repr(pair[0]) != repr(pair[1])), None)
    if same is not None:
        left, right = piece_text(a.pieces[same]), piece_text(b.pieces[same])
        return same, f"piece {same:,} (the first is 0): bpetk has {left}, the reference {right}"
    least = min(len(a.pieces), len(b.pieces))
    if len(a.pieces) != len(b.pieces):
        who, longer = ("bpetk", a) if len(a.pieces) > least else ("the reference", b)
        return least, (
            f"bpetk has {len(a.pieces):,} pieces, the reference {len(b.pieces):,}; the first {least:,} are equal, then "
            f"{who} goes on with {piece_text(longer.pieces[least])}"
        )
    if ours == theirs:
        return least, None
    return least, _field_difference(a, b)


def _field_difference(ours: ModelFile, theirs: ModelFile) -> str:
    for name in dict.fromkeys([*ours.trainer, *theirs.trainer]):
        a, b = ours.trainer.get(name), theirs.trainer.get(name)
        if repr(a) != repr(b):
            return f"trainer_spec.{name}: bpetk has {_shown(a)}, the reference {_shown(b)}"
    for name in NormalizerSpec.__dataclass_fields__:
        a, b = getattr(ours.normalizer, name), getattr(theirs.normalizer, name)
        if a != b:
            return f"normalizer_spec.{name}: bpetk has {_shown(a)}, the reference {_shown(b)}"
    return "the files have the same values, but other bytes"


def _shown(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bytes):
        return f"{len(value):,} bytes with SHA-256 {hashlib.sha256(value).hexdigest()[:12]}…"
    return repr(value)


def train_both(
    paths: PathInput | Sequence[PathInput], vocab_size: int, options: dict[str, Any]
) -> tuple[SentencePieceModel, str | None, int]:
    """Train both on the same files; return our model, what differs first, and how many pieces are equal.

    Parameters
    ----------
    paths, vocab_size
        As in ``bpetk.train``.
    options
        As in ``bpetk.train``. The reference is given those that are its own.

    Raises
    ------
    MissingDependencyError
        If the reference is not installed.
    ConfigError
        If the reference cannot do the same, and whatever ``bpetk.train`` refuses.
    """
    try:
        from sentencepiece import SentencePieceTrainer
    except ImportError as error:
        raise MissingDependencyError(
            "comparing with SentencePiece needs the package 'sentencepiece', which is not installed: "
            "pip install 'bpetk[verify]'"
        ) from error
    names = [source.name for source in resolve(paths)]
    if not native_encoding(options.get("encoding", "utf-8")):
        raise ConfigError(
            f"SentencePiece reads UTF-8 only, not {options['encoding']}: convert the files before"
        )
    plain = {name: value for name, value in options.items() if name not in _ARGUMENTS}
    own = {name: value for name, value in options.items() if name in OWN}
    if sentencepiece_training(vocab_size, {**plain, **own}).options.samples:
        raise ConfigError(
            "input_sentence_size with shuffling cannot be compared: SentencePiece draws other sentences in every run; "
            "set shuffle_input_sentence=false"
        )
    ours = train(names, vocab_size, algorithm=SENTENCEPIECE, **options)
    if options.get("keep_long_sentences"):
        plain["max_sentence_length"] = ours.options.max_sentence_length
    if (name := ours.model_file.normalizer.name) in RULE_SETS and "normalizer_from" in options:
        plain["normalization_rule_name"] = name
    plain = {"model_type": "bpe", "minloglevel": 4, **plain}
    with tempfile.TemporaryDirectory(prefix="bpetk-verify-") as folder:
        prefix = os.path.join(folder, "model")
        try:
            SentencePieceTrainer.train(input=names, model_prefix=prefix, vocab_size=vocab_size, **plain)
        except (RuntimeError, ValueError, OSError) as error:
            return ours, f"SentencePiece refuses what bpetk trained: {error}", 0
        model, vocab = ours.files(prefix)
        same, difference = model_difference(model, Path(f"{prefix}.model").read_bytes())
        if difference is None and vocab.encode() != Path(f"{prefix}.vocab").read_bytes():
            difference = "the .model files are equal, but not the .vocab files"
    return ours, difference, same


def versions() -> tuple[str, str]:
    """Name what is compared."""
    return f"bpetk {version('bpetk')}", f"sentencepiece {version('sentencepiece')}"
