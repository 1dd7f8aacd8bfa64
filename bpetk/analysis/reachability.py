"""Which tokens encoding can produce, and why it can never produce the others.

A token is **produced** if some text has been encoded that gives it: that is seen, not reasoned. For the rest there are
proofs, each of which holds for every text:

`Reach.MERGES`
    The bytes of the token alone do not merge to it. Merging looks for the lowest rank first; as long as no merge
    crosses the ends of a stretch, what happens inside is the same as for the stretch alone. So if a token comes out of
    merging anywhere, it comes out of its own bytes.
`Reach.SPLIT`
    The scheme cuts it: the token is inside no string that the pattern can match (`bpetk.analysis.pattern_language`),
    and each character of it, or one, is always part of a match.
`Reach.REWRITTEN`
    It is not in the normal form that text is brought to, and parts of normal text are normal.
`Reach.TAKEN`
    It holds the text of an added token, which is cut out before.
`Reach.NOT_TEXT`
    Its bytes are in no UTF-8 text.
`Reach.UNUSED`
    The file marks it as unused, or, for a byte that a model falls back to, its character is a piece of its own.

What is neither produced nor proved is `Reach.OPEN`: none of the texts that were tried gives it.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from enum import IntEnum
from itertools import accumulate, product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bpetk.analysis.pattern_language import PatternLanguage, language_of
from bpetk.analysis.token_table import Integrity, Kind, TokenTable, over_characters, split_partial
from bpetk.errors import BpetkError
from bpetk.interop.sentencepiece_model import NormalizerSpec, PieceType
from bpetk.pipeline import Pipeline
from bpetk.pretokenizers import SCHEMES
from bpetk.sp_tokenizer import SentencePieceTokenizer

if TYPE_CHECKING:
    from bpetk.tokenizer import Tokenizer


class Reach(IntEnum):
    """Whether encoding can produce a token; see the module."""

    PRODUCED = 0
    MERGES = 1
    SPLIT = 2
    REWRITTEN = 3
    TAKEN = 4
    NOT_TEXT = 5
    UNUSED = 6
    OPEN = 7
    NOT_ASKED = 8
    """Special tokens, which text does not become, and absent ids."""


def reach(tokenizer: Tokenizer | SentencePieceTokenizer, table: TokenTable) -> NDArray[np.uint8]:
    """Decide for each token whether encoding ordinary text can produce it.

    Parameters
    ----------
    tokenizer, table
        A tokenizer and its table.

    Returns
    -------
    numpy.ndarray
        `Reach` of each id, uint8, shape ``[table.size]``.
    """
    if over_characters(tokenizer):
        return _PieceSearch(tokenizer, table).run()
    return _ByteLevelSearch(tokenizer, table).run()


# Texts around a token, to find one that gives it: each kind of character that schemes tell apart, and rare ones that
# hardly merge with anything.
_BEFORE = ("", " ", "\n", "a", "A", "1", ".", "}", "⁂", "'", "中", "ꙮ", "\r", "\t", "  ", "é")
_AFTER = ("", "ꙮ", " ", "\n", "a", "A", "1", ".", "'", "中", "m", "ll", "re", "ve", "t", "/", "é", "\u0301")
_AROUND = sorted(product(_BEFORE, _AFTER), key=lambda pair: _BEFORE.index(pair[0]) + _AFTER.index(pair[1]))
_MOST_TEXTS = 1 << 19
_MOST_SLOW_TEXTS = 1 << 15
"""For a tokenizer with a normalizer or a pre-tokenizer that is not native, which takes some 50 us for a text."""


class _Search:
    def __init__(self, tokenizer: Any, table: TokenTable) -> None:
        self.tokenizer = tokenizer
        self.table = table
        self.found = np.full(table.size, Reach.OPEN, np.uint8)
        self.found[(table.kinds == Kind.SPECIAL) | (table.kinds == Kind.ABSENT)] = Reach.NOT_ASKED
        self.most_texts = _MOST_TEXTS

    def open(self) -> list[int]:
        """Give the ids that nothing is known of yet."""
        ids: list[int] = np.flatnonzero(self.found == Reach.OPEN).tolist()
        return ids

    def settle(self, ids: Iterable[int], reach: Reach) -> None:
        """Set ids that are open still."""
        chosen = np.fromiter(ids, np.int64)
        self.found[chosen[self.found[chosen] == Reach.OPEN]] = reach

    def try_texts(self, texts: Sequence[str]) -> None:
        """Encode texts: whatever comes out is produced."""
        texts = encodable(self.tokenizer, texts)
        if texts:
            ids, _ = self.tokenizer.encode_batch_flat(texts, disallowed_special=())
            self.settle(np.unique(ids).tolist(), Reach.PRODUCED)

    def try_around(self) -> None:
        """Encode the open tokens that are whole characters with others around them."""
        texts = self.table.text
        whole = [text for id in self.open() if (text := texts[id])]
        around = _AROUND[: max(1, self.most_texts // max(1, len(whole)))]
        self.try_texts([before + text + after for text in whole for before, after in around])


def encodable(tokenizer: Any, texts: Sequence[str]) -> Sequence[str]:
    """Leave out the texts with bytes that a byte-level model has no token for, which it refuses."""
    if over_characters(tokenizer) or tokenizer.model.unk_token is not None:
        return texts
    pairs = zip(tokenizer.model.byte_ids, tokenizer.model.last_byte_ids, strict=True)
    known = bytes(byte for byte, ids in enumerate(pairs) if min(ids) >= 0)
    return (
        texts if len(known) == 256 else [text for text in texts if not text.encode().translate(None, known)]
    )


class _ByteLevelSearch(_Search):
    tokenizer: Tokenizer

    def run(self) -> NDArray[np.uint8]:
        table = self.table
        self.settle(np.flatnonzero(table.integrity == Integrity.ILL_FORMED).tolist(), Reach.NOT_TEXT)
        self.try_texts([text for text in table.text if text])
        pipeline = self.tokenizer._pipeline
        if pipeline.scheme is None or pipeline.form is None:
            self.most_texts = _MOST_SLOW_TEXTS
        self.try_texts(_characters(self.most_texts))
        merged = self.merged()
        ignores = self.tokenizer.model.ignore_merges
        steps = _steps(self.tokenizer)
        # With ignore_merges a token that is a whole pretoken needs no merges.
        unmerged = [id for id in self.open() if not merged[id]]
        self.settle([id for id in unmerged if not ignores or self.never_whole(id, steps)], Reach.MERGES)
        self.settle(filter(self.rewritten(), self.open()), Reach.REWRITTEN)
        self.settle([id for id in self.open() if _is_cut(table, id, steps)], Reach.SPLIT)
        self.settle(filter(self.taken(), self.open()), Reach.TAKEN)
        self.try_around()
        self.try_texts(list(self.completed()))
        return self.found

    def merged(self) -> NDArray[np.bool_]:
        """Say which tokens their own bytes merge to; those that cannot be asked count as such."""
        tokenizer, table = self.tokenizer, self.table
        model = tokenizer.model
        found = np.ones(table.size, bool)
        if model.ranks:
            # Listed for each token is the one merge that can take place, and none if there is none.
            found[table.ids(Kind.NORMAL)] = False
            found[np.asarray(model.new)] = True
            return found
        encoder = tokenizer._pipeline.encoder
        if model.ignore_merges:
            definition = replace(
                tokenizer.definition, model=replace(model, ignore_merges=False), encoder=None
            )
            encoder = Pipeline(definition).encoder
        suffix = (model.end_of_word_suffix or "").encode()
        # A token without the suffix is not at the end of a pretoken: something that merges with nothing follows it.
        last = self._inert_byte() if suffix else b""
        known = bytes(
            byte for byte, id in enumerate(model.byte_ids) if id >= 0 and model.last_byte_ids[byte] >= 0
        )
        tokens = {id: table.data[id] for id in table.ids(Kind.NORMAL, Kind.BYTE).tolist()}
        asked = [id for id, token in tokens.items() if token and not token.translate(None, known)]
        parts = [tokens[id] + (b"" if table.names[id] else last) for id in asked]
        if not asked or (suffix and not last):
            return found
        ends = array("Q", accumulate(map(len, parts)))
        ids, failure, _ = encoder.encode_stretch(b"".join(parts), ends=ends, whole_chars=False)
        row = np.frombuffer(memoryview(ids), np.uint32)
        sizes = table.n_bytes[row].astype(np.int64)
        if failure or int(sizes.sum()) != ends[-1]:
            return found
        # Where each token of the row begins; the first one of each part is to be all of it.
        at = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        starts = np.concatenate([[0], np.frombuffer(ends, np.uint64)[:-1].astype(np.int64)])
        first = row[np.searchsorted(at, starts)]
        wanted = np.array(asked, np.uint32)
        found[wanted[first != wanted]] = False
        return found

    def _inert_byte(self) -> bytes:
        model = self.tokenizer.model
        used = {-1, *model.right}
        return bytes([byte for byte in range(256) if model.last_byte_ids[byte] not in used][-1:])

    def never_whole(self, id: int, steps: Sequence[_Step] | None) -> bool:
        """Whether a token is surely no pretoken as a whole."""
        text = self.table.text[id]
        if text is None:
            return steps is not None  # pretokens are whole characters
        if steps is None or len(steps) != 1 or not steps[0].covers:
            return False
        return not steps[0].language.has_whole(text)

    def rewritten(self) -> Callable[[int], bool]:
        """Give what says whether a token is in no normal text."""
        pipeline = self.tokenizer._pipeline
        normalizer = pipeline.normalizer
        if pipeline.form in (None, -1) or normalizer is None:
            return lambda id: False
        texts = self.table.text

        def changed(id: int) -> bool:
            text = texts[id]
            return text is not None and normalizer.normalize(text) != text

        return changed

    def taken(self) -> Callable[[int], bool]:
        """Give what says whether a token holds an added token that is always cut out."""
        tokenizer = self.tokenizer
        plain = tokenizer.definition.sections.normalizer is None
        splitter = tokenizer._pipeline.splitter
        # Those with normalized=true are searched in what the normalizer hands over, the others in the text before.
        forms, others = [], ""
        for token, form in zip(splitter.tokens, splitter.forms, strict=True):
            if not (token.special or token.single_word) and (token.normalized or plain):
                forms.append(form)
            else:
                others += form + token.content
        # A match of another one can come to nothing and hide what it overlaps.
        sure = [form.encode() for form in forms if set(form).isdisjoint(others)]
        data, kinds = self.table.data, self.table.kinds
        return lambda id: kinds[id] != Kind.ADDED and any(form in data[id] for form in sure)

    def completed(self) -> Iterator[str]:
        """Give texts with the open tokens that begin or end inside a character, completed in many ways."""
        table, n = self.table, 0
        for id in self.open():
            parts = split_partial(table.data[id])
            if table.integrity[id] != Integrity.PARTIAL or parts is None:
                continue
            tail, _, unfinished = parts
            heads = list(_heads(tail)) if tail else [b""]
            tails = list(_tails(unfinished)) if unfinished else [b""]
            every = 1 + len(heads) * len(tails) // 4096
            for head, rest in list(product(heads, tails))[::every]:
                text = (head + table.data[id] + rest).decode()
                for before in ("", " ", "a", "中") if len(heads) * len(tails) < 1000 else ("",):
                    yield before + text
                    n += 1
            if n > self.most_texts:
                return


class _Step:
    """One cut of the scheme, as far as it proves anything.

    Attributes
    ----------
    language
        What its matches are among.
    covers
        Whether every character of a text is in a match.
    """

    def __init__(self, pattern: str, covers: bool) -> None:
        self.language: PatternLanguage = language_of(pattern)
        self.covers = covers

    def always_matched(self, text: str) -> bool:
        """Whether at least one character of a text is in a match, whatever stands around it."""
        return self.covers or any(self.language.matches_alone(char) for char in text)


def _steps(tokenizer: Tokenizer) -> list[_Step] | None:
    """Give the cuts that are understood; None if bytes are cut, so that pretokens are not whole characters."""
    scheme = tokenizer._pipeline.scheme
    try:
        if scheme is not None:
            named = SCHEMES[scheme]
            if scheme == "whitespace":
                return [_Step(r"\S+", False)]
            return [_Step(pattern, named.complete) for pattern in named.patterns]
        config = tokenizer.definition.sections.pre_tokenizer
        if config is None:
            return [_Step(pattern, tokenizer.scheme.complete) for pattern in tokenizer.scheme.patterns]
        steps = []
        for step, last in _flat(config):
            if step["type"] == "Split" and step["behavior"] == "Isolated" and "Regex" in step["pattern"]:
                steps.append(_Step(step["pattern"]["Regex"], False))
            elif step["type"] == "ByteLevel" and step.get("use_regex", True):
                steps.append(_Step(str(SCHEMES["gpt2"].pattern), True))
            elif step["type"] == "Digits":
                steps.append(_Step(r"\p{N}" if step["individual_digits"] else r"\p{N}+", False))
            if step["type"] == "ByteLevel" and not last:
                return None
        return steps
    except BpetkError:
        return []


def _flat(config: Any) -> list[tuple[dict[str, Any], bool]]:
    if config["type"] != "Sequence":
        return [(config, True)]
    steps = [step for part in config["pretokenizers"] for step, _ in _flat(part)]
    return [(step, i == len(steps) - 1) for i, step in enumerate(steps)]


def _is_cut(table: TokenTable, id: int, steps: Sequence[_Step] | None) -> bool:
    parts = split_partial(table.data[id])
    if parts is None or not steps:
        return False
    tail, text, unfinished = parts
    return any(
        not step.language.has_inside(text, before=bool(tail), after=bool(unfinished))
        and step.always_matched(text)
        for step in steps
    )


class _PieceSearch(_Search):
    """For models over characters, whose tokens are text in the form that the normalizer gives it."""

    def __init__(self, tokenizer: Any, table: TokenTable) -> None:
        super().__init__(tokenizer, table)
        if isinstance(tokenizer, SentencePieceTokenizer):
            pieces = tokenizer.model.pieces
            self.texts = [piece.text for piece in pieces]
            kinds = (PieceType.NORMAL, PieceType.USER_DEFINED)
            self.known = {piece.text for piece in pieces if piece.type in kinds} - {"\0"}
            self.no_blanks = tokenizer.model.normalizer.escapes_whitespaces
        else:
            texts = tokenizer.model.texts
            self.texts = [texts.get(id, "") for id in range(table.size)]
            self.known = set(tokenizer.model.vocabulary)
            self.no_blanks = _marks_blanks(tokenizer.definition.sections.normalizer)

    def run(self) -> NDArray[np.uint8]:
        table = self.table
        fallback = table.kinds == Kind.BYTE
        self.settle(
            np.flatnonzero(fallback & (table.integrity == Integrity.ILL_FORMED)).tolist(), Reach.NOT_TEXT
        )
        self.settle(table.ids(Kind.UNUSED).tolist(), Reach.UNUSED)
        if getattr(self.tokenizer, "_pipeline", None) is not None and self.tokenizer._pipeline.form is None:
            self.most_texts = _MOST_SLOW_TEXTS
        # A character that is no piece keeps its neighbours apart.
        apart = unknown_character(self.texts)
        whole = [text for text, byte in zip(self.texts, fallback.tolist(), strict=True) if text and not byte]
        self.try_texts([apart + text + apart for text in whole])
        self.try_texts([text for id in self.open() if (text := table.text[id])])
        self.try_texts(_characters(self.most_texts))
        self.try_texts([chr(cp) for cp in range(128)])
        self.settle(self._spelled_bytes(), Reach.UNUSED)
        if self.no_blanks:
            # No blank is left in what the normalizer hands over: all are U+2581.
            blanks = [id for id, text in enumerate(self.texts) if " " in text]
            blanks += [id for id in table.ids(Kind.BYTE).tolist() if table.data[id] == b" "]
            self.settle(blanks, Reach.REWRITTEN)
        self.settle(self._unmerged(), Reach.MERGES)
        self.try_around()
        return self.found

    def _spelled_bytes(self) -> Iterator[int]:
        """Give the tokens of bytes that no character falls back to: all that have them are in the vocabulary."""
        for id in self.table.ids(Kind.BYTE).tolist():
            lead = self.table.data[id][0]
            first = lead if lead < 0x80 else (lead & 31) << 6 if 0xC2 <= lead < 0xE0 else -1
            # A byte of ASCII is one character, one that begins two bytes 64; all others have thousands.
            chars = map(chr, range(first, first + (1 if lead < 0x80 else 64)))
            if first >= 0 and self.known.issuperset(chars):
                yield id

    def _unmerged(self) -> list[int]:
        """Give the tokens that their own characters, as the normalizer would hand them over, do not merge to."""
        # A user-defined piece is found by the twin too; an added token of a tokenizer.json comes from no merges at all.
        pieces = isinstance(self.tokenizer, SentencePieceTokenizer)
        kinds = (Kind.NORMAL, Kind.ADDED) if pieces else (Kind.NORMAL,)
        asked = [id for id in self.open() if self.table.kinds[id] in kinds and self.texts[id]]
        if not asked or getattr(self.tokenizer.model, "decorated", False):
            return []  # of characters that carry a mark in the vocabulary nothing is proved
        ids, rows = self._twin().encode_batch_flat([self.texts[id] for id in asked], disallowed_special=())
        alone = np.diff(rows) == 1
        first = ids[np.minimum(rows[:-1], len(ids) - 1)]
        wanted = np.array(asked)
        unmerged: list[int] = wanted[~(alone & (first == wanted))].tolist()
        return unmerged

    def _twin(self) -> Any:
        """Give the same model with nothing before the merges."""
        if isinstance(self.tokenizer, SentencePieceTokenizer):
            plain = NormalizerSpec("identity", b"", False, False, False)
            return SentencePieceTokenizer(
                replace(self.tokenizer.model, normalizer=plain, has_normalizer=True)
            )
        definition = self.tokenizer.definition
        sections = replace(definition.sections, normalizer=None, pre_tokenizer=None, post_processor=None)
        # Added tokens are found in text before it is brought to its form, so they have no place in what is merged.
        model = replace(definition.model, added_tokens=())
        return type(self.tokenizer)(replace(definition, model=model, sections=sections, encoder=None))


def _marks_blanks(normalizer: Any) -> bool:
    """Whether the last that a normalizer does is to put something else for every blank."""
    while normalizer is not None and normalizer["type"] == "Sequence":
        steps = normalizer["normalizers"]
        normalizer = steps[-1] if steps else None
    return (
        normalizer is not None
        and normalizer["type"] == "Replace"
        and normalizer["pattern"].get("String") == " "
        and " " not in normalizer["content"]
    )


def _characters(most: int) -> list[str]:
    """Give characters one by one: all of the planes in use, some of the others; or as many of these as may be."""
    every = range(0x80, 0x33480)
    some = range(0x33480, 0x110000, 61)
    found = [chr(cp) for cp in (*every, *some) if not 0xD800 <= cp < 0xE000]
    return found[:: -(-len(found) // most)]


def unknown_character(texts: Iterable[str]) -> str:
    """Give a character that is in none of the texts, so that in a model over characters it merges with nothing."""
    known = set("".join(texts))
    return next(chr(cp) for cp in range(0x10FFFD, 0, -1) if chr(cp) not in known)


def _heads(tail: bytes) -> Iterator[bytes]:
    """Give bytes that make a character together with the ones that end it."""
    leads = [bytes([lead]) for lead in range(0xC2, 0xF5)]
    pairs = [bytes([lead, second]) for lead in (0xE1, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF0)
             for second in range(0x80, 0xC0, 5)]  # fmt: skip
    triples = [b"\xf0\x9f" + bytes([third]) for third in range(0x80, 0xC0, 3)]
    for head in (*leads, *pairs, *triples):
        if _is_character(head + tail):
            yield head


def _tails(head: bytes) -> Iterator[bytes]:
    """Give bytes that end the character that these begin."""
    missing = (2 if head[0] < 0xE0 else 3 if head[0] < 0xF0 else 4) - len(head)
    step = {1: 1, 2: 3, 3: 7}[missing]
    for tail in product(range(0x80, 0xC0, step), repeat=missing):
        if _is_character(head + bytes(tail)):
            yield bytes(tail)


def _is_character(data: bytes) -> bool:
    try:
        return len(data.decode()) == 1
    except UnicodeDecodeError:
        return False
