"""Cron text means what a crontab means, and what is wrong with it is said."""

from __future__ import annotations

import pytest

from ablab.spec.cron import parse_cron

EVERY_MINUTE, EVERY_HOUR = tuple(range(60)), tuple(range(24))


def test_five_fields_are_a_crontab() -> None:
    cron = parse_cron("*/15 2,14 1-7 jan-mar *")
    assert (cron.second, cron.minute, cron.hour) == ((0,), (0, 15, 30, 45), (2, 14))
    assert (cron.day, cron.month, cron.weekday) == (tuple(range(1, 8)), (1, 2, 3), tuple(range(7)))


def test_a_sixth_field_is_the_second_in_front() -> None:
    cron = parse_cron("*/20 * * * * *")
    assert (cron.second, cron.minute, cron.hour) == ((0, 20, 40), EVERY_MINUTE, EVERY_HOUR)


@pytest.mark.parametrize(
    ("weekday", "days"),
    [
        ("0", (0,)),
        ("7", (0,)),
        ("sun", (0,)),
        ("MON-FRI", (1, 2, 3, 4, 5)),
        ("5-7", (0, 5, 6)),
        ("*/2", (0, 2, 4, 6)),
        ("1/3", (1, 4)),
    ],
)
def test_weekdays_are_numbered_from_sunday(weekday: str, days: tuple[int, ...]) -> None:
    assert parse_cron(f"0 1 * * {weekday}").weekday == days


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 2 3", "needs 5 fields (minute hour day month weekday), or 6 with the second in front, not 3"),
        ("60 * * * *", "minute '60' is not 0 to 59"),
        ("* 24 * * *", "hour '24' is not 0 to 23"),
        ("* * 0 * *", "day '0' is not 1 to 31"),
        ("* * * foo *", "month 'foo' is not 1 to 12 or jan, feb, "),
        ("* * * * 8", "weekday '8' is not 0 to 7 or sun, mon, "),
        ("5-1 * * * *", "minute '5-1' names nothing"),
        ("*/0 * * * *", "minute '*/0' names nothing"),
        ("1,,2 * * * *", "minute '' is not *, a number, a range such as 1-5, or one with /step"),
        ("-1 * * * *", "minute '-1' is not *, a number"),
        ("0 1 1 * mon", "names both days of the month and weekdays"),
        ("0 1 30 feb *", "names a day that none of its months has, so it would never run"),
    ],
)
def test_what_is_wrong_is_said(text: str, reason: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_cron(text)
    assert str(caught.value).startswith(reason)
