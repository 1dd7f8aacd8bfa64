"""The native merge loop against the plain reference trainer, whatever its tuning."""

from __future__ import annotations

import array
import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from merge_loop import Learned, learn, make_loop, random_words

from bpetk import _counter, _trainer
from bpetk.alphabet import BYTE_ORDER, to_byte_level
from bpetk.reference.train import train

CORPORA = Path(__file__).parents[2] / "corpora"

# Each changes time and memory only. `first_cutoff` leaves pairs out of the lists: then the text is scanned
# again; `parallel_from` lets threads share small merges; wide types are those of huge vocabularies and texts.
TUNINGS: list[dict[str, Any]] = [
    {"threads": 1},
    {"threads": 2, "parallel_from": 1},
    {"threads": 3, "parallel_from": 3, "first_cutoff": 2},
    {"threads": 7, "parallel_from": 10, "first_cutoff": 50},
    {"threads": 1, "first_cutoff": 10**9},
    {"threads": 2, "parallel_from": 2, "wide_symbols": True, "first_cutoff": 20},
    {"threads": 1, "wide_positions": True, "first_cutoff": 3},
    {"threads": 3, "parallel_from": 1, "wide_symbols": True, "wide_positions": True, "first_cutoff": 10**9},
]


def assert_equals_reference(
    words: Mapping[bytes, int],
    vocab_size: int,
    *,
    tunings: Iterable[dict[str, Any]] = TUNINGS,
    **options: Any,
) -> Learned:
    """Train with the reference and with each tuning; compare merges, their counts and what they saved."""
    expected = train(words, vocab_size, **options)
    found = None
    for tuning in tunings:
        found = learn(words, vocab_size, tuning=tuning, **options)
        assert found.merges == expected.merges, tuning
        assert found.counts == expected.counts, tuning
        assert found.applied == [step.applied for step in expected.log], tuning
        assert found.new == [step.token for step in expected.log], tuning
        assert found.size == len(expected.vocab), tuning
    assert found is not None
    return found


# Thousands of small corpora


@pytest.mark.parametrize("seed", range(10))
def test_random_words(seed: int) -> None:
    rng = random.Random(seed)
    rescans = 0
    for number in range(45):
        words = random_words(rng)
        alphabet = rng.choice(["bytes", "observed"])
        specials = rng.choice(
            [(), (), ("<s>",), ("ab", "a"), ("aa", "abc", "x y"), ("b",), ("aaaa", "aa"), ("ä¸Ń", "中")]
        )
        least = 256 + len(specials) if alphabet == "bytes" else 12
        learned = assert_equals_reference(
            words,
            rng.choice([0, 5, 30, 100, 300]) + least,
            tunings=[TUNINGS[number % 3], TUNINGS[3 + number % 5]],
            min_frequency=rng.choice([0, 0, 0, 1, 2, 5]),
            max_token_length=rng.choice([None, None, 1, 2, 3, 4, 5, 6, 9]),
            special_tokens=specials,
            alphabet=alphabet,
        )
        rescans += learned.rescans
    assert rescans > 20  # else the cutoffs do not do what they are for


@pytest.mark.parametrize(
    "tuning", TUNINGS, ids=lambda tuning: ",".join(f"{k}={v}" for k, v in tuning.items())
)
def test_every_tuning(tuning: dict[str, Any]) -> None:
    rng = random.Random(str(tuning))
    for _ in range(25):
        assert_equals_reference(random_words(rng), 400, tunings=[tuning])


def test_runs() -> None:
    """Runs of one letter: pairs overlap, and a merged pair's neighbour may be the pair itself."""
    for length in range(1, 70):
        assert_equals_reference(
            {b"a" * length: 1}, 400, tunings=[TUNINGS[0], TUNINGS[4]], alphabet="observed"
        )
        assert_equals_reference(
            {b"a" * length + b"b": 3, b"a" * (70 - length): 2, b"ba" * length: 1},
            400,
            tunings=[TUNINGS[2], TUNINGS[7]],
            alphabet="observed",
        )


