"""What is in a vocabulary, without any text."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from bpetk.analysis.building import ID, TOKEN, column, count, token_rows
from bpetk.analysis.character_data import UNIHAN
from bpetk.analysis.han_coverage import coverage_section, form_section
from bpetk.analysis.odd_tokens import odd_section, special_section
from bpetk.analysis.results import Label, Result, Section, Table
from bpetk.analysis.scripts import SCRIPTS, UNICODE
from bpetk.analysis.token_table import Kind, TokenTable
from bpetk.analysis.twins import twin_section
from bpetk.analysis.unreachable import reach_section
from bpetk.analysis.vocabulary_shape import integrity_section, length_section, script_section
from bpetk.errors import ConfigError
from bpetk.sp_tokenizer import SentencePieceTokenizer

if TYPE_CHECKING:
    from bpetk.tokenizer import Tokenizer


def inspect(
    tokenizer: Tokenizer | SentencePieceTokenizer,
    *,
    grep: str | None = None,
    script: str | None = None,
    longer_than: int | None = None,
    name: str | None = None,
) -> Result:
    r"""Look at a vocabulary without any text: what its tokens are, which are never produced, how Han is covered.

    With ``grep``, ``script`` or ``longer_than`` only the tokens that fit all of them are listed.

    Parameters
    ----------
    tokenizer
        What `Tokenizer.from_file` gives.
    grep
        A regular expression (Python's ``re``), searched in each token's text; in its escapes if it is none (``\xe4``).
    script
        A key or an English name of `bpetk.analysis.scripts.SCRIPTS`, such as ``"Han"``.
    longer_than
        Only tokens of more characters than this.
    name
        How to call the model; else the name of its file.

    Returns
    -------
    Result
        Sections ``vocabulary``, ``scripts``, ``lengths``, ``integrity``, ``reachability``, ``han_coverage``,
        ``han_forms``, ``twins``, ``odd_tokens``, ``special_tokens``; or only ``search``.

    Raises
    ------
    ConfigError
        If the expression is malformed or there is no such script.

    Examples
    --------
    >>> import bpetk
    >>> tok = bpetk.train_from_iterator(["中文 中文"], vocab_size=262)
    >>> inspect(tok).value("vocab_size")
    262
    >>> inspect(tok, script="Han").section("search").tables[0].rows
    ((257, '"中"', 1, 3), (260, '"中文"', 2, 6), (261, '" 中文"', 3, 7))
    """
    table = TokenTable.of(tokenizer)
    shown = name or PurePath(tokenizer.source or "tokenizer").name
    inputs: dict[str, Any] = {
        "model": tokenizer.source or shown,
        "format": tokenizer.format,
        "unicode": UNICODE,
        "unihan": UNIHAN,
    }
    filters = {"grep": grep, "script": script, "longer_than": longer_than}
    if given := {key: value for key, value in filters.items() if value is not None}:
        inputs |= given
        sections: tuple[Section, ...] = (_search(table, grep, script, longer_than),)
    else:
        sections = _every_section(tokenizer, table)
    return Result("inspect", Label(f"Vocabulary of {shown}", f"{shown} 的词表"), inputs, sections)


def _every_section(tokenizer: Tokenizer | SentencePieceTokenizer, table: TokenTable) -> tuple[Section, ...]:
    return (
        _overview(tokenizer, table),
        script_section(table),
        length_section(table),
        integrity_section(table),
        reach_section(tokenizer, table),
        coverage_section(tokenizer),
        form_section(table),
        twin_section(table),
        odd_section(tokenizer, table),
        special_section(table),
    )


def _overview(tokenizer: Tokenizer | SentencePieceTokenizer, table: TokenTable) -> Section:
    kinds = np.bincount(table.kinds, minlength=len(Kind)).tolist()
    figures = [
        count(
            "vocab_size", "Tokens", "词元总数", table.size - kinds[Kind.ABSENT],
            "Ids that stand for something, special tokens among them.", "有对应内容的编号数，含特殊词元。",
        ),
        count(
            "n_vocab", "Highest id + 1", "最大编号加一", table.size,
            "Rows that an embedding needs, gaps between ids included.", "嵌入矩阵需要的行数，含编号空缺。",
        ),
        count(
            "special", "Special tokens", "特殊词元", kinds[Kind.SPECIAL],
            "Control tokens, and the unknown token if there is one.", "控制词元，以及未知词元（若有）。",
        ),
        count(
            "added", "Added tokens", "附加词元", kinds[Kind.ADDED],
            "Not special; matched in any text before all else.", "非特殊；在任何文本中都最先匹配。",
        ),
    ]  # fmt: skip
    if not isinstance(tokenizer, SentencePieceTokenizer):
        figures.append(
            count(
                "merges", "Merges", "合并数", len(tokenizer.model.new),
                "Pairs that can merge, in their order.", "可合并的词元对，按先后顺序。",
            )
        )  # fmt: skip
    return Section("vocabulary", Label("Vocabulary", "词表"), figures=tuple(figures))


def _search(table: TokenTable, grep: str | None, script: str | None, longer_than: int | None) -> Section:
    chosen = table.kinds != Kind.ABSENT
    if script is not None:
        chosen &= table.script == _script(script)
    if longer_than is not None:
        chosen &= table.n_chars > longer_than
    ids = np.flatnonzero(chosen).tolist()
    if grep is not None:
        try:
            pattern = re.compile(grep)
        except re.error as error:
            at = "" if error.pos is None else f" at position {error.pos}"
            raise ConfigError(f"{grep!r} is no regular expression: {error.msg}{at}") from None
        ids = [id for id in ids if pattern.search(_searched(table, id))]
    return Section(
        "search",
        Label("Tokens found", "找到的词元"),
        figures=(
            count(
                "found", "Tokens found", "找到的词元", len(ids),
                "Tokens that fit all that was asked for.", "符合全部条件的词元。",
            ),
        ),
        tables=(
            Table(
                "tokens",
                Label("Tokens found", "找到的词元"),
                (ID, TOKEN, column("characters", "Characters", "字符数"), column("bytes", "Bytes", "字节数")),
                token_rows(table, ids, table.n_chars[ids].tolist(), table.n_bytes[ids].tolist()),
                shown=200,
            ),
        ),
    )  # fmt: skip


def _searched(table: TokenTable, id: int) -> str:
    text = table.names[id] or table.text[id]
    return table.readable(id)[1:-1] if text is None else text


def _script(name: str) -> int:
    wanted = name.strip().lower().replace(" ", "_")
    for index, (key, label) in enumerate(SCRIPTS):
        if wanted in (key, label.en.lower().replace(" ", "_"), label.zh):
            return index
    known = ", ".join(key for key, _ in SCRIPTS)
    raise ConfigError(f"no script is called {name!r}; known are {known}")
