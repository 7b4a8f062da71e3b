"""Working days: Monday to Friday without bank holidays."""

from __future__ import annotations

from collections.abc import Set
from datetime import date, timedelta


def add_working_days(start: date, days: int, holidays: Set[date]) -> date:
    """The ``days``-th working day after ``start``; none is the first working day from ``start`` on."""
    day = start
    while not is_working_day(day, holidays):
        day += timedelta(days=1)
    if days and day != start:
        days -= 1
    for _ in range(days):
        day += timedelta(days=1)
        while not is_working_day(day, holidays):
            day += timedelta(days=1)
    return day


def is_working_day(day: date, holidays: Set[date]) -> bool:
    return day.weekday() < 5 and day not in holidays
