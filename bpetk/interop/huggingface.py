"""The ``tokenizer.json`` of Hugging Face's `tokenizers`.

What is written is, to the byte, what that library writes for the same tokenizer. What is read is byte-level BPE; any
setting that cannot be reproduced exactly is refused by name, because ignoring it would give other ids.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from bpetk.character_model import CharacterModel
from bpetk.definition import Definition, Section, Sections
from bpetk.errors import ConfigError, ModelFileError
from bpetk.interop.bpe_section import (
    BpeParts,
    check_byte_fallback,
    inert_settings,
    needs_listing,
    read_added_tokens,
    read_bpe,
    write_added_tokens,
    write_bpe,
)
from bpetk.interop.character_section import read_characters, write_characters
from bpetk.interop.json_fields import (
    check_text,
    expect,
    quoted,
    read_integer,
    read_object,
    read_string,
    refuse,
    short,
)
from bpetk.interop.tokenizer_config import check_roles as check_roles
from bpetk.model import BpeModel
from bpetk.pretokenizers import Scheme, custom_scheme
from bpetk.special_tokens import AddedToken

_KEYS = (
    *("version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor"),
    *("decoder", "model"),
)
_STAGES = ("normalizer", "pre_tokenizer", "post_processor", "decoder")
_SIZE = 2**64 - 1


def to_tokenizer_json(definition: Definition | BpeModel) -> dict[str, Any]:
    """Give a tokenizer as the object of a ``tokenizer.json``.

    A model made from ranks is written as the merges that give the same results, with ``ignore_merges``.

    Parameters
    ----------
    definition
        The tokenizer. A model alone stands for one without normalizer and post-processor, as training makes it.

    Returns
    -------
    dict
        Keys in the reference's order; vocabulary by id, merges by rank.

    Examples
    --------
    >>> from bpetk.pretokenizers import get_scheme
    >>> model = BpeModel(get_scheme("none"), (), [0 if byte == 97 else -1 for byte in range(256)], [], [], [])
    >>> to_tokenizer_json(model)["model"]["vocab"]
    {'a': 0}
    """
    if isinstance(definition, BpeModel):
        definition = Definition(definition)
    model, sections = definition.model, definition.sections
    if isinstance(model, CharacterModel):
        return _outline(definition, write_characters(model, sections.model or {}))
    inside = {content: model.added_ids[content] for content in model.special_tokens}
    inside |= {text: id for text, id in model.extra_tokens if text in model.added_ids}
    outside = needs_listing(len(model.strings), inside, model.added_tokens)
    if sections.pre_tokenizer is None and model.scheme.name == "pipeline":
        raise ConfigError("the pre-tokenizer of this definition is missing; its scheme does not say it")
    return _outline(definition, write_bpe(model, sections.model or {}, outside))


def _outline(definition: Definition, model: dict[str, Any]) -> dict[str, Any]:
    sections = definition.sections
    normalizer, pre_tokenizer, post_processor, decoder = definition.stages
    return {
        "version": "1.0",
        "truncation": sections.truncation,
        "padding": sections.padding,
        "added_tokens": write_added_tokens(definition.model.added_tokens),
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": post_processor,
        "decoder": decoder if decoder is None else dict(decoder),
        "model": model,
    }


def from_tokenizer_json(data: Any) -> Definition:
    """Read the object of a ``tokenizer.json``.

    Parameters
    ----------
    data
        The parsed JSON.

    Returns
    -------
    Definition
        Of format ``"hf"``. Its model is equal to the one that was written; the sections have the reference's
        defaults filled in.

    Raises
    ------
    ModelFileError
        If a field is missing or malformed, or holds a setting that is not supported; the message names the
        field.
    """
    data = read_object(data, "the file")
    fields = read_object(data.get("model"), "model")
    return assemble(data, fields, lambda added: read_bpe(fields, added))


def assemble(
    data: Mapping[str, Any],
    fields: Mapping[str, Any],
    read: Callable[[list[AddedToken]], BpeParts],
    read_other: Callable[[list[AddedToken]], CharacterModel] | None = None,
) -> Definition:
    """Make the definition of the parts of a ``tokenizer.json``.

    Parameters
    ----------
    data
        The file's object; its ``model`` is not looked at.
    fields
        The ``model`` object; its ``vocab`` and ``merges`` are not looked at.
    read
        Gives vocabulary and merges, knowing the added tokens in their order.
    read_other
        Gives the model if tokens are characters; by default it is read from ``fields``.

    Raises
    ------
    ModelFileError
        As `from_tokenizer_json`.
    """
    if unknown := [key for key in data if key not in _KEYS]:
        refuse("the file", f"unknown field {quoted(unknown[0])}; a tokenizer.json has {', '.join(_KEYS)}")
    expect(data.get("version", "1.0"), ("1.0",), "version")
    characters = _check_kind(fields, data.get("pre_tokenizer"))
    sections = {name: read_stage(name, data.get(name)) for name in _STAGES}
    added = read_added_tokens(data.get("added_tokens", []))
    read_other = read_other or (lambda added: read_characters(fields, added))
    parts = read_other(added) if characters else read(added)
    config: dict[str, Any] = {
        name: None if stage is None else stage.config for name, stage in sections.items()
    }
    kept = Sections(
        config["normalizer"],
        config["pre_tokenizer"],
        config["post_processor"],
        config["decoder"],
        _read_truncation(data.get("truncation")),
        _read_padding(data.get("padding")),
        inert_settings(fields, parts.unk_token),
    )
    if isinstance(parts, CharacterModel):
        return Definition(parts, kept, format="hf")
    scheme = scheme_of(sections["pre_tokenizer"], kept.normalizer is None)
    try:
        model = BpeModel(scheme, added_tokens=tuple(added), **parts._asdict())
    except ConfigError as error:
        raise ModelFileError(f"model: {error}") from error
    return Definition(model, kept, format="hf")


def read_stage(name: str, value: Any) -> Any:
    """Make the stage of a section, which checks it completely; None if there is none.

    Raises
    ------
    ModelFileError
        If it is malformed or not supported; the message names the field.
    """
    if value is None:
        return None
    check_text(value, name)
    try:
        return _reader(name)(value, name)
    except ModelFileError as error:
        text = str(error)
        raise ModelFileError(text if len(text) <= 500 else f"{text[:497]}...") from error


def _reader(name: str) -> Callable[[Any, str], Any]:
    # Most tokenizers have no normalizer; its tables are large.
    if name == "normalizer":
        from bpetk.normalizers import normalizer_from_hf

        return normalizer_from_hf
    if name == "pre_tokenizer":
        from bpetk.splitters import pre_tokenizer_from_hf

        return pre_tokenizer_from_hf
    if name == "post_processor":
        from bpetk.post_processors import post_processor_from_hf

        return post_processor_from_hf
    from bpetk.decoders import decoder_from_hf

    return decoder_from_hf


def scheme_of(pre_tokenizer: Any, lossless: bool) -> Scheme:
    """Give the scheme that a pre-tokenizer stands for: a native one, one of a pattern, or ``pipeline``.

    Parameters
    ----------
    pre_tokenizer
        A ``PreTokenizer`` of ``bpetk.splitters``.
    lossless
        Whether what comes before it loses nothing.
    """
    if pre_tokenizer.scheme is not None:
        scheme: Scheme = pre_tokenizer.scheme
        return scheme
    config = pre_tokenizer.config
    if config["type"] == "Sequence" and len(config["pretokenizers"]) == 2:
        split = config["pretokenizers"][0]
        pattern = split["pattern"].get("Regex") if split["type"] == "Split" else None
        if pattern is not None and config == Scheme("custom", (pattern,), True, "").to_hf():
            with suppress(ConfigError):  # a pattern that files may have, but users are warned off
                return custom_scheme(pattern)
    lossless = lossless and all(map(_keeps_all, steps(config)))
    return Scheme("pipeline", (), lossless, "the steps of its tokenizer.json")


def steps(pre_tokenizer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Give the steps of a ``pre_tokenizer`` object, sequences taken apart."""
    if pre_tokenizer["type"] == "Sequence":
        return [step for part in pre_tokenizer["pretokenizers"] for step in steps(part)]
    return [pre_tokenizer]


