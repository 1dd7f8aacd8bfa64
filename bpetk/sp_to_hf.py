"""A BPE model of SentencePiece as a ``tokenizer.json``, or the reason why there is no such thing.

Text is normalized by a sequence of normalizers, and is then one piece for the model, which merges characters by a list
(`bpetk.sp_merge_list`). User-defined pieces of several characters are cut out before that, and found as a whole because
of ``ignore_merges``; see `_cuts`. Added tokens would not do: text is normalized apart between those, so that each part
would get the blank that SentencePiece puts in front of the whole.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn

from bpetk.errors import ModelFileError
from bpetk.interop.sentencepiece_model import ModelFile, PieceType
from bpetk.interop.tokenizer_config import ROLES, UNLIMITED
from bpetk.sp_encoder import PieceEncoder
from bpetk.sp_merge_list import MergeList, join, merge_list

BLANK = "\u2581"

_USED, _UNUSED, _WHOLE = 1, 2, 3  # of `PieceEncoder.kinds`


def _refuse(reason: str) -> NoReturn:
    raise ModelFileError(f"tokenizer.json cannot hold this model: {reason}")


@dataclass(frozen=True)
class HfForm:
    """A model in the terms of Hugging Face.

    Attributes
    ----------
    tokenizer, config
        The objects of ``tokenizer.json`` and ``tokenizer_config.json``.
    rivals
        Texts to compare: for others the order of the merges is right, see `MergeList`.
    notes
        What there is to know, a line each.
    """

    tokenizer: Mapping[str, Any]
    config: Mapping[str, Any]
    rivals: list[str]
    notes: list[str]


def to_hf(model: ModelFile) -> HfForm:
    """Express a model as ``tokenizer.json``.

    Parameters
    ----------
    model
        A BPE model.

    Returns
    -------
    HfForm
        With this ids are equal for every text, unless there are ``rivals``, or the model has rules of normalization.
        Hugging Face applies those to what a reader sees as one character, not to the longest match, so that only a
        comparison can tell.

    Raises
    ------
    ModelFileError
        If there is no such ``tokenizer.json``; the message names the piece or field.

    Examples
    --------
    >>> from bpetk.interop.sentencepiece_model import NormalizerSpec, Piece
    >>> pieces = [Piece("<unk>", 0.0, PieceType.UNKNOWN)]
    >>> pieces += [Piece(text, -id) for id, text in enumerate(("ab", "a", "b", BLANK))]
    >>> form = to_hf(ModelFile(pieces, {"model_type": 2}, NormalizerSpec("identity", b"")))
    >>> form.tokenizer["model"]["merges"], form.tokenizer["model"]["vocab"]["ab"]
    ([['a', 'b']], 1)
    """
    return _Form(model).build()


class _Form:
    """A model that is being expressed."""

    def __init__(self, model: ModelFile) -> None:
        self.model = model
        self.pieces = model.pieces
        self.kinds = PieceEncoder(model).kinds
        self.notes: list[str] = []
        self.symbols = [
            piece.text
            for piece, kind in zip(model.pieces, self.kinds, strict=True)
            if kind == _WHOLE and len(piece.text) > 1
        ]
        """The user-defined pieces that are cut out; one of a character is just in no merge."""

    def build(self) -> HfForm:
        self._check()
        merges = self.merges
        unk = self.model.unk_id
        model = {
            "type": "BPE",
            "dropout": None,
            "unk_token": None if unk is None else self.pieces[unk].text,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,  # of no effect with byte fallback
            "byte_fallback": self.model.byte_fallback,
            "ignore_merges": bool(self.symbols),
            "vocab": self._vocab(),
            "merges": [[merge.left, merge.right] for merge in merges.merges],
        }
        special = [
            id
            for id, piece in enumerate(self.pieces)
            if piece.text and piece.type in (PieceType.CONTROL, PieceType.UNKNOWN)
        ]
        flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        tokenizer = {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [{"id": id, "content": self.pieces[id].text, **flags} for id in special],
            "normalizer": self._normalizer(),
            "pre_tokenizer": self._cuts(),
            "post_processor": None,
            "decoder": self._decoder(),
            "model": model,
        }
        return HfForm(
            tokenizer, self._config([self.pieces[id].text for id in special]), merges.rivals, self.notes
        )

    # --- what cannot be -----------------------------------------------------------------------------------------------

    def _check(self) -> None:
        model = self.model
        if not model.normalizer.escapes_whitespaces:
            _refuse("escape_whitespaces is false, so that blanks stay blanks")
        if model.setting("treat_whitespace_as_suffix") is True and model.normalizer.adds_dummy_prefix:
            _refuse("treat_whitespace_as_suffix: no normalizer puts a blank behind the text")
        if model.denormalizer is not None and model.denormalizer.precompiled:
            _refuse("denormalizer_spec: it has no decoder with compiled rules")
        whole = [
            id for id, piece in enumerate(model.pieces) if piece.type == PieceType.USER_DEFINED and piece.text
        ]
        if whole and model.normalizer.precompiled:
            _refuse(
                f"the normalization rules {model.normalizer.name!r} do not change user-defined pieces such as "
                f"{model.pieces[whole[0]].text!r} (id {whole[0]}), but a normalizer changes all text"
            )
        for id, (piece, kind) in enumerate(zip(model.pieces, self.kinds, strict=True)):
            text = piece.text
            what = f"id {id}, {text!r}, is {piece.type.name.lower().replace('_', '-')}"
            if (
                piece.type == PieceType.USER_DEFINED
                and " " in text
                and model.normalizer.removes_extra_whitespaces
            ):
                _refuse(f"{what} and keeps its blanks, where a normalizer removes all superfluous ones")
            if len(text) == 1 and text not in ("\0", " ") and kind not in (_USED, _WHOLE):
                _refuse(
                    f"{what}, so that no text becomes it, but the model of tokenizers knows only one kind of token"
                )

    @cached_property
    def merges(self) -> MergeList:
        """The merges; what they are of has to be pieces itself."""
        pieces, kinds = self.pieces, self.kinds
        found = merge_list(
            pieces,
            [id for id, kind in enumerate(kinds) if kind in (_USED, _UNUSED)],
            [piece.text for piece, kind in zip(pieces, kinds, strict=True) if kind == _WHOLE],
        )
        known = {piece.text for piece, kind in zip(pieces, kinds, strict=True) if kind == _USED}
        for merge in found.merges:
            if kinds[merge.id] == _UNUSED:
                _refuse(
                    f"id {merge.id}, {merge.text!r}, is unused, so that it is taken apart again after merging"
                )
            for part in (merge.left, merge.right):
                if part not in known:
                    _refuse(
                        f"the text {merge.text!r} is piece {merge.id}, which is put together from {merge.left!r} and "
                        f"{merge.right!r}, but {part!r} is no piece, and only tokens can be merged"
                    )
        return found

    # --- parts --------------------------------------------------------------------------------------------------------

    def _vocab(self) -> dict[str, int]:
        vocab = {piece.text: id for id, piece in enumerate(self.pieces)}
        if (id := vocab.pop("\0", None)) is not None:
            # SentencePiece never finds it; a token of one character would be.
            name = "<NUL>"
            while name in vocab:
                name = f"<{name}>"
            vocab[name] = id
            self.notes.append(f"id {id}, a NUL that no text becomes, is called {name!r}")
        return dict(sorted(vocab.items(), key=lambda item: item[1]))

    def _normalizer(self) -> dict[str, Any]:
        spec = self.model.normalizer
        steps: list[dict[str, Any]] = []
        if spec.precompiled:
            blob = base64.b64encode(spec.precompiled).decode()
            steps.append({"type": "Precompiled", "precompiled_charsmap": blob})
        if spec.removes_extra_whitespaces:
            steps += _replace(r"\A\x{20}+", ""), _replace(r"\x{20}+", BLANK)
        else:
            steps.append(_replace(r"\x{20}", BLANK))
        if spec.adds_dummy_prefix:
            steps.append({"type": "Prepend", "prepend": BLANK})
        if spec.removes_extra_whitespaces:
            # Only where a run begins: else the time would grow with its square.
            steps.append(_replace(rf"(?<!{BLANK}){BLANK}++\z", ""))
        return {"type": "Sequence", "normalizers": steps}

    def _cuts(self) -> dict[str, Any] | None:
        """Cut out the user-defined pieces.

        With ``ignore_merges`` they are found because they are all of a part; but so would be what is between them if
        it spells a control piece, a byte, or a piece that no text becomes. A second cut separates such a part, at a
        place which no merge crosses.
        """
        if not self.symbols:
            return None
        longest_first = sorted(self.symbols, key=lambda text: (-len(text), text))
        orders = {merge.text: merge.order for merge in self.merges.merges}
        bytes_for_unknown = self.model.byte_fallback  # else two unknown characters in a row are one token
        tokens = {piece.text for piece, kind in zip(self.pieces, self.kinds, strict=True) if kind == _USED}
        never = {
            piece.text
            for piece in self.pieces
            if len(piece.text) > 1 and piece.text not in orders and piece.text not in self.symbols
        }
        alternatives = []
        for text in sorted(never):
            if " " in text or any(symbol in text for symbol in self.symbols):
                continue
            cut, _ = join(text, orders)
            places = [
                sum(map(len, cut[:n]))
                for n in range(1, len(cut))
                if bytes_for_unknown or {*cut[n - 1 : n + 1]} & tokens
            ]
            at = next((at for at in places if not {text[:at], text[at:]} & never), None)
            if at is None:
                _refuse(f"{text!r} between user-defined pieces would be taken for the piece of that name")
            alternatives.append(rf"{_literal(text[:at])}(?={_literal(text[at:])}\z)")
        steps = [_split("|".join(map(_literal, longest_first)))]
        if alternatives:
            steps.append(_split(rf"\A(?:{'|'.join(alternatives)})"))
        return {"type": "Sequence", "pretokenizers": steps}

    def _decoder(self) -> dict[str, Any]:
        steps: list[dict[str, Any]] = [_replace(BLANK, " ", kind="String")]
        unk = self.model.unk_id
        if unk is not None:
            surface = str(self.model.setting("unk_surface"))
            steps.append(_replace(rf"\A{_literal(self.pieces[unk].text.replace(BLANK, ' '))}\z", surface))
        if self.model.byte_fallback:
            steps.append({"type": "ByteFallback"})
        steps.append({"type": "Fuse"})
        if self.model.normalizer.adds_dummy_prefix:
            steps.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
        return {"type": "Sequence", "decoders": steps}

    def _config(self, special: Iterable[str]) -> dict[str, Any]:
        model = self.model
        roles = dict(zip(ROLES, (model.bos_id, model.eos_id, model.pad_id, model.unk_id), strict=True))
        named = {f"{role}_token": self.pieces[id].text for role, id in roles.items() if id is not None}
        config: dict[str, Any] = {
            "add_prefix_space": False,  # the normalizer does it
            "clean_up_tokenization_spaces": False,
            "model_max_length": UNLIMITED,
            "tokenizer_class": "PreTrainedTokenizerFast",
            **named,
        }
        if others := [text for text in special if text not in named.values()]:
            config["additional_special_tokens"] = others
        return config


def _replace(pattern: str, content: str, *, kind: str = "Regex") -> dict[str, Any]:
    return {"type": "Replace", "pattern": {kind: pattern}, "content": content}


def _split(pattern: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def _literal(text: str) -> str:
    r"""Write a text as a pattern of Oniguruma.

    Examples
    --------
    >>> print(_literal("[a]é\n"))
    \x{5b}a\x{5d}é\x{a}
    """
    return "".join(c if c.isalnum() or ord(c) > 0xFF else rf"\x{{{ord(c):x}}}" for c in text)
