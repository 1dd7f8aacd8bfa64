"""Errors that bpetk raises on purpose; each is also a builtin error, so callers need not import them."""

from __future__ import annotations


class BpetkError(Exception):
    """Base of all errors raised on purpose by bpetk."""


class ConfigError(BpetkError, ValueError):
    """An option or a combination of options cannot be used as given."""


class CorpusError(BpetkError, ValueError):
    """Training text cannot be used: empty, of a refused format, or badly encoded."""


class InvalidEncodingError(CorpusError):
    """Bytes of a corpus are not text in the stated encoding; says file, line and byte offset."""


class CorpusFileError(BpetkError, OSError):
    """A corpus file is missing or cannot be read."""


class ModelFileError(BpetkError, ValueError):
    """A tokenizer file is malformed, or holds something that bpetk cannot reproduce exactly."""


class DifferentIdsError(ModelFileError):
    """A converted tokenizer gives other ids than its source."""


class OutputError(BpetkError, OSError):
    """A result cannot be written; nothing half-written is left behind."""


class UnknownTokenError(BpetkError, KeyError):
    """A token or token id is not in the vocabulary."""

    def __str__(self) -> str:
        """Give the plain message: ``KeyError`` would show its repr."""
        return str(self.args[0]) if self.args else ""


class MissingDependencyError(BpetkError, ImportError):
    """An optional library is needed for this call; the message holds the install command."""


class DocumentTypeError(BpetkError, TypeError):
    """A document of an iterator is not a ``str`` (or a list of them)."""


class VocabularySizeWarning(UserWarning):
    """A text gave fewer tokens than were asked for; the message says why."""


class SlowPathWarning(UserWarning):
    """A custom pattern runs on the ``regex`` package, one to two orders slower than the named schemes."""


class SkippedSentencesWarning(UserWarning):
    """SentencePiece's rules leave sentences out of the training; the message says how many and why."""


class SampledSentencesWarning(UserWarning):
    """Sentences were drawn at random, so the result cannot be that of the reference, which draws others each time."""


class RepeatedTextWarning(UserWarning):
    """Some text counts more than once: a file is named twice, or an empty one makes SentencePiece repeat a line."""


class InvalidTextWarning(UserWarning):
    """A file is not UTF-8, and SentencePiece's trainer takes what is not for U+FFFD instead of refusing it."""


class InputChangedWarning(UserWarning):
    """An input changed or vanished while it was in use; the result is of what was read."""
