"""The native encoder against the plain one: random models and texts, every tier, whatever a cache holds."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from array import array
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_models import MadeModel, plain_model, random_model, random_text, random_texts

from bpetk import _scanner
from bpetk._added_tokens import Matcher
from bpetk._encode_document import Plan
from bpetk._encode_rules import EncodeRules
from bpetk._encoder import Encoder
from bpetk._id_buffer import IdBuffer
from bpetk.errors import UnknownTokenError
from bpetk.reference import scan
from bpetk.reference.encode import encode_text, encode_word, first_symbols, merge_dropping, merge_symbols

SEEDS = st.integers(0, 2**32)
SCHEMES = st.sampled_from(_scanner.SCHEMES)
TIERS = [tier for tier in _scanner.TIERS if tier != "scalar"]
NOTHING = Plan()
# Of Failure in _encode_worker.pxd.
UNKNOWN_BYTE, INVALID_UTF8, SURROGATE, FORBIDDEN, GENERAL = 2, 3, 4, 5, 6
Row = list[int] | tuple[int, int]


def expected(model: MadeModel, text: str, scheme: str = "none") -> Row:
    """Encode in the plain way; (failure, where) for a byte without an id."""
    rules, done = model.rules, 0

    def ids(word: bytes) -> list[int]:
        nonlocal done
        found = [id for id, _ in encode_word(word, rules)]
        done += len(word)
        return found

    try:
        return encode_text(text, scheme, ids)
    except UnknownTokenError as error:
        if scheme == "whitespace":
            return UNKNOWN_BYTE, -1  # what was dropped before it is not counted here
        return UNKNOWN_BYTE, done + error.args[0]


def encode(encoder: Encoder, text: str | bytes, plan: Plan = NOTHING, **options: Any) -> Row:
    found: Row = encoder.encode(text, plan, **options)
    return found


def rows_of(flat: IdBuffer, counts: bytearray) -> list[list[int] | int]:
    """Cut flat ids; a count below zero stays as it is."""
    ids, at, rows = memoryview(flat).tolist(), 0, []
    for count in memoryview(counts).cast("q").tolist() if counts else []:
        rows.append(count if count < 0 else ids[at : at + count])
        at += max(0, count)
    assert at == len(ids)
    return rows


# --- one pretoken ---------------------------------------------------------------------------------------------------


@settings(max_examples=500)
@given(SEEDS, SEEDS, st.sampled_from([1, 4, 12]))
def test_equals_the_plain_rules(model_seed: int, text_seed: int, line_bits: int) -> None:
    model = random_model(model_seed)
    encoders = [model.encoder(line_bits=line_bits) for _ in TIERS]
    texts = list(random_texts(text_seed, model))
    for text in [*texts, *texts]:  # the cache knows the second half
        wanted = expected(model, text)
        for encoder, tier in zip(encoders, TIERS, strict=True):
            assert encode(encoder, text, tier=tier) == wanted, (tier, text)


@settings(max_examples=60)
@given(SEEDS, SEEDS, SCHEMES)
def test_long_texts(model_seed: int, text_seed: int, scheme: str) -> None:
    """Longer than any batch of segments, cuts or ends of pretokens."""
    model, rng = plain_model(model_seed), random.Random(text_seed)
    rules = model.rules
    text = random_text(rng, model, rng.choice((200, 1000, 3000)))
    wanted = encode_text(
        text,
        scheme,
        lambda word: merge_symbols([id for id, _ in first_symbols(word, rules)], rules.merges),
    )
    encoder = model.encoder(scheme, line_bits=rng.choice((2, 6, 10)))
    for tier in [*TIERS, *TIERS]:
        assert encode(encoder, text, tier=tier) == wanted, tier


@settings(max_examples=300)
@given(SEEDS, SEEDS, SCHEMES)
def test_schemes(model_seed: int, text_seed: int, scheme: str) -> None:
    model = random_model(model_seed)
    encoder = model.encoder(scheme)
    for text in random_texts(text_seed, model):
        wanted = expected(model, text, scheme)
        for tier in TIERS:
            found = encode(encoder, text, tier=tier)
            if wanted == (UNKNOWN_BYTE, -1):
                assert isinstance(found, tuple) and found[0] == UNKNOWN_BYTE
            else:
                assert found == wanted, (tier, text)


@pytest.mark.parametrize("n", [*range(1, 40), 61, 62, 63, 64, 65, 125, 128, 300])
@pytest.mark.parametrize("unit", ["ab", "é", "中文", "a中", "😀", "中 ", "é,"])
def test_lengths_around_the_limits(unit: str, n: int) -> None:
    """Keys have 15 bytes, jobs 16 symbols, blocks 61 to 64 bytes; the text may end right behind them."""
    rng = random.Random(f"{unit}{n}")
    ids = {bytes([byte]): byte for byte in range(256)}
    merges = []
    for left, right in ((unit[:1], unit[1:] or unit[:1]), (unit, unit), (unit * 2, unit[:1])):
        for part in (left, right, left + right):
            ids.setdefault(part.encode(), len(ids))
        merges.append((ids[left.encode()], ids[right.encode()], ids[(left + right).encode()]))
        data = left.encode()
        if len(data) in (2, 3, 4) and len(left) == 1:
            for cut in (1, 2, 3)[: len(data) - 1]:
                new = ids.setdefault(data[: cut + 1], len(ids))
                merges.insert(0, (ids[data[:cut]], ids[data[cut : cut + 1]], new))
    model = MadeModel("", tuple(ids), tuple(range(256)), tuple(range(256)), tuple(merges))
    for scheme in ("none", "cl100k"):
        encoder = model.encoder(scheme)
        for before in ("", "x", "x" * rng.randrange(16), "中" * rng.randrange(5)):
            text = before + (unit * n)[:n]
            for tier in TIERS:
                assert encode(encoder, text, tier=tier) == expected(model, text, scheme), (tier, before)


def test_bytes_at_the_end_of_memory() -> None:
    """Texts of every length behind each other in one buffer: what follows a piece must not count."""
    model = plain_model(7)
    pieces = [char * n for char in "aé中😀" for n in range(1, 20)]
    data, ends = "".join(pieces).encode(), array("Q", accumulate(len(piece.encode()) for piece in pieces))
    wanted = [id for piece in pieces for id, _ in encode_word(piece.encode(), model.rules)]
    for tier in TIERS:
        ids, failure, _ = model.encoder(None).encode_stretch(data, ends=ends, tier=tier)
        assert (list(memoryview(ids)), failure) == (wanted, 0)


# --- pieces from outside --------------------------------------------------------------------------------------------


@settings(max_examples=300)
@given(SEEDS, SEEDS)
def test_pieces(model_seed: int, text_seed: int) -> None:
    model, rng = random_model(model_seed), random.Random(text_seed)
    rules, encoder = model.rules, model.encoder(None)
    for text in random_texts(text_seed, model, 4):
        data = text.encode()
        for torn in (False, True):
            joints = list(range(len(data) + 1)) if torn else [0, *accumulate(len(c.encode()) for c in text)]
            ends = array("Q", sorted([*rng.choices(joints, k=rng.randint(0, 12)), len(data)]))
            wanted, failure, at = [], 0, 0
            try:
                for end in ends:
                    wanted += [id for id, _ in encode_word(data[at:end], rules)] if end > at else []
                    at = end
            except UnknownTokenError as error:
                failure, at = UNKNOWN_BYTE, at + error.args[0]
            for tier in TIERS:
                ids, found, where = encoder.encode_stretch(data, ends=ends, whole_chars=not torn, tier=tier)
                assert found == failure, (tier, text)
                assert where == at if failure else list(memoryview(ids)) == wanted, (tier, text)


def test_pieces_that_are_empty() -> None:
    encoder = plain_model(3).encoder(None)
    for data, ends in ((b"", []), (b"", [0, 0]), (b"ab", [0, 0, 1, 1, 2, 2])):
        ids, failure, _ = encoder.encode_stretch(data, ends=array("Q", ends))
        assert failure == 0 and len(memoryview(ids)) <= 2
    with pytest.raises(ValueError, match="ends are needed"):
        encoder.encode_stretch(b"ab")


@pytest.mark.parametrize("ends", [[3], [1, 3], [2, 1], [1, 2, 1, 2], [2**63]])
def test_pieces_that_are_none(ends: list[int]) -> None:
    with pytest.raises(ValueError, match="ends do not ascend"):
        plain_model(3).encoder(None).encode_stretch(b"ab", ends=array("Q", ends))


# --- kinds of text --------------------------------------------------------------------------------------------------


@settings(max_examples=200)
@given(SEEDS, SEEDS, st.sampled_from(["none", "gpt2", "cl100k"]))
def test_kinds_of_text(model_seed: int, text_seed: int, scheme: str) -> None:
    """ASCII, Latin-1, UCS-2, UCS-4 and bytes: whatever Python keeps a text in."""
    model = plain_model(model_seed)
    encoder = model.encoder(scheme)
    for text in random_texts(text_seed, model, 4):
        for more in ("", "z", "ÿ", "中", "😀"):
            wanted = expected(model, text + more, scheme)
            assert encode(encoder, text + more) == encode(encoder, (text + more).encode()) == wanted


INVALID = [
    *(b"\x80", b"\xff", b"\xc0\x80", b"\xc3", b"\xe4\xb8", b"\xe0\x9f\xbf", b"\xed\xa0\x80", b"\xf0\x9f\x98"),
    *(b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xe4a", b"\xc3\xc3"),
]


@pytest.mark.parametrize("bad", INVALID)
def test_invalid_utf8_at_every_place(bad: bytes) -> None:
    encoder = plain_model(1).encoder("gpt2")
    for before in range(70):
        for filler in ("a", "中"):
            data = filler.encode() * before
            for after in (b"", b"b", b"b" * 40):
                at = len(data)
                assert encode(encoder, data + bad + after) == (INVALID_UTF8, at)
    for char in "é中😀":
        for n in range(1, len(char.encode())):
            assert encode(encoder, b"ab" + char.encode()[:n]) == (INVALID_UTF8, 2)


@pytest.mark.parametrize("code", [0xD800, 0xDBFF, 0xDC00, 0xDFFF])
def test_lone_surrogates(code: int) -> None:
    encoder, surrogate = plain_model(1).encoder("gpt2"), chr(code)
    for before in ("", "a", "中" * 30, "😀" * 3, "é" * 17):
        for after in ("", "b", "😀"):
            assert encode(encoder, before + surrogate + after) == (SURROGATE, len(before))


# --- documents ------------------------------------------------------------------------------------------------------


def matcher(*contents: str) -> Matcher:
    return Matcher([content.encode() for content in contents], range(len(contents)))


def plan_with_everything() -> Plan:
    return Plan(
        forbidden=matcher("<no>"),
        suspects=matcher("<?>"),
        first=matcher("<s>", "<s><s>"),
        first_ids=array("I", [3, 4]),
        second=matcher("ab", "<"),
        second_ids=array("I", [5, 6]),
        form=0,
    )


DOCUMENTS: list[tuple[str | bytes, list[int] | int]] = [
    ("", []),
    (b"", []),
    ("x<s>y", [*b"x", 3, *b"y"]),
    ("<s><s><s>", [4, 3]),
    ("abxab<s>", [5, *b"x", 5, 3]),
    ("<<s>", [6, 3]),
    ("<s", [6, *b"s"]),
    ("x<no>", FORBIDDEN),
    ("x<?>", GENERAL),
    ("<?><no>", FORBIDDEN),
    ("é", [*"é".encode()]),
    ("e\u0301", GENERAL),
    (b"\xff<no>", INVALID_UTF8),
    ("<s>\ud800", SURROGATE),
    ("x" * 100 + "\u212b", GENERAL),
]


def bytes_model() -> MadeModel:
    return MadeModel(
        "", tuple(bytes([byte]) for byte in range(256)), tuple(range(256)), tuple(range(256)), ()
    )


def outcome(row: Row) -> list[int] | int:
    """Ids, or why there are none."""
    return row if isinstance(row, list) else row[0]


@pytest.mark.parametrize(("text", "wanted"), DOCUMENTS)
def test_documents(text: str | bytes, wanted: list[int] | int) -> None:
    assert outcome(encode(bytes_model().encoder("gpt2"), text, plan_with_everything())) == wanted


def test_documents_in_a_batch() -> None:
    """What one document is does not change another's ids, in any order and number of threads."""
    encoder, plan = bytes_model().encoder("gpt2"), plan_with_everything()
    rng = random.Random(5)
    texts = [text for text, _ in DOCUMENTS] * 3 + ["word " * 30_000, "字" * 40_000, "<s>" * 5000]
    alone = [outcome(encode(encoder, text, plan)) for text in texts]
    for _ in range(4):
        order = rng.sample(range(len(texts)), len(texts))
        shuffled = [texts[i] for i in order]
        for threads in (1, 2, 7):
            found = encoder.encode_lists(shuffled, plan, threads=threads)
            assert [outcome(row) for row in found] == [alone[i] for i in order]
            nothing, counts = encoder.encode_flat(shuffled, plan, threads=threads, count_only=True)
            assert nothing is None
            assert memoryview(counts).cast("q").tolist() == [size(alone[i]) for i in order]


