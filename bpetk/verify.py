"""Equality checks against the reference libraries: train or encode with both, compare the results in order."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

from bpetk.alphabet import from_byte_level
from bpetk.api import train
from bpetk.corpus import native_encoding, resolve
from bpetk.errors import ConfigError, CorpusError, MissingDependencyError, UnknownTokenError
from bpetk.interop.huggingface import to_tokenizer_json
from bpetk.pretokenizers import Scheme, custom_scheme, get_scheme
from bpetk.probe import first_unequal, text_batches
from bpetk.readable import readable, readable_pair
from bpetk.reference_libraries import RANK_FORMATS, Reference, load_reference
from bpetk.report import BYTE_LEVEL, SENTENCEPIECE, Algorithm
from bpetk.sp_tokenizer import SentencePieceTokenizer
from bpetk.tokenizer import Tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer as HfTokenizer
    from tokenizers.trainers import BpeTrainer

    from bpetk.sp_verify_encode import TextDifference

REFERENCES = ("hf", "sentencepiece")
_AROUND = 5  # tokens shown before and after a difference


@dataclass(frozen=True)
class VerifyResult:
    """Outcome of a comparison.

    ``compared`` is the number of merges found equal, for SentencePiece of pieces; ``first_difference`` one line for
    people, or None.
    """

    identical: bool
    compared: int
    vocab_size: int
    first_difference: str | None
    ours: str
    theirs: str


def hf_pipeline(
    scheme: Scheme,
    vocab_size: int,
    *,
    special_tokens: Sequence[str] = (),
    min_frequency: int = 0,
    max_token_length: int | None = None,
    alphabet: str = "bytes",
) -> tuple[HfTokenizer, BpeTrainer]:
    """Configure a `tokenizers` tokenizer and trainer to do what ``bpetk.train`` does.

    Parameters
    ----------
    scheme
        The pre-tokenizer; its ``to_hf()`` is what the library is given.
    vocab_size, special_tokens, min_frequency, max_token_length, alphabet
        As in ``bpetk.train``.

    Raises
    ------
    MissingDependencyError
        If `tokenizers` is not installed.

    Examples
    --------
    >>> tokenizer, trainer = hf_pipeline(get_scheme("cl100k"), 300)
    >>> tokenizer.train_from_iterator(["the theme, the thesis"], trainer)
    >>> tokenizer.encode("the").tokens
    ['the']
    """
    try:
        from tokenizers import Tokenizer
        from tokenizers.pre_tokenizers import ByteLevel
        from tokenizers.trainers import BpeTrainer
    except ImportError as error:
        raise MissingDependencyError(
            "comparing with Hugging Face needs the package 'tokenizers', which is not installed: "
            "pip install 'bpetk[verify]'"
        ) from error
    # A tokenizer is made from JSON, so that what we write into tokenizer.json is also what is checked.
    model = {"type": "BPE", "vocab": {}, "merges": []}
    parts = {"version": "1.0", "added_tokens": [], "pre_tokenizer": scheme.to_hf(), "model": model}
    tokenizer = Tokenizer.from_str(json.dumps(parts))
    trainer = BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        show_progress=False,
        special_tokens=list(special_tokens),
        initial_alphabet=ByteLevel.alphabet() if alphabet == "bytes" else [],
        max_token_length=max_token_length,
    )
    return tokenizer, trainer


def _show(token: str) -> str:
    try:
        return readable(from_byte_level(token))
    except ValueError:  # a special token is plain text
        return readable(token.encode())


def _show_pair(pair: Sequence[str]) -> str:
    try:
        return readable_pair(from_byte_level(pair[0]), from_byte_level(pair[1]))
    except ValueError:
        return f"{_show(pair[0])} + {_show(pair[1])}"


def _by_id(model: Mapping[str, Any]) -> list[tuple[int, str]]:
    return sorted((token_id, token) for token, token_id in model["vocab"].items())


def equal_merges(ours: Sequence[Any], theirs: Sequence[Any]) -> int:
    """Count the merges that are equal from the first on."""
    pairs = zip(ours, theirs, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if tuple(a) != tuple(b)), min(len(ours), len(theirs)))


def first_difference(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str | None:
    """Find the first difference of two ``tokenizer.json`` objects in merges, vocabulary or added tokens.

    Parameters
    ----------
    ours, theirs
        The parsed files; of bpetk and of the reference.

    Returns
    -------
    str or None
        What differs, merges before ids before added tokens; None if nothing does.
    """
    a, b = ours["model"]["merges"], theirs["model"]["merges"]
    same = equal_merges(a, b)
    if same < max(len(a), len(b)):
        if same == min(len(a), len(b)):
            who, longer = ("bpetk", a) if len(a) > len(b) else ("the reference", b)
            return (
                f"bpetk learned {len(a):,} merges, the reference {len(b):,}; the first {same:,} are equal, "
                f"then {who} goes on with {_show_pair(longer[same])}"
            )
        our_pair, their_pair = _show_pair(a[same]), _show_pair(b[same])
        return f"merge {same:,} (the first is 0): bpetk has {our_pair}, the reference {their_pair}"
    left, right = _by_id(ours["model"]), _by_id(theirs["model"])
    for (our_id, our), (their_id, their) in zip(left, right, strict=False):
        if (our_id, our) != (their_id, their):
            return (
                f"vocabulary: bpetk has id {our_id} = {_show(our)}, the reference {their_id} = {_show(their)}"
            )
    if len(left) != len(right):
        return f"vocabulary: bpetk has {len(left):,} entries, the reference {len(right):,}"
    if ours["added_tokens"] != theirs["added_tokens"]:
        return f"added tokens: bpetk has {ours['added_tokens']}, the reference {theirs['added_tokens']}"
    return None


def verify_train(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    vocab_size: int,
    *,
    against: Literal["hf", "sentencepiece"] | None = None,
    algorithm: Algorithm | None = None,
    scheme: str | None = None,
    pattern: str | None = None,
    special_tokens: Sequence[str] = (),
    min_frequency: int = 0,
    max_token_length: int | None = None,
    alphabet: Literal["bytes", "observed"] = "bytes",
    encoding: str = "utf-8",
    threads: int = 0,
    **sentencepiece_options: Any,
) -> VerifyResult:
    r"""Train with bpetk and with a reference library on the same text, and compare what they learned.

    Parameters
    ----------
    paths
        Files, folders or globs, as in ``bpetk.train``; standard input cannot be used, since it is read twice.
    vocab_size, encoding, threads, **sentencepiece_options
    algorithm, scheme, pattern, special_tokens, min_frequency, max_token_length, alphabet
        As in ``bpetk.train``. The reference takes its number of threads from its own environment variable
        ``RAYON_NUM_THREADS``.
    against
        ``"hf"``: `tokenizers`' ``BpeTrainer``. It counts pairs in 32 bits, so on text with more than 2**31
        or more of one pair it is the reference that is wrong. ``"sentencepiece"``: its trainer, for
        ``"sentencepiece-bpe"``. Default: as the algorithm says, and the other way round.

    Returns
    -------
    VerifyResult
        Whether merges, vocabulary and added tokens are equal, in order (for SentencePiece, whether both files are
        equal byte for byte), and the first difference.

    Raises
    ------
    MissingDependencyError
        If the reference library is not installed.
    ConfigError
        For an unknown reference, standard input, and whatever ``bpetk.train`` refuses.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> text = pathlib.Path(tempfile.mkdtemp(), "corpus.txt")
    >>> _ = text.write_text("low lower lowest, new newer newest\n" * 3)
    >>> verify_train(text, 270).identical
    True
    """
    is_sentencepiece = _is_sentencepiece(against, algorithm)
    files = resolve(paths)
    for source in files:
        if source.size is None:
            raise ConfigError(
                f"{source.name!r} can be read only once, and the text is needed twice: save it to a file"
            )
    if is_sentencepiece:
        byte_level = {
            "scheme": scheme,
            "pattern": pattern,
            "special_tokens": special_tokens,
            "min_frequency": min_frequency,
            "max_token_length": max_token_length,
            "alphabet": alphabet,
        }
        values = {"encoding": encoding, "threads": threads, **byte_level, **sentencepiece_options}
        return _verify_sentencepiece([source.name for source in files], vocab_size, values)
    if sentencepiece_options:
        name = next(iter(sentencepiece_options))
        raise TypeError(f"verify_train() got an unexpected keyword argument {name!r}")
    options: dict[str, Any] = {
        "special_tokens": tuple(special_tokens),
        "min_frequency": min_frequency,
        "max_token_length": max_token_length,
        "alphabet": alphabet,
    }
    scheme = scheme or "cl100k"
    rule = get_scheme(scheme) if pattern is None else custom_scheme(pattern)
    reference, trainer = hf_pipeline(rule, vocab_size, **options)
    names = [source.name for source in files]
    ours = train(
        names, vocab_size, scheme=scheme, pattern=pattern, encoding=encoding, threads=threads, **options
    )
    if native_encoding(encoding):
        reference.train(names, trainer)
    else:
        reference.train_from_iterator(_lines(names, encoding), trainer)
    our_file, their_file = to_tokenizer_json(ours.model), json.loads(reference.to_str())
    difference = first_difference(our_file, their_file)
    return VerifyResult(
        identical=difference is None,
        compared=equal_merges(our_file["model"]["merges"], their_file["model"]["merges"]),
        vocab_size=ours.vocab_size,
        first_difference=difference,
        ours=f"bpetk {version('bpetk')}",
        theirs=f"tokenizers {version('tokenizers')}",
    )


def _is_sentencepiece(against: str | None, algorithm: str | None) -> bool:
    """Whether it is SentencePiece's trainer that is compared with; refuse a reference that trains otherwise."""
    if against is not None and against not in REFERENCES:
        raise ConfigError(f"unknown reference {against!r}; known are {', '.join(REFERENCES)}")
    if algorithm not in (None, BYTE_LEVEL, SENTENCEPIECE):
        raise ConfigError(f"algorithm must be {BYTE_LEVEL!r} or {SENTENCEPIECE!r}, got {algorithm!r}")
    if against is None:
        return algorithm == SENTENCEPIECE
    if algorithm is not None and (against == "sentencepiece") != (algorithm == SENTENCEPIECE):
        raise ConfigError(f"{against!r} does not train {algorithm!r}: leave one of the two out")
    return against == "sentencepiece"


