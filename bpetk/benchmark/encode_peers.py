"""The encoders that are compared, and the call of each that is timed: the fastest one that gives exact ids.

Three modes. ``flat``: the whole text as one document, ids as an array or what comes nearest to it. ``lists``: the
lines of the text, each with its line feed, as Python lists. ``sentence``: one short text as a list, again and again.
The text holds no special tokens (the harness sees to it), so that calls which do not look for them may be used.

Which call is fastest was measured with Qwen3's tokenizer on 10 MB of English and of Chinese, one thread, cold.
Imports are made before the clock starts, also those that a library leaves to its first call.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bpetk.benchmark.peers import Contender
from bpetk.tokenizer import Tokenizer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Mode = Literal["flat", "lists", "sentence"]
MODES: tuple[Mode, ...] = ("flat", "lists", "sentence")


@dataclass(frozen=True)
class Forms:
    """The tokenizer as files for every encoder; those that cannot be are None, with the reason in ``refused``.

    ``sp`` is a ``.model`` file of SentencePiece; ``hf`` a ``tokenizer.json``; ``ranks`` a JSON file with the arguments
    of ``tiktoken.Encoding``; ``rank_file`` the model itself if it is a ``.tiktoken`` file, ``scheme`` then names its
    scheme.
    """

    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    hf: str | None = None
    ranks: str | None = None
    rank_file: str | None = None
    scheme: str | None = None
    sp: str | None = None
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class EncodeJob:
    """One measurement: an encoder, what it does, and the file with the text."""

    peer: str
    mode: Mode
    text: str
    threads: int
    forms: Forms


@dataclass(frozen=True)
class Text:
    """The text in every form that a call may want, made before the clock starts."""

    data: bytes
    text: str
    lines: list[str]
    path: str

    @classmethod
    def read(cls, path: str, mode: Mode) -> Text:
        """Read it; only what the mode needs is made."""
        data = Path(path).read_bytes()
        text = data.decode("utf-8")
        lines = [line.decode("utf-8") for line in data.splitlines(keepends=True)] if mode == "lists" else []
        return cls(data, text, lines, path)


Call = Callable[[], Any]


@dataclass(frozen=True)
class EncodePeer(Contender):
    """An encoder.

    ``ready`` imports what is needed and returns the call that loads the tokenizer, which is timed; ``call`` gives the
    call that encodes. ``needs`` names the forms of the tokenizer that it loads, one of which is enough, ``only`` the
    modes it has calls for.
    """

    ready: Callable[[EncodeJob], Call]
    call: Callable[[Any, EncodeJob, Text], Call]
    needs: tuple[str, ...] = ("hf",)
    only: tuple[Mode, ...] = MODES

    def refuse(self, mode: Mode, forms: Forms) -> str | None:
        """Say why it cannot take part, or None."""
        if mode not in self.only:
            return f"it has no call for the mode {mode}"
        if any(getattr(forms, need) is not None for need in self.needs):
            return None
        return forms.refused.get(self.needs[-1], "it cannot load a model of this kind")


# --- bpetk ----------------------------------------------------------------------------------------------------------


def _bpetk_ready(job: EncodeJob) -> Call:
    return lambda: Tokenizer.from_file(job.forms.model, **job.forms.options)


def _bpetk(tok: Tokenizer, job: EncodeJob, text: Text) -> Call:
    """``encode_to_numpy`` on the bytes; lines with ``encode_batch``; a sentence with ``encode_ordinary``."""
    policy: dict[str, Any] = {"disallowed_special": ()}
    if job.mode == "sentence":
        return lambda: tok.encode_ordinary(text.text)
    if job.mode == "lists":
        return lambda: tok.encode_batch(text.lines, threads=job.threads, **policy)
    return lambda: tok.encode_to_numpy(text.data, threads=job.threads, **policy)


# --- the references -------------------------------------------------------------------------------------------------


def _hf_ready(job: EncodeJob) -> Call:
    library = import_module("tokenizers")

    def load() -> Any:
        tokenizer = library.Tokenizer.from_file(job.forms.hf)
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    return load


def _hf(tok: Any, job: EncodeJob, text: Text) -> Call:
    """``encode_batch_fast``, which leaves out offsets: 3.3 MB/s in English, ``encode`` 2.3; also for one sentence."""
    if job.mode == "lists":
        return lambda: [item.ids for item in tok.encode_batch_fast(text.lines, add_special_tokens=False)]
    return lambda: tok.encode_batch_fast([text.text], add_special_tokens=False)[0].ids


def _tiktoken_ready(job: EncodeJob) -> Call:
    tiktoken = import_module("tiktoken")
    base64 = import_module("base64")
    assert job.forms.ranks is not None
    parts = json.loads(Path(job.forms.ranks).read_bytes())

    def load() -> Any:
        # As its own loader, without the copy that this keeps of a file.
        lines = Path(parts["rank_file"]).read_bytes().splitlines()
        ranks = {base64.b64decode(token): int(rank) for token, rank in map(bytes.split, lines)}
        encoding = tiktoken.Encoding(
            "model", pat_str=parts["pat_str"], mergeable_ranks=ranks, special_tokens=parts["special_tokens"]
        )
        return encoding, parts["normalizer"]

    return load


def _tiktoken(loaded: Any, job: EncodeJob, text: Text) -> Call:
    """``encode_ordinary``: twice as fast as ``encode``, and as ``encode_to_numpy``, which look for special tokens.

    Lines: its batch call starts a task for each text and is slower by half on one thread, so that it is used on
    several only. For a model with the normalizer NFC the text is normalized first, as Qwen's own code does.
    """
    encoding, normalizer = loaded
    if normalizer == "NFC":
        normalize = import_module("unicodedata").normalize
        if job.mode == "lists":
            return lambda: [encoding.encode_ordinary(normalize("NFC", line)) for line in text.lines]
        return lambda: encoding.encode_ordinary(normalize("NFC", text.text))
    if job.mode == "lists" and job.threads > 1:
        return lambda: encoding.encode_ordinary_batch(text.lines, num_threads=job.threads)
    if job.mode == "lists":
        return lambda: [encoding.encode_ordinary(line) for line in text.lines]
    return lambda: encoding.encode_ordinary(text.text)


def _sentencepiece_ready(job: EncodeJob) -> Call:
    library = import_module("sentencepiece")
    return lambda: library.SentencePieceProcessor(model_file=job.forms.sp)


def _sentencepiece(tok: Any, job: EncodeJob, text: Text) -> Call:
    """``encode`` into an array: 1.5 MB of Chinese in 0.13 s, as a list in 0.16; the same for English.

    It takes one thread for a text. Lines: its call for lists; a sentence as a list.
    """
    if job.mode == "sentence":
        return lambda: tok.encode(text.text, out_type=int)
    if job.mode == "lists":
        return lambda: tok.encode(text.lines, out_type=int, num_threads=job.threads)
    return lambda: tok.encode(text.text, return_type="numpy")


# --- others ---------------------------------------------------------------------------------------------------------

# Its names for splitters of rank files.
_GIGATOKEN_SCHEMES = {
    "gpt2": "gpt2",
    "cl100k": "cl100k",
    "cl100k_tiktoken": "cl100k",
    "qwen2": "qwen2",
    "o200k": "o200k",
    "qwen3_5": "qwen35",
    "deepseek_v3": "deepseek_v3",
    "kimi_k2": "kimi",
}


def _gigatoken_ready(job: EncodeJob) -> Call:
    gigatoken, forms = import_module("gigatoken"), job.forms
    import_module("awkward")  # it does so itself, 0.1 s, in the first call that returns a batch
    if forms.sp is not None:
        return lambda: gigatoken.Tokenizer.from_sentencepiece(forms.sp)
    scheme = _GIGATOKEN_SCHEMES.get(forms.scheme or "")
    if forms.rank_file is not None and scheme is not None:
        special = forms.options.get("special_tokens")
        return lambda: gigatoken.Tokenizer.from_tiktoken(forms.rank_file, scheme, special)
    return lambda: gigatoken.Tokenizer(forms.hf)


def _gigatoken(tok: Any, job: EncodeJob, text: Text) -> Call:
    """``encode`` on the bytes: cold 290 MB/s in English and 28 in Chinese.

    ``encode_batch(BytesSource)`` and ``encode_files`` give 120-150 and 25 there, and the same in a second pass.
    ``encode`` is one thread, so that on several threads it is ``encode_batch(BytesSource)``. Lists:
    ``encode_batch_list``. A sentence: ``encode`` and ``tolist``, half the time of ``encode_batch_list``.
    """
    if job.mode == "sentence":
        return lambda: tok.encode(text.text).tolist()
    if job.mode == "lists":
        return lambda: tok.encode_batch_list(text.lines, parallel=job.threads > 1)
    if job.threads == 1:
        return lambda: tok.encode(text.data)
    source = import_module("gigatoken").BytesSource(text.data)
    return lambda: tok.encode_batch(source, parallel=True)


def _gigatoken_batch(tok: Any, job: EncodeJob, text: Text) -> Call:
    """``encode_batch(BytesSource)``, the call for large data that its documentation shows."""
    source = import_module("gigatoken").BytesSource(text.data)
    return lambda: tok.encode_batch(source, parallel=job.threads > 1)


def _tokie_ready(job: EncodeJob) -> Call:
    library = import_module("tokie")
    return lambda: library.Tokenizer.from_json(job.forms.hf)


def _tokie(tok: Any, job: EncodeJob, text: Text) -> Call:
    """``encode``: cold 125 MB/s in English, 34 in Chinese (``encode_files`` 90 and 20, and 140-170 in a second pass).

    ``encode_bytes`` is faster on short texts, but leaves out the normalizer and so gives other ids.
    """
    if job.mode == "lists":
        return lambda: [item.ids for item in tok.encode_batch(text.lines, add_special_tokens=False)]
    return lambda: tok.encode(text.text, add_special_tokens=False).ids


def _tokie_files(tok: Any, job: EncodeJob, text: Text) -> Call:
    """``encode_files``, which reads the file itself and gives an array."""
    return lambda: tok.encode_files([text.path], separator=b"\x00\x01no separator\x01\x00")[0]


def _tuetoken_ready(job: EncodeJob) -> Call:
    library = import_module("tuetoken")
    return lambda: library.Tokenizer(job.forms.hf)


def _tuetoken(tok: Any, job: EncodeJob, text: Text) -> Call:
    """``encode_to_bytes``: 51 MB/s in English, 14 in Chinese, as good as its other calls; lines with its batch call."""
    if job.mode == "sentence":
        return lambda: tok.encode_ordinary(text.text)
    if job.mode == "lists":
        return lambda: tok.encode_ordinary_batch(text.lines, num_threads=job.threads)
    return lambda: tok.encode_to_bytes(text.text)


ENCODE_PEERS: dict[str, EncodePeer] = {
    peer.name: peer
    for peer in (
        EncodePeer("bpetk", "bpetk", True, "", _bpetk_ready, _bpetk, ("model",)),
        EncodePeer("hf", "tokenizers", True, "", _hf_ready, _hf),
        EncodePeer("tiktoken", "tiktoken", True, "", _tiktoken_ready, _tiktoken, ("ranks",)),
        EncodePeer("sentencepiece", "sentencepiece", True, "", _sentencepiece_ready, _sentencepiece, ("sp",)),
        EncodePeer("gigatoken", "gigatoken", True, "", _gigatoken_ready, _gigatoken, ("sp", "hf")),
        EncodePeer(
            "gigatoken_batch",
            "gigatoken",
            True,
            "",
            _gigatoken_ready,
            _gigatoken_batch,
            ("sp", "hf"),
            ("flat",),
        ),
        EncodePeer("tokie", "tokie", True, "", _tokie_ready, _tokie),
        EncodePeer("tokie_files", "tokie", True, "", _tokie_ready, _tokie_files, only=("flat",)),
        EncodePeer("tuetoken", "tuetoken", True, "", _tuetoken_ready, _tuetoken),
    )
}


def flat_ids(result: Any) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Bring what a call returned to one form: all ids, and the number of ids of each row.

    Examples
    --------
    >>> [part.tolist() for part in flat_ids([[1, 2], [], [3]])]
    [[1, 2, 3], [2, 0, 1]]
    >>> [part.tolist() for part in flat_ids([1, 2])]
    [[1, 2], [2]]
    """
    import numpy as np

    if isinstance(result, bytes):
        result = np.frombuffer(result, np.uint32)
    elif type(result).__module__.partition(".")[0] == "awkward":
        result = np.asarray(import_module("awkward").flatten(result))
    if isinstance(result, list) and result and isinstance(result[0], list):
        lengths = np.array([len(row) for row in result], np.int64)
        return np.array([id for row in result for id in row], np.uint32), lengths
    ids = np.asarray(result, np.uint32)
    return ids, np.array([len(ids)], np.int64)
