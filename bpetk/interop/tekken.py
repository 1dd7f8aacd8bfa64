"""Mistral's ``tekken.json``: ranks as tiktoken has them, the pattern, and the special tokens."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

from bpetk._rank_reader import pack_ranks
from bpetk._tekken_reader import split_tekken
from bpetk.definition import BYTE_LEVEL_DECODER, Definition, Sections
from bpetk.errors import ConfigError, ModelFileError
from bpetk.interop.json_fields import (
    MAX_ID,
    parse_json,
    read_integer,
    read_list,
    read_object,
    read_string,
    refuse,
    short,
)
from bpetk.interop.tiktoken import RankList, cutting, model_of_ranks

# Special tokens of files that do not list them, versions up to 7.
_DEFAULT = (
    *(
        "<unk>",
        "<s>",
        "</s>",
        "[INST]",
        "[/INST]",
        "[AVAILABLE_TOOLS]",
        "[/AVAILABLE_TOOLS]",
        "[TOOL_RESULTS]",
    ),
    *(
        "[/TOOL_RESULTS]",
        "[TOOL_CALLS]",
        "[IMG]",
        "<pad>",
        "[IMG_BREAK]",
        "[IMG_END]",
        "[PREFIX]",
        "[MIDDLE]",
    ),
    *("[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]"),
)
_ROLES = {"bos": "<s>", "eos": "</s>", "pad": "<pad>", "unk": "<unk>"}


def from_tekken_json(data: Any) -> Definition:
    """Read the object of a ``tekken.json``.

    Special tokens have the ids from 0 on; those without a name are ``<SPECIAL_20>`` and so on. The other ids follow
    by rank. Of the vocabulary only the beginning counts, up to ``default_vocab_size``.

    Parameters
    ----------
    data
        The parsed JSON.

    Returns
    -------
    Definition
        Of format ``"tekken"``.

    Raises
    ------
    ModelFileError
        If a field is missing or malformed; the message names it.
    """
    data = read_object(data, "the file")
    return _assemble(data, lambda size, first: _read_vocab(data.get("vocab"), size, first))


def read_fast(data: bytes) -> Definition | None:
    """Read a ``tekken.json`` with a native reader of its vocabulary, or return None if it is not surely a plain one.

    Parameters
    ----------
    data
        All bytes of the file. What this accepts, `from_tekken_json` reads alike; it is to be asked for all else,
        errors included.
    """
    vocab = split_tekken(data)
    if vocab is None:
        return None

    def read_vocab(size: int, first: int) -> RankList:
        table = vocab.ranks(size, first)
        return refuse("vocab", "odd") if table is None else RankList(table, table.find)

    try:
        rest = parse_json(data[: vocab.start] + b"[]" + data[vocab.end :])
        if isinstance(rest.get("model"), dict) or rest["vocab"] != []:
            return None  # names with escapes
        return _assemble(rest, read_vocab)
    except ModelFileError:
        return None


def _assemble(data: dict[str, Any], read_vocab: Callable[[int, int], RankList]) -> Definition:
    config = read_object(data.get("config"), "config")
    reserved = read_integer(
        config.get("default_num_special_tokens"), "config.default_num_special_tokens", 0, MAX_ID
    )
    size = read_integer(config.get("default_vocab_size"), "config.default_vocab_size", reserved, MAX_ID)
    special = _read_special_tokens(data.get("special_tokens"), config.get("version"), reserved)
    ranks = read_vocab(size - reserved, reserved)
    pattern = read_string(config.get("pattern"), "config.pattern")
    try:
        scheme, pre_tokenizer = cutting(None, pattern)
    except ConfigError as error:
        refuse("config.pattern", str(error))
    try:
        model = model_of_ranks(scheme, ranks, special)
    except ConfigError as error:
        raise ModelFileError(f"special_tokens: {error}") from error
    sections = Sections(pre_tokenizer=pre_tokenizer, decoder=dict(BYTE_LEVEL_DECODER))
    roles = {role: content for role, content in _ROLES.items() if content in special}
    return Definition(model, sections, roles, "tekken")


def _read_special_tokens(value: Any, version: Any, reserved: int) -> dict[str, int]:
    if value is None:
        number = re.fullmatch(r"v(\d{1,4})(m\d+)?", version) if isinstance(version, str) else None
        if not number or int(number[1]) > 7:
            refuse(
                "special_tokens", f"missing, and version {short(version)} does not imply them (up to v7 do)"
            )
        value = [{"rank": rank, "token_str": content} for rank, content in enumerate(_DEFAULT)]
    found: dict[int, str] = {}
    for i, item in enumerate(read_list(value, "special_tokens")):
        field = f"special_tokens[{i}]"
        item = read_object(item, field)
        rank = read_integer(
            item.get("rank"), f"{field}.rank", 0, len(value) - 1, "one of the ranks from 0 on"
        )
        content = read_string(item.get("token_str"), f"{field}.token_str")
        if rank in found:
            refuse(field, f"rank {rank} is given twice")
        found[rank] = content
    if len(found) > reserved:
        refuse(
            "special_tokens", f"{len(found)} are listed, but config.default_num_special_tokens is {reserved}"
        )
    found |= {id: f"<SPECIAL_{id}>" for id in range(len(found), reserved)}
    special = {content: id for id, content in sorted(found.items())}
    if len(special) != len(found):
        refuse("special_tokens", "a token is listed twice")
    return special


def _read_vocab(value: Any, size: int, first: int) -> RankList:
    items = read_list(value, "vocab")
    if len(items) < size:
        refuse("vocab", f"{len(items)} tokens, but the sizes in config need {size}")
    tokens: dict[bytes, int] = {}
    for i, item in enumerate(items[:size]):
        field = f"vocab[{i}]"
        item = read_object(item, field)
        if item.get("rank") != i or isinstance(item["rank"], bool):
            refuse(f"{field}.rank", f"expected {i}, found {short(item.get('rank'))}")
        text = item.get("token_bytes")
        try:
            token = base64.b64decode(text if isinstance(text, str) else "?", validate=True)
        except ValueError:
            refuse(f"{field}.token_bytes", f"expected base64, found {short(text)}")
        if i < 256 and token != bytes([i]):
            refuse(f"{field}.token_bytes", f"expected byte 0x{i:02X}, as the first 256 tokens are the bytes")
        if tokens.setdefault(token, i) != i:
            refuse(field, f"the same token as vocab[{tokens[token]}]")
    if size < 256:
        refuse("vocab", f"the sizes in config leave {size} tokens, fewer than there are bytes")
    ids = {token: first + i for token, i in tokens.items()}
    return RankList(pack_ranks(list(ids), list(ids.values())), ids.get)