def _verify_sentencepiece(names: Sequence[str], vocab_size: int, options: dict[str, Any]) -> VerifyResult:
    from bpetk import sp_verify

    model, difference, same = sp_verify.train_both(names, vocab_size, options)
    ours, theirs = sp_verify.versions()
    return VerifyResult(difference is None, same, model.vocab_size, difference, ours, theirs)


def _lines(names: Sequence[str], encoding: str) -> Iterator[str]:
    """Give the lines of files in an encoding other than UTF-8, which the reference cannot read by itself."""
    for name in names:
        with open(name, encoding=encoding, newline="\n") as file:
            yield from file


@dataclass(frozen=True)
class EncodeDifference:
    """The first text that two libraries encode differently.

    ``line`` is None if the file was encoded as a whole; ``at`` is the number of ids that are equal before the first
    that is not, ``near`` the text around it. The ids are those around that place, each with its token for people.
    With a model of SentencePiece ``what`` may also be ``"pieces"``, ``"offsets"`` or ``"decoded text"``, if the ids are
    equal: then ``at`` and the others are about these, with -1 as the id of text.
    """

    file: str
    line: int | None
    at: int
    near: str
    ours: tuple[tuple[int, str], ...]
    theirs: tuple[tuple[int, str], ...]
    what: str = "ids"


