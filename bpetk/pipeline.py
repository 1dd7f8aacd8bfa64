"""The stages of one tokenizer joined: from a document to ids, natively where that is exact, in Python for the rest.

The native path takes whole documents. It gives one back ("general") when the text needs a stage that is not
native: a normalizer that would change it, an added token with flags, a pre-tokenizer without a scheme. The
general path then runs the same stages in Python, and merges natively all the same. Both give the same ids.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bpetk import _scanner
from bpetk._added_tokens import Matcher
from bpetk._encode_document import Plan
from bpetk._encode_rules import EncodeRules
from bpetk._encoder import Encoder
from bpetk.aligned import AlignedText
from bpetk.alphabet import is_byte_level
from bpetk.definition import Definition
from bpetk.errors import ConfigError, InvalidEncodingError, ModelFileError, UnknownTokenError
from bpetk.normalizers import Normalizer, normalizer_from_hf
from bpetk.post_processors import PostProcessor, post_processor_from_hf
from bpetk.special_tokens import AddedTokenSplitter, Selection, policy_of, select_tokens
from bpetk.splitters import PreTokenizer, pre_tokenizer_from_hf

NO_MEMORY, UNKNOWN_BYTE, INVALID_UTF8, SURROGATE, FORBIDDEN, GENERAL, TOO_LONG = range(1, 8)
"""Why a document was not encoded natively; values of Failure in ``_encode_worker.pxd``."""

Text = str | bytes

_KNOWN_POLICIES = 64
_CUT_WINDOW, _CUT_ATTEMPTS = 1 << 16, 64  # bytes and tries in looking for a place to cut


@dataclass(frozen=True)
class Policy:
    """What a call does with added tokens.

    Attributes
    ----------
    allowed, disallowed
        As the caller gave them, for the error.
    contents
        Added tokens to match.
    forbidden
        Strings that must not be in the text.
    plan
        The native form.
    """

    allowed: Selection
    disallowed: Selection
    contents: frozenset[str]
    forbidden: frozenset[str]
    plan: Plan

    @cached_property
    def searched(self) -> Matcher | None:
        """A search for the forbidden strings."""
        return matcher(sorted(filter(None, self.forbidden)))


@dataclass(frozen=True)
class Run:
    """Part of a document: an added token, or a stretch of text with the ids of its pretokens.

    Attributes
    ----------
    ids
        Its ids, uint32.
    text
        The normalized stretch as it was encoded, or for an added token the text it took.
    ends
        Ends of the pretokens in bytes of ``text``, if the pre-tokenizer is not native.
    added
        Whether it is an added token.
    """

    ids: Sequence[int]
    text: AlignedText
    added: bool
    pieces: Sequence[AlignedText] | None = None


class Pipeline:
    """All stages of one tokenizer; immutable, made lazily."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.model = definition.model
        self._policies: dict[tuple[Any, Any], Policy] = {}

    @cached_property
    def normalizer(self) -> Normalizer | None:
        """What changes the text first, or None."""
        return normalizer_from_hf(self.definition.sections.normalizer, "normalizer")

    @cached_property
    def pre_tokenizer(self) -> PreTokenizer:
        """What cuts text into pretokens."""
        config = self.definition.sections.pre_tokenizer or self.model.scheme.to_hf()
        found = pre_tokenizer_from_hf(config, "pre_tokenizer")
        assert found is not None
        return found

    @cached_property
    def post_processor(self) -> PostProcessor:
        """What adds tokens on request and trims offsets."""
        return post_processor_from_hf(self.definition.sections.post_processor, "post_processor")

    @cached_property
    def splitter(self) -> AddedTokenSplitter:
        """What finds added tokens."""
        normalizer = self.normalizer
        return AddedTokenSplitter(
            self.model.added_tokens, None if normalizer is None else normalizer.normalize
        )

    @cached_property
    def scheme(self) -> str | None:
        """Name of the native scheme that cuts as the pre-tokenizer does, or None."""
        name = self.model.scheme.name
        return name if name in _scanner.SCHEMES else None

    @cached_property
    def form(self) -> int | None:
        """The normalization form that a text must be in for the native path: -1 for none, None if there is no such."""
        config = self.definition.sections.normalizer
        while config is not None and config.get("type") == "Sequence" and len(config["normalizers"]) == 1:
            config = config["normalizers"][0]
        if config is None or (config.get("type") == "Sequence" and not config["normalizers"]):
            return -1
        return form_of(config)

    @cached_property
    def encoder(self) -> Encoder:
        """The native encoder, with its tables."""
        made: Encoder | None = self.definition.encoder
        if made is not None:
            return made
        model = self.model
        blob, offsets = model.table
        unk = None if model.unk_token is None else model.string_id(model.unk_token)
        # What a whole pretoken is not looked up in: added tokens that are no entries of the vocabulary, unless a merge
        # makes them; in a model of ranks all of them; and entries that no bytes spell.
        known = set() if model.ranks else {*model.special_tokens, *(text for text, _ in model.extra_tokens)}
        added = model.added_tokens
        hidden = [
            token.id for token in added if token.content not in known or not is_byte_level(token.content)
        ]
        hidden += [id for text, id in model.extra_tokens if not is_byte_level(text)]
        try:
            return self._make_encoder(blob, offsets, unk, hidden)
        except ValueError as error:  # what no reader refuses: limits of the tables
            raise ModelFileError(f"model: {error}") from error

    def _make_encoder(
        self, blob: bytes, offsets: array[int], unk: int | None, hidden: Sequence[int]
    ) -> Encoder:
        model = self.model
        rules = EncodeRules(
            blob,
            offsets,
            model.byte_ids,
            model.last_byte_ids,
            model.left,
            model.right,
            model.new,
            unk_id=unk,
            fuse_unk=model.fuse_unk,
        )
        return Encoder(rules, self.scheme, whole_first=model.ignore_merges, hidden=hidden)

    def prepare(self) -> None:
        """Make what every text needs."""
        self.encoder  # noqa: B018

    @cached_property
    def affixes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Ids that the post-processor puts before and after a text."""
        return self.post_processor.affixes()

    def policy(self, allowed: Selection, disallowed: Selection) -> Policy:
        """Make or find the policy for a call's options.

        Raises
        ------
        ConfigError
            If an option is neither ``"all"`` nor a set of strings.
        """
        key = _hashable(allowed), _hashable(disallowed)
        if None not in key and (found := self._policies.get(key)) is not None:
            return found
        contents, forbidden = policy_of(self.model.added_tokens, allowed, disallowed)
        # Values of our own: the caller may change his sets.
        kept = [value if isinstance(value, str) else frozenset(value) for value in (allowed, disallowed)]
        policy = Policy(kept[0], kept[1], contents, forbidden, self._plan(contents, forbidden))
        if len(self._policies) >= _KNOWN_POLICIES:
            self._policies.clear()
        self._policies[key] = policy
        return policy

    def _plan(self, contents: frozenset[str], forbidden: frozenset[str]) -> Plan:
        first = self.splitter.searched(contents, normalized=False)
        second = self.splitter.searched(contents, normalized=True)
        # Where one of these is in a text, more happens than that it is found: white space is taken, neighbours count,
        # or the normalizer changes it.
        suspects = {
            item.form
            for item in (*first, *second)
            if not item.plain or self._changes(item.form) or self._changes(item.token.content)
        }
        return Plan(
            forbidden=matcher(sorted(filter(None, forbidden))),
            suspects=matcher(sorted(suspects - forbidden)),
            first=matcher([item.form for item in first]),
            first_ids=array("I", [item.token.id for item in first]),
            second=matcher([item.form for item in second]),
            second_ids=array("I", [item.token.id for item in second]),
            form=-1 if self.form is None else self.form,
            general=self._always_general(contents),
        )

    def _always_general(self, contents: frozenset[str]) -> bool:
        """Whether no text is encoded natively."""
        # What is searched in the normalized text is searched in its own normalized form.
        second = self.splitter.searched(contents, normalized=True)
        changed = any(item.form != item.token.content for item in second)
        return self.form is None or self.scheme is None or changed

    def _changes(self, text: str) -> bool:
        return self.normalizer is not None and not self.normalizer.unchanged(text.encode())

    def cutter(self, policy: Policy) -> Callable[[bytes], int] | None:
        """Give a function that finds where a text can be cut without changing its ids, or None if there is none.

        It takes the beginning of a text and returns a place above 0, or 0 if it finds none.
        """
        scheme = self.scheme
        searched = [
            item
            for normalized in (False, True)
            for item in self.splitter.searched(policy.contents, normalized=normalized)
        ]
        flagged = any(not item.plain and not item.dropped for item in searched)
        if scheme is None or self.form is None or flagged or policy.plan.general:
            return None
        # Cuts are before a blank and between characters that are not ASCII: nowhere else in a string. Tokens that are
        # searched only to be dropped count too, since they use up what they match.
        strings = {*(item.form for item in searched), *policy.forbidden}
        strings = {text for text in strings if " " in text[1:] or not text.isascii()}
        if self.form != -1 and any(item.token.normalized and item.form in strings for item in searched):
            return None  # the normalizer may make it of other characters, which would not be found here
        risky = [text.encode("utf-8", "surrogatepass") for text in strings]
        longest = max(map(len, risky), default=0)

        def find(data: bytes) -> int:
            # Only the end is looked at, and not for ever.
            base = max(0, len(data) - _CUT_WINDOW)
            end = (
                len(data) - longest
            )  # a string that the end of the data cuts off could begin before a later place
            for _ in range(_CUT_ATTEMPTS):
                cut = _scanner.find_safe_cut(data[base:end], scheme) + base if end > base else base
                if cut <= base:
                    return 0
                spanning = [
                    at
                    for content in risky
                    if (at := data.find(content, max(0, cut - len(content) + 1), cut + len(content) - 1)) >= 0
                ]
                if not spanning:
                    return cut
                end = min(*spanning, cut)
            return 0

        return find

    # --- the general path -------------------------------------------------------------------------------------------

    def runs(
        self, text: str, policy: Policy, *, aligned: bool, dropout: float = 0.0, seed: int = 0
    ) -> Iterator[Run]:
        """Encode a document stage by stage.

        Parameters
        ----------
        text
            The document.
        policy
            From `policy`.
        aligned
            Whether the spans of the original are needed; without, they are not kept.
        dropout, seed
            Probability of leaving out a merge, and the state of the generator.

        Raises
        ------
        ConfigError, InvalidEncodingError, UnknownTokenError
            As `Tokenizer.encode`.
        """
        if policy.forbidden:
            select_tokens(text, self.model.added_tokens, policy.allowed, policy.disallowed)
        normalizer = self.normalizer
        for start, end, id in self.splitter.cut_raw(text, policy.contents):
            if id is not None:
                yield Run([id], AlignedText(text[start:end], start), True)
                continue
            part = AlignedText(text[start:end], start)
            to_utf8(part.text, start)
            if normalizer is not None and not normalizer.unchanged(part.text.encode()):
                if aligned or self.pre_tokenizer.asks_origin:
                    part = normalizer.align(part)
                else:
                    part = AlignedText(normalizer.normalize(part.text), start)
            for i, j, id in self.splitter.cut_normalized(part.text, policy.contents):
                stretch = part.slice(i, j)
                if id is not None:
                    yield Run([id], stretch, True)
                elif stretch.text:
                    seed += 1
                    in_pieces = self.scheme is None or (aligned and not self._covers)
                    yield self._stretch(stretch, start == 0 and i == 0, in_pieces, dropout, seed)

    @cached_property
    def _covers(self) -> bool:
        """Whether the bytes of the tokens, one after the other, are the text: where a token stands then follows."""
        model = self.model
        return model.scheme.lossless and not model.end_of_word_suffix and model.unk_token is None

    def _stretch(self, stretch: AlignedText, first: bool, in_pieces: bool, dropout: float, seed: int) -> Run:
        pieces = ends = None
        whole_chars = True
        if in_pieces:
            pieces = self.pre_tokenizer.split(stretch, first=first)
            parts = [piece.text.encode("utf-8", "surrogateescape") for piece in pieces]
            data, ends, at = b"".join(parts), array("Q"), 0
            for piece, part in zip(pieces, parts, strict=True):
                at += len(part)
                ends.append(at)
                whole_chars = whole_chars and not _torn(piece.text)
        else:
            data = stretch.text.encode()
        ids, failure, where = self.encoder.encode_stretch(
            data, ends=ends, whole_chars=whole_chars, dropout=dropout, seed=seed
        )
        if failure == NO_MEMORY:
            raise MemoryError
        if failure == TOO_LONG:
            raise ConfigError(
                "a pretoken of more than 1 GiB is not supported; cut the text, or choose another scheme"
            )
        if failure:
            self._unknown_byte(data, where, stretch.start)
        return Run(memoryview(ids), stretch, False, pieces)

    def _unknown_byte(self, data: bytes, where: int, start: int) -> None:
        before = data[:where].decode("utf-8", "ignore")
        char = data[len(before.encode()) :].decode("utf-8", "replace")[:1]
        raise UnknownTokenError(
            f"byte 0x{data[where]:02X} of {char!r} at position {start + len(before)} of the text is not in the "
            'alphabet of this tokenizer, which was trained with alphabet="observed"; '
            'train with alphabet="bytes" to encode any text'
        )

    def to_str(self, text: Text) -> str:
        """Give a document as str, without lone surrogates.

        Raises
        ------
        InvalidEncodingError
            If bytes are not UTF-8, or a str holds a lone surrogate and the model is not one of ranks.
        """
        if isinstance(text, bytes):
            try:
                return text.decode("utf-8")
            except UnicodeDecodeError as error:
                raise InvalidEncodingError(
                    f"the text is not UTF-8 at byte {error.start} (0x{text[error.start]:02X}); "
                    "decode it with its own encoding first"
                ) from None
        if not isinstance(text, str):
            raise TypeError(f"text must be str or bytes, not {type(text).__name__}")
        if self.model.ranks and _torn(text):
            # As tiktoken: a pair becomes its character, a lone one the replacement character.
            return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return text

    def checked(self, text: Text, policy: Policy) -> tuple[str, bytes]:
        """Give a document as str and as UTF-8, if nothing is wrong with it: much faster than encoding it.

        Raises
        ------
        ConfigError, InvalidEncodingError
            As `Tokenizer.encode`.
        """
        text = self.to_str(text)
        data = to_utf8(text)
        if policy.searched is not None and policy.searched.find_all(data):
            select_tokens(text, self.model.added_tokens, policy.allowed, policy.disallowed)
        return text, data

    def general(self, text: Text, policy: Policy, *, dropout: float = 0.0, seed: int = 0) -> list[int]:
        """Give the ids of a document stage by stage."""
        text = self.to_str(text)
        to_utf8(text)
        ids: list[int] = []
        for run in self.runs(text, policy, aligned=False, dropout=dropout, seed=seed):
            ids += run.ids
        return ids


def form_of(config: Mapping[str, Any]) -> int | None:
    """Give the number of a normalization form by the object of its normalizer; None for any other."""
    return _FORMS.get(config.get("type", ""))


_FORMS = {"NFC": 0, "NFD": 1, "NFKC": 2, "NFKD": 3}


def to_utf8(text: str, start: int = 0) -> bytes:
    """Give UTF-8.

    Raises
    ------
    InvalidEncodingError
        If the text, which starts at ``start`` of the document, holds a lone surrogate.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidEncodingError(
            f"lone surrogate U+{ord(text[error.start]):04X} at position {start + error.start} of the text is not a "
            "character; replace it first, for example with "
            "text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')"
        ) from None


def _torn(text: str) -> bool:
    """Whether a text holds surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _hashable(value: Any) -> str | frozenset[str] | None:
    if isinstance(value, str | frozenset):
        return value
    strings = isinstance(value, set | tuple | list) and all(isinstance(item, str) for item in value)
    return frozenset(value) if strings else None


def matcher(contents: Sequence[str]) -> Matcher | None:
    """Give a search for strings, or None if there are none."""
    encoded = [content.encode("utf-8", "surrogatepass") for content in contents]
    return Matcher(encoded, range(len(encoded))) if encoded else None
