"""Fields of parsed JSON: the value if it is of the expected type, else an error that names the field."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from bpetk.errors import ModelFileError

MAX_ID = 2**21 - 3
"""The highest token id that a file may have: 2,097,149, which is what encoding takes."""


def parse_json(data: bytes) -> Any:
    """Parse a file's bytes.

    Parameters
    ----------
    data
        JSON in UTF-8, without a byte order mark.

    Returns
    -------
    Any
        Of a key that an object has twice, the last value counts, as with every reader of these files.

    Raises
    ------
    ModelFileError
        If it is not JSON, or nested too deeply.

    Examples
    --------
    >>> parse_json(b'{"a": 1}')
    {'a': 1}
    """
    if data.startswith(b"\xef\xbb\xbf"):
        raise ModelFileError("begins with a byte order mark, which JSON must not; save it without one")
    try:
        return json.loads(data.decode("utf-8"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise ModelFileError(f"not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise ModelFileError(f"not JSON: {error}") from error
    except RecursionError as error:
        raise ModelFileError("not usable JSON: nested too deeply") from error
    except ModelFileError:
        raise
    except ValueError as error:  # a number with too many digits
        raise ModelFileError(f"not usable JSON: {error}") from error


def _refuse_constant(text: str) -> NoReturn:
    raise ModelFileError(f"not JSON: {text} is not a number of JSON")


def refuse(field: str, reason: str) -> NoReturn:
    """Raise a ModelFileError that names the field."""
    raise ModelFileError(f"{field}: {reason}")


def short(value: Any) -> str:
    """Show the beginning of a value in an error."""
    if isinstance(value, (list, tuple)) and len(value) > 20:
        value = value[:20]
    elif isinstance(value, dict) and len(value) > 20:
        value = dict(list(value.items())[:20])
    elif isinstance(value, str) and len(value) > 100:
        value = value[:100]
    text = json.dumps(value, ensure_ascii=False, default=repr).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= 60 else text[:57] + "..."


def quoted(text: str) -> str:
    """Show a string of a file in an error, as Python writes it."""
    return repr(text) if len(text) <= 60 else f"{text[:57]!r}..."


def expect(value: Any, known: tuple[Any, ...], field: str) -> Any:
    """Return a value that is one of those known."""
    if any(value is item if item is None or isinstance(item, bool) else value == item for item in known):
        return value
    wanted = " or ".join(json.dumps(item) for item in known)
    refuse(field, f"only {wanted} is supported, found {short(value)}")


def read_object(value: Any, field: str) -> dict[str, Any]:
    """Return an object."""
    return value if isinstance(value, dict) else refuse(field, f"expected an object, found {short(value)}")


def read_list(value: Any, field: str) -> list[Any]:
    """Return a list."""
    return value if isinstance(value, list) else refuse(field, f"expected a list, found {short(value)}")


def read_string(value: Any, field: str) -> str:
    """Return a string that can be written as UTF-8."""
    if not isinstance(value, str):
        refuse(field, f"expected a string, found {short(value)}")
    check_text(value, field)
    return value


def read_flag(value: Any, field: str) -> bool:
    """Return true or false."""
    if isinstance(value, bool):
        return value
    refuse(field, f"expected true or false, found {short(value)}")


def read_integer(value: Any, field: str, low: int, high: int, what: str = "an integer") -> int:
    """Return an integer between two bounds, both included."""
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return value
    refuse(field, f"expected {what}, found {short(value)}")


def read_id(value: Any, field: str) -> int:
    """Return a token id."""
    return read_integer(value, field, 0, MAX_ID, f"an id up to {MAX_ID}")


def check_text(value: Any, field: str) -> None:
    """Refuse lone surrogates in a string, or in the strings of a small JSON value."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        refuse(field, f"holds the lone surrogate U+{ord(text[error.start]):04X}, which is not a character")
