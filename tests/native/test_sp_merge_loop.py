"""The merge loop of characters, in SentencePiece's order, against the plain reference, whatever its tuning."""

from __future__ import annotations

import array
import itertools
import random
import threading
from collections.abc import Collection, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpetk import _counter, _trainer
from bpetk._piece_rules import PieceTable
from bpetk.reference.sp_train import BARRIER, BLANK, DIGITS, PieceRules, is_valid, merge_words
from bpetk.sp_scripts import script_classes

ACUTE, FULL_WIDTH_ONE, LONG_VOWEL = "\u0301", "\uff11", "\u30fc"  # script Inherited; a digit; counts as Han

DEFAULT = PieceRules()

# Each changes time and memory only, see test_trainer.py.
TUNINGS: list[dict[str, Any]] = [
    {"threads": 1},
    {"threads": 2, "parallel_from": 1},
    {"threads": 3, "parallel_from": 2, "first_cutoff": 2},
    {"threads": 7, "parallel_from": 1, "first_cutoff": 50},
    {"threads": 1, "first_cutoff": 10**9},
    {"threads": 2, "parallel_from": 1, "wide_symbols": True, "wide_positions": True, "first_cutoff": 20},
]


def rule_options(rules: PieceRules) -> dict[str, Any]:
    """Give the rules under the native names."""
    return {
        "scripts": script_classes() if rules.split_by_unicode_script else None,
        "max_length": rules.max_sentencepiece_length,
        "split_by_whitespace": rules.split_by_whitespace,
        "suffix": rules.treat_whitespace_as_suffix,
        "whitespace_only": rules.allow_whitespace_only_pieces,
        "split_by_number": rules.split_by_number,
    }


def make_loop(
    words: Mapping[str, int], size: int, rules: PieceRules, alphabet: Collection[str], **tuning: Any
) -> _trainer.MergeLoop:
    """Set up a loop on words."""
    worker = _counter.CountWorker("none", lines=False)
    worker.add_words((word.encode(), count) for word, count in words.items())
    return _trainer.MergeLoop.of_characters(
        _counter.combine([worker]),
        characters=[ord(char) for char in alphabet],
        pieces=size,
        split_digits=rules.split_digits,
        **rule_options(rules),
        **tuning,
    )


def learn(*args: Any, **tuning: Any) -> tuple[list[str], list[int]]:
    """Run a loop to its end; give pieces and the counts that they were chosen by, 0 for fillers."""
    loop = make_loop(*args, **tuning)
    while loop.stop is None:
        loop.run(1000)
    counts = array.array("q", loop.result()[3]).tolist()
    pieces = loop.pieces()
    assert loop.merges == len(counts)
    assert loop.strings == len(args[3]) + len(pieces)
    assert (loop.stop == "vocab_size") == (len(pieces) == args[1])
    return pieces, counts + [0] * (len(pieces) - len(counts))


def letters_of(words: Mapping[str, int], outside: str = "") -> list[str]:
    """Give the characters of words but those outside the alphabet."""
    return sorted({*"".join(words)} - {*outside, BARRIER})


def assert_equals_reference(
    words: Mapping[str, int],
    size: int = 10_000,
    rules: PieceRules = DEFAULT,
    *,
    outside: str = "",
    tunings: list[dict[str, Any]] = TUNINGS,
) -> list[str]:
    """Train with the reference and with each tuning and compare pieces and counts."""
    alphabet = letters_of(words, outside)
    expected = merge_words(words, size, rules, frozenset(alphabet))
    for tuning in tunings:
        assert learn(words, size, rules, alphabet, **tuning) == expected, tuning
    return expected[0]


# Small corpora at random

