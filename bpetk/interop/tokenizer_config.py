"""The ``tokenizer_config.json`` of transformers: which special token plays which role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bpetk.definition import Section
from bpetk.errors import ConfigError
from bpetk.interop.json_fields import read_object, read_string
from bpetk.model import BpeModel

ROLES = ("bos", "eos", "pad", "unk")
"""Roles that a special token can have in ``tokenizer_config.json``."""

UNLIMITED = 1000000000000000019884624838656
"""What transformers writes as ``model_max_length`` when there is no limit: int(1e30)."""


def tokenizer_config(
    model: BpeModel,
    roles: Mapping[str, str] | None = None,
    *,
    pre_tokenizer: Section = None,
    model_max_length: int = UNLIMITED,
) -> dict[str, Any]:
    """Give the object of a ``tokenizer_config.json``, for transformers 4 and 5.

    Parameters
    ----------
    model
        The model.
    roles
        Special token for each of ``bos``, ``eos``, ``pad``, ``unk`` that there is.
    pre_tokenizer
        That of the ``tokenizer.json`` beside it; None means what the model's scheme says.
    model_max_length
        Longest input in tokens.

    Raises
    ------
    ConfigError
        If a role is unknown or its token is not a special token of the model.

    Examples
    --------
    >>> from bpetk.pretokenizers import get_scheme
    >>> model = BpeModel(get_scheme("gpt2"), ("<s>",), range(1, 257), [], [], [])
    >>> tokenizer_config(model, {"eos": "<s>"})["eos_token"]
    '<s>'
    """
    roles = check_roles(model, roles or {})
    config: dict[str, Any] = {
        # transformers changes a tokenizer.json that says otherwise.
        "add_prefix_space": bool((pre_tokenizer or {}).get("add_prefix_space", False)),
        "clean_up_tokenization_spaces": False,
        "model_max_length": model_max_length,
        # transformers 5 renamed it and keeps this name as an alias; transformers 4 knows no other.
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    config |= {f"{role}_token": roles[role] for role in ROLES if role in roles}
    special = [token.content for token in model.added_tokens if token.special]
    if others := [content for content in special if content not in roles.values()]:
        config["additional_special_tokens"] = others
    return config


def check_roles(model: BpeModel, roles: Mapping[str, str]) -> dict[str, str]:
    """Return the roles in fixed order.

    Raises
    ------
    ConfigError
        If a role is unknown or its token is not a special token of the model.
    """
    if unknown := sorted(set(roles) - set(ROLES)):
        raise ConfigError(f"unknown roles {unknown}; known: {', '.join(ROLES)}")
    special = {token.content for token in model.added_tokens if token.special}
    for role, content in roles.items():
        if content not in special:
            raise ConfigError(
                f"the {role} token {content!r} is not a special token of this tokenizer; train with it"
            )
    return {role: roles[role] for role in ROLES if role in roles}


def roles_from_config(config: Any) -> dict[str, str]:
    """Read the roles out of the object of a ``tokenizer_config.json`` or ``special_tokens_map.json``.

    Raises
    ------
    ModelFileError
        If a role is neither a string, nor an object with a ``content``, nor null.
    """
    config = read_object(config, "the file")
    roles = {}
    for role in ROLES:
        value = config.get(f"{role}_token")
        if isinstance(value, dict):
            value = value.get("content")
        if value is not None:
            roles[role] = read_string(value, f"{role}_token")
    return roles
