"""Random configurations of SentencePiece's BPE training, random corpora for them, and training by all that can."""

from __future__ import annotations

import io
import random
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from bpetk.errors import CorpusError
from bpetk.interop.sentencepiece_model import ModelFile, read_model
from bpetk.reference import sp_normalize, sp_train
from bpetk.sp_model import assemble, choose_alphabet, cut_merges, merge_target, meta_texts
from bpetk.sp_options import SpOptions

# Characters that some rule is about: scripts, digits, blanks, barriers, reserved ones, bytes that are not UTF-8.
GROUPS: tuple[tuple[str, ...], ...] = (
    tuple("abcabcdeé"),
    tuple("aαбあア漢ー々〇ا"),
    tuple("0123１２٣Ⅳ"),
    tuple(".,-!\u0300\u0301\u20dd😀"),
    (" ", " ", "  ", "\u2581", "\u3000", "\u00a0"),
    ("\t", "\r", "\x01", "\x1f", "\0", "\u200b", "\u200d", "\ufeff", "\ufffd"),
    ("<s>", "</s>", "<unk>", "<pad>", "<0x41>", "<x>", "ab", "\u2585"),
    ("㍿", "ﬁ", "Ａ", "ｶﾞ", "e\u0301", "\u2f00"),
)
SYMBOLS = ("<x>", "<x", "ab", "b", "漢", "<pad>", "\u2581a", "</s>", "a b", "1", ".", "<0x41>")


@dataclass(frozen=True)
class Case:
    """Lines without their ends, and arguments of the library's trainer without input and output."""

    lines: list[bytes]
    options: dict[str, Any]


def random_lines(rng: random.Random) -> list[bytes]:
    """Return a small corpus over a few characters, so that there are ties and repetitions."""
    weights = [rng.choice((0, 0, 1, 4)) for _ in GROUPS]
    weights[rng.randrange(3)] += 8
    weights[4] += rng.choice((0, 2, 6))
    pool = [rng.choice(rng.choices(GROUPS, weights)[0]) for _ in range(rng.randint(1, 14))]
    lines = [
        "".join(rng.choices(pool, k=rng.choice((0, 1, 3, 8, 20, 60)))).encode()
        for _ in range(rng.randint(1, 25))
    ]
    if rng.random() < 0.15:  # not UTF-8
        line = bytearray(rng.choice(lines) + b"ab")
        line[rng.randrange(len(line))] = rng.choice((0x80, 0xC0, 0xE3, 0xFF))
        lines.append(bytes(line))
    lines += rng.choices(lines, k=rng.randint(0, 20))
    return [line.replace(b"\n", b"") for line in lines]


