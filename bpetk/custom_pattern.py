r"""Patterns of the user, with the meaning that Hugging Face's ``Split(Regex(pattern), "isolated")`` gives them.

That meaning is Oniguruma's (Ruby syntax, Unicode 16.0), which no Python engine shares. The pattern is therefore
parsed completely, and whatever is not known to be reproduced exactly is refused. What is supported:

- characters, ``.``, escapes ``\n \t \r \f \v \a \e \xHH \x{H...} \uHHHH``, and a backslash before punctuation
- sets ``[...]`` with ranges, sets in sets, ``&&``, ``[:alpha:]``; ``\d \s \w \h`` and their capitals; ``\p{...}``
- groups ``(...) (?:...) (?>...)``, ``|``, look-ahead ``(?=...) (?!...)``, look-behind over characters and counts
- ``(?i:...)`` around ASCII characters, ``(?m:...)`` (the dot matches a newline too); ``(?i)`` at the very start
- ``? * + {n} {n,} {n,m} {,m}``, lazy with a further ``?``, and the possessive ``?+ *+ ++``
- ``^ $`` (start and end of a *line*), ``\A \z \Z``, ``\b \B``

How it works: the sets of a pattern divide all code points into a few classes, two code points being of one class if no
set tells them apart. Text is first translated to classes, one character each, and the ``regex`` package only ever sees
a pattern over classes: its own Unicode tables, which are of another version, never matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from operator import methodcaller

import numpy as np
import regex

from bpetk.code_points import classify
from bpetk.errors import ConfigError
from bpetk.pattern_syntax import parse

_span: Callable[[regex.Match[str]], tuple[int, int]] = methodcaller("span")
_MAX_CLASSES = 0xD000  # each class is a character of the translated text, below the surrogates


class Compiled:
    r"""A pattern that was understood completely; make one with `compile_pattern`.

    Attributes
    ----------
    pattern
        The text it was made of.
    nullable
        Whether it can match the empty string.
    """

    def __init__(self, pattern: str, *, misleading: bool = False) -> None:
        self.pattern = pattern
        node = parse(pattern, misleading=misleading)
        self.nullable = node.nullable
        sets = list(dict.fromkeys(part for part in node.parts if not isinstance(part, str)))
        table, members = classify(sets)
        if int(table.max()) > _MAX_CLASSES:
            raise ConfigError(f"the pattern tells more than {_MAX_CLASSES} kinds of characters apart")
        self._encoding = "latin-1" if int(table.max()) < 256 else "utf-16-le"
        self._table = table.astype(np.uint8 if self._encoding == "latin-1" else "<u2")
        # An empty set matches nothing: (?!) always fails.
        texts = {
            found: "[" + "".join(f"\\u{i:04x}" for i in classes) + "]" if classes else "(?!)"
            for found, classes in zip(sets, members, strict=True)
        }
        translated = "".join(part if isinstance(part, str) else texts[part] for part in node.parts)
        self._regex = regex.compile(translated, regex.VERSION0)

    def classes(self, text: str) -> str:
        """Translate a text to classes, which `matches` searches.

        Returns
        -------
        str
            One character for each of the text's. A slice of it is the translation of that slice.
        """
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        translated: bytes = self._table[codes].tobytes()
        return translated.decode(self._encoding)

    def matches(self, classes: str) -> Iterator[tuple[int, int]]:
        r"""Yield the matches in a text, in order.

        Parameters
        ----------
        classes
            The whole text, translated by `classes`.

        Yields
        ------
        tuple[int, int]
            Start and end in code points; matches of nothing are among them.

        Examples
        --------
        >>> pattern = compile_pattern(r"\d*")
        >>> list(pattern.matches(pattern.classes("ab12")))
        [(0, 0), (1, 1), (2, 4)]
        """
        return self._with_empty(classes) if self.nullable else map(_span, self._regex.finditer(classes))

    def _with_empty(self, classes: str) -> Iterator[tuple[int, int]]:
        # As in the reference: an empty match right after a match is passed over together with one character, so
        # that a longer match that starts there is not found.
        at, last = 0, -1
        while at <= len(classes) and (match := self._regex.search(classes, at)):
            start, end = match.span()
            if start == end == last:
                at += 1
            else:
                yield start, end
                at = last = end

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        r"""Yield the pieces of a text in order: the matches, and the gaps between them.

        Parameters
        ----------
        text
            One document.

        Yields
        ------
        tuple[int, int]
            Start and end in code points. The pieces are not empty, and together they are the text.

        Examples
        --------
        >>> list(compile_pattern(r"\d").spans("ab12"))
        [(0, 2), (2, 3), (3, 4)]
        """
        end = 0
        for match_start, match_end in self.matches(self.classes(text)):
            if end < match_start:
                yield end, match_start
            if match_start < match_end:
                yield match_start, match_end
            end = match_end
        if end < len(text):
            yield end, len(text)


@lru_cache(maxsize=32)  # a table of one or two megabytes each
def compile_pattern(text: str, *, misleading: bool = False) -> Compiled:
    r"""Compile a pattern with the meaning that Hugging Face's ``Split`` gives it.

    Parameters
    ----------
    text
        Oniguruma (Ruby) syntax, the part of it that the module description lists.
    misleading
        Accept ``{n,m}+`` and ``{n}?`` too. Oniguruma reads them as ``(?:...{n,m})+`` and ``(?:...{n})?``, which whoever
        writes them rarely means; a file that holds them was made with that meaning.

    Raises
    ------
    ConfigError
        If a construct is not supported; the message names it, its position (in code points) and the reason.

    Examples
    --------
    >>> text = "in 2024"
    >>> [text[start:end] for start, end in compile_pattern(r" ?\p{L}+|\p{N}{1,3}").spans(text)]
    ['in', ' ', '202', '4']
    """
    return Compiled(text, misleading=misleading)
