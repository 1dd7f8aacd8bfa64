"""An image: a tokenizer with all tables that encoding needs, as one file that is read in a few milliseconds.

The file: magic, version, the header's length and checksum; the header, JSON with everything small and a list of parts;
the parts, each at a multiple of 64 bytes with its checksum. Numbers are little-endian. An image is for loading fast,
not for keeping: another version of bpetk may ask for it to be made again from the tokenizer's own files.
"""

from __future__ import annotations

import json
import os
import struct
from array import array
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, BinaryIO

from bpetk import _image
from bpetk.character_model import CharacterModel
from bpetk.definition import Definition, Sections
from bpetk.errors import ConfigError, ModelFileError, OutputError
from bpetk.interop.huggingface import read_stage
from bpetk.interop.tokenizer_config import check_roles
from bpetk.model import BpeModel
from bpetk.pretokenizers import SCHEMES, Scheme, get_scheme
from bpetk.special_tokens import AddedToken
from bpetk.token_files import atomic_files

MAGIC = b"\x89BPETKI\n"
VERSION = 1

_PREFIX = struct.Struct("<8sIIQ")  # magic, version, bytes of the header, its checksum
_MOST_HEADER = 1 << 28
_ALIGNED = 64
_PACKED = ("blob", "offsets", "flags")
_ARRAYS = {"left": "I", "right": "I", "new": "I", "counts": "q"}
_SETTINGS: dict[str, Any] = {
    "ignore_merges": bool,
    "ranks": bool,
    "end_of_word_suffix": str | None,
    "unk_token": str | None,
    "fuse_unk": bool,
}


def is_image(path: Path) -> bool:
    """Whether a file begins as an image does."""
    if not path.is_file():  # opening a pipe would wait for its writer
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def image_bytes(definition: Definition, encoder: Any) -> bytes:
    """Give the content of the file.

    Parameters
    ----------
    definition
        The tokenizer.
    encoder
        Its native encoder.

    Raises
    ------
    ConfigError
        If the model is not one over bytes.
    """
    model = definition.model
    if isinstance(model, CharacterModel):
        raise ConfigError(
            "an image holds the tables of byte-level BPE; the tokens of this model are characters, so save it as "
            "tokenizer.json"
        )
    numbers, parts = _image.dump(encoder)
    blob, offsets = model.table
    made = {*model.byte_ids, *model.new}
    flags = bytearray(len(offsets) - 1)
    for id in model.tokens:
        flags[id] = 5 if id in made else 1
    parts = {"blob": blob, "offsets": bytes(memoryview(offsets)), "flags": bytes(flags), **parts}
    for name in _ARRAYS:
        if (values := getattr(model, name)) is not None:
            parts[name] = bytes(memoryview(values))
    header: dict[str, Any] = {
        "scheme": asdict(model.scheme),
        "special_tokens": model.special_tokens,
        "added_tokens": [asdict(token) for token in model.added_tokens],
        "extra_tokens": model.extra_tokens,
        "byte_ids": model.byte_ids,
        "settings": {name: getattr(model, name) for name in _SETTINGS},
        "sections": asdict(definition.sections),
        "image_of": definition.kind,
        "pattern": definition.pattern,
        "roles": dict(definition.roles),
        "training": definition.training,
        "tables": numbers,
    }
    return _joined(header, parts)