def random_options(rng: random.Random) -> dict[str, Any]:
    """Return arguments for the trainer; many leave most of them out, few are refused."""
    often = rng.choice((0.05, 0.2, 0.5))

    def maybe(choices: Sequence[Any]) -> list[Any]:
        return [rng.choice(choices)] if rng.random() < often else []

    switches = (
        "split_by_unicode_script split_by_whitespace split_by_number treat_whitespace_as_suffix split_digits "
        "allow_whitespace_only_pieces add_dummy_prefix remove_extra_whitespaces vocabulary_output_piece_score "
        "shuffle_input_sentence"
    ).split()
    options: dict[str, Any] = {"model_type": "bpe"}
    choices: dict[str, Sequence[Any]] = {
        **dict.fromkeys(switches, (False, True)),
        "character_coverage": (0.98, 0.99, 0.9995, 1.0, 1.0, "0.985"),
        "max_sentence_length": (10, 12, 30, 4192),
        "max_sentencepiece_length": (1, 2, 3, 4, 8, 512),
        "control_symbols": ([], ["<x>"], ["<s>"], "<c>,<d>"),
        "user_defined_symbols": ([], *(rng.sample(SYMBOLS, rng.randint(1, 3)) for _ in range(4)), 'a,"b,c"'),
        "byte_fallback": (True,),
        "required_chars": ("", "a", "xyz", "漢b", "\u2581"),
        "unk_id": (0, 0, 3, 7, -1 if rng.random() < 0.2 else 9),
        "bos_id": (1, -1, 5, 20),
        "eos_id": (2, -1, 3),
        "pad_id": (4, -1, 0 if rng.random() < 0.1 else 3, 12),
        "unk_piece": ("<unk>", "<UNK>", "a"),
        "bos_piece": ("<s>", "<b>", "<unk>" if rng.random() < 0.1 else "<bos>"),
        "pad_piece": ("<pad>", "[PAD]"),
        "unk_surface": (" \u2047 ", ""),
        "pretokenization_delimiter": ("", "a", "|", ".", "\u2581", "ab", " "),
        "num_threads": (1, 2, 16),
        "input_sentence_size": (0, 101),
        "shrinking_factor": (0.75, 0.5),
        "self_test_sample_size": (0, 3),
        "train_extremely_large_corpus": (True,),
        "input_format": ("", "text"),
        "hard_vocab_limit": (True, False),
    }
    for name, values in choices.items():
        for value in maybe(values):
            options[name] = value
    options.setdefault("hard_vocab_limit", False)
    if options.get("input_sentence_size"):
        options["shuffle_input_sentence"] = False
    base = 256 if options.get("byte_fallback") else 0
    sizes = (rng.randint(3, 30), rng.randint(20, 60), 60 if options["hard_vocab_limit"] else 400)
    options["vocab_size"] = base + rng.choice(sizes)
    if base and rng.random() < 0.4 and "required_chars" not in options:
        options["auto_character_coverage"] = True
    return options


def random_case(seed: int, normalizer: str = "identity") -> Case:
    """Return the case of a number: the same in every run."""
    rng = random.Random(seed)
    lines, options = random_lines(rng), random_options(rng)
    if rng.random() < 0.15:
        options["input_format"] = "tsv"
        counts = (1, 1, 2, 3, 7, 2**31, 2**33)
        lines = [line.replace(b"\t", b"") + b"\t%d" % rng.choice(counts) for line in lines]
    options["normalization_rule_name"] = normalizer
    return Case(lines, options)


def train_library(case: Case, folder: Path | None = None) -> tuple[bytes, str | None]:
    """Train the reference library: the bytes of the model; the text of the ``.vocab`` file if there is a folder.

    With a folder the lines go through a file, without through an iterator.
    """
    import sentencepiece

    train = sentencepiece.SentencePieceTrainer.train
    if folder is None:
        buffer = io.BytesIO()
        train(sentence_iterator=iter(case.lines), model_writer=buffer, minloglevel=4, **case.options)
        return buffer.getvalue(), None
    where = file_arguments(folder)
    Path(where["input"]).write_bytes(b"".join(line + b"\n" for line in case.lines))
    train(**where, minloglevel=4, **case.options)
    model = Path(where["model_prefix"] + ".model").read_bytes()
    return model, Path(where["model_prefix"] + ".vocab").read_bytes().decode()


def train_package(case: Case, folder: Path | None = None) -> tuple[bytes, str | None]:
    """Train as `train_library` does, with the package."""
    from bpetk.interop.sentencepiece import train

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of skipped sentences, of small vocabularies
        if folder is None:
            buffer = io.BytesIO()
            train(
                sentence_iterator=iter(case.lines), model_writer=buffer, **{"minloglevel": 4, **case.options}
            )
            return buffer.getvalue(), None
        where = file_arguments(folder)
        Path(where["input"]).write_bytes(b"".join(line + b"\n" for line in case.lines))
        train(**where, **{"minloglevel": 4, **case.options})
    model = Path(where["model_prefix"] + ".model").read_bytes()
    return model, Path(where["model_prefix"] + ".vocab").read_bytes().decode()


def file_arguments(folder: Path) -> dict[str, str]:
    """Return where `train_library` reads and writes."""
    return {"input": str(folder / "text.txt"), "model_prefix": str(folder / "out")}


