"""Images: what is written is what is read, and damaged ones are refused."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from random_models import bpe_model, random_model, random_texts

import bpetk
from bpetk import Tokenizer, train_from_iterator
from bpetk.convert import convert
from bpetk.definition import Definition, Sections
from bpetk.errors import BpetkError, ConfigError, ModelFileError, OutputError, UnknownTokenError
from bpetk.interop import image
from bpetk.pretokenizers import SCHEMES

TEXT = "low lower lowest 低 更低 最低 <s> 12345\n\n  x"


def small(**options: Any) -> Tokenizer:
    size = 40 if "alphabet" in options else 262
    return train_from_iterator([TEXT] * 3, size, special_tokens=["<s>"], **options)


@pytest.mark.parametrize("seed", range(40))
def test_what_is_written_is_read(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    made = random_model(seed, as_value=True)
    definition = Definition(
        bpe_model(made, rng.choice(sorted(SCHEMES)), ["<s>", "中文"]),
        Sections(normalizer=rng.choice([None, {"type": "NFC"}])),
        image_of=rng.choice(["", "hf"]),
    )
    tok = Tokenizer(definition)
    tok.save_image(tmp_path / "a.bpetk")
    read = Tokenizer.from_file(tmp_path / "a.bpetk")
    assert read.format == "image" and read.source == str(tmp_path / "a.bpetk")
    assert (read, read.vocab, read.n_vocab, read.vocab_size) == (tok, tok.vocab, tok.n_vocab, tok.vocab_size)
    for text in random_texts(seed, made):
        assert outcome(read, text) == outcome(tok, text)
    read.save_image(tmp_path / "b.bpetk")
    assert (tmp_path / "b.bpetk").read_bytes() == (tmp_path / "a.bpetk").read_bytes()


def outcome(tok: Tokenizer, text: str) -> Any:
    """Ids and what they decode to, or the error."""
    try:
        ids = tok.encode(text, allowed_special="all")
        return ids, tok.decode(ids), tok.encode_batch([text] * 3, threads=2, allowed_special="all")
    except BpetkError as error:
        return str(error)


@pytest.mark.filterwarnings("ignore::bpetk.errors.SlowPathWarning")
@pytest.mark.parametrize(
    "options", [{"scheme": "gpt2"}, {"pattern": r"\d| ?\p{L}+"}, {"alphabet": "observed"}]
)
def test_trained_tokenizers(options: dict[str, Any], tmp_path: Path) -> None:
    tok = small(**options)
    tok.save_image(tmp_path / "a.bpetk")
    read = Tokenizer.from_file(tmp_path / "a.bpetk", format="image")
    assert read == tok and read.merges == tok.merges and read.special_tokens == {"<s>": 0}
    assert read.encode(TEXT, allowed_special="all") == tok.encode(TEXT, allowed_special="all")
    assert read.decode(read.encode_ordinary(TEXT)) == tok.decode(tok.encode_ordinary(TEXT))
    assert pickle.loads(pickle.dumps(read)).encode_ordinary(TEXT) == tok.encode_ordinary(TEXT)
    read.save(tmp_path / "folder")
    assert Tokenizer.from_file(tmp_path / "folder") == tok


def test_convert_makes_one_and_reads_one(tmp_path: Path) -> None:
    done = convert(small(), tmp_path / "a.bpetk", to="image")
    assert done.files == (tmp_path / "a.bpetk",) and done.compared == ("bpetk",) and done.tokens > 1000
    back = convert(tmp_path / "a.bpetk", tmp_path / "folder", to="hf")
    assert Tokenizer.from_file(back.path) == small()


def test_ranks_stay_ranks(tmp_path: Path) -> None:
    convert(small(), tmp_path / "a.tiktoken", to="tiktoken")
    tok = Tokenizer.from_file(tmp_path / "a.tiktoken", scheme="cl100k", special_tokens={"<s>": 0})
    tok.save_image(tmp_path / "a.bpetk")
    read = Tokenizer.from_file(tmp_path / "a.bpetk")
    assert read.definition.kind == "tiktoken" and read.model.ranks
    assert read.encode("a\ud800b") == tok.encode("a\ud800b")
    convert(read, tmp_path / "b.tiktoken", to="tiktoken")
    assert (tmp_path / "b.tiktoken").read_bytes() == (tmp_path / "a.tiktoken").read_bytes()


# --- what is refused ------------------------------------------------------------------------------------------------


def test_another_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("text")
    with pytest.raises(OutputError, match="not an image"):
        small().save_image(tmp_path / "a")
    assert (tmp_path / "a").read_text() == "text"
    with pytest.raises(OutputError, match="cannot write"):
        small().save_image(tmp_path / "nowhere" / "a")
    small().save_image(tmp_path / "b")
    small(scheme="gpt2").save_image(tmp_path / "b")
    assert Tokenizer.from_file(tmp_path / "b").scheme.name == "gpt2"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_options_do_not_go_with_it(tmp_path: Path) -> None:
    small().save_image(tmp_path / "a")
    with pytest.raises(ConfigError, match="scheme cannot be given"):
        Tokenizer.from_file(tmp_path / "a", scheme="gpt2")
    with pytest.raises(ModelFileError):
        Tokenizer.from_file(tmp_path / "a", format="hf")


def test_every_cut_and_change_is_noticed(tmp_path: Path) -> None:
    small().save_image(tmp_path / "a")
    data, rng = (tmp_path / "a").read_bytes(), random.Random(1)
    header = 24 + int.from_bytes(data[12:16], "little")
    ends = {
        *range(1000),
        *range(header - 5, header + 5),
        *(rng.randrange(len(data)) for _ in range(100)),
        len(data) - 1,
    }
    for end in sorted(ends):
        (tmp_path / "b").write_bytes(data[:end])
        with pytest.raises(ModelFileError):
            Tokenizer.from_file(tmp_path / "b")
    parts = json.loads(data[24:header])["parts"].values()
    for _ in range(300):
        at, size, _ = rng.choice([part for part in parts if part[1]])
        place = rng.choice([rng.randrange(header), header + at + rng.randrange(size)])
        changed = bytearray(data)
        changed[place] ^= 1 << rng.randrange(8)
        (tmp_path / "b").write_bytes(changed)
        with pytest.raises(ModelFileError):
            Tokenizer.from_file(tmp_path / "b")


def test_bytes_behind_the_last_part_are_noticed(tmp_path: Path) -> None:
    small().save_image(tmp_path / "a")
    with (tmp_path / "a").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ModelFileError, match=r"expected .* bytes, found"):
        Tokenizer.from_file(tmp_path / "a")


def forged(change: Callable[[dict[str, Any]], None]) -> bytes:
    """Give an image with another header, and the right checksums."""
    data = image.image_bytes((tok := small()).definition, tok._pipeline.encoder)
    header = 24 + int.from_bytes(data[12:16], "little")
    values = json.loads(data[24:header])
    parts = {name: data[header + at :][:size] for name, (at, size, _) in values.pop("parts").items()}
    change(values)
    return image._joined(values, parts)


@pytest.mark.parametrize("id", [262, 4000000, 2**32 - 1, 10**11, -5, "1"])
def test_added_tokens_have_ids_of_the_vocabulary(id: Any, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(forged(lambda header: header["added_tokens"][0].update(id=id)))
    with pytest.raises(ModelFileError):
        Tokenizer.from_file(tmp_path / "a")


def test_bytes_without_an_id_stay_without_one(tmp_path: Path) -> None:
    def change(header: dict[str, Any]) -> None:
        header["tables"]["byte_ids"][ord("z")] = header["tables"]["last_ids"][ord("z")] = 2**32 - 1
        header["tables"]["all_bytes"] = 1

    (tmp_path / "a").write_bytes(forged(change))
    with pytest.raises(UnknownTokenError):
        Tokenizer.from_file(tmp_path / "a").encode("z zz")


@pytest.mark.parametrize(
    ("name", "value"),
    [("roles", {"a": 1}), ("pattern", 3), ("training", []), ("image_of", None), ("added_tokens", [{}])],
)
def test_a_field_of_another_type_is_named(name: str, value: Any, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(forged(lambda header: header.update({name: value})))
    with pytest.raises(ModelFileError, match="damaged image"):
        Tokenizer.from_file(tmp_path / "a")


def test_training_and_pattern_are_kept(tmp_path: Path) -> None:
    small().save(tmp_path / "folder")
    Tokenizer.from_file(tmp_path / "folder").save_image(tmp_path / "a")
    read = Tokenizer.from_file(tmp_path / "a")
    assert read.definition.training is not None and read.source == str(tmp_path / "a")
    convert(small(), tmp_path / "b.tiktoken", to="tiktoken")
    (tmp_path / "b.tiktoken.json").unlink()
    Tokenizer.from_file(tmp_path / "b.tiktoken", pattern=r"\p{L}+| ?\S+|\s+").save_image(tmp_path / "b")
    assert Tokenizer.from_file(tmp_path / "b").definition.pattern == r"\p{L}+| ?\S+|\s+"


def test_another_version_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "VERSION", 7)
    small().save_image(tmp_path / "a")
    monkeypatch.undo()
    with pytest.raises(ModelFileError, match="version 7, and this bpetk reads version 1; make it again"):
        Tokenizer.from_file(tmp_path / "a")


def rewritten(data: bytes, rng: random.Random) -> bytes:
    """Change a few numbers and make all checksums right again, as a hostile author would."""
    header = 24 + int.from_bytes(data[12:16], "little")
    fields = json.loads(data[24:header])
    parts = {
        name: bytearray(data[header + at :][:size]) for name, (at, size, _) in fields.pop("parts").items()
    }
    name = rng.choice([*parts, "header"])
    if name == "header":
        change(fields, rng)
    elif rng.random() < 0.2:
        del parts[name][rng.randrange(len(parts[name]) + 1) :]
    elif parts[name]:
        for _ in range(rng.choice((1, 1, 5, 1000))):
            at = rng.randrange(len(parts[name])) & ~3
            parts[name][at : at + 4] = rng.choice((0, 1, 2**31, 2**32 - 1, rng.randrange(2**32))).to_bytes(
                4, "little"
            )
    return image._joined(fields, {name: bytes(part) for name, part in parts.items()})


def change(value: Any, rng: random.Random) -> None:
    """Change something inside a JSON value."""
    key = rng.choice(list(value) if isinstance(value, dict) else range(len(value)))
    if isinstance(value[key], dict | list) and value[key] and rng.random() < 0.8:
        change(value[key], rng)
    elif rng.random() < 0.2 and isinstance(value, dict):
        del value[key]
    else:
        value[key] = rng.choice([None, -1, 0, 3, 2**32, 2**70, 1.5, "x", [], {}, [[]], True])


@pytest.mark.parametrize("count", [300, pytest.param(2000, marks=pytest.mark.slow)])
def test_a_hostile_file_is_refused_or_harmless(count: int, tmp_path: Path) -> None:
    data = image.image_bytes((tok := small()).definition, tok._pipeline.encoder)
    refused = 0
    for seed in range(count):
        rng = random.Random(seed)
        (tmp_path / "a").write_bytes(rewritten(data, rng))
        try:
            read = bpetk.Tokenizer.from_file(tmp_path / "a")
            outcome(read, TEXT * 3)
            read.vocab  # noqa: B018
        except (BpetkError, IndexError, KeyError, OverflowError):
            refused += 1
    assert refused > count / 4