def size(found: list[int] | int) -> int:
    """How a batch says how many ids there are, or why there are none."""
    return len(found) if isinstance(found, list) else -1 - found


def test_general_plans_do_nothing_natively() -> None:
    assert encode(bytes_model().encoder("gpt2"), "ab", Plan(general=True)) == (GENERAL, 0)
    assert encode(bytes_model().encoder(None), "ab") == (GENERAL, 0)


# --- batches --------------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(SEEDS, SEEDS, SCHEMES, st.sampled_from([1, 2, 7]), st.sampled_from(TIERS))
def test_batches(model_seed: int, text_seed: int, scheme: str, threads: int, tier: str) -> None:
    model, rng = random_model(model_seed), random.Random(text_seed)
    texts = list(random_texts(text_seed, model, rng.choice((0, 1, 3, 20))))
    if texts and rng.random() < 0.5:
        texts = rng.choices(texts, k=90_000 // max(1, sum(map(len, texts)) // len(texts)))[:2000]
    encoder = model.encoder(scheme)
    wanted = {text: outcome(encode(encoder, text)) for text in set(texts)}
    rows = encoder.encode_lists(texts, NOTHING, threads=threads, tier=tier)
    assert [outcome(row) for row in rows] == [wanted[text] for text in texts]
    flat = rows_of(*encoder.encode_flat(texts, NOTHING, threads=threads, tier=tier))
    assert flat == [row if isinstance(row, list) else -1 - row[0] for row in rows]
    nothing, counts = encoder.encode_flat(iter(texts), NOTHING, threads=threads, count_only=True, tier=tier)
    assert nothing is None
    assert memoryview(counts).cast("q").tolist() == [size(wanted[text]) for text in texts]


def test_one_huge_document_among_small_ones() -> None:
    model = plain_model(11)
    encoder = model.encoder("gpt2")
    texts = ["ab é"] * 50 + [random_text(random.Random(1), model, 60_000)] + ["中文"] * 50
    wanted = [encode(encoder, text) for text in texts]
    for threads in (1, 2, 7):
        assert encoder.encode_lists(texts, NOTHING, threads=threads) == wanted


def test_caches_do_not_matter() -> None:
    """A worker that has seen other text gives the same ids as a new one."""
    model = plain_model(21)
    rng = random.Random(2)
    texts = [random_text(rng, model, 30) for _ in range(200)]
    encoder = model.encoder("cl100k", line_bits=3)
    wanted = [encode(model.encoder("cl100k"), text) for text in texts]
    for _ in range(3):
        rng.shuffle(order := list(range(len(texts))))
        assert [encode(encoder, texts[i]) for i in order] == [wanted[i] for i in order]
        if rng.random() < 0.5:
            encoder.forget()
    looked_up, merged = encoder.statistics()
    assert 0 <= merged <= looked_up
    encoder.forget()
    assert encoder.statistics() == (0, 0)


def test_a_worker_serves_again_whatever_its_last_text_was() -> None:
    """Texts that fail do not cost a worker: making one takes longer than most texts."""
    encoder, plan = bytes_model().encoder("gpt2"), plan_with_everything()
    failing = [text for text, row in DOCUMENTS if isinstance(row, int)]
    encode(encoder, "some words", plan)
    before = encoder.statistics()
    assert before[0] > 0
    for text in failing:
        encode(encoder, text, plan)
        encoder.encode_lists([text, "a"], plan)
    assert encoder.statistics() >= before


def test_threads_that_share_an_encoder() -> None:
    model = plain_model(31)
    encoder = model.encoder("gpt2", line_bits=4)
    rng = random.Random(3)
    texts = [random_text(rng, model, 40) for _ in range(60)]
    wanted = [encode(model.encoder("gpt2"), text) for text in texts]
    found: list[list[Row]] = []

    def run(number: int) -> None:
        for _ in range(10):
            if number % 2:
                found.append([encode(encoder, text) for text in texts])
            else:
                found.append(encoder.encode_lists(texts * 40, NOTHING, threads=2)[: len(texts)])

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=run, args=[number]) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert found == [wanted] * 60