def library_normalizer(options: SpOptions) -> Callable[[bytes], str]:
    """Return the normalization of a sentence in training, done by the reference library."""
    import sentencepiece

    flags = {
        "add_dummy_prefix": options.add_dummy_prefix,
        "remove_extra_whitespaces": options.remove_extra_whitespaces,
        "escape_whitespaces": True,
    }
    name = options.normalization_rule_name
    if options.treat_whitespace_as_suffix:  # of which the library's normalizer object does not know
        compiled = sp_normalize.CompiledMap(library_map(name)) if library_map(name) else None
        return lambda text: sp_normalize.normalize(text, map=compiled, suffix=True, **flags)[0].decode()
    normalizer = sentencepiece.SentencePieceNormalizer(rule_name=name, **flags)
    return lambda text: normalizer.Normalize(text).decode()


@cache
def library_map(normalizer: str) -> bytes:
    """Take the compiled map of a normalizer out of a model that the library wrote."""
    options = {"model_type": "bpe", "vocab_size": 6, "normalization_rule_name": normalizer}
    model, _ = train_library(Case([b"ab"], options))
    found = read_model(model, "library").normalizer.precompiled
    assert found is not None
    return found


def train_twin(case: Case, folder: Path | None = None) -> ModelFile:
    """Train the reference twin, and make a model of what it learned."""
    where = file_arguments(folder) if folder else {}
    options = SpOptions.from_kwargs(**where, **case.options)
    taken = meta_texts(options)
    # The iterator of the library's Python interface takes the ends of lines off.
    lines = case.lines if folder else [line.rstrip(b"\r\n") for line in case.lines]
    sentences = normalized_sentences(lines, options)
    if not sentences:
        raise CorpusError("no sentence")
    learned = sp_train.train(
        sentences,
        options.vocab_size - len(taken),
        rules=piece_rules(options),
        taken=taken,
        delimiter=options.pretokenization_delimiter,
        character_coverage=options.character_coverage,
        required_chars=options.required_chars,
        auto_character_coverage=options.auto_character_coverage,
    )
    return assemble(options, learned.merges, learned.alphabet, library_map(options.normalization_rule_name))


def normalized_sentences(lines: list[bytes], options: SpOptions) -> list[tuple[str, int]]:
    """Choose sentences as the twin does, and normalize them with the reference library."""
    kept, _ = sp_train.keep_sentences(
        lines,
        tsv=options.input_format == "tsv",
        max_sentence_length=options.max_sentence_length,
        limit=options.first_sentences,
    )
    normalize = library_normalizer(options)
    return [(normalize(sentence), count) for sentence, count in kept]


def piece_rules(options: SpOptions) -> sp_train.PieceRules:
    """Return the options that the twin's rules are about."""
    names = [field.name for field in fields(sp_train.PieceRules)]
    return sp_train.PieceRules(**{name: getattr(options, name) for name in names})


def choices_of_the_package(
    sentences: list[tuple[str, int]], options: SpOptions
) -> tuple[list[str], list[str]]:
    """Learn as the package does: its own choice of alphabet and merges around the twin's merge loop."""
    taken = meta_texts(options)
    barred = [
        (sp_train.set_barriers(sentence, taken, options.pretokenization_delimiter), count)
        for sentence, count in sentences
    ]
    counts = {ord(char): count for char, count in sp_train.count_characters(barred).items()}
    alphabet = choose_alphabet(counts, options)
    words: dict[str, int] = {}
    for sentence, count in barred:
        for word in sp_train.split_words(sentence, piece_rules(options)):
            words[word] = words.get(word, 0) + count
    characters = [chr(code) for code in alphabet]
    pieces, frequencies = sp_train.merge_words(
        words, merge_target(options, alphabet), piece_rules(options), frozenset(characters)
    )
    if options.auto_character_coverage:
        return cut_merges(pieces, frequencies, counts, options)
    return pieces, characters
