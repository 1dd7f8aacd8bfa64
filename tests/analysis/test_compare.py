"""Tokenizers side by side: by hand, by other libraries, and with bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from shared_data import PROJECT

import bpetk
from bpetk import Tokenizer
from bpetk.analysis.boundaries import agreement, token_ends
from bpetk.analysis.comparison import compare, token_ids
from bpetk.analysis.languages import LANGUAGES, languages_of
from bpetk.analysis.model_files import is_model, short_names
from bpetk.analysis.token_table import TokenTable
from bpetk.cli import main
from bpetk.errors import ConfigError, CorpusError, ModelFileError
from bpetk.sp_tokenizer import SentencePieceTokenizer

EN, ZH = "the cat sat on the mat", "猫坐在垫子上，猫吃了老鼠"


@pytest.fixture(scope="module")
def models() -> dict[str, Tokenizer]:
    return {
        "small": bpetk.train_from_iterator([EN], 260, scheme="gpt2"),
        "large": bpetk.train_from_iterator([EN, ZH] * 5, 270, scheme="gpt2"),
    }


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(f"{EN}\n{ZH}\n\n{EN}\n", encoding="utf-8")
    return path


def cells(result, section, table):
    """Give rows by the name of the model."""
    found = next(t for t in result.section(section).tables if t.name == table)
    keys = [column.key for column in found.columns]
    return {row[0]: dict(zip(keys, row, strict=True)) for row in found.rows}


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["compare", *map(str, arguments)], prog_name="bpetk")
    return result.exit_code, result.stdout, result.stderr


# --- boundaries, names ------------------------------------------------------------------------------------------------


def _sentencepiece():
    options = {"algorithm": "sentencepiece-bpe", "normalization_rule_name": "identity", "byte_fallback": True}
    model = bpetk.train(PROJECT / "corpora" / "zh.txt", 3000, **options)
    return SentencePieceTokenizer.from_bytes(model.to_bytes())


SP = _sentencepiece()
BYTES = bpetk.train_from_iterator([EN, ZH], 262, scheme="gpt2")
TABLES = {tok: TokenTable.of(tok) for tok in (SP, BYTES)}
texts = st.lists(st.text("ab 猫é\U00020000", max_size=8), min_size=1, max_size=4)


@given(texts)
def test_ends_of_tokens_are_those_of_their_bytes(documents):
    found, start = [], 0
    for document in map(str.encode, documents):
        places = np.cumsum([len(BYTES.id_to_bytes(id)) for id in BYTES.encode(document)])
        found += [int(place) + start for place in places[:-1]]
        start += len(document)
    assert token_ends(BYTES, TABLES[BYTES], list(map(str.encode, documents))).tolist() == found


@given(texts)
def test_ends_of_pieces_are_those_of_the_text_they_stand_for(documents):
    """The plain twin walks through the text: identity keeps all of it but blanks that are too many."""
    found, start = set(), 0
    for document in map(str.encode, documents):
        at = 0
        for id in SP.encode(document):
            data = TABLES[SP].data[id]
            bare = data.lstrip(b" ")
            while bare != data and document[at : at + 1] == b" ":
                at += 1
            assert document.startswith(bare, at)
            at += len(bare)
            if 0 < at < len(document):
                found.add(at + start)
        start += len(document)
    assert set(token_ends(SP, TABLES[SP], list(map(str.encode, documents))).tolist()) == found


@given(st.sets(st.integers(0, 20)), st.sets(st.integers(0, 20)))
def test_agreement_is_that_of_sets(a, b):
    found = agreement(np.array(sorted(a), np.int64), np.array(sorted(b), np.int64))
    assert found == (len(a & b) / len(a | b) if a | b else None)


def test_what_is_a_model(tmp_path: Path, models) -> None:
    def made(name: str, data: bytes) -> Path:
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    models["small"].save(tmp_path / "folder")
    models["small"].save_image(tmp_path / "image")
    (tmp_path / "sp").mkdir()
    made("sp/x.model", SP.to_bytes())
    for path in ("folder", "image", "sp", "sp/x.model", "folder/tokenizer.json"):
        assert is_model(tmp_path / path), path
    assert is_model(made("ranks", b"IQ== 0\nIg== 1\nIw== 2"))
    assert is_model(made("wp.json", b'{"model": {"type": "WordPiece"}}'))
    for name, data in {
        "vocab.json": b'{"a": 0}',
        "lines.jsonl": b'{"text": "a"}\n{"text": "b"}\n',
        "vocab.txt": b"[PAD]\n[UNK]\nthe\n",
        "years.txt": b"Born 1984\nDied 2020 or so\n",
        "empty": b"",
        "prose": "{“ is not JSON".encode(),
        "folder/manifest.json": b'{"format": "x"}',
    }.items():
        assert not is_model(made(name, data)), name
    assert not is_model(tmp_path) and not is_model(tmp_path / "none")


def test_names() -> None:
    paths = ["a/qwen/tokenizer.json", "b/tekken_240911.json", "x/o200k_base.tiktoken", "tokenizer.json"]
    assert short_names(paths) == ["qwen", "b", "o200k_base", "tokenizer"]


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_numbers_by_hand(models, text: Path) -> None:
    result = compare(models, text, speed=False)
    assert [section.name for section in result.sections] == ["vocabularies", "costs", "overlap"]
    rows = cells(result, "costs", "bytes_per_token")
    fertility = cells(result, "costs", "fertility")
    for name, tok in models.items():
        en, zh = len(tok.encode(EN)), len(tok.encode(ZH))
        assert rows[name]["en"] == 2 * len(EN) / (2 * en)
        assert rows[name]["zh"] == len(ZH.encode()) / zh
        assert rows[name]["tokens"] == 2 * en + zh
        assert rows[name]["all"] == (2 * len(EN) + len(ZH.encode())) / (2 * en + zh)
        # Every token of the English lines holds part of a word but the blanks that are tokens alone.
        alone = tok.encode(EN).count(tok.token_to_id(" "))
        assert fertility[name]["tokens_per_word"] == (2 * en - 2 * alone) / 12
        assert fertility[name]["tokens_per_han"] == zh / 11
        assert fertility[name]["characters_per_token"] == (2 * len(EN) + len(ZH)) / (2 * en + zh)
    a, b = (set(tok.vocab) for tok in models.values())
    row = cells(result, "overlap", "overlap")["small"]
    assert row["jaccard"] == len(a & b) / len(a | b)
    assert (row["shared"], row["only_first"], row["only_second"]) == (len(a & b), len(a - b), len(b - a))
    moved = sum(models["small"].vocab[token] != models["large"].vocab[token] for token in a & b)
    assert row["renumbered"] == moved
    ends = []
    for tok in models.values():
        places, at = set(), 0
        for number, line in enumerate((EN, ZH, EN)):
            del number
            for id in tok.encode(line):
                at += len(tok.id_to_bytes(id))
                places.add(at)
            places.discard(at)
        ends.append(places)
    # The sample has the two copies of a line beside each other, which does not change the share.
    assert row["boundaries"] == len(ends[0] & ends[1]) / len(ends[0] | ends[1])


def test_a_model_is_like_itself(models, text: Path) -> None:
    result = compare({"a": models["large"], "b": models["large"]}, text, speed=False)
    row = cells(result, "overlap", "overlap")["a"]
    assert (row["jaccard"], row["renumbered"], row["boundaries"]) == (1, 0, 1)
    assert not [finding for finding in result.findings if finding.rule.startswith("dear")]


def test_order_of_documents_does_not_matter(models, tmp_path: Path) -> None:
    lines = (PROJECT / "corpora" / "zh.txt").read_text(encoding="utf-8").splitlines()[:200]
    found = []
    for name, some in (("a", lines), ("b", lines[::-1])):
        (tmp_path / name).write_text("\n".join(some), encoding="utf-8")
        result = compare(models, tmp_path / name, sample_bytes=3000, seed=3, speed=False)
        found.append([table.rows for table in result.tables()])
    assert found[0] == found[1]


def test_parallel_text(models, tmp_path: Path, text: Path) -> None:
    (tmp_path / "zh").write_text(f"{ZH}\n\n{ZH}\n", encoding="utf-8")
    (tmp_path / "en").write_text(f"{EN}\n\n{EN} mat\n", encoding="utf-8")
    result = compare(models, text, parallel=(tmp_path / "zh", tmp_path / "en"), speed=False)
    for name, row in cells(result, "costs", "premium").items():
        tok = models[name]
        zh, en = 2 * len(tok.encode(ZH)), len(tok.encode(EN)) + len(tok.encode(f"{EN} mat"))
        assert (row["zh_tokens"], row["en_tokens"], row["premium"]) == (zh, en, zh / en)
    (tmp_path / "en").write_text(f"{EN}\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="ends after line 1"):
        compare(models, text, parallel=(tmp_path / "zh", tmp_path / "en"))


def test_findings_name_the_best_and_the_dear(models, text: Path) -> None:
    result = compare(models, text)
    found = {finding.rule: finding.text.en for finding in result.findings}
    assert "large needs the fewest tokens" in found["best-zh"]
    small, large = (len(tok.encode(ZH)) for tok in models.values())
    assert f"small needs {small / large:.2f} times the tokens of large" in found["dear-zh"]
    assert all(row["seconds"] > 0 for row in cells(result, "speed", "speed").values())


# --- other libraries, bad input, command ------------------------------------------------------------------------------


def test_costs_with_other_libraries(shared_file, shared_corpus) -> None:
    hf, tiktoken, sp = (pytest.importorskip(name) for name in ("tokenizers", "tiktoken", "sentencepiece"))
    from model_zoo import CL100K

    files = {
        "qwen3": shared_file("tokenizers/qwen3/tokenizer.json"),
        "cl100k": shared_file("tokenizers/cl100k_base/cl100k_base.tiktoken"),
        "chatglm3": shared_file("tokenizers/chatglm2-chatglm3/tokenizer.model"),
    }
    models = {name: Tokenizer.from_file(file) for name, file in files.items() if name != "cl100k"}
    models["cl100k"] = Tokenizer.from_file(files["cl100k"], scheme="cl100k_tiktoken")
    ranks = dict(models["cl100k"].vocab)
    there = tiktoken.Encoding("x", pat_str=CL100K, mergeable_ranks=ranks, special_tokens={})
    whole = hf.Tokenizer.from_file(str(files["qwen3"]))
    pieces = sp.SentencePieceProcessor(model_file=str(files["chatglm3"]))
    count = {
        "qwen3": lambda text: len(whole.encode(text, add_special_tokens=False).ids),
        "cl100k": lambda text: len(there.encode_ordinary(text)),
        "chatglm3": lambda text: len(pieces.encode(text)),
    }
    texts = [shared_corpus(name, 40_000) for name in ("zh", "en", "mixed")]
    result = compare(models, texts, speed=False)
    lines = [line for text in texts for line in text.read_text(encoding="utf-8").splitlines()]
    languages = languages_of([line.encode() for line in lines])
    rows = cells(result, "costs", "bytes_per_token")
    for name, counter in count.items():
        tokens = np.array([counter(line) for line in lines])
        sizes = np.array([len(line.encode()) for line in lines])
        for k, (key, _) in enumerate(LANGUAGES):
            if (languages == k).any():
                assert rows[name][key] == sizes[languages == k].sum() / tokens[languages == k].sum()


def test_tokens_of_pieces_are_their_bytes() -> None:
    found = token_ids(TokenTable.of(SP))
    assert found["猫".encode()] == SP.token_to_id("猫") if "猫".encode() in SP.vocab else True
    assert found[b"\xff"] == SP.token_to_id("<0xFF>")
    assert b"" not in found


def test_bad_input(models, text: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least two models, got 1"):
        compare({"a": models["small"]}, text)
    with pytest.raises(ConfigError, match="not one path"):
        compare("x", text)
    models["small"].save(tmp_path / "m")
    with pytest.raises(ConfigError, match="given twice"):
        compare([tmp_path / "m", tmp_path / "m"], text)
    (tmp_path / "empty").write_bytes(b"\n\n")
    with pytest.raises(CorpusError, match="every document is empty"):
        compare(models, tmp_path / "empty")
    with pytest.raises(ModelFileError, match="none"):
        compare([tmp_path / "m", tmp_path / "none"], text)


def test_command(models, text: Path, tmp_path: Path) -> None:
    for name, tok in models.items():
        tok.save(tmp_path / name)
    small, large = tmp_path / "small", tmp_path / "large" / "tokenizer.json"
    code, out, err = run(small, large, text, "--json", "--no-speed", "-j", "1")
    assert code == 0
    values = json.loads(out)
    assert values["inputs"]["models"].keys() == {"small", "large"}
    assert values["inputs"]["texts"] == [str(text)]
    assert err == ""
    again = compare([small, large], text, speed=False)
    assert values["costs"] == json.loads(json.dumps(again.to_dict()["costs"]))
    code, out, _ = run(text, large, small)
    assert code == 0 and "* the best of its column" in out
    code, out, _ = run(small, "--model", large, "--text", text, "--language", "zh")
    assert code == 0 and "每词元字节数" in out


def test_command_with_bad_input(models, text: Path, tmp_path: Path) -> None:
    models["small"].save(tmp_path / "a")
    models["large"].save(tmp_path / "b")
    code, _, err = run(tmp_path / "a", text)
    assert code == 2 and "needs at least two models, found 1" in err
    code, _, err = run(tmp_path / "a", tmp_path / "b")
    assert code == 2 and "no text" in err
    code, _, err = run(tmp_path / "a", tmp_path / "a", text)
    assert code == 2 and "given twice" in err
    code, _, err = run(tmp_path / "a", tmp_path / "b", text, "--scheme", "gpt2")
    assert code == 2 and "none of the models is one" in err
    code, _, err = run(tmp_path / "a", tmp_path / "b", tmp_path / "none")
    assert code == 1 and "none" in err
    (tmp_path / "wp.json").write_text('{"model": {"type": "WordPiece"}}')
    code, _, err = run(tmp_path / "a", tmp_path / "wp.json", text)
    assert code == 1 and "WordPiece" in err


def test_command_with_rank_files(models, text: Path, tmp_path: Path) -> None:
    import base64

    for name, more in (("x", [b"th"]), ("y", [b"he", b"the"])):
        tokens = [bytes([b]) for b in range(256)] + more
        lines = [b"%s %d\n" % (base64.b64encode(t), i) for i, t in enumerate(tokens)]
        (tmp_path / f"{name}.tiktoken").write_bytes(b"".join(lines))
    files = (tmp_path / "x.tiktoken", tmp_path / "y.tiktoken", text, "--no-speed", "--json")
    code, _, err = run(*files)
    assert code == 2 and "give --scheme" in err
    for schemes in (["gpt2"], ["gpt2", "o200k"]):
        code, out, _ = run(*files, *(part for name in schemes for part in ("--scheme", name)))
        assert code == 0 and json.loads(out)["inputs"]["models"].keys() == {"x", "y"}
    code, _, err = run(*files, "--scheme", "gpt2", "--scheme", "gpt2", "--scheme", "gpt2")
    assert code == 2 and "3 times, but 2" in err


def test_names_of_what_is_here() -> None:
    assert short_names(["tokenizer.json"]) == ["tokenizer"] and short_names(["."]) == ["."]


# --- what a new user met ----------------------------------------------------------------------------------------------


def test_one_model_in_two_formats_has_the_same_boundaries(shared_file) -> None:
    """Offsets of fall-back bytes and of the blank in front differ between the formats; the tokens do not."""
    lines = ["中龘", "龘中 a龘龘", "  a b\n龘é", "罕见字：龘靐齉爩𠀀𪚥，the 🜁 end", "", "龘", " 𠀀 "]
    documents = [line.encode() for line in lines]
    found = []
    for name in ("tokenizer.model", "tokenizer.json"):
        tok = Tokenizer.from_file(shared_file(f"tokenizers/llama2/{name}"))
        found.append((tok.encode_batch(lines), token_ends(tok, TokenTable.of(tok), documents)))
    assert list(map(list, found[0][0])) == list(map(list, found[1][0]))
    assert agreement(found[0][1], found[1][1]) == 1
    # By hand: a blank in front, 中 whole, 龘 in three bytes.
    assert [place for place in found[0][1].tolist() if place < 6] == [3, 4, 5]


def _rank_file(path: Path) -> None:
    import base64

    lines = [b"%s %d\n" % (base64.b64encode(bytes([b])), b) for b in range(256)]
    path.write_bytes(b"".join(lines))


def test_rank_file_in_a_folder_takes_a_scheme_and_no_option_is_made_up(models, text: Path, tmp_path) -> None:
    (tmp_path / "ranks").mkdir()
    _rank_file(tmp_path / "ranks" / "x.tiktoken")
    models["small"].save(tmp_path / "small")
    arguments = (tmp_path / "ranks", tmp_path / "small", text, "--no-speed")
    code, out, err = run(*arguments, "--scheme", "gpt2")
    assert code == 0 and "ranks" in out
    assert "says nothing of special tokens" in err and "--special" not in err
    code, _, err = run(*arguments)
    assert code in (1, 2) and "give --scheme" in err and "--pattern" not in err


def test_a_tie_has_no_winner(models, text: Path) -> None:
    result = compare({"a": models["small"], "b": models["small"], "c": models["large"]}, text, speed=False)
    tied = compare({"a": models["large"], "b": models["large"], "c": models["small"]}, text, speed=False)
    assert {f.rule for f in result.findings if f.rule.endswith("-zh")} >= {"best-zh", "dear-zh"}
    found = {finding.rule: finding.text.en for finding in tied.findings}
    assert "best-zh" not in found and "a, b need equally many tokens" in found["equal-zh"]
    assert "times the tokens of a, b." in found["dear-zh"]


def test_speed_of_little_text_has_no_best(models, text: Path, tmp_path: Path) -> None:
    (tmp_path / "large.txt").write_text(f"{EN}\n" * 50_000, encoding="utf-8")
    for file, better in ((text, [None, None]), (tmp_path / "large.txt", ["higher", "lower"])):
        table = compare(models, file).section("speed").tables[0]
        assert [column.better for column in table.columns[1:]] == better
        assert all(row[1] == round(row[1], 1) for row in table.rows)
