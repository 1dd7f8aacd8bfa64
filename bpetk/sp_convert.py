"""A model of SentencePiece in another form, and the proof that it gives the same ids."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from bpetk.errors import BpetkError, DifferentIdsError, MissingDependencyError
from bpetk.interop.sentencepiece_model import PieceType
from bpetk.probe import first_unequal, probe_texts, text_batches
from bpetk.readable import readable
from bpetk.reference_libraries import sentencepiece_reference, tokenizers_reference
from bpetk.sp_map_rules import rule_texts
from bpetk.sp_to_hf import HfForm, to_hf
from bpetk.sp_tokenizer import SentencePieceTokenizer
from bpetk.tokenizer import Tokenizer

REASONS = {
    "tiktoken": "a rank file holds bytes with ranks, and merges any two tokens that spell a third one",
    "gpt2": "vocab.json with merges.txt stands for byte-level tokens cut by GPT-2's pattern",
    "image": "an image holds byte-level tokenizers; a .model loads by itself",
}
"""Why a model cannot be had in these forms."""

_BATCH = 2_000
_MOST_PAIRED = 100  # texts of pieces with equal scores that are put together
_OTHERS = 40  # user-defined pieces in the text that all tokenizers are compared on


@dataclass(frozen=True)
class Reader:
    """Who reads the new files: its name, and its ids and text of several documents."""

    name: str
    encode: Callable[[Sequence[str]], Sequence[Sequence[int]]]
    decode: Callable[[Sequence[int]], str]


@dataclass
class Written:
    """What was written, and what a comparison found."""

    files: list[Path]
    readers: list[Reader]
    notes: list[str]
    rivals: list[str]
    texts: int = 0
    tokens: int = 0


def write_hf(tokenizer: SentencePieceTokenizer, work: Path) -> Written:
    """Write ``tokenizer.json`` and ``tokenizer_config.json``, and load them.

    Raises
    ------
    ModelFileError
        If there is no such ``tokenizer.json``, with the reason.
    MissingDependencyError
        If there is nothing here that can read it.
    """
    form = to_hf(tokenizer.model)
    target = work / "tokenizer.json"
    target.write_text(json.dumps(form.tokenizer, ensure_ascii=False, indent=2), encoding="utf-8")
    config = work / "tokenizer_config.json"
    config.write_text(json.dumps(form.config, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    notes = [*form.notes, *_hf_notes(tokenizer, form)]
    return Written([target, config], _hf_readers(target, notes), notes, form.rivals)


def _hf_notes(tokenizer: SentencePieceTokenizer, form: HfForm) -> Iterator[str]:
    if control := next(iter(tokenizer.special_tokens), None):
        yield (
            f"text that spells a control piece, such as {control!r}, is text for SentencePiece, and that piece for "
            "Hugging Face, unless encode_special_tokens (transformers: split_special_tokens) is true"
        )
    if not tokenizer.model.byte_fallback and tokenizer.unk_id is not None:
        yield f"decoding leaves {tokenizer.id_to_token(tokenizer.unk_id)!r} out unless skip_special_tokens is false"
    if form.rivals:
        yield (
            "some pieces have equal scores, and an order of merges may not be right for every text; it is for those "
            f"that were compared, {len(_among_others(form.rivals)):,} of them made for this"
        )


def _hf_readers(path: Path, notes: list[str]) -> list[Reader]:
    readers = []
    try:
        ours = Tokenizer.from_file(path)
    except BpetkError:
        pass  # a form that bpetk itself does not read; the library does
    else:
        readers.append(
            Reader("bpetk", lambda texts: ours.encode_batch(list(texts), disallowed_special=()), ours.decode)
        )
    try:
        library = tokenizers_reference(path)
    except MissingDependencyError as error:
        if not readers:
            raise MissingDependencyError(
                "a conversion to hf is compared with what tokenizers makes of it, and the package 'tokenizers' is not "
                "installed: pip install 'bpetk[verify]'"
            ) from error
        notes.append(f"not compared with the library itself: {error}")
    else:
        readers.append(Reader(library.name, library.encode_batch, library.decode))
    return readers


def write_model_file(tokenizer: SentencePieceTokenizer, path: Path) -> Written:
    """Write the ``.model`` file, and load it."""
    data = tokenizer.to_bytes()
    path.write_bytes(data)
    again = SentencePieceTokenizer.from_bytes(path.read_bytes(), source=str(path))
    readers = [Reader("bpetk", again.encode_batch, again.decode)]
    notes: list[str] = []
    try:
        library = sentencepiece_reference(data, str(path))
    except MissingDependencyError as error:
        notes.append(f"not compared with the library itself: {error}")
    else:
        readers.append(Reader(library.name, library.encode_batch, library.decode))
    return Written([path], readers, notes, [])


# --- the proof ------------------------------------------------------------------------------------------------------


def compare(
    tokenizer: SentencePieceTokenizer, written: Written, probes: Sequence[str | os.PathLike[str]]
) -> None:
    """Compare the ids of many texts, and count them; text that differs when it is decoded is noted.

    Raises
    ------
    DifferentIdsError
        If ids differ, with the text.
    """
    unlike = None
    for where, batch in _texts(tokenizer, written.rivals, probes):
        expected = tokenizer.encode_batch(batch)
        for reader in written.readers:
            for text, a, b in zip(batch, expected, reader.encode(batch), strict=True):
                if list(a) != list(b):
                    raise DifferentIdsError(_difference(tokenizer, reader.name, where, text, a, b))
                if unlike is None and reader.decode(a) != tokenizer.decode(a):
                    unlike = (
                        f"the ids of {_short(text)} are equal, but decode to {_short(reader.decode(a))}, in "
                        f"SentencePiece to {_short(tokenizer.decode(a))}"
                    )
        written.texts += len(batch)
        written.tokens += sum(map(len, expected))
    if unlike is not None:
        written.notes.append(unlike)


def _texts(
    tokenizer: SentencePieceTokenizer, rivals: Sequence[str], probes: Sequence[str | os.PathLike[str]]
) -> Iterator[tuple[str, list[str]]]:
    pieces = tokenizer.model.pieces
    symbols = [piece.text for piece in pieces if piece.type == PieceType.USER_DEFINED and piece.text]
    named = [*islice(tokenizer.special_tokens, 64 - _OTHERS), *symbols[:_OTHERS]]
    yield "the built-in text", probe_texts(named)
    for what, texts in (
        ("the texts of the pieces", [piece.text for piece in pieces]),
        ("texts of pieces with equal scores", _among_others(rivals)),
    ):
        for start in range(0, len(texts), _BATCH):
            yield what, [text.replace("\u2581", " ") for text in texts[start : start + _BATCH]]
    for path in probes:
        for whole in (False, True):
            for _, batch in text_batches(path, whole=whole):
                yield os.fspath(path), batch
    blob = tokenizer.model.normalizer.precompiled
    for batch in rule_texts(blob, _BATCH) if blob else ():
        yield "texts of the normalization rules", batch


def _among_others(rivals: Sequence[str]) -> list[str]:
    """Give texts also behind each other: what stands beside a text can change what it is cut into."""
    some = rivals[:_MOST_PAIRED]
    return [*rivals, *(first + second for first in some for second in some)]


def _difference(
    tokenizer: SentencePieceTokenizer,
    reader: str,
    where: str,
    text: str,
    expected: Sequence[int],
    found: Sequence[int],
) -> str:
    at = first_unequal(expected, found)
    spans: Any = tokenizer.encode_with_offsets(text).char_offsets
    start = int(spans[at][0]) if at < len(spans) else len(text)
    near = text[max(0, start - 20) : start + 30]

    def show(ids: Sequence[int]) -> str:
        names = (f"{id} {readable(tokenizer.id_to_token(id).encode())}" for id in ids[at : at + 3])
        return ", ".join(names) or "nothing more"

    return (
        f"the converted tokenizer gives other ids ({reader}, in {where}), near {near!r}: after {at:,} equal ones "
        f"{show(found)} where the source has {show(expected)}"
    )


def _short(text: str) -> str:
    return repr(text) if len(text) <= 60 else f"{text[:60]!r}..."