# --- dropout --------------------------------------------------------------------------------------------------------


class Splitmix:
    """The generator of Steele, Lea and Flood (2014)."""

    def __init__(self, seed: int) -> None:
        self.state = seed

    def below(self, probability: float) -> bool:
        mask = 2**64 - 1
        self.state = z = (self.state + 0x9E3779B97F4A7C15) & mask
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
        return (z ^ z >> 31) >> 11 < int(probability * 2**53)


@settings(max_examples=200)
@given(SEEDS, SEEDS, st.sampled_from([0.05, 0.3, 0.5, 0.9, 1.0]), st.integers(0, 2**63))
def test_dropout_equals_the_plain_form(model_seed: int, text_seed: int, dropout: float, seed: int) -> None:
    model = plain_model(model_seed)
    rules = model.rules
    for text in random_texts(text_seed, model, 4):
        generator = Splitmix(seed)
        wanted: list[int] = []
        for piece in scan.split(text, "gpt2"):
            symbols = [id for id, _ in first_symbols(piece.encode(), rules)]
            wanted += merge_dropping(symbols, rules.merges, partial(generator.below, dropout))
        for tier in TIERS:
            ids, failure, _ = model.encoder("gpt2").encode_stretch(
                text.encode(), dropout=dropout, seed=seed, tier=tier
            )
            assert (list(memoryview(ids)), failure) == (wanted, 0), text


