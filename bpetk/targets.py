"""A tokenizer in the terms of tiktoken, and of GPT-2's pair of files, or the reason why there is no such thing."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NoReturn

from bpetk.character_model import CharacterModel
from bpetk.definition import Definition, Section
from bpetk.errors import ConfigError, ModelFileError
from bpetk.interop.gpt2 import to_vocab_and_merges
from bpetk.interop.tiktoken import to_rank_file
from bpetk.model import BpeModel
from bpetk.post_processors import post_processor_from_hf
from bpetk.pretokenizers import SCHEMES, Scheme
from bpetk.readable import readable

_RANKS, _PAIR = "a rank file", "vocab.json with merges.txt"


@dataclass(frozen=True)
class RankTable:
    """What `tiktoken.Encoding` is made of: bytes and rank (which is the id) of every token, pattern, special tokens."""

    ranks: Mapping[bytes, int]
    pattern: str
    special_tokens: Mapping[str, int]

    def to_file(self) -> bytes:
        """Give the ranks as a rank file."""
        lines = sorted((rank, base64.b64encode(token) or b"=") for token, rank in self.ranks.items())
        return b"".join(b"%s %d\n" % (token, rank) for rank, token in lines)


def tiktoken_pattern(scheme: Scheme) -> str | None:
    r"""Give a named scheme's pattern as tiktoken's engine reads it; None if it is no single pattern.

    Examples
    --------
    >>> from bpetk.pretokenizers import get_scheme
    >>> tiktoken_pattern(get_scheme("whitespace"))
    '\\S+'
    """
    if not scheme.complete:
        # tiktoken drops what no match covers; the first of these does too, the second leaves nothing.
        return {"whitespace": r"\S+", "none": r"[\s\S]+"}.get(scheme.name)
    assert scheme.pattern is not None  # a scheme of several patterns is not complete
    # For Oniguruma a possessive count and the end of the text are written otherwise.
    return scheme.pattern.replace(r"(?>\p{N}{1,3})", r"\p{N}{1,3}+").replace(r"\s++\z", r"\s++$")


def _refuse(target: str, reason: str) -> NoReturn:
    raise ModelFileError(f"{target} cannot hold this tokenizer: {reason}")


def single_step(section: Section) -> Section:
    """Take the only step out of a sequence; None for an empty one."""
    while (
        section is not None
        and section.get("type") == "Sequence"
        and len(section.get("normalizers", "..")) < 2
    ):
        section = section["normalizers"][0] if section["normalizers"] else None
    return section


def lost_parts(definition: Definition) -> list[str]:
    """Name what of a tokenizer neither ranks nor vocab.json with merges.txt hold, and no ids of texts need."""
    sections = definition.sections
    lost = [name for name in ("truncation", "padding") if getattr(sections, name) is not None]
    processor = post_processor_from_hf(sections.post_processor, "post_processor")
    if processor is not None and any(processor.affixes()):
        lost.insert(0, "the template that add_special_tokens applies")
    return lost


def rank_table(definition: Definition) -> RankTable:
    """Express a tokenizer as ranks, as tiktoken has them.

    Raises
    ------
    ModelFileError
        If ids could differ for some text; the message says why.

    Examples
    --------
    >>> import bpetk
    >>> tok = bpetk.train_from_iterator(["low lower lowest"], vocab_size=259, scheme="gpt2")
    >>> table = rank_table(tok.definition)
    >>> len(table.ranks), table.ranks[b"low"], table.special_tokens
    (259, 257, {})
    """
    _check_stages(definition, _RANKS)
    try:
        to_rank_file(definition)
    except ConfigError as error:
        _refuse(_RANKS, str(error).partition(": ")[2] or str(error))
    return loose_rank_table(definition)


def loose_rank_table(definition: Definition) -> RankTable:
    """Give a tokenizer's tokens as ranks without asking whether all ids stay the same: for benchmarks, which look.

    Normalizer, template and the flags of added tokens are left out.

    Raises
    ------
    ModelFileError
        If there is no such table.
    """
    model = definition.model
    pattern = tiktoken_pattern(_named_scheme(model, _RANKS))
    if pattern is None:
        _refuse(_RANKS, f"the scheme {model.scheme.name} is not a single pattern")
    if -1 in model.byte_ids:
        _refuse(_RANKS, f"byte 0x{model.byte_ids.index(-1):02X} has no id, and tiktoken needs all 256")
    ranks = {token: id for id, token in model.tokens.items()}
    if len(ranks) != len(model.tokens):
        _refuse(_RANKS, "two ids stand for the same token")
    return RankTable(ranks, pattern, {token.content: token.id for token in model.added_tokens})


def _named_scheme(model: BpeModel, what: str) -> Scheme:
    if isinstance(model, CharacterModel):
        _refuse(what, "its tokens are characters, and this holds bytes")
    if model.scheme.name not in SCHEMES:
        _refuse(what, "its text is cut by a pattern or steps that are no named scheme")
    return model.scheme


def _check_stages(definition: Definition, what: str) -> None:
    """Refuse the stages that neither ranks nor vocab.json with merges.txt have, and what their readers may confuse."""
    model, sections = definition.model, definition.sections
    _named_scheme(model, what)
    if (normalizer := single_step(sections.normalizer)) is not None:
        _refuse(what, f"it has no place for the normalizer {normalizer.get('type')}")
    if model.end_of_word_suffix:
        _refuse(what, f"it has no place for the end-of-word suffix {model.end_of_word_suffix!r}")
    decoder = definition.stages[3]
    if decoder is None or decoder.get("type") != "ByteLevel":
        _refuse(what, f"it has no place for the decoder {decoder and decoder.get('type')}")
    for token in model.added_tokens:
        if not token.special:
            _refuse(
                what,
                f"the added token {token.content!r} is not special, so it always matches; there, tokens match only "
                "where they are allowed",
            )
        if flags := [flag for flag in ("single_word", "lstrip", "rstrip") if getattr(token, flag)]:
            _refuse(what, f"it has no place for {flags[0]} of the added token {token.content!r}")
    for first, second in pairwise(sorted(token.content for token in model.added_tokens)):
        if second.startswith(first):
            _refuse(
                what, f"readers may take the special token {first!r} for {second!r}, which begins with it"
            )


def vocab_and_merges(definition: Definition) -> tuple[str, str]:
    """Express a tokenizer as the texts of ``vocab.json`` and ``merges.txt``: GPT-2's cuts, listed merges, nothing else.

    Special tokens are entries of the vocabulary; that they are special, a reader must be told.

    Raises
    ------
    ModelFileError
        If ids could differ for some text; the message says why.
    """
    _check_stages(definition, _PAIR)
    model = definition.model
    if model.scheme.name != "gpt2":
        _refuse(
            _PAIR,
            f"its readers cut text by GPT-2's pattern, and this tokenizer by the scheme {model.scheme.name}",
        )
    if model.unk_token is not None:
        _refuse(_PAIR, f"it does not say that {model.unk_token!r} stands for what is unknown")
    if model.ignore_merges:
        merged = set(model.new)
        whole = next((t for id, t in model.tokens.items() if id not in merged and len(t) > 1), None)
        if whole is not None:
            _refuse(_PAIR, f"the token {readable(whole)} is found whole, which merges do not do")
    added = tuple(replace(token, normalized=False) for token in model.added_tokens)
    inside = tuple(token.content for token in added)
    plain = replace(model, ranks=False, ignore_merges=False, added_tokens=added, special_tokens=inside)
    texts = to_vocab_and_merges(plain)
    if texts is None:
        _refuse(_PAIR, "a line of merges.txt would be read as something else")
    return texts
