"""Options that the verbs share, and how they become arguments of the library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from bpetk.pretokenizers import SCHEMES

Command = TypeVar("Command", bound=Callable[..., Any])

FILES = click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILE|DIR|GLOB|-...",
    type=click.Path(readable=False, allow_dash=True),
)
VOCAB = click.option(
    "--vocab",
    "vocab_size",
    type=click.IntRange(min=1),
    required=True,
    metavar="N",
    help="Size of the vocabulary, special tokens and the 256 bytes included.",
)
THREADS = click.option(
    "-j",
    "--threads",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Threads; 0, the default, is all cores.",
)


def scheme_option(default: str) -> Callable[[Command], Command]:
    """Make ``--scheme`` with a default of its own (``bench`` needs one that every peer knows)."""
    return click.option(
        "--scheme",
        type=click.Choice(list(SCHEMES)),
        default=None,
        metavar="NAME",
        help=f"How text is cut: {', '.join(SCHEMES)}. Default: {default}.",
    )


_TRAINING = [
    FILES,
    VOCAB,
    scheme_option("cl100k"),
    click.option(
        "--pattern", metavar="RE", help="A pattern of your own (Oniguruma syntax) in place of a scheme; slow."
    ),
    click.option(
        "--special", multiple=True, metavar="TOKEN", help="A special token; may be repeated, order is kept."
    ),
    click.option(
        "--min-frequency",
        type=click.IntRange(min=0),
        default=0,
        metavar="K",
        help="Stop at pairs rarer than this.",
    ),
    click.option(
        "--max-token-length",
        type=click.IntRange(min=1),
        metavar="L",
        help="As in tokenizers: a token is shorter than this many bytes (pairs of bytes always may merge).",
    ),
    click.option(
        "--alphabet",
        type=click.Choice(["bytes", "observed"]),
        default="bytes",
        show_default=True,
        help="All 256 bytes, so that any text can be encoded, or only those in the corpus.",
    ),
    click.option(
        "--encoding",
        default="utf-8",
        show_default=True,
        metavar="NAME",
        help="Encoding of the files, gb18030 say.",
    ),
    THREADS,
]


def training_options(command: Command) -> Command:
    """Add the options that ``train`` and ``verify train`` share."""
    for option in reversed(_TRAINING):
        command = option(command)
    return command


def training_arguments(
    *, scheme: str | None, pattern: str | None, special: tuple[str, ...], **plain: Any
) -> dict[str, Any]:
    """Turn option values into keyword arguments of ``bpetk.train``."""
    if scheme is not None and pattern is not None:
        raise click.UsageError("--scheme and --pattern exclude each other: give one of them.")
    rule = {"pattern": pattern} if pattern is not None else {"scheme": scheme or "cl100k"}
    return {**plain, **rule, "special_tokens": special}
