"""A tokenizer in another file format, and the proof that it is the same tokenizer."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from bpetk.definition import Definition
from bpetk.errors import ConfigError, DifferentIdsError, MissingDependencyError, ModelFileError, OutputError
from bpetk.interop.rank_side_file import side_file_path
from bpetk.model_file import save_tokenizer
from bpetk.probe import first_unequal, probe_texts, text_batches
from bpetk.readable import readable
from bpetk.reference_libraries import Reference, load_reference
from bpetk.sp_tokenizer import SentencePieceTokenizer
from bpetk.targets import lost_parts, rank_table, vocab_and_merges
from bpetk.tokenizer import Tokenizer

Target = Literal["hf", "tiktoken", "gpt2", "image", "sentencepiece"]
TARGETS: tuple[Target, ...] = ("hf", "tiktoken", "gpt2", "image", "sentencepiece")

PathInput = str | os.PathLike[str]


@dataclass(frozen=True)
class Conversion:
    """What a conversion wrote and what was compared.

    Attributes
    ----------
    path, files
        What to load, and all files that were written.
    options
        What the files do not say: keyword arguments with which ``Tokenizer.from_file`` loads them.
    texts, tokens
        How many texts gave equal ids, and how many ids.
    compared
        Who read the new files: bpetk, and the library they are made for if it is installed.
    notes
        What else there is to know, a line each.
    """

    path: Path
    files: tuple[Path, ...]
    options: Mapping[str, Any]
    texts: int
    tokens: int
    compared: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass
class _Draft:
    """Files in a folder of work, and how to load them."""

    path: Path
    files: list[Path]
    options: dict[str, Any]
    notes: list[str] = field(default_factory=list)


def convert(
    src: PathInput | Tokenizer | SentencePieceTokenizer,
    dst: PathInput,
    *,
    to: Target,
    probes: Sequence[PathInput] = (),
    **options: Any,
) -> Conversion:
    """Write a tokenizer in another format, load it again, and compare the ids of many texts.

    Parameters
    ----------
    src
        A tokenizer, or its files.
    dst
        Must not exist. For ``"hf"`` and ``"gpt2"`` a folder, for ``"image"`` the file, for ``"tiktoken"`` the rank
        file; what that does not hold is written to ``<dst>.json``: ``name``, ``pat_str`` and ``special_tokens``, as
        ``tiktoken.Encoding`` takes them. ``Tokenizer.from_file`` finds it there.
    to
        ``"hf"``: ``tokenizer.json``, ``tokenizer_config.json`` and a manifest. ``"tiktoken"``: base64 of each token
        with its id. ``"gpt2"``: ``vocab.json`` and ``merges.txt``. ``"image"``: one file of bpetk's own that loads in
        a few milliseconds. ``"sentencepiece"``: the ``.model`` file.

        A model of SentencePiece is written as ``"hf"`` or ``"sentencepiece"``, and nothing else becomes one. In the
        first, ``tokenizer.json`` and ``tokenizer_config.json``, its control pieces are special tokens, and the ids are
        equal for text in which these are taken for text; the package `tokenizers` is needed to prove it.
    probes
        Files of UTF-8 text to compare besides the built-in text, line by line and as a whole.
    options
        For ``src``, as ``Tokenizer.from_file`` takes them.

    Returns
    -------
    Conversion
        What was written and compared, and how to load it.

    Raises
    ------
    ModelFileError
        If the source cannot be read, or if the format cannot hold this tokenizer; the message says why. Nothing is
        left behind.
    DifferentIdsError
        If ids differ, with the place; it is a `ModelFileError` too.
    MissingDependencyError
        If a model of SentencePiece is to become ``"hf"``, and nothing is installed that reads the result.
    OutputError
        If ``dst`` exists or cannot be written.

    Examples
    --------
    >>> import bpetk, pathlib, tempfile
    >>> tok = bpetk.train_from_iterator(["low lower lowest"], 262, scheme="gpt2", special_tokens=["<s>"])
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> done = convert(tok, folder / "low.tiktoken", to="tiktoken")
    >>> sorted(path.name for path in done.files), done.options
    (['low.tiktoken', 'low.tiktoken.json'], {})
    >>> bpetk.Tokenizer.from_file(done.path).special_tokens
    {'<s>': 0}
    """
    if to not in TARGETS:
        raise ConfigError(f"unknown format {to!r}; known are {', '.join(TARGETS)}")
    loaded = isinstance(src, Tokenizer | SentencePieceTokenizer)
    if loaded and options:
        raise ConfigError(f"{', '.join(options)}: only for files; the tokenizer is loaded already")
    target = Path(dst)
    _check_free(target, to)
    tokenizer: Any = src if loaded else Tokenizer.from_file(src, **options)  # type: ignore[arg-type]
    work = target.absolute().with_name(f".{target.name[:64]}.{secrets.token_hex(6)}")
    try:
        work.mkdir()
        if isinstance(tokenizer, SentencePieceTokenizer):
            draft, texts, tokens, compared = _prove_pieces(tokenizer, work, target.name, to, probes)
        else:
            draft, texts, tokens, compared = _prove(tokenizer, work, target.name, to, probes)
        files = _put_in_place(draft, work, target)
    except OSError as error:
        if isinstance(error, OutputError) or not _is_below(error.filename, work):
            raise
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Conversion(target, files, draft.options, texts, tokens, compared, tuple(draft.notes))


_Proved = tuple[_Draft, int, int, tuple[str, ...]]


def _prove(ours: Tokenizer, work: Path, name: str, to: Target, probes: Sequence[PathInput]) -> _Proved:
    if to == "sentencepiece":
        raise ModelFileError(
            "a .model of SentencePiece cannot hold this tokenizer: it has pieces of characters with scores, and no "
            "place for merges of bytes in the parts that a pattern cuts text into"
        )
    draft = _DRAFTS[to](ours.definition, work, name)
    if ours.format in ("tiktoken", "gpt2") and not ours.special_tokens:
        draft.notes.append("the source says nothing of special tokens, so there are none")
    made = Tokenizer.from_file(draft.path, format=to, **draft.options)
    _compare_vocabularies(ours, made)
    return draft, *_compare_ids(ours, made, to, probes, draft)


def _prove_pieces(
    ours: SentencePieceTokenizer, work: Path, name: str, to: Target, probes: Sequence[PathInput]
) -> _Proved:
    from bpetk import sp_convert  # rarely needed, and of many parts

    if to in sp_convert.REASONS:
        raise ModelFileError(
            f"{to} cannot hold a model of SentencePiece: {sp_convert.REASONS[to]}; there are hf and sentencepiece"
        )
    path = work if to == "hf" else work / name
    written = sp_convert.write_hf(ours, work) if to == "hf" else sp_convert.write_model_file(ours, path)
    sp_convert.compare(ours, written, probes)
    draft = _Draft(path, written.files, {}, written.notes)
    return draft, written.texts, written.tokens, tuple(reader.name for reader in written.readers)


def _is_below(name: Any, folder: Path) -> bool:
    return isinstance(name, str | os.PathLike) and os.fspath(name).startswith(str(folder))


def _check_free(target: Path, to: Target) -> None:
    for path in (target, side_file_path(target)) if to == "tiktoken" else (target,):
        if os.path.lexists(path):
            raise OutputError(f"{path} exists; choose another name, or remove it first")
    if not target.absolute().parent.is_dir():
        raise OutputError(f"cannot write {target}: there is no folder {target.absolute().parent}")


def _put_in_place(draft: _Draft, work: Path, target: Path) -> tuple[Path, ...]:
    """Rename the folder of work, or its files, to what was asked for."""
    if draft.path == work:
        os.rename(work, target)
        return tuple(target / path.name for path in draft.files)
    done: list[Path] = []
    try:
        for path in draft.files:
            os.replace(path, target.with_name(path.name))
            done.append(target.with_name(path.name))
    except BaseException:
        for path in done:
            path.unlink(missing_ok=True)
        raise
    return tuple(done)


# --- writing --------------------------------------------------------------------------------------------------------


def _draft_hf(definition: Definition, work: Path, name: str) -> _Draft:
    save_tokenizer(work, definition)
    return _Draft(work, sorted(work.iterdir()), {})


def _draft_tiktoken(definition: Definition, work: Path, name: str) -> _Draft:
    table = rank_table(definition)
    path = work / name
    path.write_bytes(table.to_file())
    special = dict(sorted(table.special_tokens.items(), key=lambda item: item[1]))
    parts = {"name": path.stem, "pat_str": table.pattern, "special_tokens": special}
    beside = side_file_path(path)
    beside.write_text(json.dumps(parts, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return _Draft(path, [beside, path], {}, _notes(definition))


def _draft_gpt2(definition: Definition, work: Path, name: str) -> _Draft:
    files = [work / "vocab.json", work / "merges.txt"]
    for path, text in zip(files, vocab_and_merges(definition), strict=True):
        path.write_bytes(text.encode("utf-8"))
    special = dict(definition.model.added_ids)
    return _Draft(work, files, {"special_tokens": special} if special else {}, _notes(definition))


def _notes(definition: Definition) -> list[str]:
    lost = lost_parts(definition)
    return [f"not part of the new file: {', '.join(lost)}"] if lost else []


def _draft_image(definition: Definition, work: Path, name: str) -> _Draft:
    path = work / name
    Tokenizer(definition).save_image(path)
    return _Draft(path, [path], {})


_DRAFTS: Mapping[str, Callable[[Definition, Path, str], _Draft]] = {
    "hf": _draft_hf,
    "tiktoken": _draft_tiktoken,
    "gpt2": _draft_gpt2,
    "image": _draft_image,
}


# --- the proof ------------------------------------------------------------------------------------------------------


def _compare_vocabularies(ours: Tokenizer, made: Tokenizer) -> None:
    a, b = ours.model.token_bytes, made.model.token_bytes
    for id in sorted(a.keys() | b.keys()):
        if a.get(id) != b.get(id):
            left, right = (
                "nothing" if token is None else readable(token) for token in (a.get(id), b.get(id))
            )
            raise ModelFileError(
                f"the converted tokenizer is not the same: id {id} was {left}, and is {right}"
            )
    if ours.special_tokens != made.special_tokens:
        odd = sorted(ours.special_tokens.items() ^ made.special_tokens.items())
        raise ModelFileError(
            f"the converted tokenizer is not the same: its special tokens differ in {odd[:3]}"
        )


def _compare_ids(
    ours: Tokenizer, made: Tokenizer, to: Target, probes: Sequence[PathInput], draft: _Draft
) -> tuple[int, int, tuple[str, ...]]:
    """Compare ids with those of the new files as bpetk reads them, and as the library does that they are for."""
    reference: Reference | None = None
    try:
        if to != "image":  # which is no other library's
            reference = load_reference(made.definition, "tiktoken" if to == "tiktoken" else "hf")
    except MissingDependencyError as error:
        draft.notes.append(f"not compared with the library itself: {error}")
    readers = ["bpetk", *([] if reference is None else [reference.name])]
    texts = tokens = 0
    for where, batch in _texts(ours.special_tokens, probes):
        expected = ours.encode_batch(batch, allowed_special="all")
        found = [made.encode_batch(batch, allowed_special="all")]
        if reference is not None:
            found.append(reference.encode_batch(batch))
        for reader, ids in zip(readers, found, strict=True):
            for text, a, b in zip(batch, expected, ids, strict=True):
                if list(a) != list(b):
                    raise DifferentIdsError(_difference(ours, reader, where, text, a, b))
        texts, tokens = texts + len(batch), tokens + sum(map(len, expected))
    return texts, tokens, tuple(readers)


def _texts(special: Iterable[str], probes: Sequence[PathInput]) -> Iterator[tuple[str, list[str]]]:
    yield "the built-in text", probe_texts(islice(special, 64))
    for path in probes:
        for whole in (False, True):
            for _, batch in text_batches(path, whole=whole):
                yield os.fspath(path), batch


def _difference(
    ours: Tokenizer, reader: str, where: str, text: str, expected: Sequence[int], found: Sequence[int]
) -> str:
    at = first_unequal(expected, found)
    start = len(ours.decode_bytes(list(expected[:at])).decode("utf-8", "ignore"))
    near = text[max(0, start - 10) : start + 20]

    def show(ids: Sequence[int]) -> str:
        return (
            ", ".join(f"{id} {readable(ours.id_to_bytes(id))}" for id in ids[at : at + 3]) or "nothing more"
        )

    return (
        f"the converted tokenizer gives other ids ({reader}, in {where}), near {near!r}: "
        f"{show(found)} where the source has {show(expected)}"
    )
