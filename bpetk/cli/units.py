"""Sizes and times in the units that people read."""

from __future__ import annotations


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
    >>> time_text(0.01234), time_text(3.456), time_text(754)
    ('12.3 ms', '3.46 s', '12 min 34 s')
    """
    if seconds < 0.9995:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 119.5:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
