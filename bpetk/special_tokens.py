"""Added tokens: strings found in a text before it is cut into pretokens, and the policy that allows them.

The policy is tiktoken's: text from outside must not smuggle in control tokens, so a special token in a text
is an error unless the caller says, per call, that it is wanted (``allowed_special``) or is plain text
(``disallowed_special=()``).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from bpetk.errors import ConfigError

Selection = Literal["all"] | Collection[str]


@dataclass(frozen=True)
class AddedToken:
    """A string with an id of its own, matched whole before anything else happens to the text.

    Attributes
    ----------
    content, id
        The string and its id.
    special
        Control token: matched only where allowed. Others, in files made elsewhere, are always matched.
    single_word, lstrip, rstrip
        As in Hugging Face files; only False is supported.
    normalized
        Searched after the tokens without this flag, in what they leave.
    """

    content: str
    id: int
    special: bool = True
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be matched as the reference does, or cannot be written to a file."""
        if not isinstance(self.content, str):
            raise ConfigError(f"a special token must be a str, not {self.content!r}")
        if not self.content:
            raise ConfigError("a special token must not be empty")
        if re.search("[\ud800-\udfff]", self.content):
            raise ConfigError(f"special token {self.content!r} holds a lone surrogate and cannot be saved")
        for flag in ("single_word", "lstrip", "rstrip"):
            if getattr(self, flag):
                raise ConfigError(f"{flag} of added token {self.content!r} is set, which is not supported")


def select_tokens(
    text: str,
    tokens: Iterable[AddedToken],
    allowed_special: Selection = (),
    disallowed_special: Selection = "all",
) -> frozenset[str]:
    """Apply the policy: which added tokens are to be matched in a text.

    Parameters
    ----------
    text
        The whole text.
    tokens
        The added tokens of the tokenizer.
    allowed_special
        Special tokens to match, or ``"all"``. Strings that are no special token have no effect.
    disallowed_special
        Strings that must not be in the text, whether special tokens or not, allowed or not; ``"all"`` means
        the special tokens that are not allowed. What is neither allowed nor disallowed is ordinary text.

    Returns
    -------
    frozenset[str]
        Contents to match, for `split_text`.

    Raises
    ------
    ConfigError
        If a disallowed string is in the text; the message says what to pass.

    Examples
    --------
    >>> sorted(select_tokens("a<s>", [AddedToken("<s>", 0)], allowed_special="all"))
    ['<s>']
    >>> sorted(select_tokens("a<s>", [AddedToken("<s>", 0)], disallowed_special=()))
    []
    """
    tokens = tuple(tokens)
    special = frozenset(token.content for token in tokens if token.special)
    allowed = special if allowed_special == "all" else special & _strings(allowed_special, "allowed_special")
    if disallowed_special == "all":
        disallowed = special - allowed
    else:
        disallowed = _strings(disallowed_special, "disallowed_special")
    if found := _search(disallowed, text):
        content = found.group()
        kind = "special token" if content in special else "disallowed text"
        allow = (
            f"allowed_special={{{content!r}}} to encode it as that token, or " if content in special else ""
        )
        raise ConfigError(
            f"the text holds the {kind} {content!r} at position {found.start()}: "
            f"pass {allow}disallowed_special=() to encode it as ordinary text"
        )
    return allowed | {token.content for token in tokens if not token.special}


def split_text(
    text: str, tokens: Iterable[AddedToken], contents: frozenset[str]
) -> Iterator[tuple[int, int, int | None]]:
    """Cut a text at added tokens: leftmost first, and the longest of those that start at one place.

    Parameters
    ----------
    text
        The whole text.
    tokens
        The added tokens of the tokenizer.
    contents
        Those of them to match, from `select_tokens`.

    Yields
    ------
    tuple[int, int, int | None]
        Start and end in code points, and the id, or None for a stretch of ordinary text. No stretch is empty.

    Examples
    --------
    >>> list(split_text("hi<s>", [AddedToken("<s>", 7)], frozenset({"<s>"})))
    [(0, 2, None), (2, 5, 7)]
    """
    wanted = [token for token in tokens if token.content in contents]
    spans: list[tuple[int, int, int | None]] = [(0, len(text), None)] if text else []
    for normalized in (False, True):
        ids = {token.content: token.id for token in wanted if token.normalized == normalized}
        if ids:
            spans = [
                piece
                for start, end, found in spans
                for piece in (_cut(text, start, end, ids) if found is None else [(start, end, found)])
            ]
    yield from spans


def _cut(text: str, start: int, end: int, ids: dict[str, int]) -> Iterator[tuple[int, int, int | None]]:
    for match in _pattern(frozenset(ids)).finditer(text, start, end):
        if start < match.start():
            yield start, match.start(), None
        start = match.end()
        yield match.start(), start, ids[match.group()]
    if start < end:
        yield start, end, None


@lru_cache(maxsize=64)
def _pattern(contents: frozenset[str]) -> re.Pattern[str]:
    # Python takes the first alternative that matches, hence longest first.
    return re.compile(
        "|".join(map(re.escape, sorted(contents, key=lambda content: (-len(content), content))))
    )


def _search(contents: frozenset[str], text: str) -> re.Match[str] | None:
    contents -= {""}
    return _pattern(contents).search(text) if contents else None


def _strings(value: object, name: str) -> frozenset[str]:
    if (
        isinstance(value, str)
        or not isinstance(value, Collection)
        or not all(isinstance(s, str) for s in value)
    ):
        raise ConfigError(f"{name} must be 'all' or a set of strings, not {value!r}")
    return frozenset(value)
