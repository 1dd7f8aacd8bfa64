"""Measure encoders fairly: fresh processes, loading, first and second pass apart, ids compared with the reference."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bpetk.benchmark.corpus_facts import describe_corpus, describe_machine
from bpetk.benchmark.encode_peers import ENCODE_PEERS, MODES, EncodeJob, EncodePeer, Forms, Mode
from bpetk.benchmark.encode_results import EncodeBenchmarkResult, EncodeEntry, EncodeMeasurement
from bpetk.benchmark.harness import Progress, check_rounds, choose, run_rounds
from bpetk.benchmark.process import WorkerError, run_process
from bpetk.corpus import PathInput
from bpetk.definition import Definition
from bpetk.errors import ConfigError, CorpusError, ModelFileError, UnknownTokenError
from bpetk.interop.huggingface import to_tokenizer_json
from bpetk.machine import available_cpus
from bpetk.probe import first_unequal, text_batches
from bpetk.readable import readable
from bpetk.reference_libraries import LIBRARIES
from bpetk.sp_to_hf import to_hf
from bpetk.sp_tokenizer import SentencePieceTokenizer
from bpetk.targets import loose_rank_table, single_step
from bpetk.tokenizer import Tokenizer
from bpetk.verify import default_reference

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SENTENCE = 100  # characters

PEERS = ("hf", "tiktoken", "gigatoken", "tokie", "tuetoken")
"""The encoders that are compared if none are named."""
PIECE_PEERS = ("sentencepiece", "gigatoken", "hf")
"""The same for a model of SentencePiece."""


@dataclass(frozen=True)
class Ids:
    """What an encoder gave: its ids, the number of ids of each row, and a hash of both."""

    ids: NDArray[np.uint32]
    rows: NDArray[np.int64]
    sha256: str


def run_encode_worker(
    job: EncodeJob, folder: Path, timeout: float | None = None
) -> tuple[dict[str, Any], Path | None]:
    """Run one measurement in a fresh process; return its numbers and the file of ids."""
    return run_process("encode", job, folder, threads=job.threads, suffix=".ids", timeout=timeout)


def make_forms(
    tokenizer: Tokenizer | SentencePieceTokenizer, model: str, options: Mapping[str, Any], folder: Path
) -> Forms:
    """Write the tokenizer in every form that an encoder may want, as far as there is one."""
    if isinstance(tokenizer, SentencePieceTokenizer):
        return _forms_of_pieces(tokenizer, model, options, folder)
    definition, refused = tokenizer.definition, dict[str, str]()
    hf = ranks = rank_file = None
    if definition.format == "hf" and definition.source:
        hf = os.path.abspath(definition.source)
    else:
        try:
            text = json.dumps(to_tokenizer_json(definition), ensure_ascii=False)
            (folder / "tokenizer.json").write_text(text, encoding="utf-8")
            hf = str(folder / "tokenizer.json")
        except ConfigError as error:
            refused["hf"] = str(error)
    try:
        ranks = _write_ranks(definition, folder)
    except ModelFileError as error:
        refused["ranks"] = str(error)
    if definition.format == "tiktoken" and definition.source:
        ids = set(definition.model.tokens)
        if ids == set(range(len(ids))):  # gigatoken, which alone reads it, wants no holes
            rank_file = os.path.abspath(definition.source)
    scheme = definition.model.scheme.name
    return Forms(os.path.abspath(model), dict(options), hf, ranks, rank_file, scheme, refused=refused)


def _forms_of_pieces(
    tokenizer: SentencePieceTokenizer, model: str, options: Mapping[str, Any], folder: Path
) -> Forms:
    """Write a model of SentencePiece, and as tokenizer.json where that is the same."""
    (folder / "tokenizer.model").write_bytes(tokenizer.to_bytes())
    refused, hf = {"ranks": "it cannot load a model of SentencePiece"}, None
    try:
        if tokenizer.model.normalizer.precompiled:
            name = tokenizer.model.normalizer.name
            raise ModelFileError(
                f"in tokenizer.json the normalization rules {name!r} would do something else"
            )
        form = to_hf(tokenizer.model)
    except ModelFileError as error:
        refused["hf"] = str(error)
    else:
        (folder / "tokenizer.json").write_text(
            json.dumps(form.tokenizer, ensure_ascii=False), encoding="utf-8"
        )
        hf = str(folder / "tokenizer.json")
    sp = str(folder / "tokenizer.model")
    return Forms(os.path.abspath(model), dict(options), hf, sp=sp, refused=refused)


def _write_ranks(definition: Definition, folder: Path) -> str:
    """Write a rank file, and beside it what else tiktoken is to be told; return the name of the latter."""
    table = loose_rank_table(definition)
    (folder / "model.tiktoken").write_bytes(table.to_file())
    normalizer = single_step(definition.sections.normalizer)
    parts = {
        "rank_file": str(folder / "model.tiktoken"),
        "pat_str": table.pattern,
        "special_tokens": dict(table.special_tokens),
        "normalizer": normalizer and normalizer.get("type"),
    }
    target = folder / "ranks.json"
    target.write_text(json.dumps(parts), encoding="utf-8")
    return str(target)


def _read_text(names: Sequence[str], encoding: str, limit: int | None) -> str:
    """Read files as one text, of no more than so many bytes; a file without a line feed at its end gets one."""
    parts, size = list[str](), 0
    for name in names:
        if limit is not None and size > limit:
            break
        if parts and not parts[-1].endswith("\n"):
            parts.append("\n")
        for _, batch in text_batches(name, encoding=encoding):
            parts += batch
            size += sum(map(len, batch))
            if limit is not None and size > limit:
                break
    data = "".join(parts).encode()
    if limit is not None and limit < len(data):
        data = data[: data.rfind(b"\n", 0, limit) + 1 or limit]
    return data.decode("utf-8", "ignore")  # the limit may cut a character


def _take_text(paths: PathInput, text: str, target: Path, mode: Mode, tokenizer: Tokenizer) -> int:
    """Copy the text that is measured; refuse what not all of the calls encode alike."""
    if mode == "sentence":
        text = text.lstrip()[:SENTENCE]
    if not text:
        raise CorpusError(f"{paths}: no text to encode")
    special = sorted(tokenizer.special_tokens, key=len, reverse=True)
    if special and (found := re.search("|".join(map(re.escape, special)), text)):
        raise CorpusError(
            f"{paths}: the text holds the special token {found.group()!r} at character {found.start():,}; the fastest "
            "calls of some encoders take it for text, so a benchmark needs text without: remove it first"
        )
    return target.write_bytes(text.encode("utf-8"))


def compare_ids(tokenizer: Tokenizer, right: Ids, found: Ids, what: str) -> str | None:
    """Say where ids first differ from the right ones, or None if they are equal."""
    if found.sha256 == right.sha256:
        return None
    at = first_unequal(right.ids.tolist(), found.ids.tolist())
    if at == len(right.ids) == len(found.ids):
        return f"the ids of {what}, in other rows"

    def show(ids: NDArray[np.uint32]) -> str:
        if at >= len(ids):
            return "no more"
        try:
            return f"{ids[at]} {readable(tokenizer.id_to_bytes(int(ids[at])))}"
        except UnknownTokenError:
            return str(ids[at])

    return (
        f"id {at:,} (the first is 0): {what} has {show(right.ids)}, this encoder {show(found.ids)}; "
        f"{len(right.ids):,} and {len(found.ids):,} ids in all"
    )


def _read_ids(path: Path | None, sha256: str) -> Ids:
    import numpy as np

    assert path is not None
    with open(path, "rb") as file:
        return Ids(np.load(file), np.load(file), sha256)


class _Judge:
    """Keeps the right ids, and says of every measurement whether it gave them."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._right: Ids | None = None
        self._what = "bpetk"

    def set_right(self, ids: Ids, what: str) -> None:
        """Take the reference's ids."""
        self._right, self._what = ids, what

    def judge(self, entry: EncodeEntry, measured: EncodeMeasurement, path: Path | None) -> None:
        """Record equality; a failure stays."""
        if self._right is None:
            self.set_right(_read_ids(path, measured.ids_sha256), "bpetk")
        assert self._right is not None
        if entry.equality == "different":
            return
        entry.equality = "equal"
        if measured.ids_sha256 != measured.second_ids_sha256:
            entry.equality = "different"
            entry.problem = f"round {measured.round}: the second pass gave other ids than the first"
        elif measured.ids_sha256 != self._right.sha256:
            entry.equality = "different"
            found = _read_ids(path, measured.ids_sha256)
            entry.problem = (
                f"round {measured.round}: {compare_ids(self._tokenizer, self._right, found, self._what)}"
            )


