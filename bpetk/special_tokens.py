"""Added tokens: strings found in a text before it is cut into pretokens, and the policy that allows them.

The policy is tiktoken's: text from outside must not smuggle in control tokens, so a special token in a text is an error
unless the caller says, per call, that it is wanted (``allowed_special``) or is plain text (``disallowed_special=()``).
Added tokens that are not special are always matched.

The search is Hugging Face's, in two passes. Tokens with ``normalized=False`` are searched in the text as it is; what
lies between them is normalized, stretch by stretch, and searched for the others, which were normalized as well. Each
pass takes the leftmost match and of those the longest. What a later rule discards (``single_word``) is used up all the
same: nothing shorter is tried in its place. `AddedTokenSplitter` is the plain statement of all this; for UTF-8 bytes
``bpetk._added_tokens.Matcher`` finds the same matches.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal, NamedTuple

from bpetk import unicode_tables
from bpetk.errors import ConfigError

Selection = Literal["all"] | Collection[str]

Piece = tuple[int, int, int | None]
"""Start and end in code points, and the id of an added token, or None for ordinary text."""


@dataclass(frozen=True)
class AddedToken:
    """A string with an id of its own, matched whole before anything else happens to the text.

    Attributes
    ----------
    content, id
        The string and its id.
    special
        Control token: matched only where allowed. Others, in files made elsewhere, are always matched.
    single_word
        Not matched beside a letter, mark, decimal number, connecting punctuation (``_``) or joiner.
    lstrip, rstrip
        White space before, or after, belongs to the match.
    normalized
        Searched after the tokens without this flag, in what they leave, once that is normalized; and in its own
        normalized form.
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


# ---------------------------------------------------------------------------------------------------------------------
# Policy.


def policy_of(
    tokens: Iterable[AddedToken], allowed_special: Selection = (), disallowed_special: Selection = "all"
) -> tuple[frozenset[str], frozenset[str]]:
    """Work out what is to be matched and what is forbidden, for any number of texts.

    Parameters
    ----------
    tokens
        The added tokens of the tokenizer.
    allowed_special
        Special tokens to match, or ``"all"``. Strings that are no special token have no effect.
    disallowed_special
        Strings that must not be in the text, whether special tokens or not, allowed or not; ``"all"`` means the
        special tokens that are not allowed. What is neither allowed nor disallowed is ordinary text.

    Returns
    -------
    tuple[frozenset[str], frozenset[str]]
        Contents of the added tokens to match, and the strings that must not be in a text, none of them empty.

    Raises
    ------
    ConfigError
        If a selection is neither ``"all"`` nor a set of strings.

    Examples
    --------
    >>> policy_of([AddedToken("<s>", 0), AddedToken("</s>", 1)], {"<s>"})
    (frozenset({'<s>'}), frozenset({'</s>'}))
    """
    tokens = tuple(tokens)
    special = frozenset(token.content for token in tokens if token.special)
    allowed = special if allowed_special == "all" else special & _strings(allowed_special, "allowed_special")
    if disallowed_special == "all":
        disallowed = special - allowed
    else:
        disallowed = _strings(disallowed_special, "disallowed_special") - {""}
    return allowed.union(token.content for token in tokens if not token.special), disallowed


