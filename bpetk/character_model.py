"""A BPE whose tokens are texts, not bytes: the models of SentencePiece's kind as Hugging Face's files hold them."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import Any

from bpetk.errors import UnknownTokenError
from bpetk.model import BpeModel
from bpetk.pretokenizers import Scheme

CHARACTERS = Scheme("characters", (), False, "the steps of its tokenizer.json; tokens are characters")
"""The scheme of every such model: how text is cut is said by its file alone."""


BLANK = "\u2581"
"""What stands for a blank in tokens."""

BYTE_TOKENS = tuple(f"<0x{byte:02X}>" for byte in range(256))
"""Tokens of the bytes of characters that are no tokens."""


class PackedVocabulary(Mapping[str, int]):
    r"""Ids by text as a reader packed them; a dictionary is made when something is asked that the reader was not.

    Parameters
    ----------
    blob, offsets
        UTF-8 of all tokens by id, and where each begins (uint32, one more than ids).
    flags
        A byte for each id, 0 if there is no token.
    found
        Texts with their ids, -1 for one that is no token.

    Examples
    --------
    >>> vocabulary = PackedVocabulary(b"aab", [0, 1, 1, 3], b"\x01\0\x01", {"a": 0, "c": -1})
    >>> vocabulary.get("c"), len(vocabulary), dict(vocabulary)
    (None, 2, {'a': 0, 'ab': 2})
    """

    def __init__(self, blob: bytes, offsets: Sequence[int], flags: bytes, found: Mapping[str, int]) -> None:
        self.blob = blob
        self.offsets = offsets
        self._flags = flags
        self._found = found
        self._size = len(flags) - flags.count(0)

    @property
    def n_ids(self) -> int:
        """Highest id + 1."""
        return len(self._flags)

    @cached_property
    def ids(self) -> dict[str, int]:
        """All of it, in id order."""
        blob, offsets = self.blob, self.offsets
        return {
            blob[offsets[id] : offsets[id + 1]].decode(): id for id, flag in enumerate(self._flags) if flag
        }

    def __getitem__(self, text: str) -> int:
        """Give the id of a text."""
        id = self._found.get(text)
        if id is None:
            return self.ids[text]
        if id < 0:
            raise KeyError(text)
        return id

    def __iter__(self) -> Iterator[str]:
        """Give the texts, in id order."""
        return iter(self.ids)

    def __len__(self) -> int:
        """Return the number of tokens."""
        return self._size


@dataclass(frozen=True, eq=False, repr=False)
class CharacterModel(BpeModel):
    """Vocabulary, merges and added tokens of a BPE over characters.

    Its fields are those of `BpeModel`, but that no byte has an id, and these.

    Parameters
    ----------
    vocabulary
        Id of each token by its text, added tokens that the file lists here included.
    byte_fallback
        A character that is no token becomes the tokens ``<0x00>`` to ``<0xFF>`` of its bytes, if there are all of them.
    continuing_subword_prefix
        Text that every character of a pretoken but the first carries in the vocabulary.

    Examples
    --------
    >>> vocabulary = {"<unk>": 0, "a": 1, "b": 2, "ab": 3}
    >>> model = CharacterModel(CHARACTERS, (), [-1] * 256, [1], [2], [3], vocabulary=vocabulary, unk_token="<unk>")
    >>> model.merges, model.vocab_size, model.byte_tokens is None
    ([(b'a', b'b')], 4, True)
    """

    vocabulary: Mapping[str, int] = field(default_factory=dict)
    byte_fallback: bool = False
    continuing_subword_prefix: str | None = None

    def __post_init__(self) -> None:
        """Bring the fields to their final types."""
        super().__post_init__()
        object.__setattr__(self, "byte_ids", (-1,) * 256)

    @property
    def decorated(self) -> bool:
        """Whether characters carry a prefix or a suffix in the vocabulary."""
        return bool(self.continuing_subword_prefix or self.end_of_word_suffix)

    @cached_property
    def byte_tokens(self) -> tuple[int, ...] | None:
        """Id of the token of each byte, -1 for none; None without byte fallback."""
        if not self.byte_fallback:
            return None
        return tuple(self.vocabulary.get(token, -1) for token in BYTE_TOKENS)

    @cached_property
    def unk_id(self) -> int | None:
        """Id of the unknown token."""
        return None if self.unk_token is None else self.vocabulary[self.unk_token]

    @cached_property
    def strings(self) -> dict[int, str]:
        """The vocabulary as in files, in id order."""
        return {id: text for text, id in sorted(self.vocabulary.items(), key=lambda item: item[1])}

    @cached_property
    def tokens(self) -> dict[int, bytes]:
        """UTF-8 of the tokens by id, in id order, special ones left out."""
        special = {token.content for token in self.added_tokens if token.special}
        return {id: text.encode() for id, text in self.strings.items() if text not in special}

    @cached_property
    def vocab(self) -> dict[bytes, int]:
        """Ids of `tokens`."""
        return {token: id for id, token in self.tokens.items()}

    @cached_property
    def texts(self) -> dict[int, str]:
        """Text of every id, added tokens included."""
        return self.strings | {token.id: token.content for token in self.added_tokens}

    @cached_property
    def token_bytes(self) -> dict[int, bytes]:
        """UTF-8 of the text of every id; what it decodes to, the decoder says."""
        return {id: text.encode() for id, text in self.texts.items()}

    @cached_property
    def merges(self) -> list[tuple[bytes, bytes]]:
        """Parts of each merge, in rank order."""
        strings = self.strings
        return [(strings[left].encode(), strings[right].encode()) for left, right in self.merge_ids]

    @cached_property
    def last_byte_ids(self) -> tuple[int, ...]:
        """No byte has an id."""
        return tuple(self.byte_ids)

    @cached_property
    def vocab_size(self) -> int:
        """Number of ids, added tokens included."""
        return len(self.vocabulary) + sum(token.content not in self.vocabulary for token in self.added_tokens)

    @cached_property
    def n_vocab(self) -> int:
        """Highest id + 1; 0 for an empty model."""
        vocabulary, added = self.vocabulary, (token.id for token in self.added_tokens)
        if isinstance(vocabulary, PackedVocabulary):
            return max(vocabulary.n_ids, max(added, default=-1) + 1)
        return max([*vocabulary.values(), *added], default=-1) + 1

    @property
    def packed_texts(self) -> tuple[bytes, Sequence[int]]:
        """UTF-8 of the vocabulary by id, one after the other, and where each begins (uint32, one more than ids)."""
        vocabulary = self.vocabulary
        if isinstance(vocabulary, PackedVocabulary):
            return vocabulary.blob, vocabulary.offsets
        texts = [b""] * (max(vocabulary.values(), default=-1) + 1)
        for text, id in vocabulary.items():
            texts[id] = text.encode()
        return b"".join(texts), array("I", accumulate(map(len, texts), initial=0))

    def string_id(self, text: str) -> int | None:
        """Find an entry of the vocabulary by its text."""
        return self.vocabulary.get(text)

    def text_of(self, id: int) -> str:
        """Give the text of an id.

        Raises
        ------
        UnknownTokenError
            If it is not in the vocabulary.
        """
        try:
            return self.texts[id]
        except (KeyError, TypeError):
            raise UnknownTokenError(
                f"id {id!r} is not in the vocabulary; ids are below {self.n_vocab}"
            ) from None

    def _identity(self) -> tuple[Any, ...]:
        more = (self.byte_fallback, self.continuing_subword_prefix, frozenset(self.vocabulary.items()))
        return (*super()._identity(), *more)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the compact parts only."""
        left, right, new = (array("I", part) for part in (self.left, self.right, self.new))
        parts = (self.scheme, self.special_tokens, self.byte_ids, left, right, new, None, self.added_tokens)
        rest = (self.ignore_merges, self.ranks, self.end_of_word_suffix, self.unk_token, self.fuse_unk)
        own = (dict(self.vocabulary), self.byte_fallback, self.continuing_subword_prefix)
        return type(self), (*parts, self.extra_tokens, *rest, *own)

    def __repr__(self) -> str:
        """Name the sizes."""
        return f"CharacterModel(merges={len(self.new)}, tokens={len(self.vocabulary)})"
