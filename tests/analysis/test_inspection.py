"""What an inspection says: by hand, as a whole, and against the reference libraries."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import bpetk
from bpetk import Tokenizer
from bpetk.analysis.character_lists import gb2312_levels, standard_levels
from bpetk.analysis.han_coverage import tokens_per_character
from bpetk.analysis.inspection import inspect
from bpetk.analysis.odd_tokens import odd_tokens, scaffolds
from bpetk.analysis.results import Result as Found
from bpetk.analysis.token_table import Kind, TokenTable
from bpetk.analysis.twins import WAYS, twins
from bpetk.cli import main
from bpetk.errors import ConfigError
from bpetk.interop.sentencepiece_model import ModelFile, NormalizerSpec, Piece, PieceType
from bpetk.model import BpeModel
from bpetk.pretokenizers import get_scheme
from bpetk.sp_tokenizer import SentencePieceTokenizer


def pieces(*texts: str) -> SentencePieceTokenizer:
    """Make a model of these pieces, and the blank's."""
    given = [Piece("<unk>", 0.0, PieceType.UNKNOWN), Piece("<s>", 0.0, PieceType.CONTROL), Piece("▁", -1.0)]
    given += [Piece(text, -2.0 - i) for i, text in enumerate(texts)]
    return SentencePieceTokenizer(ModelFile(given, {"model_type": 2}, NormalizerSpec("identity", b"")))


def table_of(result: Found, name: str) -> dict[object, tuple[object, ...]]:
    """Give the rows of a table by their first cell."""
    table = next(table for table in result.tables() if table.name == name)
    return {(row[0].en if isinstance(row[0], tuple) else row[0]): row[1:] for row in table.rows}


@pytest.fixture(scope="module")
def trained() -> Tokenizer:
    texts = ["the cat The Cat 中文字 國語 国语 中文 ，, 12 -------- 中文字"] * 4
    return bpetk.train_from_iterator(texts, vocab_size=285, special_tokens=["<s>"])


def test_scripts_by_hand():
    tok = pieces("中", "▁中文", "the", "▁the", "a.", "。", "12", "é")
    result = inspect(tok, name="m")
    rows = table_of(result, "script_composition")
    # tokens, share, with a blank in front, characters per token
    assert rows["Han"] == (2, 2 / 11, 1, 2.0)
    assert rows["Latin"] == (3, 3 / 11, 1, (3 + 4 + 1) / 3)
    assert rows["Mixed"][0] == rows["Punctuation"][0] == rows["Digits"][0] == rows["White space"][0] == 1
    assert rows["Special tokens"][0] == 2
    assert sum(row[0] for row in rows.values()) == result.value("vocab_size") == 11
    assert sum(row[1] for row in rows.values()) == pytest.approx(1)
    assert table_of(result, "mixed_tokens") == {"Latin with punctuation": (1, '"a."')}
    assert (result.value("han_share"), result.value("latin_share")) == (2 / 11, 3 / 11)


def test_lengths_by_hand():
    result = inspect(pieces("中", "中文", "中文字", "the", "▁the", "thes"))
    rows = table_of(result, "lengths")
    # in bytes, in characters, Han in characters, Latin in letters
    assert rows[1] == (1, 2, 1, 0)
    assert rows[3] == (2, 2, 1, 2)
    assert rows[4] == (2, 2, 0, 1)
    assert rows[6] == (1, 0, 0, 0)
    assert result.value("han_one_character") == 1 / 3
    assert (result.value("han_long"), result.value("latin_words")) == (1, 1)


def test_integrity_by_hand(trained):
    result = inspect(trained)
    table = TokenTable.of(trained)
    partial = [id for id in table.ids(Kind.NORMAL, Kind.BYTE).tolist() if table.text[id] is None]
    # 128 bytes above 0x7F stand alone, of which UTF-8 never uses 13.
    assert result.value("ill_formed") == 13
    assert result.value("partial") == len(partial) - 13
    assert result.value("whole") == 284 - len(partial)
    assert result.value("partial_glued") == sum(table.n_chars[id] > 0 for id in partial)


def test_twins_by_hand():
    table = TokenTable.of(pieces("the", "▁the", "The", "THE", "，", ",", "國", "国", "语"))
    texts = {way.key: [{table.text[id] for id in ids} for ids in twins(table, way.fold)] for way in WAYS}
    assert texts == {
        "leading_space": [{"the", " the"}],
        "case": [{"the", "The", "THE"}],
        "width": [{"，", ","}],
        "traditional": [{"國", "国"}],
    }