def _joined(header: dict[str, Any], parts: Mapping[str, bytes]) -> bytes:
    at, places = 0, {}
    for name, data in parts.items():
        places[name] = [at, len(data), _image.checksum(data)]
        at += -(-len(data) // _ALIGNED) * _ALIGNED
    text = json.dumps(header | {"parts": places}, ensure_ascii=True).encode()
    text += b" " * (-(len(text) + _PREFIX.size) % _ALIGNED)
    body = [data + bytes(-len(data) % _ALIGNED) for data in parts.values()]
    body[-1] = list(parts.values())[-1]  # so that no byte can be cut off unnoticed
    return b"".join([_PREFIX.pack(MAGIC, VERSION, len(text), _image.checksum(text)), text, *body])


def write_image(path: str | os.PathLike[str], definition: Definition, encoder: Any) -> None:
    """Write an image, completely or not at all.

    Raises
    ------
    OutputError
        If it cannot be written, or if there is another file of this name.
    """
    target = Path(path)
    if os.path.lexists(target) and not is_image(target):
        raise OutputError(
            f"{str(path)!r} exists and is not an image; choose another name, or remove it first"
        )
    with atomic_files(target) as (file,):
        file.write(image_bytes(definition, encoder))


def read_image(path: Path) -> Definition:
    """Read an image.

    Raises
    ------
    ModelFileError
        If it is damaged, incomplete, or of another version; the message says which part of it.
    """
    try:
        with path.open("rb", buffering=0) as file:
            return _Reader(file, str(path)).definition()
    except ModelFileError as error:
        raise error if str(error).startswith(str(path)) else ModelFileError(f"{path}: {error}") from error
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        # Whatever a header of another shape leads to.
        reason = f"the field {error} is missing" if isinstance(error, KeyError) else str(error)
        raise ModelFileError(f"{path}: is a damaged image: {reason}; make it again") from error
    except OSError as error:
        raise ModelFileError(f"cannot read {str(path)!r}: {error.strerror or error}") from error


class _Reader:
    """Reads the parts of a file; ValueError, TypeError or KeyError if one is not what it should be."""

    def __init__(self, file: BinaryIO, source: str) -> None:
        self._file, self._source = file, source
        prefix = file.read(_PREFIX.size)
        if len(prefix) < _PREFIX.size:
            raise ValueError(f"it ends after {len(prefix)} bytes")
        magic, version, length, checksum = _PREFIX.unpack(prefix)
        if magic != MAGIC:
            raise ValueError("it does not begin as one")
        if version != VERSION:
            raise ModelFileError(
                f"{source}: is an image of version {version}, and this bpetk reads version {VERSION}; make it again"
            )
        text = file.read(length) if length <= _MOST_HEADER else b""
        if len(text) != length or _image.checksum(text) != checksum:
            raise ValueError("the header is incomplete or changed")
        self._header = json.loads(text)
        self._base = _PREFIX.size + length
        self._sizes = {name: place[1] for name, place in self._header["parts"].items()}
        end = self._base
        for name, (at, size, _) in self._header["parts"].items():
            if type(at) is not int or type(size) is not int or at < 0 or size < 0:
                raise ValueError(f"part {name!r} is at {at!r} and has {size!r} bytes")
            end = max(end, self._base + at + size)
        there = file.seek(0, 2)
        if there != end:
            raise ValueError(f"expected {end} bytes, found {there}")

    def _read(self, name: str, view: memoryview) -> None:
        at, size, checksum = self._header["parts"][name]
        self._file.seek(self._base + at)
        done = 0
        while done < size:
            got = self._file.readinto(view[done:])  # type: ignore[attr-defined]
            if not got:
                raise ValueError(f"part {name!r} ends after {done} of {size} bytes")
            done += got
        if _image.checksum(view) != checksum:
            raise ValueError(f"part {name!r} is changed")

    def _bytes(self, name: str) -> bytes:
        data = bytearray(self._sizes[name])
        self._read(name, memoryview(data))
        return bytes(data)

    def _array(self, name: str) -> array[int]:
        values = array("I" if name == "offsets" else _ARRAYS[name])
        values.frombytes(self._bytes(name))
        return values

    def definition(self) -> Definition:
        """Give the tokenizer, its encoder with it."""
        header = self._header
        settings = {name: _of_type(header["settings"], name, types) for name, types in _SETTINGS.items()}
        try:
            model = BpeModel(
                _scheme(header["scheme"]),
                tuple(header["special_tokens"]),
                header["byte_ids"],
                **{name: self._array(name) for name in _ARRAYS if name in self._sizes},  # type: ignore[arg-type]
                added_tokens=tuple(map(_added_token, header["added_tokens"])),
                extra_tokens=tuple((str(text), int(id)) for text, id in header["extra_tokens"]),
                **settings,
            )
            sections = Sections(**header["sections"])
            for name in header["sections"]:
                _of_type(header["sections"], name, dict | None)
            roles = check_roles(model, {str(role): str(token) for role, token in header["roles"].items()})
        except ConfigError as error:
            raise ValueError(str(error)) from error
        for name in ("normalizer", "pre_tokenizer", "post_processor", "decoder"):
            read_stage(name, getattr(sections, name))
        blob, offsets, flags = self._bytes("blob"), self._array("offsets"), self._bytes("flags")
        if len(flags) != len(offsets) - 1:
            raise ValueError(f"{len(flags)} flags for {len(offsets) - 1} ids")
        encoder = _image.restore(
            header["tables"], blob, offsets, _native(model.scheme), self._sizes, self._read
        )
        model.keep_packed(blob, offsets, flags, complete=True)
        for token in model.added_tokens:
            if not 0 <= token.id < len(flags):
                raise ValueError(
                    f"the added token {token.content!r} has the id {token.id}, and there are {len(flags)}"
                )
        return Definition(
            model,
            sections,
            roles,
            "image",
            self._source,
            pattern=_of_type(header, "pattern", str | None),
            training=_of_type(header, "training", dict | None),
            image_of=_of_type(header, "image_of", str),
            encoder=encoder,
        )


def _of_type(values: Mapping[str, Any], name: str, types: Any) -> Any:
    if not isinstance(values[name], types):
        raise ValueError(f"the field {name} is {values[name]!r}")
    return values[name]


def _added_token(values: Mapping[str, Any]) -> AddedToken:
    for field in fields(AddedToken):
        kind = {"content": str, "id": int}.get(field.name, bool)
        if type(values[field.name]) is not kind:
            raise ValueError(f"added_tokens: the field {field.name} is {values[field.name]!r}")
    return AddedToken(**values)


def _native(scheme: Scheme) -> str | None:
    return scheme.name if scheme.name in SCHEMES else None


def _scheme(values: Mapping[str, Any]) -> Scheme:
    if set(values) != {field.name for field in fields(Scheme)}:
        raise ValueError(f"the scheme has the fields {sorted(values)}")
    scheme = Scheme(**{**values, "patterns": tuple(values["patterns"])})
    if scheme.name in SCHEMES and scheme != get_scheme(scheme.name):
        raise ValueError(f"the scheme {scheme.name!r} is not the one of this bpetk")
    return scheme
