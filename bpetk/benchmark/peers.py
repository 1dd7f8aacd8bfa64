"""The trainers that are compared: how each is called, what of it is timed, and what it promises."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import bpetk
from bpetk.alphabet import from_byte_level
from bpetk.pretokenizers import get_scheme
from bpetk.report import BYTE_LEVEL, SENTENCEPIECE, Algorithm

Merges = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Job:
    """One training to measure.

    ``missing_bytes`` is how many of the 256 byte values the files lack; ``settings`` are options of SentencePiece.
    """

    peer: str
    files: tuple[str, ...]
    vocab_size: int
    scheme: str
    threads: int
    missing_bytes: int = 0
    algorithm: Algorithm = BYTE_LEVEL
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Contender:
    """A package that takes part; ``note`` says what of it cannot be compared."""

    name: str
    distribution: str
    exact: bool
    note: str

    def installed_version(self) -> str | None:
        """Return the version, or None if the package is absent."""
        if self.name == "bpetk":
            return bpetk.__version__
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version(self.distribution)
        except PackageNotFoundError:
            return None


@dataclass(frozen=True)
class Peer(Contender):
    """A trainer.

    ``prepare`` imports and configures and returns the call that is timed, which reads the files and trains;
    ``merges`` takes the result of that call apart when the clock has stopped. Where ``exact``, the peer
    claims the merges of the reference's trainer, as bpetk does, and the harness checks that they are equal. Of
    SentencePiece's algorithm they are pieces, each with score and type, and at last the hash of the file.
    """

    prepare: Callable[[Job], Callable[[], Any]]
    merges: Callable[[Any], Merges | None] = lambda _: None
    refuse: Callable[[str], str | None] = lambda _: None


def _lines(files: Sequence[str]) -> Iterator[str]:
    """Give the lines with their newline: what Hugging Face's trainer and bpetk make of files."""
    for name in files:
        with open(name, encoding="utf-8", newline="\n") as file:
            yield from file


def _from_strings(merges: Sequence[Sequence[str]]) -> Merges:
    return [(from_byte_level(left), from_byte_level(right)) for left, right in merges]


def _bpetk(job: Job) -> Callable[[], Any]:
    return lambda: bpetk.train(job.files, job.vocab_size, scheme=job.scheme, threads=job.threads)


def _hf(job: Job) -> Callable[[], Any]:
    from bpetk.verify import hf_pipeline  # here, as below: memory that other peers do not need is not theirs

    tokenizer, trainer = hf_pipeline(get_scheme(job.scheme), job.vocab_size)

    def run() -> Any:
        tokenizer.train(list(job.files), trainer)
        return tokenizer

    return run


def _hf_merges(tokenizer: Any) -> Merges:
    return _from_strings(json.loads(tokenizer.to_str())["model"]["merges"])


def _gigabpe(job: Job) -> Callable[[], Any]:
    gigabpe = import_module("gigabpe")

    # Its alphabet is the bytes it sees, not all 256: asked for as many fewer, it learns the same merges.
    size = job.vocab_size - job.missing_bytes
    return lambda: gigabpe.train_bpe(
        list(job.files), vocab_size=size, pretokenizer="bytelevel", threads=job.threads
    )


def _rustbpe(job: Job) -> Callable[[], Any]:
    rustbpe = import_module("rustbpe")
    tokenizer, pattern = rustbpe.Tokenizer(), get_scheme(job.scheme).pattern

    def run() -> Any:
        tokenizer.train_from_iterator(_lines(job.files), job.vocab_size, pattern=pattern)
        return tokenizer

    return run


def _sentencepiece(job: Job) -> Callable[[], Any]:
    trainer = import_module("sentencepiece").SentencePieceTrainer
    options = {
        "model_type": "bpe",
        "vocab_size": job.vocab_size,
        "num_threads": job.threads,
        "normalization_rule_name": "identity",
        "byte_fallback": True,
        "hard_vocab_limit": False,
        "max_sentence_length": 1 << 30,  # by default it leaves out lines above 4,192 bytes
        "minloglevel": 2,
    }

    def run() -> bytes:
        model = io.BytesIO()
        trainer.train(input=list(job.files), model_writer=model, **options)
        return model.getvalue()

    return run


def _piece_options(job: Job) -> dict[str, Any]:
    """Give the options of SentencePiece's algorithm; the threads too, since the file says them."""
    return {"num_threads": job.threads, **job.settings}


def _bpetk_pieces(job: Job) -> Callable[[], Any]:
    import_module("bpetk.sp_trainer")  # else the first call does it

    # The file is made inside the time, as the library does it.
    return lambda: bpetk.train(
        job.files, job.vocab_size, algorithm=SENTENCEPIECE, threads=job.threads, **_piece_options(job)
    ).to_bytes()


def _sentencepiece_pieces(job: Job) -> Callable[[], Any]:
    trainer = import_module("sentencepiece").SentencePieceTrainer
    options = {"model_type": "bpe", "vocab_size": job.vocab_size, "minloglevel": 4, **_piece_options(job)}

    def run() -> bytes:
        model = io.BytesIO()
        trainer.train(input=list(job.files), model_writer=model, **options)
        return model.getvalue()

    return run


def piece_rows(model: bytes) -> Merges:
    """Take a model apart."""
    import hashlib

    from bpetk.interop.sentencepiece_model import read_model

    pieces = read_model(model, "the model").pieces
    rows = [(piece.text.encode(), repr((piece.score, piece.type.name)).encode()) for piece in pieces]
    return [*rows, (b"", hashlib.sha256(model).digest())]


def _only_gpt2(scheme: str) -> str | None:
    return None if scheme == "gpt2" else f"it cuts text by GPT-2's rule only, not by {scheme}"


def _needs_pattern(scheme: str) -> str | None:
    return (
        None
        if get_scheme(scheme).pattern
        else f"it cuts text by a pattern, and the scheme {scheme} is not one"
    )


PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        Peer("bpetk", "bpetk", True, "", _bpetk, lambda tokenizer: list(tokenizer.merges)),
        Peer("hf", "tokenizers", True, "", _hf, _hf_merges),
        Peer("gigabpe", "gigabpe", True, "", _gigabpe, lambda result: _from_strings(result[1]), _only_gpt2),
        Peer("rustbpe", "rustbpe", False, "other order of ties", _rustbpe, refuse=_needs_pattern),
        Peer("sentencepiece", "sentencepiece", False, "characters, its own cuts", _sentencepiece),
    )
}

SP_PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        Peer("bpetk", "bpetk", True, "", _bpetk_pieces, piece_rows),
        Peer("sentencepiece", "sentencepiece", True, "", _sentencepiece_pieces, piece_rows),
    )
}


def peers_of(algorithm: str) -> dict[str, Peer]:
    """Give the trainers of an algorithm."""
    return SP_PEERS if algorithm == SENTENCEPIECE else PEERS
