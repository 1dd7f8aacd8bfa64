"""The stages of a tokenizer whose tokens are characters: from a document to ids.

Two ways, with the same ids. The native one is for files that do no more than write blanks as U+2581, put one in front
and cut before each, which are those of the models of SentencePiece's kind: a stretch between added tokens is then cut
wherever no rule joins anything, and its segments are looked up. The general one runs normalizer and pre-tokenizer in
Python and merges each pretoken natively as a whole.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from functools import cached_property
from itertools import accumulate
from typing import Any, NamedTuple

from bpetk._character_document import Stretches
from bpetk._character_rules import CharacterRules, inner_texts
from bpetk._encode_document import Plan
from bpetk._encoder import Encoder
from bpetk.aligned import AlignedText
from bpetk.character_model import BLANK, CharacterModel
from bpetk.definition import Definition, Section
from bpetk.errors import ConfigError, ModelFileError
from bpetk.pipeline import NO_MEMORY, TOO_LONG, Pipeline, Policy, Run, Text, form_of, matcher, to_utf8
from bpetk.special_tokens import select_tokens
from bpetk.splitters import PreTokenizer, pre_tokenizer_from_hf

_SPACE_MARK: Mapping[str, Any] = {"type": "Replace", "pattern": {"String": " "}, "content": BLANK}
_PREFIX: Mapping[str, Any] = {"type": "Prepend", "prepend": BLANK}
_NOTHING = {"type": "Sequence", "pretokenizers": []}
_NO_TOKEN = "\U0010ffff"
_DECORATED_FROM = 0xF0000  # code points that stand for decorated characters


class Shape(NamedTuple):
    """What the native path does to a stretch.

    Attributes
    ----------
    prefix
        U+2581 goes in front.
    unless_there
        But not where there is one already, or a blank.
    first_only
        And only where the document begins.
    splits
        It is cut before each U+2581.
    form
        The normalization form that it must be in already, -1 for any text, None for what only Python normalizes.
    normal_prefix
        The normalizer has put U+2581 in front, where a prefix is wanted.
    """

    prefix: bool = False
    unless_there: bool = False
    first_only: bool = False
    splits: bool = False
    form: int | None = -1
    normal_prefix: bool = False


def shape_of(normalizer: Section, pre_tokenizer: Section) -> Shape | None:
    """Tell what the two stages do, if it is nothing but a `Shape`.

    Examples
    --------
    >>> shape_of(dict(_SPACE_MARK), None)
    Shape(prefix=False, unless_there=False, first_only=False, splits=False, form=-1, normal_prefix=False)
    """
    steps = _flat(normalizer, "normalizers")
    if pre_tokenizer is not None and pre_tokenizer.get("type") == "Metaspace":
        form = -1 if not steps else form_of(steps[0]) if len(steps) == 1 else None
        if pre_tokenizer["replacement"] != BLANK:
            return None
        scheme = pre_tokenizer["prepend_scheme"]
        return Shape(scheme != "never", True, scheme == "first", pre_tokenizer["split"], form)
    marks = [step for step in steps if step in (_SPACE_MARK, _PREFIX)]
    if _SPACE_MARK not in marks or steps[len(steps) - len(marks) :] != marks or len(marks) > 2:
        return None
    prefix = _PREFIX in marks
    if len(marks) == 2 and not prefix:
        return None
    # Where there is no blank left, nothing is cut at one.
    for step in _flat(pre_tokenizer, "pretokenizers"):
        if step["type"] != "Split" or step["pattern"] != {"String": " "} or step["invert"]:
            return None
    return Shape(prefix=prefix, normal_prefix=prefix, form=-1 if steps == marks else None)


def _flat(section: Section, name: str) -> list[Mapping[str, Any]]:
    if section is None:
        return []
    if section.get("type") != "Sequence":
        return [section]
    return [step for part in section[name] for step in _flat(part, name)]


class CharacterPipeline(Pipeline):
    """All stages of one tokenizer whose model is a `CharacterModel`; immutable, made lazily."""

    model: CharacterModel

    def __init__(self, definition: Definition) -> None:
        super().__init__(definition)
        assert isinstance(definition.model, CharacterModel)

    @cached_property
    def pre_tokenizer(self) -> PreTokenizer:
        """What cuts text into pretokens; it may do nothing."""
        found = pre_tokenizer_from_hf(self.definition.sections.pre_tokenizer or _NOTHING, "pre_tokenizer")
        assert found is not None
        return found

    @property
    def scheme(self) -> None:
        """None: no native scheme cuts as these files do."""
        return None

    @cached_property
    def shape(self) -> Shape | None:
        """What the native path does, or None if there is none."""
        model, sections = self.model, self.definition.sections
        shape = shape_of(sections.normalizer, sections.pre_tokenizer)
        if shape is None or model.ignore_merges or model.decorated or BLANK not in model.vocabulary:
            return None
        bytes_missing = model.byte_tokens is not None and -1 in model.byte_tokens
        # A run of unknown characters depends on more than the segments it is cut into; and where characters vanish,
        # others become neighbours.
        if bytes_missing:
            return None
        if model.byte_tokens is None and (model.unk_id is None or self._unknown_is_made):
            return None
        return shape

    @property
    def _unknown_is_made(self) -> bool:
        """Whether text that is known can become the unknown token."""
        model = self.model
        return len(model.unk_token or "") == 1 or model.unk_id in model.new

    @property
    def form(self) -> int | None:
        """The normalization form that a text must be in for the native path: -1 for none, None if there is no such."""
        return None if self.shape is None else self.shape.form

    @cached_property
    def encoder(self) -> Encoder:
        """The native encoder, with its tables."""
        try:
            return Encoder(self._rules(), None)
        except ValueError as error:
            raise ModelFileError(f"model: {error}") from error

    def prepare(self) -> None:
        """Make what every text needs; files of this kind have thousands of added tokens to look for."""
        super().prepare()
        for allowed, disallowed in (((), "all"), ((), ()), ("all", "all")):
            self.policy(allowed, disallowed)

    def _rules(self) -> CharacterRules:
        model, shape = self.model, self.shape
        if model.decorated:
            characters = {char: id for _, _, chars in self._decorated for char, id in chars.values()}
            blob, offsets = b"", memoryview(array("I", bytes(4 * (model.n_vocab + 1))))
            codes, ids = array("I", map(ord, characters)), array("I", characters.values())
        else:
            blob, offsets, codes, ids = inner_texts(*model.packed_texts, model.n_vocab, shape is not None)
        rules = CharacterRules(
            blob,
            offsets,
            codes,
            ids,
            model.left,
            model.right,
            model.new,
            unk_id=model.unk_id,
            fuse_unk=model.fuse_unk,
            byte_ids=model.byte_tokens,
            fold=shape is not None,
            splits=shape is not None and shape.splits,
        )
        if model.ignore_merges:
            rules.find_only_whole([id for id in range(model.n_vocab) if offsets[id] < offsets[id + 1]])
        return rules

    @cached_property
    def _decorated(self) -> list[tuple[bool, bool, dict[str, tuple[str, int]]]]:
        """For a character that is first, last, both or neither of its pretoken: what stands for it, and its id."""
        model, code = self.model, _DECORATED_FROM
        prefix, suffix = model.continuing_subword_prefix or "", model.end_of_word_suffix or ""
        found = []
        for first in (False, True):
            for last in (False, True):
                before, after = "" if first else prefix, suffix if last else ""
                chars: dict[str, tuple[str, int]] = {}
                for text, id in model.vocabulary.items():
                    char = text[len(before) : len(text) - len(after)]
                    if len(char) == 1 and text == before + char + after:
                        chars[char] = chr(code), id
                        code += 1
                found.append((first, last, chars))
        if code > ord(_NO_TOKEN):
            raise ModelFileError("model.vocab: too many characters with a prefix or a suffix")
        return found

    def _plan(self, contents: frozenset[str], forbidden: frozenset[str]) -> Plan:
        shape = self.shape
        if shape is None or shape.form is None:
            return Plan(general=True, forbidden=matcher(sorted(filter(None, forbidden))))
        first = self.splitter.searched(contents, normalized=False)
        second = self.splitter.searched(contents, normalized=True)
        changed = self.normalizer is not None and shape.form == -1
        general = False
        # Where one of these is in a text, more happens than that it is found.
        suspects = {item.form for item in (*first, *second) if not item.plain}
        if changed:
            # The normalizer writes blanks otherwise and puts one in front; the rest of a form stands in the text.
            plain = {item.token.content for item in second}
            general = any(set(content) & {" ", BLANK} for content in plain)
            suspects |= plain
            second = ()
        elif self.normalizer is not None:
            general = any(item.form != item.token.content for item in second)
            suspects |= {item.form for item in (*first, *second) if self._changes(item.form)}
        return Plan(
            forbidden=matcher(sorted(filter(None, forbidden))),
            suspects=matcher(sorted(suspects - forbidden)),
            first=matcher([item.form for item in first]),
            first_ids=array("I", [item.token.id for item in first]),
            second=matcher([item.form for item in second]),
            second_ids=array("I", [item.token.id for item in second]),
            form=shape.form,
            general=general,
            stretches=self._stretches(shape, shape.prefix),
        )

    def _stretches(self, shape: Shape, prefix: bool) -> Stretches:
        model = self.model
        return Stretches(
            prefix=prefix,
            unless_there=shape.unless_there,
            first_only=shape.first_only,
            fuse=model.fuse_unk and model.unk_id is not None and not model.byte_fallback,
        )

    def cutter(self, policy: Policy) -> None:
        """Give nothing: a stretch is normalized as a whole."""
        return None

    # --- the general path -------------------------------------------------------------------------------------------

    @cached_property
    def _normalized_plans(self) -> tuple[Plan, Plan]:
        """What is done to a normalized stretch: where the document begins, and elsewhere."""
        shape = self.shape
        assert shape is not None
        prefixes = shape.prefix and not shape.normal_prefix
        return (
            Plan(stretches=self._stretches(shape, prefixes)),
            Plan(stretches=self._stretches(shape, prefixes and not shape.first_only)),
        )

    def general(self, text: Text, policy: Policy, *, dropout: float = 0.0, seed: int = 0) -> list[int]:
        """Give the ids of a document stage by stage: stretches natively once they are normalized, if that will do."""
        shape = self.shape
        if shape is None or dropout:
            return super().general(text, policy, dropout=dropout, seed=seed)
        text = self.to_str(text)
        to_utf8(text)
        if policy.forbidden:
            select_tokens(text, self.model.added_tokens, policy.allowed, policy.disallowed)
        normalizer, out = self.normalizer, []
        for start, end, id in self.splitter.cut_raw(text, policy.contents):
            if id is not None:
                out.append(id)
                continue
            part = text[start:end]
            begins = start == 0
            if normalizer is not None and not normalizer.unchanged(part.encode()):
                if begins and shape.first_only:
                    # Where the normalizer drops what the document begins with, no stretch begins there.
                    found = normalizer.align(AlignedText(part))
                    part, begins = found.text, bool(found) and found.span(0, 1)[0] == 0
                else:
                    part = normalizer.normalize(part)
            for i, j, id in self.splitter.cut_normalized(part, policy.contents):
                if id is not None:
                    out.append(id)
                    continue
                plan = self._normalized_plans[not begins or i > 0]
                ids = self.encoder.encode(part[i:j], plan)
                if type(ids) is tuple:  # too long without a place to cut
                    return super().general(text, policy)
                out += ids
        return out

    def _stretch(self, stretch: AlignedText, first: bool, in_pieces: bool, dropout: float, seed: int) -> Run:
        pieces = self.pre_tokenizer.split(stretch, first=first)
        parts = [self._inner(piece.text) for piece in pieces]
        ends = array("Q", accumulate(map(len, parts)))
        ids, failure, _ = self.encoder.encode_stretch(b"".join(parts), ends=ends, dropout=dropout, seed=seed)
        if failure == NO_MEMORY:
            raise MemoryError
        if failure == TOO_LONG:
            raise ConfigError("a pretoken of more than 1 GiB is not supported; cut the text")
        assert not failure
        return Run(memoryview(ids), stretch, False, pieces)

    def _inner(self, text: str) -> bytes:
        """Give a pretoken as the encoder takes it."""
        model = self.model
        if not model.decorated:
            return (text.replace(BLANK, " ") if self.shape is not None else text).encode()
        last = len(text) - 1
        return "".join(self._stands_for(text[i], i == 0, i == last) for i in range(last + 1)).encode()

    def _stands_for(self, char: str, first: bool, last: bool) -> str:
        found = self._decorated[2 * first + last][2].get(char)
        return _NO_TOKEN if found is None else found[0]