def test_ties_go_to_smaller_ids_of_byte_level_characters() -> None:
    """A space is U+0120 there and so comes after all letters, and the byte 0xAD, U+0143, after all others."""
    words = dict.fromkeys([b" a", b"a ", b"zz", b"\xadz", b"z\xad", b"\x00z", b"!z", b"\xffz"], 5)
    learned = assert_equals_reference(words, 400)
    left = [BYTE_ORDER[a] for a, b in learned.merges]
    assert bytes(left) == b"!azz\xff\x00 \xad"


def test_large_corpus_with_threads() -> None:
    """Merges of thousands of places, so that the usual threshold for threads is passed."""
    rng = random.Random(5)
    words: dict[bytes, int] = {}
    for rank in range(4000):
        word = bytes(rng.choices(b"etaoinshrdlu", weights=range(12, 0, -1), k=rng.randint(2, 9)))
        words[word] = words.get(word, 0) + 4000 // (rank + 1) + 1
    assert_equals_reference(
        words, 256 + 300, tunings=[{"threads": 1}, {"threads": 2}, {"threads": 7, "parallel_from": 500}]
    )


@pytest.mark.parametrize("letters", [256, 40])
@pytest.mark.parametrize("times", [1, 2, 70_000])
def test_very_many_pairs_of_the_same_count(letters: int, times: int) -> None:
    """Most of what is in the queue then ties, and new pairs tie with the ones that wait."""
    rng = random.Random(letters * times)
    words = {bytes(rng.choices(range(letters), k=rng.randint(2, 9))): times for _ in range(2000)}
    assert_equals_reference(words, 20_000, tunings=[TUNINGS[0], TUNINGS[3], TUNINGS[4]])


def test_counts_on_both_sides_of_a_power_of_two() -> None:
    """Pairs of large counts wait elsewhere than those of small ones, and fall from there to here."""
    rng = random.Random(16)
    for _ in range(6):
        words = {
            word: rng.choice([1, 30_000, 65_535, 65_536, 65_537, 200_000])
            for word in random_words(rng, most=60)
        }
        assert_equals_reference(words, 600, tunings=[TUNINGS[0], TUNINGS[4], TUNINGS[6]])


@pytest.mark.parametrize("scheme", ["gpt2", "none"])
def test_words_of_real_text(scheme: str) -> None:
    """Tens of thousands of pairs: tables grow, also between one scan of the text and the next."""
    words: dict[bytes, int] = {}
    for name in ("en", "zh"):
        worker = _counter.CountWorker(scheme, lines=True)
        text = (CORPORA / f"{name}.txt").read_bytes()
        worker.feed(text, 0, len(text), True)
        for word, count in _counter.combine([worker]).items():
            words[word] = words.get(word, 0) + count
    expected = learn(words, 8000, tuning={"first_cutoff": 1})
    assert expected.rescans == 0
    rescans = 0
    for tuning in [TUNINGS[3], TUNINGS[4], TUNINGS[6], {"first_cutoff": 200, "threads": 2}]:
        found = learn(words, 8000, tuning=tuning)
        assert found == replace(expected, rescans=found.rescans), tuning
        rescans += found.rescans
    assert rescans > 3


def test_counts_around_the_limits_of_sorting() -> None:
    """Words of small counts are laid out in another way than those of large ones."""
    counts = [1, 2, 3, 4094, 4095, 4096, 4097, 8191, 8192]
    words = {b"a" + bytes([98 + i, 98 + j]) * 2: count for i, count in enumerate(counts) for j in range(3)}
    assert_equals_reference(words, 400)


# Counts of 64 bits


@pytest.mark.parametrize("scale", [2**31 - 1, 2**31, 2**32, 2**33 + 12345, 2**36])
def test_counts_beyond_32_bits(scale: int) -> None:
    rng = random.Random(scale)
    for _ in range(8):
        small = random_words(rng, most=20)
        words = {word: min(count, 9) * scale + rng.randint(-1, 1) for word, count in small.items()}
        learned = assert_equals_reference(words, 300, tunings=[TUNINGS[0], TUNINGS[3], TUNINGS[5]])
        assert not learned.counts or learned.counts[0] > scale // 2