LETTERS = [
    "a",
    "ab",
    "abc",
    "abcdefgh",
    f"{BLANK}",
    f"{BLANK}a",
    f"ab{BLANK}",
    f"ab1{BLANK}",
    f"a1{FULL_WIDTH_ONE}.",
    f"{BLANK}12a",
    f"漢あア{LONG_VOWEL}a1{BLANK}",
    f"aé{ACUTE}1漢{BLANK}",
    f"ab{BARRIER}z",
    "a\U0001f600\U00020000漢é",
]
WORDS = st.sampled_from(LETTERS).flatmap(
    lambda letters: st.dictionaries(
        st.text(st.sampled_from(letters), min_size=1, max_size=16),
        st.sampled_from([1, 1, 1, 2, 3, 5, 70_000]),
        max_size=9,
    )
)
RULES = st.builds(
    PieceRules,
    max_sentencepiece_length=st.sampled_from([1, 2, 3, 4, 5, 16, 100]),
    split_by_unicode_script=st.booleans(),
    split_by_number=st.booleans(),
    split_by_whitespace=st.booleans(),
    treat_whitespace_as_suffix=st.booleans(),
    split_digits=st.booleans(),
    allow_whitespace_only_pieces=st.booleans(),
)
TUNING = st.fixed_dictionaries(
    {},
    optional={
        "threads": st.sampled_from([2, 3, 7]),
        "parallel_from": st.sampled_from([1, 2, 5]),
        "first_cutoff": st.sampled_from([1, 2, 3, 7, 10**9]),
        "wide_symbols": st.just(True),
        "wide_positions": st.just(True),
    },
)


@settings(max_examples=1500)
@given(WORDS, st.sampled_from([0, 1, 2, 5, 20, 1000, 1000, 1000]), RULES, TUNING)
def test_equals_the_reference(
    words: dict[str, int], size: int, rules: PieceRules, tuning: dict[str, Any]
) -> None:
    assert_equals_reference(words, size, rules, outside="z", tunings=[tuning])


@pytest.mark.parametrize("seed", range(6))
def test_random_words(seed: int) -> None:
    """Larger ones than Hypothesis likes."""
    rng = random.Random(seed)
    rescans = fillers = 0
    for number in range(40):
        letters = rng.choice(LETTERS)
        words = {
            "".join(rng.choices(letters, k=rng.choice([1, 2, 3, 5, 8, 20, 60]))): rng.choice(
                [1, 1, 2, 3, 9, 5000]
            )
            for _ in range(rng.randint(1, 40))
        }
        rules = PieceRules(rng.choice([2, 3, 5, 16, 16]), *(rng.random() < 0.5 for _ in range(6)))
        tunings = [TUNINGS[number % 3], TUNINGS[3 + number % 3]]
        assert_equals_reference(words, rng.choice([5, 50, 10_000]), rules, outside="z", tunings=tunings)
        loop = make_loop(words, 10_000, rules, letters_of(words, "z"), first_cutoff=1000)
        while loop.stop is None:
            loop.run(1000)
        rescans += loop.rescans
        fillers += len(loop.pieces()) - loop.merges
    assert rescans > 20
    assert fillers > 100


@pytest.mark.parametrize("tuning", TUNINGS, ids=str)
def test_runs(tuning: dict[str, Any]) -> None:
    """Runs of one letter: overlapping places, and pairs that come and go within one merge, which are fillers."""
    for length in range(1, 40):
        words = {"a" * length: 1, "ba" * length: 2, BLANK + "a" * (40 - length) + "b": 1}
        rules = PieceRules(max_sentencepiece_length=length % 7 + 2)
        assert_equals_reference(words, rules=rules, tunings=[tuning])


def test_passing_pairs_are_fillers() -> None:
    assert learn({f"{BLANK}aaaa": 1}, 100, PieceRules(), ["a", BLANK])[0] == [
        "aa",
        f"{BLANK}aa",
        f"{BLANK}aaaa",
        f"{BLANK}a",
        "aaa",
        "aaaa",
    ]
    pieces, counts = learn({f"{BLANK}abcab": 1}, 100, PieceRules(), ["a", "b", "c", BLANK])
    assert pieces == ["ab", "abc", "▁abc", "▁abcab", "bc", "ca", "▁a", "cab", "▁ab", "abcab"]
    assert counts == [2, 1, 1, 1, 0, 0, 0, 0, 0, 0]


