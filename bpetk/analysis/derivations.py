"""How the tokens of a vocabulary come about, one step after the other, and what a text uses each step for.

A vocabulary of BPE grows token by token, so its beginning is a smaller vocabulary. Whoever knows how often each step
was used in a text knows how many tokens the text has with every beginning, without encoding it again.

Why that is exact. Take a token of an encoded text. The merges inside its bytes crossed none of its borders, and each
was the lowest and leftmost of all that were possible there; so they are the merges that the bytes of the token have on
their own, and its parts are the same wherever it stands. If the parts of every token come before it, merging never goes
back in the list: what a merge makes possible comes later in the list than the merge itself. Then the beginning of the
list makes the same merges as the whole list, and stops where its own end is. Both conditions are looked at for every
token that a text uses; where one does not hold, there is an error and no number.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from bpetk.errors import ConfigError
from bpetk.interop.rank_rules import last_cut
from bpetk.interop.sentencepiece_model import PieceType
from bpetk.model import BpeModel
from bpetk.readable import readable
from bpetk.sp_tokenizer import SentencePieceTokenizer
from bpetk.tokenizer import Tokenizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bpetk.interop.sentencepiece_model import ModelFile

# Tokens, the parts of all of them one after the other, the token of each part, the number of parts of each token.
_Parts = tuple["NDArray[np.int64]", "NDArray[np.int64]", "NDArray[np.int64]", "NDArray[np.int64]"]

NO_STEP = -1
_NEVER = 1 << 62


class Derivations(ABC):
    """The steps in which a vocabulary grows, and the parts of its tokens.

    Attributes
    ----------
    step
        int64 ``[n_vocab]``: the step that adds an id; -1 for what is there from the beginning, such as bytes,
        characters and control tokens.
    sizes
        int64 ``[steps + 1]``: ids that the vocabulary has before each step, and after the last.
    lengths
        int64 ``[n_vocab]``: a number that is smaller for each part of a token than for the token.
    """

    step: NDArray[np.int64]
    sizes: NDArray[np.int64]
    lengths: NDArray[np.int64]
    only_merged = False
    """Whether merges are all that makes a token, so that one whose parts come later is not there before them."""

    @abstractmethod
    def parts(self, ids: Sequence[int]) -> list[tuple[int, ...]]:
        """Give the parts that the vocabulary just before each of some tokens has in its place.

        Raises
        ------
        ConfigError
            If they cannot be told.
        """

    @abstractmethod
    def name(self, id: int) -> str:
        """Give a token as people read it."""

    def savings(self, counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Tell what each step saves in a text.

        Parameters
        ----------
        counts
            int64 ``[texts, n_vocab]``: how often each id stands in each of some texts.

        Returns
        -------
        tuple[numpy.ndarray, numpy.ndarray]
            Tokens with the vocabulary before the first step, int64 ``[texts]``; and how many tokens fewer each step
            makes it, int64 ``[texts, steps]``.

        Raises
        ------
        ConfigError
            If a smaller vocabulary would not encode as the beginning of this one.
        """
        use, saved = self._walk(counts)
        return use[:, self.step == NO_STEP].sum(axis=1), saved

    def uses(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Tell how often each token was there while a text was encoded, whether it was left standing or not.

        Parameters
        ----------
        counts
            int64 ``[texts, n_vocab]``, as `savings`.

        Returns
        -------
        numpy.ndarray
            int64 ``[texts, n_vocab]``: occurrences in the text and inside the tokens of the text.

        Raises
        ------
        ConfigError
            As `savings`.
        """
        return self._walk(counts)[0]

    def _walk(self, counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Hand the use of tokens down to their parts; give the use of all, and what each step saves."""
        use = np.array(counts, dtype=np.int64)
        grown = np.flatnonzero(self.step != NO_STEP)
        grown = grown[np.argsort(-self.lengths[grown], kind="stable")]
        ends = np.flatnonzero(np.diff(self.lengths[grown], append=-1)) + 1
        handed: list[_Parts] = []
        # INVARIANT: longer tokens come first, so that nothing adds to the use of a token after its parts were told.
        for group in np.split(grown, ends[:-1]):
            ids = group[use[:, group].any(axis=0)]
            if len(ids):
                handed.append(self._hand_down(ids, use))
        saved = np.zeros((len(use), len(self.sizes) - 1), dtype=np.int64)
        from_step = self.step.copy()
        for ids, parts, owners, sizes in reversed(handed):
            np.maximum.at(from_step, owners, from_step[parts])
            for row, gains in zip(use, saved, strict=True):
                np.add.at(gains, from_step[ids], row[ids] * (sizes - 1))
        return use, saved

    def _hand_down(self, ids: NDArray[np.int64], use: NDArray[np.int64]) -> _Parts:
        """Give the use of some tokens to their parts."""
        found = self.parts(ids.tolist())
        sizes = np.fromiter(map(len, found), np.int64, len(found))
        parts = np.fromiter((part for row in found for part in row), np.int64, int(sizes.sum()))
        owners = np.repeat(ids, sizes)
        # A part that is not shorter would have been passed already.
        late = (self.step[parts] != NO_STEP) & (self.lengths[parts] >= self.lengths[owners])
        if not self.only_merged:
            late |= self.step[parts] > self.step[owners]
        if late.any():
            first = np.flatnonzero(late)[0]
            part, owner = int(parts[first]), int(owners[first])
            raise ConfigError(
                f"no curve for this vocabulary: its token {self.name(owner)} (id {owner}) is made of "
                f"{self.name(part)} (id {part}), which comes later, so its beginning is not a smaller tokenizer of "
                "the same kind"
            )
        for row in use:
            np.add.at(row, parts, row[owners])
        return ids, parts, owners, sizes


class MergeDerivations(Derivations):
    """Steps of a list of merges, or of ranks.

    A step adds one token with all merges that make it: files made of ranks or of pieces have several. Tokens whose
    merges stand between each other in the list are one step. A token that is only found as a whole word
    (``ignore_merges``) stands, before its step, for what the merges before it make of its bytes.

    Parameters
    ----------
    model
        Any model.

    Raises
    ------
    ConfigError
        If ids of ranks are not in the order of the ranks.
    """

    def __init__(self, model: BpeModel) -> None:
        self._model = model
        self.only_merged = not (model.ranks or model.ignore_merges)
        new: NDArray[np.int64] = np.asarray(model.new, dtype=np.int64)
        self._left, self._right = (np.asarray(part, dtype=np.int64) for part in (model.left, model.right))
        if model.ranks:
            if (np.diff(new) <= 0).any():
                raise ConfigError("no curve for this vocabulary: its ids are not in the order of its ranks")
            # Tokens that no merge makes are found whole; they have their places in the order too.
            whole = [id for _, id in model.extra_tokens if len(model.tokens[id]) > 1]
            made = np.union1d(new, np.array(whole, dtype=np.int64))
            steps = np.arange(len(made))
            self._first = np.searchsorted(new, made)
        else:
            made, steps, self._first = _blocks(new)
        self.step = np.full(model.n_vocab, NO_STEP, dtype=np.int64)
        self.step[made] = steps
        grown = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(steps), dtype=np.int64)])
        self.sizes = model.vocab_size - len(made) + grown
        starts: NDArray[np.int64] = np.asarray(model.table[1], dtype=np.int64)
        self.lengths = starts[1:] - starts[:-1]
        # Where a token has one merge and nothing is found whole, that merge is the only way to it.
        self._rule = np.full(model.n_vocab, -1, dtype=np.int64)
        if model.ranks or (len(made) == len(new) and not model.ignore_merges):
            self._rule[new] = np.arange(len(new))
        self._pairs: dict[int, tuple[int, int] | None] = {}

    def name(self, id: int) -> str:
        """Give a token as people read it."""
        return readable(self._model.token_bytes[id])

    def parts(self, ids: Sequence[int]) -> list[tuple[int, ...]]:
        """Give the parts of tokens."""
        rules = self._rule[np.asarray(ids, dtype=np.int64)]
        known = rules[rules >= 0]
        pairs = zip(self._left[known].tolist(), self._right[known].tolist(), strict=True)
        return [
            next(pairs) if rule >= 0 else self._found(id)
            for id, rule in zip(ids, rules.tolist(), strict=True)
        ]

    def _found(self, id: int) -> tuple[int, ...]:
        """Give the two parts of the merge that makes a token, or what stands for one that is only found whole."""
        if (pair := self._pair(id)) is not None:
            return pair
        parts = tuple(_merged(self._symbols(id), self._merges, below=int(self._first[self.step[id]])))
        # INVARIANT: what a smaller vocabulary makes of the token is what it makes of these, if merges make each of
        # them whatever comes later in the list.
        odd = [
            part
            for part in parts
            if self.step[part] != NO_STEP and self._rule[part] < 0 and self._pair(part) is None
        ]
        if odd or not self._model.ignore_merges:
            raise ConfigError(
                f"no curve for this vocabulary: its token {self.name(id)} (id {id}) is made of "
                f"{self.name(odd[0] if odd else id)} only if what comes later in the list is not there"
            )
        return parts

    def _pair(self, id: int) -> tuple[int, int] | None:
        """Give the parts of the merge that makes a token when its symbols are merged; None if none does."""
        if id in self._pairs:
            return self._pairs[id]
        rest = _merged(self._symbols(id), self._merges, most=2)
        pair = (rest[0], rest[1]) if len(rest) == 2 else None
        if pair is not None and self._merges.get(pair, (0, -1))[1] != id:
            pair = None
        self._pairs[id] = pair
        return pair

    def _symbols(self, id: int) -> list[int]:
        """Give the ids of the bytes, or of the characters, that a token's merging starts from."""
        model = self._model
        prefix = getattr(model, "continuing_subword_prefix", None)
        characters: Mapping[str, int] | None = getattr(model, "vocabulary", None)
        if characters is None:
            found = [model.byte_ids[byte] for byte in model.tokens[id]]
        else:  # tokens are texts
            found = [characters.get(char, -1) for char in model.strings[id]]
        if model.end_of_word_suffix is not None or prefix or -1 in found:
            raise ConfigError(
                f"no curve for this vocabulary: what its token {self.name(id)} (id {id}) is made of depends on where "
                "it stands"
            )
        return found

    @cached_property
    def _merges(self) -> Mapping[tuple[int, int], tuple[int, int]]:
        """Rank and result of each pair; where a file has a pair twice, the last one counts."""
        rows = zip(self._left.tolist(), self._right.tolist(), list(self._model.new), strict=True)
        return {(left, right): (rank, new) for rank, (left, right, new) in enumerate(rows)}


