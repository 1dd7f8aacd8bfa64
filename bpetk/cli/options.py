"""Options that the verbs share, and how they become arguments of the library."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from bpetk.errors import ConfigError
from bpetk.interop.loading import find_sentencepiece, load_definition
from bpetk.pretokenizers import SCHEMES
from bpetk.report import BYTE_LEVEL, SENTENCEPIECE
from bpetk.sp_tokenizer import SentencePieceTokenizer
from bpetk.tokenizer import Tokenizer

ALGORITHMS = (BYTE_LEVEL, SENTENCEPIECE)

_CUTS = "words are cut at white space; see --set split_by_whitespace=, split_by_unicode_script= and split_by_number="
_ROLE = "the piece is --set {0}_piece=TEXT, its id --set {0}_id=N"
_ELSEWHERE: dict[str, tuple[str, str]] = {
    "scheme": ("--scheme", _CUTS),
    "pattern": ("--pattern", _CUTS),
    "special": (
        "--special",
        "it is --set control_symbols=A,B, or user_defined_symbols for those in the text",
    ),
    "min_frequency": ("--min-frequency", "it learns until the vocabulary is full, whatever the frequency"),
    "max_token_length": ("--max-token-length", "it is --set max_sentencepiece_length=L, in characters"),
    "alphabet": ("--alphabet", "it is --set character_coverage=X and --set byte_fallback=true"),
    **{role: (f"--{role}", _ROLE.format(role)) for role in ("bos", "eos", "pad", "unk")},
}
_ARGUMENTS = {
    "input": "name the files as arguments",
    "model_prefix": "it is --out without the suffix",
    "vocab_size": "it is --vocab",
    "sentence_iterator": "it is for Python; name files, or - for standard input",
    "model_writer": "it is for Python; it is --out here",
}

FORMATS = ("hf", "tiktoken", "tekken", "gpt2", "image", "sentencepiece")

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
    help="Number of ids in all, special tokens and, where there are any, the 256 bytes included.",
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


ENCODING = click.option(
    "--encoding",
    default="utf-8",
    show_default=True,
    metavar="NAME",
    help="Encoding of the files, gb18030 say.",
)

ALGORITHM = click.option(
    "--algorithm",
    type=click.Choice(ALGORITHMS),
    metavar="NAME",
    help="byte-level-bpe, the default, or sentencepiece-bpe: the model file that SentencePiece would write.",
)
SET = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="SentencePiece: an option of its trainer, such as split_digits=true; may be repeated. Names: see below.",
)

SET_NAMES = """
\b
Options of SentencePiece's trainer, for --set (sentencepiece's own names and defaults):
  what may be a piece   split_by_unicode_script split_by_number split_by_whitespace split_digits
                        treat_whitespace_as_suffix allow_whitespace_only_pieces max_sentencepiece_length
                        pretokenization_delimiter
  characters            character_coverage required_chars byte_fallback auto_character_coverage
  fixed pieces          user_defined_symbols control_symbols unk_id bos_id eos_id pad_id
                        unk_piece bos_piece eos_piece pad_piece unk_surface
  text                  normalization_rule_name normalization_rule_tsv add_dummy_prefix
                        remove_extra_whitespaces escape_whitespaces
  sentences             max_sentence_length input_format input_sentence_size shuffle_input_sentence
  vocabulary            hard_vocab_limit vocabulary_output_piece_score
  only written down     model_type num_threads num_sub_iterations seed_sentencepiece_size shrinking_factor