def select_tokens(
    text: str,
    tokens: Iterable[AddedToken],
    allowed_special: Selection = (),
    disallowed_special: Selection = "all",
) -> frozenset[str]:
    """Apply the policy to a text: which added tokens are to be matched in it.

    Parameters
    ----------
    text
        The whole text.
    tokens, allowed_special, disallowed_special
        As in `policy_of`.

    Returns
    -------
    frozenset[str]
        Contents to match.

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
    contents, disallowed = policy_of(tokens, allowed_special, disallowed_special)
    if found := find_disallowed(text, disallowed):
        at, content = found
        known = any(token.special and token.content == content for token in tokens)
        kind, allow = "disallowed text", ""
        if known:
            kind, allow = "special token", f"allowed_special={{{content!r}}} to encode it as that token, or "
        raise ConfigError(
            f"the text holds the {kind} {content!r} at position {at}: "
            f"pass {allow}disallowed_special=() to encode it as ordinary text"
        )
    return contents


def find_disallowed(text: str, disallowed: frozenset[str]) -> tuple[int, str] | None:
    """Find the first of the strings in a text, and the longest of those that start there.

    Parameters
    ----------
    text
        The text as it is: normalization does not make a string disallowed, nor ``single_word`` allowed.
    disallowed
        Strings, none of them empty.

    Returns
    -------
    tuple[int, str] or None
        Position in code points, and the string.

    Examples
    --------
    >>> find_disallowed("a</s>", frozenset({"<s>", "</s>"}))
    (1, '</s>')
    """
    found = next(_matches(text, disallowed), None) if disallowed else None
    return (found[0], text[slice(*found)]) if found else None


def _strings(value: object, name: str) -> frozenset[str]:
    if (
        isinstance(value, str)
        or not isinstance(value, Collection)
        or not all(isinstance(s, str) for s in value)
    ):
        raise ConfigError(f"{name} must be 'all' or a set of strings, not {value!r}")
    return frozenset(value)


# ---------------------------------------------------------------------------------------------------------------------
# Search.


class Searched(NamedTuple):
    """A string that one pass looks for.

    Attributes
    ----------
    form
        What to look for: the content, or in the second pass its normalized form.
    token
        What it stands for.
    dropped
        A match is used up but stays ordinary text.
    """

    form: str
    token: AddedToken
    dropped: bool

    @property
    def plain(self) -> bool:
        """Whether a match is the token, whatever stands beside it."""
        token = self.token
        return not (self.dropped or token.single_word or token.lstrip or token.rstrip)


class AddedTokenSplitter:
    """Cuts texts at added tokens, exactly as Hugging Face's ``tokenizers`` 0.23 does.

    Special tokens that are not selected: if none at all is, they are searched like the others, and a match is used up
    without becoming a token, as with ``encode_special_tokens=True`` there. If some are, the rest is not searched at
    all, as in tiktoken. It makes a difference only for tokens that overlap.

    Tokens whose normalized forms are equal: the first one given wins. In the reference it is a random one.

    Parameters
    ----------
    tokens
        The added tokens of the tokenizer.
    normalize
        The tokenizer's normalizer; None: there is none.

    Attributes
    ----------
    tokens
        As given.
    forms
        What is searched for each of them, and what decoding shows: the content, or, if the token has
        ``normalized=true``, what the normalizer makes of it.

    Raises
    ------
    ConfigError
        If nothing is left of a token once it is normalized; the reference fails on such a tokenizer.

    Examples
    --------
    >>> splitter = AddedTokenSplitter([AddedToken("<s>", 7, rstrip=True)])
    >>> splitter.cut_raw("hi<s> you", frozenset({"<s>"}))
    [(0, 2, None), (2, 6, 7), (6, 9, None)]
    """

    def __init__(self, tokens: Sequence[AddedToken], normalize: Callable[[str], str] | None = None) -> None:
        self.tokens = tuple(tokens)
        self._plans: dict[tuple[frozenset[str], bool], _Plan | None] = {}
        forms = []
        for token in self.tokens:
            form = normalize(token.content) if normalize and token.normalized else token.content
            if not form:
                raise ConfigError(
                    f"added token {token.content!r} has normalized=true and the normalizer leaves nothing of it, "
                    "so it would match everywhere"
                )
            forms.append(form)
        self.forms = tuple(forms)

    def searched(self, contents: frozenset[str], *, normalized: bool) -> tuple[Searched, ...]:
        """Return what a pass looks for, no form twice; nothing if no match could become a token.

        Parameters
        ----------
        contents
            Added tokens to match, from `policy_of`.
        normalized
            Which pass: False for the text as it is, True for normalized stretches of it.
        """
        plan = self._plan(contents, normalized)
        return tuple(plan.searched.values()) if plan else ()

    def cut_raw(self, text: str, contents: frozenset[str]) -> list[Piece]:
        """Cut a text at the tokens with ``normalized=False``.

        Parameters
        ----------
        text
            The text as it is.
        contents
            Added tokens to match, from `policy_of`.

        Returns
        -------
        list of (start, end, id or None)
            In code points; none is empty. A match that begins in white space which ``rstrip`` of the one before it took
            is not lost: the pieces then overlap, as in the reference.
        """
        return self._cut(text, contents, normalized=False)

    def cut_normalized(self, text: str, contents: frozenset[str]) -> list[Piece]:
        """Cut a normalized stretch of text at the tokens with ``normalized=True``.

        Parameters
        ----------
        text
            What the normalizer made of a stretch without id of `cut_raw`.
        contents
            Added tokens to match, from `policy_of`.

        Returns
        -------
        list of (start, end, id or None)
            As from `cut_raw`, in code points of this text.
        """
        return self._cut(text, contents, normalized=True)

    def _plan(self, contents: frozenset[str], normalized: bool) -> _Plan | None:
        key = contents, normalized
        if key not in self._plans:
            if len(self._plans) >= 64:
                self._plans.clear()
            self._plans[key] = self._make_plan(contents, normalized)
        return self._plans[key]

    def _make_plan(self, contents: frozenset[str], normalized: bool) -> _Plan | None:
        none_special = not any(token.special and token.content in contents for token in self.tokens)
        found: dict[str, Searched] = {}
        for token, form in zip(self.tokens, self.forms, strict=True):
            selected = token.content in contents
            if token.normalized == normalized and (selected or (token.special and none_special)):
                found.setdefault(form, Searched(form, token, not selected))
        return _Plan(found) if any(not item.dropped for item in found.values()) else None

    def _cut(self, text: str, contents: frozenset[str], *, normalized: bool) -> list[Piece]:
        plan = self._plan(contents, normalized)
        done, size = 0, len(text)
        pieces: list[Piece] = []
        if plan:
            for start, end in _matches(text, plan.forms):
                item = plan.searched[text[start:end]]
                token = item.token
                if item.dropped:
                    continue
                if token.single_word and (
                    (start and _is_word(text[start - 1])) or (end < size and _is_word(text[end]))
                ):
                    continue
                if token.lstrip:
                    while start > done and _is_white(text[start - 1]):
                        start -= 1
                    start = max(start, done)
                if token.rstrip:
                    while end < size and _is_white(text[end]):
                        end += 1
                if start > end:
                    continue  # rstrip of an earlier token took all of it and more; the reference panics
                if done < start:
                    pieces.append((done, start, None))
                if start < end:
                    pieces.append((start, end, token.id))
                # This can go back, where rstrip took what this match begins with: as in the reference.
                done = end
        if done < size:
            pieces.append((done, size, None))
        return pieces


class _Plan:
    def __init__(self, searched: dict[str, Searched]) -> None:
        self.searched = searched
        self.forms = frozenset(searched)


def split_text(text: str, tokens: Iterable[AddedToken], contents: frozenset[str]) -> Iterator[Piece]:
    """Cut a text at added tokens, for tokenizers without a normalizer.

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
        As from `AddedTokenSplitter.cut_raw`.

    Examples
    --------
    >>> list(split_text("hi<s>", [AddedToken("<s>", 7)], frozenset({"<s>"})))
    [(0, 2, None), (2, 5, 7)]
    """
    splitter = AddedTokenSplitter(tuple(tokens))
    for start, end, id in splitter.cut_raw(text, contents):
        if id is not None:
            yield start, end, id
            continue
        for piece_start, piece_end, piece_id in splitter.cut_normalized(text[start:end], contents):
            yield start + piece_start, start + piece_end, piece_id


def _matches(text: str, contents: frozenset[str]) -> Iterator[tuple[int, int]]:
    """Yield the leftmost matches, the longest of those that start at one place, each after the one before it."""
    heads, sizes = _heads(contents)
    if len(sizes) <= 8 and not any(head in text for head in sizes):
        return
    at = 0
    while found := heads.search(text, at):
        start = found.start()
        for size in sizes[found.group()]:
            piece = text[start : start + size]
            if piece in contents:
                at = start + len(piece)
                yield start, at
                break
        else:
            at = start + 1


@lru_cache(maxsize=64)
def _heads(contents: frozenset[str]) -> tuple[re.Pattern[str], dict[str, list[int]]]:
    """Give a pattern of the first one or two characters of the strings, and for each the lengths to try."""
    sizes: dict[str, set[int]] = {content[:2]: set() for content in contents}
    for content in contents:
        sizes[content[:2]].add(len(content))
    for head, found in sizes.items():
        if head[0] in contents:
            found.add(1)
    # Python takes the first alternative that matches, hence longest first.
    pattern = "|".join(map(re.escape, sorted(sizes, key=len, reverse=True)))
    return re.compile(pattern), {head: sorted(found, reverse=True) for head, found in sizes.items()}


@cache
def _edges(*properties: str) -> list[int]:
    """Give the places, in ascending order, where code points begin or cease to be of one of the properties."""
    inside = bytearray(0x110000)
    for name in properties:
        for start, end in unicode_tables.ranges(name):
            inside[start : end + 1] = b"\1" * (end + 1 - start)
    return [edge for run in re.finditer(b"\1+", inside) for edge in run.span()]


def _is_white(char: str) -> bool:
    return bool(bisect_right(_edges("White_Space"), ord(char)) & 1)


def _is_word(char: str) -> bool:
    r"""Tell whether Rust's ``\w`` matches a character."""
    if char in "\u200c\u200d":
        return True
    return bool(bisect_right(_edges("Alphabetic", "M", "Nd", "Pc"), ord(char)) & 1)
