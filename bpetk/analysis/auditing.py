"""Tokens that should be looked at before a model is trained on them: polluted, broken, never used."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from bpetk.analysis.audit_tables import audit_result
from bpetk.analysis.deny_lists import DenyList
from bpetk.analysis.derivations import derivations_of
from bpetk.analysis.documents import Progress, TextFile, TextPath, text_files
from bpetk.analysis.results import Result
from bpetk.analysis.suspicion import KEYS, REASONS, Suspects, find_suspects
from bpetk.analysis.token_table import Kind, TokenTable
from bpetk.analysis.token_use import TokenUse, count_use
from bpetk.errors import ConfigError
from bpetk.tokenizer import Tokenizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONCENTRATED_SHARE, CONCENTRATED_COUNT = 0.5, 10
SCAFFOLD_SHARE, SCAFFOLD_COUNT = 0.01, 100
TOP = 1000

Deny = Union[str, "os.PathLike[str]", DenyList]

RULES = (*KEYS, "polluted", "scaffold", "never-used")
"""Names that `failures` knows."""


@dataclass(frozen=True)
class Audit:
    """What an audit found, before it is put into tables.

    Attributes
    ----------
    suspects
        Tokens that deserve a look, with what the text says of them in ``use`` (``use.watched`` are these).
    order
        Places of the suspects, most urgent first.
    never_used
        Ids of ordinary tokens that the text does not have.
    scaffolds
        Ids of tokens that are nearly always part of a longer one; None if that cannot be told.
    made
        int64 ``[n_vocab]``: how often each token was there while encoding, also inside others; None as above.
    why_not
        Why it cannot be told.
    denies
        Whether there is a deny list.
    """

    table: TokenTable
    suspects: Suspects
    use: TokenUse
    order: NDArray[np.int64]
    never_used: NDArray[np.int64]
    scaffolds: NDArray[np.int64] | None
    made: NDArray[np.int64] | None
    why_not: str
    denies: bool

    @property
    def ordinary(self) -> int:
        """How many tokens of text there are: all but special ones and single bytes."""
        return len(self.table.ids(Kind.NORMAL, Kind.ADDED))

    def numbers(self) -> dict[str, tuple[int, int]]:
        """Give for each rule how many tokens break it, and of how many."""
        suspects, long = self.suspects, self.suspects.has("long-han")
        found = {rule: (int(suspects.has(rule).sum()), self.ordinary) for rule in KEYS}
        if self.denies:
            found["polluted"] = int((long & suspects.has("denied")).sum()), int(long.sum())
        else:
            del found["denied"]
        if self.scaffolds is not None:
            found["scaffold"] = len(self.scaffolds), self.ordinary
        found["never-used"] = len(self.never_used), self.ordinary
        return found


def audit(
    tokenizer: Tokenizer,
    texts: Sequence[TextPath | TextFile] | TextPath | TextFile,
    *,
    deny: Deny | Sequence[Deny] | None = None,
    starter_list: bool = True,
    top: int = TOP,
    name: str | None = None,
    separator: str | bytes | None = "\n",
    encoding: str = "utf-8",
    threads: int = 1,
    progress: Progress | None = None,
) -> Result:
    """Find the tokens that deserve a look, and rank them.

    Parameters
    ----------
    tokenizer
        What `Tokenizer.from_file` or `bpetk.train` gives.
    texts
        Files like those that a model is to be trained on.
    deny
        Files of patterns that no token should contain, or `DenyList` objects; in addition to the starter list.
    starter_list
        Whether to use the list that comes with bpetk.
    top
        Rows of the table for review at most; the numbers are of all tokens.
    name
        What to call the tokenizer; None: its file.
    separator, encoding
        As `bpetk.analysis.documents.text_files`.
    threads, progress
        As `bpetk.analysis.compression_curve.measure_curve`.

    Returns
    -------
    Result
        Sections ``review`` and ``unused``. ``details["rules"]`` has the number of tokens for each rule; `failures`
        compares them with limits.

    Raises
    ------
    ConfigError
        If a deny list or an option cannot be used.
    CorpusFileError, CorpusError
        If a text cannot be read or is empty.

    Examples
    --------
    >>> import bpetk
    >>> tok = bpetk.train("corpora/zh.txt", 2000)
    >>> result = audit(tok, "corpora/zh.txt")
    >>> result.details["rules"]["ill-formed"]
    {'tokens': 0, 'of': 1744, 'share': 0.0}
    """
    if top < 1:
        raise ConfigError(f"top must be at least 1, got {top}")
    files = text_files(texts, separator=separator, encoding=encoding)
    patterns = _deny_list(deny, starter_list=starter_list)
    table = TokenTable.of(tokenizer)
    suspects = find_suspects(table, patterns)
    use = count_use(tokenizer, files, suspects.ids, threads=threads, progress=progress)
    suspects = _with_concentration(suspects, use)
    found = _audit(tokenizer, table, suspects, use, denies=patterns is not None)
    inputs = {
        "model": name or tokenizer.source or repr(tokenizer),
        "texts": [file.name for file in files],
        "documents": use.n_documents,
        "bytes": use.bytes,
        "deny_lists": list(patterns.names) if patterns is not None else [],
        "patterns": len(patterns.patterns) if patterns is not None else 0,
        "top": top,
    }
    return audit_result(found, inputs, [file.name for file in files])


def _deny_list(deny: Deny | Sequence[Deny] | None, *, starter_list: bool) -> DenyList | None:
    found = DenyList.starter() if starter_list else None
    given = () if deny is None else [deny] if isinstance(deny, str | os.PathLike | DenyList) else deny
    for one in given:
        more = one if isinstance(one, DenyList) else DenyList.from_file(one)
        found = more if found is None else found + more
    return found


def _with_concentration(suspects: Suspects, use: TokenUse) -> Suspects:
    """Add what the text says: tokens that come from one document, of several."""
    total = use.counts[:, suspects.ids].sum(axis=0)
    often = (total >= CONCENTRATED_COUNT) & (use.most >= CONCENTRATED_SHARE * total) & (use.n_documents > 1)
    bits = often.astype(np.uint16) << np.uint16(KEYS.index("concentrated"))
    return Suspects(suspects.ids, suspects.reasons | bits, suspects.hits)


def _audit(
    tokenizer: Tokenizer, table: TokenTable, suspects: Suspects, use: TokenUse, *, denies: bool
) -> Audit:
    ids, counts = suspects.ids, use.counts.sum(axis=0)
    points = sum(
        (suspects.has(rule).astype(np.int64) * REASONS[rule][0] for rule in KEYS), np.zeros(len(ids))
    )
    # The last key goes first: points, Han characters, characters, rarer ones, ids.
    order = np.lexsort((ids, counts[ids], -table.n_chars[ids], -table.n_han[ids], -points))
    ordinary = table.ids(Kind.NORMAL, Kind.ADDED)
    never = ordinary[counts[ordinary] == 0]
    try:
        made = derivations_of(tokenizer).uses(counts[None, :])[0]
    except ConfigError as error:
        return Audit(table, suspects, use, order, never, None, None, str(error), denies)
    inside = (made >= SCAFFOLD_COUNT) & (counts <= SCAFFOLD_SHARE * made)
    return Audit(table, suspects, use, order, never, ordinary[inside[ordinary]], made, "", denies)


_LIMIT = re.compile(r"([a-z-]+)(?:=(\d+)|=(\d+(?:\.\d+)?)%)?")


def failures(result: Result, limits: Sequence[str]) -> list[str]:
    """Compare an audit with limits.

    Parameters
    ----------
    result
        What `audit` gave.
    limits
        ``"denied"``: no token at all may break the rule; ``"denied=5"``: at most 5; ``"never-used=30%"``: at most
        that share. `RULES` are the names.

    Returns
    -------
    list of str
        One sentence for each limit that is exceeded.

    Raises
    ------
    ConfigError
        If a limit is malformed, or its rule unknown.

    Examples
    --------
    >>> import bpetk
    >>> result = audit(bpetk.train("corpora/en.txt", 1000), "corpora/en.txt")
    >>> failures(result, ["ill-formed", "never-used=50%"])
    []
    """
    rules: Mapping[str, Any] = result.details["rules"]
    found = []
    for limit in check_limits(limits):
        match = _LIMIT.fullmatch(limit)
        assert match is not None  # checked just now
        rule, number, percent = match.groups()
        if rule not in rules:
            raise ConfigError(
                f"{rule} cannot be told: "
                + (result.details["why_not"] if rule == "scaffold" else "there is no deny list")
            )
        tokens, of = rules[rule]["tokens"], rules[rule]["of"]
        most = float(percent) / 100 * of if percent else int(number or 0)
        if tokens > most:
            found.append(
                f"{rule}: {tokens:,} of {of:,} tokens, more than {limit.partition('=')[2] or 'none'}"
            )
    return found


def check_limits(limits: Sequence[str]) -> Sequence[str]:
    """Refuse limits that `failures` cannot read, before any work.

    Raises
    ------
    ConfigError
        If one is malformed, or its rule unknown.
    """
    for limit in limits:
        match = _LIMIT.fullmatch(limit)
        if match is None or match[1] not in RULES:
            raise ConfigError(
                f"{limit!r} is no limit: expected RULE, RULE=TOKENS or RULE=SHARE%, with a rule of "
                f"{', '.join(RULES)}"
            )
    return limits
