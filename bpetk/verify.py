"""Equality checks against the reference libraries: train with both, compare what was learned, in order."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

from bpetk.alphabet import from_byte_level
from bpetk.api import train
from bpetk.corpus import native_encoding, resolve
from bpetk.errors import ConfigError, MissingDependencyError
from bpetk.interop.huggingface import to_tokenizer_json
from bpetk.pretokenizers import Scheme, custom_scheme, get_scheme
from bpetk.readable import readable, readable_pair

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.trainers import BpeTrainer

REFERENCES = ("hf",)


@dataclass(frozen=True)
class VerifyResult:
    """Outcome of a comparison.

    ``compared`` is the number of merges found equal, ``first_difference`` one line for people, or None.
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
) -> tuple[Tokenizer, BpeTrainer]:
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
    against: Literal["hf"] = "hf",
    scheme: str = "cl100k",
    pattern: str | None = None,
    special_tokens: Sequence[str] = (),
    min_frequency: int = 0,
    max_token_length: int | None = None,
    alphabet: Literal["bytes", "observed"] = "bytes",
    encoding: str = "utf-8",
    threads: int = 0,
) -> VerifyResult:
    r"""Train with bpetk and with a reference library on the same text, and compare what they learned.

    Parameters
    ----------
    paths
        Files, folders or globs, as in ``bpetk.train``; standard input cannot be used, since it is read twice.
    vocab_size, scheme, pattern, special_tokens, min_frequency, max_token_length, alphabet, encoding, threads
        As in ``bpetk.train``. The reference takes its number of threads from its own environment variable
        ``RAYON_NUM_THREADS``.
    against
        ``"hf"``: `tokenizers`' ``BpeTrainer``. It counts pairs in 32 bits, so on text with more than 2**31
        or more of one pair it is the reference that is wrong.

    Returns
    -------
    VerifyResult
        Whether merges, vocabulary and added tokens are equal, in order, and the first difference.

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
    if against not in REFERENCES:
        raise ConfigError(f"unknown reference {against!r}; known are {', '.join(REFERENCES)}")
    files = resolve(paths)
    for source in files:
        if source.size is None:
            raise ConfigError(
                f"{source.name!r} can be read only once, and the text is needed twice: save it to a file"
            )
    options: dict[str, Any] = {
        "special_tokens": tuple(special_tokens),
        "min_frequency": min_frequency,
        "max_token_length": max_token_length,
        "alphabet": alphabet,
    }
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


def _lines(names: Sequence[str], encoding: str) -> Iterator[str]:
    """Give the lines of files in an encoding other than UTF-8, which the reference cannot read by itself."""
    for name in names:
        with open(name, encoding=encoding, newline="\n") as file:
            yield from file
