"""The tokenizer as users hold it: text to ids and back, over an immutable model."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from bpetk import _scanner
from bpetk._decoder import Decoder as NativeDecoder
from bpetk.decoders import Decoder, decoder_from_hf
from bpetk.definition import Definition, Sections
from bpetk.encoding import Encoding, Places
from bpetk.errors import ConfigError, InvalidEncodingError, UnknownTokenError
from bpetk.interop.loading import load_definition
from bpetk.interop.tokenizer_config import check_roles
from bpetk.machine import available_cpus
from bpetk.model import BpeModel
from bpetk.model_file import save_tokenizer
from bpetk.pipeline import Pipeline, Policy, Text
from bpetk.pretokenizers import Scheme
from bpetk.report import TrainReport
from bpetk.special_tokens import AddedToken, Selection
from bpetk.streaming import StreamDecoder
from bpetk.text_files import locate, read_parts, separator_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

Errors = Literal["replace", "strict"] | str


PART_BYTES = 16 << 20
"""Bytes of a file that `Tokenizer.iter_encode_file` takes at a time."""


class Tokenizer:
    """A byte-level BPE tokenizer.

    Immutable, safe to share between threads and after a fork, picklable, and equal to another one of the same
    content. Make one with `bpetk.train`, `Tokenizer.from_file` or `Tokenizer.from_object`.

    All methods that encode take the same options:

    allowed_special
        Special tokens to encode as such where their text occurs: a set, or ``"all"``.
    disallowed_special
        Strings that must not be in the text; ``"all"`` means the special tokens that are not allowed. With ``()`` a
        special token that is not allowed is ordinary text. Added tokens that are not special are always matched.
    add_special_tokens
        Put in what the post-processor of the file adds around a text.

    The first two are tiktoken's, and so are their defaults: text from outside cannot smuggle in control tokens.
    Hugging Face's own behaviour is ``allowed_special="all"``.

    Parameters
    ----------
    definition
        The model and the stages around it; a bare `BpeModel` for one that was trained.
    roles
        Special token for each of ``bos``, ``eos``, ``pad``, ``unk`` that there is, instead of the definition's.
    train_report
        How it was trained.

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
        definition: Definition | BpeModel,
        *,
        roles: Mapping[str, str] | None = None,
        train_report: TrainReport | None = None,
    ) -> None:
        if isinstance(definition, BpeModel):
            definition = Definition(definition)
        self._definition = definition
        self._model = definition.model
        self._roles = check_roles(definition.model, definition.roles if roles is None else roles)
        self._train_report = train_report

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        *,
        format: str | None = None,
        scheme: str | None = None,
        pattern: str | None = None,
        special_tokens: Mapping[str, int] | None = None,
    ) -> Tokenizer:
        """Load a tokenizer.

        Parameters
        ----------
        path
            A file, or a directory that holds one. What it is, is seen from its content: ``tokenizer.json``, a file of
            ranks as tiktoken has them, Mistral's ``tekken.json``, ``vocab.json`` with ``merges.txt`` beside. A
            directory is searched in this order.
        format
            ``"hf"``, ``"tiktoken"``, ``"tekken"`` or ``"gpt2"``, to take nothing else.
        scheme, pattern
            How text is cut, for a file of ranks, which does not say it: the name of a scheme, or a pattern in
            tiktoken's dialect.
        special_tokens
            Special tokens and their ids, for a file that does not say them.

        Raises
        ------
        ModelFileError
            If a file is missing or malformed, or holds something that cannot be reproduced exactly; the message names
            the file and the field.
        ConfigError
            If an option is needed, or does not go with the file.
        """
        definition = load_definition(
            path, format=format, scheme=scheme, pattern=pattern, special_tokens=special_tokens
        )
        tokenizer = cls(definition)
        tokenizer._pipeline.encoder  # noqa: B018 - the tables belong to loading, not to the first text
        return tokenizer

    @classmethod
    def from_object(cls, obj: Any) -> Tokenizer:
        """Take over a tokenizer of another library.

        Parameters
        ----------
        obj
            A ``tokenizers.Tokenizer``, a fast tokenizer of transformers, or a ``tiktoken.Encoding``.

        Raises
        ------
        ConfigError
            If it is none of these.
        ModelFileError
            If it holds something that cannot be reproduced exactly.
        """
        from bpetk.interop.objects import definition_from_object

        return cls(definition_from_object(obj))

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
            self._definition,
            roles=self._roles if roles is None else roles,
            report=self._train_report,
            overwrite=overwrite,
        )

    # --- what it is -------------------------------------------------------------------------------------------------

    @property
    def definition(self) -> Definition:
        """The model, and the settings of the stages around it."""
        return self._definition

    @property
    def model(self) -> BpeModel:
        """Alphabet, merges and added tokens."""
        return self._model

    @property
    def format(self) -> str:
        """What it was read from: ``"hf"``, ``"tiktoken"``, ``"tekken"``, ``"gpt2"``; ``"trained"`` if from nothing."""
        return self._definition.format

    @property
    def source(self) -> str:
        """The file it was read from, or an empty string."""
        return self._definition.source

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
        """Ids of the model tokens, in id order; treat it as read-only."""
        return self._model.vocab

    @property
    def added_tokens(self) -> dict[str, int]:
        """Ids of the added tokens, special ones included, in id order; treat it as read-only."""
        return self._model.added_ids

    @cached_property
    def special_tokens(self) -> dict[str, int]:
        """Ids of the added tokens that are special, in id order; treat it as read-only."""
        return {token.content: token.id for token in self._model.added_tokens if token.special}

    @property
    def vocab_size(self) -> int:
        """Number of ids, added tokens included."""
        return self._model.vocab_size

    @property
    def n_vocab(self) -> int:
        """Highest id + 1: how many rows an embedding needs."""
        return self._model.n_vocab

    # --- text to ids ------------------------------------------------------------------------------------------------

    def encode(
        self,
        text: Text,
        *,
        allowed_special: Selection = (),
        disallowed_special: Selection = "all",
        add_special_tokens: bool = False,
        dropout: float | None = None,
        seed: int | None = None,
    ) -> list[int]:
        """Turn text into ids.

        Parameters
        ----------
        text
            One document, str or UTF-8 bytes.
        allowed_special, disallowed_special, add_special_tokens
            See `Tokenizer`.
        dropout
            Leave out each merge with this probability, as in BPE-dropout (Provilkov et al. 2020): the same text gets
            different ids. Between 0 and 1.
        seed
            Makes dropout repeatable; drawn at random if None. Another library's dropout gives other ids.

        Returns
        -------
        list[int]
            Empty for empty text. The ids decode to the text, unless the scheme or a normalizer changes it.

        Raises
        ------
        ConfigError
            If the text holds a disallowed string; the message says what to pass.
        UnknownTokenError
            If a byte has no id, which happens only with ``alphabet="observed"``; Hugging Face drops it silently.
        InvalidEncodingError
            If bytes are not UTF-8, or a str holds a lone surrogate; models of ranks replace these by U+FFFD, as
            tiktoken does.
        """
        pipeline = self._pipeline
        policy = pipeline.policy(allowed_special, disallowed_special)
        if dropout:
            ids = pipeline.general(text, policy, dropout=_probability(dropout), seed=_seed(seed))
        else:
            ids = pipeline.encoder.encode(text, policy.plan)
            if type(ids) is tuple:
                ids = pipeline.general(text, policy)
        return self._wrapped(ids) if add_special_tokens else ids

    def encode_ordinary(self, text: Text) -> list[int]:
        """Turn text into ids, special tokens in it being ordinary text.

        As `encode` with ``disallowed_special=()``.
        """
        return self.encode(text, disallowed_special=())

    def encode_batch(
        self,
        texts: Iterable[Text],
        *,
        threads: int = 0,
        allowed_special: Selection = (),
        disallowed_special: Selection = "all",
        add_special_tokens: bool = False,
    ) -> list[list[int]]:
        """Turn several documents into ids.

        Parameters
        ----------
        texts
            Documents.
        threads
            How many at most; 0 means one for each processor.
        allowed_special, disallowed_special, add_special_tokens
            See `Tokenizer`.

        Raises
        ------
        ConfigError, UnknownTokenError, InvalidEncodingError
            As `encode`, for the first document at fault.
        """
        pipeline, texts = self._pipeline, list(texts)
        policy = pipeline.policy(allowed_special, disallowed_special)
        rows = pipeline.encoder.encode_lists(texts, policy.plan, threads=_threads(threads))
        for i, row in enumerate(rows):
            if type(row) is tuple:
                rows[i] = pipeline.general(texts[i], policy)
        return [self._wrapped(row) for row in rows] if add_special_tokens else rows

    def encode_to_numpy(
        self,
        text: Text,
        *,
        dtype: str = "uint32",
        allowed_special: Selection = (),
        disallowed_special: Selection = "all",
        add_special_tokens: bool = False,
        threads: int = 1,
    ) -> NDArray[Any]:
        """Turn text into an array of ids, without a Python object for each.

        Parameters
        ----------
        text
            One document.
        dtype
            ``"uint32"`` or ``"uint16"``.
        allowed_special, disallowed_special, add_special_tokens
            See `Tokenizer`.
        threads
            How many at most work on a long document; 0 means one for each processor.

        Returns
        -------
        numpy.ndarray
            Shape ``[n]``.

        Raises
        ------
        ConfigError
            If an id of the vocabulary does not fit the dtype; and as `encode`.
        """
        texts: list[Text] = [text]
        if threads != 1 and not add_special_tokens and len(text) > 2 * _FRAGMENT:
            whole = text if isinstance(text, bytes) else self._pipeline.to_str(text).encode("utf-8", "surrogatepass")
            texts = list(self._fragments([whole], allowed_special, disallowed_special, threads)[0])
        return self.encode_batch_flat(
            texts,
            threads=threads,
            dtype=dtype,
            allowed_special=allowed_special,
            disallowed_special=disallowed_special,
            add_special_tokens=add_special_tokens,
        )[0]

    def encode_batch_flat(
        self,
        texts: Iterable[Text],
        *,
        threads: int = 0,
        dtype: str = "uint32",
        allowed_special: Selection = (),
        disallowed_special: Selection = "all",
        add_special_tokens: bool = False,
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Turn several documents into one array of ids.

        Parameters
        ----------
        texts, threads, allowed_special, disallowed_special, add_special_tokens
            As `encode_batch`.
        dtype
            ``"uint32"`` or ``"uint16"``.

        Returns
        -------
        tuple[numpy.ndarray, numpy.ndarray]
            Ids, shape ``[total]``; and row offsets, int64, shape ``[documents + 1]``: document ``k`` is
            ``ids[row_offsets[k]:row_offsets[k + 1]]``.
        """
        import numpy as np

        check_dtype(dtype, self.n_vocab)
        pipeline, texts = self._pipeline, list(texts)
        policy = pipeline.policy(allowed_special, disallowed_special)
        buffer, raw = pipeline.encoder.encode_flat(texts, policy.plan, threads=_threads(threads))
        ids: NDArray[Any] = np.frombuffer(buffer, dtype=np.uint32) if len(buffer) else np.zeros(0, np.uint32)
        counts = np.frombuffer(raw, dtype=np.int64) if raw else np.zeros(0, np.int64)
        before, after = self._pipeline.affixes if add_special_tokens else ((), ())
        if before or after or (counts < 0).any():
            ids, counts = self._assembled(texts, policy, ids, counts, before, after)
        rows = np.zeros(len(counts) + 1, dtype=np.int64)
        np.cumsum(counts, out=rows[1:])
        return (ids if dtype == "uint32" else ids.astype(dtype)), rows

    def _assembled(
        self,
        texts: Sequence[Text],
        policy: Policy,
        ids: NDArray[Any],
        counts: NDArray[Any],
        before: Sequence[int],
        after: Sequence[int],
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Put rows that the native path left out, and affixes, between the others."""
        import numpy as np

        parts, at, counts = [], 0, counts.copy()
        for i, count in enumerate(counts.tolist()):
            if count < 0:
                row = np.asarray(self._pipeline.general(texts[i], policy), dtype=np.uint32)
            else:
                row = ids[at : at + count]
                at += count
            parts += [np.asarray(before, np.uint32), row, np.asarray(after, np.uint32)]
            counts[i] = len(before) + len(row) + len(after)
        return np.concatenate([np.zeros(0, np.uint32), *parts]), counts

    def encode_with_offsets(
        self,
        text: Text,
        *,
        allowed_special: Selection = (),
        disallowed_special: Selection = "all",
        add_special_tokens: bool = False,
    ) -> Encoding:
        """Turn text into ids, and say where each token stands.

        Returns
        -------
        Encoding
            ``ids``, ``offsets`` (bytes) and ``char_offsets`` (code points).

        Examples
        --------
        >>> import bpetk
        >>> tok = bpetk.train_from_iterator(["ab ab"], vocab_size=257)
        >>> found = tok.encode_with_offsets("é ab")
        >>> found.offsets.tolist(), found.char_offsets.tolist()
        ([[0, 1], [1, 2], [2, 3], [3, 5]], [[0, 1], [0, 1], [1, 2], [2, 4]])
        """
        pipeline = self._pipeline
        text = pipeline.to_str(text)
        places = Places(text, self._model)
        policy = pipeline.policy(allowed_special, disallowed_special)
        for run in pipeline.runs(text, policy, aligned=True):
            places.add(run)
        offsets, char_offsets = places.finish()
        ids = places.ids
        if pipeline.post_processor.trims:
            import numpy as np

            spans = [(int(start), int(end)) for start, end in char_offsets.tolist()]
            texts = places.texts(self.id_to_token)
            trimmed = pipeline.post_processor.trim(texts, spans, add_special_tokens=add_special_tokens)
            char_offsets = np.asarray(trimmed, dtype=np.int64).reshape(-1, 2)
        if add_special_tokens:
            import numpy as np

            before, after = pipeline.affixes
            ids = self._wrapped(ids)
            nowhere = ((len(before), len(after)), (0, 0))
            offsets, char_offsets = np.pad(offsets, nowhere), np.pad(char_offsets, nowhere)
        return Encoding(ids, offsets, char_offsets)

    def count(
        self,
        text: Text,
        *,
        allowed_special: Selection = (),
        disallowed_special: Selection = "all",
        add_special_tokens: bool = False,
    ) -> int:
        """Count the ids that `encode` gives."""
        return self.count_batch(
            [text],
            threads=1,
            allowed_special=allowed_special,
            disallowed_special=disallowed_special,
            add_special_tokens=add_special_tokens,
        )[0]

    def count_batch(
        self,
        texts: Iterable[Text],
        *,
        threads: int = 0,
        allowed_special: Selection = (),
        disallowed_special: Selection = "all",
        add_special_tokens: bool = False,
    ) -> list[int]:
        """Count the ids of several documents, without keeping them."""
        pipeline, texts = self._pipeline, list(texts)
        policy = pipeline.policy(allowed_special, disallowed_special)
        _, raw = pipeline.encoder.encode_flat(
            texts, policy.plan, threads=_threads(threads), count_only=True
        )
        counts = memoryview(raw).cast("q").tolist() if raw else []
        more = sum(map(len, pipeline.affixes)) if add_special_tokens else 0
        return [
            (count if count >= 0 else len(pipeline.general(text, policy))) + more
            for count, text in zip(counts, texts, strict=True)
        ]

    def truncate(
        self,
        text: Text,
        max_tokens: int,
        *,
        allowed_special: Selection = (),
        disallowed_special: Selection = "all",
        add_special_tokens: bool = False,
    ) -> Text:
        """Cut text so that its ids are at most so many.

        The result is the beginning of the text that the first ``max_tokens`` ids stand for, without the last
        character if they hold only a part of it. Where the shorter text has more ids than that by itself (white space
        at the end may be cut differently), it is shortened further.

        Parameters
        ----------
        text
            One document.
        max_tokens
            At least 0; with ``add_special_tokens`` the tokens put in count.

        Returns
        -------
        str or bytes
            As ``text``.
        """
        if max_tokens < 0:
            raise ConfigError(f"max_tokens must be at least 0, not {max_tokens}")
        more = sum(map(len, self._pipeline.affixes)) if add_special_tokens else 0
        found = self.encode_with_offsets(
            text, allowed_special=allowed_special, disallowed_special=disallowed_special
        )
        room = max(0, max_tokens - more)
        if len(found) <= room:
            return text
        whole = self._pipeline.to_str(text)
        for k in range(room, -1, -1):
            short = whole[: int(found.char_offsets[k:, 0].min())] if k else ""
            fits = self.count(short, allowed_special=allowed_special, disallowed_special=disallowed_special)
            if fits <= room:
                break
        return short if isinstance(text, str) else short.encode()

    def encode_file(
        self,
        path: str | os.PathLike[str],
        *,
        separator: str | bytes | None = None,
        threads: int = 0,
        dtype: str = "uint32",
        allowed_special: Selection = (),
        disallowed_special: Selection = "all",
        add_special_tokens: bool = False,
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Encode the documents of a file.

        Parameters
        ----------
        path
            A file of UTF-8 text.
        separator
            What stands between two documents and belongs to none, such as a newline; None: the file is one document.
            A separator at the end of the file has no document after it.
        threads, dtype, allowed_special, disallowed_special, add_special_tokens
            As `encode_batch_flat`.

        Returns
        -------
        tuple[numpy.ndarray, numpy.ndarray]
            Ids and row offsets, as `encode_batch_flat`.

        Raises
        ------
        CorpusFileError
            If the file cannot be read.
        InvalidEncodingError
            If it is not UTF-8; the message says where.
        """
        import numpy as np

        ids, rows, total = [], [np.zeros(1, np.int64)], 0
        for part, ends in self.iter_encode_file(
            path,
            separator=separator,
            threads=threads,
            dtype=dtype,
            allowed_special=allowed_special,
            disallowed_special=disallowed_special,
            add_special_tokens=add_special_tokens,
        ):
            ids.append(part)
            rows.append(ends + total)
            total += len(part)
        return np.concatenate([np.zeros(0, dtype), *ids]), np.concatenate(rows)

    def iter_encode_file(
        self,
        path: str | os.PathLike[str],
        *,
        separator: str | bytes | None = None,
        threads: int = 0,
        dtype: str = "uint32",
        part_bytes: int = PART_BYTES,
        allowed_special: Selection = (),
        disallowed_special: Selection = "all",
        add_special_tokens: bool = False,
    ) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        """Encode the documents of a file part by part, in bounded memory.

        Parameters
        ----------
        part_bytes
            About how many bytes are taken at a time. A document may be longer; it is then cut where that does not
            change its ids, or taken whole if this tokenizer has stages that do not allow cutting.
        path, separator, threads, dtype, allowed_special, disallowed_special, add_special_tokens
            As `encode_file`.

        Yields
        ------
        tuple[numpy.ndarray, numpy.ndarray]
            Ids, and int64 the places among them where documents end; a document without an end goes on in the next
            part.
        """
        import numpy as np

        before, after = self._pipeline.affixes if add_special_tokens else ((), ())
        check_dtype(dtype, self.n_vocab)
        begins = True  # whether the first document of a part begins there
        for documents, ended in read_parts(
            path, separator_bytes(separator), max(1, part_bytes), self._cutter(allowed_special, disallowed_special)
        ):
            try:
                pieces = self._fragments(documents, allowed_special, disallowed_special, threads)
                texts = [text for piece in pieces for text in piece]
                ids, rows = self.encode_batch_flat(
                    texts,
                    threads=threads,
                    allowed_special=allowed_special,
                    disallowed_special=disallowed_special,
                )
            except InvalidEncodingError as error:
                raise locate(path, error) from None
            ends = rows[np.cumsum([len(piece) for piece in pieces])]
            if before or after:
                ids, ends = _with_affixes(ids, ends, before, after, begins, ended)
            yield ids.astype(dtype, copy=False), (ends if ended else ends[:-1])
            begins = ended

    def _cutter(self, allowed: Selection, disallowed: Selection) -> Any:
        return self._pipeline.cutter(self._pipeline.policy(allowed, disallowed))

    def _fragments(
        self, documents: list[bytes], allowed: Selection, disallowed: Selection, threads: int
    ) -> list[list[bytes]]:
        """Cut long documents for the threads where it does not change their ids."""
        cut = self._cutter(allowed, disallowed)
        return [
            _cut_up(document, cut) if cut is not None and threads != 1 and len(document) > 2 * _FRAGMENT else [document]
            for document in documents
        ]

    # --- ids to text ------------------------------------------------------------------------------------------------

    def decode(
        self, ids: Iterable[int], errors: Errors = "replace", skip_special_tokens: bool = False
    ) -> str:
        """Turn ids into text.

        Parameters
        ----------
        ids
            Added tokens among them become their text.
        errors
            What to do with bytes that are not UTF-8, such as half of a character: as in ``bytes.decode``.
        skip_special_tokens
            Leave special tokens out.

        Raises
        ------
        UnknownTokenError
            If an id is not in the vocabulary.
        UnicodeDecodeError
            With ``errors="strict"``, if the bytes are not UTF-8.
        """
        decoder = self._decoder
        if decoder is None or decoder.byte_level:
            return self._bytes(ids, skip_special_tokens).decode("utf-8", errors)
        special = frozenset(self.special_tokens.values()) if skip_special_tokens else frozenset()
        return decoder.decode([self.id_to_token(id) for id in ids if id not in special])

    def decode_bytes(self, ids: Iterable[int], skip_special_tokens: bool = False) -> bytes:
        """Turn ids into the bytes of their tokens, one after the other.

        Raises
        ------
        UnknownTokenError
            If an id is not in the vocabulary.
        """
        return self._bytes(ids, skip_special_tokens)

    def decode_batch(
        self, rows: Iterable[Iterable[int]], errors: Errors = "replace", skip_special_tokens: bool = False
    ) -> list[str]:
        """Turn the ids of several documents into text, as `decode`."""
        return [self.decode(ids, errors, skip_special_tokens) for ids in rows]

    def decode_with_offsets(self, ids: Iterable[int]) -> tuple[str, list[int]]:
        """Turn ids into text, and say at which code point each token begins.

        Returns
        -------
        tuple[str, list[int]]
            A token that begins inside a character has that character's position, as in tiktoken.

        Raises
        ------
        UnknownTokenError
            If an id is not in the vocabulary.
        UnicodeDecodeError
            If the bytes are not UTF-8.
        """
        offsets, started, parts = [], 0, [self.id_to_bytes(id) for id in ids]
        for part in parts:
            offsets.append(max(0, started - (bool(part) and 0x80 <= part[0] < 0xC0)))
            started += sum(not 0x80 <= byte < 0xC0 for byte in part)
        return b"".join(parts).decode("utf-8"), offsets

    def stream_decoder(self, skip_special_tokens: bool = False) -> StreamDecoder:
        """Give an object that turns ids into text as they come.

        Raises
        ------
        ConfigError
            If the decoder of this tokenizer is not a byte-level one.
        """
        if self._decoder is not None and not self._decoder.byte_level:
            raise ConfigError("this tokenizer's decoder changes text across tokens, so it cannot decode a stream")
        return StreamDecoder(lambda ids: self._bytes(ids, skip_special_tokens))

    def token_to_id(self, token: bytes | str) -> int:
        """Look up a token.

        Parameters
        ----------
        token
            Bytes for a model token; a str for an added token, or else for a model token as plain text.

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

    def id_to_bytes(self, id: int) -> bytes:
        """Return the bytes that an id stands for when it is decoded.

        Raises
        ------
        UnknownTokenError
            If the id is not in the vocabulary.
        """
        try:
            return self._model.token_bytes[id]
        except (KeyError, TypeError):
            raise self._unknown(id) from None

    def id_to_token(self, id: int) -> str:
        """Return the text of an id as files have it: byte-level text, or the content of an added token.

        Raises
        ------
        UnknownTokenError
            If the id is not in the vocabulary.
        """
        try:
            return self._texts[id]
        except (KeyError, TypeError):
            raise self._unknown(id) from None

    # --- Python's own -----------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Return the number of ids, added tokens included."""
        return self.vocab_size

    def __eq__(self, other: object) -> bool:
        """Compare model, stages and roles; how they came about does not matter."""
        if not isinstance(other, Tokenizer):
            return NotImplemented
        mine, theirs = self._definition, other._definition
        return (
            self._model == other._model
            and self._roles == other._roles
            and mine.stages == theirs.stages
        )

    def __hash__(self) -> int:
        """Agree with ``==``."""
        return hash(self._model)

    def __repr__(self) -> str:
        """Name scheme and sizes."""
        special = f", special_tokens={len(self.special_tokens)}" if self.special_tokens else ""
        return f"Tokenizer(scheme={self.scheme.name!r}, vocab_size={self.vocab_size}{special})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the content without what was derived from it."""
        return _restored, (self._definition, self._roles, self._train_report)

    # --- parts made when first needed -------------------------------------------------------------------------------

    @cached_property
    def _pipeline(self) -> Pipeline:
        return Pipeline(self._definition)

    @cached_property
    def _decoder(self) -> Decoder | None:
        section, format = self._definition.sections.decoder, self._definition.format
        # A tokenizer.json without a decoder joins tokens with blanks; other files have none and mean bytes.
        return None if section is None and format != "hf" else decoder_from_hf(section, "decoder")

    @cached_property
    def _native_decoder(self) -> NativeDecoder:
        model = self._model
        blob, offsets = model.table
        unknown = [] if model.vocab_size == model.n_vocab else set(range(model.n_vocab)) - set(model.token_bytes)
        return NativeDecoder(blob, offsets, unknown=unknown, special=self.special_tokens.values())

    @cached_property
    def _texts(self) -> dict[int, str]:
        added = {id: content for content, id in self._model.added_ids.items()}
        return added | self._model.strings

    def _bytes(self, ids: Iterable[int], skip_special: bool) -> bytes:
        rows = ids.tolist() if hasattr(ids, "tolist") else list(ids)
        data = self._native_decoder.decode(rows, skip_special=skip_special)
        if isinstance(data, int):
            raise self._unknown(rows[data])
        return data

    def _unknown(self, id: object) -> UnknownTokenError:
        ids = f"ids are below {self.n_vocab}" if self.n_vocab else "it is empty"
        return UnknownTokenError(f"id {id!r} is not in the vocabulary; {ids}")

    def _wrapped(self, ids: list[int]) -> list[int]:
        before, after = self._pipeline.affixes
        return [*before, *ids, *after]


_FRAGMENT = 1 << 18
"""Bytes of a part of a long document for one thread."""


def check_dtype(dtype: str, n_vocab: int) -> None:
    """Refuse a dtype of ids that is unknown or too small.

    Raises
    ------
    ConfigError
        If ``dtype`` is neither ``"uint32"`` nor ``"uint16"``, or an id does not fit.
    """
    if dtype not in ("uint32", "uint16"):
        raise ConfigError(f"dtype must be 'uint32' or 'uint16', not {dtype!r}")
    if dtype == "uint16" and n_vocab > 1 << 16:
        raise ConfigError(f"ids up to {n_vocab - 1} do not fit uint16; use uint32")


def _restored(definition: Definition, roles: Mapping[str, str], report: TrainReport | None) -> Tokenizer:
    return Tokenizer(definition, roles=roles, train_report=report)


def _threads(threads: int) -> int:
    if not isinstance(threads, int) or threads < 0:
        raise ConfigError(f"threads must be a number of threads, or 0 for one per processor, not {threads!r}")
    return threads or available_cpus()


def _probability(dropout: float) -> float:
    if not 0 <= dropout <= 1:
        raise ConfigError(f"dropout must be between 0 and 1, not {dropout!r}")
    return float(dropout)


def _seed(seed: int | None) -> int:
    return secrets.randbits(63) if seed is None else seed & (1 << 63) - 1


def _cut_up(document: bytes, cut: Any) -> list[bytes]:
    """Cut a document into fragments that are encoded as if they stood together."""
    parts, at = [], 0
    while len(document) - at > 2 * _FRAGMENT:
        found = cut(document[at : at + _FRAGMENT])
        if not found:
            break
        parts.append(document[at : at + found])
        at += found
    return [*parts, document[at:]]


def _with_affixes(
    ids: Any, ends: Any, before: Sequence[int], after: Sequence[int], begins: bool, ended: bool
) -> tuple[Any, Any]:
    """Put the post-processor's tokens around the documents of a part."""
    import numpy as np

    rows, at, total, out = [], 0, 0, []
    for k, end in enumerate(ends.tolist()):
        parts = [ids[at:end]]
        at = end
        if k or begins:
            parts.insert(0, np.asarray(before, np.uint32))
        if ended or k + 1 < len(ends):
            parts.append(np.asarray(after, np.uint32))
        rows += parts
        total += sum(map(len, parts))
        out.append(total)
    return np.concatenate([np.zeros(0, np.uint32), *rows]), np.asarray(out, np.int64)
