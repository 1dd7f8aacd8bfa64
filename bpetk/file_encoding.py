"""Files to ids: the methods of a `Tokenizer` that encode the documents of a file, in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from bpetk.errors import InvalidEncodingError
from bpetk.special_tokens import Selection
from bpetk.text_encoding import TextEncoder, check_dtype
from bpetk.text_files import join_parts, locate, read_parts, separator_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

PART_BYTES = 8 << 20
"""Bytes of a file that `FileEncoder.iter_encode_file` takes at a time."""


class FileEncoder(TextEncoder):
    """The methods of a `Tokenizer` that take files."""

    def encode_file(
        self,
        path: str | os.PathLike[str],
        *,
        separator: str | bytes | None = None,
        encoding: str = "utf-8",
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
            A file of text.
        separator
            What stands between two documents and belongs to none, such as a newline; None: the file is one document.
            A separator at the end of the file has no document after it.
        encoding
            What the file is in: ``"gb18030"``, say, or any other that Python knows.
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
            If it is not in this encoding; the message says where.
        """
        parts = self.iter_encode_file(
            path,
            separator=separator,
            encoding=encoding,
            threads=threads,
            dtype=dtype,
            allowed_special=allowed_special,
            disallowed_special=disallowed_special,
            add_special_tokens=add_special_tokens,
        )
        return join_parts(parts, dtype)

    def iter_encode_file(
        self,
        path: str | os.PathLike[str],
        *,
        separator: str | bytes | None = None,
        encoding: str = "utf-8",
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
        path, separator, encoding, threads, dtype, allowed_special, disallowed_special, add_special_tokens
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
            path,
            separator_bytes(separator),
            max(1, part_bytes),
            self._cutter(allowed_special, disallowed_special),
            encoding,
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
