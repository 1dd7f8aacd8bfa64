"""The ``model`` object of a ``tokenizer.json`` whose BPE joins characters, not bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bpetk.character_model import CHARACTERS, CharacterModel
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
    flags = {name: _flag(fields, name) for name in ("byte_fallback", "fuse_unk", "ignore_merges")}
    read_dropout(fields)
    prefix, suffix = (
        "" if fields.get(name) is None else read_string(fields[name], f"model.{name}")
        for name in ("continuing_subword_prefix", "end_of_word_suffix")
    )
    if (prefix or suffix) and flags["byte_fallback"]:
        name = "continuing_subword_prefix" if prefix else "end_of_word_suffix"
        refuse(f"model.{name}", "is not supported together with byte_fallback")
    if (prefix or suffix) and flags["ignore_merges"]:
        refuse(
            "model.ignore_merges", "true is not supported together with a prefix or a suffix of characters"
        )
    if not prefix.isascii():
        refuse("model.continuing_subword_prefix", f"{quoted(prefix)}: only ASCII is supported")
    vocab = read_vocab(fields.get("vocab"))
    added = renumbered(vocab, added)
    pairs, left, right, new = read_merges(fields.get("merges"), vocab, len(prefix))
    model = CharacterModel(
        CHARACTERS,
        tuple(token.content for token in added if token.content in vocab),
        [-1] * 256,
        left,
        right,
        new,
        added_tokens=tuple(added),
        ignore_merges=flags["ignore_merges"],
        end_of_word_suffix=suffix or None,
        unk_token=_unk(fields.get("unk_token"), vocab, flags["byte_fallback"]),
        fuse_unk=flags["fuse_unk"],
        vocabulary=vocab,
        byte_fallback=flags["byte_fallback"],
        continuing_subword_prefix=prefix or None,
    )
    _check_parts(model, pairs)
    return model


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
    if not byte_fallback or any(f"<0x{byte:02X}>" not in vocab for byte in range(256)):
        refuse(
            "model.unk_token",
            f"{quoted(unk)} is not in model.vocab, but needed: most characters have no token",
        )
    return None


def _check_parts(model: CharacterModel, pairs: Sequence[tuple[str, str]]) -> None:
    """Refuse merges of what stands for characters that are no tokens: in the encoder nothing is joined to these."""
    apart = {} if model.unk_token is None else {model.unk_token: "the unknown token"}
    if model.byte_fallback:
        apart |= {f"<0x{byte:02X}>": "the token of a byte" for byte in range(256)}
    for i, pair in enumerate(pairs):
        for part in pair:
            if part in apart:
                refuse(f"model.merges[{i}]", f"joins {quoted(part)}, {apart[part]}, which is not supported")
