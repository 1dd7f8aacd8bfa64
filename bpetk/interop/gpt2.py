"""GPT-2's pair of files: ``vocab.json`` and ``merges.txt``.

They hold a vocabulary and its merges only: not how text is cut, not which entries of the vocabulary are special, and
no settings. Readers of them cut text by GPT-2's rule.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bpetk.definition import BYTE_LEVEL_DECODER, Definition, Sections
from bpetk.errors import ModelFileError
from bpetk.interop.bpe_section import read_bpe
from bpetk.interop.given_tokens import Given, given_tokens
from bpetk.interop.json_fields import read_object, refuse, short
from bpetk.model import BpeModel
from bpetk.pretokenizers import Scheme, get_scheme


def from_vocab_and_merges(
    vocab: Any, merges: str, *, scheme: Scheme | None = None, special_tokens: Given = None
) -> Definition:
    r"""Read the two files.

    Parameters
    ----------
    vocab
        The parsed ``vocab.json``.
    merges
        The text of ``merges.txt``. Empty lines and lines that begin with ``#version`` are skipped.
    scheme
        How text is cut, GPT-2's rule if not given.
    special_tokens
        Contents and ids of special tokens, or added tokens, whether the vocabulary holds them or not. Without it
        there are none, and ``<s>`` in a vocabulary is an entry that no text gives.

    Returns
    -------
    Definition
        Of format ``"gpt2"``.

    Raises
    ------
    ModelFileError
        If the files are malformed or do not fit together; the message names the field, or the line of the merges.
    ConfigError
        If a special token has another id in the vocabulary, or the id of another token.

    Examples
    --------
    >>> definition = from_vocab_and_merges({"a": 0, "b": 1, "ab": 2}, "#version: 0.2\na b\n")
    >>> definition.model.merges
    [(b'a', b'b')]
    """
    vocab = read_object(vocab, "the file")
    pairs = _read_lines(merges, vocab)
    try:
        read_bpe({"vocab": vocab, "merges": []}, ())
        added, inside = given_tokens(special_tokens, len(vocab), vocab.get, frozenset(vocab.values()))
        listed = {token.content: token.id for token in added if token.content in inside}
        parts = read_bpe({"vocab": vocab | listed, "merges": pairs}, added)
    except ModelFileError as error:
        raise ModelFileError(str(error).removeprefix("model.")) from error
    scheme = scheme or get_scheme("gpt2")
    model = BpeModel(scheme, added_tokens=added, **parts._asdict())
    sections = Sections(pre_tokenizer=scheme.to_hf(), decoder=dict(BYTE_LEVEL_DECODER))
    return Definition(model, sections, format="gpt2")


def _read_lines(merges: str, vocab: Mapping[str, int]) -> list[list[str]]:
    pairs = []
    for number, line in enumerate(merges.split("\n"), 1):
        line = line.removesuffix("\r")
        if not line or line.startswith("#version"):
            continue
        parts = line.split(" ")
        if len(parts) != 2:
            refuse(f"merges, line {number}", f"expected two tokens with a blank between, found {short(line)}")
        for text in (*parts, "".join(parts)):
            if text not in vocab:
                refuse(f"merges, line {number}", f"{short(text)} is not in the vocabulary")
        pairs.append(parts)
    return pairs


def to_vocab_and_merges(definition: Definition | BpeModel) -> tuple[str, str] | None:
    """Give the texts of ``vocab.json`` and ``merges.txt``, or None if they do not hold the tokenizer.

    They do not if text is normalized or cut by another rule than GPT-2's, if added tokens are outside the vocabulary
    or not special, or if the model has settings.
    """
    if isinstance(definition, BpeModel):
        definition = Definition(definition)
    model, sections = definition.model, definition.sections
    settings = (model.ignore_merges, model.ranks, model.end_of_word_suffix, model.unk_token)
    added = {token.content for token in model.added_tokens if token.special}
    plain = (
        model.scheme.name == "gpt2"
        and sections.normalizer is None
        and (sections.post_processor or {"type": "ByteLevel"})["type"] == "ByteLevel"
        and not any(settings)
        and added == {token.content for token in model.added_tokens} <= set(model.special_tokens)
    )
    lines = merge_lines(model) if plain else ""
    if not plain or lines.startswith("#version") or "\n#version" in lines:
        return None
    if lines.count("\n") != len(model.new) or lines.count(" ") != len(model.new) or "\r" in lines:
        return None
    vocab = {text: id for id, text in model.strings.items()}
    return json.dumps(vocab, ensure_ascii=False, separators=(",", ":")), "#version: 0.2\n" + lines


def merge_lines(model: BpeModel) -> str:
    """Give the merges as byte-level text, one ``left right`` per line: the body of ``merges.txt``."""
    strings = model.strings
    return "".join(f"{strings[left]} {strings[right]}\n" for left, right in model.merge_ids)
