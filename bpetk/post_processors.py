"""What happens after merging: tokens put around a text, and offsets moved over white space.

As in Hugging Face's ``tokenizers`` 0.23, for one text (not for pairs of texts). Two things are less obvious than they
look. Offsets are trimmed whether special tokens are added or not. And steps in a sequence see what the steps before
them made: a template gives several encodings, one for each of its parts, and each is then treated as if it were a
sequence of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, NoReturn

from bpetk import unicode_tables
from bpetk.errors import ModelFileError

_TEXT = -1  # stands for the tokens of the text


class _Encoding(NamedTuple):
    """Tokens of a list, and how the offsets of the text's tokens were trimmed while they were in it."""

    items: tuple[int, ...]
    trims: tuple[tuple[bool, bool], ...] = ()  # add_prefix_space; whether the text came first in its list


_Step = Callable[[list[_Encoding], bool], list[_Encoding]]


class PostProcessor:
    """The ``post_processor`` of a file; make one with `post_processor_from_hf`.

    Attributes
    ----------
    config
        Its JSON with all defaults, as the reference writes it; None: there is none.

    Examples
    --------
    >>> bert = {"type": "BertProcessing", "sep": ["[SEP]", 102], "cls": ["[CLS]", 101]}
    >>> post_processor_from_hf(bert).affixes()
    ((101,), (102,))
    """

    def __init__(self, config: dict[str, Any] | None, plain: _Encoding, with_special: _Encoding) -> None:
        self.config = config
        self._plain = plain
        self._with_special = with_special

    def __eq__(self, other: object) -> bool:
        return self.config == other.config if isinstance(other, PostProcessor) else NotImplemented

    def __hash__(self) -> int:
        return hash(json.dumps(self.config))

    def __repr__(self) -> str:
        return f"PostProcessor({self.config})"

    @property
    def trims(self) -> bool:
        """Whether `trim` can change an offset."""
        return bool(self._plain.trims)

    def affixes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the ids before and after a text when special tokens are added; without them there are none."""
        items = self._with_special.items
        at = items.index(_TEXT)
        return items[:at], items[at + 1 :]

    def trim(
        self,
        tokens: Sequence[str | bytes],
        offsets: Sequence[tuple[int, int]],
        *,
        add_special_tokens: bool = False,
    ) -> list[tuple[int, int]]:
        r"""Move offsets over the white space at the ends of tokens.

        Parameters
        ----------
        tokens
            The tokens of the text, without affixes: the text that the vocabulary has (``"Ġa"``); for an added token the
            normalized text that it matched, white space taken by ``lstrip`` and ``rstrip`` included. Bytes stand
            for their byte-level text, so ``b" a"`` is ``"Ġa"``.
        offsets
            Start and end of each, in code points of the original text.
        add_special_tokens
            Whether the affixes are there. It can matter for the first token, where a sequence trims after it added
            tokens.

        Returns
        -------
        list of (start, end)
            New offsets. A first token with one blank before it keeps that blank where ``add_prefix_space`` is set.

        Examples
        --------
        >>> config = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
        >>> post_processor_from_hf(config).trim(["Ġa", "Ċ"], [(0, 2), (2, 3)])
        [(1, 2), (2, 3)]
        """
        trimmed = list(offsets)
        for add_prefix_space, first in (self._with_special if add_special_tokens else self._plain).trims:
            for i, token in enumerate(tokens):
                trimmed[i] = _trim_one(token, trimmed[i], add_prefix_space, first and i == 0)
        return trimmed


_WHITE = "".join(
    chr(cp) for start, end in unicode_tables.ranges("White_Space") for cp in range(start, end + 1)
)


def _trim_one(
    token: str | bytes, offset: tuple[int, int], add_prefix_space: bool, first: bool
) -> tuple[int, int]:
    size = len(token)
    if isinstance(token, str):
        leading, trailing = size - len(token.lstrip(_WHITE + "Ġ")), size - len(token.rstrip(_WHITE + "Ġ"))
    else:
        leading, trailing = size - len(token.lstrip(b" ")), size - len(token.rstrip(b" "))
    start, end = offset
    # One blank before the first token is taken for the one that was added in front of the text.
    if leading and not (leading == 1 and add_prefix_space and (first or start == 0)):
        start = min(start + leading, end)
    if trailing and end >= trailing:
        end = max(end - trailing, start)
    return start, end


def post_processor_from_hf(config: Any, field: str = "post_processor") -> PostProcessor:
    """Read the ``post_processor`` of a ``tokenizer.json``.

    Parameters
    ----------
    config
        The parsed JSON; None gives one that does nothing.
    field
        Where it stands, for errors.

    Raises
    ------
    ModelFileError
        If it is malformed or of an unknown type, or if a text would not come out exactly once; the message names the
        field.

    Examples
    --------
    >>> post_processor_from_hf(None).affixes()
    ((), ())
    """
    normalised, steps = (None, []) if config is None else _read(config, field)
    results = []
    for add in (False, True):
        encodings = [_Encoding((_TEXT,))]
        try:
            for step in steps:
                encodings = step(encodings, add)
        except ValueError as error:
            raise ModelFileError(f"{field}: {error}") from None
        items = tuple(item for encoding in encodings for item in encoding.items)
        if (times := items.count(_TEXT)) != 1:
            raise ModelFileError(f"{field}: gives the tokens of a text {times} times, only once is supported")
        trims = next(encoding.trims for encoding in encodings if _TEXT in encoding.items)
        results.append(_Encoding(items, trims))
    return PostProcessor(normalised, *results)


# ---------------------------------------------------------------------------------------------------------------------
# Steps.


def _trimming(add_prefix_space: bool) -> _Step:
    def step(encodings: list[_Encoding], add: bool) -> list[_Encoding]:
        return [
            _Encoding(items, (*trims, (add_prefix_space, items[:1] == (_TEXT,))))
            if _TEXT in items
            else encoding
            for encoding in encodings
            for items, trims in [encoding]
        ]

    return step


def _wrapping(first: tuple[int, ...], other: tuple[int, ...], after: tuple[int, ...]) -> _Step:
    def step(encodings: list[_Encoding], add: bool) -> list[_Encoding]:
        if not add:
            return encodings
        return [
            _Encoding((*(other if i else first), *items, *after), trims)
            for i, (items, trims) in enumerate(encodings)
        ]

    return step


def _template(single: list[int | str], pair: list[int | str], special: dict[str, tuple[int, ...]]) -> _Step:
    """Give the step for a template: 0 and 1 stand for the first and second encoding, a str for a special token."""

    def step(encodings: list[_Encoding], add: bool) -> list[_Encoding]:
        if len(encodings) not in (1, 2):
            raise ValueError(
                f"a template after steps that gave {len(encodings)} parts; the reference can apply it to 1 or 2"
            )
        made = []
        for part in single if len(encodings) == 1 else pair:
            if isinstance(part, int):
                if part >= len(encodings):
                    raise ValueError("the template for one text uses sequence B, which there is not")
                made.append(encodings[part])
            elif part not in special:
                raise ValueError(f"special_tokens has no {part!r}, which the template uses")
            elif add:
                made.append(_Encoding(special[part]))
        return made

    return step


# ---------------------------------------------------------------------------------------------------------------------
# Reading.


def _read(value: Any, field: str) -> tuple[dict[str, Any], list[_Step]]:
    """Return the object as the reference writes it, and its steps in order."""
    kind = _member(value, "type", str, field)
    if kind == "ByteLevel":
        return _read_byte_level(value, field)
    if kind in ("RobertaProcessing", "BertProcessing"):
        return _read_wrapping(value, kind, field)
    if kind == "TemplateProcessing":
        return _read_template(value, field)
    if kind != "Sequence":
        known = "ByteLevel, TemplateProcessing, RobertaProcessing, BertProcessing or Sequence"
        _refuse(f"{field}.type", f"expected {known}, found {_short(kind)}")
    configs, steps = [], []
    for i, item in enumerate(_member(value, "processors", list, field)):
        config, more = _read(item, f"{field}.processors[{i}]")
        configs.append(config)
        steps += more
    return {"type": kind, "processors": configs}, steps


def _read_byte_level(value: Any, field: str) -> tuple[dict[str, Any], list[_Step]]:
    value = {"use_regex": True} | value
    flags = {
        name: _member(value, name, bool, field) for name in ("add_prefix_space", "trim_offsets", "use_regex")
    }
    steps = [_trimming(flags["add_prefix_space"])] if flags["trim_offsets"] else []
    return {"type": "ByteLevel"} | flags, steps


def _read_wrapping(value: Any, kind: str, field: str) -> tuple[dict[str, Any], list[_Step]]:
    config: dict[str, Any] = {"type": kind}
    ids = {}
    for name in ("sep", "cls"):
        pair = _member(value, name, list, field)
        if len(pair) != 2 or not isinstance(pair[0], str):
            _refuse(f"{field}.{name}", f"expected a token and its id, found {_short(pair)}")
        ids[name] = (_number(pair[1], f"{field}.{name}[1]"),)
        config[name] = list(pair)
    if kind == "BertProcessing":
        return config, [_wrapping(ids["cls"], (), ids["sep"])]
    for name in ("trim_offsets", "add_prefix_space"):
        config[name] = _member(value, name, bool, field)
    trims = [_trimming(config["add_prefix_space"])] if config["trim_offsets"] else []
    return config, [*trims, _wrapping(ids["cls"], ids["sep"], ids["sep"])]


def _read_template(value: Any, field: str) -> tuple[dict[str, Any], list[_Step]]:
    single, single_parts = _read_parts(_member(value, "single", list, field), f"{field}.single")
    pair, pair_parts = _read_parts(_member(value, "pair", list, field), f"{field}.pair")
    special: dict[str, Any] = {}
    for name, item in sorted(_member(value, "special_tokens", dict, field).items()):
        where = f"{field}.special_tokens[{name!r}]"
        ids, tokens = _member(item, "ids", list, where), _member(item, "tokens", list, where)
        if len(ids) != len(tokens) or not all(isinstance(token, str) for token in tokens):
            _refuse(where, f"expected a token for each of {len(ids)} ids, found {_short(tokens)}")
        ids = [_number(id, f"{where}.ids[{i}]") for i, id in enumerate(ids)]
        special[name] = {"id": _member(item, "id", str, where), "ids": ids, "tokens": list(tokens)}
    config = {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special}
    ids_of = {name: tuple(item["ids"]) for name, item in special.items()}
    return config, [_template(single_parts, pair_parts, ids_of)]


def _read_parts(parts: Iterable[Any], field: str) -> tuple[list[dict[str, Any]], list[int | str]]:
    configs: list[dict[str, Any]] = []
    found: list[int | str] = []
    for i, part in enumerate(parts):
        where = f"{field}[{i}]"
        if not isinstance(part, dict) or len(part) != 1 or not part.keys() <= {"Sequence", "SpecialToken"}:
            _refuse(where, f"expected an object with Sequence or SpecialToken, found {_short(part)}")
        (kind, item), where = next(iter(part.items())), f"{where}.{next(iter(part))}"
        id = _member(item, "id", str, where)
        if kind == "Sequence" and id not in ("A", "B"):
            _refuse(f"{where}.id", f'expected "A" or "B", found {_short(id)}')
        configs.append({kind: {"id": id, "type_id": _number(item.get("type_id"), f"{where}.type_id")}})
        found.append(id if kind == "SpecialToken" else "AB".index(id))
    return configs, found


def _member(value: Any, name: str, kind: type[Any], field: str) -> Any:
    if not isinstance(value, dict):
        _refuse(field, f"expected an object, found {_short(value)}")
    if name not in value:
        _refuse(f"{field}.{name}", "is missing")
    if not isinstance(value[name], kind):
        names = {str: "a string", list: "a list", dict: "an object", bool: "true or false"}
        _refuse(f"{field}.{name}", f"expected {names[kind]}, found {_short(value[name])}")
    return value[name]


def _number(value: Any, field: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**32:
        return value
    _refuse(field, f"expected a number from 0 to {2**32 - 1}, found {_short(value)}")


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= 60 else text[:57] + "..."


def _refuse(field: str, reason: str) -> NoReturn:
    raise ModelFileError(f"{field}: {reason}")
