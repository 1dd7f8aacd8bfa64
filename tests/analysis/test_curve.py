"""The compression curve as a result and a command; what it rests on is tested in test_derivations."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from shared_data import PROJECT

import bpetk
from bpetk.analysis.compression_curve import CompressionCurve, curve, curve_by_training, measure_curve
from bpetk.analysis.documents import text_files
from bpetk.cli import main
from bpetk.errors import ConfigError, CorpusError, VocabularySizeWarning

ZH, EN = PROJECT / "corpora" / "zh.txt", PROJECT / "corpora" / "en.txt"


@pytest.fixture(scope="module")
def tok() -> bpetk.Tokenizer:
    return bpetk.train([ZH, EN], 3000, special_tokens=["<s>"])


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["curve", *map(str, arguments)], prog_name="bpetk")
    return result.exit_code, result.stdout, result.stderr


def straight(*tokens: int, start: int = 10) -> CompressionCurve:
    """A curve with these numbers of tokens for sizes that follow each other."""
    sizes = np.arange(start, start + len(tokens))
    return CompressionCurve(sizes, {"all": np.array(tokens)}, {"all": 100}, {"all": 1})


def test_gains_by_hand() -> None:
    found = straight(100, 50, 40, 39, 38)
    assert found.gain(11, window=1) == 0.5
    assert found.gain(12, window=2) == 0.6
    assert found.gain(10, window=1) is None
    assert found.tokens_at(13) == 39
    with pytest.raises(ConfigError, match="cannot be cut to 20 ids; the nearest size is 14"):
        found.tokens_at(20)


def test_where_it_is_enough_by_hand() -> None:
    # Gains of one id: 50 %, 20 %, 2.5 %, 2.6 %.
    found = straight(100, 50, 40, 39, 38)
    assert found.enough(threshold=0.1, window=1) == 12
    assert found.enough(threshold=0.3, window=1) == 11
    assert found.enough(threshold=0.6, window=1) == 10
    assert found.enough(threshold=0.01, window=1) is None
    # A late gain counts: what is before it is not enough.
    assert straight(100, 99, 50, 49).enough(threshold=0.1, window=1) == 12


def test_languages_add_up(tok: bpetk.Tokenizer) -> None:
    found = measure_curve(tok, text_files([ZH, EN]))
    parts = [tokens for key, tokens in found.tokens.items() if key != "all"]
    assert {"zh", "en"} < set(found.tokens)
    assert (sum(parts) == found.tokens["all"]).all()
    assert found.bytes["all"] == sum(size for key, size in found.bytes.items() if key != "all")
    # Nothing but bytes at first, and never more tokens for a larger vocabulary.
    assert found.tokens["all"][0] == found.bytes["all"]
    for tokens in found.tokens.values():
        assert (np.diff(tokens) <= 0).all()
    lines = [line for path in (ZH, EN) for line in path.read_text(encoding="utf-8").splitlines()]
    assert found.tokens_at(3000) == sum(tok.count_batch(lines))


def test_order_of_files_does_not_matter(tok: bpetk.Tokenizer) -> None:
    a, b = (measure_curve(tok, text_files(files)) for files in ([ZH, EN], [EN, ZH]))
    assert all((a.tokens[key] == b.tokens[key]).all() for key in a.tokens)


def test_result(tok: bpetk.Tokenizer) -> None:
    result = curve(tok, [ZH, EN])
    values = result.to_dict()
    table = values["curve"]["sizes"]
    assert [row["size"] for row in table] == [257, 500, 1000, 1500, 2000, 3000]
    found = measure_curve(tok, text_files([ZH, EN]))
    for row in table:
        assert row["zh_tokens_per_byte"] == found.tokens_at(row["size"], "zh") / found.bytes["zh"]
        assert row["en_gain"] == found.gain(row["size"], "en")
    many = values["tokens_by_size"]
    assert many["sizes"] == [257, *range(300, 3001, 100)]
    assert many["tokens"]["all"][-1] == result.value("tokens")
    assert many["tokens"]["en"][3] == found.tokens_at(500, "en")
    assert [chart.name for chart in result.sections[0].charts] == ["tokens_per_byte", "gain_per_thousand"]
    assert [finding.rule for finding in result.findings] == ["still-growing-all"]
    assert "enough-all" in [finding.rule for finding in curve(tok, [ZH, EN], threshold=0.5).findings]
    json.dumps(values, allow_nan=False)


def test_by_training_is_what_training_and_measuring_gives() -> None:
    found = curve_by_training(ZH, 2000, scheme="o200k", on=EN)
    again = curve(bpetk.train(ZH, 2000, scheme="o200k"), EN)
    assert found.sections[0].tables == again.sections[0].tables
    assert "measured-on-training-text" not in [finding.rule for finding in found.findings]
    same = curve_by_training(ZH, 1000)
    assert "measured-on-training-text" in [finding.rule for finding in same.findings]


def test_bad_input(tok: bpetk.Tokenizer, tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(CorpusError, match="no text"):
        curve(tok, tmp_path / "empty")
    with pytest.raises(ConfigError, match="threshold must be a share"):
        curve(tok, EN, threshold=1.5)
    with pytest.raises(ConfigError, match="algorithm: the curve"):
        curve_by_training(EN, 500, algorithm="sentencepiece-bpe")


def test_refused_models(tmp_path: Path) -> None:
    tokens = [bytes([byte]) for byte in range(256)] + [b"ab", b"abcd", b"cd"]
    rows = (f"{base64.b64encode(token).decode()} {rank}\n" for rank, token in enumerate(tokens))
    (tmp_path / "x.tiktoken").write_text("".join(rows))
    (tmp_path / "text").write_text("abcd")
    tok = bpetk.Tokenizer.from_file(tmp_path / "x.tiktoken", scheme="gpt2")
    with pytest.raises(ConfigError, match="no curve for this vocabulary"):
        curve(tok, tmp_path / "text")


def test_command(tok: bpetk.Tokenizer, tmp_path: Path) -> None:
    tok.save(tmp_path / "tok")
    code, out, _ = run(tmp_path / "tok", ZH, EN, "--json")
    assert code == 0
    expected = curve(tok, [ZH, EN], name="tok").to_dict()
    assert json.loads(out) == json.loads(json.dumps(expected))
    code, out, _ = run(tmp_path / "tok", EN, "--csv", tmp_path / "csv")
    assert code == 0 and "Cost by vocabulary size" in out
    assert (tmp_path / "csv" / "sizes.csv").is_file()
    code, out, _ = run("--train", ZH, "--max-vocab", 1000, "--scheme", "gpt2", "--language", "zh", "--on", EN)
    assert code == 0 and "不同词表大小的成本" in out and "1,000" in out


def test_command_with_bad_input(tok: bpetk.Tokenizer, tmp_path: Path) -> None:
    tok.save(tmp_path / "tok")
    for arguments, message in (
        (["--train", ZH], "--train and --max-vocab N go together"),
        ([tmp_path / "tok", ZH, "--max-vocab", 500], "--train and --max-vocab N go together"),
        ([tmp_path / "tok", ZH, "--on", EN], "--on is for --train"),
        ([tmp_path / "tok"], "name a model, then text"),
        (["--train", "-", "--max-vocab", 500], "standard input"),
        (["--train", ZH, "--max-vocab", 500, "--special", "<s>=1"], "are for a MODEL"),
        ([tmp_path / "tok", ZH, "--whole-files", "--separator", "x"], "exclude each other"),
    ):
        code, out, err = run(*arguments)
        assert (code, out) == (2, ""), err
        assert message in err
    code, _, err = run(ZH, EN)
    assert code == 1 and "zh.txt" in err


def test_training_that_ends_early_says_so(tmp_path):
    (tmp_path / "x.txt").write_text("ab ab ab", encoding="utf-8")
    with pytest.warns(VocabularySizeWarning):
        result = curve_by_training(tmp_path / "x.txt", 9000)
    assert result.inputs["model"].startswith("BPE 2")
    found = next(finding for finding in result.findings if finding.rule == "fewer-tokens")
    assert "9,000 were asked for" in found.text.en
    assert not [f for f in curve_by_training(tmp_path / "x.txt", 257).findings if f.rule == "fewer-tokens"]


def test_no_gain_is_told_of_fewer_than_1000_ids(tmp_path: Path) -> None:
    for size, charts in ((900, ["tokens_per_byte"]), (1500, ["tokens_per_byte", "gain_per_thousand"])):
        result = curve(bpetk.train([ZH, EN], size), EN)
        section = result.section("curve")
        assert [chart.name for chart in section.charts] == charts
        told = [f for f in section.findings if f.rule.startswith(("still-growing", "enough"))]
        assert bool(told) == (len(charts) == 2)
        assert not any("save - of" in f.text.en for f in section.findings)


def test_measuring_on_the_training_text_is_warned_of_whatever_names_it(tmp_path: Path) -> None:
    (tmp_path / "again.txt").symlink_to(ZH.resolve())
    for on, warned in (((), True), (ZH, True), ([EN, tmp_path / "again.txt"], True), (EN, False)):
        rules = {finding.rule for finding in curve_by_training(ZH, 1000, on=on).findings}
        assert ("measured-on-training-text" in rules) == warned, on
