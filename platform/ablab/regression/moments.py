"""When a schedule's gates are due, as moments in its time zone; through APScheduler's cron trigger."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

from ablab.spec.cron import parse_cron
from ablab.spec.regression import Schedule

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


def trigger(schedule: Schedule) -> CronTrigger:
    """The cron text as a trigger, every field spelt out: APScheduler numbers weekdays from Monday."""
    cron = parse_cron(schedule.cron)

    def listed(values: tuple[int, ...]) -> str:
        return ",".join(str(value) for value in values)

    return CronTrigger(
        second=listed(cron.second),
        minute=listed(cron.minute),
        hour=listed(cron.hour),
        day=listed(cron.day),
        month=listed(cron.month),
        day_of_week=",".join(_DAYS[day] for day in cron.weekday),
        timezone=ZoneInfo(schedule.timezone),
    )


def first_after(when: CronTrigger, moment: datetime) -> datetime:
    """The first moment strictly after ``moment``."""
    found = when.get_next_fire_time(moment, moment)
    assert isinstance(found, datetime)  # parse_cron refuses what never comes
    return found


def last_until(when: CronTrigger, after: datetime, until: datetime) -> datetime | None:
    """The last moment after ``after`` that is not after ``until``; None where there is none."""
    last, due = None, first_after(when, after)
    while due <= until:
        last, due = due, first_after(when, due)
    return last
