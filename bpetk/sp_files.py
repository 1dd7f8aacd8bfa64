"""The two files of a trained model, written at once: no object is made of a learned piece."""

from __future__ import annotations

from collections.abc import Callable

from bpetk._piece_writer import write_lines, write_pieces
from bpetk.interop.sentencepiece_model import Piece, write_model_around
from bpetk.sp_model import check_numbers, file_around, piece_line
from bpetk.sp_options import SpOptions


class LearnedPieces:
    """What was learned, with all that the files of it need; `bpetk.sp_model.assemble` makes a `ModelFile` of the same.

    Parameters
    ----------
    options
        Those of the training.
    texts
        The learned pieces of two and more characters, then the single characters, each in order: piece ``i`` has the
        score ``-i``.
    normalizer_map, normalizer_name
        As in `assemble`.

    Raises
    ------
    ConfigError
        As in `assemble`.
    """

    def __init__(
        self, options: SpOptions, texts: list[str], normalizer_map: bytes, normalizer_name: str
    ) -> None:
        self.options, self.texts = options, texts
        self.normalizer_map, self.normalizer_name = normalizer_map, normalizer_name
        self.fixed = sorted(check_numbers(options, texts).items())

    def __len__(self) -> int:
        return len(self.texts) + len(self.fixed)

    def model_bytes(self, model_prefix: str | None = None) -> bytes:
        """Give the model file; ``model_prefix`` is a field of it, None for that of the options.

        Raises
        ------
        ConfigError
            If the library would not load it.
        """
        fixed = {number: Piece(text, 0.0, kind) for number, (text, kind) in self.fixed}
        around = file_around(
            self.options, fixed, len(self), self.normalizer_map, self.normalizer_name, model_prefix
        )
        return write_model_around(around, [*fixed], lambda parts: self._joined(parts, write_pieces))

    def vocab_bytes(self) -> bytes:
        """Give the ``.vocab`` file: a line for each piece, with its score unless that is switched off."""
        scores = self.options.vocabulary_output_piece_score
        fixed = [piece_line(text, 0.0, scores).encode() for _, (text, _) in self.fixed]
        return self._joined(fixed, lambda texts, start, stop: write_lines(texts, start, stop, scores))

    def _joined(self, fixed: list[bytes], write: Callable[[list[str], int, int], bytes]) -> bytes:
        """Put what is written of the fixed pieces between what is written of learned ones."""
        parts, at = [], 0
        for fixed_before, ((number, _), part) in enumerate(zip(self.fixed, fixed, strict=True)):
            parts += [write(self.texts, at, number - fixed_before), part]
            at = number - fixed_before
        return b"".join([*parts, write(self.texts, at, len(self.texts))])
