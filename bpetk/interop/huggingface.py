"""Hugging Face files: tokenizer.json, tokenizer_config.json, and GPT-2's vocab.json with merges.txt.

What is written is, to the byte, what the `tokenizers` library writes for the same model. What is read is
byte-level BPE with a known scheme or a supported pattern; any other setting is refused by name, because
ignoring it would give other ids than the reference gives.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from bpetk.alphabet import BYTE_TO_CHAR, CHAR_TO_BYTE
from bpetk.errors import ConfigError, ModelFileError
from bpetk.model import BpeModel
from bpetk.pretokenizers import Scheme, custom_scheme, get_scheme, scheme_from_pattern
from bpetk.special_tokens import AddedToken

ROLES = ("bos", "eos", "pad", "unk")
"""Roles that a special token can have in ``tokenizer_config.json``."""

UNLIMITED = 1000000000000000019884624838656
"""What transformers writes as ``model_max_length`` when there is no limit: int(1e30)."""

_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
_MAX_ID = 2**32 - 2


def to_tokenizer_json(model: BpeModel) -> dict[str, Any]:
    """Give a model as the object of a ``tokenizer.json``.

    Parameters
    ----------
    model
        The model.

    Returns
    -------
    dict
        Keys in the reference's order; vocabulary by id, merges by rank.

    Examples
    --------
    >>> model = BpeModel(get_scheme("none"), (), [0 if byte == 97 else -1 for byte in range(256)], [], [], [])
    >>> to_tokenizer_json(model)["model"]["vocab"]
    {'a': 0}
    """
    strings = model.strings
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": token.id, "content": token.content} | {flag: getattr(token, flag) for flag in _FLAGS}
            for token in model.added_tokens
        ],
        "normalizer": None,
        "pre_tokenizer": model.scheme.to_hf(),
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {text: id for id, text in strings.items()},
            "merges": [[strings[left], strings[right]] for left, right in model.merge_ids],
        },
    }


def to_vocab_and_merges(model: BpeModel) -> tuple[str, str] | None:
    """Give the texts of ``vocab.json`` and ``merges.txt``, or None if the scheme is not GPT-2's.

    Readers of these files cut text by GPT-2's rule, so with another scheme they would give other ids.
    """
    if model.scheme.name != "gpt2":
        return None
    vocab = json.dumps(
        {text: id for id, text in model.strings.items()}, ensure_ascii=False, separators=(",", ":")
    )
    return vocab, "#version: 0.2\n" + merge_lines(model)


def merge_lines(model: BpeModel) -> str:
    """Give the merges as byte-level text, one ``left right`` per line: the body of ``merges.txt``."""
    strings = model.strings
    return "".join(f"{strings[left]} {strings[right]}\n" for left, right in model.merge_ids)


def tokenizer_config(
    model: BpeModel, roles: Mapping[str, str] | None = None, *, model_max_length: int = UNLIMITED
) -> dict[str, Any]:
    """Give the object of a ``tokenizer_config.json``, for transformers 4 and 5.

    Parameters
    ----------
    model
        The model.
    roles
        Special token for each of ``bos``, ``eos``, ``pad``, ``unk`` that there is.
    model_max_length
        Longest input in tokens.

    Raises
    ------
    ConfigError
        If a role is unknown or its token is not a special token of the model.

    Examples
    --------
    >>> model = BpeModel(get_scheme("gpt2"), ("<s>",), range(1, 257), [], [], [])
    >>> tokenizer_config(model, {"eos": "<s>"})["eos_token"]
    '<s>'
    """
    roles = check_roles(model, roles or {})
    config: dict[str, Any] = {
        "add_prefix_space": False,
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
    """Read the roles out of the object of a ``tokenizer_config.json``.

    Raises
    ------
    ModelFileError
        If a role is neither a string, nor an object with a ``content``, nor null.
    """
    config = _object(config, "the file")
    roles = {}
    for role in ROLES:
        value = config.get(f"{role}_token")
        if isinstance(value, dict):
            value = value.get("content")
        if value is not None:
            roles[role] = _string(value, f"{role}_token")
    return roles


def from_tokenizer_json(data: Any) -> BpeModel:
    """Read the object of a ``tokenizer.json``.

    Settings that change neither ids nor decoded text (trimming of offsets, a post-processor that adds no
    tokens) are accepted and not kept.

    Parameters
    ----------
    data
        The parsed JSON.

    Returns
    -------
    BpeModel
        Equal to the model that was written.

    Raises
    ------
    ModelFileError
        If a field is missing or malformed, or holds a setting that is not supported; the message names the
        field.
    """
    data = _object(data, "the file")
    _expect(data.get("version"), ("1.0",), "version")
    for name in ("truncation", "padding", "normalizer"):
        _expect(data.get(name), (None,), name)
    _check_post_processor(data.get("post_processor"))
    decoder = _object(data.get("decoder"), "decoder")
    _expect(decoder.get("type"), ("ByteLevel",), "decoder.type")
    scheme = _read_scheme(data.get("pre_tokenizer"))
    added = _read_added_tokens(data.get("added_tokens", []))
    fields = _object(data.get("model"), "model")
    _expect(fields.get("type"), ("BPE",), "model.type")
    for name in ("dropout", "unk_token"):
        _expect(fields.get(name), (None,), f"model.{name}")
    for name in ("continuing_subword_prefix", "end_of_word_suffix"):
        _expect(fields.get(name), (None, ""), f"model.{name}")
    for name in ("byte_fallback", "ignore_merges"):
        _expect(fields.get(name, False), (False,), f"model.{name}")
    vocab = _read_vocab(fields.get("vocab"))
    _check_added_ids(vocab, added)
    special = tuple(token.content for token in added if token.content in vocab)
    merges = _read_merges(fields.get("merges"), vocab)
    explained = {left + right for left, right in merges}.union(special, CHAR_TO_BYTE)
    for text in vocab:
        if text not in explained:
            _refuse(
                "model.vocab", f"{text!r} is neither a byte, nor the result of a merge, nor an added token"
            )
    try:
        model = BpeModel(
            scheme,
            special,
            [vocab.get(char, -1) for char in BYTE_TO_CHAR],
            [vocab[left] for left, _ in merges],
            [vocab[right] for _, right in merges],
            [vocab[left + right] for left, right in merges],
            added_tokens=tuple(added),
        )
        model.strings  # noqa: B018 - walks the merges, and so finds parts that nothing makes
    except ConfigError as error:
        raise ModelFileError(f"model.merges: {error}") from error
    return model


def _read_scheme(value: Any) -> Scheme:
    field = "pre_tokenizer"
    value = _object(value, field)
    if value.get("type") == "ByteLevel":
        return get_scheme("gpt2" if _check_byte_level(value, field) else "none")
    _expect(value.get("type"), ("Sequence", "ByteLevel"), f"{field}.type")
    steps = _list(value.get("pretokenizers"), f"{field}.pretokenizers")
    if len(steps) != 2:
        _refuse(f"{field}.pretokenizers", f"expected a splitter and ByteLevel, found {len(steps)} steps")
    field += ".pretokenizers"
    first, second = (_object(step, f"{field}[{i}]") for i, step in enumerate(steps))
    _expect(second.get("type"), ("ByteLevel",), f"{field}[1].type")
    if _check_byte_level(second, f"{field}[1]"):
        _refuse(f"{field}[1].use_regex", "expected false after a splitter, found true")
    if first.get("type") == "WhitespaceSplit":
        return get_scheme("whitespace")
    field += "[0]"
    _expect(first.get("type"), ("Split", "WhitespaceSplit"), f"{field}.type")
    _expect(first.get("behavior"), ("Isolated",), f"{field}.behavior")
    _expect(first.get("invert"), (False,), f"{field}.invert")
    pattern = _object(first.get("pattern"), f"{field}.pattern").get("Regex")
    pattern = _string(pattern, f"{field}.pattern.Regex")
    try:
        return scheme_from_pattern(pattern) or custom_scheme(pattern)
    except ConfigError as error:
        raise ModelFileError(f"{field}.pattern.Regex: {error}") from error


def _check_byte_level(value: Mapping[str, Any], field: str) -> bool:
    """Return ``use_regex``, true when it is missing as in the reference."""
    _expect(value.get("add_prefix_space"), (False,), f"{field}.add_prefix_space")
    return bool(_expect(value.get("use_regex", True), (False, True), f"{field}.use_regex"))


def _check_post_processor(value: Any) -> None:
    if value is None:
        return
    value = _object(value, "post_processor")
    kind = _expect(value.get("type"), (None, "ByteLevel", "TemplateProcessing"), "post_processor.type")
    if kind == "TemplateProcessing" and value.get("special_tokens") != {}:
        _refuse("post_processor.special_tokens", "adds tokens to every text, which is not supported")


def _read_added_tokens(value: Any) -> list[AddedToken]:
    tokens = []
    for i, item in enumerate(_list(value, "added_tokens")):
        field = f"added_tokens[{i}]"
        item = _object(item, field)
        content, id = _string(item.get("content"), f"{field}.content"), _id(item.get("id"), f"{field}.id")
        flags = {flag: _expect(item.get(flag, False), (False, True), f"{field}.{flag}") for flag in _FLAGS}
        try:
            tokens.append(AddedToken(content, id, **flags))
        except ConfigError as error:
            raise ModelFileError(f"{field}: {error}") from error
    tokens.sort(key=lambda token: token.id)
    return tokens


def _read_vocab(value: Any) -> dict[str, int]:
    vocab = {text: _id(id, f"model.vocab[{text!r}]") for text, id in _object(value, "model.vocab").items()}
    owner: dict[int, str] = {}
    for text, id in vocab.items():
        if owner.setdefault(id, text) != text:
            _refuse("model.vocab", f"id {id} is given to both {owner[id]!r} and {text!r}")
    return vocab


def _check_added_ids(vocab: Mapping[str, int], added: Sequence[AddedToken]) -> None:
    owner = {id: text for text, id in vocab.items()}
    seen: set[str] = set()
    for token in added:
        if token.content in seen:
            _refuse("added_tokens", f"{token.content!r} is listed twice")
        seen.add(token.content)
        if token.id != vocab.get(token.content, token.id):
            _refuse(
                "added_tokens",
                f"{token.content!r} has id {token.id}, but {vocab[token.content]} in model.vocab",
            )
        if owner.setdefault(token.id, token.content) != token.content:
            _refuse(
                "added_tokens", f"id {token.id} is given to both {owner[token.id]!r} and {token.content!r}"
            )


def _read_merges(value: Any, vocab: Mapping[str, int]) -> list[tuple[str, str]]:
    """Read merges as pairs, or as ``"left right"`` strings as older files have them."""
    merges: dict[tuple[str, str], None] = {}
    for i, item in enumerate(_list(value, "model.merges")):
        parts = item.split(" ") if isinstance(item, str) else item
        if not isinstance(parts, list) or len(parts) != 2 or not all(isinstance(part, str) for part in parts):
            _refuse(f"model.merges[{i}]", f"expected two strings, found {_short(item)}")
        left, right = parts
        for text in (left, right, left + right):
            if text not in vocab:
                _refuse(f"model.merges[{i}]", f"{text!r} is not in model.vocab")
        if (left, right) in merges:
            _refuse(f"model.merges[{i}]", f"the pair {left!r}, {right!r} is listed twice")
        merges[left, right] = None
    return list(merges)


def _refuse(field: str, reason: str) -> NoReturn:
    raise ModelFileError(f"{field}: {reason}")


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= 60 else text[:57] + "..."


def _expect(value: Any, known: tuple[Any, ...], field: str) -> Any:
    if any(value is item if item is None or isinstance(item, bool) else value == item for item in known):
        return value
    wanted = " or ".join(json.dumps(item) for item in known)
    _refuse(field, f"only {wanted} is supported, found {_short(value)}")


def _object(value: Any, field: str) -> dict[str, Any]:
    return value if isinstance(value, dict) else _refuse(field, f"expected an object, found {_short(value)}")


def _list(value: Any, field: str) -> list[Any]:
    return value if isinstance(value, list) else _refuse(field, f"expected a list, found {_short(value)}")


def _string(value: Any, field: str) -> str:
    return value if isinstance(value, str) else _refuse(field, f"expected a string, found {_short(value)}")


def _id(value: Any, field: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_ID:
        return value
    _refuse(field, f"expected an id, found {_short(value)}")
