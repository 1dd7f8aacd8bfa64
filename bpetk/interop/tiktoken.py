"""Rank files of tiktoken: a line for each token, its bytes in base64 and its rank, which is its id.

They hold nothing else: not how text is cut, and no special tokens. Both are part of a model's own code.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any, NoReturn

from bpetk import _rank_reader, _rank_rules
from bpetk.alphabet import CHAR_TO_BYTE, from_byte_level, to_byte_level
from bpetk.definition import BYTE_LEVEL_DECODER, Definition, Sections
from bpetk.errors import ConfigError, ModelFileError
from bpetk.interop.given_tokens import given_tokens
from bpetk.interop.huggingface import scheme_of, steps
from bpetk.interop.json_fields import MAX_ID, refuse, short
from bpetk.interop.rank_rules import rules_from_ranks, rules_of_merges
from bpetk.model import BpeModel
from bpetk.pretokenizers import SCHEMES, Scheme, get_scheme, scheme_from_pattern

_MAX_LENGTH = 1 << 16
_LINE = re.compile(rb"([A-Za-z0-9+/]*={0,2})[ \t]+(\d{1,9})[ \t]*\r?")


@dataclass(frozen=True)
class RankList:
    """Tokens with different ids, all bytes among them, and how to find the id of one."""

    table: _rank_reader.Ranks
    id_of: Callable[[bytes], int | None]


def read_ranks(data: bytes) -> dict[bytes, int]:
    r"""Read the bytes of a rank file.

    Parameters
    ----------
    data
        Lines of base64, blank, rank. Empty lines are skipped. The ranks may have gaps.

    Returns
    -------
    dict
        Token to rank, by rank.

    Raises
    ------
    ModelFileError
        If a line is malformed or cut off, a token or a rank is there twice, or one of the 256 bytes is missing.

    Examples
    --------
    >>> lines = [base64.b64encode(bytes([byte])) + b" %d\n" % byte for byte in range(256)]
    >>> read_ranks(b"".join(lines) + b"YWI= 300\n")[b"ab"]
    300
    """
    ranks: dict[bytes, int] = {}
    owner: dict[int, int] = {}
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        field = f"line {number}"
        if not (match := _LINE.fullmatch(line)):
            refuse(field, f"expected base64, a blank and a rank, found {short(line.decode('latin-1'))}")
        rank = int(match[2])
        if rank > MAX_ID:
            refuse(field, f"rank {rank} is too high; at most {MAX_ID} is supported")
        token = _decode(match[1], field)
        if token in ranks:
            refuse(field, f"token {short(match[1].decode())} has a rank already: {ranks[token]}")
        if rank in owner:
            refuse(field, f"rank {rank} is given twice, first in line {owner[rank]}")
        ranks[token], owner[rank] = rank, number
    check_ranks(ranks)
    return dict(sorted(ranks.items(), key=lambda item: item[1]))


def read_rank_list(data: bytes) -> RankList:
    """Do the same natively: the usual file in a tenth of the time; `read_ranks` is asked about any other.

    Parameters
    ----------
    data
        As there.

    Raises
    ------
    ModelFileError
        As there.
    """
    table = _rank_reader.read_rank_file(data)
    return rank_list(read_ranks(data)) if table is None else RankList(table, table.find)


def rank_list(ranks: Mapping[bytes, int]) -> RankList:
    """Pack ranks.

    Raises
    ------
    ConfigError
        If two tokens have the same rank, a rank cannot be an id, or a byte has none.
    """
    tokens = sorted(ranks, key=ranks.__getitem__)
    try:
        return RankList(_rank_reader.pack_ranks(tokens, [ranks[token] for token in tokens]), ranks.get)
    except ValueError as error:
        raise ConfigError(f"these ranks are not usable: {error}") from error


def _decode(text: bytes, field: str) -> bytes:
    if text == b"=":  # as Whisper's file has it, for the empty token
        return b""
    try:
        token = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        refuse(field, f"{short(text.decode())} is not base64: {error}")
    if len(token) > _MAX_LENGTH:
        refuse(field, f"a token of {len(token)} bytes; at most {_MAX_LENGTH} are supported")
    return token


def check_ranks(ranks: Mapping[bytes, int]) -> None:
    """Refuse ranks that are too high, or without all single bytes: tiktoken could not encode every text."""
    if (highest := max(ranks.values(), default=0)) > MAX_ID:
        refuse("tokens", f"rank {highest} is too high; at most {MAX_ID} is supported")
    if missing := [byte for byte in range(256) if bytes([byte]) not in ranks]:
        refuse("tokens", f"{len(missing)} of the 256 bytes have no rank, the first being 0x{missing[0]:02X}")


def from_ranks(
    ranks: Mapping[bytes, int] | RankList,
    *,
    scheme: str | None = None,
    pattern: str | None = None,
    special_tokens: Mapping[str, int] | None = None,
) -> Definition:
    """Make a tokenizer of ranks.

    Parameters
    ----------
    ranks
        Token to rank, all 256 bytes among them. Ids are ranks.
    scheme
        Name of the rule that cuts text: a key of ``bpetk.pretokenizers.SCHEMES``.
    pattern
        Instead of it, a pattern as tiktoken has it. Text that it does not match is dropped.
    special_tokens
        Contents and ids.

    Returns
    -------
    Definition
        Of format ``"tiktoken"``.

    Raises
    ------
    ConfigError
        If neither or both of scheme and pattern are given or they cannot be used, an id of a special token is
        that of another token, or two tokens have the same rank.

    Examples
    --------
    >>> ranks = {bytes([byte]): byte for byte in range(256)} | {b"ab": 256}
    >>> from_ranks(ranks, scheme="gpt2").model.merges
    [(b'a', b'b')]
    """
    cut = cutting(scheme, pattern)
    packed = ranks if isinstance(ranks, RankList) else rank_list(ranks)
    return replace(definition_of_ranks(packed, cut, special_tokens), pattern=pattern)


def definition_of_ranks(
    ranks: RankList, cut: tuple[Scheme, dict[str, Any]], special_tokens: Mapping[str, int] | None
) -> Definition:
    """Make a tokenizer of ranks and what `cutting` gave."""
    model = model_of_ranks(cut[0], ranks, special_tokens)
    sections = Sections(pre_tokenizer=cut[1], decoder=dict(BYTE_LEVEL_DECODER))
    return Definition(model, sections, format="tiktoken")


def cutting(scheme: str | None, pattern: str | None) -> tuple[Scheme, dict[str, Any]]:
    """Give the rule that cuts text, and the ``pre_tokenizer`` object that stands for it.

    Parameters
    ----------
    scheme, pattern
        One of them: a name, or a pattern as tiktoken has it.

    Raises
    ------
    ConfigError
        If neither or both are given, or they cannot be used.
    """
    known = ", ".join(SCHEMES)
    if (scheme is None) == (pattern is None):
        given = (
            "give only one of scheme and pattern"
            if scheme is not None
            else ("ranks do not say how text is cut: give scheme= or pattern= (as tiktoken has it)")
        )
        raise ConfigError(f"{given}; known schemes: {known}")
    if scheme is not None:
        return get_scheme(scheme), get_scheme(scheme).to_hf()
    assert pattern is not None
    if named := scheme_from_pattern(pattern, engine="tiktoken"):
        return named, named.to_hf()
    from bpetk.splitters import pre_tokenizer_from_hf
    from bpetk.tiktoken_pattern import translate_tiktoken_pattern

    # What is not matched is dropped; Hugging Face's form of that is to remove everything but the matches.
    split = {"type": "Split", "pattern": {"Regex": translate_tiktoken_pattern(pattern)}}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    parts = [split | {"behavior": "Removed", "invert": True}, byte_level]
    try:
        stage = pre_tokenizer_from_hf({"type": "Sequence", "pretokenizers": parts}, "")
    except ModelFileError as error:  # its field is not in the caller's argument
        raise ConfigError(str(error).removeprefix(".pretokenizers[0].pattern.Regex: ")) from error
    assert stage is not None  # only for a section that is null
    return scheme_of(stage, True), stage.config


def model_of_ranks(scheme: Scheme, ranks: RankList, special_tokens: Mapping[str, int] | None) -> BpeModel:
    """Make the model of a list of ranks.

    Parameters
    ----------
    scheme
        How text is cut.
    ranks
        The tokens and their ids.
    special_tokens
        Contents and ids of special tokens.

    Raises
    ------
    ConfigError
        If an id of a special token is that of another token.
    """
    table = ranks.table
    left, right, new = _rank_rules.rules_from_ranks(table.blob, table.offsets)
    flags, others = table.explained(new)
    added, inside = given_tokens(special_tokens, len(table), partial(_id_of, ranks), table)
    model = BpeModel(
        scheme,
        inside,
        table.byte_ids,
        left,
        right,
        new,
        added_tokens=added,
        extra_tokens=tuple((to_byte_level(token), id) for token, id in others),
        ignore_merges=True,
        ranks=True,
    )
    beside = [(token.id, token.content.encode()) for token in added if token.id not in table]
    model.keep_packed(*table.with_added(flags, beside), complete=True)
    return model


def _id_of(ranks: RankList, content: str) -> int | None:
    """Give the id of the token that has this text in a vocabulary file."""
    try:
        return ranks.id_of(from_byte_level(content))
    except ValueError:
        return None


def to_rank_file(definition: Definition | BpeModel) -> bytes:
    """Give a tokenizer as a rank file.

    The ids of the model tokens become their ranks. tiktoken needs a pattern and the special tokens besides; they are
    not part of such a file.

    Parameters
    ----------
    definition
        The tokenizer.

    Raises
    ------
    ConfigError
        If tiktoken would give other ids with these ranks; the message says why.

    Examples
    --------
    >>> from bpetk.pretokenizers import get_scheme
    >>> model = BpeModel(get_scheme("gpt2"), (), range(256), [97], [98], [256])
    >>> to_rank_file(model).splitlines()[-1]
    b'YWI= 256'
    """
    if isinstance(definition, BpeModel):
        definition = Definition(definition)
    _check_stages(definition)
    model = definition.model
    tokens = model.tokens
    if -1 in model.byte_ids:
        byte = model.byte_ids.index(-1)
        _cannot(f"byte 0x{byte:02X} has no id, and tiktoken needs all 256")
    if max(tokens) > MAX_ID:
        _cannot(f"id {max(tokens)} is above {MAX_ID}")
    if not model.ranks:
        _check_merges(model)
    lines = ((base64.b64encode(token) or b"=") + b" %d\n" % id for id, token in tokens.items())
    return b"".join(lines)


def _cannot(reason: str) -> NoReturn:
    raise ConfigError(f"this tokenizer cannot be written as ranks: {reason}")


def _check_stages(definition: Definition) -> None:
    """Refuse what tiktoken has no place for."""
    model, sections = definition.model, definition.sections
    if sections.normalizer is not None and sections.normalizer != {"type": "Sequence", "normalizers": []}:
        _cannot("it normalizes text, which tiktoken does not")
    if sections.pre_tokenizer and any(step.get("add_prefix_space") for step in steps(sections.pre_tokenizer)):
        _cannot("it puts a blank before text, which tiktoken does not")
    if len(model.scheme.patterns) > 1 or (model.scheme.name == "pipeline" and not model.ranks):
        _cannot("it cuts text in several steps, and tiktoken has one pattern")
    if model.end_of_word_suffix:
        _cannot(f"words end in {model.end_of_word_suffix!r}, which ranks cannot express")
    for token in model.added_tokens:
        if not token.special:
            _cannot(f"added token {token.content!r} is always matched, and tiktoken has special tokens only")
        for flag in ("single_word", "lstrip", "rstrip"):
            if getattr(token, flag):
                _cannot(f"{flag} of special token {token.content!r} is set, which tiktoken does not have")
    for text, _ in model.extra_tokens:
        if not CHAR_TO_BYTE.keys() >= set(text):
            _cannot(f"token {short(text)} is not byte-level, so no text gives it, but tiktoken would find it")


def _check_merges(model: BpeModel) -> None:
    """Refuse merges that give other results than the ids of their results as ranks."""
    ids, tokens = list(model.tokens), list(model.tokens.values())
    rules = zip(*rules_from_ranks(tokens), strict=True)
    by_rank = {ids[new]: (ids[left], ids[right]) for left, right, new in rules}
    listed = dict(zip(model.new, model.merge_ids, strict=True))
    if listed != by_rank or any(a >= b for a, b in pairwise(model.new)):
        merges = {
            pair: (rank, new) for rank, (pair, new) in enumerate(zip(model.merge_ids, model.new, strict=True))
        }
        symbols = {
            id: [model.byte_ids[byte] for byte in token]
            for id, token in model.tokens.items()
            if len(token) > 1
        }
        by_merges = rules_of_merges(symbols, merges)
        for id, token in model.tokens.items():
            if by_merges.get(id, (0,))[1:] != by_rank.get(id, ()):
                _cannot(f"its merges make token {token!r} (id {id}) in another way than ranks do, or never")
        if any(a > b for a, b in pairwise(by_merges[id][0] for id in sorted(by_merges))):
            _cannot("the order of its merges is not the order of the ids that they make")
    for id, token in model.tokens.items():
        if len(token) != 1 and id not in by_rank and not model.ignore_merges:
            _cannot(f"tiktoken finds token {token!r} (id {id}) as a whole word, and its merges never make it")