def _blocks(new: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Cut a list of merges wherever no token has merges on both sides.

    Parameters
    ----------
    new
        What each merge makes.

    Returns
    -------
    tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]
        Ids that merges make, the block of each, and the first merge of each block.

    Examples
    --------
    >>> [part.tolist() for part in _blocks(np.array([7, 7, 5, 9, 5, 8]))]
    [[7, 5, 9, 8], [0, 1, 1, 2], [0, 2, 5]]
    """
    made, first, inverse = np.unique(new, return_index=True, return_inverse=True)
    last = np.zeros(len(made), np.int64)
    np.maximum.at(last, inverse, np.arange(len(new)))
    order = np.argsort(first)
    reached = np.maximum.accumulate(last[order])
    begins = np.ones(len(made), dtype=bool)
    begins[1:] = first[order][1:] > reached[:-1]
    return made[order], np.cumsum(begins) - 1, first[order][begins]


def _merged(
    symbols: list[int],
    merges: Mapping[tuple[int, int], tuple[int, int]],
    *,
    below: int = _NEVER,
    most: int = 1,
) -> list[int]:
    """Merge symbols, lowest rank first and leftmost, with the merges before a rank, until so many are left."""

    def rank_at(i: int) -> int:
        rank = merges.get((symbols[i], symbols[i + 1]), (_NEVER, 0))[0]
        return rank if rank < below else _NEVER

    ranks = [rank_at(i) for i in range(len(symbols) - 1)]
    while len(ranks) >= most and (lowest := min(ranks)) != _NEVER:
        i = ranks.index(lowest)
        symbols[i : i + 2] = [merges[symbols[i], symbols[i + 1]][1]]
        del ranks[i]
        for k in (i - 1, i):
            if 0 <= k < len(ranks):
                ranks[k] = rank_at(k)
    return symbols


class PieceDerivations(Derivations):
    """Steps of a SentencePiece model: its pieces of several characters, highest score first.

    Single characters, bytes, control pieces and user-defined symbols are there from the beginning. Pieces of one score
    are one step.

    Parameters
    ----------
    model
        A BPE model.

    Raises
    ------
    ConfigError
        If it has unused pieces: what they are taken apart into may be longer than they are.
    """

    only_merged = True

    def __init__(self, model: ModelFile) -> None:
        self._pieces = model.pieces
        texts = [piece.text for piece in model.pieces]
        long = [i for i, text in enumerate(texts) if len(text) > 1]
        if unused := [texts[i] for i in long if model.pieces[i].type == PieceType.UNUSED]:
            raise ConfigError(
                f"no curve for this vocabulary: its piece {unused[0]!r} is marked as unused; such pieces are made and "
                "then taken apart again, so its beginning is not a smaller tokenizer"
            )
        grown = np.array([i for i in long if model.pieces[i].type == PieceType.NORMAL], dtype=np.int64)
        values, steps = np.unique(
            _order_of([model.pieces[i].score for i in grown.tolist()]), return_inverse=True
        )
        self.step = np.full(len(texts), NO_STEP, dtype=np.int64)
        self.step[grown] = steps
        each = np.bincount(steps, minlength=len(values)).astype(np.int64)
        self.sizes = len(texts) - len(grown) + np.concatenate([np.zeros(1, np.int64), np.cumsum(each)])
        self.lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        self._ids = {piece.text: i for i, piece in enumerate(model.pieces) if piece.type == PieceType.NORMAL}
        self._ranks = {texts[i]: int(self.step[i]) for i in grown.tolist()}

    def name(self, id: int) -> str:
        """Give a piece as the file has it."""
        return repr(self._pieces[id].text)

    def parts(self, ids: Sequence[int]) -> list[tuple[int, ...]]:
        """Give the two parts of pieces."""
        return [self._halves(id) for id in ids]

    def _halves(self, id: int) -> tuple[int, int]:
        text = self._pieces[id].text
        cut = last_cut(text, self._ranks)
        found = []
        for part in (text[:cut], text[cut:]):
            if part not in self._ids:
                raise ConfigError(
                    f"no curve for this vocabulary: {part!r}, of which its piece {text!r} (id {id}) is made, is no "
                    "piece itself, so a smaller tokenizer would have to spell it in bytes or not know it"
                )
            found.append(self._ids[part])
        return found[0], found[1]


def _order_of(scores: Sequence[float]) -> NDArray[np.int64]:
    """Give numbers that are the lower, the earlier a score comes; as the library, 0 comes before -0."""
    bits = np.array(scores, dtype=np.float32).view(np.int32).astype(np.int64)
    return np.where(bits >= 0, -bits, bits + (1 << 31) + 1)


def derivations_of(tokenizer: Any) -> Derivations:
    """Give the steps in which a tokenizer's vocabulary grows.

    Parameters
    ----------
    tokenizer
        A `Tokenizer`, or a `SentencePieceTokenizer`.

    Raises
    ------
    ConfigError
        If it has none that are exact.

    Examples
    --------
    >>> import bpetk
    >>> tok = bpetk.train_from_iterator(["low lower lowest"], vocab_size=259)
    >>> found = derivations_of(tok)
    >>> counts = np.bincount(tok.encode("lower low"), minlength=tok.n_vocab)[None, :]
    >>> base, saved = found.savings(counts)
    >>> found.sizes.tolist(), base.tolist(), saved.tolist(), tok.count("lower low")
    ([256, 257, 258, 259], [9], [[2, 2, 1]], 4)
    """
    if isinstance(tokenizer, SentencePieceTokenizer):
        return PieceDerivations(tokenizer.model)
    if isinstance(tokenizer, Tokenizer):
        return MergeDerivations(tokenizer.model)
    raise ConfigError(
        f"a curve needs a list of merges, of ranks or of pieces with scores; {type(tokenizer).__name__} has none"
    )
