"""Added tokens that a vocabulary's own file does not name: the caller does, or files beside it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Mapping

from bpetk.errors import ConfigError
from bpetk.interop.bpe_section import needs_listing
from bpetk.interop.json_fields import MAX_ID, quoted
from bpetk.special_tokens import AddedToken

Given = Mapping[str, int] | Collection[AddedToken] | None
"""Contents and ids of special tokens, or added tokens with their flags."""


def given_tokens(
    tokens: Given, vocab_size: int, id_of: Callable[[str], int | None], ids: Container[int]
) -> tuple[tuple[AddedToken, ...], tuple[str, ...]]:
    """Check added tokens against a vocabulary.

    Parameters
    ----------
    tokens
        The tokens.
    vocab_size
        Number of strings in the vocabulary.
    id_of
        Gives the id of a string in the vocabulary, or None.
    ids
        The ids of the vocabulary.

    Returns
    -------
    tuple
        The added tokens by id; and which of them belong into the vocabulary, because they are in it, or because
        files would number them otherwise.

    Raises
    ------
    ConfigError
        If they are not strings with ids, or an id is that of another token.

    Examples
    --------
    >>> given_tokens({"<s>": 7}, 5, {}.get, range(5))[1]
    ('<s>',)
    """
    by_id: dict[int, AddedToken] = {}
    inside: dict[str, int] = {}
    for token in _added(tokens):
        content, id = token.content, token.id
        found = id_of(content)
        if found is not None:
            inside[content] = found
        if found not in (None, id):
            raise ConfigError(
                f"special token {quoted(content)} is given id {id}, but has {found} in the vocabulary"
            )
        if found is None and id in ids:
            raise ConfigError(f"id {id} of special token {quoted(content)} is that of another token")
        if by_id.setdefault(id, token).content != content:
            raise ConfigError(f"id {id} is given to both {quoted(by_id[id].content)} and {quoted(content)}")
    added = tuple(by_id[id] for id in sorted(by_id))
    return added, (*inside, *needs_listing(vocab_size, inside, added))


def _added(tokens: Given) -> list[AddedToken]:
    if tokens is None:
        return []
    if not isinstance(tokens, Mapping):
        if not isinstance(tokens, Collection) or not all(isinstance(token, AddedToken) for token in tokens):
            raise ConfigError(f"special_tokens must map strings to ids, not {type(tokens).__name__}")
        return list(tokens)
    for content, id in tokens.items():
        if isinstance(id, bool) or not isinstance(id, int) or not 0 <= id <= MAX_ID:
            raise ConfigError(f"the id of special token {content!r} must be from 0 to {MAX_ID}, not {id!r}")
    return [AddedToken(content, id) for content, id in tokens.items()]
