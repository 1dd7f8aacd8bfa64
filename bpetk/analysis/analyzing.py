"""What text costs with a tokenizer, and how the two fit: everything that ``bpetk analyze`` tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bpetk.analysis.documents import DocumentSample, Progress, TextFile, TextPath, text_files
from bpetk.analysis.parallel import count_parallel, parallel_section
from bpetk.analysis.results import Label, Result, Section
from bpetk.analysis.text_costs import cost_section, english_words_section, han_of, numbers_section
from bpetk.analysis.text_counts import TextCounts, count_texts
from bpetk.analysis.text_integrity import characters_section, losslessness_section
from bpetk.analysis.token_table import TokenTable
from bpetk.analysis.vocabulary_use import information_section, softmax_section, use_section
from bpetk.analysis.word_fit import word_section
from bpetk.analysis.words import count_words, gold_parts, load_segmenter, segmented_parts
from bpetk.errors import ConfigError

if TYPE_CHECKING:
    from bpetk.tokenizer import Tokenizer

SAMPLE_BYTES = 2_000_000

Texts = Sequence[TextPath | TextFile] | TextPath | TextFile


def analyze(
    tokenizer: Tokenizer,
    texts: Texts,
    *,
    parallel: Texts | None = None,
    gold: Texts | None = None,
    segmenter: str | None = "jieba",
    sample_bytes: int = SAMPLE_BYTES,
    full: bool = False,
    seed: int = 0,
    separator: str | bytes | None = "\n",
    encoding: str = "utf-8",
    threads: int = 1,
    name: str = "tokenizer",
    progress: Progress | None = None,
) -> Result:
    r"""Tell what texts cost with a tokenizer, what it breaks in them, and how it fits their words.

    Everything but Chinese words is counted on all of the text, in one pass and bounded memory. Special tokens that a
    text spells are ordinary text.

    Parameters
    ----------
    tokenizer
        What `Tokenizer.from_file` gives.
    texts
        Files; one or several.
    parallel
        Two files whose lines say the same, the first in the language whose premium is asked for (Chinese), the second
        in the one it is compared with (English).
    gold
        For each text a file with the same lines and blanks between words, in place of the segmenter.
    segmenter
        ``"jieba"``, or None to leave out Chinese words.
    sample_bytes
        Chinese words are told of a sample of documents of about so many bytes.
    full
        Of all documents instead.
    seed
        Of the sample.
    separator
        What stands between two documents; None: a file is one document.
    encoding
        What the texts are in.
    threads
        How many at most; 0: one for each processor. Results do not depend on it.
    name
        What to call the tokenizer.
    progress
        Called as ``progress(stage, done, total)``, in bytes.

    Returns
    -------
    Result
        Sections ``cost``, ``characters``, ``english_words``, ``chinese_words``, ``numbers``, ``vocabulary_use``,
        ``information``, ``adaptive_softmax``, ``losslessness``, ``parallel``; those that were asked for.

    Raises
    ------
    ConfigError
        If options do not go together.
    CorpusError, CorpusFileError, InvalidEncodingError
        If a text cannot be used: it is empty, or a gold or parallel file does not match.
    MissingDependencyError
        If the segmenter is not installed; names the command that installs it.

    Examples
    --------
    >>> import bpetk, pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "text.txt")
    >>> _ = path.write_text("a cat\nthe cat\n")
    >>> tok = bpetk.train(path, vocab_size=259)
    >>> result = analyze(tok, path, segmenter=None)
    >>> result.value("tokens"), result.value("tokens_per_english_word")
    (6, 1.5)
    """
    options: dict[str, Any] = {"separator": separator, "encoding": encoding}
    files = text_files(texts, **options)
    golds = None if gold is None else text_files(gold, **options)
    if golds is not None and len(golds) != len(files):
        raise ConfigError(f"{len(golds)} gold files for {len(files)} texts: give one for each text, in order")
    segment = load_segmenter(segmenter) if segmenter is not None and golds is None else None
    table = TokenTable.of(tokenizer)
    sample = None if full or segment is None else DocumentSample(sample_bytes, seed=seed)
    counts = count_texts(tokenizer, table, files, sample=sample, threads=threads, progress=progress)
    words, source = [], None
    if golds is not None:
        source = ", ".join(file.name for file in golds)
        parts = gold_parts(files, golds, None if full else sample_bytes, seed)
        basis = _basis(full, sample_bytes, seed)
        words = [word_section(count_words(tokenizer, table, parts), source, basis)]
    elif segment is not None and han_of(counts):
        source = segment[1]
        parts = segmented_parts(files, sample, segment[0], progress)
        basis = _basis(sample is None or sample.whole, sample_bytes, seed)
        words = [word_section(count_words(tokenizer, table, parts), source, basis)]
    pairs = []
    if parallel is not None:
        pair = text_files(parallel, **options)
        pairs = [parallel_section(count_parallel(tokenizer, pair, threads=threads, progress=progress))]
    return Result(
        "analyze",
        Label(f"{name} on {_names(files, 'en')}", f"{name}：{_names(files, 'zh')}"),
        {
            "model": name,
            "texts": [file.name for file in files],
            "segmentation": source,
            "sample_bytes": None if full or source is None else sample_bytes,
            "seed": seed,
            "separator": separator.decode("utf-8", "replace") if isinstance(separator, bytes) else separator,
            "vocabulary_size": len(table.ids()),
        },
        (*_sections(counts, table, words), *pairs),
    )


def _sections(counts: TextCounts, table: TokenTable, words: list[Section]) -> tuple[Section, ...]:
    return (
        cost_section(counts),
        characters_section(counts),
        english_words_section(counts),
        *words,
        numbers_section(counts),
        use_section(counts, table),
        information_section(counts, table),
        softmax_section(counts, table),
        losslessness_section(counts),
    )


def _basis(whole: bool, sample_bytes: int, seed: int) -> Label:
    if whole:
        return Label("Of all documents.", "基于全部文档。")
    return Label(
        f"Of a sample of whole documents, {sample_bytes:,} bytes, seed {seed}.",
        f"基于整篇文档的抽样：{sample_bytes:,} 字节，种子 {seed}。",
    )


def _names(files: Sequence[TextFile], language: str) -> str:
    names = [file.name for file in files]
    if len(names) <= 3:
        return ("、" if language == "zh" else ", ").join(names)
    return f"{len(names)} files" if language == "en" else f"{len(names)} 个文件"