def test_a_pair_that_loses_its_count_in_32_bits_is_merged() -> None:
    # The reference library merges only c and d here: its counts are of 32 bits.
    learned = assert_equals_reference({b"aa": 2_199_890_000, b"cd": 3}, 300)
    assert learned.counts == [2_199_890_000, 3]
    assert learned.total_bytes == 2 * 2_199_890_003


def test_counts_that_nearly_tie() -> None:
    words = {b"ab": 2**40, b"cd": 2**40 + 1, b"ef": 2**40 - 1, b"gh": 2**40}
    learned = assert_equals_reference(words, 300, alphabet="observed")
    assert learned.merges == [(2, 3), (0, 1), (6, 7), (4, 5)]


def test_counts_too_large_for_the_arithmetic_are_an_error() -> None:
    # Count and places of a neighbour share 64 bits.
    words = {b"ab" + bytes([i]) * 3: 2**57 for i in range(32)}
    with pytest.raises(OverflowError, match=r"2\*\*64"):
        learn(words, 400)


# What stops it


@pytest.mark.parametrize("tuning", TUNINGS[:5:2])
@pytest.mark.parametrize(
    ("options", "reason", "merges"),
    [
        ({"vocab_size": 258}, "vocab_size", 2),
        ({"vocab_size": 256}, "vocab_size", 0),
        ({"vocab_size": 0}, "vocab_size", 0),
        ({"vocab_size": 300}, "no_more_pairs", 4),
        ({"vocab_size": 260}, "vocab_size", 4),
        ({"vocab_size": 300, "min_frequency": 1}, "no_more_pairs", 4),
        ({"vocab_size": 300, "min_frequency": 3}, "min_frequency", 3),
        ({"vocab_size": 300, "min_frequency": 10**12}, "min_frequency", 0),
        ({"vocab_size": 300, "max_token_length": 3}, "no_more_pairs", 3),
    ],
)
def test_reason_to_stop(options: dict[str, Any], reason: str, merges: int, tuning: dict[str, Any]) -> None:
    learned = assert_equals_reference({b"abcd": 3, b"abce": 2, b"x": 9}, tunings=[tuning], **options)
    assert len(learned.merges) == merges
    assert learned.stop == reason


def test_no_words() -> None:
    for words in ({}, {b"a": 5}, {b"a": 1, b"b": 2}):
        assert_equals_reference(words, 300, alphabet="observed")


def test_run_in_steps_gives_the_same() -> None:
    words = random_words(random.Random(3), most=60)
    whole = learn(words, 500)
    for step in (1, 3, 1000):
        loop = make_loop(words, 500, tuning={"first_cutoff": 10})[0]
        done = [0]
        while loop.stop is None:
            done.append(loop.run(step))
            assert done[-2] <= done[-1] == loop.merges <= done[-2] + step
            assert loop.strings == 256 + loop.merges
        assert loop.run(5) == loop.merges == len(whole.merges)
        assert loop.result()[0] == array.array("I", [left for left, _ in whole.merges]).tobytes()


def test_little_work_ends_a_call_early() -> None:
    """So that a call never takes long, however many merges are asked for."""
    loop = make_loop({b"abcdefgh" * 50: 3}, 400)[0]
    assert loop.run(1000, 1) < 5
    assert loop.stop is None
    while loop.stop is None:
        loop.run(1000)
    assert loop.merges == len(learn({b"abcdefgh" * 50: 3}, 400).merges)


# Special tokens


def test_special_token_lends_its_id_to_the_same_string() -> None:
    words = {b"abab": 3, b"abcab": 2}
    for special in (["ab"], ["abab", "ab"], ["ba", "c", "bc"], ["<s>", "abcab"]):
        assert_equals_reference(words, 300, special_tokens=special)
        assert_equals_reference(words, 300, special_tokens=special, alphabet="observed")


def test_special_token_of_the_same_length_is_not_the_same() -> None:
    learned = assert_equals_reference({b"ab": 3, b"ba": 3}, 300, special_tokens=["aa", "bb"])
    assert learned.new == [258, 259]


