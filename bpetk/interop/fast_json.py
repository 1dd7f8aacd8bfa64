"""Reading a ``tokenizer.json`` natively: the usual file in a tenth of the time, everything else not at all.

What this accepts, it reads as `bpetk.interop.huggingface.from_tokenizer_json` does; for all else, errors included,
that one is asked.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from typing import Any

from bpetk._added_tokens import Matcher
from bpetk._json_outline import Outline, split_file
from bpetk._model_reader import EXPLAINED, PART, TOKEN, Parts
from bpetk._model_reader import read_bpe as read_natively
from bpetk.alphabet import from_byte_level, is_byte_level
from bpetk.character_model import CharacterModel
from bpetk.definition import Definition
from bpetk.errors import ModelFileError
from bpetk.interop.bpe_section import BpeParts, check_added_ids, read_settings, read_unk
from bpetk.interop.character_section import read_packed_characters
from bpetk.interop.huggingface import assemble, has_byte_level
from bpetk.special_tokens import AddedToken


class _NotSure(Exception):
    """The file is one for the other path."""


def read_fast(data: bytes) -> Definition | None:
    """Read a file, or return None if it is not surely a plain one.

    Parameters
    ----------
    data
        All of its bytes.
    """
    outline = split_file(data)
    if outline is None or not {"type", "vocab", "merges"} <= set(outline.model):
        return None

    def value(span: tuple[int, int]) -> Any:
        return json.loads(data[slice(*span)])

    try:
        small = {name: value(span) for name, span in outline.fields.items() if name != "model"}
        fields = {
            name: value(span) for name, span in outline.model.items() if name not in ("vocab", "merges")
        }
        if (
            fields["type"] != "BPE"
            or fields.get("continuing_subword_prefix")
            or fields.get("end_of_word_suffix")
        ):
            return None
        if not has_byte_level(small.get("pre_tokenizer")):
            return assemble(small, fields, _no_bytes, lambda added: _characters(outline, fields, added))
        parts = read_natively(outline)
        if parts is None:
            return None
        definition = assemble(small, fields, lambda added: _bpe_parts(parts, fields, added))
    except (_NotSure, ModelFileError, ValueError, RecursionError):
        return None
    definition.model.keep_packed(parts.blob, parts.offsets, parts.flags)
    return definition


def _no_bytes(added: list[AddedToken]) -> BpeParts:
    raise _NotSure


def _characters(outline: Outline, fields: dict[str, Any], added: list[AddedToken]) -> CharacterModel:
    model = read_packed_characters(outline, fields, added)
    if model is None:
        raise _NotSure
    return model


def _bpe_parts(parts: Parts, fields: dict[str, Any], added: list[AddedToken]) -> BpeParts:
    read_settings(fields)
    others = dict(parts.others)
    vocab = others | _explained(parts, [token.content for token in added if token.content not in others])
    for token in added:
        if token.content not in vocab and token.id < len(parts.flags) and parts.flags[token.id]:
            raise _NotSure  # its id is that of an entry
    check_added_ids(vocab, added, size=len(parts.flags) - parts.flags.count(0))
    special = tuple(token.content for token in added if token.content in vocab)
    if fields.get("unk_token") is not None and (fields["unk_token"] not in others or -1 in parts.byte_ids):
        raise _NotSure
    inside = frozenset(special)
    return BpeParts(
        byte_ids=parts.byte_ids,
        left=parts.left,
        right=parts.right,
        new=parts.new,
        special_tokens=special,
        extra_tokens=tuple(
            (text, id) for text, id in parts.others if text not in inside or parts.flags[id] & PART
        ),
        ignore_merges=bool(fields.get("ignore_merges")),
        end_of_word_suffix=None,
        unk_token=read_unk(fields.get("unk_token"), vocab, ""),
        fuse_unk=bool(fields.get("fuse_unk")),
    )


def _explained(parts: Parts, contents: list[str]) -> dict[str, int]:
    """Find contents of added tokens among the bytes and the results of merges."""
    spelled = {content: from_byte_level(content) for content in contents if is_byte_level(content)}
    # One search for all of them: mostly, no token holds any.
    if spelled and not Matcher(spelled.values(), range(len(spelled))).find_all(parts.blob):
        return {}
    found = {}
    for content, token in spelled.items():
        at = parts.blob.find(token)
        while at >= 0:
            id = bisect_right(parts.offsets, at) - 1
            if parts.offsets[id] == at and parts.offsets[id + 1] == at + len(token):
                if parts.flags[id] & (TOKEN | EXPLAINED) == TOKEN | EXPLAINED:
                    found[content] = id
                break
            at = parts.blob.find(token, at + 1)
    return found
