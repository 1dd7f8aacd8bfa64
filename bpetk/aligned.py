"""Text that remembers which part of the original every one of its characters stands for.

Normalizers change a text, pre-tokenizers cut and decorate it; the offsets of tokens are positions in the text before
all of that. Which span a new character gets is as in the reference (Hugging Face), and not always what one expects: a
character composed of two stands for the first one only, an inserted character for the one before it, and one inserted
before everything else for the empty span at the start. Offsets are part of the result, so this is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final


class AlignedText:
    """Text and, for each of its characters, the span of code points of the original that it stands for.

    A value: no method changes it, and neither may the caller.

    Parameters
    ----------
    text
        The text as it is now.
    start
        Where in the original it starts.
    spans
        For each character the half-open span of code points of the original; None, which costs nothing: character
        ``k`` stands for ``[start + k, start + k + 1)``.

    Examples
    --------
    >>> AlignedText("Hey you").slice(4, 7).with_prefix("_")
    AlignedText('_you', 4, [(4, 5), (4, 5), (5, 6), (6, 7)])
    """

    __slots__ = ("spans", "start", "text")

    def __init__(self, text: str, start: int = 0, spans: list[tuple[int, int]] | None = None) -> None:
        self.text: Final = text
        self.start: Final = start
        self.spans: Final = spans

    def __repr__(self) -> str:
        spans = "" if self.spans is None else f", {self.spans}"
        return f"AlignedText({self.text!r}, {self.start}{spans})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AlignedText):
            return NotImplemented
        return self.text == other.text and self.start == other.start and self.all_spans() == other.all_spans()

    def __hash__(self) -> int:
        return hash((self.text, self.start))

    def __len__(self) -> int:
        """Return the number of characters."""
        return len(self.text)

    def all_spans(self) -> list[tuple[int, int]]:
        """Return the span of every character; not to be changed.

        Examples
        --------
        >>> AlignedText("ab", 7).all_spans()
        [(7, 8), (8, 9)]
        """
        if self.spans is not None:
            return self.spans
        start, end = self.start, self.start + len(self.text)
        return list(zip(range(start, end), range(start + 1, end + 1), strict=True))

    def span(self, i: int, j: int) -> tuple[int, int]:
        """Return the span of the original that characters ``i`` to ``j``, at least one, stand for.

        Returns
        -------
        tuple[int, int]
            Start of the first one's span, end of the last one's.

        Examples
        --------
        >>> AlignedText("abcdef", 10).span(2, 4)
        (12, 14)
        """
        if self.spans is None:
            return self.start + i, self.start + j
        return self.spans[i][0], self.spans[j - 1][1]

    def slice(self, i: int, j: int) -> AlignedText:
        """Return characters ``i`` to ``j``, both from 0 to the length.

        Examples
        --------
        >>> AlignedText("abcdef").slice(2, 4)
        AlignedText('cd', 2)
        """
        if self.spans is None:
            return AlignedText(self.text[i:j], self.start + i)
        found = self.spans[i:j]
        start = found[0][0] if found else self.spans[i - 1][1] if i and self.spans else self.start
        return AlignedText(self.text[i:j], start, found)

    def with_prefix(self, prefix: str) -> AlignedText:
        """Put text in front, which stands for what the first character stands for; nothing is put before nothing.

        Examples
        --------
        >>> AlignedText("", 5).with_prefix("_")
        AlignedText('', 5)
        """
        if not self.text:
            return self
        spans = self.all_spans()
        return AlignedText(prefix + self.text, self.start, spans[:1] * len(prefix) + spans)

    def with_text(self, text: str) -> AlignedText:
        """Replace every character by one other, in order.

        Raises
        ------
        ValueError
            If the lengths differ: the spans would belong to other characters.

        Examples
        --------
        >>> AlignedText("a b", 4).with_text("a_b")
        AlignedText('a_b', 4)
        """
        if len(text) != len(self.text):
            raise ValueError(f"{len(text)} characters cannot replace {len(self.text)} one by one")
        return AlignedText(text, self.start, self.spans)

    def expanded(self, parts: Iterable[str]) -> AlignedText:
        """Replace every character by one or more, given in order; they share its span.

        Examples
        --------
        >>> AlignedText("a…").expanded(["a", "..."])
        AlignedText('a...', 0, [(0, 1), (1, 2), (1, 2), (1, 2)])
        """
        parts = list(parts)
        text = "".join(parts)
        if len(text) == len(self.text):
            return self.with_text(text)
        pairs = zip(parts, self.all_spans(), strict=True)
        return AlignedText(text, self.start, [span for part, span in pairs for _ in part])

    def kept(self, keep: Callable[[str], bool]) -> AlignedText:
        """Delete the characters for which `keep` is false.

        Examples
        --------
        >>> AlignedText("a-b").kept(str.isalpha)
        AlignedText('ab', 0, [(0, 1), (2, 3)])
        """
        flags = list(map(keep, self.text))
        if all(flags):
            return self
        pairs = [
            pair
            for pair, flag in zip(zip(self.text, self.all_spans(), strict=True), flags, strict=True)
            if flag
        ]
        return AlignedText("".join(char for char, _ in pairs), self.start, [span for _, span in pairs])

    def replaced(self, matches: Iterable[tuple[int, int]], content: str) -> AlignedText:
        """Replace stretches, given in order and not overlapping, by one and the same text.

        What is put in stands for what the last character before it stood for, deleted ones included: for the last
        character of a stretch, and in place of an empty stretch for the character before it.

        Examples
        --------
        >>> AlignedText("aééb").replaced([(1, 3)], "-")
        AlignedText('a-b', 0, [(0, 1), (2, 3), (3, 4)])
        """
        spans, text = self.all_spans(), self.text
        out: list[str] = []
        out_spans: list[tuple[int, int]] = []
        last = 0
        for i, j in matches:
            out += (text[last:i], content)
            out_spans += spans[last:i]
            out_spans += [spans[j - 1] if j else (self.start, self.start)] * len(content)
            last = j
        if not last and not out:
            return self
        out.append(text[last:])
        return AlignedText("".join(out), self.start, out_spans + spans[last:])

    def transform(self, changes: Iterable[tuple[str, int]], removed: int = 0) -> AlignedText:
        """Rewrite the text character by character, the general case.

        Parameters
        ----------
        changes
            Every new character, with 0 if it replaces the next old one, 1 if it is inserted, ``-n`` if it replaces
            the next old one and the ``n`` after that are deleted. An inserted character gets the span of the old
            character before it, one that replaces gets the span of the first one that it replaces.
        removed
            How many characters to delete at the start first.

        Examples
        --------
        >>> AlignedText("12 ab").transform([("c", 0), ("!", 1)], removed=3)
        AlignedText('c!', 0, [(3, 4), (3, 4)])
        """
        spans = self.all_spans()
        chars: list[str] = []
        out: list[tuple[int, int]] = []
        at = removed
        for char, change in changes:
            chars.append(char)
            if change > 0:
                out.append(spans[at - 1] if at else (self.start, self.start))
            else:
                out.append(spans[at])
                at += 1 - change
        return AlignedText("".join(chars), self.start, out)