def test_every_short_word() -> None:
    """All words of up to four of eight characters, each on its own, with every rule in turn."""
    alphabet = ["a", "漢", "あ", "1", FULL_WIDTH_ONE, BLANK, ACUTE, "."]
    flags = itertools.cycle(itertools.product([False, True], repeat=6))
    for length in range(1, 5):
        for word in map("".join, itertools.product(alphabet, repeat=length)):
            rules = PieceRules(16, *next(flags))
            expected = merge_words({word: 1}, 1000, rules, frozenset(alphabet))
            assert learn({word: 1}, 1000, rules, alphabet) == expected, (word, rules)


# Validity from two parts


@pytest.mark.parametrize("by_whitespace", [False, True])
@pytest.mark.parametrize("suffix", [False, True])
@pytest.mark.parametrize("whitespace_only", [False, True])
@pytest.mark.parametrize("by_number", [False, True])
@pytest.mark.parametrize("by_script", [False, True])
def test_validity_of_two_parts_is_that_of_the_whole(
    by_whitespace: bool, suffix: bool, whitespace_only: bool, by_number: bool, by_script: bool
) -> None:
    """However a piece was put together: all pieces of up to three characters, each way, joined with all others."""
    rules = PieceRules(5, by_script, by_number, by_whitespace, suffix, False, whitespace_only)
    alphabet = ["a", "漢", "1", BLANK, ACUTE, "."]
    table = PieceTable([ord(char) for char in alphabet], room=3000, **rule_options(rules))
    ways = [[*range(len(alphabet))], [], []]  # ids by length; a string has one for each way to make it
    strings = dict(enumerate(alphabet))
    for length in (2, 3):
        for first in range(1, length):
            for a, b in itertools.product(ways[first - 1], ways[length - first - 1]):
                whole = strings[a] + strings[b]
                assert table.may_join(a, b) == is_valid(whole, rules), (strings[a], strings[b])
                if is_valid(whole, rules):
                    made = table.add(a, b)
                    assert table.text(made) == whole
                    strings[made] = whole
                    ways[length - 1].append(made)
    valid: dict[str, bool] = {}
    rng = random.Random(1)
    for a, b in itertools.product(strings, repeat=2):
        if len(strings) < 300 or rng.random() < 90_000 / len(strings) ** 2:
            whole = strings[a] + strings[b]
            if whole not in valid:
                valid[whole] = is_valid(whole, rules)
            assert table.may_join(a, b) == valid[whole], (strings[a], strings[b])
    assert {True, False} <= {*valid.values()}


def test_only_ascii_and_full_width_digits_are_digits() -> None:
    alphabet = [*sorted(DIGITS), "\u0661", "²", "/", ":", "\uff0f", "\uff1a"]
    words = {a + b: 1 for a in alphabet for b in alphabet}
    assert_equals_reference(words, rules=PieceRules(split_digits=True), tunings=TUNINGS[:2])
    words = {a + "x" + b: 1 for a in alphabet for b in alphabet}
    assert_equals_reference(words, rules=PieceRules(split_by_number=False), tunings=TUNINGS[:2])


# Order

LONG = st.text(st.sampled_from(f"ab{BLANK}漢\U0001f600"), min_size=1, max_size=40)


