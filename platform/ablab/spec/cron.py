"""Cron text as the moments it names: pure, and with the meaning that the cron of a Unix machine gives it.

Five fields as in a crontab (minute, hour, day of month, month, day of week), or six with the second in
front. A field is ``*``, a number, a range ``a-b``, any of the two with a step ``/n``, or a list of these;
months and weekdays may be named (``jan``, ``mon``). Sunday is 0 or 7.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST = MappingProxyType(
    {1: 31, 2: 29, 3: 31, 4: 30, 5: 31, 6: 30, 7: 31, 8: 31, 9: 30, 10: 31, 11: 30, 12: 31}
)
_PART = re.compile(r"(?:(?P<all>\*)|(?P<low>\w+)(?:-(?P<high>\w+))?)(?:/(?P<step>[0-9]+))?")


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: Mapping[str, int]


_FIELDS = (
    _Field("second", 0, 59, {}),
    _Field("minute", 0, 59, {}),
    _Field("hour", 0, 23, {}),
    _Field("day", 1, 31, {}),
    _Field("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    _Field("weekday", 0, 7, {name: number for number, name in enumerate(_DAYS)}),
)


@dataclass(frozen=True, slots=True)
class Cron:
    """Every value that each part of the time may have."""

    second: tuple[int, ...]
    minute: tuple[int, ...]
    hour: tuple[int, ...]
    day: tuple[int, ...]
    month: tuple[int, ...]
    weekday: tuple[int, ...]
    """0 is Sunday."""


def parse_cron(text: str) -> Cron:
    """The moments that ``text`` names; ValueError says what is wrong with it.

    >>> cron = parse_cron("30 2 * * mon-fri")
    >>> cron.minute, cron.hour, cron.weekday
    ((30,), (2,), (1, 2, 3, 4, 5))
    """
    parts = text.split()
    if len(parts) not in (5, 6):
        raise ValueError(
            f"needs 5 fields (minute hour day month weekday), or 6 with the second in front, not {len(parts)}"
        )
    parts = parts if len(parts) == 6 else ["0", *parts]
    values = [_values(field, part) for field, part in zip(_FIELDS, parts, strict=True)]
    weekdays = tuple(sorted({day % 7 for day in values[-1]}))
    second, minute, hour, day, month, _ = values
    cron = Cron(second, minute, hour, day, month, weekdays)
    if len(cron.day) < 31 and len(weekdays) < 7:
        raise ValueError(
            "names both days of the month and weekdays; a crontab runs on either: give one of them"
        )
    if not any(day <= _LONGEST[month] for month in cron.month for day in cron.day):
        raise ValueError("names a day that none of its months has, so it would never run")
    return cron


def _values(field: _Field, text: str) -> tuple[int, ...]:
    found: set[int] = set()
    for part in text.lower().split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError(
                f"{field.name} {part!r} is not *, a number, a range such as 1-5, or one with /step"
            )
        low = field.low if match["all"] else _number(field, match["low"])
        # Weekdays 0 and 7 are one day: a step that runs to the end must not count it twice.
        last = 6 if field.name == "weekday" else field.high
        high = last if match["all"] or (match["step"] and not match["high"]) else low
        high = _number(field, match["high"]) if match["high"] else high
        step = int(match["step"] or 1)
        if high < low or step == 0:
            raise ValueError(f"{field.name} {part!r} names nothing")
        found |= set(range(low, high + 1, step))
    return tuple(sorted(found))


def _number(field: _Field, text: str) -> int:
    number = field.names.get(text, -1) if not text.isdecimal() else int(text)
    if not field.low <= number <= field.high:
        named = f" or {', '.join(field.names)}" if field.names else ""
        raise ValueError(f"{field.name} {text!r} is not {field.low} to {field.high}{named}")
    return number
