"""The result of a training: a byte-level BPE model as an immutable value."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from bpetk.alphabet import BYTE_TO_CHAR, CHAR_TO_BYTE, from_byte_level, to_byte_level
from bpetk.errors import ConfigError
from bpetk.pretokenizers import Scheme
from bpetk.special_tokens import AddedToken


def _compact(values: Sequence[int], code: str) -> memoryview[int]:
    """Give a read-only copy with elements of one type; fast for arrays and buffers of that type."""
    try:
        view = memoryview(values)  # type: ignore[arg-type]
    except TypeError:
        return memoryview(array(code, values)).toreadonly()
    same_type = view.itemsize == array(code).itemsize and view.format in {"I": "IL", "q": "ql"}[code]
    data = view.tobytes() if same_type else array(code, view.tolist()).tobytes()
    return memoryview(data).cast(code)  # type: ignore[call-overload,no-any-return]


def _token_bytes(text: str) -> bytes:
    """Bytes of a token by its text in a file."""
    try:
        return from_byte_level(text)
    except ValueError:
        return text.encode("utf-8", "surrogatepass")


@dataclass(frozen=True, eq=False, repr=False)
class BpeModel:
    """Alphabet, merges and special tokens, with what follows from them.

    Making one takes microseconds whatever its size: the vocabulary and the lists are built when first asked
    for. They are shared, so treat them as read-only. A **model token** is a byte of the alphabet or the
    result of a merge; an added token is none of these, except where its text is the byte-level form of one:
    then both are one id.

    Parameters
    ----------
    scheme
        How text is cut before merging.
    special_tokens
        Strings that the model's vocabulary holds besides its model tokens. For a trained model their ids are
        their positions.
    byte_ids
        The id of each of the 256 bytes, -1 for a byte outside the alphabet.
    left, right, new
        For each merge in rank order the ids of its parts and of its result: sequences or buffers of uint32.
    counts
        For each merge how often the pair occurred in training; not part of a model's identity.
    added_tokens
        Needed if the ids of the special tokens are not their positions, or if there are added tokens outside
        the model's vocabulary.
    extra_tokens
        Text (as in files) and id of the vocabulary's other entries: neither a byte, nor the result of a
        merge, nor a special token. Encoding gives them only where ``ignore_merges`` finds them.
    ignore_merges
        A pretoken that is a token as a whole becomes that token, whatever the merges say.
    ranks
        The model stands for a list of ranks as tiktoken has it: neighbours that are a token together merge,
        lowest rank first. ``left``, ``right``, ``new`` then hold the one pair for each token that can take
        place (see ``bpetk.interop.tiktoken``), and ``ignore_merges`` is set.
    end_of_word_suffix
        Text that the last character of a pretoken carries in the vocabulary (CLIP's ``</w>``).
    unk_token, fuse_unk
        Token for bytes outside the alphabet, and whether a run of them is one token.

    Raises
    ------
    ConfigError
        If the parts do not fit together.

    Examples
    --------
    >>> from bpetk.pretokenizers import get_scheme
    >>> byte_ids = [-1] * 256
    >>> byte_ids[97], byte_ids[98] = 1, 2
    >>> model = BpeModel(get_scheme("gpt2"), ("<s>",), byte_ids, [1], [2], [3])
    >>> model.vocab, model.vocab_size
    ({b'a': 1, b'b': 2, b'ab': 3}, 4)
    """

    scheme: Scheme
    special_tokens: tuple[str, ...]
    byte_ids: Sequence[int]
    left: Sequence[int]
    right: Sequence[int]
    new: Sequence[int]
    counts: Sequence[int] | None = None
    added_tokens: tuple[AddedToken, ...] = ()
    extra_tokens: tuple[tuple[str, int], ...] = ()
    ignore_merges: bool = False
    ranks: bool = False
    end_of_word_suffix: str | None = None
    unk_token: str | None = None
    fuse_unk: bool = False

    # INVARIANT: holds the vocabulary that follows from the fields; not part of a model's identity.
    _packed: ClassVar[tuple[bytes, Sequence[int], bytes] | None] = None
    _complete: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Bring the fields to their final types; check what can be checked without walking the merges."""
        put = object.__setattr__
        special = tuple(self.special_tokens)
        added = self.added_tokens or tuple(AddedToken(content, id) for id, content in enumerate(special))
        ids = {token.content: token.id for token in added}
        if len(ids) != len(added) or len(set(special)) != len(special):
            raise ConfigError(f"a special token is given twice: {[token.content for token in added]!r}")
        if missing := [content for content in special if content not in ids]:
            raise ConfigError(f"special tokens {missing!r} are not among the added tokens")
        byte_ids = list(self.byte_ids)
        if len(byte_ids) != 256:
            raise ConfigError(f"byte_ids must have 256 entries, not {len(byte_ids)}")
        if len(set(byte_ids)) < 256 - max(0, byte_ids.count(-1) - 1):
            raise ConfigError("two bytes have the same id")
        for content in special:
            # A string in the vocabulary that is the character of a byte is that byte's token.
            if content in CHAR_TO_BYTE and byte_ids[CHAR_TO_BYTE[content]] < 0:
                byte_ids[CHAR_TO_BYTE[content]] = ids[content]
        put(self, "special_tokens", special)
        put(self, "added_tokens", tuple(sorted(added, key=lambda token: token.id)))
        put(self, "byte_ids", tuple(byte_ids))
        for name in ("left", "right", "new"):
            put(self, name, _compact(getattr(self, name), "I"))
        if self.counts is not None:
            put(self, "counts", _compact(self.counts, "q"))
        lengths = {len(part) for part in (self.left, self.right, self.new, self.counts) if part is not None}
        if len(lengths) > 1:
            raise ConfigError(f"left, right, new and counts differ in length: {sorted(lengths)}")

    def keep_packed(
        self, blob: bytes, offsets: Sequence[int], flags: bytes, *, complete: bool = False
    ) -> None:
        """Take the vocabulary as a reader packed it, so that it need not be made of the merges.

        Parameters
        ----------
        blob, offsets
            As in ``table``, for the ids that the vocabulary of the file has (uint32 offsets).
        flags
            For each id 0 if there is no token, and bits 4 if it is a byte or the result of a merge.
        complete
            ``blob`` and ``offsets`` have the bytes of all ids, those of added tokens too: they are ``table``.
        """
        object.__setattr__(self, "_packed", (blob, offsets, flags))
        object.__setattr__(self, "_complete", complete)

    @cached_property
    def tokens(self) -> dict[int, bytes]:
        """Model tokens by id, in id order; ``extra_tokens`` are among them."""
        if self._packed is not None and not self._plain:
            blob, offsets, flags = self._packed
            inside = {self.added_ids[content] for content in self.special_tokens}
            inside -= {id for _, id in self.extra_tokens}
            return {
                id: blob[offsets[id] : offsets[id + 1]]
                for id, flag in enumerate(flags)
                if flag and (flag & 4 or id not in inside)
            }
        found = {id: bytes([byte]) for byte, id in enumerate(self.byte_ids) if id >= 0}
        found |= {id: _token_bytes(text) for text, id in self.extra_tokens}
        # One pass for a trained model; files made elsewhere may use a token before the merge that makes it.
        todo: Iterable[tuple[int, int, int]] = zip(self.left, self.right, self.new, strict=True)
        before = len(self.new) + 1
        plain = self._plain
        while True:
            later = []
            for left, right, new in todo:
                if left in found and right in found:
                    token = found[left] + found[right]
                    if plain and (left in plain or right in plain):
                        # Not reachable by encoding, but part of the file.
                        plain[new] = "".join(plain.get(i) or to_byte_level(found[i]) for i in (left, right))
                        token = plain[new].encode()
                    if found.setdefault(new, token) != token:
                        raise ConfigError(f"id {new} stands for two tokens, {found[new]!r} and {token!r}")
                else:
                    later.append((left, right, new))
            if not later:
                break
            if len(later) == before:
                raise ConfigError(
                    f"merge of ids {later[0][:2]}: one of them is neither a byte nor the result of a merge"
                )
            todo, before = later, len(later)
        return dict(sorted(found.items()))

    @cached_property
    def _plain(self) -> dict[int, str]:
        """Texts that are not byte-level: these tokens stand for their UTF-8. Complete once ``tokens`` is."""
        return {id: text for text, id in self.extra_tokens if not all(char in CHAR_TO_BYTE for char in text)}

    @cached_property
    def vocab(self) -> dict[bytes, int]:
        """Ids of the model tokens, in id order."""
        found = {token: id for id, token in self.tokens.items()}
        if len(found) != len(self.tokens) and not self._plain:
            raise ConfigError("two ids stand for the same token")
        return found

    @cached_property
    def strings(self) -> dict[int, str]:
        """The vocabulary as in files, in id order: model tokens as byte-level text, and special tokens."""
        ids = self.added_ids
        found = {ids[content]: content for content in self.special_tokens}
        self.vocab  # noqa: B018 - finds two ids of one token
        for id, token in self.tokens.items():
            text = self._plain.get(id) or to_byte_level(token)
            if found.setdefault(id, text) != text:
                raise ConfigError(f"id {id} stands for two strings, {found[id]!r} and {text!r}")
        if len(set(found.values())) != len(found):
            raise ConfigError("a special token and a model token have the same text but different ids")
        return dict(sorted(found.items()))

    @cached_property
    def added_ids(self) -> dict[str, int]:
        """Ids of the added tokens, in id order."""
        return {token.content: token.id for token in self.added_tokens}

    @cached_property
    def token_bytes(self) -> dict[int, bytes]:
        """What each id decodes to.

        An id that a special token shares with a model token decodes as the model token: ordinary text needs
        it. An added token decodes as Hugging Face's ``ByteLevel`` has it: as bytes if all its characters are
        of the byte-level alphabet, else as its UTF-8; in a model of ranks always as its UTF-8.
        """
        content_bytes = str.encode if self.ranks else _token_bytes
        return {id: content_bytes(content) for content, id in self.added_ids.items()} | self.tokens

    @cached_property
    def table(self) -> tuple[bytes, array[int]]:
        """The bytes of all ids one after the other, and where each begins (uint32, one more than ids).

        An id that is not in the vocabulary has no bytes.
        """
        if (packed := self._packed_table()) is not None:
            return packed
        tokens, n = self.token_bytes, max(self.token_bytes, default=-1) + 1
        offsets = array("I", bytes(4 * (n + 1)))
        at = 0
        for id in range(n):
            at += len(tokens.get(id, b""))
            offsets[id + 1] = at
        return b"".join(tokens.get(id, b"") for id in range(n)), offsets

    def _packed_table(self) -> tuple[bytes, array[int]] | None:
        """Append the added tokens to the packed vocabulary, if they all follow it."""
        if self._packed is None:
            return None
        blob, packed, flags = self._packed
        if self._complete:
            return blob, packed if isinstance(packed, array) else array("I", packed)
        inside = {*self.special_tokens, *(text for text, _ in self.extra_tokens)}
        outside = {token.id: token for token in self.added_tokens if token.content not in inside}
        outside = {id: token for id, token in outside.items() if id >= len(flags) or not flags[id]}
        if outside and min(outside) < len(flags):
            return None
        parts, offsets = [blob], array("I", bytes(packed))
        for id in range(len(flags), max(outside, default=-1) + 1):
            content = _token_bytes(outside[id].content) if id in outside else b""
            parts.append(content)
            offsets.append(offsets[-1] + len(content))
        return b"".join(parts), offsets

    def string_id(self, text: str) -> int | None:
        """Find an entry of the vocabulary by its text in files."""
        extra = self._extra_ids
        if (id := extra.get(text)) is not None:
            return id
        if text in self.special_tokens:
            return self.added_ids[text]
        try:
            return self.vocab.get(from_byte_level(text))
        except ValueError:
            return None

    @cached_property
    def _extra_ids(self) -> dict[str, int]:
        return dict(self.extra_tokens)

    @cached_property
    def last_byte_ids(self) -> tuple[int, ...]:
        """Id of each byte at the end of a pretoken; differs from ``byte_ids`` with an end-of-word suffix."""
        if not self.end_of_word_suffix:
            return tuple(self.byte_ids)
        found = (self.string_id(char + self.end_of_word_suffix) for char in BYTE_TO_CHAR)
        return tuple(-1 if id is None else id for id in found)

    @cached_property
    def merge_ids(self) -> list[tuple[int, int]]:
        """Ids of the parts of each merge, in rank order."""
        return list(zip(self.left, self.right, strict=True))

    @cached_property
    def merges(self) -> list[tuple[bytes, bytes]]:
        """Parts of each merge, in rank order."""
        tokens = self.tokens
        return [(tokens[left], tokens[right]) for left, right in self.merge_ids]

    @cached_property
    def vocab_size(self) -> int:
        """Number of ids, special tokens included."""
        if self._packed is None:
            return len(self.token_bytes)
        flags = self._packed[2]
        added = sum(token.id >= len(flags) or not flags[token.id] for token in self.added_tokens)
        return len(flags) - flags.count(0) + added

    @cached_property
    def n_vocab(self) -> int:
        """Highest id + 1; 0 for an empty model."""
        return len(self.table[1]) - 1 if self._packed is not None else max(self.token_bytes, default=-1) + 1

    def _identity(self) -> tuple[Any, ...]:
        merges = tuple(bytes(memoryview(part)) for part in (self.left, self.right, self.new))  # type: ignore[arg-type]
        rest = (self.ignore_merges, self.ranks, self.end_of_word_suffix, self.unk_token, self.fuse_unk)
        special, extra = set(self.special_tokens), frozenset(self.extra_tokens)
        return (self.scheme, frozenset(special), self.added_tokens, self.byte_ids, *merges, extra, *rest)

    def __eq__(self, other: object) -> bool:
        """Compare scheme, ids, merges and added tokens; how often the pairs occurred does not matter."""
        return self._identity() == other._identity() if isinstance(other, BpeModel) else NotImplemented

    def __hash__(self) -> int:
        """Agree with ``==``."""
        return hash(self._identity())

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the compact parts only."""
        left, right, new = (array("I", part) for part in (self.left, self.right, self.new))
        counts = None if self.counts is None else array("q", self.counts)
        parts = (self.scheme, self.special_tokens, self.byte_ids, left, right, new, counts, self.added_tokens)
        rest = (self.ignore_merges, self.ranks, self.end_of_word_suffix, self.unk_token, self.fuse_unk)
        return type(self), (*parts, self.extra_tokens, *rest)

    def __repr__(self) -> str:
        """Name the scheme and the sizes."""
        scheme, special = self.scheme.name, self.special_tokens
        return f"BpeModel(scheme={scheme!r}, merges={len(self.new)}, special_tokens={special!r})"
