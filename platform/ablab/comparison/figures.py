"""How numbers are written for people: no leading zero, a sign where it matters, a dash for none."""

from __future__ import annotations

NONE = "-"


def plain(value: float | None, digits: int = 4) -> str:
    """A value; correlations without the leading zero.

    >>> plain(0.18931), plain(-0.05, 3), plain(1.23456), plain(15521793.0), plain(None)
    ('.1893', '-.050', '1.235', '1.552e+07', '-')
    """
    if value is None:
        return NONE
    if abs(value) >= 1:
        return f"{value:.4g}"
    text = f"{value:.{digits}f}"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def signed(value: float | None, digits: int = 4) -> str:
    """A difference.

    >>> signed(0.0018), signed(-0.0034, 3), signed(0.0), signed(None)
    ('+.0018', '-.003', '.0000', '-')
    """
    if value is None:
        return NONE
    return f"+{plain(value, digits)}" if value > 0 else plain(value, digits)


def interval(low: float | None, high: float | None, digits: int = 3) -> str:
    """An interval.

    >>> interval(-0.003, 0.0071), interval(None, None)
    ('[-.003,+.007]', '-')
    """
    return NONE if low is None or high is None else f"[{signed(low, digits)},{signed(high, digits)}]"


def p(value: float | None) -> str:
    """A p value: two digits from .10 up, three below.

    >>> p(0.86), p(0.0824), p(0.0002), p(1.0), p(None)
    ('.86', '.082', '<.001', '1.00', '-')
    """
    if value is None:
        return NONE
    if value < 0.001:
        return "<.001"
    text = f"{value:.3f}" if value < 0.1 else f"{value:.2f}"
    return text.removeprefix("0")


def percent(share: float) -> str:
    """A share.

    >>> percent(0.7512)
    '75 %'
    """
    return f"{100 * share:.0f} %"


def level(tail: float) -> str:
    """The level of an interval that leaves ``tail`` outside: as many digits as it has.

    >>> level(0.05), level(0.025), level(2 * 0.05)
    ('95 %', '97.5 %', '90 %')
    """
    return f"{100 * (1 - tail):.4g} %"


def count(value: int | None) -> str:
    """A large count.

    >>> count(15521793), count(34120), count(512), count(None)
    ('15.5M', '34.1k', '512', '-')
    """
    if value is None:
        return NONE
    if value >= 1_000_000:
        return f"{value / 1e6:.1f}M"
    return f"{value / 1e3:.1f}k" if value >= 1000 else str(value)


def duration(seconds: float | None) -> str:
    """A duration.

    >>> duration(8.21), duration(75.0), duration(11880.0), duration(None)
    ('8.2s', '75s', '3.3h', '-')
    """
    if seconds is None:
        return NONE
    if seconds < 10:
        return f"{seconds:.1f}s"
    if seconds < 600:
        return f"{seconds:.0f}s"
    return f"{seconds / 60:.0f}m" if seconds < 6000 else f"{seconds / 3600:.1f}h"


def plural(n: int, noun: str) -> str:
    """A count with its noun.

    >>> plural(1, "seed"), plural(3, "seed")
    ('1 seed', '3 seeds')
    """
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
