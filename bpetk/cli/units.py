"""Sizes and times in the units that people read."""

from __future__ import annotations

import re

import click

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


def size_text(count: int | float) -> str:
    """Give bytes in decimal units, three significant digits.

    Examples
    --------
    >>> size_text(512), size_text(71_744), size_text(1_234_567_890)
    ('512 B', '71.7 kB', '1.23 GB')
    """
    value, units = float(count), ["TB", "GB", "MB", "kB", "B"]
    while value >= 999.5 and len(units) > 1:
        value /= 1000
        units.pop()
    unit = units[-1]
    return f"{value:.0f} {unit}" if unit == "B" or value >= 99.95 else f"{value:.3g} {unit}"


def time_text(seconds: float) -> str:
    """Give a duration with about three significant digits.

    Examples
    --------
    >>> time_text(0.000002), time_text(0.01234), time_text(3.456), time_text(754)
    ('2 µs', '12.3 ms', '3.46 s', '12 min 34 s')
    """
    if seconds < 0.0009995:
        return f"{seconds * 1e6:.3g} µs"
    if seconds < 0.9995:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 119.5:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def parse_size(text: str) -> int:
    """Read bytes, with a decimal unit or without.

    Examples
    --------
    >>> parse_size("500"), parse_size("10MB"), parse_size("1.5 kB")
    (500, 10000000, 1500)
    """
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kMGkmg]?)[bB]?\s*", text)
    size = round(float(match[1]) * _UNITS[match[2].lower()]) if match else 0
    if size <= 0:
        raise click.UsageError(f"{text!r}: expected a size such as 10MB, 500kB or a number of bytes.")
    return size
