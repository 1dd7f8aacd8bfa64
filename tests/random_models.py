"""Random models for the encoder, with the plain rules they stand for, and texts made of their tokens.

Merges join pieces that begin and end anywhere in characters of one to four bytes, in any order of ranks; some have
parts that nothing makes, some make a token that another pair makes too.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

from fuzz_text import adversarial_text

from bpetk._encode_rules import EncodeRules
from bpetk._encoder import Encoder
from bpetk.alphabet import to_byte_level
from bpetk.model import BpeModel
from bpetk.pretokenizers import get_scheme
from bpetk.reference.encode import Rules
from bpetk.special_tokens import AddedToken

# Characters that share first bytes, or last ones, with each other.
ALPHABETS = (
    "a",
    "ab",
    "abc",
    "ab ",
    "é",
    "éêèa",
    "éÉĩЩ",
    "中丮丯亭",
    "中文字的一，。a",
    "\u3042\u30423\u3002\u4e02x",
    "😀😁🙀",
    "\U00020000\U00020001中a",
    "aé中😀 ",
    "abé中文😀 1\n'",
    "".join(map(chr, range(32, 127))) + "é中",
)
SUFFIX = b"</w>"
UNKNOWN = b"<unk>"


@dataclass(frozen=True)
class MadeModel:
    """A model as `EncodeRules` takes it.

    Attributes
    ----------
    characters
        What its texts are made of.
    tokens
        Bytes by id; empty where there is none.
    byte_ids, last_ids
        Id of each byte, -1 for none; the second at the end of a pretoken.
    merges
        Left, right and new ids by rank.
    unk_id, fuse_unk, whole_first, hidden
        As `EncodeRules` and `Encoder` take them.
    """

    characters: str
    tokens: tuple[bytes, ...]
    byte_ids: tuple[int, ...]
    last_ids: tuple[int, ...]
    merges: tuple[tuple[int, int, int], ...]
    unk_id: int | None = None
    fuse_unk: bool = False
    whole_first: bool = False
    hidden: frozenset[int] = field(default_factory=frozenset)

    @property
    def rules(self) -> Rules:
        """The plain rules."""
        merges: dict[tuple[int, int], tuple[int, int]] = {}
        for rank, (left, right, new) in enumerate(self.merges):
            merges.setdefault((left, right), (rank, new))
        made = {*self.byte_ids, *self.last_ids, *(new for _, _, new in self.merges)}
        hidden = self.hidden - made
        whole = {
            token: id
            for id, token in enumerate(self.tokens)
            if token and self.whole_first and id not in hidden
        }
        last = None if self.last_ids == self.byte_ids else self.last_ids
        return Rules(self.byte_ids, merges, last, whole, self.unk_id, self.fuse_unk)

    @property
    def parts(self) -> list[tuple[bytes, bytes]]:
        """Bytes of the parts of each merge."""
        return [(self.tokens[left], self.tokens[right]) for left, right, _ in self.merges]

    @property
    def cuts(self) -> bool:
        """Whether the cut filter can be used at all: bytes add up, every byte stands for itself wherever it is."""
        tokens = self.tokens
        adds_up = all(
            len(tokens[left]) + len(tokens[right]) == len(tokens[new]) for left, right, new in self.merges
        )
        return adds_up and self.byte_ids == self.last_ids and self.unk_id is None

    def encode_rules(self) -> EncodeRules:
        """The native tables."""
        columns = [array("I", column) for column in zip(*self.merges, strict=True)] or [array("I")] * 3
        offsets = array("I", [0, *accumulate(map(len, self.tokens))])
        return EncodeRules(
            b"".join(self.tokens),
            offsets,
            self.byte_ids,
            self.last_ids,
            *columns,
            unk_id=self.unk_id,
            fuse_unk=self.fuse_unk,
        )

    def encoder(self, scheme: str | None = "none", *, line_bits: int = 6) -> Encoder:
        """The native encoder; a small cache loses much of what it learns."""
        return Encoder(
            self.encode_rules(),
            scheme,
            whole_first=self.whole_first,
            hidden=self.hidden,
            line_bits=line_bits,
        )


def random_model(seed: int, *, as_value: bool = False) -> MadeModel:
    """Give a model of any kind: byte alphabet, unknown token, mark of the end of a word, whole pretokens first.

    ``as_value``: only what `bpe_model` can make a value.
    """
    rng = random.Random(seed)
    kind = rng.random()
    model = random_merges(rng)
    if kind < 0.15:
        model = _with_suffix(rng, model)
    elif kind < 0.3:
        model = _with_unknown(rng, model)
    elif kind < 0.35 and not as_value:
        return _with_odd_result(rng, model)  # which no file can say, so nothing else needs to go with it
    if rng.random() < 0.35:
        model = _with_whole_tokens(rng, model)
    if as_value:
        model = replace(model, hidden=frozenset())
    return _renumbered(rng, model) if rng.random() < 0.5 else model


def plain_model(seed: int) -> MadeModel:
    """Give a model of all bytes and merges."""
    rng = random.Random(seed)
    model = random_merges(rng, all_bytes=True)
    return _renumbered(rng, model) if rng.random() < 0.5 else model


def random_merges(rng: random.Random, *, all_bytes: bool | None = None) -> MadeModel:
    """Give a model of bytes and merges."""
    characters = rng.choice(ALPHABETS)
    used = sorted(set(characters.encode()))
    if all_bytes is None:
        all_bytes = rng.random() < 0.6
    alphabet = list(range(256)) if all_bytes else used
    if rng.random() < 0.3:
        rng.shuffle(alphabet)
    ids = {bytes([byte]): id for id, byte in enumerate(alphabet)}
    byte_ids = tuple(ids.get(bytes([byte]), -1) for byte in range(256))
    pairs: dict[tuple[int, int], int] = {}
    # Text to take pieces from: its neighbours are those of the texts to come.
    sample = "".join(rng.choices(characters, k=40)).encode()
    reachable = [bytes([byte]) for byte in used]
    for _ in range(rng.choice((0, 1, 2, 4, 8, 16, 30, 60))):
        if rng.random() < 0.7:
            left, right = rng.choice(reachable), rng.choice(reachable)
            if rng.random() < 0.6:
                left, right = _neighbours(rng, sample, reachable) or (left, right)
        else:
            # Any piece of text cut anywhere: its parts may be nothing that merges make.
            start = rng.randrange(len(sample) - 2)
            piece = sample[start : start + rng.randint(2, 9)]
            cut = rng.randrange(1, len(piece))
            left, right = piece[:cut], piece[cut:]
        if len(left + right) > 40:
            continue
        for token in (left, right, left + right):
            ids.setdefault(token, len(ids))
        pairs.setdefault((ids[left], ids[right]), ids[left + right])
        reachable.append(left + right)
    merges = [(left, right, new) for (left, right), new in pairs.items()]
    if rng.random() < 0.5:
        rng.shuffle(merges)
    return MadeModel(characters, tuple(ids), byte_ids, byte_ids, tuple(merges))


def _neighbours(rng: random.Random, sample: bytes, tokens: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """Find two tokens that stand side by side in a text."""
    for _ in range(10):
        left = rng.choice(tokens)
        at = sample.find(left, rng.randrange(len(sample)))
        right = [token for token in tokens if sample.startswith(token, at + len(left))] if at >= 0 else []
        if right:
            return left, rng.choice(right)
    return None


def _with_suffix(rng: random.Random, model: MadeModel) -> MadeModel:
    """Mark the last byte of a pretoken; merges with such bytes make longer marked tokens."""
    ids = {token: id for id, token in enumerate(model.tokens)}
    last_ids = [
        ids.setdefault(bytes([byte]) + SUFFIX, len(ids)) if id >= 0 else -1
        for byte, id in enumerate(model.byte_ids)
    ]
    merges = list(model.merges)
    for left, right, _ in model.merges:
        token = model.tokens[right] + SUFFIX
        if token in ids or rng.random() < 0.3:
            new = ids.setdefault(model.tokens[left] + token, len(ids))
            merges.append((left, ids.setdefault(token, len(ids)), new))
    rng.shuffle(merges)
    # Some bytes have a form at the end only.
    byte_ids = tuple(-1 if rng.random() < 0.02 else id for id in model.byte_ids)
    return replace(
        model, tokens=tuple(ids), byte_ids=byte_ids, last_ids=tuple(last_ids), merges=tuple(merges)
    )


def _with_unknown(rng: random.Random, model: MadeModel) -> MadeModel:
    """Take bytes away and put an unknown token in."""
    used = sorted(set(model.characters.encode()))
    gone = set(rng.sample(used, rng.randint(0, len(used) - 1)))
    byte_ids = tuple(-1 if byte in gone else id for byte, id in enumerate(model.byte_ids))
    return replace(
        model,
        tokens=(*model.tokens, UNKNOWN),
        byte_ids=byte_ids,
        last_ids=byte_ids,
        unk_id=len(model.tokens),
        fuse_unk=rng.random() < 0.5,
    )


def _with_odd_result(rng: random.Random, model: MadeModel) -> MadeModel:
    """Let merges make tokens whose bytes are not those of their parts."""
    if not model.merges:
        return model
    tokens, merges = list(model.tokens), list(model.merges)
    for _ in range(rng.randint(1, 3)):
        rank = rng.randrange(len(merges))
        tokens.append(b"odd%d" % len(tokens))
        merges[rank] = (*merges[rank][:2], len(tokens) - 1)
    return replace(model, tokens=tuple(tokens), merges=tuple(merges))


def _with_whole_tokens(rng: random.Random, model: MadeModel) -> MadeModel:
    """Look for whole pretokens first, and have some that no merges make."""
    ids = {token: id for id, token in enumerate(model.tokens)}
    for _ in range(rng.randint(0, 8)):
        token = "".join(rng.choices(model.characters, k=rng.choice((1, 2, 3, 5, 9, 20)))).encode()
        ids.setdefault(token, len(ids))
    hidden = frozenset(id for id in range(len(model.tokens), len(ids)) if rng.random() < 0.2)
    return replace(model, tokens=tuple(ids), whole_first=True, hidden=hidden)


def _renumbered(rng: random.Random, model: MadeModel) -> MadeModel:
    """Give other ids, some of them without a token between."""
    n = len(model.tokens) + rng.choice((0, 0, 1, 5))
    to = rng.sample(range(n), len(model.tokens))
    tokens = [b""] * n
    for id, token in zip(to, model.tokens, strict=True):
        tokens[id] = token

    def renumber(ids: Sequence[int]) -> tuple[int, ...]:
        return tuple(to[id] if id >= 0 else -1 for id in ids)

    return replace(
        model,
        tokens=tuple(tokens),
        byte_ids=renumber(model.byte_ids),
        last_ids=renumber(model.last_ids),
        merges=tuple((to[left], to[right], to[new]) for left, right, new in model.merges),
        unk_id=None if model.unk_id is None else to[model.unk_id],
        hidden=frozenset(to[id] for id in model.hidden),
    )


def random_text(rng: random.Random, model: MadeModel, size: int) -> str:
    """Join about ``size`` tokens and characters of a model; broken characters vanish."""
    tokens = [token for token in model.tokens if token and not token.endswith((SUFFIX, UNKNOWN))]
    draw, parts = rng.random(), []
    characters = [char.encode() for char in model.characters]
    if draw < 0.2:
        # Few parts in long runs.
        tokens, characters = rng.choices(tokens, k=2), rng.choices(characters, k=2)
    while len(parts) < size:
        part = rng.choice(characters if rng.random() < 0.5 else tokens)
        if rng.random() < 0.1:
            part = part[rng.randrange(len(part)) :] + part[: rng.randrange(len(part) + 1)]
        parts.append(part * (rng.choice((2, 5, 17, 40)) if rng.random() < 0.05 else 1))
    text = b"".join(parts).decode("utf-8", "ignore")
    return text + adversarial_text(rng, 4) if rng.random() < 0.1 else text


def random_texts(seed: int, model: MadeModel, count: int = 8) -> Iterator[str]:
    """Give texts of many sizes, those at which memory is full or blocks end among them."""
    rng = random.Random(seed)
    for _ in range(count):
        yield random_text(rng, model, rng.choice((1, 1, 2, 3, 5, 8, 15, 17, 40, 70)))


def bpe_model(model: MadeModel, scheme: str = "gpt2", added: Sequence[str] = ()) -> BpeModel:
    """Make a model a value; the ids of the added tokens, all of them special, come last."""
    assert not model.hidden
    made = {*model.byte_ids, *(new for _, _, new in model.merges)}
    others = [(to_byte_level(token), id) for id, token in enumerate(model.tokens) if token and id not in made]
    left, right, new = zip(*model.merges, strict=True) if model.merges else ((), (), ())
    return BpeModel(
        get_scheme(scheme),
        (),
        model.byte_ids,
        left,
        right,
        new,
        added_tokens=tuple(AddedToken(content, id) for id, content in enumerate(added, len(model.tokens))),
        extra_tokens=tuple(others),
        ignore_merges=model.whole_first,
        end_of_word_suffix=None if model.last_ids == model.byte_ids else SUFFIX.decode(),
        unk_token=None if model.unk_id is None else UNKNOWN.decode(),
        fuse_unk=model.fuse_unk,
    )
