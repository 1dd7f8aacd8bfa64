"""Decoding ids as they come, without ever showing half a character."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable


class StreamDecoder:
    """Turns ids into text piece by piece; made by `Tokenizer.stream_decoder`.

    Bytes that may still become a character are held back until they do, or until `finish`. All pieces joined
    are what decoding all ids at once gives.

    Examples
    --------
    >>> import bpetk
    >>> tok = bpetk.train_from_iterator(["a"], vocab_size=256)
    >>> stream = tok.stream_decoder()
    >>> [stream.feed(id) for id in tok.encode("é!")], stream.finish()
    (['', 'é', '!'], '')
    """

    def __init__(self, to_bytes: Callable[[list[int]], bytes]) -> None:
        self._to_bytes = to_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, ids: int | Iterable[int]) -> str:
        """Take one id or several; give the text that is certain now.

        Raises
        ------
        UnknownTokenError
            If an id is not in the vocabulary; then none of these ids counts.
        """
        # A number may be one of numpy's, which is no int.
        return self._decoder.decode(self._to_bytes(list(ids) if isinstance(ids, Iterable) else [ids]))

    def finish(self) -> str:
        """Give what was held back, U+FFFD for what never became a character, and start afresh."""
        rest = self._decoder.decode(b"", True)
        self._decoder.reset()
        return rest
