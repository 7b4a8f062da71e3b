"""What somebody asks of a report, from and to an address: months by name, filters by code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from flask import url_for

from booking.domain.errors import Invalid
from booking.domain.words import Priority
from booking.services.reports import overview
from booking.services.reports.period import MOST_MONTHS
from booking.services.reports.publish import Asked
from booking.services.reports.table import Report
from booking.web.forms import Form

NAMES = ("from", "to", "specialty", "priority", "provider")


def default(report: Report, today: date) -> Asked:
    """Twelve months that are over; of a report about the present, nothing."""
    if not report.of_a_period:
        return Asked()
    first, last = overview.year(today)
    return overview.wanted(today).get(report.name, Asked(first, last))


def read(report: Report, values: Mapping[str, str], today: date, form: Form) -> Asked:
    """The question of an address; what it leaves out is as :func:`default`. Faults go to the form."""
    asked = default(report, today)
    if report.of_a_period:
        first, last = _month(values, "from", form), _month(values, "to", form)
        if first or last:
            first = first or last
            asked = replace(asked, first=first, last=_end(last or first) if first else None)
    priority = values.get("priority") or None
    if priority is not None and priority not in set(Priority):
        form.fail("priority", "Choose one of the priorities.")
        priority = None
    return replace(
        asked,
        specialty=values.get("specialty") or None,
        priority=Priority(priority) if priority else None,
        provider=values.get("provider") or None,
    )


def _month(values: Mapping[str, str], name: str, form: Form) -> date | None:
    text = values.get(name, "")
    if not text:
        return None
    try:
        year, month = text.split("-")
        return date(int(year), int(month), 1)
    except ValueError:
        form.fail(name, "Choose a month of the list.")
        return None


def _end(month: date | None) -> date | None:
    if month is None:
        return None
    if month.year == date.max.year:
        return month
    return (month + timedelta(days=32)).replace(day=1) - timedelta(days=1)


def refused(form: Form, error: Invalid) -> None:
    form.refuse(error, NAMES, "from")


def written(asked: Asked) -> dict[str, Any]:
    """The question as an address has it."""
    months = {"from": asked.first, "to": asked.last}
    return {**{name: f"{day:%Y-%m}" for name, day in months.items() if day is not None}, **asked.filters}


def address(name: str, asked: Asked, **more: Any) -> str:
    return url_for("web.report", name=name, **written(asked), **more)


def csv_address(name: str, asked: Asked) -> str:
    return url_for("web.report_csv", name=name, **written(asked))


def month_choices(today: date) -> list[tuple[str, str]]:
    """The months a report may begin or end with, the newest first, as (value, words)."""
    found: list[tuple[str, str]] = []
    day = today.replace(day=1)
    for _ in range(MOST_MONTHS):
        day = (day - timedelta(days=1)).replace(day=1)
        found.append((f"{day:%Y-%m}", f"{day:%B %Y}"))
    return found


def month_words(name: str) -> str:
    """``2026-10`` as ``October 2026``; anything else as it is."""
    try:
        return f"{date.fromisoformat(name + '-01'):%B %Y}"
    except ValueError:
        return name


def month_short(name: str) -> str:
    """``2026-10`` as ``Oct 26``."""
    try:
        return f"{date.fromisoformat(name + '-01'):%b %y}"
    except ValueError:
        return name
