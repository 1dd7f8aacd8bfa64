"""Ids to text where tokens are characters: by the bytes of the tokens if that is exact, else by the decoder."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from typing import Any

from bpetk._decoder import Decoder as NativeDecoder
from bpetk.decoders import Decoder, decoder_from_hf, fallback_byte
from bpetk.errors import ConfigError


class CharacterDecoder:
    """Decodes ids as a decoder of Hugging Face does.

    Most files of this kind replace U+2581 by a blank in each token, take byte tokens for bytes, join all, and drop
    blanks in front. There the bytes of the tokens, one after the other, are the text if they are UTF-8: then those of
    each run of byte tokens are too. Otherwise the reference gives U+FFFD for each byte of a bad run, which the decoder
    does step by step.

    Parameters
    ----------
    texts
        Text of each id, added tokens included.
    decoder
        That of the file.
    """

    def __init__(self, texts: Mapping[int, str], decoder: Decoder) -> None:
        self.texts = texts
        self.decoder = decoder
        self.steps = _steps(decoder.config)

    @cached_property
    def strip(self) -> tuple[str, int, int] | None:
        """What is dropped from the ends of the text: a character, and at most how many of it; None if not so plain."""
        *others, last = self.steps or [{}]
        if last.get("type") == "Strip":
            fused = any(step["type"] == "Fuse" for step in others)
            strip = (last["content"], last["start"], last["stop"]) if fused else None
        else:
            others, strip = list(self.steps), (" ", 0, 0)
        known = all(step["type"] in ("Replace", "ByteFallback", "Fuse") for step in others)
        kinds = [step["type"] for step in others]
        in_order = kinds == sorted(kinds, key=["Replace", "ByteFallback", "Fuse"].index) if known else False
        literal = all(
            len(step["pattern"].get("String", "")) == 1 for step in others if step["type"] == "Replace"
        )
        return strip if in_order and literal and self.decoder.config is not None else None

    @cached_property
    def inner(self) -> dict[int, bytes]:
        """What each id stands for where it is neither first nor last: its bytes."""
        return {id: self._inner(text) for id, text in self.texts.items()}

    def _inner(self, text: str) -> bytes:
        for step in self.steps:
            kind = step["type"]
            if kind == "Replace" and "String" in step["pattern"]:
                text = text and text.replace(step["pattern"]["String"], step["content"])
            elif kind == "Metaspace":
                text = text.replace(step["replacement"], " ")
            elif kind == "BPEDecoder":
                text = text.replace(step["suffix"], " ")
            elif kind == "ByteFallback" and (byte := fallback_byte(text)) is not None:
                return bytes([byte])
        return text.encode()

    @cached_property
    def bytes_of_runs(self) -> frozenset[int]:
        """Ids of byte tokens: those in a row are decoded together."""
        before = [step for step in self.steps if step["type"] == "Replace"]
        plain = decoder_from_hf({"type": "Sequence", "decoders": before})
        found = {id for id, text in self.texts.items() if fallback_byte(plain.decode([text])) is not None}
        return frozenset(found) if any(step["type"] == "ByteFallback" for step in self.steps) else frozenset()

    @cached_property
    def _native(self) -> NativeDecoder | None:
        """Joins the bytes of tokens, if that is what the decoder does."""
        if self.strip is None or b"" in self.inner.values():
            return None  # nothing between two byte tokens ends a run all the same
        n = max(self.inner, default=-1) + 1
        parts = [self.inner.get(id, b"") for id in range(n)]
        offsets = array("I", accumulate(map(len, parts), initial=0))
        return NativeDecoder(b"".join(parts), offsets, unknown=set(range(n)) - set(self.inner), special=())

    def decode(self, ids: Sequence[int], *, strips: bool = True) -> str:
        """Turn ids, all of them in the vocabulary, into text; without ``strips``, ends are left as they are."""
        if self._native is not None:
            data = self._native.decode(list(ids), skip_special=False)
            try:
                text = data.decode() if isinstance(data, bytes) else None
            except UnicodeDecodeError:
                text = None
            if text is not None:
                return self._stripped(text) if strips else text
        decoder = self.decoder if strips else self._without_strip
        return decoder.decode([self.texts[id] for id in ids])

    @cached_property
    def _without_strip(self) -> Decoder:
        steps = [step for step in self.steps if step["type"] != "Strip"]
        return decoder_from_hf({"type": "Sequence", "decoders": steps})

    def decode_strict(self, ids: Sequence[int], errors: str) -> str:
        """Turn ids into text, with ``errors`` of ``bytes.decode`` for bytes that are not UTF-8."""
        if self.strip is None:
            return self.decode(ids)
        return self._stripped(b"".join(self.inner[id] for id in ids).decode("utf-8", errors))

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        """Turn ids into the bytes of the text; where they are no text, into those of the tokens."""
        if self.strip is None:
            return self.decode(ids).encode()
        data = b"".join(self.inner[id] for id in ids)
        char, start, stop = self.strip
        content = char.encode()
        while start and data.startswith(content):
            data, start = data[len(content) :], start - 1
        while stop and data.endswith(content):
            data, stop = data[: -len(content)], stop - 1
        return data

    def _stripped(self, text: str) -> str:
        assert self.strip is not None
        content, start, stop = self.strip
        left = min(start, len(text) - len(text.lstrip(content)))
        right = min(stop, len(text) - left, len(text) - len(text.rstrip(content)))
        return text[left : len(text) - right]

    def parts(self, ids: Sequence[int]) -> list[bytes]:
        """Give the bytes of each token in this row; joined they are the text.

        Raises
        ------
        ConfigError
            If the decoder makes a text that is not that of the tokens, one after the other.
        """
        parts = [self.inner[id] for id in ids]
        kinds = {step["type"] for step in self.steps}
        if parts and self.strip is None and kinds <= {"Metaspace", "BPEDecoder"}:
            parts[0] = self.decoder.decode([self.texts[ids[0]], ""]).encode()
            if len(ids) > 1:
                parts[-1] = self.decoder.decode(["", self.texts[ids[-1]]]).encode()
            else:
                parts[0] = self.decode(ids).encode()
        elif self.strip is not None:
            joined, text = b"".join(parts), self.decode_bytes(ids)
            # Only one of the ends is ever dropped from in files, and only from the first tokens.
            drop = len(joined) - len(text)
            for k in range(len(parts)):
                taken = min(drop, len(parts[k]))
                parts[k], drop = parts[k][taken:], drop - taken
        if b"".join(parts) != (
            self.decode_bytes(ids) if self.strip is not None else self.decode(ids).encode()
        ):
            raise ConfigError(
                "this tokenizer's decoder changes text across tokens, so they have no places in it"
            )
        return parts

    def stream(self, take: Callable[[list[int]], list[int]]) -> CharacterStreamDecoder:
        """Give an object that turns ids into text as they come; ``take`` checks ids and leaves some out.

        Raises
        ------
        ConfigError
            If the decoder changes text across tokens.
        """
        if self.strip is None or self.strip[2] or b"" in self.inner.values():
            raise ConfigError(
                "this tokenizer's decoder changes text across tokens, so it cannot decode a stream"
            )
        return CharacterStreamDecoder(self, take)


class CharacterStreamDecoder:
    """Turns ids into text piece by piece; made by `Tokenizer.stream_decoder`.

    Bytes that stand for characters that are no tokens are held back until another token comes, or until `finish`: what
    they are depends on all of them. All pieces joined are what decoding all ids at once gives.
    """

    def __init__(self, decoder: CharacterDecoder, take: Callable[[list[int]], list[int]]) -> None:
        assert decoder.strip is not None
        self._decoder = decoder
        self._take = take
        self._strip = decoder.strip
        self._held: list[int] = []
        self._left = self._strip[1]

    def feed(self, ids: int | Iterable[int]) -> str:
        """Take one id or several; give the text that is certain now.

        Raises
        ------
        UnknownTokenError
            If an id is not in the vocabulary; then none of these ids counts.
        """
        row = [*ids] if isinstance(ids, Iterable) else [ids]
        self._held += self._take(row)
        end, held = len(self._held), self._decoder.bytes_of_runs
        while end and self._held[end - 1] in held:
            end -= 1
        done, self._held = self._held[:end], self._held[end:]
        return self._emit(done)

    def finish(self) -> str:
        """Give what was held back, U+FFFD for what never became a character, and start afresh."""
        rest, self._held = self._emit(self._held), []
        self._left = self._strip[1]
        return rest

    def _emit(self, ids: list[int]) -> str:
        if not ids:
            return ""
        text = self._decoder.decode(ids, strips=False)
        dropped = min(self._left, len(text) - len(text.lstrip(self._strip[0])))
        self._left = self._left - dropped if dropped == len(text) else 0
        return text[dropped:]


def _steps(config: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    if config is None:
        return []
    if config["type"] == "Sequence":
        return [step for part in config["decoders"] for step in _steps(part)]
    return [config]
