"""The file beside a rank file that says what that does not: its pattern and its special tokens.

It has the rank file's name and ``.json`` behind it, and holds arguments of ``tiktoken.Encoding``, as `bpetk.convert`
writes them: ``name``, ``pat_str``, ``special_tokens``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bpetk.errors import ConfigError, ModelFileError
from bpetk.interop.json_fields import parse_json, read_integer, read_object, read_string

_MAX_BYTES = 1 << 26


@dataclass(frozen=True)
class RankSideFile:
    """What the file says."""

    path: Path
    pattern: str | None
    special_tokens: dict[str, int]

    @contextmanager
    def blamed(self, field: str) -> Iterator[None]:
        """Make what is wrong with a value of this file, which the caller has not given, an error of the file."""
        try:
            yield
        except ConfigError as error:
            raise ModelFileError(f"{self.path}: {field}: {error}") from error


def side_file_path(path: Path) -> Path:
    """Name the file that belongs to a rank file.

    Examples
    --------
    >>> side_file_path(Path("my.tiktoken")).name
    'my.tiktoken.json'
    """
    return path.with_name(path.name + ".json")


def read_side_file(path: Path) -> RankSideFile | None:
    """Read the file that belongs to a rank file, if there is one.

    Parameters
    ----------
    path
        The rank file.

    Returns
    -------
    RankSideFile or None
        None also for a JSON file that has neither ``pat_str`` nor ``special_tokens``, which is something else.

    Raises
    ------
    ModelFileError
        If it cannot be read or is malformed; the message names file and field.
    """
    beside = side_file_path(path)
    if not beside.is_file():
        return None
    try:
        with beside.open("rb") as file:
            data: Any = parse_json(file.read(_MAX_BYTES))
        if not isinstance(data, dict) or not {"pat_str", "special_tokens"} & set(data):
            return None
        pattern = read_string(data["pat_str"], "pat_str") if "pat_str" in data else None
        special = read_object(data.get("special_tokens", {}), "special_tokens")
        for content, id in special.items():
            read_integer(id, f"special_tokens: {content!r}", 0, 1 << 32)
    except OSError as error:
        raise ModelFileError(f"cannot read {str(beside)!r}: {error.strerror or error}") from error
    except ModelFileError as error:
        raise ModelFileError(f"{beside}: {error}") from error
    return RankSideFile(beside, pattern, special)
