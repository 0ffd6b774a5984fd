"""How the report writes numbers: fixed digits, so that decimals stand in line, and a true minus."""

from __future__ import annotations

NONE = "–"
MINUS = "−"
_MOST_DIGITS = 7


def plain(value: float | None, digits: int = 4) -> str:
    """A value.

    >>> plain(0.14463), plain(-0.05, 3), plain(-0.00001), plain(None)
    ('0.1446', '−0.050', '0.0000', '–')
    """
    if value is None:
        return NONE
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.removeprefix("-")
    return text.replace("-", MINUS)


def signed(value: float | None, digits: int = 4) -> str:
    """A difference.

    >>> signed(0.0042), signed(-0.0083), signed(0.0)
    ('+0.0042', '−0.0083', '0.0000')
    """
    text = plain(value, digits)
    return f"+{text}" if value is not None and float(f"{value:.{digits}f}") > 0 else text


def interval(low: float | None, high: float | None, digits: int = 4, *, sign: bool = True) -> str:
    """An interval; of a difference with signs.

    A limit that is not zero is written with more digits before it reads as zero, since which side of zero it
    lies on is what the reader looks for.

    >>> interval(-0.028, 0.0114), interval(0.012, 0.03, 3, sign=False), interval(None, None)
    ('[−0.0280, +0.0114]', '[0.012, 0.030]', '–')
    >>> interval(0.0003, 0.03, 3, sign=False)
    '[0.0003, 0.0300]'
    """
    if low is None or high is None:
        return NONE
    while digits < _MOST_DIGITS and any(value and not float(f"{value:.{digits}f}") for value in (low, high)):
        digits += 1
    write = signed if sign else plain
    return f"[{write(low, digits)}, {write(high, digits)}]"


def p_value(value: float | None) -> str:
    """A p value, to three digits.

    >>> p_value(0.2134), p_value(0.0002), p_value(None)
    ('0.213', '<0.001', '–')
    """
    if value is None:
        return NONE
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def small(value: float | None) -> str:
    """A quantity of any size, to three significant digits.

    >>> small(0.00218), small(0.1194), small(12.34), small(None)
    ('0.00218', '0.119', '12.3', '–')
    """
    if value is None:
        return NONE
    return f"{value:.3g}".replace("-", MINUS)
