"""Text to ids: the methods of a `Tokenizer` that encode."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from bpetk.character_model import CharacterModel
from bpetk.character_places import CharacterPlaces
from bpetk.encoding import Encoding, Places
from bpetk.errors import BpetkError, ConfigError, DocumentTypeError
from bpetk.machine import available_cpus
from bpetk.pipeline import Policy, Text, to_utf8
from bpetk.special_tokens import Selection
from bpetk.tokenizer_base import TokenizerBase

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FRAGMENT = 1 << 18  # bytes of a part of a long document for one thread
_LOOK, _LOOK_EACH = 1 << 12, 8  # bytes that `truncate` encodes first: some, and for each token


class TextEncoder(TokenizerBase):
    """The methods of a `Tokenizer` that take text."""

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
        pipeline, texts = self._pipeline, document_list(texts)
        policy = pipeline.policy(allowed_special, disallowed_special)
        rows = pipeline.encoder.encode_lists(texts, policy.plan, threads=thread_count(threads))
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
            whole = (
                text
                if isinstance(text, bytes)
                else self._pipeline.to_str(text).encode("utf-8", "surrogatepass")
            )
            texts = list(self._fragments([whole], allowed_special, disallowed_special, threads)[0])
        options: dict[str, Any] = {
            "threads": threads,
            "dtype": dtype,
            "allowed_special": allowed_special,
            "disallowed_special": disallowed_special,
            "add_special_tokens": add_special_tokens,
        }
        try:
            return self.encode_batch_flat(texts, **options)[0]
        except BpetkError:
            if len(texts) == 1:
                raise
        # What is wrong stands in a fragment; the message for the whole text says where.
        return self.encode_batch_flat([text], **options)[0]

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
        pipeline, texts = self._pipeline, document_list(texts)
        policy = pipeline.policy(allowed_special, disallowed_special)
        buffer, raw = pipeline.encoder.encode_flat(texts, policy.plan, threads=thread_count(threads))
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
        to_utf8(text)  # or it has no places
        model = self._model
        places = CharacterPlaces(text, model) if isinstance(model, CharacterModel) else Places(text, model)
        policy = pipeline.policy(allowed_special, disallowed_special)
        for run in pipeline.runs(text, policy, aligned=True):
            places.add(run)
        offsets, char_offsets = places.finish()
        ids = places.ids
        if pipeline.post_processor.trims:
            import numpy as np

            spans = [(int(start), int(end)) for start, end in char_offsets.tolist()]
            texts = places.texts()
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
        pipeline, texts = self._pipeline, document_list(texts)
        policy = pipeline.policy(allowed_special, disallowed_special)
        _, raw = pipeline.encoder.encode_flat(
            texts, policy.plan, threads=thread_count(threads), count_only=True
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
        at the end may be cut differently), it is shortened further. What comes after it is not encoded, only looked
        through for what `encode` refuses.

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
        room = max(0, max_tokens - more)
        options: dict[str, Any] = {
            "allowed_special": allowed_special,
            "disallowed_special": disallowed_special,
        }
        head = self._beginning(text, room, allowed_special, disallowed_special)
        if head is None:
            return text
        found = self.encode_with_offsets(head, **options)
        for k in range(room, -1, -1):
            short = head[: int(found.char_offsets[k:, 0].min())] if k else ""
            if self.count(short, **options) <= room:
                break
        return short if isinstance(text, str) else short.encode()

    def _beginning(self, text: Text, room: int, allowed: Selection, disallowed: Selection) -> str | None:
        """Give a beginning that has more ids than there is room for, the same as in the text; None if all fit."""
        pipeline, model = self._pipeline, self._model
        policy = pipeline.policy(allowed, disallowed)
        whole, data = pipeline.checked(text, policy)
        options: dict[str, Any] = {"allowed_special": allowed, "disallowed_special": disallowed}
        # A byte that has no id is an error wherever it stands, and only encoding finds it.
        partial = model.unk_token is None and -1 in model.byte_ids
        cut = None if partial else pipeline.cutter(policy)
        size = len(data) if cut is None else _LOOK + _LOOK_EACH * room
        while cut is not None and size < len(data):
            # INVARIANT: what stands before a cut has the ids that it has in the text, and no token goes across.
            head = data[: cut(data[:size])]
            if head and self.count(head, **options) > room:
                return head.decode()
            size *= 2
        return whole if self.count(whole, **options) > room else None

    def _cutter(self, allowed: Selection, disallowed: Selection) -> Any:
        return self._pipeline.cutter(self._pipeline.policy(allowed, disallowed))

    def _fragments(
        self, documents: list[bytes], allowed: Selection, disallowed: Selection, threads: int
    ) -> list[list[bytes]]:
        """Cut long documents for the threads where it does not change their ids."""
        cut = self._cutter(allowed, disallowed)
        return [
            _cut_up(document, cut)
            if cut is not None and threads != 1 and len(document) > 2 * _FRAGMENT
            else [document]
            for document in documents
        ]

    def _wrapped(self, ids: list[int]) -> list[int]:
        before, after = self._pipeline.affixes
        return [*before, *ids, *after]


def document_list(texts: Iterable[Text]) -> list[Text]:
    """Give documents as a list; one text in its place is a mistake that would be taken for its characters."""
    if isinstance(texts, str | bytes):
        raise DocumentTypeError("texts must be several documents, such as a list; encode() takes one")
    return list(texts)


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


def thread_count(threads: int) -> int:
    """Give a number of threads, where 0 asks for one per processor.

    Raises
    ------
    ConfigError
        If it is no number of threads.
    """
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
