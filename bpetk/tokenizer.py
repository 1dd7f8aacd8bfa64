"""The tokenizer as users hold it: text to ids and back, over an immutable model."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import Any

from bpetk import _scanner
from bpetk.errors import InvalidEncodingError, UnknownTokenError
from bpetk.interop.huggingface import check_roles
from bpetk.model import BpeModel
from bpetk.model_file import load_tokenizer, save_tokenizer
from bpetk.pretokenizers import Scheme
from bpetk.report import TrainReport
from bpetk.special_tokens import Selection, select_tokens, split_text


class Tokenizer:
    """A byte-level BPE tokenizer.

    Immutable, safe to share between threads, picklable, and equal to another one of the same content. Make
    one with `bpetk.train` or `Tokenizer.from_file`.

    Parameters
    ----------
    model
        Alphabet, merges and special tokens.
    roles
        Special token for each of ``bos``, ``eos``, ``pad``, ``unk`` that there is; goes into saved files.
    train_report
        How it was trained.
    training
        The provenance block of the manifest it was loaded from.

    Raises
    ------
    ConfigError
        If a role is unknown or its token is not a special token of the model.

    Examples
    --------
    >>> import bpetk
    >>> tok = bpetk.train_from_iterator(["ab ab"], vocab_size=258, special_tokens=["<s>"])
    >>> tok
    Tokenizer(scheme='cl100k', vocab_size=258, special_tokens=1)
    >>> tok.merges
    [(b'a', b'b')]
    >>> tok.encode("abab"), tok.encode("<s>ab", allowed_special={"<s>"})
    ([257, 257], [0, 257])
    >>> tok.decode([0, 257])
    '<s>ab'
    """

    def __init__(
        self,
        model: BpeModel,
        *,
        roles: Mapping[str, str] | None = None,
        train_report: TrainReport | None = None,
        training: Mapping[str, Any] | None = None,
    ) -> None:
        self._model = model
        self._roles = check_roles(model, roles or {})
        self._train_report = train_report
        self._training = training

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Tokenizer:
        """Load a tokenizer.

        Parameters
        ----------
        path
            A directory that `save` wrote, or a ``tokenizer.json``.

        Raises
        ------
        ModelFileError
            If a file is missing or malformed, or holds something that cannot be reproduced exactly; the
            message names the file and the field.
        """
        saved = load_tokenizer(path)
        return cls(saved.model, roles=saved.roles, training=saved.training)

    def save(
        self,
        directory: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        roles: Mapping[str, str] | None = None,
    ) -> None:
        """Write a directory that tokenizers and transformers load, completely or not at all.

        Writes ``tokenizer.json``, ``tokenizer_config.json`` and ``manifest.json``, with scheme ``gpt2`` also
        ``vocab.json`` and ``merges.txt``.

        Parameters
        ----------
        directory
            Made if absent, parents included. A tokenizer that bpetk saved there is replaced.
        overwrite
            Write also into a directory that holds other things.
        roles
            Instead of this tokenizer's own: ``{"eos": "<|endoftext|>"}``; keys ``bos``, ``eos``, ``pad``,
            ``unk``.

        Raises
        ------
        OutputError
            If the directory holds other things, or cannot be written; then nothing was changed.
        ConfigError
            If a role's token is not a special token.

        Examples
        --------
        >>> import bpetk, pathlib, tempfile
        >>> tok = bpetk.train_from_iterator(["ab ab"], vocab_size=257)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     tok.save(pathlib.Path(folder, "tok"))
        ...     Tokenizer.from_file(pathlib.Path(folder, "tok")) == tok
        True
        """
        save_tokenizer(
            directory,
            self._model,
            roles=self._roles if roles is None else roles,
            report=self._train_report,
            training=self._training,
            overwrite=overwrite,
        )

    @property
    def model(self) -> BpeModel:
        """Alphabet, merges and special tokens."""
        return self._model

    @property
    def scheme(self) -> Scheme:
        """How text is cut before merging."""
        return self._model.scheme

    @property
    def roles(self) -> dict[str, str]:
        """Special token for each of ``bos``, ``eos``, ``pad``, ``unk`` that there is."""
        return dict(self._roles)

    @property
    def train_report(self) -> TrainReport | None:
        """How it was trained; None for a loaded tokenizer."""
        return self._train_report

    @property
    def merges(self) -> list[tuple[bytes, bytes]]:
        """Parts of each merge, in rank order; treat it as read-only."""
        return self._model.merges

    @property
    def vocab(self) -> dict[bytes, int]:
        """Ids of the model tokens, in id order, without special tokens; treat it as read-only."""
        return self._model.vocab

    @property
    def added_tokens(self) -> dict[str, int]:
        """Ids of the special tokens, in id order; treat it as read-only."""
        return self._model.added_ids

    @property
    def vocab_size(self) -> int:
        """Number of ids, special tokens included."""
        return self._model.vocab_size

    @property
    def n_vocab(self) -> int:
        """Highest id + 1: how many rows an embedding needs."""
        return self._model.n_vocab

    def encode(
        self, text: str, *, allowed_special: Selection = (), disallowed_special: Selection = "all"
    ) -> list[int]:
        """Turn text into ids.

        Parameters
        ----------
        text
            One document.
        allowed_special
            Special tokens to encode as such, or ``"all"`` (as Hugging Face always does).
        disallowed_special
            Strings that must not be in the text; ``"all"`` means the special tokens that are not allowed.
            With ``()`` a special token that is not allowed is ordinary text.

        Returns
        -------
        list[int]
            Empty for empty text. The ids decode to the text, except that scheme ``whitespace`` drops white
            space.

        Raises
        ------
        ConfigError
            If the text holds a disallowed string; the message says what to pass.
        UnknownTokenError
            If a byte has no id, which happens only with ``alphabet="observed"``; Hugging Face drops it
            silently.
        InvalidEncodingError
            If the text holds a lone surrogate, which no UTF-8 text can.
        """
        if not isinstance(text, str):
            raise TypeError(f"text must be a str, not {type(text).__name__}")
        added = self._model.added_tokens
        contents = select_tokens(text, added, allowed_special, disallowed_special)
        ids: list[int] = []
        known: dict[bytes, list[int]] = {}  # words repeat; merging in plain Python is slow
        for start, end, id in split_text(text, added, contents):
            if id is not None:
                ids.append(id)
                continue
            data = _to_utf8(text, start, end)
            for at, word in self._words(text[start:end], data):
                found = known.get(word)
                if found is None:
                    found = known[word] = merge_symbols(self._symbols(word, data, at, start), self._rules)
                ids += found
        return ids

    def decode(self, ids: Iterable[int], errors: str = "replace") -> str:
        """Turn ids into text.

        Parameters
        ----------
        ids
            Special tokens among them become their text.
        errors
            What to do with bytes that are not UTF-8, such as half of a character: as in ``bytes.decode``.

        Raises
        ------
        UnknownTokenError
            If an id is not in the vocabulary.
        UnicodeDecodeError
            With ``errors="strict"``, if the bytes are not UTF-8.
        """
        return self.decode_bytes(ids).decode("utf-8", errors)

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """Turn ids into the bytes of the text.

        Raises
        ------
        UnknownTokenError
            If an id is not in the vocabulary.
        """
        return b"".join(map(self.id_to_token, ids))

    def token_to_id(self, token: bytes | str) -> int:
        """Look up a token.

        Parameters
        ----------
        token
            Bytes for a model token; a str for a special token, or else for a model token as plain text.

        Raises
        ------
        UnknownTokenError
            If there is no such token.
        """
        model = self._model
        id = model.added_ids.get(token) if isinstance(token, str) else None
        if id is None:
            id = model.vocab.get(token.encode("utf-8", "surrogatepass") if isinstance(token, str) else token)
        if id is None:
            raise UnknownTokenError(f"{token!r} is not in the vocabulary")
        return id

    def id_to_token(self, id: int) -> bytes:
        """Return the bytes that an id stands for: of a special token, its text in UTF-8.

        Raises
        ------
        UnknownTokenError
            If the id is not in the vocabulary.
        """
        try:
            return self._model.token_bytes[id]
        except (KeyError, TypeError):
            ids = f"ids are below {self.n_vocab}" if self.n_vocab else "it is empty"
            raise UnknownTokenError(f"id {id!r} is not in the vocabulary; {ids}") from None

    def __len__(self) -> int:
        """Return the number of ids, special tokens included."""
        return self.vocab_size

    def __eq__(self, other: object) -> bool:
        """Compare model and roles; how they came about does not matter."""
        if not isinstance(other, Tokenizer):
            return NotImplemented
        return self._model == other._model and self._roles == other._roles

    def __hash__(self) -> int:
        """Agree with ``==``."""
        return hash(self._model)

    def __repr__(self) -> str:
        """Name scheme and sizes."""
        special = f", special_tokens={len(self.added_tokens)}" if self.added_tokens else ""
        return f"Tokenizer(scheme={self.scheme.name!r}, vocab_size={self.vocab_size}{special})"

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the content without what was derived from it."""
        return {name: value for name, value in self.__dict__.items() if name != "_rules"}

    @cached_property
    def _rules(self) -> dict[tuple[int, int], tuple[int, int]]:
        merges = enumerate(zip(self._model.merge_ids, self._model.new, strict=True))
        return {pair: (rank, new) for rank, (pair, new) in merges}

    def _words(self, text: str, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Cut a stretch of text; give the start in bytes and the bytes of each pretoken."""
        scheme = self.scheme
        if scheme.name == "custom":
            assert scheme.pattern is not None  # a custom scheme is made from one
            at = 0
            # Brings numpy and regex, which the named schemes do not need.
            from bpetk.custom_pattern import compile_pattern

            for start, end in compile_pattern(scheme.pattern).spans(text):
                word = text[start:end].encode()
                yield at, word
                at += len(word)
            return
        found = _scanner.split(data, scheme.name)
        if scheme.name == "whitespace":
            starts, ends = found[::2], found[1::2]
        else:
            starts, ends = [0, *found[:-1]], found
        for start, end in zip(starts, ends, strict=True):
            yield start, data[start:end]

    def _symbols(self, word: bytes, data: bytes, at: int, start: int) -> list[int]:
        """Give the ids of a word's bytes; ``at`` and ``start`` locate an error."""
        byte_ids = self._model.byte_ids
        symbols = [byte_ids[byte] for byte in word]
        if -1 in symbols:
            at += symbols.index(-1)
            before = len(data[:at].decode("utf-8", "ignore"))
            char = data.decode()[before]
            raise UnknownTokenError(
                f"byte 0x{data[at]:02X} of {char!r} at position {start + before} of the text is not in the "
                'alphabet of this tokenizer, which was trained with alphabet="observed"; '
                'train with alphabet="bytes" to encode any text'
            )
        return symbols


def _to_utf8(text: str, start: int, end: int) -> bytes:
    try:
        return text[start:end].encode()
    except UnicodeEncodeError as error:
        at = start + error.start
        raise InvalidEncodingError(
            f"lone surrogate U+{ord(text[at]):04X} at position {at} of the text is not a character; "
            "replace it first, for example with "
            "text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')"
        ) from None


def merge_symbols(symbols: list[int], rules: Mapping[tuple[int, int], tuple[int, int]]) -> list[int]:
    """Merge neighbours, lowest rank first, of equal ranks leftmost first; time n log n.

    Parameters
    ----------
    symbols
        Ids of the bytes of one pretoken; overwritten.
    rules
        Pair of ids to (rank, new id).

    Examples
    --------
    >>> merge_symbols([98, 97, 97, 97], {(97, 97): (0, 256)})
    [98, 256, 97]
    """
    n = len(symbols)
    after = list(range(1, n + 1))
    before = list(range(-1, n - 1))
    heap = [(rules[pair][0], i) for i, pair in enumerate(pairwise(symbols)) if pair in rules]
    heapify(heap)
    while heap:
        rank, i = heappop(heap)
        j = after[i]
        # INVARIANT: a symbol merged into its left neighbour is -1, which no rule has; its old entries die.
        rule = rules.get((symbols[i], symbols[j])) if j < n else None
        if rule is None or rule[0] != rank:
            continue
        symbols[i], symbols[j] = rule[1], -1
        k = after[i] = after[j]
        if k < n:
            before[k] = i
            if right := rules.get((symbols[i], symbols[k])):
                heappush(heap, (right[0], i))
        h = before[i]
        if h >= 0 and (left := rules.get((symbols[h], symbols[i]))):
            heappush(heap, (left[0], h))
    return [symbol for symbol in symbols if symbol >= 0]
