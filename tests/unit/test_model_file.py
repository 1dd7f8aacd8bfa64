"""Saving completely or not at all, and loading with errors that name file and field."""

from __future__ import annotations

import copy
import errno
import hashlib
import json
import os
import random
import stat
from array import array
from pathlib import Path
from typing import Any

import pytest

from bpetk import model_file
from bpetk.errors import ConfigError, ModelFileError, OutputError
from bpetk.interop.huggingface import from_tokenizer_json, to_tokenizer_json
from bpetk.interop.loading import load_definition
from bpetk.model import BpeModel
from bpetk.pretokenizers import custom_scheme, get_scheme
from bpetk.report import InputFile, ScriptCost, StageTime, TrainReport
from bpetk.tokenizer import Tokenizer

GPT2_FILES = {"tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "manifest.json"}
OTHER_FILES = GPT2_FILES - {"vocab.json", "merges.txt"}


def build(
    scheme: str = "gpt2", special: tuple[str, ...] = ("<s>", "</s>"), *, report: TrainReport | None = None
) -> Tokenizer:
    byte_ids = list(range(len(special), 256 + len(special)))
    a, b, new = byte_ids[97], byte_ids[98], 256 + len(special)
    chosen = custom_scheme(r"\d+") if scheme == "custom" else get_scheme(scheme)
    model = BpeModel(chosen, special, byte_ids, [a, new], [b, new], [new, new + 1], [5, 2])
    return Tokenizer(model, train_report=report)


def report(seconds: float = 1.0) -> TrainReport:
    return TrainReport(
        requested_vocab_size=300,
        vocab_size=260,
        initial_size=258,
        stop_reason="no_more_pairs",
        explanation="every word is a token",
        corpus_bytes=20,
        pretokens=5,
        distinct_words=2,
        last_merge=(b"ab", b"ab"),
        last_merge_count=2,
        scripts={"latin": ScriptCost(20, 8)},
        inputs=(InputFile("a.txt", 20, "00ff"),),
        config={"vocab_size": 300, "special_tokens": ("<s>", "</s>")},
        stages=(StageTime("count", seconds, seconds, 1000),),
        peak_rss_bytes=1000 + int(seconds),
        counts=array("q", [5, 2]),
        applied=array("q", [5, 2]),
        sizes=range(259, 261),
    )


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def contents(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


# Saving


@pytest.mark.parametrize("scheme", ["gpt2", "cl100k", "whitespace", "none", "custom"])
def test_save_and_load(scheme: str, tmp_path: Path) -> None:
    tok = build(scheme)
    tok.save(tmp_path / "out", roles={"eos": "</s>"})
    assert names(tmp_path / "out") == (GPT2_FILES if scheme == "gpt2" else OTHER_FILES)
    again = Tokenizer.from_file(tmp_path / "out")
    assert again.model == tok.model
    assert again.roles == {"eos": "</s>"}
    assert Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json")) == tok
    assert again.encode("abab ab 12") == tok.encode("abab ab 12")


def test_config_has_the_roles(tmp_path: Path) -> None:
    build(special=("<s>", "</s>", "<|tool|>")).save(
        tmp_path / "out", roles={"pad": "</s>", "eos": "</s>", "bos": "<s>"}
    )
    assert json.loads((tmp_path / "out" / "tokenizer_config.json").read_text()) == {
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": int(1e30),
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "</s>",
        "additional_special_tokens": ["<|tool|>"],
    }


def test_config_keeps_what_transformers_would_change(tmp_path: Path) -> None:
    byte_level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    data = to_tokenizer_json(build().model) | {"pre_tokenizer": byte_level}
    model_file.save_tokenizer(tmp_path / "out", from_tokenizer_json(data))
    assert json.loads((tmp_path / "out" / "tokenizer_config.json").read_text())["add_prefix_space"] is True
    assert json.loads((tmp_path / "out" / "tokenizer.json").read_text()) == data
    assert names(tmp_path / "out") == OTHER_FILES  # vocab.json has no place for it


def test_manifest(tmp_path: Path) -> None:
    build(report=report()).save(tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["format"] == "bpetk-tokenizer" and manifest["format_version"] == 1
    assert manifest["versions"]["unicode"] == "16.0.0" and "bpetk" in manifest["versions"]
    assert manifest["scheme"]["name"] == "gpt2"
    assert (manifest["vocab_size"], manifest["special_tokens"]) == (260, {"<s>": 0, "</s>": 1})
    assert manifest["merges"] == {"count": 2, "sha256": hashlib.sha256(b"a b\nab ab\n").hexdigest()}
    assert set(manifest["files"]) == GPT2_FILES - {"manifest.json"}
    for name, entry in manifest["files"].items():
        data = (tmp_path / "out" / name).read_bytes()
        assert entry == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    training = manifest["training"]
    assert training["inputs"] == [{"name": "a.txt", "bytes": 20, "sha256": "00ff"}]
    assert training["config"] == {"vocab_size": 300, "special_tokens": ["<s>", "</s>"]}
    assert (training["results"]["pretokens"], training["results"]["distinct_words"]) == (5, 2)
    assert manifest["timing"]["peak_rss_bytes"] == 1001


def test_only_timing_differs_between_runs(tmp_path: Path) -> None:
    manifests = []
    for seconds in (1.0, 2.0):
        build(report=report(seconds)).save(tmp_path / str(seconds))
        manifests.append(json.loads((tmp_path / str(seconds) / "manifest.json").read_text()))
    first, second = manifests
    assert first != second
    assert first.pop("timing") != second.pop("timing")
    assert first == second


def test_provenance_survives_loading_and_saving(tmp_path: Path) -> None:
    build(report=report()).save(tmp_path / "out")
    before = json.loads((tmp_path / "out" / "manifest.json").read_text())
    Tokenizer.from_file(tmp_path / "out").save(tmp_path / "out", roles={"bos": "<s>"})
    after = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert after["training"] == before["training"]
    assert after["roles"] == {"bos": "<s>"}


def test_parents_are_made_and_modes_are_ordinary(tmp_path: Path) -> None:
    out = tmp_path / "x" / "数据" / "out"
    build().save(out)
    (tmp_path / "plain").mkdir()
    assert stat.S_IMODE(out.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)
    assert names(out.parent) == {"out"}


def test_relative_and_trailing_slash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    build().save("out/")
    assert Tokenizer.from_file("out/") == build()


def test_an_earlier_save_is_replaced_and_leaves_no_stale_file(tmp_path: Path) -> None:
    out = tmp_path / "out"
    build("gpt2").save(out)
    (out / "notes.md").write_text("mine")
    build("cl100k", ()).save(out)
    assert names(out) == OTHER_FILES | {"notes.md"}
    assert Tokenizer.from_file(out) == build("cl100k", ())


def test_an_empty_directory_is_used(tmp_path: Path) -> None:
    build().save(tmp_path)
    assert names(tmp_path) == GPT2_FILES


@pytest.mark.parametrize("manifest", [None, "{}", "[1]", "not json", '{"format": "other"}'])
def test_other_directories_are_refused_unless_asked(tmp_path: Path, manifest: str | None) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    if manifest is not None:
        (tmp_path / "manifest.json").write_text(manifest)
    before = contents(tmp_path)
    with pytest.raises(OutputError, match="overwrite=True"):
        build().save(tmp_path)
    assert contents(tmp_path) == before
    build().save(tmp_path, overwrite=True)
    assert names(tmp_path) == GPT2_FILES | {"thesis.tex"}


def test_a_file_is_not_a_directory(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    for path in (tmp_path / "out", tmp_path / "out" / "below"):
        with pytest.raises(OutputError, match="out"):
            build().save(path, overwrite=True)
    assert contents(tmp_path) == {"out": b"x"}


def test_a_directory_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").mkdir()
    with pytest.raises(OutputError, match="it is a directory"):
        build().save(tmp_path, overwrite=True)
    assert names(tmp_path) == {"tokenizer.json"}


def test_wrong_roles_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the pad token '<pad>' is not a special token"):
        build().save(tmp_path / "out", roles={"pad": "<pad>"})
    assert names(tmp_path) == set()


# Failure in the middle

STEPS = ["fsync", "replace", "unlink", "rename", "mkdir"]


@pytest.fixture
def fail_at(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make the nth call of a function of ``os`` fail, once."""

    def arm(name: str, nth: int, error: BaseException) -> None:
        original, calls = getattr(os, name), iter(range(1, 1 << 30))

        def failing(*args: Any, **kwargs: Any) -> Any:
            if next(calls) == nth:
                raise error
            return original(*args, **kwargs)

        monkeypatch.setattr(os, name, failing)

    return arm


def full() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("name", "nth"), [("fsync", 1), ("fsync", 3), ("fsync", 5), ("rename", 1), ("mkdir", 1), ("mkdir", 3)]
)
def test_failure_leaves_nothing_of_a_new_directory(tmp_path: Path, fail_at: Any, name: str, nth: int) -> None:
    fail_at(name, nth, full())
    with pytest.raises(OutputError, match="No space left on device; nothing was changed") as caught:
        build().save(tmp_path / "deep" / "er" / "out")
    assert caught.value.errno == errno.ENOSPC
    assert names(tmp_path) == set()


@pytest.mark.parametrize(
    ("name", "nth"),
    [
        ("fsync", 1),
        ("fsync", 3),
        ("replace", 1),
        ("replace", 2),
        ("replace", 3),
        ("unlink", 1),
        ("unlink", 2),
    ],
)
def test_failure_leaves_a_former_save_as_it_was(tmp_path: Path, fail_at: Any, name: str, nth: int) -> None:
    build("gpt2").save(tmp_path)
    (tmp_path / "notes.md").write_text("mine")
    before = contents(tmp_path)
    fail_at(name, nth, full())
    with pytest.raises(OutputError, match="nothing was changed"):
        build("cl100k", ("<x>",)).save(tmp_path)
    assert contents(tmp_path) == before
    assert names(tmp_path) == GPT2_FILES | {"notes.md"}
    assert Tokenizer.from_file(tmp_path) == build("gpt2")


@pytest.mark.parametrize("nth", [1, 4, 5])
def test_failure_in_a_directory_without_a_former_save(tmp_path: Path, fail_at: Any, nth: int) -> None:
    fail_at("replace", nth, full())
    with pytest.raises(OutputError):
        build().save(tmp_path)
    assert names(tmp_path) == set()


@pytest.mark.parametrize("target", ["new", "."])
def test_interruption_cleans_up_too(tmp_path: Path, fail_at: Any, target: str) -> None:
    fail_at("fsync", 2, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        build().save(tmp_path / target)
    assert names(tmp_path) == set()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs permissions that bind")
def test_a_directory_without_write_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="Permission denied"):
            build().save(tmp_path / "out")
    finally:
        tmp_path.chmod(0o700)


def test_a_full_disk(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    import signal

    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))
    try:
        with pytest.raises(OutputError, match="nothing was changed"):
            build().save(tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, old)
    assert names(tmp_path) == set()


# Loading

FIELDS = (
    "a tokenizer.json has version, truncation, padding, added_tokens, normalizer, pre_tokenizer, post_processor, "
    "decoder, model"
)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    build("cl100k").save(tmp_path / "out", roles={"eos": "</s>"})
    return tmp_path / "out"


def edit(path: Path, *keys: Any, value: Any) -> None:
    """Set a field of a JSON file, or delete it if the value is ``...``."""
    data = at = json.loads(path.read_text())
    for key in keys[:-1]:
        at = at[key]
    if value is ...:
        del at[keys[-1]]
    else:
        at[keys[-1]] = value
    path.write_text(json.dumps(data))


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("version",), "2.0", 'version: only "1.0" is supported, found "2.0"'),
        (("model",), ..., "model: expected an object, found null"),
        (("model",), [], "model: expected an object, found []"),
        (("model", "type"), "WordPiece", 'model.type: bpetk reads BPE, and this is "WordPiece"'),
        (("model", "vocab"), ..., "model.vocab: expected an object, found null"),
        (("model", "vocab", "ab"), "1", 'model.vocab["ab"]: expected an id up to 2097149, found "1"'),
        (("model", "vocab", "ab"), -1, 'model.vocab["ab"]: expected an id up to 2097149, found -1'),
        (("model", "vocab", "ab"), True, 'model.vocab["ab"]: expected an id up to 2097149, found true'),
        (
            ("model", "vocab", "ab"),
            2**40,
            'model.vocab["ab"]: expected an id up to 2097149, found 1099511627776',
        ),
        (("model", "vocab", "ab"), 3, "model.vocab: id 3 is given to both 'ā' and 'ab'"),
        (("model", "vocab", "ab"), ..., 'model.merges[0]: "ab" is not in model.vocab'),
        (("model", "merges"), {}, "model.merges: expected a list, found {}"),
        (("model", "merges", 0), ["a"], 'model.merges[0]: expected two strings, found ["a"]'),
        (("model", "merges"), ["a b", "a b c"], 'model.merges[1]: expected two strings, found "a b c"'),
        (("model", "merges", 1), [1, 2], "model.merges[1]: expected two strings, found [1, 2]"),
        (
            ("model", "merges", 1),
            "ab ab",
            'model.merges: expected pairs throughout, or "left right" throughout; found both',
        ),
        (("model", "merges", 0), ["abab", "x"], 'model.merges[0]: "ababx" is not in model.vocab'),
        (("model", "merges", 0), ["", "ab"], 'model.merges[0]: "" is not in model.vocab'),
        (("added_tokens",), 3, "added_tokens: expected a list, found 3"),
        (("added_tokens", 0), "<s>", 'added_tokens[0]: expected an object, found "<s>"'),
        (("added_tokens", 1, "id"), None, "added_tokens[1].id: expected an id up to 2097149, found null"),
        (("added_tokens", 1, "id"), 7, "added_tokens: '</s>' has id 7, but 1 in model.vocab"),
        (("added_tokens", 1, "content"), "<s>", "added_tokens: '<s>' is listed twice"),
        (("added_tokens", 1, "content"), "new", "added_tokens: id 1 is given to both '</s>' and 'new'"),
        (("added_tokens", 1, "content"), "", "added_tokens[1]: a special token must not be empty"),
        (
            ("added_tokens", 1, "special"),
            "yes",
            'added_tokens[1].special: expected true or false, found "yes"',
        ),
        (("pre_tokenizer", "pretokenizers"), {}, "pre_tokenizer.pretokenizers: expected a list, not {}"),
        (
            ("pre_tokenizer", "pretokenizers", 1),
            1,
            "pre_tokenizer.pretokenizers[1]: expected an object with a 'type', not 1",
        ),
        (
            ("pre_tokenizer", "pretokenizers", 0, "pattern", "Regex"),
            "a\ud800",
            "pre_tokenizer: holds the lone surrogate U+D800, which is not a character",
        ),
        (
            ("model", "byte_fallback"),
            True,
            "model.byte_fallback: true does not go with a ByteLevel pre-tokenizer: bytes have their tokens already",
        ),
        (
            ("model", "dropout"),
            0.1,
            "model.dropout: expected null or 0, found 0.1: it makes every encoding random",
        ),
        (("model", "unk_token"), 3, "model.unk_token: expected a string, found 3"),
        (("model", "ignore_merges"), 1, "model.ignore_merges: expected true or false, found 1"),
        (("model", "end_of_word_suffix"), 1, "model.end_of_word_suffix: expected a string, found 1"),
        (
            ("model", "continuing_subword_prefix"),
            "##",
            'model.continuing_subword_prefix: only null or "" is supported, found "##"',
        ),
        (("truncation",), 512, "truncation: expected an object, found 512"),
        (("padding",), {}, 'padding.strategy: only "BatchLongest" is supported, found null'),
        (("settings",), {}, f"the file: unknown field 'settings'; {FIELDS}"),
    ],
)
def test_a_malformed_field_is_named(saved: Path, keys: tuple[Any, ...], value: Any, message: str) -> None:
    edit(saved / "tokenizer.json", *keys, value=value)
    with pytest.raises(ModelFileError) as caught:
        Tokenizer.from_file(saved)
    assert str(caught.value) == f"{saved / 'tokenizer.json'}: {message}"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{", "not JSON"),
        (b'{"a": 1} x', "not JSON"),
        (b'{"\xff": 1}', "not UTF-8 at byte 2"),
        (b"\xef\xbb\xbf{}", "begins with a byte order mark"),
        (b"[]", r"the file: expected an object, found \[\]"),
        (b"[" * 200_000, "nested|recursion"),
        (b'{"version": ' + b"9" * 5000 + b"}", "JSON"),
        (b'{"version": "\\ud800", "model": {}}', "version: only"),
        (b'{"version": NaN}', "not JSON: NaN"),
    ],
)
@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
def test_a_file_that_is_not_a_tokenizer(saved: Path, name: str, data: bytes, message: str) -> None:
    if name == "tokenizer_config.json" and b"d800" in data:
        pytest.skip("no such field there")
    (saved / name).write_bytes(data)
    with pytest.raises(ModelFileError, match=f"{name}: .*({message})") as caught:
        Tokenizer.from_file(saved)
    str(caught.value).encode()


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="holds no tokenizer"):
        Tokenizer.from_file(tmp_path)
    with pytest.raises(ModelFileError, match=r"cannot read .*absent.*No such file"):
        Tokenizer.from_file(tmp_path / "absent")


def test_a_directory_with_tokenizer_json_alone_loads(saved: Path) -> None:
    (saved / "tokenizer_config.json").unlink()
    (saved / "manifest.json").unlink()
    assert Tokenizer.from_file(saved) == build("cl100k")


@pytest.mark.parametrize(
    ("value", "result"),
    [("<s>", {"eos": "<s>"}), ({"content": "<s>", "lstrip": False}, {"eos": "<s>"}), (None, {}), (..., {})],
)
def test_roles_in_their_several_forms(saved: Path, value: Any, result: dict[str, str]) -> None:
    edit(saved / "tokenizer_config.json", "eos_token", value=value)
    assert Tokenizer.from_file(saved).roles == result


@pytest.mark.parametrize(
    ("value", "message"), [(3, "eos_token: expected a string"), ("<x>", "eos_token: '<x>' is not a special")]
)
def test_wrong_roles_in_a_file_are_named(saved: Path, value: Any, message: str) -> None:
    edit(saved / "tokenizer_config.json", "eos_token", value=value)
    with pytest.raises(ModelFileError, match=f"tokenizer_config.json: {message}"):
        Tokenizer.from_file(saved)


def test_a_foreign_manifest_is_ignored_and_a_broken_one_is_not(saved: Path) -> None:
    (saved / "manifest.json").write_text('{"name": "web app"}')
    assert Tokenizer.from_file(saved).roles == {"eos": "</s>"}
    (saved / "manifest.json").write_text('{"format": "bpetk-tokenizer", "training": 3}')
    with pytest.raises(ModelFileError, match=r"manifest\.json: training: expected an object or null"):
        Tokenizer.from_file(saved)


def mutate(rng: random.Random, value: Any) -> Any:
    """Change one place of a JSON value."""
    junk = [None, True, -1, 0, 3, 2**70, 1.5, "", "a", "\ud800", [], {}, ["a", "b"], {"type": "BPE"}, "漢"]
    if isinstance(value, (dict, list)) and value and rng.random() < 0.9:
        value = copy.copy(value)
        key = rng.choice(list(value) if isinstance(value, dict) else range(len(value)))
        action = rng.random()
        if action < 0.15:
            del value[key]
        elif action < 0.25 and isinstance(value, dict):
            value[rng.choice(["", "x", "\udfff", "ab"])] = value.pop(key)
        else:
            value[key] = mutate(rng, value[key])
        return value
    return rng.choice(junk)


def test_no_other_error_leaks(tmp_path: Path) -> None:
    rng = random.Random(1)
    build("cl100k").save(tmp_path / "out")
    whole = json.loads((tmp_path / "out" / "tokenizer.json").read_text())
    letters = {text: id for text, id in whole["model"]["vocab"].items() if id < 4 or id > 256 or text in "ab"}
    whole["model"]["vocab"] = letters
    outcomes = set()
    for _ in range(1500):
        data = mutate(rng, whole)
        try:
            definition = from_tokenizer_json(json.loads(json.dumps(data)))
            text = json.dumps(to_tokenizer_json(definition), ensure_ascii=False).encode()
            assert from_tokenizer_json(json.loads(text)) == definition
            outcomes.add("loaded")
        except ModelFileError as error:
            str(error).encode()
            outcomes.add("refused")
    assert outcomes == {"loaded", "refused"}


def test_the_loader_is_the_inverse_of_the_writer(tmp_path: Path) -> None:
    tok = build("custom")
    model_file.save_tokenizer(tmp_path / "one", tok.model)
    loaded = load_definition(tmp_path / "one")
    assert (loaded.model, loaded.roles, loaded.training) == (tok.model, {}, None)
    assert (loaded.format, loaded.source) == ("hf", str(tmp_path / "one" / "tokenizer.json"))
    model_file.save_tokenizer(tmp_path / "two", loaded)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
