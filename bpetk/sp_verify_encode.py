"""Comparison of a model of SentencePiece with the library: ids, pieces, offsets, and the text of the ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bpetk.errors import ConfigError
from bpetk.probe import first_unequal
from bpetk.readable import readable
from bpetk.reference_libraries import SentencePiece, sentencepiece_reference
from bpetk.sp_tokenizer import SentencePieceTokenizer

_AROUND = 5  # pieces shown before and after a difference
_BEFORE, _BEHIND = 20, 40  # characters shown around it


@dataclass(frozen=True)
class TextDifference:
    """Where two encodings of a text first differ.

    ``what`` is ``"ids"``, ``"pieces"``, ``"offsets"`` (in code points) or ``"decoded text"``; the first three are shown
    as ids with pieces or offsets from ``at`` on, the last with -1 for an id.
    """

    what: str
    at: int
    near: str
    ours: tuple[tuple[int, str], ...]
    theirs: tuple[tuple[int, str], ...]


def load_library(tokenizer: SentencePieceTokenizer, against: str) -> SentencePiece:
    """Load the model with the library.

    Raises
    ------
    ConfigError
        For another library.
    MissingDependencyError, ModelFileError
        See `bpetk.reference_libraries.sentencepiece_reference`.
    """
    if against != "sentencepiece":
        raise ConfigError(
            f"{tokenizer.source or 'this'} is a model of SentencePiece, which {against} cannot load: compare with "
            "sentencepiece (--against sentencepiece)"
        )
    return sentencepiece_reference(tokenizer.to_bytes(), tokenizer.source)


def compare_text(
    tokenizer: SentencePieceTokenizer,
    reference: SentencePiece,
    text: str,
    batched: tuple[Sequence[int], Sequence[int]],
) -> TextDifference | None:
    r"""Encode a text with both, decode the ids with both, and find the first difference.

    Parameters
    ----------
    tokenizer, reference
        The same model.
    text
        Any text.
    batched
        Its ids among those of other texts, of both: each has to be what it is alone.

    Returns
    -------
    TextDifference or None
        None if ids, pieces, offsets and decoded text are equal.

    Examples
    --------
    >>> from bpetk.interop.sentencepiece_model import ModelFile, NormalizerSpec, Piece, PieceType
    >>> pieces = [Piece("<unk>", 0.0, PieceType.UNKNOWN), Piece("\u2581a", -1.0), Piece("a", -2.0)]
    >>> tok = SentencePieceTokenizer(ModelFile(pieces, {"model_type": 2}, NormalizerSpec("identity", b"")))
    >>> compare_text(tok, load_library(tok, "sentencepiece"), "a b", ([1, 0], [1, 0])) is None
    True
    """
    found = tokenizer.encode_with_offsets(text)
    ids, spans = found.ids, [(start, end) for start, end in found.char_offsets.tolist()]
    pieces = tokenizer.encode_pieces(text)
    their_ids, their_pieces, their_spans = reference.encode_with_places(text)

    def show(ids: Sequence[int], names: Callable[[int], str], at: int) -> tuple[tuple[int, str], ...]:
        shown = range(max(0, at - _AROUND), min(len(ids), at + _AROUND))
        return tuple((ids[k], names(k)) for k in shown)

    def near(at: int) -> str:
        start = spans[at][0] if at < len(spans) else len(text)
        return text[max(0, start - _BEFORE) : start + _BEHIND]

    if ids == their_ids and not (ids == list(batched[0]) == list(batched[1])):
        ids, their_ids = map(list, batched)
        pieces, their_pieces = ([tokenizer.id_to_token(id) for id in side] for side in (ids, their_ids))
    if ids != their_ids or pieces != their_pieces:
        what = "ids" if ids != their_ids else "pieces"
        at = first_unequal(ids, their_ids) if what == "ids" else first_unequal(pieces, their_pieces)
        ours = show(ids, lambda k: readable(pieces[k].encode()), at)
        return TextDifference(
            what, at, near(at), ours, show(their_ids, lambda k: readable(their_pieces[k].encode()), at)
        )
    if spans != their_spans:
        at = first_unequal(spans, their_spans)
        ours = show(ids, lambda k: "{}-{}".format(*spans[k]), at)
        theirs = show(ids, lambda k: "{}-{}".format(*their_spans[k]), at)
        return TextDifference("offsets", at, near(at), ours, theirs)
    decoded, their_text = tokenizer.decode(ids), reference.decode(ids)
    if decoded == their_text:
        return None
    at = first_unequal(decoded, their_text)
    part = slice(max(0, at - _BEFORE), at + _BEHIND)
    sides = [((-1, repr(side[part])),) for side in (decoded, their_text)]
    return TextDifference("decoded text", at, text[part], sides[0], sides[1])