def test_long_special_token() -> None:
    word = bytes(random.Random(2).choices(b"abc", k=3000))
    learned = assert_equals_reference(
        {word: 1}, 5000, special_tokens=[to_byte_level(word)], tunings=TUNINGS[:1]
    )
    assert learned.new[-1] == 0


def test_strings_of_equal_hash_are_told_apart() -> None:
    """Thue-Morse strings of this length and their complements collide in every polynomial hash of 64 bits."""
    bits = [bin(number).count("1") & 1 for number in range(1 << 12)]
    one, other = bytes(97 + bit for bit in bits), bytes(98 - bit for bit in bits)
    for special in ([other], [other, one], [one, other]):
        tokens = [token.decode() for token in special]
        learned = assert_equals_reference(
            {one: 1}, 20_000, special_tokens=tokens, tunings=TUNINGS[:1], alphabet="observed"
        )
        assert (learned.new[-1] < 2) == (one in special)


# What else it tells


def test_costs_of_scripts() -> None:
    words = {
        b"the": 5,
        b" THE": 2,
        "中文".encode(): 7,
        "中a".encode(): 1,
        b"123": 4,
        "éé".encode(): 3,
        b"a": 6,
        b",": 8,
    }
    learned = learn(words, 256)
    assert learned.scripts == {
        "han": (7 * 6 + 4, 7 * 6 + 4),
        "latin": (15 + 8 + 6, 15 + 8 + 6),
        "other": (12 + 12 + 8, 12 + 12 + 8),
    }
    learned = learn(words, 300)
    assert learned.stop == "no_more_pairs"
    assert learned.scripts == {"han": (46, 8), "latin": (29, 5 + 2 + 6), "other": (32, 4 + 3 + 8)}
    tokens = sum(tokens for _, tokens in learned.scripts.values())
    assert tokens == learned.total_bytes - sum(learned.applied)


@pytest.mark.parametrize("seed", range(5))
def test_costs_of_scripts_add_up(seed: int) -> None:
    words = random_words(random.Random(seed), most=60)
    for size in (260, 300, 500):
        learned = learn(words, size, tuning=TUNINGS[seed])
        assert sum(size for size, _ in learned.scripts.values()) == learned.total_bytes
        assert learned.total_bytes == sum(len(word) * count for word, count in words.items())
        tokens = sum(tokens for _, tokens in learned.scripts.values())
        assert tokens == learned.total_bytes - sum(learned.applied)


# Arguments


def test_words_are_used_up() -> None:
    loop, counts = make_loop({b"ab": 2}, 300)
    loop.run(10)
    assert loop.merges == 1
    assert len(counts) == 0
    assert counts.items() == []
    again = _trainer.MergeLoop(counts, byte_ids=list(range(256)), strings=256, reserved=[], vocab_size=300)
    again.run(10)
    assert (again.stop, again.merges) == ("no_more_pairs", 0)


def test_more_than_the_text_can_give() -> None:
    learned = assert_equals_reference({b"abab": 2, b"abc": 1}, 0x7FFFFFF0, tunings=[TUNINGS[0], TUNINGS[2]])
    assert (len(learned.merges), learned.stop) == (3, "no_more_pairs")


def test_bad_arguments_are_refused() -> None:
    worker = _counter.CountWorker("none", lines=False)
    worker.add_words([(b"ab", 1)])
    counts = _counter.combine([worker])
    options: dict[str, Any] = {"byte_ids": list(range(256)), "strings": 256, "reserved": []}
    with pytest.raises(TypeError):
        _trainer.MergeLoop(None, vocab_size=300, **options)
    assert len(counts) == 1


def test_many_loops_one_after_another_do_not_share_anything() -> None:
    words = random_words(random.Random(11), most=30)
    first = learn(words, 350)
    loops = [make_loop(words, 350, tuning={"threads": 2, "parallel_from": 2})[0] for _ in range(8)]
    while any(loop.stop is None for loop in loops):
        for loop in loops:
            loop.run(3)
    assert {loop.result() for loop in loops} == {loops[0].result()}
    assert loops[0].merges == len(first.merges)
