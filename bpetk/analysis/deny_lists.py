"""Lists of patterns that a token should not contain."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from bpetk.errors import ConfigError, InvalidEncodingError

STARTER = "deny_list.txt"


def folded(text: str) -> str:
    """Give a text without differences of case and width.

    Examples
    --------
    >>> folded("ＱＱ群")
    'qq群'
    """
    return unicodedata.normalize("NFKC", text).casefold()


@dataclass(frozen=True)
class DenyList:
    """Patterns, and where each comes from.

    Attributes
    ----------
    patterns
        As written: text, or a regular expression between slashes.
    names
        Files, or other names, that they were read from.
    """

    patterns: tuple[str, ...]
    names: tuple[str, ...]
    _search: tuple[tuple[str, re.Pattern[str]], ...]

    @classmethod
    def of(cls, lines: Iterable[str], name: str) -> DenyList:
        """Read patterns from lines.

        Raises
        ------
        ConfigError
            If there is none, or one is no regular expression; says the line.
        """
        patterns, search = [], []
        for number, line in enumerate(lines, 1):
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            regex = text[1:-1] if len(text) > 2 and text[0] == text[-1] == "/" else None
            try:
                compiled = re.compile(regex if regex is not None else re.escape(folded(text)))
            except re.error as error:
                raise ConfigError(
                    f"{name}: line {number}: {text} is not a regular expression: {error}"
                ) from None
            if regex is not None and compiled.search(""):
                raise ConfigError(
                    f"{name}: line {number}: {text} matches nothing at all, so it would flag every token"
                )
            patterns.append(text)
            search.append((text, compiled))
        if not patterns:
            raise ConfigError(f"{name}: holds no pattern; write one a line")
        return cls(tuple(patterns), (name,), tuple(search))

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> DenyList:
        """Read a file of patterns, UTF-8, one a line.

        Raises
        ------
        ConfigError
            If it cannot be read, or a line is not usable.
        """
        name = os.fspath(path)
        try:
            text = Path(path).read_text(encoding="utf-8-sig")
        except OSError as error:
            raise ConfigError(f"cannot read the deny list {name}: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise InvalidEncodingError(
                f"{name}: not UTF-8 at byte {error.start:,}; a deny list is UTF-8, one pattern a line"
            ) from error
        return cls.of(text.splitlines(), name)

    @classmethod
    def starter(cls) -> DenyList:
        """Give the list that comes with bpetk: short, general, a beginning.

        Examples
        --------
        >>> DenyList.starter().hit("点击进入官网")
        '点击进入'
        """
        text = files("bpetk.analysis").joinpath(STARTER).read_text(encoding="utf-8")
        return cls.of(text.splitlines(), "starter list")

    def __add__(self, other: DenyList) -> DenyList:
        """Give the patterns of both."""
        return DenyList(
            self.patterns + other.patterns, self.names + other.names, self._search + other._search
        )

    def hit(self, text: str) -> str | None:
        """Give the first pattern that a text contains, as it was written, or None."""
        plain = folded(text)
        return next((name for name, pattern in self._search if pattern.search(plain)), None)

    def hits(self, texts: Sequence[str]) -> list[str | None]:
        """Give `hit` of many texts."""
        either = re.compile("|".join(f"(?:{pattern.pattern})" for _, pattern in self._search))
        return [self.hit(text) if either.search(folded(text)) else None for text in texts]
