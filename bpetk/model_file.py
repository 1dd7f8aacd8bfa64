"""A tokenizer as a directory: saved completely or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from bpetk.definition import Definition
from bpetk.errors import OutputError
from bpetk.interop.gpt2 import merge_lines, to_vocab_and_merges
from bpetk.interop.huggingface import to_tokenizer_json
from bpetk.interop.loading import MANIFEST_FORMAT, load_definition
from bpetk.interop.sentencepiece_model import ModelFile, PieceType, write_model
from bpetk.interop.tokenizer_config import check_roles, tokenizer_config
from bpetk.model import BpeModel
from bpetk.pretokenizers import UNICODE_VERSION
from bpetk.report import TrainReport

FORMAT_VERSION = 1
FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "manifest.json",
)
"""The files that a saved tokenizer may have; saving removes those of them that the new one lacks."""


@dataclass(frozen=True)
class SavedTokenizer:
    """What a directory holds: the model, the roles of special tokens, and the manifest's training block."""

    model: BpeModel
    roles: dict[str, str]
    training: dict[str, Any] | None


def save_tokenizer(
    directory: str | os.PathLike[str],
    definition: Definition | BpeModel,
    *,
    roles: Mapping[str, str] | None = None,
    report: TrainReport | None = None,
    training: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a tokenizer's directory.

    A new directory appears complete or not at all. In one that exists, nothing changes before all files are
    written and flushed beside the old ones; if putting them in place fails, the old ones come back.

    Parameters
    ----------
    directory
        Made if absent, parents included. One that a former save made is replaced file by file.
    definition
        The tokenizer, or the model of a trained one.
    roles
        Special token for each of ``bos``, ``eos``, ``pad``, ``unk`` that there is; by default the definition's.
    report
        How the model was trained, for the manifest.
    training
        The manifest's training block where there is no report; by default the definition's.
    overwrite
        Write also into a directory that holds other things. Files of other names stay.

    Raises
    ------
    OutputError
        If it cannot be written, or would be written among other things; nothing half-written is left behind.
    ConfigError
        If a role is unknown or its token is not a special token of the model.
    """
    target = Path(directory)
    if isinstance(definition, BpeModel):
        definition = Definition(definition)
    definition = replace(
        definition,
        roles=check_roles(definition.model, definition.roles if roles is None else roles),
        training=definition.training if training is None else training,
    )
    _save_files(target, _render(definition, report), overwrite)


def save_sentencepiece(
    directory: str | os.PathLike[str],
    model: ModelFile,
    roles: Mapping[str, str],
    *,
    report: TrainReport | None = None,
    overwrite: bool = False,
) -> None:
    """Write the directory of a SentencePiece model: the file and a manifest; see `save_tokenizer`.

    Raises
    ------
    OutputError
        If it cannot be written, or would be written among other things; nothing half-written is left behind.
    """
    files = {"tokenizer.model": write_model(model)}
    size, normalizer = len(model.pieces), model.normalizer.name
    facts = {
        "normalizer": normalizer,
        "vocab_size": size,
        "n_vocab": size,
        "special_tokens": {
            piece.text: id for id, piece in enumerate(model.pieces) if piece.type == PieceType.CONTROL
        },
        "roles": dict(roles),
    }
    manifest = _pretty(_framed(facts, None, report, files))
    _save_files(Path(directory), {**files, "manifest.json": manifest.encode()}, overwrite)


def _save_files(target: Path, files: Mapping[str, bytes], overwrite: bool) -> None:
    exists = check_target(target, overwrite)
    try:
        if exists:
            _fill(target, files)
        else:
            _create(target, files)
    except OSError as error:
        failure = OutputError(f"cannot write {str(target)!r}: {error.strerror or error}; nothing was changed")
        failure.errno = error.errno
        raise failure from error


def load_tokenizer(path: str | os.PathLike[str]) -> SavedTokenizer:
    """Read a tokenizer; see `bpetk.interop.loading.load_definition`."""
    definition = load_definition(path)
    training = None if definition.training is None else dict(definition.training)
    return SavedTokenizer(definition.model, dict(definition.roles), training)


def _render(definition: Definition, report: TrainReport | None) -> dict[str, bytes]:
    """Give the content of each file; the manifest, which vouches for the others, is last."""
    config = tokenizer_config(
        definition.model, definition.roles, pre_tokenizer=definition.sections.pre_tokenizer
    )
    texts = {
        "tokenizer.json": json.dumps(to_tokenizer_json(definition), ensure_ascii=False, indent=2),
        "tokenizer_config.json": _pretty(config),
    }
    if pair := to_vocab_and_merges(definition):
        texts |= {"vocab.json": pair[0], "merges.txt": pair[1]}
    files = {name: text.encode() for name, text in texts.items()}
    files["manifest.json"] = _pretty(_manifest(definition, report, files)).encode()
    return files


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def _manifest(
    definition: Definition, report: TrainReport | None, files: Mapping[str, bytes]
) -> dict[str, Any]:
    model = definition.model
    facts = {
        "scheme": {
            "name": model.scheme.name,
            "pattern": model.scheme.pattern,
            "lossless": model.scheme.lossless,
        },
        "vocab_size": model.vocab_size,
        "n_vocab": model.n_vocab,
        "special_tokens": {token.content: token.id for token in model.added_tokens},
        "roles": dict(definition.roles),
        # Whether the merges stand for ranks; tokenizer.json cannot say it.
        "ranks": model.ranks,
        # Over the lines of merges.txt without its first, whether or not that file is written.
        "merges": {"count": len(model.new), "sha256": _sha256(merge_lines(model).encode())},
    }
    return _framed(facts, definition.training, report, files)


def _framed(
    facts: Mapping[str, Any],
    training: Mapping[str, Any] | None,
    report: TrainReport | None,
    files: Mapping[str, bytes],
) -> dict[str, Any]:
    """Put around what is to say about a tokenizer what every manifest has."""
    timing = None
    if report is not None:
        values = report.to_dict()
        timing = values.pop("timing")
        inputs, config = [asdict(file) for file in report.inputs], values.pop("config")
        training = {
            "inputs": inputs,
            "config": config,
            "results": {k: v for k, v in values.items() if k != "inputs"},
        }
    return {
        "format": MANIFEST_FORMAT,
        "format_version": FORMAT_VERSION,
        "versions": {
            "bpetk": _version("bpetk"),
            "python": platform.python_version(),
            "regex": _version("regex"),
            "unicode": UNICODE_VERSION,
        },
        **facts,
        "files": {name: {"bytes": len(data), "sha256": _sha256(data)} for name, data in files.items()},
        "training": None if training is None else dict(training),
        "timing": timing,
    }


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def check_target(target: Path, overwrite: bool) -> bool:
    """Return whether the directory exists; refuse one that must not be written to."""
    try:
        names = {entry.name for entry in os.scandir(target)}
    except FileNotFoundError:
        parent = next((p for p in target.absolute().parents if p.exists()), target)
        if not os.access(parent, os.W_OK | os.X_OK):
            raise OutputError(
                f"cannot write {str(target)!r}: no permission to write in {str(parent)!r}"
            ) from None
        return False
    except NotADirectoryError:
        raise OutputError(f"{str(target)!r} is a file, not a directory") from None
    except OSError as error:
        raise OutputError(f"cannot write {str(target)!r}: {error.strerror or error}") from error
    if names and not overwrite and not _is_ours(target):
        raise OutputError(
            f"{str(target)!r} exists and holds other things than a tokenizer saved by bpetk; "
            "choose another directory, or pass overwrite=True (--overwrite) to write into it"
        )
    for name in FILES:
        if (target / name).is_dir():
            raise OutputError(f"cannot write {str(target / name)!r}: it is a directory")
    return True


def _is_ours(target: Path) -> bool:
    try:
        manifest = json.loads((target / "manifest.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(manifest, dict) and manifest.get("format") == MANIFEST_FORMAT


def _create(target: Path, files: Mapping[str, bytes]) -> None:
    """Fill a hidden directory beside the target and rename it."""
    target = Path(os.path.abspath(target))
    work = target.with_name(f".{target.name[:64]}.{secrets.token_hex(6)}")
    made = []
    try:
        for parent in reversed([target.parent, *target.parent.parents]):
            if not parent.exists():
                parent.mkdir(exist_ok=True)
                made.append(parent)
        work.mkdir()
        _write_all(work, files)
        os.rename(work, target)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        for parent in reversed(made):
            with suppress(OSError):  # another program may use it by now
                parent.rmdir()
        raise


def _fill(target: Path, files: Mapping[str, bytes]) -> None:
    """Write beside the old files, keep copies of these, then put the new ones in place one by one."""
    work = Path(tempfile.mkdtemp(prefix=".bpetk-", dir=target))
    try:
        new, old = work / "new", work / "old"
        new.mkdir()
        old.mkdir()
        _write_all(new, files)
        former = [name for name in FILES if os.path.lexists(target / name)]
        for name in former:
            shutil.copy2(target / name, old / name, follow_symlinks=False)
        try:
            for name in files:
                os.replace(new / name, target / name)
            for name in former:
                if name not in files:
                    os.unlink(target / name)
        except BaseException:
            for name in FILES:
                with suppress(OSError):
                    if name in former:
                        os.replace(old / name, target / name)
                    else:
                        os.unlink(target / name)
            raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _write_all(directory: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        with open(directory / name, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # a full disk may show only here