@dataclass(frozen=True)
class EncodeVerifyResult:
    """Outcome of a comparison of ids: how much was compared, and the first difference if there is one.

    ``reference`` says which files the reference read, and where its pattern comes from: ranks do not say how text is
    cut, so a pattern that was given to both is not proved to be the model's.
    """

    identical: bool
    texts: int
    tokens: int
    bytes: int
    difference: EncodeDifference | None
    ours: str
    theirs: str
    reference: str = ""


def default_reference(tokenizer: Tokenizer | SentencePieceTokenizer) -> str:
    """Name the library that a tokenizer's files are made for."""
    if isinstance(tokenizer, SentencePieceTokenizer):
        return "sentencepiece"
    return "tiktoken" if tokenizer.definition.kind in RANK_FORMATS else "hf"


def verify_encode(
    tokenizer: Tokenizer | SentencePieceTokenizer,
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    against: str | None = None,
    pattern: str | None = None,
    whole: bool = False,
    encoding: str = "utf-8",
    threads: int = 0,
    progress: Callable[[int], None] | None = None,
) -> EncodeVerifyResult:
    r"""Encode text with bpetk and with a reference library, and compare the ids of every line.

    Special tokens in the text are encoded as such by both, and none are added. With a model of SentencePiece all text
    is ordinary, and pieces, offsets and the text of the ids are compared too.

    Parameters
    ----------
    tokenizer
        A tokenizer that was loaded from files; the reference reads the same files.
    paths
        Files of text.
    against
        ``"hf"``: the package `tokenizers`; ``"tiktoken"``: an encoding with the model's ranks, pattern and special
        tokens; ``"sentencepiece"``: that library, for its models. Default: what the files are made for.
    pattern
        The pattern that ranks were loaded with, for tiktoken, if it is not that of a named scheme.
    whole
        Compare every file as one text. By default each line is one, its line feed included.
    encoding
        What the files are in.
    threads
        For bpetk; the reference has its own settings.
    progress
        Called with the number of bytes compared so far.

    Returns
    -------
    EncodeVerifyResult
        ``difference`` is the first one.

    Raises
    ------
    MissingDependencyError
        If the reference library is not installed.
    ConfigError
        If the reference cannot load a tokenizer of this kind.
    CorpusFileError, InvalidEncodingError
        If a file cannot be read or is not in this encoding.
    CorpusError
        If there is no text.

    Examples
    --------
    >>> import bpetk, pathlib, tempfile
    >>> text = pathlib.Path(tempfile.mkdtemp(), "corpus.txt")
    >>> _ = text.write_text("low lower lowest\n" * 3)
    >>> tok = bpetk.train(text, 260)
    >>> result = verify_encode(tok, text)
    >>> result.identical, result.texts, result.tokens
    (True, 3, 21)
    """
    against = against or default_reference(tokenizer)
    compared = _comparison(tokenizer, against, pattern, threads)
    reference = compared.reference
    names = [os.fspath(path) for path in ([paths] if isinstance(paths, str | os.PathLike) else paths)]
    texts = tokens = size = 0
    found: EncodeDifference | None = None
    for name in names:
        for first, batch in text_batches(name, whole=whole, encoding=encoding):
            for at, (count, tell) in enumerate(compared.run(batch)):
                if tell is not None:
                    found = tell(name, None if whole else first + at)
                    break
                texts, tokens, size = texts + 1, tokens + count, size + len(batch[at].encode())
            if found is not None:
                break
            if progress is not None:
                progress(size)
        if found is not None:
            break
    if found is None and not size:
        empty = "is" if len(names) == 1 else "are"
        raise CorpusError(f"no text: nothing was compared, {', '.join(names[:3])} {empty} empty")
    ours_name = f"bpetk {version('bpetk')}"
    return EncodeVerifyResult(
        found is None, texts, tokens, size, found, ours_name, reference.name, reference.made_of
    )


