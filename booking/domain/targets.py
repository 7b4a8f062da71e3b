"""Waiting-time clocks and targets (domain rule 3)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from booking.domain.errors import Invalid
from booking.domain.words import Priority

DEFAULT_TARGET_DAYS: Mapping[Priority, int] = {
    Priority.ROUTINE: 126,
    Priority.URGENT: 42,
    Priority.TWO_WEEK_WAIT: 14,
}
"""18 weeks by the NHS Constitution, 14 days for two-week-wait; 42 for urgent is ours. Local policy may differ."""

LONGEST_CLOCK_DAYS = 365


def clock_start(given: date | None, *, today: date) -> date:
    """The RTT clock start: as given if it is in the past by at most 365 days, today if not given."""
    if given is None:
        return today
    if given > today:
        raise Invalid.field("rtt_clock_start", "CLOCK_START_IN_FUTURE", "The RTT clock can't start in the future.")
    if (today - given).days > LONGEST_CLOCK_DAYS:
        raise Invalid.field(
            "rtt_clock_start", "CLOCK_START_TOO_OLD", "The RTT clock can't start more than 365 days ago."
        )
    return given


def due_date(start: date, priority: Priority, targets: Mapping[Priority, int] = DEFAULT_TARGET_DAYS) -> date:
    """The last day that meets the target."""
    return start + timedelta(days=targets[priority])


def dates_of_age(born: date, youngest: int, oldest: int) -> tuple[date, date]:
    """The first day somebody is ``youngest`` and the last day they are ``oldest``."""
    return _birthday(born, youngest), _birthday(born, oldest + 1) - timedelta(days=1)


def _birthday(born: date, age: int) -> date:
    try:
        return born.replace(year=born.year + age)
    except ValueError:  # born on 29 February
        return date(born.year + age, 3, 1)


def age_on(born: date, day: date) -> int:
    """Whole years; somebody born on 29 February has their birthday on 1 March in other years."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))