@settings(max_examples=300)
@given(st.lists(LONG, min_size=1, max_size=20), LONG, st.integers(0, 2**32))
def test_order_of_pairs(texts: list[str], common: str, seed: int) -> None:
    """Fewer characters, then the smaller string of both parts, also where long beginnings agree."""
    alphabet = [f"ab{BLANK}漢\U0001f600"[i] for i in range(5)]
    texts += [common + text for text in texts]
    table = PieceTable(
        [ord(char) for char in alphabet], room=sum(map(len, texts)), max_length=200, split_by_whitespace=False
    )
    ids = []
    for text in texts:
        made = alphabet.index(text[0])
        for char in text[1:]:
            made = table.add(made, alphabet.index(char))
        ids.append(made)
    rng = random.Random(seed)
    pairs = [(a, b) for a in ids for b in ids]
    rng.shuffle(pairs)
    string = {pair: table.text(pair[0]) + table.text(pair[1]) for pair in pairs}
    rank = {pair: (len(string[pair]), string[pair].encode()) for pair in pairs}
    assert table.sort(pairs) == sorted(pairs, key=lambda pair: (rank[pair], pair))
    for x, y in itertools.pairwise(pairs):
        assert table.compare(x, y) == (rank[x] > rank[y]) - (rank[x] < rank[y])


def test_ties_go_to_fewer_characters_then_to_the_smaller_string() -> None:
    words = dict.fromkeys(["zé", "é漢", "\U0001f600x", "漢\ue000", "\ue000\U0001f600", "abc", "Zz"], 4)
    rules = PieceRules(split_by_unicode_script=False)
    pieces = assert_equals_reference(words, rules=rules)
    assert pieces[:7] == ["Zz", "ab", "zé", "é漢", "漢\ue000", "\ue000\U0001f600", "\U0001f600x"]
    assert pieces[7] == "abc"


@pytest.mark.parametrize("times", [1, 70_000])
def test_very_many_pairs_of_the_same_count(times: int) -> None:
    """Also of the same long beginning, and new pairs tie with those that wait."""
    rng = random.Random(times)
    stem = "漢字仮名交文" * 3
    ends = ["".join(rng.choices("いろはにほへと", k=rng.randint(1, 9))) for _ in range(300)]
    words = {stem[: rng.randint(0, 18)] + end: times for end in ends}
    assert_equals_reference(words, rules=PieceRules(40), tunings=[TUNINGS[0], TUNINGS[3], TUNINGS[4]])


# Layout


def test_characters_outside_the_alphabet_part_words() -> None:
    words = {
        f"ab{BARRIER}ab": 3,
        "\x00abzab\u2585": 2,
        "z": 9,
        "zz": 1,
        "azb": 1,
        "漢zab": 1,
        "a": 5,
        "漢": 7,
    }
    assert assert_equals_reference(words, outside="z\x00\u2585") == ["ab"]
    assert learn({"zz": 1, "z": 2}, 10, PieceRules(), []) == ([], [])


def test_widths_of_characters() -> None:
    """Words of one character may have one to four bytes; longer ones than 15 bytes are stored elsewhere."""
    chars = ["\x01", "a", "\x7f", "\x80", "é", "\u07ff", "\u0800", "漢", "\uffff", "\U00010000", "\U0010ffff"]
    words = {char * n: i * 8 + n for i, char in enumerate(chars) for n in (1, 2, 3, 5, 17)}
    words |= {"".join(chars): 5000, "".join(chars[::-1]) * 2: 4096}
    assert_equals_reference(words, rules=PieceRules(split_by_unicode_script=False), tunings=TUNINGS[::2])


def test_bytes_that_are_no_characters_do_no_harm() -> None:
    worker = _counter.CountWorker("none", lines=False)
    bad = [
        b"\x80",
        b"\x80\x80ab",
        b"ab\xe6",
        b"\xf8\x88\x80\x80\x80ab",
        b"ab\xff\xff",
        b"\xe6\xbcab",
        b"\xf4\xbf\xbf\xbfab",
    ]
    worker.add_words((word, 1) for word in [*bad, b"ab" * 2])
    loop = _trainer.MergeLoop.of_characters(_counter.combine([worker]), characters=[97, 98], pieces=9)
    while loop.stop is None:
        loop.run(10)
    assert loop.pieces()[:2] == ["ab", "abab"]