_Tell = Callable[[str, int | None], EncodeDifference]


@dataclass(frozen=True)
class _Comparison:
    """Compares texts; ``run`` gives the number of ids of each, and what tells the difference if there is one."""

    reference: Reference
    run: Callable[[list[str]], Iterator[tuple[int, _Tell | None]]]


def _comparison(
    tokenizer: Tokenizer | SentencePieceTokenizer, against: str, pattern: str | None, threads: int
) -> _Comparison:
    if isinstance(tokenizer, SentencePieceTokenizer):
        return _comparison_of_pieces(tokenizer, against, threads)
    reference = load_reference(tokenizer.definition, against, pattern=pattern)

    def run(batch: list[str]) -> Iterator[tuple[int, _Tell | None]]:
        ours = tokenizer.encode_batch(batch, threads=threads, allowed_special="all")
        for text, a, b in zip(batch, ours, reference.encode_batch(batch), strict=True):
            same = list(a) == list(b)
            yield len(a), None if same else partial(_describe, tokenizer, reference, text, a, b)

    return _Comparison(reference, run)


def _comparison_of_pieces(tokenizer: SentencePieceTokenizer, against: str, threads: int) -> _Comparison:
    from bpetk import sp_verify_encode

    library = sp_verify_encode.load_library(tokenizer, against)

    def run(batch: list[str]) -> Iterator[tuple[int, _Tell | None]]:
        ours = tokenizer.encode_batch(batch, threads=threads)
        for text, a, b in zip(batch, ours, library.encode_batch(batch), strict=True):
            difference = sp_verify_encode.compare_text(tokenizer, library, text, (a, b))
            yield len(a), None if difference is None else partial(_of_pieces, difference)

    return _Comparison(library, run)


def _of_pieces(difference: TextDifference, name: str, line: int | None) -> EncodeDifference:
    return EncodeDifference(name, line, **vars(difference))


def _describe(
    tokenizer: Tokenizer,
    reference: Reference,
    text: str,
    ours: Sequence[int],
    theirs: Sequence[int],
    name: str,
    line: int | None,
) -> EncodeDifference:
    at = first_unequal(ours, theirs)
    # Where that is in the text: to the character if the tokenizer keeps the text as it is, else near it.
    start = len(tokenizer.decode_bytes(ours[:at]).decode("utf-8", "ignore"))
    near = text[max(0, start - 20) : start + 40]

    def show(ids: Sequence[int]) -> tuple[tuple[int, str], ...]:
        return tuple((id, _token(tokenizer, id)) for id in ids[max(0, at - _AROUND) : at + _AROUND])

    return EncodeDifference(name, line, at, near, show(ours), show(theirs))


def _token(tokenizer: Tokenizer, id: int) -> str:
    try:
        return readable(tokenizer.id_to_bytes(id))
    except UnknownTokenError:
        return "not in the vocabulary"
