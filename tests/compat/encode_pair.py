"""One model, loaded here and with the library that it is compared with, and comparisons that say where they fail."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

import fuzz_text
import shared_data
from model_zoo import GetFile, HfReference, Model, TiktokenReference, Vocabulary, read_vocabulary

from bpetk import Tokenizer

CORPORA = ("zh", "zh_classical", "en", "mixed", "multi", "code")
FUZZ = ("unicode", "adversarial", "vocabulary", "added tokens", "inside characters")


class Pair:
    """A model here and there; everything is made when first asked for."""

    def __init__(self, model: Model, get: GetFile) -> None:
        self.model = model
        self._get = get
        self._lines: dict[tuple[str, int], tuple[list[str], list[list[int]]]] = {}

    def __repr__(self) -> str:
        return f"Pair({self.model})"

    @cached_property
    def here(self) -> Tokenizer:
        return self.model.load(self._get)

    @cached_property
    def there(self) -> HfReference | TiktokenReference:
        return self.model.reference(self._get)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        return read_vocabulary(self.model, self._get)

    @property
    def plain(self) -> bool:
        """Whether tokens are the bytes of the text where they stand: nothing normalizes or drops.

        Not so, either, where pieces are cut again after they became bytes: then parts of a character are text.
        """
        if isinstance(self.there, TiktokenReference):
            return True
        normalizer, pre_tokenizer = self.there.tokenizer.normalizer, self.there.tokenizer.pre_tokenizer
        steps = json.loads(pre_tokenizer.__getstate__())
        last = steps["pretokenizers"][-1] if steps["type"] == "Sequence" else steps
        unchanged = normalizer is None or str(normalizer) == "Sequence(normalizers=[])"
        return unchanged and last["type"] == "ByteLevel"

    @cached_property
    def trims(self) -> bool:
        """Whether spans in code points leave out the white space at the ends of tokens."""
        if isinstance(self.there, TiktokenReference):
            return False
        post_processor = self.there.tokenizer.post_processor
        return post_processor is not None and b'"trim_offsets":true' in post_processor.__getstate__()

    @cached_property
    def missing_bytes(self) -> frozenset[int]:
        """Bytes of UTF-8 text that the vocabulary has no token for: bpetk refuses them, the reference drops them."""
        tokens = set(self.vocabulary.tokens)
        return frozenset(byte for byte in (*range(0xC0), *range(0xC2, 0xF5)) if bytes([byte]) not in tokens)

    def without_missing(self, text: str) -> str:
        """Drop the characters that have such a byte."""
        missing = self.missing_bytes
        return "".join(char for char in text if missing.isdisjoint(char.encode())) if missing else text

    def corpus(self, name: str, size: int) -> str:
        """Give the beginning of a corpus."""
        return shared_data.shared_corpus(name, size).read_bytes().decode()

    def lines(self, name: str, size: int) -> tuple[list[str], list[list[int]]]:
        """Give the lines of a corpus with their ends, and the expected ids of each."""
        found = self._lines.get((name, size))
        if found is None:
            lines = [*map(self.without_missing, self.corpus(name, size).splitlines(keepends=True))]
            found = self._lines[name, size] = lines, self.there.encode_batch(lines)
        return found

    def fuzz(self, kind: str, count: int, seed: int = 0) -> list[str]:
        """Give ``count`` texts of a kind of `FUZZ`."""
        rng = random.Random(f"{self.model} {kind} {seed}")
        if kind == "inside characters":
            rules = fuzz_text.inside_characters(self.vocabulary.rules)
            if len(rules) > count * 2:
                rules = rng.sample(rules, count * 2)
            texts: Iterable[str] = fuzz_text.inside_character_texts(rng, rules, each=6, per_text=12)
        else:
            make: Callable[[int], str] = {
                "unicode": lambda size: fuzz_text.unicode_text(rng, size),
                "adversarial": lambda size: fuzz_text.adversarial_text(rng, size),
                "vocabulary": lambda size: fuzz_text.vocabulary_text(rng, self.vocabulary.tokens, size),
                "added tokens": lambda size: fuzz_text.added_token_text(rng, self.vocabulary.added, size),
            }[kind]
            texts = (make(rng.choice((1, 2, 4, 8, 16, 40))) for _ in range(count))
        return [*map(self.without_missing, texts)]

    def compare(
        self, texts: Sequence[str], found: Sequence[Sequence[int]], expected: Sequence[Sequence[int]]
    ) -> None:
        """Assert that the ids of texts are those expected; show the first place where they are not."""
        assert len(found) == len(texts)
        bad = [i for i, (a, b) in enumerate(zip(found, expected, strict=True)) if list(a) != b]
        assert not bad, f"{len(bad)} of {len(texts)} texts differ, first: " + self.difference(
            texts[bad[0]], list(found[bad[0]]), expected[bad[0]]
        )

    def difference(self, text: str, found: list[int], expected: list[int]) -> str:
        """Describe the first difference between ids of a text."""
        at = next((i for i, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b), None)
        if at is None:
            at = min(len(found), len(expected))
        start = max(0, at - 3)

        def show(ids: list[int]) -> str:
            part = ids[start : at + 6]
            return f"{part} {[self.there.decode([id]) for id in part]}"

        shown = repr(text) if len(text) < 400 else f"{text[:200]!r}...({len(text)} characters)"
        return (
            f"{self.model} on {shown}: at id {at} of {len(found)} and {len(expected)}\n"
            f"  here  {show(found)}\n  there {show(expected)}"
        )


def rows(flat: Any, offsets: Any) -> list[list[int]]:
    """Cut flat ids at row offsets."""
    ends = list(offsets)
    ids = list(map(int, flat))
    return [ids[start:end] for start, end in pairwise(ends)]
