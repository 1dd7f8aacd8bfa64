"""``SentencePieceTrainer`` for BPE, with the same arguments and the same files."""

from __future__ import annotations

import os
from typing import Any

from bpetk import machine
from bpetk.corpus import resolve, warn_of_repeated
from bpetk.errors import ConfigError
from bpetk.sp_trained import SentencePieceModel, check_output
from bpetk.sp_trainer import SpTraining, train_on_files, train_on_sentences
from bpetk.trainer import ProgressCallback


def train(
    arg: None = None,
    logstream: Any = None,
    *,
    sentence_iterator: Any = None,
    sentence_reader: Any = None,
    model_writer: Any = None,
    normalizer_from: str | os.PathLike[str] | None = None,
    keep_long_sentences: bool = False,
    seed: int | None = None,
    progress: ProgressCallback | None = None,
    **options: Any,
) -> SentencePieceModel:
    """Train as ``sentencepiece.SentencePieceTrainer.train`` does, and write what it writes.

    Parameters
    ----------
    arg
        Options as one string are not taken.
    logstream
        Of no effect: nothing is logged.
    sentence_iterator, sentence_reader
        Sentences, ``str`` or ``bytes``, in place of ``input``.
    model_writer
        Its ``write`` is given the file, in place of ``model_prefix``.
    normalizer_from, keep_long_sentences, seed, progress
        bpetk's own, see :func:`bpetk.train`.
    **options
        The library's own. ``model_type="bpe"`` has to be among them, since ``unigram`` is the library's default.
        ``num_threads`` is how many are used; the result does not depend on it.

    Returns
    -------
    SentencePieceModel
        The model, with its ``train_report``.

    Raises
    ------
    ConfigError
        If an option is unknown, not implemented, or cannot be used as given.
    CorpusError, CorpusFileError
        If there is no text to learn from.
    OutputError
        If the files cannot be written.

    Examples
    --------
    >>> import io
    >>> out = io.BytesIO()
    >>> sentences = iter(["low lower lowest", "new newer newest"])
    >>> model = train(
    ...     sentence_iterator=sentences, model_writer=out, model_type="bpe", vocab_size=24, num_threads=1,
    ...     normalization_rule_name="identity",
    ... )
    >>> out.getvalue() == model.to_bytes()
    True
    """
    del logstream
    if arg is not None:
        raise ConfigError("options as one string are not supported; give them as keyword arguments")
    if sentence_iterator is not None and sentence_reader is not None:
        raise ConfigError("sentence_iterator and sentence_reader are the same; give one of them")
    sentences = sentence_reader if sentence_iterator is None else sentence_iterator
    prefix = os.fspath(options.pop("model_prefix", None) or "")
    if "model_type" not in options:
        raise ConfigError(
            "model_type='bpe' has to be given: the default is unigram, which bpetk does not train"
        )
    training = SpTraining.of(
        options, normalizer_from=normalizer_from, keep_long_sentences=keep_long_sentences, seed=seed
    )
    files = training.options.input
    if bool(files) == (sentences is not None):
        raise ConfigError("give either input or sentence_iterator")
    if bool(prefix) == (model_writer is not None):
        raise ConfigError("give either model_prefix or model_writer")
    if prefix:
        check_output(prefix, overwrite=True)  # before an hour of training
    given = "num_threads" in training.options.given
    threads = training.options.num_threads if given else machine.available_cpus()
    if sentences is None:
        sources = resolve(files)
        warn_of_repeated(sources)
        model = train_on_files(sources, training, threads=threads, progress=progress)
    else:
        model = train_on_sentences(sentences, training, threads=threads, progress=progress)
    if prefix:
        model.write(prefix)
    else:
        model_writer.write(model.to_bytes())
    return model


class SentencePieceTrainer:
    """The library's class of this name, for ``from bpetk.interop.sentencepiece import SentencePieceTrainer``.

    Its two methods are `train`, which unlike the library's give back the model.
    """

    train = staticmethod(train)
    Train = train