def _keeps_all(step: Mapping[str, Any]) -> bool:
    if step["type"] == "ByteLevel":
        return step.get("add_prefix_space") is False
    return step.get("behavior") != "Removed" and step["type"] in ("Split", "Digits", "Punctuation")


def _check_kind(fields: Mapping[str, Any], pre_tokenizer: Any) -> bool:
    """Refuse models of another kind, by its name; tell whether tokens are characters."""
    kind = fields.get("type", "BPE" if "merges" in fields else _other_kind(fields))
    if kind != "BPE":
        refuse("model.type", f"bpetk reads BPE, and this is {short(kind)}")
    if not has_byte_level(pre_tokenizer):
        return True
    check_byte_fallback(fields)
    return False


def _other_kind(fields: Mapping[str, Any]) -> str:
    """Name the kind of a model without a ``type``, as older files have it."""
    if "unk_id" in fields:
        return "Unigram"
    return "WordPiece" if "max_input_chars_per_word" in fields else "WordLevel"


def has_byte_level(pre_tokenizer: Any) -> bool:
    """Whether ``ByteLevel`` is among the steps of a ``pre_tokenizer``, of any form."""
    if not isinstance(pre_tokenizer, dict):
        return False
    steps = pre_tokenizer.get("pretokenizers")
    return pre_tokenizer.get("type") == "ByteLevel" or (
        isinstance(steps, list) and any(map(has_byte_level, steps))
    )


def _read_truncation(value: Any) -> Section:
    if value is None:
        return None
    value = read_object(value, "truncation")
    sides, strategies = ("Left", "Right"), ("LongestFirst", "OnlyFirst", "OnlySecond")
    return {
        "direction": expect(value.get("direction", "Right"), sides, "truncation.direction"),
        "max_length": read_integer(value.get("max_length"), "truncation.max_length", 0, _SIZE),
        "strategy": expect(value.get("strategy"), strategies, "truncation.strategy"),
        "stride": read_integer(value.get("stride"), "truncation.stride", 0, _SIZE),
    }


def _read_padding(value: Any) -> Section:
    if value is None:
        return None
    value = read_object(value, "padding")
    strategy, multiple = value.get("strategy"), value.get("pad_to_multiple_of")
    if isinstance(strategy, dict) and list(strategy) == ["Fixed"]:
        read_integer(strategy["Fixed"], "padding.strategy.Fixed", 0, _SIZE)
    else:
        expect(strategy, ("BatchLongest",), "padding.strategy")
    if multiple is not None:
        read_integer(multiple, "padding.pad_to_multiple_of", 0, _SIZE)
    return {
        "strategy": strategy,
        "direction": expect(value.get("direction"), ("Left", "Right"), "padding.direction"),
        "pad_to_multiple_of": multiple,
        "pad_id": read_integer(value.get("pad_id"), "padding.pad_id", 0, 2**32 - 1),
        "pad_type_id": read_integer(value.get("pad_type_id"), "padding.pad_type_id", 0, 2**32 - 1),
        "pad_token": read_string(value.get("pad_token"), "padding.pad_token"),
    }
