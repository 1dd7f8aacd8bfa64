"""The training specification against Hugging Face `tokenizers`, whose ``BpeTrainer`` it describes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bpetk.alphabet import BYTE_ORDER, BYTE_TO_CHAR, to_byte_level
from bpetk.reference import scan
from bpetk.reference.train import ReferenceResult, train, train_words

tokenizers = pytest.importorskip("tokenizers")
Learned = tuple[list[str], list[tuple[str, str]]]  # vocabulary by id, merges by rank

CASES = settings(max_examples=1000)
LETTERS = st.integers(2, 6).map(lambda letters: "abcdef"[:letters])
WORD_COUNTS = LETTERS.flatmap(
    lambda letters: st.dictionaries(st.text(letters, min_size=1, max_size=10), st.integers(1, 4), max_size=8)
)
VOCAB_SIZES = st.one_of(st.just(1000), st.integers(0, 30))
CORPORA = Path(__file__).parents[2] / "corpora"


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads of `tokenizers` cost more than they give on corpora as small as these."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOKENIZERS_PARALLELISM", "false")
        yield


def _byte_level(*, use_regex: bool) -> Any:
    return tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)


def _hf_tokenizer(pre_tokenizer: Any, *, added: Iterable[str] = ()) -> Any:
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    if pre_tokenizer is not None:
        tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.add_special_tokens(list(added))
    return tokenizer


def _hf_trainer(vocab_size: int, **options: Any) -> Any:
    names = {"prefix": "continuing_subword_prefix", "suffix": "end_of_word_suffix"}
    given_options = {names.get(name, name): value for name, value in options.items() if value is not None}
    return tokenizers.trainers.BpeTrainer(vocab_size=vocab_size, show_progress=False, **given_options)


def _hf_learned(tokenizer: Any) -> Learned:
    model = json.loads(tokenizer.to_str())["model"]
    vocab = sorted(model["vocab"], key=model["vocab"].__getitem__)
    return vocab, [(left, right) for left, right in model["merges"]]


def hf_train(
    items: Iterable[Any], vocab_size: int = 1000, pre_tokenizer: Any = None, **options: Any
) -> Learned:
    """Train the reference library; each item is one word unless there is a pre-tokenizer."""
    tokenizer = _hf_tokenizer(pre_tokenizer)
    tokenizer.train_from_iterator(items, _hf_trainer(vocab_size, **options))
    return _hf_learned(tokenizer)


def learned(result: ReferenceResult) -> Learned:
    """Write a result as the reference library does."""
    return result.vocab, [(result.vocab[left], result.vocab[right]) for left, right in result.merges]


def repeated(word_counts: dict[str, int]) -> Iterator[str]:
    """Yield each word as often as it occurs."""
    for word, count in word_counts.items():
        for _ in range(count):
            yield word


def gpt2_words(documents: Iterable[str]) -> Counter[bytes]:
    """Count the pretokens of scheme gpt2."""
    return Counter(word.encode() for document in documents for word in scan.split(document, "gpt2"))


def assert_same(word_counts: dict[str, int], vocab_size: int, **options: Any) -> ReferenceResult:
    """Train both and compare everything."""
    result = train_words(word_counts, vocab_size, **options)
    assert learned(result) == hf_train(repeated(word_counts), vocab_size, **options)
    return result


# Thousands of random corpora


@CASES
@given(WORD_COUNTS, VOCAB_SIZES)
def test_random_corpora(word_counts: dict[str, int], vocab_size: int) -> None:
    result = assert_same(word_counts, vocab_size)
    assert len(result.log) == len(result.merges) == len(result.counts)
    assert result.counts == sorted(result.counts, reverse=True)


@CASES
@given(LETTERS.flatmap(lambda letters: st.sets(st.text(letters, min_size=2, max_size=5), max_size=12)))
def test_ties(words: set[str]) -> None:
    assert_same(dict.fromkeys(words, 1), 1000)


@CASES
@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.sampled_from("ab"), st.integers(1, 3))
def test_runs_of_one_letter(lengths: list[int], letter: str, count: int) -> None:
    assert_same({letter * n + "b" * (n % 2): count for n in lengths}, 1000)


@CASES
@given(
    WORD_COUNTS,
    VOCAB_SIZES,
    st.integers(0, 4),
    st.sampled_from([None, 0, 1, 2, 3, 4, 5, 6]),
    st.lists(st.text("abc", min_size=1, max_size=3), max_size=4),
    st.lists(st.sampled_from(["xyz", "é", "b", "ca", "漢字"]), max_size=3),
)
def test_options(
    word_counts: dict[str, int],
    vocab_size: int,
    min_frequency: int,
    max_token_length: int | None,
    special_tokens: list[str],
    initial_alphabet: list[str],
) -> None:
    assert_same(
        word_counts,
        vocab_size,
        min_frequency=min_frequency,
        max_token_length=max_token_length,
        special_tokens=special_tokens,
        initial_alphabet=initial_alphabet,
    )


@CASES
@given(
    st.text("abc", min_size=1, max_size=14),
    st.integers(1, 3),
    st.sampled_from([None, "a", "b", "aa", "ab", "##"]),
    st.sampled_from([None, "a", "c", "ca", "</w>"]),
    st.sampled_from([None, 3, 4, 5]),
    st.lists(st.text("abc", min_size=1, max_size=4), max_size=3),
)
def test_decorations_that_look_like_text(
    word: str,
    count: int,
    prefix: str | None,
    suffix: str | None,
    max_token_length: int | None,
    special_tokens: list[str],
) -> None:
    # One distinct word: with more of them the library numbers decorated characters at random.
    options = {"max_token_length": max_token_length, "special_tokens": special_tokens}
    assert_same({word: count}, 40, prefix=prefix, suffix=suffix, **options)


@CASES
@given(WORD_COUNTS, st.integers(1, 5))
def test_limited_alphabet(word_counts: dict[str, int], limit: int) -> None:
    frequencies = sorted(
        Counter(char for word in repeated(word_counts) for char in word).values(), reverse=True
    )
    # Where characters tie at the cut the library chooses at random.
    assume(len(frequencies) <= limit or frequencies[limit - 1] > frequencies[limit])
    assert_same(word_counts, 1000, limit_alphabet=limit)


@CASES
@given(
    st.lists(st.text("ab é漢\n\0\u3000😀\u00ad", min_size=1, max_size=6), max_size=8),
    st.sampled_from(["bytes", "observed"]),
    st.integers(0, 280),
    st.sampled_from([(), ("<s>",), ("a", "ab"), ("Ġ", "é", "Ã©")]),
    st.sampled_from([None, 3, 5]),
)
def test_bytes(
    words: list[str],
    alphabet: Any,
    vocab_size: int,
    special_tokens: tuple[str, ...],
    max_token_length: int | None,
) -> None:
    options: dict[str, Any] = {"special_tokens": list(special_tokens), "max_token_length": max_token_length}
    result = train(Counter(word.encode() for word in words), vocab_size, alphabet=alphabet, **options)
    initial = list(BYTE_TO_CHAR) if alphabet == "bytes" else []
    splitter = _byte_level(use_regex=False)
    assert learned(result) == hf_train(words, vocab_size, splitter, initial_alphabet=initial, **options)


@settings(max_examples=200)
@given(WORD_COUNTS)
def test_applied_counts_are_the_tokens_saved(word_counts: dict[str, int]) -> None:
    tokenizer = _hf_tokenizer(None)
    tokenizer.train_from_iterator(repeated(word_counts), _hf_trainer(20))
    tokens = sum(len(tokenizer.encode(word).ids) * count for word, count in word_counts.items())
    saved = sum(step.applied for step in train_words(word_counts, 20).log)
    assert tokens == sum(len(word) * count for word, count in word_counts.items()) - saved


@settings(max_examples=200)
@given(
    WORD_COUNTS,
    st.randoms(use_true_random=False),
    st.sampled_from([{}, {"prefix": "a"}, {"limit_alphabet": 2}]),
)
def test_order_of_words_does_not_matter(
    word_counts: dict[str, int], random: Any, options: dict[str, Any]
) -> None:
    words = list(word_counts)
    random.shuffle(words)
    shuffled = {word: word_counts[word] for word in words}
    assert train_words(shuffled, 30, **options) == train_words(word_counts, 30, **options)


@pytest.mark.parametrize("name", ["en", "zh"])
def test_real_text(name: str) -> None:
    text = (CORPORA / f"{name}.txt").read_bytes()[:20_000].decode(errors="ignore")
    result = train(gpt2_words(text.splitlines(keepends=True)), 700)
    options = {"initial_alphabet": list(BYTE_TO_CHAR)}
    assert learned(result) == hf_train(
        text.splitlines(keepends=True), 700, _byte_level(use_regex=True), **options
    )
    assert len(result.merges) == 700 - 256


# Single cases whose outcome is known; the new tokens are those after special tokens and alphabet.


def check_case(text: str, tokens: str, vocab_size: int = 1000, **options: Any) -> ReferenceResult:
    """Train both on the words of a text, and compare with the expected vocabulary (written with blanks)."""
    result = train_words(Counter(text.split()), vocab_size, **options)
    splitter = tokenizers.pre_tokenizers.WhitespaceSplit()
    assert learned(result) == hf_train([text], vocab_size, splitter, **options)
    assert result.vocab == tokens.split()
    return result


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("aaaa", "a aa aaaa"),
        ("aaaaa", "a aa aaa aaaaa"),
        ("dc ba", "a b c d ba dc"),
        ("aaaa ab ab ab", "a b aa ab aaaa"),
        ("", ""),
        ("  \n", ""),
    ],
)
def test_ties_and_overlaps(text: str, tokens: str) -> None:
    check_case(text, tokens)


@pytest.mark.parametrize(
    ("length", "tokens"), [(1, "ab cd"), (2, "ab cd"), (3, "ab cd"), (4, "ab cd"), (5, "ab cd abcd")]
)
def test_max_token_length(length: int, tokens: str) -> None:
    check_case("abcdabcd abcdabcd", "a b c d " + tokens, max_token_length=length)


@pytest.mark.parametrize("vocab_size", [0, 3, 6])
def test_alphabet_larger_than_vocabulary_is_kept(vocab_size: int) -> None:
    assert check_case("abc def abc", "a b c d e f", vocab_size).merges == []


def test_special_tokens_more_than_vocabulary_are_kept() -> None:
    assert check_case("ab ab", "<s> <t> a b", 1, special_tokens=["<s>", "<t>"]).merges == []


@pytest.mark.parametrize(("min_frequency", "tokens"), [(0, "ab cd"), (1, "ab cd"), (2, "ab"), (3, "")])
def test_min_frequency(min_frequency: int, tokens: str) -> None:
    check_case("ab ab cd", "a b c d " + tokens, min_frequency=min_frequency)


def test_special_token_equal_to_a_merge_keeps_its_id() -> None:
    result = check_case("ab ab", "b ab a", special_tokens=["b", "ab"])
    assert result.merges == [(2, 0)]
    assert result.log[0].token == 1


def test_text_of_a_special_token_is_ordinary_text() -> None:
    check_case("<s>ab", "<s> < > a b s <s >a <s>a <s>ab", special_tokens=["<s>"])


def test_special_token_known_before_training_is_a_word() -> None:
    tokenizer = _hf_tokenizer(_byte_level(use_regex=True), added=["<s>"])
    tokenizer.train_from_iterator(["<s>ab<s>ab"], _hf_trainer(1000, special_tokens=["<s>"]))
    result = train({b"<s>": 2, b"ab": 2}, 1000, special_tokens=["<s>"], alphabet="observed")
    assert learned(result) == _hf_learned(tokenizer)
    assert learned(result)[1] == [("<", "s"), ("a", "b"), ("<s", ">")]
    assert result.log[-1].token == 0


def test_characters_outside_a_limited_alphabet_vanish() -> None:
    check_case("axb axb ab ab", "a b ab", limit_alphabet=2)


def test_characters_that_tie_at_the_limit() -> None:
    # The library keeps any two of them; the specification the two smallest.
    assert train_words({"cab": 2}, 0, limit_alphabet=2).vocab == ["a", "b"]
    assert len(hf_train(["cab", "cab"], 0, limit_alphabet=2)[0]) == 2


def test_initial_alphabet_uses_first_characters() -> None:
    check_case("ab", "a b x é ab", initial_alphabet=["xyz", "é"])


def test_suffix() -> None:
    result = check_case("ab ab b", "a b b</w> ab</w>", suffix="</w>")
    assert learned(result)[1] == [("a", "b</w>")]


def test_prefix() -> None:
    check_case("abcb abcb", "a b c ##b ##c ab ##cb abcb", prefix="##")


def test_prefix_that_looks_like_text_repeats_a_merge() -> None:
    result = check_case("aaa", "a aa aaa", prefix="a")
    assert [step.pair for step in result.log] == [(0, 1), (1, 1), (1, 1)]
    assert result.merges == [(0, 1), (1, 1)]


def test_no_pre_tokenizer() -> None:
    tokens = assert_same({"ab ab ab": 1}, 1000).vocab
    assert tokens[3:6] == ["ab", " ab", "ab ab"]


def test_counts_beyond_32_bits() -> None:
    # The library loses a pair of more than 2**31 - 1 occurrences (seen on 2 GB of text).
    word_counts = {"aa": 2_199_890_000, "cd": 3}
    assert train_words(word_counts, 100).vocab == ["a", "c", "d", "aa", "cd"]
    assert train_words(word_counts, 100, wrap_32_bit=True).vocab == ["a", "c", "d", "cd"]


# Byte-level, through the splitter


def check_documents(
    documents: list[Any], trained: Callable[[], Learned] | None = None, **options: Any
) -> Learned:
    """Train both on documents under scheme gpt2, with the observed bytes as alphabet."""
    result = learned(train(gpt2_words(documents), 1000, alphabet="observed", **options))
    assert result == (
        trained() if trained else hf_train(documents, 1000, _byte_level(use_regex=True), **options)
    )
    return result


def test_white_space_only() -> None:
    vocab, _ = check_documents(["   \n\t "])
    assert vocab == ["ĉ", "Ċ", "Ġ", "ĠĠ", "ĉĠ", "ĊĉĠ", "ĠĊĉĠ", "ĠĠĠĊĉĠ"]


@pytest.mark.parametrize("documents", [[], ["", ""]])
def test_no_text(documents: list[str]) -> None:
    assert check_documents(documents) == ([], [])


def test_token_length_counts_bytes() -> None:
    assert check_documents(["é"], max_token_length=3)[0][-1] == "Ã©"


def test_nul_is_an_ordinary_byte() -> None:
    assert check_documents(["\0\0a"])[0] == ["a", "Ā", "ĀĀ"]


def test_line_end_inside_a_document_is_split() -> None:
    _, merges = check_documents(["a\r\nb\r\na\r\nb\r\n"])
    assert merges == [("č", "Ċ")]


def test_files_are_split_into_lines(tmp_path: Path) -> None:
    text = "a\r\nb\n\nc"
    file = tmp_path / "text.txt"
    file.write_bytes(text.encode())

    def trained_on_file() -> Learned:
        tokenizer = _hf_tokenizer(_byte_level(use_regex=True))
        tokenizer.train([str(file)], _hf_trainer(1000))
        return _hf_learned(tokenizer)

    assert ("č", "Ċ") in check_documents(text.splitlines(keepends=True), trained_on_file)[1]
    assert ("č", "Ċ") not in check_documents([text])[1]


def test_batches_of_documents() -> None:
    flat = ["ab ab", "cd", "ab"]
    check_documents(flat, lambda: hf_train([flat[:2], flat[2:]], 1000, _byte_level(use_regex=True)))


def test_what_is_not_text(tmp_path: Path) -> None:
    """The library refuses these; the specification takes bytes and so cannot meet them, but for str words."""
    with pytest.raises(UnicodeEncodeError):
        hf_train(["a\ud800"])
    with pytest.raises(TypeError):
        hf_train([b"ab"])
    file = tmp_path / "invalid.txt"
    file.write_bytes(b"ab\xff\n")
    tokenizer = _hf_tokenizer(None)
    with pytest.raises(Exception, match="UTF-8"):
        tokenizer.train([str(file)], _hf_trainer(10))
    assert tokenizer.get_vocab_size() == 0


def test_alphabet_of_all_bytes_is_in_code_point_order() -> None:
    vocab = train({}, 0).vocab
    assert vocab == [to_byte_level(bytes([byte])) for byte in BYTE_ORDER]
    assert vocab == sorted(BYTE_TO_CHAR)