def test_tables_are_sized_by_characters() -> None:
    words = {"漢字" * 50: 1, "仮名": 1}
    loop = make_loop(words, 10, PieceRules(), letters_of(words))
    loop.lay_out()
    assert loop.symbols == 1 + 101 + 3


# A loop as such


def test_run_in_steps_and_several_loops() -> None:
    words = {f"{BLANK}abcabcaab": 3, f"{BLANK}aaaaabaa": 2}
    whole = learn(words, 50, PieceRules(), ["a", "b", "c", BLANK])
    loops = [make_loop(words, 50, PieceRules(), ["a", "b", "c", BLANK]) for _ in range(3)]
    while any(loop.stop is None for loop in loops):
        for loop in loops:
            loop.run(1)
    assert {tuple(loop.pieces()) for loop in loops} == {tuple(whole[0])}


def test_long_words() -> None:
    """A run, whose passing pairs are many, and random letters."""
    rng = random.Random(4)
    rules = PieceRules(split_by_unicode_script=False)
    words = {"a" * 3_000: 1, "".join(rng.choices("ab漢", k=2_000)): 1}
    assert_equals_reference(words, rules=rules, tunings=TUNINGS[::5])
    words = {"a" * 50_000: 1, "".join(rng.choices("ab漢", k=50_000)): 1}
    found = learn(words, 10**6, rules, ["a", "b", "漢"])
    assert found == learn(words, 10**6, rules, ["a", "b", "漢"], threads=2, parallel_from=2, first_cutoff=7)
    assert len(found[0]) == len({*found[0]}) > 15_000


@pytest.mark.parametrize("delay", [0, 0.01, 0.05, 0.2])
def test_cancel_from_another_thread(delay: float) -> None:
    """At any moment, also while fillers are looked for: it ends soon, with its result or by the exception."""
    rng = random.Random(5)
    loop = make_loop({"".join(rng.choices("abcd", k=200_000)): 1}, 10**6, PieceRules(), [*"abcd"], threads=2)
    timer = threading.Timer(delay, loop.cancel)
    timer.start()
    try:
        while loop.stop is None:
            loop.run(10**6, 10**12)
    except KeyboardInterrupt:
        assert loop.stop == "cancelled"
    timer.join()
    with pytest.raises(KeyboardInterrupt):
        make_cancelled().run(1)


def make_cancelled() -> _trainer.MergeLoop:
    """Give a loop that was cancelled before it began."""
    loop = make_loop({"ab": 1}, 10, PieceRules(), ["a", "b"])
    loop.cancel()
    return loop


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"characters": [97, 97]}, ValueError),
        ({"characters": [0xD800]}, ValueError),
        ({"characters": [0x110000]}, ValueError),
        ({"characters": [0x2585]}, ValueError),
        ({"characters": [32]}, ValueError),
        ({"max_length": 0}, ValueError),
        ({"max_length": 8193}, ValueError),
        ({"scripts": b"\1\1"}, ValueError),
        ({"pieces": 2**40}, OverflowError),
    ],
)
def test_bad_arguments_are_refused(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        _trainer.MergeLoop.of_characters(_counter.combine([]), **{"characters": [97], "pieces": 1, **options})


def test_what_is_for_the_other_kind_is_refused() -> None:
    loop = make_loop({"ab": 1}, 1, PieceRules(), ["a", "b"])
    with pytest.raises(ValueError, match="bytes"):
        loop.script_costs()
    loop = _trainer.MergeLoop(
        _counter.combine([]), byte_ids=[*range(256)], strings=256, reserved=[], vocab_size=256
    )
    with pytest.raises(ValueError, match="of_characters"):
        loop.pieces()


def test_more_than_the_text_can_give_costs_no_memory() -> None:
    assert assert_equals_reference({"abab": 2, "abc": 1}, 0x7FFFFF00, tunings=TUNINGS[:2])
