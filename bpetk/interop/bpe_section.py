"""The ``model`` object of a ``tokenizer.json``, and the ids of the added tokens beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, NoReturn

from bpetk.alphabet import BYTE_TO_CHAR, CHAR_TO_BYTE
from bpetk.errors import ConfigError
from bpetk.interop.json_fields import (
    MAX_ID,
    check_text,
    expect,
    quoted,
    read_flag,
    read_id,
    read_list,
    read_object,
    read_string,
    refuse,
    short,
)
from bpetk.model import BpeModel
from bpetk.special_tokens import AddedToken

_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


class BpeParts(NamedTuple):
    """What `read_bpe` finds: arguments of ``BpeModel`` of the same names."""

    byte_ids: Sequence[int]
    left: Sequence[int]
    right: Sequence[int]
    new: Sequence[int]
    special_tokens: tuple[str, ...]
    extra_tokens: tuple[tuple[str, int], ...]
    ignore_merges: bool
    end_of_word_suffix: str | None
    unk_token: str | None
    fuse_unk: bool


def read_bpe(fields: Mapping[str, Any], added: Sequence[AddedToken]) -> BpeParts:
    """Read the ``model`` object.

    Parameters
    ----------
    fields
        The object. Its ``type`` is not looked at. Fields that it lacks have the reference's defaults.
    added
        The added tokens, in the order of the file.

    Returns
    -------
    BpeParts
        Merges in rank order; a pair that is listed twice has its last rank.

    Raises
    ------
    ModelFileError
        If a field is malformed or holds a setting that is not supported, or an added token has another id than
        the reference would give it.
    """
    suffix = read_settings(fields)
    vocab = read_vocab(fields.get("vocab"))
    check_added_ids(vocab, added)
    pairs, left, right, new = read_merges(fields.get("merges"), vocab)
    special = tuple(token.content for token in added if token.content in vocab)
    unk = read_unk(fields.get("unk_token"), vocab, suffix)
    return BpeParts(
        byte_ids=[vocab.get(char, -1) for char in BYTE_TO_CHAR],
        left=left,
        right=right,
        new=new,
        special_tokens=special,
        extra_tokens=_extra_tokens(vocab, pairs, special),
        ignore_merges=bool(fields.get("ignore_merges")),
        end_of_word_suffix=suffix or None,
        unk_token=unk,
        fuse_unk=bool(fields.get("fuse_unk")),
    )


def write_bpe(model: BpeModel, settings: Mapping[str, Any], outside: Iterable[str] = ()) -> dict[str, Any]:
    """Give the ``model`` object.

    Parameters
    ----------
    model
        The model.
    settings
        Fields without effect that are to be kept, from `inert_settings`.
    outside
        Added tokens outside the model's vocabulary that have to be listed in it all the same.
    """
    strings = model.strings
    listed = strings
    if outside := tuple(outside):
        listed = dict(sorted((strings | {model.added_ids[content]: content for content in outside}).items()))
    return {
        "type": "BPE",
        "dropout": settings.get("dropout"),
        "unk_token": settings.get("unk_token") if model.unk_token is None else model.unk_token,
        "continuing_subword_prefix": settings.get("continuing_subword_prefix"),
        "end_of_word_suffix": model.end_of_word_suffix or settings.get("end_of_word_suffix"),
        "fuse_unk": model.fuse_unk,
        "byte_fallback": False,
        "ignore_merges": model.ignore_merges,
        "vocab": {text: id for id, text in listed.items()},
        "merges": [[strings[left], strings[right]] for left, right in model.merge_ids],
    }


def inert_settings(fields: Mapping[str, Any], unk_token: str | None) -> dict[str, Any] | None:
    """Give the fields of a ``model`` object that have no effect, but that the reference writes as it read them."""
    kept = {
        name: fields[name]
        for name in ("continuing_subword_prefix", "end_of_word_suffix")
        if fields.get(name) == ""
    }
    if fields.get("dropout") is not None:
        kept["dropout"] = float(fields["dropout"])
    if unk_token is None and fields.get("unk_token") is not None:
        kept["unk_token"] = fields["unk_token"]
    return kept or None


def read_added_tokens(value: Any) -> list[AddedToken]:
    """Read ``added_tokens``, in their order."""
    tokens = []
    for i, item in enumerate(read_list(value, "added_tokens")):
        field = f"added_tokens[{i}]"
        item = read_object(item, field)
        content, id = (
            read_string(item.get("content"), f"{field}.content"),
            read_id(item.get("id"), f"{field}.id"),
        )
        flags = {flag: read_flag(item.get(flag), f"{field}.{flag}") for flag in _FLAGS}
        try:
            tokens.append(AddedToken(content, id, **flags))
        except ConfigError as error:
            refuse(field, str(error))
    return tokens


def write_added_tokens(tokens: Iterable[AddedToken]) -> list[dict[str, Any]]:
    """Give the list ``added_tokens``."""
    return [
        {"id": token.id, "content": token.content} | {flag: getattr(token, flag) for flag in _FLAGS}
        for token in tokens
    ]


def needs_listing(vocab_size: int, inside: Mapping[str, int], added: Iterable[AddedToken]) -> list[str]:
    """Name the added tokens outside the vocabulary if the reference would number them otherwise.

    The reference ignores the ids in the list of added tokens: one that the vocabulary holds has the id it has there,
    another counts on from the size of the vocabulary. Where that gives other ids, all of them have to be listed in
    the vocabulary too.

    Parameters
    ----------
    vocab_size
        Number of strings in the vocabulary, added tokens that it holds included.
    inside
        Ids of added tokens that the vocabulary holds.
    added
        The added tokens, in the order of the file.

    Examples
    --------
    >>> needs_listing(5, {}, [AddedToken("<s>", 5), AddedToken("<e>", 6)])
    []
    >>> needs_listing(5, {}, [AddedToken("<s>", 7)])
    ['<s>']
    """
    outside = [token for token in added if token.content not in inside]
    expected = _numbers(vocab_size, inside, added)
    return (
        [token.content for token in outside]
        if any(token.id != expected[token.content] for token in outside)
        else []
    )


def _numbers(vocab_size: int, inside: Mapping[str, int], added: Iterable[AddedToken]) -> dict[str, int]:
    """Give the ids that the reference gives to added tokens."""
    ids: dict[str, int] = {}
    highest = -1
    for token in added:
        id = inside.get(token.content)
        if id is None:
            id = max(vocab_size, highest + 1)
        ids[token.content] = id
        highest = max(highest, id)
    return ids


def renumbered(
    vocab: Mapping[str, int], added: Sequence[AddedToken], *, size: int | None = None
) -> list[AddedToken]:
    """Give added tokens the ids that the reference gives them, whatever the file says.

    ``vocab`` and ``size`` are as in `check_added_ids`.

    Raises
    ------
    ModelFileError
        If one is listed twice, or would have the id of another token.

    Examples
    --------
    >>> [token.id for token in renumbered({"a": 0, "<s>": 1}, [AddedToken("<s>", 5), AddedToken("<e>", 1)])]
    [1, 2]
    """
    ids = _numbers(len(vocab) if size is None else size, vocab, added)
    tokens = [
        token if token.id == ids[token.content] else replace(token, id=ids[token.content]) for token in added
    ]
    check_added_ids(vocab, tokens, size=size)
    return tokens


def check_added_ids(
    vocab: Mapping[str, int], added: Sequence[AddedToken], *, size: int | None = None
) -> None:
    """Refuse added tokens that the reference would give another id than the file does, or the id of another token.

    ``vocab`` needs to hold those entries only that an added token could meet; ``size`` is then that of the whole.
    """
    owner = {id: text for text, id in vocab.items()} if added else {}
    seen: set[str] = set()
    for token in added:
        if token.content in seen:
            refuse("added_tokens", f"{quoted(token.content)} is listed twice")
        seen.add(token.content)
        if token.id != vocab.get(token.content, token.id):
            refuse(
                "added_tokens",
                f"{quoted(token.content)} has id {token.id}, but {vocab[token.content]} in model.vocab",
            )
        if owner.setdefault(token.id, token.content) != token.content:
            refuse(
                "added_tokens",
                f"id {token.id} is given to both {quoted(owner[token.id])} and {quoted(token.content)}",
            )
    expected = _numbers(len(vocab) if size is None else size, vocab, added)
    for token in added:
        if token.id != expected[token.content]:
            refuse(
                "added_tokens",
                f"{quoted(token.content)} has id {token.id}, but tokenizers would give it "
                f"{expected[token.content]}: it counts on from the size of model.vocab; list the token in model.vocab "
                "too, with its id",
            )


def check_byte_fallback(fields: Mapping[str, Any]) -> None:
    """Refuse byte fallback: it is for models whose tokens are characters."""
    if fields.get("byte_fallback") is True:
        refuse(
            "model.byte_fallback",
            "true does not go with a ByteLevel pre-tokenizer: bytes have their tokens already",
        )


def read_settings(fields: Mapping[str, Any]) -> str:
    """Check the fields that are not lists; return the suffix, empty if there is none."""
    for name in ("byte_fallback", "fuse_unk", "ignore_merges"):
        read_flag(False if fields.get(name) is None else fields[name], f"model.{name}")
    check_byte_fallback(fields)
    read_dropout(fields)
    expect(fields.get("continuing_subword_prefix"), (None, ""), "model.continuing_subword_prefix")
    suffix = fields.get("end_of_word_suffix")
    return "" if suffix is None else read_string(suffix, "model.end_of_word_suffix")


def read_dropout(fields: Mapping[str, Any]) -> None:
    """Refuse dropout."""
    dropout = fields.get("dropout")
    if dropout is not None and (
        isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or dropout != 0
    ):
        refuse("model.dropout", f"expected null or 0, found {short(dropout)}: it makes every encoding random")


def read_unk(value: Any, vocab: Mapping[str, int], suffix: str) -> str | None:
    """Return the unknown token, None if there is none or it cannot come up."""
    if value is None:
        return None
    unk = read_string(value, "model.unk_token")
    if unk in vocab:
        return unk
    if missing := next(
        (char for char in BYTE_TO_CHAR if char not in vocab or char + suffix not in vocab), None
    ):
        byte = CHAR_TO_BYTE[missing]
        refuse(
            "model.unk_token",
            f"{quoted(unk)} is not in model.vocab, but needed: byte 0x{byte:02X} has no token",
        )
    return None


def read_vocab(value: Any) -> dict[str, int]:
    """Return ``vocab``, with an id of its own for each text."""
    vocab: dict[str, int] = read_object(value, "model.vocab")
    ids = vocab.values()
    if not set(map(type, ids)) <= {int} or (vocab and (min(ids) < 0 or max(ids) > MAX_ID)):
        for text, id in vocab.items():
            read_id(id, f"model.vocab[{short(text)}]")
    if len(set(ids)) != len(vocab):
        owner: dict[int, str] = {}
        for text, id in vocab.items():
            if owner.setdefault(id, text) != text:
                refuse("model.vocab", f"id {id} is given to both {quoted(owner[id])} and {quoted(text)}")
    check_text("".join(vocab), "model.vocab")
    return vocab


def read_merges(
    value: Any, vocab: Mapping[str, int], prefix: int = 0
) -> tuple[list[tuple[str, str]], list[int], list[int], list[int]]:
    """Read merges as pairs, or as ``"left right"`` strings as older files have them; give texts and ids.

    The result of a pair is the left text and the right one without its first ``prefix`` characters.
    """
    items = listed = read_list(value, "model.merges")
    if len(items) > MAX_ID:
        refuse("model.merges", f"{len(items)} merges; at most {MAX_ID} are supported")
    kinds = set(map(type, items))
    if kinds == {str}:
        # Older files have the first line of merges.txt among them.
        items = [item.split(" ") for item in items if not item.startswith("#version")]
    elif kinds == {str, list}:
        refuse("model.merges", 'expected pairs throughout, or "left right" throughout; found both')
    elif kinds - {list}:
        _refuse_merge(listed, vocab, prefix)
    try:
        pairs = [(left, right) for left, right in items]
        if len(set(pairs)) != len(pairs):
            pairs = list(dict.fromkeys(reversed(pairs)))[::-1]
        left_ids = [vocab[left] for left, _ in pairs]
        right_ids = [vocab[right] for _, right in pairs]
        return pairs, left_ids, right_ids, [vocab[left + right[prefix:]] for left, right in pairs]
    except (KeyError, TypeError, ValueError):
        _refuse_merge(listed, vocab, prefix)


def _refuse_merge(items: Sequence[Any], vocab: Mapping[str, int], prefix: int) -> NoReturn:
    for i, item in enumerate(items):
        field = f"model.merges[{i}]"
        if isinstance(item, str) and item.startswith("#version"):
            continue
        parts = item.split(" ") if isinstance(item, str) else item
        if not isinstance(parts, list) or len(parts) != 2 or not all(isinstance(part, str) for part in parts):
            refuse(field, f"expected two strings, found {short(item)}")
        for text in (*parts, parts[0] + parts[1][prefix:]):
            if text not in vocab:
                refuse(field, f"{short(text)} is not in model.vocab")
    raise AssertionError("no merge is wrong")


def _extra_tokens(
    vocab: Mapping[str, int], pairs: Sequence[tuple[str, str]], special: Iterable[str]
) -> tuple[tuple[str, int], ...]:
    """Give the vocabulary's entries that are neither a byte, nor made by a merge, nor special.

    A special token that is part of a merge is among them, because the model has to know it to spell the result. It
    never comes up in encoding.
    """
    made = {left + right for left, right in pairs if left and right}
    explained = made.union(CHAR_TO_BYTE)
    rest = [text for text in vocab if text not in explained]
    if not rest:
        return ()
    special = frozenset(special)
    parts = {part for pair in pairs for part in pair} if special else frozenset()
    return tuple((text, vocab[text]) for text in rest if text not in special or text in parts)
