"""A tokenizer from the files of any format that bpetk reads."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bpetk.definition import Definition
from bpetk.errors import ConfigError, ModelFileError
from bpetk.interop import fast_json, tekken
from bpetk.interop.detection import FORMATS, detect, is_sentencepiece
from bpetk.interop.gpt2 import from_vocab_and_merges
from bpetk.interop.huggingface import from_tokenizer_json
from bpetk.interop.image import is_image, read_image
from bpetk.interop.json_fields import parse_json
from bpetk.interop.rank_side_file import read_side_file
from bpetk.interop.side_files import added_tokens_beside
from bpetk.interop.tiktoken import cutting, definition_of_ranks, read_rank_list
from bpetk.interop.tokenizer_config import roles_from_config
from bpetk.pretokenizers import Scheme, custom_scheme, get_scheme, scheme_from_pattern

MANIFEST_FORMAT = "bpetk-tokenizer"
"""What the manifest of a tokenizer that bpetk saved says of itself."""

_MAX_BYTES = 1 << 30
_PAIRS = {"vocab.json": "merges.txt", "encoder.json": "vocab.bpe"}
_SIDE_FILES = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")


def load_definition(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    scheme: str | None = None,
    pattern: str | None = None,
    special_tokens: Mapping[str, int] | None = None,
    for_decoding: bool = False,
) -> Definition:
    """Read a tokenizer; what is in a file decides what it is, not its name.

    Parameters
    ----------
    path
        A ``tokenizer.json``, ``tekken.json``, rank file, or ``vocab.json`` with ``merges.txt`` beside it. Or a
        folder; there the first of these that it has counts, in this order, and ``tokenizer_config.json``
        and what `save_tokenizer` writes are read too.
    format
        ``"hf"``, ``"tekken"``, ``"tiktoken"``, ``"gpt2"`` or ``"image"``: read it as this, and in a folder take this.
    scheme, pattern
        How text is cut, for a format that does not say it: needed for ranks, unless ``<rank file>.json`` lies beside
        them as `bpetk.convert` writes it; for ``vocab.json`` instead of GPT-2's rule. A name, or a pattern in the
        syntax of tiktoken or of Hugging Face's ``Regex``, respectively.
    special_tokens
        Contents and ids of special tokens, for the same formats. For ``vocab.json`` in a folder it replaces what
        the files of transformers beside it say, for ranks what ``<rank file>.json`` says.
    for_decoding
        Nothing is going to be encoded: ranks need neither scheme nor pattern then.

    Returns
    -------
    Definition
        Its ``format`` and ``source`` say what was read.

    Raises
    ------
    ModelFileError
        If a file is missing, unreadable or malformed, or holds something that cannot be reproduced exactly;
        the message names the file and the field.
    ConfigError
        If an option is needed and absent, or given although the file says it.
    """
    if format is not None and format not in FORMATS:
        raise ConfigError(f"unknown format {format!r}; known formats: {', '.join(FORMATS)}")
    folder = Path(path)
    if not folder.is_dir():
        return _load_file(folder, format, scheme, pattern, special_tokens, for_decoding=for_decoding)
    file = _choose(folder, format)
    definition = _load_file(
        file, format, scheme, pattern, special_tokens, in_folder=True, for_decoding=for_decoding
    )
    if definition.format not in ("hf", "gpt2"):
        return definition
    return _with_neighbours(definition, folder)


def find_sentencepiece(path: str | os.PathLike[str], format: str | None = None) -> Path | None:
    """Find the model of SentencePiece that a path stands for.

    Parameters
    ----------
    path
        A file, or a folder; there a ``tokenizer.json`` and a ``tekken.json`` go before.
    format
        As in `load_definition`; ``"sentencepiece"``: nothing else will do.

    Returns
    -------
    Path | None
        The file; None if the path stands for something else.

    Raises
    ------
    ModelFileError
        If there are several, or none although nothing else will do.
    """
    file = Path(path)
    if format not in (None, "sentencepiece"):
        return None
    if not file.is_dir():
        if format is None and not is_sentencepiece(_head(file)):
            return None
        return file
    candidates = _candidates(file)
    before = [] if format else [found for kind in ("hf", "tekken") for found in candidates[kind]()]
    found = candidates["sentencepiece"]()
    if any(other.exists() for other in before) or (not found and format is None):
        return None
    if len(found) != 1:
        names = ", ".join(model.name for model in found)
        problem = f"several models ({names}); name one of them" if found else "no model of SentencePiece"
        raise ModelFileError(f"{str(file)!r} holds {problem}")
    return found[0]


def find_ranks(folder: Path) -> Path | None:
    """Give the rank file that loading a folder reads; None if it reads another file, or says why it cannot."""
    try:
        file = _choose(folder, None)
    except ModelFileError:
        return None
    return file if file in _rank_files(folder) else None


def _load_file(
    path: Path,
    format: str | None,
    scheme: str | None,
    pattern: str | None,
    special_tokens: Mapping[str, int] | None,
    *,
    in_folder: bool = False,
    for_decoding: bool = False,
) -> Definition:
    given = {"scheme": scheme, "pattern": pattern, "special_tokens": special_tokens}
    if format in (None, "image") and is_image(path):
        _refuse_given(given, path)
        return read_image(path)
    data = read_file(path)
    fast = _read_fast(data, format)
    with naming(path):
        if fast is not None:
            format, value = fast.format, None
        elif format is None:
            format, value = detect(data)
        else:
            value = None if format == "tiktoken" else parse_json(data)
    if format in ("hf", "tekken"):
        _refuse_given(given, path)
    if format == "gpt2":
        definition = _load_pair(path, value, _scheme(scheme, pattern), special_tokens, in_folder)
    elif format == "tiktoken":
        definition = _load_ranks(path, data, scheme, pattern, special_tokens, for_decoding=for_decoding)
    else:
        with naming(path):
            if fast is not None:
                definition = fast
            else:
                definition = from_tokenizer_json(value) if format == "hf" else tekken.from_tekken_json(value)
    return replace(definition, source=str(path))


def _read_fast(data: bytes, format: str | None) -> Definition | None:
    """Read a file of JSON natively, if it is surely a plain one of the format that is asked for."""
    found = tekken.read_fast(data) if format in (None, "tekken") else None
    return fast_json.read_fast(data) if found is None and format in (None, "hf") else found


def _load_ranks(
    path: Path,
    data: bytes,
    scheme: str | None,
    pattern: str | None,
    special_tokens: Mapping[str, int] | None,
    *,
    for_decoding: bool,
) -> Definition:
    """Read a rank file, and for what the caller has not said the file that may lie beside it."""
    with naming(path):
        ranks = read_rank_list(data)
    said = scheme is not None or pattern is not None
    side = None if said and special_tokens is not None else read_side_file(path)
    cut_by = ""
    if said or side is None or side.pattern is None:
        cut = cutting("none" if for_decoding and not said else scheme, pattern)
    else:
        pattern, cut_by = side.pattern, str(side.path)
        with side.blamed("pat_str"):
            cut = cutting(None, pattern)
    if special_tokens is None and side is not None:
        with side.blamed("special_tokens"):
            definition = definition_of_ranks(ranks, cut, side.special_tokens)
    else:
        definition = definition_of_ranks(ranks, cut, special_tokens)
    beside = "" if side is None else str(side.path)
    return replace(definition, pattern=pattern, cut_by=cut_by, beside=beside)


def _load_pair(
    path: Path, vocab: Any, scheme: Scheme | None, special_tokens: Mapping[str, int] | None, in_folder: bool
) -> Definition:
    """Read ``vocab.json`` and what lies beside it."""
    merges = path.with_name(_PAIRS.get(path.name, "merges.txt"))
    if not merges.exists():
        raise ModelFileError(f"{path}: is a vocabulary without merges; {merges.name} must lie beside it")
    data = read_file(merges)
    with naming(merges):
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ModelFileError(f"not UTF-8 at byte {error.start}") from error
    if special_tokens is not None or not in_folder:
        with naming(path):
            return from_vocab_and_merges(vocab, text, scheme=scheme, special_tokens=special_tokens)
    files = {name: read_json(path.with_name(name)) for name in _SIDE_FILES if path.with_name(name).exists()}
    with naming(path.parent):
        added = added_tokens_beside(files, vocab if isinstance(vocab, dict) else {})
    with naming(path):
        try:
            return from_vocab_and_merges(vocab, text, scheme=scheme, special_tokens=added)
        except ConfigError as error:  # not the caller's, but that of the files
            raise ModelFileError(str(error)) from error


def _scheme(scheme: str | None, pattern: str | None) -> Scheme | None:
    if scheme is not None and pattern is not None:
        raise ConfigError("give only one of scheme and pattern")
    if pattern is not None:
        return scheme_from_pattern(pattern) or custom_scheme(pattern)
    return None if scheme is None else get_scheme(scheme)


def _refuse_given(given: Mapping[str, Any], path: Path) -> None:
    for name, value in given.items():
        if value is not None:
            raise ConfigError(f"{name} cannot be given: {str(path)!r} says it itself")


def _choose(folder: Path, format: str | None) -> Path:
    """Find the file of a folder to load."""
    for kind, candidates in _candidates(folder).items():
        found = [path for path in candidates() if path.exists()]
        if not found or format not in (None, kind):
            continue
        if kind == "sentencepiece" or kind == "WordPiece":
            name, where = {"sentencepiece": ("SentencePiece", " here")}.get(kind, (kind, ""))
            raise ModelFileError(f"{found[0]}: is a file of {name}, which bpetk does not read{where}")
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise ModelFileError(f"{str(folder)!r} holds several tokenizers ({names}); name one of them")
        return found[0]
    wanted = (
        "tokenizer.json, tekken.json, rank file (*.tiktoken), vocab.json with merges.txt, or model of SentencePiece "
        "(*.model)"
    )
    raise ModelFileError(
        f"{str(folder)!r} holds no tokenizer{f' of format {format}' if format else ''}: no {wanted}"
    )


def _candidates(folder: Path) -> dict[str, Callable[[], list[Path]]]:
    return {
        "hf": lambda: [folder / "tokenizer.json"],
        "tekken": lambda: _tekken_files(folder),
        "sentencepiece": lambda: [
            path for path in sorted(folder.glob("*.model")) if is_sentencepiece(_head(path))
        ],
        "tiktoken": lambda: _rank_files(folder),
        "gpt2": lambda: [folder / name for name, merges in _PAIRS.items() if (folder / merges).exists()][:1],
        "WordPiece": lambda: [folder / "vocab.txt"],
    }


def _tekken_files(folder: Path) -> list[Path]:
    plain = folder / "tekken.json"
    return [plain] if plain.exists() else sorted(folder.glob("tekken_*.json"))


def _rank_files(folder: Path) -> list[Path]:
    model = folder / "tokenizer.model"  # as Llama 3 names its own
    named = sorted(folder.glob("*.tiktoken"))
    return named or ([model] if model.exists() and not is_sentencepiece(_head(model)) else [])


def _head(path: Path) -> bytes:
    if not path.is_file():  # opening a pipe would wait for its writer
        return b""
    try:
        with path.open("rb") as file:
            return file.read(1000)
    except OSError:
        return b""


def _with_neighbours(definition: Definition, folder: Path) -> Definition:
    """Add what the files beside a vocabulary say: roles, and how bpetk made it."""
    roles: dict[str, str] = {}
    if (folder / "tokenizer_config.json").exists():
        file = folder / "tokenizer_config.json"
        config = read_json(file)
        with naming(file):
            roles = roles_from_config(config)
            special = {token.content for token in definition.model.added_tokens if token.special}
            if definition.format == "gpt2":  # transformers would add those that the vocabulary lacks
                roles = {role: content for role, content in roles.items() if content in special}
            for role, content in roles.items():
                if content not in special:
                    raise ModelFileError(
                        f"{role}_token: {content!r} is not a special token of tokenizer.json"
                    )
    training = None
    model = definition.model
    if (folder / "manifest.json").exists() and definition.format == "hf":
        file = folder / "manifest.json"
        manifest = read_json(file)
        with naming(file):
            training = _training_block(manifest)
        if _made_from_ranks(manifest, Path(definition.source)) and model.ignore_merges:
            model = replace(model, ranks=True)
    return replace(definition, model=model, roles=roles, training=training)


def _training_block(manifest: Any) -> dict[str, Any] | None:
    """Return the provenance of a manifest of ours; other programs have manifests too."""
    if not isinstance(manifest, dict) or manifest.get("format") != MANIFEST_FORMAT:
        return None
    training = manifest.get("training")
    if training is not None and not isinstance(training, dict):
        raise ModelFileError("training: expected an object or null")
    return training


def _made_from_ranks(manifest: Any, file: Path) -> bool:
    """Whether a manifest says that ranks are behind this file, and the file is the one that it speaks of."""
    if (
        not isinstance(manifest, dict)
        or manifest.get("format") != MANIFEST_FORMAT
        or manifest.get("ranks") is not True
    ):
        return False
    try:
        saved = manifest["files"]["tokenizer.json"]["sha256"]
    except (KeyError, TypeError):
        return False
    return bool(saved == hashlib.sha256(read_file(file)).hexdigest())


def read_json(path: Path) -> Any:
    """Read a JSON file; errors name it."""
    data = read_file(path)
    with naming(path):
        return parse_json(data)


def read_file(path: Path) -> bytes:
    """Read a file; errors name it."""
    try:
        if path.exists() and not path.is_file():
            raise ModelFileError(f"{str(path)!r} is not a regular file")
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ModelFileError(f"cannot read {str(path)!r}: {error.strerror or error}") from error
    if len(data) > _MAX_BYTES:
        raise ModelFileError(f"{path}: larger than 1 GiB, which no tokenizer is")
    return data


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the file's name before the errors of a block."""
    try:
        yield
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error
    except RecursionError as error:
        raise ModelFileError(f"{path}: nested too deeply") from error
