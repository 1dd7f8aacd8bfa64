"""Files of transformers beside a vocabulary that is not a ``tokenizer.json``: they name its added tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bpetk.errors import ConfigError
from bpetk.interop.json_fields import expect, quoted, read_id, read_list, read_object, read_string, refuse
from bpetk.special_tokens import AddedToken

_NAMED = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


def added_tokens_beside(files: Mapping[str, Any], vocab: Mapping[str, int]) -> list[AddedToken]:
    """Find the added tokens as transformers does.

    If ``tokenizer_config.json`` has an ``added_tokens_decoder``, that lists them all. Otherwise they are the
    tokens of ``added_tokens.json``, and those with a role (``bos_token``, ..., ``additional_special_tokens``) in
    ``special_tokens_map.json`` or ``tokenizer_config.json``, if the vocabulary or ``added_tokens.json`` has them.

    Parameters
    ----------
    files
        Parsed content of those of the three files that there are, by name.
    vocab
        The vocabulary.

    Raises
    ------
    ModelFileError
        If one of them is malformed; the message names file and field.
    """
    config = read_object(files.get("tokenizer_config.json", {}), "tokenizer_config.json")
    if "added_tokens_decoder" in config:
        return _from_decoder(config["added_tokens_decoder"], "tokenizer_config.json: added_tokens_decoder")
    listed = read_object(files.get("added_tokens.json", {}), "added_tokens.json")
    listed = {content: read_id(id, f"added_tokens.json: {quoted(content)}") for content, id in listed.items()}
    special = {**_with_role(config, "tokenizer_config.json")}
    if "special_tokens_map.json" in files:
        name = "special_tokens_map.json"
        special |= _with_role(read_object(files[name], name), name)
    ids = {content: listed.get(content, vocab.get(content)) for content in {**listed, **special}}
    return [
        _token(content, id, special.get(content, {"special": False, "normalized": True}), "added_tokens.json")
        for content, id in ids.items()
        if id is not None
    ]


def _from_decoder(value: Any, field: str) -> list[AddedToken]:
    tokens = []
    for key, item in read_object(value, field).items():
        here = f"{field}.{key}"
        if not (key.isascii() and key.isdigit() and len(key) <= 10):
            refuse(here, "expected an id as the key")
        item = read_object(item, here)
        id = read_id(int(key), here)
        tokens.append(_token(read_string(item.get("content"), f"{here}.content"), id, item, here))
    return tokens


def _with_role(config: Mapping[str, Any], file: str) -> dict[str, Mapping[str, Any]]:
    """Give the flags of each token that has a role."""
    found: dict[str, Mapping[str, Any]] = {}
    values = [(f"{file}: {name}_token", config.get(f"{name}_token")) for name in _NAMED]
    others = config.get("additional_special_tokens")
    if others is not None:
        field = f"{file}: additional_special_tokens"
        values += [(f"{field}[{i}]", item) for i, item in enumerate(read_list(others, field))]
    for field, value in values:
        if isinstance(value, dict):
            found[read_string(value.get("content"), f"{field}.content")] = value | {"special": True}
        elif value is not None:
            found[read_string(value, field)] = {"special": True}
    return found


def _token(content: str, id: int, flags: Mapping[str, Any], field: str) -> AddedToken:
    chosen = {flag: expect(flags.get(flag, False), (False, True), f"{field}.{flag}") for flag in _FLAGS}
    try:
        return AddedToken(content, id, **chosen)
    except ConfigError as error:
        refuse(field, str(error))