def test_dropout_leaves_nothing_behind() -> None:
    model = plain_model(41)
    encoder = model.encoder("gpt2")
    text = random_text(random.Random(1), model, 60)
    before = encode(encoder, text)
    for seed in range(20):
        encoder.encode_stretch(text.encode(), dropout=0.7, seed=seed)
        assert encode(encoder, text) == before
    assert list(memoryview(encoder.encode_stretch(text.encode(), dropout=0.0)[0])) == before


# --- marks of the end of a word, unknown bytes ----------------------------------------------------------------------

LAST_BYTES = """
from array import array
from bpetk._encode_document import Plan
from bpetk._encode_rules import EncodeRules
from bpetk._encoder import Encoder
blob, offsets = b"abca</w>c</w>", array("I", [0, 1, 2, 3, 8, 13])
ids, last = [-1] * 256, [-1] * 256
ids[97:99], last[97], last[99] = [0, 1], 3, 4
empty = array("I")
for unk in (None, 2):
    encoder = Encoder(EncodeRules(blob, offsets, ids, last, empty, empty, empty, unk_id=unk), "gpt2")
    print([encoder.encode(text, Plan()) for text in ("aba", "ab", "abc", "ca", "b")])
"""


def test_bytes_known_only_at_the_end_or_only_before_it(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", LAST_BYTES], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done
    assert done.stdout.splitlines() == [
        "[[0, 1, 3], (2, 1), [0, 1, 4], (2, 0), (2, 0)]",
        "[[0, 1, 3], [0, 2], [0, 1, 4], [2, 3], [2]]",
    ]


def test_runs_of_unknown_bytes() -> None:
    byte_ids = tuple(byte - 97 if byte in b"ab" else -1 for byte in range(256))
    model = MadeModel("ab", (b"a", b"b", b"<unk>"), byte_ids, byte_ids, (), unk_id=2)
    for fuse, wanted in ((False, [2, 0, 2, 2, 1, 2, 2, 2]), (True, [2, 0, 2, 1, 2])):
        made = MadeModel(**{**vars(model), "fuse_unk": fuse})
        assert encode(made.encoder(), "xaxyb中") == wanted == expected(made, "xaxyb中")
        assert encode(made.encoder("gpt2"), "xaxyb中") == wanted
        assert encode(made.encoder(), "x" * 100) == [2] * (1 if fuse else 100)


def test_hidden_ids_are_not_found_whole() -> None:
    tokens = (*(bytes([byte]) for byte in range(256)), b"abc", b"xyz", b"ab")
    byte_ids = tuple(range(256))
    model = MadeModel(
        "", tokens, byte_ids, byte_ids, ((97, 98, 258),), whole_first=True, hidden=frozenset({257, 258})
    )
    encoder = model.encoder("gpt2")
    assert encode(encoder, "abc") == [256] and encode(encoder, "abcd") == [258, 99, 100]
    assert encode(encoder, "xyz") == [*b"xyz"]
    assert encode(encoder, "ab") == [258]  # a merge makes it


# --- the interface --------------------------------------------------------------------------------------------------


def test_ids_are_read_only() -> None:
    flat, _ = bytes_model().encoder("gpt2").encode_flat(["ab", "c"], NOTHING)
    view = memoryview(flat)
    assert (view.readonly, view.format, view.itemsize, view.shape, len(flat)) == (True, "I", 4, (3,), 3)
    assert view.tolist() == [97, 98, 99]
    with pytest.raises(TypeError, match="cannot modify read-only memory"):
        view[0] = 1
    del flat
    assert view.tolist() == [97, 98, 99]  # the view keeps its memory
    assert memoryview(bytes_model().encoder("gpt2").encode_flat([], NOTHING)[0]).tolist() == []


def test_is_made_once() -> None:
    model = bytes_model()
    rules = model.encode_rules()
    encoder = Encoder(rules, "gpt2")
    with pytest.raises(TypeError, match="immutable"):
        encoder.__init__(rules, "none")  # type: ignore[misc]
    assert encode(encoder, "ab") == [97, 98]


@pytest.mark.parametrize("text", [None, 3, ["a"], bytearray(b"a"), memoryview(b"a")])
def test_only_text_is_taken(text: Any) -> None:
    encoder = bytes_model().encoder("gpt2")
    for call in (
        lambda: encoder.encode(text, NOTHING),
        lambda: encoder.encode_lists(["a", text], NOTHING),
        lambda: encoder.encode_flat(["a", text], NOTHING),
    ):
        with pytest.raises(TypeError, match="text must be str or bytes, not"):
            call()
    assert encode(encoder, "a") == [97]


class Text(str):
    pass


def test_subclasses_of_str() -> None:
    assert encode(bytes_model().encoder("gpt2"), Text("a中")) == [97, *"中".encode()]


def test_wrong_arguments() -> None:
    model = bytes_model()
    encoder = model.encoder("gpt2")
    for call in (
        lambda: encoder.encode("a", NOTHING, tier="sse"),
        lambda: encoder.encode_lists(["a"], NOTHING, tier="sse"),
        lambda: encoder.encode_stretch(b"a", tier="sse"),
    ):
        with pytest.raises(ValueError, match="unknown tier 'sse'"):
            call()
    with pytest.raises(ValueError, match="unknown native scheme"):
        model.encoder("bert")
    with pytest.raises(TypeError):
        encoder.encode("a", None)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Encoder(None, "gpt2")  # type: ignore[arg-type]


def test_lists_of_ids() -> None:
    encoder = bytes_model().encoder("gpt2")
    assert encoder.ints_of(array("I", [0, 255, 7])) == [0, 255, 7]
    assert encoder.ints_of(array("I")) == []


def test_an_empty_vocabulary() -> None:
    nothing, none = array("I"), (-1,) * 256
    encoder = Encoder(EncodeRules(b"", array("I", [0]), none, none, nothing, nothing, nothing), "gpt2")
    assert encode(encoder, "") == [] and encode(encoder, "a") == (UNKNOWN_BYTE, 0)
    assert encoder.encode_lists(["", "b", ""], NOTHING) == [[], (UNKNOWN_BYTE, 0), []]


def test_ids_of_21_bits() -> None:
    """The highest id there can be, alone, as the last of four, and beyond them."""
    n = 2**21 - 1
    offsets = array("I", bytes(4 * (n + 1)))
    tokens = [(n - 256 + byte, bytes([byte])) for byte in range(255)] + [(n - 1, b"\xff")]
    byte_ids = [n - 256 + byte for byte in range(255)] + [n - 1]
    for id in range(n - 256, n):
        offsets[id + 1] = offsets[id] + 1
    ids = array("I", [0])
    rules = EncodeRules(
        b"".join(token for _, token in tokens), offsets, byte_ids, byte_ids, ids[:0], ids[:0], ids[:0]
    )
    encoder = Encoder(rules, "none", line_bits=4)
    for size in (1, 3, 4, 5, 40):
        text = "~" * size
        wanted = [n - 256 + 126] * size
        assert encode(encoder, text) == encode(encoder, text) == wanted