def test_ids_of_one_text():
    given = [Piece("<unk>", 0.0, PieceType.UNKNOWN), Piece("a", -1.0)]
    given += [Piece(f"<0x{byte:02X}>", 0.0, PieceType.BYTE) for byte in range(256)]
    settings = {"model_type": 2, "byte_fallback": True}
    tok = SentencePieceTokenizer(ModelFile(given, settings, NormalizerSpec("identity", b"")))
    result = inspect(tok)
    assert result.value("same_text") == 2  # a and <0x61>
    assert (
        result.value("never_produced") == 13 + 1 + 1
    )  # bytes of no text, the byte of a, the byte of the blank
    assert "same_text" in {finding.rule for finding in result.findings}


def test_coverage_by_hand():
    tok = pieces("一", "乙", "二十")
    assert tokens_per_character(tok, "一二丁").tolist() == [1, 0, 0]
    rows = table_of(inspect(tok), "han_coverage")
    assert rows["General standard, level 1"][:6] == (3500, 2, 2 / 3500, 0, 0, 3498)
    byte_level = bpetk.train_from_iterator(["一一"], vocab_size=258)
    sizes = tokens_per_character(byte_level, "一二𠙶")
    assert sizes.tolist() == [1, 3, 4]
    ascii_only = BpeModel(
        get_scheme("gpt2"), (), [byte if byte < 128 else -1 for byte in range(256)], [], [], []
    )
    assert tokens_per_character(Tokenizer(ascii_only), "a一").tolist() == [1, 0]
    with_unknown = replace(ascii_only, unk_token="!")
    assert tokens_per_character(Tokenizer(with_unknown), "a一").tolist() == [1, 0]
    assert inspect(Tokenizer(ascii_only)).value("han_standard_1") == 0


def test_forms_by_hand():
    rows = table_of(inspect(pieces("中", "国语", "國語", "国語", "x国")), "han_forms")
    assert rows["Shared by both"][0] == 1
    assert rows["Only simplified"][0] == 2
    assert rows["Only traditional"][0] == 1
    assert rows["Both mixed"][0] == 1


def test_odd_tokens_by_hand():
    long = "x" * 7 + "y" * 13
    texts = [
        "----",
        "-- --",
        "哈哈哈",
        "中华人民共",
        "中华人民",
        long,
        "a\x00",
        "a\ufffdb",
        "\ue000",
        "a\tb\n",
        "    ",
    ]
    table = TokenTable.of(pieces(*(text.replace(" ", "▁") for text in texts)))
    found = [[table.text[id] for id in ids] for ids in odd_tokens(table)]
    assert found == [["中华人民共", long], ["----"], ["a\x00", "a\ufffdb", "\ue000"]]


def test_scaffolds_by_hand():
    # ab is made 10 times and goes into abc 9 times: 0.9. cd 8 times, into cde 4 times.
    tok = bpetk.train_from_iterator(["abc"] * 9 + ["ab"] + ["xy"] * 2, vocab_size=259)
    steps = scaffolds(tok)
    assert tok.merges[:2] == [(b"a", b"b"), (b"ab", b"c")]
    assert steps[256] == pytest.approx(0.9)
    assert np.isnan(steps[[257, 258]]).all()
    assert scaffolds(pieces("a")) is None
    result = inspect(tok)
    assert result.value("scaffolds") == 1
    assert table_of(result, "scaffold_tokens") == {256: ('"ab"', 0.9)}


def test_scaffolds_of_a_model_without_counts_are_an_estimate(trained, tmp_path):
    trained.save(tmp_path / "tok")
    loaded = Tokenizer.from_file(tmp_path / "tok")
    steps = scaffolds(loaded)
    ids = loaded.model.merge_ids
    first = {new: rank for rank, new in reversed([*enumerate(loaded.model.new)])}
    for new, rank in first.items():
        uses = [r for r, pair in enumerate(ids) if new in pair]
        if uses:
            assert steps[new] == pytest.approx((rank + 256) / (uses[0] + 256))
        else:
            assert np.isnan(steps[new])


def test_special_tokens(trained):
    rows = table_of(inspect(trained), "special_tokens")
    assert rows[0][0] == '"<s>"'
    assert table_of(inspect(trained), "kinds") == {"ordinary": (28,), "special": (1,), "one byte": (256,)}


# --- the result as a whole --------------------------------------------------------------------------------------------


def test_names_are_unique_and_all_is_json(trained):
    for tok in (trained, pieces("中", "a")):
        result = inspect(tok)
        keys = [figure.key for section in result.sections for figure in section.figures]
        names = [table.name for table in result.tables()]
        charts = [chart.name for section in result.sections for chart in section.charts]
        for given in (keys, [*names, *charts, *keys]):
            assert len(set(given)) == len(given)
        plain = json.loads(json.dumps(result.to_dict(), allow_nan=False))
        assert plain["command"] == "inspect"
        assert plain["vocabulary"]["vocab_size"] == len(tok)
        for section in result.sections:
            for figure in section.figures:
                assert figure.help is not None
                assert figure.label.zh and figure.help.zh
        for chart in (chart for section in result.sections for chart in section.charts):
            for series in chart.series:
                assert len(series.x) == len(series.y)
            if chart.kind == "stacked":
                for column in zip(*(series.y for series in chart.series), strict=True):
                    assert sum(column) == pytest.approx(1)


