r"""Tables with which a page segments text that its reader types, for the tokenizers where that can be exact.

A scheme's patterns become patterns over classes of code points, as in `bpetk.custom_pattern`; the page has the table of
classes, so that its browser's idea of letters and spaces never matters. Of normalization the page has none: it refuses
text with a character that may change or move.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from functools import cache
from typing import Any

import numpy as np

from bpetk.alphabet import is_byte_level
from bpetk.analysis.page.payload import edges, packed
from bpetk.analysis.results import Label
from bpetk.code_points import classify
from bpetk.pattern_syntax import parse
from bpetk.pipeline import Pipeline
from bpetk.sp_tokenizer import SentencePieceTokenizer
from bpetk.tokenizer import Tokenizer

_FORMS = ("NFC", "NFD", "NFKC", "NFKD")
_MAX_IDS = 1 << 22  # the page joins two ids to one number, exact in 53 bits

# What the schemes' patterns have and JavaScript has not. In all of them a possessive quantifier or an atomic group is
# followed by what it cannot give up to, so a greedy one matches the same.
_REWRITES = (("}+", "}"), ("(?>", "(?:"), (r"\Z", "$"))  # the parser writes every count with braces


def engine_values(tokenizer: Tokenizer | SentencePieceTokenizer) -> dict[str, Any]:
    """Give what the page needs to encode exactly as the tokenizer does, or ``{"reason": label}``."""
    if reason := _reason(tokenizer):
        return {"reason": reason}
    assert isinstance(tokenizer, Tokenizer)  # or there is a reason
    pipeline, model = Pipeline(tokenizer.definition), tokenizer.model
    hidden = _hidden(tokenizer)
    return {
        "patterns": [pattern_values(pattern) for pattern in model.scheme.patterns],
        "left": packed(model.left, 4),
        "right": packed(model.right, 4),
        "made": packed(model.new, 4),
        "byte_ids": list(model.byte_ids),
        "whole": model.ignore_merges,
        "hidden": sorted(hidden),
        "changing": _changing(_FORMS[pipeline.form]) if pipeline.form not in (None, -1) else [],
        "added": sorted(_added(pipeline)),
    }


def _reason(tokenizer: Tokenizer | SentencePieceTokenizer) -> Label | None:
    """Why text that is typed cannot be segmented in a page."""
    if not isinstance(tokenizer, Tokenizer):
        return Label("typed text is for byte-level models only", "输入文本仅支持字节级模型")
    pipeline, model = Pipeline(tokenizer.definition), tokenizer.model
    if pipeline.scheme is None or not model.scheme.lossless:
        return Label("the page does not know how this model cuts text", "本页不支持该模型的预切分规则")
    if pipeline.form is None:
        return Label("the page does not know this model's normalization", "本页不支持该模型的规范化规则")
    pairs = Counter(zip(model.left, model.right, strict=True))
    if (
        min(model.byte_ids) < 0
        or model.end_of_word_suffix is not None
        or tokenizer.n_vocab >= _MAX_IDS
        or max(pairs.values(), default=0) > 1
        or any(model.token_bytes[token.id] != token.content.encode() for token in model.added_tokens)
        or (model.ignore_merges and _ambiguous(tokenizer))
    ):
        return Label("the vocabulary is of an unusual kind", "该词表的形式较为特殊")
    return None


def _hidden(tokenizer: Tokenizer) -> set[int]:
    """Ids that a whole piece is not looked up as.

    INVARIANT: for an added token this decides nothing, since text that holds one is refused.
    """
    model = tokenizer.model
    extra = {id for text, id in model.extra_tokens if not is_byte_level(text)}
    return {token.id for token in model.added_tokens} | extra


def _ambiguous(tokenizer: Tokenizer) -> bool:
    hidden = _hidden(tokenizer)
    seen = [data for id, data in tokenizer.model.token_bytes.items() if id not in hidden]
    return len(set(seen)) < len(seen)


def _added(pipeline: Pipeline) -> set[str]:
    """Strings without which a text has no added token, before normalization and after."""
    contents = {token.content for token in pipeline.model.added_tokens}
    normalizer = pipeline.normalizer
    if normalizer is not None:
        contents |= {normalizer.normalize(content) for content in contents}
    return {content for content in contents if content}


def pattern_values(pattern: str) -> dict[str, Any]:
    """Turn a pattern of a scheme into one over classes in JavaScript's syntax, with the classes of all code points.

    Returns
    -------
    dict
        ``pattern``, and ``starts`` and ``classes`` of the ranges of code points; code point ``c`` is of the class of
        the last range that starts at or before it, and stands in the searched text as the character of that number.
    """
    node = parse(pattern)
    sets = list(dict.fromkeys(part for part in node.parts if not isinstance(part, str)))
    table, members = classify(sets)
    texts = {
        found: "[" + "".join(f"\\u{i:04x}" for i in classes) + "]" if classes else "(?!)"
        for found, classes in zip(sets, members, strict=True)
    }
    translated = "".join(part if isinstance(part, str) else texts[part] for part in node.parts)
    for theirs, ours in _REWRITES:
        translated = translated.replace(theirs, ours)
    starts = np.flatnonzero(np.diff(table.astype(np.int64), prepend=-1))
    return {"pattern": translated, "starts": starts.tolist(), "classes": table[starts].tolist()}


@cache
def _changing(form: str) -> list[int]:
    """Give the edges of the ranges of characters that a normalization form may change, join or move.

    The answer of any version of `unicodedata` does: what an assigned character does never changes, and what a version
    does not know the library leaves alone.
    """
    flags = np.zeros(0x110000, np.int8)
    for code in range(0x110000):
        char = chr(code)
        if unicodedata.combining(char):
            flags[code] = 1
        elif (decomposition := unicodedata.decomposition(char)) and not 0xD800 <= code < 0xE000:
            flags[code] |= not unicodedata.is_normalized(form, char)  # type: ignore[arg-type]
            parts = decomposition.split()
            if not parts[0].startswith("<") and len(parts) == 2:
                flags[int(parts[1], 16)] = 1  # joins what stands before it
    flags[0x1100:0x1200] = 1  # jamo join to syllables
    if form in ("NFD", "NFKD"):
        flags[0xAC00:0xD7A4] = 1
    return edges(flags)