"""
"""What ``--help`` says of ``--set``; the last ones change no result, and ``use_all_vocab`` and
``seed_sentencepieces_file`` are not among them because they are refused."""

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
    ALGORITHM,
    SET,
    click.option(
        "--normalizer-from",
        metavar="X.model",
        type=click.Path(readable=False),
        help="SentencePiece: take the normalization from this model, not from the installed sentencepiece.",
    ),
    click.option(
        "--keep-long-sentences",
        is_flag=True,
        help="SentencePiece: learn from lines of any length. Default: those above max_sentence_length are skipped.",
    ),
    click.option(
        "--seed",
        type=int,
        metavar="S",
        help="SentencePiece: of the sample that --set input_sentence_size=N draws. Default: 0.",
    ),
    ENCODING,
    THREADS,
]

# Of SentencePiece's algorithm, and no option of the library.
_OWN = ("normalizer_from", "keep_long_sentences", "seed")


def training_options(command: Command) -> Command:
    """Add the options that ``train`` and ``verify train`` share."""
    for option in reversed(_TRAINING):
        command = option(command)
    return command


def training_arguments(
    *,
    scheme: str | None,
    pattern: str | None,
    special: tuple[str, ...],
    algorithm: str | None,
    settings: tuple[str, ...],
    **plain: Any,
) -> dict[str, Any]:
    """Turn option values into keyword arguments of ``bpetk.train``; refuse those of the other algorithm."""
    values = {name: plain.pop(name) for name in _OWN}
    own = {name: value for name, value in values.items() if value is not None and value is not False}
    if algorithm == SENTENCEPIECE:
        refuse_byte_level_options()
        size = {"vocab_size": plain["vocab_size"], "encoding": plain["encoding"], "threads": plain["threads"]}
        return {**size, **own, **library_settings(settings), "algorithm": algorithm}
    if settings or own:
        flag = "--set" if settings else "--" + next(iter(own)).replace("_", "-")
        raise click.UsageError(f"{flag} is for --algorithm {SENTENCEPIECE}.")
    if scheme is not None and pattern is not None:
        raise click.UsageError("--scheme and --pattern exclude each other: give one of them.")
    rule = {"pattern": pattern} if pattern is not None else {"scheme": scheme or "cl100k"}
    chosen = {} if algorithm is None else {"algorithm": algorithm}
    return {**plain, **rule, **chosen, "special_tokens": special}


def refuse_byte_level_options() -> None:
    """Refuse options on the command line that SentencePiece's algorithm does not have."""
    context = click.get_current_context()
    for name, (flag, why) in _ELSEWHERE.items():
        if context.get_parameter_source(name) in (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT):
            raise click.UsageError(f"{flag} is not for --algorithm {SENTENCEPIECE}: {why}.")


def library_settings(settings: Sequence[str]) -> dict[str, str]:
    """Read ``NAME=VALUE``, options of SentencePiece's trainer.

    Examples
    --------
    >>> library_settings(["split_digits=true", "control_symbols=<a>,<b>"])
    {'split_digits': 'true', 'control_symbols': '<a>,<b>'}
    """
    found: dict[str, str] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--set {setting!r}: expected NAME=VALUE, as in split_digits=true.")
        if name in found:
            raise click.UsageError(f"--set {name}: given twice; several values are separated by commas.")
        if name in _ARGUMENTS:
            raise click.UsageError(f"--set {name}: {_ARGUMENTS[name]}.")
        found[name] = value
    return found


MODEL = click.argument("model", metavar="MODEL", type=click.Path(readable=False))
JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")

_LOADING = [
    click.option(
        "--format",
        "file_format",
        type=click.Choice(FORMATS),
        metavar="NAME",
        help=f"What MODEL is: {', '.join(FORMATS)}. Default: found by looking into it.",
    ),
    click.option(
        "--scheme",
        type=click.Choice(list(SCHEMES)),
        metavar="NAME",
        help=f"How text is cut, which a rank file does not say: {', '.join(SCHEMES)}.",
    ),
    click.option("--pattern", metavar="RE", help="A pattern (Oniguruma syntax) in place of a scheme."),
    click.option(
        "--special",
        multiple=True,
        metavar="NAME=ID",
        help="A special token, which a rank file does not hold; may be repeated. @FILE reads them from JSON.",
    ),
]