def test_filters(trained):
    def tokens(**given: object) -> list[str]:
        result = inspect(trained, **given)
        assert [section.name for section in result.sections] == ["search"]
        return [row[1] for row in result.section("search").tables[0].rows]

    assert '" 中文"' in tokens(script="Han")
    han = tokens(script="汉字")
    assert tokens(script="han", longer_than=2) == [token for token in han if len(token) > 4]
    assert set(tokens(grep="^ ?[tT]he$")) == {'"the"', '" The"', '"The"'}
    assert tokens(grep=r"^<s>$") == ['"<s>"']
    assert '"\\xe4"' in tokens(grep=r"\\xe4", script="bytes")
    with pytest.raises(ConfigError, match="'Elvish'; known are han, latin"):
        inspect(trained, script="Elvish")
    with pytest.raises(ConfigError, match=r"is no regular expression: .* at position 0"):
        inspect(trained, grep="(")


# --- the reference libraries ------------------------------------------------------------------------------------------


def test_coverage_of_qwen3_by_tokenizers(shared_file):
    hf = pytest.importorskip("tokenizers").Tokenizer.from_file(
        str(path := shared_file("tokenizers/qwen3/tokenizer.json"))
    )
    tok = Tokenizer.from_file(path)
    for chars in (*standard_levels(), *gb2312_levels()):
        theirs = [len(row.ids) for row in hf.encode_batch(list(chars), add_special_tokens=False)]
        assert tokens_per_character(tok, chars).tolist() == theirs


def test_coverage_of_cl100k_by_tiktoken(shared_file):
    tiktoken = pytest.importorskip("tiktoken")
    load = pytest.importorskip("tiktoken.load")
    path = shared_file("tokenizers/cl100k_base/cl100k_base.tiktoken")
    ranks = load.load_tiktoken_bpe(str(path))
    theirs = tiktoken.Encoding("x", pat_str=r"\p{L}+|[^\p{L}]+", mergeable_ranks=ranks, special_tokens={})
    tok = Tokenizer.from_file(path, scheme="cl100k_tiktoken")
    for chars in standard_levels():
        assert tokens_per_character(tok, chars).tolist() == list(map(len, theirs.encode_batch(list(chars))))


@pytest.mark.parametrize("name", ["llama2/tokenizer.model", "chatglm2-chatglm3/tokenizer.model"])
def test_coverage_by_sentencepiece(name, shared_file):
    spm = pytest.importorskip("sentencepiece")
    path = shared_file(f"tokenizers/{name}")
    theirs = spm.SentencePieceProcessor(model_file=str(path))
    tok = Tokenizer.from_file(path)
    for chars in (*standard_levels(), *gb2312_levels()):
        # A letter that is alone in its word on both sides: "a", the character, "a" never merge in these models.
        sizes = [len(row) - 2 for row in theirs.encode([f"a\n{char}\n" for char in chars])]
        before = len(theirs.encode("a\n\n")) - 2
        assert tokens_per_character(tok, chars).tolist() == [size - before for size in sizes]


# --- the command line -------------------------------------------------------------------------------------------------


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["inspect", *map(str, arguments)], prog_name="bpetk")


@pytest.fixture(scope="module")
def model(trained: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "tok"
    trained.save(folder)
    return folder


def test_command(model):
    result = run(model)
    assert (result.exit_code, result.stderr) == (0, "")
    for text in (
        "Tokens by script",
        "Characters of the national standards",
        "Tokens that encoding never produces",
    ):
        assert text in result.stdout
    assert "按文字统计词元" in run(model, "--language", "zh").stdout


def test_command_as_json_and_csv(model, tmp_path):
    result = run(model, "--json", "--csv", tmp_path / "tables")
    plain = json.loads(result.stdout)
    assert plain["vocabulary"]["vocab_size"] == 285
    assert plain["reachability"]["never_produced"] == 13
    assert {path.suffix for path in (tmp_path / "tables").iterdir()} == {".csv"}


def test_command_lists_tokens(model):
    result = run(model, "--script", "Han", "--longer-than", "1")
    assert result.exit_code == 0
    assert '" 中文"' in result.stdout
    assert "Tokens by script" not in result.stdout


def test_command_refuses(model, tmp_path):
    assert run(model, "--script", "Elvish").exit_code == 2
    assert run(model, "--grep", "(").exit_code == 2
    missing = run(tmp_path / "none.json")
    assert missing.exit_code == 1
    assert "none.json" in missing.stderr
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\nthe\n##s\n")
    refused = run(tmp_path / "vocab.txt")
    assert refused.exit_code == 1
    assert "WordPiece" in refused.stderr
