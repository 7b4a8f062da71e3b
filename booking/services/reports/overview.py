"""The reports behind the overview: one year of months that are over, ready beforehand for those who look each month."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from booking.services.reports.publish import Asked

MONTHS = 12
OF_THE_LAST_MONTH = "waits"
OF_THE_YEAR = ("waits-by-month", "choice", "deferrals", "slots-by-month")
WITHOUT_PROVIDER = frozenset({"choice"})
"""Choice is offered before anybody knows the provider."""


def year(today: date) -> tuple[date, date]:
    """The first day of the twelve months that are over, and the last."""
    last = today.replace(day=1) - timedelta(days=1)
    first = last.replace(day=1)
    for _ in range(MONTHS - 1):
        first = (first - timedelta(days=1)).replace(day=1)
    return first, last


def wanted(today: date, *, specialty: str | None = None, provider: str | None = None) -> Mapping[str, Asked]:
    """What to ask for, by report; a report that can't be narrowed so is left out."""
    first, last = year(today)
    month = Asked(last.replace(day=1), last, specialty=specialty, provider=provider)
    whole = Asked(first, last, specialty=specialty, provider=provider)
    found = {OF_THE_LAST_MONTH: month, **dict.fromkeys(OF_THE_YEAR, whole)}
    return {name: asked for name, asked in found.items() if provider is None or name not in WITHOUT_PROVIDER}
