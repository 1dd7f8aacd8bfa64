"""Long documents cut for several threads, for models of SentencePiece, so that the ids stay what they are."""

from __future__ import annotations

from collections.abc import Sequence

from bpetk.pipeline import Text, to_utf8
from bpetk.sp_encoder import PieceEncoder

FRAGMENT = 262144
"""Bytes of a fragment, roughly."""
SAMPLE = 4096
"""Bytes in which a place to cut is looked for."""


_TRIES = (
    32  # in a sample: text may be made of unknown characters, or of long pieces that are taken as a whole
)


def worth_cutting(texts: Sequence[Text], threads: int) -> list[int]:
    """Give the indices of documents that would keep one thread busy while the others wait.

    Parameters
    ----------
    texts
        Documents.
    threads
        How many there are.
    """
    try:
        if threads < 2 or max(map(len, texts), default=0) <= 2 * FRAGMENT:
            return []
    except TypeError:
        return []  # no text; the encoder tells what it is
    total = sum(map(len, texts))
    return [i for i, text in enumerate(texts) if len(text) > max(2 * FRAGMENT, total // (4 * threads))]


def fragments(native: PieceEncoder, text: Text) -> list[bytes]:
    """Normalize a document and cut it up; what `PieceEncoder.plan_of_fragments` gives for the parts is its ids.

    A cut is exact where
    - no rule joins the characters at its sides, so that nothing is merged across it;
    - no piece that is taken as a whole reaches across it, wherever it is looked for from;
    - the character behind it is a piece that is used: then the ids behind begin with a piece, even if that has to be
      taken apart, and no run of unknown characters, of which one id is left, goes across.

    Parameters
    ----------
    native
        The model.
    text
        The document.

    Returns
    -------
    list[bytes]
        Parts of the normalized text, in order; one if there is no place to cut.

    Raises
    ------
    InvalidEncodingError
        If a str holds a lone surrogate.
    """
    data = native.folding.normalize(to_utf8(text) if isinstance(text, str) else text)
    parts, at = [], 0
    look = at + FRAGMENT
    while len(data) - look > FRAGMENT // 2:
        cut = _cut_in(native, data, max(at, look - SAMPLE), look)
        if cut:
            parts.append(data[at:cut])
            at, look = cut, cut + FRAGMENT
        else:
            look += SAMPLE
    return [*parts, data[at:]]


def _cut_in(native: PieceEncoder, data: bytes, start: int, stop: int) -> int:
    """Give the last exact cut in data[start:stop], 0 if there is none."""
    start, stop = _beginning(data, start), _beginning(data, stop)
    for place in native.rules.cut_points(data[start:stop])[: -_TRIES - 1 : -1]:
        cut = start + place
        behind = data[cut : cut + 4].decode("utf-8", "ignore")[0].encode()
        if native.is_used(behind) and not _any_across(native, data, cut):
            return cut
    return 0


def _beginning(data: bytes, at: int) -> int:
    """Give the beginning of the character in which a place is."""
    while at < len(data) and data[at] & 0xC0 == 0x80:
        at -= 1
    return at


def _any_across(native: PieceEncoder, data: bytes, cut: int) -> bool:
    """Whether a piece that is taken as a whole stands on both sides of a cut."""
    for length, texts in native.whole_by_length.items():
        first = max(0, cut - length + 1)
        if 4 * len(texts) < length:
            if any(data.find(text, first, cut + length - 1) >= 0 for text in texts):
                return True
        elif not texts.isdisjoint([data[at : at + length] for at in range(first, cut)]):
            return True
    return False