_POLICY = [
    click.option(
        "--allow-special",
        "allowed",
        multiple=True,
        metavar="all|TOKEN",
        help="Encode this special token where the text holds it (an error otherwise); may be repeated.",
    ),
    click.option(
        "--special-as-text", is_flag=True, help="Encode special tokens that are not allowed as ordinary text."
    ),
    click.option(
        "--add-special-tokens",
        is_flag=True,
        help="Add what the model's template adds to every document, begin and end say.",
    ),
]

_CONTROL = [
    click.option(
        "--bos", is_flag=True, help="SentencePiece: begin every document with the model's bos piece."
    ),
    click.option("--eos", is_flag=True, help="SentencePiece: end every document with the model's eos piece."),
    click.option(
        "--reverse",
        is_flag=True,
        help="SentencePiece: the ids of a document in reverse, between bos and eos.",
    ),
]

_DOCUMENTS = [
    click.option("--lines", is_flag=True, help="Every line is a document; its line feed is no part of it."),
    click.option(
        "--separator", metavar="STR", help="Documents stand between these. Default: a file is one document."
    ),
    ENCODING,
]


def _adder(options: Sequence[Callable[[Command], Command]]) -> Callable[[Command], Command]:
    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


loading_options = _adder(_LOADING)
policy_options = _adder([*_POLICY, *_CONTROL])
document_options = _adder(_DOCUMENTS)


def loading_arguments(
    *, file_format: str | None, scheme: str | None, pattern: str | None, special: tuple[str, ...]
) -> dict[str, Any]:
    """Turn option values into keyword arguments of ``Tokenizer.from_file``, those that were given."""
    if scheme is not None and pattern is not None:
        raise click.UsageError("--scheme and --pattern exclude each other: give one of them.")
    tokens = special_ids(special) if special else None
    values = {"format": file_format, "scheme": scheme, "pattern": pattern, "special_tokens": tokens}
    return {name: value for name, value in values.items() if value is not None}


def load_model(
    model: str, *, for_decoding: bool = False, advise_special: bool = True, **options: Any
) -> Tokenizer:
    """Load the tokenizer that the options describe; one that is to decode only needs no scheme.

    Without ``advise_special`` the command has no ``--special``, and the note does not recommend it.
    """
    arguments = loading_arguments(**options)
    try:
        if for_decoding and find_sentencepiece(model, arguments.get("format")) is None:
            tokenizer = Tokenizer(load_definition(model, for_decoding=True, **arguments))
        else:
            tokenizer = Tokenizer.from_file(model, **arguments)
    except ConfigError as error:
        text = str(error).replace("give scheme= or pattern=", "give --scheme or --pattern")
        raise ConfigError(f"{model}: {text}") from error
    if isinstance(tokenizer, SentencePieceTokenizer):
        return tokenizer  # has the same methods, but no definition
    definition = tokenizer.definition
    silent = definition.format in ("tiktoken", "gpt2") and not definition.beside
    if silent and not tokenizer.special_tokens and not for_decoding:
        named = (
            "--special NAME=ID or --special @FILE names them"
            if advise_special
            else "their names in the text count as ordinary text, as with all models here"
        )
        warnings.warn(f"{model} says nothing of special tokens, so it has none; {named}", stacklevel=2)
    return tokenizer


def special_ids(values: Sequence[str]) -> dict[str, int]:
    """Read ``NAME=ID`` and ``@FILE``.

    Examples
    --------
    >>> special_ids(["<s>=1", "a=b=7"])
    {'<s>': 1, 'a=b': 7}
    """
    found: dict[str, int] = {}
    for value in values:
        match = re.fullmatch(r"(.+)=([0-9]{1,10})", value, re.DOTALL)
        if match is None and not value.startswith("@"):
            raise click.UsageError(
                f"--special {value!r}: expected NAME=ID, as in '<|endoftext|>=100257', or @FILE."
            )
        found |= {match[1]: int(match[2])} if match else _from_json(value[1:])
    return found


