"""What an audit finds: by hand, by an independent count, and with bad input."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from shared_data import PROJECT

import bpetk
from bpetk import Tokenizer
from bpetk.analysis.auditing import RULES, audit, check_limits, failures
from bpetk.analysis.deny_lists import DenyList
from bpetk.analysis.documents import text_files
from bpetk.analysis.suspicion import KEYS, REASONS, find_suspects
from bpetk.analysis.token_table import TokenTable
from bpetk.analysis.token_use import Neighbours, count_use
from bpetk.cli import main
from bpetk.errors import ConfigError, CorpusError, CorpusFileError, InvalidEncodingError

ZH = ["点击下载我们的软件" * 3, "今天天气很好我们去公园", "软件的天气预报", "-----", "我们我们我们"]


@pytest.fixture(scope="module")
def tok() -> Tokenizer:
    return bpetk.train_from_iterator(ZH * 20, 312, scheme="o200k", special_tokens=["<s>"])


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "zh.txt"
    path.write_text("\n".join(ZH) + "\n", encoding="utf-8")
    return path


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["audit", *map(str, arguments)], prog_name="bpetk")
    return result.exit_code, result.stdout, result.stderr


# --- deny lists -------------------------------------------------------------------------------------------------------


def test_patterns() -> None:
    deny = DenyList.of(["# comment", "", "加QQ", r"/电话\d{3}/"], "mine")
    assert deny.patterns == ("加QQ", r"/电话\d{3}/")
    assert [deny.hit(text) for text in ("请加ｑｑ群", "电话１２３", "电话12", "加 QQ")] == [
        "加QQ",
        r"/电话\d{3}/",
        None,
        None,
    ]
    assert deny.hits(["加qq", "好"]) == ["加QQ", None]
    both = deny + DenyList.of(["好"], "other")
    assert (both.names, both.hits(["加qq", "好"])) == (("mine", "other"), ["加QQ", "好"])


def test_starter_list_is_plain_and_finds_itself() -> None:
    starter = DenyList.starter()
    assert 20 < len(starter.patterns) < 100
    assert len(set(starter.patterns)) == len(starter.patterns)
    for pattern in starter.patterns:
        if not pattern.startswith("/"):
            assert starter.hit(f"的{pattern}了") is not None
    for word in ("中国", "我们", "经济发展", "computer", "电话", "下载", "微信"):
        assert starter.hit(word) is None


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("好\n/(/\n", r"line 2: /\(/ is not a regular expression"),
        ("/x*/\n", "line 1: /x\\*/ matches nothing at all"),
        ("# only\n\n", "holds no pattern"),
    ],
)
def test_bad_deny_lists(tmp_path: Path, lines: str, message: str) -> None:
    path = tmp_path / "deny.txt"
    path.write_text(lines, encoding="utf-8")
    with pytest.raises(ConfigError, match=f"deny.txt: {message}"):
        DenyList.from_file(path)


def test_unreadable_deny_lists(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the deny list"):
        DenyList.from_file(tmp_path / "none")
    (tmp_path / "gb").write_bytes("微信".encode("gb18030"))
    with pytest.raises(InvalidEncodingError, match="not UTF-8 at byte 2"):
        DenyList.from_file(tmp_path / "gb")


# --- suspicion and use ------------------------------------------------------------------------------------------------


def test_reasons_by_hand(tmp_path: Path) -> None:
    tokens = [
        "ab",
        "点击下载",
        "很好吃",
        "天气",
        "====",
        "\ufeffusing",
        "x" * 10 + "y" * 11,
        "z" * 30,
        "哈哈哈哈",
    ]
    ranks = (
        [bytes([b]) for b in range(256)] + [token.encode() for token in tokens] + [b"\xc0\xc1", b"\xe4\xbd"]
    )
    file = tmp_path / "x.tiktoken"
    import base64

    file.write_bytes(b"".join(b"%s %d\n" % (base64.b64encode(t), i) for i, t in enumerate(ranks)))
    table = TokenTable.of(Tokenizer.from_file(file, scheme="gpt2"))
    found = find_suspects(table, DenyList.starter())
    reasons = {
        (table.text[id] or table.data[id]): {rule for rule in KEYS if found.has(rule)[at]}
        for at, id in enumerate(found.ids.tolist())
    }
    assert reasons == {
        "点击下载": {"denied", "long-han"},
        "很好吃": {"long-han"},
        "====": {"repeated"},
        "\ufeffusing": {"odd-characters"},
        "x" * 10 + "y" * 11: {"overlong"},
        "z" * 30: {"repeated"},
        "哈哈哈哈": {"repeated", "long-han"},
        b"\xc0\xc1": {"ill-formed"},
    }
    assert found.hits[found.ids.tolist().index(257)] == "点击下载"
    assert not find_suspects(table, None).has("denied").any()


def test_use_is_that_of_a_plain_count(tok: Tokenizer, tmp_path: Path) -> None:
    lines = [*ZH, "", "我们的天气", *ZH[::-1]]
    (tmp_path / "a").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "b").write_text("\n".join(ZH[:2]), encoding="utf-8")
    watched = np.arange(257, tok.n_vocab)
    use = count_use(tok, text_files([tmp_path / "a", tmp_path / "b"]), watched)
    rows = [
        (f, d, tok.encode(text)) for f, texts in enumerate((lines, ZH[:2])) for d, text in enumerate(texts)
    ]
    for file in (0, 1):
        plain = Counter(id for f, _, ids in rows if f == file for id in ids)
        assert use.counts[file].tolist() == [plain[id] for id in range(tok.n_vocab)]
    for at, id in enumerate(watched.tolist()):
        each = [(ids.count(id), (f, d)) for f, d, ids in rows if id in ids]
        assert use.documents[at] == len(each)
        best = max((count for count, _ in each), default=0)
        assert use.most[at] == best
        assert tuple(use.place[at]) == next((place for count, place in each if count == best), (-1, -1))
        before = Counter(ids[k - 1] for _, _, ids in rows for k in range(1, len(ids)) if ids[k] == id)
        after = Counter(ids[k + 1] for _, _, ids in rows for k in range(len(ids) - 1) if ids[k] == id)
        for side, plain in ((use.before, before), (use.after, after)):
            assert side.most_frequent(at, 99) == sorted(plain.items(), key=lambda item: (-item[1], item[0]))
    assert use.n_documents == 13
    assert use.bytes == sum(len(text.encode()) for texts in (lines, ZH[:2]) for text in texts)


def test_neighbours_add_up_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bpetk.analysis.token_use._PENDING", 3)
    neighbours, plain = Neighbours(10), Counter()
    random = np.random.default_rng(1)
    for _ in range(50):
        slots, ids = random.integers(0, 3, 4), random.integers(0, 10, 4)
        neighbours.add(slots, ids)
        plain.update(zip(slots.tolist(), ids.tolist(), strict=True))
    for slot in range(3):
        mine = [(id, count) for (s, id), count in plain.items() if s == slot]
        assert neighbours.most_frequent(slot, 10) == sorted(mine, key=lambda item: (-item[1], item[0]))


# --- the whole --------------------------------------------------------------------------------------------------------


def test_numbers_by_hand(tok: Tokenizer, text: Path) -> None:
    result = audit(tok, text)
    table = TokenTable.of(tok)
    ids = [id for line in ZH for id in tok.encode(line)]
    ordinary = [id for id in range(tok.n_vocab) if table.kinds[id] == 0]
    long = [id for id in ordinary if table.n_han[id] > 2]
    polluted = [id for id in long if re.search("点击下载|天天中彩票", table.text[id] or "")]
    assert polluted
    rules = result.details["rules"]
    assert set(rules) == set(RULES)
    assert rules["long-han"] == {"tokens": len(long), "of": len(ordinary), "share": len(long) / len(ordinary)}
    assert rules["polluted"]["tokens"] == rules["denied"]["tokens"] == len(polluted)
    assert result.value("polluted_share") == len(polluted) / len(long)
    assert result.details["never_used_ids"] == sorted(set(ordinary) - set(ids))
    assert result.value("tokens") == len(ids)
    review = next(table for table in result.tables() if table.name == "review")
    context = next(table for table in result.tables() if table.name == "review_context")
    assert [row[0] for row in review.rows] == [row[0] for row in context.rows]
    points = [sum(REASONS[rule][0] for rule in row[1].en.split(", ")) for row in review.rows]
    assert points == sorted(points, reverse=True)
    assert "denied" in review.rows[0][1].en and review.rows[0][5] in DenyList.starter().patterns


def test_scaffolds_are_parts_of_longer_tokens(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_text("abcabcabc " * 40, encoding="utf-8")
    tok = bpetk.train(path, 259, scheme="gpt2")
    assert tok.merges == [(b"a", b"b"), (b"ab", b"c"), (b"abc", b"abc")]
    result = audit(tok, path)
    # ab is made 120 times, and is always part of abc; abc is made 120 times and 40 of them are left.
    assert result.details["scaffold_ids"] == [tok.token_to_id("ab")]
    row = next(table for table in result.tables() if table.name == "scaffolds").rows[0]
    assert row == ('"ab"', tok.token_to_id("ab"), 120, 0)


def test_order_of_documents_does_not_matter(tok: Tokenizer, tmp_path: Path) -> None:
    results = []
    for lines in (ZH * 3, (ZH * 3)[::-1]):
        path = tmp_path / "t.txt"
        path.write_text("\n".join(lines), encoding="utf-8")
        values = audit(tok, path).to_dict()
        for row in values["review"]["review_context"]:
            del row["where"]
        results.append(values)
    assert results[0] == results[1]


def test_without_a_deny_list(tok: Tokenizer, text: Path) -> None:
    result = audit(tok, text, starter_list=False)
    assert result.value("polluted_share") is None
    assert "denied" not in result.details["rules"]
    with pytest.raises(ConfigError, match="denied cannot be told: there is no deny list"):
        failures(result, ["denied"])
    mine = audit(tok, text, starter_list=False, deny=DenyList.of(["天气"], "mine"))
    assert mine.details["rules"]["denied"]["tokens"] > 0


def test_limits(tok: Tokenizer, text: Path) -> None:
    result = audit(tok, text)
    of = result.details["rules"]["long-han"]
    assert failures(result, ["ill-formed", f"long-han={of['tokens']}", "long-han=100%"]) == []
    assert failures(result, [f"long-han={of['tokens'] - 1}", "long-han"]) == [
        f"long-han: {of['tokens']} of {of['of']} tokens, more than {of['tokens'] - 1}",
        f"long-han: {of['tokens']} of {of['of']} tokens, more than none",
    ]
    for bad in ("nothing", "denied=", "denied=x", "denied=1.5", "denied=-1", "=3"):
        with pytest.raises(ConfigError, match="is no limit: expected RULE"):
            check_limits([bad])


def test_bad_input(tok: Tokenizer, tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(CorpusError, match="no text"):
        audit(tok, tmp_path / "empty")
    with pytest.raises(CorpusFileError, match="none"):
        audit(tok, tmp_path / "none")
    with pytest.raises(ConfigError, match="top must be at least 1"):
        audit(tok, tmp_path / "empty", top=0)


def test_command(tok: Tokenizer, text: Path, tmp_path: Path) -> None:
    tok.save(tmp_path / "tok")
    code, out, err = run(tmp_path / "tok", text, "--json", "--fail-on", "ill-formed")
    assert code == 0
    values = json.loads(out)
    assert values == json.loads(json.dumps(audit(tok, text, name="tok", threads=0).to_dict()))
    code, out, err = run(tmp_path / "tok", text, "--fail-on", "polluted", "--csv", tmp_path / "csv")
    assert code == 3
    assert "failed: polluted: " in err and "Tokens to look at" in out
    assert (tmp_path / "csv" / "review.csv").is_file()
    code, _, err = run(tmp_path / "tok", text, "--fail-on", "polluted", "--json")
    events = [json.loads(line) for line in err.splitlines()]
    assert code == 3 and events[-1]["event"] == "failed" and events[-1]["message"].startswith("polluted: ")
    code, out, err = run(tmp_path / "tok", text, "--fail-on", "pollution")
    assert (code, out) == (2, "") and "is no limit" in err
    code, _, err = run(tmp_path / "tok", text, "--deny", tmp_path / "none")
    assert code == 2 and "cannot read the deny list" in err
    code, out, _ = run(tmp_path / "tok", text, "--language", "zh")
    assert code == 0 and "待审词元" in out


def test_models_of_real_use(shared_file, shared_corpus) -> None:
    """A count with another library; and what is known of these vocabularies."""
    hf = pytest.importorskip("tokenizers")
    file = shared_file("tokenizers/gpt-4o-o200k/tokenizer.json")
    tok, text = Tokenizer.from_file(file), shared_corpus("mixed", 100_000)
    result = audit(tok, text)
    there = hf.Tokenizer.from_file(str(file))
    lines = text.read_text(encoding="utf-8").splitlines()
    seen = {id for row in there.encode_batch_fast(lines, add_special_tokens=False) for id in row.ids}
    table = TokenTable.of(tok)
    ordinary = {id for id in range(table.size) if table.kinds[id] in (0, 2)}
    assert set(result.details["never_used_ids"]) == ordinary - seen
    # arXiv 2508.17771: more than 23 % of this model's long Chinese tokens are polluted; a short list finds most.
    assert 0.1 < result.value("polluted_share") < 0.3


def test_sentencepiece_models(shared_file) -> None:
    tok = Tokenizer.from_file(shared_file("tokenizers/baichuan2/tokenizer.model"))
    result = audit(tok, PROJECT / "corpora" / "zh.txt")
    rows = [
        id
        for line in (PROJECT / "corpora" / "zh.txt").read_text("utf-8").splitlines()
        for id in tok.encode(line)
    ]
    assert result.value("tokens") == len(rows)
    assert result.details["rules"]["long-han"]["tokens"] > 1000
