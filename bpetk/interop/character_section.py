"""The ``model`` object of a ``tokenizer.json`` whose BPE joins characters, not bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bpetk._json_outline import Outline
from bpetk._model_reader import PART, read_bpe
from bpetk.character_model import BLANK, BYTE_TOKENS, CHARACTERS, CharacterModel, PackedVocabulary
from bpetk.interop.bpe_section import read_dropout, read_merges, read_vocab, renumbered
from bpetk.interop.json_fields import quoted, read_flag, read_string, refuse
from bpetk.special_tokens import AddedToken


def read_characters(fields: Mapping[str, Any], added: Sequence[AddedToken]) -> CharacterModel:
    """Read the ``model`` object.

    Parameters
    ----------
    fields
        The object. Its ``type`` is not looked at. Fields that it lacks have the reference's defaults.
    added
        The added tokens, in the order of the file.

    Returns
    -------
    CharacterModel
        Merges in rank order; a pair that is listed twice has its last rank. Added tokens have the ids that the
        reference gives them: small files of this kind list some with ids that belong to other tokens.

    Raises
    ------
    ModelFileError
        If a field is malformed or holds a setting that cannot be reproduced exactly.
    """
    settings = _read_settings(fields)
    vocab = read_vocab(fields.get("vocab"))
    added = renumbered(vocab, added)
    pairs, left, right, new = read_merges(fields.get("merges"), vocab, len(settings.prefix))
    model = _model(fields, settings, vocab, added, (left, right, new))
    _check_parts(model, pairs)
    return model


def read_packed_characters(
    outline: Outline, fields: Mapping[str, Any], added: Sequence[AddedToken]
) -> CharacterModel | None:
    """Read the ``model`` object natively, or return None if it is not surely a plain one.

    Parameters
    ----------
    outline
        The file.
    fields, added
        As in `read_characters`; ``vocab`` and ``merges`` are not looked at.
    """
    settings = _read_settings(fields)
    unk = fields.get("unk_token")
    if settings.prefix or settings.suffix or not (unk is None or isinstance(unk, str)):
        return None
    asked = list(dict.fromkeys([*(token.content for token in added), BLANK, *BYTE_TOKENS, unk or ""]))
    parts = read_bpe(outline, characters=True, texts=[text.encode() for text in asked])
    if parts is None:
        return None
    found = dict(zip(asked, parts.found, strict=True))
    vocab = PackedVocabulary(parts.blob, parts.offsets, parts.flags, found)
    apart = [found[unk or ""], *(found[token] for token in BYTE_TOKENS if settings.byte_fallback)]
    # Merges of these are refused by name, and so are ids that two tokens have.
    if any(id >= 0 and parts.flags[id] & PART for id in apart):
        return None
    inside = {token.content: found[token.content] for token in added if found[token.content] >= 0}
    tokens = renumbered(inside, added, size=len(vocab))
    if any(
        token.content not in inside and parts.flags[token.id : token.id + 1].strip(b"\0") for token in tokens
    ):
        return None
    return _model(fields, settings, vocab, tokens, (parts.left, parts.right, parts.new))


class _Settings(NamedTuple):
    byte_fallback: bool
    fuse_unk: bool
    ignore_merges: bool
    prefix: str
    suffix: str


def _read_settings(fields: Mapping[str, Any]) -> _Settings:
    """Check the fields that are not lists."""
    byte_fallback, fuse_unk, ignore_merges = (
        _flag(fields, name) for name in ("byte_fallback", "fuse_unk", "ignore_merges")
    )
    read_dropout(fields)
    prefix, suffix = (
        "" if fields.get(name) is None else read_string(fields[name], f"model.{name}")
        for name in ("continuing_subword_prefix", "end_of_word_suffix")
    )
    if (prefix or suffix) and byte_fallback:
        name = "continuing_subword_prefix" if prefix else "end_of_word_suffix"
        refuse(f"model.{name}", "is not supported together with byte_fallback")
    if (prefix or suffix) and ignore_merges:
        refuse(
            "model.ignore_merges", "true is not supported together with a prefix or a suffix of characters"
        )
    if not prefix.isascii():
        refuse("model.continuing_subword_prefix", f"{quoted(prefix)}: only ASCII is supported")
    return _Settings(byte_fallback, fuse_unk, ignore_merges, prefix, suffix)


def _model(
    fields: Mapping[str, Any],
    settings: _Settings,
    vocab: Mapping[str, int],
    added: Sequence[AddedToken],
    merges: tuple[Sequence[int], Sequence[int], Sequence[int]],
) -> CharacterModel:
    return CharacterModel(
        CHARACTERS,
        tuple(token.content for token in added if token.content in vocab),
        [-1] * 256,
        *merges,
        added_tokens=tuple(added),
        ignore_merges=settings.ignore_merges,
        end_of_word_suffix=settings.suffix or None,
        unk_token=_unk(fields.get("unk_token"), vocab, settings.byte_fallback),
        fuse_unk=settings.fuse_unk,
        vocabulary=vocab,
        byte_fallback=settings.byte_fallback,
        continuing_subword_prefix=settings.prefix or None,
    )


def write_characters(model: CharacterModel, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Give the ``model`` object.

    Parameters
    ----------
    model
        The model.
    settings
        Fields without effect that are to be kept, from ``inert_settings``.
    """
    strings = model.strings
    return {
        "type": "BPE",
        "dropout": settings.get("dropout"),
        "unk_token": settings.get("unk_token") if model.unk_token is None else model.unk_token,
        "continuing_subword_prefix": model.continuing_subword_prefix
        or settings.get("continuing_subword_prefix"),
        "end_of_word_suffix": model.end_of_word_suffix or settings.get("end_of_word_suffix"),
        "fuse_unk": model.fuse_unk,
        "byte_fallback": model.byte_fallback,
        "ignore_merges": model.ignore_merges,
        "vocab": {text: id for id, text in strings.items()},
        "merges": [[strings[left], strings[right]] for left, right in model.merge_ids],
    }


def _flag(fields: Mapping[str, Any], name: str) -> bool:
    return read_flag(False if fields.get(name) is None else fields[name], f"model.{name}")


def _unk(value: Any, vocab: Mapping[str, int], byte_fallback: bool) -> str | None:
    """Return the unknown token, None if there is none or it cannot come up."""
    if value is None:
        return None
    unk = read_string(value, "model.unk_token")
    if unk in vocab:
        return unk
    if not byte_fallback or any(token not in vocab for token in BYTE_TOKENS):
        refuse(
            "model.unk_token",
            f"{quoted(unk)} is not in model.vocab, but needed: most characters have no token",
        )
    return None


def _check_parts(model: CharacterModel, pairs: Sequence[tuple[str, str]]) -> None:
    """Refuse merges of what stands for characters that are no tokens: in the encoder nothing is joined to these."""
    apart = {} if model.unk_token is None else {model.unk_token: "the unknown token"}
    if model.byte_fallback:
        apart |= dict.fromkeys(BYTE_TOKENS, "the token of a byte")
    for i, pair in enumerate(pairs):
        for part in pair:
            if part in apart:
                refuse(f"model.merges[{i}]", f"joins {quoted(part)}, {apart[part]}, which is not supported")
