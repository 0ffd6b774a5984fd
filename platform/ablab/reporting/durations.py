"""Durations as people say them."""

from __future__ import annotations


def spoken(seconds: float) -> str:
    """A duration in words, to the second up to an hour.

    >>> spoken(0.4), spoken(12), spoken(192), spoken(3600), spoken(8040)
    ('0.4 s', '12 s', '3 min 12 s', '1 h 0 min', '2 h 14 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def clock(seconds: float) -> str:
    """A duration as a clock shows it.

    >>> clock(4), clock(71), clock(3725)
    ('0:04', '1:11', '1:02:05')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
