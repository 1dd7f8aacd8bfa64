"""Where in a text the tokens of its encoding stand, for models whose tokens are characters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bpetk.aligned import AlignedText
from bpetk.character_model import CharacterModel
from bpetk.encoding import Places


class CharacterPlaces(Places):
    """Collects the places of the tokens of one document, run by run.

    As in the reference, a token begins where the one before it ends, counted in bytes of its pretoken. So where
    characters vanish, or an unknown token comes behind the bytes of a later one, places are not those of characters.

    Parameters
    ----------
    text
        The document.
    model
        Its model.
    """

    _model: CharacterModel

    def _pieces(self, ids: list[int], pieces: Iterable[AlignedText]) -> None:
        at = 0
        for piece in pieces:
            lengths = list(token_lengths(self._model, piece.text, ids, at))
            at += len(lengths)
            if lengths:
                self._cover(piece, self._np.asarray(lengths, dtype=self._np.int64))


def token_lengths(model: CharacterModel, text: str, ids: list[int], at: int) -> Iterator[int]:
    """Give, for each id of a pretoken, how many of its bytes it counts for.

    Parameters
    ----------
    model
        The model.
    text
        The pretoken.
    ids, at
        Ids of several pretokens, and where those of this one begin.
    """
    if model.ignore_merges and text in model.vocabulary:
        yield len(text.encode())
        return
    prefix = len(model.continuing_subword_prefix or "")
    symbols = iter(first_symbols(model, text))
    for form, length in symbols:
        if form is not None:
            # INVARIANT: the text of a merged token is that of its first character, and those of the others without
            # their prefix; it grows with each.
            wanted = model.strings[ids[at]]
            while form != wanted:
                more, size = next(symbols)
                assert more is not None and len(form) < len(wanted)
                form += more[prefix:]
                length += size
        yield length
        at += 1


def first_symbols(model: CharacterModel, text: str) -> Iterator[tuple[str | None, int]]:
    """Give what a pretoken starts as, in the order of the ids.

    Yields
    ------
    tuple[str | None, int]
        The text in the vocabulary of a character that is a token; None for a byte of another one, and for the unknown
        token. And how many bytes it counts for. A character that vanishes gives nothing.
    """
    prefix, suffix = model.continuing_subword_prefix or "", model.end_of_word_suffix or ""
    byte_tokens, unknown = model.byte_tokens, 0
    for i, char in enumerate(text):
        form = f"{prefix if i else ''}{char}{suffix if i + 1 == len(text) else ''}"
        data = char.encode()
        if form in model.vocabulary:
            if unknown:
                yield None, unknown
            unknown = 0
            yield form, len(data)
        elif byte_tokens is not None and all(byte_tokens[byte] >= 0 for byte in data):
            yield from [(None, 1)] * len(data)
        elif model.unk_token is not None:
            if unknown and not model.fuse_unk:
                yield None, unknown
                unknown = 0
            unknown += len(data)
    if unknown:
        yield None, unknown