def run_encode_benchmark(
    model: PathInput,
    path: PathInput,
    *,
    against: Sequence[str] | None = None,
    mode: Mode = "flat",
    threads: int = 1,
    rounds: int = 5,
    limit: int | None = None,
    encoding: str = "utf-8",
    timeout: float | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> EncodeBenchmarkResult:
    """Encode a text with bpetk and its peers in turn, and compare time, memory and ids.

    Parameters
    ----------
    model
        A tokenizer that bpetk loads. Encoders that cannot load it as it is get it in another form, made before the
        measurements; those that cannot have it are skipped.
    path
        Text without special tokens: a file, or a folder or a glob whose files are taken as one text.
    against
        Names of encoders, each optionally with its own number of threads: ``"gigatoken"``, ``"bpetk@2"``. Default:
        `PEERS`, or for a model of SentencePiece `PIECE_PEERS`.
    mode
        ``"flat"``: the text as one document. ``"lists"``: its lines, as Python lists. ``"sentence"``: its first 100
        characters, again and again.
    threads
        For every encoder that has no number of its own; 0 is all cores.
    rounds
        Each round measures every encoder once, and begins with another one.
    limit
        Take no more bytes of the text than this, cut after a line end.
    encoding
        What the files are in; encoders are given UTF-8.
    timeout
        Seconds after which a measurement is given up; that encoder is then left out of later rounds.
    progress
        Called with label, round and None before a measurement, and after it with the measurement, or with the
        reason why there is none.
    options
        As for ``Tokenizer.from_file``: ``format``, ``scheme``, ``pattern``, ``special_tokens``.

    Returns
    -------
    EncodeBenchmarkResult
        Every measurement; medians and ratios come from methods.

    Raises
    ------
    ConfigError
        For an unknown encoder or mode, or a number of rounds below 1.
    CorpusError, CorpusFileError
        If the text cannot be used.
    """
    check_rounds(rounds)
    if mode not in MODES:
        raise ConfigError(f"unknown mode {mode!r}; known are {', '.join(MODES)}")
    corpus, _ = describe_corpus(path)
    tokenizer = Tokenizer.from_file(model, **options)
    text = _read_text([file.path for file in corpus.files], encoding, limit)
    with tempfile.TemporaryDirectory(prefix="bpetk-bench-") as name:
        folder = Path(name)
        size = _take_text(path, text, folder / "text.txt", mode, tokenizer)
        forms = make_forms(tokenizer, os.fspath(model), options, folder)
        entries, skipped = choose(
            (PEERS if forms.sp is None else PIECE_PEERS) if against is None else against,
            ENCODE_PEERS,
            threads or available_cpus(),
            EncodeEntry,
            lambda peer: peer.refuse(mode, forms),
        )
        judge = _Judge(tokenizer)

        job = EncodeJob("", mode, str(folder / "text.txt"), 1, forms)

        def measure(entry: EncodeEntry, turn: int) -> EncodeMeasurement:
            mine = replace(job, peer=entry.peer.name, threads=entry.threads)
            numbers, ids = run_encode_worker(mine, folder, timeout)
            measured = EncodeMeasurement(turn, **numbers)
            entry.measurements.append(measured)
            judge.judge(entry, measured, ids)
            return measured

        reference = _run_reference(tokenizer, job, folder, judge, timeout, progress)
        run_rounds(entries, rounds, measure, progress)
    return EncodeBenchmarkResult(
        os.fspath(model),
        _file_hash(definition_source(tokenizer)),
        tokenizer.vocab_size,
        mode,
        rounds,
        corpus,
        size,
        reference,
        describe_machine(),
        tuple(entries),
        skipped,
    )


def _run_reference(
    tokenizer: Tokenizer,
    job: EncodeJob,
    folder: Path,
    judge: _Judge,
    timeout: float | None,
    progress: Progress | None,
) -> str | None:
    """Get the right ids, before and apart from what is measured; None if the library is not here."""
    name = default_reference(tokenizer)
    peer: EncodePeer = ENCODE_PEERS[name]
    version = peer.installed_version()
    if version is None or peer.refuse(job.mode, job.forms) is not None:
        return None
    label = f"{LIBRARIES[name]} {version}"
    if progress is not None:
        progress(f"ids of {label}", 0, None)
    try:
        numbers, ids = run_encode_worker(replace(job, peer=name), folder, timeout)
    except WorkerError as error:
        raise ConfigError(f"{label}, whose ids are right, cannot encode this text: {error}") from error
    judge.set_right(_read_ids(ids, numbers["ids_sha256"]), label)
    if progress is not None:
        progress(label, 0, EncodeMeasurement(0, **numbers))
    return label


def definition_source(tokenizer: Tokenizer) -> Path | None:
    """Return the file that a tokenizer was read from, if there is one."""
    if isinstance(tokenizer, SentencePieceTokenizer):
        return Path(tokenizer.source) if tokenizer.source else None
    source = tokenizer.definition.source
    return Path(source) if source else None


def _file_hash(path: Path | None) -> str | None:
    return None if path is None else hashlib.sha256(path.read_bytes()).hexdigest()
