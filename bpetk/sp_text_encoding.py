"""Text to ids: the methods of a `SentencePieceTokenizer` that encode."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NoReturn

from bpetk.encoding import Encoding
from bpetk.errors import ConfigError
from bpetk.pipeline import Text, to_utf8
from bpetk.sp_fragments import fragments, worth_cutting
from bpetk.sp_places import Placed, place
from bpetk.sp_vocabulary import PieceVocabulary
from bpetk.special_tokens import Selection
from bpetk.text_encoding import check_dtype, document_list, thread_count

if TYPE_CHECKING:
    from numpy.typing import NDArray


class PieceTextEncoder(PieceVocabulary):
    """The methods of a `SentencePieceTokenizer` that take text."""

    def encode(
        self,
        text: Text,
        *,
        add_bos: bool = False,
        add_eos: bool = False,
        reverse: bool = False,
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
        add_bos, add_eos, reverse, allowed_special, disallowed_special, add_special_tokens
            See the class.
        dropout, seed
            Refused, but for no dropout: the library's own sampling cannot be repeated.

        Returns
        -------
        list[int]
            Empty for empty text, but for the control pieces.

        Raises
        ------
        ConfigError
            If an option cannot be followed.
        InvalidEncodingError
            If a str holds a lone surrogate.
        """
        if dropout:
            raise ConfigError("dropout is not for models of SentencePiece: its sampling is not reproducible")
        if allowed_special or disallowed_special != "all" or add_special_tokens:
            _check_policy(
                [text],
                allowed_special=allowed_special,
                disallowed_special=disallowed_special,
                add_special_tokens=add_special_tokens,
            )
        native = self._native
        ids: list[int] | tuple[int, int] = native.encoder.encode(text, native.plan)
        if isinstance(ids, tuple):
            _refuse(text)
        if reverse:
            ids.reverse()
        if not (add_bos or add_eos):
            return ids
        before, after = self._affixes(add_bos, add_eos)
        return [*before, *ids, *after]

    def encode_ordinary(self, text: Text) -> list[int]:
        """Turn text into ids, as `encode`: all text is ordinary."""
        return self.encode(text)

    def encode_batch(
        self,
        texts: Iterable[Text],
        *,
        threads: int = 0,
        add_bos: bool = False,
        add_eos: bool = False,
        reverse: bool = False,
        **policy: Any,
    ) -> list[list[int]]:
        """Turn several documents into ids.

        Parameters
        ----------
        texts
            Documents.
        threads
            How many at most; 0 means one for each processor.
        add_bos, add_eos, reverse, policy
            As `encode`.
        """
        texts = document_list(texts)
        _check_policy(texts, **policy)
        before, after = self._affixes(add_bos, add_eos)
        native, threads = self._native, thread_count(threads)
        if worth_cutting(texts, threads):
            rows = self._lists_of_long(texts, threads)
        else:
            rows = native.encoder.encode_lists(texts, native.plan, threads=threads)
        if tuple in map(type, rows):
            _refuse(next(text for text, row in zip(texts, rows, strict=True) if type(row) is tuple))
        if reverse:
            for row in rows:
                row.reverse()
        return [[*before, *row, *after] for row in rows] if before or after else rows

    def _lists_of_long(self, texts: Sequence[Text], threads: int) -> list[Any]:
        ids, counts = self._flat(texts, threads)
        rows, at = [], 0
        for count in counts.tolist():
            rows.append(
                self._native.encoder.ints_of(ids[at : at + count].data) if count >= 0 else (-1 - count, 0)
            )
            at += max(0, count)
        return rows

    def _flat(
        self, texts: Sequence[Text], threads: int, *, count_only: bool = False
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Give ids, none if they are only counted, and for each document how many; less than 0 where that failed."""
        import numpy as np

        native = self._native
        ids, counts, at = [np.zeros(0, np.uint32)], [], 0
        for i in [*worth_cutting(texts, threads), len(texts)]:
            runs = [(texts[at:i], native.plan)] if at < i else []
            if i < len(texts):
                runs.append((fragments(native, texts[i]), native.plan_of_fragments))
            at = i + 1
            for documents, plan in runs:
                buffer, raw = native.encoder.encode_flat(
                    documents, plan, threads=threads, count_only=count_only
                )
                if buffer is not None and len(buffer):
                    ids.append(np.frombuffer(buffer, dtype=np.uint32))
                found = np.frombuffer(raw, dtype=np.int64)
                if plan is native.plan_of_fragments:
                    found = found.sum(keepdims=True) if (found >= 0).all() else found.min(keepdims=True)
                counts.append(found)
        parts = ids[1:] if len(ids) > 1 else ids
        return (
            parts[0] if len(parts) == 1 else np.concatenate(parts),
            np.concatenate(counts) if counts else np.zeros(0, np.int64),
        )

    def encode_pieces(self, text: Text, **options: Any) -> list[str]:
        """Turn text into pieces: `encode` with texts for ids.

        What is no piece is given as it stands in the normalized text.
        """
        return self._placed(text, **options).pieces

    def encode_with_offsets(self, text: Text, **options: Any) -> Encoding:
        """Turn text into ids, and say where each piece stands.

        Blanks that the normalizer drops belong to the piece behind them. Of the bytes of a character that is no piece
        the last one has all of it, the others nothing.

        Returns
        -------
        Encoding
            ``ids``, ``offsets`` (bytes) and ``char_offsets`` (code points), both those of the library.
        """
        import numpy as np

        found = self._placed(text, **options)
        offsets = np.asarray(found.spans, dtype=np.int64).reshape(-1, 2)
        return Encoding(found.ids, offsets, _char_index(np, text)[offsets])

    def _placed(
        self,
        text: Text,
        *,
        add_bos: bool = False,
        add_eos: bool = False,
        reverse: bool = False,
        **policy: Any,
    ) -> Placed:
        _check_policy([text], **policy)
        before, after = self._affixes(add_bos, add_eos)
        data = to_utf8(text) if isinstance(text, str) else text
        found = place(self._native, data)
        if reverse:
            found = Placed(found.ids[::-1], found.pieces[::-1], found.spans[::-1])
        pieces = self._model.pieces
        return Placed(
            [*before, *found.ids, *after],
            [
                *(pieces[id].text for id in before),
                *found.pieces,
                *(pieces[id].text for id in after),
            ],
            [*((0, 0) for _ in before), *found.spans, *((len(data), len(data)) for _ in after)],
        )

    def encode_to_numpy(
        self, text: Text, *, dtype: str = "uint32", threads: int = 1, **options: Any
    ) -> NDArray[Any]:
        """Turn text into an array of ids, without a Python object for each.

        Parameters
        ----------
        text
            One document.
        dtype
            ``"uint32"`` or ``"uint16"``.
        threads
            How many at most work on a long document, when it is normalized; 0 means one for each processor.
        options
            As `encode`.

        Returns
        -------
        numpy.ndarray
            Shape ``[n]``.
        """
        return self.encode_batch_flat([text], threads=threads, dtype=dtype, **options)[0]

    def encode_batch_flat(
        self,
        texts: Iterable[Text],
        *,
        threads: int = 0,
        dtype: str = "uint32",
        add_bos: bool = False,
        add_eos: bool = False,
        reverse: bool = False,
        **policy: Any,
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Turn several documents into one array of ids.

        Returns
        -------
        tuple[numpy.ndarray, numpy.ndarray]
            Ids, shape ``[total]``; and row offsets, int64, shape ``[documents + 1]``: document ``k`` is
            ``ids[row_offsets[k]:row_offsets[k + 1]]``.
        """
        import numpy as np

        check_dtype(dtype, self.n_vocab)
        texts = document_list(texts)
        _check_policy(texts, **policy)
        before, after = self._affixes(add_bos, add_eos)
        ids, counts = self._flat(texts, thread_count(threads))
        _refuse_any(texts, counts.tolist() if (counts < 0).any() else ())
        rows = np.zeros(len(counts) + 1, dtype=np.int64)
        np.cumsum(counts, out=rows[1:])
        if before or after or reverse:
            parts = [
                part
                for start, end in zip(rows[:-1].tolist(), rows[1:].tolist(), strict=True)
                for part in (before, ids[start:end][:: -1 if reverse else 1], after)
            ]
            ids = np.concatenate([np.zeros(0, np.uint32), *(np.asarray(part, np.uint32) for part in parts)])
            rows = rows + np.arange(len(rows)) * (len(before) + len(after))
        return (ids if dtype == "uint32" else ids.astype(dtype)), rows

    def count(self, text: Text, **options: Any) -> int:
        """Count the ids that `encode` gives."""
        return self.count_batch([text], threads=1, **options)[0]

    def count_batch(
        self,
        texts: Iterable[Text],
        *,
        threads: int = 0,
        add_bos: bool = False,
        add_eos: bool = False,
        reverse: bool = False,
        **policy: Any,
    ) -> list[int]:
        """Count the ids of several documents, without keeping them."""
        texts = document_list(texts)
        _check_policy(texts, **policy)
        more = sum(map(len, self._affixes(add_bos, add_eos)))
        threads = thread_count(threads)
        if worth_cutting(texts, threads):
            counts = self._flat(texts, threads, count_only=True)[1].tolist()
        else:
            native = self._native
            _, raw = native.encoder.encode_flat(texts, native.plan, threads=threads, count_only=True)
            counts = memoryview(raw).cast("q").tolist() if raw else []
        _refuse_any(texts, counts)
        return [count + more for count in counts]

    def truncate(self, text: Text, max_tokens: int, **options: Any) -> Text:
        """Cut text so that its ids are at most so many.

        The result is the beginning of the text that the first ``max_tokens`` ids stand for; where that has more ids by
        itself, it is shortened further.

        Parameters
        ----------
        text
            One document.
        max_tokens
            At least 0; control pieces that are put in count.

        Returns
        -------
        str or bytes
            As ``text``.
        """
        if max_tokens < 0:
            raise ConfigError(f"max_tokens must be at least 0, not {max_tokens}")
        data = to_utf8(text) if isinstance(text, str) else text
        options.pop("reverse", None)
        more = self.count("", **options)
        room = max(0, max_tokens - more)
        if self.count(data, **options) - more <= room:
            return text
        # Nothing behind the first piece that does not fit begins before it does.
        starts = [start for start, _ in place(self._native, data, most=room + 1).spans]
        starts = list(accumulate(reversed(starts), min))[::-1]
        short = b""
        for k in range(room, -1, -1):
            short = data[: starts[k]] if k else b""
            if self.count(short, **options) - more <= room:
                break
        # Where the next piece begins is the beginning of a character, if bytes do not tear one.
        return short.decode("utf-8", "ignore") if isinstance(text, str) else short


def _check_policy(
    texts: Sequence[Text],
    *,
    allowed_special: Selection = (),
    disallowed_special: Selection = "all",
    add_special_tokens: bool = False,
) -> None:
    """Refuse what cannot be followed, and strings that must not be there."""
    if add_special_tokens:
        raise ConfigError(
            "add_special_tokens: a model of SentencePiece does not say what to put around a text; say it with add_bos "
            "and add_eos"
        )
    if allowed_special:
        raise ConfigError(
            "allowed_special: no text becomes a control piece in SentencePiece; put ids in with add_bos and add_eos, "
            "or by token_to_id"
        )
    if isinstance(disallowed_special, str):
        if disallowed_special != "all":
            raise ConfigError(f"disallowed_special must be a set or 'all', not {disallowed_special!r}")
        return
    for content in sorted(set(disallowed_special) - {""}):
        for text in texts:
            if (
                (content in text)
                if isinstance(text, str)
                else (content.encode("utf-8", "surrogatepass") in text)
            ):
                raise ConfigError(f"the text holds {content!r}, which disallowed_special names")


def _refuse_any(texts: Sequence[Text], counts: Sequence[int]) -> None:
    for text, count in zip(texts, counts, strict=False):
        if count < 0:
            _refuse(text)


def _refuse(text: Text) -> NoReturn:
    """Say why a document has no ids."""
    if isinstance(text, str):
        to_utf8(text)  # a lone surrogate, of which this tells where
    raise ConfigError("a document has 256 MiB in which nothing can be cut; give it in parts")


def _char_index(np: Any, text: Text) -> Any:
    """Count the characters before each byte of a text, and before its end: int64 ``[bytes + 1]``."""
    data = text.encode() if isinstance(text, str) else text
    starts = (np.frombuffer(data, dtype=np.uint8) & 0xC0) != 0x80
    return np.concatenate([[0], np.cumsum(starts)])
