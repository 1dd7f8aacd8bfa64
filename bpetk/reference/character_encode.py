"""A BPE over characters as Hugging Face encodes with it, in the plainest form: what the encoder is tested against.

One pretoken at a time; what comes before is in ``bpetk.normalizers`` and ``bpetk.splitters``.

1. If whole tokens count (``ignore_merges``) and the pretoken is one, it is that token.
2. Otherwise it starts as its characters. In the vocabulary, all but the first carry a prefix and the last one a suffix,
   if the model has them. A character that is no token becomes the tokens of its bytes, if there are all of them; or
   else the unknown token, which waits: for the next unknown character, with which it may be one, or for the next known
   one, before which it is put. (So it comes behind bytes.) Without an unknown token the character vanishes.
3. As long as two neighbours have a rule, the pair with the lowest rank is merged; of equal pairs the leftmost. Pairs,
   not strings, decide: one string may be made by several rules, and a token by none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise


@dataclass(frozen=True)
class CharacterRules:
    """What turns one pretoken into ids.

    Attributes
    ----------
    vocabulary
        Id of each token by its text.
    merges
        Pair of ids to rank and new id.
    prefix, suffix
        What characters carry in the vocabulary: all but the first, and the last.
    byte_fallback
        Whether tokens of bytes are used.
    unk
        Text of the unknown token, or None.
    fuse_unk
        Whether unknown characters next to each other are one token.
    ignore_merges
        Whether a pretoken that is a token is looked up first.
    """

    vocabulary: Mapping[str, int]
    merges: Mapping[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    prefix: str = ""
    suffix: str = ""
    byte_fallback: bool = False
    unk: str | None = None
    fuse_unk: bool = False
    ignore_merges: bool = False


def encode_pretoken(text: str, rules: CharacterRules) -> list[int]:
    """Encode one pretoken.

    Examples
    --------
    >>> vocabulary = {"a": 0, "<unk>": 1, "<0xC3>": 2, "<0xA9>": 3, "b": 4, "ab": 5}
    >>> rules = CharacterRules(vocabulary, {(0, 4): (0, 5)}, byte_fallback=True, unk="<unk>")
    >>> encode_pretoken("xéab", rules)
    [2, 3, 1, 5]
    """
    if rules.ignore_merges and text in rules.vocabulary:
        return [rules.vocabulary[text]]
    ids = first_ids(text, rules)
    while True:
        ranked = [(rules.merges[pair][0], i) for i, pair in enumerate(pairwise(ids)) if pair in rules.merges]
        if not ranked:
            return ids
        _, i = min(ranked)
        ids[i : i + 2] = [rules.merges[ids[i], ids[i + 1]][1]]


def first_ids(text: str, rules: CharacterRules) -> list[int]:
    """Give what a pretoken starts as.

    Examples
    --------
    >>> first_ids("ab", CharacterRules({"a": 0, "##b": 1, "##b</w>": 2}, prefix="##", suffix="</w>"))
    [0, 2]
    """
    ids: list[int] = []
    waiting: list[int] = []
    unk = None if rules.unk is None else rules.vocabulary[rules.unk]
    for i, char in enumerate(text):
        form = f"{rules.prefix if i else ''}{char}{rules.suffix if i + 1 == len(text) else ''}"
        fallback = [f"<0x{byte:02X}>" for byte in form.encode()]
        if form in rules.vocabulary:
            ids += [*waiting, rules.vocabulary[form]]
            waiting = []
        elif rules.byte_fallback and all(token in rules.vocabulary for token in fallback):
            ids += [rules.vocabulary[token] for token in fallback]
        elif unk is not None:
            if not rules.fuse_unk:
                ids += waiting
            waiting = [unk]
    return ids + waiting


def joints(rules: CharacterRules) -> set[tuple[str, str]]:
    """Give the pairs of characters between which a rule may join, for a model without prefix and suffix.

    A rule joins two texts of whole characters, so only at the last character of the one and the first of the other. No
    other joint is ever closed, and both sides of it are encoded as if they stood alone.

    Examples
    --------
    >>> joints(CharacterRules({"ab": 0, "cd": 1, "abcd": 2}, {(0, 1): (0, 2)}))
    {('b', 'c')}
    """
    texts = {id: text for text, id in rules.vocabulary.items()}
    return {(texts[left][-1], texts[right][0]) for left, right in rules.merges}