def _from_json(name: str) -> dict[str, int]:
    try:
        data = json.loads(Path(name).read_bytes())
    except OSError as error:
        raise ConfigError(f"--special: cannot read {name}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"--special: {name} is not JSON: {error}") from error
    tokens = data.get("special_tokens", data) if isinstance(data, dict) else data
    if not isinstance(tokens, dict) or not all(type(id) is int for id in tokens.values()):
        raise ConfigError(
            f'--special: {name}: expected an object of names and ids, or one that holds it as "special_tokens"'
        )
    return tokens


def policy_arguments(
    tokenizer: Tokenizer,
    *,
    allowed: tuple[str, ...],
    special_as_text: bool,
    add_special_tokens: bool,
    bos: bool = False,
    eos: bool = False,
    reverse: bool = False,
) -> dict[str, Any]:
    """Turn option values into keyword arguments of ``Tokenizer.encode``; refuse those that the model does not have."""
    if isinstance(tokenizer, SentencePieceTokenizer):
        return _control_arguments(tokenizer, allowed, add_special_tokens, bos=bos, eos=eos, reverse=reverse)
    for flag, wanted in (("--bos", bos), ("--eos", eos), ("--reverse", reverse)):
        if wanted:
            hint = (
                ""
                if flag == "--reverse"
                else "; --add-special-tokens puts in what the model's own template says"
            )
            raise click.UsageError(f"{flag} is for models of SentencePiece{hint}.")
    known = tokenizer.special_tokens
    for token in allowed:
        if token != "all" and token not in known:
            some = ", ".join(map(repr, list(known)[:8])) + (", …" if len(known) > 8 else "")
            raise click.UsageError(
                f"--allow-special {token!r}: not a special token of this model; it has {some or 'none'}."
            )
    return {
        "allowed_special": "all" if "all" in allowed else frozenset(allowed),
        "disallowed_special": () if special_as_text else "all",
        "add_special_tokens": add_special_tokens,
    }


def _control_arguments(
    tokenizer: SentencePieceTokenizer, allowed: tuple[str, ...], add_special_tokens: bool, **control: bool
) -> dict[str, Any]:
    """Turn option values into keyword arguments of ``SentencePieceTokenizer.encode``."""
    if add_special_tokens:
        raise click.UsageError(
            "--add-special-tokens: a model of SentencePiece does not say what to put around a text; say it with --bos "
            "and --eos."
        )
    if allowed:
        raise click.UsageError(
            "--allow-special: text never becomes a control piece in SentencePiece; --bos, --eos and --append put "
            "some in."
        )
    roles = tokenizer.roles
    for role in ("bos", "eos"):
        if control[role] and role not in roles:
            raise click.UsageError(f"--{role}: this model has no control piece for it.")
    return {"add_bos": control["bos"], "add_eos": control["eos"], "reverse": control["reverse"]}


def disallowed_tokens(tokenizer: Tokenizer, policy: dict[str, Any], separator: str | None) -> list[str]:
    """Name the special tokens that the policy of `policy_arguments` refuses in a text; separators are no text."""
    if isinstance(tokenizer, SentencePieceTokenizer):
        return []  # text that spells a control piece is ordinary text
    if policy["disallowed_special"] == () or policy["allowed_special"] == "all":
        return []
    known = [token for token in tokenizer.special_tokens if token not in policy["allowed_special"]]
    return [token for token in known if token not in (separator or "")]


def separator_argument(*, lines: bool, separator: str | None) -> str | None:
    """Turn option values into the ``separator`` of ``Tokenizer.encode_file``."""
    if lines and separator is not None:
        raise click.UsageError("--lines and --separator exclude each other: give one of them.")
    if separator == "":
        raise click.UsageError("--separator must not be empty.")
    return "\n" if lines else separator
