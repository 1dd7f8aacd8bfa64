"""From what was learned to a SentencePiece model: the pieces that every model has, ids, fields of the file."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat

from bpetk.errors import ConfigError, CorpusError
from bpetk.interop.sentencepiece_model import ModelFile, NormalizerSpec, Piece, PieceType
from bpetk.sp_options import NORMALIZER_FIELDS, TRAINER_FIELDS, SpOptions, Value

BARRIER = 0x1F
BPE = 2  # the number of model_type=bpe in the file
SPECIAL = ("unk", "bos", "eos", "pad")


def meta_pieces(options: SpOptions) -> dict[int, tuple[str, PieceType]]:
    """Return the pieces that are not learned, by id: special, control and user-defined symbols, bytes.

    Their texts are barriers in training (`meta_texts`). Unknown, bos, eos and pad have the ids that were asked for, the
    others follow in the gaps. A symbol that is spelled as bos, eos or pad only changes the type of that piece.

    Raises
    ------
    ConfigError
        If ids or texts clash, an id is outside the vocabulary, or there is no unknown piece.

    Examples
    --------
    >>> metas = meta_pieces(SpOptions.from_kwargs(user_defined_symbols="x"))
    >>> [metas[id][0] for id in range(4)]
    ['<unk>', '<s>', '</s>', 'x']
    """
    found: dict[int, tuple[str, PieceType]] = {}
    ids = {name: getattr(options, f"{name}_id") for name in SPECIAL}
    texts = {name: getattr(options, f"{name}_piece") for name in SPECIAL}
    for name in SPECIAL:
        _add_special(found, name, ids[name], texts[name], options)
    unknown = texts["unk"]
    if not options.byte_fallback and all(text != unknown for text, _ in found.values()):
        raise ConfigError("unk_id=-1 needs byte_fallback=True: something must stand for unknown characters")
    spelled = {texts[name]: ids[name] for name in ("pad", "eos", "bos") if ids[name] >= 0}
    seen: set[str] = set()
    free = 0
    for option, symbols, kind in (
        ("control_symbols", options.control_symbols, PieceType.CONTROL),
        ("user_defined_symbols", options.user_defined_symbols, PieceType.USER_DEFINED),
        ("byte_fallback", byte_texts() if options.byte_fallback else (), PieceType.BYTE),
    ):
        for text in symbols:
            if not text:
                raise ConfigError(f"{option} holds an empty text; remove it")
            if text in seen:
                raise ConfigError(f"{option}: {text!r} is a symbol already; name each symbol once")
            if text == unknown:
                raise ConfigError(f"{option}: {text!r} is the unknown piece; remove it")
            seen.add(text)
            if text in spelled:
                found[spelled[text]] = (text, kind)
                continue
            while free in found:
                free += 1
            found[free] = (text, kind)
    _check_texts(found)
    return found


def _add_special(
    found: dict[int, tuple[str, PieceType]], name: str, number: int, text: str, options: SpOptions
) -> None:
    """Give unknown, bos, eos or pad its id; a negative one means that there is no such piece."""
    if number < 0:
        return
    if number >= options.vocab_size:
        raise ConfigError(f"{name}_id must be less than vocab_size={options.vocab_size}, got {number}")
    if number in found:
        raise ConfigError(f"{name}_id={number} is the id of {found[number][0]!r}; give each its own, or -1")
    is_unknown = text == options.unk_piece
    found[number] = (text, PieceType.UNKNOWN if is_unknown else PieceType.CONTROL)
    _check_texts(found)


def _check_texts(found: Mapping[int, tuple[str, PieceType]]) -> None:
    """Refuse two pieces of one text."""
    text, times = Counter(text for text, _ in found.values()).most_common(1)[0] if found else ("", 0)
    if times > 1:
        raise ConfigError(f"{times} pieces would have the text {text!r}; give each its own, or its id -1")


def byte_texts() -> list[str]:
    """Return the texts of the 256 pieces for bytes: ``<0x00>`` ... ``<0xFF>``."""
    return [f"<0x{byte:02X}>" for byte in range(256)]


def meta_texts(options: SpOptions) -> list[str]:
    """Return the texts that no learned piece crosses, longest first."""
    return sorted((text for text, _ in meta_pieces(options).values()), key=lambda t: (-len(t.encode()), t))


def _single(value: float) -> float:
    rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return rounded


def choose_alphabet(code_points: Mapping[int, int], options: SpOptions) -> list[int]:
    """Choose the characters that are pieces.

    Parameters
    ----------
    code_points
        How often each code point occurs in the normalized sentences, U+001F for barriers included.
    options
        ``required_chars`` are taken first, then the most frequent code points, while those taken before make up less
        than ``character_coverage`` of all.

    Returns
    -------
    list of int
        Code points, in the order of their pieces: count descending, then code point. With
        ``auto_character_coverage`` all that occur: the choice comes after the merges, see `cut_merges`.

    Raises
    ------
    CorpusError
        If there is no text.
    ConfigError
        If ``vocab_size`` is too small for the alphabet.

    Examples
    --------
    >>> choose_alphabet({97: 98, 98: 1, 122: 1}, SpOptions.from_kwargs(character_coverage=0.98, vocab_size=5))
    [97]
    """
    counts = {code: count for code, count in code_points.items() if code != 0}
    if options.auto_character_coverage:
        return sorted(counts.keys() - {BARRIER}, key=lambda code: (-counts[code], code))
    total = sum(counts.values())
    if total == 0:
        raise CorpusError(
            "the corpus holds no text that could be learned from; all sentences are empty or skipped"
        )
    required = {ord(char) for char in options.required_chars} - {0}
    coverage = _single(options.character_coverage)
    chosen, taken = [], 0
    for code in sorted(counts.keys() | required, key=lambda c: (c not in required, -counts.get(c, 0), c)):
        if _single(float(taken) / float(total)) >= coverage:
            break
        taken += counts.get(code, 0)
        if code != BARRIER:
            chosen.append(code)
    metas = len(meta_pieces(options))
    if len(chosen) + metas > options.vocab_size:
        raise ConfigError(
            f"vocab_size={options.vocab_size:,} is too small: the text has an alphabet of {len(chosen):,} characters, "
            f"and {metas:,} pieces are fixed; ask for at least {len(chosen) + metas:,}, or lower character_coverage"
        )
    return sorted(chosen, key=lambda code: (-counts.get(code, 0), code))


def merge_target(options: SpOptions, alphabet: Sequence[object]) -> int:
    """Return how many pieces of two and more characters are to be learned.

    Raises
    ------
    ConfigError
        If ``vocab_size`` leaves no place for any piece, where the alphabet is chosen after the merges.
    """
    metas = len(meta_pieces(options))
    if not options.auto_character_coverage:
        return options.vocab_size - metas - len(alphabet)
    if options.vocab_size <= metas:
        raise ConfigError(
            f"vocab_size must be more than the {metas:,} fixed pieces, got {options.vocab_size:,}"
        )
    return options.vocab_size - metas


def cut_merges(
    pieces: Sequence[str], frequencies: Iterable[int], code_points: Mapping[int, int], options: SpOptions
) -> tuple[list[str], list[str]]:
    """Choose pieces and alphabet where ``auto_character_coverage`` has bytes stand for all other characters.

    The first pieces are kept, together with every character in them; single characters fill up. A piece gains the
    frequency at which it was made, a character its count times the bytes that it saves.

    Parameters
    ----------
    pieces, frequencies
        As many learned pieces as `merge_target` says, and how often each occurred when it was made.
    code_points
        How often each code point occurs in the normalized sentences.

    Returns
    -------
    tuple of list of str
        The first pieces, as many as give the largest gain, and the characters in the order of their pieces.
    """
    size = merge_target(options, ())
    counts = {chr(code): count for code, count in code_points.items()}
    gains = {char: count * (len(char.encode()) - 1) for char, count in counts.items()}
    ranked = sorted((c for c in gains if gains[c] > 0), key=lambda c: (-gains[c], -counts[c], c))
    rank = {char: i for i, char in enumerate(ranked)}
    open_chars = _PrefixSums(gains[char] for char in ranked)
    inside: set[str] = set()
    gain = kept = 0
    most = -1
    for index, frequency in enumerate([*frequencies, 0]):
        room = size - index - len(inside)
        if room >= 0 and (total := gain + open_chars.best(room)) >= most:
            most, kept = total, index
        if index == len(pieces):
            break
        gain += frequency
        for char in {*pieces[index]} - inside:
            inside.add(char)
            gain += gains.get(char, 0)
            if char in rank:
                open_chars.remove(rank[char])
    inside = {char for piece in pieces[:kept] for char in piece}
    alone = [char for char in ranked if char not in inside][: size - kept - len(inside)]
    return [*pieces[:kept]], [*sorted(inside), *alone]


class _PrefixSums:
    """Values in a fixed order: take some away, ask for the sum of the first ones left; each in logarithmic time."""

    def __init__(self, values: Iterable[int]) -> None:
        self._values = [*values]
        self._counts = [0] * (len(self._values) + 1)
        self._sums = [0] * (len(self._values) + 1)
        for i, value in enumerate(self._values):
            self._add(i, 1, value)

    def _add(self, i: int, count: int, value: int) -> None:
        i += 1
        while i < len(self._counts):
            self._counts[i] += count
            self._sums[i] += value
            i += i & -i

    def remove(self, i: int) -> None:
        self._add(i, -1, -self._values[i])

    def best(self, count: int) -> int:
        """Return the sum of the first ``count`` values that are left."""
        at = total = 0
        step = 1 << len(self._values).bit_length()
        while step:
            if at + step < len(self._counts) and self._counts[at + step] <= count:
                at += step
                count -= self._counts[at]
                total += self._sums[at]
            step >>= 1
        return total


def assemble(
    options: SpOptions,
    pieces: Sequence[str],
    alphabet: Sequence[str],
    normalizer_map: bytes,
    normalizer_name: str | None = None,
) -> ModelFile:
    """Make the model of what was learned, field for field as the library does.

    Parameters
    ----------
    options
        Those of the training; the file has the ones that were given.
    pieces, alphabet
        The learned pieces of two and more characters, then the single characters, each in order.
    normalizer_map
        The compiled rules of the normalizer, empty for ``identity``.
    normalizer_name
        What the file calls them; None: as ``normalization_rule_name`` says.

    Returns
    -------
    ModelFile
        Write it with `bpetk.interop.sentencepiece_model.write_model`.

    Raises
    ------
    ConfigError
        If there are fewer pieces than ``vocab_size`` and ``hard_vocab_limit`` is set, a fixed id lies beyond the last
        piece, or a required character is a symbol too.
    """
    rows = _number(options, [*pieces, *alphabet])
    return file_around(options, dict(enumerate(rows)), len(rows), normalizer_map, normalizer_name)


def file_around(
    options: SpOptions,
    pieces: Mapping[int, Piece],
    size: int,
    normalizer_map: bytes,
    normalizer_name: str | None = None,
    model_prefix: str | None = None,
) -> ModelFile:
    """Make a model of ``size`` pieces, with those that are given; the other parameters are those of `assemble`."""
    fields: dict[str, Value] = {
        name: getattr(options, name) for name in TRAINER_FIELDS if name in options.given
    }
    fields["model_type"] = BPE
    if not options.hard_vocab_limit:
        fields["vocab_size"] = size
    if model_prefix is not None:
        fields["model_prefix"] = model_prefix
    in_order = {name: fields[name] for name in TRAINER_FIELDS if name in fields and fields[name] != ()}
    flags = {name: getattr(options, name) if name in options.given else None for name in NORMALIZER_FIELDS}
    name = "user_defined" if options.normalization_rule_tsv else options.normalization_rule_name
    normalizer = NormalizerSpec(
        name=normalizer_name or name,
        precompiled=normalizer_map,
        add_dummy_prefix=flags["add_dummy_prefix"],
        remove_extra_whitespaces=flags["remove_extra_whitespaces"],
        escape_whitespaces=flags["escape_whitespaces"],
        rule_tsv=flags["normalization_rule_tsv"],
    )
    return ModelFile(pieces=tuple(pieces.values()), trainer=in_order, normalizer=normalizer)


def check_numbers(options: SpOptions, learned: Sequence[str]) -> dict[int, tuple[str, PieceType]]:
    """Check that learned pieces, the characters behind them, fit between the fixed ones, and return these by id.

    Raises
    ------
    ConfigError
        As in `assemble`.
    """
    metas = meta_pieces(options)
    size = len(learned) + len(metas)
    if options.hard_vocab_limit and size != options.vocab_size:
        raise ConfigError(
            f"vocab_size={options.vocab_size:,} is more than this text gives, which is {size:,}: ask for that or less, "
            "or set hard_vocab_limit=False"
        )
    beyond = [f"{text!r} has id {number}" for number, (text, _) in sorted(metas.items()) if number >= size]
    if beyond:
        raise ConfigError(f"the text gives {size:,} pieces in all, but {beyond[0]}; give it a smaller id")
    taken = {text for text, _ in metas.values()}
    if twice := [text for text in learned if text in taken]:
        raise ConfigError(
            f"{twice[0]!r} is a symbol, it cannot be in required_chars too; remove it from one of them"
        )
    return metas


def _number(options: SpOptions, learned: Sequence[str]) -> tuple[Piece, ...]:
    """Give every piece its place: fixed ids first, learned ones in the gaps, scores 0, -1, -2, ..."""
    metas = check_numbers(options, learned)
    scores = (-float(rank) for rank in range(len(learned)))
    rows = [*map(Piece._make, zip(learned, scores, repeat(PieceType.NORMAL), strict=False))]
    out: list[Piece] = []
    for taken_before, (number, (text, kind)) in enumerate(sorted(metas.items())):
        out += rows[len(out) - taken_before : number - taken_before]
        out.append(Piece(text, 0.0, kind))
    return (*out, *rows[len(out) - len(metas) :])


def vocab_text(model: ModelFile) -> str:
    """Return the text of the ``.vocab`` file: a line for each piece, with its score unless that is switched off.

    Examples
    --------
    >>> options = SpOptions.from_kwargs(normalization_rule_name="identity", hard_vocab_limit=False)
    >>> vocab_text(assemble(options, ["ab"], ["a", "b"], b"")).split()[4:]
    ['</s>', '0', 'ab', '-0', 'a', '-1', 'b', '-2']
    """
    scores = model.trainer.get("vocabulary_output_piece_score", True) is True
    return "".join(piece_line(piece.text, piece.score, scores) for piece in model.pieces)


def piece_line(text: str, score: float, scores: bool) -> str:
    """Return the line of a piece in the ``.vocab`` file."""
    return f"{text}\t{score:g}\n" if scores else f"{text}\n"
